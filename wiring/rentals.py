"""Charging what is rented: the operator's truth about rentals and agents' time becomes a client's usage.

A transaction has one tenant, so it takes four: the client's account, the operator's rentals and closed
agent time, the client's usage, and the operator's note that a rental is settled. The third alone decides
(`billing.rentals` reads there how far everything is charged), so all of it may stop anywhere and be done
again, by whomever, and nothing is charged twice.
"""

import datetime as dt

from sqlalchemy.orm import Session

from billing import accounts, periods, rent, stored
from billing import rentals as billing
from billing.errors import BillingAccountNotFoundError
from billing.rating.rentals import Span
from billing.rating.terms import AGENT_HOUR
from billing.rentals import BurstQuarter, PaidHour
from core import clock
from core.ids import OPERATOR, TenantId
from seats import hours, stock
from seats.stock import Rental
from security.gate import Gate, Scope
from telephony import number_rentals, recording, shared_codes
from telephony.number_rentals import NumberRental
from tenants import alarms

# An end that lies this far back can no longer change: a release may be dated a minute back, and be undone
# for ten minutes (`seats.stock`).
SETTLED_AFTER = dt.timedelta(minutes=15)
# Our own reports of agents' time take seconds; the reference's grace for one's own switch.
HOURS_AFTER = dt.timedelta(hours=2)
# How far back late sign-ins are looked for; what they add is charged on top.
LOOKED_BACK = dt.timedelta(hours=48)


def charge(gate: Gate, *, tenant_id: TenantId, settled_after: dt.timedelta = SETTLED_AFTER) -> int:
    """Charge a client for everything rented that is over; return how many parts were new.

    Does nothing while there is no billing account: it is charged once there is one. `settled_after` is
    nothing where no release can be taken back any more.
    """
    now = clock.now()
    until, worked_until = now - settled_after, now - HOURS_AFTER
    with gate.open(Scope.system(tenant_id)) as session:
        try:
            account = accounts.find(session, tenant_id=tenant_id)
        except BillingAccountNotFoundError:
            return 0
    worked_from = max(
        account.rentals_from, min(account.charged_until or account.rentals_from, now - LOOKED_BACK)
    )
    with gate.open(Scope.system(OPERATOR)) as session:
        seats = stock.unsettled(session, renter_tenant_id=tenant_id)
        lent = number_rentals.unsettled(session, renter_tenant_id=tenant_id)
        worked = hours.worked(session, payer_tenant_id=tenant_id, start=worked_from, end=worked_until)
        closed_until = hours.closed_until(session, client_tenant_id=tenant_id, now=worked_until)
        above = hours.above_booked(
            session, payer_tenant_id=tenant_id, start=worked_from, end=max(worked_from, closed_until)
        )
    with gate.open(Scope.system(tenant_id)) as session:
        spans = [*map(of_seat, seats), *map(of_number, lent)]
        fees = billing.fees(session, tenant_id=tenant_id)
        recorded = billing.charge(session, tenant_id=tenant_id, spans=[*spans, *fees], until=until)
        recorded += billing.charge_agents(
            session,
            tenant_id=tenant_id,
            hours=[
                PaidHour(
                    one.agent_id,
                    one.hour_starts_at,
                    one.paid_ms,
                    one.quarters_ms,
                    billing.TRAINING if one.is_training else AGENT_HOUR,
                )
                for one in worked
            ],
        )
        recorded += billing.charge_burst(
            session,
            tenant_id=tenant_id,
            quarters=[BurstQuarter(one.starts_at, one.above_ms, one.peak) for one in above],
            until=closed_until,
        )
        recorded += stored.charge(
            session,
            tenant_id=tenant_id,
            kept_bytes=recording.kept_bytes(session, tenant_id=tenant_id),
            now=now,
        )
        accounts.charged(session, tenant_id=tenant_id, until=min(until, closed_until))
        for short in rent.keep_each(session, tenant_id=tenant_id, spans=spans, now=now):
            month = periods.day_of(short.start, zone=account.zone)
            alarms.raise_alarm(session, "rent-not-paid", tenant_id=tenant_id, subject=f"{month:%Y-%m}")
    over = [span.rental_id for span in spans if span.ends_at is not None and span.ends_at <= until]
    if over:
        with gate.open(Scope.system(OPERATOR)) as session:
            stock.settle(session, rental_ids=over, until=until)
            number_rentals.settle(session, rental_ids=over, until=until)
    return recorded


def end_all(session: Session, *, tenant_id: TenantId) -> int:
    """Give back every seat and number a client still rents, and its shares of codes; return how many.

    In the operator's context.
    """
    now, ended = clock.now(), 0
    for seat in stock.rentals(session, renter_tenant_id=tenant_id):
        if seat.ends_at is None or seat.ends_at > now:
            stock.release(session, rental_id=seat.id, at=now)
            ended += 1
    for number in number_rentals.held_by(session, renter_tenant_id=tenant_id):
        number_rentals.release(session, rental_id=number.id)
        ended += 1
    return ended + shared_codes.leave_all(session, renter_tenant_id=tenant_id)


def of_number(rental: NumberRental) -> Span:
    """Return a number's rental as billing knows it."""
    return Span(
        rental_id=rental.id,
        meter=f"number.{rental.kind}",
        starts_at=rental.starts_at,
        ends_at=rental.ends_at,
        number_id=rental.number_id,
    )


def of_seat(rental: Rental) -> Span:
    """Return a seat's rental as billing knows it."""
    return Span(
        rental_id=rental.id,
        meter=f"seat.{rental.kind.value}",
        starts_at=rental.starts_at,
        ends_at=rental.ends_at,
    )
