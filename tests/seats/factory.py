"""Seats, agents and clients with fixed defaults; only what a test says differs."""

import itertools
from collections.abc import Iterator

from core import clock
from core.ids import OPERATOR, AgentId, QueueId, TenantId, UserId, new_id
from seats import roster, stock
from security.gate import Gate, Scope
from security.vault import Vault
from tests.factories.agreements import signed_by_agent

ON_FLOOR = Scope.system(OPERATOR)
_numbers: Iterator[int] = itertools.count(1001)


def hired(gate: Gate, vault: Vault, *, name: str = "Bob Okafor", number: int | None = None) -> roster.Agent:
    with gate.open(ON_FLOOR) as session:
        return roster.hire(
            session,
            vault=vault,
            user_id=UserId(new_id()),
            number=next(_numbers) if number is None else number,
            name=name,
        )


def stocked(gate: Gate, *, label: str = "A-001") -> stock.Seat:
    with gate.open(ON_FLOOR) as session:
        return stock.add(session, label=label)


def working_for(gate: Gate, agent_id: AgentId, client: TenantId, *queues: QueueId, level: int = 1) -> None:
    with gate.open(ON_FLOOR) as session:
        roster.assign(session, agent_id=agent_id, client_tenant_id=client, starts_at=clock.now())
        for queue_id in queues:
            roster.teach(session, agent_id=agent_id, client_tenant_id=client, queue_id=queue_id, level=level)
    signed_by_agent(gate, agent_id, client)
