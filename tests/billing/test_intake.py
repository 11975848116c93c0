"""Long files of usage go in batch by batch, and a second time as duplicates."""

import contextlib
import gc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from sqlalchemy import func, select

from billing import bulk
from billing.models import RatedChargeRow, UsageBatchRow, UsageEventRow
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
    assert [one.received for one in told][-1] == 10
    assert all(0 < after.received - before.received <= 4 for before, after in pairwise(told))
    again = intake.take_in(gate, database.bill, tenant_id=alice, usages=usages)
    assert again == Counts(received=10, accepted=0, duplicate=10, conflict=0, rejected=0)
    with gate.open(Scope.system(alice)) as session:
        assert session.scalar(select(func.count()).select_from(UsageBatchRow)) == 2 * len(told)
        assert session.scalar(select(func.count()).select_from(RatedChargeRow)) == 10


def test_a_source_that_fails_leaves_what_stood_before(
    gate: Gate, alice: TenantId, database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)

    def torn() -> Iterator[Usage]:
        yield from (stock.usage(f"e-{n}") for n in range(4))  # two of a lane at least
        raise EOFError

    with pytest.raises(EOFError):
        intake.take_in(gate, database.bill, tenant_id=alice, usages=torn())
    with gate.open(Scope.system(alice)) as session:
        assert session.scalar(select(func.count()).select_from(RatedChargeRow)) in {2, 4}


def test_the_first_of_a_file_counts_however_many_contradict_it(
    gate: Gate, alice: TenantId, database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 3)
    usages = [stock.usage(f"e-{n % 7}", seconds=1 + n) for n in range(70)]
    found = intake.take_in(gate, database.bill, tenant_id=alice, usages=usages)
    assert found == Counts(received=70, accepted=7, duplicate=0, conflict=63, rejected=0)
    with gate.open(Scope.system(alice)) as session:
        kept = session.execute(select(UsageEventRow.event_id, UsageEventRow.quantity_ms)).all()
    assert sorted(kept) == [(f"e-{n}", 1000 * (1 + n)) for n in range(7)]


def test_the_collector_is_back_after_a_batch_that_failed() -> None:
    with pytest.raises(EOFError), bulk.uncollected():
        assert not gc.isenabled()
        raise EOFError
    assert gc.isenabled()


def test_the_collector_rests_until_the_last_of_two_batches_is_through() -> None:
    first, second = bulk.uncollected(), bulk.uncollected()
    with contextlib.ExitStack() as of_the_second:
        with first:
            of_the_second.enter_context(second)
        assert not gc.isenabled()
    assert gc.isenabled()
