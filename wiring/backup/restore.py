"""Restoring: first beside what runs, proved there, then put in its place.

Nothing is served from a restored database before its hashes, counts, walls, evidence logs and keys have been
looked at and every erasure that happened since has been done again. What is in place is never overwritten:
it must be empty, or is set aside under another name.
"""

import contextlib
import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from core import clock
from core.config import Settings
from core.ids import OPERATOR, TenantId
from security import evidence
from security.evidence import Signer
from security.gate import Scope
from wiring import erasing, retaining
from wiring.assemble import House, assemble
from wiring.backup import folders, make, programs
from wiring.backup.folders import BackupDamagedError, BackupRefusedError
from wiring.prepare import migrate, newest_migration, prepare_database
from wiring.root_key import opened as root_key_of

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore proved.

    Attributes:
        rows: loaded, in all tables; the same as the manifest counts.
        logs: evidence logs that hold together and continue the checkpoint in the manifest.
        erased: erasures that were done again.
        aged: things that companies do not keep so long any more, removed again.
        keys_missing: keys that sealed values name and the keystore does not have (destroyed, or lost).
        rto_s: from the command to a database that may be served from.
    """

    source: Path
    made_at: dt.datetime
    rows: int
    objects: int
    logs: int
    erased: int
    aged: int
    keys_missing: int
    rto_s: float
    house: House


@contextlib.contextmanager
def restored(settings: Settings, source: Path, *, keys: Path | None, keep: bool) -> Iterator[Restored]:
    """Restore a backup beside what runs, prove it, and yield it.

    Args:
        settings: whose server, root key and folders; their databases are not touched.
        source: a backup, or the folder of backups: then its newest.
        keys: the keystore's backup, or the folder of them; None uses the keystore that runs, which knows
            of every erasure and every destroyed key.
        keep: leave the databases and the objects there at the end, to be put in place; else remove them.

    Raises:
        BackupDamagedError: it is not what was written, or does not hold together.
        BackupRefusedError: it cannot be restored here.
    """
    started = time.monotonic()
    if not settings.admin_database_url:
        message = "the settings name no administrator of the database"
        raise BackupRefusedError(message)
    root_key = root_key_of(settings.root_key_file, environment=settings.environment)
    signer = Signer(root_key)
    place, manifest = _checked(source, kind=folders.DATA, signer=signer)
    keys_place = _checked(keys, kind=folders.KEYS, signer=signer)[0] if keys else None
    if manifest["migration"] > newest_migration():
        message = f"the backup is of migration {manifest['migration']}, newer than this code"
        raise BackupRefusedError(message)
    roles = settings.state_dir / "roles.json"
    if not roles.exists():
        message = f"{roles} is missing: start once with `make up`, so that the database's roles are there"
        raise BackupRefusedError(message)
    stamp = clock.now().strftime("%Y%m%d%H%M%S%f")
    names = {
        "database": f"{programs.database_of(settings.database_url)}_{stamp}"[-63:],
        "keystore": f"{programs.database_of(settings.keys_database_url)}_{stamp}"[-63:],
    }
    storage = settings.storage_dir.with_name(f"{settings.storage_dir.name}.{stamp}")
    made = [names["database"], names["keystore"]]
    try:
        urls = prepare_database(
            settings.admin_database_url,
            secrets_file=roles,
            root_key=root_key,
            revision=manifest["migration"],
            **names,
        )
        admin = programs.with_database(settings.admin_database_url, names["database"])
        _empty(admin)
        programs.load(settings, admin, source=place / folders.DATA_DUMP)
        _compare(make.counts(urls.backup), manifest["rows"])
        migrate(urls.migrator)
        if keys_place:
            admin = programs.with_database(settings.admin_database_url, names["keystore"])
            _load_keys(settings, admin, keys_place / folders.KEYS_DUMP)
        _put_objects(place, storage)
        beside = settings.model_copy(
            update={
                "database_url": urls.app,
                "bill_database_url": urls.bill,
                "migrator_database_url": urls.migrator,
                "backup_database_url": urls.backup,
                "keys_database_url": urls.keys if keys_place else settings.keys_database_url,
                "storage_dir": storage,
            }
        )
        house = assemble(beside, process="restore")
        try:
            logs = _verify_logs(house, manifest["checkpoints"])
            missing = keys_missing(house)
            erased = erasing.replay(house)
            retaining.put_back(house, made_at=dt.datetime.fromisoformat(manifest["made_at"]))
            aged = retaining.replay(house)
            with house.gate.open(Scope.system(OPERATOR)) as session:
                evidence.record(
                    session,
                    "backup.restored",
                    backup=manifest["made_at"],
                    rows=sum(manifest["rows"].values()),
                )
            yield Restored(
                source=place,
                made_at=dt.datetime.fromisoformat(manifest["made_at"]),
                rows=sum(manifest["rows"].values()),
                objects=manifest["objects"],
                logs=logs,
                erased=erased,
                aged=aged,
                keys_missing=missing,
                rto_s=time.monotonic() - started,
                house=house,
            )
        finally:
            house.close()
        if not keys_place:
            _drop(settings, [made.pop()])
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            _drop(settings, made)
            shutil.rmtree(storage, ignore_errors=True)


def put_in_place(settings: Settings, found: Restored, *, set_aside: bool) -> list[str]:
    """Let the restored databases and objects take the names that the product uses; return what was set aside.

    Raises:
        BackupRefusedError: there is something in their place, and it may not be set aside.
    """
    beside = found.house.settings
    pairs = [(beside.database_url, settings.database_url)]
    if beside.keys_database_url != settings.keys_database_url:
        pairs.append((beside.keys_database_url, settings.keys_database_url))
    if not set_aside:
        refuse_unless_empty(settings, with_keys=len(pairs) > 1)
    stamp, moved = clock.now().strftime("until_%Y%m%d%H%M%S"), []
    with psycopg.connect(settings.admin_database_url, autocommit=True) as admin:
        for new_url, url in pairs:
            new, name = programs.database_of(new_url), programs.database_of(url)
            aside = f"{name}_{stamp}"
            _rename(admin, name, aside)
            _rename(admin, new, name)
            moved.append(aside)
    if settings.storage_dir.exists():
        aside_folder = settings.storage_dir.with_name(f"{settings.storage_dir.name}.{stamp}")
        settings.storage_dir.rename(aside_folder)
        moved.append(str(aside_folder))
    beside.storage_dir.rename(settings.storage_dir)
    return moved


def refuse_unless_empty(settings: Settings, *, with_keys: bool) -> None:
    """Refuse a place that holds something.

    Raises:
        BackupRefusedError: companies, keys or stored objects are there.
    """
    there = []
    with psycopg.connect(
        programs.with_database(settings.admin_database_url, programs.database_of(settings.database_url))
    ) as admin:
        row = admin.execute("SELECT count(*) FROM sec.registry WHERE NOT is_operator").fetchone()
        there += [f"{row[0]} companies"] if row and row[0] else []
    if with_keys:
        with psycopg.connect(settings.keys_database_url) as keys:
            row = keys.execute("SELECT count(DISTINCT tenant_id) FROM keys.tenant_key").fetchone()
            there += [f"the keys of {row[0]} companies"] if row and row[0] else []
    if settings.storage_dir.is_dir() and any(one.is_file() for one in settings.storage_dir.rglob("*")):
        there.append(f"objects in {settings.storage_dir}")
    if there:
        message = f"the place is not empty ({', '.join(there)}): --set-aside keeps it under another name"
        raise BackupRefusedError(message)


def keys_missing(house: House) -> int:
    """Return how many keys are named by sealed values and not to be had from the keystore."""
    wanted = set()
    with psycopg.connect(house.settings.backup_database_url) as reader:
        columns = reader.execute(
            "SELECT c.conrelid::regclass::text, n.nspname, t.relname, a.attname FROM pg_constraint c"
            " JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
            " WHERE c.contype = 'c' AND c.conname = format('ck_%s_%s_sealed', t.relname, a.attname)"
        ).fetchall()
        for _, schema, table, column in columns:
            asked = sql.SQL(
                "SELECT DISTINCT tenant_id, substring({column} FROM 3 FOR 4) FROM {table}"
                " WHERE {column} IS NOT NULL"
            ).format(column=sql.Identifier(column), table=sql.Identifier(schema, table))
            wanted |= {(row[0], int.from_bytes(row[1], "big")) for row in reader.execute(asked)}
    with psycopg.connect(house.settings.keys_database_url) as keys:
        there = {
            (row[0], row[1])
            for row in keys.execute(
                "SELECT tenant_id, key_id FROM keys.purpose_key WHERE state IN ('active', 'decrypt_only')"
            )
        }
    return len(wanted - there)


def keys_held(settings: Settings, folder: Path, fingerprints: set[str | None]) -> int:
    """Return how many keys with these fingerprints (SHA-256 of the wrapped key, hex) a keys' backup holds.

    Raises:
        BackupDamagedError: it is no backup of keys, or was changed.
    """
    signer = Signer(root_key_of(settings.root_key_file, environment=settings.environment))
    place, _ = _checked(folder, kind=folders.KEYS, signer=signer)
    words = programs.read(settings, place / folders.KEYS_DUMP).split()
    wrapped = (bytes.fromhex(word[3:]) for word in words if word.startswith("\\\\x"))
    return sum(hashlib.sha256(one).hexdigest() in fingerprints for one in wrapped)


def _checked(folder: Path, *, kind: str, signer: Signer) -> tuple[Path, dict[str, Any]]:
    """Return a backup and its manifest, after every file in it has been compared with its hash."""
    place = folders.newest(folder)
    if place is None:
        message = f"there is no backup in {folder}"
        raise BackupDamagedError(message)
    manifest = folders.read_manifest(place, kind=kind, public_key=signer.public_key)
    for name, wanted in manifest["sha256"].items():
        _insist(place / name, wanted)
    if kind == folders.DATA:
        for line in (place / folders.HASHES).read_text(encoding="utf-8").splitlines():
            wanted, _, name = line.partition("  ")
            _insist(place / folders.OBJECTS / name, wanted)
    return place, manifest


def _insist(file: Path, wanted: str) -> None:
    if not file.is_file():
        message = f"{file} is missing"
        raise BackupDamagedError(message)
    if folders.sha256(file) != wanted:
        message = f"{file} is not the file that was backed up"
        raise BackupDamagedError(message)


def _empty(admin_url: str) -> None:
    """Remove what preparing put into tables that the dump brings along."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        rows = admin.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname IN ('app', 'sec') AND tablename <> 'mac_key'"
        ).fetchall()
        tables = sql.SQL(", ").join(sql.Identifier(schema, table) for schema, table in rows)
        admin.execute(sql.SQL("TRUNCATE {}").format(tables))


def _load_keys(settings: Settings, admin_url: str, source: Path) -> None:
    """Load the keystore; its epoch becomes one that no process has seen, so that all look again."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("TRUNCATE keys.epoch")
        programs.load(settings, admin_url, source=source)
        admin.execute("UPDATE keys.epoch SET epoch = greatest(epoch, extract(epoch FROM now())::bigint)")


def _compare(there: dict[str, int], wanted: dict[str, int]) -> None:
    wrong = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if wrong:
        message = f"not every row came back: {', '.join(wrong)}"
        raise BackupDamagedError(message)


def _put_objects(place: Path, storage: Path) -> None:
    storage.mkdir(mode=0o700, parents=True)
    objects = place / folders.OBJECTS
    for source in sorted(objects.rglob("*")) if objects.is_dir() else ():
        if source.is_file():
            folders.link_or_copy(source, storage / source.relative_to(objects))


def _verify_logs(house: House, checkpoints: dict[str, str]) -> int:
    """Check every company's log against the checkpoint that the manifest keeps; return how many."""
    for name, note in checkpoints.items():
        tenant_id = TenantId(UUID(name))
        with house.gate.open(Scope.system(tenant_id)) as session:
            lines = list(evidence.export(session, tenant_id=tenant_id, signer=house.signer))
        try:
            evidence.verify(lines, public_key=house.signer.public_key, kept=note)
        except evidence.EvidenceBrokenError as error:
            message = f"the evidence log of {tenant_id} does not hold together: {error}"
            raise BackupDamagedError(message) from error
    return len(checkpoints)


def _rename(admin: psycopg.Connection, name: str, new: str) -> None:
    """Rename a database; who is in it is sent away, comes back and finds the one that took its place."""
    there = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if not there:
        return
    until = time.monotonic() + _PATIENCE_S
    while True:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new))
            )
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > until:
                raise
        else:
            return


def _drop(settings: Settings, names: list[str]) -> None:
    with psycopg.connect(settings.admin_database_url, autocommit=True) as admin:
        for name in names:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
