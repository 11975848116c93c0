"""What every part of the machine is to the supervisor and to tests: a command, and a way to see it ready."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from launch import process
from launch.trouble import LaunchError


class Part(Protocol):
    """A program that is started, watched, started again and ended."""

    @property
    def name(self) -> str:
        """One word, for people, logs and settings."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The polite way to end it."""

    @property
    def patience_s(self) -> float:
        """How long it may take to become ready, and to end."""

    def command(self) -> process.Command:
        """Clear away what a dead predecessor left, write its settings, say how to start it.

        Raises:
            LaunchError: it cannot be started on this machine.
        """

    def is_ready(self, pid: int) -> bool:
        """Tell whether the process with this pid serves; answers within about a second."""


AnyPart = TypeVar("AnyPart", bound=Part)


@dataclass(slots=True)
class Running(Generic[AnyPart]):
    """A part that serves, for a test or a short errand."""

    url: str
    process: subprocess.Popen[bytes]
    part: AnyPart
    log: Path
    on_stop: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """End it and all it started; safe to call twice."""
        halt(self.process, part=self.part)
        self.on_stop()


def start_and_wait(part: Part, *, log: Path) -> subprocess.Popen[bytes]:
    """Start a part and return when it serves.

    Raises:
        LaunchError: it ended or was not ready in time; the text shows the end of its log.
    """
    started = process.spawn(part.command(), log=log)
    deadline = time.monotonic() + part.patience_s
    while not part.is_ready(started.pid):
        if started.poll() is not None:
            raise LaunchError(f"{part.name} did not start; the end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            halt(started, part=part)
            raise LaunchError(
                f"{part.name} was not ready within {part.patience_s:.0f} s; the end of {log}:\n{tail(log)}"
            )
        time.sleep(0.02)
    return started


def halt(running: subprocess.Popen[bytes], *, part: Part) -> None:
    """End a part's process: politely, then by force, and its whole session with it."""
    leader = process.identity(running.pid) if running.poll() is None else None
    members = process.session_members(leader) if leader else []
    if leader:
        process.end([leader], first=part.stop_signal, within_s=part.patience_s)
    running.wait()
    process.end(members, first=signal.SIGTERM, within_s=2.0)


def tail(log: Path, *, lines: int = 15) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
