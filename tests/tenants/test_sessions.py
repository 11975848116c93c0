import datetime as dt

import pytest

from core import clock
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import sessions, users
from tenants.companies import Company
from tenants.roles import Door
from tenants.sessions import SignedIn, Started
from tenants.users import User
from tests.tenants.people import People

START = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)


@pytest.fixture
def company(people: People) -> Company:
    return people.company()


def begin(gate: Gate, company: Company, user: User) -> Started:
    with gate.open(Scope.system(company.tenant_id)) as session:
        return sessions.start(session, tenant_id=company.tenant_id, user_id=user.id)


def digest(secret: str) -> bytes:
    made = sessions.digest(secret)
    assert made is not None
    return made


def look(gate: Gate, vault: Vault, company: Company, secret: str) -> SignedIn | None:
    with gate.open(Scope.system(company.tenant_id)) as session:
        return sessions.find(session, tenant_id=company.tenant_id, vault=vault, digest=digest(secret))


def test_a_session_says_who_and_what_is_permitted(
    people: People, gate: Gate, vault: Vault, company: Company
) -> None:
    alice = people.user(company.tenant_id, "Alice")
    started = begin(gate, company, alice)
    entry = gate.resolve("session", digest(started.secret))
    assert entry is not None
    assert (entry.tenant_id, entry.ref_id) == (company.tenant_id, alice.id)
    found = look(gate, vault, company, started.secret)
    assert found is not None
    assert found.name == "Alice"
    assert found.door is Door.PORTAL
    assert "keys.write" in found.permissions
    assert found.company == company


def test_the_secret_itself_is_nowhere_in_the_row(people: People, gate: Gate, company: Company) -> None:
    started = begin(gate, company, people.user(company.tenant_id, "Alice"))
    assert sessions.digest(started.secret) != started.secret.encode()
    assert len(started.secret) == 43


@pytest.mark.parametrize(
    ("role", "idle"),
    [("tenant_owner", dt.timedelta(minutes=30)), ("agent", dt.timedelta(hours=11, minutes=59))],
)
def test_a_session_ends_after_lying_idle(
    people: People, gate: Gate, vault: Vault, company: Company, role: str, idle: dt.timedelta
) -> None:
    with clock.hold(START):
        started = begin(gate, company, people.user(company.tenant_id, "Alice", role))
        clock.advance(idle - dt.timedelta(seconds=1))
        assert look(gate, vault, company, started.secret)
        clock.advance(idle - dt.timedelta(seconds=1) if role == "tenant_owner" else dt.timedelta(seconds=1))
        assert look(gate, vault, company, started.secret)
        clock.advance(idle + dt.timedelta(minutes=1))
        assert look(gate, vault, company, started.secret) is None


def test_use_does_not_prolong_a_session_beyond_twelve_hours(
    people: People, gate: Gate, vault: Vault, company: Company
) -> None:
    with clock.hold(START):
        started = begin(gate, company, people.user(company.tenant_id, "Alice"))
        for _ in range(35):
            clock.advance(dt.timedelta(minutes=20))
            assert look(gate, vault, company, started.secret)
        clock.advance(dt.timedelta(minutes=20))
        assert look(gate, vault, company, started.secret) is None


def test_an_ended_session_is_gone_from_the_directory(
    people: People, gate: Gate, vault: Vault, company: Company
) -> None:
    started = begin(gate, company, people.user(company.tenant_id, "Alice"))
    with gate.open(Scope.system(company.tenant_id)) as session:
        assert sessions.end(session, tenant_id=company.tenant_id, session_id=started.session_id)
        assert not sessions.end(session, tenant_id=company.tenant_id, session_id=started.session_id)
    assert gate.resolve("session", digest(started.secret)) is None
    assert look(gate, vault, company, started.secret) is None


def test_ending_all_but_one_keeps_that_one(
    people: People, gate: Gate, vault: Vault, company: Company
) -> None:
    alice = people.user(company.tenant_id, "Alice")
    kept, *others = [begin(gate, company, alice) for _ in range(3)]
    with gate.open(Scope.system(company.tenant_id)) as session:
        ended = sessions.end_all(session, tenant_id=company.tenant_id, user_id=alice.id, keep=kept.session_id)
    assert sorted(ended) == sorted(one.session_id for one in others)
    assert look(gate, vault, company, kept.secret)


def test_a_disabled_user_has_no_session(people: People, gate: Gate, vault: Vault, company: Company) -> None:
    alice = people.user(company.tenant_id, "Alice")
    started = begin(gate, company, alice)
    with gate.open(Scope.system(company.tenant_id)) as session:
        users.disable(session, tenant_id=company.tenant_id, user_id=alice.id)
    assert look(gate, vault, company, started.secret) is None


def test_a_change_of_roles_counts_at_once(people: People, gate: Gate, vault: Vault, company: Company) -> None:
    sue = people.user(company.tenant_id, "Sue", "tenant_supervisor")
    started = begin(gate, company, sue)
    with gate.open(Scope.system(company.tenant_id)) as session:
        users.give_roles(session, tenant_id=company.tenant_id, user_id=sue.id, roles=["tenant_analyst"])
    found = look(gate, vault, company, started.secret)
    assert found is not None
    assert "recordings.listen" not in found.permissions


@pytest.mark.parametrize("wrong", ["", "x", "a" * 42, "a" * 44, "a" * 42 + "é", "a" * 42 + "\n"])
def test_what_cannot_be_a_secret_has_no_digest(wrong: str) -> None:
    assert sessions.digest(wrong) is None


def test_sweeping_removes_what_is_over(people: People, gate: Gate, company: Company) -> None:
    with clock.hold(START):
        started = begin(gate, company, people.user(company.tenant_id, "Alice"))
        clock.advance(dt.timedelta(hours=13))
        with gate.open(Scope.system(company.tenant_id)) as session:
            assert sessions.sweep(session, tenant_id=company.tenant_id) == 1
    assert gate.resolve("session", digest(started.secret)) is None


def test_a_session_has_one_name_only(people: People, gate: Gate, company: Company) -> None:
    """The last of 43 signs has two bits to spare: three more secrets would decode to the same bytes."""
    secret = begin(gate, company, people.user(company.tenant_id, "Alice")).secret
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = signs.index(secret[-1])
    assert place % 4 == 0
    assert sessions.digest(secret) is not None
    assert [sessions.digest(secret[:-1] + signs[place + spare]) for spare in (1, 2, 3)] == [None] * 3
