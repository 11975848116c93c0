"""Taking in much usage: in batches of 50,000, each its own transaction, the next one staged meanwhile.

A batch is staged by one thread (ours works) while the database takes in the one before (PostgreSQL works), so
that both of two processors have something to do. What was taken in stands: a repeat of the whole finds
duplicates.
"""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from uuid import UUID

from billing import staging
from billing.staging import Counts
from billing.usage import Usage
from core.ids import TenantId
from security.gate import Gate, Scope

BATCH = 50_000
"""Events of one transaction."""


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
    left = iter(usages)
    so_far = Counts(0, 0, 0, 0, 0)

    def stage() -> UUID | None:
        batch = list(itertools.islice(left, BATCH))
        return staging.stage(bill_url, tenant_id=tenant_id, usages=batch) if batch else None

    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(stage)
        while (batch_id := waiting.result()) is not None:
            waiting = beside.submit(stage)
            with gate.open(Scope.system(tenant_id)) as session:
                done = staging.take_in(session, tenant_id=tenant_id, batch_id=batch_id)
            so_far = Counts(*map(sum, zip(astuple(so_far), astuple(done), strict=True)))
            moved(so_far)
    return so_far
