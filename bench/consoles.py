"""How soon a console hears of a change, and how pages answer, while 1,500 consoles listen.

    python -m bench.consoles                                   # on a Seatline of its own; prints JSON
    python -m bench.consoles --consoles 200 --rounds 50

All agents have a shift, and each holds a live stream, as their browser would; a small asyncio client on
loopback stands for the browsers. In each round every arm has its turn once:

* a change of an agent's state, from the instant the switchboard took it to its arrival at the console (told
  at once; `written`: told again when its row is committed; `order`: from the order's row on);
* the same message handed straight to our live process, and one to a bare event stream (`bench.bare`) that
  holds as many listeners, addresses one, and knows nothing of sessions or walls;
* a bare route, then pages and operations of ours, each by one request.

Both bare programs run under the gunicorn settings of our own processes. The pulse, which tells consoles of
their queues once a second when something has changed, runs all the while.

What a console weighs is the slope of those processes of Seatline that grow (PSS) from the first fifth of the
streams to all of them. The first fifth, by process in `first_mib`, pays besides for what is done for the
first time: connections of PostgreSQL, code, caches.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from bench import bare, call, stack
from bench.call import PLANS, Stand
from core import clock
from core.ids import OPERATOR, AgentId, UserId
from launch.choices import CHECKOUT
from launch.layout import Layout
from seats import presence, roster
from security.gate import Scope
from security.passwords import hash_password
from telephony import endpoints, orders, queues
from telephony.orders import OrderKind
from tenants import apikeys, sessions, users
from tests.factories.agreements import signed
from web.cookies import PLAIN_NAME

CONSOLES, ROUNDS = 1500, 500
_AT_ONCE = 25  # streams opened, and agents made, in one go
_PATIENCE_S = 20.0
_SETTLES_S = 5.0
_HOST = "127.0.0.1"
_REASONS = ("meal", "break")


@dataclass(slots=True)
class Console:
    """One agent's stream: what it waits to hear, by the event's name, and how often its agent changed."""

    agent_id: AgentId
    secret: str
    changes: int = 0
    awaited: "dict[bytes, asyncio.Future[float]]" = field(default_factory=dict)


# --- making agents --------------------------------------------------------------------------------


def hire(stand: Stand, count: int) -> list[Console]:
    """Make agents with a shift, a phone and a session each; they serve the demo's first company."""
    house, made = stand.house, []
    hired: list[UserId] = []
    tenant_id = call.tenant_of(house, PLANS[0].dialled)
    with house.gate.open(Scope.system(tenant_id)) as session:
        queue_ids = [one.queue_id for one in queues.all_of(session, tenant_id=tenant_id)]
    hashed = hash_password("only a session is used")
    for first in range(0, count, _AT_ONCE):
        with house.gate.open(Scope.system(OPERATOR)) as session:
            for number in range(first, min(first + _AT_ONCE, count)):
                user = users.add(
                    session,
                    tenant_id=OPERATOR,
                    vault=house.vault,
                    email=f"console-{number}@bench.example",
                    name=f"Console {number}",
                    roles=["agent"],
                    password_hash=hashed,
                    language="en",
                    zone="Europe/London",
                )
                agent = roster.hire(
                    session, vault=house.vault, user_id=user.id, number=5000 + number, name=f"C {number}"
                )
                roster.assign(session, agent_id=agent.id, client_tenant_id=tenant_id, starts_at=clock.now())
                for queue_id in queue_ids:
                    roster.teach(session, agent_id=agent.id, client_tenant_id=tenant_id, queue_id=queue_id)
                presence.sign_in(session, agent_id=agent.id, at=clock.now())
                endpoints.issue(session, agent_id=agent.id, vault=house.vault)
                started = sessions.start(session, tenant_id=OPERATOR, user_id=user.id)
                made.append(Console(agent.id, started.secret))
                hired.append(user.id)
    for user_id in hired:
        signed(house.gate, user_id, tenant_id)
    return made


def to_the_floor(place: Layout) -> None:
    """Start the switchboard of our own Seatline anew: it finds all agents on their shifts."""

    def pid() -> int:
        known = json.loads(place.running.read_text(encoding="utf-8"))
        return int(known["processes"]["switchboard"]["pid"])

    before = pid()
    os.kill(before, signal.SIGTERM)
    _until(lambda: pid() != before and (place.ready / "switchboard").exists(), what="the switchboard")


def _until(condition: Callable[[], bool], *, what: str, patience_s: float = 120.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            message = f"not within {patience_s:.0f} s: {what}"
            raise RuntimeError(message)
        time.sleep(0.2)


# --- streams --------------------------------------------------------------------------------------


async def listen(port: int, path: str, console: Console) -> asyncio.Task[None]:
    """Open a stream and go on reading it, noting when what is awaited arrives."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        reader, writer = await asyncio.open_connection(_HOST, port)
        cookie = f"Cookie: {PLAIN_NAME}={console.secret}\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {_HOST}:{port}\r\n{cookie}\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE_S)
        if b" 200 " in head.splitlines()[0]:
            break
        writer.close()  # too many came at once: come again, as the console does
        if time.monotonic() > deadline:
            message = f"{path} answered {head.splitlines()[0].decode()}"
            raise RuntimeError(message)
        await asyncio.sleep(0.5)

    async def read() -> None:
        with contextlib.closing(writer):
            while line := await reader.readline():
                if line.startswith(b"event: ") and (waits := console.awaited.pop(line[7:-1], None)):
                    waits.set_result(time.time())

    return asyncio.create_task(read())


@contextlib.asynccontextmanager
async def streams(port: int, consoles: Sequence[Console], path: str) -> AsyncIterator[None]:
    """Hold one stream for each console; `{n}` in the path is its place."""
    tasks: list[asyncio.Task[None]] = []
    try:
        for first in range(0, len(consoles), _AT_ONCE):
            some = range(first, min(first + _AT_ONCE, len(consoles)))
            tasks += await asyncio.gather(*(listen(port, path.format(n=n), consoles[n]) for n in some))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def heard(console: Console, act: Callable[[], float], *events: bytes) -> tuple[float, ...]:
    """Do something; return when, and when the console heard of it by each of these events."""
    loop = asyncio.get_running_loop()
    awaited = {event: loop.create_future() for event in events}
    console.awaited.update(awaited)
    began = await asyncio.to_thread(act)
    return began, *await asyncio.wait_for(asyncio.gather(*awaited.values()), _PATIENCE_S)


# --- the bare programs ----------------------------------------------------------------------------


@contextlib.contextmanager
def bare_servers(redis_url: str) -> Iterator[tuple[int, int]]:
    """Run the bare route and the bare stream under our own gunicorn settings; yield their ports."""
    started, ports = [], []
    kinds = (
        ("--worker-class", "gthread", "--threads", "16", "--workers", "2"),
        ("--worker-class", "gevent", "--worker-connections", "4000"),
    )
    try:
        for kind in kinds:
            with socket.socket() as probe:
                probe.bind((_HOST, 0))
                port = int(probe.getsockname()[1])
            gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "critical"]
            gunicorn += ["--graceful-timeout", "1"]
            started.append(
                subprocess.Popen(
                    [*gunicorn, *kind, "--bind", f"{_HOST}:{port}", f"bench.bare:make({redis_url!r})"],
                    cwd=CHECKOUT,
                )
            )
            ports.append(port)
        for port in ports:
            _until(lambda port=port: _answers(port), what="a bare server", patience_s=20)  # type: ignore[misc] # bound
        yield ports[0], ports[1]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0


# --- requests -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Visitor:
    """Asks one address again and again over one connection, as a browser does."""

    name: str
    port: int
    path: str
    headers: dict[str, str]
    took_ms: list[float] = field(default_factory=list)
    size: int = 0
    connection: http.client.HTTPConnection | None = None

    def ask(self) -> None:
        """Ask once; anything but 200 is an error."""
        for _ in range(2):  # a connection the server has closed meanwhile is opened anew, and timed again
            if self.connection is None:
                self.connection = http.client.HTTPConnection(_HOST, self.port, timeout=_PATIENCE_S)
                self.connection.connect()
            began = time.perf_counter()
            try:
                self.connection.request("GET", self.path, headers=self.headers)
                answer = self.connection.getresponse()
                body = answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection = None
                continue
            if answer.status != http.client.OK:
                message = f"{self.name} answered {answer.status}"
                raise RuntimeError(message)
            self.took_ms.append((time.perf_counter() - began) * 1000)
            self.size = len(body)
            return
        message = f"{self.name} did not answer"
        raise RuntimeError(message)


def visitors(stand: Stand, console: Console, bare_port: int) -> list[Visitor]:
    """Return who asks what: a bare route, then pages and operations of ours."""
    house, pages = stand.house, urlsplit(stand.settings.public_url).port or 80
    tenant_id = call.tenant_of(house, PLANS[0].dialled)
    with house.gate.open(Scope.system(tenant_id)) as session:
        everyone = users.everyone(session, tenant_id=tenant_id, vault=house.vault)
        owner = next(one.id for one in everyone if "tenant_owner" in one.roles)
        secret = sessions.start(session, tenant_id=tenant_id, user_id=owner).secret
        _, key = apikeys.make(
            session,
            tenant_id=tenant_id,
            name="bench",
            scopes=["calls.read"],
            made_by=owner,
            permissions=frozenset({"calls.read"}),
        )
    as_agent = {"Cookie": f"{PLAIN_NAME}={console.secret}"}
    as_owner = {"Cookie": f"{PLAIN_NAME}={secret}"}
    return [
        Visitor("bare route", bare_port, "/", {}),
        Visitor("console: state", pages, "/console/state", as_agent | {"Accept": "application/json"}),
        Visitor("console: page", pages, "/console/", as_agent),
        Visitor("portal: home", pages, "/portal/", as_owner),
        Visitor("portal: calls", pages, "/portal/calls", as_owner),
        Visitor("API: calls", pages, "/api/v1/calls", {"Authorization": f"Bearer {key}"}),
    ]


# --- the measurement ------------------------------------------------------------------------------


async def measure(stand: Stand, ground: Layout, consoles: list[Console], *, rounds: int) -> dict[str, Any]:
    """Play the rounds and return the report."""
    live = urlsplit(stand.settings.live_url or stand.settings.public_url).port or 80
    listeners = [Console(one.agent_id, one.secret) for one in consoles]
    took: dict[str, list[float]] = {name: [] for name in ("change", "written", "order", "handed", "bare")}
    with bare_servers(stand.settings.redis_url) as (bare_route, bare_stream):
        asking = visitors(stand, consoles[0], bare_route)
        first, before = len(consoles) // 5, await _settled(ground)
        async with contextlib.AsyncExitStack() as opened:
            await opened.enter_async_context(streams(live, consoles[:first], "/live/agent"))
            warm = await _settled(ground)
            await opened.enter_async_context(streams(live, consoles[first:], "/live/agent"))
            full = await _settled(ground)
            await opened.enter_async_context(streams(bare_stream, listeners, "/stream?to={n}"))
            sys.stderr.write(f"consoles: {2 * len(consoles)} streams are open\n")
            for number in range(rounds):
                place = (number * 7919) % len(consoles)
                await _one_round(stand, consoles[place], listeners[place], place, took)
                for visitor in asking:
                    await asyncio.to_thread(visitor.ask)
    return {
        "consoles": len(consoles),
        "rounds": rounds,
        "kib_per_console": round(
            sum(max(0.0, full[name] - kib) for name, kib in warm.items()) / (len(consoles) - first), 1
        ),
        "first_mib": {name: round((warm[name] - kib) / 1024, 1) for name, kib in before.items()},
        "grown_mib": {name: round((full[name] - kib) / 1024, 1) for name, kib in warm.items()},
        "to_the_console_ms": {name: _spread(values) for name, values in took.items()},
        "change_p99_ratio": round(_at(took["change"], 0.99) / _at(took["bare"], 0.99), 2),
        "handed_p99_ratio": round(_at(took["handed"], 0.99) / _at(took["bare"], 0.99), 2),
        "requests_ms": {
            one.name: _spread(one.took_ms)
            | {
                "bytes": one.size,
                "p50_ratio": round(_at(one.took_ms, 0.5) / _at(asking[0].took_ms, 0.5), 1),
                "p95_ratio": round(_at(one.took_ms, 0.95) / _at(asking[0].took_ms, 0.95), 1),
            }
            for one in asking
        },
    }


async def _settled(place: Layout) -> dict[str, float]:
    """Return what each process weighs once what opening needed, and nobody holds any more, is given back."""
    await asyncio.sleep(_SETTLES_S)
    return {name: 1024 * each["pss"] for name, each in stack.memory(place).items()}


async def _one_round(
    stand: Stand, ours: Console, theirs: Console, place: int, took: dict[str, list[float]]
) -> None:
    house = stand.house

    def change() -> float:
        began = time.time()
        with house.gate.open(Scope.system(OPERATOR)) as session:
            orders.leave(
                session,
                OrderKind.STATUS,
                agent_id=ours.agent_id,
                status="away",
                # by the agent's own count: an order to be what one is already is told to nobody
                reason=_REASONS[ours.changes % len(_REASONS)],
            )
        ours.changes += 1
        house.realtime.publish(OPERATOR, orders.WAKE_UP, {})
        return began

    def hand() -> float:
        began = time.time()
        house.realtime.publish(OPERATOR, f"agent:{ours.agent_id}", {"type": "state"})
        return began

    def tell() -> float:
        began = time.time()
        told = json.dumps({"to": str(place), "body": "{}"})
        house.realtime.redis.publish(bare.CHANNEL, told)
        return began

    ordered, arrived, written = await heard(ours, change, b"activity", b"state")
    decided = await asyncio.to_thread(_decided, stand, ours.agent_id)
    took["order"].append((arrived - ordered) * 1000)
    took["change"].append((arrived - decided) * 1000)
    took["written"].append((written - decided) * 1000)
    for name, console, act in (("handed", ours, hand), ("bare", theirs, tell)):
        began, arrived = await heard(console, act, b"state")
        took[name].append((arrived - began) * 1000)


def _decided(stand: Stand, agent_id: AgentId) -> float:
    """Return when the switchboard took the agent's last change; cut to the millisecond before."""
    with stand.house.gate.open(Scope.system(OPERATOR)) as session:
        at = session.execute(
            text("SELECT reported_at FROM app.agent_time WHERE agent_id = :agent ORDER BY id DESC LIMIT 1"),
            {"agent": agent_id},
        ).scalar_one()
    return float(at.timestamp())


def _at(values: Sequence[float], share: float) -> float:
    known = sorted(values)
    return known[min(len(known) - 1, int(len(known) * share))]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "n": len(values),
        "min": round(min(values), 2),
        "p50": round(statistics.median(values), 2),
        "p95": round(_at(values, 0.95), 2),
        "p99": round(_at(values, 0.99), 2),
        "max": round(max(values), 2),
    }


def run(*, consoles: int, rounds: int) -> dict[str, Any]:
    """Return the report; see the module."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < (needed := 2 * consoles + 500):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
        if hard < needed:
            message = f"{consoles} consoles need {needed} open files; this shell allows {hard} (ulimit -n)"
            raise RuntimeError(message)
    with stack.ground(SWITCH_URL="simulator:") as own:
        own.start()
        stand = call.stand_of(own.place)
        try:
            began = time.monotonic()
            hired = hire(stand, consoles)
            sys.stderr.write(f"consoles: {consoles} agents made in {time.monotonic() - began:.0f} s\n")
            to_the_floor(own.place)
            hired_s = round(time.monotonic() - began, 1)
            report = asyncio.run(measure(stand, own.place, hired, rounds=rounds))
        finally:
            stand.house.close()
    return {
        "measure": "consoles that listen",
        "at": clock.now().isoformat(timespec="seconds"),
        "load_1min": round(os.getloadavg()[0], 2),
        "hired_s": hired_s,
        **report,
    }


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.consoles", description=__doc__)
    parser.add_argument("--consoles", type=int, default=CONSOLES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    json.dump(run(consoles=chosen.consoles, rounds=chosen.rounds), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
