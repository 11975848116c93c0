import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launch import up
from launch.parts import asterisk
from launch.trouble import LaunchError
from launch.versions import asterisk_in, asterisk_is_safe, postgres_in, postgres_is_safe


@pytest.mark.parametrize("version", ["15.20", "15.21", "16.16", "17.12", "18.7", "19.0"])
def test_a_release_of_november_2026_or_later_is_safe(version: str) -> None:
    assert postgres_is_safe(version)


@pytest.mark.parametrize("version", ["15.19", "16.15", "17.11", "18.6", "14.24", "", "16devel"])
def test_an_older_release_is_not_safe(version: str) -> None:
    assert not postgres_is_safe(version)


def test_versions_are_read_from_what_programs_say() -> None:
    assert postgres_in("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n") == "15.20"
    assert asterisk_in("Asterisk 22.10.1+dfsg+~cs6.17\n") == "22.10.1"
    assert postgres_in("not found") == ""


def test_asterisk_before_22_is_too_old() -> None:
    assert not asterisk_is_safe("21.12.2")
    assert not asterisk_is_safe("")


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ("22.10.1", True),
        ("22.10.0", False),
        ("22.10", False),
        ("22.8.2", False),
        ("22.11.0", True),
        ("23.4.1", True),
        ("23.4.0", False),
        ("24.0.0", True),
        ("22.x.1", False),
    ],
)
def test_asterisk_before_its_security_release_is_not_safe(version: str, *, is_safe: bool) -> None:
    """CVE-2026-57191: anybody's message put all of SIP out of order."""
    assert asterisk_is_safe(version) is is_safe


@pytest.mark.parametrize(("version", "is_found"), [("20.9.1", False), ("22.8.2", False), ("22.10.1", True)])
def test_an_asterisk_below_the_floor_is_not_started(tmp_path: Path, *, version: str, is_found: bool) -> None:
    program = tmp_path / "asterisk" / "bin" / "asterisk"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'Asterisk {version}'\n")
    program.chmod(0o755)
    assert (asterisk.find(tmp_path) is not None) == is_found
    if not is_found:
        assert f"Asterisk {version} misses the security releases" in asterisk.why_none(tmp_path)
        assert "22.10.1" in asterisk.why_none(tmp_path)


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    assert "could not be fetched" in asterisk.why_none(tmp_path)


@pytest.fixture
def told() -> Iterator[tuple[str, dict[str, object]]]:
    """Somebody's own Asterisk, as far as it is asked for its release: its address, and what it says."""
    says: dict[str, object] = {}

    class Ari(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(says).encode()
            self.send_response(200 if self.path == "/ari/asterisk/info" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ari) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ari:secret@127.0.0.1:{server.server_port}", says
        server.shutdown()


def test_a_switch_of_ones_own_below_the_floor_stops_the_start(told: tuple[str, dict[str, object]]) -> None:
    url, says = told
    says["system"] = {"version": "22.8.2"}
    with pytest.raises(
        LaunchError, match=r"SWITCH_URL names is too old: Asterisk 22\.8\.2 misses .* 22\.10\.1"
    ):
        up._check_release(url)
    says["system"] = {"version": "22.10.1~dfsg+~cs6.17"}
    up._check_release(url)
    assert asterisk.release_of(url) == "22.10.1"


def test_a_switch_that_is_away_or_says_nothing_of_its_release_is_waited_for(
    told: tuple[str, dict[str, object]],
) -> None:
    url, says = told
    says["system"] = None
    up._check_release(url)
    up._check_release("http://ari:secret@127.0.0.1:1")
    up._check_release("simulator:")
