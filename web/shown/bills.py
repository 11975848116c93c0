"""The running bill as the portal and the operator see it."""

import datetime as dt
import zoneinfo
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from sqlalchemy.orm import Session

from billing import invoices
from billing.errors import BillingAccountNotFoundError
from billing.invoices import RunningBill
from billing.periods import Period
from billing.rentals import Accrual
from core import clock
from core.ids import TenantId
from core.money import Money, nano_to_minor
from web.shown import wording
from wiring import estimates

_DAY = dt.timedelta(days=1)
_TICK = dt.timedelta(microseconds=1)
_ALARM_PERCENT = 80


@dataclass(frozen=True, slots=True)
class BillLine:
    """What one meter comes to so far."""

    name: str
    quantity: Decimal
    unit: str
    amount: Money
    href: str | None
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class BillNow:
    """The running bill; see templates/portal/_bill.html."""

    total: Money
    days: tuple[Money, ...]
    first_on: dt.date
    last_on: dt.date
    today: dt.date
    forecast: Money | None
    rated_at: dt.datetime
    lines: tuple[BillLine, ...]
    waiting: int
    budget: Money | None = None

    @property
    def alarm(self) -> str:
        """What to say of the budget: `over`, `soon` (80 % used), `forecast` (it will not do), or nothing."""
        if self.budget is None:
            return ""
        if self.total.minor > self.budget.minor:
            return "over"
        if self.total.minor * 100 >= self.budget.minor * _ALARM_PERCENT:
            return "soon"
        if self.forecast is not None and self.forecast.minor > self.budget.minor:
            return "forecast"
        return ""

    @property
    def to_spare(self) -> Money | None:
        """What the forecast leaves of the budget; negative when it goes beyond."""
        if self.budget is None:
            return None
        expected = self.forecast or self.total
        return Money(self.budget.minor - expected.minor, self.budget.currency)

    @property
    def over(self) -> Money | None:
        """What the bill, or its forecast, goes beyond the budget; None when it does not."""
        left = self.to_spare
        return Money(-left.minor, left.currency) if left is not None and left.minor < 0 else None

    @property
    def day_no(self) -> int:
        """Which day of the period it is, from 1."""
        return (self.today - self.first_on).days + 1

    @property
    def day_count(self) -> int:
        """How many days the period has."""
        return (self.last_on - self.first_on).days + 1


def running(
    session: Session, *, tenant_id: TenantId, preview_url: str = "", budget_minor: int | None = None
) -> BillNow | None:
    """Return the bill of the current month as it stands, or None when the company has no account yet."""
    now = clock.now()
    try:
        accruals = estimates.accruals(session, tenant_id=tenant_id, now=now)
        found = invoices.running_bill(session, tenant_id=tenant_id, now=now, accruals=accruals)
    except BillingAccountNotFoundError:
        return None
    to_come = estimates.accruals(session, tenant_id=tenant_id, now=now, until=found.period.end)
    first_on, last_on = days_of(found.period, zone=found.zone)
    total = Money(found.bill.net_minor, found.currency)
    return BillNow(
        total=total,
        days=_days(found),
        first_on=first_on,
        last_on=last_on,
        today=now.astimezone(zoneinfo.ZoneInfo(found.zone)).date(),
        forecast=_forecast(found, to_come, now),
        rated_at=found.as_of,
        lines=_lines(found, preview_url),
        waiting=found.waiting,
        budget=None if budget_minor is None else Money(budget_minor, found.currency),
    )


def days_of(period: Period, *, zone: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last local day of a period."""
    local = zoneinfo.ZoneInfo(zone)
    return period.start.astimezone(local).date(), period.end.astimezone(local).date() - _DAY


def quantity(exact: Fraction, unit: str) -> Decimal:
    """Return how many units for people: minutes with at most two decimals, the rest with four.

    What would be rounded to nothing keeps one digit: something was used.
    """
    places = Decimal("0.01") if unit == "minute" else Decimal("0.0001")
    whole = Decimal(exact.numerator) / exact.denominator
    rounded = whole.quantize(places) or whole.quantize(Decimal(1).scaleb(whole.adjusted()))
    return rounded.to_integral_value() if rounded == rounded.to_integral_value() else rounded.normalize()


def _days(found: RunningBill) -> tuple[Money, ...]:
    """Return the bill at the end of each day so far; the last is the bill as it stands.

    A day is rounded once, the bill line by line: a penny apart, so no day goes beyond the bill.
    """
    net = found.bill.net_minor
    before = [min(point.cumulative_minor, net) for point in found.days[:-1]]
    return tuple(Money(minor, found.currency) for minor in (*before, *([net] if found.days else [])))


def _lines(found: RunningBill, preview_url: str) -> tuple[BillLine, ...]:
    return tuple(
        BillLine(
            wording.meter(one.meter),
            quantity(one.quantity, one.unit),
            one.unit,
            Money(one.amount_minor, found.currency),
            preview_url or None,
            one.is_estimate,
        )
        for one in found.meters
    )


def _forecast(found: RunningBill, to_come: Collection[Accrual], now: dt.datetime) -> Money | None:
    """Return the amount expected at the end of the period.

    What was used goes on at the pace of the days so far, which says something from the second day on; what is
    rented goes on as it is rented. Ten of thirty days, 20.00 of calls and a seat of 90.00 a month since the
    first: 60.00 + 90.00.
    """
    past, whole = now - found.period.start, found.period.end - found.period.start
    used_nano = sum(line.amount_nano for line in found.bill.lines if not line.is_estimate)
    rented_nano = sum(one.until(found.period.end).amount_nano or 0 for one in to_come)
    if past >= _DAY:
        used_nano = round(used_nano * Fraction(whole // _TICK, past // _TICK))
    elif used_nano or not rented_nano:
        return None
    minor = nano_to_minor(used_nano + rented_nano, currency=found.currency)
    return Money(minor, found.currency) if minor else None
