"""The ledger: every movement of money as a journal whose postings sum to zero, appended and never changed.

Balances are sums, never facts of their own. What a movement is called decides its key, so the same news
told twice moves nothing twice. Debits are positive, credits negative, in minor units of one currency;
the database looks at the sum again when the transaction commits (migration 0015).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from billing import digests
from billing.documents.document import InvoiceDocument
from billing.errors import UnbalancedJournalError
from billing.models import InvoiceRow, JournalRow, PostingRow
from core import clock
from core.ids import InvoiceId, TenantId, new_id
from security import evidence

RECEIVABLE = "receivable"
REVENUE = "revenue:"  # + the meter
TAX = "tax-payable"
CLEARING = "clearing"  # what the payment provider holds for us
FEES = "provider-fees"
REFUNDS = "refunds"
WALLET = "wallet"  # what companies have paid beforehand
BANK = "bank"  # what came by transfer
TAKEN_BACK = "taken-back"  # top-ups that were given back after they had been spent: our loss
GOING_BACK = "going-back"  # taken out of a wallet, and not out of the provider's or our bank's hands yet
ON_ACCOUNT = "on-account"  # what a company paid beyond its invoices: for the next, or to be given back


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a journal: debit positive, credit negative."""

    account: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Journal:
    """One movement of money."""

    journal_id: UUID
    key: str
    kind: str
    invoice_id: UUID | None
    payment_id: UUID | None
    effective_at: dt.datetime
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """What one account comes to."""

    account: str
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """Debit less credit."""
        return self.debit_minor - self.credit_minor


def post(
    session: Session,
    *,
    tenant_id: TenantId,
    key: str,
    kind: str,
    postings: Sequence[Posting],
    effective_at: dt.datetime,
    invoice_id: UUID | None = None,
    payment_id: UUID | None = None,
) -> bool:
    """Write a journal, once for its key; return whether it is new.

    Args:
        session: in the tenant's context.
        tenant_id: whose ledger.
        key: names the movement for ever, such as `payment:<id>:succeeded`.
        kind: a word for people: `invoice`, `payment`, `fee`, `refund`, `refund-failed`, `dispute`,
            `dispute-won`, `on-account`, `on-account-used`, `credit-note`, `top-up`, `withdrawal`,
            `wallet-used`, `top-up-back`, `top-up-again`, `payout`, `payout-failed`.
        postings: zero amounts are left out.
        effective_at: when it happened.
        invoice_id: the invoice whose receivable moves.
        payment_id: the payment it belongs to.

    Raises:
        UnbalancedJournalError: the postings do not sum to zero in each currency.
    """
    kept = [one for one in postings if one.amount_minor]
    sums: dict[str, int] = {}
    for one in kept:
        sums[one.currency] = sums.get(one.currency, 0) + one.amount_minor
    if any(sums.values()):
        raise UnbalancedJournalError(key=key)
    if not kept:
        return False
    journal_id = new_id()
    made = session.execute(
        postgresql.insert(JournalRow)
        .values(
            tenant_id=tenant_id,
            id=journal_id,
            key=key,
            kind=kind,
            invoice_id=invoice_id,
            payment_id=payment_id,
            effective_at=effective_at,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=[JournalRow.tenant_id, JournalRow.key])
        .returning(JournalRow.id)
    ).scalar()
    if made is None:
        return False
    session.execute(
        insert(PostingRow),
        [
            {
                "tenant_id": tenant_id,
                "journal_id": journal_id,
                "n": n,
                "account": one.account,
                "amount_minor": one.amount_minor,
                "currency": one.currency,
            }
            for n, one in enumerate(kept, 1)
        ],
    )
    evidence.record(
        session,
        "journal.posted",
        "jrn",
        journal_id,
        of=kind,
        digest=digests.of_journal(session, tenant_id=tenant_id, journal_id=journal_id),
    )
    return True


def post_invoice(session: Session, *, invoice: InvoiceDocument, tenant_id: TenantId) -> bool:
    """Post a finalised invoice: owed by the company, earned by meter, tax owed on. Once per invoice."""
    bill = invoice.bill
    earned: dict[str, int] = {}
    for line in bill.lines:
        earned[line.meter] = earned.get(line.meter, 0) + line.amount_minor
    return post(
        session,
        tenant_id=tenant_id,
        key=f"invoice:{invoice.invoice_id}:finalised",
        kind="invoice",
        effective_at=invoice.finalised_at or clock.now(),
        invoice_id=invoice.invoice_id,
        postings=[
            Posting(RECEIVABLE, bill.total_minor, bill.currency),
            *(Posting(REVENUE + meter, -minor, bill.currency) for meter, minor in sorted(earned.items())),
            Posting(TAX, -bill.tax_minor, bill.currency),
        ],
    )


def unbooked(session: Session, *, tenant_id: TenantId) -> tuple[InvoiceId, ...]:
    """Return the finalised invoices the ledger knows nothing of, oldest first.

    Those finalised before there was a ledger (migration 0015), and any whose duty was lost.
    """
    named = func.concat("invoice:", InvoiceRow.id, ":finalised")
    booked = select(JournalRow.id).where(JournalRow.tenant_id == tenant_id, JournalRow.key == named)
    rows = session.scalars(
        select(InvoiceRow.id)
        .where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.state == "finalised",
            InvoiceRow.total_minor != 0,
            ~booked.exists(),
        )
        .order_by(InvoiceRow.finalised_at)
    )
    return tuple(InvoiceId(one) for one in rows)


def settled(session: Session, *, tenant_id: TenantId, invoice_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return what payments have taken off each invoice's receivable, chargebacks put back; minor units."""
    return _moved(session, tenant_id, RECEIVABLE, -1, invoice_ids)


def owed(session: Session, *, tenant_id: TenantId, invoice_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return what is open on each invoice's receivable, minor units; those never booked are left out."""
    return _moved(session, tenant_id, RECEIVABLE, 1, invoice_ids, with_invoice=True)


def refunded(session: Session, *, tenant_id: TenantId, invoice_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return what has been given back of each invoice; minor units."""
    return _moved(session, tenant_id, REFUNDS, 1, invoice_ids)


def surplus(session: Session, *, tenant_id: TenantId, invoice_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return what each invoice put on account, less what it took from there; minor units."""
    return _moved(session, tenant_id, ON_ACCOUNT, -1, invoice_ids)


def credited(session: Session, *, tenant_id: TenantId, invoice_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return what credit notes have taken off each invoice, with tax; minor units."""
    return _moved(session, tenant_id, RECEIVABLE, -1, invoice_ids, kind="credit-note")


def on_account(session: Session, *, tenant_id: TenantId, currency: str) -> int:
    """Return what the tenant has on account in a currency: paid, and owed on no invoice; minor units."""
    found = session.scalar(
        select(func.sum(PostingRow.amount_minor)).where(
            PostingRow.tenant_id == tenant_id,
            PostingRow.account == ON_ACCOUNT,
            PostingRow.currency == currency,
        )
    )
    return -int(found or 0)


def find(session: Session, *, tenant_id: TenantId, key: str) -> tuple[Posting, ...]:
    """Return the postings of the movement of that key; none when it was never booked."""
    rows = session.scalars(
        select(PostingRow)
        .join(
            JournalRow,
            (JournalRow.tenant_id == PostingRow.tenant_id) & (JournalRow.id == PostingRow.journal_id),
        )
        .where(JournalRow.tenant_id == tenant_id, JournalRow.key == key)
        .order_by(PostingRow.n)
    )
    return tuple(Posting(one.account, one.amount_minor, one.currency) for one in rows)


def journals_of(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> tuple[Journal, ...]:
    """Return the journals of an invoice and its payments, oldest first."""
    return _journals(session, tenant_id, JournalRow.invoice_id == invoice_id)


def of_payment(session: Session, *, tenant_id: TenantId, payment_id: UUID) -> tuple[Journal, ...]:
    """Return the journals of a payment or a top-up, oldest first."""
    return _journals(session, tenant_id, JournalRow.payment_id == payment_id)


def of_kinds(session: Session, *, tenant_id: TenantId, kinds: Sequence[str]) -> tuple[Journal, ...]:
    """Return the tenant's journals of these kinds, oldest first."""
    return _journals(session, tenant_id, JournalRow.kind.in_(kinds))


def trial_balance(
    session: Session, *, tenant_id: TenantId, until: dt.datetime | None = None
) -> tuple[Balance, ...]:
    """Return every account's debits and credits up to an instant; both columns come to the same sum."""
    debit = func.coalesce(func.sum(PostingRow.amount_minor).filter(PostingRow.amount_minor > 0), 0)
    credit = func.coalesce(-func.sum(PostingRow.amount_minor).filter(PostingRow.amount_minor < 0), 0)
    asked = (
        select(PostingRow.account, PostingRow.currency, debit, credit)
        .where(PostingRow.tenant_id == tenant_id)
        .group_by(PostingRow.account, PostingRow.currency)
        .order_by(PostingRow.currency, PostingRow.account)
    )
    if until is not None:
        asked = asked.join(
            JournalRow,
            (JournalRow.tenant_id == PostingRow.tenant_id) & (JournalRow.id == PostingRow.journal_id),
        ).where(JournalRow.effective_at < until)
    return tuple(Balance(row[0], row[1], int(row[2]), int(row[3])) for row in session.execute(asked))


def _journals(session: Session, tenant_id: TenantId, fits: ColumnElement[bool]) -> tuple[Journal, ...]:
    rows = session.scalars(
        select(JournalRow).where(JournalRow.tenant_id == tenant_id, fits).order_by(JournalRow.id)
    ).all()
    postings = session.scalars(
        select(PostingRow)
        .where(PostingRow.tenant_id == tenant_id, PostingRow.journal_id.in_([row.id for row in rows]))
        .order_by(PostingRow.journal_id, PostingRow.n)
    ).all()
    sides: dict[UUID, list[Posting]] = {}
    for one in postings:
        sides.setdefault(one.journal_id, []).append(Posting(one.account, one.amount_minor, one.currency))
    return tuple(
        Journal(
            row.id,
            row.key,
            row.kind,
            row.invoice_id,
            row.payment_id,
            row.effective_at,
            tuple(sides.get(row.id, ())),
        )
        for row in rows
    )


def _moved(
    session: Session,
    tenant_id: TenantId,
    account: str,
    sign: int,
    invoice_ids: Iterable[UUID],
    *,
    with_invoice: bool = False,
    kind: str = "",
) -> dict[UUID, int]:
    """Return what each invoice moved on an account, by one kind of journal when that is given.

    Its own booking is left out unless that is asked for.
    """
    rows = session.execute(
        select(JournalRow.invoice_id, func.sum(PostingRow.amount_minor))
        .join(
            PostingRow,
            (JournalRow.tenant_id == PostingRow.tenant_id) & (JournalRow.id == PostingRow.journal_id),
        )
        .where(
            JournalRow.tenant_id == tenant_id,
            JournalRow.invoice_id.in_(list(invoice_ids)),
            true() if with_invoice else JournalRow.kind != "invoice",
            JournalRow.kind == kind if kind else true(),
            PostingRow.account == account,
        )
        .group_by(JournalRow.invoice_id)
    )
    return {row[0]: sign * int(row[1]) for row in rows if row[0] is not None}
