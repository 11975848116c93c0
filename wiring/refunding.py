"""Giving money back, step by step: asked for, decided, asked of the provider, told how it went."""

import datetime as dt
from uuid import UUID

from billing import safety
from billing.errors import ProviderRefusesError
from billing.payments import refunds, top_ups
from billing.payments.refunds import Refund, Standing
from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, PaymentId, TenantId
from security.gate import Kind, Scope
from tenants import companies
from wiring import collecting
from wiring.collecting import Means

_AFTER = dt.timedelta(minutes=10)


def ask(
    means: Means,
    *,
    tenant_id: TenantId,
    payment_id: UUID | None = None,
    top_up_id: UUID | None = None,
    refund_id: UUID,
    amount_minor: int,
    reason: str,
    by: UUID,
) -> Refund:
    """Give money of a payment or a top-up back, or, above the limit, have it wait for a second person.

    Once for the form's id.

    Raises:
        RefundTooLargeError: more than is left of it.
        WalletShortError: so much of the top-up does not lie in the wallet, or is reserved.
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
            top_up_id=top_up_id,
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
    if found.top_up_id is not None:
        return _of_top_up(means, tenant_id, found, found.top_up_id)
    if found.payment_id is not None:
        collecting.refund(
            means,
            tenant_id=tenant_id,
            payment_id=found.payment_id,
            amount_minor=found.amount_minor,
            refund_id=found.refund_id,
            by=by,
        )
    return _again(means, tenant_id, found)


def _of_top_up(means: Means, tenant_id: TenantId, found: Refund, top_up_id: PaymentId) -> Refund:
    """Give back what a wallet has kept for it; where the provider refuses, the wallet has it again.

    The provider is asked first whether it was made: a key of its own may be forgotten by then.
    """
    with means.gate.open(Scope.system(tenant_id)) as session:
        top_up = top_ups.find(session, tenant_id=tenant_id, top_up_id=top_up_id)
    try:
        remote = means.payments.payment(top_up.remote_id)
        if found.refund_id not in {one.refund_id for one in remote.refunds}:
            remote = means.payments.refund(
                top_up.remote_id,
                payment_id=top_up_id,
                amount_minor=found.amount_minor,
                refund_id=found.refund_id,
            )
    except ProviderRefusesError:
        with means.gate.open(Scope.system(tenant_id)) as session:
            return refunds.bounced(session, tenant_id=tenant_id, refund_id=found.refund_id)
    with means.gate.open(Scope.system(tenant_id)) as session:
        top_ups.record(session, tenant_id=tenant_id, top_up_id=top_up_id, remote=remote)
    return _again(means, tenant_id, found)


def _again(means: Means, tenant_id: TenantId, found: Refund) -> Refund:
    with means.gate.open(Scope.system(tenant_id)) as session:
        return refunds.find(session, tenant_id=tenant_id, refund_id=found.refund_id)
