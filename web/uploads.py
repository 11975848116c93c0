"""Large files on their way in: the limit is raised for who may send them, and nothing lies in clear.

A form's file is written to a temporary file while it is read. It may hold thousands of people's numbers, so
it is encrypted under a key that exists in this process alone and is gone with it; it has no name either.
"""

import hashlib
import io
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable
from typing import IO, Any, BinaryIO, TypeVar, cast

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from flask import Flask, Request, Response, current_app, g, request

from core.errors import Invalid, SeatlineError
from web import identity
from web.guards import guard_of

_V = TypeVar("_V", bound=Callable[..., Any])
_MARK = "__seatline_largest_body__"
FORM = "multipart/form-data"
TABLES = ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_BLOCK = 16
_PIECE = 1 << 20
_SMALL = 256 * 1024
_FORM = 1 << 20  # what stands in a form besides its file


class FileMissingError(Invalid):
    """The form has no part `file`."""

    code = "file-missing"


def takes_file(most: int) -> Callable[[_V], _V]:
    """Let a view receive a file of so many bytes, from nobody but who has its permission."""

    def mark(view: _V) -> _V:
        setattr(view, _MARK, most)
        return view

    return mark


def install(app: Flask) -> None:
    """Raise the limit where a view says so; before anything reads the form."""
    app.request_class = SealingRequest
    app.before_request(_raise_limit)
    app.teardown_request(_close)


def _raise_limit() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    most: int | None = getattr(view, _MARK, None)
    if view is None or most is None or request.method != "POST":
        return
    try:
        who = identity.current()
    except SeatlineError:  # the guards say so, after the form was found too large
        return
    guard = guard_of(view)
    if guard is not None and guard.permission in who.permissions:
        request.max_content_length = most + _FORM


def _close(_: BaseException | None) -> None:
    request.close()
    if "seatline_body" in g:
        g.pop("seatline_body")[0].close()


class SealingRequest(Request):
    """A request whose files are never written in clear."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        del content_type, filename, content_length
        if total_content_length is not None and total_content_length <= _SMALL:
            return io.BytesIO()
        return cast("IO[bytes]", Scratch())


def body() -> tuple[BinaryIO, bytes]:
    """Return the file a program sends, as its body or as the part `file` of a form, and its SHA-256.

    Raises:
        FileMissingError: a form without that part.
    """
    kept: tuple[BinaryIO, bytes] | None = g.get("seatline_body")
    if kept is None:
        scratch, digest = cast("BinaryIO", Scratch()), hashlib.sha256()
        source = _part() if request.mimetype == FORM else request.stream
        while piece := source.read(_PIECE):
            digest.update(piece)
            scratch.write(piece)
        scratch.seek(0)
        kept = g.seatline_body = scratch, digest.digest()
    return kept


def _part() -> IO[bytes]:
    found = request.files.get("file")
    if found is None:
        raise FileMissingError(field="file")
    return found.stream


def digest() -> bytes | None:
    """Return the SHA-256 of a body that was taken in as a file, or None."""
    kept: tuple[BinaryIO, bytes] | None = g.get("seatline_body")
    return kept[1] if kept else None


def spooled(lines: Iterable[str], *, name: str, content_type: str) -> Response:
    """Return lines as a file to be saved: written now, while the transaction stands, and sent from a scratch.

    However many there are, no more than a piece is in memory, and no slow reader keeps a transaction open.
    """
    scratch = Scratch()
    for line in lines:
        scratch.write(line.encode())
    size = scratch.tell()
    scratch.seek(0)
    response = Response(iter(lambda: scratch.read(_PIECE), b""), content_type=content_type)
    response.content_length = size
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.call_on_close(scratch.close)
    return response


class Scratch(io.RawIOBase):
    """A nameless temporary file, written from its start to its end, then read anywhere.

    AES-256 in counter mode (NIST SP 800-38A, 6.5): each place can be read by itself. Nobody but this process
    can write to it, so there is no tag.
    """

    def __init__(self) -> None:
        super().__init__()
        with tempfile.TemporaryFile() as nameless:
            self._fd = os.dup(nameless.fileno())
        # an upload that breaks off is dropped without a close
        self._drop = weakref.finalize(self, os.close, self._fd)
        self._key = os.urandom(32)
        self._at = self._size = 0
        self._cipher: CipherContext | None = None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can be written, at its end."""
        return True

    def seekable(self) -> bool:
        """It can be read anywhere."""
        return True

    def write(self, piece: Any) -> int:  # noqa: ANN401 - whatever has bytes
        """Add to the end.

        Raises:
            ValueError: not at the end.
        """
        if self._at != self._size:
            message = "a scratch file is written from its start to its end"
            raise ValueError(message)
        if self._cipher is None:
            self._cipher = self._from(self._at)
        _write_all(self._fd, self._cipher.update(bytes(piece)), self._at)
        self._at += len(piece)
        self._size = self._at
        return len(piece)

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever takes bytes
        """Fill a buffer from where we stand."""
        sealed = os.pread(self._fd, min(len(buffer), max(0, self._size - self._at)), self._at)
        buffer[: len(sealed)] = self._from(self._at).update(sealed)
        self._at += len(sealed)
        return len(sealed)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Stand somewhere else."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at, self._cipher = max(0, start + offset), None
        return self._at

    def tell(self) -> int:
        """Return where we stand."""
        return self._at

    def close(self) -> None:
        """Give the space back."""
        self._drop()
        super().close()

    def _from(self, at: int) -> CipherContext:
        block, skipped = divmod(at, _BLOCK)
        cipher = Cipher(algorithms.AES(self._key), modes.CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
        cipher.update(bytes(skipped))
        return cipher


def _write_all(fd: int, piece: bytes, at: int) -> None:
    while piece:
        written = os.pwrite(fd, piece, at)
        piece, at = piece[written:], at + written
