"""Which agents lead the company's team, and what each of them may do."""

from typing import Literal

from pydantic import Field

from seats.roster import Lead
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward
from web.guards import permission
from web.shown import leaders

_TAG = "Team leaders"
_ACTS = Literal["listen", "whisper", "barge", "take-over", "move", "force", "assign", "broadcast"]
_WORDS = (
    "`listen`: nobody hears them; `whisper`: the agent alone does; `barge`: everybody; `take-over`: a call in"
    " hand; `move`: waiting callers to another queue; `force`: an agent's status; `assign`: the queues an"
    " agent serves; `broadcast`: a message to the team."
)


class LeaderIn(Inward):
    """What an agent may do as a leader."""

    agent: int = Field(ge=1, le=999_999, description="The number callers are told.", examples=[1002])
    may: list[_ACTS] = Field(max_length=8, description=_WORDS, examples=[["listen", "whisper"]])


class LeadersIn(Inward):
    """The agents that are to be changed; the others stay as they are."""

    data: list[LeaderIn] = Field(max_length=2000)


class LeaderOut(Outward):
    """What an agent may do as a leader."""

    agent: int
    may: list[str] = Field(description=_WORDS)


class LeadersOut(Outward):
    """Every agent who works for the company, by number; who may nothing leads nobody."""

    data: list[LeaderOut]


@pages.get("/team-leaders")
@permission("queues.read")
@operation(tag=_TAG, answers={200: LeadersOut}, operation_id="listTeamLeaders")
def list_leaders() -> LeadersOut:
    """List what each agent may do as a leader of the company's team."""
    return _shown()


@pages.put("/team-leaders")
@permission("queues.write")
@operation(tag=_TAG, answers={200: LeadersOut}, errors=(403,), operation_id="setTeamLeaders")
def set_leaders(json: LeadersIn) -> LeadersOut:
    """Say what agents may do as leaders. It counts from their next act on."""
    wanted = {one.agent: frozenset(map(Lead, one.may)) for one in json.data}
    leaders.change(scope.session(), tenant_id=identity.current().tenant_id, leads=wanted)
    return _shown()


def _shown() -> LeadersOut:
    found = leaders.of_company(tenant_id=identity.current().tenant_id)
    return LeadersOut(data=[LeaderOut(agent=one, may=sorted(acts)) for one, acts in sorted(found.items())])
