"""Agreements on secrecy: published and signed, so that an agent may work."""

import datetime as dt
from uuid import UUID

from sqlalchemy import text

from core.ids import OPERATOR, AgentId, TenantId, UserId, new_id
from security.gate import Gate, Kind, Scope
from tenants import agreements

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def published(gate: Gate, tenant_id: TenantId) -> None:
    """Publish a first agreement, unless there is one."""
    with gate.open(Scope.system(tenant_id)) as session:
        if not agreements.versions(session, tenant_id=tenant_id):
            agreements.publish(
                session,
                tenant_id=tenant_id,
                body="Keep secrets.",
                by=new_id(),
                effective_from=LONG_AGO,  # the gate goes by the database's clock, tests by one that is held
            )


def sign(gate: Gate, user_id: UserId, tenant_id: TenantId) -> None:
    """Sign a tenant's newest agreement as this person."""
    with gate.open(Scope(tenant_id, user_id, Kind.SYSTEM)) as session:
        newest = agreements.versions(session, tenant_id=tenant_id)[0]
        agreements.sign(
            session, agreement=newest, user_id=user_id, name="Bob", typed="bob", session_id=UUID(int=1)
        )


def signed(gate: Gate, user_id: UserId, *tenant_ids: TenantId) -> None:
    """Sign the operator's agreement and these companies'."""
    for tenant_id in (OPERATOR, *tenant_ids):
        published(gate, tenant_id)
        sign(gate, user_id, tenant_id)


def signed_by_agent(gate: Gate, agent_id: AgentId, *tenant_ids: TenantId) -> None:
    """Let an agent sign, whoever they are as a user."""
    with gate.open(Scope.system(OPERATOR)) as session:
        found = session.execute(
            text("SELECT user_id FROM app.agents WHERE id = :agent"), {"agent": agent_id}
        ).scalar_one()
    signed(gate, UserId(found), *tenant_ids)
