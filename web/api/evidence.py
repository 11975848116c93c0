"""Who did what: the company's evidence log, its checkpoints, and the key they are checked by."""

import base64
from typing import Any

from pydantic import Field
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from security import evidence
from security.evidence import Entry
from web import identity, scope
from web.api import cursors
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Listed, Moment, Outward, PageQuery
from web.guards import permission
from web.shown import evidence as shown_evidence

_LOG = "evidence"


class EvidenceEntry(Outward):
    """One deed."""

    number: int = Field(description="Counts from 0 without a gap.", examples=[17])
    at: Moment
    actor: str = Field(
        description="Who: a person (`usr_…`), a key (`key_…`), or `system` for Seatline itself.",
        examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    action: str = Field(
        description="More will be added.", examples=["invoice.finalised", "customer.revealed"]
    )
    about: str = Field(description="What it was done to; empty when that has no id.")
    details: dict[str, Any] = Field(description="What changed: ids, amounts and codes.")


class EvidenceLog(Listed):
    """A page of the log, newest first."""

    data: list[EvidenceEntry]


class CheckpointShown(Outward):
    """What was signed: keep the note where we cannot reach it."""

    size: int = Field(description="How many entries it covers.")
    at: Moment
    note: str = Field(description="The signed text, in the form of C2SP tlog-checkpoint.")
    public_key: str = Field(description="Ed25519, 32 bytes in base64.")


@pages.get("/evidence")
@permission("audit.read")
@operation(tag="Evidence", answers={200: EvidenceLog}, operation_id="listEvidence")
def list_evidence(query: PageQuery) -> EvidenceLog:
    """List who did what, newest first."""
    after = cursors.decode(query.starting_after, of=_LOG)
    found = evidence.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        limit=query.limit,
        below=int(after[0]) if after else None,
    )
    return EvidenceLog(
        data=[_entry(one) for one in found.entries],
        has_more=found.has_older,
        next=cursors.encode(str(found.entries[-1].seq), of=_LOG) if found.has_older else None,
    )


@pages.get("/evidence/log")
@permission("audit.read")
@operation(tag="Evidence", answers={200: None}, operation_id="getEvidenceLog", media="application/x-ndjson")
def fetch_log() -> BaseResponse:
    """Fetch the whole log, for `seatline audit verify`."""
    return shown_evidence.log()


@pages.get("/evidence/checkpoint")
@permission("audit.read")
@operation(
    tag="Evidence", answers={200: CheckpointShown}, errors=(404,), operation_id="getEvidenceCheckpoint"
)
def read_checkpoint() -> CheckpointShown:
    """Fetch the newest checkpoint; there is none until the first minute is over."""
    signer = scope.services().signer
    newest = shown_evidence.newest()
    return CheckpointShown(
        size=newest.size,
        at=newest.at,
        note=newest.note,
        public_key=base64.b64encode(signer.public_key).decode(),
    )


def _entry(one: Entry) -> EvidenceEntry:
    actors = {"user": "usr", "agent": "usr", "api": "key"}
    prefix = actors.get(one.actor_kind)
    return EvidenceEntry(
        number=one.seq,
        at=one.at,
        actor=ids.public(prefix, one.actor_id) if prefix else "system",
        action=one.fact.action,
        about=one.fact.subject,
        details=dict(one.fact.details),
    )
