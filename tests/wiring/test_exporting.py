"""Everything a company owns in one archive: whole, sealed to its key, gone when it should be."""

import contextlib
import datetime as dt
import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from pyrage import x25519
from sqlalchemy.orm import Session

from core import clock, ids
from core.config import Settings
from core.ids import CallId, CustomerId, RecordingId, TenantId, new_id
from customers.events import PersonErasureAsked
from security import evidence
from security.gate import Scope
from telephony import recording
from tenants import alarms, exports, tampering
from tenants.errors import ExportAskedWronglyError, ExportUnderWayError
from tenants.events import CompanyExportAsked
from tenants.exports import ArchiveGone
from tests.conftest import Prepared, admitted
from tests.customers import factory as customers
from tests.factories import telephony
from wiring import House, assemble, erasing, exporting
from wiring.exporting import Archive, WrongKeyError, contents, writing
from wiring.exporting.reading import ArchiveBrokenError

ALICE = new_id()
MINE = x25519.Identity.generate()
PASSPHRASE = "a heron stands in the reeds"
PLATFORM = {
    *("outbox", "duties", "usage_staging", "invoice_series"),
    *("barred_prefixes", "switch_loads", "sellers"),
}


@dataclass
class Scene:
    """A company with a customer, a note, and a recorded call; and another beside it."""

    house: House
    tenant_id: TenantId
    other: TenantId
    customer_id: CustomerId
    call_id: CallId
    recording_id: RecordingId

    def open(self) -> Any:
        return self.house.gate.open(Scope.system(self.tenant_id))

    def ask(self, **to: str) -> UUID:
        with self.open() as session:
            return exports.ask(
                session,
                tenant_id=self.tenant_id,
                vault=self.house.vault,
                by=ALICE,
                **(to or {"recipient": str(MINE.to_public())}),
            )

    def run(self, export_id: UUID) -> dt.timedelta | None:
        event = CompanyExportAsked(tenant_id=self.tenant_id, export_id=export_id)
        return exporting.run(self.house, event)

    def find(self, export_id: UUID) -> exports.Export:
        with self.open() as session:
            return exports.find(session, tenant_id=self.tenant_id, export_id=export_id)

    def archive(self, export_id: UUID) -> Archive:
        with self.open() as session:
            key = exports.locked_key(
                session, tenant_id=self.tenant_id, vault=self.house.vault, export_id=export_id
            )
        return Archive(
            self.find(export_id),
            key,
            tenant_id=self.tenant_id,
            vault=self.house.vault,
            storage=self.house.storage,
        )

    def fetched(self, export_id: UUID) -> bytes:
        return b"".join(self.archive(export_id).stream())

    def stored(self) -> list[Path]:
        return sorted((self.house.settings.storage_dir / "exp").glob("*"))


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    opened = assemble(settings, process="test")
    yield opened
    opened.close()


@pytest.fixture
def scene(house: House) -> Scene:
    tenant_id, other, gate, vault = admitted(house.gate), admitted(house.gate), house.gate, house.vault
    card = customers.stored(gate, vault, tenant_id)
    customers.stored(gate, vault, other, name="Nobody Else", phone=customers.CHEN)
    line = telephony.line(gate, tenant_id)
    call_id = telephony.call(gate, vault, line, caller=card.phone, customer_id=card.id)
    folder = house.settings.recording_dir
    sound = telephony.recorded(gate, vault, house.storage, folder, tenant_id, call_id, seconds=0.5)
    with gate.open(Scope.system(tenant_id)) as session:
        evidence.seal(session, tenant_id=tenant_id, signer=house.signer, at=clock.now())
    return Scene(house, tenant_id, other, card.id, call_id, sound)


def lines(folder: Path, table: str) -> list[dict[str, Any]]:
    files = sorted((folder / "tables").glob(f"{table}-*.jsonl"))
    return [json.loads(line) for one in files for line in one.read_text(encoding="utf-8").splitlines()]


def test_an_owner_opens_everything_with_a_passphrase_and_without_us(scene: Scene, tmp_path: Path) -> None:
    export_id = scene.ask(passphrase=PASSPHRASE)
    assert scene.run(export_id) is None
    found = scene.find(export_id)
    assert found.is_ready
    assert found.done >= 5
    opened = exporting.open_archive(
        io.BytesIO(scene.fetched(export_id)),
        tmp_path / "out",
        passphrase=PASSPHRASE,
        public_key=scene.house.signer.public_key,
    )
    assert opened.manifest["company"] == ids.public("ten", scene.tenant_id)
    assert opened.log.sealed >= 1
    (customer,) = lines(tmp_path / "out", "customers")
    assert (customer["name"], customer["phone"]) == ("Ines Carvalho", customers.INES)
    assert "phone_index" not in customer
    (call,) = lines(tmp_path / "out", "calls")
    assert (call["id"], call["caller"]) == (str(scene.call_id), customers.INES)
    with scene.open() as session:
        sound = recording.play(
            session,
            tenant_id=scene.tenant_id,
            recording_id=scene.recording_id,
            vault=scene.house.vault,
            storage=scene.house.storage,
        )
    with contextlib.closing(sound):
        assert (tmp_path / "out" / "recordings" / f"{scene.recording_id}.wav").read_bytes() == sound.read()
    assert "Nobody Else" not in "".join(
        one.read_text(encoding="utf-8") for one in (tmp_path / "out").rglob("*.jsonl")
    )


def test_an_archive_is_sealed_to_a_public_key_the_company_gave(scene: Scene, tmp_path: Path) -> None:
    mine = x25519.Identity.generate()
    export_id = scene.ask(recipient=str(mine.to_public()))
    scene.run(export_id)
    sealed = scene.fetched(export_id)
    with pytest.raises(WrongKeyError):
        exporting.open_archive(io.BytesIO(sealed), tmp_path / "no", identity=str(x25519.Identity.generate()))
    written = f"# created: today\n# public key: {mine.to_public()}\n{mine}\n"
    assert exporting.open_archive(io.BytesIO(sealed), tmp_path / "yes", identity=written).files > 5


def test_what_does_not_open_is_left_out_and_somebody_hears_of_it(scene: Scene, tmp_path: Path) -> None:
    flipped = sa.text(
        "UPDATE app.customers SET phone_ct = set_byte(phone_ct, length(phone_ct) - 1,"
        " get_byte(phone_ct, length(phone_ct) - 1) # 1) WHERE id = :id"
    )
    with scene.open() as session:
        session.execute(flipped, {"id": scene.customer_id})
    export_id = scene.ask()
    assert scene.run(export_id) is None
    opened = exporting.open_archive(
        io.BytesIO(scene.fetched(export_id)),
        tmp_path / "out",
        identity=str(MINE),
        public_key=scene.house.signer.public_key,
    )
    assert opened.manifest["counts"]["unopened"] == 1
    (customer,) = lines(tmp_path / "out", "customers")
    assert (customer["name"], customer["phone"]) == ("Ines Carvalho", None)
    with scene.open() as session:
        (rung,) = alarms.page(session, tenant_id=scene.tenant_id, limit=10)
    assert (rung.kind, rung.subject) == (tampering.SEAL, f"customers.phone_ct {scene.customer_id}")


def test_nothing_personal_stands_in_the_storage_or_in_what_is_fetched(scene: Scene) -> None:
    export_id = scene.ask()
    scene.run(export_id)
    assert scene.stored()
    for content in (*(one.read_bytes() for one in scene.stored()), scene.fetched(export_id)):
        for word in (b"Ines", customers.INES.lstrip("+").encode(), PASSPHRASE.encode(), b"RIFF"):
            assert word not in content


@pytest.mark.parametrize(
    "asked",
    [
        {"passphrase": "too short"},
        {"passphrase": "a" * 20},
        {"recipient": "age1nonsense"},
        {"recipient": "ssh-ed25519 AAAA"},
        {"passphrase": PASSPHRASE, "recipient": str(x25519.Identity.generate().to_public())},
        {"passphrase": ""},
    ],
)
def test_what_nobody_could_open_or_everybody_could_guess_is_refused(
    scene: Scene, asked: dict[str, str]
) -> None:
    with pytest.raises(ExportAskedWronglyError):
        scene.ask(**asked)


def test_one_is_made_at_a_time(scene: Scene) -> None:
    export_id = scene.ask()
    with pytest.raises(ExportUnderWayError):
        scene.ask()
    scene.run(export_id)
    scene.ask()


def test_a_wrong_passphrase_opens_nothing_and_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    export_id = scene.ask(passphrase=PASSPHRASE)
    scene.run(export_id)
    with pytest.raises(WrongKeyError):
        exporting.open_archive(
            io.BytesIO(scene.fetched(export_id)), tmp_path / "out", passphrase="a heron sits in the reeds"
        )
    assert list((tmp_path / "out").iterdir()) == []


def test_an_archive_cut_short_or_changed_is_refused(scene: Scene, tmp_path: Path) -> None:
    export_id = scene.ask()
    scene.run(export_id)
    whole = scene.fetched(export_id)
    changed = bytearray(whole)
    changed[-20_000 if len(whole) > 40_000 else len(whole) // 2] ^= 1
    for number, bad in enumerate((whole[: len(whole) * 2 // 3], bytes(changed), b"", b"no archive at all")):
        with pytest.raises(ArchiveBrokenError):
            exporting.open_archive(io.BytesIO(bad), tmp_path / str(number), identity=str(MINE))


def test_a_file_changed_after_opening_is_found(scene: Scene, tmp_path: Path) -> None:
    export_id = scene.ask()
    scene.run(export_id)
    folder = tmp_path / "out"
    exporting.open_archive(io.BytesIO(scene.fetched(export_id)), folder, identity=str(MINE))
    file = next((folder / "tables").glob("customers-*.jsonl"))
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace("Ines", "Inez"), encoding="utf-8")
    with pytest.raises(ArchiveBrokenError, match="customers"):
        exporting.verify_folder(folder)
    file.write_text(whole, encoding="utf-8")
    (folder / "tables" / "more.jsonl").write_text("{}")
    with pytest.raises(ArchiveBrokenError, match="was added"):
        exporting.verify_folder(folder)


def test_parts_follow_one_another_and_lose_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        customers.stored(scene.house.gate, scene.house.vault, scene.tenant_id, phone=f"+44770090020{number}")
    monkeypatch.setattr(writing, "ROWS_IN_A_PART", 3)
    monkeypatch.setattr(writing, "_PAGE", 2)
    export_id = scene.ask()
    while scene.run(export_id) is not None:
        pass
    assert len(scene.find(export_id).parts) > 3
    exporting.open_archive(io.BytesIO(scene.fetched(export_id)), tmp_path / "out", identity=str(MINE))
    assert len({one["id"] for one in lines(tmp_path / "out", "customers")}) == 8
    assert len(lines(tmp_path / "out", "customers")) == 8


def test_all_tables_are_of_one_instant_however_many_parts_they_take(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody works meanwhile: neither half of what they do is in; after a kill the manifest says two."""
    monkeypatch.setattr(writing, "ROWS_IN_A_PART", 3)
    real, added = exports.finish_part, 0

    def busy(session: Session, **known: Any) -> bool:
        nonlocal added
        added += 1
        customers.stored(scene.house.gate, scene.house.vault, scene.tenant_id, phone=f"+447700901{added:03}")
        return real(session, **known)

    monkeypatch.setattr(exports, "finish_part", busy)
    export_id = scene.ask()
    assert scene.run(export_id) is None
    opened = exporting.open_archive(
        io.BytesIO(scene.fetched(export_id)), tmp_path / "one", identity=str(MINE)
    )
    assert added > 3
    assert len(lines(tmp_path / "one", "customers")) == 1
    said = opened.manifest["rows_as_of"]
    assert said["is_one_instant"]
    assert len(said["parts"]) > 3

    monkeypatch.setattr(exporting.job, "SHARE_S", 0)  # as a killed worker's next run: another instant
    export_id = scene.ask()
    while scene.run(export_id) is not None:
        pass
    opened = exporting.open_archive(
        io.BytesIO(scene.fetched(export_id)), tmp_path / "many", identity=str(MINE)
    )
    said = opened.manifest["rows_as_of"]
    assert not said["is_one_instant"]
    assert len(set(said["parts"].values())) > 3


def test_a_snapshot_changes_nothing(scene: Scene) -> None:
    with (
        pytest.raises(sa.exc.DBAPIError, match="read-only"),
        scene.house.gate.snapshot(Scope.system(scene.tenant_id)) as session,
    ):
        session.execute(sa.text("UPDATE app.customers SET row_version = 2"))
    with scene.open() as session:  # and leaves nothing behind on the connection
        assert session.scalar(sa.text("SHOW transaction_isolation")) == "read committed"
        session.execute(sa.text("UPDATE app.customers SET row_version = 1"))


def test_any_range_of_it_is_what_the_whole_holds_there(scene: Scene) -> None:
    export_id = scene.ask()
    scene.run(export_id)
    archive, whole = scene.archive(export_id), scene.fetched(export_id)
    assert archive.size == len(whole)
    for start in (0, 1, 511, 512, 5000, archive.size - 700, archive.size - 1, archive.size):
        for length in (0, 1, 600, 10_000_000):
            assert b"".join(archive.stream(start, start + length)) == whole[start : start + length]


def test_a_worker_killed_in_the_middle_offers_nothing_and_the_next_goes_on(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after a part was stored and before it counted: that part is written again, its object goes."""
    monkeypatch.setattr(writing, "ROWS_IN_A_PART", 3)

    class KilledError(BaseException):
        pass

    export_id, real, times = scene.ask(), exports.finish_part, 0

    def killed(*args: Any, **known: Any) -> bool:
        nonlocal times
        times += 1
        if times == 2:
            raise KilledError
        return real(*args, **known)

    monkeypatch.setattr(exports, "finish_part", killed)
    with pytest.raises(KilledError):
        scene.run(export_id)
    assert not scene.find(export_id).is_ready
    assert len(scene.stored()) == 2
    while scene.run(export_id) is not None:
        pass
    assert len(scene.stored()) == len(scene.find(export_id).parts)
    opened = exporting.open_archive(
        io.BytesIO(scene.fetched(export_id)), tmp_path / "out", identity=str(MINE)
    )
    assert opened.files > 5


class FullDisk:
    """A storage without room after some bytes."""

    def __init__(self, house: House, room: int) -> None:
        self.gate, self.vault, self.signer, self.settings, self.realtime = (
            house.gate,
            house.vault,
            house.signer,
            house.settings,
            house.realtime,
        )
        self.storage, self._storage, self.room = self, house.storage, room

    @contextlib.contextmanager
    def put(self, name: str) -> Iterator[BinaryIO]:
        with self._storage.put(name) as sink:
            yield _Narrow(sink, self.room)  # type: ignore[misc] # as much of a file as is used

    def open(self, name: str) -> BinaryIO:
        return self._storage.open(name)

    def delete(self, name: str) -> None:
        self._storage.delete(name)


class _Narrow:
    def __init__(self, sink: BinaryIO, room: int) -> None:
        self._sink, self._room = sink, room

    def write(self, piece: bytes) -> int:
        self._room -= len(piece)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._sink.write(piece)


def test_a_full_disk_leaves_nothing_is_said_and_is_tried_again(scene: Scene) -> None:
    export_id = scene.ask()
    event = CompanyExportAsked(tenant_id=scene.tenant_id, export_id=export_id)
    wait = exporting.run(FullDisk(scene.house, 2000), event)
    assert wait is not None
    assert wait >= dt.timedelta(minutes=1)
    assert (scene.find(export_id).stalled, scene.stored()) == ("no-room", [])
    assert scene.run(export_id) is None
    assert (scene.find(export_id).stalled, scene.find(export_id).is_ready) == (None, True)


def test_an_erasure_destroys_what_lies_there_and_the_next_one_is_without_the_person(
    scene: Scene, tmp_path: Path
) -> None:
    export_id = scene.ask()
    scene.run(export_id)
    assert scene.stored()
    with clock.hold(clock.now() + dt.timedelta(hours=1)):
        forget(scene)
        found = scene.find(export_id)
        assert (found.is_ready, found.gone_why, scene.stored()) == (False, ArchiveGone.ERASURE, [])
        again = scene.ask()
        scene.run(again)
        exporting.open_archive(io.BytesIO(scene.fetched(again)), tmp_path / "out", identity=str(MINE))
    assert lines(tmp_path / "out", "customers") == []
    assert not list((tmp_path / "out").rglob("*.wav"))
    for file in (tmp_path / "out").rglob("*.jsonl"):
        assert "Ines" not in file.read_text(encoding="utf-8")
        assert customers.INES not in file.read_text(encoding="utf-8")


def test_an_erasure_while_it_is_made_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ROWS_IN_A_PART", 3)
    export_id, real = scene.ask(), exports.finish_part

    def erased_first(*args: Any, **known: Any) -> bool:
        monkeypatch.setattr(exports, "finish_part", real)
        with clock.hold(clock.now() + dt.timedelta(hours=1)):
            forget(scene)
        return real(*args, **known)

    monkeypatch.setattr(exports, "finish_part", erased_first)
    assert scene.run(export_id) is None
    assert (scene.find(export_id).gone_why, scene.stored()) == (ArchiveGone.ERASURE, [])


def test_it_is_gone_after_a_week(scene: Scene) -> None:
    export_id = scene.ask()
    scene.run(export_id)
    until = scene.find(export_id).expires_at
    with clock.hold(until - dt.timedelta(seconds=1)):
        exporting.sweep(scene.house, tenant_id=scene.tenant_id)
        assert scene.find(export_id).is_ready
    with clock.hold(until):
        assert not scene.find(export_id).is_ready
        exporting.sweep(scene.house, tenant_id=scene.tenant_id)
    assert (scene.find(export_id).gone_why, scene.stored()) == (ArchiveGone.EXPIRED, [])
    assert scene.run(export_id) is None


def test_every_table_is_in_the_archive_or_named_with_the_reason(prepared: Prepared) -> None:
    with psycopg.connect(prepared.urls.app) as connection:
        found = {
            name
            for (name,) in connection.execute(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
                " WHERE n.nspname = 'app' AND c.relkind = 'r'"
            )
        }
    written = {one.name for one in contents.tables()}
    assert found - PLATFORM == written | set(contents.LEFT_OUT)
    assert written.isdisjoint(contents.LEFT_OUT)
    assert all(contents.LEFT_OUT.values())
    known = {(one.name, column.name) for one in contents.tables() for column in one.columns}
    assert set(contents.COLUMNS_LEFT_OUT) <= known


def test_the_archive_is_fetched_by_tools_that_know_nothing_of_us(scene: Scene, tmp_path: Path) -> None:
    """Taken apart in a process that has only the published formats: tar, age, zip, JSON."""
    export_id = scene.ask(passphrase=PASSPHRASE)
    scene.run(export_id)
    (tmp_path / "all.tar").write_bytes(scene.fetched(export_id))
    program = """
import io, json, sys, tarfile, zipfile, pyrage
from pyrage import passphrase, x25519
with tarfile.open(sys.argv[1]) as outer:
    held = {one.name: outer.extractfile(one).read() for one in outer}
key = x25519.Identity.from_str(passphrase.decrypt(held["key.age"], sys.argv[2]).decode().strip())
names = []
for name in sorted(held):
    if name.endswith(".zip.age"):
        with zipfile.ZipFile(io.BytesIO(pyrage.decrypt(held[name], [key]))) as part:
            assert part.testzip() is None
            names += part.namelist()
assert "manifest.json" in names and any(one.endswith(".wav") for one in names), names
assert not any(one.split(".")[0] in {"tenants", "security", "core", "wiring"} for one in sys.modules)
print("whole")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path / "all.tar"), PASSPHRASE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("whole", "")


def forget(scene: Scene) -> None:
    """Have the one customer forgotten."""
    with scene.open() as session:
        erasure_id = erasing.ask(
            session,
            tenant_id=scene.tenant_id,
            vault=scene.house.vault,
            phone=customers.INES,
            customer_id=scene.customer_id,
            by=ALICE,
        )
    erasing.run(scene.house, PersonErasureAsked(tenant_id=scene.tenant_id, erasure_id=erasure_id))
