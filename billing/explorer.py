"""Looking through usage: from an event to its charges and its line, and back; what waits, and why.

For the operator's eyes, inside one company's walls: ids, meters, amounts and numbers without their last four
digits, which is all billing knows; never the other party.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from billing import accounts, tariffs
from billing.models import (
    LINE_CHARGES,
    InvoiceRow,
    RatedChargeRow,
    UsageConflictRow,
    UsageDecisionRow,
    UsageEventRow,
    UsageRejectRow,
)
from billing.rating.rules import Outcome
from billing.usage import charge_values, closed_until, tell_payers
from core import clock
from core.ids import TenantId, new_id

MOST = 10_000  # nobody counts further on a page
STATES = ("rated", "unrated", "refused", "late")
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for; None or empty: whatever it is.

    `reference` is any id: of the usage, of what it was for (a call, a rental, an agent, a number, a
    campaign), of the charge, or of the invoice, with `line_no` one line of it. `event_id` is the source's
    own.
    """

    reference: UUID | None = None
    line_no: int | None = None
    event_id: str = ""
    meter: str = ""
    state: str = ""
    start: dt.datetime | None = None
    end: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One usage event with the charge that stands and the line it is on."""

    usage_id: UUID
    source: str
    event_id: str
    meter: str
    subject_ref: UUID
    occurred_at: dt.datetime
    ended_at: dt.datetime
    quantity_ms: int
    prefix: str
    received_at: dt.datetime
    charge_id: UUID
    outcome: str
    reason: str
    is_late: bool
    billed_seconds: int | None
    units_nano: int | None
    amount_nano: int | None
    currency: str | None
    tariff_id: UUID | None
    invoice_id: UUID | None
    invoice_number: str | None
    line_no: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much stands how; `late` is a part of the others, conflicts and rejects are the undecided ones."""

    rated: int
    unrated: int
    refused: int
    late: int
    conflicts: int
    rejects: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that did not become usage and waits: a contradicting report, or what cannot be usage."""

    id: UUID
    source: str
    event_id: str
    reason: str
    received_at: dt.datetime


def find(
    session: Session,
    *,
    tenant_id: TenantId,
    wanted: Wanted,
    before: tuple[dt.datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Found]:
    """Return usage that fits, newest first, at most `limit`, going on before (occurred at, usage id)."""
    query = _found(tenant_id).where(*_fits(wanted))
    if before is not None:
        at, usage_id = before
        query = query.where(
            or_(
                UsageEventRow.occurred_at < at,
                and_(UsageEventRow.occurred_at == at, UsageEventRow.id < usage_id),
            )
        )
    rows = session.execute(
        query.order_by(UsageEventRow.occurred_at.desc(), UsageEventRow.id.desc()).limit(limit)
    )
    return [_row(row) for row in rows]


def counts(session: Session, *, tenant_id: TenantId) -> Counts:
    """Return how much usage stands how, and what never became usage; each up to `MOST`, which means more."""

    def up_to(test: ColumnElement[bool]) -> int:
        some = (
            select(RatedChargeRow.id)
            .where(RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.superseded_by.is_(None), test)
            .limit(MOST)
        )
        return session.scalars(select(func.count()).select_from(some.subquery())).one()

    # said twice, because an index that leaves priced usage out is found only by who says that it is left out
    unpriced = RatedChargeRow.outcome != Outcome.RATED.value
    conflicts, rejects = undecided(session, tenant_id=tenant_id)
    return Counts(
        up_to(RatedChargeRow.outcome == Outcome.RATED.value),
        up_to(and_(unpriced, RatedChargeRow.outcome == Outcome.UNRATED.value)),
        up_to(and_(unpriced, RatedChargeRow.outcome == Outcome.REFUSED.value)),
        up_to(_IS_LATE),
        conflicts,
        rejects,
    )


def undecided(session: Session, *, tenant_id: TenantId) -> tuple[int, int]:
    """Return how many contradicting reports and rejected rows nobody has decided about, up to `MOST`."""
    conflicts, rejects = (
        session.scalars(
            select(func.count()).select_from(
                select(table.id).where(table.tenant_id == tenant_id, _undecided(table)).limit(MOST).subquery()
            )
        ).one()
        for table in (UsageConflictRow, UsageRejectRow)
    )
    return conflicts, rejects


def waiting(session: Session, *, tenant_id: TenantId) -> int:
    """Return how much usage has no price."""
    return session.scalars(
        select(func.count()).where(
            RatedChargeRow.tenant_id == tenant_id,
            RatedChargeRow.superseded_by.is_(None),
            RatedChargeRow.outcome == Outcome.UNRATED.value,
        )
    ).one()


def kept(session: Session, *, tenant_id: TenantId, limit: int = 50) -> tuple[list[Kept], list[Kept]]:
    """Return the newest conflicts and rejects about which nobody has decided."""
    conflicts = session.scalars(
        select(UsageConflictRow)
        .where(UsageConflictRow.tenant_id == tenant_id, _undecided(UsageConflictRow))
        .order_by(UsageConflictRow.received_at.desc())
        .limit(limit)
    )
    rejects = session.scalars(
        select(UsageRejectRow)
        .where(UsageRejectRow.tenant_id == tenant_id, _undecided(UsageRejectRow))
        .order_by(UsageRejectRow.received_at.desc())
        .limit(limit)
    )
    return (
        [Kept(one.id, one.source, one.event_id, "conflict", one.received_at) for one in conflicts],
        [Kept(one.id, one.source, one.event_id, one.reason, one.received_at) for one in rejects],
    )


def per_day(
    session: Session, *, tenant_id: TenantId, start: dt.datetime, end: dt.datetime
) -> dict[tuple[dt.date, str], int]:
    """Return how many events began on each local day of the account, by meter."""
    zone = accounts.find(session, tenant_id=tenant_id).zone
    day = func.date(func.timezone(zone, UsageEventRow.occurred_at))
    rows = session.execute(
        select(day, UsageEventRow.meter, func.count())
        .where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.occurred_at >= start,
            UsageEventRow.occurred_at < end,
        )
        .group_by(day, UsageEventRow.meter)
    )
    return {(on, meter): number for on, meter, number in rows}


def meters(session: Session, *, tenant_id: TenantId) -> list[str]:
    """Return the meters on which the company has usage."""
    rows = session.scalars(select(UsageEventRow.meter).where(UsageEventRow.tenant_id == tenant_id).distinct())
    return sorted(rows)


@dataclass(frozen=True, slots=True)
class RatedAgain:
    """What one piece of rating again came to; `after` is where the next begins, None: there is none."""

    rated: int
    waiting: int
    after: tuple[dt.datetime, UUID] | None


def rate_again(
    session: Session, *, tenant_id: TenantId, after: tuple[dt.datetime, UUID] | None = None
) -> RatedAgain:
    """Rate what has no price, or lies above a maximum, with the prices in force now; a thousand events.

    The prices of its own day stay first: what they name keeps them. The charge without a price is
    superseded, never edited. Oldest first; goes on after (occurred at, usage id).
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    now = clock.now()
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    closed = closed_until(session, tenant_id=tenant_id)
    query = (
        select(UsageEventRow, RatedChargeRow.id, RatedChargeRow.rating_seq, RatedChargeRow.outcome)
        .join(RatedChargeRow, _CHARGE)
        .where(
            UsageEventRow.tenant_id == tenant_id,
            or_(
                RatedChargeRow.outcome == Outcome.UNRATED.value,
                RatedChargeRow.reason == "above-maximum",  # a later version may have a higher one
            ),
        )
    )
    if after is not None:
        at, usage_id = after
        query = query.where(
            or_(
                UsageEventRow.occurred_at > at,
                and_(UsageEventRow.occurred_at == at, UsageEventRow.id > usage_id),
            )
        )
    rows = session.execute(query.order_by(UsageEventRow.occurred_at, UsageEventRow.id).limit(AT_ONCE)).all()
    rated = 0
    for event, charge_id, seq, outcome in rows:
        for tariff in (timeline.at(event.occurred_at), timeline.at(now)):
            fresh: dict[str, Any] = charge_values(
                tariff,
                charge_id=new_id(),
                usage_id=event.id,
                meter=event.meter,
                prefix=event.prefix,
                quantity_ms=event.quantity_ms,
                occurred_at=event.occurred_at,
                ended_at=event.ended_at,
                zone=account.zone,
                closed_until=closed,
            )
            if fresh["outcome"] not in {Outcome.UNRATED.value, outcome}:
                session.execute(
                    update(RatedChargeRow)
                    .where(RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.id == charge_id)
                    .values(superseded_by=fresh["id"])
                )
                session.execute(
                    insert(RatedChargeRow).values(
                        tenant_id=tenant_id, rated_at=now, **{**fresh, "rating_seq": seq + 1}
                    )
                )
                rated += 1
                if timeline.shares_calls:
                    tell_payers(session, tenant_id=tenant_id, charge_ids=[fresh["id"]])
                break
    last = rows[-1][0] if len(rows) == AT_ONCE else None
    return RatedAgain(rated, len(rows) - rated, (last.occurred_at, last.id) if last else None)


def history(
    session: Session, *, tenant_id: TenantId, usage_id: UUID
) -> Sequence[tuple[int, str, str, int | None]]:
    """Return every rating of an event, oldest first: number, outcome, reason, amount in nano-units."""
    rows = session.execute(
        select(
            RatedChargeRow.rating_seq,
            RatedChargeRow.outcome,
            RatedChargeRow.reason,
            RatedChargeRow.amount_nano,
        )
        .where(RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.usage_id == usage_id)
        .order_by(RatedChargeRow.rating_seq)
    )
    return [(seq, outcome, reason, amount) for seq, outcome, reason, amount in rows]


def _undecided(table: type[UsageConflictRow | UsageRejectRow]) -> ColumnElement[bool]:
    return ~exists().where(UsageDecisionRow.tenant_id == table.tenant_id, UsageDecisionRow.id == table.id)


_IS_LATE = RatedChargeRow.bill_at > RatedChargeRow.occurred_at
_CHARGE = and_(
    RatedChargeRow.tenant_id == UsageEventRow.tenant_id,
    RatedChargeRow.usage_id == UsageEventRow.id,
    RatedChargeRow.superseded_by.is_(None),
)


def _found(
    tenant_id: TenantId,
) -> Select[UsageEventRow, RatedChargeRow, UUID | None, int | None, str | None]:
    return (
        select(
            UsageEventRow,
            RatedChargeRow,
            LINE_CHARGES.c.invoice_id,
            LINE_CHARGES.c.line_no,
            InvoiceRow.number,
        )
        .join(RatedChargeRow, _CHARGE)
        .outerjoin(
            LINE_CHARGES,
            and_(
                LINE_CHARGES.c.tenant_id == RatedChargeRow.tenant_id,
                LINE_CHARGES.c.rated_charge_id == RatedChargeRow.id,
            ),
        )
        .outerjoin(
            InvoiceRow,
            and_(
                InvoiceRow.tenant_id == LINE_CHARGES.c.tenant_id,
                InvoiceRow.id == LINE_CHARGES.c.invoice_id,
            ),
        )
        .where(UsageEventRow.tenant_id == tenant_id)
    )


def _fits(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.reference is not None:
        conditions.append(
            or_(
                UsageEventRow.id == wanted.reference,
                UsageEventRow.subject_ref == wanted.reference,
                UsageEventRow.number_id == wanted.reference,
                UsageEventRow.agent_ref == wanted.reference,
                UsageEventRow.campaign_ref == wanted.reference,
                RatedChargeRow.id == wanted.reference,
                LINE_CHARGES.c.invoice_id == wanted.reference,
            )
        )
    if wanted.line_no is not None:
        conditions.append(LINE_CHARGES.c.line_no == wanted.line_no)
    if wanted.event_id:
        conditions.append(UsageEventRow.event_id == wanted.event_id)
    if wanted.meter:
        conditions.append(UsageEventRow.meter == wanted.meter)
    if wanted.state == "late":
        conditions.append(_IS_LATE)
    elif wanted.state:
        conditions.append(RatedChargeRow.outcome == wanted.state)
    if wanted.start is not None:
        conditions.append(UsageEventRow.occurred_at >= wanted.start)
    if wanted.end is not None:
        conditions.append(UsageEventRow.occurred_at < wanted.end)
    return conditions


def _row(row: Any) -> Found:  # noqa: ANN401 - a row of `_found`
    event: UsageEventRow = row.UsageEventRow
    charge: RatedChargeRow = row.RatedChargeRow
    return Found(
        usage_id=event.id,
        source=event.source,
        event_id=event.event_id,
        meter=event.meter,
        subject_ref=event.subject_ref,
        occurred_at=event.occurred_at,
        ended_at=event.ended_at,
        quantity_ms=event.quantity_ms,
        prefix=event.prefix,
        received_at=event.received_at,
        charge_id=charge.id,
        outcome=charge.outcome,
        reason=charge.reason,
        is_late=charge.bill_at > charge.occurred_at,
        billed_seconds=charge.billed_seconds,
        units_nano=charge.units_nano,
        amount_nano=charge.amount_nano,
        currency=charge.currency,
        tariff_id=charge.tariff_id,
        invoice_id=row.invoice_id,
        invoice_number=row.number,
        line_no=row.line_no,
    )
