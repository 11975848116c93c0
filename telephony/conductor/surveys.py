"""The caller whose agent has hung up is asked how it was: one question, one key, and the call ends.

Asked where the queue says so (`queues.Settings.survey_percent`), of a caller who called and talked, and only
while the switch has room to spare. The agent is out of it, and so is the recording: the caller is alone on
the line. Whatever is not said, pressed or played in time ends the call. While the switch is away nothing
ends it: what becomes of the caller is seen when it is back (`standing`).
"""

import asyncio
import datetime as dt
from typing import Final

from core import clock, log
from telephony.conductor import facts
from telephony.conductor.admitting import Admitting
from telephony.conductor.directory import Speak, how_was_it, thanks
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.conductor.tapes import Tapes
from telephony.switch.port import ChannelGoneError, Speech, Switch, SwitchError

LONGEST: Final = dt.timedelta(seconds=60)  # a question, or our thanks, that is still being played is cut off
ANSWER_WITHIN: Final = dt.timedelta(seconds=8)  # after the question

_log = log.get(__name__)


class Surveys:
    """Callers who are asked for a rating."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        live: Live,
        rows: Rows,
        tapes: Tapes,
        admitting: Admitting,
        speak: Speak,
        feed: Feed,
    ) -> None:
        self._switch, self._hands, self._live, self._rows = switch, hands, live, rows
        self._tapes, self._admitting, self._speak, self._feed = tapes, admitting, speak, feed

    def most(self, held: Held) -> int:
        """Return up to which rating the caller is asked when their agent hangs up now; 0: they are not."""
        call, queue = held.call, held.line.queue
        has_talked = (
            call.phase is Phase.TALKING and call.dial is None and not (call.consult or call.is_parked)
        )
        if not has_talked or not queue.surveys(call.call_id) or not self._admitting.may_survey(held):
            return 0
        return queue.survey_most

    def end_talk(self, held: Held) -> None:
        """Write that the talk is over; the recording ends, and the bridge in which it was."""
        self._rows.end_talk(held.call)
        self._hands.command(held, self._leave_alone(held))

    def begin(self, held: Held) -> None:
        """Ask the caller."""
        queue = held.line.queue
        said = queue.survey_prompt or how_was_it(held.call.survey_most, queue.language)
        held.asks_until = clock.now() + LONGEST
        self._hands.command(held, self._say(held, "question", said, otherwise="not-said"))

    def rated(self, held: Held) -> None:
        """Keep what the caller has pressed, and thank them."""
        self._rows.rate(held.call)
        held.asks_until = clock.now() + LONGEST
        self._hands.command(held, self._hush(held))
        self._hands.command(
            held, self._say(held, "thanks", thanks(held.line.queue.language), otherwise="answered")
        )

    def pressed(self, held: Held, key: str, at: dt.datetime) -> None:
        """Take a key of the caller: a rating, or nothing that was asked for."""
        if key.isdecimal() and int(key):
            self._feed(held.call.call_id, facts.SurveyAnswered(at, int(key)))

    def played(self, held: Held, playback: str, at: dt.datetime) -> bool:
        """Whether this was ours, and has been said: the caller may answer, or has been thanked."""
        if playback == _playback(held, "thanks"):
            self._feed(held.call.call_id, facts.SurveyEnded(at, "answered"))
        elif playback != _playback(held, "question"):
            return False
        elif not held.call.rating:
            held.asks_until = clock.now() + ANSWER_WITHIN
        return True

    def look(self) -> None:
        """Wait no longer for those who have had the time; to be called every second."""
        if not self._live.is_connected:
            return
        now = clock.now()
        for held in list(self._live.calls.values()):
            call = held.call
            if call.phase is Phase.SURVEY and held.asks_until and held.asks_until <= now:
                self._feed(call.call_id, facts.SurveyEnded(now, "answered" if call.rating else "silent"))

    async def _leave_alone(self, held: Held) -> None:
        if held.call.recording_id and not held.call.has_stopped:
            await self._tapes.stop(held.call)
        try:
            await self._switch.close_bridge(held.call.bridge)
        except SwitchError as error:
            _log.info("bridge-left", error=error.code)

    async def _hush(self, held: Held) -> None:
        """Say no more of the question: it has been answered, perhaps before it was over."""
        try:
            await self._switch.stop_playback(_playback(held, "question"))
        except SwitchError as error:
            _log.info("question-goes-on", error=error.code)

    async def _say(self, held: Held, what: str, text: str, *, otherwise: str) -> None:
        """Say something to the caller; what cannot be said is waited for by nobody."""
        sound = await asyncio.to_thread(self._speak, text, held.line.queue.language)
        if held.call.phase is not Phase.SURVEY or (what == "question" and held.call.rating):
            return
        try:
            if sound is not None:
                await self._switch.play(held.call.channel, [Speech(sound)], playback=_playback(held, what))
                return
        except ChannelGoneError:
            return  # its end is on the way, and says so
        except SwitchError as error:
            _log.warning("not-said", error=error.code)
        if self._live.is_connected:
            self._feed(held.call.call_id, facts.SurveyEnded(clock.now(), otherwise))


def _playback(held: Held, what: str) -> str:
    return f"survey-{held.call.call_id}-{what}"
