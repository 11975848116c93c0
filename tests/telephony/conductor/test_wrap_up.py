"""The wrap-up's clock, what an agent has written when it runs out, and recordings that are paused."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from core import clock
from core.ids import OPERATOR, CallId, QueueId, TenantId
from core.realtime import Realtime, channel
from customers import callbacks, dispositions, interactions
from customers.dispositions import Disposition
from customers.errors import CardNumberError
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, drafts, queues, work
from telephony.conductor import rejoining
from telephony.conductor.desk import Desk
from telephony.conductor.live_call import LiveCall
from telephony.conductor.phases import Phase
from telephony.conductor.pulse import floor_of_tenants
from telephony.drafts import Draft
from telephony.orders import OrderKind
from telephony.queues import Queue, TimeUp, WrapUp
from telephony.switch.port import SwitchError
from telephony.work import WorkItem
from tests.telephony.conductor.theatre import CALLER, START, Theatre, hire

TALKS = "0 caller calls\n2.6 bob answers"
OVER = f"{TALKS}\n12 caller hangs up"


@pytest.fixture
def theatre(theatre: Theatre) -> Theatre:
    with theatre.gate.open(theatre.scope) as session:
        resolved = Disposition("resolved", "Resolved", "已解决")
        dispositions.define(session, tenant_id=theatre.company.tenant_id, disposition=resolved)
    return theatre


def perform(stage: Theatre, scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await stage.up()
        await scene()
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def held(stage: Theatre) -> WorkItem | None:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        return work.in_hand(session, agent_id=stage.people["bob"].agent_id)


def write(stage: Theatre, call_id: CallId, draft: Draft) -> None:
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        drafts.save(session, tenant_id=tenant_id, call_id=call_id, draft=draft, vault=stage.vault)


def in_hand(stage: Theatre) -> WorkItem:
    found = held(stage)
    assert found is not None
    return found


async def order(stage: Theatre, kind: OrderKind, **details: object) -> None:
    await stage._order(kind, agent_id=stage.people["bob"].agent_id, **details)
    await stage.settle()


def time_is_up(desk: Desk, stage: Theatre) -> None:
    """Ring the wrap-up's clock: the simulator's time does not move asyncio's timers."""
    desk.wrap_ups.over(stage.people["bob"].agent_id)


def test_what_was_written_when_the_time_was_up_is_kept(theatre: Theatre) -> None:
    due = START + dt.timedelta(hours=3)

    async def scene() -> None:
        await theatre.play(OVER)
        call_id = in_hand(theatre).call_id
        write(theatre, call_id, Draft("resolved", "Gate B", due))
        time_is_up(theatre.conductor.desk, theatre)
        await theatre.settle()

    perform(theatre, scene)
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=tenant_id, vault=theatre.vault).calls
        line = interactions.of_subject(
            session, tenant_id=tenant_id, vault=theatre.vault, subject_ref=call.call_id
        )
        assert line is not None
        assert (call.disposition, line.note) == ("resolved", "Gate B")
        kept = drafts.read(session, tenant_id=tenant_id, call_id=call.call_id, vault=theatre.vault)
        assert kept == Draft()
        assert call.agent_id is not None
        (promised,) = callbacks.open_of_agent(session, tenant_id=tenant_id, agent_id=call.agent_id)
        assert promised.due_at == due
    assert held(theatre) is None
    assert theatre.states("bob")[-1] == "available"


def test_a_hold_does_not_begin_the_call_anew(theatre: Theatre) -> None:
    answered: list[dt.datetime | None] = []

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n12 bob holds on")
        answered.append(in_hand(theatre).answered_at)
        await theatre.play("30 bob holds off")
        answered.append(in_hand(theatre).answered_at)

    perform(theatre, scene)
    assert answered[0] is not None
    assert answered[0] < START + dt.timedelta(seconds=5)
    assert answered[1] == answered[0]


@pytest.mark.parametrize(
    ("what", "why"),
    [("3 caller hangs up", "caller-left"), ("3 bob declines", "declined")],
)
def test_a_console_is_told_why_an_offer_was_taken_back(
    theatre: Theatre, realtime: Realtime, what: str, why: str
) -> None:
    heard = realtime.listen(channel(OPERATOR, f"agent:{theatre.people['bob'].agent_id}"), timeout_s=0.2)
    next(heard)  # subscribed

    async def scene() -> None:
        await theatre.play(f"0 caller calls\n{what}")

    perform(theatre, scene)
    told = [message.body for message in iter(lambda: next(heard), None)]
    assert [one["reason"] for one in told if one["type"] == "offer-withdrawn"] == [why]


def test_an_outcome_retired_meanwhile_costs_the_notes_nothing(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        write(theatre, in_hand(theatre).call_id, Draft("retired", "Gate B"))
        time_is_up(theatre.conductor.desk, theatre)
        await theatre.settle()

    perform(theatre, scene)
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=tenant_id, vault=theatre.vault).calls
        line = interactions.of_subject(
            session, tenant_id=tenant_id, vault=theatre.vault, subject_ref=call.call_id
        )
    assert line is not None
    assert (call.disposition, line.note) == (None, "Gate B")


def test_nothing_written_is_kept_as_no_outcome_given(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        time_is_up(theatre.conductor.desk, theatre)
        await theatre.settle()

    perform(theatre, scene)
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert call.disposition is None
    assert call.wrapped_at is not None  # closed, and by nobody's word


def test_a_draft_outlives_the_switchboard_and_is_settled_by_the_next(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        write(theatre, in_hand(theatre).call_id, Draft("resolved", "Gate B"))
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        time_is_up(theatre.conductor.desk, theatre)
        await theatre.settle()

    perform(theatre, scene)
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert call.disposition == "resolved"


def wraps(stage: Theatre, mode: WrapUp, seconds: int = 60, *, needs_disposition: bool = True) -> None:
    """Say how calls of the theatre's queue are wrapped up."""
    with stage.gate.open(stage.scope) as session:
        tenant_id, queue_id = stage.company.tenant_id, stage.company.queue_id
        found = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
        wanted = replace(found.settings, wrap_up=mode, wrap_up_s=seconds, needs_disposition=needs_disposition)
        queues.change(
            session, tenant_id=tenant_id, queue_id=queue_id, revision=found.revision, settings=wanted
        )


def test_without_a_wrap_up_the_agent_is_free_at_once_and_what_they_wrote_is_kept(theatre: Theatre) -> None:
    wraps(theatre, WrapUp.NONE)

    async def scene() -> None:
        await theatre.play(TALKS)
        write(theatre, in_hand(theatre).call_id, Draft("resolved", "Gate B"))
        await theatre.play("12 caller hangs up")

    perform(theatre, scene)
    assert held(theatre) is None
    assert theatre.states("bob")[-1] == "available"
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert call.disposition == "resolved"


@pytest.mark.parametrize(
    ("mode", "seconds"), [(WrapUp.MANDATORY, 60), (WrapUp.TIMED, 0), (WrapUp.OPTIONAL, 0)]
)
def test_a_wrap_up_without_a_limit_holds_its_agent_until_they_close_it(
    theatre: Theatre, mode: WrapUp, seconds: int
) -> None:
    wraps(theatre, mode, seconds, needs_disposition=False)

    async def scene() -> None:
        await theatre.play(OVER)
        item = in_hand(theatre)
        assert (item.wrap_up, item.wrap_until, item.needs_disposition) == (mode, None, False)
        assert not item.can_extend
        (wrap,) = theatre.conductor.desk.wrap_ups.wraps.values()
        assert wrap.timer is None  # no clock runs
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        assert in_hand(theatre).state == "wrap_up"  # and a restart starts none
        await theatre.play("1 caller calls\n3 pulse beats")
        assert len(theatre.conductor.floor.waiting) == 1  # the capacity is held
        await theatre.play("4 caller hangs up")
        await order(theatre, OrderKind.WRAPPED, call_id=item.call_id)

    perform(theatre, scene)
    assert held(theatre) is None
    assert theatre.states("bob")[-1] == "available"


def test_a_wrap_up_without_a_limit_is_forgotten_after_an_hour(theatre: Theatre) -> None:
    wraps(theatre, WrapUp.MANDATORY)

    async def scene() -> None:
        await theatre.play(OVER)
        item = in_hand(theatre)
        assert item.ended_at is not None
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            assert work.stuck(session, before=item.ended_at + dt.timedelta(minutes=59)) == []
            found = work.stuck(session, before=item.ended_at + dt.timedelta(minutes=61))
        assert [one.offer_id for one in found] == [item.offer_id]
        assert not item.is_over(item.ended_at + dt.timedelta(minutes=59))
        assert item.is_over(item.ended_at + dt.timedelta(minutes=61))

    perform(theatre, scene)


def stays(stage: Theatre) -> None:
    """Have a timed wrap-up of the queue go on when its time is up without an outcome."""
    with stage.gate.open(stage.scope) as session:
        tenant_id, queue_id = stage.company.tenant_id, stage.company.queue_id
        found = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
        queues.change(
            session,
            tenant_id=tenant_id,
            queue_id=queue_id,
            revision=found.revision,
            settings=replace(found.settings, time_up=TimeUp.STAY),
        )


async def runs_out(stage: Theatre) -> None:
    """Let the wrap-up's time run out, and ring its clock."""
    clock.advance(dt.timedelta(seconds=61))
    stage.conductor.desk.wrap_ups.time_up(stage.people["bob"].agent_id)
    await stage.settle()


def seen_by_leader(stage: Theatre) -> list[bool]:
    """Return of each agent on the live page whether they are overdue."""
    floor = floor_of_tenants(stage.conductor, clock.now())[stage.company.tenant_id]
    return [one.get("is_overdue", False) for one in floor["people"]]


def test_without_its_outcome_a_wrap_up_stays_overdue_and_the_leader_sees_it(theatre: Theatre) -> None:
    stays(theatre)

    async def scene() -> None:
        await theatre.play(OVER)
        item = in_hand(theatre)
        assert item.holds_over
        assert item.wrap_until is not None
        assert seen_by_leader(theatre) == [False]
        await runs_out(theatre)
        assert in_hand(theatre).state == "wrap_up"
        assert seen_by_leader(theatre) == [True]
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)  # a restart frees nobody
        await runs_out(theatre)
        assert in_hand(theatre).state == "wrap_up"
        assert seen_by_leader(theatre) == [True]
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            hour = item.wrap_until + dt.timedelta(hours=1)
            assert work.stuck(session, before=hour) == []
            assert len(work.stuck(session, before=hour + dt.timedelta(seconds=1))) == 1
        await order(theatre, OrderKind.WRAPPED, call_id=item.call_id)
        assert seen_by_leader(theatre) == [False]

    perform(theatre, scene)
    assert held(theatre) is None
    assert theatre.states("bob")[-1] == "available"


def test_an_outcome_chosen_before_the_time_was_up_closes_the_wrap_up_that_stays(theatre: Theatre) -> None:
    stays(theatre)

    async def scene() -> None:
        await theatre.play(OVER)
        write(theatre, in_hand(theatre).call_id, Draft("resolved", "Gate B"))
        await runs_out(theatre)

    perform(theatre, scene)
    assert held(theatre) is None
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert call.disposition == "resolved"


@pytest.mark.parametrize(
    ("mode", "seconds", "needs", "holds"),
    [
        (WrapUp.TIMED, 60, True, True),
        (WrapUp.TIMED, 60, False, False),
        (WrapUp.TIMED, 0, True, False),
        (WrapUp.OPTIONAL, 60, True, False),
        (WrapUp.NONE, 60, True, False),
    ],
)
def test_only_a_timed_wrap_up_that_needs_an_outcome_holds_over(
    mode: WrapUp, seconds: int, *, needs: bool, holds: bool
) -> None:
    queue = Queue(
        TenantId(OPERATOR),
        QueueId(OPERATOR),
        "Deliveries",
        ring_timeout_s=20,
        wrap_up_s=seconds,
        target_s=20,
        is_recorded=True,
        wrap_up=mode,
        needs_disposition=needs,
        time_up=TimeUp.STAY,
    )
    assert queue.holds_over is holds


def test_a_draft_with_a_card_number_is_not_kept(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        with pytest.raises(CardNumberError):
            write(theatre, in_hand(theatre).call_id, Draft(notes="4111 1111 1111 1111"))

    perform(theatre, scene)


def test_a_wrap_up_grows_by_a_minute_up_to_ten(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        began = in_hand(theatre)
        assert began.wrap_until is not None
        assert began.ended_at is not None
        await order(theatre, OrderKind.EXTEND, call_id=began.call_id)
        assert in_hand(theatre).wrap_until == began.wrap_until + dt.timedelta(seconds=60)
        for _ in range(12):
            await order(theatre, OrderKind.EXTEND, call_id=began.call_id)
        longest = in_hand(theatre)
        assert longest.wrap_until == began.ended_at + work.LONGEST_WRAP_UP
        assert not longest.can_extend

    perform(theatre, scene)


def test_an_order_about_an_earlier_call_ends_no_later_wrap_up(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        first = in_hand(theatre).call_id
        await order(theatre, OrderKind.WRAPPED, call_id=first)
        await theatre.play("1 caller calls\n4 bob answers\n10 caller hangs up")
        await order(theatre, OrderKind.WRAPPED, call_id=first)
        assert in_hand(theatre).state == "wrap_up"

    perform(theatre, scene)


def test_a_wrap_up_the_switchboard_has_lost_sight_of_is_closed(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(OVER)
        item = in_hand(theatre)
        theatre.conductor.floor.remove(item.agent_id)
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            stuck = work.stuck(session, before=clock.now() + dt.timedelta(hours=1))
            assert [one.offer_id for one in stuck] == [item.offer_id]
        await order(theatre, OrderKind.WRAPPED, call_id=item.call_id)
        assert held(theatre) is None

    perform(theatre, scene)


def test_what_an_agent_wishes_to_be_next_comes_true_once(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play("0 caller calls\n1 bob is break\n2 caller hangs up")
        assert theatre.states("bob")[-1] == "away:break"
        await theatre.play("0 bob is available\n1 caller calls\n2 caller hangs up")
        assert theatre.states("bob")[-1] == "available"

    perform(theatre, scene)


def test_a_missed_call_begins_no_wrap_up_and_the_caller_stays_at_the_head(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play("0 caller calls\n2 bob declines\n3 pulse beats")
        (waiting,) = theatre.conductor.floor.waiting.values()
        assert waiting.is_at_head

    perform(theatre, scene)
    assert "wrap_up" not in theatre.states("bob")
    assert theatre.states("bob")[-1] == "away:declined"
    assert held(theatre) is None


PARKED = f"{TALKS}\n10 bob closes the browser"


def parked(stage: Theatre) -> LiveCall:
    (call,) = stage.conductor.live
    assert call.is_parked
    return call


def test_an_agent_who_reloads_comes_back_into_the_call(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(PARKED)
        before = parked(theatre).offer
        await theatre.play("2 bob opens the browser\n4 bob answers")
        (call,) = theatre.conductor.live
        assert not call.is_parked
        assert call.offer is not None
        assert before is not None
        assert call.offer.channel != before.channel
        await theatre.play("20 bob hangs up\n21 bob wraps up")

    perform(theatre, scene)
    (cdr, *_) = theatre.books_say()
    assert cdr.endswith("agent-hung-up agent=1001")
    assert "talk=2" in cdr  # the seconds on music are the caller's too
    assert theatre.states("bob")[-3:] == ["talking", "wrap_up", "available"]
    steps = theatre.timeline()
    assert steps.index("leg-lost") < steps.index("rejoined") < steps.index("agent-gone")


def test_an_agent_whose_phone_is_registered_no_more_keeps_their_caller_while_they_are_heard(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejoining, "_BLIP_S", 3600)

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 bob takes another tab")
        (held,) = theatre.conductor._live.calls.values()
        assert held.call.offer is not None
        channel = held.call.offer.channel
        for then, is_parked in (("2 pulse beats", False), ("0 bob loses the browser\n2 pulse beats", True)):
            before = await theatre.sim.switch.heard(channel)
            await theatre.play(then)
            await theatre.conductor._rejoining._park_if_away(held, channel, before)
            assert held.call.is_parked is is_parked

    perform(theatre, scene)


def test_a_caller_is_parked_a_while_after_the_switch_has_lost_a_silent_browser(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejoining, "_BLIP_S", 0.01)

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 bob loses the browser")
        for _ in range(3000):
            if theatre.conductor.live[0].is_parked:
                break
            await asyncio.sleep(0.02)
        parked(theatre)
        await theatre.play("1 bob opens the browser\n3 bob answers")
        assert not theatre.conductor.live[0].is_parked

    perform(theatre, scene)


def test_a_caller_whose_agent_does_not_come_back_goes_to_the_head_of_the_queue(
    theatre: Theatre, gate: Gate, vault: Vault
) -> None:
    async def scene() -> None:
        await theatre.play(PARKED)
        recording_id = parked(theatre).recording_id
        (held,) = theatre.conductor._live.calls.values()
        theatre.conductor._rejoining.give_up(held)
        await theatre.settle()
        (call,) = theatre.conductor.live
        assert (call.phase, call.is_parked) == (Phase.QUEUED, False)
        (waiting,) = theatre.conductor.floor.waiting.values()
        assert waiting.is_at_head
        assert theatre.announced() == []  # the recording waits with the caller
        theatre.people["mara"] = await asyncio.to_thread(
            hire, gate, vault, theatre.company, number=1002, seat="A-2"
        )
        await theatre.conductor.carry_out_orders()
        await theatre.play("2 mara is available\n4 mara answers\n20 mara hangs up")
        assert theatre.conductor.live == []
        assert call.recording_id == recording_id

    perform(theatre, scene)
    (cdr, *rest) = theatre.books_say()
    assert cdr.endswith("agent-hung-up agent=1002")
    assert len(rest) == 1  # one call, billed once
    assert theatre.states("bob")[-2:] == ["talking", "offline"]
    steps = theatre.timeline()
    assert steps.index("leg-lost") < steps.index("agent-stays-away") < steps.index("agent-gone")


def test_a_parked_caller_may_hang_up_and_the_agent_wraps_up(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{PARKED}\n15 caller hangs up")
        assert in_hand(theatre).state == "wrap_up"

    perform(theatre, scene)


def test_a_reload_quicker_than_the_line_is_answered_by_the_console_itself(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 pulse beats")
        item = in_hand(theatre)
        for _ in range(2):  # asked twice, rung once
            await order(theatre, OrderKind.REJOIN, call_id=item.call_id)
        await theatre.play("1 bob answers")
        (call,) = theatre.conductor.live
        assert not call.is_parked
        assert theatre.timeline()[-1] == "rejoined"
        assert theatre.sim.ringing(theatre.people["bob"].endpoint) is None

    perform(theatre, scene)


def test_who_hangs_up_while_they_are_brought_back_has_hung_up(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 pulse beats")
        item = in_hand(theatre)
        await order(theatre, OrderKind.REJOIN, call_id=item.call_id)
        await order(theatre, OrderKind.HANG_UP, call_id=item.call_id)
        await theatre.play("1 pulse beats")
        assert theatre.conductor.live == []
        assert await theatre.sim.switch.live_channels() == ()
        assert in_hand(theatre).state == "wrap_up"

    perform(theatre, scene)
    (cdr, *_) = theatre.books_say()
    assert cdr.endswith("agent-hung-up agent=1001")


def test_a_parked_call_outlives_the_switchboard(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(PARKED)
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        parked(theatre)
        await theatre.play("1 bob opens the browser\n3 bob answers")
        assert not theatre.conductor.live[0].is_parked

    perform(theatre, scene)


def test_a_recording_is_paused_and_goes_on_and_the_timeline_says_so(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 pulse beats")
        call_id, tenant_id = in_hand(theatre).call_id, theatre.company.tenant_id
        for on in (True, False):
            await order(theatre, OrderKind.PAUSE, call_id=call_id, on=on)
            with theatre.gate.open(theatre.scope) as session:
                assert calls.is_paused(session, tenant_id=tenant_id, call_id=call_id) is on
        assert [kind for kind in theatre.timeline() if kind == "recording-paused"] == 2 * ["recording-paused"]
        assert theatre.announced() == []
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    assert theatre.announced().count("RecordingCaptured") == 1


def test_a_recording_that_cannot_be_paused_is_ended(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 pulse beats")

        async def will_not(_name: str, *, on: bool) -> None:
            message = f"would not ({on})"
            raise SwitchError(message, is_temporary=False)

        theatre.sim.switch.pause_recording = will_not  # type: ignore[assignment,method-assign] # it refuses
        await order(theatre, OrderKind.PAUSE, call_id=in_hand(theatre).call_id, on=True)
        await theatre.play("1 pulse beats")
        assert "recording-stopped" in theatre.timeline()
        assert theatre.announced() == ["RecordingCaptured"]

    perform(theatre, scene)


def test_while_the_switch_is_away_the_agent_hears_that_it_records_on(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n10 switch drops the line")
        await order(theatre, OrderKind.PAUSE, call_id=in_hand(theatre).call_id, on=True)
        assert not {"recording-paused", "recording-stopped"} & set(theatre.timeline())
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            outcome = session.connection().exec_driver_sql(
                "SELECT outcome FROM app.switch_orders WHERE kind = 'pause'"
            )
            assert outcome.scalar() == "recording-goes-on"

    perform(theatre, scene)


def test_a_leg_that_was_declined_while_the_switch_was_away_is_hung_up_when_it_is_back(
    theatre: Theatre,
) -> None:
    async def scene() -> None:
        await theatre.play("0 caller calls\n2.5 switch drops the line\n3 bob declines")
        assert [call.offer for call in theatre.conductor.live] == [None], "the caller waits for somebody else"
        await theatre.play("1 switch is back")
        assert [one for one in theatre.sim.switch._channels if one.startswith("agent-")] == []
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)


def test_no_word_of_a_whole_call_stands_in_its_spool(theatre: Theatre) -> None:
    """G5: as it lies on the disk while a call is under way, and when the process is killed over them."""
    spool = theatre.folder / "spool"

    async def scene() -> None:
        await theatre.up()
        await theatre.play(f"{TALKS}\n10 pulse beats")
        assert held(theatre) is not None
        await theatre.down(killed=True)

    with clock.hold(START):
        asyncio.run(scene())
    lying = [file for file in spool.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in lying) > 0
    for word in (CALLER.lstrip("+"), CALLER[-9:], "Ines", "Carvalho", "Agent 1001"):
        assert not [f.name for f in lying if word.encode() in f.read_bytes()], word
