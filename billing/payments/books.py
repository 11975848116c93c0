"""Our books beside the provider's: what each says moved the money it holds for us, and where they differ.

Pure comparing of two lists; what came of it is kept in `billing.payments.differences`. A line is known by
what moved and by the provider's name for its cause, so lateness on either side is no difference. Source:
reference: billing, section 5, "Reconciliation".
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from billing.ledger import BANK, CLEARING
from billing.models import JournalRow, PaymentRow, PostingRow, TopUpRow
from billing.payments.port import Moved, Movement
from core.ids import OPERATOR, PaymentId, TenantId

_KEYS = {
    Moved.REFUND: "refund:{}",
    Moved.REFUND_FAILED: "refund:{}:failed",
    Moved.DISPUTE: "dispute:{}",
    Moved.DISPUTE_WON: "dispute:{}:won",
    Moved.PAYOUT: "payout:{}",
    Moved.PAYOUT_FAILED: "payout:{}:failed",
}


class Differs(StrEnum):
    """How the two differ."""

    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    AMOUNT = "amount"
    FEE = "fee"
    CURRENCY = "currency"
    STATE = "state"
    TWICE = "twice"
    TAX = "tax"
    LINES = "lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One movement of the provider's money in our ledger; `amount_minor` before its fee, signed."""

    tenant_id: TenantId
    payment_id: PaymentId | None
    moved: Moved
    remote_id: str
    amount_minor: int
    fee_minor: int
    currency: str
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A payment of ours, booked or not."""

    tenant_id: TenantId
    payment_id: PaymentId
    remote_id: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference; what one side does not have is None."""

    moved: Moved
    remote_id: str
    differs: Differs
    at: dt.datetime
    tenant_id: TenantId | None
    payment_id: PaymentId | None
    ours_minor: int | None
    ours: str
    theirs_minor: int | None
    theirs: str
    currency: str


def booked(
    session: Session,
    *,
    tenant_id: TenantId,
    account: str,
    start: dt.datetime,
    end: dt.datetime,
    theirs: Iterable[Movement] = (),
) -> tuple[Booked, ...]:
    """Return what a company's ledger says moved the provider's money.

    Args:
        session: in the company's context, or the operator's for payouts.
        tenant_id: whose ledger.
        account: of the provider; payments of another are left out.
        start: what happened from then on,
        end: and before then,
        theirs: and what belongs to these, whenever it happened.
    """
    theirs = list(theirs)
    keys = [_KEYS[one.moved].format(one.remote_id) for one in theirs if one.moved in _KEYS]
    remotes = [one.remote_id for one in theirs]
    paid = [
        select(kind.id).where(kind.tenant_id == tenant_id, kind.remote_id.in_(remotes))
        for kind in (PaymentRow, TopUpRow)
    ]
    in_time = (JournalRow.effective_at >= start) & (JournalRow.effective_at < end)
    rows = session.execute(
        select(
            JournalRow,
            PostingRow.amount_minor,
            PostingRow.currency,
            func.coalesce(PaymentRow.remote_id, TopUpRow.remote_id, ""),
            func.coalesce(PaymentRow.account, TopUpRow.account, account),
        )
        .join(
            PostingRow,
            (PostingRow.tenant_id == JournalRow.tenant_id)
            & (PostingRow.journal_id == JournalRow.id)
            & (PostingRow.account == CLEARING),
        )
        .outerjoin(
            PaymentRow,
            (PaymentRow.tenant_id == JournalRow.tenant_id) & (PaymentRow.id == JournalRow.payment_id),
        )
        .outerjoin(
            TopUpRow, (TopUpRow.tenant_id == JournalRow.tenant_id) & (TopUpRow.id == JournalRow.payment_id)
        )
        .where(
            JournalRow.tenant_id == tenant_id,
            or_(
                in_time,
                JournalRow.key.in_(keys),
                *(JournalRow.payment_id.in_(one) for one in paid),
            ),
        )
        .order_by(JournalRow.id)
    ).all()
    fees = {(row[0].payment_id, row[2]): -row[1] for row in rows if row[0].kind == "fee"}
    found = []
    for journal, minor, currency, remote, whose in rows:
        if journal.kind == "fee" or whose != account:
            continue
        moved, remote_id = _read(journal.key)
        is_payment = moved is Moved.PAYMENT
        found.append(
            Booked(
                tenant_id=tenant_id,
                payment_id=PaymentId(journal.payment_id) if journal.payment_id else None,
                moved=moved,
                remote_id=remote if is_payment else remote_id,
                amount_minor=minor,
                fee_minor=fees.get((journal.payment_id, currency), 0) if is_payment else 0,
                currency=currency,
                at=journal.effective_at,
            )
        )
    return tuple(found)


def known(session: Session, *, tenant_id: TenantId, theirs: Sequence[Movement]) -> tuple[Known, ...]:
    """Return the company's payments that these movements are about, however they stand."""
    remotes = [one.remote_id for one in theirs]
    ids = [one.payment_id for one in theirs if one.payment_id]
    rows: list[PaymentRow | TopUpRow] = []
    for kind in (PaymentRow, TopUpRow):
        fits = or_(kind.remote_id.in_(remotes), kind.id.in_(ids))
        rows += session.scalars(select(kind).where(kind.tenant_id == tenant_id, fits))
    return tuple(
        Known(
            tenant_id=tenant_id,
            payment_id=PaymentId(row.id),
            remote_id=row.remote_id or "",
            state=row.state,
        )
        for row in rows
    )


def compare(
    theirs: Sequence[Movement], ours: Sequence[Booked], payments: Sequence[Known]
) -> tuple[list[Found], list[Booked]]:
    """Return where they differ, and what we have booked that none of theirs is about.

    Args:
        theirs: lines of the provider's books.
        ours: what we have booked, of these at least.
        payments: ours that `theirs` is about, for those we have not booked.
    """
    here = {(one.moved, one.remote_id): one for one in ours}
    by_remote = {one.remote_id: one for one in payments if one.remote_id}
    by_id = {one.payment_id: one for one in payments}
    seen: set[tuple[Moved, str]] = set()
    found: list[Found] = []
    for one in theirs:
        key = (one.moved, one.remote_id)
        if key in seen:
            found.append(_theirs_alone(one, Differs.TWICE, remote_id=one.entry_id, known=None))
            continue
        seen.add(key)
        mine = here.get(key)
        if mine is not None:
            found += _beside(one, mine)
            continue
        about = by_remote.get(one.remote_id) or (by_id.get(one.payment_id) if one.payment_id else None)
        differs = Differs.MISSING_HERE
        if about is not None and about.remote_id not in {"", one.remote_id} and one.moved is Moved.PAYMENT:
            differs = Differs.TWICE  # that payment of ours has been made there before
        elif about is not None and one.moved is Moved.PAYMENT:
            differs = Differs.STATE
        found.append(_theirs_alone(one, differs, remote_id=one.remote_id, known=about))
    return found, [one for one in ours if (one.moved, one.remote_id) not in seen]


def ours_alone(one: Booked, *, state: str) -> Found:
    """Return the difference of what only we have; `state`: of the payment over there, empty: it is not."""
    return Found(
        moved=one.moved,
        remote_id=one.remote_id,
        differs=Differs.STATE if state else Differs.MISSING_THERE,
        at=one.at,
        tenant_id=one.tenant_id,
        payment_id=one.payment_id,
        ours_minor=one.amount_minor,
        ours="succeeded" if state else "",
        theirs_minor=None,
        theirs=state,
        currency=one.currency,
    )


def payout(one: Movement) -> tuple[str, str, tuple[tuple[str, int], ...]]:
    """Return key, kind and sides under which a payout to our bank is booked; it is told by nobody else."""
    kind = "payout" if one.moved is Moved.PAYOUT else "payout-failed"
    sides = ((BANK, -one.amount_minor), (CLEARING, one.amount_minor))
    return _KEYS[one.moved].format(one.remote_id), kind, sides


def _read(key: str) -> tuple[Moved, str]:
    """Return what a journal's key says moved, and the provider's name for its cause."""
    first, name, *rest = [*key.split(":"), ""]
    if first in {"payment", "top-up"}:
        return Moved.PAYMENT, ""
    pattern = ":".join([first, "{}", *rest[:-1]])
    moved = next((moved for moved, form in _KEYS.items() if form == pattern), Moved.OTHER)
    return moved, name


def _beside(one: Movement, mine: Booked) -> list[Found]:
    """Return how a line of theirs and ours, of the same cause, differ."""

    def differ(differs: Differs, ours: int, theirs: int, *, ours_word: str = "", word: str = "") -> Found:
        return Found(
            moved=one.moved,
            remote_id=one.remote_id,
            differs=differs,
            at=one.at,
            tenant_id=mine.tenant_id,
            payment_id=mine.payment_id,
            ours_minor=ours,
            ours=ours_word,
            theirs_minor=theirs,
            theirs=word,
            currency=mine.currency,
        )

    if one.currency != mine.currency:
        words = {"ours_word": mine.currency, "word": one.currency}
        return [differ(Differs.CURRENCY, mine.amount_minor, one.amount_minor, **words)]
    if one.amount_minor != mine.amount_minor:
        return [differ(Differs.AMOUNT, mine.amount_minor, one.amount_minor)]
    if one.moved is Moved.PAYMENT and one.fee_minor != mine.fee_minor:
        return [differ(Differs.FEE, -mine.fee_minor, -one.fee_minor)]
    return []


def _theirs_alone(one: Movement, differs: Differs, *, remote_id: str, known: Known | None) -> Found:
    payment_id: UUID | None = known.payment_id if known else one.payment_id
    tenant_id = known.tenant_id if known else one.tenant_id
    if one.moved in {Moved.PAYOUT, Moved.PAYOUT_FAILED}:
        tenant_id = OPERATOR
    return Found(
        moved=one.moved,
        remote_id=remote_id,
        differs=differs,
        at=one.at,
        tenant_id=tenant_id,
        payment_id=PaymentId(payment_id) if payment_id else None,
        ours_minor=None,
        ours=known.state if known else "",
        theirs_minor=one.amount_minor,
        theirs="",
        currency=one.currency,
    )
