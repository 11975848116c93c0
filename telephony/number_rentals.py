"""Who rents which number from when to when; the operator's own rows.

One holder at an instant, across all clients: the database's exclusion constraint says so. A number given
back rests for `QUARANTINE`, lest people who want the company before reach the next; that company alone may
take it again meanwhile, and is told how many called it in vain. A client who decides may `hold` a number.
What callers hear and where they go stands in the renter's rows (`numbers`), which follow by event.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import OPERATOR, NumberId, TenantId, new_id
from seats import limits
from seats.errors import RentalLimitError, RentalNotFoundError, RestoreTooLateError
from telephony import rights
from telephony.errors import (
    CodeSharedError,
    HoldAgainError,
    HoldLimitError,
    NumberHeldError,
    NumberNotFoundError,
    NumberRestingError,
    NumberTakenError,
)
from telephony.events import NumberRentalChanged
from telephony.models import NumberRentalRow, NumberStockRow, SharedCodeRow
from telephony.rights import Right

QUARANTINE = dt.timedelta(days=30)
UNDO = dt.timedelta(minutes=10)
HOLD = dt.timedelta(hours=2)
MOST_HELD = 5
_NOT_AGAIN = dt.timedelta(days=1)  # from the end of a hold on: it is for deciding, not for keeping
_FOUND = 25


@dataclass(frozen=True, slots=True)
class Settings:
    """What a renter wants of a number; without a queue its first one is taken."""

    queue_id: UUID | None = None
    greeting: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Offered:
    """A number that can be rented.

    Attributes:
        number_id, digits, kind, region: of the number.
        held_until: the client who looks holds it until then.
        rests_until: the client who looks gave it back, and nobody else gets it until then.
        stray_calls: so many have called it since somebody gave it back; they may call its next renter.
        strayed_at: when the last of them did.
    """

    number_id: NumberId
    digits: str
    kind: str
    region: str
    held_until: dt.datetime | None = None
    rests_until: dt.datetime | None = None
    stray_calls: int = 0
    strayed_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class NumberRental:
    """Who rents a number from when to when; `ends_at` None: until given back.

    `right` is given where the renter's row follows: the papers of the number as they stand.
    """

    id: UUID
    number_id: NumberId
    digits: str
    kind: str
    renter_tenant_id: TenantId
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    revision: int
    right: Right | None = None


def search(
    session: Session,
    *,
    renter_tenant_id: TenantId,
    digits: str = "",
    kind: str = "",
    after: str = "",
    limit: int = _FOUND,
) -> list[Offered]:
    """Return numbers a client could rent now, by number.

    Args:
        session: in the operator's context.
        renter_tenant_id: who looks: its own resting numbers are among them.
        digits: some of the number's digits in a row, wherever they stand.
        kind: one kind, or any.
        after: only those that come after this number.
        limit: how many at most.
    """
    wanted = "".join(sign for sign in digits if sign.isascii() and sign.isdigit())
    query = select(NumberStockRow).where(
        NumberStockRow.tenant_id == OPERATOR,
        NumberStockRow.renter_tenant_id.is_(None),
        NumberStockRow.id.not_in(
            select(SharedCodeRow.id).where(
                SharedCodeRow.tenant_id == OPERATOR, SharedCodeRow.ended_at.is_(None)
            )
        ),
        or_(NumberStockRow.holder_tenant_id.is_(None), NumberStockRow.holder_tenant_id == renter_tenant_id),
        or_(
            NumberStockRow.quarantined_until.is_(None),
            NumberStockRow.quarantined_until <= clock.now(),
            NumberStockRow.quarantined_for == renter_tenant_id,
        ),
        or_(
            NumberStockRow.held_until.is_(None),
            NumberStockRow.held_until <= clock.now(),
            NumberStockRow.held_for == renter_tenant_id,
        ),
    )
    if wanted:
        query = query.where(NumberStockRow.digits.contains(wanted, autoescape=True))
    if kind:
        query = query.where(NumberStockRow.kind == kind)
    if after:
        query = query.where(NumberStockRow.digits > after)
    rows = session.scalars(query.order_by(NumberStockRow.digits).limit(limit))
    return [_offered(row) for row in rows]


def hold(session: Session, *, number_id: NumberId, renter_tenant_id: TenantId) -> Offered:
    """Keep a number for a client that decides, for `HOLD` from now; while it holds it, again changes nothing.

    Raises:
        NumberNotFoundError: not in stock.
        NumberTakenError: somebody rents it.
        NumberRestingError: another client gave it back lately.
        NumberHeldError: another client holds it.
        CodeSharedError: companies share it.
        HoldAgainError: this client has held it within a day.
        HoldLimitError: this client holds `MOST_HELD` already.
    """
    limits.hold(session, renter_tenant_id=renter_tenant_id)  # one at a time counts what a client holds
    row = _free(session, number_id, renter_tenant_id)
    now = clock.now()
    if row.held_for == renter_tenant_id and row.held_until:
        if row.held_until > now:
            return _offered(row)
        if row.held_until > now - _NOT_AGAIN:
            raise HoldAgainError
    if len(holds(session, renter_tenant_id=renter_tenant_id)) >= MOST_HELD:
        raise HoldLimitError(most=MOST_HELD)
    row.held_for, row.held_until = renter_tenant_id, now + HOLD
    session.flush()
    return _offered(row)


def let_go(session: Session, *, number_id: NumberId, renter_tenant_id: TenantId) -> None:
    """End a client's own hold now.

    Raises:
        NumberNotFoundError: the client does not hold it.
    """
    row = session.get(NumberStockRow, (OPERATOR, number_id), with_for_update=True)
    now = clock.now()
    if row is None or row.held_for != renter_tenant_id or not row.held_until or row.held_until <= now:
        raise NumberNotFoundError
    row.held_until = now
    session.flush()


def holds(session: Session, *, renter_tenant_id: TenantId) -> list[Offered]:
    """Return the numbers a client holds now, by number."""
    rows = session.scalars(
        select(NumberStockRow)
        .where(
            NumberStockRow.tenant_id == OPERATOR,
            NumberStockRow.held_for == renter_tenant_id,
            NumberStockRow.held_until > clock.now(),
        )
        .order_by(NumberStockRow.digits)
    )
    return [_offered(row) for row in rows]


def resting(session: Session, *, renter_tenant_id: TenantId) -> list[Offered]:
    """Return the numbers a client gave back that still rest, with how many called them since."""
    rows = session.scalars(
        select(NumberStockRow)
        .where(
            NumberStockRow.tenant_id == OPERATOR,
            NumberStockRow.quarantined_for == renter_tenant_id,
            NumberStockRow.quarantined_until > clock.now(),
        )
        .order_by(NumberStockRow.digits)
    )
    return [_offered(row) for row in rows]


def stray(session: Session, *, digits: str) -> None:
    """Count a call to a number nobody rents; who had it, and who thinks of renting it, are told how many.

    An outage of the database may count a call twice; nothing is charged by it.
    """
    session.execute(
        update(NumberStockRow)
        .where(
            NumberStockRow.tenant_id == OPERATOR,
            NumberStockRow.digits == digits,
            NumberStockRow.renter_tenant_id.is_(None),
        )
        .values(stray_calls=NumberStockRow.stray_calls + 1, strayed_at=clock.now())
    )


def rent(
    session: Session,
    *,
    number_id: NumberId,
    renter_tenant_id: TenantId,
    wanted: Settings,
    request_key: UUID | None = None,
    is_limited: bool = False,
) -> NumberRental:
    """Rent a number to a client from now on and announce it.

    The same `request_key` again returns what it rented the first time.

    Raises:
        NumberNotFoundError: not in stock.
        NumberTakenError: somebody rents it.
        NumberRestingError: another client gave it back lately.
        NumberHeldError: another client holds it.
        RentalLimitError: `is_limited`, and it is more than the client may hold by itself.
    """
    limit = limits.hold(session, renter_tenant_id=renter_tenant_id) if is_limited else None
    if request_key is not None:
        done = session.execute(_rentals().where(NumberRentalRow.request_key == request_key)).first()
        if done is not None and done.NumberRentalRow.renter_tenant_id == renter_tenant_id:
            return _from_row(done.NumberRentalRow, done.digits, done.kind)
    row = _free(session, number_id, renter_tenant_id)
    now = clock.now()
    if limit is not None:
        held = len(held_by(session, renter_tenant_id=renter_tenant_id))
        if held + 1 > limit.most_numbers:
            raise RentalLimitError(most=limit.most_numbers, held=held)
    made = NumberRentalRow(
        tenant_id=OPERATOR,
        id=new_id(),
        number_id=number_id,
        renter_tenant_id=renter_tenant_id,
        starts_at=now,
        ends_at=None,
        revision=1,
        is_settled=False,
        request_key=request_key,
        created_at=now,
    )
    _put(session, made)
    row.renter_tenant_id, row.rented_at = renter_tenant_id, now
    row.quarantined_until = row.quarantined_for = row.held_until = row.held_for = None
    row.stray_calls, row.strayed_at = 0, None
    session.flush()
    return _announce(session, _from_row(made, row.digits, row.kind), wanted)


def release(session: Session, *, rental_id: UUID, renter_tenant_id: TenantId | None = None) -> NumberRental:
    """Give a number back now; it rests from then on. Doing it twice changes nothing.

    Raises:
        RentalNotFoundError: no such rental (of this client, when one is named).
    """
    row, stock = _held(session, rental_id, renter_tenant_id)
    if row.ends_at is not None:
        return _from_row(row, stock.digits, stock.kind)
    now = clock.now()
    row.ends_at = row.released_at = max(now, row.starts_at)
    row.revision += 1
    stock.renter_tenant_id = stock.rented_at = None
    stock.quarantined_until, stock.quarantined_for = now + QUARANTINE, row.renter_tenant_id
    stock.stray_calls, stock.strayed_at = 0, None
    session.flush()
    return _announce(session, _from_row(row, stock.digits, stock.kind), Settings())


def restore(session: Session, *, rental_id: UUID, renter_tenant_id: TenantId) -> NumberRental:
    """Take a release back: the rental goes on as if nothing had been.

    Raises:
        RentalNotFoundError: no such rental of this client.
        RestoreTooLateError: released longer ago than `UNDO`, or not at all.
        NumberTakenError: it is rented again already, or another client is its holder of record since.
    """
    row, stock = _held(session, rental_id, renter_tenant_id)
    if row.released_at is None or row.released_at < clock.now() - UNDO:
        raise RestoreTooLateError
    if stock.renter_tenant_id is not None or stock.holder_tenant_id not in {None, row.renter_tenant_id}:
        raise NumberTakenError
    row.ends_at = row.released_at = None
    row.revision += 1
    stock.renter_tenant_id, stock.rented_at = row.renter_tenant_id, row.starts_at
    stock.quarantined_until = stock.quarantined_for = None
    session.flush()
    return _announce(session, _from_row(row, stock.digits, stock.kind), Settings())


def tell(session: Session, *, number_id: NumberId) -> NumberRental | None:
    """Let the renter's own row follow to what now stands of a number; None: nobody rents it."""
    found = in_force(session).get(number_id)
    if found is None:
        return None
    row, stock = _held(session, found.id, None)
    row.revision += 1
    session.flush()
    return _announce(session, _from_row(row, stock.digits, stock.kind), Settings())


def take_aside(session: Session, *, number_id: NumberId) -> NumberStockRow:
    """Return a number nobody rents, holds or had until lately, locked until the commit.

    Raises:
        NumberNotFoundError, NumberTakenError, CodeSharedError, NumberRestingError, NumberHeldError: it is
            not so.
    """
    return _free(session, number_id, OPERATOR)


def end_quarantine(session: Session, *, number_id: NumberId) -> None:
    """Let everybody rent a number that rests, or that somebody holds; the operator has looked.

    Raises:
        NumberNotFoundError: not in stock.
    """
    row = session.get(NumberStockRow, (OPERATOR, number_id), with_for_update=True)
    if row is None:
        raise NumberNotFoundError
    row.quarantined_until = row.quarantined_for = row.held_until = None
    session.flush()


def held_by(session: Session, *, renter_tenant_id: TenantId) -> list[NumberRental]:
    """Return the rentals of a client that have no end yet, by number."""
    rows = session.execute(
        _rentals()
        .where(NumberRentalRow.renter_tenant_id == renter_tenant_id, NumberRentalRow.ends_at.is_(None))
        .order_by(NumberStockRow.digits)
    )
    return [_from_row(row.NumberRentalRow, row.digits, row.kind) for row in rows]


def in_force(session: Session) -> dict[NumberId, NumberRental]:
    """Return the rentals without an end, of all clients, by number's id."""
    rows = session.execute(_rentals().where(NumberRentalRow.ends_at.is_(None)))
    found = [_from_row(row.NumberRentalRow, row.digits, row.kind) for row in rows]
    return {one.number_id: one for one in found}


def history(session: Session, *, number_id: NumberId) -> list[NumberRental]:
    """Return everybody who rented a number, newest first."""
    rows = session.execute(
        _rentals()
        .where(NumberRentalRow.number_id == number_id)
        .order_by(NumberRentalRow.starts_at.desc(), NumberRentalRow.id.desc())
    )
    return [_from_row(row.NumberRentalRow, row.digits, row.kind) for row in rows]


def unsettled(session: Session, *, renter_tenant_id: TenantId) -> list[NumberRental]:
    """Return the rentals of a client not charged to their end, held against changes until commit."""
    _adopt(session, renter_tenant_id)
    rows = session.execute(
        _rentals()
        .where(NumberRentalRow.renter_tenant_id == renter_tenant_id, ~NumberRentalRow.is_settled)
        .order_by(NumberRentalRow.starts_at, NumberRentalRow.id)
        .with_for_update(of=NumberRentalRow, read=True)
    )
    return [_from_row(row.NumberRentalRow, row.digits, row.kind) for row in rows]


def settle(session: Session, *, rental_ids: Collection[UUID], until: dt.datetime) -> None:
    """Note that rentals which ended by `until` are charged to their end."""
    session.execute(
        update(NumberRentalRow)
        .where(
            NumberRentalRow.tenant_id == OPERATOR,
            NumberRentalRow.id.in_(list(rental_ids)),
            NumberRentalRow.ends_at <= until,
        )
        .values(is_settled=True)
    )


def _adopt(session: Session, renter_tenant_id: TenantId) -> None:
    """Give numbers that were rented before rentals were kept a rental, from the day they were rented.

    May go once no installation is older than migration 0014.
    """
    rows = session.scalars(
        select(NumberStockRow)
        .outerjoin(
            NumberRentalRow,
            and_(
                NumberRentalRow.tenant_id == NumberStockRow.tenant_id,
                NumberRentalRow.number_id == NumberStockRow.id,
                NumberRentalRow.ends_at.is_(None),
            ),
        )
        .where(
            NumberStockRow.tenant_id == OPERATOR,
            NumberStockRow.renter_tenant_id == renter_tenant_id,
            NumberRentalRow.id.is_(None),
        )
        .with_for_update(of=NumberStockRow)
    ).all()
    for row in rows:
        _put(
            session,
            NumberRentalRow(
                tenant_id=OPERATOR,
                id=new_id(),
                number_id=row.id,
                renter_tenant_id=renter_tenant_id,
                starts_at=row.rented_at or clock.now(),
                ends_at=None,
                revision=1,
                is_settled=False,
                created_at=clock.now(),
            ),
        )


def _free(session: Session, number_id: NumberId, renter_tenant_id: TenantId) -> NumberStockRow:
    """Return a number this client may have, locked."""
    row = session.get(NumberStockRow, (OPERATOR, number_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise NumberNotFoundError
    now = clock.now()
    if row.renter_tenant_id is not None or row.holder_tenant_id not in {None, renter_tenant_id}:
        raise NumberTakenError
    shared = session.get(SharedCodeRow, (OPERATOR, number_id), populate_existing=True)
    if shared is not None and shared.ended_at is None:
        raise CodeSharedError
    rests = row.quarantined_until is not None and row.quarantined_until > now
    if rests and row.quarantined_for != renter_tenant_id:
        raise NumberRestingError
    if row.held_until is not None and row.held_until > now and row.held_for != renter_tenant_id:
        raise NumberHeldError
    return row


def _offered(row: NumberStockRow) -> Offered:
    now = clock.now()
    return Offered(
        number_id=NumberId(row.id),
        digits=row.digits,
        kind=row.kind,
        region=row.region,
        held_until=row.held_until if row.held_until and row.held_until > now else None,
        rests_until=row.quarantined_until if row.quarantined_until and row.quarantined_until > now else None,
        stray_calls=row.stray_calls,
        strayed_at=row.strayed_at,
    )


def _put(session: Session, row: NumberRentalRow) -> None:
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise NumberTakenError from error


def _held(
    session: Session, rental_id: UUID, renter_tenant_id: TenantId | None
) -> tuple[NumberRentalRow, NumberStockRow]:
    """Return a rental and its number, both locked, the number first as `rent` does."""
    found = session.get(NumberRentalRow, (OPERATOR, rental_id))
    if found is None or renter_tenant_id not in {None, found.renter_tenant_id}:
        raise RentalNotFoundError
    stock = session.get_one(NumberStockRow, (OPERATOR, found.number_id), with_for_update=True)
    session.refresh(found, with_for_update=True)
    return found, stock


def _rentals() -> Select[NumberRentalRow, str, str]:
    return (
        select(NumberRentalRow, NumberStockRow.digits, NumberStockRow.kind)
        .join(
            NumberStockRow,
            and_(
                NumberStockRow.tenant_id == NumberRentalRow.tenant_id,
                NumberStockRow.id == NumberRentalRow.number_id,
            ),
        )
        .where(NumberRentalRow.tenant_id == OPERATOR)
    )


def _from_row(row: NumberRentalRow, digits: str, kind: str) -> NumberRental:
    return NumberRental(
        id=row.id,
        number_id=NumberId(row.number_id),
        digits=digits,
        kind=kind,
        renter_tenant_id=TenantId(row.renter_tenant_id),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        revision=row.revision,
    )


def changed(rental: NumberRental, wanted: Settings) -> NumberRentalChanged:
    """Return what is announced of a rental as it stands; the renter's own row follows from it."""
    return NumberRentalChanged(
        tenant_id=OPERATOR,
        renter_tenant_id=rental.renter_tenant_id,
        rental_id=rental.id,
        number_id=rental.number_id,
        digits=rental.digits,
        kind=rental.kind,
        queue_id=wanted.queue_id,
        greeting=wanted.greeting,
        language=wanted.language,
        starts_at=rental.starts_at,
        ends_at=rental.ends_at,
        revision=rental.revision,
        right=rental.right.payload() if rental.right else "",
    )


def _announce(session: Session, rental: NumberRental, wanted: Settings) -> NumberRental:
    full = replace(rental, right=rights.newest(session, number_id=rental.number_id))
    announce(session, changed(full, wanted))
    return full
