"""Tables of the room; private to it.

All are the client company's own rows but `campaign_rounds`, the operator's list of what is being dialled,
because free agents are the operator's and are shared out among all companies. Columns ending in `_ct` are
sealed by the vault; a lead's number is found by a keyed index. Checks stand in the migration.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import SCHEMA, Base, Instant, Key, OptionalInstant, Sealed, TenantOwned

_CAMPAIGN = [f"{SCHEMA}.campaigns.tenant_id", f"{SCHEMA}.campaigns.id"]


class CampaignRow(TenantOwned, Base):
    """Whom to call, when, how often, and who speaks."""

    __tablename__ = "campaigns"
    __table_args__ = (Index("ix_campaigns_by_creation", "tenant_id", "created_at", "id"),)

    id: Mapped[Key]
    revision: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    number_id: Mapped[UUID] = mapped_column(Uuid)
    opens: Mapped[int] = mapped_column(SmallInteger)
    closes: Mapped[int] = mapped_column(SmallInteger)
    weekdays: Mapped[int] = mapped_column(SmallInteger)
    ring_s: Mapped[int] = mapped_column(SmallInteger)
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    waits: Mapped[dict[str, int]] = mapped_column(JSONB)
    max_per_second: Mapped[int] = mapped_column(SmallInteger)
    detects_machines: Mapped[bool] = mapped_column(Boolean)
    needs_consent: Mapped[bool] = mapped_column(Boolean, default=False)
    script: Mapped[str] = mapped_column(Text)
    zones: Mapped[list[str]] = mapped_column(JSONB)  # where its leads live
    files: Mapped[int] = mapped_column(Integer)  # how many it was given; leads are called in their order
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    changed_by: Mapped[UUID] = mapped_column(Uuid)
    started_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]
    held_reason: Mapped[str | None] = mapped_column(Text)  # why nothing is dialled for the moment
    held_until: Mapped[OptionalInstant]


class LeadImportRow(TenantOwned, Base):
    """One lead file, from the upload to its last row."""

    __tablename__ = "lead_imports"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "campaign_id"], _CAMPAIGN),
        Index("ix_lead_imports_of_campaign", "tenant_id", "campaign_id", "created_at"),
    )

    id: Mapped[Key]
    campaign_id: Mapped[UUID] = mapped_column(Uuid)
    ordinal: Mapped[int] = mapped_column(Integer)  # 1 for the campaign's first file
    state: Mapped[str] = mapped_column(Text)
    format: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    encoding: Mapped[str | None] = mapped_column(Text)
    delimiter: Mapped[str | None] = mapped_column(Text)
    has_header: Mapped[bool] = mapped_column(Boolean)
    columns: Mapped[dict[str, Any]] = mapped_column(JSONB)  # what stands in which column, by number
    region: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    names_ct: Mapped[Sealed]  # the file's name and its columns' names, as JSON
    rows: Mapped[int | None] = mapped_column(Integer)  # in all; None before it is unpacked
    offset: Mapped[int] = mapped_column(BigInteger)  # what has been read of the unpacked file
    accepted: Mapped[int] = mapped_column(Integer)
    duplicates: Mapped[int] = mapped_column(Integer)
    bad: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Instant]
    created_by: Mapped[UUID] = mapped_column(Uuid)
    started_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]


class BadLeadRow(TenantOwned, Base):
    """A row of a lead file that is no lead, why, and the row itself, sealed."""

    __tablename__ = "lead_import_rows"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "import_id"], [f"{SCHEMA}.lead_imports.tenant_id", f"{SCHEMA}.lead_imports.id"]
        ),
    )

    import_id: Mapped[Key]
    row_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    row_ct: Mapped[Sealed]


class LeadRow(TenantOwned, Base):
    """Somebody a campaign may call. Number, name and the file's other columns are one sealed value."""

    __tablename__ = "leads"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "campaign_id"], _CAMPAIGN),
        UniqueConstraint("tenant_id", "campaign_id", "index_version", "phone_index"),
        Index("ix_leads_due", "tenant_id", "campaign_id", "state", "zone", "due_at", "position"),
        Index("ix_leads_in_order", "tenant_id", "campaign_id", "position"),
    )

    id: Mapped[Key]
    campaign_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(BigInteger)  # file, then row
    person_ct: Mapped[Sealed]
    index_version: Mapped[int] = mapped_column(SmallInteger)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary)
    zone: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    due_at: Mapped[Instant]
    attempt_id: Mapped[UUID | None] = mapped_column(Uuid)  # the one that has claimed it
    customer_id: Mapped[UUID | None] = mapped_column(Uuid)
    outcome: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[Instant]


class AttemptRow(TenantOwned, Base):
    """One attempt to reach a lead; its outcome is written once and never changes."""

    __tablename__ = "lead_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "lead_id"], [f"{SCHEMA}.leads.tenant_id", f"{SCHEMA}.leads.id"]),
        Index("ix_lead_attempts_of_campaign", "tenant_id", "campaign_id", "outcome"),
        Index("ix_lead_attempts_of_lead", "tenant_id", "lead_id", "claimed_at"),
    )

    id: Mapped[Key]
    campaign_id: Mapped[UUID] = mapped_column(Uuid)
    lead_id: Mapped[UUID] = mapped_column(Uuid)
    claimed_at: Mapped[Instant]
    outcome: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)  # the gate's, when it refused
    call_id: Mapped[UUID | None] = mapped_column(Uuid)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    answered_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]


class RoundRow(TenantOwned, Base):
    """The operator's: a campaign that is, or was, being dialled, and which queue's agents speak for it."""

    __tablename__ = "campaign_rounds"

    campaign_id: Mapped[Key]
    client_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    revision: Mapped[int] = mapped_column(Integer)
    is_running: Mapped[bool] = mapped_column(Boolean)
