"""Targets of tiers and queues, and what became of them."""

from pydantic import Field

from core import ids
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward
from web.guards import permission
from web.shown import targets as shown
from web.shown.targets import Promise

_LONGEST_DAYS = 92


class TargetQuery(Inward):
    """Over how long."""

    days: int = Field(default=7, ge=1, le=_LONGEST_DAYS, description="How many days back calls count.")


class TargetOut(Outward):
    """One tier or queue: what share of its calls was to be answered in time, and what share was."""

    tier: str = Field(description="A tier's code; empty of a queue.")
    queue: str | None = Field(description="A queue; null of a tier.")
    name: str
    target_s: int
    target_percent: int
    offered: int
    answered_in_time: int
    abandoned: int
    percent: float | None = Field(description="Answered in time, of all; null when nobody called.")
    kept: bool
    overdue_work_orders: int


class TargetsOut(Outward):
    """Tiers, then queues."""

    data: list[TargetOut]


@pages.get("/routing/targets")
@permission("queues.read")
@operation(tag="Routing", answers={200: TargetsOut}, operation_id="getRoutingTargets")
def get_targets(query: TargetQuery) -> TargetsOut:
    """Look at what was promised of tiers and queues, and what was kept."""
    found = shown.of(scope.session(), tenant_id=identity.current().tenant_id, days=query.days)
    return TargetsOut(data=[_told(one) for one in (*found.tiers, *found.queues)])


def _told(one: Promise) -> TargetOut:
    return TargetOut(
        tier=one.tier,
        queue=ids.public("que", one.queue_id) if one.queue_id else None,
        name=one.name,
        target_s=one.target_s,
        target_percent=one.target_percent,
        offered=one.figures.offered,
        answered_in_time=one.figures.within,
        abandoned=one.figures.abandoned,
        percent=one.percent,
        kept=one.is_kept,
        overdue_work_orders=one.overdue,
    )
