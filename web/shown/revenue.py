"""What use brought, or was spent on: by campaign, agent or number, as operator and company see it."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from billing import periods
from billing.periods import Period
from billing.revenue import By, Part, Revenue
from campaigns import plans
from campaigns.plans import Campaign
from core import clock, ids
from core.ids import CampaignId, TenantId
from core.money import Money
from core.phone import international
from seats import roster
from telephony import numbers
from web import parts, renting, tables
from web.shown import bills, calls, what_if

WORDS: Mapping[By, LazyString] = {
    By.CAMPAIGN: _l("Campaign"),
    By.AGENT: _l("Agent"),
    By.NUMBER: _l("Number"),
}
_NOBODY: Mapping[By, LazyString] = {
    By.CAMPAIGN: _l("No campaign"),
    By.AGENT: _l("No agent"),
    By.NUMBER: _l("No number"),
}
PREFIXES: Mapping[By, str] = {By.CAMPAIGN: "cmp", By.AGENT: "agt", By.NUMBER: "num"}
_CHARTED = 8


@dataclass(frozen=True, slots=True)
class RevenueRow:
    """One row: what it was for, and what it came to before tax; `share` is of the largest row in percent.

    What is agreed beyond single uses has no `events`.
    """

    name: str
    id: str
    href: str
    events: int | None
    minutes: Decimal | None
    amount: Money
    share: float = 0.0
    company: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """What the rows of one currency come to, and where that stands."""

    total: Money
    invoiced: Money
    booked: Money
    open: Money
    credited: Money
    charted: Sequence[RevenueRow]


def choices(by: Sequence[By] = tuple(By)) -> tables.Words:
    """Return what it can be shown by."""
    return [(one.value, str(WORDS[one])) for one in by]


def months() -> tables.Words:
    """Return the months to choose from, newest first; a filter's words carry no markup."""
    return [(code, f"{on:%Y-%m}") for code, on in what_if.months(zone="UTC")]


def period(asked: tables.Asked, *, zone: str) -> Period:
    """Return the whole months that are asked for; without any the present one."""
    present = f"{clock.now().astimezone(zoneinfo.ZoneInfo(zone)):%Y-%m}"
    first = asked.get("from") or asked.get("to") or present
    last = max(first, asked.get("to") or asked.get("from") or present)
    return Period(what_if.month_of(first, zone=zone).start, what_if.month_of(last, zone=zone).end)


def days(asked: tables.Asked, *, zone: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last local day of the months asked for."""
    found = period(asked, zone=zone)
    inside = periods.days(found, zone=zone)
    return inside[0], inside[-1]


def rows(
    found: Revenue, *, by: By, name: Callable[[UUID], str], href: Callable[[UUID], str]
) -> list[RevenueRow]:
    """Return the parts as rows, and what was agreed as the last of them: together they are the total."""
    made = [_row(one, found.currency, by, name, href) for one in found.parts]
    if found.agreed_minor:
        made.append(agreed(found.agreed_minor, found.currency))
    return made


def agreed(minor: int, currency: str) -> RevenueRow:
    """Return the row of what no use stands behind."""
    name = gettext("Agreed for the month: discounts, included minutes, minimums")
    return RevenueRow(name, "", "", None, None, Money(minor, currency))


def in_proportion(of: Sequence[RevenueRow]) -> list[RevenueRow]:
    """Return the rows with their shares of the largest."""
    most = max((one.amount.minor for one in of), default=0)
    return [replace(one, share=max(0.0, 100 * one.amount.minor / most) if most else 0.0) for one in of]


def summed(found: Sequence[Revenue], of: Sequence[RevenueRow]) -> Sum:
    """Return the sum of some companies of one currency, with those of their rows that are drawn."""
    currency = found[0].currency
    total, left = (sum(getattr(one, name) for one in found) for name in ("total_minor", "open_minor"))
    largest = sorted((one for one in of if one.amount.minor > 0), key=lambda one: -one.amount.minor)
    return Sum(
        Money(total, currency),
        Money(total - left, currency),
        Money(sum(one.booked_minor for one in found), currency),
        Money(left, currency),
        Money(sum(one.credited_minor for one in found), currency),
        largest[:_CHARTED],
    )


def minutes(seconds: int) -> Decimal:
    """Return how many minutes of calls were billed."""
    return bills.quantity(Fraction(seconds, 60), "minute")


def agents() -> dict[UUID, str]:
    """Return how each agent is called, by the number that callers hear."""
    with renting.operators() as floor:
        return {one.agent.id: calls.agent(one.agent.number) for one in roster.postings(floor)}


def digits(session: Session, *, tenant_id: TenantId) -> dict[UUID, str]:
    """Return each number the company rents or rented, as it is read."""
    return {one.number_id: international(one.digits) for one in numbers.ever(session, tenant_id=tenant_id)}


def names_of(session: Session, *, tenant_id: TenantId, by: By) -> dict[UUID, str]:
    """Return how a company itself calls its campaigns, agents or numbers."""
    match by:
        case By.AGENT:
            return agents()
        case By.NUMBER:
            return digits(session, tenant_id=tenant_id)
        case By.CAMPAIGN:
            return campaigns(session, tenant_id)


def campaigns(session: Session, tenant_id: TenantId) -> dict[UUID, str]:
    """Return what a company calls each of its campaigns."""
    return {one.campaign_id: one.settings.name for one in _campaigns(session, tenant_id)}


def campaigns_made(session: Session, tenant_id: TenantId) -> dict[UUID, str]:
    """Return how each campaign of a company is told to who is not to know its name: by when it was made."""
    return {
        one.campaign_id: gettext(
            "Campaign made on %(when)s", when=f"{parts.day(one.created_at)}, {parts.hour(one.created_at)}"
        )
        for one in _campaigns(session, tenant_id)
    }


def _campaigns(session: Session, tenant_id: TenantId) -> list[Campaign]:
    found: list[Campaign] = []
    after: CampaignId | None = None
    while True:
        page = plans.page(session, tenant_id=tenant_id, after=after, limit=100)
        found += page.campaigns
        after = page.following
        if after is None:
            return found


def _row(
    one: Part, currency: str, by: By, name: Callable[[UUID], str], href: Callable[[UUID], str]
) -> RevenueRow:
    return RevenueRow(
        name=name(one.ref) if one.ref else str(_NOBODY[by]),
        id=ids.public(PREFIXES[by], one.ref) if one.ref else "",
        href=href(one.ref) if one.ref else "",
        events=one.events,
        minutes=minutes(one.billed_seconds),
        amount=Money(one.amount_minor, currency),
    )
