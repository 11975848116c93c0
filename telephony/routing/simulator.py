"""What another way of routing would have done to the same calls with the same seats. Pure.

A discrete-event simulation around the very board the switchboard decides with. Every model is given the
same calls, each with its own length and patience drawn beforehand (common random numbers), so what differs
is routing alone. Source: performance reference, section 5; checked against Erlang-A in the tests.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from uuid import UUID

from core.ids import QueueId, TenantId
from telephony.routing.board import Board
from telephony.routing.strategy import (
    COMMON,
    Caller,
    Candidate,
    Circle,
    Model,
    Policy,
    Skill,
    Tier,
    changes,
)

POOLED = "pooled"
"""Not a model to route by: everybody serves everything, the bound no model can pass."""
ARMS: tuple[str, ...] = (*(one.value for one in Model), POOLED)
WITHIN_MS = 20_000
_TENANT = TenantId(UUID(int=1))
_TOLD_EVERY = 500
_HOUR_MS = 3_600_000

Group = tuple[QueueId, str]
"""Who is counted together: a queue and a region."""


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """A call as it came or might have: how long it takes, and after which wait its caller gives up."""

    at_ms: int
    queue: QueueId
    region: str
    work_ms: int
    patience_ms: int
    tier: Tier = COMMON


@dataclass(frozen=True, slots=True)
class Seats:
    """So many agents of one queue; an empty region is every region."""

    queue: QueueId
    region: str
    count: int


@dataclass(slots=True)
class Figures:
    """What became of the calls of a group."""

    offered: int = 0
    answered: int = 0
    within: int = 0
    abandoned: int = 0
    wait_ms: int = 0
    waits_ms: list[int] = field(default_factory=list)
    """Of the calls that were answered, one by one."""

    def add(self, other: "Figures") -> None:
        """Count another group in."""
        self.offered += other.offered
        self.answered += other.answered
        self.within += other.within
        self.abandoned += other.abandoned
        self.wait_ms += other.wait_ms
        self.waits_ms += other.waits_ms

    @property
    def service_level(self) -> float:
        """Share of calls offered that were answered in time, 0 to 1; 1 where there were none."""
        return self.within / self.offered if self.offered else 1.0

    @property
    def abandonment(self) -> float:
        """Share of calls offered whose callers gave up, 0 to 1."""
        return self.abandoned / self.offered if self.offered else 0.0

    @property
    def answer_s(self) -> float:
        """Mean wait of an answered call (ASA)."""
        return self.wait_ms / self.answered / 1000 if self.answered else 0.0

    @property
    def answer_95_s(self) -> float:
        """The wait that 95 of 100 answered calls did not exceed (nearest rank)."""
        return sorted(self.waits_ms)[math.ceil(0.95 * self.answered) - 1] / 1000 if self.answered else 0.0


@dataclass(slots=True)
class Outcome:
    """A simulated day: figures by group; `away` calls were answered by another queue's or region's agents.

    `beside_ms`: for so long agents were free beside callers who waited, one agent for each caller at most.
    """

    groups: dict[Group, Figures] = field(default_factory=dict)
    busy_ms: int = 0
    seat_ms: int = 0
    away: int = 0
    beside_ms: int = 0

    @property
    def whole(self) -> Figures:
        """All groups together."""
        found = Figures()
        for one in self.groups.values():
            found.add(one)
        return found

    @property
    def worst(self) -> Figures:
        """The group with the lowest service level."""
        group = self.worst_group
        return self.groups[group] if group else Figures()

    @property
    def worst_group(self) -> Group | None:
        """Which group that is; None without calls."""
        return min(self.groups, key=lambda one: (self.groups[one].service_level, one), default=None)

    @property
    def utilisation(self) -> float:
        """Share of seat time spent on calls, 0 to 1."""
        return self.busy_ms / self.seat_ms if self.seat_ms else 0.0

    @property
    def idle_beside(self) -> float:
        """Share of seat time spent free beside callers who waited for others: what is wasted, 0 to 1."""
        return self.beside_ms / self.seat_ms if self.seat_ms else 0.0


class _What(IntEnum):
    ENDS = 0
    LOOK = 1
    GIVES_UP = 2


def simulate(
    calls: Sequence[SimulatedCall],
    agents: Sequence[Candidate],
    policy: Policy,
    *,
    foreign: float = 1.0,
    within_ms: int = WITHIN_MS,
    progress: Callable[[float], None] = lambda _share: None,
) -> Outcome:
    """Route calls, in order of their arrival, to agents by a policy.

    Args:
        calls: in order of `at_ms`.
        agents: all free at the beginning.
        policy: the company's.
        foreign: a call answered away from home takes so many times as long.
        within_ms: the answer time of the service level.
        progress: told from 0 to 1, now and then.
    """
    board, outcome = Board(), Outcome()
    board.set_policy(_TENANT, policy)
    there = {one.agent: one for one in agents}
    for agent in agents:
        board.free(agent)
    waiting: dict[int, SimulatedCall] = {}
    events: list[tuple[int, int, int, UUID | None]] = []
    idle, before = len(agents), 0

    def figures(call: SimulatedCall) -> Figures:
        return outcome.groups.setdefault((call.queue, call.region), Figures())

    def route(now: int) -> None:
        nonlocal idle
        for made in board.match(now_ms=now):
            idle -= 1
            number = made.call.int
            call = waiting.pop(number)
            board.leave(made.call)
            board.busy(there[made.agent])
            is_away = made.why.circle is not Circle.HOME and policy.model is not Model.BRAND
            is_away = is_away and not (made.why.circle is Circle.QUEUE and not call.region)
            lasts = round(call.work_ms * foreign) if is_away else call.work_ms
            outcome.away += is_away
            outcome.busy_ms += lasts
            counted = figures(call)
            counted.answered += 1
            counted.wait_ms += made.why.waited_ms
            counted.waits_ms.append(made.why.waited_ms)
            counted.within += made.why.waited_ms <= within_ms
            heapq.heappush(events, (now + lasts, _What.ENDS, number, made.agent))

    for number, now, what, who in _happens(calls, events):
        outcome.beside_ms += min(idle, len(waiting)) * (now - before)
        before = now
        if what is None:
            call = calls[number]
            waiting[number] = call
            figures(call).offered += 1
            caller = Caller(UUID(int=number), _TENANT, call.queue, now, region=call.region, tier=call.tier)
            board.wait(caller)
            route(now)
            if number in waiting:
                heapq.heappush(events, (now + call.patience_ms, _What.GIVES_UP, number, None))
                for at in changes(caller, policy):
                    if at < now + call.patience_ms:
                        heapq.heappush(events, (at, _What.LOOK, number, None))
            if number % _TOLD_EVERY == 0:
                progress(number / len(calls))
        elif who is not None:
            idle += 1
            there[who] = replace(there[who], idle_since_ms=now)
            board.free(there[who])
            route(now)
        elif number in waiting and what is _What.GIVES_UP:
            figures(waiting.pop(number)).abandoned += 1
            board.leave(UUID(int=number))
        elif number in waiting:
            route(now)
    outcome.seat_ms = len(agents) * attended_ms(calls)
    progress(1.0)
    return outcome


def compare(
    calls: Sequence[SimulatedCall],
    seats: Sequence[Seats],
    policy: Policy,
    *,
    foreign: float = 1.0,
    progress: Callable[[str, float], None] = lambda _arm, _share: None,
) -> Mapping[str, Outcome]:
    """Return what each model, and pooling, makes of the same calls with the same seats."""
    found = {}
    for arm in ARMS:
        model = Model.BRAND if arm == POOLED else Model(arm)
        found[arm] = simulate(
            calls,
            staff(seats, is_pooled=arm == POOLED),
            replace(policy, model=model),
            foreign=foreign,
            progress=lambda share, arm=arm: progress(arm, share),  # type: ignore[misc]
        )
    return found


def staff(seats: Sequence[Seats], *, is_pooled: bool = False) -> list[Candidate]:
    """Return an agent for each seat; pooled, each serves every queue."""
    everything = {one.queue: Skill() for one in seats}
    return [
        Candidate(
            UUID(int=10_000_000 + 10_000 * kind + number),
            everything if is_pooled else {one.queue: Skill(region=one.region)},
            -number,
        )
        for kind, one in enumerate(seats)
        for number in range(one.count)
    ]


@dataclass(frozen=True, slots=True)
class Stream:
    """Calls that come at random: their share of all, mean length and mean patience; variation `spread`."""

    queue: QueueId
    region: str
    share: float
    work_s: float
    patience_s: float
    tier: Tier = COMMON
    spread: float = 0.9


def generate(
    streams: Sequence[Stream],
    *,
    seats: int,
    load: float,
    hours: float,
    seed: int,
    unsteady: float = 0.15,
    step_s: int = 900,
) -> list[SimulatedCall]:
    """Return a made-up day for a company that has no history yet, the same for the same seed.

    Arrivals are Poisson around a level that varies by `unsteady` (coefficient of variation) every `step_s`;
    lengths lognormal, patience exponential. `load` is the share of all seat time the work would fill.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, and nobody's secret
    mean_work_s = sum(one.share * one.work_s for one in streams) / sum(one.share for one in streams)
    rate = load * seats / mean_work_s
    sigma = math.sqrt(math.log(1 + unsteady**2))
    found: list[SimulatedCall] = []
    for one in streams:
        mine = rate * one.share / sum(each.share for each in streams)
        deviation = math.sqrt(math.log(1 + one.spread**2))
        for step in range(math.ceil(hours * 3600 / step_s)):
            level = mine * math.exp(chance.gauss(-(sigma**2) / 2, sigma))
            at, until = float(step * step_s), min((step + 1) * step_s, hours * 3600)
            while (at := at + chance.expovariate(level)) < until:
                work_s = one.work_s * math.exp(chance.gauss(-(deviation**2) / 2, deviation))
                patience_s = chance.expovariate(1 / one.patience_s)
                found.append(
                    SimulatedCall(
                        int(at * 1000),
                        one.queue,
                        one.region,
                        max(1, int(work_s * 1000)),
                        int(patience_s * 1000),
                        one.tier,
                    )
                )
    return sorted(found, key=lambda call: (call.at_ms, call.queue, call.region))


def share_out(loads: Mapping[Group, float], seats: int) -> list[Seats]:
    """Share seats out among groups by the square-root rule: load in Erlang, plus as much spare as its root.

    Each group has one seat at least, so there are never fewer seats than groups; largest remainders make the
    sum right. Loads of 64 and 16 Erlang share 92 seats as 72 and 20.
    """
    roots = sum(math.sqrt(load) for load in loads.values())
    spare = (seats - sum(loads.values())) / roots
    beyond = {group: max(0.0, load + spare * math.sqrt(load) - 1) for group, load in loads.items()}
    left = max(0, seats - len(loads))
    scale = left / sum(beyond.values()) if sum(beyond.values()) else 0.0
    counts = {group: math.floor(scale * one) for group, one in beyond.items()}
    by_rest = sorted(beyond, key=lambda group: counts[group] - scale * beyond[group])
    for at in range(left - sum(counts.values())):
        counts[by_rest[at % len(by_rest)]] += 1
    return [Seats(queue, region, 1 + count) for (queue, region), count in counts.items()]


def loads_of(calls: Sequence[SimulatedCall]) -> dict[Group, float]:
    """Return the work of each group's calls in Erlang, over the time in which they came."""
    span = max(1, attended_ms(calls))
    found: dict[Group, float] = {}
    for one in calls:
        group = (one.queue, one.region)
        found[group] = found.get(group, 0.0) + one.work_ms / span
    return found


def attended_ms(calls: Sequence[SimulatedCall]) -> int:
    """Return the time from the first arrival to the last; of a gap, its first hour.

    What is longer is a night or a holiday, and nobody sits there to be counted as idle. Calls at 9:00, 9:30,
    17:00 and 17:10 make 100 minutes.
    """
    gaps = (later.at_ms - one.at_ms for one, later in itertools.pairwise(calls))
    return sum(min(gap, _HOUR_MS) for gap in gaps)


def _happens(
    calls: Sequence[SimulatedCall], events: list[tuple[int, int, int, UUID | None]]
) -> Iterator[tuple[int, int, _What | None, UUID | None]]:
    """Yield arrivals and what follows from them in order of time: who ends before who comes."""
    for number, call in enumerate(calls):
        while events and events[0][0] <= call.at_ms:
            at, what, of, who = heapq.heappop(events)
            yield of, at, _What(what), who
        yield number, call.at_ms, None, None
    while events:
        at, what, of, who = heapq.heappop(events)
        yield of, at, _What(what), who
