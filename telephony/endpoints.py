"""The phones in agents' browsers.

Each sign-in issues a random name and a password, good for four hours; the switchboard then makes others, as
soon as the agent has nothing in hand, and the console takes them up by itself. The password is sealed in our
rows and in the clear only on its way to the browser and to the switch, which keeps it in memory.
"""

import datetime as dt
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, AgentId, new_id
from security.vault import Field, Vault
from telephony.models import EndpointRow

LIFETIME = dt.timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A phone: `name` is what the switch calls it; the password stays out of every repr."""

    agent_id: AgentId
    name: str
    password: str = field(repr=False)


def issue(session: Session, *, agent_id: AgentId, vault: Vault) -> Endpoint:
    """Return the agent's phone for this shift, made if there is none; in the operator's transaction."""
    held = of_agent(session, agent_id=agent_id, vault=vault)
    if held:
        return held
    endpoint_id = new_id()
    endpoint = Endpoint(agent_id, f"ep{secrets.token_hex(10)}", secrets.token_urlsafe(24))
    row = EndpointRow(
        tenant_id=OPERATOR,
        id=endpoint_id,
        agent_id=agent_id,
        name=endpoint.name,
        password_ct=vault.seal(_password(endpoint_id), endpoint.password),
        issued_at=clock.now(),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # the agent's other tab was a moment faster: both have one phone
        there = of_agent(session, agent_id=agent_id, vault=vault)
        if there is None:
            raise
        return there
    return endpoint


def of_agent(session: Session, *, agent_id: AgentId, vault: Vault) -> Endpoint | None:
    """Return the agent's phone, or None when signed out; in the operator's transaction."""
    row = session.scalars(
        select(EndpointRow).where(
            EndpointRow.tenant_id == OPERATOR,
            EndpointRow.agent_id == agent_id,
            EndpointRow.dropped_at.is_(None),
        )
    ).one_or_none()
    return _endpoint(row, vault) if row else None


def issued(session: Session, *, vault: Vault) -> list[Endpoint]:
    """Return every phone in use; what the switchboard gives a switch that was started anew."""
    rows = session.scalars(
        select(EndpointRow).where(EndpointRow.tenant_id == OPERATOR, EndpointRow.dropped_at.is_(None))
    )
    return [_endpoint(row, vault) for row in rows]


def old(session: Session, *, vault: Vault) -> list[Endpoint]:
    """Return the phones whose password has been good for as long as it may."""
    rows = session.scalars(
        select(EndpointRow).where(
            EndpointRow.tenant_id == OPERATOR,
            EndpointRow.dropped_at.is_(None),
            EndpointRow.issued_at <= clock.now() - LIFETIME,
        )
    )
    return [_endpoint(row, vault) for row in rows]


def drop(session: Session, *, agent_id: AgentId) -> list[str]:
    """End the agent's phones; return their names, for the switch. In the operator's transaction."""
    names = session.execute(
        update(EndpointRow)
        .where(
            EndpointRow.tenant_id == OPERATOR,
            EndpointRow.agent_id == agent_id,
            EndpointRow.dropped_at.is_(None),
        )
        .values(dropped_at=clock.now())
        .returning(EndpointRow.name)
    ).scalars()
    return list(names)


def _password(endpoint_id: UUID) -> Field:
    return Field(OPERATOR, "endpoints", "password", endpoint_id, 1, purpose="integration")


def _endpoint(row: EndpointRow, vault: Vault) -> Endpoint:
    return Endpoint(AgentId(row.agent_id), row.name, vault.open(_password(row.id), row.password_ct))
