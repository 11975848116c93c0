"""Opening an archive with nothing but itself and the key: no database, no network, none of our keys.

Every file is compared with its part's list, every list with the signed manifest, and the evidence log is
verified. What a hostile archive names is not believed: only names we write ourselves are written.
"""

import hashlib
import io
import re
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyrage
from pyrage import passphrase as locks
from pyrage import x25519

from core.errors import Invalid
from security import evidence
from security.evidence import Verdict
from wiring.exporting.archive import KEY, READ_ME
from wiring.exporting.writing import FORMAT, LOG, MANIFEST, list_name

_PART = re.compile(r"(\d{3,5})\.zip\.age", re.ASCII)
_FILE = re.compile(
    r"(tables/[a-z_]+-\d{3,5}\.jsonl|recordings/[0-9a-f-]{36}\.wav|invoices/[A-Za-z0-9._-]{1,60}\.pdf"
    r"|evidence\.jsonl|files-\d{3,5}\.sha256|manifest\.json)",
    re.ASCII,
)
_PIECE = 1024 * 1024
_LARGEST_KEY = 4096


class WrongKeyError(Invalid):
    """The archive does not open with this passphrase or key."""

    code = "wrong-key"


class ArchiveBrokenError(Invalid):
    """The archive is cut short, was changed, or is none of ours; the message says where."""

    code = "archive-broken"


@dataclass(frozen=True, slots=True)
class Opened:
    """What an archive proved: how many files fit their lists, what its manifest says, and its log."""

    files: int
    manifest: dict[str, Any]
    log: Verdict


def open_archive(
    archive: BinaryIO,
    folder: Path,
    *,
    passphrase: str | None = None,
    identity: str | None = None,
    public_key: bytes | None = None,
) -> Opened:
    """Open an archive into a folder that is empty or not there, and verify it.

    Args:
        archive: as it was fetched.
        folder: what it holds is written here in the clear.
        passphrase: that it was asked for with.
        identity: the text of an age key file, where it was asked for with a public key.
        public_key: the operator's, 32 bytes, known from elsewhere; None believes the archive's own.

    Raises:
        WrongKeyError: neither opens it.
        ArchiveBrokenError: it is cut short, was changed, or is none of ours.
        EvidenceBrokenError: the manifest or the log is not what was signed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        message = f"{folder} is not empty"
        raise ArchiveBrokenError(message)
    key = _identity(identity) if identity is not None else None
    part = folder / "part.zip"
    try:
        with tarfile.open(fileobj=archive, mode="r|") as outer:
            for member in outer:
                held = outer.extractfile(member) if member.isfile() else None
                if held is None or (member.name not in {READ_ME, KEY} and not _PART.fullmatch(member.name)):
                    message = "there is something in it that we do not write"
                    raise ArchiveBrokenError(message)
                if member.name == KEY and key is None:
                    key = _unlocked(held.read(_LARGEST_KEY), passphrase)
                elif member.name not in {READ_ME, KEY}:
                    if key is None:
                        raise WrongKeyError
                    _decrypt(cast("BinaryIO", held), part, key)
                    _unzip(part, folder)
    except (tarfile.TarError, EOFError) as error:
        message = "the archive is cut short, or none"
        raise ArchiveBrokenError(message) from error
    finally:
        part.unlink(missing_ok=True)
    return verify_folder(folder, public_key=public_key)


def verify_folder(folder: Path, *, public_key: bytes | None = None) -> Opened:
    """Check every file of an opened archive.

    Raises:
        ArchiveBrokenError: a file is missing, was changed, or is not listed.
        EvidenceBrokenError: the manifest or the log is not what was signed.
    """
    if not (folder / MANIFEST).is_file():
        message = f"there is no {MANIFEST}: parts are missing"
        raise ArchiveBrokenError(message)
    content = evidence.documents.read((folder / MANIFEST).read_text(encoding="utf-8"), public_key=public_key)
    if content.get("format") != FORMAT:
        message = f"{MANIFEST} is of something else"
        raise ArchiveBrokenError(message)
    listed: set[str] = {MANIFEST}
    for number, (name, digest) in enumerate(content["lists"].items(), start=1):
        if name != list_name(number) or _sha256(folder / name) != digest:
            message = f"{name} is missing or was changed"
            raise ArchiveBrokenError(message)
        listed.add(name)
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            wanted, _, file = line.partition("  ")
            if not _FILE.fullmatch(file) or _sha256(folder / file) != wanted:
                message = f"{file} is missing or was changed"
                raise ArchiveBrokenError(message)
            listed.add(file)
    there = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    if there - listed:
        message = f"{min(there - listed)} was added"
        raise ArchiveBrokenError(message)
    with (folder / LOG).open(encoding="utf-8") as log:
        verdict = evidence.verify(log, public_key=public_key)
    return Opened(len(listed), content, verdict)


def _identity(written: str) -> x25519.Identity:
    for line in written.splitlines():
        if line.startswith("AGE-SECRET-KEY-1"):
            try:
                return x25519.Identity.from_str(line.strip())
            except pyrage.IdentityError as error:
                raise WrongKeyError from error
    raise WrongKeyError


def _unlocked(locked: bytes, passphrase: str | None) -> x25519.Identity:
    if passphrase is None:
        raise WrongKeyError
    try:
        return _identity(locks.decrypt(locked, passphrase).decode())
    except pyrage.DecryptError as error:
        raise WrongKeyError from error


def _decrypt(sealed: BinaryIO, to: Path, key: x25519.Identity) -> None:
    try:
        with to.open("wb") as clear:
            pyrage.decrypt_io(cast("io.BufferedReader", sealed), clear, [key])
    except (pyrage.DecryptError, OSError) as error:  # its stream says OSError of a piece that was changed
        if isinstance(error, OSError) and error.errno:
            raise
        if "key" in str(error).lower():
            raise WrongKeyError from error
        message = "a part is cut short or was changed"
        raise ArchiveBrokenError(message) from error


def _unzip(part: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(part) as archive:
            for info in archive.infolist():
                target = folder / info.filename
                if not _FILE.fullmatch(info.filename) or target.exists():
                    message = "a part holds something that we do not write"
                    raise ArchiveBrokenError(message)
                target.parent.mkdir(exist_ok=True, mode=0o700)
                with archive.open(info) as source, target.open("wb") as sink:
                    while piece := source.read(_PIECE):
                        sink.write(piece)
    except zipfile.BadZipFile as error:
        message = "a part is no zip"
        raise ArchiveBrokenError(message) from error


def _sha256(file: Path) -> str:
    if not file.is_file():
        return ""
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
