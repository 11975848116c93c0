"""Who runs the servers, and where that account can reach its files.

PostgreSQL refuses to run as root, and nothing that listens should. When root starts us, servers run as
an unprivileged account, and only folders made here are given to it. No folder above them is ever
chmod-ed: opening somebody's home is not ours to do. If the account cannot enter the checkout (a 0700
/root), what it needs lives in a folder of our own under /var/tmp.
"""

import contextlib
import hashlib
import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launch.trouble import LaunchError

ELSEWHERE = Path("/var/tmp")  # noqa: S108 - survives a reboot, and every account can enter it


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the operating system.

    Attributes:
        is_other: we are root and it is not us, so that starting a program means becoming it.
    """

    name: str
    uid: int
    gid: int
    is_other: bool


def pick(near: Path, *, asked: str = "") -> Account:
    """Choose who runs the servers whose files lie in or near a folder.

    Not root: ourselves. Root: the asked account, else the owner of the folder (so that root working in
    somebody's checkout leaves files that person can use), else `postgres`, else `nobody`.

    Raises:
        LaunchError: the asked account does not exist or is root, or there is none at all.
    """
    if os.geteuid() != 0:
        return _account(pwd.getpwuid(os.geteuid()), is_other=False)
    if asked:
        try:
            found = pwd.getpwnam(asked)
        except KeyError:
            raise LaunchError(f"SEATLINE_SERVICE_USER={asked}: there is no such account") from None
        if found.pw_uid == 0:
            raise LaunchError("SEATLINE_SERVICE_USER must not be root")
        return _account(found, is_other=True)
    owner = _nearest(near).stat().st_uid
    candidates: tuple[Callable[[], pwd.struct_passwd | None], ...] = (
        lambda: pwd.getpwuid(owner) if owner else None,
        lambda: pwd.getpwnam("postgres"),
        lambda: pwd.getpwnam("nobody"),
    )
    for candidate in candidates:
        with contextlib.suppress(KeyError):
            entry = candidate()
            if entry:
                return _account(entry, is_other=True)
    raise LaunchError("running as root, and no unprivileged account found: set SEATLINE_SERVICE_USER")


def can_enter(account: Account, folder: Path) -> bool:
    """Tell whether the account may pass through a folder; the kernel answers, so ACLs count."""
    if not account.is_other:
        return os.access(_nearest(folder), os.X_OK)
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(_nearest(folder))],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return asked.returncode == 0


def reachable(folder: Path, *, account: Account) -> Path:
    """Return the folder itself, or its stand-in under /var/tmp when the account cannot reach it.

    The stand-in belongs to root, is made here and closed to writing by others.

    Raises:
        LaunchError: somebody else owns the name of the stand-in.
    """
    if not account.is_other:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)  # made now, so that what is asked is what will be
    if can_enter(account, folder if folder.exists() else folder.parent):
        return folder
    stand_in = ELSEWHERE / f"seatline-{short_hash(folder)}"
    with contextlib.suppress(FileExistsError):
        stand_in.mkdir(mode=0o755)
        stand_in.chmod(0o755)
    status = stand_in.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise LaunchError(f"{stand_in} is not a folder of ours: remove it, or set SEATLINE_STATE_DIR")
    return stand_in


def give(folder: Path, *, account: Account, mode: int = 0o700) -> Path:
    """Make a folder that belongs to the account (its parents stay ours) and return it.

    Raises:
        LaunchError: it is there already and belongs to somebody else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=mode)
        if account.is_other:
            os.chown(folder, account.uid, account.gid)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid:
        raise LaunchError(
            f"{folder} belongs to account number {status.st_uid}, not to {account.name}:"
            " start as the account that made it, or remove it"
        )
    return folder


def share(folder: Path, *, account: Account) -> Path:
    """Make a folder of ours in which the account can read what we write, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    if account.is_other:
        os.chown(folder, -1, account.gid)
        folder.chmod(0o2750)  # set-group-id: new files belong to the account's group
    else:
        folder.chmod(0o700)
    return folder


def short_hash(path: Path) -> str:
    """Name a folder in ten letters, the same ones every time."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:10]


def _nearest(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _account(entry: pwd.struct_passwd, *, is_other: bool) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, is_other)
