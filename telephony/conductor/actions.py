"""What to do about a call: all that its machine may ask for, and the conductor carries out."""

import datetime as dt
from dataclasses import dataclass

from core.ids import AgentId, OfferId, QueueId
from telephony.conductor.parties import Offer, Outside
from telephony.conductor.phases import Cause, Lost


@dataclass(frozen=True, slots=True)
class Answer:
    """Pick the caller up and play the greeting; `GreetingEnded` follows."""


@dataclass(frozen=True, slots=True)
class RunFlow:
    """Let the flow begin; `FlowMoved` follows for each node."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """The flow goes on by this way, from a number outside or a queue; `FlowMoved` follows."""

    way: str


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
class CallTelephone:
    """Call the agent's telephone, once it is on disk that this is done."""

    telephone: Outside


@dataclass(frozen=True, slots=True)
class AskAtTelephone:
    """Ask who has picked up there to press a key: a mailbox takes no call."""

    telephone: Outside


@dataclass(frozen=True, slots=True)
class Forward:
    """Ask the gate whether the client's own phone, or the one of its flow, may be called, and call it."""


@dataclass(frozen=True, slots=True)
class EnterRoom:
    """Put the caller into the conference room, with all who are in it."""


@dataclass(frozen=True, slots=True)
class MuteInRoom:
    """Let the caller's conference room hear them or not, as their call says now."""


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    """The caller is out of their conference room: the others go on, and the bridge goes with the last."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class EndTalk:
    """Write that the conversation is over and the caller is asked for a rating; its recording ends."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Ask the caller for a rating."""


@dataclass(frozen=True, slots=True)
class Rated:
    """Write the rating the caller gave, and thank them."""


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
    | GoOn
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
    | CallTelephone
    | AskAtTelephone
    | Forward
    | EnterRoom
    | MuteInRoom
    | LeaveRoom
    | EndTalk
    | Survey
    | Rated
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
