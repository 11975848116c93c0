"""A house over this test's database, and a real event with a real handler to work with.

`SeatRentalChanged` is announced by the operator and heard in the renter's transaction, where it writes
one row: what has been done can be counted.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from core import clock
from core.config import Settings
from core.events import announce
from core.ids import OPERATOR, SeatId, TenantId, new_id
from core.realtime import Realtime
from seats.events import SeatRentalChanged
from security.gate import Scope
from wiring import House, assemble
from workers.relay import Relay

STARTS = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
MIRROR = "rentals.mirror"


@pytest.fixture
def house(settings: Settings, realtime: Realtime) -> Iterator[House]:
    assembled = assemble(settings, process="test")
    yield assembled
    assembled.close()


@pytest.fixture
def relay(house: House) -> Relay:
    return Relay(house)


@dataclass(frozen=True, slots=True)
class Duty:
    """A row of the ledger, as tests look at it."""

    handler: str
    attempts: int
    settled_at: dt.datetime | None
    given_up_at: dt.datetime | None
    error: str | None
    due_at: dt.datetime
    batch_id: UUID | None


def rental_changed(house: House, renter: TenantId, *, seats: int = 1, label: str = "A1") -> None:
    """Announce that a company has rented so many seats."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        for _ in range(seats):
            announce(
                session,
                SeatRentalChanged(
                    tenant_id=OPERATOR,
                    renter_tenant_id=renter,
                    rental_id=new_id(),
                    seat_id=SeatId(new_id()),
                    seat_label=label,
                    kind="month",
                    starts_at=STARTS,
                    ends_at=None,
                    revision=1,
                ),
            )


def mirrored(house: House, renter: TenantId) -> int:
    """Return how many rentals the renter's own rows show."""
    with house.gate.open(Scope.system(renter)) as session:
        return int(session.execute(text("SELECT count(*) FROM app.seat_leases")).scalar_one())


def duties(house: House, handler: str = MIRROR) -> list[Duty]:
    with house.gate.outside() as connection:
        rows = connection.execute(
            text(
                "SELECT handler, attempts, settled_at, given_up_at, error, due_at, batch_id FROM app.duties"
                " WHERE handler = :handler ORDER BY subject_id"
            ),
            {"handler": handler},
        )
        return [Duty(*row) for row in rows]


def later(seconds: float) -> dt.datetime:
    return clock.now() + dt.timedelta(seconds=seconds)
