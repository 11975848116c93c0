"""One process that starts all others, starts again what dies, and ends everything.

Single-threaded: the kernel ties each child to the thread that made it (see `launch.process`), and a
loop of plain polls is easy to be sure of. What runs is written to a file, by pid and start time, so that
a supervisor that comes after a kill -9 can find and end what is left.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from launch import process
from launch.files import read_json, write_json
from launch.layout import Layout
from launch.parts.part import Part, halt, tail
from launch.trouble import LaunchError, PartFailedError

POLL_S = 0.1
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# after this long without dying a process is trusted again
PROBATION_S = 60.0
LOG_LIMIT_BYTES = 20_000_000
LOGS_EVERY_S = 30.0
# how long a program may take to end before it is made to
END_LIMIT_S = 12.0


class StoppedError(Exception):
    """Somebody asked us to end: Ctrl-C, SIGTERM, or the terminal went away."""


@dataclass(slots=True)
class Watched:
    """One program under watch.

    Attributes:
        running: the living process; None while it waits to be started again.
        batch: what was started together has the same number.
        has_served: whether it has been ready once; before that a death is a failed start.
        is_ready: whether it has served since its last start.
        deaths: how often it died in a row.
        next_start: when to start it again, on the monotonic clock.
    """

    part: Part
    batch: int
    running: subprocess.Popen[bytes] | None = None
    known: process.Identity | None = None
    has_served: bool = False
    is_ready: bool = False
    started: float = 0.0
    deaths: int = 0
    next_start: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Starts, watches and ends programs; `say` is how it talks to a person."""

    layout: Layout
    say: Callable[[str], None]
    watched: dict[str, Watched] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    is_stopping: bool = False
    _logs_seen: float = 0.0

    def listen(self) -> None:
        """Take Ctrl-C, SIGTERM and a closed terminal as the wish to end."""
        for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(wish, self._wish)

    def start(self, parts: Iterable[Part]) -> None:
        """Start programs at the same time; `until_ready` waits for them."""
        number = 1 + max((one.batch for one in self.watched.values()), default=0)
        for part in parts:
            self.watched[part.name] = Watched(part, batch=number)
            self._spawn(self.watched[part.name])

    def until_ready(self) -> None:
        """Return when everything serves.

        Raises:
            PartFailedError: one ended or was late; the text shows the end of its log.
            StoppedError: somebody asked us to end meanwhile.
        """
        while not all(one.has_served for one in self.watched.values()):
            self.tick()

    def run_errand(self, command: process.Command, *, log: Path, limit_s: float) -> None:
        """Run a program to its end while watching the others.

        Raises:
            LaunchError: it failed or took too long; the text shows the end of its log.
            StoppedError: somebody asked us to end meanwhile.
        """
        errand = process.spawn(command, log=log)
        deadline = time.monotonic() + limit_s
        try:
            while errand.poll() is None and time.monotonic() < deadline:
                self.tick()
        finally:
            leader = process.identity(errand.pid) if errand.poll() is None else None
            if leader:
                process.end(process.session_members(leader), first=signal.SIGTERM, within_s=5)
            errand.wait()
        if errand.returncode:
            raise LaunchError(f"the end of {log}:\n{tail(log)}")

    def forget(self, name: str) -> None:
        """End one program and watch it no longer."""
        one = self.watched.pop(name)
        if one.running:
            halt(one.running, part=one.part)
        self._record()

    def watch(self) -> None:
        """Keep everything running until somebody asks us to end.

        Raises:
            StoppedError: somebody did.
        """
        while True:
            self.tick()

    def tick(self) -> None:
        """Look once at everything, start again what died, and wait a moment.

        Raises:
            PartFailedError: one that has never served ended, or is late.
            StoppedError: somebody asked us to end.
        """
        if self.is_stopping:
            raise StoppedError
        for one in self.watched.values():
            if one.running and one.running.poll() is not None:
                self._died(one)
            elif one.running and not one.is_ready:
                self._look(one)
            elif not one.running and time.monotonic() >= one.next_start:
                self._start_again(one)
        if time.monotonic() - self._logs_seen > LOGS_EVERY_S:
            self._logs_seen = time.monotonic()
            for name in self.watched:
                shorten(self.layout.log_of(name))
        time.sleep(POLL_S)

    def end(self) -> None:
        """End everything: what was started last goes first, what started together goes together."""
        while self.watched:
            last = max(one.batch for one in self.watched.values())
            leaving = [one for one in self.watched.values() if one.batch == last]
            # one signal each, and no second: some programs take that as impatience
            for one in leaving:
                if one.known:
                    process.send([one.known], one.part.stop_signal)
            living = [one.known for one in leaving if one.known]
            if not process.are_gone(living, within_s=END_LIMIT_S):
                process.send(living, signal.SIGKILL)
            for one in leaving:
                if one.known:
                    members = process.session_members(one.known)
                    process.end(members, first=signal.SIGTERM, within_s=2)
                if one.running:
                    one.running.wait()
                del self.watched[one.part.name]
        self.layout.running.unlink(missing_ok=True)

    def publish(self, **facts: object) -> None:
        """Write down facts about this run for `make down`, `make doctor` and a second `make up`."""
        self.facts |= facts
        self._record()

    def _wish(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stopping = True

    def _spawn(self, one: Watched) -> None:
        one.running = process.spawn(one.part.command(), log=self.layout.log_of(one.part.name))
        one.known = process.identity(one.running.pid)
        one.is_ready = False
        one.started = time.monotonic()
        self._record()

    def _look(self, one: Watched) -> None:
        late_s = time.monotonic() - one.started
        if one.running and one.part.is_ready(one.running.pid):
            one.is_ready = one.has_served = True
            again = " again" if one.deaths else ""
            self.say(f"{one.part.name} is ready{again} ({late_s:.1f} s)")
        elif one.running and late_s > one.part.patience_s:
            if not one.has_served:
                raise self._failed(one, f"was not ready within {late_s:.0f} s")
            self.say(f"{one.part.name} does not serve after {late_s:.0f} s: ending it")
            halt(one.running, part=one.part)

    def _died(self, one: Watched) -> None:
        if not one.has_served:
            raise self._failed(one, "did not start")
        status = one.running.returncode if one.running else 0
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        if one.is_ready and time.monotonic() - one.started > PROBATION_S:
            one.deaths = 0
        one.deaths += 1
        # the first time at once: a call may be waiting
        pause_s = 0.0 if one.deaths == 1 else min(FIRST_PAUSE_S * 2 ** (one.deaths - 2), LONGEST_PAUSE_S)
        if one.known:  # what it started must not stay behind, holding its ports
            process.end(process.session_members(one.known), first=signal.SIGTERM, within_s=1)
        one.running, one.known, one.is_ready = None, None, False
        one.next_start = time.monotonic() + pause_s
        when = f"in {pause_s:.0f} s" if pause_s >= 1 else "now"
        self.say(
            f"{one.part.name} died ({how}); starting it again {when}"
            f" (log: {self.layout.log_of(one.part.name)})"
        )

    def _failed(self, one: Watched, how: str) -> PartFailedError:
        log = self.layout.log_of(one.part.name)
        text = f"{one.part.name} {how}; the end of {log}:\n{tail(log)}"
        return PartFailedError(text, part=one.part.name)

    def _start_again(self, one: Watched) -> None:
        try:
            self._spawn(one)
        except (LaunchError, OSError) as error:
            one.deaths += 1
            one.next_start = time.monotonic() + LONGEST_PAUSE_S
            self.say(f"{one.part.name} cannot be started, next trial in {LONGEST_PAUSE_S:.0f} s: {error}")

    def _record(self) -> None:
        processes = {
            name: {"pid": one.known.pid, "started": one.known.started}
            for name, one in self.watched.items()
            if one.known
        }
        write_json(self.layout.running, {**self.facts, "processes": processes})


def end_leftovers(layout: Layout) -> list[str]:
    """End what a killed supervisor left behind; return the names.

    Most of it is on its way out already, because the kernel told it; it gets time for that.
    """
    recorded = read_json(layout.running).get("processes", {})
    left = []
    for name, entry in recorded.items():
        leader = process.Identity(int(entry["pid"]), int(entry["started"]))
        members = process.session_members(leader)
        if members:
            left.append(name)
            process.end(members, first=signal.SIGTERM, within_s=15)
    for name in ("postgres", "valkey", "asterisk"):
        # databases work in a folder of their own; their children have sessions of their own
        for folder in (layout.servers / name, layout.servers / name / "data"):
            members = process.working_in(folder)
            if members:
                left.append(name)
                process.end(members, first=signal.SIGINT, within_s=15)
    layout.running.unlink(missing_ok=True)
    return sorted(set(left))


def shorten(log: Path, *, limit: int = LOG_LIMIT_BYTES) -> None:
    """Keep a log from growing for ever: a long one becomes `<name>.log.1` and begins anew.

    Copied and cut, not renamed: whoever writes it has it open, to append.
    """
    if log.exists() and log.stat().st_size > limit:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
