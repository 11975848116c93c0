"""When somebody may be called, where they are."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from telephony.outbound.hours import Window, WindowInvalidError, zone_of

LONDON, TOKYO, LOS_ANGELES = (
    ZoneInfo("Europe/London"),
    ZoneInfo("Asia/Tokyo"),
    ZoneInfo("America/Los_Angeles"),
)
OFFICE = Window(dt.time(9), dt.time(17), frozenset({1, 2, 3, 4, 5}))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("at", "zone", "is_open"),
    [
        ("2026-11-02 09:00", LONDON, True),  # a Monday; half-open: the first second counts
        ("2026-11-02 08:59:59", LONDON, False),
        ("2026-11-02 17:00", LONDON, False),
        ("2026-11-01 12:00", LONDON, False),  # a Sunday
        ("2026-11-02 00:00", TOKYO, True),  # nine o'clock there
        ("2026-11-02 09:00", TOKYO, False),
        ("2026-11-02 17:00", LOS_ANGELES, True),
        ("2026-07-06 08:00", LONDON, True),  # summer time
    ],
)
def test_the_hours_are_those_of_the_called_person(at: str, zone: ZoneInfo, is_open: bool) -> None:  # noqa: FBT001
    assert OFFICE.is_open(utc(at), zone) is is_open


@pytest.mark.parametrize(
    ("at", "zone", "opens"),
    [
        ("2026-11-02 10:00", LONDON, "2026-11-02 10:00"),  # open now
        ("2026-11-02 07:00", LONDON, "2026-11-02 09:00"),
        ("2026-11-06 17:00", LONDON, "2026-11-09 09:00"),  # Friday evening: Monday
        ("2026-03-27 18:00", LONDON, "2026-03-30 08:00"),  # over the night the clocks go forward
        ("2026-10-23 18:00", LONDON, "2026-10-26 09:00"),  # and back
        ("2026-11-02 09:00", TOKYO, "2026-11-03 00:00"),
    ],
)
def test_the_next_opening(at: str, zone: ZoneInfo, opens: str) -> None:
    assert OFFICE.next_opening(utc(at), zone) == utc(opens)


def test_one_day_a_week_opens_again_in_a_week() -> None:
    mondays = Window(dt.time(9), dt.time(17), frozenset({1}))
    assert mondays.next_opening(utc("2026-11-02 17:00"), LONDON) == utc("2026-11-09 09:00")


def test_an_opening_the_clocks_jump_over_is_still_found() -> None:
    night = Window(dt.time(1, 30), dt.time(4), frozenset({7}))  # 01:00 to 02:00 is not there that Sunday
    opening = night.next_opening(utc("2026-03-29 00:00"), LONDON)
    assert night.is_open(opening, LONDON)


@pytest.mark.parametrize(
    ("opens", "closes", "days"), [(17, 9, {1}), (9, 9, {1}), (9, 17, set()), (9, 17, {0}), (9, 17, {8})]
)
def test_hours_that_can_never_be_are_refused(opens: int, closes: int, days: set[int]) -> None:
    with pytest.raises(WindowInvalidError):
        Window(dt.time(opens), dt.time(closes), frozenset(days))


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe"])
def test_a_zone_that_is_none_is_none(name: str) -> None:
    assert zone_of(name) is None
