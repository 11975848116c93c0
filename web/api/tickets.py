"""Tickets: what customers complain of, ask or request, until somebody has dealt with it."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from core import clock, ids
from core.ids import CustomerId, TicketId
from customers import records, tickets
from customers.tickets import LONGEST_SUBJECT, LONGEST_TEXT, Details, Ticket, TicketKind, TicketState
from telephony.routing.settings import work_order_due
from tenants import users
from web import identity, scope
from web.api import cursors, preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Moment, Outward, PageQuery, Text
from web.guards import permission

_TAG, _LIST = "Tickets", "tickets"

Subject = Annotated[Text, Field(min_length=1, max_length=LONGEST_SUBJECT, examples=["Parcel is late"])]
Body = Annotated[str, Field(max_length=LONGEST_TEXT)]


class TicketShown(Outward):
    """A ticket."""

    id: str = Field(examples=["tkt_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    customer: str = Field(examples=["cus_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    kind: TicketKind = Field(examples=["complaint"])
    state: TicketState = Field(description="`open`, `pending` (it waits for somebody else) or `closed`.")
    subject: str
    text: str
    due_at: Instant | None
    call: str | None = Field(description="The call in which it was opened.")
    opened_by: str = Field(description="A person, or one of your keys; an agent's user is the operator's.")
    opened_at: Instant
    changed_at: Instant
    closed_at: Instant | None


class TicketsPage(Listed):
    """Tickets, newest first."""

    data: list[TicketShown]


class TicketNew(Inward):
    """A ticket to open."""

    customer: str = Field(examples=["cus_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    kind: TicketKind
    subject: Subject
    text: Body = ""
    due_at: Moment | None = Field(
        default=None,
        description="From now on, within a year. Left out: what the customer's tier says of work orders.",
    )


class TicketChange(Inward):
    """What to change; what is left out stays. Null takes `due_at` away."""

    kind: TicketKind | None = None
    state: TicketState | None = None
    subject: Subject | None = None
    text: Body | None = None
    due_at: Moment | None = None


class TicketsQuery(PageQuery):
    """Which tickets."""

    customer: str | None = Field(default=None, description="Of this customer only.")
    state: TicketState | None = Field(default=None, description="In this state only.")
    overdue: bool = Field(default=False, description="Only those that should have been done by now.")


@pages.get("/tickets")
@permission("customers.read")
@operation(tag=_TAG, answers={200: TicketsPage}, errors=(404,), operation_id="listTickets")
def list_tickets(query: TicketsQuery) -> TicketsPage:
    """List tickets, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = tickets.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=CustomerId(ids.parse("cus", query.customer)) if query.customer else None,
        states=frozenset({query.state} if query.state else TicketState),
        is_overdue=query.overdue,
        limit=query.limit + 1,
        after=TicketId(ids.parse("tkt", after[0])) if after else None,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return TicketsPage(
        data=_all(shown),
        has_more=has_more,
        next=cursors.encode(ids.public("tkt", shown[-1].ticket_id), of=_LIST) if has_more else None,
    )


@pages.post("/tickets")
@permission("customers.write")
@operation(tag=_TAG, answers={201: TicketShown}, errors=(404,), operation_id="openTicket")
def open_ticket(json: TicketNew) -> tuple[TicketShown, int, dict[str, str]]:
    """Open a ticket for a customer."""
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    customer_id = CustomerId(ids.parse("cus", json.customer))
    records.get(session, tenant_id=who.tenant_id, vault=vault, customer_id=customer_id)
    due_at = (
        json.due_at
        if "due_at" in json.model_fields_set
        else work_order_due(session, tenant_id=who.tenant_id, customer_id=customer_id, at=clock.now())
    )
    made = tickets.open_ticket(
        session,
        tenant_id=who.tenant_id,
        vault=vault,
        customer_id=customer_id,
        details=Details(json.kind, json.subject, json.text, due_at),
        by=who.principal_id,
    )
    shown = _one(made)
    return shown, 201, {"Location": f"/api/v1/tickets/{shown.id}", **preconditions.tag(made.version)}


@pages.get("/tickets/<ticket_id>")
@permission("customers.read")
@operation(tag=_TAG, answers={200: TicketShown}, errors=(404,), operation_id="getTicket")
def one_ticket(ticket_id: str) -> tuple[TicketShown, int, dict[str, str]]:
    """Look at one ticket."""
    found = _find(ticket_id)
    return _one(found), 200, preconditions.tag(found.version)


@pages.patch("/tickets/<ticket_id>")
@permission("customers.write")
@operation(tag=_TAG, answers={200: TicketShown}, errors=(404,), operation_id="changeTicket", conditional=True)
def change_ticket(ticket_id: str, json: TicketChange) -> tuple[TicketShown, int, dict[str, str]]:
    """Change a ticket that nobody else has changed since you read it: words, time, or how far it is."""
    found = _find(ticket_id)
    preconditions.insist(found.version)
    before = found.details
    changed = tickets.change(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        ticket_id=found.ticket_id,
        version=found.version,
        details=Details(
            json.kind or before.kind,
            json.subject or before.subject,
            before.text if json.text is None else json.text,
            json.due_at if "due_at" in json.model_fields_set else before.due_at,
        ),
        state=json.state or found.state,
    )
    return _one(changed), 200, preconditions.tag(changed.version)


def _find(ticket_id: str) -> Ticket:
    return tickets.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        ticket_id=TicketId(id_in_path("tkt", ticket_id)),
    )


def _one(found: Ticket) -> TicketShown:
    return _all([found])[0]


def _all(found: Sequence[Ticket]) -> list[TicketShown]:
    people = users.names(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        user_ids={one.opened_by for one in found},
    )
    return [
        TicketShown(
            id=ids.public("tkt", one.ticket_id),
            customer=ids.public("cus", one.customer_id),
            kind=one.details.kind,
            state=one.state,
            subject=one.details.subject,
            text=one.details.text,
            due_at=one.details.due_at,
            call=ids.public("call", one.opened_in) if one.opened_in else None,
            # whoever opened it in a call is an agent, a user of the operator's
            opened_by=ids.public("usr" if one.opened_in or one.opened_by in people else "key", one.opened_by),
            opened_at=one.opened_at,
            changed_at=one.changed_at,
            closed_at=one.closed_at,
        )
        for one in found
    ]
