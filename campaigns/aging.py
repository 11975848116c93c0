"""What of campaigns is removed by age: the leads of those that have ended, with the attempts at them."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from campaigns import erasure
from campaigns.models import AttemptRow, CampaignRow, LeadRow
from core.ids import TenantId
from tenants.holds import Held


def leads(session: Session, *, tenant_id: TenantId, before: dt.datetime, held: Held) -> int:
    """Return how many leads of campaigns that ended before an instant may go."""
    found = sa.select(sa.func.count()).select_from(LeadRow)
    return session.execute(found.where(*_old(tenant_id, before, held))).scalar_one()


def remove(session: Session, *, tenant_id: TenantId, before: dt.datetime, held: Held, limit: int) -> int:
    """Remove some of them; return how many."""
    found = session.scalars(
        sa.select(LeadRow.id).where(*_old(tenant_id, before, held)).order_by(LeadRow.id).limit(limit)
    ).all()
    return erasure.remove(session, tenant_id=tenant_id, leads=found) if found else 0


def _old(tenant_id: TenantId, before: dt.datetime, held: Held) -> list[sa.ColumnElement[bool]]:
    ended = sa.select(CampaignRow.id).where(CampaignRow.tenant_id == tenant_id, CampaignRow.ended_at < before)
    spared = sa.select(AttemptRow.lead_id).where(
        AttemptRow.tenant_id == tenant_id, AttemptRow.call_id.in_(held.calls)
    )
    return [
        LeadRow.tenant_id == tenant_id,
        LeadRow.campaign_id.in_(ended),
        LeadRow.id.not_in(spared),
        sa.or_(LeadRow.customer_id.is_(None), LeadRow.customer_id.not_in(held.customers)),
    ]
