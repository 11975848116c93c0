"""Leads: who may be called, in what order, and what became of each.

A lead's number, name and further columns are one sealed value, bound to its row. The number is found by a
keyed index: one number is one lead of a campaign.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from campaigns.models import LeadRow
from campaigns.rules import LEFT, Again, LeadState
from core import clock
from core.ids import CampaignId, CustomerId, LeadId, TenantId, new_id
from core.phone import E164
from security import evidence
from security.vault import Field, Mark, Vault

PHONE_INDEX = "leads.phone"
_ROWS_OF_A_FILE = 24  # bits: a file has at most 2^24 rows, so positions of two files never meet


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a lead is about, in clear; never in a log."""

    phone: E164 = field(repr=False)
    name: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewLead:
    """One good row of a lead file."""

    row_number: int
    person: Person
    zone: str


@dataclass(frozen=True, slots=True)
class Lead:
    """One lead as it stands."""

    lead_id: LeadId
    campaign_id: CampaignId
    person: Person
    zone: str
    state: LeadState
    attempts: int
    due_at: dt.datetime
    outcome: str | None
    reason: str | None
    customer_id: CustomerId | None
    changed_at: dt.datetime
    position: int


def add(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    campaign_id: CampaignId,
    file: int,
    found: Sequence[NewLead],
) -> int:
    """Store the leads whose number the campaign does not have; return how many that were.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        vault: seals.
        campaign_id: theirs.
        file: the file's ordinal within the campaign; with the row it gives the order of calling.
        found: of one file, one row each.
    """
    now = clock.now()
    columns: dict[str, list[object]] = {name: [] for name in ("id", "position", "person", "phone", "zone")}
    marks = [vault.mark(tenant_id, PHONE_INDEX, one.person.phone) for one in found]
    seen = _below(session, tenant_id, campaign_id, marks)
    for one, mark in zip(found, marks, strict=True):
        if not seen.isdisjoint(mark.levels):
            continue
        seen.add(mark.value)
        lead_id = LeadId(new_id())
        columns["id"].append(lead_id)
        columns["position"].append(file << _ROWS_OF_A_FILE | one.row_number)
        columns["person"].append(_sealed(vault, tenant_id, lead_id, one.person))
        columns["phone"].append(mark.value)
        columns["zone"].append(one.zone)
    if not columns["id"]:
        return 0
    added = session.execute(
        _ADD,
        {
            **columns,
            "tenant": tenant_id,
            "campaign": campaign_id,
            "version": marks[0].version,
            "state": LeadState.WAITING.value,
            "now": now,
        },
    )
    return len(added.all())


def _below(
    session: Session, tenant_id: TenantId, campaign_id: CampaignId, marks: Sequence[Mark]
) -> set[bytes]:
    """Return what stands in the campaign under another version, of which the unique index knows nothing."""
    others = [
        level for mark in marks for version, level in enumerate(mark.levels, 1) if version != mark.version
    ]
    if not others:
        return set()
    return set(
        session.scalars(
            sa.select(LeadRow.phone_index).where(
                LeadRow.tenant_id == tenant_id,
                LeadRow.campaign_id == campaign_id,
                LeadRow.phone_index.in_(others),
            )
        )
    )


# one statement with five arrays: rows by the thousand, and duplicates left out by the index itself
_ADD = sa.text(
    "INSERT INTO app.leads (tenant_id, id, campaign_id, position, person_ct, index_version, phone_index,"
    " zone, state, attempts, due_at, changed_at)"
    " SELECT :tenant, one.id, :campaign, one.position, one.person, :version, one.phone, one.zone, :state, 0,"
    " :now, :now"
    " FROM unnest(CAST(:id AS uuid[]), CAST(:position AS bigint[]), CAST(:person AS bytea[]),"
    " CAST(:phone AS bytea[]), CAST(:zone AS text[])) AS one (id, position, person, phone, zone)"
    " ON CONFLICT (tenant_id, campaign_id, index_version, phone_index) DO NOTHING RETURNING 1"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the list; `after` fetches the next, None at the end."""

    leads: tuple[Lead, ...]
    after: int | None


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    campaign_id: CampaignId,
    states: Collection[LeadState] = (),
    phone: E164 | None = None,
    after: int = 0,
    limit: int = 50,
) -> Page:
    """Return leads in their order, those after the position `after`.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        vault: opens.
        campaign_id: theirs.
        states: only leads in one of these; empty: all.
        phone: only the lead with this number.
        after: `Page.after` of the page before.
        limit: 1 to 200.
    """
    query = sa.select(LeadRow).where(
        LeadRow.tenant_id == tenant_id, LeadRow.campaign_id == campaign_id, LeadRow.position > after
    )
    if states:
        query = query.where(LeadRow.state.in_([one.value for one in states]))
    if phone is not None:
        query = query.where(
            LeadRow.phone_index.in_(vault.mark(tenant_id, PHONE_INDEX, phone).levels),
        )
    limit = min(max(limit, 1), 200)
    rows = (
        session.execute(
            query.order_by(LeadRow.position).limit(limit + 1).execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )
    found = tuple(opened(vault, row) for row in rows[:limit])
    return Page(found, found[-1].position if len(rows) > limit else None)


def counts(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> dict[LeadState, int]:
    """Return how many leads stand where; states without any are left out."""
    rows = session.execute(
        sa.select(LeadRow.state, sa.func.count())
        .where(LeadRow.tenant_id == tenant_id, LeadRow.campaign_id == campaign_id)
        .group_by(LeadRow.state)
    )
    return {LeadState(state): number for state, number in rows}


def counts_of(
    session: Session, *, tenant_id: TenantId, campaign_ids: Collection[CampaignId]
) -> dict[CampaignId, dict[LeadState, int]]:
    """Return `counts` of several campaigns, in one statement."""
    rows = session.execute(
        sa.select(LeadRow.campaign_id, LeadRow.state, sa.func.count())
        .where(LeadRow.tenant_id == tenant_id, LeadRow.campaign_id.in_(campaign_ids))
        .group_by(LeadRow.campaign_id, LeadRow.state)
    )
    found: dict[CampaignId, dict[LeadState, int]] = {}
    for campaign_id, state, number in rows:
        found.setdefault(CampaignId(campaign_id), {})[LeadState(state)] = number
    return found


def some(
    session: Session, *, tenant_id: TenantId, vault: Vault, lead_ids: Collection[LeadId]
) -> dict[LeadId, Lead]:
    """Return some leads by their ids; those that are not there are left out."""
    rows = session.scalars(
        sa.select(LeadRow)
        .where(LeadRow.tenant_id == tenant_id, LeadRow.id.in_(lead_ids))
        .execution_options(populate_existing=True)
    )
    return {LeadId(row.id): opened(vault, row) for row in rows}


def call_again(
    session: Session,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    why: Again,
    lead_id: LeadId | None = None,
) -> int:
    """Let leads be called again whose outcome is not known, and return how many; who and why goes to the log.

    Their attempts stay counted. A line that broke off may have been a talk: nothing but a person's word
    brings such a lead back.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        campaign_id: the campaign, which is there.
        why: as the person who decides it says.
        lead_id: one of them only.
    """
    now = clock.now()
    unknown = (
        sa.update(LeadRow)
        .where(
            LeadRow.tenant_id == tenant_id,
            LeadRow.campaign_id == campaign_id,
            LeadRow.state == LeadState.UNKNOWN.value,
        )
        .values(state=LeadState.RETRY.value, due_at=now, changed_at=now)
        .returning(LeadRow.id)
    )
    if lead_id is not None:
        unknown = unknown.where(LeadRow.id == lead_id)
    again = len(session.scalars(unknown.execution_options(synchronize_session=False)).all())
    if again:
        evidence.record(session, "campaign.called-again", "cmp", campaign_id, why=why.value, leads=again)
    return again


def are_left(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> bool:
    """Return whether any lead may still be called or is being called."""
    return bool(
        session.execute(
            sa.select(
                sa.exists().where(
                    LeadRow.tenant_id == tenant_id,
                    LeadRow.campaign_id == campaign_id,
                    LeadRow.state.in_([one.value for one in LEFT]),
                )
            )
        ).scalar_one()
    )


def opened(vault: Vault, row: LeadRow) -> Lead:
    """Return a row in clear; for this room's own queries.

    Raises:
        security.vault.SealError: it was tampered with.
    """
    kept = json.loads(vault.open(_field(row.tenant_id, row.id), row.person_ct))
    return Lead(
        lead_id=LeadId(row.id),
        campaign_id=CampaignId(row.campaign_id),
        person=Person(E164(kept["phone"]), kept["name"], kept["fields"]),
        zone=row.zone,
        state=LeadState(row.state),
        attempts=row.attempts,
        due_at=row.due_at,
        outcome=row.outcome,
        reason=row.reason,
        customer_id=None if row.customer_id is None else CustomerId(row.customer_id),
        changed_at=row.changed_at,
        position=row.position,
    )


def _sealed(vault: Vault, tenant_id: UUID, lead_id: UUID, person: Person) -> bytes:
    kept = {"phone": person.phone, "name": person.name, "fields": dict(person.fields)}
    return vault.seal(_field(tenant_id, lead_id), json.dumps(kept, ensure_ascii=False))


def _field(tenant_id: UUID, lead_id: UUID) -> Field:
    return Field(tenant_id, "leads", "person_ct", lead_id, 1)
