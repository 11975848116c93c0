"""What telephony announces, in the past tense; ids and values only."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.events import Event
from core.ids import AgentId, CallId, NumberId, RecordingId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """A call is over and its CDR stands."""

    call_id: CallId
    ended_at: dt.datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRentalChanged(Event):
    """A number was rented, given back or taken back; `tenant_id` is the operator's, as for all stock.

    Carries all that the renter's own row needs, with what was chosen when it was rented: an empty queue
    leaves it to the renter's first one. `keys`: by which the company is chosen, of a share of a short code
    (`shared_codes`); the rental's and the number's id are then the choice's. `right`: the papers of
    the number as they stand now (`rights`), empty when nobody has stated any.
    """

    renter_tenant_id: TenantId
    rental_id: UUID
    number_id: NumberId
    digits: str
    kind: str
    queue_id: UUID | None
    greeting: str
    language: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    revision: int
    keys: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingCaptured(Event):
    """The switch has closed a recording's file; it can be sealed."""

    call_id: CallId
    recording_id: RecordingId


class DialOutcome(StrEnum):
    """What became of one dial. NO_AGENT and EXPIRED were never dialled; LOST may have been."""

    CONNECTED = "connected"  # somebody picked up and talked with an agent
    ABANDONED = "abandoned"  # somebody picked up, and no agent was there in time
    MACHINE = "machine"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNALLOCATED = "unallocated"
    REJECTED = "rejected"
    HUNG_UP = "hung-up"  # somebody picked up and was gone before an agent was there
    FAILED = "failed"  # the network or the switch did not put it through
    LOST = "lost"  # the switch or the switchboard died; whether it rang is not known
    NO_AGENT = "no-agent"
    EXPIRED = "expired"
    CANCELLED = "cancelled"  # dialled by hand, and given up by the agent before anybody picked up


@dataclass(frozen=True, slots=True, kw_only=True)
class DialCleared(Event):
    """A call has passed the gate; the switchboard is to place it within seconds."""

    attempt_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DialEnded(Event):
    """A dial is over and its books are closed; exactly one for each dial.

    Attributes:
        call_id: its call; None when nothing was dialled.
        answered_at: when the called party (or their machine) picked up.
        agent_id: who talked with them.
    """

    attempt_id: UUID
    call_id: CallId | None
    outcome: DialOutcome
    started_at: dt.datetime
    answered_at: dt.datetime | None
    ended_at: dt.datetime
    agent_id: AgentId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSealed(Event):
    """A recording is sealed in storage and can be heard."""

    call_id: CallId
    recording_id: RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTrialAsked(Event):
    """A company wants to know what other ways of routing would have done; see `routing.trials`."""

    trial_id: UUID
