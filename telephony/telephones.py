"""Agents' own telephones: a number outside at which calls ring while their agent has chosen it.

The operator's staff say which number, and calls of which client companies may ring there: each is a call out
that the company pays. The first who picks up there has to press the four digits that the agent's console
shows, which proves that both are the same person's; until then that is asked of every call, and from then on
the key 1. In the operator's own transaction, all of it; the number is sealed, and no client ever sees it.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Invalid
from core.ids import OPERATOR, AgentId, TenantId
from core.phone import E164, Kind, kind_of
from security import evidence
from security.vault import Field, Vault
from telephony.models import AgentTelephoneRow

TAKE = "1"
"""The key that takes a call at a telephone that was checked."""

_CODES = 10_000
_SHOWN = 3  # digits


class TelephoneNumberError(Invalid):
    """No number an agent's calls can ring at: a premium one, or one that follows somebody at any price."""

    code = "telephone-number"


class NoTelephoneError(Conflict):
    """The operator has set up no telephone for this agent."""

    code = "no-telephone"


@dataclass(frozen=True, slots=True)
class Telephone:
    """An agent's own telephone; `version` is which number of theirs it is.

    Attributes:
        code: what has to be pressed there while it is not checked.
        is_checked: it was.
        is_chosen: calls ring there, and not in the browser.
        clients: whose calls may.
    """

    agent_id: AgentId
    number: E164 = field(repr=False)
    code: str
    is_checked: bool
    is_chosen: bool
    clients: frozenset[TenantId]
    version: int

    @property
    def shown(self) -> str:
        """Return what people see of the number: its end, by which its owner knows it."""
        return f"•••{self.number[-_SHOWN:]}"

    @property
    def awaited(self) -> str:
        """Return what has to be pressed there to take a call."""
        return TAKE if self.is_checked else self.code


def set_up(
    session: Session,
    *,
    agent_id: AgentId,
    agent_number: int,
    number: E164,
    clients: Collection[TenantId],
    vault: Vault,
) -> None:
    """Say at which number an agent's calls may ring, and whose; another number is to be checked anew.

    Raises:
        TelephoneNumberError: of a kind nobody may call.
    """
    if kind_of(number) is not Kind.ORDINARY:
        raise TelephoneNumberError
    # the first time there is no row to be locked: two who set one go one after the other
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"telephone {agent_id}", 0))))
    row = session.get(AgentTelephoneRow, (OPERATOR, agent_id), with_for_update=True, populate_existing=True)
    is_same = row is not None and vault.open(_sealed(agent_id, row.row_version), row.number_ct) == number
    if row is None:
        row = AgentTelephoneRow(tenant_id=OPERATOR, agent_id=agent_id, row_version=0, is_chosen=False)
        session.add(row)
    if not is_same:
        row.row_version += 1
        row.number_ct = vault.seal(_sealed(agent_id, row.row_version), number)
        row.code = f"{secrets.randbelow(_CODES):04d}"
        row.set_at, row.checked_at = clock.now(), None
    row.clients = sorted(clients)
    session.flush()
    evidence.record(session, "agent.telephone-set", number=agent_number, companies=len(row.clients))


def take_away(session: Session, *, agent_id: AgentId, agent_number: int) -> bool:
    """Let no call ring at an agent's telephone any more; return whether there was one."""
    gone = session.execute(
        delete(AgentTelephoneRow)
        .where(AgentTelephoneRow.tenant_id == OPERATOR, AgentTelephoneRow.agent_id == agent_id)
        .returning(AgentTelephoneRow.agent_id)
    ).scalar()
    if gone:
        evidence.record(session, "agent.telephone-removed", number=agent_number)
    return gone is not None


def of_agent(session: Session, *, agent_id: AgentId, vault: Vault) -> Telephone | None:
    """Return an agent's telephone; None: they have none."""
    row = session.get(AgentTelephoneRow, (OPERATOR, agent_id), populate_existing=True)
    if row is None:
        return None
    return Telephone(
        agent_id=agent_id,
        number=E164(vault.open(_sealed(agent_id, row.row_version), row.number_ct)),
        code=row.code,
        is_checked=row.checked_at is not None,
        is_chosen=row.is_chosen,
        clients=frozenset(map(TenantId, row.clients)),
        version=row.row_version,
    )


def clients_of(session: Session, *, agent_id: AgentId) -> frozenset[TenantId]:
    """Return whose calls may ring at an agent's telephone; nobody's: they have none."""
    row = session.get(AgentTelephoneRow, (OPERATOR, agent_id))
    return frozenset(map(TenantId, row.clients)) if row else frozenset()


def chosen(session: Session, *, agent_id: AgentId | None = None) -> Mapping[AgentId, frozenset[TenantId]]:
    """Return who has chosen their telephone, and whose calls may ring there; one agent, or all."""
    query = select(AgentTelephoneRow.agent_id, AgentTelephoneRow.clients).where(
        AgentTelephoneRow.tenant_id == OPERATOR, AgentTelephoneRow.is_chosen
    )
    if agent_id is not None:
        query = query.where(AgentTelephoneRow.agent_id == agent_id)
    return {AgentId(one): frozenset(map(TenantId, clients)) for one, clients in session.execute(query)}


def choose(session: Session, *, agent_id: AgentId, is_chosen: bool) -> None:
    """Let an agent's calls ring at their telephone, or in their browser again.

    Raises:
        NoTelephoneError: there is none.
    """
    found = session.execute(
        update(AgentTelephoneRow)
        .where(AgentTelephoneRow.tenant_id == OPERATOR, AgentTelephoneRow.agent_id == agent_id)
        .values(is_chosen=is_chosen)
        .returning(AgentTelephoneRow.agent_id)
    ).scalar()
    if found is None and is_chosen:
        raise NoTelephoneError


def checked(session: Session, *, agent_id: AgentId, version: int) -> None:
    """Write that the code was pressed at this number; once, and for no other number."""
    session.execute(
        update(AgentTelephoneRow)
        .where(
            AgentTelephoneRow.tenant_id == OPERATOR,
            AgentTelephoneRow.agent_id == agent_id,
            AgentTelephoneRow.row_version == version,
            AgentTelephoneRow.checked_at.is_(None),
        )
        .values(checked_at=clock.now())
    )


def _sealed(agent_id: AgentId, version: int) -> Field:
    return Field(OPERATOR, "agent_telephones", "number_ct", agent_id, version)
