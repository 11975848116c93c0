"""The live process as it is served: gunicorn with greenlets, a real Valkey, many open streams."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import Settings
from core.realtime import Realtime
from tests.tenants.people import People
from tests.web.conftest import Browsers, Cast

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
MANY = 80
PATIENCE_S = 30.0


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    return port


@pytest.fixture
def live(settings: Settings, tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve live events as `make up` does; yields the port and the process."""
    config, port = tmp_path / "config.json", free_port()
    config.write_text(settings.model_dump_json())
    environment = {
        "PATH": os.environ["PATH"],
        "SEATLINE_CONFIG": str(config),
        "SEATLINE_PROCESS": "live",
        "PYTHONPATH": str(CHECKOUT),
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--graceful-timeout", "3"),
                *("--worker-class", "gevent", "--worker-connections", "4000"),
                *("--bind", f"127.0.0.1:{port}", "wsgi:app"),
            ],
            cwd=CHECKOUT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and not answers(port):
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield port, process
        if process.poll() is None:
            process.kill()
            process.wait(10)


def answers(port: int) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.request("GET", "/nothing")
        return line.getresponse().status == 404
    except OSError:
        return False
    finally:
        line.close()


def open_stream(port: int, cookie: str | None) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    opened.sendall(
        f"GET /live/portal HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: seatline={cookie}\r\n\r\n".encode()
    )
    return opened


def read_until(stream: socket.socket, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        piece = stream.recv(4096)
        assert piece, seen
        seen += piece
    return seen


def test_hundreds_of_streams_are_woken_while_others_are_served_and_all_end_at_sigterm(
    live: tuple[int, subprocess.Popen[bytes]],
    people: People,
    cast: Cast,
    browser: Browsers,
    realtime: Realtime,
) -> None:
    port, process = live
    cookies = []
    for number in range(MANY // 8):
        user = people.user(cast.a.tenant_id, "Sue", "tenant_supervisor", email=f"s{number}@x.example")
        page = browser(address=f"127.0.2.{number}")
        assert page.sign_in(user.email).status_code == 303
        cookies.append(page.cookie())
    streams = [open_stream(port, cookie) for cookie in cookies for _ in range(8)]
    for stream in streams:
        read_until(stream, b"retry: 2000")
    began = time.monotonic()
    realtime.publish(cast.a.tenant_id, "calls", {})
    for stream in streams:
        read_until(stream, b"event: bill")
    woken_s = time.monotonic() - began
    assert woken_s < 5, woken_s
    assert answers(port)
    ended = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert time.monotonic() - ended < 10
    for stream in streams:
        stream.close()
    print(json.dumps({"streams": len(streams), "woken_ms": round(woken_s * 1000)}))  # noqa: T201 - with -s
