"""What a month would have cost a company under any price list of ours, or with other seats."""

from flask import render_template, request
from sqlalchemy.orm import Session

from billing import price_lists
from billing.rating.tariff import Tariff, decode
from billing.what_if import Answer, Mix
from core import ids
from core.ids import OPERATOR
from web import scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import what_if


@pages.get("/companies/<company_id>/what-if")
@permission("billing.read")
def what_if_page(company_id: str) -> str:
    """Show a company's month as it was beside what it would have been; nothing is written."""
    company = rounds.one(company_id)
    asked = {name: request.args.get(name, "") for name in ("month", "prices", "seats", "way")}
    lists = [
        one
        for one in price_lists.every(scope.session(), tenant_id=OPERATOR)
        if one.currency == company.currency
    ]
    chosen = next((one for one in lists if ids.public("pl", one.price_list_id) == asked["prices"]), None)
    prices = _newest(chosen.code) if chosen else None

    def look(session: Session) -> tuple[Answer, list[Mix]]:
        return what_if.ask(
            session,
            tenant_id=company.tenant_id,
            month=asked["month"],
            seats=asked["seats"],
            way=asked["way"],
            prices=prices,
        )

    answer, mixes = rounds.visit(company, look)
    asked["month"] = what_if.code_of(answer)
    return render_template(
        "operator/what_if.html",
        company_=company,
        company_id=company_id,
        shown=what_if.shown(answer, mixes),
        asked=asked,
        months=what_if.months(zone=answer.zone),
        seats=list(what_if.SEATS.items()),
        ways=list(what_if.WAYS.items()),
        prices=[(ids.public("pl", one.price_list_id), one.name) for one in lists],
    )


def _newest(code: str) -> Tariff | None:
    """Return the newest published version of a list, in force or to come."""
    versions = price_lists.published(scope.session(), tenant_id=OPERATOR, code=code)
    return decode(versions[-1].content) if versions else None
