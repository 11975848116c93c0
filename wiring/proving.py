"""The papers of a company's numbers that run out, and numbers held elsewhere that came into our own stock.

Both sides are told a month before a paper runs out and when it has: the alarm stands in the company's rows
and the operator gets its copy, as of every alarm. A number held elsewhere that the operator provides by now
is shown by who rents it; the gate refuses it from the renting on, and here the right to it ends for good.
"""

import datetime as dt

from core.ids import OPERATOR, TenantId, public
from security.gate import Gate, Scope
from telephony import caller_numbers, numbers
from telephony.caller_numbers import CallerNumberState
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


def end_provided(gate: Gate, *, tenant_id: TenantId) -> int:
    """End the right to show numbers held elsewhere that are in our own stock by now; return how many."""
    with gate.open(Scope.system(tenant_id)) as session:
        found = caller_numbers.all_of(session, tenant_id=tenant_id)
    shown = {one.asked.digits for one in found if one.state is CallerNumberState.ALLOWED}
    if not shown:
        return 0
    with gate.open(Scope.system(OPERATOR)) as session:
        ours = numbers.stocked(session, digits=shown)
    if not ours:
        return 0
    with gate.open(Scope.system(tenant_id)) as session:
        return caller_numbers.end_provided(session, tenant_id=tenant_id, digits=ours)
