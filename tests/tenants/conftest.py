import pytest

from security.gate import Gate
from security.vault import Vault
from tests.tenants.people import People


@pytest.fixture
def people(gate: Gate, vault: Vault) -> People:
    return People(gate, vault)
