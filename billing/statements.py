"""The statement of account: what a company owed, what came and went in a period, what it owes now.

Drawn from the ledger alone, so that opening and closing always join: what is owed on invoices less what is on
account. Money that moves between those two stands on no statement, because nobody owes more or less by it.
A refund of an invoice's own money lessens what was billed as well, so it stands with both its sides.
"""

import datetime as dt

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from billing import accounts, periods, sellers
from billing.documents.document import Entry, Statement
from billing.errors import StatementPeriodError
from billing.ledger import CLEARING, ON_ACCOUNT, RECEIVABLE, REFUNDS
from billing.models import CreditNoteRow, InvoiceRow, JournalRow, PostingRow
from core.ids import TenantId

# what a company's balance consists of; what it pays beyond its invoices is owed to it
_OURS = (RECEIVABLE, ON_ACCOUNT)
MOST_DAYS = 3 * 366
_DAY = dt.timedelta(days=1)


def of(session: Session, *, tenant_id: TenantId, first_on: dt.date, last_on: dt.date) -> Statement:
    """Return the statement of some local days, in the account's zone and currency.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
        StatementPeriodError: it ends before it begins, or is longer than three years.
    """
    if not 0 <= (last_on - first_on).days < MOST_DAYS:
        raise StatementPeriodError(first_on=first_on.isoformat(), last_on=last_on.isoformat())
    account = accounts.find(session, tenant_id=tenant_id)
    start = periods.day_start(first_on, zone=account.zone)
    end = periods.day_start(last_on + _DAY, zone=account.zone)
    opening = _opening(session, tenant_id, account.currency, start)
    return Statement(
        first_on=first_on,
        last_on=last_on,
        currency=account.currency,
        zone=account.zone,
        language=account.language,
        buyer=account.buyer,
        seller=sellers.of(session, account),
        opening_minor=opening,
        entries=_entries(session, tenant_id, account.currency, account.zone, start, end, opening),
    )


def _opening(session: Session, tenant_id: TenantId, currency: str, start: dt.datetime) -> int:
    found = session.scalar(
        select(func.sum(PostingRow.amount_minor))
        .join(
            JournalRow,
            (JournalRow.tenant_id == PostingRow.tenant_id) & (JournalRow.id == PostingRow.journal_id),
        )
        .where(
            PostingRow.tenant_id == tenant_id,
            PostingRow.account.in_(_OURS),
            PostingRow.currency == currency,
            JournalRow.effective_at < start,
        )
    )
    return int(found or 0)


def _entries(
    session: Session,
    tenant_id: TenantId,
    currency: str,
    zone: str,
    start: dt.datetime,
    end: dt.datetime,
    opening: int,
) -> tuple[Entry, ...]:
    def on(*ledger_accounts: str) -> ColumnElement[int]:
        amount = case((PostingRow.account.in_(ledger_accounts), PostingRow.amount_minor), else_=0)
        return func.coalesce(func.sum(amount), 0)

    note_key = func.concat("credit-note:", CreditNoteRow.id, ":issued")
    rows = session.execute(
        select(
            JournalRow.effective_at,
            JournalRow.kind,
            JournalRow.invoice_id,
            func.coalesce(CreditNoteRow.number, InvoiceRow.number, ""),
            on(*_OURS),
            on(REFUNDS),
            on(CLEARING),
        )
        .join(
            PostingRow,
            (PostingRow.tenant_id == JournalRow.tenant_id) & (PostingRow.journal_id == JournalRow.id),
        )
        .outerjoin(
            InvoiceRow,
            (InvoiceRow.tenant_id == JournalRow.tenant_id) & (InvoiceRow.id == JournalRow.invoice_id),
        )
        .outerjoin(
            CreditNoteRow,
            (CreditNoteRow.tenant_id == JournalRow.tenant_id)
            & (CreditNoteRow.invoice_id == JournalRow.invoice_id)
            & (JournalRow.key == note_key),
        )
        .where(
            JournalRow.tenant_id == tenant_id,
            JournalRow.effective_at >= start,
            JournalRow.effective_at < end,
            PostingRow.currency == currency,
        )
        .group_by(JournalRow.id, JournalRow.tenant_id, CreditNoteRow.number, InvoiceRow.number)
        .order_by(JournalRow.effective_at, JournalRow.id)
    )
    balance, found = opening, []
    for at, kind, invoice_id, number, moved, given_back, cleared in rows:
        debit, credit = _sides(kind, int(moved), int(given_back), int(cleared))
        if not debit and not credit:
            continue
        balance += debit - credit
        found.append(
            Entry(
                on=periods.day_of(at, zone=zone),
                kind=kind,
                invoice_id=invoice_id,
                number=number,
                debit_minor=debit,
                credit_minor=credit,
                balance_minor=balance,
            )
        )
    return tuple(found)


def _sides(kind: str, moved: int, given_back: int, cleared: int) -> tuple[int, int]:
    """Return debit and credit; their difference is what the company owes more by it."""
    if kind == "refund":
        return -cleared, given_back
    if kind == "refund-failed":
        return -given_back, cleared
    return max(moved, 0), max(-moved, 0)
