"""A log as one file, and checking it with nothing but the file and the public key.

Lines of JSON: a head, then every entry as it was hashed, then every checkpoint. No database, no network:
`seatline audit verify FILE` runs wherever Python does.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import ids
from core.errors import SeatlineError
from core.ids import TenantId
from security.evidence import checkpoints, merkle
from security.evidence.checkpoints import Checkpoint, Signer
from security.evidence.entries import entry_of
from security.evidence.merkle import Tree
from security.evidence.models import EntryRow
from security.evidence.trouble import EvidenceBrokenError

FORMAT = "seatline-evidence/1"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file proved.

    Attributes:
        size: entries in the file.
        sealed: of these, how many a checkpoint vouches for; the rest is younger than the last one.
        checkpoints: how many were checked.
    """

    tenant_id: TenantId
    size: int
    sealed: int
    checkpoints: int


def export(session: Session, *, tenant_id: TenantId, signer: Signer) -> Iterator[str]:
    """Yield the lines of a tenant's whole log."""
    yield _line(
        {
            "format": FORMAT,
            "tenant": ids.public("ten", tenant_id),
            "public_key": base64.b64encode(signer.public_key).decode(),
        }
    )
    bodies = session.execute(
        select(EntryRow.body).where(EntryRow.tenant_id == tenant_id).order_by(EntryRow.seq)
    ).yield_per(1000)
    for (body,) in bodies:
        yield _line({"entry": body})
    for note in checkpoints.since(session, tenant_id=tenant_id):
        yield _line({"checkpoint": note})


def verify(lines: Iterable[str], *, public_key: bytes | None = None, kept: str | None = None) -> Verdict:
    """Check a file; return what it proves.

    Args:
        lines: of the file.
        public_key: 32 bytes, known from elsewhere; None believes the key the file names, which proves only
            that the file agrees with itself.
        kept: the note of a checkpoint kept earlier, which the file has to continue.

    Raises:
        EvidenceBrokenError: and its message names the first fault.
    """
    rest = iter(lines)
    head = _object(next(rest, ""), number=1)
    if head.get("format") != FORMAT:
        message = "the first line does not say that this is an evidence log"
        raise EvidenceBrokenError(message)
    try:
        owner = str(head["tenant"])
        key = public_key or base64.b64decode(str(head["public_key"]), validate=True)
        tenant_id = TenantId(ids.parse("ten", owner))
    except (KeyError, ValueError, SeatlineError) as error:
        message = "the first line names no company or no key"
        raise EvidenceBrokenError(message) from error
    known = checkpoints.read(kept, public_key=key) if kept else None
    tree, roots, signed = Tree(), {0: Tree().root()}, list[Checkpoint]()
    for number, line in enumerate(rest, start=2):
        one = _object(line, number=number)
        if isinstance(body := one.get("entry"), str):
            tree = _added(tree, body, owner)
            roots[tree.size] = tree.root()
        elif isinstance(note := one.get("checkpoint"), str):
            signed.append(checkpoints.read(note, public_key=key))
        else:
            message = f"line {number} is neither an entry nor a checkpoint"
            raise EvidenceBrokenError(message)
    for checkpoint in [*([known] if known else []), *signed]:
        _agree(checkpoint, tenant_id, roots)
    sealed = max((one.size for one in signed), default=0)
    if known and sealed < known.size:
        message = f"the log was sealed at {known.size} once, this copy only at {sealed}"
        raise EvidenceBrokenError(message)
    return Verdict(tenant_id, tree.size, sealed, len(signed))


def _added(tree: Tree, body: str, tenant: str) -> Tree:
    try:
        entry = entry_of(body)
        owner = json.loads(body)["tenant"]
    except (ValueError, KeyError) as error:
        message = f"entry {tree.size} cannot be read"
        raise EvidenceBrokenError(message) from error
    if entry.seq != tree.size:
        message = f"entry {tree.size} is missing; {entry.seq} stands in its place"
        raise EvidenceBrokenError(message)
    if owner != tenant:
        message = f"entry {tree.size} belongs to another company"
        raise EvidenceBrokenError(message)
    return tree.add(merkle.leaf(body.encode()))


def _agree(checkpoint: Checkpoint, tenant_id: TenantId, roots: dict[int, bytes]) -> None:
    if checkpoint.tenant_id != tenant_id:
        message = f"the checkpoint at {checkpoint.size} belongs to another company"
        raise EvidenceBrokenError(message)
    root = roots.get(checkpoint.size)
    if root is None:
        message = f"entries are missing: {checkpoint.size} were sealed, {max(roots)} are here"
        raise EvidenceBrokenError(message)
    if root != checkpoint.root:
        message = f"an entry before {checkpoint.size} is not the one that was sealed"
        raise EvidenceBrokenError(message)


def _object(line: str, *, number: int) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        message = f"line {number} is not JSON"
        raise EvidenceBrokenError(message)
    return found


def _line(content: dict[str, str]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
