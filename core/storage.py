"""Where sealed objects lie: recordings and documents, as opaque ciphertext under random names.

A port with one driver today (disk) and a second to come (S3); what is stored is always sealed before it
gets here, so a driver never sees personal data.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from core.errors import NotFound

PART = ".part"
"""How the file of an object ends that is still being written."""
_BUFFER = 256 * 1024
_NAME = re.compile(r"[0-9a-z]{2,8}/[0-9a-z-]{8,64}", re.ASCII)


class ObjectMissingError(NotFound):
    """No object of that name is stored."""

    code = "object-missing"


class Storage(Protocol):
    """Objects by name; a name is `<kind>/<random id>`, made by us and never taken from outside."""

    def put(self, name: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """Write an object; it appears whole at the end of the block, or not at all."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a stored object for reading, seekable.

        Raises:
            ObjectMissingError: it is not there.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove an object; removing what is not there is no error."""
        ...


class DiskStorage:
    """Objects as files under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ObjectMissingError
        return self._root / name

    @contextlib.contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        """Write to a `.part` file, fsync, rename, fsync the folder: a crash leaves no half object."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(PART)
        try:
            with part.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def open(self, name: str) -> BinaryIO:
        """Open a stored object for reading, seekable."""
        try:
            return self._path(name).open("rb")
        except FileNotFoundError as error:
            raise ObjectMissingError from error

    def delete(self, name: str) -> None:
        """Remove an object; removing what is not there is no error."""
        self._path(name).unlink(missing_ok=True)


def reader(pieces: Iterator[bytes]) -> io.BufferedReader:
    """Return pieces as a stream to read from."""
    return io.BufferedReader(_Pieces(pieces), _BUFFER)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        while not self._rest:
            following = next(self._pieces, None)
            if following is None:
                return 0
            self._rest = following
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
