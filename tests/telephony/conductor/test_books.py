"""The books: in order per subject, together where they may, urgent work first."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.ids import TenantId
from security.gate import Gate, Scope
from telephony.conductor.books import Books

ONE, TWO = UUID(int=4), UUID(int=8)  # two subjects of one thread


def keep(gate: Gate, work: Callable[[Books], Awaitable[None]]) -> None:
    async def whole() -> None:
        books = Books(gate)
        try:
            await work(books)
        finally:
            await asyncio.to_thread(books.close, timeout_s=5)

    asyncio.run(whole())


def transaction(session: Session) -> int:
    return int(session.execute(text("SELECT txid_current()")).scalar_one())


def test_what_waits_for_one_company_is_written_in_one_transaction(gate: Gate, tenant_a: TenantId) -> None:
    async def work(books: Books) -> None:
        written = [books.enter(ONE, Scope.system(tenant_a), transaction) for _ in range(3)]
        assert len(set(await asyncio.gather(*written))) == 1

    keep(gate, work)


def test_one_that_fails_takes_no_other_with_it(gate: Gate, tenant_a: TenantId) -> None:
    def fail(session: Session) -> None:
        session.execute(text("SELECT 1/0"))

    async def work(books: Books) -> None:
        done: list[str] = []
        scope = Scope.system(tenant_a)
        before = books.enter(ONE, scope, transaction, then=lambda: done.append("before"))
        failed = books.enter(ONE, scope, fail, then=lambda: done.append("never"))
        after = books.enter(ONE, scope, transaction, then=lambda: done.append("after"))
        await asyncio.wait([before, failed, after])
        assert failed.exception() is not None
        assert before.result() != after.result()
        assert done == ["before", "after"]

    keep(gate, work)


@pytest.mark.parametrize(
    ("urgent", "order"),
    [(TWO, ["urgent", "first", "second"]), (ONE, ["first", "urgent", "second"])],
    ids=["of another subject", "of the same subject"],
)
def test_urgent_work_overtakes_other_subjects_only(
    gate: Gate, tenant_a: TenantId, urgent: UUID, order: list[str]
) -> None:
    async def work(books: Books) -> None:
        done: list[str] = []
        free = threading.Event()
        scope = Scope.system(tenant_a)
        begun = books.write(ONE, lambda: free.wait(10))
        waiting = [
            books.enter(ONE, scope, transaction, then=lambda: done.append("first")),
            books.enter(urgent, scope, transaction, is_urgent=True, then=lambda: done.append("urgent")),
            books.enter(UUID(int=12), scope, transaction, then=lambda: done.append("second")),
        ]
        await asyncio.sleep(0.1)  # they stand behind one another now
        free.set()
        await asyncio.gather(begun, *waiting)
        assert done == order

    keep(gate, work)


def test_the_ring_leaves_before_a_thread_is_woken(gate: Gate) -> None:
    async def work(books: Books) -> None:
        done: list[str] = []

        async def ring() -> None:
            done.append("ring")

        written = books.write(ONE, lambda: done.append("written"))
        threading.Event().wait(0.05)  # the loop is busy with the rest of this turn
        await asyncio.gather(asyncio.create_task(ring()), written)
        assert done == ["ring", "written"]

    keep(gate, work)
