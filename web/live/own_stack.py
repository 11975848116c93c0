"""Answers each request on a stack of its own, which is given back before its stream is read.

A stream is held by one greenlet for hours, and a greenlet keeps the memory of the deepest stack it ever had:
in CPython 3.11 a block of 16 KiB for its frames, and signing in, looking up and refusing fill all of it. So
the request runs on another one, and what holds the stream never goes deeper than waiting for a message.
"""

from collections.abc import Iterable
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class OwnStack:
    """A WSGI application that asks another one, on a thread of its own: a greenlet, in the live process."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Return the answer, or raise what the application raised."""
        answer: Future[Iterable[bytes]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._app(environ, start_response))
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
                answer.set_exception(error)

        Thread(target=ask, name="live-request", daemon=True).start()
        try:
            return answer.result()
        finally:
            # the server keeps `environ` as long as the stream; the request in it is over
            environ.pop("werkzeug.request", None)
