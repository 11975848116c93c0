"""Aged receivables of all companies, one company's open invoices, and its statement of account.

The overview reads the figures that are gathered once a minute (`billing.figures`); a company's page
is of now.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, render_template, request
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import ageing, figures, statements
from billing.ageing import Aged, Bucket
from billing.documents.document import Statement
from core import ids
from core.money import Money
from tenants.companies import Company
from web import scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import statements as shown
from web.shown.statements import Share


@dataclass(frozen=True, slots=True)
class AgedRow:
    """One company's open amounts by bucket."""

    company: str
    href: str
    buckets: Sequence[Money]
    owed: Money
    on_account: Money | None

    @property
    def late(self) -> Money:
        """What is late at all."""
        return Money(self.owed.minor - self.buckets[Bucket.CURRENT].minor, self.owed.currency)


@dataclass(frozen=True, slots=True)
class CurrencySum:
    """All companies of one currency."""

    currency: str
    owed: Money
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One open invoice of a company."""

    number: str
    href: str
    issued_on: dt.date | None
    due_on: dt.date
    days_late: int
    word: str
    due: Money


def _bucket(at: Bucket) -> tables.Column[AgedRow]:
    return tables.Column(
        f"late-{at.value}", shown.BUCKETS[at], lambda row: row.buckets[at], sorts=True, cls="r hide-s"
    )


AGED: tables.Table[AgedRow] = tables.Table(
    "receivables",
    (
        tables.Column("company", _l("Company"), lambda row: row.company, sorts=True),
        *(_bucket(one) for one in Bucket),
        tables.Column("owed", _l("Open"), lambda row: row.owed, sorts=True, cls="r"),
    ),
    filters=(tables.Search("q", _l("Find a company"), _l("Name")),),
    order="company",
)


@pages.get("/receivables")
@permission("billing.read")
def receivables() -> str | BaseResponse:
    """Show what companies owe, by how late it is."""
    clients = {one.tenant_id: one for one in rounds.clients()}
    found = [one for one in figures.every(scope.session()) if one.company_id in clients]

    def fetch(asked: tables.Asked) -> tables.Slice[AgedRow]:
        rows = [
            AgedRow(
                clients[one.company_id].name,
                f"/operator/companies/{ids.public('ten', one.company_id)}/statement",
                [Money(minor, one.currency) for minor in one.aged_minor],
                Money(one.owed_minor, one.currency),
                Money(one.on_account_minor, one.currency) if one.on_account_minor else None,
            )
            for one in found
            if one.owed_minor or one.on_account_minor
        ]
        return tables.of_list(AGED, asked, rows, text=lambda row: row.company)

    sums = []
    for currency in sorted({one.currency for one in found}):
        aged = ageing.together([one.aged_minor for one in found if one.currency == currency])
        if any(aged):
            sums.append(CurrencySum(currency, Money(sum(aged), currency), shown.shares(aged, currency)))
    return tables.show(
        AGED,
        "operator/receivables.html",
        fetch,
        sums=sums,
        taken_at=found[0].taken_at if found else None,
    )


@pages.get("/companies/<company_id>/statement")
@permission("billing.read")
def company_statement(company_id: str) -> str:
    """Show one company's open invoices and its statement of account."""
    company = rounds.one(company_id)
    found, aged = _look(company)
    home = f"/operator/companies/{company_id}"
    return render_template(
        "operator/statement.html",
        company_=company,
        home=home,
        statement=shown.shown(found),
        shares=shown.shares(aged.buckets_minor, aged.currency),
        on_account=Money(aged.on_account_minor, aged.currency) if aged.on_account_minor else None,
        open_invoices=[
            OpenRow(
                one.number,
                f"{home}/invoices/{ids.public('inv', one.invoice_id)}",
                one.issued_on,
                one.due_on,
                one.days_late,
                str(shown.BUCKETS[one.bucket]),
                Money(one.due_minor, aged.currency),
            )
            for one in aged.invoices
        ],
        base=f"{home}/statement",
    )


@pages.get("/companies/<company_id>/statement/pdf")
@permission("billing.read")
def company_statement_pdf(company_id: str) -> Response:
    """Return a company's statement as PDF."""
    found, aged = _look(rounds.one(company_id))
    return shown.pdf(found, language=request.args.get("language", ""), aged_minor=aged.buckets_minor)


@pages.get("/companies/<company_id>/statement/csv")
@permission("billing.read")
def company_statement_csv(company_id: str) -> Response:
    """Return a company's statement as CSV."""
    found, _aged = _look(rounds.one(company_id))
    return shown.csv(found)


def _look(company: Company) -> tuple[Statement, Aged]:
    first_on, last_on = shown.asked(
        request.args.get("from", ""), request.args.get("to", ""), zone=company.zone
    )

    def at(session: Session) -> tuple[Statement, Aged]:
        tenant_id = company.tenant_id
        return (
            statements.of(session, tenant_id=tenant_id, first_on=first_on, last_on=last_on),
            ageing.of(session, tenant_id=tenant_id),
        )

    return rounds.visit(company, at)
