"""A caller given to a number outside, or asked about one: console, gate, Asterisk, a made-up network."""

import asyncio
import os
import signal
import time
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page
from sqlalchemy import text

from bench import call
from bench.call import CALLER_HZ
from billing import invoices
from core.ids import CallId, parse
from security.gate import Scope
from telephony import calls
from telephony.calls import Call
from telephony.outbound import limits
from telephony.outbound.limits import Rules
from tests.phones import tones
from tests.phones.public import Public
from tests.phones.sip import Phone, open_phone, wav
from tests.phones.sip import decode as linear
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import PELICAN, outcome, public, tenant, the_call
from tests.walks.test_transfer import _STAGE, _VIEW, answered, hears_an_agent, hears_no_agent

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

PARTNER, OTHER = "+447700900140", "+447700900141"


def is_heard_at(network: Public, number: str) -> float:
    """Return for how many of the last second's the caller's tone came to a number outside."""
    media = network.heard.get(number)
    late = [data for at, data in media.heard if at > time.monotonic() - 1.0] if media else []
    return tones.seconds(wav(linear(b"".join(late))), CALLER_HZ) if late else 0.0


async def reaches(network: Public, number: str, *, is_heard: bool = True, within_s: float = 20) -> None:
    """Wait until the caller's tone is heard at the number outside, or is not any more."""
    deadline = time.monotonic() + within_s
    while (is_heard_at(network, number) < 0.5) if is_heard else (is_heard_at(network, number) > 0.1):
        assert time.monotonic() < deadline, f"heard at the number outside: {not is_heard}"
        await asyncio.sleep(0.5)


async def types(page: Page, number: str) -> None:
    """Open the panel and type a number; it stands in the list as it was understood."""
    await page.keyboard.press("t")
    await page.locator("#give-find").fill(number)
    await page.locator("#give-list li", has_text="+44 7700").first.wait_for()


def at_any_hour(running: Running) -> None:
    """Let the company call out at any hour: this test runs at all of them."""
    tenant_id = tenant(running)
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        now = limits.rules(session, tenant_id=tenant_id, home="GB")
        wanted = Rules(countries=now.countries, prefixes=now.prefixes, hours=None, revision=now.revision)
        if now != wanted:
            limits.change_rules(session, tenant_id=tenant_id, rules=wanted)


def outside_of(running: Running, call_id: CallId) -> Call:
    """Return the call out that is part of a call."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        every = calls.page(session, tenant_id=tenant_id, vault=house.vault).calls
    (found,) = (one for one in every if one.part_of == call_id)
    return found


def attempt_in(running: Running, call_id: CallId) -> UUID:
    """Return the dial of the number that was brought into a call; its row stands before it is dialled."""
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        found: UUID = session.execute(
            text("SELECT attempt_id FROM app.outbound_dials WHERE part_of = :call"), {"call": call_id}
        ).scalar_one()
        return found


def billed(running: Running, call_id: CallId) -> list[tuple[str, int | None]]:
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        traces = invoices.trace(session, tenant_id=tenant(running), subject_ref=call_id)
    return [(trace.meter, trace.quantity_ms) for trace in traces]


async def calls_in(phone: Phone, page: Page) -> CallId:
    assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
    await answered(page, "bob")
    shown = await page.evaluate("() => window.seatline.state().server.call.call_id")
    await hears_an_agent(phone)
    return CallId(parse("call", shown))


def test_an_agent_asks_outside_merges_and_leaves_the_two_together(
    running: Running, in_browser: InBrowser
) -> None:
    at_any_hour(running)
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        async with public(running) as network:
            bob = await call.sit_down(chrome, running.stand, PELICAN)
            try:
                async with open_phone(
                    PELICAN.address,
                    PELICAN.caller.removeprefix("+"),
                    server=running.stand.sip,
                    tone_hz=CALLER_HZ,
                ) as phone:
                    seen["call"] = await calls_in(phone, bob.page)
                    await types(bob.page, "07700 900140")
                    await bob.page.keyboard.press("ArrowDown")
                    await bob.page.keyboard.press("Enter")
                    await call.until(bob.page, _STAGE.format("private"), what="bob talks outside")
                    await hears_no_agent(phone)
                    await reaches(network, PARTNER, is_heard=False)
                    await bob.page.keyboard.press("j")
                    await call.until(bob.page, _STAGE.format("together"), what="all three talk")
                    await hears_an_agent(phone)
                    await reaches(network, PARTNER)
                    await bob.page.keyboard.press("l")
                    await call.until(bob.page, _VIEW.format("wrap-up"), what="bob wraps up")
                    await hears_no_agent(phone)
                    await reaches(network, PARTNER)
                    await phone.hang_up()
                    assert network.calls[PARTNER] == 1
            finally:
                await call.leave(bob)

    in_browser(story)
    made = seen["call"]
    wait_for(lambda: the_call(running, made).ended_at, what="its end")
    wait_for(lambda: outside_of(running, made).ended_at, what="the end of the part outside")
    outside = outside_of(running, made)
    assert (the_call(running, made).cause, outside.cause) == ("caller-hung-up", "caller-hung-up")
    assert outside.dialled == PELICAN.dialled
    for one, meter in ((the_call(running, made), "voice.inbound"), (outside, "voice.outbound")):
        assert billed(running, one.call_id) == [(meter, one.talk_ms)]


def test_a_call_given_to_a_number_that_is_busy_comes_back_and_its_giver_is_told(
    running: Running, in_browser: InBrowser
) -> None:
    at_any_hour(running)
    busy = "+447700900145"
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        async with public(running) as network:
            bob = await call.sit_down(chrome, running.stand, PELICAN)
            try:
                async with open_phone(
                    PELICAN.address,
                    PELICAN.caller.removeprefix("+"),
                    server=running.stand.sip,
                    tone_hz=CALLER_HZ,
                ) as phone:
                    seen["call"] = await calls_in(phone, bob.page)
                    await types(bob.page, busy)
                    await bob.page.keyboard.press("Enter")
                    told = bob.page.locator("#came-back-word")
                    await told.wait_for()
                    assert "They are on another call." in await told.inner_text()
                    assert network.calls[busy] == 1
                    await bob.page.reload()  # it is the server that knows
                    await told.wait_for()
                    await bob.page.locator("#dispositions input").first.check()
                    await bob.page.keyboard.press("Control+Enter")
                    await answered(bob.page, "bob")  # nobody else is there: the caller was not lost
                    await hears_an_agent(phone)
                    await phone.hang_up()
            finally:
                await call.leave(bob)

    in_browser(story)
    made = seen["call"]
    wait_for(lambda: the_call(running, made).ended_at, what="its end")
    assert (the_call(running, made).cause, outside_of(running, made).cause) == ("caller-hung-up", "busy")


def test_a_switchboard_killed_before_the_answer_outside_loses_no_caller_and_calls_nobody_twice(
    running: Running, in_browser: InBrowser
) -> None:
    """Who picks up while the switchboard is away may be let go by Asterisk; the caller then waits again."""
    at_any_hour(running)
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        async with public(running) as network:
            bob = await call.sit_down(chrome, running.stand, PELICAN)
            try:
                async with open_phone(
                    PELICAN.address,
                    PELICAN.caller.removeprefix("+"),
                    server=running.stand.sip,
                    tone_hz=CALLER_HZ,
                ) as phone:
                    seen["call"] = await calls_in(phone, bob.page)
                    await types(bob.page, OTHER)
                    await bob.page.keyboard.press("Enter")
                    deadline = time.monotonic() + 20
                    while not network.calls[OTHER]:
                        assert time.monotonic() < deadline, "the number outside is not called"
                        await asyncio.sleep(0.02)
                    os.kill(running.pid_of("switchboard"), signal.SIGKILL)  # it rings for a second
                    attempt = attempt_in(running, seen["call"])
                    deadline = time.monotonic() + 60
                    while outcome(running, attempt) is None and is_heard_at(network, OTHER) < 0.5:
                        assert time.monotonic() < deadline, "neither connected nor given up"
                        await asyncio.sleep(0.2)
                    assert not phone.down.is_set(), "the caller was lost"
                    assert network.calls[OTHER] == 1
                    await phone.hang_up()
            finally:
                await call.leave(bob)

    in_browser(story)
    made = seen["call"]
    wait_for(lambda: the_call(running, made).ended_at, what="its end")
    wait_for(lambda: outside_of(running, made).ended_at, what="the end of the part outside")
    outside = outside_of(running, made)
    assert [meter for meter, _ in billed(running, made)] == ["voice.inbound"]
    wanted = [("voice.outbound", outside.talk_ms)] if outside.picked_up_at else []
    assert billed(running, outside.call_id) == wanted
