"""How the duties stand: owed, with a job, to be tried again, given up. For whoever runs the installation.

Ids, names, codes and instants only, as the table itself; nothing personal. Trying a given-up duty again
makes it owed anew: its handler runs as if for the first time, and counts once, as always.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, and_, case, func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.duties import DutyRow

PERIODIC = "every."
_RECENT = dt.timedelta(hours=1)
_OPEN = and_(DutyRow.settled_at.is_(None), DutyRow.given_up_at.is_(None))


@dataclass(frozen=True, slots=True)
class HandlerState:
    """One handler: how many of its duties wait, are with a job, wait again, were given up, were done."""

    handler: str
    waiting: int
    running: int
    again: int
    given_up: int
    done: int
    oldest_at: dt.datetime | None
    last_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """One duty that was tried as often as it may be; `error` is a code."""

    subject_id: UUID
    handler: str
    attempts: int
    error: str
    at: dt.datetime


def by_handler(session: Session) -> Sequence[HandlerState]:
    """Return how the duties of each handler stand; `done` counts the last hour."""
    now = clock.now()
    waiting = and_(_OPEN, DutyRow.batch_id.is_(None), DutyRow.attempts == 0)
    running = and_(_OPEN, DutyRow.batch_id.is_not(None))
    again = and_(_OPEN, DutyRow.batch_id.is_(None), DutyRow.attempts > 0)
    rows = session.execute(
        select(
            DutyRow.handler,
            *(
                func.sum(case((test, 1), else_=0))
                for test in (
                    waiting,
                    running,
                    again,
                    DutyRow.given_up_at.is_not(None),
                    DutyRow.settled_at > now - _RECENT,
                )
            ),
            func.min(case((_OPEN, DutyRow.due_at))),
            func.max(DutyRow.settled_at),
        )
        .group_by(DutyRow.handler)
        .order_by(DutyRow.handler)
    )
    found = []
    for handler, *counts in rows:
        waits, runs, fails, left, done = (int(one) for one in counts[:5])
        found.append(HandlerState(handler, waits, runs, fails, left, done, counts[5], counts[6]))
    return found


def given_up(session: Session, *, limit: int = 100) -> Sequence[GivenUp]:
    """Return duties that were given up, the latest first."""
    rows = session.scalars(
        select(DutyRow)
        .where(DutyRow.given_up_at.is_not(None))
        .order_by(DutyRow.given_up_at.desc())
        .limit(limit)
    )
    return [
        GivenUp(row.subject_id, row.handler, row.attempts, row.error or "", row.given_up_at or row.due_at)
        for row in rows
    ]


def try_again(session: Session | Connection, *, subject_id: UUID | None = None, handler: str) -> int:
    """Owe a given-up duty anew, or every one of a handler; return how many."""
    tests = [DutyRow.handler == handler, DutyRow.given_up_at.is_not(None)]
    if subject_id is not None:
        tests.append(DutyRow.subject_id == subject_id)
    done = session.execute(
        update(DutyRow)
        .where(*tests)
        .values(given_up_at=None, attempts=0, batch_id=None, due_at=clock.now())
        .returning(DutyRow.handler)
    )
    return len(done.all())
