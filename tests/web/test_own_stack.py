"""What holds a stream never ran the request: see `web.live.own_stack`."""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from web.live import OwnStack

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class BrokenError(Exception):
    """What an application raised."""


def test_request_runs_on_another_stack_than_its_stream() -> None:
    seen = {}

    def flow() -> Iterator[bytes]:
        seen["stream"] = threading.get_ident()
        yield b"data: 1\n\n"

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        seen["request"] = threading.get_ident()
        return Response(flow(), content_type="text/event-stream")(environ, start_response)

    answer = Client(OwnStack(app)).get("/live")
    assert (answer.status_code, answer.data) == (200, b"data: 1\n\n")
    assert seen["stream"] == threading.get_ident() != seen["request"]


def test_nothing_of_the_request_stays_with_its_stream() -> None:
    environ: WSGIEnvironment = Request.from_values("/live").environ
    assert "werkzeug.request" in environ

    def app(given: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return Response(Request(given).path)(given, start_response)

    assert b"".join(OwnStack(app)(environ, lambda *_: lambda _: None)) == b"/live"
    assert "werkzeug.request" not in environ


def test_what_the_application_raises_is_raised_to_the_server() -> None:
    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        raise BrokenError

    with pytest.raises(BrokenError):
        Client(OwnStack(app)).get("/live")
