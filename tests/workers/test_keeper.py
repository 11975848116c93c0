"""The keeper: what works is back at once when a signal ends it, and neither outlives the other."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from launch.choices import CHECKOUT

_WORKS = """
import signal, sys, time
from pathlib import Path
from workers import keeper
keeper.TRUSTED_S = float(sys.argv[2])

def work():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    with Path(sys.argv[1]).open("a") as file:
        file.write("works\\n")
    if len(sys.argv) > 3:
        sys.exit(int(sys.argv[3]))
    while True:
        time.sleep(0.05)

sys.exit(keeper.keep(work))
"""


class Kept:
    """A keeper, and who works for it."""

    def __init__(self, told: Path, *words: str) -> None:
        self._told = told
        self.keeper = subprocess.Popen(
            [sys.executable, "-c", _WORKS, str(told), *words], cwd=CHECKOUT, stderr=subprocess.DEVNULL
        )

    def begun(self) -> int:
        """Return how often somebody has begun to work."""
        return self._told.read_text(encoding="ascii").count("works") if self._told.exists() else 0

    def works(self) -> psutil.Process:
        """Return who works."""
        (one,) = psutil.Process(self.keeper.pid).children()
        return one


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> Kept:
            made = Kept(tmp_path / "told", *words)
            stack.callback(made.keeper.wait)
            stack.callback(made.keeper.kill)
            return made

        yield start


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_is_killed_is_followed_by_another(kept: Callable[..., Kept]) -> None:
    one = kept("0")
    for times in (1, 2, 3):
        until(lambda: one.begun() == times)  # noqa: B023 - it is over before the next turn
        before = one.works()
        before.kill()
        until(lambda: one.begun() == times + 1)  # noqa: B023
        assert one.works().pid != before.pid
    assert one.keeper.poll() is None


def test_who_dies_again_at_once_is_the_supervisors(kept: Callable[..., Kept]) -> None:
    one = kept("1000")
    until(lambda: one.begun() == 1)
    one.works().kill()
    assert one.keeper.wait(60) == 128 + signal.SIGKILL
    assert one.begun() == 1


def test_a_wish_to_end_reaches_who_works_and_their_status_is_the_keepers(kept: Callable[..., Kept]) -> None:
    one = kept("0")
    until(lambda: one.begun() == 1)
    one.keeper.terminate()
    assert one.keeper.wait(60) == 7


def test_who_ends_by_itself_is_not_started_again(kept: Callable[..., Kept]) -> None:
    one = kept("0", "3")
    assert one.keeper.wait(60) == 3
    assert one.begun() == 1


def test_a_keeper_that_is_killed_takes_who_works_with_it(kept: Callable[..., Kept]) -> None:
    one = kept("0")
    until(lambda: one.begun() == 1)
    works = one.works()
    os.kill(one.keeper.pid, signal.SIGKILL)
    until(lambda: not works.is_running() or works.status() == psutil.STATUS_ZOMBIE)
