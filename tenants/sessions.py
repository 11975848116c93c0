"""Sessions: server-side, one row per sign-in; the cookie holds the secret, the row only its SHA-256.

A session is new at every sign-in and at every change of privilege, ends by sign-out, by a password
change, by disabling, after lying idle (30 minutes in the portal, 15 at the operator's desk, a shift at
the console) and in any case after twelve hours. The user is found by the session, never by a user id
that came from outside. Source: ASVS 5.0 chapter 7.
"""

import datetime as dt
import hashlib
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import SessionId, TenantId, UserId, new_id
from security import evidence, gate
from security.vault import Vault
from tenants import companies, users
from tenants.companies import Company
from tenants.models import CompanyRow, PasskeyRow, SecondStepRow, SessionRow, UserRow
from tenants.roles import ABSOLUTE, IDLE, Door, door_of, permitted

ENDED = "session-ended"  # the topic on which live pages hear that their session is over
# 256 bits in 43 signs: the last one has two bits to spare, which must be none, or a session had four names
_SECRET = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
# `seen_at` is written at most this often, so that reading pages does not write on every click.
_TOUCH = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Started:
    """A fresh session: the secret is for the cookie and is kept nowhere else."""

    secret: str
    session_id: SessionId
    door: Door
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a live session belongs to, and what that person may do right now."""

    session_id: SessionId
    user_id: UserId
    tenant_id: TenantId
    name: str
    email: str
    roles: tuple[str, ...]
    permissions: frozenset[str]
    door: Door
    language: str
    zone: str
    company: Company
    started_at: dt.datetime
    expires_at: dt.datetime
    has_second_step: bool


def digest(secret: str) -> bytes | None:
    """Return the directory key of a cookie's secret, or None when it cannot be one."""
    if not _SECRET.fullmatch(secret):
        return None
    return hashlib.sha256(urlsafe_b64decode(secret + "=")).digest()


def new_secret() -> str:
    """Return 32 random bytes as 43 signs."""
    return urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def start(session: Session, *, tenant_id: TenantId, user_id: UserId) -> Started:
    """Begin a session for a user who has just proved who they are."""
    secret = new_secret()
    hashed = hashlib.sha256(urlsafe_b64decode(secret + "=")).digest()
    now = clock.now()
    door = door_of(users.roles_of(session, tenant_id=tenant_id, user_id=user_id))
    row = SessionRow(
        tenant_id=tenant_id,
        id=new_id(),
        user_id=user_id,
        digest=hashed,
        door=door.value,
        created_at=now,
        seen_at=now,
        expires_at=now + ABSOLUTE,
    )
    session.add(row)
    person = session.get(UserRow, (tenant_id, user_id))
    if person is not None:
        person.signed_in_at = now
    session.flush()
    gate.register(session, kind="session", key=hashed, ref_id=user_id)
    evidence.record(session, "session.started", "usr", user_id)
    return Started(secret, SessionId(row.id), door, row.expires_at)


def find(
    session: Session, *, tenant_id: TenantId, vault: Vault, digest: bytes, touch: bool = True
) -> SignedIn | None:
    """Return who the session belongs to, or None when it is over.

    Args:
        session: in the tenant's context.
        tenant_id: the tenant the directory named.
        vault: opens the user's name and address.
        digest: of the cookie's secret.
        touch: marks the session as seen; False for what a page does by itself.
    """
    # one statement for all three, because every request begins here; the rooms then find their rows at hand
    found = session.execute(
        select(SessionRow, UserRow, CompanyRow, _has_second_step())
        .join(UserRow, and_(UserRow.tenant_id == SessionRow.tenant_id, UserRow.id == SessionRow.user_id))
        .join(CompanyRow, CompanyRow.tenant_id == SessionRow.tenant_id)
        .where(SessionRow.tenant_id == tenant_id, SessionRow.digest == digest)
    ).first()
    now = clock.now()
    if found is None:
        return None
    row, person, _, has_second_step = found
    if now >= row.expires_at or now - row.seen_at >= IDLE[Door(row.door)] or person.status != "active":
        return None
    if touch and now - row.seen_at >= _TOUCH:
        row.seen_at = now
        session.flush()
    user = users.read(session, tenant_id=tenant_id, vault=vault, user_id=UserId(row.user_id))
    return SignedIn(
        session_id=SessionId(row.id),
        user_id=user.id,
        tenant_id=tenant_id,
        name=user.name,
        email=user.email,
        roles=user.roles,
        permissions=permitted(user.roles),
        door=door_of(user.roles),
        language=user.language,
        zone=user.zone,
        company=companies.read(session, tenant_id=tenant_id),
        started_at=row.created_at,
        expires_at=row.expires_at,
        has_second_step=has_second_step,
    )


def _has_second_step() -> ColumnElement[bool]:
    """Return whether a user has a passkey or a confirmed phone; for a statement that has `UserRow`."""
    return or_(
        exists().where(
            SecondStepRow.tenant_id == UserRow.tenant_id,
            SecondStepRow.user_id == UserRow.id,
            SecondStepRow.confirmed_at.is_not(None),
        ),
        exists().where(PasskeyRow.tenant_id == UserRow.tenant_id, PasskeyRow.user_id == UserRow.id),
    )


def end(session: Session, *, tenant_id: TenantId, session_id: SessionId) -> bool:
    """End one session; return whether it was there. The doorway then tells its live pages."""
    row = session.get(SessionRow, (tenant_id, session_id))
    if row is None:
        return False
    gate.unregister(session, kind="session", key=row.digest)
    session.delete(row)
    session.flush()
    evidence.record(session, "session.ended", "usr", row.user_id)
    return True


def end_all(
    session: Session, *, tenant_id: TenantId, user_id: UserId, keep: SessionId | None = None
) -> list[SessionId]:
    """End a user's sessions, perhaps but one; return those that ended."""
    rows = session.scalars(
        select(SessionRow).where(SessionRow.tenant_id == tenant_id, SessionRow.user_id == user_id)
    ).all()
    ended = [SessionId(row.id) for row in rows if row.id != keep]
    for session_id in ended:
        end(session, tenant_id=tenant_id, session_id=session_id)
    return ended


def sweep(session: Session, *, tenant_id: TenantId) -> int:
    """Remove sessions that are over; return how many. For the periodic table."""
    over = session.scalars(
        select(SessionRow).where(SessionRow.tenant_id == tenant_id, SessionRow.expires_at <= clock.now())
    ).all()
    for row in over:
        gate.unregister(session, kind="session", key=row.digest)
    session.execute(
        delete(SessionRow).where(
            SessionRow.tenant_id == tenant_id, SessionRow.id.in_([row.id for row in over])
        )
    )
    return len(over)
