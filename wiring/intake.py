"""Taking in much usage: in batches of 50,000, each its own transaction, two at once and the next one staged.

Events go two lanes, by their keys: what has one key goes one lane, in the order in which it came, so that the
first of two that contradict each other is the one that counts, and no lane waits for another's keys. Our
thread stages a lane's next batch while the database takes in the ones before, so that both of two processors
have something to do. What was taken in stands: a repeat of the whole finds duplicates.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple
from uuid import UUID

from billing import staging
from billing.staging import Counts
from billing.usage import Usage
from core.ids import TenantId
from security.gate import Gate, Scope

BATCH = 50_000
"""Events of one transaction."""
LANES = 2


def take_in(
    gate: Gate,
    bill_url: str,
    *,
    tenant_id: TenantId,
    usages: Iterable[Usage],
    moved: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Take in any number of events of one company and return the sum of what became of them.

    Args:
        gate: the way into walls.
        bill_url: the billing role's address.
        tenant_id: whose usage it is.
        usages: the events, read as they are needed.
        moved: is told the sum after each batch.
    """
    so_far = Counts(0, 0, 0, 0, 0)
    lanes: tuple[list[Usage], ...] = tuple([] for _ in range(LANES))
    under_way: dict[int, Future[Counts]] = {}

    def take(batch_id: UUID) -> Counts:
        with gate.open(Scope.system(tenant_id)) as session:
            return staging.take_in(session, tenant_id=tenant_id, batch_id=batch_id)

    def settle(lane: int) -> None:
        nonlocal so_far
        if lane in under_way:
            done = under_way.pop(lane).result()
            so_far = Counts(*map(sum, zip(astuple(so_far), astuple(done), strict=True)))
            moved(so_far)

    with ThreadPoolExecutor(LANES) as beside:

        def send(lane: int) -> None:
            batch_id = staging.stage(bill_url, tenant_id=tenant_id, usages=lanes[lane])
            lanes[lane].clear()
            settle(lane)
            under_way[lane] = beside.submit(take, batch_id)

        for usage in usages:
            lane = hash((usage.source, usage.event_id)) % LANES
            lanes[lane].append(usage)
            if len(lanes[lane]) == BATCH:
                send(lane)
        for lane in range(LANES):
            if lanes[lane]:
                send(lane)
        for lane in range(LANES):
            settle(lane)
    return so_far
