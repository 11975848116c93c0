"""Messages callers have left, as an agent of their queue has them: call back, or say that it is done.

An agent hears none of them: to hear a recording is a right of the company's own people, in the portal.
"""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint
from flask_babel import gettext
from sqlalchemy.orm import Session

from core.ids import CallId, QueueId, TenantId, parse, public
from core.phone import mask
from seats.desk import ServingAgent
from telephony import voicemail
from telephony.errors import WorkItemNotFoundError
from telephony.voicemail import Message
from web import scope
from web.console import desk
from web.guards import permission

_MOST = 20


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.post("/voicemails/<company>/<call_id>/kept")(message_done)


@permission("calls.wrap")
def message_done(company: str, call_id: str) -> tuple[str, int]:
    """Say that a message is done: the caller was called, or there was nothing to do."""
    tenant_id = TenantId(parse("ten", company))
    with desk.operator() as session:
        one = desk.serving(session)
    if tenant_id not in one.clients:
        raise WorkItemNotFoundError
    with desk.walls(tenant_id) as walls:
        take(walls, one, tenant_id, CallId(parse("call", call_id)), is_done=True)
    return "", 204


def take(
    walls: Session, one: ServingAgent, tenant_id: TenantId, call_id: CallId, *, is_done: bool = False
) -> None:
    """Make a message this agent's.

    Raises:
        WorkItemNotFoundError: none was left in this call for a queue they serve.
        MessageTakenError: another agent has taken it on.
    """
    insist(walls, one, tenant_id, call_id)
    voicemail.take(
        walls, tenant_id=tenant_id, call_id=call_id, agent_number=one.agent.number, is_done=is_done
    )


def insist(walls: Session, one: ServingAgent, tenant_id: TenantId, call_id: CallId) -> None:
    """Insist that a message was left in a call for a queue this agent serves.

    Raises:
        WorkItemNotFoundError: none was.
    """
    if voicemail.left_for(walls, tenant_id=tenant_id, call_id=call_id) not in served(one, tenant_id):
        raise WorkItemNotFoundError


def shown(one: ServingAgent) -> list[dict[str, Any]]:
    """Return the messages for the agent's queues that are nobody's yet, or theirs; the oldest first."""
    lines: list[dict[str, Any]] = []
    for tenant_id in sorted(one.clients):
        with desk.walls(tenant_id) as walls:
            found = voicemail.page(
                walls,
                tenant_id=tenant_id,
                vault=scope.services().vault,
                queue_ids=served(one, tenant_id),
                open_to=one.agent.number,
                limit=_MOST,
            )
        lines += _lines(tenant_id, found)
    return sorted(lines, key=lambda line: line["left_at"])


def served(one: ServingAgent, tenant_id: TenantId) -> frozenset[QueueId]:
    """Return the queues of a company an agent serves."""
    return frozenset(skill.queue_id for skill in one.skills if skill.client_tenant_id == tenant_id)


def _lines(tenant_id: TenantId, found: Sequence[Message]) -> list[dict[str, Any]]:
    company = desk.company_name(tenant_id)
    return [
        {
            "left_at": each.call.arrived_at,
            "who": mask(each.call.caller) if each.call.caller else gettext("Number withheld"),
            "queue": each.call.queue_name,
            "company": company,
            "length_s": (each.call.recording_ms or 0) / 1000,
            "is_own": each.taken_by is not None,
            "kept_url": f"/console/voicemails/{_address(tenant_id, each)}/kept",
            "dial_url": f"/console/voicemails/{_address(tenant_id, each)}/dial" if each.call.caller else "",
        }
        for each in found
    ]


def _address(tenant_id: TenantId, one: Message) -> str:
    return f"{public('ten', tenant_id)}/{public('call', one.call.call_id)}"
