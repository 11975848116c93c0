"""The drill: proves on databases of its own that backup and restore work here, and how long they take.

Two companies with customers and recordings are made, backed up, changed and then restored beside. What the
backup's instant knew must come back to the last value; what came after it must not.
"""

import io
import shutil
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from core import clock
from core.config import Settings
from core.errors import NotFound
from core.ids import OPERATOR, CallId, CustomerId, NumberId, QueueId, RecordingId, TenantId, new_id
from core.phone import parse_e164
from customers import records
from customers.records import CustomerDetails
from security import evidence
from security.gate import Scope
from telephony import calls, recording
from telephony.calls import Arrival
from tenants import companies
from wiring.assemble import House, assemble
from wiring.backup.folders import BackupDamagedError, BackupRefusedError
from wiring.backup.make import make
from wiring.backup.restore import restored
from wiring.prepare import prepare_database
from wiring.root_key import opened as root_key_of

CUSTOMERS = 25
_COMPANIES = ("Drill One", "Drill Two")


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill measured; that it returns at all says that everything was equal.

    Attributes:
        canaries: names and recordings that were read back and compared.
        backup_s: how long the backup took.
        rto_s: from the order to restore to a database that may be served from.
    """

    rows: int
    objects: int
    canaries: int
    logs: int
    backup_s: float
    rto_s: float


@dataclass(frozen=True, slots=True)
class _Person:
    tenant_id: TenantId
    customer_id: CustomerId
    recording_id: RecordingId
    name: str


def drill(settings: Settings, *, customers: int = CUSTOMERS) -> Drilled:
    """Go through it once, and leave nothing behind.

    Raises:
        BackupDamagedError: something did not come back, or came back that should not.
        BackupRefusedError: a program is missing, or the settings lack an administrator.
    """
    roles = settings.state_dir / "roles.json"
    if not settings.admin_database_url or not roles.exists():
        message = "the drill needs the administrator's address and roles.json: run `make up` once"
        raise BackupRefusedError(message)
    stamp = clock.now().strftime("%Y%m%d%H%M%S%f")
    folder = settings.state_dir / f"drill-{stamp}"
    names = {"database": f"seatline_drill_{stamp}", "keystore": f"seatline_drill_keys_{stamp}"}
    try:
        urls = prepare_database(
            settings.admin_database_url,
            secrets_file=roles,
            root_key=root_key_of(settings.root_key_file, environment=settings.environment),
            **names,
        )
        own = {name: folder / name for name in ("storage", "recordings")}
        for one in own.values():
            one.mkdir(parents=True, mode=0o700)
        apart = settings.model_copy(
            update={
                "database_url": urls.app,
                "bill_database_url": urls.bill,
                "keys_database_url": urls.keys,
                "migrator_database_url": urls.migrator,
                "backup_database_url": urls.backup,
                "storage_dir": own["storage"],
                "recording_dir": own["recordings"],
            }
        )
        house = assemble(apart, process="drill")
        try:
            return _drilled(house, folder, customers)
        finally:
            house.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with psycopg.connect(settings.admin_database_url, autocommit=True) as admin:
            for name in names.values():
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drilled(house: House, folder: Path, customers: int) -> Drilled:
    people = [one for name in _COMPANIES for one in _fill(house, name, customers)]
    _seal_logs(house, people)
    made = make(house, folder / "data", keys=folder / "keys")
    changed, late = _change_afterwards(house, people)
    _seal_logs(house, people)
    started = time.monotonic()
    with restored(house.settings, folder / "data", keys=folder / "keys", keep=False) as found:
        rto_s = time.monotonic() - started
        for one in people:
            _compare(found.house, one)
        if _name_of(found.house, changed) != changed.name:
            message = "a change made after the backup is in it"
            raise BackupDamagedError(message)
        try:
            _name_of(found.house, late)
        except NotFound:
            pass
        else:
            message = "a customer added after the backup is in it"
            raise BackupDamagedError(message)
        if found.keys_missing:
            message = f"{found.keys_missing} keys are missing"
            raise BackupDamagedError(message)
        return Drilled(made.rows, made.objects, 2 * len(people), found.logs, made.took_s, rto_s)


def _fill(house: House, company: str, customers: int) -> list[_Person]:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        tenant_id = companies.open_company(
            session,
            name=company,
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Dr",
            colour=1,
        ).tenant_id
    return [_person(house, tenant_id, number) for number in range(customers)]


def _person(house: House, tenant_id: TenantId, number: int) -> _Person:
    """Add a customer who has called and was recorded."""
    name, phone = f"Canary {tenant_id} {number}", parse_e164(f"+447700900{number % 1000:03}")
    call_id, recording_id, now = CallId(new_id()), RecordingId(new_id()), clock.now()
    with house.gate.open(Scope.system(tenant_id)) as session:
        details = CustomerDetails(name=name, phone=phone, notes=f"note of {name}")
        card = records.add(session, tenant_id=tenant_id, vault=house.vault, details=details)
        arrival = Arrival(
            tenant_id, call_id, NumberId(new_id()), "+448081570142", QueueId(new_id()), phone, now
        )
        calls.begin(session, arrival=arrival, customer_id=card.id, vault=house.vault)
        recording.begin(
            session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id, started_at=now
        )
        clear = house.settings.recording_dir / f"{recording.scratch_name(tenant_id, recording_id)}.wav"
        clear.parent.mkdir(exist_ok=True)
        clear.write_bytes(_sound(name))
        recording.seal(
            session,
            tenant_id=tenant_id,
            recording_id=recording_id,
            vault=house.vault,
            storage=house.storage,
            recording_dir=house.settings.recording_dir,
        )
    recording.discard_scratch(
        tenant_id=tenant_id, recording_id=recording_id, recording_dir=house.settings.recording_dir
    )
    return _Person(tenant_id, card.id, recording_id, name)


def _change_afterwards(house: House, people: list[_Person]) -> tuple[_Person, _Person]:
    """Change one customer and add another; return both."""
    changed = people[0]
    with house.gate.open(Scope.system(changed.tenant_id)) as session:
        card = records.get(
            session, tenant_id=changed.tenant_id, vault=house.vault, customer_id=changed.customer_id
        )
        records.update(
            session,
            tenant_id=changed.tenant_id,
            vault=house.vault,
            customer_id=card.id,
            version=card.version,
            details=CustomerDetails(name="Changed afterwards", phone=card.phone),
        )
    return changed, _person(house, changed.tenant_id, CUSTOMERS + 1)


def _compare(house: House, one: _Person) -> None:
    if _name_of(house, one) != one.name:
        message = "a customer came back as another"
        raise BackupDamagedError(message)
    with house.gate.open(Scope.system(one.tenant_id)) as session:
        opened = recording.play(
            session,
            tenant_id=one.tenant_id,
            recording_id=one.recording_id,
            vault=house.vault,
            storage=house.storage,
        )
        sound = opened.read()
        opened.close()
    if sound != _sound(one.name):
        message = "a recording came back as another"
        raise BackupDamagedError(message)


def _name_of(house: House, one: _Person) -> str:
    with house.gate.open(Scope.system(one.tenant_id)) as session:
        return records.get(
            session, tenant_id=one.tenant_id, vault=house.vault, customer_id=one.customer_id
        ).name


def _seal_logs(house: House, people: list[_Person]) -> None:
    for tenant_id in {OPERATOR, *(one.tenant_id for one in people)}:
        with house.gate.open(Scope.system(tenant_id)) as session:
            evidence.seal(session, tenant_id=tenant_id, signer=house.signer, at=clock.now())


def _sound(text: str) -> bytes:
    """Return a wav file that holds a text instead of a voice."""
    whole = io.BytesIO()
    with wave.open(whole, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(text.encode().ljust(2 * len(text) + len(text) % 2))
    return whole.getvalue()
