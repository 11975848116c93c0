"""What callers rated whose agent had hung up."""

from pydantic import Field

from core import ids
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward
from web.guards import permission
from web.shown import surveys as shown


class SurveysQuery(Inward):
    """Of which calls."""

    days: int = Field(default=30, ge=1, le=366, description="Those that came in so many days until now.")


class QueueRatings(Outward):
    """What the callers of one queue rated on one scale."""

    queue: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str = Field(examples=["Deliveries"])
    best: int = Field(description="The best rating; 1 is the worst.", examples=[5])
    asked: int = Field(description="Callers who were asked.", examples=[120])
    given: int = Field(description="Of these, how many gave a rating.", examples=[84])
    ratings: dict[str, int] = Field(
        description="How often each was given.", examples=[{"1": 2, "2": 3, "3": 9, "4": 30, "5": 40}]
    )
    mean_rating: str | None = Field(description="To a tenth; null: none was given.", examples=["4.2"])


class Surveys(Outward):
    """What was rated, by the queue's name; a queue that has changed its scale has one entry for each."""

    data: list[QueueRatings]


class AgentRatingsShown(Outward):
    """What the callers of one agent rated on one scale, in all queues that have it."""

    agent: int = Field(description="The agent's number.", examples=[1001])
    best: int = Field(description="The best rating; 1 is the worst.", examples=[5])
    asked: int = Field(description="Callers who were asked.", examples=[40])
    given: int = Field(description="Of these, how many gave a rating.", examples=[28])
    ratings: dict[str, int] = Field(
        description="How often each was given.", examples=[{"1": 0, "2": 1, "3": 3, "4": 10, "5": 14}]
    )
    mean_rating: str | None = Field(description="To a tenth; null: none was given.", examples=["4.3"])
    are_few: bool = Field(description="Fewer than ten ratings: they say little of the agent.")


class AgentSurveys(Outward):
    """What was rated, by the agent's number; one who was rated on two scales has one entry for each."""

    data: list[AgentRatingsShown]


@pages.get("/surveys/agents")
@permission("queues.read")
@operation(tag="Queues", answers={200: AgentSurveys}, operation_id="listAgentRatings")
def list_agent_ratings(query: SurveysQuery) -> AgentSurveys:
    """Count what callers rated, agent by agent. Of a call that several agents had it is the last one's."""
    found = shown.of_agents(scope.session(), tenant_id=identity.current().tenant_id, days=query.days)
    return AgentSurveys(
        data=[
            AgentRatingsShown(
                agent=one.agent_number,
                best=one.most,
                asked=one.asked,
                given=one.given,
                ratings={str(rating): count for rating, count in one.counts.items()},
                mean_rating=str(one.mean) if one.mean is not None else None,
                are_few=one.are_few,
            )
            for one in found
        ]
    )


@pages.get("/surveys")
@permission("queues.read")
@operation(tag="Queues", answers={200: Surveys}, operation_id="listSurveys")
def list_surveys(query: SurveysQuery) -> Surveys:
    """Count what callers rated when their agent had hung up. What a flow asks is in its figures."""
    found = shown.of(scope.session(), tenant_id=identity.current().tenant_id, days=query.days)
    return Surveys(
        data=[
            QueueRatings(
                queue=ids.public("que", one.queue_id),
                name=one.queue_name,
                best=one.most,
                asked=one.asked,
                given=one.given,
                ratings={str(rating): count for rating, count in one.counts.items()},
                mean_rating=str(one.mean) if one.mean is not None else None,
            )
            for one in found
        ]
    )
