"""A flow on a real call through Asterisk: prompts are heard, keys lead on, a slow program loses nobody."""

import asyncio
import datetime as dt
import http.server
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sqlalchemy import select

from bench.call import CALLER_HZ, PLANS
from core import clock, ids
from core.ids import OPERATOR, CallId, QueueId, UserId, new_id
from core.phone import E164
from customers import lookup, pins
from security.gate import Scope
from telephony import calls, numbers, orders, queues, recording
from telephony.flows import sounds, store
from telephony.flows.model import Flow
from telephony.models import FlowRunRow
from telephony.orders import OrderKind
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.telephony.flows.factory import tone
from tests.walks.conftest import Running, started, wait_for
from tests.walks.test_calls_out import tenant

pytestmark = [pytest.mark.switch, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN = PLANS[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        yield up


@pytest.fixture(scope="module")
def returns(running: Running) -> QueueId:
    """A queue nobody serves."""
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        return queues.open_queue(session, tenant_id=tenant(running), name="Walk returns").queue_id


def lead(running: Running, nodes: dict[str, object]) -> None:
    """Publish a flow, lead the company's number into it, and let the switchboard know."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        made = store.make(
            session,
            tenant_id=tenant_id,
            name="Walk",
            draft=Flow.model_validate({"nodes": nodes}),
            vault=house.vault,
        )
        store.publish(
            session,
            tenant_id=tenant_id,
            flow_id=made.flow_id,
            revision=1,
            by=UserId(new_id()),
            vault=house.vault,
        )
        number = next(
            one for one in numbers.all_of(session, tenant_id=tenant_id) if one.digits == PELICAN.dialled
        )
        store.lead_number(
            session,
            tenant_id=tenant_id,
            number_id=number.number_id,
            flow_id=made.flow_id,
            revision=number.revision,
        )
    reload(running)


def reload(running: Running) -> None:
    """Let the switchboard read numbers anew, and wait until it has."""
    house = running.stand.house
    with house.gate.open(Scope.system(OPERATOR)) as session:
        order_id = orders.leave(session, OrderKind.RELOAD)

    def is_done() -> bool:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            return order_id not in {one.order_id for one in orders.waiting(session)}

    wait_for(is_done, what="the switchboard reads numbers anew")


def runs(running: Running) -> dict[CallId, tuple[str, list[str]]]:
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        rows = session.scalars(select(FlowRunRow))
        return {
            CallId(row.call_id): (row.outcome, [f"{way}>{node}" for node, way, _ in row.path]) for row in rows
        }


async def made_call(
    running: Running, act: Callable[[Phone], "asyncio.Future[None] | object"]
) -> tuple[CallId, str, list[str]]:
    """Call, act, and return what came of it in the flow."""
    before = set(runs(running))
    async with open_phone(
        PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
    ) as phone:
        assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
        made = act(phone)
        if asyncio.iscoroutine(made):
            await made
        deadline = time.monotonic() + 30
        while not (new := set(runs(running)) - before):
            assert time.monotonic() < deadline, "the call does not leave its flow"
            await asyncio.sleep(0.1)
        await phone.hang_up()
    (call_id,) = new
    outcome, path = runs(running)[call_id]
    return call_id, outcome, path


async def is_asked(running: Running, *, since: dt.datetime) -> None:
    """Wait until the call that came in since then has gone on from its first node to the next."""

    def nodes() -> int:
        house, tenant_id = running.stand.house, tenant(running)
        with house.gate.open(Scope.system(tenant_id)) as session:
            (newest,) = calls.page(session, tenant_id=tenant_id, vault=house.vault, limit=1).calls or (None,)
            if newest is None or newest.arrived_at < since:
                return 0
            steps = calls.timeline(session, tenant_id=tenant_id, call_id=newest.call_id)
        return sum(step.kind == "flow-moved" for step in steps)

    await asyncio.to_thread(wait_for, lambda: nodes() >= 2, what="the menu asks")


async def hears_a_voice(phone: Phone, *, within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while True:
        heard, _ = tones.samples(await phone.listen(1.0))
        if heard.size and float(np.abs(heard).max()) > 2000:
            return
        assert time.monotonic() < deadline, "nothing is said"


def queue_of(running: Running, call_id: CallId) -> QueueId:
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        return calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=house.vault).queue_id


def test_greeting_menu_and_two_queues_with_the_keys_of_a_telephone(
    running: Running, returns: QueueId
) -> None:
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        first = next(
            one for one in queues.all_of(session, tenant_id=tenant(running)) if one.queue_id != returns
        )
    lead(
        running,
        {
            "start": {
                "kind": "say",
                "prompt": {"text": "Welcome to Pelican. We carry parcels to every town, on every day."},
                "next": "menu",
            },
            "menu": {
                "kind": "menu",
                "prompt": {
                    "text": "For deliveries press one, for returns press two, for anything else wait."
                },
                "keys": {"1": {"to": "first"}, "2": {"to": "returns"}},
                "otherwise": "first",
            },
            "first": {"kind": "queue", "queue": ids.public("que", first.queue_id)},
            "returns": {"kind": "queue", "queue": ids.public("que", returns)},
        },
    )

    began = clock.now()

    async def presses_two(phone: Phone) -> None:
        await hears_a_voice(phone)
        phone.press("5")  # in the greeting nothing is asked
        await is_asked(running, since=began)
        phone.press("2")

    call_id, outcome, path = asyncio.run(made_call(running, presses_two))
    assert (outcome, path) == ("queued", [">start", "next>menu", "key-2>returns"])
    wait_for(lambda: queue_of(running, call_id) == returns, what="the call belongs to the queue chosen")

    again = clock.now()

    async def presses_one(phone: Phone) -> None:
        await is_asked(running, since=again)
        phone.press("1")

    call_id, _, path = asyncio.run(made_call(running, presses_one))
    assert path[-1] == "key-1>first"
    wait_for(lambda: queue_of(running, call_id) == first.queue_id, what="the call belongs to the other queue")
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        kinds = [one.kind for one in calls.timeline(session, tenant_id=tenant(running), call_id=call_id)]
    assert kinds[:6] == ["arrived", "flow-entered", "flow-moved", "flow-moved", "flow-moved", "flow-led"]


def test_an_uploaded_tone_is_heard_and_the_right_pin_leads_on(running: Running, returns: QueueId) -> None:
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        caller = lookup.by_phone(session, tenant_id=tenant_id, vault=house.vault, phone=E164(PELICAN.caller))
        assert caller
        pins.put(session, tenant_id=tenant_id, vault=house.vault, customer_id=caller.id, digits="40719")
        sound = sounds.add(
            session, tenant_id=tenant_id, vault=house.vault, name="Tone", data=tone(5, hertz=660), by=new_id()
        )
    lead(
        running,
        {
            "start": {"kind": "play", "sound": sound.ref, "next": "pin"},
            "pin": {
                "kind": "pin",
                "prompt": {"text": "Please type your secret number, then press the hash key."},
                "right": "bye",
                "otherwise": "returns",
            },
            "bye": {"kind": "hang-up"},
            "returns": {"kind": "queue", "queue": ids.public("que", returns)},
        },
    )
    began = clock.now()

    async def listens_and_types(phone: Phone) -> None:
        deadline = time.monotonic() + 15
        while tones.share(await phone.listen(1.0), 660) < 0.8:
            assert time.monotonic() < deadline, "the uploaded tone is not heard"
        await is_asked(running, since=began)
        phone.press("40719#")

    _, outcome, path = asyncio.run(made_call(running, listens_and_types))
    assert (outcome, path) == ("served", [">start", "next>pin", "right>bye"])


class _Slow(http.server.BaseHTTPRequestHandler):
    """A program that thinks for longer than a caller waits."""

    def do_POST(self) -> None:
        """Answer after five seconds."""
        threading.Event().wait(5)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def test_a_slow_program_holds_a_caller_for_two_seconds_and_loses_nobody(
    running: Running, returns: QueueId
) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        lead(
            running,
            {
                "start": {"kind": "say", "prompt": {"text": "One moment."}, "next": "ask"},
                "ask": {
                    "kind": "webhook",
                    "url": f"http://127.0.0.1:{server.server_port}/",
                    "next": "bye",
                    "otherwise": "returns",
                },
                "bye": {"kind": "hang-up"},
                "returns": {"kind": "queue", "queue": ids.public("que", returns)},
            },
        )
        _, outcome, path = asyncio.run(made_call(running, lambda _phone: None))
    finally:
        server.shutdown()
        server.server_close()
    assert (outcome, path[-1]) == ("queued", "otherwise>returns")


def test_a_message_is_recorded_and_sealed(running: Running) -> None:
    lead(
        running,
        {
            "start": {
                "kind": "voicemail",
                "prompt": {"text": "Leave a message. It is recorded."},
                "longest_s": 60,
            }
        },
    )

    async def speaks(phone: Phone) -> None:
        await hears_a_voice(phone)
        await asyncio.sleep(8)  # the prompt, and some seconds of a tone
        phone.press("#")

    call_id, outcome, _ = asyncio.run(made_call(running, speaks))
    house, tenant_id = running.stand.house, tenant(running)

    def found() -> calls.Call:
        with house.gate.open(Scope.system(tenant_id)) as session:
            return calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=house.vault)

    wait_for(lambda: found().recording_state == "sealed", what="the message is sealed")
    assert (outcome, found().cause) == ("served", "left-message")
    with house.gate.open(Scope.system(tenant_id)) as session:
        kept = recording.of_call(session, tenant_id=tenant_id, call_id=call_id)
    assert kept.duration_ms is not None
    assert kept.duration_ms > 2000


def test_who_waits_is_told_hears_music_and_leaves_a_message_by_a_key(
    running: Running, returns: QueueId
) -> None:
    lead(
        running,
        {
            "start": {
                "kind": "queue",
                "queue": ids.public("que", returns),
                "prompt": {"text": "Press one to leave a message."},
                "keys": {"1": {"to": "message"}},
                "announces": True,
                "every_s": 20,
            },
            "message": {"kind": "voicemail", "prompt": {"text": "Speak. It is recorded."}, "longest_s": 60},
        },
    )

    def is_served() -> bool:
        return any(path[-1] == "key-1>message" and how == "served" for how, path in runs(running).values())

    async def waits_and_presses(phone: Phone) -> None:
        await hears_a_voice(phone)
        await asyncio.sleep(7)  # what is told takes less
        await hears_a_voice(phone)  # music again
        phone.press("1")
        await asyncio.sleep(9)  # the prompt, and some seconds of a tone
        phone.press("#")
        await asyncio.to_thread(wait_for, is_served, what="the message is left")

    call_id, outcome, path = asyncio.run(made_call(running, waits_and_presses))
    assert (outcome, path) == ("served", [">start", "key-1>message"])
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        told = [one.kind for one in calls.timeline(session, tenant_id=tenant_id, call_id=call_id)]
        found = calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=house.vault)
    assert told.index("wait-left") < told.index("message-began")
    assert found.cause == "left-message"
