import datetime as dt
import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
from flask import g

from core.money import NANO, Money
from tenants.companies import Formats
from tests.web.gallery import make_app
from web import parts
from web.shown import bills


@pytest.fixture(params=["en"])
def read(request: pytest.FixtureRequest) -> Iterator[str]:
    """Read in a language."""
    language = str(request.param)
    with make_app().test_request_context("/"):
        g.language = language
        yield language


@pytest.mark.usefixtures("read")
def test_a_price_is_written_as_money_unless_it_is_finer() -> None:
    assert [parts.rate(nano, "GBP") for nano in (96 * NANO, 4_200_000_000, 22_500_000, 7_583_333)] == [
        "£96.00",
        "£4.20",
        "£0.0225",
        "£0.007583333",
    ]
    assert [parts.rate(nano, "GBP") for nano in (0, -NANO)] == ["£0.00", "−£1.00"]
    assert parts.rate(5 * NANO, "JPY") == "¥5"


@pytest.mark.usefixtures("read")
def test_one_seat_is_not_one_seats() -> None:
    assert [parts.quantity(number, "seat") for number in (0, 1, 1.5, 2)] == [
        "0 seats",
        "1 seat",
        "1.5 seats",
        "2 seats",
    ]
    assert [parts.quantity(1, unit) for unit in ("number", "call")] == ["1 number", "1 call"]


@pytest.mark.usefixtures("read")
def test_some_seconds_of_a_month_are_not_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Fraction(10, 30 * 24 * 3600)
    assert parts.quantity(float(bills.quantity(exact, "month")), "month") == "< 0.001 months"
    with monkeypatch.context() as written:
        written.setattr(parts, "_formats", lambda: Formats(numbers="point-comma"))
        assert parts.quantity(float(bills.quantity(exact, "month")), "month") == "< 0,001 months"
    assert parts.quantity(float(bills.quantity(Fraction(0), "month")), "month") == "0 months"
    assert parts.quantity(float(bills.quantity(Fraction(1, 2), "month")), "month") == "0.5 months"


@pytest.mark.parametrize(("read", "words"), [("en", "4 h"), ("zh", "4 小时")], indirect=["read"])
def test_a_time_to_wait_is_said_in_its_largest_units(read: str, words: str) -> None:
    assert parts.wait(4 * 60) == words
    if read == "en":
        assert [parts.wait(minutes) for minutes in (45, 90, 2 * 24 * 60)] == ["45 min", "1 h 30 min", "2 d"]


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("today", range(1, 31))
def test_under_the_bills_point_stands_its_own_day_and_no_other_near(today: int, *, small: bool) -> None:
    drawn = parts.bill_chart(
        [Money(100 * day, "GBP") for day in range(1, today + 1)],
        first_on=dt.date(2026, 11, 1),
        last_on=dt.date(2026, 11, 30),
        small=small,
    )
    (point,) = re.findall(r'<circle class="pt" cx="([\d.]+)"', drawn)
    ticks = {day: float(x) for x, day in re.findall(r'<text x="([\d.]+)"[^>]*>(\d+ Nov)</text>', drawn)}
    assert ticks.pop(f"{today} Nov") == float(point)
    assert ticks
    assert min(abs(x - float(point)) for x in ticks.values()) > 55
