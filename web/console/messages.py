"""What is written to an agent's team: shown at the console until they say that they have read it."""

from dataclasses import dataclass

from flask import Blueprint, jsonify, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core.ids import TenantId, parse, public
from seats import messages
from seats.desk import ServingAgent
from seats.messages import Message
from seats.roster import Lead
from web import scope
from web.console import desk
from web.console.requests import MalformedRequestError, body
from web.guards import permission


@dataclass(frozen=True, slots=True)
class Told:
    """A message as its reader sees it: from which company, to which queue (empty: to all)."""

    company: str
    company_name: str
    queue: str
    message: Message

    @property
    def message_id(self) -> str:
        """The message's id as a page carries it."""
        return public("msg", self.message.message_id)


def install(pages: Blueprint) -> None:
    """Add the routes to the console's."""
    pages.get("/messages")(unread)
    pages.post("/messages")(read)


@permission("console.open")
def unread() -> str:
    """Show what this agent has not read yet, of every company they serve."""
    with desk.operator() as session:
        one = desk.serving(session)
    return render_template("console/messages.html", messages=_of(one))


@permission("console.open")
def read() -> tuple[Response, int]:
    """Note that this agent has read a message."""
    wanted = body()
    company, message = wanted.get("company"), wanted.get("message")
    if not isinstance(company, str) or not isinstance(message, str):
        raise MalformedRequestError(field="company, message")
    tenant_id, message_id = TenantId(parse("ten", company)), parse("msg", message)
    with desk.operator() as session:
        one = desk.serving(session)
    if tenant_id not in one.clients:
        raise messages.MessageNotFoundError
    with desk.walls(tenant_id) as walls:
        messages.has_read(walls, tenant_id=tenant_id, message_id=message_id, agent_number=one.agent.number)
    return jsonify({}), 200


def addressees(one: ServingAgent) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return whom a leader may write to: companies by id and name, and their queues."""
    return [
        (
            public("ten", tenant_id),
            desk.company_name(tenant_id),
            sorted(
                ((public("que", at), name) for at, name in desk.client(tenant_id).queue_names.items()),
                key=lambda pair: pair[1],
            ),
        )
        for tenant_id, leads in sorted(one.leads.items())
        if Lead.BROADCAST in leads
    ]


def _of(one: ServingAgent) -> list[Told]:
    found: list[Told] = []
    for tenant_id in sorted(one.clients):
        with desk.walls(tenant_id) as walls:
            found += [_told(tenant_id, each) for each in _unread(walls, tenant_id, one)]
    return sorted(found, key=lambda told: told.message.sent_at)


def _unread(walls: Session, tenant_id: TenantId, one: ServingAgent) -> list[Message]:
    vault = scope.services().vault
    return messages.unread(walls, tenant_id=tenant_id, vault=vault, agent_number=one.agent.number)


def _told(tenant_id: TenantId, message: Message) -> Told:
    queue = desk.client(tenant_id).queue_names.get(message.queue_id, "") if message.queue_id else ""
    return Told(public("ten", tenant_id), desk.company_name(tenant_id), queue, message)
