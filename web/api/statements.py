"""The statement of account, and what is open by how late it is."""

import datetime as dt
from typing import Literal

from flask import Response
from pydantic import Field

from billing import ageing, statements
from billing.ageing import Bucket
from billing.documents.document import Statement
from core import ids
from core.money import Money
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Amount, Inward, Outward
from web.guards import permission
from web.shown import statements as shown

_TAG = "Invoices"
_NAMES = {
    Bucket.CURRENT: "current",
    Bucket.TO_30: "1-30",
    Bucket.TO_60: "31-60",
    Bucket.TO_90: "61-90",
    Bucket.BEYOND: "over-90",
}


class StatementQuery(Inward):
    """Which days of the account, both included."""

    first_on: dt.date = Field(examples=["2026-09-01"])
    last_on: dt.date = Field(examples=["2026-11-30"])


class StatementPdfQuery(StatementQuery):
    """Which days, in which language."""

    language: Literal["en", "zh"] | None = Field(default=None, description="The account's own when left out.")


class StatementEntry(Outward):
    """One movement."""

    on: dt.date
    kind: str = Field(
        description="`invoice`, `payment`, `credit-note`, `refund`, `refund-failed`, "
        "`dispute` (the bank took a payment back), `dispute-won`.",
        examples=["payment"],
    )
    invoice: str | None = Field(examples=["inv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: str = Field(description="Of the credit note, or of the invoice.", examples=["SL-2026-000042"])
    charged: Amount
    credited: Amount
    balance: Amount = Field(description="What you owed afterwards; below zero: in your favour.")


class StatementShown(Outward):
    """What was owed, what came and went, what is owed."""

    first_on: dt.date
    last_on: dt.date
    zone: str = Field(description="The days are counted in this zone.")
    opening: Amount
    entries: list[StatementEntry]
    closing: Amount


class OpenInvoiceShown(Outward):
    """An invoice with something open on it."""

    invoice: str = Field(examples=["inv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: str
    due_on: dt.date
    days_late: int = Field(description="Below one: it is not late.")
    bucket: Literal["current", "1-30", "31-60", "61-90", "over-90"]
    due: Amount


class Receivables(Outward):
    """What is open today, the oldest first."""

    data: list[OpenInvoiceShown]
    due: Amount
    on_account: Amount = Field(description="Paid beyond invoices; the next one takes it.")


@pages.get("/statement")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: StatementShown}, errors=(404, 422), operation_id="getStatement")
def get_statement(query: StatementQuery) -> StatementShown:
    """See your statement of account for some days."""
    found = _found(query)

    def amount(minor: int) -> Amount:
        return Amount.of(Money(minor, found.currency))

    return StatementShown(
        first_on=found.first_on,
        last_on=found.last_on,
        zone=found.zone,
        opening=amount(found.opening_minor),
        entries=[
            StatementEntry(
                on=one.on,
                kind=one.kind,
                invoice=ids.public("inv", one.invoice_id) if one.invoice_id else None,
                number=one.number,
                charged=amount(one.debit_minor),
                credited=amount(one.credit_minor),
                balance=amount(one.balance_minor),
            )
            for one in found.entries
        ],
        closing=amount(found.closing_minor),
    )


@pages.get("/statement/pdf")
@permission("invoices.read")
@operation(
    tag=_TAG,
    answers={200: None},
    errors=(404, 422),
    operation_id="getStatementPdf",
    media="application/pdf",
)
def statement_pdf(query: StatementPdfQuery) -> Response:
    """Fetch your statement of account as PDF/A, in English or Chinese."""
    aged = ageing.of(scope.session(), tenant_id=identity.current().tenant_id)
    return shown.pdf(_found(query), language=query.language or "", aged_minor=aged.buckets_minor)


@pages.get("/statement/csv")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: None}, errors=(404, 422), operation_id="getStatementCsv", media="text/csv")
def statement_csv(query: StatementQuery) -> Response:
    """Fetch your statement of account as CSV."""
    return shown.csv(_found(query))


@pages.get("/receivables")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: Receivables}, errors=(404,), operation_id="listOpenInvoices")
def list_open_invoices() -> Receivables:
    """List what you owe today, invoice by invoice, by how late it is."""
    aged = ageing.of(scope.session(), tenant_id=identity.current().tenant_id)

    def amount(minor: int) -> Amount:
        return Amount.of(Money(minor, aged.currency))

    return Receivables.model_validate(
        {
            "data": [
                {
                    "invoice": ids.public("inv", one.invoice_id),
                    "number": one.number,
                    "due_on": one.due_on,
                    "days_late": one.days_late,
                    "bucket": _NAMES[one.bucket],
                    "due": amount(one.due_minor),
                }
                for one in aged.invoices
            ],
            "due": amount(sum(aged.buckets_minor)),
            "on_account": amount(aged.on_account_minor),
        }
    )


def _found(query: StatementQuery) -> Statement:
    return statements.of(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        first_on=query.first_on,
        last_on=query.last_on,
    )
