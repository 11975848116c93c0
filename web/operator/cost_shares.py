"""Which part of a company's calls another company pays: looked at, agreed from a day on, ended."""

import datetime as dt
import zoneinfo

from flask import redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import sharing
from billing.errors import CostShareInvalidError
from billing.rating.shares import Share
from core import clock, ids
from core.errors import SeatlineError
from core.ids import UserId
from tenants.companies import Company
from web import identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.plain import whole
from web.shown import cost_shares as shown
from wiring import sharing as wired

_SPARE = 3
_MOST = 40
_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})


@pages.get("/companies/<company_id>/cost-shares")
@permission("billing.read")
def company_cost_shares(company_id: str) -> str:
    """Show who pays a part of a company's calls, and of whose calls it pays one."""
    company = rounds.one(company_id)

    def look(session: Session) -> dict[str, object]:
        current = sharing.current(session, tenant_id=company.tenant_id)
        return {
            "agreements": shown.shown(session, tenant_id=company.tenant_id),
            "choices": shown.choices(session, tenant_id=company.tenant_id),
            "other": ids.public("ten", current.other_id) if current else "",
            "given": [(shown.code(one.meter, one.destination), one.other_percent) for one in current.shares]
            if current
            else [],
        }

    found = rounds.visit(company, look)
    others = [one for one in rounds.clients() if one.tenant_id != company.tenant_id]
    return render_template(
        "operator/cost_shares.html",
        company_=company,
        home=f"/operator/companies/{company_id}",
        others=[(ids.public("ten", one.tenant_id), one.name) for one in others],
        first_on=_today(company) + dt.timedelta(days=1),
        spare=_SPARE,
        may_write="billing.write" in identity.current().permissions,
        **found,
    )


@pages.post("/companies/<company_id>/cost-shares")
@permission("billing.write")
def set_cost_shares(company_id: str) -> BaseResponse:
    """Let another company pay a part of this one's calls from a day on; without any part, end that."""
    company = rounds.one(company_id)
    by = UserId(identity.current().principal_id)
    try:
        other = rounds.one(request.form.get("other", ""))
        agreed = () if request.form.get("end") else _agreed()
        start = _start(company)
        scope.commit()
        wired.agree(
            scope.services(),
            tenant_id=company.tenant_id,
            other_id=other.tenant_id,
            agreed=agreed,
            start=start,
            by=by,
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(gettext("It is agreed; both companies see it.") if agreed else gettext("It is ended."))
    return redirect(f"/operator/companies/{company_id}/cost-shares", 303)


def _agreed() -> tuple[Share, ...]:
    """Return the parts that were chosen; a row without calls or without a percentage says nothing.

    Raises:
        CostShareInvalidError: no row says anything, or one a percentage that is no number.
    """
    rows = zip(request.form.getlist("calls")[:_MOST], request.form.getlist("percent")[:_MOST], strict=False)
    found = []
    for calls, percent in rows:
        if not calls or not percent.strip():
            continue
        meter, _, destination = calls.partition("|")
        number = whole(percent.strip(), longest=3)
        if number is None:
            raise CostShareInvalidError
        found.append(Share(meter, number, destination))
    if not found:
        raise CostShareInvalidError
    return tuple(found)


def _start(company: Company) -> dt.datetime:
    """Return the first moment of the day that was chosen, in the company's zone.

    Raises:
        CostShareInvalidError: that is no day, or today is over it.
    """
    try:
        day = dt.date.fromisoformat(request.form.get("from", ""))
        start = dt.datetime.combine(day, dt.time(), tzinfo=zoneinfo.ZoneInfo(company.zone))
        return start.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise CostShareInvalidError from None


def _today(company: Company) -> dt.date:
    return clock.now().astimezone(zoneinfo.ZoneInfo(company.zone)).date()
