"""Giving money back, step by step: asked for, decided, asked of the provider, told how it went."""

import datetime as dt
from uuid import UUID

from billing import safety
from billing.payments import refunds
from billing.payments.refunds import Refund, Standing
from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from security.gate import Kind, Scope
from tenants import companies
from wiring import collecting
from wiring.collecting import Means

_AFTER = dt.timedelta(minutes=10)


def ask(
    means: Means,
    *,
    tenant_id: TenantId,
    payment_id: UUID,
    refund_id: UUID,
    amount_minor: int,
    reason: str,
    by: UUID,
) -> Refund:
    """Give money back, or, above the limit, have it wait for a second person; once for the form's id.

    Raises:
        RefundTooLargeError: more than is left of the payment.
        RefundReasonError: no reason, or a long one.
        RefundAskedError: it was asked for before, over another amount.
        ProviderAwayError: it is approved, and made as soon as the provider answers.
    """
    with means.gate.open(Scope.system(OPERATOR)) as session:
        rules = safety.usual(session)
    with means.gate.open(Scope(tenant_id, by, Kind.SYSTEM)) as session:
        found = refunds.ask(
            session,
            tenant_id=tenant_id,
            payment_id=payment_id,
            refund_id=refund_id,
            amount_minor=amount_minor,
            reason=reason,
            by=by,
            safety=rules,
        )
    return _carry_out(means, tenant_id, found, by)


def approve(means: Means, *, tenant_id: TenantId, refund_id: UUID, by: UUID) -> Refund:
    """Let a refund be made that somebody else has asked for, and make it.

    Raises:
        RefundDecidedError: it was refused.
        SecondPersonError: who asked for it cannot decide it.
        ProviderAwayError: it is approved, and made as soon as the provider answers.
    """
    with means.gate.open(Scope(tenant_id, by, Kind.SYSTEM)) as session:
        found = refunds.approve(session, tenant_id=tenant_id, refund_id=refund_id, by=by)
    return _carry_out(means, tenant_id, found, by)


def sweep(means: Means) -> None:
    """Make the refunds that were approved and cut off.

    Raises:
        SeatlineError: one could not be made; the others were.
    """
    if not means.payments.is_connected:
        return
    trouble: SeatlineError | None = None
    with means.gate.open(Scope.system(OPERATOR)) as session:
        clients = companies.clients(session)
    for client in clients:
        with means.gate.open(Scope.system(client.tenant_id)) as session:
            waiting = refunds.every(
                session,
                tenant_id=client.tenant_id,
                standings=(Standing.APPROVED,),
                asked_before=clock.now() - _AFTER,
            )
        for one in waiting:
            try:
                _carry_out(means, client.tenant_id, one, one.decided_by or one.asked_by)
            except SeatlineError as error:
                trouble = error
    if trouble:
        raise trouble


def _carry_out(means: Means, tenant_id: TenantId, found: Refund, by: UUID) -> Refund:
    if found.standing is not Standing.APPROVED:
        return found
    collecting.refund(
        means,
        tenant_id=tenant_id,
        payment_id=found.payment_id,
        amount_minor=found.amount_minor,
        refund_id=found.refund_id,
        by=by,
    )
    with means.gate.open(Scope.system(tenant_id)) as session:
        return next(
            one
            for one in refunds.every(session, tenant_id=tenant_id, payment_id=found.payment_id)
            if one.refund_id == found.refund_id
        )
