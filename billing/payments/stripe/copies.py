"""Copies of our invoices at Stripe: drafts with lines, finalised, paid, lessened.

Every amount is a whole number of ours: a line has its amount and its tax, so Stripe reckons nothing but
sums, and those are compared. Stripe sends no letters about them (`auto_advance` off), takes nothing from
elsewhere (`pending_invoice_items_behavior` exclude) and charges nobody: who wants to pay opens the page.
Sources: docs.stripe.com/api/invoices, docs.stripe.com/invoicing/partial-payments.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import stripe

from billing.payments.port import CopyLine, CopyOrder, RemoteCopy
from billing.payments.stripe import reading
from billing.payments.stripe.reading import INVOICE, TENANT
from core.ids import InvoiceId, TenantId

VERSION, KEY, CREDIT = "seatline_version", "seatline_line", "seatline_credit_note"
_AT_ONCE = 50  # lines in one request
# what Stripe calls the categories of EN 16931
_WHY: dict[str, Any] = {
    "S": "standard_rated",
    "Z": "zero_rated",
    "E": "product_exempt",
    "AE": "reverse_charge",
}
_PPM_OF_PERCENT = 10_000


def make(client: stripe.StripeClient, order: CopyOrder) -> RemoteCopy:
    """Return the draft of this version: found by our ids, or made."""
    found = _find(client, order)
    if found is not None:
        return found
    made = client.v1.invoices.create(
        {
            "customer": order.payer,
            "currency": order.currency.lower(),
            "number": order.number,
            "collection_method": "send_invoice",
            "due_date": int(order.due_at.timestamp()),
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "metadata": {
                TENANT: str(order.tenant_id),
                INVOICE: str(order.invoice_id),
                VERSION: str(order.version),
            },
        },
        {"idempotency_key": f"{_name(order)}:begin"},
    )
    return read(client, made)


def add(client: stripe.StripeClient, order: CopyOrder, remote_id: str, lines: Sequence[CopyLine]) -> None:
    """Put lines on a draft, some at a time."""
    for first in range(0, len(lines), _AT_ONCE):
        some = lines[first : first + _AT_ONCE]
        client.v1.invoices.add_lines(
            remote_id,
            {"lines": [_line(one) for one in some]},
            {"idempotency_key": f"{_name(order)}:lines:{some[0].key}:{some[-1].key}:{len(some)}"},
        )


def find(client: stripe.StripeClient, remote_id: str) -> RemoteCopy | None:
    """Return a copy as it is now, or None."""
    try:
        return read(client, client.v1.invoices.retrieve(remote_id))
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            return None
        raise


def finalise(client: stripe.StripeClient, order: CopyOrder, remote_id: str) -> None:
    """Freeze a draft."""
    client.v1.invoices.finalize_invoice(
        remote_id, {"auto_advance": False}, {"idempotency_key": f"{_name(order)}:finalise"}
    )


def discard(client: stripe.StripeClient, remote_id: str) -> None:
    """Throw a draft away."""
    try:
        client.v1.invoices.delete(remote_id)
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise


def pay(client: stripe.StripeClient, remote_id: str, payment: str) -> None:
    """Let a payment count for a copy."""
    client.v1.invoices.attach_payment(
        remote_id, {"payment_intent": payment}, {"idempotency_key": f"{remote_id}:paid:{payment}"}
    )


def close(client: stripe.StripeClient, remote_id: str) -> None:
    """Mark what is left as paid elsewhere."""
    client.v1.invoices.pay(remote_id, {"paid_out_of_band": True}, {"idempotency_key": f"{remote_id}:closed"})


def credit(
    client: stripe.StripeClient,
    remote_id: str,
    *,
    credit_note_id: UUID,
    number: str,
    amount_minor: int,
    paid_minor: int,
) -> None:
    """Lessen a copy; what was paid already is given back by us, not by Stripe."""
    asked: Any = {
        "invoice": remote_id,
        "amount": amount_minor,
        "memo": number,
        "email_type": "none",
        "metadata": {CREDIT: str(credit_note_id)},
    }
    asked |= {"out_of_band_amount": paid_minor} if paid_minor else {}
    key = f"{remote_id}:credited:{credit_note_id}:{paid_minor}"
    client.v1.credit_notes.create(asked, {"idempotency_key": key})


def paid_by(client: stripe.StripeClient, payment: str) -> tuple[TenantId, InvoiceId] | None:
    """Return whose invoice a payment counts for, when it is a copy of ours."""
    found = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": payment}, "limit": 10}
    )
    for one in found.data:
        of = client.v1.invoices.retrieve(reading.id_of(one.invoice))
        tenant, invoice = reading.ours(of.metadata, TENANT), reading.ours(of.metadata, INVOICE)
        if tenant and invoice:
            return TenantId(tenant), InvoiceId(invoice)
    return None


def read(client: stripe.StripeClient, found: stripe.Invoice) -> RemoteCopy:
    """Read an invoice of Stripe's with all its lines, payments and credit notes."""
    lines: list[stripe.InvoiceLineItem] = list(found.lines.data)
    if found.lines.has_more:
        page = client.v1.invoices.line_items.list(found.id, {"limit": 100})
        lines = list(page.auto_paging_iter())
    payments: list[stripe.InvoicePayment] = []
    credited: list[stripe.CreditNote] = []
    if found.status != "draft":
        payments = client.v1.invoice_payments.list({"invoice": found.id, "limit": 100}).data
        credited = client.v1.credit_notes.list({"invoice": found.id, "limit": 100}).data
    notes = (reading.ours(one.metadata, CREDIT) for one in credited if one.status != "void")
    net = found.total_excluding_tax
    return RemoteCopy(
        remote_id=found.id,
        state=str(found.status),
        currency=found.currency.upper(),
        net_minor=found.subtotal if net is None else net,
        tax_minor=sum(one.amount for one in found.total_taxes or []),
        total_minor=found.total,
        due_minor=found.amount_due,
        remaining_minor=found.amount_remaining,
        keys=tuple(str(one.metadata.to_dict().get(KEY, "")) for one in lines),
        payments=frozenset(
            reading.id_of(one.payment.payment_intent) for one in payments if one.status == "paid"
        ),
        credited=frozenset(one for one in notes if one),
        page_url=found.hosted_invoice_url or "",
        pdf_url=found.invoice_pdf or "",
    )


def _find(client: stripe.StripeClient, order: CopyOrder) -> RemoteCopy | None:
    """Return the draft that was made before we could write its name down."""
    page = client.v1.invoices.list(
        {"customer": order.payer, "created": {"gte": int(order.begun_at.timestamp()) - 3600}, "limit": 100}
    )
    for one in page.auto_paging_iter():
        marks = one.metadata.to_dict() if one.metadata else {}
        if marks.get(INVOICE) == str(order.invoice_id) and marks.get(VERSION) == str(order.version):
            return read(client, one)
    return None


def _line(line: CopyLine) -> Any:  # noqa: ANN401 - a TypedDict of the library's
    return {
        "description": line.text,
        "amount": line.amount_minor,
        "discountable": False,
        "metadata": {KEY: line.key},
        "tax_amounts": [
            {
                "amount": line.tax_minor,
                "taxable_amount": line.amount_minor,
                "taxability_reason": _WHY.get(line.tax_category, "not_subject_to_tax"),
                "tax_rate_data": {
                    "display_name": "VAT",
                    "inclusive": False,
                    "percentage": float(Decimal(line.tax_rate_ppm) / _PPM_OF_PERCENT),
                },
            }
        ],
    }


def _name(order: CopyOrder) -> str:
    return f"inv:{order.invoice_id}:copy:v{order.version}"
