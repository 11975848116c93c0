"""An agent hangs up, and the caller who stays rates the call by a key, on a real switch."""

import asyncio
import dataclasses
from uuid import UUID

import pytest
from playwright.async_api import Browser

from bench import call
from bench.call import AGENT_HZ, CALLER_HZ, PLANS
from core.clock import elapsed_ms
from core.ids import CallId, parse
from security.gate import Scope
from telephony import calls, queues
from tests.phones import tones
from tests.phones.sip import open_phone
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import tenant, the_call
from tests.walks.test_flows import hears_a_voice, reload

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PELICAN = PLANS[0]


def asks(running: Running, percent: int) -> None:
    """Let the company's queues ask so many of a hundred callers."""
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        for one in queues.all_of(session, tenant_id=tenant(running)):
            settings = dataclasses.replace(one.settings, survey_percent=percent)
            queues.change(
                session,
                tenant_id=one.tenant_id,
                queue_id=one.queue_id,
                revision=one.revision,
                settings=settings,
            )
    reload(running)


def test_the_caller_rates_while_the_agent_wraps_up_and_pays_for_none_of_it(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, object] = {}
    asks(running, 100)

    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        try:
            async with open_phone(
                PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
            ) as phone:
                assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
                await call.until(bob.page, "() => window.seatline.state().view === 'ringing'", what="rings")
                await bob.page.keyboard.press("a")
                await call.until(bob.page, "() => window.seatline.state().view === 'on-call'", what="talks")
                shown = await bob.page.evaluate("() => window.seatline.state().server.call.call_id")
                call_id = seen["call"] = CallId(parse("call", shown))
                heard = await call.talk(running.stand, PELICAN, phone, call_id)
                assert tones.seconds(heard, AGENT_HZ) > 1
                await bob.page.evaluate("() => document.activeElement.blur()")
                await bob.page.keyboard.press("h")
                await call.until(
                    bob.page, "() => window.seatline.state().view === 'wrap-up'", what="the agent wraps up"
                )
                await hears_a_voice(phone)
                assert tones.share(await phone.listen(1.0), AGENT_HZ) < 0.5
                # the agent has done with it before the caller has answered
                await bob.page.locator("#dispositions input").first.check()
                await bob.page.keyboard.press("Control+Enter")
                await call.until(bob.page, "() => window.seatline.state().view === 'idle'", what="idle")
                assert the_call(running, call_id).ended_at is None
                phone.press("4")
                async with asyncio.timeout(20):  # thanked, and hung up on
                    await phone.down.wait()
        finally:
            await call.leave(bob)

    try:
        in_browser(story)
    finally:
        asks(running, 0)
    made = seen["call"]
    assert isinstance(made, UUID)
    wait_for(lambda: the_call(running, made).ended_at, what="its end")
    done = the_call(running, made)
    assert (done.survey_most, done.survey_rating, done.cause) == (5, 4, "agent-hung-up")
    assert done.disposition is not None
    assert done.bridged_at
    assert done.talk_ended_at
    assert done.ended_at
    assert done.talk_ms == elapsed_ms(done.bridged_at, done.talk_ended_at)
    assert elapsed_ms(done.talk_ended_at, done.ended_at) > 1_000
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        told = [one.kind for one in calls.timeline(session, tenant_id=tenant_id, call_id=done.call_id)]
    assert told[-3:] == ["agent-gone", "survey-answered", "survey-ended"]
    wait_for(lambda: the_call(running, made).recording_state == "sealed", what="its recording is sealed")
    # of the question and the answer nothing is in it
    assert abs((the_call(running, made).recording_ms or 0) - done.talk_ms) < 1_500
