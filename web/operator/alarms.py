"""Alarms of all companies, and the operator's own: what happened to whom, and who took note."""

from flask import flash, redirect, render_template
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import alarms


@pages.get("/alarms")
@permission("alarms.read")
def alarm_list() -> str:
    """Show the alarms, newest first."""
    names = {one.tenant_id: one.name for one in rounds.clients()}
    return render_template("operator/alarms.html", alarms=alarms.rows(limit=alarms.LONGEST, companies=names))


@pages.post("/alarms/<alarm_id>/acknowledge")
@permission("alarms.write")
def acknowledge_alarm(alarm_id: str) -> BaseResponse:
    """Take note of an alarm for the operator; the company takes note by itself."""
    alarms.acknowledge(alarm_id)
    flash(gettext("You have taken note of the alarm."))
    return redirect("/operator/alarms", 303)
