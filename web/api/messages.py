"""Messages to the company's agents: written over the API, seen at their consoles until each has read them."""

from typing import Annotated

from pydantic import Field

from core import ids
from core.ids import QueueId
from seats import messages
from seats.messages import LONGEST, Message
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward
from web.guards import permission
from web.shown import messages as shown

_TAG = "Messages to the team"


class TeamMessageNew(Inward):
    """A message to agents."""

    text: Annotated[
        str, Field(min_length=1, max_length=LONGEST, examples=["The website is down: say we know."])
    ]
    queue: str | None = Field(
        default=None,
        description="To those who serve this queue; left out: to everybody.",
        examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )


class TeamMessageShown(Outward):
    """A message to agents, and how far it has been read."""

    id: str = Field(examples=["msg_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    text: str
    queue: str | None
    from_agent: int | None = Field(description="The leader's number; null: from your pages or programs.")
    sent_at: Instant
    readers: int = Field(description="For how many agents it is.")
    have_read: int = Field(description="How many of them have said that they have read it.")


class TeamMessages(Outward):
    """The last twenty of the last thirty days, newest first."""

    data: list[TeamMessageShown]


@pages.get("/team-messages")
@permission("queues.read")
@operation(tag=_TAG, answers={200: TeamMessages}, operation_id="listTeamMessages")
def list_messages() -> TeamMessages:
    """List messages to the team, and how far each has been read."""
    found = messages.recent(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return TeamMessages(data=[_shown(one) for one in found])


@pages.post("/team-messages")
@permission("queues.write")
@operation(tag=_TAG, answers={201: TeamMessageShown}, errors=(404,), operation_id="writeToTeam")
def write_message(json: TeamMessageNew) -> tuple[TeamMessageShown, int]:
    """Write to the company's agents, or to those of one queue; they see it until they have read it."""
    who = identity.current()
    made = shown.send(
        scope.session(),
        tenant_id=who.tenant_id,
        text=json.text,
        queue_id=QueueId(ids.parse("que", json.queue)) if json.queue else None,
    )
    found = messages.recent(scope.session(), tenant_id=who.tenant_id, vault=scope.services().vault)
    return next(_shown(one) for one in found if one.message_id == made), 201


def _shown(one: Message) -> TeamMessageShown:
    return TeamMessageShown(
        id=ids.public("msg", one.message_id),
        text=one.text,
        queue=ids.public("que", one.queue_id) if one.queue_id else None,
        from_agent=one.from_agent,
        sent_at=one.sent_at,
        readers=one.readers,
        have_read=one.have_read,
    )
