"""What an agent has in hand: one offer, one call, one client at a time.

Rows are the operator's, because an agent may serve many clients; the database allows one open item per
agent. The console learns from here whose walls to enter for the call in hand, and nothing else.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import OPERATOR, AgentId, CallId, OfferId, TenantId
from telephony.errors import WorkItemNotFoundError
from telephony.models import WorkItemRow
from telephony.queues import WrapUp

LONGEST_WRAP_UP = dt.timedelta(minutes=10)
FORGOTTEN = dt.timedelta(hours=1)
"""After this, a wrap-up without a limit was forgotten: nothing is shown any more, and it is closed."""
_MOST_UNFINISHED = 50
_CLOSING = dt.timedelta(seconds=5)  # what the switchboard may take to write what it has decided
DIALLING = ("dialling", "alerting")  # by hand: dialled, and the called phone rings
IN_HAND = ("offered", "ringing", "talking", "wrap_up", *DIALLING)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One offer and what became of it."""

    offer_id: OfferId
    agent_id: AgentId
    tenant_id: TenantId  # the client's
    call_id: CallId
    state: str
    offered_at: dt.datetime
    expires_at: dt.datetime
    painted_at: dt.datetime | None
    ringing_at: dt.datetime | None
    answered_at: dt.datetime | None
    ended_at: dt.datetime | None
    wrap_until: dt.datetime | None
    closed_at: dt.datetime | None
    wrap_up: WrapUp | None = None  # of which kind, once it has begun
    needs_disposition: bool = True
    holds_over: bool = False  # it goes on, overdue, when its time is up and the outcome is missing

    @property
    def can_extend(self) -> bool:
        """Whether the wrap-up may be given more time."""
        return bool(
            self.state == "wrap_up"
            and self.ended_at
            and self.wrap_until
            and self.wrap_until < self.ended_at + LONGEST_WRAP_UP
        )

    def is_over(self, at: dt.datetime) -> bool:
        """Return whether its time is up, though the switchboard has not closed it yet."""
        if self.state == "wrap_up":
            deadline = self.wrap_until or (self.ended_at or self.offered_at) + FORGOTTEN
            if self.holds_over and self.wrap_until:
                deadline = self.wrap_until + FORGOTTEN
            return at > deadline + _CLOSING
        return self.state in {"offered", "ringing"} and at > self.expires_at + _CLOSING


def offer(
    session: Session,
    *,
    offer_id: OfferId,
    agent_id: AgentId,
    tenant_id: TenantId,
    call_id: CallId,
    offered_at: dt.datetime,
    expires_at: dt.datetime,
    state: str = "offered",
) -> None:
    """Put a call into an agent's hand; doing it twice changes nothing. Operator's transaction.

    An older item that a crash left open is closed as lost first. A call the agent dials by hand is in theirs
    (`dialling`) before it is offered to their phone.
    """
    session.execute(
        update(WorkItemRow)
        .where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.agent_id == agent_id,
            WorkItemRow.id != offer_id,
            WorkItemRow.state.in_(IN_HAND),
            WorkItemRow.offered_at <= offered_at,
        )
        .values(state="lost", closed_at=offered_at)
    )
    session.execute(
        insert(WorkItemRow)
        .values(
            tenant_id=OPERATOR,
            id=offer_id,
            agent_id=agent_id,
            client_tenant_id=tenant_id,
            call_id=call_id,
            state=state,
            offered_at=offered_at,
            expires_at=expires_at,
        )
        .on_conflict_do_update(
            index_elements=[WorkItemRow.tenant_id, WorkItemRow.id],
            set_={"state": state, "expires_at": expires_at},
            where=WorkItemRow.state.in_(DIALLING),
        )
    )


def advance(
    session: Session,
    *,
    offer_id: OfferId,
    state: str,
    at: dt.datetime,
    wrap_until: dt.datetime | None = None,
    wrap_up: WrapUp = WrapUp.TIMED,
    needs_disposition: bool = True,
    holds_over: bool = False,
) -> None:
    """Write what became of an offer. A closed item stays closed. Operator's transaction.

    A call that is talked on again after a hold was answered when it was answered first. A wrap-up without
    `wrap_until` lasts until its agent closes it.
    """
    reached: dict[str, dict[str, Any]] = {
        "alerting": {},
        "ringing": {"ringing_at": at},
        "talking": {"answered_at": func.coalesce(WorkItemRow.answered_at, at)},
        "wrap_up": {
            "ended_at": at,
            "wrap_until": wrap_until,
            "wrap_up": wrap_up.value,
            "needs_disposition": needs_disposition,
            "holds_over": holds_over,
        },
    }
    instants = reached.get(state, {"closed_at": at})
    session.execute(
        update(WorkItemRow)
        .where(WorkItemRow.tenant_id == OPERATOR, WorkItemRow.id == offer_id, WorkItemRow.state.in_(IN_HAND))
        .values(state=state, **instants)
    )


def extend(session: Session, *, offer_id: OfferId, wrap_until: dt.datetime) -> None:
    """Write the new end of a wrap-up that goes on. Operator's transaction."""
    session.execute(
        update(WorkItemRow)
        .where(WorkItemRow.tenant_id == OPERATOR, WorkItemRow.id == offer_id, WorkItemRow.state == "wrap_up")
        .values(wrap_until=wrap_until)
    )


def stuck(session: Session, *, before: dt.datetime) -> list[WorkItem]:
    """Return wrap-ups whose time was up before then and which nobody has closed. Operator's transaction.

    One without a limit has an hour, one that holds over an hour more.
    """
    rows = session.scalars(
        select(WorkItemRow).where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.state == "wrap_up",
            case(
                (WorkItemRow.holds_over, WorkItemRow.wrap_until + FORGOTTEN),
                else_=func.coalesce(WorkItemRow.wrap_until, WorkItemRow.ended_at + FORGOTTEN),
            )
            < before,
        )
    )
    return [_item(row) for row in rows]


def let_go(session: Session, *, agent_id: AgentId, at: dt.datetime) -> None:
    """Close whatever the agent still has in hand: they leave, or no call of theirs is left.

    Operator's transaction.
    """
    session.execute(
        update(WorkItemRow)
        .where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.agent_id == agent_id,
            WorkItemRow.state.in_(IN_HAND),
        )
        .values(state=case((WorkItemRow.state == "wrap_up", "closed"), else_="lost"), closed_at=at)
    )


def painted(session: Session, *, offer_id: OfferId, agent_id: AgentId, at: dt.datetime) -> WorkItem:
    """Write when the pop stood on the agent's screen; the first report counts. Operator's transaction.

    Raises:
        WorkItemNotFoundError: not this agent's.
    """
    session.execute(
        update(WorkItemRow)
        .where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.id == offer_id,
            WorkItemRow.agent_id == agent_id,
            WorkItemRow.painted_at.is_(None),
        )
        .values(painted_at=at)
    )
    return of_agent(session, offer_id=offer_id, agent_id=agent_id)


def of_agent(session: Session, *, offer_id: OfferId, agent_id: AgentId) -> WorkItem:
    """Return an item the agent has, or had, in hand. Operator's transaction.

    Raises:
        WorkItemNotFoundError: another agent's, or none.
    """
    row = session.scalars(
        select(WorkItemRow).where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.id == offer_id,
            WorkItemRow.agent_id == agent_id,
        )
    ).one_or_none()
    if row is None:
        raise WorkItemNotFoundError
    return _item(row)


def in_hand(session: Session, *, agent_id: AgentId) -> WorkItem | None:
    """Return what the agent has in hand now, or None. Operator's transaction."""
    row = session.scalars(
        select(WorkItemRow).where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.agent_id == agent_id,
            WorkItemRow.state.in_(IN_HAND),
        )
    ).one_or_none()
    return _item(row) if row else None


def answered_since(session: Session, *, agent_id: AgentId, since: dt.datetime) -> int:
    """Return how many calls an agent has answered since then. Operator's transaction."""
    return (
        session.scalar(
            select(func.count())
            .select_from(WorkItemRow)
            .where(
                WorkItemRow.tenant_id == OPERATOR,
                WorkItemRow.agent_id == agent_id,
                WorkItemRow.offered_at >= since,
                WorkItemRow.answered_at.is_not(None),
            )
        )
        or 0
    )


def done_by(session: Session, *, agent_id: AgentId, limit: int) -> list[WorkItem]:
    """Return the calls an agent has answered and closed, newest first. Operator's transaction."""
    rows = session.scalars(
        select(WorkItemRow)
        .where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.agent_id == agent_id,
            WorkItemRow.answered_at.is_not(None),
            WorkItemRow.state == "closed",
        )
        .order_by(WorkItemRow.offered_at.desc())
        .limit(limit)
    )
    return [_item(row) for row in rows]


def unfinished(session: Session, *, agent_id: AgentId, since: dt.datetime) -> list[WorkItem]:
    """Return wrap-ups of an agent that wanted an outcome and are closed, newest first, 50 at most.

    Whether the outcome is there stands with the call. Operator's transaction.
    """
    rows = session.scalars(
        select(WorkItemRow)
        .where(
            WorkItemRow.tenant_id == OPERATOR,
            WorkItemRow.agent_id == agent_id,
            WorkItemRow.offered_at >= since,
            WorkItemRow.answered_at.is_not(None),
            WorkItemRow.state == "closed",
            WorkItemRow.needs_disposition,
            WorkItemRow.wrap_up.in_([WrapUp.TIMED.value, WrapUp.MANDATORY.value]),
        )
        .order_by(WorkItemRow.offered_at.desc())
        .limit(_MOST_UNFINISHED)
    )
    return [_item(row) for row in rows]


def _item(row: WorkItemRow) -> WorkItem:
    return WorkItem(
        offer_id=OfferId(row.id),
        agent_id=AgentId(row.agent_id),
        tenant_id=TenantId(row.client_tenant_id),
        call_id=CallId(row.call_id),
        state=row.state,
        offered_at=row.offered_at,
        expires_at=row.expires_at,
        painted_at=row.painted_at,
        ringing_at=row.ringing_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        wrap_until=row.wrap_until,
        closed_at=row.closed_at,
        wrap_up=WrapUp(row.wrap_up) if row.wrap_up else None,
        needs_disposition=row.needs_disposition,
        holds_over=row.holds_over,
    )
