"""What can go wrong in telephony, in its own words."""

from core.errors import Conflict, Invalid, NotFound, Refused


class CallNotFoundError(NotFound):
    """No such call of this tenant."""

    code = "call-not-found"


class NumberNotFoundError(NotFound):
    """Nobody rents this number, or this tenant does not."""

    code = "number-not-found"


class QueueNotFoundError(NotFound):
    """No such queue of this tenant."""

    code = "queue-not-found"


class QueueChangedError(Conflict):
    """Somebody else changed the queue's settings meanwhile."""

    code = "queue-changed"


class QueueNameTakenError(Conflict):
    """Another queue of the company has this name, open or closed."""

    code = "queue-name-taken"


class QueueInUseError(Conflict):
    """Callers are in the queue, or numbers or campaigns lead to it: it cannot be closed."""

    code = "queue-in-use"


class QueueSettingError(Invalid):
    """A setting of a queue cannot be so; `details["field"]` says which."""

    code = "queue-setting"


class RecordingNotFoundError(NotFound):
    """This call has no recording that can be played."""

    code = "recording-not-found"


class HearingReasonMissingError(Refused):
    """Nobody hears a recording who has not said what for."""

    code = "hearing-reason-missing"


class WorkItemNotFoundError(NotFound):
    """The agent has no such thing in hand (any more)."""

    code = "work-item-not-found"


class NumberTakenError(Conflict):
    """The number is rented by somebody already."""

    code = "number-taken"


class NumberRestingError(Refused):
    """The number was given back lately and rests, lest callers of the company before reach the next."""

    code = "number-resting"


class NumberHeldError(Conflict):
    """Another client holds the number while it decides."""

    code = "number-held"


class CodeNotSharedError(NotFound):
    """No such short code is shared, or nobody is chosen at it like that."""

    code = "code-not-shared"


class NotAShortCodeError(Refused):
    """Only a short code is shared by companies."""

    code = "not-a-short-code"


class CodeSharedError(Conflict):
    """Companies share this number: nobody rents it alone."""

    code = "code-shared"


class CodeInUseError(Conflict):
    """Companies are still reached by this code; `details["companies"]` says how many."""

    code = "code-in-use"


class ChoiceTakenError(Conflict):
    """Another company is chosen by these keys or by keys that begin alike, or was until lately."""

    code = "choice-taken"


class ChosenAlreadyError(Conflict):
    """The company is on this code already."""

    code = "chosen-already"


class SharedCodeFormError(Invalid):
    """The keys, name, greeting or language of a shared code cannot be so; `details["field"]` says which."""

    code = "shared-code-form"


class HoldAgainError(Refused):
    """The client has held this number a short while ago: a hold is for deciding, not for keeping."""

    code = "hold-again"


class HoldLimitError(Refused):
    """The client holds as many numbers as one may at once; `details["most"]` says how many."""

    code = "hold-limit"


class NumberKindError(Invalid):
    """The number is of another kind than said: the numbering plan tells (`details["kind"]`)."""

    code = "number-kind"


class NumberChangedError(Conflict):
    """Somebody else changed the number's settings meanwhile."""

    code = "number-changed"


class NotWrappingUpError(Conflict):
    """The call is not in this agent's wrap-up, so it cannot be wrapped up."""

    code = "not-wrapping-up"


class WrapUpNeededError(Refused):
    """This wrap-up cannot be skipped: its queue wants it done."""

    code = "wrap-up-needed"


class DispositionNeededError(Refused):
    """Calls of this queue are closed with an outcome only."""

    code = "disposition-needed"


class WrapUpLongestError(Refused):
    """The wrap-up has been given all the time there is."""

    code = "wrap-up-longest"


class NotRecordingError(Conflict):
    """Nothing of this call is being recorded (any more)."""

    code = "not-recording"


class CallNotOverError(Refused):
    """The call still goes on."""

    code = "call-not-over"


class RecordingPolicyChangedError(Conflict):
    """Somebody saved what the company records since it was read; `revision` is the one that stands."""

    code = "recording-policy-changed"


class RoutingChangedError(Conflict):
    """Somebody saved the routing since it was read; `revision` is the one that stands."""

    code = "routing-changed"


class RoutingSettingError(Invalid):
    """A setting of the routing that cannot stand; `field` names it."""

    code = "routing-setting"


class RoutingTrialError(Invalid):
    """A trial that cannot be asked like this; `field` names what is out of its bounds."""

    code = "routing-trial"


class TooLittleHistoryError(Conflict):
    """Too few calls came in the days asked for to say anything; `calls` did, `least` are needed."""

    code = "too-little-history"


class NoRoutingTrialError(NotFound):
    """The company has tried nothing yet."""

    code = "no-routing-trial"


class PromiseNotFoundError(NotFound):
    """No such promised call of this company."""

    code = "promise-not-found"


class PromiseOverError(Conflict):
    """The promised call is being made, or over."""

    code = "promise-over"


class FlowNotFoundError(NotFound):
    """Not a flow of this company, or it was removed."""

    code = "flow-not-found"


class FlowChangedError(Conflict):
    """Somebody saved the flow since it was read; `revision` is the one that stands."""

    code = "flow-changed"


class FlowFaultyError(Conflict):
    """The flow cannot be published as it is; `findings` says why."""

    code = "flow-faulty"


class FlowInUseError(Conflict):
    """Numbers lead callers into this flow, or the callers of `tiers` go through it."""

    code = "flow-in-use"


class SoundNotFoundError(NotFound):
    """No such sound of this company."""

    code = "not-found"


class NotASoundError(Invalid):
    """A file that is no WAV or MP3 which can be decoded, or larger than ten megabytes."""

    code = "not-a-sound"


class SoundTooLongError(Invalid):
    """A sound of less than a fifth of a second, or of more than two minutes."""

    code = "sound-length"


class TooManySoundsError(Conflict):
    """A company has as many sounds as it may."""

    code = "too-many-sounds"


class RoomNotFoundError(NotFound):
    """No such conference room of this company."""

    code = "room-not-found"


class RoomSettingError(Invalid):
    """A setting of a conference room cannot be so; `details["field"]` says which."""

    code = "room-setting"


class RoomNameTakenError(Conflict):
    """Another conference room of the company has this name."""

    code = "room-name-taken"


class RoomChangedError(Conflict):
    """Somebody else changed the conference room meanwhile."""

    code = "room-changed"


class RoomInUseError(Conflict):
    """A flow leads into the conference room, or somebody is in it: it cannot be closed."""

    code = "room-in-use"


class TooManyRoomsError(Conflict):
    """A company has as many conference rooms as it may."""

    code = "too-many-rooms"


class NotInRoomError(Conflict):
    """This call is not in the conference room, or not any more."""

    code = "not-in-room"


class RoomEmptyError(Conflict):
    """Nobody is in the conference room: there is nobody whom a lock would leave among themselves."""

    code = "room-empty"


class SoundInUseError(Conflict):
    """A flow plays this sound."""

    code = "sound-in-use"


class FlowNotPublishedError(Conflict):
    """Callers can be led into a flow only when it has been published."""

    code = "flow-not-published"


class TooManyFlowsError(Conflict):
    """The company has as many flows as it may have."""

    code = "too-many-flows"


class MessageTakenError(Conflict):
    """Another agent has taken the message on."""

    code = "message-taken"
