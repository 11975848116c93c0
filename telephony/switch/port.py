"""The switch as the switchboard sees it: events in, commands out.

Two drivers implement it: `telephony.switch.ari` (a real Asterisk) and `telephony.switch.simulator`
(a virtual clock, for scenarios and for machines where no Asterisk can be had). One contract test
runs against both, so what is promised here is promised by both.

Words: a *channel* is the switch's end of one phone's connection, a *bridge* joins channels, an
*endpoint* is an agent's phone. Ids of rung channels, bridges and playbacks are chosen by the
caller, so that an event can never arrive before its id is known. Hang-up causes are ITU-T Q.850.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from core.errors import Conflict, Unavailable
from telephony.switch.clearance import Clearance

# --- causes (ITU-T Q.850) -----------------------------------------------------------------------


class Cause(enum.IntEnum):
    """The hang-up causes we use, and the SIP answer each becomes on a call nobody answered yet."""

    UNALLOCATED = 1  # 404: nobody has this number
    NORMAL = 16  # an ordinary end
    BUSY = 17  # 486
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    REJECTED = 21  # 403: not allowed
    CONGESTION = 34  # 503: no circuit
    SWITCH_CONGESTION = 42  # 503: we are full
    INTERWORKING = 127  # no cause was told


# --- what to play -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Speech:
    """A sound file the switch can read: 8 kHz mono wav, absolute path."""

    path: Path


@dataclasses.dataclass(frozen=True, slots=True)
class Digits:
    """Digits spoken one by one with the switch's own (English) recordings; `0-9`, `*`, `#`."""

    digits: str


class Signal(enum.StrEnum):
    """The call-progress tones a caller knows."""

    RINGING = "ring"
    BUSY = "busy"
    CONGESTION = "congestion"


@dataclasses.dataclass(frozen=True, slots=True)
class Tone:
    """A call-progress tone; it never ends by itself, so it stands last and `stop_playback` ends it."""

    signal: Signal


Sound = Speech | Digits | Tone


# --- events -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A call came in from a trunk and waits unanswered.

    Attributes:
        at: when, aware UTC, by the switch's clock.
        channel: the switch's id of the caller's channel.
        dnis: the number dialled, as the trunk sent it (with or without `+`).
        ani: the number calling, as the trunk sent it; empty when withheld. Never in `repr`.
        trunk: name of the trunk it came through.
    """

    at: dt.datetime
    channel: str
    dnis: str
    ani: str = dataclasses.field(repr=False)
    trunk: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentRinging:
    """The phone rung by `Switch.ring` said that it rings."""

    at: dt.datetime
    channel: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswered:
    """The phone rung by `Switch.ring` was picked up; its channel can be played to and joined."""

    at: dt.datetime
    channel: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CalledRinging:
    """The number called by `Switch.originate` rings."""

    at: dt.datetime
    channel: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CalledAnswered:
    """Somebody or something picked up the call placed by `Switch.originate`."""

    at: dt.datetime
    channel: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """`Switch.detect` has listened long enough; what cannot be told is taken for a person."""

    at: dt.datetime
    channel: str
    is_machine: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFinished:
    """A playback ended: played out, stopped (`ok`), or the sound could not be played (not `ok`)."""

    at: dt.datetime
    channel: str
    playback: str
    ok: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Digit:
    """A key pressed on the phone. Digits may be card numbers or codes: never in `repr`."""

    at: dt.datetime
    channel: str
    digit: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The channel is gone. Exactly once for each channel that was announced by an event, rung or originated.

    `cause` is Q.850; for a phone that was rung, or a number called, it tells busy (17), no answer (19),
    refused (21), nobody's number (1), no way through (34).

    `is_login_refused`: nobody was called, because the carrier wants a password that we have not.
    """

    at: dt.datetime
    channel: str
    cause: int
    is_login_refused: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDone:
    """A recording was closed; its file `<recording_dir>/<name>.wav` is complete.

    `seconds` is the switch's own coarse figure, or None; measure the file for the true length.
    """

    at: dt.datetime
    name: str
    seconds: float | None
    ok: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanged:
    """An agent's phone registered (`online`) or went away."""

    at: dt.datetime
    endpoint: str
    online: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DialRequested:
    """An agent's phone wants to dial. Nothing happens until the channel is answered or hung up."""

    at: dt.datetime
    channel: str
    endpoint: str
    digits: str = dataclasses.field(repr=False)


class ChannelState(enum.StrEnum):
    """Where a channel stands."""

    RINGING = "ringing"
    UP = "up"
    OTHER = "other"  # an inbound call nobody answered, or one on its way down


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LiveChannel:
    """One channel of ours that the switch holds right now.

    Attributes:
        channel: its id.
        state: ringing, up, or neither.
        endpoint: the trunk or the agent's phone behind it.
        began_at: when the switch made it.
        dnis: the number dialled; empty for a rung phone.
        ani: the number calling; empty for a rung phone. Never in `repr`.
        is_inbound: it came from a trunk (and not from `ring` or an agent's dial).
        bridge: the bridge it is in, or None.
    """

    channel: str
    state: ChannelState
    endpoint: str
    began_at: dt.datetime
    dnis: str = ""
    ani: str = dataclasses.field(default="", repr=False)
    is_inbound: bool = False
    bridge: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The switch can be used; first event of all, and again after each loss.

    A new `boot_id` says that the switch itself was started anew: no earlier channel, bridge or
    endpoint exists any more (put the endpoints again). With the same one, a channel that is not in
    `channels` ended while nobody listened and gets no `Ended`; a channel in it goes on. `bridges` are the
    names of those that stand, empty ones too.
    """

    at: dt.datetime
    boot_id: str
    channels: tuple[LiveChannel, ...]
    bridges: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The line to the switch is lost; calls go on, commands fail as temporary until `Connected`."""

    at: dt.datetime
    reason: str


Event = (
    Arrived
    | AgentRinging
    | AgentAnswered
    | CalledRinging
    | CalledAnswered
    | Detected
    | PlaybackFinished
    | Digit
    | Ended
    | RecordingDone
    | EndpointChanged
    | DialRequested
    | Connected
    | Disconnected
)
OnEvent = Callable[[Event], None]


# --- errors -------------------------------------------------------------------------------------


class SwitchError(Unavailable):
    """The switch did not do what it was asked. Carries ids and status codes, never a number.

    Attributes:
        is_temporary: the same command may succeed later (line lost, time-out, switch overloaded).
    """

    code = "switch-failed"

    def __init__(self, message: str = "", *, is_temporary: bool, **details: object) -> None:
        super().__init__(message, **details)
        self.is_temporary = is_temporary


class ChannelGoneError(Conflict):
    """The channel a command names has ended, or never was. Its `Ended` came or is on its way."""

    code = "channel-gone"


# --- commands -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SwitchFacts:
    """What the switch says of itself; `missing_modules` is empty when all we use is loaded."""

    kind: str
    version: str
    boot_id: str
    modules: frozenset[str]
    missing_modules: tuple[str, ...]
    is_simulated: bool


RING_TIMEOUT_S: Final = 25
SILENCE_OF_A_PERSON: Final = dt.timedelta(milliseconds=800)
"""Who has said hello and is silent for so long is a person: `Detected` comes so much after their greeting."""


SPARE: Final = dt.timedelta(minutes=1)
"""So much later than the switchboard the switch ends a call by itself: only where the switchboard is dead."""


class Switch(Protocol):
    """Commands. They may run side by side; each returns when the switch has accepted it.

    Errors of all: `SwitchError` (temporary or not). Commands that need a live channel raise
    `ChannelGoneError` when it is gone. Commands whose aim is an end (`hang_up`, `stop_playback`,
    `stop_recording`, `leave`, `close_bridge`, `drop_endpoint`) return quietly when it is reached
    already.
    """

    async def run(self, on_event: OnEvent) -> None:
        """Connect and deliver events, reconnecting with back-off for ever; return after `close()`.

        `on_event` is called in the loop, in the order of the switch, and must not block or raise.
        """

    async def close(self) -> None:
        """Let go of the switch. Calls go on."""

    async def answer(self, channel: str) -> None:
        """Pick up an inbound channel."""

    async def bound(self, channel: str, *, longest: dt.timedelta) -> None:
        """Let the switch itself end a channel so long from now, whether anybody watches it or not.

        To be asked before anything is played: Asterisk carries it out, and answers, when it has played.

        Raises:
            SwitchError: temporary: the channel plays.
        """

    async def play(self, channel: str, sounds: Sequence[Sound], *, playback: str) -> None:
        """Play sounds one after another; one `PlaybackFinished` with the id `playback` follows.

        On an unanswered channel they are heard as early media.
        """

    async def stop_playback(self, playback: str) -> None:
        """End a playback before its time; `PlaybackFinished` follows."""

    async def hold_music(self, channel: str, *, on: bool) -> None:
        """Start or end music on hold."""

    async def mute(self, channel: str, *, on: bool) -> None:
        """Let what is said on a channel reach nobody (`on`), or reach its bridge again; keys still come."""

    async def ring(
        self,
        channel: str,
        endpoint: str,
        *,
        caller: str,
        timeout_s: float = RING_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Call an agent's phone.

        `AgentRinging`, `AgentAnswered` or `Ended` follow under the id `channel`.

        Args:
            channel: the id the new channel gets; ours to choose, never used before.
            endpoint: the phone.
            caller: what the phone shows as calling, with or without `+`; empty shows nothing.
            timeout_s: after so long unanswered, to some 10 ms, it ends with cause 19.
            headers: extra SIP headers of the INVITE (`X-...`).

        Raises:
            SwitchError: permanent when the endpoint does not exist or is not registered.
        """

    async def originate(self, channel: str, *, clearance: Clearance) -> None:
        """Call a number of the public network: the only way out, and only for a call that was cleared.

        `CalledRinging`, `CalledAnswered` or `Ended` follow under the id `channel`; after `ring_s` unanswered
        it ends with cause 19, and `ring_s`, `longest` and `SPARE` after it was placed the switch ends it.

        Args:
            channel: the id the new channel gets; ours to choose, never used before.
            clearance: from `telephony.outbound.gate`; whom to call, which number to show, how long to ring.

        Raises:
            ClearanceExpiredError: it is too late; nothing was dialled.
            SwitchError: after a temporary one it is not known whether the call went out.
        """

    async def detect(self, channel: str) -> None:
        """Listen whether a person or a machine answered an originated call; `Detected` follows in seconds.

        Until then nothing can be played to the channel and it can join no bridge.
        """

    async def hang_up(self, channel: str, *, cause: int = Cause.NORMAL) -> None:
        """End a channel; `cause` becomes the SIP answer of a call nobody answered (see `Cause`)."""

    async def bridge(self, bridge: str) -> None:
        """Make an empty bridge; one that is there already stays as it is, with who is in it."""

    async def join(self, bridge: str, channels: Sequence[str]) -> None:
        """Put channels into a bridge; each then hears the others."""

    async def leave(self, bridge: str, channel: str) -> None:
        """Take a channel out of a bridge; it lives on."""

    async def close_bridge(self, bridge: str) -> None:
        """Take a bridge away; its channels live on."""

    async def overhear(self, channel: str, of: str, *, whispers: bool) -> None:
        """Make a channel that hears a leg of a call: what is said there and what is said to it.

        To be joined to a bridge with whoever listens. It ends with the leg, or by `hang_up`; `Ended` follows.

        Args:
            channel: the id the new channel gets; ours to choose, never used before.
            of: the leg.
            whispers: what is said to the new channel is heard on that leg, and on no other of its call.
        """

    async def record(self, bridge: str, *, name: str) -> None:
        """Record what is said in a bridge to `<recording_dir>/<name>.wav`; `RecordingDone` follows.

        The name may hold `/`; folders are made. It is never a caller's number.
        """

    async def pause_recording(self, name: str, *, on: bool) -> None:
        """Let a recording hold silence in place of what is said (`on`), or what is said again.

        The file goes on in time, so that its length stays that of the call.

        Raises:
            SwitchError: it is not recorded under that name (any more), or the switch would not.
        """

    async def stop_recording(self, name: str) -> None:
        """Close a recording."""

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        """Return the channels of ours that the switch holds, rung phones included."""

    async def put_endpoint(self, endpoint: str, *, password: str) -> None:
        """Make or renew an agent's WebRTC phone; it may register with this password from now on.

        Kept in the switch's memory only: gone when the switch restarts.
        """

    async def drop_endpoint(self, endpoint: str) -> None:
        """Take a phone's right to register and dial away.

        A call it is in goes on: hang that up too.
        """

    async def online(self, endpoint: str) -> bool:
        """Return whether the phone is registered."""

    async def heard(self, channel: str) -> int:
        """Return how many packets of sound have come from a channel so far; one carries some 20 ms."""

    async def facts(self) -> SwitchFacts:
        """Return version, boot id and loaded modules."""
