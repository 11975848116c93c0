"""Messages to a company's agents, as leaders, pages and programs write them.

For whom one is stands in the operator's rows (who serves the company, or one of its queues), the message in
the company's own; consoles are told once it is committed.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from core.ids import OPERATOR, QueueId, TenantId, public
from customers.cards import holds_card_number
from customers.errors import CardNumberError
from seats import messages, roster
from security import evidence
from telephony import queues
from web import renting, scope


def send(
    session: Session,
    *,
    tenant_id: TenantId,
    text: str,
    queue_id: QueueId | None = None,
    from_agent: int | None = None,
) -> UUID:
    """Write to everybody who works for a company, or to those who serve one of its queues.

    Whoever writes is told nothing of their own.

    Raises:
        QueueNotFoundError: not the company's.
        MessageTextError: no text, a long one, or nobody to read it.
        CardNumberError: the text holds a card's number, which is kept nowhere.
    """
    if holds_card_number(text):
        raise CardNumberError
    if queue_id:
        queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
    with renting.operators() as floor:
        found = roster.members(floor, client_tenant_id=tenant_id, queue_id=queue_id)
    to = {
        one.agent.number: one.agent.id
        for one in found
        if (queue_id is None or one.level is not None) and one.agent.number != from_agent
    }
    services = scope.services()
    made = messages.write(
        session,
        tenant_id=tenant_id,
        vault=services.vault,
        text=text,
        queue_id=queue_id,
        to=to,
        from_agent=from_agent,
    )
    evidence.record(
        session,
        "team.message-sent",
        "ten",
        tenant_id,
        readers=len(to),
        queue=public("que", queue_id) if queue_id else "",
        leader=from_agent or 0,
    )
    told = {f"agent:{agent_id}": {"type": "message"} for agent_id in to.values()}
    scope.after_commit(lambda: services.realtime.publish_all(OPERATOR, told))
    return made
