"""Disputes: a company says what is wrong about a finalised invoice, we give credit or say why not.

It marks lines, or hands in what it counted itself: the calls that differ are kept, classed (`matching`), and
of its file nothing else. Settling makes a credit note, which above the limit waits for a second person: until
that is issued the dispute is not settled, and it is open again when that is refused. The invoice stays as it
is, and due.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from billing import accounts, credit_notes, invoices
from billing.credit_notes import LONGEST_REASON, Part
from billing.documents.document import CreditNote
from billing.errors import (
    DisputeClosedError,
    DisputeEmptyError,
    DisputeNotFoundError,
    DisputeReasonError,
    InvoiceNotFinalError,
)
from billing.matching import Claim, Kind, compare
from billing.models import DisputeItemRow, DisputeRow
from billing.safety import USUAL, Safety
from core import clock, ids
from core.ids import CreditNoteId, DisputeId, InvoiceId, TenantId, UserId, new_id
from core.money import nano_to_minor
from security import evidence

LINE = "line"
OPEN, WAITING, SETTLED, REFUSED = "open", "waiting", "settled", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that is said to be wrong: a whole line, or one call (`matching.Kind`)."""

    kind: str
    line_no: int | None
    event_id: str
    started_at: dt.datetime | None
    ours_ms: int | None
    theirs_ms: int | None
    ours_nano: int | None
    theirs_nano: int | None
    in_question_nano: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """What a company says about an invoice, and what became of it. `state` is read off its credit note."""

    dispute_id: DisputeId
    invoice_id: InvoiceId
    state: str
    reason: str
    opened_by: UserId
    opened_at: dt.datetime
    credit_note_id: CreditNoteId | None
    answer: str
    closed_at: dt.datetime | None
    currency: str
    items: tuple[Item, ...]

    @property
    def in_question_minor(self) -> int:
        """What is said to be too much, before tax."""
        return nano_to_minor(sum(one.in_question_nano for one in self.items), currency=self.currency)


def open_dispute(
    session: Session,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    reason: str,
    by: UserId,
    line_nos: Collection[int] = (),
    claims: Sequence[Claim] | None = None,
) -> Dispute:
    """Dispute an invoice: lines of it, or the calls that differ from what the company counted.

    Raises:
        InvoiceNotFoundError: no such invoice.
        InvoiceNotFinalError: a draft may still change.
        DisputeReasonError: no reason, or a long one.
        DisputeEmptyError: no such line is marked, and no call differs.
    """
    accounts.lock(session, tenant_id=tenant_id)
    invoice = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    if invoice.is_draft:
        raise InvoiceNotFinalError
    reason = _said(reason)
    items = [
        _item(LINE, line_no=line.line_no, ours_nano=line.amount_nano, in_question_nano=line.amount_nano)
        for line in invoice.bill.lines
        if line.line_no in line_nos and line.amount_nano > 0
    ]
    if claims is not None:
        events = invoices.events(session, tenant_id=tenant_id, invoice_id=invoice_id)
        marked = {one["line_no"] for one in items}
        items += [
            _item(
                one.kind.value,
                line_no=one.line_no,
                event_id=one.event_id,
                started_at=one.started_at,
                ours_ms=one.ours_ms,
                theirs_ms=one.theirs_ms,
                ours_nano=one.ours_nano,
                theirs_nano=one.theirs_nano,
                in_question_nano=one.in_question_nano,
            )
            for one in compare(events, claims)
            if one.line_no not in marked or one.kind is Kind.MISSING  # a marked line is in question whole
        ]
    if not items:
        raise DisputeEmptyError
    row = DisputeRow(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        reason=reason,
        opened_by=by,
        opened_at=clock.now(),
        answer="",
    )
    session.add(row)
    session.flush()
    key = {"tenant_id": tenant_id, "dispute_id": row.id}
    session.execute(insert(DisputeItemRow), [{**key, "n": n, **one} for n, one in enumerate(items, 1)])
    evidence.record(
        session, "dispute.opened", "dsp", row.id, invoice=ids.public("inv", invoice_id), items=len(items)
    )
    return find(session, tenant_id=tenant_id, dispute_id=row.id)


def settle(
    session: Session,
    *,
    tenant_id: TenantId,
    dispute_id: UUID,
    parts: Sequence[Part],
    reason: str,
    by: UserId,
    safety: Safety = USUAL,
) -> CreditNote:
    """Give credit for a dispute; it is settled once the credit note is issued.

    Raises:
        DisputeNotFoundError: no such dispute.
        DisputeClosedError: it is settled, refused, or its credit note waits for a second person.
        CreditReasonError, CreditTooLargeError: see `credit_notes.ask`.
    """
    row = _open(session, tenant_id, dispute_id)
    note = credit_notes.ask(
        session,
        tenant_id=tenant_id,
        invoice_id=row.invoice_id,
        parts=parts,
        reason=reason,
        by=by,
        safety=safety,
    )
    row.credit_note_id = note.credit_note_id
    session.flush()
    return note


def refuse(session: Session, *, tenant_id: TenantId, dispute_id: UUID, answer: str) -> Dispute:
    """Refuse a dispute and say why; the company reads it.

    Raises:
        DisputeNotFoundError: no such dispute.
        DisputeClosedError: it is settled, refused, or its credit note waits for a second person.
        DisputeReasonError: no answer, or a long one.
    """
    row = _open(session, tenant_id, dispute_id)
    row.answer, row.closed_at = _said(answer), clock.now()
    session.flush()
    evidence.record(session, "dispute.refused", "dsp", dispute_id)
    return find(session, tenant_id=tenant_id, dispute_id=dispute_id)


def find(session: Session, *, tenant_id: TenantId, dispute_id: UUID) -> Dispute:
    """Return a dispute.

    Raises:
        DisputeNotFoundError: no such dispute.
    """
    row = session.get(DisputeRow, (tenant_id, dispute_id))
    if row is None:
        raise DisputeNotFoundError
    return _dispute(session, row)


def every(session: Session, *, tenant_id: TenantId, invoice_id: UUID | None = None) -> tuple[Dispute, ...]:
    """Return a company's disputes, of one invoice when that is given; newest first."""
    asked = select(DisputeRow).where(DisputeRow.tenant_id == tenant_id)
    if invoice_id is not None:
        asked = asked.where(DisputeRow.invoice_id == invoice_id)
    rows = session.scalars(asked.order_by(DisputeRow.id.desc()))
    return tuple(_dispute(session, row) for row in rows)


def _item(kind: str, **values: object) -> dict[str, object]:
    return {
        "line_no": None,
        "event_id": "",
        "started_at": None,
        "ours_ms": None,
        "theirs_ms": None,
        "ours_nano": None,
        "theirs_nano": None,
        **values,
        "kind": kind,
    }


def _said(text: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= LONGEST_REASON:
        raise DisputeReasonError
    return text


def _open(session: Session, tenant_id: TenantId, dispute_id: UUID) -> DisputeRow:
    accounts.lock(session, tenant_id=tenant_id)
    row = session.get(DisputeRow, (tenant_id, dispute_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise DisputeNotFoundError
    if _state(session, row) != OPEN:
        raise DisputeClosedError
    return row


def _state(session: Session, row: DisputeRow) -> str:
    if row.closed_at is not None:
        return REFUSED
    if row.credit_note_id is None:
        return OPEN
    note = credit_notes.find(session, tenant_id=TenantId(row.tenant_id), credit_note_id=row.credit_note_id)
    return {"issued": SETTLED, "waiting": WAITING}.get(note.state, OPEN)


def _dispute(session: Session, row: DisputeRow) -> Dispute:
    tenant_id = TenantId(row.tenant_id)
    items = session.scalars(
        select(DisputeItemRow)
        .where(DisputeItemRow.tenant_id == tenant_id, DisputeItemRow.dispute_id == row.id)
        .order_by(DisputeItemRow.n)
    )
    return Dispute(
        dispute_id=DisputeId(row.id),
        invoice_id=InvoiceId(row.invoice_id),
        state=_state(session, row),
        reason=row.reason,
        opened_by=UserId(row.opened_by),
        opened_at=row.opened_at,
        credit_note_id=CreditNoteId(row.credit_note_id) if row.credit_note_id else None,
        answer=row.answer,
        closed_at=row.closed_at,
        currency=invoices.find(session, tenant_id=tenant_id, invoice_id=row.invoice_id).bill.currency,
        items=tuple(
            Item(
                kind=one.kind,
                line_no=one.line_no,
                event_id=one.event_id,
                started_at=one.started_at,
                ours_ms=one.ours_ms,
                theirs_ms=one.theirs_ms,
                ours_nano=one.ours_nano,
                theirs_nano=one.theirs_nano,
                in_question_nano=one.in_question_nano,
            )
            for one in items
        ),
    )
