"""For how long the company keeps what, what the next night removes, and what the last ones did."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core.errors import NotFound
from tenants import retention
from tenants.errors import RetentionBoundsError
from tenants.retention import KeptKind, Run
from web import identity, said, scope
from web.guards import permission
from web.portal.views import pages
from wiring import retaining
from wiring.retaining import Outlook

KINDS: Mapping[KeptKind, tuple[LazyString, LazyString]] = {
    KeptKind.RECORDINGS: (_l("Recordings"), _l("The sound of a call; its record stays.")),
    KeptKind.NOTES: (_l("Notes"), _l("What agents wrote about a contact; the contact stays.")),
    KeptKind.CONTACTS: (_l("Contacts"), _l("The lines of a customer’s history, with their notes.")),
    KeptKind.CALLERS: (
        _l("Callers"),
        _l("Number and customer of a call; its times stay, as the bill needs them."),
    ),
    KeptKind.LEADS: (_l("Leads"), _l("Of campaigns that have ended, with the attempts to reach them.")),
    KeptKind.WEBHOOKS: (_l("Webhook log"), _l("What was sent to your programs and what they answered.")),
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One kind; see templates/portal/retention.html."""

    kind: str
    name: str
    what: str
    days: int | None
    least: int
    most: int
    next_at: dt.datetime | None
    removes: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """One night; `removed` is a list of (word, count)."""

    on_day: dt.date
    is_over: bool
    is_held: bool
    removed: list[tuple[str, int]]


@pages.get("/retention")
@permission("privacy.read")
def retention_list() -> str:
    """Show every rule with what the next night removes, and the last nights."""
    return _list()


@pages.post("/retention/<kind>")
@permission("privacy.write")
def set_retention(kind: str) -> BaseResponse:
    """Set for how many days a kind is kept; empty: for as long as the company is here."""
    who, written = identity.current(), request.form.get("days", "").strip()
    try:
        which = KeptKind(kind)
    except ValueError as error:
        raise NotFound from error
    try:
        days = int(written) if written else None
        retention.put(
            scope.session(),
            tenant_id=who.tenant_id,
            kind=which,
            days=days,
            country=who.company.country,
            by=who.principal_id,
        )
    except (ValueError, RetentionBoundsError):
        least, most = retention.bounds(which, country=who.company.country)
        problem = gettext("Whole days, from %(least)s to %(most)s.", least=least, most=most)
        return make_response(_list({kind: problem}), 422)
    said.done(
        gettext("Saved. Nothing is removed before a day has gone: what the next night removes stands here.")
    )
    return redirect("/portal/retention", 303)


def _list(errors: dict[str, str] | None = None) -> str:
    who, session, services = identity.current(), scope.session(), scope.services()
    found = retaining.outlook(
        session,
        tenant_id=who.tenant_id,
        storage=services.storage,
        recording_dir=services.settings.recording_dir,
    )
    return render_template(
        "portal/retention.html",
        rules=[_rule(one) for one in found],
        runs=[_run(one) for one in retention.runs(session, tenant_id=who.tenant_id)],
        may_write="privacy.write" in who.permissions,
        errors=errors or {},
        given=request.form.get("days", ""),
    )


def _rule(one: Outlook) -> RuleRow:
    name, what = KINDS[one.kind]
    return RuleRow(
        one.kind.value, str(name), str(what), one.days, one.least, one.most, one.next_at, one.removes
    )


def _run(one: Run) -> RunRow:
    removed = [(str(KINDS[KeptKind(kind)][0]), number) for kind, number in one.counts.items()]
    return RunRow(one.on_day, one.ended_at is not None, one.is_held, removed)
