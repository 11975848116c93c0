"""What callers rated whose agent had hung up, queue by queue and agent by agent."""

from typing import Any

from flask import render_template, request

from core import ids
from telephony.surveys import Ratings
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import surveys as shown


@pages.get("/surveys")
@permission("queues.read")
def survey_results() -> str:
    """Show how often each rating was given, of the calls of some days."""
    days = shown.days_of(request.args.get("days", ""))
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = shown.of(session, tenant_id=tenant_id, days=days)
    return render_template(
        "portal/surveys.html",
        queues=[_row(one) for one in found],
        agents=shown.of_agents(session, tenant_id=tenant_id, days=days),
        days=days,
        spans=shown.SPANS,
    )


def _row(one: Ratings) -> dict[str, Any]:
    return {
        "id": ids.public("que", one.queue_id),
        "name": one.queue_name,
        "best": one.most,
        "asked": one.asked,
        "given": one.given,
        "mean": str(one.mean) if one.mean is not None else "",
        "counts": [
            {"rating": rating, "count": count, "percent": 100 * count / one.given if one.given else 0}
            for rating, count in reversed(list(one.counts.items()))
        ],
    }
