"""Invoices of all companies: one month at a time, drafted, looked at, finalised."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Response, flash, redirect, render_template, request
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, periods
from billing import invoices as billing
from billing.documents.document import InvoiceDocument
from billing.errors import BillingAccountNotFoundError, PeriodClosedError
from billing.payments import attempts
from billing.payments.attempts import Payment
from billing.payments.standing import Standing
from billing.periods import Period
from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR
from core.money import Money
from tenants import companies
from tenants.companies import Company
from web import scope, tables, words
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import downloads, invoices
from web.shown import payments as shown
from web.shown.invoices import InvoiceRow
from wiring import rentals

_MONTHS = 13
_STATES = (
    "draft",
    "open",
    "processing",
    "requires-action",
    "failed",
    "overdue",
    "paid",
    "refunded",
)
_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@dataclass(frozen=True, slots=True)
class Share:
    """How many invoices stand in one state, and what they come to in one currency."""

    state: str
    count: int
    total: Money


@dataclass(frozen=True, slots=True)
class _Paid:
    """How an invoice stands, and what was tried to collect it."""

    stands: Standing | None
    tried: tuple[Payment, ...]
    came_back_minor: int
    at: dt.datetime | None
    obstacles: list[invoices.Obstacle]


@dataclass(frozen=True, slots=True)
class Open:
    """A company whose month cannot be closed yet."""

    company: str
    href: str
    obstacles: list[invoices.Obstacle]


@pages.get("/invoices")
@permission("billing.read")
def invoice_list() -> str:
    """Show the invoices of one month, of the companies on this page."""
    month = _month(request.args.get("month", ""))
    state = request.args.get("state", "")
    page = rounds.page()

    def look(session: Session, company: Company) -> tuple[list[InvoiceRow], list[Open]]:
        base = _base(company)
        found = billing.every(session, tenant_id=company.tenant_id)
        stands = attempts.standings(session, tenant_id=company.tenant_id, these=found, zone=company.zone)
        listed = [
            invoices.listed(
                one, zone=company.zone, base=base, company=company.name, standing=stands.get(one.invoice_id)
            )
            for one in found
        ]
        papers = [one for one in zip(found, listed, strict=True) if _is_of(one[1], month)]
        waits = [
            Open(company.name, row.href, obstacles)
            for one, row in papers
            if one.number is None and (obstacles := _obstacles(session, company, one.period))
        ]
        return [row for _one, row in papers], waits

    seen = rounds.go(page.companies, look)
    rows = [row for _company, (found, _waits) in seen for row in found]
    asked = {"month": f"{month:%Y-%m}", "state": state}
    return render_template(
        "operator/invoices.html",
        invoices=[row for row in rows if not state or row.state == state],
        state=state,
        summary=_summary(rows),
        period={"first_on": month},
        month_value=asked["month"],
        months=_months(),
        open_months=[one for _company, (_found, waits) in seen for one in waits],
        without=[company.name for company, (found, _waits) in seen if not found],
        companies=page.total,
        newer=_link(page.newer, asked),
        older=_link(page.older, asked),
    )


@pages.post("/invoices/draft")
@permission("billing.write")
def make_drafts() -> BaseResponse:
    """Make the drafts of a month for every company that has none yet, or one company's draft anew."""
    month = _month(request.form.get("month", ""))
    only = request.form.get("company", "")
    wanted = [rounds.one(only)] if only else list(rounds.clients())
    made, left = 0, 0
    for company in wanted:
        if made >= rounds.MOST:
            left += 1
            continue
        made += _draft(company, month, anew=bool(only))
    if only and made:
        flash(gettext("The draft is made."), "ok")
    elif only:
        flash(gettext("No draft: the company has no billing account, or the month is closed."), "bad")
    else:
        flash(ngettext("%(num)s draft made.", "%(num)s drafts made.", made), "ok")
    if left:
        flash(gettext("More companies wait: press again."), "ok")
    where = f"/operator/companies/{only}" if only else f"/operator/invoices?month={month:%Y-%m}"
    return redirect(where, 303)


@pages.get("/companies/<company_id>/invoices/<invoice_id>")
@permission("billing.read")
def one_invoice(company_id: str, invoice_id: str) -> str:
    """Show one invoice of a company."""
    company, document = _find(company_id, invoice_id)
    tenant_id = company.tenant_id

    def look(session: Session) -> _Paid:
        back = attempts.came_back(session, tenant_id=tenant_id)
        tried = attempts.of_invoice(session, tenant_id=tenant_id, invoice_id=document.invoice_id)
        return _Paid(
            attempts.standing_of(session, tenant_id=tenant_id, invoice=document),
            tried,
            sum(back.get(one.payment_id, 0) for one in tried),
            attempts.paid_at(session, tenant_id=tenant_id, invoice_id=document.invoice_id),
            _obstacles(session, company, document.period) if document.number is None else [],
        )

    paid = rounds.visit(company, look)
    return render_template(
        "operator/invoice.html",
        invoice=invoices.paper(
            document,
            standing=paid.stands,
            lines_url=f"/operator/usage?company={company_id}&id={invoice_id}&line=",
        ),
        stand=shown.stand(paid.stands, currency=document.bill.currency, came_back_minor=paid.came_back_minor),
        payments=[
            shown.payment(
                one, href=f"/operator/companies/{company_id}/payments/{ids.public('pay', one.payment_id)}"
            )
            for one in paid.tried
        ],
        company_=company,
        company_url=f"/operator/companies/{company_id}",
        base=f"{_base(company)}/{invoice_id}",
        is_over=clock.now() >= document.period.end,
        month_value=f"{invoices.paper(document).first_on:%Y-%m}",
        history=invoices.history(document, paid_at=paid.at),
        obstacles=paid.obstacles,
        company_id=company_id,
        invoice_id=invoice_id,
    )


@pages.post("/companies/<company_id>/invoices/<invoice_id>/finalise")
@permission("billing.write")
def finalise(company_id: str, invoice_id: str) -> BaseResponse:
    """Give a draft its number and freeze it; what stands in the way is said on the page."""
    company = rounds.one(company_id)
    invoice = ids.parse("inv", invoice_id)
    where = f"{_base(company)}/{invoice_id}"

    def act(session: Session) -> InvoiceDocument:
        return billing.finalise(session, tenant_id=company.tenant_id, invoice_id=invoice)

    rentals.charge(scope.gate(), tenant_id=company.tenant_id)
    try:
        done = rounds.visit(company, act)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said = words.problem(error.code, error.kind)
        flash(f"{said.title}. {said.advice}", "bad")
    else:
        flash(gettext("Finalised as %(number)s.", number=done.number), "ok")
    return redirect(where, 303)


@pages.get("/companies/<company_id>/invoices/<invoice_id>/pdf")
@permission("billing.read")
def invoice_pdf(company_id: str, invoice_id: str) -> Response:
    """Return the invoice as PDF, in the language asked for."""
    _company, document = _find(company_id, invoice_id)
    return downloads.pdf(document, language=request.args.get("language", ""))


@pages.get("/companies/<company_id>/invoices/<invoice_id>/csv")
@permission("billing.read")
def invoice_csv(company_id: str, invoice_id: str) -> Response:
    """Return every event behind the invoice as CSV; it knows numbers without their last four digits."""
    company, document = _find(company_id, invoice_id)

    def write(session: Session) -> Response:
        return downloads.csv(session, tenant_id=company.tenant_id, document=document)

    return rounds.visit(company, write)


def _find(company_id: str, invoice_id: str) -> tuple[Company, InvoiceDocument]:
    company = rounds.one(company_id)
    invoice = ids.parse("inv", invoice_id)

    def look(session: Session) -> InvoiceDocument:
        return billing.find(session, tenant_id=company.tenant_id, invoice_id=invoice)

    return company, rounds.visit(company, look)


def _draft(company: Company, month: dt.date, *, anew: bool) -> int:
    """Make one company's draft; return how many were made: none when the month is closed or empty."""

    def act(session: Session) -> int:
        tenant_id = company.tenant_id
        try:
            account = accounts.find(session, tenant_id=tenant_id)
            period = periods.month(month.year, month.month, zone=account.zone)
            there = [one for one in billing.every(session, tenant_id=tenant_id) if one.period == period]
            if there and not anew:
                return 0
            if not anew and not billing.preview(session, tenant_id=tenant_id, period=period).lines:
                return 0
            billing.draft(session, tenant_id=tenant_id, period=period)
        except (BillingAccountNotFoundError, PeriodClosedError):
            return 0
        return 1

    rentals.charge(scope.gate(), tenant_id=company.tenant_id)
    return rounds.visit(company, act)


def _summary(rows: Sequence[InvoiceRow]) -> list[Share]:
    shares: dict[tuple[str, str], Share] = {}
    for row in rows:
        key = (row.state, row.total.currency)
        so_far = shares.get(key, Share(row.state, 0, Money(0, row.total.currency)))
        shares[key] = Share(row.state, so_far.count + 1, so_far.total + row.total)
    return [shares[key] for key in sorted(shares, key=lambda key: (_STATES.index(key[0]), key[1]))]


def _is_of(row: InvoiceRow, month: dt.date) -> bool:
    return (row.first_on.year, row.first_on.month) == (month.year, month.month)


def _obstacles(session: Session, company: Company, period: Period) -> list[invoices.Obstacle]:
    return invoices.obstacles(billing.waiting(session, tenant_id=company.tenant_id, period=period))


def _month(text: str) -> dt.date:
    """Return the first day of `2026-10`, or of the month before this one at the operator's."""
    return tables.day_of(f"{text}-01") or _months()[1]


def _months() -> list[dt.date]:
    """Return the months one may choose, the present one first."""
    operator = companies.read(scope.session(), tenant_id=OPERATOR)
    today = clock.now().astimezone(zoneinfo.ZoneInfo(operator.zone)).date()
    first = today.replace(day=1)
    found = [first]
    while len(found) < _MONTHS:
        first = (first - dt.timedelta(days=1)).replace(day=1)
        found.append(first)
    return found


def _base(company: Company) -> str:
    return f"/operator/companies/{ids.public('ten', company.tenant_id)}/invoices"


def _link(after: str | None, asked: dict[str, Any]) -> str | None:
    if after is None:
        return None
    given = {name: value for name, value in {**asked, "after": after}.items() if value}
    return f"/operator/invoices?{urlencode(given)}"
