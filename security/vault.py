"""The vault: sealed fields, blind indexes and sealed files.

A sealed value is bound to its tenant, table, column, row and row version, so that a value moved or rolled
back does not open; each value has its own key (HKDF with a 32-byte salt) and a 32-byte key commitment, so
nonce reuse and a value that opens under two keys are both out of question. Layout, suite 1:

    version 1 | suite 1 | key id 4 | salt 32 | commitment 32 | ciphertext | tag 16        (+86 bytes)

Files are sealed in 64 KiB segments that can be read by range; the last segment is opened before any
other, so a truncated file is refused instead of played up to the cut. Source: docs/adr/0003-walls.md.
"""

import functools
import hashlib
import hmac
import io
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import SeatlineError
from security.keystore import DataKey, Keystore, Series, UnknownKeyError

_HEADER = struct.Struct(">BBI")
_WHOSE, _ROW = struct.Struct(">I16s"), struct.Struct(">I16sIQ")  # parts of a binding, with their lengths
_SHA256 = hashes.SHA256()
_VERSION, _SUITE = 1, 1
_SALT, _COMMITMENT, _TAG = 32, 32, 16
_ZERO_NONCE = bytes(12)  # every value has a key of its own
OVERHEAD = _HEADER.size + _SALT + _COMMITMENT + _TAG
_BUCKET = 32
_MARK = 16
INDEX = "index"
"""The purpose whose key marks are made with."""

_MAGIC = b"SLF1"
_SEGMENT = 65536
_PREFIX = 7
_FILE_HEADER = len(_MAGIC) + 8 + _SALT + _PREFIX
_FIELD_LABEL, _FILE_LABEL, _INDEX_LABEL = b"seatline/field/v1", b"seatline/file/v1", b"seatline/index/v1"


class SealError(SeatlineError):
    """A sealed value does not open. One error for every cause, so that it tells an attacker nothing.

    `details` name what was to be opened (`Field.place`), for the alarm and never for the answer.
    """

    code = "seal"


@dataclass(frozen=True, slots=True)
class Field:
    """What a sealed value is bound to."""

    tenant_id: UUID
    table: str
    column: str
    row_id: UUID
    version: int
    purpose: str = "pii"

    @property
    def place(self) -> dict[str, object]:
        """Return whose, and which row's, for an alarm: ids and names of ours, never what is sealed."""
        whose = {"tenant_id": self.tenant_id, "row_id": self.row_id}
        return {**whose, "table": self.table, "column": self.column}

    def binding(self) -> bytes:
        """Return the authenticated data: every part length-prefixed, never joined by a separator."""
        return (
            _WHOSE.pack(16, self.tenant_id.bytes)
            + _place(self.table, self.column)
            + _ROW.pack(16, self.row_id.bytes, 8, self.version)
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """The blind index of a value: a hash of 16 bytes under each version of the index key, the first first.

    Each level is made of the one before it, so rows are lifted to a new key without anybody knowing the
    value: of who must not be called nothing else is kept. `version` is the level that is written now; rows
    that a rotation has not reached hold one before, a process that is ahead writes one after. Whoever looks
    for a value looks for every level.
    """

    levels: tuple[bytes, ...]
    version: int

    @property
    def value(self) -> bytes:
        """The level that is written now."""
        return self.levels[self.version - 1]

    @property
    def likeliest_first(self) -> list[tuple[int, bytes]]:
        """Versions and levels, the one that is written now in front."""
        return sorted(enumerate(self.levels, 1), key=lambda one: (one[0] != self.version, -one[0]))


@dataclass(frozen=True, slots=True)
class SealedFile:
    """What sealing a file left behind."""

    plain_bytes: int
    sealed_bytes: int
    sha256: str  # of the ciphertext, hex


class Vault:
    """Seals and opens with a tenant's own keys."""

    def __init__(self, keystore: Keystore) -> None:
        self._keys = keystore

    def seal(self, field: Field, plain: str) -> bytes:
        """Return the sealed form of a text, padded to 32-byte steps so that its length says little."""
        data_key = self._keys.active(field.tenant_id, field.purpose)
        raw = plain.encode()
        padded = struct.pack(">I", len(raw)) + raw
        padded += bytes(-len(padded) % _BUCKET)
        header = _HEADER.pack(_VERSION, _SUITE, data_key.key_id) + os.urandom(_SALT)
        binding = field.binding()
        key, commitment = _derive(data_key.key, header[_HEADER.size :], _FIELD_LABEL, header, binding)
        return header + commitment + AESGCM(key).encrypt(_ZERO_NONCE, padded, header + binding)

    def open(self, field: Field, sealed: bytes) -> str:
        """Return the text of a sealed value.

        Raises:
            SealError: moved, rolled back, damaged, or sealed by a key that is gone.
        """
        try:
            return self._open(field, sealed)
        except SealError as error:
            error.details = field.place
            raise

    def _open(self, field: Field, sealed: bytes) -> str:
        if len(sealed) < OVERHEAD:
            raise SealError
        version, suite, key_id = _HEADER.unpack_from(sealed)
        if (version, suite) != (_VERSION, _SUITE):
            raise SealError
        header, rest = sealed[: _HEADER.size + _SALT], sealed[_HEADER.size + _SALT :]
        binding = field.binding()
        try:
            data_key = self._keys.by_id(field.tenant_id, key_id)
            key, commitment = _derive(data_key.key, header[_HEADER.size :], _FIELD_LABEL, header, binding)
            if not hmac.compare_digest(commitment, rest[:_COMMITMENT]):
                raise SealError
            padded = AESGCM(key).decrypt(_ZERO_NONCE, rest[_COMMITMENT:], header + binding)
        except (InvalidTag, UnknownKeyError) as error:
            raise SealError from error
        return padded[4 : 4 + int.from_bytes(padded[:4])].decode()

    def key_id(self, sealed: bytes) -> int:
        """Return the id of the key that a value or a file says it was sealed with; only opening proves it."""
        start = len(_MAGIC) if sealed.startswith(_MAGIC) else 2
        return int.from_bytes(sealed[start : start + 4])

    def mark(self, tenant_id: UUID, index: str, value: str) -> Mark:
        """Return what an exact value can be found by without being readable.

        Args:
            tenant_id: equality shows inside one tenant only.
            index: `table.column`, each with a key of its own.
            value: already canonical (an E.164 number, a casefolded address).
        """
        series = self._keys.series(tenant_id, INDEX)
        key = _index_key(series.keys[0], index)
        first = hmac.digest(key, b"\x01" + value.encode(), "sha256")[:_MARK]
        return Mark(_levels(series, index, first, 1), series.active)

    def mark_of(self, tenant_id: UUID, index: str, first: bytes) -> Mark:
        """Return the mark of a value that is known by its first level alone (`Mark.levels[0]`)."""
        series = self._keys.series(tenant_id, INDEX)
        return Mark(_levels(series, index, first, 1), series.active)

    def raised(self, tenant_id: UUID, index: str, level: bytes, *, version: int) -> bytes:
        """Return the level that is written now, from one that was written before, of `version`."""
        series = self._keys.series(tenant_id, INDEX)
        return _levels(series, index, level, version)[series.active - version]

    def blind_index(self, tenant_id: UUID, index: str, value: str) -> bytes:
        """Return the 16 bytes that are written of a value now; look for it by its `mark`."""
        return self.mark(tenant_id, index, value).value

    def index_versions(self, tenant_id: UUID) -> tuple[int, range]:
        """Return the version of the index key that is written with, and all there are."""
        series = self._keys.series(tenant_id, INDEX)
        return series.active, range(1, len(series.keys) + 1)

    def narrow_index(self, tenant_id: UUID, index: str, value: str, *, bits: int, version: int) -> int:
        """Return so few bits of a keyed hash that many values share them; see `customers.narrow`.

        Args:
            tenant_id: as for `mark`, and so is `index`.
            index: with a key of its own.
            value: already canonical.
            bits: 1 to 20.
            version: of the index key.
        """
        key = _index_key(self._keys.series(tenant_id, INDEX).keys[version - 1], index)
        return int.from_bytes(hmac.digest(key, b"\x02" + value.encode(), "sha256")[:4]) >> (32 - bits)

    def seal_file(self, field: Field, source: BinaryIO, sink: BinaryIO) -> SealedFile:
        """Seal a stream segment by segment; memory stays at two segments."""
        data_key = self._keys.active(field.tenant_id, field.purpose)
        salt, prefix = os.urandom(_SALT), os.urandom(_PREFIX)
        header = _MAGIC + struct.pack(">II", data_key.key_id, _SEGMENT) + salt + prefix
        key, commitment = _derive(data_key.key, salt, _FILE_LABEL, header, field.binding())
        cipher = AESGCM(key)
        digest = hashlib.sha256()
        plain = written = 0

        def put(piece: bytes) -> None:
            nonlocal written
            digest.update(piece)
            written += len(piece)
            sink.write(piece)

        put(header + commitment)
        number, segment = 0, source.read(_SEGMENT)
        while True:
            following = source.read(_SEGMENT)
            plain += len(segment)
            put(cipher.encrypt(_segment_nonce(prefix, number, last=not following), segment, None))
            if not following:
                return SealedFile(plain, written, digest.hexdigest())
            number, segment = number + 1, following

    def open_file(self, field: Field, sealed: BinaryIO) -> "OpenedFile":
        """Return a reader over a sealed file, its length already proved by opening the last segment.

        The file is the reader's from now on; one that does not open is closed.

        Raises:
            SealError: truncated, spliced, moved, damaged, or sealed by a key that is gone.
        """
        try:
            return self._open_file(field, sealed)
        except SealError as error:
            sealed.close()
            error.details = field.place
            raise

    def _open_file(self, field: Field, sealed: BinaryIO) -> "OpenedFile":
        sealed.seek(0, io.SEEK_END)
        size = sealed.tell()
        start = _FILE_HEADER + _COMMITMENT
        sealed.seek(0)
        head = sealed.read(start)
        if size < start + _TAG or head[:4] != _MAGIC:
            raise SealError
        key_id, segment = struct.unpack(">II", head[4:12])
        if segment != _SEGMENT:
            raise SealError
        header, commitment = head[:_FILE_HEADER], head[_FILE_HEADER:]
        salt, prefix = header[12 : 12 + _SALT], header[12 + _SALT :]
        try:
            data_key = self._keys.by_id(field.tenant_id, key_id)
        except UnknownKeyError as error:
            raise SealError from error
        key, expected = _derive(data_key.key, salt, _FILE_LABEL, header, field.binding())
        if not hmac.compare_digest(commitment, expected):
            raise SealError
        return OpenedFile(sealed, AESGCM(key), prefix, start, size - start, field)


class OpenedFile:
    """Reads any range of a sealed file."""

    def __init__(
        self, sealed: BinaryIO, cipher: AESGCM, prefix: bytes, start: int, body: int, field: Field
    ) -> None:
        self._field = field
        self._sealed, self._cipher, self._prefix, self._start = sealed, cipher, prefix, start
        self._segments = max(1, -(-body // (_SEGMENT + _TAG)))
        self.size = body - self._segments * _TAG
        self._segment(self._segments - 1)

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Return the plain bytes of `[start, end)`, clipped to the file."""
        stop = self.size if end is None else min(end, self.size)
        if start >= stop:
            return b""
        first, last = start // _SEGMENT, (stop - 1) // _SEGMENT
        joined = b"".join(self._segment(number) for number in range(first, last + 1))
        return joined[start - first * _SEGMENT : stop - first * _SEGMENT]

    def stream(self) -> io.BufferedReader:
        """Return the plain bytes as a seekable stream; closing it closes the file."""
        return io.BufferedReader(_Stream(self), _SEGMENT)

    def close(self) -> None:
        """Close the underlying object."""
        self._sealed.close()

    def _segment(self, number: int) -> bytes:
        self._sealed.seek(self._start + number * (_SEGMENT + _TAG))
        nonce = _segment_nonce(self._prefix, number, last=number == self._segments - 1)
        try:
            return self._cipher.decrypt(nonce, self._sealed.read(_SEGMENT + _TAG), None)
        except InvalidTag as error:
            broken = SealError()
            broken.details = self._field.place
            raise broken from error


class _Stream(io.RawIOBase):
    """An opened file as Python's streams want it."""

    def __init__(self, opened: OpenedFile) -> None:
        self._opened, self._at = opened, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed wants any buffer
        piece = self._opened.read(self._at, self._at + len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._opened.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._opened.close()
        super().close()


def _parts(*parts: bytes) -> bytes:
    return b"".join([len(part).to_bytes(4) + part for part in parts])


@functools.lru_cache(maxsize=512)
def _place(table: str, column: str) -> bytes:
    return _parts(table.encode(), column.encode())


def _index_key(data_key: DataKey, index: str) -> bytes:
    key = data_key.derived.get(index)
    if key is None:
        key = HKDF(_SHA256, 32, None, _INDEX_LABEL + _parts(index.encode())).derive(data_key.key)
        data_key.derived[index] = key
    return key


def _levels(series: Series, index: str, level: bytes, version: int) -> tuple[bytes, ...]:
    """Return a level and all above it."""
    found = [level]
    for data_key in series.keys[version:]:
        found.append(hmac.digest(_index_key(data_key, index), b"\x03" + found[-1], "sha256")[:_MARK])
    return tuple(found)


def _derive(key: bytes, salt: bytes, label: bytes, header: bytes, binding: bytes) -> tuple[bytes, bytes]:
    both = HKDF(_SHA256, 64, salt, label + _parts(header, binding)).derive(key)
    return both[:32], both[32:]


def _segment_nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + struct.pack(">IB", number, last)
