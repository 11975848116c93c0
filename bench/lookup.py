"""The encrypted telephone look-up beside a plaintext one and beside SQLAlchemy-Utils, in one interleaved run.

    python -m bench.lookup [customers] [rounds]

All arms run through the same gate, behind the same fence, over the same number of rows, ask in the same
statement whether the record is a decoy (which is asked of any record, sealed or not), and end in the same
`CustomerCard`; the plaintext arm's table holds the same values unsealed under a plain unique index. The third
holds them in `StringEncryptedType` columns (AES-CBC with one key and one start for all rows, so that equal
values look equal and the column itself is the index): what is common, and protects less.
"transaction" opens one for it, as the screen pop does; "bare" is the look-up within an open one. The
arms take turns in random order, so that what else the machine does falls on both.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy_utils import StringEncryptedType  # type: ignore[import-untyped] # it brings no types
from sqlalchemy_utils.types.encrypted.encrypted_type import (  # type: ignore[import-untyped] # as above
    AesEngine,
)

from core.ids import OPERATOR, CustomerId, TenantId, new_id
from core.phone import E164
from customers import lookup, records
from customers.records import CustomerCard, CustomerDetails
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Field, Vault
from wiring.prepare import DatabaseUrls, prepare_database

PLAIN = sa.table(
    "plain_customers",
    *(
        sa.column(name)
        for name in (
            "tenant_id",
            "id",
            "row_version",
            "name",
            "phone",
            "email",
            "postcode",
            "notes",
            "created_at",
            "updated_at",
        )
    ),
    schema="app",
)
ENCRYPTED_KEY = os.urandom(32).hex()
ENCRYPTED = sa.table(
    "encrypted_customers",
    sa.column("tenant_id", sa.Uuid()),
    sa.column("id", sa.Uuid()),
    sa.column("row_version"),
    *(
        sa.column(name, StringEncryptedType(sa.String, ENCRYPTED_KEY, AesEngine, "pkcs5"))
        for name in ("name", "phone", "email", "postcode", "notes")
    ),
    sa.column("created_at"),
    sa.column("updated_at"),
    schema="app",
)


def _asked(table: sa.TableClause) -> sa.Select[Any]:
    """Return the question for a row of a table, and whether it is a decoy's."""
    decoys = sa.table("decoys", sa.column("tenant_id"), sa.column("customer_id"), schema="app")
    is_decoy = sa.exists().where(decoys.c.tenant_id == table.c.tenant_id, decoys.c.customer_id == table.c.id)
    return sa.select(*table.c, is_decoy.label("is_decoy"))


BY_ENCRYPTED_PHONE = _asked(ENCRYPTED).where(
    ENCRYPTED.c.tenant_id == sa.bindparam("tenant", type_=sa.Uuid()),
    ENCRYPTED.c.phone == sa.bindparam("phone", type_=ENCRYPTED.c.phone.type),
)
BY_PLAIN_PHONE = _asked(PLAIN).where(
    PLAIN.c.tenant_id == sa.bindparam("tenant", type_=sa.Uuid()), PLAIN.c.phone == sa.bindparam("phone")
)
MAKE_PLAIN = """
CREATE TABLE app.plain_customers (tenant_id uuid NOT NULL, id uuid NOT NULL, row_version bigint NOT NULL,
  name text NOT NULL, phone text NOT NULL, email text, postcode text, notes text,
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, phone));
ALTER TABLE app.plain_customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.plain_customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON app.plain_customers AS RESTRICTIVE FOR ALL TO PUBLIC
  USING (tenant_id = (SELECT sec.tenant())) WITH CHECK (tenant_id = (SELECT sec.tenant()));
CREATE POLICY service ON app.plain_customers AS PERMISSIVE FOR ALL TO seatline_app
  USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON app.plain_customers TO seatline_app;
"""
MAKE_ENCRYPTED = MAKE_PLAIN.replace("plain_customers", "encrypted_customers")


def by_plain_phone(session: Session, *, tenant_id: TenantId, phone: E164) -> CustomerCard | None:
    """Return the customer of a number from the plaintext table, as `lookup.by_phone` would."""
    return _found(session, BY_PLAIN_PHONE, tenant_id, phone)


def by_encrypted_phone(session: Session, *, tenant_id: TenantId, phone: E164) -> CustomerCard | None:
    """Return the customer of a number from the table of SQLAlchemy-Utils' columns."""
    return _found(session, BY_ENCRYPTED_PHONE, tenant_id, phone)


def _found(
    session: Session, statement: sa.Select[Any], tenant_id: TenantId, phone: E164
) -> CustomerCard | None:
    row = session.connection().execute(statement, {"tenant": tenant_id, "phone": phone}).first()
    if row is None or row.is_decoy:
        return None
    return CustomerCard(
        name=row.name,
        phone=E164(row.phone),
        email=row.email,
        postcode=row.postcode,
        notes=row.notes,
        id=CustomerId(row.id),
        version=row.row_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def fill(gate: Gate, vault: Vault, tenant_id: TenantId, count: int) -> list[E164]:
    """Store the same `count` customers in both tables; return their numbers."""
    numbers = [E164(f"+4470{n:08}") for n in range(count)]
    for begin in range(0, count, 1000):
        with gate.open(Scope.system(tenant_id)) as session:
            cards = [
                records.add(
                    session,
                    tenant_id=tenant_id,
                    vault=vault,
                    details=CustomerDetails(
                        name=f"Customer Number {number[-8:]}",
                        phone=number,
                        email=f"c{number[-8:]}@customers.example",
                        postcode="LS1 4AP",
                        notes="Gate B on Mill Lane, height 3.1 m.",
                    ),
                )
                for number in numbers[begin : begin + 1000]
            ]
            rows = [
                {
                    "tenant_id": tenant_id,
                    "id": card.id,
                    "row_version": card.version,
                    "name": card.name,
                    "phone": card.phone,
                    "email": card.email,
                    "postcode": card.postcode,
                    "notes": card.notes,
                    "created_at": card.created_at,
                    "updated_at": card.updated_at,
                }
                for card in cards
            ]
            session.execute(sa.insert(PLAIN), rows)
            session.execute(sa.insert(ENCRYPTED), rows)
    return numbers


def measure(
    gate: Gate, vault: Vault, tenant_id: TenantId, numbers: list[E164], rounds: int
) -> dict[str, Any]:
    """Let the arms take turns; return p50 and p99 of each, and their ratios."""
    scope = Scope.system(tenant_id)
    arms: dict[str, Callable[[Session, E164], CustomerCard | None]] = {
        "plain": lambda session, phone: by_plain_phone(session, tenant_id=tenant_id, phone=phone),
        "utils": lambda session, phone: by_encrypted_phone(session, tenant_id=tenant_id, phone=phone),
        "sealed": lambda session, phone: lookup.by_phone(
            session, tenant_id=tenant_id, vault=vault, phone=phone
        ),
    }
    spent: dict[tuple[str, str], list[float]] = {
        (way, arm): [] for way in ("transaction", "bare") for arm in arms
    }
    draw = random.Random(7)  # noqa: S311 - the order of a benchmark
    for turn in range(-200, rounds):  # the first two hundred warm caches, plans and prepared statements
        for arm in draw.sample(sorted(arms), len(arms)):
            phone = draw.choice(numbers)
            begin = time.perf_counter()
            with gate.open(scope) as session:
                found = arms[arm](session, phone)
            whole = time.perf_counter() - begin
            assert found is not None
            assert found.phone == phone
            with gate.open(scope) as session:
                session.connection()
                phone = draw.choice(numbers)
                begin = time.perf_counter()
                arms[arm](session, phone)
                bare = time.perf_counter() - begin
            if turn >= 0:
                spent["transaction", arm].append(whole)
                spent["bare", arm].append(bare)
    figures = {f"{way}, {arm}": _quantiles(times) for (way, arm), times in spent.items()}
    return {
        "measure": "look-up",
        "customers": len(numbers),
        "rounds": rounds,
        "ms": {name: [round(one * 1e3, 3) for one in both] for name, both in figures.items()},
        "ratios": {
            f"{way}, sealed to {other}": [
                round(mine / its, 2)
                for mine, its in zip(figures[f"{way}, sealed"], figures[f"{way}, {other}"], strict=True)
            ]
            for way in ("transaction", "bare")
            for other in ("plain", "utils")
        },
        "per_second": _sealed_and_opened(vault, tenant_id),
    }


def _sealed_and_opened(vault: Vault, tenant_id: TenantId, count: int = 20_000) -> dict[str, int]:
    """Return how many values a second one thread seals and opens."""
    places = [Field(tenant_id, "customers", "name_ct", new_id(), 1) for _one in range(count)]
    begin = time.perf_counter()
    sealed = [vault.seal(place, "Maya Ortiz") for place in places]
    middle = time.perf_counter()
    for place, value in zip(places, sealed, strict=True):
        vault.open(place, value)
    end = time.perf_counter()
    return {"sealed": round(count / (middle - begin)), "opened": round(count / (end - middle))}


def _quantiles(times: list[float]) -> tuple[float, float]:
    cut = statistics.quantiles(times, n=100)
    return cut[49], cut[98]


def main(count: int, rounds: int) -> None:
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
            report = _run(urls, root_key, count, rounds)
        finally:
            running.stop()
    json.dump(report, sys.stdout, indent=2)


def _run(urls: DatabaseUrls, root_key: FileRootKey, count: int, rounds: int) -> dict[str, Any]:
    with psycopg.connect(urls.migrator, autocommit=True) as owner:
        owner.execute("SET ROLE seatline_owner")
        owner.execute(MAKE_PLAIN)
        owner.execute(MAKE_ENCRYPTED)
    gate = Gate(urls.app, context_key=root_key.derive("context/v1"))
    keystore = Keystore(urls.keys, root_key)
    try:
        tenant_id = TenantId(new_id())
        with gate.open(Scope.system(OPERATOR)) as session:
            admit(session, tenant_id=tenant_id)
        vault = Vault(keystore)
        numbers = fill(gate, vault, tenant_id, count)
        with psycopg.connect(urls.migrator, autocommit=True) as owner:
            owner.execute("SET ROLE seatline_owner")
            owner.execute("ANALYZE app.customers, app.plain_customers, app.encrypted_customers")
        return measure(gate, vault, tenant_id, numbers, rounds)
    finally:
        gate.close()
        keystore.close()


if __name__ == "__main__":
    main(*(int(text) for text in (sys.argv[1:] + ["20000", "3000"][len(sys.argv) - 1 :])))
