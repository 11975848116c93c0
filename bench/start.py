"""How long a start takes, and how much memory all of it needs.

    python -m bench.start           # prints JSON; one cold start, three warm ones

Cold is an empty state folder with the parts unpacked already and the packages installed: passwords, a new
database cluster, migrations, the demo, everything ready. Warm is the same folder again. Memory is PSS (each
shared page is counted once, in shares) of every process, half a minute after the last start, with nobody
signed in.
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

from bench import stack
from core import clock

WARM_STARTS = 3
_SETTLED_S = 30.0


def run(*, warm_starts: int = WARM_STARTS, settled_s: float = _SETTLED_S) -> dict[str, Any]:
    """Start a Seatline of our own again and again and return the report."""
    with stack.ground() as ground:
        load = [_load()]
        cold_s = ground.start()
        warm_s = []
        for _ in range(warm_starts):
            ground.stop()
            load.append(_load())
            warm_s.append(ground.start())
        time.sleep(settled_s)
        memory = stack.memory(ground.place)
    return {
        "measure": "start and memory",
        "at": clock.now().isoformat(timespec="seconds"),
        "load_1min": load,
        "cold_s": round(cold_s, 1),
        "warm_s": {
            "starts": warm_starts,
            "min": round(min(warm_s), 1),
            "median": round(statistics.median(warm_s), 1),
            "max": round(max(warm_s), 1),
        },
        "memory_mib": memory,
        "memory_in_all_mib": round(sum(each["pss"] for each in memory.values()), 1),
    }


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("--warm", type=int, default=WARM_STARTS, help="warm starts after the cold one")
    chosen = parser.parse_args()
    json.dump(run(warm_starts=chosen.warm), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
