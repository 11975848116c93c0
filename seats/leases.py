"""A client company's own view of the seats it rents, in rows of its own tenant.

The truth stands in the operator's `seat_rentals`; a transaction has one tenant, so `SeatRentalChanged`
brings it here. A mirror that arrives twice or out of order changes nothing that is newer.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import SeatId, TenantId
from seats.errors import RentalNotFoundError
from seats.events import SeatRentalChanged
from seats.models import SeatLeaseRow
from seats.stock import RentalKind


@dataclass(frozen=True, slots=True)
class Lease:
    """One seat this company rents; `id` is the rental's, `ends_at` None: until released."""

    id: UUID
    seat_id: SeatId
    seat_label: str
    kind: RentalKind
    starts_at: dt.datetime
    ends_at: dt.datetime | None


def mirror(session: Session, *, tenant_id: TenantId, event: SeatRentalChanged) -> None:
    """Bring a rental of the session's tenant up to date; older revisions are passed over."""
    put = insert(SeatLeaseRow).values(
        tenant_id=tenant_id,
        id=event.rental_id,
        seat_id=event.seat_id,
        seat_label=event.seat_label,
        kind=event.kind,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        revision=event.revision,
    )
    session.execute(
        put.on_conflict_do_update(
            index_elements=[SeatLeaseRow.tenant_id, SeatLeaseRow.id],
            set_={"ends_at": put.excluded.ends_at, "revision": put.excluded.revision},
            where=SeatLeaseRow.revision < put.excluded.revision,
        )
    )


def find(session: Session, *, tenant_id: TenantId, lease_id: UUID) -> Lease:
    """Return one lease of the company.

    Raises:
        RentalNotFoundError: none of this id.
    """
    row = session.get(SeatLeaseRow, (tenant_id, lease_id))
    if row is None:
        raise RentalNotFoundError
    return _lease(row)


def held(
    session: Session,
    *,
    tenant_id: TenantId,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> list[Lease]:
    """Return the seats the company rents at any instant of `[start, end)`, by label; default: ever.

    Cancelled rentals, which have no length, are left out.
    """
    query = select(SeatLeaseRow).where(
        SeatLeaseRow.tenant_id == tenant_id,
        SeatLeaseRow.ends_at.is_distinct_from(SeatLeaseRow.starts_at),
    )
    if start is not None:
        query = query.where(or_(SeatLeaseRow.ends_at.is_(None), SeatLeaseRow.ends_at > start))
    if end is not None:
        query = query.where(SeatLeaseRow.starts_at < end)
    rows = session.execute(query.order_by(SeatLeaseRow.seat_label, SeatLeaseRow.starts_at))
    return [_lease(row) for row in rows.scalars()]


def _lease(row: SeatLeaseRow) -> Lease:
    return Lease(
        id=row.id,
        seat_id=SeatId(row.seat_id),
        seat_label=row.seat_label,
        kind=RentalKind(row.kind),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )
