"""A company's own past as calls to simulate: when they came, where, for how long.

What nobody saw is estimated: how long who gave up would have talked (the queue's mean), and how long who was
answered would have waited (from then on at the rate at which callers give up: a waiting time without memory,
whose mean is all waiting divided by all who gave up). Numbers are opened for their region and not kept.
"""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from core.ids import QueueId, TenantId
from security.vault import Field, Vault
from telephony.figures import INBOUND, NOT_OFFERED
from telephony.models import CallRow, CdrRow, CustomerTierRow, QueueRow
from telephony.routing.settings import RoutingSettings
from telephony.routing.simulator import SimulatedCall

MOST = 100_000
_USUAL_WORK_MS, _USUAL_PATIENCE_MS = 180_000, 120_000


def read(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    settings: RoutingSettings,
    since: dt.datetime,
    until: dt.datetime,
    seed: int = 1,
) -> Sequence[SimulatedCall]:
    """Return the calls that came to wait between two instants and are over, at most `MOST`, as they came.

    An agent's work on a call is its talk and the wrap-up its queue allows at most.
    """
    rows = session.execute(
        select(CallRow, CdrRow.wait_ms, CdrRow.talk_ms, CustomerTierRow.tier, QueueRow.wrap_up_s)
        .join(CdrRow, and_(CdrRow.tenant_id == CallRow.tenant_id, CdrRow.call_id == CallRow.id))
        .join(QueueRow, and_(QueueRow.tenant_id == CallRow.tenant_id, QueueRow.id == CallRow.queue_id))
        .outerjoin(
            CustomerTierRow,
            and_(
                CustomerTierRow.tenant_id == CallRow.tenant_id,
                CustomerTierRow.customer_id == CallRow.customer_id,
            ),
        )
        .where(*_waited(tenant_id, since, until))
        .order_by(CallRow.arrived_at, CallRow.id)
        .limit(MOST)
    ).all()
    worked: dict[QueueId, list[int]] = defaultdict(list)
    for call, _, talk_ms, _, wrap_up_s in rows:
        if call.bridged_at:
            worked[QueueId(call.queue_id)].append(talk_ms + 1000 * (wrap_up_s or 0))
    gave_up = sum(call.bridged_at is None for call, *_ in rows)
    patience_ms = sum(wait_ms for _, wait_ms, *_ in rows) / gave_up if gave_up else _USUAL_PATIENCE_MS
    chance = random.Random(seed)  # noqa: S311 - repeatable, and nobody's secret
    found = []
    for call, wait_ms, talk_ms, tier, wrap_up_s in rows:
        queue_id = QueueId(call.queue_id)
        mean = worked[queue_id]
        work_ms = talk_ms + 1000 * (wrap_up_s or 0)
        if call.bridged_at is None:
            work_ms = sum(mean) // len(mean) if mean else _USUAL_WORK_MS
        else:
            wait_ms += round(chance.expovariate(1 / max(1.0, patience_ms)))  # noqa: PLW2901 - as it would be
        found.append(
            SimulatedCall(
                int(call.arrived_at.timestamp() * 1000),
                queue_id,
                _region(vault, call, settings),
                max(1, work_ms),
                wait_ms,
                settings.tier(tier or "")[0],
            )
        )
    return found


def count(session: Session, *, tenant_id: TenantId, since: dt.datetime, until: dt.datetime) -> int:
    """Return how many calls `read` would find, were there no `MOST`."""
    ended = exists().where(CdrRow.tenant_id == CallRow.tenant_id, CdrRow.call_id == CallRow.id)
    return session.scalars(
        select(func.count()).select_from(CallRow).where(*_waited(tenant_id, since, until), ended)
    ).one()


def _waited(tenant_id: TenantId, since: dt.datetime, until: dt.datetime) -> list[ColumnElement[bool]]:
    """Calls that came in and went as far as to wait: where a flow or closed doors led is no routing's."""
    return [
        CallRow.tenant_id == tenant_id,
        CallRow.direction == INBOUND,
        CallRow.arrived_at >= since,
        CallRow.arrived_at < until,
        func.coalesce(CallRow.cause, "").not_in(NOT_OFFERED),
        CallRow.room_id.is_(None),
    ]


def _region(vault: Vault, call: CallRow, settings: RoutingSettings) -> str:
    if not settings.regions or call.caller_ct is None:
        return ""
    field = Field(TenantId(call.tenant_id), "calls", "caller", call.id, 1)
    return settings.region_of(vault.open(field, call.caller_ct))
