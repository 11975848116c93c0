"""Recordings of calls in progress: begun in the bridge, kept free of card details, ended by rule.

What the switch has written is told by name (`done`); sealing it is `telephony.recording`.
"""

import datetime as dt

from core import clock, log
from core.ids import CallId, RecordingId, new_id
from telephony import recording
from telephony.conductor import facts
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.switch.port import ChannelGoneError, Switch, SwitchError

_log = log.get(__name__)


class Tapes:
    """The recordings that run."""

    def __init__(
        self,
        *,
        switch: Switch,
        live: Live,
        rows: Rows,
        feed: Feed,
    ) -> None:
        self._switch, self._live, self._rows, self._feed = switch, live, rows, feed
        self._running: dict[str, tuple[Held, RecordingId]] = {}

    async def begin(self, held: Held, recording_id: RecordingId, at: dt.datetime) -> None:
        """Record what is said in a call's bridge from now on."""
        call = held.call
        name = _name(call, recording_id)
        self._running[name] = (held, recording_id)
        self._rows.begin_recording(call, recording_id, at)
        await self._switch.record(call.bridge, name=name)

    async def record_message(self, call_id: CallId) -> None:
        """Record what a caller says who leaves a message: alone in the call's bridge, until its end."""
        held = self._live.calls.get(call_id)
        if held is None or held.call.phase is not Phase.FLOW:
            return
        call = held.call
        await held.durable()
        await self._switch.bridge(call.bridge)
        await self._switch.join(call.bridge, [call.channel])
        recording_id = RecordingId(new_id())
        name = _name(call, recording_id)
        self._running[name] = (held, recording_id)
        await self._switch.record(call.bridge, name=name)
        now = clock.now()
        self._feed(call_id, facts.MessageBegan(now, recording_id))
        self._rows.begin_recording(call, recording_id, now)

    async def pause(self, call_id: CallId, *, on: bool) -> bool:
        """Keep what is said out of a call's recording, or in again; return whether that is so now.

        Fails closed: a recording that the switch does not pause is ended, and what was recorded until then
        is kept. When the switch cannot do that either, the answer is no, and the agent must not take the
        card's details.
        """
        held = self._live.calls.get(call_id)
        if held is None or held.call.recording_id is None or held.call.phase is not Phase.TALKING:
            return False
        try:
            await self._switch.pause_recording(_name(held.call, held.call.recording_id), on=on)
        except (SwitchError, ChannelGoneError) as error:
            _log.warning("recording-not-paused", error=error.code)
            if not on or not await self.stop(held.call):
                return False
            self._feed(call_id, facts.RecordingStopped(clock.now()))
        else:
            self._feed(call_id, facts.RecordingPaused(clock.now(), on=on))
        # the console asks as soon as it is told: what it asks for is behind what is being written
        await self._rows.written(call_id)
        return True

    async def end(self, held: Held) -> None:
        """End a recording before the call does, by rule."""
        call = held.call
        if call.recording_id:
            self._rows.note(
                held.call, clock.now(), "recording-stopped", {"by_rule": True, "for_outside": True}
            )
            await self.stop(call)

    async def stop(self, call: LiveCall) -> bool:
        """End what is being recorded; return whether the switch has."""
        if call.recording_id is None:
            return False
        try:
            await self._switch.stop_recording(_name(call, call.recording_id))
        except (SwitchError, ChannelGoneError) as error:
            _log.warning("recording-not-stopped", error=error.code)
            return False
        return True

    async def close(self, call: LiveCall) -> None:
        """End the recording of a call that has ended; what the switch does not end now the sweep finds."""
        if call.recording_id:
            try:
                await self._switch.stop_recording(_name(call, call.recording_id))
            except SwitchError as error:
                _log.info("recording-left-to-the-sweep", error=error.code)

    def take_over(self, held: Held) -> None:
        """Know of a recording that an earlier run has begun."""
        if held.call.recording_id:
            self._running[_name(held.call, held.call.recording_id)] = (held, held.call.recording_id)

    def done(self, name: str) -> None:
        """Take that the switch has written a recording."""
        known = self._running.pop(name, None)
        if known is None:
            return
        held, recording_id = known
        self._rows.captured(held.call, recording_id)

    def forget(self, held: Held) -> None:
        """The switch that wrote it is gone: seal what there is."""
        if held.call.recording_id:
            self.done(_name(held.call, held.call.recording_id))


def _name(call: LiveCall, recording_id: RecordingId) -> str:
    return recording.scratch_name(call.arrival.tenant_id, recording_id)
