"""ACD queues: where callers wait, how long an agent's phone rings, how long wrap-up may take."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.ids import QueueId, TenantId, new_id
from telephony.errors import QueueNotFoundError
from telephony.models import QueueRow


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of a tenant; times in seconds, `target_s` is the answer time of its service level."""

    tenant_id: TenantId
    queue_id: QueueId
    name: str
    ring_timeout_s: int
    wrap_up_s: int
    target_s: int
    is_recorded: bool


def open_queue(
    session: Session,
    *,
    tenant_id: TenantId,
    name: str,
    ring_timeout_s: int = 20,
    wrap_up_s: int = 60,
    target_s: int = 20,
    is_recorded: bool = True,
) -> Queue:
    """Make a queue; agents join it through `seats.roster`."""
    row = QueueRow(
        tenant_id=tenant_id,
        id=new_id(),
        name=name,
        ring_timeout_s=ring_timeout_s,
        wrap_up_s=wrap_up_s,
        target_s=target_s,
        is_recorded=is_recorded,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return _queue(row)


def get(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Return one queue.

    Raises:
        QueueNotFoundError: not there, or not this tenant's.
    """
    row = session.get(QueueRow, (tenant_id, queue_id))
    if row is None:
        raise QueueNotFoundError
    return _queue(row)


def all_of(session: Session, *, tenant_id: TenantId) -> list[Queue]:
    """Return the tenant's queues by name."""
    rows = session.scalars(select(QueueRow).where(QueueRow.tenant_id == tenant_id).order_by(QueueRow.name))
    return [_queue(row) for row in rows]


def _queue(row: QueueRow) -> Queue:
    return Queue(
        tenant_id=TenantId(row.tenant_id),
        queue_id=QueueId(row.id),
        name=row.name,
        ring_timeout_s=row.ring_timeout_s,
        wrap_up_s=row.wrap_up_s,
        target_s=row.target_s,
        is_recorded=row.is_recorded,
    )
