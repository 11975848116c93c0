"""The root key: where it comes from, and what is derived from it.

A provider port: a file (refused when others can read it), the environment (refused outside development and
tests), a transit service (`security.transit`). A cloud's KMS and PKCS#11 fit the same three calls; what they
must do stands in README.md, the contract in `tests/security/test_root_keys.py`, and `wiring.root_key` opens
it. The root key wraps tenant keys; it never seals data. What a process needs besides (the context MAC key) is
derived with HKDF (RFC 5869) under its own label.
"""

import base64
import contextlib
import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core import config
from core.errors import SeatlineError, Unavailable

KEY_BYTES = 32
_NONCE_BYTES = 12
_OPEN_ENVIRONMENTS = frozenset({"development", "test"})


class RootKeyError(SeatlineError):
    """The root key is missing, malformed, or readable by others; nothing may start."""

    code = "root-key"


class UnwrapError(Unavailable):
    """A wrapped key does not open in this context: wrong root, wrong tenant, or damaged."""

    code = "unwrap"


class RootKeyAwayError(Unavailable):
    """The provider of the root key does not answer in time. Try again; nothing is lost."""

    code = "root-key-away"


class RootKey(Protocol):
    """Wraps keys; the context (tenant, purpose, version) is bound into the wrapping.

    A provider that is asked over a network answers within two seconds, or raises `RootKeyAwayError`.
    """

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return the key sealed under the root and the context.

        Raises:
            RootKeyAwayError: the provider does not answer.
        """
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again.

        Raises:
            UnwrapError: the context or the root is another one.
            RootKeyAwayError: the provider does not answer.
        """
        ...

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for a platform purpose named by `label`."""
        ...


class _HeldRootKey:
    """A root key that this process holds itself; of several the first wraps, and all of them open.

    What is derived comes from the last, the oldest: a new root key re-wraps tenants' keys and nothing else.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = tuple(keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return the key sealed under the root and the context."""
        return wrap(self._keys[0], key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again."""
        for root in self._keys:
            with contextlib.suppress(UnwrapError):
                return unwrap(root, wrapped, context)
        raise UnwrapError

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for a platform purpose named by `label`."""
        return HKDF(hashes.SHA256(), KEY_BYTES, None, f"seatline/{label}".encode()).derive(self._keys[-1])


class FileRootKey(_HeldRootKey):
    """The root key in a file that only its owner, who is us, can read: 32 bytes, older ones behind it."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            RootKeyError: not there, not of 32 bytes, somebody else's, or its mode lets others in.
        """
        self._path = path
        super().__init__(self._read(path))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again; when none opens it, look whether the file has got another."""
        try:
            return super().unwrap(wrapped, context)
        except UnwrapError:
            before = self._keys
            super().__init__(self._read(self._path))
            if self._keys == before:
                raise
            return super().unwrap(wrapped, context)

    def renew(self) -> None:
        """Put a new key in front of the file's others: it wraps from now on, in processes that look."""
        part = self._path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(os.urandom(KEY_BYTES) + self._read(self._path))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        super().__init__(self._read(self._path))

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            there = path.stat()
            key = path.read_bytes()
        except OSError as error:
            message = f"the root key {path} cannot be read"
            raise RootKeyError(message) from error
        mode = stat.S_IMODE(there.st_mode)
        if mode & 0o077:
            message = f"the root key {path} is open to others (mode {mode:04o}); chmod 600 it"
            raise RootKeyError(message)
        if there.st_uid != os.geteuid():
            message = f"the root key {path} belongs to somebody else, who could change it; chown it"
            raise RootKeyError(message)
        if not key or len(key) % KEY_BYTES:
            message = f"the root key {path} must hold {KEY_BYTES} bytes, and as many for each older one"
            raise RootKeyError(message)
        return key


class EnvironmentRootKey(_HeldRootKey):
    """The root key in an environment variable, which children and crash reports see: for trying things."""

    def __init__(self, text: str, *, environment: str) -> None:
        """Read the key.

        Args:
            text: 32 bytes in base64.
            environment: as in the settings.

        Raises:
            RootKeyError: it is neither a developer's machine nor a test, or not 32 bytes.
        """
        if environment not in _OPEN_ENVIRONMENTS:
            message = "a root key in the environment is for development and tests alone; put it into a file"
            raise RootKeyError(message)
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            message = f"the root key in the environment must be {KEY_BYTES} bytes in base64"
            raise RootKeyError(message)
        super().__init__(key)


def open_root_key(file: Path, *, environment: str) -> RootKey:
    """Return a root key this process holds: from the environment, where one stands there, else from the file.

    Raises:
        RootKeyError: it may not lie there, or is malformed.
    """
    text = config.root_key_text()
    return EnvironmentRootKey(text, environment=environment) if text else FileRootKey(file)


def wrap(parent: bytes, key: bytes, context: bytes) -> bytes:
    """Return `key` under AES-256-GCM with `parent`, a fresh nonce in front, the context authenticated."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(parent).encrypt(nonce, key, context)


def unwrap(parent: bytes, wrapped: bytes, context: bytes) -> bytes:
    """Return the key under `parent` and `context`.

    Raises:
        UnwrapError: it does not open.
    """
    try:
        return AESGCM(parent).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as error:
        raise UnwrapError from error
