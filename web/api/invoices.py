"""Invoices, their PDF, and the running bill."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from flask import Response
from pydantic import Field
from werkzeug.wrappers import Response as BaseResponse

from billing import credit_notes, explorer, invoices
from billing.bill import Bill, Tax
from billing.documents.arithmetic import explained
from billing.documents.document import CreditNote, InvoiceDocument
from billing.errors import InvoiceNotFoundError, PriceListNotFoundError
from billing.explorer import Found, Wanted
from billing.invoices import InvoiceSummary
from billing.payments import attempts
from billing.payments import copies as kept
from billing.payments.standing import Standing
from core import clock, ids
from core.ids import InvoiceId
from core.money import Money
from security import evidence
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Inward, Listed, Moment, Outward, PageQuery, PaymentState, Text
from web.guards import permission
from web.shown import copies, downloads, usage, what_if
from web.shown.numbers_in_full import other_parties
from wiring import estimates

_LIST, _LINE, _USAGE = "invoices", "line", "usage"


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
    payment: PaymentState | None = Field(description="How it stands; null while it is a draft.")


class Invoices(Listed):
    """A page of invoices, newest period first."""

    data: list[InvoiceShown]


class InvoicesQuery(PageQuery):
    """Which invoices."""

    payment: PaymentState | None = Field(default=None, description="How they stand.")


class LineShown(Outward):
    """One line: the exact sum of its events, rounded once, or something that was agreed."""

    line_no: int
    kind: Literal["metered", "allowance", "discount", "commitment", "surcharge", "credit"] = Field(
        description="The sum of its events, or what was agreed: minutes that are included (of another line, "
        "so its amount is negative), a discount, what is missing of a commitment, what agents’ hours of "
        "another line cost more, what a service that fell short gives back."
    )
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
    explanation: str = Field(
        description="How it came about, in a sentence; empty where it is the sum of its events."
    )
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


class InvoiceCopy(Outward):
    """The payment provider's copy of an invoice; ours is the one that counts."""

    page: str = Field(
        description="The provider's page, where people see it, and pay it while `can_pay` says so."
    )
    pdf: str | None = Field(description="The provider's own PDF.")
    can_pay: bool = Field(description="What is wanted there is what is due here.")


class InvoiceWhole(InvoiceShown):
    """One invoice with its lines."""

    bill: BillShown
    copy_there: InvoiceCopy | None = Field(
        description="The payment provider's copy; null where there is none, or none yet."
    )
    drafted_at: Instant
    finalised_at: Instant | None


class UsageShown(Outward):
    """One thing that was used, and what it costs."""

    id: str = Field(examples=["use_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    meter: str = Field(examples=["voice.inbound"])
    subject: str = Field(
        description="What used it: a call, a rental, an agent.", examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    started_at: Instant
    ended_at: Instant
    prefix: str = Field(description="The number without its last four digits.")
    quantity_ms: int
    billed_seconds: int | None
    outcome: str = Field(description="`rated`, `unrated` or `refused`.", examples=["rated"])
    is_late: bool = Field(description="It came when the invoice of its month was final.")
    nano: int | None = Field(description="Billionths of the major unit.", examples=[22500000])
    currency: str | None
    invoice: str | None
    line_no: int | None


class Usage(Listed):
    """A page of usage, newest first."""

    data: list[UsageShown]


class UsageQuery(PageQuery):
    """Which usage."""

    since: Moment | None = Field(default=None, description="Begun at or after.")
    until: Moment | None = Field(default=None, description="Begun before.")
    meter: Text | None = Field(default=None, max_length=40, examples=["voice.inbound"])
    state: Literal["rated", "unrated", "refused", "late"] | None = None


class RunningBill(Outward):
    """The bill of the present month as it stands; an estimate until the invoice is made."""

    period: Period
    zone: str = Field(description="The month is counted in this zone.")
    as_of: Instant
    bill: BillShown
    waiting: int = Field(description="Events that have no price yet.")


class WhatIfQuery(Inward):
    """What is supposed; nothing of it gives the invoice."""

    month: str = Field(
        default="",
        pattern="^(20[0-9]{2}-(0[1-9]|1[0-2]))?$",
        description="The last month that is over when left out.",
        examples=["2026-10"],
    )
    prices: str = Field(
        default="",
        max_length=6,
        description="Which of the company's own versions of prices, numbered from its first; those of the "
        "day when left out.",
        examples=["1"],
    )
    seats: Literal["month", "day", "hour"] | None = Field(
        default=None, description="By what seats are charged; as they were rented when left out."
    )
    way: Literal["inbound", "outbound", "seats", "agents"] | None = Field(
        default=None,
        description="Paid in this way alone, beside numbers, storage and orders; in all when left out.",
    )


class SeatMix(Outward):
    """So many seats by the month, and the rest by the hour, for the agents at work in each hour."""

    by_month: int
    cost: Amount = Field(description="Before tax.")


class WhatIf(Outward):
    """A month as it was, or stands, beside what it would have been."""

    period: Period
    invoice: str | None = Field(description="The invoice's number, when there is one.")
    actual: BillShown
    supposed: BillShown
    unpriced: dict[str, int] = Field(
        description="Uses, by meter, of which the supposed prices say nothing; they are left out."
    )
    seat_mixes: list[SeatMix]


class CreditPart(Outward):
    """So much of a line of the invoice; `line_no` null: a free amount."""

    line_no: int | None
    amount: Amount = Field(description="Before tax.")


class CreditNoteShown(Outward):
    """What an invoice was lessened by."""

    id: str = Field(examples=["crn_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: str = Field(examples=["SL-CN-2026-000007"])
    invoice: str = Field(examples=["inv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    issued_on: dt.date
    reason: str
    parts: list[CreditPart]
    taxes: list[TaxShown]
    net: Amount
    tax: Amount
    total: Amount


class CreditNotes(Outward):
    """The credit notes of an invoice, oldest first."""

    data: list[CreditNoteShown]


class PdfQuery(Inward):
    """In which language."""

    language: Literal["en", "zh"] | None = Field(default=None, description="The account's own when left out.")


@pages.get("/invoices")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: Invoices}, operation_id="listInvoices")
def list_invoices(query: InvoicesQuery) -> Invoices:
    """List invoices, newest period first."""
    who, session = identity.current(), scope.session()
    rows = invoices.every(session, tenant_id=who.tenant_id)
    stands = attempts.standings(session, tenant_id=who.tenant_id, these=rows, zone=who.company.zone)
    after = cursors.decode(query.starting_after, of=_LIST)
    if after:
        rows = tuple(row for row in rows if row.period.start.isoformat() < after[0])
    if query.payment:
        rows = tuple(row for row in rows if _payment(stands.get(row.invoice_id)) == query.payment)
    shown, has_more = cursors.cut(rows, limit=query.limit)
    return Invoices(
        data=[
            InvoiceShown.model_validate(_summary(row) | {"payment": _payment(stands.get(row.invoice_id))})
            for row in shown
        ],
        has_more=has_more,
        next=cursors.encode(shown[-1].period.start.isoformat(), of=_LIST) if has_more else None,
    )


@pages.get("/invoices/<invoice_id>")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: InvoiceWhole}, errors=(404,), operation_id="getInvoice")
def one_invoice(invoice_id: str) -> InvoiceWhole:
    """Look at one invoice with its lines and taxes."""
    found = _find(invoice_id)
    tenant_id, session = identity.current().tenant_id, scope.session()
    stands = attempts.standing_of(session, tenant_id=tenant_id, invoice=found)
    copy = copies.seen(kept.find(session, tenant_id=tenant_id, invoice_id=found.invoice_id), stands)
    return InvoiceWhole.model_validate(
        {
            "id": ids.public("inv", found.invoice_id),
            "payment": _payment(stands),
            "number": found.number,
            "state": found.state,
            "period": {"start": found.period.start, "end": found.period.end},
            "total": _amount(found.bill.total_minor, found.bill.currency),
            "issued_on": found.issued_on,
            "due_on": found.due_on,
            "bill": _bill(found.bill),
            "copy_there": copy
            and {"page": copy.page_url, "pdf": copy.pdf_url or None, "can_pay": copy.can_pay},
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


@pages.get("/invoices/<invoice_id>/events")
@permission("invoices.read")
@operation(
    tag="Invoices", answers={200: None}, errors=(404,), operation_id="getInvoiceEvents", media="text/csv"
)
def invoice_events(invoice_id: str) -> BaseResponse:
    """Fetch every event behind an invoice as CSV, each with its exact amount."""
    return downloads.csv(scope.session(), tenant_id=identity.current().tenant_id, document=_find(invoice_id))


@pages.get("/invoices/<invoice_id>/events-in-full")
@permission("company.export")
@operation(
    tag="Invoices",
    answers={200: None},
    errors=(404,),
    operation_id="getInvoiceEventsInFull",
    media="text/csv",
)
def invoice_events_in_full(invoice_id: str) -> BaseResponse:
    """Fetch the same with the other parties' numbers in full; who fetched it stands in the log."""
    document, who = _find(invoice_id), identity.current()
    evidence.record(scope.session(), "invoice.numbers-fetched", "inv", document.invoice_id)
    return downloads.csv(
        scope.session(),
        tenant_id=who.tenant_id,
        document=document,
        numbers=other_parties(scope.session(), tenant_id=who.tenant_id),
    )


@pages.get("/invoices/<invoice_id>/xml")
@permission("invoices.read")
@operation(
    tag="Invoices",
    answers={200: None},
    errors=(404,),
    operation_id="getInvoiceXml",
    media="application/xml",
)
def invoice_xml(invoice_id: str) -> Response:
    """Fetch a finalised invoice as UBL 2.1 by EN 16931; it was judged by the standard's own rules."""
    return downloads.e_invoice(_find(invoice_id), country=identity.current().company.country)


@pages.get("/invoices/<invoice_id>/proof")
@permission("invoices.read")
@operation(
    tag="Invoices",
    answers={200: None},
    errors=(404,),
    operation_id="getInvoiceProof",
    media="application/x-ndjson",
)
def invoice_proof(invoice_id: str) -> Response:
    """Fetch the proof of an invoice: `seatline verify` works every amount out again, without a network."""
    return downloads.proof(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        document=_find(invoice_id),
        signer=scope.services().signer,
    )


@pages.get("/invoices/<invoice_id>/credit-notes")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: CreditNotes}, errors=(404,), operation_id="listCreditNotes")
def list_credit_notes(invoice_id: str) -> CreditNotes:
    """List the credit notes issued on an invoice."""
    document = _find(invoice_id)
    found = credit_notes.of_invoice(
        scope.session(), tenant_id=identity.current().tenant_id, invoice_id=document.invoice_id
    )
    return CreditNotes(data=[_credit_note(one) for one in found if one.number])


@pages.get("/credit-notes/<note_id>/pdf")
@permission("invoices.read")
@operation(
    tag="Invoices",
    answers={200: None},
    errors=(404,),
    operation_id="getCreditNotePdf",
    media="application/pdf",
)
def credit_note_pdf(note_id: str, query: PdfQuery) -> Response:
    """Fetch a credit note as PDF/A, in English or Chinese."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    note = credit_notes.find(session, tenant_id=tenant_id, credit_note_id=id_in_path("crn", note_id))
    document = invoices.find(session, tenant_id=tenant_id, invoice_id=note.invoice_id)
    return downloads.credit_pdf(note, document, language=query.language or "")


@pages.get("/credit-notes/<note_id>/xml")
@permission("invoices.read")
@operation(
    tag="Invoices",
    answers={200: None},
    errors=(404,),
    operation_id="getCreditNoteXml",
    media="application/xml",
)
def credit_note_xml(note_id: str) -> Response:
    """Fetch a credit note as UBL 2.1 by EN 16931."""
    who, session = identity.current(), scope.session()
    note = credit_notes.find(session, tenant_id=who.tenant_id, credit_note_id=id_in_path("crn", note_id))
    document = invoices.find(session, tenant_id=who.tenant_id, invoice_id=note.invoice_id)
    return downloads.credit_e_invoice(note, document, country=who.company.country)


@pages.get("/invoices/<invoice_id>/lines/<int:line_no>/usage")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: Usage}, errors=(404,), operation_id="listLineUsage")
def line_usage(invoice_id: str, line_no: int, query: PageQuery) -> Usage:
    """List what stands behind an invoice line: its calls, or what was rented, newest first."""
    document = _find(invoice_id)
    if line_no not in {line.line_no for line in document.bill.lines}:
        raise InvoiceNotFoundError
    wanted = Wanted(reference=document.invoice_id, line_no=line_no)
    return _usage(wanted, query, of=f"{_LINE}-{invoice_id}-{line_no}")


@pages.get("/usage")
@permission("usage.read")
@operation(tag="Invoices", answers={200: Usage}, operation_id="listUsage")
def list_usage(query: UsageQuery) -> Usage:
    """List what was used, newest first, each with what it costs and the invoice line it stands on."""
    wanted = Wanted(meter=query.meter or "", state=query.state or "", start=query.since, end=query.until)
    return _usage(wanted, query, of=_USAGE)


@pages.get("/running-bill")
@permission("usage.read")
@operation(tag="Invoices", answers={200: RunningBill}, errors=(404,), operation_id="getRunningBill")
def running_bill() -> RunningBill:
    """See what the present month comes to so far, to the minor unit."""
    session, tenant_id, now = scope.session(), identity.current().tenant_id, clock.now()
    accruals = estimates.accruals(session, tenant_id=tenant_id, now=now)
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


@pages.get("/what-if")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: WhatIf}, errors=(404,), operation_id="getWhatIf")
def see_what_if(query: WhatIfQuery) -> WhatIf:
    """Work out what a month would have cost under other of your prices, other seats, or paid in one way."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    own = what_if.own_prices(session, tenant_id=tenant_id)
    if query.prices and query.prices not in own:
        raise PriceListNotFoundError
    answer, mixes = what_if.ask(
        session,
        tenant_id=tenant_id,
        month=query.month,
        seats=query.seats or "",
        way=query.way or "",
        prices=own.get(query.prices),
    )
    currency = answer.supposed.currency
    return WhatIf.model_validate(
        {
            "period": {"start": answer.period.start, "end": answer.period.end},
            "invoice": answer.number,
            "actual": _bill(answer.actual),
            "supposed": _bill(answer.supposed),
            "unpriced": dict(answer.unpriced),
            "seat_mixes": [
                {"by_month": one.by_month, "cost": _amount(one.cost_minor, currency)} for one in mixes
            ],
        }
    )


def _usage(wanted: Wanted, query: PageQuery, *, of: str) -> Usage:
    after = cursors.decode(query.starting_after, of=of)
    found = explorer.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        wanted=wanted,
        before=(dt.datetime.fromisoformat(after[0]), ids.parse("use", after[1])) if after else None,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Usage(
        data=[_event(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(shown[-1].occurred_at.isoformat(), ids.public("use", shown[-1].usage_id), of=of)
        if has_more
        else None,
    )


def _event(one: Found) -> UsageShown:
    return UsageShown(
        id=ids.public("use", one.usage_id),
        meter=one.meter,
        subject=usage.subject(one.source, one.event_id, one.subject_ref),
        started_at=one.occurred_at,
        ended_at=one.ended_at,
        prefix=one.prefix,
        quantity_ms=one.quantity_ms,
        billed_seconds=one.billed_seconds,
        outcome=one.outcome,
        is_late=one.is_late,
        nano=one.amount_nano,
        currency=one.currency,
        invoice=ids.public("inv", one.invoice_id) if one.invoice_id else None,
        line_no=one.line_no,
    )


def _payment(stands: Standing | None) -> str | None:
    return stands.state.value if stands else None


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


def _credit_note(note: CreditNote) -> CreditNoteShown:
    return CreditNoteShown.model_validate(
        {
            "id": ids.public("crn", note.credit_note_id),
            "number": note.number,
            "invoice": ids.public("inv", note.invoice_id),
            "issued_on": note.issued_on,
            "reason": note.reason,
            "parts": [
                {"line_no": one.line_no, "amount": _amount(one.amount_minor, note.currency)}
                for one in note.lines
            ],
            "taxes": _taxes(note.taxes, note.currency),
            "net": _amount(note.net_minor, note.currency),
            "tax": _amount(note.tax_minor, note.currency),
            "total": _amount(note.total_minor, note.currency),
        }
    )


def _taxes(taxes: Iterable[Tax], currency: str) -> list[dict[str, Any]]:
    return [
        {
            "category": tax.category,
            "rate_ppm": tax.rate_ppm,
            "taxable": _amount(tax.taxable_minor, currency),
            "tax": _amount(tax.tax_minor, currency),
        }
        for tax in taxes
    ]


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "lines": [
            {
                "line_no": line.line_no,
                "kind": line.kind.value,
                "explanation": explained(line, currency=bill.currency, language="en"),
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
        "taxes": _taxes(bill.taxes, bill.currency),
        "net": _amount(bill.net_minor, bill.currency),
        "tax": _amount(bill.tax_minor, bill.currency),
        "total": _amount(bill.total_minor, bill.currency),
    }


def _amount(minor: int, currency: str) -> Amount:
    return Amount.of(Money(minor, currency))
