"""Seats in stock and who rents them; the operator's own rows.

A seat has one renter at an instant: the database's exclusion constraint says so across all client
companies, whatever the code does. Periods are half-open `[starts_at, ends_at)`.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import OPERATOR, SeatId, TenantId, new_id
from seats.errors import (
    RentalNotFoundError,
    RentalPeriodError,
    RestoreTooLateError,
    SeatAlreadyRentedError,
    SeatLabelTakenError,
    SeatNotFoundError,
)
from seats.events import SeatRentalChanged
from seats.models import SeatRentalRow, SeatRow

_GRACE = dt.timedelta(minutes=1)
"""How far back "now" may lie when it reaches us: a form was filled in, a queue was waited in."""
UNDO = dt.timedelta(minutes=10)
"""How long a release can be taken back; what it ends is charged later than that (`wiring.rentals`)."""


class RentalKind(StrEnum):
    """By what a rental is charged."""

    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class Seat:
    """One place an agent can sit."""

    id: SeatId
    label: str


@dataclass(frozen=True, slots=True)
class Rental:
    """Who rents a seat from when to when; `ends_at` None: until released."""

    id: UUID
    seat: Seat
    renter_tenant_id: TenantId
    kind: RentalKind
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    revision: int
    request_key: UUID | None = None


def add(session: Session, *, label: str) -> Seat:
    """Put a seat into stock.

    Raises:
        SeatLabelTakenError: another seat carries the label.
    """
    seat = Seat(SeatId(new_id()), label)
    try:
        with session.begin_nested():
            session.execute(
                insert(SeatRow).values(
                    tenant_id=OPERATOR,
                    id=seat.id,
                    label=label,
                    is_active=True,
                    created_at=clock.now(),
                )
            )
    except IntegrityError as error:
        raise SeatLabelTakenError(label=label) from error
    return seat


def free(session: Session, *, starts_at: dt.datetime, ends_at: dt.datetime | None) -> list[Seat]:
    """Return the seats nobody rents at any instant of the period, by label."""
    rented = exists().where(
        SeatRentalRow.tenant_id == SeatRow.tenant_id,
        SeatRentalRow.seat_id == SeatRow.id,
        or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > starts_at),
        # a cancelled rental has no length and holds nothing
        SeatRentalRow.ends_at.is_distinct_from(SeatRentalRow.starts_at),
    )
    if ends_at is not None:
        rented = rented.where(SeatRentalRow.starts_at < ends_at)
    rows = session.execute(
        select(SeatRow.id, SeatRow.label)
        .where(SeatRow.tenant_id == OPERATOR, SeatRow.is_active, ~rented)
        .order_by(SeatRow.label)
    )
    return [Seat(SeatId(row.id), row.label) for row in rows]


def rent(
    session: Session,
    *,
    seat_id: SeatId,
    renter_tenant_id: TenantId,
    kind: RentalKind,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None = None,
    request_key: UUID | None = None,
) -> Rental:
    """Rent a seat to a client company and announce it.

    Raises:
        SeatNotFoundError: no such seat.
        SeatAlreadyRentedError: rented for a part of the period; the transaction goes on.
        RentalPeriodError: ends before it begins, or begins in the past.
    """
    if starts_at < clock.now() - _GRACE or (ends_at is not None and ends_at <= starts_at):
        raise RentalPeriodError
    seat = _seat(session, seat_id)
    rental = Rental(
        new_id(), seat, renter_tenant_id, kind, starts_at, ends_at, revision=1, request_key=request_key
    )
    try:
        with session.begin_nested():
            session.execute(
                insert(SeatRentalRow).values(
                    tenant_id=OPERATOR,
                    id=rental.id,
                    seat_id=seat.id,
                    renter_tenant_id=renter_tenant_id,
                    kind=kind.value,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    revision=1,
                    is_settled=False,
                    request_key=request_key,
                    created_at=clock.now(),
                )
            )
    except IntegrityError as error:
        raise SeatAlreadyRentedError(seat_id=str(seat_id)) from error
    _announce(session, rental)
    return rental


def release(session: Session, *, rental_id: UUID, at: dt.datetime) -> Rental:
    """End a rental at `at`, or cancel it when it has not begun by then; announce it.

    Releasing again at the same instant is a no-op. Time that has passed stays rented.

    Raises:
        RentalNotFoundError: no such rental.
        RentalPeriodError: `at` lies in the past, or after the end the rental has already.
    """
    before = _rental(session, rental_id)
    ends_at = max(at, before.starts_at)
    if before.ends_at == ends_at:
        return before
    if at < clock.now() - _GRACE or (before.ends_at is not None and ends_at > before.ends_at):
        raise RentalPeriodError
    session.execute(
        update(SeatRentalRow)
        .where(SeatRentalRow.tenant_id == OPERATOR, SeatRentalRow.id == rental_id)
        .values(
            ends_at=ends_at,
            ends_before=before.ends_at,
            released_at=clock.now(),
            revision=before.revision + 1,
        )
    )
    after = replace(before, ends_at=ends_at, revision=before.revision + 1)
    _announce(session, after)
    return after


def restore(session: Session, *, rental_id: UUID, renter_tenant_id: TenantId) -> Rental:
    """Take a release back: the rental goes on as if nothing had been; announce it.

    Raises:
        RentalNotFoundError: no such rental of this client.
        RestoreTooLateError: released longer ago than `UNDO`, or not at all.
        SeatAlreadyRentedError: somebody else has rented the seat since.
    """
    before = _rental(session, rental_id)
    if before.renter_tenant_id != renter_tenant_id:
        raise RentalNotFoundError
    released_at, ends_before = session.execute(
        select(SeatRentalRow.released_at, SeatRentalRow.ends_before).where(
            SeatRentalRow.tenant_id == OPERATOR, SeatRentalRow.id == rental_id
        )
    ).one()
    if released_at is None or released_at < clock.now() - UNDO:
        raise RestoreTooLateError
    try:
        with session.begin_nested():
            session.execute(
                update(SeatRentalRow)
                .where(SeatRentalRow.tenant_id == OPERATOR, SeatRentalRow.id == rental_id)
                .values(ends_at=ends_before, released_at=None, revision=before.revision + 1)
            )
    except IntegrityError as error:
        raise SeatAlreadyRentedError(seat_id=str(before.seat.id)) from error
    after = replace(before, ends_at=ends_before, revision=before.revision + 1)
    _announce(session, after)
    return after


def renter(session: Session, *, seat_id: SeatId, at: dt.datetime) -> TenantId | None:
    """Return who rents the seat at an instant, or None: pooled."""
    found = session.execute(
        select(SeatRentalRow.renter_tenant_id).where(
            SeatRentalRow.tenant_id == OPERATOR,
            SeatRentalRow.seat_id == seat_id,
            in_force(at),
        )
    ).scalar()
    return None if found is None else TenantId(found)


def rentals(session: Session, *, renter_tenant_id: TenantId) -> list[Rental]:
    """Return all rentals of a client company, oldest first."""
    rows = session.execute(
        _rentals()
        .where(SeatRentalRow.renter_tenant_id == renter_tenant_id)
        .order_by(SeatRentalRow.starts_at, SeatRentalRow.id)
    )
    return [_from_row(row.SeatRentalRow, row.label) for row in rows]


def unsettled(session: Session, *, renter_tenant_id: TenantId) -> list[Rental]:
    """Return the rentals of a client that are not charged to their end, held against changes until commit."""
    rows = session.execute(
        _rentals()
        .where(SeatRentalRow.renter_tenant_id == renter_tenant_id, ~SeatRentalRow.is_settled)
        .order_by(SeatRentalRow.starts_at, SeatRentalRow.id)
        .with_for_update(of=SeatRentalRow, read=True)
    )
    return [_from_row(row.SeatRentalRow, row.label) for row in rows]


def settle(session: Session, *, rental_ids: Collection[UUID], until: dt.datetime) -> None:
    """Note that rentals which ended by `until` are charged to their end."""
    session.execute(
        update(SeatRentalRow)
        .where(
            SeatRentalRow.tenant_id == OPERATOR,
            SeatRentalRow.id.in_(list(rental_ids)),
            SeatRentalRow.ends_at <= until,
        )
        .values(is_settled=True)
    )


def in_force(at: dt.datetime) -> ColumnElement[bool]:
    """Return the condition that a rental holds at an instant."""
    return and_(
        SeatRentalRow.starts_at <= at,
        or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > at),
    )


def _seat(session: Session, seat_id: SeatId) -> Seat:
    label = session.execute(
        select(SeatRow.label).where(SeatRow.tenant_id == OPERATOR, SeatRow.id == seat_id, SeatRow.is_active)
    ).scalar()
    if label is None:
        raise SeatNotFoundError
    return Seat(seat_id, label)


def _rentals() -> Select[SeatRentalRow, str]:
    return (
        select(SeatRentalRow, SeatRow.label)
        .join(
            SeatRow,
            and_(SeatRow.tenant_id == SeatRentalRow.tenant_id, SeatRow.id == SeatRentalRow.seat_id),
        )
        .where(SeatRentalRow.tenant_id == OPERATOR)
    )


def _rental(session: Session, rental_id: UUID) -> Rental:
    row = session.execute(
        _rentals()
        .where(SeatRentalRow.id == rental_id)
        .with_for_update(of=SeatRentalRow)
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        raise RentalNotFoundError
    return _from_row(row.SeatRentalRow, row.label)


def _from_row(row: SeatRentalRow, label: str) -> Rental:
    return Rental(
        id=row.id,
        seat=Seat(SeatId(row.seat_id), label),
        renter_tenant_id=TenantId(row.renter_tenant_id),
        kind=RentalKind(row.kind),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        revision=row.revision,
        request_key=row.request_key,
    )


def _announce(session: Session, rental: Rental) -> None:
    announce(session, changed(rental))


def changed(rental: Rental) -> SeatRentalChanged:
    """Return what is announced of a rental as it stands; a renter's own row follows from it."""
    return SeatRentalChanged(
        tenant_id=OPERATOR,
        renter_tenant_id=rental.renter_tenant_id,
        rental_id=rental.id,
        seat_id=rental.seat.id,
        seat_label=rental.seat.label,
        kind=rental.kind.value,
        starts_at=rental.starts_at,
        ends_at=rental.ends_at,
        revision=rental.revision,
    )
