"""A console that is opened again while what its agent does is still being written."""

import asyncio
import threading
from pathlib import Path

import pytest

from core import clock
from core.ids import OPERATOR, TenantId
from core.realtime import Realtime
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import orders
from telephony.orders import OrderKind
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

pytestmark = pytest.mark.slow


def test_an_agent_stays_as_free_as_they_said_they_are(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> None:
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        theatre = Theatre(gate, vault, realtime, tmp_path, company)
        theatre.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        bob = theatre.people["bob"].agent_id

        async def whole() -> None:
            await theatre.up()
            await theatre.play("0 bob is away")
            slow = threading.Event()
            theatre.books.write(bob, slow.wait)
            with gate.open(Scope.system(OPERATOR)) as session:
                orders.leave(session, OrderKind.STATUS, agent_id=bob, status="available", reason="")
                orders.leave(session, OrderKind.SIGN_IN, agent_id=bob)
            await theatre.conductor.carry_out_orders()
            slow.set()
            await theatre.settle()
            assert theatre.states("bob")[-1] == "available"
            await theatre.play("0 caller calls\n5 bob answers")
            await theatre.down()

        asyncio.run(whole())
    assert theatre.states("bob")[-1] == "talking"
