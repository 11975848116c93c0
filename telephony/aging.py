"""What of calls is removed by age: recordings, and who called or was called.

A call's row and its record for the bill stay; what a legal hold covers is passed over.
"""

import datetime as dt
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import CallId, RecordingId, TenantId
from core.storage import Storage
from telephony import erasure, recording
from telephony.models import CallRow, RecordingRow
from tenants.holds import Held


def recordings(session: Session, *, tenant_id: TenantId, before: dt.datetime, held: Held) -> int:
    """Return how many recordings that began before an instant may go."""
    found = sa.select(sa.func.count()).select_from(RecordingRow)
    return session.execute(found.where(*_old_recordings(tenant_id, before, held))).scalar_one()


def remove_recordings(
    session: Session,
    *,
    tenant_id: TenantId,
    before: dt.datetime,
    held: Held,
    limit: int,
    storage: Storage,
    recording_dir: Path,
) -> int:
    """Remove some of them, files first: after a crash the rows still say what is to be done."""
    rows = session.scalars(
        sa.select(RecordingRow)
        .where(*_old_recordings(tenant_id, before, held))
        .order_by(RecordingRow.id)
        .limit(limit)
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


def callers(session: Session, *, tenant_id: TenantId, before: dt.datetime, held: Held) -> int:
    """Return how many calls that ended before an instant still say who called."""
    found = sa.select(sa.func.count()).select_from(CallRow)
    return session.execute(found.where(*_old_callers(tenant_id, before, held))).scalar_one()


def forget_callers(
    session: Session, *, tenant_id: TenantId, before: dt.datetime, held: Held, limit: int
) -> int:
    """Take the number and the customer out of some of them; return of how many."""
    found = session.scalars(
        sa.select(CallRow.id).where(*_old_callers(tenant_id, before, held)).order_by(CallRow.id).limit(limit)
    ).all()
    return erasure.forget(session, tenant_id=tenant_id, calls_of=[CallId(one) for one in found])


def _old_recordings(tenant_id: TenantId, before: dt.datetime, held: Held) -> list[sa.ColumnElement[bool]]:
    spared = sa.select(CallRow.id).where(
        CallRow.tenant_id == tenant_id, CallRow.customer_id.in_(held.customers)
    )
    return [
        RecordingRow.tenant_id == tenant_id,
        RecordingRow.state == "sealed",
        RecordingRow.started_at < before,
        RecordingRow.call_id.not_in(held.calls),
        RecordingRow.call_id.not_in(spared),
    ]


def _old_callers(tenant_id: TenantId, before: dt.datetime, held: Held) -> list[sa.ColumnElement[bool]]:
    return [
        CallRow.tenant_id == tenant_id,
        CallRow.ended_at < before,
        sa.or_(CallRow.caller_ct.is_not(None), CallRow.customer_id.is_not(None)),
        CallRow.id.not_in(held.calls),
        sa.or_(CallRow.customer_id.is_(None), CallRow.customer_id.not_in(held.customers)),
    ]
