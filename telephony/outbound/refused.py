"""Calls that were not placed, and why: what the gate has refused, newest first."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import AgentId, TenantId
from telephony.models import DialDecisionRow
from telephony.outbound.gate import RefusalReason


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal. `prefix` is the number without its last four digits; a short code is whole.

    `campaign_id` None: dialled by hand, by `by_agent_id`.
    """

    decision_id: UUID
    at: dt.datetime
    reason: RefusalReason
    prefix: str
    campaign_id: UUID | None
    by_agent_id: AgentId | None
    retry_at: dt.datetime | None


def page(
    session: Session, *, tenant_id: TenantId, limit: int, after: UUID | None = None
) -> Sequence[Refused]:
    """Return refusals of a company, newest first; `after` goes on behind one of them."""
    query = select(DialDecisionRow).where(
        DialDecisionRow.tenant_id == tenant_id, DialDecisionRow.is_cleared.is_(False)
    )
    if after is not None:
        query = query.where(DialDecisionRow.id < after)
    return [
        Refused(
            row.id,
            row.decided_at,
            RefusalReason(row.reason or ""),
            row.prefix,
            row.campaign_id,
            AgentId(row.by_agent_id) if row.by_agent_id else None,
            row.retry_at,
        )
        for row in session.scalars(query.order_by(DialDecisionRow.id.desc()).limit(limit))
    ]
