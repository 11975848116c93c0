import datetime as dt
from collections.abc import Sequence

import pytest

from core import clock
from core.ids import KeyId, UserId, new_id
from security.gate import Gate, Scope
from tenants import apikeys, roles
from tenants.apikeys import ApiKey
from tenants.companies import Company
from tenants.errors import ApiKeyMissingError, MalformedKeyError, ScopeNotYoursError, UnknownScopeError
from tests.tenants.people import People

START = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)
OWNER = roles.permitted(["tenant_owner"])


@pytest.fixture
def company(people: People) -> Company:
    return people.company()


def make(
    gate: Gate,
    company: Company,
    scopes: Sequence[str] = ("calls.read",),
    permissions: frozenset[str] = OWNER,
    **differs: dt.datetime,
) -> tuple[ApiKey, str]:
    with gate.open(Scope.system(company.tenant_id)) as session:
        return apikeys.make(
            session,
            tenant_id=company.tenant_id,
            name="billing export",
            scopes=scopes,
            made_by=UserId(new_id()),
            permissions=permissions,
            **differs,
        )


def look(gate: Gate, token: str) -> ApiKey | None:
    digest = apikeys.digest(token)
    if digest is None:
        return None
    entry = gate.resolve("api-key", digest)
    if entry is None:
        return None
    with gate.open(Scope.system(entry.tenant_id)) as session:
        return apikeys.find(session, tenant_id=entry.tenant_id, key_id=KeyId(entry.ref_id), digest=digest)


def test_a_token_finds_its_key_and_marks_it_used(gate: Gate, company: Company) -> None:
    key, token = make(gate, company)
    assert token.startswith(f"{key.hint}_")
    found = look(gate, token)
    assert found is not None
    assert found.id == key.id
    with gate.open(Scope.system(company.tenant_id)) as session:
        assert apikeys.read(session, tenant_id=company.tenant_id, key_id=key.id).last_used_at


def test_a_mistyped_token_is_refused_without_the_database(gate: Gate, company: Company) -> None:
    _, token = make(gate, company)
    swapped = token[:50] + ("a" if token[50] != "a" else "b") + token[51:]
    for wrong in (swapped, token[:-1], token + "0", token.upper(), "", "seatline_live_"):
        assert apikeys.digest(wrong) is None


def test_another_secret_under_the_same_key_id_opens_nothing(gate: Gate, company: Company) -> None:
    key, token = make(gate, company)
    head = f"{key.hint}_{'A' * 43}"
    assert look(gate, f"{head}_{apikeys._crc(head)}") is None
    assert look(gate, token)


def test_a_revoked_key_opens_nothing(gate: Gate, company: Company) -> None:
    key, token = make(gate, company)
    with gate.open(Scope.system(company.tenant_id)) as session:
        first = apikeys.revoke(session, tenant_id=company.tenant_id, key_id=key.id)
        assert apikeys.revoke(session, tenant_id=company.tenant_id, key_id=key.id) == first
    assert look(gate, token) is None


def test_an_expired_key_opens_nothing(gate: Gate, company: Company) -> None:
    with clock.hold(START):
        _, token = make(gate, company, expires_at=START + dt.timedelta(days=1))
        assert look(gate, token)
        clock.advance(dt.timedelta(days=1))
        assert look(gate, token) is None


def test_a_key_gets_no_more_than_its_maker_has(gate: Gate, company: Company) -> None:
    with pytest.raises(ScopeNotYoursError):
        make(gate, company, scopes=["invoices.read"], permissions=roles.permitted(["tenant_analyst"]))
    with pytest.raises(UnknownScopeError):
        make(gate, company, scopes=["company.close"])
    with pytest.raises(UnknownScopeError):
        make(gate, company, scopes=[])


def test_a_key_that_ends_before_it_begins_is_refused(gate: Gate, company: Company) -> None:
    with pytest.raises(MalformedKeyError):
        make(gate, company, expires_at=START)


def test_another_companys_key_is_missing(gate: Gate, company: Company, people: People) -> None:
    key, _ = make(gate, company)
    other = people.company("Harbour Hotels")
    with gate.open(Scope.system(other.tenant_id)) as session:
        for act in (apikeys.read, apikeys.revoke):
            with pytest.raises(ApiKeyMissingError):
                act(session, tenant_id=other.tenant_id, key_id=key.id)


def test_pages_run_from_new_to_old_without_a_gap(gate: Gate, company: Company) -> None:
    made = [make(gate, company)[0].id for _ in range(5)]
    with gate.open(Scope.system(company.tenant_id)) as session:
        first = apikeys.page(session, tenant_id=company.tenant_id, limit=3)
        rest = apikeys.page(session, tenant_id=company.tenant_id, limit=3, after=first[-1].id)
    assert [key.id for key in (*first, *rest)] == sorted(made, reverse=True)
