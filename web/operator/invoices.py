"""Invoices of all companies: one month at a time, drafted, looked at, finalised, singly or all together."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Response, flash, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import credit_notes, explorer
from billing import invoices as billing
from billing.documents.document import CreditNote, InvoiceDocument
from billing.payments import attempts, copies
from billing.payments.attempts import Payment
from billing.payments.copies import STOPPED, Copy
from billing.payments.standing import Standing
from billing.periods import Period
from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR, UserId
from core.money import Money
from tenants import companies, users
from tenants.companies import Company
from web import identity, parts, said, scope, tables
from web.guards import permission
from web.operator import jobs, rounds
from web.operator.views import pages
from web.shown import copies as shown_copies
from web.shown import credit_notes as shown_credit
from web.shown import downloads, invoices
from web.shown import payments as shown
from web.shown.invoices import InvoiceRow
from wiring import closing, copying, rentals

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
    "credited",
)
_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A company and its invoice of the month, or none; see templates/operator/invoices.html."""

    company_id: str
    company: str
    first_on: dt.date
    state: str  # of the invoice, or `none`
    number: str
    href: str
    issued_on: dt.date | None
    due_on: dt.date | None
    total: Money | None
    why: str = ""
    obstacles: Sequence[invoices.Obstacle] = ()


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
    credits: tuple[CreditNote, ...]
    copy: Copy | None


def _state_words() -> tables.Words:
    return [
        ("draft", gettext("Draft")),
        ("open", gettext("Open")),
        ("overdue", gettext("Overdue")),
        ("failed", gettext("Declined")),
        ("requires-action", gettext("Wants confirming")),
        ("processing", gettext("On its way")),
        ("paid", gettext("Paid")),
        ("refunded", gettext("Refunded")),
        ("credited", gettext("Credited")),
        ("none", gettext("None in this month")),
    ]


def _month_words() -> tables.Words:
    return [(f"{one:%Y-%m}", parts.month(one)) for one in _months()]


INVOICES: tables.Table[MonthRow] = tables.Table(
    "operator-invoices",
    (
        tables.Column("company", _l("Company"), lambda row: row.company, sorts=True),
        tables.Column("number", _l("Invoice"), lambda row: row.number, sorts=True),
        tables.Column("period", _l("Period"), lambda row: row.first_on, cls="hide-s"),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("issued", _l("Issued"), lambda row: row.issued_on, sorts=True),
        tables.Column("due", _l("Due"), lambda row: row.due_on, sorts=True),
        tables.Column("total", _l("Total"), lambda row: row.total, sorts=True, cls="r"),
    ),
    filters=(
        tables.Search("q", _l("Find an invoice"), _l("Company or number")),
        tables.Choice(
            "month",
            _l("Month"),
            _month_words,
            anything=lambda: gettext("last month, %(month)s", month=parts.month(_months()[1])),
        ),
        tables.Choice("state", _l("State"), _state_words),
    ),
    order="company",
)


@pages.get("/invoices")
@permission("billing.read")
def invoice_list() -> str | BaseResponse:
    """Show a month: every company with its invoice of it, or without one.

    In the order of companies only those on the page are looked into; by anything else all are.
    """
    clients = {ids.public("ten", one.tenant_id): one for one in rounds.clients()}
    seen: list[MonthRow] = []

    def fetch(asked: tables.Asked) -> tables.Slice[MonthRow]:
        month, wanted = _month(asked.get("month")), asked.get("q").casefold()
        bare = [_bare(key, one, month) for key, one in clients.items()]
        named = [row for row in bare if wanted in row.company.casefold() or wanted == row.company_id]
        if asked.sort == "company" and not asked.get("state") and not asked.export and (named or not wanted):
            found = tables.of_list(INVOICES, asked, named)
            looked = _looked_into([clients[row.company_id] for row in found.rows], month)
            seen.extend(looked)
            return replace(found, rows=looked)
        looked = _looked_into(list(clients.values()), month)
        seen.extend(looked)
        kept = [row for row in looked if asked.get("state") in {"", row.state}]
        return tables.of_list(
            INVOICES, asked, kept, text=lambda row: f"{row.company} {row.company_id} {row.number}"
        )

    month = _month(request.args.get("month", ""))
    return tables.show(
        INVOICES,
        "operator/invoices.html",
        fetch,
        summary=lambda _found: _summary(seen),
        open_months=lambda _found: [row for row in seen if row.obstacles],
        is_part=lambda _found: len(seen) < len(clients),
        first_on=month,
        month_value=f"{month:%Y-%m}",
        months=_months(),
        jobs=[
            one
            for one in (jobs.shown_of(closing.DRAFTS), jobs.shown_of(closing.FINALISING))
            if one is not None
        ],
        may_write="billing.write" in identity.current().permissions,
        is_over=_months()[0] > month,
    )


@pages.post("/invoices/draft")
@permission("billing.write")
def make_drafts() -> BaseResponse:
    """Make one company's draft of a month anew, or start making those of every company that has none yet."""
    month = _month(request.form.get("month", ""))
    only = request.form.get("company", "")
    if only:
        return _draft_anew(rounds.one(only), month, is_priced_first=bool(request.form.get("price")))
    closing.ask_for_month(
        scope.session(),
        year=month.year,
        month=month.month,
        is_final=False,
        by=identity.current().principal_id,
    )
    return redirect(f"/operator/invoices?month={month:%Y-%m}", 303)


@pages.post("/invoices/finalise")
@permission("billing.write")
def finalise_month() -> BaseResponse:
    """Start finalising every draft of a month that is over."""
    month = _month(request.form.get("month", ""))
    if month >= _months()[0]:
        flash(gettext("The month is not over yet."), "bad")
    else:
        closing.ask_for_month(
            scope.session(),
            year=month.year,
            month=month.month,
            is_final=True,
            by=identity.current().principal_id,
        )
    return redirect(f"/operator/invoices?month={month:%Y-%m}", 303)


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
            credit_notes.of_invoice(session, tenant_id=tenant_id, invoice_id=document.invoice_id),
            copies.find(session, tenant_id=tenant_id, invoice_id=document.invoice_id),
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
        is_approved=document.approved_at is not None,
        history=invoices.history(document, paid_at=paid.at, approver=_approver(document)),
        obstacles=paid.obstacles,
        company_id=company_id,
        copy=shown_copies.shown(paid.copy, paid.stands),
        credit_notes=shown_credit.rows(
            paid.credits,
            base=f"/operator/companies/{company_id}/credit-notes",
            names=users.names(
                scope.session(),
                tenant_id=OPERATOR,
                vault=scope.services().vault,
                user_ids={one.asked_by for one in paid.credits},
            ),
            reader=identity.current().principal_id,
        ),
    )


@pages.post("/companies/<company_id>/invoices/<invoice_id>/approve")
@permission("billing.write")
def approve(company_id: str, invoice_id: str) -> BaseResponse:
    """Approve a draft: it may be finalised, by oneself or by somebody else, as long as it stays as it is."""
    company, by = rounds.one(company_id), identity.current().principal_id
    invoice = ids.parse("inv", invoice_id)
    try:
        rounds.visit(
            company,
            lambda session: billing.approve(session, tenant_id=company.tenant_id, invoice_id=invoice, by=by),
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(gettext("The draft is approved."))
    return redirect(f"{_base(company)}/{invoice_id}", 303)


@pages.post("/companies/<company_id>/invoices/<invoice_id>/finalise")
@permission("billing.write")
def finalise(company_id: str, invoice_id: str) -> BaseResponse:
    """Give a draft its number and freeze it, approved with that; the page says what stands in the way."""
    company = rounds.one(company_id)
    invoice = ids.parse("inv", invoice_id)
    where = f"{_base(company)}/{invoice_id}"

    rentals.charge(scope.gate(), tenant_id=company.tenant_id)
    try:
        done = closing.finalise_one(
            scope.gate(),
            tenant_id=company.tenant_id,
            invoice_id=invoice,
            by=identity.current().principal_id,
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        flash(gettext("Finalised as %(number)s.", number=done.number), "ok")
    return redirect(where, 303)


def _approver(document: InvoiceDocument) -> str:
    """Return who of the staff approved an invoice; empty where it was no person of today's."""
    if document.approved_by is None:
        return ""
    names = users.names(
        scope.session(),
        tenant_id=OPERATOR,
        vault=scope.services().vault,
        user_ids={UserId(document.approved_by)},
    )
    return names.get(UserId(document.approved_by), "")


@pages.post("/companies/<company_id>/invoices/<invoice_id>/copy")
@permission("billing.write")
def copy_again(company_id: str, invoice_id: str) -> BaseResponse:
    """Make the provider's copy of an invoice anew, when it has stopped."""
    company, document = _find(company_id, invoice_id)
    services, by = scope.services(), identity.current().principal_id
    scope.commit()
    try:
        state = copying.again(services, tenant_id=company.tenant_id, invoice_id=document.invoice_id, by=by)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        if state in STOPPED:
            flash(gettext("It was made anew, and has stopped again."), "bad")
        else:
            flash(gettext("It was made anew, and agrees."), "ok")
    return redirect(f"{_base(company)}/{invoice_id}", 303)


@pages.get("/companies/<company_id>/invoices/<invoice_id>/pdf")
@permission("billing.read")
def invoice_pdf(company_id: str, invoice_id: str) -> Response:
    """Return the invoice as PDF, in the language asked for."""
    _company, document = _find(company_id, invoice_id)
    return downloads.pdf(document, language=request.args.get("language", ""))


@pages.get("/companies/<company_id>/invoices/<invoice_id>/csv")
@permission("billing.read")
def invoice_csv(company_id: str, invoice_id: str) -> BaseResponse:
    """Return every event behind the invoice as CSV; it knows numbers without their last four digits."""
    company, document = _find(company_id, invoice_id)

    def write(session: Session) -> BaseResponse:
        return downloads.csv(session, tenant_id=company.tenant_id, document=document)

    return rounds.visit(company, write)


@pages.get("/companies/<company_id>/invoices/<invoice_id>/xml")
@permission("billing.read")
def invoice_xml(company_id: str, invoice_id: str) -> Response:
    """Return the e-invoice, which programs read."""
    company, document = _find(company_id, invoice_id)
    return downloads.e_invoice(document, country=company.country)


@pages.get("/companies/<company_id>/invoices/<invoice_id>/proof")
@permission("billing.read")
def invoice_proof(company_id: str, invoice_id: str) -> Response:
    """Return the file by which anybody works the invoice out again, without us."""
    company, document = _find(company_id, invoice_id)
    signer = scope.services().signer

    def write(session: Session) -> Response:
        return downloads.proof(session, tenant_id=company.tenant_id, document=document, signer=signer)

    return rounds.visit(company, write)


def _find(company_id: str, invoice_id: str) -> tuple[Company, InvoiceDocument]:
    company = rounds.one(company_id)
    invoice = ids.parse("inv", invoice_id)

    def look(session: Session) -> InvoiceDocument:
        return billing.find(session, tenant_id=company.tenant_id, invoice_id=invoice)

    return company, rounds.visit(company, look)


def _draft_anew(company: Company, month: dt.date, *, is_priced_first: bool) -> BaseResponse:
    """Make a company's draft anew and lead to it; what had no price is priced first when that is asked."""
    tenant_id, company_id = company.tenant_id, ids.public("ten", company.tenant_id)
    if is_priced_first:
        waits = rounds.visit(company, lambda session: explorer.waiting(session, tenant_id=tenant_id))
        if waits > explorer.AT_ONCE:  # in the background; the draft follows when that is done
            closing.ask_for_rating(scope.session(), tenant_id=tenant_id, by=identity.current().principal_id)
            return redirect(f"/operator/usage?company={company_id}", 303)
        done = rounds.visit(company, lambda session: explorer.rate_again(session, tenant_id=tenant_id))
        flash(
            gettext(
                "%(rated)s got a price, %(waiting)s still wait for one.",
                rated=done.rated,
                waiting=done.waiting,
            ),
            "bad" if done.waiting else "ok",
        )
    if not closing.draft(scope.gate(), tenant_id=tenant_id, year=month.year, month=month.month, anew=True):
        flash(gettext("No draft: the company has no billing account, or the month is closed."), "bad")
        return redirect(f"/operator/companies/{company_id}", 303)
    flash(gettext("The draft is made."), "ok")
    (row,) = _looked_into([company], month)
    return redirect(row.href, 303)


def _bare(company_id: str, company: Company, month: dt.date) -> MonthRow:
    """Return a company's row before its walls are entered."""
    return MonthRow(
        company_id, company.name, month, "none", "", f"/operator/companies/{company_id}", None, None, None
    )


def _looked_into(visited: Sequence[Company], month: dt.date) -> list[MonthRow]:
    def look(session: Session, company: Company) -> MonthRow:
        company_id = ids.public("ten", company.tenant_id)
        found = billing.every(session, tenant_id=company.tenant_id)
        stands = attempts.standings(session, tenant_id=company.tenant_id, these=found, zone=company.zone)
        for one in found:
            row = invoices.listed(
                one,
                zone=company.zone,
                base=_base(company),
                company=company.name,
                standing=stands.get(one.invoice_id),
            )
            if _is_of(row, month):
                return MonthRow(
                    company_id,
                    company.name,
                    month,
                    row.state,
                    row.number or "",
                    row.href,
                    row.issued_on,
                    row.due_on,
                    row.total,
                    row.stand.why if row.stand else "",
                    _obstacles(session, company, one.period) if one.number is None else (),
                )
        return _bare(company_id, company, month)

    return [row for _company, row in rounds.go(visited, look)]


def _summary(rows: Sequence[MonthRow]) -> list[Share]:
    shares: dict[tuple[str, str], Share] = {}
    for row in rows:
        if row.total is None:
            continue
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
