"""`Switch` without a telephone. What it does follows what Asterisk was seen to do.

Commands are accepted at once; their events come `_STEP_MS` later, so that a listener sees its
command return before the event, as on a real line. Methods named `let_...` are the world's
(`Simulation`).
"""

import asyncio
import dataclasses
import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core import clock
from telephony.switch.clearance import Clearance
from telephony.switch.port import (
    RING_TIMEOUT_S,
    SPARE,
    AgentAnswered,
    AgentRinging,
    Arrived,
    CalledAnswered,
    CalledRinging,
    Cause,
    ChannelGoneError,
    ChannelState,
    Connected,
    Detected,
    DialRequested,
    Digit,
    Digits,
    Disconnected,
    Ended,
    EndpointChanged,
    Event,
    LiveChannel,
    OnEvent,
    PlaybackFinished,
    RecordingDone,
    Sound,
    Speech,
    SwitchError,
    SwitchFacts,
    Tone,
)
from telephony.switch.simulator import public, wav
from telephony.switch.simulator.public import Habit
from telephony.switch.simulator.timeline import Alarm, Timeline
from telephony.switch.simulator.transcript import Transcript

_STEP_MS: Final = 1
_RING_AFTER_MS: Final = 20
_REFUSED_AFTER_MS: Final = 50
_HEARD_AFTER_MS: Final = 1500  # a hello, and the silence after it; a greeting that goes on takes as long
_CARRIER: Final = "carrier"
_DIGIT_MS: Final = 600  # Asterisk's spoken digits take about so long
_LONGEST_RECORDING_MS: Final = 60_000
_PACKET_MS: Final = 20
# Q.850 to SIP on a call nobody answered; others become 603.
_SIP: Final = {1: 404, 16: 480, 17: 486, 18: 408, 19: 480, 21: 403, 34: 503, 42: 503}
_OTHER_SIP: Final = 603
_NO_APPLICATION: Final = 503


@dataclass(slots=True)
class _Playback:
    name: str
    sounds: tuple[Sound, ...]
    alarm: Alarm | None = None


@dataclass(slots=True)
class _Channel:
    name: str
    endpoint: str
    began_at: dt.datetime
    state: ChannelState
    dnis: str = ""
    ani: str = ""
    is_inbound: bool = False
    is_rung: bool = False
    called: str = ""  # the number originated to
    overhears: str = ""  # the leg it hears
    has_music: bool = False
    is_muted: bool = False  # nobody hears what is said there
    silent_at: dt.datetime | None = None
    bridge: str | None = None
    playing: list[_Playback] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    bounds: list[Alarm] = field(default_factory=list)

    def public(self) -> LiveChannel:
        return LiveChannel(
            channel=self.name,
            state=self.state,
            endpoint=self.endpoint,
            began_at=self.began_at,
            dnis=self.dnis,
            ani=self.ani,
            is_inbound=self.is_inbound,
            bridge=self.bridge,
        )


@dataclass(slots=True)
class _Recording:
    name: str
    bridge: str
    began_at: dt.datetime


class SimulatedSwitch:
    """See `telephony.switch.simulator.simulation.Simulation`, which makes it."""

    def __init__(self, time: Timeline, *, recording_dir: Path, phones_register: bool) -> None:
        self.transcript = Transcript()
        self.outcomes: dict[str, int] = {}
        self.dialled: list[str] = []  # every number originated to, in order
        self._time = time
        self._recording_dir = recording_dir
        self._phones_register = phones_register
        self._closing = asyncio.Event()
        self._on_event: OnEvent | None = None
        self._is_connected = False
        self._is_down = False
        self._boots = itertools.count(1)
        self._boot = next(self._boots)
        self._calls = itertools.count(1)
        self._channels: dict[str, _Channel] = {}
        self._bridges: set[str] = set()
        self._recordings: dict[str, _Recording] = {}
        self.endpoints: dict[str, bool] = {}

    # --- the line -----------------------------------------------------------------------------

    async def run(self, on_event: OnEvent) -> None:
        """See `Switch.run`. May be run again, as a switchboard that is started anew does."""
        self._closing.clear()
        self._on_event = on_event
        if not self._is_down:
            self.let_line_mend()
        try:
            await self._closing.wait()
        finally:
            self._lose_line("closed")
            self._on_event = None

    async def close(self) -> None:
        """See `Switch.close`."""
        self._closing.set()

    def let_line_break(self, *, for_ms: int | None) -> None:
        """Break the line; calls go on."""
        self._lose_line("the switch closed the line")
        if for_ms is not None:
            self._time.after(for_ms, self.let_line_mend)

    def let_line_mend(self) -> None:
        """Mend the line and tell what lives."""
        if self._is_connected or self._on_event is None:
            return
        self._is_down = False
        self._is_connected = True
        live = tuple(channel.public() for channel in self._channels.values())
        stand = tuple(sorted(self._bridges))
        self._tell(Connected(at=clock.now(), boot_id=f"boot-{self._boot}", channels=live, bridges=stand))

    def let_restart(self, *, takes_ms: int) -> None:
        """Lose everything and come back."""
        self._lose_line("the switch closed the line")
        self._is_down = True
        self._boot = next(self._boots)
        for channel in self._channels.values():
            self._silence(channel)
        self._channels.clear()
        self._bridges.clear()
        self._recordings.clear()
        self.endpoints.clear()
        self._time.after(takes_ms, self.let_line_mend)

    def _lose_line(self, reason: str) -> None:
        if self._is_connected:
            self._tell(Disconnected(at=clock.now(), reason=reason))
            self._is_connected = False

    def _tell(self, event: Event) -> None:
        # What happens while the line is broken is never told, as on a real one.
        if self._is_connected and self._on_event is not None:
            self.transcript.event(self._words(event))
            self._on_event(event)

    # --- the world ----------------------------------------------------------------------------

    def let_arrive(self, dnis: str, ani: str, *, trunk: str) -> str:
        """Somebody calls."""
        name = f"sim-{self._boot}.{next(self._calls)}"
        if not self._is_connected:
            self.outcomes[name] = _NO_APPLICATION
            return name
        self._add(
            _Channel(
                name=name,
                endpoint=trunk,
                began_at=clock.now(),
                state=ChannelState.OTHER,
                dnis=dnis,
                ani=ani,
                is_inbound=True,
            )
        )
        self._tell(Arrived(at=clock.now(), channel=name, dnis=dnis, ani=ani, trunk=trunk))
        return name

    def let_press(self, channel: str, keys: str) -> None:
        """Somebody presses keys."""
        if channel in self._channels:
            for key in keys:
                self._tell(Digit(at=clock.now(), channel=channel, digit=key))

    def let_register(self, endpoint: str, *, online: bool) -> None:
        """A phone registers or vanishes."""
        was = self.endpoints.get(endpoint)
        self.endpoints[endpoint] = online
        if not online:
            for channel in [c for c in self._channels.values() if c.endpoint == endpoint]:
                self._end(channel, Cause.NO_USER_RESPONSE if channel.is_rung else Cause.NORMAL)
        if was is not online:
            self._tell(EndpointChanged(at=clock.now(), endpoint=endpoint, online=online))

    def let_line_lapse(self, endpoint: str, *, is_silent: bool) -> None:
        """A phone is registered no more; what it was in stays."""
        if is_silent:
            for channel in [c for c in self._channels.values() if c.endpoint == endpoint]:
                channel.silent_at = clock.now()
        self.endpoints[endpoint] = False
        self._tell(EndpointChanged(at=clock.now(), endpoint=endpoint, online=False))

    def ringing_at(self, endpoint: str) -> str | None:
        """Return what rings there."""
        for channel in self._channels.values():
            if channel.endpoint == endpoint and channel.state is ChannelState.RINGING:
                return channel.name
        return None

    def let_answer(self, endpoint: str) -> str:
        """The agent picks up."""
        name = self.ringing_at(endpoint)
        if name is None:
            raise LookupError(endpoint)
        channel = self._channels[name]
        self._call_off(channel)
        channel.state = ChannelState.UP
        self._tell(AgentAnswered(at=clock.now(), channel=name))
        return name

    def let_end(self, channel: str, *, cause: int) -> None:
        """The far end hangs up."""
        if found := self._channels.get(channel):
            self._end(found, cause)

    def let_dial(self, endpoint: str, digits: str) -> str:
        """A phone asks to dial."""
        name = f"sim-{self._boot}.{next(self._calls)}"
        channel = _Channel(
            name=name,
            endpoint=endpoint,
            began_at=clock.now(),
            state=ChannelState.OTHER,
            dnis=digits,
        )
        self._add(channel)
        self._tell(DialRequested(at=clock.now(), channel=name, endpoint=endpoint, digits=digits))
        return name

    # --- commands -----------------------------------------------------------------------------

    async def answer(self, channel: str) -> None:
        """See `Switch.answer`."""
        found = self._need(channel)
        self._note(f"answer {self._who(channel)}")
        found.state = ChannelState.UP
        self.outcomes[channel] = 200

    async def bound(self, channel: str, *, longest: dt.timedelta) -> None:
        """See `Switch.bound`."""
        found = self._need(channel)
        if found.playing:
            raise SwitchError("no reply while it plays", is_temporary=True, channel=channel)
        self._bound(found, longest)

    def _bound(self, made: _Channel, longest: dt.timedelta) -> None:
        for earlier in made.bounds:
            earlier.call_off()
        made.bounds.append(
            self._time.after(longest // dt.timedelta(milliseconds=1), lambda: self._end(made, Cause.NORMAL))
        )

    async def play(self, channel: str, sounds: Sequence[Sound], *, playback: str) -> None:
        """See `Switch.play`."""
        found = self._need(channel)
        shown = " ".join(map(_sound_words, sounds))
        name = self.transcript.name(playback, "playback")
        self._note(f"play {self._who(channel)} {name} {shown}")
        found.playing.append(_Playback(playback, tuple(sounds)))
        if len(found.playing) == 1:
            self._play_next(found)

    async def stop_playback(self, playback: str) -> None:
        """See `Switch.stop_playback`."""
        self._need_line()
        self._note(f"stop_playback {self.transcript.name(playback, 'playback')}")
        self._time.after(_STEP_MS, lambda: self._stop(playback))

    async def hold_music(self, channel: str, *, on: bool) -> None:
        """See `Switch.hold_music`."""
        found = self._need(channel)
        self._note(f"hold_music {self._who(channel)} {'on' if on else 'off'}")
        found.has_music = on

    async def mute(self, channel: str, *, on: bool) -> None:
        """See `Switch.mute`."""
        found = self._need(channel)
        self._note(f"mute {self._who(channel)} {'on' if on else 'off'}")
        found.is_muted = on

    async def ring(
        self,
        channel: str,
        endpoint: str,
        *,
        caller: str,
        timeout_s: float = RING_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """See `Switch.ring`."""
        self._need_line()
        name = self.transcript.name(channel, "out")
        extra = "".join(f" {key}" for key in sorted(headers or {}))
        self._note(f"ring {name} {endpoint} caller={caller} timeout_s={timeout_s:g}{extra}")
        if not self.endpoints.get(endpoint):
            raise SwitchError("the phone is not registered", is_temporary=False, endpoint=endpoint)
        if channel in self._channels:
            raise SwitchError("the id is in use", is_temporary=False, channel=channel)
        made = _Channel(
            name=channel,
            endpoint=endpoint,
            began_at=clock.now(),
            state=ChannelState.OTHER,
            is_rung=True,
        )
        self._channels[channel] = made
        made.alarms = [
            self._time.after(_RING_AFTER_MS, lambda: self._rings(made)),
            self._time.after(round(timeout_s * 1000), lambda: self._end(made, Cause.NO_ANSWER)),
        ]

    async def originate(self, channel: str, *, clearance: Clearance) -> None:
        """See `Switch.originate`; the number's last digit says what happens (`public`)."""
        self._need_line()
        clearance.insist(clock.now())
        name = self.transcript.name(channel, "dial")
        self._note(f"originate {name} caller={clearance.caller} ring_s={clearance.ring_s}")
        if channel in self._channels:
            raise SwitchError("the id is in use", is_temporary=False, channel=channel)
        made = _Channel(
            name=channel,
            endpoint=_CARRIER,
            began_at=clock.now(),
            state=ChannelState.OTHER,
            is_rung=True,
            called=clearance.to,
        )
        self._channels[channel] = made
        self.dialled.append(clearance.to)
        self._bound(made, dt.timedelta(seconds=clearance.ring_s) + clearance.longest + SPARE)
        habit = public.habit_of(clearance.to)
        made.alarms = [self._time.after(clearance.ring_s * 1000, lambda: self._end(made, Cause.NO_ANSWER))]
        if refusal := public.REFUSALS.get(habit):
            made.alarms.append(self._time.after(_REFUSED_AFTER_MS, lambda: self._end(made, refusal)))
            return
        made.alarms.append(self._time.after(_RING_AFTER_MS, lambda: self._rings(made)))
        if habit is not Habit.RINGS_OUT:
            made.alarms.append(self._time.after(public.PACE.rings_ms, lambda: self._picked_up(made)))

    async def detect(self, channel: str) -> None:
        """See `Switch.detect`."""
        found = self._need(channel)
        self._note(f"detect {self._who(channel)}")
        is_machine = public.habit_of(found.called) is Habit.MACHINE
        found.alarms.append(
            self._time.after(
                _HEARD_AFTER_MS,
                lambda: self._tell(Detected(at=clock.now(), channel=channel, is_machine=is_machine)),
            )
        )

    async def hang_up(self, channel: str, *, cause: int = Cause.NORMAL) -> None:
        """See `Switch.hang_up`."""
        self._need_line()
        self._note(f"hang_up {self._who(channel)} cause={int(cause)}")
        if found := self._channels.get(channel):
            self._time.after(_STEP_MS, lambda: self._end(found, int(cause), by_us=True))

    async def bridge(self, bridge: str) -> None:
        """See `Switch.bridge`."""
        self._need_line()
        self._note(f"bridge {self.transcript.name(bridge, 'bridge')}")
        self._bridges.add(bridge)

    async def join(self, bridge: str, channels: Sequence[str]) -> None:
        """See `Switch.join`."""
        found = [self._need(channel) for channel in channels]
        who = " ".join(map(self._who, channels))
        self._note(f"join {self.transcript.name(bridge, 'bridge')} {who}")
        self._need_bridge(bridge)
        for channel in found:
            channel.bridge = bridge

    async def leave(self, bridge: str, channel: str) -> None:
        """See `Switch.leave`."""
        self._need_line()
        self._note(f"leave {self.transcript.name(bridge, 'bridge')} {self._who(channel)}")
        found = self._channels.get(channel)
        if found is not None and found.bridge == bridge:
            self._take_out(found)

    async def close_bridge(self, bridge: str) -> None:
        """See `Switch.close_bridge`."""
        self._need_line()
        self._note(f"close_bridge {self.transcript.name(bridge, 'bridge')}")
        self._bridges.discard(bridge)
        for channel in self._channels.values():
            if channel.bridge == bridge:
                channel.bridge = None
        self._close_recordings(bridge)

    async def overhear(self, channel: str, of: str, *, whispers: bool) -> None:
        """See `Switch.overhear`."""
        self._need(of)
        name = self.transcript.name(channel, "ear")
        self._note(f"overhear {name} of {self._who(of)}{' whispering' if whispers else ''}")
        if channel in self._channels:
            raise SwitchError("the id is in use", is_temporary=False, channel=channel)
        self._channels[channel] = _Channel(
            name=channel,
            endpoint="",
            began_at=clock.now(),
            state=ChannelState.UP,
            is_rung=True,
            overhears=of,
        )

    async def record(self, bridge: str, *, name: str) -> None:
        """See `Switch.record`."""
        self._need_line()
        shown = self.transcript.name(name, "recording")
        self._note(f"record {self.transcript.name(bridge, 'bridge')} {shown}")
        self._need_bridge(bridge)
        if name in self._recordings or self._file(name).exists():
            raise SwitchError("the recording exists", is_temporary=False, status=409)
        self._recordings[name] = _Recording(name, bridge, clock.now())

    async def pause_recording(self, name: str, *, on: bool) -> None:
        """See `Switch.pause_recording`."""
        self._need_line()
        self._note(f"pause_recording {self.transcript.name(name, 'recording')} {'on' if on else 'off'}")
        if name not in self._recordings:
            raise SwitchError("nothing is recorded under that name", is_temporary=False, status=404)

    async def stop_recording(self, name: str) -> None:
        """See `Switch.stop_recording`."""
        self._need_line()
        self._note(f"stop_recording {self.transcript.name(name, 'recording')}")
        if name in self._recordings:
            self._time.after(_STEP_MS, lambda: self._close_recording(name))

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        """See `Switch.live_channels`."""
        self._need_line()
        return tuple(channel.public() for channel in self._channels.values())

    async def put_endpoint(self, endpoint: str, *, password: str) -> None:
        """See `Switch.put_endpoint`."""
        del password
        self._need_line()
        self._note(f"put_endpoint {endpoint}")
        self.endpoints.setdefault(endpoint, False)
        if self._phones_register:
            self._time.after(_STEP_MS, lambda: self._register_if_there(endpoint))

    async def drop_endpoint(self, endpoint: str) -> None:
        """See `Switch.drop_endpoint`."""
        self._need_line()
        self._note(f"drop_endpoint {endpoint}")
        self.endpoints.pop(endpoint, None)

    async def online(self, endpoint: str) -> bool:
        """See `Switch.online`."""
        self._need_line()
        return self.endpoints.get(endpoint, False)

    async def heard(self, channel: str) -> int:
        """See `Switch.heard`: everybody speaks from the first instant until they fall silent."""
        found = self._need(channel)
        return clock.elapsed_ms(found.began_at, found.silent_at or clock.now()) // _PACKET_MS

    async def facts(self) -> SwitchFacts:
        """See `Switch.facts`."""
        self._need_line()
        return SwitchFacts(
            kind="simulator",
            version="1",
            boot_id=f"boot-{self._boot}",
            modules=frozenset(),
            missing_modules=(),
            is_simulated=True,
        )

    # --- what follows -------------------------------------------------------------------------

    def _rings(self, channel: _Channel) -> None:
        if channel.state is ChannelState.OTHER:
            channel.state = ChannelState.RINGING
            kind = CalledRinging if channel.called else AgentRinging
            self._tell(kind(at=clock.now(), channel=channel.name))

    def _picked_up(self, channel: _Channel) -> None:
        self._call_off(channel)
        channel.state = ChannelState.UP
        lasts_ms = public.lasts_ms(public.habit_of(channel.called))
        if lasts_ms is not None:
            channel.alarms.append(self._time.after(lasts_ms, lambda: self._end(channel, Cause.NORMAL)))
        self._tell(CalledAnswered(at=clock.now(), channel=channel.name))

    def _register_if_there(self, endpoint: str) -> None:
        if self.endpoints.get(endpoint) is False:
            self.let_register(endpoint, online=True)

    def _play_next(self, channel: _Channel) -> None:
        playback = channel.playing[0]
        if any(isinstance(sound, Tone) for sound in playback.sounds):
            return  # a tone never ends by itself
        lengths = [_sound_ms(sound) for sound in playback.sounds]
        known = [ms for ms in lengths if ms is not None]
        is_ok = len(known) == len(lengths)
        length = max(sum(known), _STEP_MS) if is_ok else _STEP_MS
        playback.alarm = self._time.after(length, lambda: self._played(channel, playback, ok=is_ok))

    def _stop(self, playback: str) -> None:
        for channel in list(self._channels.values()):
            for each in [p for p in channel.playing if p.name == playback]:
                self._played(channel, each)

    def _played(self, channel: _Channel, playback: _Playback, *, ok: bool = True) -> None:
        if playback not in channel.playing:
            return
        is_current = channel.playing[0] is playback
        channel.playing.remove(playback)
        if playback.alarm is not None:
            playback.alarm.call_off()
        self._tell(PlaybackFinished(at=clock.now(), channel=channel.name, playback=playback.name, ok=ok))
        if is_current and channel.playing:
            self._play_next(channel)

    def _end(self, channel: _Channel, cause: int, *, by_us: bool = False) -> None:
        if self._channels.pop(channel.name, None) is None:
            return
        self._silence(channel)
        if channel.is_inbound or not channel.is_rung:
            code = _SIP.get(cause, _OTHER_SIP) if by_us else 487
            self.outcomes.setdefault(channel.name, code)
        self._take_out(channel)
        self._tell(Ended(at=clock.now(), channel=channel.name, cause=int(cause)))
        for ear in [one for one in self._channels.values() if one.overhears == channel.name]:
            self._end(ear, Cause.NORMAL)

    def _take_out(self, channel: _Channel) -> None:
        bridge, channel.bridge = channel.bridge, None
        if bridge is not None and not any(c.bridge == bridge for c in self._channels.values()):
            self._close_recordings(bridge)

    def _silence(self, channel: _Channel) -> None:
        self._call_off(channel)
        for bound in channel.bounds:
            bound.call_off()
        for playback in channel.playing:
            if playback.alarm is not None:
                playback.alarm.call_off()
        channel.playing.clear()

    def _call_off(self, channel: _Channel) -> None:
        for alarm in channel.alarms:
            alarm.call_off()
        channel.alarms.clear()

    def _close_recordings(self, bridge: str) -> None:
        for name in [r.name for r in self._recordings.values() if r.bridge == bridge]:
            self._close_recording(name)

    def _close_recording(self, name: str) -> None:
        recording = self._recordings.pop(name, None)
        if recording is None:
            return
        ms = min(clock.elapsed_ms(recording.began_at, clock.now()), _LONGEST_RECORDING_MS)
        wav.write_tones(self._file(name), ms=ms)
        self._tell(RecordingDone(at=clock.now(), name=name, seconds=ms / 1000, ok=True))

    def _file(self, name: str) -> Path:
        return self._recording_dir / f"{name}.wav"

    # --- asking and telling -------------------------------------------------------------------

    def _add(self, channel: _Channel) -> None:
        self._channels[channel.name] = channel
        self.transcript.name(channel.name, "in")

    def _need_line(self) -> None:
        if not self._is_connected:
            raise SwitchError("not connected to the switch", is_temporary=True)

    def _need(self, channel: str) -> _Channel:
        self._need_line()
        found = self._channels.get(channel)
        if found is None:
            self._note(f"(too late for {self._who(channel)})")
            raise ChannelGoneError(channel=channel)
        return found

    def _need_bridge(self, bridge: str) -> None:
        if bridge not in self._bridges:
            raise SwitchError("no such bridge", is_temporary=False, status=404)

    def _note(self, text: str) -> None:
        self.transcript.command(text)

    def _who(self, channel: str) -> str:
        return self.transcript.name(channel, "out")

    def _words(self, event: Event) -> str:
        kinds = {"channel": "out", "playback": "playback", "name": "recording"}
        shown = []
        for each in dataclasses.fields(event):
            value = getattr(event, each.name)
            if each.name == "at" or (each.default in (False, ()) and not value):
                continue  # a mark that is not set goes without saying
            if each.name in {"channels", "bridges"}:
                shown.append(f"{each.name}={len(value)}")
            elif each.name in kinds:
                shown.append(self.transcript.name(value, kinds[each.name]))
            else:
                shown.append(f"{each.name}={value}")
        return " ".join([type(event).__name__, *shown])


def _sound_ms(sound: Sound) -> int | None:
    if isinstance(sound, Speech):
        return wav.length_ms(sound.path)
    if isinstance(sound, Digits):
        return len(sound.digits) * _DIGIT_MS
    return None


def _sound_words(sound: Sound) -> str:
    if isinstance(sound, Speech):
        return f"speech:{sound.path.stem}"
    if isinstance(sound, Digits):
        return f"digits:{sound.digits}"
    return f"tone:{sound.signal}"
