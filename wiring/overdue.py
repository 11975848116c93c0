"""Telling companies that work orders have fallen due and are not done, by the tiers of their customers."""

from collections import Counter

from core.ids import TenantId
from customers import tickets
from security.gate import Gate, Scope
from telephony.routing import settings as routing
from tenants import alarms

ALARM = "work-orders-overdue"


def by_tier(gate: Gate, *, tenant_id: TenantId) -> bool:
    """Raise the alarm if something has fallen due since it was raised last; return whether it was.

    What is overdue and was told of already rings no second time, acknowledged or not.
    """
    with gate.open(Scope.system(tenant_id)) as session:
        late = tickets.overdue(session, tenant_id=tenant_id)
        last = alarms.last_raised(session, tenant_id=tenant_id, kind=ALARM)
        if not late or (last is not None and max(due_at for _, due_at in late) <= last):
            return False
        tiers = routing.tiers_of(session, tenant_id=tenant_id, customer_ids={who for who, _ in late})
        counted = Counter(tiers.get(who, "") for who, _ in late)
        named = ", ".join(f"{tier or '-'} {number}" for tier, number in sorted(counted.items()))
        alarms.raise_alarm(session, ALARM, tenant_id=tenant_id, overdue=len(late), tiers=named)
    return True
