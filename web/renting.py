"""Renting and giving back, for the portal and the API: two transactions, and nothing half done.

Stock is the operator's, so the operator's transaction decides and is committed first; what the client sees
is written in the request's own, and by the announced event as well, should the request die between the
two. A request key makes a repeated request rent once.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from billing import accounts, credit, rent, rentals, wallets
from billing.rating.rentals import Span
from billing.rentals import Quote
from core import clock
from core.errors import Conflict, Invalid, Refused
from core.ids import OPERATOR, NumberId, QueueId, TenantId
from core.phone import E164
from seats import leases, renting, stock
from seats.errors import RentalNotFoundError
from seats.renting import Availability
from seats.stock import Rental, RentalKind
from security.vault import SealError
from telephony import number_rentals, numbers, orders, queues, shared_codes
from telephony.number_rentals import NumberRental, Offered, Settings
from telephony.numbers import Number
from telephony.orders import OrderKind
from telephony.outbound import forwarding
from web import identity, scope, tampered
from wiring import estimates
from wiring import rentals as charged

MOST_AT_ONCE = 200
FURTHEST = dt.timedelta(days=366)
_STEPS = 24
_HOUR = dt.timedelta(hours=1)


class NotPricedError(Refused):
    """The company's price list has no price for this; renting it would be a bill nobody can make."""

    code = "not-priced"


class OnHoldError(Refused):
    """The company's account is on credit hold: it rents nothing more until that is lifted."""

    code = "on-hold"


class RentUnpaidError(Refused):
    """The company pays beforehand, and its wallet has not so much: `minor` units more, with tax."""

    code = "rent-unpaid"

    def __init__(self, *, minor: int, currency: str) -> None:
        super().__init__(lacking_minor=minor, currency=currency)
        self.minor, self.currency = minor, currency


class PriceChangedError(Conflict):
    """The price is no longer the one that was shown; look again."""

    code = "price-changed"


class RentalSpanError(Invalid):
    """The day or the hours cannot be."""

    code = "rental-span"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which seats: how charged, how many, from when to when (`ends_at` None: until given back)."""

    kind: RentalKind
    count: int
    starts_at: dt.datetime
    ends_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a wish would cost and whether it can be had; `instead` a later hour at which it could."""

    wish: Wish
    quote: Quote | None
    availability: Availability
    instead: dt.datetime | None


def span(
    kind: RentalKind, *, day: dt.date | None, begins: dt.time | None, ends: dt.time | None, zone: str
) -> tuple[dt.datetime, dt.datetime | None]:
    """Return the instants a wish means in the company's zone.

    By the month it begins now and has no end; by the day it is that local day, by the hour from `begins`
    to `ends`, which is on the next day when it is not after `begins`. What has begun begins now.

    Raises:
        RentalSpanError: a day or a time is missing, or it is over.
    """
    now = clock.now()
    if kind is RentalKind.MONTH:
        return now, None
    if day is None:
        raise RentalSpanError
    local = zoneinfo.ZoneInfo(zone)
    begins = dt.time() if kind is RentalKind.DAY else begins
    ends = dt.time() if kind is RentalKind.DAY else ends
    if begins is None or ends is None:
        raise RentalSpanError
    last = day if ends > begins else day + dt.timedelta(days=1)
    start, end = (
        dt.datetime.combine(on, at, tzinfo=local).astimezone(dt.UTC)
        for on, at in ((day, begins), (last, ends))
    )
    if end <= max(start, now):
        raise RentalSpanError
    return max(start, now), end


def look(session: Session, wish: Wish) -> Offer:
    """Return what a wish would cost and whether it can be had now."""
    tenant_id = identity.current().tenant_id
    quote = rentals.quote(
        session,
        tenant_id=tenant_id,
        meter=f"seat.{wish.kind.value}",
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        count=wish.count,
    )
    with operators() as stockroom:
        there = renting.availability(
            stockroom, renter_tenant_id=tenant_id, starts_at=wish.starts_at, ends_at=wish.ends_at
        )
        instead = _instead(stockroom, wish) if there.free < wish.count else None
    return Offer(wish, quote, there, instead)


def forwards_to(number: Number) -> E164 | None:
    """Return the phone a number forwards to; None: to none, or what was sealed does not open.

    Then the alarm rings, and the page or list that asks goes on without it.
    """
    if number.forwards is None:
        return None
    try:
        return forwarding.target(
            scope.session(),
            tenant_id=number.tenant_id,
            number_id=number.number_id,
            vault=scope.services().vault,
        )
    except SealError as error:
        tampered.tell(error)
        return None


def free_by_hour(hours: Sequence[dt.datetime]) -> list[int]:
    """Return how many seats are free in each hour."""
    with operators() as stockroom:
        return renting.free_by_hour(stockroom, hours=hours)


def rent_seats(
    session: Session, wish: Wish, *, request_key: UUID, shown_unit_nano: int | None
) -> Sequence[Rental]:
    """Rent seats, all or none; the same request key again rents nothing more.

    Raises:
        OnHoldError: its account is on hold.
        NotPricedError: no price.
        PriceChangedError: the price is not `shown_unit_nano` any more.
        RentUnpaidError: it pays beforehand, and there is not enough to the end of the month.
        RentalLimitError, NotEnoughSeatsError, RentalPeriodError: see `seats.renting.rent`.
    """
    tenant_id = identity.current().tenant_id
    quote = rentals.quote(
        session,
        tenant_id=tenant_id,
        meter=f"seat.{wish.kind.value}",
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
    )
    _insist(session, quote, shown_unit_nano)
    with operators(changes=True) as stockroom:
        made = renting.rent(
            stockroom,
            renter_tenant_id=tenant_id,
            kind=wish.kind,
            count=wish.count,
            starts_at=wish.starts_at,
            ends_at=wish.ends_at,
            request_key=request_key,
        )
        _insist_paid(session, [charged.of_seat(one) for one in made])
    for one in made:
        leases.mirror(session, tenant_id=tenant_id, event=stock.changed(one))
    return made


def release_seat(session: Session, rental_id: UUID) -> Rental:
    """Give a seat back now, or cancel it when it has not begun; a second time changes nothing.

    Raises:
        RentalNotFoundError: the company has no such rental.
    """
    tenant_id = identity.current().tenant_id
    lease = leases.find(session, tenant_id=tenant_id, lease_id=rental_id)
    now = clock.now()
    with operators(changes=True) as stockroom:
        mine = {one.id: one for one in stock.rentals(stockroom, renter_tenant_id=tenant_id)}
        if lease.id not in mine:
            raise RentalNotFoundError
        one = mine[lease.id]
        if one.ends_at is None or one.ends_at > max(now, one.starts_at):
            one = stock.release(stockroom, rental_id=rental_id, at=now)
    leases.mirror(session, tenant_id=tenant_id, event=stock.changed(one))
    _keep_rent(session)
    return one


def restore_seat(session: Session, rental_id: UUID) -> Rental:
    """Take a release back.

    Raises:
        RentalNotFoundError, RestoreTooLateError, SeatAlreadyRentedError: see `seats.stock.restore`.
    """
    tenant_id = identity.current().tenant_id
    with operators(changes=True) as stockroom:
        one = stock.restore(stockroom, rental_id=rental_id, renter_tenant_id=tenant_id)
    leases.mirror(session, tenant_id=tenant_id, event=stock.changed(one))
    _keep_rent(session)
    return one


def find_numbers(*, digits: str, kind: str, after: str = "", limit: int = 25) -> list[Offered]:
    """Return numbers the company could rent now, in order, those after the number `after`."""
    with operators() as stockroom:
        return number_rentals.search(
            stockroom,
            renter_tenant_id=identity.current().tenant_id,
            digits=digits,
            kind=kind,
            after=after,
            limit=limit,
        )


def hold_number(session: Session, number_id: NumberId) -> Offered:
    """Keep a number for the company for two hours while it decides; nothing is charged.

    Raises:
        OnHoldError: its account is on hold.
        NumberNotFoundError, NumberTakenError, NumberRestingError, NumberHeldError, HoldAgainError,
            HoldLimitError: see `telephony.number_rentals.hold`.
    """
    tenant_id = identity.current().tenant_id
    if credit.held(session, tenant_id=tenant_id):
        raise OnHoldError
    with operators() as stockroom:
        return number_rentals.hold(stockroom, number_id=number_id, renter_tenant_id=tenant_id)


def let_number_go(number_id: NumberId) -> None:
    """End the company's hold of a number now.

    Raises:
        NumberNotFoundError: the company does not hold it.
    """
    with operators() as stockroom:
        number_rentals.let_go(stockroom, number_id=number_id, renter_tenant_id=identity.current().tenant_id)


def held_numbers() -> list[Offered]:
    """Return the numbers the company holds now."""
    with operators() as stockroom:
        return number_rentals.holds(stockroom, renter_tenant_id=identity.current().tenant_id)


def resting_numbers() -> list[Offered]:
    """Return the numbers the company gave back that rest, with how many called them in vain since."""
    with operators() as stockroom:
        return number_rentals.resting(stockroom, renter_tenant_id=identity.current().tenant_id)


def number_quote(session: Session, kind: str) -> Quote | None:
    """Return what a number of a kind costs from now on, or None: it has no price."""
    return rentals.quote(
        session, tenant_id=identity.current().tenant_id, meter=f"number.{kind}", starts_at=clock.now()
    )


def rent_number(
    session: Session, number_id: NumberId, wanted: Settings, *, request_key: UUID, kind: str
) -> Number:
    """Rent a number from now on: from the commit on callers of it reach the queue wished for.

    Raises:
        OnHoldError: its account is on hold.
        NotPricedError: no price.
        RentUnpaidError: it pays beforehand, and there is not enough to the end of the month.
        QueueNotFoundError: no such queue of the company.
        NumberNotFoundError, NumberTakenError, NumberRestingError, RentalLimitError: see
            `telephony.number_rentals.rent`.
    """
    tenant_id = identity.current().tenant_id
    if wanted.queue_id is not None:
        queues.insist_open(session, tenant_id=tenant_id, queue_id=QueueId(wanted.queue_id))
    _insist(session, number_quote(session, kind), None)
    with operators(changes=True) as stockroom:
        made = number_rentals.rent(
            stockroom,
            number_id=number_id,
            renter_tenant_id=tenant_id,
            wanted=wanted,
            request_key=request_key,
            is_limited=True,
        )
        if made.kind != kind:
            raise PriceChangedError
        _insist_paid(session, [charged.of_number(made)])
    return _followed(session, tenant_id, made, wanted)


def release_number(session: Session, number_id: NumberId) -> NumberRental:
    """Give a number back now, or go out of a shared short code: from the commit on nobody is reached on it.

    Raises:
        NumberNotFoundError: the company does not rent it.
    """
    tenant_id = identity.current().tenant_id
    if numbers.get(session, tenant_id=tenant_id, number_id=number_id).keys:
        return _leave_code(session, tenant_id, number_id)
    with operators(changes=True) as stockroom:
        mine = number_rentals.in_force(stockroom).get(number_id)
        if mine is None or mine.renter_tenant_id != tenant_id:
            raise RentalNotFoundError
        gone = number_rentals.release(stockroom, rental_id=mine.id, renter_tenant_id=tenant_id)
    numbers.follow(session, tenant_id=tenant_id, event=number_rentals.changed(gone, Settings()))
    _keep_rent(session)
    return gone


def restore_number(session: Session, rental_id: UUID) -> Number:
    """Take a release back.

    Raises:
        RentalNotFoundError, RestoreTooLateError, NumberTakenError: see `telephony.number_rentals.restore`.
    """
    tenant_id = identity.current().tenant_id
    with operators(changes=True) as stockroom:
        back = number_rentals.restore(stockroom, rental_id=rental_id, renter_tenant_id=tenant_id)
    restored = _followed(session, tenant_id, back, Settings())
    _keep_rent(session)
    return restored


def tell_switchboard() -> None:
    """Tell the switchboard that a number is set up otherwise."""
    with operators(changes=True):
        pass


def key_of(principal_id: UUID, text: str) -> UUID:
    """Return the request key of a program's own key, so that the same request rents once."""
    return uuid5(principal_id, text)


def _leave_code(session: Session, tenant_id: TenantId, choice_id: NumberId) -> NumberRental:
    """Go out of a short code that is shared: from the commit on nobody chooses the company at it."""
    with operators(changes=True) as stockroom:
        gone = shared_codes.leave(stockroom, choice_id=choice_id, renter_tenant_id=tenant_id)
    numbers.follow(session, tenant_id=tenant_id, event=gone)
    return NumberRental(
        id=gone.rental_id,
        number_id=gone.number_id,
        digits=gone.digits,
        kind=gone.kind,
        renter_tenant_id=tenant_id,
        starts_at=gone.starts_at,
        ends_at=gone.ends_at,
        revision=gone.revision,
    )


def _followed(session: Session, tenant_id: TenantId, rental: NumberRental, wanted: Settings) -> Number:
    numbers.follow(session, tenant_id=tenant_id, event=number_rentals.changed(rental, wanted))
    return numbers.get(session, tenant_id=tenant_id, number_id=rental.number_id)


def _insist(session: Session, quote: Quote | None, shown_unit_nano: int | None) -> None:
    if credit.held(session, tenant_id=identity.current().tenant_id):
        raise OnHoldError
    if quote is None:
        raise NotPricedError
    if shown_unit_nano is not None and shown_unit_nano != quote.unit_nano:
        raise PriceChangedError


def _insist_paid(session: Session, ordered: Sequence[Span]) -> None:
    """Keep what the company rents, and has just ordered, to the end of the month, or refuse the order.

    To be asked before the operator's transaction is committed, so that an order refused is none.
    """
    lacking = _keep_rent(session, ordered)
    if lacking:
        currency = accounts.find(session, tenant_id=identity.current().tenant_id).currency
        raise RentUnpaidError(minor=-(-lacking // wallets.nano(1, currency)), currency=currency)


def _keep_rent(session: Session, ordered: Sequence[Span] = ()) -> int:
    """Keep what the company rents by now; return what is lacking in its wallet."""
    tenant_id = identity.current().tenant_id
    if not credit.is_prepaid(session, tenant_id=tenant_id):
        return 0
    rented = {span.rental_id: span for span in estimates.spans(session, tenant_id=tenant_id)}
    rented |= {span.rental_id: span for span in ordered}
    return rent.keep(session, tenant_id=tenant_id, spans=rented.values(), now=clock.now())


def _instead(stockroom: Session, wish: Wish) -> dt.datetime | None:
    """Return the next hour, within a day, at which the wish could be had."""
    if wish.ends_at is None:
        return None
    for step in range(1, _STEPS + 1):
        later = step * _HOUR
        free = stock.free(stockroom, starts_at=wish.starts_at + later, ends_at=wish.ends_at + later)
        if len(free) >= wish.count:
            return wish.starts_at + later
    return None


@contextmanager
def operators(*, changes: bool = False) -> Iterator[Session]:
    """Open the operator's transaction, committed at the end; after changes the switchboard is told."""
    with scope.within(OPERATOR, principal_id=identity.current().principal_id) as stockroom:
        yield stockroom
        if changes:
            orders.leave(stockroom, OrderKind.RELOAD)
    if changes:
        realtime = scope.services().realtime
        scope.after_commit(lambda: realtime.publish(OPERATOR, orders.WAKE_UP, {}))
