"""A call's cost on the running bill after its hang-up, at 312 calls a second, and reservations beside it.

    nice -n 5 .venv/bin/python -m bench.running [SECONDS [CALLS_A_SECOND]]     # 20 s, 312

Runs against a PostgreSQL of its own, synced to disk, and prints one JSON report. Calls of 200 companies end
at instants laid down before (an open loop: a late one does not put off the next), each recorded and rated in
a transaction of its own, as a hang-up does it. For one of each twenty the company's running bill is then
worked out until the call is on it, as a page that was told of the call would; its time is from the instant
the call was to end to the answer that has it. Between them companies that pay beforehand reserve for calls,
from their own wallets and from one that all want; that time is the transaction's.
"""

import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.closing import Lab, prepare
from bench.rating import DECK, make_deck
from billing import invoices, usage, wallets
from billing.ledger import BANK
from core import clock
from core.ids import OPERATOR, TenantId, new_id
from launch.parts import start_postgres
from security.gate import Scope, admit
from tests.billing import stock

COMPANIES = 200
LOOKED_AT = 20
RESERVED = 4
THREADS = 8


def main() -> None:
    """Measure and print the report."""
    given = [int(one) for one in sys.argv[1:]]
    seconds, a_second = [*given, *(20, 312)[len(given) :]]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres = start_postgres(home / "pg", fast=False)
        try:
            report = measure(prepare(home, postgres.url, make_deck(DECK)), seconds, a_second)
        finally:
            postgres.stop()
    print(json.dumps({"load_average": load, **report}, indent=2))


def measure(lab: Lab, seconds: int, a_second: int) -> dict[str, object]:
    """End so many calls a second and reserve beside them."""
    who = [opened(lab) for _ in range(COMPANIES)]
    begins = time.perf_counter() + 1
    recorded: list[float] = []
    visible: list[float] = []
    own: list[float] = []
    shared: list[float] = []

    def end_call(number: int) -> None:
        due = begins + number / a_second
        time.sleep(max(0.0, due - time.perf_counter()))
        tenant_id = who[number % COMPANIES]
        now = clock.now()
        call = stock.usage(
            f"call-{number}", prefix="44207", at=now - dt.timedelta(seconds=90), source="bench", seconds=90
        )
        with lab.gate.open(Scope.system(tenant_id)) as session:
            usage.record(session, tenant_id=tenant_id, usage=call)
        recorded.append(time.perf_counter() - due)
        if number % LOOKED_AT == 0:
            wanted = 1 + number // COMPANIES
            while events(lab, tenant_id) < wanted:
                pass  # calls of one company may overtake each other
            visible.append(time.perf_counter() - due)
        if number % RESERVED == 0:
            own.append(reserve(lab, tenant_id))
            shared.append(reserve(lab, who[0]))

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(end_call, number) for number in range(seconds * a_second)]:
            done.result()
    took = time.perf_counter() - begins
    return {
        "calls": len(recorded),
        "calls_a_second": round(len(recorded) / took, 1),
        "hang_up_to_recorded_ms": quantiles(recorded),
        "hang_up_to_running_bill_ms": quantiles(visible),
        "reserve_ms": quantiles(own),
        "reserve_from_one_wallet_ms": quantiles(shared),
    }


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


def events(lab: Lab, tenant_id: TenantId) -> int:
    """Return how many calls the running bill has."""
    with lab.gate.open(Scope.system(tenant_id)) as session:
        bill = invoices.running_bill(session, tenant_id=tenant_id, now=clock.now())
    return sum(line.events for line in bill.bill.lines)


def reserve(lab: Lab, tenant_id: TenantId) -> float:
    """Reserve for a call and return the transaction's seconds."""
    began = time.perf_counter()
    with lab.gate.open(Scope.system(tenant_id)) as session:
        until = clock.now() + dt.timedelta(hours=1)
        assert wallets.reserve(session, tenant_id=tenant_id, use_id=new_id(), amount_nano=10**7, until=until)
    return time.perf_counter() - began


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, p95 and p99 in milliseconds, and of how many."""
    cuts = statistics.quantiles(seconds, n=100)
    return {
        "n": len(seconds),
        "p50": round(cuts[49] * 1000, 2),
        "p95": round(cuts[94] * 1000, 2),
        "p99": round(cuts[98] * 1000, 2),
    }


if __name__ == "__main__":
    main()
