"""Numbers outside: given a call, asked about one. Each has books of its own, and none is billed twice."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

import pytest

from core import clock
from core.ids import OPERATOR, CallId
from core.ids import public as public_id
from core.phone import E164
from security.gate import Scope
from telephony import calls, numbers, work
from telephony.calls import Call, Leg
from telephony.conductor.phases import Phase
from telephony.orders import OrderKind
from telephony.outbound import limits, stops
from telephony.outbound.gate import Refusal, RefusalReason
from telephony.outbound.limits import Caps
from telephony.outbound.stops import Side
from telephony.switch.simulator import public
from tests.telephony.conductor.test_opening import MORNINGS, keep
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre

pytestmark = pytest.mark.slow

TALKS = "0 caller calls\n2.6 bob answers"
PARTNER, BUSY, RINGS_OUT, NOBODY = (f"+44770090012{digit}" for digit in "0568")


def perform(stage: Theatre, scene: Callable[[], Awaitable[None]]) -> list[dict[str, str]]:
    """Play a scene; return what bob's console was told of calls that were not given on."""
    told: list[dict[str, str]] = []

    async def whole() -> None:
        await stage.up()
        listen(stage, told)
        await scene()
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())
    return told


def listen(stage: Theatre, told: list[dict[str, str]]) -> None:
    publish = stage.conductor.desk.telling.publish

    def heard(agent_id: object, kind: str, **body: str) -> None:
        if kind in {"transfer-refused", "transfer-came-back", "dial-ended"}:
            told.append({"kind": kind} | body)
        publish(agent_id, kind, **body)  # type: ignore[arg-type] # as it came

    stage.conductor.desk.telling.publish = heard  # type: ignore[method-assign] # to listen in


def script(stage: Theatre, *lines: str) -> Callable[[], Awaitable[None]]:
    return lambda: stage.play("\n".join((TALKS, *lines)))


def found(stage: Theatre) -> tuple[Call, list[Call]]:
    """Return the call, and the calls out that are part of it."""
    with stage.gate.open(stage.scope) as session:
        every = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
    (call,) = (one for one in every if one.part_of is None)
    outside = sorted((one for one in every if one.part_of), key=lambda one: one.arrived_at)
    assert {one.part_of for one in outside} <= {call.call_id}
    return call, outside


def legs(stage: Theatre) -> list[Leg]:
    call, _ = found(stage)
    with stage.gate.open(stage.scope) as session:
        return calls.legs(session, tenant_id=stage.company.tenant_id, call_id=call.call_id)


def parts(stage: Theatre) -> list[str]:
    return [f"{leg.agent_number or 'outside'} {leg.how}" for leg in legs(stage)]


async def there(stage: Theatre) -> dict[str, str | None]:
    """Return who is in which bridge."""
    (call,) = stage.conductor.live
    names = {call.bridge: "call", call.side_bridge: "side", None: None}
    found = {one.channel: names.get(one.bridge) for one in await stage.sim.switch.live_channels()}
    who = {"caller": call.channel}
    if call.offer:
        who["bob"] = call.offer.channel
    if call.outside:
        who["outside"] = call.outside.channel
    assert set(found) == set(who.values())
    return {name: found.get(channel) for name, channel in who.items()}


def in_hand(stage: Theatre) -> str:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        item = work.in_hand(session, agent_id=stage.people["bob"].agent_id)
    return item.state if item else "nothing"


def test_a_call_given_outside_goes_on_without_an_agent_and_both_are_billed(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to {PARTNER}\n22 pulse beats")
        assert await there(theatre) == {"caller": "call", "outside": "call"}
        assert theatre.conductor.live[0].phase is Phase.OUTSIDE
        assert in_hand(theatre) == "wrap_up"
        await theatre.play("1 bob wraps up\n6 caller hangs up\n7 pulse beats")
        assert await theatre.sim.switch.live_channels() == ()

    assert perform(theatre, scene) == []
    assert theatre.books_say() == [
        "cdr wait=5s talk=23.01s caller-hung-up agent=1001",
        "usage voice.inbound 23.01s rated 24 s = 20000000 nano",
        "cdr wait=1s talk=7.01s caller-hung-up agent=None",
        "usage voice.outbound 7.01s rated 8 s = 9666667 nano",
    ]
    assert theatre.dials_say() == ["connected"]
    assert parts(theatre) == ["1001 transferred", "outside ended"]
    call, (outside,) = found(theatre)
    assert (outside.dialled, outside.caller, outside.direction) == (DIALLED, PARTNER, "outbound")
    assert outside.customer_id is None
    assert theatre.states("bob")[-3:] == ["talking", "wrap_up", "available"]
    assert call.agent_number == 1001


def test_when_the_number_outside_hangs_up_the_call_is_over(theatre: Theatre) -> None:
    perform(theatre, script(theatre, f"20 bob transfers to {PARTNER}", "26 outsider hangs up"))
    call, (outside,) = found(theatre)
    assert (call.cause, outside.cause) == ("outside-hung-up", "outside-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, outside)] == [1, 1]


@pytest.mark.parametrize(
    ("number", "cause"), [(BUSY, "busy"), (RINGS_OUT, "no-answer"), (NOBODY, "unallocated")]
)
def test_a_number_outside_that_is_not_reached_sends_the_caller_back_to_the_queue(
    theatre: Theatre, number: str, cause: str
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to {number}\n55 pulse beats")
        (call,) = theatre.conductor.live
        assert call.phase is Phase.QUEUED
        await theatre.play("1 bob wraps up\n4 bob answers\n20 caller hangs up")

    told = perform(theatre, scene)
    call, (outside,) = found(theatre)
    # who gave it away wraps up, and would not hear of it otherwise
    assert told == [
        {"kind": "transfer-came-back", "call_id": public_id("call", call.call_id), "reason": cause}
    ]
    assert (call.cause, outside.cause) == ("caller-hung-up", cause)
    assert theatre.usages_of(outside.call_id) == []
    assert len(theatre.usages_of(call.call_id)) == 1
    assert theatre.dials_say() == [cause]
    assert parts(theatre) == ["1001 transferred", "outside not-there", "1001 ended"]


def test_an_agent_asks_outside_swaps_and_all_three_talk(theatre: Theatre) -> None:
    seen: list[dict[str, str | None]] = []

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks {PARTNER}\n22 pulse beats")
        seen.append(await there(theatre))
        for deed in ("swaps", "swaps", "merges"):
            await theatre.play(f"1 bob {deed}")
            seen.append(await there(theatre))
        await theatre.play("2 bob drops\n3 pulse beats")
        seen.append(await there(theatre))
        assert in_hand(theatre) == "talking"
        await theatre.play("4 caller hangs up")

    assert perform(theatre, scene) == []
    private = {"caller": "call", "bob": "side", "outside": "side"}
    assert seen == [
        private,
        {"caller": "call", "bob": "call", "outside": "side"},
        private,
        {"caller": "call", "bob": "call", "outside": "call"},
        {"caller": "call", "bob": "call"},
    ]
    call, (outside,) = found(theatre)
    assert (call.cause, outside.cause) == ("caller-hung-up", "agent-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, outside)] == [1, 1]
    assert parts(theatre) == ["1001 ended", "outside asked-only"]


@pytest.mark.parametrize("before", ["", "3 bob swaps", "3 bob merges"])
@pytest.mark.parametrize("leaves", ["bob leaves", "bob hangs up"])
def test_who_asked_outside_may_leave_and_the_two_others_stay(
    theatre: Theatre, before: str, leaves: str
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks {PARTNER}\n22 pulse beats\n{before}\n24 {leaves}")
        await theatre.play("1 pulse beats")
        assert await there(theatre) == {"caller": "call", "outside": "call"}
        await theatre.play("2 outsider hangs up")

    perform(theatre, scene)
    assert parts(theatre) == ["1001 left", "outside ended"]
    assert found(theatre)[0].cause == "outside-hung-up"


@pytest.mark.parametrize(
    ("number", "reason"), [(BUSY, "busy"), (RINGS_OUT, "no-answer"), (NOBODY, "unallocated")]
)
def test_a_number_outside_that_is_not_reached_is_told_to_who_asks(
    theatre: Theatre, number: str, reason: str
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks {number}\n55 pulse beats")
        assert await there(theatre) == {"caller": "call", "bob": "call"}
        await theatre.play("1 caller hangs up")

    assert perform(theatre, scene) == [{"kind": "transfer-refused", "reason": reason}]
    assert theatre.dials_say() == [reason]


def test_with_a_number_outside_in_it_nothing_is_recorded(theatre: Theatre) -> None:
    """Whoever picked up there was not told that the call is recorded."""

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks {PARTNER}\n22 pulse beats")
        assert theatre.announced() == []
        await theatre.play("1 bob merges\n2 pulse beats")
        assert theatre.announced() == ["RecordingCaptured"]
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    with theatre.gate.open(theatre.scope) as session:
        call, _ = found(theatre)
        story = calls.timeline(session, tenant_id=theatre.company.tenant_id, call_id=call.call_id)
    assert [step.kind for step in story].count("recording-stopped") == 1


def test_a_caller_who_hangs_up_while_it_rings_ends_that_as_well(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to {RINGS_OUT}\n22 caller hangs up\n23 pulse beats")
        assert await theatre.sim.switch.live_channels() == ()

    perform(theatre, scene)
    assert theatre.dials_say() == ["cancelled"]


@pytest.mark.parametrize("what", ["transfers to", "asks"])
@pytest.mark.parametrize("when_s", [0.0, 0.5, 4.0])
def test_a_switchboard_killed_between_the_call_and_the_answer_calls_nobody_twice(
    theatre: Theatre, what: str, when_s: float
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 pulse beats")
        await theatre._act("bob", f"{what} {PARTNER}")
        if when_s:
            await theatre.play(f"{when_s} pulse beats")
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        await theatre.conductor.carry_out_orders()
        await theatre.play("3 pulse beats")
        outsiders = {"caller", "outside"} | ({"bob"} if what == "asks" else set())
        assert set(await there(theatre)) == outsiders
        await theatre.play("4 caller hangs up")
        assert await theatre.sim.switch.live_channels() == ()

    perform(theatre, scene)
    call, (outside,) = found(theatre)
    assert theatre.dials_say() == ["connected"]
    for one in (call, outside):
        assert one.ended_at is not None
        assert one.bridged_at is not None
        assert theatre.usages_of(one.call_id) == [one.talk_ms]


def test_an_order_that_comes_again_after_a_crash_places_no_second_call(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks {PARTNER}\n22 bob drops")
        (attempt,) = [one.offer_id for one in theatre.conductor.live[0].outsides]
        assert await theatre.conductor.dial(theatre.company.tenant_id, attempt) == "known"
        sim = theatre.sim
        await theatre.down(killed=True)
        await theatre.up(sim=sim)
        assert await theatre.conductor.dial(theatre.company.tenant_id, attempt) == "known"
        await theatre.play("1 caller hangs up")
        assert await theatre.conductor.dial(theatre.company.tenant_id, attempt) == "closed"

    perform(theatre, scene)
    assert len(found(theatre)[1]) == 1


def test_a_number_outside_that_hangs_up_while_nobody_listens_is_billed_to_the_proof(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob transfers to {PARTNER}\n25 pulse beats")
        sim, channel = theatre.sim, theatre.conductor.live[0].outsides[0].channel
        await theatre.down(killed=True)
        sim.far_end_hangs_up(channel)
        await sim.advance(8000)
        await theatre.up(sim=sim)
        await theatre.play("1 pulse beats")

    perform(theatre, scene)
    call, (outside,) = found(theatre)
    assert call.cause == outside.cause == "outside-hung-up"
    assert outside.talk_ms == 4000
    assert theatre.usages_of(outside.call_id) == [4000]


@pytest.mark.parametrize(("how", "left"), [("transfers to", 0), ("asks", 1)])
def test_a_number_outside_talks_no_longer_than_its_clearance_says(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch, how: str, left: int
) -> None:
    # a person who never stops talking
    monkeypatch.setattr(public, "lasts_ms", lambda _habit: 36_000_000)

    def short() -> None:
        with theatre.gate.open(theatre.scope) as session:
            tenant_id = theatre.company.tenant_id
            limits.change_caps(session, tenant_id=tenant_id, caps=Caps(longest_out=dt.timedelta(minutes=1)))

    async def scene() -> None:
        await asyncio.to_thread(short)
        beats = "\n".join(f"{second} pulse beats" for second in range(22, 92, 10))
        await theatre.play(f"{TALKS}\n20 bob {how} {PARTNER}\n{beats}")
        assert len(theatre.conductor.live) == left
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)
    _, (outside,) = found(theatre)
    assert outside.talk_ms is not None
    assert 60_000 <= outside.talk_ms <= 65_000


def test_calls_out_that_are_stopped_end_the_number_outside(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob asks {PARTNER}\n24 pulse beats")
        assert theatre.conductor.end_calls_out(theatre.company.tenant_id) == 1
        await theatre.play("1 pulse beats")
        assert await there(theatre) == {"caller": "call", "bob": "call"}
        await theatre.play("1 bob transfers to " + PARTNER[:-1] + "1\n3 pulse beats")
        assert await there(theatre) == {"caller": "call", "outside": "call"}
        assert theatre.conductor.end_calls_out(None) == 1
        await theatre.play("1 pulse beats")
        assert theatre.conductor.live == []

    perform(theatre, scene)
    assert found(theatre)[0].cause == "stopped"


@pytest.mark.parametrize("how", ["transfers to", "asks"])
def test_what_is_forbidden_after_it_was_cleared_is_told_with_the_reason(theatre: Theatre, how: str) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 pulse beats")
        agent = theatre.conductor.floor.agents[theatre.people["bob"].agent_id]
        assert agent.call_id is not None
        cleared = await asyncio.to_thread(
            theatre.clear_outside, agent.agent_id, agent.call_id, E164(PARTNER), is_given=how != "asks"
        )
        assert not isinstance(cleared, Refusal)

        def stop() -> None:
            with theatre.gate.open(theatre.scope) as session:
                stops.stop(
                    session,
                    tenant_id=theatre.company.tenant_id,
                    side=Side.COMPANY,
                    by=theatre.people["bob"].agent_id,
                )

        await asyncio.to_thread(stop)
        await theatre._order(
            OrderKind.DIAL, tenant_id=theatre.company.tenant_id, attempt_id=cleared.attempt_id
        )
        assert await there(theatre) == {"caller": "call", "bob": "call"}
        await theatre.play("1 caller hangs up")

    told = perform(theatre, scene)
    assert told == [{"kind": "transfer-refused", "reason": "stopped"}]
    assert theatre.dials_say() == ["expired"]


@pytest.mark.parametrize(
    ("to", "reason"), [(DIALLED, RefusalReason.OWN_NUMBER), (CALLER, RefusalReason.ON_THE_LINE)]
)
def test_neither_an_own_number_nor_the_caller_is_brought_in(
    theatre: Theatre, to: str, reason: RefusalReason
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 pulse beats")
        agent = theatre.conductor.floor.agents[theatre.people["bob"].agent_id]
        assert agent.call_id is not None
        found = await asyncio.to_thread(
            theatre.clear_outside, agent.agent_id, agent.call_id, E164(to), is_given=True
        )
        assert found == Refusal(reason)
        await theatre.play("1 caller hangs up")

    perform(theatre, scene)


def test_a_call_that_is_over_when_the_switchboard_hears_of_it_dials_nobody(theatre: Theatre) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 pulse beats")
        agent = theatre.conductor.floor.agents[theatre.people["bob"].agent_id]
        assert agent.call_id is not None
        call_id: CallId = agent.call_id
        cleared = await asyncio.to_thread(
            theatre.clear_outside, agent.agent_id, call_id, E164(PARTNER), is_given=True
        )
        assert not isinstance(cleared, Refusal)
        await theatre.play("1 caller hangs up")
        done = await theatre.conductor.dial(theatre.company.tenant_id, cleared.attempt_id)
        assert done == "no-agent"

    assert perform(theatre, scene) == [{"kind": "transfer-refused", "reason": "no-agent"}]


def test_back_to_the_entry_of_a_number_the_caller_waits_like_one_who_has_just_called(
    theatre: Theatre,
) -> None:
    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 bob sends back to {DIALLED}")
        (call,) = theatre.conductor.live
        assert call.phase is Phase.QUEUED
        (waiting,) = theatre.conductor.floor.waiting.values()
        assert not waiting.is_at_head
        assert in_hand(theatre) == "wrap_up"
        await theatre.play("5 bob wraps up\n8 bob answers\n20 caller hangs up")

    perform(theatre, scene)
    call, outside = found(theatre)
    assert outside == []
    assert parts(theatre) == ["1001 transferred", "1001 ended"]
    assert len(theatre.usages_of(call.call_id)) == 1
    assert "sent-back" in theatre.timeline()


def test_an_entry_that_is_closed_is_said_so_and_the_caller_stays(theatre: Theatre) -> None:
    keep(theatre, MORNINGS)  # until a minute past nine

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n70 bob sends back to {DIALLED}")
        assert await there(theatre) == {"caller": "call", "bob": "call"}
        await theatre.play("1 caller hangs up")

    assert perform(theatre, scene) == [{"kind": "transfer-refused", "reason": "entry-closed"}]


def test_a_number_of_nobodys_is_no_entry(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        (ours,) = numbers.all_of(session, tenant_id=theatre.company.tenant_id)

    async def scene() -> None:
        await theatre.play(f"{TALKS}\n20 pulse beats")
        await theatre.asks_for("bob", OrderKind.TRANSFER, number_id=theatre.company.queue_id)
        assert await there(theatre) == {"caller": "call", "bob": "call"}
        await theatre.play("1 caller hangs up")

    assert ours.number_id != theatre.company.queue_id
    perform(theatre, scene)
