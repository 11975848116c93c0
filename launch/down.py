"""`make down`: end what `make up` started, from another terminal."""

import signal
import sys

from launch import choices, layout, process
from launch.files import read_json
from launch.supervisor import end_leftovers
from launch.trouble import LaunchError

LIMIT_S = 60.0


def main() -> int:
    """End the supervisor, which ends the rest; return 0 when nothing runs any more."""
    try:
        place = layout.find(choices.read())
    except LaunchError as error:
        print(f"seatline: {error}", file=sys.stderr)
        return 1
    recorded = read_json(place.running)
    supervisor = process.Identity(int(recorded.get("pid", 0)), int(recorded.get("started", 0)))
    if process.is_alive(supervisor):
        process.send([supervisor], signal.SIGTERM)
        if not process.are_gone([supervisor], within_s=LIMIT_S):
            print(f"seatline: process {supervisor.pid} takes long to end; ending it by force")
            process.end([supervisor], first=signal.SIGKILL, within_s=5)
        end_leftovers(place)
        print("seatline: ended")
        return 0
    left = end_leftovers(place)
    print(f"seatline: ended what was left: {', '.join(left)}" if left else "seatline: nothing runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
