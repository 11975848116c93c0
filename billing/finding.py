"""Finding what an id or a number names: among one company's papers, payments and usage, or among our own."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.models import (
    CreditNoteRow,
    DifferenceRow,
    DisputeRow,
    InvoiceCopyRow,
    InvoiceRow,
    PaymentRow,
    PriceListRow,
    ProviderEventRow,
    RefundRow,
    RerunRow,
    TopUpRow,
    UsageConflictRow,
    UsageEventRow,
)
from core import ids
from core.db import Base
from core.ids import OPERATOR, TenantId, UnknownIdError

_ROWS: Mapping[str, type[Base]] = {
    "inv": InvoiceRow,
    "pay": PaymentRow,
    "top": TopUpRow,
    "dsp": DisputeRow,
    "use": UsageEventRow,
    "con": UsageConflictRow,
}


@dataclass(frozen=True, slots=True)
class Named:
    """What was found: `prefix` says what it is, `row_id` which; `invoice_id`: whose credit note it is."""

    prefix: str
    row_id: UUID
    invoice_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NamedHere:
    """What was found among our own; `tenant_id` and `payment_id`: the payment it is about, if any."""

    prefix: str
    row_id: UUID
    tenant_id: UUID | None = None
    payment_id: UUID | None = None


def ours(session: Session, *, text: str) -> NamedHere | None:
    """Return what a text names of the operator's own: prices, a run of rating again, news, what differs.

    Args:
        session: in the operator's context.
        text: as somebody pasted it: an id of ours, the provider's name of its news or of what differs.
    """
    prefix = text.partition("_")[0]
    try:
        wanted = ids.parse(prefix, text)
    except UnknownIdError:
        return _by_their_name(session, text)
    match prefix:
        case "pl":
            return _here(prefix, session.get(PriceListRow, (OPERATOR, wanted)))
        case "rrt":
            return _here(prefix, session.get(RerunRow, (OPERATOR, wanted)))
        case "dif":
            return _here(prefix, session.get(DifferenceRow, (OPERATOR, wanted)))
        case "news":
            return _here(prefix, session.get(ProviderEventRow, (OPERATOR, wanted)))
        case _:
            return None


def named(session: Session, *, tenant_id: TenantId, text: str) -> Named | None:
    """Return what a text names: an id of ours, a paper's number, the provider's name of a payment or copy.

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
    if prefix == "ref" and (refund := session.get(RefundRow, (tenant_id, wanted))) is not None:
        return _of_refund(refund)
    used = select(UsageEventRow.id).where(
        UsageEventRow.tenant_id == tenant_id, UsageEventRow.subject_ref == wanted
    )
    return Named(prefix, wanted) if session.scalar(used.limit(1)) is not None else None


def _of_refund(refund: RefundRow) -> Named:
    """Return where a refund is seen: with what it gives back, or, by transfer, with the wallet."""
    if refund.payment_id is not None:
        return Named("pay", refund.payment_id)
    if refund.top_up_id is not None:
        return Named("top", refund.top_up_id)
    return Named("ref", refund.id)


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
    for prefix, remote in (
        ("pay", select(PaymentRow.id).where(PaymentRow.tenant_id == tenant_id, PaymentRow.remote_id == text)),
        ("top", select(TopUpRow.id).where(TopUpRow.tenant_id == tenant_id, TopUpRow.remote_id == text)),
        (
            "inv",
            select(InvoiceCopyRow.invoice_id).where(
                InvoiceCopyRow.tenant_id == tenant_id, InvoiceCopyRow.remote_id == text
            ),
        ),
    ):
        found = session.scalar(remote.limit(1))
        if found is not None:
            return Named(prefix, found)
    return None


def _by_their_name(session: Session, text: str) -> NamedHere | None:
    event = session.scalar(
        select(ProviderEventRow)
        .where(ProviderEventRow.tenant_id == OPERATOR, ProviderEventRow.event_id == text)
        .limit(1)
    )
    if event is not None:
        return _here("news", event)
    differs = session.scalar(
        select(DifferenceRow)
        .where(DifferenceRow.tenant_id == OPERATOR, DifferenceRow.remote_id == text)
        .order_by(DifferenceRow.id.desc())
        .limit(1)
    )
    return _here("dif", differs)


def _here(
    prefix: str, row: PriceListRow | RerunRow | DifferenceRow | ProviderEventRow | None
) -> NamedHere | None:
    if row is None:
        return None
    if isinstance(row, DifferenceRow | ProviderEventRow):
        return NamedHere(prefix, row.id, row.for_tenant, row.payment_id)
    return NamedHere(prefix, row.id)
