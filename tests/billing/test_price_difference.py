"""What a version changes: counted by kind, the largest first."""

from dataclasses import replace

from billing.price_difference import Kind, compare
from billing.rating.tariff import DatedRate
from tests.billing import stock


def row(prefix: str, nano: int, *, is_blocked: bool = False) -> DatedRate:
    return DatedRate("voice.outbound", prefix, "gb-local", stock.per_minute(nano), is_blocked=is_blocked)


def test_rates_are_counted_by_how_they_stand_to_those_before() -> None:
    before = [row("1", 10), row("2", 10), row("3", 10), row("4", 10), row("5", 10)]
    after = [row("1", 10), row("2", 12), row("3", 9), row("4", 10, is_blocked=True), row("6", 1)]
    found = compare(before, after)
    assert found.counts == dict.fromkeys(Kind, 1)
    assert [(one.prefix, one.kind) for one in found.largest] == [
        ("5", Kind.GONE),
        ("2", Kind.DEARER),
        ("3", Kind.CHEAPER),
        ("4", Kind.DIFFERENT),
        ("6", Kind.ADDED),
    ]


def test_the_same_rates_in_another_order_change_nothing() -> None:
    rates = stock.rates()
    found = compare(rates, tuple(reversed(rates)))
    assert found.largest == ()
    assert found.counts[Kind.SAME] == len(rates)


def test_only_the_largest_are_named() -> None:
    before = [row(str(at), 100) for at in range(10)]
    after = [replace(one, rate=stock.per_minute(100 + at)) for at, one in enumerate(before)]
    assert [one.prefix for one in compare(before, after, most=2).largest] == ["9", "8"]
