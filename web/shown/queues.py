"""Queues as pages and programs change them: a queue, who serves it, and what stands in the way of closing it.

Queues are the company's rows, who serves them the operator's: the company's row is locked and written first,
then the operator's transaction commits, then the request's own. Should the last fail, agents serve a queue
they were chosen for, and nothing else has changed.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from campaigns import plans
from core.ids import QueueId, TenantId
from seats import roster
from seats.roster import Member
from telephony import numbers, orders, queues
from telephony.errors import QueueInUseError
from telephony.numbers import Number
from telephony.orders import OrderKind
from telephony.queues import Queue, Settings
from web import renting


def members(*, tenant_id: TenantId, queue_id: QueueId | None) -> list[Member]:
    """Return the agents who work for the company, and who of them serves a queue."""
    with renting.operators() as floor:
        return roster.members(floor, client_tenant_id=tenant_id, queue_id=queue_id)


def make(session: Session, *, tenant_id: TenantId, settings: Settings, levels: Mapping[int, int]) -> Queue:
    """Make a queue with those who serve it.

    Raises:
        QueueSettingError, QueueNameTakenError, NotAssignedError, AgentDetailsError: nothing is made.
    """
    made = queues.make(session, tenant_id=tenant_id, settings=settings)
    _let_serve(tenant_id, made.queue_id, levels)
    return made


def change(
    session: Session,
    *,
    tenant_id: TenantId,
    queue_id: QueueId,
    revision: int,
    settings: Settings,
    levels: Mapping[int, int] | None,
) -> Queue:
    """Write a queue's settings and who serves it, agents' numbers to levels; None: as it is.

    Raises:
        QueueNotFoundError, QueueChangedError, QueueSettingError, QueueNameTakenError, NotAssignedError,
        AgentDetailsError: nothing is changed.
    """
    saved = queues.change(
        session, tenant_id=tenant_id, queue_id=queue_id, revision=revision, settings=settings
    )
    _let_serve(tenant_id, queue_id, levels)
    return saved


def close(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Close a queue.

    Raises:
        QueueNotFoundError: not the company's.
        QueueInUseError: callers are in it, or numbers or campaigns lead to it.
    """
    led = plans.led_to(session, tenant_id=tenant_id, queue_id=queue_id)
    if led:
        raise QueueInUseError(calls=0, numbers=[], campaigns=led)
    closed = queues.close(session, tenant_id=tenant_id, queue_id=queue_id)
    renting.tell_switchboard()
    return closed


def reopen(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Open a closed queue again.

    Raises:
        QueueNotFoundError: not the company's.
    """
    again = queues.reopen(session, tenant_id=tenant_id, queue_id=queue_id)
    renting.tell_switchboard()
    return again


def led_here(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Sequence[Number]:
    """Return the numbers whose callers reach a queue."""
    return [one for one in numbers.all_of(session, tenant_id=tenant_id) if one.queue_id == queue_id]


def _let_serve(tenant_id: TenantId, queue_id: QueueId, levels: Mapping[int, int] | None) -> None:
    with renting.operators(changes=True) as floor:
        if levels is None:
            return
        changed = roster.let_serve(floor, client_tenant_id=tenant_id, queue_id=queue_id, levels=levels)
        for agent_id in changed:
            orders.leave(floor, OrderKind.SERVES, agent_id=agent_id)
