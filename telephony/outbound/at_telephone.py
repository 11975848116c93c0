"""The call to an agent's own telephone, at which a client's call is offered: a call out, through the gate.

Its leg is a part of the call (`part_of`), cleared like any call out and billed once, to whose call it is. The
number is the agent's and no client's business: it stands in the operator's rows alone, and the client's dial,
call and CDR have none, but the prefix by which it is rated. The agent has asked for it by choosing their
telephone, so neither hours nor the client's do-not-call list bind: that list, filled with guesses, would tell
the client the rest of the number. All else does.
"""

import datetime as dt

from sqlalchemy.orm import Session

from core.ids import AgentId, OfferId
from core.phone import E164
from security.vault import Vault
from telephony.calls import Arrival
from telephony.outbound import dialling
from telephony.outbound.by_hand import ALWAYS, MOST_PER_SECOND, number_to_show
from telephony.outbound.gate import (
    SHORTEST_RING_S,
    Clearance,
    DialRequest,
    Refusal,
    RefusalReason,
    clear,
)

LONGEST_RING_S = 120


def clear_for(
    session: Session,
    *,
    arrival: Arrival,
    offer_id: OfferId,
    agent_id: AgentId,
    to: E164,
    ring_s: int,
    vault: Vault,
    at: dt.datetime,
) -> Clearance | Refusal:
    """Clear the call to an agent's telephone for one offer, or return why it may not be made.

    In the company's own transaction. One offer calls it once at most: its id is the attempt's.
    """
    shown = number_to_show(
        session, tenant_id=arrival.tenant_id, queue_id=arrival.queue_id, at=at, dialled=arrival.dialled
    )
    if to == arrival.caller:
        return Refusal(RefusalReason.ON_THE_LINE)
    if shown is None:
        return Refusal(RefusalReason.CALLER_NOT_OURS)
    request = DialRequest(
        tenant_id=arrival.tenant_id,
        attempt_id=offer_id,
        to=to,
        caller_number_id=shown,
        queue_id=arrival.queue_id,
        customer_id=None,
        campaign_id=None,
        zone="UTC",
        window=ALWAYS,
        ring_s=rings_s(ring_s),
        detects_machines=False,
        max_per_second=MOST_PER_SECOND,
        by_agent_id=agent_id,
        is_asked_for=True,
        part_of=arrival.call_id,
        is_an_agents=True,
    )
    answer = clear(session, request=request, vault=vault, at=at)
    if isinstance(answer, Clearance):
        dialling.dial(session, clearance=answer, vault=vault, is_an_agents=True)
    return answer


def rings_s(wanted_s: int) -> int:
    """Return how long a telephone rings for a queue that lets phones ring for so long."""
    return min(max(wanted_s, SHORTEST_RING_S), LONGEST_RING_S)
