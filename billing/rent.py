"""Rent of companies that pay beforehand: what a month comes to is kept of the wallet until its invoice.

One reservation for each local month (`wallets.keep_rent`): what is charged of its seats and numbers already,
and what those that are rented now come to by its end, with monthly fees. An order that cannot be paid to the
end of the month is refused; what is given back is free at once. A later month is kept for when it begins,
but for what is booked for it already: an afternoon in March is paid for when it is booked. The invoice of the
month frees what was kept for it, and takes what it came to.

Single prices count, as of calls: what is agreed for the whole month (discounts, tiers) is on the invoice.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import accounts, credit, periods, rentals, usage, wallets
from billing.models import RatedChargeRow, UsageEventRow
from billing.periods import Period
from billing.rating.rentals import Span
from billing.rentals import RENTALS
from core.ids import TenantId

_INSTANT = dt.timedelta(microseconds=1)


def keep(session: Session, *, tenant_id: TenantId, spans: Iterable[Span], now: dt.datetime) -> int:
    """Keep what the spans come to, all months or none; return what is lacking, with tax, in nano-units.

    Nothing is kept, and nothing lacking, of a company that pays by invoice.

    Args:
        session: in the company's context.
        tenant_id: who rents.
        spans: all it rents, or has booked; those charged to their end may be left out.
        now: aware.
    """
    if not credit.is_prepaid(session, tenant_id=tenant_id):
        return 0
    every = tuple(spans)
    wanted = {
        month.end: _gross(session, tenant_id, every, month, now)
        for month in _months(session, tenant_id, every, now)
    }
    return wallets.keep_rent(session, tenant_id=tenant_id, months=wanted)


def keep_each(
    session: Session, *, tenant_id: TenantId, spans: Iterable[Span], now: dt.datetime
) -> list[Period]:
    """Keep each month there is money for; return those there is too little for, the first time.

    What was kept for such a month stays; it is tried again each time.
    """
    if not credit.is_prepaid(session, tenant_id=tenant_id):
        return []
    every, short = tuple(spans), []
    for month in _months(session, tenant_id, every, now):
        gross = _gross(session, tenant_id, every, month, now)
        if not wallets.keep_rent(session, tenant_id=tenant_id, months={month.end: gross}):
            continue
        if month.end not in wallets.rents(session, tenant_id=tenant_id):
            wallets.keep_rent(session, tenant_id=tenant_id, months={month.end: 0})
            short.append(month)
    return short


def _months(session: Session, tenant_id: TenantId, spans: Sequence[Span], now: dt.datetime) -> list[Period]:
    """Return the months something is kept for: this one, those booked into, and those not invoiced yet."""
    zone = accounts.find(session, tenant_id=tenant_id).zone
    present = periods.month_of(now, zone=zone)
    found = {present.end: present}
    for span in spans:
        at = max(span.starts_at, now)
        while span.ends_at is not None and at < span.ends_at:
            month = periods.month_of(at, zone=zone)
            found[month.end], at = month, month.end
    for end in wallets.rents(session, tenant_id=tenant_id):
        found.setdefault(end, periods.month_of(end - _INSTANT, zone=zone))
    closed = usage.closed_until(session, tenant_id=tenant_id)
    return [month for end, month in sorted(found.items()) if closed is None or end > closed]


def _gross(
    session: Session, tenant_id: TenantId, spans: Sequence[Span], month: Period, now: dt.datetime
) -> int:
    """Return what a month's rent comes to, with tax: what is charged of it, and what is still to be."""
    charged = session.execute(
        select(func.coalesce(func.sum(RatedChargeRow.amount_nano), 0))
        .join(
            UsageEventRow,
            (UsageEventRow.tenant_id == RatedChargeRow.tenant_id)
            & (UsageEventRow.id == RatedChargeRow.usage_id),
        )
        .where(
            RatedChargeRow.tenant_id == tenant_id,
            RatedChargeRow.superseded_by.is_(None),
            UsageEventRow.source == RENTALS,
            UsageEventRow.occurred_at >= month.start,
            UsageEventRow.occurred_at < month.end,
        )
    ).scalar_one()
    # of a month that has not begun only what is booked with an end
    known = [span for span in spans if month.start <= now or span.ends_at is not None]
    to_come = sum(
        one.until(month.end).amount_nano or 0
        for one in rentals.accruing(session, tenant_id=tenant_id, spans=known, now=month.end)
        if month.start <= one.start < month.end
    )
    return wallets.with_tax(session, tenant_id=tenant_id, net_nano=int(charged or 0) + to_come)
