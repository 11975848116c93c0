"""An archive as the company fetches it: one tar around its parts, any range of it, nothing written for it.

Parts are sealed zips of known length, so where each begins is known without opening any. Outside stand only
how to open it and, for a passphrase, the locked key: nothing of the company.
"""

import tarfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from core.ids import TenantId
from core.storage import ObjectMissingError, Storage
from security.vault import Vault
from tenants.exports import Export
from wiring.exporting.job import part_field

READ_ME, KEY = "READ-ME.txt", "key.age"
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 256 * 1024
_WORDS = """Everything your company owned at Seatline when this was made.

Each NNN.zip.age is a zip file, sealed to your key in the age format (https://age-encryption.org/v1).
Any tool that reads age opens it, without us:

{how}

Then unzip them all into one folder. There:

  tables/NAME-NNN.jsonl   one row a line, JSON; instants are UTC, amounts as their names say
  recordings/ID.wav       the id is that of a row in tables/recordings-*.jsonl
  invoices/NUMBER.pdf     as they were issued
  evidence.jsonl          who did what, for `seatline audit verify`
  files-NNN.sha256        for `sha256sum -c`
  manifest.json           what is in and what is not, why, as of when, and the lists above; signed

`seatline export open THIS-FILE --to FOLDER` does it all in one step and checks every file; it needs
neither our servers nor our keys. This archive is not kept for longer than a week.
"""
_OPEN_BY_KEY = """  age -d -i YOUR-KEY-FILE 001.zip.age > 001.zip"""
_OPEN_WITH_WORDS = """  age -d -i key.age 001.zip.age > 001.zip        (asks for the passphrase)"""


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    size: int
    held: bytes | None  # None: it lies in the storage under `name`
    name: str = ""


class Archive:
    """The bytes of one archive."""

    def __init__(
        self, export: Export, locked_key: str | None, *, tenant_id: TenantId, vault: Vault, storage: Storage
    ) -> None:
        """Lay it out; nothing is read yet."""
        self._vault, self._storage, self._tenant_id = vault, storage, tenant_id
        self._pieces: list[_Piece] = []
        self.size = 0
        at = int((export.made_at or export.asked_at).timestamp())
        self._add(READ_ME, _WORDS.format(how=_OPEN_WITH_WORDS if locked_key else _OPEN_BY_KEY).encode(), at)
        if locked_key:
            self._add(KEY, locked_key.encode(), at)
        for number, part in enumerate(export.parts, start=1):
            self._hold(_head(f"{number:03}.zip.age", part.size, at))
            self._pieces.append(_Piece(self.size, part.size, None, part.name))
            self.size += part.size
            self._hold(bytes(-part.size % _BLOCK))
        self._hold(bytes(2 * _BLOCK))

    def is_there(self) -> bool:
        """Whether every part lies in the storage: after a restore none does."""
        try:
            for piece in self._pieces:
                if piece.held is None:
                    self._storage.open(piece.name).close()
        except ObjectMissingError:
            return False
        return True

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of `[start, stop)`.

        Raises:
            SealError: a part was tampered with.
            ObjectMissingError: it was destroyed meanwhile.
        """
        stop = self.size if stop is None else min(stop, self.size)
        first = max(0, bisect_right([one.start for one in self._pieces], start) - 1)
        for piece in self._pieces[first:]:
            begin, end = (
                max(start, piece.start) - piece.start,
                min(stop, piece.start + piece.size) - piece.start,
            )
            if end <= begin:
                continue
            if piece.held is not None:
                yield piece.held[begin:end]
                continue
            sealed = self._storage.open(piece.name)
            with closing(self._vault.open_file(part_field(self._tenant_id, piece.name), sealed)) as opened:
                for at in range(begin, end, _PIECE):
                    yield opened.read(at, min(at + _PIECE, end))

    def _add(self, name: str, content: bytes, at: int) -> None:
        self._hold(_head(name, len(content), at) + content + bytes(-len(content) % _BLOCK))

    def _hold(self, held: bytes) -> None:
        if held:
            self._pieces.append(_Piece(self.size, len(held), held))
            self.size += len(held)


def _head(name: str, size: int, at: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, at, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)
