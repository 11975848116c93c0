"""Where an agent's calls ring: in the browser, or at their own telephone, which the operator has entered."""

from flask import Blueprint

from core.errors import Conflict
from telephony import telephones, work
from telephony.orders import OrderKind
from telephony.telephones import NoTelephoneError
from web import scope
from web.console import desk
from web.console.requests import MalformedRequestError, body
from web.guards import permission


class RingsAtBusyError(Conflict):
    """The agent has a call in hand, or its wrap-up: it stays where it is."""

    code = "rings-at-busy"


def install(pages: Blueprint) -> None:
    """Add the route to the console's."""
    pages.post("/rings-at")(rings_at)


@permission("presence.write")
def rings_at() -> tuple[str, int]:
    """Let the agent's calls ring at their telephone, or in the browser again."""
    wanted = body().get("telephone")
    if not isinstance(wanted, bool):
        raise MalformedRequestError(field="telephone")
    with desk.operator() as session:
        one = desk.serving(session)
        if one.presence is None:
            raise desk.NoShiftError
        if telephones.of_agent(session, agent_id=one.agent.id, vault=scope.services().vault) is None:
            raise NoTelephoneError
        if work.in_hand(session, agent_id=one.agent.id) is not None:
            raise RingsAtBusyError
        desk.order(session, OrderKind.RINGS_AT, agent_id=one.agent.id, telephone=wanted)
    return "", 202
