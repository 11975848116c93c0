"""Files of tables that are too long for one request: asked for on a page, made piece by piece, gone in a day.

What a file holds is what its page shows, so it is drawn from the page's address, by the rights of who asked;
this room keeps the address (sealed), the place that was reached and the objects. It is drawn by
`wiring.downloading`.

A piece counts when its row says so, together with where the next begins: a worker that was killed loses the
piece it was at. An erasure, a deletion, a removal and the end of the day take the file away, also while it is
being made: what ends after that is refused and removed.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import TenantId, new_id
from security import evidence
from security.gate import Kind
from security.vault import Field, Vault
from tenants.errors import DownloadNotFoundError, DownloadsUnderWayError
from tenants.events import DownloadAsked
from tenants.models import DownloadRow

KEPT = dt.timedelta(days=1)
"""How long a file lies here; one that is not made by then is given up."""
AT_ONCE = 5
"""How many one person, or one key, has made at a time."""


class FileGone(StrEnum):
    """Why a file is gone."""

    EXPIRED = "expired"
    REMOVED = "removed"
    REFUSED = "refused"
    ERASURE = "erasure"
    DELETION = "deletion"


@dataclass(frozen=True, slots=True)
class File:
    """The file that lies here: its object, its length in bytes, and as what it is given out."""

    object: str
    size: int
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Download:
    """One file that was asked for.

    Attributes:
        asked_as: in what quality who asked came in: a person or a program.
        subject: the table, by its name in addresses.
        kind: `csv`, `xlsx`, or what else it is.
        address: path and query of the page it is drawn from.
        after: where the next piece begins; empty at the beginning.
        is_drawn: every row lies in `pieces`, and they are to be bound together.
        layout: what binding needs to know of the columns.
        pieces: objects, in order.
        done: how many of `total` rows are in; `total` None while it is not known.
        gone_why: None while it is there, or being made.
    """

    download_id: UUID
    tenant_id: TenantId
    asked_by: UUID
    asked_as: Kind
    asked_at: dt.datetime
    subject: str
    kind: str
    address: str
    state: str
    after: str
    is_drawn: bool
    layout: Mapping[str, Any]
    pieces: Sequence[str]
    done: int
    total: int | None
    file: File | None
    made_at: dt.datetime | None
    expires_at: dt.datetime
    gone_why: FileGone | None

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
    by_kind: Kind,
    subject: str,
    kind: str,
    address: str,
    total: int | None,
) -> UUID:
    """Have a table made into a file; return the file's id.

    Raises:
        DownloadsUnderWayError: so many are being made for this person already.
    """
    running = session.scalars(
        select(func.count()).where(
            DownloadRow.tenant_id == tenant_id, DownloadRow.asked_by == by, DownloadRow.state == "running"
        )
    ).one()
    if running >= AT_ONCE:
        raise DownloadsUnderWayError(most=AT_ONCE)
    download_id, now = new_id(), clock.now()
    session.add(
        DownloadRow(
            tenant_id=tenant_id,
            id=download_id,
            asked_by=by,
            asked_as=by_kind.value,
            asked_at=now,
            subject=subject,
            kind=kind,
            address_ct=vault.seal(_field(tenant_id, download_id), address),
            state="running",
            after="",
            is_drawn=False,
            layout={},
            pieces=[],
            done=0,
            total=total,
            expires_at=now + KEPT,
        )
    )
    session.flush()
    evidence.record(session, "download.asked", "dld", download_id, table=subject, format=kind)
    announce(session, DownloadAsked(tenant_id=tenant_id, download_id=download_id))
    return download_id


def find(session: Session, *, tenant_id: TenantId, vault: Vault, download_id: UUID) -> Download:
    """Return a file, whoever asked for it.

    Raises:
        DownloadNotFoundError: there is none of that id.
    """
    return _download(vault, _row(session, tenant_id, download_id))


def newest(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    asked_by: UUID,
    limit: int,
    before: UUID | None = None,
) -> list[Download]:
    """Return what one person, or one key, asked for, newest first; `before` goes on below one."""
    query = select(DownloadRow).where(DownloadRow.tenant_id == tenant_id, DownloadRow.asked_by == asked_by)
    if before is not None:
        query = query.where(DownloadRow.id < before)
    rows = session.scalars(
        query.order_by(DownloadRow.id.desc()).limit(limit).execution_options(populate_existing=True)
    )
    return [_download(vault, row) for row in rows]


def begin_piece(session: Session, *, tenant_id: TenantId, download_id: UUID) -> tuple[str, str | None] | None:
    """Say that a piece is being written now; return its object's name, and one that a dead worker left.

    Returns None when the file is not being made any more.
    """
    row = _row(session, tenant_id, download_id, is_locked=True)
    if row.state != "running":
        return None
    left, row.writing = row.writing, f"dld/{download_id}-{new_id().hex[-12:]}"
    session.flush()
    return row.writing, left


def finish_piece(
    session: Session,
    *,
    tenant_id: TenantId,
    download_id: UUID,
    name: str,
    after: str | None,
    layout: Mapping[str, Any],
    rows: int,
    total: int | None = None,
) -> bool:
    """Count a piece that lies in the storage; `after` None: it was the last.

    Returns False, and the object is to be removed, when the file went meanwhile or another worker is at it.
    """
    row = _row(session, tenant_id, download_id, is_locked=True)
    if row.state != "running" or row.writing != name:
        return False
    row.pieces, row.writing, row.layout = [*row.pieces, name], None, dict(layout)
    row.after, row.is_drawn, row.done = after or "", after is None, row.done + rows
    row.total = row.total if total is None else total
    session.flush()
    return True


def finish(session: Session, *, tenant_id: TenantId, download_id: UUID, file: File, done: int) -> bool:
    """Say that the whole file lies in the storage; its pieces are to be removed then.

    Returns False, and the object is to be removed, when the file went meanwhile or another worker is at it.
    """
    row = _row(session, tenant_id, download_id, is_locked=True)
    if row.state != "running" or row.writing != file.object:
        return False
    now = clock.now()
    row.file = {"object": file.object, "size": file.size, "name": file.name, "type": file.content_type}
    row.state, row.made_at, row.expires_at, row.writing = "ready", now, now + KEPT, None
    row.done = row.total = done
    session.flush()
    return True


def take_away(
    session: Session, *, tenant_id: TenantId, why: FileGone, download_id: UUID | None = None
) -> int:
    """Take one file, or all of a company, away; return how many. Remove their objects after the commit."""
    query = select(DownloadRow).where(DownloadRow.tenant_id == tenant_id, DownloadRow.state != "gone")
    if download_id is not None:
        query = query.where(DownloadRow.id == download_id)
    if why is FileGone.EXPIRED:
        query = query.where(DownloadRow.expires_at <= clock.now())
    rows = session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
    for row in rows:
        row.state, row.gone_at, row.gone_why = "gone", clock.now(), why.value
    session.flush()
    return len(rows)


def objects(session: Session, *, tenant_id: TenantId) -> Sequence[str]:
    """Return the objects of files that are kept, as far as they are whole."""
    query = select(DownloadRow).where(DownloadRow.tenant_id == tenant_id, DownloadRow.state != "gone")
    return [
        name
        for row in session.scalars(query)
        for name in ([row.file["object"]] if row.file is not None else row.pieces)
    ]


def objects_left(session: Session, *, tenant_id: TenantId, since: dt.datetime | None = None) -> Sequence[str]:
    """Return the objects of files that are gone, of those that went after `since`."""
    query = select(DownloadRow).where(DownloadRow.tenant_id == tenant_id, DownloadRow.state == "gone")
    if since is not None:
        query = query.where(DownloadRow.gone_at >= since)
    return [
        name
        for row in session.scalars(query)
        for name in (*row.pieces, row.writing, row.file["object"] if row.file else None)
        if name is not None
    ]


def _row(session: Session, tenant_id: TenantId, download_id: UUID, *, is_locked: bool = False) -> DownloadRow:
    row = session.get(
        DownloadRow,
        (tenant_id, download_id),
        with_for_update=True if is_locked else None,
        populate_existing=True,
    )
    if row is None:
        raise DownloadNotFoundError
    return row


def _field(tenant_id: TenantId, download_id: UUID) -> Field:
    return Field(tenant_id, "downloads", "address_ct", download_id, 1)


def _download(vault: Vault, row: DownloadRow) -> Download:
    return Download(
        row.id,
        TenantId(row.tenant_id),
        row.asked_by,
        Kind(row.asked_as),
        row.asked_at,
        row.subject,
        row.kind,
        vault.open(_field(TenantId(row.tenant_id), row.id), row.address_ct),
        row.state,
        row.after,
        row.is_drawn,
        row.layout,
        tuple(row.pieces),
        row.done,
        row.total,
        File(row.file["object"], row.file["size"], row.file["name"], row.file["type"]) if row.file else None,
        row.made_at,
        row.expires_at,
        FileGone(row.gone_why) if row.gone_why else None,
    )
