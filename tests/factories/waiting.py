"""Knowing that two transactions have met, without sleeping and hoping."""

import time

from sqlalchemy import text

from security.gate import Gate

_ASKED = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
_PATIENCE_S = 10


def until_one_waits(gate: Gate) -> None:
    """Return as soon as some transaction of this database waits for another's."""
    until = time.monotonic() + _PATIENCE_S
    is_waiting = 0
    while not is_waiting:  # anew each time: a transaction sees one picture of what goes on
        with gate.outside() as connection:
            is_waiting = connection.execute(_ASKED).scalar_one()
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.01)
