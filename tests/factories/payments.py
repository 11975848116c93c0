"""The stand-in for Stripe in a test, what a person does on its pages, and a company that owes something."""

import http.client
import urllib.parse
from dataclasses import dataclass
from typing import Any

import stripe

from billing import invoices, ledger, periods, usage
from billing.documents.document import InvoiceDocument
from billing.payments.port import Provider
from billing.payments.stripe import StripeProvider
from core import ids
from core.ids import TenantId
from security.gate import Gate, Scope
from security.vault import Vault
from standin.server import Server
from tests.billing import stock

KEY, SECRET = "sk_test_standin_0000", "whsec_standin_0000"
PAID, DECLINED, SHORT, EXPIRED, WRONG_CODE = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000000000000069",
    "4000000000000127",
)
FAILS_LATER, ASKS_ALWAYS, ASKS_ONCE, DISPUTED = (
    "4000000000000341",
    "4000000000003220",
    "4000002500003155",
    "4000000000000259",
)
REFUNDS_LATER, REFUND_FAILS = "4000000000007726", "4000000000005126"


@dataclass(frozen=True)
class Means:
    """What collecting needs of a process."""

    gate: Gate
    vault: Vault
    payments: Provider


def provider(standin: Server, *, keeps_copies: bool = False) -> StripeProvider:
    return StripeProvider(key=KEY, webhook_secret=SECRET, base_url=standin.base, keeps_copies=keeps_copies)


def client(standin: Server, *, key: str = KEY) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": standin.base}, max_network_retries=0)


@dataclass(frozen=True)
class Seen:
    """What a browser was answered."""

    status: int
    location: str
    text: str


def visit(url: str, form: dict[str, str] | None = None) -> Seen:
    """Open a page of the stand-in, or send a form to it."""
    parts = urllib.parse.urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(form) if form is not None else None
        line.request("POST" if form is not None else "GET", path, body, headers if body else {})
        answer = line.getresponse()
        return Seen(answer.status, answer.getheader("Location", ""), answer.read().decode())
    finally:
        line.close()


def card(number: str, **more: str) -> dict[str, str]:
    """What is typed on the stand-in's page."""
    return {"number": number, "expiry": "12/34", "cvc": "123", "name": "A Payer", **more}


def saved(standin: Server, payer: str, number: str = PAID) -> str:
    """Save a card for a payer as a person would, and return the provider's name for it."""
    api = client(standin)
    page = api.v1.checkout.sessions.create(
        {"mode": "setup", "customer": payer, "currency": "gbp", "success_url": "http://127.0.0.1/done"}
    )
    seen = visit(str(page.url), card(number))
    if "/authenticate/" in seen.location:
        seen = visit(visit(seen.location, {"outcome": "complete"}).location)
    assert seen.status == 303, seen.text
    return api.v1.customers.payment_methods.list(payer).data[0].id


def owing(
    gate: Gate,
    tenant_id: TenantId,
    *,
    minutes: int = 2000,
    month: int = 10,
    is_booked: bool = True,
    **changes: Any,
) -> InvoiceDocument:
    """A company with a finalised and posted invoice: 2000 minutes at 0.0725 are £145.00, with tax £174.00."""
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, **changes)
    return another(gate, tenant_id, minutes=minutes, month=month, is_booked=is_booked)


def another(
    gate: Gate, tenant_id: TenantId, *, minutes: int = 2000, month: int = 10, is_booked: bool = True
) -> InvoiceDocument:
    """One more finalised and posted invoice of a company."""
    with gate.open(Scope.system(tenant_id)) as session:
        at = stock.NOON.replace(month=month)
        usage.record(
            session, tenant_id=tenant_id, usage=stock.usage(f"call_{month}", seconds=60 * minutes, at=at)
        )
        period = periods.month(2026, month, zone="Europe/London")
        made = invoices.draft(session, tenant_id=tenant_id, period=period)
        done = invoices.finalise(session, tenant_id=tenant_id, invoice_id=made.invoice_id)
        if is_booked:
            ledger.post_invoice(session, tenant_id=tenant_id, invoice=done)
        return done


def path_of(invoice: InvoiceDocument) -> str:
    return f"/portal/invoices/{ids.public('inv', invoice.invoice_id)}"
