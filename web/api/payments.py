"""Payments: attempts to collect an invoice, and what came of each."""

from typing import Any, Literal

from pydantic import Field

from billing import invoices
from billing.payments import attempts
from billing.payments.attempts import Payment
from core import ids
from core.ids import InvoiceId
from core.money import Money
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Outward, PageQuery
from web.guards import permission

_LIST = "payments"


class PaymentShown(Outward):
    """One attempt to collect an invoice."""

    id: str = Field(examples=["pay_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    invoice: str = Field(examples=["inv_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    state: Literal["started", "requires-action", "processing", "succeeded", "failed", "cancelled"]
    reason: str | None = Field(
        description="Why it failed: a stable word of ours.", examples=["insufficient-funds"]
    )
    amount: Amount
    initiator: Literal["automatic", "retry", "person"]
    started_at: Instant
    changed_at: Instant
    retry_at: Instant | None = Field(description="When we try again by ourselves.")


class Payments(Outward):
    """A page of payments, newest first."""

    data: list[PaymentShown]
    has_more: bool
    next: str | None = Field(description="Send it as `starting_after` for the page that follows.")


class InvoicePayment(Outward):
    """How an invoice stands."""

    state: (
        Literal["open", "processing", "requires-action", "failed", "overdue", "paid", "refunded"] | None
    ) = Field(description="None while it is a draft.")
    due: Amount
    refunded: Amount
    reason: str | None = Field(description="Why the last attempt failed.")
    payments: list[PaymentShown] = Field(description="Every attempt, newest first.")


@pages.get("/payments")
@permission("invoices.read")
@operation(tag="Payments", answers={200: Payments}, operation_id="listPayments")
def list_payments(query: PageQuery) -> Payments:
    """List payments, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    rows = attempts.every(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        before=ids.parse("pay", after[0]) if after else None,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(rows, limit=query.limit)
    return Payments(
        data=[_shown(row) for row in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("pay", shown[-1].payment_id), of=_LIST) if has_more else None,
    )


@pages.get("/payments/<payment_id>")
@permission("invoices.read")
@operation(tag="Payments", answers={200: PaymentShown}, errors=(404,), operation_id="getPayment")
def one_payment(payment_id: str) -> PaymentShown:
    """Look at one payment."""
    return _shown(
        attempts.find(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            payment_id=id_in_path("pay", payment_id),
        )
    )


@pages.get("/invoices/<invoice_id>/payment")
@permission("invoices.read")
@operation(tag="Payments", answers={200: InvoicePayment}, errors=(404,), operation_id="getInvoicePayment")
def payment_of_invoice(invoice_id: str) -> InvoicePayment:
    """See how an invoice stands: what is due, and every attempt to collect it."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    wanted = InvoiceId(id_in_path("inv", invoice_id))
    found = invoices.find(session, tenant_id=tenant_id, invoice_id=wanted)
    stands = attempts.standing_of(session, tenant_id=tenant_id, invoice=found)
    currency = found.bill.currency
    tried = attempts.of_invoice(session, tenant_id=tenant_id, invoice_id=wanted)
    return InvoicePayment(
        state=stands.state.value if stands else None,
        due=Amount.of(Money(stands.due_minor if stands else 0, currency)),
        refunded=Amount.of(Money(stands.refunded_minor if stands else 0, currency)),
        reason=stands.reason.value if stands and stands.reason else None,
        payments=[_shown(one) for one in tried],
    )


def _shown(found: Payment) -> PaymentShown:
    values: dict[str, Any] = {
        "id": ids.public("pay", found.payment_id),
        "invoice": ids.public("inv", found.invoice_id),
        "state": found.state.value,
        "reason": found.reason.value if found.reason else None,
        "amount": Amount.of(Money(found.amount_minor, found.currency)),
        "initiator": found.initiator,
        "started_at": found.started_at,
        "changed_at": found.changed_at,
        "retry_at": found.retry_at,
    }
    return PaymentShown.model_validate(values)
