"""What stands still is moved on: each phase of a call has somebody or something that ends it."""

import asyncio
import datetime as dt
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from core.ids import AgentId, CallId, NumberId, OfferId, QueueId, TenantId, new_id
from telephony.calls import INBOUND, OUTBOUND, Arrival, Stage
from telephony.conductor import outgoing, watchdog
from telephony.conductor.actions import Connect
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Consult, Dial, Offer, Outside
from telephony.conductor.phases import Phase
from telephony.conductor.watchdog import overdue
from telephony.switch import port
from telephony.switch.port import SwitchError
from tests.telephony.conductor.theatre import Theatre

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
_OUT = {Phase.DIALLING, Phase.RINGING, Phase.DETECTING, Phase.SEEKING, Phase.APOLOGISING}


def offer() -> Offer:
    offer_id = OfferId(new_id())
    expires_at = AT + dt.timedelta(seconds=20)
    return Offer(offer_id, AgentId(new_id()), 1001, None, "A-1", "ep1001", f"agent-{offer_id}", expires_at)


def outside() -> Outside:
    offer_id = OfferId(new_id())
    return Outside(offer_id, f"dial-{offer_id}", dt.timedelta(hours=2), AT)


def standing(phase: Phase) -> LiveCall:
    leads_out = phase in _OUT
    arrival = Arrival(
        TenantId(new_id()),
        CallId(new_id()),
        NumberId(new_id()),
        "+442079460134",
        QueueId(new_id()),
        "+447700900123",
        AT,
        direction=OUTBOUND if leads_out else INBOUND,
    )
    mine = offer()
    dial = Dial(new_id(), None, detects_machines=True, offer=mine) if leads_out else None
    return LiveCall(arrival, "in-1", phase=phase, offer=mine, dial=dial, proven_at=AT)


def stands(call: LiveCall) -> tuple[Phase, Offer | None, Consult | None]:
    return call.phase, call.offer, call.consult


def test_every_phase_has_what_ends_it() -> None:
    groups = [
        set(watchdog.BY_MACHINES),
        set(watchdog.BY_RING),
        set(watchdog.BY_PEOPLE),
        set(watchdog.BY_THEMSELVES),
        {Phase.ENDED},
    ]
    assert set().union(*groups) == set(Phase)
    assert sum(map(len, groups)) == len(Phase)


@pytest.mark.parametrize("phase", sorted(watchdog.BY_MACHINES))
def test_a_call_that_waits_for_a_machine_is_moved_on_in_time_and_not_before(phase: Phase) -> None:
    call, (within, _) = standing(phase), watchdog.BY_MACHINES[phase]
    assert within <= 5 * MINUTE
    assert overdue(call, since=AT, now=AT + within - dt.timedelta(milliseconds=1)) is None
    due = overdue(call, since=AT, now=AT + within)
    assert due is not None
    actions = outgoing.step(call, due[0])
    is_tried_again = phase is Phase.ANNOUNCING and any(isinstance(one, Connect) for one in actions)
    assert call.phase is not phase or is_tried_again


def test_a_phone_that_never_stops_ringing_is_let_go() -> None:
    call = standing(Phase.OFFERED)
    assert call.offer is not None
    over = call.offer.expires_at + watchdog.AFTER_THE_RING
    assert overdue(call, since=AT, now=over - dt.timedelta(milliseconds=1)) is None
    due = overdue(call, since=AT, now=over)
    assert due is not None
    outgoing.step(call, due[0])
    assert stands(call) == (Phase.QUEUED, None, None)


@pytest.mark.parametrize("is_asked", [False, True], ids=["given", "asked"])
def test_a_number_outside_that_never_stops_ringing_is_let_go(
    is_asked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    call, number = standing(Phase.TALKING if is_asked else Phase.REACHING), outside()
    call.outsides.append(number)
    if is_asked:
        call.consult = Consult(number, Stage.RINGING)
    assert overdue(call, since=AT, now=AT + MINUTE) is None
    due = overdue(call, since=AT, now=AT + 3 * MINUTE)
    assert due is not None
    fact, leg = due
    assert leg == number.channel
    outgoing.step(call, fact)
    assert call.outside is None
    assert call.phase is (Phase.TALKING if is_asked else Phase.QUEUED)


def test_an_agent_who_is_asked_and_rings_for_ever_is_let_go() -> None:
    call, asked = standing(Phase.TALKING), offer()
    call.consult = Consult(asked, Stage.RINGING)
    due = overdue(call, since=AT, now=asked.expires_at + watchdog.AFTER_THE_RING)
    assert due is not None
    outgoing.step(call, due[0])
    assert stands(call) == (Phase.TALKING, call.offer, None)


@pytest.mark.parametrize("phase", sorted(watchdog.BY_PEOPLE | watchdog.BY_THEMSELVES))
def test_who_waits_for_people_waits(phase: Phase) -> None:
    assert overdue(standing(phase), since=AT, now=AT + 60 * MINUTE) is None


# --- on the stage -------------------------------------------------------------------------------


def lend_a_voice(theatre: Theatre, folder: Path) -> None:
    sound = folder / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))
    theatre.speak = lambda words, _language: sound if words else None


def looks(first: int, last: int, *, every: int = 1) -> str:
    return "".join(f"{second} routing looks again\n" for second in range(first, last, every))


def perform(theatre: Theatre, script: str) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(script)
        await theatre.down()

    asyncio.run(whole())


def playback_of(name: str) -> Callable[[port.Event], bool]:
    return lambda event: isinstance(event, port.PlaybackFinished) and event.playback.startswith(name)


@pytest.mark.slow
def test_a_greeting_whose_end_is_never_told_keeps_nobody_from_the_queue(
    theatre: Theatre, tmp_path: Path
) -> None:
    lend_a_voice(theatre, tmp_path)
    with theatre.gate.open(theatre.scope) as session:
        session.execute(text("UPDATE app.queues SET tells_callers = true"))
    theatre.hushes = playback_of("greeting-")
    script = "0 caller calls\n" + looks(1, 302, every=50) + "303 bob answers\n320 caller hangs up"
    perform(theatre, script)
    assert theatre.books_say()[0].split()[2:] == ["talk=15s", "caller-hung-up", "agent=1001"]


@pytest.mark.slow
def test_an_agents_number_whose_end_is_never_told_keeps_the_two_apart_no_longer(theatre: Theatre) -> None:
    theatre.hushes = playback_of("agent-")
    perform(theatre, "0 caller calls\n2.6 bob answers\n" + looks(3, 36) + "60 caller hangs up")
    (cdr, _) = theatre.books_say()
    assert cdr.endswith("caller-hung-up agent=1001")
    assert theatre.states("bob")[-2:] == ["talking", "wrap_up"]


@pytest.mark.slow
def test_two_who_could_not_be_joined_are_joined_in_the_end(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whole() -> None:
        await theatre.up()
        join, refused = theatre.sim.switch.join, list[str]()

        async def fails_once(bridge: str, channels: list[str]) -> None:
            if not refused:
                refused.append(bridge)
                raise SwitchError("no room", is_temporary=True)
            await join(bridge, channels)

        monkeypatch.setattr(theatre.sim.switch, "join", fails_once)
        await theatre.play("0 caller calls\n2.6 bob answers\n" + looks(3, 36))
        assert refused
        assert theatre.conductor.live[0].phase is Phase.TALKING
        await theatre.play("10 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert theatre.books_say()[0].endswith("caller-hung-up agent=1001")


@pytest.mark.slow
def test_an_answer_that_is_never_told_sends_the_caller_back_to_the_head(theatre: Theatre) -> None:
    theatre.hushes = lambda event: isinstance(event, port.AgentAnswered)

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers\n" + looks(3, 28))
        (call,) = theatre.conductor.live
        assert call.phase is Phase.QUEUED
        assert len(await theatre.sim.switch.live_channels()) == 1, "the agent's leg is let go"
        await theatre.play("1 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert theatre.states("bob")[-1] == "away:missed"


@pytest.mark.slow
def test_an_agents_end_that_is_never_told_ends_the_call_where_it_was_seen_last(theatre: Theatre) -> None:
    theatre.hushes = lambda event: isinstance(event, port.Ended) and event.channel.startswith("agent-")
    perform(
        theatre,
        """
        0   caller calls
        2.6 bob answers
        10  pulse beats
        15  bob hangs up
        20  pulse beats
        30  pulse beats
        """,
    )
    assert theatre.books_say() == [
        "cdr wait=5s talk=5s agent-hung-up agent=1001",
        "usage voice.inbound 5s rated 5 s = 4166667 nano",
    ]
    assert not theatre.conductor.live


@pytest.mark.slow
def test_nothing_is_presumed_while_the_switch_is_away(theatre: Theatre) -> None:
    theatre.hushes = playback_of("agent-")

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.6 bob answers")
        theatre.sim.drop_connection()
        await theatre.play(looks(1, 100, every=10))
        assert stands(theatre.conductor.live[0])[0] is Phase.ANNOUNCING
        theatre.sim.reconnect()
        await theatre.play("1 routing looks again")
        assert theatre.conductor.live[0].phase is Phase.TALKING
        await theatre.play("5 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
