"""A switch that is full, on real calls through Asterisk: who is refused how, and that each has a record.

Bounded: nine callers, four at once.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bench.call import PLANS
from core.ids import OPERATOR, CallId
from security.gate import Scope
from telephony import calls, loads, orders
from telephony.admission import Degree
from telephony.orders import OrderKind
from telephony.outbound import limits
from telephony.outbound.limits import Caps
from tenants import alarms
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.walks.conftest import Running, started, wait_for
from tests.walks.test_calls_out import tenant

pytestmark = [pytest.mark.switch, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN = PLANS[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        yield up


def takes(running: Running, *, at_once: int | None, lines: int | None) -> None:
    """Let the switch take so many calls, and the company so many callers; back when it holds."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        now = limits.caps(session, tenant_id=tenant_id)
        limits.change_caps(session, tenant_id=tenant_id, caps=Caps(in_at_once=lines, revision=now.revision))
    with house.gate.open(Scope.system(OPERATOR)) as session:
        load = loads.read(session)
        assert load is not None  # the switchboard has spoken
        loads.change(session, at_once=at_once, per_second=None, revision=load.revision, usual=load.usual)
        order_id = orders.leave(session, OrderKind.RELOAD)

    def is_done() -> bool:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            return order_id not in {one.order_id for one in orders.waiting(session)}

    wait_for(is_done, what="the switchboard reads its limits anew")


def degree(running: Running) -> Degree:
    with running.stand.house.gate.open(Scope.system(OPERATOR)) as session:
        load = loads.read(session)
    return load.standing.degree if load else Degree.FULL


def causes(running: Running) -> Counter[str | None]:
    """Return how many calls of the company ended why; None: in progress."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        return Counter(one.cause for one in calls.page(session, tenant_id=tenant_id, vault=house.vault).calls)


def stories(running: Running) -> list[list[str]]:
    """Return the timelines of the calls that found no room."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        found = calls.page(session, tenant_id=tenant_id, vault=house.vault).calls
        return [
            [step.kind for step in calls.timeline(session, tenant_id=tenant_id, call_id=CallId(one.call_id))]
            for one in found
            if one.cause == "no-room"
        ]


async def call(
    running: Running, stack: contextlib.AsyncExitStack, how_many: int
) -> tuple[list[Phone], list[int]]:
    """Let callers come one after another; return their phones and what each was answered."""
    phones, codes = [], []
    for _ in range(how_many):
        phone = await stack.enter_async_context(
            open_phone(PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip)
        )
        codes.append(await phone.call(PELICAN.dialled.removeprefix("+")))
        phones.append(phone)
    return phones, codes


async def until(condition: Callable[[], bool], *, what: str, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.2)


def test_full_switch_answers_503_keeps_a_record_and_takes_callers_again(running: Running) -> None:
    takes(running, at_once=4, lines=None)

    async def scene() -> None:
        async with contextlib.AsyncExitStack() as stack:
            phones, codes = await call(running, stack, 6)
            assert codes == [200, 200, 200, 200, 503, 503]
            await until(lambda: degree(running) is Degree.BUSY, what="the switch says that it is full")
            await until(lambda: causes(running)["no-room"] == 2, what="both have a record")
            for phone in phones[:4]:
                await phone.hang_up()
            await until(lambda: degree(running) is Degree.FULL, what="it has room again")
            (again,), codes = await call(running, stack, 1)
            assert codes == [200]
            await again.hang_up()
            await until(lambda: causes(running)[None] == 0, what="everybody has hung up")

    asyncio.run(scene())
    assert stories(running) == [["arrived", "no-room"]] * 2
    with running.stand.house.gate.open(Scope.system(OPERATOR)) as session:
        raised = {one.kind for one in alarms.page(session, tenant_id=OPERATOR, limit=50)}
    assert {"load-recordings", "load-music", "load-campaigns", "load-busy"} <= raised


def test_company_without_a_free_line_tells_who_calls(running: Running) -> None:
    takes(running, at_once=100, lines=1)
    wait_for(lambda: degree(running) is Degree.FULL, what="the switch has room")
    before = causes(running)["no-room"]

    async def hears_a_voice(phone: Phone) -> bool:
        for _ in range(15):
            heard, _rate = tones.samples(await phone.listen(1.0))
            if heard.size and float(np.abs(heard).max()) > 2000:
                return True
        return False

    async def scene() -> None:
        async with contextlib.AsyncExitStack() as stack:
            (first, second), codes = await call(running, stack, 2)
            assert codes == [200, 200]
            assert await hears_a_voice(second)  # that all lines are busy
            await until(lambda: causes(running)["no-room"] == before + 1, what="it has a record")
            assert causes(running)[None] == 1  # who came first is still in it
            await first.hang_up()

    asyncio.run(scene())
    assert "apology-ended" in stories(running)[0]
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        raised = {one.kind for one in alarms.page(session, tenant_id=tenant(running), limit=50)}
    assert "lines-full" in raised
