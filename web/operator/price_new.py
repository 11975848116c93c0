"""A new price list: what companies are asked, or what a carrier asks of us. Its prices come next."""

import functools
import re
import zoneinfo
from collections.abc import Mapping

from babel import Locale
from babel.numbers import get_territory_currencies
from flask import make_response, redirect, render_template, request
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from billing import price_lists
from billing.errors import PriceListError, PriceListTakenError
from core import ids
from core.ids import OPERATOR
from tenants import companies
from web import said, scope
from web.guards import permission
from web.operator.views import pages

CARRIER = "carrier"
PURPOSES: Mapping[str, tuple[LazyString, LazyString]] = {
    "companies": (_l("What companies pay us"), _l("A company is put on it, and billed by it.")),
    CARRIER: (_l("What a carrier charges us"), _l("For the margin of calls out. No company sees it.")),
}
_FIELDS = ("purpose", "name", "code", "carrier", "currency", "zone")
_WRONG: Mapping[str, LazyString] = {
    "name": _l("Give it a name of at most 80 signs."),
    "code": _l("Small letters a to z, digits and hyphens, at most 40, like uk-standard."),
    CARRIER: _l("Say which carrier it is, in at most 60 signs."),
    "currency": _l("Choose a currency."),
    "zone": _l("Choose a time zone."),
}


@pages.get("/prices/new")
@permission("prices.write")
def price_list_form() -> str:
    """Show the form for a new price list; `for=carrier` is what the page of margins leads to."""
    house = companies.read(scope.session(), tenant_id=OPERATOR)
    purpose = CARRIER if request.args.get("for") == CARRIER else "companies"
    return _form({"purpose": purpose, "currency": house.currency, "zone": house.zone})


@pages.post("/prices")
@permission("prices.write")
def make_price_list() -> BaseResponse:
    """Make a price list without prices, and lead to where its first ones are uploaded or typed."""
    given = {name: request.form.get(name, "").strip() for name in _FIELDS}
    carrier = given["carrier"] if given["purpose"] == CARRIER else ""
    errors = {}
    if given["purpose"] not in PURPOSES:
        errors["purpose"] = gettext("Say what the list is for.")
    elif given["purpose"] == CARRIER and not carrier:
        errors[CARRIER] = str(_WRONG[CARRIER])
    if not errors:
        try:
            made = price_lists.create(
                scope.session(),
                tenant_id=OPERATOR,
                code=price_lists.deck_code(carrier) if carrier else given["code"] or _code(given["name"]),
                name=given["name"] or (gettext("Costs of %(carrier)s", carrier=carrier) if carrier else ""),
                currency=given["currency"],
                zone=given["zone"],
                carrier=carrier,
            )
        except PriceListTakenError:
            errors = _taken(carrier)
        except PriceListError as error:
            fields = error.details["fields"]
            errors = {one: str(_WRONG[one]) for one in fields} if isinstance(fields, list) else {}
        else:
            said.done(gettext("The price list is made. It holds nothing until it has prices."))
            return redirect(f"/operator/prices/{ids.public('pl', made.price_list_id)}", 303)
    scope.rollback()
    return make_response(_form(given, errors), 422)


def _taken(carrier: str) -> dict[str, str]:
    if carrier:
        return {CARRIER: gettext("This carrier has a cost deck already.")}
    return {"code": gettext("Another price list has this code.")}


def _code(name: str) -> str:
    """Return the code that a name suggests: `UK Standard` -> `uk-standard`; empty where it has no letters."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:40]


def _form(given: Mapping[str, str], errors: Mapping[str, str] | None = None) -> str:
    return render_template(
        "operator/price_new.html",
        given=dict.fromkeys(_FIELDS, "") | dict(given),
        errors=errors or {},
        purposes=[(value, *words) for value, words in PURPOSES.items()],
        currencies=[("", gettext("choose one")), *_currencies(str(get_locale() or "en"))],
        zones=[("", gettext("choose one"))]
        + [(zone, zone) for zone in sorted(zoneinfo.available_timezones()) if "/" in zone or zone == "UTC"],
    )


@functools.lru_cache(8)
def _currencies(language: str) -> tuple[tuple[str, str], ...]:
    """Return what is legal tender somewhere today, with its name: nobody sets prices in francs of old."""
    locale = Locale.parse(language)
    found = {str(code) for land in locale.territories for code in get_territory_currencies(str(land))}
    tender = {code for code in found if price_lists.is_counted(code)}
    return tuple((code, f"{code} · {locale.currencies.get(code, code)}") for code in sorted(tender))
