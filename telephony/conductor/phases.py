"""Where a call stands, why it ended, and why an offer of it came to nothing."""

from enum import StrEnum
from typing import Final

from telephony.events import DialOutcome


class Phase(StrEnum):
    """Where a call stands."""

    DIALLING = "dialling"  # the first five: of a call that goes out
    RINGING = "ringing"
    DETECTING = "detecting"
    SEEKING = "seeking"
    APOLOGISING = "apologising"
    FLOW = "flow"  # what the number's flow has them hear and choose; see `in_flow`
    GREETING = "greeting"
    FORWARDING = "forwarding"  # the gate is asked whether the client's own phone may be called
    TURNED_AWAY = "turned-away"  # a message is played, and the call ends
    QUEUED = "queued"
    OFFERED = "offered"
    ANNOUNCING = "announcing"
    TALKING = "talking"
    REACHING = "reaching"  # given to a number outside, which rings
    OUTSIDE = "outside"  # and which has it
    ROOM = "room"  # in a conference room of its company; see `in_room`
    SURVEY = "survey"  # the agent has hung up, and the caller is asked for a rating
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
    LEFT_ROOM = "left-room"  # who was in a conference room hung up
    SENT_OUT = "sent-out-of-room"  # or their company let them go
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
    NOT_PAID = "not-paid"  # a call in: its company pays beforehand, and nothing was left for it
    STOPPED = "stopped"  # calls out were stopped, and those under way ended


class Lost(StrEnum):
    """Why an offer came to nothing."""

    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    PHONE_GONE = "phone-gone"
    CALLER_LEFT = "caller-left"
    SWITCH_LOST = "switch-lost"
    NOT_REACHED = "not-reached"  # nobody to talk to at the other end of a call out
    NOT_CALLED = (
        "not-called"  # the agent's telephone: the gate refused the call to it, or it could not be made
    )
    NOT_NEEDED = "not-needed"  # who was asked about a call, and the one who has it goes on alone


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
