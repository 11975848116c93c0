"""Topping a wallet up through the provider: begun, told what came of it, put in once.

Like attempts to collect an invoice (`billing.payments.attempts`): begun in a transaction, asked of the
provider outside of any, and what is recorded is the provider's present state, so news may come twice, late
and in any order. What its holder takes back, or is given back, goes out of the wallet; what is not there any
more is our loss, on an account of its own.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import ledger, wallets
from billing.errors import (
    PaymentMismatchError,
    PaymentUnderWayError,
    TopUpNotFoundError,
    WalletAmountError,
    WalletNotFoundError,
)
from billing.events import TopUpFailed
from billing.ledger import CLEARING, FEES, Posting
from billing.models import RefundRow, TopUpRow
from billing.payments.attempts import PERSON, UNDER_WAY, next_state
from billing.payments.port import Reason, RemotePayment, RemoteRefund, State
from billing.wallets import Stopped
from core import clock
from core.events import announce
from core.ids import PaymentId, PaymentMethodId, TenantId, UserId, new_id

AUTOMATIC = "automatic"
REFUSED = "refused"  # how a refund is undone that the provider would not make
_MOST_MINOR = 99_999_999  # the provider takes eight digits


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """One top-up."""

    top_up_id: PaymentId
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


def begin(
    session: Session,
    *,
    tenant_id: TenantId,
    account: str,
    top_up_id: UUID,
    amount_minor: int,
    method_id: PaymentMethodId | None = None,
    by_user: UserId,
) -> tuple[TopUp, bool]:
    """Begin a top-up that a person asks for; once for its id, which is made with the form.

    The flag says whether it is new: nobody can have asked the provider for it yet.

    Raises:
        WalletNotFoundError: the company pays by invoice.
        WalletAmountError: nothing, or more than a card can pay at once.
        PaymentUnderWayError: the provider is being asked for another one just now.
    """
    wallet = wallets.find(session, tenant_id=tenant_id)
    if wallet is None:
        raise WalletNotFoundError
    wallets.automatic(session, tenant_id=tenant_id, lock=True)  # a form that is sent twice waits here
    before = session.get(TopUpRow, (tenant_id, top_up_id), populate_existing=True)
    if before is not None:
        return _top_up(before), False
    asked = select(TopUpRow.id).where(
        TopUpRow.tenant_id == tenant_id,
        TopUpRow.initiator == PERSON,
        TopUpRow.state == State.STARTED.value,
        TopUpRow.page_id.is_(None),
    )
    if method_id is not None and (asking := session.scalar(asked)):
        raise PaymentUnderWayError(payment=str(asking))  # what came of it is not known yet
    row = _new(tenant_id, account, amount_minor, wallet.currency, PERSON, method_id, by_user)
    row.id = top_up_id
    session.add(row)
    session.flush()
    return _top_up(row), True


def begin_automatic(
    session: Session, *, tenant_id: TenantId, account: str, method_id: PaymentMethodId
) -> tuple[TopUp, bool] | None:
    """Begin the top-up a company's rule wants now, or return the one that was cut off; None: it wants none.

    The flag says whether it is new: nobody can have asked the provider for it yet. When the month's money for
    it is used up, the rule stops and its people are told. The wallet's row is held: one at a time.
    """
    rule = wallets.automatic(session, tenant_id=tenant_id, lock=True)
    if rule is None or rule.stopped is not None:
        return None
    going = session.scalar(
        select(TopUpRow).where(
            TopUpRow.tenant_id == tenant_id,
            TopUpRow.initiator == AUTOMATIC,
            TopUpRow.state.in_(UNDER_WAY),
        )
    )
    if going is not None:
        is_ours = going.state == State.STARTED and going.account == account
        return (_top_up(going), False) if is_ours else None
    if not rule.is_wanted:
        return None
    now = clock.now()
    if _this_month(session, tenant_id, now) + rule.amount_minor > rule.cap_minor:
        _stop(session, tenant_id, Stopped.CAP, rule.amount_minor, rule.currency)
        return None
    row = _new(tenant_id, account, rule.amount_minor, rule.currency, AUTOMATIC, method_id, None)
    session.add(row)
    session.flush()
    return _top_up(row), True


def no_method(session: Session, *, tenant_id: TenantId) -> None:
    """Stop a company's rule that has nothing to pay with, and tell its people."""
    rule = wallets.automatic(session, tenant_id=tenant_id, lock=True)
    if rule is not None and rule.stopped is None and rule.is_wanted:
        _stop(session, tenant_id, Stopped.NO_METHOD, rule.amount_minor, rule.currency)


def opened(session: Session, *, tenant_id: TenantId, top_up_id: UUID, page_id: str) -> None:
    """Keep which page of the provider's the payer was sent to."""
    _row(session, tenant_id, top_up_id).page_id = page_id
    session.flush()


def record(
    session: Session,
    *,
    tenant_id: TenantId,
    top_up_id: UUID,
    remote: RemotePayment,
    is_page_open: bool = False,
) -> TopUp:
    """Record how a top-up stands at the provider, and move what that moves; each movement once.

    Raises:
        TopUpNotFoundError: no such top-up.
        PaymentMismatchError: it is another payment, amount or currency; nothing is booked.
    """
    _row(session, tenant_id, top_up_id)
    rule = wallets.automatic(session, tenant_id=tenant_id, lock=True)  # the wallet first, as everybody does
    row = _row(session, tenant_id, top_up_id, lock=True)
    _insist_it_is_ours(row, remote)
    row.remote_id = remote.remote_id or row.remote_id
    before = State(row.state)
    is_declined = remote.state is State.CANCELLED and remote.reason is not None
    state = next_state(before, State.FAILED if is_declined else remote.state, is_page_open=is_page_open)
    reason = (remote.reason or row.reason) if state in {State.FAILED, State.STARTED} else ""
    if (state, reason) != (before, row.reason):
        row.state, row.reason, row.changed_at = state, str(reason), clock.now()
    session.flush()
    _book(session, row, remote)
    if state is State.FAILED and before is not State.FAILED and row.initiator == AUTOMATIC and rule:
        _stop(session, tenant_id, Stopped.DECLINED, row.amount_minor, row.currency)
    return _top_up(row)


def cancel(session: Session, *, tenant_id: TenantId, top_up_id: UUID) -> TopUp:
    """Close a top-up whose page was left unused; one that has gone further stays as it is."""
    row = _row(session, tenant_id, top_up_id, lock=True)
    if row.state == State.STARTED:
        row.state, row.changed_at = State.CANCELLED, clock.now()
        session.flush()
    return _top_up(row)


def find(session: Session, *, tenant_id: TenantId, top_up_id: UUID) -> TopUp:
    """Return a top-up.

    Raises:
        TopUpNotFoundError: no such top-up.
    """
    return _top_up(_row(session, tenant_id, top_up_id))


def every(
    session: Session,
    *,
    tenant_id: TenantId,
    states: Sequence[State] = (),
    started_before: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int = 20,
) -> tuple[TopUp, ...]:
    """Return top-ups, newest first.

    Args:
        session: in the company's context.
        tenant_id: whose.
        states: of these only, all when empty.
        started_before: only those begun before then.
        before: the ones just older than this one.
        limit: how many at most.
    """
    asked = select(TopUpRow).where(TopUpRow.tenant_id == tenant_id)
    if states:
        asked = asked.where(TopUpRow.state.in_(states))
    if started_before is not None:
        asked = asked.where(TopUpRow.started_at < started_before)
    if before is not None:
        asked = asked.where(TopUpRow.id < before)
    return tuple(_top_up(row) for row in session.scalars(asked.order_by(TopUpRow.id.desc()).limit(limit)))


def _book(session: Session, row: TopUpRow, remote: RemotePayment) -> None:
    tenant_id, at = TenantId(row.tenant_id), remote.succeeded_at or row.changed_at
    key = f"top-up:{row.id}"
    if remote.state is State.SUCCEEDED:
        wallets.top_up(
            session,
            tenant_id=tenant_id,
            key=key,
            amount_minor=row.amount_minor,
            source=CLEARING,
            at=at,
            payment_id=row.id,
        )
    if remote.state is State.SUCCEEDED and remote.fee_minor:
        ledger.post(
            session,
            tenant_id=tenant_id,
            key=f"{key}:fee",
            kind="fee",
            effective_at=at,
            payment_id=row.id,
            postings=[
                Posting(FEES, remote.fee_minor, remote.fee_currency),
                Posting(CLEARING, -remote.fee_minor, remote.fee_currency),
            ],
        )
    ours = {one.remote_id for one in remote.refunds if _book_ours(session, row, one)}
    backs = [(f"refund:{one.remote_id}", "failed", one.amount_minor, one.made_at, one.is_failed)
             for one in remote.refunds if one.remote_id not in ours]  # fmt: skip
    backs += [(f"dispute:{one.remote_id}", "won", one.amount_minor, one.made_at, one.is_won)
              for one in remote.disputes if not one.is_warning]  # fmt: skip
    for name, undone, minor, made_at, is_undone in backs:
        taken = wallets.take_back(
            session, tenant_id=tenant_id, key=name, amount_minor=minor, at=made_at, payment_id=row.id
        )
        if taken and name.startswith("dispute"):
            rule = wallets.automatic(session, tenant_id=tenant_id)
            if rule is not None and rule.stopped is None:
                _stop(session, tenant_id, Stopped.TAKEN_BACK, row.amount_minor, row.currency)
        if is_undone:
            wallets.put_again(session, tenant_id=tenant_id, key=name, undone=undone, payment_id=row.id)


def _book_ours(session: Session, row: TopUpRow, refund: RemoteRefund) -> bool:
    """Book a refund that the staff asked for and the wallet has kept the money of; False: it is none."""
    tenant_id = TenantId(row.tenant_id)
    asked = session.get(RefundRow, (tenant_id, refund.refund_id)) if refund.refund_id else None
    if asked is None or asked.top_up_id != row.id:
        return False
    kept, made = kept_key(asked.id), f"refund:{refund.remote_id}"
    if not ledger.find(session, tenant_id=tenant_id, key=kept) or ledger.find(
        session, tenant_id=tenant_id, key=f"{kept}:{REFUSED}"
    ):
        return False
    wallets.gone_back(
        session,
        tenant_id=tenant_id,
        key=made,
        amount_minor=refund.amount_minor,
        at=refund.made_at,
        payment_id=row.id,
    )
    asked.standing = "came-back" if refund.is_failed else "made"
    session.flush()
    if refund.is_failed:
        for name in (made, kept):
            wallets.put_again(session, tenant_id=tenant_id, key=name, undone="failed", payment_id=row.id)
    return True


def stop_given_back(session: Session, *, tenant_id: TenantId, amount_minor: int) -> None:
    """Let a wallet whose money is given back not fetch it again by itself; its people are told."""
    rule = wallets.automatic(session, tenant_id=tenant_id, lock=True)
    if rule is not None and rule.stopped is None:
        _stop(session, tenant_id, Stopped.GIVEN_BACK, amount_minor, rule.currency)


def kept_key(refund_id: UUID) -> str:
    """Return what the ledger calls the money of a refund while it is neither here nor there."""
    return f"refund:{refund_id}"


def _stop(session: Session, tenant_id: TenantId, why: Stopped, amount_minor: int, currency: str) -> None:
    wallets.stop_automatic(session, tenant_id=tenant_id, why=why)
    announce(
        session,
        TopUpFailed(tenant_id=tenant_id, reason=why.value, amount_minor=amount_minor, currency=currency),
    )


def _this_month(session: Session, tenant_id: TenantId, now: dt.datetime) -> int:
    """Return what was topped up automatically since the month began (UTC), what is under way included."""
    since = now.astimezone(dt.UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    asked = select(func.sum(TopUpRow.amount_minor)).where(
        TopUpRow.tenant_id == tenant_id,
        TopUpRow.initiator == AUTOMATIC,
        TopUpRow.state.in_([*UNDER_WAY, State.SUCCEEDED]),
        TopUpRow.started_at >= since,
    )
    return int(session.scalar(asked) or 0)


def _insist_it_is_ours(row: TopUpRow, remote: RemotePayment) -> None:
    wrong = {
        "payment": remote.payment_id not in {None, row.id},
        "invoice": remote.invoice_id is not None,
        "remote": bool(row.remote_id and remote.remote_id) and row.remote_id != remote.remote_id,
        "amount": remote.amount_minor != row.amount_minor,
        "currency": remote.currency != row.currency,
    }
    if any(wrong.values()):
        raise PaymentMismatchError(differs=[name for name, is_so in wrong.items() if is_so])


def _new(
    tenant_id: TenantId,
    account: str,
    amount_minor: int,
    currency: str,
    initiator: str,
    method_id: PaymentMethodId | None,
    by_user: UserId | None,
) -> TopUpRow:
    if not 0 < amount_minor <= _MOST_MINOR:
        raise WalletAmountError
    now = clock.now()
    return TopUpRow(
        tenant_id=tenant_id,
        id=new_id(),
        account=account,
        amount_minor=amount_minor,
        currency=currency,
        initiator=initiator,
        by_user=by_user,
        method_id=method_id,
        state=State.STARTED.value,
        reason="",
        started_at=now,
        changed_at=now,
    )


def _row(session: Session, tenant_id: TenantId, top_up_id: UUID, *, lock: bool = False) -> TopUpRow:
    row = session.get(TopUpRow, (tenant_id, top_up_id), with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise TopUpNotFoundError
    return row


def _top_up(row: TopUpRow) -> TopUp:
    return TopUp(
        top_up_id=PaymentId(row.id),
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
    )
