"""The people who take calls: whom they work for and what they can do; the operator's own rows.

An agent's name is sealed under the operator's key. Callers and client companies know an agent by the
number that is announced before the bridge.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.errors import Invalid
from core.ids import OPERATOR, AgentId, QueueId, TenantId, UserId, new_id
from seats.errors import AgentMovedOnError, AgentNotFoundError, AgentNumberTakenError, NotAssignedError
from seats.models import AgentRow, AgentSkillRow, AgentTenantRow
from security.vault import Field, Vault

BEST_LEVEL, LAST_LEVEL = 1, 9
BOTH, IN, OUT = "both", "in", "out"
DUTIES = (BOTH, IN, OUT)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


class Lead(StrEnum):
    """What a client may let an agent do as a leader of its team; each is given for itself."""

    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    TAKE_OVER = "take-over"
    MOVE = "move"
    FORCE = "force"
    ASSIGN = "assign"
    BROADCAST = "broadcast"


class AgentDetailsError(Invalid):
    """An empty name, a language that is not a BCP 47 tag, or a level outside 1 to 9."""

    code = "agent-details"


@dataclass(frozen=True, slots=True)
class SealedName:
    """An agent's name as it is stored; `display_name` opens it where somebody may read it."""

    agent_id: AgentId
    version: int
    sealed: bytes

    def __repr__(self) -> str:
        return f"SealedName({self.agent_id})"


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who takes calls."""

    id: AgentId
    user_id: UserId
    number: int
    name: SealedName
    languages: tuple[str, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Station:
    """Where an agent stands with a client: the region they take first, and which direction of calls.

    An empty region is every region; `duty` is one of `DUTIES`.
    """

    region: str = ""
    duty: str = BOTH


ANYWHERE = Station()


@dataclass(frozen=True, slots=True)
class Member:
    """An agent who works for a client, and how well they serve one of its queues; None: they do not."""

    agent: Agent
    level: int | None
    station: Station
    leads: frozenset[Lead] = frozenset()


@dataclass(frozen=True, slots=True)
class Posting:
    """An agent, and the client companies they work for now."""

    agent: Agent
    clients: frozenset[TenantId]


def postings(session: Session) -> list[Posting]:
    """Return everybody who was ever hired, by number, with whom they work for now."""
    now = clock.now()
    clients: dict[UUID, set[TenantId]] = {}
    for agent_id, client in session.execute(
        select(AgentTenantRow.agent_id, AgentTenantRow.client_tenant_id).where(
            AgentTenantRow.tenant_id == OPERATOR,
            AgentTenantRow.starts_at <= now,
            or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > now),
        )
    ):
        clients.setdefault(agent_id, set()).add(TenantId(client))
    rows = session.scalars(select(AgentRow).where(AgentRow.tenant_id == OPERATOR).order_by(AgentRow.number))
    return [Posting(from_row(row), frozenset(clients.get(row.id, ()))) for row in rows]


def posting(session: Session, *, number: int) -> Posting:
    """Return the agent of a number, hired now or once, and whom they work for now.

    Raises:
        AgentNotFoundError: no such agent.
    """
    found = next((one for one in postings(session) if one.agent.number == number), None)
    if found is None:
        raise AgentNotFoundError
    return found


def hire(
    session: Session,
    *,
    vault: Vault,
    user_id: UserId,
    number: int,
    name: str,
    languages: Sequence[str] = ("en",),
) -> Agent:
    """Make an agent of a user.

    Raises:
        AgentNumberTakenError: the number, or the user, belongs to an agent already.
        AgentDetailsError: no name, or a language that is not a tag.
    """
    if not name.strip() or not all(_LANGUAGE.fullmatch(tag) for tag in languages):
        raise AgentDetailsError
    agent_id = AgentId(new_id())
    sealed = SealedName(agent_id, 1, vault.seal(_name_field(agent_id, 1), name.strip()))
    try:
        with session.begin_nested():
            session.execute(
                insert(AgentRow).values(
                    tenant_id=OPERATOR,
                    id=agent_id,
                    user_id=user_id,
                    number=number,
                    row_version=1,
                    name_ct=sealed.sealed,
                    languages=list(languages),
                    is_active=True,
                    created_at=clock.now(),
                )
            )
    except IntegrityError as error:
        raise AgentNumberTakenError(number=number) from error
    return Agent(agent_id, user_id, number, sealed, tuple(languages), is_active=True)


def rename(session: Session, *, vault: Vault, agent_id: AgentId, name: str) -> None:
    """Give an agent another name, sealed under the next row version.

    Raises:
        AgentNotFoundError: no such agent.
        AgentDetailsError: no name.
    """
    if not name.strip():
        raise AgentDetailsError
    version = session.execute(
        select(AgentRow.row_version)
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
        .with_for_update()
    ).scalar()
    if version is None:
        raise AgentNotFoundError
    session.execute(
        update(AgentRow)
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
        .values(
            row_version=version + 1,
            name_ct=vault.seal(_name_field(agent_id, version + 1), name.strip()),
        )
    )


def display_name(vault: Vault, name: SealedName) -> str:
    """Return the agent's name in clear; needs no database.

    Raises:
        security.vault.SealError: the value was moved, rolled back or damaged.
    """
    return vault.open(_name_field(name.agent_id, name.version), name.sealed)


def leave(session: Session, *, agent_id: AgentId) -> None:
    """Let an agent go: no sign-in from now on. Their past time stays.

    Raises:
        AgentNotFoundError: no such agent.
    """
    found = session.execute(
        update(AgentRow)
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
        .values(is_active=False)
        .returning(AgentRow.id)
    ).scalar()
    if found is None:
        raise AgentNotFoundError


def come_back(session: Session, *, agent_id: AgentId) -> None:
    """Let an agent who left work again, for whom they still work.

    Raises:
        AgentNotFoundError: no such agent.
    """
    found = session.execute(
        update(AgentRow)
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
        .values(is_active=True)
        .returning(AgentRow.id)
    ).scalar()
    if found is None:
        raise AgentNotFoundError


def assign(
    session: Session,
    *,
    agent_id: AgentId,
    client_tenant_id: TenantId,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None = None,
) -> None:
    """Let an agent work for a client company. Being assigned already for that time is no error.

    Raises:
        AgentNotFoundError: no such agent.
        AgentDetailsError: ends before it begins.
    """
    if ends_at is not None and ends_at < starts_at:
        raise AgentDetailsError
    _require(session, agent_id)
    try:
        with session.begin_nested():
            session.execute(
                insert(AgentTenantRow).values(
                    tenant_id=OPERATOR,
                    id=new_id(),
                    agent_id=agent_id,
                    client_tenant_id=client_tenant_id,
                    starts_at=starts_at,
                    ends_at=ends_at,
                )
            )
    except IntegrityError:
        if not _is_assigned(session, agent_id, client_tenant_id, starts_at):
            raise


def unassign(session: Session, *, agent_id: AgentId, client_tenant_id: TenantId, at: dt.datetime) -> None:
    """End an agent's work for a client company at `at`, and with it their skills for its queues."""
    session.execute(
        update(AgentTenantRow)
        .where(
            AgentTenantRow.tenant_id == OPERATOR,
            AgentTenantRow.agent_id == agent_id,
            AgentTenantRow.client_tenant_id == client_tenant_id,
            AgentTenantRow.starts_at <= at,
            or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > at),
        )
        .values(ends_at=at)
    )
    session.execute(
        delete(AgentSkillRow).where(
            AgentSkillRow.tenant_id == OPERATOR,
            AgentSkillRow.agent_id == agent_id,
            AgentSkillRow.client_tenant_id == client_tenant_id,
        )
    )


def unassign_all(session: Session, *, client_tenant_id: TenantId) -> None:
    """End everybody's work for a client company now, and what was agreed for later."""
    now = clock.now()
    session.execute(
        update(AgentTenantRow)
        .where(
            AgentTenantRow.tenant_id == OPERATOR,
            AgentTenantRow.client_tenant_id == client_tenant_id,
            or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > now),
        )
        .values(ends_at=func.greatest(AgentTenantRow.starts_at, now))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        delete(AgentSkillRow).where(
            AgentSkillRow.tenant_id == OPERATOR, AgentSkillRow.client_tenant_id == client_tenant_id
        )
    )


def teach(
    session: Session,
    *,
    agent_id: AgentId,
    client_tenant_id: TenantId,
    queue_id: QueueId,
    level: int = BEST_LEVEL,
) -> None:
    """Let an agent serve a queue of a client they work for; again with another level changes it.

    Raises:
        NotAssignedError: the agent does not work for that client now.
        AgentDetailsError: the level is not 1 (best) to 9 (last resort).
    """
    if not BEST_LEVEL <= level <= LAST_LEVEL:
        raise AgentDetailsError
    if not _is_assigned(session, agent_id, client_tenant_id, clock.now()):
        raise NotAssignedError
    put = upsert(AgentSkillRow).values(
        tenant_id=OPERATOR,
        agent_id=agent_id,
        queue_id=queue_id,
        client_tenant_id=client_tenant_id,
        level=level,
    )
    session.execute(
        put.on_conflict_do_update(
            index_elements=[AgentSkillRow.tenant_id, AgentSkillRow.agent_id, AgentSkillRow.queue_id],
            set_={"level": put.excluded.level, "client_tenant_id": put.excluded.client_tenant_id},
        )
    )


def unteach(session: Session, *, agent_id: AgentId, queue_id: QueueId) -> None:
    """Take a queue from an agent; not serving it is no error."""
    session.execute(
        delete(AgentSkillRow).where(
            AgentSkillRow.tenant_id == OPERATOR,
            AgentSkillRow.agent_id == agent_id,
            AgentSkillRow.queue_id == queue_id,
        )
    )


def members(session: Session, *, client_tenant_id: TenantId, queue_id: QueueId | None) -> list[Member]:
    """Return every active agent who works for a client now, by number; without a queue nobody serves it."""
    now = clock.now()
    rows = session.execute(
        select(
            AgentRow, AgentSkillRow.level, AgentTenantRow.region, AgentTenantRow.duty, AgentTenantRow.leads
        )
        .join(
            AgentTenantRow,
            and_(
                AgentTenantRow.tenant_id == AgentRow.tenant_id,
                AgentTenantRow.agent_id == AgentRow.id,
                AgentTenantRow.client_tenant_id == client_tenant_id,
                AgentTenantRow.starts_at <= now,
                or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > now),
            ),
        )
        .outerjoin(
            AgentSkillRow,
            and_(
                AgentSkillRow.tenant_id == AgentRow.tenant_id,
                AgentSkillRow.agent_id == AgentRow.id,
                AgentSkillRow.queue_id == queue_id,
                AgentSkillRow.client_tenant_id == client_tenant_id,
            ),
        )
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.is_active)
        .order_by(AgentRow.number)
    )
    return [
        Member(from_row(row), level, Station(region, duty), frozenset(map(Lead, leads)))
        for row, level, region, duty, leads in rows
    ]


def let_serve(
    session: Session, *, client_tenant_id: TenantId, queue_id: QueueId, levels: Mapping[int, int]
) -> list[AgentId]:
    """Let exactly these agents serve a queue; return those for whom that is new.

    Args:
        session: the operator's.
        client_tenant_id: whose queue it is.
        queue_id: the queue.
        levels: agents' numbers, and how well each serves it: 1 (best) to 9 (last resort).

    Raises:
        NotAssignedError: one of them does not work for that client now.
        AgentDetailsError: a level that is none.
    """
    before = members(session, client_tenant_id=client_tenant_id, queue_id=queue_id)
    if not set(levels) <= {one.agent.number for one in before}:
        raise NotAssignedError
    changed = [one.agent for one in before if one.level != levels.get(one.agent.number)]
    for agent in changed:
        if agent.number in levels:
            teach(
                session,
                agent_id=agent.id,
                client_tenant_id=client_tenant_id,
                queue_id=queue_id,
                level=levels[agent.number],
            )
        else:
            unteach(session, agent_id=agent.id, queue_id=queue_id)
    return [agent.id for agent in changed]


def put(
    session: Session,
    *,
    agent_id: AgentId,
    client_tenant_id: TenantId,
    to: QueueId | None,
    out_of: QueueId | None,
) -> None:
    """Put an agent from one queue of a client into another, as good as they were in the first.

    Args:
        session: the operator's.
        agent_id: who.
        client_tenant_id: whose queues they are.
        to: which they serve from now on; None: no other.
        out_of: which they serve no more; None: they keep all.

    Raises:
        NotAssignedError: the agent does not work for that client now.
        AgentMovedOnError: they do not serve the one, or serve the other already.
    """
    served = {
        QueueId(queue_id): level
        for queue_id, level in session.execute(
            select(AgentSkillRow.queue_id, AgentSkillRow.level).where(
                AgentSkillRow.tenant_id == OPERATOR,
                AgentSkillRow.agent_id == agent_id,
                AgentSkillRow.client_tenant_id == client_tenant_id,
            )
        )
    }
    if to in served or (out_of is not None and out_of not in served):
        raise AgentMovedOnError
    if to is not None:
        level = served[out_of] if out_of is not None else BEST_LEVEL
        teach(session, agent_id=agent_id, client_tenant_id=client_tenant_id, queue_id=to, level=level)
    if out_of is not None:
        unteach(session, agent_id=agent_id, queue_id=out_of)


def station(
    session: Session, *, client_tenant_id: TenantId, stations: Mapping[int, Station]
) -> list[AgentId]:
    """Say where agents stand with a client, by their numbers; return those for whom that is new.

    Raises:
        NotAssignedError: one of them does not work for that client now.
        AgentDetailsError: a direction that is none.
    """
    there = {
        one.agent.number: one for one in members(session, client_tenant_id=client_tenant_id, queue_id=None)
    }
    if not stations.keys() <= there.keys():
        raise NotAssignedError
    if any(one.duty not in DUTIES for one in stations.values()):
        raise AgentDetailsError
    changed = []
    for number, wanted in stations.items():
        if there[number].station == wanted:
            continue
        agent_id = there[number].agent.id
        session.execute(
            update(AgentTenantRow)
            .where(AgentTenantRow.agent_id == agent_id, *_now_with(client_tenant_id))
            .values(region=wanted.region, duty=wanted.duty)
        )
        changed.append(agent_id)
    return changed


def let_lead(
    session: Session, *, client_tenant_id: TenantId, leads: Mapping[int, frozenset[Lead]]
) -> list[AgentId]:
    """Say what agents may do as leaders of a client's team, by number; return those for whom it is new.

    Raises:
        NotAssignedError: one of them does not work for that client now.
    """
    there = {
        one.agent.number: one for one in members(session, client_tenant_id=client_tenant_id, queue_id=None)
    }
    if not leads.keys() <= there.keys():
        raise NotAssignedError
    changed = []
    for number, wanted in leads.items():
        if there[number].leads == wanted:
            continue
        agent_id = there[number].agent.id
        session.execute(
            update(AgentTenantRow)
            .where(AgentTenantRow.agent_id == agent_id, *_now_with(client_tenant_id))
            .values(leads=sorted(wanted))
        )
        changed.append(agent_id)
    return changed


def _now_with(client_tenant_id: TenantId) -> tuple[ColumnElement[bool], ...]:
    """Return what is true of the row by which an agent works for a client now."""
    now = clock.now()
    return (
        AgentTenantRow.tenant_id == OPERATOR,
        AgentTenantRow.client_tenant_id == client_tenant_id,
        AgentTenantRow.starts_at <= now,
        or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > now),
    )


def from_row(row: AgentRow) -> Agent:
    """Return the value of a row; for this room's own queries."""
    agent_id = AgentId(row.id)
    return Agent(
        id=agent_id,
        user_id=UserId(row.user_id),
        number=row.number,
        name=SealedName(agent_id, row.row_version, row.name_ct),
        languages=tuple(row.languages),
        is_active=row.is_active,
    )


def _name_field(agent_id: UUID, version: int) -> Field:
    return Field(OPERATOR, "agents", "name_ct", agent_id, version)


def _require(session: Session, agent_id: AgentId) -> None:
    if session.get(AgentRow, (OPERATOR, agent_id)) is None:
        raise AgentNotFoundError


def _is_assigned(session: Session, agent_id: AgentId, client_tenant_id: TenantId, at: dt.datetime) -> bool:
    found = session.execute(
        select(AgentTenantRow.id).where(
            AgentTenantRow.tenant_id == OPERATOR,
            AgentTenantRow.agent_id == agent_id,
            AgentTenantRow.client_tenant_id == client_tenant_id,
            AgentTenantRow.starts_at <= at,
            or_(AgentTenantRow.ends_at.is_(None), AgentTenantRow.ends_at > at),
        )
    ).scalar()
    return found is not None
