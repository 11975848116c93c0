"""Invoices, their PDF, and the running bill."""

import datetime as dt
from decimal import Decimal
from typing import Any, Literal

from flask import Response
from pydantic import Field

from billing import invoices
from billing.bill import Bill
from billing.documents.document import InvoiceDocument
from billing.invoices import InvoiceSummary
from core import clock, ids
from core.ids import InvoiceId
from core.money import Money
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Inward, Outward, PageQuery
from web.guards import permission
from web.shown import downloads, rented

_LIST = "invoices"


class Period(Outward):
    """From the beginning to just before the end."""

    start: Instant
    end: Instant


class InvoiceShown(Outward):
    """One invoice of the list."""

    id: str = Field(examples=["inv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: str | None = Field(description="There once it is finalised.", examples=["SL-2026-000042"])
    state: str = Field(examples=["draft", "finalised"])
    period: Period
    total: Amount
    issued_on: dt.date | None
    due_on: dt.date | None


class Invoices(Outward):
    """A page of invoices, newest period first."""

    data: list[InvoiceShown]
    has_more: bool
    next: str | None = Field(description="Send it as `starting_after` for the page that follows.")


class LineShown(Outward):
    """One line: the exact sum of its events, rounded once."""

    line_no: int
    meter: str
    destination: str
    price_list: str
    version: int
    events: int
    billed_seconds: int
    unit: str = Field(description="What is counted.", examples=["minute", "month", "hour"])
    units: str = Field(description="How many, as a decimal.", examples=["11.322580645"])
    nano: int
    amount: Amount
    is_late: bool = Field(description="The use was in an earlier period.")
    is_estimate: bool = Field(
        description="What is rented goes on: what it comes to so far. Only on the running bill."
    )


class TaxShown(Outward):
    """The tax of one category and rate."""

    category: str
    rate_ppm: int = Field(description="Parts per million: 200000 is 20 %.", examples=[200000])
    taxable: Amount
    tax: Amount


class BillShown(Outward):
    """Lines, tax and total."""

    lines: list[LineShown]
    taxes: list[TaxShown]
    net: Amount
    tax: Amount
    total: Amount


class InvoiceWhole(InvoiceShown):
    """One invoice with its lines."""

    bill: BillShown
    drafted_at: Instant
    finalised_at: Instant | None


class RunningBill(Outward):
    """The bill of the present month as it stands; an estimate until the invoice is made."""

    period: Period
    zone: str = Field(description="The month is counted in this zone.")
    as_of: Instant
    bill: BillShown
    waiting: int = Field(description="Events that have no price yet.")


class PdfQuery(Inward):
    """In which language."""

    language: Literal["en", "zh"] | None = Field(default=None, description="The account's own when left out.")


@pages.get("/invoices")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: Invoices}, operation_id="listInvoices")
def list_invoices(query: PageQuery) -> Invoices:
    """List invoices, newest period first."""
    rows = invoices.every(scope.session(), tenant_id=identity.current().tenant_id)
    after = cursors.decode(query.starting_after, of=_LIST)
    if after:
        rows = tuple(row for row in rows if row.period.start.isoformat() < after[0])
    shown, has_more = cursors.cut(rows, limit=query.limit)
    return Invoices(
        data=[InvoiceShown.model_validate(_summary(row)) for row in shown],
        has_more=has_more,
        next=cursors.encode(shown[-1].period.start.isoformat(), of=_LIST) if has_more else None,
    )


@pages.get("/invoices/<invoice_id>")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: InvoiceWhole}, errors=(404,), operation_id="getInvoice")
def one_invoice(invoice_id: str) -> InvoiceWhole:
    """Look at one invoice with its lines and taxes."""
    found = _find(invoice_id)
    return InvoiceWhole.model_validate(
        {
            "id": ids.public("inv", found.invoice_id),
            "number": found.number,
            "state": found.state,
            "period": {"start": found.period.start, "end": found.period.end},
            "total": _amount(found.bill.total_minor, found.bill.currency),
            "issued_on": found.issued_on,
            "due_on": found.due_on,
            "bill": _bill(found.bill),
            "drafted_at": found.drafted_at,
            "finalised_at": found.finalised_at,
        }
    )


@pages.get("/invoices/<invoice_id>/pdf")
@permission("invoices.read")
@operation(
    tag="Invoices",
    answers={200: None},
    errors=(404,),
    operation_id="getInvoicePdf",
    media="application/pdf",
)
def invoice_pdf(invoice_id: str, query: PdfQuery) -> Response:
    """Fetch an invoice as PDF/A, in English or Chinese."""
    return downloads.pdf(_find(invoice_id), language=query.language or "")


@pages.get("/running-bill")
@permission("usage.read")
@operation(tag="Invoices", answers={200: RunningBill}, errors=(404,), operation_id="getRunningBill")
def running_bill() -> RunningBill:
    """See what the present month comes to so far, to the minor unit."""
    session, tenant_id, now = scope.session(), identity.current().tenant_id, clock.now()
    accruals = rented.accruals(session, tenant_id=tenant_id, now=now)
    found = invoices.running_bill(session, tenant_id=tenant_id, now=now, accruals=accruals)
    return RunningBill.model_validate(
        {
            "period": {"start": found.period.start, "end": found.period.end},
            "zone": found.zone,
            "as_of": found.as_of,
            "bill": _bill(found.bill),
            "waiting": found.waiting,
        }
    )


def _find(invoice_id: str) -> InvoiceDocument:
    return invoices.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        invoice_id=InvoiceId(id_in_path("inv", invoice_id)),
    )


def _summary(row: InvoiceSummary) -> dict[str, Any]:
    return {
        "id": ids.public("inv", row.invoice_id),
        "number": row.number,
        "state": row.state,
        "period": {"start": row.period.start, "end": row.period.end},
        "total": _amount(row.total_minor, row.currency),
        "issued_on": row.issued_on,
        "due_on": row.due_on,
    }


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "lines": [
            {
                "line_no": line.line_no,
                "meter": line.meter,
                "destination": line.destination,
                "price_list": line.price_list,
                "version": line.version,
                "events": line.events,
                "billed_seconds": line.billed_seconds,
                "unit": line.unit,
                "units": f"{Decimal(line.quantity.numerator) / line.quantity.denominator:.9f}",
                "nano": line.amount_nano,
                "amount": _amount(line.amount_minor, bill.currency),
                "is_late": line.is_late,
                "is_estimate": line.is_estimate,
            }
            for line in bill.lines
        ],
        "taxes": [
            {
                "category": tax.category,
                "rate_ppm": tax.rate_ppm,
                "taxable": _amount(tax.taxable_minor, bill.currency),
                "tax": _amount(tax.tax_minor, bill.currency),
            }
            for tax in bill.taxes
        ],
        "net": _amount(bill.net_minor, bill.currency),
        "tax": _amount(bill.tax_minor, bill.currency),
        "total": _amount(bill.total_minor, bill.currency),
    }


def _amount(minor: int, currency: str) -> Amount:
    return Amount.of(Money(minor, currency))
