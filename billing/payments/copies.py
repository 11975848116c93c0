"""The provider's copy of an invoice: what stands on it, what it has to agree with, how far it has come.

Our invoice is the record, and has as many lines as it needs; a copy has 250 at most. It is compared with
ours to the minor unit while it is a draft: what differs is nothing anybody can pay, and we charge nothing by
ourselves until a person has looked. Each version of a copy is begun here before the provider hears of it.
"""

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.bill import Bill, Line, Tax
from billing.documents.document import InvoiceDocument
from billing.documents.words import word
from billing.errors import CopyNotStoppedError
from billing.models import CreditNoteRow, InvoiceCopyRow
from billing.payments.books import Differs, Found
from billing.payments.port import CopyLine, CopyOrder, Moved, RemoteCopy
from core import clock, ids
from core.ids import InvoiceId, TenantId
from security import evidence

MOST_LINES = 250
ASK_AFTER = dt.timedelta(days=1)
_LEAST_TIME = dt.timedelta(days=1)


class CopyState(StrEnum):
    """How far a copy has come."""

    BEGUN = "begun"
    DIFFERS = "differs"  # stopped: it does not come to what ours comes to
    REFUSED = "refused"  # stopped: the provider does not take it
    OPEN = "open"
    PAID = "paid"
    VOID = "void"  # somebody took it back over there


STOPPED = (CopyState.DIFFERS, CopyState.REFUSED)
_STATES = {"open": CopyState.OPEN, "paid": CopyState.PAID}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy as we know it."""

    invoice_id: InvoiceId
    account: str
    version: int
    state: CopyState
    remote_id: str
    page_url: str
    pdf_url: str
    lines: int
    remaining_minor: int
    why: str
    begun_at: dt.datetime
    asked_at: dt.datetime


def begin(session: Session, *, tenant_id: TenantId, invoice_id: InvoiceId, account: str) -> Copy:
    """Begin the copy of a finalised invoice, or return the one that was begun."""
    now = clock.now()
    session.execute(
        insert(InvoiceCopyRow)
        .values(
            tenant_id=tenant_id,
            invoice_id=invoice_id,
            account=account,
            version=1,
            state=CopyState.BEGUN.value,
            remote_id="",
            page_url="",
            pdf_url="",
            lines=0,
            remaining_minor=0,
            credited=0,
            why="",
            begun_at=now,
            asked_at=now,
        )
        .on_conflict_do_nothing()
    )
    return _copy(_row(session, tenant_id, invoice_id))


def find(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> Copy | None:
    """Return the copy of an invoice, or None where there is none."""
    row = session.get(InvoiceCopyRow, (tenant_id, invoice_id), populate_existing=True)
    return _copy(row) if row else None


def is_stopped(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> bool:
    """Whether a person has to look at the copy before anything is charged by itself."""
    found = find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    return found is not None and found.state is CopyState.DIFFERS


def behind(session: Session, *, tenant_id: TenantId, account: str) -> tuple[InvoiceId, ...]:
    """Return the invoices whose copies are to be carried on.

    They were begun; or have not been asked after for a day and are not at their end; or lack a credit note.
    """
    issued = (
        select(func.count())
        .select_from(CreditNoteRow)
        .where(
            CreditNoteRow.tenant_id == InvoiceCopyRow.tenant_id,
            CreditNoteRow.invoice_id == InvoiceCopyRow.invoice_id,
            CreditNoteRow.state == "issued",
        )
        .scalar_subquery()
    )
    rows = session.scalars(
        select(InvoiceCopyRow.invoice_id)
        .where(
            InvoiceCopyRow.tenant_id == tenant_id,
            InvoiceCopyRow.account == account,
            or_(
                InvoiceCopyRow.state == CopyState.BEGUN.value,
                InvoiceCopyRow.state.in_([CopyState.OPEN.value, CopyState.REFUSED.value])
                & (InvoiceCopyRow.asked_at < clock.now() - ASK_AFTER),
                InvoiceCopyRow.state.in_([CopyState.OPEN.value, CopyState.PAID.value])
                & (InvoiceCopyRow.credited < issued),
            ),
        )
        .order_by(InvoiceCopyRow.invoice_id)
    )
    return tuple(InvoiceId(one) for one in rows)


def unpaid(session: Session, *, tenant_id: TenantId, account: str) -> tuple[Copy, ...]:
    """Return the copies that can be paid at the provider."""
    rows = session.scalars(
        select(InvoiceCopyRow)
        .where(
            InvoiceCopyRow.tenant_id == tenant_id,
            InvoiceCopyRow.account == account,
            InvoiceCopyRow.state == CopyState.OPEN.value,
        )
        .order_by(InvoiceCopyRow.invoice_id)
    )
    return tuple(_copy(row) for row in rows)


def note(
    session: Session,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    version: int,
    state: CopyState,
    remote: RemoteCopy | None = None,
    why: str = "",
) -> None:
    """Write down how far a version of a copy has come; of an older version nothing is written down.

    Args:
        session: in the company's context.
        tenant_id: whose.
        invoice_id: of which invoice.
        version: which this is about.
        state: how far.
        remote: how it stands over there; None: we do not know.
        why: the provider refuses it.
    """
    row = _row(session, tenant_id, invoice_id)
    if row.version != version:
        return
    if row.state != state.value:
        evidence.record(session, f"invoice-copy.{state.value}", "inv", invoice_id, version=version)
    row.state, row.why, row.asked_at = state.value, why, clock.now()
    if remote is not None:
        row.remote_id, row.page_url, row.pdf_url = remote.remote_id, remote.page_url, remote.pdf_url
        row.lines, row.remaining_minor = len(remote.keys), remote.remaining_minor
        row.credited = len(remote.credited)
    session.flush()


def again(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> tuple[Copy, str]:
    """Begin a stopped copy anew; return it, and what its last draft was called over there.

    Raises:
        CopyNotStoppedError: there is none that has stopped.
    """
    row = session.get(InvoiceCopyRow, (tenant_id, invoice_id), with_for_update=True, populate_existing=True)
    if row is None or row.state not in STOPPED:
        raise CopyNotStoppedError
    before = row.remote_id
    row.version += 1
    row.state, row.remote_id, row.why, row.begun_at = CopyState.BEGUN.value, "", "", clock.now()
    row.asked_at = row.begun_at
    session.flush()
    evidence.record(session, "invoice-copy.again", "inv", invoice_id, version=row.version)
    return _copy(row), before


def order(document: InvoiceDocument, copy: Copy, *, tenant_id: TenantId, payer: str) -> CopyOrder:
    """Return what the provider shall have of a finalised invoice."""
    due_on = document.due_on or document.drafted_at.date()
    end = dt.datetime.combine(due_on, dt.time(23, 59), zoneinfo.ZoneInfo(document.zone))
    return CopyOrder(
        tenant_id=tenant_id,
        invoice_id=document.invoice_id,
        version=copy.version,
        payer=payer,
        number=document.number or "",
        currency=document.bill.currency,
        due_at=max(end.astimezone(dt.UTC), copy.begun_at + _LEAST_TIME),
        begun_at=copy.begun_at,
        lines=aggregate(document.bill, language=document.language),
    )


def aggregate(bill: Bill, *, language: str) -> tuple[CopyLine, ...]:
    """Return a bill's lines as a copy has them: 250 at most, each with its own part of the tax.

    As they are where they are few enough; else what has the same meter, kind, lateness and tax in one line;
    else what has the same tax. Amounts are whole, so their sums are exact. The tax of a category and rate is
    rounded once on our invoice; its lines here share it, line by line, so that it sums to that: each has
    what the tax of the lines so far comes to, less what they have. Worked: 33, 33 and 34 with 20 of tax
    have 6, 7 and 7.
    """
    ways: tuple[Callable[[Line], tuple[object, ...]], ...] = (
        lambda line: (line.line_no,),
        lambda line: (*_tax_of(line), line.meter, line.kind.value, line.is_late),
        _tax_of,
    )
    groups: list[list[Line]] = []
    for way in ways:
        kept: dict[tuple[object, ...], list[Line]] = {}
        for line in bill.lines:
            kept.setdefault(way(line), []).append(line)
        groups = list(kept.values())
        if len(groups) <= MOST_LINES:
            break
    shares = _shares(groups, bill.taxes)
    return tuple(
        CopyLine(
            key=str(some[0].line_no),
            text=_text(some, language),
            amount_minor=sum(one.amount_minor for one in some),
            tax_minor=share,
            tax_category=some[0].tax_category,
            tax_rate_ppm=some[0].tax_rate_ppm,
        )
        for some, share in zip(groups, shares, strict=True)
    )


def compare(document: InvoiceDocument, order: CopyOrder, remote: RemoteCopy) -> list[Found]:
    """Return where a draft differs from our invoice; nothing: it may be finalised."""
    bill = document.bill
    there = sorted(remote.keys)

    def differ(differs: Differs, ours: int, theirs: int, word: str = "", their_word: str = "") -> Found:
        return Found(
            moved=Moved.INVOICE,
            remote_id=ids.public("inv", document.invoice_id),
            differs=differs,
            at=document.finalised_at or document.drafted_at,
            tenant_id=order.tenant_id,
            payment_id=None,
            ours_minor=ours,
            ours=word,
            theirs_minor=theirs,
            theirs=their_word,
            currency=bill.currency,
        )

    if remote.currency != bill.currency:
        return [
            differ(Differs.CURRENCY, bill.total_minor, remote.total_minor, bill.currency, remote.currency)
        ]
    found = []
    if there != sorted(one.key for one in order.lines):
        counts = (str(len(order.lines)), str(len(there)))
        found.append(differ(Differs.LINES, bill.net_minor, remote.net_minor, *counts))
    if remote.tax_minor != bill.tax_minor:
        found.append(differ(Differs.TAX, bill.tax_minor, remote.tax_minor))
    if remote.total_minor != bill.total_minor or remote.net_minor != bill.net_minor:
        found.append(differ(Differs.AMOUNT, bill.total_minor, remote.total_minor))
    elif remote.due_minor != bill.total_minor:  # a balance of theirs would be set off
        found.append(differ(Differs.AMOUNT, bill.total_minor, remote.due_minor))
    return found


def state_there(remote: RemoteCopy) -> CopyState:
    """Return our word for how a finalised copy stands."""
    return _STATES.get(remote.state, CopyState.VOID)


def _tax_of(line: Line) -> tuple[object, ...]:
    return (line.tax_category, line.tax_rate_ppm)


def _shares(groups: Sequence[Sequence[Line]], taxes: Iterable[Tax]) -> list[int]:
    """Return each group's part of the tax of its category and rate; the parts sum to it."""
    whole = {(one.category, one.rate_ppm): one for one in taxes}
    taxable: dict[tuple[object, ...], int] = dict.fromkeys(whole, 0)
    given: dict[tuple[object, ...], int] = dict.fromkeys(whole, 0)
    shares = []
    for some in groups:
        key = (some[0].tax_category, some[0].tax_rate_ppm)
        taxable[key] += sum(one.amount_minor for one in some)
        tax = whole[key]
        so_far = taxable[key] * tax.tax_minor // tax.taxable_minor if tax.taxable_minor else 0
        shares.append(so_far - given[key])
        given[key] = so_far
    return shares


def _text(some: Sequence[Line], language: str) -> str:
    """Return what a line says: its meter and destination, or how many lines of the invoice it is."""
    first = some[0]
    meters = list(dict.fromkeys(word(language, f"meter:{one.meter}") for one in some))
    if len(some) == 1:
        named = first.names.get(language) or first.names.get("en") or first.destination
        return f"{meters[0]} – {named}" if named else meters[0]
    lines = word(language, "lines_of_invoice").format(n=len(some))
    return f"{', '.join(itertools.islice(meters, 3))} – {lines}"


def _row(session: Session, tenant_id: TenantId, invoice_id: UUID) -> InvoiceCopyRow:
    return session.get_one(
        InvoiceCopyRow, (tenant_id, invoice_id), with_for_update=True, populate_existing=True
    )


def _copy(row: InvoiceCopyRow) -> Copy:
    return Copy(
        invoice_id=InvoiceId(row.invoice_id),
        account=row.account,
        version=row.version,
        state=CopyState(row.state),
        remote_id=row.remote_id,
        page_url=row.page_url,
        pdf_url=row.pdf_url,
        lines=row.lines,
        remaining_minor=row.remaining_minor,
        why=row.why,
        begun_at=row.begun_at,
        asked_at=row.asked_at,
    )
