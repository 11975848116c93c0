"""A number held elsewhere is what the called person sees, on real Asterisk, until it is withdrawn."""

import asyncio
import time

import pytest

from bench import call
from bench.call import AGENT_HZ, Seated
from core import clock
from core.ids import NumberId, new_id
from security.gate import Scope
from telephony import caller_numbers, numbers
from telephony.caller_numbers import CallerNumber
from telephony.outbound import by_hand
from tests.factories import telephony
from tests.factories.telephony import ELSEWHERE, Line
from tests.phones import tones
from tests.phones.public import Public
from tests.phones.sip import decode as linear
from tests.phones.sip import wav
from tests.walks.conftest import InBrowser, Running
from tests.walks.test_calls_out import PELICAN, clear_and_dial, ends, free, tenant, walk

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

INES = "+447700900123"


def line(running: Running) -> Line:
    tenant_id = tenant(running)
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        found = numbers.all_of(session, tenant_id=tenant_id)
    own = next(one for one in found if one.digits == PELICAN.dialled)
    return Line(tenant_id, own.number_id, own.queue_id, own.digits)


def chosen(running: Running, own: Line) -> NumberId:
    """Return what an agent of the queue shows who calls by hand."""
    with running.stand.house.gate.open(Scope.system(own.tenant_id)) as session:
        found = by_hand.number_to_show(
            session, tenant_id=own.tenant_id, queue_id=own.queue_id, at=clock.now()
        )
    assert found is not None
    return found


async def hears_the_agent(network: Public) -> None:
    deadline = time.monotonic() + 15
    while True:
        media = network.heard[INES]
        heard = wav(linear(b"".join(data for at, data in media.heard if at > time.monotonic() - 0.6)))
        if tones.seconds(heard, AGENT_HZ) >= 0.4:
            return
        assert time.monotonic() < deadline, "the called person does not hear the agent"
        await asyncio.sleep(0.1)


def withdraw(running: Running, allowed: CallerNumber) -> None:
    with running.stand.house.gate.open(Scope.system(allowed.tenant_id)) as session:
        caller_numbers.withdraw(
            session,
            tenant_id=allowed.tenant_id,
            caller_number_id=allowed.caller_number_id,
            by=new_id(),
        )


def test_the_called_person_sees_the_number_held_elsewhere_until_it_is_withdrawn(
    running: Running, in_browser: InBrowser
) -> None:
    house, own = running.stand.house, line(running)
    allowed = telephony.allowed_elsewhere(house.gate, house.vault, own)
    seen: list[str] = []

    async def talks(seat: Seated, network: Public) -> None:
        shows = await asyncio.to_thread(chosen, running, own)
        attempt_id = await asyncio.to_thread(clear_and_dial, running, INES, shows=shows)
        await call.until(
            seat.page, "() => window.seatline.state().view === 'on-call'", what="answered by itself"
        )
        seen.append(network.shown[INES])
        await hears_the_agent(network)
        await seat.page.evaluate("() => document.getElementById('hang-up').click()")
        assert await ends(running, attempt_id) == "connected"
        await seat.page.wait_for_function("() => window.seatline.state().view === 'wrap-up'")
        await seat.page.keyboard.press("Escape")
        await seat.page.keyboard.press("1")
        await seat.page.keyboard.press("Control+Enter")
        await free(seat)

    async def story(seat: Seated, network: Public) -> None:
        assert await asyncio.to_thread(chosen, running, own) == allowed.number_id
        await talks(seat, network)
        await asyncio.to_thread(withdraw, running, allowed)
        await talks(seat, network)

    try:
        walk(in_browser, running, story)
    finally:
        withdraw(running, allowed)  # twice is once
    assert seen == [ELSEWHERE, PELICAN.dialled]
