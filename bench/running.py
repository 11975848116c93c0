"""A call's cost on the running bill after its hang-up, at 312 calls a second, and reservations beside it.

    nice -n 5 .venv/bin/python -m bench.running [SECONDS [CALLS_A_SECOND]]     # 300 s, 312

Runs against a PostgreSQL of its own, synced to disk, and prints one JSON report; how far it is stands on the
terminal. Three processes beside the database's, as in production: one ends calls (the switchboard), one shows
bills (a web worker), one reserves (for calls that begin). Calls of 200 companies end at instants laid down
before (an open loop: a late one does not put off the next), each recorded and rated in a transaction of its
own, as a hang-up does it. After one of each twenty the second process is told, and works out the company's
running bill until the call is on it, as a page does; its time is from the instant the call was to end to the
answer that has it. For one call of four is reserved from its company's wallet and from one that all want;
that time is the transaction's. Each process makes its connections first, as the switchboard does when it
starts; what its first second was like, when the database plans every statement for the first time, stands
apart as well as in the whole.

It ends, with whatever is measured by then, after SECONDS and as long again: what was not done is counted.
"""

import datetime as dt
import gc
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue
from threading import Barrier, Lock
from typing import Any

import click

from bench.closing import Lab, prepare
from bench.rating import DECK, SEED, make_deck
from billing import invoices, usage, wallets
from billing.ledger import BANK
from billing.rating.rules import Outcome
from core import clock
from core.ids import OPERATOR, TenantId, new_id
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from tests.billing import stock
from workers.switchboard import SWITCH_S

COMPANIES = 200
LOOKED_AT = 20
RESERVED = 4
THREADS = 8
READY_S = 120
_Told = Queue[tuple[float, TenantId, int] | None]
"""When a call was to end, whose it is, and how many its company has by then; None: there are no more."""


@dataclass(frozen=True, slots=True)
class Done:
    """How long a call waited for something since it ended, and at which second of the run that was."""

    at: float
    took: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process of the run knows; the last company is there to warm up with.

    Instants are of the machine's monotonic clock; a call's is reckoned from when all processes were ready.
    """

    url: str
    key_file: Path
    who: tuple[TenantId, ...]
    seconds: int
    a_second: int
    begins: float = 0.0

    def begun(self, ready: Barrier) -> "Plan":
        """Return the plan with its first instant, once every process is ready."""
        ready.wait(READY_S)
        return replace(self, begins=time.perf_counter())

    @property
    def ends(self) -> float:
        """When everybody stops."""
        return self.begins + 2 * self.seconds

    def gate(self) -> Gate:
        """Return this process's own way into walls."""
        key = FileRootKey(self.key_file).derive("context/v1")
        made = Gate(self.url, context_key=key, pool_size=THREADS)
        made.warm()
        return made

    def since(self, due: float) -> Done:
        """Return how long it is since a call was to end."""
        return Done(due - self.begins, time.perf_counter() - due)

    def numbers(self, step: int = 1) -> range:
        """Return the calls, or each so manieth of them."""
        return range(0, self.seconds * self.a_second, step)

    def at_its_instant(self, number: int) -> float | None:
        """Wait until a call is to end, and return that instant; None: everybody stops."""
        due = self.begins + number / self.a_second
        time.sleep(max(0.0, due - time.perf_counter()))
        return due if time.perf_counter() < self.ends else None


def main() -> None:
    """Measure and print the report."""
    given = [int(one) for one in sys.argv[1:]]
    seconds, a_second = [*given, *(300, 312)[len(given) :]]
    random.seed(SEED)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres = start_postgres(home / "pg", fast=False)
        try:
            lab = prepare(home, postgres.url, make_deck(DECK))
            with click.progressbar(range(COMPANIES + 1), label="admitted", file=sys.stderr) as bar:
                who = tuple(opened(lab) for _ in bar)
            report = measure(Plan(lab.urls.app, home / "root.key", who, seconds, a_second))
        finally:
            postgres.stop()
    print(json.dumps({"load_average": load, "load_average_then": os.getloadavg()[0], **report}, indent=2))


def measure(plan: Plan) -> dict[str, object]:
    """End so many calls a second; show bills and reserve beside it."""
    fresh = multiprocessing.get_context("spawn")
    with fresh.Manager() as manager, ProcessPoolExecutor(3, mp_context=fresh) as processes:
        told, ready = manager.Queue(), manager.Barrier(4)
        ending = processes.submit(end_calls, plan, ready, told)
        shown = processes.submit(show_bills, plan, ready, told)
        reserved = processes.submit(reserve_for_calls, plan, ready)
        ready.wait(READY_S)
        with click.progressbar(length=2 * plan.seconds, label="calls end", file=sys.stderr) as bar:
            parts: list[Future[Any]] = [ending, shown, reserved]
            while wait(parts, timeout=1).not_done:
                bar.update(1)
        (recorded, took), visible = ending.result(), shown.result()
        own, shared = reserved.result()
    return {
        "calls": len(recorded),
        "calls_a_second": round(len(recorded) / max(took, plan.seconds), 1),
        "not_recorded": len(plan.numbers()) - len(recorded),
        "not_on_a_bill": len(plan.numbers(LOOKED_AT)) - len(visible),
        "not_reserved": len(plan.numbers(RESERVED)) - len(own),
        "hang_up_to_recorded_ms": quantiles([one.took for one in recorded]),
        "hang_up_to_running_bill_ms": quantiles([one.took for one in visible]),
        "of_the_first_second_ms": {
            "recorded": quantiles([one.took for one in recorded if one.at < 1]),
            "on_the_running_bill": quantiles([one.took for one in visible if one.at < 1]),
        },
        "reserve_ms": quantiles(own),
        "reserve_from_one_wallet_ms": quantiles(shared),
    }


def end_calls(plan: Plan, ready: Barrier, told: _Told) -> tuple[list[Done], float]:
    """End every call at its instant; return how long each was on its way into the books, and all of it."""
    sys.setswitchinterval(SWITCH_S)
    gate, recorded = plan.gate(), list[Done]()
    record(gate, plan.who[-1], 0)
    rest()
    plan = plan.begun(ready)

    def end(number: int) -> None:
        due = plan.at_its_instant(number)
        if due is None:
            return
        tenant_id = plan.who[number % COMPANIES]
        record(gate, tenant_id, number)
        recorded.append(plan.since(due))
        if number % LOOKED_AT == 0:
            told.put((due, tenant_id, 1 + number // COMPANIES))

    try:
        in_threads(end, plan.numbers())
    finally:  # whoever shows bills waits for this, also when a call was not recorded
        told.put(None)
    return recorded, time.perf_counter() - plan.begins


def show_bills(plan: Plan, ready: Barrier, told: _Told) -> list[Done]:
    """Work out the running bill for each call that ended; return how long it took to be on it."""
    gate, visible = plan.gate(), list[Done]()
    events(gate, plan.who[-1])
    rest()
    plan = plan.begun(ready)
    while (one := told.get()) is not None:
        due, tenant_id, wanted = one
        # calls of one company may overtake each other
        while (there := events(gate, tenant_id) >= wanted) or time.perf_counter() < plan.ends:
            if there:
                visible.append(plan.since(due))
                break
    return visible


def reserve_for_calls(plan: Plan, ready: Barrier) -> tuple[list[float], list[float]]:
    """Reserve for calls from their companies' wallets and from one; return the transactions' seconds."""
    gate, own, shared = plan.gate(), list[float](), list[float]()
    reserve(gate, plan.who[-1])
    rest()
    plan = plan.begun(ready)

    def both(number: int) -> None:
        if plan.at_its_instant(number) is not None:
            own.append(reserve(gate, plan.who[number % COMPANIES]))
            shared.append(reserve(gate, plan.who[0]))

    in_threads(both, plan.numbers(RESERVED))
    return own, shared


def rest() -> None:
    """Keep what a process has made so far out of the collector's way, as the product's processes do."""
    gc.collect()
    gc.freeze()


def in_threads(do: Callable[[int], None], numbers: Iterable[int]) -> None:
    """Do something with each number, in order, several at a time, each once a thread is free for it."""
    left, one_at_a_time = iter(numbers), Lock()

    def until_none_is_left() -> None:
        while True:
            with one_at_a_time:
                number = next(left, None)
            if number is None:
                return
            do(number)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(until_none_is_left) for _ in range(THREADS)]:
            done.result()


def opened(lab: Lab) -> TenantId:
    """Admit a company that pays beforehand and has enough."""
    tenant_id = TenantId(new_id())
    with lab.gate.open(Scope.system(OPERATOR)) as session:
        admit(session, tenant_id=tenant_id)
    with lab.gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=lab.version)
        wallets.open_wallet(session, tenant_id=tenant_id)
        wallets.top_up(
            session, tenant_id=tenant_id, key="first", amount_minor=10**9, source=BANK, at=clock.now()
        )
    return tenant_id


def record(gate: Gate, tenant_id: TenantId, number: int) -> None:
    """Record and rate a call that ends now."""
    at = clock.now() - dt.timedelta(seconds=90)
    call = stock.usage(f"call-{number}", prefix="44207946", at=at, source="bench", seconds=90)
    with gate.open(Scope.system(tenant_id)) as session:
        recorded = usage.record(session, tenant_id=tenant_id, usage=call)
    # what has no price never comes onto a bill
    assert recorded.rated is not None
    assert recorded.rated.outcome is Outcome.RATED


def events(gate: Gate, tenant_id: TenantId) -> int:
    """Return how many calls the running bill has."""
    with gate.open(Scope.system(tenant_id)) as session:
        bill = invoices.running_bill(session, tenant_id=tenant_id, now=clock.now())
    return sum(line.events for line in bill.bill.lines)


def reserve(gate: Gate, tenant_id: TenantId) -> float:
    """Reserve for a call and return the transaction's seconds."""
    began = time.perf_counter()
    with gate.open(Scope.system(tenant_id)) as session:
        until = clock.now() + dt.timedelta(hours=1)
        assert wallets.reserve(session, tenant_id=tenant_id, use_id=new_id(), amount_nano=10**7, until=until)
    return time.perf_counter() - began


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, p95 and p99 in milliseconds, and of how many."""
    if len(seconds) < 2:
        return {"n": len(seconds)}
    cuts = statistics.quantiles(seconds, n=100)
    return {
        "n": len(seconds),
        "p50": round(cuts[49] * 1000, 2),
        "p95": round(cuts[94] * 1000, 2),
        "p99": round(cuts[98] * 1000, 2),
    }


if __name__ == "__main__":
    main()
