"""What stops calls out at once: the kill switch of a company, and numbers nobody may call.

Asked at the dial instant and again when the switchboard redeems a clearance, so a stop holds within the
second: nothing is cached. The operator's list is a platform table; the empty prefix on it is every number,
and so the kill switch of the whole house.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Invalid, NotFound
from core.ids import TenantId
from security import evidence
from telephony.models import BarredPrefixRow, CallingStopRow

EVERYTHING = ""
_LONGEST_NOTE, _LONGEST_PREFIX = 200, 15


class Side(StrEnum):
    """Who has stopped a company's calls; each takes back only its own."""

    COMPANY = "company"
    OPERATOR = "operator"


class Why(StrEnum):
    """Why nobody may call such numbers."""

    EVERYTHING = "everything"
    PREMIUM = "premium"
    SHARED_COST = "shared-cost"
    SATELLITE = "satellite"
    FRAUD = "fraud"
    TEST_NUMBER = "test-number"


class BarredPrefixError(Invalid):
    """A prefix that can never be, or a note beyond 200 signs; `field` in the details says which."""

    code = "barred-prefix-invalid"


class BarredAlreadyError(Conflict):
    """The prefix is on the list."""

    code = "barred-already"


class NotBarredError(NotFound):
    """The prefix is not on the list (any more)."""

    code = "not-barred"


@dataclass(frozen=True, slots=True)
class Stop:
    """A company's calls out are stopped: by which side, since when, by whom."""

    side: Side
    stopped_at: dt.datetime
    stopped_by: UUID


@dataclass(frozen=True, slots=True)
class Barred:
    """Numbers that begin with `prefix` are called by nobody."""

    prefix: str
    why: Why
    note: str
    barred_at: dt.datetime
    barred_by: UUID


def stop(session: Session, *, tenant_id: TenantId, side: Side, by: UUID) -> Stop:
    """Let no call of a company go out from the commit on; stopped already, it stays as it is."""
    made = session.execute(
        insert(CallingStopRow)
        .values(tenant_id=tenant_id, side=side.value, stopped_at=clock.now(), stopped_by=by)
        .on_conflict_do_nothing()
        .returning(CallingStopRow.side)
    ).scalar()
    if made:
        evidence.record(session, "calls-out.stopped", "ten", tenant_id, side=side.value)
    return next(one for one in standing(session, tenant_id=tenant_id) if one.side is side)


def resume(session: Session, *, tenant_id: TenantId, side: Side) -> bool:
    """Take a side's own stop back; return False when there was none."""
    gone = session.execute(
        delete(CallingStopRow)
        .where(CallingStopRow.tenant_id == tenant_id, CallingStopRow.side == side.value)
        .returning(CallingStopRow.side)
    ).scalar()
    if gone:
        evidence.record(session, "calls-out.resumed", "ten", tenant_id, side=side.value)
    return gone is not None


def standing(session: Session, *, tenant_id: TenantId) -> Sequence[Stop]:
    """Return the stops of a company, the operator's last."""
    rows = session.execute(
        select(CallingStopRow.side, CallingStopRow.stopped_at, CallingStopRow.stopped_by)
        .where(CallingStopRow.tenant_id == tenant_id)
        .order_by(CallingStopRow.side)
    )
    return [Stop(Side(side), at, by) for side, at, by in rows]


def bar(session: Session, *, prefix: str, why: Why, note: str, by: UUID) -> None:
    """Let nobody call numbers that begin so; in the operator's own context.

    Args:
        session: the operator's.
        prefix: up to 15 digits without `+`; empty: every number, with `Why.EVERYTHING`.
        why: for who reads the list.
        note: up to 200 signs.
        by: the operator's user.

    Raises:
        BarredPrefixError, BarredAlreadyError.
    """
    is_digits = prefix.isascii() and prefix.isdigit() and len(prefix) <= _LONGEST_PREFIX and prefix[0] != "0"
    if (prefix == EVERYTHING) != (why is Why.EVERYTHING) or (prefix and not is_digits):
        raise BarredPrefixError(field="prefix")
    if len(note) > _LONGEST_NOTE or not note.isprintable():
        raise BarredPrefixError(field="note")
    made = session.execute(
        insert(BarredPrefixRow)
        .values(prefix=prefix, kind=why.value, note=note, barred_at=clock.now(), barred_by=by)
        .on_conflict_do_nothing()
        .returning(BarredPrefixRow.prefix)
    ).scalar()
    if made is None:
        raise BarredAlreadyError
    evidence.record(session, "calls-out.barred", prefix=prefix, why=why.value)


def unbar(session: Session, *, prefix: str) -> None:
    """Take a prefix off the list; in the operator's own context.

    Raises:
        NotBarredError: it is not there.
    """
    gone = session.execute(
        delete(BarredPrefixRow).where(BarredPrefixRow.prefix == prefix).returning(BarredPrefixRow.prefix)
    ).scalar()
    if gone is None:
        raise NotBarredError
    evidence.record(session, "calls-out.unbarred", prefix=prefix)


def barred(session: Session) -> Sequence[Barred]:
    """Return the list, in the order of digits."""
    rows = session.scalars(
        select(BarredPrefixRow).order_by(BarredPrefixRow.prefix).execution_options(populate_existing=True)
    )
    return [Barred(row.prefix, Why(row.kind), row.note, row.barred_at, row.barred_by) for row in rows]


def barring(session: Session, *, number: str) -> Why | None:
    """Return why nobody may call a number, by the longest prefix on the list; None: the list is silent.

    That every number is barred comes before all else.
    """
    digits = number.removeprefix("+")
    prefixes = [digits[:length] for length in range(len(digits) + 1)]
    found = session.execute(
        select(BarredPrefixRow.kind)
        .where(BarredPrefixRow.prefix.in_(prefixes))
        .order_by((BarredPrefixRow.prefix == EVERYTHING).desc(), func.length(BarredPrefixRow.prefix).desc())
        .limit(1)
    ).scalar()
    return Why(found) if found else None
