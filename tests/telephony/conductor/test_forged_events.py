"""Events that cannot be: of unknown calls, of other legs, again, late, from the future. No bill changes."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable

import pytest
from sqlalchemy import text

from core import clock
from core.ids import OPERATOR, new_id
from core.phone import E164
from core.realtime import Realtime
from security import refusals
from security.gate import Scope
from telephony.conductor.hearing import CARRIER_REFUSES
from telephony.orders import OrderKind
from telephony.switch import port
from tenants import alarms, tampering
from tests.telephony.conductor.test_calls_out import PERSON
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre

pytestmark = pytest.mark.slow

HOURS = dt.timedelta(hours=10)
Forge = Callable[[Theatre], list[port.Event]]


def told(stage: Theatre) -> list[str]:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = alarms.page(session, tenant_id=OPERATOR, limit=10)
        return [str(one.details["why"]) for one in found if one.kind == "switch-odd-event"]


def legs(stage: Theatre) -> tuple[str, str]:
    call = stage.conductor.live[0]
    assert call.offer is not None
    return call.channel, call.offer.channel


def unknown(_stage: Theatre) -> list[port.Event]:
    now, channel = clock.now(), f"dial-{new_id()}"
    return [
        port.CalledAnswered(at=now, channel=channel),
        port.AgentAnswered(at=now, channel="agent-nobody"),
        port.Ended(at=now, channel="sim-77", cause=16),
        port.PlaybackFinished(at=now, channel="sim-77", playback="greeting-x"),
        port.RecordingDone(at=now, name="another/recording", seconds=3600, ok=True),
    ]


def another_leg(stage: Theatre) -> list[port.Event]:
    caller, agent = legs(stage)
    now = clock.now()
    return [
        port.AgentAnswered(at=now, channel=caller),
        port.CalledAnswered(at=now, channel=agent),
        port.Detected(at=now, channel=agent, is_machine=True),
    ]


def arrived_again(stage: Theatre) -> list[port.Event]:
    caller, _ = legs(stage)
    return [port.Arrived(at=clock.now(), channel=caller, dnis=DIALLED, ani=CALLER, trunk="trunk-1")]


def from_the_past(stage: Theatre) -> list[port.Event]:
    caller, agent = legs(stage)
    greeting = f"greeting-{stage.conductor.live[0].call_id}"
    return [
        port.AgentAnswered(at=START - HOURS, channel=agent),
        port.AgentRinging(at=START - HOURS, channel=agent),
        port.PlaybackFinished(at=START - HOURS, channel=caller, playback=greeting),
    ]


@pytest.mark.parametrize(
    ("forge", "what"),
    [
        (unknown, ["not-placed"]),
        (another_leg, ["another-leg"]),
        (arrived_again, ["arrived-twice"]),
        (from_the_past, []),
    ],
)
@pytest.mark.parametrize("way", ["in", "out"])
def test_what_cannot_be_changes_no_bill(theatre: Theatre, way: str, forge: Forge, what: list[str]) -> None:
    begins = "0 caller calls\n5 bob answers\n10 pulse beats"
    if way == "out":
        begins = f"0 dialler dials {PERSON}\n1.5 bob answers\n10 pulse beats"

    async def whole() -> None:
        await theatre.up()
        await theatre.play(begins)
        for event in forge(theatre):
            for _ in range(3):  # and again
                theatre.conductor.on_event(event)
        await theatre.settle()
        assert len(theatre.conductor.live) == 1
        await theatre.play("2 bob hangs up")
        await theatre.down()

    asyncio.run(whole())
    said = theatre.books_say()
    assert len(said) == 2
    assert said[0].endswith("agent-hung-up agent=1001")
    # as without them
    assert said[1].startswith("usage voice.inbound 4.61s" if way == "in" else "usage voice.outbound 11.01s")
    assert told(theatre) == what


def test_an_end_from_the_future_is_billed_to_now(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n5 bob answers\n10 pulse beats")
        caller, _ = legs(theatre)
        event = port.Ended(at=clock.now() + HOURS, channel=caller, cause=16)
        theatre.conductor.on_event(event)
        theatre.conductor.on_event(dataclasses.replace(event, at=START - HOURS))  # and once more, long before
        await theatre.settle()
        assert theatre.conductor.live == []
        await theatre.down()

    asyncio.run(whole())
    assert theatre.books_say()[1].startswith("usage voice.inbound 2.61s")
    assert told(theatre) == ["after-now"]


def test_a_carrier_that_refuses_our_password_is_one_alarm_and_the_dial_ends(
    theatre: Theatre, realtime: Realtime
) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 dialler dials {PERSON}")
        (call,) = theatre.conductor.live
        refused = port.Ended(at=clock.now(), channel=call.channel, cause=21, is_login_refused=True)
        for _ in range(3):  # and what is placed after it
            theatre.conductor.on_event(refused)
            await theatre.settle()
        assert theatre.conductor.live == []
        await theatre.down()

    asyncio.run(whole())
    assert rung(theatre, CARRIER_REFUSES) == 1
    assert counted(realtime) == {"carrier": 3}


def test_a_sealed_number_that_does_not_open_is_not_called_and_is_one_alarm(
    theatre: Theatre, realtime: Realtime
) -> None:
    company = theatre.company.tenant_id
    flipped = "set_byte(to_ct, length(to_ct) - 1, get_byte(to_ct, length(to_ct) - 1) # 1)"

    async def whole() -> None:
        await theatre.up()
        attempt_id = await asyncio.to_thread(theatre.clear, E164(PERSON), False)  # noqa: FBT003 - no machine is listened for
        with theatre.gate.open(Scope.system(company)) as session:
            session.execute(text(f"UPDATE app.outbound_dials SET to_ct = {flipped}"))
        await theatre._order(OrderKind.DIAL, tenant_id=company, attempt_id=attempt_id)
        await theatre.settle()
        assert theatre.conductor.live == []
        await theatre.down()

    asyncio.run(whole())
    assert theatre.dials_say() == ["failed"]
    assert counted(realtime) == {"seal": 1}
    with theatre.gate.open(Scope.system(company)) as session:
        rung = alarms.page(session, tenant_id=company, limit=10)
        assert [(one.kind, one.times) for one in rung] == [(tampering.SEAL, 1)]


def test_a_phone_that_dials_by_itself_reaches_nobody_and_is_counted(
    theatre: Theatre, realtime: Realtime
) -> None:
    async def whole() -> None:
        await theatre.up()
        dial = port.DialRequested(at=clock.now(), channel="phone-1", endpoint="agent-1001", digits="0900123")
        theatre.conductor.on_event(dial)
        await theatre.settle()
        assert theatre.conductor.live == []
        await theatre.down()

    asyncio.run(whole())
    assert counted(realtime) == {"phone-dials": 1}


def rung(stage: Theatre, kind: str) -> int:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = alarms.page(session, tenant_id=OPERATOR, limit=10)
        return sum(one.times for one in found if one.kind == kind)


def counted(realtime: Realtime) -> dict[str, int]:
    hour = refusals.hour_of(clock.now())
    return {one.kind: one.times for one in refusals.counted(realtime.redis, hour=hour)}
