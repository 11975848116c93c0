"""What the room announces."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from core.events import Event
from core.ids import SeatId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatRentalChanged(Event):
    """A rental began to exist, or its end was set; `tenant_id` is the operator's, as for all stock.

    Carries all that the renter's own row holds, so that a handler in the renter's transaction need not look
    anything up: `seats.leases.mirror`.
    """

    renter_tenant_id: TenantId
    rental_id: UUID
    seat_id: SeatId
    seat_label: str
    kind: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    revision: int
