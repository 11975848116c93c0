"""Backup and restore with the real programs: everything comes back, and what is damaged is refused."""

import datetime as dt
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from core import clock
from core.config import Settings
from core.ids import OPERATOR, RecordingId, TenantId, new_id
from core.phone import parse_e164
from customers import records
from customers.records import CustomerDetails
from launch.parts.part import Running
from launch.parts.postgres import Postgres
from security import evidence
from security.gate import Scope
from telephony import recording
from tenants import companies, holds, retention
from tenants.holds import HoldKind
from tenants.retention import KeptKind
from tests.conftest import Prepared, admitted
from tests.factories import telephony
from wiring import House, assemble, backup, retaining
from wiring.backup import folders

CANARY = "Inês Canário"


@dataclass(frozen=True)
class Place:
    """An installation to back up, and where to."""

    house: House
    data: Path
    keys: Path

    @property
    def settings(self) -> Settings:
        return self.house.settings

    def make(self) -> backup.Backup:
        return backup.make(self.house, self.data, keys=self.keys)

    def add(self, tenant_id: TenantId, name: str, phone: str = "+447700900471") -> records.CustomerCard:
        with self.house.gate.open(Scope.system(tenant_id)) as session:
            details = CustomerDetails(name=name, phone=parse_e164(phone))
            return records.add(session, tenant_id=tenant_id, vault=self.house.vault, details=details)

    def seal(self, *tenants: TenantId) -> None:
        for tenant_id in tenants:
            with self.house.gate.open(Scope.system(tenant_id)) as session:
                evidence.seal(session, tenant_id=tenant_id, signer=self.house.signer, at=clock.now())


@pytest.fixture
def place(
    settings: Settings, prepared: Prepared, postgres: Running[Postgres], tmp_path: Path
) -> Iterator[Place]:
    shutil.copy(prepared.secrets_file, settings.state_dir / "roles.json")
    full = settings.model_copy(
        update={"admin_database_url": postgres.url, "postgres_programs": postgres.part.binaries.folder}
    )
    house = assemble(full, process="test")
    yield Place(house, tmp_path / "backups", tmp_path / "keys")
    house.close()


def databases(place: Place) -> set[str]:
    with psycopg.connect(place.settings.admin_database_url) as admin:
        return {row[0] for row in admin.execute("SELECT datname FROM pg_database")}


def test_everything_comes_back_as_it_was_at_that_instant(place: Place) -> None:
    alice = admitted(place.house.gate)
    card = place.add(alice, CANARY)
    with place.house.storage.put("rec/0123456789") as sink:
        sink.write(b"sealed sound")
    place.seal(alice, OPERATOR)
    made = place.make()
    late = place.add(alice, "Late", "+447700900472")
    place.house.storage.delete("rec/0123456789")
    before = databases(place)
    with backup.restored(place.settings, place.data, keys=None, keep=False) as found:
        assert (found.rows, found.objects, found.keys_missing) == (made.rows, 1, 0)
        assert found.logs >= 1
        there = found.house
        with there.gate.open(Scope.system(alice)) as session:
            assert (
                records.get(session, tenant_id=alice, vault=there.vault, customer_id=card.id).name == CANARY
            )
            assert records.count(session, tenant_id=alice) == 1
        with there.storage.open("rec/0123456789") as sound:
            assert sound.read() == b"sealed sound"
    assert databases(place) == before
    assert late.name == "Late"


def test_a_data_backup_holds_neither_keys_nor_names_and_is_closed_to_others(place: Place) -> None:
    alice = admitted(place.house.gate)
    place.add(alice, CANARY)
    made = place.make()
    with psycopg.connect(place.settings.keys_database_url) as keys:
        # keys that other tests have destroyed have no wrapped form
        found = keys.execute("SELECT wrapped FROM keys.tenant_key WHERE wrapped IS NOT NULL")
        wrapped = [row[0] for row in found]
    files = [one for one in made.data.rglob("*") if one.is_file()]
    assert {one.name for one in files} >= {"data.dump", "manifest.json", "objects.sha256"}
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        content = file.read_bytes()
        assert CANARY.encode() not in content
        assert not [one for one in wrapped if one.hex().encode() in content or one in content]
    assert stat.S_IMODE(made.data.stat().st_mode) == 0o700


@pytest.mark.parametrize("keys", ["backups", "backups/keys", "."])
def test_keys_beside_the_data_are_refused(place: Place, keys: str) -> None:
    with pytest.raises(backup.BackupRefusedError, match="must not lie"):
        backup.make(place.house, place.data, keys=place.data.parent / keys)


@pytest.mark.parametrize("name", ["data.dump", "objects.sha256", "objects/rec/0123456789", "manifest.json"])
def test_a_changed_file_of_a_backup_is_refused_before_anything_is_restored(place: Place, name: str) -> None:
    with place.house.storage.put("rec/0123456789") as sink:
        sink.write(b"sealed sound")
    made = place.make()
    file = made.data / name
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.unlink()  # a second name of the stored object: its own file is not what is damaged
    file.write_bytes(changed)
    before = databases(place)
    with (
        pytest.raises(backup.BackupDamagedError),
        backup.restored(place.settings, place.data, keys=None, keep=False),
    ):
        pass
    assert databases(place) == before


def test_a_backup_that_was_cut_off_is_none(place: Place) -> None:
    made = place.make()
    (made.data / "manifest.json").unlink()
    with (
        pytest.raises(backup.BackupDamagedError, match="no backup"),
        backup.restored(place.settings, place.data, keys=None, keep=False),
    ):
        pass


def test_rows_that_are_missing_from_the_dump_are_seen(place: Place) -> None:
    place.add(admitted(place.house.gate), CANARY)
    made = place.make()
    signer = place.house.signer
    manifest = folders.read_manifest(made.data, kind=folders.DATA, public_key=signer.public_key)
    manifest["rows"]["app.customers"] += 1
    (made.data / "manifest.json").unlink()
    folders.write_manifest(made.data, manifest, signer=signer)
    with (
        pytest.raises(backup.BackupDamagedError, match=r"not every row came back: app\.customers"),
        backup.restored(place.settings, place.data, keys=None, keep=False),
    ):
        pass


def test_a_place_that_holds_something_is_refused(place: Place) -> None:
    admitted(place.house.gate)
    with pytest.raises(backup.BackupRefusedError, match="1 companies"):
        backup.refuse_unless_empty(place.settings, with_keys=False)


def test_a_restored_database_takes_the_place_of_the_one_that_runs(place: Place) -> None:
    alice = admitted(place.house.gate)
    card = place.add(alice, CANARY)
    place.make()
    place.add(alice, "Lost", "+447700900472")
    with backup.restored(place.settings, place.data, keys=None, keep=True) as found:
        pass
    with pytest.raises(backup.BackupRefusedError, match="not empty"):
        backup.put_in_place(place.settings, found, set_aside=False)
    aside = backup.put_in_place(place.settings, found, set_aside=True)
    # the process that ran goes on: its connections were ended, the next are to the restored database
    place.house.gate.close()
    with place.house.gate.open(Scope.system(alice)) as session:
        assert (
            records.get(session, tenant_id=alice, vault=place.house.vault, customer_id=card.id).name == CANARY
        )
        assert records.count(session, tenant_id=alice) == 1
    with psycopg.connect(place.settings.admin_database_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{aside[0]}" WITH (FORCE)'.encode())


def test_what_went_by_age_since_the_backup_is_removed_again_before_anything_is_served(place: Place) -> None:
    gate, vault, now = place.house.gate, place.house.vault, clock.now()
    with gate.open(Scope.system(OPERATOR)) as session:
        company = companies.open_company(
            session,
            name="Larkfield Energy",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Lk",
            colour=1,
        ).tenant_id
    line = telephony.line(gate, company)
    long_ago = now - dt.timedelta(days=40)
    with clock.hold(long_ago):
        call_id = telephony.call(gate, vault, line, arrived_at=long_ago, wait_s=0, talk_s=0)
        folder = place.settings.recording_dir
        sound = telephony.recorded(
            gate, vault, place.house.storage, folder, company, call_id, seconds=0.1, started_at=long_ago
        )
    with clock.hold(now - dt.timedelta(days=3)), gate.open(Scope.system(company)) as session:
        retention.put(
            session, tenant_id=company, kind=KeptKind.RECORDINGS, days=30, country="GB", by=new_id()
        )
    place.make()
    with backup.restored(place.settings, place.data, keys=None, keep=False) as found:
        assert found.aged == 1
        with found.house.gate.open(Scope.system(company)) as session:
            assert recording.next_sealed(session, tenant_id=company, after=None) is None
            (run,) = retention.runs(session, tenant_id=company)
        assert run.counts == {"recordings": 1}
        assert not (found.house.settings.storage_dir / "rec" / str(sound)).exists()
    assert (place.settings.storage_dir / "rec" / str(sound)).exists()


def test_after_a_restore_the_newest_rules_and_holds_count_and_not_those_of_the_backup(place: Place) -> None:
    """Held since the backup, kept for longer since: stays. Kept for less since, hold lifted since: goes."""
    gate, now = place.house.gate, clock.now()
    line, made = {}, {}
    for name in ("held", "longer", "shorter", "unruled", "lifted"):
        with gate.open(Scope.system(OPERATOR)) as session:
            line[name] = companies.open_company(
                session,
                name=f"{name} Energy",
                country="GB",
                zone="Europe/London",
                language="en",
                currency="GBP",
                initials="Lk",
                colour=1,
            ).tenant_id
        made[name] = _old_recording(place, line[name], at=now - dt.timedelta(days=40), name=name)

    def keep(name: str, days: int | None, *, at: dt.datetime) -> None:
        with clock.hold(at), gate.open(Scope.system(line[name])) as session:
            retention.put(
                session,
                tenant_id=line[name],
                kind=KeptKind.RECORDINGS,
                days=days,
                country="GB",
                by=new_id(),
            )

    with clock.hold(now - dt.timedelta(days=6)):
        for name, days in (("held", 30), ("longer", 30), ("shorter", 60), ("unruled", 30), ("lifted", 30)):
            keep(name, days, at=now - dt.timedelta(days=6))
        with gate.open(Scope.system(line["lifted"])) as session:
            old = holds.put(
                session,
                tenant_id=line["lifted"],
                kind=HoldKind.COMPANY,
                subject_id=None,
                reason="an old matter",
                by=new_id(),
            )
        retaining.note(place.house)
    with clock.hold(now - dt.timedelta(days=5)):
        place.make()
    since = now - dt.timedelta(days=3)
    with clock.hold(since):
        keep("longer", 90, at=since)
        keep("shorter", 30, at=since)
        keep("unruled", None, at=since)
        with gate.open(Scope.system(line["held"])) as session:
            holds.put(
                session,
                tenant_id=line["held"],
                kind=HoldKind.COMPANY,
                subject_id=None,
                reason="Ines against Larkfield",
                by=new_id(),
            )
        with gate.open(Scope.system(line["lifted"])) as session:
            holds.lift(session, tenant_id=line["lifted"], hold_id=old, by=new_id())
        retaining.note(place.house)
    with backup.restored(place.settings, place.data, keys=None, keep=False) as found:
        left = {name: (found.house.settings.storage_dir / "rec" / str(made[name])).exists() for name in made}
        with found.house.gate.open(Scope.system(line["held"])) as session:
            (hold,) = holds.every(session, tenant_id=line["held"])
    assert left == {"held": True, "longer": True, "shorter": False, "unruled": True, "lifted": False}
    assert found.aged == 2
    assert hold.reason == holds.RESTORED
    with psycopg.connect(place.settings.keys_database_url.replace("+psycopg", "")) as keys:
        noted = keys.execute("SELECT body::text FROM keys.standing_order").fetchall()
    assert noted
    assert not [body for (body,) in noted if "Ines" in body]  # ids, days and instants, and nobody's words


def _old_recording(place: Place, company: TenantId, *, at: dt.datetime, name: str) -> RecordingId:
    gate, vault = place.house.gate, place.house.vault
    digits = "+4480815701" + f"{sum(name.encode()) % 90 + 10}"
    with clock.hold(at):
        line = telephony.line(gate, company, digits=digits)
        call_id = telephony.call(gate, vault, line, arrived_at=at, wait_s=0, talk_s=0)
        folder = place.settings.recording_dir
        return telephony.recorded(
            gate, vault, place.house.storage, folder, company, call_id, seconds=0.1, started_at=at
        )


def test_old_backups_are_forgotten_keys_sooner(place: Place) -> None:
    made = place.make()
    later = clock.now() + folders.KEYS_KEPT * 1.5
    with clock.hold(later):
        second = place.make()
    assert made.data.exists()
    assert not made.keys.exists()
    assert second.forgotten == (f"keys {made.keys.name}",)


def test_the_drill_goes_through(place: Place) -> None:
    before = databases(place)
    done = backup.drill(place.settings, customers=3)
    assert done.canaries == 12
    assert done.objects >= 6
    assert done.logs == 3
    assert databases(place) == before
    assert not list(place.settings.state_dir.glob("drill-*"))
