"""An agent at their own telephone: called through the gate, asked for a key, billed as a leg of the call."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import OPERATOR, TenantId
from core.phone import E164, rating_prefix
from core.realtime import Realtime
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, erasure, telephones
from telephony.calls import Call
from telephony.conductor.phases import Phase
from telephony.orders import OrderKind
from telephony.outbound import gate as outbound
from telephony.outbound import limits, stops
from telephony.outbound.stops import Side
from telephony.telephones import NoTelephoneError, Telephone, TelephoneNumberError
from tests.telephony.conductor.test_flows import lead, run_of
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre, hire, open_company

pytestmark = pytest.mark.slow

_DESK = Scope.system(OPERATOR)
MINE, BUSY, RINGS_OUT, MAILBOX, NOBODYS, REFUSES = (E164(f"+44770090012{digit}") for digit in "056789")


@pytest.fixture
def theatre(gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path) -> Theatre:
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
    return stage


def give(
    stage: Theatre, number: E164 = MINE, *, is_checked: bool = True, is_chosen: bool = True
) -> Telephone:
    """Give bob a telephone at which the company's calls may ring."""
    bob = stage.people["bob"]
    with clock.hold(START), stage.gate.open(_DESK) as session:
        telephones.set_up(
            session,
            agent_id=bob.agent_id,
            agent_number=bob.number,
            number=number,
            clients=[stage.company.tenant_id],
            vault=stage.vault,
        )
        telephones.choose(session, agent_id=bob.agent_id, is_chosen=is_chosen)
        if is_checked:
            telephones.checked(session, agent_id=bob.agent_id, version=1)
    return known(stage)


def known(stage: Theatre) -> Telephone:
    with stage.gate.open(_DESK) as session:
        found = telephones.of_agent(session, agent_id=stage.people["bob"].agent_id, vault=stage.vault)
    assert found is not None
    return found


def perform(stage: Theatre, *lines: str) -> list[str]:
    """Play lines; return what the switchboard still had in hand at their end, by phase."""
    seen: list[str] = []

    async def whole() -> None:
        await stage.up()
        await stage.play("\n".join(lines))
        seen.extend(call.phase.value for call in stage.conductor.live)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())
    return seen


def found(stage: Theatre) -> tuple[Call, list[Call]]:
    """Return the call, and the calls out that are part of it, oldest first."""
    with stage.gate.open(stage.scope) as session:
        every = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
    (call,) = (one for one in every if one.part_of is None)
    return call, [one for one in reversed(every) if one.part_of]


def steps(stage: Theatre) -> list[str]:
    call, _ = found(stage)
    with stage.gate.open(stage.scope) as session:
        told = calls.timeline(session, tenant_id=stage.company.tenant_id, call_id=call.call_id)
    return [f"{one.kind} {one.details['why']}" if "why" in one.details else one.kind for one in told]


def test_who_presses_the_key_has_the_call_and_both_legs_are_billed(theatre: Theatre) -> None:
    give(theatre)
    perform(theatre, "0 caller calls", "3 bob presses 1", "10 caller hangs up", "20 bob wraps up")
    call, (leg,) = found(theatre)
    assert (call.agent_number, call.cause) == (1001, "caller-hung-up")
    assert (leg.part_of, leg.direction, leg.cause) == (call.call_id, "outbound", "caller-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, leg)] == [1, 1]
    # metered from the moment it was picked up, a second after it rang, until the caller had hung up
    assert theatre.usages_of(leg.call_id) == [pytest.approx(9_000, abs=100)]
    assert theatre.dials_say() == ["connected"]
    assert theatre.states("bob")[-6:] == [
        "available",
        "reserved",
        "ringing",
        "talking",
        "wrap_up",
        "available",
    ]
    assert steps(theatre) == [
        "arrived",
        "greeting-ended",
        "offered",
        "telephone-called",
        "agent-ringing",
        "telephone-picked-up",
        "agent-answered",
        "announcement-ended",
        "bridged",
        "caller-gone",
    ]
    assert theatre.sim.switch.dialled == [MINE]


def test_the_company_never_has_the_number_and_the_agent_is_shown_the_one_dialled(theatre: Theatre) -> None:
    give(theatre)
    perform(theatre, "0 caller calls", "3 bob presses 1", "10 caller hangs up")
    _, (leg,) = found(theatre)
    assert (leg.caller, leg.dialled) == ("", DIALLED)
    with theatre.gate.open(theatre.scope) as session:
        (sealed,) = session.execute(text("SELECT to_ct FROM app.outbound_dials")).scalars()
        rated = session.execute(
            text("SELECT called_prefix FROM app.cdrs WHERE call_id = :leg"), {"leg": leg.call_id}
        ).scalar_one()
    assert (sealed, rated) == (None, rating_prefix(MINE))


def test_a_company_that_lists_its_guesses_learns_nothing_of_the_number(theatre: Theatre) -> None:
    give(theatre)
    tenant_id, vault = theatre.company.tenant_id, theatre.vault
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        do_not_call.add(session, tenant_id=tenant_id, vault=vault, phone=MINE, source="list", by=tenant_id)
    perform(theatre, "0 caller calls", "3 bob presses 1", "10 caller hangs up")
    assert theatre.sim.switch.dialled == [MINE]
    mark = vault.mark(tenant_id, outbound.INDEX, MINE)
    with theatre.gate.open(theatre.scope) as session:
        assert erasure.forget_dials(session, customer_id=None, called=mark) == 0
        (kept,) = session.execute(text("SELECT to_index FROM app.dial_decisions")).scalars()
    assert kept not in mark.levels


@pytest.mark.parametrize(("prefix", "is_rung"), [(rating_prefix(MINE), True), (MINE[1:], False)])
def test_no_prefix_a_company_allows_reaches_into_what_is_hidden_of_the_number(
    theatre: Theatre, *, prefix: str, is_rung: bool
) -> None:
    give(theatre)
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        now = limits.rules(session, tenant_id=theatre.company.tenant_id, home="GB")
        limits.change_rules(
            session,
            tenant_id=theatre.company.tenant_id,
            rules=dataclasses.replace(now, countries=frozenset(), prefixes=frozenset({prefix})),
        )
    perform(theatre, "0 caller calls", "3 pulse beats", "10 caller hangs up")
    assert theatre.sim.switch.dialled == ([MINE] if is_rung else [])


def test_a_mailbox_takes_no_call_and_the_caller_keeps_their_place(theatre: Theatre) -> None:
    give(theatre, MAILBOX)
    lines = ("0 caller calls", "31 routing looks again", "32 pulse beats")
    assert perform(theatre, *lines) == [Phase.QUEUED]
    call, (leg,) = found(theatre)
    assert (call.answered_at, leg.cause) == (None, "called-hung-up")
    assert len(theatre.usages_of(leg.call_id)) == 1  # the network put it through
    assert theatre.usages_of(call.call_id) == []
    assert theatre.states("bob")[-1] == "away:missed"


@pytest.mark.parametrize(
    ("number", "after_s", "cause", "state"),
    [
        (BUSY, 3, "busy", "away:missed"),
        (RINGS_OUT, 18, "no-answer", "away:missed"),
        (NOBODYS, 3, "unallocated", "away:missed"),
        (REFUSES, 3, "rejected", "away:declined"),
    ],
)
def test_a_telephone_that_is_not_reached_is_a_missed_offer_and_costs_nothing(
    theatre: Theatre, number: E164, after_s: int, cause: str, state: str
) -> None:
    give(theatre, number)
    assert perform(theatre, "0 caller calls", f"{after_s} pulse beats") == [Phase.QUEUED]
    _, (leg,) = found(theatre)
    assert (leg.cause, theatre.usages_of(leg.call_id)) == (cause, [])
    assert theatre.states("bob")[-1] == state


def test_who_picks_up_and_hangs_up_has_missed_the_call(theatre: Theatre) -> None:
    give(theatre, E164("+447700900124"))  # hangs up at once
    assert perform(theatre, "0 caller calls", "5 pulse beats") == [Phase.QUEUED]
    assert "offer-lost no-answer" in steps(theatre)


def test_another_key_takes_no_call(theatre: Theatre) -> None:
    give(theatre)
    assert perform(theatre, "0 caller calls", "3 bob presses 290", "4 pulse beats") == [Phase.OFFERED]


def test_a_telephone_is_checked_by_the_code_on_the_console_once(theatre: Theatre) -> None:
    telephone = give(theatre, is_checked=False)
    assert (telephone.is_checked, len(telephone.awaited)) == (False, 4)
    perform(
        theatre,
        "0 caller calls",
        f"3 bob presses {telephone.code}",
        "10 caller hangs up",
        "12 bob wraps up",
        "20 caller calls",
        "24 bob presses 1",
        "30 caller hangs up",
    )
    assert known(theatre).is_checked
    with theatre.gate.open(theatre.scope) as session:
        every = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert [one.agent_number for one in every if one.part_of is None] == [1001, 1001]


def test_who_does_not_know_the_code_gets_no_caller(theatre: Theatre) -> None:
    telephone = give(theatre, is_checked=False)
    wrong = "5555" if telephone.code != "5555" else "6666"
    lines = ("0 caller calls", f"3 bob presses 1{wrong * 3}", "5 pulse beats")
    assert perform(theatre, *lines) == [Phase.QUEUED]
    assert not known(theatre).is_checked
    assert theatre.states("bob")[-1] == "away:missed"


def test_another_number_is_to_be_checked_anew(theatre: Theatre) -> None:
    assert give(theatre).is_checked
    assert not give(theatre, RINGS_OUT, is_checked=False).is_checked
    again = give(theatre, RINGS_OUT, is_checked=False)
    assert (again.version, again.is_chosen) == (2, True)


def test_a_code_pressed_at_the_number_before_checks_no_other(theatre: Theatre) -> None:
    before = give(theatre, is_checked=False)
    now = give(theatre, RINGS_OUT, is_checked=False)
    for version, is_proven in ((before.version, False), (now.version, True)):
        with theatre.gate.open(_DESK) as session:
            telephones.checked(session, agent_id=now.agent_id, version=version)
        assert known(theatre).is_checked is is_proven


def test_a_premium_number_rings_for_nobody(theatre: Theatre) -> None:
    with pytest.raises(TelephoneNumberError):
        give(theatre, E164("+449098790000"))


def test_who_has_no_telephone_cannot_choose_it(theatre: Theatre) -> None:
    with pytest.raises(NoTelephoneError), theatre.gate.open(_DESK) as session:
        telephones.choose(session, agent_id=theatre.people["bob"].agent_id, is_chosen=True)


def test_a_call_the_gate_refuses_is_an_offer_lost_and_no_lost_caller(theatre: Theatre) -> None:
    give(theatre)
    tenant_id = theatre.company.tenant_id
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        stops.stop(session, tenant_id=tenant_id, side=Side.OPERATOR, by=tenant_id)
    assert perform(theatre, "0 caller calls", "10 pulse beats") == [Phase.QUEUED]
    assert "offer-lost not-called" in steps(theatre)
    assert found(theatre)[1] == []
    assert theatre.sim.switch.dialled == []
    assert theatre.states("bob")[-1] == "away:missed"


def test_a_number_of_ours_is_no_telephone(theatre: Theatre) -> None:
    give(theatre, E164(DIALLED))
    assert perform(theatre, "0 caller calls", "5 pulse beats") == [Phase.QUEUED]
    assert theatre.sim.switch.dialled == []


def test_who_calls_from_their_own_telephone_is_not_called_there(theatre: Theatre) -> None:
    give(theatre, E164(CALLER))
    assert perform(theatre, "0 caller calls", "5 pulse beats") == [Phase.QUEUED]
    assert theatre.sim.switch.dialled == []


def test_calls_of_other_companies_do_not_ring_there(theatre: Theatre) -> None:
    give(theatre)
    bob = theatre.people["bob"]
    with clock.hold(START), theatre.gate.open(_DESK) as session:
        telephones.set_up(
            session,
            agent_id=bob.agent_id,
            agent_number=bob.number,
            number=MINE,
            clients=[],
            vault=theatre.vault,
        )
    assert perform(theatre, "0 caller calls", "5 pulse beats") == [Phase.QUEUED]
    assert "offered" not in steps(theatre)


def test_a_number_of_one_agent_waits_for_nobody_where_their_telephone_may_not_ring(theatre: Theatre) -> None:
    """The caller is led on by the flow at once, as where the agent is away."""
    give(theatre)
    bob = theatre.people["bob"]
    with clock.hold(START), theatre.gate.open(_DESK) as session:
        telephones.set_up(
            session,
            agent_id=bob.agent_id,
            agent_number=bob.number,
            number=MINE,
            clients=[],
            vault=theatre.vault,
        )
    to_bob = {
        "kind": "person",
        "agent": bob.number,
        "queue": ids.public("que", theatre.company.queue_id),
        "otherwise": "bye",
    }
    lead(theatre, {"start": to_bob, "bye": {"kind": "hang-up"}})
    perform(theatre, "0 caller calls", "5 pulse beats")
    assert run_of(theatre) == ("served", ["start", "otherwise>bye"])
    assert "offered" not in steps(theatre)


def test_a_company_struck_off_since_the_floor_has_looked_is_not_rung_for(theatre: Theatre) -> None:
    give(theatre)

    async def whole() -> None:
        await theatre.up()
        with theatre.gate.open(_DESK) as session:  # and no word of it to the switchboard yet
            telephones.set_up(
                session,
                agent_id=theatre.people["bob"].agent_id,
                agent_number=theatre.people["bob"].number,
                number=MINE,
                clients=[],
                vault=theatre.vault,
            )
        await theatre.play("0 caller calls\n5 pulse beats")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert "offer-lost not-called" in steps(theatre)
    assert theatre.sim.switch.dialled == []


def test_the_browser_is_not_needed_and_hanging_up_there_begins_the_wrap_up(theatre: Theatre) -> None:
    give(theatre)
    seen = perform(
        theatre,
        "0 bob closes the browser",
        "1 caller calls",
        "4 bob presses 1",
        "10 bob hangs up",
        "11 pulse beats",
    )
    call, (leg,) = found(theatre)
    assert (seen, call.cause, leg.cause) == ([], "agent-hung-up", "called-hung-up")
    assert theatre.states("bob")[-1] == "wrap_up"


def test_a_call_is_declined_at_the_console(theatre: Theatre) -> None:
    give(theatre)
    assert perform(theatre, "0 caller calls", "3 bob declines", "5 pulse beats") == [Phase.QUEUED]
    _, (leg,) = found(theatre)
    assert (leg.cause, theatre.states("bob")[-1]) == ("agent-hung-up", "away:declined")


def test_who_hangs_up_while_the_telephone_rings_costs_nothing(theatre: Theatre) -> None:
    give(theatre, RINGS_OUT)
    perform(theatre, "0 caller calls", "5 caller hangs up")
    call, (leg,) = found(theatre)
    assert (call.cause, leg.cause) == ("caller-left-queue", "cancelled")
    assert theatre.usages_of(call.call_id) == theatre.usages_of(leg.call_id) == []
    assert theatre.states("bob")[-1] == "available"


def test_a_line_that_breaks_gives_the_caller_to_another(theatre: Theatre) -> None:
    give(theatre)
    with clock.hold(START):
        theatre.people["eve"] = hire(theatre.gate, theatre.vault, theatre.company, number=1002, seat="A-2")
    seen = perform(
        theatre,
        "0 eve is lunch",
        "1 caller calls",
        "4 bob presses 1",
        "8 eve is available",
        "9 bob breaks off",
        "11 eve answers",
        "15 pulse beats",
    )
    call, (leg,) = found(theatre)
    assert (seen, call.agent_number, leg.cause) == ([Phase.TALKING], 1002, "called-hung-up")


def test_an_agent_chooses_where_calls_ring(theatre: Theatre) -> None:
    give(theatre, is_chosen=False)
    seen = perform(
        theatre,
        "0 bob is at the telephone",
        "1 caller calls",
        "4 bob presses 1",
        "5 bob is in the browser",  # not with a call in hand
        "6 caller hangs up",
        "7 bob wraps up",
        "8 bob is in the browser",
        "9 caller calls",
        "11 bob answers",
        "14 pulse beats",
    )
    assert seen == [Phase.TALKING]
    assert theatre.sim.switch.dialled == [MINE]
    assert not known(theatre).is_chosen


def test_calls_are_transferred_from_a_telephone_and_to_one(theatre: Theatre) -> None:
    give(theatre)
    with clock.hold(START):
        theatre.people["eve"] = hire(theatre.gate, theatre.vault, theatre.company, number=1002, seat="A-2")
    seen = perform(
        theatre,
        "0 eve is lunch",
        "1 caller calls",
        "4 bob presses 1",
        "6 eve is available",
        "7 bob transfers to eve",
        "8 bob wraps up",
        "9 eve answers",
        "12 eve transfers to bob",
        "15 bob presses 1",
        "20 pulse beats",
    )
    call, legs = found(theatre)
    assert (seen, call.agent_number) == ([Phase.TALKING], 1001)
    assert [leg.cause for leg in legs] == ["agent-hung-up", None]


def test_nobody_at_a_telephone_is_asked_about_a_call(theatre: Theatre) -> None:
    give(theatre)
    with clock.hold(START):
        theatre.people["eve"] = hire(theatre.gate, theatre.vault, theatre.company, number=1002, seat="A-2")
    perform(
        theatre,
        "0 bob is lunch",
        "1 caller calls",
        "3 eve answers",
        "6 bob is available",
        "7 eve asks bob",
        "9 pulse beats",
    )
    assert "consulted" not in steps(theatre)


def colleague(stage: Theatre) -> None:
    """Let eve be there, in her browser, and have a break."""
    with clock.hold(START):
        stage.people["eve"] = hire(stage.gate, stage.vault, stage.company, number=1002, seat="A-2")


ASKS = (
    "0 eve is lunch",
    "1 caller calls",
    "4 bob presses 1",
    "6 eve is available",
    "7 bob asks eve",
    "9 eve answers",
)


def in_bridges(stage: Theatre) -> list[set[str]]:
    """Return who hears whom: the caller, bob at his telephone, eve in her browser."""
    (call,) = stage.conductor.live
    names = {call.channel: "caller"}
    for offer in (call.offer, call.asked):
        if offer:
            names[offer.channel] = "bob" if offer.is_at_telephone else "eve"
    found: dict[str, set[str]] = {}
    for one in stage.sim.switch._channels.values():
        if one.bridge:
            found.setdefault(one.bridge, set()).add(names[one.name])
    return sorted(found.values(), key=sorted)


def test_an_agent_at_their_telephone_asks_a_colleague_merges_and_leaves_the_caller_to_them(
    theatre: Theatre,
) -> None:
    give(theatre)
    colleague(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play("\n".join(ASKS))
        assert in_bridges(theatre) == [{"bob", "eve"}, {"caller"}]
        await theatre.play("1 bob swaps")
        assert in_bridges(theatre)[0] == {"bob", "caller"}
        await theatre.play("1 bob swaps\n2 bob merges")
        assert in_bridges(theatre) == [{"bob", "caller", "eve"}]
        await theatre.play("1 bob leaves")
        assert in_bridges(theatre) == [{"caller", "eve"}]
        await theatre.play("20 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    call, (leg,) = found(theatre)
    assert (call.agent_number, call.cause, leg.cause) == (1002, "caller-hung-up", "agent-hung-up")
    # the telephone is paid until its agent left, the call in until its end
    (of_leg,), (of_call,) = theatre.usages_of(leg.call_id), theatre.usages_of(call.call_id)
    assert of_leg + 3_000 < of_call
    assert theatre.states("bob")[-1] == "wrap_up"


def test_whose_colleague_is_let_go_talks_on_at_their_telephone(theatre: Theatre) -> None:
    give(theatre)
    colleague(theatre)
    seen = perform(theatre, *ASKS, "12 bob drops", "15 pulse beats")
    call, (leg,) = found(theatre)
    assert (seen, call.agent_number, leg.cause) == ([Phase.TALKING], 1001, None)
    assert theatre.states("eve")[-1] == "available"


@pytest.mark.parametrize(("how", "became"), [("hangs up", "left"), ("breaks off", "line-lost")])
def test_who_is_gone_from_their_telephone_while_they_ask_leaves_the_caller_to_the_colleague(
    theatre: Theatre, how: str, became: str
) -> None:
    give(theatre)
    colleague(theatre)
    seen = perform(theatre, *ASKS, f"12 bob {how}", "15 pulse beats")
    call, (leg,) = found(theatre)
    assert (seen, call.agent_number) == ([Phase.TALKING], 1002)
    assert leg.cause == "called-hung-up"
    with theatre.gate.open(theatre.scope) as session:
        parts = calls.legs(session, tenant_id=theatre.company.tenant_id, call_id=call.call_id)
    assert [(one.agent_number, one.how and one.how.value) for one in parts] == [(1001, became), (1002, None)]


def test_a_telephone_that_breaks_before_the_colleague_answers_gives_the_caller_to_somebody_else(
    theatre: Theatre,
) -> None:
    give(theatre)
    colleague(theatre)
    seen = perform(theatre, *ASKS[:-1], "8 bob breaks off", "11 eve answers", "15 pulse beats")
    call, (leg,) = found(theatre)
    assert (seen, call.agent_number, leg.cause) == ([Phase.TALKING], 1002, "called-hung-up")


def test_an_agent_at_their_telephone_who_asks_a_number_outside_has_two_lines_out(theatre: Theatre) -> None:
    give(theatre)
    perform(
        theatre,
        "0 caller calls",
        "3 bob presses 1",
        "6 bob asks +447700900150",
        "10 bob merges",
        "12 bob leaves",
        "20 caller hangs up",
    )
    call, (telephone, partner) = found(theatre)
    assert (call.agent_number, call.cause) == (1001, "caller-hung-up")
    assert (telephone.cause, partner.cause) == ("agent-hung-up", "caller-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, telephone, partner)] == [1, 1, 1]


@pytest.mark.slow
def test_a_switchboard_that_dies_while_an_agent_at_a_telephone_asks_finds_all_three(theatre: Theatre) -> None:
    give(theatre)
    colleague(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play("\n".join(ASKS))
        await theatre.down(killed=True)
        await theatre.up(sim=theatre.sim)
        assert in_bridges(theatre) == [{"bob", "eve"}, {"caller"}]
        await theatre.play("1 bob merges\n3 bob leaves\n6 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    call, (leg,) = found(theatre)
    assert (call.agent_number, leg.cause) == (1002, "agent-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, leg)] == [1, 1]


def test_no_call_out_is_given_to_an_agent_at_their_telephone(theatre: Theatre) -> None:
    give(theatre)
    perform(theatre, "0 dialler dials +447700900150", "5 pulse beats")
    assert theatre.dials_say() == ["no-agent"]


def test_stopping_calls_out_ends_their_leg_and_not_the_call(theatre: Theatre) -> None:
    give(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n4 bob presses 1\n8 pulse beats")
        await theatre._order(OrderKind.END_CALLS_OUT, tenant_id=theatre.company.tenant_id)
        await theatre.play("1 pulse beats")
        assert [call.phase for call in theatre.conductor.live] == [Phase.QUEUED]
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())


@pytest.mark.parametrize("pressed_before", [True, False])
def test_a_switchboard_that_dies_takes_the_telephone_over(theatre: Theatre, pressed_before: bool) -> None:  # noqa: FBT001
    give(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(
            "0 caller calls\n" + ("4 bob presses 1\n6 pulse beats" if pressed_before else "4 pulse beats")
        )
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        if not pressed_before:
            await theatre.play("1 bob presses 1\n6 pulse beats")
        assert [call.phase for call in theatre.conductor.live] == [Phase.TALKING]
        await theatre.play("2 caller hangs up\n4 pulse beats")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    call, (leg,) = found(theatre)
    assert (call.agent_number, len(theatre.usages_of(leg.call_id))) == (1001, 1)
    assert theatre.sim.switch.dialled == [MINE]
