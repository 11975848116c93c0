"""What callers who wait are told meanwhile: where they stand, how long it takes, which keys they may press.

It is said when they begin to wait and then again and again, with music between; who is put through hears no
more of it. What cannot be said holds nobody up: they wait and hear music, and their keys count all the same.
"""

import asyncio
import itertools
from collections.abc import Sequence

from core import clock, log
from telephony.conductor.directory import Speak
from telephony.conductor.flow_runner import FlowRunner, Telling
from telephony.conductor.hands import Hands
from telephony.conductor.live import Held, Live
from telephony.conductor.phases import Phase
from telephony.conductor.voice import Voice
from telephony.routing.floor import Floor
from telephony.switch.port import Speech, Switch, SwitchError

_WAIT = frozenset({Phase.QUEUED, Phase.OFFERED})  # while an agent is rung they wait on
_log = log.get(__name__)


class Meanwhile:
    """Tells callers who wait."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        voice: Voice,
        floor: Floor,
        flows: FlowRunner,
        live: Live,
        speak: Speak,
    ) -> None:
        self._switch, self._hands, self._voice, self._floor = switch, hands, voice, floor
        self._flows, self._live, self._speak = flows, live, speak
        self._number = itertools.count(1)

    def begin(self, held: Held) -> None:
        """Tell a caller who begins to wait, or let them hear music where there is nothing to tell.

        Who is back because an agent failed them has been told already.
        """
        if held.telling:
            return
        is_new = held.tells_at is None and held.call.call_id in self._floor.waiting
        if not (is_new and self._tell(held)):
            self._hands.command(held, self._voice.play_music(held))

    def look(self) -> None:
        """Tell those again whose time has come; to be called every second."""
        now = clock.now()
        for call_id in list(self._floor.waiting):
            held = self._live.calls.get(call_id)
            if held and held.tells_at and held.tells_at <= now and not held.telling:
                self._tell(held)

    def told(self, held: Held, playback: str) -> bool:
        """Whether this was ours, and has been said: music goes on, for who still waits."""
        if playback != held.telling:
            return False
        held.telling = ""
        if held.call.phase in _WAIT:
            self._hands.command(held, self._voice.play_music(held))
        return True

    def follow(self, held: Held) -> None:
        """Say no more to who does not wait any more."""
        if held.call.phase in _WAIT:
            return
        held.tells_at, playback = None, held.telling
        held.telling = ""
        if playback and held.call.phase is not Phase.ENDED:
            self._hands.command(held, self._switch.stop_playback(playback))

    def _tell(self, held: Held) -> bool:
        telling = self._flows.telling(held.call)
        held.tells_at = clock.now() + telling.every if telling else None
        if telling is None:
            return False
        held.telling = f"wait-{held.call.call_id}-{next(self._number)}"
        self._hands.spawn(self._prepare(held, held.telling, telling))
        return True

    async def _prepare(self, held: Held, playback: str, telling: Telling) -> None:
        """Make the sounds beside the call's commands: an agent who answers meanwhile waits for none of it."""
        made = [await asyncio.to_thread(self._speak, text, language) for text, language in telling.texts]
        if playback == held.telling:
            self._hands.command(held, self._say(held, playback, [Speech(one) for one in made if one]))

    async def _say(self, held: Held, playback: str, sounds: Sequence[Speech]) -> None:
        try:
            if sounds and playback == held.telling:
                await self._switch.hold_music(held.call.channel, on=False)
                await self._switch.play(held.call.channel, sounds, playback=playback)
                return
        except SwitchError as error:
            _log.warning("not-said", error=error.code)
        self.told(held, playback)
