"""Payments: attempts to collect an invoice and what came of each, saved ways to pay, paying with one.

A new way to pay is saved, and a card typed, by a person on the provider's page: see the portal. A request
that speaks to the provider holds no transaction meanwhile: its own is committed first, `wiring.collecting`
opens others.
"""

from typing import Any, Literal

from flask import Response, url_for
from pydantic import Field

from billing import invoices
from billing.errors import PaymentNotFoundError
from billing.payments import attempts, methods, refunds
from billing.payments.attempts import Payment
from billing.payments.methods import Method
from core import ids
from core.ids import InvoiceId, PaymentMethodId
from core.money import Money
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Inward, Listed, Outward, PageQuery, PaymentState
from web.guards import permission
from wiring import collecting

_LIST, _REFUNDS = "payments", "refunds"


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


class Payments(Listed):
    """A page of payments, newest first."""

    data: list[PaymentShown]


class InvoicePayment(Outward):
    """How an invoice stands."""

    state: PaymentState | None = Field(description="None while it is a draft.")
    due: Amount
    refunded: Amount
    on_account: Amount = Field(
        description="What was paid beyond it and went on account; below zero: what it took from there."
    )
    reason: str | None = Field(description="Why the last attempt failed.")
    payments: list[PaymentShown] = Field(description="Every attempt, newest first.")


class MethodShown(Outward):
    """A saved way to pay."""

    id: str = Field(examples=["pm_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    kind: str = Field(description="`card`, or a kind of direct debit.", examples=["card"])
    brand: str = Field(examples=["visa"])
    last4: str = Field(examples=["4242"])
    expires: str | None = Field(description="Year and month; of a card.", examples=["2029-04"])
    is_default: bool = Field(description="Invoices are paid with it by themselves.")
    added_at: Instant


class Methods(Outward):
    """Every saved way to pay, the default first."""

    data: list[MethodShown]


class RefundShown(Outward):
    """Money that was given back."""

    id: str = Field(examples=["ref_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    payment: str | None = Field(
        description="What it is of; null: of a top-up, or of your wallet.",
        examples=["pay_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    top_up: str | None = Field(
        description="The top-up it is of: it has left your wallet. Null: of a payment; both null: by bank"
        " transfer, out of your wallet.",
        examples=["top_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    state: Literal["approved", "made", "came-back"] = Field(
        description="`approved`: on its way; `came-back`: nobody took it, and it is with us again, or in your"
        " wallet."
    )
    amount: Amount
    asked_at: Instant


class Refunds(Listed):
    """A page of refunds, newest first."""

    data: list[RefundShown]


class Paying(Inward):
    """With what to pay."""

    method: str | None = Field(
        default=None, max_length=60, description="A saved way to pay; the default when left out."
    )


class PayingShown(Outward):
    """The payment that was begun."""

    payment: PaymentShown
    url: str | None = Field(description="Where a person has to confirm it to the bank; null: nobody has to.")


class Receipt(Outward):
    """The provider's receipt."""

    url: str


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


@pages.get("/refunds")
@permission("invoices.read")
@operation(tag="Payments", answers={200: Refunds}, operation_id="listRefunds")
def list_refunds(query: PageQuery) -> Refunds:
    """List what was given back to you, newest first."""
    after = cursors.decode(query.starting_after, of=_REFUNDS)
    rows = refunds.every(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        standings=refunds.TOLD,
        before=ids.parse("ref", after[0]) if after else None,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(rows, limit=query.limit)
    return Refunds(
        data=[
            RefundShown.model_validate(
                {
                    "id": ids.public("ref", row.refund_id),
                    "payment": ids.public("pay", row.payment_id) if row.payment_id else None,
                    "top_up": ids.public("top", row.top_up_id) if row.top_up_id else None,
                    "state": row.standing.value,
                    "amount": Amount.of(Money(row.amount_minor, row.currency)),
                    "asked_at": row.asked_at,
                }
            )
            for row in shown
        ],
        has_more=has_more,
        next=cursors.encode(ids.public("ref", shown[-1].refund_id), of=_REFUNDS) if has_more else None,
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
        on_account=Amount.of(Money(stands.surplus_minor if stands else 0, currency)),
        reason=stands.reason.value if stands and stands.reason else None,
        payments=[_shown(one) for one in tried],
    )


@pages.post("/invoices/<invoice_id>/pay")
@permission("invoices.pay")
@operation(
    tag="Payments",
    answers={200: PayingShown},
    errors=(404, 409),
    operation_id="payInvoice",
)
def pay_invoice(invoice_id: str, json: Paying) -> PayingShown:
    """Pay an invoice with a saved way to pay. Sent twice it pays once."""
    who, means = identity.current(), scope.services()
    wanted = InvoiceId(id_in_path("inv", invoice_id))
    invoices.find(scope.session(), tenant_id=who.tenant_id, invoice_id=wanted)  # another's is not found
    method_id = ids.parse("pm", json.method) if json.method else None
    user_id = who.user_id
    scope.commit()
    gone_on = collecting.pay_with_saved(
        means,
        tenant_id=who.tenant_id,
        invoice_id=wanted,
        method_id=method_id,
        by_user=user_id,
        return_to=_back,
    )
    return PayingShown(payment=_shown(gone_on.payment), url=gone_on.url or None)


@pages.get("/payments/<payment_id>/receipt")
@permission("invoices.read")
@operation(tag="Payments", answers={200: Receipt}, errors=(404,), operation_id="getReceipt")
def receipt(payment_id: str) -> Receipt:
    """Find the provider's receipt of a payment; 404 while there is none."""
    payment = attempts.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        payment_id=id_in_path("pay", payment_id),
    )
    if not payment.remote_id:
        raise PaymentNotFoundError
    scope.commit()
    remote = scope.services().payments.payment(payment.remote_id)
    if not remote.receipt_url:
        raise PaymentNotFoundError
    return Receipt(url=remote.receipt_url)


@pages.get("/payment-methods")
@permission("invoices.read")
@operation(tag="Payments", answers={200: Methods}, operation_id="listPaymentMethods")
def list_payment_methods() -> Methods:
    """List the saved ways to pay. A new one is saved by a person, in the portal."""
    tenant_id, services = identity.current().tenant_id, scope.services()
    if not services.payments.is_connected:
        return Methods(data=[])
    scope.commit()
    account = services.payments.account
    found = methods.every(scope.session(), tenant_id=tenant_id, account=account, vault=services.vault)
    return Methods(data=[_method(one) for one in found])


@pages.post("/payment-methods/<method_id>/default")
@permission("invoices.pay")
@operation(tag="Payments", answers={204: None}, errors=(404, 409), operation_id="makePaymentMethodDefault")
def make_default(method_id: str) -> Response:
    """Pay invoices with this one from now on."""
    methods.make_default(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        method_id=PaymentMethodId(id_in_path("pm", method_id)),
    )
    return Response(status=204)


@pages.delete("/payment-methods/<method_id>")
@permission("invoices.pay")
@operation(tag="Payments", answers={204: None}, errors=(404,), operation_id="removePaymentMethod")
def remove_payment_method(method_id: str) -> Response:
    """Remove a saved way to pay, at the provider too. It is charged no more."""
    wanted = PaymentMethodId(id_in_path("pm", method_id))
    scope.commit()
    collecting.remove_method(scope.services(), tenant_id=identity.current().tenant_id, method_id=wanted)
    return Response(status=204)


def _back(payment: Payment) -> str:
    """Return where the bank's page leads a person back to."""
    path = url_for("portal.back_from_page", payment_id=ids.public("pay", payment.payment_id))
    return f"{scope.services().settings.public_url}{path}"


def _method(one: Method) -> MethodShown:
    month, _, year = one.shown.expires.partition("/")
    return MethodShown(
        id=ids.public("pm", one.method_id),
        kind=one.kind,
        brand=one.shown.brand,
        last4=one.shown.last4,
        expires=f"{year}-{month}" if year else None,
        is_default=one.is_default,
        added_at=one.added_at,
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
