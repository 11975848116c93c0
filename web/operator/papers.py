"""The papers of a number in stock: stating them anew, and letting nobody show the number any more."""

import datetime as dt
import zoneinfo

from flask import redirect, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR, NumberId
from telephony import number_rentals, number_rights, numbers
from telephony.number_rentals import NumberRental, Settings
from telephony.number_rights import NumberRightError
from telephony.rights import Attestation, Holder, Paper, Right
from tenants import companies
from web import edits, identity, said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_DAY = dt.timedelta(days=1)


@pages.post("/stock/numbers/<number_id>/papers")
@permission("stock.write")
def state_papers(number_id: str) -> Response:
    """State whose a number is and by which paper it may be shown, from now on."""
    wanted = NumberId(ids.parse("num", number_id))
    try:
        rental = number_rights.state(
            scope.session(), number_id=wanted, wanted=_stated(), by=identity.current().principal_id
        )
    except SeatlineError as error:
        return _refused(error, number_id)
    _tell(rental)
    said.done(gettext("Stated. It counts from the next call on."))
    return redirect(_page(number_id), 303)


@pages.post("/stock/numbers/<number_id>/papers/withdraw")
@permission("stock.write")
def withdraw_papers(number_id: str) -> Response:
    """Let no call show a number any more."""
    try:
        rental = number_rights.withdraw(
            scope.session(),
            number_id=NumberId(ids.parse("num", number_id)),
            version=edits.revision(request.form),
            by=identity.current().principal_id,
        )
    except SeatlineError as error:
        return _refused(error, number_id)
    _tell(rental)
    said.done(gettext("Withdrawn: no call shows the number from now on."))
    return redirect(_page(number_id), 303)


def _tell(rental: NumberRental | None) -> None:
    """Bring the renter's own row to it at once; should that fail, the event does it a moment later."""
    if rental is None:
        return
    renter = companies.read(scope.session(), tenant_id=rental.renter_tenant_id)
    event = number_rentals.changed(rental, Settings())
    scope.after_commit(
        lambda: rounds.visit(
            renter, lambda session: numbers.follow(session, tenant_id=renter.tenant_id, event=event)
        )
    )


def _stated() -> Right:
    form = request.form
    first_on, last = tables.day_of(form.get("from_on", "")), form.get("last_on", "").strip()
    last_on = tables.day_of(last) if last else None
    if first_on is None:
        raise NumberRightError(field="from_on")
    if last and last_on is None:
        raise NumberRightError(field="ends_on")
    try:
        holder, paper = Holder(form.get("holder", "")), Paper(form.get("paper", ""))
        attestation = Attestation(form.get("attestation", ""))
    except ValueError as error:
        raise NumberRightError(field="holder") from error
    is_client, is_carrier = holder is Holder.CLIENT, holder is Holder.CARRIER
    return Right(
        holder=holder,
        holder_name=form.get("holder_name", "").strip() if is_carrier else "",
        holder_tenant_id=rounds.one(form.get("company", "")).tenant_id if is_client else None,
        paper=paper,
        reference=form.get("reference", "").strip(),
        attestation=attestation,
        starts_at=_midnight(first_on),
        ends_at=_midnight(last_on + _DAY) if last_on else None,
        version=edits.revision(form),
    )


def _midnight(on: dt.date) -> dt.datetime:
    """Return when a day begins at the operator's."""
    zone = zoneinfo.ZoneInfo(companies.read(scope.session(), tenant_id=OPERATOR).zone)
    return dt.datetime.combine(on, dt.time(), tzinfo=zone).astimezone(dt.UTC)


def today() -> dt.date:
    """Return the day it is at the operator's."""
    zone = zoneinfo.ZoneInfo(companies.read(scope.session(), tenant_id=OPERATOR).zone)
    return clock.now().astimezone(zone).date()


def _page(number_id: str) -> str:
    return f"/operator/stock/numbers/{number_id}"


def _refused(error: SeatlineError, number_id: str) -> Response:
    """Say what stands in the way, back on the page; what is no business of the form goes on as an error."""
    if error.kind not in _BUSINESS:
        raise error
    scope.rollback()
    said.why(error)
    return redirect(_page(number_id), 303)
