"""G6: transactions of three companies, any way around, over two connections that break and are lent on.

A state machine opens transactions, leaves them open beside each other, writes, reads, fails, runs out of
time, loses its connection, and sets what it may on the connection. Whatever happened before, a row that is
read belongs to who reads, and exactly the committed rows are there.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session

from core.ids import TenantId
from core.phone import E164
from customers import records
from customers.models import CustomerRow
from customers.records import CustomerDetails
from security.gate import Gate, Scope
from security.keys import FileRootKey
from security.vault import Vault
from tests.conftest import Prepared, admitted
from wiring.prepare import DatabaseUrls

_COMPANIES = 3
_AT_ONCE = 2
_WHO = st.integers(0, _COMPANIES - 1)
_WHICH = st.integers(0, _AT_ONCE - 1)


class Opened:
    """A transaction that stays open while others are."""

    def __init__(self, gate: Gate, company: int, tenant_id: TenantId) -> None:
        self.company, self.tenant_id = company, tenant_id
        self.added = 0
        self._way: AbstractContextManager[Session] = gate.open(Scope.system(tenant_id))
        self.session = self._way.__enter__()

    def backend(self) -> int:
        """Return the server's process behind it."""
        return int(self.session.execute(text("SELECT pg_backend_pid()")).scalar_one())

    def close(self, *, failing: bool) -> bool:
        """End it, by an error or not; return whether it was committed."""
        try:
            if failing:
                self._way.__exit__(RuntimeError, RuntimeError("given up"), None)
                return False
            self._way.__exit__(None, None, None)
        except (DBAPIError, RuntimeError):
            return False
        return True


def house(gate: Gate, vault: Vault, admin_url: str, tenants: list[TenantId]) -> type[RuleBasedStateMachine]:
    """Return the machine over a gate with two connections."""
    numbers = count(1)

    class House(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[Opened] = []
            self.known = Counter[int]()
            with psycopg.connect(admin_url, autocommit=True) as admin:
                admin.execute("DELETE FROM app.customers")

        def teardown(self) -> None:
            for one in self.open:
                one.close(failing=True)

        @precondition(lambda self: len(self.open) < _AT_ONCE)
        @rule(company=_WHO)
        def begin(self, company: int) -> None:
            self.open.append(Opened(gate, company, tenants[company]))

        @precondition(lambda self: self.open)
        @rule(which=_WHICH)
        def add(self, which: int) -> None:
            one = self.open[which % len(self.open)]
            try:
                records.add(
                    one.session,
                    tenant_id=one.tenant_id,
                    vault=vault,
                    details=CustomerDetails(name="Made Up", phone=E164(f"+4470{next(numbers):08}")),
                )
            except DBAPIError:
                self.gone(one)
            else:
                one.added += 1

        @precondition(lambda self: self.open)
        @rule(which=_WHICH)
        def read(self, which: int) -> None:
            one = self.open[which % len(self.open)]
            try:
                found = one.session.scalars(select(CustomerRow.tenant_id)).all()
            except DBAPIError:
                self.gone(one)
                return
            assert set(found) <= {one.tenant_id}
            assert len(found) == self.known[one.company] + one.added

        @precondition(lambda self: self.open)
        @rule(which=_WHICH, other=_WHO)
        def reach_for_anothers(self, which: int, other: int) -> None:
            one = self.open[which % len(self.open)]
            if other == one.company:
                return
            try:
                found = one.session.execute(
                    text("SELECT count(*) FROM app.customers WHERE tenant_id = :other"),
                    {"other": tenants[other]},
                ).scalar_one()
            except DBAPIError:
                self.gone(one)
                return
            assert found == 0

        @precondition(lambda self: self.open)
        @rule(which=_WHICH, failing=st.booleans())
        def end(self, which: int, *, failing: bool) -> None:
            one = self.open.pop(which % len(self.open))
            if one.close(failing=failing):
                self.known[one.company] += one.added

        @precondition(lambda self: self.open)
        @rule(which=_WHICH)
        def run_out_of_time(self, which: int) -> None:
            one = self.open[which % len(self.open)]
            with pytest.raises(DBAPIError):
                one.session.execute(text("SELECT set_config('statement_timeout', '1', false), pg_sleep(0)"))
                one.session.execute(text("SELECT pg_sleep(1)"))
            self.gone(one)

        @precondition(lambda self: self.open)
        @rule(which=_WHICH)
        def be_killed(self, which: int) -> None:
            one = self.open[which % len(self.open)]
            try:
                backend = one.backend()
            except DBAPIError:
                self.gone(one)
                return
            with psycopg.connect(admin_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))

        @precondition(lambda self: self.open)
        @rule(which=_WHICH)
        def leave_something_behind(self, which: int) -> None:
            one = self.open[which % len(self.open)]
            try:
                one.session.execute(text("SELECT set_config('application_name', 'left', false)"))
                with pytest.raises(ProgrammingError), one.session.begin_nested():
                    kept = "SELECT set_config(name, setting, false) FROM pg_settings WHERE name = :name"
                    one.session.execute(text(kept), {"name": "backtrace_functions"})
            except DBAPIError:
                self.gone(one)

        @rule(company=_WHO)
        def come_and_go(self, company: int) -> None:
            """Be a request beside those that stay open; with both connections lent it takes a spare one."""
            with gate.open(Scope.system(tenants[company])) as session:
                found = session.scalars(select(CustomerRow.tenant_id)).all()
                left = session.execute(text("SELECT current_setting('application_name')")).scalar_one()
            assert set(found) <= {tenants[company]}
            assert len(found) == self.known[company]
            assert left == "seatline"

        @invariant()
        def nobody_stands_outside(self) -> None:
            with gate.outside() as connection, pytest.raises(DBAPIError):
                connection.execute(text("SELECT sec.tenant()"))

        def gone(self, one: Opened) -> None:
            """Give up a transaction that its database has given up."""
            self.open.remove(one)
            one.close(failing=True)

    return House


@pytest.fixture
def narrow(database: DatabaseUrls, root_key: FileRootKey) -> Iterator[Gate]:
    opened = Gate(database.app, context_key=root_key.derive("context/v1"), pool_size=_AT_ONCE)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "examples", [10, pytest.param(400, marks=[pytest.mark.deep, pytest.mark.timeout(1800)])]
)
def test_whatever_came_before_a_row_belongs_to_who_reads_it(
    narrow: Gate, vault: Vault, database: DatabaseUrls, prepared: Prepared, examples: int
) -> None:
    url = prepared.admin_url.rsplit("/", 1)[0] + "/" + database.app.rsplit("/", 1)[1]
    machine: Any = house(narrow, vault, url, [admitted(narrow) for _ in range(_COMPANIES)])
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
