"""Closing a month, a bill before it, and rating again, beside one GROUP BY over the same charges.

    nice -n 5 .venv/bin/python -m bench.closing [COMPANIES [EVENTS ...]]     # 200 companies, 100,000 events
    .venv/bin/python -m bench.closing 200 100000 1000000                     # the slope between two sizes
    .venv/bin/python -m bench.closing 200 1000000 --again 1000000            # rate a million again
    .venv/bin/python -m bench.closing 200 100000 1000000 10000000 --limit 1200 --no-again

How far it is stands on the terminal. `--limit` (900 s) bounds it: a size that begins with too little left,
going by the one before, is left out and named in the report.

Runs against a PostgreSQL of its own, synced to disk, and prints one JSON report. For each size a fresh set of
companies shares that many events of October, taken in as production does it. Then, in turns: one GROUP BY by
company, meter, destination and tariff over all of them, by an administrator and unfenced; all bills worked
out and not written (`preview`); and the month closed, a draft and its finalising for each company, as the
operator's page does. The sums of all three must agree. The slope is the exponent of the time in the number
of events. At the end one company of 100,000 events has its bill previewed, and one of as many as `--again`
says (100,000) is rated again by another list, in pieces, looked at first and then applied.
"""

import argparse
import datetime as dt
import itertools
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.rating import DECK, SEED, make_deck, make_usage
from billing import invoices, periods, rerating, tariffs
from billing.price_lists import Published
from billing.rating.tariff import DatedRate
from billing.rerating import Part
from core import clock
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
PIECE = 50_000
LIMIT_S = 900.0
_One = TypeVar("_One")
OCTOBER = periods.month(2026, 10, zone="Europe/London")
AFTER = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
NEXT = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
_GROUP_BY = """
    SELECT tenant_id, meter, destination, tariff_id, currency, count(*), sum(billed_seconds),
      sum(units_nano), sum(amount_nano)
    FROM app.rated_charges
    WHERE superseded_by IS NULL AND outcome = 'rated' AND bill_at < %(end)s AND tenant_id = ANY(%(who)s)
    GROUP BY tenant_id, meter, destination, tariff_id, currency
"""


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
    parser.add_argument("--again", type=int, default=PREVIEWED, help="events to rate again")
    parser.add_argument("--no-again", action="store_const", dest="again", const=0)
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
                if left_s < each_s * events:
                    left_out.append(events)
                    continue
                begun = time.monotonic()
                found.append(measure(lab, given.companies, events))
                each_s = (time.monotonic() - begun) / events
            bill = {**measure_preview(lab), **(measure_again(lab, deck, given.again) if given.again else {})}
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
        grouped, previewed, nano = [], [], 0
        for _ in watched(range(3), "grouped and previewed"):
            began = time.perf_counter()
            rows = admin.execute(_GROUP_BY, {"end": OCTOBER.end, "who": who}).fetchall()
            grouped.append(time.perf_counter() - began)
            began = time.perf_counter()
            nano = 0
            for tenant_id in who:
                with lab.gate.open(Scope.system(tenant_id)) as session:
                    bill = invoices.preview(session, tenant_id=tenant_id, period=OCTOBER)
                nano += sum(line.amount_nano for line in bill.lines)
            previewed.append(time.perf_counter() - began)
            assert nano == sum(int(row[-1]) for row in rows)
        began = time.perf_counter()
        for tenant_id in watched(who, "drafted"):
            closing.draft(lab.gate, tenant_id=tenant_id, year=2026, month=10)
        drafted_s = time.perf_counter() - began
        for tenant_id in watched(who, "finalised"):
            closing.finalise(lab.gate, tenant_id=tenant_id, year=2026, month=10)
        closed_s = time.perf_counter() - began
        closed = admin.execute(
            "SELECT sum(l.amount_nano), count(DISTINCT i.number) FROM app.invoice_lines l JOIN app.invoices i"
            " ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id WHERE l.tenant_id = ANY(%s)",
            (who,),
        ).fetchone()
    assert closed is not None
    assert (int(closed[0]), closed[1]) == (nano, companies)
    group_s = min(grouped)
    return {
        "events": events,
        "group_by_s": round(group_s, 3),
        "preview_s": round(min(previewed), 3),
        "draft_s": round(drafted_s, 3),
        "close_s": round(closed_s, 3),
        "preview_ratio": round(min(previewed) / group_s, 2),
        "close_ratio": round(closed_s / group_s, 2),
        "checksum_nano": nano,
    }


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


def measure_again(lab: Lab, deck: tuple[DatedRate, ...], events: int) -> dict[str, float]:
    """Rate one company's events again by another list."""
    tenant_id = company(lab, events)
    vacuum(lab)
    with clock.hold(AFTER):
        dearer = stock.publish(lab.gate, effective_from=NEXT, of=doubled(deck))
        with lab.gate.open(Scope.system(tenant_id)) as session:
            tariff_id = tariffs.take(session, tenant_id=tenant_id, version=dearer).tariff_id
    began = time.perf_counter()
    looked = look(lab.gate, tenant_id, tariff_id, events)
    looked_s = time.perf_counter() - began
    for part, sha256 in watched(looked, "rated again"):
        with lab.gate.open(Scope.system(tenant_id)) as session:
            rerating.approve(
                session,
                tenant_id=tenant_id,
                start=OCTOBER.start,
                end=OCTOBER.end,
                tariff_id=tariff_id,
                sha256=sha256,
                part=part,
            )
    rated_s = time.perf_counter() - began
    return {
        "rerated": events,
        "rerate_look_s": round(looked_s, 2),
        "rerate_s": round(rated_s, 2),
        "rerate_rows_per_s": round(events / rated_s),
    }


def vacuum(lab: Lab) -> None:
    """Put the tables in the order in which the database itself puts them in time."""
    with psycopg.connect(lab.admin_url, autocommit=True) as admin:
        admin.execute("VACUUM ANALYZE app.rated_charges, app.usage_events")
        admin.execute("CHECKPOINT")


def look(gate: Gate, tenant_id: TenantId, tariff_id: UUID, events: int) -> list[tuple[Part, bytes]]:
    """Return the pieces of a stretch, each with the digest of its difference."""
    pieces: list[tuple[Part, bytes]] = []
    after = None
    with click.progressbar(length=events, label="looked at", file=sys.stderr) as bar:
        while True:
            with gate.open(Scope.system(tenant_id)) as session:
                found = rerating.difference(
                    session,
                    tenant_id=tenant_id,
                    start=OCTOBER.start,
                    end=OCTOBER.end,
                    tariff_id=tariff_id,
                    part=Part(after=after, most=PIECE),
                )
            if not found.looked:
                return pieces
            bar.update(found.looked)
            pieces.append((Part(after=after, until=found.last), found.sha256))
            after = found.last


def doubled(deck: tuple[DatedRate, ...]) -> tuple[DatedRate, ...]:
    """Return the list with every minute at another price."""
    return tuple(
        DatedRate(row.meter, row.prefix, row.destination, stock.per_minute(10**7 + at))
        for at, row in enumerate(deck)
    )


if __name__ == "__main__":
    main()
