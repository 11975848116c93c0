"""What callers rated whose agent had hung up, by queue and by agent; what flows ask is `flows.figures`."""

import collections
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.ids import QueueId, TenantId
from telephony.flows.figures import mean_of
from telephony.models import CallRow, QueueRow

FEW: Final = 10
"""So few ratings say little of an agent: one angry caller moves the mean by half a point."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """What a queue's callers rated on a scale from 1 to `most`; `counts` names every rating, the worst first.

    A queue that has changed its scale has one for each.
    """

    queue_id: QueueId
    queue_name: str
    most: int
    asked: int
    counts: Mapping[int, int]

    @property
    def given(self) -> int:
        """How many of those asked have given a rating."""
        return sum(self.counts.values())

    @property
    def mean(self) -> Decimal | None:
        """Return the mean of the ratings to a tenth, half up; None: nobody has given one."""
        return mean_of(self.counts)


@dataclass(frozen=True, slots=True)
class AgentRatings:
    """What the callers of one agent rated on a scale from 1 to `most`, in all queues that have that scale."""

    agent_number: int
    most: int
    asked: int
    counts: Mapping[int, int]

    @property
    def given(self) -> int:
        """How many of those asked have given a rating."""
        return sum(self.counts.values())

    @property
    def mean(self) -> Decimal | None:
        """Return the mean of the ratings to a tenth, half up; None: nobody has given one."""
        return mean_of(self.counts)

    @property
    def are_few(self) -> bool:
        """Whether one more rating could change the picture: fewer than `FEW` were given."""
        return self.given < FEW


def by_agent(session: Session, *, tenant_id: TenantId, since: dt.datetime) -> list[AgentRatings]:
    """Return what was rated of the calls that came from `since` on, by the agent's number and the scale.

    Of a call that more than one agent had, it is the rating of the last one's.
    """
    rows = session.execute(
        select(CallRow.agent_number, CallRow.survey_most, CallRow.survey_rating, func.count())
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.arrived_at >= since,
            CallRow.survey_most.is_not(None),
            CallRow.agent_number.is_not(None),
        )
        .group_by(CallRow.agent_number, CallRow.survey_most, CallRow.survey_rating)
    )
    found: dict[tuple[int, int], collections.Counter[int]] = {}
    for number, most, rating, calls in rows:
        counted = found.setdefault((int(number or 0), int(most or 0)), collections.Counter())
        counted[rating or 0] += calls  # 0: asked, and not answered
    return [
        AgentRatings(number, most, counted.total(), {n: counted[n] for n in range(1, most + 1)})
        for (number, most), counted in sorted(found.items())
    ]


def by_queue(session: Session, *, tenant_id: TenantId, since: dt.datetime) -> list[Ratings]:
    """Return what was rated of the calls that came from `since` on, by the queue's name and its scale."""
    rows = session.execute(
        select(CallRow.queue_id, QueueRow.name, CallRow.survey_most, CallRow.survey_rating, func.count())
        .join(QueueRow, and_(QueueRow.tenant_id == CallRow.tenant_id, QueueRow.id == CallRow.queue_id))
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.arrived_at >= since,
            CallRow.survey_most.is_not(None),
        )
        .group_by(CallRow.queue_id, QueueRow.name, CallRow.survey_most, CallRow.survey_rating)
    )
    found: dict[tuple[str, int, QueueId], collections.Counter[int]] = {}
    for queue_id, name, most, rating, calls in rows:
        counted = found.setdefault((name, int(most or 0), QueueId(queue_id)), collections.Counter())
        counted[rating or 0] += calls  # 0: asked, and not answered
    return [
        Ratings(queue_id, name, most, counted.total(), {n: counted[n] for n in range(1, most + 1)})
        for (name, most, queue_id), counted in sorted(found.items())
    ]
