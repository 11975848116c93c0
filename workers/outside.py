"""The jobs that wait on other people's hosts (`python -m workers.outside`): webhooks, mail, payments.

A process of its own: a receiver that takes ten seconds to fail must not hold up a recording or a dial.
"""

import sys

from workers import jobs, queues


def main() -> int:
    """Do the jobs that wait on other people's hosts."""
    return jobs.live("outside", (queues.OUTSIDE,))


if __name__ == "__main__":
    sys.exit(main())
