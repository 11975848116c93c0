"""A tenant with an account and prices."""

import pytest
from hypothesis import HealthCheck, settings

from billing.price_lists import Published
from core.ids import TenantId
from security.gate import Gate, Scope
from tests.billing import stock

# a busy machine makes an example slow, not wrong
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def version(gate: Gate) -> Published:
    """Version 1 of the price list `uk-standard`, in force since January."""
    return stock.publish(gate)


@pytest.fixture
def alice(gate: Gate, tenant_a: TenantId, version: Published) -> TenantId:
    """Alice's company, billed in pounds in London time."""
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    return tenant_a


@pytest.fixture
def charlie(gate: Gate, tenant_b: TenantId, version: Published) -> TenantId:
    """Charlie's company, on the same price list."""
    with gate.open(Scope.system(tenant_b)) as session:
        stock.customer(session, tenant_id=tenant_b, version=version)
    return tenant_b
