"""Idempotency keys: a request that is sent twice acts once.

Form follows draft-ietf-httpapi-idempotency-key-header-07. A key is first claimed in a transaction of its
own; the answer is written in the very transaction that holds the effect, so an answer exists exactly
when the effect does. A claim whose process died holds nothing, and may be taken over after a minute; the
attempt that lost its claim cannot commit.
"""

import datetime as dt
import json
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, new_id
from security.vault import Field, Vault
from tenants.errors import RepeatLostError
from tenants.models import RepeatRow

KEPT = dt.timedelta(hours=48)
_HELD = dt.timedelta(seconds=60)


class Claim(StrEnum):
    """What became of claiming a key."""

    FRESH = "fresh"  # ours: act, then `settle`
    RUNNING = "running"  # the first request is still at work
    DIFFERENT = "different"  # the key was used for another request
    DONE = "done"  # here is the answer it got


@dataclass(frozen=True, slots=True)
class Claimed:
    """The claim, the attempt it was made under, and the answer when there is one."""

    claim: Claim
    attempt: UUID
    status: int = 0
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def claim(
    session: Session, *, tenant_id: TenantId, vault: Vault, principal_id: UUID, key: str, request_hash: bytes
) -> Claimed:
    """Claim a key for one attempt. Commit this transaction before acting."""
    now = clock.now()
    attempt = new_id()
    fresh = {
        "attempt": attempt,
        "request_hash": request_hash,
        "created_at": now,
        "held_until": now + _HELD,
        "status": None,
        "answer": None,
    }
    statement = insert(RepeatRow).values(tenant_id=tenant_id, principal_id=principal_id, key=key, **fresh)
    taken = session.execute(statement.on_conflict_do_nothing().returning(RepeatRow.attempt)).scalar()
    if taken is not None:
        return Claimed(Claim.FRESH, attempt)
    row = session.get(RepeatRow, (tenant_id, principal_id, key), with_for_update=True)
    if row is None:  # removed between the two statements: its request failed; let the sender try again
        return Claimed(Claim.RUNNING, attempt)
    if now - row.created_at >= KEPT or (
        row.status is None and now >= row.held_until and row.request_hash == request_hash
    ):
        for name, value in fresh.items():
            setattr(row, name, value)
        session.flush()
        return Claimed(Claim.FRESH, attempt)
    if row.request_hash != request_hash:
        return Claimed(Claim.DIFFERENT, attempt)
    if row.status is None or row.answer is None:
        return Claimed(Claim.RUNNING, attempt)
    answer = json.loads(vault.open(_field(tenant_id, row.attempt), row.answer))
    headers = tuple((name, value) for name, value in answer["headers"])
    return Claimed(Claim.DONE, row.attempt, row.status, answer["body"], headers)


def settle(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    principal_id: UUID,
    key: str,
    attempt: UUID,
    status: int,
    body: str,
    headers: tuple[tuple[str, str], ...],
) -> None:
    """Write the answer, in the transaction that holds the effect.

    Raises:
        RepeatLostError: another attempt took the key over; roll this one back.
    """
    text = json.dumps({"body": body, "headers": headers})
    written = session.execute(
        update(RepeatRow)
        .where(
            RepeatRow.tenant_id == tenant_id,
            RepeatRow.principal_id == principal_id,
            RepeatRow.key == key,
            RepeatRow.attempt == attempt,
        )
        .values(status=status, answer=vault.seal(_field(tenant_id, attempt), text))
        .returning(RepeatRow.attempt)
    ).scalar()
    if written is None:
        raise RepeatLostError


def release(session: Session, *, tenant_id: TenantId, principal_id: UUID, key: str, attempt: UUID) -> None:
    """Give a key back after an attempt that had no effect, so that a corrected request may use it."""
    session.execute(
        delete(RepeatRow).where(
            RepeatRow.tenant_id == tenant_id,
            RepeatRow.principal_id == principal_id,
            RepeatRow.key == key,
            RepeatRow.attempt == attempt,
            RepeatRow.status.is_(None),
        )
    )


def sweep(session: Session, *, tenant_id: TenantId) -> None:
    """Forget keys older than two days. For the periodic table."""
    session.execute(
        delete(RepeatRow).where(RepeatRow.tenant_id == tenant_id, RepeatRow.created_at < clock.now() - KEPT)
    )


def _field(tenant_id: UUID, attempt: UUID) -> Field:
    return Field(tenant_id, "repeats", "answer", attempt, 1, "integration")
