"""Paid hours: the operator's partition, seen by each client in rows of its own."""

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import clock
from core.ids import TenantId, new_id
from seats import hours, presence
from seats.hours import AgentHour
from security.gate import Gate, Scope
from security.vault import Vault
from tests.seats.factory import ON_FLOOR, hired

EIGHT = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)


def at(minutes: float) -> dt.datetime:
    return EIGHT + dt.timedelta(minutes=minutes)


def minutes(*counts: float) -> tuple[int, ...]:
    return tuple(round(count * 60_000) for count in counts)


def test_hours_are_cut_at_the_clock_and_add_up(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    bob = hired(gate, vault, number=1001).id
    call = new_id()
    with clock.hold(at(170)), gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=bob, at=at(0))
        for state, minute, payer, subject in (
            ("available", 10, tenant_a, None),
            ("reserved", 40, tenant_a, call),
            ("talking", 41, tenant_a, call),
            ("wrap_up", 70, tenant_a, call),
            ("available", 75, None, None),
            ("available", 80, tenant_b, None),
        ):
            presence.enter(
                session, agent_id=bob, state=state, at=at(minute), payer_tenant_id=payer, subject_ref=subject
            )
        found = hours.paid(session, start=at(0), end=at(600))
    assert found == {
        tenant_a: [
            AgentHour(1001, at(0), *minutes(30, 1, 19, 0, 0)),
            AgentHour(1001, at(60), *minutes(0, 0, 10, 0, 5)),
        ],
        tenant_b: [
            AgentHour(1001, at(60), *minutes(40, 0, 0, 0, 0)),
            AgentHour(1001, at(120), *minutes(50, 0, 0, 0, 0)),
        ],
    }


def test_client_sees_its_own_hours_and_newer_figures_win(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    running = AgentHour(1001, at(0), *minutes(10, 0, 0, 0, 0))
    done = AgentHour(1001, at(0), *minutes(30, 0, 30, 0, 0))
    with gate.open(Scope.system(tenant_a)) as session:
        for figures in (running, done, done):
            assert hours.publish(session, tenant_id=tenant_a, hours=[figures]) == 1
        assert hours.seen(session, tenant_id=tenant_a, start=at(0), end=at(60)) == [done]
        assert hours.publish(session, tenant_id=tenant_a, hours=[]) == 0
    with gate.open(Scope.system(tenant_b)) as session:
        assert hours.seen(session, tenant_id=tenant_b, start=at(0), end=at(60)) == []


def test_an_hour_has_sixty_minutes(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(IntegrityError, match="within_the_hour"), gate.open(Scope.system(tenant_a)) as session:
        hours.publish(
            session, tenant_id=tenant_a, hours=[AgentHour(1001, at(0), *minutes(30, 0, 30.1, 0, 0))]
        )
    with gate.open(Scope.system(tenant_a)) as session:
        assert session.execute(text("SELECT count(*) FROM app.agent_hours")).scalar_one() == 0
