"""Calls out through the whole product: gate, duty, order, Asterisk, a made-up public network, the console."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from playwright.async_api import Browser
from sqlalchemy import text

from bench import call
from bench.call import AGENT_HZ, PLANS, Seated
from core import clock
from core.ids import CallId, NumberId, TenantId, new_id
from core.phone import E164
from security.gate import Scope
from telephony import calls, numbers, queues
from telephony.calls import Call
from telephony.outbound import dialling
from telephony.outbound.gate import Clearance, DialRequest, Window, clear
from telephony.switch.simulator.public import Pace
from tests.phones import tones
from tests.phones.public import Public, open_public
from tests.phones.sip import decode as linear
from tests.phones.sip import wav
from tests.walks.conftest import InBrowser, Running

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PELICAN = PLANS[0]
ALWAYS = Window(dt.time(0), dt.time(23, 59, 59), frozenset(range(1, 8)))


def clear_and_dial(
    running: Running, to: str, *, detects_machines: bool = False, shows: NumberId | None = None
) -> UUID:
    """Pass the gate with a call of Pelican's, which shows its own number or `shows`; return its attempt."""
    house = running.stand.house
    tenant_id = tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        number = next(
            one for one in numbers.all_of(session, tenant_id=tenant_id) if one.digits == PELICAN.dialled
        )
        queue = next(one for one in queues.all_of(session, tenant_id=tenant_id) if one.name == "Deliveries")
        request = DialRequest(
            tenant_id=tenant_id,
            attempt_id=new_id(),
            to=E164(to),
            caller_number_id=shows or number.number_id,
            queue_id=queue.queue_id,
            customer_id=None,
            campaign_id=None,
            zone="UTC",
            window=ALWAYS,
            ring_s=15,
            detects_machines=detects_machines,
            max_per_second=10,
        )
        found = clear(session, request=request, vault=house.vault, at=clock.now())
        assert isinstance(found, Clearance), found
        dialling.dial(session, clearance=found, vault=house.vault)
    return request.attempt_id


def tenant(running: Running) -> TenantId:
    return call.tenant_of(running.stand.house, PELICAN.dialled)


def outcome(running: Running, attempt_id: UUID) -> str | None:
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        found: str | None = session.execute(
            text("SELECT outcome FROM app.outbound_dials WHERE attempt_id = :attempt"),
            {"attempt": attempt_id},
        ).scalar_one()
        return found


def the_call(running: Running, attempt_id: UUID) -> Call:
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        return calls.get(session, tenant_id=tenant_id, call_id=CallId(attempt_id), vault=house.vault)


async def ends(running: Running, attempt_id: UUID, *, patience_s: float = 40.0) -> str:
    """Return how a dial ended, once it has."""
    deadline = time.monotonic() + patience_s
    while (found := outcome(running, attempt_id)) is None:
        assert time.monotonic() < deadline, "the dial did not end"
        await asyncio.sleep(0.1)
    return found


@contextlib.asynccontextmanager
async def public(running: Running, *, rings_ms: int = 1_000) -> AsyncIterator[Public]:
    address, _, port = running.stand.settings.carrier_address.partition(":")
    pace = Pace(rings_ms=rings_ms, talks_ms=60_000)
    async with open_public(address=address, port=int(port), pace=pace) as opened:
        yield opened


def walk(
    in_browser: InBrowser,
    running: Running,
    story: Callable[[Seated, Public], Awaitable[None]],
    *,
    rings_ms: int = 1_000,
) -> None:
    """Let bob sit at his console, free, beside a public network that rings so long."""

    async def whole(chrome: Browser) -> None:
        async with public(running, rings_ms=rings_ms) as network:
            seat = await call.sit_down(chrome, running.stand, PELICAN)
            try:
                await story(seat, network)
            finally:
                await call.leave(seat)

    in_browser(whole)


async def free(seat: Seated) -> None:
    await call.until(seat.page, "() => window.seatline.state().view === 'idle'", what="bob free again")


def test_a_person_who_picks_up_talks_with_the_agent_within_two_seconds(
    running: Running, in_browser: InBrowser
) -> None:
    to = "+447700900123"
    seen: dict[str, object] = {}

    async def story(seat: Seated, network: Public) -> None:
        attempt_id = await asyncio.to_thread(clear_and_dial, running, to)
        await call.until(
            seat.page, "() => window.seatline.state().view === 'on-call'", what="answered by itself"
        )
        seen["marks"] = await seat.page.evaluate("() => window.seatline.marks")
        await seat.page.locator("#who", has_text="Ines Carvalho").wait_for()
        deadline = time.monotonic() + 15
        while True:  # the agent's tone reaches the person who was called
            media = network.heard[to]
            heard = wav(linear(b"".join(data for at, data in media.heard if at > time.monotonic() - 0.6)))
            if tones.seconds(heard, AGENT_HZ) >= 0.4:
                break
            assert time.monotonic() < deadline, "the called person does not hear the agent"
            await asyncio.sleep(0.1)
        await seat.page.evaluate("() => document.getElementById('hang-up').click()")
        assert await ends(running, attempt_id) == "connected"
        seen["attempt"] = attempt_id
        seen["calls"] = dict(network.calls)

    walk(in_browser, running, story)
    attempt_id = seen["attempt"]
    assert isinstance(attempt_id, UUID)
    made = the_call(running, attempt_id)
    assert made.picked_up_at is not None
    assert made.bridged_at is not None
    assert made.bridged_at - made.picked_up_at <= dt.timedelta(seconds=2)
    assert (made.direction, made.agent_number, made.cause) == ("outbound", 1001, "agent-hung-up")
    assert seen["calls"] == {to: 1}


def test_each_thing_a_number_can_do_ends_as_it_should(running: Running, in_browser: InBrowser) -> None:
    wanted = {
        "+447700900114": {"hung-up"},
        "+447700900115": {"busy"},
        "+447700900116": {"no-answer"},
        "+447700900117": {"machine"},
        "+447700900118": {"unallocated"},
        "+447700900119": {"rejected"},
    }
    found: dict[str, set[str]] = {}
    dialled: dict[str, int] = {}

    async def story(seat: Seated, network: Public) -> None:
        for to in wanted:
            await free(seat)
            attempt_id = await asyncio.to_thread(
                clear_and_dial, running, to, detects_machines=to.endswith("7")
            )
            found[to] = {await ends(running, attempt_id)}
        dialled.update(network.calls)

    walk(in_browser, running, story)
    assert found == wanted
    assert dialled == dict.fromkeys(wanted, 1)


def test_a_switchboard_killed_while_it_calls_calls_nobody_twice(
    running: Running, in_browser: InBrowser
) -> None:
    waits = {f"+4477009002{n}7": wait_s for n, wait_s in enumerate((0.0, 0.15, 0.4, 0.8, 1.6, 2.6))}
    found: dict[str, str] = {}
    dialled: dict[str, int] = {}

    async def story(seat: Seated, network: Public) -> None:
        for to, wait_s in waits.items():
            await free(seat)
            attempt_id = await asyncio.to_thread(clear_and_dial, running, to, detects_machines=True)
            await asyncio.sleep(wait_s)  # the moment at which it is killed
            before = running.pid_of("switchboard")
            os.kill(before, signal.SIGKILL)
            deadline = time.monotonic() + 40
            while running.pid_of("switchboard") == before:
                assert time.monotonic() < deadline, "the switchboard was not started again"
                await asyncio.sleep(0.1)
            found[to] = await ends(running, attempt_id)
            await call.until(
                seat.page, "() => window.seatline.state().registered", what="the phone is registered again"
            )
        dialled.update(network.calls)

    walk(in_browser, running, story)
    print(found, dialled)  # noqa: T201 - what became of each, for whoever runs it with -s
    assert max(dialled.values(), default=0) <= 1
    for to, how in found.items():
        assert how in {"machine", "lost", "expired", "no-agent", "failed"}, (to, how)
        if how in {"expired", "no-agent"}:
            assert dialled.get(to, 0) == 0
        if how == "machine":
            assert dialled.get(to) == 1
