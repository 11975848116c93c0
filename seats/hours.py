"""What client companies see of agents' time: paid hours, in rows of their own.

Two steps, because a transaction has one tenant: `paid` reads the operator's partition, `publish` writes the
outcome into the client's rows. Both may run again; the newest figures win.
"""

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from sqlalchemy import and_, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, AgentId, TenantId
from seats import rules
from seats.models import (
    AgentHourRow,
    AgentRow,
    AgentTenantRow,
    AgentTimeRow,
    SeatRentalRow,
    ShiftRow,
)
from seats.presence import whole_ms

_HOUR = dt.timedelta(hours=1)
_QUARTERS = 4
_QUARTER = _HOUR / _QUARTERS
_TRAINING = f"{rules.Activity.AWAY}:training"
_MS = dt.timedelta(milliseconds=1)
_KIND = {
    rules.Activity.AVAILABLE: "available_ms",
    rules.Activity.RESERVED: "ringing_ms",
    rules.Activity.RINGING: "ringing_ms",
    rules.Activity.DIALLING: "ringing_ms",
    rules.Activity.TALKING: "talking_ms",
    rules.Activity.HOLDING: "holding_ms",
    rules.Activity.WRAP_UP: "wrap_up_ms",
}


@dataclass(slots=True)
class _Spent:
    by_kind: dict[str, int] = field(default_factory=lambda: dict.fromkeys(set(_KIND.values()), 0))


@dataclass(frozen=True, slots=True)
class AgentHour:
    """What a client paid of one agent's clock hour (UTC), in milliseconds."""

    agent_number: int
    hour_starts_at: dt.datetime
    available_ms: int
    ringing_ms: int
    talking_ms: int
    holding_ms: int
    wrap_up_ms: int


def paid(session: Session, *, start: dt.datetime, end: dt.datetime) -> dict[TenantId, list[AgentHour]]:
    """Return the paid time of all agents by payer, for whole clock hours from `start` to `end`.

    `start` and `end` are cut to the hour; the running hour counts up to now.
    """
    start, end = _hour(start), _hour(end)
    until = min(end, whole_ms(clock.now()))
    rows = session.execute(
        select(
            AgentRow.number,
            AgentTimeRow.state,
            AgentTimeRow.payer_tenant_id,
            AgentTimeRow.started_at,
            AgentTimeRow.ended_at,
        )
        .join(
            AgentRow,
            and_(AgentRow.tenant_id == AgentTimeRow.tenant_id, AgentRow.id == AgentTimeRow.agent_id),
        )
        .where(
            AgentTimeRow.tenant_id == OPERATOR,
            AgentTimeRow.payer_tenant_id.is_not(None),
            AgentTimeRow.started_at < until,
            or_(AgentTimeRow.ended_at.is_(None), AgentTimeRow.ended_at > start),
        )
    )
    spent: dict[tuple[TenantId, dt.datetime, int], _Spent] = defaultdict(_Spent)
    for number, state, payer_id, began, ended in rows:
        payer = TenantId(cast("UUID", payer_id))  # the query leaves idle time out
        kind = _KIND[rules.activity(state)]  # the database lets nobody pay for any other state
        at, stop = max(began, start), min(ended or until, until)
        while at < stop:
            hour = _hour(at)
            piece = min(stop, hour + _HOUR)
            spent[payer, hour, number].by_kind[kind] += (piece - at) // _MS
            at = piece
    found: dict[TenantId, list[AgentHour]] = defaultdict(list)
    for (payer, hour, number), each in sorted(spent.items(), key=lambda item: item[0][1:]):
        found[payer].append(AgentHour(number, hour, **each.by_kind))
    return dict(found)


@dataclass(frozen=True, slots=True)
class Worked:
    """How long a client pays for an agent in one clock hour (UTC), and in each quarter of it.

    `is_training` says that the agent learned; whether that is paid the client's prices say.
    """

    agent_id: AgentId
    hour_starts_at: dt.datetime
    paid_ms: int
    quarters_ms: tuple[int, ...] = ()
    is_training: bool = False


def worked(
    session: Session, *, payer_tenant_id: TenantId, start: dt.datetime, end: dt.datetime
) -> list[Worked]:
    """Return the hours of `[start, end)` that a client pays for and whose time is closed.

    An hour counts once the agent has no open time that began before its end: closed time is never edited,
    and late reports take effect where the open time began. Only a sign-in reported late can add to it.
    Training is nobody's in the partition; it is of the client that rents the seat it is done on.
    """
    start, end = _hour(start), _hour(end)
    overlaps = (
        AgentTimeRow.tenant_id == OPERATOR,
        AgentTimeRow.started_at < end,
        AgentTimeRow.ended_at > start,
    )
    paid_for = select(
        AgentTimeRow.agent_id, AgentTimeRow.started_at, AgentTimeRow.ended_at, literal(value=False)
    ).where(*overlaps, AgentTimeRow.payer_tenant_id == payer_tenant_id)
    learned = (
        select(
            AgentTimeRow.agent_id,
            func.greatest(AgentTimeRow.started_at, SeatRentalRow.starts_at),
            func.least(AgentTimeRow.ended_at, SeatRentalRow.ends_at),
            literal(value=True),
        )
        .join(
            ShiftRow,
            and_(ShiftRow.tenant_id == AgentTimeRow.tenant_id, ShiftRow.id == AgentTimeRow.shift_id),
        )
        .join(
            SeatRentalRow,
            and_(
                SeatRentalRow.tenant_id == ShiftRow.tenant_id,
                SeatRentalRow.seat_id == ShiftRow.seat_id,
                SeatRentalRow.starts_at < AgentTimeRow.ended_at,
                or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > AgentTimeRow.started_at),
            ),
        )
        .where(*overlaps, AgentTimeRow.state == _TRAINING, SeatRentalRow.renter_tenant_id == payer_tenant_id)
    )
    rows = session.execute(paid_for.union_all(learned)).all()
    still_open = session.execute(
        select(AgentTimeRow.agent_id, AgentTimeRow.started_at).where(
            AgentTimeRow.tenant_id == OPERATOR, AgentTimeRow.ended_at.is_(None)
        )
    )
    open_since = {agent_id: since for agent_id, since in still_open}  # noqa: C416 - dict(rows) has no type
    spent: dict[tuple[dt.datetime, UUID, bool], list[int]] = defaultdict(lambda: [0] * _QUARTERS)
    for agent_id, began, ended, is_training in rows:
        at, stop = max(began, start), min(ended or end, end)
        while at < stop:
            hour = _hour(at)
            quarter = (at - hour) // _QUARTER
            piece = min(stop, hour + (quarter + 1) * _QUARTER)
            spent[hour, agent_id, is_training][quarter] += (piece - at) // _MS
            at = piece
    return [
        Worked(AgentId(agent_id), hour, sum(quarters), tuple(quarters), is_training)
        for (hour, agent_id, is_training), quarters in sorted(spent.items())
        if agent_id not in open_since or open_since[agent_id] >= hour + _HOUR
    ]


@dataclass(frozen=True, slots=True)
class Above:
    """Seats at work above those a client booked, in a quarter of an hour: seat-time, and most at once."""

    starts_at: dt.datetime
    above_ms: int
    peak: int


def above_booked(
    session: Session, *, payer_tenant_id: TenantId, start: dt.datetime, end: dt.datetime
) -> list[Above]:
    """Return the quarters of whole hours in which more seats worked for a client than it had booked.

    Whoever a client pays for sits on a seat; each instant is compared with the seats it rents then. `end`
    lies where everybody's time is closed (`closed_until`); a sign-in that is reported later only adds.
    """
    start, end = _hour(start), _hour(end)
    worked = session.execute(
        select(AgentTimeRow.started_at, AgentTimeRow.ended_at).where(
            AgentTimeRow.tenant_id == OPERATOR,
            AgentTimeRow.payer_tenant_id == payer_tenant_id,
            AgentTimeRow.started_at < end,
            AgentTimeRow.ended_at > start,
        )
    )
    booked = session.execute(
        select(SeatRentalRow.starts_at, SeatRentalRow.ends_at).where(
            SeatRentalRow.tenant_id == OPERATOR,
            SeatRentalRow.renter_tenant_id == payer_tenant_id,
            SeatRentalRow.starts_at < end,
            or_(SeatRentalRow.ends_at.is_(None), SeatRentalRow.ends_at > start),
        )
    )
    steps: dict[dt.datetime, int] = defaultdict(int)
    for sign, rows in ((1, worked), (-1, booked)):
        for began, ended in rows:
            steps[max(began, start)] += sign
            steps[min(ended or end, end)] -= sign
    return _above(steps)


def _above(steps: Mapping[dt.datetime, int]) -> list[Above]:
    spent: dict[dt.datetime, tuple[dt.timedelta, int]] = {}
    level = 0
    for at, until in itertools.pairwise(sorted(steps)):
        level += steps[at]
        start = at
        while level > 0 and start < until:
            quarter = _hour(start) + (start - _hour(start)) // _QUARTER * _QUARTER
            end = min(until, quarter + _QUARTER)
            before, peak = spent.get(quarter, (dt.timedelta(), 0))
            spent[quarter] = (before + level * (end - start), max(peak, level))
            start = end
    return [Above(quarter, time // _MS, peak) for quarter, (time, peak) in sorted(spent.items())]


def closed_until(session: Session, *, client_tenant_id: TenantId, now: dt.datetime) -> dt.datetime:
    """Return up to when the time of everybody who may work for a client is closed: a full hour."""
    oldest: dt.datetime | None = session.scalars(
        select(func.min(AgentTimeRow.started_at))
        .join(
            AgentTenantRow,
            and_(
                AgentTenantRow.tenant_id == AgentTimeRow.tenant_id,
                AgentTenantRow.agent_id == AgentTimeRow.agent_id,
            ),
        )
        .where(
            AgentTimeRow.tenant_id == OPERATOR,
            AgentTimeRow.ended_at.is_(None),
            AgentTenantRow.client_tenant_id == client_tenant_id,
        )
    ).one()
    return _hour(min(now, oldest or now))


def publish(session: Session, *, tenant_id: TenantId, hours: Iterable[AgentHour]) -> int:
    """Write paid hours into the client's own rows, over older figures; return how many."""
    rows = [
        {
            "tenant_id": tenant_id,
            "hour_starts_at": hour.hour_starts_at,
            "agent_number": hour.agent_number,
            **{kind: getattr(hour, kind) for kind in _KIND.values()},
        }
        for hour in hours
    ]
    if rows:
        put = insert(AgentHourRow).values(rows)
        session.execute(
            put.on_conflict_do_update(
                index_elements=[
                    AgentHourRow.tenant_id,
                    AgentHourRow.hour_starts_at,
                    AgentHourRow.agent_number,
                ],
                set_={kind: getattr(put.excluded, kind) for kind in _KIND.values()},
            )
        )
    return len(rows)


def seen(
    session: Session,
    *,
    tenant_id: TenantId,
    start: dt.datetime,
    end: dt.datetime,
    after: tuple[dt.datetime, int] | None = None,
    limit: int | None = None,
) -> list[AgentHour]:
    """Return the published hours that begin in `[start, end)`, by hour and agent number.

    `after` is the hour and the agent number a page ended with; `limit` how many at most.
    """
    query = select(AgentHourRow).where(
        AgentHourRow.tenant_id == tenant_id,
        AgentHourRow.hour_starts_at >= start,
        AgentHourRow.hour_starts_at < end,
    )
    if after is not None:
        query = query.where(tuple_(AgentHourRow.hour_starts_at, AgentHourRow.agent_number) > after)
    rows = session.execute(
        query.order_by(AgentHourRow.hour_starts_at, AgentHourRow.agent_number).limit(limit)
    )
    return [
        AgentHour(
            agent_number=row.agent_number,
            hour_starts_at=row.hour_starts_at,
            available_ms=row.available_ms,
            ringing_ms=row.ringing_ms,
            talking_ms=row.talking_ms,
            holding_ms=row.holding_ms,
            wrap_up_ms=row.wrap_up_ms,
        )
        for row in rows.scalars()
    ]


def _hour(at: dt.datetime) -> dt.datetime:
    return at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
