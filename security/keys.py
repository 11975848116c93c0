"""The root key: where it comes from, and what is derived from it.

A provider port: a file today (refused when others can read it); OpenBao transit, cloud KMS and PKCS#11
fit the same three calls. The root key wraps tenant keys; it never seals data. What a process needs
besides (the context MAC key) is derived with HKDF (RFC 5869) under its own label.
"""

import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import SeatlineError

KEY_BYTES = 32
_NONCE_BYTES = 12


class RootKeyError(SeatlineError):
    """The root key is missing, malformed, or readable by others; nothing may start."""

    code = "root-key"


class UnwrapError(SeatlineError):
    """A wrapped key does not open in this context: wrong root, wrong tenant, or damaged."""

    code = "unwrap"


class RootKey(Protocol):
    """Wraps keys; the context (tenant, purpose, version) is bound into the wrapping."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return the key sealed under the root and the context."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again.

        Raises:
            UnwrapError: the context or the root is another one.
        """
        ...

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for a platform purpose named by `label`."""
        ...


class FileRootKey:
    """The root key in a file of 32 bytes that only its owner can read."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            RootKeyError: not there, not 32 bytes, or its mode lets others in.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            self._key = path.read_bytes()
        except OSError as error:
            message = f"the root key {path} cannot be read"
            raise RootKeyError(message) from error
        if mode & 0o077:
            message = f"the root key {path} is open to others (mode {mode:04o}); chmod 600 it"
            raise RootKeyError(message)
        if len(self._key) != KEY_BYTES:
            message = f"the root key {path} must hold {KEY_BYTES} bytes"
            raise RootKeyError(message)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return the key sealed under the root and the context."""
        return wrap(self._key, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again."""
        return unwrap(self._key, wrapped, context)

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for a platform purpose named by `label`."""
        return HKDF(hashes.SHA256(), KEY_BYTES, None, f"seatline/{label}".encode()).derive(self._key)


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
