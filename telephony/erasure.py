"""Forgetting a person: what this room lets go of. Recordings are removed, numbers leave calls.

A call detail record stays whole: it holds no number but our own, and of a number called what rating needs,
all but its last four digits. The call's row loses the sealed number, its hash and the customer; its instants
stay, because figures and invoices rest on them.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, CustomerId, RecordingId, TenantId
from core.storage import Storage
from security.vault import Mark
from telephony import calls, recording, work
from telephony.models import (
    CallDraftRow,
    CallRow,
    CustomerTierRow,
    DialDecisionRow,
    OutboundDialRow,
    RecordingRow,
)
from telephony.outbound import gate

INDEXES = (calls.CALLER_INDEX, gate.INDEX)
"""The indexes of this room by which a number is found."""


def is_in_hand(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId | None, caller: Mark, called: Mark
) -> bool:
    """Return whether they are on the line, being dialled, or in an agent's wrap-up: not yet, then."""
    talking = sa.select(CallRow.id).where(
        CallRow.tenant_id == tenant_id,
        _whose(customer_id, caller),
        sa.or_(
            CallRow.ended_at.is_(None),
            sa.and_(
                CallRow.answered_at.is_not(None),
                CallRow.wrapped_at.is_(None),
                CallRow.ended_at > clock.now() - work.FORGOTTEN,
            ),
        ),
    )
    decided = sa.select(DialDecisionRow.attempt_id).where(
        DialDecisionRow.tenant_id == tenant_id, DialDecisionRow.to_index.in_(called.levels)
    )
    dialling = sa.select(OutboundDialRow.attempt_id).where(
        OutboundDialRow.tenant_id == tenant_id,
        OutboundDialRow.outcome.is_(None),
        sa.or_(OutboundDialRow.attempt_id.in_(decided), OutboundDialRow.customer_id == customer_id)
        if customer_id
        else OutboundDialRow.attempt_id.in_(decided),
    )
    return any(session.scalars(one.limit(1)).first() for one in (talking, dialling))


def some(
    session: Session, *, tenant_id: TenantId, customer_id: CustomerId | None, caller: Mark, limit: int
) -> Sequence[CallId]:
    """Return some of their calls; those that were forgotten are not theirs any more."""
    found = session.scalars(
        sa.select(CallRow.id)
        .where(CallRow.tenant_id == tenant_id, _whose(customer_id, caller))
        .order_by(CallRow.id)
        .limit(limit)
    )
    return [CallId(one) for one in found]


def among(
    session: Session,
    *,
    tenant_id: TenantId,
    customer_id: CustomerId | None,
    caller: Mark,
    calls_of: Collection[UUID],
) -> set[UUID]:
    """Return which of some calls are theirs."""
    found = sa.select(CallRow.id).where(
        CallRow.tenant_id == tenant_id, CallRow.id.in_(list(calls_of)), _whose(customer_id, caller)
    )
    return set(session.scalars(found))


def count(session: Session, *, tenant_id: TenantId, customer_id: CustomerId | None, caller: Mark) -> int:
    """Return how many calls are theirs."""
    whose = _whose(customer_id, caller)
    return session.execute(
        sa.select(sa.func.count()).select_from(CallRow).where(CallRow.tenant_id == tenant_id, whose)
    ).scalar_one()


def recorded(session: Session, *, tenant_id: TenantId, limit: int) -> Sequence[CallId]:
    """Return some calls of a company that have a recording."""
    found = session.scalars(
        sa.select(RecordingRow.call_id).where(RecordingRow.tenant_id == tenant_id).distinct().limit(limit)
    )
    return [CallId(one) for one in found]


def forget_recordings(
    session: Session,
    *,
    tenant_id: TenantId,
    calls_of: Collection[CallId],
    storage: Storage,
    recording_dir: Path,
) -> int:
    """Remove recordings, files first: after a crash in between the rows still say what is to be done."""
    rows = session.scalars(
        sa.select(RecordingRow).where(
            RecordingRow.tenant_id == tenant_id, RecordingRow.call_id.in_(list(calls_of))
        )
    ).all()
    for row in rows:
        recording.remove(
            tenant_id=tenant_id,
            recording_id=RecordingId(row.id),
            storage=storage,
            recording_dir=recording_dir,
        )
        session.delete(row)
    session.flush()
    return len(rows)


def forget(session: Session, *, tenant_id: TenantId, calls_of: Collection[CallId]) -> int:
    """Take the person out of calls and remove what agents had begun to write; return how many calls."""
    ids = list(calls_of)
    session.execute(
        sa.delete(CallDraftRow).where(CallDraftRow.tenant_id == tenant_id, CallDraftRow.call_id.in_(ids))
    )
    session.execute(
        sa.update(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.id.in_(ids))
        .values(caller_ct=None, caller_index=None, customer_id=None)
        .execution_options(synchronize_session=False)
    )
    return len(ids)


def forget_tier(session: Session, *, tenant_id: TenantId, customer_id: CustomerId | None) -> None:
    """Take a customer out of their company's tiers."""
    session.execute(
        sa.delete(CustomerTierRow).where(
            CustomerTierRow.tenant_id == tenant_id, CustomerTierRow.customer_id == customer_id
        )
    )


def forget_dials(session: Session, *, customer_id: CustomerId | None, called: Mark) -> int:
    """Take the number out of calls placed and out of what the gate decided; return how many calls placed.

    Of the session's own company: the function of the database looks at nothing else.
    """
    found: int = session.execute(
        sa.text("SELECT erase.dials(:marks, :customer)"),
        {"marks": list(called.levels), "customer": customer_id},
    ).scalar_one()
    return found


def _whose(customer_id: CustomerId | None, caller: Mark) -> sa.ColumnElement[bool]:
    theirs: sa.ColumnElement[bool] = CallRow.caller_index.in_(caller.levels)
    # compared with nobody, the column would match every caller who is not known
    return sa.or_(theirs, CallRow.customer_id == customer_id) if customer_id else theirs
