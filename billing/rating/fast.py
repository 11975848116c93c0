"""Rating in columns: the numbers of `rules` and `tariff`, for tens of thousands of calls at a time.

A tariff is compiled once into arrays. *Longest prefix*: prefixes become disjoint intervals of the digits
padded to eleven, so that a match is one binary search; intervals are never merged, which is how digits that
end before a longer prefix does are found out. *Lanes*: a rate has one lane for each of its bands. *Runs*: the
increments of a lane are laid from the answer and do not depend on how long the call is, so a lane is a short
list of stretches of equal increments, each with what was spent before it; a call needs its last one.

What does not fit is rated by the reference, one by one: calls in which the band changes, and amounts
beyond 2^61. The two must agree bit for bit (tests/billing/test_rating_fast.py).
"""

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from billing.rating.rules import ALL_DAYS, NO_HOLIDAYS, Band, Ceiling, Outcome, Rate
from billing.rating.tariff import HIDDEN_DIGITS, LONGEST_NUMBER, DatedRate, Rating, Tariff

WIDTH = LONGEST_NUMBER - HIDDEN_DIGITS
OUTCOMES = (Outcome.RATED, Outcome.UNRATED, Outcome.REFUSED)
RATED, _UNRATED, _REFUSED = range(3)
# the last two are only met where the reference is asked
REASONS = (
    *("", "meter-not-priced", "needs-hidden-digits", "prefix-not-priced", "prefix-blocked"),
    *("above-maximum", "holidays-unknown"),
)
_NOT_PRICED, _UNDECIDED, _NO_PREFIX, _BLOCKED = range(1, 5)
_MOST = 1 << 61  # twice as much, and half a divisor, still fit into 64 bits
_NO_MAXIMUM = _MOST
_TENS = 10 ** np.arange(WIDTH + 1, dtype=np.int64)[::-1]
_DAY_S = 86_400
_DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls in columns.

    Attributes:
        keys: digits that decide the price, padded with zeros to eleven, as a number.
        lengths: how many digits were given.
        duration_s: whole seconds.
        answered_s: seconds since 1970 (UTC), part seconds cut off.
    """

    keys: Ints
    lengths: Ints
    duration_s: Ints
    answered_s: Ints


@dataclass(frozen=True, slots=True)
class Ratings:
    """What became of calls, in columns; `rows` are places in `Compiled.rates`, -1 for none.

    `billed_s` and `amounts` (nano-units) mean something where `outcomes` says rated.
    """

    outcomes: Ints
    reasons: Ints
    rows: Ints
    billed_s: Ints
    amounts: Ints

    def at(self, place: int, compiled: "Compiled") -> Rating:
        """Return one of them as the reference gives it."""
        outcome, row = OUTCOMES[self.outcomes[place]], int(self.rows[place])
        if row < 0:
            return Rating(outcome, reason=REASONS[self.reasons[place]])
        rate = compiled.rates[row]
        is_rated = outcome is Outcome.RATED
        return Rating(
            outcome,
            reason=REASONS[self.reasons[place]],
            prefix=rate.prefix,
            destination=rate.destination,
            billed_seconds=int(self.billed_s[place]) if is_rated else None,
            amount_nano=int(self.amounts[place]) if is_rated else None,
        )


def columns(
    prefixes: Sequence[str], duration_s: Sequence[int] | Ints, answered_at: Sequence[dt.datetime]
) -> Calls:
    """Return calls as columns; a prefix has at most eleven ASCII digits."""
    digits = np.array(prefixes, dtype=f"S{WIDTH}")
    signs = digits.view(np.uint8).reshape(len(digits), WIDTH).astype(np.int64)
    is_there = signs != 0
    keys = np.where(is_there, signs - ord("0"), 0) @ _TENS[1:]
    return Calls(
        keys,
        is_there.sum(axis=1),
        np.array(duration_s, dtype=np.int64),
        # a double holds microseconds until the year 2255, so that its floor is the second
        np.floor(np.fromiter((at.timestamp() for at in answered_at), np.float64, len(answered_at))).astype(
            np.int64
        ),
    )


class Compiled:
    """One meter of a tariff as arrays. Immutable; made once per tariff and process."""

    def __init__(self, tariff: Tariff, meter: str) -> None:
        self._tariff = tariff
        by_prefix = {row.prefix: row for row in tariff.rates if row.meter == meter}
        self.rates: tuple[DatedRate, ...] = tuple(by_prefix.values())
        self._starts, self._ends, self._rows = _intervals([row.prefix for row in self.rates])
        self._all = next((at for at, row in enumerate(self.rates) if not row.prefix), -1)
        self._lengths = _ints([*(len(row.prefix) for row in self.rates), 0])  # the last stands for "no row"
        self._compile_rates()

    def rate(self, calls: Calls) -> Ratings:
        """Rate calls; equal to `Tariff.rate` on each of them."""
        count = len(calls.keys)
        if not self.rates:
            nothing = np.zeros(count, np.int64)
            unrated, reasons = nothing + _UNRATED, nothing + _NOT_PRICED
            return Ratings(unrated, reasons, nothing - 1, nothing, nothing)
        rows, is_undecided = self._find(calls)
        outcomes, reasons = np.zeros(count, np.int64), np.zeros(count, np.int64)
        is_blocked = self._blocked[rows]
        lanes, is_exact = self._lanes(calls, rows)
        billed, amounts, is_small = self._charge(lanes, rows, calls.duration_s)
        self._mark(outcomes, reasons, rows < 0, _UNRATED, _NO_PREFIX)
        self._mark(outcomes, reasons, is_blocked, _REFUSED, _BLOCKED)
        self._mark(outcomes, reasons, is_undecided, _UNRATED, _UNDECIDED)
        rows = np.where(is_undecided, -1, rows)
        ratings = Ratings(outcomes, reasons, rows, billed, amounts)
        for place in np.flatnonzero(~(is_exact & is_small) & (outcomes == RATED)):
            self._ask_reference(ratings, calls, int(place))
        return ratings

    @staticmethod
    def _mark(outcomes: Ints, reasons: Ints, where: Flags, outcome: int, reason: int) -> None:
        outcomes[where], reasons[where] = outcome, reason

    # ---- longest prefix ----------------------------------------------------------

    def _find(self, calls: Calls) -> tuple[Ints, Flags]:
        """Return each call's rate, -1 where there is none, and whether a longer prefix goes on."""
        place = np.searchsorted(self._starts, calls.keys, side="right") - 1
        rows = self._rows[place]
        ends = calls.keys + _TENS[calls.lengths]
        is_undecided = (self._lengths[rows] > calls.lengths) | (self._ends[place] < ends)
        is_empty = calls.lengths == 0
        if is_empty.any():  # no digits at all match the row for all numbers, and nothing else
            rows = np.where(is_empty, self._all, rows)
            is_undecided &= ~is_empty
        return rows, is_undecided

    # ---- time bands --------------------------------------------------------------

    def _lanes(self, calls: Calls, rows: Ints) -> tuple[Ints, Flags]:
        """Return the lane in force at each answer, and whether it stays in force for the whole call."""
        lanes = self._first_lane[rows]
        is_exact = np.ones(len(rows), np.bool_)
        layouts = self._layout[rows]
        for number, (layout, has_holidays) in enumerate(self._layouts):
            places = np.flatnonzero(layouts == number)
            if len(places):
                band, until = self._bands_at(layout, calls.answered_s[places], has_holidays=has_holidays)
                lanes[places] += band
                is_exact[places] = until >= calls.duration_s[places]
        return lanes, is_exact

    def _bands_at(self, rate: Rate, answered_s: Ints, *, has_holidays: bool) -> tuple[Ints, Ints]:
        """Return the index of the band at each instant, and for how many seconds it surely holds."""
        zone = zoneinfo.ZoneInfo(self._tariff.zone)
        changes, offsets = _offsets(zone, int(answered_s.min()), int(answered_s.max()) + 2 * _DAY_S)
        at = np.searchsorted(changes, answered_s, side="right") - 1
        local = answered_s + offsets[at]
        first, last = int(local.min()) // _DAY_S, int(local.max()) // _DAY_S
        known = self._tariff.holidays
        dates = known.dates if known else NO_HOLIDAYS
        edges, bands = [], []
        for day in range(first - len(ALL_DAYS) - len(dates), last + 2):
            on = _EPOCH.date() + day * _DAY
            for from_s, band in rate.changes[rate.day_of(on, dates)]:
                edges.append(day * _DAY_S + from_s)
                bands.append(band)
        edges.append((last + 2) * _DAY_S)  # further on we did not look
        table = _ints(edges)
        place = np.searchsorted(table, local, side="right") - 1
        until = np.minimum(table[place + 1] - local, changes[at + 1] - answered_s)
        if has_holidays:
            is_known = np.zeros(len(local), np.bool_)
            if known:
                ends = [dt.date(year, 1, 1).toordinal() for year in (known.from_year, known.to_year + 1)]
                begins_s, ends_s = ((day - _EPOCH.toordinal()) * _DAY_S for day in ends)
                is_known = (local >= begins_s) & (local + until < ends_s)
            until = np.where(is_known, until, -1)
        return _ints(bands)[place], until

    # ---- increments, minimum, maximum, the one rounding ------------------------------

    def _charge(self, lanes: Ints, rows: Ints, duration_s: Ints) -> tuple[Ints, Ints, Flags]:
        """Return billed seconds and nano-units, and whether no number on the way was too large."""
        run = self._first_run[lanes]
        last = self._first_run[lanes + 1] - 1
        for _ in range(self._most_runs - 1):
            following = np.minimum(run + 1, last)
            run = np.where(self._run_from[following] < duration_s, following, run)
        size = self._run_size[run]
        begun = self._run_from[run]
        steps = (duration_s - begun + size - 1) // size
        billed = begun + steps * size
        is_small = duration_s <= self._longest[lanes]
        total = np.maximum(self._run_spent[run] + steps * self._run_cost[run], self._minimum[rows])
        is_small &= (self._refuses_above[rows] == _NO_MAXIMUM) | (total <= self._refuses_above[rows])
        total = np.minimum(total, self._caps_at[rows])
        scale = self._scale[rows]
        amounts = (2 * total + scale) // (2 * scale)
        is_free = duration_s <= self._grace[rows]
        billed[is_free] = 0
        amounts[is_free] = 0
        return billed, amounts, is_small | is_free

    def _ask_reference(self, ratings: Ratings, calls: Calls, place: int) -> None:
        row = self.rates[ratings.rows[place]]
        found = self._tariff.rate_by(
            row,
            duration_s=int(calls.duration_s[place]),
            answered_at=_EPOCH + int(calls.answered_s[place]) * _SECOND,
        )
        ratings.outcomes[place] = OUTCOMES.index(found.outcome)
        ratings.reasons[place] = REASONS.index(found.reason)
        if found.prefix is None:
            ratings.rows[place] = -1
        if found.amount_nano is not None and found.billed_seconds is not None:
            ratings.billed_s[place], ratings.amounts[place] = found.billed_seconds, found.amount_nano

    # ---- compiling ---------------------------------------------------------------

    def _compile_rates(self) -> None:
        blocked: list[bool] = []
        scale: list[int] = []
        grace: list[int] = []
        minimum: list[int] = []
        caps_at: list[int] = []
        refuses_above: list[int] = []
        first_lane: list[int] = []
        layout: list[int] = []
        longest: list[int] = []
        first_run = [0]
        runs: list[tuple[int, int, int, int]] = []
        layouts: dict[object, int] = {}
        self._layouts: list[tuple[Rate, bool]] = []
        lanes: dict[object, tuple[list[tuple[int, int, int, int]], int]] = {}
        for row in self.rates:
            rate = row.rate
            is_even = rate.is_even
            bounds = _bounds(rate)
            blocked.append(row.is_blocked)
            scale.append(rate.denominator)
            grace.append(rate.grace_s)
            minimum.append(bounds[0])
            caps_at.append(bounds[1])
            refuses_above.append(bounds[2])
            first_lane.append(len(longest))
            fits = all(bound <= _MOST for bound in bounds) and rate.denominator < _MOST
            for band in rate.bands[:1] if is_even else rate.bands:
                key = (band.slots, band.connect, rate.initial_s, rate.denominator)
                if key not in lanes:
                    lanes[key] = _runs(band, rate)
                of_lane, safe_s = lanes[key]
                runs += of_lane
                first_run.append(len(runs))
                longest.append(safe_s if fits else -1)
            if is_even:
                layout.append(-1)
                continue
            shape = tuple((band.days_iso, band.from_s) for band in rate.bands)
            if shape not in layouts:
                layouts[shape] = len(self._layouts)
                self._layouts.append((rate, rate.has_holidays))
            layout.append(layouts[shape])
        # the last of each stands for "no row": it costs nothing and is never looked at
        self._blocked: Flags = np.array([*blocked, False])
        self._scale = _ints([*scale, 1])
        self._grace = _ints([*grace, 0])
        self._minimum, self._caps_at, self._refuses_above = (
            _ints([*(min(value, _MOST) for value in values), 0])
            for values in (minimum, caps_at, refuses_above)
        )
        self._first_lane = _ints([*first_lane, len(longest)])
        self._layout = _ints([*layout, -1])
        self._longest = _ints([*longest, 0])
        self._first_run = _ints([*first_run, len(runs) + 1])
        runs.append((0, 1, 0, 0))
        self._run_from, self._run_size, self._run_cost, self._run_spent = (
            _ints(list(column)) for column in zip(*runs, strict=True)
        )
        self._most_runs = int(np.diff(self._first_run).max())


def _bounds(rate: Rate) -> tuple[int, int, int]:
    """Return minimum, cap and the most that is not refused, in parts of a nano-unit."""
    most = _NO_MAXIMUM if rate.maximum is None else rate.maximum * rate.denominator
    caps, refuses = (most if rate.ceiling is one else _NO_MAXIMUM for one in (Ceiling.CAP, Ceiling.REFUSE))
    return rate.minimum * rate.denominator, caps, refuses


def _runs(band: Band, rate: Rate) -> tuple[list[tuple[int, int, int, int]], int]:
    """Return a lane's runs (from, size, cost of one, spent before) and up to which second they fit.

    A run goes on to the next one's beginning: an increment that has begun is charged whole.
    """
    runs: list[tuple[int, int, int, int]] = []
    spent, position = band.connect * rate.denominator, 0
    longest = (1 << 40) - 1
    block = rate.initial_s
    slots = itertools.pairwise([*band.slots, None])
    for slot, following in slots:
        assert slot is not None  # noqa: S101 - only the last of the pairs' second is
        if following is not None and following.from_s <= position:
            continue  # the initial block, or an increment, reaches over this slot
        each = slot.rate * (rate.denominator // slot.per_s)
        if not position and block and block != slot.increment_s:
            runs.append((0, block, each * block, spent))
            spent, position = spent + each * block, block
            if following is not None and following.from_s <= position:
                continue
        size, cost = slot.increment_s, each * slot.increment_s
        runs.append((position, size, cost, spent))
        if following is None:
            room = _MOST - spent
            steps = longest if not cost else max(room // cost - 1, 0)
            longest = -1 if room < 0 else min(longest, position + steps * size)
        else:
            count = -((position - following.from_s) // size)
            spent, position = spent + count * cost, position + count * size
    if any(value > _MOST for run in runs for value in run):
        return [(0, 1, 0, 0)], -1
    return runs, longest


def _intervals(prefixes: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Return disjoint intervals (first key, key after the last, row) that cover all keys; -1: no row.

    Every beginning and end of a prefix begins an interval, even where the row stays the same.
    """
    order = sorted(
        (int(prefix.ljust(WIDTH, "0")), len(prefix), row) for row, prefix in enumerate(prefixes) if prefix
    )
    whole = 10**WIDTH
    everything = next((row for row, prefix in enumerate(prefixes) if not prefix), -1)
    starts, rows = [0], [everything]
    open_ends: list[tuple[int, int]] = [(whole, everything)]

    def begin(key: int, row: int) -> None:
        if starts[-1] == key:
            rows[-1] = row
        else:
            starts.append(key)
            rows.append(row)

    def close_before(key: int) -> None:
        while open_ends[-1][0] <= key and len(open_ends) > 1:
            end, _row = open_ends.pop()
            begin(end, open_ends[-1][1])

    for key, length, row in order:
        close_before(key)
        begin(key, row)
        open_ends.append((key + 10 ** (WIDTH - length), row))
    close_before(whole)
    if starts[-1] == whole:
        starts.pop()
        rows.pop()
    return _ints(starts), _ints([*starts[1:], whole]), _ints(rows)


def _offsets(zone: dt.tzinfo, first_s: int, last_s: int) -> tuple[Ints, Ints]:
    """Return from which instants which UTC offset (seconds) holds; one more instant ends the list."""

    def offset(second: int) -> int:
        found = (_EPOCH + second * _SECOND).astimezone(zone).utcoffset()
        assert found is not None  # noqa: S101 - an aware instant has one
        return found // _SECOND

    changes, offsets = [first_s], [offset(first_s)]
    second = first_s
    while second <= last_s:
        ahead = second + _DAY_S
        if offset(ahead) != offsets[-1]:
            low, high = second, ahead
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
            changes.append(high)
            offsets.append(offset(high))
            second = high
        else:
            second = ahead
    return _ints([*changes, second]), _ints(offsets)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)
