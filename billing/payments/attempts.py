"""Attempts to collect an invoice: begun, told what came of them, booked; one under way at a time.

An attempt is begun in a transaction, the provider is spoken to outside of any, and what it said is
recorded in another. What is recorded is always the provider's present state, never a piece of news, so it
may come twice, late and in any order. Money is booked under keys of its own (`billing.ledger`).
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from billing import accounts, invoices, ledger, wallets
from billing.documents.document import InvoiceDocument
from billing.errors import (
    NothingDueError,
    PaymentMismatchError,
    PaymentNotFoundError,
    PaymentUnderWayError,
    RefundTooLargeError,
)
from billing.events import InvoicePaid, PaymentFailed
from billing.invoices import InvoiceSummary
from billing.ledger import CLEARING, FEES, ON_ACCOUNT, RECEIVABLE, REFUNDS, Journal, Posting
from billing.models import PaymentRow, PaymentStepRow, RefundRow
from billing.payments.port import WORTH_RETRYING, Reason, RemotePayment, RemoteRefund, State
from billing.payments.standing import Latest, Standing, standing
from core import clock, ids
from core.events import announce
from core.ids import InvoiceId, PaymentId, PaymentMethodId, TenantId, UserId, new_id
from security import evidence

UNDER_WAY = (State.STARTED, State.REQUIRES_ACTION, State.PROCESSING)
# days after each failed attempt by ourselves until the next; then people have to act
RETRY_AFTER_DAYS = (3, 5, 7)
AUTOMATIC, RETRY, PERSON = "automatic", "retry", "person"
_BACK = ("refund", "refund-failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One attempt to collect an invoice."""

    payment_id: PaymentId
    invoice_id: InvoiceId
    attempt: int
    account: str
    amount_minor: int
    currency: str
    initiator: str
    by_user: UserId | None
    method_id: PaymentMethodId | None
    state: State
    reason: Reason | None
    remote_id: str
    page_id: str
    started_at: dt.datetime
    changed_at: dt.datetime
    retry_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a payment, and how we came to know."""

    at: dt.datetime
    kind: str
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is ours to carry out; `is_new`: nobody can have asked the provider for it yet."""

    payment: Payment
    number: str
    is_new: bool


def standing_of(session: Session, *, tenant_id: TenantId, invoice: InvoiceDocument) -> Standing | None:
    """Return how an invoice stands, or None while it is a draft."""
    if invoice.number is None:
        return None
    found = _standings(
        session,
        tenant_id,
        [(invoice.invoice_id, invoice.bill.total_minor, invoice.due_on, invoice.zone)],
    )
    return found[invoice.invoice_id]


def standings(
    session: Session, *, tenant_id: TenantId, these: Iterable[InvoiceSummary], zone: str
) -> dict[InvoiceId, Standing]:
    """Return how the finalised ones among these invoices stand, in three readings."""
    return _standings(
        session,
        tenant_id,
        [(one.invoice_id, one.total_minor, one.due_on, zone) for one in these if one.number is not None],
    )


def begin(
    session: Session,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    account: str,
    initiator: str,
    method_id: PaymentMethodId | None = None,
    by_user: UserId | None = None,
) -> Begun:
    """Begin an attempt over what is due, or take up one of ours that was cut off before it was sent.

    One at a time per company: of two who begin together, one waits here and is then told of the other.

    Raises:
        InvoiceNotFoundError: no such invoice.
        NothingDueError: it is a draft, or paid.
        PaymentUnderWayError: somebody else's attempt is under way.
    """
    accounts.lock(session, tenant_id=tenant_id)
    invoice = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    rows = _of_invoice(session, tenant_id, invoice_id, lock=True)
    stands = standing_of(session, tenant_id=tenant_id, invoice=invoice)
    if stands is None or not stands.due_minor or invoice.number is None:
        raise NothingDueError
    under_way = [row for row in rows if row.state in UNDER_WAY]
    if under_way:
        row = under_way[0]
        if row.initiator == initiator != PERSON and row.state == State.STARTED and row.account == account:
            return Begun(_payment(row), invoice.number, is_new=False)
        raise PaymentUnderWayError(payment=str(row.id))
    now = clock.now()
    if initiator != PERSON:  # a person may leave the page: until it is paid, we try again as planned
        _plan_no_more(rows)
    row = PaymentRow(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        attempt=max((row.attempt for row in rows), default=0) + 1,
        account=account,
        amount_minor=stands.due_minor,
        currency=invoice.bill.currency,
        initiator=initiator,
        by_user=by_user,
        method_id=method_id,
        state=State.STARTED,
        reason="",
        started_at=now,
        changed_at=now,
    )
    session.add(row)
    session.flush()
    _step(session, row, kind=State.STARTED, reason="", source=initiator)
    return Begun(_payment(row), invoice.number, is_new=True)


def opened(session: Session, *, tenant_id: TenantId, payment_id: UUID, page_id: str) -> None:
    """Keep which page of the provider's the payer was sent to."""
    _row(session, tenant_id, payment_id).page_id = page_id
    session.flush()


def record(
    session: Session,
    *,
    tenant_id: TenantId,
    payment_id: UUID,
    remote: RemotePayment,
    source: str,
    is_page_open: bool = False,
) -> Payment:
    """Record how a payment stands at the provider, book what it moved, tell who listens.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        payment_id: ours.
        remote: the provider's present state.
        source: how we came to ask: `answer`, `webhook`, `sweep`, `return`, or who did it.
        is_page_open: after a decline the payer sits before the provider's page still, and may try another.

    Raises:
        PaymentNotFoundError: no such payment.
        PaymentMismatchError: it is another payment, amount or currency; nothing is booked.
    """
    _row(session, tenant_id, payment_id)  # what is not there is said before anybody waits
    accounts.lock(session, tenant_id=tenant_id)  # before the payment, as `begin` does
    row = _row(session, tenant_id, payment_id, lock=True)
    _insist_it_is_ours(row, remote)
    if remote.remote_id:
        row.remote_id = remote.remote_id
    before = State(row.state)
    # what was closed after a decline was declined: its page may have been left, or given up by us
    is_declined = remote.state is State.CANCELLED and remote.reason is not None
    state = next_state(before, State.FAILED if is_declined else remote.state, is_page_open=is_page_open)
    reason = (remote.reason or row.reason) if state in {State.FAILED, State.STARTED} else ""
    if (state, reason) != (before, row.reason):
        row.state, row.reason, row.changed_at = state, reason, clock.now()
        _step(session, row, kind=state, reason=reason, source=source)
    session.flush()
    _book(session, row, remote, source)
    if state is State.SUCCEEDED and before is not State.SUCCEEDED:
        _plan_no_more(_of_invoice(session, tenant_id, row.invoice_id))
        announce(
            session,
            InvoicePaid(
                tenant_id=tenant_id, invoice_id=InvoiceId(row.invoice_id), payment_id=PaymentId(row.id)
            ),
        )
    if state is State.FAILED and before is not State.FAILED:
        row.retry_at = _retry_at(session, row) or row.retry_at
        announce(
            session,
            PaymentFailed(
                tenant_id=tenant_id,
                invoice_id=InvoiceId(row.invoice_id),
                payment_id=PaymentId(row.id),
                reason=reason,
            ),
        )
    session.flush()
    return _payment(row)


def adopt(
    session: Session, *, tenant_id: TenantId, invoice_id: UUID, account: str, remote: RemotePayment
) -> PaymentId | None:
    """Return our name of a payment made on the page of the provider's copy of an invoice; given when new.

    It was not begun here, so there is none of ours until its money is there or on its way. None: it is not
    that far, or another one is under way; it is asked about again when it has succeeded.

    Raises:
        InvoiceNotFoundError: no such invoice.
    """
    accounts.lock(session, tenant_id=tenant_id)
    invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    rows = _of_invoice(session, tenant_id, invoice_id, lock=True)
    known = next((row for row in rows if row.remote_id == remote.remote_id), None)
    if known is not None:
        return PaymentId(known.id)
    is_busy = any(row.state in UNDER_WAY for row in rows)
    if remote.state is not State.SUCCEEDED and (remote.state is not State.PROCESSING or is_busy):
        return None
    now = clock.now()
    row = PaymentRow(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        attempt=max((row.attempt for row in rows), default=0) + 1,
        account=account,
        amount_minor=remote.amount_minor,
        currency=remote.currency,
        initiator=PERSON,
        # it takes nobody's place who is under way; what is recorded next lets it succeed
        state=State.CANCELLED,
        reason="",
        remote_id=remote.remote_id,
        started_at=now,
        changed_at=now,
    )
    session.add(row)
    session.flush()
    return PaymentId(row.id)


def next_state(before: State, state: State, *, is_page_open: bool) -> State:
    """Return the state to take: what is final stays, whatever an older reading says."""
    is_over = before in {State.CANCELLED, State.FAILED} and state in {State.STARTED, State.CANCELLED}
    if before is State.SUCCEEDED or is_over:
        return before
    if state is State.FAILED and before is State.CANCELLED:
        return before
    if state is State.FAILED and is_page_open:
        return State.STARTED
    return state


def plan(session: Session, *, tenant_id: TenantId, invoice_id: UUID, at: dt.datetime) -> None:
    """Let us try by ourselves at an instant, when who sits before the provider's page has left it unpaid."""
    for row in _of_invoice(session, tenant_id, invoice_id, lock=True):
        if row.initiator == PERSON and row.state == State.STARTED:
            row.retry_at = at
    session.flush()


def cancel(session: Session, *, tenant_id: TenantId, payment_id: UUID, source: str) -> Payment:
    """Close an attempt whose page was left unused; one that has gone further stays as it is."""
    row = _row(session, tenant_id, payment_id, lock=True)
    if row.state == State.STARTED:
        row.state, row.changed_at = State.CANCELLED, clock.now()
        _step(session, row, kind=State.CANCELLED, reason=row.reason, source=source)
        session.flush()
    return _payment(row)


def find(session: Session, *, tenant_id: TenantId, payment_id: UUID, lock: bool = False) -> Payment:
    """Return a payment; `lock` holds it until the transaction ends.

    Raises:
        PaymentNotFoundError: no such payment.
    """
    return _payment(_row(session, tenant_id, payment_id, lock=lock))


def of_invoice(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> tuple[Payment, ...]:
    """Return every attempt to collect an invoice, newest first."""
    return tuple(_payment(row) for row in _of_invoice(session, tenant_id, invoice_id))


def under_way(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> Payment | None:
    """Return the attempt that is under way, or None."""
    found = of_invoice(session, tenant_id=tenant_id, invoice_id=invoice_id)
    return next((one for one in found if one.state in UNDER_WAY), None)


def every(
    session: Session,
    *,
    tenant_id: TenantId,
    states: Sequence[State] = (),
    before: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[Payment, ...]:
    """Return a tenant's payments, newest first.

    Args:
        session: of the tenant.
        tenant_id: whose.
        states: of these only, all when empty.
        before: the ones just older than this payment.
        after: the ones just newer than it.
        limit: how many at most.
    """
    asked = select(PaymentRow).where(PaymentRow.tenant_id == tenant_id)
    if states:
        asked = asked.where(PaymentRow.state.in_(states))
    if after:
        asked = asked.where(PaymentRow.id > after).order_by(PaymentRow.id)
    elif before:
        asked = asked.where(PaymentRow.id < before).order_by(PaymentRow.id.desc())
    else:
        asked = asked.order_by(PaymentRow.id.desc())
    found = [_payment(row) for row in session.scalars(asked.limit(limit))]
    return tuple(sorted(found, key=lambda one: one.payment_id, reverse=True))


def troubled(session: Session, *, tenant_id: TenantId) -> tuple[Payment, ...]:
    """Return the payments people have to do something about: the newest of an invoice, failed or waiting.

    One that was paid and taken back by the bank (a dispute, a chargeback) is among them, with that reason.
    Where nothing is owed any more, because money on account has paid it, there is nothing to do.
    """
    newest = (
        select(PaymentRow)
        .where(PaymentRow.tenant_id == tenant_id, PaymentRow.state != State.CANCELLED)
        .ext(distinct_on(PaymentRow.invoice_id))
        .order_by(PaymentRow.invoice_id, PaymentRow.attempt.desc())
    )
    payments = [_payment(one) for one in session.scalars(newest)]
    paid = [one.payment_id for one in payments if one.state is State.SUCCEEDED]
    back = _taken_back(session, tenant_id, paid)
    found = [
        replace(one, reason=Reason.CHARGED_BACK) if one.payment_id in back else one
        for one in payments
        if one.state in {State.FAILED, State.REQUIRES_ACTION} or one.payment_id in back
    ]
    owed = ledger.owed(session, tenant_id=tenant_id, invoice_ids=[one.invoice_id for one in found])
    return tuple(one for one in found if owed.get(one.invoice_id) != 0)


def steps(session: Session, *, tenant_id: TenantId, payment_id: UUID) -> tuple[Step, ...]:
    """Return a payment's story, oldest first."""
    rows = session.scalars(
        select(PaymentStepRow)
        .where(PaymentStepRow.tenant_id == tenant_id, PaymentStepRow.payment_id == payment_id)
        .order_by(PaymentStepRow.at, PaymentStepRow.id)
    )
    return tuple(Step(row.at, row.kind, row.reason, row.source) for row in rows)


def to_retry(session: Session, *, tenant_id: TenantId, now: dt.datetime) -> tuple[InvoiceId, ...]:
    """Return the invoices whose failed collection is due for another attempt."""
    rows = session.scalars(
        select(PaymentRow.invoice_id)
        .where(PaymentRow.tenant_id == tenant_id, PaymentRow.retry_at <= now)
        .distinct()
    )
    return tuple(InvoiceId(one) for one in rows)


def unsettled(session: Session, *, tenant_id: TenantId, before: dt.datetime) -> tuple[Payment, ...]:
    """Return attempts begun before an instant that are still under way; somebody should ask after them."""
    rows = session.scalars(
        select(PaymentRow).where(
            PaymentRow.tenant_id == tenant_id,
            PaymentRow.state.in_(UNDER_WAY),
            PaymentRow.started_at < before,
        )
    )
    return tuple(_payment(row) for row in rows)


def ask_refund(
    session: Session, *, tenant_id: TenantId, payment_id: UUID, amount_minor: int, refund_id: UUID
) -> bool:
    """Write down that a refund is asked for; return False when it was before: a form that came twice.

    Args:
        session: in the tenant's context, opened by who gives the money back: the evidence log names them.
        tenant_id: the client company.
        payment_id: what to give back of.
        amount_minor: how much.
        refund_id: names the refund for ever; made with the form.

    Raises:
        RefundTooLargeError: more than is left of the payment, or nothing, or it was never paid.
    """
    row = _row(session, tenant_id, payment_id, lock=True)
    before = session.get(PaymentStepRow, (tenant_id, refund_id))
    if before is not None:
        if before.payment_id != row.id or before.kind != "refund-asked":
            raise PaymentNotFoundError
        return False
    left = _left(session, row)
    if row.state != State.SUCCEEDED or not 0 < amount_minor <= left:
        raise RefundTooLargeError(left_minor=left)
    _step(session, row, kind="refund-asked", reason="", source=PERSON, step_id=refund_id)
    session.flush()
    evidence.record(
        session,
        "payment.refund-asked",
        "pay",
        row.id,
        amount_minor=amount_minor,
        currency=row.currency,
        refund=ids.public("ref", refund_id),
    )
    return True


def left_of(session: Session, *, tenant_id: TenantId, payment_id: UUID) -> int:
    """Return how much of a payment has not been given back; minor units."""
    return _left(session, _row(session, tenant_id, payment_id))


def came_back(session: Session, *, tenant_id: TenantId) -> dict[PaymentId, int]:
    """Return the payments whose newest refund came back to us, with its amount in minor units.

    People have to act: the money goes back some other way, or to another account.
    """
    moved = {one.key: one for one in ledger.of_kinds(session, tenant_id=tenant_id, kinds=_BACK)}
    newest: dict[UUID, Journal] = {}
    for one in sorted(moved.values(), key=lambda one: (one.effective_at, one.journal_id)):
        if one.kind == "refund" and one.payment_id is not None:
            newest[one.payment_id] = one
    return {
        PaymentId(payment_id): -_on(one, CLEARING)
        for payment_id, one in newest.items()
        if f"{one.key}:failed" in moved
    }


def use_on_account(session: Session, *, tenant_id: TenantId, invoice: InvoiceDocument) -> None:
    """Pay what a finalised invoice owes with what the company has on account, and then from its wallet.

    The invoice is booked first, if it is not yet. A wallet pays an invoice once: what calls have taken from
    it already counts, and what it lacks then is collected like any other.
    """
    accounts.lock(session, tenant_id=tenant_id)
    ledger.post_invoice(session, tenant_id=tenant_id, invoice=invoice)
    invoice_id, bill = invoice.invoice_id, invoice.bill
    there = ledger.on_account(session, tenant_id=tenant_id, currency=bill.currency)
    settled = ledger.settled(session, tenant_id=tenant_id, invoice_ids=[invoice_id]).get(invoice_id, 0)
    owed = bill.total_minor - settled
    used = max(0, min(there, owed))
    moved = ledger.journals_of(session, tenant_id=tenant_id, invoice_id=invoice_id)
    ledger.post(
        session,
        tenant_id=tenant_id,
        key=f"invoice:{invoice_id}:on-account:{len(moved)}",
        kind="on-account-used",
        postings=_sides(ON_ACCOUNT, RECEIVABLE, used, bill.currency),
        effective_at=clock.now(),
        invoice_id=invoice_id,
    )
    if wallets.find(session, tenant_id=tenant_id) is not None:
        used += wallets.take_for_invoice(
            session, tenant_id=tenant_id, invoice_id=invoice_id, total_minor=max(0, owed - used)
        )
    if used >= owed > 0 and used > 0:
        _plan_no_more(_of_invoice(session, tenant_id, invoice_id))
        announce(session, InvoicePaid(tenant_id=tenant_id, invoice_id=invoice_id, payment_id=None))


def lessened(
    session: Session, *, tenant_id: TenantId, invoice: InvoiceDocument, key: str, at: dt.datetime
) -> None:
    """Put on account what was paid beyond an invoice that a credit note has lessened.

    When nothing is owed on it any more, we try to collect it no more.
    """
    invoice_id, bill = invoice.invoice_id, invoice.bill
    settled = ledger.settled(session, tenant_id=tenant_id, invoice_ids=[invoice_id]).get(invoice_id, 0)
    if settled > bill.total_minor:
        ledger.post(
            session,
            tenant_id=tenant_id,
            key=f"{key}:on-account",
            kind="on-account",
            postings=_sides(RECEIVABLE, ON_ACCOUNT, settled - bill.total_minor, bill.currency),
            effective_at=at,
            invoice_id=invoice_id,
        )
    if settled >= bill.total_minor:
        _plan_no_more(_of_invoice(session, tenant_id, invoice_id))


def paid_at(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> dt.datetime | None:
    """Return since when nothing is owed on an invoice; None while something is, or when nothing ever was."""
    owed, since = 0, None
    for one in ledger.journals_of(session, tenant_id=tenant_id, invoice_id=invoice_id):
        before, owed = owed, owed + _on(one, RECEIVABLE)
        if before > 0 >= owed:
            since = one.effective_at
    return since if owed <= 0 else None


def _standings(
    session: Session, tenant_id: TenantId, these: Sequence[tuple[InvoiceId, int, dt.date | None, str]]
) -> dict[InvoiceId, Standing]:
    wanted = [one[0] for one in these]
    settled = ledger.settled(session, tenant_id=tenant_id, invoice_ids=wanted)
    refunded = ledger.refunded(session, tenant_id=tenant_id, invoice_ids=wanted)
    surplus = ledger.surplus(session, tenant_id=tenant_id, invoice_ids=wanted)
    credited = ledger.credited(session, tenant_id=tenant_id, invoice_ids=wanted)
    newest = session.scalars(
        select(PaymentRow)
        .where(
            PaymentRow.tenant_id == tenant_id,
            PaymentRow.invoice_id.in_(wanted),
            PaymentRow.state != State.CANCELLED,
        )
        .ext(distinct_on(PaymentRow.invoice_id))
        .order_by(PaymentRow.invoice_id, PaymentRow.attempt.desc())
    )
    latest = {
        row.invoice_id: Latest(State(row.state), Reason(row.reason) if row.reason else None) for row in newest
    }
    now = clock.now()
    return {
        invoice_id: standing(
            total_minor=total,
            settled_minor=settled.get(invoice_id, 0),
            refunded_minor=refunded.get(invoice_id, 0),
            surplus_minor=surplus.get(invoice_id, 0),
            credited_minor=credited.get(invoice_id, 0),
            latest=latest.get(invoice_id),
            due_on=due_on,
            today=now.astimezone(zoneinfo.ZoneInfo(zone)).date(),
        )
        for invoice_id, total, due_on, zone in these
    }


def _insist_it_is_ours(row: PaymentRow, remote: RemotePayment) -> None:
    wrong = {
        "payment": remote.payment_id not in {None, row.id},
        "remote": bool(row.remote_id and remote.remote_id) and row.remote_id != remote.remote_id,
        "amount": remote.amount_minor != row.amount_minor,
        "currency": remote.currency != row.currency,
    }
    if any(wrong.values()):
        raise PaymentMismatchError(differs=[name for name, is_so in wrong.items() if is_so])


def _taken_back(session: Session, tenant_id: TenantId, payment_ids: Sequence[PaymentId]) -> set[PaymentId]:
    """Return which of these payments the bank has taken back, and not given to us again."""
    rows = session.execute(
        select(PaymentStepRow.payment_id)
        .where(
            PaymentStepRow.tenant_id == tenant_id,
            PaymentStepRow.payment_id.in_(payment_ids),
            PaymentStepRow.kind.in_(["dispute", "dispute-won"]),
        )
        .group_by(PaymentStepRow.payment_id)
        .having(func.sum(case((PaymentStepRow.kind == "dispute", 1), else_=-1)) > 0)
    )
    return {PaymentId(one) for one in rows.scalars()}


def _book(session: Session, row: PaymentRow, remote: RemotePayment, source: str) -> None:
    """Book what the provider says has moved; what is booked already is not booked again."""
    paid_at = remote.succeeded_at or row.changed_at
    if remote.state is State.SUCCEEDED:
        sides = _sides(CLEARING, RECEIVABLE, row.amount_minor, row.currency)
        _move(session, row, f"payment:{row.id}:succeeded", "payment", sides, at=paid_at, source=source)
    if remote.state is State.SUCCEEDED and remote.fee_minor:
        sides = _sides(FEES, CLEARING, remote.fee_minor, remote.fee_currency)
        _move(session, row, f"payment:{row.id}:fee", "fee", sides, at=paid_at, source=source)
    for refund in remote.refunds:
        key = f"refund:{refund.remote_id}"
        sides = _given_back(session, row, refund)
        _move(session, row, key, "refund", sides, at=refund.made_at, source=source)
        asked = session.get(RefundRow, (row.tenant_id, refund.refund_id)) if refund.refund_id else None
        if asked is not None and asked.standing not in {"waiting", "refused"}:
            asked.standing = "came-back" if refund.is_failed else "made"
        if refund.is_failed:
            booked = ledger.find(session, tenant_id=TenantId(row.tenant_id), key=key)
            undone = [Posting(one.account, -one.amount_minor, one.currency) for one in booked]
            _move(session, row, f"{key}:failed", "refund-failed", undone, at=clock.now(), source=source)
    for dispute in remote.disputes:
        if dispute.is_warning:
            continue
        key, minor, currency = f"dispute:{dispute.remote_id}", dispute.amount_minor, dispute.currency
        sides = _sides(RECEIVABLE, CLEARING, minor, currency)
        _move(session, row, key, "dispute", sides, at=dispute.made_at, source=source)
        if dispute.is_won:
            sides = _sides(CLEARING, RECEIVABLE, minor, currency)
            _move(session, row, f"{key}:won", "dispute-won", sides, at=clock.now(), source=source)


def _move(
    session: Session,
    row: PaymentRow,
    key: str,
    kind: str,
    sides: Sequence[Posting],
    *,
    at: dt.datetime,
    source: str,
) -> None:
    """Book one movement, once; what it leaves above or below the invoice's total is levelled with it."""
    tenant_id = TenantId(row.tenant_id)
    is_new = ledger.post(
        session,
        tenant_id=tenant_id,
        invoice_id=row.invoice_id,
        payment_id=row.id,
        key=key,
        kind=kind,
        postings=sides,
        effective_at=at,
    )
    if not is_new:
        return
    if kind not in {"payment", "fee"}:
        _step(session, row, kind=kind, reason="", source=source)
    if any(one.account == RECEIVABLE for one in sides) and not kind.startswith("on-account"):
        _level(session, row, key, at=at, source=source)


def _level(session: Session, row: PaymentRow, key: str, *, at: dt.datetime, source: str) -> None:
    """Put on account what was paid beyond the invoice, or take back from there what it lacks again."""
    tenant_id, invoice_id = TenantId(row.tenant_id), row.invoice_id
    total = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id).bill.total_minor
    settled = ledger.settled(session, tenant_id=tenant_id, invoice_ids=[invoice_id]).get(invoice_id, 0)
    beyond = settled - total
    if beyond > 0:
        sides = _sides(RECEIVABLE, ON_ACCOUNT, beyond, row.currency)
        _move(session, row, f"{key}:on-account", "on-account", sides, at=at, source=source)
    there = ledger.on_account(session, tenant_id=tenant_id, currency=row.currency)
    lacking = min(-beyond, there)
    if lacking > 0:
        sides = _sides(ON_ACCOUNT, RECEIVABLE, lacking, row.currency)
        _move(session, row, f"{key}:on-account", "on-account-used", sides, at=at, source=source)


def _given_back(session: Session, row: PaymentRow, refund: RemoteRefund) -> list[Posting]:
    """Return the sides of a refund: first what the invoice put on account, then the invoice's own money."""
    tenant_id, invoice_id = TenantId(row.tenant_id), row.invoice_id
    put = ledger.surplus(session, tenant_id=tenant_id, invoice_ids=[invoice_id]).get(invoice_id, 0)
    there = ledger.on_account(session, tenant_id=tenant_id, currency=refund.currency)
    beyond = max(0, min(put, there, refund.amount_minor))
    return [
        Posting(ON_ACCOUNT, beyond, refund.currency),
        Posting(REFUNDS, refund.amount_minor - beyond, refund.currency),
        Posting(CLEARING, -refund.amount_minor, refund.currency),
    ]


def _sides(debit: str, credit: str, minor: int, currency: str) -> list[Posting]:
    return [Posting(debit, minor, currency), Posting(credit, -minor, currency)]


def _left(session: Session, row: PaymentRow) -> int:
    moved = ledger.journals_of(session, tenant_id=TenantId(row.tenant_id), invoice_id=row.invoice_id)
    given = sum(-_on(one, CLEARING) for one in moved if one.payment_id == row.id and one.kind in _BACK)
    return row.amount_minor - given


def _on(journal: Journal, account: str) -> int:
    return sum(one.amount_minor for one in journal.postings if one.account == account)


def _retry_at(session: Session, row: PaymentRow) -> dt.datetime | None:
    """Return when to try again by ourselves; None when only people can help."""
    if row.initiator == PERSON or not row.reason or Reason(row.reason) not in WORTH_RETRYING:
        return None
    failed = session.execute(
        select(func.count())
        .select_from(PaymentRow)
        .where(
            PaymentRow.tenant_id == row.tenant_id,
            PaymentRow.invoice_id == row.invoice_id,
            PaymentRow.initiator != PERSON,
            PaymentRow.state == State.FAILED,
        )
    ).scalar_one()
    if failed > len(RETRY_AFTER_DAYS):
        return None
    return clock.now() + dt.timedelta(days=RETRY_AFTER_DAYS[max(0, failed - 1)])


def _plan_no_more(rows: Iterable[PaymentRow]) -> None:
    for row in rows:
        row.retry_at = None


def _step(
    session: Session, row: PaymentRow, *, kind: str, reason: str, source: str, step_id: UUID | None = None
) -> None:
    session.add(
        PaymentStepRow(
            tenant_id=row.tenant_id,
            id=step_id or new_id(),
            payment_id=row.id,
            at=clock.now(),
            kind=str(kind),
            reason=str(reason),
            source=source,
        )
    )


def _of_invoice(
    session: Session, tenant_id: TenantId, invoice_id: UUID, *, lock: bool = False
) -> list[PaymentRow]:
    asked = (
        select(PaymentRow)
        .where(PaymentRow.tenant_id == tenant_id, PaymentRow.invoice_id == invoice_id)
        .order_by(PaymentRow.attempt.desc())
    )
    if lock:
        asked = asked.with_for_update().execution_options(populate_existing=True)
    return list(session.scalars(asked))


def _row(session: Session, tenant_id: TenantId, payment_id: UUID, *, lock: bool = False) -> PaymentRow:
    row = session.get(
        PaymentRow, (tenant_id, payment_id), with_for_update=lock or None, populate_existing=lock
    )
    if row is None:
        raise PaymentNotFoundError
    return row


def _payment(row: PaymentRow) -> Payment:
    return Payment(
        payment_id=PaymentId(row.id),
        invoice_id=InvoiceId(row.invoice_id),
        attempt=row.attempt,
        account=row.account,
        amount_minor=row.amount_minor,
        currency=row.currency,
        initiator=row.initiator,
        by_user=UserId(row.by_user) if row.by_user else None,
        method_id=PaymentMethodId(row.method_id) if row.method_id else None,
        state=State(row.state),
        reason=Reason(row.reason) if row.reason else None,
        remote_id=row.remote_id or "",
        page_id=row.page_id or "",
        started_at=row.started_at,
        changed_at=row.changed_at,
        retry_at=row.retry_at,
    )
