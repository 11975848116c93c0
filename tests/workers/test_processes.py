"""The two processes as the supervisor starts them: over real parts that are killed under them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from core.config import Settings
from core.ids import TenantId
from core.realtime import Realtime
from launch.ours import MODULES
from launch.parts import start_postgres, start_valkey
from launch.parts.part import Running
from launch.parts.postgres import Postgres
from security.gate import Kind, Scope
from security.keys import FileRootKey
from tenants import downloads
from tests.conftest import admitted
from tests.customers import factory as customers
from tests.tenants.people import People
from tests.workers.conftest import duties, mirrored, rental_changed
from wiring import House, assemble
from wiring.prepare import prepare_database

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]


class Process:
    """One of our processes, its log and its settings file."""

    def __init__(self, name: str, settings: Settings, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.ready = settings.state_dir / "ready" / name
        config = folder / "config.json"
        config.write_text(settings.model_dump_json(), encoding="utf-8")
        with self.log.open("wb") as out:
            self.child = subprocess.Popen(
                [sys.executable, "-m", MODULES.get(name, f"workers.{name}")],
                cwd=CHECKOUT,
                env={"PATH": os.defpath, "SEATLINE_CONFIG": str(config), "SEATLINE_PROCESS": name},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill the whole tree."""
        if self.child.poll() is None:
            for one in self.tree():
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            self.child.wait()

    def tree(self) -> list[psutil.Process]:
        """Return the process and its children."""
        root = psutil.Process(self.child.pid)
        return [root, *root.children(recursive=True)]

    def end(self) -> float:
        """Ask it to end; return how many seconds that took."""
        started = time.monotonic()
        self.child.terminate()
        assert self.child.wait(timeout=60) == 0, self.log.read_text(encoding="utf-8")
        return time.monotonic() - started

    def lines(self, word: str) -> list[str]:
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if word in line]


# The five seconds of workers/README.md are a machine's that is not busy; here others may be at work, and what
# would wrongly be waited for (a job, a connection) takes a minute.
SOON_S = 20.0


def until(condition: Callable[[], object], *, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[Process] = []

    def one(name: str, settings: Settings) -> Process:
        begun.append(Process(name, settings, tmp_path))
        until(begun[-1].ready.exists)
        return begun[-1]

    yield one
    for process in begun:
        process.kill()


def test_they_do_what_is_owed_and_end_when_told_to(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    relay, jobs = start("relay", settings), start("jobs", settings)
    assert relay.ready.read_text(encoding="ascii") == f"{relay.child.pid}\n"
    rental_changed(house, tenant_a, seats=5)
    until(lambda: mirrored(house, tenant_a) == 5)
    assert (relay.end() < SOON_S, jobs.end() < SOON_S) == (True, True)
    assert not relay.ready.exists()
    assert not jobs.ready.exists()


def test_what_redis_forgot_is_done_all_the_same(
    start: Start, house: House, settings: Settings, realtime: Realtime, tenant_a: TenantId
) -> None:
    start("relay", settings)
    rental_changed(house, tenant_a)
    until(lambda: duties(house) and duties(house)[0].batch_id)
    realtime.redis.flushall()
    start("jobs", settings)
    until(lambda: mirrored(house, tenant_a) == 1)
    (duty,) = duties(house)
    assert duty.attempts == 1


@contextlib.contextmanager
def handler_that_hangs(house: House) -> Iterator[None]:
    """Let every handler wait inside its transaction until the block ends."""
    with psycopg.connect(house.settings.migrator_database_url) as blocker:
        blocker.execute("SET ROLE seatline_owner")
        blocker.execute("LOCK TABLE app.seat_leases IN ACCESS EXCLUSIVE MODE")
        yield
        blocker.rollback()


def test_a_killed_tree_loses_nothing_and_does_nothing_twice(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    start("relay", settings)
    jobs = start("jobs", settings)
    with handler_that_hangs(house):
        rental_changed(house, tenant_a)
        until(lambda: duties(house) and duties(house)[0].attempts == 1)
        until(lambda: len(jobs.tree()) == 2)
        jobs.kill()
    with house.gate.outside() as connection:  # do not wait for the lease: 30 s
        connection.exec_driver_sql("UPDATE app.duties SET due_at = now() WHERE settled_at IS NULL")
    start("jobs", settings)
    until(lambda: mirrored(house, tenant_a) == 1)
    (duty,) = duties(house)
    assert (duty.attempts, duty.settled_at is not None) == (2, True)


def test_told_to_end_in_the_middle_of_a_job_it_ends_without_waiting_for_it(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    start("relay", settings)
    jobs = start("jobs", settings)
    with handler_that_hangs(house):
        rental_changed(house, tenant_a)
        until(lambda: duties(house) and duties(house)[0].attempts == 1)
        until(lambda: len(jobs.tree()) == 2)
        horse = jobs.tree()[1]
        assert jobs.end() < SOON_S
        assert not horse.is_running()
    assert mirrored(house, tenant_a) == 0
    (duty,) = duties(house)
    assert duty.settled_at is None


def test_both_outlive_valkey(
    start: Start, house: House, settings: Settings, tmp_path: Path, tenant_a: TenantId
) -> None:
    home = tmp_path / "valkey"
    valkey = start_valkey(home)
    ours = settings.model_copy(update={"redis_url": valkey.url})
    relay, jobs = start("relay", ours), start("jobs", ours)
    valkey.process.kill()
    valkey.process.wait()
    rental_changed(house, tenant_a)
    until(lambda: relay.lines('"away"') and jobs.lines('"away"'))
    assert mirrored(house, tenant_a) == 0
    again = start_valkey(home, port=valkey.part.port)
    try:
        until(lambda: mirrored(house, tenant_a) == 1)
        until(lambda: relay.lines('"back"') and jobs.lines('"back"'))
        assert (len(relay.lines('"away"')), len(jobs.lines('"away"'))) == (1, 1)
        assert relay.end() < SOON_S
        assert jobs.end() < SOON_S
    finally:
        again.stop()
        valkey.stop()


@pytest.fixture
def own_postgres(
    tmp_path: Path, home: Path, root_key: FileRootKey, settings: Settings
) -> Iterator[tuple[Running[Postgres], Settings]]:
    """A PostgreSQL that may be killed, and settings over it."""
    folder = home / f"pg-{tmp_path.name}"
    running = start_postgres(folder)
    urls = prepare_database(running.url, secrets_file=tmp_path / "roles.json", root_key=root_key)
    yield (
        running,
        settings.model_copy(
            update={
                "database_url": urls.app,
                "keys_database_url": urls.keys,
                "migrator_database_url": urls.migrator,
            }
        ),
    )
    running.stop()


def test_both_outlive_postgresql(
    start: Start,
    own_postgres: tuple[Running[Postgres], Settings],
    home: Path,
    tmp_path: Path,
    realtime: Realtime,
) -> None:
    postgres, ours = own_postgres
    house = assemble(ours, process="test")
    renter = admitted(house.gate)
    relay, jobs = start("relay", ours), start("jobs", ours)
    os.kill(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait()
    until(lambda: relay.lines('"away"'))
    again = start_postgres(home / f"pg-{tmp_path.name}", port=postgres.part.port)
    try:
        house.gate.close()
        until(lambda: relay.lines('"back"'))
        rental_changed(house, renter)
        until(lambda: mirrored(house, renter) == 1)
        assert len(relay.lines('"away"')) == 1
        assert relay.end() < SOON_S
        assert jobs.end() < SOON_S
    finally:
        house.close()
        again.stop()


def test_no_message_of_an_exception_reaches_redis_or_a_log(
    start: Start, house: House, settings: Settings, realtime: Realtime, tenant_a: TenantId
) -> None:
    """T83: the canary stands in the event's row and in the error PostgreSQL answers with."""
    relay, jobs = start("relay", settings), start("jobs", settings)
    rental_changed(house, tenant_a, label="canary-447700900123\x00")
    until(lambda: duties(house) and duties(house)[0].error)
    assert duties(house)[0].error == "DataError"
    until(lambda: realtime.redis.zcard("rq:failed:seatline-prompt"))
    for key in realtime.redis.scan_iter():
        assert b"canary" not in (realtime.redis.dump(key) or b"")
    for process in (relay, jobs):
        assert not process.lines("canary")
        assert not process.lines("Traceback")
    assert jobs.lines("duty failed")


def test_a_long_table_is_drawn_by_the_heavy_worker_as_it_is_started(
    start: Start, house: House, settings: Settings
) -> None:
    people = People(house.gate, house.vault)
    people.operator()
    company = people.company("Pelican Parcel")
    alice = people.user(company.tenant_id, "Alice")
    customers.stored(house.gate, house.vault, company.tenant_id)
    with house.gate.open(Scope.system(company.tenant_id)) as session:
        download_id = downloads.ask(
            session,
            tenant_id=company.tenant_id,
            vault=house.vault,
            by=alice.id,
            by_kind=Kind.USER,
            subject="customers",
            kind="csv",
            address="/portal/customers?as=csv",
            total=None,
        )

    def is_ready() -> bool:
        with house.gate.open(Scope.system(company.tenant_id)) as session:
            found = downloads.find(
                session, tenant_id=company.tenant_id, vault=house.vault, download_id=download_id
            )
        return found.is_ready and found.done == 1

    start("relay", settings)
    start("heavy", settings)
    until(is_ready, within_s=60)
