"""Programs the account of the servers can start, though they lie in a folder it may not enter."""

import shutil
import subprocess
from pathlib import Path

from launch import process
from launch.account import Account
from launch.choices import passed_on
from launch.trouble import LaunchError


def runnable(program: Path, *, account: Account, copies: Path, tree: Path | None = None) -> Path:
    """Return a path of this program that the account can start: the program itself, or a copy's.

    Args:
        program: what to run; must know `--version`.
        account: who shall run it.
        copies: a folder the account can enter, for the copy.
        tree: the folder that must be copied with it; the program alone if None.

    Raises:
        LaunchError: neither the program nor its copy runs.
    """
    if _runs(program, account=account):
        return program
    if not account.is_other:
        raise LaunchError(f"{program} does not run on this machine")
    status = program.stat()
    # a new version is a new copy
    copy = copies / f"{program.name}-{status.st_size:x}-{status.st_mtime_ns:x}"
    inside = program.relative_to(tree) if tree else Path(program.name)
    if not copy.exists():
        new = copy.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        if tree:
            shutil.copytree(tree, new, symlinks=True)
        else:
            new.mkdir(parents=True)
            shutil.copy2(program, new / inside)
        new.chmod(0o755)
        new.rename(copy)
    if not _runs(copy / inside, account=account):
        raise LaunchError(f"{account.name} can start neither {program} nor a copy of it in {copy}")
    return copy / inside


def _runs(program: Path, *, account: Account) -> bool:
    command = process.Command(
        argv=(str(program), "--version"), env={"PATH": passed_on()["PATH"]}, account=account
    )
    try:
        return process.run(command, timeout_s=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
