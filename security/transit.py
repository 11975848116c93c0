"""The root key at a transit service: OpenBao's or Vault's, over HTTPS; the key itself never comes here.

Of the service's API three calls are used: `encrypt` and `decrypt` with associated data, which binds what is
wrapped to its tenant, purpose and version, and `hmac` under version 1 of the key, which stays when the key is
rotated there. The service's key has the type `aes256-gcm96`, and `min_encryption_version` 0 or 1. The token
lies in a file that an agent may renew while we run. Source: https://openbao.org/api-docs/secret/transit/.
"""

import base64
import http.client
import ipaddress
import json
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from security.keys import KEY_BYTES, RootKeyAwayError, RootKeyError, UnwrapError

LIMIT_S = 2.0
_LONGEST = 64 * 1024
_DENIED, _WRONG = 403, 400


class TransitRootKey:
    """A root key that a transit service holds; every wrapping and unwrapping is a question to it."""

    def __init__(
        self,
        address: str,
        token_file: Path,
        *,
        context: ssl.SSLContext | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        """Take the address apart; nothing is asked yet.

        Args:
            address: `https://host:8200/mount/key`; `http` on loopback alone.
            token_file: the service's token, for us alone to read.
            context: whom TLS trusts; the system's certificates when left out.
            limit_s: for each step of one question.

        Raises:
            RootKeyError: the address is another, or others can read the token.
        """
        parts = urlsplit(address)
        mount, _, self._name = parts.path.strip("/").rpartition("/")
        if not (parts.hostname and mount and self._name) or parts.query or parts.username:
            message = "the transit service's address must be https://host:port/mount/key"
            raise RootKeyError(message)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            message = "the transit service is asked over https, unless it is on this machine"
            raise RootKeyError(message)
        self._is_tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._mount, self._token_file, self._limit_s = mount, token_file, limit_s
        self._context = context or ssl.create_default_context()
        self._token = _read(token_file)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._host}, {self._name})"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return the key sealed by the service under its newest version, and the context."""
        said = self._ask("encrypt", plaintext=_text(key), associated_data=_text(context))
        return _part(said, "ciphertext").encode()

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key again."""
        sealed = wrapped.decode("ascii", "replace")
        said = self._ask("decrypt", ciphertext=sealed, associated_data=_text(context))
        return base64.b64decode(_part(said, "plaintext"))

    def derive(self, label: str) -> bytes:
        """Return 32 bytes for a platform purpose named by `label`."""
        said = self._ask("hmac", "sha2-256", input=_text(f"seatline/{label}".encode()), key_version=1)
        found = base64.b64decode(_part(said, "hmac").rpartition(":")[2])
        if len(found) != KEY_BYTES:
            raise RootKeyAwayError
        return found

    def _ask(self, act: str, *more: str, **body: str | int) -> dict[str, str]:
        """Ask once, and once more with a token that has been renewed meanwhile.

        Raises:
            UnwrapError: the service says that what it got does not open.
            RootKeyAwayError: it does not answer, is sealed, refuses us, or answers what cannot be.
        """
        path = "/".join(("/v1", self._mount, act, self._name, *more))
        status, said = self._send(path, json.dumps(body))
        if status == _DENIED and (token := _read(self._token_file)) != self._token:
            self._token = token
            status, said = self._send(path, json.dumps(body))
        if status == _WRONG and act == "decrypt":
            raise UnwrapError
        if status != http.client.OK:
            raise RootKeyAwayError
        try:
            return {str(name): str(one) for name, one in json.loads(said)["data"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RootKeyAwayError from error

    def _send(self, path: str, body: str) -> tuple[int, bytes]:
        line = (
            http.client.HTTPSConnection(self._host, self._port, timeout=self._limit_s, context=self._context)
            if self._is_tls
            else http.client.HTTPConnection(self._host, self._port, timeout=self._limit_s)
        )
        try:
            line.request("POST", path, body, {"X-Vault-Token": self._token, "X-Vault-Request": "true"})
            answer = line.getresponse()
            return answer.status, answer.read(_LONGEST)
        except (OSError, http.client.HTTPException):
            raise RootKeyAwayError from None  # no token in what is logged of it
        finally:
            line.close()


def _part(said: Mapping[str, str], name: str) -> str:
    if name not in said:
        raise RootKeyAwayError
    return said[name]


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(token_file: Path) -> str:
    try:
        mode, token = token_file.stat().st_mode, token_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        message = f"the transit service's token {token_file} cannot be read"
        raise RootKeyError(message) from error
    if stat.S_IMODE(mode) & 0o077:
        message = f"the transit service's token {token_file} is open to others; chmod 600 it"
        raise RootKeyError(message)
    return token
