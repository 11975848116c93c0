"""A company's program that listens for webhooks: a real HTTP server on loopback."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """What arrived, and what is answered: `answers` in turn, the last one for ever."""

    port: int
    answers: list[int] = field(default_factory=lambda: [204])
    body: bytes = b""
    before_answer: Callable[[], object] = lambda: None
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def verified(self, secret: str, number: int = -1) -> dict[str, object]:
        """Return what arrived, after the library has verified it with a secret."""
        headers, body = self.got[number]
        found: dict[str, object] = Webhook(secret).verify(body, headers)
        return found


@contextlib.contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    """Listen until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                listening.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = listening.answers.pop(0) if len(listening.answers) > 1 else listening.answers[0]
            listening.before_answer()
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(listening.body)))
                self.end_headers()
                self.wfile.write(listening.body)

        def log_message(self, *_: object) -> None:
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening = Receiver(server.server_port, list(answers) or [204])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield listening
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
