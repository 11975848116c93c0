"""Scenario tables: who waits, who is free, under which rules; who gets whom, and why."""

from dataclasses import replace
from uuid import UUID

import pytest

from core.ids import QueueId, TenantId
from telephony.routing.board import Board, Decision, Snapshot, decide
from telephony.routing.strategy import (
    Caller,
    Candidate,
    Circle,
    Duty,
    Kept,
    Model,
    Policy,
    Skill,
    Tier,
    changes,
    rank,
    reach,
)

ALPHA, BETA = TenantId(UUID(int=1)), TenantId(UUID(int=2))
GOLD, PLAIN, COMPLAINTS, OTHERS = (QueueId(UUID(int=number)) for number in (11, 12, 13, 14))
NOW = 1_000_000
VIP = Tier("vip", target_ms=5_000, weight=8, longest_ms=60_000)
BASIC = Tier("basic", target_ms=30_000, weight=1, longest_ms=120_000)


def caller(
    name: int,
    waited_s: float,
    queue: QueueId = PLAIN,
    *,
    region: str = "",
    tier: Tier = BASIC,
    at_head: bool = False,
    last_agent: UUID | None = None,
    tenant: TenantId = ALPHA,
) -> Caller:
    since = NOW - int(waited_s * 1000)
    return Caller(UUID(int=name), tenant, queue, since, at_head, region, tier, last_agent)


def agent(
    name: int,
    skills: dict[QueueId, Skill] | None = None,
    *,
    idle_s: float = 10,
    only_for: TenantId | None = None,
) -> Candidate:
    return Candidate(UUID(int=name), skills or {PLAIN: Skill()}, NOW - int(idle_s * 1000), only_for)


def decided(
    callers: list[Caller],
    free: list[Candidate],
    policy: Policy | None = None,
    *,
    busy: tuple[Candidate, ...] = (),
) -> dict[int, int]:
    """Return agent by call."""
    policies = ((ALPHA, policy),) if policy else ()
    snapshot = Snapshot(NOW, tuple(callers), tuple(free), busy, policies)
    return {one.call.int: one.agent.int for one in decide(snapshot)}


NORTH, SOUTH, EVERYWHERE = Skill(region="north"), Skill(region="south"), Skill()
PROGRESSIVE = Policy(Model.PROGRESSIVE, helpers={GOLD: (PLAIN,), PLAIN: (OTHERS,)})

SCENARIOS = {
    "the longest idle agent takes the longest waiting caller": (
        [caller(1, 5), caller(2, 9)],
        [agent(91, idle_s=3), agent(92, idle_s=30)],
        None,
        {2: 92, 1: 91},
    ),
    "a better level comes before a longer idleness": (
        [caller(1, 5)],
        [agent(91, {PLAIN: Skill(level=2)}, idle_s=60), agent(92, idle_s=1)],
        None,
        {1: 92},
    ),
    "whom an agent failed goes first": (
        [caller(1, 50), caller(2, 9, at_head=True)],
        [agent(91)],
        None,
        {2: 91},
    ),
    "who is promised a shorter wait goes before who has waited longer": (
        [caller(1, 20, tier=BASIC), caller(2, 1, tier=VIP)],
        [agent(91)],
        None,
        {2: 91},
    ),
    "who came long before is not overtaken by a better tier": (
        [caller(1, 27, tier=BASIC), caller(2, 1, tier=VIP)],
        [agent(91)],
        None,
        {1: 91},
    ),
    "a head start counts as waiting": (
        [caller(1, 5), caller(2, 1, tier=Tier("soon", target_ms=30_000, head_start_ms=5_000))],
        [agent(91)],
        None,
        {2: 91},
    ),
    "who has waited the longest their tier may goes before everybody's promise": (
        [caller(1, 121, tier=BASIC), caller(2, 59, tier=VIP)],
        [agent(91)],
        None,
        {1: 91},
    ),
    "by value, weight times wait decides": (
        [caller(1, 40, tier=BASIC), caller(2, 6, tier=VIP)],
        [agent(91)],
        Policy(Model.VALUE),
        {2: 91},
    ),
    "by value, a long wait outweighs": (
        [caller(1, 49, tier=BASIC), caller(2, 6, tier=VIP)],
        [agent(91)],
        Policy(Model.VALUE),
        {1: 91},
    ),
    "by brand, a queue's agent serves every region": (
        [caller(1, 1, region="south")],
        [agent(91, {PLAIN: NORTH})],
        Policy(Model.BRAND),
        {1: 91},
    ),
    "by brand, nobody helps out": (
        [caller(1, 100, GOLD)],
        [agent(91, {PLAIN: EVERYWHERE})],
        Policy(Model.BRAND, helpers={GOLD: (PLAIN,)}),
        {},
    ),
    "fixed, another region's agent stays idle": (
        [caller(1, 100, region="south")],
        [agent(91, {PLAIN: NORTH})],
        Policy(Model.FIXED),
        {},
    ),
    "fixed, the longest wait of the tier is the last resort": (
        [caller(1, 120, region="south")],
        [agent(91, {PLAIN: NORTH})],
        Policy(Model.FIXED),
        {1: 91},
    ),
    "fixed, a caller without a region goes to any agent of the queue": (
        [caller(1, 0)],
        [agent(91, {PLAIN: NORTH})],
        Policy(Model.FIXED),
        {1: 91},
    ),
    "progressive, not before the first step": (
        [caller(1, 5.9, region="south")],
        [agent(91, {PLAIN: NORTH})],
        PROGRESSIVE,
        {},
    ),
    "progressive, the whole queue after the first step": (
        [caller(1, 6, region="south")],
        [agent(91, {PLAIN: NORTH})],
        PROGRESSIVE,
        {1: 91},
    ),
    "progressive, own region before the others": (
        [caller(1, 30, region="south")],
        [agent(91, {PLAIN: NORTH}, idle_s=99), agent(92, {PLAIN: SOUTH}, idle_s=1)],
        PROGRESSIVE,
        {1: 92},
    ),
    "progressive, who serves only this region before who serves all": (
        [caller(1, 0, region="south")],
        [agent(91, {PLAIN: EVERYWHERE}, idle_s=99), agent(92, {PLAIN: SOUTH}, idle_s=1)],
        PROGRESSIVE,
        {1: 92},
    ),
    "progressive, who helps out in the region after the second step": (
        [caller(1, 12, GOLD, region="south")],
        [agent(91, {PLAIN: NORTH}), agent(92, {PLAIN: SOUTH})],
        PROGRESSIVE,
        {1: 92},
    ),
    "progressive, who helps out elsewhere not before the third": (
        [caller(1, 17, GOLD, region="south")],
        [agent(91, {PLAIN: NORTH})],
        PROGRESSIVE,
        {},
    ),
    "progressive, everybody who helps out after the third": (
        [caller(1, 18, GOLD, region="south")],
        [agent(91, {PLAIN: NORTH})],
        PROGRESSIVE,
        {1: 91},
    ),
    "a tier may widen at once": (
        [caller(1, 0, GOLD, region="south", tier=Tier("vip", widen_ms=(0, 0, 0)))],
        [agent(91, {PLAIN: NORTH})],
        PROGRESSIVE,
        {1: 91},
    ),
    "complaints go to head office, wherever who complains lives": (
        [caller(1, 0, COMPLAINTS, region="south"), caller(2, 0, PLAIN, region="south")],
        [agent(91, {COMPLAINTS: Skill(region="head-office")}), agent(92, {PLAIN: SOUTH})],
        Policy(Model.FIXED, central=frozenset({COMPLAINTS})),
        {1: 91, 2: 92},
    ),
    "a seat kept for one company takes no other's call": (
        [caller(1, 5)],
        [agent(91, only_for=BETA)],
        None,
        {},
    ),
    "a seat kept for a tier takes no other's call, however long it waits": (
        [caller(1, 500)],
        [agent(91)],
        Policy(kept={UUID(int=91): Kept(tiers=frozenset({"vip"}))}),
        {},
    ),
    "a kept seat opens to who has waited as long as is set": (
        [caller(1, 60)],
        [agent(91)],
        Policy(kept={UUID(int=91): Kept(tiers=frozenset({"vip"}))}, opens_ms=60_000),
        {1: 91},
    ),
    "and not a second before": (
        [caller(1, 59)],
        [agent(91)],
        Policy(kept={UUID(int=91): Kept(tiers=frozenset({"vip"}))}, opens_ms=60_000),
        {},
    ),
    "an opened seat is the last resort, though its agent is better and nearer": (
        [caller(1, 60, GOLD, region="south")],
        [agent(91, {GOLD: SOUTH}, idle_s=99), agent(92, {PLAIN: Skill(9, "north")}, idle_s=1)],
        Policy(
            Model.PROGRESSIVE, helpers={GOLD: (PLAIN,)}, kept={UUID(int=91): Kept(PLAIN)}, opens_ms=60_000
        ),
        {1: 92},
    ),
    "an opened seat takes who it is kept for before who has waited less than they are owed": (
        [caller(1, 60), caller(2, 1, tier=Tier("vip", head_start_ms=90_000))],
        [agent(91)],
        Policy(kept={UUID(int=91): Kept(tiers=frozenset({"vip"}))}, opens_ms=60_000),
        {2: 91},
    ),
    "an opened seat opens in the circles a caller may go to, and no wider": (
        [caller(1, 60, region="south")],
        [agent(91, {PLAIN: NORTH})],
        Policy(Model.FIXED, kept={UUID(int=91): Kept(GOLD)}, opens_ms=60_000),
        {},
    ),
    "an opened seat for calls out still takes none that comes in": (
        [caller(1, 60)],
        [agent(91, {PLAIN: Skill(duty=Duty.OUT)})],
        Policy(kept={UUID(int=91): Kept(GOLD)}, opens_ms=60_000),
        {},
    ),
    "a seat rented for one company opens to no other's caller": (
        [caller(1, 600)],
        [agent(91, only_for=BETA)],
        Policy(kept={UUID(int=91): Kept(GOLD)}, opens_ms=60_000),
        {},
    ),
    "a seat kept for a queue helps no other": (
        [caller(1, 500, GOLD)],
        [agent(91)],
        Policy(Model.PROGRESSIVE, helpers={GOLD: (PLAIN,)}, kept={UUID(int=91): Kept(PLAIN)}),
        {},
    ),
    "who is kept for such calls before a blended agent idle for longer": (
        [caller(1, 5)],
        [agent(91, idle_s=1), agent(92, idle_s=99)],
        Policy(kept={UUID(int=91): Kept(PLAIN)}),
        {1: 91},
    ),
    "a seat for calls out takes none that comes in": (
        [caller(1, 5)],
        [agent(91, {PLAIN: Skill(duty=Duty.OUT)})],
        None,
        {},
    ),
    "the agent of last time, if free, before one idle for longer": (
        [caller(1, 5, last_agent=UUID(int=91))],
        [agent(91, idle_s=1), agent(92, idle_s=99)],
        Policy(sticky_ms=20_000),
        {1: 91},
    ),
    "between companies the longer wait, whatever either's rules say": (
        [caller(1, 5, OTHERS, tenant=BETA), caller(2, 4, tier=Tier("first", head_start_ms=900_000))],
        [agent(91, {PLAIN: Skill(), OTHERS: Skill()})],
        None,
        {1: 91},
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    callers, free, policy, expected = SCENARIOS[name]
    assert decided(callers, free, policy) == expected


def test_a_caller_waits_a_while_for_the_agent_of_last_time_who_is_busy() -> None:
    policy, last = Policy(sticky_ms=20_000), agent(91)
    other = agent(92)
    assert decided([caller(1, 19, last_agent=last.agent)], [other], policy, busy=(last,)) == {}
    assert decided([caller(1, 20, last_agent=last.agent)], [other], policy, busy=(last,)) == {1: 92}


def test_a_caller_does_not_wait_for_an_agent_who_has_gone_or_serves_the_queue_no_more() -> None:
    policy, other = Policy(sticky_ms=20_000), agent(92)
    assert decided([caller(1, 0, last_agent=UUID(int=91))], [other], policy) == {1: 92}
    elsewhere = agent(91, {GOLD: Skill()})
    assert decided([caller(1, 0, last_agent=elsewhere.agent)], [other], policy, busy=(elsewhere,)) == {1: 92}


def test_a_decision_says_why() -> None:
    made = decide(
        Snapshot(
            NOW,
            (caller(1, 13, GOLD, region="south", tier=VIP),),
            (agent(91, {PLAIN: SOUTH}, idle_s=4), agent(92, {PLAIN: SOUTH}, idle_s=2)),
            policies=((ALPHA, PROGRESSIVE),),
        )
    )
    (one,) = made
    assert isinstance(one, Decision)
    assert (one.agent.int, one.why.waited_ms, one.why.idle_ms, one.why.able) == (91, 13_000, 4_000, 2)
    assert (one.why.circle, one.why.may_go) == (Circle.NEXT_HOME, Circle.NEXT_HOME)
    assert (one.why.tier, one.why.level, one.why.is_overdue, one.why.is_last_agent) == (
        "vip",
        1,
        False,
        False,
    )


def test_who_waits_is_told_where_they_stand_and_when_more_may_serve_them() -> None:
    board = Board()
    board.set_policy(ALPHA, PROGRESSIVE)
    board.busy(agent(91, {PLAIN: NORTH}))
    board.busy(agent(92, {PLAIN: SOUTH}))
    for one in (caller(1, 3, region="south"), caller(2, 2, region="south"), caller(3, 9, GOLD)):
        board.wait(one)
    standing = board.standing(UUID(int=2), now_ms=NOW)
    assert standing is not None
    assert (standing.ahead, standing.serving, standing.circle) == (1, 1, Circle.HOME)
    assert standing.widens_ms == NOW + 4_000
    later = board.standing(UUID(int=2), now_ms=NOW + 4_000)
    assert later is not None
    assert (later.serving, later.circle, later.widens_ms) == (2, Circle.QUEUE, NOW + 10_000)
    assert board.standing(UUID(int=9), now_ms=NOW) is None


def test_a_call_out_goes_to_the_best_then_longest_idle_agent_who_takes_such_calls() -> None:
    board = Board()
    board.free(agent(91, {PLAIN: Skill(duty=Duty.IN)}, idle_s=99))
    board.free(agent(92, {PLAIN: Skill(level=2)}, idle_s=50))
    board.free(agent(93, {PLAIN: Skill(duty=Duty.OUT)}, idle_s=5))
    board.free(agent(94, {PLAIN: Skill()}, idle_s=60, only_for=BETA))
    assert board.pick(PLAIN, tenant=ALPHA) == UUID(int=93)
    assert board.pick(PLAIN, tenant=BETA) == UUID(int=94)
    assert board.pick(GOLD, tenant=ALPHA) is None


def test_a_kept_seat_takes_calls_out_of_its_own_queue_only() -> None:
    board = Board()
    board.free(agent(91, {PLAIN: Skill(), GOLD: Skill()}))
    board.set_policy(ALPHA, Policy(kept={UUID(int=91): Kept(GOLD)}))
    assert board.pick(PLAIN, tenant=ALPHA) is None
    assert board.pick(GOLD, tenant=ALPHA) == UUID(int=91)


def test_a_wait_and_a_choice_say_that_seats_are_kept() -> None:
    board = Board()
    board.set_policy(ALPHA, Policy(kept={UUID(int=91): Kept(tiers=frozenset({"vip"}))}))
    board.free(agent(91))
    board.busy(agent(92))
    board.wait(caller(1, 5))
    found = board.standing(UUID(int=1), now_ms=NOW)
    assert found is not None
    assert (found.serving, found.kept) == (1, 1)
    assert board.match(now_ms=NOW) == []
    board.wait(caller(2, 1, tier=Tier("vip")))
    (made,) = board.match(now_ms=NOW)
    assert (made.call, made.why.is_kept, made.why.is_opened) == (UUID(int=2), True, False)


def test_a_wait_says_when_kept_seats_open_and_that_they_have() -> None:
    board, policy = Board(), Policy(kept={UUID(int=91): Kept(tiers=frozenset({"vip"}))}, opens_ms=60_000)
    board.set_policy(ALPHA, policy)
    board.free(agent(91))
    board.wait(caller(1, 5))
    before = board.standing(UUID(int=1), now_ms=NOW)
    assert before is not None
    assert (before.serving, before.kept, before.opened) == (0, 1, 0)
    assert before.widens_ms == NOW + 55_000
    after = board.standing(UUID(int=1), now_ms=NOW + 55_000)
    assert after is not None
    assert (after.serving, after.kept, after.opened, after.widens_ms) == (1, 0, 1, None)
    (made,) = board.match(now_ms=NOW + 55_000)
    assert (made.why.is_kept, made.why.is_opened, made.why.waited_ms) == (False, True, 60_000)


def test_the_instants_of_a_caller_are_those_at_which_the_circle_widens() -> None:
    one = caller(1, 0, GOLD, region="south", last_agent=UUID(int=91))
    policy = Policy(Model.PROGRESSIVE, sticky_ms=4_000)
    assert [at - NOW for at in changes(one, policy)] == [4_000, 6_000, 12_000, 18_000, 120_000]
    assert [reach(one, policy, now_ms=NOW + at) for at in (0, 6_000, 12_000, 18_000)] == list(Circle)
    assert changes(one, Policy()) == []
    assert rank(one, policy, now_ms=NOW) == rank(one, policy, now_ms=NOW + 60_000)


def test_who_is_called_back_is_not_promised_to_an_agent_at_their_telephone() -> None:
    outside = replace(agent(1, idle_s=99), is_at_telephone=True)
    back = replace(caller(11, 50), is_called_back=True)
    assert decided([back], [outside]) == {}
    assert decided([back, caller(12, 5)], [outside, agent(2)]) == {11: 2, 12: 1}
