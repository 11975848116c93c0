"""What row security costs: the same questions to a fenced table and to an open one, in one transaction.

    python -m bench.fence [rows] [rounds]

Both tables hold the same rows of twenty tenants under the same keys and indexes; the arms take turns in
random order behind one `sec.enter`, which is timed apart. Plans are compared without the fence's own
InitPlan: the same shape means that the fence did not cost an index.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, text

from core.ids import OPERATOR, TenantId, new_id
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit, backend_of, mint
from security.keys import FileRootKey
from wiring.prepare import DatabaseUrls, prepare_database

_TENANTS = 20
_MAKE = """
CREATE TABLE app.{name} (tenant_id uuid NOT NULL, id uuid NOT NULL, made_at timestamptz NOT NULL,
  amount bigint NOT NULL, note text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE INDEX {name}_by_time ON app.{name} (tenant_id, made_at);
GRANT SELECT ON app.{name} TO seatline_app;
"""
_FENCE = """
ALTER TABLE app.fenced ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.fenced FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON app.fenced AS RESTRICTIVE FOR ALL TO PUBLIC
  USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
CREATE POLICY service ON app.fenced AS PERMISSIVE FOR ALL TO seatline_app USING (true) WITH CHECK (true);
"""
QUESTIONS = {
    "one row by its key": "SELECT note FROM app.{name} WHERE tenant_id = :tenant AND id = :id",
    "fifty newest rows": "SELECT id, note FROM app.{name} WHERE tenant_id = :tenant"
    " ORDER BY made_at DESC LIMIT 50",
    "a day's sum": "SELECT sum(amount) FROM app.{name} WHERE tenant_id = :tenant"
    " AND made_at >= :since AND made_at < CAST(:since AS timestamptz) + interval '1 day'",
}


def measure(gate: Gate, key: bytes, tenant_id: TenantId, rounds: int) -> dict[str, Any]:
    """Let the arms take turns; return medians, their ratios, and whether the plans agree."""
    spent: dict[tuple[str, str], list[float]] = {
        (one, arm): [] for one in QUESTIONS for arm in ("fenced", "open")
    }
    entering, plans = [], {}
    draw = random.Random(11)  # noqa: S311 - the order of a benchmark
    for turn in range(-100, rounds):  # the first hundred warm caches and prepared statements
        with gate.outside() as connection:
            began = time.perf_counter()
            token = mint(Scope.system(tenant_id), key, backend=backend_of(connection))
            connection.exec_driver_sql("SELECT sec.enter(%s)", (token,))
            entered = time.perf_counter() - began
            known = _known(connection, tenant_id, draw)
            for question in draw.sample(sorted(QUESTIONS), len(QUESTIONS)):
                for arm in draw.sample(["fenced", "open"], 2):
                    statement = text(QUESTIONS[question].format(name=arm))
                    began = time.perf_counter()
                    connection.execute(statement, known).all()
                    if turn >= 0:
                        spent[question, arm].append(time.perf_counter() - began)
            if turn >= 0:
                entering.append(entered)
            if turn == 0:
                plans = {one: _same_shape(connection, one, known) for one in QUESTIONS}
    return {
        "measure": "row security",
        "rounds": rounds,
        "enter_ms": round(statistics.median(entering) * 1000, 3),
        "questions": {
            one: {
                "fenced_ms": round(statistics.median(spent[one, "fenced"]) * 1000, 3),
                "open_ms": round(statistics.median(spent[one, "open"]) * 1000, 3),
                "ratio": round(
                    statistics.median(spent[one, "fenced"]) / statistics.median(spent[one, "open"]), 3
                ),
                "is_same_plan": plans[one],
            }
            for one in QUESTIONS
        },
    }


def _known(connection: Connection, tenant_id: TenantId, draw: random.Random) -> dict[str, Any]:
    day = draw.randrange(1, 28)
    row = connection.execute(
        text("SELECT id FROM app.open WHERE tenant_id = :tenant ORDER BY id OFFSET :some LIMIT 1"),
        {"tenant": tenant_id, "some": draw.randrange(50)},
    ).scalar_one()
    return {"tenant": tenant_id, "id": row, "since": f"2026-11-{day:02}T00:00:00Z"}


def _same_shape(connection: Connection, question: str, known: dict[str, Any]) -> bool:
    shapes = []
    for arm in ("fenced", "open"):
        found = connection.execute(
            text("EXPLAIN (FORMAT JSON) " + QUESTIONS[question].format(name=arm)), known
        ).scalar_one()
        shapes.append(_nodes(found[0]["Plan"]))
    return shapes[0] == shapes[1]


def _nodes(plan: dict[str, Any]) -> list[str]:
    """Return the kinds of a plan's nodes and their indexes, but for those that ask the fence."""
    below = [one for one in plan.get("Plans", ()) if one.get("Parent Relationship") != "InitPlan"]
    if "One-Time Filter" in plan:  # "is it this tenant's?", asked once before the rest
        return [node for one in below for node in _nodes(one)]
    index = plan.get("Index Name", "").removeprefix("fenced").removeprefix("open")
    return [f"{plan['Node Type']} {index}", *(node for one in below for node in _nodes(one))]


def main(rows: int, rounds: int) -> None:
    """Run over a throw-away PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as name:
        home = Path(name)
        home.chmod(0o755)
        key_file = home / "root.key"
        key_file.write_bytes(os.urandom(32))
        key_file.chmod(0o600)
        root_key = FileRootKey(key_file)
        running = start_postgres(home / "pg")
        try:
            urls = prepare_database(running.url, secrets_file=home / "roles.json", root_key=root_key)
            report = _run(urls, root_key.derive("context/v1"), rows, rounds)
        finally:
            running.stop()
    json.dump(report, sys.stdout, indent=2)


def _run(urls: DatabaseUrls, key: bytes, rows: int, rounds: int) -> dict[str, Any]:
    gate = Gate(urls.app, context_key=key)
    try:
        tenants = [TenantId(new_id()) for _ in range(_TENANTS)]
        with gate.open(Scope.system(OPERATOR)) as session:
            for one in tenants:
                admit(session, tenant_id=one)
        _fill(urls, tenants, rows)
        return measure(gate, key, tenants[0], rounds) | {"rows": rows, "tenants": _TENANTS}
    finally:
        gate.close()


def _fill(urls: DatabaseUrls, tenants: list[TenantId], rows: int) -> None:
    with psycopg.connect(urls.migrator, autocommit=True) as owner:
        owner.execute("SET ROLE seatline_owner")
        for name in ("fenced", "open"):
            owner.execute(_MAKE.format(name=name))
        owner.execute(
            "INSERT INTO app.open SELECT (%s::uuid[])[1 + n %% %s], gen_random_uuid(),"
            " timestamptz '2026-11-01' + n * interval '30 days' / %s, n, 'note ' || n"
            " FROM generate_series(1, %s) n",
            (tenants, _TENANTS, rows, rows),
        )
        owner.execute("INSERT INTO app.fenced SELECT * FROM app.open")
        owner.execute(_FENCE)
        for name in ("fenced", "open"):
            owner.execute(f"ANALYZE app.{name}")


if __name__ == "__main__":
    main(*(int(one) for one in (sys.argv[1:] + ["100000", "1500"][len(sys.argv) - 1 :])))
