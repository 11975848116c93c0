"""What is rented costs its part of a month, a day or an hour: once, whole, and to the nano-unit."""

import datetime as dt
import itertools
import zoneinfo
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import invoices, periods, rentals, tariffs, usage
from billing.errors import RentalsOpenError
from billing.rating.rentals import METERS, Piece, Proration, RentalPrice, Span, Unit, pieces, position, units
from billing.rating.rules import Outcome
from billing.rating.tariff import Tariff, decode, digest, encode, problems
from billing.rentals import PaidHour
from core import clock
from core.ids import TenantId, new_id
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock

LONDON = "Europe/London"
# half-hour zones, clocks that change at midnight, after midnight, by half an hour, and a day that never was
ZONES = (
    *(LONDON, "Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana"),
    *("America/St_Johns", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo", "UTC"),
)
RENT = new_id()
instants = st.datetimes(
    min_value=dt.datetime(1995, 1, 1),  # noqa: DTZ001 - made aware below
    max_value=dt.datetime(2035, 1, 1),  # noqa: DTZ001
).map(lambda naive: naive.replace(tzinfo=dt.UTC))


def local(*of: int, zone: str = LONDON) -> dt.datetime:
    return dt.datetime(*of, tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)  # type: ignore[misc, arg-type]


def price(meter: str = "seat.month", nano: int = 96 * NANO, **how: object) -> RentalPrice:
    return RentalPrice(meter, "seats", nano, **how)  # type: ignore[arg-type]


def span(start: dt.datetime, end: dt.datetime | None = None, meter: str = "seat.month") -> Span:
    return Span(rental_id=RENT, meter=meter, starts_at=start, ends_at=end)


def share(
    start: dt.datetime, end: dt.datetime, by: Proration = Proration.ACTUAL_DAYS, zone: str = LONDON
) -> Fraction:
    return units(price(proration=by), start=start, end=end, quantity_ms=0, zone=zone)


@pytest.mark.parametrize(
    ("start", "end", "by", "expected"),
    [
        (local(2026, 10, 1), local(2026, 11, 1), Proration.ACTUAL_DAYS, Fraction(1)),
        (local(2026, 10, 22), local(2026, 11, 1), Proration.ACTUAL_DAYS, Fraction(10, 31)),
        (local(2026, 10, 22, 12), local(2026, 10, 23), Proration.ACTUAL_DAYS, Fraction(1, 62)),
        # the day the clocks go back has 25 hours and weighs like any other
        (local(2026, 10, 25), local(2026, 10, 26), Proration.ACTUAL_DAYS, Fraction(1, 31)),
        (local(2026, 10, 25), local(2026, 10, 26), Proration.PER_SECOND, Fraction(25, 31 * 24 + 1)),
        (local(2028, 2, 29), local(2028, 3, 1), Proration.ACTUAL_DAYS, Fraction(1, 29)),
        (local(2026, 2, 1), local(2026, 3, 1), Proration.FIXED_30, Fraction(1)),
        (local(2026, 10, 31), local(2026, 11, 1), Proration.FIXED_30, Fraction(0)),
        # Kill Bill's 19.95 from 23 May to 15 June: 22 of 30 days
        (local(2026, 5, 23), local(2026, 6, 15), Proration.FIXED_30, Fraction(22, 30)),
        (local(2026, 1, 1), local(2027, 1, 1), Proration.ACTUAL_DAYS, Fraction(12)),
    ],
)
def test_a_part_of_a_month_is_measured_by_the_contracts_method(
    start: dt.datetime, end: dt.datetime, by: Proration, expected: Fraction
) -> None:
    assert share(start, end, by) == expected


def test_hours_are_charged_in_begun_steps_and_days_as_begun() -> None:
    hour = price("seat.hour", step_s=3600)
    start = local(2026, 10, 14, 13)
    assert units(hour, start=start, end=start, quantity_ms=5 * 3_600_000, zone=LONDON) == 5
    assert units(hour, start=start, end=start, quantity_ms=5 * 3_600_000 + 1, zone=LONDON) == 6
    quarter = price("seat.hour", step_s=900)
    assert units(quarter, start=start, end=start, quantity_ms=3_600_001, zone=LONDON) == Fraction(5, 4)
    exact = price("agent.hour", step_s=0)
    assert units(exact, start=start, end=start, quantity_ms=1, zone=LONDON) == Fraction(1, 3_600_000)
    day = price("seat.day")
    assert units(day, start=start, end=local(2026, 10, 16), quantity_ms=0, zone=LONDON) == 2
    assert units(day, start=start, end=local(2026, 10, 16, 0, 1), quantity_ms=0, zone=LONDON) == 3


@given(st.lists(instants, min_size=2, max_size=8), st.sampled_from(ZONES), st.sampled_from(Proration))
def test_the_parts_of_a_stretch_add_up_to_the_stretch(
    cuts: list[dt.datetime], zone: str, by: Proration
) -> None:
    cuts.sort()
    parts = [share(a, b, by, zone) for a, b in itertools.pairwise(cuts)]
    assert all(part >= 0 for part in parts)
    assert sum(parts) == share(cuts[0], cuts[-1], by, zone)


@given(st.integers(1995, 2034), st.integers(1, 12), st.sampled_from(ZONES), st.sampled_from(Proration))
def test_every_local_month_is_one_month(year: int, number: int, zone: str, by: Proration) -> None:
    month = periods.month(year, number, zone=zone)
    assert share(month.start, month.end, by, zone) == 1
    assert position(month.start, zone=zone, by=by).denominator == 1


@given(
    instants,
    st.integers(0, 200 * 86_400),
    st.sampled_from(ZONES),
    st.sampled_from(["seat.month", "seat.day", "seat.hour"]),
    st.lists(instants, max_size=3),
    st.lists(st.integers(0, 250 * 86_400), max_size=4),
)
def test_pieces_tile_a_rental_however_often_it_is_looked_at(
    start: dt.datetime, length_s: int, zone: str, meter: str, changes: list[dt.datetime], looks: list[int]
) -> None:
    end = start + dt.timedelta(seconds=length_s)
    rental = span(start, end, meter)
    found: list[Piece] = []
    at = start
    for look in (*sorted(looks), 400 * 86_400):
        until = start + dt.timedelta(seconds=look)
        fresh = list(pieces(rental, start=at, until=until, zone=zone, changes=changes))
        assert all(piece.end <= until for piece in fresh)
        found += fresh
        at = found[-1].end if found else start
    assert found == list(pieces(rental, start=start, until=end, zone=zone, changes=changes))
    edges = [start, *(piece.end for piece in found)]
    assert [piece.start for piece in found] == edges[:-1]
    assert edges[-1] == end
    assert all(piece.start < piece.end for piece in found)
    # the whole costs what its pieces cost
    one = price(meter)
    ms = [(piece.end - piece.start) // dt.timedelta(milliseconds=1) for piece in found]
    together = sum(
        units(one, start=piece.start, end=piece.end, quantity_ms=n, zone=zone)
        for piece, n in zip(found, ms, strict=True)
    )
    whole_ms = -(-(end - start) // dt.timedelta(milliseconds=1))
    if end > start:
        assert together == units(one, start=start, end=end, quantity_ms=whole_ms, zone=zone)


def test_an_hour_in_which_a_month_ends_is_one_hour_of_the_month_it_began_in() -> None:
    start = local(2026, 10, 31, 22, 30)
    rental = span(start, local(2026, 11, 1, 2), "seat.hour")
    (first, second) = pieces(rental, start=start, until=local(2026, 11, 2), zone=LONDON)
    assert (first.end, second.end) == (local(2026, 11, 1, 0, 30), local(2026, 11, 1, 2))


def test_what_has_no_end_is_cut_by_the_month_only() -> None:
    rental = span(local(2026, 8, 20))
    found = list(pieces(rental, start=rental.starts_at, until=local(2026, 10, 14), zone=LONDON))
    assert [piece.end for piece in found] == [local(2026, 9, 1), local(2026, 10, 1)]


# ---- prices --------------------------------------------------------------------------------------


def tariff(*of: RentalPrice) -> Tariff:
    return Tariff("uk", 1, "GBP", LONDON, {**stock.NAMES, **stock.SEATS}, stock.rates(), of)


def test_a_tariff_with_rental_prices_comes_back_as_it_was() -> None:
    before = tariff(price(), price("agent.hour", step_s=0, nano=14 * NANO))
    after = decode(encode(before))
    assert set(after.rentals) == set(before.rentals)
    assert encode(after) == encode(before)
    assert '"format":2' in encode(before)


def test_a_tariff_of_calls_says_what_it_said_before_rentals_had_prices() -> None:
    # written by the release before: content and hash stand in published versions, and stay true
    content = encode(Tariff("uk", 1, "GBP", LONDON, stock.NAMES, stock.rates()))
    assert digest(content).hex() == FORMER
    assert decode(content).rentals == ()


FORMER = "ac7ee3b0f52eacedaa8c78f417f767c288dfd0d664fcb15eaf5e14036bb912f9"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ((price("seat.week"),), "nothing is rented"),
        ((price(), price(nano=1)), "twice"),
        ((RentalPrice("seat.month", "nowhere", 1),), "has no name"),
        ((price(nano=-1),), "between nothing"),
        ((price("seat.hour", step_s=7),), "fit into an hour"),
        ((price("agent.hour", step_s=60),), "to the millisecond"),
    ],
)
def test_a_rental_price_that_cannot_be_charged_is_refused(
    wrong: tuple[RentalPrice, ...], complaint: str
) -> None:
    assert any(complaint in one for one in problems(tariff(*wrong)))


def test_every_meter_has_a_unit_and_a_price_of_its_own() -> None:
    assert set(METERS.values()) == set(Unit)


# ---- charging ------------------------------------------------------------------------------------

OCTOBER = periods.month(2026, 10, zone=LONDON)


@pytest.fixture
def renter(gate: Gate, tenant_a: TenantId) -> TenantId:
    """Alice's company, whose prices name seats by the month at 96.00 and by the hour at 4.20."""
    version = stock.publish(
        gate,
        rentals=(
            price(),
            price("seat.hour", nano=4_200_000_000),
            price("number.tollfree", nano=12_500_000_000),
            price("agent.hour", nano=14_500_000_000, step_s=0),
        ),
    )
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version, rents_nothing=False)
    return tenant_a


def charged(gate: Gate, tenant_id: TenantId, until: dt.datetime, *spans: Span) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        return rentals.charge(session, tenant_id=tenant_id, spans=spans, until=until)


def bill_of(gate: Gate, tenant_id: TenantId) -> list[tuple[str, Fraction, int]]:
    with gate.open(Scope.system(tenant_id)) as session:
        lines = invoices.preview(session, tenant_id=tenant_id, period=OCTOBER).lines
    return [(line.meter, line.quantity, line.amount_minor) for line in lines]


def test_a_month_is_charged_when_it_is_over_and_once(gate: Gate, renter: TenantId) -> None:
    whole = Span(rental_id=new_id(), meter="seat.month", starts_at=local(2026, 10, 1), ends_at=None)
    part = Span(rental_id=new_id(), meter="seat.month", starts_at=local(2026, 10, 22), ends_at=None)
    assert charged(gate, renter, local(2026, 10, 31), whole, part) == 0
    assert charged(gate, renter, local(2026, 11, 3), whole, part) == 2
    assert charged(gate, renter, local(2026, 11, 3), whole, part) == 0
    (line,) = bill_of(gate, renter)
    # 96.00 + 96.00 x 10/31 = 126.967…
    assert line == ("seat.month", Fraction(1_322_580_645, NANO), 12697)


def test_an_afternoon_is_charged_by_begun_hours_when_it_is_over(gate: Gate, renter: TenantId) -> None:
    afternoon = [
        Span(
            rental_id=new_id(),
            meter="seat.hour",
            starts_at=local(2026, 10, 14, 13),
            ends_at=local(2026, 10, 14, 17, 30),
        )
        for _ in range(12)
    ]
    assert charged(gate, renter, local(2026, 10, 14, 17), *afternoon) == 0
    assert charged(gate, renter, local(2026, 10, 14, 18), *afternoon) == 12
    assert bill_of(gate, renter) == [("seat.hour", Fraction(60), 25_200)]


def test_a_rental_cancelled_before_it_began_costs_nothing(gate: Gate, renter: TenantId) -> None:
    never = span(local(2026, 10, 14), local(2026, 10, 14))
    assert charged(gate, renter, local(2026, 11, 3), never) == 0


def test_a_rental_without_a_price_is_unrated_and_keeps_the_month_open(gate: Gate, renter: TenantId) -> None:
    charged(gate, renter, local(2026, 11, 3), span(local(2026, 10, 1), meter="number.short"))
    with gate.open(Scope.system(renter)) as session:
        (trace,) = invoices.trace(session, tenant_id=renter, subject_ref=RENT)
        assert (trace.outcome, trace.reason, trace.amount_nano) == (Outcome.UNRATED, "meter-not-priced", None)


def test_a_new_price_counts_from_its_date_and_not_before(gate: Gate, renter: TenantId) -> None:
    change = local(2026, 10, 11)
    with clock.hold(local(2026, 10, 2)):
        dearer = stock.publish(gate, effective_from=change, rentals=(price(nano=192 * NANO),))
    with gate.open(Scope.system(renter)) as session:
        tariffs.take(session, tenant_id=renter, version=dearer)
    assert charged(gate, renter, local(2026, 11, 3), span(local(2026, 10, 1))) == 2
    assert [(quantity, minor) for _meter, quantity, minor in bill_of(gate, renter)] in (
        # 96 x 10/31 and 192 x 21/31, each on a line of its own
        [(Fraction(322_580_645, NANO), 3097), (Fraction(677_419_355, NANO), 13006)],
        [(Fraction(677_419_355, NANO), 13006), (Fraction(322_580_645, NANO), 3097)],
    )


def test_agents_hours_are_charged_to_the_millisecond_and_late_ones_on_top(
    gate: Gate, renter: TenantId
) -> None:
    agent, hour = new_id(), local(2026, 10, 14, 9)

    def paid(paid_ms: int) -> int:
        with gate.open(Scope.system(renter)) as session:
            return rentals.charge_agents(session, tenant_id=renter, hours=[PaidHour(agent, hour, paid_ms)])

    assert [paid(1_800_000), paid(1_800_000), paid(2_700_000), paid(2_700_000), paid(0)] == [1, 0, 1, 0, 0]
    assert bill_of(gate, renter) == [("agent.hour", Fraction(3, 4), 1088)]  # 14.50 x 0.75 = 10.875


def test_the_running_bill_shows_what_goes_on_as_an_estimate_and_the_draft_does_not(
    gate: Gate, renter: TenantId
) -> None:
    seats = [
        Span(rental_id=new_id(), meter="seat.month", starts_at=local(2026, 10, 1), ends_at=None)
        for _ in range(3)
    ]
    now = local(2026, 10, 11)
    with gate.open(Scope.system(renter)) as session:
        accruals = rentals.accruing(session, tenant_id=renter, spans=seats, now=now)
        bill = invoices.running_bill(session, tenant_id=renter, now=now, accruals=accruals)
        (line,) = bill.bill.lines
        assert (line.is_estimate, line.events, line.amount_minor) == (True, 3, 9290)  # 3 x 96 x 10/31
        assert [point.cumulative_minor for point in bill.days][:3] == [929, 1858, 2787]
        assert bill.days[-1].cumulative_minor == 9290
        assert bill.meters[0].is_estimate
        assert bill.waiting == 0
        assert invoices.draft(session, tenant_id=renter, period=OCTOBER).bill.lines == ()


def test_an_estimate_without_a_price_waits(gate: Gate, renter: TenantId) -> None:
    rental, now = span(local(2026, 10, 1), meter="number.short"), local(2026, 10, 11)
    with gate.open(Scope.system(renter)) as session:
        accruals = rentals.accruing(session, tenant_id=renter, spans=[rental], now=now)
        bill = invoices.running_bill(session, tenant_id=renter, now=now, accruals=accruals)
    assert (bill.waiting, bill.bill.lines) == (1, ())


def test_a_month_is_not_closed_before_its_rentals_are_charged(gate: Gate, renter: TenantId) -> None:
    with gate.open(Scope.system(renter)) as session:
        draft = invoices.draft(session, tenant_id=renter, period=OCTOBER)
    with (
        clock.hold(local(2026, 11, 2)),
        pytest.raises(RentalsOpenError),
        gate.open(Scope.system(renter)) as session,
    ):
        invoices.finalise(session, tenant_id=renter, invoice_id=draft.invoice_id)


def test_the_price_shown_before_is_the_price_charged(gate: Gate, renter: TenantId) -> None:
    start = local(2026, 10, 14, 10, 17)
    with gate.open(Scope.system(renter)) as session:
        month = rentals.quote(session, tenant_id=renter, meter="seat.month", starts_at=start, count=1)
        none = rentals.quote(session, tenant_id=renter, meter="number.short", starts_at=start)
    assert month is not None
    assert none is None
    charged(gate, renter, local(2026, 11, 3), span(start))
    with gate.open(Scope.system(renter)) as session:
        (trace,) = invoices.trace(session, tenant_id=renter, subject_ref=RENT)
    assert (trace.amount_nano, trace.units_nano) == (month.now_nano, month.units_nano)


def test_bulk_usage_of_rentals_is_rated_like_single(gate: Gate, renter: TenantId) -> None:
    start, end = local(2026, 10, 1), local(2026, 10, 11)
    one = stock.usage("bulk", meter="seat.month", prefix="", at=start, ended_at=end, source="rentals")
    with gate.open(Scope.system(renter)) as session:
        done = usage.record(session, tenant_id=renter, usage=one)
    assert done.rated is not None
    assert done.rated.amount_nano == round(Fraction(96 * NANO * 10, 31))
