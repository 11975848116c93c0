"""How fast rating is: both kernels, rating at ingest beside a bare COPY, `seatline price`.

    nice -n 5 .venv/bin/python -m bench.rating [ROWS [PREFIXES]]      # 100,000 rows, 5,000 prefixes
    .venv/bin/python -m bench.rating 1000000 100000                   # the whole, on a quiet machine

Runs against a PostgreSQL of its own and prints one JSON report. Kernels: the same calls through the scalar
reference and in columns, in turns, by processor time; `mixed` has time bands, slots and bounds.

Then the same rows go into the database in four ways, in turns: (1) a bare COPY into a table without a fence
that has the usage table's columns, checks and indexes; (2) COPY into staging and a bare INSERT ... SELECT
into the fenced usage table; (3) the whole intake: permanent keys, rating, one charge per row, counts; (4) the
same batch again, all duplicates. Best of three. Checksums are sums of amounts: of both kernels, and of each
intake; they must agree.
"""

import datetime as dt
import functools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from billing import invoices, staging
from billing.price import answer
from billing.rating import fast
from billing.rating.rules import Band
from billing.rating.tariff import DatedRate, Tariff
from billing.usage import Usage, payload_sha256
from core.ids import OPERATOR, TenantId, new_id
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from tests.billing import stock
from wiring.prepare import prepare_database

_BARE = """
    COPY public.bare_usage (tenant_id, id, source, event_id, meter, subject_ref, occurred_at, ended_at,
      quantity_ms, prefix, payload_sha256, received_at, batch_id, batch_row) FROM STDIN (FORMAT BINARY)
"""
_BARE_TYPES = (
    *("uuid", "uuid", "text", "text", "text", "uuid", "timestamptz", "timestamptz", "int8", "text"),
    *("bytea", "timestamptz", "uuid", "int4"),
)
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
        postgres = start_postgres(home / "pg")
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
    copied: list[float] = []
    bare: list[float] = []
    whole: list[float] = []
    again: list[float] = []
    bills: list[float] = []
    sums = set()
    for _ in range(3):
        plain, rated = TenantId(new_id()), TenantId(new_id())
        for tenant_id in (plain, rated):
            with gate.open(Scope.system(OPERATOR)) as session:
                admit(session, tenant_id=tenant_id)
            with gate.open(Scope.system(tenant_id)) as session:
                stock.customer(session, tenant_id=tenant_id, version=version)
        copied.append(timed(functools.partial(copy_bare, here, plain, usages)))
        bare.append(timed(functools.partial(insert_bare, gate, urls.bill, plain, usages)))
        whole.append(timed(functools.partial(take_all, gate, urls.bill, rated, usages)))
        again.append(timed(functools.partial(take_all, gate, urls.bill, rated, usages)))
        bills.append(timed(functools.partial(show_bill, gate, rated)))
        with gate.open(Scope.system(rated)) as session:
            total, count = session.execute(
                text("SELECT sum(amount_nano), count(*) FROM app.rated_charges")
            ).one()
        assert count == len(usages)
        sums.add(int(total))
    gate.close()
    assert len(sums) == 1
    return {
        "bare_copy_rows_per_s": round(len(usages) / min(copied)),
        "bare_insert_rows_per_s": round(len(usages) / min(bare)),
        "rate_at_ingest_rows_per_s": round(len(usages) / min(whole)),
        "ratio_to_bare_copy": round(min(copied) / min(whole), 3),
        "ratio_to_bare_insert": round(min(bare) / min(whole), 3),
        "duplicates_rows_per_s": round(len(usages) / min(again)),
        "running_bill_ms": round(min(bills) * 1000),
        "checksum_nano": sums.pop(),
    }


def take_all(gate: Gate, bill_url: str, tenant_id: TenantId, usages: list[Usage]) -> None:
    """Take everything in, one batch and one transaction per 50,000 rows."""
    for start in range(0, len(usages), BATCH):
        batch = staging.stage(bill_url, tenant_id=tenant_id, usages=usages[start : start + BATCH])
        with gate.open(Scope.system(tenant_id)) as session:
            staging.take_in(session, tenant_id=tenant_id, batch_id=batch)


def show_bill(gate: Gate, tenant_id: TenantId) -> None:
    """Work out the running bill over all rows."""
    with gate.open(Scope.system(tenant_id)) as session:
        invoices.running_bill(session, tenant_id=tenant_id, now=stock.NOON)


def copy_bare(admin_url: str, tenant_id: TenantId, usages: list[Usage]) -> None:
    """Only COPY the same rows into a table of the same shape, without fence or rating."""
    with psycopg.connect(admin_url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.bare_usage")
        cursor.execute("CREATE TABLE public.bare_usage (LIKE app.usage_events INCLUDING ALL)")
        connection.commit()
        for start in range(0, len(usages), BATCH):
            with cursor.copy(_BARE) as copy:
                copy.set_types(_BARE_TYPES)
                for row_no, one in enumerate(usages[start : start + BATCH]):
                    copy.write_row(
                        (
                            *(tenant_id, new_id(), one.source, one.event_id, one.meter, one.subject_ref),
                            *(one.occurred_at, one.ended_at, one.quantity_ms, one.prefix),
                            *(payload_sha256(one), stock.NOON, tenant_id, row_no),
                        )
                    )
            connection.commit()


def insert_bare(gate: Gate, bill_url: str, tenant_id: TenantId, usages: list[Usage]) -> None:
    """Only put the same rows there: COPY and INSERT, no second look, no rating."""
    for start in range(0, len(usages), BATCH):
        batch = staging.stage(bill_url, tenant_id=tenant_id, usages=usages[start : start + BATCH])
        with gate.open(Scope.system(tenant_id)) as session:
            session.execute(
                text("""
                    INSERT INTO app.usage_events (tenant_id, id, source, event_id, meter, subject_ref,
                      occurred_at, ended_at, quantity_ms, prefix, number_id, agent_ref, payload_sha256,
                      received_at, batch_id, batch_row)
                    SELECT tenant_id, usage_id, source, event_id, meter, subject_ref, occurred_at, ended_at,
                      quantity_ms, prefix, number_id, agent_ref, payload_sha256, now(), batch_id, row_no
                    FROM app.staged_usage(:batch)
                """),
                {"batch": batch},
            )
            session.execute(text("SELECT app.clear_staged_usage(:batch)"), {"batch": batch})


def timed(run: Callable[[], None]) -> float:
    """Return the wall seconds of one run."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


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
