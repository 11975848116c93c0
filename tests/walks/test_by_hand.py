"""An agent dials by hand through the whole product: field, gate, order, Asterisk, a made-up network."""

import asyncio
import datetime as dt
import time
from uuid import UUID

import pytest
from sqlalchemy import text

from bench import call
from bench.call import AGENT_HZ, Seated
from billing import invoices
from core import clock
from core.ids import OPERATOR, AgentId, CallId, new_id, parse
from core.phone import E164
from customers import callbacks, do_not_call
from security.gate import Scope
from telephony import calls, numbers
from tests.phones import tones
from tests.phones.public import Public
from tests.phones.sip import decode as linear
from tests.phones.sip import wav
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import PELICAN, ends, free, tenant, the_call, walk

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

INES, RINGS_OUT, BARRED = "+447700900123", "+447700900126", "+447700900122"


def promised(running: Running, number: str) -> None:
    """Let bob have promised a call for now: whatever the hour of this test, it may be made."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(OPERATOR)) as session:
        bob = session.execute(text("SELECT id FROM app.agents WHERE number = 1001")).scalar_one()
    with house.gate.open(Scope.system(tenant_id)) as session:
        line = next(
            one for one in numbers.all_of(session, tenant_id=tenant_id) if one.digits == PELICAN.dialled
        )
        call_id = CallId(new_id())
        arrival = calls.Arrival(
            tenant_id, call_id, line.number_id, line.digits, line.queue_id, number, clock.now()
        )
        calls.begin(session, arrival=arrival, customer_id=None, vault=house.vault)
        calls.finish(session, ending=calls.Ending(tenant_id, call_id, clock.now(), "caller-hung-up", ""))
        callbacks.promise(
            session,
            tenant_id=tenant_id,
            subject_ref=call_id,
            customer_id=None,
            agent_id=AgentId(bob),
            due_at=clock.now() + dt.timedelta(seconds=5),
        )


async def calls_back(seat: Seated) -> UUID:
    """Press the button of the one promise there is; return the call."""
    await seat.page.reload()
    await call.until(
        seat.page,
        "() => window.seatline && window.seatline.state().registered"
        " && window.seatline.state().view === 'idle'",
        what="back at the desk",
    )
    async with seat.page.expect_response("**/dial") as asked:
        await seat.page.click("[data-dial*='/callbacks/']")
    answer = await (await asked.value).json()
    assert "call_id" in answer, answer
    return parse("call", answer["call_id"])


async def keeps(seat: Seated) -> None:
    await seat.page.click("[data-kept]")
    await seat.page.wait_for_selector("[data-kept]", state="detached")


def test_an_agent_calls_back_talks_wraps_up_and_it_is_on_the_bill(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, object] = {}

    async def story(seat: Seated, network: Public) -> None:
        await asyncio.to_thread(promised, running, INES)
        seen["call"] = made = await calls_back(seat)
        await call.until(
            seat.page,
            "() => window.seatline.state().view === 'dialling'"
            " && document.getElementById('who')?.textContent === 'Ines Carvalho'",
            what="the record while it rings",
        )
        await call.until(
            seat.page, "() => window.seatline.state().view === 'on-call'", what="connected without a click"
        )
        deadline = time.monotonic() + 15
        while True:  # the agent's tone reaches the person who was called
            media = network.heard[INES]
            heard = wav(linear(b"".join(data for at, data in media.heard if at > time.monotonic() - 0.6)))
            if tones.seconds(heard, AGENT_HZ) >= 0.4:
                break
            assert time.monotonic() < deadline, "the called person does not hear the agent"
            await asyncio.sleep(0.1)
        await seat.page.evaluate("() => document.activeElement.blur()")
        await seat.page.keyboard.press("h")
        assert await ends(running, made) == "connected"
        await call.until(seat.page, "() => window.seatline.state().view === 'wrap-up'", what="wrapping up")
        await seat.page.keyboard.press("Escape")
        await seat.page.keyboard.press("1")
        await seat.page.keyboard.press("Control+Enter")
        await free(seat)
        await seat.page.wait_for_selector("[data-kept]", state="detached")  # the promise is kept
        seen["invites"] = dict(network.calls)

    walk(in_browser, running, story, rings_ms=5_000)  # long enough for the record, on any machine
    made = seen["call"]
    assert isinstance(made, UUID)
    done = the_call(running, made)
    assert (done.direction, done.agent_number, done.cause) == ("outbound", 1001, "agent-hung-up")
    assert done.disposition is not None
    assert done.recording_id is not None
    assert seen["invites"] == {INES: 1}
    house, tenant_id = running.stand.house, tenant(running)

    def rated() -> list[str]:
        with house.gate.open(Scope.system(tenant_id)) as session:
            return [one.meter for one in invoices.trace(session, tenant_id=tenant_id, subject_ref=made)]

    assert wait_for(rated, what="its usage") == ["voice.outbound"]


def test_an_agent_who_gives_up_ends_the_ringing(running: Running, in_browser: InBrowser) -> None:
    async def story(seat: Seated, network: Public) -> None:
        await asyncio.to_thread(promised, running, RINGS_OUT)
        made = await calls_back(seat)
        await call.until(
            seat.page,
            "() => document.getElementById('dial-word').textContent === 'It rings there'",
            what="told that it rings",
        )
        await seat.page.keyboard.press("h")
        assert await ends(running, made) == "cancelled"
        await free(seat)
        await keeps(seat)
        assert network.calls[RINGS_OUT] == 1

    walk(in_browser, running, story)


def test_a_refusal_is_a_sentence_and_nothing_is_dialled(running: Running, in_browser: InBrowser) -> None:
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        do_not_call.add(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            phone=E164(BARRED),
            source="asked-in-call",
            by=new_id(),
        )

    async def story(seat: Seated, network: Public) -> None:
        await seat.page.keyboard.press("c")
        await seat.page.keyboard.type("07700 900122")
        await seat.page.keyboard.press("Enter")
        await seat.page.wait_for_selector("#dial-error:not([hidden])")
        assert "do-not-call list" in await seat.page.inner_text("#dial-error")
        assert network.calls[BARRED] == 0

    walk(in_browser, running, story)
