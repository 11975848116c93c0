"""A clearance for what stands below the gate; only tests can have one from anywhere else."""

import datetime as dt
from uuid import UUID

from core import clock
from core.ids import OPERATOR, NumberId, QueueId, new_id
from core.phone import E164
from telephony.switch.clearance import LIFETIME, Clearance
from telephony.switch.mint import MARK

PERSON, HANGS_UP, BUSY, RINGS_OUT, MACHINE, UNALLOCATED, REJECTS = (
    E164(f"+44770090012{digit}") for digit in "0456789"
)


def cleared(
    to: E164,
    *,
    ring_s: int = 15,
    longest: dt.timedelta = dt.timedelta(hours=2),
    at: dt.datetime | None = None,
    attempt_id: UUID | None = None,
) -> Clearance:
    return Clearance(
        tenant_id=OPERATOR,
        attempt_id=attempt_id or new_id(),
        to=to,
        caller="+448081570142",
        caller_number_id=NumberId(new_id()),
        queue_id=QueueId(new_id()),
        customer_id=None,
        campaign_id=None,
        ring_s=ring_s,
        longest=longest,
        reserved_nano=0,
        detects_machines=True,
        expires_at=(at or clock.now()) + LIFETIME,
        mark=MARK,
    )
