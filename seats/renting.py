"""A client rents by itself: several seats at once, within its limits, and never half of them.

One operator's transaction decides: which seats, whether there are enough, and that a request that is sent
twice rents once. What the client sees follows from the event (`leases.mirror`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from core.ids import OPERATOR, TenantId
from seats import limits, stock
from seats.errors import NotEnoughSeatsError, RentalLimitError, SeatAlreadyRentedError
from seats.models import SeatRentalRow, SeatRow
from seats.stock import Rental, RentalKind

_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Availability:
    """What stands between a client and a number of seats.

    Attributes:
        free: seats nobody rents at any instant of the period.
        held: the client's own in it.
        most: what it may hold by itself.
        free_first: seats that are free when the period begins; those beyond `free` are booked for later.
        booked_from: the first instant of the period at which somebody has booked one of those.
    """

    free: int
    held: int
    most: int
    free_first: int
    booked_from: dt.datetime | None


def availability(
    session: Session, *, renter_tenant_id: TenantId, starts_at: dt.datetime, ends_at: dt.datetime | None
) -> Availability:
    """Return how many seats could be had; it may be otherwise a moment later."""
    free_first, booked_from = _booked(session, starts_at, ends_at)
    return Availability(
        free_first=free_first,
        booked_from=booked_from,
        free=len(stock.free(session, starts_at=starts_at, ends_at=ends_at)),
        held=_held(session, renter_tenant_id, starts_at, ends_at),
        most=limits.of(session, renter_tenant_id=renter_tenant_id).most_seats,
    )


def rent(
    session: Session,
    *,
    renter_tenant_id: TenantId,
    kind: RentalKind,
    count: int,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None,
    request_key: UUID,
) -> Sequence[Rental]:
    """Rent `count` seats, all or none, to a client that asks for them itself.

    The same `request_key` again returns what it rented the first time.

    Raises:
        RentalLimitError: more than the client may hold by itself.
        NotEnoughSeatsError: fewer are free; somebody else may have been faster.
        RentalPeriodError: ends before it begins, or begins in the past.
    """
    most = limits.hold(session, renter_tenant_id=renter_tenant_id).most_seats
    done = [
        rental
        for rental in stock.rentals(session, renter_tenant_id=renter_tenant_id)
        if rental.request_key == request_key
    ]
    if done:
        return done
    held = _held(session, renter_tenant_id, starts_at, ends_at)
    if held + count > most:
        raise RentalLimitError(most=most, held=held)
    made: list[Rental] = []
    # always in the order of the labels, so that two who take the same seats wait for each other one way only
    for seat in stock.free(session, starts_at=starts_at, ends_at=ends_at):
        if len(made) == count:
            break
        try:
            made.append(
                stock.rent(
                    session,
                    seat_id=seat.id,
                    renter_tenant_id=renter_tenant_id,
                    kind=kind,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    request_key=request_key,
                )
            )
        except SeatAlreadyRentedError:
            continue
    if len(made) < count:
        raise NotEnoughSeatsError(free=len(made), asked=count)
    return made


def _booked(
    session: Session, starts_at: dt.datetime, ends_at: dt.datetime | None
) -> tuple[int, dt.datetime | None]:
    """Return how many seats are free at the first instant, and when the first of them is taken."""
    later = (
        select(func.min(SeatRentalRow.starts_at))
        .where(
            SeatRentalRow.tenant_id == SeatRow.tenant_id,
            SeatRentalRow.seat_id == SeatRow.id,
            SeatRentalRow.starts_at > starts_at,
            SeatRentalRow.ends_at.is_distinct_from(SeatRentalRow.starts_at),
        )
        .correlate(SeatRow)
        .scalar_subquery()
    )
    taken = exists().where(
        SeatRentalRow.tenant_id == SeatRow.tenant_id,
        SeatRentalRow.seat_id == SeatRow.id,
        stock.in_force(starts_at),
    )
    rows = session.execute(
        select(later).select_from(SeatRow).where(SeatRow.tenant_id == OPERATOR, SeatRow.is_active, ~taken)
    )
    found: list[dt.datetime | None] = list(rows.scalars())
    booked = [at for at in found if at is not None and (ends_at is None or at < ends_at)]
    return len(found), min(booked, default=None)


def free_by_hour(session: Session, *, hours: Sequence[dt.datetime]) -> list[int]:
    """Return how many seats nobody rents in each of some hours (their first instants, in order)."""
    if not hours:
        return []
    start, end = hours[0], hours[-1] + _HOUR
    all_seats = session.scalars(
        select(func.count()).where(SeatRow.tenant_id == OPERATOR, SeatRow.is_active)
    ).one()
    rentals = session.execute(
        select(SeatRentalRow.seat_id, SeatRentalRow.starts_at, SeatRentalRow.ends_at)
        .join(SeatRow, (SeatRow.tenant_id == SeatRentalRow.tenant_id) & (SeatRow.id == SeatRentalRow.seat_id))
        .where(
            SeatRentalRow.tenant_id == OPERATOR,
            SeatRow.is_active,
            SeatRentalRow.starts_at < end,
            or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > start),
        )
    ).all()
    return [
        all_seats
        - len(
            {
                seat_id
                for seat_id, starts_at, ends_at in rentals
                if starts_at < hour + _HOUR and (ends_at is None or ends_at > max(hour, starts_at))
            }
        )
        for hour in hours
    ]


def _held(
    session: Session, renter_tenant_id: TenantId, starts_at: dt.datetime, ends_at: dt.datetime | None
) -> int:
    """Return how many seats a client holds at some instant of a period."""
    query = select(func.count(SeatRentalRow.seat_id.distinct())).where(
        SeatRentalRow.tenant_id == OPERATOR,
        SeatRentalRow.renter_tenant_id == renter_tenant_id,
        or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > starts_at),
        SeatRentalRow.ends_at.is_distinct_from(SeatRentalRow.starts_at),
    )
    if ends_at is not None:
        query = query.where(SeatRentalRow.starts_at < ends_at)
    return session.scalars(query).one()
