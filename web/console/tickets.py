"""Tickets at the console: those of the customer in hand, one opened, one moved on.

An agent comes to a ticket through the call in hand and its customer, and in no other way: nothing before the
offer, nothing written before they talk, nothing after the wrap-up's deadline.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from core import clock
from core.ids import CustomerId, TicketId, parse, public
from customers import tickets
from customers.errors import TicketNotFoundError, TicketWithoutCustomerError
from customers.tickets import Details, Ticket, TicketKind, TicketState
from telephony import calls
from telephony.errors import WorkItemNotFoundError
from telephony.routing.settings import work_order_due
from telephony.work import WorkItem
from web import identity, scope, words
from web.console import desk
from web.console.requests import MalformedRequestError, body
from web.guards import permission

KINDS = [(kind.value, words.TICKET_KINDS[kind.value]) for kind in TicketKind]


def install(pages: Blueprint) -> None:
    """Add the routes."""
    pages.add_url_rule("/offers/<offer_id>/tickets", view_func=open_ticket, methods=["POST"])
    pages.add_url_rule("/offers/<offer_id>/tickets/<ticket_id>", view_func=move_ticket, methods=["POST"])


@permission("calls.wrap")
def open_ticket(offer_id: str) -> tuple[dict[str, str], int]:
    """Open a ticket for the customer of the call in hand."""
    details = _details()
    with desk.operator() as session:
        item = desk.item_worked_on(session, offer_id)
    with desk.walls_of(item) as walls:
        customer_id = _customer(walls, item)
        if details.due_at is None:
            due_at = work_order_due(walls, tenant_id=item.tenant_id, customer_id=customer_id, at=clock.now())
            details = replace(details, due_at=due_at)
        made = tickets.open_ticket(
            walls,
            tenant_id=item.tenant_id,
            vault=scope.services().vault,
            customer_id=customer_id,
            details=details,
            by=identity.current().principal_id,
            opened_in=item.call_id,
        )
    return {"id": public("tkt", made.ticket_id)}, 201


@permission("calls.wrap")
def move_ticket(offer_id: str, ticket_id: str) -> tuple[str, int]:
    """Say how far a ticket of the customer in hand is."""
    wanted = body().get("state")
    if not isinstance(wanted, str) or wanted not in set(TicketState):
        raise MalformedRequestError(field="state")
    with desk.operator() as session:
        item = desk.item_worked_on(session, offer_id)
    vault, which = scope.services().vault, TicketId(parse("tkt", ticket_id))
    with desk.walls_of(item) as walls:
        customer_id = _customer(walls, item)
        found = tickets.get(walls, tenant_id=item.tenant_id, vault=vault, ticket_id=which)
        if found.customer_id != customer_id:
            raise TicketNotFoundError
        tickets.move(walls, tenant_id=item.tenant_id, vault=vault, ticket_id=which, state=TicketState(wanted))
    return "", 204


def waiting(walls: Session, item: WorkItem, customer_id: CustomerId) -> list[dict[str, Any]]:
    """Return what is not closed of a customer, as console/pop.html shows it."""
    found = tickets.open_of_customer(
        walls, tenant_id=item.tenant_id, vault=scope.services().vault, customer_id=customer_id
    )
    return [_shown(one, item) for one in found]


def _shown(one: Ticket, item: WorkItem) -> dict[str, Any]:
    offer_id, ticket_id = public("off", item.offer_id), public("tkt", one.ticket_id)
    return {
        "kind": words.TICKET_KINDS[one.details.kind.value],
        "state": one.state.value,
        "subject": one.details.subject,
        "text": one.details.text,
        "opened_at": one.opened_at,
        "due_at": one.details.due_at,
        "is_overdue": one.is_overdue,
        "url": f"/console/offers/{offer_id}/tickets/{ticket_id}",
    }


def _customer(walls: Session, item: WorkItem) -> CustomerId:
    """Return whose call is in hand, for an agent whose call it is.

    Raises:
        TicketWithoutCustomerError: the caller is in no record.
        WorkItemNotFoundError: the agent is only asked about the call.
    """
    legs = calls.legs(walls, tenant_id=item.tenant_id, call_id=item.call_id)
    if any(leg.is_asked and leg.leg_id == item.offer_id for leg in legs):
        raise WorkItemNotFoundError
    call = calls.get(walls, tenant_id=item.tenant_id, call_id=item.call_id, vault=scope.services().vault)
    if call.customer_id is None:
        raise TicketWithoutCustomerError
    return call.customer_id


def _details() -> Details:
    form = body()
    kind, subject, text = form.get("kind"), form.get("subject"), form.get("text") or ""
    if not isinstance(kind, str) or kind not in set(TicketKind):
        raise MalformedRequestError(field="kind")
    if not isinstance(subject, str) or not isinstance(text, str):
        raise MalformedRequestError(field="subject, text")
    due = form.get("due_at") or None
    try:
        due_at = dt.datetime.fromisoformat(due).astimezone(dt.UTC) if due else None
    except (TypeError, ValueError, OverflowError) as error:
        raise MalformedRequestError(field="due_at") from error
    return Details(TicketKind(kind), subject, text, due_at)
