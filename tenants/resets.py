"""A forgotten password: a link by mail, good once, for a quarter of an hour, for one person.

Who asks gets the same answer, after the same work, whoever the address belongs to: `ask` keeps the address,
sealed, in the operator's walls, and only a worker finds out whether anybody signs in with it. Of a link's 256
bits the SHA-256 is kept. A link is bound to the password it replaces, so that of several one counts. It is
no sign-in: sessions end, and the second step is asked for as ever (ASVS 5.0, 6.4.3).
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import OPERATOR, ResetId, SessionId, TenantId, UserId, new_id
from security import evidence, gate
from security.passwords import hash_password
from security.vault import Field, Vault
from tenants import letters, sessions, users
from tenants.errors import ResetOverError
from tenants.events import ResetAsked
from tenants.models import PasswordResetRow, ResetRequestRow

MINUTES = 15
_LASTS = dt.timedelta(minutes=MINUTES)
_KEPT = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reset:
    """Whose password a link that still counts replaces."""

    id: ResetId
    user_id: UserId


def ask(session: Session, *, vault: Vault, email: str) -> None:
    """Note that somebody has forgotten the password of an address, in the operator's context.

    Args:
        session: in the operator's context.
        vault: seals the address.
        email: canonical; nobody need sign in with it.
    """
    request_id = ResetId(new_id())
    session.add(
        ResetRequestRow(
            tenant_id=OPERATOR,
            id=request_id,
            email=vault.seal(_field(request_id), email),
            asked_at=clock.now(),
        )
    )
    session.flush()
    announce(session, ResetAsked(tenant_id=OPERATOR, request_id=request_id))


def asked(session: Session, *, vault: Vault, request_id: ResetId) -> str | None:
    """Return the address somebody asked for, or None when it was answered, or it is too late to answer."""
    row = session.get(ResetRequestRow, (OPERATOR, request_id))
    if row is None or clock.now() >= row.asked_at + _LASTS:
        return None
    return vault.open(_field(request_id), row.email)


def answered(session: Session, *, request_id: ResetId) -> None:
    """Forget an address that was asked for."""
    session.execute(
        delete(ResetRequestRow).where(ResetRequestRow.tenant_id == OPERATOR, ResetRequestRow.id == request_id)
    )


def send(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    user_id: UserId,
    public_url: str,
    reset_id: ResetId | None = None,
) -> bool:
    """Owe somebody a letter with a link; return whether there is anybody it could let in.

    Args:
        session: in the person's company.
        tenant_id: the company.
        vault: opens name and address, seals the letter.
        user_id: the person.
        public_url: what the link begins with; from the settings, never from a request's headers.
        reset_id: of the request that is answered: twice asked to, one letter is owed.
    """
    known = users.credential(session, tenant_id=tenant_id, user_id=user_id)
    reset_id = reset_id or ResetId(new_id())
    if known is None or not known.is_active:
        return False
    if session.get(PasswordResetRow, (tenant_id, reset_id)) is not None:
        return True
    token, now = sessions.new_secret(), clock.now()
    digest = sessions.digest(token) or b""
    session.add(
        PasswordResetRow(
            tenant_id=tenant_id,
            id=reset_id,
            user_id=user_id,
            digest=digest,
            stamp=_stamp(known.password_hash),
            asked_at=now,
            expires_at=now + _LASTS,
            used_at=None,
        )
    )
    session.flush()
    gate.register(session, kind="reset", key=digest, ref_id=reset_id)
    evidence.record(session, "user.reset-sent", "usr", user_id)
    letters.tell(
        session,
        letters.Kind.PASSWORD_RESET,
        tenant_id=tenant_id,
        vault=vault,
        user_id=user_id,
        good_for=_LASTS,
        link=f"{public_url}/reset/{token}",
        minutes=str(MINUTES),
    )
    return True


def find(session: Session, *, tenant_id: TenantId, digest: bytes) -> Reset:
    """Return whose password a link replaces.

    Raises:
        ResetOverError: used, too old, or the password has been replaced since.
    """
    row = session.scalars(
        select(PasswordResetRow).where(
            PasswordResetRow.tenant_id == tenant_id, PasswordResetRow.digest == digest
        )
    ).first()
    if row is None or row.used_at is not None or clock.now() >= row.expires_at:
        raise ResetOverError
    known = users.credential(session, tenant_id=tenant_id, user_id=UserId(row.user_id))
    if known is None or not known.is_active or _stamp(known.password_hash) != row.stamp:
        raise ResetOverError
    return Reset(ResetId(row.id), UserId(row.user_id))


def use(
    session: Session, *, tenant_id: TenantId, vault: Vault, digest: bytes, password: str
) -> list[SessionId]:
    """Replace the password of whom a link was sent to; return the sessions that ended.

    Raises:
        ResetOverError: see `find`; or somebody else was first with the same link.
        WeakPasswordError: see `security.passwords.check`; the link still counts.
    """
    found = find(session, tenant_id=tenant_id, digest=digest)
    hashed = hash_password(password)
    taken = session.execute(
        update(PasswordResetRow)
        .where(
            PasswordResetRow.tenant_id == tenant_id,
            PasswordResetRow.id == found.id,
            PasswordResetRow.used_at.is_(None),
        )
        .values(used_at=clock.now())
        .returning(PasswordResetRow.id)
    ).scalar()
    if taken is None:
        raise ResetOverError
    gate.unregister(session, kind="reset", key=digest)
    users.set_password(session, tenant_id=tenant_id, user_id=found.user_id, password_hash=hashed)
    evidence.record(session, "user.reset-used", "usr", found.user_id)
    letters.tell(
        session, letters.Kind.PASSWORD_CHANGED, tenant_id=tenant_id, vault=vault, user_id=found.user_id
    )
    return sessions.end_all(session, tenant_id=tenant_id, user_id=found.user_id)


def sweep(session: Session, *, tenant_id: TenantId) -> None:
    """Forget links of a day ago, and addresses that nobody answered."""
    before = clock.now() - _KEPT
    gone = session.execute(
        delete(PasswordResetRow)
        .where(PasswordResetRow.tenant_id == tenant_id, PasswordResetRow.asked_at < before)
        .returning(PasswordResetRow.digest)
    ).scalars()
    for digest in gone.all():
        gate.unregister(session, kind="reset", key=digest)
    session.execute(
        delete(ResetRequestRow).where(
            ResetRequestRow.tenant_id == tenant_id, ResetRequestRow.asked_at < before
        )
    )


def _stamp(password_hash: str) -> bytes:
    return hashlib.sha256(password_hash.encode()).digest()


def _field(request_id: UUID) -> Field:
    return Field(OPERATOR, "reset_requests", "email", request_id, 1)
