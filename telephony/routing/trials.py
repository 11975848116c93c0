"""What other ways of routing would have done to a company's own calls, with its people and with some more.

One trial at a time: the latest is kept, and asking again replaces it. A job works it out (`wiring.trying`);
the row holds figures and ids of queues, nothing of a person. Decided by `routing.board`, as on the floor.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import QueueId, TenantId, new_id
from security import evidence
from telephony.errors import NoRoutingTrialError, RoutingTrialError, TooLittleHistoryError
from telephony.events import RoutingTrialAsked
from telephony.models import RoutingTrialRow
from telephony.routing import history
from telephony.routing.simulator import ARMS, Outcome, SimulatedCall, compare, loads_of, share_out
from telephony.routing.strategy import Policy

DAYS, PEOPLE, MORE, SLOWER = (1, 92), (1, 2_000), (-500, 500), (0, 200)
LEAST = 100
"""Calls; with fewer, chance says more than routing."""
STALLED = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is tried.

    Attributes:
        days: how many days back calls are taken; of the example, 1.
        people: at work all the time the calls came in.
        more: so many more than that beside it, or fewer; 0: only these.
        is_example: the worked example instead of the company's own calls.
        slower_percent: so much longer a call takes whose agent serves another region or queue at home: who
            has to know more knows each thing less well.
    """

    days: int
    people: int
    more: int = 0
    is_example: bool = False
    slower_percent: int = 0


@dataclass(frozen=True, slots=True)
class Arm:
    """What one way of routing made of the calls; shares from 0 to 1, waits in seconds.

    Attributes:
        arm: one of `simulator.ARMS`.
        people: so many were at work; each group of callers has one at least.
        service_level: share answered within 20 s, of all calls.
        worst: that share in the group that fared worst: `worst_queue` and `worst_region`.
        abandonment: share whose callers gave up.
        utilisation: share of the people's time spent on calls.
        wait_s, wait_95_s: until the answer, in the mean and in 95 of 100 calls at most.
        away: share of the answered calls that went to another region's or queue's people.
        idle_beside: share of the people's time in which they were free beside callers who waited for others;
            None in a trial made before this was counted.
    """

    arm: str
    people: int
    service_level: float
    worst: float
    worst_queue: QueueId | None
    worst_region: str
    abandonment: float
    utilisation: float
    wait_s: float
    wait_95_s: float
    away: float
    idle_beside: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial and how far it is; `arms` come with `ended_at`, first those without the people more."""

    trial_id: UUID
    asked: Asked
    asked_at: dt.datetime
    percent: int
    calls: int
    arms: Sequence[Arm]
    ended_at: dt.datetime | None

    @property
    def is_stalled(self) -> bool:
        """Whether it should have ended long ago: its job was lost, or could not."""
        return self.ended_at is None and clock.now() - self.asked_at > STALLED


def ask(session: Session, *, tenant_id: TenantId, asked: Asked) -> UUID:
    """Have a trial worked out, in place of the one before; return its id.

    Raises:
        RoutingTrialError: `field` is out of bounds.
        TooLittleHistoryError: the days asked for hold too few calls.
    """
    for value, (least, most), name in (
        (asked.days, DAYS, "days"),
        (asked.people, PEOPLE, "people"),
        (asked.more, MORE, "more"),
        (asked.people + asked.more, PEOPLE, "more"),
        (asked.slower_percent, SLOWER, "slower_percent"),
    ):
        if not least <= value <= most:
            raise RoutingTrialError(field=name)
    now, trial_id = clock.now(), new_id()
    if not asked.is_example:
        since = now - dt.timedelta(days=asked.days)
        found = history.count(session, tenant_id=tenant_id, since=since, until=now)
        if found < LEAST:
            raise TooLittleHistoryError(calls=found, least=LEAST)
    values = {
        "id": trial_id,
        "asked_at": now,
        "ended_at": None,
        "percent": 0,
        "calls": 0,
        "answer": [],
        **asdict(asked),
    }
    session.execute(
        insert(RoutingTrialRow)
        .values(tenant_id=tenant_id, **values)
        .on_conflict_do_update(index_elements=[RoutingTrialRow.tenant_id], set_=values)
    )
    evidence.record(
        session, "routing.tried", "ten", tenant_id, days=asked.days, people=asked.people, more=asked.more
    )
    announce(session, RoutingTrialAsked(tenant_id=tenant_id, trial_id=trial_id))
    return trial_id


def read(session: Session, *, tenant_id: TenantId) -> Trial:
    """Return the company's latest trial.

    Raises:
        NoRoutingTrialError: there is none.
    """
    row = session.get(RoutingTrialRow, tenant_id, populate_existing=True)
    if row is None:
        raise NoRoutingTrialError
    return Trial(
        row.id,
        Asked(row.days, row.people, row.more, row.is_example, row.slower_percent),
        row.asked_at,
        row.percent,
        row.calls,
        tuple(_arm(one) for one in row.answer),
        row.ended_at,
    )


def moved(session: Session, *, tenant_id: TenantId, trial_id: UUID, percent: int) -> bool:
    """Note how far a trial is; False: another one has taken its place, or it has ended."""
    return _open(session, tenant_id, trial_id, lambda row: setattr(row, "percent", percent))


def finish(session: Session, *, tenant_id: TenantId, trial_id: UUID, calls: int, arms: Sequence[Arm]) -> bool:
    """Write the answer; False: another trial has taken its place, or it has ended."""

    def write(row: RoutingTrialRow) -> None:
        row.percent, row.calls, row.ended_at = 100, calls, clock.now()
        row.answer = [
            asdict(one) | {"worst_queue": str(one.worst_queue) if one.worst_queue else None} for one in arms
        ]

    return _open(session, tenant_id, trial_id, write)


def work_out(
    calls: Sequence[SimulatedCall],
    policy: Policy,
    asked: Asked,
    progress: Callable[[float], None] = lambda _share: None,
) -> list[Arm]:
    """Return what each way of routing makes of the calls; `progress` is told from 0 to 1. Pure."""
    staffings = [asked.people, *([asked.people + asked.more] if asked.more else [])]
    loads, found = loads_of(calls), []
    for turn, people in enumerate(staffings):
        seats = share_out(loads, people)

        def told(arm: str, share: float, turn: int = turn) -> None:
            progress((turn + (ARMS.index(arm) + share) / len(ARMS)) / len(staffings))

        outcomes = compare(calls, seats, policy, foreign=1 + asked.slower_percent / 100, progress=told)
        sat = sum(one.count for one in seats)
        found += [_figures(arm, outcome, sat) for arm, outcome in outcomes.items()]
    return found


def _open(
    session: Session, tenant_id: TenantId, trial_id: UUID, change: Callable[[RoutingTrialRow], None]
) -> bool:
    row = session.get(RoutingTrialRow, tenant_id, with_for_update=True, populate_existing=True)
    if row is None or row.id != trial_id or row.ended_at is not None:
        return False
    change(row)
    session.flush()
    return True


def _figures(arm: str, outcome: Outcome, people: int) -> Arm:
    whole, group = outcome.whole, outcome.worst_group
    return Arm(
        arm,
        people,
        whole.service_level,
        outcome.worst.service_level,
        group[0] if group else None,
        group[1] if group else "",
        whole.abandonment,
        outcome.utilisation,
        whole.answer_s,
        whole.answer_95_s,
        outcome.away / max(1, whole.answered),
        outcome.idle_beside,
    )


def _arm(kept: Mapping[str, Any]) -> Arm:
    queue = kept["worst_queue"]
    return Arm(**{**kept, "worst_queue": QueueId(UUID(queue)) if queue else None})
