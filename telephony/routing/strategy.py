"""The decision: which waiting call goes to which free agent. Pure, deterministic, replayable.

Longest-idle agent for the longest-waiting caller (reference: performance, section 5): it equalises load
and is O(1) per decision with ordered queues. A caller whose agent did not answer goes to the head.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.ids import QueueId


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call in a queue. `rank` orders callers: those sent back to the head first, then by time."""

    call: UUID
    queue: QueueId
    is_at_head: bool
    since_ms: int

    @property
    def rank(self) -> tuple[bool, int, UUID]:
        """Return what callers are ordered by; the id makes the order total."""
        return (not self.is_at_head, self.since_ms, self.call)


@dataclass(frozen=True, slots=True)
class Free:
    """An agent who can take a call now: which queues at which level (1 best), idle since when."""

    agent: UUID
    levels: Mapping[QueueId, int]
    idle_since_ms: int


@dataclass(frozen=True, slots=True)
class Match:
    """One call to one agent."""

    call: UUID
    agent: UUID


def match(waiting: Iterable[Waiting], free: Sequence[Free]) -> list[Match]:
    """Return as many pairs as there are callers somebody can serve, callers in order of rank.

    Among an agent's peers the better level for the queue wins, then the longest idle.
    """
    left = list(free)
    pairs: list[Match] = []
    for caller in sorted(waiting, key=lambda one: one.rank):
        able = [one for one in left if caller.queue in one.levels]
        if not able:
            continue
        chosen = min(able, key=lambda one: (one.levels[caller.queue], one.idle_since_ms, one.agent))
        left.remove(chosen)
        pairs.append(Match(caller.call, chosen.agent))
        if not left:
            break
    return pairs
