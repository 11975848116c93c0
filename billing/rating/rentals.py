"""The arithmetic of rental: how much of a month, a day or an hour a stretch of time is; exact ratios.

Source of the rules: the trade's proration methods, which disagree and are therefore part of a price
(`Proration`). Every method is a *position* on a line of months, and a stretch costs the difference of
two positions: whatever cuts are made, the pieces of a stretch add up to the stretch, and no second is
counted twice. Local days and months are those of the account's zone; days have 23, 24 or 25 hours there.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from uuid import UUID

from billing import periods

HOUR_S = 3600
_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)
_MICROSECOND = dt.timedelta(microseconds=1)
_HOUR_MS = HOUR_S * 1000
_THIRTY = 30


class Unit(StrEnum):
    """What a rental price is for."""

    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    PIECE = "piece"
    GB_DAY = "gb_day"


class Proration(StrEnum):
    """How a part of a month is measured.

    ACTUAL_DAYS: each local day weighs the same, part days by their part. FIXED_30: a month has thirty
    days; the 31st weighs nothing and the last day of February makes up what is missing. PER_SECOND: by
    elapsed seconds.
    """

    ACTUAL_DAYS = "actual_days"
    FIXED_30 = "fixed_30"
    PER_SECOND = "per_second"


# Everything that is rented or counted, and by what. Numbers have a meter for each kind; fees are charged
# every month, items once, when they are ordered.
METERS: Mapping[str, Unit] = MappingProxyType(
    {
        "seat.month": Unit.MONTH,
        "seat.day": Unit.DAY,
        "seat.hour": Unit.HOUR,
        "number.local": Unit.MONTH,
        "number.national": Unit.MONTH,
        "number.mobile": Unit.MONTH,
        "number.tollfree": Unit.MONTH,
        "number.short": Unit.MONTH,
        "agent.hour": Unit.HOUR,
        "agent.training": Unit.HOUR,
        "seat.burst": Unit.HOUR,
        "seat.burst_day": Unit.DAY,
        "recording.gb_day": Unit.GB_DAY,
        "message.sms": Unit.PIECE,
        "fee.platform": Unit.MONTH,
        "fee.support": Unit.MONTH,
        "item.setup": Unit.PIECE,
        "item.training": Unit.PIECE,
        "item.integration": Unit.PIECE,
        "item.other": Unit.PIECE,
    }
)
# Agents' time, which is charged to the millisecond.
AGENTS = ("agent.hour", "agent.training")
# What can have a charge model: what is counted as it comes. What is rented for a time has a quote before it.
MODELLED = frozenset(
    {"agent.hour", "seat.burst", "recording.gb_day", "message.sms"}
    | {meter for meter in METERS if meter.startswith("item.")}
)


@dataclass(frozen=True, slots=True)
class RentalPrice:
    """What a unit of a meter costs.

    `unit_nano` is the price of one whole unit; `proration` counts for months; `step_s` for hours: time is
    charged in begun steps of so many seconds (a divisor of 3600), 0 charges it to the millisecond.
    """

    meter: str
    destination: str
    unit_nano: int
    proration: Proration = Proration.ACTUAL_DAYS
    step_s: int = HOUR_S

    @property
    def unit(self) -> Unit:
        """By what it is counted."""
        return METERS[self.meter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something rented: `rental_id` from `starts_at` to `ends_at`, or until released when that is None."""

    rental_id: UUID
    meter: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    number_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a span that is charged by itself."""

    start: dt.datetime
    end: dt.datetime


def units(
    price: RentalPrice, *, start: dt.datetime, end: dt.datetime, quantity_ms: int, zone: str
) -> Fraction:
    """Return how many units a stretch is, exactly.

    Args:
        price: says the unit and how parts of it are measured.
        start: aware instant; `end` lies at it or after.
        end: aware instant just after.
        quantity_ms: what hours are counted from, and thousandths of pieces; months and days go by the
            calendar.
        zone: of the account.

    Worked: 1 to 11 October 2026 in London by actual days is 10/31; 90 minutes by begun hours are 2.
    """
    if price.unit is Unit.MONTH:
        return position(end, zone=zone, by=price.proration) - position(start, zone=zone, by=price.proration)
    if price.unit is Unit.DAY:
        if end <= start:
            return Fraction(0)
        return Fraction(
            (periods.day_of(end - _MICROSECOND, zone=zone) - periods.day_of(start, zone=zone)).days + 1
        )
    if price.unit in {Unit.PIECE, Unit.GB_DAY}:
        return Fraction(quantity_ms, 1000)
    if not price.step_s:
        return Fraction(quantity_ms, _HOUR_MS)
    step_ms = price.step_s * 1000
    return Fraction(-(-quantity_ms // step_ms) * step_ms, _HOUR_MS)


def position(instant: dt.datetime, *, zone: str, by: Proration) -> Fraction:
    """Return where an instant lies on the line of months: whole numbers are the months' first instants."""
    day = periods.day_of(instant, zone=zone)
    month = Fraction(day.year * 12 + day.month - 1)
    whole = periods.month(day.year, day.month, zone=zone)
    if by is Proration.PER_SECOND:
        return month + _ratio(instant - whole.start, whole.end - whole.start)
    begins, ends = (periods.day_start(one, zone=zone) for one in (day, day + _DAY))
    passed = day.day - 1 + _ratio(instant - begins, ends - begins)
    if by is Proration.FIXED_30:
        return month + min(passed / _THIRTY, Fraction(1))
    following = dt.date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return month + passed / (following - day.replace(day=1)).days


def pieces(
    span: Span, *, start: dt.datetime, until: dt.datetime, zone: str, changes: Iterable[dt.datetime] = ()
) -> Iterator[Piece]:
    """Yield the parts of a span from `start` that are over at `until`, cut by month and by change of price.

    Months are cut at local month ends. Hours are cut where an hour is full, so that an hour in which a
    month ends is one hour, of the month it began in; days at local midnights.

    Args:
        span: what is rented.
        start: where it goes on: its beginning, or where the last charged part ended.
        until: what ends later is not over, and not yielded.
        zone: of the account.
        changes: instants from which other prices hold.
    """
    last = until if span.ends_at is None else min(until, span.ends_at)
    wanted = {_fitting(cut, span, zone) for cut in (*_months(start, last, zone), *changes)}
    at = start
    for cut in sorted(cut for cut in wanted if start < cut):
        if cut > last or (span.ends_at is not None and cut >= span.ends_at):
            break
        yield Piece(at, cut)
        at = cut
    if span.ends_at is not None and at < span.ends_at <= until:
        yield Piece(at, span.ends_at)


def _months(start: dt.datetime, last: dt.datetime, zone: str) -> Iterator[dt.datetime]:
    """Yield the local months' first instants in (start, last]."""
    day = periods.day_of(start, zone=zone)
    year, number = day.year, day.month
    while True:
        edge = periods.month(year, number, zone=zone).end
        if edge > last:
            return
        yield edge
        year, number = (year + 1, 1) if number == 12 else (year, number + 1)  # noqa: PLR2004 - December


def _fitting(cut: dt.datetime, span: Span, zone: str) -> dt.datetime:
    """Return the cut where the span's unit can be cut: at it, or the next full hour or midnight after."""
    unit = METERS[span.meter]
    if unit is Unit.HOUR:
        return span.starts_at + -(-(cut - span.starts_at) // _HOUR) * _HOUR
    if unit is Unit.DAY:
        day = periods.day_of(cut, zone=zone)
        begins = periods.day_start(day, zone=zone)
        return begins if begins == cut else periods.day_start(day + _DAY, zone=zone)
    return cut


def _ratio(part: dt.timedelta, whole: dt.timedelta) -> Fraction:
    return Fraction(part // _MICROSECOND, whole // _MICROSECOND)
