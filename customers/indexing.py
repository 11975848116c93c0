"""Which narrow indexes a company's customers keep, and which customers they name as worth opening.

A company that has grown to `narrow.FEWEST` gets a plan; rows written from then on keep its bits, those that
were there before are indexed by `search.fill`. When it has grown fourfold the plan is made anew; until all
rows follow it, the bits of the one before are asked for as well.
"""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from core.phone import E164
from customers import narrow
from customers.models import CustomerRow, CustomerSearchRow
from customers.narrow import BEGINNING, ENDING, Plan
from security.vault import Vault

_GROWN = 4  # times: then the bits are planned anew
_COLUMNS = {ENDING: CustomerRow.ending_index, BEGINNING: CustomerRow.beginning_index}


@dataclass(frozen=True, slots=True)
class Standing:
    """A company's plan; `before` are bits that rows may still be indexed with."""

    plan: Plan
    before: Plan | None
    is_ready: bool


def standing(session: Session, *, tenant_id: TenantId) -> Standing | None:
    """Return the company's plan, or None while it keeps no narrow index."""
    row = session.get(CustomerSearchRow, tenant_id, populate_existing=True)
    if row is None:
        return None
    before = None
    if row.ending_before is not None and row.beginning_before is not None:
        before = Plan(row.ending_before, row.beginning_before)
    return Standing(Plan(row.ending_bits, row.beginning_bits), before, row.ready_at is not None)


def columns(
    session: Session, vault: Vault, *, tenant_id: TenantId, row_id: UUID, phone: E164, name: str
) -> dict[str, int | None]:
    """Return what a row that is written now keeps."""
    found = standing(session, tenant_id=tenant_id)
    return planned(
        vault, found.plan if found else None, tenant_id=tenant_id, row_id=row_id, phone=phone, name=name
    )


def candidates(
    session: Session, vault: Vault, *, tenant_id: TenantId, index: str, value: str | None, among: int
) -> list[UUID]:
    """Return the ids of customers to open: those the index names, or the `among` added last, newest first."""
    found = standing(session, tenant_id=tenant_id)
    wanted = sa.select(CustomerRow.id).where(CustomerRow.tenant_id == tenant_id)
    ids: set[UUID] = set()
    if found and value:
        bits = {one.bits(index) for one in (found.plan, found.before) if one}
        numbers = [
            number
            for each in bits
            for number in narrow.asked(vault, each, tenant_id=tenant_id, index=index, value=value)
        ]
        ids.update(session.scalars(wanted.where(_COLUMNS[index].in_(numbers))))
    if not (found and found.is_ready and value and index == ENDING):
        ids.update(session.scalars(wanted.order_by(CustomerRow.id.desc()).limit(among)))
    return sorted(ids, reverse=True)


def is_behind(vault: Vault, chosen: Plan, *, tenant_id: TenantId) -> sa.ColumnElement[bool]:
    """Return what holds of rows that a plan, or a new key, has not reached."""
    version, _every = vault.index_versions(tenant_id)
    low, high = narrow.edges(chosen.ending, version)
    column = CustomerRow.ending_index
    return sa.or_(column.is_(None), column < low, column >= high)


def ready(session: Session, vault: Vault, *, tenant_id: TenantId) -> None:
    """Write down that every row follows the plan, if it is so."""
    row = session.get(CustomerSearchRow, tenant_id, populate_existing=True, with_for_update=True)
    if row is None or row.ready_at is not None:
        return
    chosen = Plan(row.ending_bits, row.beginning_bits)
    behind = sa.select(CustomerRow.id).where(
        CustomerRow.tenant_id == tenant_id, is_behind(vault, chosen, tenant_id=tenant_id)
    )
    if session.scalar(behind.limit(1)) is None:
        row.ready_at, row.ending_before, row.beginning_before = clock.now(), None, None
        session.flush()


def prepare(session: Session, *, tenant_id: TenantId) -> Standing | None:
    """Plan the company's indexes if it has grown into them, or out of them; return what is planned."""
    count = session.execute(
        sa.select(sa.func.count()).select_from(CustomerRow).where(CustomerRow.tenant_id == tenant_id)
    ).scalar_one()
    row = session.get(CustomerSearchRow, tenant_id, populate_existing=True, with_for_update=True)
    chosen = narrow.plan(count)
    if row is None and chosen is not None:
        session.execute(
            insert(CustomerSearchRow)
            .values(
                tenant_id=tenant_id,
                planned_for=count,
                ending_bits=chosen.ending,
                beginning_bits=chosen.beginning,
                planned_at=clock.now(),
            )
            .on_conflict_do_nothing()
        )
    elif row is not None and chosen is not None and count > _GROWN * row.planned_for and row.ready_at:
        row.ending_before, row.beginning_before = row.ending_bits, row.beginning_bits
        row.ending_bits, row.beginning_bits = chosen.ending, chosen.beginning
        row.planned_for, row.planned_at, row.ready_at = count, clock.now(), None
        session.flush()
    return standing(session, tenant_id=tenant_id)


def planned(
    vault: Vault, chosen: Plan | None, *, tenant_id: TenantId, row_id: UUID, phone: E164, name: str
) -> dict[str, int | None]:
    """Return what a row keeps by a plan; nothing without one."""
    if chosen is None:
        return {"ending_index": None, "beginning_index": None}
    return {
        "ending_index": narrow.stored(
            vault, chosen, tenant_id=tenant_id, row_id=row_id, index=ENDING, value=narrow.ending_of(phone)
        ),
        "beginning_index": narrow.stored(
            vault,
            chosen,
            tenant_id=tenant_id,
            row_id=row_id,
            index=BEGINNING,
            value=narrow.beginning_of(name),
        ),
    }
