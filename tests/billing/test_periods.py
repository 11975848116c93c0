"""Local months tile time in every zone."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import periods
from billing.errors import PeriodInvalidError

ZONES = sorted(zoneinfo.available_timezones())


@given(st.sampled_from(ZONES), st.integers(1990, 2050), st.integers(1, 12))
def test_months_follow_each_other_without_gap_or_overlap(zone: str, year: int, number: int) -> None:
    this = periods.month(year, number, zone=zone)
    following = periods.month(year + number // 12, number % 12 + 1, zone=zone)
    assert this.end == following.start
    assert dt.timedelta(days=26) < this.end - this.start < dt.timedelta(days=33)


@given(
    st.sampled_from(ZONES),
    st.integers(0, 60 * 366 * 86_400 - 1).map(
        lambda second: dt.datetime(1990, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
    ),
)
def test_every_instant_falls_into_its_month(zone: str, instant: dt.datetime) -> None:
    found = periods.month_of(instant, zone=zone)
    assert found.start <= instant < found.end
    assert periods.insist(found, zone=zone) == found


def test_october_in_london_begins_in_summer_time_and_ends_in_winter_time() -> None:
    october = periods.month(2026, 10, zone="Europe/London")
    assert october.start == dt.datetime(2026, 9, 30, 23, tzinfo=dt.UTC)
    assert october.end == dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    assert len(periods.days(october, zone="Europe/London")) == 31


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        # the clocks jump from 00:00 to 01:00: the day begins at the jump
        ("Asia/Beirut", dt.date(2022, 3, 27), dt.datetime(2022, 3, 26, 22, tzinfo=dt.UTC)),
        # 00:00 to 01:00 comes twice: the day begins with the first
        ("America/Havana", dt.date(2026, 11, 1), dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC)),
    ],
)
def test_a_day_without_a_plain_midnight_begins_at_its_first_instant(
    zone: str, day: dt.date, start: dt.datetime
) -> None:
    assert periods.day_start(day, zone=zone) == start


def test_a_period_that_is_no_local_month_is_refused() -> None:
    utc = periods.month(2026, 10, zone="UTC")
    with pytest.raises(PeriodInvalidError):
        periods.insist(utc, zone="Europe/London")
