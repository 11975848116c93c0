"""The PIN by which a customer proves on the phone who they are: set by the company, checked by a flow.

Kept as an Argon2id hash, and that sealed: whoever has the rows alone cannot even begin to guess. Three wrong
ones in a row close it for an hour, nine until somebody sets a new one, however many calls they came in. A
customer without a PIN, and a number nobody knows, take as long to check and answer the same.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import CustomerId, TenantId
from core.phone import E164
from customers import lookup, records
from customers.errors import PinError
from customers.models import CustomerPinRow, CustomerRow
from security import evidence, passwords
from security.vault import Field, Vault

SHORTEST: Final = 4
LONGEST: Final = 8
IN_A_ROW: Final = 3
MOST_WRONG: Final = 9
CLOSED_FOR: Final = dt.timedelta(hours=1)
_RUNS: Final = ("01234567890", "09876543210")


@dataclass(frozen=True, slots=True)
class Pin:
    """That a customer has one, and whether it answers; never the digits."""

    set_at: dt.datetime
    closed_until: dt.datetime | None
    is_closed: bool


def put(session: Session, *, tenant_id: TenantId, vault: Vault, customer_id: CustomerId, digits: str) -> None:
    """Set a customer's PIN, in place of one they had; it is open again.

    Args:
        session: in the company's transaction.
        tenant_id: the company.
        vault: seals the hash.
        customer_id: whose.
        digits: four to eight, not all the same and not a run like 1234.

    Raises:
        PinError: not such digits.
        CustomerNotFoundError: not this company's.
    """
    insist_on_digits(digits)
    records.insist(session, tenant_id=tenant_id, customer_id=customer_id)
    session.execute(  # a first PIN has no row to be locked: two who set one go one after the other
        select(CustomerRow.id)
        .where(CustomerRow.tenant_id == tenant_id, CustomerRow.id == customer_id)
        .with_for_update(key_share=True)
    )
    row = session.get(CustomerPinRow, (tenant_id, customer_id), with_for_update=True, populate_existing=True)
    version = row.row_version + 1 if row else 1
    sealed = vault.seal(_place(tenant_id, customer_id, version), passwords.hash_digits(digits))
    if row is None:
        row = CustomerPinRow(tenant_id=tenant_id, customer_id=customer_id)
        session.add(row)
    row.row_version, row.pin_ct, row.set_at = version, sealed, clock.now()
    row.wrong, row.closed_until = 0, None
    session.flush()
    evidence.record(session, "customer.pin-set", "cus", customer_id)


def insist_on_digits(digits: str, *, of: str = "") -> None:
    """Refuse digits that can be no PIN; `of` says whose they were to be.

    Raises:
        PinError: not four to eight, all the same, or a run like 1234.
    """
    if not (digits.isascii() and digits.isdigit() and SHORTEST <= len(digits) <= LONGEST):
        raise PinError(shortest=SHORTEST, longest=LONGEST, of=of)
    if len(set(digits)) == 1 or any(digits in run for run in _RUNS):
        raise PinError(shortest=SHORTEST, longest=LONGEST, of=of)


def take(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> None:
    """Take a customer's PIN away; one who has none keeps none.

    Raises:
        CustomerNotFoundError: not this company's.
    """
    records.insist(session, tenant_id=tenant_id, customer_id=customer_id)
    gone = session.execute(
        delete(CustomerPinRow)
        .where(CustomerPinRow.tenant_id == tenant_id, CustomerPinRow.customer_id == customer_id)
        .returning(CustomerPinRow.customer_id)
    ).scalar()
    if gone:
        evidence.record(session, "customer.pin-removed", "cus", customer_id)


def of(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> Pin | None:
    """Return whether a customer has a PIN, and how it stands."""
    row = session.get(CustomerPinRow, (tenant_id, customer_id), populate_existing=True)
    return Pin(row.set_at, row.closed_until, _is_closed(row, clock.now())) if row else None


def fits(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164 | None, digits: str) -> bool:
    """Return whether digits are the PIN of the customer with this number, and count them if they are not.

    To be committed whatever it returns. Takes some 30 ms of a processor, known caller or not.
    """
    card = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=phone) if phone else None
    row = (
        session.get(CustomerPinRow, (tenant_id, card.id), with_for_update=True, populate_existing=True)
        if card
        else None
    )
    now = clock.now()
    if row is None or _is_closed(row, now):
        passwords.verify(None, digits)
        return False
    stored = vault.open(_place(tenant_id, CustomerId(row.customer_id), row.row_version), row.pin_ct)
    if passwords.verify(stored, digits):
        row.wrong, row.closed_until = 0, None
        session.flush()
        return True
    row.wrong += 1
    if row.wrong % IN_A_ROW == 0:
        row.closed_until = now + CLOSED_FOR
    session.flush()
    return False


def _is_closed(row: CustomerPinRow, now: dt.datetime) -> bool:
    return row.wrong >= MOST_WRONG or (row.closed_until is not None and now < row.closed_until)


def _place(tenant_id: TenantId, customer_id: CustomerId, version: int) -> Field:
    return Field(tenant_id, "customer_pins", "pin_ct", customer_id, version)
