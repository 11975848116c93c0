"""A client rents by itself: all or none, within its limits, once per request."""

import concurrent.futures
import datetime as dt
from collections.abc import Iterator

import pytest

from core import clock
from core.ids import TenantId, new_id
from seats import leases, limits, renting, stock
from seats.errors import (
    NotEnoughSeatsError,
    RentalLimitError,
    RentalNotFoundError,
    RestoreTooLateError,
    SeatAlreadyRentedError,
)
from seats.limits import Limits
from seats.stock import Rental, RentalKind
from security.gate import Gate, Scope
from tests.seats.factory import ON_FLOOR, stocked

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


def at(hours: float) -> dt.datetime:
    return NOON + dt.timedelta(hours=hours)


@pytest.fixture(autouse=True)
def noon(gate: Gate) -> Iterator[None]:
    with clock.hold(NOON):
        for place in range(5):
            stocked(gate, label=f"A-{place}")
        yield


def rent(
    gate: Gate,
    renter: TenantId,
    count: int,
    *,
    start: float = 1,
    end: float | None = 5,
    key: object = None,
) -> list[Rental]:
    with gate.open(ON_FLOOR) as session:
        made = renting.rent(
            session,
            renter_tenant_id=renter,
            kind=RentalKind.HOUR if end else RentalKind.MONTH,
            count=count,
            starts_at=at(start),
            ends_at=at(end) if end else None,
            request_key=key or new_id(),  # type: ignore[arg-type]
        )
    return list(made)


def test_several_seats_are_rented_at_once(gate: Gate, tenant_a: TenantId) -> None:
    assert [one.seat.label for one in rent(gate, tenant_a, 3)] == ["A-0", "A-1", "A-2"]
    with gate.open(ON_FLOOR) as session:
        there = renting.availability(session, renter_tenant_id=tenant_a, starts_at=at(2), ends_at=at(3))
        assert (there.free, there.held, there.most) == (2, 3, 20)
        assert renting.free_by_hour(session, hours=[at(0), at(1), at(4), at(5)]) == [5, 2, 2, 5]


def test_a_booking_that_was_cancelled_keeps_no_seat(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    def seen() -> tuple[int, dt.datetime | None]:
        with gate.open(ON_FLOOR) as session:
            there = renting.availability(session, renter_tenant_id=tenant_b, starts_at=at(0), ends_at=None)
        return there.free_first, there.booked_from

    (booked,) = rent(gate, tenant_a, 1, start=3, end=5)
    assert seen() == (5, at(3))
    with gate.open(ON_FLOOR) as session:
        stock.release(session, rental_id=booked.id, at=at(0))
    assert seen() == (5, None)


def test_the_same_request_rents_once(gate: Gate, tenant_a: TenantId) -> None:
    key = new_id()
    first, second = rent(gate, tenant_a, 2, key=key), rent(gate, tenant_a, 2, key=key)
    assert [one.id for one in first] == [one.id for one in second]


def test_all_or_none(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    rent(gate, tenant_a, 3)
    with pytest.raises(NotEnoughSeatsError) as caught:
        rent(gate, tenant_b, 3)
    assert caught.value.details == {"free": 2, "asked": 3}
    with gate.open(ON_FLOOR) as session:
        assert stock.rentals(session, renter_tenant_id=tenant_b) == []


def test_two_companies_that_want_the_same_seats_at_once_get_none_twice(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    def take(renter: TenantId) -> int:
        try:
            with clock.hold(NOON):
                return len(rent(gate, renter, 3))
        except NotEnoughSeatsError:
            return 0

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, (tenant_a, tenant_b))) == [0, 3]


def test_a_client_rents_up_to_its_limit_even_with_many_requests_at_once(
    gate: Gate, tenant_a: TenantId
) -> None:
    with gate.open(ON_FLOOR) as session:
        limits.put(session, renter_tenant_id=tenant_a, limits=Limits(most_seats=2, most_numbers=0))

    def take(_: int) -> bool:
        try:
            with clock.hold(NOON):
                return bool(rent(gate, tenant_a, 1))
        except RentalLimitError as error:
            return error.details["held"] != 2

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, True, True]
    assert rent(gate, tenant_a, 1, start=10, end=12)  # none is held by then


def test_a_release_is_taken_back_for_ten_minutes(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    (one,) = rent(gate, tenant_a, 1, start=0, end=None)
    with clock.hold(at(1)), gate.open(ON_FLOOR) as session:
        stock.release(session, rental_id=one.id, at=at(1))
    with clock.hold(at(1) + stock.UNDO), gate.open(ON_FLOOR) as session:
        with pytest.raises(RentalNotFoundError):
            stock.restore(session, rental_id=one.id, renter_tenant_id=tenant_b)
        back = stock.restore(session, rental_id=one.id, renter_tenant_id=tenant_a)
    assert back.ends_at is None
    with clock.hold(at(2)), gate.open(ON_FLOOR) as session:
        stock.release(session, rental_id=one.id, at=at(2))
    with (
        clock.hold(at(2.2)),
        pytest.raises(RestoreTooLateError),
        gate.open(ON_FLOOR) as session,
    ):
        stock.restore(session, rental_id=one.id, renter_tenant_id=tenant_a)


def test_a_seat_that_somebody_else_took_does_not_come_back(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    (one,) = rent(gate, tenant_a, 1, start=0, end=None)
    with clock.hold(at(1)):
        with gate.open(ON_FLOOR) as session:
            stock.release(session, rental_id=one.id, at=at(1))
        rent(gate, tenant_b, 5, start=1, end=2)
        with pytest.raises(SeatAlreadyRentedError), gate.open(ON_FLOOR) as session:
            stock.restore(session, rental_id=one.id, renter_tenant_id=tenant_a)


def test_the_clients_own_row_follows_there_and_back(gate: Gate, tenant_a: TenantId) -> None:
    (one,) = rent(gate, tenant_a, 1, start=0, end=None)
    with clock.hold(at(1)), gate.open(ON_FLOOR) as session:
        gone = stock.release(session, rental_id=one.id, at=at(1))
        back = stock.restore(session, rental_id=one.id, renter_tenant_id=tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        for rental in (one, back, gone):  # out of order
            leases.mirror(session, tenant_id=tenant_a, event=stock.changed(rental))
        assert leases.find(session, tenant_id=tenant_a, lease_id=one.id).ends_at is None
