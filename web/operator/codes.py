"""A short code that companies share: what who calls hears, who is chosen by which keys, what callers did."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from flask import flash, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR, NumberId
from core.phone import LineKind
from telephony import numbers, orders, shared_codes
from telephony.errors import CodeNotSharedError
from telephony.orders import OrderKind
from telephony.shared_codes import Count, Outcome
from telephony.shared_menu import PATIENCE, TRIES, menu_text
from web import identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

COUNTED_DAYS: Final = 30
_BUSINESS: Final = frozenset({"refused", "conflict", "invalid"})


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """A company on the code; see templates/operator/shared_code.html."""

    id: str
    keys: str
    name: str
    is_spoken: bool
    company: str
    href: str
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many callers came to one outcome, and for how long they were nobody's, together."""

    outcome: str
    words: str
    calls: int
    seconds: int


@pages.get("/stock/numbers/<code_id>/code")
@permission("stock.read")
def shared_code(code_id: str) -> str:
    """Show a short code: its menu, the companies on it, and what its callers did."""
    session, number_id = scope.session(), NumberId(ids.parse("num", code_id))
    stock = numbers.of_stock(session, number_id=number_id)
    if stock.kind != LineKind.SHORT:
        raise CodeNotSharedError
    try:
        code = shared_codes.of(session, code_id=number_id)
    except CodeNotSharedError:
        code = None
    since = (clock.now() - dt.timedelta(days=COUNTED_DAYS)).astimezone(dt.UTC).date()
    names = {one.tenant_id: one.name for one in rounds.clients()}
    return render_template(
        "operator/shared_code.html",
        id=code_id,
        digits=stock.digits,
        is_shared=code is not None,
        may_write="stock.write" in identity.current().permissions,
        is_free=stock.renter_tenant_id is None,
        greeting=code.greeting if code else "",
        language=code.language if code else "en",
        said=menu_text(code) if code and code.choices else "",
        tries=TRIES,
        patience_s=int(PATIENCE.total_seconds()),
        choices=[
            ChoiceRow(
                ids.public("num", one.choice_id),
                one.keys,
                one.name,
                one.is_spoken,
                names.get(one.renter_tenant_id, ""),
                f"/operator/companies/{ids.public('ten', one.renter_tenant_id)}",
                one.starts_at,
            )
            for one in (code.choices if code else ())
        ],
        counts=_shown(shared_codes.counts(session, code_id=number_id, since=since)),
        days=COUNTED_DAYS,
        companies=_others({one.renter_tenant_id for one in code.choices} if code else set()),
    )


@pages.post("/stock/numbers/<code_id>/code")
@permission("stock.write")
def share_code(code_id: str) -> Response:
    """Let companies share a short code, or change what its callers hear first."""
    number_id, here = NumberId(ids.parse("num", code_id)), _page(code_id)
    try:
        code = shared_codes.share(
            scope.session(),
            number_id=number_id,
            greeting=request.form.get("greeting", "").strip(),
            language=request.form.get("language", ""),
        )
    except SeatlineError as error:
        return _refused(error, here)
    _reload()
    flash(gettext("%(code)s is shared; callers hear this from now on.", code=code.digits), "ok")
    return redirect(here, 303)


@pages.post("/stock/numbers/<code_id>/code/end")
@permission("stock.write")
def end_code(code_id: str) -> Response:
    """Share a code no longer; it can be rented to one company again."""
    number_id, here = NumberId(ids.parse("num", code_id)), _page(code_id)
    try:
        shared_codes.end(scope.session(), code_id=number_id)
    except SeatlineError as error:
        return _refused(error, here)
    _reload()
    flash(gettext("The code is shared no longer. It can be rented to one company."), "ok")
    return redirect(here, 303)


@pages.post("/stock/numbers/<code_id>/code/companies")
@permission("stock.write")
def add_to_code(code_id: str) -> Response:
    """Put a company on a code: callers who press its keys reach it from now on."""
    number_id, here = NumberId(ids.parse("num", code_id)), _page(code_id)
    company = rounds.one(request.form.get("company", ""))
    try:
        made = shared_codes.add(
            scope.session(),
            code_id=number_id,
            renter_tenant_id=company.tenant_id,
            keys=request.form.get("keys", "").strip(),
            name=request.form.get("name", "").strip() or company.name,
            is_spoken=request.form.get("spoken") == "on",
        )
    except SeatlineError as error:
        return _refused(error, here)
    _reload()
    flash(gettext("Who presses %(keys)s reaches %(company)s.", keys=made.keys, company=company.name), "ok")
    return redirect(here, 303)


@pages.post("/stock/numbers/<code_id>/code/companies/<choice_id>/end")
@permission("stock.write")
def take_off_code(code_id: str, choice_id: str) -> Response:
    """Take a company off a code now."""
    number_id, here = NumberId(ids.parse("num", code_id)), _page(code_id)
    choice = NumberId(ids.parse("num", choice_id))
    code = shared_codes.of(scope.session(), code_id=number_id)
    if choice not in {one.choice_id for one in code.choices}:
        raise CodeNotSharedError
    gone = shared_codes.leave(scope.session(), choice_id=choice)
    _reload()
    flash(gettext("Nobody is reached by %(keys)s any more; the keys rest.", keys=gone.keys), "ok")
    return redirect(here, 303)


def _page(code_id: str) -> str:
    return f"/operator/stock/numbers/{code_id}/code"


def _others(on_it: set[ids.TenantId]) -> list[tuple[str, str]]:
    return [
        (ids.public("ten", one.tenant_id), one.name)
        for one in rounds.clients()
        if one.status == "active" and one.tenant_id not in on_it
    ]


def _shown(counts: list[Count]) -> list[CountRow]:
    said = {
        Outcome.CHOSEN: gettext("chose a company in the menu"),
        Outcome.DIALLED: gettext("dialled a company’s keys after the code"),
        Outcome.NOTHING: gettext("pressed nothing"),
        Outcome.WRONG: gettext("pressed keys of nobody"),
        Outcome.LEFT: gettext("hung up before they chose"),
        Outcome.CLOSED: gettext("chose a company that could not be called"),
        Outcome.FULL: gettext("found no free line"),
        Outcome.LOST: gettext("were asked again after our line to the switch broke"),
    }
    return [
        CountRow(one.outcome.value, said[one.outcome], one.calls, round(one.duration_ms / 1000))
        for one in counts
    ]


def _reload() -> None:
    """Tell the switchboard that a code has changed."""
    orders.leave(scope.session(), OrderKind.RELOAD)
    realtime = scope.services().realtime
    scope.after_commit(lambda: realtime.publish(OPERATOR, orders.WAKE_UP, {}))


def _refused(error: SeatlineError, back: str) -> Response:
    """Say what stands in the way, back on the page; what is no business of the form goes on as an error."""
    if error.kind not in _BUSINESS:
        raise error
    scope.rollback()
    said.why(error)
    return redirect(back, 303)
