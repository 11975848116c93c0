"""What a bill and a movement of money were when they were written down, as one hash for the evidence log.

Over the rows as they stand in the tables, in the form of `security.evidence.digests`. A column that is added
later is not in: the first letter of a digest says by which list it was made.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing.models import InvoiceLineRow, InvoiceRow, InvoiceTaxRow, JournalRow, PostingRow
from core.ids import TenantId
from security.evidence import digests

_Columns = Sequence[InstrumentedAttribute[Any]]
_VERSION = "a"
_HEAD: _Columns = (
    InvoiceRow.kind,
    InvoiceRow.number,
    InvoiceRow.currency,
    InvoiceRow.zone,
    InvoiceRow.period_start,
    InvoiceRow.period_end,
    InvoiceRow.net_minor,
    InvoiceRow.tax_minor,
    InvoiceRow.total_minor,
    InvoiceRow.buyer,
    InvoiceRow.seller,
    InvoiceRow.order_reference,
    InvoiceRow.issued_on,
    InvoiceRow.due_on,
    InvoiceRow.finalised_at,
)
_LINE: _Columns = (
    InvoiceLineRow.line_no,
    InvoiceLineRow.meter,
    InvoiceLineRow.destination,
    InvoiceLineRow.tariff_id,
    InvoiceLineRow.events,
    InvoiceLineRow.billed_seconds,
    InvoiceLineRow.units_nano,
    InvoiceLineRow.unit_nano,
    InvoiceLineRow.amount_nano,
    InvoiceLineRow.amount_minor,
    InvoiceLineRow.tax_category,
    InvoiceLineRow.tax_rate_ppm,
)
_TAX: _Columns = (
    InvoiceTaxRow.category,
    InvoiceTaxRow.rate_ppm,
    InvoiceTaxRow.taxable_minor,
    InvoiceTaxRow.tax_minor,
)
_JOURNAL: _Columns = (
    JournalRow.key,
    JournalRow.kind,
    JournalRow.invoice_id,
    JournalRow.payment_id,
    JournalRow.effective_at,
)
_POSTING: _Columns = (PostingRow.n, PostingRow.account, PostingRow.amount_minor, PostingRow.currency)


def of_invoice(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> str:
    """Return the digest of a finalised invoice with its lines and taxes; of one that is gone, of nothing."""
    return _digest(
        session,
        _rows(_HEAD, InvoiceRow.tenant_id == tenant_id, InvoiceRow.id == invoice_id),
        _rows(_LINE, InvoiceLineRow.tenant_id == tenant_id, InvoiceLineRow.invoice_id == invoice_id),
        _rows(_TAX, InvoiceTaxRow.tenant_id == tenant_id, InvoiceTaxRow.invoice_id == invoice_id),
    )


def of_rows(invoice: InvoiceRow, lines: Iterable[InvoiceLineRow], taxes: Iterable[InvoiceTaxRow]) -> str:
    """Return what `of_invoice` does, from rows that were read, each in the order of its table's query."""
    return _VERSION + digests.of_values(
        [_values(_HEAD, [invoice]), _values(_LINE, lines), _values(_TAX, taxes)]
    )


def of_journal(session: Session, *, tenant_id: TenantId, journal_id: UUID) -> str:
    """Return the digest of a movement of money with its postings."""
    return _digest(
        session,
        _rows(_JOURNAL, JournalRow.tenant_id == tenant_id, JournalRow.id == journal_id),
        _rows(_POSTING, PostingRow.tenant_id == tenant_id, PostingRow.journal_id == journal_id),
    )


def _values(columns: _Columns, rows: Iterable[object]) -> list[list[Any]]:
    return [[getattr(row, column.key) for column in columns] for row in rows]


def _rows(columns: _Columns, *where: ColumnElement[bool]) -> Select[Any]:
    return select(*columns).where(*where).order_by(columns[0], columns[1])


def _digest(session: Session, *queries: Select[Any]) -> str:
    return _VERSION + digests.of_rows(session, *queries)
