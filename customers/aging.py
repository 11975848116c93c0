"""What of contacts is removed by age: what agents noted, and the lines themselves; holds are respected."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import TenantId
from customers.models import InteractionRow
from tenants.holds import Held


def count(session: Session, *, tenant_id: TenantId, before: dt.datetime, held: Held, notes_only: bool) -> int:
    """Return how many contacts, or how many notes, that began before an instant may go."""
    found = sa.select(sa.func.count()).select_from(InteractionRow)
    return session.execute(found.where(*_old(tenant_id, before, held, notes_only=notes_only))).scalar_one()


def remove(
    session: Session,
    *,
    tenant_id: TenantId,
    before: dt.datetime,
    held: Held,
    notes_only: bool,
    limit: int,
) -> int:
    """Remove some of them, or what was noted on them; return of how many."""
    found = session.scalars(
        sa.select(InteractionRow.id)
        .where(*_old(tenant_id, before, held, notes_only=notes_only))
        .order_by(InteractionRow.id)
        .limit(limit)
    ).all()
    theirs = (InteractionRow.tenant_id == tenant_id, InteractionRow.id.in_(found))
    gone = (
        sa.update(InteractionRow).where(*theirs).values(note_ct=None)
        if notes_only
        else sa.delete(InteractionRow).where(*theirs)
    )
    session.execute(gone.execution_options(synchronize_session=False))
    return len(found)


def _old(
    tenant_id: TenantId, before: dt.datetime, held: Held, *, notes_only: bool
) -> list[sa.ColumnElement[bool]]:
    return [
        InteractionRow.tenant_id == tenant_id,
        InteractionRow.started_at < before,
        InteractionRow.subject_ref.not_in(held.calls),
        sa.or_(InteractionRow.customer_id.is_(None), InteractionRow.customer_id.not_in(held.customers)),
        *([InteractionRow.note_ct.is_not(None)] if notes_only else []),
    ]
