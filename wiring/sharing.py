"""Calls with two payers: from one company's walls into the other's.

A transaction has one tenant. What the other payer owes is read in the one's, with its account held so that
nobody rates its calls again meanwhile, and charged in a second transaction, the other's, which commits first:
cut off between the two, the first is done again and finds that it is known.
"""

import datetime as dt
from typing import Protocol

from billing import accounts, sharing
from billing.events import CallsShared, CostShareAgreed
from billing.rating.shares import Share
from billing.sharing import Agreed, Took
from core import log
from core.ids import TenantId, UserId
from security.gate import Gate, Kind, Scope

_log = log.get(__name__)


class Means(Protocol):
    """What this takes of the house."""

    @property
    def gate(self) -> Gate:
        """The way into a company's walls."""


def agree(
    means: Means,
    *,
    tenant_id: TenantId,
    other_id: TenantId,
    agreed: tuple[Share, ...],
    start: dt.datetime,
    by: UserId,
) -> Agreed:
    """Let another company pay a part of a company's calls from an instant on; without shares, end that.

    Raises:
        CostSharePayerError: the other company cannot pay.
        CostShareInvalidError: shares that cannot be, or a start in the past.
        TariffConflictError: prices take effect then or later.
        BillingAccountNotFoundError: the company has no account.
    """
    with means.gate.open(Scope.system(tenant_id)) as session:
        currency = accounts.find(session, tenant_id=tenant_id).currency
    with means.gate.open(Scope.system(other_id)) as session:
        if agreed:
            sharing.insist(sharing.refusal(session, tenant_id=other_id, of=tenant_id, currency=currency))
        other_name = accounts.find(session, tenant_id=other_id).buyer.name
    with means.gate.open(Scope(tenant_id, by, Kind.SYSTEM)) as session:
        return sharing.agree(
            session,
            tenant_id=tenant_id,
            other_id=other_id,
            other_name=other_name,
            agreed=agreed,
            start=start,
            by=by,
        )


def tell(means: Means, event: CostShareAgreed) -> None:
    """Write an agreement behind the other payer's walls."""
    with means.gate.open(Scope.system(event.tenant_id)) as session:
        agreed = sharing.find(session, tenant_id=event.tenant_id, cost_share_id=event.cost_share_id)
        name = accounts.find(session, tenant_id=event.tenant_id).buyer.name
    with means.gate.open(Scope.system(event.other_id)) as session:
        sharing.mirror(session, tenant_id=event.other_id, of=event.tenant_id, of_name=name, agreed=agreed)


def charge(means: Means, event: CallsShared) -> None:
    """Charge the other payers what they owe of some calls, as the calls' charges stand now."""
    first = event.first
    while True:
        with means.gate.open(Scope.system(event.tenant_id)) as session:
            parts, last = sharing.parts_of(session, tenant_id=event.tenant_id, first=first, last=event.last)
            for payer in sorted({one.payer for one in parts}, key=str):
                with means.gate.open(Scope.system(payer)) as theirs:
                    for one in parts:
                        if one.payer == payer and (
                            sharing.take(theirs, tenant_id=payer, part=one) is Took.BILLED
                        ):
                            _log.warning("cost-share-billed", usage=str(one.usage_ref))
        if last is None:
            return
        first = last
