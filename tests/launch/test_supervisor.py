import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from launch import process
from launch.account import pick
from launch.choices import passed_on
from launch.files import read_json
from launch.layout import Layout
from launch.supervisor import StoppedError, Supervisor, end_leftovers, shorten
from launch.trouble import PartFailedError

pytestmark = pytest.mark.slow

SERVES = "import os,pathlib,time; pathlib.Path(f'ready-{os.getpid()}').touch(); time.sleep(60)"


@dataclass(frozen=True)
class Sample:
    """A part that says it is ready by making a file in its folder."""

    name: str
    folder: Path
    program: str = SERVES
    stop_signal: signal.Signals = signal.SIGTERM
    patience_s: float = 5.0

    def command(self) -> process.Command:
        return process.Command(argv=(sys.executable, "-c", self.program), env=passed_on(), cwd=self.folder)

    def is_ready(self, pid: int) -> bool:
        return (self.folder / f"ready-{pid}").exists()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, heard: list[str]) -> Iterator[Supervisor]:
    place = Layout(state=tmp_path, servers=tmp_path, parts=tmp_path, account=pick(tmp_path))
    one = Supervisor(place, heard.append)
    yield one
    one.end()


def known(supervisor: Supervisor, name: str) -> process.Identity:
    identity = supervisor.watched[name].known
    assert identity
    return identity


def tick_until(supervisor: Supervisor, condition: Callable[[], bool], *, within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        supervisor.tick()


def test_what_dies_is_started_again_and_a_line_says_so(
    supervisor: Supervisor, heard: list[str], tmp_path: Path
) -> None:
    supervisor.start([Sample("relay", tmp_path)])
    supervisor.until_ready()
    first = known(supervisor, "relay").pid
    os.kill(first, signal.SIGKILL)
    tick_until(supervisor, lambda: any("relay is ready again" in line for line in heard))
    assert known(supervisor, "relay").pid != first
    assert any(line.startswith("relay died (signal 9)") for line in heard)


def test_what_dies_again_and_again_waits_longer_each_time(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([Sample("jobs", tmp_path)])
    supervisor.until_ready()
    one = supervisor.watched["jobs"]
    pauses = []
    for _ in range(4):
        tick_until(supervisor, lambda: one.is_ready)
        os.kill(known(supervisor, "jobs").pid, signal.SIGKILL)
        tick_until(supervisor, lambda: one.running is None or not one.is_ready)
        pauses.append(max(0.0, one.next_start - time.monotonic()))
    assert pauses[0] < 0.2
    assert pauses[1] < pauses[2] < pauses[3]


def test_a_first_start_that_fails_shows_the_end_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([Sample("pages", tmp_path, "import sys; sys.exit('no such table: calls')")])
    with pytest.raises(PartFailedError, match="no such table: calls") as failed:
        for _ in range(100):
            supervisor.tick()
    assert failed.value.part == "pages"


def test_the_end_leaves_nothing_running(supervisor: Supervisor, tmp_path: Path) -> None:
    parent = (
        "import os,pathlib,subprocess,sys; pathlib.Path(f'ready-{os.getpid()}').touch();"
        "subprocess.run([sys.executable,'-c','import time; time.sleep(60)'])"
    )
    supervisor.start([Sample("first", tmp_path)])
    supervisor.start([Sample("second", tmp_path, parent), Sample("third", tmp_path)])
    supervisor.until_ready()
    leaders = [known(supervisor, name) for name in supervisor.watched]
    tick_until(supervisor, lambda: len(process.session_members(leaders[1])) == 2)
    members = [member for one in leaders for member in process.session_members(one)]
    supervisor.end()
    assert not any(process.is_alive(member) for member in members)
    assert not supervisor.layout.running.exists()


def test_a_wish_to_end_stops_the_watching(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([Sample("live", tmp_path)])
    before = {wish: signal.getsignal(wish) for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        supervisor.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StoppedError):
            supervisor.watch()
    finally:
        for wish, handler in before.items():
            signal.signal(wish, handler)


def test_what_a_killed_run_left_is_found_by_pid_and_start_and_ended(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start([Sample("switchboard", tmp_path)])
    supervisor.until_ready()
    leader = known(supervisor, "switchboard")
    assert read_json(supervisor.layout.running)["processes"]["switchboard"]["pid"] == leader.pid
    assert end_leftovers(supervisor.layout) == ["switchboard"]
    assert not process.is_alive(leader)


def test_a_stranger_with_a_recorded_pid_is_left_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([Sample("switchboard", tmp_path)])
    supervisor.until_ready()
    one = supervisor.watched["switchboard"]
    real = known(supervisor, "switchboard")
    one.known = process.Identity(real.pid, real.started - 1)
    supervisor.publish(phase="ready")
    assert end_leftovers(supervisor.layout) == []
    assert process.is_alive(real)
    one.known = real


def test_an_errand_that_fails_shows_the_end_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    command = process.Command(
        argv=(sys.executable, "-c", "import sys; sys.exit('role exists')"), env=passed_on()
    )
    with pytest.raises(Exception, match="role exists"):
        supervisor.run_errand(command, log=tmp_path / "errand.log", limit_s=10)


def test_a_long_log_begins_anew_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        shorten(log, limit=99)
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert Path(f"{log}.1").read_bytes() == b"x" * 100
