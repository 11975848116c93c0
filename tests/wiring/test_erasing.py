"""Somebody is forgotten everywhere, once, through kills, and again after a restore."""

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from campaigns import leads
from campaigns.leads import NewLead, Person
from core import clock, ids
from core.config import Settings
from core.ids import CallId, CustomerId, RecordingId, TenantId, new_id
from core.phone import E164
from customers import callbacks, consent, do_not_call, erasures, interactions, records, tickets
from customers.errors import CustomerNotFoundError
from customers.events import PersonErasureAsked
from customers.interactions import Direction
from launch.parts.part import Running
from launch.parts.postgres import Postgres
from security import evidence, key_states, tombstones
from security.gate import Scope
from telephony import erasure, recording
from telephony.outbound import dialling
from telephony.outbound.gate import Clearance
from tenants import holds
from tenants.errors import HeldError
from tenants.holds import HoldKind
from tests.campaigns import factory as campaigns
from tests.conftest import Prepared, admitted
from tests.customers import factory as customers
from tests.customers.factory import CHEN, INES
from tests.factories import telephony
from tests.telephony.outbound import desk
from tests.telephony.outbound.desk import MONDAY_NOON
from wiring import House, assemble, backup, erasing

ALICE = new_id()
# where a name of somebody erased may still stand, and why
MAY_NAME = {
    ("erasures", "customer_id"),  # which record it was
    ("erasures", "certificate"),
    ("evidence", "body"),  # what was done to it
    ("evidence", "subject"),
    ("reveals", "customer_id"),  # who looked at it
    ("outbox", "payload"),  # that it is done
}


@dataclass
class Scene:
    """Ines in every table, and Chen beside her, whom nobody has asked to forget."""

    house: House
    tenant_id: TenantId
    line: telephony.Line
    ines: CustomerId
    chen: CustomerId
    calls: list[CallId]
    recordings: list[RecordingId]

    def open(self) -> Any:
        return self.house.gate.open(Scope.system(self.tenant_id))

    def ask(self, customer_id: CustomerId | None = None, phone: E164 = INES) -> UUID:
        with self.open() as session:
            return erasing.ask(
                session,
                tenant_id=self.tenant_id,
                vault=self.house.vault,
                phone=phone,
                customer_id=customer_id,
                by=ALICE,
            )

    def run(self, erasure_id: UUID) -> dt.timedelta | None:
        return erasing.run(self.house, PersonErasureAsked(tenant_id=self.tenant_id, erasure_id=erasure_id))

    def one(self, statement: str) -> Any:
        with self.open() as session:
            return session.execute(sa.text(statement)).scalar_one()

    def is_stored(self, recording_id: RecordingId) -> bool:
        return (self.house.settings.storage_dir / "rec" / str(recording_id)).exists()


@pytest.fixture
def house(settings: Settings, prepared: Prepared, postgres: Running[Postgres]) -> Iterator[House]:
    shutil.copy(prepared.secrets_file, settings.state_dir / "roles.json")
    full = settings.model_copy(
        update={"admin_database_url": postgres.url, "postgres_programs": postgres.part.binaries.folder}
    )
    opened = assemble(full, process="test")
    yield opened
    opened.close()


@pytest.fixture
def scene(house: House) -> Scene:
    tenant_id, gate, vault = admitted(house.gate), house.gate, house.vault
    made = desk.caller(gate, vault, tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        digits = session.execute(sa.text("SELECT digits FROM app.numbers")).scalar_one()
    line = telephony.Line(tenant_id, made.number_id, made.queue_id, digits)
    ines = customers.stored(gate, vault, tenant_id)
    chen = customers.stored(gate, vault, tenant_id, name="Chen Wei", phone=CHEN)
    scene = Scene(house, tenant_id, line, ines.id, chen.id, [], [])
    folder = house.settings.recording_dir
    for card in (ines, ines, chen):
        call_id = telephony.call(gate, vault, line, caller=card.phone, customer_id=card.id)
        scene.calls.append(call_id)
        scene.recordings.append(
            telephony.recorded(gate, vault, house.storage, folder, tenant_id, call_id, seconds=0.1)
        )
    scene.calls.append(telephony.call_out(gate, vault, line, to=INES))
    campaign = campaigns.campaign(gate, tenant_id, line=line)
    known: dict[str, Any] = {"tenant_id": tenant_id, "vault": vault}
    with gate.open(Scope.system(tenant_id)) as session:
        for call_id, card in zip(scene.calls, (ines, ines, chen), strict=False):
            interactions.append(
                session,
                tenant_id=tenant_id,
                subject_ref=call_id,
                started_at=MONDAY_NOON,
                duration_ms=1,
                direction=Direction.INBOUND,
                customer_id=card.id,
            )
            interactions.dispose(
                session, **known, subject_ref=call_id, disposition=None, note=f"of {card.name}"
            )
        callbacks.promise(
            session,
            tenant_id=tenant_id,
            subject_ref=scene.calls[0],
            customer_id=ines.id,
            agent_id=None,
            due_at=clock.now() + dt.timedelta(days=1),
        )
        for card in (ines, chen):
            tickets.open_ticket(
                session,
                **known,
                customer_id=card.id,
                details=tickets.Details(tickets.TicketKind.COMPLAINT, "Late", f"of {card.name}"),
                by=ALICE,
            )
        for phone in (INES, CHEN):
            consent.record(session, **known, phone=phone, is_given=True, basis="form", by=ALICE, proof=phone)
            people = [NewLead(1, Person(phone=phone, name="Lead", fields={}), "Europe/London")]
            leads.add(session, **known, campaign_id=campaign.campaign_id, file=int(phone[-1]), found=people)
    for phone in (INES, CHEN):
        with clock.hold(MONDAY_NOON):
            cleared = made.place(to=phone, customer_id=None)
            assert isinstance(cleared, Clearance), cleared
            with gate.open(Scope.system(tenant_id)) as session:
                dialling.close(
                    session,
                    tenant_id=tenant_id,
                    attempt_id=cleared.attempt_id,
                    outcome=dialling.DialOutcome.BUSY,
                    started_at=MONDAY_NOON,
                    ended_at=MONDAY_NOON,
                )
    return scene


def named(scene: Scene, values: set[str]) -> set[tuple[str, str]]:
    """Return every column of every table in which one of some values (UUIDs, hex) still stands."""
    found = set()
    name = scene.house.settings.database_url.rpartition("/")[2]
    url = scene.house.settings.admin_database_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url) as admin:
        columns = admin.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'app'"
        ).fetchall()
        for table, column in columns:
            for value in values:
                asked = (
                    f'SELECT 1 FROM app."{table}" WHERE position(%s IN CAST("{column}" AS text)) > 0 LIMIT 1'
                )
                if admin.execute(asked.encode(), (value,)).fetchone():
                    found.add((table, column))
    return found


def names_of(scene: Scene, customer_id: CustomerId, phone: E164) -> set[str]:
    indexes = {*erasures.INDEXES, "calls.caller", "dial_decisions.to", "leads.phone"} - {do_not_call.INDEX}
    marks = {scene.house.vault.blind_index(scene.tenant_id, one, phone).hex() for one in indexes}
    return {str(customer_id), ids.public("cus", customer_id), *marks}


def test_a_person_is_gone_from_every_table_and_every_file_and_nobody_else_is(scene: Scene) -> None:
    hers, his = names_of(scene, scene.ines, INES), names_of(scene, scene.chen, CHEN)
    his_places = named(scene, his)
    assert {table for table, _ in named(scene, hers)} >= {
        "customers", "interactions", "callbacks", "consents", "calls", "leads", "dial_decisions", "tickets",
    }  # fmt: skip
    assert scene.run(scene.ask(scene.ines)) is None
    assert named(scene, hers) <= MAY_NAME
    assert named(scene, his) == his_places
    with scene.open() as session, pytest.raises(CustomerNotFoundError):
        records.get(session, tenant_id=scene.tenant_id, vault=scene.house.vault, customer_id=scene.ines)
    assert [scene.is_stored(one) for one in scene.recordings] == [False, False, True]
    assert scene.one("SELECT count(*) FROM app.recordings") == 1
    assert scene.one("SELECT count(*) FROM app.calls WHERE caller_ct IS NULL") == 3
    assert scene.one("SELECT count(*) FROM app.interactions WHERE note_ct IS NOT NULL") == 1
    assert scene.one("SELECT count(*) FROM app.outbound_dials WHERE to_ct IS NOT NULL") == 1
    assert scene.one("SELECT count(*) FROM app.leads") == 1


def test_what_billing_needs_stays(scene: Scene) -> None:
    before = scene.one("SELECT md5(string_agg(c::text, '|' ORDER BY call_id)) FROM app.cdrs c")
    usage = scene.one("SELECT md5(string_agg(u::text, '|' ORDER BY id)) FROM app.usage_events u")
    scene.run(scene.ask(scene.ines))
    assert scene.one("SELECT md5(string_agg(c::text, '|' ORDER BY call_id)) FROM app.cdrs c") == before
    assert scene.one("SELECT md5(string_agg(u::text, '|' ORDER BY id)) FROM app.usage_events u") == usage
    assert scene.one("SELECT count(*) FROM app.cdrs WHERE called_prefix = '44770090'") == 1


def test_a_number_without_a_record_is_forgotten_as_well(scene: Scene) -> None:
    unknown = E164("+447700900473")
    call_id = telephony.call(scene.house.gate, scene.house.vault, scene.line, caller=unknown)
    withheld = scene.one("SELECT count(*) FROM app.calls WHERE caller_index IS NOT NULL")
    scene.run(scene.ask(None, unknown))
    assert scene.one("SELECT count(*) FROM app.calls WHERE caller_index IS NOT NULL") == withheld - 1
    assert scene.one(f"SELECT count(*) FROM app.calls WHERE id = '{call_id}' AND caller_ct IS NULL") == 1
    assert scene.one("SELECT count(*) FROM app.customers") == 2
    assert scene.one("SELECT count(*) FROM app.leads") == 2


def test_who_was_erased_before_a_rotation_is_erased_again_after_it(scene: Scene) -> None:
    """What is kept of them is the first level: rows of a restored database may stand under any version."""
    assert scene.run(scene.ask(scene.ines)) is None
    house, company = scene.house, scene.tenant_id
    under_old = telephony.call(house.gate, house.vault, scene.line, caller=INES)
    key_states.prepare(house.keystore, tenant_id=company, purpose="index")
    key_states.promote(house.keystore, tenant_id=company, purpose="index", version=2, settles_s=0)
    under_new = telephony.call(house.gate, house.vault, scene.line, caller=INES)
    assert scene.one("SELECT count(DISTINCT index_version) FROM app.calls WHERE caller_ct IS NOT NULL") == 2
    assert erasing.replay(house) == 1
    for call_id in (under_old, under_new):
        assert scene.one(f"SELECT count(*) FROM app.calls WHERE id = '{call_id}' AND caller_ct IS NULL") == 1
    assert scene.one("SELECT count(*) FROM app.calls WHERE caller_ct IS NOT NULL") == 1


def test_who_asked_not_to_be_called_is_still_not_called(scene: Scene) -> None:
    known: dict[str, Any] = {"tenant_id": scene.tenant_id, "vault": scene.house.vault}
    with scene.open() as session:
        do_not_call.add(session, **known, phone=INES, source="asked", by=ALICE)
    scene.run(scene.ask(scene.ines))
    with scene.open() as session:
        assert do_not_call.is_listed(session, **known, phone=INES)
        assert not do_not_call.is_listed(session, **known, phone=CHEN)


def test_who_had_withdrawn_consent_is_barred_and_who_had_given_it_is_not(scene: Scene) -> None:
    known: dict[str, Any] = {"tenant_id": scene.tenant_id, "vault": scene.house.vault}
    with scene.open() as session:
        consent.record(session, **known, phone=INES, is_given=False, basis="letter", by=ALICE)
    scene.run(scene.ask(scene.ines))
    scene.run(scene.ask(scene.chen, CHEN))
    with scene.open() as session:
        assert do_not_call.is_listed(session, **known, phone=INES)
        assert not do_not_call.is_listed(session, **known, phone=CHEN)


def test_the_certificate_says_what_went_and_can_be_checked(scene: Scene) -> None:
    erasure_id = scene.ask(scene.ines)
    scene.run(erasure_id)
    with scene.open() as session:
        done = erasures.find(session, tenant_id=scene.tenant_id, erasure_id=erasure_id)
    assert done.certificate is not None
    said = evidence.documents.read(done.certificate, public_key=scene.house.signer.public_key)
    assert said["removed"] == {
        "callbacks": 1, "calls": 3, "consents": 1, "dials": 1, "downloads": 0, "exports": 0, "leads": 1,
        "notes": 2, "records": 1, "recordings": 2, "tickets": 1,
    }  # fmt: skip
    changed = done.certificate.replace('"leads": 1', '"leads": 2')
    with pytest.raises(evidence.EvidenceBrokenError):
        evidence.documents.read(changed, public_key=scene.house.signer.public_key)
    assert INES not in done.certificate
    assert "Ines" not in done.certificate


class KilledError(Exception):
    """The worker is killed here."""


@pytest.mark.parametrize(
    "place", ["recording.remove", "erasure.forget", "erasures.forget", "erasures.finish"]
)
def test_one_that_is_killed_in_the_middle_is_finished_by_the_next_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    module, _, name = place.partition(".")
    where: Any = {"recording": recording, "erasure": erasure, "erasures": erasures}[module]
    real = getattr(where, name)

    def dies(*args: Any, **words: Any) -> Any:
        real(*args, **words)
        raise KilledError

    erasure_id = scene.ask(scene.ines)
    monkeypatch.setattr(where, name, dies)
    with pytest.raises(KilledError):
        scene.run(erasure_id)
    monkeypatch.undo()
    assert scene.run(erasure_id) is None
    assert named(scene, names_of(scene, scene.ines, INES)) <= MAY_NAME
    with scene.open() as session:
        done = erasures.find(session, tenant_id=scene.tenant_id, erasure_id=erasure_id)
    assert done.counts["calls"] == 3
    assert scene.run(erasure_id) is None  # and once more changes nothing
    with scene.open() as session:
        assert erasures.find(session, tenant_id=scene.tenant_id, erasure_id=erasure_id) == done


def test_who_is_on_the_line_or_in_a_wrap_up_is_forgotten_afterwards(scene: Scene) -> None:
    gate, vault = scene.house.gate, scene.house.vault
    call_id = telephony.call(gate, vault, scene.line, customer_id=scene.ines, is_over=False)
    erasure_id = scene.ask(scene.ines)
    assert scene.run(erasure_id) == dt.timedelta(seconds=30)
    assert scene.one("SELECT count(*) FROM app.customers") == 2
    with scene.open() as session:
        now = clock.now()
        session.execute(
            sa.text("UPDATE app.calls SET ended_at = :now WHERE id = :id"), {"now": now, "id": call_id}
        )
    assert scene.run(erasure_id) == dt.timedelta(seconds=30)  # the agent still writes the note
    with clock.hold(clock.now() + dt.timedelta(hours=1)):
        assert scene.run(erasure_id) is None
    assert scene.one("SELECT count(*) FROM app.customers") == 1


def test_a_call_that_ends_after_its_caller_was_erased_leaves_a_line_without_them(scene: Scene) -> None:
    scene.run(scene.ask(scene.ines))
    with scene.open() as session:
        interactions.append(
            session,
            tenant_id=scene.tenant_id,
            subject_ref=new_id(),
            started_at=MONDAY_NOON,
            duration_ms=1,
            direction=Direction.INBOUND,
            customer_id=scene.ines,
        )


@pytest.mark.parametrize("kind", list(HoldKind))
def test_a_legal_hold_refuses_until_it_is_lifted(scene: Scene, kind: HoldKind) -> None:
    subject = {HoldKind.COMPANY: None, HoldKind.CUSTOMER: scene.ines, HoldKind.CALL: scene.calls[0]}[kind]
    with scene.open() as session:
        hold_id = holds.put(
            session, tenant_id=scene.tenant_id, kind=kind, subject_id=subject, reason="court", by=ALICE
        )
    with pytest.raises(HeldError):
        scene.ask(scene.ines)
    with pytest.raises(HeldError):
        scene.ask(None)
    if kind is not HoldKind.COMPANY:
        scene.ask(scene.chen, CHEN)
    with scene.open() as session:
        holds.lift(session, tenant_id=scene.tenant_id, hold_id=hold_id, by=ALICE)
    scene.ask(scene.ines)


def test_a_hold_set_after_it_was_asked_for_stops_it(scene: Scene) -> None:
    erasure_id = scene.ask(scene.ines)
    with scene.open() as session:
        holds.put(
            session,
            tenant_id=scene.tenant_id,
            kind=HoldKind.COMPANY,
            subject_id=None,
            reason="court",
            by=ALICE,
        )
    with pytest.raises(HeldError):
        scene.run(erasure_id)
    assert scene.one("SELECT count(*) FROM app.customers") == 2


def test_a_restore_of_a_backup_from_before_brings_nobody_back(scene: Scene, tmp_path: Path) -> None:
    """T65."""
    backup.make(scene.house, tmp_path / "data", keys=tmp_path / "keys")
    erasure_id = scene.ask(scene.ines)
    scene.run(erasure_id)
    with backup.restored(scene.house.settings, tmp_path / "data", keys=None, keep=False) as found:
        assert found.erased == 1
        there = replace(scene, house=found.house)
        settings = found.house.settings.model_copy(
            update={"admin_database_url": scene.house.settings.admin_database_url}
        )
        there.house = replace(found.house, settings=settings)
        assert named(there, names_of(scene, scene.ines, INES)) <= MAY_NAME
        assert [there.is_stored(one) for one in scene.recordings] == [False, False, True]
        with there.open() as session:
            done = erasures.find(session, tenant_id=scene.tenant_id, erasure_id=erasure_id)
        assert done.done_at is not None


def test_the_tombstone_stands_before_anything_is_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_args: Any, **_words: Any) -> Any:
        raise KilledError

    erasure_id = scene.ask(scene.ines)
    monkeypatch.setattr(erasure, "some", dies)
    with pytest.raises(KilledError):
        scene.run(erasure_id)
    stones = [one for one in tombstones.every(scene.house.keystore) if one.erasure_id == erasure_id]
    assert len(stones) == 1
    assert INES not in json.dumps({name: mark.hex() for name, mark in stones[0].marks.items()})


def test_frozen_rows_let_go_through_the_erasing_functions_alone(scene: Scene) -> None:
    for statement in (
        "DELETE FROM app.consents",
        "UPDATE app.dial_decisions SET prefix = ''",
        "UPDATE app.outbound_dials SET to_ct = NULL",
        "DELETE FROM app.cdrs",
        "DELETE FROM app.erasures",
        "DELETE FROM app.legal_holds",
        "SET ROLE seatline_eraser",
    ):
        with pytest.raises(sa.exc.DBAPIError), scene.open() as session:
            session.execute(sa.text(statement))


def test_the_erasing_functions_see_no_other_company(scene: Scene, house: House) -> None:
    thief = admitted(house.gate)
    mark = house.vault.blind_index(scene.tenant_id, consent.INDEX, INES)
    with house.gate.open(Scope.system(thief)) as session:
        assert session.execute(sa.text("SELECT erase.consents(:m)"), {"m": [mark]}).scalar_one() == 0
        (lead,) = [new_id()]
        assert session.execute(sa.text("SELECT erase.attempts(:l)"), {"l": [lead]}).scalar_one() == 0
    assert scene.one("SELECT count(*) FROM app.consents") == 2
