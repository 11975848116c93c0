"""The decision for a whole floor: which waiting callers go to which free agents now, and why.

Deterministic: the same callers, agents and policies at the same instant give the same decisions, in whatever
order they were put there, so a decision can be made again from what was kept of it. Nothing is reserved
here: who asks reserves at once.

Callers who differ only in when they came stand in one line; only the head of a line is ever looked at, for
whoever stands behind it goes later and no further. So a decision costs what a handful of lines and the
free agents of a queue cost, however many wait and however many companies there are.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from core.ids import QueueId, TenantId
from telephony.routing.strategy import (
    PLAIN,
    Caller,
    Candidate,
    Circle,
    Duty,
    Fit,
    Policy,
    Rank,
    Tier,
    changes,
    fit,
    is_open,
    rank,
    reach,
)

_ByQueue = dict[QueueId, dict[UUID, Candidate]]
_Line = tuple[QueueId, str, Tier, bool, UUID | None, bool]


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons of a decision, without personal data.

    `able` free agents could have taken the call; who was chosen fits by `circle` and `level` and was idle
    for `idle_ms`; `is_kept`: their seat is kept for such calls; `is_opened`: for others', and had opened.
    """

    waited_ms: int
    circle: Circle
    may_go: Circle
    level: int
    idle_ms: int
    able: int
    tier: str = ""
    is_last_agent: bool = False
    is_overdue: bool = False
    is_kept: bool = False
    is_opened: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One call to one agent."""

    call: UUID
    agent: UUID
    why: Why


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a waiting caller stands.

    `ahead` callers of the queue are before them; `serving` agents on the floor may take the call now, and at
    `widens_ms` more may (None: never by waiting alone). Of these, `opened` have seats that are kept for
    calls of another queue or tier and have opened to this caller; `kept` others could, had theirs.
    """

    ahead: int
    serving: int
    circle: Circle
    widens_ms: int | None
    kept: int = 0
    opened: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision depends on."""

    now_ms: int
    callers: tuple[Caller, ...]
    free: tuple[Candidate, ...]
    busy: tuple[Candidate, ...] = ()
    policies: tuple[tuple[TenantId, Policy], ...] = ()


def decide(snapshot: Snapshot) -> list[Decision]:
    """Return the decisions for a floor as it was kept."""
    board = Board()
    for tenant, policy in snapshot.policies:
        board.set_policy(tenant, policy)
    for agent in snapshot.free:
        board.free(agent)
    for agent in snapshot.busy:
        board.busy(agent)
    for caller in snapshot.callers:
        board.wait(caller)
    return board.match(now_ms=snapshot.now_ms)


class Board:
    """Who waits and who is free, in the order in which it is asked for."""

    def __init__(self) -> None:
        self._policies: dict[TenantId, Policy] = {}
        self._callers: dict[UUID, Caller] = {}
        self._lines: dict[TenantId, dict[_Line, list[Caller]]] = {}
        self._there: dict[UUID, Candidate] = {}
        self._free: dict[UUID, Candidate] = {}
        self._free_in: _ByQueue = {}
        self._there_in: _ByQueue = {}

    def snapshot(self, *, now_ms: int) -> Snapshot:
        """Return what a decision now depends on."""
        return Snapshot(
            now_ms,
            tuple(self._callers.values()),
            tuple(self._free.values()),
            tuple(one for one in self._there.values() if one.agent not in self._free),
            tuple(self._policies.items()),
        )

    def set_policy(self, tenant: TenantId, policy: Policy) -> None:
        """Route this company's calls by this policy from now on."""
        self._policies[tenant] = policy

    def policy(self, tenant: TenantId) -> Policy:
        """Return a company's policy."""
        return self._policies.get(tenant, PLAIN)

    # --- who waits ----------------------------------------------------------------------------------

    def wait(self, caller: Caller) -> None:
        """Let a caller wait, or renew what is known of them."""
        self.leave(caller.call)
        self._callers[caller.call] = caller
        line = self._lines.setdefault(caller.tenant, {}).setdefault(_line(caller), [])
        insort(line, caller, key=_age)

    def leave(self, call: UUID) -> None:
        """Take a caller out; who does not wait is no error."""
        caller = self._callers.pop(call, None)
        if caller is None:
            return
        lines, key = self._lines[caller.tenant], _line(caller)
        line = lines[key]
        del line[bisect_left(line, _age(caller), key=_age)]
        if not line:
            del lines[key]
        if not lines:
            del self._lines[caller.tenant]

    # --- who is there -------------------------------------------------------------------------------

    def free(self, agent: Candidate) -> None:
        """Say that an agent can take a call."""
        self.busy(agent)
        self._free[agent.agent] = agent
        _put(self._free_in, agent)

    def busy(self, agent: Candidate) -> None:
        """Say that an agent is there and can take no call."""
        before = self._there.get(agent.agent)
        if before is not None and (before.skills, before.only_for) == (agent.skills, agent.only_for):
            self._not_free(before)
            self._there[agent.agent] = agent
            return
        self.gone(agent.agent)
        self._there[agent.agent] = agent
        _put(self._there_in, agent)

    def gone(self, agent: UUID) -> None:
        """Say that an agent is not there; who was not is no error."""
        before = self._there.pop(agent, None)
        if before is None:
            return
        self._not_free(before)
        _take(self._there_in, before)

    def _not_free(self, before: Candidate) -> None:
        if self._free.pop(before.agent, None) is not None:
            _take(self._free_in, before)

    def pick(self, queue: QueueId, *, tenant: TenantId) -> UUID | None:
        """Return the free agent for a call out of this queue: best level, then longest idle; None: nobody."""
        able = [
            (skill.level, one.idle_since_ms, one.agent)
            for one in self._free_in.get(queue, {}).values()
            if (skill := one.skills[queue]).duty is not Duty.IN and one.only_for in {None, tenant}
            if (kept := self.policy(tenant).kept.get(one.agent)) is None or kept.takes(queue, "")
        ]
        return min(able)[2] if able else None

    # --- the decision -------------------------------------------------------------------------------

    def match(self, *, now_ms: int) -> list[Decision]:
        """Return as many pairs as there are callers whom somebody free can serve.

        Within a company its own rules say who goes first. Between companies that share agents it is the
        longer wait of the two, so that no company's settings put its callers before another's.
        """
        if not self._free or not self._callers:
            return []
        taken: set[UUID] = set()
        decisions: list[Decision] = []
        heads = {tenant: self._heads(tenant, now_ms) for tenant in self._lines}
        firsts: dict[TenantId, Decision] = {}
        turns: list[tuple[int, TenantId, UUID]] = []

        def find_first(tenant: TenantId) -> None:
            """Find the company's next caller whom somebody can serve: only they may stand for its turn."""
            waiting, policy = heads[tenant], self.policy(tenant)
            firsts.pop(tenant, None)
            while waiting:
                caller = _next(waiting)
                if (made := self._choose(caller, policy, now_ms, taken)) is not None:
                    firsts[tenant] = made
                    heapq.heappush(turns, (caller.since_ms, tenant, caller.call))
                    return
                heapq.heappop(waiting)

        for tenant in heads:
            find_first(tenant)
        while turns and len(taken) < len(self._free):
            _, tenant, call = heapq.heappop(turns)
            made = firsts.get(tenant)
            if made is None or made.call != call:
                continue  # another has stood for its company since
            taken.add(made.agent)
            decisions.append(made)
            waiting = heads[tenant]
            _, line, place = heapq.heappop(waiting)
            if place + 1 < len(line):
                behind = rank(line[place + 1], self.policy(tenant), now_ms=now_ms)
                heapq.heappush(waiting, (behind, line, place + 1))
            for other in [one for one, first in firsts.items() if first.agent == made.agent]:
                find_first(other)
        return decisions

    def standing(self, call: UUID, *, now_ms: int) -> Standing | None:
        """Return where a waiting caller stands; None when they do not wait."""
        caller = self._callers.get(call)
        if caller is None:
            return None
        policy = self.policy(caller.tenant)
        mine, circle = rank(caller, policy, now_ms=now_ms), reach(caller, policy, now_ms=now_ms)
        ranked = partial(rank, policy=policy, now_ms=now_ms)
        there = list(self._among(self._there_in, caller, policy, circle))
        are_open = is_open(caller, policy, now_ms=now_ms)
        fits = [fit(caller, one, circle, policy, are_open=are_open) for one in there]
        serving = sum(found is not None for found in fits)
        were_none_kept = replace(policy, kept={})
        return Standing(
            sum(
                bisect_left(line, mine, key=ranked)
                for line in self._lines[caller.tenant].values()
                if line[0].queue == caller.queue
            ),
            serving,
            circle,
            next((at for at in changes(caller, policy) if at > now_ms), None),
            sum(fit(caller, one, circle, were_none_kept) is not None for one in there) - serving,
            sum(found is not None and found[0] for found in fits),
        )

    def _heads(self, tenant: TenantId, now_ms: int) -> list[tuple[Rank, list[Caller], int]]:
        """Return the heads of the company's lines that anybody free might serve, as a heap."""
        policy, free = self.policy(tenant), self._free_in
        found = [
            (rank(line[0], policy, now_ms=now_ms), line, 0)
            for line in self._lines[tenant].values()
            if any(queue in free for queue in _queues(line[0], policy))
        ]
        heapq.heapify(found)
        return found

    def _choose(self, caller: Caller, policy: Policy, now_ms: int, taken: set[UUID]) -> Decision | None:
        circle, waited = reach(caller, policy, now_ms=now_ms), now_ms - caller.since_ms
        last = caller.last_agent if policy.sticky_ms else None
        are_open = is_open(caller, policy, now_ms=now_ms)
        best: tuple[bool, Fit, int, UUID] | None = None
        able = 0
        for one in self._among(self._free_in, caller, policy, circle):
            if one.agent in taken:
                continue
            if (found := fit(caller, one, circle, policy, are_open=are_open)) is None:
                continue
            able += 1
            mine = (one.agent != last, found, one.idle_since_ms, one.agent)
            if best is None or mine < best:
                best = mine
        if best is None:
            return None
        is_other, (is_opened, nearest, is_blended, _, level), idle_since, agent = best
        if is_other and last and waited < policy.sticky_ms and self._may_come(caller, last, circle, policy):
            return None
        return Decision(
            caller.call,
            agent,
            Why(
                waited_ms=waited,
                circle=nearest,
                may_go=circle,
                level=level,
                idle_ms=now_ms - idle_since,
                able=able,
                tier=caller.tier.code,
                is_last_agent=not is_other,
                is_overdue=waited >= caller.tier.longest_ms,
                is_kept=not is_blended and not is_opened,
                is_opened=is_opened,
            ),
        )

    def _may_come(self, caller: Caller, agent: UUID, circle: Circle, policy: Policy) -> bool:
        there = self._there.get(agent)
        return there is not None and fit(caller, there, circle, policy) is not None

    @staticmethod
    def _among(kept: _ByQueue, caller: Caller, policy: Policy, circle: Circle) -> Iterator[Candidate]:
        """Yield the agents of the queues a caller may go to, each once."""
        own: Mapping[UUID, Candidate] = kept.get(caller.queue, {})
        yield from own.values()
        if circle < Circle.NEXT_HOME:
            return
        seen = set(own)
        for queue in policy.helpers.get(caller.queue, ()):
            for one in kept.get(queue, {}).values():
                if one.agent not in seen:
                    seen.add(one.agent)
                    yield one


def _put(kept: _ByQueue, agent: Candidate) -> None:
    for queue in agent.skills:
        kept.setdefault(queue, {})[agent.agent] = agent


def _take(kept: _ByQueue, agent: Candidate) -> None:
    for queue in agent.skills:
        there = kept[queue]
        del there[agent.agent]
        if not there:
            del kept[queue]


def _queues(caller: Caller, policy: Policy) -> Iterable[QueueId]:
    return (caller.queue, *policy.helpers.get(caller.queue, ()))


def _line(caller: Caller) -> _Line:
    return (
        caller.queue,
        caller.region,
        caller.tier,
        caller.is_at_head,
        caller.last_agent,
        caller.is_called_back,
    )


def _age(caller: Caller) -> tuple[int, UUID]:
    return (caller.since_ms, caller.call)


def _next(waiting: list[tuple[Rank, list[Caller], int]]) -> Caller:
    _, line, place = waiting[0]
    return line[place]
