"""Columns in PostgreSQL's binary form say what the driver's own adapting would."""

import datetime as dt
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from core import columns
from core.ids import TenantId, new_ids
from security.gate import Gate, Scope

AT = dt.datetime(1987, 3, 29, 0, 59, 59, 999_999, tzinfo=dt.UTC)
SOME = uuid5(NAMESPACE_URL, "seatline")
COLUMNS = [
    (columns.texts, ["", "a", None, "计费 ü", "a"]),
    (columns.uuids, [SOME, None, SOME.bytes]),
    (columns.int4s, [0, -1, None, 2**31 - 1]),
    (columns.int4s, [1, 2, 3]),
    (columns.int8s, [0, -1, None, 2**63 - 1]),
    (columns.int8s, [5, -(2**63)]),
    (columns.instants, [AT, AT + dt.timedelta(days=20_000)]),
    (columns.int8s, []),
    (columns.texts, []),
]


@pytest.mark.parametrize(("make", "values"), COLUMNS)
def test_a_column_arrives_as_it_was(gate: Gate, tenant_a: TenantId, make: Any, values: list[Any]) -> None:
    with gate.open(Scope.system(tenant_a)) as session, columns.cursor(session) as cursor:
        found = cursor.execute("SELECT %s", (make(values),)).fetchone()
    assert found is not None
    assert found[0] == [UUID(bytes=one) if isinstance(one, bytes) else one for one in values]


def test_many_ids_are_of_version_7_and_differ() -> None:
    made = [UUID(bytes=one) for one in new_ids(500)]
    assert {(one.version, one.variant) for one in made} == {(7, SOME.variant)}
    assert len(set(made)) == 500
