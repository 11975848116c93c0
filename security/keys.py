"""The root key: where it comes from, and what is derived from it.

A provider port: a file (refused when others can read it), the environment (refused outside development and
tests). OpenBao transit, a cloud's KMS and PKCS#11 fit the same three calls; whatever comes must pass the
contract in `tests/security/test_root_keys.py`. The root key wraps tenant keys; it never seals data. What a
process needs besides (the context MAC key) is derived with HKDF (RFC 5869) under its own label.
"""

import base64
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
    """A root key that this process holds itself."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return the key sealed under the root and the context."""
        return wrap(self._key, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again."""
        return unwrap(self._key, wrapped, context)

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for a platform purpose named by `label`."""
        return HKDF(hashes.SHA256(), KEY_BYTES, None, f"seatline/{label}".encode()).derive(self._key)


class FileRootKey(_HeldRootKey):
    """The root key in a file of 32 bytes that only its owner, who is us, can read."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            RootKeyError: not there, not 32 bytes, somebody else's, or its mode lets others in.
        """
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
        if len(key) != KEY_BYTES:
            message = f"the root key {path} must hold {KEY_BYTES} bytes"
            raise RootKeyError(message)
        super().__init__(key)


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
    """Return the root key: from the environment, where one stands there, else from the file.

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
