"""A clearance: the leave to place one call, once, within seconds. `Switch.originate` takes nothing else.

It stands below the switch's port, so that a driver can ask for it, and is made by `telephony.outbound.gate`
alone, which has looked at standing, credit, the do-not-call list, hours, caller number and pace.
"""

import datetime as dt
from dataclasses import InitVar, dataclass, field
from typing import Final
from uuid import UUID

from core.errors import Refused
from core.ids import AgentId, CallId, CustomerId, NumberId, QueueId, TenantId
from core.phone import E164
from telephony.switch.mint import MARK

LIFETIME: Final = dt.timedelta(seconds=10)


class UnclearedCallError(Refused):
    """Somebody tried to make a clearance without the gate: a bug, never a user's doing."""

    code = "uncleared-call"


class ClearanceExpiredError(Refused):
    """The clearance is too old: what it looked at may have changed since."""

    code = "clearance-expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """One call that may be placed now.

    Attributes:
        attempt_id: the key of the call: one attempt is dialled at most once, ever.
        to: the number to call. Never in `repr`.
        caller: the number shown, which the tenant rents.
        by_agent_id: who dials by hand, and talks; None: whoever of the queue is free.
        ring_s: for how long it rings at most.
        longest: how long it may last from the answer on; then it is ended, by the switch itself if need be.
        reserved_nano: what it may cost at most.
        detects_machines: whether the switch listens for an answering machine after the answer.
        part_of: the call in hand into which this number is brought; None: it is a call by itself.
        is_given: that call is given to it, and its agent leaves; else it is asked about the call.
        expires_at: after this instant it is worth nothing.
    """

    tenant_id: TenantId
    attempt_id: UUID
    to: E164 = field(repr=False)
    caller: str
    caller_number_id: NumberId
    queue_id: QueueId
    customer_id: CustomerId | None
    campaign_id: UUID | None
    by_agent_id: AgentId | None = None
    ring_s: int
    longest: dt.timedelta
    reserved_nano: int
    detects_machines: bool
    expires_at: dt.datetime
    part_of: CallId | None = None
    is_given: bool = False
    mark: InitVar[object]

    def __post_init__(self, mark: object) -> None:
        """Refuse whoever does not come from the gate."""
        if mark is not MARK:
            raise UnclearedCallError

    def insist(self, at: dt.datetime) -> None:
        """Refuse to be used too late.

        Raises:
            ClearanceExpiredError: `at` lies after `expires_at`.
        """
        if at > self.expires_at:
            raise ClearanceExpiredError(attempt_id=str(self.attempt_id))
