"""How fast rating is: both kernels, rating at ingest beside a bare COPY, `seatline price`.

    nice -n 5 .venv/bin/python -m bench.rating [ROWS [PREFIXES]]      # 100,000 rows, 5,000 prefixes
    .venv/bin/python -m bench.rating 1000000 100000                   # the whole, on a quiet machine

Runs against a PostgreSQL of its own and prints one JSON report. Kernels: the same calls through the scalar
reference and in columns, in turns, by processor time; `mixed` has time bands, slots and bounds.

Then the same rows go into the database, three times in turns, a fresh company each time: (1) the whole
intake as production does it: permanent keys, hashes, rating, a charge per row, counts; (2) the same again,
all duplicates; (3) a bare COPY of the rated rows, that is of what (1) left in both tables, as ready bytes,
into tables with the same columns, checks and indexes and no fence, foreign key or trigger; (4) the same into
tables with no index at all. PostgreSQL syncs to disk as in production. Best of three; sums must agree.
"""

import contextlib
import datetime as dt
import functools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from billing import invoices
from billing.price import answer
from billing.rating import fast
from billing.rating.rules import Band
from billing.rating.tariff import DatedRate, Tariff
from billing.usage import Usage
from core.ids import OPERATOR, TenantId, new_id
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from tests.billing import stock
from wiring import intake
from wiring.prepare import prepare_database

SEED = 20_261_121
BATCH = 50_000
DECK = 5_000
PRICE_LINES = 20_000


def main() -> None:
    """Measure and print the report."""
    given = [int(one) for one in sys.argv[1:3]]
    rows, prefixes = [*given, *(100_000, DECK)[len(given) :]]
    random.seed(SEED)
    deck = make_deck(prefixes)
    usages = make_usage(rows)
    report: dict[str, object] = {
        "rows": rows,
        "prefixes": len(deck),
        "load_average": os.getloadavg()[0],
        "kernel": measure_kernel(deck, usages),
        "kernel_mixed": measure_kernel(make_mixed(deck), usages),
        "price_lines_per_cpu_s": round(measure_price()),
        **measure_ingest(deck, usages),
    }
    print(json.dumps(report, indent=2))


def make_deck(size: int) -> tuple[DatedRate, ...]:
    """At most so many prefixes under 44 with the usual increments."""
    prefixes = {"44"} | {f"44{random.randrange(10 ** random.randint(1, 6))}" for _ in range(size)}  # noqa: S311
    return tuple(
        DatedRate(
            "voice.outbound",
            prefix,
            "gb-local",
            stock.per_minute(
                random.randrange(10**6, 10**8),  # noqa: S311
                connect=random.choice([0, 10**7]),  # noqa: S311
                increment_s=random.choice([1, 6, 60]),  # noqa: S311
                initial_s=random.choice([0, 30, 60]),  # noqa: S311
            ),
        )
        for prefix in sorted(prefixes)
    )


def make_usage(rows: int) -> list[Usage]:
    """One tenant's usage with random lengths and destinations, the same for every run."""
    events = []
    for number in range(rows):
        at = stock.NOON + dt.timedelta(seconds=number % 86_400)
        quantity_ms = random.randrange(1, 600_000)  # noqa: S311
        events.append(
            Usage(
                source="bench",
                event_id=f"call_{number:026d}/leg-1",
                meter="voice.outbound",
                subject_ref=UUID(int=number),
                occurred_at=at,
                ended_at=at + dt.timedelta(milliseconds=quantity_ms),
                quantity_ms=quantity_ms,
                prefix=f"44{random.randrange(10**6):06d}",  # noqa: S311
            )
        )
    return events


def make_mixed(deck: tuple[DatedRate, ...]) -> tuple[DatedRate, ...]:
    """The same prefixes, a third with two bands, a third with two slots; some with a grace and bounds."""
    mixed = []
    for at, row in enumerate(deck):
        (band,) = row.rate.bands
        (slot,) = band.slots
        bands = {
            0: (band,),
            1: (
                replace(band, from_s=8 * 3600),
                Band((replace(slot, rate=slot.rate // 2),), from_s=18 * 3600),
            ),
            2: (replace(band, slots=(slot, replace(slot, from_s=120, rate=slot.rate // 3))),),
        }[at % 3]
        maximum = 5 * 10**9 if at % 5 == 0 else None
        mixed.append(replace(row, rate=replace(row.rate, bands=bands, maximum=maximum, grace_s=at % 4)))
    return tuple(mixed)


def measure_kernel(deck: tuple[DatedRate, ...], usages: list[Usage]) -> dict[str, object]:
    """Return calls rated a second of processor time, both ways: prefix match, increments, one rounding."""
    tariff = Tariff("bench", 1, "GBP", "Europe/London", stock.NAMES, deck)
    prefixes = [one.prefix for one in usages]
    lengths = [-(-one.quantity_ms // 1000) for one in usages]
    answers = [one.occurred_at for one in usages]
    tariff.rate(meter="voice.outbound", prefix="44", duration_s=1, answered_at=stock.NOON)
    compiled = fast.Compiled(tariff, "voice.outbound")
    parts = [
        fast.columns(prefixes[at : at + BATCH], lengths[at : at + BATCH], answers[at : at + BATCH])
        for at in range(0, len(usages), BATCH)
    ]
    sums: dict[str, set[int]] = {"scalar": set(), "columns": set()}

    def scalar() -> None:
        total = 0
        for prefix, duration_s, answered_at in zip(prefixes, lengths, answers, strict=True):
            found = tariff.rate(
                meter="voice.outbound", prefix=prefix, duration_s=duration_s, answered_at=answered_at
            )
            total += found.amount_nano or 0
        sums["scalar"].add(total)

    def columns() -> None:
        found = [compiled.rate(part) for part in parts]
        sums["columns"].add(sum(int(one.amounts[one.outcomes == fast.RATED].sum()) for one in found))

    times: dict[str, list[float]] = {"scalar": [], "columns": []}
    for _ in range(3):
        times["scalar"].append(best(scalar, clock=time.process_time, runs=1))
        times["columns"].append(best(columns, clock=time.process_time, runs=1))
    assert sums["scalar"] == sums["columns"]
    return {
        "scalar_calls_per_cpu_s": round(len(usages) / min(times["scalar"])),
        "columns_calls_per_cpu_s": round(len(usages) / min(times["columns"])),
        "checksum_nano": sums["columns"].pop(),
    }


def measure_price() -> float:
    """Return lines of `seatline price` answered a second of processor time."""
    slots = [
        {"from_s": 0, "rate": "0.2", "per_s": 60, "increment_s": 60},
        {"from_s": 60, "rate": "0.1", "per_s": 60, "increment_s": 1},
    ]
    bands = [
        {"days_iso": days, "from_time": at, "connect_fee": fee, "slots": slots}
        for days, at, fee in (
            ([1, 2, 3, 4, 5], "08:00:00", "0.4"),
            ([1, 2, 3, 4, 5, 6, 7], "19:00:00", "0.1"),
        )
    ]
    lines = [
        json.dumps(
            {
                "kind": "call",
                "start": f"2026-11-{1 + n % 28:02d}T{n % 24:02d}:59:00",
                "zone": "Europe/London",
                "duration_s": n % 900,
                "bands": bands,
            }
        )
        for n in range(PRICE_LINES)
    ]

    def run() -> None:
        for line in lines:
            answer(line)

    return len(lines) / best(run, clock=time.process_time)


def measure_ingest(deck: tuple[DatedRate, ...], usages: list[Usage]) -> dict[str, object]:
    """Return rows a second of the three ways, and the checksum of the amounts."""
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres = start_postgres(home / "pg", fast=False)
        try:
            return ingest(postgres.url, home, deck, usages)
        finally:
            postgres.stop()


def ingest(admin_url: str, home: Path, deck: tuple[DatedRate, ...], usages: list[Usage]) -> dict[str, object]:
    """Run the three ways in turns, a fresh tenant each time."""
    key_file = home / "root.key"
    key_file.write_bytes(os.urandom(32))
    key_file.chmod(0o600)
    root_key = FileRootKey(key_file)
    urls = prepare_database(admin_url, secrets_file=home / "roles.json", root_key=root_key)
    gate = Gate(urls.app, context_key=root_key.derive("context/v1"))
    version = stock.publish(gate, of=deck)
    database = str(conninfo_to_dict(urls.bill)["dbname"])
    here = make_conninfo(admin_url, dbname=database)
    times: dict[str, list[Spent]] = {arm: [] for arm in ("whole", "again", "bare", "heap", "bill")}
    sums = set()
    for _ in range(3):
        tenant_id = TenantId(new_id())
        with gate.open(Scope.system(OPERATOR)) as session:
            admit(session, tenant_id=tenant_id)
        with gate.open(Scope.system(tenant_id)) as session:
            stock.customer(session, tenant_id=tenant_id, version=version)
        for arm in ("whole", "again"):
            times[arm].append(spent(here, functools.partial(take_all, gate, urls.bill, tenant_id, usages)))
        rows = copied_out(here, tenant_id)
        for arm, shape in (("bare", "INCLUDING ALL"), ("heap", "")):
            bare_tables(here, shape)
            times[arm].append(spent(here, functools.partial(copy_bare, here, rows)))
            assert amounts(here, "public.rated_charges", tenant_id) == amounts(
                here, "app.rated_charges", tenant_id
            )
        times["bill"].append(spent(here, functools.partial(show_bill, gate, tenant_id)))
        total, count = amounts(here, "app.rated_charges", tenant_id)
        assert count == len(usages)
        sums.add(total)
    gate.close()
    assert len(sums) == 1
    walls = {arm: min(one.wall_s for one in of) for arm, of in times.items()}
    served = {arm: min(one.server_s for one in of) for arm, of in times.items()}
    return {
        **{
            f"{arm}_rows_per_s": round(len(usages) / walls[arm]) for arm in ("whole", "again", "bare", "heap")
        },
        **{
            f"{arm}_rows_per_server_cpu_s": round(len(usages) / served[arm])
            for arm in ("whole", "again", "bare", "heap")
        },
        "whole_client_cpu_us_per_row": round(min(o.client_s for o in times["whole"]) / len(usages) * 1e6, 1),
        "ratio_to_bare_copy": round(walls["bare"] / walls["whole"], 3),
        "ratio_to_bare_copy_server_cpu": round(served["bare"] / served["whole"], 3),
        "ratio_to_copy_into_heaps": round(walls["heap"] / walls["whole"], 3),
        "running_bill_ms": round(walls["bill"] * 1000),
        "checksum_nano": sums.pop(),
    }


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took: by the wall, by PostgreSQL's processors, by ours."""

    wall_s: float
    server_s: float
    client_s: float


def spent(admin_url: str, run: Callable[[], None]) -> Spent:
    """Return what one run took; PostgreSQL is at a checkpoint before, so that none falls into an arm."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        head = connection.execute("SELECT pg_postmaster_start_time(), pg_backend_pid()").fetchone()
        assert head is not None
        postmaster = psutil.Process(head[1]).parent()
        assert postmaster is not None
        before = server_cpu(postmaster), time.process_time(), time.perf_counter()
        run()
        wall_s = time.perf_counter() - before[2]
        return Spent(wall_s, server_cpu(postmaster) - before[0], time.process_time() - before[1])


def server_cpu(postmaster: psutil.Process) -> float:
    """Return processor seconds of PostgreSQL: its living processes and those it has reaped."""
    while True:
        own, alive = postmaster.cpu_times(), 0.0
        for one in postmaster.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                alive += sum(one.cpu_times()[:2])
        reaped = own.children_user + own.children_system
        then = postmaster.cpu_times()
        if then.children_user + then.children_system == reaped:  # none went over meanwhile
            return own.user + own.system + reaped + alive


def take_all(gate: Gate, bill_url: str, tenant_id: TenantId, usages: list[Usage]) -> None:
    """Take everything in as a long file of usage is: batch by batch, the next one staged meanwhile."""
    intake.take_in(gate, bill_url, tenant_id=tenant_id, usages=usages)


def amounts(admin_url: str, table: str, tenant_id: TenantId) -> tuple[int, int]:
    """Return the sum and the number of the charges in a table."""
    with psycopg.connect(admin_url) as connection:
        found = connection.execute(
            f"SELECT sum(amount_nano), count(*) FROM {table} WHERE tenant_id = %s",  # noqa: S608 - ours
            (tenant_id,),
        ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def copied_out(admin_url: str, tenant_id: TenantId) -> list[tuple[bytes, bytes]]:
    """Return the rated rows of a tenant as COPY's own bytes: usage and charges of each batch."""
    found = []
    of_usage = (
        "SELECT u.* FROM app.usage_events u WHERE u.tenant_id = {0} AND u.batch_id = {1} ORDER BY u.batch_row"
    )
    of_charges = (
        "SELECT c.* FROM app.usage_events u"
        " JOIN app.rated_charges c ON c.tenant_id = u.tenant_id AND c.usage_id = u.id"
        " WHERE u.tenant_id = {0} AND u.batch_id = {1} ORDER BY u.batch_row"
    )
    with psycopg.connect(admin_url) as connection, connection.cursor() as cursor:
        cursor.execute("SET enable_nestloop = off")  # there are no statistics of what came a second ago
        batches = cursor.execute(
            "SELECT id FROM app.usage_batches WHERE tenant_id = %s AND accepted > 0 ORDER BY taken_at",
            (tenant_id,),
        ).fetchall()
        for (batch_id,) in batches:
            parts = []
            for query in (of_usage, of_charges):
                with cursor.copy(
                    sql.SQL("COPY (" + query + ") TO STDOUT (FORMAT BINARY)").format(tenant_id, batch_id)
                ) as copy:
                    parts.append(b"".join(copy))
            found.append((parts[0], parts[1]))
    return found


def bare_tables(admin_url: str, shape: str) -> None:
    """Make both tables anew without fence, foreign keys and triggers."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for name in ("usage_events", "rated_charges"):
            connection.execute(f"DROP TABLE IF EXISTS public.{name}")
            connection.execute(f"CREATE TABLE public.{name} (LIKE app.{name} {shape})")


def copy_bare(admin_url: str, rows: list[tuple[bytes, bytes]]) -> None:
    """Only COPY the rated rows, ready as they are, into both tables; a transaction for each batch."""
    with psycopg.connect(admin_url) as connection, connection.cursor() as cursor:
        for usage_rows, charges in rows:
            for name, written in (("usage_events", usage_rows), ("rated_charges", charges)):
                with cursor.copy(f"COPY public.{name} FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(written)
            connection.commit()


def show_bill(gate: Gate, tenant_id: TenantId) -> None:
    """Work out the running bill over all rows."""
    with gate.open(Scope.system(tenant_id)) as session:
        invoices.running_bill(session, tenant_id=tenant_id, now=stock.NOON)


def best(run: Callable[[], None], *, clock: Callable[[], float], runs: int = 3) -> float:
    """Return the least time of some runs by a clock."""
    times = []
    for _ in range(runs):
        began = clock()
        run()
        times.append(clock() - began)
    return min(times)


if __name__ == "__main__":
    main()
