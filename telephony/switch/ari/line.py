"""One ARI websocket: requests go out with an id, replies and events come in.

Asterisk 22 takes REST requests as `RESTRequest` messages on the websocket that carries the events,
so replies and events share one order. Requests are not queued behind each other here: as many may
be under way as callers want, and each waits for its own reply only.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from telephony.switch.port import SwitchError

REQUEST_TIMEOUT_S: Final = 5.0

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


async def dial(url: str, *, application: str, user: str, password: str) -> ClientConnection:
    """Open the events websocket of `application`.

    Raises:
        OSError, websockets.exceptions.WebSocketException: nobody there, or it says no.
    """
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    query = urlencode({"app": application, "subscribeAll": "false"})
    return await connect(
        f"{url}/events?{query}",
        additional_headers={"Authorization": f"Basic {token}"},
        max_size=None,
        compression=None,
        open_timeout=5,
        close_timeout=1,
        ping_interval=10,
        ping_timeout=10,
        proxy=None,
    )


class Line:
    """One open websocket to Asterisk."""

    def __init__(self, socket: ClientConnection, *, on_event: Callable[[Message], None]) -> None:
        self._socket = socket
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._is_lost = False

    async def listen(self) -> None:
        """Take replies and events until the socket closes; then fail what still waits."""
        try:
            async for raw in self._socket:
                message: Message = json.loads(raw)
                if message.get("type") == "RESTResponse":
                    self._take(message)
                else:
                    self._on_event(message)
        except ConnectionClosed:
            pass  # an abrupt close is still a close
        finally:
            self._is_lost = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_lost())
            self._waiting.clear()

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
        if self._is_lost:
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
            async with asyncio.timeout(timeout_s):
                await self._socket.send(json.dumps(message))
                return await future
        except TimeoutError as error:
            raise SwitchError("no reply in time", is_temporary=True, method=method) from error
        except ConnectionClosed as error:
            raise _lost() from error
        finally:
            self._waiting.pop(request, None)

    async def close(self) -> None:
        """Close the websocket; `listen` then returns."""
        await self._socket.close()

    def _take(self, message: Message) -> None:
        future = self._waiting.get(str(message.get("request_id")))
        if future is None or future.done():  # the asker gave up
            return
        text = message.get("message_body")
        future.set_result(Reply(int(message["status_code"]), json.loads(text) if text else None))


def _lost() -> SwitchError:
    return SwitchError("the line to the switch is lost", is_temporary=True)
