"""What others ask of the floor: who is this agent, who serves this queue, who is there at all.

All in the operator's own transaction, a fixed handful of statements each, whatever the number of agents.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, AgentId, QueueId, SeatId, TenantId, UserId
from seats import presence, roster, stock
from seats.errors import AgentNotFoundError
from seats.models import (
    AgentRow,
    AgentSkillRow,
    AgentTenantRow,
    AgentTimeRow,
    SeatRentalRow,
    SeatRow,
    ShiftRow,
)
from seats.roster import Lead, Station
from tenants import agreements


@dataclass(frozen=True, slots=True)
class Skill:
    """A queue an agent serves; level 1 is best, 9 the last resort."""

    queue_id: QueueId
    client_tenant_id: TenantId
    level: int
    station: Station = roster.ANYWHERE


@dataclass(frozen=True, slots=True)
class Sitting:
    """The seat of an open shift and who rents it now; no renter: pooled."""

    seat_id: SeatId
    label: str
    renter_tenant_id: TenantId | None
    rented_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ServingAgent:
    """All the switchboard needs to place an agent on its floor."""

    agent: roster.Agent
    clients: frozenset[TenantId]
    unsigned: frozenset[TenantId]
    """Clients they are assigned to, and may not serve: an agreement is not signed."""
    skills: tuple[Skill, ...]
    sitting: Sitting | None
    presence: presence.Presence | None
    """None: not signed in."""
    leads: Mapping[TenantId, frozenset[Lead]]
    """What they may do as a team leader, by client they serve."""


def agent_by_user(session: Session, *, user_id: UserId) -> roster.Agent | None:
    """Return the agent a user is, or None: not an agent, or no longer."""
    row = session.execute(
        select(AgentRow).where(
            AgentRow.tenant_id == OPERATOR, AgentRow.user_id == user_id, AgentRow.is_active
        )
    ).scalar()
    return None if row is None else roster.from_row(row)


def agents_for_queue(session: Session, *, queue_id: QueueId) -> list[AgentId]:
    """Return the agents who serve a queue of a client they work for now, best level first."""
    now = clock.now()
    rows = session.execute(
        select(AgentSkillRow.agent_id)
        .join(
            AgentRow,
            and_(AgentRow.tenant_id == AgentSkillRow.tenant_id, AgentRow.id == AgentSkillRow.agent_id),
        )
        .join(
            AgentTenantRow,
            and_(
                AgentTenantRow.tenant_id == AgentSkillRow.tenant_id,
                AgentTenantRow.agent_id == AgentSkillRow.agent_id,
                AgentTenantRow.client_tenant_id == AgentSkillRow.client_tenant_id,
                AgentTenantRow.starts_at <= now,
                or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > now),
            ),
        )
        .where(
            AgentSkillRow.tenant_id == OPERATOR,
            AgentSkillRow.queue_id == queue_id,
            AgentRow.is_active,
        )
        .order_by(AgentSkillRow.level, AgentRow.number)
    )
    return [AgentId(agent_id) for agent_id in rows.scalars()]


def serving(session: Session) -> list[ServingAgent]:
    """Return every active agent by number, signed in or not, in five statements.

    Skills of clients the agent does not work for now, or whose agreement they have not signed, are left out.
    """
    now = clock.now()
    rows = session.scalars(
        select(AgentRow).where(AgentRow.tenant_id == OPERATOR, AgentRow.is_active).order_by(AgentRow.number)
    ).all()
    return _all_serving(session, now, [roster.from_row(row) for row in rows])


def serving_one(session: Session, *, agent_id: AgentId) -> ServingAgent:
    """Return one active agent as `serving` does: after a change of skills, seat or state.

    Raises:
        AgentNotFoundError: no such agent, or they have left.
    """
    row = session.execute(
        select(AgentRow).where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id, AgentRow.is_active)
    ).scalar()
    if row is None:
        raise AgentNotFoundError
    return _all_serving(session, clock.now(), [roster.from_row(row)], agent_id)[0]


_Clients = Mapping[UUID, AbstractSet[TenantId]]
_Stations = Mapping[UUID, Mapping[TenantId, tuple[Station, frozenset[Lead]]]]
_Skills = dict[UUID, list[Skill]]
_Floor = dict[UUID, tuple[presence.Presence, Sitting | None]]


def _all_serving(
    session: Session, now: dt.datetime, agents: list[roster.Agent], agent_id: AgentId | None = None
) -> list[ServingAgent]:
    assigned = _clients(session, now, agent_id)
    opened = agreements.served(session, user_ids=[one.user_id for one in agents])
    clients: dict[UUID, AbstractSet[TenantId]] = {
        one.id: assigned.get(one.id, {}).keys() & opened.get(one.user_id, frozenset()) for one in agents
    }
    skills = _skills(session, clients, assigned, agent_id)
    floor = _floor(session, now, agent_id)
    return [
        ServingAgent(
            agent=one,
            clients=frozenset(clients[one.id]),
            unsigned=frozenset(assigned.get(one.id, {}).keys() - clients[one.id]),
            skills=tuple(skills.get(one.id, ())),
            sitting=floor.get(one.id, (None, None))[1],
            presence=floor.get(one.id, (None, None))[0],
            leads={
                tenant_id: leads
                for tenant_id, (_, leads) in assigned.get(one.id, {}).items()
                if leads and tenant_id in clients[one.id]
            },
        )
        for one in agents
    ]


def _clients(session: Session, now: dt.datetime, agent_id: AgentId | None = None) -> _Stations:
    query = select(
        AgentTenantRow.agent_id,
        AgentTenantRow.client_tenant_id,
        AgentTenantRow.region,
        AgentTenantRow.duty,
        AgentTenantRow.leads,
    ).where(
        AgentTenantRow.tenant_id == OPERATOR,
        AgentTenantRow.starts_at <= now,
        or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > now),
    )
    if agent_id is not None:
        query = query.where(AgentTenantRow.agent_id == agent_id)
    found: dict[UUID, dict[TenantId, tuple[Station, frozenset[Lead]]]] = defaultdict(dict)
    for row in session.execute(query):
        found[row.agent_id][TenantId(row.client_tenant_id)] = (
            Station(row.region, row.duty),
            frozenset(map(Lead, row.leads)),
        )
    return found


def _skills(
    session: Session, clients: _Clients, stations: _Stations, agent_id: AgentId | None = None
) -> _Skills:
    query = select(
        AgentSkillRow.agent_id,
        AgentSkillRow.queue_id,
        AgentSkillRow.client_tenant_id,
        AgentSkillRow.level,
    ).where(AgentSkillRow.tenant_id == OPERATOR)
    if agent_id is not None:
        query = query.where(AgentSkillRow.agent_id == agent_id)
    found: _Skills = defaultdict(list)
    for row in session.execute(query.order_by(AgentSkillRow.level, AgentSkillRow.queue_id)):
        if row.client_tenant_id in clients.get(row.agent_id, ()):
            client = TenantId(row.client_tenant_id)
            station, _ = stations[row.agent_id][client]
            found[row.agent_id].append(Skill(QueueId(row.queue_id), client, row.level, station))
    return found


def _floor(session: Session, now: dt.datetime, agent_id: AgentId | None = None) -> _Floor:
    query = (
        select(
            AgentTimeRow,
            ShiftRow.seat_id,
            SeatRow.label,
            SeatRentalRow.renter_tenant_id,
            SeatRentalRow.ends_at,
        )
        .join(
            ShiftRow,
            and_(ShiftRow.tenant_id == AgentTimeRow.tenant_id, ShiftRow.id == AgentTimeRow.shift_id),
        )
        .outerjoin(SeatRow, and_(SeatRow.tenant_id == ShiftRow.tenant_id, SeatRow.id == ShiftRow.seat_id))
        .outerjoin(
            SeatRentalRow,
            and_(
                SeatRentalRow.tenant_id == ShiftRow.tenant_id,
                SeatRentalRow.seat_id == ShiftRow.seat_id,
                stock.in_force(now),
            ),
        )
        .where(AgentTimeRow.tenant_id == OPERATOR, AgentTimeRow.ended_at.is_(None))
        .execution_options(populate_existing=True)
    )
    if agent_id is not None:
        query = query.where(AgentTimeRow.agent_id == agent_id)
    found: _Floor = {}
    for row in session.execute(query):
        time: AgentTimeRow = row.AgentTimeRow
        seat_id: UUID | None = row.seat_id
        renter: UUID | None = row.renter_tenant_id
        there = presence.Presence(
            agent_id=AgentId(time.agent_id),
            shift_id=time.shift_id,
            seat_id=None if seat_id is None else SeatId(seat_id),
            state=time.state,
            payer_tenant_id=None if time.payer_tenant_id is None else TenantId(time.payer_tenant_id),
            subject_ref=time.subject_ref,
            since=time.state_since,
            is_late=time.is_late,
            changed=False,
        )
        sitting = None
        if seat_id is not None:
            tenant = None if renter is None else TenantId(renter)
            sitting = Sitting(SeatId(seat_id), row.label, tenant, row.ends_at)
        found[time.agent_id] = (there, sitting)
    return found
