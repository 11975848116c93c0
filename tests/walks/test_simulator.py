"""Where no Asterisk can be had: the simulator runs, says so on every page, and a call still goes through."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import call
from bench.call import PLANS
from launch.parts import chromium
from security.gate import Scope
from telephony import calls
from tests.walks.conftest import CHECKOUT, Running, started

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PELICAN = PLANS[0]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Running]:
    with started({"SWITCH_URL": "simulator:"}, is_simulated=True) as running:
        yield running


def test_a_simulated_call_is_offered_answered_rated_and_recorded(simulated: Running) -> None:
    async def walk() -> None:
        with tempfile.TemporaryDirectory(prefix="seatline-voice-") as folder:
            voice = Path(folder) / "agent.wav"
            voice.write_bytes(call.tone_file(call.AGENT_HZ, seconds=2))
            async with call.browser(simulated.place.parts, voice) as chrome:
                seat = await call.sit_down(chrome, simulated.stand, PELICAN, has_phone=False)
                page = seat.page
                assert "simulator" in (await page.inner_text("aside.strip.warn")).lower()
                await asyncio.to_thread(simulate, simulated)
                await call.until(page, "() => window.seatline.state().view === 'ringing'", what="ringing")
                await page.locator("#pop h1", has_text=PELICAN.pops).wait_for()
                await page.keyboard.press("a")
                await call.until(page, "() => window.seatline.state().view === 'on-call'", what="on call")
                await asyncio.sleep(4)
                await page.keyboard.press("h")
                await call.until(page, "() => window.seatline.state().view === 'wrap-up'", what="wrap-up")
                await page.locator("#dispositions input").first.check()
                await page.keyboard.press("Control+Enter")
                await call.until(page, "() => window.seatline.state().view === 'idle'", what="idle")
                await call.leave(seat)

    assert chromium.find(simulated.place.parts)
    asyncio.run(walk())
    house = simulated.stand.house
    tenant_id = call.tenant_of(house, PELICAN.dialled)
    with house.gate.open(Scope.system(tenant_id)) as session:
        newest = calls.page(session, tenant_id=tenant_id, vault=house.vault, limit=1).calls[0]
    settled = call.settled(house, tenant_id, newest.call_id)
    assert settled.cause == "agent-hung-up"
    assert settled.talk_ms is not None
    assert settled.talk_ms > 0


def test_a_real_call_is_not_tried_on_a_simulator(simulated: Running) -> None:
    with pytest.raises(call.CallFailedError, match="simulator"):
        call.find(simulated.place)


def simulate(running: Running) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "web.cli", "simulate-call", PELICAN.dialled],
        cwd=CHECKOUT,
        env=running.environment | {"SEATLINE_CONFIG": str(running.place.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
