"""Forgetting a person: their leads in every campaign, and what became of the attempts to reach them.

A lead goes out of the dialling queue with its row.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from campaigns.leads import PHONE_INDEX
from campaigns.models import LeadRow
from core.ids import CustomerId, TenantId
from security.vault import Mark

INDEX = PHONE_INDEX
"""The index of this room by which a number is found."""


def forget(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId | None, mark: Mark
) -> dict[str, int]:
    """Remove their leads with the attempts at them; return how many went."""
    theirs: sa.ColumnElement[bool] = LeadRow.phone_index.in_(mark.levels)
    if customer_id is not None:  # compared with nobody, the column would match every lead
        theirs = sa.or_(theirs, LeadRow.customer_id == customer_id)
    found = session.scalars(sa.select(LeadRow.id).where(LeadRow.tenant_id == tenant_id, theirs)).all()
    return {"leads": remove(session, tenant_id=tenant_id, leads=found)}


def remove(session: Session, *, tenant_id: TenantId, leads: Sequence[UUID]) -> int:
    """Remove leads with the attempts at them; return how many."""
    session.execute(sa.text("SELECT erase.attempts(:leads)"), {"leads": list(leads)})
    session.execute(sa.delete(LeadRow).where(LeadRow.tenant_id == tenant_id, LeadRow.id.in_(leads)))
    return len(leads)
