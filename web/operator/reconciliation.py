"""Our books beside the payment provider's: runs, and each difference with who answers for it and why."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from billing.payments import differences
from billing.payments.books import Balance, Differs
from billing.payments.differences import Difference, Standing
from billing.payments.port import Moved
from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from core.money import Money
from tenants import users
from tenants.roles import permitted
from web import identity, said, scope
from web.guards import permission
from web.operator import jobs, rounds
from web.operator.views import pages
from wiring import reconciling

_HERE = "/operator/reconciliation"
_BUSINESS = frozenset({"refused", "conflict", "invalid", "unavailable"})
MOVED: Mapping[Moved, LazyString] = {
    Moved.PAYMENT: _l("Payment"),
    Moved.REFUND: _l("Refund"),
    Moved.REFUND_FAILED: _l("Refund that came back"),
    Moved.DISPUTE: _l("Chargeback"),
    Moved.DISPUTE_WON: _l("Chargeback decided for us"),
    Moved.PAYOUT: _l("Payout to the bank"),
    Moved.PAYOUT_FAILED: _l("Payout that came back"),
    Moved.FEE: _l("Fee of the payment provider"),
    Moved.BALANCE: _l("All that the provider holds"),
    Moved.OTHER: _l("Something else of the provider’s"),
    Moved.INVOICE: _l("Copy of an invoice"),
}
DIFFERS: Mapping[Differs, LazyString] = {
    Differs.MISSING_HERE: _l("Missing in our books"),
    Differs.MISSING_THERE: _l("Missing at the provider"),
    Differs.AMOUNT: _l("Another amount"),
    Differs.FEE: _l("Another fee"),
    Differs.CURRENCY: _l("Another currency"),
    Differs.STATE: _l("Another state"),
    Differs.TWICE: _l("There twice"),
    Differs.TAX: _l("Another tax"),
    Differs.LINES: _l("Other lines"),
}
UNEXPLAINED = _l("More or less than the lines explain")
STANDINGS: Mapping[Standing, tuple[str, LazyString]] = {
    Standing.OPEN: ("warn", _l("Unresolved")),
    Standing.EXPLAINED: ("off", _l("Explained")),
    Standing.SETTLED: ("ok", _l("Settled")),
    Standing.AGREES: ("x", _l("Agrees by itself")),
}


@dataclass(frozen=True, slots=True)
class DifferenceShown:
    """One difference; see templates/operator/reconciliation.html."""

    id: str
    moved: str
    differs: str
    remote_id: str
    company: str
    href: str
    ours: str
    theirs: str
    ours_amount: Money | None
    theirs_amount: Money | None
    at: dt.datetime
    days: int
    is_old: bool
    kind: str
    word: str
    owner: str
    owner_id: str
    reason: str
    decided_by: str
    can_decide: bool


@dataclass(frozen=True, slots=True)
class BalanceShown:
    """What the provider holds in one currency, and what of it our books and the differences explain."""

    currency: str
    ours: Money
    known: Money
    coming: Money
    theirs: Money
    unexplained: Money | None


@dataclass(frozen=True, slots=True)
class RunShown:
    """One comparison."""

    id: str
    start: dt.datetime
    end: dt.datetime
    looked: int
    found: int
    by: str
    is_over: bool
    is_even: bool


@pages.get("/reconciliation")
@permission("billing.read")
def reconciliation() -> str:
    """Show the runs, and the differences of one standing, those first that have stood longest."""
    session, who = scope.session(), identity.current()
    asked = request.args.get("standing", "")
    standing = Standing(asked) if asked in list(Standing) else Standing.OPEN
    found = differences.every(session, standings=[standing])
    runs = differences.runs(session)
    staff = _staff()
    told = {one for each in found for one in (each.owner, each.decided_by) if one}
    told |= {run.started_by for run in runs if run.started_by}
    names = users.names(session, tenant_id=OPERATOR, vault=scope.services().vault, user_ids=told)
    companies = {one.tenant_id: one.name for one in rounds.clients()}
    going = next((one for one in runs if not one.is_over), None)
    weighed = next((one for one in runs if one.balances), None)
    return render_template(
        "operator/reconciliation.html",
        differences=[_shown(one, names, companies) for one in found],
        runs=[
            RunShown(
                ids.public("rcn", one.run_id),
                one.start,
                one.end,
                one.looked,
                one.found,
                names.get(one.started_by, "") if one.started_by else gettext("by itself"),
                one.is_over,
                not any(each.unexplained_minor for each in one.balances),
            )
            for one in runs
        ],
        balances=[_balance(each) for each in weighed.balances] if weighed else [],
        weighed_at=weighed.ended_at if weighed else None,
        going=jobs.news_of(going.run_id) if going else None,
        standing=standing.value,
        standings=[(one.value, str(word)) for one, (_, word) in STANDINGS.items()],
        staff=staff,
        old_days=differences.OLD.days,
        is_connected=scope.services().payments.is_connected,
        may_write="billing.write" in who.permissions,
    )


@pages.post("/reconciliation")
@permission("billing.write")
def reconcile() -> BaseResponse:
    """Compare now."""
    services, by = scope.services(), identity.current().principal_id
    scope.commit()
    try:
        reconciling.begin(services, by=by)
    except SeatlineError as error:
        _refuse(error)
    else:
        said.done(gettext("It is being compared; the page shows how far it is."))
    return redirect(_HERE, 303)


@pages.post("/reconciliation/<difference_id>/assign")
@permission("billing.write")
def assign_difference(difference_id: str) -> BaseResponse:
    """Let somebody of the staff answer for a difference."""
    chosen = request.form.get("owner", "")
    owner = ids.parse("usr", chosen) if chosen in dict(_staff()) else None
    differences.give(scope.session(), difference_id=ids.parse("dif", difference_id), owner=owner)
    said.done(gettext("Assigned.") if owner else gettext("Nobody answers for it now."))
    return redirect(_back(), 303)


@pages.post("/reconciliation/<difference_id>/decide")
@permission("billing.write")
def decide_difference(difference_id: str) -> BaseResponse:
    """Explain or settle a difference, or open it again, and say why."""
    chosen = request.form.get("standing", "")
    try:
        differences.decide(
            scope.session(),
            difference_id=ids.parse("dif", difference_id),
            standing=Standing(chosen) if chosen in list(Standing) else Standing.AGREES,
            reason=request.form.get("reason", ""),
            by=identity.current().principal_id,
        )
    except SeatlineError as error:
        scope.rollback()
        _refuse(error)
    else:
        said.done(gettext("Written down."))
    return redirect(_back(), 303)


def _shown(one: Difference, names: Mapping[UUID, str], companies: Mapping[TenantId, str]) -> DifferenceShown:
    found = one.found
    home = f"/operator/companies/{ids.public('ten', found.tenant_id)}" if found.tenant_id else ""
    href = ""
    if found.tenant_id in companies and found.payment_id:
        href = f"{home}/payments/{ids.public('pay', found.payment_id)}"
    if found.tenant_id in companies and found.moved is Moved.INVOICE:
        href = f"{home}/invoices/{found.remote_id}"
    kind, word = STANDINGS[one.standing]
    age = clock.now() - one.first_at
    return DifferenceShown(
        id=ids.public("dif", one.difference_id),
        moved=str(MOVED[found.moved]),
        differs=str(UNEXPLAINED if found.moved is Moved.BALANCE else DIFFERS[found.differs]),
        remote_id=found.remote_id,
        company=companies.get(found.tenant_id, "") if found.tenant_id else "",
        href=href,
        ours=found.ours,
        theirs=found.theirs,
        ours_amount=None if found.ours_minor is None else Money(found.ours_minor, found.currency),
        theirs_amount=None if found.theirs_minor is None else Money(found.theirs_minor, _theirs(one)),
        at=found.at,
        days=age.days,
        is_old=one.standing is Standing.OPEN and age > differences.OLD,
        kind=kind,
        word=str(word),
        owner=names.get(one.owner, "") if one.owner else "",
        owner_id=ids.public("usr", one.owner) if one.owner else "",
        reason=one.reason,
        decided_by=names.get(one.decided_by, "") if one.decided_by else "",
        can_decide=one.standing is not Standing.AGREES,
    )


def _balance(one: Balance) -> BalanceShown:
    return BalanceShown(
        currency=one.currency,
        ours=Money(one.ours_minor, one.currency),
        known=Money(one.known_minor, one.currency),
        coming=Money(one.coming_minor, one.currency),
        theirs=Money(one.theirs_minor, one.currency),
        unexplained=Money(one.unexplained_minor, one.currency) if one.unexplained_minor else None,
    )


def _theirs(one: Difference) -> str:
    return one.found.theirs if one.found.differs is Differs.CURRENCY else one.found.currency


def _staff() -> list[tuple[str, str]]:
    """Return who of the staff may answer for money, by name."""
    everyone = users.everyone(scope.session(), tenant_id=OPERATOR, vault=scope.services().vault)
    mine = [one for one in everyone if "billing.write" in permitted(one.roles)]
    return sorted(((ids.public("usr", one.id), one.name) for one in mine), key=lambda pair: pair[1])


def _back() -> str:
    asked = request.form.get("from", "")
    return f"{_HERE}?standing={asked}" if asked in list(Standing) else _HERE


def _refuse(error: SeatlineError) -> None:
    if error.kind not in _BUSINESS:
        raise error
    said.why(error)
