"""Calls an agent dials by hand: the number to show, the hours, and then the gate like any other call.

Hours are the widest the law knows, 08:00 to 21:00 where the called person is (47 CFR 64.1200(c)(1)). Around
the time for which a person has asked to be called they do not bind: 16 CFR 310.4(c) leaves a call to which
they have consented before free, and that is one.
"""

import datetime as dt

from sqlalchemy.orm import Session

from core.ids import AgentId, NumberId, QueueId, TenantId, new_id
from core.phone import E164, ShortCode, is_short_code, time_zones
from customers import lookup
from security.vault import Vault
from telephony import numbers
from telephony.calls import Call
from telephony.outbound import dialling
from telephony.outbound.gate import Clearance, DialRequest, Refusal, RefusalReason
from telephony.outbound.hours import Window, zone_of

RING_S = 45  # whoever dials by hand decides when to give up; after so long the network does
BROUGHT_IN_RING_S = 30  # somebody waits for it with music
MOST_PER_SECOND = 10
_EVERY_DAY = frozenset(range(1, 8))
LAWFUL = Window(dt.time(8), dt.time(21), _EVERY_DAY)
ALWAYS = Window(dt.time(0), dt.time.max, _EVERY_DAY)
AROUND = dt.timedelta(hours=1)


def dial(
    session: Session,
    *,
    tenant_id: TenantId,
    agent_id: AgentId,
    to: E164 | ShortCode,
    queue_id: QueueId,
    home: str,
    promised_for: dt.datetime | None = None,
    is_typed: bool = False,
    vault: Vault,
    at: dt.datetime,
) -> Clearance | Refusal:
    """Clear a call an agent wants to make and hand it on, or return why it may not be made.

    In the company's own transaction. The call's id is the clearance's attempt.

    Args:
        session: in the company's walls.
        tenant_id: the company in whose name they call.
        agent_id: who dials; the switchboard insists that they are there and have nothing in hand.
        to: whom; a short code is refused by the gate, with its own word.
        queue_id: of the company, served by the agent: its recording, wrap-up and outcomes hold.
        home: the company's own zone, for numbers that ring in several.
        promised_for: when this person has asked to be called, if they have.
        is_typed: the agent has typed the number.
        vault: for keyed hashes and seals.
        at: the dial instant.

    Raises:
        QueueNotFoundError: not this company's.
    """
    shown = number_to_show(session, tenant_id=tenant_id, queue_id=queue_id, at=at)
    if shown is None:
        return Refusal(RefusalReason.CALLER_NOT_OURS)
    is_asked_for = promised_for is not None and abs(at - promised_for) <= AROUND
    window = ALWAYS if is_asked_for else LAWFUL
    is_number = not is_short_code(to)
    known = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=E164(to)) if is_number else None
    zones = time_zones(E164(to)) if is_number else ()
    request = DialRequest(
        tenant_id=tenant_id,
        attempt_id=new_id(),
        to=to,
        caller_number_id=shown,
        queue_id=queue_id,
        customer_id=known.id if known else None,
        campaign_id=None,
        by_agent_id=agent_id,
        zone=strictest_zone(zones, home=home, window=window, at=at),
        window=window,
        ring_s=RING_S,
        detects_machines=False,
        max_per_second=MOST_PER_SECOND,
        is_asked_for=is_asked_for,
        is_typed=is_typed,
    )
    return dialling.place(session, request=request, vault=vault, at=at)


def bring_in(
    session: Session,
    *,
    tenant_id: TenantId,
    agent_id: AgentId,
    call: Call,
    to: E164 | ShortCode,
    is_given: bool,
    home: str,
    vault: Vault,
    at: dt.datetime,
) -> Clearance | Refusal:
    """Clear a number outside for a call in hand, and hand it on, or return why it may not be called.

    It is given the call, or asked about it. Whoever is there is asked for help and sold nothing, so the hours
    of the called do not bind; all that bounds calls out does, and so do the company's own hours and its
    do-not-call list. Shown is the number by which the call came in. In the company's own transaction.

    Args:
        session: in the company's walls.
        tenant_id: whose call it is.
        agent_id: who has it in hand; the switchboard insists that they talk in it, alone.
        call: the call in hand.
        to: whom; one of the company's own numbers, or the other party of the call, is refused.
        is_given: the call is given to that number, and the agent leaves; else it is asked about it.
        home: the company's own zone.
        vault: for keyed hashes and seals.
        at: the dial instant.
    """
    own = numbers.all_of(session, tenant_id=tenant_id)
    if any(number.digits == to for number in own):  # it would come back in, and be paid twice
        return Refusal(RefusalReason.OWN_NUMBER)
    if to == call.caller:
        return Refusal(RefusalReason.ON_THE_LINE)
    shown = number_to_show(session, tenant_id=tenant_id, queue_id=call.queue_id, at=at, dialled=call.dialled)
    if shown is None:
        return Refusal(RefusalReason.CALLER_NOT_OURS)
    request = DialRequest(
        tenant_id=tenant_id,
        attempt_id=new_id(),
        to=to,
        caller_number_id=shown,
        queue_id=call.queue_id,
        customer_id=None,
        campaign_id=None,
        by_agent_id=agent_id,
        zone=home,
        window=ALWAYS,
        ring_s=BROUGHT_IN_RING_S,
        detects_machines=False,
        max_per_second=MOST_PER_SECOND,
        is_typed=True,
        part_of=call.call_id,
        is_given=is_given,
    )
    return dialling.place(session, request=request, vault=vault, at=at)


def number_to_show(
    session: Session, *, tenant_id: TenantId, queue_id: QueueId, at: dt.datetime, dialled: str = ""
) -> NumberId | None:
    """Return the number a call of this queue shows; None: there is none.

    The one by which a call came in (`dialled`), else the one held elsewhere that was asked for this queue,
    else the queue's own, else the company's first. What may not be shown now comes last: the gate then says
    why.
    """
    found = [
        one
        for one in numbers.shown_by(session, tenant_id=tenant_id)
        if not is_short_code(one.digits) and (one.queue_id == queue_id or not one.is_elsewhere)
    ]
    found.sort(
        key=lambda one: (
            not one.may_be_shown(at),
            one.digits != dialled,
            one.queue_id != queue_id,
            not one.is_elsewhere,
            one.digits,
        )
    )
    return found[0].number_id if found else None


def strictest_zone(zones: tuple[str, ...], *, home: str, window: Window, at: dt.datetime) -> str:
    """Return the zone to ask the gate about: where it is closed now, if a number may ring there.

    A number that may ring in several zones is called only when all of them are open. Otherwise the company's
    own zone if it is among them; empty when nothing is known of the number.

    >>> noon = dt.datetime(2026, 11, 2, 14, tzinfo=dt.UTC)
    >>> strictest_zone(("America/New_York", "America/Los_Angeles"), home="UTC", window=LAWFUL, at=noon)
    'America/Los_Angeles'
    """
    for zone in zones:
        place = zone_of(zone)
        if place is not None and not window.is_open(at, place):
            return zone
    if home in zones:
        return home
    return zones[0] if zones else ""
