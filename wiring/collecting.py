"""Collecting money, step by step: a transaction, a question to the provider outside of any, a transaction.

Doorways call these (a page, a duty, a periodic task), because a room holds neither several transactions
nor a line to another company. Each may be cut off anywhere and run again: an attempt is begun before
the provider hears of it, its key is made of our ids, and what was said is recorded as a state, not as
a step.
"""

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from billing import accounts, invoices, ledger
from billing.errors import (
    InvoiceNotFoundError,
    NothingDueError,
    PaymentMismatchError,
    PaymentNotFoundError,
    PaymentUnderWayError,
    ProviderAwayError,
    ProviderRefusesError,
    RefundAskedError,
    TopUpNotFoundError,
)
from billing.payments import attempts, copies, methods, news, top_ups
from billing.payments.attempts import Begun, Payment
from billing.payments.port import About, Order, Page, Provider, RemotePayment, State, Way
from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, PaymentId, PaymentMethodId, TenantId, UserId, new_id
from core.long_jobs import JobState
from security.gate import Gate, Kind, Scope
from security.vault import Vault
from tenants import companies
from wiring.closing import Progress

_LOOK_BACK = dt.timedelta(days=3)  # Stripe tries to deliver for three days
_ASK_AFTER = dt.timedelta(minutes=10)
SWEEP = "payments.sweep"
SHOWN_AFTER_S = 2.0  # most sweeps are over before anybody could look
_AT_IT = dt.timedelta(minutes=2)  # longer than any answer of the provider's takes
# A page that was left ends by itself: until then nobody charges the invoice, us included.
_PAGE_LASTS = dt.timedelta(hours=1)
_AFTER_THE_PAGE = dt.timedelta(minutes=15)  # by then its end has been told, or asked for by the sweep
_log = log.get(__name__)


class Means(Protocol):
    """What collecting needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way to a transaction."""
        ...

    @property
    def vault(self) -> Vault:
        """Seals what is shown of saved methods."""
        ...

    @property
    def payments(self) -> Provider:
        """The payment provider."""
        ...


class Came(StrEnum):
    """What came of collecting an invoice by ourselves."""

    CHARGED = "charged"  # asked of the provider; see the payment
    NOTHING_DUE = "nothing-due"
    UNDER_WAY = "under-way"
    NO_METHOD = "no-method"
    STOPPED = "stopped"  # the provider's copy of the invoice differs from it: somebody has to look first
    NOT_CONNECTED = "not-connected"


@dataclass(frozen=True, slots=True)
class Next:
    """Where a payer goes on: to a page of the provider's, or nowhere, because it is decided."""

    url: str
    payment: Payment


def collect(
    means: Means, *, tenant_id: TenantId, invoice_id: UUID, initiator: str = attempts.AUTOMATIC
) -> Came:
    """Charge what is due on an invoice to the company's default method, if it has one.

    Raises:
        ProviderAwayError: try again later; the attempt goes on where it stopped.
        ProviderRefusesError: our key is not taken.
    """
    if not means.payments.is_connected:
        return Came.NOT_CONNECTED
    account = means.payments.account
    _use_on_account(means, tenant_id, invoice_id)
    with means.gate.open(Scope.system(tenant_id)) as session:
        if copies.is_stopped(session, tenant_id=tenant_id, invoice_id=invoice_id):
            return Came.STOPPED
        payer = methods.payer(session, tenant_id=tenant_id, account=account)
        chosen = methods.default(session, tenant_id=tenant_id, account=account)
        if payer is None or chosen is None:
            return Came.NO_METHOD
        try:
            begun = attempts.begin(
                session,
                tenant_id=tenant_id,
                invoice_id=invoice_id,
                account=account,
                initiator=initiator,
                method_id=chosen[0],
            )
        except NothingDueError:
            return Came.NOTHING_DUE
        except PaymentUnderWayError:
            later = clock.now() + _PAGE_LASTS + _AFTER_THE_PAGE
            attempts.plan(session, tenant_id=tenant_id, invoice_id=invoice_id, at=later)
            return Came.UNDER_WAY
        # one that was cut off goes on with the method it began with: its key stands for that request
        wanted = begun.payment.method_id or chosen[0]
        method = methods.remote_of(session, tenant_id=tenant_id, method_id=wanted)
    _charge(means, tenant_id, begun, payer=payer, method=method, return_url=None)
    return Came.CHARGED


def pay_with_saved(
    means: Means,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    method_id: UUID | None,
    by_user: UserId,
    return_to: Callable[[Payment], str],
) -> Next:
    """Charge a saved method while its owner waits; the bank may want to see them first.

    A page of the provider's that is still open is closed before: what was paid there meanwhile counts, and
    nothing is charged then.

    Args:
        means: the process's adapters.
        tenant_id: the client company.
        invoice_id: what to pay.
        method_id: None takes the default.
        by_user: who pays.
        return_to: the address people come back to after their bank has seen them.

    Raises:
        NothingDueError: there is nothing to pay.
        PaymentUnderWayError: another payment of it is on its way.
        PaymentMethodNotFoundError: no such method.
    """
    account = means.payments.account
    _use_on_account(means, tenant_id, invoice_id)
    decided = _clear_the_way(means, tenant_id, invoice_id, leaves_page=True)
    if decided is not None:
        return decided
    with means.gate.open(Scope.system(tenant_id)) as session:
        payer = methods.payer(session, tenant_id=tenant_id, account=account) or ""
        chosen = methods.default(session, tenant_id=tenant_id, account=account)
        if method_id is not None or chosen is None:
            wanted = method_id or new_id()  # without a default there is nothing to find
            found = methods.find(session, tenant_id=tenant_id, method_id=wanted, vault=means.vault)
            chosen = (found.method_id, found.remote_id)
        begun = attempts.begin(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice_id,
            account=account,
            initiator=attempts.PERSON,
            method_id=chosen[0],
            by_user=by_user,
        )
    remote = _ask_to_charge(
        means, tenant_id, begun, payer=payer, method=chosen[1], return_url=return_to(begun.payment)
    )
    return Next(remote.next_url, _record(means, tenant_id, begun.payment, remote, "answer"))


def pay_on_page(
    means: Means,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    by_user: UserId,
    way: Callable[[Payment], Way],
) -> Next:
    """Send the payer to a page of the provider's, or back to the one that is open already.

    Raises:
        NothingDueError: there is nothing to pay.
        PaymentUnderWayError: another payment of it is on its way.
    """
    account = means.payments.account
    _use_on_account(means, tenant_id, invoice_id)
    page = _clear_the_way(means, tenant_id, invoice_id, leaves_page=False)
    if page is not None:
        return page
    payer = know_payer(means, tenant_id=tenant_id)
    with means.gate.open(Scope.system(tenant_id)) as session:
        begun = attempts.begin(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice_id,
            account=account,
            initiator=attempts.PERSON,
            by_user=by_user,
        )
    until = begun.payment.started_at + _PAGE_LASTS
    try:
        opened = means.payments.paying_page(
            _order(tenant_id, begun, payer), way=way(begun.payment), until=until
        )
    except ProviderRefusesError:  # an amount no page can take; nobody must be kept from paying otherwise
        with means.gate.open(Scope.system(tenant_id)) as session:
            attempts.cancel(
                session, tenant_id=tenant_id, payment_id=begun.payment.payment_id, source="answer"
            )
        raise
    with means.gate.open(Scope.system(tenant_id)) as session:
        attempts.opened(
            session, tenant_id=tenant_id, payment_id=begun.payment.payment_id, page_id=opened.page_id
        )
    return Next(opened.url, begun.payment)


def save_on_page(means: Means, *, tenant_id: TenantId, way: Way) -> Page:
    """Open a page of the provider's where the company saves a way to pay."""
    payer = know_payer(means, tenant_id=tenant_id)
    with means.gate.open(Scope.system(tenant_id)) as session:
        currency = accounts.find(session, tenant_id=tenant_id).currency
    return means.payments.saving_page(
        payer=payer, tenant_id=tenant_id, visit=new_id(), currency=currency, way=way
    )


def know_payer(means: Means, *, tenant_id: TenantId) -> str:
    """Return what the company is called at the provider, made there when it is new."""
    account = means.payments.account
    with means.gate.open(Scope.system(tenant_id)) as session:
        payer = methods.payer(session, tenant_id=tenant_id, account=account)
        billed = accounts.find(session, tenant_id=tenant_id)
    if payer is not None:
        return payer
    made = means.payments.make_payer(tenant_id=tenant_id, name=billed.buyer.name, language=billed.language)
    with means.gate.open(Scope.system(tenant_id)) as session:
        return methods.know_payer(session, tenant_id=tenant_id, account=account, remote_id=made)


def refresh_methods(means: Means, *, tenant_id: TenantId) -> None:
    """Make our copies of the saved methods say what the provider has."""
    account = means.payments.account
    with means.gate.open(Scope.system(tenant_id)) as session:
        payer = methods.payer(session, tenant_id=tenant_id, account=account)
    if payer is None:
        return
    there = means.payments.methods(payer)
    with means.gate.open(Scope.system(tenant_id)) as session:
        methods.mirror(session, tenant_id=tenant_id, account=account, vault=means.vault, there=there)


def remove_method(means: Means, *, tenant_id: TenantId, method_id: PaymentMethodId) -> None:
    """Remove a saved method at the provider, then here.

    Raises:
        PaymentMethodNotFoundError: no such method.
    """
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = methods.find(session, tenant_id=tenant_id, method_id=method_id, vault=means.vault)
    means.payments.forget_method(found.remote_id)
    refresh_methods(means, tenant_id=tenant_id)


def look_again(
    means: Means, *, tenant_id: TenantId, payment_id: UUID, source: str, leaves_page: bool = False
) -> Payment:
    """Ask the provider how a payment stands now, and record it.

    Args:
        means: the process's adapters.
        tenant_id: the client company.
        payment_id: ours.
        source: why we ask; see `attempts.record`.
        leaves_page: the payer has come away from the provider's page: it is closed if it is open still, so
            that the invoice can be paid otherwise.

    Raises:
        PaymentNotFoundError: no such payment.
    """
    with means.gate.open(Scope.system(tenant_id)) as session:
        payment = attempts.find(session, tenant_id=tenant_id, payment_id=payment_id)
        payer = methods.payer(session, tenant_id=tenant_id, account=payment.account)
    if payment.account != means.payments.account:
        return payment  # of an account we no longer speak to
    page = means.payments.page(payment.page_id) if payment.page_id else None
    if page and page.is_open and leaves_page:
        page = means.payments.close_page(page.page_id)
    remote_id = payment.remote_id or (page.remote_id if page else "")
    remote = None
    if remote_id:
        remote = means.payments.payment(remote_id)
    elif payer and not page:
        remote = means.payments.find_payment(payer=payer, payment_id=payment.payment_id)
    with means.gate.open(Scope.system(tenant_id)) as session:
        if remote:
            payment = attempts.record(
                session,
                tenant_id=tenant_id,
                payment_id=payment_id,
                remote=remote,
                source=source,
                is_page_open=bool(page and page.is_open),
            )
        if page and page.is_expired:
            payment = attempts.cancel(session, tenant_id=tenant_id, payment_id=payment_id, source=source)
    return payment


def refund(
    means: Means, *, tenant_id: TenantId, payment_id: UUID, amount_minor: int, refund_id: UUID, by: UUID
) -> Payment:
    """Give money back; the invoice stays, the ledger tells of both. Once for `refund_id`, made with the form.

    `by` is who of the staff does: the company's evidence log names them.

    Raises:
        RefundTooLargeError: more than is left of the payment.
        RefundAskedError: it was asked for before, over another amount.
    """
    with means.gate.open(Scope(tenant_id, by, Kind.SYSTEM)) as session:
        payment = attempts.find(session, tenant_id=tenant_id, payment_id=payment_id)
        is_new = attempts.ask_refund(
            session,
            tenant_id=tenant_id,
            payment_id=payment_id,
            amount_minor=amount_minor,
            refund_id=refund_id,
        )
    if not is_new:  # it may have been made, and its key may be forgotten by now
        found = means.payments.payment(payment.remote_id)
        made = next((one for one in found.refunds if one.refund_id == refund_id), None)
        if made and made.amount_minor != amount_minor:
            raise RefundAskedError(asked_minor=made.amount_minor)
        if made:
            return _record(means, tenant_id, payment, found, "answer")
    remote = means.payments.refund(
        payment.remote_id, payment_id=payment.payment_id, amount_minor=amount_minor, refund_id=refund_id
    )
    return _record(means, tenant_id, payment, remote, "answer")


def hear(means: Means, *, news_id: UUID) -> None:
    """Look into a piece of news: ask the provider what stands behind it, and record that.

    Raises:
        ProviderAwayError: try again later.
    """
    with means.gate.open(Scope.system(OPERATOR)) as session:
        piece = news.find(session, news_id=news_id)
    about = _adopted(means, means.payments.ask_about(piece.event_id))
    state, outcome, payment = news.IGNORED, "", about.payment
    whose = about.methods_of or (about.page_expired[0] if about.page_expired else None)
    if payment and payment.tenant_id and payment.payment_id:
        whose = payment.tenant_id
        state, outcome = _hear_of_payment(means, about)
    elif payment and not payment.invoice_id:
        state, outcome = news.UNMATCHED, "made-elsewhere"
    if about.page_expired:
        tenant_id, payment_id = about.page_expired
        with means.gate.open(Scope.system(tenant_id)) as session:
            try:
                attempts.cancel(session, tenant_id=tenant_id, payment_id=payment_id, source=piece.source)
            except PaymentNotFoundError:  # a page where a wallet would have been topped up
                top_ups.cancel(session, tenant_id=tenant_id, top_up_id=payment_id)
        state = news.DONE
    if about.methods_of:
        refresh_methods(means, tenant_id=about.methods_of)
        state = news.DONE
    with means.gate.open(Scope.system(OPERATOR)) as session:
        news.settle(
            session,
            news_id=news_id,
            state=state,
            outcome=outcome,
            for_tenant=whose,
            payment_id=payment.payment_id if payment else None,
        )


def sweep(means: Means) -> int:
    """Fetch the news that never reached us, and ask after payments nobody has told us of; return how many.

    One that takes longer than a moment says on the page of jobs how far it is.

    Raises:
        SeatlineError: a payment could not be asked after; the others were.
    """
    if not means.payments.is_connected:
        return 0
    account, found, troubles = means.payments.account, 0, list[SeatlineError]()
    told = means.payments.news_since(clock.now() - _LOOK_BACK)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        there = news.known(session, account=account, event_ids=[one.event_id for one in told])
        for one in told:
            if one.event_id not in there:
                found += news.take(session, account=account, news=one, source=news.SWEEP)
        clients = companies.clients(session)
    first_at = time.monotonic() + SHOWN_AFTER_S
    progress = Progress(means.gate, new_id(), SWEEP, total=len(clients), made=found, noted_at=first_at)
    for client in clients:
        with means.gate.open(Scope.system(client.tenant_id)) as session:
            waiting = attempts.unsettled(session, tenant_id=client.tenant_id, before=clock.now() - _ASK_AFTER)
        for payment in waiting:
            with _for_itself(troubles, tenant_id=client.tenant_id, subject=payment.payment_id):
                look_again(
                    means, tenant_id=client.tenant_id, payment_id=payment.payment_id, source=news.SWEEP
                )
        progress.moved()
    if progress.noted_at != first_at:  # it has been seen, and its end is too
        progress.failed = len(troubles)
        progress.write(JobState.DONE)
    if troubles:
        raise troubles[-1]
    return found


def retry(means: Means) -> int:
    """Charge again what failed and is due for another attempt; return how many attempts were made.

    Raises:
        SeatlineError: an invoice could not be charged; the others were.
    """
    if not means.payments.is_connected:
        return 0
    with means.gate.open(Scope.system(OPERATOR)) as session:
        clients = companies.served(session)
    made, troubles = 0, list[SeatlineError]()
    for client in clients:
        with means.gate.open(Scope.system(client.tenant_id)) as session:
            due = attempts.to_retry(session, tenant_id=client.tenant_id, now=clock.now())
        for invoice_id in due:
            with _for_itself(troubles, tenant_id=client.tenant_id, subject=invoice_id):
                came = collect(
                    means, tenant_id=client.tenant_id, invoice_id=invoice_id, initiator=attempts.RETRY
                )
                made += came is Came.CHARGED
    if troubles:
        raise troubles[-1]
    return made


def book(means: Means) -> int:
    """Book the finalised invoices that the ledger lacks, with the day they were finalised; return how many.

    A migration cannot: rows are moved tenant by tenant through the gate.
    """
    with means.gate.open(Scope.system(OPERATOR)) as session:
        clients = companies.clients(session)
    booked = 0
    for client in clients:
        with means.gate.open(Scope.system(client.tenant_id)) as session:
            for invoice_id in ledger.unbooked(session, tenant_id=client.tenant_id):
                invoice = invoices.find(session, tenant_id=client.tenant_id, invoice_id=invoice_id)
                booked += ledger.post_invoice(session, tenant_id=client.tenant_id, invoice=invoice)
    return booked


@contextlib.contextmanager
def _for_itself(troubles: list[SeatlineError], *, tenant_id: TenantId, subject: UUID) -> Iterator[None]:
    """Keep one payment's trouble from holding up the others until they are done; `subject` is its id.

    A provider that is away holds up all of them.
    """
    try:
        yield
    except ProviderAwayError:
        raise
    except SeatlineError as error:
        _log.warning("payment-trouble", tenant=str(tenant_id), subject=str(subject), error=error.code)
        troubles.append(error)


def _adopted(means: Means, about: About) -> About:
    """Give a payment made on the page of a copy of ours its name here, once its money is there."""
    remote = about.payment
    if remote is None or remote.payment_id or remote.tenant_id is None or remote.invoice_id is None:
        return about
    account = means.payments.account
    with means.gate.open(Scope.system(remote.tenant_id)) as session:
        try:
            payment_id = attempts.adopt(
                session,
                tenant_id=remote.tenant_id,
                invoice_id=remote.invoice_id,
                account=account,
                remote=remote,
            )
        except InvoiceNotFoundError:  # erased here meanwhile
            return replace(about, payment=replace(remote, invoice_id=None))
    return replace(about, payment=replace(remote, payment_id=payment_id))


def _hear_of_payment(means: Means, about: About) -> tuple[str, str]:
    """Record the payment a piece of news is about; return what became of the news."""
    remote = about.payment
    if remote is None or remote.tenant_id is None or remote.payment_id is None:
        return news.UNMATCHED, ""
    tenant_id, payment_id = remote.tenant_id, remote.payment_id
    if remote.invoice_id is None:
        # one that names no invoice may still name a payment of ours, and be wrong about it
        with contextlib.suppress(TopUpNotFoundError):
            return _hear_of_top_up(means, tenant_id, payment_id, remote)
    try:
        is_open = False
        if remote.state is State.FAILED:
            with means.gate.open(Scope.system(tenant_id)) as session:
                page_id = attempts.find(session, tenant_id=tenant_id, payment_id=payment_id).page_id
            is_open = bool(page_id) and means.payments.page(page_id).is_open
        with means.gate.open(Scope.system(tenant_id)) as session:
            attempts.record(
                session,
                tenant_id=tenant_id,
                payment_id=payment_id,
                remote=remote,
                source=news.WEBHOOK,
                is_page_open=is_open,
            )
    except (PaymentNotFoundError, InvoiceNotFoundError):
        return news.UNMATCHED, "payment-not-found"
    except PaymentMismatchError as error:
        _log.warning("payment-mismatch", payment=str(remote.payment_id), differs=error.details["differs"])
        return news.FAILED, error.code
    return news.DONE, remote.state


def _hear_of_top_up(
    means: Means, tenant_id: TenantId, top_up_id: PaymentId, remote: RemotePayment
) -> tuple[str, str]:
    """Record the top-up of a wallet a piece of news is about; return what became of the news.

    Raises:
        TopUpNotFoundError: it is about none of ours.
    """
    try:
        with means.gate.open(Scope.system(tenant_id)) as session:
            page_id = top_ups.find(session, tenant_id=tenant_id, top_up_id=top_up_id).page_id
        is_open = remote.state is State.FAILED and bool(page_id) and means.payments.page(page_id).is_open
        with means.gate.open(Scope.system(tenant_id)) as session:
            top_ups.record(
                session, tenant_id=tenant_id, top_up_id=top_up_id, remote=remote, is_page_open=is_open
            )
    except PaymentMismatchError as error:
        _log.warning("payment-mismatch", payment=str(top_up_id), differs=error.details["differs"])
        return news.FAILED, error.code
    return news.DONE, remote.state


def _use_on_account(means: Means, tenant_id: TenantId, invoice_id: UUID) -> None:
    """Let what the company has on account pay first; in a transaction of its own, whatever follows."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
        if found.number is not None:
            attempts.use_on_account(session, tenant_id=tenant_id, invoice=found)


def _clear_the_way(means: Means, tenant_id: TenantId, invoice_id: UUID, *, leaves_page: bool) -> Next | None:
    """Bring an earlier attempt to its end; return it when it has been paid meanwhile, or where it goes on.

    `leaves_page`: a page that is open still is closed, and not gone back to.

    Raises:
        PaymentUnderWayError: it is on its way and cannot be called back.
    """
    with means.gate.open(Scope.system(tenant_id)) as session:
        earlier = attempts.under_way(session, tenant_id=tenant_id, invoice_id=invoice_id)
    if earlier is None:
        return None
    if not (earlier.remote_id or earlier.page_id) and clock.now() - earlier.started_at < _AT_IT:
        raise PaymentUnderWayError(payment=str(earlier.payment_id))  # the provider is being asked just now
    earlier = look_again(
        means,
        tenant_id=tenant_id,
        payment_id=earlier.payment_id,
        source="return",
        leaves_page=leaves_page,
    )
    if earlier.state is State.SUCCEEDED:
        return Next("", earlier)
    if earlier.state not in attempts.UNDER_WAY:
        return None
    if earlier.state is State.PROCESSING:
        raise PaymentUnderWayError(payment=str(earlier.payment_id))
    if earlier.page_id and not leaves_page:
        page = means.payments.page(earlier.page_id)
        if page.is_open:
            return Next(page.url, earlier)
    if earlier.remote_id:
        remote = means.payments.give_up(earlier.remote_id)
        after = _record(means, tenant_id, earlier, remote, "return")
        if after.state in attempts.UNDER_WAY:
            raise PaymentUnderWayError(payment=str(earlier.payment_id))
        return None
    with means.gate.open(Scope.system(tenant_id)) as session:
        attempts.cancel(session, tenant_id=tenant_id, payment_id=earlier.payment_id, source="return")
    return None


def _charge(
    means: Means, tenant_id: TenantId, begun: Begun, *, payer: str, method: str, return_url: str | None
) -> Payment:
    remote = _ask_to_charge(means, tenant_id, begun, payer=payer, method=method, return_url=return_url)
    if remote.state is State.FAILED and remote.remote_id:
        # nobody shall pay it behind our back later: the next attempt is another payment
        remote = _failed_for_good(means, remote)
    return _record(means, tenant_id, begun.payment, remote, "answer")


def _failed_for_good(means: Means, remote: RemotePayment) -> RemotePayment:
    given_up = means.payments.give_up(remote.remote_id)
    return given_up if given_up.state is State.SUCCEEDED else remote


def _ask_to_charge(
    means: Means, tenant_id: TenantId, begun: Begun, *, payer: str, method: str, return_url: str | None
) -> RemotePayment:
    payment_id = begun.payment.payment_id
    if not begun.is_new:  # we were cut off: it may have been made, and its key may be forgotten by now
        found = means.payments.find_payment(payer=payer, payment_id=payment_id)
        if found:
            return found
    return means.payments.charge(_order(tenant_id, begun, payer), method=method, return_url=return_url)


def _record(
    means: Means, tenant_id: TenantId, payment: Payment, remote: RemotePayment, source: str
) -> Payment:
    with means.gate.open(Scope.system(tenant_id)) as session:
        return attempts.record(
            session, tenant_id=tenant_id, payment_id=payment.payment_id, remote=remote, source=source
        )


def _order(tenant_id: TenantId, begun: Begun, payer: str) -> Order:
    payment = begun.payment
    return Order(
        tenant_id=tenant_id,
        invoice_id=payment.invoice_id,
        payment_id=payment.payment_id,
        attempt=payment.attempt,
        payer=payer,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        number=begun.number,
    )
