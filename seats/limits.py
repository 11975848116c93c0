"""How much a client company may rent by itself, in the operator's rows; the operator is not bound by it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import OPERATOR, TenantId
from seats.models import RentalLimitRow


@dataclass(frozen=True, slots=True)
class Limits:
    """The most seats, and numbers, held at one time."""

    most_seats: int
    most_numbers: int


DEFAULT = Limits(most_seats=20, most_numbers=10)


def of(session: Session, *, renter_tenant_id: TenantId) -> Limits:
    """Return a client's limits, the default while none were set."""
    row = session.get(RentalLimitRow, (OPERATOR, renter_tenant_id))
    return Limits(row.most_seats, row.most_numbers) if row else DEFAULT


def put(session: Session, *, renter_tenant_id: TenantId, limits: Limits) -> None:
    """Set a client's limits; what it rents already stays."""
    values = {"most_seats": limits.most_seats, "most_numbers": limits.most_numbers}
    session.execute(
        insert(RentalLimitRow)
        .values(tenant_id=OPERATOR, renter_tenant_id=renter_tenant_id, **values)
        .on_conflict_do_update(
            index_elements=[RentalLimitRow.tenant_id, RentalLimitRow.renter_tenant_id], set_=values
        )
    )


def hold(session: Session, *, renter_tenant_id: TenantId) -> Limits:
    """Return a client's limits and hold them until commit: a client rents one request at a time."""
    session.execute(
        insert(RentalLimitRow)
        .values(
            tenant_id=OPERATOR,
            renter_tenant_id=renter_tenant_id,
            most_seats=DEFAULT.most_seats,
            most_numbers=DEFAULT.most_numbers,
        )
        .on_conflict_do_nothing()
    )
    row = session.scalars(
        select(RentalLimitRow)
        .where(RentalLimitRow.tenant_id == OPERATOR, RentalLimitRow.renter_tenant_id == renter_tenant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return Limits(row.most_seats, row.most_numbers)
