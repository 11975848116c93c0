"""Telling both sides that the papers of a company's numbers run out, a month before and when they have.

The alarm stands in the company's rows and the operator gets its copy, as of every alarm.
"""

import datetime as dt

from core.ids import TenantId, public
from security.gate import Gate, Scope
from telephony import numbers
from telephony.rights import Standing
from tenants import alarms

ALARMS = {Standing.ENDS_SOON: "number-papers-ending", Standing.ENDED: "number-papers-ended"}


def tell(gate: Gate, *, tenant_id: TenantId, at: dt.datetime) -> int:
    """Raise an alarm for each number whose papers come to an end, once for each; return how many."""
    with gate.open(Scope.system(tenant_id)) as session:
        found = numbers.ending(session, tenant_id=tenant_id, at=at)
        for one, standing in found:
            ends_at = one.right.ends_at if one.right else None
            alarms.raise_alarm(
                session,
                ALARMS[standing],
                tenant_id=tenant_id,
                subject=public("num", one.number_id),
                until=ends_at.astimezone(dt.UTC).isoformat() if ends_at else "",
            )
    return len(found)
