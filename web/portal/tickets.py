"""Tickets on a customer's page: opened, and moved on, by the company's own people."""

import datetime as dt
import zoneinfo
from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from core import clock, ids
from core.errors import SeatlineError
from core.ids import CustomerId, TicketId
from customers import glance, tickets
from customers.errors import TicketDetailsError, TicketNotFoundError
from customers.tickets import Details, Ticket, TicketKind, TicketState
from telephony.routing.settings import work_order_due
from tenants import users
from web import i18n, identity, said, scope, tampered, words
from web.guards import permission
from web.portal import callers
from web.portal.views import pages

_SHOWN, _LISTED = 20, 100
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
KINDS = [(kind.value, words.TICKET_KINDS[kind.value]) for kind in TicketKind]


@pages.get("/tickets")
@permission("customers.read")
def ticket_list() -> str:
    """Show what is not closed: what is overdue above, then what was opened last."""
    session, tenant_id, vault = scope.session(), identity.current().tenant_id, scope.services().vault

    def lines(found: list[Ticket]) -> list[dict[str, Any]]:
        names = glance.masked_names(
            session,
            tenant_id=tenant_id,
            vault=vault,
            customer_ids=[one.customer_id for one in found],
            broken=tampered.tell,
        )
        return [
            _row(one, None) | {"customer": names.get(one.customer_id, ""), "href": _path(one.customer_id)}
            for one in found
        ]

    overdue = tickets.page(session, tenant_id=tenant_id, vault=vault, is_overdue=True, limit=_LISTED)
    waiting = tickets.page(
        session,
        tenant_id=tenant_id,
        vault=vault,
        states=frozenset({TicketState.OPEN, TicketState.PENDING}),
        limit=_LISTED,
    )
    overdue.sort(key=lambda one: one.details.due_at or one.opened_at)
    return render_template(
        "portal/tickets.html",
        overdue=lines(overdue),
        waiting=lines([one for one in waiting if not one.is_overdue]),
    )


@pages.post("/customers/<customer_id>/tickets")
@permission("customers.write")
def open_ticket(customer_id: str) -> Response:
    """Open a ticket for a customer."""
    found, who, form = callers.find(customer_id), identity.current(), request.form
    try:
        if form.get("kind") not in set(TicketKind):
            raise TicketDetailsError(field="kind")
        tickets.open_ticket(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            customer_id=found,
            details=Details(
                TicketKind(form["kind"]),
                form.get("subject", ""),
                form.get("text", "").replace("\r\n", "\n"),
                _instant(form.get("due", "")) or _by_tier(found),
            ),
            by=who.principal_id,
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        scope.rollback()
        said.why(error)
    else:
        said.done(gettext("The ticket is open. Agents see it when the customer calls."))
    return _back(found)


@pages.post("/customers/<customer_id>/tickets/<ticket_id>")
@permission("customers.write")
def move_ticket(customer_id: str, ticket_id: str) -> Response:
    """Say how far a ticket is."""
    customer, wanted = callers.find(customer_id), request.form.get("state", "")
    tenant_id, vault = identity.current().tenant_id, scope.services().vault
    which = TicketId(ids.parse("tkt", ticket_id))
    found = tickets.get(scope.session(), tenant_id=tenant_id, vault=vault, ticket_id=which)
    if found.customer_id != customer or wanted not in set(TicketState):
        raise TicketNotFoundError
    tickets.move(
        scope.session(), tenant_id=tenant_id, vault=vault, ticket_id=which, state=TicketState(wanted)
    )
    said.done(gettext("The ticket is %(state)s.", state=words.TICKET_STATES[wanted]))
    return _back(customer)


def rows(customer_id: CustomerId) -> list[dict[str, Any]]:
    """Return a customer's tickets as portal/customer.html shows them, newest first."""
    session, tenant_id, vault = scope.session(), identity.current().tenant_id, scope.services().vault
    found = tickets.page(session, tenant_id=tenant_id, vault=vault, customer_id=customer_id, limit=_SHOWN)
    names = users.names(session, tenant_id=tenant_id, vault=vault, user_ids={one.opened_by for one in found})
    return [_row(one, names.get(one.opened_by)) for one in found]


def _row(one: Ticket, name: str | None) -> dict[str, Any]:
    return {
        "id": ids.public("tkt", one.ticket_id),
        "kind": words.TICKET_KINDS[one.details.kind.value],
        "state": one.state.value,
        "state_word": words.TICKET_STATES[one.state.value],
        "subject": one.details.subject,
        "text": one.details.text,
        "opened_at": one.opened_at,
        "due_at": one.details.due_at,
        "is_overdue": one.is_overdue,
        "by": name or (gettext("an agent, in a call") if one.opened_in else gettext("a program")),
        "call": f"/portal/calls/{ids.public('call', one.opened_in)}" if one.opened_in else "",
    }


def _by_tier(customer_id: CustomerId) -> dt.datetime | None:
    return work_order_due(
        scope.session(), tenant_id=identity.current().tenant_id, customer_id=customer_id, at=clock.now()
    )


def _instant(text: str) -> dt.datetime | None:
    """Return a day and hour of the reader's zone as an instant; None when nothing was typed."""
    if not text:
        return None
    try:
        local = dt.datetime.fromisoformat(text)
        return local.replace(tzinfo=zoneinfo.ZoneInfo(i18n.zone())).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise TicketDetailsError(field="due_at") from error


def _path(customer_id: CustomerId) -> str:
    return url_for("portal.one_customer", customer_id=ids.public("cus", customer_id))


def _back(customer_id: CustomerId) -> Response:
    return redirect(_path(customer_id), 303)
