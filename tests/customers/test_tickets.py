"""Tickets: sealed, walled off, changed by one at a time, and closed rather than removed."""

import datetime as dt
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.ids import CallId, TenantId, TicketId, new_id
from customers import tickets
from customers.errors import (
    CardNumberError,
    TicketChangedError,
    TicketDetailsError,
    TicketNotFoundError,
)
from customers.records import CustomerCard
from customers.tickets import Details, Ticket, TicketKind, TicketState
from security import evidence
from security.gate import Gate, Scope
from security.vault import SealError, Vault
from tests.customers.factory import CHEN, stored

NOON = dt.datetime(2026, 11, 19, 12, 0, tzinfo=dt.UTC)
LATE = Details(TicketKind.COMPLAINT, "Parcel is late", "Ines waited at gate B.", NOON + dt.timedelta(days=2))
BOB = UUID(int=7)


@pytest.fixture
def ines(gate: Gate, vault: Vault, tenant_a: TenantId) -> CustomerCard:
    return stored(gate, vault, tenant_a)


def opened(
    gate: Gate, vault: Vault, tenant_id: TenantId, card: CustomerCard, details: Details = LATE
) -> Ticket:
    with clock.hold(NOON), gate.open(Scope.system(tenant_id)) as session:
        return tickets.open_ticket(
            session,
            tenant_id=tenant_id,
            vault=vault,
            customer_id=card.id,
            details=details,
            by=BOB,
            opened_in=CallId(new_id()),
        )


def move(gate: Gate, vault: Vault, tenant_id: TenantId, ticket_id: TicketId, state: TicketState) -> Ticket:
    with gate.open(Scope.system(tenant_id)) as session:
        return tickets.move(session, tenant_id=tenant_id, vault=vault, ticket_id=ticket_id, state=state)


def test_a_ticket_is_sealed_and_reads_back(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    made = opened(gate, vault, tenant_a, ines)
    assert (made.details, made.state, made.version) == (LATE, TicketState.OPEN, 1)
    assert "gate" not in repr(made)
    with gate.open(Scope.system(tenant_a)) as session:
        (row,) = session.connection().exec_driver_sql("SELECT * FROM app.tickets").mappings()
        assert not any(word in str(row.values()) for word in ("Parcel", "gate B"))
        assert tickets.get(session, tenant_id=tenant_a, vault=vault, ticket_id=made.ticket_id) == made


def test_an_older_version_put_back_does_not_open(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    made = opened(gate, vault, tenant_a, ines)
    with gate.open(Scope.system(tenant_a)) as session:
        execute = session.connection().exec_driver_sql
        (before,) = execute("SELECT subject_ct FROM app.tickets").scalars()
    move(gate, vault, tenant_a, made.ticket_id, TicketState.PENDING)
    with gate.open(Scope.system(tenant_a)) as session, pytest.raises(SealError):
        session.connection().exec_driver_sql("UPDATE app.tickets SET subject_ct = %s", (before,))
        tickets.get(session, tenant_id=tenant_a, vault=vault, ticket_id=made.ticket_id)


def test_what_waits_of_a_customer_is_what_is_not_closed(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    chen = stored(gate, vault, tenant_a, phone=CHEN)
    first, second = (opened(gate, vault, tenant_a, ines) for _ in range(2))
    opened(gate, vault, tenant_a, chen)
    closed = move(gate, vault, tenant_a, first.ticket_id, TicketState.CLOSED)
    assert closed.closed_at is not None
    assert move(gate, vault, tenant_a, first.ticket_id, TicketState.CLOSED).version == closed.version
    with gate.open(Scope.system(tenant_a)) as session:
        waiting = tickets.open_of_customer(session, tenant_id=tenant_a, vault=vault, customer_id=ines.id)
    assert [one.ticket_id for one in waiting] == [second.ticket_id]
    again = move(gate, vault, tenant_a, first.ticket_id, TicketState.OPEN)
    assert (again.state, again.closed_at) == (TicketState.OPEN, None)
    with gate.open(Scope.system(tenant_a)) as session:
        found = evidence.page(session, tenant_id=tenant_a, limit=20)
    actions = [one.fact.action for one in found.entries if one.fact.action.startswith("ticket.")]
    assert sorted(actions) == ["ticket.closed", *["ticket.opened"] * 3, "ticket.reopened"]


def test_who_saves_second_is_refused(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    made = opened(gate, vault, tenant_a, ines)
    with clock.hold(NOON + dt.timedelta(days=5)), gate.open(Scope.system(tenant_a)) as session:
        given: dict[str, Any] = {
            "tenant_id": tenant_a,
            "vault": vault,
            "ticket_id": made.ticket_id,
            "state": TicketState.OPEN,
        }
        changed = tickets.change(session, **given, version=1, details=replace(LATE, subject="Lost"))
        assert (changed.details.subject, changed.is_overdue) == ("Lost", True)
        with pytest.raises(TicketChangedError):
            tickets.change(session, **given, version=1, details=LATE)


@pytest.mark.parametrize(
    ("differs", "field"),
    [
        ({"subject": " "}, "subject"),
        ({"subject": "x" * 121}, "subject"),
        ({"subject": "two\nlines"}, "subject"),
        ({"text": "x" * 4001}, "text"),
        ({"due_at": NOON - dt.timedelta(seconds=1)}, "due_at"),
        ({"due_at": NOON + dt.timedelta(days=367)}, "due_at"),
    ],
)
def test_a_ticket_that_cannot_be_is_refused(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard, differs: dict[str, object], field: str
) -> None:
    with pytest.raises(TicketDetailsError) as refused:
        opened(gate, vault, tenant_a, ines, replace(LATE, **differs))  # type: ignore[arg-type] # by name
    assert refused.value.details == {"field": field}


@pytest.mark.parametrize("where", ["subject", "text"])
def test_a_card_number_is_kept_nowhere(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard, where: str
) -> None:
    with pytest.raises(CardNumberError):
        opened(gate, vault, tenant_a, ines, replace(LATE, **{where: "4111 1111 1111 1111"}))  # type: ignore[arg-type] # by name


def test_another_company_finds_none(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId, ines: CustomerCard
) -> None:
    made = opened(gate, vault, tenant_a, ines)
    with gate.open(Scope.system(tenant_b)) as session:
        assert tickets.page(session, tenant_id=tenant_a, vault=vault) == []
        for tenant_id in (tenant_a, tenant_b):
            with pytest.raises(TicketNotFoundError):
                tickets.get(session, tenant_id=tenant_id, vault=vault, ticket_id=made.ticket_id)
