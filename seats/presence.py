"""Agent time as a partition: at every instant of a shift one state, and one payer or none.

All functions work in the operator's own transaction. What the switchboard, the console and a replayed
spool report are *changes*; each closes the open row and opens the next at the same instant, so nothing
can be lost between two rows, and the database refuses any other shape (migration 0004).

What happens to changes that do not come in order:

- **Known** changes are no-ops: known exactly by `event_id` where the reporter gives one (give one),
  otherwise by content: the agent is in this state now, or was at that instant.
- **Repetitions** under a new `event_id` (available again) are kept as a row of their own, so that they too
  are known later; `since` goes on.
- **Late** ones, older than the present row, take effect where that row began, marked `is_late`: closed
  time is never edited, because it may have been paid for.
- Older than the shift: refused. More than a minute ahead of our clock: refused.

Instants are cut to whole milliseconds on entry, so sums of durations are exact.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, AgentId, SeatId, TenantId, new_id
from seats import rules
from seats.errors import (
    AgentNotFoundError,
    AlreadySignedInError,
    BeforeShiftError,
    CallInHandError,
    FutureChangeError,
    NotSignedInError,
    SeatNotFoundError,
    SeatTakenError,
)
from seats.models import AgentRow, AgentTimeRow, SeatRow, ShiftRow

SIGNED_OUT = "signed_out"
"""The state of time outside any shift; never stored."""

_MOST_AHEAD = dt.timedelta(seconds=60)
_MS = dt.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Presence:
    """What an agent is doing, since when, and at whose cost."""

    agent_id: AgentId
    shift_id: UUID
    seat_id: SeatId | None
    state: str
    payer_tenant_id: TenantId | None
    subject_ref: UUID | None
    since: dt.datetime
    """When the state began; a change of payer alone does not restart it."""
    is_late: bool = False
    changed: bool = True
    """False when the agent was in this state, for this payer and work item, already."""

    @property
    def activity(self) -> rules.Activity:
        """What the agent is doing, without a reason for being away."""
        return rules.activity(self.state)


@dataclass(frozen=True, slots=True)
class Slice:
    """Milliseconds of one state with one payer; None: idle, or not signed in."""

    state: str
    payer_tenant_id: TenantId | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Partition:
    """Where the time of `[start, end)` went; the slices add up to it exactly."""

    start: dt.datetime
    end: dt.datetime
    slices: tuple[Slice, ...]

    def total_ms(self, *, payer_tenant_id: TenantId | None = None) -> int:
        """Return all milliseconds, or those of one payer."""
        return sum(
            part.duration_ms
            for part in self.slices
            if payer_tenant_id is None or part.payer_tenant_id == payer_tenant_id
        )


def sign_in(
    session: Session,
    *,
    agent_id: AgentId,
    at: dt.datetime,
    seat_id: SeatId | None = None,
    reason: str = "signed-in",
) -> Presence:
    """Begin a shift; the agent is `away:<reason>` until they say they are available.

    The same sign-in again is a no-op. One dated before the end of the last shift begins where that ended.

    Raises:
        AgentNotFoundError: no such agent, or they have left.
        AlreadySignedInError: a shift is open that began otherwise.
        SeatNotFoundError: no such seat.
        SeatTakenError: another agent sits there at that time.
        UnknownStateError: the reason is not one.
        FutureChangeError: `at` is more than a minute ahead.
    """
    reported_at = _reported(at)
    state = rules.away(reason)
    _lock_agent(session, agent_id)
    before = session.execute(
        select(ShiftRow.id, ShiftRow.seat_id, ShiftRow.reported_at, ShiftRow.ended_at)
        .where(ShiftRow.tenant_id == OPERATOR, ShiftRow.agent_id == agent_id)
        .order_by(ShiftRow.started_at.desc(), ShiftRow.id.desc())
        .limit(1)
    ).first()
    if before is not None and before.ended_at is None:
        found = current(session, agent_id=agent_id)
        if found is None or (before.reported_at, before.seat_id) != (reported_at, seat_id):
            raise AlreadySignedInError
        return found
    known = _known_sign_in(session, agent_id, reported_at, seat_id)
    if known is not None:
        return known
    started_at = reported_at if before is None else max(reported_at, before.ended_at)
    shift_id = new_id()
    if seat_id is not None:
        _require_seat(session, seat_id)
    try:
        with session.begin_nested():
            session.execute(
                insert(ShiftRow).values(
                    tenant_id=OPERATOR,
                    id=shift_id,
                    agent_id=agent_id,
                    seat_id=seat_id,
                    started_at=started_at,
                    ended_at=None,
                    reported_at=reported_at,
                )
            )
    except IntegrityError as error:
        raise SeatTakenError(seat_id=str(seat_id)) from error
    return _open(
        session,
        shift_id=shift_id,
        seat_id=seat_id,
        position=1,
        agent_id=agent_id,
        state=state,
        payer_tenant_id=None,
        subject_ref=None,
        started_at=started_at,
        reported_at=reported_at,
        event_id=None,
        since=started_at,
    )


def enter(
    session: Session,
    *,
    agent_id: AgentId,
    state: str,
    at: dt.datetime,
    payer_tenant_id: TenantId | None = None,
    subject_ref: UUID | None = None,
    event_id: UUID | None = None,
    observed: bool = False,
) -> Presence:
    """Put a signed-in agent into a state: close the open row at `at` and open the next.

    Args:
        session: inside the operator's own context.
        agent_id: whose time.
        state: as written: `available`, `talking`, `away:meal`.
        at: when it happened, by the reporter's clock (aware).
        payer_tenant_id: who pays from now on, as `seats.rules.payer` says; None = idle.
        subject_ref: the work item (call id) of a working state; None for all others.
        event_id: the reporter's own id of the change, the same on every repetition.
        observed: the switch was asked and says so (after a crash): the transition is not judged.

    Returns:
        What the change became; `changed` is False when it was known.

    Raises:
        UnknownStateError, SubjectError, PayerError: these do not stand together.
        IllegalTransitionError: the agent cannot get there from here.
        NotSignedInError: no shift is open.
        BeforeShiftError: older than the shift and not known.
        FutureChangeError: more than a minute ahead.
    """
    rules.check_moment(state=state, payer_tenant_id=payer_tenant_id, subject_ref=subject_ref)
    reported_at = _reported(at)
    shift = _lock_shift(session, agent_id)
    row = _open_row(session, agent_id) if shift else None
    moment = (state, payer_tenant_id, subject_ref)
    repeats = row is not None and (row.state, row.payer_tenant_id, row.subject_ref) == moment
    if event_id is not None:
        known = _known(session, agent_id, AgentTimeRow.event_id == event_id)
    elif repeats:
        known = row
    elif row is None or reported_at < row.started_at:
        # not for the present instant: within it an agent may truly go back and forth, and only event ids
        # can tell those changes apart
        known = _known(session, agent_id, _was_so(moment, reported_at))
    else:
        known = None
    if known is not None:
        return _presence(known, changed=False)
    if shift is None or row is None:
        raise NotSignedInError
    if reported_at < shift.started_at:
        raise BeforeShiftError
    if not observed:
        rules.check_transition(
            state=row.state,
            subject_ref=row.subject_ref,
            next_state=state,
            next_subject_ref=subject_ref,
        )
    started_at = max(reported_at, row.started_at)
    goes_on = (row.state, row.subject_ref) == (state, subject_ref)
    _close(session, row.id, started_at)
    return _open(
        session,
        shift_id=shift.id,
        seat_id=shift.seat_id,
        position=row.position + 1,
        agent_id=agent_id,
        state=state,
        payer_tenant_id=payer_tenant_id,
        subject_ref=subject_ref,
        started_at=started_at,
        reported_at=reported_at,
        event_id=event_id,
        since=row.state_since if goes_on else started_at,
        changed=not repeats,
    )


def sign_out(session: Session, *, agent_id: AgentId, at: dt.datetime, force: bool = False) -> bool:
    """End the agent's shift; return whether there was one to end.

    A sign-out older than the shift belongs to an earlier one and is a no-op; one older than the last change
    takes effect at that change.

    Raises:
        CallInHandError: a caller is on the line or on the way; `force` (agent vanished, switch lost) goes on.
        FutureChangeError: more than a minute ahead.
    """
    reported_at = _reported(at)
    shift = _lock_shift(session, agent_id)
    if shift is None or reported_at < shift.started_at:
        return False
    row = _open_row(session, agent_id)
    if row is None:
        return False
    if not force and rules.activity(row.state) in rules.CALL_IN_HAND:
        raise CallInHandError(state=row.state)
    ended_at = max(reported_at, row.started_at)
    _close(session, row.id, ended_at)
    session.execute(
        update(ShiftRow)
        .where(ShiftRow.tenant_id == OPERATOR, ShiftRow.id == shift.id)
        .values(ended_at=ended_at)
    )
    return True


def current(session: Session, *, agent_id: AgentId) -> Presence | None:
    """Return what the agent is doing, or None when they are not signed in."""
    row = _open_row(session, agent_id)
    return None if row is None else _presence(row, changed=False)


def partition(session: Session, *, agent_id: AgentId, start: dt.datetime, end: dt.datetime) -> Partition:
    """Return where every millisecond of an agent's `[start, end)` went.

    The future is not partitioned yet: `end` is cut to now. Time outside a shift is the state
    `signed_out`, with no payer. The slices add up to the length exactly.

    Raises:
        AgentNotFoundError: no such agent.
    """
    if session.get(AgentRow, (OPERATOR, agent_id)) is None:
        raise AgentNotFoundError
    start = whole_ms(start)
    end = max(start, min(whole_ms(end), whole_ms(clock.now())))
    rows = session.execute(
        select(
            AgentTimeRow.state,
            AgentTimeRow.payer_tenant_id,
            AgentTimeRow.started_at,
            AgentTimeRow.ended_at,
        ).where(
            AgentTimeRow.tenant_id == OPERATOR,
            AgentTimeRow.agent_id == agent_id,
            AgentTimeRow.started_at < end,
            or_(AgentTimeRow.ended_at.is_(None), AgentTimeRow.ended_at > start),
        )
    )
    spent: Counter[tuple[str, TenantId | None]] = Counter()
    for row in rows:
        until = end if row.ended_at is None else min(row.ended_at, end)
        spent[row.state, row.payer_tenant_id] += (until - max(row.started_at, start)) // _MS
    spent[SIGNED_OUT, None] = (end - start) // _MS - spent.total()
    ordered = sorted(spent.items(), key=lambda item: (item[0][0], str(item[0][1] or "")))
    return Partition(start, end, tuple(Slice(state, payer, ms) for (state, payer), ms in ordered if ms))


def whole_ms(at: dt.datetime) -> dt.datetime:
    """Return the instant cut to whole milliseconds, the resolution in which time is counted."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _reported(at: dt.datetime) -> dt.datetime:
    if at > clock.now() + _MOST_AHEAD:
        raise FutureChangeError
    return whole_ms(at)


def _lock_agent(session: Session, agent_id: AgentId) -> None:
    found = session.execute(
        select(AgentRow.is_active)
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
        .with_for_update(key_share=True)
    ).scalar()
    if not found:
        raise AgentNotFoundError


def _require_seat(session: Session, seat_id: SeatId) -> None:
    found = session.execute(
        select(SeatRow.is_active).where(SeatRow.tenant_id == OPERATOR, SeatRow.id == seat_id)
    ).scalar()
    if not found:
        raise SeatNotFoundError


def _lock_shift(session: Session, agent_id: AgentId) -> Row[UUID, UUID | None, dt.datetime] | None:
    """Lock the open shift, so that two reporters of one agent's time take turns."""
    return session.execute(
        select(ShiftRow.id, ShiftRow.seat_id, ShiftRow.started_at)
        .where(
            ShiftRow.tenant_id == OPERATOR,
            ShiftRow.agent_id == agent_id,
            ShiftRow.ended_at.is_(None),
        )
        .with_for_update(key_share=True)
    ).first()


_COLUMNS = (
    AgentTimeRow.id,
    AgentTimeRow.agent_id,
    AgentTimeRow.shift_id,
    ShiftRow.seat_id,
    AgentTimeRow.position,
    AgentTimeRow.state,
    AgentTimeRow.payer_tenant_id,
    AgentTimeRow.subject_ref,
    AgentTimeRow.started_at,
    AgentTimeRow.state_since,
    AgentTimeRow.is_late,
)
_ITS_SHIFT = and_(ShiftRow.tenant_id == AgentTimeRow.tenant_id, ShiftRow.id == AgentTimeRow.shift_id)
_TimeRow = Row[*tuple[Any, ...]]  # the columns above, by name


def _open_row(session: Session, agent_id: AgentId) -> _TimeRow | None:
    return session.execute(
        select(*_COLUMNS)
        .join(ShiftRow, _ITS_SHIFT)
        .where(
            AgentTimeRow.tenant_id == OPERATOR,
            AgentTimeRow.agent_id == agent_id,
            AgentTimeRow.ended_at.is_(None),
        )
    ).first()


def _known(session: Session, agent_id: AgentId, sign: ColumnElement[bool]) -> _TimeRow | None:
    """Return the row a change became when it was reported before, or None."""
    return session.execute(
        select(*_COLUMNS)
        .join(ShiftRow, _ITS_SHIFT)
        .where(AgentTimeRow.tenant_id == OPERATOR, AgentTimeRow.agent_id == agent_id, sign)
        .order_by(AgentTimeRow.started_at.desc(), AgentTimeRow.position.desc())
        .limit(1)
    ).first()


def _was_so(
    moment: tuple[str, TenantId | None, UUID | None], reported_at: dt.datetime
) -> ColumnElement[bool]:
    """Return the condition that a closed row holds this moment at that instant, or was reported for it."""
    state, payer_tenant_id, subject_ref = moment
    return and_(
        AgentTimeRow.state == state,
        AgentTimeRow.payer_tenant_id.is_not_distinct_from(payer_tenant_id),
        AgentTimeRow.subject_ref.is_not_distinct_from(subject_ref),
        or_(
            AgentTimeRow.reported_at == reported_at,
            and_(AgentTimeRow.started_at <= reported_at, AgentTimeRow.ended_at > reported_at),
        ),
    )


def _known_sign_in(
    session: Session, agent_id: AgentId, reported_at: dt.datetime, seat_id: SeatId | None
) -> Presence | None:
    row = session.execute(
        select(*_COLUMNS)
        .join(ShiftRow, _ITS_SHIFT)
        .where(
            AgentTimeRow.tenant_id == OPERATOR,
            AgentTimeRow.agent_id == agent_id,
            AgentTimeRow.position == 1,
            AgentTimeRow.reported_at == reported_at,
            ShiftRow.seat_id.is_not_distinct_from(seat_id),
        )
        .limit(1)
    ).first()
    return None if row is None else _presence(row, changed=False)


def _close(session: Session, row_id: UUID, ended_at: dt.datetime) -> None:
    session.execute(
        update(AgentTimeRow)
        .where(AgentTimeRow.tenant_id == OPERATOR, AgentTimeRow.id == row_id)
        .values(ended_at=ended_at)
    )


def _open(
    session: Session,
    *,
    shift_id: UUID,
    seat_id: UUID | None,
    position: int,
    agent_id: AgentId,
    state: str,
    payer_tenant_id: TenantId | None,
    subject_ref: UUID | None,
    started_at: dt.datetime,
    reported_at: dt.datetime,
    event_id: UUID | None,
    since: dt.datetime,
    changed: bool = True,
) -> Presence:
    is_late = started_at > reported_at
    session.execute(
        insert(AgentTimeRow).values(
            tenant_id=OPERATOR,
            id=new_id(),
            agent_id=agent_id,
            shift_id=shift_id,
            position=position,
            state=state,
            payer_tenant_id=payer_tenant_id,
            subject_ref=subject_ref,
            started_at=started_at,
            ended_at=None,
            state_since=since,
            reported_at=reported_at,
            is_late=is_late,
            event_id=event_id,
        )
    )
    return Presence(
        agent_id=agent_id,
        shift_id=shift_id,
        seat_id=None if seat_id is None else SeatId(seat_id),
        state=state,
        payer_tenant_id=payer_tenant_id,
        subject_ref=subject_ref,
        since=since,
        is_late=is_late,
        changed=changed,
    )


def _presence(row: _TimeRow, *, changed: bool) -> Presence:
    return Presence(
        agent_id=AgentId(row.agent_id),
        shift_id=row.shift_id,
        seat_id=None if row.seat_id is None else SeatId(row.seat_id),
        state=row.state,
        payer_tenant_id=None if row.payer_tenant_id is None else TenantId(row.payer_tenant_id),
        subject_ref=row.subject_ref,
        since=row.state_since,
        is_late=row.is_late,
        changed=changed,
    )
