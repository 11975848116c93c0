"""Safety: what a bill may come to before somebody looks, and above what a second person decides.

A bill that leaves its account's bounds is not finalised: it is *held*, and the operator decides: draft it
anew once what is wrong is put right, or release it as it stands, with a reason; above a limit that takes two
people. Source: Kill Bill's safety bounds: rather park an account than bill wrongly.

The operator's own row says what holds for everybody, a company's what holds for it instead.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import accounts
from billing.errors import (
    BillHeldError,
    BillNotHeldError,
    CreditReasonError,
    SafetyInvalidError,
    SecondPersonError,
)
from billing.models import BillHoldRow, InvoiceRow, SafetyRow
from core import clock
from core.ids import OPERATOR, TenantId
from core.money import exponent
from security import evidence

MILLI = 1000
LONGEST_REASON = 400
# bills before this one that its mean is taken of, and how few make none
_TRAILING, _FEWEST = 6, 3
_ORDINARY = 500
_MOST_TIMES_MILLI = 1000 * MILLI
_MOST = 10**9
# Kill Bill's default, for each day and subscription
LINES_A_DAY = 15
_MOST_LINES_A_DAY = 1000


@dataclass(frozen=True, slots=True)
class Safety:
    """What a bill may come to, and above what two people decide.

    Attributes:
        second_above: whole units of the currency; above, one person asks and another decides.
        times_milli: thousandths of the mean of the bills before that a bill may reach.
        most: whole units of the currency that no bill may pass, with tax; None: no such bound.
        set_by: who set it.
        lines_a_day: how many lines a bill may have for each day of its period. Lines gather what is alike, so
            more of them are most likely one thing that was written down again and again.
    """

    second_above: int = _ORDINARY
    times_milli: int = 10 * MILLI
    most: int | None = None
    set_by: UUID | None = None
    lines_a_day: int = LINES_A_DAY

    def limit(self, by: UUID | None = None) -> int:
        """Return up to how many units somebody decides alone; who raised the limit gains nothing by it."""
        return self.second_above if by is None or by != self.set_by else min(self.second_above, _ORDINARY)

    def needs_second(self, amount_minor: int, *, currency: str, by: UUID | None = None) -> bool:
        """Return whether an amount takes two people."""
        return abs(amount_minor) > self.limit(by) * int(10 ** exponent(currency))


USUAL = Safety()


class Reason(StrEnum):
    """Why a bill is held."""

    NEGATIVE = "negative"
    TOO_MANY_LINES = "too-many-lines"
    ABOVE_MOST = "above-most"
    ABOVE_MEAN = "above-mean"


@dataclass(frozen=True, slots=True)
class Outside:
    """How a bill leaves its bounds; minor units. Of too many lines, how many it has and may have."""

    reason: Reason
    total_minor: int
    bound_minor: int
    lines: int | None = None
    most_lines: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A bill that is held; `asked_by` is there once somebody would release it."""

    invoice_id: UUID
    outside: Outside
    held_at: dt.datetime
    needs_second: bool
    why: str
    asked_by: UUID | None


def find(session: Session, *, tenant_id: TenantId, usual: Safety = USUAL) -> Safety:
    """Return what holds for a company, or (in the operator's own context) for everybody."""
    row = session.get(SafetyRow, (tenant_id,))
    if row is None:
        return usual
    if row.second_above is None:  # a company's own bounds, under everybody's limit
        return replace(usual, times_milli=row.times_milli, most=row.most, lines_a_day=row.lines_a_day)
    return Safety(row.second_above, row.times_milli, row.most, row.set_by, row.lines_a_day)


def usual(session: Session) -> Safety:
    """Return what holds for everybody, in the operator's own context."""
    return find(session, tenant_id=OPERATOR)


def change(session: Session, *, tenant_id: TenantId, safety: Safety, by: UUID) -> None:
    """Set what holds for a company, or (in the operator's own context) for everybody.

    Raises:
        SafetyInvalidError: bounds that let nothing through, or cannot be.
    """
    if not MILLI <= safety.times_milli <= _MOST_TIMES_MILLI or not 0 <= safety.second_above <= _MOST:
        raise SafetyInvalidError
    if safety.most is not None and not 0 < safety.most <= _MOST:
        raise SafetyInvalidError
    if not 0 < safety.lines_a_day <= _MOST_LINES_A_DAY:
        raise SafetyInvalidError
    said = {
        # two people are wanted by the operator's own rules alone, whatever a company's bounds are
        "second_above": safety.second_above if tenant_id == OPERATOR else None,
        "times_milli": safety.times_milli,
        "most": safety.most,
        "lines_a_day": safety.lines_a_day,
        "set_at": clock.now(),
        "set_by": by,
    }
    put = insert(SafetyRow).values(tenant_id=tenant_id, **said)
    session.execute(put.on_conflict_do_update(index_elements=["tenant_id"], set_=said))
    evidence.record(
        session,
        "safety.set",
        "ten",
        tenant_id,
        times=f"{safety.times_milli / MILLI:g}",
        most=str(safety.most or ""),
        second=str(safety.second_above),
        lines=str(safety.lines_a_day),
    )


def judge(
    session: Session,
    *,
    tenant_id: TenantId,
    total_minor: int,
    currency: str,
    lines: int,
    days: int,
    before: dt.datetime,
    by: Safety,
) -> Outside | None:
    """Return how a bill leaves its bounds, or None: it is within them.

    What two people need not look at is never held for being above the mean, so that a company of small bills
    may have a larger one.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        total_minor: with tax.
        currency: of the bill.
        lines: how many it has.
        days: of its period.
        before: the beginning of its period.
        by: what holds for the company.
    """
    totals = session.scalars(
        select(InvoiceRow.total_minor)
        .where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.state == "finalised",
            InvoiceRow.currency == currency,
            InvoiceRow.period_start < before,
        )
        .order_by(InvoiceRow.period_start.desc())
        .limit(_TRAILING)
    ).all()
    return weigh(total_minor, totals, currency=currency, lines=lines, days=days, by=by)


def weigh(
    total_minor: int, earlier: Sequence[int], *, currency: str, lines: int, days: int, by: Safety
) -> Outside | None:
    """Return how a bill leaves its bounds beside the latest ones before it, or None; pure.

    Lines: at 15 a day a bill of October has at most 465.
    """
    if total_minor < 0:
        return Outside(Reason.NEGATIVE, total_minor, 0)
    most_lines = by.lines_a_day * days
    if lines > most_lines:
        return Outside(Reason.TOO_MANY_LINES, total_minor, 0, lines, most_lines)
    unit = 10 ** exponent(currency)
    if by.most is not None and total_minor > by.most * unit:
        return Outside(Reason.ABOVE_MOST, total_minor, by.most * unit)
    if not by.needs_second(total_minor, currency=currency) or len(earlier) < _FEWEST:
        return None
    bound = sum(earlier) * by.times_milli // (len(earlier) * MILLI)
    return Outside(Reason.ABOVE_MEAN, total_minor, bound) if total_minor > bound else None


def insist(session: Session, *, tenant_id: TenantId, invoice_id: UUID, outside: Outside | None) -> None:
    """Insist that a bill is within its bounds, or was released as it stands.

    Raises:
        BillHeldError: neither.
    """
    if outside is None:
        return
    row = session.get(BillHoldRow, (tenant_id, invoice_id), populate_existing=True)
    as_it_stood = (outside.total_minor, outside.lines)
    if row is None or row.released_at is None or (row.total_minor, row.lines) != as_it_stood:
        raise BillHeldError(
            invoice_id=invoice_id, reason=outside.reason.value, bound_minor=outside.bound_minor
        )


def hold(session: Session, *, tenant_id: TenantId, invoice_id: UUID, outside: Outside) -> None:
    """Note that a bill is held, and why; a second time changes nothing."""
    fresh = session.execute(
        insert(BillHoldRow)
        .values(
            tenant_id=tenant_id,
            invoice_id=invoice_id,
            reason=outside.reason.value,
            total_minor=outside.total_minor,
            bound_minor=outside.bound_minor,
            lines=outside.lines,
            most_lines=outside.most_lines,
            held_at=clock.now(),
            needs_second=False,
            why="",
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "invoice_id"])
        .returning(BillHoldRow.invoice_id)
    ).scalar_one_or_none()
    counted = (
        {}
        if outside.lines is None or outside.most_lines is None
        else {"lines": outside.lines, "most_lines": outside.most_lines}
    )
    if fresh is not None:
        evidence.record(
            session,
            "bill.held",
            "inv",
            invoice_id,
            purpose="",
            why=outside.reason.value,
            total_minor=outside.total_minor,
            bound_minor=outside.bound_minor,
            **counted,
        )


def release(
    session: Session, *, tenant_id: TenantId, invoice_id: UUID, why: str, by: UUID, safety: Safety
) -> bool:
    """Let a held bill be finalised as it stands; return whether it may be now, or waits for a second person.

    Raises:
        BillNotHeldError: no such bill is held.
        CreditReasonError: no reason, or a long one.
        SecondPersonError: who asked for it cannot decide it.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    row = session.get(BillHoldRow, (tenant_id, invoice_id), with_for_update=True, populate_existing=True)
    if row is None or row.released_at is not None:
        raise BillNotHeldError
    if row.asked_by is None:
        if not 0 < len(why.strip()) <= LONGEST_REASON:
            raise CreditReasonError
        row.why, row.asked_by = why.strip(), by
        row.needs_second = safety.needs_second(row.total_minor, currency=account.currency, by=by)
        if row.needs_second:
            session.flush()
            evidence.record(session, "bill.release-asked", "inv", invoice_id, total_minor=row.total_minor)
            return False
    elif row.asked_by == by:
        raise SecondPersonError
    row.released_at, row.released_by = clock.now(), by
    session.flush()
    evidence.record(session, "bill.released", "inv", invoice_id, total_minor=row.total_minor)
    return True


def held(session: Session, *, tenant_id: TenantId) -> tuple[Hold, ...]:
    """Return the drafts of a company that are held and not released, oldest first."""
    rows = session.execute(
        select(BillHoldRow)
        .join(
            InvoiceRow,
            (InvoiceRow.tenant_id == BillHoldRow.tenant_id) & (InvoiceRow.id == BillHoldRow.invoice_id),
        )
        .where(
            BillHoldRow.tenant_id == tenant_id,
            BillHoldRow.released_at.is_(None),
            InvoiceRow.state == "draft",
        )
        .order_by(BillHoldRow.held_at)
    ).scalars()
    return tuple(
        Hold(
            row.invoice_id,
            Outside(Reason(row.reason), row.total_minor, row.bound_minor, row.lines, row.most_lines),
            row.held_at,
            row.needs_second,
            row.why,
            row.asked_by,
        )
        for row in rows
    )
