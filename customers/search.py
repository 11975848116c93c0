"""Finding customers by the last four digits of their number, or by words of their name.

Companies with few customers: all of them are opened and compared. From `narrow.FEWEST` on rows keep narrow
indexes; what these name is opened and compared as well. A name is besides looked for, as words anywhere in
it, among the customers added last; and so are endings while rows are still being indexed.
"""

from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import TenantId
from core.phone import E164
from customers import indexing, narrow, records
from customers.models import CustomerRow
from customers.narrow import BEGINNING, ENDING
from customers.records import CustomerCard
from security.vault import SealError, Vault

AMONG = 5_000
"""So many customers added last are opened where no index helps."""


def by_ending(
    session: Session, *, tenant_id: TenantId, vault: Vault, digits: str, limit: int = 200
) -> tuple[CustomerCard, ...]:
    """Return customers whose number ends with these four digits, those added last first.

    Raises:
        security.vault.SealError: a record was tampered with.
    """
    found = indexing.candidates(session, vault, tenant_id=tenant_id, index=ENDING, value=digits, among=AMONG)

    def fits(phone: str) -> bool:
        return narrow.ending_of(E164(phone)) == digits

    return _opened(session, vault, tenant_id, found, "phone", fits, limit)


def by_name(
    session: Session, *, tenant_id: TenantId, vault: Vault, words: str, limit: int = 200
) -> tuple[CustomerCard, ...]:
    """Return customers whose name has every one of `words`, those added last first.

    Looked for among the `AMONG` added last, and among all whose name begins with the same two signs as
    `words`, once the company keeps narrow indexes.
    """
    wanted = narrow.alike(words).split()
    if not wanted:
        return ()
    found = indexing.candidates(
        session, vault, tenant_id=tenant_id, index=BEGINNING, value=narrow.beginning_of(words), among=AMONG
    )

    def fits(name: str) -> bool:
        said = narrow.alike(name)
        return all(word in said for word in wanted)

    return _opened(session, vault, tenant_id, found, "name", fits, limit)


def fill(
    session: Session, vault: Vault, *, tenant_id: TenantId, after: UUID | None = None, limit: int = 500
) -> UUID | None:
    """Index some customers that the company's plan has not reached; return where to go on, None at the end.

    A record that does not open, or that somebody holds, is passed over and comes up the next time.
    """
    found = indexing.standing(session, tenant_id=tenant_id)
    if found is None:
        return None
    rows = session.scalars(
        sa.select(CustomerRow)
        .where(CustomerRow.tenant_id == tenant_id, indexing.is_behind(vault, found.plan, tenant_id=tenant_id))
        .where(CustomerRow.id > after if after else sa.true())
        .order_by(CustomerRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for row in rows:
        try:
            name, phone = (records.value(vault, row, column) for column in ("name", "phone"))
        except SealError:
            continue
        kept = indexing.planned(
            vault, found.plan, tenant_id=tenant_id, row_id=row.id, phone=E164(phone), name=name
        )
        row.ending_index, row.beginning_index = kept["ending_index"], kept["beginning_index"]
    session.flush()
    if len(rows) == limit:
        return rows[-1].id
    indexing.ready(session, vault, tenant_id=tenant_id)
    return None


def _opened(
    session: Session,
    vault: Vault,
    tenant_id: TenantId,
    candidates: list[UUID],
    column: str,
    fits: Callable[[str], bool],
    limit: int,
) -> tuple[CustomerCard, ...]:
    """Open one value of each candidate; return in full those it fits."""
    sealed = CustomerRow.name_ct if column == "name" else CustomerRow.phone_ct
    rows = session.execute(
        sa.select(CustomerRow.tenant_id, CustomerRow.id, CustomerRow.row_version, sealed)
        .where(CustomerRow.tenant_id == tenant_id, CustomerRow.id.in_(candidates))
        .order_by(CustomerRow.id.desc())
    )
    hits: list[UUID] = []
    for row in rows:
        if fits(records.value(vault, row, column)):
            hits.append(row.id)
            if len(hits) == limit:
                break
    whole = session.scalars(
        sa.select(CustomerRow)
        .where(CustomerRow.tenant_id == tenant_id, CustomerRow.id.in_(hits))
        .order_by(CustomerRow.id.desc())
        .execution_options(populate_existing=True)
    )
    return tuple(records.opened(vault, row) for row in whole)
