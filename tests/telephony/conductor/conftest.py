"""The stage most scenes play on: one company, and bob, who takes its calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import clock
from core.ids import TenantId
from core.realtime import Realtime
from security.gate import Gate
from security.vault import Vault
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company


@pytest.fixture
def theatre(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> Iterator[Theatre]:
    """The clock stands at the beginning until the scene plays."""
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        yield stage
