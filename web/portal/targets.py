"""Targets: what share of calls was to be answered in time, by tier and by queue, and what share was."""

from flask import render_template, request

from web import identity, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import targets as shown

_USUAL_DAYS = 7


@pages.get("/routing/targets")
@permission("queues.read")
def routing_targets() -> str:
    """Show targets beside what became of them in the days that are chosen."""
    asked = whole(request.args.get("days", ""), longest=2)
    days = asked if asked in shown.DAYS else _USUAL_DAYS
    found = shown.of(scope.session(), tenant_id=identity.current().tenant_id, days=days)
    return render_template(
        "portal/targets.html",
        groups=[("tiers", found.tiers), ("queues", found.queues)],
        overdue=found.overdue,
        says=shown.says,
        days=days,
        choices=shown.DAYS,
    )
