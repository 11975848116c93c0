"""The numbers the operator provides (DIDs), and who answers them.

A number is in stock at the operator; rented, it also stands in its renter's rows with what callers hear and
where they go, and in the directory, where a key is unique across all tenants: two tenants can never hold
one number. The switchboard finds the tenant of a dialled number through the directory alone.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, FlowId, NumberId, QueueId, TenantId, new_id
from core.phone import E164, LineKind, is_short_code, line_kind, parse_e164
from security import evidence
from security.gate import KeyTakenError, register, registered, unregister
from telephony import number_rentals, queues, rights
from telephony.errors import NumberChangedError, NumberKindError, NumberNotFoundError, NumberTakenError
from telephony.events import NumberRentalChanged
from telephony.models import NumberRow, NumberStockRow
from telephony.rights import Right, Standing

DIRECTORY = "number"
_PLAIN_TO_SEE = frozenset({LineKind.TOLLFREE, LineKind.SHORT})


class Forwarding(StrEnum):
    """When callers of a number are forwarded to the client's own phone."""

    ALWAYS = "always"
    CLOSED = "closed"  # while its queue is closed


@dataclass(frozen=True, slots=True)
class StockNumber:
    """One number in the operator's stock."""

    number_id: NumberId
    digits: str
    kind: str
    region: str
    renter_tenant_id: TenantId | None
    quarantined_until: dt.datetime | None = None
    held_for: TenantId | None = None
    held_until: dt.datetime | None = None
    stray_calls: int = 0
    strayed_at: dt.datetime | None = None
    right: Right | None = None  # given where it is let


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
    rental_id: UUID | None = None
    rented_at: dt.datetime | None = None
    released_at: dt.datetime | None = None
    revision: int = 1
    flow_id: FlowId | None = None
    forwards: Forwarding | None = None
    keys: str = ""
    right: Right | None = None
    is_elsewhere: bool = False  # calls show it, and no caller comes by it: another carrier has it

    def may_be_shown(self, at: dt.datetime) -> bool:
        """Whether the company may show it at an instant: by its papers, and because it can be called back."""
        proven = self.right.stands(at) if self.right else not self.is_elsewhere
        return proven and not is_short_code(self.digits)

    @property
    def entry(self) -> str:
        """Return what leads to it alone: its digits, or, of a share of a short code, the keys as well."""
        return shared_entry(self.digits, self.keys) if self.keys else self.digits


def shared_entry(code: str, keys: str) -> str:
    """Return what leads to the company that is chosen by these keys at a shared short code.

    `1252`, `1` -> `1252*1`, which nobody can hold twice: the directory's key is made of it.
    """
    return f"{code}*{keys}"


def canonical(digits: str, *, region: str | None = None) -> str:
    """Return how a dialled number is written everywhere: E.164 with `+`, or a short code's digits.

    A short code with `*` and the keys of a company is the share that company has of it.

    Raises:
        InvalidNumberError: neither.
    """
    plain = digits.strip()
    code, _, keys = plain.partition("*")
    if is_short_code(plain) or (is_short_code(code) and keys.isascii() and keys.isdigit()):
        return plain
    return parse_e164(plain if plain.startswith("+") or region else f"+{plain}", region=region)


def directory_key(digits: str) -> bytes:
    """Return the directory's key of a canonical number. A DID is no secret, so a plain hash will do."""
    return hashlib.sha256(f"number:{digits}".encode()).digest()


def stock(session: Session, *, digits: str, region: str, kind: str = "") -> StockNumber:
    """Take a number into stock; in the operator's own transaction.

    Args:
        session: in the operator's context.
        digits: E.164 or a short code, in any writing.
        region: where it belongs, ISO 3166 or words.
        kind: empty: what the numbering plan says. Whether who is called pays, and whether it is a short code,
            the plan alone says; a number between those may be let as local, national or mobile.

    Raises:
        InvalidNumberError: no number.
        NumberKindError: the kind is not what the plan says.
    """
    plain = canonical(digits)
    if "*" in plain:
        raise NumberKindError(kind="")
    planned = line_kind(plain)
    if kind and kind != planned and not {kind, planned}.isdisjoint(_PLAIN_TO_SEE):
        raise NumberKindError(kind=planned.value)
    row = NumberStockRow(
        tenant_id=OPERATOR, id=new_id(), digits=plain, kind=kind or planned.value, region=region
    )
    session.add(row)
    session.flush()
    return _stock(row)


def in_stock(session: Session) -> list[StockNumber]:
    """Return the whole stock by number; in the operator's own transaction."""
    rows = session.scalars(
        select(NumberStockRow).where(NumberStockRow.tenant_id == OPERATOR).order_by(NumberStockRow.digits)
    )
    return [_stock(row) for row in rows]


def of_stock(session: Session, *, number_id: NumberId) -> StockNumber:
    """Return one number of the stock; in the operator's own transaction.

    Raises:
        NumberNotFoundError: not in stock.
    """
    row = session.get(NumberStockRow, (OPERATOR, number_id))
    if row is None:
        raise NumberNotFoundError
    return _stock(row)


def let(session: Session, *, number_id: NumberId, renter: TenantId) -> StockNumber:
    """Rent a number in stock to a client; in the operator's own transaction, before `rent`.

    Raises:
        NumberTakenError: somebody rents it.
        NumberRestingError: another client gave it back lately.
        NumberNotFoundError: not in stock.
    """
    number_rentals.rent(
        session, number_id=number_id, renter_tenant_id=renter, wanted=number_rentals.Settings()
    )
    let_ = _stock(session.get_one(NumberStockRow, (OPERATOR, number_id)))
    return replace(let_, right=rights.newest(session, number_id=number_id))


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
    row = session.get(NumberRow, (tenant_id, number.number_id), with_for_update=True)
    if row is None:
        row = NumberRow(tenant_id=tenant_id, id=number.number_id, revision=1)
        session.add(row)
    row.digits, row.kind = number.digits, number.kind
    row.queue_id, row.greeting, row.language = queue_id, greeting, language
    row.rented_at, row.released_at = clock.now(), None
    row.forward_ct = row.forwards = None
    _allow(session, row, number.right.payload() if number.right else "")
    session.flush()
    _register(session, row)
    return _number(row)


def follow(session: Session, *, tenant_id: TenantId, event: NumberRentalChanged) -> None:
    """Bring the renter's own row to what the operator's rental says; a second time changes nothing.

    Raises:
        NumberTakenError: the directory still knows another holder; it is tried again.
    """
    row = session.get(NumberRow, (tenant_id, event.number_id), with_for_update=True)
    if row is not None and row.rental_id is not None and row.rental_id > event.rental_id:
        return  # ids grow with time: the number has been rented again since
    if row is not None and row.rental_id == event.rental_id and row.rental_revision >= event.revision:
        return
    if row is None:
        if event.ends_at is not None:
            return
        row = NumberRow(
            tenant_id=tenant_id,
            id=event.number_id,
            digits=event.digits,
            kind=event.kind,
            queue_id=event.queue_id or _first_queue(session, tenant_id),
            greeting=event.greeting,
            language=event.language,
            rented_at=event.starts_at,
            revision=1,
            keys=event.keys or None,
        )
        session.add(row)
    elif row.rental_id not in {None, event.rental_id}:  # rented again: what was wanted now counts
        row.queue_id = event.queue_id or row.queue_id
        row.greeting, row.language = event.greeting or row.greeting, event.language
        row.flow_id = row.forward_ct = row.forwards = None
    row.rented_at = event.starts_at
    row.rental_id, row.rental_revision = event.rental_id, event.revision
    _allow(session, row, event.right)
    was_released = row.released_at is not None
    row.released_at = event.ends_at
    if row.released_at is not None:  # nobody calls it any more: whose phone it was is not kept
        row.forward_ct = row.forwards = None
    session.flush()
    if event.ends_at is not None and not was_released:
        unregister(session, kind=DIRECTORY, key=directory_key(_number(row).entry))
    elif event.ends_at is None:
        _register(session, row)


def set_up(
    session: Session,
    *,
    tenant_id: TenantId,
    number_id: NumberId,
    queue_id: QueueId,
    greeting: str,
    language: str,
    revision: int,
) -> Number:
    """Change what callers hear and where they go.

    Raises:
        NumberNotFoundError: not this tenant's, or released.
        NumberChangedError: somebody else has changed it since `revision`.
        QueueNotFoundError: no such queue of this tenant, or it is closed.
    """
    row = _rented(session, tenant_id, number_id)
    if row.revision != revision:
        raise NumberChangedError(revision=row.revision)
    queues.insist_open(session, tenant_id=tenant_id, queue_id=queue_id)
    row.queue_id, row.greeting, row.language = queue_id, greeting, language
    row.revision += 1
    session.flush()
    return _number(row)


def lead_into(
    session: Session, *, tenant_id: TenantId, number_id: NumberId, flow_id: FlowId | None, revision: int
) -> Number:
    """Lead callers into a flow before the queue, or into none; whether it may be is for `flows.store`.

    Raises:
        NumberNotFoundError: not this tenant's, or released.
        NumberChangedError: somebody else has changed it since `revision`.
    """
    row = _rented(session, tenant_id, number_id)
    if row.revision != revision:
        raise NumberChangedError(revision=row.revision)
    row.flow_id = flow_id
    row.revision += 1
    session.flush()
    return _number(row)


def of_flow(session: Session, *, tenant_id: TenantId, flow_id: FlowId) -> list[Number]:
    """Return the numbers whose callers a flow receives."""
    return [one for one in all_of(session, tenant_id=tenant_id) if one.flow_id == flow_id]


def release(session: Session, *, tenant_id: TenantId, number_id: NumberId) -> None:
    """Let a number go: from the commit on nobody is reached on it."""
    row = _rented(session, tenant_id, number_id)
    row.released_at = clock.now()
    unregister(session, kind=DIRECTORY, key=directory_key(_number(row).entry))


def get(session: Session, *, tenant_id: TenantId, number_id: NumberId) -> Number:
    """Return a number the tenant rents, or shows and holds elsewhere.

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
        .where(NumberRow.tenant_id == tenant_id, NumberRow.released_at.is_(None), ~NumberRow.is_elsewhere)
        .order_by(NumberRow.digits)
    )
    return [_number(row) for row in rows]


def shown_by(session: Session, *, tenant_id: TenantId) -> list[Number]:
    """Return the numbers calls of the tenant may be let show: rented ones, and those held elsewhere.

    One somebody rents here by now is theirs, and shown by its own papers.
    """
    rows = session.scalars(
        select(NumberRow)
        .where(NumberRow.tenant_id == tenant_id, NumberRow.released_at.is_(None))
        .order_by(NumberRow.digits, NumberRow.id)
    )
    found = [_number(row) for row in rows]
    elsewhere = [one.digits for one in found if one.is_elsewhere]
    keys = {directory_key(digits): digits for digits in elsewhere}
    taken = registered(session, kind=DIRECTORY, keys=list(keys)) if keys else set()
    rented = {keys[key] for key in taken}
    return [one for one in found if not one.is_elsewhere or one.digits not in rented]


def is_let(session: Session, *, digits: str) -> bool:
    """Whether somebody rents a number here now, whoever that is."""
    return bool(registered(session, kind=DIRECTORY, keys=[directory_key(digits)]))


def show_from_elsewhere(
    session: Session, *, tenant_id: TenantId, digits: E164, queue_id: QueueId, right: Right
) -> NumberId:
    """Let calls of a tenant show a number held elsewhere, by its papers; nobody is reached on it.

    A number that was shown before keeps its id, and with it whatever has chosen it. For `caller_numbers`,
    which knows that the papers were looked at.
    """
    row = session.scalar(
        select(NumberRow)
        .where(NumberRow.tenant_id == tenant_id, NumberRow.digits == digits, NumberRow.is_elsewhere)
        .with_for_update()
    )
    if row is None:
        row = NumberRow(tenant_id=tenant_id, id=new_id(), revision=1, is_elsewhere=True)
        row.digits, row.kind = digits, line_kind(digits).value
        row.greeting, row.language, row.rented_at = "", "en", clock.now()
        session.add(row)
    row.queue_id = queue_id
    _allow(session, row, right.payload())
    session.flush()
    return NumberId(row.id)


def stop_showing(session: Session, *, tenant_id: TenantId, number_id: NumberId) -> None:
    """Let no call show a number held elsewhere any more, from the commit on; it keeps its id.

    Raises:
        NumberNotFoundError: the tenant shows no such number.
    """
    row = session.get(NumberRow, (tenant_id, number_id), with_for_update=True, populate_existing=True)
    found = rights.read(row.right_of_use) if row is not None and row.is_elsewhere else None
    if row is None or found is None:
        raise NumberNotFoundError
    _allow(session, row, replace(found, withdrawn_at=clock.now()).payload())
    session.flush()


def stocked(session: Session, *, digits: Iterable[str]) -> set[str]:
    """Return which numbers are in the operator's stock; in the operator's own transaction."""
    found = select(NumberStockRow.digits).where(
        NumberStockRow.tenant_id == OPERATOR, NumberStockRow.digits.in_(list(digits))
    )
    return set(session.scalars(found))


def ending(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> list[tuple[Number, Standing]]:
    """Return the numbers whose papers end soon, or have ended, and of which nobody was told yet.

    Whoever asks tells both sides, in the same transaction: it is not returned again until the papers change
    or what stands of them does.
    """
    rows = session.scalars(
        select(NumberRow)
        .where(
            NumberRow.tenant_id == tenant_id,
            NumberRow.released_at.is_(None),
            NumberRow.right_of_use.is_not(None),
        )
        .order_by(NumberRow.digits)
        .with_for_update()
    )
    found: list[tuple[Number, Standing]] = []
    for row in rows:
        one = _number(row)
        standing = one.right.standing(at) if one.right else Standing.STANDS
        if standing in {Standing.ENDS_SOON, Standing.ENDED} and row.right_told != standing:
            row.right_told = standing.value
            found.append((one, standing))
    session.flush()
    return found


def _allow(session: Session, row: NumberRow, right: str) -> None:
    """Bring a renter's row to what the papers of its number say."""
    before, now = row.right_of_use, json.loads(right) if right else None
    if before == now:
        return
    row.right_of_use, row.right_told = now, None
    stated = rights.read(now)
    evidence.record(
        session,
        "number.right-changed",
        "num",
        row.id,
        holder=stated.holder.value if stated else "",
        attestation=stated.attestation.value if stated else "",
        is_withdrawn=stated is not None and stated.withdrawn_at is not None,
        ends_at=stated.ends_at.astimezone(dt.UTC).isoformat() if stated and stated.ends_at else "",
    )


def _rented(session: Session, tenant_id: TenantId, number_id: NumberId) -> NumberRow:
    """Return the row of a number callers reach the tenant on, locked."""
    row = session.get(NumberRow, (tenant_id, number_id), with_for_update=True, populate_existing=True)
    if row is None or row.released_at is not None or row.is_elsewhere:
        raise NumberNotFoundError
    return row


def _register(session: Session, row: NumberRow) -> None:
    """Enter a number into the directory, over what this tenant has there of it already."""
    key = directory_key(_number(row).entry)
    unregister(session, kind=DIRECTORY, key=key)
    try:
        register(session, kind=DIRECTORY, key=key, ref_id=row.id)
    except KeyTakenError as error:
        raise NumberTakenError from error


def _first_queue(session: Session, tenant_id: TenantId) -> QueueId:
    """Return a queue for callers of a number nobody has set up, opened or made when the company has none."""
    found = queues.ever(session, tenant_id=tenant_id)
    if not found:
        return queues.open_queue(session, tenant_id=tenant_id, name="Main").queue_id
    first = next((one for one in found if one.is_open), found[0])
    return queues.reopen(session, tenant_id=tenant_id, queue_id=first.queue_id).queue_id


def ever(session: Session, *, tenant_id: TenantId) -> list[Number]:
    """Return the numbers the tenant rents or rented."""
    rows = session.scalars(
        select(NumberRow)
        .where(NumberRow.tenant_id == tenant_id, ~NumberRow.is_elsewhere)
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
        quarantined_until=row.quarantined_until,
        held_for=TenantId(row.held_for) if row.held_for else None,
        held_until=row.held_until,
        stray_calls=row.stray_calls,
        strayed_at=row.strayed_at,
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
        rental_id=row.rental_id,
        rented_at=row.rented_at,
        released_at=row.released_at,
        revision=row.revision,
        flow_id=FlowId(row.flow_id) if row.flow_id else None,
        forwards=Forwarding(row.forwards) if row.forwards else None,
        keys=row.keys or "",
        right=rights.read(row.right_of_use),
        is_elsewhere=row.is_elsewhere,
    )
