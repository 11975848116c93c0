"""Invoices, credit notes and statements as values: everything a document shows, nothing that is looked up."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.accounts import Party, Seller
from billing.bill import Bill, Tax
from billing.periods import Period
from core.ids import CreditNoteId, InvoiceId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument:
    """A draft or a finalised invoice; number and dates are there once it is finalised."""

    invoice_id: InvoiceId
    state: str
    number: str | None
    zone: str
    language: str
    period: Period
    bill: Bill
    buyer: Party
    seller: Seller
    order_reference: str
    issued_on: dt.date | None
    due_on: dt.date | None
    drafted_at: dt.datetime
    finalised_at: dt.datetime | None
    approved_by: UUID | None = None
    approved_at: dt.datetime | None = None
    # what was agreed for it beyond single prices, see `billing.agreed`; none of it where nothing was
    terms_tariff_id: UUID | None = None
    agreed: Mapping[str, Any] | None = None
    # why no tax is charged, in words, where there are any
    tax_reason: str = ""

    @property
    def is_draft(self) -> bool:
        """Whether it may still change."""
        return self.state == "draft"


@dataclass(frozen=True, slots=True)
class CreditLine:
    """A part as it stands on the note, with the tax it was billed under."""

    line_no: int | None
    amount_minor: int
    tax_category: str
    tax_rate_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNote:
    """What an invoice is lessened by; number and date are there once it is issued."""

    credit_note_id: CreditNoteId
    invoice_id: InvoiceId
    state: str
    number: str | None
    currency: str
    net_minor: int
    tax_minor: int
    reason: str
    needs_second: bool
    asked_by: UserId
    asked_at: dt.datetime
    decided_by: UserId | None
    decided_at: dt.datetime | None
    issued_on: dt.date | None
    lines: tuple[CreditLine, ...]
    taxes: tuple[Tax, ...]

    @property
    def total_minor(self) -> int:
        """With tax."""
        return self.net_minor + self.tax_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One movement of a statement, in minor units.

    Attributes:
        on: the account's local day.
        kind: the ledger's word (`billing.ledger.post`).
        number: of the credit note, or of the invoice it is about; empty where there is none.
        debit_minor: what made the company owe more.
        credit_minor: what made it owe less.
        balance_minor: what it owed afterwards; below zero: we owe it.
    """

    on: dt.date
    kind: str
    invoice_id: UUID | None
    number: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A company's account from one local day to another, both included; amounts in minor units."""

    first_on: dt.date
    last_on: dt.date
    currency: str
    zone: str
    language: str
    buyer: Party
    seller: Seller
    opening_minor: int
    entries: tuple[Entry, ...]

    @property
    def closing_minor(self) -> int:
        """What is owed at the end of the last day; below zero: we owe it."""
        return self.entries[-1].balance_minor if self.entries else self.opening_minor

    @property
    def debit_minor(self) -> int:
        """Everything that made the company owe more."""
        return sum(one.debit_minor for one in self.entries)

    @property
    def credit_minor(self) -> int:
        """Everything that made it owe less."""
        return sum(one.credit_minor for one in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledEvent:
    """One event behind a line, as the CSV shows it. The number has lost its last four digits."""

    line_no: int
    source: str
    event_id: str
    subject_ref: UUID
    meter: str
    destination: str
    dialled_prefix: str
    occurred_at: dt.datetime
    ended_at: dt.datetime
    quantity_ms: int
    billed_seconds: int
    units_nano: int | None = None
    price_list: str
    version: int
    rated_prefix: str
    amount_nano: int
    currency: str
