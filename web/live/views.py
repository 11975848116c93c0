"""The streams: `/live/agent` for the console, `/live/portal` for the portal's live parts.

Which messages a stream hears is decided here, from the session; nothing a client sends chooses a topic. A
stream holds no database connection. It ends within seconds of its session: at once by the message
`session-ended`, and at the latest when the hub asks the directory, every half minute. When what lets
a company's people in has changed (a second step is required, the company is suspended), all its streams end,
and the browsers come back through the same guards as any page.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, request

from core import clock
from core.errors import Refused, Unavailable
from core.ids import OPERATOR
from core.realtime import Message
from seats import desk
from security.throttle import TooManyError
from tenants import sessions
from tenants.sessions import ENDED
from web import cookies, identity, scope
from web.csrf import CrossSiteError
from web.guards import permission
from web.live.hub import Address, Closed, Hub, Listener
from web.services import KEY, Services

streams = Blueprint("live", __name__, url_prefix="/live")

HUB = "seatline-hub"
BEAT_S = 15.0
_READY_S = 3.0
_MOST_PER_SESSION = 8
# what the switchboard's topics are called on the portal's stream
_PORTAL_EVENTS = {"floor": ("queues",), "calls": ("calls", "bill"), "campaigns": ("campaigns",)}
_SIGNED_OUT = "signed-out"
Events = Callable[[Message], Iterator[str]]


class NoAgentError(Refused):
    """The user is not on the roster, so there is no desk to listen for."""

    code = "no-agent"


class LiveAwayError(Unavailable):
    """The live messages cannot be heard at the moment."""

    code = "live-away"


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a stream needs after its request is over."""

    hub: Hub
    listener: Listener
    session_id: str
    ends_in_s: float


def install(app: Flask) -> None:
    """Give the application its hub and the headers that let the pages' origin read the streams."""
    services: Services = app.extensions[KEY]
    app.extensions[HUB] = Hub(services.realtime, lambda sessions: services.gate.known("session", sessions))
    app.register_blueprint(streams)
    app.after_request(_allow_pages)


@streams.before_request
def refuse_other_sites() -> None:
    """Answer the pages' own origin only.

    Raises:
        CrossSiteError: another site's page asks with the user's cookie.
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin != _pages_origin():
        raise CrossSiteError


@streams.get("/agent")
@permission("console.open")
def agent() -> Response:
    """Stream what concerns the signed-in agent's desk."""
    who = identity.current()
    # agents are the operator's: the request's own transaction will do. With a second one each, consoles
    # that come back all at once would hold every connection and wait for another
    found = desk.agent_by_user(scope.session(), user_id=who.user_id) if who.tenant_id == OPERATOR else None
    if found is None:
        raise NoAgentError
    topic = f"agent:{found.id}"

    def events(message: Message) -> Iterator[str]:
        body = dict(message.body)
        yield _event(str(body.pop("type", "state")), body)

    return _stream([(OPERATOR, topic)], events)


@streams.get("/portal")
@permission("live.read")
def portal() -> Response:
    """Stream what has changed in the company: queues, calls, the running bill."""
    tenant_id = identity.current().tenant_id

    def events(message: Message) -> Iterator[str]:
        for name in _PORTAL_EVENTS.get(message.topic, ()):
            yield _event(name, {})

    return _stream([(tenant_id, topic) for topic in _PORTAL_EVENTS], events)


def _stream(addresses: list[Address], events: Events) -> Response:
    who = identity.current()
    hub: Hub = current_app.extensions[HUB]
    session_id = str(who.session_id)
    digest = sessions.digest(cookies.current().secret or "") or b""
    listener = hub.join([*addresses, (who.tenant_id, ENDED)], session=digest)
    if not hub.is_hearing(within_s=_READY_S):
        hub.leave(listener)
        raise LiveAwayError
    if hub.count(session_id, +1) > _MOST_PER_SESSION:
        hub.count(session_id, -1)
        hub.leave(listener)
        raise TooManyError(retry_after_s=int(BEAT_S))
    watch = _Watch(
        hub,
        listener,
        session_id,
        (who.expires_at - clock.now()).total_seconds() if who.expires_at else 0.0,
    )
    response = Response(_flow(watch, events), content_type="text/event-stream; charset=utf-8")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: _gone(watch))
    return response


def _flow(watch: _Watch, events: Events) -> Iterator[str]:
    began = time.monotonic()
    yield "retry: 2000\n: open\n\n"
    while True:
        item = watch.listener.take(timeout_s=BEAT_S)
        if isinstance(item, Closed):
            if item.is_signed_out:
                yield _event(_SIGNED_OUT, {})
            return
        if time.monotonic() - began >= watch.ends_in_s:
            yield _event(_SIGNED_OUT, {})
            return
        if item is None:
            yield ": beat\n\n"
        elif item.topic == ENDED:
            if item.body.get("everybody"):  # not signed out: asked anew whether they may come in
                return
            if item.body.get("session") == watch.session_id:
                yield _event(_SIGNED_OUT, {})
                return
        else:
            yield from events(item)


def _gone(watch: _Watch) -> None:
    watch.hub.leave(watch.listener)
    watch.hub.count(watch.session_id, -1)


def _event(name: str, body: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(body)}\n\n"


def _pages_origin() -> str:
    parts = urlsplit(scope.services().settings.public_url)
    return f"{parts.scheme}://{parts.netloc}"


def _allow_pages(response: Response) -> Response:
    if request.headers.get("Origin") == _pages_origin():
        response.headers["Access-Control-Allow-Origin"] = _pages_origin()
        response.headers["Access-Control-Allow-Credentials"] = "true"
    response.vary.add("Origin")
    return response
