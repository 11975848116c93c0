"""Long files of usage go in batch by batch, and a second time as duplicates."""

import gc
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from billing import bulk
from billing.models import RatedChargeRow, UsageBatchRow
from billing.staging import Counts
from billing.usage import Usage
from core.ids import TenantId
from security.gate import Gate, Scope
from tests.billing import stock
from wiring import intake
from wiring.prepare import DatabaseUrls


def test_each_batch_stands_by_itself_and_the_sum_is_told(
    gate: Gate, alice: TenantId, database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 4)
    usages = [stock.usage(f"e-{n}", seconds=n) for n in range(10)]
    told: list[Counts] = []
    found = intake.take_in(gate, database.bill, tenant_id=alice, usages=iter(usages), moved=told.append)
    assert found == Counts(received=10, accepted=10, duplicate=0, conflict=0, rejected=0)
    assert [one.received for one in told] == [4, 8, 10]
    again = intake.take_in(gate, database.bill, tenant_id=alice, usages=usages)
    assert again == Counts(received=10, accepted=0, duplicate=10, conflict=0, rejected=0)
    with gate.open(Scope.system(alice)) as session:
        assert session.scalar(select(func.count()).select_from(UsageBatchRow)) == 6
        assert session.scalar(select(func.count()).select_from(RatedChargeRow)) == 10


def test_a_source_that_fails_leaves_what_stood_before(
    gate: Gate, alice: TenantId, database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)

    def torn() -> Iterator[Usage]:
        yield from (stock.usage(f"e-{n}") for n in range(3))
        raise EOFError

    with pytest.raises(EOFError):
        intake.take_in(gate, database.bill, tenant_id=alice, usages=torn())
    with gate.open(Scope.system(alice)) as session:
        assert session.scalar(select(func.count()).select_from(RatedChargeRow)) == 2


def test_the_collector_is_back_after_a_batch_that_failed() -> None:
    with pytest.raises(EOFError), bulk.uncollected():
        assert not gc.isenabled()
        raise EOFError
    assert gc.isenabled()
