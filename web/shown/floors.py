"""The floor as it is now, from the switchboard's pulse: queue cards and people on seats.

The pulse holds counts and instants, no person; when there is none fresh enough the page says so.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from core import clock
from core.ids import QueueId, TenantId
from core.realtime import Realtime
from seats import leases
from telephony import queues
from telephony.conductor import pulse

# how the pulse names what an agent does -> how the drawings do
_STATES: Mapping[str, str] = {
    "call": "on-call",
    "hold": "hold",
    "wrap": "wrap-up",
    "ready": "ready",
    "away": "away",
}
_IN_USE = frozenset({"on-call", "hold", "wrap-up"})
_SLACK_S = 60  # beyond the queue's target a wait is called long


@dataclass(frozen=True, slots=True)
class QueueCard:
    """One queue now; see templates/portal/_queues.html."""

    queue_id: QueueId
    name: str
    waiting: int
    longest_s: float | None
    talking: int
    over: bool
    threshold_s: int


@dataclass(frozen=True, slots=True)
class SeatUse:
    """People by state against what is rented."""

    used: int
    rented: int
    present: int
    states: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentNow:
    """One agent: the number callers are told, what they do, and for how long, in seconds.

    `is_overdue`: their wrap-up should be over, and waits for the outcome.
    """

    number: int
    state: str
    for_s: float
    is_overdue: bool = False


@dataclass(frozen=True, slots=True)
class Floor:
    """All live figures of one company; `is_fresh` False: the switchboard has not spoken lately."""

    at: dt.datetime
    is_fresh: bool
    queues: tuple[QueueCard, ...]
    seat_use: SeatUse
    agents: tuple[AgentNow, ...] = ()


def now(session: Session, *, tenant_id: TenantId, realtime: Realtime) -> Floor:
    """Return the company's floor as it is."""
    at = clock.now()
    snapshot = pulse.now_of(realtime, tenant_id)
    live: dict[str, Any] = snapshot or {"queues": {}, "agents": {}}
    rented = len(
        {
            lease.seat_id
            for lease in leases.held(
                session, tenant_id=tenant_id, start=at, end=at + dt.timedelta(microseconds=1)
            )
        }
    )
    return Floor(
        at=dt.datetime.fromisoformat(snapshot["at"]) if snapshot else at,
        is_fresh=snapshot is not None,
        queues=tuple(
            _card(queue, live["queues"].get(str(queue.queue_id)), at)
            for queue in queues.all_of(session, tenant_id=tenant_id)
        ),
        seat_use=_seat_use(live["agents"], rented),
        agents=_agents(live.get("people", ()), at),
    )


def _card(queue: queues.Queue, live: dict[str, Any] | None, at: dt.datetime) -> QueueCard:
    longest_s = None
    if live and live.get("since"):
        longest_s = max(0.0, (at - dt.datetime.fromisoformat(live["since"])).total_seconds())
    threshold_s = queue.target_s + _SLACK_S
    return QueueCard(
        queue_id=queue.queue_id,
        name=queue.name,
        waiting=int(live["waiting"]) if live else 0,
        longest_s=longest_s,
        talking=int(live["talking"]) if live else 0,
        over=longest_s is not None and longest_s > threshold_s,
        threshold_s=threshold_s,
    )


def _agents(people: Iterable[Mapping[str, Any]], at: dt.datetime) -> tuple[AgentNow, ...]:
    """Return agents, those with a customer first, then by number."""
    order = list(_STATES.values())
    found = [
        AgentNow(
            int(one["number"]),
            _STATES.get(one["state"], "away"),
            max(0.0, (at - dt.datetime.fromisoformat(one["since"])).total_seconds()),
            bool(one.get("is_overdue")),
        )
        for one in people
    ]
    return tuple(sorted(found, key=lambda one: (order.index(one.state), one.number)))


def _seat_use(agents: Mapping[str, int], rented: int) -> SeatUse:
    states = {name: int(agents.get(code, 0)) for code, name in _STATES.items()}
    present = sum(states.values())
    if rented > present:
        states["empty"] = rented - present
    used = sum(states[name] for name in _IN_USE)
    return SeatUse(used, rented, present, states)
