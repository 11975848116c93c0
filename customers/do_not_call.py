"""Do-not-call: the numbers a company must not call, for whatever reason it was told so.

A request is honoured at once and for good (16 CFR 310.4(b)(1)(iii)(A); the list of a seller has no end date).
Only a keyed hash of the number is kept, with no link to a customer's record, so the list stands when the
record is erased: who asked not to be called and then to be forgotten is still not called. A number taken off
leaves its line with who did that, when and why.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import TenantId, new_id
from core.phone import E164
from customers.errors import DoNotCallSourceError
from customers.models import DoNotCallRow
from security import evidence
from security.vault import Mark, Vault

INDEX = "do_not_call.phone"
_LONGEST_SOURCE = 60
_AT_ONCE = 1_000  # numbers in one statement


class Why(StrEnum):
    """Why a number was taken off."""

    HOLDER_ASKED = "holder-asked"
    NEW_HOLDER = "new-holder"
    MISTAKE = "mistake"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list, present or past; the number itself cannot be read back.

    `batch_id` is shared by the numbers of one upload. Lines of before have no `removed_why`.
    """

    id: UUID
    source: str
    batch_id: UUID | None
    added_at: dt.datetime
    added_by: UUID
    removed_at: dt.datetime | None
    removed_by: UUID | None
    removed_why: Why | None


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
    return bool(add_all(session, tenant_id=tenant_id, vault=vault, phones=[phone], source=source, by=by))


def add_all(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    phones: Sequence[E164],
    source: str,
    by: UUID,
    batch_id: UUID | None = None,
) -> int:
    """Put some numbers on the list; return how many were not on it yet.

    Args:
        session: inside the company's own context.
        tenant_id: the company.
        vault: for the keyed hashes.
        phones: canonical; one that stands twice counts once.
        source: as of `add`.
        by: the user, the API key or the agent.
        batch_id: of the upload, by which all of it can be taken back.

    Raises:
        DoNotCallSourceError: no source, or a long one.
    """
    if not 0 < len(source.strip()) <= _LONGEST_SOURCE:
        raise DoNotCallSourceError
    now, added = clock.now(), 0
    marks = list(dict.fromkeys(vault.mark(tenant_id, INDEX, phone) for phone in phones))
    for start in range(0, len(marks), _AT_ONCE):
        rows = [
            {
                "tenant_id": tenant_id,
                "id": new_id(),
                "phone_index": mark.value,
                "index_version": mark.version,
                "source": source.strip(),
                "batch_id": batch_id,
                "added_at": now,
                "added_by": by,
            }
            for mark in _not_below(session, tenant_id, marks[start : start + _AT_ONCE])
        ]
        if not rows:
            continue
        made = session.execute(
            insert(DoNotCallRow).values(rows).on_conflict_do_nothing().returning(DoNotCallRow.id)
        )
        added += len(made.all())
    if added:  # without the source: a program may have written a name into it, and no entry can be erased
        evidence.record(session, "do-not-call.added", numbers=added, batch=_named(batch_id))
    return added


def keep_barred(session: Session, *, tenant_id: TenantId, mark: Mark, source: str, by: UUID) -> bool:
    """Put a number on the list that is known by its keyed hash alone; False when it stands there already."""
    if not _not_below(session, tenant_id, [mark]):
        return False
    made = session.execute(
        insert(DoNotCallRow)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            phone_index=mark.value,
            index_version=mark.version,
            source=source,
            added_at=clock.now(),
            added_by=by,
        )
        .on_conflict_do_nothing()
        .returning(DoNotCallRow.id)
    ).scalar()
    return made is not None


def remove(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164, why: Why, by: UUID) -> bool:
    """Take a number off the list; False when it is not on it."""
    gone = session.execute(
        update(DoNotCallRow)
        .where(
            DoNotCallRow.tenant_id == tenant_id,
            DoNotCallRow.phone_index.in_(vault.mark(tenant_id, INDEX, phone).levels),
            DoNotCallRow.removed_at.is_(None),
        )
        .values(removed_at=clock.now(), removed_by=by, removed_why=why.value)
        .returning(DoNotCallRow.id)
    ).scalar()
    if gone is not None:
        evidence.record(session, "do-not-call.removed", entry=str(gone), why=why.value)
    return gone is not None


def remove_batch(session: Session, *, tenant_id: TenantId, batch_id: UUID, by: UUID) -> int:
    """Take back an upload: what it added and is still on the list; return how many."""
    gone = session.execute(
        update(DoNotCallRow)
        .where(
            DoNotCallRow.tenant_id == tenant_id,
            DoNotCallRow.batch_id == batch_id,
            DoNotCallRow.removed_at.is_(None),
        )
        .values(removed_at=clock.now(), removed_by=by, removed_why=Why.UNDONE.value)
        .returning(DoNotCallRow.id)
    )
    removed = len(gone.all())
    if removed:
        evidence.record(
            session,
            "do-not-call.removed",
            numbers=removed,
            batch=_named(batch_id),
            why=Why.UNDONE.value,
        )
    return removed


def is_listed(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> bool:
    """Return whether the company must not call this number."""
    return bool(listed_among(session, tenant_id=tenant_id, vault=vault, phones=[phone]))


def listed_among(
    session: Session, *, tenant_id: TenantId, vault: Vault, phones: Collection[E164]
) -> set[E164]:
    """Return those of some numbers that are on the list, in one statement; for the preview of an upload."""
    by_index = {level: phone for phone in phones for level in vault.mark(tenant_id, INDEX, phone).levels}
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


def lines(
    session: Session,
    *,
    tenant_id: TenantId,
    limit: int,
    after: UUID | None = None,
    before: UUID | None = None,
    present: bool | None = None,
) -> Sequence[Listed]:
    """Return a page of lines, newest first.

    Args:
        session: inside the company's own context.
        tenant_id: the company.
        limit: how many at most.
        after: begin below this line.
        before: end above this line: the `limit` lines next to it.
        present: only what is on the list, only what was taken off, or both.
    """
    query = select(DoNotCallRow).where(DoNotCallRow.tenant_id == tenant_id)
    if present is not None:
        removed_at = DoNotCallRow.removed_at
        query = query.where(removed_at.is_(None) if present else removed_at.is_not(None))
    if before is not None:
        up = query.where(DoNotCallRow.id > before).order_by(DoNotCallRow.id).limit(limit)
        return [_listed(row) for row in session.scalars(up)][::-1]
    if after is not None:
        query = query.where(DoNotCallRow.id < after)
    rows = session.scalars(query.order_by(DoNotCallRow.id.desc()).limit(limit))
    return [_listed(row) for row in rows]


def history(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> list[Listed]:
    """Return every time a number was put on the list and taken off, oldest first."""
    rows = session.scalars(
        select(DoNotCallRow)
        .where(
            DoNotCallRow.tenant_id == tenant_id,
            DoNotCallRow.phone_index.in_(vault.mark(tenant_id, INDEX, phone).levels),
        )
        .order_by(DoNotCallRow.id)
    )
    return [_listed(row) for row in rows]


def _not_below(session: Session, tenant_id: TenantId, marks: Sequence[Mark]) -> list[Mark]:
    """Leave out what stands on the list under another version, of which the unique index knows nothing."""
    others = [
        level for mark in marks for version, level in enumerate(mark.levels, 1) if version != mark.version
    ]
    if not others:
        return list(marks)
    found = set(
        session.scalars(
            select(DoNotCallRow.phone_index).where(
                DoNotCallRow.tenant_id == tenant_id,
                DoNotCallRow.phone_index.in_(others),
                DoNotCallRow.removed_at.is_(None),
            )
        )
    )
    return [mark for mark in marks if found.isdisjoint(mark.levels)]


def _named(batch_id: UUID | None) -> str | None:
    return None if batch_id is None else ids.public("dncb", batch_id)


def _listed(row: DoNotCallRow) -> Listed:
    return Listed(
        row.id,
        row.source,
        row.batch_id,
        row.added_at,
        row.added_by,
        row.removed_at,
        row.removed_by,
        Why(row.removed_why) if row.removed_why else None,
    )
