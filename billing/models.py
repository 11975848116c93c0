"""Tables of billing; private to the room.

Price lists are the operator's stock and carry its tenant id; everything else belongs to a client company
(docs/adr/0004-money.md). Money is integer: nano-units per event, minor units on documents.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import (
    SCHEMA,
    Base,
    Instant,
    Key,
    Minor,
    Nano,
    OptionalInstant,
    OptionalSealed,
    Sealed,
    TenantOwned,
)

_CURRENT = text("superseded_by IS NULL")


class PriceListRow(TenantOwned, Base):
    """A named price list of the operator; with a `carrier` it is what that carrier charges the operator."""

    __tablename__ = "price_lists"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    id: Mapped[Key]
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    carrier: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[Instant]


class PriceListVersionRow(TenantOwned, Base):
    """One dated version; frozen once published."""

    __tablename__ = "price_list_versions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "price_list_id", "version"),
        ForeignKeyConstraint(
            ["tenant_id", "price_list_id"], ["app.price_lists.tenant_id", "app.price_lists.id"]
        ),
        CheckConstraint(
            "(published_at IS NULL) = (content IS NULL) AND (content IS NULL) = (sha256 IS NULL)",
            name="published",
        ),
    )

    id: Mapped[Key]
    price_list_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(Integer)
    effective_from: Mapped[Instant]
    destinations: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # whose public holidays the bands of day 8 hold on, like GB-ENG; empty: there are none
    holiday_calendar: Mapped[str] = mapped_column(Text, default="")
    # what is agreed beyond single prices, see `billing.rating.terms`
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    # of a draft: goes up with each change, so that two who edit it notice each other
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[Instant]
    published_at: Mapped[OptionalInstant]
    content: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[bytes | None]


class RateDeckRow(TenantOwned, Base):
    """A file of rates that a job reads into a draft, and what was wrong with it; see `billing.rate_decks`."""

    __tablename__ = "rate_decks"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'done', 'refused', 'gone')", name="state"),
        CheckConstraint("(state = 'done') = (version IS NOT NULL)", name="version"),
        Index(
            "uq_rate_decks_waiting",
            "tenant_id",
            "price_list_id",
            unique=True,
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[Key]
    price_list_id: Mapped[UUID]
    effective_from: Mapped[Instant]
    holiday_calendar: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID]
    asked_at: Mapped[Instant]
    state: Mapped[str] = mapped_column(Text)
    faults: Mapped[list[list[Any]]] = mapped_column(JSONB)
    version: Mapped[int | None] = mapped_column(Integer)
    ended_at: Mapped[OptionalInstant]


class RerunRow(TenantOwned, Base):
    """Rating a stretch again: how far it is, its pieces, what moves; see `billing.rerating_runs`."""

    __tablename__ = "reruns"
    __table_args__ = (
        CheckConstraint("state IN ('looking', 'looked', 'applying', 'done', 'gone')", name="state"),
        CheckConstraint("start_at < end_at", name="stretch"),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approved"),
    )

    id: Mapped[Key]
    company_id: Mapped[UUID | None]
    start_at: Mapped[Instant]
    end_at: Mapped[Instant]
    price_list: Mapped[str] = mapped_column(Text)
    version: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID]
    asked_at: Mapped[Instant]
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[OptionalInstant]
    apply_id: Mapped[UUID]
    looked: Mapped[int] = mapped_column(BigInteger)
    changes: Mapped[int] = mapped_column(BigInteger)
    cursor: Mapped[dict[str, Any]] = mapped_column(JSONB)
    pieces: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    moves: Mapped[dict[str, list[int]]] = mapped_column(JSONB)
    settled: Mapped[dict[str, int]] = mapped_column(JSONB)


class RateRow(TenantOwned, Base):
    """What a meter costs to numbers that begin with a prefix, in one version."""

    __tablename__ = "rates"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "price_list_version_id"],
            ["app.price_list_versions.tenant_id", "app.price_list_versions.id"],
        ),
        CheckConstraint("prefix ~ '^[0-9]{0,11}$'", name="prefix"),
        CheckConstraint(
            "minimum_nano >= 0 AND coalesce(maximum_nano, minimum_nano) >= minimum_nano", name="bounds"
        ),
        CheckConstraint("grace_s >= 0", name="grace"),
        CheckConstraint("ceiling IN ('cap', 'refuse')", name="ceiling"),
    )

    price_list_version_id: Mapped[Key]
    meter: Mapped[str] = mapped_column(Text, primary_key=True)
    prefix: Mapped[str] = mapped_column(Text, primary_key=True)
    destination: Mapped[str] = mapped_column(Text)
    is_blocked: Mapped[bool]
    initial_s: Mapped[int] = mapped_column(Integer)
    minimum_nano: Mapped[Nano]
    maximum_nano: Mapped[int | None] = mapped_column(BigInteger)
    ceiling: Mapped[str] = mapped_column(Text, default="cap")
    grace_s: Mapped[int] = mapped_column(Integer, default=0)
    bands: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class RentalPriceRow(TenantOwned, Base):
    """What a month, a day or an hour of something rented costs, in one version."""

    __tablename__ = "rental_prices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "price_list_version_id"],
            ["app.price_list_versions.tenant_id", "app.price_list_versions.id"],
        ),
        CheckConstraint("unit_nano >= 0 AND step_s >= 0", name="bounds"),
        CheckConstraint("proration IN ('actual_days', 'fixed_30', 'per_second')", name="proration"),
    )

    price_list_version_id: Mapped[Key]
    meter: Mapped[str] = mapped_column(Text, primary_key=True)
    destination: Mapped[str] = mapped_column(Text)
    unit_nano: Mapped[Nano]
    proration: Mapped[str] = mapped_column(Text)
    step_s: Mapped[int] = mapped_column(Integer)


class TariffRow(TenantOwned, Base):
    """A published version as one tenant bought it: by value, with its hash, for ever.

    An extract is of another tenant's, by which a part of its calls is paid here; it is never in force.
    """

    __tablename__ = "tariffs"
    __table_args__ = (
        Index(
            "ix_tariffs_in_force",
            "tenant_id",
            "effective_from",
            "id",
            postgresql_where=text("NOT is_extract"),
        ),
        Index("uq_tariffs_extract", "tenant_id", "sha256", unique=True, postgresql_where=text("is_extract")),
    )

    id: Mapped[Key]
    effective_from: Mapped[Instant]
    price_list: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    price_list_version_id: Mapped[UUID]
    sha256: Mapped[bytes]
    content: Mapped[str] = mapped_column(Text, deferred=True)
    taken_at: Mapped[Instant]
    is_extract: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))


class CostShareRow(TenantOwned, Base):
    """What was agreed of who else pays a part of calls, from a day on; the same on both sides. Never changed.

    `is_other`: this tenant pays a part of the other's calls. No shares: the agreement ends.
    """

    __tablename__ = "cost_shares"
    __table_args__ = (Index("ix_cost_shares_start", "tenant_id", "effective_from"),)

    id: Mapped[Key]
    other_id: Mapped[UUID]
    other_name: Mapped[str] = mapped_column(Text)
    is_other: Mapped[bool]
    effective_from: Mapped[Instant]
    shares: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    set_by: Mapped[UUID]
    set_at: Mapped[Instant]


class SellerRow(Base):
    """Who issues invoices, as heads show it. Company data only.

    A platform table, because every company's invoices carry it; the operator alone writes it.
    """

    __tablename__ = "sellers"

    issuer_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    head: Mapped[dict[str, Any]] = mapped_column(JSONB)
    revision: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[Instant]


class BillingAccountRow(TenantOwned, Base):
    """How a tenant is billed, and what stands in its invoices' heads. Company data only."""

    __tablename__ = "billing_accounts"
    __table_args__ = (
        CheckConstraint("tax_rate_ppm BETWEEN 0 AND 1000000", name="tax_rate"),
        CheckConstraint("terms_days BETWEEN 0 AND 365", name="terms"),
        CheckConstraint("(next_price_list = '') = (next_price_list_at IS NULL)", name="next_price_list"),
    )

    currency: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    tax_category: Mapped[str] = mapped_column(Text)
    tax_rate_ppm: Mapped[int] = mapped_column(Integer)
    terms_days: Mapped[int] = mapped_column(Integer)
    price_list: Mapped[str] = mapped_column(Text)
    # which it follows from an instant on; once that has come it stands for the one above
    next_price_list: Mapped[str] = mapped_column(Text, default="", server_default="")
    next_price_list_at: Mapped[OptionalInstant]
    buyer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    order_reference: Mapped[str] = mapped_column(Text)
    tax_reason: Mapped[str] = mapped_column(Text, server_default="")
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    opened_at: Mapped[Instant]
    # what was rented before is not charged for: it was not charged when the account was opened
    rentals_from: Mapped[Instant]
    # everything rented, and every paid agent-second, before this instant stands in usage
    charged_until: Mapped[OptionalInstant]


class UsageEventRow(TenantOwned, Base):
    """One thing that was used, once: the key has no time in it and never expires."""

    __tablename__ = "usage_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "event_id"),
        CheckConstraint("source <> '' AND event_id <> '' AND meter <> ''", name="key"),
        CheckConstraint("quantity_ms >= 0 AND ended_at >= occurred_at", name="extent"),
        CheckConstraint("prefix ~ '^[0-9]{0,11}$'", name="prefix"),
        Index("ix_usage_events_subject", "tenant_id", "subject_ref"),
    )

    id: Mapped[Key]
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    meter: Mapped[str] = mapped_column(Text)
    subject_ref: Mapped[UUID]
    occurred_at: Mapped[Instant]
    ended_at: Mapped[Instant]
    quantity_ms: Mapped[int] = mapped_column(BigInteger)
    prefix: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID | None]
    agent_ref: Mapped[UUID | None]
    campaign_ref: Mapped[UUID | None]
    other_party: Mapped[OptionalSealed]
    payload_sha256: Mapped[bytes]
    received_at: Mapped[Instant]
    batch_id: Mapped[UUID | None]
    batch_row: Mapped[int | None] = mapped_column(Integer)


class UsageConflictRow(TenantOwned, Base):
    """The same key came again and said something else; nothing is billed from it until decided."""

    __tablename__ = "usage_conflicts"
    __table_args__ = (UniqueConstraint("tenant_id", "source", "event_id", "payload_sha256"),)

    id: Mapped[Key]
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    payload_sha256: Mapped[bytes]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    received_at: Mapped[Instant]
    batch_id: Mapped[UUID | None]


class UsageRejectRow(TenantOwned, Base):
    """A row that cannot be a usage event; kept, so that nothing received disappears."""

    __tablename__ = "usage_rejects"

    id: Mapped[Key]
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    received_at: Mapped[Instant]
    batch_id: Mapped[UUID]
    batch_row: Mapped[int] = mapped_column(Integer)


class UsageDecisionRow(TenantOwned, Base):
    """What a person decided about a conflict or a rejected row, once; its id is that row's.

    `usage_id` is the usage made of a report that was taken over, or of a row that was corrected;
    `superseded_charge_id` is what the former replaced. Of what was settled, `usage_id` is what is charged
    more, `credit_note_id` what gives back; neither where it comes to less than a minor unit.
    """

    __tablename__ = "usage_decisions"
    __table_args__ = (
        CheckConstraint(
            "verdict IN ('take-new', 'keep-old', 'throw-away', 'correct', 'settle')", name="verdict"
        ),
        CheckConstraint("reason <> ''", name="reason"),
        CheckConstraint(
            "(verdict = 'settle' OR (verdict IN ('take-new', 'correct')) = (usage_id IS NOT NULL))"
            " AND (verdict = 'take-new') = (superseded_charge_id IS NOT NULL)"
            " AND (credit_note_id IS NULL OR verdict = 'settle' AND usage_id IS NULL)",
            name="taken",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "usage_id"], ["app.usage_events.tenant_id", "app.usage_events.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "superseded_charge_id"], ["app.rated_charges.tenant_id", "app.rated_charges.id"]
        ),
        Index("ix_usage_decisions_key", "tenant_id", "source", "event_id"),
    )

    id: Mapped[Key]
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[UUID]
    decided_at: Mapped[Instant]
    usage_id: Mapped[UUID | None]
    superseded_charge_id: Mapped[UUID | None]
    credit_note_id: Mapped[UUID | None]


class UsageBatchRow(TenantOwned, Base):
    """One bulk intake and its sum: received = accepted + duplicate + conflict + rejected."""

    __tablename__ = "usage_batches"
    __table_args__ = (
        CheckConstraint("received = accepted + duplicate + conflict + rejected", name="adds_up"),
    )

    id: Mapped[Key]
    received: Mapped[int] = mapped_column(Integer)
    accepted: Mapped[int] = mapped_column(Integer)
    duplicate: Mapped[int] = mapped_column(Integer)
    conflict: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer)
    taken_at: Mapped[Instant]


class RatedChargeRow(TenantOwned, Base):
    """What rating made of a usage event; superseded by a later rating, never edited."""

    __tablename__ = "rated_charges"
    # that its usage and its tariff are there is checked once per statement: trigger `founded`
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "superseded_by"],
            ["app.rated_charges.tenant_id", "app.rated_charges.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("outcome IN ('rated', 'unrated', 'refused')", name="outcome"),
        CheckConstraint(
            "(outcome = 'rated') = (amount_nano IS NOT NULL AND billed_seconds IS NOT NULL"
            " AND currency IS NOT NULL AND prefix IS NOT NULL AND destination IS NOT NULL"
            " AND tariff_id IS NOT NULL)",
            name="rated_whole",
        ),
        CheckConstraint("coalesce(amount_nano, 0) >= 0", name="amount"),
        Index(
            "uq_rated_charges_current",
            "tenant_id",
            "usage_id",
            "charge_run",
            unique=True,
            postgresql_where=_CURRENT,
        ),
        Index("ix_rated_charges_current", "tenant_id", "bill_at", postgresql_where=_CURRENT),
        Index(
            "ix_rated_charges_unpriced",
            "tenant_id",
            "outcome",
            postgresql_where=text("superseded_by IS NULL AND outcome <> 'rated'"),
        ),
        Index(
            "ix_rated_charges_late",
            "tenant_id",
            postgresql_where=text("superseded_by IS NULL AND bill_at > occurred_at"),
        ),
    )

    id: Mapped[Key]
    usage_id: Mapped[UUID]
    charge_run: Mapped[str] = mapped_column(Text)
    rating_seq: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    tariff_id: Mapped[UUID | None]
    meter: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[Instant]
    # decides the period: when it occurred, or the first open instant when that period was closed
    bill_at: Mapped[Instant]
    prefix: Mapped[str | None] = mapped_column(Text)
    destination: Mapped[str | None] = mapped_column(Text)
    billed_seconds: Mapped[int | None] = mapped_column(Integer)
    # how many months, days or hours of something rented, in thousand-millionths; null for calls
    units_nano: Mapped[int | None] = mapped_column(BigInteger)
    amount_nano: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text)
    rated_at: Mapped[Instant]
    superseded_by: Mapped[UUID | None]


class InvoiceRow(TenantOwned, Base):
    """A bill of one period: a draft may be made anew, a finalised invoice is frozen."""

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        Index(
            "uq_invoices_period",
            "tenant_id",
            "period_start",
            unique=True,
            postgresql_where=text("kind = 'invoice' AND state <> 'void'"),
        ),
        CheckConstraint("state IN ('draft', 'finalised', 'void')", name="state"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint("holds_from <= period_start", name="holds"),
        CheckConstraint("total_minor = net_minor + tax_minor", name="total"),
        CheckConstraint(
            "(state = 'draft') = (number IS NULL) AND (number IS NULL) = (finalised_at IS NULL)"
            " AND (number IS NULL) = (issued_on IS NULL) AND (number IS NULL) = (due_on IS NULL)",
            name="numbered",
        ),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approved"),
    )

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    # since when what is due stands on it: the end of the one before, so that they tile time
    holds_from: Mapped[Instant]
    net_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    total_minor: Mapped[Minor]
    buyer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    order_reference: Mapped[str] = mapped_column(Text)
    tax_reason: Mapped[str] = mapped_column(Text, server_default="")
    terms_days: Mapped[int] = mapped_column(Integer)
    issued_on: Mapped[dt.date | None]
    due_on: Mapped[dt.date | None]
    drafted_at: Mapped[Instant]
    # who said that this very draft may become an invoice; one made anew is approved anew
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[OptionalInstant]
    finalised_at: Mapped[OptionalInstant]
    # what was agreed beyond single prices: in which tariff, and what goes from invoice to invoice
    terms_tariff_id: Mapped[UUID | None]
    agreed: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class InvoiceLineRow(TenantOwned, Base):
    """One line: the rounded sum of the charges that stand behind it, or something that was agreed."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "tariff_id"], ["app.tariffs.tenant_id", "app.tariffs.id"]),
        CheckConstraint(
            "kind IN ('metered', 'allowance', 'discount', 'commitment', 'surcharge', 'credit')", name="kind"
        ),
        CheckConstraint("kind = 'metered' OR arithmetic IS NOT NULL", name="explained"),
        # by these a charge's line is found
        Index(
            "uq_invoice_lines_metered",
            "tenant_id",
            "invoice_id",
            "meter",
            "destination",
            "tariff_id",
            "is_late",
            unique=True,
            postgresql_where=text("kind = 'metered'"),
        ),
    )

    invoice_id: Mapped[Key]
    line_no: Mapped[int] = mapped_column(Integer, primary_key=True)
    meter: Mapped[str] = mapped_column(Text)
    destination: Mapped[str] = mapped_column(Text)
    names: Mapped[dict[str, Any]] = mapped_column(JSONB)
    tariff_id: Mapped[UUID]
    price_list: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    is_late: Mapped[bool]
    events: Mapped[int] = mapped_column(Integer)
    billed_seconds: Mapped[int] = mapped_column(BigInteger)
    units_nano: Mapped[int | None] = mapped_column(BigInteger)
    unit_nano: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text, default="metered")
    # how a line without charges of its own, or of a charge model, came about
    arithmetic: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # the exact sum may pass what 64 bits hold in currencies with small units
    amount_nano: Mapped[int] = mapped_column(Numeric(38, 0))
    amount_minor: Mapped[Minor]
    tax_category: Mapped[str] = mapped_column(Text)
    tax_rate_ppm: Mapped[int] = mapped_column(Integer)


class SafetyRow(TenantOwned, Base):
    """What a bill may come to: a company's own bounds, or in the operator's row everybody's."""

    __tablename__ = "safety_rules"
    __table_args__ = (
        CheckConstraint("times_milli >= 1000 AND (most IS NULL OR most > 0)", name="bounds"),
        CheckConstraint("lines_a_day > 0", name="lines"),
        CheckConstraint("second_above IS NULL OR second_above >= 0", name="second"),
    )

    second_above: Mapped[int | None] = mapped_column(BigInteger)
    times_milli: Mapped[int] = mapped_column(BigInteger)
    most: Mapped[int | None] = mapped_column(BigInteger)
    lines_a_day: Mapped[int] = mapped_column(server_default="15")
    set_at: Mapped[Instant]
    set_by: Mapped[UUID]


class BillHoldRow(TenantOwned, Base):
    """A draft that left its bounds, and who released it; frozen from then on."""

    __tablename__ = "bill_holds"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('negative', 'too-many-lines', 'above-most', 'above-mean')", name="reason"
        ),
        CheckConstraint(
            "(lines IS NULL) = (most_lines IS NULL) AND (lines IS NULL) = (reason <> 'too-many-lines')",
            name="lines",
        ),
        CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released"),
        CheckConstraint("released_by IS NULL OR asked_by IS NOT NULL", name="asked"),
        CheckConstraint("released_by IS NULL OR NOT needs_second OR released_by <> asked_by", name="two"),
    )

    invoice_id: Mapped[Key]
    reason: Mapped[str] = mapped_column(Text)
    total_minor: Mapped[Minor]
    bound_minor: Mapped[Minor]
    lines: Mapped[int | None]
    most_lines: Mapped[int | None]
    held_at: Mapped[Instant]
    needs_second: Mapped[bool]
    why: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID | None]
    released_at: Mapped[OptionalInstant]
    released_by: Mapped[UUID | None]


class ServiceCountRow(TenantOwned, Base):
    """What was counted of a promised service in one queue and month; see `billing.promises`."""

    __tablename__ = "service_counts"
    __table_args__ = (CheckConstraint("in_time >= 0 AND in_time <= offered", name="counts"),)

    month_on: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    queue: Mapped[str] = mapped_column(Text, primary_key=True)
    offered: Mapped[int] = mapped_column(BigInteger)
    in_time: Mapped[int] = mapped_column(BigInteger)
    given_at: Mapped[Instant]
    given_by: Mapped[UUID]


class InvoiceTaxRow(TenantOwned, Base):
    """Tax of one category and rate, rounded once from the sum of its lines."""

    __tablename__ = "invoice_taxes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
    )

    invoice_id: Mapped[Key]
    category: Mapped[str] = mapped_column(Text, primary_key=True)
    rate_ppm: Mapped[int] = mapped_column(Integer, primary_key=True)
    taxable_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]


# Which line a charge stands on: a view. What is due in an invoice's [holds_from, period_end) stands on its
# line of the same meter, destination, tariff and lateness (ADR 47).
LINE_CHARGES = Table(
    "invoice_line_charges",
    MetaData(),
    Column("tenant_id", Uuid),
    Column("rated_charge_id", Uuid),
    Column("invoice_id", Uuid),
    Column("line_no", Integer),
    schema=SCHEMA,
)


class CreditNoteRow(TenantOwned, Base):
    """What an invoice is lessened by; frozen once it is decided about."""

    __tablename__ = "credit_notes"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        Index("ix_credit_notes_invoice", "tenant_id", "invoice_id"),
        CheckConstraint("state IN ('waiting', 'issued', 'refused')", name="state"),
        CheckConstraint("net_minor > 0 AND tax_minor >= 0", name="amount"),
        CheckConstraint(
            "(state = 'issued') = (number IS NOT NULL) AND (number IS NULL) = (issued_on IS NULL)",
            name="numbered",
        ),
        CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("state <> 'issued' OR NOT needs_second OR decided_by <> asked_by", name="two"),
    )

    id: Mapped[Key]
    invoice_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    net_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    reason: Mapped[str] = mapped_column(Text)
    needs_second: Mapped[bool]
    asked_by: Mapped[UUID]
    asked_at: Mapped[Instant]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[OptionalInstant]
    issued_on: Mapped[dt.date | None]


class CreditNoteLineRow(TenantOwned, Base):
    """One line of a credit note: so much of an invoice's line, or a free amount under one of its taxes."""

    __tablename__ = "credit_note_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
        CheckConstraint("amount_minor > 0", name="amount"),
    )

    credit_note_id: Mapped[Key]
    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    line_no: Mapped[int | None] = mapped_column(Integer)
    amount_minor: Mapped[Minor]
    tax_category: Mapped[str] = mapped_column(Text)
    tax_rate_ppm: Mapped[int] = mapped_column(Integer)


class CreditNoteTaxRow(TenantOwned, Base):
    """Tax that a credit note takes back, by category and rate."""

    __tablename__ = "credit_note_taxes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
    )

    credit_note_id: Mapped[Key]
    category: Mapped[str] = mapped_column(Text, primary_key=True)
    rate_ppm: Mapped[int] = mapped_column(Integer, primary_key=True)
    taxable_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]


class DisputeRow(TenantOwned, Base):
    """What a company says is wrong about an invoice; frozen once it is refused."""

    __tablename__ = "disputes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
        Index("ix_disputes_invoice", "tenant_id", "invoice_id"),
        CheckConstraint("(closed_at IS NULL) OR (answer <> '')", name="answered"),
    )

    id: Mapped[Key]
    invoice_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(Text)
    opened_by: Mapped[UUID]
    opened_at: Mapped[Instant]
    credit_note_id: Mapped[UUID | None]
    answer: Mapped[str] = mapped_column(Text)
    closed_at: Mapped[OptionalInstant]


class DisputeItemRow(TenantOwned, Base):
    """One line, or one call that differs; of the company's own file nothing else is kept."""

    __tablename__ = "dispute_items"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "dispute_id"], ["app.disputes.tenant_id", "app.disputes.id"]),
        CheckConstraint("kind IN ('line', 'missing', 'extra', 'duration', 'price')", name="kind"),
        CheckConstraint("in_question_nano >= 0", name="amount"),
    )

    dispute_id: Mapped[Key]
    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    line_no: Mapped[int | None] = mapped_column(Integer)
    event_id: Mapped[str] = mapped_column(Text)
    started_at: Mapped[OptionalInstant]
    ours_ms: Mapped[Nano | None]
    theirs_ms: Mapped[Nano | None]
    ours_nano: Mapped[Nano | None]
    theirs_nano: Mapped[Nano | None]
    in_question_nano: Mapped[Nano]


class InvoiceSeriesRow(Base):
    """The last number an issuer gave in a year. A platform table, reached by one function only."""

    __tablename__ = "invoice_series"

    issuer_id: Mapped[Key]
    prefix: Mapped[str] = mapped_column(Text, primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    last_number: Mapped[int] = mapped_column(Integer)


class UsageStagingRow(Base):
    """Bulk usage on its way in. A platform table, unlogged, without personal data."""

    __tablename__ = "usage_staging"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    batch_id: Mapped[Key]
    row_no: Mapped[int] = mapped_column(Integer, primary_key=True)
    tenant_id: Mapped[UUID]
    usage_id: Mapped[UUID]
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    meter: Mapped[str | None] = mapped_column(Text)
    subject_ref: Mapped[UUID | None]
    occurred_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]
    quantity_ms: Mapped[int | None] = mapped_column(BigInteger)
    prefix: Mapped[str | None] = mapped_column(Text)
    number_id: Mapped[UUID | None]
    agent_ref: Mapped[UUID | None]
    payload_sha256: Mapped[bytes | None]
    reject_reason: Mapped[str | None] = mapped_column(Text)
    campaign_ref: Mapped[UUID | None]


class CreditHoldRow(TenantOwned, Base):
    """The operator keeps a company from spending more until it has paid; lifted ones stay as evidence."""

    __tablename__ = "credit_holds"
    __table_args__ = (
        Index(
            "uq_credit_holds_present",
            "tenant_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    reason: Mapped[str] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text, default="person")
    placed_at: Mapped[Instant]
    placed_by: Mapped[UUID]
    lifted_at: Mapped[OptionalInstant]
    lifted_by: Mapped[UUID | None]


class DunningSettingsRow(TenantOwned, Base):
    """A company's own steps of dunning: how many days after the due day, and what is done then."""

    __tablename__ = "dunning_settings"

    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    changed_at: Mapped[Instant]


class DunningStepRow(TenantOwned, Base):
    """A step that was taken of an invoice, or skipped by a person; once, and never changed."""

    __tablename__ = "dunning_steps"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        CheckConstraint("deed IN ('remind', 'warn', 'suspend')", name="deed"),
        CheckConstraint("is_skipped = (by IS NOT NULL) AND is_skipped = (reason <> '')", name="skipped"),
    )

    invoice_id: Mapped[Key]
    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    deed: Mapped[str] = mapped_column(Text)
    taken_on: Mapped[dt.date] = mapped_column(Date)
    taken_at: Mapped[Instant]
    due_minor: Mapped[Minor]
    is_skipped: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[UUID | None]


class DunningPauseRow(TenantOwned, Base):
    """A company, or one invoice of it, is left alone for a while; ended ones stay as evidence."""

    __tablename__ = "dunning_pauses"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        CheckConstraint("reason <> ''", name="reason"),
    )

    id: Mapped[Key]
    invoice_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    until_on: Mapped[dt.date | None] = mapped_column(Date)
    placed_by: Mapped[UUID]
    placed_at: Mapped[Instant]
    lifted_at: Mapped[OptionalInstant]
    lifted_by: Mapped[UUID | None]


class JournalRow(TenantOwned, Base):
    """One movement of money, once: its postings sum to zero in each currency. Never changed."""

    __tablename__ = "journals"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint("key <> '' AND kind <> ''", name="named"),
        Index("ix_journals_invoice", "tenant_id", "invoice_id"),
        Index("ix_journals_time", "tenant_id", "effective_at"),
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    invoice_id: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    effective_at: Mapped[Instant]
    created_at: Mapped[Instant]


class PostingRow(TenantOwned, Base):
    """One side of a journal: debit positive, credit negative, in minor units."""

    __tablename__ = "postings"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "journal_id"], ["app.journals.tenant_id", "app.journals.id"]),
        CheckConstraint("amount_minor <> 0", name="amount"),
        Index("ix_postings_account", "tenant_id", "account", "currency"),
    )

    journal_id: Mapped[Key]
    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    account: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(Text)


class WalletRow(TenantOwned, Base):
    """What a company that pays beforehand has: the sum of its entries, and what of it is kept for calls."""

    __tablename__ = "wallets"
    __table_args__ = (
        CheckConstraint("balance_nano - reserved_nano + credit_nano >= 0", name="covered"),
        CheckConstraint("reserved_nano >= 0 AND credit_nano >= 0", name="amounts"),
        CheckConstraint(
            "num_nulls(auto_below_nano, auto_minor, auto_cap_minor) IN (0, 3)"
            " AND auto_minor > 0 AND auto_cap_minor >= auto_minor",
            name="automatic",
        ),
    )

    currency: Mapped[str] = mapped_column(Text)
    balance_nano: Mapped[Nano]
    reserved_nano: Mapped[Nano]
    credit_nano: Mapped[Nano]
    low_nano: Mapped[int | None] = mapped_column(BigInteger)
    is_low_told: Mapped[bool]
    auto_below_nano: Mapped[int | None] = mapped_column(BigInteger)
    auto_minor: Mapped[int | None] = mapped_column(BigInteger)
    auto_cap_minor: Mapped[int | None] = mapped_column(BigInteger)
    auto_stopped: Mapped[str] = mapped_column(Text)
    auto_stopped_at: Mapped[OptionalInstant]
    is_auto_asked: Mapped[bool]
    opened_at: Mapped[Instant]


class WalletEntryRow(TenantOwned, Base):
    """One movement of a wallet, once for its key. Never changed."""

    __tablename__ = "wallet_entries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint("kind IN ('top-up', 'used', 'invoiced', 'withdrawn')", name="kind"),
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    amount_nano: Mapped[Nano]
    use_id: Mapped[UUID | None]
    at: Mapped[Instant]


class ReservationRow(TenantOwned, Base):
    """What is kept in a wallet for one use, a call, or for a month's rent; frozen once settled or released.

    `rent_until` is the end of the month whose rent it is kept for.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'settled', 'released')", name="state"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        CheckConstraint("amount_nano >= 0 AND taken_nano >= 0", name="amounts"),
        Index("ix_reservations_open", "tenant_id", "until", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[Key]
    state: Mapped[str] = mapped_column(Text)
    amount_nano: Mapped[Nano]
    taken_nano: Mapped[Nano]
    opened_at: Mapped[Instant]
    until: Mapped[Instant]
    closed_at: Mapped[OptionalInstant]
    rent_until: Mapped[OptionalInstant]


class TopUpRow(TenantOwned, Base):
    """One top-up of a wallet through the provider; an automatic one is alone under way."""

    __tablename__ = "top_ups"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.wallets.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "method_id"], ["app.payment_methods.tenant_id", "app.payment_methods.id"]
        ),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint(
            "state IN ('started', 'requires-action', 'processing', 'succeeded', 'failed', 'cancelled')",
            name="state",
        ),
        CheckConstraint("(initiator = 'person') = (by_user IS NOT NULL)", name="initiator"),
        Index(
            "uq_top_ups_automatic",
            "tenant_id",
            unique=True,
            postgresql_where=text(
                "initiator = 'automatic' AND state IN ('started', 'requires-action', 'processing')"
            ),
        ),
        Index("ix_top_ups_remote", "tenant_id", "remote_id"),
    )

    id: Mapped[Key]
    account: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(Text)
    initiator: Mapped[str] = mapped_column(Text)
    by_user: Mapped[UUID | None]
    method_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    remote_id: Mapped[str | None] = mapped_column(Text)
    page_id: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[Instant]
    changed_at: Mapped[Instant]


class PayerRow(TenantOwned, Base):
    """What a tenant is called at one account of the payment provider."""

    __tablename__ = "payers"

    account: Mapped[str] = mapped_column(Text, primary_key=True)
    remote_id: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]


class PaymentMethodRow(TenantOwned, Base):
    """A saved way to pay; what is shown of it is sealed, its numbers are the provider's alone."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        UniqueConstraint("tenant_id", "account", "remote_id"),
        Index(
            "uq_payment_methods_default",
            "tenant_id",
            "account",
            unique=True,
            postgresql_where=text("is_default AND removed_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    account: Mapped[str] = mapped_column(Text)
    remote_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    shown_ct: Mapped[Sealed]
    is_default: Mapped[bool]
    added_at: Mapped[Instant]
    removed_at: Mapped[OptionalInstant]


class PaymentRow(TenantOwned, Base):
    """One attempt to collect an invoice; at most one of an invoice is under way."""

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("tenant_id", "invoice_id", "attempt"),
        Index(
            "uq_payments_under_way",
            "tenant_id",
            "invoice_id",
            unique=True,
            postgresql_where=text("state IN ('started', 'requires-action', 'processing')"),
        ),
        Index("ix_payments_retry", "tenant_id", "retry_at", postgresql_where=text("retry_at IS NOT NULL")),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "method_id"], ["app.payment_methods.tenant_id", "app.payment_methods.id"]
        ),
        CheckConstraint("amount_minor > 0 AND attempt > 0", name="amount"),
        CheckConstraint(
            "state IN ('started', 'requires-action', 'processing', 'succeeded', 'failed', 'cancelled')",
            name="state",
        ),
        CheckConstraint("initiator IN ('automatic', 'retry', 'person')", name="initiator"),
    )

    id: Mapped[Key]
    invoice_id: Mapped[UUID]
    attempt: Mapped[int] = mapped_column(Integer)
    account: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(Text)
    initiator: Mapped[str] = mapped_column(Text)
    by_user: Mapped[UUID | None]
    method_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    remote_id: Mapped[str | None] = mapped_column(Text)
    page_id: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    retry_at: Mapped[OptionalInstant]


class PaymentStepRow(TenantOwned, Base):
    """What happened to a payment, and how we came to know. Never changed."""

    __tablename__ = "payment_steps"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "payment_id"], ["app.payments.tenant_id", "app.payments.id"]),
        Index("ix_payment_steps_payment", "tenant_id", "payment_id", "id"),
    )

    id: Mapped[Key]
    payment_id: Mapped[UUID]
    at: Mapped[Instant]
    kind: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)


class InvoiceCopyRow(TenantOwned, Base):
    """The payment provider's copy of an invoice, and how far it has come."""

    __tablename__ = "invoice_copies"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        CheckConstraint("state IN ('begun', 'differs', 'refused', 'open', 'paid', 'void')", name="state"),
        CheckConstraint("version > 0 AND lines BETWEEN 0 AND 250", name="version"),
    )

    invoice_id: Mapped[Key]
    account: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    remote_id: Mapped[str] = mapped_column(Text)
    page_url: Mapped[str] = mapped_column(Text)
    pdf_url: Mapped[str] = mapped_column(Text)
    lines: Mapped[int] = mapped_column(Integer)
    remaining_minor: Mapped[Minor]
    credited: Mapped[int] = mapped_column(Integer)
    why: Mapped[str] = mapped_column(Text)
    begun_at: Mapped[Instant]
    asked_at: Mapped[Instant]


class RefundRow(TenantOwned, Base):
    """Money the staff wants to give back; above a limit a second person decides."""

    __tablename__ = "refunds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "payment_id"], ["app.payments.tenant_id", "app.payments.id"]),
        ForeignKeyConstraint(["tenant_id", "top_up_id"], ["app.top_ups.tenant_id", "app.top_ups.id"]),
        CheckConstraint("payment_id IS NULL OR top_up_id IS NULL", name="of_one"),  # neither: by transfer
        CheckConstraint("amount_minor > 0 AND reason <> ''", name="asked"),
        CheckConstraint(
            "standing IN ('waiting', 'refused', 'approved', 'made', 'came-back')", name="standing"
        ),
        CheckConstraint(
            "NOT needs_second OR standing IN ('waiting', 'refused')"
            " OR (decided_by IS NOT NULL AND decided_by <> asked_by)",
            name="two_people",
        ),
        Index("ix_refunds_payment", "tenant_id", "payment_id"),
        Index("ix_refunds_top_up", "tenant_id", "top_up_id"),
        Index("ix_refunds_standing", "tenant_id", "standing"),
    )

    id: Mapped[Key]
    payment_id: Mapped[UUID | None]
    top_up_id: Mapped[UUID | None]
    amount_minor: Mapped[Minor]
    currency: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    standing: Mapped[str] = mapped_column(Text)
    needs_second: Mapped[bool]
    asked_by: Mapped[UUID]
    asked_at: Mapped[Instant]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[OptionalInstant]


class ProviderEventRow(TenantOwned, Base):
    """News from the payment provider, kept for ever by its id. The operator's; a hint, never a fact."""

    __tablename__ = "provider_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "account", "event_id"),
        Index("ix_provider_events_time", "tenant_id", "happened_at"),
        Index("ix_provider_events_state", "tenant_id", "state"),
        CheckConstraint("state IN ('waiting', 'done', 'ignored', 'unmatched', 'failed')", name="state"),
    )

    id: Mapped[Key]
    account: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[Instant]
    received_at: Mapped[Instant]
    source: Mapped[str] = mapped_column(Text)
    times: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    for_tenant: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    handled_at: Mapped[OptionalInstant]


class ReconciliationRow(TenantOwned, Base):
    """One comparison of our books with the provider's: `billing.payments.differences`."""

    __tablename__ = "reconciliations"
    __table_args__ = (
        CheckConstraint("start_at <= cursor_at AND cursor_at <= end_at", name="stretch"),
        Index(
            "uq_reconciliations_going",
            "tenant_id",
            "account",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    account: Mapped[str] = mapped_column(Text)
    start_at: Mapped[Instant]
    end_at: Mapped[Instant]
    cursor_at: Mapped[Instant]
    looked: Mapped[int] = mapped_column(BigInteger)
    found: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[Instant]
    started_by: Mapped[UUID | None]
    ended_at: Mapped[OptionalInstant]
    # by currency, once all is compared: see `billing.payments.books.Balance`
    balances: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))


class DifferenceRow(TenantOwned, Base):
    """Where our books and the provider's differ, once however often it is found. The operator's."""

    __tablename__ = "differences"
    __table_args__ = (
        UniqueConstraint("tenant_id", "account", "moved", "remote_id", "differs"),
        CheckConstraint("standing IN ('open', 'explained', 'settled', 'agrees')", name="standing"),
        CheckConstraint(
            "standing NOT IN ('explained', 'settled') OR (reason <> '' AND decided_by IS NOT NULL)",
            name="reason",
        ),
        Index("ix_differences_standing", "tenant_id", "standing", "first_at"),
        Index("ix_differences_time", "tenant_id", "account", "happened_at"),
    )

    id: Mapped[Key]
    account: Mapped[str] = mapped_column(Text)
    moved: Mapped[str] = mapped_column(Text)
    remote_id: Mapped[str] = mapped_column(Text)
    differs: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[Instant]
    for_tenant: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    ours_minor: Mapped[int | None] = mapped_column(BigInteger)
    ours: Mapped[str] = mapped_column(Text)
    theirs_minor: Mapped[int | None] = mapped_column(BigInteger)
    theirs: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    # by how much the provider holds more for it than our books say, by currency
    effects: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    standing: Mapped[str] = mapped_column(Text)
    owner: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    first_at: Mapped[Instant]
    last_at: Mapped[Instant]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[OptionalInstant]


class CompanyFiguresRow(TenantOwned, Base):
    """How one company stands with its money, the operator's copy for the eye; see `billing.figures`."""

    __tablename__ = "company_figures"

    company_id: Mapped[Key]
    currency: Mapped[str] = mapped_column(Text)
    first_on: Mapped[dt.date] = mapped_column(Date)
    last_on: Mapped[dt.date] = mapped_column(Date)
    days_minor: Mapped[list[int]] = mapped_column(JSONB)
    running_minor: Mapped[Minor]
    unrated: Mapped[int] = mapped_column(BigInteger)
    conflicts: Mapped[int] = mapped_column(BigInteger)
    rejects: Mapped[int] = mapped_column(BigInteger)
    drafts: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    overdue: Mapped[int] = mapped_column(Integer)
    owed_minor: Mapped[Minor]
    aged_minor: Mapped[list[int]] = mapped_column(JSONB)
    on_account_minor: Mapped[Minor]
    is_held: Mapped[bool] = mapped_column(Boolean)
    taken_at: Mapped[Instant]
