"""Calls in of who pays beforehand: paid for before anybody talks, longer after a top-up, settled once."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from billing import wallets
from core import clock, ids
from core.ids import TenantId
from core.realtime import Realtime
from security.gate import Gate
from security.vault import Vault
from telephony import figures
from telephony.conductor import paying
from telephony.conductor.directory import not_taken
from telephony.outbound import limits
from telephony.outbound.limits import Caps
from tests.telephony.conductor.test_flows import lead
from tests.telephony.conductor.test_kills import STEPS, check, found, one_call, stage
from tests.telephony.conductor.test_longest_call import beats, perform, steps
from tests.telephony.conductor.test_opening import AFTERNOONS, speaks_for
from tests.telephony.conductor.test_opening import keep as keep_hours
from tests.telephony.conductor.test_prepaid_call import PENNY, put, wallet
from tests.telephony.conductor.theatre import START, Theatre

pytestmark = pytest.mark.slow

# a minute costs 0.05 and 20 %: 6 pence; a minute more than the talk is kept
FIVE_MINUTES = 36


@pytest.fixture
def theatre(theatre: Theatre) -> Theatre:
    with theatre.gate.open(theatre.scope) as session:
        wallets.open_wallet(session, tenant_id=theatre.company.tenant_id)
    return theatre


@pytest.fixture
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database answers too late for the caller to be held up for it."""
    monkeypatch.setattr(paying, "WITHIN_S", 0)


def alarms(stage: Theatre) -> list[tuple[str, int]]:
    with stage.gate.open(stage.scope) as session:
        return [tuple(row) for row in session.execute(text("SELECT kind, times FROM app.alarms")).all()]


def rang(stage: Theatre) -> bool:
    return "offered" in steps(stage)


def test_a_call_in_ends_when_what_it_has_paid_for_is_over_and_not_before(theatre: Theatre) -> None:
    put(theatre, FIVE_MINUTES + 4)
    perform(theatre, f"0 caller calls\n5 bob answers\n{beats(330)}")
    said = theatre.books_say()
    assert said[0].endswith("not-paid agent=1001")
    assert said[1].startswith("usage voice.inbound 30")  # five minutes, within the ten seconds of a heartbeat
    assert [one for one in steps(theatre) if one in {"ends-soon", "cut"}] == ["ends-soon", "cut"]
    assert theatre.states("bob")[-1] == "wrap_up"
    left = wallet(theatre)
    assert left.reserved_nano == 0
    net = int(said[1].split(" = ")[1].split()[0])
    assert (FIVE_MINUTES + 4) * PENNY - left.balance_nano == -(-net * 12 // 10)


def test_a_call_in_goes_on_for_as_long_as_there_is_money(theatre: Theatre) -> None:
    put(theatre, 75)  # eleven minutes and one of grace are 72 pence

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 caller calls\n5 bob answers\n{beats(600)}")
        assert len(theatre.conductor.live) == 1
        assert wallet(theatre).reserved_nano == 72 * PENNY  # eleven minutes and one
        await theatre.play(beats(150))
        await theatre.down()

    asyncio.run(whole())
    said = theatre.books_say()
    assert said[0].endswith("not-paid agent=1001")
    assert said[1].startswith("usage voice.inbound 66")  # eleven minutes
    assert 0 <= wallet(theatre).balance_nano < 9 * PENNY


def test_a_top_up_lengthens_a_call_in_that_goes_on(theatre: Theatre) -> None:
    put(theatre, FIVE_MINUTES)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 caller calls\n5 bob answers\n{beats(250)}")
        await asyncio.to_thread(put, theatre, 1000)
        await theatre.play(beats(700))
        await theatre.down()

    asyncio.run(whole())
    assert theatre.conductor.live != []  # it goes on
    assert wallet(theatre).reserved_nano > FIVE_MINUTES * PENNY


def test_nobody_is_rung_for_a_caller_whose_company_has_nothing_left(theatre: Theatre) -> None:
    heard: list[str] = []
    theatre.speak = lambda words, _language: heard.append(words)
    perform(theatre, "0 caller calls\n1 caller calls\n5 pulse beats")
    assert theatre.books_say() == ["cdr wait=0s talk=0s not-paid agent=nobody"] * 2
    assert heard.count(not_taken("en")) == 2  # and not why
    assert steps(theatre) == ["arrived", "not-paid", "apology-ended"] * 2
    assert alarms(theatre) == [("calls-in-not-paid", 2)]
    left = wallet(theatre)
    assert (left.balance_nano, left.reserved_nano) == (0, 0)
    with theatre.gate.open(theatre.scope) as session:  # it was offered to nobody, so nobody was late
        found_of = figures.by_queue(session, tenant_id=theatre.company.tenant_id, since=START)
    assert [one.offered for one in found_of.values()] == [0]


def test_what_a_caller_is_kept_for_is_nobody_elses_until_they_hang_up(theatre: Theatre) -> None:
    put(theatre, FIVE_MINUTES + 6)
    perform(
        theatre,
        "0 bob is break\n1 callers call 1\n2 caller calls\n3 callers hang up\n4 caller calls\n5 pulse beats",
    )
    said = theatre.books_say()
    assert [one.split()[3] for one in said] == ["caller-left-queue", "not-paid", "None"]
    assert wallet(theatre).reserved_nano == FIVE_MINUTES * PENNY  # of the third, who waits
    assert wallet(theatre).balance_nano == (FIVE_MINUTES + 6) * PENNY


def test_credit_lets_callers_in_as_money_does(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        wallets.open_wallet(session, tenant_id=theatre.company.tenant_id, credit_minor=100)
    perform(theatre, "0 caller calls\n5 bob answers\n20 pulse beats")
    assert len(theatre.conductor.live) == 1
    assert wallet(theatre).available_nano == (100 - FIVE_MINUTES) * PENNY


def kept(stage: Theatre) -> int:
    with stage.gate.open(stage.scope) as session:
        return int(
            session.execute(text("SELECT count(*) FROM app.reservations WHERE amount_nano > 0")).scalar_one()
        )


def test_who_comes_while_all_lines_are_busy_keeps_nothing(theatre: Theatre) -> None:
    put(theatre, 100)
    with theatre.gate.open(theatre.scope) as session:
        limits.change_caps(session, tenant_id=theatre.company.tenant_id, caps=Caps(in_at_once=1))
    perform(theatre, "0 caller calls\n1 callers call 1\n2 pulse beats")
    assert [one.split()[3] for one in theatre.books_say()] == ["None", "no-room"]
    assert kept(theatre) == 1


def test_who_comes_while_it_is_closed_keeps_nothing(theatre: Theatre) -> None:
    put(theatre, 100)
    keep_hours(theatre, AFTERNOONS)
    perform(theatre, "0 caller calls\n5 pulse beats")
    assert theatre.books_say()[0].split()[3] == "outside-hours"
    assert kept(theatre) == 0


def test_who_pays_by_invoice_keeps_nothing(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> None:
    with clock.hold(START):
        made = stage(gate, vault, realtime, tenant_a, tmp_path)
        perform(made, f"0 caller calls\n5 bob answers\n{beats(400)}")
        assert len(made.conductor.live) == 1
        with gate.open(made.scope) as session:
            assert session.execute(text("SELECT paid_s FROM app.calls")).scalar_one() is None
    assert kept(made) == 0


@pytest.mark.usefixtures("in_no_hurry")
def test_a_caller_who_waits_already_is_turned_away_when_it_turns_out_late(theatre: Theatre) -> None:
    perform(theatre, "0 bob is break\n1 caller calls\n5 pulse beats")
    assert theatre.books_say() == ["cdr wait=0s talk=0s not-paid agent=nobody"]
    assert not rang(theatre)
    assert theatre.conductor.floor.waiting == {}


@pytest.mark.usefixtures("in_no_hurry")
def test_who_is_being_put_through_when_it_turns_out_late_has_a_minute(theatre: Theatre) -> None:
    perform(theatre, f"0 caller calls\n5 bob answers\n{beats(100)}")
    said = theatre.books_say()
    assert said[0].endswith("not-paid agent=1001")
    assert said[1].startswith("usage voice.inbound 6")  # a minute, which stands on the invoice
    assert wallet(theatre).balance_nano == 0


@pytest.mark.usefixtures("in_no_hurry")
def test_who_is_in_the_flow_when_it_turns_out_late_comes_to_no_queue(theatre: Theatre) -> None:
    speaks_for(theatre, seconds=1)
    deliveries = {"kind": "queue", "queue": ids.public("que", theatre.company.queue_id)}
    lead(
        theatre,
        {
            "start": {"kind": "say", "prompt": {"text": "Welcome."}, "next": "deliveries"},
            "deliveries": deliveries,
        },
    )
    perform(theatre, "0 caller calls\n10 pulse beats")
    assert theatre.books_say()[0].split()[3] == "not-paid"
    assert not rang(theatre)


def test_the_switch_ends_a_paid_call_whose_switchboard_is_dead(theatre: Theatre) -> None:
    put(theatre, FIVE_MINUTES)

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n5 bob answers\n10 pulse beats")
        await theatre.down(killed=True)
        await theatre.sim.advance(350_000)
        assert len(theatre.sim.switch._channels) == 2
        await theatre.sim.advance(20_000)  # five minutes of talk, and one to spare
        (left,) = theatre.sim.switch._channels
        assert left.startswith("agent-")
        await theatre.up(sim=theatre.sim)
        await theatre.down()

    asyncio.run(whole())
    assert wallet(theatre).reserved_nano == 0


def test_a_caller_whom_nobody_has_answered_yet_is_let_in_after_a_crash(theatre: Theatre) -> None:
    put(theatre, FIVE_MINUTES)

    async def whole() -> None:
        await theatre.up()
        theatre.caller = theatre.sim.arrive("+442079460134", "+447700900123")
        for _ in range(12):
            await asyncio.sleep(0)
        await theatre.down(killed=True)
        await theatre.up(sim=theatre.sim)
        await theatre.play("2 bob answers\n12 pulse beats\n14 caller hangs up\n15 pulse beats")
        await theatre.down()

    asyncio.run(whole())
    assert theatre.books_say()[0].endswith("caller-hung-up agent=1001")
    assert wallet(theatre).reserved_nano == 0


@pytest.mark.parametrize("kill_after", range(len(STEPS)), ids=STEPS)
def test_killed_right_after_a_step_a_paid_call_is_settled_once(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path, kill_after: int
) -> None:
    async def whole(theatre: Theatre) -> None:
        await theatre.up()
        await one_call(theatre, None, kill_after)
        await theatre.down()

    with clock.hold(START):
        theatre = stage(gate, vault, realtime, tenant_a, tmp_path)
        with gate.open(theatre.scope) as session:
            wallets.open_wallet(session, tenant_id=tenant_a)
        put(theatre, 1000)
        asyncio.run(whole(theatre))
        (call,) = [one for one in found(theatre) if one.bridged_at]
        check(theatre, most_s=len(STEPS) * 3)
        left = wallet(theatre)
        with gate.open(theatre.scope) as session:
            rows = session.execute(
                text("SELECT use_id, amount_nano FROM app.wallet_entries WHERE kind = 'used'")
            ).all()
            cost = int(session.execute(text("SELECT sum(amount_nano) FROM app.rated_charges")).scalar_one())
            open_ones = wallets.reservations(session, tenant_id=tenant_a)
    assert [(row.use_id, -row.amount_nano) for row in rows] == [(call.call_id, -(-cost * 12 // 10))]
    assert (left.reserved_nano, open_ones) == (0, ())
    assert left.balance_nano == 1000 * PENNY - -(-cost * 12 // 10)
