"""The jobs whose single piece takes seconds (`python -m workers.heavy`): lead files, recordings, invoices.

A process of its own: the second in which a campaign dials must not wait for the million rows of somebody's
file.
"""

import sys

from workers import jobs, queues


def main() -> int:
    """Do the heavy jobs."""
    return jobs.live("heavy", (queues.HEAVY,))


if __name__ == "__main__":
    sys.exit(main())
