import pytest

from tests.tenants.people import People


@pytest.fixture
def people(gate, vault) -> People:
    return People(gate, vault)
