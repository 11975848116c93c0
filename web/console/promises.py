"""Calls promised back, as one agent has them: their own, and what has fallen to their queue.

A promise is its agent's. When it is due and they are not on a shift, or do not serve the company any more,
it falls to the agents of its queue: whoever dials it, or says that it is done, has it from then on. It is
dialled through the one gate, like any call.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, TenantId
from customers import callbacks
from customers.callbacks import Callback
from seats import desk as seating
from seats.desk import ServingAgent
from telephony import calls
from telephony.calls import Call
from telephony.errors import WorkItemNotFoundError
from web import scope


@dataclass(frozen=True, slots=True)
class Promise:
    """A call to be made: what was promised, the call in which it was, and whether by this agent."""

    callback: Callback
    call: Call
    is_own: bool


def of(session: Session, walls: Session, one: ServingAgent, tenant_id: TenantId) -> list[Promise]:
    """Return what an agent has to call back for a company, soonest first.

    Args:
        session: the operator's.
        walls: inside the company's walls.
        one: the agent, who serves it.
        tenant_id: the company.
    """
    own = callbacks.open_of_agent(walls, tenant_id=tenant_id, agent_id=one.agent.id)
    due = callbacks.open_due(walls, tenant_id=tenant_id, at=clock.now(), besides=one.agent.id)
    there = {
        each.agent.id
        for each in (seating.serving(session) if due else [])
        if each.presence is not None and tenant_id in each.clients
    }
    fallen = [each for each in due if each.agent_id not in there]
    about = [CallId(each.subject_ref) for each in (*own, *fallen)]
    vault = scope.services().vault
    found = {
        call.call_id: call for call in calls.these(walls, tenant_id=tenant_id, call_ids=about, vault=vault)
    }
    served = {skill.queue_id for skill in one.skills if skill.client_tenant_id == tenant_id}
    promised = [
        Promise(each, found[CallId(each.subject_ref)], each.agent_id == one.agent.id)
        for each in (*own, *fallen)
        if CallId(each.subject_ref) in found
    ]
    mine = [each for each in promised if each.is_own or each.call.queue_id in served]
    return sorted(mine, key=lambda each: each.callback.due_at)


def take(
    session: Session, walls: Session, one: ServingAgent, tenant_id: TenantId, callback_id: UUID
) -> Promise:
    """Return one of those promises, which is this agent's from now on.

    Raises:
        WorkItemNotFoundError: another agent's who is there, another queue's, kept already, or none.
    """
    found = next(
        (each for each in of(session, walls, one, tenant_id) if each.callback.callback_id == callback_id),
        None,
    )
    if found is None:
        raise WorkItemNotFoundError
    if not found.is_own:
        callbacks.take(walls, tenant_id=tenant_id, callback_id=callback_id, agent_id=one.agent.id)
    return found
