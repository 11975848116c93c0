"""How the service was that was promised for a month, as it was counted, and what comes back for it."""

from flask import render_template, request

from core import ids
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import service_levels as shown


@pages.get("/service-levels")
@permission("invoices.read")
def service_levels() -> str:
    """Show a month's promises beside what was counted of them, and what the bill gives back."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = shown.of(session, tenant_id=tenant_id, month=request.args.get("month", ""))
    return render_template(
        "portal/service_levels.html",
        chosen=f"{found.month_on:%Y-%m}",
        first_on=found.month_on,
        months=shown.months(session, tenant_id=tenant_id),
        is_over=found.is_over,
        number=found.number,
        invoice_url=f"/portal/invoices/{ids.public('inv', found.invoice_id)}" if found.invoice_id else "",
        promises=[shown.shown(one, currency=found.currency) for one in found.promises],
    )
