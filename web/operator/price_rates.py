"""One rate of a draft: its time bands, what it costs from which second on, its bounds, whose holidays count.

A rate is a few rows of the sheet (`wiring.price_sheet`): what is typed here is read by what reads files, so a
page and a file can say the same, and refuse the same.
"""

import csv
import io
from collections.abc import Mapping, Sequence

from flask import flash, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import price_drafts
from billing.errors import PriceListError, PriceListNotFoundError
from billing.price_drafts import Contents
from billing.rating.tariff import DatedRate
from core import ids
from core.errors import SeatlineError
from core.ids import OPERATOR
from web import edits, identity, refusals, scope, words
from web.guards import permission
from web.operator import prices
from web.operator.views import pages
from web.shown import wording
from wiring import price_sheet

_MOST_ROWS = 60
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
    typed = _typed(one)
    sheet = price_sheet.read(io.BytesIO(_csv(typed).encode()))
    errors = {str(at): prices.fault(fault) for at, fault in enumerate(sheet.faults)}
    if not errors:
        try:
            price_drafts.revise(
                scope.session(),
                tenant_id=OPERATOR,
                version_id=found.version.version_id,
                rates=[sheet.rates[0] if each == one else each for each in found.rates],
                holiday_calendar=request.form.get("calendar", "").strip().upper(),
                revision=edits.revision(request.form) if "revision" in request.form else None,
            )
        except PriceListError as error:
            errors = {str(at): text for at, text in enumerate(prices.problems(error))}
        except SeatlineError as error:
            if error.kind not in _BUSINESS:
                raise
            refusals.note(error, error.code)
            known = words.problem(error.code, error.kind)
            errors = {"0": f"{known.title}. {known.advice}"}
    if errors:
        scope.rollback()
        return make_response(_page(found, one, typed, errors=errors), 422)
    flash(gettext("The draft is saved."), "ok")
    return redirect(prices.address(list_id, number, kind=one.meter), 303)


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


def _typed(one: DatedRate) -> list[dict[str, str]]:
    """Return the rows that the form says, those left empty left out; what is of the whole stands on each."""
    form = request.form
    whole = {
        "meter": one.meter,
        "prefix": one.prefix,
        "destination": one.destination,
        **{name: form.get(name, "").strip() for name in WHOLE},
    }
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
    found: Contents, one: DatedRate, rows: Sequence[Mapping[str, str]], *, errors: Mapping[str, str]
) -> str:
    list_id = ids.public("pl", found.price_list.price_list_id)
    number = found.version.version
    return render_template(
        "operator/price_rate.html",
        price_list={"id": list_id, "name": found.price_list.name, "currency": found.price_list.currency},
        zone=found.price_list.zone,
        number=number,
        rate_id=prices.rate_id(one),
        prefix=one.prefix,
        destination=wording.named(found.destinations.get(one.destination, {}), one.destination),
        meter=wording.meter(one.meter),
        rows=rows,
        whole={name: rows[0].get(name, "") for name in WHOLE},
        calendar=request.form.get("calendar", found.version.holiday_calendar),
        revision=found.version.revision,
        back=prices.address(list_id, number, kind=one.meter),
        errors=list(errors.values()),
        may_write=found.version.published_at is None and "prices.write" in identity.current().permissions,
    )
