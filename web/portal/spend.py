"""What the company's use cost, by campaign, agent or number: months of its own, before tax."""

from uuid import UUID

from flask import request
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, revenue
from billing.revenue import By
from core import ids
from web import identity, scope, tables
from web.guards import permission
from web.portal.views import pages
from web.shown import revenue as shown
from web.shown.revenue import RevenueRow, Sum

_PAGES = {By.CAMPAIGN: "/portal/campaigns/"}

SPEND: tables.Table[RevenueRow] = tables.Table(
    "spend",
    (
        tables.Column("name", _l("For"), lambda row: row.name, sorts=True),
        tables.Column("id", _l("Id"), lambda row: row.id, cls="hide-s"),
        tables.Column("uses", _l("Uses"), lambda row: row.events, sorts=True, cls="r hide-s"),
        tables.Column("minutes", _l("Minutes"), lambda row: row.minutes, sorts=True, cls="r hide-s"),
        tables.Column("amount", _l("Before tax"), lambda row: row.amount, sorts=True, cls="r"),
    ),
    filters=(
        tables.Choice("by", _l("By"), shown.choices, anything=lambda: str(shown.WORDS[By.CAMPAIGN])),
        tables.Choice("from", _l("From"), shown.months),
        tables.Choice("to", _l("To"), shown.months),
    ),
    order="-amount",
)


@pages.get("/spend")
@permission("invoices.read")
def spend() -> str | BaseResponse:
    """Show what use cost by campaign, agent or number; the rows come to the invoices of the months."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    zone = accounts.find(session, tenant_id=tenant_id).zone
    sums: list[Sum] = []
    first_on, last_on = shown.days(tables.ask(SPEND, request.args), zone=zone)

    def fetch(asked: tables.Asked) -> tables.Slice[RevenueRow]:
        by = By(asked.get("by") or By.CAMPAIGN)
        found = revenue.of(session, tenant_id=tenant_id, period=shown.period(asked, zone=zone), by=by)
        names = shown.names_of(session, tenant_id=tenant_id, by=by)

        def name(ref: UUID) -> str:
            return names.get(ref) or ids.public(shown.PREFIXES[by], ref)

        def href(ref: UUID) -> str:
            return f"{_PAGES[by]}{ids.public(shown.PREFIXES[by], ref)}" if by in _PAGES else ""

        rows = shown.in_proportion(shown.rows(found, by=by, name=name, href=href))
        sums[:] = [shown.summed([found], rows)] if rows else []
        return tables.of_list(SPEND, asked, rows)

    return tables.show(
        SPEND, "portal/spend.html", fetch, sums=lambda _: sums, first_on=first_on, last_on=last_on
    )
