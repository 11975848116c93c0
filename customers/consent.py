"""Consent: what the holder of a number has said about being called, in their own order.

An append-only record per number: given or withdrawn, on what basis, when; the last word counts (GDPR art.
7(1) and 7(3): consent must be provable, and as easy to withdraw as to give). The number is kept as
a keyed hash.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, new_id
from core.phone import E164
from customers.errors import ConsentBasisError
from customers.models import ConsentRow
from security.vault import Vault

INDEX = "consents.phone"
_LONGEST_BASIS = 200


@dataclass(frozen=True, slots=True)
class Consent:
    """One word of the holder of a number; `basis` says where and how it was given (a form, a call)."""

    is_given: bool
    basis: str
    recorded_at: dt.datetime
    recorded_by: UUID


def record(
    session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164, is_given: bool, basis: str, by: UUID
) -> Consent:
    """Write down that consent was given or withdrawn; earlier words stay as they were.

    Raises:
        ConsentBasisError: no basis, or one over 200 signs.
    """
    if not 0 < len(basis.strip()) <= _LONGEST_BASIS:
        raise ConsentBasisError
    row = ConsentRow(
        tenant_id=tenant_id,
        id=new_id(),
        phone_index=vault.blind_index(tenant_id, INDEX, phone),
        is_given=is_given,
        basis=basis.strip(),
        recorded_at=clock.now(),
        recorded_by=by,
    )
    session.add(row)
    session.flush()
    return _consent(row)


def standing(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> Consent | None:
    """Return the last word of the holder of a number, or None when they have said nothing."""
    row = session.scalars(_of(tenant_id, vault, phone).limit(1)).one_or_none()
    return _consent(row) if row else None


def history(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> list[Consent]:
    """Return all they have said, newest first."""
    return [_consent(row) for row in session.scalars(_of(tenant_id, vault, phone))]


def _of(tenant_id: TenantId, vault: Vault, phone: E164) -> Select[ConsentRow]:
    index = vault.blind_index(tenant_id, INDEX, phone)
    return (
        select(ConsentRow)
        .where(ConsentRow.tenant_id == tenant_id, ConsentRow.phone_index == index)
        .order_by(ConsentRow.recorded_at.desc(), ConsentRow.id.desc())
    )


def _consent(row: ConsentRow) -> Consent:
    return Consent(row.is_given, row.basis, row.recorded_at, row.recorded_by)
