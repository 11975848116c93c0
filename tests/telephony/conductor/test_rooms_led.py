"""A conference room that is led: muted, locked, by keys and by order; nothing of it is lost by a crash."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import clock
from core.ids import CallId, RoomId, TenantId, new_id, public
from core.realtime import Realtime
from security.gate import Gate
from security.vault import Vault
from telephony.conductor import facts, in_room, room_words
from telephony.conductor.in_room import may_talk
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import InRoom
from telephony.conductor.pulse import floor_of_tenants
from telephony.conference import Room
from telephony.orders import OrderKind
from tests.telephony.conductor.test_rooms import (
    LEADERS,
    PIN,
    TWO,
    bridges,
    commands,
    ended,
    lend_a_voice,
    perform,
    room,
    steps,
)
from tests.telephony.conductor.theatre import START, Theatre, open_company

LED = f"""
0 guest-1 calls
3 guest-1 presses {LEADERS}#
20 guest-2 calls
23 guest-2 presses {PIN}#
"""


@pytest.fixture
def theatre(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> Iterator[Theatre]:
    with clock.hold(START):
        yield Theatre(gate, vault, realtime, tmp_path, open_company(gate, vault, tenant_a))


@pytest.fixture
def said(theatre: Theatre, tmp_path: Path) -> list[str]:
    return lend_a_voice(theatre, tmp_path)


def muted(stage: Theatre) -> set[str]:
    """Return whom the switch lets nobody hear, by their names on the stage."""
    return {
        next(name for name, channel in stage.lines.items() if channel == one.name)
        for one in stage.sim.switch._channels.values()
        if one.is_muted
    }


def call_of(stage: Theatre, name: str) -> LiveCall:
    return next(one for one in stage.conductor.live if one.channel == stage.lines[name])


async def order(stage: Theatre, kind: OrderKind, made: Room, name: str = "", *, on: bool) -> None:
    about: dict[str, object] = {"tenant_id": made.tenant_id, "room_id": made.room_id, "on": on}
    await stage._order(kind, **about, **({"call_id": call_of(stage, name).call_id} if name else {}))
    await stage.settle()


def shown(stage: Theatre, made: Room) -> dict[str, Any]:
    found: dict[str, Any] = floor_of_tenants(stage.conductor, clock.now())[made.tenant_id]["rooms"][
        str(made.room_id)
    ]
    return found


def test_a_member_mutes_and_unmutes_themselves_and_is_told(theatre: Theatre, said: list[str]) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"{TWO}\n30 guest-2 presses *6")
        assert muted(theatre) == {"guest-2"}
        assert list(bridges(theatre).values()) == [{"guest-1", "guest-2"}], "and hears the others"
        assert shown(theatre, made)["people"] == {
            public("call", call_of(theatre, "guest-1").call_id): {"self": False, "muted": False},
            public("call", call_of(theatre, "guest-2").call_id): {"self": True, "muted": False},
        }
        await theatre.play("3 guest-2 presses *6")
        assert muted(theatre) == set()
        await theatre.play("1 guest-1 hangs up\n2 guest-2 hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert said[-2:] == [room_words.mutes_self("en"), room_words.is_heard("en")]
    told = [one for one in steps(theatre, ended(theatre)[1].call_id) if one.kind == "muted-in-room"]
    assert [one.details for one in told] == [{"on": True, "own": True}, {"on": False, "own": True}]


@pytest.mark.parametrize(
    "keys",
    ["30 guest-2 presses 6", "30 guest-2 presses *56", "30 guest-2 presses *\n35 guest-2 presses 6"],
    ids=["no star", "a star for another key", "a star long ago"],
)
def test_other_keys_mute_nobody(theatre: Theatre, said: list[str], keys: str) -> None:
    room(theatre)
    perform(theatre, f"{TWO}\n{keys}\n40 guest-1 hangs up\n41 guest-2 hangs up")
    assert commands(theatre, "mute") == []


def test_whom_the_company_mutes_cannot_be_heard_by_a_key_and_nobody_opens_anothers_microphone(
    theatre: Theatre, said: list[str]
) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        await order(theatre, OrderKind.MUTE_IN_ROOM, made, "guest-2", on=True)
        assert muted(theatre) == {"guest-2"}
        await theatre.play("3 guest-2 presses *6")
        assert muted(theatre) == {"guest-2"}
        assert said[-2:] == [room_words.muted("en")] * 2
        await order(theatre, OrderKind.MUTE_IN_ROOM, made, "guest-2", on=False)
        assert muted(theatre) == set()
        assert said[-1] == room_words.may_be_heard("en")
        await theatre.play("3 guest-2 presses *6")
        await order(theatre, OrderKind.MUTE_IN_ROOM, made, "guest-2", on=True)
        await order(theatre, OrderKind.MUTE_IN_ROOM, made, "guest-2", on=False)
        assert muted(theatre) == {"guest-2"}, "who has muted themselves alone can be heard again by it"
        await theatre.down()

    asyncio.run(whole())


def test_an_order_about_another_room_or_company_mutes_and_locks_nothing(
    theatre: Theatre, said: list[str], tenant_b: TenantId
) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        mine = {"tenant_id": made.tenant_id, "room_id": made.room_id, "on": True}
        call_id = call_of(theatre, "guest-1").call_id
        for wrong in ({"room_id": new_id()}, {"tenant_id": tenant_b}):
            await theatre._order(OrderKind.LOCK_ROOM, **(mine | wrong))
            await theatre._order(OrderKind.MUTE_IN_ROOM, **(mine | wrong), call_id=call_id)
        await theatre._order(OrderKind.MUTE_IN_ROOM, **mine, call_id=CallId(new_id()))
        assert muted(theatre) == set()
        assert not shown(theatre, made)["locked"]
        await theatre.down()

    asyncio.run(whole())


def test_a_locked_room_takes_leaders_alone_until_it_is_opened_or_empty(
    theatre: Theatre, said: list[str]
) -> None:
    made = room(theatre, leader_pin=LEADERS)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(LED)
        await theatre.play("3 guest-2 presses *5")  # who is no leader locks nothing
        assert not shown(theatre, made)["locked"]
        await theatre.play("3 guest-1 presses *5")
        assert shown(theatre, made)["locked"]
        await theatre.play(
            f"1 guest-3 calls\n4 guest-3 presses {PIN}#\n9 guest-4 calls\n12 guest-4 presses {LEADERS}#"
        )
        assert set().union(*bridges(theatre).values()) == {"guest-1", "guest-2", "guest-4"}
        await theatre.play("1 guest-1 hangs up\n2 guest-2 hangs up")
        assert shown(theatre, made)["locked"], "who came later keeps it locked"
        await theatre.play(f"1 guest-4 hangs up\n5 guest-5 calls\n8 guest-5 presses {PIN}#")
        assert not shown(theatre, made)["locked"]
        await order(theatre, OrderKind.LOCK_ROOM, made, on=True)
        assert shown(theatre, made)["locked"]
        await order(theatre, OrderKind.LOCK_ROOM, made, on=False)
        await theatre.play(f"1 guest-6 calls\n4 guest-6 presses {PIN}#")
        assert len(theatre.conductor.live) == 3, "who was kept out waits in the queue"
        for name in ("guest-5", "guest-6", "guest-3"):
            await theatre.play(f"1 {name} hangs up")
        await order(theatre, OrderKind.LOCK_ROOM, made, on=True)  # nobody is in it: nothing to lock
        await theatre.down()

    asyncio.run(whole())
    assert said.count(room_words.locked("en")) == 1
    third = ended(theatre)[2]
    assert (third.cause, third.room_id) == ("caller-left-queue", None)
    told = [one.kind for one in steps(theatre, third.call_id)]
    assert told.index("room-was-locked") < told.index("flow-moved", told.index("room-was-locked"))


def test_a_leader_opens_the_room_by_the_same_key(theatre: Theatre, said: list[str]) -> None:
    made = room(theatre, leader_pin=LEADERS)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"{LED}\n30 guest-1 presses *5\n35 guest-1 presses *5")
        assert not shown(theatre, made)["locked"]
        await theatre.down()

    asyncio.run(whole())
    assert [one for one in said if "conference" in one][-2:] == [
        room_words.locked("en"),
        room_words.opened("en"),
    ]


def test_who_is_alone_hears_music_again_after_being_told(theatre: Theatre, said: list[str]) -> None:
    room(theatre)
    perform(theatre, f"0 guest-1 calls\n3 guest-1 presses {PIN}#\n20 guest-1 presses *6\n40 guest-1 hangs up")
    assert [one.split()[-1] for one in commands(theatre, "hold_music")] == ["on", "on"]


@pytest.mark.slow
def test_muted_stays_muted_and_locked_stays_locked_when_the_switchboard_dies(
    theatre: Theatre, said: list[str]
) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"{TWO}\n28 guest-1 presses *6")
        await order(theatre, OrderKind.MUTE_IN_ROOM, made, "guest-2", on=True)
        await order(theatre, OrderKind.LOCK_ROOM, made, on=True)
        await theatre.down(killed=True)
        for one in theatre.sim.switch._channels.values():
            one.is_muted = False  # as if what was written had not come to the switch any more
        await theatre.up(sim=theatre.sim)
        await theatre.play("1 pulse beats")
        assert muted(theatre) == {"guest-1", "guest-2"}
        assert shown(theatre, made)["locked"]
        await theatre.play(f"1 guest-3 calls\n4 guest-3 presses {PIN}#\n9 guest-1 presses *6")
        assert muted(theatre) == {"guest-2"}
        assert list(bridges(theatre).values()) == [{"guest-1", "guest-2"}]
        await theatre.down(killed=True)
        for one in theatre.sim.switch._channels.values():
            one.is_muted = one.bridge is not None  # as if an end of it had not come to the switch
        await theatre.up(sim=theatre.sim)
        await theatre.play("1 pulse beats")
        assert muted(theatre) == {"guest-2"}
        await theatre.down()

    asyncio.run(whole())


def test_a_lock_that_a_crash_has_cut_in_two_is_a_lock(theatre: Theatre, said: list[str]) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        # one call's line was on disk, the other's not yet
        theatre.conductor.feed(call_of(theatre, "guest-1").call_id, facts.RoomLocked(clock.now(), on=True))
        await theatre.settle()
        await theatre.down(killed=True)
        await theatre.up(sim=theatre.sim)
        await theatre.play("1 pulse beats\n2 guest-1 hangs up")
        assert shown(theatre, made)["locked"], "whichever of the two leaves first"
        await theatre.down()

    asyncio.run(whole())


def test_the_pulse_says_who_waits(theatre: Theatre, said: list[str]) -> None:
    made = room(theatre, leader_pin=LEADERS)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        assert not shown(theatre, made)["talks"]
        await theatre.play(f"1 guest-3 calls\n4 guest-3 presses {LEADERS}#")
        assert shown(theatre, made)["talks"]
        await theatre.down()

    asyncio.run(whole())


def inside(*, leads: bool = False, awaits: bool = False, is_locked: bool = False) -> InRoom:
    return InRoom(
        RoomId(new_id()),
        "Monday",
        START + dt.timedelta(seconds=1),
        leads,
        awaits,
        announces=True,
        is_locked=is_locked,
    )


def test_those_in_a_room_talk_when_there_are_two_and_whom_they_wait_for() -> None:
    assert not may_talk([])
    assert not may_talk([inside(leads=True, awaits=True)])
    assert not may_talk([inside(awaits=True), inside(awaits=True)])
    assert may_talk([inside(awaits=True), inside(awaits=True, leads=True)])
    assert may_talk([inside(), inside()])
    assert in_room.is_locked([inside(), inside(is_locked=True)])
    assert not in_room.is_locked([inside(), inside()])
