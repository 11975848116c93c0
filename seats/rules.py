"""Which states an agent can be in, which may follow which, and who pays for the time.

Pure: no database. Source: the product's sixth design rule "an agent's time is a partition": at every
instant of a shift an agent is in exactly one state, and that second has one payer or is idle.
"""

import re
from enum import StrEnum
from uuid import UUID

from core.ids import TenantId
from seats.errors import IllegalTransitionError, PayerError, SubjectError, UnknownStateError


class Activity(StrEnum):
    """What an agent is doing; `away` is written with its reason, `away:meal`."""

    AVAILABLE = "available"
    RESERVED = "reserved"  # chosen for a call, the ring is on its way
    RINGING = "ringing"
    DIALLING = "dialling"  # their own outgoing call, not answered yet
    TALKING = "talking"
    HOLDING = "holding"
    WRAP_UP = "wrap_up"
    OFFLINE = "offline"  # signed in, and their browser cannot be reached
    AWAY = "away"


_REASON = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)

CALL_IN_HAND = frozenset(
    {
        Activity.RESERVED,
        Activity.RINGING,
        Activity.DIALLING,
        Activity.TALKING,
        Activity.HOLDING,
    }
)
WORKING = CALL_IN_HAND | {Activity.WRAP_UP}

_LEAVE = frozenset({Activity.AVAILABLE, Activity.AWAY, Activity.OFFLINE})
_AFTER: dict[Activity, frozenset[Activity]] = {
    Activity.AVAILABLE: frozenset(
        {Activity.RESERVED, Activity.RINGING, Activity.DIALLING, Activity.AWAY, Activity.OFFLINE}
    ),
    # an agent whose line stands open all shift hears the caller without a ring
    Activity.RESERVED: _LEAVE | {Activity.RINGING, Activity.TALKING},
    Activity.RINGING: _LEAVE | {Activity.TALKING},
    Activity.DIALLING: _LEAVE | {Activity.TALKING, Activity.HOLDING, Activity.WRAP_UP},
    Activity.TALKING: _LEAVE | {Activity.HOLDING, Activity.DIALLING, Activity.WRAP_UP},
    Activity.HOLDING: _LEAVE | {Activity.TALKING, Activity.DIALLING, Activity.WRAP_UP},
    Activity.WRAP_UP: _LEAVE | {Activity.DIALLING},
    # the switch holds the leg of a browser that is gone, so it may come back into its call
    Activity.OFFLINE: frozenset(
        {
            Activity.AVAILABLE,
            Activity.AWAY,
            Activity.TALKING,
            Activity.HOLDING,
            Activity.WRAP_UP,
        }
    ),
    Activity.AWAY: frozenset({Activity.AVAILABLE, Activity.AWAY, Activity.DIALLING, Activity.OFFLINE}),
}
# A work item begins on the way into these; on the way into the other working states it only goes on.
_BEGINS_WORK = frozenset({Activity.RESERVED, Activity.RINGING, Activity.DIALLING})


def activity(state: str) -> Activity:
    """Return what a written state means: `away:meal` -> `Activity.AWAY`.

    Raises:
        UnknownStateError: not a state; `away` without a reason is none either.
    """
    head, colon, reason = state.partition(":")
    try:
        found = Activity(head)
    except ValueError as error:
        raise UnknownStateError from error
    if (found is Activity.AWAY) != bool(colon) or (colon and not _REASON.fullmatch(reason)):
        raise UnknownStateError
    return found


def away(reason: str) -> str:
    """Return the state of an agent who is away: `away("meal")` -> `away:meal`.

    Raises:
        UnknownStateError: the reason is not lower case, at most 31 signs, letters first.
    """
    state = f"{Activity.AWAY}:{reason}"
    activity(state)
    return state


def check_moment(*, state: str, payer_tenant_id: TenantId | None, subject_ref: UUID | None) -> Activity:
    """Check that a state, its payer and its work item can stand together; return the activity.

    Raises:
        UnknownStateError: not a state.
        SubjectError: work without a work item, or a work item without work.
        PayerError: a payer for time away or offline.
    """
    found = activity(state)
    if (found in WORKING) != (subject_ref is not None):
        raise SubjectError(state=state)
    if payer_tenant_id is not None and found in {Activity.AWAY, Activity.OFFLINE}:
        raise PayerError(state=state)
    return found


def check_transition(
    *,
    state: str,
    subject_ref: UUID | None,
    next_state: str,
    next_subject_ref: UUID | None,
) -> None:
    """Check that an agent in `state` may enter `next_state`.

    The same state again is allowed for its payer's sake (a rental begins or ends while the agent works),
    but never with another work item: nobody is on two calls, and a call is ended before the next begins.

    Raises:
        IllegalTransitionError: the states do not follow each other, or the work item was exchanged.
    """
    before, after = activity(state), activity(next_state)
    if state != next_state and after not in _AFTER[before]:
        raise IllegalTransitionError(before=state, after=next_state)
    goes_on = before in WORKING and after in WORKING
    if goes_on and subject_ref != next_subject_ref and not _may_begin(before, after):
        raise IllegalTransitionError(before=state, after=next_state)


def _may_begin(before: Activity, after: Activity) -> bool:
    """Whether a new work item may begin although the agent comes from another one."""
    return after in _BEGINS_WORK and before is Activity.WRAP_UP


def payer(
    *, state: str, seat_renter: TenantId | None = None, work_tenant: TenantId | None = None
) -> TenantId | None:
    """Return who pays for a second in `state`, or None: idle, at the operator's own cost.

    1. Away and offline: nobody.
    2. Work in hand (reserved to wrap-up): the tenant of the work, on whatever seat. A pooled agent's
       work is paid this way, and so is the odd call of another tenant on a rented seat: its renter does not
       pay for it.
    3. Otherwise (available, or work of no tenant): the renter of the dedicated seat; a pooled agent waiting
       for anybody's call is idle.

    Args:
        state: as written, `talking`, `away:meal`.
        seat_renter: the tenant that rents the seat at this instant; None for a pooled seat.
        work_tenant: the tenant of the work item in hand; None when there is none.
    """
    found = activity(state)
    if found in {Activity.AWAY, Activity.OFFLINE}:
        return None
    if found in WORKING and work_tenant is not None:
        return work_tenant
    return seat_renter
