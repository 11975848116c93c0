"""What happened to a call: all that may be told to its machine, each with its instant."""

import datetime as dt
from dataclasses import dataclass

from core.ids import FlowId, OfferId, QueueId, RecordingId, RoomId
from telephony.conductor.parties import Offer, Outside
from telephony.conductor.phases import Cause, Lost


@dataclass(frozen=True, slots=True)
class GreetingEnded:
    """The greeting has been played, or there was none."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class FlowEntered:
    """The call goes through this version of a flow before anything else.

    `tier`: it is that of its caller's tier, in place of their number's; empty: the number's.
    """

    at: dt.datetime
    flow_id: FlowId
    version: int
    tier: str = ""


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
class WaitLeft:
    """A caller who waits has chosen otherwise by a key: their flow goes on by this way out of the queue."""

    at: dt.datetime
    way: str


@dataclass(frozen=True, slots=True)
class MessageBegan:
    """The caller leaves a message, which is recorded: they have been told."""

    at: dt.datetime
    recording_id: RecordingId


@dataclass(frozen=True, slots=True)
class FlowLedOutside:
    """The flow gives the call to the number outside of the node where it stands."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class RoomJoined:
    """The caller knows a PIN of this conference room, and is in it from now on; see `parties.InRoom`."""

    at: dt.datetime
    room_id: RoomId
    name: str
    leads: bool
    awaits_leader: bool
    announces: bool
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class SentOutOfRoom:
    """Somebody of the company has ended a call that was in one of its conference rooms."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class MutedInRoom:
    """A caller in a conference room is heard no more, or again: by their own key, or by the company."""

    at: dt.datetime
    on: bool
    is_own: bool


@dataclass(frozen=True, slots=True)
class RoomLocked:
    """The conference room a call is in takes nobody else any more but its leaders, or takes them again."""

    at: dt.datetime
    on: bool


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
class NotPaid:
    """Its company pays beforehand, and nothing is left for the call."""

    at: dt.datetime


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
class TelephoneCalled:
    """The telephone of the agent to whom the call is offered is about to be called."""

    at: dt.datetime
    telephone: Outside


@dataclass(frozen=True, slots=True)
class TelephonePickedUp:
    """Somebody, or something, picked it up; who it is shows the key they press."""

    at: dt.datetime
    offer_id: OfferId


@dataclass(frozen=True, slots=True)
class TelephoneGone:
    """The leg to the agent's telephone ended, answered or not; `cause` is Q.850."""

    at: dt.datetime
    offer_id: OfferId
    cause: int


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
    """The agent's leg ended after the answer; `cause` is Q.850.

    `survey_most`: the caller stays, and is asked for a rating from 1 to so many; 0: they are not.
    """

    at: dt.datetime
    cause: int
    survey_most: int = 0


@dataclass(frozen=True, slots=True)
class SurveyAnswered:
    """The caller has given a rating."""

    at: dt.datetime
    rating: int


@dataclass(frozen=True, slots=True)
class SurveyEnded:
    """The caller is asked no more; `why` is `answered`, `silent`, `not-said` or `switchboard-away`."""

    at: dt.datetime
    why: str


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
class Forwards:
    """The number dialled forwards its callers: always, or (`is_closed`) because its queue is closed."""

    at: dt.datetime
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The client's own phone, to which the number forwards, is about to be called."""

    at: dt.datetime
    outside: Outside


@dataclass(frozen=True, slots=True)
class NotForwarded:
    """The client's own phone is not called; `why` is the gate's word, or ours."""

    at: dt.datetime
    why: str


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
    | FlowLedOutside
    | WaitLeft
    | MessageBegan
    | RoomJoined
    | SentOutOfRoom
    | MutedInRoom
    | RoomLocked
    | FlowServed
    | FlowFailed
    | OutsideHours
    | NoRoom
    | NotPaid
    | WaitedTooLong
    | Offered
    | AgentRinging
    | AgentAnswered
    | TelephoneCalled
    | TelephonePickedUp
    | TelephoneGone
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
    | SurveyAnswered
    | SurveyEnded
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
    | Forwards
    | Forwarded
    | NotForwarded
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
