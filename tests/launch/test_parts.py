import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from launch import network, process
from launch.parts import asterisk as asterisk_part
from launch.parts import start_asterisk, start_postgres, start_valkey
from launch.parts.part import Running, start_and_wait
from launch.parts.postgres import Postgres
from launch.parts.valkey import Valkey
from launch.trouble import LaunchError

pytestmark = pytest.mark.slow


def fresh(home: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=home))
    folder.chmod(0o755)  # the servers' account must get through
    return folder


@pytest.fixture
def own_postgres(home: Path) -> Iterator[Running[Postgres]]:
    running = start_postgres(fresh(home))
    yield running
    running.stop()


@pytest.fixture
def own_valkey(home: Path) -> Iterator[Running[Valkey]]:
    running = start_valkey(fresh(home))
    yield running
    running.stop()


def without_password(url: str) -> str:
    return re.sub(r":[^:@/]+@", ":wrong@", url)


def test_postgres_trusts_nobody(own_postgres: Running[Postgres]) -> None:
    with psycopg.connect(own_postgres.url) as admin:
        hba = admin.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        asked = {
            name: admin.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("data_checksums", "timezone", "listen_addresses", "unix_socket_directories")
        }
    assert hba == [("scram-sha-256",)]
    assert asked == {
        "data_checksums": ("on",),
        "timezone": ("UTC",),
        "listen_addresses": ("127.0.0.1",),
        "unix_socket_directories": ("",),
    }
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without_password(own_postgres.url))


def test_postgres_writes_no_value_into_its_log(own_postgres: Running[Postgres]) -> None:
    with psycopg.connect(own_postgres.url, autocommit=True) as admin:
        admin.execute("CREATE TABLE people (phone text PRIMARY KEY)")
        admin.execute("INSERT INTO people VALUES ('+447700900123')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            admin.execute("INSERT INTO people VALUES ('+447700900123')")
    text = own_postgres.log.read_text()
    assert "people_pkey" in text
    assert "447700900123" not in text


@pytest.fixture
def safe_postgres(home: Path) -> Iterator[Running[Postgres]]:
    running = start_postgres(fresh(home), fast=False)
    yield running
    running.stop()


def test_postgres_comes_back_after_a_kill_with_its_data_and_a_reused_pid(
    safe_postgres: Running[Postgres],
) -> None:
    own_postgres, server = safe_postgres, safe_postgres.part
    with psycopg.connect(own_postgres.url, autocommit=True) as admin:
        admin.execute("CREATE TABLE kept (n int)")
        admin.execute("INSERT INTO kept VALUES (7)")
    os.kill(own_postgres.process.pid, signal.SIGKILL)
    own_postgres.process.wait()
    # the dead server's pid now belongs to a living stranger: ourselves
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    own_postgres.process = start_and_wait(server, log=own_postgres.log)
    with psycopg.connect(own_postgres.url) as admin:
        assert admin.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_cluster_of_another_major_version_is_refused_with_what_to_do(
    own_postgres: Running[Postgres],
) -> None:
    server = own_postgres.part
    own_postgres.stop()
    (server.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(LaunchError, match=r"was made by PostgreSQL 14.*dump and load"):
        server.command()


def test_valkey_wants_its_password_and_never_evicts(own_valkey: Running[Valkey]) -> None:
    with redis.Redis.from_url(own_valkey.url) as line:
        assert line.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert line.config_get("appendfsync")["appendfsync"] == "everysec"
    with (
        redis.Redis(host="127.0.0.1", port=own_valkey.part.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_valkey_keeps_what_it_was_told_through_a_kill(own_valkey: Running[Valkey]) -> None:
    with redis.Redis.from_url(own_valkey.url) as line:
        line.set("kept", "7")
        line.config_set("appendfsync", "always")  # the test need not wait for the second to pass
        line.set("kept", "8")
    os.kill(own_valkey.process.pid, signal.SIGKILL)
    own_valkey.process.wait()
    own_valkey.process = start_and_wait(own_valkey.part, log=own_valkey.log)
    with redis.Redis.from_url(own_valkey.url) as line:
        assert line.get("kept") == b"8"


def test_no_secret_is_in_an_argument(own_postgres: Running[Postgres], own_valkey: Running[Valkey]) -> None:
    for running in (own_postgres, own_valkey):
        leader = process.identity(running.process.pid)
        assert leader
        for member in process.session_members(leader):
            arguments = Path(f"/proc/{member.pid}/cmdline").read_bytes()
            assert running.part.password.encode() not in arguments


def test_a_stopped_part_gives_its_port_back(own_valkey: Running[Valkey]) -> None:
    port = own_valkey.part.port
    assert not network.is_free(port)
    own_valkey.stop()
    assert network.is_free(port)


def test_the_holder_of_a_port_is_named() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not network.is_free(port)
        assert network.holder(port).startswith(f"process {os.getpid()} (")


@pytest.mark.switch
def test_asterisk_is_ready_when_every_module_runs(home: Path) -> None:
    running = start_asterisk(fresh(home))
    try:
        assert running.part.missing_modules() == []
        wrong = without_password(running.url)
        assert asterisk_part.missing_modules(wrong) is None
    finally:
        running.stop()
