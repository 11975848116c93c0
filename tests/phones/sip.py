"""A small SIP phone for tests, on an address of its own in 127.0.0.0/8.

It speaks a tone and records what it hears. PCMU only (ITU-T G.711), digits as RFC 4733 events,
digest authentication (RFC 7616, MD5 as Asterisk asks), SIP over UDP (RFC 3261) with one call at a
time.
"""

import array
import asyncio
import contextlib
import hashlib
import io
import math
import random
import re
import secrets
import struct
import time
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

RATE = 8000
FRAME = 160  # samples in 20 ms
_PERIOD = 800  # samples in 100 ms: every multiple of 10 Hz repeats after it
_PCMU, _EVENT = 0, 101
_KEYS = "0123456789*#"
_T1_S = 0.5


class PhoneError(Exception):
    """The far end did not answer in time, or answered nonsense."""


# --- G.711 µ-law ---------------------------------------------------------------------------------


def _decoded(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _encoded(sample: int) -> int:
    magnitude = min(abs(sample), 32635) + 0x84
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~((0x80 if sample < 0 else 0) | (exponent << 4) | mantissa) & 0xFF


_LINEAR = tuple(_decoded(code) for code in range(256))
SILENCE = bytes([_encoded(0)]) * FRAME


def decode(ulaw: bytes) -> bytes:
    """Return 16-bit little-endian samples."""
    return array.array("h", (_LINEAR[code] for code in ulaw)).tobytes()


def tone_frames(hz: int, *, amplitude: int = 8000) -> tuple[bytes, ...]:
    """Return five µ-law frames of 20 ms that, repeated, make a pure tone (a multiple of 10 Hz)."""
    if hz % 10:
        message = "only multiples of 10 Hz repeat within 100 ms"
        raise ValueError(message)
    turn = 2 * math.pi * hz / RATE
    period = bytes(_encoded(round(amplitude * math.sin(turn * i))) for i in range(_PERIOD))
    return tuple(period[i : i + FRAME] for i in range(0, _PERIOD, FRAME))


def wav(pcm: bytes) -> bytes:
    """Return 16-bit mono 8 kHz samples as a wav file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    return out.getvalue()


# --- media ---------------------------------------------------------------------------------------


class _Media(asyncio.DatagramProtocol):
    """Sends a tone and key presses, keeps what comes in."""

    def __init__(self, tone_hz: int | None, every_s: float = FRAME / RATE) -> None:
        self._every_s = every_s
        self.frames = tone_frames(tone_hz) if tone_hz else (SILENCE,)
        self.is_speaking = True
        self.heard: list[tuple[float, bytes]] = []
        self.events_heard: list[str] = []
        self._seen: set[int] = set()
        self._keys: list[int] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._sending: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport does not derive from the class that describes it.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        del addr
        if len(data) <= 12:
            return
        kind = data[1] & 0x7F
        if kind == _PCMU:
            self.heard.append((time.monotonic(), data[12:]))
        elif kind == _EVENT and len(data) >= 16:
            stamp = struct.unpack("!I", data[4:8])[0]
            if stamp not in self._seen and data[12] < len(_KEYS):
                self._seen.add(stamp)
                self.events_heard.append(_KEYS[data[12]])

    def press(self, keys: str) -> None:
        self._keys.extend(_KEYS.index(key) for key in keys)

    def send_to(self, remote: tuple[str, int]) -> None:
        self.stop()
        self._sending = asyncio.get_running_loop().create_task(self._send(remote))

    def stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def close(self) -> None:
        self.stop()
        if self._transport is not None:
            self._transport.close()

    async def _send(self, remote: tuple[str, int]) -> None:
        assert self._transport is not None
        sequence, stamp = random.getrandbits(15), 0
        source = random.getrandbits(32)
        began = time.monotonic()
        key: tuple[int, int] | None = None  # code, stamp at its start
        sent = 0  # packets of this key
        count = 0
        while True:
            if key is None and self._keys:
                key, sent = (self._keys.pop(0), stamp), 0
            if key is not None:
                sent += 1
                # RFC 4733 2.5.1.4: the end is sent three times, with the final duration.
                is_end = sent > 8
                marker = 0x80 if sent == 1 else 0
                head = struct.pack("!BBHII", 0x80, _EVENT | marker, sequence & 0xFFFF, key[1], source)
                duration = min(sent, 9) * FRAME
                body = struct.pack("!BBH", key[0], (0x80 if is_end else 0) | 10, duration)
                if sent > 10:
                    key = None
            else:
                head = struct.pack("!BBHII", 0x80, _PCMU, sequence & 0xFFFF, stamp, source)
                body = self.frames[count % len(self.frames)] if self.is_speaking else SILENCE
            self._transport.sendto(head + body, remote)
            sequence, stamp, count = sequence + 1, (stamp + FRAME) & 0xFFFFFFFF, count + 1
            await asyncio.sleep(max(0.0, began + count * self._every_s - time.monotonic()))


# --- signalling ----------------------------------------------------------------------------------


def header(message: str, name: str) -> str:
    """Return the first header of that name, empty when there is none."""
    found = re.search(rf"(?im)^{name}\s*:\s*(.*?)\r?$", message)
    return found[1] if found else ""


def _headers(message: str, name: str) -> list[str]:
    return re.findall(rf"(?im)^{name}\s*:\s*(.*?)\r?$", message)


def _token() -> str:
    return secrets.token_hex(8)


@dataclass(slots=True)
class Invitation:
    """An INVITE that came in: when (monotonic seconds) and its text."""

    at: float
    text: str


@dataclass(slots=True)
class _Dialog:
    call_id: str
    local: str
    far: str
    target: str


@dataclass(slots=True)
class _Asked:
    """An INVITE of ours that has no final answer yet; what a CANCEL must repeat."""

    uri: str
    call_id: str
    sender: str
    sequence: int
    branch: str


_EMPTY = "Content-Length: 0\r\n\r\n"


@dataclass
class Phone(asyncio.DatagramProtocol):
    """One phone. Make it with `open_phone`.

    Attributes:
        address: its own address in 127.0.0.0/8.
        user: name in `From`, and for digest where `signs_in_as` says no other.
        server: the switch's SIP address.
        password: for digest; None does without.
        tone_hz: what it says, a multiple of 10; None is silence.
        answers_after_s: how long it rings; None rings until `pick_up` or `refuse`.
        refuses_with: a SIP code it refuses every call with, instead.
        has_media: whether it sends and hears anything; a benchmark of signalling does without.
        speaks_every_s: how often it sends a packet of 20 ms; a benchmark of many phones lets most of them say
            just so much that the switch knows they are there.
    """

    address: str
    user: str
    server: tuple[str, int]
    password: str | None = None
    signs_in_as: str = ""
    tone_hz: int | None = 440
    answers_after_s: float | None = 0.1
    refuses_with: int | None = None
    has_media: bool = True
    speaks_every_s: float = FRAME / RATE
    on_invite: Callable[[Invitation], None] | None = None
    invitations: list[Invitation] = field(default_factory=list)
    called_at: float = 0.0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    down: asyncio.Event = field(default_factory=asyncio.Event)
    invited: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.media = _Media(self.tone_hz, self.speaks_every_s)
        self.port = 0
        self.far_cause = ""
        self._transport: asyncio.DatagramTransport | None = None
        self._sequence = 0
        self._replies: dict[tuple[str, str], asyncio.Queue[str]] = {}
        self._answers: dict[tuple[str, str], str] = {}
        self._dialog: _Dialog | None = None
        self._asked: _Asked | None = None
        self._incoming: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life

    async def start(self, *, port: int = 0) -> None:
        """Bind signalling and media sockets."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, port))
        await loop.create_datagram_endpoint(lambda: self.media, local_addr=(self.address, 0))

    async def close(self) -> None:
        """Vanish without a word, as a phone whose battery is empty."""
        for task in self._tasks:
            task.cancel()
        self.media.close()
        if self._transport is not None:
            self._transport.close()
        await asyncio.sleep(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the port the system gave."""
        # Python 3.11's own datagram transport does not derive from the class that describes it.
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    # --- what a person does with it

    async def register(self, *, expires_s: int = 3600) -> int:
        """Register, with digest when asked, and return the final code."""
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        own = f"<sip:{self.user}@{self.server[0]}>"
        call_id, sender = _token(), f"{own};tag={_token()}"
        extra = f"Expires: {expires_s}\r\n"
        text, _, _ = await self._ask("REGISTER", uri, call_id, sender, own, extra)
        if _code(text) == 401 and self.password is not None:
            extra += self._authorization(text, "REGISTER", uri)
            text, _, _ = await self._ask("REGISTER", uri, call_id, sender, own, extra)
        return _code(text)

    async def call(self, number: str, *, timeout_s: float = 30.0, extra: str = "") -> int:
        """Dial and return the final code: 200 when answered, else the refusal."""
        uri = f"sip:{number}@{self.server[0]}:{self.server[1]}"
        call_id, sender = _token(), f"<sip:{self.user}@{self.address}>;tag={_token()}"
        self.up.clear()
        self.down.clear()
        self.called_at = time.monotonic()
        args = ("INVITE", uri, call_id, sender, f"<{uri}>")
        text, sequence, branch = await self._ask(*args, extra, self._sdp(), timeout_s=timeout_s)
        if _code(text) == 401 and self.password is not None:
            self._acknowledge(text, uri, sequence, branch)
            extra += self._authorization(text, "INVITE", uri)
            text, sequence, branch = await self._ask(*args, extra, self._sdp(), timeout_s=timeout_s)
        self._asked = None
        self._acknowledge(text, uri, sequence, branch)
        if _code(text) == 200:
            target = _target(text) or uri
            self._dialog = _Dialog(call_id, sender, header(text, "To"), target)
            self._hear_where(text)
            self.up.set()
        else:
            self.down.set()
        return _code(text)

    async def cancel(self) -> None:
        """Put the phone down before the far end answered; `call` then returns 487."""
        asked = self._asked
        assert asked is not None, "nothing to cancel"
        await self._ask(
            "CANCEL",
            asked.uri,
            asked.call_id,
            asked.sender,
            f"<{asked.uri}>",
            sequence=asked.sequence,
            branch=asked.branch,
        )

    async def hang_up(self) -> None:
        """End the call."""
        dialog = self._dialog
        self._end()
        if dialog is not None:
            with contextlib.suppress(PhoneError):
                await self._ask("BYE", dialog.target, dialog.call_id, dialog.local, dialog.far, timeout_s=3)

    def press(self, keys: str) -> None:
        """Press keys, one after another."""
        self.media.press(keys)

    def pick_up(self) -> None:
        """Answer the call that rings."""
        assert self._incoming is not None, "nothing rings"
        invite, self._incoming = self._incoming, None
        self._hear_where(invite)
        self._answer(invite, "200 OK", self._sdp())
        self.up.set()

    def refuse(self, code: int = 486) -> None:
        """Refuse the call that rings."""
        assert self._incoming is not None, "nothing rings"
        invite, self._incoming = self._incoming, None
        self._answer(invite, f"{code} No")
        self._end()

    def heard(self, *, since: float = 0.0, until: float = math.inf) -> bytes:
        """Return what came in between two monotonic instants, as a wav file."""
        return wav(decode(b"".join(d for at, d in self.media.heard if since <= at <= until)))

    async def listen(self, seconds: float) -> bytes:
        """Return what comes in during the next seconds, as a wav file."""
        since = time.monotonic()
        await asyncio.sleep(seconds)
        return self.heard(since=since)

    # --- requests of ours

    async def _ask(
        self,
        method: str,
        uri: str,
        call_id: str,
        sender: str,
        to: str,
        extra: str = "",
        body: str = _EMPTY,
        *,
        timeout_s: float = 4.0,
        sequence: int = 0,
        branch: str = "",
    ) -> tuple[str, int, str]:
        """Send a request, repeating it until something comes back; return the final answer."""
        if not sequence:
            self._sequence += 1
            sequence = self._sequence
        branch = branch or "z9hG4bK" + _token()
        if method == "INVITE":
            self._asked = _Asked(uri, call_id, sender, sequence, branch)
        replies = self._replies.setdefault((call_id, f"{sequence} {method}"), asyncio.Queue())
        text = (
            f"{method} {uri} SIP/2.0\r\n{self._via(branch)}Max-Forwards: 70\r\nFrom: {sender}\r\n"
            f"To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n{self._contact()}"
            f"Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,UPDATE\r\n{extra}{body}"
        )
        deadline = time.monotonic() + timeout_s
        pause, is_heard = _T1_S, False
        self._send(text)
        while (left := deadline - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left if is_heard else min(pause, left)):
                    reply = await replies.get()
            except TimeoutError:
                if not is_heard:
                    self._send(text)
                    pause *= 2
                continue
            is_heard = True
            if _code(reply) >= 200:
                return reply, sequence, branch
        message = f"no final answer to {method}"
        raise PhoneError(message)

    def _acknowledge(self, reply: str, uri: str, sequence: int, branch: str) -> None:
        is_up = _code(reply) < 300
        # RFC 3261 17.1.1.3: the ACK of a refusal belongs to the transaction, that of a 200 does
        # not.
        where = _target(reply) or uri if is_up else uri
        via = self._via("z9hG4bK" + _token() if is_up else branch)
        self._send(
            f"ACK {where} SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: {header(reply, 'From')}\r\n"
            f"To: {header(reply, 'To')}\r\nCall-ID: {header(reply, 'Call-ID')}\r\n"
            f"CSeq: {sequence} ACK\r\n{_EMPTY}"
        )

    def _authorization(self, challenge: str, method: str, uri: str) -> str:
        asked = header(challenge, "WWW-Authenticate")

        def part(name: str) -> str:
            found = re.search(rf'{name}="?([^",]+)', asked)
            return found[1] if found else ""

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        count, own = "00000001", _token()
        user = self.signs_in_as or self.user
        secret = md5(f"{user}:{part('realm')}:{self.password}")
        response = md5(
            f"{secret}:{part('nonce')}:{count}:{own}:auth:{md5(f'{method}:{uri}')}",
        )
        opaque = f',opaque="{part("opaque")}"' if part("opaque") else ""
        return (
            f'Authorization: Digest username="{user}",realm="{part("realm")}",'
            f'nonce="{part("nonce")}",uri="{uri}",response="{response}",algorithm=MD5,'
            f'qop=auth,nc={count},cnonce="{own}"{opaque}\r\n'
        )

    # --- requests of the far end

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take a reply to one of our requests, or a request."""
        del addr
        at, text = time.monotonic(), data.decode("utf-8", "replace")
        key = (header(text, "Call-ID"), header(text, "CSeq"))
        if text.startswith("SIP/2.0"):
            if waiting := self._replies.get(key):
                waiting.put_nowait(text)
            return
        method = text.partition(" ")[0]
        if method == "ACK":
            return
        if before := self._answers.get(key):  # a repeated request gets the same answer
            self._send(before)
            return
        if method == "INVITE":
            self._invited(text, at)
        elif method in ("BYE", "CANCEL"):
            self.far_cause = header(text, "Reason")
            self._answer(text, "200 OK")
            if method == "CANCEL" and self._incoming is not None:
                self._answer(self._incoming, "487 Request Terminated")
            self._end()
        elif method == "UPDATE":
            self._hear_where(text)
            self._answer(text, "200 OK", self._sdp())
        else:
            self._answer(text, "200 OK")

    def _invited(self, text: str, at: float) -> None:
        if ";tag=" in header(text, "To"):  # a re-INVITE within the call
            self._hear_where(text)
            self._answer(text, "200 OK", self._sdp())
            return
        invitation = Invitation(at, text)
        self.invitations.append(invitation)
        if self.on_invite is not None:
            self.on_invite(invitation)
        if self.refuses_with is not None:
            self._answer(text, f"{self.refuses_with} No")
            return
        if self._dialog is not None:
            self._answer(text, "486 Busy Here")
            return
        self.up.clear()
        self.down.clear()
        tagged = f"{header(text, 'To')};tag={_token()}"
        self._dialog = _Dialog(header(text, "Call-ID"), tagged, header(text, "From"), _target(text) or "")
        self._incoming = text
        self._answer(text, "180 Ringing")
        self.invited.set()
        if self.answers_after_s is not None:
            task = asyncio.get_running_loop().create_task(self._answer_soon(text))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer_soon(self, invite: str) -> None:
        await asyncio.sleep(self.answers_after_s or 0)
        if self._incoming is invite:
            self.pick_up()

    def _answer(self, request: str, status: str, body: str = _EMPTY) -> None:
        to = header(request, "To")
        if ";tag=" not in to and self._dialog is not None:
            to = self._dialog.local
        vias = "".join(f"Via: {via}\r\n" for via in _headers(request, "Via"))
        text = (
            f"SIP/2.0 {status}\r\n{vias}From: {header(request, 'From')}\r\nTo: {to}\r\n"
            f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n"
            f"{self._contact()}{body}"
        )
        self._answers[header(request, "Call-ID"), header(request, "CSeq")] = text
        self._send(text)

    def _end(self) -> None:
        self._dialog = None
        self._incoming = None
        self.media.stop()
        self.up.clear()
        self.invited.clear()
        self.down.set()

    # --- pieces of messages

    def _hear_where(self, text: str) -> None:
        port = re.search(r"m=audio (\d+)", text)
        where = re.search(r"c=IN IP4 (\S+)", text)
        if port and where and self.has_media:
            self.media.send_to((where[1], int(port[1])))

    def _sdp(self) -> str:
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {self.address}\r\ns=-\r\nc=IN IP4 {self.address}\r\nt=0 0\r\n"
            f"m=audio {self.media.port} RTP/AVP {_PCMU} {_EVENT}\r\na=rtpmap:{_PCMU} PCMU/8000\r\n"
            f"a=rtpmap:{_EVENT} telephone-event/8000\r\na=fmtp:{_EVENT} 0-16\r\na=sendrecv\r\n"
        )
        return f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    def _via(self, branch: str) -> str:
        return f"Via: SIP/2.0/UDP {self.address}:{self.port};branch={branch};rport\r\n"

    def _contact(self) -> str:
        return f"Contact: <sip:{self.user}@{self.address}:{self.port}>\r\n"

    def _send(self, text: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(text.encode(), self.server)


def _code(reply: str) -> int:
    return int(reply.split(" ", 2)[1])


def _target(message: str) -> str | None:
    found = re.search(r"<(.*?)>", header(message, "Contact"))
    return found[1] if found else None


@contextlib.asynccontextmanager
async def open_phone(
    address: str,
    user: str,
    *,
    server: tuple[str, int],
    port: int = 0,
    password: str | None = None,
    signs_in_as: str = "",
    tone_hz: int | None = 440,
    answers_after_s: float | None = 0.1,
    refuses_with: int | None = None,
    has_media: bool = True,
) -> AsyncIterator[Phone]:
    """Give a phone that is ready to call and to be called, and take it away afterwards."""
    phone = Phone(
        address,
        user,
        server,
        password=password,
        signs_in_as=signs_in_as,
        tone_hz=tone_hz,
        answers_after_s=answers_after_s,
        refuses_with=refuses_with,
        has_media=has_media,
    )
    await phone.start(port=port)
    try:
        yield phone
    finally:
        await phone.close()
