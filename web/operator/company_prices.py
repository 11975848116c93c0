"""Which price list a company follows: what held, holds and comes; another one from a day on."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, following, periods, price_lists, tariffs
from billing.accounts import Account
from billing.errors import BillingAccountNotFoundError, PriceListChangeError
from billing.following import NoChange
from billing.price_lists import PriceList
from core import clock
from core.ids import OPERATOR
from tenants.companies import Company
from web import identity, parts, said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.prices import priced
from web.operator.views import pages

_LONGEST = dt.timedelta(days=366)
_MOST = 12
# reason -> the field it is said at, and what is said
_WRONG: Mapping[NoChange, tuple[str, LazyString]] = {
    NoChange.SAME: ("list", _l("It follows this list already.")),
    NoChange.UNPRICED: ("from", _l("The list has no prices yet on that day. Choose a later one.")),
    NoChange.CURRENCY: ("list", _l("The list is in another currency than the company is billed in.")),
    NoChange.STARTED: ("from", _l("Choose a day from tomorrow on: calls until then have been priced.")),
    NoChange.MOVED: ("list", _l("Somebody has changed its price list meanwhile. Look again.")),
    NoChange.NOTHING: ("list", _l("No change is planned any more.")),
}


@dataclass(frozen=True, slots=True)
class Held:
    """From which day on a company has a version of a price list; `state` is past, in-force or future."""

    from_on: dt.date
    name: str
    code: str
    version: int
    state: str


@pages.get("/companies/<company_id>/price-list")
@permission("billing.read")
def company_price_list(company_id: str) -> str:
    """Show by which prices a company is billed, by which it will be, and who may: change that."""
    return _page(rounds.one(company_id), company_id)


@pages.post("/companies/<company_id>/price-list")
@permission("billing.write")
def change_price_list(company_id: str) -> BaseResponse:
    """Let a company follow another price list from a day on, in the place of what was planned before."""
    company = rounds.one(company_id)
    code, text = request.form.get("list", ""), request.form.get("from", "")
    lists = {one.code: one for one in priced()}
    account = rounds.visit(company, lambda session: accounts.find(session, tenant_id=company.tenant_id))
    day, today = tables.day_of(text), periods.day_of(clock.now(), zone=account.zone)
    errors: dict[str, str] = {}
    if code not in lists:
        errors["list"] = gettext("Choose a price list.")
    if day is None:
        errors["from"] = gettext("Choose a day.")
    elif day > today + _LONGEST:
        errors["from"] = gettext("Choose a day within a year.")
    elif day <= today:
        errors["from"] = str(_WRONG[NoChange.STARTED][1])
    if not errors and day is not None:
        try:
            _plan(company, account, code, periods.day_start(day, zone=account.zone))
        except PriceListChangeError as error:
            field, words = _WRONG[NoChange(str(error.details["reason"]))]
            errors[field] = str(words)
    if errors or day is None:
        scope.rollback()
        given = {"list": code, "from": text}
        return make_response(_page(company, company_id, given=given, errors=errors), 422)
    said.done(gettext("From %(day)s on it pays by %(name)s.", day=parts.day(day), name=lists[code].name))
    return redirect(f"/operator/companies/{company_id}/price-list", 303)


@pages.post("/companies/<company_id>/price-list/keep")
@permission("billing.write")
def keep_price_list(company_id: str) -> BaseResponse:
    """Take a planned change back: the company goes on with the list it follows."""
    company = rounds.one(company_id)
    tenant_id, session = company.tenant_id, scope.session()
    kept = rounds.visit(company, lambda inside: accounts.find(inside, tenant_id=tenant_id)).price_list
    price_lists.hold(session, tenant_id=OPERATOR, codes=(kept,))
    versions = price_lists.published(session, tenant_id=OPERATOR, code=kept)
    try:
        rounds.visit(
            company,
            lambda inside: following.keep(inside, tenant_id=tenant_id, kept=kept, kept_versions=versions),
        )
    except PriceListChangeError as error:
        said.refused(str(_WRONG[NoChange(str(error.details["reason"]))][1]))
    else:
        said.done(gettext("The change is taken back; its price list stays."))
    return redirect(f"/operator/companies/{company_id}/price-list", 303)


def _plan(company: Company, account: Account, code: str, start: dt.datetime) -> None:
    """Change it, while no version of either list comes out."""
    session, kept = scope.session(), account.price_list
    price_lists.hold(session, tenant_id=OPERATOR, codes=(kept, code))
    published = {one: price_lists.published(session, tenant_id=OPERATOR, code=one) for one in (kept, code)}
    rounds.visit(
        company,
        lambda inside: following.plan(
            inside,
            tenant_id=company.tenant_id,
            kept=kept,
            kept_versions=published[kept],
            to=code,
            versions=published[code],
            start=start,
        ),
    )


def _page(
    company: Company,
    company_id: str,
    *,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    every = price_lists.every(scope.session(), tenant_id=OPERATOR)
    names = {one.code: one.name for one in every}

    def look(session: Session) -> tuple[Account | None, list[Held]]:
        try:
            account = accounts.find(session, tenant_id=company.tenant_id)
        except BillingAccountNotFoundError:
            return None, []
        return account, _held(session, account, names)

    account, held = rounds.visit(company, look)
    choices = _choices(account, priced()) if account else []
    planned_at = account.next_price_list_at if account else None
    zone = account.zone if account else company.zone
    today = periods.day_of(clock.now(), zone=zone)
    month = periods.day_of(periods.month_of(clock.now(), zone=zone).end, zone=zone)
    return render_template(
        "operator/company_prices.html",
        company_=company,
        home=f"/operator/companies/{company_id}",
        account=account,
        name=names.get(account.price_list, account.price_list) if account else "",
        planned=names.get(account.next_price_list, account.next_price_list) if account else "",
        planned_on=periods.day_of(planned_at, zone=zone) if planned_at else None,
        held=held,
        zone=zone,
        choices=[("", gettext("choose one"))] * (len(choices) != 1)
        + [(one.code, one.name) for one in choices],
        has_choice=bool(choices),
        given={"list": "", "from": month.isoformat(), **(given or {})},
        errors=errors or {},
        first_on=(today + dt.timedelta(days=1)).isoformat(),
        last_on=(today + _LONGEST).isoformat(),
        may_write="billing.write" in identity.current().permissions,
        may_price="prices.write" in identity.current().permissions,
    )


def _choices(account: Account, lists: list[PriceList]) -> list[PriceList]:
    """Return the lists a company can change to: another one, in its currency."""
    return [one for one in lists if one.currency == account.currency and one.code != account.price_list]


def _held(session: Session, account: Account, names: Mapping[str, str]) -> list[Held]:
    """Return the versions a company has and had, the newest first; who shares its calls divides none."""
    steps = list(tariffs.timeline(session, tenant_id=account.tenant_id).own.values())
    last = {step.effective_from: step for step in steps}  # of one instant the last taken stands
    now, rows = clock.now(), list[Held]()
    for at, step in last.items():
        tariff = step.tariff
        if rows and (rows[-1].code, rows[-1].version) == (tariff.price_list, tariff.version):
            continue
        state = "future" if at > now else "in-force"
        if rows and state == "in-force":
            rows[-1] = replace(rows[-1], state="past")
        name = names.get(tariff.price_list, tariff.price_list)
        day = periods.day_of(at, zone=account.zone)
        rows.append(Held(day, name, tariff.price_list, tariff.version, state))
    return rows[::-1][:_MOST]
