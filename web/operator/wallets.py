"""Wallets of companies that pay beforehand: terms, what came by transfer, what goes back."""

from collections.abc import Callable

from flask import redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import wallets
from billing.errors import WalletAmountError
from billing.ledger import BANK
from core import clock, ids
from core.errors import SeatlineError
from core.ids import new_id
from tenants.companies import Company
from web import amounts, identity, said, words
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import wallets as shown
from web.shown.wallets import EntryRow, WalletShown

_PAGE = 50
_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})


@pages.get("/companies/<company_id>/wallet")
@permission("billing.read")
def company_wallet(company_id: str) -> str:
    """Show a company's wallet, or offer one."""
    company = rounds.one(company_id)

    def look(session: Session) -> tuple[WalletShown | None, list[EntryRow]]:
        found = wallets.find(session, tenant_id=company.tenant_id)
        entries = wallets.entries(session, tenant_id=company.tenant_id, limit=_PAGE)
        return (shown.wallet(found), shown.rows(entries, currency=found.currency)) if found else (None, [])

    wallet, entries = rounds.visit(company, look)
    return render_template(
        "operator/wallet.html",
        company_=company,
        home=f"/operator/companies/{company_id}",
        wallet=wallet,
        entries=entries,
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
            credit_minor=_minor(request.form.get("credit", "") or "0", company),
            low_minor=_minor(low, company) if low else None,
        )

    return _done(company, do, gettext("The terms are set; they hold from the next call on."))


@pages.post("/companies/<company_id>/wallet/move")
@permission("billing.write")
def move_wallet_money(company_id: str) -> BaseResponse:
    """Put money in that came by transfer, or give some back; a form sent twice moves it once."""
    company = rounds.one(company_id)
    key = f"transfer:{ids.parse('tup', request.form.get('key', ''))}"
    move = wallets.withdraw if request.form.get("way") == "back" else wallets.top_up

    def do(session: Session) -> None:
        minor = _minor(request.form.get("amount", ""), company)
        move(
            session,
            tenant_id=company.tenant_id,
            key=key,
            amount_minor=minor,
            source=BANK,
            at=clock.now(),
        )

    return _done(company, do, gettext("It is booked."))


def _minor(typed: str, company: Company) -> int:
    found = amounts.minor(typed, company.currency)
    if found is None:
        raise WalletAmountError
    return found


def _done(company: Company, do: Callable[[Session], None], done: str) -> BaseResponse:
    try:
        rounds.visit(company, do)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        known = words.problem(error.code, error.kind)
        said.refused(f"{known.title}. {known.advice}")
    else:
        said.done(done)
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}/wallet", 303)
