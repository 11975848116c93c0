"""The numbers the operator provides (DIDs), and who answers them.

A number is in stock at the operator; rented, it also stands in its renter's rows with what callers hear and
where they go, and in the directory, where a key is unique across all tenants: two tenants can never hold
one number. The switchboard finds the tenant of a dialled number through the directory alone.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, NumberId, QueueId, TenantId, new_id
from core.phone import is_short_code, parse_e164
from security.gate import KeyTakenError, register, unregister
from telephony.errors import NumberNotFoundError, NumberTakenError
from telephony.models import NumberRow, NumberStockRow

DIRECTORY = "number"


@dataclass(frozen=True, slots=True)
class StockNumber:
    """One number in the operator's stock."""

    number_id: NumberId
    digits: str
    kind: str
    region: str
    renter_tenant_id: TenantId | None


@dataclass(frozen=True, slots=True)
class Number:
    """A rented number: what callers hear, in which language, and which queue they reach."""

    tenant_id: TenantId
    number_id: NumberId
    digits: str
    kind: str
    queue_id: QueueId
    greeting: str
    language: str


def canonical(digits: str, *, region: str | None = None) -> str:
    """Return how a dialled number is written everywhere: E.164 with `+`, or a short code's digits.

    Raises:
        InvalidNumberError: neither.
    """
    plain = digits.strip()
    if is_short_code(plain):
        return plain
    return parse_e164(plain if plain.startswith("+") or region else f"+{plain}", region=region)


def directory_key(digits: str) -> bytes:
    """Return the directory's key of a canonical number. A DID is no secret, so a plain hash will do."""
    return hashlib.sha256(f"number:{digits}".encode()).digest()


def stock(session: Session, *, digits: str, kind: str, region: str) -> StockNumber:
    """Take a number into stock; in the operator's own transaction."""
    row = NumberStockRow(tenant_id=OPERATOR, id=new_id(), digits=canonical(digits), kind=kind, region=region)
    session.add(row)
    session.flush()
    return _stock(row)


def in_stock(session: Session) -> list[StockNumber]:
    """Return the whole stock by number; in the operator's own transaction."""
    rows = session.scalars(
        select(NumberStockRow).where(NumberStockRow.tenant_id == OPERATOR).order_by(NumberStockRow.digits)
    )
    return [_stock(row) for row in rows]


def let(session: Session, *, number_id: NumberId, renter: TenantId) -> StockNumber:
    """Mark a number in stock as rented; in the operator's own transaction, before `rent`.

    Raises:
        NumberTakenError: somebody rents it.
    """
    row = session.execute(
        update(NumberStockRow)
        .where(
            NumberStockRow.tenant_id == OPERATOR,
            NumberStockRow.id == number_id,
            NumberStockRow.renter_tenant_id.is_(None),
        )
        .values(renter_tenant_id=renter, rented_at=clock.now())
        .returning(NumberStockRow)
    ).scalar_one_or_none()
    if row is None:
        raise NumberTakenError
    return _stock(row)


def rent(
    session: Session,
    *,
    tenant_id: TenantId,
    number: StockNumber,
    queue_id: QueueId,
    greeting: str,
    language: str,
) -> Number:
    """Give a rented number to its renter, who can be called on it from the commit on.

    Raises:
        NumberTakenError: the directory knows another holder.
    """
    row = NumberRow(
        tenant_id=tenant_id,
        id=number.number_id,
        digits=number.digits,
        kind=number.kind,
        queue_id=queue_id,
        greeting=greeting,
        language=language,
        rented_at=clock.now(),
    )
    session.add(row)
    session.flush()
    try:
        register(session, kind=DIRECTORY, key=directory_key(number.digits), ref_id=number.number_id)
    except KeyTakenError as error:
        raise NumberTakenError from error
    return _number(row)


def release(session: Session, *, tenant_id: TenantId, number_id: NumberId) -> None:
    """Let a number go: from the commit on nobody is reached on it."""
    row = session.get(NumberRow, (tenant_id, number_id))
    if row is None or row.released_at is not None:
        raise NumberNotFoundError
    row.released_at = clock.now()
    unregister(session, kind=DIRECTORY, key=directory_key(row.digits))


def get(session: Session, *, tenant_id: TenantId, number_id: NumberId) -> Number:
    """Return a rented number.

    Raises:
        NumberNotFoundError: not this tenant's, or released.
    """
    row = session.get(NumberRow, (tenant_id, number_id))
    if row is None or row.released_at is not None:
        raise NumberNotFoundError
    return _number(row)


def all_of(session: Session, *, tenant_id: TenantId) -> list[Number]:
    """Return the numbers the tenant rents now."""
    rows = session.scalars(
        select(NumberRow)
        .where(NumberRow.tenant_id == tenant_id, NumberRow.released_at.is_(None))
        .order_by(NumberRow.digits)
    )
    return [_number(row) for row in rows]


def _stock(row: NumberStockRow) -> StockNumber:
    return StockNumber(
        number_id=NumberId(row.id),
        digits=row.digits,
        kind=row.kind,
        region=row.region,
        renter_tenant_id=TenantId(row.renter_tenant_id) if row.renter_tenant_id else None,
    )


def _number(row: NumberRow) -> Number:
    return Number(
        tenant_id=TenantId(row.tenant_id),
        number_id=NumberId(row.id),
        digits=row.digits,
        kind=row.kind,
        queue_id=QueueId(row.queue_id),
        greeting=row.greeting,
        language=row.language,
    )
