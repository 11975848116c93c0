"""The arithmetic of rating: pure integers, one rounding.

Source of the rules: the trade's tariff vocabulary (connection fee, rate slots from second t in steps of
n, initial block, minimum, maximum, longest prefix) and design.md, invariant 4. Amounts are integers of
any one unit; the database uses nano-units (10^-9 of the major unit). The exact total is a ratio of
integers and is rounded once, half-up.

How a call is laid out: increments are laid from the answer; the first is the initial block where one is
agreed. An increment belongs to the slot and to the time band in which it starts, and is charged whole.

This is the reference: short, exact, one call at a time. `billing.rating.fast` rates columns of calls and must
give the same numbers.
"""

import datetime as dt
import functools
import itertools
import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from core.errors import Invalid

DAY_S = 86_400
ALL_DAYS = (1, 2, 3, 4, 5, 6, 7)
# a band of this day holds on public holidays, which are then no Mondays to Sundays
HOLIDAY = 8
NO_HOLIDAYS: frozenset[dt.date] = frozenset()

T = TypeVar("T")
_DAY = dt.timedelta(days=1)


class RateError(Invalid):
    """A rate contradicts itself: slots out of order, a band without days, a negative price."""

    code = "rate-invalid"


class StartNeededError(Invalid):
    """The rate differs by time of day, and the moment of the answer is not known."""

    code = "start-needed"


class Ceiling(StrEnum):
    """What happens to a charge above the maximum."""

    CAP = "cap"  # it costs the maximum
    REFUSE = "refuse"  # it is not billed before somebody has looked at it


@dataclass(frozen=True, slots=True)
class Slot:
    """From second `from_s` after the answer: `rate` units per `per_s` seconds, in steps of `increment_s`."""

    from_s: int
    rate: int
    per_s: int = 60
    increment_s: int = 1


@dataclass(frozen=True, slots=True)
class Band:
    """Prices that hold on `days_iso` (1 Monday to 7 Sunday, 8 holidays) from second `from_s` of the day.

    A rate that has a band for holidays treats a holiday as day 8 alone, any other rate as its weekday.
    """

    slots: tuple[Slot, ...]
    connect: int = 0
    days_iso: tuple[int, ...] = ALL_DAYS
    from_s: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """What one destination costs. Raises RateError when it is built from parts that contradict.

    `minimum` and `maximum` bound the charge of a call that was answered, connection fee included; `ceiling`
    says what is done above the maximum. A call of at most `grace_s` seconds costs nothing.
    """

    bands: tuple[Band, ...]
    initial_s: int = 0
    minimum: int = 0
    maximum: int | None = None
    ceiling: Ceiling = Ceiling.CAP
    grace_s: int = 0
    # worked out once: the common denominator, each day's band changes, and the short way for plain rates
    denominator: int = field(init=False, repr=False, compare=False)
    changes: Mapping[int, tuple[tuple[int, int], ...]] = field(init=False, repr=False, compare=False)
    _plain: tuple[int, int, int, int, int] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self)
        scale = math.lcm(*(slot.per_s for band in self.bands for slot in band.slots))
        plain = None
        first = self.bands[0]
        if self.is_even and len(first.slots) == 1:
            slot = first.slots[0]
            per_second = slot.rate * (scale // slot.per_s)
            block = self.initial_s or slot.increment_s
            plain = (
                first.connect * scale,
                block,
                per_second * block,
                slot.increment_s,
                per_second * slot.increment_s,
            )
        object.__setattr__(self, "denominator", scale)
        object.__setattr__(self, "changes", _changes(tuple((one.days_iso, one.from_s) for one in self.bands)))
        object.__setattr__(self, "_plain", plain)

    @property
    def has_holidays(self) -> bool:
        """Whether it matters if a day is a holiday."""
        return bool(self.changes[HOLIDAY]) and not self.is_even

    def day_of(self, on: dt.date, holidays: Collection[dt.date]) -> int:
        """Return which day a date counts as: 1 Monday to 7 Sunday, 8 a holiday."""
        return HOLIDAY if on in holidays and self.changes[HOLIDAY] else on.isoweekday()

    @property
    def is_even(self) -> bool:
        """Whether every band charges the same, so that the time of day does not matter."""
        first = self.bands[0]
        return all((band.connect, band.slots) == (first.connect, first.slots) for band in self.bands)


@dataclass(frozen=True, slots=True)
class Exact:
    """An unrounded charge: `numerator / denominator` units for `billed_s` seconds."""

    billed_s: int
    numerator: int
    denominator: int

    def rounded(self) -> int:
        """Return the charge in whole units, rounded once, half-up (charges are never negative)."""
        return half_up(self.numerator, self.denominator)


def half_up(numerator: int, denominator: int) -> int:
    """Round a ratio that is not negative: 1/2 -> 1, 1/3 -> 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def billed_seconds(duration_s: int, *, initial_s: int, increment_s: int) -> int:
    """Return the seconds billed for a duration under `initial/increment`: 32 s at 30/6 -> 36."""
    if duration_s <= 0:
        return 0
    first = initial_s or increment_s
    if duration_s <= first:
        return first
    return first - (first - duration_s) // increment_s * increment_s


def charge(
    rate: Rate,
    *,
    duration_s: int,
    answered_at: dt.datetime | None = None,
    zone: dt.tzinfo = dt.UTC,
    holidays: Collection[dt.date] = NO_HOLIDAYS,
) -> Exact:
    """Return the exact charge of one whole call: connection fee, increments, minimum, maximum.

    A call of 0 s, or not longer than the grace, costs 0, connection fee or not. Above a maximum that refuses
    the charge stands as it is; `is_above` tells.

    Args:
        rate: the destination's rate.
        duration_s: whole seconds from answer to end; part seconds count as begun (round up before).
        answered_at: aware instant of the answer; may be None when the rate is the same at all times.
        zone: zone in which the rate's bands are meant.
        holidays: local dates on which the bands of day 8 hold.

    Raises:
        StartNeededError: the rate has time bands and `answered_at` is None.

    Worked: fee 0.4, 0.2/60 s in 60 s steps, from second 60 0.1/60 s in 1 s steps; 85 s costs
    0.4 + 0.2 + 25 x 0.1/60 = 0.641666667.
    """
    if duration_s <= rate.grace_s:
        return Exact(0, 0, 1)
    if rate._plain is not None:  # noqa: SLF001 - worked out by the same module
        total, block, block_cost, step, step_cost = rate._plain  # noqa: SLF001
        total += block_cost
        billed = block
        if duration_s > block:
            steps = -((block - duration_s) // step)
            total += steps * step_cost
            billed += steps * step
    else:
        part = segment(rate, from_s=0, to_s=duration_s, answered_at=answered_at, zone=zone, holidays=holidays)
        total, billed = part.numerator, part.billed_s
    scale = rate.denominator
    total = max(total, rate.minimum * scale)
    if rate.maximum is not None and rate.ceiling is Ceiling.CAP:
        total = min(total, rate.maximum * scale)
    return Exact(billed, total, scale)


def is_above(rate: Rate, exact: Exact) -> bool:
    """Return whether an exact charge lies above a maximum that refuses."""
    return (
        rate.ceiling is Ceiling.REFUSE
        and rate.maximum is not None
        and exact.numerator > rate.maximum * exact.denominator
    )


def segment(
    rate: Rate,
    *,
    from_s: int,
    to_s: int,
    answered_at: dt.datetime | None = None,
    zone: dt.tzinfo = dt.UTC,
    holidays: Collection[dt.date] = NO_HOLIDAYS,
) -> Exact:
    """Return the exact charge of the increments that start in [from_s, to_s) of a call.

    `from_s` is 0 or the edge of an increment. Only the part from 0 carries the connection fee and the
    initial block; minimum and maximum belong to the whole call and are not applied.
    """
    if to_s <= from_s:
        return Exact(0, 0, 1)
    scale = rate.denominator
    clock = _BandClock(rate, answered_at=answered_at, zone=zone, holidays=holidays)
    position, total = from_s, 0
    if from_s == 0:
        total = rate.bands[clock.at(0)[0]].connect * scale
    while position < to_s:
        index, band_ends = clock.at(position)
        slot, slot_ends = _slot_at(rate.bands[index], position)
        if position == 0 and rate.initial_s:
            size, count = rate.initial_s, 1
        else:
            size = slot.increment_s
            until = min(end for end in (to_s, band_ends, slot_ends) if end is not None)
            count = -((position - until) // size)
        total += count * size * slot.rate * (scale // slot.per_s)
        position += count * size
    return Exact(position - from_s, total, scale)


class _BandClock:
    """Which band is in force at a second of the call, and until when."""

    def __init__(
        self,
        rate: Rate,
        *,
        answered_at: dt.datetime | None,
        zone: dt.tzinfo,
        holidays: Collection[dt.date],
    ) -> None:
        self._rate = rate
        self._is_even = rate.is_even
        if not self._is_even and answered_at is None:
            raise StartNeededError
        # counted in UTC: adding seconds to a local wall time would ignore the clock changes
        self._answered_at = None if answered_at is None else answered_at.astimezone(dt.UTC)
        self._zone = zone
        self._holidays = holidays

    def at(self, second: int) -> tuple[int, int | None]:
        """Return the band's index at a second and the next second at which it may differ."""
        if self._is_even or self._answered_at is None:
            return 0, None
        local = self._local(second)
        of_day = local.hour * 3600 + local.minute * 60 + local.second
        today = self._rate.changes[self._rate.day_of(local.date(), self._holidays)]
        place = bisect_right(today, (of_day, len(self._rate.bands)))
        index = today[place - 1][1] if place else self._last_before(local.date())
        # looked at a day at a time, because a clock change moves every later edge
        edge = today[place][0] if place < len(today) else DAY_S
        return index, self._until_clock_change(second, second + edge - of_day)

    def _last_before(self, on: dt.date) -> int:
        """Return the band last in force before a day; every rate has a band on a weekday."""
        for back in itertools.count(1):
            day = (on.isoweekday() - 1 - back) % 7 + 1
            if on.toordinal() > back:  # else the calendar begins here
                day = self._rate.day_of(on - back * _DAY, self._holidays)
            if changes := self._rate.changes[day]:
                return changes[-1][1]
        raise AssertionError

    def _local(self, second: int) -> dt.datetime:
        assert self._answered_at is not None  # noqa: S101 - at() has returned before
        return (self._answered_at + dt.timedelta(seconds=second)).astimezone(self._zone)

    def _until_clock_change(self, second: int, ends: int) -> int:
        """Return `ends`, or the first second with another UTC offset when that comes before."""
        offset = self._local(second).utcoffset()
        if self._local(ends).utcoffset() == offset:
            return ends
        low, high = second, ends
        while high - low > 1:
            middle = (low + high) // 2
            if self._local(middle).utcoffset() == offset:
                low = middle
            else:
                high = middle
        return high


@functools.lru_cache(4096)
def _changes(layout: tuple[tuple[tuple[int, ...], int], ...]) -> Mapping[int, tuple[tuple[int, int], ...]]:
    """Return, for each day, when which band begins; thousands of rates share a few layouts."""
    return {
        day: tuple(sorted((from_s, index) for index, (days, from_s) in enumerate(layout) if day in days))
        for day in (*ALL_DAYS, HOLIDAY)
    }


def _slot_at(band: Band, second: int) -> tuple[Slot, int | None]:
    current, ends = band.slots[0], None
    for slot in band.slots[1:]:
        if slot.from_s > second:
            ends = slot.from_s
            break
        current = slot
    return current, ends


def _check(rate: Rate) -> None:
    if not rate.bands:
        raise RateError("a rate needs a band")
    if rate.initial_s < 0 or rate.minimum < 0 or rate.grace_s < 0:
        raise RateError("the initial block, the minimum and the grace are not negative")
    if rate.maximum is not None and rate.maximum < rate.minimum:
        raise RateError("the maximum lies below the minimum")
    if all(set(band.days_iso) == {HOLIDAY} for band in rate.bands):
        raise RateError("a rate needs a band on a day that is no holiday")
    changes = [(day, band.from_s) for band in rate.bands for day in band.days_iso]
    if len(set(changes)) != len(changes):
        raise RateError("two bands begin at the same moment of the week")
    for band in rate.bands:
        if not band.days_iso or not set(band.days_iso) <= {*ALL_DAYS, HOLIDAY}:
            raise RateError("a band needs days from 1 (Monday) to 7 (Sunday), 8 are holidays")
        if not 0 <= band.from_s < DAY_S:
            raise RateError("a band begins inside the day")
        if band.connect < 0:
            raise RateError("a connection fee is not negative")
        if not band.slots or band.slots[0].from_s != 0:
            raise RateError("the first slot begins at second 0")
        for slot in band.slots:
            if slot.per_s <= 0 or slot.increment_s <= 0 or slot.rate < 0:
                raise RateError("a slot needs a rate of 0 or more, and positive steps")
        starts = [slot.from_s for slot in band.slots]
        if any(later <= earlier for earlier, later in itertools.pairwise(starts)):
            raise RateError("slots begin one after the other")


class Outcome(StrEnum):
    """What rating made of a usage event."""

    RATED = "rated"
    UNRATED = "unrated"  # waits for a price; blocks closing; never free
    REFUSED = "refused"  # the prefix is blocked


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """The longest prefix that matched, and what stands behind it."""

    prefix: str
    value: T


class PrefixIndex(Generic[T]):
    """Longest prefix match over digit strings; one dictionary look-up per distinct length."""

    def __init__(self, rows: Mapping[str, T] | Iterable[tuple[str, T]]) -> None:
        self._rows: dict[str, T] = dict(rows)
        self._lengths = tuple(sorted({len(prefix) for prefix in self._rows}, reverse=True))
        # digits behind which a longer prefix still waits: with the last four digits unknown we
        # could not tell which of the two prices holds
        self._undecided = frozenset(
            prefix[:length] for prefix in self._rows for length in range(1, len(prefix))
        )

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, digits: str) -> Match[T] | None:
        """Return the longest prefix of `digits` that has a row, or None."""
        rows = self._rows
        for length in self._lengths:
            prefix = digits[:length]
            if len(prefix) == length and prefix in rows:
                return Match(prefix, rows[prefix])
        return None

    def is_undecided(self, digits: str) -> bool:
        """Return whether a longer prefix begins with exactly these digits."""
        return digits in self._undecided
