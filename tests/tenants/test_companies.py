from typing import Any

import pytest

from core.errors import SeatlineError
from core.ids import OPERATOR
from security.gate import Gate, Scope
from tenants import companies
from tenants.companies import AUTO, Formats
from tenants.errors import CompanyChangedError, CompanyMissingError, MalformedSettingError
from tests.tenants.people import People


def test_a_company_reads_itself_and_no_other(people: People, gate: Gate) -> None:
    ours, theirs = people.company("Pelican Parcel"), people.company("Harbour Hotels")
    with gate.open(Scope.system(ours.tenant_id)) as session:
        assert companies.read(session, tenant_id=ours.tenant_id) == ours
        with pytest.raises(CompanyMissingError):
            companies.read(session, tenant_id=theirs.tenant_id)
        assert companies.clients(session) == [ours]


def test_the_operator_lists_its_clients_by_name_and_not_itself(people: People, gate: Gate) -> None:
    people.operator()
    pelican, harbour = people.company("Pelican Parcel"), people.company("Harbour Hotels")
    with gate.open(Scope.system(OPERATOR)) as session:
        assert companies.clients(session) == [harbour, pelican]


def test_a_suspended_company_opens_no_more_and_opens_again_when_reinstated(
    people: People, gate: Gate
) -> None:
    ours = people.company()
    user_scope = Scope(ours.tenant_id, ours.tenant_id, Scope.system(OPERATOR).kind.__class__.USER)
    with gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=ours.tenant_id)
    with pytest.raises(Exception, match="not active"), gate.open(user_scope) as session:
        companies.read(session, tenant_id=ours.tenant_id)
    with gate.open(Scope.system(OPERATOR)) as session:
        assert companies.reinstate(session, tenant_id=ours.tenant_id).status == "active"
    with gate.open(user_scope) as session:
        assert companies.read(session, tenant_id=ours.tenant_id).status == "active"


def test_a_client_cannot_suspend_anybody(people: People, gate: Gate) -> None:
    ours = people.company()
    with (
        pytest.raises(Exception, match="only the operator"),
        gate.open(Scope.system(ours.tenant_id)) as session,
    ):
        companies.suspend(session, tenant_id=ours.tenant_id)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", ""),
        ("name", "x" * 121),
        ("name", "two\nlines"),
        ("country", "XX"),
        ("country", "gb"),
        ("zone", "Europe/Atlantis"),
        ("language", "tlh"),
        ("currency", "BTC"),
        ("initials", "abc"),
        ("colour", 8),
    ],
)
def test_a_malformed_setting_is_refused_by_name(people: People, field: str, wrong: str | int) -> None:
    values: dict[str, Any] = {field: wrong}
    with pytest.raises(MalformedSettingError) as refused:
        people.company(**values)
    assert refused.value.details == {"field": field}


def test_a_company_changes_its_own_settings(people: People, gate: Gate) -> None:
    ours = people.company()
    with gate.open(Scope.system(ours.tenant_id)) as session:
        companies.change(
            session,
            tenant_id=ours.tenant_id,
            name="Pelican Post",
            zone="Asia/Shanghai",
            language="zh_Hans_CN",
            initials="P",
            colour=3,
            revision=1,
            formats=Formats("point-comma", "iso", "24"),
            budget_minor=1_000_000,
            requires_second_step=True,
        )
    with gate.open(Scope.system(ours.tenant_id)) as session:
        changed = companies.read(session, tenant_id=ours.tenant_id)
    assert (changed.name, changed.zone, changed.language) == ("Pelican Post", "Asia/Shanghai", "zh_Hans_CN")
    assert (changed.currency, changed.country) == ("GBP", "GB")
    assert (changed.formats.numbers, changed.budget_minor, changed.revision) == ("point-comma", 1_000_000, 2)
    assert changed.requires_second_step


@pytest.mark.parametrize(
    ("differs", "error"),
    [
        ({"revision": 7}, CompanyChangedError),
        ({"formats": Formats(numbers="roman")}, MalformedSettingError),
        ({"budget_minor": 0}, MalformedSettingError),
        ({"budget_minor": 10**14}, MalformedSettingError),
    ],
)
def test_settings_that_cannot_be_or_are_old_are_refused(
    people: People, gate: Gate, differs: dict[str, Any], error: type[SeatlineError]
) -> None:
    ours = people.company()
    given: dict[str, Any] = {
        "revision": 1, "name": ours.name, "zone": ours.zone, "language": ours.language,
        "initials": ours.initials, "colour": 1, "formats": AUTO, "budget_minor": None,
        "requires_second_step": False,
    }  # fmt: skip
    with gate.open(Scope.system(ours.tenant_id)) as session, pytest.raises(error):
        companies.change(session, tenant_id=ours.tenant_id, **(given | differs))
