"""Figures by queue, by tier or by the half hour: offered, answered, given up, how fast; how many came when.

The service level is the share answered within the queue's own target, of calls offered. Who gave up within
five seconds is not counted at all: nobody could have answered (the short-abandon rule that reports of call
centres usually state beside the figure). A call that still waits counts neither way, nor does one that came
while the queue was closed, that went no further than its number's flow, or into a conference room.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, extract, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.ids import QueueId, TenantId
from telephony.models import CallRow, CdrRow, CustomerTierRow, QueueRow

SHORT_ABANDON_S = 5
INBOUND = "inbound"
# callers who came while it was closed, or never came so far as to wait
NOT_OFFERED = ("outside-hours", "served", "caller-left-flow", "left-message", "no-room", "not-paid")


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue's calls since an instant; `within` of `offered` were answered within the queue's target."""

    offered: int
    answered: int
    abandoned: int
    short: int
    within: int
    talk_ms: int
    answer_ms: int

    @property
    def service_level(self) -> float | None:
        """Share answered in time, 0 to 1; None before there was anything to answer."""
        return self.within / self.offered if self.offered else None

    @property
    def talk_s(self) -> float | None:
        """Mean talk of an answered call."""
        return self.talk_ms / self.answered / 1000 if self.answered else None

    @property
    def answer_s(self) -> float | None:
        """Mean wait of an answered call (ASA)."""
        return self.answer_ms / self.answered / 1000 if self.answered else None


NONE = QueueFigures(0, 0, 0, 0, 0, 0, 0)


def by_queue(session: Session, *, tenant_id: TenantId, since: dt.datetime) -> Mapping[QueueId, QueueFigures]:
    """Return the figures of the calls that arrived from `since` on; queues without calls are left out."""
    found = _figures(CallRow.queue_id, QueueRow.target_s, tenant_id, since)
    return {QueueId(queue_id): one for queue_id, one in _read(session, found)}


def by_interval(
    session: Session,
    *,
    tenant_id: TenantId,
    since: dt.datetime,
    until: dt.datetime,
    step_s: int,
    queue_id: QueueId | None = None,
) -> Mapping[int, QueueFigures]:
    """Return the figures of the calls that arrived in each `step_s` seconds from `since` to `until`.

    By the number of the step; those without calls are left out. Of one queue or of all, each call by its own
    queue's target. They add up to what `by_queue` says of the same time: both count the same rows.
    """
    step = func.floor(extract("epoch", CallRow.arrived_at - since) / step_s)
    found = _figures(step, QueueRow.target_s, tenant_id, since).where(CallRow.arrived_at < until)
    if queue_id is not None:
        found = found.where(CallRow.queue_id == queue_id)
    return {int(number): one for number, one in _read(session, found)}


def whole(parts: Iterable[QueueFigures]) -> QueueFigures:
    """Return figures of several, added up."""
    each = list(parts)
    names = [one.name for one in fields(QueueFigures)]
    return QueueFigures(**{name: sum(getattr(one, name) for one in each) for name in names})


def by_tier(
    session: Session, *, tenant_id: TenantId, since: dt.datetime, targets_s: Mapping[str, int]
) -> Mapping[str, QueueFigures]:
    """Return the same of customers' tiers as they are in now; who is in none is left out.

    `targets_s`: of each tier, instead of the queue's target.
    """
    if not targets_s:
        return {}
    target = case(*((CustomerTierRow.tier == code, seconds) for code, seconds in targets_s.items()), else_=0)
    found = _figures(CustomerTierRow.tier, target, tenant_id, since).join(
        CustomerTierRow,
        and_(
            CustomerTierRow.tenant_id == CallRow.tenant_id,
            CustomerTierRow.customer_id == CallRow.customer_id,
        ),
    )
    return {tier: one for tier, one in _read(session, found) if tier in targets_s}


def _figures(
    key: ColumnElement[Any] | InstrumentedAttribute[Any],
    target_s: ColumnElement[Any] | InstrumentedAttribute[Any],
    tenant_id: TenantId,
    since: dt.datetime,
) -> Select[Any]:
    waited = extract("epoch", CallRow.bridged_at - func.coalesce(CallRow.queued_at, CallRow.arrived_at))
    gone = extract("epoch", CallRow.ended_at - func.coalesce(CallRow.queued_at, CallRow.arrived_at))
    is_answered = CallRow.bridged_at.is_not(None)
    is_given_up = and_(
        CallRow.bridged_at.is_(None),
        CallRow.ended_at.is_not(None),
        func.coalesce(CallRow.cause, "").not_in(NOT_OFFERED),
    )
    is_short = and_(is_given_up, gone <= SHORT_ABANDON_S)

    def counted(test: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((test, 1), else_=0)), 0)

    return (
        select(
            key,
            counted(is_answered),
            counted(is_given_up),
            counted(is_short),
            counted(and_(is_answered, waited <= target_s)),
            func.coalesce(func.sum(CdrRow.talk_ms), 0),
            func.coalesce(func.sum(waited), 0),
        )
        .select_from(CallRow)
        .join(QueueRow, and_(QueueRow.tenant_id == CallRow.tenant_id, QueueRow.id == CallRow.queue_id))
        .outerjoin(CdrRow, and_(CdrRow.tenant_id == CallRow.tenant_id, CdrRow.call_id == CallRow.id))
        .where(
            CallRow.tenant_id == tenant_id,
            CallRow.arrived_at >= since,
            CallRow.direction == INBOUND,
            CallRow.room_id.is_(None),
        )
        .group_by(key)
    )


def _read(session: Session, query: Select[Any]) -> Iterator[tuple[Any, QueueFigures]]:
    for key, answered, abandoned, short, within, talk_ms, waited_s in session.execute(query):
        yield (
            key,
            QueueFigures(
                offered=int(answered + abandoned - short),
                answered=int(answered),
                abandoned=int(abandoned - short),
                short=int(short),
                within=int(within),
                talk_ms=int(talk_ms),
                answer_ms=int(float(waited_s) * 1000),
            ),
        )


def arrivals(
    session: Session, *, tenant_id: TenantId, since: dt.datetime, step_s: int, steps: int
) -> Mapping[QueueId, Sequence[int]]:
    """Return how many calls came to each queue in each step of `step_s` seconds from `since` on."""
    step = func.floor(extract("epoch", CallRow.arrived_at - since) / step_s)
    rows = session.execute(
        select(CallRow.queue_id, step, func.count())
        .where(CallRow.tenant_id == tenant_id, CallRow.arrived_at >= since, CallRow.direction == INBOUND)
        .group_by(CallRow.queue_id, step)
    )
    found: dict[QueueId, list[int]] = {}
    for queue_id, number, calls in rows:
        if 0 <= int(number) < steps:
            found.setdefault(QueueId(queue_id), [0] * steps)[int(number)] = calls
    return found
