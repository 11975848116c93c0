"""T75, in the room: a decoy is in the list, found by no number, and opens for nobody."""

import pytest

from core.ids import TenantId
from customers import decoys, lookup, records, reveals
from customers.errors import CustomerNotFoundError, DecoyOpenedError
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from tests.customers.factory import INES, stored


def test_decoy_stands_in_the_list_and_opens_for_nobody(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        made = decoys.invent(session, tenant_id=tenant_a, vault=vault)
    with gate.open(Scope.system(tenant_a)) as session:
        (card,) = records.page(session, tenant_id=tenant_a, vault=vault).customers
        assert card.id == made
        assert [one.customer_id for one in decoys.every(session, tenant_id=tenant_a, vault=vault)] == [made]
        assert lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=card.phone) is None
        assert decoys.is_decoys(session, tenant_id=tenant_a, vault=vault, phone=card.phone)
        with pytest.raises(DecoyOpenedError):
            records.get(session, tenant_id=tenant_a, vault=vault, customer_id=made)
        with pytest.raises(DecoyOpenedError):
            reveals.reveal(
                session, tenant_id=tenant_a, vault=vault, customer_id=made, field="name", principal_id=made
            )


def test_marked_and_unmarked(gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId) -> None:
    ines = stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_b)) as session, pytest.raises(CustomerNotFoundError):
        decoys.mark(session, tenant_id=tenant_b, customer_id=ines.id)
    with gate.open(Scope.system(tenant_a)) as session:
        for _ in range(2):
            decoys.mark(session, tenant_id=tenant_a, customer_id=ines.id)
        assert lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=INES) is None
        decoys.unmark(session, tenant_id=tenant_a, customer_id=ines.id)
        assert records.get(session, tenant_id=tenant_a, vault=vault, customer_id=ines.id) == ines
        assert lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=INES) == ines
        with pytest.raises(CustomerNotFoundError):
            decoys.unmark(session, tenant_id=tenant_a, customer_id=ines.id)


def test_log_does_not_say_which_customer_is_one(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        decoys.mark(session, tenant_id=tenant_a, customer_id=stored(gate, vault, tenant_a).id)
    with gate.open(Scope.system(tenant_a)) as session:
        (entry,) = evidence.page(session, tenant_id=tenant_a, limit=9, action="decoy.made").entries
    assert entry.fact.subject == ""
    assert not entry.fact.details
