"""Invariant 14 on whole bills: what is shared out comes to the sum, in any order, and no part is off by one.

The shares of a discount stand on no line, but what a later discount on one meter finds left of it does: with
everything taken off meter by meter afterwards, each share can be read, and the bill has to come to nothing.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing import agreed, revenue
from billing.agreed import Agreement, Call, Count, Pool, State
from billing.bill import Bill, Group, Kind, compose
from billing.rating.tariff import Tariff
from billing.rating.terms import Commitment, Credit, Discount, ServiceLevel, Terms
from core.money import NANO, exponent, nano_to_minor
from tests.billing import stock
from tests.billing.papers import group
from tests.billing.test_invoices import OCTOBER

_PPM = 1_000_000
_TARIFF = UUID("01900000-0000-7000-8000-000000000002")
_METERS = ("agent.hour", "fee.platform", "message.sms", "seat.month", "voice.inbound", "voice.outbound")
currencies = st.sampled_from(["GBP", "JPY", "KWD"])
shares = st.integers(0, _PPM)


@st.composite
def groups(draw: st.DrawFn) -> list[Group]:
    """Lines of several meters, some of them of the same one; one for nothing now and then."""
    found = []
    for number, (meter, amount) in enumerate(
        draw(
            st.lists(
                st.tuples(st.sampled_from(_METERS), st.integers(0, 10**4 * NANO)), min_size=1, max_size=8
            )
        )
    ):
        found.append(_line(number, meter, amount))
    return found


def _line(number: int, meter: str, amount_nano: int) -> Group:
    one = group(0)
    return Group(
        meter=meter,
        destination=f"d{number}",
        tariff_id=_TARIFF,
        price_list=one.price_list,
        version=one.version,
        names=one.names,
        unit_nano=None,
        is_late=False,
        events=1,
        billed_seconds=60,
        amount_nano=amount_nano,
    )


def billed(
    lines: Sequence[Group],
    terms: Terms,
    currency: str,
    *,
    calls: Sequence[Call] = (),
    before: State | None = None,
    counts: Sequence[Count] = (),
) -> Bill:
    tariff = Tariff("UK", 1, currency, "Europe/London", {}, (), terms=terms)
    found, _ = agreed.complete(
        lines,
        agreement=Agreement(_TARIFF, tariff),
        models={_TARIFF: tariff},
        calls=calls,
        before=before or State(),
        period=OCTOBER,
        zone="Europe/London",
        currency=currency,
        counts=counts,
    )
    return compose(found, currency=currency, tax_category="S", tax_rate_ppm=200_000)


def by_meter(lines: Sequence[Group], currency: str) -> dict[str, int]:
    """What the lines of each meter come to, in minor units."""
    found: defaultdict[str, int] = defaultdict(int)
    for one in lines:
        found[one.meter] += nano_to_minor(one.amount_nano, currency=currency)
    return dict(found)


def insist_fair(whole: int, parts: dict[str, int], weights: dict[str, int]) -> None:
    """The parts come to the whole, and each is within one unit of its exact share."""
    assert sum(parts.values()) == whole
    for name, weight in weights.items():
        exact = Fraction(whole * weight, sum(weights.values())) if whole else Fraction(0)
        assert abs(parts.get(name, 0) - exact) < 1, name


@given(lines=groups(), off=shares, fixed=st.integers(0, 5000), currency=currencies)
def test_a_discount_on_everything_comes_off_each_meter_in_its_part(
    lines: list[Group], off: int, fixed: int, currency: str
) -> None:
    minor = NANO // 10 ** exponent(currency)
    terms = Terms(
        discounts=(
            Discount("all", off_ppm=off, off_nano=fixed * minor),
            *(Discount(f"rest of {meter}", (meter,), off_ppm=_PPM) for meter in _METERS),
        )
    )
    bill, whole = billed(lines, terms, currency), by_meter(lines, currency)
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (0, 0, 0)
    taken = {one.destination: one for one in bill.lines if one.kind is Kind.DISCOUNT}
    first = -taken["all"].amount_minor if "all" in taken else 0
    left = {}
    for meter, amount in whole.items():
        rest = taken.get(f"rest of {meter}")
        left[meter] = 0 if rest is None else -rest.amount_minor
        assert 0 <= left[meter] <= amount
        assert rest is None or rest.arithmetic is not None
        assert rest is None or rest.arithmetic["base_minor"] == left[meter]  # type: ignore[index]
    insist_fair(first, {meter: amount - left[meter] for meter, amount in whole.items()}, whole)


@given(
    lines=groups(),
    discounts=st.lists(st.tuples(st.sets(st.sampled_from(_METERS)), shares, st.integers(0, 900)), max_size=4),
    back=shares,
    committed=st.integers(0, 10**4),
    seed=st.integers(),
)
def test_the_order_of_lines_moves_no_share_and_nothing_falls_below_nothing(
    lines: list[Group], discounts: list[tuple[set[str], int, int]], back: int, committed: int, seed: int
) -> None:
    terms = Terms(
        discounts=tuple(
            Discount(f"{at}", tuple(sorted(meters)), off, fixed * NANO)
            for at, (meters, off, fixed) in enumerate(discounts)
        ),
        commitments=(Commitment("least", committed * NANO),),
        service=(ServiceLevel("quick", (Credit(800_000, back),)),),
    )
    counts = (Count("quick", "Sales", 10, 1),)
    bill = billed(lines, terms, "GBP", counts=counts)
    shuffled = list(lines)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a shuffle of a test
    again = billed(shuffled, terms, "GBP", counts=counts)

    def once(one: Bill) -> list[tuple[str, int, Any]]:
        return [
            (line.destination, line.amount_minor, line.arithmetic)
            for line in one.lines
            if line.kind is not Kind.METERED
        ]

    assert once(again) == once(bill)
    assert bill.net_minor == sum(line.amount_minor for line in bill.lines) >= 0
    before_credit = sum(line.amount_minor for line in bill.lines if line.kind is not Kind.CREDIT)
    assert before_credit >= committed * 100 or not committed
    given_back = [-line.amount_minor for line in bill.lines if line.kind is Kind.CREDIT]
    left = sum(line.amount_minor for line in bill.lines if line.kind in {Kind.METERED, Kind.DISCOUNT})
    assert sum(given_back) <= left


@given(
    seconds=st.lists(st.integers(1, 600), min_size=1, max_size=8),
    costs=st.lists(st.integers(0, 50 * NANO), min_size=8, max_size=8),
    given_s=st.integers(0, 5000),
)
def test_minutes_take_over_what_they_cover_and_all_of_it_is_nothing(
    seconds: list[int], costs: list[int], given_s: int
) -> None:
    """The line of included minutes: exact shares of calls, rounded once in all; the whole is the whole."""
    line = _line(0, "voice.inbound", sum(costs[: len(seconds)]))
    calls = [
        Call(str(at), line.key, line.meter, line.destination, stock.NOON, one, costs[at])
        for at, one in enumerate(seconds)
    ]
    pool = Pool("minutes", ("voice.inbound",), (), OCTOBER.start, OCTOBER.end, given_s, given_s)
    bill = billed([line], Terms(), "GBP", calls=calls, before=State((pool,)))
    covered = [one for one in bill.lines if one.kind is Kind.ALLOWANCE]
    left, exact = given_s, Fraction(0)
    for at, one in enumerate(seconds):
        taken = min(left, one)
        left -= taken
        exact += Fraction(costs[at] * taken, one)
    found = -sum(one.amount_nano for one in covered)
    assert abs(found - exact) <= Fraction(1, 2)
    assert sum(one.billed_seconds for one in covered) == given_s - left
    if given_s >= sum(seconds):
        assert (found, bill.net_minor) == (line.amount_nano, 0)


@dataclass(frozen=True)
class _Held:
    """What stands behind a line for one campaign, agent or number."""

    ref: UUID | None
    events: int
    amount_nano: int
    billed_seconds: int


@given(
    amount=st.integers(-(10**9), 10**9),
    held=st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 10**12), st.integers(0, 10**5)), min_size=1, max_size=8
    ),
    seed=st.integers(),
)
def test_a_line_is_shared_out_among_whom_it_was_for(
    amount: int, held: list[tuple[int, int, int]], seed: int
) -> None:
    rows = [_Held(stock.new_id_of(f"ref-{at}"), *one) for at, one in enumerate(held)]
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a shuffle of a test
    found = []
    for order in (rows, shuffled):
        parts = revenue._Parts()
        parts.share(amount, order)  # type: ignore[arg-type]  # rows of the database, as values
        found.append(parts.sorted())
    assert found[0] == found[1]
    by_amount = {str(one.ref): one.amount_nano for one in rows}
    by_time = {str(one.ref): one.billed_seconds for one in rows}
    by_number = {str(one.ref): one.events for one in rows}
    weights = next(one for one in (by_amount, by_time, by_number) if any(one.values()))
    sign = -1 if amount < 0 else 1
    insist_fair(abs(amount), {str(one.ref): sign * one.amount_minor for one in found[0]}, weights)
    assert sum(one.events for one in found[0]) == sum(one[0] for one in held)
