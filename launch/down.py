"""`make down`: end what `make up` started, from another terminal."""

import fcntl
import signal
import sys
import time
from pathlib import Path
from typing import Any

from launch import choices, layout, process
from launch.files import read_json
from launch.layout import Layout
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
    recorded = _recorded(place)
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


def _recorded(place: Layout) -> dict[str, Any]:
    """Return what runs; a supervisor that has just begun gets a moment to write it down."""
    deadline = time.monotonic() + 10
    while True:
        recorded = read_json(place.running)
        if recorded.get("pid") or not _is_held(place.lock) or time.monotonic() > deadline:
            return recorded
        time.sleep(0.1)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


if __name__ == "__main__":
    sys.exit(main())
