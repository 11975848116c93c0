"""Giving money back: asked for by one of the staff, above a limit decided by another, then told how it went.

A refund is of a payment, of a top-up, or a transfer: money of a wallet that our bank sends back, of no
payment in particular. Its id is made with the form that asks for it, so a form sent twice gives back once.
What waits for a second person is kept from being given back by somebody else meanwhile. The provider makes it
(`wiring.refunding`); the ledger books it (`billing.payments.attempts`, and `billing.payments.top_ups` of a
top-up).

What is given back of a top-up leaves the wallet when it is approved, so nobody spends it meanwhile; what is
reserved there, or spent, cannot be given back. Where the provider refuses, or nobody takes it, it comes
back into the wallet. A transfer leaves the wallet when it is asked for: refused, it is there again.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from billing import ledger, wallets
from billing.errors import (
    PaymentNotFoundError,
    RefundAskedError,
    RefundDecidedError,
    RefundReasonError,
    RefundTooLargeError,
    SecondPersonError,
    WalletNotFoundError,
    WalletShortError,
)
from billing.ledger import BANK, CLEARING, GOING_BACK, Posting
from billing.models import RefundRow
from billing.payments import attempts, top_ups
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
    """One refund, of a payment, of a top-up, or (of neither) by transfer."""

    refund_id: UUID
    payment_id: PaymentId | None
    top_up_id: PaymentId | None
    amount_minor: int
    currency: str
    reason: str
    standing: Standing
    needs_second: bool
    asked_by: UUID
    asked_at: dt.datetime
    decided_by: UUID | None
    decided_at: dt.datetime | None

    @property
    def is_transfer(self) -> bool:
        """Whether our bank sends it, of no payment in particular."""
        return self.payment_id is None and self.top_up_id is None


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    payment_id: UUID | None = None,
    top_up_id: UUID | None = None,
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
        payment_id: what to give back of,
        top_up_id: or the top-up; one of the two.
        refund_id: names the refund for ever; made with the form.
        amount_minor: how much.
        reason: 1 to 400 signs.
        by: who asks.
        safety: says above what somebody else has to decide.

    Raises:
        PaymentNotFoundError: no such payment, or the form was for another one.
        TopUpNotFoundError: no such top-up.
        WalletShortError: so much of the top-up does not lie in the wallet, or is reserved.
        RefundReasonError: no reason, or a long one.
        RefundTooLargeError: more than is left, less what waits for a second person; or it was never paid.
        RefundAskedError: that form asked for another amount before.
    """
    of = _of(session, tenant_id, payment_id=payment_id, top_up_id=top_up_id)
    before = session.get(RefundRow, (tenant_id, refund_id), populate_existing=True)
    if before is not None:
        if (before.payment_id, before.top_up_id) != (payment_id, top_up_id):
            raise PaymentNotFoundError
        if before.amount_minor != amount_minor:
            raise RefundAskedError(asked_minor=before.amount_minor)
        return _refund(before)
    said = reason.strip()
    if not 0 < len(said) <= _LONGEST:
        raise RefundReasonError
    if not of.is_paid or not 0 < amount_minor <= of.left_minor:
        raise RefundTooLargeError(left_minor=of.left_minor)
    if top_up_id is not None and amount_minor > in_wallet(session, tenant_id=tenant_id):
        raise WalletShortError
    needs_second = safety.needs_second(amount_minor, currency=of.currency, by=by)
    row = RefundRow(
        tenant_id=tenant_id,
        id=refund_id,
        payment_id=payment_id,
        top_up_id=top_up_id,
        amount_minor=amount_minor,
        currency=of.currency,
        reason=said,
        standing=Standing.WAITING.value,
        needs_second=needs_second,
        asked_by=by,
        asked_at=clock.now(),
    )
    session.add(row)
    session.flush()
    if needs_second:
        _witness(session, row, "refund-waits")
    else:
        _approve(session, row)
    return _refund(row)


def ask_transfer(
    session: Session,
    *,
    tenant_id: TenantId,
    refund_id: UUID,
    amount_minor: int,
    reason: str,
    by: UUID,
    safety: Safety = USUAL,
) -> Refund:
    """Give money of a wallet back by transfer; above the limit it is kept aside until somebody else decides.

    Args:
        session: in the company's context, opened by who asks: the evidence log names them.
        tenant_id: whose wallet.
        refund_id: names the refund for ever; made with the form.
        amount_minor: how much.
        reason: 1 to 400 signs.
        by: who asks.
        safety: says above what somebody else has to decide.

    Raises:
        WalletNotFoundError: it pays by invoice.
        WalletAmountError: nothing, or too much.
        WalletShortError: more than lies there unreserved.
        RefundReasonError: no reason, or a long one.
        RefundAskedError: that form asked for something else before.
    """
    wallet = wallets.find(session, tenant_id=tenant_id, lock=True)
    if wallet is None:
        raise WalletNotFoundError
    before = session.get(RefundRow, (tenant_id, refund_id), populate_existing=True)
    if before is not None:
        if not _is_transfer(before) or before.amount_minor != amount_minor:
            raise RefundAskedError(asked_minor=before.amount_minor)
        return _refund(before)
    said = reason.strip()
    if not 0 < len(said) <= _LONGEST:
        raise RefundReasonError
    needs_second = safety.needs_second(amount_minor, currency=wallet.currency, by=by)
    is_new = wallets.withdraw(
        session,
        tenant_id=tenant_id,
        key=top_ups.kept_key(refund_id) if needs_second else _sent_key(refund_id),
        amount_minor=amount_minor,
        source=GOING_BACK if needs_second else BANK,
        at=clock.now(),
    )
    if not is_new:  # the form has put money in
        raise RefundAskedError(asked_minor=amount_minor)
    row = RefundRow(
        tenant_id=tenant_id,
        id=refund_id,
        amount_minor=amount_minor,
        currency=wallet.currency,
        reason=said,
        standing=(Standing.WAITING if needs_second else Standing.MADE).value,
        needs_second=needs_second,
        asked_by=by,
        asked_at=clock.now(),
    )
    session.add(row)
    session.flush()
    _witness(session, row, "waits" if needs_second else "made")
    return _refund(row)


def approve(session: Session, *, tenant_id: TenantId, refund_id: UUID, by: UUID) -> Refund:
    """Let a refund be made that somebody else has asked for; a second time changes nothing.

    Raises:
        PaymentNotFoundError: no such refund.
        RefundDecidedError: it was refused.
        SecondPersonError: who asked for it cannot decide it.
        RefundTooLargeError: less is left of the payment by now.
        WalletShortError: of a top-up, less lies in the wallet by now.
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
    if _is_transfer(row):
        wallets.put_again(
            session,
            tenant_id=tenant_id,
            key=top_ups.kept_key(row.id),
            undone=top_ups.REFUSED,
            payment_id=None,
        )
    row.standing, row.decided_by, row.decided_at = Standing.REFUSED.value, by, clock.now()
    session.flush()
    _witness(session, row, "refused" if _is_transfer(row) else "refund-refused")
    return _refund(row)


def bounced(session: Session, *, tenant_id: TenantId, refund_id: UUID) -> Refund:
    """Put the money of a refund back into the wallet that the provider would not make; once."""
    row = _row(session, tenant_id, refund_id)
    if row.top_up_id is not None and row.standing == Standing.APPROVED:
        wallets.put_again(
            session,
            tenant_id=tenant_id,
            key=top_ups.kept_key(row.id),
            undone=top_ups.REFUSED,
            payment_id=row.top_up_id,
        )
        row.standing = Standing.CAME_BACK.value
        session.flush()
        _witness(session, row, "refund-came-back")
    return _refund(row)


def left_of(session: Session, *, tenant_id: TenantId, payment_id: UUID) -> int:
    """Return how much of a payment nobody has given back, or asked to; minor units."""
    left = attempts.left_of(session, tenant_id=tenant_id, payment_id=payment_id)
    return left - _promised(session, tenant_id, RefundRow.payment_id == payment_id)


def left_of_top_up(session: Session, *, tenant_id: TenantId, top_up_id: UUID) -> int:
    """Return how much of a top-up nobody has given back, taken back or asked to; minor units.

    How much of it still lies in the wallet is `in_wallet`.
    """
    moved = ledger.of_payment(session, tenant_id=tenant_id, payment_id=top_up_id)
    there = sum(
        side.amount_minor
        for journal in moved
        if journal.kind != "fee"
        for side in journal.postings
        if side.account == CLEARING
    )
    return there - _promised(session, tenant_id, RefundRow.top_up_id == top_up_id)


def in_wallet(session: Session, *, tenant_id: TenantId) -> int:
    """Return how much lies in the wallet and is not reserved, rounded down; never credit. Minor units."""
    found = wallets.find(session, tenant_id=tenant_id)
    if found is None:
        return 0
    return max(0, found.balance_nano - found.reserved_nano) // wallets.nano(1, found.currency)


def find(session: Session, *, tenant_id: TenantId, refund_id: UUID) -> Refund:
    """Return a refund.

    Raises:
        PaymentNotFoundError: no such refund.
    """
    row = session.get(RefundRow, (tenant_id, refund_id), populate_existing=True)
    if row is None:
        raise PaymentNotFoundError
    return _refund(row)


def every(
    session: Session,
    *,
    tenant_id: TenantId,
    standings: Sequence[Standing] = tuple(Standing),
    payment_id: UUID | None = None,
    top_up_id: UUID | None = None,
    asked_before: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> tuple[Refund, ...]:
    """Return a company's refunds, newest first; going on before a refund's id."""
    asked = select(RefundRow).where(RefundRow.tenant_id == tenant_id, RefundRow.standing.in_(standings))
    if payment_id is not None:
        asked = asked.where(RefundRow.payment_id == payment_id)
    if top_up_id is not None:
        asked = asked.where(RefundRow.top_up_id == top_up_id)
    if asked_before is not None:
        asked = asked.where(RefundRow.asked_at < asked_before)
    if before is not None:
        asked = asked.where(RefundRow.id < before)
    return tuple(_refund(row) for row in session.scalars(asked.order_by(RefundRow.id.desc()).limit(limit)))


@dataclass(frozen=True, slots=True)
class _Of:
    """What is given back of: a payment or a top-up."""

    currency: str
    is_paid: bool
    left_minor: int


def _of(session: Session, tenant_id: TenantId, *, payment_id: UUID | None, top_up_id: UUID | None) -> _Of:
    """Return what to give back of, held until the transaction ends."""
    if top_up_id is not None:
        wallets.automatic(session, tenant_id=tenant_id, lock=True)
        found = top_ups.find(session, tenant_id=tenant_id, top_up_id=top_up_id)
        left = left_of_top_up(session, tenant_id=tenant_id, top_up_id=top_up_id)
        return _Of(found.currency, found.state is State.SUCCEEDED, left)
    if payment_id is None:
        raise PaymentNotFoundError
    payment = attempts.find(session, tenant_id=tenant_id, payment_id=payment_id, lock=True)
    left = left_of(session, tenant_id=tenant_id, payment_id=payment_id)
    return _Of(payment.currency, payment.state is State.SUCCEEDED, left)


def _promised(session: Session, tenant_id: TenantId, of: ColumnElement[bool]) -> int:
    """Return what waits for a second person or is on its way, of one payment or top-up."""
    promised = select(func.sum(RefundRow.amount_minor)).where(
        RefundRow.tenant_id == tenant_id,
        of,
        RefundRow.standing.in_([Standing.WAITING.value, Standing.APPROVED.value]),
    )
    return int(session.scalar(promised) or 0)


def _approve(session: Session, row: RefundRow) -> None:
    tenant_id = TenantId(row.tenant_id)
    if _is_transfer(row):
        _send(session, row, tenant_id)
        return
    if row.top_up_id is not None:
        _keep(session, row, tenant_id)
    elif row.payment_id is not None:
        attempts.ask_refund(
            session,
            tenant_id=tenant_id,
            payment_id=row.payment_id,
            amount_minor=row.amount_minor,
            refund_id=row.id,
        )
    row.standing = Standing.APPROVED.value
    session.flush()


def _keep(session: Session, row: RefundRow, tenant_id: TenantId) -> None:
    """Take what goes back of a top-up out of the wallet, so that nobody spends it meanwhile."""
    if row.top_up_id is None:
        return
    top_ups.stop_given_back(session, tenant_id=tenant_id, amount_minor=row.amount_minor)
    wallets.withdraw(
        session,
        tenant_id=tenant_id,
        key=top_ups.kept_key(row.id),
        amount_minor=row.amount_minor,
        source=GOING_BACK,
        at=clock.now(),
        payment_id=row.top_up_id,
    )
    _witness(session, row, "refund-asked")


def _send(session: Session, row: RefundRow, tenant_id: TenantId) -> None:
    """Book that our bank sends what was kept aside for a transfer."""
    ledger.post(
        session,
        tenant_id=tenant_id,
        key=_sent_key(row.id),
        kind="withdrawal",
        effective_at=clock.now(),
        postings=[
            Posting(GOING_BACK, row.amount_minor, row.currency),
            Posting(BANK, -row.amount_minor, row.currency),
        ],
    )
    row.standing = Standing.MADE.value
    session.flush()
    _witness(session, row, "made")


def _is_transfer(row: RefundRow) -> bool:
    return row.payment_id is None and row.top_up_id is None


def _sent_key(refund_id: UUID) -> str:
    """Return what the ledger calls a transfer; the form's key is the same for money that came."""
    return f"transfer:{refund_id}"


def _witness(session: Session, row: RefundRow, action: str) -> None:
    room, prefix, of = (
        ("payment", "pay", row.payment_id) if row.payment_id else ("top-up", "top", row.top_up_id)
    )
    if of is None:
        room, prefix, of = "wallet", "ref", row.id
        action = f"transfer-{action}"
    evidence.record(
        session,
        f"{room}.{action}",
        prefix,
        of,
        amount_minor=row.amount_minor,
        currency=row.currency,
        refund=ids.public("ref", row.id),
    )


def _row(session: Session, tenant_id: TenantId, refund_id: UUID) -> RefundRow:
    seen = session.get(RefundRow, (tenant_id, refund_id))
    if seen is not None and seen.payment_id is None:
        wallets.automatic(session, tenant_id=tenant_id, lock=True)  # the wallet first, as everybody does
    row = session.get(RefundRow, (tenant_id, refund_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise PaymentNotFoundError
    return row


def _refund(row: RefundRow) -> Refund:
    return Refund(
        refund_id=row.id,
        payment_id=PaymentId(row.payment_id) if row.payment_id else None,
        top_up_id=PaymentId(row.top_up_id) if row.top_up_id else None,
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
