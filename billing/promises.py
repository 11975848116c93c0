"""How well a company was served in a month: what was offered to each queue, and answered in time.

The operator gives the counts, queue by queue; what they come to is worked out on the bill
(`billing.agreed`) from the promises of the price list, and stands in the invoice's proof. What a finalised
invoice was worked out from never changes.
"""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import accounts, periods, tariffs
from billing.agreed import Count
from billing.errors import PeriodClosedError, ServiceCountError, ServiceNotPromisedError
from billing.models import InvoiceRow, ServiceCountRow
from billing.periods import Period
from billing.rating.terms import ServiceLevel
from core import clock
from core.ids import TenantId
from security import evidence

_LONGEST = 60
_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised for a month, and what it is called on invoices, by language."""

    level: ServiceLevel
    names: Mapping[str, str]


def promised(session: Session, *, tenant_id: TenantId, month: Period) -> tuple[Promise, ...]:
    """Return what the company's prices promise in a month."""
    found = tariffs.timeline(session, tenant_id=tenant_id).of_month(month)
    if found is None:
        return ()
    names = found.tariff.destinations
    return tuple(Promise(one, names.get(one.code, {})) for one in found.tariff.terms.service)


def give(
    session: Session,
    *,
    tenant_id: TenantId,
    month_on: dt.date,
    count: Count,
    by: UUID,
) -> None:
    """Say, or say anew, what was counted of a promise in one queue and month.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        month_on: the month's first day.
        count: of one queue; its name is as the company calls it.
        by: who of the operator's staff says so.

    Raises:
        ServiceCountError: more in time than offered, no queue, or no such number.
        ServiceNotPromisedError: nothing of this name is promised.
        PeriodClosedError: the month's invoice is final.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    if not 0 <= count.in_time <= count.offered <= _MOST or not 0 < len(count.queue.strip()) <= _LONGEST:
        raise ServiceCountError
    month = periods.month(month_on.year, month_on.month, zone=account.zone)
    if count.code not in {one.level.code for one in promised(session, tenant_id=tenant_id, month=month)}:
        raise ServiceNotPromisedError
    _insist_open(session, tenant_id, month)
    put = insert(ServiceCountRow).values(
        tenant_id=tenant_id,
        month_on=month_on.replace(day=1),
        code=count.code,
        queue=count.queue.strip(),
        offered=count.offered,
        in_time=count.in_time,
        given_at=clock.now(),
        given_by=by,
    )
    keys = ["tenant_id", "month_on", "code", "queue"]
    said = {name: put.excluded[name] for name in ("offered", "in_time", "given_at", "given_by")}
    session.execute(put.on_conflict_do_update(index_elements=keys, set_=said))
    evidence.record(
        session,
        "service.counted",
        "ten",
        tenant_id,
        month=f"{month_on:%Y-%m}",
        offered=str(count.offered),
        in_time=str(count.in_time),
    )


def take_back(session: Session, *, tenant_id: TenantId, month_on: dt.date, code: str, queue: str) -> None:
    """Forget what was said of one queue and month.

    Raises:
        PeriodClosedError: the month's invoice is final.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    _insist_open(session, tenant_id, periods.month(month_on.year, month_on.month, zone=account.zone))
    session.execute(
        delete(ServiceCountRow).where(
            ServiceCountRow.tenant_id == tenant_id,
            ServiceCountRow.month_on == month_on.replace(day=1),
            ServiceCountRow.code == code,
            ServiceCountRow.queue == queue,
        )
    )


def of_month(session: Session, *, tenant_id: TenantId, month_on: dt.date) -> tuple[Count, ...]:
    """Return what was counted in a month, by promise and queue."""
    rows = session.scalars(
        select(ServiceCountRow)
        .where(ServiceCountRow.tenant_id == tenant_id, ServiceCountRow.month_on == month_on.replace(day=1))
        .order_by(ServiceCountRow.code, ServiceCountRow.queue)
    )
    return tuple(Count(row.code, row.queue, row.offered, row.in_time) for row in rows)


def of_period(session: Session, *, tenant_id: TenantId, period: Period, zone: str) -> tuple[Count, ...]:
    """Return what was counted in the last month of a period, whose terms hold for it."""
    last = (period.end - dt.timedelta(microseconds=1)).astimezone(zoneinfo.ZoneInfo(zone)).date()
    return of_month(session, tenant_id=tenant_id, month_on=last)


def _insist_open(session: Session, tenant_id: TenantId, month: Period) -> None:
    final = session.scalars(
        select(InvoiceRow.number).where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.state == "finalised",
            InvoiceRow.period_end >= month.end,
        )
    ).first()
    if final is not None:
        raise PeriodClosedError(number=final)
