"""Trying the traffic models on a company's own past calls."""

from pydantic import Field

from core import ids
from telephony.routing import trials
from telephony.routing.simulator import WITHIN_MS
from telephony.routing.trials import Asked, Trial
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward
from web.guards import permission

_TAG = "Routing"
_EXAMPLE_DAYS = 1


class TrialIn(Inward):
    """What is tried."""

    days: int = Field(
        default=7, ge=trials.DAYS[0], le=trials.DAYS[1], description="How far back calls are taken."
    )
    people: int = Field(
        ge=trials.PEOPLE[0], le=trials.PEOPLE[1], description="At work while calls come.", examples=[12]
    )
    more: int = Field(
        default=0,
        ge=trials.MORE[0],
        le=trials.MORE[1],
        description="Tried as well with so many more people, or fewer.",
        examples=[3],
    )
    slower_percent: int = Field(
        default=0,
        ge=trials.SLOWER[0],
        le=trials.SLOWER[1],
        description="So much longer a call takes that is answered away from home.",
        examples=[15],
    )
    example: bool = Field(default=False, description="Of a worked example instead of your own calls.")


class TriedModel(Outward):
    """What one model made of the calls with so many people; shares from 0 to 1."""

    model: str = Field(
        description="A traffic model, or `pooled`: everybody serves everything, a bound and no model.",
        examples=["brand-region-progressive"],
    )
    people: int
    service_level: float = Field(description=f"Answered within {WITHIN_MS // 1000} s, of all calls.")
    worst_service_level: float = Field(description="That of the group of callers that fared worst.")
    worst_queue: str | None = Field(description="Its queue; null in the worked example.")
    worst_region: str
    abandonment: float
    utilisation: float = Field(description="Share of the people's time spent on calls.")
    mean_wait_s: float
    wait_95_s: float = Field(description="95 of 100 answered calls waited no longer.")
    away: float = Field(
        description="Share of answered calls that went to another region's or queue's people."
    )
    idle_beside_waiting: float | None = Field(
        description="Share of the people's time in which they were free while callers waited for others; "
        "null in a trial made before this was counted.",
        examples=[0.04],
    )


class TrialOut(Outward):
    """A trial and how far it is; `models` is filled when `ended_at` is."""

    days: int
    people: int
    more: int
    slower_percent: int
    example: bool
    asked_at: Instant
    percent: int = Field(description="How far it is.", examples=[40])
    ended_at: Instant | None
    calls: int = Field(description="So many calls were tried.")
    models: list[TriedModel]


@pages.post("/routing/trial")
@permission("queues.write")
@operation(tag=_TAG, answers={202: TrialOut}, errors=(409,), operation_id="tryRouting")
def try_routing(json: TrialIn) -> tuple[TrialOut, int]:
    """Have each traffic model tried on past calls, in place of the trial before. Nothing else changes."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    days = _EXAMPLE_DAYS if json.example else json.days
    asked = Asked(days, json.people, json.more, json.example, json.slower_percent)
    trials.ask(session, tenant_id=tenant_id, asked=asked)
    return _shown(trials.read(session, tenant_id=tenant_id)), 202


@pages.get("/routing/trial")
@permission("queues.read")
@operation(tag=_TAG, answers={200: TrialOut}, errors=(404,), operation_id="getRoutingTrial")
def get_trial() -> TrialOut:
    """Look at the latest trial: how far it is, and what it found."""
    return _shown(trials.read(scope.session(), tenant_id=identity.current().tenant_id))


def _shown(one: Trial) -> TrialOut:
    return TrialOut(
        days=one.asked.days,
        people=one.asked.people,
        more=one.asked.more,
        slower_percent=one.asked.slower_percent,
        example=one.asked.is_example,
        asked_at=one.asked_at,
        percent=one.percent,
        ended_at=one.ended_at,
        calls=one.calls,
        models=[
            TriedModel(
                model=arm.arm,
                people=arm.people,
                service_level=arm.service_level,
                worst_service_level=arm.worst,
                worst_queue=ids.public("que", arm.worst_queue)
                if arm.worst_queue and not one.asked.is_example
                else None,
                worst_region=arm.worst_region,
                abandonment=arm.abandonment,
                utilisation=arm.utilisation,
                mean_wait_s=arm.wait_s,
                wait_95_s=arm.wait_95_s,
                away=arm.away,
                idle_beside_waiting=arm.idle_beside,
            )
            for arm in one.arms
        ],
    )
