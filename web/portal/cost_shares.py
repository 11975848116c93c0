"""Which part of the company's calls another company pays, and of whose calls it pays one."""

from flask import render_template

from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import cost_shares as shown


@pages.get("/cost-shares")
@permission("invoices.read")
def cost_shares() -> str:
    """Show what was agreed, newest first."""
    found = shown.shown(scope.session(), tenant_id=identity.current().tenant_id)
    return render_template("portal/cost_shares.html", agreements=found)
