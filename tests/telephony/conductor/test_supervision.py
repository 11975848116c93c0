"""Team leaders in others' calls: each act by its grant, heard by whom it should be, nothing of it billed."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core import clock
from core.ids import OPERATOR, TenantId
from core.realtime import Realtime
from seats import roster
from seats.roster import Lead
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, queue_hours, queues
from telephony.conductor.phases import Phase
from telephony.conductor.supervision import Ear
from telephony.opening import Hours, read_spans
from telephony.orders import OrderKind
from telephony.queue_hours import Opening
from tests.factories import agreements
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

TALKS = "0 caller calls\n2.6 bob answers\n10 pulse beats"
ALL = frozenset(Lead)
_DESK = Scope.system(OPERATOR)


@pytest.fixture
def theatre(gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path) -> Theatre:
    """Bob takes the calls, Lea leads; she serves a queue of her own."""
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        with gate.open(stage.scope) as session:
            made = queues.open_queue(session, tenant_id=tenant_a, name="Billing", ring_timeout_s=10)
        stage.queues["billing"] = made.queue_id
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        there = dataclasses.replace(company, queue_id=made.queue_id)
        stage.people["lea"] = hire(gate, vault, there, number=1002, seat="A-2")
        let(stage, ALL)
    return stage


def let(stage: Theatre, leads: frozenset[Lead]) -> None:
    with stage.gate.open(_DESK) as session:
        roster.let_lead(session, client_tenant_id=stage.company.tenant_id, leads={1002: leads})


def perform(stage: Theatre, scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await stage.up()
        await scene()
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def outcomes(stage: Theatre) -> list[str]:
    """What became of the leader's orders."""
    with stage.gate.open(_DESK) as session:
        found = session.connection().exec_driver_sql(
            "SELECT outcome FROM app.switch_orders"
            " WHERE kind IN ('watch', 'take-over', 'move', 'force') ORDER BY id"
        )
        return [str(one) for one in found.scalars()]


def heard(stage: Theatre) -> list[tuple[str, object]]:
    """What the timeline says of leaders."""
    with stage.gate.open(stage.scope) as session:
        tenant_id = stage.company.tenant_id
        (call,) = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        steps = calls.timeline(session, tenant_id=tenant_id, call_id=call.call_id)
    return [(one.kind, one.details.get("ear")) for one in steps if one.kind.startswith("overheard")]


async def rooms(stage: Theatre) -> list[set[str]]:
    """Who stands in which bridge, by name."""
    (call,) = stage.conductor.live
    assert call.offer is not None
    names = {call.channel: "caller", call.offer.channel: "bob"}
    found: dict[str, set[str]] = {}
    for one in await stage.sim.switch.live_channels():
        kind = names.get(one.channel, "lea" if one.channel.startswith("watch-") else "ear")
        found.setdefault(one.bridge or "", set()).add(kind)
    return sorted(found.values(), key=sorted)


def test_a_leader_listens_whispers_and_barges_in(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea listens\n13 lea answers")
        assert await rooms(theatre) == [{"bob", "caller"}, {"ear", "lea"}]
        await theatre.play("1 lea whispers")
        assert await rooms(theatre) == [{"bob", "caller"}, {"ear", "lea"}]
        await theatre.play("1 lea barges")
        assert await rooms(theatre) == [{"bob", "caller", "lea"}]
        await theatre.play("1 lea listens")
        assert await rooms(theatre) == [{"bob", "caller"}, {"ear", "lea"}]
        await theatre.play("1 lea listens no more")
        assert await rooms(theatre) == [{"bob", "caller"}]
        await theatre.play("1 caller hangs up\n2 bob wraps up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["done"] * 5
    assert heard(theatre) == [
        ("overheard", "listen"),
        ("overheard", "whisper"),
        ("overheard", "barge"),
        ("overheard", "listen"),
        ("overheard-no-more", None),
    ]
    # the leader was away meanwhile, and is free again; nothing of it is on the bill
    assert theatre.states("lea")[-3:] == ["available", "away:supervising", "available"]
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("caller-hung-up agent=1001")
    assert len(usages) == 1


@pytest.mark.parametrize("ear", ["listens", "whispers", "barges"])
def test_the_ear_goes_with_the_call(theatre: Theatre, ear: str) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea {ear}\n13 lea answers\n20 caller hangs up")
        assert await theatre.sim.switch.live_channels() == ()
        assert theatre.conductor.floor.agents[theatre.people["lea"].agent_id].is_free

    perform(theatre, scene)
    assert theatre.states("lea")[-1] == "available"


def test_the_ear_goes_when_the_call_is_given_on(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea listens\n13 lea answers\n20 bob transfers to billing")
        # free again at once, so that the call she was in the way of can be hers
        await theatre.play("1 lea answers\n10 caller hangs up")

    perform(theatre, scene)
    assert heard(theatre)[-1][0] == "overheard-no-more"
    (cdr, *_) = theatre.books_say()
    assert cdr.endswith("agent=1002")


def test_a_leader_who_hangs_up_leaves_the_call_alone(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea barges\n13 lea answers")
        (watch,) = [
            one.channel
            for one in await theatre.sim.switch.live_channels()
            if one.channel.startswith("watch-")
        ]
        theatre.sim.far_end_hangs_up(watch)
        await theatre.play("1 pulse beats")
        assert await rooms(theatre) == [{"bob", "caller"}]
        (call,) = theatre.conductor.live
        assert call.phase is Phase.TALKING
        await theatre.play("5 caller hangs up")

    perform(theatre, scene)


def test_nobody_listens_while_card_details_are_given(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea listens\n13 lea answers")
        await theatre.asks_for("bob", OrderKind.PAUSE, on=True)
        await theatre.play("1 pulse beats")
        assert await rooms(theatre) == [{"bob", "caller"}]
        await theatre.play("1 lea barges")
        assert await rooms(theatre) == [{"bob", "caller"}]
        await theatre.asks_for("bob", OrderKind.PAUSE, on=False)
        await theatre.play("1 lea listens\n2 lea answers")
        assert await rooms(theatre) == [{"bob", "caller"}, {"ear", "lea"}]
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["done", "paused", "done"]


def test_a_leader_who_signs_out_of_a_call_is_offered_no_other(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea listens\n13 lea answers\n14 caller calls")
        second = theatre.conductor.live[1]
        billing = theatre.queues["billing"]
        await theatre.leads("lea", OrderKind.MOVE, call_id=second.call_id, queue_id=billing)
        await theatre.play("1 lea signs out\n2 pulse beats")
        assert (second.phase, second.offer) == (Phase.QUEUED, None)
        assert theatre.people["lea"].agent_id not in theatre.conductor.floor.agents
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)


def test_a_leader_changes_their_ear_while_it_is_being_given(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one they asked for last is the one they have: who listens is not heard."""

    async def scene() -> None:
        supervision, switch = theatre.conductor.supervision, theatre.sim.switch
        is_slow_over, overhear = asyncio.Event(), switch.overhear

        async def slowly(channel: str, of: str, *, whispers: bool) -> None:
            if whispers:
                await is_slow_over.wait()
            await overhear(channel, of, whispers=whispers)

        monkeypatch.setattr(switch, "overhear", slowly)
        await theatre.play(f"{TALKS}\n12 lea whispers\n13 pulse beats")
        theatre.sim.agent_answers(theatre.people["lea"].endpoint)
        await asyncio.sleep(0.01)
        leader = theatre.conductor.floor.agents[theatre.people["lea"].agent_id]
        (call,) = theatre.conductor.live
        changing = asyncio.create_task(supervision.watch(leader, call.call_id, Ear.LISTEN))
        await asyncio.sleep(0.01)
        is_slow_over.set()
        assert await changing == "done"
        await theatre.play("1 pulse beats")
        assert await rooms(theatre) == [{"bob", "caller"}, {"ear", "lea"}]
        ears = [one for one in await switch.live_channels() if one.channel.startswith("ear-")]
        assert len(ears) == 1
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)


def test_a_leader_is_free_again_after_the_switchboard_died(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"{TALKS}\n12 lea listens\n13 lea answers")
        await theatre.down(killed=True)
        await theatre.up(sim=theatre.sim)
        await theatre.play("1 pulse beats")
        assert await rooms(theatre) == [{"bob", "caller"}]
        assert theatre.conductor.floor.agents[theatre.people["lea"].agent_id].is_free
        await theatre.play("5 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())


def test_a_leader_takes_a_call_over(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 lea listens\n13 lea answers\n20 lea takes over\n22 lea answers")
        await theatre.play("10 caller hangs up")

    perform(theatre, scene)
    (cdr, *usages) = theatre.books_say()
    assert cdr.endswith("caller-hung-up agent=1002")
    assert len(usages) == 1
    assert theatre.states("bob")[-1] == "wrap_up"
    assert theatre.states("lea")[-1] == "wrap_up"


def test_a_caller_moved_to_another_queue_keeps_their_waiting_time(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play("0 bob is lunch\n1 caller calls\n30 lea moves the caller to billing")
        (call,) = theatre.conductor.live
        assert call.arrival.queue_id == theatre.queues["billing"]
        await theatre.play("1 lea answers\n10 caller hangs up")

    perform(theatre, scene)
    (cdr, *_) = theatre.books_say()
    assert cdr.startswith("cdr wait=3")  # since they came, and not since they were moved
    assert cdr.endswith("agent=1002")


def test_a_caller_is_not_moved_to_a_queue_that_is_closed(theatre: Theatre) -> None:
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        queue_hours.change(
            session,
            tenant_id=theatre.company.tenant_id,
            queue_id=theatre.queues["billing"],
            wanted=Opening(Hours("Europe/London", (read_spans("13:00-17:00"),) * 7)),
        )

    async def scene() -> None:
        await theatre.play("0 bob is lunch\n1 caller calls\n30 lea moves the caller to billing")
        (call,) = theatre.conductor.live
        assert call.arrival.queue_id == theatre.company.queue_id
        await theatre.play("5 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["queue-closed"]


def test_a_leader_makes_an_agent_free_or_away(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play("0 lea makes bob lunch")
        assert theatre.states("bob")[-1] == "away:lunch"
        await theatre.play("5 lea makes bob available")

    perform(theatre, scene)
    assert theatre.states("bob")[-1] == "available"
    assert outcomes(theatre) == ["done", "done"]


async def sends_home(stage: Theatre) -> None:
    await stage.leads(
        "lea",
        OrderKind.FORCE,
        to_agent_id=stage.people["bob"].agent_id,
        status="signed-out",
        reason="shift-over",
        call_id="",
    )


def test_a_leader_signs_an_agent_out_at_once_who_has_no_call(theatre: Theatre) -> None:
    async def scene() -> None:
        await sends_home(theatre)
        assert theatre.people["bob"].agent_id not in theatre.conductor.floor.agents

    perform(theatre, scene)
    assert outcomes(theatre) == ["done"]


def test_who_is_signed_out_in_a_call_has_it_to_the_end_and_gets_no_other(theatre: Theatre) -> None:
    bob = theatre.people["bob"].agent_id

    async def scene() -> None:
        await theatre.play(TALKS)
        await sends_home(theatre)
        (call,) = theatre.conductor.live
        assert call.phase is Phase.TALKING
        assert bob in theatre.conductor.floor.agents
        await theatre.play("1 bob is available\n2 caller hangs up\n3 caller calls\n5 pulse beats")
        assert theatre.states("bob")[-1] == "wrap_up"
        await theatre.play("1 bob wraps up\n3 pulse beats")
        assert bob not in theatre.conductor.floor.agents
        (waits,) = theatre.conductor.live
        assert waits.phase is Phase.QUEUED  # nobody offered it to who goes home
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["after-the-call"]


def test_without_the_grant_nobody_is_signed_out(theatre: Theatre) -> None:
    let(theatre, ALL - {Lead.FORCE})

    async def scene() -> None:
        await sends_home(theatre)
        assert theatre.people["bob"].agent_id in theatre.conductor.floor.agents

    perform(theatre, scene)
    assert outcomes(theatre) == ["not-granted"]


def test_an_agent_who_works_for_others_too_is_not_forced(theatre: Theatre, tenant_b: TenantId) -> None:
    bob = theatre.people["bob"].agent_id

    async def scene() -> None:
        one = theatre.conductor.floor.agents[bob]
        one.clients, one.seat_renter = one.clients | {tenant_b}, None
        await theatre.play("0 lea makes bob lunch")

    perform(theatre, scene)
    assert outcomes(theatre) == ["not-yours-alone"]
    assert theatre.states("bob")[-1] == "available"


# who may put agents into queues or write to them is asked at the console: no act of the switchboard
@pytest.mark.parametrize("act", sorted(set(Lead) - {Lead.ASSIGN, Lead.BROADCAST}))
def test_each_act_needs_its_own_grant(theatre: Theatre, act: Lead) -> None:
    scripts = {
        Lead.LISTEN: "lea listens",
        Lead.WHISPER: "lea whispers",
        Lead.BARGE: "lea barges",
        Lead.TAKE_OVER: "lea takes over",
        Lead.MOVE: "lea moves the caller to billing",
        Lead.FORCE: "lea makes bob lunch",
    }
    let(theatre, ALL - {act})

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 {scripts[act]}")
        assert await rooms(theatre) == [{"bob", "caller"}]
        await theatre.play("5 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["not-granted"]
    assert heard(theatre) == []


def test_a_call_of_another_company_is_not_there(theatre: Theatre, tenant_b: TenantId) -> None:
    async def scene() -> None:
        await theatre.play(TALKS)
        await theatre.leads("lea", OrderKind.WATCH, ear="listen", tenant_id=tenant_b)
        assert await rooms(theatre) == [{"bob", "caller"}]
        await theatre.play("5 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["not-granted"]


def test_a_leader_at_one_company_reaches_no_call_of_another_by_its_id(
    theatre: Theatre, tenant_b: TenantId
) -> None:
    """Who may lead at B names a call of A's as if it were B's."""
    let(theatre, frozenset())
    lea = theatre.people["lea"].agent_id
    with clock.hold(START), theatre.gate.open(_DESK) as session:
        roster.assign(session, agent_id=lea, client_tenant_id=tenant_b, starts_at=START)
        roster.let_lead(session, client_tenant_id=tenant_b, leads={1002: ALL})
    agreements.signed_by_agent(theatre.gate, lea, tenant_b)

    async def scene() -> None:
        await theatre.play(TALKS)
        await theatre.leads("lea", OrderKind.WATCH, ear="listen", tenant_id=tenant_b)
        assert await rooms(theatre) == [{"bob", "caller"}]
        await theatre.play("5 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == ["not-talking"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("0 caller calls\n1 lea listens", "not-talking"),
        (f"{TALKS}\n11 lea is lunch\n12 lea signs out\n13 lea listens", "not-signed-in"),
        (f"{TALKS}\n11 lea closes the browser\n12 lea listens", "not-free"),
        ("0 lea listens no more", "not-in-a-call"),
        (f"{TALKS}\n12 lea moves the caller to billing", "not-waiting"),
    ],
)
def test_what_cannot_be_is_said(theatre: Theatre, script: str, said: str) -> None:
    async def scene() -> None:
        await theatre.play(script)
        for _ in theatre.conductor.live:
            await theatre.play("5 caller hangs up")

    perform(theatre, scene)
    assert outcomes(theatre) == [said]


def test_a_switch_that_loses_its_line_lets_the_leader_go(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(
            f"{TALKS}\n12 lea listens\n13 lea answers\n14 switch drops the line\n15 switch is back"
        )
        assert await rooms(theatre) == [{"bob", "caller"}]
        assert theatre.conductor.floor.agents[theatre.people["lea"].agent_id].is_free
        await theatre.play("5 caller hangs up")

    perform(theatre, scene)
