"""Closing a company's month: how the service was that was promised, and bills that are held."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from flask import redirect, render_template, request
from flask_babel import format_percent, gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, periods, promises, safety
from billing.agreed import Count
from billing.errors import ServiceCountError
from billing.promises import Promise
from billing.safety import Hold, Safety
from core import clock, ids
from core.errors import SeatlineError
from tenants.companies import Company
from web import identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator import safety as shown
from web.operator.views import pages
from web.plain import whole
from web.shown import wording

_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """What is promised; see templates/operator/closing.html."""

    code: str
    name: str
    promised: str
    share: str
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class _Month:
    """A month of a company: its first day, whether it is over, what is promised, what was counted."""

    first_on: dt.date
    promises: tuple[Promise, ...]
    counts: tuple[Count, ...]
    holds: tuple[Hold, ...]
    rules: Safety
    currency: str


@pages.get("/companies/<company_id>/closing")
@permission("billing.read")
def company_closing(company_id: str) -> str:
    """Show what closing a month still needs, and take it."""
    company = rounds.one(company_id)
    asked, usual = request.args.get("month", ""), safety.usual(scope.session())

    def look(session: Session) -> _Month:
        account = accounts.find(session, tenant_id=company.tenant_id)
        first_on = _first_of(asked) or _last_month(account.zone)
        month = periods.month(first_on.year, first_on.month, zone=account.zone)
        return _Month(
            first_on,
            promises.promised(session, tenant_id=company.tenant_id, month=month),
            promises.of_month(session, tenant_id=company.tenant_id, month_on=first_on),
            safety.held(session, tenant_id=company.tenant_id),
            safety.find(session, tenant_id=company.tenant_id, usual=usual),
            account.currency,
        )

    found = rounds.visit(company, look)
    return render_template(
        "operator/closing.html",
        company_=company,
        home=f"/operator/companies/{company_id}",
        month=f"{found.first_on:%Y-%m}",
        first_on=found.first_on,
        promises=[_row(one, found.counts) for one in found.promises],
        holds=shown.rows(found.holds, currency=found.currency),
        rules=shown.shown(found.rules),
        may_write="billing.write" in identity.current().permissions,
    )


@pages.post("/companies/<company_id>/closing/service")
@permission("billing.write")
def give_service_count(company_id: str) -> BaseResponse:
    """Take how the service was in one queue and month, over what was said before."""
    company = rounds.one(company_id)

    def do(session: Session) -> None:
        offered, in_time = (whole(request.form.get(name, ""), longest=9) for name in ("offered", "in_time"))
        if offered is None or in_time is None:
            raise ServiceCountError
        promises.give(
            session,
            tenant_id=company.tenant_id,
            month_on=_month(),
            count=Count(request.form.get("code", ""), request.form.get("queue", ""), offered, in_time),
            by=identity.current().user_id,
        )

    return _done(company, do, gettext("It is noted; drafts made from now on know it."))


@pages.post("/companies/<company_id>/closing/service/back")
@permission("billing.write")
def take_service_count_back(company_id: str) -> BaseResponse:
    """Forget what was said of one queue and month."""
    company = rounds.one(company_id)

    def do(session: Session) -> None:
        promises.take_back(
            session,
            tenant_id=company.tenant_id,
            month_on=_month(),
            code=request.form.get("code", ""),
            queue=request.form.get("queue", ""),
        )

    return _done(company, do, gettext("It is forgotten."))


def _row(one: Promise, counts: tuple[Count, ...]) -> PromiseRow:
    of_it = tuple(count for count in counts if count.code == one.level.code)
    offered, in_time = sum(count.offered for count in of_it), sum(count.in_time for count in of_it)
    return PromiseRow(
        one.level.code,
        wording.named(one.names, one.level.code),
        _percent(one.level.steps[0].below_ppm),
        _percent(in_time * 1_000_000 // offered) if offered else "",
        of_it,
    )


def _percent(ppm: int) -> str:
    return str(format_percent(Decimal(ppm) / 1_000_000, "#,##0.##%"))


def _month() -> dt.date:
    found = _first_of(request.form.get("month", ""))
    if found is None:
        raise ServiceCountError
    return found


def _first_of(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        return None


def _last_month(zone: str) -> dt.date:
    today = periods.day_of(clock.now(), zone=zone)
    return (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def _done(company: Company, do: Callable[[Session], None], done: str) -> BaseResponse:
    try:
        rounds.visit(company, do)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(done)
    month = _first_of(request.form.get("month", ""))
    asked = f"?month={month:%Y-%m}" if month else ""
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}/closing{asked}", 303)
