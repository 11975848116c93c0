"""T71: an agent looks behind masks so often an hour and no more, whatever they try at once."""

import datetime as dt
import threading
from uuid import UUID

import pytest

from core import clock
from core.ids import TenantId, new_id
from customers import budgets, reveals
from customers.budgets import Allowed
from customers.errors import LookBudgetError, LookPurposeError, LooksUsedUpError
from customers.records import CustomerCard
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from tests.customers.factory import stored

BOB, EVE, SUE = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture
def ines(gate: Gate, vault: Vault, tenant_a: TenantId) -> CustomerCard:
    with gate.open(Scope.system(tenant_a)) as session:
        budgets.allow(session, tenant_id=tenant_a, wanted=Allowed(per_hour=2))
    return stored(gate, vault, tenant_a)


def look(
    gate: Gate,
    vault: Vault,
    tenant_id: TenantId,
    card: CustomerCard,
    *,
    who: UUID = BOB,
    purpose: str = "contact",
) -> str:
    with gate.open(Scope.system(tenant_id)) as session:
        return reveals.reveal_to_agent(
            session,
            tenant_id=tenant_id,
            vault=vault,
            customer_id=card.id,
            field="phone",
            principal_id=who,
            call_id=new_id(),
            purpose=purpose,
        )


def test_looks_of_an_hour_are_counted_each_agents_own(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    assert look(gate, vault, tenant_a, ines) == ines.phone
    look(gate, vault, tenant_a, ines)
    with pytest.raises(LooksUsedUpError):
        look(gate, vault, tenant_a, ines)
    look(gate, vault, tenant_a, ines, who=EVE)
    with clock.hold(clock.now() + dt.timedelta(minutes=61)):
        look(gate, vault, tenant_a, ines)


def test_grant_is_for_one_agent_and_an_hour(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    for _ in range(2):
        look(gate, vault, tenant_a, ines)
        look(gate, vault, tenant_a, ines, who=EVE)
    with gate.open(Scope.system(tenant_a)) as session:
        budgets.grant(session, tenant_id=tenant_a, principal_id=BOB, extra=1, by=SUE)
    look(gate, vault, tenant_a, ines)
    for who in (BOB, EVE):
        with pytest.raises(LooksUsedUpError):
            look(gate, vault, tenant_a, ines, who=who)
    with clock.hold(clock.now() + dt.timedelta(minutes=61)), gate.open(Scope.system(tenant_a)) as session:
        assert budgets.spent(session, tenant_id=tenant_a, principal_id=BOB).allowed == 2
    with gate.open(Scope.system(tenant_a)) as session:
        logged = evidence.page(session, tenant_id=tenant_a, limit=9, action="customer.looks-granted").entries
    assert logged[0].fact.details["extra"] == 1


def test_looks_at_once_do_not_pass_the_last_one_twice(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    said: list[str] = []

    def ask() -> None:
        try:
            said.append(look(gate, vault, tenant_a, ines))
        except LooksUsedUpError as error:
            said.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(said) == sorted([ines.phone] * 2 + ["looks-used-up"] * 6)


def test_look_without_a_purpose_is_none_and_costs_nothing(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    for purpose in ("", "curiosity"):
        with pytest.raises(LookPurposeError):
            look(gate, vault, tenant_a, ines, purpose=purpose)
    look(gate, vault, tenant_a, ines)
    with gate.open(Scope.system(tenant_a)) as session:
        assert budgets.spent(session, tenant_id=tenant_a, principal_id=BOB).used == 1
        (entry,) = evidence.page(session, tenant_id=tenant_a, limit=9, action="customer.revealed").entries
        assert entry.fact.purpose == "contact"


def test_budgets_are_within_bounds(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        assert budgets.per_hour(session, tenant_id=tenant_a) == budgets.USUAL_PER_HOUR
        for looks in (-1, 1001):
            with pytest.raises(LookBudgetError):
                budgets.allow(session, tenant_id=tenant_a, wanted=Allowed(per_hour=looks))
        for extra in (0, 101):
            with pytest.raises(LookBudgetError):
                budgets.grant(session, tenant_id=tenant_a, principal_id=BOB, extra=extra, by=SUE)
