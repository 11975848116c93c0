"""How soon an agent's phone rings: INVITE in from a trunk to INVITE out to an agent.

    python -m bench.first_ring                      # every floor, prints JSON; about half an hour
    python -m bench.first_ring --calls 50 --seconds 30
    python -m bench.first_ring --ours bench.first_ring:BareRouter

Two arms run in the same Asterisk in the same run, turn and turn about (ours, queue, queue, ours, ...):

* *queue*: Asterisk's own `Queue()`, called at once and without answering first, which is its fastest;
* *ours*: whatever `--ours` names (see `Arm`); by itself the product's switchboard. The bare router on our
  switch driver is the floor that anything built on the driver stands on.

On three floors, one after the other, both arms with as many agents of their own: 10, all free; 1,500 of whom
one is free; 1,500 of whom 300 are, which is the main one. On each come calls one after the other; on the
main one then 10 a second in each arm, in an open loop, ten thousand of them at least. Agents who are not free
are signed in and away; in `Queue()` they are paused members.

Both ends are measured in this process on one clock: just before the caller's INVITE is sent, and when the
agent's arrives. The router runs in a process of its own, as it does in production. Phones send no media.
"""

import argparse
import asyncio
import collections
import contextlib
import importlib
import itertools
import json
import multiprocessing
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from core import clock
from core.ids import new_id
from launch.parts import start_asterisk
from telephony.switch.ari import AriSwitch
from telephony.switch.port import (
    AgentAnswered,
    Arrived,
    ChannelGoneError,
    Connected,
    Ended,
    Event,
    Switch,
    SwitchError,
)
from tests.phones.sip import Invitation, Phone, header, open_phone

TRUNK_ADDRESS = "127.0.0.2"
QUEUE_TRUNK_ADDRESS = "127.0.0.4"
AGENT_ADDRESS = "127.0.0.3"
AGENT_PORT = 25170  # the first; one more for each agent
ANSWER_AFTER_S = 0.05
HOLD_S = 0.3
RATE_A_SECOND = 10.0
RING_WITHIN_S = 5.0
_ARMS = ("ours", "queue")


@dataclass(frozen=True, slots=True)
class Floor:
    """So many agents in each arm, of whom so many are free; whether calls then come at their pace as well."""

    agents: int
    free: int
    is_main: bool = False


FLOORS = {"ten": Floor(10, 10), "one_free": Floor(1500, 1), "main": Floor(1500, 300, is_main=True)}


@dataclass(frozen=True, slots=True)
class Ground:
    """What an arm is given: a switch of its own, and agents' phones that are always there.

    The agents of the first `free` phones are free, or all of them; the others are signed in and away.
    """

    ari_url: str
    endpoints: tuple[str, ...]
    sounds_dir: Path
    free: int | None = None


class Arm(Protocol):
    """Our side of the comparison."""

    name: str
    dnis: tuple[str, ...]  # the numbers that lead to its agents; calls take turns
    shows_dialled: bool  # whether the agent's phone is shown the number dialled instead of the caller's

    def start(self, ground: Ground) -> None:
        """Bring up what answers calls to `dnis` with the agents of `ground`; return when it is ready."""

    def stop(self) -> None:
        """Take it down again."""


# --- the bare router -----------------------------------------------------------------------------


class BareRouter:
    """See `Arm`: rings the agent who has been free the longest, before it even answers the caller."""

    name = "bare router on the driver"
    dnis = ("+15551000",)
    shows_dialled = False

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None

    def start(self, ground: Ground) -> None:
        """See `Arm.start`."""
        ready = self._context.Event()
        arguments = (ground.ari_url, ground.endpoints[: ground.free], ready)
        self._process = self._context.Process(target=_route_for_ever, args=arguments, daemon=True)
        self._process.start()
        if not ready.wait(20):
            message = "the router did not connect"
            raise RuntimeError(message)

    def stop(self) -> None:
        """See `Arm.stop`."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(10)
            self._process.close()


def _route_for_ever(url: str, endpoints: Sequence[str], ready: Any) -> None:  # noqa: ANN401 - an Event
    switch = AriSwitch.at(url)
    asyncio.run(switch.run(_Router(switch, endpoints, ready)))


class _Router:
    def __init__(self, switch: Switch, endpoints: Sequence[str], ready: Any) -> None:  # noqa: ANN401
        self._switch = switch
        self._free = collections.deque(endpoints)
        self._waiting: collections.deque[Arrived] = collections.deque()
        self._pairs: dict[str, tuple[str, str]] = {}  # either channel -> the other, the endpoint
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = ready

    def __call__(self, event: Event) -> None:
        match event:
            case Connected():
                self._ready.set()
            case Arrived():
                self._waiting.append(event)
                self._offer()
            case AgentAnswered(channel=agent) if agent in self._pairs:
                self._go(self._join(agent, self._pairs[agent][0]))
            case Ended(channel=channel) if channel in self._pairs:
                other, endpoint = self._pairs.pop(channel)
                if self._pairs.pop(other, None):
                    self._go(self._switch.hang_up(other))
                    self._free.append(endpoint)
                self._offer()

    def _offer(self) -> None:
        while self._free and self._waiting:
            call, endpoint = self._waiting.popleft(), self._free.popleft()
            agent = f"agent-{new_id()}"
            self._pairs[agent] = (call.channel, endpoint)
            self._pairs[call.channel] = (agent, endpoint)
            # Both requests leave at once; the one that matters first.
            self._go(self._switch.ring(agent, endpoint, caller=call.ani))
            self._go(self._switch.answer(call.channel))

    async def _join(self, agent: str, caller: str) -> None:
        bridge = f"bridge-{agent}"
        await self._switch.bridge(bridge)
        await self._switch.join(bridge, (caller, agent))

    def _go(self, command: Any) -> None:  # noqa: ANN401 - a coroutine
        async def quietly() -> None:
            with contextlib.suppress(ChannelGoneError, SwitchError):
                await command

        task = asyncio.get_running_loop().create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


# --- the ground ----------------------------------------------------------------------------------


def _endpoints(arm: str, count: int) -> tuple[str, ...]:
    return tuple(f"{arm}{i}" for i in range(count))


def _free(floor: Floor) -> dict[str, int]:
    """Return the port of each phone that may ring, by its endpoint."""
    names = (*_endpoints("ours", floor.free), *_endpoints("queue", floor.free))
    return {name: AGENT_PORT + number for number, name in enumerate(names)}


def _extra_conf(floor: Floor) -> dict[str, str]:
    phones, ports = "", _free(floor)
    for name in (*_endpoints("ours", floor.agents), *_endpoints("queue", floor.agents)):
        contact = f"sip:{name}@{AGENT_ADDRESS}:{ports.get(name, AGENT_PORT - 1)}"
        phones += (
            f"[{name}]\ntype = endpoint\ntransport = udp\naors = {name}\ncontext = from-agent\n"
            "disallow = all\nallow = ulaw\ndirect_media = no\n"
            f"[{name}]\ntype = aor\ncontact = {contact}\n"
        )
    trunk = (
        "[queue-trunk]\ntype = endpoint\ntransport = udp\ncontext = bench-queue\ndisallow = all\n"
        "allow = ulaw,alaw\ndirect_media = no\nrtp_symmetric = yes\nforce_rport = yes\n"
        "[queue-trunk]\ntype = identify\nendpoint = queue-trunk\n"
        f"match = {QUEUE_TRUNK_ADDRESS}/32\n"
    )
    members = "".join(
        f"member => PJSIP/{name}{'' if name in ports else ',0,,,,,yes'}\n"
        for name in _endpoints("queue", floor.agents)
    )
    return {
        "pjsip.conf": phones + trunk,
        "modules.conf": "load = app_queue.so\n",
        "extensions.conf": "[bench-queue]\nexten => _[+0-9]!,1,Queue(bench,r,,,60)\n same => n,Hangup()\n",
        "queues.conf": (
            "[general]\npersistentmembers = no\nautofill = yes\nshared_lastcall = no\n"
            "[bench]\nstrategy = leastrecent\ntimeout = 30\nretry = 1\nwrapuptime = 0\n"
            f"ringinuse = no\njoinempty = yes\n{members}"
        ),
    }


# --- measuring -----------------------------------------------------------------------------------


class _Field:
    """The phones of both arms, and what was seen."""

    def __init__(self, server: tuple[str, int], stack: contextlib.AsyncExitStack) -> None:
        self._server, self._stack = server, stack
        self._idle: dict[str, list[Phone]] = {"ours": [], "queue": []}
        self._rang: dict[str, float] = {}
        self._numbers = 0
        self.took_ms: dict[str, list[float]] = {"ours": [], "queue": []}
        self.lost: collections.Counter[str] = collections.Counter()

    async def place_agents(self, floor: Floor) -> None:
        for name, port in _free(floor).items():
            phone = Phone(AGENT_ADDRESS, name, self._server, answers_after_s=ANSWER_AFTER_S, has_media=False)
            phone.on_invite = self._rings
            await phone.start(port=port)
            self._stack.push_async_callback(phone.close)

    def _rings(self, invitation: Invitation) -> None:
        if found := re.search(r"sip:\+?(\d+)@", header(invitation.text, "From")):
            self._rang.setdefault(found[1], invitation.at)

    async def call(self, arm: str, dnis: str, *, shows_dialled: bool = False) -> None:
        phone = self._idle[arm].pop() if self._idle[arm] else await self._caller(arm)
        self._numbers += 1
        # numbers kept for drama, valid like a real caller's; a thousand calls apart none is under way
        phone.user = f"447700900{self._numbers % 1000:03d}"
        shown = dnis.removeprefix("+") if shows_dialled else phone.user
        self._rang.pop(shown, None)
        try:
            async with asyncio.timeout(RING_WITHIN_S):
                code = await phone.call(dnis)
        except TimeoutError:
            code = 0
        if code == 200:
            await asyncio.sleep(HOLD_S)
            await phone.hang_up()
        # Only now: an arm that answers before it rings would else seem not to have rung.
        rang_at = self._rang.pop(shown, None)
        if rang_at is None:
            self.lost[arm] += 1
        else:
            self.took_ms[arm].append((rang_at - phone.called_at) * 1000)
        self._idle[arm].append(phone)

    async def _caller(self, arm: str) -> Phone:
        address = TRUNK_ADDRESS if arm == "ours" else QUEUE_TRUNK_ADDRESS
        opened = open_phone(address, "7", server=self._server, has_media=False)
        return await self._stack.enter_async_context(opened)


def _order(count: int) -> list[str]:
    """Return the arms turn and turn about, each twice as often first as second in a row of four."""
    return (["ours", "queue", "queue", "ours"] * (count // 2 + 1))[: 2 * count]


class _Lines:
    """Which number the next call of an arm dials."""

    def __init__(self, arm: Arm) -> None:
        self._shows_dialled = arm.shows_dialled
        self._ours = itertools.cycle(arm.dnis)

    async def call(self, field: _Field, arm: str) -> None:
        if arm == "ours":
            await field.call(arm, next(self._ours), shows_dialled=self._shows_dialled)
        else:
            await field.call(arm, "15552000")


async def _one_after_the_other(field: _Field, lines: _Lines, *, calls: int) -> None:
    for arm in _order(calls):
        await lines.call(field, arm)
        await asyncio.sleep(0.1)  # whatever a call leaves behind is tidied up


async def _paced(field: _Field, lines: _Lines, *, calls: int) -> None:
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, arm in enumerate(_order(calls)):
            # An open loop: the next call comes at its time, whatever became of the last one.
            due = began + number / (2 * RATE_A_SECOND)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(lines.call(field, arm))


@contextlib.asynccontextmanager
async def _field(server: tuple[str, int], floor: Floor) -> AsyncIterator[_Field]:
    async with contextlib.AsyncExitStack() as stack:
        field = _Field(server, stack)
        await field.place_agents(floor)
        yield field


async def _measure(
    server: tuple[str, int], arm: Arm, floor: Floor, *, calls: int, seconds: float
) -> dict[str, Any]:
    lines, report = _Lines(arm), {}
    async with _field(server, floor) as field:
        # to warm up: every number once
        await _one_after_the_other(field, lines, calls=max(5, len(arm.dnis)))
        await asyncio.sleep(1)
        for took in field.took_ms.values():
            took.clear()
        field.lost.clear()
        await _one_after_the_other(field, lines, calls=calls)
        report["sequential"] = _compare(field)
    if floor.is_main:
        async with _field(server, floor) as field:
            await _paced(field, lines, calls=int(seconds * RATE_A_SECOND))
            report["paced"] = {"calls_a_second_each": RATE_A_SECOND, **_compare(field)}
    return report


def _compare(field: _Field) -> dict[str, Any]:
    ours, queue = (_figures(field.took_ms[arm], lost=field.lost[arm]) for arm in _ARMS)
    return {
        "ours": ours,
        "queue": queue,
        "median_ratio": round(ours["median_ms"] / queue["median_ms"], 3),
        "median_difference_ms": round(ours["median_ms"] - queue["median_ms"], 3),
        "p95_ratio": round(ours["p95_ms"] / queue["p95_ms"], 3),
        "p99_ratio": round(ours["p99_ms"] / queue["p99_ms"], 3),
    }


def _figures(took_ms: list[float], *, lost: int) -> dict[str, float]:
    ordered = sorted(took_ms)
    if not ordered:
        message = "no phone rang"
        raise RuntimeError(message)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)

    return {
        "calls": len(ordered),
        "never_rang": lost,
        "median_ms": round(statistics.median(ordered), 3),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "max_ms": at(1),
    }


def measure(make: Callable[[], Arm], *, calls: int, seconds: float) -> dict[str, Any]:
    """Run both arms on every floor and return the report.

    Args:
        make: our side, anew for each floor.
        calls: of each arm, one after the other.
        seconds: how long both arms then get 10 calls a second each on the main floor.
    """
    began, load = clock.now(), os.getloadavg()[0]
    floors = {}
    for name, floor in FLOORS.items():
        sys.stderr.write(f"first_ring: {floor.agents} agents, {floor.free} free\n")
        floors[name] = {
            "agents": floor.agents,
            "free": floor.free,
            **_on(floor, make(), calls=calls, seconds=seconds),
        }
    few, many = floors["ten"]["sequential"], floors["main"]["sequential"]
    return {
        "measure": "INVITE in to agent's INVITE out",
        "ours_is": make().name,
        "at": began.isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "load_1min": round(load, 2),
            "python": platform.python_version(),
        },
        "growth": {
            arm: round(many[arm]["median_ms"] / few[arm]["median_ms"], 3) for arm in ("ours", "queue")
        },
        **floors,
    }


def _on(floor: Floor, arm: Arm, *, calls: int, seconds: float) -> dict[str, Any]:
    """Run both arms on one floor, in an Asterisk of their own."""
    home = Path(tempfile.mkdtemp(prefix="seatline-bench-"))
    home.chmod(0o755)
    try:
        running = start_asterisk(home, trunk_addresses=(TRUNK_ADDRESS,), extra=_extra_conf(floor))
        try:
            phones = _endpoints("ours", floor.agents)
            try:
                arm.start(Ground(running.url, phones, running.part.sounds_dir, floor.free))
                server = ("127.0.0.1", running.part.ports.sip)
                return asyncio.run(_measure(server, arm, floor, calls=calls, seconds=seconds))
            finally:
                arm.stop()
        finally:
            running.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_ring", description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="sequential calls of each arm, on each floor")
    parser.add_argument("--seconds", type=float, default=1000, help="length of the paced part")
    parser.add_argument("--ours", default="bench.switchboard:Switchboard", help="module:class of an Arm")
    chosen = parser.parse_args(arguments)
    module, _, name = chosen.ours.partition(":")
    make: Callable[[], Arm] = getattr(importlib.import_module(module), name)
    json.dump(measure(make, calls=chosen.calls, seconds=chosen.seconds), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
