"""Signed checkpoints: what the log looked like at a size, so that no later copy can say otherwise.

A checkpoint is a signed note in the form of the transparency-log community (C2SP tlog-checkpoint and
signed-note, Ed25519): origin, size, root, then our line with the instant, then the signature. Anybody who
kept one can tell from a later copy of the log whether it still begins with the same entries.
"""

import base64
import binascii
import datetime as dt
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import ids
from core.ids import TenantId
from security.evidence import merkle
from security.evidence.merkle import Tree
from security.evidence.models import CheckpointRow, EntryRow
from security.evidence.trouble import EvidenceBrokenError
from security.keys import RootKey

_ED25519 = b"\x01"  # the kind of key, by the signed-note specification
_DASH = "— "
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One signed state of one tenant's log: `note` is the whole signed text."""

    tenant_id: TenantId
    size: int
    root: bytes
    at: dt.datetime
    note: str


class Signer:
    """Signs checkpoints; the key is derived from the root key and stored nowhere."""

    def __init__(self, root_key: RootKey) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(root_key.derive("evidence/v1"))

    @property
    def public_key(self) -> bytes:
        """The 32 bytes by which signatures are checked; for publishing."""
        return self._key.public_key().public_bytes_raw()

    def sign_bytes(self, blob: bytes) -> bytes:
        """Return the 64 bytes of signature over something that begins with a label of its own."""
        return self._key.sign(blob)

    def sign(self, *, tenant_id: TenantId, tree: Tree, at: dt.datetime) -> Checkpoint:
        """Return the checkpoint of a tree."""
        origin = _origin(tenant_id)
        said = f"{origin}\n{tree.size}\n{_b64(tree.root())}\n{at.isoformat()}\n"
        signature = _b64(_key_hash(origin, self.public_key) + self._key.sign(said.encode()))
        note = f"{said}\n{_DASH}{origin} {signature}\n"
        return Checkpoint(tenant_id, tree.size, tree.root(), at, note)


def read(note: str, *, public_key: bytes) -> Checkpoint:
    """Return the checkpoint a note holds, after checking its signature.

    Raises:
        EvidenceBrokenError: it is no checkpoint, or not signed by this key.
    """
    said, _, signed = note.partition("\n\n")
    try:
        origin, size, root, at = said.split("\n")
        name, signature = signed.removeprefix(_DASH).rstrip("\n").split(" ")
        blob = base64.b64decode(signature, validate=True)
        tenant_id = TenantId(ids.parse("ten", origin.rpartition("/")[2]))
        found = Checkpoint(
            tenant_id, int(size), base64.b64decode(root, validate=True), dt.datetime.fromisoformat(at), note
        )
    except (ValueError, binascii.Error, ids.UnknownIdError) as error:
        message = "this is no checkpoint of ours"
        raise EvidenceBrokenError(message) from error
    if not signed.startswith(_DASH) or name != origin or origin != _origin(tenant_id):
        message = "the checkpoint names another log than its signature"
        raise EvidenceBrokenError(message)
    if blob[:4] != _key_hash(origin, public_key):
        message = f"the checkpoint at {found.size} was signed by another key"
        raise EvidenceBrokenError(message)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(blob[4:], f"{said}\n".encode())
    except (InvalidSignature, ValueError) as error:
        message = f"the signature of the checkpoint at {found.size} is wrong"
        raise EvidenceBrokenError(message) from error
    return found


def seal(session: Session, *, tenant_id: TenantId, signer: Signer, at: dt.datetime) -> Checkpoint | None:
    """Sign what was written since the last checkpoint; return None when nothing was.

    Raises:
        EvidenceBrokenError: what stands in the table is not what was hashed, or an entry is missing.
    """
    last = session.scalars(
        select(CheckpointRow)
        .where(CheckpointRow.tenant_id == tenant_id)
        .order_by(CheckpointRow.size.desc())
        .limit(1)
    ).first()
    tree = Tree.unpack(last.size, last.peaks) if last else Tree()
    if last and read(last.note, public_key=signer.public_key).root != tree.root():
        message = f"the peaks kept at {last.size} are not those that were signed"
        raise EvidenceBrokenError(message)
    start = tree.size
    while rows := session.execute(
        select(EntryRow.seq, EntryRow.body, EntryRow.leaf)
        .where(EntryRow.tenant_id == tenant_id, EntryRow.seq >= tree.size)
        .order_by(EntryRow.seq)
        .limit(_BATCH)
    ).all():
        for row in rows:
            if row.seq != tree.size:
                message = f"entry {tree.size} is missing"
                raise EvidenceBrokenError(message)
            if merkle.leaf(row.body.encode()) != row.leaf:
                message = f"entry {row.seq} was changed"
                raise EvidenceBrokenError(message)
            tree = tree.add(row.leaf)
    if tree.size == start:
        return None
    made = signer.sign(tenant_id=tenant_id, tree=tree, at=at)
    session.add(CheckpointRow(tenant_id=tenant_id, size=tree.size, at=at, peaks=tree.pack(), note=made.note))
    session.flush()
    return made


def newest(session: Session, *, tenant_id: TenantId, public_key: bytes) -> Checkpoint | None:
    """Return the last checkpoint of a tenant, checked; None when nothing was sealed yet."""
    note = session.scalars(
        select(CheckpointRow.note)
        .where(CheckpointRow.tenant_id == tenant_id)
        .order_by(CheckpointRow.size.desc())
        .limit(1)
    ).first()
    return read(note, public_key=public_key) if note else None


def since(session: Session, *, tenant_id: TenantId, size: int = 0) -> list[str]:
    """Return the notes of all checkpoints above a size, oldest first."""
    return list(
        session.scalars(
            select(CheckpointRow.note)
            .where(CheckpointRow.tenant_id == tenant_id, CheckpointRow.size > size)
            .order_by(CheckpointRow.size)
        )
    )


def _origin(tenant_id: TenantId) -> str:
    return f"seatline/{ids.public('ten', tenant_id)}"


def _key_hash(origin: str, public_key: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def _b64(blob: bytes) -> str:
    return base64.b64encode(blob).decode()
