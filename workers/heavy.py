"""The jobs whose single piece takes seconds (`python -m workers.heavy`): lead files, recordings, invoices.

A process of its own: the second in which a campaign dials must not wait for the million rows of somebody's
file. Started as `drawing` it makes files of tables as well; alone it leaves them to such a one.
"""

import sys
from collections.abc import Callable

from wiring import House
from workers import jobs, queues


def main(furnish: Callable[[House], House] = lambda house: house) -> int:
    """Do the heavy jobs; `furnish` adds what comes from another doorway."""
    return jobs.live("heavy", (queues.HEAVY,), furnish=furnish)


if __name__ == "__main__":
    sys.exit(main())
