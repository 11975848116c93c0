"""Alarms of the company, who took note, and what its walls refused in a week."""

from flask import flash, redirect, render_template
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from web import identity
from web.guards import permission
from web.portal.views import pages
from web.shown import alarms, refusals

_SPAN = "week"


@pages.get("/alarms")
@permission("alarms.read")
def alarm_list() -> str:
    """Show the alarms, newest first, and what was refused."""
    counts = refusals.found(tenant_id=identity.current().tenant_id, span=_SPAN)
    refused = sorted(refusals.rows(counts, by_hour=False), key=lambda one: -one.times)
    return render_template(
        "portal/alarms.html",
        alarms=alarms.rows(limit=alarms.LONGEST),
        refused=refused,
        plot=refusals.plot(counts, span=_SPAN),
    )


@pages.post("/alarms/<alarm_id>/acknowledge")
@permission("alarms.write")
def acknowledge_alarm(alarm_id: str) -> BaseResponse:
    """Take note of an alarm; it leaves the front page."""
    alarms.acknowledge(alarm_id)
    flash(gettext("You have taken note of the alarm."))
    return redirect("/portal/alarms", 303)
