"""Two callers in a conference room hear each other, on a real switch; each pays for a call in.

They mute themselves, and are muted and locked in by the company, which outlives the switchboard.
"""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import time
from collections.abc import Iterator

import pytest

from bench.call import AGENT_HZ, CALLER_HZ, PLANS
from core import clock, ids
from security.gate import Scope
from telephony import calls, conference
from telephony.conductor import pulse
from telephony.conference import Room, Wanted
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.walks.conftest import Running, started, wait_for
from tests.walks.test_calls_out import tenant
from tests.walks.test_flows import is_asked, lead
from tests.walks.test_money_in import Person

pytestmark = [pytest.mark.switch, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN, PIN = PLANS[0], "407195"
TONE_HZ = 1000  # what those in a room hear when somebody joins


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        yield up


def open_room(running: Running, name: str = "Walk") -> Room:
    """Make a room, and lead the company's number into it."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        made = conference.make(session, tenant_id=tenant_id, vault=house.vault, wanted=Wanted(name, pin=PIN))
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


def newest_story(running: Running) -> list[str]:
    """Return what happened to the newest call: said where it is not in the room."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        (newest,) = calls.page(session, tenant_id=tenant_id, vault=house.vault, limit=1).calls
        told = calls.timeline(session, tenant_id=tenant_id, call_id=newest.call_id)
    return [one.kind for one in told]


async def join(running: Running, room: Room, phone: Phone, *, as_one_of: int) -> None:
    """Call, type the PIN, and wait until so many are in the room."""
    began = clock.now()
    assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
    await is_asked(running, since=began)
    phone.press(f"{PIN}#")
    deadline = time.monotonic() + 40
    while await asyncio.to_thread(people, running, room) != as_one_of:
        assert time.monotonic() < deadline, f"not in the room: {newest_story(running)}"
        await asyncio.sleep(0.1)


async def hears(phone: Phone, hertz: int) -> None:
    """Wait until a tone is most of what a phone hears."""
    deadline = time.monotonic() + 20
    while tones.share(await phone.listen(1.0), hertz) < 0.8:
        assert time.monotonic() < deadline, f"{hertz} Hz is not heard"


async def hears_nobody(phone: Phone, hertz: int) -> None:
    """Wait until a tone is not heard any more."""
    deadline = time.monotonic() + 20
    while tones.share(await phone.listen(1.0), hertz) > 0.1:
        assert time.monotonic() < deadline, f"{hertz} Hz is heard"


async def does(alice: Person, room: Room, deed: str, on: str, call: str = "") -> None:
    """Press a button on the room's page."""
    page = f"/portal/rooms/{room.ref}"
    about = {"on": on} | ({"call": call} if call else {})
    answer = await asyncio.to_thread(alice.post, page, f"{page}/{deed}", **about)
    assert answer.status_code == 303


async def says(alice: Person, room: Room, words: str) -> None:
    """Wait until the card that the room's page fetches anew says something."""
    card = f"/portal/live/rooms/{room.ref}"
    await asyncio.to_thread(wait_for, lambda: words in alice.page(card), what=words)


async def is_turned_away(running: Running, room: Room) -> None:
    """Call, type the PIN, and be led on by the flow, which says goodbye."""
    began, user = clock.now(), PELICAN.caller.removeprefix("+")
    async with open_phone(PELICAN.address, user, server=running.stand.sip) as third:
        assert await third.call(PELICAN.dialled.removeprefix("+")) == 200
        await is_asked(running, since=began)
        third.press(f"{PIN}#")
        async with asyncio.timeout(20):
            await third.down.wait()
    assert await asyncio.to_thread(people, running, room) == 2


async def is_killed(running: Running) -> None:
    """Kill the switchboard, and wait until the next one has said how it finds the room."""
    before, at = running.pid_of("switchboard"), clock.now()
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        said = pulse.now_of(running.stand.house.realtime, tenant(running))
        is_new = said is not None and dt.datetime.fromisoformat(said["at"]) > at and bool(said["rooms"])
        return is_new and running.pid_of("switchboard") != before

    await asyncio.to_thread(wait_for, is_back, what="a new switchboard", patience_s=40)


def test_who_is_muted_is_not_heard_and_a_locked_room_takes_nobody_also_when_the_switchboard_was_killed(
    running: Running,
) -> None:
    room = open_room(running, "Led")

    async def story(alice: Person) -> None:
        user, server = PELICAN.caller.removeprefix("+"), running.stand.sip
        async with (
            open_phone(PELICAN.address, user, server=server, tone_hz=CALLER_HZ) as first,
            open_phone(PELICAN.address, user, server=server, tone_hz=AGENT_HZ) as second,
        ):
            await join(running, room, first, as_one_of=1)
            await join(running, room, second, as_one_of=2)
            await asyncio.gather(hears(first, AGENT_HZ), hears(second, CALLER_HZ))
            with running.stand.house.gate.open(Scope.system(room.tenant_id)) as session:
                inside = conference.inside(session, tenant_id=room.tenant_id, room_id=room.room_id)
            call = ids.public("call", inside[0])

            first.press("*6")
            await asyncio.gather(hears_nobody(second, CALLER_HZ), says(alice, room, "muted by themselves"))
            await hears(first, AGENT_HZ)
            first.press("*6")
            await hears(second, CALLER_HZ)

            await does(alice, room, "mute", "yes", call)
            await does(alice, room, "lock", "yes")
            await asyncio.gather(hears_nobody(second, CALLER_HZ), says(alice, room, "Let them be heard"))
            await says(alice, room, "Open it again")
            await is_killed(running)
            await says(alice, room, "Let them be heard")
            await says(alice, room, "Open it again")
            await hears_nobody(second, CALLER_HZ)
            await hears(first, AGENT_HZ)
            await is_turned_away(running, room)

            await does(alice, room, "mute", "no", call)
            await asyncio.gather(hears(second, CALLER_HZ), says(alice, room, "Open it again"))
            await does(alice, room, "lock", "no")
            await says(alice, room, "Lock the room")
            await first.hang_up()
            await second.hang_up()
        await asyncio.to_thread(wait_for, lambda: people(running, room) == 0, what="both are out")

    with contextlib.closing(Person(running, "alice@pelican.example")) as alice:
        asyncio.run(story(alice))


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
