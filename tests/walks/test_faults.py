"""Faults while a call is up: the call goes on, the part comes back, the books are whole."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import unquote, urlsplit

import psutil
import pytest
from playwright.async_api import Browser

from bench import call
from bench.call import AGENT_HZ, CALLER_HZ, PLANS, Seated
from core.ids import CallId, parse
from security.gate import Scope
from telephony import calls
from telephony.calls import Call, Filter
from telephony.switch.ari import lists
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.walks.conftest import InBrowser, Running

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.timeout(240)]

PELICAN = PLANS[0]
NORMAL_AFTER_S = 15.0


def newest(running: Running) -> Call | None:
    tenant_id = call.tenant_of(running.stand.house, PELICAN.dialled)
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        page = calls.page(
            session, tenant_id=tenant_id, vault=running.stand.house.vault, wanted=Filter(), limit=1
        )
    return page.calls[0] if page.calls else None


def count(running: Running) -> int:
    house = running.stand.house
    total = 0
    for plan in PLANS:
        tenant_id = call.tenant_of(house, plan.dialled)
        with house.gate.open(Scope.system(tenant_id)) as session:
            total += len(calls.page(session, tenant_id=tenant_id, vault=house.vault, limit=200).calls)
    return total


async def ended(running: Running, call_id: CallId) -> Call:
    """Return the call once its CDR stands."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(Exception):  # the database may be away
            tenant_id = call.tenant_of(running.stand.house, PELICAN.dialled)
            with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
                found = calls.get(
                    session, tenant_id=tenant_id, call_id=call_id, vault=running.stand.house.vault
                )
            if found.talk_ms is not None:
                return found
        assert time.monotonic() < deadline, "the CDR did not come"
        await asyncio.sleep(0.2)


def on_timeline(running: Running, call_id: CallId) -> list[str]:
    tenant_id = call.tenant_of(running.stand.house, PELICAN.dialled)
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        return [step.kind for step in calls.timeline(session, tenant_id=tenant_id, call_id=call_id)]


@contextlib.asynccontextmanager
async def talking(running: Running, chrome: Browser) -> AsyncIterator[tuple[Phone, Seated, CallId]]:
    """Give a call between a customer and bob that is up, and clean up after it."""
    seat = await call.sit_down(chrome, running.stand, PELICAN)
    try:
        async with caller(running) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await call.until(seat.page, "() => window.seatline.state().view === 'ringing'", what="ringing")
            await seat.page.keyboard.press("a")
            await hears_agent(phone)
            call_id = await seat.page.evaluate("() => window.seatline.state().server.call.call_id")
            yield phone, seat, CallId(parse("call", call_id))
    finally:
        await call.leave(seat)


def caller(running: Running) -> contextlib.AbstractAsyncContextManager[Phone]:
    return open_phone(
        PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
    )


async def hears_agent(phone: Phone, *, patience_s: float = 20.0) -> None:
    """Wait until the caller hears the agent; what was heard before does not count."""
    began = time.monotonic()
    deadline = began + patience_s
    while tones.seconds(phone.heard(since=max(began, time.monotonic() - 0.6)), AGENT_HZ) < 0.5:
        assert time.monotonic() < deadline, "the caller does not hear the agent"
        await asyncio.sleep(0.1)


async def until_true(condition: Callable[[], bool], *, what: str, patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


def kill(running: Running, process: str) -> int:
    pid = running.pid_of(process)
    os.kill(pid, signal.SIGKILL)
    return pid


async def came_back(running: Running, process: str, before: int) -> None:
    await until_true(
        lambda: running.pid_of(process) != before, what=f"{process} was not started again", patience_s=60
    )


def connections(running: Running) -> int:
    """Return how often the switchboard has found the switch and taken its calls over."""
    return running.place.log_of("switchboard").read_text(encoding="utf-8").count("switch-connected")


def bridges(running: Running) -> set[str]:
    """Return the names of the bridges that stand on the switch."""
    address = urlsplit(running.stand.house.settings.switch_url)
    (found,) = lists.read(
        f"ws://{address.hostname}:{address.port}/ari",
        ("bridges",),
        user=unquote(address.username or ""),
        password=unquote(address.password or ""),
    )
    return {one["id"] for one in found}


def answers(running: Running) -> bool:
    """Whether the database takes questions."""
    with contextlib.suppress(Exception):
        return bool(call.tenant_of(running.stand.house, PELICAN.dialled))
    return False


def test_an_unknown_number_is_refused_and_no_tenant_is_touched(running: Running) -> None:
    async def walk() -> int:
        async with caller(running) as phone:
            return await phone.call("448081579999")

    before = count(running)
    assert asyncio.run(walk()) == 404
    assert count(running) == before
    log = running.place.log_of("switchboard").read_text(encoding="utf-8")
    assert "unknown-number-dialled" in log
    assert "448081579999" not in log


def test_closing_the_browser_mid_ring_sends_the_caller_back_to_the_head(
    running: Running, in_browser: InBrowser
) -> None:
    async def walk(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        async with caller(running) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await call.until(bob.page, "() => window.seatline.state().view === 'ringing'", what="bob rings")
            await bob.context.close()
            mara = await call.sit_down(chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN))
            try:
                await call.until(
                    mara.page, "() => window.seatline.state().view === 'ringing'", what="mara rings"
                )
                await mara.page.keyboard.press("a")
                await hears_agent(phone)
                found = newest(running)
                assert found is not None
                await phone.hang_up()
                found = await ended(running, found.call_id)
                steps = on_timeline(running, found.call_id)
                assert steps.count("offered") == 2
                assert "offer-lost" in steps
                assert found.agent_number == 1002
            finally:
                await call.leave(mara)

    in_browser(walk)


def test_a_reload_mid_call_brings_the_agent_back_with_record_and_notes(
    running: Running, in_browser: InBrowser
) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, seat, call_id):
            page = seat.page
            await call.until(page, "() => window.seatline.state().server.call.recording", what="recording")
            await page.keyboard.press("r")
            await call.until(page, "() => window.seatline.state().server.call.paused", what="paused")
            await page.click("#pause")
            await call.until(
                page, "() => !window.seatline.state().server.call.paused", what="recording again"
            )
            await page.keyboard.press("k")
            for key in "5#":
                await page.click(f"[data-digit='{key}']")
            await until_true(lambda: phone.media.events_heard == ["5", "#"], what="the caller hears the keys")
            await page.fill("#notes", "Gate B")
            await call.until(
                page, "() => document.getElementById('notes-saved').textContent.includes(':')", what="kept"
            )
            page.on("dialog", lambda asked: asyncio.ensure_future(asked.accept()))
            await page.reload()
            await call.until(page, "() => window.seatline.state().view === 'on-call'", what="on the call")
            # the page shows the call before it has a voice in it, and what the old one said is still arriving
            await until_true(
                lambda: "rejoined" in on_timeline(running, call_id), what="rejoined", patience_s=30
            )
            await hears_agent(phone)
            assert await page.inner_text("#pop h1") == PELICAN.pops
            assert await page.input_value("#notes") == "Gate B"
            await page.evaluate("() => document.activeElement.blur()")
            await page.keyboard.press("h")
            await call.until(page, "() => window.seatline.state().view === 'wrap-up'", what="wrap-up")
            found = await ended(running, call_id)
            steps = on_timeline(running, found.call_id)
            assert steps.count("recording-paused") == 2
            assert "rejoined" in steps
            assert steps[-1] == "agent-gone"
            assert found.cause == "agent-hung-up"
            await page.locator("#dispositions input").first.check()
            await page.keyboard.press("Control+Enter")
            await call.until(page, "() => window.seatline.state().view === 'idle'", what="idle")

    in_browser(walk)


@pytest.mark.parametrize("part", ["postgres", "valkey", "switchboard"])
def test_a_call_outlives_a_killed_part_and_its_cdr_is_whole(
    running: Running, in_browser: InBrowser, part: str
) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, _, call_id):
            began, connected = time.monotonic(), connections(running)
            before = kill(running, part)
            await asyncio.sleep(2.0)
            await hears_agent(phone)
            await came_back(running, part, before)
            if part == "switchboard":  # until it stands again, nobody knows who hung up
                await until_true(
                    lambda: connections(running) > connected, what="calls taken over", patience_s=60
                )
            await until_true(lambda: answers(running), what="the database answers", patience_s=60)
            await hears_agent(phone)
            talked_ms = (time.monotonic() - began) * 1000
            await phone.hang_up()
            found = await ended(running, call_id)
            assert found.cause == "caller-hung-up"
            assert found.talk_ms is not None
            assert found.talk_ms > talked_ms - 500

    in_browser(walk)


def test_who_hangs_up_while_the_switchboard_is_away_leaves_no_bridge_on_the_switch(
    running: Running, in_browser: InBrowser
) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (phone, _, call_id):
            bridge = f"br-{call_id}"
            assert bridge in await asyncio.to_thread(bridges, running)
            connected = connections(running)
            (conducts,) = psutil.Process(running.pid_of("switchboard")).children()
            conducts.suspend()  # hears of nothing any more
            await phone.hang_up()
            before = kill(running, "switchboard")
            await came_back(running, "switchboard", before)
            await until_true(
                lambda: connections(running) > connected, what="the switchboard is back", patience_s=60
            )
            await ended(running, call_id)
            await until_true(lambda: bridge not in bridges(running), what="its bridge is closed")

    in_browser(walk)


def test_when_the_switch_dies_the_call_ends_at_its_last_proven_second(
    running: Running, in_browser: InBrowser
) -> None:
    async def walk(chrome: Browser) -> None:
        async with talking(running, chrome) as (_, seat, call_id):
            await asyncio.sleep(2.0)
            killed_at = time.time()
            before = kill(running, "asterisk")
            found = await ended(running, call_id)
            assert found.cause == "switch-lost"
            assert found.ended_at is not None
            assert found.ended_at.timestamp() <= killed_at
            assert found.bridged_at is not None
            assert found.ended_at >= found.bridged_at
            await came_back(running, "asterisk", before)
            async with caller(running) as again:
                deadline = killed_at + NORMAL_AFTER_S
                while await again.call(PELICAN.dialled.removeprefix("+")) != 200:
                    assert time.time() < deadline, "no new call within 15 s"
                    await asyncio.sleep(0.3)
                await call.until(
                    seat.page,
                    "() => window.seatline.state().view === 'ringing'",
                    what="a new call rings",
                    patience_s=max(1.0, deadline - time.time()),
                )
                await seat.page.keyboard.press("a")
                await hears_agent(again)
                await again.hang_up()

    in_browser(walk)
