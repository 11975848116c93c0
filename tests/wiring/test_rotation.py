"""Rotating keys: nobody notices, nothing is lost by a kill, and no sealed column is forgotten."""

import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import LargeBinary, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from billing.payments import methods
from campaigns import imports, leads
from core import clock
from core.db import Base
from core.ids import OPERATOR, CallId, CustomerId, NumberId, QueueId, TenantId, new_id
from core.phone import E164
from core.storage import DiskStorage
from customers import consent, do_not_call, indexing, interactions, lookup, narrow, records, search
from customers.errors import CustomerExistsError
from customers.records import CustomerDetails
from seats import messages, roster
from security import evidence, key_states
from security.gate import Gate, Scope
from security.key_states import BuiltUponError, KeyState, KeyStateError
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Field, Vault
from telephony import calls, drafts, endpoints, erasure
from telephony.calls import Arrival
from telephony.outbound import gate as outbound_gate
from tenants import logins, passkeys, repeats, saved_views, second_step, users
from tenants.errors import EmailTakenError
from tenants.events import KeyRotationAsked
from tenants.letters import box
from tenants.webhooks import endpoints as webhooks
from tests.conftest import Prepared
from tests.factories import payments
from tests.tenants.people import People
from wiring import prints, rotation
from wiring.places import MARKED, PLACES
from wiring.prepare import DatabaseUrls
from wiring.rotation import NotRotatedError

ROW, VERSION = new_id(), 7


@dataclass(frozen=True)
class Means:
    gate: Gate
    keystore: Keystore
    vault: Vault
    storage: DiskStorage


@pytest.fixture
def means(gate: Gate, keystore: Keystore, vault: Vault, storage: DiskStorage) -> Means:
    return Means(gate, keystore, vault, storage)


@pytest.fixture
def stale(prepared: Prepared, root_key: FileRootKey) -> Iterator[Vault]:
    """Another process, that never hears of anything."""
    opened = Keystore(prepared.urls.keys, root_key, epoch_s=3600)
    yield Vault(opened)
    opened.close()


def details(at: int) -> CustomerDetails:
    return CustomerDetails(name=f"Maya {at}", phone=E164(f"+4477009{at:05}"))


def add(gate: Gate, vault: Vault, tenant_id: TenantId, first: int, count: int) -> list[CustomerId]:
    with gate.open(Scope.system(tenant_id)) as session:
        return [
            records.add(session, tenant_id=tenant_id, vault=vault, details=details(at)).id
            for at in range(first, first + count)
        ]


def asked(means: Means, tenant_id: TenantId, purpose: str = "pii") -> KeyRotationAsked:
    with means.gate.open(Scope.system(OPERATOR)) as session:
        job_id = rotation.ask(session, means.keystore, tenant_id=tenant_id, purpose=purpose, by=new_id())
    return KeyRotationAsked(tenant_id=tenant_id, job_id=job_id, purpose=purpose, version=2)


def to_the_end(means: Means, event: KeyRotationAsked) -> None:
    until = time.monotonic() + 30
    while rotation.rotate(means, event, settles_s=0) is not None:
        assert time.monotonic() < until


def test_everything_is_under_the_new_key_and_reads_as_before(means: Means, tenant_a: TenantId) -> None:
    made = add(means.gate, means.vault, tenant_a, 0, 1100)
    to_the_end(means, asked(means, tenant_a))
    found = rotation.count(means, tenant_id=tenant_a, purpose="pii")
    new = means.keystore.active(tenant_a, "pii").key_id
    assert dict(found) == {new: 2200}
    states = [
        one.state for one in key_states.versions(means.keystore, tenant_id=tenant_a) if one.purpose == "pii"
    ]
    assert states == [KeyState.DECRYPT_ONLY, KeyState.ACTIVE]
    key_states.destroy(means.keystore, tenant_id=tenant_a, purpose="pii", version=1)
    with means.gate.open(Scope.system(tenant_a)) as session:
        for at in (0, 500, 1099):
            card = records.get(session, tenant_id=tenant_a, vault=means.vault, customer_id=made[at])
            assert (card.name, card.phone) == (details(at).name, details(at).phone)
        page = evidence.page(session, tenant_id=tenant_a, limit=5)
    assert page.entries[0].fact.action == "key.rotated"
    assert page.entries[0].fact.details == {"of": "pii", "version": 2, "sealed": 2200, "left": 0}


def test_two_processes_write_and_read_all_through_it(means: Means, stale: Vault, tenant_a: TenantId) -> None:
    """T57: one of the two goes on with the old key; its rows are read at once, and sealed anew as well."""
    before = add(means.gate, stale, tenant_a, 0, 600)
    trouble: list[Exception] = []
    over = threading.Event()
    written = []

    def work(vault: Vault, first: int) -> None:
        at = first
        try:
            while not over.is_set():
                written.extend(add(means.gate, vault, tenant_a, at, 1))
                at += 1
                with means.gate.open(Scope.system(tenant_a)) as session:
                    for one in (before[at % 600], written[-1]):
                        records.get(session, tenant_id=tenant_a, vault=vault, customer_id=one)
        except Exception as error:  # noqa: BLE001 - told by the test
            trouble.append(error)

    threads = [
        threading.Thread(target=work, args=(vault, first))
        for vault, first in ((means.vault, 10_000), (stale, 20_000))
    ]
    event = asked(means, tenant_a)
    for thread in threads:
        thread.start()
    try:
        for _turn in range(6):  # as long as somebody writes with the old key it is not over
            rotation.rotate(means, event, settles_s=0)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not trouble
    to_the_end(means, event)
    new = means.keystore.active(tenant_a, "pii").key_id
    assert dict(rotation.count(means, tenant_id=tenant_a, purpose="pii")) == {new: 2 * (600 + len(written))}
    with means.gate.open(Scope.system(tenant_a)) as session:
        for one in (*before, *written):
            records.get(session, tenant_id=tenant_a, vault=stale, customer_id=one)


JOB = """
import sys
from pathlib import Path
from uuid import UUID
from core.storage import DiskStorage
from security.gate import Gate
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Vault
from tenants.events import KeyRotationAsked
from wiring import prints, rotation
url, keys, root, folder, tenant, job = sys.argv[1:]
root_key = FileRootKey(Path(root))
class Means:
    gate = Gate(url, context_key=root_key.derive("context/v1"))
    keystore = Keystore(keys, root_key)
    vault = Vault(keystore)
    storage = DiskStorage(Path(folder))
event = KeyRotationAsked(tenant_id=UUID(tenant), job_id=UUID(job), purpose="pii", version=2)
while rotation.rotate(Means(), event, settles_s=0) is not None:
    pass
"""


def test_a_rotation_killed_in_the_middle_goes_on_where_it_was(
    means: Means, database: DatabaseUrls, home: Path, tmp_path: Path, tenant_a: TenantId
) -> None:
    made = add(means.gate, means.vault, tenant_a, 0, 3000)
    event = asked(means, tenant_a)
    arguments = (
        *(database.app, database.keys, str(home / "root.key"), str(tmp_path)),
        *(str(tenant_a), str(event.job_id)),
    )
    child = subprocess.Popen([sys.executable, "-c", JOB, *arguments])
    old = means.keystore.active(tenant_a, "pii").key_id
    try:
        until = time.monotonic() + 30
        while not 0 < rotation.count(means, tenant_id=tenant_a, purpose="pii")[old] < 6000:
            assert time.monotonic() < until
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert rotation.count(means, tenant_id=tenant_a, purpose="pii")[old] > 0
    to_the_end(means, event)
    assert rotation.count(means, tenant_id=tenant_a, purpose="pii")[old] == 0
    with means.gate.open(Scope.system(tenant_a)) as session:
        for at in range(0, 3000, 100):
            card = records.get(session, tenant_id=tenant_a, vault=means.vault, customer_id=made[at])
            assert card.name == details(at).name


def test_a_value_that_does_not_open_is_left_and_counted(means: Means, tenant_a: TenantId) -> None:
    one, two = add(means.gate, means.vault, tenant_a, 0, 2)
    with means.gate.open(Scope.system(tenant_a)) as session:
        session.execute(
            text(
                "UPDATE app.customers SET name_ct = (SELECT name_ct FROM app.customers WHERE id = :one)"
                " WHERE id = :two"
            ),
            {"one": one, "two": two},
        )
    old = means.keystore.active(tenant_a, "pii").key_id
    event = asked(means, tenant_a)
    to_the_end(means, event)
    assert rotation.count(means, tenant_id=tenant_a, purpose="pii")[old] == 1
    with means.gate.open(Scope.system(OPERATOR)) as session:
        failed = session.execute(
            text("SELECT state, failed FROM app.long_jobs WHERE id = :id"), {"id": event.job_id}
        ).one()
    assert tuple(failed) == ("done", 1)


def test_what_is_frozen_may_be_sealed_anew_and_nothing_else_of_it_changed(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        consent.record(
            session,
            tenant_id=tenant_a,
            vault=vault,
            phone=E164("+447700900123"),
            is_given=True,
            basis="spoken",
            by=new_id(),
            proof="on the tape",
        )
        session.execute(text("UPDATE app.consents SET proof_ct = proof_ct"))
    for change in ("proof_ct = NULL", "is_given = false", "proof_ct = proof_ct, basis = 'none'"):
        with pytest.raises(DBAPIError), gate.open(Scope.system(tenant_a)) as session:
            session.execute(text(f"UPDATE app.consents SET {change}"))
    with pytest.raises(DBAPIError), gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("DELETE FROM app.consents"))


MAYA, INES, OLAF = E164("+447700900001"), E164("+447700900777"), E164("+447700900888")
BY = new_id()


def barred(session: Session, vault: Vault, tenant_id: TenantId, phone: E164) -> bool:
    return do_not_call.add(
        session, tenant_id=tenant_id, vault=vault, phone=phone, source="asked-in-call", by=BY
    )


def called(session: Session, vault: Vault, tenant_id: TenantId, caller: E164) -> CallId:
    arrival = Arrival(
        tenant_id=tenant_id,
        call_id=CallId(new_id()),
        number_id=NumberId(new_id()),
        dialled="+442071838750",
        queue_id=QueueId(new_id()),
        caller=caller,
        arrived_at=clock.now(),
    )
    calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
    return arrival.call_id


def found_by_number(session: Session, vault: Vault, tenant_id: TenantId) -> None:
    """Whatever finds a number finds it."""
    card = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=MAYA)
    assert card
    assert card.phone == MAYA
    assert lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=OLAF) is None
    assert do_not_call.is_listed(session, tenant_id=tenant_id, vault=vault, phone=INES)
    assert not do_not_call.is_listed(session, tenant_id=tenant_id, vault=vault, phone=OLAF)
    said = consent.standing(session, tenant_id=tenant_id, vault=vault, phone=INES)
    assert said
    assert not said.is_given
    mark = vault.mark(tenant_id, calls.CALLER_INDEX, INES)
    assert erasure.count(session, tenant_id=tenant_id, customer_id=None, caller=mark) == 1


def test_every_index_finds_all_through_a_rotation_and_nothing_is_there_twice(
    means: Means, stale: Vault, tenant_a: TenantId
) -> None:
    """T57 for marks: also what is known by its mark alone is lifted; who is behind keeps finding."""
    add(means.gate, stale, tenant_a, 1, 1)
    scope = Scope.system(tenant_a)
    with means.gate.open(scope) as session:
        barred(session, stale, tenant_a, INES)
        consent.record(
            session, tenant_id=tenant_a, vault=stale, phone=INES, is_given=False, basis="spoken", by=BY
        )
        called(session, stale, tenant_a, INES)
    before = rows_of_marks(means, tenant_a)
    event = asked(means, tenant_a, "index")
    assert rotation.rotate(means, event) is not None  # made, and not yet written with
    assert means.vault.index_versions(tenant_a) == (1, range(1, 3))
    with means.gate.open(scope) as session:
        found_by_number(session, means.vault, tenant_a)
    key_states.promote(means.keystore, tenant_id=tenant_a, purpose="index", version=2, settles_s=0)
    with means.gate.open(scope) as session:  # some written with the one, some with the other
        found_by_number(session, means.vault, tenant_a)
        with pytest.raises(CustomerExistsError):
            records.add(session, tenant_id=tenant_a, vault=means.vault, details=details(1))
        assert not barred(session, means.vault, tenant_a, INES)
        assert barred(session, means.vault, tenant_a, OLAF)
        assert do_not_call.remove(
            session, tenant_id=tenant_a, vault=means.vault, phone=OLAF, why=do_not_call.Why.MISTAKE, by=BY
        )
    to_the_end(means, event)
    new = means.keystore.active(tenant_a, "index").key_id
    assert set(rotation.count(means, tenant_id=tenant_a, purpose="index")) == {new}
    after = rows_of_marks(means, tenant_a)
    assert before.isdisjoint(after)
    with means.gate.open(scope) as session:
        found_by_number(session, means.vault, tenant_a)
        with pytest.raises(CustomerExistsError):
            records.add(session, tenant_id=tenant_a, vault=means.vault, details=details(1))


def test_a_number_that_a_stale_process_wrote_twice_is_found_and_counted(
    means: Means, stale: Vault, tenant_a: TenantId
) -> None:
    """The one moment in which two rows of a number can come to be; neither is lost, and the job says one."""
    add(means.gate, stale, tenant_a, 5, 1)
    event = asked(means, tenant_a, "index")
    rotation.rotate(means, event)
    key_states.promote(means.keystore, tenant_id=tenant_a, purpose="index", version=2, settles_s=0)
    add(means.gate, means.vault, tenant_a, 1, 1)
    add(means.gate, stale, tenant_a, 1, 1)
    to_the_end(means, event)
    with means.gate.open(Scope.system(tenant_a)) as session:
        card = lookup.by_phone(session, tenant_id=tenant_a, vault=means.vault, phone=MAYA)
        assert card
    assert card.phone == MAYA
    with means.gate.open(Scope.system(OPERATOR)) as session:
        state = session.execute(
            text("SELECT state, failed FROM app.long_jobs WHERE id = :id"), {"id": event.job_id}
        ).one()
    assert tuple(state) == ("done", 1)


def rows_of_marks(means: Means, tenant_id: TenantId) -> set[bytes]:
    found: set[bytes] = set()
    for marked in MARKED:
        with means.gate.open(Scope.system(tenant_id)) as session:
            found |= set(session.scalars(text(f"SELECT {marked.column} FROM app.{marked.table}")))
    return found - {None}


def test_narrow_indexes_follow_the_new_key(
    means: Means, tenant_a: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrow, "FEWEST", 8)
    scope = Scope.system(tenant_a)
    made = add(means.gate, means.vault, tenant_a, 0, 40)
    with means.gate.open(scope) as session:
        indexing.prepare(session, tenant_id=tenant_a)
        assert search.fill(session, means.vault, tenant_id=tenant_a) is None

    def numbers() -> dict[UUID, int]:
        with means.gate.open(scope) as session:
            return {
                row.id: row.ending_index
                for row in session.execute(text("SELECT id, ending_index FROM app.customers"))
            }

    before = numbers()
    event = asked(means, tenant_a, "index")
    rotation.rotate(means, event)
    key_states.promote(means.keystore, tenant_id=tenant_a, purpose="index", version=2, settles_s=0)
    for _between_and_after in range(2):
        with means.gate.open(scope) as session:
            found = search.by_ending(
                session, tenant_id=tenant_a, vault=means.vault, digits=details(7).phone[-4:]
            )
        assert [one.id for one in found] == [made[7]]
        to_the_end(means, event)
    after = numbers()
    assert all(before[one] != after[one] for one in made)


def test_an_index_key_is_never_taken_away_alone(means: Means, tenant_a: TenantId) -> None:
    means.vault.mark(tenant_a, "customers.phone", MAYA)
    to_the_end(means, asked(means, tenant_a, "index"))
    for deed in (key_states.disable, key_states.destroy):
        with pytest.raises(BuiltUponError):
            deed(means.keystore, tenant_id=tenant_a, purpose="index", version=1)


def test_printed_invoices_are_under_the_new_key_and_read_as_before(means: Means, tenant_a: TenantId) -> None:
    invoice = payments.owing(means.gate, tenant_a)
    placed = prints.places(tenant_a, invoice.invoice_id)
    for language, (name, field) in placed.items():
        with means.storage.put(name) as sink:
            means.vault.seal_file(field, io.BytesIO(f"printed {language}".encode()), sink)
    to_the_end(means, asked(means, tenant_a, "document"))
    new = means.keystore.active(tenant_a, "document").key_id
    assert dict(rotation.count(means, tenant_id=tenant_a, purpose="document")) == {new: 2}
    key_states.destroy(means.keystore, tenant_id=tenant_a, purpose="document", version=1)
    for language, (name, field) in placed.items():
        with means.vault.open_file(field, means.storage.open(name)).stream() as clear:
            assert clear.read().decode() == f"printed {language}"


def test_people_sign_in_while_the_operators_index_key_is_replaced(means: Means, stale: Vault) -> None:
    """The directory's keys are lifted; before, meanwhile and after, everybody is found."""
    stale.index_versions(OPERATOR)
    people = People(means.gate, means.vault)
    ours, theirs = people.company("Pelican").tenant_id, people.company("Heron").tenant_id
    ids = {
        user.email: user.id
        for user in (people.user(OPERATOR, "Olga", "operator_billing"), people.user(ours, "Alice"))
    }

    def found() -> dict[str, UUID | None]:
        entries = {email: logins.find(means.gate, vault=means.vault, email=email) for email in ids}
        return {email: entry.ref_id if entry else None for email, entry in entries.items()}

    event = asked(means, OPERATOR, "index")
    assert rotation.rotate(means, event, settles_s=0) is not None  # made, and pending
    assert found() == ids
    late = People(means.gate, stale).user(theirs, "Lena")  # by a process that is behind
    ids[late.email] = late.id
    assert rotation.rotate(means, event, share_s=0, settles_s=0) is not None  # promoted, and nobody lifted
    assert found() == ids
    to_the_end(means, event)
    old, new = (
        one.key_id or 0
        for one in key_states.versions(means.keystore, tenant_id=OPERATOR)
        if one.purpose == "index"
    )
    counted = rotation.count(means, tenant_id=OPERATOR, purpose="index")
    assert (counted[old], counted[new]) == (0, len(ids))
    assert found() == ids
    for email in ids:
        with pytest.raises(EmailTakenError):
            people.user(theirs, "Charlie", email=email)
    assert logins.find(means.gate, vault=means.vault, email="nobody@pelicanparcel.example") is None


def test_an_address_two_processes_enter_under_two_keys_is_one_persons(means: Means, stale: Vault) -> None:
    """One is behind and writes with the key before; the directory alone would take both."""
    stale.index_versions(OPERATOR)
    people = People(means.gate, means.vault)
    ours, theirs = people.company("Pelican").tenant_id, people.company("Heron").tenant_id
    to_the_end(means, asked(means, OPERATOR, "index"))
    People(means.gate, stale).user(ours, "Alice")
    with pytest.raises(EmailTakenError):
        people.user(theirs, "Alice")


def test_keys_a_company_has_not_are_not_rotated(means: Means, tenant_a: TenantId) -> None:
    with pytest.raises(NotRotatedError):
        asked(means, tenant_a, "tk")
    with pytest.raises(KeyStateError):
        asked(means, tenant_a, "pii")


def test_every_column_of_marks_is_lifted() -> None:
    of_models = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_index") and isinstance(column.type, LargeBinary)
    }
    assert of_models == {(one.table, one.column) for one in MARKED}


def test_every_sealed_column_has_its_place_and_its_check(database: DatabaseUrls) -> None:
    """T55, for every column: the models say which are sealed, the database refuses plaintext in each."""
    of_models = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.info.get("sealed")
    }
    with psycopg.connect(database.migrator) as connection:
        connection.execute("SET ROLE seatline_owner")
        checks = connection.execute(
            "SELECT c.relname, a.attname, pg_get_constraintdef(k.oid) FROM pg_constraint k"
            " JOIN pg_class c ON c.oid = k.conrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)"
            " WHERE k.contype = 'c' AND c.relnamespace = 'app'::regnamespace AND k.conname LIKE '%\\_sealed'"
            " AND pg_get_constraintdef(k.oid) LIKE '%get_byte%'"
        ).fetchall()
    checked = {(table, column) for table, column, _definition in checks}
    assert of_models == checked, (
        "a column of `core.db.Sealed` lacks `migrations.walls.sealed`, or the reverse"
    )
    for _table, column, definition in checks:
        assert f"octet_length({column}) >= 87" in definition
        assert definition.count("get_byte(") == 2
    placed = {(place.table, place.column) for place in PLACES}
    assert placed == checked, "wiring.places.PLACES lacks a sealed column: it would keep its old key"


@pytest.mark.parametrize(
    ("table", "column", "field"),
    [
        *(
            ("customers", f"{name}_ct", records._field(TenantId(ROW), ROW, name, VERSION))
            for name in ("name", "phone", "email", "postcode", "notes")
        ),
        ("interactions", "note_ct", interactions._note_field(TenantId(ROW), ROW, VERSION)),
        ("consents", "proof_ct", consent._proof_of(TenantId(ROW), ROW)),
        ("calls", "caller_ct", calls._field(TenantId(ROW), ROW, "caller")),
        ("call_drafts", "body_ct", drafts._field(TenantId(ROW), ROW, VERSION)),
        ("endpoints", "password_ct", endpoints._password(ROW)),
        ("outbound_dials", "to_ct", outbound_gate.sealed_number(TenantId(ROW), ROW)),
        ("agents", "name_ct", roster._name_field(ROW, VERSION)),
        ("team_messages", "text_ct", messages._field(TenantId(ROW), ROW)),
        ("leads", "person_ct", leads._field(TenantId(ROW), ROW)),
        ("lead_imports", "names_ct", imports._names_field(ROW, ROW, VERSION)),
        ("lead_import_rows", "row_ct", imports._bad_field(ROW, ROW, VERSION)),
        ("payment_methods", "shown_ct", methods._field(TenantId(ROW), ROW)),
        ("users", "email", users._field(ROW, ROW, "email", VERSION)),
        ("users", "name", users._field(ROW, ROW, "name", VERSION)),
        ("letters", "content", box._field(TenantId(ROW), ROW)),
        ("saved_views", "content_ct", saved_views._field(ROW, ROW)),
        ("passkeys", "name", passkeys._field(TenantId(ROW), ROW, VERSION)),
        ("repeats", "answer", repeats._field(TenantId(ROW), ROW)),
        ("second_steps", "secret", second_step._field(ROW, ROW, VERSION)),
        *(
            ("webhooks", name, webhooks._field(ROW, ROW, name, VERSION))
            for name in ("url", "secret", "old_secret")
        ),
    ],
)
def test_a_place_is_bound_as_its_room_binds_it(table: str, column: str, field: Field) -> None:
    (place,) = (one for one in PLACES if (one.table, one.column) == (table, column))
    version = 1 if place.version == "1" else VERSION
    whose = OPERATOR if table in {"endpoints", "agents"} else TenantId(UUID(int=ROW.int))
    assert place.field(whose, row_id=ROW, version=version) == replace(field, tenant_id=whose)
