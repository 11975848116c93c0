"""Messages callers have left, as an agent of their queue has them: hear it, call back, say that it is done.

To hear a recording is a right of the company's own people, in the portal. Agents hear messages only, of
queues they serve, where the company lets them (`budgets.Allowed`), and say what for, as everybody does.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from flask import Blueprint, Response, jsonify, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core.errors import Refused
from core.ids import CallId, QueueId, TenantId, parse, public
from customers import budgets
from seats.desk import ServingAgent
from telephony import hearings, recording, voicemail
from telephony.errors import WorkItemNotFoundError
from telephony.hearings import HeardFor
from telephony.voicemail import Message, MessageState
from web import identity, scope
from web.console import desk
from web.console.requests import MalformedRequestError, body
from web.guards import permission
from web.shown import audio

_MOST = 20


class MessagesNotHeardError(Refused):
    """The company lets no agent hear the messages left for its queues."""

    code = "messages-not-heard"


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.post("/voicemails/<company>/<call_id>/kept")(message_done)
    pages.post("/voicemails/<company>/<call_id>/hearing")(open_message)
    pages.get("/voicemails/<company>/<call_id>/audio")(play)


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


@permission("calls.take")
def open_message(company: str, call_id: str) -> Response:
    """Keep what an agent hears a message for, and answer with its player."""
    why = body().get("why")
    if not isinstance(why, str) or why not in set(HeardFor):
        raise MalformedRequestError(field="why")
    with _heard_by_agent(company, call_id) as (hearer, left_in):
        hearings.open_for(
            hearer.walls,
            tenant_id=hearer.tenant_id,
            call_id=left_in,
            why=HeardFor(why),
            by=identity.current().principal_id,
            agent=hearer.number,
        )
        found = recording.of_call(hearer.walls, tenant_id=hearer.tenant_id, call_id=left_in)
        opened = audio.open_recording(
            tenant_id=hearer.tenant_id, recording_id=found.recording_id, walls=hearer.walls
        )
        with closing(opened):
            loud = audio.loudness(opened)
    shown = {"url": f"/console/voicemails/{company}/{call_id}/audio", "peaks": loud.peaks, "holds": []}
    length_s = loud.duration_s or (found.duration_ms or 0) / 1000
    return jsonify(player=render_template("console/message.html", recording=shown | {"duration_s": length_s}))


@permission("calls.take")
def play(company: str, call_id: str) -> BaseResponse:
    """Return a message, or the range of it that the player asks for, to an agent who has said what for."""
    with _heard_by_agent(company, call_id) as (hearer, left_in):
        why = hearings.insist(
            hearer.walls, tenant_id=hearer.tenant_id, call_id=left_in, by=identity.current().principal_id
        )
        return audio.serve(left_in, why=why, is_download=False, agent=hearer)


@contextmanager
def _heard_by_agent(company: str, call_id: str) -> Iterator[tuple[audio.Agent, CallId]]:
    """Yield the agent inside the walls of the company for which the message was left.

    Raises:
        WorkItemNotFoundError: none was left in this call for a queue they serve.
        MessageTakenError: another agent has taken it on.
        MessagesNotHeardError: the company lets no agent hear messages.
    """
    tenant_id, left_in = TenantId(parse("ten", company)), CallId(parse("call", call_id))
    with desk.operator() as session:
        one = desk.serving(session)
    if tenant_id not in one.clients:
        raise WorkItemNotFoundError
    with desk.walls(tenant_id) as walls:
        insist(walls, one, tenant_id, left_in)
        voicemail.insist_open(walls, tenant_id=tenant_id, call_id=left_in, agent_number=one.agent.number)
        if not budgets.allowed(walls, tenant_id=tenant_id).hears_messages:
            raise MessagesNotHeardError
        yield audio.Agent(walls, tenant_id, one.agent.number), left_in


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
    company, hears = desk.company_name(tenant_id), desk.client(tenant_id).allowed.hears_messages
    return [
        {
            "left_at": each.call.arrived_at,
            "who": desk.masked(tenant_id, each.call.caller),
            "queue": each.call.queue_name,
            "company": company,
            "length_s": (each.call.recording_ms or 0) / 1000,
            "is_own": each.taken_by is not None,
            "is_heard": each.state is MessageState.HEARD,
            "hear_url": f"/console/voicemails/{_address(tenant_id, each)}/hearing"
            if hears and each.call.recording_state == "sealed"
            else "",
            "kept_url": f"/console/voicemails/{_address(tenant_id, each)}/kept",
            "dial_url": f"/console/voicemails/{_address(tenant_id, each)}/dial" if each.call.caller else "",
        }
        for each in found
    ]


def _address(tenant_id: TenantId, one: Message) -> str:
    return f"{public('ten', tenant_id)}/{public('call', one.call.call_id)}"
