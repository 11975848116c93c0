"""Attempts: a lead is claimed, a call is made of it, and what became of it is written once.

Claiming and the lead's new state are one statement, so two pacers never get one lead. A claim without an
order to dial does not exist: both stand in one transaction, and whoever is killed in it has done nothing.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from campaigns import leads
from campaigns.leads import Lead
from campaigns.models import AttemptRow, CampaignRow, LeadRow
from campaigns.rules import UNATTEMPTED, LeadState, Next, Outcome, after
from core.ids import AgentId, AttemptId, CallId, CampaignId, CustomerId, LeadId, TenantId, new_id
from security.vault import Vault

_DUE = (LeadState.RETRY, LeadState.WAITING)  # in this order


@dataclass(frozen=True, slots=True)
class Claim:
    """A lead that is ours to call now, and the attempt under whose name."""

    attempt_id: AttemptId
    lead: Lead


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it stands; `outcome` None: it is being made."""

    attempt_id: AttemptId
    lead_id: LeadId
    claimed_at: dt.datetime
    outcome: Outcome | None
    reason: str | None
    call_id: CallId | None
    agent_id: AgentId | None
    answered_at: dt.datetime | None
    ended_at: dt.datetime | None


def claim(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    campaign_id: CampaignId,
    zones: Collection[str],
    most: int,
    at: dt.datetime,
) -> list[Claim]:
    """Claim leads that are due in zones whose hours are open: retries first, then in the order of the file.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        vault: opens.
        campaign_id: theirs.
        zones: where it is the right time to call.
        most: how many at most.
        at: the instant.
    """
    claimed: list[Claim] = []
    for state in _DUE:
        if len(claimed) < most and zones:
            claimed += _claim(
                session, tenant_id, vault, campaign_id, state, sorted(zones), most - len(claimed), at
            )
    return claimed


# Per zone a walk along the index, so that a million leads where it is night cost nothing.
_TAKE = sa.text(
    "WITH due AS (SELECT one.id FROM unnest(CAST(:zones AS text[])) AS place (zone) CROSS JOIN LATERAL"
    " (SELECT id, due_at, position FROM app.leads WHERE tenant_id = :tenant AND campaign_id = :campaign"
    " AND state = :state AND zone = place.zone AND due_at <= :at"
    " ORDER BY due_at, position LIMIT :most) AS one ORDER BY one.due_at, one.position LIMIT :most),"
    " free AS (SELECT id FROM app.leads WHERE tenant_id = :tenant AND id IN (SELECT id FROM due)"
    " AND state = :state ORDER BY due_at, position FOR UPDATE SKIP LOCKED),"
    " numbered AS (SELECT id, row_number() OVER () AS no FROM free),"
    " named AS (SELECT numbered.id, attempt.id AS attempt_id FROM numbered"
    " JOIN unnest(CAST(:attempts AS uuid[])) WITH ORDINALITY AS attempt (id, no) USING (no))"
    " UPDATE app.leads SET state = 'claimed', attempt_id = named.attempt_id, changed_at = :at"
    " FROM named WHERE leads.tenant_id = :tenant AND leads.id = named.id RETURNING leads.id"
)


def _claim(
    session: Session,
    tenant_id: TenantId,
    vault: Vault,
    campaign_id: CampaignId,
    state: LeadState,
    zones: list[str],
    most: int,
    at: dt.datetime,
) -> list[Claim]:
    taken = session.execute(
        _TAKE,
        {
            "zones": zones,
            "tenant": tenant_id,
            "campaign": campaign_id,
            "state": state.value,
            "most": most,
            "at": at,
            "attempts": [new_id() for _ in range(most)],
        },
    ).scalars()
    rows = session.scalars(
        sa.select(LeadRow)
        .where(LeadRow.tenant_id == tenant_id, LeadRow.id.in_(list(taken)))
        .order_by(LeadRow.due_at, LeadRow.position)
        .execution_options(populate_existing=True)
    ).all()
    session.add_all(
        AttemptRow(
            tenant_id=tenant_id, id=row.attempt_id, campaign_id=campaign_id, lead_id=row.id, claimed_at=at
        )
        for row in rows
    )
    session.flush()
    return [Claim(AttemptId(row.attempt_id), leads.opened(vault, row)) for row in rows if row.attempt_id]


def note_customer(session: Session, *, tenant_id: TenantId, lead_id: LeadId, customer_id: CustomerId) -> None:
    """Remember which customer a lead is."""
    session.execute(
        sa.update(LeadRow)
        .where(LeadRow.tenant_id == tenant_id, LeadRow.id == lead_id)
        .values(customer_id=customer_id)
        .execution_options(synchronize_session=False)
    )


def refuse(
    session: Session,
    *,
    tenant_id: TenantId,
    attempt_id: AttemptId,
    reason: str,
    at: dt.datetime,
    retry_at: dt.datetime | None,
) -> None:
    """Write that the gate said no: the lead waits until `retry_at`, or is closed when there is none."""
    row = _open(session, tenant_id, attempt_id)
    if row is None:
        return
    row.outcome, row.reason, row.ended_at = Outcome.REFUSED.value, reason, at
    lead = _lead(session, row)
    if retry_at is None:
        _close(lead, Next(LeadState.REFUSED, None), Outcome.REFUSED, at, reason)
    else:
        state = LeadState.RETRY if lead.attempts else LeadState.WAITING
        _close(lead, Next(state, retry_at), None, at, reason)
    session.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended, in this room's words."""

    outcome: Outcome
    ended_at: dt.datetime
    call_id: CallId | None = None
    agent_id: AgentId | None = None
    answered_at: dt.datetime | None = None


def settle(session: Session, *, tenant_id: TenantId, attempt_id: UUID, end: End) -> bool:
    """Write what became of an attempt, and of its lead; return False when it is none of ours, or was settled.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        attempt_id: the dial's key; a call dialled by hand has one that no campaign knows.
        end: what became of it.
    """
    row = _open(session, tenant_id, attempt_id)
    if row is None:
        return False
    row.outcome, row.ended_at = end.outcome.value, end.ended_at
    row.call_id, row.agent_id, row.answered_at = end.call_id, end.agent_id, end.answered_at
    lead = _lead(session, row)
    if lead.attempt_id == row.id:
        lead.attempts += end.outcome not in UNATTEMPTED
        campaign = session.get_one(CampaignRow, (tenant_id, row.campaign_id))
        found = after(
            end.outcome,
            attempts=lead.attempts,
            max_attempts=campaign.max_attempts,
            waits={Outcome(name): minutes for name, minutes in campaign.waits.items()},
            at=end.ended_at,
        )
        _close(lead, found, end.outcome, end.ended_at, None)
    session.flush()
    return True


def handed_over(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId, since: dt.datetime) -> int:
    """Return how many attempts were begun after an instant and have not ended."""
    return session.execute(
        sa.select(sa.func.count()).where(
            AttemptRow.tenant_id == tenant_id,
            AttemptRow.campaign_id == campaign_id,
            AttemptRow.outcome.is_(None),
            AttemptRow.claimed_at > since,
        )
    ).scalar_one()


def counts(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> dict[Outcome | None, int]:
    """Return how many attempts ended how; None: those that are being made."""
    rows = session.execute(
        sa.select(AttemptRow.outcome, sa.func.count())
        .where(AttemptRow.tenant_id == tenant_id, AttemptRow.campaign_id == campaign_id)
        .group_by(AttemptRow.outcome)
    )
    return {Outcome(outcome) if outcome else None: number for outcome, number in rows}


def refusals(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> dict[str, int]:
    """Return how many attempts the gate refused for which reason, most first."""
    number = sa.func.count().label("number")
    rows = session.execute(
        sa.select(AttemptRow.reason, number)
        .where(
            AttemptRow.tenant_id == tenant_id,
            AttemptRow.campaign_id == campaign_id,
            AttemptRow.outcome == Outcome.REFUSED.value,
        )
        .group_by(AttemptRow.reason)
        .order_by(number.desc())
    )
    return {row.reason or "": row.number for row in rows}


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the list, newest first; `following` begins the next."""

    attempts: tuple[Attempt, ...]
    following: AttemptId | None


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    lead_id: LeadId | None = None,
    is_open: bool = False,
    after_id: AttemptId | None = None,
    limit: int = 50,
) -> Page:
    """Return attempts, newest first.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        campaign_id: theirs.
        lead_id: only those to one lead.
        is_open: only those that are being made.
        after_id: `Page.following` of the page before.
        limit: 1 to 200.
    """
    query = sa.select(AttemptRow).where(
        AttemptRow.tenant_id == tenant_id, AttemptRow.campaign_id == campaign_id
    )
    if lead_id is not None:
        query = query.where(AttemptRow.lead_id == lead_id)
    if is_open:
        query = query.where(AttemptRow.outcome.is_(None))
    if after_id is not None:
        query = query.where(AttemptRow.id < after_id)
    limit = min(max(limit, 1), 200)
    rows = session.scalars(
        query.order_by(AttemptRow.id.desc()).limit(limit + 1).execution_options(populate_existing=True)
    ).all()
    found = tuple(_attempt(row) for row in rows[:limit])
    return Page(found, found[-1].attempt_id if len(rows) > limit else None)


def _open(session: Session, tenant_id: TenantId, attempt_id: UUID) -> AttemptRow | None:
    row = session.get(AttemptRow, (tenant_id, attempt_id), with_for_update=True, populate_existing=True)
    return row if row is not None and row.outcome is None else None


def _lead(session: Session, row: AttemptRow) -> LeadRow:
    return session.get_one(
        LeadRow, (row.tenant_id, row.lead_id), with_for_update=True, populate_existing=True
    )


def _close(lead: LeadRow, found: Next, outcome: Outcome | None, at: dt.datetime, reason: str | None) -> None:
    lead.state, lead.attempt_id, lead.changed_at, lead.reason = found.state.value, None, at, reason
    if found.due_at is not None:
        lead.due_at = found.due_at
    if outcome is not None and outcome not in UNATTEMPTED - {Outcome.REFUSED}:
        lead.outcome = outcome.value


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        attempt_id=AttemptId(row.id),
        lead_id=LeadId(row.lead_id),
        claimed_at=row.claimed_at,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        reason=row.reason,
        call_id=None if row.call_id is None else CallId(row.call_id),
        agent_id=None if row.agent_id is None else AgentId(row.agent_id),
        answered_at=row.answered_at,
        ended_at=row.ended_at,
    )
