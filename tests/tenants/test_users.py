from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from security.vault import SealError, Vault
from tenants import logins, users
from tenants.errors import EmailTakenError, MalformedEmailError, UnknownRoleError, UserMissingError
from tenants.users import User
from tests.tenants.people import People
from wiring.prepare import DatabaseUrls


def test_a_user_is_found_by_address_whatever_its_spelling(people: People, gate: Gate, vault: Vault) -> None:
    alice = people.user(people.company().tenant_id, "Alice")
    entry = logins.find(gate, vault=vault, email=users.canonical_email("  ALICE@PelicanParcel.example "))
    assert entry is not None
    assert entry.ref_id == alice.id


def test_one_address_signs_in_for_one_company_only(people: People) -> None:
    a, b = people.company(), people.company("Harbour Hotels")
    people.user(a.tenant_id, "Alice")
    with pytest.raises(EmailTakenError):
        people.user(b.tenant_id, "Alice")


def test_neither_address_nor_name_stands_in_the_database(people: People, database: DatabaseUrls) -> None:
    people.user(people.company().tenant_id, "Alice", name="Alice Marlowe")
    with psycopg.connect(database.migrator) as connection:
        connection.execute("SET ROLE seatline_owner")
        connection.execute("ALTER TABLE app.users DISABLE ROW LEVEL SECURITY")
        row = connection.execute("SELECT * FROM app.users").fetchone()
        connection.rollback()
    assert row is not None
    seen = b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    assert b"arlowe" not in seen
    assert b"pelicanparcel" not in seen.lower()


def test_plaintext_cannot_be_written_into_a_sealed_column(people: People, gate: Gate) -> None:
    alice = people.user(people.company().tenant_id, "Alice")
    tenant_id = next(iter(gate_tenants(gate, alice)))
    with (
        pytest.raises(Exception, match="ck_users_name_sealed"),
        gate.open(Scope.system(tenant_id)) as session,
    ):
        session.execute(text("UPDATE app.users SET name = :plain"), {"plain": b"Alice" * 40})


def gate_tenants(gate: Gate, user: User) -> Iterator[TenantId]:
    with gate.open(Scope.system(OPERATOR)) as session:
        yield from session.execute(text("SELECT tenant_id FROM app.tenants")).scalars()


def test_a_sealed_name_moved_to_another_row_does_not_open(people: People, gate: Gate, vault: Vault) -> None:
    company = people.company()
    alice = people.user(company.tenant_id, "Alice")
    sue = people.user(company.tenant_id, "Sue", "tenant_supervisor")
    with gate.open(Scope.system(company.tenant_id)) as session:
        session.execute(
            text("UPDATE app.users SET name = (SELECT name FROM app.users WHERE id = :a) WHERE id = :s"),
            {"a": alice.id, "s": sue.id},
        )
        with pytest.raises(SealError):
            users.read(session, tenant_id=company.tenant_id, vault=vault, user_id=sue.id)


def test_a_user_of_another_company_is_missing(people: People, gate: Gate, vault: Vault) -> None:
    a, b = people.company(), people.company("Harbour Hotels")
    alice = people.user(a.tenant_id, "Alice")
    with gate.open(Scope.system(b.tenant_id)) as session, pytest.raises(UserMissingError):
        users.read(session, tenant_id=b.tenant_id, vault=vault, user_id=alice.id)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "alice",
        "alice@",
        "@example",
        "a b@c.example",
        "alice@exam\x00ple.com",
        "аlice@example.com",
        "x" * 600,
    ],
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(MalformedEmailError):
        users.canonical_email(wrong)


@pytest.mark.parametrize("role", ["operator_billing", "emperor"])
def test_a_client_cannot_hold_an_operators_role(people: People, role: str) -> None:
    with pytest.raises(UnknownRoleError):
        people.user(people.company().tenant_id, "Mallory", role)


def test_the_operator_cannot_own_a_client_company(people: People) -> None:
    people.operator()
    with pytest.raises(UnknownRoleError):
        people.user(OPERATOR, "Dana", "tenant_owner")


def test_roles_are_replaced_whole(people: People, gate: Gate) -> None:
    company = people.company()
    sue = people.user(company.tenant_id, "Sue", "tenant_supervisor")
    with gate.open(Scope.system(company.tenant_id)) as session:
        users.give_roles(
            session, tenant_id=company.tenant_id, user_id=sue.id, roles=["tenant_analyst", "agent"]
        )
        assert users.roles_of(session, tenant_id=company.tenant_id, user_id=sue.id) == (
            "agent",
            "tenant_analyst",
        )


def test_names_are_opened_for_the_ids_that_are_there(people: People, gate: Gate, vault: Vault) -> None:
    a, b = people.company(), people.company("Harbour Hotels")
    alice = people.user(a.tenant_id, "Alice")
    charlie = people.user(b.tenant_id, "Charlie")
    with gate.open(Scope.system(a.tenant_id)) as session:
        found = users.names(session, tenant_id=a.tenant_id, vault=vault, user_ids=[alice.id, charlie.id])
    assert found == {alice.id: "Alice"}


def test_everyone_is_listed_with_roles(people: People, gate: Gate, vault: Vault) -> None:
    company = people.company()
    alice = people.user(company.tenant_id, "Alice")
    bob = people.user(company.tenant_id, "Bob", "agent")
    with gate.open(Scope.system(company.tenant_id)) as session:
        assert users.everyone(session, tenant_id=company.tenant_id, vault=vault) == [alice, bob]
