"""What callers and called people are told: greetings, announcements, why they are turned away.

A sound that cannot be played holds nobody up: what would have followed it follows at once.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from core import clock, log
from telephony.conductor import facts
from telephony.conductor.admitting import Admitting
from telephony.conductor.directory import Speak, all_busy, announcement, nobody_free, not_taken
from telephony.conductor.facts import Fact
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Cause
from telephony.conductor.rows import Rows
from telephony.switch import port
from telephony.switch.port import Speech, Switch, SwitchError

_EVERY = 100  # percent
_KNOWN_WITHIN_S = 0.3  # how long a call without a greeting waits to learn who calls, where routing asks

_log = log.get(__name__)


class Voice:
    """Says things to those on the line."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        rows: Rows,
        speak: Speak,
        admitting: Admitting,
        feed: Feed,
    ) -> None:
        self._switch, self._hands, self._rows, self._speak = switch, hands, rows, speak
        self._admitting, self._feed = admitting, feed

    def greet(self, held: Held) -> None:
        """Answer a caller, and greet them."""
        call = held.call
        self._hands.command(held, self._switch.answer(call.channel))
        self.play_greeting(held)

    def play_greeting(self, held: Held) -> None:
        """Greet a caller whose call is answered already, and tell who will be recorded."""
        call = held.call
        # a forwarded call is not recorded
        notice = None if call.forwards else self._notice_of(held)
        held.is_told = notice is not None
        sounds = [Speech(one) for one in (held.line.greeting, notice) if one]
        if not sounds and held.line.routing.asks_who_calls:
            self._hands.spawn(self._until_known(held))
            return
        if not sounds:
            self._feed(call.call_id, facts.GreetingEnded(clock.now()))
            return
        self._hands.command(
            held,
            self._switch.play(call.channel, sounds, playback=f"greeting-{call.call_id}"),
            otherwise=lambda: self._not_greeted(held),
        )

    def _notice_of(self, held: Held) -> Path | None:
        """Return what tells a caller that they are recorded; None: they are not, or their queue tells nobody.

        What a queue that does not simply record every call, or none, has decided stands in the call's story.
        """
        call, queue, line = held.call, held.line.queue, held.line
        is_recorded = queue.records(call.call_id)
        notice = line.notice if is_recorded and queue.tells_callers else None
        if queue.is_recorded and (queue.tells_callers or queue.record_percent < _EVERY):
            decided: dict[str, object] = {
                "recorded": is_recorded and (notice is not None or not queue.tells_callers),
                "percent": queue.record_percent,
                "told": notice is not None,
            }
            self._rows.note(call, clock.now(), "recording-decided", decided)
        return notice

    def _not_greeted(self, held: Held) -> None:
        held.is_told = False
        self._feed(held.call.call_id, facts.GreetingEnded(clock.now()))

    async def _until_known(self, held: Held) -> None:
        """Let a caller whose tier or agent of last time decides wait for their row, as a greeting would."""
        await asyncio.wait({held.row}, timeout=_KNOWN_WITHIN_S)
        self._feed(held.call.call_id, facts.GreetingEnded(clock.now()))

    async def announce(self, held: Held, offer: Offer) -> None:
        """Tell a caller the number of the agent who takes their call."""
        call, language = held.call, held.line.number.language
        await self._switch.hold_music(call.channel, on=False)
        file = await asyncio.to_thread(self._speak, announcement(offer.agent_number, language), language)
        sound = Speech(file) if file else port.Digits(str(offer.agent_number))
        await self._switch.play(call.channel, [sound], playback=f"agent-{offer.offer_id}")

    async def play_music(self, held: Held) -> None:
        """Let somebody who waits or is held hear music, unless that is left undone for now."""
        if self._admitting.may_play_music(held):
            await self._switch.hold_music(held.call.channel, on=True)

    async def turn_away(self, held: Held) -> None:
        """Tell a caller why nobody takes their call: closed, full, not paid for, nobody free for too long."""
        call, queue = held.call, held.line.queue
        sound = held.line.told
        if call.cause in {Cause.NO_ROOM, Cause.NOT_PAID}:
            await self._switch.answer(call.channel)
            language = held.line.number.language
            said = all_busy(language) if call.cause is Cause.NO_ROOM else not_taken(language)
            sound = await asyncio.to_thread(self._speak, said, language)
        elif call.cause is Cause.WAITED_TOO_LONG:
            language = queue.language if queue.wait_message else held.line.number.language
            sound = await asyncio.to_thread(
                self._speak, queue.wait_message or nobody_free(language), language
            )
        else:
            await self._switch.answer(call.channel)
        await self._apologise(held, sound)

    async def give_notice(self, held: Held) -> None:
        """Tell a called person that they are recorded, if they will be."""
        playback, is_recorded = f"notice-{held.call.call_id}", held.line.queue.records(held.call.call_id)
        notice = held.line.notice if is_recorded else None
        await self._say(held, notice, playback, lambda: facts.AnnouncementEnded(clock.now()))

    async def apologise(self, held: Held) -> None:
        """Tell a called person who called, and that nobody is free."""
        await self._apologise(held, held.line.apology)

    async def _apologise(self, held: Held, sound: Path | None) -> None:
        playback = f"apology-{held.call.call_id}"
        await self._say(held, sound, playback, lambda: facts.ApologyEnded(clock.now()))

    async def _say(self, held: Held, sound: Path | None, playback: str, fact: Callable[[], Fact]) -> None:
        """Play something to who is on the line; `fact` follows at once when it cannot be."""
        try:
            if sound is not None:
                await self._switch.play(held.call.channel, [Speech(sound)], playback=playback)
                return
        except SwitchError as error:
            _log.warning("not-said", error=error.code)
        self._feed(held.call.call_id, fact())
