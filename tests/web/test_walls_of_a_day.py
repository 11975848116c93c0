"""Two generators over a database in which everything has happened: each table as another company (G2), and a
search for every personal word in every byte we have written (G5)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.realtime import Realtime
from launch.parts.part import Running
from launch.parts.valkey import Valkey
from security.gate import Gate, Scope
from tests.conftest import Prepared
from tests.web.conftest import Cast
from tests.web.scene import Scene
from tests.web.test_pages import (  # noqa: F401 - the fixtures of the walk
    Walk,
    dana,
    known,
    noon,
    round_trip,
    services,
    standin,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PLATFORM = {
    *("outbox", "duties", "usage_staging", "invoice_series"),
    *("barred_prefixes", "switch_loads", "sellers"),
}
# what stands in a column of a row that is put where the walk leaves none, by the column's type
MADE_UP = {
    "uuid": "gen_random_uuid()",
    "text": "'made up'",
    "int2": "1",
    "int4": "1",
    "int8": "1",
    "numeric": "1",
    "float8": "1",
    "bool": "false",
    "bytea": "decode(repeat('01', 120), 'hex')",
    "timestamptz": "now()",
    "date": "current_date",
    "time": "localtime",
    "jsonb": "'{}'",
    "tstzrange": "tstzrange(now(), now() + interval '1 hour')",
    "daterange": "daterange(current_date, current_date + 1)",
    "_text": "'{}'",
    "_int4": "'{}'",
    "_uuid": "'{}'",
}
REFUSED = "42501"


@pytest.fixture
def admin(prepared: Prepared, gate: Gate) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A superuser in this test's database, whom no wall stops."""
    with gate.outside() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    url = prepared.admin_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as opened:
        yield opened


def tables(admin: psycopg.Connection[dict[str, Any]]) -> list[str]:
    found = admin.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p')"
    )
    return sorted(row["relname"] for row in found if row["relname"] not in PLATFORM)


def sample(admin: psycopg.Connection[dict[str, Any]], table: str, *, but: UUID) -> dict[str, Any] | None:
    """Return a row of somebody else's."""
    return admin.execute(
        sql.SQL("SELECT * FROM app.{} WHERE tenant_id <> %s ORDER BY tenant_id LIMIT 1").format(
            sql.Identifier(table)
        ),
        (but,),
    ).fetchone()


def plant(admin: psycopg.Connection[dict[str, Any]], table: str, *, whose: UUID) -> None:
    """Put a row of somebody's where the walk leaves none; the fence is tried, not what the row says.

    So the checks and triggers of this throw-away database's table go, and its keys to others are not asked.
    """
    checks = admin.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", (f"app.{table}",)
    ).fetchall()
    for one in checks:
        admin.execute(
            sql.SQL("ALTER TABLE app.{} DROP CONSTRAINT {}").format(
                sql.Identifier(table), sql.Identifier(one["conname"])
            )
        )
    # what a trigger would refuse before the fence is asked is no test of the fence
    admin.execute(sql.SQL("ALTER TABLE app.{} DISABLE TRIGGER USER").format(sql.Identifier(table)))
    needed = admin.execute(
        "SELECT column_name AS name, udt_name AS kind FROM information_schema.columns"
        " WHERE table_schema = 'app' AND table_name = %s AND is_nullable = 'NO' AND is_generated = 'NEVER'",
        (table,),
    ).fetchall()
    values = {one["name"]: sql.SQL(MADE_UP[one["kind"]]) for one in needed}
    with admin.transaction():
        admin.execute("SET LOCAL session_replication_role = replica")
        admin.execute(
            sql.SQL("INSERT INTO app.{} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(
                    sql.Literal(whose) if name == "tenant_id" else made for name, made in values.items()
                ),
            )
        )


def columns(admin: psycopg.Connection[dict[str, Any]], table: str) -> str:
    found = admin.execute(
        "SELECT quote_ident(column_name) AS name FROM information_schema.columns"
        " WHERE table_schema = 'app' AND table_name = %s AND is_generated = 'NEVER'",
        (table,),
    )
    return ", ".join(row["name"] for row in found)


def state_of(session: Session, statement: str, **values: Any) -> str:
    """Run a statement in a savepoint; return `rows <n>`, or the state it was refused with."""
    try:
        with session.begin_nested() as point:
            done = session.connection().execute(text(statement), values)
            rows = done.rowcount
            point.rollback()
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", ""))
    return f"rows {rows}"


def test_no_table_is_a_door_to_another_company(
    round_trip: Walk,  # noqa: F811
    admin: psycopg.Connection[dict[str, Any]],
    gate: Gate,
    cast: Cast,
) -> None:
    """G2: reading, changing, removing, taking over, and putting in for somebody else."""
    wrong, planted = [], 0
    thief = cast.b.tenant_id
    for table in tables(admin):
        row = sample(admin, table, but=thief)
        if row is None:
            plant(admin, table, whose=cast.a.tenant_id)
            planted += 1
            row = sample(admin, table, but=thief)
        assert row is not None, table
        with gate.open(Scope.system(thief)) as session:
            said = tried(session, admin, table, row, thief)
        wrong += [f"{table}: {act}: {what}" for act, what in said.items() if what not in right(act)]
    assert wrong == []
    assert 0 < planted < len(tables(admin)) * 2 / 3, "most rows are those of a day"
    admin.execute("ALTER TABLE app.customers DISABLE ROW LEVEL SECURITY")
    row = sample(admin, "customers", but=thief)
    assert row is not None
    with gate.open(Scope.system(thief)) as session:
        said = tried(session, admin, "customers", row, thief)
    assert [act for act, what in said.items() if what not in right(act)], "an open door is not seen"


def right(act: str) -> set[str]:
    """Return what an act may come to: nothing found, or refused; putting in is always refused."""
    return {REFUSED} if act.startswith("put in") else {"rows 0", REFUSED}


def tried(
    session: Session,
    admin: psycopg.Connection[dict[str, Any]],
    table: str,
    row: dict[str, Any],
    thief: UUID,
) -> dict[str, str]:
    """Return what the acts of a thief came to at somebody else's row."""
    whose = {"whose": row["tenant_id"]}
    theirs = f"app.{table} SET tenant_id = {{}} WHERE tenant_id = :whose"
    names = columns(admin, table)
    copy = f"INSERT INTO app.{table} ({names}) SELECT {names}"
    copy += f" FROM json_populate_record(NULL::app.{table}, CAST(:body AS json))"
    body = as_json(admin, table, row["tenant_id"])
    return {
        "read": state_of(session, f"SELECT 1 FROM app.{table} WHERE tenant_id = :whose", **whose),
        "change": state_of(session, f"UPDATE {theirs.format('tenant_id')}", **whose),
        "take over": state_of(session, f"UPDATE {theirs.format(':thief')}", thief=thief, **whose),
        "remove": state_of(session, f"DELETE FROM app.{table} WHERE tenant_id = :whose", **whose),
        "put in": state_of(session, copy, body=body),
        "put in, or look whether it is there": state_of(session, f"{copy} ON CONFLICT DO NOTHING", body=body),
    }


def as_json(admin: psycopg.Connection[dict[str, Any]], table: str, whose: UUID) -> str:
    found = admin.execute(
        sql.SQL("SELECT to_json(one)::text AS body FROM app.{} one WHERE tenant_id = %s LIMIT 1").format(
            sql.Identifier(table)
        ),
        (whose,),
    ).fetchone()
    assert found is not None
    return str(found["body"])


def test_no_personal_word_stands_in_any_byte_we_wrote(
    round_trip: Walk,  # noqa: F811
    admin: psycopg.Connection[dict[str, Any]],
    day: Scene,
    cast: Cast,
    home: Path,
    tmp_path: Path,
    valkey: Running[Valkey],
    realtime: Realtime,
) -> None:
    """G5: names, numbers, addresses and notes, over database files, WAL, logs, Redis and what was stored."""
    for path in round_trip.pages["alice"]:
        round_trip.signed_in["alice"].get(path)
    admin.execute("CHECKPOINT")
    realtime.redis.save()
    words = {
        day.ines.name,
        day.ines.phone.lstrip("+"),
        "447700900999",
        "4420794601",
        "Lead 1",
        cast.alice.email,
        cast.alice.name + "@",
        "charlie@harbour.example",
    }
    searched = 0
    found: set[str] = set()
    control = False
    for file, content in every_file(home, tmp_path):
        searched += len(content)
        control = control or cast.a.name.encode() in content  # a company's name is not personal
        found |= {
            f"{word!r} in {file}"
            for word in words
            for coded in (word.encode(), word.encode("utf-16-le"))
            if coded in content
        }
    assert control, "the search finds nothing at all"
    assert searched > 10_000_000
    assert found == set()


def every_file(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each file with what stands in it; the servers are at work, and take files of theirs away."""
    for folder in folders:
        for inside, _, names in os.walk(folder):
            for file in (Path(inside, name) for name in names):
                with contextlib.suppress(FileNotFoundError):
                    if file.is_file() and not file.is_symlink():
                        yield file, file.read_bytes()
