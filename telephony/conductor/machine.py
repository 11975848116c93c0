"""One call as a state machine: a fact in, the call's next phase and what to do about it out.

Pure and deterministic: no clock, no switch, no database. The conductor carries the actions out; after a
crash the same facts, read back from the spool, lead to the same phase.

A call that comes in; one that goes out is moved by `outgoing`, with the same facts and actions:

    greeting -> queued -> offered -> announcing -> talking -> ended
                  ^          |                      |
                  +----------+----------------------+
                     the agent did not answer, or their line broke for good: back to the head of the queue

A number may lead into a flow first (`in_flow`). A queue that is closed, or in which the caller has waited as
long as they may, turns them away: a message, and the call ends.

While an agent talks they may give the call to somebody else, or ask a second one about it: `transfer`. A call
given to a number outside goes on without an agent, from `reaching` to `outside`.

A fact that cannot happen in a phase is late or repeated, and changes nothing: switches repeat themselves.
"""

import datetime as dt
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.ids import AgentId, CallId, CustomerId, FlowId, OfferId, QueueId, RecordingId, SeatId
from telephony.calls import Arrival, Left, Leg, Stage
from telephony.events import DialOutcome
from telephony.flows.trace import Outcome, Passed


class Phase(StrEnum):
    """Where a call stands."""

    DIALLING = "dialling"  # the first five: of a call that goes out
    RINGING = "ringing"
    DETECTING = "detecting"
    SEEKING = "seeking"
    APOLOGISING = "apologising"
    FLOW = "flow"  # what the number's flow has them hear and choose; see `in_flow`
    GREETING = "greeting"
    TURNED_AWAY = "turned-away"  # a message is played, and the call ends
    QUEUED = "queued"
    OFFERED = "offered"
    ANNOUNCING = "announcing"
    TALKING = "talking"
    REACHING = "reaching"  # given to a number outside, which rings
    OUTSIDE = "outside"  # and which has it
    ENDED = "ended"


class Cause(StrEnum):
    """Why a call ended, as the CDR says it."""

    CALLER_HUNG_UP = "caller-hung-up"
    AGENT_HUNG_UP = "agent-hung-up"
    CALLER_LEFT_QUEUE = "caller-left-queue"
    CALLER_LEFT_GREETING = "caller-left-greeting"
    CALLER_LEFT_FLOW = "caller-left-flow"
    LEFT_MESSAGE = "left-message"
    SERVED = "served"  # by the flow: nobody was needed
    SWITCH_LOST = "switch-lost"
    LOST_WHILE_AWAY = "lost-while-switchboard-away"
    OUTSIDE_HUNG_UP = "outside-hung-up"  # the number outside that had the call
    CALLED_HUNG_UP = "called-hung-up"  # from here on: of a call that went out
    ABANDONED = "abandoned"
    MACHINE = "machine"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNALLOCATED = "unallocated"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TOO_LONG = "too-long"  # either way: it lasted as long as its company's calls may
    OUTSIDE_HOURS = "outside-hours"  # a call in, while its queue is closed
    WAITED_TOO_LONG = "waited-too-long"  # a caller has waited as long as the queue lets them
    NO_ROOM = "no-room"  # a call in: all lines of its company were busy, or the switch was full
    STOPPED = "stopped"  # calls out were stopped, and those under way ended


class Lost(StrEnum):
    """Why an offer came to nothing."""

    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    PHONE_GONE = "phone-gone"
    CALLER_LEFT = "caller-left"
    SWITCH_LOST = "switch-lost"
    NOT_REACHED = "not-reached"  # nobody to talk to at the other end of a call out
    NOT_NEEDED = "not-needed"  # who was asked about a call, and the one who has it goes on alone


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of the call to one agent; `channel` is what the switch will call the agent's leg."""

    offer_id: OfferId
    agent_id: AgentId
    agent_number: int
    seat_id: SeatId | None
    seat_label: str
    endpoint: str
    channel: str
    expires_at: dt.datetime


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
    from the answer. Whom it calls stands, sealed, in the row of the dial, and nowhere here.
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
    """The flow a call goes, or went, through, and the nodes it came by. `outcome`: None while it is in it."""

    flow_id: FlowId
    version: int
    began_at: dt.datetime
    path: tuple[Passed, ...] = ()
    ended_at: dt.datetime | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Consult:
    """A second agent, or a number outside, asked about the call, and how far that has come."""

    offer: Offer | Outside
    stage: Stage


# --- facts: what happened -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GreetingEnded:
    """The greeting has been played, or there was none."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class FlowEntered:
    """The call goes through this version of a flow before anything else."""

    at: dt.datetime
    flow_id: FlowId
    version: int


@dataclass(frozen=True, slots=True)
class FlowMoved:
    """It is at this node now, by this way out of the one before. What was typed there stands nowhere."""

    at: dt.datetime
    node: str
    kind: str
    title: str
    way: str


@dataclass(frozen=True, slots=True)
class FlowLed:
    """The flow has led the call to a queue."""

    at: dt.datetime
    queue_id: QueueId
    queue_name: str


@dataclass(frozen=True, slots=True)
class MessageBegan:
    """The caller leaves a message, which is recorded: they have been told."""

    at: dt.datetime
    recording_id: RecordingId


@dataclass(frozen=True, slots=True)
class FlowServed:
    """The flow has come to its end, and nobody was needed."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class FlowFailed:
    """The flow could not go on: the caller comes to the number's own queue."""

    at: dt.datetime
    why: str


@dataclass(frozen=True, slots=True)
class OutsideHours:
    """The call came while its queue is closed."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The call came when no line was left: of its `company`, or of the `switch`.

    `cause` is the Q.850 cause the far side is told, unless `is_spoken`: then the caller is.
    """

    at: dt.datetime
    whose: str
    is_spoken: bool
    cause: int
    calls: int
    limit: int


@dataclass(frozen=True, slots=True)
class WaitedTooLong:
    """The caller has waited as long as the queue lets them."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Offered:
    """Routing has reserved an agent."""

    at: dt.datetime
    offer: Offer


@dataclass(frozen=True, slots=True)
class AgentRinging:
    """The agent's phone said that it rings."""

    at: dt.datetime
    offer_id: OfferId


@dataclass(frozen=True, slots=True)
class AgentAnswered:
    """The agent picked up."""

    at: dt.datetime
    offer_id: OfferId


@dataclass(frozen=True, slots=True)
class OfferLost:
    """The agent declined, let it ring, or their phone vanished."""

    at: dt.datetime
    offer_id: OfferId
    why: Lost


@dataclass(frozen=True, slots=True)
class AnnouncementEnded:
    """The agent's number has been told to the caller."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Bridged:
    """Both hear each other."""

    at: dt.datetime
    recording_id: RecordingId | None


@dataclass(frozen=True, slots=True)
class Held:
    """The agent put the caller on hold, or took them back."""

    at: dt.datetime
    on: bool


@dataclass(frozen=True, slots=True)
class RecordingPaused:
    """What is said is kept out of the recording (`on`), or in it again; the switch has confirmed it."""

    at: dt.datetime
    on: bool


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The recording ended before the call did: it could not be paused, or the queue records nothing."""

    at: dt.datetime
    is_by_rule: bool = False


@dataclass(frozen=True, slots=True)
class LegLost:
    """The agent's line broke in the call: a reload, a network that is gone. The caller is parked."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Rejoined:
    """The agent is back in the call, on a new channel."""

    at: dt.datetime
    channel: str


@dataclass(frozen=True, slots=True)
class AgentStaysAway:
    """The agent whose line broke has not come back in time: the parked caller is given to another."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller's leg ended; `cause` is Q.850."""

    at: dt.datetime
    cause: int


@dataclass(frozen=True, slots=True)
class AgentGone:
    """The agent's leg ended after the answer; `cause` is Q.850."""

    at: dt.datetime
    cause: int


@dataclass(frozen=True, slots=True)
class CalledRinging:
    """The number called rings."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The agent who dials by hand waits no longer."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class PickedUp:
    """Somebody, or something, answered the call that goes out."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """The switch has listened to who answered."""

    at: dt.datetime
    is_machine: bool


@dataclass(frozen=True, slots=True)
class NobodyFree:
    """No other agent could take the place of the one whose phone is gone."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class ApologyEnded:
    """The message for whom no agent is there has been played, or there was no voice for it."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """The switch did not take the call that was to go out."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class EndsSoon:
    """The longest a call may last is a minute away; its agent is told."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Transferred:
    """The agent has given the call to a queue, or to a free agent (`offer`), who has been reserved.

    `queue_id` is where it belongs from now on, and goes to when that agent does not answer.
    """

    at: dt.datetime
    queue_id: QueueId
    queue_name: str
    offer: Offer | None


@dataclass(frozen=True, slots=True)
class Consulted:
    """The agent asks a second one, who has been reserved; the caller hears music."""

    at: dt.datetime
    offer: Offer


@dataclass(frozen=True, slots=True)
class SentOutside:
    """The agent has given the call to a number outside, which is about to be called."""

    at: dt.datetime
    outside: Outside


@dataclass(frozen=True, slots=True)
class OutsideAsked:
    """The agent asks a number outside, which is about to be called; the caller hears music."""

    at: dt.datetime
    outside: Outside


@dataclass(frozen=True, slots=True)
class OutsideAnswered:
    """Somebody picked up at the number outside."""

    at: dt.datetime
    offer_id: OfferId


@dataclass(frozen=True, slots=True)
class OutsideGone:
    """The leg of the number outside ended, answered or not; `cause` is Q.850."""

    at: dt.datetime
    offer_id: OfferId
    cause: int


@dataclass(frozen=True, slots=True)
class SentBack:
    """The agent has given the caller back to the entry of one of the company's numbers, without an agent."""

    at: dt.datetime
    queue_id: QueueId
    queue_name: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A team leader lets a caller who waits wait in another queue, as long as they have waited already."""

    at: dt.datetime
    queue_id: QueueId
    queue_name: str
    leader: int


@dataclass(frozen=True, slots=True)
class Swapped:
    """The agent talks to the other of the two: the caller, or the agent they have asked."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """The call is ended by us, whoever talks."""

    at: dt.datetime
    cause: Cause


@dataclass(frozen=True, slots=True)
class Merged:
    """All three talk together."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class AskedGone:
    """The leg of the agent who was asked ended; `cause` is Q.850."""

    at: dt.datetime
    cause: int


@dataclass(frozen=True, slots=True)
class ConsultEnded:
    """The agent lets the one they have asked go, and is with the caller again."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """The agent leaves; the one they have asked has the call from now on."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class EndedForAll:
    """The agent ends the call for everybody in it."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Vanished:
    """The call is not on the switch any more and nobody saw it go; `at` is its last proven instant."""

    at: dt.datetime
    cause: Cause


Fact = (
    GreetingEnded
    | FlowEntered
    | FlowMoved
    | FlowLed
    | MessageBegan
    | FlowServed
    | FlowFailed
    | OutsideHours
    | NoRoom
    | WaitedTooLong
    | Offered
    | AgentRinging
    | AgentAnswered
    | OfferLost
    | AnnouncementEnded
    | Bridged
    | Held
    | RecordingPaused
    | RecordingStopped
    | LegLost
    | Rejoined
    | AgentStaysAway
    | CallerGone
    | AgentGone
    | CalledRinging
    | GivenUp
    | PickedUp
    | Heard
    | NobodyFree
    | ApologyEnded
    | NotPlaced
    | EndsSoon
    | Cut
    | Transferred
    | Consulted
    | SentOutside
    | OutsideAsked
    | OutsideAnswered
    | OutsideGone
    | SentBack
    | Moved
    | Swapped
    | Merged
    | AskedGone
    | ConsultEnded
    | AgentLeft
    | EndedForAll
    | Vanished
)

# --- actions: what to do about it -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """Pick the caller up and play the greeting; `GreetingEnded` follows."""


@dataclass(frozen=True, slots=True)
class RunFlow:
    """Let the flow begin; `FlowMoved` follows for each node."""


@dataclass(frozen=True, slots=True)
class LeaveFlow:
    """The flow is over: keep how the call went through it."""


@dataclass(frozen=True, slots=True)
class Belong:
    """The call belongs to another queue from now on."""

    queue_id: QueueId


@dataclass(frozen=True, slots=True)
class Enter:
    """Let the call into its queue, if that is open; `GreetingEnded` or `OutsideHours` follows."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Music, and a place in the queue: at its head when an agent failed the caller."""

    since: dt.datetime
    is_at_head: bool


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """Give the place in the queue up."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring the agent and show them who calls."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the caller the agent's number; `AnnouncementEnded` follows."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Connect:
    """Join the legs once the call's row is durable; record if the queue says so; `Bridged` follows."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Originate:
    """Place the call out, once its beginning is on disk."""


@dataclass(frozen=True, slots=True)
class Detect:
    """Listen whether a person answered; `Heard` follows."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Tell the called person that they are recorded, if they are; `AnnouncementEnded` follows."""


@dataclass(frozen=True, slots=True)
class Seek:
    """Reserve another free agent for whoever waits on the line; `Offered` or `NobodyFree` follows."""


@dataclass(frozen=True, slots=True)
class Apologise:
    """Say who called and that nobody is there; `ApologyEnded` follows."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """End a call that was never answered, with this Q.850 cause."""

    cause: int


@dataclass(frozen=True, slots=True)
class TurnAway:
    """Say why nobody takes the call (closed, busy, nobody free), by its cause; `ApologyEnded` follows."""


@dataclass(frozen=True, slots=True)
class Music:
    """Hold music for the caller, on or off."""

    on: bool


@dataclass(frozen=True, slots=True)
class StopRinging:
    """End the leg of an agent, or of a number outside."""

    offer: Offer | Outside


@dataclass(frozen=True, slots=True)
class HangUpCaller:
    """End the caller's leg."""


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent's state changes with the call: `state` as the seats room names it, or None = free again."""

    agent_id: AgentId
    state: str | None
    at: dt.datetime
    offer_id: OfferId
    item: str  # the work item's state
    why: Lost | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Write instants of the call."""

    instants: dict[str, dt.datetime]
    offer: Offer | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the agent that the call will be ended in a minute."""


@dataclass(frozen=True, slots=True)
class KeepLegs:
    """Write who has which part of the call."""


@dataclass(frozen=True, slots=True)
class HandOn:
    """This part of the call is over: what its agent wrote goes with it; the call may be in another queue.

    Their leg ends when that is on disk: until then it proves whose the call was.
    """

    offer: Offer


@dataclass(frozen=True, slots=True)
class Reach:
    """Call the number outside, once it is on disk that this is done."""

    outside: Outside


@dataclass(frozen=True, slots=True)
class KeepOutside:
    """Write what is known of the numbers outside."""


@dataclass(frozen=True, slots=True)
class CameBack:
    """Tell the agent who gave the call to a colleague, or a number outside, that nobody took it, and why."""

    agent_id: AgentId
    why: Cause | Lost


@dataclass(frozen=True, slots=True)
class StopRecording:
    """End the recording by rule: somebody joins who was not told of it."""


@dataclass(frozen=True, slots=True)
class Greet:
    """Play the greeting of the number whose entry the caller is at; `GreetingEnded` follows."""


@dataclass(frozen=True, slots=True)
class Arrange:
    """Put everybody into the bridge in which the stage of the conversation wants them."""


@dataclass(frozen=True, slots=True)
class Move:
    """Write in which queue the call waits from now on."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Done already: the timeline says so, and nothing follows."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The call is over: close its books."""

    at: dt.datetime
    cause: Cause


Action = (
    Answer
    | RunFlow
    | LeaveFlow
    | Belong
    | Enter
    | Wait
    | LeaveQueue
    | Ring
    | Announce
    | Connect
    | Originate
    | Detect
    | Notice
    | Seek
    | Apologise
    | Refuse
    | TurnAway
    | Music
    | StopRinging
    | HangUpCaller
    | Agent
    | Mark
    | Warn
    | KeepLegs
    | HandOn
    | Reach
    | KeepOutside
    | CameBack
    | StopRecording
    | Greet
    | Arrange
    | Move
    | Noted
    | Finish
)

WRAP_UP, TALKING, HOLDING, RINGING, RESERVED = "wrap_up", "talking", "holding", "ringing", "reserved"
DIALLING = "dialling"
NORMAL = 16  # Q.850
# Q.850: 18 no user responding, 22 number changed, 27 destination out of order, 28 invalid number
BY_CAUSE: Final = {
    1: (DialOutcome.UNALLOCATED, Cause.UNALLOCATED),
    22: (DialOutcome.UNALLOCATED, Cause.UNALLOCATED),
    28: (DialOutcome.UNALLOCATED, Cause.UNALLOCATED),
    17: (DialOutcome.BUSY, Cause.BUSY),
    18: (DialOutcome.NO_ANSWER, Cause.NO_ANSWER),
    19: (DialOutcome.NO_ANSWER, Cause.NO_ANSWER),
    21: (DialOutcome.REJECTED, Cause.REJECTED),
}
FAILED: Final = (DialOutcome.FAILED, Cause.FAILED)
_HANDED_OVER = frozenset({Left.TRANSFERRED, Left.LEFT, Left.LINE_LOST})


@dataclass(slots=True)
class LiveCall:
    """A call in progress. Only `step` changes it, `transfer.step`, and `outgoing.step` one that goes out.

    One that goes out has a `dial`.
    """

    arrival: Arrival
    channel: str
    phase: Phase = Phase.GREETING
    offer: Offer | None = None
    recording_id: RecordingId | None = None
    queued_at: dt.datetime | None = None
    offers: int = 0
    is_held: bool = False
    is_parked: bool = False  # its agent's line broke, and may come back
    is_paused: bool = False  # its recording
    has_stopped: bool = False  # its recording, before its end
    ends_soon: bool = False  # its agent has been told that it is the longest it may be
    position: int = 0  # of the last timeline entry
    instants: dict[str, dt.datetime] = field(default_factory=dict)  # all that was marked
    cause: Cause | None = None
    ended_at: dt.datetime | None = None
    proven_at: dt.datetime = field(default=dt.datetime.min.replace(tzinfo=dt.UTC))
    dial: Dial | None = None
    due_at: dt.datetime | None = None  # until then an agent must be there for whoever picked up
    is_noticed: bool = False  # the called person knows what they have to know before they talk
    outcome: DialOutcome | None = None
    legs: list[Leg] = field(default_factory=list)  # of everybody who has talked in it, or was asked
    consult: Consult | None = None
    flow: InFlow | None = None
    outsides: list[Outside] = field(default_factory=list)  # all numbers outside that were brought in
    given_to: OfferId | None = None  # the offer to the agent whom another gave it to, until that is over
    was_moved: bool = False  # by a team leader: it waits where they put it, whatever its caller's tier says

    @property
    def outside(self) -> Outside | None:
        """Return the number outside that is called, or in the call, now."""
        return next((one for one in self.outsides if one.ended_at is None), None)

    @property
    def asked(self) -> Offer | None:
        """Return the offer of the second agent who is asked about the call."""
        return self.consult.offer if self.consult and isinstance(self.consult.offer, Offer) else None

    @property
    def is_shared(self) -> bool:
        """Whether more than one agent has had to do with it."""
        return len(self.legs) > 1 or any(leg.is_over for leg in self.legs)

    @property
    def leads_out(self) -> bool:
        """Whether it goes out and its first agent still has it; given on, it is a conversation like any."""
        return self.dial is not None and not any(leg.how in _HANDED_OVER for leg in self.legs)

    def offer_of(self, offer_id: OfferId) -> Offer | None:
        """Return the offer of this id: of the agent who has the call, or of the one asked about it."""
        return next((one for one in (self.offer, self.asked) if one and one.offer_id == offer_id), None)

    @property
    def call_id(self) -> CallId:
        """Return the call's id."""
        return self.arrival.call_id

    @property
    def bridge(self) -> str:
        """Return the name of the call's bridge on the switch."""
        return f"br-{self.call_id}"

    @property
    def side_bridge(self) -> str:
        """Return the name of the bridge in which two agents talk without the caller."""
        return f"ask-{self.call_id}"


def begin(arrival: Arrival, channel: str) -> tuple[LiveCall, list[Action]]:
    """Return a new call and how it begins."""
    return LiveCall(arrival, channel, proven_at=arrival.arrived_at), [Answer()]


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move the call on by one fact and return what to do; nothing when the fact is late or repeated."""
    if call.phase is Phase.ENDED:
        return []
    call.proven_at = max(call.proven_at, fact.at)
    actions = _follow(call, fact)
    for action in actions:
        if isinstance(action, Mark):
            call.instants |= action.instants
    return actions


def _follow(call: LiveCall, fact: Fact) -> list[Action]:
    match fact:
        case GreetingEnded() if call.phase is Phase.GREETING:
            call.phase, call.queued_at = Phase.QUEUED, fact.at
            return [
                Mark({"greeting_ended_at": fact.at, "queued_at": fact.at}),
                Wait(fact.at, is_at_head=False),
            ]
        case OutsideHours() if call.phase is Phase.GREETING:
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.OUTSIDE_HOURS
            return [TurnAway()]
        case NoRoom() if call.phase is Phase.GREETING and fact.is_spoken:
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.NO_ROOM
            return [TurnAway()]
        case NoRoom() if call.phase is Phase.GREETING:
            return [Refuse(fact.cause), *finish(call, fact.at, Cause.NO_ROOM)]
        case WaitedTooLong() if call.phase is Phase.QUEUED:
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.WAITED_TOO_LONG
            return [LeaveQueue(), Music(on=False), TurnAway()]
        case Moved() if call.phase is Phase.QUEUED:
            call.arrival = replace(call.arrival, queue_id=fact.queue_id)
            call.was_moved = True
            return [Move(), Wait(call.queued_at or fact.at, is_at_head=False)]
        case ApologyEnded() if call.phase is Phase.TURNED_AWAY:
            return [HangUpCaller(), *finish(call, fact.at, call.cause or Cause.OUTSIDE_HOURS)]
        case Offered(offer=offer) if call.phase is Phase.QUEUED:
            call.phase, call.offer, call.offers = Phase.OFFERED, offer, call.offers + 1
            return [
                LeaveQueue(),
                Agent(offer.agent_id, RESERVED, fact.at, offer.offer_id, "offered"),
                Ring(offer),
            ]
        case AgentRinging() if _is_offered(call, fact.offer_id) and call.offer:
            return [
                Mark({"ringing_at": fact.at}, call.offer),
                Agent(call.offer.agent_id, RINGING, fact.at, call.offer.offer_id, "ringing"),
            ]
        case AgentAnswered() if _is_offered(call, fact.offer_id) and call.offer:
            call.phase = Phase.ANNOUNCING
            return [
                Mark({"answered_at": fact.at}, call.offer),
                Agent(call.offer.agent_id, TALKING, fact.at, call.offer.offer_id, "talking"),
                Announce(call.offer),
            ]
        case OfferLost() if _is_offered(call, fact.offer_id) and call.offer:
            return _back_to_the_head(call, call.offer, fact)
        case AnnouncementEnded() if call.phase is Phase.ANNOUNCING and call.offer:
            return [Music(on=False), Connect(call.offer)]
        case Bridged() if call.phase is Phase.ANNOUNCING:
            call.phase, call.recording_id = Phase.TALKING, fact.recording_id
            return joined(call, fact.at)
        case Held() if call.phase is Phase.TALKING and call.offer and call.is_held != fact.on:
            call.is_held = fact.on
            state = HOLDING if fact.on else TALKING
            return [
                Music(on=fact.on),
                Agent(call.offer.agent_id, state, fact.at, call.offer.offer_id, "talking"),
            ]
        case RecordingPaused() if _is_recorded(call) and call.is_paused != fact.on:
            call.is_paused = fact.on
            return [Noted()]
        case RecordingStopped() if _is_recorded(call):
            call.has_stopped, call.is_paused = True, False
            return [Noted()]
        case LegLost() if call.phase is Phase.TALKING and not call.is_parked:
            call.is_parked = True
            return [Noted()] if call.is_held else [Music(on=True)]
        case Rejoined() if call.phase is Phase.TALKING and call.offer:
            was_parked, call.is_parked = call.is_parked, False
            call.offer = replace(call.offer, channel=fact.channel)
            return [Music(on=False)] if was_parked and not call.is_held else [Noted()]
        case AgentStaysAway() if call.phase is Phase.TALKING and call.is_parked and call.offer:
            return _given_to_another(call, call.offer, fact.at)
        case EndsSoon() if not call.ends_soon:
            call.ends_soon = True
            return [Warn()]
        case Cut():
            return cut(call, fact, _caller_gone(call, CallerGone(fact.at, NORMAL)))
        case CallerGone():
            return _caller_gone(call, fact)
        case AgentGone() if call.phase in {Phase.ANNOUNCING, Phase.TALKING} and call.offer:
            return [HangUpCaller(), *over(call, fact.at, Cause.AGENT_HUNG_UP)]
        case Vanished():
            return _vanished(call, fact)
        case _:
            return []


def joined(call: LiveCall, at: dt.datetime) -> list[Action]:
    """The caller and the agent the call was offered to hear each other."""
    if call.offer:
        call.legs.append(leg_of(call, call.offer, at))
    return [Mark({"bridged_at": at}, call.offer), *([KeepLegs()] if call.is_shared else [])]


def leg_of(call: LiveCall, offer: Offer, at: dt.datetime, stage: Stage = Stage.TALKING) -> Leg:
    """Return the part of the call that an agent begins."""
    return Leg(
        leg_id=offer.offer_id,
        queue_id=call.arrival.queue_id,
        agent_id=offer.agent_id,
        agent_number=offer.agent_number,
        seat_id=offer.seat_id,
        seat_label=offer.seat_label,
        joined_at=at,
        stage=stage,
    )


def end_leg(call: LiveCall, offer: Offer | Outside, at: dt.datetime, how: Left) -> None:
    """End the part an agent, or a number outside, had of the call."""
    call.legs = [
        replace(leg, left_at=max(at, leg.joined_at), how=how, stage=Stage.OVER)
        if leg.leg_id == offer.offer_id and not leg.is_over
        else leg
        for leg in call.legs
    ]


def _is_recorded(call: LiveCall) -> bool:
    return call.phase is Phase.TALKING and call.recording_id is not None and not call.has_stopped


def _is_offered(call: LiveCall, offer_id: OfferId) -> bool:
    return call.phase is Phase.OFFERED and call.offer is not None and call.offer.offer_id == offer_id


def _back_to_the_head(call: LiveCall, offer: Offer, fact: OfferLost) -> list[Action]:
    item = {Lost.DECLINED: "declined", Lost.NO_ANSWER: "missed"}.get(fact.why, "lost")
    call.phase, call.offer = Phase.QUEUED, None
    return [
        StopRinging(offer),
        Agent(offer.agent_id, None, fact.at, offer.offer_id, item, fact.why),
        Wait(call.queued_at or fact.at, is_at_head=True),
        *(came_back(call, fact.why) if call.given_to == offer.offer_id else []),
    ]


def came_back(call: LiveCall, why: Cause | Lost) -> list[Action]:
    """Tell who gave the call away last that nobody took it: they wrap up, and would not hear of it."""
    givers = [leg.agent_id for leg in call.legs if leg.agent_id and leg.how is Left.TRANSFERRED]
    return [CameBack(givers[-1], why)] if givers else []


def _given_to_another(call: LiveCall, offer: Offer, at: dt.datetime) -> list[Action]:
    """Back to the head of the queue, waiting from now on; what the first agent has written stays with it."""
    call.phase, call.offer, call.queued_at = Phase.QUEUED, None, at
    call.is_parked = call.is_held = False
    end_leg(call, offer, at, Left.LINE_LOST)
    return [
        StopRinging(offer),
        Agent(offer.agent_id, None, at, offer.offer_id, "closed", Lost.PHONE_GONE),
        KeepLegs(),
        Wait(at, is_at_head=True),
    ]


def cut(call: LiveCall, fact: Cut, gone: list[Action]) -> list[Action]:
    """Return what ends a call that we end: what would follow if the other side had, with our cause."""
    call.cause = fact.cause
    named = [replace(one, cause=fact.cause) if isinstance(one, Finish) else one for one in gone]
    return [HangUpCaller(), *named]


def _caller_gone(call: LiveCall, fact: CallerGone) -> list[Action]:
    offer = call.offer
    match call.phase:
        case Phase.FLOW:
            left = Cause.LEFT_MESSAGE if call.recording_id else Cause.CALLER_LEFT_FLOW
            return finish(call, fact.at, left)
        case Phase.GREETING:
            return finish(call, fact.at, Cause.CALLER_LEFT_GREETING)
        case Phase.TURNED_AWAY:
            return finish(call, fact.at, call.cause or Cause.OUTSIDE_HOURS)
        case Phase.QUEUED:
            return [LeaveQueue(), *finish(call, fact.at, Cause.CALLER_LEFT_QUEUE)]
        case Phase.OFFERED if offer:
            return [
                StopRinging(offer),
                Agent(offer.agent_id, None, fact.at, offer.offer_id, "lost", Lost.CALLER_LEFT),
                *finish(call, fact.at, Cause.CALLER_LEFT_QUEUE),
            ]
        case _ if offer:
            cause = Cause.CALLED_HUNG_UP if call.dial else Cause.CALLER_HUNG_UP
            return [StopRinging(offer), *over(call, fact.at, cause)]
        case _:
            return finish(call, fact.at, Cause.CALLER_HUNG_UP)


def _vanished(call: LiveCall, fact: Vanished) -> list[Action]:
    """The switch has nothing left of the call: there is nobody to hang up on, and the agent is free."""
    offer = call.offer
    if call.phase is Phase.QUEUED:
        return [LeaveQueue(), *finish(call, fact.at, fact.cause)]
    if offer is None:
        return finish(call, fact.at, fact.cause)
    item = "lost" if call.phase is Phase.OFFERED else "closed"
    return [
        Agent(offer.agent_id, None, fact.at, offer.offer_id, item, Lost.SWITCH_LOST),
        *finish(call, fact.at, fact.cause),
    ]


def over(call: LiveCall, at: dt.datetime, cause: Cause) -> list[Action]:
    """An answered call is over: its agent wraps up."""
    offer = call.offer
    agent = [Agent(offer.agent_id, WRAP_UP, at, offer.offer_id, "wrap_up")] if offer else []
    return [*agent, *finish(call, at, cause)]


def end_outside(call: LiveCall, at: dt.datetime, cause: Cause) -> None:
    """End the call to the number outside, if there is one."""
    call.outsides = [
        one if one.ended_at else replace(one, ended_at=max(at, one.picked_up_at or one.began_at), cause=cause)
        for one in call.outsides
    ]


def finish(call: LiveCall, at: dt.datetime, cause: Cause) -> list[Action]:
    """End the call, and with it the one to a number outside."""
    outside = call.outside
    if outside:
        is_known = outside.picked_up_at or cause in {Cause.SWITCH_LOST, Cause.LOST_WHILE_AWAY}
        end_outside(call, at, cause if is_known else Cause.CANCELLED)
    call.phase, call.cause, call.ended_at = Phase.ENDED, cause, at
    return [Finish(at, cause)]
