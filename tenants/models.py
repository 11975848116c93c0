"""Tables of the room; private to it."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Instant, Key, OptionalInstant, OptionalSealed, Sealed, TenantOwned


class CompanyRow(TenantOwned, Base):
    """A client company, or the operator itself: one row per tenant.

    The only fenced table that the operator reads and extends across tenants: the list of its clients.
    """

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(Text)
    country: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    initials: Mapped[str] = mapped_column(Text)
    colour: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[Instant]
    revision: Mapped[int] = mapped_column(BigInteger, server_default="1")
    number_format: Mapped[str] = mapped_column(Text, server_default="auto")
    date_format: Mapped[str] = mapped_column(Text, server_default="auto")
    clock_format: Mapped[str] = mapped_column(Text, server_default="auto")
    budget_minor: Mapped[int | None] = mapped_column(BigInteger)
    requires_second_step: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class UserRow(TenantOwned, Base):
    """Somebody who signs in. E-mail and name are sealed; `version` is bound into both."""

    __tablename__ = "users"

    id: Mapped[Key]
    version: Mapped[int]
    email: Mapped[Sealed]
    name: Mapped[Sealed]
    password_hash: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    shortcuts: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Instant]
    signed_in_at: Mapped[OptionalInstant]


class MembershipRow(TenantOwned, Base):
    """One role of one user."""

    __tablename__ = "memberships"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),)

    user_id: Mapped[Key]
    role: Mapped[str] = mapped_column(Text, primary_key=True)


class SessionRow(TenantOwned, Base):
    """One sign-in of one user; `digest` is SHA-256 of the secret in the cookie."""

    __tablename__ = "login_sessions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "digest"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
        Index("ix_login_sessions_of_user", "tenant_id", "user_id"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID] = mapped_column(Uuid)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    door: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]
    seen_at: Mapped[Instant]
    expires_at: Mapped[Instant]


class ApiKeyRow(TenantOwned, Base):
    """A key of a company's program; `digest` is SHA-256 of its secret part."""

    __tablename__ = "api_keys"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[str] = mapped_column(Text)
    created_by: Mapped[UUID] = mapped_column(Uuid)
    created_at: Mapped[Instant]
    expires_at: Mapped[OptionalInstant]
    last_used_at: Mapped[OptionalInstant]
    revoked_at: Mapped[OptionalInstant]
    api_version: Mapped[str] = mapped_column(Text, server_default="2026-11-22")
    networks: Mapped[str] = mapped_column(Text, server_default="")


class RepeatRow(TenantOwned, Base):
    """One `Idempotency-Key` of one principal: running, or done with the answer it got (sealed)."""

    __tablename__ = "repeats"
    __table_args__ = (Index("ix_repeats_by_age", "tenant_id", "created_at"),)

    principal_id: Mapped[Key]
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    attempt: Mapped[UUID] = mapped_column(Uuid)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Instant]
    held_until: Mapped[Instant]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    answer: Mapped[OptionalSealed]


class SavedViewRow(TenantOwned, Base):
    """What one user set a table to; name and query are sealed together."""

    __tablename__ = "saved_views"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
        Index("ix_saved_views_of_user", "tenant_id", "user_id", "page"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID] = mapped_column(Uuid)
    page: Mapped[str] = mapped_column(Text)
    content_ct: Mapped[Sealed]
    is_default: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[Instant]


class WebhookRow(TenantOwned, Base):
    """An address of a company's program that hears events. Address and secrets are sealed.

    `version` is bound into what is sealed and goes up with every change a person makes.
    """

    __tablename__ = "webhooks"

    id: Mapped[Key]
    version: Mapped[int]
    url: Mapped[Sealed]
    secret: Mapped[Sealed]
    old_secret: Mapped[OptionalSealed]
    old_secret_until: Mapped[OptionalInstant]
    types: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    succeeded_at: Mapped[OptionalInstant]
    failing_since: Mapped[OptionalInstant]


class WebhookEventRow(TenantOwned, Base):
    """One event as webhooks tell it: ids and a type. Its id is the `webhook-id` of every delivery."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_by_age", "tenant_id", "created_at"),)

    id: Mapped[Key]
    type: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]


class DeliveryRow(TenantOwned, Base):
    """One event owed to one webhook. `round` counts replays, `tries` the tries of this round."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "webhook_id", "event_id"),
        Index("ix_webhook_deliveries_newest", "tenant_id", "webhook_id", "id"),
        ForeignKeyConstraint(["tenant_id", "webhook_id"], ["webhooks.tenant_id", "webhooks.id"]),
        ForeignKeyConstraint(["tenant_id", "event_id"], ["webhook_events.tenant_id", "webhook_events.id"]),
    )

    id: Mapped[Key]
    webhook_id: Mapped[UUID] = mapped_column(Uuid)
    event_id: Mapped[UUID] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]
    round: Mapped[int] = mapped_column(SmallInteger)
    round_began_at: Mapped[Instant]
    tries: Mapped[int] = mapped_column(SmallInteger)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    next_at: Mapped[OptionalInstant]
    settled_at: Mapped[OptionalInstant]


class AttemptRow(TenantOwned, Base):
    """One try of a delivery; without a duration it was cut off (a worker died). The answer is sealed."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "delivery_id"], ["webhook_deliveries.tenant_id", "webhook_deliveries.id"]
        ),
    )

    delivery_id: Mapped[Key]
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    began_at: Mapped[Instant]
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[OptionalSealed]


class SecondStepRow(TenantOwned, Base):
    """A person's second step: `last_step` is the last step of time (30 s) whose code counted."""

    __tablename__ = "second_steps"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),)

    user_id: Mapped[Key]
    version: Mapped[int] = mapped_column(Integer)
    secret: Mapped[Sealed]
    begun_at: Mapped[Instant]
    confirmed_at: Mapped[OptionalInstant]
    last_step: Mapped[int] = mapped_column(BigInteger)


class RecoveryCodeRow(TenantOwned, Base):
    """The hash of one code for the day the phone is lost."""

    __tablename__ = "recovery_codes"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),)

    user_id: Mapped[Key]
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[OptionalInstant]


class AlarmRow(TenantOwned, Base):
    """Something to look at; `company_id` is another than `tenant_id` in the operator's copy only."""

    __tablename__ = "alarms"
    __table_args__ = (
        Index(
            "ix_alarms_open",
            "tenant_id",
            "company_id",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("acknowledged_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    company_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    raised_at: Mapped[Instant]
    last_at: Mapped[Instant]
    times: Mapped[int] = mapped_column(Integer)
    acknowledged_at: Mapped[OptionalInstant]
    acknowledged_by: Mapped[UUID | None] = mapped_column(Uuid)


class RefusalRow(TenantOwned, Base):
    """Refusals of a kind in an hour; `company_id` is another than `tenant_id` in the operator's copy only."""

    __tablename__ = "refusals"

    hour: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    company_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    times: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[OptionalInstant]


class LetterRow(TenantOwned, Base):
    """A letter on its way by mail; recipient and words are sealed, and forgotten once it is settled."""

    __tablename__ = "letters"
    __table_args__ = (
        Index("ix_letters_by_age", "tenant_id", "written_at"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
    )

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(Text)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    content: Mapped[OptionalSealed]
    state: Mapped[str] = mapped_column(Text)
    written_at: Mapped[Instant]
    good_until: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]


class ResetRequestRow(TenantOwned, Base):
    """An address whose password somebody has forgotten, sealed; at the operator, for whose is not known."""

    __tablename__ = "reset_requests"

    id: Mapped[Key]
    email: Mapped[Sealed]
    asked_at: Mapped[Instant]


class PasswordResetRow(TenantOwned, Base):
    """A link that replaces one password once; `stamp` is the SHA-256 of that password's hash."""

    __tablename__ = "password_resets"
    __table_args__ = (
        UniqueConstraint("tenant_id", "digest"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID] = mapped_column(Uuid)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    stamp: Mapped[bytes] = mapped_column(LargeBinary)
    asked_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    used_at: Mapped[OptionalInstant]


class AgreementRow(TenantOwned, Base):
    """One version of the text agents sign; `digest` is its SHA-256. Never changed."""

    __tablename__ = "agreements"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    body: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    effective_from: Mapped[Instant]
    grace_days: Mapped[int] = mapped_column(Integer)
    published_at: Mapped[Instant]
    published_by: Mapped[UUID] = mapped_column(Uuid)


class LegalHoldRow(TenantOwned, Base):
    """Nothing of the company, of a customer or of a call may be removed until somebody lifts it."""

    __tablename__ = "legal_holds"
    __table_args__ = (Index("ix_legal_holds_set", "tenant_id", "set_at"),)

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None] = mapped_column(Uuid)
    reason: Mapped[str] = mapped_column(Text)
    set_by: Mapped[UUID] = mapped_column(Uuid)
    set_at: Mapped[Instant]
    lifted_by: Mapped[UUID | None] = mapped_column(Uuid)
    lifted_at: Mapped[OptionalInstant]


class PasskeyRow(TenantOwned, Base):
    """The public half of a key that one person's device holds; `version` is bound into its name."""

    __tablename__ = "passkeys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "credential_id"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
        Index("ix_passkeys_of_user", "tenant_id", "user_id"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(Integer)
    name: Mapped[Sealed]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    count: Mapped[int] = mapped_column(BigInteger)
    is_synced: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[Instant]
    used_at: Mapped[OptionalInstant]


class CompanyDeletionRow(TenantOwned, Base):
    """A company that is to be deleted, the operator's row: two people, a day, and the certificate."""

    __tablename__ = "company_deletions"

    id: Mapped[Key]
    company_id: Mapped[UUID] = mapped_column(Uuid)
    money: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID] = mapped_column(Uuid)
    asked_at: Mapped[Instant]
    confirmed_by: Mapped[UUID | None] = mapped_column(Uuid)
    due_at: Mapped[OptionalInstant]
    called_off_by: Mapped[UUID | None] = mapped_column(Uuid)
    called_off_at: Mapped[OptionalInstant]
    begun_at: Mapped[OptionalInstant]
    done_at: Mapped[OptionalInstant]
    certificate: Mapped[str | None] = mapped_column(Text)


class StepRecoveryRow(TenantOwned, Base):
    """A lost second step that two of the operator's people take: who, when, what came of it."""

    __tablename__ = "step_recoveries"

    id: Mapped[Key]
    company_id: Mapped[UUID] = mapped_column(Uuid)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    ticket: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID] = mapped_column(Uuid)
    asked_at: Mapped[Instant]
    confirmed_by: Mapped[UUID | None] = mapped_column(Uuid)
    due_at: Mapped[OptionalInstant]
    outcome: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[OptionalInstant]


class CompanyExportRow(TenantOwned, Base):
    """An archive of everything the company owns: how far it is, its parts, and until when it lies here.

    `cursor` is where the next part begins, `writing` the object that is being written just now; `parts` are
    those that lie in the storage. No name or number of anybody stands here.
    """

    __tablename__ = "company_exports"
    __table_args__ = (
        Index(
            "uq_company_exports_one",
            "tenant_id",
            unique=True,
            postgresql_where=text("state = 'running'"),
        ),
    )

    id: Mapped[Key]
    asked_by: Mapped[UUID] = mapped_column(Uuid)
    asked_at: Mapped[Instant]
    recipient: Mapped[str] = mapped_column(Text)
    key_ct: Mapped[OptionalSealed]
    state: Mapped[str] = mapped_column(Text)
    cursor: Mapped[dict[str, Any]] = mapped_column(JSONB)
    writing: Mapped[str | None] = mapped_column(Text)
    parts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int | None] = mapped_column(BigInteger)
    stalled: Mapped[str | None] = mapped_column(Text)
    made_at: Mapped[OptionalInstant]
    expires_at: Mapped[Instant]
    gone_at: Mapped[OptionalInstant]
    gone_why: Mapped[str | None] = mapped_column(Text)


class DownloadRow(TenantOwned, Base):
    """A file of a table that is too long for one request: who asked, how far it is, until when it lies here.

    `after` is where the next piece begins and `is_drawn` says that there is none; `writing` is the object
    that is being written just now. The address it is drawn from is sealed: it may hold what was searched for.
    """

    __tablename__ = "downloads"
    __table_args__ = (Index("ix_downloads_asked", "tenant_id", "asked_by", "id"),)

    id: Mapped[Key]
    asked_by: Mapped[UUID] = mapped_column(Uuid)
    asked_as: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[Instant]
    subject: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    address_ct: Mapped[Sealed]
    state: Mapped[str] = mapped_column(Text)
    after: Mapped[str] = mapped_column(Text)
    is_drawn: Mapped[bool] = mapped_column(Boolean)
    layout: Mapped[dict[str, Any]] = mapped_column(JSONB)
    pieces: Mapped[list[str]] = mapped_column(JSONB)
    writing: Mapped[str | None] = mapped_column(Text)
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int | None] = mapped_column(BigInteger)
    file: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    made_at: Mapped[OptionalInstant]
    expires_at: Mapped[Instant]
    gone_at: Mapped[OptionalInstant]
    gone_why: Mapped[str | None] = mapped_column(Text)


class RetentionRuleRow(TenantOwned, Base):
    """For how many days a company keeps one kind of thing."""

    __tablename__ = "retention_rules"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    days: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[Instant]
    changed_by: Mapped[UUID] = mapped_column(Uuid)


class RetentionRunRow(TenantOwned, Base):
    """What one night removed; `ended_at` None while it is not through."""

    __tablename__ = "retention_runs"

    on_day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    started_at: Mapped[Instant]
    ended_at: Mapped[OptionalInstant]
    is_held: Mapped[bool] = mapped_column(Boolean)
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
