from uuid import UUID

import pytest
from sqlalchemy import text

from core.events import OutboxRow
from core.ids import OPERATOR, AlarmId, TenantId, new_id, public
from security import evidence
from security.gate import Gate, Scope
from tenants import alarms
from tenants.errors import AlarmNotFoundError
from tests.tenants.people import People

SUE = UUID(int=7)


@pytest.fixture
def a(people: People) -> TenantId:
    return people.company().tenant_id


def raised(gate: Gate, tenant_id: TenantId, subject: str = "cus_1") -> AlarmId:
    with gate.open(Scope.system(tenant_id)) as session:
        return alarms.raise_alarm(session, "decoy-opened", tenant_id=tenant_id, subject=subject, field="name")


def waiting(gate: Gate, tenant_id: TenantId) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        return session.query(OutboxRow).filter_by(name="AlarmRaised", tenant_id=tenant_id).count()


def test_same_again_is_counted_and_told_once(gate: Gate, a: TenantId) -> None:
    first, again, other = raised(gate, a), raised(gate, a), raised(gate, a, "cus_2")
    assert first == again != other
    with gate.open(Scope.system(a)) as session:
        assert [one.times for one in alarms.page(session, tenant_id=a, limit=9)] == [1, 2]
    assert waiting(gate, a) == 2


def test_what_somebody_has_noted_is_raised_anew(gate: Gate, a: TenantId) -> None:
    first = raised(gate, a)
    with gate.open(Scope.system(a)) as session:
        noted = alarms.acknowledge(session, tenant_id=a, alarm_id=first, by=SUE)
        assert noted.acknowledged_by == SUE
        assert alarms.acknowledge(session, tenant_id=a, alarm_id=first, by=new_id()) == noted
        assert alarms.page(session, tenant_id=a, limit=9, is_open=True) == []
    assert raised(gate, a) != first


def test_every_raise_stands_in_the_log(gate: Gate, a: TenantId) -> None:
    alarm_id = raised(gate, a)
    raised(gate, a)
    with gate.open(Scope.system(a)) as session:
        entries = evidence.page(session, tenant_id=a, limit=9, action="alarm.").entries
    assert [one.fact.subject for one in entries] == [public("alm", alarm_id)] * 2
    assert entries[0].fact.details["about"] == "cus_1"


def test_no_log_no_alarm(gate: Gate, a: TenantId) -> None:
    """Whatever rolls the cause back takes the alarm with it, and the other way round."""
    with pytest.raises(ZeroDivisionError), gate.open(Scope.system(a)) as session:
        alarms.raise_alarm(session, "decoy-opened", tenant_id=a)
        1 / 0  # noqa: B018
    with gate.open(Scope.system(a)) as session:
        assert alarms.page(session, tenant_id=a, limit=9) == []


def test_another_company_sees_none_of_it(gate: Gate, a: TenantId, people: People) -> None:
    alarm_id, b = raised(gate, a), people.company("Harbour Hotels").tenant_id
    with gate.open(Scope.system(b)) as session:
        assert alarms.page(session, tenant_id=b, limit=9) == []
        with pytest.raises(AlarmNotFoundError):
            alarms.read(session, tenant_id=b, alarm_id=alarm_id)
        assert session.execute(text("SELECT count(*) FROM app.alarms")).scalar() == 0


def test_operator_notes_its_own_copy(gate: Gate, a: TenantId) -> None:
    alarm_id = raised(gate, a)
    with gate.open(Scope.system(a)) as session:
        one = alarms.read(session, tenant_id=a, alarm_id=alarm_id)
    with gate.open(Scope.system(OPERATOR)) as session:
        alarms.copy_to_operator(session, one)
        alarms.copy_to_operator(session, one)
        assert alarms.acknowledge(session, tenant_id=OPERATOR, alarm_id=alarm_id, by=SUE).company_id == a
    with gate.open(Scope.system(a)) as session:
        assert alarms.read(session, tenant_id=a, alarm_id=alarm_id).acknowledged_at is None
