"""A company's calls out as pages and API show them: stopped or not, how the day stands, the limits."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale
from flask import request
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from billing.errors import BillingAccountNotFoundError
from core import clock
from core.ids import OPERATOR, TenantId
from core.money import Money, exponent, nano_to_minor
from core.phone import COUNTRIES
from telephony import orders
from telephony.orders import OrderKind
from telephony.outbound import limits, refused, spend, stops
from telephony.outbound.hours import Window, WindowInvalidError
from telephony.outbound.limits import CallingLimitError, Caps, Most, Rules
from telephony.outbound.stops import Side, Stop
from tenants.companies import Company
from web import amounts, identity, scope, words
from web.edits import Field
from web.shown import campaigns

WHY_BARRED: Mapping[str, LazyString] = {
    "premium": _l("Premium rate"),
    "shared-cost": _l("Shared cost"),
    "satellite": _l("Satellite"),
    "fraud": _l("Fraud"),
    "test-number": _l("Test number of fraudsters"),
}


@dataclass(frozen=True, slots=True)
class Day:
    """How the day stands, in money."""

    spent: Money
    reserved: Money
    limit: Money
    percent: float
    under_way: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything a page says of a company's calls out; `day` None: it has no billing account."""

    stops: Sequence[Stop]
    rules: Rules
    caps: Caps
    most: Most
    usual: Most
    is_new: bool
    new_until: dt.datetime | None
    day: Day | None
    is_all_stopped: bool

    @property
    def is_stopped(self) -> bool:
        """Whether no call goes out."""
        return bool(self.stops) or self.is_all_stopped

    @property
    def own_stop(self) -> Stop | None:
        """The company's own stop."""
        return next((one for one in self.stops if one.side is Side.COMPANY), None)

    @property
    def operators_stop(self) -> Stop | None:
        """The operator's stop."""
        return next((one for one in self.stops if one.side is Side.OPERATOR), None)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One call that was not placed; `number` without its last digits."""

    at: dt.datetime
    number: str
    by_campaign: bool
    why: str
    advice: str


def standing(session: Session, *, company: Company) -> Standing:
    """Return how a company's calls out stand; inside its walls."""
    tenant_id, now = company.tenant_id, clock.now()
    rules = limits.rules(session, tenant_id=tenant_id, home=company.country)
    caps = limits.caps(session, tenant_id=tenant_id)
    most = limits.most(session, tenant_id=tenant_id, at=now)
    is_new = not caps.is_trusted and limits.is_new(session, tenant_id=tenant_id, at=now)
    try:
        today = spend.today(session, tenant_id=tenant_id, at=now)
    except BillingAccountNotFoundError:
        day = None
    else:
        minor = min(most.a_day_minor, rules.a_day_minor or most.a_day_minor)
        limit = spend.limit_nano(minor, currency=today.currency)
        held = today.spent_nano + today.reserved_nano
        day = Day(
            _money(today.spent_nano, today.currency),
            _money(today.reserved_nano, today.currency),
            Money(minor, today.currency),
            100 * held / limit if limit else 100,
            today.under_way,
        )
    return Standing(
        stops.standing(session, tenant_id=tenant_id),
        rules,
        caps,
        most,
        limits.AT_FIRST if is_new else limits.USUAL,
        is_new,
        company.opened_at + limits.FIRST_DAYS if is_new and company.opened_at else None,
        day,
        stops.barring(session, number="") is not None,
    )


def refused_rows(session: Session, *, tenant_id: TenantId, limit: int) -> list[RefusedRow]:
    """Return the calls that were not placed lately, newest first, with what to do."""
    return [
        RefusedRow(
            one.at,
            one.prefix if len(one.prefix) <= 6 else f"+{one.prefix}••••",  # noqa: PLR2004 - a short code
            one.campaign_id is not None,
            str(campaigns.REFUSALS[one.reason.value]),
            str(words.PROBLEMS[f"dial-{one.reason}"].advice),
        )
        for one in refused.page(session, tenant_id=tenant_id, limit=limit)
    ]


def end_running(tenant_id: TenantId | None) -> None:
    """Commit the stop, then have the switchboard end the calls out of the company, or of all."""
    scope.commit()
    with scope.within(OPERATOR, principal_id=identity.current().principal_id) as session:
        orders.leave(session, OrderKind.END_CALLS_OUT, tenant_id=tenant_id or "")
    scope.services().realtime.publish(OPERATOR, orders.WAKE_UP, {})


def countries() -> list[tuple[str, str]]:
    """Return the countries that have numbers, by the reader's name for them."""
    names = Locale.parse(str(get_locale() or "en")).territories
    return sorted(((code, names.get(code, code)) for code in COUNTRIES), key=lambda pair: pair[1])


def rule_fields() -> list[Field]:
    """Return the fields of the company's own choices."""
    return [
        Field("countries", gettext("Countries"), "lines"),
        Field("prefixes", gettext("Further prefixes"), "lines"),
        Field("opens", gettext("From")),
        Field("closes", gettext("Until")),
        Field("days", gettext("Days")),
        Field("a_day", gettext("Own limit a day")),
        Field("may_type", gettext("Agents type numbers")),
    ]


def typed_rules(rules: Rules, currency: str) -> dict[str, str]:
    """Return the choices as a form holds them."""
    return {
        "countries": "\n".join(sorted(rules.countries)),
        "prefixes": "\n".join(sorted(rules.prefixes)),
        "opens": f"{rules.hours.opens:%H:%M}" if rules.hours else "",
        "closes": f"{rules.hours.closes:%H:%M}" if rules.hours else "",
        "days": "".join(map(str, sorted(rules.hours.days))) if rules.hours else "",
        "a_day": _sum(rules.a_day_minor, currency),
        "may_type": "yes" if rules.may_type else "",
    }


def read_rules(given: Mapping[str, str], *, revision: int, currency: str) -> Rules:
    """Return the choices a form holds.

    Raises:
        CallingLimitError: a field cannot be; `details["field"]` names it.
    """
    return Rules(
        countries=frozenset(given["countries"].split()),
        prefixes=frozenset(one.removeprefix("+") for one in given["prefixes"].split()),
        hours=_hours(given),
        a_day_minor=_minor(given["a_day"], currency, "a_day"),
        may_type=bool(given["may_type"]),
        revision=revision,
    )


def ticked(given: dict[str, str]) -> dict[str, str]:
    """Return a form with its boxes read: several of one name, unless a side of a conflict was chosen."""
    for name, mark in (("countries", "\n"), ("days", "")):
        if f"{name}-side" not in request.form and request.form.getlist(name) != [given[name]]:
            given[name] = mark.join(sorted(set(request.form.getlist(name))))
    return given


def cap_fields() -> list[Field]:
    """Return the fields of what the operator sets."""
    return [
        Field("at_once", gettext("Calls at once")),
        Field("per_second", gettext("Calls a second")),
        Field("a_day", gettext("Money a day")),
        Field("longest_in", gettext("Longest call in, minutes")),
        Field("in_at_once", gettext("Callers at once")),
        Field("in_per_second", gettext("Callers a second")),
        Field("channels", gettext("Calls at once, both ways")),
        Field("longest_out", gettext("Longest call out, minutes")),
        Field("trusted", gettext("The company is known")),
    ]


def typed_caps(caps: Caps, currency: str) -> dict[str, str]:
    """Return what the operator has set as a form holds it; empty is the default."""
    return {
        "at_once": _whole(caps.at_once),
        "per_second": _whole(caps.per_second),
        "a_day": _sum(caps.a_day_minor, currency),
        "longest_in": _whole(_minutes(caps.longest_in)),
        "longest_out": _whole(_minutes(caps.longest_out)),
        "in_at_once": _whole(caps.in_at_once),
        "in_per_second": _whole(caps.in_per_second),
        "channels": _whole(caps.channels),
        "trusted": "yes" if caps.is_trusted else "",
    }


def read_caps(given: Mapping[str, str], *, revision: int, currency: str) -> Caps:
    """Return the caps a form holds.

    Raises:
        CallingLimitError: a field cannot be; `details["field"]` names it.
    """
    return Caps(
        is_trusted=given["trusted"] == "yes",
        at_once=_number(given, "at_once"),
        per_second=_number(given, "per_second"),
        a_day_minor=_minor(given["a_day"], currency, "a_day"),
        longest_in=_span(given, "longest_in"),
        longest_out=_span(given, "longest_out"),
        in_at_once=_number(given, "in_at_once"),
        in_per_second=_number(given, "in_per_second"),
        channels=_number(given, "channels"),
        revision=revision,
    )


def unread(given: Mapping[str, str], currency: str) -> str:
    """Return why the money a day that was typed is no amount, in words; empty when it is one, or unsaid."""
    text = given["a_day"]
    if not text or amounts.minor(text, currency) is not None:
        return ""
    return amounts.no_amount(text, like="200.50" if exponent(currency) else "200")


def _money(nano: int, currency: str) -> Money:
    return Money(nano_to_minor(nano, currency=currency), currency)


def _hours(given: Mapping[str, str]) -> Window | None:
    if not given["opens"] and not given["closes"]:
        return None
    try:
        opens, closes = (dt.time.fromisoformat(given[name]) for name in ("opens", "closes"))
        return Window(opens, closes, frozenset(int(one) for one in given["days"]))
    except (ValueError, WindowInvalidError) as error:
        raise CallingLimitError(field="hours") from error


def _minor(text: str, currency: str, field: str) -> int | None:
    if not text:
        return None
    amount = amounts.minor(text, currency)
    if amount is None:
        raise CallingLimitError(field=field)
    return amount


def _sum(minor: int | None, currency: str) -> str:
    return "" if minor is None else f"{Decimal(minor).scaleb(-exponent(currency)):f}"


def _whole(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given[name]
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):  # noqa: PLR2004 - no cap has more digits
        raise CallingLimitError(field=name)
    return int(text)


def _span(given: Mapping[str, str], name: str) -> dt.timedelta | None:
    minutes = _number(given, name)
    return None if minutes is None else dt.timedelta(minutes=minutes)


def _minutes(span: dt.timedelta | None) -> int | None:
    return None if span is None else span // dt.timedelta(minutes=1)
