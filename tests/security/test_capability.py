"""What `sec.enter` leaves in the transaction: a setting that only the walls' own role can set.

Nothing is signed in it; what keeps it is PostgreSQL's privilege on the parameter (docs/adr/0048). So each way
there is to set one is tried as the service, from within and from the start of a connection.
"""

import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.ids import OPERATOR, TenantId
from security.gate import Gate, Kind, Scope, backend_of, mint
from tests.conftest import Prepared
from wiring.prepare import DatabaseUrls

REFUSED = "42501"
CONTEXT = "backtrace_functions"
WHO = text("SELECT sec.tenant()")
READ = text(f"SELECT current_setting('{CONTEXT}')")


def forged(tenant_id: TenantId) -> str:
    """Return what `sec.enter` would have left."""
    return f"seatline_{tenant_id.hex}_{OPERATOR.hex}_system"


@pytest.fixture
def admin(prepared: Prepared, database: DatabaseUrls) -> Iterator[psycopg.Connection]:
    url = prepared.admin_url.rsplit("/", 1)[0] + "/" + database.app.rsplit("/", 1)[1]
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


def test_what_is_forged_is_what_entering_leaves(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        assert session.execute(READ).scalar_one() == forged(tenant_a)


@pytest.mark.parametrize(
    "statement",
    [
        f"SET {CONTEXT} = '{{forged}}'",
        f"SET LOCAL {CONTEXT} = '{{forged}}'",
        f"SET LOCAL {CONTEXT} = DEFAULT",
        f"RESET {CONTEXT}",
        f"SELECT set_config('{CONTEXT}', '{{forged}}', true)",
        f"SELECT set_config(upper('{CONTEXT}'), '{{forged}}', false)",
        f"UPDATE pg_settings SET setting = '{{forged}}' WHERE name = '{CONTEXT}'",
        f"DO $$ BEGIN PERFORM set_config('{CONTEXT}', '{{forged}}', true); END $$",
        f"ALTER ROLE seatline_app SET {CONTEXT} = '{{forged}}'",
        f"ALTER ROLE CURRENT_USER SET {CONTEXT} = '{{forged}}'",
        f"ALTER DATABASE postgres SET {CONTEXT} = '{{forged}}'",
        f"GRANT SET ON PARAMETER {CONTEXT} TO seatline_app",
        "SET ROLE seatline_policy",
        "SET SESSION AUTHORIZATION seatline_policy",
    ],
)
def test_the_service_cannot_set_a_context(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId, statement: str
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        with pytest.raises(DBAPIError) as error, session.begin_nested():
            session.execute(text(statement.format(forged=forged(tenant_b))))
        assert session.execute(WHO).scalar_one() == tenant_a
    assert getattr(error.value.orig, "sqlstate", "") == REFUSED


def test_the_servers_configuration_is_not_the_services_to_change(database: DatabaseUrls) -> None:
    with psycopg.connect(database.app, autocommit=True) as thief, pytest.raises(psycopg.Error) as error:
        thief.execute(f"ALTER SYSTEM SET {CONTEXT} = 'seatline_'")
    assert error.value.sqlstate == REFUSED


def test_no_connection_begins_with_a_context(database: DatabaseUrls, tenant_a: TenantId) -> None:
    """Whoever holds the service's password gets no further than the service."""
    with pytest.raises(psycopg.OperationalError, match="permission denied to set parameter"):
        psycopg.connect(database.app, options=f"-c {CONTEXT}={forged(tenant_a)}")


@pytest.mark.parametrize("url", ["bill", "migrator"])
def test_no_other_role_sets_one_either(database: DatabaseUrls, tenant_a: TenantId, url: str) -> None:
    with psycopg.connect(getattr(database, url)) as thief, pytest.raises(psycopg.Error) as error:
        thief.execute("SELECT set_config(%s, %s, true)", (CONTEXT, forged(tenant_a)))
    assert error.value.sqlstate == REFUSED


def test_resetting_all_shuts_and_does_not_open(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(DBAPIError) as error, gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("RESET ALL"))
        session.execute(WHO)
    assert getattr(error.value.orig, "sqlstate", "") == REFUSED


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_context_ends_with_its_transaction(gate: Gate, tenant_a: TenantId, ending: str) -> None:
    """On the bare connection, where no pool puts anything in order."""
    with gate.outside() as connection:
        token = mint(Scope.system(tenant_a), gate._key, backend=backend_of(connection))
        bare = connection.connection.driver_connection
        assert isinstance(bare, psycopg.Connection)
        bare.execute("SELECT sec.enter(%s)", (token,))
        bare.execute(ending.encode())
        bare.execute("BEGIN")
        row = bare.execute(f"SELECT current_setting('{CONTEXT}')").fetchone()
        assert row == ("",)


def test_a_context_survives_the_savepoints_of_its_transaction(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(text("SELECT 1 / 0"))
        assert session.execute(WHO).scalar_one() == tenant_a


@pytest.mark.parametrize("given", ["", "heap_insert", "errfinish, seatline_x"])
def test_what_an_administrator_debugs_with_is_no_context(admin: psycopg.Connection, given: str) -> None:
    admin.execute("SELECT set_config(%s, %s, true)", (CONTEXT, given))
    admin.execute("SET LOCAL ROLE seatline_app")
    for question in ("tenant", "principal", "kind"):
        with pytest.raises(psycopg.Error) as error, admin.transaction():
            admin.execute(f"SELECT sec.{question}()".encode())
        assert error.value.sqlstate == REFUSED


def test_parallel_workers_stand_in_the_same_context(
    admin: psycopg.Connection, gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    """They get the leader's settings, and with them who was allowed to set this one."""
    admin.execute(
        "CREATE TABLE app.wide AS"
        " SELECT (%s::uuid[])[1 + n %% 2] AS tenant_id, n FROM generate_series(1, 20000) n",
        ([tenant_a, tenant_b],),
    )
    for statement in (
        "ALTER TABLE app.wide ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY fence ON app.wide AS RESTRICTIVE USING (tenant_id = (SELECT sec.tenant()))",
        "CREATE POLICY service ON app.wide TO seatline_app USING (true)",
        "GRANT SELECT ON app.wide TO seatline_app",
        "ANALYZE app.wide",
    ):
        admin.execute(statement.encode())
    admin.commit()
    question = "SELECT count(*), min(n % 2), max(n % 2) FROM app.wide"
    with gate.open(Scope.system(tenant_a)) as session:
        for name in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            session.execute(text(f"SET LOCAL {name} = 0"))
        plan = session.execute(text(f"EXPLAIN (ANALYZE, COSTS OFF) {question}")).scalars().all()
        assert any("Workers Launched: " in line and "Launched: 0" not in line for line in plan), plan
        assert tuple(session.execute(text(question)).one()) == (10000, 0, 0)


def test_a_well_signed_token_is_over_after_its_time(
    gate: Gate, tenant_a: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 11)
    with pytest.raises(DBAPIError) as error, gate.outside() as connection:
        old = mint(Scope(tenant_a, OPERATOR, Kind.SYSTEM), gate._key, backend=backend_of(connection))
        connection.execute(text("SELECT sec.enter(:token)"), {"token": old})
    assert getattr(error.value.orig, "sqlstate", "") == REFUSED


def test_a_token_seen_on_the_wire_opens_nothing_from_another_connection(
    gate: Gate, tenant_a: TenantId
) -> None:
    """T11: whoever reads along has ten seconds, and no connection it was made for."""
    with gate.outside() as ours:
        seen = mint(Scope(tenant_a, OPERATOR, Kind.SYSTEM), gate._key, backend=backend_of(ours))
        with pytest.raises(DBAPIError) as error, gate.outside() as thiefs:
            thiefs.execute(text("SELECT sec.enter(:token)"), {"token": seen})
        assert getattr(error.value.orig, "sqlstate", "") == REFUSED
        with pytest.raises(DBAPIError) as again, gate.outside() as thiefs:
            # with the thief's own connection on it, it is not signed
            renamed = seen.replace(f".{backend_of(ours)}.", f".{backend_of(thiefs)}.")
            thiefs.execute(text("SELECT sec.enter(:token)"), {"token": renamed})
        assert getattr(again.value.orig, "sqlstate", "") == REFUSED
        ours.execute(text("SELECT sec.enter(:token)"), {"token": seen})
        assert str(ours.execute(text("SELECT sec.tenant()")).scalar_one()) == str(tenant_a)
