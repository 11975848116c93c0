"""A call through Asterisk that one agent gives to another, and one about which an agent is asked first."""

import time

import pytest
from playwright.async_api import Browser, Page

from bench import call
from bench.call import AGENT_HZ, CALLER_HZ, PLANS
from core.clock import elapsed_ms
from core.ids import CallId, parse
from security.gate import Scope
from telephony import calls, recording
from telephony.calls import Leg
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import the_call

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN = PLANS[0]
_STAGE = "() => window.seatline.state().server?.call?.consult?.stage === '{}'"
_VIEW = "() => window.seatline.state().view === '{}'"
_UP = "() => window.seatline.stats().then((one) => !!one)"


async def hears_an_agent(phone: Phone, *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while tones.seconds(await phone.listen(1.5), AGENT_HZ) < 1.0:
        assert time.monotonic() < deadline, "the caller does not hear an agent"


async def hears_no_agent(phone: Phone, *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while tones.seconds(await phone.listen(1.5), AGENT_HZ) > 0.2:
        assert time.monotonic() < deadline, "the caller hears the agents"


async def answered(page: Page, who: str) -> None:
    await call.until(page, _VIEW.format("ringing"), what=f"{who} rings")
    await page.keyboard.press("a")
    await call.until(page, _VIEW.format("on-call"), what=f"{who} talks")


def legs(running: Running, call_id: CallId) -> list[Leg]:
    made = the_call(running, call_id)
    with running.stand.house.gate.open(Scope.system(made.tenant_id)) as session:
        return calls.legs(session, tenant_id=made.tenant_id, call_id=call_id)


def parts(running: Running, call_id: CallId) -> list[tuple[int | None, str]]:
    return [(leg.agent_number, leg.how.value if leg.how else "") for leg in legs(running, call_id)]


def talked_ms(running: Running, call_id: CallId) -> int:
    """Return how long the caller had an agent: each for a second and a half at least (`hears_an_agent`)."""
    return sum(elapsed_ms(leg.joined_at, leg.left_at) for leg in legs(running, call_id) if leg.left_at)


def test_an_agent_asks_a_colleague_reloads_and_hands_the_caller_over(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await answered(bob.page, "bob")
            shown = await bob.page.evaluate("() => window.seatline.state().server.call.call_id")
            seen["call"] = CallId(parse("call", shown))
            await hears_an_agent(phone)
            mara = await call.sit_down(chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN))
            try:
                await bob.page.keyboard.press("t")
                await bob.page.locator("#give-find").fill("1002")
                await bob.page.locator("#give-list [data-ask]:not([disabled])").wait_for()
                await bob.page.keyboard.press("ArrowDown")
                await bob.page.keyboard.press("Enter")
                await answered(mara.page, "mara")
                await call.until(bob.page, _STAGE.format("private"), what="the two agents talk")
                await hears_no_agent(phone)
                await bob.page.reload()
                await call.until(bob.page, _STAGE.format("private"), what="bob's page knows of it again")
                await call.until(bob.page, _UP, what="bob's voice is back", patience_s=40)
                await hears_no_agent(phone)
                await bob.page.keyboard.press("j")
                await call.until(mara.page, _STAGE.format("together"), what="all three talk")
                await hears_an_agent(phone)
                await bob.page.keyboard.press("l")
                await call.until(bob.page, _VIEW.format("wrap-up"), what="bob wraps up")
                await hears_an_agent(phone)
                await phone.hang_up()
                await call.until(mara.page, _VIEW.format("wrap-up"), what="mara wraps up")
            finally:
                await call.leave(mara)
                await call.leave(bob)

    in_browser(story)
    call_id = seen["call"]
    wait_for(lambda: the_call(running, call_id).ended_at, what="its end")
    done = the_call(running, call_id)
    assert (done.agent_number, done.cause) == (1002, "caller-hung-up")
    assert parts(running, call_id) == [(1001, "left"), (1002, "ended")]


def test_a_call_given_to_a_colleague_rings_there_and_is_one_call(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await answered(bob.page, "bob")
            shown = await bob.page.evaluate("() => window.seatline.state().server.call.call_id")
            seen["call"] = CallId(parse("call", shown))
            await hears_an_agent(phone)
            mara = await call.sit_down(chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN))
            try:
                await bob.page.keyboard.press("t")
                await bob.page.locator("#give-find").fill("1002")
                await bob.page.locator("#give-list [data-give]:not([disabled])").wait_for()
                await bob.page.keyboard.press("Enter")
                await call.until(bob.page, _VIEW.format("wrap-up"), what="bob wraps up")
                await answered(mara.page, "mara")
                await hears_an_agent(phone)
                await phone.hang_up()
                await call.until(mara.page, _VIEW.format("wrap-up"), what="mara wraps up")
            finally:
                await call.leave(mara)
                await call.leave(bob)

    in_browser(story)
    call_id = seen["call"]
    wait_for(lambda: the_call(running, call_id).ended_at, what="its end")
    assert the_call(running, call_id).agent_number == 1002
    wait_for(lambda: the_call(running, call_id).recording_state == "sealed", what="the recording")
    done = the_call(running, call_id)
    with running.stand.house.gate.open(Scope.system(done.tenant_id)) as session:
        kept = recording.of_call(session, tenant_id=done.tenant_id, call_id=call_id)
    assert kept.duration_ms is not None
    # how long the caller waited between the two depends on the machine, and is on no recording
    assert kept.duration_ms > talked_ms(running, call_id) - 1000, "the second agent was not recorded"
    assert parts(running, call_id) == [(1001, "transferred"), (1002, "ended")]
