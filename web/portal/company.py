"""The company's own settings: how it is called and reads, the month's budget, who needs a second step."""

from decimal import Decimal

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core.money import exponent
from tenants import companies
from tenants.companies import CLOCK_FORMATS, DATE_FORMATS, LANGUAGES, NUMBER_FORMATS, Company, Formats
from tenants.errors import CompanyChangedError, MalformedSettingError
from web import amounts, edits, identity, said, scope
from web.account import signing
from web.account.settings import zones_offered
from web.guards import permission
from web.portal.views import pages

_LANGUAGES = {"en": "English", "zh_Hans_CN": "简体中文"}

_STEPS = {"free": False, "required": True}


@pages.get("/company")
@permission("settings.read")
def company_settings() -> str:
    """Show the company's settings."""
    company = companies.read(scope.session(), tenant_id=identity.current().tenant_id)
    return _page(company, _typed(company), revision=company.revision)


@pages.post("/company")
@permission("settings.write")
def save_company() -> BaseResponse:
    """Keep the settings; when somebody saved first, show both versions instead."""
    who, session = identity.current(), scope.session()
    company = companies.read(session, tenant_id=who.tenant_id)
    given, revision = edits.given(_fields(), request.form), edits.revision(request.form)
    try:
        companies.change(
            session,
            tenant_id=who.tenant_id,
            revision=revision,
            name=given["name"],
            zone=given["zone"],
            language=given["language"],
            initials=given["initials"],
            colour=company.colour,
            formats=Formats(given["number_format"], given["date_format"], given["clock_format"]),
            budget_minor=_minor(given["budget"], company.currency),
            requires_second_step=_is_required(given["second_step"]),
        )
    except CompanyChangedError:
        return edits.conflicting(
            gettext("Company settings"),
            edits.differences(_fields(), yours=given, theirs=_typed(company)),
            action=url_for("portal.save_company"),
            revision=company.revision,
            back=url_for("portal.company_settings"),
            nav="company",
        )
    except MalformedSettingError as error:
        field = str(error.details["field"])
        wrong = {field: gettext("This cannot be. Correct it and save again.")}
        if field == "budget":
            wrong = {field: _wrong_budget(given["budget"], company.currency)}
        return make_response(_page(company, given, revision=revision, errors=wrong), 422)
    if _is_required(given["second_step"]) and not company.requires_second_step:
        services = scope.services()
        scope.after_commit(lambda: signing.ask_again(services, tenant_id=who.tenant_id))
    said.done(gettext("Saved."))
    return redirect(url_for("portal.company_settings"), 303)


def _fields() -> list[edits.Field]:
    return [
        edits.Field("name", gettext("Name")),
        edits.Field("initials", gettext("Initials")),
        edits.Field("zone", gettext("Time zone")),
        edits.Field("language", gettext("Language")),
        edits.Field("number_format", gettext("Numbers and money")),
        edits.Field("date_format", gettext("Dates")),
        edits.Field("clock_format", gettext("Hours")),
        edits.Field("budget", gettext("Budget a month")),
        edits.Field("second_step", gettext("Second step")),
    ]


def _typed(company: Company) -> dict[str, str]:
    budget = company.budget_minor
    digits = exponent(company.currency)
    return {
        "name": company.name,
        "initials": company.initials,
        "zone": company.zone,
        "language": company.language,
        "number_format": company.formats.numbers,
        "date_format": company.formats.days,
        "clock_format": company.formats.clock,
        "budget": "" if budget is None else f"{Decimal(budget).scaleb(-digits):f}",
        "second_step": "required" if company.requires_second_step else "free",
    }


def _is_required(text: str) -> bool:
    """Return whether the second step was chosen to be required.

    Raises:
        MalformedSettingError: it was not chosen at all.
    """
    if text not in _STEPS:
        raise MalformedSettingError(field="second_step")
    return _STEPS[text]


def _minor(text: str, currency: str) -> int | None:
    """Return an amount typed in units as minor units: `10000.5` -> 1000050.

    Raises:
        MalformedSettingError: not an amount, or finer than the currency's smallest coin.
    """
    if not text:
        return None
    amount = amounts.minor(text, currency)
    if amount is None:
        raise MalformedSettingError(field="budget")
    return amount


def _wrong_budget(text: str, currency: str) -> str:
    if amounts.minor(text, currency) is None:
        return amounts.no_amount(text, like="10000.50" if exponent(currency) else "10000")
    return str(gettext("Write an amount like 10000 or 10000.50, or leave it empty."))


def _page(
    company: Company, given: dict[str, str], *, revision: int, errors: dict[str, str] | None = None
) -> str:
    auto = gettext("as the reader’s language has it")
    numbers = {"comma-point": "1,234.50", "point-comma": "1.234,50", "space-comma": "1 234,50"}
    numbers["apostrophe-point"] = "1’234.50"
    dates = {"day-month": "19 Nov 2026", "month-day": "Nov 19, 2026", "iso": "2026-11-19"}
    clocks = {"24": "17:05", "12": "5:05 PM"}
    return render_template(
        "portal/company.html",
        company_=company,
        given=given,
        revision=revision,
        errors=errors or {},
        zones=zones_offered(company.zone),
        languages=[(code, _LANGUAGES[code]) for code in LANGUAGES],
        numbers=[(one, numbers.get(one, auto)) for one in NUMBER_FORMATS],
        dates=[(one, dates.get(one, auto)) for one in DATE_FORMATS],
        clocks=[(one, clocks.get(one, auto)) for one in CLOCK_FORMATS],
        steps=[("free", gettext("everybody’s own choice")), ("required", gettext("required of everybody"))],
        may_write="settings.write" in identity.current().permissions,
    )
