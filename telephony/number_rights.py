"""Stating the papers of a number in stock; the operator's own rows, and what follows in the renter's.

A statement is never changed: the next one counts from the commit on, and the renter's own row follows with
the rental (`number_rentals.tell`). A number whose holder of record is a client is rented to that client
alone. Every act stands in the evidence log, here by code and number, at the renter as what it may show.
"""

import dataclasses
import datetime as dt
from uuid import UUID

from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Invalid, NotFound
from core.ids import OPERATOR, NumberId, TenantId, new_id, public
from security import evidence
from telephony import number_rentals, rights
from telephony.errors import NumberNotFoundError
from telephony.models import NumberRightRow, NumberStockRow
from telephony.number_rentals import NumberRental
from telephony.rights import Holder, Right

_LONGEST = 80


class NumberRightError(Invalid):
    """The papers of a number cannot be so; `details["field"]` says which part."""

    code = "number-right"


class NumberRightChangedError(Conflict):
    """Somebody else has stated the papers meanwhile."""

    code = "number-right-changed"


class NumberRightMissingError(NotFound):
    """Nobody has stated this number's papers."""

    code = "number-right-missing"


def state(session: Session, *, number_id: NumberId, wanted: Right, by: UUID) -> NumberRental | None:
    """State whose a number is and by which paper it may be shown; return the rental that follows, if any.

    Args:
        session: in the operator's context.
        number_id: of the stock.
        wanted: the statement; its version is the one the next must follow: 0 for the first.
        by: the operator's user.

    Raises:
        NumberNotFoundError: not in stock.
        NumberRightError: a part cannot be so: a company that is not the one that rents it among them.
        NumberRightChangedError: `wanted.version` is not the newest any more.
    """
    stock = session.get(NumberStockRow, (OPERATOR, number_id), with_for_update=True, populate_existing=True)
    if stock is None:
        raise NumberNotFoundError
    _check(wanted, renter=stock.renter_tenant_id)
    return _add(session, stock, dataclasses.replace(wanted, withdrawn_at=None), by)


def withdraw(session: Session, *, number_id: NumberId, version: int, by: UUID) -> NumberRental | None:
    """Let nobody show a number any more, from the commit on; return the rental that follows, if any.

    Raises:
        NumberNotFoundError: not in stock.
        NumberRightMissingError: nothing is stated.
        NumberRightChangedError: `version` is not the newest any more.
    """
    stock = session.get(NumberStockRow, (OPERATOR, number_id), with_for_update=True, populate_existing=True)
    if stock is None:
        raise NumberNotFoundError
    found = rights.newest(session, number_id=number_id)
    if found is None:
        raise NumberRightMissingError
    gone = dataclasses.replace(found, version=version, withdrawn_at=clock.now())
    return _add(session, stock, gone, by)


def _check(wanted: Right, *, renter: UUID | None) -> None:
    name, reference = wanted.holder_name, wanted.reference
    wrong = {
        "holder_name": (wanted.holder is Holder.CARRIER) != bool(name)
        or len(name) > _LONGEST
        or not name.isprintable(),
        "company": (wanted.holder is Holder.CLIENT) != (wanted.holder_tenant_id is not None)
        or (wanted.holder_tenant_id is not None and renter not in {None, wanted.holder_tenant_id}),
        "reference": not 0 < len(reference) <= _LONGEST or not reference.isprintable(),
        "ends_on": wanted.ends_at is not None and wanted.ends_at <= wanted.starts_at,
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise NumberRightError(field=field)


def _add(session: Session, stock: NumberStockRow, wanted: Right, by: UUID) -> NumberRental | None:
    number_id = NumberId(stock.id)
    found = rights.newest(session, number_id=number_id)
    if wanted.version != (found.version if found else 0):
        raise NumberRightChangedError
    row = NumberRightRow(
        tenant_id=OPERATOR,
        id=new_id(),
        number_id=number_id,
        version=wanted.version + 1,
        holder=wanted.holder.value,
        holder_name=wanted.holder_name,
        holder_tenant_id=wanted.holder_tenant_id,
        paper=wanted.paper.value,
        reference=wanted.reference,
        attestation=wanted.attestation.value,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        withdrawn_at=wanted.withdrawn_at,
        stated_at=clock.now(),
        stated_by=by,
    )
    session.add(row)
    stock.holder_tenant_id = wanted.holder_tenant_id
    session.flush()
    if wanted.withdrawn_at is not None:
        evidence.record(session, "number.right-withdrawn", "num", number_id, version=row.version)
    else:
        evidence.record(
            session,
            "number.right-stated",
            "num",
            number_id,
            version=row.version,
            holder=row.holder,
            company=_company(wanted.holder_tenant_id),
            paper=row.paper,
            attestation=row.attestation,
            starts_at=_written(wanted.starts_at),
            ends_at=_written(wanted.ends_at),
        )
    return number_rentals.tell(session, number_id=number_id)


def _company(tenant_id: TenantId | None) -> str:
    return public("ten", tenant_id) if tenant_id else ""


def _written(at: dt.datetime | None) -> str:
    return at.astimezone(dt.UTC).isoformat() if at else ""
