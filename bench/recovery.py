"""The switchboard is killed with 100 calls up: how soon it routes again, and what becomes of the calls.

    python -m bench.recovery              # prints JSON; some two minutes
    python -m bench.recovery --calls 20   # fewer calls, in the same shares

A real Asterisk, SIP callers, desk phones; the whole switchboard (`bench.switchboard`) as it runs in the
product: a keeper and the process that conducts, which is ended with SIGKILL. Of 100 calls 40 talk, 10 are on
hold, 10 ring at an agent and 40 wait. While nobody conducts them two callers who talk hang up, and newcomers
call, five a second, until one rings at the agent kept free for them.

* routes again: from the kill until a phone rings for a caller who waited (the agent of one who hung up is
  free again), and for a newcomer. The later of the two is what counts.
* dropped: calls that ended although nobody hung up.
* silence: in each tenth call both ends speak all the while; the longest time the caller heard no packet, from
  a second before the kill to three seconds after the first ring. The others say one packet in two seconds.
* books: everybody is served and hangs up; then each call has one record, and one usage and one charge of its
  talk; its end is compared with the agent's phone's. Who hung up meanwhile is billed up to the last proof.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from bench.first_ring import AGENT_ADDRESS, TRUNK_ADDRESS, Ground
from bench.switchboard import Switchboard, hire, house_of, open_company, rent
from core import clock
from core.ids import OPERATOR, AgentId, TenantId
from launch.parts import start_asterisk
from security.gate import Scope
from telephony import loads, orders, queues
from telephony.admission import Bounds
from telephony.orders import OrderKind
from telephony.queues import WrapUp
from telephony.switch.ari import AriSwitch
from tests.phones.sip import Invitation, Phone, PhoneError

CALLS = 100
RINGS_S = 120  # longer than it takes until all hundred are up
GOAL_S = 3.0
_BUSY, _FRESH = "+442079460100", "+442079460101"
_AGENT_PORT = 25300
_EVERY_S = 0.2  # between two callers, and between two newcomers
_RARELY_S = 2.0  # between two packets of those whose sound is not measured
_HANG_UP = 2  # who talks and hangs up while nobody conducts
_PATIENCE_S = 120.0
_CHECK_S = 0.05
_AWAY = "lost-while-switchboard-away"


class Browsers(AriSwitch):
    """Rings desk phones, but gives each agent their browser's phone as well: that costs time on a return."""

    async def put_endpoint(self, endpoint: str, *, password: str) -> None:
        """Push the phone of a browser that never registers."""
        await super().put_endpoint(f"{endpoint}-browser", password=password)

    async def drop_endpoint(self, endpoint: str) -> None:
        """Take it back."""
        await super().drop_endpoint(f"{endpoint}-browser")

    async def online(self, endpoint: str) -> bool:
        """Ask as for a browser; a desk phone is always there."""
        await super().online(f"{endpoint}-browser")
        return True


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of the calls do what; `newcomers` are beside them."""

    talking: int
    held: int
    ringing: int
    waiting: int

    @classmethod
    def of(cls, calls: int) -> "Shares":
        """Divide: of 100 calls 40 talk, 10 are on hold, 10 ring and 40 wait."""
        talking, tenth = calls * 4 // 10, max(1, calls // 10)
        return cls(talking, tenth, tenth, calls - talking - 2 * tenth)

    @property
    def agents(self) -> int:
        """Return how many agents have a call or hear one ring."""
        return self.talking + self.held + self.ringing


class Killed(Switchboard):
    """Our switchboard with two queues: one in which all agents are taken, and one with an agent to spare."""

    phones = Browsers
    tenant_id: TenantId
    agents: tuple[AgentId, ...] = ()

    def furnish(self, endpoints: tuple[str, ...]) -> list[AgentId]:
        """Seat everybody but the last for the busy queue, and the last for newcomers."""
        with house_of(self.settings) as house:
            tenant_id = self.tenant_id = open_company(house)
            with house.gate.open(Scope.system(tenant_id)) as session:
                busy, fresh = (
                    queues.open_queue(
                        session,
                        tenant_id=tenant_id,
                        name=name,
                        wrap_up=WrapUp.NONE,
                        ring_timeout_s=RINGS_S,
                    )
                    for name in ("Busy", "Newcomers")
                )
            with house.gate.open(Scope.system(OPERATOR)) as session:  # what is measured is not a refusal
                loads.change(session, at_once=1000, per_second=100, revision=0, usual=Bounds(1000, 100))
            rent(house, tenant_id, busy.queue_id, _BUSY)
            rent(house, tenant_id, fresh.queue_id, _FRESH)
            *rest, last = endpoints
            self.agents = (
                *(
                    hire(house, tenant_id, busy.queue_id, number=1001 + place, phone=name)
                    for place, name in enumerate(rest)
                ),
                hire(house, tenant_id, fresh.queue_id, number=1001 + len(rest), phone=last),
            )
        return list(self.agents)

    def kill(self) -> None:
        """End the process that conducts with SIGKILL; its keeper starts the next."""
        (conducts,) = psutil.Process(self._process.pid).children()
        conducts.kill()


class Desk(Phone):
    """An agent's phone, which remembers from when to when it talked (seconds of the wall clock)."""

    def __post_init__(self) -> None:
        """Begin with nothing seen."""
        super().__post_init__()
        self.talks: list[list[float]] = []

    def pick_up(self) -> None:
        """See `Phone.pick_up`."""
        super().pick_up()
        self.talks.append([time.time()])

    def _end(self) -> None:
        if self.up.is_set():
            self.talks[-1].append(time.time())
        super()._end()


@dataclass
class Field:
    """The phones, and what was seen of them."""

    shares: Shares
    server: tuple[str, int]
    stack: contextlib.AsyncExitStack
    desks: list[Desk] = field(default_factory=list)
    callers: list[Phone] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)  # who was to hang up
    killed_at: float = math.inf
    rings: dict[str, float] = field(default_factory=dict)  # what: the first since the kill

    async def open(self) -> None:
        """Place the agents' phones, and make the callers'."""
        # every tenth call is listened to all the while, and it is among those that talk
        for place in range(self.shares.agents + 1):
            is_last = place == self.shares.agents
            rings_only = self.shares.talking + self.shares.held <= place < self.shares.agents
            desk = Desk(
                AGENT_ADDRESS,
                f"desk{place}",
                self.server,
                answers_after_s=None if rings_only else 0.05,
                speaks_every_s=0.02 if place < self.loud else _RARELY_S,
            )
            desk.on_invite = self._newcomer_rings if is_last else self._rings
            await self._start(desk, port=_AGENT_PORT + place)
            self.desks.append(desk)

    @property
    def loud(self) -> int:
        """Return how many calls are listened to."""
        return max(1, (self.shares.agents + self.shares.waiting) // 10)

    async def caller(self, number: int, *, is_loud: bool = False) -> Phone:
        """Return a phone that can call in through the trunk."""
        phone = Phone(
            TRUNK_ADDRESS,
            f"447700900{number:03d}",
            self.server,
            tone_hz=None,
            speaks_every_s=0.02 if is_loud else _RARELY_S,
        )
        await self._start(phone)
        return phone

    async def _start(self, phone: Phone, *, port: int = 0) -> None:
        await phone.start(port=port)
        self.stack.push_async_callback(phone.close)

    def _rings(self, invitation: Invitation) -> None:
        if invitation.at > self.killed_at:
            self.rings.setdefault("waited", invitation.at)

    def _newcomer_rings(self, invitation: Invitation) -> None:
        self.rings.setdefault("newcomer", invitation.at)

    def up(self) -> int:
        """Return how many agents have a call in hand."""
        return sum(desk.up.is_set() for desk in self.desks)

    def ringing(self) -> int:
        """Return how many agents hear a call ring."""
        return sum(desk.invited.is_set() and not desk.up.is_set() for desk in self.desks)

    def told(self) -> str:
        """Return what there is, in words."""
        return f"{self.up()} agents talk, {self.ringing()} hear it ring"

    def dropped(self) -> int:
        """Return how many callers' calls ended although they did not hang up."""
        return sum(phone.down.is_set() for n, phone in enumerate(self.callers) if n not in self.ends)

    async def hang_up(self, number: int) -> None:
        """Let a caller go."""
        self.ends.add(number)
        await self.callers[number].hang_up()


async def until(condition: Callable[[], bool], *, what: str | Callable[[], str]) -> None:
    """Wait until something holds.

    Raises:
        RuntimeError: it did not.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else f"{what()} at the end"
            message = f"recovery: it did not come to this: {said}"
            raise RuntimeError(message)
        await asyncio.sleep(_CHECK_S)


# --- the play -------------------------------------------------------------------------------------


async def play(switchboard: Killed, found: Field) -> dict[str, Any]:
    """Bring the calls up, kill, look, let everybody talk to their end, and return what was seen."""
    await fill(switchboard, found)
    _say(f"{len(found.callers)} calls are up")
    await asyncio.sleep(3)  # so that each has been written and said
    found.killed_at = time.monotonic()
    await asyncio.to_thread(switchboard.kill)
    newcomers = asyncio.create_task(_newcomers(found))
    hung_up = asyncio.gather(*(found.hang_up(found.loud + n) for n in range(_HANG_UP)))
    await until(lambda: len(found.rings) == 2, what="a caller who waited and a newcomer ring")
    ringing_s = {what: round(at - found.killed_at, 2) for what, at in found.rings.items()}
    _say(f"rings again: {ringing_s}")
    await asyncio.gather(newcomers, hung_up)
    await asyncio.sleep(3)
    silences = _silences(found, since=found.killed_at - 1, until=max(found.rings.values()) + 3)
    dropped = found.dropped()
    await serve_all(switchboard, found)
    return {
        "calls": len(found.callers),
        "shares": {name: getattr(found.shares, name) for name in ("talking", "held", "ringing", "waiting")},
        "routes_again_s": max(ringing_s.values()),
        "rings_s": ringing_s,
        "dropped": dropped,
        "dropped_later": found.dropped() - dropped,
        "listened_to": len(silences),
        "longest_silence_ms": round(max(silences) * 1000),
        "packets_heard": sum(len(phone.media.heard) for phone in found.callers[: found.loud]),
        **await asyncio.to_thread(read_books, switchboard, found),
    }


async def fill(switchboard: Killed, found: Field) -> None:
    """Bring all calls up: as many as talk, ring and wait."""
    shares = found.shares
    talk = shares.talking + shares.held
    total = shares.agents + shares.waiting
    async with asyncio.TaskGroup() as group:
        for number in range(total):
            phone = await found.caller(number, is_loud=number < found.loud)
            found.callers.append(phone)
            group.create_task(_dials(phone, _BUSY))
            await asyncio.sleep(_EVERY_S)
    await until(lambda: (found.up(), found.ringing()) == (talk, shares.ringing), what=found.told)
    await until(lambda: _count(switchboard, "bridged_at IS NOT NULL") == talk, what="the books say so")
    await asyncio.to_thread(hold, switchboard, shares.held, on=True)
    await until(lambda: _held(switchboard) == shares.held, what=f"{shares.held} are on hold")


async def serve_all(switchboard: Killed, found: Field) -> None:
    """Take everybody off hold, answer what rings, and let callers go until each has talked."""
    await asyncio.to_thread(hold, switchboard, found.shares.held, on=False)
    for desk in found.desks:
        desk.answers_after_s = 0.05
        if desk.invited.is_set() and not desk.up.is_set():
            desk.pick_up()
    for number in range(len(found.callers)):
        if number in found.ends or found.callers[number].down.is_set():
            continue
        await asyncio.sleep(_EVERY_S)
        if number >= found.shares.agents - _HANG_UP:  # who waited is served when somebody else has gone
            await until(
                lambda: _count(switchboard, "bridged_at IS NULL AND ended_at IS NULL") == 0,
                what="everybody who waited is served",
            )
        await found.hang_up(number)
    await until(lambda: _count(switchboard, "ended_at IS NULL") == 0, what="every call has ended")


async def _newcomers(found: Field) -> None:
    """Let somebody else call every fifth of a second until one of them rings at the agent kept free."""
    number, calling = 900, []
    while "newcomer" not in found.rings:
        phone = await found.caller(number)
        calling.append((phone, asyncio.create_task(_dials(phone, _FRESH))))
        number = 900 + (number - 899) % 100
        await asyncio.sleep(_EVERY_S)
    for phone, task in calling:
        with contextlib.suppress(PhoneError):
            await task
        await phone.hang_up()


async def _dials(phone: Phone, number: str) -> None:
    await phone.call(number.removeprefix("+"), timeout_s=_PATIENCE_S)


def _silences(found: Field, *, since: float, until: float) -> list[float]:
    """Return the longest time without a packet that each caller who is listened to has had."""
    longest = []
    for number, phone in enumerate(found.callers[: found.loud]):
        if number in found.ends:
            continue
        heard = [since, *(at for at, _ in phone.media.heard if since <= at <= until), until]
        longest.append(max(later - at for at, later in itertools.pairwise(heard)))
    return longest


# --- orders and books -----------------------------------------------------------------------------


def hold(switchboard: Killed, count: int, *, on: bool) -> None:
    """Put the last calls that talk on hold, or take all off that are."""
    with house_of(switchboard.settings) as house:
        with house.gate.open(Scope.system(switchboard.tenant_id)) as session:
            calls = session.execute(
                text(
                    "SELECT id, agent_id FROM app.calls WHERE bridged_at IS NOT NULL AND ended_at IS NULL"
                    " AND agent_id IS NOT NULL ORDER BY arrived_at DESC"
                )
            ).all()
            held = _on_hold(session)
        with house.gate.open(Scope.system(OPERATOR)) as session:
            for call_id, agent_id in calls[:count] if on else [one for one in calls if one[0] in held]:
                orders.leave(session, OrderKind.HOLD, agent_id=agent_id, call_id=call_id, on=on)
        house.realtime.publish(OPERATOR, orders.WAKE_UP, {})


def _on_hold(session: Any) -> set[Any]:  # noqa: ANN401 - a session, and ids
    rows = session.execute(
        text(
            "SELECT call_id FROM app.call_events WHERE kind IN ('held', 'resumed') GROUP BY call_id"
            " HAVING count(*) FILTER (WHERE kind = 'held') > count(*) FILTER (WHERE kind = 'resumed')"
        )
    )
    return {row[0] for row in rows}


def _held(switchboard: Killed) -> int:
    with (
        house_of(switchboard.settings) as house,
        house.gate.open(Scope.system(switchboard.tenant_id)) as session,
    ):
        return len(_on_hold(session))


def _count(switchboard: Killed, which: str) -> int:
    with (
        house_of(switchboard.settings) as house,
        house.gate.open(Scope.system(switchboard.tenant_id)) as session,
    ):
        found = session.execute(text(f"SELECT count(*) FROM app.calls WHERE {which}"))  # noqa: S608 - ours
        return int(found.scalar_one())


def read_books(switchboard: Killed, found: Field) -> dict[str, Any]:
    """Compare what is written with what the phones saw."""
    with (
        house_of(switchboard.settings) as house,
        house.gate.open(Scope.system(switchboard.tenant_id)) as session,
    ):
        rows = session.execute(
            text(
                "SELECT cdrs.agent_number, cdrs.talk_ms, cdrs.cause, cdrs.ended_at, cdrs.dialled,"
                " (SELECT count(*) FROM app.usage_events AS used WHERE used.subject_ref = calls.id) AS used,"
                " (SELECT sum(quantity_ms) FROM app.usage_events AS used WHERE used.subject_ref = calls.id)"
                " AS billed_ms,"
                " (SELECT count(*) FROM app.rated_charges AS rated JOIN app.usage_events AS used"
                " ON used.tenant_id = rated.tenant_id AND used.id = rated.usage_id"
                " WHERE used.subject_ref = calls.id AND rated.outcome = 'rated') AS rated"
                " FROM app.calls AS calls JOIN app.cdrs AS cdrs ON cdrs.tenant_id = calls.tenant_id"
                " AND cdrs.call_id = calls.id ORDER BY calls.bridged_at"
            )
        ).all()
    return _compared([row for row in rows if row.dialled == _BUSY], found)


def _compared(rows: list[Any], found: Field) -> dict[str, Any]:
    talks = {1001 + place: iter(desk.talks) for place, desk in enumerate(found.desks)}
    causes = collections.Counter(row.cause for row in rows)
    apart: list[float] = []
    away: list[float] = []
    for row in rows:
        if row.talk_ms:
            _, *ended = next(talks[row.agent_number], (math.nan,))
            off_ms = (row.ended_at.timestamp() - (ended[0] if ended else math.nan)) * 1000
            (away if row.cause == _AWAY else apart).append(off_ms)
    return {
        "recorded": len(rows),
        "causes": causes,
        "talked": sum(bool(row.talk_ms) for row in rows),
        "billed_once": sum(
            row.used == row.rated == 1 and row.billed_ms == row.talk_ms for row in rows if row.talk_ms
        ),
        "end_apart_ms": {"least": round(min(apart, default=0)), "most": round(max(apart, default=0))},
        "end_of_who_hung_up_meanwhile_ms": [round(one) for one in away],
    }


# --- the program ----------------------------------------------------------------------------------


def _conf(shares: Shares) -> dict[str, str]:
    phones = ""
    for place in range(shares.agents + 1):
        contact = f"sip:desk{place}@{AGENT_ADDRESS}:{_AGENT_PORT + place}"
        phones += (
            f"[desk{place}]\ntype = endpoint\ntransport = udp\naors = desk{place}\ncontext = from-agent\n"
            "disallow = all\nallow = ulaw\ndirect_media = no\n"
            f"[desk{place}]\ntype = aor\ncontact = {contact}\n"
        )
    return {"pjsip.conf": phones}


@contextlib.asynccontextmanager
async def field_of(shares: Shares, server: tuple[str, int]) -> AsyncIterator[Field]:
    """Give the phones, and take them away afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        found = Field(shares, server, stack)
        await found.open()
        yield found


def run(*, calls: int) -> dict[str, Any]:
    """Return the report; see the module."""
    shares = Shares.of(calls)
    home = Path(tempfile.mkdtemp(prefix="seatline-bench-"))
    home.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        running = start_asterisk(home, trunk_addresses=(TRUNK_ADDRESS,), extra=_conf(shares))
        stack.callback(running.stop)
        names = tuple(f"desk{place}" for place in range(shares.agents + 1))
        ground = Ground(running.url, names, running.part.sounds_dir)
        switchboard = Killed()
        stack.callback(switchboard.stop)

        async def all_of_it() -> dict[str, Any]:
            async with field_of(shares, ("127.0.0.1", running.part.ports.sip)) as found:
                await asyncio.to_thread(switchboard.start, ground)
                return await play(switchboard, found)

        report = asyncio.run(all_of_it())
    return {
        "measure": "recovery after kill -9 of the switchboard",
        "at": clock.now().isoformat(timespec="seconds"),
        "load_1min": round(os.getloadavg()[0], 2),
        "goal_s": GOAL_S,
        **report,
    }


def _say(words: str) -> None:
    sys.stderr.write(f"recovery: {words}\n")


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help="how many are up, 10 at the least")
    json.dump(run(calls=max(10, parser.parse_args().calls)), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
