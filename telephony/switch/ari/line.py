"""One ARI websocket: requests go out with an id, replies and events come in.

Asterisk 22 takes REST requests as `RESTRequest` messages on the websocket that carries the events, so
replies and events share one order. Requests are not queued behind each other here: as many may be under
way as callers want, and each waits for its own reply only.

The library `websockets` does the protocol (RFC 6455) without its tasks and queues: an event is handled in
the very turn of the loop that read it, which takes a third off the time from event to command.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlencode

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from telephony.switch.port import SwitchError

REQUEST_TIMEOUT_S: Final = 5.0
_OPEN_TIMEOUT_S: Final = 5.0
_CLOSE_TIMEOUT_S: Final = 1.0
_PING_EVERY_S: Final = 10.0

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request brought: the HTTP-like status and the decoded body (None when empty)."""

    status: int
    body: Any

    @property
    def is_ok(self) -> bool:
        """Whether Asterisk did it."""
        return self.status < 400  # noqa: PLR2004 - HTTP's border between done and refused


async def dial(
    url: str, *, application: str, user: str, password: str, on_event: Callable[[Message], None]
) -> "Line":
    """Open the events websocket of `application`.

    Args:
        url: `ws://host:port/ari` or `wss://...`.
        application: the Stasis application; only what it subscribes to is sent.
        user: the ARI user.
        password: the ARI user's.
        on_event: gets each event, in the loop, from the moment the line is open.

    Raises:
        SwitchError: temporary: nobody there, no answer in time, or it says no.
    """
    uri = parse_uri(f"{url}/events?{urlencode({'app': application, 'subscribeAll': 'false'})}")
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    protocol = ClientProtocol(uri, max_size=None)
    request = protocol.connect()
    request.headers["Authorization"] = f"Basic {token}"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            _, line = await loop.create_connection(
                lambda: Line(protocol, on_event=on_event), uri.host, uri.port, ssl=uri.secure or None
            )
            protocol.send_request(request)
            await line.opened()
    except InvalidStatus as error:
        reason = f"the switch answered {error.response.status_code}"
        raise SwitchError(reason, is_temporary=True) from None
    except (OSError, TimeoutError, WebSocketException) as error:
        raise SwitchError(type(error).__name__, is_temporary=True) from error
    return line


class Line(asyncio.Protocol):
    """One websocket to Asterisk; made by `dial`."""

    def __init__(self, protocol: ClientProtocol, *, on_event: Callable[[Message], None]) -> None:
        self._protocol = protocol
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self._is_heard = True
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()

    # --- what the driver does with it

    async def opened(self) -> None:
        """Return when Asterisk has accepted the websocket; called once, by `dial`."""
        self._flush()
        try:
            await self._opened
        except BaseException:
            self._cut()
            raise

    async def wait_lost(self) -> None:
        """Return when the line is gone, whoever closed it."""
        await asyncio.shield(self._lost)

    async def ask(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Reply:
        """Send one request and wait for its reply.

        Raises:
            SwitchError: temporary: the line is lost, or no reply within `timeout_s`.
        """
        if self._lost.done():
            raise _lost()
        request = str(next(self._ids))
        message: Message = {
            "type": "RESTRequest",
            "transaction_id": request,
            "request_id": request,
            "method": method,
            "uri": uri,
        }
        if query:
            message["query_strings"] = [{"name": k, "value": v} for k, v in query.items()]
        if body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = json.dumps(body)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request] = future
        try:
            self._protocol.send_text(json.dumps(message).encode())
            self._flush()
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise SwitchError("no reply in time", is_temporary=True, method=method) from error
        except WebSocketException as error:  # it is just closing
            raise _lost() from error
        finally:
            self._waiting.pop(request, None)

    async def close(self) -> None:
        """Say goodbye and close; safe to call twice."""
        if self._lost.done():
            return
        try:
            self._protocol.send_close()
            self._flush()
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.wait_lost()
        except (TimeoutError, WebSocketException):
            self._cut()
            await self.wait_lost()

    # --- what the loop does with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._pinging = asyncio.get_running_loop().call_later(_PING_EVERY_S, self._ping)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._is_heard = True
        self._protocol.receive_data(data)
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take_frame(event)
            elif not self._opened.done():
                if self._protocol.handshake_exc is None:
                    self._opened.set_result(None)
                else:
                    self._opened.set_exception(self._protocol.handshake_exc)
        if self._protocol.close_expected() and self._transport is not None:
            # The close frames are exchanged; a server that then forgets to hang up is not waited for.
            asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT_S, self._cut)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what still waits."""
        del exc
        if self._pinging is not None:
            self._pinging.cancel()
        if not self._opened.done():
            self._opened.set_exception(ConnectionResetError())
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_lost())
        if not self._lost.done():
            self._lost.set_result(None)

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _ping(self) -> None:
        if not self._is_heard:  # not even a pong since the last time
            self._cut()
            return
        self._is_heard = False
        self._protocol.send_ping(b"")
        self._flush()
        self._pinging = asyncio.get_running_loop().call_later(_PING_EVERY_S, self._ping)

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT or (frame.opcode is Opcode.CONT and self._parts):
            if not frame.fin:
                self._parts.append(bytes(frame.data))
                return
            raw = b"".join((*self._parts, frame.data)) if self._parts else bytes(frame.data)
            self._parts.clear()
            message: Message = json.loads(raw)
            if message.get("type") == "RESTResponse":
                self._take_reply(message)
            else:
                self._on_event(message)

    def _take_reply(self, message: Message) -> None:
        future = self._waiting.get(str(message.get("request_id")))
        if future is None or future.done():  # the asker gave up
            return
        text = message.get("message_body")
        future.set_result(Reply(int(message["status_code"]), json.loads(text) if text else None))


def _lost() -> SwitchError:
    return SwitchError("the line to the switch is lost", is_temporary=True)
