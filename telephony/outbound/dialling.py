"""A cleared call on its way: handed to the switchboard, carried out once, closed with its outcome.

The tenant's row and the event stand in one transaction; a handler leaves the switchboard's order in the
operator's, exactly once. The switchboard closes the row in the transaction that closes the call's books.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import credit
from core import clock
from core.events import announce
from core.ids import AgentId, CallId, NumberId, QueueId, TenantId
from security.vault import Vault
from telephony import calls
from telephony.calls import Arrival
from telephony.events import DialCleared, DialEnded, DialOutcome
from telephony.models import CallRow, DialDecisionRow, OutboundDialRow
from telephony.outbound import spend
from telephony.outbound.gate import DialRequest, Refusal, clear, sealed_number
from telephony.switch.clearance import LIFETIME, Clearance

__all__ = ["DialOutcome", "begin_part", "close", "close_forsaken", "dial", "dialled_by", "place", "recall"]

_FORSAKEN = dt.timedelta(hours=12)


def place(session: Session, *, request: DialRequest, vault: Vault, at: dt.datetime) -> Clearance | Refusal:
    """Ask the gate, and hand on what it clears, in one transaction; return what it said."""
    answer = clear(session, request=request, vault=vault, at=at)
    if isinstance(answer, Clearance):
        dial(session, clearance=answer, vault=vault)
    return answer


def dial(session: Session, *, clearance: Clearance, vault: Vault, is_an_agents: bool = False) -> None:
    """Hand a cleared call to the switchboard; `DialEnded` tells what became of it, always.

    In the tenant's own transaction, the one that cleared it: both stand or neither. A second time changes
    nothing. An agent's own telephone is called by the switchboard itself, which has asked for it: no order is
    left, and the tenant's row does not have its number.
    """
    number = sealed_number(clearance.tenant_id, clearance.attempt_id)
    made = session.execute(
        insert(OutboundDialRow)
        .values(
            tenant_id=clearance.tenant_id,
            attempt_id=clearance.attempt_id,
            to_ct=None if is_an_agents else vault.seal(number, clearance.to),
            caller=clearance.caller,
            number_id=clearance.caller_number_id,
            queue_id=clearance.queue_id,
            customer_id=clearance.customer_id,
            campaign_id=clearance.campaign_id,
            by_agent_id=clearance.by_agent_id,
            ring_s=clearance.ring_s,
            longest_s=clearance.longest // dt.timedelta(seconds=1),
            reserved_nano=clearance.reserved_nano,
            detects_machines=clearance.detects_machines,
            expires_at=clearance.expires_at,
            part_of=clearance.part_of,
            is_given=clearance.is_given,
        )
        .on_conflict_do_nothing()
        .returning(OutboundDialRow.attempt_id)
    ).scalar()
    if made and not is_an_agents:
        announce(session, DialCleared(tenant_id=clearance.tenant_id, attempt_id=clearance.attempt_id))


def begin_part(
    session: Session, *, tenant_id: TenantId, attempt_id: UUID, part_of: CallId, at: dt.datetime, vault: Vault
) -> None:
    """Write the call out to a number that is brought into a call in hand, from its dial; may be repeated."""
    row = session.get(OutboundDialRow, (tenant_id, attempt_id))
    if row is None:
        return
    arrival = Arrival(
        tenant_id=tenant_id,
        call_id=CallId(attempt_id),
        number_id=NumberId(row.number_id),
        dialled=row.caller,
        queue_id=QueueId(row.queue_id),
        caller=vault.open(sealed_number(tenant_id, attempt_id), row.to_ct) if row.to_ct else "",
        arrived_at=at,
        direction=calls.OUTBOUND,
        part_of=part_of,
    )
    prefix = None if row.to_ct else _prefix(session, tenant_id, attempt_id)
    calls.begin(session, arrival=arrival, customer_id=None, vault=vault, prefix=prefix)


def _prefix(session: Session, tenant_id: TenantId, attempt_id: UUID) -> str | None:
    """Return by which prefix a number is rated that the dial's row does not have."""
    return session.scalar(
        select(DialDecisionRow.prefix).where(
            DialDecisionRow.tenant_id == tenant_id,
            DialDecisionRow.attempt_id == attempt_id,
            DialDecisionRow.is_cleared,
        )
    )


def dialled_by(session: Session, *, tenant_id: TenantId, attempt_id: UUID) -> tuple[AgentId | None, bool]:
    """Return which agent has dialled by hand, if one has, and whether it was into a call in hand."""
    row = session.get(OutboundDialRow, (tenant_id, attempt_id))
    if row is None or row.by_agent_id is None:
        return None, False
    return AgentId(row.by_agent_id), row.part_of is not None


def recall(session: Session, *, tenant_id: TenantId, campaign_id: UUID) -> int:
    """Take back the clearances of a campaign that were not placed yet; return how many of its dials are open.

    Such a dial ends as EXPIRED without having been placed, so its lead is due again. One that rings already
    goes on: somebody may be picking up. In the tenant's own transaction, the one that pauses the campaign.
    """
    # older than any clearance: over by the clock of every machine
    over_at = clock.now() - LIFETIME
    taken_back = session.execute(
        update(OutboundDialRow)
        .where(
            OutboundDialRow.tenant_id == tenant_id,
            OutboundDialRow.campaign_id == campaign_id,
            OutboundDialRow.outcome.is_(None),
            OutboundDialRow.expires_at > over_at,
        )
        .values(expires_at=over_at)
        .returning(OutboundDialRow.attempt_id)
    )
    return len(taken_back.all())


def close_forsaken(session: Session, *, tenant_id: TenantId) -> int:
    """Close dials nobody will ever report on: half a day old, and no call of theirs goes on; return how many.

    A disk lost with its spool may leave one. It is LOST: whether it rang is not known.
    """
    now = clock.now()
    rows = session.scalars(
        select(OutboundDialRow)
        .outerjoin(
            CallRow,
            and_(CallRow.tenant_id == OutboundDialRow.tenant_id, CallRow.id == OutboundDialRow.attempt_id),
        )
        .where(
            OutboundDialRow.tenant_id == tenant_id,
            OutboundDialRow.outcome.is_(None),
            OutboundDialRow.expires_at < now - _FORSAKEN,
            or_(CallRow.id.is_(None), CallRow.ended_at.is_not(None)),
        )
    ).all()
    return sum(
        close(
            session,
            tenant_id=tenant_id,
            attempt_id=row.attempt_id,
            outcome=DialOutcome.LOST,
            started_at=row.expires_at,
            ended_at=row.expires_at,
        )
        for row in rows
    )


def close(
    session: Session,
    *,
    tenant_id: TenantId,
    attempt_id: UUID,
    outcome: DialOutcome,
    started_at: dt.datetime,
    ended_at: dt.datetime,
    answered_at: dt.datetime | None = None,
    call_id: CallId | None = None,
    agent_id: AgentId | None = None,
) -> bool:
    """Write what became of a dial and announce it, once; return False when that was done before.

    Args:
        session: in the tenant's own context; the transaction that closes the call's books.
        tenant_id: whose dial.
        attempt_id: its key.
        outcome: how it ended.
        started_at: when it was dialled, or, not dialled, when that was decided.
        ended_at: when it was over.
        answered_at: when the called party picked up, if they did.
        call_id: its call; None when nothing was dialled.
        agent_id: who talked.
    """
    closed = session.execute(
        update(OutboundDialRow)
        .where(
            OutboundDialRow.tenant_id == tenant_id,
            OutboundDialRow.attempt_id == attempt_id,
            OutboundDialRow.outcome.is_(None),
        )
        .values(
            outcome=outcome.value,
            started_at=started_at,
            answered_at=answered_at,
            ended_at=ended_at,
            agent_id=agent_id,
        )
        .returning(OutboundDialRow.attempt_id)
    ).scalar()
    if closed is None:
        return False
    if call_id is None:
        credit.give_back(session, tenant_id=tenant_id, use_id=attempt_id)
    else:
        spend.settle(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            began_at=answered_at or started_at,
            is_answered=answered_at is not None,
        )
    announce(
        session,
        DialEnded(
            tenant_id=tenant_id,
            attempt_id=attempt_id,
            call_id=call_id,
            outcome=outcome,
            started_at=started_at,
            answered_at=answered_at,
            ended_at=ended_at,
            agent_id=agent_id,
        ),
    )
    return True
