"""What use brought in, by whom it was for: campaign, agent or number; from the other side, what was spent.

A final invoice's line is shared out to the minor unit among those whose charges stand behind it, by their
exact amounts, so the parts of a month come to its lines, and its lines to what the ledger has as earned.
Lines that no use stands behind (discounts, included minutes, commitments, credits) are given to nobody and
named as agreed. What is on no final invoice yet is rounded as its lines would be; what will be agreed for its
month is not in it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from billing import accounts, invoices, ledger
from billing.bill import Kind
from billing.models import InvoiceLineRow, InvoiceRow, JournalRow, PostingRow
from billing.periods import Period, insist, month_of
from billing.rating.agreements import share_out
from core.ids import TenantId
from core.money import nano_to_minor

# what an invoice holds, or what a month that is open has so far; what stands in braces is a column of `_REFS`
_HELD = """
    SELECT c.occurred_at < :period_start AS is_late, c.meter, c.destination, c.tariff_id, {ref} AS ref,
      count(*) AS events, sum(c.amount_nano) AS amount_nano,
      coalesce(sum(c.billed_seconds) FILTER (WHERE c.units_nano IS NULL), 0) AS billed_seconds
    FROM app.rated_charges c
    JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id
    WHERE c.tenant_id = :tenant AND c.superseded_by IS NULL AND c.outcome = 'rated'
      AND c.bill_at < :period_end AND c.bill_at >= :holds_from
    GROUP BY is_late, c.meter, c.destination, c.tariff_id, ref
"""
_Key = tuple[bool, str, str, UUID]


class By(StrEnum):
    """What it is shown by; the value is in addresses."""

    CAMPAIGN = "campaign"
    AGENT = "agent"
    NUMBER = "number"


_REFS = {By.CAMPAIGN: "u.campaign_ref", By.AGENT: "u.agent_ref", By.NUMBER: "u.number_id"}


@dataclass(frozen=True, slots=True)
class Part:
    """What was used for one campaign, by one agent, on one number; `ref` None: for none.

    `billed_seconds` are those of calls; what is rented is among the `events` alone.
    """

    ref: UUID | None
    events: int
    billed_seconds: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Revenue:
    """One company's months, before tax; minor units.

    Attributes:
        currency: of all amounts.
        parts: by who it was for, the largest first.
        agreed_minor: lines no use stands behind, mostly below zero.
        open_minor: how much of the parts is on no final invoice.
        credited_minor: what credit notes have taken back since; in no part.
        booked_minor: what the ledger has as earned on the months' final invoices, credit notes taken off.
    """

    currency: str
    parts: tuple[Part, ...]
    agreed_minor: int
    open_minor: int
    credited_minor: int
    booked_minor: int

    @property
    def total_minor(self) -> int:
        """What stands on final invoices, and what is used and not on one yet."""
        return sum(one.amount_minor for one in self.parts) + self.agreed_minor


def of(session: Session, *, tenant_id: TenantId, period: Period, by: By) -> Revenue:
    """Return what some whole local months brought, by campaign, agent or number.

    Args:
        session: in the tenant's context.
        tenant_id: who pays.
        period: whole months of the account's zone, as half-open instants.
        by: whose the parts are.

    Raises:
        BillingAccountNotFoundError: there is nobody to bill.
        PeriodInvalidError: not whole months.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    insist(period, zone=account.zone)
    final = session.execute(
        select(InvoiceRow.id, InvoiceRow.period_end).where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.kind == "invoice",
            InvoiceRow.state == "finalised",
            InvoiceRow.period_start >= period.start,
            InvoiceRow.period_start < period.end,
        )
    ).all()
    invoice_ids = [row.id for row in final]
    found, agreed_minor, open_minor = _Parts(), 0, 0
    for invoice_id in invoice_ids:
        agreed_minor += _billed(session, tenant_id, invoice_id, by, found)
    start = max([period.start, *(row.period_end for row in final)])
    while start < period.end:
        month = month_of(start, zone=account.zone)
        open_minor += _open(session, tenant_id, month, by, account.currency, found)
        start = month.end
    credited, booked = _ledger(session, tenant_id, invoice_ids)
    return Revenue(account.currency, found.sorted(), agreed_minor, open_minor, credited, booked)


class _Parts:
    """Sums that lines are shared out into."""

    def __init__(self) -> None:
        self._sums: defaultdict[UUID | None, list[int]] = defaultdict(lambda: [0, 0, 0])

    def share(self, amount_minor: int, rows: Sequence[Row[Any]]) -> None:
        """Share a line's amount out among whose charges stand behind it, exactly."""
        rows = sorted(rows, key=lambda row: str(row.ref))
        weights = [int(row.amount_nano) for row in rows]
        if not any(weights):  # the price was that of the month's quantity, not of each use
            weights = [int(row.billed_seconds) for row in rows]
        if not any(weights):
            weights = [row.events for row in rows]
        sign = -1 if amount_minor < 0 else 1
        for row, part in zip(rows, share_out(abs(amount_minor), weights), strict=True):
            one = self._sums[row.ref]
            one[0] += row.events
            one[1] += int(row.billed_seconds)
            one[2] += sign * part

    def sorted(self) -> tuple[Part, ...]:
        """Return the parts, the largest first, what is nobody's last."""
        parts = [Part(ref, *sums) for ref, sums in self._sums.items()]
        return tuple(sorted(parts, key=lambda one: (one.ref is None, -one.amount_minor, str(one.ref))))


def _billed(session: Session, tenant_id: TenantId, invoice_id: UUID, by: By, into: _Parts) -> int:
    """Share a final invoice's lines out; return what those come to that no use stands behind."""
    held = _held(session, by, invoices.range_of(session, tenant_id, invoice_id))
    lines = session.scalars(
        select(InvoiceLineRow).where(
            InvoiceLineRow.tenant_id == tenant_id, InvoiceLineRow.invoice_id == invoice_id
        )
    )
    agreed_minor = 0
    for line in lines:
        rows = held.get((line.is_late, line.meter, line.destination, line.tariff_id), ())
        if line.kind == Kind.METERED and rows:
            into.share(line.amount_minor, rows)
        else:
            agreed_minor += line.amount_minor
    return agreed_minor


def _open(session: Session, tenant_id: TenantId, period: Period, by: By, currency: str, into: _Parts) -> int:
    """Share out what is on no final invoice, rounded as its lines would be; return what it comes to."""
    open_minor = 0
    for rows in _held(session, by, invoices.preview_range(session, tenant_id, period)).values():
        amount_minor = nano_to_minor(sum(int(row.amount_nano) for row in rows), currency=currency)
        into.share(amount_minor, rows)
        open_minor += amount_minor
    return open_minor


def _held(session: Session, by: By, between: Mapping[str, Any]) -> Mapping[_Key, Sequence[Row[Any]]]:
    """Return the charges that are due between some instants as sums, by the line they stand on."""
    found: defaultdict[_Key, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(text(_HELD.format(ref=_REFS[by])), between):
        found[row.is_late, row.meter, row.destination, row.tariff_id].append(row)
    return found


def _ledger(session: Session, tenant_id: TenantId, invoice_ids: Sequence[UUID]) -> tuple[int, int]:
    """Return what credit notes took back, and what is booked as earned after it, of some invoices."""
    rows = session.execute(
        select(JournalRow.kind, func.sum(PostingRow.amount_minor))
        .join(
            PostingRow,
            (JournalRow.tenant_id == PostingRow.tenant_id) & (JournalRow.id == PostingRow.journal_id),
        )
        .where(
            JournalRow.tenant_id == tenant_id,
            JournalRow.invoice_id.in_(invoice_ids),
            PostingRow.account.startswith(ledger.REVENUE, autoescape=True),
        )
        .group_by(JournalRow.kind)
    )
    moved = {kind: int(amount) for kind, amount in rows}
    return moved.get("credit-note", 0), -sum(moved.values())
