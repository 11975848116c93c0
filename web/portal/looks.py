"""How often agents look behind masks, how often they may, and more of it by a supervisor's word."""

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from customers.budgets import Allowed
from customers.errors import LookBudgetError
from web import identity, said
from web.guards import permission
from web.portal.views import pages
from web.shown import looks


@pages.get("/looks")
@permission("customers.read")
def look_list() -> str:
    """Show what each agent has looked at in the last hour, and what they may."""
    return _page()


@pages.post("/looks/budget")
@permission("settings.write")
def set_look_budget() -> BaseResponse:
    """Say how many looks an hour each agent has, and what else they see and hear."""
    wanted = Allowed(
        per_hour=_number("per_hour"),
        hears_messages=request.form.get("hears_messages") == "yes",
        hides_numbers=request.form.get("hides_numbers") == "yes",
    )
    try:
        looks.allow(wanted)
    except LookBudgetError:
        return make_response(_page(is_wrong=True), 422)
    said.done(gettext("Saved."))
    return redirect("/portal/looks", 303)


@pages.post("/looks/<agent_id>/grant")
@permission("customers.write")
def grant_looks(agent_id: str) -> BaseResponse:
    """Let one agent look more often for an hour."""
    try:
        looks.grant(agent_id, extra=_number("extra"))
    except LookBudgetError:
        return make_response(_page(is_wrong=True), 422)
    said.done(gettext("Granted for an hour."))
    return redirect("/portal/looks", 303)


def _number(field: str) -> int:
    text = request.form.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else -1  # noqa: PLR2004 - digits


def _page(*, is_wrong: bool = False) -> str:
    may = identity.current().permissions
    return render_template(
        "portal/looks.html",
        agents=looks.agents(),
        allowed=looks.allowed(),
        is_wrong=is_wrong,
        may_set="settings.write" in may,
        may_grant="customers.write" in may,
    )
