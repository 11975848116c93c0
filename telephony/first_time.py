"""Whether callers came to the right person the first time: who was given on, and who had to call again.

Of an answered call both are counted for the queue whose agent had it first. Given on: an agent gave it to
somebody else, or left it to whom they had asked; asking alone is no fault. Called again: the same number came
in again within `AGAIN_WITHIN` of the end, at whatever queue; who withholds it is not recognised. What ended
lately is counted as far as it has come. Without either a call counts as resolved at first contact, for want
of asking the caller.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, and_, cast, func, select
from sqlalchemy.orm import Session, aliased

from core.ids import QueueId, TenantId
from telephony.calls import GIVEN_AWAY
from telephony.figures import INBOUND
from telephony.models import CallLegRow, CallRow, QueueRow

AGAIN_WITHIN = dt.timedelta(days=3)


@dataclass(frozen=True, slots=True)
class FirstTime:
    """One queue's answered calls: how many were given on, how many called again, how many neither."""

    queue_id: QueueId
    queue_name: str
    answered: int
    given_on: int
    again: int
    settled: int

    @property
    def share(self) -> float:
        """Share of the answered calls that were neither given on nor followed by another, 0 to 1."""
        return self.settled / self.answered if self.answered else 1.0


def by_queue(
    session: Session, *, tenant_id: TenantId, since: dt.datetime, until: dt.datetime
) -> Sequence[FirstTime]:
    """Return it of the calls that came in from `since` until `until`, by the queue's name."""
    later, first, leg = aliased(CallRow), aliased(CallLegRow), aliased(CallLegRow)
    # the part of the agent who had it first; a call that one agent had alone leaves no parts
    queue_of_first = (
        select(first.queue_id)
        .where(first.tenant_id == tenant_id, first.call_id == CallRow.id, first.agent_id.is_not(None))
        .order_by(first.joined_at, first.id)
        .limit(1)
        .scalar_subquery()
    )
    is_given_on = (
        select(leg.id)
        .where(
            leg.tenant_id == tenant_id,
            leg.call_id == CallRow.id,
            leg.agent_id.is_not(None),
            leg.how.in_([one.value for one in GIVEN_AWAY]),
        )
        .exists()
    )
    comes_again = (
        select(later.id)
        .where(
            later.tenant_id == tenant_id,
            later.caller_index == CallRow.caller_index,
            later.direction == INBOUND,
            later.arrived_at > CallRow.ended_at,
            later.arrived_at <= CallRow.ended_at + AGAIN_WITHIN,
        )
        .exists()
    )
    each = (
        select(
            func.coalesce(queue_of_first, CallRow.queue_id).label("queue_id"),
            cast(is_given_on, Integer).label("given_on"),
            cast(comes_again, Integer).label("again"),
        )
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.arrived_at >= since,
            CallRow.arrived_at < until,
            CallRow.direction == INBOUND,
            CallRow.bridged_at.is_not(None),
            CallRow.ended_at.is_not(None),
            CallRow.agent_id.is_not(None),
            CallRow.room_id.is_(None),
        )
        .subquery()
    )
    rows = session.execute(
        select(
            each.c.queue_id,
            QueueRow.name,
            func.count(),
            func.sum(each.c.given_on),
            func.sum(each.c.again),
            func.sum((1 - each.c.given_on) * (1 - each.c.again)),
        )
        .join(QueueRow, and_(QueueRow.tenant_id == tenant_id, QueueRow.id == each.c.queue_id))
        .group_by(each.c.queue_id, QueueRow.name)
        .order_by(QueueRow.name, each.c.queue_id)
    )
    return [
        FirstTime(QueueId(queue_id), name, int(calls), int(given_on), int(again), int(settled))
        for queue_id, name, calls, given_on, again, settled in rows
    ]
