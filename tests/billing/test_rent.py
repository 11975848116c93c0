"""What a month's seats and numbers come to is kept of a wallet: to the nano-unit, once, until its invoice."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import accounts, credit, invoices, periods, rent, rentals, wallets
from billing.models import RatedChargeRow, UsageEventRow
from billing.payments import attempts
from billing.rating.rentals import RentalPrice, Span
from core import clock
from core.ids import TenantId, new_id
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_once_only import KilledError, killed_at
from tests.billing.test_wallets import PENNY, put

NOW = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
NOVEMBER, DECEMBER, MARCH = (
    periods.month(year, number, zone="Europe/London") for year, number in ((2026, 11), (2026, 12), (2027, 3))
)
PRICES = (
    RentalPrice("seat.month", "seats", 90 * NANO),  # 3.00 a day in November, 3.60 with tax
    RentalPrice("seat.day", "seats", 10 * NANO),
    RentalPrice("seat.hour", "seats", 2 * NANO),
    RentalPrice("number.local", "seats", 3 * NANO),
)


@pytest.fixture
def renter(gate: Gate, tenant_a: TenantId) -> TenantId:
    """Alice's company pays beforehand, and nothing is in its wallet."""
    with clock.hold(NOW):
        version = stock.publish(gate, rentals=PRICES)
        with gate.open(Scope.system(tenant_a)) as session:
            stock.customer(session, tenant_id=tenant_a, version=version, rents_nothing=False)
            wallets.open_wallet(session, tenant_id=tenant_a)
    return tenant_a


def span(meter: str = "seat.month", start: dt.datetime = NOW, end: dt.datetime | None = None) -> Span:
    return Span(rental_id=new_id(), meter=meter, starts_at=start, ends_at=end)


def days(number: float, *, since: dt.datetime = NOW) -> dt.datetime:
    return since + dt.timedelta(days=number)


def keep(session: Session, tenant_id: TenantId, spans: Sequence[Span], now: dt.datetime = NOW) -> int:
    """Keep what the spans come to; return how many pence are lacking."""
    lacking = rent.keep(session, tenant_id=tenant_id, spans=spans, now=now)
    return -(-lacking // PENNY)


def kept(session: Session, tenant_id: TenantId) -> dict[dt.datetime, int]:
    """Return how many pence are kept, by the end of the month."""
    found = wallets.rents(session, tenant_id=tenant_id)
    wallet = wallets.find(session, tenant_id=tenant_id)
    assert wallet is not None
    assert wallet.reserved_nano == sum(found.values())
    return {end: nano // PENNY for end, nano in found.items()}


def test_what_is_rented_is_kept_to_the_end_of_the_month_and_no_penny_less_will_do(
    gate: Gate, renter: TenantId
) -> None:
    half_a_month = [span()]  # 20.5 of 30 days: 73.80
    with clock.hold(NOW), gate.open(Scope.system(renter)) as session:
        put(session, renter, 7379)
        assert keep(session, renter, half_a_month) == 1
        assert kept(session, renter) == {}
        put(session, renter, 1)
        assert keep(session, renter, half_a_month) == 0
        assert keep(session, renter, half_a_month) == 0  # the same again keeps nothing more
        assert kept(session, renter) == {NOVEMBER.end: 7380}
        assert credit.left(session, tenant_id=renter) == 0


def test_what_is_given_back_is_free_at_once(gate: Gate, renter: TenantId) -> None:
    one, two = span(), span()
    with clock.hold(NOW), gate.open(Scope.system(renter)) as session:
        put(session, renter, 20000)
        assert keep(session, renter, [one, two]) == 0
        assert kept(session, renter) == {NOVEMBER.end: 14760}
        back = span(start=two.starts_at, end=days(1))
        assert keep(session, renter, [one, back], days(1)) == 0
        assert kept(session, renter) == {NOVEMBER.end: 7380 + 360}


def test_what_is_booked_for_a_later_month_is_paid_for_when_it_is_booked(gate: Gate, renter: TenantId) -> None:
    booked = span("seat.day", MARCH.start, days(2, since=MARCH.start))
    over_the_end = span(
        "seat.hour", NOVEMBER.end - dt.timedelta(hours=1), NOVEMBER.end + dt.timedelta(hours=2)
    )
    with clock.hold(NOW), gate.open(Scope.system(renter)) as session:
        put(session, renter, 20000)
        assert keep(session, renter, [span(), booked, over_the_end]) == 0
        assert kept(session, renter) == {
            NOVEMBER.end: 7380 + 240,
            DECEMBER.end: 480,  # and nothing for the seat: December keeps that when it begins
            MARCH.end: 2400,
        }


def test_months_are_kept_for_together_or_not_at_all(gate: Gate, renter: TenantId) -> None:
    booked = span("seat.day", MARCH.start, days(2, since=MARCH.start))
    with clock.hold(NOW), gate.open(Scope.system(renter)) as session:
        put(session, renter, 7380 + 2399)
        assert keep(session, renter, [span(), booked]) == 1
        assert kept(session, renter) == {}


def test_a_month_that_begins_is_kept_for_or_told_once_and_tried_again(gate: Gate, renter: TenantId) -> None:
    seat, at = span(), DECEMBER.start
    with clock.hold(at), gate.open(Scope.system(renter)) as session:
        put(session, renter, 7380 + 10799)

        def each() -> list[Any]:
            return rent.keep_each(session, tenant_id=renter, spans=[seat], now=at)

        assert rent.keep_each(session, tenant_id=renter, spans=[seat], now=NOW) == []
        assert each() == [DECEMBER]
        assert each() == []
        assert kept(session, renter) == {NOVEMBER.end: 7380, DECEMBER.end: 0}
        put(session, renter, 1)
        assert each() == []
        assert kept(session, renter) == {NOVEMBER.end: 7380, DECEMBER.end: 10800}


def test_the_invoice_of_the_month_frees_what_was_kept_and_takes_it(gate: Gate, renter: TenantId) -> None:
    seat = span(end=DECEMBER.start)
    with clock.hold(NOW), gate.open(Scope.system(renter)) as session:
        put(session, renter, 7400)
        assert keep(session, renter, [seat]) == 0
    with clock.hold(days(3, since=DECEMBER.start)):
        with gate.open(Scope.system(renter)) as session:
            rentals.charge(session, tenant_id=renter, spans=[seat], until=DECEMBER.start)
            accounts.charged(session, tenant_id=renter, until=clock.now())
            # charged or not, the month comes to the same
            assert keep(session, renter, [], clock.now()) == 0
            assert kept(session, renter)[NOVEMBER.end] == 7380
            draft = invoices.draft(session, tenant_id=renter, period=NOVEMBER)
            invoice = invoices.finalise(session, tenant_id=renter, invoice_id=draft.invoice_id)
        with gate.open(Scope.system(renter)) as session:
            attempts.use_on_account(session, tenant_id=renter, invoice=invoice)
            stands = attempts.standing_of(session, tenant_id=renter, invoice=invoice)
            assert stands is not None
            assert stands.due_minor == 0
            assert kept(session, renter).get(NOVEMBER.end) is None
            wallet = wallets.find(session, tenant_id=renter)
            assert wallet is not None
            assert wallet.available_nano == 20 * PENNY
            # and what is over stays over
            assert rent.keep(session, tenant_id=renter, spans=[seat], now=NOW) == 0
            assert kept(session, renter).get(NOVEMBER.end) is None


def test_who_pays_by_invoice_keeps_nothing(gate: Gate, tenant_a: TenantId) -> None:
    with clock.hold(NOW):
        version = stock.publish(gate, rentals=PRICES)
        with gate.open(Scope.system(tenant_a)) as session:
            stock.customer(session, tenant_id=tenant_a, version=version)
            assert rent.keep(session, tenant_id=tenant_a, spans=[span()], now=NOW) == 0
            assert rent.keep_each(session, tenant_id=tenant_a, spans=[span()], now=NOW) == []
            assert wallets.find(session, tenant_id=tenant_a) is None


def test_killed_at_any_statement_rent_is_kept_whole_or_not_at_all(gate: Gate, renter: TenantId) -> None:
    spans = [span(), span("seat.day", MARCH.start, days(2, since=MARCH.start))]
    scope = Scope.system(renter)
    with clock.hold(NOW):
        with gate.open(scope) as session:
            put(session, renter, 10000)
        number = 1
        while True:
            try:
                with gate.open(scope) as session, killed_at(session, number):
                    assert rent.keep(session, tenant_id=renter, spans=spans, now=NOW) == 0
                break
            except KilledError:
                with gate.open(scope) as session:
                    assert kept(session, renter) == {}, f"statement {number}"
                number += 1
        assert number > 8
        with gate.open(scope) as session:
            assert kept(session, renter) == {NOVEMBER.end: 7380, MARCH.end: 2400}


hours = st.integers(-24 * 9, 24 * 45).map(lambda number: NOW + dt.timedelta(hours=number))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    wanted=st.lists(
        st.tuples(
            st.sampled_from([price.meter for price in PRICES]),
            hours,
            st.one_of(st.none(), st.integers(1, 24 * 40)),
        ),
        max_size=6,
    ),
    looked=st.lists(hours, min_size=1, max_size=4),
)
def test_what_is_kept_for_a_month_is_what_is_charged_of_it_however_often_it_was_looked_at(
    gate: Gate, renter: TenantId, wanted: list[tuple[str, dt.datetime, int | None]], looked: list[dt.datetime]
) -> None:
    """Property: at a month's end the reservation is the sum of its rated charges with tax, to the nano."""
    spans = [
        span(meter, start, start + dt.timedelta(hours=length) if length else None)
        for meter, start, length in wanted
        if length or meter in {"seat.month", "number.local"}
    ]
    scope = Scope.system(renter)
    with clock.hold(NOVEMBER.end - dt.timedelta(seconds=1)), gate.open(scope) as session:
        put(session, renter, 10**7)
        for at in sorted(one for one in looked if one < NOVEMBER.end):
            rent.keep(session, tenant_id=renter, spans=spans, now=at)
            rentals.charge(session, tenant_id=renter, spans=spans, until=at)
        at = clock.now()
        assert rent.keep(session, tenant_id=renter, spans=spans, now=at) == 0
        found = wallets.rents(session, tenant_id=renter).get(NOVEMBER.end, 0)
        rentals.charge(session, tenant_id=renter, spans=spans, until=NOVEMBER.end)
        net = session.execute(
            select(func.coalesce(func.sum(RatedChargeRow.amount_nano), 0))
            .join(
                UsageEventRow,
                (UsageEventRow.tenant_id == RatedChargeRow.tenant_id)
                & (UsageEventRow.id == RatedChargeRow.usage_id),
            )
            .where(
                RatedChargeRow.superseded_by.is_(None),
                UsageEventRow.occurred_at >= NOVEMBER.start,
                UsageEventRow.occurred_at < NOVEMBER.end,
            )
        ).scalar_one()
        assert found == wallets.with_tax(session, tenant_id=renter, net_nano=int(net or 0))
        session.rollback()  # the next example begins anew
