"""What another way of routing would have done to the company's own calls, with its people and with more."""

from collections.abc import Mapping

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from telephony.errors import RoutingTrialError, TooLittleHistoryError
from telephony.routing import settings as routing
from telephony.routing import trials
from telephony.routing.trials import Asked
from web import identity, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import trials as shown

_LONGEST_NUMBER = 4
_USUAL_DAYS, _USUAL_MORE = 7, 3
_EXAMPLE_PEOPLE = 60


@pages.get("/routing/trial")
@permission("queues.read")
def routing_trial() -> str:
    """Show the latest trial, how far it is or what it found, and the form for another."""
    return _page()


@pages.post("/routing/trial")
@permission("queues.write")
def try_routing() -> BaseResponse:
    """Have the models tried on the company's calls, or on the worked example."""
    try:
        trials.ask(scope.session(), tenant_id=identity.current().tenant_id, asked=_asked(request.form))
    except RoutingTrialError as error:
        return make_response(_page(request.form, fault=str(error.details["field"])), 422)
    except TooLittleHistoryError as error:
        return make_response(_page(request.form, short_of=dict(error.details)), 422)
    return redirect(url_for("portal.routing_trial"), 303)


def _page(
    given: Mapping[str, str] | None = None, *, fault: str = "", short_of: Mapping[str, object] | None = None
) -> str:
    session, tenant_id = scope.session(), identity.current().tenant_id
    settings = routing.read(session, tenant_id=tenant_id)
    found = shown.latest(session, tenant_id=tenant_id, model=settings.model)
    last = found.trial.asked if found and not found.trial.asked.is_example else None
    filled = given or {
        "days": str(last.days if last else _USUAL_DAYS),
        "people": str(last.people if last else shown.people(tenant_id=tenant_id)),
        "more": str(last.more if last else _USUAL_MORE),
        "slower": str(last.slower_percent if last else 0),
    }
    return render_template(
        "portal/routing_trial.html",
        found=found,
        given=filled,
        days=shown.DAYS,
        fault=_fault(fault) if fault else "",
        short_of=short_of,
        may_write="queues.write" in identity.current().permissions,
        size={"from": shown.BARS_FROM, "width": shown.WIDTH, "row": shown.ROW},
    )


def _asked(form: Mapping[str, str]) -> Asked:
    if form.get("act") == "example":
        return Asked(1, _EXAMPLE_PEOPLE, _USUAL_MORE, is_example=True)
    more = form.get("more", "").strip()
    return Asked(
        _number(form.get("days", ""), "days"),
        _number(form.get("people", ""), "people"),
        more=-_number(more[1:], "more") if more.startswith("-") else _number(more or "0", "more"),
        slower_percent=_number(form.get("slower", "").strip() or "0", "slower_percent"),
    )


def _number(text: str, field: str) -> int:
    found = whole(text, longest=_LONGEST_NUMBER)
    if found is None:
        raise RoutingTrialError(field=field)
    return found


def _fault(field: str) -> str:
    words = {
        "days": gettext("Calls of the last 1 to 92 days can be tried."),
        "people": gettext("From 1 to 2000 people."),
        "slower_percent": gettext("Up to 200 percent longer."),
        "more": gettext("Up to 500 people more or fewer, and somebody has to be left."),
    }
    return str(words[field])
