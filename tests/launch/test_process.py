import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from launch import process
from launch.choices import CHECKOUT, passed_on

STUBBORN = (
    "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)"
)
# starts a grandchild in a process group of its own, as RQ's worker does
PARENT = (
    "import subprocess,sys,time;"
    "subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)'], process_group=0);"
    "print('up', flush=True); time.sleep(60)"
)


def spawn(program: str, log: Path) -> tuple[subprocess.Popen[bytes], process.Identity]:
    command = process.Command(argv=(sys.executable, "-c", program), env=passed_on())
    running = process.spawn(command, log=log)
    wait_for(lambda: "up" in log.read_text())
    known = process.identity(running.pid)
    assert known
    return running, known


def wait_for(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_program_that_ignores_the_polite_signal_is_ended_by_force(tmp_path: Path) -> None:
    running, known = spawn(STUBBORN, tmp_path / "log")
    process.end([known], first=signal.SIGTERM, within_s=0.3)
    assert running.wait(timeout=5) == -signal.SIGKILL


def test_a_pid_used_again_is_not_taken_for_the_program(tmp_path: Path) -> None:
    running, known = spawn(STUBBORN, tmp_path / "log")
    earlier = process.Identity(known.pid, known.started - 1)
    assert not process.is_alive(earlier)
    assert process.session_members(earlier) == []
    process.end([earlier], first=signal.SIGKILL, within_s=0.1)
    assert running.poll() is None
    process.end([known], first=signal.SIGKILL, within_s=1)
    running.wait(timeout=5)


def test_a_grandchild_in_a_group_of_its_own_is_found_after_its_parent_died(tmp_path: Path) -> None:
    running, known = spawn(PARENT, tmp_path / "log")
    wait_for(lambda: len(process.session_members(known)) == 2)
    running.kill()
    running.wait(timeout=5)
    left = process.session_members(known)
    assert len(left) == 1
    process.end(left, first=signal.SIGTERM, within_s=2)
    assert process.session_members(known) == []


def test_programs_end_when_their_starter_is_killed_by_force(tmp_path: Path) -> None:
    log = tmp_path / "log"
    starter = (
        "import sys,time;from pathlib import Path;from launch import process;"
        "from launch.choices import passed_on;"
        "c=process.Command(argv=(sys.executable,'-c','import time; time.sleep(60)'), env=passed_on());"
        f"r=process.spawn(c, log=Path({str(log)!r})); print(r.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter],
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        env=passed_on() | {"PYTHONPATH": str(CHECKOUT)},
    ) as parent:
        assert parent.stdout
        child = process.identity(int(parent.stdout.readline()))
        assert child
        # the tie is made by `setpriv`, which then becomes the program: before that nothing is promised
        deadline = time.monotonic() + 10
        while b"setpriv" in Path(f"/proc/{child.pid}/cmdline").read_bytes().partition(b"\0")[0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(parent.pid, signal.SIGKILL)
        assert process.are_gone([child], within_s=5)


def test_what_a_program_writes_is_not_for_others(tmp_path: Path) -> None:
    file = tmp_path / "made"
    program = f"open({str(file)!r},'w').close(); print('up', flush=True)"
    command = process.Command(argv=(sys.executable, "-c", program), env=passed_on())
    assert process.spawn(command, log=tmp_path / "log").wait(timeout=10) == 0
    assert file.stat().st_mode & 0o077 == 0
