"""Wallets of companies that pay beforehand: terms, what came by transfer, top-ups, what goes back."""

from collections.abc import Callable
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import ledger, safety, wallets
from billing.ledger import BANK
from billing.payments import refunds, top_ups
from billing.payments.port import State
from billing.payments.refunds import Refund, Standing
from core import clock, ids
from core.errors import SeatlineError
from core.ids import new_id
from core.money import Money, exponent
from tenants.companies import Company
from web import amounts, identity, said, scope
from web.guards import permission
from web.operator import payments, rounds
from web.operator.views import pages
from web.shown import payments as shown_payments
from web.shown import wallets as shown
from web.shown.wallets import EntryRow, TopUpRow, WalletShown
from wiring import refunding

_PAGE = 50
_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})


@pages.get("/companies/<company_id>/wallet")
@permission("billing.read")
def company_wallet(company_id: str) -> str:
    """Show a company's wallet, or offer one."""
    company, waiting = rounds.one(company_id), list[shown_payments.RefundShown]()
    alone = safety.usual(scope.session()).limit(identity.current().principal_id)

    def look(session: Session) -> tuple[WalletShown | None, list[EntryRow], list[TopUpRow]]:
        found = wallets.find(session, tenant_id=company.tenant_id)
        if found is None:
            return None, [], []
        entries = wallets.entries(session, tenant_id=company.tenant_id, limit=_PAGE)
        tried = top_ups.every(session, tenant_id=company.tenant_id, limit=_PAGE)
        rows = shown.rows(entries, currency=found.currency)
        rents = wallets.rents(session, tenant_id=company.tenant_id)
        waiting.extend(
            shown_payments.refund(one)
            for one in refunds.every(session, tenant_id=company.tenant_id, standings=(Standing.WAITING,))
            if one.is_transfer
        )
        return shown.wallet(found, rents), rows, [shown.top_up(one) for one in tried]

    wallet, entries, tried = rounds.visit(company, look)
    return render_template(
        "operator/wallet.html",
        company_=company,
        home=f"/operator/companies/{company_id}",
        wallet=wallet,
        entries=entries,
        top_ups=tried,
        waiting=waiting,
        above=Money(alone * 10 ** exponent(company.currency), company.currency),
        key=ids.public("tup", new_id()),
        may_write="billing.write" in identity.current().permissions,
    )


@pages.post("/companies/<company_id>/wallet/terms")
@permission("billing.write")
def set_wallet_terms(company_id: str) -> BaseResponse:
    """Let a company pay beforehand, or change its credit and when it is told that little is left."""
    company = rounds.one(company_id)
    low = request.form.get("low", "").strip()

    def do(session: Session) -> None:
        wallets.open_wallet(
            session,
            tenant_id=company.tenant_id,
            credit_minor=amounts.insist(request.form.get("credit", "") or "0", company.currency),
            low_minor=amounts.insist(low, company.currency) if low else None,
        )

    return _done(company, do, gettext("The terms are set; they hold from the next call on."))


@pages.post("/companies/<company_id>/wallet/move")
@permission("billing.write")
def move_wallet_money(company_id: str) -> BaseResponse:
    """Put money in that came by transfer, or give some back; a form sent twice moves it once."""
    company, form = rounds.one(company_id), ids.parse("tup", request.form.get("key", ""))
    if request.form.get("way") == "back":
        return _send_back(company, form)

    def do(session: Session) -> None:
        wallets.top_up(
            session,
            tenant_id=company.tenant_id,
            key=f"transfer:{form}",
            amount_minor=amounts.insist(request.form.get("amount", ""), company.currency),
            source=BANK,
            at=clock.now(),
        )

    return _done(company, do, gettext("It is booked."))


def _send_back(company: Company, form: UUID) -> BaseResponse:
    """Give money back by transfer, or have a second person decide about it."""
    by, rules = identity.current().principal_id, safety.usual(scope.session())
    made: list[Refund] = []

    def do(session: Session) -> None:
        made.append(
            refunds.ask_transfer(
                session,
                tenant_id=company.tenant_id,
                refund_id=form,
                amount_minor=amounts.insist(request.form.get("amount", ""), company.currency),
                reason=request.form.get("reason", ""),
                by=by,
                safety=rules,
            )
        )

    try:
        rounds.visit(company, do)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        payments.say(made[-1])
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}/wallet", 303)


@pages.get("/companies/<company_id>/wallet/top-ups/<top_up_id>")
@permission("billing.read")
def one_top_up(company_id: str, top_up_id: str) -> str:
    """Show one top-up: how it stands, what the ledger has of it, what was given back."""
    company, wanted = rounds.one(company_id), ids.parse("top", top_up_id)
    alone = safety.usual(scope.session()).limit(identity.current().principal_id)
    is_connected = scope.services().payments.is_connected

    def look(session: Session) -> dict[str, object]:
        tenant_id = company.tenant_id
        found = top_ups.find(session, tenant_id=tenant_id, top_up_id=wanted)
        left = refunds.left_of_top_up(session, tenant_id=tenant_id, top_up_id=wanted)
        there = min(left, refunds.in_wallet(session, tenant_id=tenant_id))
        moved = ledger.of_payment(session, tenant_id=tenant_id, payment_id=wanted)
        backs = refunds.every(session, tenant_id=tenant_id, top_up_id=wanted)
        return {
            "top_up": shown.top_up(found),
            "remote_id": found.remote_id,
            "left": Money(left, found.currency),
            "there": Money(there, found.currency),
            "above": Money(alone * 10 ** exponent(found.currency), found.currency),
            "journals": [payments.journal(one) for one in moved],
            "refunds": [shown_payments.refund(one) for one in backs],
            "is_paid": found.state is State.SUCCEEDED,
            "can_refund": is_connected and found.state is State.SUCCEEDED and there > 0,
        }

    return render_template(
        "operator/top_up.html",
        company_=company,
        home=f"/operator/companies/{company_id}/wallet",
        base=f"/operator/companies/{company_id}/wallet/top-ups/{top_up_id}",
        refund_id=ids.public("ref", new_id()),
        **rounds.visit(company, look),
    )


@pages.post("/companies/<company_id>/wallet/top-ups/<top_up_id>/refund")
@permission("billing.write")
def refund_top_up(company_id: str, top_up_id: str) -> BaseResponse:
    """Give money of a top-up back the way it came, or have a second person decide about it."""
    company, wanted = rounds.one(company_id), ids.parse("top", top_up_id)
    by, form = identity.current().principal_id, ids.parse("ref", request.form.get("refund", ""))
    scope.commit()
    try:
        made = refunding.ask(
            scope.services(),
            tenant_id=company.tenant_id,
            top_up_id=wanted,
            refund_id=form,
            amount_minor=amounts.insist(request.form.get("amount", ""), company.currency),
            reason=request.form.get("reason", ""),
            by=by,
        )
    except SeatlineError as error:
        payments.refuse(error)
    else:
        payments.say(made)
    return redirect(f"/operator/companies/{company_id}/wallet/top-ups/{top_up_id}", 303)


def _done(company: Company, do: Callable[[Session], None], done: str) -> BaseResponse:
    try:
        rounds.visit(company, do)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(done)
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}/wallet", 303)
