"""Giving money back: asked for by one of the staff, above a limit decided by another, then told how it went.

A refund's id is made with the form that asks for it, so a form sent twice gives back once. What waits for a
second person is kept from being given back by somebody else meanwhile. The provider makes it
(`wiring.refunding`); the ledger books it (`billing.payments.attempts`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.errors import (
    PaymentNotFoundError,
    RefundAskedError,
    RefundDecidedError,
    RefundReasonError,
    RefundTooLargeError,
    SecondPersonError,
)
from billing.models import RefundRow
from billing.payments import attempts
from billing.payments.port import State
from billing.safety import USUAL, Safety
from core import clock, ids
from core.ids import PaymentId, TenantId
from security import evidence

_LONGEST = 400


class Standing(StrEnum):
    """Where a refund stands."""

    WAITING = "waiting"  # for a second person
    REFUSED = "refused"
    APPROVED = "approved"  # on its way to the provider
    MADE = "made"
    CAME_BACK = "came-back"  # nobody took it; the money is with us again


# what its company is told of; what waits for a second person, or was refused, is the staff's own affair
TOLD = (Standing.APPROVED, Standing.MADE, Standing.CAME_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One refund."""

    refund_id: UUID
    payment_id: PaymentId
    amount_minor: int
    currency: str
    reason: str
    standing: Standing
    needs_second: bool
    asked_by: UUID
    asked_at: dt.datetime
    decided_by: UUID | None
    decided_at: dt.datetime | None


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    payment_id: UUID,
    refund_id: UUID,
    amount_minor: int,
    reason: str,
    by: UUID,
    safety: Safety = USUAL,
) -> Refund:
    """Ask to give money back; up to the limit it is approved at once, above it waits for a second person.

    Args:
        session: in the company's context, opened by who asks: the evidence log names them.
        tenant_id: the client company.
        payment_id: what to give back of.
        refund_id: names the refund for ever; made with the form.
        amount_minor: how much.
        reason: 1 to 400 signs.
        by: who asks.
        safety: says above what somebody else has to decide.

    Raises:
        PaymentNotFoundError: no such payment, or the form was for another one.
        RefundReasonError: no reason, or a long one.
        RefundTooLargeError: more than is left, less what waits for a second person; or it was never paid.
        RefundAskedError: that form asked for another amount before.
    """
    payment = attempts.find(session, tenant_id=tenant_id, payment_id=payment_id, lock=True)
    before = session.get(RefundRow, (tenant_id, refund_id), populate_existing=True)
    if before is not None:
        if before.payment_id != payment.payment_id:
            raise PaymentNotFoundError
        if before.amount_minor != amount_minor:
            raise RefundAskedError(asked_minor=before.amount_minor)
        return _refund(before)
    said = reason.strip()
    if not 0 < len(said) <= _LONGEST:
        raise RefundReasonError
    left = left_of(session, tenant_id=tenant_id, payment_id=payment_id)
    if payment.state is not State.SUCCEEDED or not 0 < amount_minor <= left:
        raise RefundTooLargeError(left_minor=left)
    needs_second = safety.needs_second(amount_minor, currency=payment.currency, by=by)
    row = RefundRow(
        tenant_id=tenant_id,
        id=refund_id,
        payment_id=payment.payment_id,
        amount_minor=amount_minor,
        currency=payment.currency,
        reason=said,
        standing=Standing.WAITING.value,
        needs_second=needs_second,
        asked_by=by,
        asked_at=clock.now(),
    )
    session.add(row)
    session.flush()
    if needs_second:
        _witness(session, row, "payment.refund-waits")
    else:
        _approve(session, row)
    return _refund(row)


def approve(session: Session, *, tenant_id: TenantId, refund_id: UUID, by: UUID) -> Refund:
    """Let a refund be made that somebody else has asked for; a second time changes nothing.

    Raises:
        PaymentNotFoundError: no such refund.
        RefundDecidedError: it was refused.
        SecondPersonError: who asked for it cannot decide it.
        RefundTooLargeError: less is left of the payment by now.
    """
    row = _row(session, tenant_id, refund_id)
    if row.standing == Standing.REFUSED:
        raise RefundDecidedError
    if row.standing != Standing.WAITING:
        return _refund(row)
    if row.asked_by == by:
        raise SecondPersonError
    row.decided_by, row.decided_at = by, clock.now()
    _approve(session, row)
    return _refund(row)


def refuse(session: Session, *, tenant_id: TenantId, refund_id: UUID, by: UUID) -> Refund:
    """Refuse a refund that waits, or take one's own back.

    Raises:
        PaymentNotFoundError: no such refund.
        RefundDecidedError: it is decided already.
    """
    row = _row(session, tenant_id, refund_id)
    if row.standing != Standing.WAITING:
        raise RefundDecidedError
    row.standing, row.decided_by, row.decided_at = Standing.REFUSED.value, by, clock.now()
    session.flush()
    _witness(session, row, "payment.refund-refused")
    return _refund(row)


def left_of(session: Session, *, tenant_id: TenantId, payment_id: UUID) -> int:
    """Return how much of a payment nobody has given back, or asked to; minor units."""
    promised = select(func.sum(RefundRow.amount_minor)).where(
        RefundRow.tenant_id == tenant_id,
        RefundRow.payment_id == payment_id,
        RefundRow.standing.in_([Standing.WAITING.value, Standing.APPROVED.value]),
    )
    left = attempts.left_of(session, tenant_id=tenant_id, payment_id=payment_id)
    return left - int(session.scalar(promised) or 0)


def every(
    session: Session,
    *,
    tenant_id: TenantId,
    standings: Sequence[Standing] = tuple(Standing),
    payment_id: UUID | None = None,
    asked_before: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> tuple[Refund, ...]:
    """Return a company's refunds, newest first; going on before a refund's id."""
    asked = select(RefundRow).where(RefundRow.tenant_id == tenant_id, RefundRow.standing.in_(standings))
    if payment_id is not None:
        asked = asked.where(RefundRow.payment_id == payment_id)
    if asked_before is not None:
        asked = asked.where(RefundRow.asked_at < asked_before)
    if before is not None:
        asked = asked.where(RefundRow.id < before)
    return tuple(_refund(row) for row in session.scalars(asked.order_by(RefundRow.id.desc()).limit(limit)))


def _approve(session: Session, row: RefundRow) -> None:
    attempts.ask_refund(
        session,
        tenant_id=TenantId(row.tenant_id),
        payment_id=row.payment_id,
        amount_minor=row.amount_minor,
        refund_id=row.id,
    )
    row.standing = Standing.APPROVED.value
    session.flush()


def _witness(session: Session, row: RefundRow, action: str) -> None:
    evidence.record(
        session,
        action,
        "pay",
        row.payment_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        refund=ids.public("ref", row.id),
    )


def _row(session: Session, tenant_id: TenantId, refund_id: UUID) -> RefundRow:
    row = session.get(RefundRow, (tenant_id, refund_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise PaymentNotFoundError
    return row


def _refund(row: RefundRow) -> Refund:
    return Refund(
        refund_id=row.id,
        payment_id=PaymentId(row.payment_id),
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        standing=Standing(row.standing),
        needs_second=row.needs_second,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
