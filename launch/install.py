"""Install what a checkout needs, into the checkout: the virtual environment and the unpacked parts.

    python3.11 -m launch.install [--checks] [--browser]

Runs before there is a virtual environment, on the machine's Python alone. Nothing is installed on the
machine. Python packages come with hashes and as wheels only, by uv, or by pip where uv fails. The
parts are fetched meanwhile; a failed fetch leaves the last good tree in place. A stamp with the hash of
the locks makes the next run instant.
"""

import argparse
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launch import account as accounts
from launch import choices
from launch.choices import CHECKOUT, Choices
from launch.trouble import LaunchError, not_ours
from launch.versions import asterisk_in, asterisk_is_safe, postgres_in, postgres_is_safe

VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
FETCHERS = CHECKOUT / "launch" / "fetch"
FETCH_LIMIT_S = {"postgres": 600, "asterisk": 900, "chromium": 1200}
INSTALL_LIMIT_S = 900
# where a tree's version must be looked at, because the name of its tree says less
FLOORS = {
    "postgres": lambda said: postgres_is_safe(postgres_in(said)),
    "asterisk": lambda said: asterisk_is_safe(asterisk_in(said)),
}


def main(arguments: list[str] | None = None) -> int:
    """Install; return the exit status."""
    parser = argparse.ArgumentParser(prog="launch.install", description="Install into the checkout.")
    parser.add_argument("--checks", action="store_true", help="also what the checks need")
    parser.add_argument("--browser", action="store_true", help="also Chromium, where there is none")
    parser.add_argument("--packages-only", action="store_true", help="fetch no part")
    asked = parser.parse_args(arguments)
    try:
        install(
            choices.read(),
            with_checks=asked.checks,
            with_browser=asked.browser,
            with_parts=not asked.packages_only,
        )
    except LaunchError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"setup: {not_ours(error)}", file=sys.stderr)
        return 1
    return 0


def install(chosen: Choices, *, with_checks: bool, with_browser: bool, with_parts: bool = True) -> None:
    """Install what is missing; at once when nothing is.

    Raises:
        LaunchError: the packages could not be installed, or a required part could not be had.
    """
    parts_dir = parts_place(chosen)
    wanted = ["postgres"] * (not chosen.database_url) + ["asterisk"] * (not chosen.switch_url)
    wanted += ["chromium"] * (with_browser and not Path("/usr/bin/chromium").exists())
    wanted *= with_parts
    with _alone(parts_dir):
        fetches = [Fetch(part, into=parts_dir) for part in wanted]
        try:
            _packages(with_checks=with_checks)
        finally:
            failed = [fetch.part for fetch in fetches if not fetch.wait()]
    missing = sorted(chosen.require & {part for part in failed if not (parts_dir / part).exists()})
    if missing:
        raise LaunchError(f"required, and not to be had: {', '.join(missing)}")


def parts_place(chosen: Choices) -> Path:
    """Return where the parts are unpacked: where the account of the servers can start them."""
    account = accounts.pick(CHECKOUT, asked=chosen.service_user)
    place = accounts.reachable(chosen.parts_dir, account=account)
    if place != chosen.parts_dir and not (place / "postgres").exists():
        _say(f"{account.name} cannot reach {chosen.parts_dir}: parts go to {place}")
    return place


class Fetch:
    """One part on its way: a script that runs, and a thread that repeats what it says."""

    def __init__(self, part: str, *, into: Path) -> None:
        self.part = part
        self._tree = into / part
        refresh = {} if self._is_good_enough() else {"REFRESH": "1"}
        self._script = subprocess.Popen(
            ["/usr/bin/env", "bash", str(FETCHERS / f"{part}.sh"), str(self._tree)],
            env=choices.whole_environment() | refresh,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._deadline = time.monotonic() + FETCH_LIMIT_S[part]
        self._voice = threading.Thread(target=self._repeat, daemon=True)
        self._voice.start()

    def wait(self) -> bool:
        """Wait for the end and tell whether the part was fetched, or was there."""
        with suppress(subprocess.TimeoutExpired):
            self._script.wait(timeout=max(0.0, self._deadline - time.monotonic()))
        if self._script.poll() is None:
            print(f"{self.part}: gave up after {FETCH_LIMIT_S[self.part]} s", flush=True)
            with suppress(ProcessLookupError):
                os.killpg(self._script.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._script.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(self._script.pid, signal.SIGKILL)
        was_fetched = self._script.wait() == 0
        self._voice.join(timeout=5)
        if not was_fetched and self._tree.exists():
            print(f"{self.part}: not fetched; the tree of last time is kept", flush=True)
        return was_fetched

    def _repeat(self) -> None:
        assert self._script.stdout  # noqa: S101 - a pipe, three lines above
        with self._script.stdout as lines:
            for line in lines:
                print(line.rstrip(), flush=True)

    def _is_good_enough(self) -> bool:
        version = self._tree / "bin" / "version"
        if self.part not in FLOORS or not version.exists():
            return True
        said = subprocess.run([str(version)], capture_output=True, text=True, check=False)
        return FLOORS[self.part](said.stdout)


def _packages(*, with_checks: bool) -> None:
    lock = CHECKOUT / ("requirements-dev.lock" if with_checks else "requirements.lock")
    stamp = VENV / (".seatline-checks" if with_checks else ".seatline")
    wanted = _hash(lock)
    # the lock of the checks holds the whole lock of the product, at the same versions
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted and _runs(PYTHON):
        _write_command()
        return
    started = time.monotonic()
    if not _runs(PYTHON) or _was_elsewhere():
        _say("making the virtual environment .venv")
        _must([sys.executable, "-m", "venv", "--clear", str(VENV)], "python -m venv failed")
    how = ("--require-hashes", "--only-binary", ":all:", "-r")
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", *how]
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "-q", "--python", str(PYTHON), *how]
    _must([*pip, str(CHECKOUT / "requirements-uv.lock")], "pip could not install uv", may_fail=True)
    _say(f"installing the packages of {lock.name}")
    if not _must([*uv, *_uv_cache(), str(lock)], "uv failed, pip takes over", may_fail=True):
        _must([*pip, str(lock)], "pip could not install the packages")
    stamp.write_text(wanted, encoding="ascii")
    if with_checks:
        (VENV / ".seatline").write_text(_hash(CHECKOUT / "requirements.lock"), encoding="ascii")
    _write_command()
    _say(f"packages are installed ({time.monotonic() - started:.0f} s)")


def _uv_cache() -> list[str]:
    # an account without a home has no place for a cache, and uv stops at that
    home = Path.home()
    return [] if os.access(home, os.W_OK) else ["--no-cache"]


def _write_command() -> None:
    """Write `.venv/bin/seatline`.

    The project is a checkout and not a wheel: its migrations, templates and lock lie beside its code,
    and one copy of each is enough. So the command is not made by pip; it points at the checkout.
    """
    command = VENV / "bin" / "seatline"
    text = """#!/bin/sh
# Written by `make setup`. Seatline is a checkout, not a wheel: this runs the code beside this folder.
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
export PYTHONPATH="$root" SEATLINE_CONFIG="${SEATLINE_CONFIG:-$root/.run/config.json}"
exec "$root/.venv/bin/python" -m web.cli "$@"
"""
    if not command.exists() or command.read_text(encoding="utf-8") != text:
        command.write_text(text, encoding="utf-8")
    command.chmod(0o755)


def _hash(lock: Path) -> str:
    said = hashlib.sha256()
    for part in (lock.read_bytes(), os.fsencode(CHECKOUT), b"2"):
        said.update(part + b"\0")
    return said.hexdigest()


def _was_elsewhere() -> bool:
    """Tell whether this environment was made in another folder: its scripts point there."""
    with suppress(OSError):
        script = (VENV / "bin" / "pip").read_bytes()[:500]
        return os.fsencode(VENV) not in script
    return True


def _runs(python: Path) -> bool:
    if not os.access(python, os.X_OK):
        return False
    return subprocess.run([str(python), "-c", ""], capture_output=True, check=False).returncode == 0


def _must(argv: list[str], trouble: str, *, may_fail: bool = False) -> bool:
    env = choices.whole_environment()
    # uv trusts a list of its own otherwise, and fails where pip works
    env.setdefault("UV_SYSTEM_CERTS", "1")
    try:
        done = subprocess.run(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_LIMIT_S,
            text=True,
            errors="replace",
            check=False,
        )
        said, is_done = done.stdout.strip()[-1500:], done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, is_done = str(error), False
    if not is_done and not may_fail:
        raise LaunchError(f"{trouble}:\n{said}")
    if not is_done:
        _say(f"{trouble}: {said.splitlines()[-1] if said else ''}")
    return is_done


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one installation at a time work here; a second waits and then finds everything done."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # whoever runs the servers starts programs in it
    with (folder / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
