"""The wallet of a company that pays beforehand: what is left, every movement, topping it up by card.

Card data is typed on the provider's page. A request that speaks to the provider holds no transaction.
"""

from collections.abc import Callable
from typing import TypeVar

from flask import redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import wallets
from billing.errors import PaymentMethodNotFoundError, WalletAmountError, WalletNotFoundError
from billing.payments import top_ups
from billing.payments.port import State, Way
from billing.payments.top_ups import TopUp
from core import ids
from core.errors import SeatlineError
from core.ids import new_id
from web import amounts, identity, said, scope
from web.amounts import AmountTypedError
from web.guards import permission
from web.portal import payments
from web.portal.views import pages
from web.shown import payments as paying
from web.shown import wallets as shown
from wiring import topping_up

T = TypeVar("T")
_PAGE = 50
_SHOWN = 10
_SAID = frozenset({"refused", "conflict", "invalid", "unavailable", "not-found"})


@pages.get("/wallet")
@permission("invoices.read")
def wallet() -> str:
    """Show the wallet, or that the company pays by invoice."""
    who, session = identity.current(), scope.session()
    tenant_id = who.tenant_id
    found = wallets.find(session, tenant_id=tenant_id)
    before = request.args.get("before", "")
    entries = wallets.entries(
        session, tenant_id=tenant_id, before=ids.parse("wen", before) if before else None, limit=_PAGE + 1
    )
    rows = shown.rows(entries[:_PAGE], currency=found.currency) if found else []
    automatic = wallets.automatic(session, tenant_id=tenant_id)
    tried = top_ups.every(session, tenant_id=tenant_id, limit=_SHOWN)
    may_pay = "invoices.pay" in who.permissions
    return render_template(
        "portal/wallet.html",
        wallet=shown.wallet(found, wallets.rents(session, tenant_id=tenant_id)) if found else None,
        currency=found.currency if found else "",
        automatic=shown.automatic(automatic) if automatic else None,
        top_ups=[shown.top_up(one) for one in tried],
        methods=payments.ways_to_pay(tenant_id) if found and may_pay else [],
        key=ids.public("top", new_id()),
        is_connected=scope.services().payments.is_connected,
        may_pay=may_pay,
        entries=rows,
        newer="/portal/wallet" if before else None,
        older=f"/portal/wallet?before={rows[-1].id}" if len(entries) > _PAGE else None,
    )


@pages.post("/wallet/top-ups")
@permission("invoices.pay")
def top_up_wallet() -> BaseResponse:
    """Put money in: with a saved way at once, or on the provider's page. A form sent twice pays once."""
    who, means, form = identity.current(), scope.services(), request.form
    tenant_id, user_id, language = who.tenant_id, who.user_id, who.language or "en"
    key, chosen = ids.parse("top", form.get("key", "")), form.get("method", "")

    def begin() -> topping_up.Next:
        minor = amounts.insist(form.get("amount", ""), who.company.currency)
        if chosen:
            return topping_up.with_saved(
                means,
                tenant_id=tenant_id,
                top_up_id=key,
                amount_minor=minor,
                method_id=ids.parse("pm", chosen),
                by_user=user_id,
                return_to=_back,
            )
        return topping_up.on_page(
            means,
            tenant_id=tenant_id,
            top_up_id=key,
            amount_minor=minor,
            by_user=user_id,
            way=lambda top_up: Way(_back(top_up), _back(top_up), language),
        )

    gone_on = _outside(begin)
    if gone_on and gone_on.url:
        return redirect(gone_on.url, 303)
    if gone_on:
        _say(gone_on.top_up)
    return redirect(url_for("portal.wallet"), 303)


@pages.get("/wallet/top-ups/<top_up_id>/back")
@permission("invoices.read")
def back_from_top_up(top_up_id: str) -> BaseResponse:
    """Come back from the provider's page or the bank's: ask how the top-up stands, and say it."""
    tenant_id, found = identity.current().tenant_id, _find(top_up_id)
    after = _outside(
        lambda: topping_up.look_again(
            scope.services(), tenant_id=tenant_id, top_up_id=found.top_up_id, leaves_page=True
        )
    )
    if after:
        _say(after)
    return redirect(url_for("portal.wallet"), 303)


@pages.get("/wallet/top-ups/<top_up_id>/receipt")
@permission("invoices.read")
def top_up_receipt(top_up_id: str) -> BaseResponse:
    """Lead to the provider's receipt."""
    found = _find(top_up_id)
    remote = _outside(lambda: scope.services().payments.payment(found.remote_id)) if found.remote_id else None
    url = remote.receipt_url if remote and remote.receipt_url else url_for("portal.wallet")
    return redirect(url, 303)


@pages.post("/wallet/automatic")
@permission("invoices.pay")
def set_automatic_top_up() -> BaseResponse:
    """Let the wallet top itself up when little is left, or no more."""
    who, form = identity.current(), request.form
    currency = who.company.currency
    try:
        is_on = form.get("act") != "off"
        wallets.set_automatic(
            scope.session(),
            tenant_id=who.tenant_id,
            below_minor=amounts.insist(form.get("below", ""), currency) if is_on else None,
            amount_minor=amounts.insist(form.get("amount", ""), currency) if is_on else 0,
            cap_minor=amounts.insist(form.get("cap", ""), currency) if is_on else 0,
        )
    except (AmountTypedError, WalletAmountError, WalletNotFoundError) as error:
        scope.rollback()
        _refuse(error)
    else:
        on, off = gettext("It tops itself up from now on."), gettext("It does not top itself up any more.")
        said.done(on if is_on else off)
    return redirect(url_for("portal.wallet"), 303)


def _find(top_up_id: str) -> TopUp:
    return top_ups.find(
        scope.session(), tenant_id=identity.current().tenant_id, top_up_id=ids.parse("top", top_up_id)
    )


def _outside(act: Callable[[], T]) -> T | None:
    """Speak to the provider with no transaction open; say what stood in the way."""
    scope.commit()
    try:
        return act()
    except PaymentMethodNotFoundError:
        raise
    except SeatlineError as error:
        _refuse(error)
        return None


def _refuse(error: SeatlineError) -> None:
    if error.kind not in _SAID:
        raise error
    said.why(error)


def _say(found: TopUp) -> None:
    why, advice = paying.reason(found.reason)
    if found.state is State.SUCCEEDED:
        said.done(gettext("Topped up. Thank you."))
    elif found.state is State.PROCESSING:
        said.done(gettext("The payment is on its way; a direct debit takes some days."))
    elif why:
        said.refused(f"{why}. {advice}")
    elif found.state is State.CANCELLED:
        said.done(gettext("Nothing was paid."))


def _back(found: TopUp) -> str:
    path = url_for("portal.back_from_top_up", top_up_id=ids.public("top", found.top_up_id))
    return f"{scope.services().settings.public_url}{path}"
