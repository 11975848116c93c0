"""Invoices: drafted from rated charges, finalised with a gapless number, frozen for ever.

What was agreed beyond single prices (`billing.agreed`) stands on lines after those of the charges.

An invoice holds the charges that are due from the end of the one before it until its own period ends, so
what is late stands on the first that is still open. Which line holds which charge is a rule, not a row: it
is that of the charge's meter, destination, tariff and lateness (the view `invoice_line_charges`, both ways).
A draft is those sums written down and may be made anew; finalising adds them up again, while no charge can
come, and freezes the draft when it says the same. The running bill is the same code without the writing.
"""

import datetime as dt
import json
import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.orm import Session

from billing import accounts, agreed, digests, invoiced, periods, promises, safety, sellers, tariffs
from billing.accounts import Account
from billing.agreed import Agreement, Call, Count, State, Time
from billing.bill import COUNTED_BEFORE, Bill, Group, Kind, Line, Quantity, Tax, compose
from billing.documents.document import BilledEvent, InvoiceDocument
from billing.errors import (
    DraftStaleError,
    InvoiceFinalError,
    InvoiceNotApprovedError,
    InvoiceNotFoundError,
    PeriodClosedError,
    PeriodNotOverError,
    RentalsOpenError,
    ServiceNotCountedError,
    UnratedUsageError,
)
from billing.events import InvoiceFinalised
from billing.invoiced import Invoiced
from billing.models import InvoiceLineRow, InvoiceRow, InvoiceTaxRow
from billing.periods import Period
from billing.rating.labour import Worked
from billing.rating.rules import Outcome
from billing.rating.tariff import Tariff
from billing.rating.terms import AGENT_HOUR, NOTHING
from billing.rentals import Accrual
from billing.safety import USUAL, Outside, Safety
from billing.tariffs import Timeline
from core import clock
from core.events import announce
from core.ids import InvoiceId, TenantId, UsageId, new_id
from core.money import CurrencyMismatchError, nano_to_minor
from security import evidence

# Charges that stand and are due between two instants.
_HELD = """
    FROM app.rated_charges c
    WHERE c.tenant_id = :tenant AND c.superseded_by IS NULL
      AND c.bill_at < :period_end AND c.bill_at >= :holds_from
"""
_KEY = "c.occurred_at < :period_start, c.meter, c.destination, c.tariff_id, c.currency"
_SUMS = """count(*) AS events, sum(c.billed_seconds) AS billed_seconds, sum(c.units_nano) AS units_nano,
    sum(c.amount_nano) AS amount_nano"""
_SHOWN = "c.occurred_at < :period_start AS is_late, c.meter, c.destination, c.tariff_id, c.currency"

_GROUPS = text(f"SELECT {_SHOWN}, {_SUMS} {_HELD} AND c.outcome = 'rated' GROUP BY {_KEY} ORDER BY {_KEY}")
_WAITING = text(f"""
    SELECT c.meter, coalesce(c.reason, '') AS reason, c.outcome, count(*) AS events
    {_HELD} AND c.outcome <> 'rated'
    GROUP BY c.meter, c.reason, c.outcome ORDER BY events DESC, c.meter, reason
""")
# the same groups day by day, with what waits for a price: one reading for the whole running bill
_BY_DAY = text(f"""
    SELECT {_SHOWN}, {_SUMS}, c.outcome = 'rated' AS is_rated,
      (greatest(c.occurred_at, :period_start) AT TIME ZONE :zone)::date AS day
    {_HELD} GROUP BY {_KEY}, is_rated, day ORDER BY {_KEY}
""")
# Meters with a charge model are priced month by month.
_BILLED_BEFORE = text("""
    SELECT sum(c.units_nano) AS units_nano, count(*) AS events
    FROM app.rated_charges c
    WHERE c.tenant_id = :tenant AND c.superseded_by IS NULL AND c.outcome = 'rated'
      AND c.bill_at >= :start AND c.bill_at < :holds_from
      AND c.meter = :meter AND c.destination = :destination
      AND c.tariff_id = :tariff AND c.occurred_at >= :start AND c.occurred_at < :end
""")

_USES = "JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id"
_HELD_USES = _HELD.replace("WHERE", f"{_USES} WHERE", 1)
# Calls that included minutes may take over, in the order of use: within a month, of one meter to one
# destination, none after as many seconds as there are.
_CALLS = text(f"""
    SELECT * FROM (
      SELECT u.source || '/' || u.event_id AS key, c.occurred_at < :period_start AS is_late, c.meter,
        c.destination, c.tariff_id, c.occurred_at, c.billed_seconds, c.amount_nano,
        sum(c.billed_seconds) OVER (
          PARTITION BY c.meter, c.destination, date_trunc('month', c.occurred_at AT TIME ZONE :zone)
          ORDER BY c.occurred_at, (u.source || '/' || u.event_id) COLLATE "C"
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - c.billed_seconds AS seconds_before
      {_HELD_USES} AND c.outcome = 'rated' AND c.meter = ANY(:meters)
    ) AS calls WHERE seconds_before < :left
""")  # noqa: S608 - text of ours
# Agents' time that may cost more; whose it is stands at the head of its permanent key.
_TIMES = text(f"""
    SELECT u.source || '/' || u.event_id AS key, split_part(u.event_id, '/', 1) AS agent,
      c.occurred_at < :period_start AS is_late, c.meter, c.destination, c.tariff_id,
      u.occurred_at, u.ended_at, u.quantity_ms
    {_HELD_USES} AND c.outcome = 'rated' AND c.meter = :meter
""")
# a quarter of an hour is what month ends are cut at
_SPANS = text(f"""
    SELECT c.meter, c.destination, c.tariff_id, c.occurred_at < :period_start AS is_late,
      date_bin('15 minutes', c.occurred_at, 'epoch') AS since, sum(c.units_nano) AS units_nano,
      count(*) AS events
    {_HELD} AND c.outcome = 'rated' AND c.meter = ANY(:meters)
    GROUP BY is_late, c.meter, c.destination, c.tariff_id, since
""")

_EVENTS = text("""
    SELECT m.line_no, u.source, u.event_id, u.subject_ref, u.meter, c.destination, u.prefix AS dialled_prefix,
      u.occurred_at, u.ended_at, u.quantity_ms, c.billed_seconds, c.units_nano, t.price_list, t.version,
      c.prefix AS rated_prefix, c.amount_nano, c.currency
    FROM app.invoice_line_charges m
    JOIN app.rated_charges c ON c.tenant_id = m.tenant_id AND c.id = m.rated_charge_id
    JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id
    JOIN app.tariffs t ON t.tenant_id = c.tenant_id AND t.id = c.tariff_id
    WHERE m.tenant_id = :tenant AND m.invoice_id = :invoice
    ORDER BY m.line_no, u.occurred_at, u.id
""")

_TRACE = text("""
    SELECT u.id AS usage_id, u.source, u.event_id, u.meter, u.occurred_at, u.ended_at, u.quantity_ms,
      c.id AS charge_id, c.outcome, c.reason, c.prefix, c.destination, c.billed_seconds, c.units_nano,
      c.amount_nano,
      c.currency, c.tariff_id, c.bill_at, t.price_list, t.version, m.invoice_id, m.line_no, i.number, i.state
    FROM app.usage_events u
    JOIN app.rated_charges c ON c.tenant_id = u.tenant_id AND c.usage_id = u.id AND c.superseded_by IS NULL
    LEFT JOIN app.tariffs t ON t.tenant_id = c.tenant_id AND t.id = c.tariff_id
    LEFT JOIN app.invoice_line_charges m ON m.tenant_id = c.tenant_id AND m.rated_charge_id = c.id
    LEFT JOIN app.invoices i ON i.tenant_id = m.tenant_id AND i.id = m.invoice_id
    WHERE u.tenant_id = :tenant AND u.subject_ref = :subject
    ORDER BY u.occurred_at, u.id
""")

_HOLD_CLOSING = text("SELECT app.hold_closing(:tenant)")


@dataclass(frozen=True, slots=True)
class MeterTotal:
    """What one meter comes to so far; `is_estimate` when a part of it goes on and is not charged yet."""

    meter: str
    events: int
    billed_seconds: int
    amount_minor: int
    unit: str
    quantity: Fraction
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class DayPoint:
    """The bill at the end of a local day, before tax; a sum of unrounded charges, rounded for display."""

    day: dt.date
    cumulative_minor: int


@dataclass(frozen=True, slots=True)
class RunningBill:
    """The bill of the current month as it stands; `waiting` counts usage and rentals without a price."""

    currency: str
    zone: str
    period: Period
    as_of: dt.datetime
    bill: Bill
    meters: tuple[MeterTotal, ...]
    days: tuple[DayPoint, ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Usage of one meter that has no charge, all for one reason (`rating.tariff`)."""

    meter: str
    reason: str
    events: int
    is_refused: bool


@dataclass(frozen=True, slots=True)
class TracedLine:
    """The line a charge sits on; state is "preview" while no draft has taken it."""

    state: str
    invoice_id: InvoiceId | None
    number: str | None
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One usage event, its charge and the line it sits on (None while it has no price)."""

    usage_id: UsageId
    source: str
    event_id: str
    meter: str
    occurred_at: dt.datetime
    ended_at: dt.datetime
    quantity_ms: int
    charge_id: UUID
    outcome: Outcome
    reason: str
    price_list: str | None
    version: int | None
    prefix: str | None
    destination: str | None
    billed_seconds: int | None
    units_nano: int | None
    amount_nano: int | None
    currency: str | None
    line: TracedLine | None


@dataclass(frozen=True, slots=True)
class InvoiceSummary:
    """An invoice in a list."""

    invoice_id: InvoiceId
    state: str
    number: str | None
    period: Period
    currency: str
    total_minor: int
    issued_on: dt.date | None
    due_on: dt.date | None


def draft(session: Session, *, tenant_id: TenantId, period: Period) -> InvoiceDocument:
    """Make the draft of a period, or make it anew.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        period: local months in the account's zone (`periods.month`).

    Raises:
        PeriodInvalidError: not local months of the account's zone.
        PeriodClosedError: an invoice of this or a later period is final.
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    periods.insist(period, zone=account.zone)
    before = invoiced.read(session, tenant_id=tenant_id)
    if before.closed_until > period.start:
        raise PeriodClosedError(closed_until=before.closed_until.isoformat())
    holds_from = before.until(period)
    _discard(session, tenant_id, before.drafts_of(Period(holds_from, period.end)))
    where = _range(tenant_id, period, holds_from)
    bill, basis = _compose(session, account, _sums(session, where), period=period, where=where)
    row = InvoiceRow(
        tenant_id=tenant_id,
        id=new_id(),
        kind="invoice",
        state="draft",
        currency=account.currency,
        zone=account.zone,
        language=account.language,
        period_start=period.start,
        period_end=period.end,
        holds_from=holds_from,
        net_minor=bill.net_minor,
        tax_minor=bill.tax_minor,
        total_minor=bill.total_minor,
        buyer=accounts.party_to_json(account.buyer),
        seller=accounts.seller_to_json(sellers.of(session, account)),
        order_reference=account.order_reference,
        tax_reason=account.tax_reason,
        terms_days=account.terms_days,
        terms_tariff_id=basis.tariff_id,
        agreed=basis.written(),
        drafted_at=clock.now(),
    )
    session.add(row)
    session.flush()
    lines, taxes = _written(row, bill)
    session.add_all([*lines, *taxes])
    session.flush()
    return _document(row, lines, taxes)


def approve(session: Session, *, tenant_id: TenantId, invoice_id: UUID, by: UUID) -> None:
    """Write down who says that a draft may become an invoice; who said so first stands.

    A draft that is made anew is another one, and is approved anew.

    Raises:
        InvoiceNotFoundError: no such invoice.
        InvoiceFinalError: it is finalised already.
    """
    row = session.get(InvoiceRow, (tenant_id, invoice_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise InvoiceNotFoundError
    if row.state != "draft":
        raise InvoiceFinalError(number=row.number)
    if row.approved_at is None:
        row.approved_by, row.approved_at = by, clock.now()
        session.flush()
        evidence.record(session, "invoice.approved", "inv", row.id, total_minor=row.total_minor)


def insist_approved(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> None:
    """Insist that somebody has approved a draft.

    Raises:
        InvoiceNotApprovedError: nobody has.
    """
    row = session.get(InvoiceRow, (tenant_id, invoice_id), populate_existing=True)
    if row is not None and row.approved_at is None:
        raise InvoiceNotApprovedError


def finalise(
    session: Session,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    usual: Safety = USUAL,
    approver: UUID | None = None,
) -> InvoiceDocument:
    """Give a draft its number and freeze it, under both heads as they are now.

    Numbers run without gap per issuer, series and year: the counter's row stays locked until this
    transaction ends, and a rollback gives the number back.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        invoice_id: its draft.
        usual: what holds for everybody's bills, where the company has no bounds of its own.
        approver: who approves it with that, where nobody has yet.

    Raises:
        InvoiceNotFoundError: no such invoice.
        InvoiceFinalError: it is finalised already.
        PeriodNotOverError: the period has not ended.
        PeriodClosedError: an earlier draft waits; invoices are finalised in order.
        RentalsOpenError: what was rented in the period is not charged to its end yet (`billing.rentals`).
        UnratedUsageError: usage of the period has no price yet.
        ServiceNotCountedError: service was promised for the period, and nobody said how it was.
        DraftStaleError: charges came or were rated again since the draft; draft anew.
        BillHeldError: it leaves its account's bounds, and nobody released it (`billing.safety`).
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    row = session.get(InvoiceRow, (tenant_id, invoice_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise InvoiceNotFoundError
    if row.state != "draft":
        raise InvoiceFinalError(number=row.number)
    now = clock.now()
    period = Period(row.period_start, row.period_end)
    if now < period.end:
        raise PeriodNotOverError(ends_at=period.end.isoformat())
    if not account.is_charged(until=period.end):
        raise RentalsOpenError
    session.execute(_HOLD_CLOSING, {"tenant": tenant_id})
    lines, taxes = _kept(session, row)
    _insist_it_can_be_closed(session, account, row, lines)
    outside = _outside(session, row, lines=len(lines), usual=usual)
    safety.insist(session, tenant_id=tenant_id, invoice_id=invoice_id, outside=outside)
    seller = sellers.of(session, account)
    row.buyer, row.seller = accounts.party_to_json(account.buyer), accounts.seller_to_json(seller)
    row.order_reference, row.terms_days = account.order_reference, account.terms_days
    today = now.astimezone(zoneinfo.ZoneInfo(seller.zone)).date()
    count = session.execute(
        text("SELECT app.take_invoice_number(:issuer, :series, :year)"),
        {"issuer": seller.issuer_id, "series": seller.series, "year": today.year},
    ).scalar_one()
    row.number = f"{seller.series}-{today.year}-{count:06d}"
    row.state = "finalised"
    if approver is not None and row.approved_at is None:  # the entry of finalising names them
        row.approved_by, row.approved_at = approver, now
    row.issued_on = today
    row.due_on = today + dt.timedelta(days=row.terms_days)
    row.finalised_at = now
    session.flush()
    announce(
        session,
        InvoiceFinalised(
            tenant_id=tenant_id,
            invoice_id=InvoiceId(row.id),
            number=row.number,
            currency=row.currency,
            total_minor=row.total_minor,
        ),
    )
    evidence.record(
        session,
        "invoice.finalised",
        "inv",
        row.id,
        number=row.number,
        total_minor=row.total_minor,
        digest=digests.of_rows(row, lines, taxes),
    )
    return _document(row, lines, taxes)


def leaves_bounds(
    session: Session, *, tenant_id: TenantId, invoice_id: UUID, usual: Safety = USUAL
) -> Outside | None:
    """Return how a draft leaves its account's bounds, or None: it is within them.

    Raises:
        InvoiceNotFoundError: no such invoice.
    """
    row = session.get(InvoiceRow, (tenant_id, invoice_id))
    if row is None:
        raise InvoiceNotFoundError
    lines = session.scalar(
        select(func.count()).where(
            InvoiceLineRow.tenant_id == tenant_id, InvoiceLineRow.invoice_id == invoice_id
        )
    )
    return _outside(session, row, lines=lines or 0, usual=usual)


def _outside(session: Session, row: InvoiceRow, *, lines: int, usual: Safety) -> Outside | None:
    tenant_id = TenantId(row.tenant_id)
    first, after = (periods.day_of(at, zone=row.zone) for at in (row.period_start, row.period_end))
    return safety.judge(
        session,
        tenant_id=tenant_id,
        total_minor=row.total_minor,
        currency=row.currency,
        lines=lines,
        days=(after - first).days,
        before=row.period_start,
        by=safety.find(session, tenant_id=tenant_id, usual=usual),
    )


def running_bill(
    session: Session, *, tenant_id: TenantId, now: dt.datetime, accruals: Collection[Accrual] = ()
) -> RunningBill:
    """Return the bill of the local month around `now` as it stands, writing nothing.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        now: aware instant.
        accruals: what is rented and not charged yet (`billing.rentals.accruing`); on lines of their own,
            marked as estimates.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    period = periods.month_of(now, zone=account.zone)
    before = invoiced.read(session, tenant_id=tenant_id)
    where = {**_preview_range(before, tenant_id, period), "zone": account.zone}
    sums: dict[tuple[object, ...], _Sum] = {}
    by_day: dict[dt.date, int] = {}
    waiting = 0
    for row in session.execute(_BY_DAY, where):
        if not row.is_rated:
            waiting += row.events
            continue
        one = _sum(row)
        sums[one.key] = sums[one.key].plus(one) if one.key in sums else one
        by_day[row.day] = by_day.get(row.day, 0) + one.amount_nano
    if where["holds_from"] == period.start and before.closed_until < period.start:
        # an earlier month's amounts stand on its own bill; what it waits for still needs somebody
        waiting = _count_waiting(session, _range(tenant_id, period, before.closed_until))
    # what an earlier month still has to be charged for stands on that month's bill
    accruals = [one for one in accruals if one.start >= period.start]
    estimated, unpriced = _estimated(accruals, now)
    bill, _basis = _compose(
        session, account, (*sums.values(), *estimated), period=period, where=where, is_running=True
    )
    today = periods.day_of(now, zone=account.zone)
    points, total = [], 0
    for day in periods.days(period, zone=account.zone):
        total += by_day.get(day, 0)
        if day <= today:
            by_then = min(now, periods.day_start(day + dt.timedelta(days=1), zone=account.zone))
            accrued = sum(one.until(by_then).amount_nano or 0 for one in accruals)
            points.append(DayPoint(day, nano_to_minor(total + accrued, currency=account.currency)))
    return RunningBill(
        currency=account.currency,
        zone=account.zone,
        period=period,
        as_of=now,
        bill=bill,
        meters=_by_meter(bill),
        days=tuple(points),
        waiting=waiting + unpriced,
    )


def preview(
    session: Session, *, tenant_id: TenantId, period: Period, accruals: Collection[Accrual] = ()
) -> Bill:
    """Return the bill that `draft` would make of a period now, writing nothing.

    With `accruals` it says as well what is rented and not charged yet, on lines marked as estimates.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    where = preview_range(session, tenant_id, period)
    accruals = [one for one in accruals if one.start >= period.start]
    estimated, _unpriced = _estimated(accruals, period.end)
    sums = (*_sums(session, where), *estimated)
    bill, _basis = _compose(
        session, account, sums, period=period, where=where, is_running=clock.now() < period.end
    )
    return bill


def waiting(session: Session, *, tenant_id: TenantId, period: Period) -> tuple[Waiting, ...]:
    """Return the usage that keeps a month open because it has no charge yet, the most first."""
    closed_until = invoiced.read(session, tenant_id=tenant_id).closed_until
    rows = session.execute(_WAITING, _range(tenant_id, period, closed_until))
    return tuple(
        Waiting(row.meter, row.reason, row.events, is_refused=row.outcome == Outcome.REFUSED) for row in rows
    )


def find(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> InvoiceDocument:
    """Return an invoice with its lines; a draft under both heads as they are now.

    Raises:
        InvoiceNotFoundError: no such invoice.
    """
    row = session.get(InvoiceRow, (tenant_id, invoice_id))
    if row is None:
        raise InvoiceNotFoundError
    found = _document(row, *_kept(session, row))
    if not found.is_draft:
        return found
    account = accounts.find(session, tenant_id=tenant_id)
    return replace(
        found,
        buyer=account.buyer,
        seller=sellers.of(session, account),
        order_reference=account.order_reference,
    )


def every(session: Session, *, tenant_id: TenantId) -> tuple[InvoiceSummary, ...]:
    """Return the tenant's invoices, newest period first."""
    rows = session.scalars(
        select(InvoiceRow).where(InvoiceRow.tenant_id == tenant_id).order_by(InvoiceRow.period_start.desc())
    )
    return tuple(
        InvoiceSummary(
            invoice_id=InvoiceId(row.id),
            state=row.state,
            number=row.number,
            period=Period(row.period_start, row.period_end),
            currency=row.currency,
            total_minor=row.total_minor,
            issued_on=row.issued_on,
            due_on=row.due_on,
        )
        for row in rows
    )


def numbers(
    session: Session, *, tenant_id: TenantId, invoice_ids: Collection[InvoiceId]
) -> dict[InvoiceId, str]:
    """Return the numbers of some invoices; drafts have none and are left out."""
    rows = session.execute(
        select(InvoiceRow.id, InvoiceRow.number).where(
            InvoiceRow.tenant_id == tenant_id, InvoiceRow.id.in_(invoice_ids), InvoiceRow.number.is_not(None)
        )
    )
    return {InvoiceId(row.id): row.number for row in rows}


def events(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> Iterator[BilledEvent]:
    """Yield every event behind an invoice by line and time, a thousand rows at a time.

    Raises:
        InvoiceNotFoundError: no such invoice.
    """
    if session.get(InvoiceRow, (tenant_id, invoice_id)) is None:
        raise InvoiceNotFoundError
    found = session.execute(
        _EVENTS, {"tenant": tenant_id, "invoice": invoice_id}, execution_options={"yield_per": 1000}
    )
    return (BilledEvent(**row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name


def count_events(session: Session, *, tenant_id: TenantId, invoice_id: UUID) -> int:
    """Return how many events are behind an invoice."""
    return session.scalars(
        select(func.coalesce(func.sum(InvoiceLineRow.events), 0)).where(
            InvoiceLineRow.tenant_id == tenant_id,
            InvoiceLineRow.invoice_id == invoice_id,
            InvoiceLineRow.kind == Kind.METERED.value,
        )
    ).one()


def trace(session: Session, *, tenant_id: TenantId, subject_ref: UUID) -> tuple[Trace, ...]:
    """Return what became of everything one subject (a call) used: usage, charge, line.

    A charge that no draft has taken is shown on the line it would stand on now.
    """
    rows = session.execute(_TRACE, {"tenant": tenant_id, "subject": subject_ref}).all()
    return tuple(_traced(session, tenant_id, row) for row in rows)


def _range(tenant_id: UUID, period: Period, holds_from: dt.datetime) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "period_start": period.start,
        "period_end": period.end,
        "holds_from": holds_from,
    }


def preview_range(session: Session, tenant_id: UUID, period: Period) -> dict[str, Any]:
    """Return between which instants the charges of an open period are due, for the queries here.

    Those of its draft, or of itself: what a month still to be billed has left stands on that month's bill.
    """
    return _preview_range(invoiced.read(session, tenant_id=tenant_id), tenant_id, period)


def _preview_range(before: Invoiced, tenant_id: UUID, period: Period) -> dict[str, Any]:
    there = before.draft_from(period.start)
    return _range(tenant_id, period, there.holds_from if there else max(period.start, before.closed_until))


def range_of(session: Session, tenant_id: UUID, invoice_id: UUID) -> dict[str, Any]:
    """Return between which instants the charges of an invoice are due, for the queries here."""
    row = session.get_one(InvoiceRow, (tenant_id, invoice_id))
    return _range(tenant_id, Period(row.period_start, row.period_end), row.holds_from)


def _discard(session: Session, tenant_id: UUID, drafts: Collection[InvoiceId]) -> None:
    if not drafts:
        return
    for table in (InvoiceLineRow, InvoiceTaxRow):
        session.execute(delete(table).where(table.tenant_id == tenant_id, table.invoice_id.in_(drafts)))
    session.execute(delete(InvoiceRow).where(InvoiceRow.tenant_id == tenant_id, InvoiceRow.id.in_(drafts)))


def _insist_it_can_be_closed(
    session: Session, account: Account, row: InvoiceRow, lines: Sequence[InvoiceLineRow]
) -> None:
    before, period = invoiced.read(session, tenant_id=row.tenant_id), Period(row.period_start, row.period_end)
    if before.has_draft_before(period):
        raise PeriodClosedError("an earlier draft waits to be finalised")
    where = _range(row.tenant_id, period, before.closed_until)
    waiting = _count_waiting(session, where)
    if waiting:
        raise UnratedUsageError(waiting=waiting)
    counts = promises.of_period(session, tenant_id=TenantId(row.tenant_id), period=period, zone=row.zone)
    _insist_service_is_counted(session, row, counts)
    if row.holds_from != where["holds_from"] or not _says_the_same(session, account, row, lines, where):
        raise DraftStaleError


def _count_waiting(session: Session, where: Mapping[str, Any]) -> int:
    return sum(one.events for one in session.execute(_WAITING, where))


def _says_the_same(
    session: Session,
    account: Account,
    row: InvoiceRow,
    lines: Sequence[InvoiceLineRow],
    where: Mapping[str, Any],
) -> bool:
    """Return whether a draft is what would be drafted now, line by line.

    Where single prices say all, the sums do; with terms, which calls they were may matter as well.
    """
    sums = _sums(session, where)
    if row.agreed is None:
        return [_summed(one) for one in lines] == [_summed(one) for one in sums]
    period = Period(row.period_start, row.period_end)
    bill, basis = _compose(session, account, sums, period=period, where=where)
    return _as_kept(basis.written()) == row.agreed and [_untaxed(_line(one)) for one in lines] == [
        _untaxed(one) for one in bill.lines
    ]


def _summed(one: "InvoiceLineRow | _Sum") -> tuple[object, ...]:
    key = (one.is_late, one.meter, one.destination, one.tariff_id)
    return (*key, one.events, one.billed_seconds, one.units_nano, int(one.amount_nano))


def _untaxed(line: Line) -> Line:
    """Return what charges and terms say of a line; how it is taxed was decided when it was drafted."""
    return replace(line, arithmetic=_as_kept(line.arithmetic), tax_category="", tax_rate_ppm=0)


def _as_kept(value: Any) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(value, default=dict))


def _insist_service_is_counted(session: Session, row: InvoiceRow, counts: Sequence[Count]) -> None:
    if row.terms_tariff_id is None:
        return
    tariff = tariffs.by_id(session, tenant_id=TenantId(row.tenant_id), tariff_id=row.terms_tariff_id)
    counted = {one.code for one in counts}
    missing = [one.code for one in tariff.terms.service if one.code not in counted]
    if missing:
        raise ServiceNotCountedError(codes=missing)


@dataclass(frozen=True, slots=True)
class _Sum:
    """What the database added up for one line."""

    is_late: bool
    meter: str
    destination: str
    tariff_id: UUID
    currency: str
    events: int
    billed_seconds: int
    units_nano: int | None
    amount_nano: int
    is_estimate: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        return (self.is_late, self.meter, self.destination, self.tariff_id, self.currency, self.is_estimate)

    def plus(self, other: "_Sum") -> "_Sum":
        return replace(
            self,
            events=self.events + other.events,
            billed_seconds=self.billed_seconds + other.billed_seconds,
            units_nano=None if self.units_nano is None else self.units_nano + (other.units_nano or 0),
            amount_nano=self.amount_nano + other.amount_nano,
        )


def _sum(row: Row[Any]) -> _Sum:
    return _Sum(
        is_late=row.is_late,
        meter=row.meter,
        destination=row.destination,
        tariff_id=row.tariff_id,
        currency=row.currency,
        events=row.events,
        billed_seconds=int(row.billed_seconds),
        units_nano=None if row.units_nano is None else int(row.units_nano),
        amount_nano=int(row.amount_nano),
    )


def _sums(session: Session, where: Mapping[str, Any]) -> list[_Sum]:
    return [_sum(row) for row in session.execute(_GROUPS, where)]


def _estimated(accruals: Collection[Accrual], now: dt.datetime) -> tuple[list[_Sum], int]:
    """Return the sums of what accrues, and how many rentals of it have no price."""
    sums: dict[tuple[object, ...], _Sum] = {}
    unpriced = 0
    for one in accruals:
        rating = one.until(now)
        if one.price is None or rating.outcome is not Outcome.RATED:
            unpriced += one.count
            continue
        estimate = _Sum(
            is_late=False,
            meter=one.meter,
            destination=rating.destination or "",
            tariff_id=one.price.tariff_id,
            currency=one.price.tariff.currency,
            events=one.count,
            billed_seconds=rating.billed_seconds or 0,
            units_nano=rating.units_nano,
            amount_nano=rating.amount_nano or 0,
            is_estimate=True,
        )
        before = sums.get(estimate.key)
        sums[estimate.key] = before.plus(estimate) if before else estimate
    return list(sums.values()), unpriced


@dataclass(frozen=True, slots=True)
class _Basis:
    """What an invoice was made by beyond its charges: the terms, and what the one before left."""

    tariff_id: UUID | None
    follows: str | None
    before: State
    after: State
    counts: tuple[Count, ...]
    is_needed: bool

    def written(self) -> dict[str, Any] | None:
        """Return it as it is kept with the invoice; nothing where single prices say all."""
        if not self.is_needed:
            return None
        return {
            "follows": self.follows,
            "before": agreed.to_json(self.before),
            "after": agreed.to_json(self.after),
            **({"counts": agreed.counts_to_json(self.counts)} if self.counts else {}),
        }


def _compose(
    session: Session,
    account: Account,
    sums: Iterable[_Sum],
    *,
    period: Period,
    where: Mapping[str, Any],
    is_running: bool = False,
) -> tuple[Bill, _Basis]:
    """Return the bill of some sums with what was agreed, and what that rests on."""
    groups, of_lines = [], dict[UUID, Tariff]()
    timeline = tariffs.timeline(session, tenant_id=account.tenant_id)
    for one in sums:
        if one.currency != account.currency:
            raise CurrencyMismatchError(left=account.currency, right=one.currency)
        tariff = timeline.by_id[one.tariff_id].tariff
        of_lines[one.tariff_id] = tariff
        groups.append(
            Group(
                meter=one.meter,
                destination=one.destination,
                tariff_id=one.tariff_id,
                price_list=tariff.price_list,
                version=tariff.version,
                names=tariff.destinations.get(one.destination, {}),
                unit_nano=tariff.unit_nano(meter=one.meter, destination=one.destination),
                is_late=one.is_late,
                events=one.events,
                billed_seconds=one.billed_seconds,
                units_nano=one.units_nano,
                amount_nano=one.amount_nano,
                is_estimate=one.is_estimate,
                arithmetic=tariff.shared(meter=one.meter, destination=one.destination),
            )
        )
    last = _last_final(session, account.tenant_id, period)
    before, agreement = _terms(timeline, last, account, period)
    counts = promises.of_period(session, tenant_id=account.tenant_id, period=period, zone=account.zone)
    lines, after = agreed.complete(
        _with_quantities(session, account, groups, of_lines, period, where),
        agreement=agreement,
        models=of_lines,
        calls=_calls(session, before, where, account.zone),
        times=_times(session, of_lines.values(), where),
        counts=counts,
        before=before,
        period=period,
        zone=account.zone,
        currency=account.currency,
        is_running=is_running,
    )
    bill = compose(
        lines,
        currency=account.currency,
        tax_category=account.tax_category,
        tax_rate_ppm=account.tax_rate_ppm,
    )
    return bill, _Basis(
        tariff_id=agreement.tariff_id if agreement else None,
        follows=str(last.id) if last else None,
        before=before,
        after=after,
        counts=counts,
        is_needed=before != State()
        or after != State()
        or bool(agreement and agreement.terms)
        or any(one.quantities for one in lines),
    )


def terms_of(session: Session, account: Account, period: Period) -> tuple[State, Agreement | None]:
    """Return what the last invoice left, opened for the months of a period, and the terms of its last month.

    The terms of a month are those in force at its beginning, or, in a company's first month, the first.
    """
    timeline = tariffs.timeline(session, tenant_id=account.tenant_id)
    return _terms(timeline, _last_final(session, account.tenant_id, period), account, period)


def _last_final(session: Session, tenant_id: UUID, period: Period) -> InvoiceRow | None:
    """Return the last final invoice before a period: what one with terms, or with models, follows."""
    return session.scalars(
        select(InvoiceRow)
        .where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.state == "finalised",
            InvoiceRow.period_end <= period.start,
        )
        .order_by(InvoiceRow.period_end.desc())
        .limit(1)
    ).first()


def _terms(
    timeline: Timeline, last: InvoiceRow | None, account: Account, period: Period
) -> tuple[State, Agreement | None]:
    state = agreed.from_json(last.agreed["after"]) if last and last.agreed else State()
    at, agreement = last.period_end if last else period.start, None
    while at < period.end:
        month = periods.month_of(at, zone=account.zone)
        agreement = _agreement(timeline, month)
        state = agreed.opened(
            state, agreement.terms if agreement else NOTHING, month=month, zone=account.zone
        )
        at = month.end
    return state, agreement


def _agreement(timeline: Timeline, month: Period) -> Agreement | None:
    found = timeline.of_month(month)
    return Agreement(found.tariff_id, found.tariff) if found else None


def _with_quantities(
    session: Session,
    account: Account,
    groups: Sequence[Group],
    of_lines: Mapping[UUID, Tariff],
    period: Period,
    where: Mapping[str, Any],
) -> list[Group]:
    """Give each group of a meter with a charge model its quantities, month by month."""
    modelled = [one for one in groups if of_lines[one.tariff_id].model(one.meter) is not None]
    if not modelled:
        return list(groups)
    months: dict[tuple[object, ...], dict[dt.datetime, tuple[int, int]]] = {}
    meters = sorted({one.meter for one in modelled})
    for row in session.execute(_SPANS, {**where, "meters": meters}):
        of_key = months.setdefault((row.is_late, row.meter, row.destination, row.tariff_id, False), {})
        start = periods.month_of(row.since, zone=account.zone).start
        units, events = of_key.get(start, (0, 0))
        of_key[start] = (units + int(row.units_nano), events + row.events)
    made = []
    for one in groups:
        quantities: list[Quantity] = []
        charged = months.get((*one.key[:-1], False), {})
        if one in modelled and one.is_estimate:
            before = charged.get(period.start, (0, 0))
            quantities = [Quantity(period.start, one.units_nano or 0, one.events, *before)]
        elif one in modelled:
            for start, (units, events) in sorted(charged.items()):
                before = _billed_before(session, account, one, start, where) if one.is_late else (0, 0)
                quantities.append(Quantity(start, units, events, *before))
        made.append(replace(one, quantities=tuple(quantities)))
    return made


def _billed_before(
    session: Session, account: Account, one: Group, start: dt.datetime, where: Mapping[str, Any]
) -> tuple[int, int]:
    """Return how much of a month, and in how many uses, earlier invoices have of a group's meter."""
    found = session.execute(
        _BILLED_BEFORE,
        {
            "tenant": account.tenant_id,
            "meter": one.meter,
            "destination": one.destination,
            "tariff": one.tariff_id,
            "start": start,
            "holds_from": where["holds_from"],
            "end": periods.month_of(start, zone=account.zone).end,
        },
    ).one()
    return int(found.units_nano or 0), found.events


def _calls(session: Session, before: State, where: Mapping[str, Any], zone: str) -> list[Call]:
    """Return the calls that the minutes that are left may take over."""
    meters = sorted({meter for pool in before.pools if pool.left_s for meter in pool.meters})
    if not meters:
        return []
    left = sum(pool.left_s for pool in before.pools)
    rows = session.execute(_CALLS, {**where, "meters": meters, "left": left, "zone": zone})
    return [
        Call(
            row.key,
            (row.is_late, row.meter, row.destination, row.tariff_id, False),
            row.meter,
            row.destination,
            row.occurred_at,
            row.billed_seconds,
            row.amount_nano,
        )
        for row in rows
    ]


def _times(session: Session, of_lines: Iterable[Tariff], where: Mapping[str, Any]) -> list[Time]:
    """Return agents' time where some of it may cost more."""
    if not any(tariff.terms.labour for tariff in of_lines):
        return []
    rows = session.execute(_TIMES, {**where, "meter": AGENT_HOUR})
    return [
        Time(
            (row.is_late, row.meter, row.destination, row.tariff_id, False),
            row.key,
            Worked(row.agent, row.occurred_at, row.ended_at, row.quantity_ms),
        )
        for row in rows
    ]


def _written(row: InvoiceRow, bill: Bill) -> tuple[list[InvoiceLineRow], list[InvoiceTaxRow]]:
    lines = [
        InvoiceLineRow(
            tenant_id=row.tenant_id,
            invoice_id=row.id,
            line_no=line.line_no,
            meter=line.meter,
            destination=line.destination,
            names=dict(line.names),
            tariff_id=line.tariff_id,
            price_list=line.price_list,
            version=line.version,
            is_late=line.is_late,
            events=line.events,
            billed_seconds=line.billed_seconds,
            units_nano=line.units_nano,
            unit_nano=line.unit_nano,
            kind=line.kind.value,
            arithmetic=_as_kept(line.arithmetic),
            amount_nano=line.amount_nano,
            amount_minor=line.amount_minor,
            tax_category=line.tax_category,
            tax_rate_ppm=line.tax_rate_ppm,
        )
        for line in bill.lines
    ]
    taxes = [
        InvoiceTaxRow(
            tenant_id=row.tenant_id,
            invoice_id=row.id,
            category=one.category,
            rate_ppm=one.rate_ppm,
            taxable_minor=one.taxable_minor,
            tax_minor=one.tax_minor,
        )
        for one in bill.taxes
    ]
    return lines, taxes


def _kept(session: Session, row: InvoiceRow) -> tuple[Sequence[InvoiceLineRow], Sequence[InvoiceTaxRow]]:
    """Return the lines and taxes of an invoice as they stand in the tables."""
    as_they_stand = {"populate_existing": True}
    lines = session.scalars(
        select(InvoiceLineRow)
        .where(InvoiceLineRow.tenant_id == row.tenant_id, InvoiceLineRow.invoice_id == row.id)
        .order_by(InvoiceLineRow.line_no),
        execution_options=as_they_stand,
    ).all()
    taxes = session.scalars(
        select(InvoiceTaxRow)
        .where(InvoiceTaxRow.tenant_id == row.tenant_id, InvoiceTaxRow.invoice_id == row.id)
        .order_by(InvoiceTaxRow.category, InvoiceTaxRow.rate_ppm),
        execution_options=as_they_stand,
    ).all()
    return lines, taxes


def _document(
    row: InvoiceRow, lines: Iterable[InvoiceLineRow], taxes: Iterable[InvoiceTaxRow]
) -> InvoiceDocument:
    return InvoiceDocument(
        invoice_id=InvoiceId(row.id),
        state=row.state,
        number=row.number,
        zone=row.zone,
        language=row.language,
        period=Period(row.period_start, row.period_end),
        agreed=row.agreed,
        terms_tariff_id=row.terms_tariff_id,
        bill=Bill(
            currency=row.currency,
            lines=tuple(_line(line) for line in lines),
            taxes=tuple(Tax(one.category, one.rate_ppm, one.taxable_minor, one.tax_minor) for one in taxes),
            net_minor=row.net_minor,
            tax_minor=row.tax_minor,
            total_minor=row.total_minor,
        ),
        buyer=accounts.party_from_json(row.buyer),
        seller=accounts.seller_from_json(row.seller),
        order_reference=row.order_reference,
        tax_reason=row.tax_reason,
        issued_on=row.issued_on,
        due_on=row.due_on,
        drafted_at=row.drafted_at,
        finalised_at=row.finalised_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
    )


def _line(row: InvoiceLineRow) -> Line:
    names: Mapping[str, str] = row.names
    return Line(
        line_no=row.line_no,
        meter=row.meter,
        destination=row.destination,
        tariff_id=row.tariff_id,
        price_list=row.price_list,
        version=row.version,
        names=names,
        unit_nano=row.unit_nano,
        kind=Kind(row.kind),
        arithmetic=row.arithmetic,
        is_late=row.is_late,
        events=row.events,
        billed_seconds=row.billed_seconds,
        units_nano=row.units_nano,
        amount_nano=int(row.amount_nano),
        amount_minor=row.amount_minor,
        tax_category=row.tax_category,
        tax_rate_ppm=row.tax_rate_ppm,
    )


def _by_meter(bill: Bill) -> tuple[MeterTotal, ...]:
    totals: dict[str, MeterTotal] = {}
    for line in bill.lines:
        before = totals.get(line.meter)
        is_metered = line.kind not in COUNTED_BEFORE
        totals[line.meter] = MeterTotal(
            line.meter,
            line.events + (before.events if before else 0),
            (line.billed_seconds if is_metered else 0) + (before.billed_seconds if before else 0),
            line.amount_minor + (before.amount_minor if before else 0),
            line.unit,
            (line.quantity if is_metered else 0) + (before.quantity if before else Fraction(0)),
            line.is_estimate or (before is not None and before.is_estimate),
        )
    return tuple(totals[meter] for meter in sorted(totals))


def _traced(session: Session, tenant_id: TenantId, row: Row[Any]) -> Trace:
    line: TracedLine | None = None
    if row.invoice_id is not None:
        on = session.get_one(InvoiceLineRow, (tenant_id, row.invoice_id, row.line_no))
        line = TracedLine(row.state, InvoiceId(row.invoice_id), row.number, _line(on))
    elif row.outcome == Outcome.RATED:
        line = _previewed_line(session, tenant_id, row)
    return Trace(
        usage_id=UsageId(row.usage_id),
        source=row.source,
        event_id=row.event_id,
        meter=row.meter,
        occurred_at=row.occurred_at,
        ended_at=row.ended_at,
        quantity_ms=row.quantity_ms,
        charge_id=row.charge_id,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        price_list=row.price_list,
        version=row.version,
        prefix=row.prefix,
        destination=row.destination,
        billed_seconds=row.billed_seconds,
        units_nano=row.units_nano,
        amount_nano=row.amount_nano,
        currency=row.currency,
        line=line,
    )


def _previewed_line(session: Session, tenant_id: TenantId, row: Row[Any]) -> TracedLine | None:
    account = accounts.find(session, tenant_id=tenant_id)
    period = periods.month_of(row.bill_at, zone=account.zone)
    key = (row.meter, row.destination, row.tariff_id, row.occurred_at < period.start)
    for line in preview(session, tenant_id=tenant_id, period=period).lines:
        if line.kind is Kind.METERED and (line.meter, line.destination, line.tariff_id, line.is_late) == key:
            return TracedLine("preview", None, None, line)
    return None
