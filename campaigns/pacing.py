"""How many calls to start now: progressive pacing.

Pure. One line for one free agent, so that whoever answers has an agent waiting and nobody is abandoned for
want of one (16 CFR 310.4(b)(4) allows 3 % of answered calls; progressive pacing aims at none). An agent is
spent on one campaign only, even where two campaigns feed the same queue.

Worked number: 5 agents free, 3 calls not yet answered, 2 a second allowed -> 2 more calls now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


def lines(*, free: int, in_flight: int, per_second: int, left: int) -> int:
    """Return how many calls to start in this second.

    Args:
        free: agents of the queue with nothing in hand.
        in_flight: calls placed for which no agent is taken out of `free` yet.
        per_second: the campaign's own limit.
        left: leads that are due.
    """
    return max(0, min(free - in_flight, per_second, left))


@dataclass(frozen=True, slots=True)
class Demand:
    """A running campaign and the agents who could speak for it."""

    campaign_id: UUID
    free: frozenset[UUID]


def share(demands: Sequence[Demand], *, turn: int) -> Mapping[UUID, set[UUID]]:
    """Give each free agent to one campaign, evenly, the first pick going round from turn to turn.

    Campaigns with fewer agents to choose from are served first within a round, so that an agent with two
    skills is not taken from who has no other.
    """
    given: dict[UUID, set[UUID]] = {one.campaign_id: set() for one in demands}
    if not demands:
        return given
    start = turn % len(demands)
    order = sorted([*demands[start:], *demands[:start]], key=lambda one: len(one.free))
    taken: set[UUID] = set()
    waiting = True
    while waiting:
        waiting = False
        for one in order:
            agent = min(one.free - taken, default=None)
            if agent is not None:
                taken.add(agent)
                given[one.campaign_id].add(agent)
                waiting = True
    return given
