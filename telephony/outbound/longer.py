"""A call of a company that pays beforehand goes on for as long as there is money: minutes at a time.

Its clearance bounds it to what was kept for it. Before that is over the switchboard asks here for more; a
top-up lengthens a call that goes on in this way, and one for which there is no more ends when what it has
paid for is over, not before.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import credit
from core import clock
from core.ids import TenantId
from telephony.models import DialDecisionRow, OutboundDialRow
from telephony.outbound import limits, spend
from telephony.outbound.gate import METER, lock_key

_FORGOTTEN = dt.timedelta(hours=12)
_MINUTE = dt.timedelta(minutes=1)


def lengthen(session: Session, *, tenant_id: TenantId, attempt_id: UUID) -> dt.timedelta | None:
    """Keep some more minutes for a call out; return for how long it may last in all now.

    None: it is none that is paid beforehand, or it is over. What was granted before stands whatever is left.
    """
    if credit.left(session, tenant_id=tenant_id) is None:
        return None
    at = clock.now()
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(tenant_id)})
    row = session.get(OutboundDialRow, (tenant_id, attempt_id), with_for_update=True, populate_existing=True)
    if row is None or row.outcome is not None:
        return None
    decided = session.scalars(
        select(DialDecisionRow).where(
            DialDecisionRow.tenant_id == tenant_id,
            DialDecisionRow.attempt_id == attempt_id,
            DialDecisionRow.is_cleared,
        )
    ).one()
    bounds = limits.of(session, tenant_id=tenant_id, at=at)
    today = spend.today(session, tenant_id=tenant_id, at=at)
    a_day = spend.smaller(bounds.most, bounds.rules, currency=today.currency)
    left = a_day - today.spent_nano - today.reserved_nano
    so_far = dt.timedelta(seconds=row.longest_s)
    for more in (spend.AT_A_TIME, _MINUTE):
        longest = min(so_far + more, bounds.most.longest_out)
        nano = credit.price(
            session,
            tenant_id=tenant_id,
            meter=METER,
            prefix=decided.prefix,
            duration_s=int((longest + spend.GRACE).total_seconds()),
            at=decided.decided_at,
        )
        if longest <= so_far or nano is None or nano - row.reserved_nano > left:
            continue
        until = decided.decided_at + bounds.most.longest_out + _FORGOTTEN
        if credit.keep(session, tenant_id=tenant_id, use_id=attempt_id, net_nano=nano, until=until):
            row.longest_s, row.reserved_nano = int(longest.total_seconds()), nano
            session.flush()
            return longest
    return so_far
