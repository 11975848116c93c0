"""One rate of a draft: its time bands, what it costs from which second on, its bounds, whose holidays count.

A rate is a few rows of the sheet (`wiring.price_sheet`): what is typed here is read by what reads files, so a
page and a file can say the same, and refuse the same. A draft gets a new rate, and loses one, here as well.
"""

import csv
import io
from collections.abc import Mapping, Sequence

from flask import flash, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import price_drafts
from billing.documents.words import LOCALES
from billing.errors import PriceListError, PriceListNotFoundError
from billing.price_drafts import Contents
from billing.rating.tariff import DatedRate
from core import ids
from core.errors import SeatlineError
from core.ids import OPERATOR
from web import edits, identity, refusals, said, scope, words
from web.guards import permission
from web.operator import prices
from web.operator.price_terms import CALLS
from web.operator.views import pages
from web.shown import wording
from wiring import price_sheet

_MOST_ROWS = 60
# of a new rate: which calls it is for, and what they are called
FRESH = ("meter", "prefix", "destination", "name_en", "name_zh")
# of each row of a form, and of the whole rate
ROW = ("days", "from", "second", "rate", "step_s", "connect")
WHOLE = ("initial_s", "minimum", "maximum", "above", "grace_s", "blocked")
_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@pages.get("/prices/<list_id>/versions/<int:number>/rate")
@permission("prices.read")
def price_rate(list_id: str, number: int) -> str:
    """Show one rate, in a draft to be changed."""
    found = prices.contents(list_id, number)
    one = _rate(found)
    return _page(found, one, _rows_of(one, found), errors={})


@pages.post("/prices/<list_id>/versions/<int:number>/rate")
@permission("prices.write")
def save_rate(list_id: str, number: int) -> BaseResponse:
    """Save one rate of a draft; all of it, or nothing when a field does not fit."""
    found = prices.contents(list_id, number)
    one = _rate(found)
    typed = _typed({"meter": one.meter, "prefix": one.prefix, "destination": one.destination})
    sheet = price_sheet.read(io.BytesIO(_csv(typed).encode()))
    errors = {str(at): prices.fault(fault) for at, fault in enumerate(sheet.faults)}
    if not errors:
        errors = _written(found, [sheet.rates[0] if each == one else each for each in found.rates])
    if errors:
        scope.rollback()
        return make_response(_page(found, one, typed, errors=errors), 422)
    flash(gettext("The draft is saved."), "ok")
    return redirect(prices.address(list_id, number, kind=one.meter), 303)


@pages.post("/prices/<list_id>/versions/<int:number>/rate/remove")
@permission("prices.write")
def remove_rate(list_id: str, number: int) -> BaseResponse:
    """Take one rate out of a draft."""
    found = prices.contents(list_id, number)
    one = _rate(found)
    try:
        price_drafts.revise(
            scope.session(),
            tenant_id=OPERATOR,
            version_id=found.version.version_id,
            rates=[each for each in found.rates if each != one],
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        scope.rollback()
        said.why(error)
    else:
        said.done(gettext("The rate is taken out of the draft."))
    return redirect(prices.address(list_id, number, kind=one.meter), 303)


@pages.get("/prices/<list_id>/versions/<int:number>/rates/new")
@permission("prices.write")
def rate_form(list_id: str, number: int) -> str | BaseResponse:
    """Show the form for one more rate of a draft."""
    found = prices.contents(list_id, number)
    if found.version.published_at is not None:
        return redirect(prices.address(list_id, number), 302)
    return _page(found, None, [{}], errors={})


@pages.post("/prices/<list_id>/versions/<int:number>/rates")
@permission("prices.write")
def add_rate(list_id: str, number: int) -> BaseResponse:
    """Add a rate to a draft; the name of a destination that is known stays when none is typed."""
    found = prices.contents(list_id, number)
    fresh = _fresh()
    typed = _typed({**fresh, "prefix": fresh["prefix"].replace(" ", "").lstrip("+")})
    sheet = price_sheet.read(io.BytesIO(_csv(typed).encode()))
    errors = {one.column or str(at): _wrong(one) for at, one in enumerate(sheet.faults)}
    if fresh["meter"] not in CALLS:
        errors = {"meter": gettext("Choose calls in or calls out.")}
    elif not errors and any(
        (one.meter, one.prefix) == (sheet.rates[0].meter, sheet.rates[0].prefix) for one in found.rates
    ):
        errors["prefix"] = gettext("There is a rate for this prefix already.")
    if not errors:
        code = fresh["destination"]
        names = {language: fresh[f"name_{language}"] for language in LOCALES if fresh[f"name_{language}"]}
        known = found.destinations.get(code) or ({} if names else {"en": code})
        errors = _written(found, [*found.rates, sheet.rates[0]], {code: {**known, **names}})
    if errors:
        scope.rollback()
        return make_response(_page(found, None, typed, errors=errors), 422)
    flash(gettext("The rate is added to the draft."), "ok")
    here = prices.address(list_id, number, kind=fresh["meter"])
    if "again" in request.form:
        here = f"{prices.address(list_id, number)}/rates/new?meter={fresh['meter']}"
    return redirect(here, 303)


def _written(
    found: Contents, rates: Sequence[DatedRate], names: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, str]:
    """Write rates into a draft with the holidays and the revision that were typed; return what is wrong."""
    try:
        price_drafts.revise(
            scope.session(),
            tenant_id=OPERATOR,
            version_id=found.version.version_id,
            destinations={**found.destinations, **(names or {})},
            rates=rates,
            holiday_calendar=request.form.get("calendar", "").strip().upper(),
            revision=edits.revision(request.form) if "revision" in request.form else None,
        )
    except PriceListError as error:
        return {str(at): text for at, text in enumerate(prices.problems(error))}
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        refusals.note(error, error.code)
        known = words.problem(error.code, error.kind)
        return {"0": f"{known.title}. {known.advice}"}
    return {}


def _wrong(fault: price_sheet.Fault) -> str:
    """Return what is wrong with a new rate: at its field, or with the row of its bands."""
    if fault.column == "prefix":
        return str(gettext("Digits only, like 447; empty for all numbers."))
    if fault.column == "destination":
        return str(gettext("Give it a code, like gb-mobile."))
    return prices.fault(fault)


def _fresh() -> dict[str, str]:
    """Return which calls a new rate is for, as typed."""
    fresh = {name: request.values.get(name, "").strip() for name in FRESH}
    return {**fresh, "meter": fresh["meter"] or CALLS[-1]}


def _rate(found: Contents) -> DatedRate:
    wanted = request.values.get("id", "")
    one = next((one for one in found.rates if prices.rate_id(one) == wanted), None)
    if one is None:
        raise PriceListNotFoundError
    return one


def _rows_of(one: DatedRate, found: Contents) -> list[dict[str, str]]:
    """Return a rate's rows as a file would have them."""
    text = price_sheet.write([one], destinations=found.destinations)
    return list(csv.DictReader(io.StringIO(text)))


def _typed(calls: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows that the form says, those left empty left out; what is of the whole stands on each."""
    form = request.form
    whole = {**calls, **{name: form.get(name, "").strip() for name in WHOLE}}
    made = []
    for number in range(_MOST_ROWS):
        row = {name: form.get(f"row.{number}.{name}", "").strip() for name in ROW}
        if row["rate"]:
            made.append({**whole, **row})
    return made or [{**whole, **dict.fromkeys(ROW, "")}]


def _csv(rows: Sequence[Mapping[str, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, price_sheet.COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _page(
    found: Contents, one: DatedRate | None, rows: Sequence[Mapping[str, str]], *, errors: Mapping[str, str]
) -> str:
    """Return the page of a rate; of None the form of a new one."""
    list_id = ids.public("pl", found.price_list.price_list_id)
    number, fresh = found.version.version, None if one else _fresh()
    kind = one.meter if one else request.values.get("meter", "")
    return render_template(
        "operator/price_rate.html",
        price_list={"id": list_id, "name": found.price_list.name, "currency": found.price_list.currency},
        zone=found.price_list.zone,
        number=number,
        fresh=fresh,
        meters=[(code, wording.meter(code)) for code in CALLS],
        destinations=[(code, wording.named(names, code)) for code, names in found.destinations.items()],
        rate_id=prices.rate_id(one) if one else "",
        prefix=one.prefix if one else "",
        destination=wording.named(found.destinations.get(one.destination, {}), one.destination)
        if one
        else "",
        meter=wording.meter(one.meter) if one else "",
        rows=rows,
        whole={name: rows[0].get(name, "") for name in WHOLE},
        calendar=request.form.get("calendar", found.version.holiday_calendar),
        revision=found.version.revision,
        back=prices.address(list_id, number, kind=kind),
        errors=errors,
        may_write=found.version.published_at is None and "prices.write" in identity.current().permissions,
    )
