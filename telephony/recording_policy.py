"""What a company records unless a queue differs: of a hundred calls how many, and whether callers are told.

A company that has decided nothing records every call and tells callers. A queue either follows or has its own
(`queues.Settings.records_as_company`); what counts for a call is decided once, when it begins.
"""

from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from security import evidence
from telephony.errors import QueueSettingError, RecordingPolicyChangedError
from telephony.models import RecordingPolicyRow

RECORDED_PERCENT = (1, 100)


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """What a company has decided; `revision` 0: nothing yet."""

    is_recorded: bool = True
    record_percent: int = 100
    tells_callers: bool = True
    revision: int = 0


def read(session: Session, *, tenant_id: TenantId) -> RecordingPolicy:
    """Return what counts for queues that follow their company."""
    row = session.get(RecordingPolicyRow, tenant_id, populate_existing=True)
    return _policy(row) if row else RecordingPolicy()


def write(session: Session, *, tenant_id: TenantId, policy: RecordingPolicy) -> RecordingPolicy:
    """Replace it, if it still is at the revision of `policy`; it counts from the next call on.

    Raises:
        RecordingPolicyChangedError: somebody saved since; nothing was written.
        QueueSettingError: `field` names what cannot stand.
    """
    if not RECORDED_PERCENT[0] <= policy.record_percent <= RECORDED_PERCENT[1]:
        raise QueueSettingError(field="record_percent")
    row = session.get(RecordingPolicyRow, tenant_id, with_for_update=True, populate_existing=True)
    if (row.revision if row else 0) != policy.revision:
        raise RecordingPolicyChangedError(revision=row.revision if row else 0)
    values = {
        "is_recorded": policy.is_recorded,
        "record_percent": policy.record_percent,
        "tells_callers": policy.tells_callers,
        "revision": policy.revision + 1,
        "changed_at": clock.now(),
    }
    if row is None:
        made = (
            insert(RecordingPolicyRow)
            .values(tenant_id=tenant_id, **values)
            .on_conflict_do_nothing()
            .returning(RecordingPolicyRow.revision)
        )
        if session.execute(made).scalar() is None:  # somebody else was first in this moment
            raise RecordingPolicyChangedError(revision=1)
    else:
        for name, value in values.items():
            setattr(row, name, value)
        session.flush()
    evidence.record(
        session,
        "recording-policy.changed",
        "ten",
        tenant_id,
        revision=policy.revision + 1,
        recorded=policy.is_recorded,
        percent=policy.record_percent,
        tells=policy.tells_callers,
    )
    return read(session, tenant_id=tenant_id)


def _policy(row: RecordingPolicyRow) -> RecordingPolicy:
    return RecordingPolicy(row.is_recorded, row.record_percent, row.tells_callers, row.revision)
