"""What a company rents as billing knows it, from the company's own rows: for estimates, never for charges."""

import datetime as dt

from sqlalchemy.orm import Session

from billing import accounts, periods, rentals
from billing.rating.rentals import Span
from billing.rentals import Accrual
from core.ids import TenantId
from seats import hours, leases
from telephony import numbers


def accruals(
    session: Session, *, tenant_id: TenantId, now: dt.datetime, until: dt.datetime | None = None
) -> list[Accrual]:
    """Return what is rented, and worked, and not charged yet.

    With `until`, the end of the month, what is rented and booked by now goes on until then.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    period = periods.month_of(now, zone=account.zone)
    worked = [
        (
            one.hour_starts_at,
            one.available_ms + one.ringing_ms + one.talking_ms + one.holding_ms + one.wrap_up_ms,
        )
        for one in hours.seen(session, tenant_id=tenant_id, start=period.start, end=period.end)
    ]
    return [
        *rentals.accruing(
            session, tenant_id=tenant_id, spans=spans(session, tenant_id=tenant_id), now=until or now
        ),
        *rentals.accruing_agents(session, tenant_id=tenant_id, worked=worked, period=period),
    ]


def spans(session: Session, *, tenant_id: TenantId) -> list[Span]:
    """Return everything the company rents or rented, and the monthly fees of its price list."""
    seats = [
        Span(
            rental_id=one.id,
            meter=f"seat.{one.kind.value}",
            starts_at=one.starts_at,
            ends_at=one.ends_at,
        )
        for one in leases.held(session, tenant_id=tenant_id)
    ]
    lent = [
        Span(
            rental_id=one.rental_id,
            meter=f"number.{one.kind}",
            starts_at=one.rented_at,
            ends_at=one.released_at,
            number_id=one.number_id,
        )
        for one in numbers.ever(session, tenant_id=tenant_id)
        if one.rental_id is not None and one.rented_at is not None
    ]
    return [*seats, *lent, *rentals.fees(session, tenant_id=tenant_id)]
