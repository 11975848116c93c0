"""Invariant 8: what others publish comes out here, and so does what their words say of any other figures.

The figures stand in `published.toml`. An example is one point of a rule, so each rule is said here once more
as its publisher says it, a unit or a second at a time, and held against ours on drawn figures.
"""

import json
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.price import answer

_FIGURES = tomllib.loads((Path(__file__).parent / "published.toml").read_text(encoding="utf-8"))["example"]
_EVERY_DAY = {"days_iso": [1, 2, 3, 4, 5, 6, 7], "from_time": "00:00:00"}
_VARIED = {"units": "units", "call": "duration_s", "proration": "amount"}

milli = st.integers(0, 100_000).map(lambda number: Fraction(number, 1000))


def ask(**request: Any) -> str:
    return str(json.loads(answer(json.dumps(request)))["amount"])


def plain(value: Fraction) -> str:
    """A decimal in full; drawn figures have three places at most."""
    whole, thousandths = divmod(int(value * 1000), 1000)
    return f"{whole}.{thousandths:03d}"


def tier(up_to: object, unit_price: str, flat_fee: str = "0") -> dict[str, Any]:
    return {"up_to": str(up_to) if up_to else None, "unit_price": unit_price, "flat_fee": flat_fee}


def band(slots: list[list[Any]], connect_fee: str) -> dict[str, Any]:
    said = [
        {"from_s": from_s, "rate": rate, "per_s": 60, "increment_s": increment_s}
        for from_s, rate, increment_s in slots
    ]
    return {**_EVERY_DAY, "connect_fee": connect_fee, "slots": said}


def requests(short: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Write a short request of the file out, once for each figure it is asked of."""
    request = dict(short)
    if "tiers" in request:
        request["tiers"] = [tier(*one) for one in request["tiers"]]
    if "slots" in request:
        request["bands"] = [band(request.pop("slots"), request.pop("connect_fee", "0"))]
    varied = _VARIED[request["kind"]]
    figures = request[varied]
    for one in figures if isinstance(figures, list) else [figures]:
        yield {**request, varied: str(one) if varied == "units" else one}


@pytest.mark.parametrize("example", _FIGURES, ids=lambda one: f"{one['at']} {one['request']['kind']}")
def test_a_published_figure_comes_out_or_the_reason_is_said(example: dict[str, Any]) -> None:
    found = [ask(**one) for one in requests(example["request"])]
    assert found == example.get("ours", example["theirs"])
    assert ("because" in example) == ("ours" in example)
    assert found != example["theirs"] or "ours" not in example, "nothing to explain"


@given(
    units=st.integers(0, 60),
    bounds=st.sets(st.integers(1, 50), max_size=3),
    prices=st.lists(milli, min_size=4, max_size=4),
    fees=st.lists(milli, min_size=4, max_size=4),
)
def test_tiers_cost_what_their_words_say_unit_by_unit(
    units: int, bounds: set[int], prices: list[Fraction], fees: list[Fraction]
) -> None:
    """Graduated: each unit at its tier's price, a tier's fee once it is begun; volume: the last tier's."""
    ends = [*sorted(bounds), None]
    tiers = [tier(end, plain(price), plain(fee)) for end, price, fee in zip(ends, prices, fees, strict=False)]

    def reached(unit: int) -> int:
        return next(at for at, end in enumerate(ends) if end is None or unit <= end)

    by_unit = [reached(unit) for unit in range(1, units + 1)] or [0]
    graduated = sum((prices[at] for at in by_unit[:units]), Fraction(0))
    graduated += sum(fees[at] for at in {0, *by_unit})
    volume = units * prices[by_unit[-1]] + fees[by_unit[-1]]
    asked = {"kind": "units", "units": str(units), "tiers": tiers}
    assert Fraction(ask(model="graduated", **asked)) == graduated
    assert Fraction(ask(model="volume", **asked)) == volume


@given(units=st.integers(0, 500), free=st.integers(0, 100), size=st.integers(1, 60), price=milli)
def test_packages_are_opened_one_by_one(units: int, free: int, size: int, price: Fraction) -> None:
    opened, left = 0, units - free
    while left > 0:
        opened, left = opened + 1, left - size
    found = ask(
        kind="units",
        model="package",
        units=str(units),
        package_size=size,
        package_price=plain(price),
        free_units=str(free),
    )
    assert Fraction(found) == opened * price


@given(
    duration_s=st.integers(0, 400),
    initial_s=st.integers(0, 90),
    first=st.tuples(milli, st.integers(1, 60)),
    then=st.tuples(st.integers(1, 5), milli, st.integers(1, 60)),
    fee=milli,
)
def test_a_call_costs_what_is_counted_up_block_by_block(
    duration_s: int,
    initial_s: int,
    first: tuple[Fraction, int],
    then: tuple[int, Fraction, int],
    fee: Fraction,
) -> None:
    """A block is begun for as long as talk goes on; it costs what the slot it begins in says."""
    from_s = initial_s + then[0] * first[1]
    slots = [[0, plain(first[0]), first[1]], [from_s, plain(then[1]), then[2]]]
    exact, at = Fraction(0), 0
    for number in count():
        if at >= duration_s:
            break
        price, step = first if at < from_s else then[1:]
        step = initial_s if number == 0 and initial_s else step
        exact += price * step / 60
        at += step
    if duration_s:
        exact += fee
    found = ask(
        kind="call",
        duration_s=duration_s,
        initial_s=initial_s,
        bands=[band(slots, plain(fee))],
        rounding={"decimals": 12},
    )
    assert abs(Fraction(found) - exact) <= Fraction(1, 2 * 10**12)
