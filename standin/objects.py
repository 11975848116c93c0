"""New objects as Stripe makes them: the fields every one has, and those we are asked about."""

import secrets
from typing import Any

from standin.cards import Card
from standin.store import Object

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnopqrstuvwxyz23456789"
NOBODY: Object = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


def new_id(prefix: str) -> str:
    """Return an id as long as Stripe's."""
    return f"{prefix}_standin{''.join(secrets.choice(_ALPHABET) for _ in range(20))}"


def _base(name: str, prefix: str, now: int) -> Object:
    return {"id": new_id(prefix), "object": name, "created": now, "livemode": False}


def customer(now: int, asked: Object) -> Object:
    """Return a customer, which is Stripe's word for who pays."""
    return _base("customer", "cus", now) | {
        "description": asked.get("description"),
        "email": asked.get("email"),
        "name": asked.get("name"),
        "phone": asked.get("phone"),
        "balance": 0,
        "delinquent": False,
        "invoice_settings": {"default_payment_method": None, "custom_fields": None, "footer": None},
        "metadata": asked.get("metadata") or {},
        "preferred_locales": asked.get("preferred_locales") or [],
        "test_clock": asked.get("test_clock"),
    }


def card_method(now: int, card: Card, *, month: int, year: int) -> Object:
    """Return a saved card: all that is known of it."""
    details = {
        "brand": card.brand,
        "display_brand": card.brand,
        "country": "US",
        "exp_month": month,
        "exp_year": year,
        "fingerprint": None,
        "funding": "credit",
        "last4": card.last4,
    }
    return _method("card", now) | {"card": details}


def bank_method(now: int, kind: str, *, last4: str, routing: str) -> Object:
    """Return a saved bank account."""
    detail: Object = {"last4": last4, "fingerprint": None}
    if kind == "bacs_debit":
        detail["sort_code"] = routing
    else:
        detail |= {"routing_number": routing, "bank_name": "STRIPE TEST BANK", "account_type": "checking"}
    return _method(kind, now) | {kind: detail}


def app_method(now: int, kind: str) -> Object:
    """Return the method of who pays in an app; nothing is known of them."""
    return _method(kind, now) | {kind: {}}


def _method(kind: str, now: int) -> Object:
    more = {"type": kind, "billing_details": dict(NOBODY), "customer": None, "metadata": {}}
    return _base("payment_method", "pm", now) | more | {"allow_redisplay": "unspecified"}


def setup_intent(now: int, asked: Object) -> Object:
    """Return the intention to save a method."""
    made = _base("setup_intent", "seti", now) | {
        "cancellation_reason": None,
        "client_secret": None,
        "customer": asked.get("customer"),
        "description": asked.get("description"),
        "last_setup_error": None,
        "metadata": asked.get("metadata") or {},
        "next_action": None,
        "payment_method": asked.get("payment_method"),
        "payment_method_types": asked.get("types") or ["card"],
        "status": "requires_confirmation" if asked.get("payment_method") else "requires_payment_method",
        "usage": asked.get("usage") or "off_session",
    }
    return made | {"client_secret": f"{made['id']}_secret_{secrets.token_urlsafe(12)}"}


def payment_intent(now: int, asked: Object) -> Object:
    """Return the intention to collect an amount."""
    made = _base("payment_intent", "pi", now) | {
        "amount": asked["amount"],
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "currency": asked["currency"],
        "customer": asked.get("customer"),
        "description": asked.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "metadata": asked.get("metadata") or {},
        "next_action": None,
        "payment_method": asked.get("payment_method"),
        "payment_method_types": asked.get("types") or ["card"],
        "receipt_email": None,
        "setup_future_usage": asked.get("setup_future_usage"),
        "status": "requires_confirmation" if asked.get("payment_method") else "requires_payment_method",
    }
    return made | {"client_secret": f"{made['id']}_secret_{secrets.token_urlsafe(12)}"}


def charge(now: int, intent: Object, *, method: Object, status: str, receipt_url: str) -> Object:
    """Return one attempt to move the money of an intent."""
    is_paid = status != "failed"
    return _base("charge", "ch", now) | {
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if status == "succeeded" else 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "captured": is_paid,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "metadata": intent["metadata"],
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "receipt_url": receipt_url if is_paid else None,
        "refunded": False,
        "status": status,
    }


def balance_transaction(
    now: int, source: Object, *, amount: int, fee: int, kind: str, currency: str
) -> Object:
    """Return what a charge, refund or dispute does to the balance."""
    part = {"amount": fee, "application": None, "currency": currency, "description": "Processing fee"}
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + 2 * 86400,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [part | {"type": "stripe_fee"}] if fee else [],
        "net": amount - fee,
        "reporting_category": {"adjustment": "dispute"}.get(kind, kind),
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }


def balance(available: dict[str, int], pending: dict[str, int]) -> Object:
    """Return what is held, some of it still on its way into what can be paid out."""

    def parts(sums: dict[str, int]) -> list[Object]:
        return [
            {"amount": minor, "currency": currency, "source_types": {"card": minor}}
            for currency, minor in sorted(sums.items())
        ]

    return {
        "object": "balance",
        "available": parts(available),
        "livemode": False,
        "pending": parts(pending),
    }


def refund(now: int, paid: Object, *, amount: int, asked: Object, status: str) -> Object:
    """Return money on its way back."""
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": paid["id"],
        "created": now,
        "currency": paid["currency"],
        "metadata": asked.get("metadata") or {},
        "payment_intent": paid["payment_intent"],
        "reason": asked.get("reason"),
        "receipt_number": None,
        "status": status,
    }


def payout(now: int, *, amount: int, currency: str) -> Object:
    """Return money sent to the bank."""
    return _base("payout", "po", now) | {
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": now,
        "automatic": True,
        "balance_transaction": None,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "paid",
        "trace_id": None,
        "type": "bank_account",
    }


def dispute(now: int, paid: Object) -> Object:
    """Return a payment its holder has taken back."""
    return _base("dispute", "du", now) | {
        "amount": paid["amount"],
        "balance_transactions": [],
        "charge": paid["id"],
        "currency": paid["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "metadata": {},
        "payment_intent": paid["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def session(now: int, asked: Object, *, types: list[str], total: int | None, base: str) -> Object:
    """Return a hosted page for one visit."""
    made = _base("checkout.session", "cs_test", now)
    return made | {
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": asked.get("cancel_url"),
        "client_reference_id": asked.get("client_reference_id"),
        "currency": asked.get("currency"),
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": asked.get("customer"),
        "expires_at": asked.get("expires_at") or now + 24 * 3600,
        "locale": asked.get("locale"),
        "metadata": asked.get("metadata") or {},
        "mode": asked["mode"],
        "payment_intent": None,
        "payment_method_types": types,
        "payment_status": "no_payment_required" if asked["mode"] == "setup" else "unpaid",
        "setup_intent": None,
        "shipping_options": [],
        "status": "open",
        "success_url": asked.get("success_url"),
        "url": f"{base}/pay/{made['id']}",
    }


def event(now: int, kind: str, about: Object, *, version: str, request: Object) -> Object:
    """Return the news that something has happened to an object."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": version,
        "created": now,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 0,
        "request": request,
        "type": kind,
    }


def webhook_endpoint(now: int, asked: Object) -> Object:
    """Return an address that wants news."""
    return _base("webhook_endpoint", "we", now) | {
        "api_version": asked.get("api_version"),
        "application": None,
        "description": asked.get("description"),
        "enabled_events": asked["enabled_events"],
        "metadata": asked.get("metadata") or {},
        "status": "enabled",
        "url": asked["url"],
    }


def test_clock(now: int, asked: Object) -> Object:
    """Return a clock that only moves when it is told to."""
    return _base("test_helpers.test_clock", "clock", now) | {
        "deletes_after": now + 30 * 86400,
        "frozen_time": asked["frozen_time"],
        "name": asked.get("name"),
        "status": "ready",
        "status_details": {},
    }


def account() -> Object:
    """Return the account all of this belongs to."""
    return {
        "id": "acct_standin00000001",
        "object": "account",
        "business_type": "company",
        "charges_enabled": True,
        "country": "GB",
        "default_currency": "gbp",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": False,
        "type": "standard",
    }


def page_of(found: list[Object], *, url: str, has_more: bool) -> dict[str, Any]:
    """Return a list as the API gives it."""
    return {"object": "list", "data": found, "has_more": has_more, "url": url}


def invoice(now: int, asked: Object) -> Object:
    """Return a draft without lines."""
    due = asked.get("due_date")
    if due is None and "days_until_due" in asked:
        due = now + asked["days_until_due"] * 86400
    amounts = (
        "amount_due",
        "amount_overpaid",
        "amount_paid",
        "amount_remaining",
        "amount_shipping",
        "attempt_count",
        "post_payment_credit_notes_amount",
        "pre_payment_credit_notes_amount",
        "starting_balance",
        "subtotal",
        "subtotal_excluding_tax",
        "total",
        "total_excluding_tax",
    )
    return _base("invoice", "in", now) | {
        **dict.fromkeys(amounts, 0),
        "attempted": False,
        "auto_advance": asked.get("auto_advance", False),
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": now + 3600 if asked.get("auto_advance") else None,
        "billing_reason": "manual",
        "collection_method": asked.get("collection_method") or "charge_automatically",
        "currency": asked.get("currency") or "gbp",
        "customer": asked["customer"],
        "default_tax_rates": [],
        "description": asked.get("description"),
        "discounts": [],
        "due_date": due,
        "effective_at": asked.get("effective_at"),
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "metadata": asked.get("metadata") or {},
        "number": asked.get("number"),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "total_discount_amounts": [],
        "total_taxes": [],
    }


def invoice_line(found: Object, asked: Object) -> Object:
    """Return a line of an invoice."""
    made = {
        "id": new_id("il"),
        "object": "line_item",
        "livemode": False,
        "amount": asked["amount"],
        "currency": found["currency"],
        "description": asked.get("description"),
        "discount_amounts": [],
        "discountable": asked.get("discountable", True),
        "discounts": [],
        "invoice": found["id"],
        "metadata": asked.get("metadata") or {},
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": new_id("ii"),
                "proration": False,
                "proration_details": None,
                "subscription": None,
            },
            "subscription_item_details": None,
        },
        "period": asked.get("period") or {"start": found["period_start"], "end": found["period_end"]},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "subtotal": asked["amount"],
    }
    return made | {"taxes": [_tax(one) for one in asked.get("tax_amounts") or []]}


def _tax(asked: Object) -> Object:
    rate = asked["tax_rate_data"]
    name = f"{rate['display_name']}{rate['percentage']}{rate['inclusive']}"
    return {
        "amount": asked["amount"],
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": f"txr_standin{''.join(filter(str.isalnum, name))}"},
        "taxability_reason": asked.get("taxability_reason") or "standard_rated",
        "taxable_amount": asked["taxable_amount"],
        "type": "tax_rate_details",
    }


def total_taxes(lines: list[Object], *, extra: int) -> list[Object]:
    """Return the taxes of all lines, one a rate; `extra` is added to the first of them."""
    sums: dict[str, Object] = {}
    for line in lines:
        for one in line["taxes"]:
            rate = one["tax_rate_details"]["tax_rate"]
            so_far = sums.get(rate) or one | {"amount": 0, "taxable_amount": 0}
            sums[rate] = so_far | {name: so_far[name] + one[name] for name in ("amount", "taxable_amount")}
    found = list(sums.values())
    if found:
        found[0] = found[0] | {"amount": found[0]["amount"] + extra}
    return found


def invoice_payment(now: int, found: Object, intent: Object, *, is_default: bool) -> Object:
    """Return what a payment is to, or does, take off an invoice."""
    return _base("invoice_payment", "inpay", now) | {
        "amount_paid": None,
        "amount_requested": min(intent["amount"], found["amount_remaining"]),
        "currency": found["currency"],
        "invoice": found["id"],
        "is_default": is_default,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def credit_note(now: int, found: Object, asked: Object, *, first: int) -> Object:
    """Return what an invoice is lessened by; `first` of it was not paid yet."""
    made = _base("credit_note", "cn", now)
    amount, url = asked["amount"], f"/v1/credit_notes/{made['id']}/lines"
    line = {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "livemode": False,
        "amount": amount,
        "description": asked.get("memo"),
        "discount_amount": 0,
        "discount_amounts": [],
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": amount,
    }
    return made | {
        "amount": amount,
        "amount_shipping": 0,
        "currency": found["currency"],
        "customer": found["customer"],
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice": found["id"],
        "lines": page_of([line], url=url, has_more=False),
        "memo": asked.get("memo"),
        "metadata": asked.get("metadata") or {},
        "number": f"{found['number']}-CN-{made['id'][-4:].upper()}",
        "out_of_band_amount": asked.get("out_of_band_amount"),
        "pdf": f"https://pay.stripe.com/credit_notes/{made['id']}/pdf",
        "post_payment_amount": amount - first,
        "pre_payment_amount": first,
        "pretax_credit_amounts": [],
        "reason": asked.get("reason"),
        "refunds": [],
        "status": "issued",
        "subtotal": amount,
        "total": amount,
        "type": "pre_payment" if first == amount else "post_payment" if not first else "mixed",
    }
