"""Calls given on to a queue or an agent, agents asked about a call: one call, billed once, nobody lost."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core import clock
from core.ids import OPERATOR, QueueId, TenantId, new_id
from core.realtime import Realtime, channel
from customers import dispositions, interactions
from customers.dispositions import Disposition
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, drafts, queue_hours, queues, work
from telephony.calls import Leg
from telephony.conductor.phases import Phase
from telephony.drafts import Draft
from telephony.opening import Hours, read_spans
from telephony.orders import OrderKind
from telephony.queue_hours import Opening
from telephony.work import WorkItem
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

TALKS = "0 caller calls\n2.6 bob answers"


@pytest.fixture
def theatre(gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path) -> Theatre:
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        with gate.open(stage.scope) as session:
            made = queues.open_queue(
                session, tenant_id=tenant_a, name="Billing", ring_timeout_s=10, wrap_up_s=7
            )
            resolved = Disposition("resolved", "Resolved", "已解决")
            dispositions.define(session, tenant_id=tenant_a, disposition=resolved)
        stage.queues["billing"] = made.queue_id
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        there = dataclasses.replace(company, queue_id=made.queue_id)
        stage.people["mara"] = hire(gate, vault, there, number=1002, seat="A-2")
    return stage


def perform(stage: Theatre, scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await stage.up()
        await scene()
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def in_hand(stage: Theatre, name: str) -> WorkItem:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = work.in_hand(session, agent_id=stage.people[name].agent_id)
    assert found is not None
    return found


def legs(stage: Theatre) -> list[Leg]:
    with stage.gate.open(stage.scope) as session:
        (call,) = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
        return calls.legs(session, tenant_id=stage.company.tenant_id, call_id=call.call_id)


def told(stage: Theatre) -> list[str]:
    return [f"{leg.agent_number} {leg.queue_name} {leg.how}" for leg in legs(stage)]


def outcome(stage: Theatre, kind: OrderKind) -> str:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = session.connection().exec_driver_sql(
            f"SELECT outcome FROM app.switch_orders WHERE kind = '{kind}' ORDER BY id DESC LIMIT 1"
        )
        return str(found.scalar())


def test_a_call_given_to_another_queue_is_one_call_with_two_legs(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to billing")
        assert in_hand(theatre, "bob").state == "wrap_up"
        assert in_hand(theatre, "mara").state in {"offered", "ringing"}
        (call,) = theatre.conductor.live
        assert call.arrival.queue_id == theatre.queues["billing"]
        await theatre.play("3 mara answers\n30 caller hangs up\n31 mara wraps up\n32 bob wraps up")

    perform(theatre, scene)
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("caller-hung-up agent=1002")
    assert len(usages) == 1
    assert told(theatre) == ["1001 Deliveries transferred", "1002 Billing ended"]
    first, second = legs(theatre)
    assert first.left_at is not None
    assert first.left_at < second.joined_at
    for name in ("bob", "mara"):
        assert theatre.states(name)[-3:] == ["talking", "wrap_up", "available"]
    steps = theatre.timeline()
    assert steps.index("transferred") < steps.index("offered", steps.index("transferred"))
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert call.queue_name == "Billing"


@pytest.mark.parametrize("to", ["billing", "mara"])
def test_the_recording_goes_on_with_the_next_agent(theatre: Theatre, to: str) -> None:
    """An empty bridge ends its recording: what the second agent said was kept nowhere."""

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to {to}\n23 mara answers\n30 pulse beats")
        assert theatre.announced() == []
        assert await where(theatre) == {"caller": "call", "mara": "call"}
        await theatre.play("10 caller hangs up")

    perform(theatre, scene)
    assert theatre.announced().count("RecordingCaptured") == 1


def test_each_wraps_up_as_long_as_their_own_queue_gives(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to billing\n23 mara answers\n30 caller hangs up")
        for name, seconds in (("bob", 60), ("mara", 7)):
            item = in_hand(theatre, name)
            assert item.wrap_until is not None
            assert item.ended_at is not None
            assert (item.wrap_until - item.ended_at).total_seconds() == seconds

    with theatre.gate.open(theatre.scope) as session:
        queue = queues.get(session, tenant_id=theatre.company.tenant_id, queue_id=theatre.company.queue_id)
    assert queue.wrap_up_s == 60
    perform(theatre, scene)


def test_what_the_first_agent_wrote_stays_with_their_part_of_the_call(theatre: Theatre) -> None:
    tenant_id, vault = theatre.company.tenant_id, theatre.vault

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 pulse beats")
        item = in_hand(theatre, "bob")
        with theatre.gate.open(theatre.scope) as session:
            drafts.save(
                session,
                tenant_id=tenant_id,
                call_id=item.call_id,
                draft=Draft("resolved", "Gate B"),
                vault=vault,
                leg_id=item.offer_id,
            )
        await theatre.play("1 bob transfers to billing\n4 mara answers\n9 pulse beats")
        theirs = in_hand(theatre, "mara")
        with theatre.gate.open(theatre.scope) as session:
            for about, notes in ((item, "Gate B"), (theirs, "")):
                kept = drafts.read(
                    session,
                    tenant_id=tenant_id,
                    call_id=item.call_id,
                    vault=vault,
                    leg_id=about.offer_id,
                )
                assert kept.notes == notes
            for about, notes in ((item, "Gate B, blue box"), (theirs, "Refunded")):
                drafts.save(
                    session,
                    tenant_id=tenant_id,
                    call_id=item.call_id,
                    draft=Draft("resolved", notes),
                    vault=vault,
                    leg_id=about.offer_id,
                )
        # the call goes on while the first one closes their part of it
        theatre.conductor.desk.wrap_ups.over(theatre.people["bob"].agent_id)
        await theatre.play("1 caller hangs up")
        theatre.conductor.desk.wrap_ups.over(theatre.people["mara"].agent_id)
        await theatre.settle()

    perform(theatre, scene)
    first, second = legs(theatre)
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=tenant_id, vault=vault).calls
        mine = interactions.of_subject(
            session, tenant_id=tenant_id, vault=vault, subject_ref=first.leg_id, kind=calls.HANDED_OVER
        )
        theirs = interactions.of_subject(session, tenant_id=tenant_id, vault=vault, subject_ref=call.call_id)
    assert mine is not None
    assert theirs is not None
    assert (mine.note, mine.agent_number, first.disposition) == ("Gate B, blue box", 1001, "resolved")
    assert (theirs.note, theirs.agent_number, call.disposition) == ("Refunded", 1002, "resolved")
    assert call.talk_ms is not None
    assert mine.duration_ms + theirs.duration_ms < call.talk_ms  # the wait between them is nobody's
    assert second.disposition is None


def test_a_call_given_to_an_agent_who_does_not_answer_goes_back_to_its_queue(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to mara\n40 pulse beats")
        (call,) = theatre.conductor.live
        assert call.phase is Phase.QUEUED
        (waiting,) = theatre.conductor.floor.waiting.values()
        assert (waiting.queue_id, waiting.is_at_head) == (theatre.company.queue_id, True)
        await theatre.play("1 bob wraps up\n4 bob answers\n20 caller hangs up")

    perform(theatre, scene)
    assert told(theatre) == ["1001 Deliveries transferred", "1001 Deliveries ended"]
    assert theatre.states("mara")[-1] == "away:missed"
    assert len(theatre.books_say()) == 2


def test_a_caller_who_hangs_up_while_the_next_phone_rings_was_talked_to_by_the_first(
    theatre: Theatre,
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to mara\n24 caller hangs up")

    perform(theatre, scene)
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("caller-left-queue agent=1001")
    assert len(usages) == 1
    assert theatre.states("mara")[-1] == "available"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("20 bob transfers to bob", "agent-busy"),
        ("20 mara is meal\n21 bob transfers to mara", "agent-busy"),
        ("20 mara closes the browser\n21 bob transfers to mara", "agent-busy"),
        ("20 caller hangs up\n21 bob transfers to mara", "no-call-in-hand"),
        ("20 bob transfers to nowhere", "queue-not-found"),
        ("20 bob closes the browser\n23 bob transfers to mara", "not-now"),
    ],
)
def test_a_call_that_cannot_be_given_on_stays(theatre: Theatre, script: str, why: str) -> None:
    theatre.queues["nowhere"] = QueueId(new_id())

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n{script}")
        assert outcome(theatre, OrderKind.TRANSFER) == why
        if theatre.conductor.live:
            (call,) = theatre.conductor.live
            assert call.phase is Phase.TALKING

    perform(theatre, scene)
    assert "transferred" not in theatre.timeline()


@pytest.mark.parametrize(("opens", "why"), [("13:00-17:00", "queue-closed"), ("09:00-17:00", "done")])
def test_a_queue_that_is_closed_is_given_nobody(theatre: Theatre, opens: str, why: str) -> None:
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        queue_hours.change(
            session,
            tenant_id=theatre.company.tenant_id,
            queue_id=theatre.queues["billing"],
            wanted=Opening(Hours("Europe/London", (read_spans(opens),) * 7)),
        )

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to billing")
        assert outcome(theatre, OrderKind.TRANSFER) == why
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    assert ("transferred" in theatre.timeline()) is (why == "done")


def test_while_the_recording_is_paused_nobody_is_given_the_call(theatre: Theatre, realtime: Realtime) -> None:
    heard = realtime.listen(channel(OPERATOR, f"agent:{theatre.people['bob'].agent_id}"), timeout_s=0.2)
    next(heard)  # subscribed

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 pulse beats")
        await theatre.asks_for("bob", OrderKind.PAUSE, on=True)
        await theatre.play("1 bob transfers to billing\n2 bob asks mara")
        (call,) = theatre.conductor.live
        assert (call.phase, call.consult) == (Phase.TALKING, None)

    perform(theatre, scene)
    said = [message.body for message in iter(lambda: next(heard), None)]
    assert [one["reason"] for one in said if one["type"] == "transfer-refused"] == ["not-now", "not-now"]


@pytest.mark.parametrize("to", ["billing", "mara"])
@pytest.mark.parametrize("when_s", [0.0, 1.0, 4.0])
def test_a_switchboard_killed_while_a_call_is_given_on_loses_nobody(
    theatre: Theatre, to: str, when_s: float
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 pulse beats")
        item = in_hand(theatre, "bob")
        with theatre.gate.open(theatre.scope) as session:
            drafts.save(
                session,
                tenant_id=theatre.company.tenant_id,
                call_id=item.call_id,
                draft=Draft(None, "Gate B"),
                vault=theatre.vault,
            )
        await theatre._act("bob", f"transfers to {to}")
        if when_s:
            await theatre.play(f"{when_s} pulse beats")
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        await theatre.play("1 mara answers\n20 caller hangs up\n21 mara wraps up\n22 bob wraps up")

    perform(theatre, scene)
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("caller-hung-up agent=1002")
    assert len(usages) == 1
    assert [line.split()[-1] for line in told(theatre)] == ["transferred", "ended"]
    first, _ = legs(theatre)
    with theatre.gate.open(theatre.scope) as session:
        line = interactions.of_subject(
            session,
            tenant_id=theatre.company.tenant_id,
            vault=theatre.vault,
            subject_ref=first.leg_id,
            kind=calls.HANDED_OVER,
        )
    assert line is not None
    assert line.note == "Gate B"


def test_a_call_that_went_out_may_be_given_on_as_well(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(
            """0 bob dials +447700900120
            1.4 bob answers
            5 bob transfers to mara
            7 mara answers
            11 mara hangs up"""
        )

    perform(theatre, scene)
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("agent-hung-up agent=1002")
    assert len(usages) == 1
    assert theatre.dials_say() == ["connected"]


def test_the_recording_ends_where_the_next_queue_records_nothing(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        there = queues.get(session, tenant_id=theatre.company.tenant_id, queue_id=theatre.queues["billing"])
    assert there.is_recorded

    async def scene() -> None:
        def quiet() -> None:
            with theatre.gate.open(theatre.scope) as session:
                session.connection().exec_driver_sql(
                    "UPDATE app.queues SET is_recorded = false WHERE name = 'Billing'"
                )

        await asyncio.to_thread(quiet)
        await theatre.play(f"{TALKS}\n20 bob transfers to billing\n23 mara answers\n30 pulse beats")
        assert theatre.announced() == ["RecordingCaptured"]
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    assert theatre.timeline().count("recording-stopped") == 1


ASKS = f"{TALKS}\n20 bob asks mara\n24 mara answers\n26 pulse beats"


async def where(stage: Theatre) -> dict[str, str | None]:
    """Return who is in which bridge: the caller, bob, mara; "call", "side" or nowhere."""
    (call,) = stage.conductor.live
    names = {call.bridge: "call", call.side_bridge: "side", None: None}
    there = {one.channel: names.get(one.bridge) for one in await stage.sim.switch.live_channels()}
    found = {"caller": there.get(call.channel)}
    for offer in (call.offer, call.asked):
        for name, person in stage.people.items():
            if offer and offer.agent_id == person.agent_id:
                found[name] = there.get(offer.channel)
    return found


def test_an_agent_asks_another_swaps_and_they_talk_all_three(theatre: Theatre) -> None:
    seen: list[dict[str, str | None]] = []

    async def scene() -> None:
        await theatre.play(ASKS)
        seen.append(await where(theatre))
        for deed in ("swaps", "swaps", "merges"):
            await theatre.play(f"1 bob {deed}")
            seen.append(await where(theatre))
        await theatre.play("2 bob drops\n3 pulse beats")
        seen.append(await where(theatre))
        assert in_hand(theatre, "bob").state == "talking"
        await theatre.play("4 caller hangs up")

    perform(theatre, scene)
    private = {"caller": "call", "bob": "side", "mara": "side"}
    assert seen == [
        private,
        {"caller": "call", "bob": "call", "mara": "side"},
        private,
        {"caller": "call", "bob": "call", "mara": "call"},
        {"caller": "call", "bob": "call"},
    ]
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("caller-hung-up agent=1001")
    assert len(usages) == 1
    assert told(theatre) == ["1001 Deliveries ended", "1002 Deliveries asked-only"]
    assert theatre.states("bob")[-5:] == ["holding", "talking", "holding", "talking", "wrap_up"]
    assert theatre.states("mara")[-2:] == ["talking", "available"]


@pytest.mark.parametrize("leaves", ["bob leaves", "bob hangs up"])
@pytest.mark.parametrize("before", ["", "5 bob swaps", "5 bob merges"])
def test_who_asked_may_leave_and_the_two_others_stay_connected(
    theatre: Theatre, before: str, leaves: str
) -> None:
    async def scene() -> None:
        await theatre.play(ASKS)
        await theatre.play(f"{before}\n10 {leaves}\n12 pulse beats")
        assert await where(theatre) == {"caller": "call", "mara": "call"}
        assert in_hand(theatre, "bob").state == "wrap_up"
        await theatre.play("20 mara holds on\n22 mara holds off\n30 mara hangs up\n31 mara wraps up")

    perform(theatre, scene)
    cdr, *usages = theatre.books_say()
    assert cdr.endswith("agent-hung-up agent=1002")
    assert len(usages) == 1
    assert told(theatre) == ["1001 Deliveries left", "1002 Deliveries ended"]
    assert theatre.states("mara")[-2:] == ["wrap_up", "available"]


@pytest.mark.parametrize(
    ("script", "mara"),
    [
        ("24 pulse beats\n36 pulse beats", "away:missed"),
        ("22 mara declines", "away:declined"),
        ("24 mara answers\n30 mara hangs up", "available"),
        ("22 bob drops", "available"),
        ("24 mara closes the browser", "offline"),
    ],
)
def test_without_the_one_who_was_asked_the_agent_is_with_the_caller_again(
    theatre: Theatre, script: str, mara: str
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks mara\n{script}\n40 pulse beats")
        assert await where(theatre) == {"caller": "call", "bob": "call"}
        assert not theatre.conductor.live[0].is_held
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    assert theatre.books_say()[0].endswith("caller-hung-up agent=1001")
    assert theatre.states("mara")[-1] == mara
    assert theatre.states("bob")[-2:] == ["talking", "wrap_up"]


@pytest.mark.parametrize("ends", ["caller hangs up", "bob ends"])
def test_when_the_caller_is_gone_nobody_is_left_in_a_bridge(theatre: Theatre, ends: str) -> None:
    async def scene() -> None:
        await theatre.play(f"{ASKS}\n30 {ends}\n31 pulse beats")
        assert theatre.conductor.live == []
        assert await theatre.sim.switch.live_channels() == ()

    perform(theatre, scene)
    assert theatre.states("bob")[-1] == "wrap_up"
    assert theatre.states("mara")[-1] == "available"


def test_who_is_asked_gives_the_call_to_nobody(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{ASKS}\n30 mara transfers to billing")
        assert outcome(theatre, OrderKind.TRANSFER) == "not-yours"
        await theatre.play("1 bob transfers to billing\n2 bob asks mara\n3 bob holds on")
        assert outcome(theatre, OrderKind.TRANSFER) == "not-now"
        (call,) = theatre.conductor.live
        assert call.consult is not None

    perform(theatre, scene)


@pytest.mark.parametrize("before", ["", "5 bob swaps", "5 bob merges", "5 bob leaves"])
def test_a_switchboard_killed_while_an_agent_is_asked_puts_everybody_back(
    theatre: Theatre, before: str
) -> None:
    async def scene() -> None:
        await theatre.play(ASKS)
        await theatre.play(f"{before}\n8 pulse beats")
        there = await where(theatre)
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        await theatre.play("1 pulse beats")
        assert await where(theatre) == there
        await theatre.play("2 caller hangs up")
        assert await theatre.sim.switch.live_channels() == ()

    perform(theatre, scene)
    cdr, *usages = theatre.books_say()
    assert cdr.endswith(f"caller-hung-up agent={1002 if 'leaves' in before else 1001}")
    assert len(usages) == 1


def test_an_agent_whose_line_breaks_for_good_leaves_the_call_to_the_one_asked(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{ASKS}\n30 bob closes the browser\n34 pulse beats")
        (held,) = theatre.conductor._live.calls.values()
        assert held.call.is_parked
        theatre.conductor._rejoining.give_up(held)
        await theatre.play("1 pulse beats")
        assert await where(theatre) == {"caller": "call", "mara": "call"}
        await theatre.play("5 mara hangs up")

    perform(theatre, scene)
    assert told(theatre) == ["1001 Deliveries line-lost", "1002 Deliveries ended"]
    assert theatre.books_say()[0].endswith("agent=1002")
