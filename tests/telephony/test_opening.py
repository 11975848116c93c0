"""When a queue is open: half-open spans, holidays, days of one's own, and the nights the clocks change."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from telephony import opening
from telephony.opening import DAY, Hours, OpeningHoursError, OwnDay, Span, in_order, read_spans, write_spans

WEEKDAYS = (read_spans("09:00-12:30, 13:30-17:00"),) * 5 + ((), ())
LONDON = Hours(
    "Europe/London", WEEKDAYS, "GB-SCT", {dt.date(2026, 12, 24): OwnDay(read_spans("09:00-12:00"))}
)
SECOND = dt.timedelta(microseconds=1)


def at(text: str, zone: str = "Europe/London") -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-11-02T08:59:59.999999", False),
        ("2026-11-02T09:00", True),
        ("2026-11-02T12:29:59.999999", True),
        ("2026-11-02T12:30", False),
        ("2026-11-02T17:00", False),
        ("2026-11-07T10:00", False),  # a Saturday
        ("2026-11-30T10:00", False),  # Saint Andrew's day, in Scotland alone
        ("2026-12-24T11:59", True),
        ("2026-12-24T13:30", False),  # its own day is shorter
        ("2026-07-01T09:00", True),  # by the wall's clock, in summer too
    ],
)
def test_a_span_is_half_open_on_the_walls_clock(when: str, *, is_open: bool) -> None:
    assert LONDON.is_open(at(when)) is is_open


def test_a_day_of_ones_own_comes_before_a_holiday() -> None:
    christmas = dt.date(2026, 12, 25)
    assert LONDON.on(christmas) == ()
    own = Hours("Europe/London", WEEKDAYS, "GB", {christmas: OwnDay(read_spans("10:00-11:00"), "Hotline")})
    assert own.is_open(at("2026-12-25T10:30"))
    assert Hours("Europe/London", WEEKDAYS).is_open(at("2026-12-25T10:30"))  # without holidays a Friday


def test_the_hour_that_comes_twice_is_open_twice_and_the_one_that_is_missing_never() -> None:
    night = Hours("Europe/London", (read_spans("01:00-02:00"),) * 7)
    back, on = dt.datetime(2026, 10, 25, tzinfo=dt.UTC), dt.datetime(2026, 3, 29, tzinfo=dt.UTC)
    minutes = [dt.timedelta(minutes=minute) for minute in range(240)]
    assert sum(night.is_open(back + one) for one in minutes) == 120
    assert sum(night.is_open(on + one) for one in minutes) == 0


def test_midnight_belongs_to_the_next_day_and_24_hours_close_nothing_between() -> None:
    round_the_clock = Hours("Asia/Shanghai", (read_spans("00:00-24:00"),) * 7)
    assert round_the_clock.next_change(at("2026-11-02T10:00")) is None
    late = Hours("Asia/Shanghai", (read_spans("22:00-24:00"), read_spans("00:00-02:00"), *[()] * 5))
    monday = at("2026-11-02T23:00", "Asia/Shanghai")
    assert late.next_change(monday) == at("2026-11-03T02:00", "Asia/Shanghai")


def test_the_next_opening_is_after_the_holidays() -> None:
    year_end = at("2026-12-31T18:00")
    # 1 and 2 January are holidays in Scotland, and the fourth instead of the second, a Saturday
    assert LONDON.next_change(year_end) == at("2027-01-05T09:00")


edges = st.lists(st.integers(0, DAY), max_size=6, unique=True).map(sorted)
days = edges.map(lambda found: tuple(Span(a, b) for a, b in zip(found[::2], found[1::2], strict=False)))
zones = st.sampled_from(
    ["Europe/London", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
)


@settings(max_examples=60, deadline=None)
@given(
    week=st.lists(days, min_size=7, max_size=7).map(tuple),
    zone=zones,
    day=st.dates(dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
    minute=st.integers(0, DAY - 1),
)
@example(week=((Span(0, 90),),) * 7, zone="Europe/London", day=dt.date(2026, 10, 25), minute=0)
@example(week=((Span(150, 200),),) * 7, zone="Europe/London", day=dt.date(2026, 3, 28), minute=300)
@example(week=((Span(100, 130),),) * 7, zone="Australia/Lord_Howe", day=dt.date(2026, 4, 4), minute=500)
def test_the_next_change_is_the_first_minute_that_differs(
    week: tuple[tuple[Span, ...], ...], zone: str, day: dt.date, minute: int
) -> None:
    """Against every minute of the following days, asked one by one."""
    hours = Hours(zone, week)
    start = dt.datetime.combine(day, dt.time(), zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)
    start += dt.timedelta(minutes=minute)
    now = hours.is_open(start)
    later = (start + dt.timedelta(minutes=one) for one in range(1, 3 * DAY))
    first = next((one for one in later if hours.is_open(one) is not now), None)
    change = hours.next_change(start)
    if first is not None:
        assert change == first
        assert hours.is_open(change - SECOND) is now
    else:
        assert change is None or change >= start + dt.timedelta(days=3)


@given(spans=days)
def test_what_is_written_is_read_back(spans: tuple[Span, ...]) -> None:
    assert read_spans(write_spans(spans)) == in_order(spans)


@pytest.mark.parametrize(
    "text", ["9-17", "09:00", "17:00-09:00", "09:00-12:00, 11:00-13:00", "09:00-24:01", "x"]
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(OpeningHoursError):
        read_spans(text)


def test_hours_are_read_as_people_type_them() -> None:
    assert read_spans(" 9:00–12:30，13:30 - 17:00 ") == read_spans("09:00-12:30, 13:30-17:00")


def test_holidays_are_those_of_the_place_and_named_in_its_readers_language() -> None:
    national = dt.date(2026, 10, 1)
    assert opening.holiday("CN", national, language="zh") == "国庆节"
    assert opening.holiday("CN", national) == "National Day"
    assert opening.holiday("GB", dt.date(2026, 11, 30)) == ""
    assert opening.holiday("GB-SCT", dt.date(2026, 11, 30)) != ""
    assert [one for one in ("GB", "GB-SCT", "", "XX", "GB-XXX", "-") if opening.is_region(one)] == [
        "GB",
        "GB-SCT",
        "",
    ]
