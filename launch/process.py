"""Programs we start: never an orphan, never the wrong one killed.

Each program is a session of its own (Ctrl-C reaches the supervisor alone) and is tied to whoever
started it: when that process dies, even by kill -9, the kernel sends the program a signal
(`PR_SET_PDEATHSIG`, prctl(2)), set by util-linux's `setpriv` so that no Python runs between fork and
exec. A program is known by its pid *and* its start time (/proc/PID/stat, proc(5)), because pids are
used again.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from launch.account import Account

PROC = Path("/proc")
# fields of /proc/PID/stat after the closing bracket of the name, counted from 0
_STATE, _SESSION, _STARTED = 0, 3, 19


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start.

    Attributes:
        death_signal: what the program gets when its starter dies.
        account: whom it runs as; None is ourselves.
        umask: what others may not do with the files it makes.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGTERM
    umask: int = 0o077


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for good: its pid and when it started, in clock ticks since the machine booted."""

    pid: int
    started: int


def spawn(command: Command, *, log: Path) -> subprocess.Popen[bytes]:
    """Start a program with its output appended to a log; the caller keeps and ends it.

    Must be called from the main thread: the kernel ties a child to the thread that made it.
    """
    setpriv = shutil.which("setpriv")
    tie = [setpriv, "--pdeathsig", command.death_signal.name[3:], "--"] if setpriv else []
    other = command.account if command.account and command.account.is_other else None
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [*tie, *command.argv],
            env=dict(command.env),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=other.uid if other else None,
            group=other.gid if other else None,
            extra_groups=[] if other else None,
            umask=command.umask,
        )


def run(command: Command, *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its exit status with all it said, in one text.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout_s`.
    """
    other = command.account if command.account and command.account.is_other else None
    return subprocess.run(
        command.argv,
        env=dict(command.env),
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=other.uid if other else None,
        group=other.gid if other else None,
        extra_groups=[] if other else None,
        timeout=timeout_s,
        text=True,
        errors="replace",
        check=False,
    )


def identity(pid: int) -> Identity | None:
    """Return who this pid is now, or None when nobody lives there (a zombie does not live)."""
    fields = _stat(pid)
    if not fields or fields[_STATE] in "ZX":
        return None
    return Identity(pid, int(fields[_STARTED]))


def is_alive(known: Identity) -> bool:
    """Tell whether exactly this process still lives."""
    return identity(known.pid) == known


def session_members(leader: Identity) -> list[Identity]:
    """Return the living processes of a program's session: itself and what it started."""
    now_there = identity(leader.pid)
    if now_there and now_there != leader:
        return []  # the pid, and so the session's number, belongs to a stranger now
    members = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and int(fields[_SESSION]) == leader.pid and fields[_STATE] not in "ZX":
            started = int(fields[_STARTED])
            if started >= leader.started:
                members.append(Identity(pid, started))
    return members


def working_in(folder: Path) -> list[Identity]:
    """Return the living processes whose working directory is this folder, as far as we may look.

    Database servers work in their data folder: this finds them whatever a stale pid file says.
    """
    wanted = os.path.realpath(folder)
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.path.realpath((PROC / str(pid) / "cwd").readlink()) == wanted:
                living = identity(pid)
                if living:
                    found.append(living)
    return found


def end(known: list[Identity], *, first: signal.Signals, within_s: float) -> None:
    """End processes: the polite signal, then after `within_s` seconds SIGKILL. Returns when gone."""
    send(known, first)
    if not are_gone(known, within_s=within_s):
        send(known, signal.SIGKILL)
        are_gone(known, within_s=10)


def send(known: list[Identity], what: signal.Signals) -> None:
    """Send a signal to those that still live."""
    for one in known:
        if is_alive(one):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, what)


def are_gone(known: list[Identity], *, within_s: float) -> bool:
    """Wait until none of them lives, and tell whether that came true in time."""
    deadline = time.monotonic() + within_s
    while any(is_alive(one) for one in known):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name in brackets may hold spaces and brackets of its own
    return text.rpartition(")")[2].split()
