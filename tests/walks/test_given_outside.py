"""Callers given to a phone outside by their number or by its flow: gate, Asterisk, a made-up network."""

import asyncio
from collections.abc import Iterator

import pytest

from bench.call import CALLER_HZ
from core.ids import CallId
from core.phone import E164
from security.gate import Scope
from telephony import calls, numbers
from telephony.calls import Call
from telephony.outbound import forwarding
from tests.phones.sip import open_phone
from tests.walks.conftest import Running, started, wait_for
from tests.walks.test_calls_out import PELICAN, public, tenant, the_call
from tests.walks.test_flows import lead, reload
from tests.walks.test_outside import at_any_hour, billed, outside_of, reaches

pytestmark = [pytest.mark.switch, pytest.mark.slow, pytest.mark.timeout(400)]

ANSWERS, BUSY = "+447700900140", "+447700900145"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        at_any_hour(up)
        yield up


def newest(running: Running, *, but: frozenset[CallId] = frozenset()) -> list[Call]:
    """Return the calls in, the newest first."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        every = calls.page(session, tenant_id=tenant_id, vault=house.vault).calls
    return [one for one in every if one.part_of is None and one.call_id not in but]


async def calls_and_is_heard_at(running: Running, number: str) -> CallId:
    """Call, wait until the caller's tone comes to the number outside, hang up; return the call."""
    before = frozenset(one.call_id for one in newest(running))
    async with (
        public(running) as network,
        open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone,
    ):
        assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
        await reaches(network, number)
        assert network.calls[number] == 1
        await phone.hang_up()
    (made,) = newest(running, but=before)
    return made.call_id


def is_billed_on_both_legs(running: Running, call_id: CallId) -> None:
    wait_for(lambda: the_call(running, call_id).ended_at, what="its end")
    wait_for(lambda: outside_of(running, call_id).ended_at, what="the end of the part outside")
    outside = outside_of(running, call_id)
    assert (the_call(running, call_id).cause, outside.cause) == ("caller-hung-up", "caller-hung-up")
    assert outside.dialled == PELICAN.dialled
    for one, meter in ((the_call(running, call_id), "voice.inbound"), (outside, "voice.outbound")):
        assert billed(running, one.call_id) == [(meter, one.talk_ms)]


def to(phone: str) -> dict[str, object]:
    return {
        "start": {
            "kind": "outside",
            "phone": phone,
            "no_answer": "again",
            "busy": "again",
            "otherwise": "bye",
        },
        "again": {"kind": "outside", "phone": ANSWERS, "no_answer": "bye", "busy": "bye", "otherwise": "bye"},
        "bye": {"kind": "hang-up"},
    }


def test_a_number_forwards_its_caller_who_is_heard_there(running: Running) -> None:
    house, tenant_id = running.stand.house, tenant(running)

    def forward(phone: E164 | None) -> None:
        with house.gate.open(Scope.system(tenant_id)) as session:
            rented = numbers.all_of(session, tenant_id=tenant_id)
            number = next(one for one in rented if one.digits == PELICAN.dialled)
            forwarding.set_up(
                session,
                tenant_id=tenant_id,
                number_id=number.number_id,
                to=phone,
                revision=number.revision,
                vault=house.vault,
            )
        reload(running)

    forward(E164(ANSWERS))
    made = asyncio.run(calls_and_is_heard_at(running, ANSWERS))
    is_billed_on_both_legs(running, made)
    forward(None)


def test_a_flow_gives_its_caller_to_the_next_number_when_the_first_is_busy(running: Running) -> None:
    lead(running, to(ANSWERS))
    made = asyncio.run(calls_and_is_heard_at(running, ANSWERS))
    is_billed_on_both_legs(running, made)
    lead(running, to(BUSY))
    made = asyncio.run(calls_and_is_heard_at(running, ANSWERS))
    wait_for(lambda: the_call(running, made).ended_at, what="its end")
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        told = [one.kind for one in calls.timeline(session, tenant_id=tenant(running), call_id=made)]
    assert told.count("flow-led-outside") == 2
    assert told.index("outside-gone") < told.index("outside-answered")
