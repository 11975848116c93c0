"""One short code, two companies, real Asterisk: keys decide whose tone is heard, and whose call it is."""

import asyncio
import functools
import time
from collections.abc import Iterator

import pytest

from bench import call
from bench.call import CALLER_HZ, PLANS
from core import clock, ids
from core.ids import OPERATOR, NumberId, TenantId, UserId, new_id
from security.gate import Scope
from telephony import calls, numbers, orders, queues, shared_codes
from telephony.flows import sounds, store
from telephony.flows.model import Flow
from telephony.orders import OrderKind
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.telephony.flows.factory import tone
from tests.walks.conftest import Running, started, wait_for
from tests.walks.test_flows import hears_a_voice

pytestmark = [pytest.mark.switch, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN, LAKE = PLANS
KEYS = {PELICAN.dialled: ("1", 660), LAKE.dialled: ("27", 1500)}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        share(up)
        yield up


def tenant(running: Running, dialled: str) -> TenantId:
    return call.tenant_of(running.stand.house, dialled)


def share(running: Running) -> None:
    """Put both companies on 1252; each plays a tone of its own to who has chosen it."""
    house = running.stand.house
    with house.gate.open(Scope.system(OPERATOR)) as session:
        code_id = numbers.stock(session, digits="1252", region="GB").number_id
        shared_codes.share(session, number_id=code_id, greeting="Welcome to 1252.", language="en")
        for dialled, (keys, _) in KEYS.items():
            shared_codes.add(
                session,
                code_id=code_id,
                renter_tenant_id=tenant(running, dialled),
                keys=keys,
                name=f"company {keys}",
                is_spoken=True,
            )
    for dialled, (keys, hertz) in KEYS.items():
        number = wait_for(functools.partial(_share_of, running, dialled), what="the company's row follows")
        assert isinstance(number, numbers.Number)
        assert number.keys == keys
        _plays(running, tenant(running, dialled), number.number_id, hertz)
    with house.gate.open(Scope.system(OPERATOR)) as session:
        order_id = orders.leave(session, OrderKind.RELOAD)

    def is_done() -> bool:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            return order_id not in {one.order_id for one in orders.waiting(session)}

    wait_for(is_done, what="the switchboard reads numbers anew")


def _share_of(running: Running, dialled: str) -> numbers.Number | None:
    tenant_id = tenant(running, dialled)
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        return next((one for one in numbers.all_of(session, tenant_id=tenant_id) if one.keys), None)


def _plays(running: Running, tenant_id: TenantId, number_id: NumberId, hertz: int) -> None:
    """Lead who has chosen the company into a flow that plays a tone, and then into its first queue."""
    house = running.stand.house
    with house.gate.open(Scope.system(tenant_id)) as session:
        sound = sounds.add(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            name=f"Tone {hertz}",
            data=tone(8, hertz=hertz),
            by=new_id(),
        )
        queue = queues.all_of(session, tenant_id=tenant_id)[0]
        nodes = {
            "start": {"kind": "play", "sound": sound.ref, "next": "wait"},
            "wait": {"kind": "queue", "queue": ids.public("que", queue.queue_id)},
        }
        draft = Flow.model_validate({"nodes": nodes})
        made = store.make(session, tenant_id=tenant_id, name="Shared", draft=draft, vault=house.vault)
        store.publish(
            session,
            tenant_id=tenant_id,
            flow_id=made.flow_id,
            revision=1,
            by=UserId(new_id()),
            vault=house.vault,
        )
        number = numbers.get(session, tenant_id=tenant_id, number_id=number_id)
        store.lead_number(
            session,
            tenant_id=tenant_id,
            number_id=number_id,
            flow_id=made.flow_id,
            revision=number.revision,
        )


def shared_calls(running: Running, dialled: str) -> int:
    """Return how many calls by the code a company has."""
    house, tenant_id = running.stand.house, tenant(running, dialled)
    with house.gate.open(Scope.system(tenant_id)) as session:
        found = calls.page(session, tenant_id=tenant_id, vault=house.vault, limit=100).calls
        return sum(one.dialled == "1252" for one in found)


def counted(running: Running) -> dict[str, int]:
    with running.stand.house.gate.open(Scope.system(OPERATOR)) as session:
        (code,) = shared_codes.every(session)
        found = shared_codes.counts(session, code_id=code.code_id, since=clock.now().date())
        return {one.outcome.value: one.calls for one in found if one.calls}


async def hears(phone: Phone, hertz: int, *, not_hertz: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        heard = await phone.listen(1.0)
        # a voice has a little of every tone, and a tone has nothing else
        assert tones.share(heard, not_hertz) < 0.8, "another company's tone"
        if tones.share(heard, hertz) > 0.8:
            # the end of the voice, and the step into the tone, may lie in what was heard; not in what follows
            assert tones.share(await phone.listen(1.0), not_hertz) < 0.5, "two tones at once"
            return
        assert time.monotonic() < deadline, f"{hertz} Hz is not heard"


@pytest.mark.parametrize("chosen", PLANS, ids=lambda plan: plan.dialled)
@pytest.mark.parametrize("how", ["keyed", "dialled"])
def test_keys_decide_whose_tone_is_heard_and_whose_call_it_is(
    running: Running, chosen: call.Plan, how: str
) -> None:
    other = LAKE if chosen is PELICAN else PELICAN
    (keys, hertz), (_, not_hertz) = KEYS[chosen.dialled], KEYS[other.dialled]
    before = {one.dialled: shared_calls(running, one.dialled) for one in PLANS}

    async def whole() -> None:
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call("1252" + (keys if how == "dialled" else "")) == 200
            if how == "keyed":
                await hears_a_voice(phone)
                assert {one.dialled: shared_calls(running, one.dialled) for one in PLANS} == before
                phone.press(keys)
            await hears(phone, hertz, not_hertz=not_hertz)
            await phone.hang_up()

    asyncio.run(whole())
    wait_for(
        lambda: shared_calls(running, chosen.dialled) == before[chosen.dialled] + 1, what="the call is theirs"
    )
    assert shared_calls(running, other.dialled) == before[other.dialled]


def test_who_presses_keys_of_nobody_hears_goodbye_and_is_counted(running: Running) -> None:
    before = {one.dialled: shared_calls(running, one.dialled) for one in PLANS}
    wrong = counted(running).get("wrong", 0)

    async def whole() -> None:
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call("1252") == 200
            for _ in range(3):
                await hears_a_voice(phone)
                phone.press("9")
                await asyncio.sleep(0.5)
            await asyncio.to_thread(
                wait_for, lambda: counted(running).get("wrong", 0) == wrong + 1, what="goodbye is said"
            )

    asyncio.run(whole())
    assert {one.dialled: shared_calls(running, one.dialled) for one in PLANS} == before


def test_an_unknown_number_after_the_code_is_refused(running: Running) -> None:
    async def whole() -> int:
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            return await phone.call("12529")

    assert asyncio.run(whole()) == 404
