"""Calls as rows: begun at arrival, marked as they go, finished in one transaction.

Every write here may be repeated: the switchboard writes again after a crash or an outage, from its spool.
An instant once written stays; the timeline and the CDR are append-only; the usage event's key is the call's
own, so it is billed once, whatever happens.
"""

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from billing import credit
from billing import usage as metering
from core import clock
from core.clock import elapsed_ms
from core.events import announce
from core.ids import (
    AgentId,
    CallId,
    CustomerId,
    NumberId,
    OfferId,
    QueueId,
    RecordingId,
    RoomId,
    SeatId,
    TenantId,
    public,
)
from core.phone import E164, rating_prefix
from customers import callbacks, interactions
from security.vault import Field, Vault
from telephony import figures
from telephony.errors import CallNotFoundError, CallNotOverError
from telephony.events import CallEnded
from telephony.models import (
    CallEventRow,
    CallLegRow,
    CallRow,
    CdrRow,
    OutboundDialRow,
    QueueRow,
    RecordingRow,
)
from tenants.holds import Held

INBOUND, OUTBOUND = "inbound", "outbound"
LEFT_MESSAGE = "left-message"  # the cause of a call whose caller left one
CALLER_INDEX = "calls.caller"
METERS = {INBOUND: "voice.inbound", OUTBOUND: "voice.outbound"}
SOURCE = "switchboard"
_DIRECTIONS = {INBOUND: interactions.Direction.INBOUND, OUTBOUND: interactions.Direction.OUTBOUND}
TO_COLLEAGUE = "colleague-"
"""How the reason begins why the colleague to whom a call was given did not take it."""
HANDED_OVER = "handed-over"
"""The kind of the line an agent leaves who gave the call away; the call itself leaves its own."""
SCANNED = 5_000
"""How many calls a search for last digits opens at most: the newest."""
_FORSAKEN = dt.timedelta(hours=12)
_FIRST_LOOK = 2**30

# these belong to the offer that led somewhere: rewritten until the call is bridged
_OF_THE_OFFER = frozenset({"ringing_at", "popped_at", "answered_at"})
INSTANTS = (
    "greeting_ended_at",
    "queued_at",
    "picked_up_at",
    "ringing_at",
    "popped_at",
    "answered_at",
    "bridged_at",
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that has just begun; `caller` is the other party, empty when withheld.

    `dialled` is our number: the one dialled, or, of a call out, the one shown. `part_of` is the call into
    which a number outside is brought.
    """

    tenant_id: TenantId
    call_id: CallId
    number_id: NumberId
    dialled: str
    queue_id: QueueId
    caller: str
    arrived_at: dt.datetime
    direction: str = INBOUND
    part_of: CallId | None = None

    def __repr__(self) -> str:
        return f"Arrival({self.call_id})"


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who took the call."""

    agent_id: AgentId
    agent_number: int
    seat_id: SeatId | None
    seat_label: str


class Stage(StrEnum):
    """Where an agent's part of a call stands: they have it, or are asked about it by the one who has."""

    TALKING = "talking"
    RINGING = "ringing"  # from here on: asked. Their phone rings
    PRIVATE = "private"  # the two agents talk, the caller hears music
    ASIDE = "aside"  # the one who asked talks to the caller, the one asked hears music
    TOGETHER = "together"  # all three
    OVER = "over"


class Left(StrEnum):
    """How an agent's part of a call ended."""

    TRANSFERRED = "transferred"  # they gave the call to a queue, or to an agent
    LEFT = "left"  # and the one they had asked stays
    LINE_LOST = "line-lost"
    ASKED_ONLY = "asked-only"  # they were asked, and are not needed any more
    NOT_THERE = "not-there"  # they were to be asked, and did not answer
    ENDED = "ended"  # with the call


GIVEN_AWAY = frozenset({Left.TRANSFERRED, Left.LEFT})
"""How the part of an agent ended who writes about it by themselves, while the call goes on."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One agent's part of a call; its id is that of the offer it came from.

    Without an agent it is the part of a number outside, and its id is that of the call out to it.
    """

    leg_id: OfferId
    queue_id: QueueId
    agent_id: AgentId | None
    agent_number: int | None
    seat_id: SeatId | None
    seat_label: str
    joined_at: dt.datetime
    stage: Stage = Stage.TALKING
    left_at: dt.datetime | None = None
    how: Left | None = None
    disposition: str | None = None
    queue_name: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the agent has left the call."""
        return self.left_at is not None

    @property
    def is_asked(self) -> bool:
        """Whether the agent is asked about the call at this moment, and does not have it."""
        return self.stage in {Stage.RINGING, Stage.PRIVATE, Stage.ASIDE, Stage.TOGETHER}

    @property
    def had_the_call(self) -> bool:
        """Whether the call is, or was, theirs: they were not merely asked."""
        return self.stage in {Stage.TALKING, Stage.OVER} and self.how not in {Left.ASKED_ONLY, Left.NOT_THERE}

    @property
    def answerer(self) -> Answerer | None:
        """Return the agent, if they had the call; None of a number outside."""
        if self.agent_id is None or self.agent_number is None or not self.had_the_call:
            return None
        return Answerer(self.agent_id, self.agent_number, self.seat_id, self.seat_label)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended: when it is proven to have been alive last, and why."""

    tenant_id: TenantId
    call_id: CallId
    ended_at: dt.datetime
    cause: str
    switch_boot: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call as pages and programs see it; the caller's number only for those who may.

    Of a call out `caller` is the number called and `dialled` ours, which was shown; `picked_up_at` is when
    the called party answered. `part_of` is the call into which an agent brought that number. `talk_ended_at`
    is when its agent hung up and the caller stayed, to be asked for a rating from 1 to `survey_most`.
    `room_id` is the conference room its caller was put into, when `bridged_at` says.
    """

    tenant_id: TenantId
    call_id: CallId
    direction: str
    state: str
    number_id: NumberId
    dialled: str
    queue_id: QueueId
    queue_name: str
    caller: str
    customer_id: CustomerId | None
    agent_id: AgentId | None
    agent_number: int | None
    seat_label: str | None
    arrived_at: dt.datetime
    greeting_ended_at: dt.datetime | None
    queued_at: dt.datetime | None
    picked_up_at: dt.datetime | None
    ringing_at: dt.datetime | None
    popped_at: dt.datetime | None
    answered_at: dt.datetime | None
    bridged_at: dt.datetime | None
    ended_at: dt.datetime | None
    wait_ms: int | None
    talk_ms: int | None
    cause: str | None
    disposition: str | None
    wrapped_at: dt.datetime | None
    recording_id: RecordingId | None
    recording_state: str | None
    part_of: CallId | None = None
    recording_ms: int | None = None
    talk_ended_at: dt.datetime | None = None
    survey_most: int | None = None
    survey_rating: int | None = None
    room_id: RoomId | None = None
    leads_room: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a call's timeline."""

    position: int
    at: dt.datetime
    kind: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls a list shows; None and empty mean all."""

    queue_id: QueueId | None = None
    agent_number: int | None = None
    number_id: NumberId | None = None
    customer_id: CustomerId | None = None
    caller: E164 | None = None
    outcome: str | None = None  # answered, abandoned, or a disposition's code
    direction: str | None = None
    disposition: str | None = None
    is_recorded: bool | None = None
    campaign_id: UUID | None = None
    least_s: int | None = None  # of the recording's length
    most_s: int | None = None
    was_paused: bool | None = None  # its recording
    is_held: bool | None = None  # by a legal hold: what `held` covers
    held: Held | None = None
    among: frozenset[CallId] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class Order(StrEnum):
    """What a list of calls is in order of."""

    STARTED = "started"
    WAIT = "wait"
    TALK = "talk"


@dataclass(frozen=True, slots=True)
class Sum:
    """How many calls there are, and how long they talked; counting stops at `most`."""

    calls: int
    talk_ms: int
    at_least: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls in order, newest first unless asked otherwise.

    `following` leads on (to older ones), `preceding` back, if there are any.
    """

    calls: Sequence[Call]
    following: tuple[dt.datetime, CallId] | None
    preceding: tuple[dt.datetime, CallId] | None = None


def begin(
    session: Session,
    *,
    arrival: Arrival,
    customer_id: CustomerId | None,
    vault: Vault,
    prefix: str | None = None,
) -> None:
    """Write the row of a call that has arrived, or is being placed.

    `prefix`: by which a call out is rated whose number the row does not have.
    """
    mark = vault.mark(arrival.tenant_id, CALLER_INDEX, arrival.caller) if arrival.caller else None
    session.execute(
        insert(CallRow)
        .values(
            tenant_id=arrival.tenant_id,
            id=arrival.call_id,
            direction=arrival.direction,
            state="live",
            number_id=arrival.number_id,
            dialled=arrival.dialled,
            queue_id=arrival.queue_id,
            caller_ct=_seal(vault, arrival.tenant_id, arrival.call_id, "caller", arrival.caller),
            caller_index=mark.value if mark else None,
            index_version=mark.version if mark else 1,
            called_prefix=(prefix or rating_prefix(arrival.caller))
            if arrival.direction == OUTBOUND
            else None,
            customer_id=customer_id,
            arrived_at=arrival.arrived_at,
            part_of=arrival.part_of,
        )
        .on_conflict_do_nothing()
    )


def mark(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    instants: Mapping[str, dt.datetime],
    answerer: Answerer | None = None,
) -> None:
    """Write instants of a call (names in `INSTANTS`) and who answers; what stands already is kept.

    `ringing_at`, `answered_at` and the answerer belong to the offer that led somewhere, so they are
    rewritten until the call is bridged.
    """
    values: dict[str, Any] = {}
    for name, at in instants.items():
        column = getattr(CallRow, name)
        if name in _OF_THE_OFFER:
            values[name] = case(
                (CallRow.bridged_at.is_(None), literal(at, DateTime(timezone=True))), else_=column
            )
        else:
            values[name] = func.coalesce(column, at)
    if answerer:
        values |= {
            "agent_id": answerer.agent_id,
            "agent_number": answerer.agent_number,
            "seat_id": answerer.seat_id,
            "seat_label": answerer.seat_label,
        }
    session.execute(
        update(CallRow).where(CallRow.tenant_id == tenant_id, CallRow.id == call_id).values(**values)
    )


def note(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    position: int,
    at: dt.datetime,
    kind: str,
    details: Mapping[str, object],
) -> None:
    """Append one step to the call's timeline; the same position twice changes nothing."""
    session.execute(
        insert(CallEventRow)
        .values(
            tenant_id=tenant_id, call_id=call_id, position=position, at=at, kind=kind, details=dict(details)
        )
        .on_conflict_do_nothing()
    )


def last_agent(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId, since: dt.datetime
) -> AgentId | None:
    """Return who talked last with a customer, in a call that came after `since`; None: nobody did."""
    found = session.scalar(
        select(CallRow.agent_id)
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.customer_id == customer_id,
            CallRow.arrived_at > since,
            CallRow.bridged_at.is_not(None),
            CallRow.agent_id.is_not(None),
        )
        .order_by(CallRow.arrived_at.desc(), CallRow.id.desc())
        .limit(1)
    )
    return AgentId(found) if found else None


@dataclass(frozen=True, slots=True)
class Talk:
    """Who talked with a customer, and when that call came."""

    agent_id: AgentId
    agent_number: int
    at: dt.datetime


def last_talk(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId, besides: CallId
) -> Talk | None:
    """Return who talked with a customer last, in another call than this; None: nobody did."""
    found = session.execute(
        select(CallRow.agent_id, CallRow.agent_number, CallRow.arrived_at)
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.customer_id == customer_id,
            CallRow.id != besides,
            CallRow.bridged_at.is_not(None),
            CallRow.agent_id.is_not(None),
        )
        .order_by(CallRow.arrived_at.desc(), CallRow.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return None
    agent_id, number, at = found
    return Talk(AgentId(agent_id), number, at) if agent_id and number else None


def keep_legs(session: Session, *, tenant_id: TenantId, call_id: CallId, legs: Sequence[Leg]) -> None:
    """Write the parts of a call more than one agent has had to do with, as they stand; may be repeated."""
    for leg in legs:
        said = {
            "stage": leg.stage.value,
            "left_at": leg.left_at,
            "how": leg.how.value if leg.how else None,
        }
        put = insert(CallLegRow).values(
            tenant_id=tenant_id,
            id=leg.leg_id,
            call_id=call_id,
            queue_id=leg.queue_id,
            agent_id=leg.agent_id,
            agent_number=leg.agent_number,
            seat_id=leg.seat_id,
            seat_label=leg.seat_label,
            joined_at=leg.joined_at,
            **said,
        )
        session.execute(
            put.on_conflict_do_update(
                index_elements=[CallLegRow.tenant_id, CallLegRow.id],
                set_=said,
                where=CallLegRow.left_at.is_(None),
            )
        )


def move(session: Session, *, tenant_id: TenantId, call_id: CallId, queue_id: QueueId) -> None:
    """Write that a call that goes on belongs to another queue now."""
    session.execute(
        update(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.id == call_id, CallRow.ended_at.is_(None))
        .values(queue_id=queue_id)
    )


def legs(session: Session, *, tenant_id: TenantId, call_id: CallId) -> list[Leg]:
    """Return the parts of a call in order; none when one agent, or nobody, had all of it."""
    rows = session.execute(
        select(CallLegRow, QueueRow.name)
        .join(QueueRow, and_(QueueRow.tenant_id == CallLegRow.tenant_id, QueueRow.id == CallLegRow.queue_id))
        .where(CallLegRow.tenant_id == tenant_id, CallLegRow.call_id == call_id)
        .order_by(CallLegRow.joined_at, CallLegRow.id)
        .execution_options(populate_existing=True)
    )
    return [_leg(row, name) for row, name in rows]


def _leg(row: CallLegRow, queue_name: str) -> Leg:
    return Leg(
        leg_id=OfferId(row.id),
        queue_id=QueueId(row.queue_id),
        agent_id=AgentId(row.agent_id) if row.agent_id else None,
        agent_number=row.agent_number,
        seat_id=SeatId(row.seat_id) if row.seat_id else None,
        seat_label=row.seat_label,
        joined_at=row.joined_at,
        stage=Stage(row.stage),
        left_at=row.left_at,
        how=Left(row.how) if row.how else None,
        disposition=row.disposition,
        queue_name=queue_name,
    )


def handed_over(session: Session, *, tenant_id: TenantId, call_id: CallId, leg_id: OfferId) -> bool:
    """Return whether an agent has given the call away: what they write belongs to their part of it."""
    row = session.get(CallLegRow, (tenant_id, leg_id), populate_existing=True)
    return row is not None and row.call_id == call_id and row.how in GIVEN_AWAY


def close_leg(session: Session, *, tenant_id: TenantId, call_id: CallId, leg_id: OfferId) -> None:
    """Leave the line of an agent's part they have given away, so that they can write about it; once.

    Raises:
        CallNotFoundError: no such part of this call, or it is not over.
    """
    call = session.get(CallRow, (tenant_id, call_id))
    row = session.get(CallLegRow, (tenant_id, leg_id))
    if call is None or row is None or row.left_at is None:
        raise CallNotFoundError
    interactions.append(
        session,
        tenant_id=tenant_id,
        subject_ref=leg_id,
        started_at=row.joined_at,
        duration_ms=elapsed_ms(row.joined_at, row.left_at),
        direction=_DIRECTIONS[call.direction],
        kind=HANDED_OVER,
        customer_id=CustomerId(call.customer_id) if call.customer_id else None,
        agent_number=row.agent_number,
    )


def look(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    kind: str,
    by: UUID,
    why: str = "",
    agent: int | None = None,
) -> None:
    """Write into the call's timeline that somebody saw or heard what is kept closed; it cannot be taken back.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        call_id: the call.
        kind: `number-revealed`, `recording-opened`, `recording-played` or `recording-fetched`.
        by: the user or the API key.
        why: what for, a code, where that is asked.
        agent: the number of an agent, who is no user of the company's.

    Raises:
        CallNotFoundError: not this tenant's.
    """
    details: dict[str, object] = {"by": str(by)} | ({"agent": agent} if agent else {})
    if why:
        details["why"] = why
    _beside(session, tenant_id, call_id, kind, details)


def _beside(
    session: Session, tenant_id: TenantId, call_id: CallId, kind: str, details: dict[str, object]
) -> None:
    if session.get(CallRow, (tenant_id, call_id)) is None:
        raise CallNotFoundError
    # these come from other processes than the switchboard, which counts its steps from 1: they have a
    # range of their own, and a random place in it
    position = _FIRST_LOOK + secrets.randbelow(_FIRST_LOOK)
    session.add(
        CallEventRow(
            tenant_id=tenant_id,
            call_id=call_id,
            position=position,
            at=clock.now(),
            kind=kind,
            details=details,
        )
    )
    session.flush()


def report_problem(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    by: UUID,
    agent: int,
    details: Mapping[str, object],
) -> None:
    """Write into the call's timeline that its agent found fault with the line, with what was measured.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        call_id: the call.
        by: the agent's user.
        agent: their number, which is what the company knows of them.
        details: what was wrong and the browser's figures: words of ours and numbers, nothing about a person.

    Raises:
        CallNotFoundError: not this tenant's.
    """
    _beside(session, tenant_id, call_id, "problem-reported", {**details, "by": str(by), "agent": agent})


def is_paused(session: Session, *, tenant_id: TenantId, call_id: CallId) -> bool:
    """Return whether the recording of a call is paused, as its timeline says."""
    last = session.scalar(
        select(CallEventRow.details["on"].as_boolean())
        .where(
            CallEventRow.tenant_id == tenant_id,
            CallEventRow.call_id == call_id,
            CallEventRow.kind == "recording-paused",
        )
        .order_by(CallEventRow.position.desc())
        .limit(1)
    )
    return bool(last)


def overheard(session: Session, *, tenant_id: TenantId, call_id: CallId) -> str:
    """Return how a team leader is in a call now, as its timeline says; empty: nobody is."""
    last = session.execute(
        select(CallEventRow.kind, CallEventRow.details)
        .where(
            CallEventRow.tenant_id == tenant_id,
            CallEventRow.call_id == call_id,
            CallEventRow.kind.in_(("overheard", "overheard-no-more")),
        )
        .order_by(CallEventRow.position.desc())
        .limit(1)
    ).first()
    return str(last.details.get("ear", "")) if last and last.kind == "overheard" else ""


def has_looked(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    kinds: Sequence[str],
    by: UUID,
    since: dt.datetime,
) -> bool:
    """Tell whether the call's timeline has such a look of theirs since then; see `look`."""
    query = select(CallEventRow.position).where(
        CallEventRow.tenant_id == tenant_id,
        CallEventRow.call_id == call_id,
        CallEventRow.kind.in_(kinds),
        CallEventRow.at >= since,
        CallEventRow.details["by"].astext == str(by),
    )
    return session.scalar(query.limit(1)) is not None


def finish(session: Session, *, ending: Ending) -> bool:
    """End a call: CDR, usage rated at once, interaction, `CallEnded`. All or nothing, once.

    Returns:
        False when the call was finished already and nothing was written.

    Raises:
        CallNotFoundError: the call was never begun.
    """
    key = (ending.tenant_id, ending.call_id)
    row = session.get(CallRow, key, with_for_update=True)
    if row is None:
        raise CallNotFoundError
    if session.get(CdrRow, key) is not None:
        return False
    # never beyond what is proven, and never before the last thing that is known to have happened
    known = [row.arrived_at, *(at for name in (*INSTANTS, "talk_ended_at") if (at := getattr(row, name)))]
    ended_at = max(ending.ended_at, *known)
    talked_until = row.talk_ended_at or ended_at  # who is asked for a rating talks to nobody
    talk_ms = elapsed_ms(row.bridged_at, talked_until) if row.bridged_at else 0
    row.ended_at, row.cause, row.state = ended_at, ending.cause, "ended"
    cdr = CdrRow(
        tenant_id=ending.tenant_id,
        call_id=ending.call_id,
        direction=row.direction,
        dialled=row.dialled,
        number_id=row.number_id,
        queue_id=row.queue_id,
        agent_id=row.agent_id if row.bridged_at else None,
        agent_number=row.agent_number if row.bridged_at else None,
        called_prefix=row.called_prefix,
        arrived_at=row.arrived_at,
        picked_up_at=row.picked_up_at,
        bridged_at=row.bridged_at,
        ended_at=ended_at,
        wait_ms=elapsed_ms(row.arrived_at, row.bridged_at or ended_at),
        talk_ms=talk_ms,
        cause=ending.cause,
        switch_boot=ending.switch_boot,
        written_at=clock.now(),
        part_of=row.part_of,
    )
    session.add(cdr)
    session.flush()
    _end_legs(session, row, ended_at)
    metered_from = _metered_from(row)
    if metered_from:
        dial = session.get(OutboundDialRow, key)  # a call out and its dial share an id
        campaign_id = dial.campaign_id if dial else None
        metering.record(
            session, tenant_id=ending.tenant_id, usage=_usage(row, metered_from, talked_until, campaign_id)
        )
    credit.settle(session, tenant_id=ending.tenant_id, use_id=ending.call_id)
    if row.part_of is None:  # the contact with the customer is the call it belongs to
        _leave_line(session, row, talked_until)
    announce(
        session,
        CallEnded(tenant_id=ending.tenant_id, call_id=ending.call_id, ended_at=ended_at, cause=ending.cause),
    )
    return True


def end_talk(
    session: Session, *, tenant_id: TenantId, call_id: CallId, at: dt.datetime, survey_most: int
) -> None:
    """Write that the agent has hung up and the caller stays, to be asked for a rating; once.

    The talk is over, and what it costs; the agent can write about it while the caller is asked.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        call_id: the call; it goes on until the caller is gone.
        at: when the agent hung up.
        survey_most: the best rating, 1 is the worst.
    """
    row = session.get(CallRow, (tenant_id, call_id), with_for_update=True)
    if row is None or row.ended_at is not None or row.talk_ended_at is not None:
        return
    row.talk_ended_at, row.survey_most = at, survey_most
    session.flush()
    _leave_line(session, row, at)


def rate(session: Session, *, tenant_id: TenantId, call_id: CallId, rating: int) -> None:
    """Write which rating the caller gave who was asked for one; the first one stands."""
    session.execute(
        update(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.id == call_id, CallRow.survey_rating.is_(None))
        .values(survey_rating=rating)
    )


def _leave_line(session: Session, row: CallRow, until: dt.datetime) -> None:
    """Leave the line of the contact with the customer; what stands already is kept."""
    last_joined_at = session.scalar(
        select(func.max(CallLegRow.joined_at)).where(
            CallLegRow.tenant_id == row.tenant_id, CallLegRow.call_id == row.id, CallLegRow.how == Left.ENDED
        )
    )
    began_at = last_joined_at if last_joined_at and row.bridged_at else row.bridged_at
    interactions.append(
        session,
        tenant_id=TenantId(row.tenant_id),
        subject_ref=row.id,
        started_at=row.arrived_at,
        duration_ms=elapsed_ms(began_at, until) if began_at else 0,
        direction=_DIRECTIONS[row.direction],
        customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        agent_number=row.agent_number if row.bridged_at else None,
    )


def _end_legs(session: Session, row: CallRow, ended_at: dt.datetime) -> None:
    """End the parts that go on."""
    mine = (CallLegRow.tenant_id == row.tenant_id, CallLegRow.call_id == row.id)
    session.execute(
        update(CallLegRow)
        .where(*mine, CallLegRow.left_at.is_(None))
        .values(
            left_at=func.greatest(CallLegRow.joined_at, literal(ended_at, DateTime(timezone=True))),
            how=Left.ENDED.value,
            stage=Stage.OVER.value,
        )
    )


def wrap_up(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    disposition: str | None,
    notes: str,
    vault: Vault,
    callback_at: dt.datetime | None = None,
    leg_id: OfferId | None = None,
) -> None:
    """Write how the agent closed the call; a second time replaces the first.

    Who has given the call away closes their own part of it, while the call goes on or after.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        call_id: the call.
        disposition: the outcome's code; None when the time was up before the agent chose one.
        notes: what the agent wrote.
        vault: seals them.
        callback_at: when the customer has been promised a call back, if they have.
        leg_id: the agent's part of the call.

    Raises:
        CallNotFoundError: not this tenant's.
        CallNotOverError: the call still goes on, or its end is not written yet.
        UnknownDispositionError, CardNumberError: see `customers.interactions.dispose`.
        CallbackTimeError: see `customers.callbacks.promise`.
    """
    row = session.get(CallRow, (tenant_id, call_id))
    if row is None:
        raise CallNotFoundError
    part = (
        leg_id
        if leg_id and handed_over(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id)
        else None
    )
    if row.ended_at is None and row.talk_ended_at is None and part is None:
        raise CallNotOverError
    if part:
        close_leg(session, tenant_id=tenant_id, call_id=call_id, leg_id=part)
    interactions.dispose(
        session,
        tenant_id=tenant_id,
        vault=vault,
        subject_ref=part or call_id,
        disposition=disposition,
        note=notes or None,
        kind=HANDED_OVER if part else interactions.CALL,
    )
    if callback_at:
        callbacks.promise(
            session,
            tenant_id=tenant_id,
            subject_ref=call_id,
            customer_id=CustomerId(row.customer_id) if row.customer_id else None,
            agent_id=AgentId(row.agent_id) if row.agent_id else None,
            due_at=callback_at,
        )
    if part:
        session.execute(
            update(CallLegRow)
            .where(CallLegRow.tenant_id == tenant_id, CallLegRow.id == part)
            .values(disposition=disposition)
        )
        return
    row.disposition = disposition
    row.wrapped_at = row.wrapped_at or clock.now()


def leave_open(session: Session, *, tenant_id: TenantId, call_id: CallId) -> None:
    """Write that the wrap-up is over and its agent gave no outcome; one that was saved stays as it is."""
    session.execute(
        update(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.id == call_id, CallRow.wrapped_at.is_(None))
        .values(wrapped_at=clock.now())
    )


def get(session: Session, *, tenant_id: TenantId, call_id: CallId, vault: Vault) -> Call:
    """Return one call.

    Raises:
        CallNotFoundError: not there, or not this tenant's.
    """
    found = session.execute(_select().where(CallRow.tenant_id == tenant_id, CallRow.id == call_id)).first()
    if found is None:
        raise CallNotFoundError
    return _call(found, vault)


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    wanted: Filter | None = None,
    after: tuple[dt.datetime, CallId] | None = None,
    before: tuple[dt.datetime, CallId] | None = None,
    limit: int = 50,
    order: Order = Order.STARTED,
    is_down: bool = True,
) -> Page:
    """Return calls, `limit` at a time (1 to 200), newest first unless another order is asked for.

    `after` is an earlier page's `following` and leads on (to older calls); `before` is its `preceding` and
    leads back. Calls alike in the order stand by their arrival.
    """
    size = max(1, min(limit, 200))
    query = _select().where(CallRow.tenant_id == tenant_id, *_wanted(wanted or Filter(), tenant_id, vault))
    key = _ORDERS[order]
    columns: list[Any] = (
        [CallRow.arrived_at, CallRow.id] if key is None else [key, CallRow.arrived_at, CallRow.id]
    )
    edge = before or after
    if edge:
        values: list[Any] = list(edge)
        if key is not None:
            there = _select().with_only_columns(key, maintain_column_froms=True)
            there = there.where(CallRow.tenant_id == tenant_id, CallRow.id == edge[1])
            values.insert(0, session.scalar(there) or 0)
        place, mark = tuple_(*columns), tuple_(*(literal(value) for value in values))
        query = query.where(place < mark if is_down != bool(before) else place > mark)
    falls = is_down != bool(before)
    query = query.order_by(*(column.desc() if falls else column for column in columns))
    rows = session.execute(query.limit(size + 1)).all()
    has_more = len(rows) > size
    shown = [_call(row, vault) for row in rows[:size]]
    if before:
        shown.reverse()
    if not shown:
        return Page(shown, None)
    first, last = ((one.arrived_at, one.call_id) for one in (shown[0], shown[-1]))
    has_earlier = has_more if before else after is not None
    has_later = True if before else has_more
    return Page(shown, last if has_later else None, first if has_earlier else None)


def add_up(
    session: Session, *, tenant_id: TenantId, vault: Vault, wanted: Filter | None = None, most: int = 10_000
) -> Sum:
    """Return how many calls match, and their talk; what is beyond `most` is not counted."""
    some = (
        select(CdrRow.talk_ms)
        .select_from(CallRow)
        .outerjoin(CdrRow, and_(CdrRow.tenant_id == CallRow.tenant_id, CdrRow.call_id == CallRow.id))
        .where(CallRow.tenant_id == tenant_id, *_wanted(wanted or Filter(), tenant_id, vault))
        .limit(most + 1)
        .subquery()
    )
    calls, talk_ms = session.execute(
        select(func.count(), func.coalesce(func.sum(some.c.talk_ms), 0)).select_from(some)
    ).one()
    return Sum(min(calls, most), int(talk_ms), calls > most)


def these(session: Session, *, tenant_id: TenantId, call_ids: Sequence[CallId], vault: Vault) -> list[Call]:
    """Return some calls in the order of their ids; those that are not there are left out."""
    query = _select().where(CallRow.tenant_id == tenant_id, CallRow.id.in_(list(call_ids)))
    found = {call.call_id: call for call in (_call(row, vault) for row in session.execute(query))}
    return [found[call_id] for call_id in call_ids if call_id in found]


def ending_in(
    session: Session, *, tenant_id: TenantId, vault: Vault, digits: str, wanted: Filter
) -> frozenset[CallId]:
    """Return which of the newest `SCANNED` calls that match have a number that ends in `digits`.

    Numbers are sealed, so each is opened: some 20 µs a call. No index of four digits is kept: it would
    tell who has the database almost as much as the number.
    """
    query = (
        select(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.caller_ct.is_not(None))
        .where(*_wanted(wanted, tenant_id, vault))
        .order_by(CallRow.arrived_at.desc(), CallRow.id.desc())
        .limit(SCANNED)
    )
    return frozenset(
        CallId(row.id)
        for row in session.scalars(query)
        if _open(vault, row, "caller", row.caller_ct).endswith(digits)
    )


def paused_among(session: Session, *, tenant_id: TenantId, call_ids: Sequence[CallId]) -> set[CallId]:
    """Return in which of these calls something was kept out of the recording."""
    rows = session.scalars(
        select(CallEventRow.call_id)
        .where(
            CallEventRow.tenant_id == tenant_id,
            CallEventRow.call_id.in_(list(call_ids)),
            CallEventRow.kind == "recording-paused",
        )
        .distinct()
    )
    return {CallId(one) for one in rows}


def live(session: Session, *, tenant_id: TenantId, vault: Vault) -> list[Call]:
    """Return the tenant's calls that have not ended, oldest first."""
    query = _select().where(CallRow.tenant_id == tenant_id, CallRow.ended_at.is_(None))
    return [_call(row, vault) for row in session.execute(query.order_by(CallRow.arrived_at))]


def forsaken(session: Session, *, tenant_id: TenantId) -> list[Ending]:
    """Return endings for calls that nobody conducts any more: begun half a day ago, never bridged or ended.

    A crash may lose a call between its row and its spool; it was never connected then, because a bridge
    waits for both. It ends at its arrival, the last instant that is sure. A bridged call is left alone:
    it may still be up, or its end may wait in the spool, and it is to be billed.
    """
    rows = session.scalars(
        select(CallRow).where(
            CallRow.tenant_id == tenant_id,
            CallRow.bridged_at.is_(None),
            CallRow.picked_up_at.is_(None),
            CallRow.ended_at.is_(None),
            CallRow.arrived_at < clock.now() - _FORSAKEN,
        )
    )
    return [
        Ending(tenant_id, CallId(row.id), row.arrived_at, "lost-while-switchboard-away", "") for row in rows
    ]


def timeline(session: Session, *, tenant_id: TenantId, call_id: CallId) -> list[Step]:
    """Return what happened in a call, in order."""
    rows = session.scalars(
        select(CallEventRow)
        .where(CallEventRow.tenant_id == tenant_id, CallEventRow.call_id == call_id)
        .order_by(CallEventRow.at, CallEventRow.position)
    )
    return [Step(row.position, row.at, row.kind, row.details) for row in rows]


def usage_key(call_id: CallId) -> str:
    """Return the permanent key of a call's talk time in billing."""
    return f"{public('call', call_id)}/talk"


def _metered_from(row: CallRow) -> dt.datetime | None:
    """Return since when a call costs: a call in from the talk on, a call out since it was picked up."""
    return row.picked_up_at if row.direction == OUTBOUND else row.bridged_at


def _usage(
    row: CallRow, began_at: dt.datetime, ended_at: dt.datetime, campaign_id: UUID | None
) -> metering.Usage:
    return metering.Usage(
        source=SOURCE,
        event_id=usage_key(CallId(row.id)),
        meter=METERS[row.direction],
        subject_ref=row.id,
        occurred_at=began_at,
        ended_at=ended_at,
        quantity_ms=elapsed_ms(began_at, ended_at),
        prefix=row.called_prefix or rating_prefix(row.dialled),
        number_id=NumberId(row.number_id),
        agent_ref=row.agent_id,
        campaign_ref=campaign_id,
    )


def _select() -> Any:  # noqa: ANN401 - a Select over five tables has no shorter type
    return (
        select(
            CallRow,
            QueueRow.name,
            CdrRow.wait_ms,
            CdrRow.talk_ms,
            RecordingRow.id,
            RecordingRow.state,
            RecordingRow.duration_ms,
        )
        .join(QueueRow, and_(QueueRow.tenant_id == CallRow.tenant_id, QueueRow.id == CallRow.queue_id))
        .outerjoin(CdrRow, and_(CdrRow.tenant_id == CallRow.tenant_id, CdrRow.call_id == CallRow.id))
        .outerjoin(
            RecordingRow,
            and_(RecordingRow.tenant_id == CallRow.tenant_id, RecordingRow.call_id == CallRow.id),
        )
    )


_ORDERS: Mapping[Order, ColumnElement[int] | None] = {
    Order.STARTED: None,
    Order.WAIT: func.coalesce(CdrRow.wait_ms, 0),
    Order.TALK: func.coalesce(CdrRow.talk_ms, 0),
}


def _wanted(wanted: Filter, tenant_id: TenantId, vault: Vault) -> list[ColumnElement[bool]]:
    tests: list[ColumnElement[bool]] = []
    for column, value in (
        (CallRow.queue_id, wanted.queue_id),
        (CallRow.agent_number, wanted.agent_number),
        (CallRow.number_id, wanted.number_id),
        (CallRow.customer_id, wanted.customer_id),
        (CallRow.direction, wanted.direction),
        (CallRow.disposition, wanted.disposition),
    ):
        if value is not None:
            tests.append(column == value)
    if wanted.caller:
        tests.append(CallRow.caller_index.in_(vault.mark(tenant_id, CALLER_INDEX, wanted.caller).levels))
    if wanted.since:
        tests.append(CallRow.arrived_at >= wanted.since)
    if wanted.until:
        tests.append(CallRow.arrived_at < wanted.until)
    if wanted.is_recorded is not None:
        one = aliased(RecordingRow)  # the list's own join must not be taken for it
        kept = exists().where(
            one.tenant_id == CallRow.tenant_id, one.call_id == CallRow.id, one.state == "sealed"
        )
        if wanted.least_s is not None:
            kept = kept.where(one.duration_ms >= wanted.least_s * 1000)
        if wanted.most_s is not None:
            kept = kept.where(one.duration_ms <= wanted.most_s * 1000)
        tests.append(kept if wanted.is_recorded else ~kept)
    if wanted.campaign_id is not None:  # a call out, its attempt and its dial share an id
        tests.append(
            exists().where(
                OutboundDialRow.tenant_id == CallRow.tenant_id,
                OutboundDialRow.attempt_id == CallRow.id,
                OutboundDialRow.campaign_id == wanted.campaign_id,
            )
        )
    if wanted.was_paused is not None:
        pause = _paused(CallRow.tenant_id, CallRow.id)
        tests.append(pause if wanted.was_paused else ~pause)
    if wanted.is_held is not None and wanted.held is not None and not wanted.held.is_all:
        covered = or_(
            CallRow.id.in_(wanted.held.calls),
            func.coalesce(CallRow.customer_id.in_(wanted.held.customers), false()),
        )
        tests.append(covered if wanted.is_held else ~covered)
    elif wanted.is_held is False:  # everything of the company is held
        tests.append(false())
    if wanted.among is not None:
        tests.append(CallRow.id.in_(wanted.among))
    match wanted.outcome:
        case None | "":
            pass
        case "answered":
            tests.append(CallRow.bridged_at.is_not(None))
        case "abandoned":
            tests += [
                CallRow.bridged_at.is_(None),
                CallRow.ended_at.is_not(None),
                func.coalesce(CallRow.cause, "").not_in(figures.NOT_OFFERED),
                or_(CallRow.direction == INBOUND, CallRow.cause == "abandoned"),
            ]
        case "message":
            tests.append(CallRow.cause == LEFT_MESSAGE)
        case code:
            tests.append(CallRow.disposition == code)
    return tests


def _paused(tenant_id: Any, call_id: Any) -> Any:  # noqa: ANN401 - columns of any query
    return exists().where(
        CallEventRow.tenant_id == tenant_id,
        CallEventRow.call_id == call_id,
        CallEventRow.kind == "recording-paused",
    )


def _field(tenant_id: TenantId, call_id: UUID, column: str) -> Field:
    return Field(tenant_id, "calls", column, call_id, 1)


def _seal(vault: Vault, tenant_id: TenantId, call_id: CallId, column: str, plain: str) -> bytes | None:
    return vault.seal(_field(tenant_id, call_id, column), plain) if plain else None


def _open(vault: Vault, row: CallRow, column: str, sealed: bytes | None) -> str:
    return vault.open(_field(TenantId(row.tenant_id), row.id, column), sealed) if sealed else ""


def _call(found: Any, vault: Vault) -> Call:  # noqa: ANN401 - a row of `_select`
    row: CallRow = found[0]
    return Call(
        tenant_id=TenantId(row.tenant_id),
        call_id=CallId(row.id),
        direction=row.direction,
        state=row.state,
        number_id=NumberId(row.number_id),
        dialled=row.dialled,
        queue_id=QueueId(row.queue_id),
        queue_name=found[1],
        caller=_open(vault, row, "caller", row.caller_ct),
        customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        agent_id=AgentId(row.agent_id) if row.agent_id else None,
        agent_number=row.agent_number,
        seat_label=row.seat_label,
        arrived_at=row.arrived_at,
        greeting_ended_at=row.greeting_ended_at,
        queued_at=row.queued_at,
        picked_up_at=row.picked_up_at,
        ringing_at=row.ringing_at,
        popped_at=row.popped_at,
        answered_at=row.answered_at,
        bridged_at=row.bridged_at,
        ended_at=row.ended_at,
        wait_ms=found[2],
        talk_ms=found[3],
        cause=row.cause,
        disposition=row.disposition,
        wrapped_at=row.wrapped_at,
        recording_id=RecordingId(found[4]) if found[4] else None,
        recording_state=found[5],
        part_of=CallId(row.part_of) if row.part_of else None,
        recording_ms=found[6],
        talk_ended_at=row.talk_ended_at,
        survey_most=row.survey_most,
        survey_rating=row.survey_rating,
        room_id=RoomId(row.room_id) if row.room_id else None,
        leads_room=bool(row.leads_room),
    )
