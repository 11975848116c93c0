"""Wallets of companies that pay beforehand: reserve before a call, extend during it, settle once, release.

What a company may still spend is its balance, less what is reserved, plus its credit. Whoever changes any
of the three holds the wallet's row, so two calls that begin together cannot both have the last cent; the
database checks the sum as well. Reserved money can neither be spent nor moved. A call reserves for the time
it may last and a minute more, so it is paid for before it is talked; where proven use came to more all the
same, what is there is taken and the rest stands on the invoice.

Amounts are thousand-millionths of the currency's unit, with tax. Entries are the truth, the balance is their
sum. The ledger knows what came in, what invoices took and what went back (`billing.ledger`); what calls have
taken since the last invoice is the difference between it and the balance.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import accounts, ledger
from billing.accounts import PPM
from billing.errors import PaysForOthersError, WalletAmountError, WalletNotFoundError, WalletShortError
from billing.events import TopUpWanted, WalletLow
from billing.ledger import BANK, CLEARING, GOING_BACK, TAKEN_BACK, WALLET, Posting
from billing.models import (
    LINE_CHARGES,
    CostShareRow,
    InvoiceRow,
    RatedChargeRow,
    ReservationRow,
    UsageEventRow,
    WalletEntryRow,
    WalletRow,
)
from core import clock
from core.events import announce
from core.ids import TenantId, new_id
from core.money import NANO, exponent
from security import evidence

_MOST_MINOR = 10**11
_RENT_FORGOTTEN = dt.timedelta(days=366)  # its invoice is long paid, or never will be
_KINDS_OF_MONEY = {CLEARING, BANK, GOING_BACK}


class Kind(StrEnum):
    """What an entry is."""

    TOP_UP = "top-up"
    USED = "used"  # by a call
    INVOICED = "invoiced"  # what an invoice came to beyond what calls had taken; below that, given back
    WITHDRAWN = "withdrawn"


class Stopped(StrEnum):
    """Why a company's automatic top-up stands still until its people switch it on again."""

    DECLINED = "declined"
    CAP = "cap"  # the month's money for it is used up; it goes on in the next
    NO_METHOD = "no-method"
    TAKEN_BACK = "taken-back"  # the bank took one back
    GIVEN_BACK = "given-back"  # we gave one back: it is not fetched again by itself


class State(StrEnum):
    """Where a reservation stands; it ends settled or released, once."""

    OPEN = "open"
    SETTLED = "settled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Wallet:
    """How a wallet stands, in nano-units; `low_nano`: below it its people are told, None: never."""

    currency: str
    balance_nano: int
    reserved_nano: int
    credit_nano: int
    low_nano: int | None

    @property
    def available_nano(self) -> int:
        """What may still be spent."""
        return self.balance_nano - self.reserved_nano + self.credit_nano


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """When a wallet tops itself up; `is_wanted`: there is less than that now."""

    below_minor: int
    amount_minor: int
    cap_minor: int
    currency: str
    stopped: Stopped | None
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is kept for one use, which its id is."""

    use_id: UUID
    state: State
    amount_nano: int
    taken_nano: int
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of a wallet."""

    entry_id: UUID
    at: dt.datetime
    kind: Kind
    amount_nano: int
    use_id: UUID | None


def open_wallet(
    session: Session, *, tenant_id: TenantId, credit_minor: int = 0, low_minor: int | None = None
) -> Wallet:
    """Let a company pay beforehand, or change its credit and when it is told that little is left.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
        WalletAmountError: an amount that cannot be.
        WalletShortError: it uses more of its credit than it would have.
        PaysForOthersError: it pays a part of another company's calls, for which nothing is ever kept.
    """
    currency = accounts.find(session, tenant_id=tenant_id).currency
    if _pays_for_others(session, tenant_id):
        raise PaysForOthersError
    if not 0 <= credit_minor <= _MOST_MINOR or not 0 <= (low_minor or 0) <= _MOST_MINOR:
        raise WalletAmountError
    session.execute(
        insert(WalletRow)
        .values(
            tenant_id=tenant_id,
            currency=currency,
            balance_nano=0,
            reserved_nano=0,
            credit_nano=0,
            is_low_told=False,
            auto_stopped="",
            is_auto_asked=False,
            opened_at=clock.now(),
        )
        .on_conflict_do_nothing()
    )
    row = _row(session, tenant_id)
    credit = nano(credit_minor, currency)
    if row.balance_nano - row.reserved_nano + credit < 0:
        raise WalletShortError
    row.credit_nano = credit
    row.low_nano = None if low_minor is None else nano(low_minor, currency)
    row.is_low_told = False
    session.flush()
    evidence.record(session, "wallet.terms-set", "ten", tenant_id, total_minor=credit_minor)
    return _wallet(row)


def find(session: Session, *, tenant_id: TenantId, lock: bool = False) -> Wallet | None:
    """Return a company's wallet; None: it pays by invoice. `lock` holds it until the transaction ends."""
    row = session.get(WalletRow, (tenant_id,), with_for_update=lock or None, populate_existing=True)
    return _wallet(row) if row else None


def set_automatic(
    session: Session,
    *,
    tenant_id: TenantId,
    below_minor: int | None,
    amount_minor: int = 0,
    cap_minor: int = 0,
) -> None:
    """Let a wallet top itself up when less than an amount is left, or not any more.

    What had stopped it is forgotten: somebody has looked.

    Args:
        session: in the company's context.
        tenant_id: whose wallet.
        below_minor: when less than this may be spent; None switches it off.
        amount_minor: how much comes each time.
        cap_minor: the most in a month (UTC).

    Raises:
        WalletNotFoundError: it pays by invoice.
        WalletAmountError: amounts that cannot be: nothing, or a month's below one top-up.
    """
    row = _row(session, tenant_id)
    if below_minor is not None and not (
        0 <= below_minor <= _MOST_MINOR and 0 < amount_minor <= cap_minor <= _MOST_MINOR
    ):
        raise WalletAmountError
    row.auto_below_nano = None if below_minor is None else nano(below_minor, row.currency)
    row.auto_minor = None if below_minor is None else amount_minor
    row.auto_cap_minor = None if below_minor is None else cap_minor
    row.auto_stopped, row.auto_stopped_at, row.is_auto_asked = "", None, False
    session.flush()
    _watch(session, row)
    evidence.record(
        session,
        "wallet.automatic-set",
        "ten",
        tenant_id,
        below_minor=below_minor,
        amount_minor=amount_minor,
        total_minor=cap_minor,
    )


def automatic(session: Session, *, tenant_id: TenantId, lock: bool = False) -> Automatic | None:
    """Return when a wallet tops itself up; None: never. `lock` holds the wallet, whether it does or not."""
    row = session.get(WalletRow, (tenant_id,), with_for_update=lock or None, populate_existing=True)
    if row is None or row.auto_below_nano is None or row.auto_minor is None or row.auto_cap_minor is None:
        return None
    return Automatic(
        below_minor=row.auto_below_nano // nano(1, row.currency),
        amount_minor=row.auto_minor,
        cap_minor=row.auto_cap_minor,
        currency=row.currency,
        stopped=Stopped(row.auto_stopped) if row.auto_stopped else None,
        is_wanted=_wallet(row).available_nano < row.auto_below_nano,
    )


def stop_automatic(session: Session, *, tenant_id: TenantId, why: Stopped) -> None:
    """Let a wallet top itself up no more, until its people switch it on again."""
    row = _row(session, tenant_id)
    row.auto_stopped, row.auto_stopped_at = why.value, clock.now()
    session.flush()


def resume_automatic(session: Session, *, tenant_id: TenantId) -> None:
    """Let a wallet go on topping itself up that had used up the money of a month that is over (UTC)."""
    row = _row(session, tenant_id)
    at, now = row.auto_stopped_at, clock.now()
    if row.auto_stopped == Stopped.CAP and at and (at.year, at.month) != (now.year, now.month):
        row.auto_stopped, row.auto_stopped_at = "", None
        session.flush()


def top_up(
    session: Session,
    *,
    tenant_id: TenantId,
    key: str,
    amount_minor: int,
    source: str,
    at: dt.datetime,
    payment_id: UUID | None = None,
) -> bool:
    """Put money in that has come; once for its key. Return whether it is new.

    Args:
        session: in the company's context.
        tenant_id: whose wallet.
        key: names the movement for ever, here and in the ledger.
        amount_minor: how much came.
        source: where it lies: `ledger.CLEARING`, or `ledger.BANK` of a transfer.
        at: when it came.
        payment_id: the top-up it is, when it came by the provider.

    Raises:
        WalletNotFoundError: it pays by invoice.
        WalletAmountError: nothing, or too much.
    """
    row = _row(session, tenant_id)
    _insist(amount_minor, source)
    if not _enter(session, row, key, Kind.TOP_UP, nano(amount_minor, row.currency)):
        return False
    ledger.post(
        session,
        tenant_id=tenant_id,
        key=key,
        kind="top-up",
        effective_at=at,
        payment_id=payment_id,
        postings=[
            Posting(source, amount_minor, row.currency),
            Posting(WALLET, -amount_minor, row.currency),
        ],
    )
    return True


def withdraw(
    session: Session,
    *,
    tenant_id: TenantId,
    key: str,
    amount_minor: int,
    source: str,
    at: dt.datetime,
    payment_id: UUID | None = None,
) -> bool:
    """Give money back out of a wallet, once for its key: never what is reserved, and never credit.

    Of a top-up that goes back the way it came (`payment_id`), the provider still has it: its `source` is
    `ledger.GOING_BACK`, until `gone_back`, or `put_again` where nobody took it.

    Raises:
        WalletNotFoundError: it pays by invoice.
        WalletAmountError: nothing, or too much.
        WalletShortError: more than lies there unreserved.
    """
    row = _row(session, tenant_id)
    _insist(amount_minor, source)
    wanted = nano(amount_minor, row.currency)
    if _knows(session, tenant_id, key):
        return False
    if row.balance_nano - row.reserved_nano < wanted:
        raise WalletShortError
    _enter(session, row, key, Kind.WITHDRAWN, -wanted)
    ledger.post(
        session,
        tenant_id=tenant_id,
        key=key,
        kind="withdrawal",
        effective_at=at,
        payment_id=payment_id,
        postings=[
            Posting(WALLET, amount_minor, row.currency),
            Posting(source, -amount_minor, row.currency),
        ],
    )
    return True


def take_back(
    session: Session,
    *,
    tenant_id: TenantId,
    key: str,
    amount_minor: int,
    at: dt.datetime,
    payment_id: UUID,
) -> bool:
    """Take a top-up out again that the provider has given back, once; return whether it is new.

    It has happened, so it is never refused: what is reserved or spent already is our loss.
    """
    row = _row(session, tenant_id)
    if ledger.find(session, tenant_id=tenant_id, key=key):
        return False
    there = max(0, row.balance_nano - row.reserved_nano) // nano(1, row.currency)
    taken = min(there, amount_minor)
    if taken:
        _enter(session, row, key, Kind.WITHDRAWN, -nano(taken, row.currency))
    return ledger.post(
        session,
        tenant_id=tenant_id,
        key=key,
        kind="top-up-back",
        effective_at=at,
        payment_id=payment_id,
        postings=[
            Posting(WALLET, taken, row.currency),
            Posting(TAKEN_BACK, amount_minor - taken, row.currency),
            Posting(CLEARING, -amount_minor, row.currency),
        ],
    )


def gone_back(
    session: Session, *, tenant_id: TenantId, key: str, amount_minor: int, at: dt.datetime, payment_id: UUID
) -> bool:
    """Book that the provider has given back what `withdraw` took out for it, once."""
    row = _row(session, tenant_id)
    return ledger.post(
        session,
        tenant_id=tenant_id,
        key=key,
        kind="top-up-back",
        effective_at=at,
        payment_id=payment_id,
        postings=[
            Posting(GOING_BACK, amount_minor, row.currency),
            Posting(CLEARING, -amount_minor, row.currency),
        ],
    )


def put_again(
    session: Session, *, tenant_id: TenantId, key: str, undone: str, payment_id: UUID | None
) -> bool:
    """Undo `take_back`, `withdraw` or `gone_back` of that key, once.

    The bank decided for us, nobody took the refund, or a second person refused the transfer.
    """
    row = _row(session, tenant_id)
    booked = ledger.find(session, tenant_id=tenant_id, key=key)
    mine = sum(one.amount_minor for one in booked if one.account == WALLET)
    if mine:
        _enter(session, row, f"{key}:{undone}", Kind.TOP_UP, nano(mine, row.currency))
    return ledger.post(
        session,
        tenant_id=tenant_id,
        key=f"{key}:{undone}",
        kind="top-up-again",
        effective_at=clock.now(),
        payment_id=payment_id,
        postings=[Posting(one.account, -one.amount_minor, one.currency) for one in booked],
    )


def reserve(
    session: Session, *, tenant_id: TenantId, use_id: UUID, amount_nano: int, until: dt.datetime
) -> bool:
    """Keep money for a use that is about to begin; return False when there is not so much.

    A second time for the same use changes nothing. `until` is when nobody can be using it any more.

    Raises:
        WalletNotFoundError: it pays by invoice.
    """
    row = _row(session, tenant_id)
    before = session.get(ReservationRow, (tenant_id, use_id), populate_existing=True)
    if before is not None:
        return before.state == State.OPEN
    if amount_nano < 0 or _wallet(row).available_nano < amount_nano:
        return False
    row.reserved_nano += amount_nano
    session.add(
        ReservationRow(
            tenant_id=tenant_id,
            id=use_id,
            state=State.OPEN.value,
            amount_nano=amount_nano,
            taken_nano=0,
            opened_at=clock.now(),
            until=until,
        )
    )
    session.flush()
    _watch(session, row)
    return True


def extend(
    session: Session, *, tenant_id: TenantId, use_id: UUID, amount_nano: int, until: dt.datetime
) -> bool:
    """Keep so much in all for a use that goes on; return False when there is not so much, or it is over."""
    row = _row(session, tenant_id)
    kept = session.get(ReservationRow, (tenant_id, use_id), populate_existing=True)
    if kept is None or kept.state != State.OPEN:
        return False
    more = amount_nano - kept.amount_nano
    if more > 0 and _wallet(row).available_nano < more:
        return False
    if more > 0:
        row.reserved_nano += more
        kept.amount_nano = amount_nano
    kept.until = max(kept.until, until)
    session.flush()
    _watch(session, row)
    return True


def settle(session: Session, *, tenant_id: TenantId, use_id: UUID, cost_nano: int) -> int:
    """Take what a use has cost and free what was kept for it, once; return what was taken.

    A use nothing was kept for is taken as well, as far as there is money. What is lacking is owed on the
    invoice.
    """
    row = _row(session, tenant_id)
    kept = session.get(ReservationRow, (tenant_id, use_id), populate_existing=True)
    if kept is not None and kept.state != State.OPEN:
        return kept.taken_nano
    freed = kept.amount_nano if kept else 0
    row.reserved_nano -= freed
    taken = max(0, min(cost_nano, _wallet(row).available_nano))
    if kept is None:
        kept = ReservationRow(
            tenant_id=tenant_id,
            id=use_id,
            amount_nano=0,
            opened_at=clock.now(),
            until=clock.now(),
        )
        session.add(kept)
    kept.state, kept.taken_nano, kept.closed_at = State.SETTLED.value, taken, clock.now()
    session.flush()
    if taken:
        _enter(session, row, f"use:{use_id}", Kind.USED, -taken, use_id=use_id)
    return taken


def release(session: Session, *, tenant_id: TenantId, use_id: UUID) -> bool:
    """Free what was kept for a use that did not come to be; return False when nothing was."""
    row = _row(session, tenant_id)
    kept = session.get(ReservationRow, (tenant_id, use_id), populate_existing=True)
    if kept is None or kept.state != State.OPEN:
        return False
    row.reserved_nano -= kept.amount_nano
    kept.state, kept.closed_at = State.RELEASED.value, clock.now()
    session.flush()
    return True


def expire(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> int:
    """Free what is kept for uses that nobody can be at any more; return how many."""
    if find(session, tenant_id=tenant_id) is None:
        return 0
    over = session.scalars(
        select(ReservationRow.id).where(
            ReservationRow.tenant_id == tenant_id,
            ReservationRow.state == State.OPEN.value,
            ReservationRow.until < at,
        )
    ).all()
    return sum(release(session, tenant_id=tenant_id, use_id=one) for one in over)


def keep_rent(session: Session, *, tenant_id: TenantId, months: Mapping[dt.datetime, int]) -> int:
    """Keep exactly so much for months of rent, all of them or none; return what is lacking, in nano-units.

    More or less than before: less is free at once. A month whose invoice has been paid is over.

    Args:
        session: in the company's context.
        tenant_id: whose wallet.
        months: by the end of the month, what its rent comes to, with tax.

    Raises:
        WalletNotFoundError: it pays by invoice.
    """
    row = _row(session, tenant_id)
    there = {end: _rent_row(session, tenant_id, end) for end in months}
    wanted = {end: amount for end, amount in months.items() if _is_open(there[end])}
    more = sum(amount - (kept.amount_nano if (kept := there[end]) else 0) for end, amount in wanted.items())
    lacking = more - _wallet(row).available_nano
    if more > 0 and lacking > 0:
        return lacking
    for end, amount in wanted.items():
        kept = there[end]
        if kept is None:
            kept = ReservationRow(
                tenant_id=tenant_id,
                id=rent_of(tenant_id, end),
                state=State.OPEN.value,
                amount_nano=0,
                taken_nano=0,
                opened_at=clock.now(),
                until=end + _RENT_FORGOTTEN,
                rent_until=end,
            )
            session.add(kept)
        kept.amount_nano = amount
    row.reserved_nano += more
    session.flush()
    _watch(session, row)
    return 0


def rents(session: Session, *, tenant_id: TenantId) -> dict[dt.datetime, int]:
    """Return what is kept for months of rent, by the end of each; their invoices are not paid yet."""
    rows = session.execute(
        select(ReservationRow.rent_until, ReservationRow.amount_nano)
        .where(
            ReservationRow.tenant_id == tenant_id,
            ReservationRow.state == State.OPEN.value,
            ReservationRow.rent_until.is_not(None),
        )
        .order_by(ReservationRow.rent_until)
    )
    return {end: int(amount) for end, amount in rows if end is not None}


def rent_of(tenant_id: TenantId, month_ends: dt.datetime) -> UUID:
    """Return the id of what is kept for a month's rent."""
    return uuid5(tenant_id, f"rent/{month_ends.astimezone(dt.UTC).isoformat()}")


def take_for_invoice(session: Session, *, tenant_id: TenantId, invoice_id: UUID, total_minor: int) -> int:
    """Pay an invoice from the wallet, once; return what it paid, in minor units.

    Args:
        session: in the company's context, the ledger holding the invoice.
        tenant_id: whose.
        invoice_id: the invoice.
        total_minor: what is open on it. What the calls on it have taken already pays of that first, and what
            they took beyond it is given back. What was kept for the rent of its month is free for it.
    """
    row = _row(session, tenant_id)
    key = f"invoice:{invoice_id}:wallet"
    if _knows(session, tenant_id, key):
        return 0
    _free_rent(session, tenant_id, invoice_id)
    taken_nano = _taken_on(session, tenant_id, invoice_id)
    unit = nano(1, row.currency)
    paid = max(0, min(total_minor, (taken_nano + max(0, _wallet(row).available_nano)) // unit))
    _enter(session, row, key, Kind.INVOICED, taken_nano - paid * unit)
    ledger.post(
        session,
        tenant_id=tenant_id,
        key=key,
        kind="wallet-used",
        effective_at=clock.now(),
        invoice_id=invoice_id,
        postings=[
            Posting(WALLET, paid, row.currency),
            Posting(ledger.RECEIVABLE, -paid, row.currency),
        ],
    )
    return paid


def reservations(session: Session, *, tenant_id: TenantId) -> tuple[Reservation, ...]:
    """Return what is kept for uses that go on, oldest first."""
    rows = session.scalars(
        select(ReservationRow)
        .where(ReservationRow.tenant_id == tenant_id, ReservationRow.state == State.OPEN.value)
        .order_by(ReservationRow.id)
    )
    return tuple(
        Reservation(one.id, State(one.state), one.amount_nano, one.taken_nano, one.until) for one in rows
    )


def entries(
    session: Session, *, tenant_id: TenantId, before: UUID | None = None, limit: int = 50
) -> tuple[Entry, ...]:
    """Return a wallet's movements, newest first, from just before an entry on."""
    asked = select(WalletEntryRow).where(WalletEntryRow.tenant_id == tenant_id)
    if before is not None:
        asked = asked.where(WalletEntryRow.id < before)
    rows = session.scalars(asked.order_by(WalletEntryRow.id.desc()).limit(limit))
    return tuple(Entry(one.id, one.at, Kind(one.kind), one.amount_nano, one.use_id) for one in rows)


def with_tax(session: Session, *, tenant_id: TenantId, net_nano: int) -> int:
    """Return a price with the account's tax, rounded up: what is kept for it is enough."""
    rate = accounts.find(session, tenant_id=tenant_id).tax_rate_ppm
    return -(-net_nano * (PPM + rate) // PPM)


def before_tax(session: Session, *, tenant_id: TenantId, gross_nano: int) -> int:
    """Return the highest price that so much pays, with tax."""
    rate = accounts.find(session, tenant_id=tenant_id).tax_rate_ppm
    return gross_nano * PPM // (PPM + rate)


def nano(minor: int, currency: str) -> int:
    """Return minor units as nano-units: 1 penny is 10_000_000."""
    in_a_unit: int = 10 ** exponent(currency)
    return minor * NANO // in_a_unit


def _pays_for_others(session: Session, tenant_id: TenantId) -> bool:
    """Return whether it is agreed, now or for a day to come, that this one pays a part of another's calls."""
    rows = session.scalars(
        select(CostShareRow)
        .where(CostShareRow.tenant_id == tenant_id, CostShareRow.is_other)
        .order_by(CostShareRow.effective_from, CostShareRow.id)
    )
    now, agreed = clock.now(), dict[UUID, list[object]]()
    for row in rows:
        still = agreed.get(row.other_id, []) if row.effective_from > now else []
        agreed[row.other_id] = [*still, *row.shares]
    return any(agreed.values())


def _is_open(kept: ReservationRow | None) -> bool:
    return kept is None or kept.state == State.OPEN


def _rent_row(session: Session, tenant_id: TenantId, month_ends: dt.datetime) -> ReservationRow | None:
    return session.get(ReservationRow, (tenant_id, rent_of(tenant_id, month_ends)), populate_existing=True)


def _free_rent(session: Session, tenant_id: TenantId, invoice_id: UUID) -> None:
    """Free what is kept for the rent of the months an invoice is of: the invoice takes it."""
    until = select(InvoiceRow.period_end).where(
        InvoiceRow.tenant_id == tenant_id, InvoiceRow.id == invoice_id
    )
    over = session.scalars(
        select(ReservationRow.id).where(
            ReservationRow.tenant_id == tenant_id,
            ReservationRow.state == State.OPEN.value,
            ReservationRow.rent_until <= until.scalar_subquery(),
        )
    ).all()
    for one in over:
        release(session, tenant_id=tenant_id, use_id=one)


def _taken_on(session: Session, tenant_id: TenantId, invoice_id: UUID) -> int:
    """Return what the uses on an invoice have taken from the wallet."""
    on_it = (
        select(UsageEventRow.subject_ref)
        .join(
            RatedChargeRow,
            (RatedChargeRow.tenant_id == UsageEventRow.tenant_id)
            & (RatedChargeRow.usage_id == UsageEventRow.id),
        )
        .join(
            LINE_CHARGES,
            (LINE_CHARGES.c.tenant_id == RatedChargeRow.tenant_id)
            & (LINE_CHARGES.c.rated_charge_id == RatedChargeRow.id),
        )
        .where(LINE_CHARGES.c.tenant_id == tenant_id, LINE_CHARGES.c.invoice_id == invoice_id)
    )
    taken = select(func.sum(ReservationRow.taken_nano)).where(
        ReservationRow.tenant_id == tenant_id, ReservationRow.id.in_(on_it)
    )
    return int(session.scalar(taken) or 0)


def _row(session: Session, tenant_id: TenantId) -> WalletRow:
    """Hold the wallet until the transaction ends: everything that moves it stands in line here."""
    row = session.get(WalletRow, (tenant_id,), with_for_update=True, populate_existing=True)
    if row is None:
        raise WalletNotFoundError
    return row


def _insist(amount_minor: int, source: str) -> None:
    if not 0 < amount_minor <= _MOST_MINOR or source not in _KINDS_OF_MONEY:
        raise WalletAmountError


def _knows(session: Session, tenant_id: TenantId, key: str) -> bool:
    asked = select(WalletEntryRow.id).where(WalletEntryRow.tenant_id == tenant_id, WalletEntryRow.key == key)
    return session.scalar(asked) is not None


def _enter(
    session: Session,
    row: WalletRow,
    key: str,
    kind: Kind,
    amount_nano: int,
    *,
    use_id: UUID | None = None,
) -> bool:
    made = session.execute(
        insert(WalletEntryRow)
        .values(
            tenant_id=row.tenant_id,
            id=new_id(),
            key=key,
            kind=kind.value,
            amount_nano=amount_nano,
            use_id=use_id,
            at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "key"])
        .returning(WalletEntryRow.id)
    ).scalar()
    if made is None:
        return False
    row.balance_nano += amount_nano
    if kind is Kind.TOP_UP:
        row.is_auto_asked = False  # what came may be too little
    session.flush()
    _watch(session, row)
    return True


def _watch(session: Session, row: WalletRow) -> None:
    """Tell once that little is left, or that it wants topping up; again after there has been more."""
    available = _wallet(row).available_nano
    is_low = row.low_nano is not None and available < row.low_nano
    if is_low and not row.is_low_told:
        announce(
            session,
            WalletLow(
                tenant_id=TenantId(row.tenant_id),
                available_minor=available // nano(1, row.currency),
                currency=row.currency,
            ),
        )
    wants = row.auto_below_nano is not None and not row.auto_stopped and available < row.auto_below_nano
    if wants and not row.is_auto_asked:
        announce(session, TopUpWanted(tenant_id=TenantId(row.tenant_id)))
    if (is_low, wants) != (row.is_low_told, row.is_auto_asked):
        row.is_low_told, row.is_auto_asked = is_low, wants
        session.flush()


def _wallet(row: WalletRow) -> Wallet:
    return Wallet(row.currency, row.balance_nano, row.reserved_nano, row.credit_nano, row.low_nano)
