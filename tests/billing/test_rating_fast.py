"""Rating in columns gives what the reference gives, bit for bit, and finds prefixes as brute force does."""

import datetime as dt
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from phonenumbers.carrierdata import CARRIER_DATA
from phonenumbers.geodata import GEOCODE_DATA

from billing.rating import fast
from billing.rating.rules import HOLIDAY, Band, Ceiling, Outcome, PrefixIndex, Rate, Slot
from billing.rating.tariff import DatedRate, Holidays, Tariff, longest_prefix

NAMES = {"x": {"en": "X"}}
METER = "voice.outbound"
EASTER = Holidays(
    "GB-ENG", 2025, 2027, frozenset({dt.date(2026, 4, 3), dt.date(2026, 4, 6), dt.date(2026, 12, 25)})
)


_hours = st.sampled_from([hour * 3600 for hour in (-2, -1, 0, 1, 2, 3, 8, 24)])


@st.composite
def slots(draw: st.DrawFn) -> tuple[Slot, ...]:
    edge, found = 0, []
    for _ in range(draw(st.integers(1, 3))):
        found.append(
            Slot(
                from_s=edge,
                rate=draw(st.sampled_from([0, 1, 7, 10**6, 123_456_789, 10**15])),
                per_s=draw(st.sampled_from([1, 6, 7, 60, 3600])),
                increment_s=draw(st.sampled_from([1, 6, 7, 30, 60])),
            )
        )
        edge += draw(st.integers(1, 90))  # also inside an increment: it is charged whole
    return tuple(found)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    count = draw(st.sampled_from([1, 1, 2, 3]))
    # full hours near the calls' own, so that many calls go through a change of band
    starts = draw(
        st.lists(_hours.map(lambda hour: hour % 86_400), min_size=count, max_size=count, unique=True)
    )
    days = st.sets(st.integers(1, HOLIDAY), min_size=1)
    bands = [
        Band(slots=draw(slots()), connect=draw(st.sampled_from([0, 5, 10**9])), from_s=start, days_iso=held)
        for start, held in zip(
            starts, [(1, 2, 3, 4, 5, 6, 7), *[tuple(draw(days)) for _ in starts[1:]]], strict=True
        )
    ]
    minimum = draw(st.sampled_from([0, 0, 10**8]))
    maximum = draw(st.one_of(st.none(), st.integers(minimum, 10**11)))
    return Rate(
        bands=tuple(bands),
        initial_s=draw(st.sampled_from([0, 0, 1, 30, 60, 200])),
        minimum=minimum,
        maximum=maximum,
        ceiling=draw(st.sampled_from(Ceiling)),
        grace_s=draw(st.sampled_from([0, 0, 3, 10])),
    )


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    prefixes = draw(st.sets(st.text("012", max_size=6), min_size=1, max_size=12))
    return Tariff(
        "p",
        1,
        "GBP",
        draw(st.sampled_from(["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe"])),
        NAMES,
        tuple(DatedRate(METER, one, "x", draw(rates()), draw(st.integers(0, 9)) == 0) for one in prefixes),
        holidays=draw(st.sampled_from([None, EASTER])),
    )


# around clock changes, holidays, and the ends of the years whose holidays are known
_moments = st.sampled_from(
    [
        dt.datetime(2026, 4, 3, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC),
        dt.datetime(2024, 12, 31, 23, tzinfo=dt.UTC),
        dt.datetime(2027, 12, 31, 23, 50, tzinfo=dt.UTC),
    ]
)
answers = st.builds(
    lambda at, hour, s, us: at + dt.timedelta(seconds=hour + s, microseconds=us),
    _moments,
    _hours,
    st.integers(-90, 90),
    st.sampled_from([0, 1, 999_999]),
)
calls = st.lists(
    st.tuples(st.text("0123", max_size=8), st.one_of(st.integers(0, 200), st.integers(0, 4000)), answers),
    min_size=1,
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(tariff=tariffs(), of=calls)
def test_columns_are_rated_as_the_reference_rates_each_call(
    tariff: Tariff, of: list[tuple[str, int, dt.datetime]]
) -> None:
    compiled = fast.Compiled(tariff, METER)
    found = compiled.rate(fast.columns(*zip(*of, strict=True)))
    for place, (prefix, duration_s, answered_at) in enumerate(of):
        expected = tariff.rate(meter=METER, prefix=prefix, duration_s=duration_s, answered_at=answered_at)
        assert found.at(place, compiled) == expected


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(tariff=tariffs(), of=calls)
def test_what_no_prefix_of_the_deck_begins_is_unrated_and_never_free(
    tariff: Tariff, of: list[tuple[str, int, dt.datetime]]
) -> None:
    """Invariant 7, said without an index: a price needs a row of the deck."""
    deck = [row.prefix for row in tariff.rates]
    compiled = fast.Compiled(tariff, METER)
    found = compiled.rate(fast.columns(*zip(*of, strict=True)))
    for place, (prefix, _, _) in enumerate(of):
        one = found.at(place, compiled)
        if not any(prefix.startswith(row) for row in deck):
            assert one.outcome is Outcome.UNRATED
            assert one.reason in {"prefix-not-priced", "needs-hidden-digits"}
        if one.outcome is not Outcome.RATED:
            assert one.reason
            assert (one.amount_nano, one.billed_seconds) == (None, None)


def test_a_meter_without_rates_is_unrated_and_not_free() -> None:
    compiled = fast.Compiled(Tariff("p", 1, "GBP", "UTC", NAMES, ()), METER)
    found = compiled.rate(fast.columns(["44"], [60], [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]))
    assert found.at(0, compiled).outcome is Outcome.UNRATED
    assert found.at(0, compiled).reason == "meter-not-priced"


@given(
    deck=st.sets(st.text("012", max_size=6), min_size=1, max_size=30),
    digits=st.lists(st.text("0123", max_size=8), min_size=1, max_size=20),
)
@example(deck={"0", "00"}, digits=["0", "00", "000", ""])
def test_intervals_match_the_longest_prefix_as_brute_force_does(deck: set[str], digits: list[str]) -> None:
    insist_on_brute_force(sorted(deck), digits)


@pytest.fixture(scope="module")
def real_prefixes() -> list[str]:
    """Every prefix of the phonenumbers library that a price list may have: four digits stay unknown."""
    known = {*GEOCODE_DATA, *CARRIER_DATA}
    return sorted(one for one in known if len(one) <= min(longest_prefix(one), fast.WIDTH))


def test_intervals_match_on_the_prefixes_of_real_numbering_plans(real_prefixes: list[str]) -> None:
    assert len(real_prefixes) > 100_000
    step = max(1, len(real_prefixes) // 4_000)
    digits = [
        digits
        for one in real_prefixes[::step]
        for digits in (one, one[:-1], (one + "0" * 11)[: fast.WIDTH], (one + "97531")[: fast.WIDTH])
    ]
    index = PrefixIndex({one: at for at, one in enumerate(real_prefixes)})
    compiled = compile_deck(real_prefixes)
    found = rate_all(compiled, digits)
    known = frozenset(real_prefixes)
    for place, one in enumerate(digits):
        longest = next((one[:size] for size in range(len(one), 0, -1) if one[:size] in known), None)
        if index.is_undecided(one):
            assert found.at(place, compiled).reason == "needs-hidden-digits"
        else:
            assert found.at(place, compiled).prefix == longest


def insist_on_brute_force(deck: list[str], digits: list[str]) -> None:
    compiled = compile_deck(deck)
    found = rate_all(compiled, digits)
    for place, one in enumerate(digits):
        rating = found.at(place, compiled)
        if any(row.startswith(one) and len(row) > len(one) > 0 for row in deck):
            assert rating.reason == "needs-hidden-digits"
        else:
            assert rating.prefix == max((row for row in deck if one.startswith(row)), key=len, default=None)


def compile_deck(deck: list[str]) -> fast.Compiled:
    cheap = Rate(bands=(Band(slots=(Slot(0, 1),)),))
    return fast.Compiled(
        Tariff("p", 1, "GBP", "UTC", NAMES, tuple(DatedRate(METER, one, "x", cheap) for one in deck)), METER
    )


def rate_all(compiled: fast.Compiled, digits: list[str]) -> fast.Ratings:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return compiled.rate(fast.columns(digits, list(itertools.repeat(60, len(digits))), [at] * len(digits)))


def test_keys_are_the_digits_padded_to_eleven() -> None:
    found = fast.columns(["44770", ""], [1, 2], [dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)] * 2)
    assert np.array_equal(found.keys, [44770_000000, 0])
    assert np.array_equal(found.lengths, [5, 0])
    assert np.array_equal(found.answered_s, [5, 5])
