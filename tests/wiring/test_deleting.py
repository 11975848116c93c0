"""A company is deleted by two people and a wait; nothing of it opens afterwards, in no copy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyrage.x25519 import Identity

from billing.rating.rentals import RentalPrice
from campaigns import plans
from campaigns.events import CampaignTurned
from core import clock
from core.config import Settings
from core.ids import OPERATOR, CampaignId, TenantId, new_id
from core.money import NANO
from customers import records
from launch.parts.part import Running
from launch.parts.postgres import Postgres
from seats import roster
from seats import stock as seating
from seats.stock import RentalKind
from security import evidence
from security.gate import Scope
from security.vault import SealError
from telephony import number_rentals
from tenants import companies, deletions, exports, holds
from tenants.deletions import Deletion
from tenants.errors import CompanyClosedError, DeletionRefusedError, HeldError, OwnDeletionError
from tenants.events import CompanyExportAsked
from tests.billing import stock
from tests.conftest import Prepared
from tests.customers import factory as customers
from tests.factories import telephony
from tests.seats.factory import hired, stocked
from tests.tenants.people import People
from wiring import House, assemble, backup, deleting, exporting

DANA, OMAR = new_id(), new_id()


@pytest.fixture
def house(settings: Settings, prepared: Prepared, postgres: Running[Postgres]) -> Iterator[House]:
    shutil.copy(prepared.secrets_file, settings.state_dir / "roles.json")
    full = settings.model_copy(
        update={"admin_database_url": postgres.url, "postgres_programs": postgres.part.binaries.folder}
    )
    opened = assemble(full, process="test")
    yield opened
    opened.close()


def opened(house: House, name: str = "Larkfield Energy") -> TenantId:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        return companies.open_company(
            session,
            name=name,
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Lk",
            colour=1,
        ).tenant_id


def asked(house: House, company_id: TenantId) -> Deletion:
    """Suspend a company, ask, and let somebody else confirm."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=company_id)
        deletion_id = deletions.ask(session, company_id=company_id, money="paid", by=DANA)
        return deletions.confirm(session, deletion_id=deletion_id, by=OMAR)


def done(house: House, company_id: TenantId) -> str:
    """Delete a company, its wait over; return the certificate."""
    deletion = asked(house, company_id)
    with clock.hold(clock.now() + deletions.WAIT):
        assert deleting.run_due(house) == 1
        assert deleting.run_due(house) == 0
    with house.gate.open(Scope.system(OPERATOR)) as session:
        found = deletions.find(session, deletion_id=deletion.deletion_id)
    assert found.certificate is not None
    return found.certificate


def test_nothing_opens_afterwards_live_or_from_an_old_backup(house: House, tmp_path: Path) -> None:
    """T64: the old backup of the data with the keystore of today, in a process that had the keys open."""
    company_id, other = opened(house), opened(house, "Pelican Parcel")
    card = customers.stored(house.gate, house.vault, company_id)
    kept = customers.stored(house.gate, house.vault, other)
    line = telephony.line(house.gate, company_id)
    call_id = telephony.call(house.gate, house.vault, line, customer_id=card.id)
    folder = house.settings.recording_dir
    sound = telephony.recorded(
        house.gate, house.vault, house.storage, folder, company_id, call_id, seconds=0.1
    )
    made = backup.make(house, tmp_path / "data", keys=tmp_path / "keys")
    text = done(house, company_id)
    with house.gate.open(Scope.system(company_id)) as session, pytest.raises(SealError):
        records.get(session, tenant_id=company_id, vault=house.vault, customer_id=card.id)
    assert not (house.settings.storage_dir / "rec" / str(sound)).exists()
    with backup.restored(house.settings, tmp_path / "data", keys=None, keep=False) as found:
        assert found.keys_missing >= 1
        there = found.house
        with there.gate.open(Scope.system(company_id)) as session, pytest.raises(SealError):
            records.get(session, tenant_id=company_id, vault=there.vault, customer_id=card.id)
        with there.gate.open(Scope.system(other)) as session:
            assert (
                records.get(session, tenant_id=other, vault=there.vault, customer_id=kept.id).name
                == kept.name
            )
    said = evidence.documents.read(text, public_key=house.signer.public_key)
    assert (said["opened"], said["recordings_removed"]) == (0, 1)
    assert said["tried"] >= 5
    assert said["sealed_values"]["customers.name_ct"] == 1
    fingerprints = {one["fingerprint"] for one in said["keys"]}
    assert None not in fingerprints
    # the backup of the keystore from before holds the keys for seven days, and the certificate can tell
    assert backup.keys_held(house.settings, made.keys, fingerprints) == len(said["keys"])
    later = backup.make(house, tmp_path / "data", keys=tmp_path / "later")
    assert backup.keys_held(house.settings, later.keys, fingerprints) == 0


def test_a_new_company_of_the_same_name_and_people_sees_nothing_of_the_old(house: House) -> None:
    """T129: the sign-in name is free again, the door of the old one is shut."""
    company_id, people = opened(house), People(house.gate, house.vault)
    people.user(company_id, "Ann", email="ann@larkfield.example")
    done(house, company_id)
    again = opened(house)
    people.user(again, "Ann", email="ann@larkfield.example")
    with house.gate.open(Scope.system(again)) as session:
        assert session.execute(sa.text("SELECT count(*) FROM app.customers")).scalar_one() == 0
    with house.gate.open(Scope.system(OPERATOR)) as session, pytest.raises(CompanyClosedError):
        companies.reinstate(session, tenant_id=company_id)


def test_one_person_alone_deletes_nothing(house: House) -> None:
    company_id = opened(house)
    with house.gate.open(Scope.system(OPERATOR)) as session, pytest.raises(DeletionRefusedError):
        deletions.ask(session, company_id=company_id, money="paid", by=DANA)  # it is not suspended
    with house.gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=company_id)
        with pytest.raises(DeletionRefusedError):
            deletions.ask(session, company_id=company_id, money=" ", by=DANA)
        deletion_id = deletions.ask(session, company_id=company_id, money="paid", by=DANA)
        with pytest.raises(OwnDeletionError):
            deletions.confirm(session, deletion_id=deletion_id, by=DANA)
    with clock.hold(clock.now() + deletions.WAIT * 2):
        assert deleting.run_due(house) == 0


def test_until_its_day_it_can_be_called_off(house: House) -> None:
    company_id = opened(house)
    card = customers.stored(house.gate, house.vault, company_id)
    deletion = asked(house, company_id)
    assert deleting.run_due(house) == 0
    with house.gate.open(Scope.system(OPERATOR)) as session:
        deletions.call_off(session, deletion_id=deletion.deletion_id, by=DANA)
        companies.reinstate(session, tenant_id=company_id)
    with clock.hold(clock.now() + deletions.WAIT * 2):
        assert deleting.run_due(house) == 0
    with house.gate.open(Scope.system(company_id)) as session:
        assert (
            records.get(session, tenant_id=company_id, vault=house.vault, customer_id=card.id).name
            == card.name
        )


def test_a_legal_hold_stops_it_before_a_key_is_touched(house: House) -> None:
    company_id = opened(house)
    card = customers.stored(house.gate, house.vault, company_id)
    asked(house, company_id)
    with house.gate.open(Scope.system(company_id)) as session:
        holds.put(
            session,
            tenant_id=company_id,
            kind=holds.HoldKind.CUSTOMER,
            subject_id=card.id,
            reason="court",
            by=DANA,
        )
    with clock.hold(clock.now() + deletions.WAIT), pytest.raises(HeldError):
        deleting.run_due(house)
    with house.gate.open(Scope.system(company_id)) as session:
        assert (
            records.get(session, tenant_id=company_id, vault=house.vault, customer_id=card.id).name
            == card.name
        )


def test_the_directory_lets_go_of_nobody_who_is_open(house: House) -> None:
    company_id = opened(house)
    with pytest.raises(sa.exc.DBAPIError), house.gate.open(Scope.system(company_id)) as session:
        session.execute(sa.text("SELECT sec.unregister_all()"))


def test_what_it_rents_ends_is_charged_and_no_job_looks_at_it_again(house: House) -> None:
    company_id, other = opened(house), opened(house, "Pelican Parcel")
    version = stock.publish(house.gate, rentals=(RentalPrice("seat.month", "seats", 96 * NANO),))
    with house.gate.open(Scope.system(company_id)) as session:
        stock.customer(session, tenant_id=company_id, version=version, rents_nothing=False)
        evidence.record(session, "company.changed", "ten", company_id)
    line = telephony.line(house.gate, company_id)
    desk = stocked(house.gate)
    bob = hired(house.gate, house.vault, number=1001, name="Bob")
    with house.gate.open(Scope.system(OPERATOR)) as session:
        seating.rent(
            session,
            seat_id=desk.id,
            renter_tenant_id=company_id,
            kind=RentalKind.MONTH,
            starts_at=clock.now(),
        )
        roster.assign(session, agent_id=bob.id, client_tenant_id=company_id, starts_at=clock.now())
        plans.note_round(
            session,
            event=CampaignTurned(
                tenant_id=company_id,
                campaign_id=CampaignId(new_id()),
                queue_id=line.queue_id,
                state="running",
                revision=1,
            ),
        )
        assert [one.tenant_id for one in plans.rounds(session)] == [company_id]
    said = evidence.documents.read(done(house, company_id), public_key=house.signer.public_key)
    assert said["rentals_ended"] == 2
    with house.gate.open(Scope.system(OPERATOR)) as session:
        (rental,) = seating.rentals(session, renter_tenant_id=company_id)
        assert rental.ends_at is not None
        assert number_rentals.held_by(session, renter_tenant_id=company_id) == []
        assert plans.rounds(session) == []
        for table in ("seat_rentals", "number_rentals"):
            unsettled = f"SELECT count(*) FROM app.{table} WHERE NOT is_settled"
            assert session.execute(sa.text(unsettled)).scalar_one() == 0, table
        working = "SELECT count(*) FROM app.agent_tenants WHERE ends_at IS NULL OR ends_at > :at"
        assert session.execute(sa.text(working), {"at": rental.ends_at}).scalar_one() == 0
        assert [one.tenant_id for one in companies.served(session)] == [other]
        assert len(companies.clients(session)) == 2
    with house.gate.open(Scope.system(company_id)) as session:
        charged = session.execute(sa.text("SELECT count(*) FROM app.usage_events")).scalar_one()
        assert charged >= 1
        last = evidence.newest(session, tenant_id=company_id, public_key=house.signer.public_key)
        assert last is not None
        assert last.size == evidence.size(session, tenant_id=company_id)


def test_an_archive_goes_with_the_keys(house: House) -> None:
    company_id = opened(house)
    customers.stored(house.gate, house.vault, company_id)
    with house.gate.open(Scope.system(company_id)) as session:
        export_id = exports.ask(
            session,
            tenant_id=company_id,
            vault=house.vault,
            by=DANA,
            recipient=str(Identity.generate().to_public()),
        )
    exporting.run(house, CompanyExportAsked(tenant_id=company_id, export_id=export_id))
    assert list((house.settings.storage_dir / "exp").iterdir())
    said = evidence.documents.read(done(house, company_id), public_key=house.signer.public_key)
    assert said["archives_removed"] == 1
    assert not list((house.settings.storage_dir / "exp").iterdir())
