"""How often agents look behind masks, how often they may, and more of it for an hour."""

from flask import Response
from pydantic import Field

from customers.budgets import MOST_EXTRA, MOST_PER_HOUR, Allowed
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward
from web.guards import permission
from web.shown import looks

_HIDES = "Whether agents see calling code and dots in place of numbers, and may open none."
_HEARS = "Whether agents hear the messages left for queues they serve, each time saying what for."


class Looker(Outward):
    """One agent's last hour."""

    id: str = Field(examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: int = Field(description="What callers hear announced.")
    used: int
    allowed: int = Field(description="The company's budget, and what was granted on top.")


class LookBudget(Outward):
    """How many fields an agent may open in an hour, who opened how many, and what else they see and hear."""

    per_hour: int
    hides_numbers: bool = Field(description=_HIDES)
    hears_messages: bool = Field(description=_HEARS)
    agents: list[Looker]


class LookBudgetPut(Inward):
    """The budget as it is to be, and what else agents see and hear."""

    per_hour: int = Field(ge=0, le=MOST_PER_HOUR)
    hides_numbers: bool | None = Field(default=None, description=f"{_HIDES} Left out: as it is.")
    hears_messages: bool | None = Field(default=None, description=f"{_HEARS} Left out: as it is.")


class LookGrant(Inward):
    """More looks for an hour."""

    extra: int = Field(ge=1, le=MOST_EXTRA, examples=[5])


@pages.get("/looks")
@permission("customers.read")
@operation(tag="Looks", answers={200: LookBudget}, operation_id="getLooks")
def get_looks() -> LookBudget:
    """Read how often agents looked behind masks in the last hour, and how often they may."""
    return _shown()


@pages.put("/looks")
@permission("settings.write")
@operation(tag="Looks", answers={200: LookBudget}, operation_id="setLookBudget")
def set_look_budget(json: LookBudgetPut) -> LookBudget:
    """Say how many looks an hour each agent has, and what else they see and hear; 0 lets nobody look."""
    now = looks.allowed()
    looks.allow(
        Allowed(
            per_hour=json.per_hour,
            hears_messages=now.hears_messages if json.hears_messages is None else json.hears_messages,
            hides_numbers=now.hides_numbers if json.hides_numbers is None else json.hides_numbers,
        )
    )
    return _shown()


@pages.post("/looks/<agent_id>/grant")
@permission("customers.write")
@operation(tag="Looks", answers={204: None}, errors=(404, 409), operation_id="grantLooks")
def grant_looks(agent_id: str, json: LookGrant) -> Response:
    """Let one agent look more often for an hour."""
    looks.grant(agent_id, extra=json.extra)
    return Response(status=204)


def _shown() -> LookBudget:
    now = looks.allowed()
    return LookBudget(
        per_hour=now.per_hour,
        hides_numbers=now.hides_numbers,
        hears_messages=now.hears_messages,
        agents=[
            Looker(id=one.id, number=one.number, used=one.used, allowed=one.allowed) for one in looks.agents()
        ],
    )
