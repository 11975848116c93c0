"""Every minute what has been written is sealed, and the note is kept outside the database too."""

import datetime as dt

import psycopg
import pytest

from core import clock
from core.ids import OPERATOR, TenantId
from security import evidence
from security.evidence import EvidenceBrokenError, checkpoints
from security.gate import Scope
from tenants import companies
from tests.conftest import Prepared
from tests.factories import telephony
from wiring import House
from workers import schedule


@pytest.fixture
def pelican(house: House) -> TenantId:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        return companies.open_company(
            session,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="PP",
            colour=1,
        ).tenant_id


def seal(house: House) -> None:
    task = schedule.named("every.evidence-checkpoint")
    assert task is not None
    task.run(house)


def test_round_seals_every_log_and_keeps_the_note(house: House, pelican: TenantId) -> None:
    with house.gate.open(Scope.system(pelican)) as session:
        evidence.record(session, "company.changed", "ten", pelican)
    seal(house)
    seal(house)
    for tenant_id in (pelican, OPERATOR):  # the operator took the company in
        with house.storage.open(f"evidence/{tenant_id.hex}-{1:012d}") as kept:
            note = kept.read().decode()
        found = checkpoints.read(note, public_key=house.signer.public_key)
        assert (found.tenant_id, found.size) == (tenant_id, 1)
        assert found.at <= clock.now()


def test_broken_log_holds_up_no_other_and_does_not_pass(
    house: House, pelican: TenantId, prepared: Prepared
) -> None:
    with house.gate.open(Scope.system(pelican)) as session:
        evidence.record(session, "company.changed", "ten", pelican)
        name = session.connection().exec_driver_sql("SELECT current_database()").scalar_one()
    with psycopg.connect(prepared.admin_url.rpartition("/")[0] + f"/{name}", autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute("UPDATE app.evidence SET body = replace(body, 'opened', 'shut') WHERE seq = 0")
        admin.execute("DELETE FROM app.evidence WHERE body LIKE '%changed%'")
    with pytest.raises(EvidenceBrokenError):
        seal(house)


def test_a_round_writes_the_calls_of_each_minute_into_the_log_once(house: House, pelican: TenantId) -> None:
    line = telephony.line(house.gate, pelican)
    half_an_hour_ago = clock.now() - dt.timedelta(minutes=30)
    for minute in (0, 0, 2):
        at = half_an_hour_ago + dt.timedelta(minutes=minute)
        with clock.hold(at):
            telephony.call(house.gate, house.vault, line, arrived_at=at, wait_s=0, talk_s=0)
    task = schedule.named("every.calls-noted")
    assert task is not None
    for _again in range(2):
        task.run(house)
    with house.gate.open(Scope.system(pelican)) as session:
        entries = evidence.page(session, tenant_id=pelican, limit=9, action="call.noted").entries
    assert [one.fact.details["calls"] for one in entries] == [1, 2]
