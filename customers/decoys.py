"""Decoys: customers who do not exist, whom no call or campaign leads to. Whoever opens one was browsing.

The owner knows which they are, and nobody else: to others they look like any customer. A decoy is found by
no caller's number and dialled by nobody, and opening its record by itself is refused with
`DecoyOpenedError`, which the doorway turns into an alarm and the end of the session.
Source: poison records, docs.cossacklabs.com/acra/security-controls/intrusion-detection.
"""

import datetime as dt
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import CustomerId, TenantId
from core.phone import E164
from customers import records
from customers.errors import CustomerExistsError, CustomerNotFoundError
from customers.models import CustomerRow, DecoyRow
from customers.records import PHONE_INDEX, CustomerDetails
from security import evidence
from security.vault import Vault

_FIRST = ("Harriet", "Owen", "Priscilla", "Dominic", "Rosalind", "Malcolm", "Beatrix", "Leonard")
_LAST = ("Ashdown", "Fairbrook", "Hargreave", "Pemberley", "Winslade", "Thornbury", "Lockhart", "Marchmont")
# Ofcom keeps 07700 900000 to 900999 for drama: nobody is ever reached by them
_NOBODY = "+447700900{:03}"
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Decoy:
    """One decoy, as its owner sees it."""

    customer_id: CustomerId
    name: str
    made_at: dt.datetime


def invent(session: Session, *, tenant_id: TenantId, vault: Vault) -> CustomerId:
    """Make up a customer and mark them; nothing of them is anybody's.

    Raises:
        CustomerExistsError: every number nobody has is a customer's already.
    """
    name = f"{secrets.choice(_FIRST)} {secrets.choice(_LAST)}"
    for _ in range(_TRIES):
        phone = E164(_NOBODY.format(secrets.randbelow(1000)))
        details = CustomerDetails(name=name, phone=phone, email=f"{name.split()[1].lower()}@mail.example")
        try:
            made = records.add(session, tenant_id=tenant_id, vault=vault, details=details)
        except CustomerExistsError:
            continue
        mark(session, tenant_id=tenant_id, customer_id=made.id)
        return made.id
    raise CustomerExistsError


def mark(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> None:
    """Make a decoy of a customer; twice changes nothing.

    Raises:
        CustomerNotFoundError: not this company's, or none.
    """
    if session.get(CustomerRow, (tenant_id, customer_id)) is None:
        raise CustomerNotFoundError
    session.execute(
        insert(DecoyRow)
        .values(tenant_id=tenant_id, customer_id=customer_id, made_at=clock.now())
        .on_conflict_do_nothing()
    )
    evidence.record(session, "decoy.made")


def unmark(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> None:
    """Make an ordinary customer of a decoy.

    Raises:
        CustomerNotFoundError: there is no such decoy.
    """
    gone = session.execute(
        delete(DecoyRow)
        .where(DecoyRow.tenant_id == tenant_id, DecoyRow.customer_id == customer_id)
        .returning(DecoyRow.customer_id)
    ).scalar()
    if gone is None:
        raise CustomerNotFoundError
    evidence.record(session, "decoy.removed")


def every(session: Session, *, tenant_id: TenantId, vault: Vault) -> list[Decoy]:
    """Return the company's decoys, newest first, with their made-up names."""
    rows = session.execute(
        select(CustomerRow, DecoyRow.made_at)
        .join(
            DecoyRow,
            (DecoyRow.tenant_id == CustomerRow.tenant_id) & (DecoyRow.customer_id == CustomerRow.id),
        )
        .where(CustomerRow.tenant_id == tenant_id)
        .order_by(DecoyRow.made_at.desc())
    )
    return [Decoy(CustomerId(row.id), records.opened(vault, row).name, at) for row, at in rows]


def is_decoys(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> bool:
    """Return whether a number is a decoy's: nobody dials it."""
    mark = vault.mark(tenant_id, PHONE_INDEX, phone)
    return bool(
        session.scalar(
            select(
                exists().where(
                    CustomerRow.tenant_id == tenant_id,
                    records.has_mark(mark),
                    records.is_decoy(),
                )
            )
        )
    )
