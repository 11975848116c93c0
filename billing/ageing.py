"""Aged receivables: what is open, by how long ago it was to be paid.

What is on account is told beside it: it belongs to no invoice yet, and the next one takes it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy.orm import Session

from billing import accounts, invoices, ledger, periods
from billing.payments import attempts
from core import clock
from core.ids import InvoiceId, TenantId


class Bucket(IntEnum):
    """How late an invoice is; the value is its place in a row of amounts."""

    CURRENT = 0
    TO_30 = 1
    TO_60 = 2
    TO_90 = 3
    BEYOND = 4


_LATEST = (0, 30, 60, 90)  # the last day of each bucket but the last


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice with something open on it; `days_late` below one: it is not late."""

    invoice_id: InvoiceId
    number: str
    issued_on: dt.date | None
    due_on: dt.date
    days_late: int
    bucket: Bucket
    due_minor: int


@dataclass(frozen=True, slots=True)
class Aged:
    """What one company owes."""

    currency: str
    invoices: tuple[OpenInvoice, ...]
    on_account_minor: int

    @property
    def buckets_minor(self) -> tuple[int, ...]:
        """What is open in each bucket, in order."""
        return tuple(sum(one.due_minor for one in self.invoices if one.bucket is each) for each in Bucket)


def bucket(days_late: int) -> Bucket:
    """Return the bucket: the due day and before it are current, day 30 is in the first, 31 in the next."""
    return Bucket(sum(days_late > last for last in _LATEST))


def of(session: Session, *, tenant_id: TenantId) -> Aged:
    """Return what a company owes today, the oldest first.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    today = periods.day_of(clock.now(), zone=account.zone)
    every = invoices.every(session, tenant_id=tenant_id)
    stands = attempts.standings(session, tenant_id=tenant_id, these=every, zone=account.zone)
    found = [
        OpenInvoice(
            one.invoice_id,
            one.number or "",
            one.issued_on,
            one.due_on,
            (today - one.due_on).days,
            bucket((today - one.due_on).days),
            stands[one.invoice_id].due_minor,
        )
        for one in every
        if one.due_on is not None and one.invoice_id in stands and stands[one.invoice_id].due_minor
    ]
    return Aged(
        account.currency,
        tuple(sorted(found, key=lambda one: one.due_on)),
        ledger.on_account(session, tenant_id=tenant_id, currency=account.currency),
    )


def together(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the sums of rows of buckets."""
    return tuple(sum(row[each] for row in rows) for each in Bucket)
