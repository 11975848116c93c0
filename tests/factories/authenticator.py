"""A device that holds passkeys, in software: it can be told to lie in every way a test wants."""

import hashlib
import json
import os
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, encode_cbor

_UP, _UV, _AT = 0x01, 0x04, 0x40


@dataclass
class Device:
    """One passkey. What it says of itself can be changed before each answer."""

    origin: str
    domain: str
    count: int = 0
    is_verified: bool = True
    counts: bool = True
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: dict[str, Any], **lies: Any) -> str:
        """Answer `navigator.credentials.create`."""
        self.user_handle = base64url_to_bytes(options["user"]["id"])
        said = self._said("webauthn.create", options, lies)
        numbers = self.key.public_key().public_numbers()
        public = encode_cbor(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + public
        seen = self._seen(_AT) + attested
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": seen})
        return self._answer({"clientDataJSON": _text(said), "attestationObject": _text(attestation)})

    def show(self, options: dict[str, Any], **lies: Any) -> str:
        """Answer `navigator.credentials.get`."""
        said = self._said("webauthn.get", options, lies)
        if self.counts:
            self.count += 1
        seen = self._seen(0)
        signed = self.key.sign(seen + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        handle = lies.get("user_handle", self.user_handle)
        return self._answer(
            {
                "clientDataJSON": _text(said),
                "authenticatorData": _text(seen),
                "signature": _text(signed),
                "userHandle": _text(handle) if handle else None,
            }
        )

    def _said(self, kind: str, options: dict[str, Any], lies: dict[str, Any]) -> bytes:
        return json.dumps(
            {
                "type": lies.get("type", kind),
                "challenge": lies.get("challenge", options["challenge"]),
                "origin": self.origin,
                "crossOrigin": False,
            }
        ).encode()

    def _seen(self, flags: int) -> bytes:
        flags |= _UP | (_UV if self.is_verified else 0)
        return hashlib.sha256(self.domain.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def _answer(self, response: dict[str, Any]) -> str:
        name = _text(self.credential_id)
        return json.dumps(
            {
                "id": name,
                "rawId": name,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": {},
            }
        )


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
