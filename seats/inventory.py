"""The whole stock of seats, who rents each now, in a time, and ever: what the operator's stock pages show."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from core.ids import OPERATOR, SeatId, TenantId
from seats import stock
from seats.errors import SeatNotFoundError
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


def calendar(
    session: Session, *, start: dt.datetime, end: dt.datetime
) -> list[tuple[Seat, tuple[Rental, ...]]]:
    """Return every seat in stock by label, with its rentals that touch a time; cancelled ones left out."""
    rows = session.execute(
        select(SeatRow.id, SeatRow.label, SeatRentalRow)
        .outerjoin(
            SeatRentalRow,
            and_(
                SeatRentalRow.tenant_id == SeatRow.tenant_id,
                SeatRentalRow.seat_id == SeatRow.id,
                SeatRentalRow.starts_at < end,
                or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > start),
                SeatRentalRow.ends_at.is_distinct_from(SeatRentalRow.starts_at),
            ),
        )
        .where(SeatRow.tenant_id == OPERATOR, SeatRow.is_active)
        .order_by(SeatRow.label, SeatRow.id, SeatRentalRow.starts_at)
    )
    found: dict[UUID, tuple[Seat, list[Rental]]] = {}
    for seat_id, label, row in rows:
        seat, held = found.setdefault(seat_id, (Seat(SeatId(seat_id), label), []))
        rental = _place(seat, row).rental
        if rental is not None:
            held.append(rental)
    return [(seat, tuple(held)) for seat, held in found.values()]


def history(session: Session, *, seat_id: SeatId) -> tuple[Seat, list[Rental]]:
    """Return a seat and everybody who rents or rented it, newest first; cancelled rentals left out.

    Raises:
        SeatNotFoundError: not in stock.
    """
    label = session.scalars(
        select(SeatRow.label).where(SeatRow.tenant_id == OPERATOR, SeatRow.id == seat_id)
    ).one_or_none()
    if label is None:
        raise SeatNotFoundError
    seat = Seat(seat_id, label)
    rows = session.scalars(
        select(SeatRentalRow)
        .where(
            SeatRentalRow.tenant_id == OPERATOR,
            SeatRentalRow.seat_id == seat_id,
            SeatRentalRow.ends_at.is_distinct_from(SeatRentalRow.starts_at),
        )
        .order_by(SeatRentalRow.starts_at.desc(), SeatRentalRow.id.desc())
    )
    return seat, [one for row in rows if (one := _place(seat, row).rental)]


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
