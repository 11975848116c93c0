"""The quick start as a developer plays it: the samples of /api/docs, run as they stand there."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from core import clock, ids
from core.config import Settings
from core.events import announce
from core.realtime import Realtime
from core.storage import DiskStorage
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.events import CallEnded
from tests.factories.receiver import receiver
from tests.web import scene
from tests.web.conftest import Browser, Cast, Program, Programs, found
from tests.web.test_api_fuzz import address
from tests.workers.test_processes import until
from tests.workers.test_webhooks import run
from web.api import samples
from wiring import House, assemble
from workers.relay import Relay

__all__ = ["address"]
pytestmark = pytest.mark.slow
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhooks_may_reach": ("127.0.0.0/8",)})


@pytest.fixture
def house(settings: Settings, realtime: Realtime) -> Iterator[House]:
    assembled = assemble(settings, process="test")
    yield assembled
    assembled.close()


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "NO_PROXY": "*", **more}


def python(text: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text],
        check=False,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(text: str, folder: Path, **more: str) -> str:
    done = subprocess.run(
        ["/bin/bash", "-c", text],
        check=False,
        env=environment(**more),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_from_a_key_to_a_verified_event(
    alice: Browser,
    address: str,
    house: House,
    gate: Gate,
    vault: Vault,
    storage: DiskStorage,
    tmp_path: Path,
    cast: Cast,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    played = scene.play(gate, vault, storage, scratch, cast)
    base, port, relay = f"{address}/api/v1", free_port(), Relay(house)
    chosen = {"name": "quick start", "scopes": ["calls.read", "webhooks.write"]}
    page = alice.post("/portal/developers/keys", chosen).get_data(as_text=True)
    key = found(r'id="secret">(seatline_live_[^<]+)<', page)

    run(house, relay)  # what happened before anybody listened is told to nobody
    assert "Pelican Parcel" in python(samples.me(base).python, SEATLINE_KEY=key)
    listed = python(samples.every_call(base).python, SEATLINE_KEY=key).splitlines()
    assert len(listed) == 4
    assert "+44 7700 900" in listed[0]

    made = python(samples.listen(base, f"http://127.0.0.1:{port}/").python, SEATLINE_KEY=key)
    secret = found(r"WEBHOOK_SECRET=(whsec_\S+)", made)
    with subprocess.Popen(
        [sys.executable, "-c", samples.verify().python],
        env=environment(WEBHOOK_SECRET=secret, PORT=str(port)),
        stdout=subprocess.PIPE,
        text=True,
    ) as listening:
        try:
            assert listening.stdout is not None
            until(lambda: answers(port))
            with gate.open(Scope.system(cast.a.tenant_id)) as session:
                ended = CallEnded(
                    tenant_id=cast.a.tenant_id, call_id=played.known, ended_at=clock.now(), cause="hung-up"
                )
                announce(session, ended)
            run(house, relay)
            told = {listening.stdout.readline().split(" ", 1)[1].strip() for _ in range(2)}
        finally:
            listening.kill()
    assert any(one.startswith("webhook.test ") for one in told)
    assert f"call.ended {{'call': '{ids.public('call', played.known)}'}}" in told


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_samples_do_what_they_say(
    address: str, program: Programs, cast: Cast, tmp_path: Path
) -> None:
    base, key = f"{address}/api/v1", program(cast.a).token
    assert "Pelican Parcel" in shell(samples.me(base).curl, tmp_path, SEATLINE_KEY=key)
    assert '"has_more"' in shell(samples.every_call(base).curl, tmp_path, SEATLINE_KEY=key)
    with receiver() as ours:
        made = [shell(samples.listen(base, ours.url).curl, tmp_path, SEATLINE_KEY=key) for _ in range(2)]
    assert '"whsec_' in made[0]
    assert made[0] == made[1]  # the key of the sample makes it act once


def test_the_sample_of_a_careful_change_changes(address: str, program: Programs, cast: Cast) -> None:
    told = python(samples.safely(f"{address}/api/v1").python, SEATLINE_KEY=program(cast.a).token)
    assert told.strip() == "200"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_shell_sample_knows_ours_from_others(tmp_path: Path) -> None:
    body, now = '{"type":"call.ended"}', clock.now()
    (tmp_path / "body.json").write_text(body)
    headers = {
        "ID": "evt_1",
        "TIMESTAMP": str(int(now.timestamp())),
        "SIGNATURE": "v1,AAAA " + Webhook(SECRET).sign("evt_1", now, body),
    }

    def verdict(**differs: str) -> str:
        return shell(samples.verify().curl, tmp_path, **(headers | {"WEBHOOK_SECRET": SECRET} | differs))

    assert verdict() == "it is ours\n"
    assert verdict(ID="evt_2") == verdict(SIGNATURE="v1,AAAA") == ""


def test_every_operations_python_sample_is_python(program: Programs, cast: Cast) -> None:
    ours: Program = program(cast.a)
    document: Mapping[str, Mapping[str, dict[str, object]]] = ours.get("/openapi.json").get_json()["paths"]
    for path, item in document.items():
        for method, operation in item.items():
            sample = samples.of_operation(
                "http://127.0.0.1", path, method, operation, body='{"a": "it\'s"}', media=""
            )
            compile(sample.python, path, "exec")
            assert "{" not in sample.curl.partition(" -d ")[0], path
