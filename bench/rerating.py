"""Rating again what was rated: looked at first, then applied, beside the writing that it cannot do without.

    nice -n 5 .venv/bin/python -m bench.rerating [EVENTS]     # 1,000,000

Runs against a PostgreSQL of its own, synced to disk, and prints one JSON report; how far it is stands on the
terminal. One company's events of October are rated by another list, in pieces, as the operator's page has it
done: each piece is looked at, which changes nothing, and then applied, which names the difference that was
seen. After each piece PostgreSQL has its turn: in a copy of the table, with its checks and indexes and
without fence, foreign key or trigger, two statements mark the piece's charges superseded and put in the fresh
ones, as they are. The sums of both tables must agree.
"""

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

import click
import psycopg

from bench.closing import OCTOBER, Lab, company, prepare, vacuum
from bench.rating import DECK, SEED, amounts, make_deck
from billing import rerating, tariffs
from billing.rating.tariff import DatedRate
from billing.rerating import Difference, Part
from core import clock
from core.ids import TenantId
from launch.parts import start_postgres
from security.gate import Scope
from tests.billing import stock

EVENTS = 1_000_000
PIECE = 50_000
_FRESH = """
    CREATE TEMPORARY TABLE fresh AS SELECT * FROM app.rated_charges
    WHERE tenant_id = %s AND superseded_by IS NULL AND rating_seq = 2
      AND NOT EXISTS (SELECT 1 FROM public.rated_charges there
        WHERE there.tenant_id = rated_charges.tenant_id AND there.id = rated_charges.id)
"""
_SUPERSEDE = """
    UPDATE public.rated_charges old SET superseded_by = fresh.id FROM fresh
    WHERE old.tenant_id = fresh.tenant_id AND old.usage_id = fresh.usage_id AND old.superseded_by IS NULL
"""


def main() -> None:
    """Measure and print the report."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    random.seed(SEED)
    deck, load = make_deck(DECK), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        postgres = start_postgres(home / "pg", fast=False)
        try:
            report = measure(prepare(home, postgres.url, deck), deck, events)
        finally:
            postgres.stop()
    print(json.dumps({"load_average": load, "load_average_then": os.getloadavg()[0], **report}, indent=2))


def measure(lab: Lab, deck: tuple[DatedRate, ...], events: int) -> dict[str, object]:
    """Rate so many events again, each piece in both ways."""
    tenant_id = company(lab, events)
    with clock.hold(OCTOBER.end):
        dearer = stock.publish(lab.gate, effective_from=OCTOBER.end, of=doubled(deck))
    with lab.gate.open(Scope.system(tenant_id)) as session:
        tariff_id = tariffs.take(session, tenant_id=tenant_id, version=dearer).tariff_id
    vacuum(lab)
    took = {"look": 0.0, "apply": 0.0, "bare": 0.0}
    pieces, changed, after = 0, 0, None
    with (
        psycopg.connect(lab.admin_url) as admin,
        click.progressbar(length=events, label="rated again", file=sys.stderr) as bar,
    ):
        copy_out(admin)
        while True:
            began = time.perf_counter()
            seen = look(lab, tenant_id, tariff_id, Part(after=after, most=PIECE))
            took["look"] += time.perf_counter() - began
            if not seen.looked:
                break
            began = time.perf_counter()
            apply(lab, tenant_id, tariff_id, Part(after=after, until=seen.last), seen.sha256)
            took["apply"] += time.perf_counter() - began
            took["bare"] += write_bare(admin, tenant_id)
            pieces, changed, after = pieces + 1, changed + len(seen.changes), seen.last
            bar.update(seen.looked)
    total, count = amounts(lab.admin_url, "app.rated_charges", tenant_id)
    assert (total, count) == amounts(lab.admin_url, "public.rated_charges", tenant_id)
    assert count == events + changed
    return {
        "events": events,
        "changed": changed,
        "pieces": pieces,
        **{f"{arm}_s": round(seconds, 2) for arm, seconds in took.items()},
        "rows_per_s": round(events / (took["look"] + took["apply"])),
        "look_rows_per_s": round(events / took["look"]),
        "apply_rows_per_s": round(events / took["apply"]),
        "bare_rows_per_s": round(events / took["bare"]),
        "apply_ratio": round(took["apply"] / took["bare"], 2),
        "ratio": round((took["look"] + took["apply"]) / took["bare"], 2),
        "checksum_nano": total,
    }


def look(lab: Lab, tenant_id: TenantId, tariff_id: UUID, part: Part) -> Difference:
    """Return what rating a piece again would change."""
    with lab.gate.open(Scope.system(tenant_id)) as session:
        return rerating.difference(
            session, tenant_id=tenant_id, start=OCTOBER.start, end=OCTOBER.end, tariff_id=tariff_id, part=part
        )


def apply(lab: Lab, tenant_id: TenantId, tariff_id: UUID, part: Part, sha256: bytes) -> None:
    """Rate a piece again, as it was seen."""
    with lab.gate.open(Scope.system(tenant_id)) as session:
        rerating.approve(
            session,
            tenant_id=tenant_id,
            start=OCTOBER.start,
            end=OCTOBER.end,
            tariff_id=tariff_id,
            part=part,
            sha256=sha256,
        )


def copy_out(admin: psycopg.Connection) -> None:
    """Copy the charges, as they stand before, into a table without fence, foreign keys and triggers."""
    admin.execute("CREATE TABLE public.rated_charges (LIKE app.rated_charges INCLUDING ALL)")
    admin.execute("INSERT INTO public.rated_charges SELECT * FROM app.rated_charges")
    admin.commit()
    admin.execute("ANALYZE public.rated_charges")
    admin.commit()


def write_bare(admin: psycopg.Connection, tenant_id: TenantId) -> float:
    """Write a piece's fresh charges beside the old ones; return the seconds of the writing alone."""
    admin.execute(_FRESH, (tenant_id,))
    admin.execute("ANALYZE fresh")
    admin.commit()
    began = time.perf_counter()
    admin.execute(_SUPERSEDE)
    admin.execute("INSERT INTO public.rated_charges SELECT * FROM fresh")
    admin.commit()
    took = time.perf_counter() - began
    admin.execute("DROP TABLE fresh")
    admin.commit()
    return took


def doubled(deck: tuple[DatedRate, ...]) -> tuple[DatedRate, ...]:
    """Return the list with every minute at another price."""
    return tuple(
        DatedRate(row.meter, row.prefix, row.destination, stock.per_minute(10**7 + at))
        for at, row in enumerate(deck)
    )


if __name__ == "__main__":
    main()
