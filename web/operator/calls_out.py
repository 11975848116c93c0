"""Calls out as the operator holds them: how much a company may call, numbers nobody may, the kill switch."""

from dataclasses import asdict

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from telephony import orders
from telephony.orders import OrderKind
from telephony.outbound import limits, stops
from telephony.outbound.limits import CallingLimitError, CallingLimitsChangedError, Caps
from telephony.outbound.stops import BarredAlreadyError, BarredPrefixError, NotBarredError, Side, Why
from tenants.companies import Company
from web import edits, identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import calls_out as shown

_BARRED = "/operator/barred"


@pages.get("/companies/<company_id>/calls-out")
@permission("companies.read")
def company_calls_out(company_id: str) -> str:
    """Show what a company may call, with the defaults, and how its day stands."""
    company = rounds.one(company_id)
    caps = rounds.visit(company, lambda session: limits.caps(session, tenant_id=company.tenant_id))
    return _page(company, shown.typed_caps(caps, company.currency), revision=caps.revision)


@pages.post("/companies/<company_id>/calls-out")
@permission("companies.write")
def set_calls_out(company_id: str) -> BaseResponse:
    """Set how much a company may call; when somebody saved first, show both versions instead."""
    company = rounds.one(company_id)
    given, revision = edits.given(shown.cap_fields(), request.form), edits.revision(request.form)
    try:
        caps = shown.read_caps(given, revision=revision, currency=company.currency)
        rounds.visit(
            company,
            lambda session: limits.change_caps(session, tenant_id=company.tenant_id, caps=caps),
        )
        orders.leave(scope.session(), OrderKind.RELOAD)  # numbers remember how many lines there are
    except CallingLimitsChangedError:
        now = rounds.visit(company, lambda session: limits.caps(session, tenant_id=company.tenant_id))
        theirs = shown.typed_caps(now, company.currency)
        return edits.conflicting(  # noqa: S604 - `shell` is a template here
            gettext("Calls out of %(name)s", name=company.name),
            edits.differences(shown.cap_fields(), yours=given, theirs=theirs),
            action=_here(company),
            revision=now.revision,
            back=_here(company),
            shell="shell/operator.html",
            nav="companies",
        )
    except CallingLimitError as error:
        wrong = str(error.details["field"])
        return make_response(_page(company, given, revision=revision, wrong=wrong), 422)
    said.done(gettext("Saved. It holds from the next call on."))
    return redirect(_here(company), 303)


@pages.post("/companies/<company_id>/calls-out/stop")
@permission("companies.write")
def stop_company_calls_out(company_id: str) -> BaseResponse:
    """Let no call of a company go out from now on; calls under way end, or go on."""
    company, by = rounds.one(company_id), identity.current().principal_id
    rounds.visit(
        company,
        lambda session: stops.stop(session, tenant_id=company.tenant_id, side=Side.OPERATOR, by=by),
    )
    if request.form.get("running") == "end":
        shown.end_running(company.tenant_id)
    said.done(gettext("Calls out of %(name)s are stopped.", name=company.name))
    return redirect(_here(company), 303)


@pages.post("/companies/<company_id>/calls-out/resume")
@permission("companies.write")
def resume_company_calls_out(company_id: str) -> BaseResponse:
    """Take the operator's stop back; the company's own stays."""
    company = rounds.one(company_id)
    rounds.visit(
        company, lambda session: stops.resume(session, tenant_id=company.tenant_id, side=Side.OPERATOR)
    )
    said.done(gettext("The operator’s stop is lifted."))
    return redirect(_here(company), 303)


@pages.get("/barred")
@permission("companies.read")
def barred_list() -> str:
    """Show the numbers nobody may call."""
    return _barred()


@pages.post("/barred")
@permission("companies.write")
def bar_prefix() -> BaseResponse:
    """Let nobody call numbers that begin so."""
    given = {name: request.form.get(name, "").strip() for name in ("prefix", "why", "note")}
    prefix = given["prefix"].removeprefix("+").replace(" ", "")
    by = identity.current().principal_id
    if not prefix or given["why"] not in shown.WHY_BARRED:
        return make_response(_barred(given, wrong="prefix"), 422)
    try:
        stops.bar(scope.session(), prefix=prefix, why=Why(given["why"]), note=given["note"], by=by)
    except BarredPrefixError as error:
        return make_response(_barred(given, wrong=str(error.details["field"])), 422)
    except BarredAlreadyError:
        return make_response(_barred(given, wrong="already"), 409)
    said.done(
        gettext("+%(prefix)s is barred for everybody.", prefix=prefix),
        undo=f"{_BARRED}/remove",
        fields={"prefix": prefix},
    )
    return redirect(_BARRED, 303)


@pages.post("/barred/remove")
@permission("companies.write")
def unbar_prefix() -> BaseResponse:
    """Take a prefix off the list."""
    prefix = request.form.get("prefix", "")
    if prefix == stops.EVERYTHING:
        raise NotBarredError
    stops.unbar(scope.session(), prefix=prefix)
    said.done(gettext("+%(prefix)s is not barred any more.", prefix=prefix))
    return redirect(_BARRED, 303)


@pages.post("/barred/everything")
@permission("companies.write")
def stop_all_calls_out() -> BaseResponse:
    """Let no call of any company go out from now on; calls under way end, or go on."""
    by = identity.current().principal_id
    stops.bar(scope.session(), prefix=stops.EVERYTHING, why=Why.EVERYTHING, note="", by=by)
    if request.form.get("running") == "end":
        shown.end_running(None)
    said.done(gettext("Calls out of all companies are stopped."))
    return redirect(_BARRED, 303)


@pages.post("/barred/nothing")
@permission("companies.write")
def resume_all_calls_out() -> BaseResponse:
    """Let calls go out again; the list stays, and so does the stop of a single company."""
    stops.unbar(scope.session(), prefix=stops.EVERYTHING)
    said.done(gettext("Calls go out again."))
    return redirect(_BARRED, 303)


def _here(company: Company) -> str:
    return f"/operator/companies/{ids.public('ten', company.tenant_id)}/calls-out"


def _page(company: Company, given: dict[str, str], *, revision: int, wrong: str = "") -> str:
    permissions = identity.current().permissions
    now = rounds.visit(company, lambda session: shown.standing(session, company=company))
    return render_template(
        "operator/calls_out.html",
        company_=company,
        here=_here(company),
        now=now,
        given=given,
        revision=revision,
        wrong=wrong,
        unread=shown.unread(given, company.currency),
        usual=shown.typed_caps(Caps(**asdict(now.usual)), company.currency),
        countries=dict(shown.countries()),
        sees_money="billing.read" in permissions,
        may_write="companies.write" in permissions,
    )


def _barred(given: dict[str, str] | None = None, *, wrong: str = "") -> str:
    every = stops.barred(scope.session())
    return render_template(
        "operator/barred.html",
        barred=[(one, shown.WHY_BARRED[one.why.value]) for one in every if one.prefix != stops.EVERYTHING],
        everything=next((one for one in every if one.prefix == stops.EVERYTHING), None),
        reasons=list(shown.WHY_BARRED.items()),
        given=given or {"prefix": "", "why": "fraud", "note": ""},
        wrong=wrong,
        may_write="companies.write" in identity.current().permissions,
    )
