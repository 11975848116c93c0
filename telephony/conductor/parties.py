"""Who and what a call has to do with: agents it is offered to, numbers outside, the flow it goes through."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from core.ids import AgentId, CustomerId, FlowId, OfferId, RoomId, SeatId
from telephony.calls import Stage
from telephony.conductor.phases import Cause
from telephony.events import DialOutcome
from telephony.flows.trace import Outcome, Passed


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of the call to one agent; `channel` is what the switch will call the agent's leg.

    `is_at_telephone`: it rings at a number outside, the agent's own; then no `endpoint` is rung.
    """

    offer_id: OfferId
    agent_id: AgentId
    agent_number: int
    seat_id: SeatId | None
    seat_label: str
    endpoint: str
    channel: str
    expires_at: dt.datetime
    is_at_telephone: bool = False


@dataclass(frozen=True, slots=True)
class Dial:
    """What a call that goes out was cleared for, and the agent reserved before it was dialled.

    `is_by_hand`: that agent dials, and nobody else takes their place. `longest`: from the answer on.
    """

    attempt_id: UUID
    customer_id: CustomerId | None
    detects_machines: bool
    offer: Offer
    is_by_hand: bool = False
    longest: dt.timedelta = dt.timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Outside:
    """A number outside, brought into the call: a call out with books of its own, which ends with this one.

    `offer_id` is that of its clearance's attempt, of its call and of its part of this one. `longest` counts
    from the answer. Whom it calls stands, sealed, in the row of the dial, and nowhere here. The telephone of
    an agent to whom the call is offered is one too: its id is that of the offer, and no row has its number.
    """

    offer_id: OfferId
    channel: str
    longest: dt.timedelta
    began_at: dt.datetime
    picked_up_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    cause: Cause | None = None

    @property
    def outcome(self) -> DialOutcome:
        """What became of the dial."""
        if self.picked_up_at:
            return DialOutcome.CONNECTED
        return DialOutcome.__members__.get(self.cause.name if self.cause else "", DialOutcome.LOST)


@dataclass(frozen=True, slots=True)
class InFlow:
    """The flow a call goes, or went, through, and the nodes it came by. `outcome`: None while it is in it.

    Attributes:
        onwards: the way out of its node that is taken next, because a number outside was not reached, or the
            caller waits no longer.
        kind: of the node it is at.
        is_promised: on the way the caller was promised a call.
        tier: whose flow it is; empty: the number's.
    """

    flow_id: FlowId
    version: int
    began_at: dt.datetime
    path: tuple[Passed, ...] = ()
    ended_at: dt.datetime | None = None
    outcome: Outcome | None = None
    onwards: str = ""
    kind: str = ""
    is_promised: bool = False
    tier: str = ""


@dataclass(frozen=True, slots=True)
class InRoom:
    """The conference room a call is, or was, in, as the room was when it joined.

    Attributes:
        room_id: the company's own.
        name: as it was called then.
        joined_at: since when.
        leads: whether it came with the PIN of leaders.
        awaits_leader: members hear music until a leader is in.
        announces: those in it hear a tone when somebody joins.
        mutes_self: by a key of their own, which lets them be heard again.
        is_muted: by a person of the company, and heard again by one alone.
        is_locked: the room is, which all calls in it say; nobody else gets in, but its leaders.
    """

    room_id: RoomId
    name: str
    joined_at: dt.datetime
    leads: bool
    awaits_leader: bool
    announces: bool
    mutes_self: bool = False
    is_muted: bool = False
    is_locked: bool = False

    @property
    def is_heard(self) -> bool:
        """Whether the others hear what is said here."""
        return not (self.mutes_self or self.is_muted)


@dataclass(frozen=True, slots=True)
class Consult:
    """A second agent, or a number outside, asked about the call, and how far that has come."""

    offer: Offer | Outside
    stage: Stage
