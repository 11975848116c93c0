"""The sealed record: what goes in comes out, for its own company, at its own version, and nowhere else."""

import itertools
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.ids import CustomerId, TenantId, new_id
from core.phone import E164
from customers import lookup, records
from customers.errors import (
    CustomerChangedError,
    CustomerDetailsError,
    CustomerExistsError,
    CustomerNotFoundError,
)
from customers.records import CustomerCard
from security.gate import Gate, Scope
from security.vault import SealError, Vault
from tests.customers.factory import CHEN, INES, details, stored

SEALED = ("name_ct", "phone_ct", "email_ct", "postcode_ct", "notes_ct")


def read(gate: Gate, vault: Vault, tenant: TenantId, customer: CustomerId) -> CustomerCard:
    with gate.open(Scope.system(tenant)) as session:
        return records.get(session, tenant_id=tenant, vault=vault, customer_id=customer)


def run(gate: Gate, tenant: TenantId, statement: str, **values: object) -> None:
    with gate.open(Scope.system(tenant)) as session:
        session.execute(text(statement), values)


def test_what_goes_in_comes_out(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    assert (card.name, card.phone, card.version) == ("Ines Carvalho", INES, 1)
    assert read(gate, vault, tenant_a, card.id) == card
    bare = stored(gate, vault, tenant_a, phone=CHEN, name="陈思远", email=None, postcode=None, notes=None)
    assert read(gate, vault, tenant_a, bare.id) == bare
    assert (bare.masked_email, bare.masked_postcode) == (None, None)


def test_card_shows_nothing_in_a_log(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    for secret in ("Ines", "447700", "carvalho", "LS1", "Mill"):
        assert secret not in repr(card)
        assert secret not in repr(details())
    assert (card.masked_name, card.masked_phone, card.masked_email, card.masked_postcode) == (
        "I. C.",
        "+44 7700 900•••",
        "i•••@carvalho.example",
        "LS1 •••",
    )


def test_row_holds_no_word_of_it(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        row = session.execute(text("SELECT c::text, c.* FROM app.customers c")).one()
    everything = row[0].encode() + b"".join(value for value in row if isinstance(value, bytes))
    for secret in (b"Ines", b"7700900471", b"carvalho", b"LS1", b"Mill Lane"):
        assert secret not in everything
        assert secret.hex().encode() not in everything


def test_plaintext_never_lands_in_a_sealed_column(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    stored(gate, vault, tenant_a)
    plaintexts = (b"+447700900471", b"Ines Carvalho " * 20, b"\x01", b"\x01\x02" + b"x" * 200)
    for column, plain in itertools.product(SEALED, plaintexts):
        with pytest.raises(DBAPIError, match=r"sealed|get_byte|out of valid range"):
            run(gate, tenant_a, f"UPDATE app.customers SET {column} = :plain", plain=plain)


def test_plaintext_never_lands_in_the_index(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    stored(gate, vault, tenant_a)
    with pytest.raises(IntegrityError, match="phone_index"):
        run(gate, tenant_a, "UPDATE app.customers SET phone_index = :plain", plain=INES.encode())


def test_one_number_is_one_customer_of_a_company(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    first = stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        with pytest.raises(CustomerExistsError):
            records.add(session, tenant_id=tenant_a, vault=vault, details=details(name="Someone else"))
        assert records.page(session, tenant_id=tenant_a, vault=vault).customers == (first,)
    assert stored(gate, vault, tenant_b).phone == first.phone


def test_update_seals_everything_anew(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        before = session.execute(text("SELECT * FROM app.customers")).one()
        changed = records.update(
            session,
            tenant_id=tenant_a,
            vault=vault,
            customer_id=card.id,
            version=1,
            details=details(name="Ines Carvalho-Reis"),
        )
    with gate.open(Scope.system(tenant_a)) as session:
        after = session.execute(text("SELECT * FROM app.customers")).one()
    assert (changed.version, changed.name, changed.created_at) == (2, "Ines Carvalho-Reis", card.created_at)
    assert read(gate, vault, tenant_a, card.id) == changed
    assert after.row_version == 2
    for column in SEALED:
        assert getattr(before, column) != getattr(after, column)


def test_detail_can_be_removed(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        records.update(
            session,
            tenant_id=tenant_a,
            vault=vault,
            customer_id=card.id,
            version=1,
            details=details(email=None, notes=None),
        )
    found = read(gate, vault, tenant_a, card.id)
    assert (found.email, found.notes, found.postcode) == (None, None, "LS1 4AP")


def test_number_follows_an_update(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        records.update(
            session,
            tenant_id=tenant_a,
            vault=vault,
            customer_id=card.id,
            version=1,
            details=details(phone=CHEN),
        )
        assert lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=INES) is None
        found = lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=CHEN)
    assert found is not None
    assert found.id == card.id


def test_number_of_another_customer_is_refused_and_nothing_written(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    card = stored(gate, vault, tenant_a)
    stored(gate, vault, tenant_a, phone=CHEN)
    with gate.open(Scope.system(tenant_a)) as session:
        with pytest.raises(CustomerExistsError):
            records.update(
                session,
                tenant_id=tenant_a,
                vault=vault,
                customer_id=card.id,
                version=1,
                details=details(phone=CHEN),
            )
        assert records.get(session, tenant_id=tenant_a, vault=vault, customer_id=card.id) == card


def test_of_two_editors_the_second_is_told(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    ready = threading.Barrier(2)
    outcomes: list[str] = []

    def edit(name: str) -> None:
        try:
            with gate.open(Scope.system(tenant_a)) as session:
                session.execute(text("SELECT 1"))
                ready.wait(timeout=10)
                records.update(
                    session,
                    tenant_id=tenant_a,
                    vault=vault,
                    customer_id=card.id,
                    version=1,
                    details=details(name=name),
                )
            outcomes.append(name)
        except CustomerChangedError as error:
            outcomes.append(f"told of version {error.details['version']}")

    threads = [threading.Thread(target=edit, args=(name,)) for name in ("Alice", "Sue")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    (winner,) = {"Alice", "Sue"} & set(outcomes)
    assert sorted(outcomes) == sorted([winner, "told of version 2"])
    assert read(gate, vault, tenant_a, card.id).name == winner


def test_customer_of_another_company_is_not_there(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    card = stored(gate, vault, tenant_a)
    for wanted in (card.id, CustomerId(new_id())):
        for claimed in (tenant_a, tenant_b):
            with pytest.raises(CustomerNotFoundError), gate.open(Scope.system(tenant_b)) as session:
                records.get(session, tenant_id=claimed, vault=vault, customer_id=wanted)
            with pytest.raises(CustomerNotFoundError), gate.open(Scope.system(tenant_b)) as session:
                records.update(
                    session,
                    tenant_id=claimed,
                    vault=vault,
                    customer_id=wanted,
                    version=1,
                    details=details(),
                )
    with gate.open(Scope.system(tenant_b)) as session:
        assert records.page(session, tenant_id=tenant_a, vault=vault).customers == ()


FORGED = (
    "UPDATE app.customers SET name_ct = email_ct",  # another column
    "UPDATE app.customers SET row_version = row_version + 1",  # a version made up
    "UPDATE app.customers c SET name_ct = o.name_ct FROM app.customers o WHERE o.id <> c.id",
    "UPDATE app.customers SET notes_ct = set_byte(notes_ct, 100, get_byte(notes_ct, 100) # 1)",
    "UPDATE app.customers SET phone_ct = substring(phone_ct FROM 1 FOR length(phone_ct) - 1)",
)


def test_tampered_record_does_not_open(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    stored(gate, vault, tenant_a, phone=CHEN)
    for forged in FORGED:
        with gate.open(Scope.system(tenant_a)) as session:
            session.execute(text(forged))
            with pytest.raises(SealError):
                records.get(session, tenant_id=tenant_a, vault=vault, customer_id=card.id)
            with pytest.raises(SealError):
                lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=INES)
            session.rollback()
    assert read(gate, vault, tenant_a, card.id) == card


def test_value_of_an_older_version_does_not_open(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    card = stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        old = session.execute(text("SELECT name_ct FROM app.customers")).scalar_one()
        records.update(
            session,
            tenant_id=tenant_a,
            vault=vault,
            customer_id=card.id,
            version=1,
            details=details(name="New"),
        )
    run(gate, tenant_a, "UPDATE app.customers SET name_ct = :old", old=old)
    with pytest.raises(SealError):
        read(gate, vault, tenant_a, card.id)


def test_pages_hold_every_customer_once(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    wanted = [
        stored(gate, vault, tenant_a, name=f"Customer {n}", phone=E164(f"+44770090{n:04}")) for n in range(7)
    ]
    seen: list[CustomerCard] = []
    after = None
    with gate.open(Scope.system(tenant_a)) as session:
        for expected in (3, 3, 1):
            page = records.page(session, tenant_id=tenant_a, vault=vault, limit=3, after=after)
            assert len(page.customers) == expected
            seen += page.customers
            after = page.after
        assert after is None
        whole = records.page(session, tenant_id=tenant_a, vault=vault, limit=7)
    assert sorted(seen, key=lambda card: card.name) == wanted
    assert (set(whole.customers), whole.after) == (set(wanted), None)


WRONG = (
    ({"name": " "}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"email": ""}, "email"),
    ({"notes": "x" * 10_001}, "notes"),
    ({"postcode": "x" * 21}, "postcode"),
)


def test_malformed_details_are_refused_by_name_of_field(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    for wrong, field in WRONG:
        with pytest.raises(CustomerDetailsError) as error:
            stored(gate, vault, tenant_a, **wrong)
        assert error.value.details == {"field": field}
