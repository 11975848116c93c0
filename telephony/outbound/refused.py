"""Calls that were not placed, and why: what the gate has refused, newest first."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.ids import AgentId, TenantId
from telephony.models import DialDecisionRow
from telephony.outbound.gate import RefusalReason

# what limits, lists of destinations and stops refuse: what toll fraud runs into, and work by the day does not
GUARDED = (
    RefusalReason.STOPPED,
    RefusalReason.STOPPED_BY_OPERATOR,
    RefusalReason.PREMIUM,
    RefusalReason.SHARED_COST,
    RefusalReason.PERSONAL,
    RefusalReason.PAGER,
    RefusalReason.SATELLITE,
    RefusalReason.BARRED,
    RefusalReason.COUNTRY,
    RefusalReason.CALLER_NOT_OURS,
    RefusalReason.CALLER_UNPROVEN,
    RefusalReason.DAY_SPENT,
)


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


def guarded(session: Session, *, tenant_id: TenantId, since: dt.datetime) -> dict[dt.datetime, int]:
    """Return how many calls were refused for a reason of `GUARDED`, by the hour, from `since` on."""
    hour = func.date_trunc("hour", DialDecisionRow.decided_at, "UTC")
    rows = session.execute(
        select(hour, func.count())
        .where(
            DialDecisionRow.tenant_id == tenant_id,
            DialDecisionRow.is_cleared.is_(False),
            DialDecisionRow.decided_at >= since,
            DialDecisionRow.reason.in_([one.value for one in GUARDED]),
        )
        .group_by(hour)
    )
    return {when: times for when, times in rows}  # noqa: C416 - rows are no pairs for mypy
