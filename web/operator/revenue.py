"""What companies' use brought: by company, campaign, agent or number, months at a time, before tax.

Each company's stand within its own walls, so a page costs one visit a company; one can be chosen. What a
company calls its campaigns is its own: they are said by when they were made, and named only to who has an
open look into the company (break-glass), which is in its log.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import revenue
from billing.errors import BillingAccountNotFoundError
from billing.revenue import By, Revenue
from core import ids
from core.money import Money
from tenants.companies import Company
from web import tables
from web.guards import permission
from web.operator import glass, rounds
from web.operator.views import pages
from web.shown import revenue as shown
from web.shown.revenue import RevenueRow, Sum

_COMPANY = "company"


def _by_words() -> tables.Words:
    return [(_COMPANY, gettext("Company")), *shown.choices()]


def company_words() -> tables.Words:
    """Return the companies to choose from."""
    return [(ids.public("ten", one.tenant_id), one.name) for one in rounds.clients()]


REVENUE: tables.Table[RevenueRow] = tables.Table(
    "revenue",
    (
        tables.Column("name", _l("For"), lambda row: row.name, sorts=True),
        tables.Column("id", _l("Id"), lambda row: row.id, cls="hide-s"),
        tables.Column("uses", _l("Uses"), lambda row: row.events, sorts=True, cls="r hide-s"),
        tables.Column("minutes", _l("Minutes"), lambda row: row.minutes, sorts=True, cls="r hide-s"),
        tables.Column("amount", _l("Before tax"), lambda row: row.amount, sorts=True, cls="r"),
    ),
    filters=(
        tables.Choice("by", _l("By"), _by_words, anything=lambda: gettext("Company")),
        tables.Choice("company", _l("Company"), company_words),
        tables.Choice("from", _l("From"), shown.months),
        tables.Choice("to", _l("To"), shown.months),
    ),
    order="-amount",
)


@pages.get("/revenue")
@permission("billing.read")
def revenue_page() -> str | BaseResponse:
    """Show what use brought; the rows of closed months come to what the ledger has as earned."""
    sums: list[Sum] = []

    def fetch(asked: tables.Asked) -> tables.Slice[RevenueRow]:
        by = asked.get("by") or _COMPANY
        part = By(by) if by != _COMPANY else None
        chosen = asked.get("company")
        agents = shown.agents() if part is By.AGENT else {}
        seen = glass.seen_in("campaigns", shown.campaigns) if part is By.CAMPAIGN else {}
        clients = [rounds.one(chosen)] if chosen else rounds.clients()

        def look(session: Session, company: Company) -> tuple[Revenue, list[RevenueRow]] | None:
            period = shown.period(asked, zone=company.zone)
            try:
                found = revenue.of(session, tenant_id=company.tenant_id, period=period, by=part or By.AGENT)
            except BillingAccountNotFoundError:
                return None
            if part is None:
                return found, [
                    _of_company(found, company, asked)
                ] if found.parts or found.agreed_minor else []
            match part:
                case By.AGENT:
                    names = agents
                case By.NUMBER:
                    names = shown.digits(session, tenant_id=company.tenant_id)
                case By.CAMPAIGN:
                    names = seen.get(company.tenant_id) or shown.campaigns_made(session, company.tenant_id)

            def name(ref: UUID) -> str:
                unknown = gettext("A campaign that is not here") if part is By.CAMPAIGN else ""
                return names.get(ref) or unknown or ids.public(shown.PREFIXES[part], ref)

            def href(ref: UUID) -> str:
                return _explorer(company, asked, ids.public(shown.PREFIXES[part], ref))

            made = shown.rows(found, by=part, name=name, href=href)
            return found, [replace(one, company=company.name) for one in made]

        visited = [one for _company, one in rounds.go(clients, look) if one is not None]
        found = [one for one, _rows in visited]
        rows = _together([row for _found, some in visited for row in some])
        rows = [row for currency in _currencies(found) for row in shown.in_proportion(_in(rows, currency))]
        sums[:] = [
            shown.summed([one for one in found if one.currency == currency], _in(rows, currency))
            for currency in _currencies(found)
            if _in(rows, currency)
        ]
        return tables.of_list(REVENUE, asked, rows)

    return tables.show(
        REVENUE,
        "operator/revenue.html",
        fetch,
        sums=lambda _: sums,
        is_by_campaign=request.args.get("by") == By.CAMPAIGN,
    )


def _of_company(found: Revenue, company: Company, asked: tables.Asked) -> RevenueRow:
    company_id = ids.public("ten", company.tenant_id)
    return RevenueRow(
        name=company.name,
        id=company_id,
        href=_explorer(company, asked, ""),
        events=sum(one.events for one in found.parts),
        minutes=shown.minutes(sum(one.billed_seconds for one in found.parts)),
        amount=Money(found.total_minor, found.currency),
    )


def _explorer(company: Company, asked: tables.Asked, reference: str) -> str:
    """Return where the events behind a row are."""
    first_on, last_on = shown.days(asked, zone=company.zone)
    about: dict[str, str | dt.date] = {"company": ids.public("ten", company.tenant_id), "id": reference}
    return f"/operator/usage?{urlencode({**about, 'from': first_on, 'to': last_on})}"


def _together(rows: Sequence[RevenueRow]) -> list[RevenueRow]:
    """Put what several companies have of one agent, of none, or as agreed into one row of each currency."""
    same: defaultdict[tuple[str, str, str], list[RevenueRow]] = defaultdict(list)
    for row in rows:
        same[row.id, row.name if not row.id else "", row.amount.currency].append(row)
    return [some[0] if len(some) == 1 else _sum(some) for some in same.values()]


def _sum(rows: Sequence[RevenueRow]) -> RevenueRow:
    first = rows[0]
    return replace(
        first,
        href="",
        company=gettext("Several companies"),
        events=None if first.events is None else sum(one.events or 0 for one in rows),
        minutes=None if first.minutes is None else sum((one.minutes or Decimal() for one in rows), Decimal()),
        amount=Money(sum(one.amount.minor for one in rows), first.amount.currency),
    )


def _currencies(found: Sequence[Revenue]) -> list[str]:
    return sorted({one.currency for one in found})


def _in(rows: Sequence[RevenueRow], currency: str) -> list[RevenueRow]:
    return [one for one in rows if one.amount.currency == currency]
