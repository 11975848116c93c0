"""A seat has one renter at an instant, and the renter sees its own seats only."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import clock, events
from core.ids import OPERATOR, SeatId, TenantId, new_id
from seats import leases, stock
from seats.errors import (
    RentalNotFoundError,
    RentalPeriodError,
    SeatAlreadyRentedError,
    SeatLabelTakenError,
    SeatNotFoundError,
)
from seats.events import SeatRentalChanged
from seats.stock import RentalKind
from security.gate import Gate, Scope
from tests.seats.factory import ON_FLOOR, stocked

NOON = dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC)


def at(hours: float) -> dt.datetime:
    return NOON + dt.timedelta(hours=hours)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOON):
        yield


def rented(
    gate: Gate, seat: stock.Seat, renter: TenantId, start: float, end: float | None = None
) -> stock.Rental:
    with gate.open(ON_FLOOR) as session:
        return stock.rent(
            session,
            seat_id=seat.id,
            renter_tenant_id=renter,
            kind=RentalKind.MONTH if end is None else RentalKind.HOUR,
            starts_at=at(start),
            ends_at=None if end is None else at(end),
        )


def announced(gate: Gate) -> list[SeatRentalChanged]:
    with gate.open(ON_FLOOR) as session:
        rows = session.execute(text("SELECT name, payload FROM app.outbox ORDER BY id")).all()
    found = [events.rebuild(row.name, row.payload) for row in rows]
    return [event for event in found if isinstance(event, SeatRentalChanged)]


def test_two_companies_never_rent_one_seat_at_once(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    seat = stocked(gate)
    rented(gate, seat, tenant_a, 1, 6)
    for start, end in ((1, 6), (0, 2), (5, 7), (2, 3), (0, None), (5.5, None)):
        with pytest.raises(SeatAlreadyRentedError):
            rented(gate, seat, tenant_b, start, end)
    rented(gate, seat, tenant_b, 0, 1)
    rented(gate, seat, tenant_b, 6)


def test_database_refuses_two_renters_whoever_writes(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    rental = rented(gate, stocked(gate), tenant_a, 1, 6)
    with pytest.raises(IntegrityError, match="one_renter"), gate.open(ON_FLOOR) as session:
        session.execute(
            text(
                "INSERT INTO app.seat_rentals SELECT tenant_id, gen_random_uuid(), seat_id, :renter,"
                " kind, starts_at, NULL, 1, created_at FROM app.seat_rentals WHERE id = :id"
            ),
            {"renter": tenant_b, "id": rental.id},
        )


def test_a_refused_rental_leaves_the_transaction_alive(gate: Gate, tenant_a: TenantId) -> None:
    first, second = stocked(gate), stocked(gate, label="A-002")
    rented(gate, first, tenant_a, 0)
    with gate.open(ON_FLOOR) as session:
        for seat in (first, second):
            try:
                stock.rent(
                    session,
                    seat_id=seat.id,
                    renter_tenant_id=tenant_a,
                    kind=RentalKind.DAY,
                    starts_at=at(0),
                    ends_at=at(24),
                )
            except SeatAlreadyRentedError:
                continue
    with gate.open(ON_FLOOR) as session:
        assert len(stock.rentals(session, renter_tenant_id=tenant_a)) == 2


def test_free_seats_are_those_nobody_rents_in_the_period(gate: Gate, tenant_a: TenantId) -> None:
    one, two, three = (stocked(gate, label=f"A-00{n}") for n in (1, 2, 3))
    rented(gate, one, tenant_a, 1, 6)
    rented(gate, two, tenant_a, 5)
    cancelled = rented(gate, three, tenant_a, 2, 4)
    with gate.open(ON_FLOOR) as session:
        stock.release(session, rental_id=cancelled.id, at=at(1))
        found = {
            period: [
                seat.label for seat in stock.free(session, starts_at=at(period[0]), ends_at=at(period[1]))
            ]
            for period in ((0, 1), (0, 2), (6, 7), (1, 5))
        }
        endless = [seat.label for seat in stock.free(session, starts_at=at(6), ends_at=None)]
    assert found == {
        (0, 1): ["A-001", "A-002", "A-003"],
        (0, 2): ["A-002", "A-003"],
        (6, 7): ["A-001", "A-003"],
        (1, 5): ["A-002", "A-003"],
    }
    assert endless == ["A-001", "A-003"]


def test_renter_is_whoever_holds_the_seat_at_that_instant(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    seat = stocked(gate)
    rented(gate, seat, tenant_a, 1, 2)
    rented(gate, seat, tenant_b, 2)
    with gate.open(ON_FLOOR) as session:
        found = [stock.renter(session, seat_id=seat.id, at=at(hour)) for hour in (0.5, 1, 1.99, 2, 99)]
    assert found == [None, tenant_a, tenant_a, tenant_b, tenant_b]


def test_released_seat_is_free_from_then_on(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    seat = stocked(gate)
    rental = rented(gate, seat, tenant_a, 0)
    with gate.open(ON_FLOOR) as session:
        ended = stock.release(session, rental_id=rental.id, at=at(3))
        assert stock.release(session, rental_id=rental.id, at=at(3)) == ended
    assert (ended.ends_at, ended.revision) == (at(3), 2)
    rented(gate, seat, tenant_b, 3)


def test_past_time_is_neither_rented_nor_given_back(gate: Gate, tenant_a: TenantId) -> None:
    seat = stocked(gate)
    with pytest.raises(RentalPeriodError):
        rented(gate, seat, tenant_a, -1)
    with pytest.raises(RentalPeriodError):
        rented(gate, seat, tenant_a, 2, 2)
    rental = rented(gate, seat, tenant_a, 0, 6)
    clock.advance(dt.timedelta(hours=2))
    for hour in (1, 7):
        with pytest.raises(RentalPeriodError), gate.open(ON_FLOOR) as session:
            stock.release(session, rental_id=rental.id, at=at(hour))


def test_what_is_not_there_is_not_found(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(SeatNotFoundError):
        rented(gate, stock.Seat(SeatId(new_id()), "?"), tenant_a, 0)
    with pytest.raises(RentalNotFoundError), gate.open(ON_FLOOR) as session:
        stock.release(session, rental_id=UUID(int=1), at=at(1))


def test_a_label_names_one_seat(gate: Gate) -> None:
    stocked(gate)
    with pytest.raises(SeatLabelTakenError):
        stocked(gate)


def test_client_sees_its_seats_whatever_order_the_news_arrive_in(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    rental = rented(gate, stocked(gate), tenant_a, 0)
    with gate.open(ON_FLOOR) as session:
        stock.release(session, rental_id=rental.id, at=at(5))
        stock.release(session, rental_id=rental.id, at=at(3))
    news = announced(gate)
    assert [event.revision for event in news] == [1, 2, 3]
    assert all(event.tenant_id == OPERATOR and event.renter_tenant_id == tenant_a for event in news)
    for order in itertools.permutations(news):
        with gate.open(Scope.system(tenant_a)) as session:
            session.execute(text("DELETE FROM app.seat_leases"))
            for event in (*order, random.Random(7).choice(order)):  # noqa: S311 - any repetition
                leases.mirror(session, tenant_id=tenant_a, event=event)
            (lease,) = leases.held(session, tenant_id=tenant_a)
            assert (lease.id, lease.seat_label, lease.ends_at) == (rental.id, "A-001", at(3))
    with gate.open(Scope.system(tenant_b)) as session:
        assert leases.held(session, tenant_id=tenant_b) == []


def test_held_seats_are_those_of_the_asked_period(gate: Gate, tenant_a: TenantId) -> None:
    for label, start, end in (("A-001", 0, 2), ("A-002", 4, None), ("A-003", 1, 1.5)):
        rented(gate, stocked(gate, label=label), tenant_a, start, end)
    with gate.open(Scope.system(tenant_a)) as session:
        for event in announced(gate):
            leases.mirror(session, tenant_id=tenant_a, event=event)
        found = [
            [
                lease.seat_label
                for lease in leases.held(session, tenant_id=tenant_a, start=at(start), end=at(end))
            ]
            for start, end in ((0, 1), (1, 2), (2, 4), (2, 5))
        ]
    assert found == [["A-001"], ["A-001", "A-003"], [], ["A-002"]]
