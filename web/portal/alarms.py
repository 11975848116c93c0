"""Alarms of the company: what happened, and who took note."""

from flask import flash, redirect, render_template
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from web.guards import permission
from web.portal.views import pages
from web.shown import alarms


@pages.get("/alarms")
@permission("alarms.read")
def alarm_list() -> str:
    """Show the alarms, newest first."""
    return render_template("portal/alarms.html", alarms=alarms.rows(limit=alarms.LONGEST))


@pages.post("/alarms/<alarm_id>/acknowledge")
@permission("alarms.write")
def acknowledge_alarm(alarm_id: str) -> BaseResponse:
    """Take note of an alarm; it leaves the front page."""
    alarms.acknowledge(alarm_id)
    flash(gettext("You have taken note of the alarm."))
    return redirect("/portal/alarms", 303)
