"""Tickets: what a customer complains of, asks or requests, until somebody has dealt with it.

Opened by an agent in a call, by the company's people or by their programs. Subject and text are sealed; kind,
state and instants are not. A ticket is closed, never removed, but with its customer (`customers.erasures`).
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, CustomerId, TenantId, TicketId, new_id
from customers.cards import holds_card_number
from customers.errors import (
    CardNumberError,
    TicketChangedError,
    TicketDetailsError,
    TicketNotFoundError,
)
from customers.models import TicketRow
from security import evidence
from security.vault import Field, Vault

LONGEST_SUBJECT, LONGEST_TEXT = 120, 4000
FARTHEST_DUE = dt.timedelta(days=366)
_MOST = 101  # a page of the API and whether more follow


class TicketKind(StrEnum):
    """What the customer wants."""

    COMPLAINT = "complaint"
    ENQUIRY = "enquiry"
    REQUEST = "request"


class TicketState(StrEnum):
    """How far it is."""

    OPEN = "open"  # somebody has to do something
    PENDING = "pending"  # it waits for somebody else: the customer, a third
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Details:
    """What people write about a ticket: a subject of 1 to 120 signs, a text of up to 4000, when it is due."""

    kind: TicketKind
    subject: str = field(repr=False)
    text: str = field(default="", repr=False)
    due_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket in clear; `opened_in` is the call in which it was opened, if it was."""

    ticket_id: TicketId
    customer_id: CustomerId
    details: Details
    state: TicketState
    opened_in: CallId | None
    opened_by: UUID
    opened_at: dt.datetime
    changed_at: dt.datetime
    closed_at: dt.datetime | None
    version: int

    @property
    def is_overdue(self) -> bool:
        """Whether it should have been dealt with by now."""
        due = self.details.due_at
        return self.state is not TicketState.CLOSED and due is not None and due < clock.now()


def open_ticket(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_id: CustomerId,
    details: Details,
    by: UUID,
    opened_in: CallId | None = None,
) -> Ticket:
    """Open a ticket for a customer of the company; `by` is who does.

    Raises:
        TicketDetailsError: `field` says what is empty, too long or out of time.
        CardNumberError: subject or text hold a card's number, which is kept nowhere.
    """
    _check(details, is_new=True)
    now, ticket_id = clock.now(), TicketId(new_id())
    row = TicketRow(
        tenant_id=tenant_id,
        id=ticket_id,
        customer_id=customer_id,
        state=TicketState.OPEN.value,
        opened_in=opened_in,
        opened_by=by,
        opened_at=now,
    )
    _write(row, details, vault, version=1, at=now)
    session.add(row)
    session.flush()
    evidence.record(session, "ticket.opened", "tkt", ticket_id, ticket=details.kind.value)
    return _ticket(row, vault)


def change(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    ticket_id: TicketId,
    version: int,
    details: Details,
    state: TicketState,
) -> Ticket:
    """Write a ticket anew if it still is at `version`; a closed one may be opened again.

    Raises:
        TicketNotFoundError: not this company's.
        TicketChangedError: somebody saved it since; nothing was written.
        TicketDetailsError, CardNumberError: see `open_ticket`.
    """
    row = session.get(TicketRow, (tenant_id, ticket_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise TicketNotFoundError
    if row.row_version != version:
        raise TicketChangedError(version=row.row_version)
    _check(details, is_new=details.due_at != row.due_at)
    now, before = clock.now(), TicketState(row.state)
    row.state = state.value
    row.closed_at = (row.closed_at or now) if state is TicketState.CLOSED else None
    _write(row, details, vault, version=version + 1, at=now)
    session.flush()
    did = "changed"
    if before is not state:
        did = {TicketState.CLOSED: "closed", TicketState.OPEN: "reopened"}.get(state, "changed")
    evidence.record(session, f"ticket.{did}", "tkt", ticket_id, state=state.value)
    return _ticket(row, vault)


def move(
    session: Session, *, tenant_id: TenantId, vault: Vault, ticket_id: TicketId, state: TicketState
) -> Ticket:
    """Change how far a ticket is, and nothing else; the same again changes nothing.

    Raises:
        TicketNotFoundError: not this company's.
    """
    found = get(session, tenant_id=tenant_id, vault=vault, ticket_id=ticket_id, is_locked=True)
    if found.state is state:
        return found
    return change(
        session,
        tenant_id=tenant_id,
        vault=vault,
        ticket_id=ticket_id,
        version=found.version,
        details=found.details,
        state=state,
    )


def get(
    session: Session, *, tenant_id: TenantId, vault: Vault, ticket_id: TicketId, is_locked: bool = False
) -> Ticket:
    """Return one ticket; `is_locked` keeps others from changing it until the transaction ends.

    Raises:
        TicketNotFoundError: not this company's.
    """
    row = session.get(TicketRow, (tenant_id, ticket_id), with_for_update=is_locked, populate_existing=True)
    if row is None:
        raise TicketNotFoundError
    return _ticket(row, vault)


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_id: CustomerId | None = None,
    states: frozenset[TicketState] = frozenset(TicketState),
    is_overdue: bool = False,
    limit: int = 50,
    after: TicketId | None = None,
) -> list[Ticket]:
    """Return tickets, newest first: of a customer, or of all; in some states; `after` goes on below one.

    `is_overdue`: only those that should have been dealt with by now.
    """
    query = sa.select(TicketRow).where(
        TicketRow.tenant_id == tenant_id, TicketRow.state.in_([one.value for one in states])
    )
    if customer_id is not None:
        query = query.where(TicketRow.customer_id == customer_id)
    if is_overdue:
        query = query.where(TicketRow.due_at < clock.now(), TicketRow.state != TicketState.CLOSED.value)
    if after is not None:
        query = query.where(TicketRow.id < after)
    rows = session.scalars(query.order_by(TicketRow.id.desc()).limit(max(1, min(limit, _MOST))))
    return [_ticket(row, vault) for row in rows]


def overdue(session: Session, *, tenant_id: TenantId) -> list[tuple[CustomerId, dt.datetime]]:
    """Return whose tickets should have been dealt with by now, and when; nothing of them is opened."""
    rows = session.execute(
        sa.select(TicketRow.customer_id, TicketRow.due_at).where(
            TicketRow.tenant_id == tenant_id,
            TicketRow.due_at < clock.now(),
            TicketRow.state != TicketState.CLOSED.value,
        )
    )
    return [(CustomerId(customer_id), due_at) for customer_id, due_at in rows if due_at is not None]


def open_of_customer(
    session: Session, *, tenant_id: TenantId, vault: Vault, customer_id: CustomerId, limit: int = 10
) -> list[Ticket]:
    """Return what is not closed of a customer, newest first."""
    return page(
        session,
        tenant_id=tenant_id,
        vault=vault,
        customer_id=customer_id,
        states=frozenset({TicketState.OPEN, TicketState.PENDING}),
        limit=limit,
    )


def _check(details: Details, *, is_new: bool) -> None:
    subject = details.subject.strip()
    if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise TicketDetailsError(field="subject")
    if len(details.text) > LONGEST_TEXT:
        raise TicketDetailsError(field="text")
    if holds_card_number(subject) or holds_card_number(details.text):
        raise CardNumberError
    now = clock.now()
    if is_new and details.due_at is not None and not now <= details.due_at <= now + FARTHEST_DUE:
        raise TicketDetailsError(field="due_at")


def _write(row: TicketRow, details: Details, vault: Vault, *, version: int, at: dt.datetime) -> None:
    """Seal everything under the row's next version: what was sealed before opens no more."""
    subject, text = details.subject.strip(), details.text.strip()
    row.row_version, row.changed_at, row.kind, row.due_at = version, at, details.kind.value, details.due_at
    row.subject_ct = vault.seal(_place(row, "subject_ct"), subject)
    row.text_ct = vault.seal(_place(row, "text_ct"), text) if text else None


def _ticket(row: TicketRow, vault: Vault) -> Ticket:
    details = Details(
        TicketKind(row.kind),
        vault.open(_place(row, "subject_ct"), row.subject_ct),
        vault.open(_place(row, "text_ct"), row.text_ct) if row.text_ct else "",
        row.due_at,
    )
    return Ticket(
        TicketId(row.id),
        CustomerId(row.customer_id),
        details,
        TicketState(row.state),
        CallId(row.opened_in) if row.opened_in else None,
        row.opened_by,
        row.opened_at,
        row.changed_at,
        row.closed_at,
        row.row_version,
    )


def _place(row: TicketRow, column: str) -> Field:
    return Field(TenantId(row.tenant_id), "tickets", column, row.id, row.row_version, "notes")
