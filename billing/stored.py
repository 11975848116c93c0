"""Storage of recordings: gigabytes that were kept for a day, charged day by day as the days end.

What is kept is measured once a day, after midnight where the company lives, and charged for the day that
ended (a gigabyte is 10^9 bytes, kept to thousandths of a gigabyte-day). A price list that has no price for it
charges nothing. A day on which nobody measured is not charged: what lay there then cannot be known.
"""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import accounts, periods, tariffs, usage
from billing.models import UsageEventRow
from billing.rating.rules import half_up
from billing.usage import Usage
from core.ids import TenantId, UsageId, new_id

SOURCE, METER = "storage", "recording.gb_day"
_BYTES_OF_MILLI = 10**6
_DAY = dt.timedelta(days=1)


def charge(session: Session, *, tenant_id: TenantId, kept_bytes: int, now: dt.datetime) -> bool:
    """Charge the day that ended last for what is kept, once; return whether it was charged now.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        kept_bytes: sealed recordings, as they lie there now.
        now: aware instant.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    day = periods.day_of(now, zone=account.zone) - _DAY
    start, end = (periods.day_start(one, zone=account.zone) for one in (day, day + _DAY))
    in_force = tariffs.in_force(session, tenant_id=tenant_id, at=start)
    quantity = half_up(kept_bytes, _BYTES_OF_MILLI)
    is_priced = in_force is not None and in_force.tariff.rental_price(METER) is not None
    if not is_priced or not quantity or start < account.rentals_from:
        return False
    event_id = f"recordings/{day.isoformat()}"
    there = session.scalars(
        select(UsageEventRow.id).where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.source == SOURCE,
            UsageEventRow.event_id == event_id,
        )
    ).first()
    if there is not None:
        return False
    usage_id = UsageId(new_id())
    usage.record(
        session,
        tenant_id=tenant_id,
        usage=Usage(
            source=SOURCE,
            event_id=event_id,
            meter=METER,
            subject_ref=usage_id,
            usage_id=usage_id,
            occurred_at=start,
            ended_at=end,
            quantity_ms=quantity,
            prefix="",
        ),
    )
    return True
