"""Tables of the room; private to it.

All but the last five carry the operator's tenant id: stock, people and agent time are one operator's, and
their exclusion constraints stand across all client companies. `seat_leases` and `agent_hours` are what a
client sees, in rows of its own; `agent_statuses`, `team_messages` and `team_readers` are a client's. Checks,
exclusion constraints and triggers stand in migration 0004.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import SCHEMA, Base, Instant, Milliseconds, OptionalInstant, Sealed, TenantOwned

_OPEN = text("ended_at IS NULL")


def _points_at(table: str, column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{SCHEMA}.{table}.tenant_id", f"{SCHEMA}.{table}.id"]
    )


class SeatRow(TenantOwned, Base):
    """One place an agent can sit: a label people say (`A-014`)."""

    __tablename__ = "seats"
    __table_args__ = (UniqueConstraint("tenant_id", "label"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    label: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[Instant]


class SeatRentalRow(TenantOwned, Base):
    """Who rents a seat from when to when; half-open, `ends_at` null = until released."""

    __tablename__ = "seat_rentals"
    __table_args__ = (
        _points_at("seats", "seat_id"),
        Index("ix_seat_rentals_renter", "tenant_id", "renter_tenant_id", "starts_at"),
        Index(
            "ix_seat_rentals_unsettled",
            "tenant_id",
            "renter_tenant_id",
            postgresql_where=text("NOT is_settled"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    seat_id: Mapped[UUID] = mapped_column(Uuid)
    renter_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[Instant]
    ends_at: Mapped[OptionalInstant]
    revision: Mapped[int] = mapped_column(Integer)
    is_settled: Mapped[bool] = mapped_column(Boolean, default=False)
    """Over, and charged to its end."""
    released_at: Mapped[OptionalInstant]
    ends_before: Mapped[OptionalInstant]
    """When it was to end before it was released, to take that back."""
    request_key: Mapped[UUID | None] = mapped_column(Uuid)
    """Of the request that rented it: the same request again rents nothing more."""
    created_at: Mapped[Instant]


class RentalLimitRow(TenantOwned, Base):
    """How much a client company may rent by itself; the operator says so."""

    __tablename__ = "rental_limits"

    renter_tenant_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    most_seats: Mapped[int] = mapped_column(Integer)
    most_numbers: Mapped[int] = mapped_column(Integer)


class AgentRow(TenantOwned, Base):
    """A person who takes calls; the name is sealed, the number is what callers hear."""

    __tablename__ = "agents"
    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id"),
        UniqueConstraint("tenant_id", "number"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    number: Mapped[int] = mapped_column(Integer)
    row_version: Mapped[int] = mapped_column(BigInteger)
    name_ct: Mapped[Sealed]
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_active: Mapped[bool] = mapped_column(Boolean)
    line_check: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # the last one; figures, no person
    created_at: Mapped[Instant]


class AgentTenantRow(TenantOwned, Base):
    """For which client an agent works, from when to when, and where they stand there."""

    __tablename__ = "agent_tenants"
    __table_args__ = (
        _points_at("agents", "agent_id"),
        Index("ix_agent_tenants_agent", "tenant_id", "agent_id", "starts_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(Uuid)
    client_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    starts_at: Mapped[Instant]
    ends_at: Mapped[OptionalInstant]
    region: Mapped[str] = mapped_column(Text, default="")
    """The client's code of the region whose callers they take first; empty: every region."""
    duty: Mapped[str] = mapped_column(Text, default="both")
    leads: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    """What they may do as a team leader there; see `roster.Lead`."""


class AgentSkillRow(TenantOwned, Base):
    """Which queue an agent serves, and how well: 1 is best, 9 the last resort."""

    __tablename__ = "agent_skills"
    __table_args__ = (
        _points_at("agents", "agent_id"),
        Index("ix_agent_skills_queue", "tenant_id", "queue_id", "level"),
    )

    agent_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    queue_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    client_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    level: Mapped[int] = mapped_column(SmallInteger)


class ShiftRow(TenantOwned, Base):
    """From sign-in to sign-out; one at a time per agent, one agent at a time per seat."""

    __tablename__ = "shifts"
    __table_args__ = (
        _points_at("agents", "agent_id"),
        _points_at("seats", "seat_id"),
        Index("ix_shifts_agent", "tenant_id", "agent_id", "started_at"),
        Index("ix_shifts_open", "tenant_id", "agent_id", unique=True, postgresql_where=_OPEN),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(Uuid)
    seat_id: Mapped[UUID | None] = mapped_column(Uuid)
    started_at: Mapped[Instant]
    ended_at: Mapped[OptionalInstant]
    reported_at: Mapped[Instant]


class AgentTimeRow(TenantOwned, Base):
    """One stretch of an agent's time in one state with one payer or none; open while `ended_at` is null.

    The database keeps it a partition: the first row of a shift begins with it, each next row where the
    last one ended, the last ends with the shift, and a closed row is never edited.
    """

    __tablename__ = "agent_time"
    __table_args__ = (
        UniqueConstraint("tenant_id", "shift_id", "position"),
        UniqueConstraint("tenant_id", "event_id"),
        _points_at("agents", "agent_id"),
        _points_at("shifts", "shift_id"),
        Index("ix_agent_time_open", "tenant_id", "agent_id", unique=True, postgresql_where=_OPEN),
        Index("ix_agent_time_agent", "tenant_id", "agent_id", "started_at"),
        Index("ix_agent_time_ended", "tenant_id", "ended_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(Uuid)
    shift_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    payer_tenant_id: Mapped[UUID | None] = mapped_column(Uuid)
    subject_ref: Mapped[UUID | None] = mapped_column(Uuid)
    started_at: Mapped[Instant]
    ended_at: Mapped[OptionalInstant]
    state_since: Mapped[Instant]
    reported_at: Mapped[Instant]
    is_late: Mapped[bool] = mapped_column(Boolean)
    event_id: Mapped[UUID | None] = mapped_column(Uuid)


class SeatLeaseRow(TenantOwned, Base):
    """A client's own view of a seat it rents; the id is the rental's."""

    __tablename__ = "seat_leases"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    seat_id: Mapped[UUID] = mapped_column(Uuid)
    seat_label: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[Instant]
    ends_at: Mapped[OptionalInstant]
    revision: Mapped[int] = mapped_column(Integer)


class AgentHourRow(TenantOwned, Base):
    """What a client paid of one agent's clock hour, in milliseconds by kind of work."""

    __tablename__ = "agent_hours"

    hour_starts_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    agent_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    available_ms: Mapped[Milliseconds]
    ringing_ms: Mapped[Milliseconds]
    talking_ms: Mapped[Milliseconds]
    holding_ms: Mapped[Milliseconds]
    wrap_up_ms: Mapped[Milliseconds]


class AgentStatusRow(TenantOwned, Base):
    """Why agents are away, in a client's own words; retired ones stay for the time that tells of them."""

    __tablename__ = "agent_statuses"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    label_en: Mapped[str] = mapped_column(Text)
    label_zh: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(SmallInteger)
    is_active: Mapped[bool] = mapped_column(Boolean)


class TeamMessageRow(TenantOwned, Base):
    """What somebody wrote to a client's agents; the text is sealed."""

    __tablename__ = "team_messages"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    queue_id: Mapped[UUID | None] = mapped_column(Uuid)
    from_agent: Mapped[int | None] = mapped_column(Integer)
    """The leader's number; null: it came from the company's pages or programs."""
    text_ct: Mapped[Sealed]
    sent_at: Mapped[Instant]


class TeamReaderRow(TenantOwned, Base):
    """For whom a message is, and when they said that they have read it."""

    __tablename__ = "team_readers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            [f"{SCHEMA}.team_messages.tenant_id", f"{SCHEMA}.team_messages.id"],
            ondelete="CASCADE",
        ),
        Index(
            "ix_team_readers_unread",
            "tenant_id",
            "agent_number",
            postgresql_where=text("read_at IS NULL"),
        ),
    )

    message_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    agent_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    read_at: Mapped[OptionalInstant]
