"""Real parts for the tests: one PostgreSQL and one Valkey per worker, a fresh database per test.

The schema is made by the migrations once and cloned per test, so tests commit for real. Nothing leaves
the machine: a connection to anything but 127.0.0.0/8 fails the test.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.config import Settings
from core.ids import OPERATOR, TenantId, new_id
from core.realtime import Realtime
from core.storage import DiskStorage
from launch.parts import start_postgres, start_valkey
from launch.parts.part import Running
from launch.parts.postgres import Postgres
from launch.parts.valkey import Valkey
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Vault
from wiring.prepare import DatabaseUrls, clone_database, prepare_database

_TEMPLATE = "seatline_template"
MEMORY = Path("/dev/shm")  # noqa: S108 - throw-away databases are cloned by the hundred: not on a disk


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuse every connection that would leave the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "localhost", "::1")):
            message = f"a test tried to reach {address[0]}"
            raise AssertionError(message)
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[assignment,method-assign] # the guard itself
    yield
    socket.socket.connect = connect  # type: ignore[method-assign] # and its end


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder for this worker's servers, which other accounts may enter; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="seatline-test-", dir=MEMORY if MEMORY.is_dir() else None))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(home: Path) -> Iterator[Running[Postgres]]:
    running = start_postgres(home / "pg")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def valkey(home: Path) -> Iterator[Running[Valkey]]:
    running = start_valkey(home / "valkey")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def root_key(home: Path) -> FileRootKey:
    file = home / "root.key"
    file.write_bytes(os.urandom(32))
    file.chmod(0o600)
    return FileRootKey(file)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The template database of this worker."""

    admin_url: str
    secrets_file: Path
    urls: DatabaseUrls


@pytest.fixture(scope="session")
def prepared(postgres: Running[Postgres], home: Path, root_key: FileRootKey) -> Prepared:
    secrets_file = home / "roles.json"
    urls = prepare_database(postgres.url, secrets_file=secrets_file, root_key=root_key, database=_TEMPLATE)
    return Prepared(postgres.url, secrets_file, urls)


@pytest.fixture
def database(prepared: Prepared) -> Iterator[DatabaseUrls]:
    """A database of this test's own, at the newest migration, empty but for the operator."""
    yield from copied(prepared)


def copied(prepared: Prepared, *, template: str = _TEMPLATE) -> Iterator[DatabaseUrls]:
    """Copy a database; it is dropped when the iterator goes on."""
    name = f"t_{new_id().hex}"
    yield clone_database(prepared.admin_url, template=template, name=name, secrets_file=prepared.secrets_file)
    with psycopg.connect(prepared.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def gate(database: DatabaseUrls, root_key: FileRootKey) -> Iterator[Gate]:
    opened = Gate(database.app, context_key=root_key.derive("context/v1"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def keystore(prepared: Prepared, root_key: FileRootKey) -> Iterator[Keystore]:
    opened = Keystore(prepared.urls.keys, root_key)
    yield opened
    opened.close()


@pytest.fixture
def vault(keystore: Keystore) -> Vault:
    return Vault(keystore)


@pytest.fixture
def tenant_a(gate: Gate) -> TenantId:
    """Alice's company, admitted and still empty."""
    return admitted(gate)


@pytest.fixture
def tenant_b(gate: Gate) -> TenantId:
    """Charlie's company, admitted and still empty."""
    return admitted(gate)


def admitted(gate: Gate) -> TenantId:
    tenant_id = TenantId(new_id())
    with gate.open(Scope.system(OPERATOR)) as session:
        admit(session, tenant_id=tenant_id)
    return tenant_id


@pytest.fixture
def realtime(valkey: Running[Valkey]) -> Iterator[Realtime]:
    opened = Realtime(valkey.url)
    opened.redis.flushdb()
    yield opened
    opened.redis.close()


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return DiskStorage(tmp_path / "storage")


@pytest.fixture
def settings(database: DatabaseUrls, valkey: Running[Valkey], home: Path, tmp_path: Path) -> Settings:
    """Settings of a process over this test's database, with the simulator as its switch."""
    recordings, sounds, stored, spool = (
        tmp_path / name for name in ("recordings", "sounds", "stored", "spool")
    )
    for folder in (recordings, sounds, stored, spool):
        folder.mkdir(exist_ok=True)
    return Settings(
        environment="test",
        state_dir=tmp_path,
        database_url=database.app,
        bill_database_url=database.bill,
        keys_database_url=database.keys,
        migrator_database_url=database.migrator,
        backup_database_url=database.backup,
        redis_url=valkey.url,
        switch_url="simulator:",
        root_key_file=home / "root.key",
        secret_key="0" * 64,
        recording_dir=recordings,
        sounds_dir=sounds,
        storage_dir=stored,
        spool_dir=spool,
    )
