"""The stand-in as a server on loopback: the API, the hosted pages, and a door for tests (`/_standin/`)."""

import json
import secrets
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from standin import differing
from standin.api import Request, Stripe
from standin.news import Post
from standin.store import Store
from standin.till import StripeError
from standin.visit import Visits

LOOPBACK = "127.0.0.1"
_LARGEST_BODY = 256 * 1024


class Server:
    """A running stand-in; `close()` ends it and leaves its file."""

    def __init__(
        self,
        *,
        key: str,
        port: int = 0,
        file: Path | str = ":memory:",
        webhook: tuple[str, str] | None = None,
        settles_after_s: float = 3.0,
    ) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one.

        Args:
            key: the one secret key that is accepted.
            port: where to listen.
            file: what it remembers; a second start with the same file goes on where the first ended.
            webhook: the address that wants all news, and its secret.
            settles_after_s: how long a bank debit takes.
        """
        self._http = ThreadingHTTPServer((LOOPBACK, port), _Handler)
        self._http.daemon_threads = True
        self.base = f"http://{LOOPBACK}:{self._http.server_address[1]}"
        self._store = Store(file)
        self.api = Stripe(
            self._store, key=key, base=self.base, settles_after_s=settles_after_s, webhook=webhook
        )
        self.post = Post(self.api)
        self.visits = Visits(self.api)
        self.key = key
        self.faults: deque[str] = deque()
        self._http.standin = self  # type: ignore[attr-defined] # the handler finds us there
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.1,), name="standin", daemon=True),
            threading.Thread(target=self.post.run, args=(self._stop,), name="standin-news", daemon=True),
        ]

    def start(self) -> "Server":
        """Begin to serve."""
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """End."""
        self._stop.set()
        self.api.news.set()
        self._http.shutdown()
        self._http.server_close()
        for thread in self._threads:
            thread.join(5)
        self._store.close()

    def control(self, path: str, form: dict[str, str]) -> dict[str, object]:
        """Do what a test or a demonstration asks for.

        Raises:
            KeyError: nothing of that name can be done.
        """
        acts: dict[str, Callable[[], object]] = {
            "hold": lambda: self.post.hold(held=True),
            "send": lambda: self.post.hold(held=False),
            "release": lambda: self.post.release(
                order=form.get("order", "as-made"), times=int(form.get("times", "1"))
            ),
            "settle": lambda: self.api.tick(everything=True),
            "waiting": self.waiting,
            "dispute": lambda: self.api.dispute(form["charge"]),
            "forget": self.api.forget,
            "fault": lambda: self.faults.extend(form["kinds"].split(",")),
            "well": self.faults.clear,
            "win": lambda: self.api.win(form["dispute"]),
            "lose": lambda: differing.lose(self.api, form["source"]),
            "unpay": lambda: differing.unpay(self.api, form["charge"]),
            "alter": lambda: differing.alter(self.api, form["source"], form),
            "again": lambda: differing.again(self.api, form["charge"]),
            "foreign": lambda: differing.foreign(self.api, form["charge"]),
            "own-fee": lambda: differing.own_fee(self.api, int(form["amount"]), form["currency"]),
            "mislay": lambda: differing.mislay(self.api, int(form["minor"])),
            "misreckon": lambda: differing.misreckon(self.api, int(form["minor"])),
            "void": lambda: differing.void(self.api, form["invoice"]),
            "pay-out": lambda: differing.pay_out(self.api, int(form["amount"]), form["currency"]),
        }
        return {"done": acts[path]()}

    def waiting(self) -> int:
        """Return how many pieces of news are on their way, held ones left out."""
        with self.api.lock:
            return self._store.pending()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "stripe-stand-in"
    # head and body in one packet: in two, the second waits 40 ms for an acknowledgement that is held back
    wbufsize = 64 * 1024
    timeout = 30

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_POST(self) -> None:
        """Answer."""
        self._answer()

    def do_DELETE(self) -> None:
        """Answer."""
        self._answer()

    def log_message(self, *_args: object) -> None:
        """Say nothing: what is typed here belongs in no log."""

    def _answer(self) -> None:
        standin: Server = self.server.standin  # type: ignore[attr-defined] # set by Server
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            self._send(413, "application/json", "{}", {"Connection": "close"})
            self.close_connection = True
            return
        body = self.rfile.read(length).decode("utf-8", "replace")
        url = urlsplit(self.path)
        if url.path.startswith("/v1/"):
            fault = standin.faults.popleft() if standin.faults else ""
            if fault.isdecimal():  # refused before anything is done
                said = StripeError(int(fault), "api_error", "The stand-in was asked to have trouble.")
                self._send(said.status, "application/json", json.dumps(said.body), {})
                return
            if fault == "lost-question":
                self.close_connection = True
                return
            status, text, headers = standin.api.handle(self._request(url.path, url.query, body))
            if fault == "lost-answer":
                self.close_connection = True
                return
            self._send(status, "application/json", text, headers)
        elif url.path.startswith("/_standin/"):
            self._control(standin, url.path.removeprefix("/_standin/"), body)
        elif url.path == "/":
            self._send(200, "text/plain; charset=utf-8", "A stand-in for Stripe. No money moves.\n", {})
        else:
            page = standin.visits.handle(self.command, url.path, body)
            more = {"Location": page.location} if page.location else {}
            self._send(page.status, "text/html; charset=utf-8", page.body, more)

    def _request(self, path: str, query: str, body: str) -> Request:
        scheme, _, key = self.headers.get("Authorization", "").partition(" ")
        return Request(
            method=self.command,
            path=path,
            query=query,
            body=body,
            key=key if scheme == "Bearer" else "",
            version=self.headers.get("Stripe-Version", ""),
            idempotency_key=self.headers.get("Idempotency-Key", ""),
        )

    def _control(self, standin: Server, path: str, body: str) -> None:
        if not secrets.compare_digest(self.headers.get("Authorization", ""), f"Bearer {standin.key}"):
            self._send(401, "application/json", "{}", {})
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        try:
            said = standin.control(path, form)
        except (KeyError, ValueError):
            self._send(404, "application/json", "{}", {})
            return
        self._send(200, "application/json", json.dumps(said), {})

    def _send(self, status: int, kind: str, body: str, headers: dict[str, str]) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815 - the library's name
