"""Conference rooms on the switch: who hears whom, and what those hear who are alone.

A room has one bridge, made when two can talk and taken away with the last. Who is alone, or waits for a
leader, is told so and hears music. Nothing is kept of a room beside the calls that are in it: whoever comes
or goes has it arranged anew, one arrangement after the other, from what the calls say then. After a crash, or
a lost line to the switch, those whom the bridge still holds have talked on and are left in it.
"""

import asyncio
import datetime as dt
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from core import clock, log
from core.ids import RoomId, TenantId, public
from telephony.conductor.directory import Speak, first_in_room, leader_awaited
from telephony.conductor.hands import Hands
from telephony.conductor.live import AtRoom, Held, Live
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.conductor.voice import Voice
from telephony.speech import beep
from telephony.switch.port import ChannelGoneError, LiveChannel, Speech, Switch, SwitchError

_log = log.get(__name__)
_Key = tuple[TenantId, RoomId]


class Rooms:
    """The conference rooms in which somebody is now."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        live: Live,
        rows: Rows,
        voice: Voice,
        speak: Speak,
        sounds: Path,
    ) -> None:
        self._switch, self._hands, self._live, self._rows = switch, hands, live, rows
        self._voice, self._speak, self._sounds = voice, speak, sounds
        self._turns: weakref.WeakValueDictionary[_Key, asyncio.Lock] = weakref.WeakValueDictionary()

    def people(self, tenant_id: TenantId, room_id: RoomId) -> int:
        """Return how many are in a room of a company now."""
        return len(self._inside((tenant_id, room_id)))

    def enter(self, held: Held) -> None:
        """Put a caller into the room that their call says, once that survives a crash."""
        self._rows.enter_room(held.call)
        self._hands.command(held, self._enter(held))

    def left(self, held: Held, at: dt.datetime) -> None:
        """Let the others of a room go on without a caller who is out of it, or take the bridge away."""
        room, key = held.call.room, _key(held)
        if room is None or key is None:
            return
        held.at_room = AtRoom.NOWHERE
        about = {"room": public("room", room.room_id), "name": room.name}
        lasted_ms = clock.elapsed_ms(room.joined_at, max(at, room.joined_at))
        self._rows.note(held.call, at, "room-left", about | {"lasted_ms": lasted_ms})
        self._hands.spawn(self._arrange(key))

    def played(self, held: Held, playback: str) -> bool:
        """Whether this was ours and has been said; who is alone still hears music then."""
        if playback != _playback(held):
            return False
        key = _key(held)
        if held.at_room is AtRoom.TOLD and key:
            held.at_room = AtRoom.WAITING
            self._hands.spawn(self._arrange(key))
        return True

    def stand_again(self, held: Held, there: Mapping[str, LiveChannel]) -> None:
        """Go on with a call that was in a room when it was lost sight of: where the switch has it now."""
        key = _key(held)
        if key:
            is_in = there[held.call.channel].bridge == _bridge(key)
            held.at_room = AtRoom.BRIDGED if is_in else AtRoom.WAITING
            self._hands.spawn(self._arrange(key))

    async def _enter(self, held: Held) -> None:
        await held.durable()
        key = _key(held)
        if key and held.call.phase is Phase.ROOM:
            held.at_room = AtRoom.DOOR
            await self._arrange(key, newcomer=held)

    async def _arrange(self, key: _Key, *, newcomer: Held | None = None) -> None:
        """Put everybody who is in a room where they belong; one arrangement of a room at a time."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            inside = self._inside(key)
            talks = _may_talk(inside)
            if not inside:
                await self._try(self._switch.close_bridge(_bridge(key)))
                return
            for held in inside:
                if held.at_room is not AtRoom.NOWHERE:
                    await self._try(self._bring_in(held, key) if talks else self._keep_apart(held, key))
            if newcomer and talks and newcomer.call.room and newcomer.call.room.announces:
                await self._try(self._announce(newcomer, [one for one in inside if one is not newcomer]))

    async def _bring_in(self, held: Held, key: _Key) -> None:
        """Let somebody hear the others, and be heard."""
        was, held.at_room = held.at_room, AtRoom.BRIDGED
        if was is AtRoom.BRIDGED:
            return
        if was is AtRoom.TOLD:
            await self._switch.stop_playback(_playback(held))
        if was is AtRoom.MUSIC:
            await self._switch.hold_music(held.call.channel, on=False)
        await self._switch.bridge(_bridge(key))
        await self._switch.join(_bridge(key), [held.call.channel])

    async def _keep_apart(self, held: Held, key: _Key) -> None:
        """Tell somebody who has just come that nobody, or no leader, is there; else they hear music."""
        was = held.at_room
        if was in {AtRoom.TOLD, AtRoom.MUSIC}:
            return
        if was is AtRoom.DOOR:
            held.at_room = AtRoom.TOLD
            if await self._tell(held):
                return
        held.at_room = AtRoom.MUSIC
        if was is AtRoom.BRIDGED:
            await self._switch.leave(_bridge(key), held.call.channel)
        await self._voice.play_music(held)

    async def _tell(self, held: Held) -> bool:
        """Say why nobody is heard; return False when it cannot be said."""
        language, room = held.line.number.language, held.call.room
        is_first = self.people(*key) == 1 if (key := _key(held)) else True
        waits = room is not None and room.awaits_leader and not room.leads
        said = leader_awaited(language) if waits and not is_first else first_in_room(language)
        sound = await asyncio.to_thread(self._speak, said, language)
        if sound is None or held.at_room is not AtRoom.TOLD:
            return False
        try:
            await self._switch.play(held.call.channel, [Speech(sound)], playback=_playback(held))
        except SwitchError as error:
            _log.warning("not-said", error=error.code)
            return False
        return True

    async def _announce(self, newcomer: Held, others: Sequence[Held]) -> None:
        """Let those who talk already hear a tone."""
        tone = await asyncio.to_thread(beep, self._sounds)
        for held in others:
            if held.at_room is AtRoom.BRIDGED:
                playback = f"tone-{newcomer.call.call_id}-{held.call.call_id}"
                await self._try(self._switch.play(held.call.channel, [Speech(tone)], playback=playback))

    def _inside(self, key: _Key) -> list[Held]:
        return [
            held for held in self._live.calls.values() if held.call.phase is Phase.ROOM and _key(held) == key
        ]

    @staticmethod
    async def _try(work: Coroutine[Any, Any, None]) -> None:
        """Do one thing to the switch; what fails for one caller keeps no other from the room."""
        try:
            await work
        except ChannelGoneError:
            pass  # its end is on the way, and says so
        except (SwitchError, OSError) as error:
            _log.warning("room-not-arranged", error=getattr(error, "code", type(error).__name__))


def _key(held: Held) -> _Key | None:
    """Return the room in which a call is, or was: of its own company, whatever its id."""
    call = held.call
    return (call.arrival.tenant_id, call.room.room_id) if call.room else None


def _may_talk(inside: Sequence[Held]) -> bool:
    """Whether those in a room hear each other: there are two, and a leader where one is waited for."""
    rooms = [held.call.room for held in inside if held.call.room]
    return len(rooms) > 1 and (any(one.leads for one in rooms) or not any(one.awaits_leader for one in rooms))


def _bridge(key: _Key) -> str:
    return f"room-{key[0]}-{key[1]}"


def _playback(held: Held) -> str:
    return f"room-{held.call.call_id}"
