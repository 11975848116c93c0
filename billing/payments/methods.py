"""Payers and their saved methods: copies of what the provider has, sealed where people are told of them."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.errors import PaymentMethodNotFoundError
from billing.models import PayerRow, PaymentMethodRow
from billing.payments.port import RemoteMethod, Shown
from core import clock
from core.ids import PaymentMethodId, TenantId, new_id
from security.vault import Field, Vault


@dataclass(frozen=True, slots=True)
class Method:
    """A saved way to pay."""

    method_id: PaymentMethodId
    remote_id: str
    kind: str
    shown: Shown
    is_default: bool
    added_at: dt.datetime


def payer(session: Session, *, tenant_id: TenantId, account: str) -> str | None:
    """Return what the tenant is called at the provider's account, or None."""
    row = session.get(PayerRow, (tenant_id, account))
    return row.remote_id if row else None


def know_payer(session: Session, *, tenant_id: TenantId, account: str, remote_id: str) -> str:
    """Keep what the tenant is called; return the name that was kept first."""
    session.execute(
        insert(PayerRow)
        .values(tenant_id=tenant_id, account=account, remote_id=remote_id, created_at=clock.now())
        .on_conflict_do_nothing()
    )
    return session.get_one(PayerRow, (tenant_id, account)).remote_id


def every(session: Session, *, tenant_id: TenantId, account: str, vault: Vault) -> tuple[Method, ...]:
    """Return the saved methods, the default first."""
    rows = session.scalars(
        select(PaymentMethodRow)
        .where(
            PaymentMethodRow.tenant_id == tenant_id,
            PaymentMethodRow.account == account,
            PaymentMethodRow.removed_at.is_(None),
        )
        .order_by(PaymentMethodRow.is_default.desc(), PaymentMethodRow.id.desc())
    )
    return tuple(_method(row, vault) for row in rows)


def default(session: Session, *, tenant_id: TenantId, account: str) -> tuple[PaymentMethodId, str] | None:
    """Return the default method's id, ours and the provider's, or None."""
    row = session.execute(
        select(PaymentMethodRow.id, PaymentMethodRow.remote_id).where(
            PaymentMethodRow.tenant_id == tenant_id,
            PaymentMethodRow.account == account,
            PaymentMethodRow.removed_at.is_(None),
            PaymentMethodRow.is_default,
        )
    ).first()
    return (PaymentMethodId(row[0]), row[1]) if row else None


def remote_of(session: Session, *, tenant_id: TenantId, method_id: UUID) -> str:
    """Return the provider's name for a method, even when it has been removed since."""
    return session.get_one(PaymentMethodRow, (tenant_id, method_id)).remote_id


def find(session: Session, *, tenant_id: TenantId, method_id: UUID, vault: Vault) -> Method:
    """Return a saved method.

    Raises:
        PaymentMethodNotFoundError: no such method, or it was removed.
    """
    return _method(_row(session, tenant_id, method_id), vault)


def mirror(
    session: Session, *, tenant_id: TenantId, account: str, vault: Vault, there: Sequence[RemoteMethod]
) -> None:
    """Make our copies say what the provider has, newest first; the first that comes becomes the default."""
    session.execute(  # one at a time per tenant, so that two of them do not both choose a default
        select(PayerRow.remote_id)
        .where(PayerRow.tenant_id == tenant_id, PayerRow.account == account)
        .with_for_update()
    )
    known = {
        row.remote_id: row
        for row in session.scalars(
            select(PaymentMethodRow).where(
                PaymentMethodRow.tenant_id == tenant_id, PaymentMethodRow.account == account
            )
        )
    }
    now = clock.now()
    for remote in reversed(there):
        row = known.get(remote.remote_id)
        if row is None:
            method_id = new_id()
            row = PaymentMethodRow(
                tenant_id=tenant_id,
                id=method_id,
                account=account,
                remote_id=remote.remote_id,
                kind=remote.kind,
                shown_ct=vault.seal(_field(tenant_id, method_id), _json(remote.shown)),
                is_default=False,
                added_at=now,
            )
            session.add(row)
            known[remote.remote_id] = row
        row.removed_at = None
    standing = {one.remote_id for one in there}
    for row in known.values():
        if row.remote_id not in standing and row.removed_at is None:
            row.removed_at, row.is_default = now, False
    session.flush()
    left = [known[one.remote_id] for one in there]
    if left and not any(row.is_default for row in left):
        left[0].is_default = True
        session.flush()


def make_default(session: Session, *, tenant_id: TenantId, method_id: UUID) -> None:
    """Charge this method from now on.

    Raises:
        PaymentMethodNotFoundError: no such method, or it was removed.
    """
    row = _row(session, tenant_id, method_id)
    session.execute(
        update(PaymentMethodRow)
        .where(
            PaymentMethodRow.tenant_id == tenant_id,
            PaymentMethodRow.account == row.account,
            PaymentMethodRow.is_default,
        )
        .values(is_default=False)
    )
    row.is_default = True
    session.flush()


def _row(session: Session, tenant_id: TenantId, method_id: UUID) -> PaymentMethodRow:
    row = session.get(PaymentMethodRow, (tenant_id, method_id))
    if row is None or row.removed_at is not None:
        raise PaymentMethodNotFoundError
    return row


def _method(row: PaymentMethodRow, vault: Vault) -> Method:
    said = json.loads(vault.open(_field(TenantId(row.tenant_id), row.id), row.shown_ct))
    return Method(
        PaymentMethodId(row.id),
        row.remote_id,
        row.kind,
        Shown(said["brand"], said["last4"], said["expires"]),
        row.is_default,
        row.added_at,
    )


def _json(shown: Shown) -> str:
    return json.dumps({"brand": shown.brand, "last4": shown.last4, "expires": shown.expires})


def _field(tenant_id: TenantId, method_id: UUID) -> Field:
    return Field(tenant_id, "payment_methods", "shown_ct", method_id, 1)
