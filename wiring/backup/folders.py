"""A backup as folders: what lies where, the signed manifest, hashes, and how long it is kept.

    <folder>/2026-11-22T074500.000000Z/      data.dump  objects/  objects.sha256  manifest.json
    <keys>/2026-11-22T074500.000000Z/        keys.dump  manifest.json

Never one inside the other: who gets hold of the data must not find the keys beside them (ADR: backups).
"""

import contextlib
import datetime as dt
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import clock
from core.errors import Refused
from security import evidence
from security.evidence import Signer

DATA, KEYS = "seatline-backup/1", "seatline-keys-backup/1"
DATA_DUMP, KEYS_DUMP, OBJECTS, HASHES = "data.dump", "keys.dump", "objects", "objects.sha256"
MANIFEST = "manifest.json"
DATA_KEPT = dt.timedelta(days=35)
KEYS_KEPT = dt.timedelta(days=7)
"""After that no backup of the keystore can bring a destroyed key back."""
_STAMP = "%Y-%m-%dT%H%M%S.%fZ"
_PIECE = 1 << 20


class BackupRefusedError(Refused):
    """A backup or a restore is not possible here, or would overwrite what is there."""

    code = "backup-refused"


class BackupDamagedError(Refused):
    """A backup is not what was written: changed, cut off, or incomplete."""

    code = "backup-damaged"


def keep_apart(folder: Path, keys: Path) -> None:
    """Refuse to put data and keys into one folder, or one inside the other.

    Raises:
        BackupRefusedError: they would lie together.
    """
    one, other = folder.resolve(), keys.resolve()
    if one == other or one in other.parents or other in one.parents:
        message = "the keys must not lie with the data: give --keys a folder outside, best on another disk"
        raise BackupRefusedError(message)


@contextlib.contextmanager
def appearing(folder: Path, *, at: dt.datetime) -> Iterator[Path]:
    """Make a backup's folder; it stands under its name when the block has gone well, or not at all.

    Raises:
        BackupRefusedError: there is one of this second.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    final = folder / at.strftime(_STAMP)
    if final.exists():
        message = f"{final} is there already"
        raise BackupRefusedError(message)
    part = folder / f".{final.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    try:
        yield part
        part.rename(final)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_manifest(folder: Path, content: dict[str, Any], *, signer: Signer) -> None:
    """Write and sign what a folder holds; the last file of a backup."""
    descriptor = os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(evidence.documents.write(content, signer=signer))
        stream.flush()
        os.fsync(stream.fileno())


def read_manifest(folder: Path, *, kind: str, public_key: bytes) -> dict[str, Any]:
    """Return what a folder says it holds.

    Raises:
        BackupDamagedError: no manifest, not signed by this installation, or of another kind.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        content = evidence.documents.read(text, public_key=public_key)
    except (OSError, UnicodeDecodeError) as error:
        message = f"{folder} holds no {MANIFEST}: it is no backup, or was cut off"
        raise BackupDamagedError(message) from error
    except evidence.EvidenceBrokenError as error:
        message = f"{folder / MANIFEST}: {error}"
        raise BackupDamagedError(message) from error
    if content.get("format") != kind:
        message = f"{folder} holds {content.get('format')}, not {kind}"
        raise BackupDamagedError(message)
    return content


def newest(folder: Path) -> Path | None:
    """Return the newest backup in a folder; the folder itself when it is one; None when there is none."""
    if (folder / MANIFEST).is_file():
        return folder
    there = sorted(one for one, _ in _dated(folder))
    return there[-1] if there else None


def forget_old(folder: Path, *, kept: dt.timedelta) -> list[str]:
    """Remove backups older than `kept`; return their names."""
    before = clock.now() - kept
    old = sorted(one for one, at in _dated(folder) if at < before)
    for one in old:
        shutil.rmtree(one)
    return [one.name for one in old]


def sha256(file: Path) -> str:
    """Return the hash of a file, hex."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be: stored objects never change."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o600)


def _dated(folder: Path) -> Iterator[tuple[Path, dt.datetime]]:
    for one in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(ValueError):
            at = dt.datetime.strptime(one.name, _STAMP).replace(tzinfo=dt.UTC)
            if (one / MANIFEST).is_file():
                yield one, at
