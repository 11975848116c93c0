"""Properties of the decision: against a slow reading of the same rules, and whatever happens on the floor."""

import random
from dataclasses import replace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from core.ids import QueueId, TenantId
from telephony.routing.board import Board, Decision, Snapshot, decide
from telephony.routing.strategy import (
    Caller,
    Candidate,
    Duty,
    Kept,
    Model,
    Policy,
    Skill,
    Tier,
    fit,
    is_open,
    rank,
    reach,
)

NOW = 10_000_000
TENANTS = [TenantId(UUID(int=number)) for number in (1, 2)]
QUEUES = {tenant: [QueueId(UUID(int=10 * tenant.int + number)) for number in range(3)] for tenant in TENANTS}
ALL_QUEUES = [queue for queues in QUEUES.values() for queue in queues]
REGIONS = ["", "north", "south"]
TIERS = [
    Tier(),
    Tier("vip", target_ms=5_000, weight=9, longest_ms=40_000, widen_ms=(0, 0, 0)),
    Tier("slow", target_ms=60_000, head_start_ms=2_000, weight=0, longest_ms=90_000),
]


@st.composite
def callers(draw: st.DrawFn, name: int) -> Caller:
    tenant = draw(st.sampled_from(TENANTS))
    return Caller(
        UUID(int=1_000 + name),
        tenant,
        draw(st.sampled_from(QUEUES[tenant])),
        NOW - draw(st.integers(0, 100)) * 1_000,
        draw(st.booleans()),
        draw(st.sampled_from(REGIONS)),
        draw(st.sampled_from(TIERS)),
        draw(st.one_of(st.none(), st.builds(lambda number: UUID(int=2_000 + number), st.integers(0, 7)))),
        is_called_back=draw(st.booleans()),
    )


@st.composite
def agents(draw: st.DrawFn, name: int) -> Candidate:
    skill = st.builds(Skill, st.integers(1, 3), st.sampled_from(REGIONS), st.sampled_from(Duty))
    return Candidate(
        UUID(int=2_000 + name),
        draw(st.dictionaries(st.sampled_from(ALL_QUEUES), skill, max_size=4)),
        NOW - draw(st.integers(0, 50)) * 1_000,
        draw(st.sampled_from([None, None, *TENANTS])),
        is_at_telephone=draw(st.booleans()),
    )


@st.composite
def policies(draw: st.DrawFn, tenant: TenantId) -> Policy:
    queues = st.sampled_from(QUEUES[tenant])
    return Policy(
        draw(st.sampled_from(Model)),
        helpers=draw(st.dictionaries(queues, st.tuples(queues), max_size=2)),
        central=draw(st.frozensets(queues, max_size=1)),
        sticky_ms=draw(st.sampled_from([0, 15_000])),
        opens_ms=draw(st.sampled_from([0, 10_000, 60_000])),
        kept=draw(
            st.dictionaries(
                st.builds(lambda number: UUID(int=2_000 + number), st.integers(0, 7)),
                st.builds(
                    Kept, st.one_of(st.none(), queues), st.frozensets(st.sampled_from(["vip", "slow"]))
                ),
                max_size=3,
            )
        ),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    there = [draw(agents(number)) for number in range(draw(st.integers(0, 8)))]
    busy = draw(st.integers(0, len(there)))
    return Snapshot(
        NOW,
        tuple(draw(callers(number)) for number in range(draw(st.integers(0, 14)))),
        tuple(there[busy:]),
        tuple(there[:busy]),
        tuple((tenant, draw(policies(tenant))) for tenant in TENANTS),
    )


def slowly(given_to: Snapshot) -> dict[UUID, UUID]:
    """Return agent by call, read straight from the rules: no lines, no index."""
    rules, now = dict(given_to.policies), given_to.now_ms
    free, waiting = list(given_to.free), list(given_to.callers)
    pairs: dict[UUID, UUID] = {}

    def best(one: Caller) -> Candidate | None:
        policy = rules[one.tenant]
        circle, opened = reach(one, policy, now_ms=now), is_open(one, policy, now_ms=now)
        able = [(fit(one, who, circle, policy, are_open=opened), who) for who in free]
        able = [(found, who) for found, who in able if found is not None]
        last = next((who for who in (*given_to.free, *given_to.busy) if who.agent == one.last_agent), None)
        if policy.sticky_ms and last and fit(one, last, circle, policy, are_open=opened):
            if last in free:
                return last
            if now - one.since_ms < policy.sticky_ms:
                return None
        return min(
            able, key=lambda pair: (pair[0], pair[1].idle_since_ms, pair[1].agent), default=(None, None)
        )[1]

    while True:
        firsts = {}
        for tenant in TENANTS:
            servable = [one for one in waiting if one.tenant == tenant and best(one)]
            if servable:
                firsts[tenant] = min(servable, key=lambda one: rank(one, rules[one.tenant], now_ms=now))
        if not firsts:
            return pairs
        one = min(firsts.values(), key=lambda one: (one.since_ms, one.tenant))
        who = best(one)
        assert who is not None
        pairs[one.call] = who.agent
        free.remove(who)
        waiting.remove(one)


@settings(max_examples=120, deadline=None)
@given(snapshots())
def test_the_board_decides_what_the_rules_say_read_slowly(snapshot: Snapshot) -> None:
    made = decide(snapshot)
    assert {one.call: one.agent for one in made} == slowly(snapshot)


@settings(max_examples=50, deadline=None)
@given(snapshots(), st.randoms(use_true_random=False))
def test_a_decision_is_the_same_in_whatever_order_things_were_put_there(
    snapshot: Snapshot, chance: random.Random
) -> None:
    other = Snapshot(
        snapshot.now_ms,
        tuple(chance.sample(snapshot.callers, len(snapshot.callers))),
        tuple(chance.sample(snapshot.free, len(snapshot.free))),
        tuple(chance.sample(snapshot.busy, len(snapshot.busy))),
        snapshot.policies,
    )
    assert decide(other) == decide(snapshot)


@settings(max_examples=50, deadline=None)
@given(snapshots())
def test_nobody_is_in_two_places_and_who_is_reserved_may_serve(snapshot: Snapshot) -> None:
    made, rules = decide(snapshot), dict(snapshot.policies)
    assert len({one.call for one in made}) == len({one.agent for one in made}) == len(made)
    waiting, free = {one.call: one for one in snapshot.callers}, {one.agent: one for one in snapshot.free}
    for one in made:
        caller, agent = waiting[one.call], free[one.agent]
        circle = reach(caller, rules[caller.tenant], now_ms=NOW)
        policy = rules[caller.tenant]
        opened = is_open(caller, policy, now_ms=NOW)
        assert fit(caller, agent, circle, policy, are_open=opened) is not None
        assert one.why.circle <= one.why.may_go == circle
        assert agent.only_for in {None, caller.tenant}
        kept = policy.kept.get(agent.agent)
        is_theirs = kept is None or kept.takes(caller.queue, caller.tier.code)
        assert is_theirs or NOW - caller.since_ms >= policy.opens_ms > 0
        assert one.why.is_opened is not is_theirs


@settings(max_examples=50, deadline=None)
@given(snapshots())
def test_what_was_kept_of_a_floor_gives_its_decisions_again(snapshot: Snapshot) -> None:
    board = Board()
    for tenant, policy in snapshot.policies:
        board.set_policy(tenant, policy)
    for agent in (*snapshot.free, *snapshot.busy):
        board.busy(agent)
    for agent in snapshot.free:
        board.free(agent)
    for caller in snapshot.callers:
        board.wait(caller)
        board.wait(caller)
    assert decide(board.snapshot(now_ms=NOW)) == board.match(now_ms=NOW) == decide(snapshot)


@settings(max_examples=50, deadline=None)
@given(snapshots())
def test_who_has_waited_longest_their_tier_may_is_passed_only_by_who_was_due_before(
    snapshot: Snapshot,
) -> None:
    """The bound on starvation: once overdue, a caller has a place that nobody who comes later can take."""
    made, rules = {one.call: one.agent for one in decide(snapshot)}, dict(snapshot.policies)
    free = {one.agent: one for one in snapshot.free}
    left = [one for one in snapshot.callers if one.call not in made and not one.is_at_head]
    served = [one for one in snapshot.callers if one.call in made and not one.is_at_head]
    for waits in left:
        if NOW - waits.since_ms < waits.tier.longest_ms or waits.last_agent:
            continue
        policy = rules[waits.tenant]
        circle, opened = reach(waits, policy, now_ms=NOW), is_open(waits, policy, now_ms=NOW)
        for other in served:
            if other.tenant != waits.tenant:
                continue
            if not fit(waits, free[made[other.call]], circle, policy, are_open=opened):
                continue
            assert other.since_ms + other.tier.longest_ms <= waits.since_ms + waits.tier.longest_ms


@settings(max_examples=50, deadline=None)
@given(snapshots())
def test_nobody_for_whom_kept_seats_have_opened_waits_beside_a_free_agent_who_can_serve_them(
    snapshot: Snapshot,
) -> None:
    made, rules = decide(snapshot), dict(snapshot.policies)
    taken, served = {one.agent for one in made}, {one.call for one in made}
    for caller in snapshot.callers:
        policy = rules[caller.tenant]
        if caller.call in served or caller.last_agent or not is_open(caller, policy, now_ms=NOW):
            continue
        circle, nobody_kept = reach(caller, policy, now_ms=NOW), replace(policy, kept={})
        left = [one for one in snapshot.free if one.agent not in taken]
        assert not [one for one in left if fit(caller, one, circle, nobody_kept)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(TIERS), min_size=3, max_size=40), st.sampled_from(Model), st.integers(1, 9))
def test_under_a_flood_of_better_callers_everybody_is_served_within_a_bound(
    tiers: list[Tier], model: Model, gap_s: int
) -> None:
    """One agent, who takes a call each second; a caller of any tier each `gap_s`, and VIPs throughout."""
    board, served, tenant = Board(), {}, TENANTS[0]
    board.set_policy(tenant, Policy(model))
    queue, now = QUEUES[tenant][0], NOW
    agent = Candidate(UUID(int=2_000), {queue: Skill()}, NOW)
    board.free(agent)
    crowd = {UUID(int=5_000 + at): (NOW + at * gap_s * 100, tier) for at, tier in enumerate(tiers)}
    flood = {UUID(int=90_000 + at): (NOW + at * 1_000, TIERS[1]) for at in range(200)}
    coming = sorted((since, call, tier) for call, (since, tier) in (crowd | flood).items())
    for second in range(400):
        now = NOW + second * 1_000
        while coming and coming[0][0] <= now:
            since, call, tier = coming.pop(0)
            board.wait(Caller(call, tenant, queue, since, tier=tier))
        for one in board.match(now_ms=now):
            served[one.call] = one.why.waited_ms
            board.leave(one.call)
    assert served.keys() == (crowd | flood).keys()
    for call, (_, tier) in crowd.items():
        # overdue after `longest_ms`, then behind those only who were overdue before: a second each
        assert served[call] <= tier.longest_ms + 1_000 * (len(crowd) + len(flood)) // 2


class _Floor:
    """A floor that carries decisions out, and knows who talks to whom."""

    def __init__(self) -> None:
        self.board, self.talks = Board(), dict[UUID, UUID]()

    def carry_out(self, made: list[Decision], agents_there: dict[UUID, Candidate]) -> None:
        for one in made:
            assert one.agent not in self.talks, "no agent on two calls"
            assert one.call not in self.talks.values(), "no call in two places"
            self.talks[one.agent] = one.call
            self.board.leave(one.call)
            self.board.busy(agents_there[one.agent])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_happens_no_call_is_in_two_places_and_no_agent_on_two_calls(data: st.DataObject) -> None:
    floor = _Floor()
    there = {one.agent: one for one in (data.draw(agents(number)) for number in range(5))}
    for agent in there.values():
        floor.board.free(agent)
    for step in range(data.draw(st.integers(1, 25))):
        match data.draw(st.sampled_from(["comes", "ends", "gone"])):
            case "comes":
                floor.board.wait(data.draw(callers(step)))
            case "ends" if floor.talks:
                who = data.draw(st.sampled_from(sorted(floor.talks)))
                del floor.talks[who]
                floor.board.free(there[who])
            case "gone":
                floor.board.gone(
                    data.draw(st.sampled_from(sorted(there.keys() - floor.talks.keys()) or [UUID(int=1)]))
                )
            case _:
                pass
        floor.carry_out(floor.board.match(now_ms=NOW + step * 1_000), there)
        assert floor.board.match(now_ms=NOW + step * 1_000) == []
