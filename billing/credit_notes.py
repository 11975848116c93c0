"""Credit notes: an invoice never changes, so what was too much is given back by a paper of its own.

A credit note lessens lines of one invoice, or gives a free amount under one of its taxes, never more than the
invoice leaves. It has a number of its own series, without gap, and is booked by the accounts the invoice was
booked on. Tax is worked out over everything credited so far, less what was given back before: all the credit
notes of an invoice together come to the invoice, to the minor unit. Above a limit a second person decides.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import accounts, invoices, ledger
from billing.accounts import PPM
from billing.bill import Tax
from billing.documents.document import CreditLine, CreditNote, InvoiceDocument
from billing.errors import (
    CreditNoteDecidedError,
    CreditNoteNotFoundError,
    CreditReasonError,
    CreditTooLargeError,
    InvoiceNotFinalError,
    SecondPersonError,
)
from billing.ledger import RECEIVABLE, REVENUE, TAX, Posting
from billing.models import CreditNoteLineRow, CreditNoteRow, CreditNoteTaxRow
from billing.payments import attempts
from billing.safety import USUAL, Safety
from core import clock, ids
from core.ids import CreditNoteId, InvoiceId, TenantId, UserId, new_id
from core.money import round_half_up
from security import evidence

LONGEST_REASON = 400
FREE = "credit"  # where a free amount is booked: revenue:credit
_SERIES = "CN"


@dataclass(frozen=True, slots=True)
class Part:
    """So much of a line, or (`line_no` None) a free amount; minor units before tax."""

    line_no: int | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Left:
    """What can still be credited of an invoice, before tax: of each line, and under each tax in all."""

    lines: dict[int, int]
    taxes: dict[tuple[str, int], int]

    @property
    def net_minor(self) -> int:
        """Of the whole invoice."""
        return sum(self.taxes.values())


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    parts: Sequence[Part],
    reason: str,
    by: UserId,
    safety: Safety = USUAL,
) -> CreditNote:
    """Make a credit note; up to the limit it is issued at once, above it waits for a second person.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        invoice_id: a finalised invoice.
        parts: of its lines, or free amounts.
        reason: 1 to 400 signs; it stands on the paper.
        by: who asks.
        safety: says above what, before tax, somebody else has to decide.

    Raises:
        InvoiceNotFoundError: no such invoice.
        InvoiceNotFinalError: it is a draft, which is drafted anew instead.
        CreditReasonError: no reason, or a long one.
        CreditTooLargeError: nothing, or more than is left of a line or of the invoice.
    """
    accounts.lock(session, tenant_id=tenant_id)
    invoice = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    if invoice.is_draft:
        raise InvoiceNotFinalError
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise CreditReasonError
    before = [one for one in of_invoice(session, tenant_id=tenant_id, invoice_id=invoice_id) if _counts(one)]
    lines = _checked(invoice, before, parts)
    taxes = _taxes(lines, before)
    net = sum(one.amount_minor for one in lines)
    row = CreditNoteRow(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        state="waiting",
        currency=invoice.bill.currency,
        net_minor=net,
        tax_minor=sum(one.tax_minor for one in taxes),
        reason=reason,
        needs_second=safety.needs_second(net, currency=invoice.bill.currency, by=by),
        asked_by=by,
        asked_at=clock.now(),
    )
    session.add(row)
    session.flush()
    key = {"tenant_id": tenant_id, "credit_note_id": row.id}
    session.add_all(
        CreditNoteLineRow(
            **key,
            n=n,
            line_no=one.line_no,
            amount_minor=one.amount_minor,
            tax_category=one.tax_category,
            tax_rate_ppm=one.tax_rate_ppm,
        )
        for n, one in enumerate(lines, 1)
    )
    session.add_all(
        CreditNoteTaxRow(
            **key,
            category=one.category,
            rate_ppm=one.rate_ppm,
            taxable_minor=one.taxable_minor,
            tax_minor=one.tax_minor,
        )
        for one in taxes
    )
    session.flush()
    evidence.record(
        session,
        "credit-note.asked",
        "crn",
        row.id,
        invoice=ids.public("inv", invoice_id),
        total_minor=row.net_minor + row.tax_minor,
    )
    if not row.needs_second:
        _issue(session, row, invoice, by)
    return _note(session, row)


def issue(session: Session, *, tenant_id: TenantId, credit_note_id: UUID, by: UserId) -> CreditNote:
    """Issue a waiting credit note: number, booking, paper.

    Raises:
        CreditNoteNotFoundError: no such credit note.
        CreditNoteDecidedError: it is issued or refused already.
        SecondPersonError: who asked for it cannot decide it.
    """
    accounts.lock(session, tenant_id=tenant_id)
    row = _waiting(session, tenant_id, credit_note_id)
    if row.needs_second and row.asked_by == by:
        raise SecondPersonError
    _issue(session, row, invoices.find(session, tenant_id=tenant_id, invoice_id=row.invoice_id), by)
    return _note(session, row)


def refuse(session: Session, *, tenant_id: TenantId, credit_note_id: UUID, by: UserId) -> CreditNote:
    """Refuse a waiting credit note, or take one's own back; what it would have used is left again.

    Raises:
        CreditNoteNotFoundError: no such credit note.
        CreditNoteDecidedError: it is issued or refused already.
    """
    accounts.lock(session, tenant_id=tenant_id)
    row = _waiting(session, tenant_id, credit_note_id)
    row.state, row.decided_by, row.decided_at = "refused", by, clock.now()
    session.flush()
    evidence.record(session, "credit-note.refused", "crn", row.id)
    return _note(session, row)


def left(session: Session, *, tenant_id: TenantId, invoice: InvoiceDocument) -> Left:
    """Return what can still be credited of an invoice."""
    found = of_invoice(session, tenant_id=tenant_id, invoice_id=invoice.invoice_id)
    return _left(invoice, [one for one in found if _counts(one)])


def find(session: Session, *, tenant_id: TenantId, credit_note_id: UUID) -> CreditNote:
    """Return a credit note.

    Raises:
        CreditNoteNotFoundError: no such credit note.
    """
    row = session.get(CreditNoteRow, (tenant_id, credit_note_id))
    if row is None:
        raise CreditNoteNotFoundError
    return _note(session, row)


def of_invoice(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> tuple[CreditNote, ...]:
    """Return the credit notes of an invoice, oldest first, those asked for and refused among them."""
    rows = session.scalars(
        select(CreditNoteRow)
        .where(CreditNoteRow.tenant_id == tenant_id, CreditNoteRow.invoice_id == invoice_id)
        .order_by(CreditNoteRow.id)
    )
    return tuple(_note(session, row) for row in rows)


def waiting(session: Session, *, tenant_id: TenantId) -> tuple[CreditNote, ...]:
    """Return the credit notes of a company that wait for a second person, oldest first."""
    rows = session.scalars(
        select(CreditNoteRow)
        .where(CreditNoteRow.tenant_id == tenant_id, CreditNoteRow.state == "waiting")
        .order_by(CreditNoteRow.id)
    )
    return tuple(_note(session, row) for row in rows)


def _counts(note: CreditNote) -> bool:
    return note.state != "refused"


def _left(invoice: InvoiceDocument, before: Sequence[CreditNote]) -> Left:
    lines = {line.line_no: line.amount_minor for line in invoice.bill.lines}
    taxes = {(one.category, one.rate_ppm): one.taxable_minor for one in invoice.bill.taxes}
    for note in before:
        for part in note.lines:
            if part.line_no is not None:
                lines[part.line_no] -= part.amount_minor
            taxes[(part.tax_category, part.tax_rate_ppm)] -= part.amount_minor
    return Left(lines, taxes)


def _checked(
    invoice: InvoiceDocument, before: Sequence[CreditNote], parts: Sequence[Part]
) -> tuple[CreditLine, ...]:
    """Return the parts with their tax when the invoice leaves so much, line by line and in all."""
    remaining = _left(invoice, before)
    by_no = {line.line_no: line for line in invoice.bill.lines}
    made = []
    for part in parts:
        if part.line_no is None and invoice.bill.taxes:
            # a free amount belongs to no line: it goes under the tax that has most left
            tax = max(remaining.taxes, key=lambda one: remaining.taxes[one])
        elif part.line_no in by_no:
            line = by_no[part.line_no]
            tax = (line.tax_category, line.tax_rate_ppm)
            remaining.lines[line.line_no] -= part.amount_minor
        else:
            raise CreditTooLargeError(line_no=part.line_no, left_minor=0)
        remaining.taxes[tax] -= part.amount_minor
        of_line = remaining.lines[part.line_no] if part.line_no is not None else 0
        if part.amount_minor <= 0 or of_line < 0 or remaining.taxes[tax] < 0:
            there = _left(invoice, before)
            most = there.lines[part.line_no] if part.line_no is not None else there.taxes[tax]
            raise CreditTooLargeError(
                line_no=part.line_no,
                left_minor=max(0, min(most, there.taxes[tax])),
                currency=invoice.bill.currency,
            )
        made.append(CreditLine(part.line_no, part.amount_minor, *tax))
    if not made:
        raise CreditTooLargeError(left_minor=remaining.net_minor)
    return tuple(made)


def _taxes(lines: Sequence[CreditLine], before: Sequence[CreditNote]) -> tuple[Tax, ...]:
    """Return the tax given back: over all that is credited by then, less what was given back before.

    Worked: 20 % of 3 is 0.6 -> 1; of a second 3, 1.2 -> 1 less 1 is 0; of a third, 1.8 -> 2 less 1 is 1.
    """
    taxable: dict[tuple[str, int], int] = {}
    for one in lines:
        key = (one.tax_category, one.tax_rate_ppm)
        taxable[key] = taxable.get(key, 0) + one.amount_minor
    made = []
    for (category, rate), amount in sorted(taxable.items()):
        earlier = [
            one for note in before for one in note.taxes if (one.category, one.rate_ppm) == (category, rate)
        ]
        whole = amount + sum(one.taxable_minor for one in earlier)
        due = round_half_up(Fraction(whole * rate, PPM)) - sum(one.tax_minor for one in earlier)
        made.append(Tax(category, rate, amount, max(0, due)))
    return tuple(made)


def _issue(session: Session, row: CreditNoteRow, invoice: InvoiceDocument, by: UserId) -> None:
    tenant_id, now, seller = TenantId(row.tenant_id), clock.now(), invoice.seller
    today = now.astimezone(zoneinfo.ZoneInfo(seller.zone)).date()
    series = f"{seller.series}-{_SERIES}"
    count = session.execute(
        text("SELECT app.take_invoice_number(:issuer, :series, :year)"),
        {"issuer": seller.issuer_id, "series": series, "year": today.year},
    ).scalar_one()
    row.state, row.number, row.issued_on = "issued", f"{series}-{today.year}-{count:06d}", today
    row.decided_by, row.decided_at = by, now
    session.flush()
    note = _note(session, row)
    _book(session, tenant_id, note, invoice, now)
    evidence.record(
        session, "credit-note.issued", "crn", row.id, number=row.number, total_minor=note.total_minor
    )


def _book(
    session: Session, tenant_id: TenantId, note: CreditNote, invoice: InvoiceDocument, at: dt.datetime
) -> None:
    """Book the note by the accounts of the invoice; what was paid already goes on account."""
    ledger.post_invoice(session, tenant_id=tenant_id, invoice=invoice)
    meters = {line.line_no: line.meter for line in invoice.bill.lines}
    taken: dict[str, int] = {}
    for part in note.lines:
        meter = meters[part.line_no] if part.line_no is not None else FREE
        taken[meter] = taken.get(meter, 0) + part.amount_minor
    key = f"credit-note:{note.credit_note_id}:issued"
    ledger.post(
        session,
        tenant_id=tenant_id,
        key=key,
        kind="credit-note",
        effective_at=at,
        invoice_id=note.invoice_id,
        postings=[
            Posting(RECEIVABLE, -note.total_minor, note.currency),
            *(Posting(REVENUE + meter, minor, note.currency) for meter, minor in sorted(taken.items())),
            Posting(TAX, note.tax_minor, note.currency),
        ],
    )
    attempts.lessened(session, tenant_id=tenant_id, invoice=invoice, key=key, at=at)


def _waiting(session: Session, tenant_id: TenantId, credit_note_id: UUID) -> CreditNoteRow:
    row = session.get(
        CreditNoteRow, (tenant_id, credit_note_id), with_for_update=True, populate_existing=True
    )
    if row is None:
        raise CreditNoteNotFoundError
    if row.state != "waiting":
        raise CreditNoteDecidedError(number=row.number)
    return row


def _note(session: Session, row: CreditNoteRow) -> CreditNote:
    lines = session.scalars(
        select(CreditNoteLineRow)
        .where(CreditNoteLineRow.tenant_id == row.tenant_id, CreditNoteLineRow.credit_note_id == row.id)
        .order_by(CreditNoteLineRow.n)
    )
    taxes = session.scalars(
        select(CreditNoteTaxRow)
        .where(CreditNoteTaxRow.tenant_id == row.tenant_id, CreditNoteTaxRow.credit_note_id == row.id)
        .order_by(CreditNoteTaxRow.category, CreditNoteTaxRow.rate_ppm)
    )
    return CreditNote(
        credit_note_id=CreditNoteId(row.id),
        invoice_id=InvoiceId(row.invoice_id),
        state=row.state,
        number=row.number,
        currency=row.currency,
        net_minor=row.net_minor,
        tax_minor=row.tax_minor,
        reason=row.reason,
        needs_second=row.needs_second,
        asked_by=UserId(row.asked_by),
        asked_at=row.asked_at,
        decided_by=UserId(row.decided_by) if row.decided_by else None,
        decided_at=row.decided_at,
        issued_on=row.issued_on,
        lines=tuple(
            CreditLine(one.line_no, one.amount_minor, one.tax_category, one.tax_rate_ppm) for one in lines
        ),
        taxes=tuple(Tax(one.category, one.rate_ppm, one.taxable_minor, one.tax_minor) for one in taxes),
    )
