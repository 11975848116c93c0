"""A second tab takes the phone while a call is up: the caller goes on hearing the agent."""

import asyncio
import time

import pytest
from playwright.async_api import Browser, Page, WebSocketRoute

from bench import call
from bench.call import AGENT_HZ, CALLER_HZ
from core.ids import CallId
from tests.phones import tones
from tests.phones.sip import Phone
from tests.walks.conftest import InBrowser, Running
from tests.walks.test_faults import ended, hears_agent, on_timeline, talking, until_true

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.timeout(240)]

LONGEST_GAP_S = 1.0
SLOW_S = 5.0  # a phone may be registered no more for two seconds before its caller is parked
_ACTIVE = "() => window.seatline.state().active"
_ON_CALL = "() => window.seatline.state().view === 'on-call'"
_PASSIVE = "() => window.seatline.state().view === 'passive'"
_SILENT = "() => document.getElementById('far').srcObject === null"
# the pitch of what the page plays, in hertz; 0 when it plays nothing
_PITCH = """async () => {
  const stream = document.getElementById('far').srcObject;
  if (!stream) return 0;
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, {fftSize: 8192});
  context.createMediaStreamSource(stream).connect(analyser);
  const levels = new Float32Array(analyser.frequencyBinCount);
  await new Promise((resolve) => setTimeout(resolve, 400));
  analyser.getFloatFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  await context.close();
  return levels[loudest] > -60 ? loudest * context.sampleRate / analyser.fftSize : 0;
}"""


async def second_tab(seat: call.Seated) -> Page:
    page = await seat.context.new_page()
    await page.goto(seat.page.url)
    await call.until(page, _PASSIVE, what="the second tab is passive")
    return page


async def hears_caller(page: Page) -> None:
    """Wait until this tab plays the caller's tone."""
    deadline = time.monotonic() + 20.0
    while abs((pitch := await page.evaluate(_PITCH)) - CALLER_HZ) > 15:
        assert time.monotonic() < deadline, f"the tab plays {pitch:.0f} Hz"
        await asyncio.sleep(0.1)


def unheard_s(phone: Phone, since: float) -> float:
    """Return for how long since then the caller has not heard the agent."""
    now = time.monotonic()
    return now - since - tones.seconds(phone.heard(since=since, until=now), AGENT_HZ)


async def moves(running: Running, pages: tuple[Page, Page], held: tuple[Phone, CallId], times: int) -> None:
    """Take the phone over from the first tab in the second, and see the call move without a gap."""
    (page, other), (phone, call_id) = pages, held
    began = time.monotonic()
    await other.click("#take-over")
    await call.until(page, _PASSIVE, what="the first tab is passive")
    await until_true(
        lambda: on_timeline(running, call_id).count("rejoined") == times, what="moved", patience_s=30
    )
    await call.until(other, _ON_CALL, what="the call is in the other tab")
    await hears_caller(other)
    await call.until(page, _SILENT, what="the first tab lets the call go")
    await hears_agent(phone)
    gap_s = unheard_s(phone, began)
    assert gap_s < LONGEST_GAP_S, f"the caller did not hear the agent for {gap_s:.1f} s"


def test_a_call_moves_to_the_tab_that_takes_the_phone(running: Running, in_browser: InBrowser) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, seat, call_id):
            first, second = seat.page, await second_tab(seat)
            await hears_caller(first)
            await moves(running, (first, second), (phone, call_id), 1)
            await moves(running, (second, first), (phone, call_id), 2)
            steps = on_timeline(running, call_id)
            assert "leg-lost" not in steps
            await first.evaluate("() => document.activeElement.blur()")
            await first.keyboard.press("h")
            await call.until(first, "() => window.seatline.state().view === 'wrap-up'", what="wrap-up")
            found = await ended(running, call_id)
            assert found.cause == "agent-hung-up"
            assert on_timeline(running, call_id)[-1] == "agent-gone"
            await second.close()

    in_browser(walk)


def test_a_tab_that_takes_long_to_register_costs_the_caller_nothing(
    running: Running, in_browser: InBrowser
) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, seat, call_id):
            second = await second_tab(seat)

            async def slowly(route: WebSocketRoute) -> None:
                await asyncio.sleep(SLOW_S)
                route.connect_to_server()

            await second.route_web_socket(lambda _: True, slowly)
            await hears_caller(seat.page)
            await moves(running, (seat.page, second), (phone, call_id), 1)
            assert "leg-lost" not in on_timeline(running, call_id)
            await second.close()
            await seat.page.click("#take-over")

    in_browser(walk)


def test_an_agent_who_is_muted_stays_so_in_the_other_tab(running: Running, in_browser: InBrowser) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, seat, call_id):
            second = await second_tab(seat)
            await seat.page.keyboard.press("m")
            await call.until(seat.page, "() => window.seatline.state().muted", what="muted")
            await asyncio.sleep(0.5)  # what was said before is still on its way
            muted_at = time.monotonic()
            await second.click("#take-over")
            await hears_caller(second)
            assert await second.evaluate("() => window.seatline.state().muted")
            assert tones.seconds(phone.heard(since=muted_at), AGENT_HZ) == 0
            await second.keyboard.press("m")
            await hears_agent(phone)
            await call.until(seat.page, _SILENT, what="the first tab lets the call go")
            assert "rejoined" in on_timeline(running, call_id)
            await second.close()
            await seat.page.click("#take-over")

    in_browser(walk)


def test_a_tab_that_still_has_the_voice_takes_the_phone_back_when_the_other_is_closed(
    running: Running, in_browser: InBrowser
) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, seat, call_id):
            first, second = seat.page, await second_tab(seat)
            await second.route("**/rejoin", lambda route: route.abort())
            began = time.monotonic()
            await second.click("#take-over")
            await call.until(first, _PASSIVE, what="the first tab is passive")
            await call.until(second, _ON_CALL, what="the second shows the call")
            await hears_caller(first)
            await second.close()
            await call.until(first, f"() => ({_ACTIVE})() && window.seatline.state().registered", what="back")
            await hears_caller(first)
            await hears_agent(phone)
            assert unheard_s(phone, began) < LONGEST_GAP_S
            assert "rejoined" not in on_timeline(running, call_id)
            await first.keyboard.press("h")
            await call.until(first, "() => window.seatline.state().view === 'wrap-up'", what="wrap-up")
            assert (await ended(running, call_id)).cause == "agent-hung-up"

    in_browser(walk)
