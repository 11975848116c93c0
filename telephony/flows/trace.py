"""What a flow leaves of a call: the nodes it came by, and how it ended."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a call left its flow."""

    QUEUED = "queued"  # to a queue, as the flow has it
    SERVED = "served"  # and nobody was needed
    ROOM = "room"  # into a conference room
    OUTSIDE = "outside"  # to a number outside that took the call
    LEFT = "left"  # the caller hung up
    FAILED = "failed"  # to the number's own queue, because the flow could not go on


@dataclass(frozen=True, slots=True)
class Passed:
    """A call came to a node by this way, so long after it entered the flow."""

    node: str
    way: str
    after_ms: int
