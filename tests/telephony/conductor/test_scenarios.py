"""Scenarios: a table of what happens in, CDR, usage and announcements out."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core import clock
from core.ids import OPERATOR, CallId, OfferId, new_id
from seats import desk
from security.gate import Scope
from telephony import number_rentals, numbers, work
from telephony.conductor.live import Held
from telephony.work import WorkItem
from tenants import agreements, companies
from tests.telephony.conductor.theatre import Theatre

pytestmark = pytest.mark.slow

Run = Callable[[Callable[[Theatre], Coroutine[Any, Any, None]]], None]


def perform(stage: Theatre, script: str) -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        await stage.down()

    asyncio.run(whole())


# Saying "1001" takes the simulator 2.4 s: a call answered at second 2.6 is bridged at second 5.
SCENARIOS = {
    "answered, and the caller hangs up": (
        """
        0   caller calls
        2.6 bob answers
        65  caller hangs up
        """,
        [
            "cdr wait=5s talk=60s caller-hung-up agent=1001",
            "usage voice.inbound 60s rated 60 s = 50000000 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        ["away:signed-in", "available", "reserved", "ringing", "talking", "wrap_up"],
    ),
    "answered, and the agent hangs up": (
        """
        0   caller calls
        2.6 bob answers
        35  bob hangs up
        36  bob wraps up
        """,
        [
            "cdr wait=5s talk=30s agent-hung-up agent=1001",
            "usage voice.inbound 30s rated 30 s = 25000000 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        ["away:signed-in", "available", "reserved", "ringing", "talking", "wrap_up", "available"],
    ),
    "nobody is free, and the caller leaves the queue": (
        """
        0   bob is break
        1   caller calls
        41  caller hangs up
        """,
        ["cdr wait=40s talk=0s caller-left-queue agent=nobody"],
        ["CallEnded"],
        ["away:signed-in", "available", "away:break"],
    ),
    "the agent lets it ring; the caller waits at the head": (
        """
        0   caller calls
        20  caller hangs up
        """,
        ["cdr wait=20s talk=0s caller-left-queue agent=nobody"],
        ["CallEnded"],
        ["away:signed-in", "available", "reserved", "ringing", "away:missed"],
    ),
    "the agent goes home out of the wrap-up, and is not rung for the caller who waits": (
        """
        0   caller calls
        2.6 bob answers
        15  caller hangs up
        16  caller calls
        20  bob signs out
        30  caller hangs up
        """,
        [
            "cdr wait=5s talk=10s caller-hung-up agent=1001",
            "usage voice.inbound 10s rated 10 s = 8333333 nano",
            "cdr wait=14s talk=0s caller-left-queue agent=nobody",
        ],
        ["CallEnded", "RecordingCaptured", "CallEnded"],
        ["away:signed-in", "available", "reserved", "ringing", "talking", "wrap_up"],
    ),
    "the agent declines, comes back and answers": (
        """
        0   caller calls
        2   bob declines
        4   bob is available
        5.6 bob answers
        18  caller hangs up
        """,
        [
            "cdr wait=8s talk=10s caller-hung-up agent=1001",
            "usage voice.inbound 10s rated 10 s = 8333333 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        [
            "away:signed-in",
            "available",
            "reserved",
            "ringing",
            "away:declined",
            "available",
            "reserved",
            "ringing",
            "talking",
            "wrap_up",
        ],
    ),
    "the browser is closed mid-ring and opened again": (
        """
        0   caller calls
        2   bob closes the browser
        5   bob opens the browser
        6.6 bob answers
        19  caller hangs up
        """,
        [
            "cdr wait=9s talk=10s caller-hung-up agent=1001",
            "usage voice.inbound 10s rated 10 s = 8333333 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        [
            "away:signed-in",
            "available",
            "reserved",
            "ringing",
            "offline",
            "available",
            "reserved",
            "ringing",
            "talking",
            "wrap_up",
        ],
    ),
    "held in between; time on hold is talk time": (
        """
        0   caller calls
        2.6 bob answers
        15  bob holds on
        25  bob holds off
        35  caller hangs up
        """,
        [
            "cdr wait=5s talk=30s caller-hung-up agent=1001",
            "usage voice.inbound 30s rated 30 s = 25000000 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        ["away:signed-in", "available", "reserved", "ringing", "talking", "holding", "talking", "wrap_up"],
    ),
    "the line to the switch drops for a while; the call goes on": (
        """
        0   caller calls
        2.6 bob answers
        10  switch drops the line
        20  switch is back
        35  caller hangs up
        """,
        [
            "cdr wait=5s talk=30s caller-hung-up agent=1001",
            "usage voice.inbound 30s rated 30 s = 25000000 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        ["away:signed-in", "available", "reserved", "ringing", "talking", "wrap_up"],
    ),
    "the caller hangs up while the line is down: billed to the last proven second": (
        """
        0   caller calls
        2.6 bob answers
        12  pulse beats
        15  switch drops the line
        20  caller hangs up
        30  switch is back
        """,
        [
            "cdr wait=5s talk=7s lost-while-switchboard-away agent=1001",
            "usage voice.inbound 7s rated 7 s = 5833333 nano",
        ],
        ["CallEnded", "RecordingCaptured"],
        ["away:signed-in", "available", "reserved", "ringing", "talking", "available"],
    ),
    "the switch dies: billed to the last proven second, the agent free": (
        """
        0   caller calls
        2.6 bob answers
        12  pulse beats
        18  switch dies
        25  pulse beats
        """,
        ["cdr wait=5s talk=7s switch-lost agent=1001", "usage voice.inbound 7s rated 7 s = 5833333 nano"],
        ["CallEnded", "RecordingCaptured"],
        # free at once, out of reach until the phone has registered with the new switch
        [
            "away:signed-in",
            "available",
            "reserved",
            "ringing",
            "talking",
            "available",
            "offline",
            "available",
        ],
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(theatre: Theatre, name: str) -> None:
    script, books, announced, states = SCENARIOS[name]
    perform(theatre, script)
    assert theatre.books_say() == books
    assert sorted(theatre.announced()) == sorted(announced)
    assert theatre.states("bob") == states


def test_an_unknown_number_is_refused_and_leaves_nothing(theatre: Theatre) -> None:
    perform(theatre, "0 caller calls +442079460199")
    assert theatre.sim.answered_with(theatre.caller) == 404
    assert theatre.books_say() == []


def test_a_caller_of_a_number_nobody_rents_any_more_is_counted_for_who_had_it(theatre: Theatre) -> None:
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        number = numbers.stock(session, digits="+442079460199", region="GB")
        rental = number_rentals.rent(
            session,
            number_id=number.number_id,
            renter_tenant_id=theatre.company.tenant_id,
            wanted=number_rentals.Settings(),
        )
        number_rentals.release(session, rental_id=rental.id)
    perform(theatre, "0 caller calls +442079460199")
    assert theatre.sim.answered_with(theatre.caller) == 404
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        (rests,) = number_rentals.resting(session, renter_tenant_id=theatre.company.tenant_id)
        assert (rests.digits, rests.stray_calls) == ("+442079460199", 1)


def test_a_suspended_company_takes_no_calls_and_is_billed_for_none(theatre: Theatre) -> None:
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        companies.open_company(
            session,
            tenant_id=theatre.company.tenant_id,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )
        companies.suspend(session, tenant_id=theatre.company.tenant_id)
    perform(theatre, "0 caller calls")
    assert theatre.sim.answered_with(theatre.caller) == 403
    assert theatre.books_say() == []


def test_the_caller_hears_the_agents_number_before_the_agent(theatre: Theatre) -> None:
    perform(theatre, "0 caller calls\n2.6 bob answers\n10 caller hangs up")
    steps = theatre.timeline()
    assert steps.index("agent-answered") < steps.index("announcement-ended") < steps.index("bridged")


def test_two_callers_one_agent_the_second_waits_and_is_served_next(theatre: Theatre) -> None:
    perform(
        theatre,
        """
        0   caller calls
        1   caller calls
        2.6 bob answers
        15  bob hangs up
        16  bob wraps up
        17.6 bob answers
        30  caller hangs up
        """,
    )
    assert theatre.books_say() == [
        "cdr wait=5s talk=10s agent-hung-up agent=1001",
        "usage voice.inbound 10s rated 10 s = 8333333 nano",
        "cdr wait=19s talk=10s caller-hung-up agent=1001",
        "usage voice.inbound 10s rated 10 s = 8333333 nano",
    ]


def shut_out(theatre: Theatre) -> None:
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        bob = desk.serving_one(session, agent_id=theatre.people["bob"].agent_id)
    with theatre.gate.open(theatre.scope) as session:
        agreements.revoke(session, tenant_id=theatre.company.tenant_id, user_id=bob.agent.user_id)


def test_who_is_shut_out_finishes_the_call_and_is_offered_no_other(theatre: Theatre) -> None:
    """T74: never a live call dropped, and no new one for that company."""

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers\n5 caller calls")
        await asyncio.to_thread(shut_out, theatre)
        await theatre.play("1 bob serves\n10 bob hangs up\n11 bob wraps up\n15 bob is available")
        assert theatre.conductor.floor.agents[theatre.people["bob"].agent_id].call_id is None
        (waits,) = theatre.conductor.live
        assert waits.offer is None
        await theatre.play("1 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    first, _, second = theatre.books_say()
    assert first == "cdr wait=5s talk=10.01s agent-hung-up agent=1001"
    assert second.startswith("cdr")
    assert second.endswith("agent=nobody")


def test_what_rings_at_who_is_shut_out_goes_back_to_the_queue(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls")
        offers.append(theatre.conductor.live[0].offer is not None)
        await asyncio.to_thread(shut_out, theatre)
        await theatre.play("1 bob serves")
        offers.append(theatre.conductor.live[0].offer is not None)
        await theatre.play("1 caller hangs up")
        await theatre.down()

    offers: list[bool] = []
    asyncio.run(whole())
    assert offers == [True, False]


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_switchboard_started_anew_takes_the_call_over_and_bills_it_once(
    theatre: Theatre,
    killed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers\n12 pulse beats")
        sim = theatre.sim
        await theatre.down(killed=killed)
        await theatre.up(sim=sim)
        await theatre.play("0 pulse beats\n20 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert theatre.books_say() == [
        "cdr wait=5s talk=27.01s caller-hung-up agent=1001",
        "usage voice.inbound 27.01s rated 28 s = 23333333 nano",
    ]
    assert theatre.announced().count("CallEnded") == 1


def test_who_talked_to_a_caller_that_hung_up_while_nobody_conducted_is_free_for_the_next(
    theatre: Theatre,
) -> None:
    """Their leg stood on: the next call found their phone busy, and they were taken for gone."""

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers\n12 pulse beats\n13 caller calls")
        sim, (talks, _) = theatre.sim, theatre.conductor.live
        await theatre.down(killed=True)
        sim.far_end_hangs_up(talks.channel)
        await theatre.up(sim=sim)
        await sim.advance(100)
        (waited,) = theatre.conductor.live
        assert waited.offer is not None
        assert [one.channel for one in await theatre.sim.switch.live_channels()] == [
            waited.channel,
            waited.offer.channel,
        ]
        await theatre.play("3 bob answers\n10 bob hangs up")
        await theatre.down()

    asyncio.run(whole())
    first, _, second, *_ = theatre.books_say()
    assert first == "cdr wait=5s talk=7s lost-while-switchboard-away agent=1001"
    assert second.endswith("agent-hung-up agent=1001")
    assert theatre.states("bob").count("talking") == 2


def test_a_switchboard_started_anew_in_the_wrap_up_ends_it_when_the_agent_does(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers\n12 caller hangs up")
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        assert held() is not None
        await theatre.play("3 bob wraps up")
        await theatre.down()

    def held() -> WorkItem | None:
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            return work.in_hand(session, agent_id=theatre.people["bob"].agent_id)

    asyncio.run(whole())
    assert held() is None
    assert theatre.states("bob")[-2:] == ["wrap_up", "available"]


def test_an_item_that_no_call_stands_behind_is_not_left_in_an_agents_hands(theatre: Theatre) -> None:
    bob, now = theatre.people["bob"], clock.now()

    def held() -> WorkItem | None:
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            return work.in_hand(session, agent_id=bob.agent_id)

    def left_by_a_crash() -> None:
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            work.offer(
                session,
                offer_id=OfferId(new_id()),
                agent_id=bob.agent_id,
                tenant_id=theatre.company.tenant_id,
                call_id=CallId(new_id()),
                offered_at=now,
                expires_at=now,
            )

    async def whole() -> None:
        await theatre.up()
        sim = theatre.sim
        await theatre.down(killed=True)
        left_by_a_crash()
        await theatre.up(sim=sim)
        assert held() is None
        left_by_a_crash()
        await theatre.play("1 bob signs out")
        await theatre.down()

    asyncio.run(whole())
    assert held() is None


def test_a_call_that_ends_while_it_is_put_through_leaves_no_bridge(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def durable(_held: Held) -> None:
        theatre.sim.far_end_hangs_up(theatre.caller)
        for _ in range(100):
            await asyncio.sleep(0)
        over.append(not theatre.conductor.live)

    over: list[bool] = []
    monkeypatch.setattr(Held, "durable", durable)
    perform(theatre, "0 caller calls\n2.6 bob answers\n9 pulse beats")
    assert over == [True]
    assert [one for one in theatre.sim.transcript.commands() if one.startswith("bridge ")]
    assert not theatre.sim.switch._bridges


@pytest.mark.parametrize("hangs_up", [True, False], ids=["ended", "goes-on"])
def test_bridges_of_calls_that_ended_while_nobody_conducted_are_closed_and_no_others(
    theatre: Theatre,
    hangs_up: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers\n12 pulse beats")
        sim, (talks,) = theatre.sim, theatre.conductor.live
        bridges = sim.switch._bridges
        assert bridges == {talks.bridge}
        await theatre.down(killed=True)
        room, leader = f"room-{theatre.company.tenant_id}-{new_id()}", f"br-lead-{new_id()}"
        bridges |= {"somebody-elses", room, leader, f"ask-{talks.call_id}", f"ask-{new_id()}"}
        if hangs_up:
            sim.far_end_hangs_up(talks.channel)
        await theatre.up(sim=sim)
        await theatre.play("1 pulse beats")
        kept = set() if hangs_up else {talks.bridge, f"ask-{talks.call_id}"}
        assert bridges == {"somebody-elses"} | kept
        await theatre.play("10 caller hangs up\n12 pulse beats")
        assert talks.bridge not in bridges
        await theatre.down()

    asyncio.run(whole())
    assert [line.split()[3] for line in theatre.books_say() if line.startswith("cdr")] == [
        "lost-while-switchboard-away" if hangs_up else "caller-hung-up"
    ]
