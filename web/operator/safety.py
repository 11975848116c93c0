"""Safety: what bills may come to, above what two people decide, and bills that are held."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from flask import redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import safety
from billing.errors import SafetyInvalidError
from billing.safety import LINES_A_DAY, MILLI, Hold, Reason, Safety
from core import ids
from core.errors import SeatlineError
from core.ids import OPERATOR
from core.money import Money, typed
from tenants.companies import Company
from web import identity, said, scope
from web.amounts import AmountTypedError
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.plain import whole

_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})
REASONS: Mapping[Reason, LazyString] = {
    Reason.NEGATIVE: _l("It comes to less than nothing"),
    Reason.TOO_MANY_LINES: _l("It has more lines than was set"),
    Reason.ABOVE_MOST: _l("It is above the most that was set"),
    Reason.ABOVE_MEAN: _l("It is far above the bills before it"),
}


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A bill that is held; see templates/operator/closing.html."""

    id: str
    reason: str
    total: Money
    bound: Money
    lines: int | None
    most_lines: int | None
    why: str
    is_asked: bool
    is_mine: bool


@pages.get("/safety")
@permission("billing.read")
def safety_rules() -> str:
    """Show what holds for every company's bills."""
    return render_template(
        "operator/safety.html",
        rules=shown(safety.usual(scope.session())),
        may_write="billing.write" in identity.current().permissions,
    )


@pages.post("/safety")
@permission("billing.write")
def set_safety() -> BaseResponse:
    """Set what holds for every company's bills."""
    try:
        safety.change(scope.session(), tenant_id=OPERATOR, safety=_typed(), by=identity.current().user_id)
    except (AmountTypedError, SafetyInvalidError) as error:
        scope.rollback()
        _refuse(error)
    else:
        said.done(gettext("It holds from now on."))
    return redirect("/operator/safety", 303)


@pages.post("/companies/<company_id>/closing/bounds")
@permission("billing.write")
def set_bounds(company_id: str) -> BaseResponse:
    """Set what one company's bills may come to."""
    company = rounds.one(company_id)
    by = identity.current().user_id

    def do(session: Session) -> None:
        safety.change(session, tenant_id=company.tenant_id, safety=_typed(), by=by)

    return _done(company, do, gettext("It holds from now on."))


@pages.post("/companies/<company_id>/closing/release")
@permission("billing.write")
def release_bill(company_id: str) -> BaseResponse:
    """Let a held bill be finalised as it stands; above the limit somebody else has to say so, too."""
    company = rounds.one(company_id)
    by, rules = identity.current().user_id, safety.usual(scope.session())

    def do(session: Session) -> bool:
        return safety.release(
            session,
            tenant_id=company.tenant_id,
            invoice_id=ids.parse("inv", request.form.get("invoice", "")),
            why=request.form.get("why", ""),
            by=by,
            safety=rules,
        )

    return _done(company, do, gettext("It is released, and can be finalised as it stands."))


def rows(holds: tuple[Hold, ...], *, currency: str) -> list[HoldRow]:
    """Return bills that are held as a page shows them."""
    me = identity.current().user_id
    return [
        HoldRow(
            ids.public("inv", one.invoice_id),
            str(REASONS[one.outside.reason]),
            Money(one.outside.total_minor, currency),
            Money(one.outside.bound_minor, currency),
            one.outside.lines,
            one.outside.most_lines,
            one.why,
            one.asked_by is not None,
            one.asked_by == me,
        )
        for one in holds
    ]


def shown(rules: Safety) -> dict[str, str]:
    """Return rules as the fields of a form."""
    return {
        "second": str(rules.second_above),
        "times": f"{Decimal(rules.times_milli) / MILLI:f}",
        "most": "" if rules.most is None else str(rules.most),
        "lines": str(rules.lines_a_day),
    }


def _typed() -> Safety:
    form = request.form
    second = whole(form.get("second", "0").strip(), longest=9)
    most = whole(form["most"].strip(), longest=9) if form.get("most", "").strip() else None
    lines = whole(form.get("lines", "").strip() or str(LINES_A_DAY), longest=4)
    many = typed(form.get("times", ""))
    if many is None:
        raise AmountTypedError
    times = many * MILLI
    if second is None or lines is None or (most is None and form.get("most", "").strip()):
        raise SafetyInvalidError
    if times != times.to_integral_value():
        raise SafetyInvalidError
    return Safety(second, int(times), most, lines_a_day=lines)


def _refuse(error: SeatlineError) -> None:
    if error.kind not in _BUSINESS:
        raise error
    said.why(error)


def _done(company: Company, do: Callable[[Session], bool | None], done: str) -> BaseResponse:
    try:
        is_done = rounds.visit(company, do)
    except SeatlineError as error:
        _refuse(error)
    else:
        said.done(gettext("Somebody else has to decide about it now.") if is_done is False else done)
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}/closing", 303)
