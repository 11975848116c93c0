"""A whole Seatline for the walks: `launch up` in a folder and on ports of its own, ended afterwards."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from bench import call
from bench.call import Stand
from launch import choices, layout
from launch.parts import chromium

Walk = Callable[[Browser], Coroutine[Any, Any, None]]
InBrowser = Callable[[Walk], None]
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Running:
    """A Seatline that runs, and what is needed to hurt it."""

    place: layout.Layout
    stand: Stand
    environment: dict[str, str]

    def pid_of(self, process: str) -> int:
        """Return the pid of a part or a process of ours, as the supervisor knows it now."""
        known = json.loads(self.place.running.read_text(encoding="utf-8"))
        return int(known["processes"][process]["pid"])


def free_base() -> int:
    """Return a port such that it and the thirty after it are free."""
    for base in range(21_000, 29_000, 100):
        try:
            for offset in (0, 1, 2, 10, 11, 20):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", base + 21))
        except OSError:
            continue
        return base
    message = "no free ports for a walk"
    raise RuntimeError(message)


@contextlib.contextmanager
def started(choices_made: dict[str, str], *, is_simulated: bool = False) -> Iterator[Running]:
    """Bring a whole Seatline up in a folder of its own, and take it away afterwards."""
    state = Path(tempfile.mkdtemp(prefix="seatline-walk-"))
    state.chmod(0o755)
    base = free_base()
    mine = {
        "SEATLINE_STATE_DIR": str(state / "run"),
        "SEATLINE_PORT": str(base),
        "SEATLINE_PORT_RTP": str(base + 10_000),
    }
    ignored = ("DATABASE_URL", "REDIS_URL", "SWITCH_URL", "STRIPE_API_KEY", "SEATLINE_CONFIG")
    environment = {name: value for name, value in os.environ.items() if name not in ignored}
    environment |= mine | choices_made
    command = [sys.executable, "-m", "launch"]
    up = subprocess.run(
        [*command, "up", "--detach"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    place = layout.find(choices.read(environment))
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        stand = call.stand_of(place) if is_simulated else call.find(place)
        yield Running(place, stand, environment)
        stand.house.close()
    finally:
        subprocess.run([*command, "down"], cwd=CHECKOUT, env=environment, timeout=120, check=False)
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(place.recording.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with started({}) as up:
        yield up


@pytest.fixture(scope="session")
def in_browser(running: Running) -> InBrowser:
    """Run a walk with a browser of its own."""
    assert chromium.find(running.place.parts), "no Chromium: run `make setup` with checks"

    def run(walk: Walk) -> None:
        async def whole() -> None:
            with tempfile.TemporaryDirectory(prefix="seatline-voice-") as folder:
                voice = Path(folder) / "agent.wav"
                voice.write_bytes(call.tone_file(call.AGENT_HZ, seconds=10))
                async with call.browser(running.place.parts, voice) as chrome:
                    await walk(chrome)

        asyncio.run(whole())

    return run


def wait_for(condition: Callable[[], object], *, what: str, patience_s: float = 20.0) -> object:
    """Return what a condition gives as soon as it is true."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(0.1)
    return found
