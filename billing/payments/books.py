"""Our books beside the provider's: what each says moved the money it holds for us, and where they differ.

Pure comparing of two lists; what came of it is kept in `billing.payments.differences`. A line is known by
what moved and by the provider's name for its cause, so lateness on either side is no difference. Source:
reference: billing, section 5, "Reconciliation".
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from billing.ledger import BANK, CLEARING, FEES
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
    Moved.FEE: "provider-fee:{}",
}
# those nobody else tells of: how each is booked in our own books, against the clearing account
_OWN = {
    Moved.PAYOUT: ("payout", BANK),
    Moved.PAYOUT_FAILED: ("payout-failed", BANK),
    Moved.FEE: ("provider-fee", FEES),
}
# the fee on a line that is no payment's; a payment's own is booked with it
_LINE_FEE = "line-fee:{}"
_Asked = TypeVarTuple("_Asked")


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
    """One difference; what one side does not have is None.

    `effects` is by how much the provider holds more for it than our books say, fees taken off, by currency.
    """

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
    effects: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the provider holds for us in one currency, beside our clearing account; minor units.

    Attributes:
        ours_minor: of the clearing account, over all companies and the operator.
        theirs_minor: what the provider says.
        known_minor: what the differences come to that are open or explained.
        coming_minor: what the provider has booked since, and news will tell us of.
    """

    currency: str
    ours_minor: int
    theirs_minor: int
    known_minor: int
    coming_minor: int

    @property
    def unexplained_minor(self) -> int:
        """What the provider holds beyond all that; a cent of it is a difference."""
        return self.theirs_minor - self.ours_minor - self.known_minor - self.coming_minor


def held(session: Session, *, tenant_id: TenantId, account: str) -> dict[str, int]:
    """Return what a company's ledger, or the operator's own, has on the clearing account, by currency.

    Args:
        session: in that context.
        tenant_id: whose ledger.
        account: of the provider; payments of another are left out.
    """
    whose = func.coalesce(PaymentRow.account, TopUpRow.account, account)
    rows = session.execute(
        _moving(select(PostingRow.currency, func.sum(PostingRow.amount_minor)).select_from(JournalRow))
        .where(JournalRow.tenant_id == tenant_id, whose == account)
        .group_by(PostingRow.currency)
    )
    return {currency: int(minor) for currency, minor in rows}


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
        _moving(
            select(
                JournalRow,
                PostingRow.amount_minor,
                PostingRow.currency,
                func.coalesce(PaymentRow.remote_id, TopUpRow.remote_id, ""),
                func.coalesce(PaymentRow.account, TopUpRow.account, account),
            )
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
        effects={one.currency: -_net(one)},
    )


@dataclass(frozen=True, slots=True)
class Told:
    """A journal of our own books: only the provider's tell of it."""

    key: str
    kind: str
    sides: tuple[tuple[str, int], ...]


def told(one: Movement) -> tuple[Told, ...]:
    """Return what is booked in our own books for a line: a payout to our bank, a fee that no payment has."""
    found = []
    if one.moved in _OWN:
        kind, account = _OWN[one.moved]
        sides = ((account, -one.amount_minor), (CLEARING, one.amount_minor))
        found.append(Told(_KEYS[one.moved].format(one.remote_id), kind, sides))
    if one.fee_minor and one.moved is not Moved.PAYMENT:
        sides = ((FEES, one.fee_minor), (CLEARING, -one.fee_minor))
        found.append(Told(_LINE_FEE.format(one.entry_id), "fee", sides))
    return tuple(found)


def _moving(asked: Select[*_Asked]) -> Select[*_Asked]:
    """Return a question about journals that move the provider's money, with the payment each belongs to."""
    return (
        asked.join(
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
    )


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
            effects=effects,
        )

    effects = {mine.currency: -_net(mine)}
    effects[one.currency] = effects.get(one.currency, 0) + _net(one)

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
    if one.moved in _OWN:
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
        effects={one.currency: _net(one)},
    )


def _net(one: Movement | Booked) -> int:
    """Return what a line leaves; the fee of one that is no payment's is booked on its own."""
    return one.amount_minor - (one.fee_minor if one.moved is Moved.PAYMENT else 0)
