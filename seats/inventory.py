"""The whole stock of seats and who rents each: what the operator's stock page shows."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core.ids import OPERATOR, SeatId, TenantId
from seats import stock
from seats.models import SeatRentalRow, SeatRow
from seats.stock import Rental, RentalKind, Seat


@dataclass(frozen=True, slots=True)
class Place:
    """One seat, and its rental at the instant asked for, or None: pooled."""

    seat: Seat
    rental: Rental | None


def places(session: Session, *, at: dt.datetime) -> list[Place]:
    """Return every seat in stock by label, in one statement; in the operator's own transaction."""
    rows = session.execute(
        select(SeatRow.id, SeatRow.label, SeatRentalRow)
        .outerjoin(
            SeatRentalRow,
            and_(
                SeatRentalRow.tenant_id == SeatRow.tenant_id,
                SeatRentalRow.seat_id == SeatRow.id,
                stock.in_force(at),
            ),
        )
        .where(SeatRow.tenant_id == OPERATOR, SeatRow.is_active)
        .order_by(SeatRow.label)
    )
    return [_place(Seat(SeatId(seat_id), label), rental) for seat_id, label, rental in rows]


def rented_by(session: Session, *, at: dt.datetime) -> dict[UUID, int]:
    """Return how many seats each client company rents at an instant."""
    counted: dict[UUID, int] = {}
    for place in places(session, at=at):
        if place.rental is not None:
            renter = place.rental.renter_tenant_id
            counted[renter] = counted.get(renter, 0) + 1
    return counted


def _place(seat: Seat, row: SeatRentalRow | None) -> Place:
    if row is None:
        return Place(seat, None)
    return Place(
        seat,
        Rental(
            id=row.id,
            seat=seat,
            renter_tenant_id=TenantId(row.renter_tenant_id),
            kind=RentalKind(row.kind),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            revision=row.revision,
        ),
    )
