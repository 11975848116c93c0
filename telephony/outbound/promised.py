"""Calls promised from a queue: a caller hung up and keeps their place; when it is their turn they are called.

The promise stands where the caller would stand, by the instant they began to wait. It is called through the
gate like any call, at most `MOST_TRIES` times within a day, and ends once: kept, given up, expired, withdrawn
or refused. Their number stands in the call in which they asked, and nowhere else.

They have asked for this call, so neither the hours of the called nor the company's own bind; the queue's do:
nobody would be there. Source: 16 CFR 310.4(c) leaves a call free to which the called has consented before.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import CallId, CustomerId, QueueId, TenantId, new_id
from core.phone import E164, time_zones
from security import evidence
from security.vault import Vault
from telephony import calls, queue_hours
from telephony.errors import CallNotFoundError, PromiseNotFoundError, PromiseOverError
from telephony.events import DialEnded, DialOutcome
from telephony.models import QueueCallbackRow
from telephony.outbound import dialling
from telephony.outbound.by_hand import MOST_PER_SECOND, number_to_show
from telephony.outbound.gate import Clearance, DialRequest, clear
from telephony.outbound.hours import Window

MOST_TRIES = 3
RING_S = 30
KEPT_FOR = dt.timedelta(hours=24)
AGAIN_AFTER = dt.timedelta(minutes=5)
_ALWAYS = Window(dt.time(0), dt.time.max, frozenset(range(1, 8)))
# it is not the caller's doing: they were not rung, and their turn comes again
_NOT_RUNG = frozenset({DialOutcome.NO_AGENT, DialOutcome.EXPIRED, DialOutcome.FAILED})


class State(StrEnum):
    """What has become of a promise."""

    WAITING = "waiting"
    CALLING = "calling"
    KEPT = "kept"
    GIVEN_UP = "given-up"  # called as often as it is called
    EXPIRED = "expired"  # their turn did not come within a day
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"  # by the gate, for good; or there is no number to call any more


@dataclass(frozen=True, slots=True)
class Promised:
    """One promise; `why` is the gate's word, or the last outcome of dialling."""

    tenant_id: TenantId
    promise_id: UUID
    call_id: CallId
    queue_id: QueueId
    place_at: dt.datetime
    expires_at: dt.datetime
    next_at: dt.datetime
    tries: int
    state: State
    why: str
    ended_at: dt.datetime | None


def promise(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    queue_id: QueueId,
    at: dt.datetime,
    since: dt.datetime | None = None,
) -> Promised:
    """Promise who calls a call from this queue, in which they wait from now on, or `since`; twice is once."""
    session.execute(
        insert(QueueCallbackRow)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            call_id=call_id,
            queue_id=queue_id,
            place_at=since or at,
            expires_at=at + KEPT_FOR,
            next_at=at,
            tries=0,
            state=State.WAITING.value,
        )
        .on_conflict_do_nothing()
    )
    row = session.scalars(
        select(QueueCallbackRow).where(
            QueueCallbackRow.tenant_id == tenant_id, QueueCallbackRow.call_id == call_id
        )
    ).one()
    return _promised(row)


def open_of(session: Session, *, tenant_id: TenantId) -> list[Promised]:
    """Return the promises that are not over, by their places."""
    rows = session.scalars(
        select(QueueCallbackRow)
        .where(QueueCallbackRow.tenant_id == tenant_id, QueueCallbackRow.ended_at.is_(None))
        .order_by(QueueCallbackRow.place_at, QueueCallbackRow.id)
    )
    return [_promised(row) for row in rows]


def page(session: Session, *, tenant_id: TenantId, limit: int = 200) -> Sequence[Promised]:
    """Return the company's promises: open ones by their places, then the newest of the others."""
    rows = session.scalars(
        select(QueueCallbackRow)
        .where(QueueCallbackRow.tenant_id == tenant_id)
        .order_by(QueueCallbackRow.ended_at.desc().nulls_first(), QueueCallbackRow.place_at)
        .limit(limit)
    )
    return [_promised(row) for row in rows]


def withdraw(session: Session, *, tenant_id: TenantId, promise_id: UUID, at: dt.datetime) -> Promised:
    """Call nobody: the caller has been reached otherwise.

    Raises:
        PromiseNotFoundError: not this company's.
        PromiseOverError: it is being kept, or over.
    """
    row = _row(session, tenant_id, promise_id)
    if row is None:
        raise PromiseNotFoundError
    if row.state != State.WAITING.value:
        raise PromiseOverError
    _end(row, State.WITHDRAWN, at)
    session.flush()
    evidence.record(session, "callback.withdrawn", "callback", promise_id)
    return _promised(row)


def keep(
    session: Session, *, tenant_id: TenantId, promise_id: UUID, vault: Vault, at: dt.datetime
) -> UUID | None:
    """Clear the promised call and hand it on; return its attempt, or None: not now, or not any more.

    In the company's own transaction. What the gate refuses for now is asked again when it says; what it
    refuses for good ends the promise.
    """
    row = _row(session, tenant_id, promise_id)
    if row is None or row.state != State.WAITING.value or row.next_at > at:
        return None
    if row.expires_at <= at:
        _end(row, State.EXPIRED, at)
        return None
    opening = queue_hours.read(session, tenant_id=tenant_id, queue_id=QueueId(row.queue_id))
    if not opening.is_open(at):
        row.next_at = opening.opens_at(at) or row.expires_at
        return None
    request = _request(session, row, vault, at)
    if request is None:
        _end(row, State.REFUSED, at, why="no-number")
        return None
    answer = clear(session, request=request, vault=vault, at=at)
    if not isinstance(answer, Clearance):
        row.why = answer.reason.value
        if answer.retry_at is None:
            _end(row, State.REFUSED, at, why=answer.reason.value)
        else:
            row.next_at = answer.retry_at
        return None
    dialling.dial(session, clearance=answer, vault=vault)
    row.state, row.attempt_id, row.tries = State.CALLING.value, answer.attempt_id, row.tries + 1
    return answer.attempt_id


def settle(session: Session, *, event: DialEnded) -> bool:
    """Write what became of a promised call; False: the dial was for something else."""
    row = session.scalars(
        select(QueueCallbackRow)
        .where(
            QueueCallbackRow.tenant_id == event.tenant_id,
            QueueCallbackRow.attempt_id == event.attempt_id,
            QueueCallbackRow.state == State.CALLING.value,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        return False
    row.why = event.outcome.value
    if event.outcome is DialOutcome.CONNECTED:
        _end(row, State.KEPT, event.ended_at)
    elif event.outcome in _NOT_RUNG:
        row.state, row.tries, row.next_at = State.WAITING.value, row.tries - 1, event.ended_at
    elif row.tries >= MOST_TRIES:
        _end(row, State.GIVEN_UP, event.ended_at, why=event.outcome.value)
    else:
        row.state, row.next_at = State.WAITING.value, event.ended_at + AGAIN_AFTER
    return True


def _request(session: Session, row: QueueCallbackRow, vault: Vault, at: dt.datetime) -> DialRequest | None:
    tenant_id, queue_id = TenantId(row.tenant_id), QueueId(row.queue_id)
    try:
        call = calls.get(session, tenant_id=tenant_id, call_id=CallId(row.call_id), vault=vault)
    except CallNotFoundError:
        return None
    shown = number_to_show(session, tenant_id=tenant_id, queue_id=queue_id, at=at, dialled=call.dialled)
    if not call.caller or shown is None:
        return None
    to = E164(call.caller)
    return DialRequest(
        tenant_id=tenant_id,
        attempt_id=new_id(),
        to=to,
        caller_number_id=shown,
        queue_id=queue_id,
        customer_id=CustomerId(call.customer_id) if call.customer_id else None,
        campaign_id=None,
        zone=next(iter(time_zones(to)), "UTC"),
        window=_ALWAYS,
        ring_s=RING_S,
        detects_machines=False,
        max_per_second=MOST_PER_SECOND,
        is_asked_for=True,
    )


def _row(session: Session, tenant_id: TenantId, promise_id: UUID) -> QueueCallbackRow | None:
    return session.get(
        QueueCallbackRow, (tenant_id, promise_id), with_for_update=True, populate_existing=True
    )


def _end(row: QueueCallbackRow, state: State, at: dt.datetime, *, why: str = "") -> None:
    row.state, row.ended_at, row.why = state.value, at, why or row.why


def _promised(row: QueueCallbackRow) -> Promised:
    return Promised(
        TenantId(row.tenant_id),
        row.id,
        CallId(row.call_id),
        QueueId(row.queue_id),
        row.place_at,
        row.expires_at,
        row.next_at,
        row.tries,
        State(row.state),
        row.why or "",
        row.ended_at,
    )
