"""A month's promises of service, for the company: what was promised, what was counted, what comes back.

The counts are those the operator gave (`billing.promises`); what they come to is the line the month's bill
has for it, worked out nowhere else. Before the month's invoice is final, it is what the bill would say now.
"""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import accounts, invoices, periods, promises
from billing.agreed import Count
from billing.bill import Bill, Kind, Line
from billing.models import InvoiceRow
from billing.promises import Promise
from core import clock
from core.ids import InvoiceId, TenantId

_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One promise of a month; `credit` is the line that gives something back, None: nothing comes back."""

    promise: Promise
    counts: tuple[Count, ...]
    credit: Line | None

    @property
    def offered(self) -> int:
        """How much was offered, over all queues."""
        return sum(one.offered for one in self.counts)

    @property
    def in_time(self) -> int:
        """How much of it was answered in time."""
        return sum(one.in_time for one in self.counts)

    @property
    def share_ppm(self) -> int | None:
        """What share of it that is, rounded down; None: nothing was offered, or nobody has counted yet."""
        return self.in_time * _PPM // self.offered if self.offered else None

    @property
    def is_kept(self) -> bool | None:
        """Whether it was kept, exactly; None: nobody has counted yet. What nobody asked for is kept."""
        if not self.counts:
            return None
        return self.in_time * _PPM >= self.promise.level.steps[0].below_ppm * self.offered


@dataclass(frozen=True, slots=True)
class Service:
    """A month's promises; `number` and `invoice_id` are of its final invoice."""

    month_on: dt.date
    currency: str
    is_over: bool
    invoice_id: InvoiceId | None
    number: str | None
    promises: tuple[Kept, ...]


def of(session: Session, *, tenant_id: TenantId, month_on: dt.date) -> Service:
    """Return how a month's promised service was, and what comes back for it.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        month_on: a day of the month.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    month = periods.month(month_on.year, month_on.month, zone=account.zone)
    promised = promises.promised(session, tenant_id=tenant_id, month=month)
    counts = promises.of_month(session, tenant_id=tenant_id, month_on=month_on)
    final = session.execute(
        select(InvoiceRow.id, InvoiceRow.number).where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.kind == "invoice",
            InvoiceRow.state == "finalised",
            InvoiceRow.period_end == month.end,
        )
    ).first()
    bill: Bill | None = None
    if final is not None:
        bill = invoices.find(session, tenant_id=tenant_id, invoice_id=InvoiceId(final.id)).bill
    elif promised and counts:  # nothing comes back before somebody has counted
        bill = invoices.preview(session, tenant_id=tenant_id, period=month)
    credits_ = {one.destination: one for one in (bill.lines if bill else ()) if one.kind is Kind.CREDIT}
    return Service(
        month_on=month_on.replace(day=1),
        currency=account.currency,
        is_over=clock.now() >= month.end,
        invoice_id=InvoiceId(final.id) if final else None,
        number=final.number if final else None,
        promises=tuple(
            Kept(
                one,
                tuple(count for count in counts if count.code == one.level.code),
                credits_.get(one.level.code),
            )
            for one in promised
        ),
    )
