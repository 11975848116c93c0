"""What a month would have cost the company under other of its prices, or with other seats."""

from flask import render_template, request

from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import what_if


@pages.get("/what-if")
@permission("invoices.read")
def what_if_page() -> str:
    """Show a month as it was beside what it would have been; nothing is written."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    asked = {name: request.args.get(name, "") for name in ("month", "prices", "seats", "way")}
    own = what_if.own_prices(session, tenant_id=tenant_id)
    answer, mixes = what_if.ask(
        session,
        tenant_id=tenant_id,
        month=asked["month"],
        seats=asked["seats"],
        way=asked["way"],
        prices=own.get(asked["prices"]),
    )
    asked["month"] = what_if.code_of(answer)
    return render_template(
        "portal/what_if.html",
        shown=what_if.shown(answer, mixes),
        asked=asked,
        months=what_if.months(zone=answer.zone),
        seats=list(what_if.SEATS.items()),
        ways=list(what_if.WAYS.items()),
        prices=[(code, f"{one.price_list} v{one.version}") for code, one in own.items()],
    )
