"""Finding what an id or a number names among one company's papers, payments and usage."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.models import (
    CreditNoteRow,
    DisputeRow,
    InvoiceRow,
    PaymentRow,
    UsageEventRow,
)
from core import ids
from core.db import Base
from core.ids import TenantId, UnknownIdError

_ROWS: Mapping[str, type[Base]] = {
    "inv": InvoiceRow,
    "pay": PaymentRow,
    "dsp": DisputeRow,
    "use": UsageEventRow,
}


@dataclass(frozen=True, slots=True)
class Named:
    """What was found: `prefix` says what it is, `row_id` which; `invoice_id`: whose credit note it is."""

    prefix: str
    row_id: UUID
    invoice_id: UUID | None = None


def named(session: Session, *, tenant_id: TenantId, text: str) -> Named | None:
    """Return what a text names: an id of ours, a paper's number, the provider's name of a payment.

    Args:
        session: in the company's context.
        tenant_id: where to look.
        text: as somebody pasted it, without spaces around it.
    """
    prefix = text.partition("_")[0]
    try:
        wanted = ids.parse(prefix, text)
    except UnknownIdError:
        return _by_number(session, tenant_id, text)
    model = _ROWS.get(prefix)
    if model is not None:
        return Named(prefix, wanted) if session.get(model, (tenant_id, wanted)) is not None else None
    if prefix == "crn" and (note := session.get(CreditNoteRow, (tenant_id, wanted))) is not None:
        return Named(prefix, wanted, note.invoice_id)
    used = select(UsageEventRow.id).where(
        UsageEventRow.tenant_id == tenant_id, UsageEventRow.subject_ref == wanted
    )
    return Named(prefix, wanted) if session.scalar(used.limit(1)) is not None else None


def _by_number(session: Session, tenant_id: TenantId, text: str) -> Named | None:
    invoice = session.scalar(
        select(InvoiceRow.id).where(InvoiceRow.tenant_id == tenant_id, InvoiceRow.number == text)
    )
    if invoice is not None:
        return Named("inv", invoice)
    note = session.execute(
        select(CreditNoteRow.id, CreditNoteRow.invoice_id).where(
            CreditNoteRow.tenant_id == tenant_id, CreditNoteRow.number == text
        )
    ).first()
    if note is not None:
        return Named("crn", note[0], note[1])
    payment = session.scalar(
        select(PaymentRow.id).where(PaymentRow.tenant_id == tenant_id, PaymentRow.remote_id == text).limit(1)
    )
    return Named("pay", payment) if payment is not None else None
