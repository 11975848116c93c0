"""Exports of everything a company owns: asked for by an owner, made part by part, gone after a week.

It is sealed to the company's own key, in the age format (https://age-encryption.org/v1): to the public key it
gave, or to a key made for the one export, which lies beside the archive locked with a passphrase. The
passphrase is kept nowhere. What goes in, and how parts are written: `wiring.exporting`.

A part counts when its row says so: a worker that was killed, or that is overtaken, leaves an object that no
row names for longer than until the next one begins. An erasure, a deletion and the end of the week take the
whole archive away, also while it is being made: a part that ends after that is refused and removed.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import pyrage
from pyrage import passphrase as locks
from pyrage import x25519
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import TenantId, new_id
from core.taken import refused_as
from security import evidence, passwords
from security.passwords import WeakPasswordError
from security.vault import Field, Vault
from tenants.errors import ExportAskedWronglyError, ExportNotFoundError, ExportUnderWayError
from tenants.events import CompanyExportAsked
from tenants.models import CompanyExportRow

KEPT = dt.timedelta(days=7)
"""How long an archive lies here; an export that is not made by then is given up."""


class ArchiveGone(StrEnum):
    """Why an archive is gone."""

    EXPIRED = "expired"
    ERASURE = "erasure"
    REMOVED = "removed"
    DELETION = "deletion"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: the object it lies in, how long it is as the company gets it, and what it lists."""

    name: str
    size: int
    list_sha256: str


@dataclass(frozen=True, slots=True)
class Export:
    """One export.

    Attributes:
        recipient: the public key it is sealed to.
        is_locked: a passphrase opens it: the key lies beside it.
        cursor: where the next part begins.
        counts: rows by table, and how many recordings and documents.
        done: how many of `total` are in; `total` None until it has begun.
        stalled: what it waits for, a code, or None.
        gone_why: None while it is there, or being made.
    """

    export_id: UUID
    asked_by: UUID
    asked_at: dt.datetime
    recipient: str
    is_locked: bool
    state: str
    cursor: Mapping[str, Any]
    parts: tuple[Part, ...]
    counts: Mapping[str, int]
    done: int
    total: int | None
    stalled: str | None
    made_at: dt.datetime | None
    expires_at: dt.datetime
    gone_at: dt.datetime | None
    gone_why: ArchiveGone | None

    @property
    def is_ready(self) -> bool:
        """Whether it can be fetched at this moment."""
        return self.state == "ready" and clock.now() < self.expires_at


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    by: UUID,
    passphrase: str = "",
    recipient: str = "",
) -> UUID:
    """Ask for an export, sealed to a passphrase or to an age public key; return its id.

    With a passphrase this takes about a second of work, by design (scrypt).

    Raises:
        ExportAskedWronglyError: neither or both, a passphrase no password may be, or no such public key.
        ExportUnderWayError: one is being made.
    """
    if any(one.state == "running" for one in newest(session, tenant_id=tenant_id, limit=1)):
        raise ExportUnderWayError
    if bool(passphrase) == bool(recipient):
        raise ExportAskedWronglyError
    export_id, key = new_id(), None
    if recipient:
        recipient = _public_key(recipient)
    else:
        identity = x25519.Identity.generate()
        recipient = str(identity.to_public())
        key = vault.seal(_field(tenant_id, export_id), _locked(identity, passphrase))
    now = clock.now()
    row = CompanyExportRow(
        tenant_id=tenant_id,
        id=export_id,
        asked_by=by,
        asked_at=now,
        recipient=recipient,
        key_ct=key,
        state="running",
        cursor={},
        parts=[],
        counts={},
        done=0,
        expires_at=now + KEPT,
    )
    with refused_as(session, ExportUnderWayError):
        session.add(row)
    evidence.record(session, "export.asked", "exp", export_id, to="passphrase" if key else recipient)
    announce(session, CompanyExportAsked(tenant_id=tenant_id, export_id=export_id))
    return export_id


def find(session: Session, *, tenant_id: TenantId, export_id: UUID) -> Export:
    """Return an export.

    Raises:
        ExportNotFoundError: there is none of that id.
    """
    return _export(_row(session, tenant_id, export_id))


def newest(session: Session, *, tenant_id: TenantId, limit: int, before: UUID | None = None) -> list[Export]:
    """Return exports, newest first; `before` goes on below one."""
    query = select(CompanyExportRow).where(CompanyExportRow.tenant_id == tenant_id)
    if before is not None:
        query = query.where(CompanyExportRow.id < before)
    rows = session.scalars(
        query.order_by(CompanyExportRow.id.desc()).limit(limit).execution_options(populate_existing=True)
    )
    return [_export(row) for row in rows]


def locked_key(session: Session, *, tenant_id: TenantId, vault: Vault, export_id: UUID) -> str | None:
    """Return the key of an archive, locked with its passphrase: text in the age format; None without one."""
    row = _row(session, tenant_id, export_id)
    return vault.open(_field(tenant_id, export_id), row.key_ct) if row.key_ct is not None else None


def begin_part(
    session: Session, *, tenant_id: TenantId, export_id: UUID, total: int | None = None
) -> tuple[str, str | None] | None:
    """Say that a part is being written now; return its object's name, and one that a dead worker left.

    Returns None when the export is not being made any more.
    """
    row = _row(session, tenant_id, export_id, is_locked=True)
    if row.state != "running":
        return None
    left, row.writing = row.writing, f"exp/{export_id}-{new_id().hex[-12:]}"
    row.total = total if row.total is None else row.total
    row.stalled = None
    session.flush()
    return row.writing, left


def finish_part(
    session: Session,
    *,
    tenant_id: TenantId,
    export_id: UUID,
    part: Part,
    cursor: Mapping[str, Any],
    counts: Mapping[str, int],
    done: int,
    is_last: bool,
) -> bool:
    """Count a part that lies in the storage; with the last one the archive is ready.

    Returns False, and the object is to be removed, when the export went meanwhile or another worker is at it.
    """
    row = _row(session, tenant_id, export_id, is_locked=True)
    if row.state != "running" or row.writing != part.name:
        return False
    row.parts = [*row.parts, {"name": part.name, "size": part.size, "list": part.list_sha256}]
    row.cursor, row.counts, row.done, row.writing = dict(cursor), dict(counts), done, None
    if is_last:
        now = clock.now()
        row.state, row.made_at, row.expires_at = "ready", now, now + KEPT
        evidence.record(session, "export.made", "exp", export_id, parts=len(row.parts), items=done)
    session.flush()
    return True


def stall(session: Session, *, tenant_id: TenantId, export_id: UUID, why: str) -> None:
    """Say what an export waits for."""
    row = _row(session, tenant_id, export_id, is_locked=True)
    if row.state == "running":
        row.stalled = why
        session.flush()


def take_away(
    session: Session, *, tenant_id: TenantId, why: ArchiveGone, export_id: UUID | None = None
) -> int:
    """Take one archive, or all of a company, away; return how many. Remove their objects after the commit."""
    query = select(CompanyExportRow).where(
        CompanyExportRow.tenant_id == tenant_id, CompanyExportRow.state != "gone"
    )
    if export_id is not None:
        query = query.where(CompanyExportRow.id == export_id)
    if why is ArchiveGone.EXPIRED:
        query = query.where(CompanyExportRow.expires_at <= clock.now())
    rows = session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
    for row in rows:
        row.state, row.gone_at, row.gone_why, row.key_ct = "gone", clock.now(), why.value, None
        evidence.record(session, "export.removed", "exp", row.id, why=why.value)
    session.flush()
    return len(rows)


def objects(session: Session, *, tenant_id: TenantId) -> Sequence[str]:
    """Return the objects of archives that are kept, as far as they are whole."""
    query = select(CompanyExportRow).where(
        CompanyExportRow.tenant_id == tenant_id, CompanyExportRow.state != "gone"
    )
    return [one["name"] for row in session.scalars(query) for one in row.parts]


def objects_left(session: Session, *, tenant_id: TenantId, since: dt.datetime | None = None) -> Sequence[str]:
    """Return the objects of archives that are gone, of those that went after `since`."""
    query = select(CompanyExportRow).where(
        CompanyExportRow.tenant_id == tenant_id, CompanyExportRow.state == "gone"
    )
    if since is not None:
        query = query.where(CompanyExportRow.gone_at >= since)
    return [
        name
        for row in session.scalars(query)
        for name in (*(one["name"] for one in row.parts), row.writing)
        if name is not None
    ]


def _public_key(text: str) -> str:
    try:
        return str(x25519.Recipient.from_str(text.strip()))
    except pyrage.RecipientError as error:
        raise ExportAskedWronglyError from error


def _locked(identity: x25519.Identity, passphrase: str) -> str:
    try:
        passwords.check(passphrase)
    except WeakPasswordError as error:
        raise ExportAskedWronglyError from error
    # as it was typed: whoever opens it with a tool of their own types the same
    return locks.encrypt(f"{identity}\n".encode(), passphrase, armored=True).decode()


def _row(
    session: Session, tenant_id: TenantId, export_id: UUID, *, is_locked: bool = False
) -> CompanyExportRow:
    row = session.get(
        CompanyExportRow,
        (tenant_id, export_id),
        with_for_update=True if is_locked else None,
        populate_existing=True,
    )
    if row is None:
        raise ExportNotFoundError
    return row


def _field(tenant_id: TenantId, export_id: UUID) -> Field:
    return Field(tenant_id, "company_exports", "key_ct", export_id, 1)


def _export(row: CompanyExportRow) -> Export:
    return Export(
        row.id,
        row.asked_by,
        row.asked_at,
        row.recipient,
        row.key_ct is not None,
        row.state,
        row.cursor,
        tuple(Part(one["name"], one["size"], one["list"]) for one in row.parts),
        row.counts,
        row.done,
        row.total,
        row.stalled,
        row.made_at,
        row.expires_at,
        row.gone_at,
        ArchiveGone(row.gone_why) if row.gone_why else None,
    )
