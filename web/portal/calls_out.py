"""Calls out: where, when and for how much the company calls, what was refused, and the kill switch."""

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from telephony.outbound import limits, stops
from telephony.outbound.limits import CallingLimitError, CallingLimitsChangedError
from telephony.outbound.stops import Side
from web import edits, identity, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import calls_out as shown

_REFUSED = 50


@pages.get("/calls-out")
@permission("settings.read")
def calls_out() -> str:
    """Show the day so far, what is allowed, and what was refused."""
    company = identity.current().company
    rules = limits.rules(scope.session(), tenant_id=company.tenant_id, home=company.country)
    return _page(shown.typed_rules(rules, company.currency), revision=rules.revision)


@pages.post("/calls-out")
@permission("settings.write")
def save_calls_out() -> BaseResponse:
    """Keep where, when and for how much; when somebody saved first, show both versions instead."""
    session, company = scope.session(), identity.current().company
    given = shown.ticked(edits.given(shown.rule_fields(), request.form))
    revision = edits.revision(request.form)
    try:
        rules = shown.read_rules(given, revision=revision, currency=company.currency)
        limits.change_rules(session, tenant_id=company.tenant_id, rules=rules)
    except CallingLimitsChangedError:
        now = limits.rules(session, tenant_id=company.tenant_id, home=company.country)
        theirs = shown.typed_rules(now, company.currency)
        return edits.conflicting(
            gettext("Calls out"),
            edits.differences(shown.rule_fields(), yours=given, theirs=theirs),
            action=url_for("portal.save_calls_out"),
            revision=now.revision,
            back=url_for("portal.calls_out"),
            nav="calls-out",
        )
    except CallingLimitError as error:
        return make_response(_page(given, revision=revision, wrong=str(error.details["field"])), 422)
    said.done(gettext("Saved. It holds from the next call on."))
    return redirect(url_for("portal.calls_out"), 303)


@pages.post("/calls-out/stop")
@permission("settings.write")
def stop_calls_out() -> BaseResponse:
    """Let no call go out from now on; calls under way end, or go on."""
    who = identity.current()
    stops.stop(scope.session(), tenant_id=who.tenant_id, side=Side.COMPANY, by=who.principal_id)
    if request.form.get("running") == "end":
        shown.end_running(who.tenant_id)
    said.done(gettext("Calls out are stopped."))
    return redirect(url_for("portal.calls_out"), 303)


@pages.post("/calls-out/resume")
@permission("settings.write")
def resume_calls_out() -> BaseResponse:
    """Let calls go out again; what the operator has stopped stays so."""
    stops.resume(scope.session(), tenant_id=identity.current().tenant_id, side=Side.COMPANY)
    said.done(gettext("Calls go out again."))
    return redirect(url_for("portal.calls_out"), 303)


def _page(given: dict[str, str], *, revision: int, wrong: str = "") -> str:
    session, who = scope.session(), identity.current()
    return render_template(
        "portal/calls_out.html",
        company_=who.company,
        now=shown.standing(session, company=who.company),
        given=given,
        revision=revision,
        wrong=wrong,
        unread=shown.unread(given, who.company.currency),
        chosen=given["countries"].split(),
        countries=shown.countries(),
        refused=shown.refused_rows(session, tenant_id=who.tenant_id, limit=_REFUSED),
        may_write="settings.write" in who.permissions,
    )
