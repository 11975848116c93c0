"""Who is calling: one statement, the right company's customer, and only after the number was compared."""

import psycopg
from sqlalchemy import event, text

from core.ids import TenantId
from core.phone import E164
from customers import lookup, records
from customers.records import CustomerCard, CustomerDetails
from security.gate import Gate, Scope
from security.vault import Vault
from tests.conftest import Prepared
from tests.customers.factory import CHEN, INES, stored
from wiring.prepare import DatabaseUrls


def found(gate: Gate, vault: Vault, tenant: TenantId, phone: E164) -> CustomerCard | None:
    with gate.open(Scope.system(tenant)) as session:
        return lookup.by_phone(session, tenant_id=tenant, vault=vault, phone=phone)


def test_caller_is_found_by_number(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    ines = stored(gate, vault, tenant_a)
    chen = stored(gate, vault, tenant_a, name="陈思远", phone=CHEN)
    assert found(gate, vault, tenant_a, INES) == ines
    assert found(gate, vault, tenant_a, CHEN) == chen
    assert found(gate, vault, tenant_a, E164("+447700900473")) is None


def test_same_number_is_another_customer_in_another_company(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    stored(gate, vault, tenant_a)
    assert found(gate, vault, tenant_b, INES) is None
    theirs = stored(gate, vault, tenant_b, name="Ms Carvalho")
    assert found(gate, vault, tenant_b, INES) == theirs


def test_index_says_nothing_across_companies(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    indexes = set()
    for tenant in (tenant_a, tenant_b):
        stored(gate, vault, tenant)
        with gate.open(Scope.system(tenant)) as session:
            indexes.add(session.execute(text("SELECT phone_index FROM app.customers")).scalar_one())
    assert len(indexes) == 2


def test_swapped_index_shows_nobody(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    """Somebody with access to the rows gives Ines's index to Chen's record: the card must not pop."""
    stored(gate, vault, tenant_a)
    chen = stored(gate, vault, tenant_a, name="陈思远", phone=CHEN)
    with gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("DELETE FROM app.customers WHERE id <> :id"), {"id": chen.id})
        session.execute(
            text("UPDATE app.customers SET phone_index = :index"),
            {"index": vault.blind_index(tenant_a, "customers.phone", INES)},
        )
    assert found(gate, vault, tenant_a, INES) is None


def test_look_up_is_one_statement_by_index(
    gate: Gate, vault: Vault, tenant_a: TenantId, database: DatabaseUrls, prepared: Prepared
) -> None:
    stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        for number in range(200):  # with a handful of rows any index is as good as the right one
            records.add(
                session,
                tenant_id=tenant_a,
                vault=vault,
                details=CustomerDetails(name="Made Up", phone=E164(f"+4470{number:08}")),
            )
    of_ours = f"{prepared.admin_url.rpartition('/')[0]}/{database.app.rpartition('/')[2]}"
    with psycopg.connect(of_ours, autocommit=True) as admin:
        admin.execute("ANALYZE app.customers")
    with gate.open(Scope.system(tenant_a)) as session:
        seen: list[tuple[str, object]] = []
        event.listen(
            session.connection(),
            "before_cursor_execute",
            lambda _c, _cur, sql, values, *_: seen.append((sql, values)),
        )
        assert lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=INES)
        ((statement, values),) = seen
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(
            session.connection().exec_driver_sql("EXPLAIN " + statement, values).scalars()  # type: ignore[arg-type] # as seen
        )
    assert "uq_customers" in plan
    assert "Seq Scan" not in plan


def test_driver_prepares_the_look_up(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    stored(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        lookup.by_phone(session, tenant_id=tenant_a, vault=vault, phone=INES)
        prepared = session.execute(text("SELECT statement FROM pg_prepared_statements")).scalars().all()
    assert any("app.customers" in statement for statement in prepared)
