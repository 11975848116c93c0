"""`seatline price` answers what the page of its format says, and bad lines with an error of their own."""

import datetime as dt
import json
import zoneinfo
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.price import answer, is_error
from billing.rating.rules import charge
from core.money import NANO
from tests.billing.test_rating_rules import answers, rates, zones

TIERS: list[dict[str, Any]] = [
    {"up_to": "5", "unit_price": "7", "flat_fee": "0"},
    {"up_to": "10", "unit_price": "6.5", "flat_fee": "0"},
    {"up_to": None, "unit_price": "6", "flat_fee": "0"},
]
BAND: dict[str, Any] = {
    "days_iso": [1, 2, 3, 4, 5],
    "from_time": "08:00:00",
    "connect_fee": "0.4",
    "slots": [
        {"from_s": 0, "rate": "0.2", "per_s": 60, "increment_s": 60},
        {"from_s": 60, "rate": "0.1", "per_s": 60, "increment_s": 1},
    ],
}
CALL = {"kind": "call", "start": "2026-11-20T09:00:00", "duration_s": 85, "bands": [BAND]}
FLAT = {"days_iso": [1, 2, 3, 4, 5, 6, 7], "from_time": "00:00:00", "connect_fee": "0"}


def ask(**request: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(answer(json.dumps(request)))
    return reply


def test_the_worked_call() -> None:
    assert answer(json.dumps(CALL)) == '{"amount":"0.641666667","billed_s":85}'


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"duration_s": 0}, "0"),
        ({"duration_s": 60}, "0.6"),
        ({"max_cost": "0.5"}, "0.5"),
        ({"max_cost": None}, "0.641666667"),
        ({"first_segment": False}, "0.241666667"),
        ({"start": None}, "0.641666667"),
        ({"rounding": {"mode": "down", "decimals": 4}}, "0.6416"),
        ({"rounding": {"mode": "up", "decimals": 4}}, "0.6417"),
        ({"rounding": {"mode": "half_even", "decimals": 0}}, "1"),
        ({"rounding": {"decimals": 2}}, "0.64"),
        ({"initial_s": 90}, "0.7"),  # one block of 90 s at 0.2 a minute, and the fee
    ],
)
def test_calls_with_other_terms(changes: dict[str, Any], amount: str) -> None:
    assert ask(**{**CALL, **changes})["amount"] == amount


@pytest.mark.parametrize(
    ("mode", "amount"), [("half_up", "0.3"), ("half_even", "0.2"), ("up", "0.3"), ("down", "0.2")]
)
def test_a_half_is_rounded_as_agreed(mode: str, amount: str) -> None:
    slots = [{"from_s": 0, "rate": "0.25", "per_s": 1, "increment_s": 1}]
    rounding = {"mode": mode, "decimals": 1}
    assert (
        ask(kind="call", duration_s=1, bands=[{**FLAT, "slots": slots}], rounding=rounding)["amount"]
        == amount
    )


def test_a_price_finer_than_a_nano_unit_is_not_lost() -> None:
    slots = [{"from_s": 0, "rate": "0.000000000004", "per_s": 1, "increment_s": 1}]
    assert ask(kind="call", duration_s=1000, bands=[{**FLAT, "slots": slots}])["amount"] == "0.000000004"


def test_a_call_through_the_night_the_clocks_go_back_is_priced_by_the_clock_on_the_wall() -> None:
    def band(hour: int, rate: str) -> dict[str, Any]:
        slots = [{"from_s": 0, "rate": rate, "per_s": 3600, "increment_s": 3600}]
        return {**FLAT, "from_time": f"{hour:02}:00:00", "slots": slots}

    request = {
        "kind": "call",
        "start": "2026-10-25T00:00:00",
        "zone": "Europe/London",
        "duration_s": 4 * 3600,  # 00, 01, 01 again, 02 o'clock
        "bands": [band(0, "1"), band(1, "10"), band(2, "100")],
    }
    assert ask(**request)["amount"] == "121"


@given(rate=rates(), duration_s=st.integers(0, 5000), answered_at=answers, zone=zones)
def test_a_price_is_what_a_real_call_costs(
    rate: Any, duration_s: int, answered_at: dt.datetime, zone: zoneinfo.ZoneInfo
) -> None:
    local = answered_at.astimezone(zone)
    if local.fold:
        return  # a local time that comes twice means the first
    bands = [
        {
            "days_iso": list(band.days_iso),
            "from_time": str(dt.timedelta(seconds=band.from_s)).rjust(8, "0"),
            "connect_fee": nano(band.connect),
            "slots": [
                {
                    "from_s": slot.from_s,
                    "rate": nano(slot.rate),
                    "per_s": slot.per_s,
                    "increment_s": slot.increment_s,
                }
                for slot in band.slots
            ],
        }
        for band in rate.bands
    ]
    reply = ask(
        kind="call",
        start=local.replace(tzinfo=None).isoformat(),
        zone=str(zone),
        duration_s=duration_s,
        initial_s=rate.initial_s,
        bands=bands,
    )
    real = charge(rate, duration_s=duration_s, answered_at=answered_at, zone=zone)
    assert Fraction(reply["amount"]) == Fraction(real.rounded(), NANO)
    assert reply["billed_s"] == real.billed_s


def nano(amount: int) -> str:
    return f"{amount // NANO}.{amount % NANO:09d}"


@pytest.mark.parametrize(
    ("duration_s", "initial_s", "increment_s", "billed_s"),
    [(32, 30, 6, 36), (0, 30, 6, 0), (1, 60, 60, 60), (61, 60, 1, 61), (30, 30, 6, 30)],
)
def test_billed_seconds(duration_s: int, initial_s: int, increment_s: int, billed_s: int) -> None:
    reply = ask(kind="billed", duration_s=duration_s, initial_s=initial_s, increment_s=increment_s)
    assert reply == {"billed_s": billed_s}


@pytest.mark.parametrize(
    ("request_", "amount"),
    [
        ({"model": "standard", "units": "3", "unit_price": "0.0725"}, "0.2175"),
        ({"model": "graduated", "units": "5", "tiers": TIERS}, "35"),
        ({"model": "graduated", "units": "6", "tiers": TIERS}, "41.5"),
        ({"model": "graduated", "units": "11", "tiers": TIERS}, "73.5"),
        ({"model": "volume", "units": "5", "tiers": TIERS}, "35"),
        ({"model": "volume", "units": "6", "tiers": TIERS}, "39"),
        ({"model": "volume", "units": "11", "tiers": TIERS}, "66"),
        ({"model": "package", "units": "121", "package_size": 10, "package_price": "100"}, "1300"),
        (
            {
                "model": "package",
                "units": "121",
                "package_size": 10,
                "package_price": "100",
                "free_units": "21",
            },
            "1000",
        ),
        (
            {"model": "package", "units": "5", "package_size": 10, "package_price": "1", "free_units": "9"},
            "0",
        ),
        ({"model": "percentage", "units": "10090", "rate_pct": "2.99"}, "301.691"),
        (
            {
                "model": "percentage",
                "units": "100",
                "rate_pct": "1",
                "free_amount": "50",
                "events": "3",
                "free_events": "1",
                "fixed_per_event": "0.1",
            },
            "0.7",
        ),
        ({"model": "percentage", "rate_pct": "2.99", "transactions": ["10", "80", "10000"]}, "301.691"),
        (
            {
                "model": "percentage",
                "rate_pct": "1",
                "transactions": ["10", "100", "1000"],
                "min_per_tx": "0.5",
                "max_per_tx": "5",
            },
            "6.5",
        ),
    ],
)
def test_units(request_: dict[str, Any], amount: str) -> None:
    assert ask(kind="units", **request_) == {"amount": amount}


@pytest.mark.parametrize(
    ("model", "units", "amount"),
    [
        *(
            ("graduated", "0", "1"),
            ("graduated", "1", "1"),
            ("graduated", "1.5", "3.5"),
            ("graduated", "3", "5"),
        ),
        *(("volume", "0", "1"), ("volume", "1", "1"), ("volume", "1.5", "3.5"), ("volume", "3", "5")),
    ],
)
def test_a_flat_fee_is_due_once_its_tier_is_reached(model: str, units: str, amount: str) -> None:
    tiers = [
        {"up_to": "1", "unit_price": "0", "flat_fee": "1"},
        {"up_to": None, "unit_price": "1", "flat_fee": "2"},
    ]
    assert ask(kind="units", model=model, units=units, tiers=tiers)["amount"] == amount


@pytest.mark.parametrize(
    ("request_", "amount"),
    [
        ({"amount": "19.95", "start": "2023-05-15", "end": "2023-05-23", "method": "fixed_30"}, "5.32"),
        ({"amount": "19.95", "start": "2023-05-23", "end": "2023-06-15", "method": "fixed_30"}, "14.63"),
        ({"amount": "30", "start": "2023-02-01", "end": "2023-03-01", "method": "fixed_30"}, "30"),
        (
            {
                "amount": "19.95",
                "start": "2023-05-23",
                "end": "2023-06-15",
                "method": "actual_days",
                "period_start": "2023-05-15",
                "period_end": "2023-06-15",
            },
            "14.8",
        ),
        (  # the day the clocks go back has 25 of October's 745 hours in London
            {
                "amount": "745",
                "start": "2026-10-25",
                "end": "2026-10-26",
                "method": "per_second",
                "zone": "Europe/London",
                "period_start": "2026-10-01",
                "period_end": "2026-11-01",
            },
            "25",
        ),
        ({"amount": "-0.05", "start": "2023-05-01", "end": "2023-05-04", "method": "fixed_30"}, "-0.01"),
        ({"amount": "1", "start": "2023-05-01", "end": "2023-05-01", "method": "fixed_30"}, "0"),
    ],
)
def test_proration(request_: dict[str, Any], amount: str) -> None:
    assert ask(kind="proration", **request_) == {"amount": amount}


def test_tax_is_rounded_once_for_each_category_and_rate() -> None:
    lines = [{"amount": "0.004", "rate_pct": "40", "category": "S"}] * 6
    lines += [{"amount": "0.010", "rate_pct": "40.0", "category": "S"}] * 2
    reply = ask(kind="tax", lines=lines, decimals=2)
    assert {key: reply[key] for key in ("net", "tax", "total")} == {
        "net": "0.04",
        "tax": "0.02",
        "total": "0.06",
    }
    assert reply["breakdown"] == [{"category": "S", "rate_pct": "40", "net": "0.04", "tax": "0.02"}]


def test_tax_keeps_rates_and_categories_apart() -> None:
    lines = [
        {"amount": "10.00", "rate_pct": "20", "category": "S"},
        {"amount": "5.00", "rate_pct": "5", "category": "S"},
        {"amount": "-1.00", "rate_pct": "20", "category": "S"},
        {"amount": "3.00", "rate_pct": "0", "category": "Z"},
    ]
    reply = ask(kind="tax", lines=lines, decimals=2)
    assert (reply["net"], reply["tax"], reply["total"]) == ("17", "2.05", "19.05")
    assert [(one["net"], one["tax"]) for one in reply["breakdown"]] == [
        ("9", "1.8"),
        ("5", "0.25"),
        ("3", "0"),
    ]


def without(request: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != field}


UNITS = {"kind": "units", "model": "graduated", "units": "1", "tiers": TIERS}
PRORATION = {
    "kind": "proration",
    "amount": "1",
    "start": "2026-01-01",
    "end": "2026-01-02",
    "method": "fixed_30",
}


@pytest.mark.parametrize(
    "request_",
    [
        without(CALL, "duration_s"),
        without(CALL, "bands"),
        {**CALL, "duration_s": "85"},
        {**CALL, "duration_s": 85.0},
        {**CALL, "duration_s": True},
        {**CALL, "duration_s": -1},
        {**CALL, "duration_s": 10**15},
        {**CALL, "bands": []},
        {**CALL, "bands": [1]},
        {**CALL, "bands": [{**BAND, "slots": []}]},
        {**CALL, "bands": [{**BAND, "days_iso": [0]}]},
        {**CALL, "bands": [{**BAND, "days_iso": [1, 8]}]},  # holidays are no days of the week
        {**CALL, "bands": [{**BAND, "days_iso": "1"}]},
        {**CALL, "bands": [{**BAND, "from_time": "24:00:00"}]},
        {**CALL, "bands": [{**BAND, "connect_fee": "-1"}]},
        {**CALL, "bands": [{**BAND, "connect_fee": 0.4}]},
        {**CALL, "bands": [{**BAND, "slots": [{**BAND["slots"][0], "rate": "1e3"}]}]},
        {**CALL, "bands": [{**BAND, "slots": [{**BAND["slots"][0], "per_s": 0}]}]},
        {**CALL, "bands": [BAND, {**BAND, "connect_fee": "9"}]},
        {**CALL, "bands": [BAND, {**BAND, "from_time": "18:00:00", "connect_fee": "9"}], "start": None},
        {**CALL, "start": "yesterday"},
        {**CALL, "start": "2026-11-20T09:00:00Z"},
        {**CALL, "start": "9999-12-31T23:59:59"},
        {**CALL, "start": 7},
        {**CALL, "zone": "Mars/Olympus"},
        {**CALL, "zone": "../../etc/passwd"},
        {**CALL, "zone": 1},
        {**CALL, "rounding": {"mode": "sideways"}},
        {**CALL, "rounding": {"decimals": -1}},
        {**CALL, "rounding": 9},
        {**CALL, "first_segment": "no"},
        {**CALL, "max_cost": "cheap"},
        {"kind": "billed", "duration_s": 1, "initial_s": 1, "increment_s": 0},
        {"kind": "units", "model": "free"},
        {**UNITS, "units": "-1"},
        {**UNITS, "units": "NaN"},
        {**UNITS, "units": "٣"},
        {**UNITS, "tiers": []},
        {**UNITS, "tiers": TIERS[:2]},
        {**UNITS, "tiers": [TIERS[1], TIERS[0], TIERS[2]]},
        {**UNITS, "tiers": [TIERS[2], TIERS[2]]},
        {"kind": "units", "model": "package", "units": "1", "package_size": 0, "package_price": "1"},
        {"kind": "units", "model": "percentage", "rate_pct": "1", "transactions": "10"},
        {"kind": "units", "model": "percentage", "rate_pct": "1"},
        {**PRORATION, "end": "2025-12-31"},
        {**PRORATION, "start": "2026-02-30"},
        {**PRORATION, "start": "20260101"},
        {**PRORATION, "method": "by_feel"},
        {**PRORATION, "method": "actual_days"},
        {**PRORATION, "method": "actual_days", "period_start": "2026-01-01", "period_end": "2026-01-01"},
        {**PRORATION, "method": "actual_days", "period_start": "2026-01-02", "period_end": "2026-02-01"},
        {"kind": "tax", "lines": [{"amount": "1", "rate_pct": "20"}]},
        {"kind": "tax", "lines": [{"amount": "1", "rate_pct": "20", "category": "S"}], "decimals": "two"},
        {"kind": "tax"},
        {"kind": "weather"},
        {"kind": ["call"]},
        {},
    ],
)
def test_a_bad_request_is_answered_with_an_error(request_: dict[str, Any]) -> None:
    line = answer(json.dumps(request_))
    reply = json.loads(line)
    assert is_error(line)
    assert set(reply) == {"error"}
    assert set(reply["error"]) == {"code", "message"}
    assert all(reply["error"].values())


@pytest.mark.parametrize("line", ["", "{", "[]", "7", "null", '"x"', '{"kind": NaN}', "[" * 100_000, "\x00"])
def test_what_is_no_json_object_is_answered_with_an_error(line: str) -> None:
    assert json.loads(answer(line))["error"]["code"] == "json-invalid"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "0.5"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["slots", "rate", "amount", "up_to", "mode"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from([CALL, UNITS, PRORATION, {"kind": "tax", "lines": [], "decimals": 2}]),
    st.dictionaries(
        st.sampled_from(
            ["duration_s", "bands", "start", "zone", "units", "tiers", "lines", "amount", "rounding"]
        ),
        json_values,
        max_size=3,
    ),
)
def test_no_request_whatever_makes_it_fall_over(good: dict[str, Any], changes: dict[str, Any]) -> None:
    line = answer(json.dumps({**good, **changes}))
    assert "\n" not in line
    assert isinstance(json.loads(line), dict)
