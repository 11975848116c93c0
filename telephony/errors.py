"""What can go wrong in telephony, in its own words."""

from core.errors import Conflict, NotFound, Refused


class CallNotFoundError(NotFound):
    """No such call of this tenant."""

    code = "call-not-found"


class NumberNotFoundError(NotFound):
    """Nobody rents this number, or this tenant does not."""

    code = "number-not-found"


class QueueNotFoundError(NotFound):
    """No such queue of this tenant."""

    code = "queue-not-found"


class RecordingNotFoundError(NotFound):
    """This call has no recording that can be played."""

    code = "recording-not-found"


class WorkItemNotFoundError(NotFound):
    """The agent has no such thing in hand (any more)."""

    code = "work-item-not-found"


class NumberTakenError(Conflict):
    """The number is rented by somebody already."""

    code = "number-taken"


class NumberRestingError(Refused):
    """The number was given back lately and rests, lest callers of the company before reach the next."""

    code = "number-resting"


class NumberChangedError(Conflict):
    """Somebody else changed the number's settings meanwhile."""

    code = "number-changed"


class NotWrappingUpError(Conflict):
    """The call is not in this agent's wrap-up, so it cannot be wrapped up."""

    code = "not-wrapping-up"


class WrapUpLongestError(Refused):
    """The wrap-up has been given all the time there is."""

    code = "wrap-up-longest"


class NotRecordingError(Conflict):
    """Nothing of this call is being recorded (any more)."""

    code = "not-recording"


class CallNotOverError(Refused):
    """The call still goes on."""

    code = "call-not-over"
