import asyncio
import json
from pathlib import Path

from core import clock
from core.ids import OPERATOR, TenantId
from core.realtime import Realtime, key
from security.gate import Gate
from security.vault import Vault
from telephony.conductor import pulse
from telephony.conductor.pulse import Pulse
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company


def test_a_floor_on_which_nothing_has_happened_is_fresh_and_empty(
    gate: Gate, vault: Vault, realtime: Realtime, tmp_path: Path, tenant_a: TenantId, tenant_b: TenantId
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
        assert pulse.now_of_all(realtime, [tenant_a, tenant_b]) == {tenant_a: found, tenant_b: found}
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())


def test_the_floors_of_several_companies_come_in_one_go_and_each_is_its_own(
    realtime: Realtime, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    def say(whose: TenantId, about: TenantId, waiting: int) -> None:
        said = {"t": str(about), "k": pulse.TOPIC, "v": {"queues": {"one": {"waiting": waiting}}}}
        realtime.redis.set(key(whose, pulse.PURPOSE, "now"), json.dumps(said))

    say(tenant_a, tenant_a, 3)
    say(tenant_b, tenant_a, 4)  # in the wrong place: nobody is shown it
    assert pulse.now_of_all(realtime, [tenant_a, tenant_b]) == {tenant_a: {"queues": {"one": {"waiting": 3}}}}
    say(OPERATOR, OPERATOR, 0)  # the heart beats: of whom nothing is said, there is nothing
    assert pulse.now_of_all(realtime, [tenant_b])[tenant_b] == {"queues": {"one": {"waiting": 0}}}
    assert pulse.now_of_all(Realtime("redis://127.0.0.1:1/0"), [tenant_a]) == {}


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
