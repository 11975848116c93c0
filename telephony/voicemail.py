"""Messages callers have left: who has heard them, who has taken them on, and whether they are done.

A message is a call that ended with one; its sound is the call's recording, heard by the same right and for
the same reasons. Nobody's until an agent calls back or says that it is done; then it is theirs.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, QueueId, TenantId
from security.vault import Vault
from telephony import calls, hearings
from telephony.calls import LEFT_MESSAGE, Call
from telephony.errors import MessageTakenError
from telephony.models import CallEventRow, CallRow, MessageLeftRow, RecordingRow

SHOWN_FOR = dt.timedelta(days=30)
MOST = 100
_LEAVES = "message-began"  # the timeline's word


class MessageState(StrEnum):
    """How far a message has come."""

    NEW = "new"
    HEARD = "heard"  # somebody has opened it
    TAKEN = "taken"  # an agent calls back, or has called
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Message:
    """A message, the call in which it was left, and the number of the agent who took it on."""

    call: Call
    state: MessageState
    taken_by: int | None


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    queue_ids: Collection[QueueId] | None = None,
    open_to: int | None = None,
    limit: int = MOST,
) -> list[Message]:
    """Return the messages of the last thirty days: the newest first, of those open to an agent the oldest.

    Args:
        session: inside the company's walls.
        tenant_id: the company.
        vault: opens callers' numbers.
        queue_ids: left for one of these queues only.
        open_to: only those that are not done, and nobody's or this agent's.
        limit: how many at most.
    """
    is_heard = sa.exists().where(
        CallEventRow.tenant_id == CallRow.tenant_id,
        CallEventRow.call_id == CallRow.id,
        CallEventRow.kind == hearings.OPENED,
    )
    has_sound = sa.exists().where(
        RecordingRow.tenant_id == CallRow.tenant_id, RecordingRow.call_id == CallRow.id
    )
    query = (
        sa.select(CallRow.id, MessageLeftRow.taken_by, MessageLeftRow.done_at, is_heard)
        .outerjoin(
            MessageLeftRow,
            sa.and_(MessageLeftRow.tenant_id == CallRow.tenant_id, MessageLeftRow.call_id == CallRow.id),
        )
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.cause == LEFT_MESSAGE,
            CallRow.arrived_at > clock.now() - SHOWN_FOR,
            has_sound,
        )
        .limit(limit)
    )
    if queue_ids is not None:
        query = query.where(CallRow.queue_id.in_(list(queue_ids)))
    if open_to is not None:
        is_theirs = sa.or_(MessageLeftRow.taken_by.is_(None), MessageLeftRow.taken_by == open_to)
        query = query.where(MessageLeftRow.done_at.is_(None), is_theirs)
        query = query.order_by(CallRow.arrived_at, CallRow.id)  # who has waited longest is called first
    else:
        query = query.order_by(CallRow.arrived_at.desc(), CallRow.id.desc())
    rows = {CallId(row.id): row for row in session.execute(query)}
    found = calls.these(session, tenant_id=tenant_id, call_ids=list(rows), vault=vault)
    return [Message(call, _state(*rows[call.call_id][1:]), rows[call.call_id].taken_by) for call in found]


def take(
    session: Session, *, tenant_id: TenantId, call_id: CallId, agent_number: int, is_done: bool = False
) -> None:
    """Make a message this agent's, and done where they say so.

    Raises:
        MessageTakenError: another agent has taken it on.
    """
    now = clock.now()
    put = insert(MessageLeftRow).values(
        tenant_id=tenant_id,
        call_id=call_id,
        taken_by=agent_number,
        taken_at=now,
        done_at=now if is_done else None,
    )
    taken = session.execute(
        put.on_conflict_do_update(
            index_elements=[MessageLeftRow.tenant_id, MessageLeftRow.call_id],
            set_={"done_at": sa.func.coalesce(MessageLeftRow.done_at, put.excluded.done_at)},
            where=MessageLeftRow.taken_by == agent_number,
        ).returning(MessageLeftRow.call_id)
    ).first()
    if taken is None:
        raise MessageTakenError


def insist_open(session: Session, *, tenant_id: TenantId, call_id: CallId, agent_number: int) -> None:
    """Insist that a message is nobody's yet, or this agent's.

    Raises:
        MessageTakenError: another agent has taken it on.
    """
    row = session.get(MessageLeftRow, (tenant_id, call_id))
    if row is not None and row.taken_by != agent_number:
        raise MessageTakenError


def left_for(session: Session, *, tenant_id: TenantId, call_id: CallId) -> QueueId | None:
    """Return for which queue a message was left in a call; None: none was."""
    queue_id = session.scalar(
        sa.select(CallRow.queue_id).where(
            CallRow.tenant_id == tenant_id,
            CallRow.id == call_id,
            sa.exists().where(
                CallEventRow.tenant_id == tenant_id,
                CallEventRow.call_id == call_id,
                CallEventRow.kind == _LEAVES,
            ),
        )
    )
    return QueueId(queue_id) if queue_id else None


def _state(taken_by: int | None, done_at: dt.datetime | None, is_heard: bool) -> MessageState:  # noqa: FBT001 - a row
    if taken_by is not None:
        return MessageState.DONE if done_at else MessageState.TAKEN
    return MessageState.HEARD if is_heard else MessageState.NEW
