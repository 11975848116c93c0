import asyncio
from pathlib import Path

from core import clock
from core.ids import TenantId
from core.realtime import Realtime
from security.gate import Gate
from security.vault import Vault
from telephony.conductor import pulse
from telephony.conductor.pulse import Pulse
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company


def test_a_floor_on_which_nothing_has_happened_is_fresh_and_empty(
    gate: Gate, vault: Vault, realtime: Realtime, tmp_path: Path, tenant_a: TenantId
) -> None:
    async def whole() -> None:
        company = open_company(gate, vault, tenant_a)
        theatre = Theatre(gate, vault, realtime, tmp_path, company)
        await theatre.up()
        assert pulse.now_of(realtime, tenant_a) is None, "nobody has said anything yet"
        await Pulse(theatre.conductor, realtime).beat()
        found = pulse.now_of(realtime, tenant_a)
        assert found is not None
        assert (found["queues"], found["agents"]) == ({}, {})
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())


def test_who_rings_at_an_agent_is_not_counted_as_waiting(
    gate: Gate, vault: Vault, realtime: Realtime, tmp_path: Path, tenant_a: TenantId
) -> None:
    async def whole() -> None:
        company = open_company(gate, vault, tenant_a)
        theatre = Theatre(gate, vault, realtime, tmp_path, company)
        theatre.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        await theatre.up()
        await theatre.play("0 caller calls\n1 caller calls")
        floor = pulse.floor_of_tenants(theatre.conductor, clock.now())[tenant_a]
        assert floor["queues"][str(company.queue_id)]["waiting"] == 1
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
