"""Team leaders as pages and programs set them: which agent may do what with a company's calls and people.

The rows are the operator's; the company's evidence log says who gave what to whom.
"""

from collections.abc import Mapping

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from core.ids import TenantId
from seats import roster
from seats.roster import Lead
from security import evidence
from web import renting

ACTS: Mapping[Lead, LazyString] = {
    Lead.LISTEN: _l("listen"),
    Lead.WHISPER: _l("whisper"),
    Lead.BARGE: _l("barge in"),
    Lead.TAKE_OVER: _l("take over"),
    Lead.MOVE: _l("move callers"),
    Lead.FORCE: _l("set a status"),
    Lead.ASSIGN: _l("put agents into queues"),
    Lead.BROADCAST: _l("write to the team"),
}


def of_company(*, tenant_id: TenantId) -> Mapping[int, frozenset[Lead]]:
    """Return what each of the company's agents may do as a leader, by their number."""
    with renting.operators() as floor:
        found = roster.members(floor, client_tenant_id=tenant_id, queue_id=None)
    return {one.agent.number: one.leads for one in found}


def change(session: Session, *, tenant_id: TenantId, leads: Mapping[int, frozenset[Lead]]) -> int:
    """Say what these agents may do as leaders, the others stay as they are; return for how many it is new.

    It is asked for at each act, so what is taken away ends at once; who is in a call stays until it ends.

    Raises:
        NotAssignedError: one of them does not work for the company now; nothing is changed.
    """
    before = of_company(tenant_id=tenant_id)
    with renting.operators(changes=True) as floor:
        changed = roster.let_lead(floor, client_tenant_id=tenant_id, leads=leads)
    for number in sorted(leads):
        if before[number] != leads[number]:
            now = " ".join(sorted(leads[number]))
            evidence.record(session, "team.leader-set", "ten", tenant_id, agent=number, now=now)
    return len(changed)
