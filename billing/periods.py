"""Billing periods: local months as half-open instants.

A month begins at the first instant of its first day where the customer lives, whatever the clocks do
that night; periods of one zone tile time without gap or overlap. Never a stored UTC offset.
"""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from billing.errors import PeriodInvalidError

_DECEMBER = 12
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """The instants [start, end), aware UTC, of one or more local months."""

    start: dt.datetime
    end: dt.datetime


def month(year: int, number: int, *, zone: str) -> Period:
    """Return a local month: October 2026 in London is 2026-09-30T23:00Z to 2026-11-01T00:00Z."""
    following = (year + 1, 1) if number == _DECEMBER else (year, number + 1)
    return Period(
        day_start(dt.date(year, number, 1), zone=zone), day_start(dt.date(*following, 1), zone=zone)
    )


def month_of(instant: dt.datetime, *, zone: str) -> Period:
    """Return the local month an instant falls into."""
    day = day_of(instant, zone=zone)
    return month(day.year, day.month, zone=zone)


def day_start(day: dt.date, *, zone: str) -> dt.datetime:
    """Return the first instant of a local day, aware UTC.

    Midnight that the clocks jump over resolves to the moment they do; midnight that comes twice to the
    first (PEP 495, fold 0 does both).
    """
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=zoneinfo.ZoneInfo(zone))
    return midnight.astimezone(dt.UTC)


def day_of(instant: dt.datetime, *, zone: str) -> dt.date:
    """Return the local day an instant belongs to: the one begun last.

    Not always the date on the clock: where clocks went back across midnight (Newfoundland until 2011) the
    hour before midnight came again after the new day had begun.
    """
    day = instant.astimezone(zoneinfo.ZoneInfo(zone)).date()
    while instant >= day_start(day + _DAY, zone=zone):
        day += _DAY
    return day


def insist(period: Period, *, zone: str) -> Period:
    """Return the period when it begins and ends with local months of the zone.

    Raises:
        PeriodInvalidError: it does not.
    """
    edges = (period.start, period.end)
    if period.end <= period.start or any(edge != month_of(edge, zone=zone).start for edge in edges):
        raise PeriodInvalidError(start=period.start.isoformat(), end=period.end.isoformat(), zone=zone)
    return period


def days(period: Period, *, zone: str) -> tuple[dt.date, ...]:
    """Return the local days of a period in order."""
    local = zoneinfo.ZoneInfo(zone)
    first, last = period.start.astimezone(local).date(), period.end.astimezone(local).date()
    return tuple(first + dt.timedelta(days=n) for n in range((last - first).days))
