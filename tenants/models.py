"""Tables of the room; private to it."""

from uuid import UUID

from sqlalchemy import (
    Boolean,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)
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
