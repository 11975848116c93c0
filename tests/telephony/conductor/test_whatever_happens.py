"""Whatever happens: no call in two places, no agent on two calls, no call lost, none stands still.

Days at random, the same for the same number: callers come and go, agents do all they can, phones vanish, the
line to the switch breaks, the switch keeps words to itself, and, in every second day, the switchboard is
killed. What has to hold is looked at after each step, and when everybody has gone home.
"""

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import pytest

from core import clock
from core.ids import AgentId, TenantId
from core.realtime import Realtime
from security.gate import Gate
from security.vault import Vault
from telephony import calls
from telephony.calls import Call
from telephony.conductor import watchdog
from telephony.conductor.phases import Phase
from telephony.switch import port
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

pytestmark = pytest.mark.slow

STEPS, QUIET_S = 50, 780
PEOPLE = ("bob", "mara", "iris")
OF_CALLERS = ("calls", "calls", "hangs up", "presses 5")
OF_AGENTS = (
    "answers",
    "answers",
    "answers",
    "hangs up",
    "wraps up",
    "is available",
    "is available",
    "is break",
    "declines",
    "holds on",
    "holds off",
    "closes the browser",
    "opens the browser",
    "loses the browser",
    "transfers to",
    "asks",
    "swaps",
    "merges",
    "leaves",
    "ends",
)
OF_THE_WORLD = (
    "switch drops the line",
    "switch is back",
    "pulse beats",
    "dialler dials +447700900120",
    "dialler dials +447700900126",
)
NOT_TOLD = (port.PlaybackFinished, port.AgentAnswered, port.Ended)


class Day:
    """One day, drawn with dice."""

    def __init__(self, theatre: Theatre, seed: int, *, has_kills: bool) -> None:
        self.stage, self.has_kills = theatre, has_kills
        self.dice = random.Random(seed)  # noqa: S311 - a die for a test, thrown the same way each time
        self.fate = random.Random(-1 - seed)  # noqa: S311 - one of its own: threads decide what is told when
        self.guests = 0
        self.did: list[str] = []

    def hushes(self, event: port.Event) -> bool:
        """Some of what the switch would say is never told; that a caller has gone always is, or at a beat."""
        return isinstance(event, NOT_TOLD) and self.fate.random() < 0.08

    def draw(self) -> tuple[str, str]:
        """Return who does what next."""
        match self.dice.randrange(10):
            case 0 | 1 | 2:
                what = self.dice.choice(OF_CALLERS)
                if what == "calls":
                    self.guests += 1
                return f"guest-{self.dice.randint(max(1, self.guests - 3), max(1, self.guests))}", what
            case 3:
                who, _, what = self.dice.choice(OF_THE_WORLD).partition(" ")
                return who, what
            case _:
                who, what = self.dice.choice(PEOPLE), self.dice.choice(OF_AGENTS)
                to = self.dice.choice([one for one in PEOPLE if one != who])
                return who, f"{what} {to}" if what in {"transfers to", "asks"} else what

    async def pass_by(self) -> None:
        """Let it happen, and look after each step."""
        stage = self.stage
        stage.hushes = self.hushes
        for _ in range(STEPS):
            who, what = self.draw()
            self.did.append(f"{who} {what}")
            try:
                await stage._act(who, what)
            except (LookupError, AssertionError, RuntimeError) as error:  # it cannot be done now
                if isinstance(error, RuntimeError) and "StopIteration" not in str(error):
                    raise
                self.did.pop()
            if self.has_kills and self.dice.random() < 0.06:
                self.did.append("killed")
                for _ in range(self.dice.randrange(40)):
                    await asyncio.sleep(0)
                sim = stage.sim
                await stage.down(killed=True)
                await stage.up(sim=sim)
            await stage.settle()
            await stage.sim.advance(self.dice.choice((200, 1_000, 3_000, 9_000)))
            await stage.conductor.widen()
            await stage.settle()
            self.look()

    def look(self) -> None:
        """Nobody is in two places."""
        live, floor = self.stage.conductor.live, self.stage.conductor.floor
        has: dict[AgentId, set[object]] = defaultdict(set)
        for call in live:
            for offer in (call.offer, call.asked):
                if offer:
                    has[offer.agent_id].add(call.call_id)
            waits = call.call_id in floor.waiting
            if self.stage.sim.switch._is_connected:
                assert waits == (call.phase is Phase.QUEUED), self.did
        assert all(len(mine) == 1 for mine in has.values()), self.did
        for agent_id, (mine,) in ((one, tuple(ids)) for one, ids in has.items()):
            assert floor.agents[agent_id].call_id == mine, self.did
        met: dict[str, list[str]] = defaultdict(list)
        for channel in self.stage.sim.switch._channels.values():
            if channel.is_inbound and channel.bridge:
                met[channel.bridge].append(channel.name)
        assert all(len(callers) == 1 for callers in met.values()), self.did

    async def end(self) -> None:
        """Nobody does anything any more; what waits for machines ends; then all hang up and go home."""
        stage = self.stage
        stage.hushes = lambda _event: False
        stage.sim.reconnect()
        await stage.settle()
        for _ in range(0, QUIET_S, 30):
            await stage.sim.advance(30_000)
            await stage.conductor.widen()
            await stage.conductor.heartbeat()
            await stage.settle()
            self.look()
        stands = {call.phase for call in stage.conductor.live}
        assert stands <= watchdog.BY_PEOPLE, (stands, self.did)
        for channel in [one for one in stage.sim.switch._channels.values() if one.is_inbound]:
            stage.sim.far_end_hangs_up(channel.name)
        for _ in range(4):
            await stage.settle()
            await stage.sim.advance(15_000)
            await stage.conductor.widen()
            await stage.conductor.heartbeat()
        for name in PEOPLE:
            await stage._act(name, "wraps up")
        await stage.settle()
        assert not stage.conductor.live, self.did
        assert not stage.sim.switch._channels, (list(stage.sim.switch._channels), self.did)
        assert not stage.sim.switch._bridges, (stage.sim.switch._bridges, self.did)
        for agent in stage.conductor.floor.agents.values():
            assert agent.call_id is None, self.did


def found(theatre: Theatre) -> list[Call]:
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        return list(calls.page(session, tenant_id=tenant_id, vault=theatre.vault, limit=200).calls)


def pass_a_day(
    gate: Gate, vault: Vault, realtime: Realtime, tenant: TenantId, folder: Path, seed: int
) -> None:
    async def whole(day: Day) -> None:
        await day.stage.up()
        await day.pass_by()
        await day.end()
        await day.stage.down()

    with clock.hold(START):
        company = open_company(gate, vault, tenant)
        theatre = Theatre(gate, vault, realtime, folder, company)
        for number, name in enumerate(PEOPLE, 1001):
            theatre.people[name] = hire(gate, vault, company, number=number, seat=f"A-{number}")
        day = Day(theatre, seed, has_kills=bool(seed % 2))
        asyncio.run(whole(day))
        made = found(theatre)
        if not day.has_kills:
            came = sum(code != 503 for name, code in theatre.sim.switch.outcomes.items())
            assert sum(one.direction == "inbound" for one in made) == came, day.did
        for call in made:
            assert call.ended_at is not None, (call, day.did)
            usages = theatre.usages_of(call.call_id)
            if call.direction == "inbound":
                assert usages == ([call.talk_ms] if call.bridged_at else []), (call, day.did)
            else:
                assert len(usages) <= 1, (call, day.did)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_nobody_is_in_two_places_and_nothing_is_lost_or_stands_still(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path, seed: int
) -> None:
    pass_a_day(gate, vault, realtime, tenant_a, tmp_path, seed)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4, 104))
def test_whatever_happens_on_a_hundred_days(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path, seed: int
) -> None:
    pass_a_day(gate, vault, realtime, tenant_a, tmp_path, seed)
