"""Signed documents: what we vouch for in one file (a backup's manifest, a certificate), checked without us.

JSON: the content, the signature over its canonical form (sorted keys, no spaces), and the public key. Signed
with the key of the checkpoints, under a label of its own, so that neither can be passed off as the other.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from security.evidence.checkpoints import Signer
from security.evidence.trouble import EvidenceBrokenError

_LABEL = b"seatline/document/v1\n"


def write(content: Mapping[str, Any], *, signer: Signer) -> str:
    """Return the signed document; `content` is plain JSON."""
    signature = signer.sign_bytes(_LABEL + _canonical(content))
    document = {
        "content": content,
        "public_key": base64.b64encode(signer.public_key).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def read(text: str, *, public_key: bytes | None = None) -> dict[str, Any]:
    """Return a document's content after checking its signature.

    Args:
        text: the file.
        public_key: 32 bytes, known from elsewhere; None believes the file's own, which proves only that
            nobody changed it by accident.

    Raises:
        EvidenceBrokenError: it is no document of ours, it was changed, or another key signed it.
    """
    try:
        document = json.loads(text)
        content, signature = document["content"], base64.b64decode(document["signature"], validate=True)
        key = public_key or base64.b64decode(document["public_key"], validate=True)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _LABEL + _canonical(content))
    except (ValueError, KeyError, TypeError) as error:
        message = "this is no signed document"
        raise EvidenceBrokenError(message) from error
    except InvalidSignature as error:
        message = "the document was changed, or another key signed it"
        raise EvidenceBrokenError(message) from error
    if not isinstance(content, dict):
        message = "this is no signed document"
        raise EvidenceBrokenError(message)
    return content


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
