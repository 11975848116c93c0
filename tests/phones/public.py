"""The public network of the tests: one SIP far end on an address of its own, where many numbers live.

What a number does stands in its last digit (`telephony.switch.simulator.public`, which the simulator plays as
well). It counts every INVITE per number, so that "nobody was called twice" can be asserted. SIP over UDP (RFC
3261), PCMU. In a test:

    async with open_public(port=port) as public:
        ...
        assert public.calls["+447700900120"] == 1

Or beside a running installation, where it takes the calls of the embedded switch:

    python -m tests.phones.public --port 8622 --counts .run/public.json
"""

import argparse
import asyncio
import collections
import contextlib
import hashlib
import json
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from telephony.switch.simulator.public import PACE, REFUSALS, Habit, Pace, habit_of, lasts_ms
from tests.phones.sip import _EMPTY, _headers, _Media, _target, _token, header

ADDRESS = "127.0.0.8"
_SIP = {1: "404 Not Found", 17: "486 Busy Here", 21: "603 Decline"}
_HELLO_S, _LISTENS_S = 0.6, 3.0
_REPEATS_S = 0.5  # RFC 3261 T1


@dataclass(slots=True)
class _Leg:
    """One call at the far end, from its INVITE to its end."""

    number: str
    invite: str
    tag: str
    peer: tuple[str, int]
    media: _Media | None = None
    is_up: bool = False
    is_acknowledged: bool = False
    sequence: int = 0
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


class Public(asyncio.DatagramProtocol):
    """The far end. Make it with `open_public`.

    Attributes:
        calls: INVITEs that began a call, per number as it was dialled; repeated packets count once.
        shown: the number each was shown last.
        answered: how often each number picked up.
        live: how many calls stand right now.
        turned_away: INVITEs that came without the login this network asks for, or with a wrong one.
    """

    def __init__(
        self, *, pace: Pace = PACE, has_media: bool = True, login: tuple[str, str] | None = None
    ) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.shown: dict[str, str] = {}
        self.answered: collections.Counter[str] = collections.Counter()
        self.turned_away = 0
        self.heard: dict[str, _Media] = {}
        self._login, self._asks = login, _token()
        self.port = 0
        self._pace, self._has_media = pace, has_media
        self._legs: dict[str, _Leg] = {}
        self._refused: dict[str, str] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._changed: list[asyncio.Event] = []

    @property
    def live(self) -> int:
        """Return how many calls ring or are up."""
        return len(self._legs)

    async def start(self, *, address: str = ADDRESS, port: int = 0) -> None:
        """Bind the signalling socket."""
        self._address = address
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(address, port))

    async def close(self) -> None:
        """Vanish without a word."""
        for leg in list(self._legs.values()):
            self._drop(leg)
        if self._transport is not None:
            self._transport.close()
        await asyncio.sleep(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the port the system gave."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    def watch(self) -> asyncio.Event:
        """Return an event that is set at the next change of the counts."""
        event = asyncio.Event()
        self._changed.append(event)
        return event

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take a request of the switch, or its reply to a BYE of ours."""
        text = data.decode("utf-8", "replace")
        if text.startswith("SIP/2.0"):
            return
        method, call_id = text.partition(" ")[0], header(text, "Call-ID")
        leg = self._legs.get(call_id)
        match method:
            case "INVITE" if leg is not None:
                self._again(leg, text)
            case "INVITE" if call_id in self._refused:
                self._reply(text, self._refused[call_id], addr)
            case "INVITE" if self._login and not self._is_signed_in(text, *self._login):
                self.turned_away += 1
                self._tell()
                asked = f'Digest realm="far",nonce="{self._asks}",algorithm=MD5,qop="auth"'
                body = f"Proxy-Authenticate: {asked}\r\n{_EMPTY}"
                self._reply(text, "407 Proxy Authentication Required", addr, body=body)
            case "INVITE":
                self._invited(text, call_id, addr)
            case "ACK" if leg is not None:
                leg.is_acknowledged = True
            case "ACK":
                pass
            case "CANCEL":
                self._reply(text, "200 OK", addr)
                if leg is not None and not leg.is_up:
                    self._reply(leg.invite, "487 Request Terminated", addr, tag=leg.tag)
                    self._refused[call_id] = "487 Request Terminated"
                    self._drop(leg)
            case "BYE":
                self._reply(text, "200 OK", addr)
                if leg is not None:
                    self._drop(leg)
            case _:
                self._reply(text, "200 OK", addr)

    def _is_signed_in(self, text: str, user: str, password: str) -> bool:
        """Whether an INVITE answers our question with this login (RFC 7616, MD5)."""
        said = dict(re.findall(r'(\w+)="?([^",\s]+)', header(text, "Proxy-Authorization")))

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

        secret, what = md5(user, "far", password), md5("INVITE", said.get("uri", ""))
        counted = (said.get("nc", ""), said.get("cnonce", ""), "auth")
        return said.get("response") == md5(secret, self._asks, *counted, what)

    # --- a call ------------------------------------------------------------------------------------

    def _invited(self, text: str, call_id: str, peer: tuple[str, int]) -> None:
        found = re.match(r"INVITE sips?:([^@;>\s]+)@", text)
        number = found[1] if found else ""
        self.calls[number] += 1
        shown = re.search(r"sips?:([^@;>\s]+)@", header(text, "From"))
        self.shown[number] = shown[1] if shown else ""
        self._tell()
        self._reply(text, "100 Trying", peer, tag="")
        habit = habit_of(number)
        if refusal := REFUSALS.get(habit):
            self._refused[call_id] = _SIP[int(refusal)]
            self._reply(text, _SIP[int(refusal)], peer)
            return
        leg = _Leg(number, text, _token(), peer)
        self._legs[call_id] = leg
        self._reply(text, "180 Ringing", peer, tag=leg.tag)
        if habit is not Habit.RINGS_OUT:
            leg.tasks.append(asyncio.get_running_loop().create_task(self._pick_up(leg, habit)))

    def _again(self, leg: _Leg, text: str) -> None:
        """A repeated INVITE, or one within the call."""
        if leg.is_up:
            leg.invite = text
            self._reply(text, "200 OK", leg.peer, tag=leg.tag, body=self._sdp(leg))
        else:
            self._reply(text, "180 Ringing", leg.peer, tag=leg.tag)

    async def _pick_up(self, leg: _Leg, habit: Habit) -> None:
        await asyncio.sleep(self._pace.rings_ms / 1000)
        if self._has_media:
            media = _Media(440)
            media.is_speaking = habit is not Habit.HANGS_UP
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: media, local_addr=(self._address, 0)
            )
            leg.media = self.heard[leg.number] = media
            port = re.search(r"m=audio (\d+)", leg.invite)
            where = re.search(r"c=IN IP4 (\S+)", leg.invite)
            if port and where:
                media.send_to((where[1], int(port[1])))
        leg.is_up = True
        self.answered[leg.number] += 1
        self._tell()
        leg.tasks.append(asyncio.get_running_loop().create_task(self._say_so(leg)))
        if leg.media and habit is Habit.PERSON:
            leg.tasks.append(asyncio.get_running_loop().create_task(self._talk(leg.media)))
        lasts = lasts_ms(habit, self._pace)
        if lasts is not None:
            await asyncio.sleep(lasts / 1000)
            self._hang_up(leg)

    async def _say_so(self, leg: _Leg) -> None:
        """Answer, again until the ACK is there (RFC 3261 13.3.1.4)."""
        pause_s = _REPEATS_S
        while leg.is_up and not leg.is_acknowledged:
            self._reply(leg.invite, "200 OK", leg.peer, tag=leg.tag, body=self._sdp(leg))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 4.0)

    async def _talk(self, media: _Media) -> None:
        """Say hello, wait for an answer, and talk."""
        await asyncio.sleep(_HELLO_S)
        media.is_speaking = False
        await asyncio.sleep(_LISTENS_S)
        media.is_speaking = True

    def _hang_up(self, leg: _Leg) -> None:
        leg.sequence += 1
        invite = leg.invite
        self._send(
            f"BYE {_target(invite) or ''} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._address}:{self.port};branch=z9hG4bK{_token()};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {header(invite, 'To')};tag={leg.tag}\r\n"
            f"To: {header(invite, 'From')}\r\n"
            f"Call-ID: {header(invite, 'Call-ID')}\r\nCSeq: {leg.sequence} BYE\r\n{_EMPTY}",
            leg.peer,
        )
        self._drop(leg)

    def _drop(self, leg: _Leg) -> None:
        self._legs.pop(header(leg.invite, "Call-ID"), None)
        leg.is_up = False
        if leg.media is not None:
            leg.media.close()
        current = asyncio.current_task()
        for task in leg.tasks:
            if task is not current:
                task.cancel()
        self._tell()

    # --- messages ------------------------------------------------------------------------------------

    def _reply(
        self, request: str, status: str, peer: tuple[str, int], *, tag: str = "x", body: str = _EMPTY
    ) -> None:
        to = header(request, "To")
        if ";tag=" not in to and tag:
            to += f";tag={tag}"
        vias = "".join(f"Via: {via}\r\n" for via in _headers(request, "Via"))
        user = re.match(r"\w+ sips?:([^@;>\s]+)", request)
        self._send(
            f"SIP/2.0 {status}\r\n{vias}From: {header(request, 'From')}\r\nTo: {to}\r\n"
            f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n"
            f"Contact: <sip:{user[1] if user else 'far'}@{self._address}:{self.port}>\r\n{body}",
            peer,
        )

    def _sdp(self, leg: _Leg) -> str:
        port = leg.media.port if leg.media else 9
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {self._address}\r\ns=-\r\nc=IN IP4 {self._address}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
        )
        return f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    def _send(self, text: str, peer: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(text.encode(), peer)

    def _tell(self) -> None:
        waiting, self._changed = self._changed, []
        for event in waiting:
            event.set()


@contextlib.asynccontextmanager
async def open_public(
    *,
    address: str = ADDRESS,
    port: int = 0,
    pace: Pace = PACE,
    has_media: bool = True,
    login: tuple[str, str] | None = None,
) -> AsyncIterator[Public]:
    """Give a public network that can be called, and take it away afterwards.

    With a `login` (name, password) it takes calls of nobody else.
    """
    public = Public(pace=pace, has_media=has_media, login=login)
    await public.start(address=address, port=port)
    try:
        yield public
    finally:
        await public.close()


async def _serve(address: str, port: int, counts: Path | None, pace: Pace) -> None:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    async with open_public(address=address, port=port, pace=pace) as public:
        print(f"the made-up public network takes calls at {address}:{public.port}", flush=True)  # noqa: T201
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            changed = public.watch()
            if counts:
                part = counts.with_suffix(".part")
                part.write_text(json.dumps({"calls": public.calls, "answered": public.answered}))
                part.replace(counts)
            waiting = asyncio.create_task(changed.wait())
            await asyncio.wait({stopping, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description="The made-up public network.")
    parser.add_argument("--address", default=ADDRESS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--counts", type=Path, help="a file that always holds the INVITEs per number, as JSON"
    )
    parser.add_argument("--talks-s", type=float, default=PACE.talks_ms / 1000)
    args = parser.parse_args()
    pace = Pace(talks_ms=round(args.talks_s * 1000))
    asyncio.run(_serve(args.address, args.port, args.counts, pace))


if __name__ == "__main__":
    main()
