"""HeardFor somebody hears a recording: a closed list of reasons, asked for once a look, and kept for good.

A recording is personal data of two people; who listens must have a purpose (GDPR 5(1)(b), PIPL 6) and be able
to show it later (GDPR 5(2)). The reason is a code, because words typed here could hold anything.
"""

import datetime as dt
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, TenantId
from security import evidence
from telephony import calls
from telephony.errors import HearingReasonMissingError
from telephony.models import CallEventRow

OPENED = "recording-opened"
LASTS = dt.timedelta(hours=1)
"""How long one reason counts: a look that goes on later is another one."""


class HeardFor(StrEnum):
    """What a recording is heard for."""

    QUALITY = "quality"  # how the call was handled
    TRAINING = "training"  # what others learn from it
    COMPLAINT = "complaint"  # the customer complained
    DISPUTE = "dispute"  # what was agreed, ordered or charged
    LEGAL = "legal"  # a claim, or an order of an authority
    SECURITY = "security"  # fraud, threats, abuse
    ANSWER = "answer"  # what the caller wants, to answer a message they left


def open_for(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    why: HeardFor,
    by: UUID,
    agent: int | None = None,
) -> None:
    """Write down why somebody opens a call's recording; from now on they may hear it for `LASTS`.

    `agent`: their number, when it is an agent of the queue.

    Raises:
        CallNotFoundError: not this tenant's.
    """
    calls.look(session, tenant_id=tenant_id, call_id=call_id, kind=OPENED, by=by, why=why.value, agent=agent)
    evidence.record(session, "recording.opened", "call", call_id, why=why.value)


def reason(session: Session, *, tenant_id: TenantId, call_id: CallId, by: UUID) -> HeardFor | None:
    """Return why this person has opened the call's recording; None: they have not, or long ago."""
    found = session.scalar(
        select(CallEventRow.details["why"].astext)
        .where(
            CallEventRow.tenant_id == tenant_id,
            CallEventRow.call_id == call_id,
            CallEventRow.kind == OPENED,
            CallEventRow.at > clock.now() - LASTS,
            CallEventRow.details["by"].astext == str(by),
        )
        .order_by(CallEventRow.at.desc(), CallEventRow.position)
        .limit(1)
    )
    return HeardFor(found) if found else None


def insist(session: Session, *, tenant_id: TenantId, call_id: CallId, by: UUID) -> HeardFor:
    """Return why this person hears the call's recording.

    Raises:
        HearingReasonMissingError: they have not said so within `LASTS`.
    """
    found = reason(session, tenant_id=tenant_id, call_id=call_id, by=by)
    if found is None:
        raise HearingReasonMissingError
    return found
