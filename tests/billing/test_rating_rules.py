"""The arithmetic of rating against worked figures and an evaluator that lays one increment at a time."""

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.rules import (
    HOLIDAY,
    Band,
    Ceiling,
    PrefixIndex,
    Rate,
    RateError,
    Slot,
    StartNeededError,
    billed_seconds,
    charge,
    half_up,
    is_above,
    segment,
)
from core.money import round_half_up

LONDON = zoneinfo.ZoneInfo("Europe/London")
MONDAY_NINE = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)

slots_of_one = st.builds(
    Slot,
    from_s=st.just(0),
    rate=st.integers(0, 10**9),
    per_s=st.sampled_from([1, 6, 30, 60, 3600]),
    increment_s=st.sampled_from([1, 6, 7, 30, 60]),
)


@st.composite
def slot_lists(draw: st.DrawFn) -> tuple[Slot, ...]:
    slots = [draw(slots_of_one)]
    for _ in range(draw(st.integers(0, 2))):
        slot = draw(slots_of_one)
        start = slots[-1].from_s + draw(st.integers(1, 4)) * slots[-1].increment_s
        slots.append(Slot(from_s=start, rate=slot.rate, per_s=slot.per_s, increment_s=slot.increment_s))
    return tuple(slots)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    count = draw(st.integers(1, 3))
    starts = draw(st.lists(st.integers(0, 86_399), min_size=count, max_size=count, unique=True))
    bands = tuple(
        Band(
            slots=draw(slot_lists()),
            connect=draw(st.integers(0, 10**9)),
            days_iso=tuple(draw(st.sets(st.integers(1, 7), min_size=1))),
            from_s=start,
        )
        for start in starts
    )
    return Rate(bands=bands, initial_s=draw(st.sampled_from([0, 0, 30, 60])))


answers = st.integers(0, 10 * 366 * 86_400).map(
    lambda second: (
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second, microseconds=second % 7)
    )
)
ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
zones = st.one_of(
    st.sampled_from(("UTC", "Europe/London", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe")),
    st.sampled_from(ZONES),
).map(zoneinfo.ZoneInfo)


def one_at_a_time(
    rate: Rate, *, duration_s: int, answered_at: dt.datetime, zone: dt.tzinfo
) -> tuple[int, Fraction]:
    """The readable truth: lay one increment, look up its band and slot, add its price; repeat."""
    if duration_s <= 0:
        return 0, Fraction(0)
    position, total = 0, Fraction(band_at(rate, answered_at, 0, zone).connect)
    while position < duration_s:
        band = band_at(rate, answered_at, position, zone)
        slot = [slot for slot in band.slots if slot.from_s <= position][-1]
        size = rate.initial_s if position == 0 and rate.initial_s else slot.increment_s
        total += Fraction(slot.rate * size, slot.per_s)
        position += size
    return position, total


def band_at(rate: Rate, answered_at: dt.datetime, second: int, zone: dt.tzinfo) -> Band:
    local = (answered_at.astimezone(dt.UTC) + dt.timedelta(seconds=second)).astimezone(zone)
    of_day = local.hour * 3600 + local.minute * 60 + local.second
    for back in range(8):
        day = (local.isoweekday() - 1 - back) % 7 + 1
        begun = [band for band in rate.bands if day in band.days_iso and (back > 0 or band.from_s <= of_day)]
        if begun:
            return max(begun, key=lambda band: band.from_s)
    raise AssertionError


@given(rate=rates(), duration_s=st.integers(-3, 6_000), answered_at=answers, zone=zones)
def test_charge_equals_laying_one_increment_at_a_time(
    rate: Rate, duration_s: int, answered_at: dt.datetime, zone: dt.tzinfo
) -> None:
    exact = charge(rate, duration_s=duration_s, answered_at=answered_at, zone=zone)
    billed, total = one_at_a_time(rate, duration_s=duration_s, answered_at=answered_at, zone=zone)
    assert exact.billed_s == billed
    assert Fraction(exact.numerator, exact.denominator) == total
    assert exact.rounded() == round_half_up(total)


@given(rate=rates(), near=st.integers(-7200, 7200), duration_s=st.integers(1, 6_000))
def test_a_call_through_a_clock_change_bills_the_band_of_the_wall_clock(
    rate: Rate, near: int, duration_s: int
) -> None:
    for change in (dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC), dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)):
        answered_at = change + dt.timedelta(seconds=near)
        exact = charge(rate, duration_s=duration_s, answered_at=answered_at, zone=LONDON)
        _, total = one_at_a_time(rate, duration_s=duration_s, answered_at=answered_at, zone=LONDON)
        assert Fraction(exact.numerator, exact.denominator) == total


@given(
    rate=rates(),
    first=st.integers(0, 5000),
    more=st.integers(0, 5000),
    answered_at=answers,
    zone=zones,
)
def test_a_longer_call_never_costs_less(
    rate: Rate, first: int, more: int, answered_at: dt.datetime, zone: dt.tzinfo
) -> None:
    short = charge(rate, duration_s=first, answered_at=answered_at, zone=zone)
    long = charge(rate, duration_s=first + more, answered_at=answered_at, zone=zone)
    assert short.rounded() <= long.rounded()
    assert short.billed_s <= long.billed_s


@given(rate=rates(), duration_s=st.integers(1, 5000), cut=st.integers(0, 50), answered_at=answers, zone=zones)
def test_splitting_at_an_increment_edge_changes_nothing(
    rate: Rate, duration_s: int, cut: int, answered_at: dt.datetime, zone: dt.tzinfo
) -> None:
    edge = 0
    for _ in range(cut):  # walk to the cut-th increment edge of this very call
        if edge >= duration_s:
            break
        edge += segment(rate, from_s=edge, to_s=edge + 1, answered_at=answered_at, zone=zone).billed_s
    whole = segment(rate, from_s=0, to_s=duration_s, answered_at=answered_at, zone=zone)
    head = segment(rate, from_s=0, to_s=min(edge, duration_s), answered_at=answered_at, zone=zone)
    tail = segment(rate, from_s=edge, to_s=duration_s, answered_at=answered_at, zone=zone)
    parts = sum(Fraction(part.numerator, part.denominator) for part in (head, tail))
    assert parts == Fraction(whole.numerator, whole.denominator)
    assert head.billed_s + tail.billed_s == whole.billed_s


@given(rate=rates(), duration_s=st.integers(0, 5000), answered_at=answers)
def test_rounding_happens_once_and_moves_at_most_half_a_unit(
    rate: Rate, duration_s: int, answered_at: dt.datetime
) -> None:
    exact = charge(rate, duration_s=duration_s, answered_at=answered_at)
    assert abs(exact.rounded() - Fraction(exact.numerator, exact.denominator)) <= Fraction(1, 2)


@given(numerator=st.integers(0, 10**12), denominator=st.integers(1, 10**6))
def test_half_up_is_the_houses_half_up(numerator: int, denominator: int) -> None:
    assert half_up(numerator, denominator) == round_half_up(Fraction(numerator, denominator))


@given(duration_s=st.integers(-5, 10_000), initial_s=st.integers(0, 120), increment_s=st.integers(1, 120))
def test_billed_seconds_cover_the_call_and_no_whole_increment_more(
    duration_s: int, initial_s: int, increment_s: int
) -> None:
    billed = billed_seconds(duration_s, initial_s=initial_s, increment_s=increment_s)
    if duration_s <= 0:
        assert billed == 0
        return
    first = initial_s or increment_s
    assert billed >= duration_s
    assert billed == first or billed - duration_s < increment_s
    assert (billed - first) % increment_s == 0
    assert billed_seconds(billed, initial_s=initial_s, increment_s=increment_s) == billed


@given(
    slot=slots_of_one,
    initial_s=st.sampled_from([0, 30, 60]),
    duration_s=st.integers(0, 5000),
)
def test_the_charge_bills_the_seconds_of_the_increment_formula(
    slot: Slot, initial_s: int, duration_s: int
) -> None:
    exact = charge(Rate(bands=(Band(slots=(slot,)),), initial_s=initial_s), duration_s=duration_s)
    expected = billed_seconds(duration_s, initial_s=initial_s, increment_s=slot.increment_s)
    assert exact.billed_s == expected


@given(
    deck=st.dictionaries(st.text("0123", max_size=6), st.integers(), max_size=30),
    digits=st.text("0123", max_size=9),
)
def test_longest_prefix_match_equals_brute_force(deck: dict[str, int], digits: str) -> None:
    found = PrefixIndex(deck).find(digits)
    matching = [prefix for prefix in deck if digits.startswith(prefix)]
    if not matching:
        assert found is None
        return
    assert found is not None
    assert found.prefix == max(matching, key=len)
    assert found.value == deck[found.prefix]


@given(
    deck=st.dictionaries(st.text("0123", max_size=6), st.integers(), max_size=30),
    digits=st.text("0123", min_size=1, max_size=6),
)
def test_digits_are_undecided_exactly_when_a_longer_prefix_begins_with_them(
    deck: dict[str, int], digits: str
) -> None:
    longer = [prefix for prefix in deck if prefix.startswith(digits) and prefix != digits]
    assert PrefixIndex(deck).is_undecided(digits) is bool(longer)


def test_the_worked_call_costs_what_the_page_says() -> None:
    rate = Rate(
        bands=(
            Band(
                days_iso=(1, 2, 3, 4, 5),
                from_s=8 * 3600,
                connect=400_000_000,
                slots=(Slot(0, 200_000_000, 60, 60), Slot(60, 100_000_000, 60, 1)),
            ),
        )
    )
    exact = charge(rate, duration_s=85, answered_at=dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC))
    assert (exact.billed_s, exact.rounded()) == (85, 641_666_667)


def test_thirty_six_seconds_are_billed_for_32_at_30_6() -> None:
    assert billed_seconds(32, initial_s=30, increment_s=6) == 36


def test_a_call_of_no_seconds_costs_nothing_in_spite_of_its_fees() -> None:
    rate = Rate(bands=(Band(slots=(Slot(0, 60),), connect=40),), minimum=100)
    assert charge(rate, duration_s=0).rounded() == 0


def test_minimum_and_maximum_bound_an_answered_call() -> None:
    rate = Rate(bands=(Band(slots=(Slot(0, 60),), connect=5),), minimum=20, maximum=100)
    assert charge(rate, duration_s=1).rounded() == 20
    assert charge(rate, duration_s=50).rounded() == 55
    assert charge(rate, duration_s=500).rounded() == 100


def test_an_increment_belongs_to_the_band_in_which_it_starts() -> None:
    peak = Band(slots=(Slot(0, 600, 60, 60),), from_s=8 * 3600)
    night = Band(slots=(Slot(0, 60, 60, 60),), from_s=18 * 3600)
    rate = Rate(bands=(peak, night))
    at = dt.datetime(2026, 11, 16, 17, 59, 30, tzinfo=dt.UTC)
    # the minute begun at 17:59:30 is a peak minute to its end, the next begins at 18:00:30
    assert charge(rate, duration_s=61, answered_at=at).rounded() == 600 + 60


def test_before_the_days_first_band_the_one_last_in_force_goes_on() -> None:
    rate = Rate(
        bands=(
            Band(slots=(Slot(0, 600),), days_iso=(1,), from_s=8 * 3600),
            Band(slots=(Slot(0, 60),), days_iso=(5,), from_s=8 * 3600),
        )
    )
    at_seven = MONDAY_NINE - dt.timedelta(hours=2)
    assert charge(rate, duration_s=60, answered_at=at_seven).rounded() == 60
    assert charge(rate, duration_s=60, answered_at=MONDAY_NINE).rounded() == 600


def test_without_the_moment_of_the_answer_only_even_bands_can_be_priced() -> None:
    low, high = Band(slots=(Slot(0, 60),)), Band(slots=(Slot(0, 600),), from_s=60)
    with pytest.raises(StartNeededError):
        charge(Rate(bands=(low, high)), duration_s=60)
    assert charge(Rate(bands=(low, Band(slots=low.slots, from_s=60))), duration_s=60).rounded() == 60


@pytest.mark.parametrize(
    "build",
    [
        lambda: Rate(bands=()),
        lambda: Rate(bands=(Band(slots=()),)),
        lambda: Rate(bands=(Band(slots=(Slot(5, 1),)),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1), Slot(0, 2))),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, -1),)),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1, 0),)),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1, 60, 0),)),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1),), days_iso=()),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1),), days_iso=(9,)),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1),), days_iso=(HOLIDAY,)),)),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1),)), Band(slots=(Slot(0, 2),)))),
        lambda: Rate(bands=(Band(slots=(Slot(0, 1),)),), minimum=5, maximum=4),
    ],
)
def test_a_rate_that_contradicts_itself_is_refused(build: Callable[[], Rate]) -> None:
    with pytest.raises(RateError):
        build()


def test_the_plain_way_and_the_long_way_agree() -> None:
    rate = Rate(bands=(Band(slots=(Slot(0, 725, 60, 6),), connect=3),), initial_s=30)
    for duration in range(1, 200):
        plain = charge(rate, duration_s=duration)
        long = segment(rate, from_s=0, to_s=duration)
        assert (plain.billed_s, plain.numerator) == (long.billed_s, long.numerator)


def test_a_call_within_the_grace_costs_nothing_and_the_next_second_costs_all() -> None:
    rate = Rate(bands=(Band(slots=(Slot(0, 60),), connect=40),), grace_s=5)
    assert charge(rate, duration_s=5).rounded() == 0
    assert charge(rate, duration_s=6).rounded() == 46


def test_above_a_maximum_that_refuses_the_charge_is_told_and_not_cut() -> None:
    rate = Rate(bands=(Band(slots=(Slot(0, 60),)),), maximum=100, ceiling=Ceiling.REFUSE)
    within, above = charge(rate, duration_s=100), charge(rate, duration_s=101)
    assert (within.rounded(), is_above(rate, within)) == (100, False)
    assert (above.rounded(), is_above(rate, above)) == (101, True)


def test_a_holiday_is_no_weekday_where_the_rate_has_a_band_for_holidays() -> None:
    week, holiday = Band(slots=(Slot(0, 600),)), Band(slots=(Slot(0, 60),), days_iso=(HOLIDAY,))
    rate = Rate(bands=(week, holiday))
    days = {dt.date(2026, 12, 25)}
    christmas = dt.datetime(2026, 12, 25, 12, tzinfo=dt.UTC)
    assert charge(rate, duration_s=60, answered_at=christmas, holidays=days).rounded() == 60
    assert charge(rate, duration_s=60, answered_at=christmas).rounded() == 600
    assert charge(Rate(bands=(week,)), duration_s=60, answered_at=christmas, holidays=days).rounded() == 600


def test_a_call_into_a_holiday_changes_its_band_at_local_midnight() -> None:
    week, holiday = Band(slots=(Slot(0, 600),)), Band(slots=(Slot(0, 60),), days_iso=(HOLIDAY,))
    # one minute before midnight in Shanghai
    at = dt.datetime(2026, 9, 30, 15, 59, tzinfo=dt.UTC)
    exact = charge(
        Rate(bands=(week, holiday)),
        duration_s=120,
        answered_at=at,
        zone=zoneinfo.ZoneInfo("Asia/Shanghai"),
        holidays={dt.date(2026, 10, 1)},
    )
    assert exact.rounded() == 600 + 60


def test_after_a_holiday_the_band_last_in_force_is_the_holidays() -> None:
    day = Band(slots=(Slot(0, 600),), from_s=8 * 3600)
    holiday = Band(slots=(Slot(0, 60),), days_iso=(HOLIDAY,), from_s=0)
    rate = Rate(bands=(day, holiday))
    days = {dt.date(2026, 12, 25)}
    seven = dt.datetime(2026, 12, 26, 7, tzinfo=dt.UTC)
    assert charge(rate, duration_s=60, answered_at=seven, holidays=days).rounded() == 60
    assert charge(rate, duration_s=60, answered_at=seven).rounded() == 600


@given(rate=rates(), duration_s=st.integers(1, 5000), answered_at=answers, zone=zones)
def test_twice_the_prices_are_twice_the_charge(
    rate: Rate, duration_s: int, answered_at: dt.datetime, zone: dt.tzinfo
) -> None:
    twice = Rate(
        bands=tuple(
            replace(
                band,
                connect=2 * band.connect,
                slots=tuple(replace(slot, rate=2 * slot.rate) for slot in band.slots),
            )
            for band in rate.bands
        ),
        initial_s=rate.initial_s,
    )
    once = charge(rate, duration_s=duration_s, answered_at=answered_at, zone=zone)
    doubled = charge(twice, duration_s=duration_s, answered_at=answered_at, zone=zone)
    assert (doubled.billed_s, doubled.numerator) == (once.billed_s, 2 * once.numerator)


def clock_changes(zone: zoneinfo.ZoneInfo, year: int) -> list[dt.datetime]:
    """The instants of a year at which a zone's clocks change, to the minute."""
    found = []
    begin = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    days = [begin + dt.timedelta(days=n) for n in range(367)]
    for first, last in itertools.pairwise(days):
        low, high = first, last
        if low.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset():
            continue
        while high - low > dt.timedelta(minutes=1):
            middle = low + (high - low) // 2
            is_before = middle.astimezone(zone).utcoffset() == first.astimezone(zone).utcoffset()
            low, high = (middle, high) if is_before else (low, middle)
        found.append(high)
    return found


def test_every_second_through_every_clock_change_of_every_zone_has_its_band() -> None:
    """Invariant 5: bands that change every hour of the night, and a call laid through each change of 2026."""
    rate = Rate(bands=tuple(Band(slots=(Slot(0, hour + 1),), from_s=hour * 3600) for hour in range(24)))
    changed = 0
    for name in ZONES:
        zone = zoneinfo.ZoneInfo(name)
        for at in clock_changes(zone, 2026):
            answered_at = at.replace(second=0, microsecond=0) - dt.timedelta(minutes=40)
            exact = charge(rate, duration_s=6000, answered_at=answered_at, zone=zone)
            seconds = sum(
                (answered_at + dt.timedelta(minutes=n)).astimezone(zone).hour + 1 for n in range(100)
            )
            assert Fraction(exact.numerator, exact.denominator) == seconds, (name, at)
            changed += 1
    assert changed > 100
