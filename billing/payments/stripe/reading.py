"""Stripe's objects, read once at the boundary into our own.

A StripeObject is no dict (it has neither `get` nor iteration since version 15), so nothing of it leaves
this folder. Sources: docs.stripe.com/api, docs.stripe.com/declines/codes.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import stripe

from billing.payments.port import (
    Moved,
    Movement,
    Reason,
    RemoteDispute,
    RemoteMethod,
    RemotePayment,
    RemoteRefund,
    Shown,
    State,
)
from core.ids import InvoiceId, PaymentId, TenantId

TENANT, INVOICE, PAYMENT = "seatline_tenant", "seatline_invoice", "seatline_payment"
REFUND = "seatline_refund"
# a refund that came back to us, or was called back before it left
_CAME_BACK = frozenset({"failed", "canceled"})
# the payer's bank has to be named first: nothing has left us
_NOT_BEGUN = "requires_action"
_STATES = {
    "succeeded": State.SUCCEEDED,
    "processing": State.PROCESSING,
    "requires_action": State.REQUIRES_ACTION,
    "canceled": State.CANCELLED,
    "requires_payment_method": State.STARTED,
    "requires_confirmation": State.STARTED,
    "requires_capture": State.PROCESSING,
}
# kinds of balance transactions; a dispute is an adjustment, and which way it goes says its sign
_MOVED = {
    "charge": Moved.PAYMENT,
    "payment": Moved.PAYMENT,
    "refund": Moved.REFUND,
    "payment_refund": Moved.REFUND,
    "refund_failure": Moved.REFUND_FAILED,
    "payment_failure_refund": Moved.REFUND_FAILED,
    "payout": Moved.PAYOUT,
    "payout_failure": Moved.PAYOUT_FAILED,
    "payout_cancel": Moved.PAYOUT_FAILED,
    "stripe_fee": Moved.FEE,
    "stripe_fx_fee": Moved.FEE,
    "tax_fee": Moved.FEE,
}
# by decline code first, then by error code
_REASONS = {
    "insufficient_funds": Reason.INSUFFICIENT_FUNDS,
    "expired_card": Reason.EXPIRED,
    "incorrect_cvc": Reason.WRONG_CODE,
    "invalid_cvc": Reason.WRONG_CODE,
    "lost_card": Reason.LOST_OR_STOLEN,
    "stolen_card": Reason.LOST_OR_STOLEN,
    "pickup_card": Reason.LOST_OR_STOLEN,
    "authentication_required": Reason.NEEDS_CONFIRMING,
    "authentication_not_handled": Reason.NEEDS_CONFIRMING,
    "payment_intent_authentication_failure": Reason.NOT_CONFIRMED,
    "account_closed": Reason.ACCOUNT_CLOSED,
    "no_account": Reason.ACCOUNT_CLOSED,
    "bank_account_unusable": Reason.ACCOUNT_CLOSED,
    "debit_not_authorized": Reason.DEBIT_REFUSED,
    "bank_account_restricted": Reason.DEBIT_REFUSED,
    "payment_intent_mandate_invalid": Reason.DEBIT_REFUSED,
    "amount_too_small": Reason.TOO_SMALL,
    "amount_too_large": Reason.TOO_LARGE,
    "payment_method_currency_mismatch": Reason.WRONG_CURRENCY,
    "processing_error": Reason.PROVIDER_TROUBLE,
    "try_again_later": Reason.PROVIDER_TROUBLE,
    "card_declined": Reason.DECLINED,
    "generic_decline": Reason.DECLINED,
    "do_not_honor": Reason.DECLINED,
    "expired_payment_method": Reason.EXPIRED,
    "payment_method_provider_decline": Reason.DECLINED,
    "resource_missing": Reason.METHOD_GONE,
    "payment_method_unexpected_state": Reason.METHOD_GONE,
}


def reason(code: str | None, decline_code: str | None) -> Reason:
    """Return our word for why it failed."""
    for one in (decline_code, code):
        if one in _REASONS:
            return _REASONS[one]
    return Reason.DECLINED if decline_code else Reason.OTHER


def instant(seconds: int) -> dt.datetime:
    """Return Stripe's seconds as an instant."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def ours(metadata: Any, name: str) -> UUID | None:  # noqa: ANN401 - a StripeObject or None
    """Return an id we once gave the object, or None when it is not of our making."""
    text = metadata.to_dict().get(name) if metadata else None
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def payment(
    intent: stripe.PaymentIntent,
    *,
    refunds: Iterable[stripe.Refund] = (),
    disputes: Iterable[stripe.Dispute] = (),
) -> RemotePayment:
    """Return a PaymentIntent, its charge expanded where there is one."""
    state = _STATES.get(intent.status, State.STARTED)
    error = intent.last_payment_error
    # a field that does not apply is not there at all, and asking for it would raise
    why = reason(getattr(error, "code", None), getattr(error, "decline_code", None)) if error else None
    if state is State.STARTED and error:
        state = State.FAILED
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    entry = charge.balance_transaction if charge else None
    fee = entry if isinstance(entry, stripe.BalanceTransaction) else None
    # an app asks in its own way, on the provider's page: there is nowhere of ours to lead to then
    action = getattr(intent.next_action, "redirect_to_url", None) if intent.next_action else None
    tenant, invoice, own = (ours(intent.metadata, name) for name in (TENANT, INVOICE, PAYMENT))
    return RemotePayment(
        remote_id=intent.id,
        tenant_id=TenantId(tenant) if tenant else None,
        invoice_id=InvoiceId(invoice) if invoice else None,
        payment_id=PaymentId(own) if own else None,
        state=state,
        amount_minor=intent.amount,
        currency=intent.currency.upper(),
        reason=None if state in {State.SUCCEEDED, State.PROCESSING, State.REQUIRES_ACTION} else why,
        next_url=(action.url or "") if action and state is State.REQUIRES_ACTION else "",
        receipt_url=(charge.receipt_url or "") if charge and charge.paid else "",
        succeeded_at=instant(charge.created) if charge and state is State.SUCCEEDED else None,
        fee_minor=fee.fee if fee else 0,
        fee_currency=fee.currency.upper() if fee else "",
        method=id_of(intent.payment_method),
        refunds=tuple(
            RemoteRefund(
                one.id,
                one.amount,
                one.currency.upper(),
                one.status in _CAME_BACK,
                instant(one.created),
                ours(one.metadata, REFUND),
            )
            for one in refunds
            if one.status != _NOT_BEGUN
        ),
        disputes=tuple(
            RemoteDispute(
                one.id,
                one.amount,
                one.currency.upper(),
                one.status == "won",
                one.status.startswith("warning") or one.status == "prevented",
                instant(one.created),
            )
            for one in disputes
        ),
    )


def movement(entry: stripe.BalanceTransaction) -> Movement:
    """Return a line of Stripe's books, its source expanded.

    Where it was settled in another currency, the amount is what was paid, in the currency it was paid in.
    """
    source: Any = entry.source if not isinstance(entry.source, str) else None
    said = source.to_dict() if source else {}
    moved = _MOVED.get(entry.type, Moved.OTHER)
    if said.get("object") == "dispute":
        moved = Moved.DISPUTE if entry.amount < 0 else Moved.DISPUTE_WON
    amount, currency = entry.amount, entry.currency
    if entry.exchange_rate and said.get("currency"):
        amount, currency = (1 if amount > 0 else -1) * int(said["amount"]), said["currency"]
    named = said.get("payment_intent") if moved is Moved.PAYMENT else None
    marks = getattr(source, "metadata", None) if source else None
    tenant, own = ours(marks, TENANT), ours(marks, PAYMENT)
    source_id = "" if moved is Moved.FEE else id_of(entry.source)
    return Movement(
        entry_id=entry.id,
        moved=moved,
        remote_id=str(named or source_id or entry.id),
        amount_minor=amount,
        fee_minor=entry.fee,
        currency=currency.upper(),
        at=instant(entry.created),
        tenant_id=TenantId(tenant) if tenant else None,
        payment_id=PaymentId(own) if own else None,
    )


def holds(balance: stripe.Balance) -> dict[str, int]:
    """Return what Stripe holds, available and pending together, by currency."""
    found: dict[str, int] = {}
    sums = [(one.currency.upper(), one.amount) for one in balance.available]
    sums += [(one.currency.upper(), one.amount) for one in balance.pending]
    for currency, minor in sums:
        found[currency] = found.get(currency, 0) + minor
    return found


def method(found: stripe.PaymentMethod) -> RemoteMethod:
    """Return a saved method."""
    if found.card:
        expires = f"{found.card.exp_month:02d}/{found.card.exp_year}"
        shown = Shown(found.card.display_brand or found.card.brand, found.card.last4, expires)
    else:
        detail = found.to_dict().get(found.type) or {}
        shown = Shown(str(detail.get("bank_name") or found.type), str(detail.get("last4") or ""))
    return RemoteMethod(found.id, found.type, shown)


def id_of(value: Any) -> str:  # noqa: ANN401 - an id or an expanded object
    """Return the id of what may be expanded; empty: there is nothing."""
    return value if isinstance(value, str) else str(value.id) if value else ""
