"""Two callers in a conference room hear each other, on a real switch; each pays for a call in."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from bench.call import AGENT_HZ, CALLER_HZ, PLANS
from core import clock
from security.gate import Scope
from telephony import calls, conference
from telephony.conference import Room, Wanted
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.walks.conftest import Running, started, wait_for
from tests.walks.test_calls_out import tenant
from tests.walks.test_flows import is_asked, lead

pytestmark = [pytest.mark.switch, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN, PIN = PLANS[0], "407195"
TONE_HZ = 1000  # what those in a room hear when somebody joins


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        yield up


def open_room(running: Running) -> Room:
    """Make a room, and lead the company's number into it."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        made = conference.make(
            session, tenant_id=tenant_id, vault=house.vault, wanted=Wanted("Walk", pin=PIN)
        )
    lead(
        running,
        {
            "start": {"kind": "say", "prompt": {"text": "Welcome."}, "next": "room"},
            "room": {
                "kind": "room",
                "room": made.ref,
                "prompt": {"text": "Please type the number of your meeting, then press the hash key."},
                "refused": "bye",
                "full": "bye",
            },
            "bye": {"kind": "hang-up"},
        },
    )
    return made


def people(running: Running, room: Room) -> int:
    with running.stand.house.gate.open(Scope.system(room.tenant_id)) as session:
        return conference.counts(session, tenant_id=room.tenant_id).get(room.room_id, 0)


async def join(running: Running, room: Room, phone: Phone, *, as_one_of: int) -> None:
    """Call, type the PIN, and wait until so many are in the room."""
    began = clock.now()
    assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
    await is_asked(running, since=began)
    phone.press(f"{PIN}#")
    deadline = time.monotonic() + 20
    while await asyncio.to_thread(people, running, room) != as_one_of:
        assert time.monotonic() < deadline, "not in the room"
        await asyncio.sleep(0.1)


async def hears(phone: Phone, hertz: int) -> None:
    """Wait until a tone is most of what a phone hears."""
    deadline = time.monotonic() + 20
    while tones.share(await phone.listen(1.0), hertz) < 0.8:
        assert time.monotonic() < deadline, f"{hertz} Hz is not heard"


def test_two_callers_in_a_room_hear_each_other(running: Running) -> None:
    room = open_room(running)

    async def story() -> None:
        user, server = PELICAN.caller.removeprefix("+"), running.stand.sip
        async with (
            open_phone(PELICAN.address, user, server=server, tone_hz=CALLER_HZ) as first,
            open_phone(PELICAN.address, user, server=server, tone_hz=AGENT_HZ) as second,
        ):
            await join(running, room, first, as_one_of=1)
            listening = asyncio.ensure_future(first.listen(15.0))
            await join(running, room, second, as_one_of=2)
            await hears(second, CALLER_HZ)
            heard = await listening
            assert tones.seconds(heard, TONE_HZ) > 0.2, "the first one is not told that somebody joins"
            await hears(first, AGENT_HZ)
            assert tones.share(await first.listen(1.0), CALLER_HZ) < 0.2, "nobody hears themselves"
            await second.hang_up()
            wait_for(lambda: people(running, room) == 1, what="one of them is out")
            assert tones.share(await first.listen(1.0), AGENT_HZ) < 0.5
            await first.hang_up()
        wait_for(lambda: people(running, room) == 0, what="both are out")

    asyncio.run(story())
    house = running.stand.house
    with house.gate.open(Scope.system(room.tenant_id)) as session:
        found = [
            one
            for one in calls.page(session, tenant_id=room.tenant_id, vault=house.vault).calls
            if one.room_id == room.room_id
        ]
    assert [one.cause for one in found] == ["left-room", "left-room"]
    assert all(one.talk_ms and one.talk_ms > 1000 and one.recording_state is None for one in found)
