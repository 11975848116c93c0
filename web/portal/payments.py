"""Paying: saved ways to pay, paying an invoice, coming back from the provider's page, receipts.

Card data is typed on the provider's page and never touches ours. A request that speaks to the provider
holds no transaction meanwhile: its own is committed first, `wiring.collecting` opens others.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from flask import redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import invoices as billing
from billing import ledger
from billing.errors import PaymentMethodNotFoundError
from billing.payments import attempts, methods
from billing.payments.attempts import Payment
from billing.payments.port import State, Way
from core import ids
from core.errors import SeatlineError
from core.ids import InvoiceId, PaymentMethodId, TenantId
from core.money import Money
from web import identity, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import payments as shown
from wiring import collecting

T = TypeVar("T")
_SAID = frozenset({"refused", "conflict", "invalid", "unavailable", "not-found"})


@pages.get("/payment-methods")
@permission("invoices.read")
def payment_methods() -> str:
    """Show the company's saved ways to pay, and what it has on account."""
    services, who = scope.services(), identity.current()
    is_connected = services.payments.is_connected
    account = _outside(lambda: services.payments.account) or ""
    found = methods.every(scope.session(), tenant_id=who.tenant_id, account=account, vault=services.vault)
    on_account = ledger.on_account(scope.session(), tenant_id=who.tenant_id, currency=who.company.currency)
    return render_template(
        "portal/payment_methods.html",
        methods=[shown.method(one) for one in found],
        on_account=Money(on_account, who.company.currency) if on_account else None,
        is_connected=is_connected,
        may_pay="invoices.pay" in who.permissions,
    )


@pages.post("/payment-methods")
@permission("invoices.pay")
def add_payment_method() -> BaseResponse:
    """Lead to the provider's page, where a way to pay is saved."""
    who = identity.current()
    done = _abroad(url_for("portal.saved_payment_method"))
    way = Way(done, _abroad(url_for("portal.payment_methods")), who.language or "en")
    page = _outside(lambda: collecting.save_on_page(scope.services(), tenant_id=who.tenant_id, way=way))
    return redirect(page.url if page else url_for("portal.payment_methods"), 303)


@pages.get("/payment-methods/saved")
@permission("invoices.read")
def saved_payment_method() -> BaseResponse:
    """Come back from the provider's page: fetch what was saved there."""
    tenant_id = identity.current().tenant_id

    def refresh() -> bool:
        collecting.refresh_methods(scope.services(), tenant_id=tenant_id)
        return True

    if _outside(refresh):
        is_alone = len(ways_to_pay(tenant_id)) == 1
        said.done(
            gettext("Saved. Invoices are paid with it by themselves from now on.")
            if is_alone
            else gettext("Saved. It pays by itself once you choose it.")
        )
    return redirect(url_for("portal.payment_methods"), 303)


@pages.post("/payment-methods/<method_id>/default")
@permission("invoices.pay")
def default_payment_method(method_id: str) -> BaseResponse:
    """Pay with this one from now on."""
    methods.make_default(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        method_id=PaymentMethodId(ids.parse("pm", method_id)),
    )
    said.done(gettext("Invoices are paid with it from now on."))
    return redirect(url_for("portal.payment_methods"), 303)


@pages.post("/payment-methods/<method_id>/remove")
@permission("invoices.pay")
def remove_payment_method(method_id: str) -> BaseResponse:
    """Remove a saved way to pay, at the provider too."""
    tenant_id, method = identity.current().tenant_id, PaymentMethodId(ids.parse("pm", method_id))

    def remove() -> bool:
        collecting.remove_method(scope.services(), tenant_id=tenant_id, method_id=method)
        return True

    if _outside(remove):
        said.done(gettext("Removed. It is not charged any more."))
    return redirect(url_for("portal.payment_methods"), 303)


@pages.post("/invoices/<invoice_id>/pay")
@permission("invoices.pay")
def pay_invoice(invoice_id: str) -> BaseResponse:
    """Pay an invoice: with a saved way at once, or on the provider's page."""
    who, chosen = identity.current(), request.form.get("method", "")
    invoice = InvoiceId(ids.parse("inv", invoice_id))
    billing.find(scope.session(), tenant_id=who.tenant_id, invoice_id=invoice)  # another's is not found
    means, user = scope.services(), who.user_id
    home = url_for("portal.one_invoice", invoice_id=invoice_id)
    language = who.language or "en"

    def pay() -> collecting.Next:
        if chosen:
            return collecting.pay_with_saved(
                means,
                tenant_id=who.tenant_id,
                invoice_id=invoice,
                method_id=ids.parse("pm", chosen),
                by_user=user,
                return_to=_back,
            )
        return collecting.pay_on_page(
            means,
            tenant_id=who.tenant_id,
            invoice_id=invoice,
            by_user=user,
            way=lambda payment: Way(_back(payment), _back(payment), language),
        )

    gone_on = _outside(pay)
    if gone_on and gone_on.url:
        return redirect(gone_on.url, 303)
    if gone_on:
        _say(gone_on.payment)
    return redirect(home, 303)


@pages.get("/payments/<payment_id>/back")
@permission("invoices.read")
def back_from_page(payment_id: str) -> BaseResponse:
    """Come back from the provider's page or the bank's: ask how the payment stands, and say it.

    A page that is open still is closed: while it is open nobody can pay the invoice otherwise.
    """
    tenant_id, payment = identity.current().tenant_id, _find(payment_id)
    after = _outside(
        lambda: collecting.look_again(
            scope.services(),
            tenant_id=tenant_id,
            payment_id=payment.payment_id,
            source="return",
            leaves_page=True,
        )
    )
    if after:
        _say(after)
    return redirect(url_for("portal.one_invoice", invoice_id=ids.public("inv", payment.invoice_id)), 303)


@pages.get("/payments/<payment_id>/receipt")
@permission("invoices.read")
def receipt(payment_id: str) -> BaseResponse:
    """Lead to the provider's receipt."""
    payment = _find(payment_id)
    home = url_for("portal.one_invoice", invoice_id=ids.public("inv", payment.invoice_id))
    remote = None
    if payment.remote_id:
        remote = _outside(lambda: scope.services().payments.payment(payment.remote_id))
    return redirect(remote.receipt_url if remote and remote.receipt_url else home, 303)


def shown_of(found: Iterable[Payment]) -> list[shown.PaymentRow]:
    """Return attempts to collect an invoice as a list shows them, without those nobody went through with."""
    return [
        shown.payment(one, href=f"/portal/payments/{ids.public('pay', one.payment_id)}")
        for one in found
        if one.state is not State.CANCELLED and (one.state is not State.STARTED or one.reason)
    ]


def ways_to_pay(tenant_id: TenantId) -> list[shown.MethodRow]:
    """Return the saved ways to pay for the buttons beside an invoice; none when the provider is away."""
    services = scope.services()
    if not services.payments.is_connected:
        return []
    account = _outside(lambda: services.payments.account) or ""
    found = methods.every(scope.session(), tenant_id=tenant_id, account=account, vault=services.vault)
    return [shown.method(one) for one in found]


def _find(payment_id: str) -> Payment:
    return attempts.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        payment_id=ids.parse("pay", payment_id),
    )


def _outside(act: Callable[[], T]) -> T | None:
    """Speak to the provider with no transaction open; say what stood in the way."""
    scope.commit()
    try:
        return act()
    except PaymentMethodNotFoundError:
        raise
    except SeatlineError as error:
        if error.kind not in _SAID:
            raise
        said.why(error)
        return None


def _say(payment: Payment) -> None:
    why, _advice = shown.reason(payment.reason)
    if payment.state is State.SUCCEEDED:
        said.done(gettext("Paid. Thank you."))
    elif payment.state is State.PROCESSING:
        said.done(gettext("The payment is on its way; a direct debit takes some days."))
    elif why:
        said.refused(f"{why}.")  # what to do about it stands beside the invoice
    elif payment.state is State.CANCELLED:
        said.done(gettext("Nothing was paid."))


def _back(payment: Payment) -> str:
    public = ids.public("pay", payment.payment_id)
    return _abroad(url_for("portal.back_from_page", payment_id=public))


def _abroad(path: str) -> str:
    """Return a whole address of ours, for a page of somebody else's to lead back to."""
    return f"{scope.services().settings.public_url}{path}"
