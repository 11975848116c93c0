"""What can go wrong with seats, agents and their time."""

from core.errors import Conflict, Invalid, NotFound, Refused


class SeatNotFoundError(NotFound):
    """No such seat in stock."""

    code = "seat-not-found"


class SeatLabelTakenError(Conflict):
    """Another seat carries this label."""

    code = "seat-label-taken"


class SeatAlreadyRentedError(Conflict):
    """Somebody rents the seat for at least a part of the period."""

    code = "seat-already-rented"


class NotEnoughSeatsError(Conflict):
    """Fewer seats are free in the period than were asked for; `free` in the details says how many."""

    code = "not-enough-seats"


class RentalLimitError(Refused):
    """More than the company may rent by itself; `most` and `held` in the details."""

    code = "rental-limit"


class RestoreTooLateError(Refused):
    """A release can be taken back for ten minutes, while nobody else has rented."""

    code = "restore-too-late"


class RentalNotFoundError(NotFound):
    """No such rental."""

    code = "rental-not-found"


class RentalPeriodError(Invalid):
    """A rental must end after it begins, and what is past cannot be rented or given back."""

    code = "rental-period"


class SeatTakenError(Conflict):
    """Another agent sits on the seat."""

    code = "seat-taken"


class AgentNotFoundError(NotFound):
    """No such agent, or the agent has left."""

    code = "agent-not-found"


class AgentNumberTakenError(Conflict):
    """The agent number, or the user, belongs to another agent already."""

    code = "agent-number-taken"


class NotAssignedError(Refused):
    """The agent does not work for this client at this time."""

    code = "agent-not-assigned"


class AgentMovedOnError(Conflict):
    """The agent does not serve the one queue any more, or serves the other one already."""

    code = "agent-moved-on"


class AlreadySignedInError(Conflict):
    """The agent has a shift open that began differently."""

    code = "already-signed-in"


class NotSignedInError(Conflict):
    """The agent has no shift open."""

    code = "not-signed-in"


class CallInHandError(Refused):
    """The agent cannot leave while a caller is reserved for them or on the line."""

    code = "call-in-hand"


class UnknownStateError(Invalid):
    """Not a state an agent can be in."""

    code = "unknown-agent-state"


class IllegalTransitionError(Conflict):
    """An agent cannot get from the present state, and the work item in hand, to the wished one."""

    code = "illegal-transition"


class SubjectError(Invalid):
    """A working state needs its work item, and a waiting one has none."""

    code = "wrong-subject"


class PayerError(Invalid):
    """Nobody pays for time away."""

    code = "wrong-payer"


class BeforeShiftError(Refused):
    """The change is older than the shift; it belongs to time that is closed."""

    code = "before-shift"


class FutureChangeError(Invalid):
    """The change is dated later than our clock allows."""

    code = "change-in-the-future"


class StatusCodeError(Invalid):
    """A status's code is malformed or one that everybody has, or a label is empty or too long."""

    code = "status-code"


class StatusNotFoundError(NotFound):
    """The company has no status of this code."""

    code = "status-not-found"
