"""Making a backup: one instant of the data, the stored objects, and the keys into a folder of their own.

The order matters. The data come first, then the objects: a row never names an object that was not there
yet. The keys come last: a value in the data was sealed by a key that the keystore then has.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from core import clock
from core.ids import OPERATOR
from core.storage import PART
from security import evidence
from security.gate import Scope
from wiring.assemble import House
from wiring.backup import folders, programs
from wiring.backup.folders import BackupRefusedError
from wiring.prepare import database_migration

# archives, files of tables and of rates: gone within a week, or a day, and at every erasure
_PASSING = {"exp", "dld", "deck"}
_TABLES = ("app.*", "sec.registry", "sec.directory", "sec.agreement", "sec.signature", "sec.glass")


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup that stands.

    Attributes:
        rows: in all tables together.
        forgotten: names of older ones, of data and of keys, that were removed.
    """

    data: Path
    keys: Path
    rows: int
    objects: int
    data_bytes: int
    took_s: float
    forgotten: tuple[str, ...]


def make(house: House, folder: Path, *, keys: Path) -> Backup:
    """Back up data and keys, each into a new folder below the one given.

    Raises:
        BackupRefusedError: the folders would lie together, a program is missing or refuses.
    """
    started, at = time.monotonic(), clock.now()
    folders.keep_apart(folder, keys)
    settings = house.settings
    if not settings.backup_database_url:
        message = "the settings are older than this command: run `make up` once"
        raise BackupRefusedError(message)
    with folders.appearing(folder, at=at) as place:
        manifest: dict[str, Any] = {"format": folders.DATA, "made_at": at.isoformat()}
        with _instant(settings.backup_database_url) as (connection, snapshot):
            dump = place / folders.DATA_DUMP
            programs.dump(
                settings, settings.backup_database_url, into=dump, tables=_TABLES, snapshot=snapshot
            )
            manifest |= {
                "migration": database_migration(settings.database_url),
                "server": connection.info.server_version,
                "rows": dict(_counts(connection)),
                "checkpoints": dict(_checkpoints(connection)),
            }
        listed = _objects(settings.storage_dir, place)
        manifest["sha256"] = {
            name: folders.sha256(place / name) for name in (folders.DATA_DUMP, folders.HASHES)
        }
        manifest["objects"] = listed
        folders.write_manifest(place, manifest, signer=house.signer)
        size = dump.stat().st_size
    with folders.appearing(keys, at=at) as place:
        dump = place / folders.KEYS_DUMP
        programs.dump(settings, settings.keys_database_url, into=dump, tables=("keys.*",), snapshot="")
        content = {
            "format": folders.KEYS,
            "made_at": at.isoformat(),
            "sha256": {folders.KEYS_DUMP: folders.sha256(dump)},
        }
        folders.write_manifest(place, content, signer=house.signer)
    forgotten = (
        *(f"data {one}" for one in folders.forget_old(folder, kept=folders.DATA_KEPT)),
        *(f"keys {one}" for one in folders.forget_old(keys, kept=folders.KEYS_KEPT)),
    )
    rows = sum(manifest["rows"].values())
    with house.gate.open(Scope.system(OPERATOR)) as session:
        evidence.record(session, "backup.made", backup=at.isoformat(), rows=rows, objects=listed)
    made = folder / place.name.strip(".").removesuffix(".part")
    return Backup(made, keys / made.name, rows, listed, size, time.monotonic() - started, forgotten)


def counts(url: str) -> dict[str, int]:
    """Return how many rows each table has now; as a role that reads all."""
    with _instant(url) as (connection, _):
        return dict(_counts(connection))


@contextmanager
def _instant(url: str) -> Iterator[tuple[psycopg.Connection, str]]:
    """Yield a connection that sees one instant, and the name by which others see the same."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        yield connection, str(row[0]) if row else ""
        connection.rollback()


def _counts(connection: psycopg.Connection) -> Iterator[tuple[str, int]]:
    tables = connection.execute(
        "SELECT c.oid::regclass::text, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND (n.nspname = 'app' OR (n.nspname = 'sec'"
        " AND c.relname IN ('registry', 'directory', 'agreement', 'signature', 'glass'))) ORDER BY 2, 3"
    ).fetchall()
    for name, schema, table in tables:
        asked = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        row = connection.execute(asked).fetchone()
        yield str(name), int(row[0]) if row else 0


def _checkpoints(connection: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """Yield each company's newest signed checkpoint: what a restored log must still begin with."""
    rows = connection.execute(
        "SELECT DISTINCT ON (tenant_id) tenant_id, note FROM app.evidence_checkpoints"
        " ORDER BY tenant_id, size DESC"
    )
    for tenant_id, note in rows:
        yield str(UUID(str(tenant_id))), str(note)


def _objects(storage: Path, place: Path) -> int:
    """Take stored objects along, but archives; return how many. One that is removed meanwhile is left out."""
    listed = 0
    with os.fdopen(os.open(place / folders.HASHES, os.O_WRONLY | os.O_CREAT, 0o600), "w") as hashes:
        for source in sorted(storage.rglob("*")):
            name = source.relative_to(storage)
            if not source.is_file() or source.suffix == PART or name.parts[0] in _PASSING:
                continue
            taken = place / folders.OBJECTS / name
            try:
                folders.link_or_copy(source, taken)
            except FileNotFoundError:
                continue
            hashes.write(f"{folders.sha256(taken)}  {name.as_posix()}\n")
            listed += 1
    return listed
