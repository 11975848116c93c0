"""The switchboard is killed at every step of a call, and at random: each call is billed once.

Never beyond the time for which the call can have been connected, and a connected call never not at all.
"""

import asyncio
import datetime as dt
import random
from pathlib import Path

import pytest

from core import clock
from core.ids import TenantId
from core.realtime import Realtime
from security.gate import Gate
from security.vault import Vault
from telephony import calls
from telephony.calls import Call
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

pytestmark = pytest.mark.slow

STEPS = (
    "caller calls",
    "bob answers",
    "pulse beats",
    "bob holds on",
    "bob holds off",
    "pulse beats",
    "caller hangs up",
)
ONE_STEP_MS = 3000


def stage(gate: Gate, vault: Vault, realtime: Realtime, tenant: TenantId, folder: Path) -> Theatre:
    company = open_company(gate, vault, tenant)
    made = Theatre(gate, vault, realtime, folder, company)
    made.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
    return made


async def act(theatre: Theatre, step: str) -> None:
    """Do one step if it can be done now: after a kill the call may stand elsewhere than it did."""
    who, *what = step.split()
    try:
        await theatre._act(who, " ".join(what))
    except (LookupError, AssertionError, StopIteration):
        return


async def kill(theatre: Theatre, *, after_turns: int) -> None:
    """Kill the switchboard some turns of its loop after the last step, and start it anew."""
    for _ in range(after_turns):
        await asyncio.sleep(0)
    sim = theatre.sim
    await theatre.down(killed=True)
    await theatre.up(sim=sim)


async def one_call(theatre: Theatre, dice: random.Random | None, kill_after: int | None) -> int:
    """Play one call; return how often the switchboard was killed."""
    kills = 0
    for number, step in enumerate(STEPS):
        await act(theatre, step)
        is_due = number == kill_after if dice is None else dice.random() < 0.3
        if is_due:
            await kill(theatre, after_turns=dice.randrange(60) if dice else 8)
            kills += 1
        await theatre.settle()
        await theatre.sim.advance(ONE_STEP_MS)
        if step == "caller calls" and theatre.sim.ringing(theatre.people["bob"].endpoint) is None:
            await theatre.sim.advance(ONE_STEP_MS)
    theatre.sim.far_end_hangs_up(theatre.caller)
    await theatre.settle()
    await theatre.conductor.heartbeat()
    await act(theatre, "bob wraps up")
    await act(theatre, "bob is available")
    await theatre.settle()
    await theatre.sim.advance(ONE_STEP_MS)
    return kills


def found(theatre: Theatre) -> list[Call]:
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        return list(calls.page(session, tenant_id=tenant_id, vault=theatre.vault, limit=200).calls)


def check(theatre: Theatre, *, most_s: float) -> None:
    """Every call that was connected has one usage; no usage beyond the time the two were joined."""
    for call in found(theatre):
        usages = theatre.usages_of(call.call_id)
        if call.bridged_at is None:
            assert usages == []
            continue
        assert call.talk_ms is not None, "a connected call has no CDR"
        assert usages == [call.talk_ms]
        assert call.talk_ms <= most_s * 1000


@pytest.mark.parametrize("kill_after", range(len(STEPS)), ids=STEPS)
def test_killed_right_after_a_step_the_call_is_billed_once(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path, kill_after: int
) -> None:
    async def whole(theatre: Theatre) -> None:
        await theatre.up()
        await one_call(theatre, None, kill_after)
        await theatre.down()

    with clock.hold(START):
        theatre = stage(gate, vault, realtime, tenant_a, tmp_path)
        asyncio.run(whole(theatre))
        connected = [call for call in found(theatre) if call.bridged_at]
        assert len(connected) == 1
        check(theatre, most_s=len(STEPS) * ONE_STEP_MS / 1000)
        assert clock.now() > START + dt.timedelta(seconds=10)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_random_a_hundred_times_every_call_is_billed_once(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a die for a test, thrown the same way each time

    async def whole(theatre: Theatre) -> None:
        await theatre.up()
        kills = 0
        while kills < 100:
            kills += await one_call(theatre, dice, None)
        await theatre.down()

    with clock.hold(START):
        theatre = stage(gate, vault, realtime, tenant_a, tmp_path)
        asyncio.run(whole(theatre))
        check(theatre, most_s=(len(STEPS) + 3) * ONE_STEP_MS / 1000)
        assert any(call.bridged_at for call in found(theatre))
