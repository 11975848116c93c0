"""People's passkeys: kept, named, used, removed.

A passkey is found by the SHA-256 of its credential's id, through the directory, which names company and
person. Its counter only goes up (WebAuthn level 3, 6.1.1): one that went back may have been copied, so it is
refused, an alarm is raised, and its owner is told. Those that count nothing say 0 for ever.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import PasskeyId, TenantId, UserId, new_id
from security import evidence, gate
from security.passkeys import Made
from security.vault import Field, Vault
from tenants import alarms, letters
from tenants.errors import MalformedPasskeyError, PasskeyMissingError, PasskeyTakenError, TooManyPasskeysError
from tenants.models import PasskeyRow
from tenants.users import User

MOST = 20
LONGEST_NAME = 60
ALARM = "passkey-copied"


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey as its owner sees it."""

    id: PasskeyId
    name: str
    is_synced: bool
    created_at: dt.datetime
    used_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer of a passkey is verified with."""

    id: PasskeyId
    user_id: UserId
    public_key: bytes


def digest(credential_id: bytes) -> bytes:
    """Return the directory key of a credential's id."""
    return hashlib.sha256(credential_id).digest()


def handle(user_id: UserId) -> bytes:
    """Return what comes back with every use of a person's passkeys: random to everybody else."""
    return user_id.bytes


def add(session: Session, *, tenant_id: TenantId, vault: Vault, user: User, name: str, made: Made) -> Passkey:
    """Keep a passkey somebody has just made, and tell them by mail.

    Raises:
        PasskeyTakenError: it is kept already, for whomever.
        TooManyPasskeysError: the person has as many as are kept.
        MalformedPasskeyError: no name, or too long a one.
    """
    checked = _checked(name)
    if len(credentials(session, tenant_id=tenant_id, user_id=user.id)) >= MOST:
        raise TooManyPasskeysError
    passkey_id = PasskeyId(new_id())
    try:
        gate.register(session, kind="passkey", key=digest(made.credential_id), ref_id=user.id)
    except gate.KeyTakenError as error:
        raise PasskeyTakenError from error
    row = PasskeyRow(
        tenant_id=tenant_id,
        id=passkey_id,
        user_id=user.id,
        version=1,
        name=vault.seal(_field(tenant_id, passkey_id, 1), checked),
        credential_id=made.credential_id,
        public_key=made.public_key,
        count=made.count,
        is_synced=made.is_synced,
        created_at=clock.now(),
        used_at=None,
    )
    session.add(row)
    session.flush()
    evidence.record(session, "passkey.added", "usr", user.id, passkey=ids.public("pky", passkey_id))
    letters.tell(
        session,
        letters.Kind.PASSKEY_ADDED,
        tenant_id=tenant_id,
        vault=vault,
        user_id=user.id,
        passkey=checked,
    )
    return _opened(vault, row)


def of_user(session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId) -> Sequence[Passkey]:
    """Return a person's passkeys, oldest first."""
    rows = session.scalars(
        select(PasskeyRow)
        .where(PasskeyRow.tenant_id == tenant_id, PasskeyRow.user_id == user_id)
        .order_by(PasskeyRow.id)
    )
    return [_opened(vault, row) for row in rows]


def credentials(session: Session, *, tenant_id: TenantId, user_id: UserId) -> Sequence[bytes]:
    """Return the ids of a person's credentials, as browsers know them."""
    return session.scalars(
        select(PasskeyRow.credential_id).where(
            PasskeyRow.tenant_id == tenant_id, PasskeyRow.user_id == user_id
        )
    ).all()


def has_any(session: Session, *, tenant_id: TenantId, user_id: UserId) -> bool:
    """Return whether a password alone no longer lets a person in."""
    query = select(func.count()).where(PasskeyRow.tenant_id == tenant_id, PasskeyRow.user_id == user_id)
    return bool(session.scalar(query))


def is_used_since(session: Session, *, tenant_id: TenantId, user_id: UserId, since: dt.datetime) -> bool:
    """Return whether a person has shown, or added, a passkey since an instant."""
    used = select(PasskeyRow.id).where(
        PasskeyRow.tenant_id == tenant_id,
        PasskeyRow.user_id == user_id,
        or_(PasskeyRow.used_at >= since, PasskeyRow.created_at >= since),
    )
    return session.scalars(used).first() is not None


def known(session: Session, *, tenant_id: TenantId, credential_id: bytes) -> Known | None:
    """Return what to verify an answer with, or None: there is no such passkey here."""
    row = session.scalars(
        select(PasskeyRow).where(PasskeyRow.tenant_id == tenant_id, PasskeyRow.credential_id == credential_id)
    ).first()
    return Known(PasskeyId(row.id), UserId(row.user_id), row.public_key) if row else None


def use(session: Session, *, tenant_id: TenantId, vault: Vault, passkey_id: PasskeyId, count: int) -> bool:
    """Note that a passkey was used; return False when its counter went back: it may have been copied.

    Args:
        session: in the company's context; committed in either case, or nobody would hear of it.
        tenant_id: the company.
        vault: opens the owner's address.
        passkey_id: whose answer was verified.
        count: what it answered with.
    """
    # one that counts nothing says 0 every time
    is_later = PasskeyRow.count < count if count else PasskeyRow.count == 0
    taken = session.execute(
        update(PasskeyRow)
        .where(PasskeyRow.tenant_id == tenant_id, PasskeyRow.id == passkey_id, is_later)
        .values(count=count, used_at=clock.now())
        .returning(PasskeyRow.id)
    ).scalar()
    if taken is not None:
        return True
    row = _row(session, tenant_id, passkey_id)
    alarms.raise_alarm(session, ALARM, tenant_id=tenant_id, subject=ids.public("usr", row.user_id))
    letters.tell(
        session,
        letters.Kind.PASSKEY_COPIED,
        tenant_id=tenant_id,
        vault=vault,
        user_id=UserId(row.user_id),
        passkey=_opened(vault, row).name,
    )
    return False


def rename(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, passkey_id: PasskeyId, name: str
) -> Passkey:
    """Call one's own passkey something else.

    Raises:
        PasskeyMissingError: not this person's.
        MalformedPasskeyError: no name, or too long a one.
    """
    checked, row = _checked(name), _own(session, tenant_id, user_id, passkey_id)
    row.version += 1
    row.name = vault.seal(_field(tenant_id, row.id, row.version), checked)
    session.flush()
    return _opened(vault, row)


def remove(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, passkey_id: PasskeyId
) -> Passkey:
    """Forget one's own passkey; the password stays, so there is always a way in.

    Raises:
        PasskeyMissingError: not this person's.
    """
    row = _own(session, tenant_id, user_id, passkey_id)
    gone = _opened(vault, row)
    gate.unregister(session, kind="passkey", key=digest(row.credential_id))
    session.delete(row)
    session.flush()
    evidence.record(session, "passkey.removed", "usr", user_id, passkey=ids.public("pky", passkey_id))
    return gone


def remove_all(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Forget all of a person's passkeys: the day everything was lost."""
    gone = session.scalars(
        delete(PasskeyRow)
        .where(PasskeyRow.tenant_id == tenant_id, PasskeyRow.user_id == user_id)
        .returning(PasskeyRow.credential_id)
    ).all()
    for credential_id in gone:
        gate.unregister(session, kind="passkey", key=digest(credential_id))
        evidence.record(session, "passkey.removed", "usr", user_id)
    session.expire_all()


def _checked(name: str) -> str:
    checked = name.strip()
    if not 0 < len(checked) <= LONGEST_NAME or not checked.isprintable():
        raise MalformedPasskeyError
    return checked


def _own(session: Session, tenant_id: TenantId, user_id: UserId, passkey_id: PasskeyId) -> PasskeyRow:
    row = _row(session, tenant_id, passkey_id)
    if row.user_id != user_id:
        raise PasskeyMissingError
    return row


def _row(session: Session, tenant_id: TenantId, passkey_id: PasskeyId) -> PasskeyRow:
    row = session.get(PasskeyRow, (tenant_id, passkey_id))
    if row is None:
        raise PasskeyMissingError
    return row


def _opened(vault: Vault, row: PasskeyRow) -> Passkey:
    return Passkey(
        PasskeyId(row.id),
        vault.open(_field(row.tenant_id, row.id, row.version), row.name),
        row.is_synced,
        row.created_at,
        row.used_at,
    )


def _field(tenant_id: UUID, passkey_id: UUID, version: int) -> Field:
    return Field(tenant_id, "passkeys", "name", passkey_id, version)
