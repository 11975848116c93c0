"""A whole Seatline for a measurement: `launch up` in a folder and on ports of its own, ended afterwards."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import call
from bench.call import Stand
from launch import choices, layout
from launch.choices import CHECKOUT
from launch.layout import Layout

_PATIENCE_S = 300
_IGNORED = ("DATABASE_URL", "REDIS_URL", "SWITCH_URL", "STRIPE_API_KEY", "SEATLINE_CONFIG")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a Seatline of our own may run, and with which settings."""

    place: Layout
    environment: Mapping[str, str]

    def start(self) -> float:
        """Start it and return how many seconds that took.

        Raises:
            RuntimeError: it did not start; the text is what it said.
        """
        began = time.monotonic()
        self._launch("up", "--detach")
        return time.monotonic() - began

    def stop(self) -> None:
        """End it."""
        self._launch("down")

    def _launch(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "launch", *words],
            cwd=CHECKOUT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)


@contextlib.contextmanager
def ground(**settings: str) -> Iterator[Ground]:
    """Give an empty folder and free ports; whatever runs there at the end is ended.

    Args:
        settings: environment of that Seatline besides, as `SWITCH_URL="simulator:"`.
    """
    folder = Path(tempfile.mkdtemp(prefix="seatline-bench-"))
    folder.chmod(0o755)
    kept = {name: text for name, text in os.environ.items() if name not in _IGNORED}
    environment = kept | {
        "SEATLINE_STATE_DIR": str(folder / "run"),
        "SEATLINE_PORT": str(_free_base()),
        "SEATLINE_PORT_RTP": "31000",
        **settings,
    }
    found = Ground(layout.find(choices.read(environment)), environment)
    try:
        yield found
    finally:
        with contextlib.suppress(RuntimeError):
            found.stop()
        # what is recorded lies in memory, outside the folder
        if found.place.recording.is_relative_to(layout.MEMORY):
            shutil.rmtree(found.place.recording.parent, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(*, here: bool = False) -> Iterator[tuple[Stand, Layout]]:
    """Give a running Seatline: one of our own, or (`here`) the one of this checkout's settings."""
    if here:
        place = layout.find(choices.read())
        stand = call.find(place)
        try:
            yield stand, place
        finally:
            stand.house.close()
        return
    with ground() as own:
        own.start()
        stand = call.find(own.place)
        try:
            yield stand, own.place
        finally:
            stand.house.close()


def memory(place: Layout) -> dict[str, dict[str, float]]:
    """Return per part: how many processes it is, and the PSS of all of them in MiB."""
    known = json.loads(place.running.read_text(encoding="utf-8"))
    found = {}
    pids = {name: one["pid"] for name, one in known["processes"].items()}
    pids["supervisor"] = psutil.Process(next(iter(pids.values()))).ppid()
    for name, pid in pids.items():
        leader = psutil.Process(pid)
        family = [] if name == "supervisor" else leader.children(recursive=True)
        weights = [leader.memory_full_info().pss]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # a server's worker that ended meanwhile
                weights.append(each.memory_full_info().pss)
        found[name] = {"processes": len(weights), "pss": round(sum(weights) / 2**20, 1)}
    return found


def _free_base() -> int:
    """Return a port such that it and those a Seatline takes after it are free."""
    for base in range(23_000, 29_000, 100):
        with contextlib.ExitStack() as probes:
            try:
                for offset in choices.OFFSETS.values():
                    kind = socket.SOCK_DGRAM if offset == choices.OFFSETS["sip"] else socket.SOCK_STREAM
                    probes.enter_context(socket.socket(socket.AF_INET, kind)).bind(
                        ("127.0.0.1", base + offset)
                    )
            except OSError:
                continue
            return base
    message = "no free ports for a measurement"
    raise RuntimeError(message)
