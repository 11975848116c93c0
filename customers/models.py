"""Tables of the room; private to it, all in the client company's own rows.

Columns ending in `_ct` are sealed by the vault; each value is bound to tenant, table, column, row and
`row_version`, so every update seals all of them anew. Checks stand in migration 0005.
"""

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
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import (
    SCHEMA,
    Base,
    Instant,
    Milliseconds,
    OptionalInstant,
    OptionalSealed,
    Sealed,
    TenantOwned,
)


class CustomerRow(TenantOwned, Base):
    """Somebody who calls the company, or whom it calls."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("tenant_id", "index_version", "phone_index"),
        Index("ix_customers_ending_index", "tenant_id", "ending_index"),
        Index("ix_customers_beginning_index", "tenant_id", "beginning_index"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    row_version: Mapped[int] = mapped_column(BigInteger)
    name_ct: Mapped[Sealed]
    phone_ct: Mapped[Sealed]
    email_ct: Mapped[OptionalSealed]
    postcode_ct: Mapped[OptionalSealed]
    notes_ct: Mapped[OptionalSealed]
    index_version: Mapped[int] = mapped_column(SmallInteger)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary)
    ending_index: Mapped[int | None] = mapped_column(Integer)
    beginning_index: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class CustomerSearchRow(TenantOwned, Base):
    """How many bits a company's narrow indexes keep; `…_before` are those rows may still have."""

    __tablename__ = "customer_search"

    planned_for: Mapped[int] = mapped_column(BigInteger)
    ending_bits: Mapped[int] = mapped_column(SmallInteger)
    beginning_bits: Mapped[int] = mapped_column(SmallInteger)
    ending_before: Mapped[int | None] = mapped_column(SmallInteger)
    beginning_before: Mapped[int | None] = mapped_column(SmallInteger)
    planned_at: Mapped[Instant]
    ready_at: Mapped[OptionalInstant]


class DispositionRow(TenantOwned, Base):
    """How a contact may end, in this company's words; retired ones stay for what refers to them."""

    __tablename__ = "dispositions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "parent"], [f"{SCHEMA}.dispositions.tenant_id", f"{SCHEMA}.dispositions.code"]
        ),
    )

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    parent: Mapped[str | None] = mapped_column(Text)
    label_en: Mapped[str] = mapped_column(Text)
    label_zh: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(SmallInteger)
    is_active: Mapped[bool] = mapped_column(Boolean)


class InteractionRow(TenantOwned, Base):
    """One contact with a customer, or with somebody not known."""

    __tablename__ = "interactions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "subject_ref", "kind"),
        ForeignKeyConstraint(
            ["tenant_id", "customer_id"], [f"{SCHEMA}.customers.tenant_id", f"{SCHEMA}.customers.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "disposition"], [f"{SCHEMA}.dispositions.tenant_id", f"{SCHEMA}.dispositions.code"]
        ),
        Index("ix_interactions_customer", "tenant_id", "customer_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    row_version: Mapped[int] = mapped_column(BigInteger)
    customer_id: Mapped[UUID | None] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)
    started_at: Mapped[Instant]
    duration_ms: Mapped[Milliseconds]
    subject_ref: Mapped[UUID] = mapped_column(Uuid)
    agent_number: Mapped[int | None] = mapped_column(Integer)
    disposition: Mapped[str | None] = mapped_column(Text)
    note_ct: Mapped[OptionalSealed]


class RevealRow(TenantOwned, Base):
    """One look at one field in full: who, which, about which call. Append-only."""

    __tablename__ = "reveals"
    __table_args__ = (
        Index("ix_reveals_of_customer", "tenant_id", "customer_id"),
        Index("ix_reveals_of_principal", "tenant_id", "principal_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(Uuid)
    field: Mapped[str] = mapped_column(Text)
    principal_id: Mapped[UUID] = mapped_column(Uuid)
    subject_ref: Mapped[UUID | None] = mapped_column(Uuid)
    at: Mapped[Instant]
    purpose: Mapped[str] = mapped_column(Text, server_default="")


class LookBudgetRow(TenantOwned, Base):
    """What the company lets its agents see and hear: looks an hour, messages left, numbers."""

    __tablename__ = "look_budgets"

    per_hour: Mapped[int] = mapped_column(Integer)
    hears_messages: Mapped[bool] = mapped_column(Boolean, server_default=false())
    hides_numbers: Mapped[bool] = mapped_column(Boolean, server_default=false())
    changed_at: Mapped[Instant]


class LookGrantRow(TenantOwned, Base):
    """More looks for one person until an instant. Append-only."""

    __tablename__ = "look_grants"
    __table_args__ = (Index("ix_look_grants_of", "tenant_id", "principal_id", "until"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    principal_id: Mapped[UUID] = mapped_column(Uuid)
    extra: Mapped[int] = mapped_column(Integer)
    granted_by: Mapped[UUID] = mapped_column(Uuid)
    at: Mapped[Instant]
    until: Mapped[Instant]


class DecoyRow(TenantOwned, Base):
    """A customer who does not exist: whoever opens the record raises an alarm."""

    __tablename__ = "decoys"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            [f"{SCHEMA}.customers.tenant_id", f"{SCHEMA}.customers.id"],
            ondelete="CASCADE",
        ),
    )

    customer_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    made_at: Mapped[Instant]


class CustomerPinRow(TenantOwned, Base):
    """A customer's PIN: its hash, sealed; how many wrong ones came in a row, and until when none is heard."""

    __tablename__ = "customer_pins"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            [f"{SCHEMA}.customers.tenant_id", f"{SCHEMA}.customers.id"],
            ondelete="CASCADE",
        ),
    )

    customer_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    row_version: Mapped[int] = mapped_column(BigInteger)
    pin_ct: Mapped[Sealed]
    set_at: Mapped[Instant]
    wrong: Mapped[int] = mapped_column(SmallInteger)
    closed_until: Mapped[OptionalInstant]


class DoNotCallRow(TenantOwned, Base):
    """A number that must not be called, as a keyed hash; no link to a customer, so it outlives the record."""

    __tablename__ = "do_not_call"
    __table_args__ = (
        Index(
            "uq_do_not_call_present",
            "tenant_id",
            "phone_index",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary)
    index_version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    source: Mapped[str] = mapped_column(Text)
    batch_id: Mapped[UUID | None] = mapped_column(Uuid)
    added_at: Mapped[Instant]
    added_by: Mapped[UUID] = mapped_column(Uuid)
    removed_at: Mapped[OptionalInstant]
    removed_by: Mapped[UUID | None] = mapped_column(Uuid)
    removed_why: Mapped[str | None] = mapped_column(Text)


class ConsentRow(TenantOwned, Base):
    """Consent given or withdrawn for one number, as a keyed hash; the proof sealed. Append-only."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_of_number", "tenant_id", "phone_index", "recorded_at"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary)
    index_version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    is_given: Mapped[bool] = mapped_column(Boolean)
    purpose: Mapped[str] = mapped_column(Text, server_default="all")
    channel: Mapped[str] = mapped_column(Text, server_default="other")
    basis: Mapped[str] = mapped_column(Text)
    said_at: Mapped[OptionalInstant]  # None in rows of before: when it was recorded
    recorded_at: Mapped[Instant]
    recorded_by: Mapped[UUID] = mapped_column(Uuid)
    proof_ct: Mapped[OptionalSealed]


class CallbackRow(TenantOwned, Base):
    """One call promised back; at most one for each call in which it was promised."""

    __tablename__ = "callbacks"
    __table_args__ = (
        UniqueConstraint("tenant_id", "subject_ref"),
        ForeignKeyConstraint(
            ["tenant_id", "customer_id"], [f"{SCHEMA}.customers.tenant_id", f"{SCHEMA}.customers.id"]
        ),
        Index("ix_callbacks_of_agent", "tenant_id", "agent_id", "due_at"),
        Index("ix_callbacks_of_customer", "tenant_id", "customer_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    customer_id: Mapped[UUID | None] = mapped_column(Uuid)
    subject_ref: Mapped[UUID] = mapped_column(Uuid)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    due_at: Mapped[Instant]
    created_at: Mapped[Instant]
    done_at: Mapped[OptionalInstant]


class TicketRow(TenantOwned, Base):
    """What a customer complains of, asks or requests; `opened_in` is a call's id, if it was opened in one."""

    __tablename__ = "tickets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "customer_id"], [f"{SCHEMA}.customers.tenant_id", f"{SCHEMA}.customers.id"]
        ),
        Index("ix_tickets_of_customer", "tenant_id", "customer_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    row_version: Mapped[int] = mapped_column(BigInteger)
    customer_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    subject_ct: Mapped[Sealed]
    text_ct: Mapped[OptionalSealed]
    opened_in: Mapped[UUID | None] = mapped_column(Uuid)
    opened_by: Mapped[UUID] = mapped_column(Uuid)
    opened_at: Mapped[Instant]
    due_at: Mapped[OptionalInstant]
    changed_at: Mapped[Instant]
    closed_at: Mapped[OptionalInstant]


class ErasureRow(TenantOwned, Base):
    """A person the company had us forget: who asked, when, and what came of it.

    `marks` are the keyed hashes by which the person is found while it is under way; gone when it is done.
    """

    __tablename__ = "erasures"
    __table_args__ = (Index("ix_erasures_asked", "tenant_id", "asked_at"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    customer_id: Mapped[UUID | None] = mapped_column(Uuid)
    marks: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    asked_by: Mapped[UUID] = mapped_column(Uuid)
    asked_at: Mapped[Instant]
    done_at: Mapped[OptionalInstant]
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    certificate: Mapped[str | None] = mapped_column(Text)
