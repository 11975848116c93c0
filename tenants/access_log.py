"""Who let whom in: every change of what a person or a key may do, append-only.

For the company to read (ISO/IEC 27001:2022, A.5.18: access is given, changed and removed on record). An entry
names people and keys by id; names are opened when it is read.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import KeyId, TenantId, UserId, new_id
from tenants.models import AccessLogRow


class Deed(StrEnum):
    """What was done."""

    INVITED = "invited"
    LINK_MADE = "link-made"
    CHOSEN = "password-chosen"  # by somebody's link
    ROLE_CHANGED = "role-changed"
    SHUT_OUT = "shut-out"
    LET_IN = "let-in"
    KEY_MADE = "key-made"
    KEY_REVOKED = "key-revoked"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed: when, by which user or key, to whom or to which key; roles before and after."""

    id: UUID
    at: dt.datetime
    by: UUID
    deed: Deed
    user_id: UserId | None
    key_id: KeyId | None
    was: tuple[str, ...]
    now: tuple[str, ...]


def write(
    session: Session,
    *,
    tenant_id: TenantId,
    by: UUID,
    deed: Deed,
    user_id: UserId | None = None,
    key_id: KeyId | None = None,
    was: Iterable[str] = (),
    now: Iterable[str] = (),
) -> None:
    """Write a deed down, in the transaction that does it."""
    session.add(
        AccessLogRow(
            tenant_id=tenant_id,
            id=new_id(),
            at=clock.now(),
            by_id=by,
            deed=deed.value,
            user_id=user_id,
            key_id=key_id,
            was=" ".join(was),
            became=" ".join(now),
        )
    )
    session.flush()


def of_user(session: Session, *, tenant_id: TenantId, user_id: UserId, limit: int) -> Sequence[Entry]:
    """Return what was done to one person's access, newest first."""
    query = select(AccessLogRow).where(AccessLogRow.tenant_id == tenant_id, AccessLogRow.user_id == user_id)
    return _entries(session, query.order_by(AccessLogRow.id.desc()).limit(limit))


def latest(
    session: Session, *, tenant_id: TenantId, limit: int, after: UUID | None = None
) -> Sequence[Entry]:
    """Return what was done in the company, newest first, beginning after an entry."""
    query = select(AccessLogRow).where(AccessLogRow.tenant_id == tenant_id)
    if after is not None:
        query = query.where(AccessLogRow.id < after)
    return _entries(session, query.order_by(AccessLogRow.id.desc()).limit(limit))


def _entries(session: Session, query: Select[AccessLogRow]) -> list[Entry]:
    return [
        Entry(
            row.id,
            row.at,
            row.by_id,
            Deed(row.deed),
            UserId(row.user_id) if row.user_id else None,
            KeyId(row.key_id) if row.key_id else None,
            tuple(row.was.split()),
            tuple(row.became.split()),
        )
        for row in session.scalars(query)
    ]
