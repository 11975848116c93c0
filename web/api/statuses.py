"""Why agents are away, in the company's own words."""

from flask import Response
from pydantic import Field

from seats import statuses
from seats.statuses import LONGEST_LABEL, Status
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward, Text
from web.guards import permission

_TAG = "Agents' statuses"


class StatusShown(Outward):
    """One reason to be away."""

    code: str = Field(examples=["coaching"])
    label_en: str
    label_zh: str
    position: int


class Statuses(Outward):
    """The company's own, in the order agents see them; break, meal and the like are everybody's."""

    data: list[StatusShown]


class StatusPut(Inward):
    """A status as it is to be."""

    label_en: Text = Field(min_length=1, max_length=LONGEST_LABEL, examples=["Coaching"])
    label_zh: Text = Field(min_length=1, max_length=LONGEST_LABEL, examples=["辅导"])
    position: int = Field(default=0, ge=0, le=10_000)


@pages.get("/agent-statuses")
@permission("queues.read")
@operation(tag=_TAG, answers={200: Statuses}, operation_id="listAgentStatuses")
def list_statuses() -> Statuses:
    """List why agents may be away, in the company's own words."""
    found = statuses.offered(scope.session(), tenant_id=identity.current().tenant_id)
    return Statuses(data=[_shown(one) for one in found])


@pages.put("/agent-statuses/<code>")
@permission("queues.write")
@operation(tag=_TAG, answers={200: StatusShown}, operation_id="putAgentStatus")
def put_status(code: str, json: StatusPut) -> StatusShown:
    """Add a status, or change its words and place. Agents are offered it within a minute."""
    made = Status(code, json.label_en, json.label_zh, json.position)
    statuses.define(scope.session(), tenant_id=identity.current().tenant_id, status=made)
    return _shown(made)


@pages.delete("/agent-statuses/<code>")
@permission("queues.write")
@operation(tag=_TAG, answers={204: None}, errors=(404,), operation_id="retireAgentStatus")
def retire_status(code: str) -> Response:
    """Offer a status no longer; who is in it stays in it until they choose another."""
    statuses.retire(scope.session(), tenant_id=identity.current().tenant_id, code=code)
    return Response(status=204)


def _shown(one: Status) -> StatusShown:
    return StatusShown(code=one.code, label_en=one.label_en, label_zh=one.label_zh, position=one.position)
