"""Do-not-call: the numbers a company must not call, for whatever reason it was told so.

A request is honoured at once and for good (16 CFR 310.4(b)(1)(iii)(A); the list of a seller has no end date).
Only a keyed hash of the number is kept, with no link to a customer's record, so the list stands when the
record is erased: who asked not to be called and then to be forgotten is still not called. A number taken off
leaves its line with who did that, and when.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, new_id
from core.phone import E164
from customers.errors import DoNotCallSourceError
from customers.models import DoNotCallRow
from security.vault import Vault

INDEX = "do_not_call.phone"
_LONGEST_SOURCE = 60


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list, present or past; the number itself cannot be read back."""

    source: str
    added_at: dt.datetime
    added_by: UUID
    removed_at: dt.datetime | None
    removed_by: UUID | None


def add(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164, source: str, by: UUID) -> bool:
    """Put a number on the list; return False when it stands there already.

    Args:
        session: inside the company's own context.
        tenant_id: the company.
        vault: for the keyed hash.
        phone: canonical.
        source: how the company learnt it, 1 to 60 signs: `asked-in-call`, `upload`, `register`…
        by: the user, the API key or the agent.

    Raises:
        DoNotCallSourceError: no source, or a long one.
    """
    if not 0 < len(source.strip()) <= _LONGEST_SOURCE:
        raise DoNotCallSourceError
    made = session.execute(
        insert(DoNotCallRow)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            phone_index=vault.blind_index(tenant_id, INDEX, phone),
            source=source.strip(),
            added_at=clock.now(),
            added_by=by,
        )
        .on_conflict_do_nothing()
        .returning(DoNotCallRow.id)
    ).scalar()
    return made is not None


def remove(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164, by: UUID) -> bool:
    """Take a number off the list, because its holder wants to be called again; False when it is not on it."""
    gone = session.execute(
        update(DoNotCallRow)
        .where(
            DoNotCallRow.tenant_id == tenant_id,
            DoNotCallRow.phone_index == vault.blind_index(tenant_id, INDEX, phone),
            DoNotCallRow.removed_at.is_(None),
        )
        .values(removed_at=clock.now(), removed_by=by)
        .returning(DoNotCallRow.id)
    ).scalar()
    return gone is not None


def is_listed(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> bool:
    """Return whether the company must not call this number."""
    return bool(listed_among(session, tenant_id=tenant_id, vault=vault, phones=[phone]))


def listed_among(
    session: Session, *, tenant_id: TenantId, vault: Vault, phones: Collection[E164]
) -> set[E164]:
    """Return those of some numbers that are on the list, in one statement; for the preview of an upload."""
    by_index = {vault.blind_index(tenant_id, INDEX, phone): phone for phone in phones}
    found = session.scalars(
        select(DoNotCallRow.phone_index).where(
            DoNotCallRow.tenant_id == tenant_id,
            DoNotCallRow.phone_index.in_(list(by_index)),
            DoNotCallRow.removed_at.is_(None),
        )
    )
    return {by_index[bytes(index)] for index in found}


def count(session: Session, *, tenant_id: TenantId) -> int:
    """Return how many numbers are on the list."""
    return session.scalars(
        select(func.count()).where(DoNotCallRow.tenant_id == tenant_id, DoNotCallRow.removed_at.is_(None))
    ).one()


def history(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> list[Listed]:
    """Return every time a number was put on the list and taken off, oldest first."""
    rows = session.scalars(
        select(DoNotCallRow)
        .where(
            DoNotCallRow.tenant_id == tenant_id,
            DoNotCallRow.phone_index == vault.blind_index(tenant_id, INDEX, phone),
        )
        .order_by(DoNotCallRow.id)
    )
    return [Listed(row.source, row.added_at, row.added_by, row.removed_at, row.removed_by) for row in rows]
