"""What a month would have cost, as portal and operator show it: line beside line, and seats as a plot."""

import datetime as dt
import zoneinfo
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from billing import accounts, periods, tariffs, what_if
from billing.bill import Bill
from billing.periods import Period
from billing.rating.rentals import Unit
from billing.rating.tariff import Tariff
from billing.what_if import Answer, Mix, Supposed, Way
from core import clock
from core.ids import TenantId
from core.money import Money
from seats import hours
from web.plain import whole
from web.shown import wording
from web.shown.invoices import line_name

SEATS: Mapping[str, LazyString] = {
    "": _l("as they were rented"),
    "month": _l("by the month"),
    "day": _l("by the day"),
    "hour": _l("by the hour"),
}
WAYS: Mapping[str, LazyString] = {
    "": _l("all that was used"),
    Way.INBOUND: _l("calls in alone"),
    Way.OUTBOUND: _l("calls out alone"),
    Way.SEATS: _l("seats alone"),
    Way.AGENTS: _l("agents’ hours alone"),
}
# months one may choose: the present one, and a year and a half before it
_MONTHS = 18
WIDTH, HEIGHT = 600, 160
_YEARS = range(2000, 2100)
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Compared:
    """What one thing comes to, as it was and as it would have been."""

    name: str
    actual: Money
    supposed: Money

    @property
    def more(self) -> Money:
        """How much more it would have been; negative: less."""
        return Money(self.supposed.minor - self.actual.minor, self.actual.currency)


@dataclass(frozen=True, slots=True)
class Point:
    """One mix of seats: where it stands in the plot, and what it costs."""

    x: int
    y: int
    by_month: int
    cost: Money
    is_best: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The page; see templates/parts/what_if.html."""

    first_on: dt.date
    number: str | None
    rows: tuple[Compared, ...]
    net: Compared
    unpriced: tuple[tuple[str, int], ...]
    points: tuple[Point, ...]


def month_of(text: str, *, zone: str) -> Period:
    """Return the month a field says (`2026-10`), or the last one that is over."""
    year, _, number = text.partition("-")
    in_year, in_month = whole(year, longest=4), whole(number, longest=2)
    if in_year in _YEARS and in_month is not None and 1 <= in_month <= _DECEMBER:
        return periods.month(in_year or 0, in_month, zone=zone)
    present = periods.month_of(clock.now(), zone=zone)
    return periods.month_of(present.start - dt.timedelta(days=1), zone=zone)


def months(*, zone: str) -> list[tuple[str, dt.date]]:
    """Return the months to choose from, newest first, as a field says them and by their first day."""
    first = clock.now().astimezone(zoneinfo.ZoneInfo(zone)).date().replace(day=1)
    found = []
    for _ in range(_MONTHS):
        found.append((f"{first:%Y-%m}", first))
        first = (first - dt.timedelta(days=1)).replace(day=1)
    return found


def code_of(answer: Answer) -> str:
    """Return the month of an answer as a field says it."""
    return f"{answer.period.start.astimezone(zoneinfo.ZoneInfo(answer.zone)):%Y-%m}"


def own_prices(session: Session, *, tenant_id: TenantId) -> dict[str, Tariff]:
    """Return every version of prices the company has had, or will have, numbered from the first."""
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    steps = [timeline.at(start) for start in timeline.starts]
    return {str(number): step.tariff for number, step in enumerate(steps, 1) if step is not None}


def ask(
    session: Session, *, tenant_id: TenantId, month: str, seats: str, prices: Tariff | None, way: str = ""
) -> tuple[Answer, list[Mix]]:
    """Return the answer for what a form says, and what seats would cost in each mix; in the tenant's context.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    period = month_of(month, zone=account.zone)
    unit = Unit(seats) if seats in {one.value for one in what_if.SEAT_UNITS} else None
    answer = what_if.ask(
        session,
        tenant_id=tenant_id,
        period=period,
        supposed=Supposed(prices, unit, Way(way) if way in set(Way) else None),
    )
    in_force = tariffs.in_force(session, tenant_id=tenant_id, at=period.start)
    tariff = prices or (in_force.tariff if in_force else None)
    by_month = tariff.rental_price("seat.month") if tariff else None
    by_hour = tariff.rental_price("seat.hour") if tariff else None
    if tariff is None or by_month is None or by_hour is None:
        return answer, []
    seen = hours.seen(session, tenant_id=tenant_id, start=period.start, end=period.end)
    worked = Counter(one.hour_starts_at for one in seen)
    return answer, what_if.mixes(worked, month=by_month, hour=by_hour, currency=tariff.currency)


def shown(answer: Answer, mixes: Sequence[Mix]) -> Shown:
    """Return the answer as the page shows it."""
    currency = answer.actual.currency
    was, would = _by_name(answer.actual), _by_name(answer.supposed)
    first_on = answer.period.start.astimezone(zoneinfo.ZoneInfo(answer.zone)).date()
    return Shown(
        first_on=first_on,
        number=answer.number,
        rows=tuple(
            Compared(name, Money(was.get(name, 0), currency), Money(would.get(name, 0), currency))
            for name in dict.fromkeys((*was, *would))
        ),
        net=Compared(
            gettext("Before tax"),
            Money(answer.actual.net_minor, currency),
            Money(answer.supposed.net_minor, currency),
        ),
        unpriced=tuple((wording.meter(meter), count) for meter, count in sorted(answer.unpriced.items())),
        points=_points(mixes, answer.supposed.currency),
    )


def _by_name(bill: Bill) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in bill.lines:
        name = f"{wording.meter(line.meter)} – {line_name(line)}"
        found[name] = found.get(name, 0) + line.amount_minor
    return found


def _points(mixes: Sequence[Mix], currency: str) -> tuple[Point, ...]:
    """Return the plot: seats by the month to the right, what the month costs upwards."""
    if len(mixes) < 2:  # noqa: PLR2004 - a line has two ends
        return ()
    highest = max(one.cost_minor for one in mixes) or 1
    best = what_if.cheapest(mixes)
    return tuple(
        Point(
            x=round(WIDTH * place / (len(mixes) - 1)),
            y=HEIGHT - round(HEIGHT * one.cost_minor / highest),
            by_month=one.by_month,
            cost=Money(one.cost_minor, currency),
            is_best=one == best,
        )
        for place, one in enumerate(mixes)
    )
