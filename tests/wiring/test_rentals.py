"""From the operator's rentals to a client's usage: whole, once, whatever stops in between."""

import concurrent.futures
import contextlib
import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import accounts, invoices, ledger, periods, wallets
from billing.rating.rentals import RentalPrice
from core import clock
from core.ids import AgentId, TenantId
from core.money import NANO
from seats import presence, roster
from seats import stock as seating
from seats.stock import Rental, RentalKind
from security.gate import Gate, Scope
from security.vault import Vault
from tests.billing import stock
from tests.seats.factory import ON_FLOOR, hired, stocked
from wiring import rentals

LONDON = "Europe/London"
START = dt.datetime(2026, 10, 21, 23, tzinfo=dt.UTC)  # midnight of the 22nd in London
NOVEMBER = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PRICES = (
    RentalPrice("seat.month", "seats", 96 * NANO),
    RentalPrice("seat.hour", "seats", 4_200_000_000),
    RentalPrice("agent.hour", "seats", 14_500_000_000, step_s=0),
)


@pytest.fixture
def renter(gate: Gate, tenant_a: TenantId) -> TenantId:
    """Alice's company, billed in London time."""
    version = stock.publish(gate, rentals=PRICES)
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version, rents_nothing=False)
    return tenant_a


def rented(gate: Gate, renter: TenantId, label: str, hours: float = 0, start: dt.datetime = START) -> Rental:
    seat = stocked(gate, label=label)
    with clock.hold(start), gate.open(ON_FLOOR) as session:
        return seating.rent(
            session,
            seat_id=seat.id,
            renter_tenant_id=renter,
            kind=RentalKind.HOUR if hours else RentalKind.MONTH,
            starts_at=start,
            ends_at=start + dt.timedelta(hours=hours) if hours else None,
        )


def charged(gate: Gate, renter: TenantId, at: dt.datetime) -> int:
    with clock.hold(at):
        return rentals.charge(gate, tenant_id=renter)


def lines(gate: Gate, renter: TenantId) -> list[tuple[str, int, int]]:
    october = periods.month(2026, 10, zone=LONDON)
    with gate.open(Scope.system(renter)) as session:
        found = invoices.preview(session, tenant_id=renter, period=october).lines
    return [(line.meter, line.events, line.amount_minor) for line in found]


def settled(gate: Gate) -> int:
    with gate.open(ON_FLOOR) as session:
        return int(
            session.execute(text("SELECT count(*) FROM app.seat_rentals WHERE is_settled")).scalar_one()
        )


def test_a_month_and_an_afternoon_stand_on_the_same_bill(gate: Gate, renter: TenantId) -> None:
    rented(gate, renter, "A-1")
    rented(gate, renter, "A-2", hours=4.5)
    assert charged(gate, renter, START + dt.timedelta(hours=4)) == 0
    assert charged(gate, renter, START + dt.timedelta(hours=6)) == 1
    assert settled(gate) == 1
    assert charged(gate, renter, NOVEMBER + dt.timedelta(minutes=14)) == 0  # an end may still be undone
    assert charged(gate, renter, NOVEMBER + dt.timedelta(hours=3)) == 1
    assert lines(gate, renter) == [("seat.hour", 1, 2100), ("seat.month", 1, 3097)]
    with gate.open(Scope.system(renter)) as session:
        assert accounts.find(session, tenant_id=renter).charged_until == NOVEMBER + dt.timedelta(hours=1)


def test_a_seat_that_changes_hands_is_paid_by_each_for_its_own_time(
    gate: Gate, renter: TenantId, tenant_b: TenantId
) -> None:
    with gate.open(Scope.system(tenant_b)) as session:
        version = stock.publish(gate, code="other", rentals=PRICES)
        stock.customer(session, tenant_id=tenant_b, version=version, price_list="other", rents_nothing=False)
    first = rented(gate, renter, "A-1")
    handover = START + dt.timedelta(days=3, hours=7, minutes=13)
    with clock.hold(handover), gate.open(ON_FLOOR) as session:
        seating.release(session, rental_id=first.id, at=handover)
        seating.rent(
            session,
            seat_id=first.seat.id,
            renter_tenant_id=tenant_b,
            kind=RentalKind.MONTH,
            starts_at=handover,
        )
    nano = 0
    for one in (renter, tenant_b):
        assert charged(gate, one, NOVEMBER + dt.timedelta(hours=3)) == 1
        with gate.open(Scope.system(one)) as session:
            nano += int(session.execute(text("SELECT sum(amount_nano) FROM app.rated_charges")).scalar_one())
    assert abs(nano - 96 * NANO * 10 / 31) <= 1  # each part is rounded once


def test_a_company_without_an_account_is_charged_once_it_has_one(gate: Gate, tenant_a: TenantId) -> None:
    rented(gate, tenant_a, "A-1")
    assert charged(gate, tenant_a, NOVEMBER + dt.timedelta(days=1)) == 0
    version = stock.publish(gate, rentals=PRICES)
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version, rents_nothing=False)
    assert charged(gate, tenant_a, NOVEMBER + dt.timedelta(days=1)) == 1


class _Interrupted(Gate):
    """A gate whose process dies around its n-th transaction: before it, in it, or just after it."""

    def __init__(self, gate: Gate, dies_at: int, where: str) -> None:
        self._inner, self._left, self._where = gate, dies_at, where

    @contextlib.contextmanager
    def open(self, scope: Scope) -> Iterator[Session]:
        self._left -= 1
        if self._left == 0 and self._where == "before":
            raise InterruptedError
        with self._inner.open(scope) as session:
            yield session
            if self._left == 0 and self._where == "in":
                raise InterruptedError
        if self._left == 0 and self._where == "after":
            raise InterruptedError


def test_a_death_anywhere_charges_nothing_twice_and_leaves_nothing_out(gate: Gate, renter: TenantId) -> None:
    rented(gate, renter, "A-1")
    rented(gate, renter, "A-2", hours=4.5)
    after = NOVEMBER + dt.timedelta(hours=3)
    for step in (1, 2, 3, 4):
        for where in ("before", "in", "after"):
            with clock.hold(after), pytest.raises(InterruptedError):
                rentals.charge(_Interrupted(gate, step, where), tenant_id=renter)
    assert charged(gate, renter, after) == 0
    assert lines(gate, renter) == [("seat.hour", 1, 2100), ("seat.month", 1, 3097)]
    assert settled(gate) == 1


def test_many_at_once_charge_once(gate: Gate, renter: TenantId) -> None:
    for place in range(5):
        rented(gate, renter, f"A-{place}")
    after = NOVEMBER + dt.timedelta(hours=3)
    with clock.hold(after), concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: rentals.charge(gate, tenant_id=renter), range(4)))
    assert sorted(done) == [0, 0, 0, 5]
    assert lines(gate, renter) == [("seat.month", 5, 15484)]


def test_an_agents_hour_is_charged_once_its_time_is_closed(
    gate: Gate, vault: Vault, renter: TenantId
) -> None:
    bob = AgentId(hired(gate, vault).id)
    nine = dt.datetime(2026, 10, 14, 8, tzinfo=dt.UTC)

    def at(minutes: float) -> dt.datetime:
        return nine + dt.timedelta(minutes=minutes)

    with clock.hold(nine), gate.open(ON_FLOOR) as session:
        roster.assign(session, agent_id=bob, client_tenant_id=renter, starts_at=nine)
        presence.sign_in(session, agent_id=bob, at=at(0))
    with clock.hold(at(15)), gate.open(ON_FLOOR) as session:
        presence.enter(session, agent_id=bob, state="available", at=at(15), payer_tenant_id=renter)
    # three hours later the agent still waits: the hour may turn out to have been talk, or leave
    assert charged(gate, renter, at(240)) == 0
    with clock.hold(at(245)), gate.open(ON_FLOOR) as session:
        presence.enter(session, agent_id=bob, state="away:lunch", at=at(90))
    assert charged(gate, renter, at(246)) == 1  # nine o'clock: 45 minutes; ten o'clock is not closed yet
    with clock.hold(at(250)), gate.open(ON_FLOOR) as session:
        presence.sign_out(session, agent_id=bob, at=at(100))
    assert charged(gate, renter, at(400)) == 1  # 30 minutes of ten o'clock
    assert lines(gate, renter) == [("agent.hour", 2, 1813)]  # 14.50 x 1.25 = 18.125


@pytest.fixture
def bursting(gate: Gate, tenant_a: TenantId) -> TenantId:
    """A company that pays for seats above those it booked, by the hour and by the day."""
    prices = (
        *PRICES,
        RentalPrice("seat.burst", "seats", 4 * NANO, step_s=60),
        RentalPrice("seat.burst_day", "seats", 20 * NANO),
    )
    version = stock.publish(gate, rentals=prices)
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version, rents_nothing=False)
    return tenant_a


def test_seats_above_those_booked_are_charged_by_the_hour_and_by_the_day(
    gate: Gate, vault: Vault, bursting: TenantId
) -> None:
    """One seat is booked; of three agents two are above it from 09:10 to 09:40, one until 10:05."""
    rented(gate, bursting, "A-1")
    nine = dt.datetime(2026, 10, 23, 8, tzinfo=dt.UTC)

    def at(minutes: float) -> dt.datetime:
        return nine + dt.timedelta(minutes=minutes)

    for first, last in ((0, 90), (10, 40), (10, 65)):
        agent = AgentId(hired(gate, vault).id)
        with clock.hold(at(240)), gate.open(ON_FLOOR) as session:
            roster.assign(session, agent_id=agent, client_tenant_id=bursting, starts_at=nine)
            presence.sign_in(session, agent_id=agent, at=nine)
            presence.enter(session, agent_id=agent, state="available", at=at(first), payer_tenant_id=bursting)
            presence.enter(session, agent_id=agent, state="away:meal", at=at(last))
            presence.sign_out(session, agent_id=agent, at=at(last + 1))
    later = nine + dt.timedelta(hours=20)  # the day is over, and two hours more
    assert charged(gate, bursting, later) > 0
    assert charged(gate, bursting, later) == 0
    found = {meter: (events, minor) for meter, events, minor in lines(gate, bursting)}
    # 30 and 50 minutes of nine o'clock, five of ten o'clock; two seats at once at most
    assert found["seat.burst"] == (2, 533 + 33 + 1)  # 80 + 5 minutes at 4.00 are 5.6667
    assert found["seat.burst_day"] == (2, 4000)


def test_a_month_that_begins_is_kept_of_the_wallet_or_told_once(gate: Gate, renter: TenantId) -> None:
    """Who pays beforehand: two seats from the 22nd of October, then all of November."""
    rented(gate, renter, "A-1")
    rented(gate, renter, "A-2")
    at, scope = NOVEMBER + dt.timedelta(hours=1), Scope.system(renter)

    def put(minor: int, key: str) -> None:
        with clock.hold(START), gate.open(scope) as session:
            wallets.open_wallet(session, tenant_id=renter)
            wallets.top_up(
                session, tenant_id=renter, key=key, amount_minor=minor, source=ledger.BANK, at=clock.now()
            )

    def stands() -> tuple[list[int], list[tuple[str, str, int]]]:
        with gate.open(scope) as session:
            kept = [nano // 10_000_000 for nano in wallets.rents(session, tenant_id=renter).values()]
            rang = session.execute(text("SELECT kind, subject, times FROM app.alarms")).all()
            return kept, [(one.kind, one.subject, one.times) for one in rang]

    put(10000, "first")
    charged(gate, renter, START + dt.timedelta(hours=1))  # ten of 31 days: 74.32
    assert stands() == ([7432], [])
    for hour in range(2):
        charged(gate, renter, at + dt.timedelta(hours=hour))
    assert stands() == ([7432, 0], [("rent-not-paid", "2026-11", 1)])
    put(20472, "second")  # and a penny is lacking
    charged(gate, renter, at + dt.timedelta(hours=3))
    assert stands()[0] == [7432, 0]
    put(1, "third")
    charged(gate, renter, at + dt.timedelta(hours=4))
    assert stands() == ([7432, 23040], [("rent-not-paid", "2026-11", 1)])
