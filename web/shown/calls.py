"""Calls as rows of a list: who (masked), where, how it ended, what it cost."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy.orm import Session

from billing import charges
from core import clock, ids
from core.clock import elapsed_ms
from core.ids import CustomerId, TenantId
from core.phone import mask
from customers import dispositions, glance
from security.vault import Vault
from telephony.calls import INBOUND, Call
from web import tampered

# how a call out ended that nobody talked in: its cause, and the templates' word
_UNANSWERED = {
    "busy": "busy",
    "no-answer": "no-answer",
    "unallocated": "unallocated",
    "rejected": "rejected",
    "failed": "failed",
    "machine": "machine",
    "abandoned": "no-agent",
    "called-hung-up": "hung-up",
    "cancelled": "cancelled",
    "stopped": "cancelled",
    "too-long": "cancelled",
    "outside-hours": "closed",
    "waited-too-long": "waited-too-long",
    "no-room": "no-room",
    "not-paid": "not-paid",
    "served": "served",
    "caller-left-flow": "left-flow",
    "left-message": "message",
}
LOST = frozenset({"switch-lost", "lost-while-switchboard-away"})


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call of a list; see templates/parts/calls.html."""

    id: str
    started_at: dt.datetime
    who: str
    inbound: bool
    queue: str
    agent: str
    outcome: str
    disposition: str
    wait_s: float | None
    talk_s: float
    charge_nano: int | None
    currency: str
    has_recording: bool
    recording_s: float | None = None


def rows(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    calls: Sequence[Call],
    language: str,
    currency: str,
) -> list[CallRow]:
    """Return calls as a list shows them, in three statements whatever their number.

    `currency` is the company's: what costs nothing is nothing of that.
    """
    known = {call.customer_id for call in calls if call.customer_id is not None}
    names = glance.masked_names(
        session, tenant_id=tenant_id, vault=vault, customer_ids=known, broken=tampered.tell
    )
    costs = charges.of_subjects(session, tenant_id=tenant_id, subject_refs=[call.call_id for call in calls])
    words = disposition_words(session, tenant_id=tenant_id, language=language)
    return [_row(call, names, costs.get(call.call_id), words, currency) for call in calls]


def disposition_words(session: Session, *, tenant_id: TenantId, language: str) -> dict[str, str]:
    """Return the label of each disposition in use."""
    return dispositions.labels(dispositions.offered(session, tenant_id=tenant_id), language)


def outcome(call: Call) -> str:
    """Return how a call ended, as one of the words the templates know."""
    if call.ended_at is None:
        return "in-progress"
    if call.cause in LOST:
        return "switch-lost"
    if call.room_id:
        return "room"
    if call.bridged_at:
        return "answered"
    return _UNANSWERED.get(call.cause or "", "abandoned")


def agent(number: int | None) -> str:
    """Return how a client company sees an agent: by the number callers are told."""
    return gettext("Agent %(number)s", number=number) if number is not None else ""


def who(call: Call, masked_name: str | None = None) -> str:
    """Return whom the call is with, masked: the customer's initials, else the number."""
    return masked_name or mask_caller(call)


def mask_caller(call: Call) -> str:
    """Return the other party's number without its last three digits, or who it was that has none here."""
    if call.caller:
        return mask(call.caller)
    return str(gettext("Not shown") if call.part_of else gettext("Withheld"))


def talk_s(call: Call) -> float:
    """Return the seconds both heard each other, so far."""
    if call.talk_ms is not None:
        return call.talk_ms / 1000
    until = call.talk_ended_at or clock.now()
    return elapsed_ms(call.bridged_at, until) / 1000 if call.bridged_at else 0.0


def wait_s(call: Call) -> float | None:
    """Return the seconds from the arrival to the conversation (or to the end), or None while it waits."""
    if call.wait_ms is not None:
        return call.wait_ms / 1000
    return elapsed_ms(call.arrived_at, call.bridged_at) / 1000 if call.bridged_at else None


def _row(
    call: Call,
    names: dict[CustomerId, str],
    cost: charges.Charged | None,
    words: dict[str, str],
    currency: str,
) -> CallRow:
    is_free = call.ended_at is not None and call.bridged_at is None and call.picked_up_at is None
    charge_nano: int | None = 0 if is_free else None
    if cost is not None and not cost.waiting:
        charge_nano = cost.amount_nano
    return CallRow(
        id=ids.public("call", call.call_id),
        started_at=call.arrived_at,
        who=who(call, names.get(call.customer_id) if call.customer_id else None),
        inbound=call.direction == INBOUND,
        queue=call.queue_name,
        agent=agent(call.agent_number if call.bridged_at else None),
        outcome=outcome(call),
        disposition=words.get(call.disposition, call.disposition) if call.disposition else "",
        wait_s=wait_s(call),
        talk_s=talk_s(call),
        charge_nano=charge_nano,
        currency=(cost.currency if cost else "") or currency,
        has_recording=call.recording_state == "sealed",
        recording_s=None if call.recording_ms is None else call.recording_ms / 1000,
    )
