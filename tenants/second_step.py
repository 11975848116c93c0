"""The second step of signing in: a code of six digits from a person's own phone (TOTP, RFC 6238).

A code counts once: the step of time it belongs to is kept, and only a later one is taken, however many ask
at once. Neighbouring steps are taken too, for clocks that run off by half a minute. For the day the phone is
lost there are ten codes of 120 random bits, each good once; of these only hashes are kept. Nothing that
replaces a password touches any of this, so a reset never goes round it (ASVS 5.0, 6.4.3).
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, UserId
from security import evidence
from security.vault import Field, Vault
from tenants.errors import SecondStepOnError, WrongCodeError
from tenants.models import RecoveryCodeRow, SecondStepRow, UserRow

ISSUER = "Seatline"
RECOVERY_CODES = 10
_CODE_BYTES = 15  # 120 bits: a plain hash is enough (ASVS 5.0, 6.5.2), 24 signs of base32
_GROUP = 6
_STEP_S = 30
_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What goes into the phone: the secret to be typed, or the address a picture of squares holds."""

    secret: str
    uri: str


def begin(session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, name: str) -> Enrolment:
    """Make a secret for a person's phone; it counts once `confirm` has seen a code of it.

    Args:
        session: in the person's company.
        tenant_id: the company.
        vault: seals the secret.
        user_id: the person.
        name: what the phone shows beside the code, such as the e-mail address.

    Raises:
        SecondStepOnError: there is one already.
    """
    session.execute(  # there may be no row yet to be locked: a page opened twice begins one after the other
        select(UserRow.id)
        .where(UserRow.tenant_id == tenant_id, UserRow.id == user_id)
        .with_for_update(key_share=True)
    )
    row = session.get(SecondStepRow, (tenant_id, user_id), populate_existing=True)
    if row is not None and row.confirmed_at is not None:
        raise SecondStepOnError
    secret = pyotp.random_base32()
    if row is None:
        row = SecondStepRow(tenant_id=tenant_id, user_id=user_id, version=0, last_step=0)
        session.add(row)
    row.version += 1
    row.secret = vault.seal(_field(row.tenant_id, row.user_id, row.version), secret)
    row.begun_at = clock.now()
    session.flush()
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def pending(session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, name: str) -> Enrolment:
    """Return what was begun and not confirmed yet, or begin.

    Raises:
        SecondStepOnError: there is one already.
    """
    row = _row(session, tenant_id, user_id)
    if row is None or row.confirmed_at is not None:
        return begin(session, tenant_id=tenant_id, vault=vault, user_id=user_id, name=name)
    secret = _secret(vault, row)
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def confirm(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, code: str
) -> tuple[str, ...]:
    """Turn the second step on by a first code; return the recovery codes, which are shown this once.

    Raises:
        SecondStepOnError: it is on already.
        WrongCodeError: nothing was begun, or the code is not of this secret and now.
    """
    row = _row(session, tenant_id, user_id)
    if row is None:
        raise WrongCodeError
    if row.confirmed_at is not None:
        raise SecondStepOnError
    if not _counts(session, vault, row, code, clock.now()):
        raise WrongCodeError
    row.confirmed_at = clock.now()
    evidence.record(session, "second-step.enabled", "usr", user_id)
    return give_codes(session, tenant_id=tenant_id, user_id=user_id)


def give_codes(session: Session, *, tenant_id: TenantId, user_id: UserId) -> tuple[str, ...]:
    """Return fresh recovery codes, which are shown this once; those of before are over."""
    forget_codes(session, tenant_id=tenant_id, user_id=user_id)
    made = tuple(_new_code() for _ in range(RECOVERY_CODES))
    session.add_all(
        RecoveryCodeRow(tenant_id=tenant_id, user_id=user_id, digest=_digest(one), used_at=None)
        for one in made
    )
    session.flush()
    return made


def is_on(session: Session, *, tenant_id: TenantId, user_id: UserId) -> bool:
    """Return whether signing in takes a second step."""
    row = _row(session, tenant_id, user_id)
    return row is not None and row.confirmed_at is not None


def passes(session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, code: str) -> bool:
    """Return whether a code, or a recovery code, is this person's and was not used before; it is used up."""
    row = _row(session, tenant_id, user_id)
    if row is not None and row.confirmed_at is not None and _counts(session, vault, row, code, clock.now()):
        return True
    used = session.execute(
        update(RecoveryCodeRow)
        .where(
            RecoveryCodeRow.tenant_id == tenant_id,
            RecoveryCodeRow.user_id == user_id,
            RecoveryCodeRow.digest == _digest(code),
            RecoveryCodeRow.used_at.is_(None),
        )
        .values(used_at=clock.now())
        .returning(RecoveryCodeRow.digest)
    ).scalar()
    if used is None:
        return False
    evidence.record(session, "second-step.recovered", "usr", user_id)
    return True


def remove(session: Session, *, tenant_id: TenantId, user_id: UserId, are_codes_kept: bool = False) -> None:
    """Ask a person for no code any more; recovery codes are kept where a passkey may be lost."""
    session.execute(
        delete(SecondStepRow).where(SecondStepRow.tenant_id == tenant_id, SecondStepRow.user_id == user_id)
    )
    if not are_codes_kept:
        forget_codes(session, tenant_id=tenant_id, user_id=user_id)
    session.expire_all()
    evidence.record(session, "second-step.removed", "usr", user_id)


def forget_codes(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Forget a person's recovery codes: there is nothing left that could be lost."""
    session.execute(
        delete(RecoveryCodeRow).where(
            RecoveryCodeRow.tenant_id == tenant_id, RecoveryCodeRow.user_id == user_id
        )
    )
    session.expire_all()


def is_used_since(session: Session, *, tenant_id: TenantId, user_id: UserId, since: dt.datetime) -> bool:
    """Return whether a code of the phone, or a recovery code, was taken since an instant."""
    row = _row(session, tenant_id, user_id)
    if row is not None and row.last_step > int(since.timestamp()) // _STEP_S:
        return True
    used = select(RecoveryCodeRow.digest).where(
        RecoveryCodeRow.tenant_id == tenant_id,
        RecoveryCodeRow.user_id == user_id,
        RecoveryCodeRow.used_at >= since,
    )
    return session.scalars(used).first() is not None


def codes_left(session: Session, *, tenant_id: TenantId, user_id: UserId) -> int:
    """Return how many recovery codes are unused."""
    return (
        session.scalar(
            select(func.count())
            .select_from(RecoveryCodeRow)
            .where(
                RecoveryCodeRow.tenant_id == tenant_id,
                RecoveryCodeRow.user_id == user_id,
                RecoveryCodeRow.used_at.is_(None),
            )
        )
        or 0
    )


def _counts(session: Session, vault: Vault, row: SecondStepRow, code: str, at: dt.datetime) -> bool:
    """Return whether a code of six digits is right now, and take its step of time: it counts once."""
    typed = "".join(code.split())
    if not _DIGITS.fullmatch(typed):
        return False
    totp, now = pyotp.TOTP(_secret(vault, row)), int(at.timestamp()) // _STEP_S
    right = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(totp.generate_otp(step), typed)]
    if not right:
        return False
    taken = session.execute(
        update(SecondStepRow)
        .where(
            SecondStepRow.tenant_id == row.tenant_id,
            SecondStepRow.user_id == row.user_id,
            SecondStepRow.last_step < right[-1],
        )
        .values(last_step=right[-1])
        .returning(SecondStepRow.last_step)
        .execution_options(synchronize_session=False)
    ).scalar()
    return taken is not None


def _row(session: Session, tenant_id: TenantId, user_id: UserId) -> SecondStepRow | None:
    return session.get(SecondStepRow, (tenant_id, user_id))


def _secret(vault: Vault, row: SecondStepRow) -> str:
    return vault.open(_field(row.tenant_id, row.user_id, row.version), row.secret)


def _field(tenant_id: UUID, user_id: UUID, version: int) -> Field:
    return Field(TenantId(tenant_id), "second_steps", "secret", user_id, version)


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _digest(code: str) -> bytes:
    plain = "".join(sign for sign in code.casefold() if sign.isascii() and sign.isalnum())
    return hashlib.sha256(plain.encode()).digest()
