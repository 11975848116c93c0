"""Topping a wallet up by card, step by step: by a person, or by itself when little is left.

Like `wiring.collecting`: a transaction, a question to the provider outside of any, a transaction.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from billing import wallets
from billing.errors import ProviderRefusesError
from billing.events import TopUpWanted
from billing.payments import methods, top_ups
from billing.payments.attempts import UNDER_WAY
from billing.payments.port import Order, RemotePayment, State, Way
from billing.payments.top_ups import TopUp
from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId, UserId, new_id
from security.gate import Scope
from tenants import companies
from wiring.collecting import Means, know_payer

_PAGE_LASTS = dt.timedelta(hours=1)
_ASK_AFTER = dt.timedelta(minutes=10)
_CONFIRMED_IN = dt.timedelta(days=1)  # then nobody comes back from their bank
_MOST = 200
_RECEIPT = "Wallet top-up"  # what stands on the provider's receipt


@dataclass(frozen=True, slots=True)
class Next:
    """Where a payer goes on: to a page of the provider's or the bank's, or nowhere, because it is decided."""

    url: str
    top_up: TopUp


def with_saved(
    means: Means,
    *,
    tenant_id: TenantId,
    top_up_id: UUID,
    amount_minor: int,
    method_id: UUID | None,
    by_user: UserId,
    return_to: Callable[[TopUp], str],
) -> Next:
    """Top up with a saved way to pay while its owner waits; once for the id made with the form.

    Args:
        means: the process's adapters.
        tenant_id: the client company.
        top_up_id: names it for ever.
        amount_minor: how much.
        method_id: None takes the default.
        by_user: who pays.
        return_to: where people come back to after their bank has seen them.

    Raises:
        WalletNotFoundError: the company pays by invoice.
        WalletAmountError: nothing, or more than a card can pay at once.
        PaymentMethodNotFoundError: no such method.
        PaymentUnderWayError: the provider is being asked for another one just now.
    """
    account = means.payments.account
    with means.gate.open(Scope.system(tenant_id)) as session:
        payer = methods.payer(session, tenant_id=tenant_id, account=account) or ""
        chosen = methods.default(session, tenant_id=tenant_id, account=account)
        if method_id is not None or chosen is None:
            wanted = method_id or new_id()  # without a default there is nothing to find
            found = methods.find(session, tenant_id=tenant_id, method_id=wanted, vault=means.vault)
            chosen = (found.method_id, found.remote_id)
        begun, is_new = top_ups.begin(
            session,
            tenant_id=tenant_id,
            account=account,
            top_up_id=top_up_id,
            amount_minor=amount_minor,
            method_id=chosen[0],
            by_user=by_user,
        )
    if not is_new:
        return Next("", look_again(means, tenant_id=tenant_id, top_up_id=begun.top_up_id))
    remote = means.payments.charge(
        _order(tenant_id, begun, payer), method=chosen[1], return_url=return_to(begun)
    )
    return Next(remote.next_url, _record(means, tenant_id, begun, remote))


def on_page(
    means: Means,
    *,
    tenant_id: TenantId,
    top_up_id: UUID,
    amount_minor: int,
    by_user: UserId,
    way: Callable[[TopUp], Way],
) -> Next:
    """Send the payer to a page of the provider's; sent twice, the form leads to the one page.

    Raises:
        WalletNotFoundError: the company pays by invoice.
        WalletAmountError: nothing, or more than a card can pay at once.
    """
    account = means.payments.account
    payer = know_payer(means, tenant_id=tenant_id)
    with means.gate.open(Scope.system(tenant_id)) as session:
        begun, _ = top_ups.begin(
            session,
            tenant_id=tenant_id,
            account=account,
            top_up_id=top_up_id,
            amount_minor=amount_minor,
            by_user=by_user,
        )
    if begun.state not in UNDER_WAY:
        return Next("", begun)
    try:
        page = means.payments.paying_page(
            _order(tenant_id, begun, payer), way=way(begun), until=begun.started_at + _PAGE_LASTS
        )
    except ProviderRefusesError:  # an amount no page can take
        with means.gate.open(Scope.system(tenant_id)) as session:
            top_ups.cancel(session, tenant_id=tenant_id, top_up_id=begun.top_up_id)
        raise
    with means.gate.open(Scope.system(tenant_id)) as session:
        top_ups.opened(session, tenant_id=tenant_id, top_up_id=begun.top_up_id, page_id=page.page_id)
    return Next(page.url, begun)


def by_itself(means: Means, event: TopUpWanted) -> None:
    """Top a wallet up whose company wants that, with the default way to pay.

    Raises:
        ProviderAwayError: try again later; it goes on where it stopped.
    """
    if means.payments.is_connected:
        _automatic(means, event.tenant_id)


def look_again(means: Means, *, tenant_id: TenantId, top_up_id: UUID, leaves_page: bool = False) -> TopUp:
    """Ask the provider how a top-up stands now, and record it; `leaves_page` closes its page.

    Raises:
        TopUpNotFoundError: no such top-up.
    """
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = top_ups.find(session, tenant_id=tenant_id, top_up_id=top_up_id)
        payer = methods.payer(session, tenant_id=tenant_id, account=found.account)
    if found.account != means.payments.account:
        return found
    page = means.payments.page(found.page_id) if found.page_id else None
    if page and page.is_open and leaves_page:
        page = means.payments.close_page(page.page_id)
    remote_id = found.remote_id or (page.remote_id if page else "")
    remote = None
    if remote_id:
        remote = means.payments.payment(remote_id)
    elif payer and not page:
        remote = means.payments.find_payment(payer=payer, payment_id=found.top_up_id)
    if remote:
        found = _record(means, tenant_id, found, remote, is_page_open=bool(page and page.is_open))
    if page and page.is_expired:
        with means.gate.open(Scope.system(tenant_id)) as session:
            found = top_ups.cancel(session, tenant_id=tenant_id, top_up_id=top_up_id)
    return found


def sweep(means: Means) -> None:
    """Ask after top-ups nobody has told us of, and top up where the wish was lost or a new month began.

    Raises:
        SeatlineError: one could not be asked after; the others were.
    """
    if not means.payments.is_connected:
        return
    trouble: SeatlineError | None = None
    with means.gate.open(Scope.system(OPERATOR)) as session:
        clients = companies.served(session)
    for client in clients:
        tenant_id = client.tenant_id
        with means.gate.open(Scope.system(tenant_id)) as session:
            if wallets.find(session, tenant_id=tenant_id) is None:
                continue
            wallets.resume_automatic(session, tenant_id=tenant_id)
            waiting = top_ups.every(
                session,
                tenant_id=tenant_id,
                states=UNDER_WAY,
                started_before=clock.now() - _ASK_AFTER,
                limit=_MOST,
            )
        try:
            for one in waiting:
                found = look_again(means, tenant_id=tenant_id, top_up_id=one.top_up_id)
                if found.state is State.REQUIRES_ACTION and clock.now() - found.started_at > _CONFIRMED_IN:
                    _record(means, tenant_id, found, means.payments.give_up(found.remote_id))
            _automatic(means, tenant_id)
        except SeatlineError as error:
            trouble = error
    if trouble:
        raise trouble


def _automatic(means: Means, tenant_id: TenantId) -> None:
    account = means.payments.account
    with means.gate.open(Scope.system(tenant_id)) as session:
        payer = methods.payer(session, tenant_id=tenant_id, account=account)
        chosen = methods.default(session, tenant_id=tenant_id, account=account)
        if payer is None or chosen is None:
            top_ups.no_method(session, tenant_id=tenant_id)
            return
        begun = top_ups.begin_automatic(session, tenant_id=tenant_id, account=account, method_id=chosen[0])
        if begun is None:
            return
        top_up, is_new = begun
        # one that was cut off goes on with the method it began with: its key stands for that request
        method = methods.remote_of(session, tenant_id=tenant_id, method_id=top_up.method_id or chosen[0])
    remote = None
    if not is_new:
        remote = means.payments.find_payment(payer=payer, payment_id=top_up.top_up_id)
    if remote is None:
        remote = means.payments.charge(_order(tenant_id, top_up, payer), method=method, return_url=None)
    if remote.state is State.FAILED and remote.remote_id:
        given_up = means.payments.give_up(remote.remote_id)  # nobody shall pay it behind our back later
        remote = given_up if given_up.state is State.SUCCEEDED else remote
    _record(means, tenant_id, top_up, remote)


def _record(
    means: Means, tenant_id: TenantId, top_up: TopUp, remote: RemotePayment, *, is_page_open: bool = False
) -> TopUp:
    with means.gate.open(Scope.system(tenant_id)) as session:
        return top_ups.record(
            session,
            tenant_id=tenant_id,
            top_up_id=top_up.top_up_id,
            remote=remote,
            is_page_open=is_page_open,
        )


def _order(tenant_id: TenantId, top_up: TopUp, payer: str) -> Order:
    return Order(
        tenant_id=tenant_id,
        invoice_id=None,
        payment_id=top_up.top_up_id,
        attempt=1,
        payer=payer,
        amount_minor=top_up.amount_minor,
        currency=top_up.currency,
        number=_RECEIPT,
    )
