"""How far a company is invoiced: the heads of its invoices, read in one statement, and what follows."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from billing.models import InvoiceRow
from billing.periods import Period
from core.ids import InvoiceId

THE_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """Which period an invoice is of, and since when what is due stands on it."""

    invoice_id: InvoiceId
    state: str
    period: Period
    holds_from: dt.datetime


@dataclass(frozen=True, slots=True)
class Invoiced:
    """A company's invoices by time: finalised ones tile it, and drafts lie after them."""

    heads: tuple[Head, ...]

    @property
    def closed(self) -> Period | None:
        """The last period whose invoice is final, or None."""
        return next((one.period for one in reversed(self.heads) if one.state == "finalised"), None)

    @property
    def closed_until(self) -> dt.datetime:
        """Up to when every invoice is final."""
        return self.closed.end if self.closed else THE_BEGINNING

    def of(self, period: Period) -> Head | None:
        """Return the invoice of exactly this period."""
        return next((one for one in self.heads if one.period == period), None)

    def draft_from(self, start: dt.datetime) -> Head | None:
        """Return the draft whose period begins at an instant."""
        return next((one for one in self.heads if one.state == "draft" and one.period.start == start), None)

    def until(self, period: Period) -> dt.datetime:
        """Return where the invoices before a period end, drafts too; what is due since then is on its own."""
        return max(
            (one.period.end for one in self.heads if one.period.end <= period.start), default=THE_BEGINNING
        )

    def drafts_of(self, held: Period) -> list[InvoiceId]:
        """Return the drafts that hold something of what is due in a stretch of time."""
        return [
            one.invoice_id
            for one in self.heads
            if one.state == "draft" and one.holds_from < held.end and one.period.end > held.start
        ]

    def has_draft_before(self, period: Period) -> bool:
        """Return whether an earlier draft waits."""
        return any(one.state == "draft" and one.period.start < period.start for one in self.heads)


# made once: every running bill asks this
_HEADS = (
    select(
        InvoiceRow.id, InvoiceRow.state, InvoiceRow.period_start, InvoiceRow.period_end, InvoiceRow.holds_from
    )
    .where(InvoiceRow.tenant_id == bindparam("tenant"))
    .order_by(InvoiceRow.period_start)
)


def read(session: Session, *, tenant_id: UUID) -> Invoiced:
    """Return how far a company is invoiced; in its own context."""
    return Invoiced(
        tuple(
            Head(InvoiceId(row.id), row.state, Period(row.period_start, row.period_end), row.holds_from)
            for row in session.execute(_HEADS, {"tenant": tenant_id})
        )
    )
