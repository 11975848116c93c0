"""The public network as it is made up, here and for the SIP far end of the tests (`tests.phones.public`).

What a number does stands in its last digit, so that a list of leads can be written with its ending known:

    0 to 3  a person: picks up after a second, says hello, listens, talks, and hangs up after a while
    4       a person who hangs up at once
    5       busy
    6       rings and rings
    7       an answering machine: a long greeting, then a beep's worth of silence
    8       nobody has this number
    9       refuses every call
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from telephony.switch.port import Cause


class Habit(StrEnum):
    """What happens when a number is called."""

    PERSON = "person"
    HANGS_UP = "hangs-up"
    BUSY = "busy"
    RINGS_OUT = "rings-out"
    MACHINE = "machine"
    UNALLOCATED = "unallocated"
    REJECTS = "rejects"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the made-up network is, in milliseconds; talking counts from the answer."""

    rings_ms: int = 1_000
    talks_ms: int = 15_000
    hangs_up_ms: int = 200
    machine_ms: int = 20_000


PACE: Final = Pace()
REFUSALS: Final = {
    Habit.BUSY: Cause.BUSY,
    Habit.UNALLOCATED: Cause.UNALLOCATED,
    Habit.REJECTS: Cause.REJECTED,
}
_BY_DIGIT: Final = {
    "4": Habit.HANGS_UP,
    "5": Habit.BUSY,
    "6": Habit.RINGS_OUT,
    "7": Habit.MACHINE,
    "8": Habit.UNALLOCATED,
    "9": Habit.REJECTS,
}


def habit_of(number: str) -> Habit:
    """Return what a called number does, by its last digit."""
    return _BY_DIGIT.get(number[-1:], Habit.PERSON)


def lasts_ms(habit: Habit, pace: Pace = PACE) -> int | None:
    """Return after how long the far end hangs up a call it has answered; None: it answers none."""
    return {
        Habit.PERSON: pace.talks_ms,
        Habit.HANGS_UP: pace.hangs_up_ms,
        Habit.MACHINE: pace.machine_ms,
    }.get(habit)
