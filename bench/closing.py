"""Closing a month, and a bill before it, beside one GROUP BY over the same charges.

    nice -n 5 .venv/bin/python -m bench.closing [COMPANIES [EVENTS ...]]     # 200 companies, 100,000 events
    .venv/bin/python -m bench.closing 200 100000 1000000                     # the slope between two sizes
    .venv/bin/python -m bench.closing 200 100_000 1_000_000 10_000_000 --limit 3600

How far it is stands on the terminal. `--limit` (900 s) bounds it, and so does the disk: a size that begins
with too little time left, going by the one before, or for which half of what is free would not be enough, is
left out and named in the report.

Runs against a PostgreSQL of its own, synced to disk, and prints one JSON report. For each size a fresh set of
companies shares that many events of October, taken in as production does it. Then, in turns: one GROUP BY by
company, meter, destination and tariff over all of them, by an administrator and unfenced; what no closing
can do without (`floor`), two transactions for each company, each of which enters its walls, adds its charges
up and syncs one record to disk; all bills worked out and not written (`preview`); and the month closed, a
draft and its finalising for each company, as the operator's job does. The sums must agree. The slope is the
exponent of the time in the number of events. At the end one company of 100,000 events has its bill previewed.
"""

import argparse
import itertools
import json
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from bench.rating import DECK, SEED, make_deck, make_usage
from billing import invoices, periods
from billing.price_lists import Published
from billing.rating.tariff import DatedRate
from core.ids import OPERATOR, TenantId, new_id
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from tests.billing import stock
from wiring import closing, intake
from wiring.prepare import DatabaseUrls, prepare_database

COMPANIES = 200
EVENTS = (100_000,)
PREVIEWED = 100_000
# of disk for an event with its charge, their indexes and logs; more than is measured
EVENT_BYTES = 3_000
LIMIT_S = 900.0
_One = TypeVar("_One")
OCTOBER = periods.month(2026, 10, zone="Europe/London")
_GROUP_BY = """
    SELECT tenant_id, meter, destination, tariff_id, currency, count(*), sum(billed_seconds),
      sum(units_nano), sum(amount_nano)
    FROM app.rated_charges
    WHERE superseded_by IS NULL AND outcome = 'rated' AND bill_at < %(end)s AND tenant_id = ANY(%(who)s)
    GROUP BY tenant_id, meter, destination, tariff_id, currency
"""
_OF_ONE = text("""
    SELECT sum(amount_nano) FROM (
      SELECT meter, destination, tariff_id, currency, count(*), sum(billed_seconds), sum(units_nano),
        sum(amount_nano) AS amount_nano
      FROM app.rated_charges
      WHERE tenant_id = :tenant AND superseded_by IS NULL AND outcome = 'rated' AND bill_at < :end
      GROUP BY meter, destination, tariff_id, currency) AS groups
""")
_SYNCED = text("SELECT pg_logical_emit_message(true, 'bench', '')")


@dataclass(frozen=True, slots=True)
class Lab:
    """A database of its own with a published list."""

    gate: Gate
    urls: DatabaseUrls
    admin_url: str
    version: Published


def main() -> None:
    """Measure and print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.closing")
    parser.add_argument("companies", nargs="?", type=int, default=COMPANIES)
    parser.add_argument("events", nargs="*", type=int, default=list(EVENTS))
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds")
    given = parser.parse_args()
    random.seed(SEED)
    deck = make_deck(DECK)
    load, began = os.getloadavg()[0], time.monotonic()
    found: list[dict[str, float]] = []
    left_out: list[int] = []
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres = start_postgres(home / "pg", fast=False)
        try:
            lab = prepare(home, postgres.url, deck)
            each_s = 0.0
            for events in given.events:
                left_s = given.limit - (time.monotonic() - began)
                if left_s < each_s * events or shutil.disk_usage(home).free < 2 * EVENT_BYTES * events:
                    left_out.append(events)
                    continue
                begun = time.monotonic()
                found.append(measure(lab, given.companies, events))
                each_s = (time.monotonic() - begun) / events
            bill = measure_preview(lab)
        finally:
            postgres.stop()
    slopes = [
        math.log(of["close_s"] / before["close_s"]) / math.log(of["events"] / before["events"])
        for before, of in itertools.pairwise(found)
    ]
    report = {
        "companies": given.companies,
        "load_average": load,
        "sizes": found,
        "left_out": left_out,
        "slopes": [round(one, 3) for one in slopes],
        **bill,
    }
    print(json.dumps(report, indent=2))


def watched(of: Sequence[_One], label: str) -> Iterator[_One]:
    """Yield things and show on the terminal how many are done."""
    with click.progressbar(of, label=label, file=sys.stderr) as bar:
        yield from bar


def prepare(home: Path, admin_url: str, deck: tuple[DatedRate, ...]) -> Lab:
    """Make the database and publish the list."""
    key_file = home / "root.key"
    key_file.write_bytes(os.urandom(32))
    key_file.chmod(0o600)
    root_key = FileRootKey(key_file)
    urls = prepare_database(admin_url, secrets_file=home / "roles.json", root_key=root_key)
    gate = Gate(urls.app, context_key=root_key.derive("context/v1"))
    here = make_conninfo(admin_url, dbname=str(conninfo_to_dict(urls.bill)["dbname"]))
    return Lab(gate, urls, here, stock.publish(gate, of=deck))


def company(lab: Lab, events: int) -> TenantId:
    """Admit a company that used so much in October."""
    tenant_id = TenantId(new_id())
    with lab.gate.open(Scope.system(OPERATOR)) as session:
        admit(session, tenant_id=tenant_id)
    with lab.gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=lab.version)
    intake.take_in(lab.gate, lab.urls.bill, tenant_id=tenant_id, usages=make_usage(events))
    return tenant_id


def measure(lab: Lab, companies: int, events: int) -> dict[str, float]:
    """Close October for companies that share so many events."""
    shares = [events // companies] * companies
    who = [company(lab, share) for share in watched(shares, f"{events:,} events: taken in")]
    vacuum(lab)
    with psycopg.connect(lab.admin_url, autocommit=True) as admin:
        grouped, floors, previewed, nano = list[float](), list[float](), list[float](), 0
        for _ in watched(range(3), "grouped and previewed"):
            began = time.perf_counter()
            rows = admin.execute(_GROUP_BY, {"end": OCTOBER.end, "who": who}).fetchall()
            grouped.append(time.perf_counter() - began)
            began = time.perf_counter()
            there = [sum(bare(lab, tenant_id) for tenant_id in who) for _drafted_then_frozen in range(2)]
            floors.append(time.perf_counter() - began)
            began = time.perf_counter()
            nano = 0
            for tenant_id in who:
                with lab.gate.open(Scope.system(tenant_id)) as session:
                    bill = invoices.preview(session, tenant_id=tenant_id, period=OCTOBER)
                nano += sum(line.amount_nano for line in bill.lines)
            previewed.append(time.perf_counter() - began)
            assert nano == sum(int(row[-1]) for row in rows)
            assert there == [nano, nano]
        began = time.perf_counter()
        usual = closing.usual_bounds(lab.gate)
        for tenant_id in watched(who, "drafted"):
            closing.draft(lab.gate, tenant_id=tenant_id, year=2026, month=10)
        drafted_s = time.perf_counter() - began
        for tenant_id in watched(who, "finalised"):
            closing.finalise(lab.gate, tenant_id=tenant_id, year=2026, month=10, usual=usual, by=OPERATOR)
        closed_s = time.perf_counter() - began
        closed = admin.execute(
            "SELECT sum(l.amount_nano), count(DISTINCT i.number) FROM app.invoice_lines l JOIN app.invoices i"
            " ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id WHERE l.tenant_id = ANY(%s)",
            (who,),
        ).fetchone()
    assert closed is not None
    assert (int(closed[0]), closed[1]) == (nano, companies)
    group_s, floor_s = min(grouped), min(floors)
    return {
        "events": events,
        "group_by_s": round(group_s, 3),
        "floor_s": round(floor_s, 3),
        "preview_s": round(min(previewed), 3),
        "draft_s": round(drafted_s, 3),
        "close_s": round(closed_s, 3),
        "floor_ratio": round(floor_s / group_s, 2),
        "preview_ratio": round(min(previewed) / group_s, 2),
        "close_ratio": round(closed_s / group_s, 2),
        "close_ratio_to_floor": round(closed_s / floor_s, 2),
        "checksum_nano": nano,
    }


def bare(lab: Lab, tenant_id: TenantId) -> int:
    """Do what drafting, or freezing, one bill cannot do without; return what its charges come to."""
    with lab.gate.open(Scope.system(tenant_id)) as session:
        session.execute(_SYNCED)
        return int(session.execute(_OF_ONE, {"tenant": tenant_id, "end": OCTOBER.end}).scalar_one())


def measure_preview(lab: Lab) -> dict[str, float]:
    """Preview one company's bill of 100,000 events."""
    tenant_id = company(lab, PREVIEWED)
    vacuum(lab)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        with lab.gate.open(Scope.system(tenant_id)) as session:
            invoices.preview(session, tenant_id=tenant_id, period=OCTOBER)
        times.append(time.perf_counter() - began)
    return {"preview_of_100000_ms": round(statistics.median(times) * 1000)}


def vacuum(lab: Lab) -> None:
    """Put the tables in the order in which the database itself puts them in time."""
    with psycopg.connect(lab.admin_url, autocommit=True) as admin:
        admin.execute("VACUUM ANALYZE app.rated_charges, app.usage_events")
        admin.execute("CHECKPOINT")


if __name__ == "__main__":
    main()
