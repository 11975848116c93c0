import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import event

from core import clock
from core.ids import KeyId, new_id
from security.gate import Gate, Scope
from tenants import access_log, apikeys, roles, staff, users
from tenants.access_log import Deed
from tenants.apikeys import ApiKey
from tenants.companies import Company
from tenants.errors import ApiKeyMissingError, MalformedKeyError, ScopeNotYoursError, UnknownScopeError
from tenants.users import User
from tests.tenants.people import People

START = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)
OWNER = roles.permitted(["tenant_owner"])


@pytest.fixture
def company(people: People) -> Company:
    """alice's company; she owns it, and sue administers it."""
    company = people.company()
    people.user(company.tenant_id, "Alice")
    return company


@pytest.fixture
def sue(people: People, company: Company) -> User:
    return people.user(company.tenant_id, "Sue", "tenant_admin")


def make(
    gate: Gate,
    company: Company,
    scopes: Sequence[str] = ("calls.read",),
    permissions: frozenset[str] = OWNER,
    made_by: UUID | None = None,
    expires_at: dt.datetime | None = None,
) -> tuple[ApiKey, str]:
    with gate.open(Scope.system(company.tenant_id)) as session:
        return apikeys.make(
            session,
            tenant_id=company.tenant_id,
            name="billing export",
            scopes=scopes,
            made_by=made_by or users.owners(session, tenant_id=company.tenant_id)[0],
            permissions=permissions,
            expires_at=expires_at,
        )


def look(gate: Gate, token: str) -> ApiKey | None:
    digest = apikeys.digest(token)
    if digest is None:
        return None
    entry = gate.resolve("api-key", digest)
    if entry is None:
        return None
    with gate.open(Scope.system(entry.tenant_id)) as session:
        return apikeys.find(
            session,
            tenant_id=entry.tenant_id,
            key_id=KeyId(entry.ref_id),
            digest=digest,
            address="127.0.0.1",
        )


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
        who = key.made_by
        first = apikeys.revoke(session, tenant_id=company.tenant_id, key_id=key.id, by=who)
        assert apikeys.revoke(session, tenant_id=company.tenant_id, key_id=key.id, by=who) == first
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
        with pytest.raises(ApiKeyMissingError):
            apikeys.read(session, tenant_id=other.tenant_id, key_id=key.id)
        with pytest.raises(ApiKeyMissingError):
            apikeys.revoke(session, tenant_id=other.tenant_id, key_id=key.id, by=key.made_by)


def test_pages_run_from_new_to_old_without_a_gap(gate: Gate, company: Company) -> None:
    made = [make(gate, company)[0].id for _ in range(5)]
    with gate.open(Scope.system(company.tenant_id)) as session:
        first = apikeys.page(session, tenant_id=company.tenant_id, limit=3)
        rest = apikeys.page(session, tenant_id=company.tenant_id, limit=3, after=first[-1].id)
    assert [key.id for key in (*first, *rest)] == sorted(made, reverse=True)


def shut_out(gate: Gate, company: Company, user: User) -> None:
    with gate.open(Scope.system(company.tenant_id)) as session:
        staff.shut_out(session, tenant_id=company.tenant_id, user_id=user.id, by=OWNER, principal_id=new_id())


def test_a_key_ends_with_its_makers_dismissal_and_comes_back_with_them(
    gate: Gate, company: Company, sue: User
) -> None:
    key, token = make(gate, company, made_by=sue.id)
    assert look(gate, token)
    shut_out(gate, company, sue)
    assert look(gate, token) is None
    with gate.open(Scope.system(company.tenant_id)) as session:
        (listed,) = apikeys.page(session, tenant_id=company.tenant_id, limit=10)
        assert (listed.opens, listed.is_narrowed, listed.revoked_at) == ((), True, None)
        staff.let_in(session, tenant_id=company.tenant_id, user_id=sue.id, by=OWNER, principal_id=new_id())
        assert [one.id for one in apikeys.made_by(session, tenant_id=company.tenant_id, user_id=sue.id)] == [
            key.id
        ]
    assert look(gate, token)


def test_a_key_narrows_with_its_makers_role(gate: Gate, company: Company, sue: User) -> None:
    _, token = make(gate, company, scopes=["calls.read", "invoices.read", "keys.write"], made_by=sue.id)
    with gate.open(Scope.system(company.tenant_id)) as session:
        staff.change_roles(
            session,
            tenant_id=company.tenant_id,
            user_id=sue.id,
            roles=["tenant_analyst"],
            by=OWNER,
            principal_id=new_id(),
        )
    found = look(gate, token)
    assert found is not None
    assert found.opens == ("calls.read",)
    assert found.scopes == ("calls.read", "invoices.read", "keys.write")


def test_a_key_made_by_a_key_ends_with_it_and_with_the_person_behind_it(
    gate: Gate, company: Company, sue: User
) -> None:
    first, _ = make(gate, company, scopes=["calls.read", "keys.write"], made_by=sue.id)
    _, token = make(gate, company, made_by=first.id, permissions=frozenset(first.scopes))
    assert look(gate, token)
    with gate.open(Scope.system(company.tenant_id)) as session:
        apikeys.revoke(session, tenant_id=company.tenant_id, key_id=first.id, by=sue.id)
    assert look(gate, token) is None
    second, _ = make(gate, company, scopes=["calls.read", "keys.write"], made_by=sue.id)
    _, token = make(gate, company, made_by=second.id, permissions=frozenset(second.scopes))
    shut_out(gate, company, sue)
    assert look(gate, token) is None


def test_a_key_nobody_stands_behind_is_not_made(gate: Gate, company: Company, sue: User) -> None:
    with pytest.raises(ScopeNotYoursError):
        make(gate, company, made_by=new_id())
    shut_out(gate, company, sue)
    with pytest.raises(ScopeNotYoursError):
        make(gate, company, made_by=sue.id)


def test_a_long_line_of_keys_that_make_keys_comes_to_an_end(gate: Gate, company: Company, sue: User) -> None:
    def line(maker: UUID, length: int) -> None:
        if length:
            line(make(gate, company, scopes=["calls.read", "keys.write"], made_by=maker)[0].id, length - 1)

    line(sue.id, 3)
    with pytest.raises(ScopeNotYoursError):
        line(sue.id, 20)


def test_who_made_and_revoked_a_key_stands_on_record(gate: Gate, company: Company, sue: User) -> None:
    key, _ = make(gate, company, made_by=sue.id)
    with gate.open(Scope.system(company.tenant_id)) as session:
        apikeys.revoke(session, tenant_id=company.tenant_id, key_id=key.id, by=sue.id)
    with gate.open(Scope.system(company.tenant_id)) as session:
        done = access_log.latest(session, tenant_id=company.tenant_id, limit=10)
    assert [(one.deed, one.by, one.key_id) for one in done] == [
        (Deed.KEY_REVOKED, sue.id, key.id),
        (Deed.KEY_MADE, sue.id, key.id),
    ]


def test_a_list_of_keys_asks_once_for_each_person_who_made_some(
    gate: Gate, company: Company, sue: User
) -> None:
    for number in range(6):
        make(gate, company, made_by=sue.id if number % 2 else None)
    seen: list[str] = []
    with gate.open(Scope.system(company.tenant_id)) as session:
        event.listen(
            session.connection(), "before_cursor_execute", lambda _c, _cur, sql, *_: seen.append(sql)
        )
        found = apikeys.page(session, tenant_id=company.tenant_id, limit=50)
    assert [key.opens for key in found] == [("calls.read",)] * 6
    assert len([sql for sql in seen if "memberships" in sql]) == 2


def test_keys_that_open_less_than_they_were_made_for_are_named(
    gate: Gate, company: Company, sue: User
) -> None:
    make(gate, company)
    hers, _ = make(gate, company, made_by=sue.id)
    revoked, _ = make(gate, company, made_by=sue.id)
    with clock.hold(START):
        make(gate, company, made_by=sue.id, expires_at=START + dt.timedelta(days=1))  # over by now
    with gate.open(Scope.system(company.tenant_id)) as session:
        apikeys.revoke(session, tenant_id=company.tenant_id, key_id=revoked.id, by=sue.id)
        assert apikeys.narrowed(session, tenant_id=company.tenant_id) == []
        users.disable(session, tenant_id=company.tenant_id, user_id=sue.id)
        (named,) = apikeys.narrowed(session, tenant_id=company.tenant_id)
    assert (named.id, named.opens) == (hers.id, ())
