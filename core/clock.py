"""The one clock.

All instants are aware UTC. Tests hold the clock instead of patching `datetime`; so does what seeds the demo,
in a process of its own.
"""

import contextlib
import datetime as dt
from collections.abc import Iterator

_held: list[dt.datetime] = []


def now() -> dt.datetime:
    """Return the present instant, aware, UTC."""
    if _held:
        return _held[-1]
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the place


@contextlib.contextmanager
def hold(at: dt.datetime) -> Iterator[None]:
    """Stop the clock at `at` (aware) inside the block; blocks nest.

    For tests, and for the made-up past of the demo.
    """
    if at.tzinfo is None:
        message = "the clock holds aware instants only"
        raise ValueError(message)
    _held.append(at.astimezone(dt.UTC))
    try:
        yield
    finally:
        _held.pop()


def advance(by: dt.timedelta) -> None:
    """Move a held clock forward. For tests only."""
    _held[-1] += by


def elapsed_ms(start: dt.datetime, end: dt.datetime) -> int:
    """Return whole milliseconds from `start` to `end`, never negative."""
    return max(0, (end - start) // dt.timedelta(milliseconds=1))
