"""Calls promised back: by whom, to whom, when. What is to be said stands in the note of the call itself."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import AgentId, CustomerId, TenantId, new_id
from customers.errors import CallbackTimeError
from customers.models import CallbackRow, CustomerRow

_FARTHEST = dt.timedelta(days=90)
_SLACK = dt.timedelta(minutes=1)  # a promise for this very minute


@dataclass(frozen=True, slots=True)
class Callback:
    """One promise; `subject_ref` is the call in which it was made."""

    callback_id: UUID
    customer_id: CustomerId | None
    subject_ref: UUID
    agent_id: AgentId | None
    due_at: dt.datetime


def promise(
    session: Session,
    *,
    tenant_id: TenantId,
    subject_ref: UUID,
    customer_id: CustomerId | None,
    agent_id: AgentId | None,
    due_at: dt.datetime,
) -> None:
    """Promise a call back; a second promise in the same call moves the first.

    Raises:
        CallbackTimeError: the time is over, or more than 90 days away.
    """
    check(due_at)
    put = insert(CallbackRow).values(
        tenant_id=tenant_id,
        id=new_id(),
        # somebody erased meanwhile is nobody's customer any more
        customer_id=sa.select(CustomerRow.id)
        .where(CustomerRow.tenant_id == tenant_id, CustomerRow.id == customer_id)
        .scalar_subquery()
        if customer_id
        else None,
        subject_ref=subject_ref,
        agent_id=agent_id,
        due_at=due_at,
        created_at=clock.now(),
        done_at=None,
    )
    session.execute(
        put.on_conflict_do_update(
            index_elements=[CallbackRow.tenant_id, CallbackRow.subject_ref],
            set_={"due_at": put.excluded.due_at, "done_at": None},
        )
    )


def check(due_at: dt.datetime) -> None:
    """Refuse a time at which nobody can be called back.

    Raises:
        CallbackTimeError: the time is over, or more than 90 days away.
    """
    now = clock.now()
    if not now - _SLACK <= due_at <= now + _FARTHEST:
        raise CallbackTimeError


def open_of_agent(
    session: Session, *, tenant_id: TenantId, agent_id: AgentId, limit: int = 20
) -> list[Callback]:
    """Return what an agent has promised this company's customers and not kept yet, soonest first."""
    return _open(session, tenant_id, CallbackRow.agent_id == agent_id, limit)


def open_of_customer(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId, limit: int = 5
) -> list[Callback]:
    """Return what a customer has been promised and is waiting for, soonest first."""
    return _open(session, tenant_id, CallbackRow.customer_id == customer_id, limit)


def open_due(
    session: Session, *, tenant_id: TenantId, at: dt.datetime, besides: AgentId, limit: int = 50
) -> list[Callback]:
    """Return what others than this agent have promised, is due and not kept yet, soonest first."""
    whose = sa.and_(CallbackRow.due_at <= at, CallbackRow.agent_id.is_distinct_from(besides))
    return _open(session, tenant_id, whose, limit)


def take(session: Session, *, tenant_id: TenantId, callback_id: UUID, agent_id: AgentId) -> None:
    """Make a promise that is not kept yet this agent's."""
    session.execute(
        sa.update(CallbackRow)
        .where(
            CallbackRow.tenant_id == tenant_id, CallbackRow.id == callback_id, CallbackRow.done_at.is_(None)
        )
        .values(agent_id=agent_id)
        .execution_options(synchronize_session=False)
    )


def keep(session: Session, *, tenant_id: TenantId, callback_id: UUID, agent_id: AgentId) -> bool:
    """Say that an agent has kept their promise; False when there is no such one of theirs."""
    done = session.execute(
        sa.update(CallbackRow)
        .where(
            CallbackRow.tenant_id == tenant_id,
            CallbackRow.id == callback_id,
            CallbackRow.agent_id == agent_id,
        )
        .values(done_at=sa.func.coalesce(CallbackRow.done_at, clock.now()))
        .returning(CallbackRow.id)
        .execution_options(synchronize_session=False)
    )
    return done.first() is not None


def _open(session: Session, tenant_id: TenantId, whose: sa.ColumnElement[bool], limit: int) -> list[Callback]:
    rows = session.scalars(
        sa.select(CallbackRow)
        .where(CallbackRow.tenant_id == tenant_id, CallbackRow.done_at.is_(None), whose)
        .order_by(CallbackRow.due_at, CallbackRow.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return [
        Callback(
            callback_id=row.id,
            customer_id=None if row.customer_id is None else CustomerId(row.customer_id),
            subject_ref=row.subject_ref,
            agent_id=None if row.agent_id is None else AgentId(row.agent_id),
            due_at=row.due_at,
        )
        for row in rows
    ]
