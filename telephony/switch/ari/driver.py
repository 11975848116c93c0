"""`Switch` over Asterisk's ARI.

Explicit subscription only: of a rung phone from the moment it is rung, of an inbound call from its
arrival, of an agent's phone from `put_endpoint`. Asterisk keeps the subscriptions of an application
whose websocket was lost, and sends some events twice (a channel's own and its endpoint's); what
goes up from here is sent once.
"""

import asyncio
import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

from core import clock, log
from telephony.switch.ari import lists, parse
from telephony.switch.ari.line import Line, Message, Reply, dial
from telephony.switch.clearance import Clearance
from telephony.switch.instance import (
    AGENT_CONTEXT,
    APPLICATION,
    ARI_USER,
    BIND,
    CARRIER,
    DETECTION,
    REQUIRED_MODULES,
    RTP_TIMEOUT_S,
)
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
)

_log = log.get(__name__)

# Types we have no use for are not sent. A list of the wanted ones would be shorter, but Asterisk
# 22.10 applies that list to the replies of requests as well and then answers nobody, not even
# after a reconnect.
_UNWANTED: Final = (
    "BridgeAttendedTransfer",
    "BridgeBlindTransfer",
    "BridgeCreated",
    "BridgeDestroyed",
    "BridgeMerged",
    "BridgeVideoSourceChanged",
    "ChannelCallerId",
    "ChannelConnectedLine",
    "ChannelCreated",
    "ChannelDialplan",
    "ChannelEnteredBridge",
    "ChannelHold",
    "ChannelLeftBridge",
    "ChannelToneDetected",
    "ChannelUnhold",
    "ChannelUserevent",
    "ChannelVarset",
    "ContactStatusChange",
    "Dial",
    "PeerStatusChange",
    "PlaybackContinuing",
    "PlaybackStarted",
    "RecordingStarted",
)
_GONE: Final = frozenset({404, 409, 412})
_NOT_THERE: Final = frozenset({404})
_BUSY: Final = 503
_BACK_OFF_FIRST_S: Final = 0.1
_BACK_OFF_MOST_S: Final = 2.0
_BOOT_LOOKS: Final = 25
_BOOT_LOOK_S: Final = 0.2
_PHONE_EXPIRES_S: Final = 120
_ABSOLUTE: Final = "TIMEOUT(absolute)"
_ENTERS_WITHIN_S: Final = 2.0
_LOGIN_REFUSED: Final = (401, 407)  # RFC 3261: asked for a password again after the one we gave, or had none


@dataclass(slots=True)
class _Known:
    """What we remember of a channel that has not ended."""

    is_rung: bool = False
    is_called: bool = False
    has_rung: bool = False
    is_answered: bool = False
    cause: int | None = None
    ending_at: str | None = None


class AriSwitch:
    """A real Asterisk.

    Args:
        url: of its ARI, e.g. `ws://127.0.0.1:18088/ari`.
        password: of the ARI user.
        user: the ARI user.
        media_address: the address agents' phones are given for media; None leaves it to Asterisk.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str,
        user: str = ARI_USER,
        media_address: str | None = BIND,
    ) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._password = password
        self._media_address = media_address
        self._line: Line | None = None
        self._closing = asyncio.Event()
        self._on_event: OnEvent | None = None
        self._known: dict[str, _Known] = {}
        self._online: dict[str, bool] = {}
        self._early: list[Message] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._entering: dict[str, asyncio.Event] = {}  # channels that are made and cannot be joined yet
        # Pushing endpoints side by side overfills PJSIP's queues and costs other phones requests.
        self._pushing = asyncio.Lock()

    @classmethod
    def at(cls, address: str, *, media_address: str | None = BIND) -> Self:
        """Return the driver for an ARI written as `http://user:password@host:port`.

        Raises:
            ValueError: a part of it is missing.
        """
        parts = urlsplit(address)
        if not (parts.hostname and parts.port and parts.username and parts.password):
            message = "an ARI address needs user, password, host and port"
            raise ValueError(message)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return cls(
            f"{scheme}://{parts.hostname}:{parts.port}/ari",
            user=unquote(parts.username),
            password=unquote(parts.password),
            media_address=media_address,
        )

    # --- the line -----------------------------------------------------------------------------

    async def run(self, on_event: OnEvent) -> None:
        """See `Switch.run`."""
        self._on_event = on_event
        wait_s = _BACK_OFF_FIRST_S
        while not self._closing.is_set():
            reason, was_up = await self._one_line()
            if was_up:
                wait_s = _BACK_OFF_FIRST_S
                self._emit(Disconnected(at=clock.now(), reason=reason))
            if self._closing.is_set():
                break
            _log.warning("switch-line-lost", reason=reason, was_up=was_up)
            try:
                async with asyncio.timeout(wait_s * random.uniform(0.8, 1.2)):  # noqa: S311
                    await self._closing.wait()
            except TimeoutError:
                wait_s = min(wait_s * 2, _BACK_OFF_MOST_S)

    async def close(self) -> None:
        """See `Switch.close`."""
        self._closing.set()
        if self._line is not None:
            await self._line.close()

    async def _one_line(self) -> tuple[str, bool]:
        """Connect once and stay; return why it ended and whether `Connected` was told."""
        self._early = []
        try:
            line = await dial(
                self._url,
                application=APPLICATION,
                user=self._user,
                password=self._password,
                on_event=self._heard,
            )
        except SwitchError as error:
            return str(error), False
        was_up = False
        try:
            await self._greet(line)
            was_up = True
            if not self._closing.is_set():
                await line.wait_lost()
        except SwitchError as error:
            return str(error), was_up
        else:
            return "the switch closed the line", was_up
        finally:
            self._line = None
            await line.close()

    async def _greet(self, line: Line) -> None:
        """Set the line up, tell what lives, then what happened meanwhile."""
        unwanted = [{"type": name} for name in _UNWANTED]
        filtering = f"applications/{APPLICATION}/eventFilter"
        info, _ = await asyncio.gather(
            self._ask(line, "GET", "asterisk/info"),
            self._ask(line, "PUT", filtering, body={"disallowed": unwanted}),
        )
        await self._wait_booted(line)
        channels, subscribed, bridges = await self._live()
        for channel in channels:
            if channel.channel not in subscribed:
                await self._subscribe(line, f"channel:{channel.channel}")
        early, self._early = self._early or [], None
        arriving = {m["channel"]["id"] for m in early if m["type"] == "StasisStart"}
        live = tuple(c for c in channels if c.channel not in arriving)
        self._known = {
            c.channel: _Known(
                is_rung=not c.is_inbound,
                is_called=c.endpoint == CARRIER,
                has_rung=c.state is not ChannelState.OTHER,
                is_answered=c.state is ChannelState.UP,
            )
            for c in live
        }
        self._online = {}  # whoever asks again is told again
        self._line = line
        boot_id = str(info["status"]["startup_time"])
        self._emit(Connected(at=clock.now(), boot_id=boot_id, channels=live, bridges=bridges))
        for message in early:
            self._heard(message)

    async def _wait_booted(self, line: Line) -> None:
        # A switch that starts takes the websocket before it has all its modules.
        missing = await self._missing_modules(line)
        for _ in range(_BOOT_LOOKS):
            if not missing:
                return
            await asyncio.sleep(_BOOT_LOOK_S)
            missing = await self._missing_modules(line)
        _log.error("switch-modules-missing", modules=missing)

    async def _missing_modules(self, line: Line) -> tuple[str, ...]:
        running = _running(await self._ask(line, "GET", "asterisk/modules"))
        return tuple(name for name in REQUIRED_MODULES if name not in running)

    async def _live(self) -> tuple[tuple[LiveChannel, ...], frozenset[str], tuple[str, ...]]:
        paths = ("channels", f"applications/{APPLICATION}", "bridges")
        channels, ours, bridges = await asyncio.to_thread(
            lists.read, self._url, paths, user=self._user, password=self._password
        )
        subscribed = frozenset(ours["channel_ids"])
        live = parse.live_channels(channels, subscribed=subscribed, bridges=bridges)
        return live, subscribed, tuple(one["id"] for one in bridges)

    async def _subscribe(self, line: Line, source: str) -> None:
        # Gone in the meantime is no fault: its end is then known already or of no interest.
        await self._ask(
            line,
            "POST",
            f"applications/{APPLICATION}/subscription",
            query={"eventSource": source},
            quiet=frozenset({404, 422}),
        )

    # --- events -------------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - one listener's fault must not cost everybody the line
            _log.exception("switch-listener-failed", event_type=type(event).__name__)

    def _heard(self, message: Message) -> None:
        if self._early is not None:
            self._early.append(message)
            return
        try:
            event = self._translate(message)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            # The message itself holds numbers; its type and the fault's are enough to find it.
            _log.error("switch-event-unreadable", type=message.get("type"), fault=type(error).__name__)
            return
        if event is not None:
            self._emit(event)

    def _translate(self, m: Message) -> Event | None:
        match m["type"]:
            case "StasisStart":
                return self._started(m)
            case "ChannelStateChange":
                return self._state_changed(m)
            case "ChannelHangupRequest":
                self._note_request(m)
            case "StasisEnd" | "ChannelDestroyed":
                return self._ended(m)
            case "ChannelDtmfReceived":
                if m["channel"]["id"] in self._known:
                    return Digit(at=_at(m), channel=m["channel"]["id"], digit=m["digit"])
            case "PlaybackFinished":
                return _played(m)
            case "RecordingFinished" | "RecordingFailed":
                return _recorded(m)
            case "EndpointStateChange":
                return self._endpoint_changed(m)
            case "ApplicationReplaced":
                _log.error("switch-taken-over", hint="another switchboard uses the same switch")
        return None

    def _started(self, m: Message) -> Event | None:
        channel, arguments = m["channel"], m["args"]
        name, role = channel["id"], arguments[0]
        known = self._known.get(name)
        if role == parse.RUNG:
            if known is None or known.is_answered:
                return None
            known.is_answered = True
            return AgentAnswered(at=_at(m), channel=name)
        if role == parse.CALLED:
            if known is None or known.is_answered:
                return None
            known.is_answered = True
            return CalledAnswered(at=_at(m), channel=name)
        if role == parse.OVERHEARS:
            if is_in := self._entering.get(name):
                is_in.set()
            return None
        if role == parse.DETECTED:
            return Detected(at=_at(m), channel=name, is_machine=arguments[-1] == parse.MACHINE)
        if known is not None or role not in (parse.INBOUND, parse.DIAL):
            return None
        self._known[name] = _Known()
        # The last argument is ours; what stands before it came over the wire.
        if role == parse.DIAL:
            return DialRequested(at=_at(m), channel=name, endpoint=arguments[-1], digits=arguments[1])
        return Arrived(
            at=_at(m),
            channel=name,
            dnis=arguments[1],
            ani=channel["caller"]["number"],
            trunk=arguments[-1],
        )

    def _state_changed(self, m: Message) -> Event | None:
        known = self._known.get(m["channel"]["id"])
        if known is None or not known.is_rung or known.has_rung or known.is_answered:
            return None
        if m["channel"]["state"] != "Ringing":
            return None
        known.has_rung = True
        if known.is_called:
            return CalledRinging(at=_at(m), channel=m["channel"]["id"])
        return AgentRinging(at=_at(m), channel=m["channel"]["id"])

    def _note_request(self, m: Message) -> None:
        known = self._known.get(m["channel"]["id"])
        if known is None:
            return
        known.ending_at = known.ending_at or m["timestamp"]
        # In a soft request the field holds Asterisk's internal flags, not a cause; and a caller who
        # gives up (CANCEL) has none to tell, which is no fault.
        cause = 0 if m.get("soft") else int(m.get("cause") or 0)
        if cause not in (0, Cause.INTERWORKING) and known.cause is None:
            known.cause = cause

    def _ended(self, m: Message) -> Event | None:
        # An inbound channel's end may come as StasisEnd only, a rung phone's as ChannelDestroyed
        # only. An originated one leaves the application while it is listened to, and comes back.
        name = m["channel"]["id"]
        known = self._known.get(name)
        if known is None or (known.is_called and m["type"] == "StasisEnd"):
            return None
        del self._known[name]
        cause = known.cause or int(m.get("cause") or 0) or Cause.NORMAL
        return Ended(
            at=parse.instant(known.ending_at or m["timestamp"]),
            channel=name,
            cause=cause,
            is_login_refused=known.is_called and m.get("tech_cause") in _LOGIN_REFUSED,
        )

    def _endpoint_changed(self, m: Message) -> Event | None:
        # Sent at each call of the phone too, with the same state.
        name, is_online = m["endpoint"]["resource"], m["endpoint"]["state"] == "online"
        if self._online.get(name) is is_online:
            return None
        self._online[name] = is_online
        return EndpointChanged(at=_at(m), endpoint=name, online=is_online)

    # --- commands -----------------------------------------------------------------------------

    async def answer(self, channel: str) -> None:
        """See `Switch.answer`."""
        await self._to_channel("POST", channel, "/answer")

    async def bound(self, channel: str, *, longest: dt.timedelta) -> None:
        """See `Switch.bound`."""
        body = {"variable": _ABSOLUTE, "value": str(math.ceil(longest.total_seconds()))}
        await self._to_channel("POST", channel, "/variable", body=body)

    async def play(self, channel: str, sounds: Sequence[Sound], *, playback: str) -> None:
        """See `Switch.play`."""
        media = [_media(sound) for sound in sounds]
        await self._to_channel("POST", channel, f"/play/{quote(playback)}", body={"media": media})

    async def stop_playback(self, playback: str) -> None:
        """See `Switch.stop_playback`."""
        await self._ask(self._now(), "DELETE", f"playbacks/{quote(playback)}", quiet=_NOT_THERE)

    async def hold_music(self, channel: str, *, on: bool) -> None:
        """See `Switch.hold_music`."""
        await self._to_channel("POST" if on else "DELETE", channel, "/moh")

    async def mute(self, channel: str, *, on: bool) -> None:
        """See `Switch.mute`."""
        # "in": what comes from the phone; what it hears goes on
        await self._to_channel("POST" if on else "DELETE", channel, "/mute?direction=in")

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
        line = self._now()
        # Known before it is asked for: its first event may overtake the reply.
        self._known[channel] = _Known(is_rung=True)
        query = {
            "endpoint": parse.endpoint_number(endpoint),
            "app": APPLICATION,
            "appArgs": parse.RUNG,
            "timeout": str(math.ceil(timeout_s)),
        }
        if shown := "".join(sign for sign in caller if sign in "+0123456789*#"):
            query["callerId"] = f"<{shown}>"
        variables = {f"PJSIP_HEADER(add,{name})": text for name, text in (headers or {}).items()}
        body = {"variables": variables} if variables else None
        try:
            await self._ask(line, "POST", f"channels/{quote(channel)}", query=query, body=body)
        except SwitchError as error:
            if not error.is_temporary:
                self._known.pop(channel, None)
            raise
        if not float(timeout_s).is_integer():  # the switch counts whole seconds only
            asyncio.get_running_loop().call_later(timeout_s, self._rang_out, channel)

    def _rang_out(self, channel: str) -> None:
        known = self._known.get(channel)
        if known is None or known.is_answered or self._line is None:
            return
        ending = asyncio.get_running_loop().create_task(self._end_ringing(channel))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _end_ringing(self, channel: str) -> None:
        try:
            await self.hang_up(channel, cause=Cause.NO_ANSWER)
        except SwitchError as error:
            _log.warning("ringing-not-ended", error=error.code)

    async def originate(self, channel: str, *, clearance: Clearance) -> None:
        """See `Switch.originate`."""
        line = self._now()
        clearance.insist(clock.now())
        # Known before it is asked for: its first event may overtake the reply.
        self._known[channel] = _Known(is_rung=True, is_called=True)
        query = {
            "endpoint": parse.carrier_number(clearance.to),
            "app": APPLICATION,
            "appArgs": parse.CALLED,
            "timeout": str(clearance.ring_s),
            "callerId": f"<{clearance.caller}>",
        }
        longest = dt.timedelta(seconds=clearance.ring_s) + clearance.longest + SPARE
        body = {"variables": {_ABSOLUTE: str(math.ceil(longest.total_seconds()))}}
        try:
            await self._ask(line, "POST", f"channels/{quote(channel)}", query=query, body=body)
        except SwitchError as error:
            if not error.is_temporary:
                self._known.pop(channel, None)
            raise

    async def detect(self, channel: str) -> None:
        """See `Switch.detect`."""
        query = {"context": DETECTION, "extension": "s", "priority": "1"}
        await self._ask(
            self._now(),
            "POST",
            f"channels/{quote(channel)}/continue",
            query=query,
            gone=_GONE,
            about=channel,
        )

    async def hang_up(self, channel: str, *, cause: int = Cause.NORMAL) -> None:
        """See `Switch.hang_up`."""
        line = self._now()
        if known := self._known.get(channel):
            known.cause = int(cause)
        await self._ask(
            line,
            "DELETE",
            f"channels/{quote(channel)}",
            query={"reason_code": str(int(cause))},
            quiet=_GONE,
        )

    async def bridge(self, bridge: str) -> None:
        """See `Switch.bridge`."""
        # dtmf_events keeps the digits visible: a natively bridged call would hide them.
        query = {"type": "mixing,dtmf_events"}
        there = frozenset({409})
        await self._ask(self._now(), "POST", f"bridges/{quote(bridge)}", query=query, quiet=there)

    async def join(self, bridge: str, channels: Sequence[str]) -> None:
        """See `Switch.join`."""
        await self._ask(
            self._now(),
            "POST",
            f"bridges/{quote(bridge)}/addChannel",
            query={"channel": ",".join(channels)},
            gone=frozenset({400, 422}),
            about=",".join(channels),
        )

    async def leave(self, bridge: str, channel: str) -> None:
        """See `Switch.leave`."""
        await self._ask(
            self._now(),
            "POST",
            f"bridges/{quote(bridge)}/removeChannel",
            query={"channel": channel},
            quiet=frozenset({400, 404, 409, 422}),
        )

    async def close_bridge(self, bridge: str) -> None:
        """See `Switch.close_bridge`."""
        await self._ask(self._now(), "DELETE", f"bridges/{quote(bridge)}", quiet=_NOT_THERE)

    async def overhear(self, channel: str, of: str, *, whispers: bool) -> None:
        """See `Switch.overhear`."""
        line = self._now()
        # Known before it is asked for, and answered from the start: it begins with no event of its own.
        self._known[channel] = _Known(is_rung=True, has_rung=True, is_answered=True)
        query = {
            "spy": "both",
            "whisper": "out" if whispers else "none",
            "app": APPLICATION,
            "appArgs": parse.OVERHEARS,
        }
        uri = f"channels/{quote(of)}/snoop/{quote(channel)}"
        is_in = self._entering[channel] = asyncio.Event()
        try:
            await self._ask(line, "POST", uri, query=query, gone=_GONE, about=of)
            # the reply comes before the channel can join a bridge
            async with asyncio.timeout(_ENTERS_WITHIN_S):
                await is_in.wait()
        except TimeoutError as error:
            raise ChannelGoneError(channel=of) from error
        except (SwitchError, ChannelGoneError):
            self._known.pop(channel, None)
            raise
        finally:
            del self._entering[channel]

    async def record(self, bridge: str, *, name: str) -> None:
        """See `Switch.record`."""
        # Never over an older one: a recording is evidence.
        query = {"name": name, "format": "wav", "ifExists": "fail"}
        await self._ask(self._now(), "POST", f"bridges/{quote(bridge)}/record", query=query)

    async def pause_recording(self, name: str, *, on: bool) -> None:
        """See `Switch.pause_recording`."""
        uri = f"recordings/live/{quote(name, safe='')}/mute"
        await self._ask(self._now(), "POST" if on else "DELETE", uri)

    async def stop_recording(self, name: str) -> None:
        """See `Switch.stop_recording`."""
        uri = f"recordings/live/{quote(name, safe='')}/stop"
        await self._ask(self._now(), "POST", uri, quiet=_NOT_THERE)

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        """See `Switch.live_channels`."""
        self._now()
        channels, _, _ = await self._live()
        return channels

    async def put_endpoint(self, endpoint: str, *, password: str) -> None:
        """See `Switch.put_endpoint`."""
        line = self._now()
        async with self._pushing:
            for kind, fields in _phone(endpoint, password, media_address=self._media_address):
                pairs = [{"attribute": k, "value": v} for k, v in fields.items()]
                await self._ask(line, "PUT", _config(kind, endpoint), body={"fields": pairs})
        if endpoint not in self._online:
            await self._subscribe(line, f"endpoint:{parse.endpoint_number(endpoint)}")
            self._online.setdefault(endpoint, False)

    async def drop_endpoint(self, endpoint: str) -> None:
        """See `Switch.drop_endpoint`."""
        line = self._now()
        self._online.pop(endpoint, None)
        await self._ask(
            line,
            "DELETE",
            f"applications/{APPLICATION}/subscription",
            query={"eventSource": f"endpoint:{parse.endpoint_number(endpoint)}"},
            quiet=frozenset({400, 404, 409, 422}),
        )
        async with self._pushing:
            for kind in ("endpoint", "aor", "auth"):
                await self._ask(line, "DELETE", _config(kind, endpoint), quiet=_NOT_THERE)

    async def online(self, endpoint: str) -> bool:
        """See `Switch.online`."""
        uri = f"endpoints/{quote(parse.endpoint_number(endpoint))}"
        body = await self._ask(self._now(), "GET", uri, quiet=_NOT_THERE)
        return bool(body) and body.get("state") == "online"

    async def heard(self, channel: str) -> int:
        """See `Switch.heard`."""
        uri = f"channels/{quote(channel)}/rtp_statistics"
        body = await self._ask(self._now(), "GET", uri, gone=_GONE, about=channel)
        return int(body["rxcount"])

    async def facts(self) -> SwitchFacts:
        """See `Switch.facts`."""
        line = self._now()
        info, modules = await asyncio.gather(
            self._ask(line, "GET", "asterisk/info"), self._ask(line, "GET", "asterisk/modules")
        )
        running = _running(modules)
        return SwitchFacts(
            kind="asterisk",
            version=str(info["system"]["version"]),
            boot_id=str(info["status"]["startup_time"]),
            modules=running,
            missing_modules=tuple(name for name in REQUIRED_MODULES if name not in running),
            is_simulated=False,
        )

    # --- asking -------------------------------------------------------------------------------

    def _now(self) -> Line:
        if self._line is None:
            raise SwitchError("not connected to the switch", is_temporary=True)
        return self._line

    async def _to_channel(self, method: str, channel: str, what: str, *, body: object = None) -> None:
        uri = f"channels/{quote(channel)}{what}"
        await self._ask(self._now(), method, uri, body=body, gone=_GONE, about=channel)

    async def _ask(
        self,
        line: Line,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        gone: frozenset[int] = frozenset(),
        quiet: frozenset[int] = frozenset(),
        about: str = "",
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the body of the reply, None when its status is in `quiet`."""
        reply: Reply = await line.ask(method, uri, query=query, body=body)
        if reply.is_ok:
            return reply.body
        if reply.status in quiet:
            return None
        if reply.status in gone:
            raise ChannelGoneError(channel=about)
        raise SwitchError(
            f"the switch answered {reply.status} to {method} {uri.partition('/')[0]}",
            is_temporary=reply.status == _BUSY,
            status=reply.status,
        )


def _running(modules: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(each["name"].removesuffix(".so") for each in modules if each["status"] == "Running")


def _at(m: Message) -> dt.datetime:
    return parse.instant(m["timestamp"])


def _played(m: Message) -> PlaybackFinished | None:
    playback = m["playback"]
    kind, _, channel = playback["target_uri"].partition(":")
    if kind != "channel":
        return None
    is_ok = playback["state"] == "done"
    return PlaybackFinished(at=_at(m), channel=channel, playback=playback["id"], ok=is_ok)


def _recorded(m: Message) -> RecordingDone:
    recording = m["recording"]
    seconds = recording.get("duration")
    return RecordingDone(
        at=_at(m),
        name=recording["name"],
        seconds=None if seconds is None else float(seconds),
        ok=m["type"] == "RecordingFinished",
    )


def _media(sound: Sound) -> str:
    if isinstance(sound, Speech):
        return f"sound:{sound.path.with_suffix('')}"  # Asterisk picks the format and its suffix
    if isinstance(sound, Digits):
        return f"digits:{sound.digits}"
    return f"tone:{sound.signal}"


def _config(kind: str, endpoint: str) -> str:
    return f"asterisk/config/dynamic/res_pjsip/{kind}/{quote(endpoint)}"


def _phone(
    endpoint: str, password: str, *, media_address: str | None
) -> tuple[tuple[str, dict[str, str]], ...]:
    """Return the three objects of a WebRTC phone, in the order they must be made."""
    auth = {"auth_type": "userpass", "username": endpoint, "password": password}
    aor = {
        "max_contacts": "1",
        "remove_existing": "yes",
        "default_expiration": str(_PHONE_EXPIRES_S),
        "maximum_expiration": str(_PHONE_EXPIRES_S),
    }
    phone = {
        "auth": endpoint,
        "aors": endpoint,
        "context": AGENT_CONTEXT,
        "disallow": "all",
        # The trunk speaks PCMU: with it first nothing is transcoded, and opus would add nothing.
        "allow": "ulaw,opus",
        "webrtc": "yes",
        "direct_media": "no",
        "allow_transfer": "no",
        "allow_subscribe": "no",
        "rtp_timeout": str(RTP_TIMEOUT_S),
    }
    if media_address is not None:
        phone |= {"media_address": media_address, "bind_rtp_to_media_address": "yes"}
    return ("auth", auth), ("aor", aor), ("endpoint", phone)
