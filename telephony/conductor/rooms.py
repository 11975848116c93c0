"""Conference rooms on the switch: who hears whom, and what those hear who are alone.

A room has one bridge, made when two can talk and taken away with the last. Who is alone, or waits for a
leader, is told so and hears music. Nothing is kept of a room beside the calls that are in it: whoever comes
or goes has it arranged anew, one arrangement after the other, from what the calls say then. After a crash, or
a lost line to the switch, those whom the bridge still holds have talked on and are left in it; who is muted
is muted anew, and a room of which one call says that it is locked is locked.

On the telephone * and a key: 6 mutes oneself, and lets oneself be heard again; a leader locks the room by 5,
and opens it again. What it did is said to who has pressed it, once it survives a crash.
"""

import asyncio
import datetime as dt
import weakref
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from core import clock, log
from core.ids import CallId, RoomId, TenantId, new_id, public
from telephony.conductor import facts, in_room, room_words
from telephony.conductor.directory import Speak
from telephony.conductor.hands import Hands
from telephony.conductor.live import AtRoom, Feed, Held, Live
from telephony.conductor.parties import InRoom
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.conductor.voice import Voice
from telephony.speech import beep
from telephony.switch.port import ChannelGoneError, LiveChannel, Speech, Switch, SwitchError

MUTES: Final = "6"
LOCKS: Final = "5"
"""What is pressed after a star."""

_KEYS_WITHIN = dt.timedelta(seconds=4)
_TWO_IDS: Final = 73  # signs: of two ids, and what stands between them
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
        feed: Feed,
    ) -> None:
        self._switch, self._hands, self._live, self._rows = switch, hands, live, rows
        self._feed = feed
        self._voice, self._speak, self._sounds = voice, speak, sounds
        self._turns: weakref.WeakValueDictionary[_Key, asyncio.Lock] = weakref.WeakValueDictionary()

    def people(self, tenant_id: TenantId, room_id: RoomId) -> int:
        """Return how many are in a room of a company now."""
        return len(self._inside((tenant_id, room_id)))

    def is_locked(self, tenant_id: TenantId, room_id: RoomId) -> bool:
        """Return whether a room of a company takes nobody but its leaders."""
        return in_room.is_locked(_rooms_of(self._inside((tenant_id, room_id))))

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
        if playback.startswith(_word(held)):
            self._hands.spawn(self._music_again(held))
            return True
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
            self.heard(held)
            self._hands.spawn(self._arrange(key))

    async def sweep(self, bridges: Iterable[str]) -> None:
        """Take the bridges of rooms away in which nobody is: the last one left while nobody conducted."""
        for key in filter(None, map(_key_of, bridges)):
            if not self._inside(key):
                await self._arrange(key)

    # --- muted, locked ------------------------------------------------------------------------------

    async def mute(self, tenant_id: TenantId, room_id: RoomId, call_id: CallId, *, on: bool) -> str:
        """Mute somebody in a room for its company, or let them be heard again; return what became of it."""
        held = self._live.calls.get(call_id)
        if held is None or held not in self._inside((tenant_id, room_id)):
            return "not-in-room"
        if held.call.room and held.call.room.is_muted is not on:
            self._feed(call_id, facts.MutedInRoom(clock.now(), on, is_own=False))
            self._say(held, room_words.muted if on else room_words.may_be_heard)
        await held.durable()
        return "done"

    async def lock(self, tenant_id: TenantId, room_id: RoomId, *, on: bool) -> str:
        """Lock a room for its company, or open it again; return what became of it."""
        inside = self._inside((tenant_id, room_id))
        if not inside:
            return "nobody-in-room"
        now = clock.now()
        for held in inside:
            self._feed(held.call.call_id, facts.RoomLocked(now, on))
        await asyncio.gather(*(held.durable() for held in inside))
        return "done"

    def heard(self, held: Held) -> None:
        """Let the room hear a caller, or not, as their call says."""
        self._hands.command(held, self._heard(held))

    async def _heard(self, held: Held) -> None:
        await held.durable()
        if held.call.room and held.call.phase is Phase.ROOM:
            await self._switch.mute(held.call.channel, on=not held.call.room.is_heard)

    def pressed(self, held: Held, key: str, at: dt.datetime) -> None:
        """Take a key pressed by somebody in a room."""
        star, held.star_at = held.star_at, at if key == "*" else None
        room = held.call.room
        if room is None or star is None or at - star > _KEYS_WITHIN:
            return
        if key == MUTES and room.is_muted:
            self._say(held, room_words.muted)
        elif key == MUTES:
            on = not room.mutes_self
            self._feed(held.call.call_id, facts.MutedInRoom(at, on, is_own=True))
            self._say(held, room_words.mutes_self if on else room_words.is_heard)
        elif key == LOCKS and room.leads:
            self._hands.spawn(self._lock_by_key(held, room))

    async def _lock_by_key(self, held: Held, room: InRoom) -> None:
        tenant_id, on = held.call.arrival.tenant_id, not room.is_locked
        await self.lock(tenant_id, room.room_id, on=on)
        self._say(held, room_words.locked if on else room_words.opened)

    def _say(self, held: Held, words: room_words.Words) -> None:
        """Tell one caller in a room something, once it survives a crash."""
        self._hands.command(held, self._say_now(held, words))

    async def _say_now(self, held: Held, words: room_words.Words) -> None:
        await held.durable()
        language = held.line.number.language
        sound = await asyncio.to_thread(self._speak, words(language), language)
        if sound and held.call.phase is Phase.ROOM:
            playback = f"{_word(held)}{new_id()}"
            await self._switch.play(held.call.channel, [Speech(sound)], playback=playback)

    async def _music_again(self, held: Held) -> None:
        """Go on with the music of who is alone: what they were told has ended it."""
        key = _key(held)
        if key:
            async with self._turn(key):
                if held.at_room is AtRoom.MUSIC:
                    await self._try(self._voice.play_music(held))

    # --- who hears whom -----------------------------------------------------------------------------

    async def _enter(self, held: Held) -> None:
        await held.durable()
        key = _key(held)
        if key and held.call.phase is Phase.ROOM:
            held.at_room = AtRoom.DOOR
            await self._arrange(key, newcomer=held)

    async def _arrange(self, key: _Key, *, newcomer: Held | None = None) -> None:
        """Put everybody who is in a room where they belong; one arrangement of a room at a time."""
        async with self._turn(key):
            inside = self._inside(key)
            talks = in_room.may_talk(_rooms_of(inside))
            self._lock_alike(inside)
            if not inside:
                await self._try(self._switch.close_bridge(_bridge(key)))
                return
            for held in inside:
                if held.at_room is not AtRoom.NOWHERE:
                    await self._try(self._bring_in(held, key) if talks else self._keep_apart(held, key))
            if newcomer and talks and newcomer.call.room and newcomer.call.room.announces:
                await self._try(self._announce(newcomer, [one for one in inside if one is not newcomer]))

    def _turn(self, key: _Key) -> asyncio.Lock:
        """Return what lets one thing at a time be done to who hears whom in a room."""
        return self._turns.setdefault(key, asyncio.Lock())

    def _lock_alike(self, inside: Sequence[Held]) -> None:
        """Let all calls of a room say that it is locked where one does: a crash came between them."""
        if in_room.is_locked(_rooms_of(inside)):
            for held in inside:
                if held.call.room and not held.call.room.is_locked:
                    self._feed(held.call.call_id, facts.RoomLocked(clock.now(), on=True))

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
        said = room_words.leader_awaited(language) if waits and not is_first else room_words.first(language)
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


def _rooms_of(inside: Sequence[Held]) -> Sequence[InRoom]:
    return [held.call.room for held in inside if held.call.room]


def _bridge(key: _Key) -> str:
    return f"room-{key[0]}-{key[1]}"


def _key_of(bridge: str) -> _Key | None:
    """Return the room whose bridge has this name; None: it is of something else."""
    name, _, ids = bridge.partition("-")
    if name != "room" or len(ids) != _TWO_IDS:
        return None
    half = _TWO_IDS // 2
    return TenantId(UUID(ids[:half])), RoomId(UUID(ids[half + 1 :]))


def _playback(held: Held) -> str:
    return f"room-{held.call.call_id}"


def _word(held: Held) -> str:
    return f"room-word-{held.call.call_id}-"
