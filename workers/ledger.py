"""The ledger of duties: what is owed, who has it now, what came of it. The work itself lives here.

A duty is handed out on a lease. Who starts it tries it under its batch's name; in the handler's own
transaction its row is held and, at the end, marked as settled, so it counts exactly once: a second runner
waits for the row and then finds it settled, and a runner that died has let go of it. What is neither
settled nor held when its lease ends is handed out again.

Functions take a connection or a session in any context, because the ledger is a platform table.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, and_, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.duties import DutyRow
from core.events import OutboxRow
from core.ids import new_id
from workers.queues import queue_of

LEASE = dt.timedelta(seconds=30)
KEPT = dt.timedelta(days=7)
_MOST = 2000
# Any constant: it names the election among relays in this database.
_ELECTION = 0x5EA7_0001

_OWED = and_(DutyRow.settled_at.is_(None), DutyRow.given_up_at.is_(None))


@dataclass(frozen=True, slots=True)
class Batch:
    """Duties of one handler that one job carries out."""

    batch_id: UUID
    handler: str
    subjects: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """A duty somebody has begun: which attempt it is, and the event, if it follows from one."""

    attempt: int
    event_name: str | None
    payload: str | None


def elected(connection: Connection) -> bool:
    """Return whether this transaction leads among the relays; it does until it ends."""
    return bool(
        connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ELECTION}).scalar_one()
    )


def owe_events(connection: Connection, handlers: Mapping[str, Iterable[str]], *, limit: int = 500) -> int:
    """Turn announced events into duties, oldest first; return how many events there were.

    Args:
        connection: of the elected relay.
        handlers: for each event name we know, the handlers' names. Events of other names stay for a relay
            that knows them, which there is while a new version is rolled out.
        limit: how many events at most.
    """
    rows = connection.execute(
        select(OutboxRow.id, OutboxRow.name)
        .where(OutboxRow.relayed_at.is_(None), OutboxRow.name.in_(handlers))
        .order_by(OutboxRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    now = clock.now()
    owed = [_duty(row.id, handler, now) for row in rows for handler in handlers[row.name]]
    if owed:
        connection.execute(insert(DutyRow).values(owed).on_conflict_do_nothing())
    if rows:
        connection.execute(
            update(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])).values(relayed_at=now)
        )
    return len(rows)


def owe_slot(connection: Connection, task: str, *, slot: int) -> bool:
    """Owe one run of a periodic task; not while an earlier one is outstanding. Return whether it is new."""
    waiting = connection.execute(select(exists().where(DutyRow.handler == task, _OWED))).scalar_one()
    if waiting:
        return False
    added = connection.execute(
        insert(DutyRow)
        .values(_duty(UUID(int=slot), task, clock.now()))
        .on_conflict_do_nothing()
        .returning(DutyRow.handler)
    ).first()
    return added is not None


def hand_out(
    connection: Connection, *, handlers: Collection[str], waiting_jobs: Callable[[], Collection[str]]
) -> list[Batch]:
    """Lease what is due, in batches; what failed before goes alone, so that it spoils no other's attempt.

    Args:
        connection: of the elected relay.
        handlers: the names this version of the code can run.
        waiting_jobs: returns the ids of jobs that still wait in Redis, whose duties are not handed out a
            second time; asked only when a lease has ended.
    """
    now = clock.now()
    rows = connection.execute(
        select(DutyRow.subject_id, DutyRow.handler, DutyRow.attempts, DutyRow.batch_id)
        .where(_OWED, DutyRow.due_at <= now, DutyRow.handler.in_(handlers))
        .order_by(DutyRow.due_at, DutyRow.subject_id)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
    ).all()
    together: dict[str, list[UUID]] = defaultdict(list)
    groups: list[tuple[str, list[UUID]]] = []
    patient: list[UUID] = []
    waiting = waiting_jobs() if any(row.batch_id for row in rows) else ()
    for row in rows:
        if row.batch_id is not None and row.batch_id.hex in waiting:
            patient.append(row.batch_id)
        elif row.attempts:
            groups.append((row.handler, [row.subject_id]))
        else:
            together[row.handler].append(row.subject_id)
    for handler, subjects in together.items():
        size = queue_of(handler).batch
        groups += [(handler, subjects[first : first + size]) for first in range(0, len(subjects), size)]
    batches = [Batch(new_id(), handler, tuple(subjects)) for handler, subjects in groups]
    for batch in batches:
        connection.execute(
            update(DutyRow)
            .where(DutyRow.handler == batch.handler, DutyRow.subject_id.in_(batch.subjects))
            .values(batch_id=batch.batch_id, due_at=now + LEASE)
        )
    if patient:
        connection.execute(
            update(DutyRow).where(DutyRow.batch_id.in_(set(patient)), _OWED).values(due_at=now + LEASE)
        )
    return batches


def recall(connection: Connection) -> int:
    """Take back every duty that was handed out and is not held: Redis has lost them. Return how many."""
    idle = (
        select(DutyRow.subject_id, DutyRow.handler)
        .where(_OWED, DutyRow.batch_id.is_not(None))
        .with_for_update(skip_locked=True)
        .cte()
    )
    back = connection.execute(
        update(DutyRow)
        .where(DutyRow.subject_id == idle.c.subject_id, DutyRow.handler == idle.c.handler)
        .values(batch_id=None, due_at=clock.now())
    )
    return back.rowcount


def in_batch(connection: Connection, *, batch_id: UUID, handler: str) -> list[UUID]:
    """Return the subjects a batch still has to do, in order."""
    rows = connection.execute(
        select(DutyRow.subject_id)
        .where(DutyRow.batch_id == batch_id, DutyRow.handler == handler, _OWED)
        .order_by(DutyRow.subject_id)
    )
    return list(rows.scalars())


def begin(
    connection: Connection, *, subject_id: UUID, handler: str, batch_id: UUID, lease: dt.timedelta = LEASE
) -> Tried | None:
    """Count an attempt and renew the lease; None when the duty is settled or with another batch by now."""
    attempt = connection.execute(
        update(DutyRow)
        .where(
            DutyRow.subject_id == subject_id,
            DutyRow.handler == handler,
            DutyRow.batch_id == batch_id,
            _OWED,
        )
        .values(attempts=DutyRow.attempts + 1, due_at=clock.now() + lease)
        .returning(DutyRow.attempts)
    ).scalar()
    if attempt is None:
        return None
    event = connection.execute(
        select(OutboxRow.name, OutboxRow.payload).where(OutboxRow.id == subject_id)
    ).first()
    return Tried(attempt, event.name, event.payload) if event else Tried(attempt, None, None)


def hold(session: Session, *, subject_id: UUID, handler: str, batch_id: UUID) -> bool:
    """Hold the duty until the transaction ends; False when it is no longer this batch's to do."""
    held = session.execute(
        select(DutyRow.subject_id)
        .where(
            DutyRow.subject_id == subject_id,
            DutyRow.handler == handler,
            DutyRow.batch_id == batch_id,
            _OWED,
        )
        .with_for_update()
    ).first()
    return held is not None


def settle(session: Session | Connection, *, subject_id: UUID, handler: str) -> None:
    """Mark the duty as done; in the transaction that did it."""
    session.execute(
        update(DutyRow)
        .where(DutyRow.subject_id == subject_id, DutyRow.handler == handler)
        .values(settled_at=clock.now(), batch_id=None, error=None)
    )


def fail(connection: Connection, *, subject_id: UUID, handler: str, batch_id: UUID, error: str) -> bool:
    """Write a failure down and say when to try again; return whether it was the last attempt."""
    mine = and_(
        DutyRow.subject_id == subject_id, DutyRow.handler == handler, DutyRow.batch_id == batch_id, _OWED
    )
    attempts = connection.execute(select(DutyRow.attempts).where(mine).with_for_update()).scalar()
    if attempts is None:
        return False
    now, queue = clock.now(), queue_of(handler)
    is_last = attempts >= queue.attempts
    wait = dt.timedelta(seconds=0 if is_last else queue.backoff_s[max(0, attempts - 1)])
    connection.execute(
        update(DutyRow)
        .where(mine)
        .values(batch_id=None, due_at=now + wait, error=error[:80], given_up_at=now if is_last else None)
    )
    return is_last


def put_off(
    connection: Connection, *, subject_id: UUID, handler: str, batch_id: UUID, wait: dt.timedelta
) -> None:
    """Let a duty rest that went as it should and is to be done again; its attempts count anew."""
    connection.execute(
        update(DutyRow)
        .where(
            DutyRow.subject_id == subject_id, DutyRow.handler == handler, DutyRow.batch_id == batch_id, _OWED
        )
        .values(batch_id=None, due_at=clock.now() + wait, attempts=0, error=None)
    )


def give_back(connection: Connection, *, batch_id: UUID, handler: str) -> None:
    """Return what a batch has not begun; another job takes it at once."""
    connection.execute(
        update(DutyRow)
        .where(DutyRow.batch_id == batch_id, DutyRow.handler == handler, _OWED)
        .values(batch_id=None, due_at=clock.now())
    )


def forget(connection: Connection) -> int:
    """Remove what was settled a week ago, and the events nothing is owed to; return how many rows."""
    before = clock.now() - KEPT
    duties = connection.execute(delete(DutyRow).where(DutyRow.settled_at < before))
    events = connection.execute(
        delete(OutboxRow).where(
            OutboxRow.relayed_at < before, ~exists().where(DutyRow.subject_id == OutboxRow.id)
        )
    )
    return duties.rowcount + events.rowcount


def given_up(connection: Connection) -> int:
    """Return how many duties were given up; somebody has to look at each."""
    counted = connection.execute(
        select(func.count()).select_from(DutyRow).where(DutyRow.given_up_at.is_not(None))
    )
    return counted.scalar_one()


def _duty(subject_id: UUID, handler: str, now: dt.datetime) -> dict[str, object]:
    return {"subject_id": subject_id, "handler": handler, "due_at": now, "attempts": 0}
