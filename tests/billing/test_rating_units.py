"""Charge models, allowances and agreements: worked figures, and what holds for all of them."""

import datetime as dt
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import periods
from billing.rating import agreements, allowances, units
from billing.rating.agreements import WHOLE_PPM, Discount, SharesError
from billing.rating.allowances import Grant, Use
from billing.rating.units import Price, Tier, TiersError

JANUARY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
amounts = st.fractions(0, 1000, max_denominator=100)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 50), max_size=3)))
    return tuple(Tier(up_to, draw(amounts), draw(amounts)) for up_to in (*map(Fraction, bounds), None))


@st.composite
def prices(draw: st.DrawFn) -> Price:
    of, price, size = draw(tiers()), draw(amounts), draw(st.integers(1, 20))
    least, more = draw(amounts), draw(amounts)
    models: list[Price] = [
        lambda quantity: units.standard(quantity, price),
        lambda quantity: units.graduated(quantity, of),
        lambda quantity: units.volume(quantity, of),
        lambda quantity: units.package(quantity, size=size, price=price, free=least),
        lambda quantity: units.percentage(quantity, rate=price / 1000, free_amount=least),
        lambda quantity: units.capped(units.graduated(quantity, of), least=least, most=least + more),
    ]
    return draw(st.sampled_from(models))


@given(price=prices(), cuts=st.lists(st.fractions(0, 60, max_denominator=10), min_size=1, max_size=8))
def test_usage_billed_in_parts_costs_what_it_costs_at_once(price: Price, cuts: list[Fraction]) -> None:
    billed, quantity = price(Fraction(0)), Fraction(0)
    for more in cuts:
        billed += units.late(price, before=quantity, more=more)
        quantity += more
    assert billed == price(quantity)


def test_a_unit_that_comes_late_can_take_something_off() -> None:
    of = (Tier(Fraction(10), Fraction(10)), Tier(None, Fraction(2)))
    found = units.late(lambda quantity: units.volume(quantity, of), before=Fraction(10), more=Fraction(1))
    assert found == -78


@given(of=tiers(), quantity=amounts, more=amounts)
def test_graduated_prices_never_fall(of: tuple[Tier, ...], quantity: Fraction, more: Fraction) -> None:
    assert units.graduated(quantity, of) <= units.graduated(quantity + more, of)


def test_a_capped_price_lies_between_its_least_and_its_most() -> None:
    assert units.capped(Fraction(3), least=Fraction(5)) == 5
    assert units.capped(Fraction(30), least=Fraction(5), most=Fraction(20)) == 20


@pytest.mark.parametrize("bounds", [[], [5], [5, 5, None], [None, 5, None], [5, 3, None]])
def test_tiers_that_leave_a_quantity_without_a_price_are_refused(bounds: list[int | None]) -> None:
    of = [Tier(None if bound is None else Fraction(bound), Fraction(1)) for bound in bounds]
    with pytest.raises(TiersError):
        units.check(of)


@given(
    amount=st.integers(0, 10**15),
    weights=st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any),
)
def test_shares_add_up_and_none_is_off_by_more_than_one(amount: int, weights: list[int]) -> None:
    shares = [weight * WHOLE_PPM // sum(weights) for weight in weights]
    shares[0] += WHOLE_PPM - sum(shares)
    parts = agreements.split(amount, shares)
    assert sum(parts) == amount
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - Fraction(amount * share, WHOLE_PPM)) < 1


def test_caller_and_called_pay_an_odd_nano_unit_together() -> None:
    assert agreements.split(3, (500_000, 500_000)) == (2, 1)
    assert agreements.split(100, (333_333, 333_333, 333_334)) == (33, 33, 34)


@pytest.mark.parametrize("shares", [(500_000, 499_999), (1_000_001, -1)])
def test_shares_that_are_not_the_whole_are_refused(shares: tuple[int, ...]) -> None:
    with pytest.raises(SharesError):
        agreements.split(100, shares)


def test_discounts_are_taken_in_the_order_they_were_agreed() -> None:
    tenth, five = Discount("tenth", off_ppm=100_000), Discount("five", off_amount=5)
    assert agreements.discounts(100, (tenth, five)) == (10, 5)
    assert agreements.discounts(100, (five, tenth)) == (5, 10)
    assert agreements.discounts(3, (five, tenth)) == (3, 0)


def test_a_commitment_is_made_up_for_on_the_last_document_alone() -> None:
    assert agreements.true_up(70, committed=100, is_last=False) == 0
    assert agreements.true_up(70, committed=100, is_last=True) == 30
    assert agreements.true_up(130, committed=100, is_last=True) == 0


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[Grant], list[Use]]:
    meters = st.frozensets(st.sampled_from(["in", "out"]), min_size=1)
    days = st.integers(0, 9).map(lambda day: JANUARY + day * DAY)
    grants = [
        Grant(
            str(at),
            draw(meters),
            draw(st.integers(0, 300)),
            start,
            start + draw(st.integers(1, 5)) * DAY,
        )
        for at, start in enumerate(draw(st.lists(days, max_size=4)))
    ]
    uses = [
        Use(str(at), draw(st.sampled_from(["in", "out"])), day, draw(st.integers(0, 200)))
        for at, day in enumerate(draw(st.lists(days, max_size=8)))
    ]
    return grants, uses


@given(pool=pools(), seed=st.integers())
def test_no_second_of_a_grant_is_given_twice_nor_any_use_more_than_it_has(
    pool: tuple[list[Grant], list[Use]], seed: int
) -> None:
    grants, uses = pool
    shares = allowances.allot(grants, uses)
    for grant in grants:
        assert sum(one.seconds for one in shares if one.grant_id == grant.grant_id) <= grant.seconds
    for use in uses:
        taken = sum(one.seconds for one in shares if one.key == use.key)
        assert taken <= use.billed_s
        if taken < use.billed_s:  # then nothing is left that would have fitted
            for grant in grants:
                if use.meter in grant.meters and grant.starts_at <= use.occurred_at < grant.ends_at:
                    given_ = sum(one.seconds for one in shares if one.grant_id == grant.grant_id)
                    assert given_ == grant.seconds
    shuffled = list(uses)
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    assert allowances.allot(grants, shuffled) == shares


def test_what_is_left_of_a_month_is_used_first_in_the_next() -> None:
    months = [periods.month(2026, number, zone="Europe/London") for number in (1, 2, 3)]
    meters = frozenset({"in", "out"})
    ends = [months[1].end, months[2].end, months[2].end]
    grants = [
        Grant(str(number), meters, 100, month.start, end)
        for number, (month, end) in enumerate(zip(months, ends, strict=True), 1)
    ]
    uses = [
        Use("11", "in", JANUARY + DAY, 40),
        Use("12", "out", JANUARY + 35 * DAY, 130),
        Use("13", "out", JANUARY + 65 * DAY, 200),
    ]
    found = [(one.key, one.grant_id, one.seconds) for one in allowances.allot(grants, uses)]
    assert found == [("11", "1", 40), ("12", "1", 60), ("12", "2", 70), ("13", "2", 30), ("13", "3", 100)]
