"""Seats, numbers and queues, to read."""

import datetime as dt
from dataclasses import dataclass

from flask import render_template

from core import clock
from seats import leases
from telephony import numbers, queues
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import floors, wording


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One rented seat."""

    label: str
    kind: str
    from_at: dt.datetime
    to_at: dt.datetime | None
    is_now: bool


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One rented number and where its calls go."""

    number: str
    kind: str
    entry: str
    greeting: str


@pages.get("/capacity")
@permission("seats.read")
def capacity() -> str:
    """Show what the company rents: seats now and to come, numbers, queues."""
    who, session, now = identity.current(), scope.session(), clock.now()
    floor = floors.now(session, tenant_id=who.tenant_id, realtime=scope.services().realtime)
    found = queues.all_of(session, tenant_id=who.tenant_id)
    names = {queue.queue_id: queue.name for queue in found}
    return render_template(
        "portal/capacity.html",
        seat_use=floor.seat_use,
        is_fresh=floor.is_fresh,
        seats_list=[
            SeatRow(
                one.seat_label,
                wording.rental_kind(one.kind.value),
                one.starts_at,
                one.ends_at,
                one.starts_at <= now,
            )
            for one in leases.held(session, tenant_id=who.tenant_id, start=now)
        ],
        numbers=[
            NumberRow(one.digits, wording.number_kind(one.kind), names.get(one.queue_id, ""), one.greeting)
            for one in numbers.all_of(session, tenant_id=who.tenant_id)
        ],
        queues=found,
    )
