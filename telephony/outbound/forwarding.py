"""A number, or a step of its flow, that gives callers to a phone outside: a call out, through the gate.

The number's phone stands sealed in its row, the flow's beside the flow. Its leg is a part of the call
(`part_of`): cleared like any call out, bounded by what the company's calls out may last and cost, and billed
once. Whoever is there works for the company that has asked for this, so hours do not bind; all else does. Its
own numbers it never calls; whose numbers else would come back in, the switchboard asks the directory.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import Invalid
from core.ids import NumberId, TenantId
from core.phone import E164, Kind, kind_of
from security import evidence
from security.vault import Field, Vault
from telephony import numbers
from telephony.calls import Arrival
from telephony.errors import NumberChangedError, NumberNotFoundError
from telephony.models import NumberRow
from telephony.numbers import Forwarding, Number
from telephony.outbound import dialling
from telephony.outbound.by_hand import ALWAYS, MOST_PER_SECOND, number_to_show
from telephony.outbound.gate import Clearance, DialRequest, Refusal, RefusalReason

RING_S = 30


class ForwardTargetError(Invalid):
    """No number a caller can be forwarded to: one of the company's own, or one nobody may call."""

    code = "forward-target"


def set_up(
    session: Session,
    *,
    tenant_id: TenantId,
    number_id: NumberId,
    to: E164 | None,
    when: Forwarding = Forwarding.ALWAYS,
    revision: int,
    vault: Vault,
) -> Number:
    """Forward the callers of a number to the client's own phone, or (`to` None) no more.

    Raises:
        NumberNotFoundError: not this tenant's, or released.
        NumberChangedError: somebody else has changed it since `revision`.
        ForwardTargetError: `to` is one of the company's own numbers, or of a kind nobody may call.
    """
    row = session.get(NumberRow, (tenant_id, number_id), with_for_update=True, populate_existing=True)
    if row is None or row.released_at is not None or row.is_elsewhere:
        raise NumberNotFoundError
    if row.revision != revision:
        raise NumberChangedError(revision=row.revision)
    if to is not None:
        own = {one.digits for one in numbers.all_of(session, tenant_id=tenant_id)}
        if to in own or kind_of(to) is not Kind.ORDINARY:
            raise ForwardTargetError
    row.forward_ct = vault.seal(_sealed(tenant_id, number_id), to) if to else None
    row.forwards = when.value if to else None
    row.revision += 1
    session.flush()
    evidence.record(session, "number.forwarding-changed", "num", number_id, is_on=to is not None)
    return numbers.get(session, tenant_id=tenant_id, number_id=number_id)


def target(session: Session, *, tenant_id: TenantId, number_id: NumberId, vault: Vault) -> E164 | None:
    """Return the phone a number forwards to; None: it forwards to none."""
    row = session.get(NumberRow, (tenant_id, number_id))
    if row is None or row.released_at is not None or row.forward_ct is None:
        return None
    return E164(vault.open(_sealed(tenant_id, number_id), row.forward_ct))


def clear(
    session: Session,
    *,
    arrival: Arrival,
    attempt_id: UUID,
    to: E164,
    ring_s: int,
    vault: Vault,
    at: dt.datetime,
) -> Clearance | Refusal:
    """Clear the call to that phone and hand it on, or return why it may not be made.

    Shown is the number dialled, or, for a short code or one that may not be shown, another of the company's.
    In the company's own transaction.
    """
    tenant_id = arrival.tenant_id
    if to == arrival.caller:
        return Refusal(RefusalReason.ON_THE_LINE)
    shown = number_to_show(
        session, tenant_id=tenant_id, queue_id=arrival.queue_id, at=at, dialled=arrival.dialled
    )
    if shown is None:
        return Refusal(RefusalReason.CALLER_NOT_OURS)
    request = DialRequest(
        tenant_id=tenant_id,
        attempt_id=attempt_id,
        to=to,
        caller_number_id=shown,
        queue_id=arrival.queue_id,
        customer_id=None,
        campaign_id=None,
        zone="UTC",
        window=ALWAYS,
        ring_s=ring_s,
        detects_machines=False,
        max_per_second=MOST_PER_SECOND,
        is_asked_for=True,
        part_of=arrival.call_id,
        is_given=True,
    )
    return dialling.place(session, request=request, vault=vault, at=at)


def _sealed(tenant_id: TenantId, number_id: NumberId) -> Field:
    return Field(tenant_id, "numbers", "forward", number_id, 1)
