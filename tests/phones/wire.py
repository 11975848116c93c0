"""SIP as bytes: what no proper phone would send, and whatever comes back.

The malformed messages are ours, written from what RFC 4475 describes; its own are not copied.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

_CALL_ID = re.compile(rb"(?mi)^(?:Call-ID|i)\s*:\s*(\S+)")


class Wire(asyncio.DatagramProtocol):
    """A socket on an address of its own; `replies` are the first lines of what came back."""

    def __init__(self) -> None:
        self.replies: list[str] = []
        self._said: dict[bytes, str] = {}
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self.replies.append(data.partition(b"\r\n")[0].decode(errors="replace"))
        if found := _CALL_ID.search(data):
            self._said[found[1]] = self.replies[-1]

    def send(self, message: bytes) -> None:
        """Send one datagram."""
        assert self.transport is not None
        self.transport.sendto(message)

    def said(self, request: bytes) -> int:
        """Return the status of the latest reply to one of our requests; 0 when there is none."""
        found = _CALL_ID.search(request)
        assert found
        line = self._said.get(found[1], "")
        return int(line.split()[1]) if line else 0

    @property
    def here(self) -> str:
        """Its own `address:port`."""
        assert self.transport is not None
        address, port = self.transport.get_extra_info("sockname")[:2]
        return f"{address}:{port}"


@asynccontextmanager
async def open_wire(address: str, *, server: tuple[str, int]) -> AsyncIterator[Wire]:
    """Open a wire from an address to a switch."""
    loop = asyncio.get_running_loop()
    transport, wire = await loop.create_datagram_endpoint(Wire, local_addr=(address, 0), remote_addr=server)
    try:
        yield wire
    finally:
        transport.close()


NUMBER = b"+447700900187"  # of these messages alone: it may stand in no log
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def invite(
    here: str,
    *,
    to: bytes = b"+15551000",
    name: bytes = b"",
    method: bytes = b"INVITE",
    first: bytes = b"",
    headers: bytes = b"",
    cseq: bytes = b"1",
    body: str = SDP,
    length: int | None = None,
) -> bytes:
    """Return an INVITE as somebody careless, or worse, would write it."""
    mark = secrets.token_hex(6).encode()
    start = first or method + b" sip:" + to + b"@127.0.0.1 SIP/2.0"
    size = len(body) if length is None else length
    return b"\r\n".join(
        (
            start,
            b"Via: SIP/2.0/UDP " + here.encode() + b";branch=z9hG4bK" + mark,
            b"Max-Forwards: 70",
            b"From: " + name + b"<sip:" + NUMBER + b"@" + here.encode() + b">;tag=" + mark,
            b"To: <sip:x@127.0.0.1>",
            b"Call-ID: " + mark + b"@wire",
            b"CSeq: " + cseq + b" " + method,
            b"Contact: <sip:" + NUMBER + b"@" + here.encode() + b">",
            *([headers] if headers else []),
            b"Content-Type: application/sdp",
            b"Content-Length: " + str(size).encode(),
            b"",
            body.encode(),
        )
    )


def malformed(here: str) -> dict[str, bytes]:
    """Return messages of the sorts RFC 4475 describes, by what is wrong with each."""
    return {
        "3.1.1.1 odd white space and folded lines": invite(here, headers=b"Subject:\r\n  a\r\n\t b"),
        "3.1.1.3 escaped octets in the user": invite(here, to=b"sip%3Auser%40x;par=u%40e"),
        "3.1.1.5 an unknown method": invite(here, method=b"!interesting-Method0123456789_*+`.%indeed'~"),
        "3.1.1.7 values of several kilobytes": invite(here, headers=b"Subject: " + b"long " * 600),
        "3.1.2.1 separators where none belong": invite(here, headers=b"Accept: ,,;;,;,"),
        "3.1.2.2 a body shorter than it says": invite(here, length=9999),
        "3.1.2.3 a negative length": invite(here, length=-999),
        "3.1.2.4 numbers beyond their range": invite(here, cseq=b"36893488147419103232"),
        "3.1.2.6 a quotation that never ends": invite(here, name=b'"Watson, ' + b"x" * 40),
        "3.1.2.7 brackets around the request's address": invite(
            here, first=b"INVITE <sip:user@127.0.0.1> SIP/2.0"
        ),
        "3.1.2.8 white space in the request's address": invite(
            here, first=b"INVITE sip:user@127.0.0.1; lr SIP/2.0"
        ),
        "3.1.2.10 a start line that goes on": invite(here, first=b"INVITE sip:user@127.0.0.1 SIP/2.0 more"),
        "3.1.2.16 a version nobody speaks": invite(here, first=b"INVITE sip:user@127.0.0.1 SIP/7.0"),
        "3.1.2.19 a name full of signs": invite(here, name=b"caf\xc3\xa9 \xff\xfe "),
        "3.3.1 without what every request has": b"INVITE sip:u@127.0.0.1 SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n",
        "3.3.2 a scheme nobody knows": invite(here, first=b"OPTIONS nobodyKnowsThisScheme:x SIP/2.0"),
        "an account of 600 signs": invite(
            here,
            method=b"NOTIFY",
            headers=b"Event: message-summary",
            body=f"Messages-Waiting: yes\r\nMessage-Account: sip:{'a' * 600}@x\r\n",
        ),
        "nothing but zeros": bytes(900),
        "nothing": b"",
        "lines without end": b"\r\n" * 800,
    }
