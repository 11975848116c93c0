"""The gate: what holds when somebody tries to stand in another tenant's walls."""

import contextlib
import os
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError, ProgrammingError
from sqlalchemy.orm import Session

from core.ids import OPERATOR, TenantId, new_id
from security import catalogue
from security.gate import (
    ForkedConnectionError,
    Gate,
    KeyTakenError,
    Kind,
    NoScopeError,
    Scope,
    admit,
    backend_of,
    mint,
    register,
    unregister,
)
from security.keys import FileRootKey
from tests.conftest import Prepared
from wiring.prepare import DatabaseUrls

WHO = text("SELECT sec.tenant()")
REFUSED = "42501"


def refused(error: pytest.ExceptionInfo[DBAPIError]) -> bool:
    return getattr(error.value.orig, "sqlstate", "") == REFUSED


def test_context_is_the_scopes_tenant(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    for tenant in (tenant_a, tenant_b, tenant_a):
        with gate.open(Scope.system(tenant)) as session:
            assert session.execute(WHO).scalar_one() == tenant


def test_every_new_transaction_of_a_session_enters_again(gate: Gate, tenant_a: TenantId) -> None:
    engine = gate._engine.execution_options(seatline_scope=Scope.system(tenant_a))
    with Session(engine) as session:
        assert session.execute(WHO).scalar_one() == tenant_a
        session.commit()
        assert session.execute(WHO).scalar_one() == tenant_a


def test_a_session_is_not_used_after_its_end(gate: Gate, tenant_a: TenantId) -> None:
    for opened in (gate.open(Scope.system(tenant_a)), gate.snapshot(Scope.system(tenant_a))):
        with opened as session:
            session.execute(WHO)
        with pytest.raises(InvalidRequestError, match="closed"):
            session.execute(WHO)


def test_a_transaction_outside_the_gate_is_refused_before_it_begins(gate: Gate) -> None:
    with pytest.raises(NoScopeError), gate._engine.begin() as connection:
        connection.execute(WHO)


def test_without_a_context_there_is_no_tenant(gate: Gate) -> None:
    with pytest.raises(ProgrammingError) as error, gate.outside() as connection:
        connection.execute(WHO)
    assert refused(error)


def test_a_tenant_nobody_admitted_has_no_door(gate: Gate) -> None:
    with pytest.raises(ProgrammingError) as error, gate.open(Scope.system(TenantId(new_id()))) as session:
        session.execute(WHO)
    assert refused(error)


def test_a_suspended_tenant_is_open_to_our_own_work_only(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        admit(session, tenant_id=tenant_a, status="suspended")
    with gate.open(Scope.system(tenant_a)) as session:
        assert session.execute(WHO).scalar_one() == tenant_a
    with pytest.raises(ProgrammingError) as error, gate.open(Scope(tenant_a, new_id(), Kind.USER)) as session:
        session.execute(WHO)
    assert refused(error)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda token, other: token.replace(token.split(".")[2], str(other)), id="other-tenant"),
        pytest.param(lambda token, _: token[:-1] + ("0" if token[-1] != "0" else "1"), id="other-mac"),
        pytest.param(
            lambda token, _: ".".join([*token.split(".")[:5], "1", *token.split(".")[6:]]), id="expired"
        ),
        pytest.param(lambda token, _: "v2.1", id="short"),
        pytest.param(lambda token, _: token.replace("v2.1.", "v2.2.", 1), id="a-key-that-is-not-there"),
    ],
)
def test_a_spoiled_token_opens_nothing(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId, spoil: Callable[[str, TenantId], str]
) -> None:
    with pytest.raises(DBAPIError) as error, gate.outside() as connection:
        token = spoil(mint(Scope.system(tenant_a), gate._key, backend=backend_of(connection)), tenant_b)
        connection.execute(text("SELECT sec.enter(:token)"), {"token": token})
    assert refused(error)


def test_a_token_signed_with_another_key_opens_nothing(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(DBAPIError) as error, gate.outside() as connection:
        token = mint(Scope.system(tenant_a), os.urandom(32), backend=backend_of(connection))
        connection.execute(text("SELECT sec.enter(:token)"), {"token": token})
    assert refused(error)


def test_the_tenant_cannot_change_inside_a_transaction(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with pytest.raises(DBAPIError) as error, gate.open(Scope.system(tenant_a)) as session:
        token = mint(Scope.system(tenant_b), gate._key, backend=backend_of(session.connection()))
        session.execute(text("SELECT sec.enter(:token)"), {"token": token})
    assert refused(error)


def test_a_context_kept_for_the_next_transaction_is_worthless(gate: Gate, tenant_a: TenantId) -> None:
    """Bound to the connection alone it would be carried over by the pool."""
    with gate.open(Scope.system(tenant_a)) as session:
        kept = session.execute(text("SELECT current_setting('backtrace_functions')")).scalar_one()
    for name in ("backtrace_functions", "seatline.ctx"):
        with pytest.raises(DBAPIError) as error, gate.outside() as connection:
            connection.execute(text("SELECT set_config(:name, :kept, false)"), {"name": name, "kept": kept})
            connection.execute(WHO)
        assert refused(error)


def test_nothing_set_on_a_connection_reaches_its_next_borrower(gate: Gate, tenant_a: TenantId) -> None:
    with gate.outside() as connection:
        connection.execute(text("SELECT set_config('seatline.anything', 'left behind', false)"))
    with gate.outside() as connection:
        left = connection.execute(text("SELECT current_setting('seatline.anything', true)")).scalar_one()
    assert left in {"", None}


def test_a_loan_leaves_nothing_prepared_behind(
    database: DatabaseUrls, root_key: FileRootKey, tenant_a: TenantId
) -> None:
    """Each loan left its question after the connection's health in the server's process, 3.4 kB, for good."""
    lean = Gate(database.app, context_key=root_key.derive("context/v1"), pool_size=1)
    counts = []
    for _ in range(4):
        with lean.open(Scope.system(tenant_a)) as session:
            counts.append(session.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one())
    lean.close()
    assert counts[1:] == [counts[1]] * 3


@pytest.mark.parametrize("look", [lambda gate: gate.resolve("number", b"nobody's"), Gate.ping])
def test_a_look_outside_lets_the_connection_keep_its_statements(
    database: DatabaseUrls, root_key: FileRootKey, tenant_a: TenantId, look: Callable[[Gate], object]
) -> None:
    """A rollback has the driver forget them all, and what follows is planned anew."""
    lean = Gate(database.app, context_key=root_key.derive("context/v1"), pool_size=1)
    question = text("SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT sec.enter%'")
    kept = []
    for _ in range(2):
        with lean.open(Scope.system(tenant_a)) as session:
            kept.append(session.execute(question).scalar_one())
        look(lean)
    lean.close()
    assert kept[0] == kept[1]


def test_a_warm_gate_lends_what_it_has(database: DatabaseUrls, root_key: FileRootKey) -> None:
    """The first calls to end after a start waited for connections to be made, all at once."""
    warm = Gate(database.app, context_key=root_key.derive("context/v1"), pool_size=3)
    made: list[object] = []
    event.listen(warm._engine, "connect", lambda connection, _entry: made.append(connection))
    warm.warm()
    assert len(made) == 3
    with contextlib.ExitStack() as lent:
        for _ in range(3):
            lent.enter_context(warm.open(Scope.system(OPERATOR))).connection()
    assert len(made) == 3
    warm.close()


def test_a_connection_that_died_in_the_pool_is_made_anew(
    database: DatabaseUrls, prepared: Prepared, root_key: FileRootKey, tenant_a: TenantId
) -> None:
    lean = Gate(database.app, context_key=root_key.derive("context/v1"), pool_size=1)
    backend = text("SELECT pg_backend_pid()")
    with lean.open(Scope.system(tenant_a)) as session:
        before = session.execute(backend).scalar_one()
    with psycopg.connect(prepared.admin_url) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))
    with lean.open(Scope.system(tenant_a)) as session:
        assert session.execute(backend).scalar_one() != before
    lean.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE seatline_owner",
        "SET ROLE seatline_policy",
        "SELECT * FROM sec.mac_key",
        "SELECT * FROM sec.directory",
        "SELECT * FROM sec.registry",
        "INSERT INTO sec.registry VALUES (gen_random_uuid(), true)",
        "CREATE TABLE app.mine (i int)",
        "CREATE TEMP TABLE mine (i int)",
        "CREATE FUNCTION app.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT lo_create(0)",
        "TRUNCATE app.outbox",
        "DROP OWNED BY CURRENT_USER; SELECT 1",
        "COPY app.outbox TO PROGRAM 'cat'",
    ],
)
def test_the_services_role_cannot(gate: Gate, tenant_a: TenantId, statement: str) -> None:
    with pytest.raises(DBAPIError) as error, gate.open(Scope.system(tenant_a)) as session:
        session.execute(text(statement))
    assert getattr(error.value.orig, "sqlstate", "") in {REFUSED, "42601"}


def test_no_value_stands_in_an_exception(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(DBAPIError) as error, gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("SELECT 1 / :zero, :name"), {"zero": 0, "name": "Zephyrine Canarywood"})
    assert "Zephyrine" not in f"{error.value} {error.value!r}"


def test_a_token_is_made_for_seconds(gate: Gate, tenant_a: TenantId) -> None:
    expires = int(mint(Scope.system(tenant_a), gate._key, backend=1).split(".")[5])
    assert 0 < expires - time.time() <= 10


def test_stacked_statements_are_refused_by_the_protocol(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(ProgrammingError), gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("SELECT 1; SELECT 2"))


def test_only_the_operator_admits(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(DBAPIError) as error, gate.open(Scope.system(tenant_a)) as session:
        admit(session, tenant_id=TenantId(new_id()))
    assert refused(error)


def test_two_tenants_can_never_hold_one_key(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    key, mine = os.urandom(16), new_id()
    with gate.open(Scope.system(tenant_a)) as session:
        register(session, kind="number", key=key, ref_id=mine)
    with gate.open(Scope.system(tenant_b)) as session:
        with pytest.raises(KeyTakenError):
            register(session, kind="number", key=key, ref_id=new_id())
        assert not unregister(session, kind="number", key=key)
    entry = gate.resolve("number", key)
    assert entry is not None
    assert (entry.tenant_id, entry.ref_id) == (tenant_a, mine)
    assert gate.resolve("session", key) is None


def test_a_connection_made_before_a_fork_is_refused_after_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.ping()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(ForkedConnectionError):
        gate.ping()


def test_threads_sharing_two_connections_see_their_own_tenant_only(
    database: DatabaseUrls, prepared: Prepared, root_key: FileRootKey, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    shared = Gate(database.app, context_key=root_key.derive("context/v1"), pool_size=1)
    foreign: list[object] = []

    def work(tenant: TenantId) -> None:
        for _ in range(40):
            with shared.open(Scope.system(tenant)) as session:
                seen = session.execute(WHO).scalar_one()
                if seen != tenant:
                    foreign.append(seen)

    threads = [threading.Thread(target=work, args=(t,)) for t in (tenant_a, tenant_b) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    assert foreign == []


def test_the_catalogue_has_the_shape_the_walls_need(gate: Gate) -> None:
    assert [v for v in catalogue.violations(gate) if v.rule != catalogue.BELOW_FLOOR] == []


def test_many_keys_are_asked_after_in_one_question(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    ours, theirs, gone = b"1" * 32, b"2" * 32, b"3" * 32
    for tenant, key in ((tenant_a, ours), (tenant_b, theirs), (tenant_b, gone)):
        with gate.open(Scope.system(tenant)) as session:
            register(session, kind="session", key=key, ref_id=new_id())
    with gate.open(Scope.system(tenant_b)) as session:
        unregister(session, kind="session", key=gone)
    assert gate.known("session", [ours, theirs, gone, b""]) == {ours, theirs}
    assert gate.known("api-key", [ours]) == set()
    assert gate.known("session", []) == set()
