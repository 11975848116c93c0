"""One second of one campaign: how many lines, which leads, may they be called, and off they go.

Everything happens in one transaction of the company: claim, customer, clearance, order to dial. A worker
that is killed in it has called nobody and claimed nobody. The gate decides at the dial instant; what it
refuses is written down with its reason and never dialled.
"""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from campaigns import attempts, imports, leads, pacing, plans, rules
from campaigns.attempts import Claim
from campaigns.plans import Campaign
from campaigns.rules import State
from core.ids import OPERATOR, CampaignId, CustomerId, TenantId
from core.phone import international
from customers import lookup, records
from customers.errors import CustomerDetailsError, CustomerExistsError
from customers.records import CustomerDetails
from security.vault import Vault
from telephony import queue_hours
from telephony.outbound import dialling
from telephony.outbound.gate import DialRequest, Refusal, RefusalReason, clear

HANDOVER = dt.timedelta(seconds=3)
"""For so long an agent whom a call was placed for may still look free: rows follow the switchboard."""
QUEUE_CLOSED = "queue-closed"
"""Why a campaign dials nobody while its queue is closed: there would be nobody to talk to."""
_HELD = dt.timedelta(seconds=60)
# it is not this lead: the company may call nobody, so the campaign is held and the lead given back
_OF_THE_COMPANY = frozenset(
    {
        RefusalReason.SUSPENDED,
        RefusalReason.STOPPED,
        RefusalReason.STOPPED_BY_OPERATOR,
        RefusalReason.OFF_HOURS,
        RefusalReason.DAY_SPENT,
        RefusalReason.NO_BALANCE,
        RefusalReason.NO_ACCOUNT,
        RefusalReason.ON_HOLD,
        RefusalReason.CALLER_NOT_OURS,
        RefusalReason.CALLER_UNPROVEN,
        RefusalReason.NO_ROOM,
    }
)
_LONGEST_NAME, _LONGEST_NOTES = 200, 10_000


@dataclass(frozen=True, slots=True)
class Round:
    """What a second brought."""

    dialled: int = 0
    refused: int = 0
    is_finished: bool = False
    has_turned: bool = False  # it has begun to wait, or goes on

    @property
    def has_news(self) -> bool:
        """Whether pages that show the campaign should look again."""
        return bool(self.dialled or self.refused or self.is_finished or self.has_turned)


def round_of(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    campaign_id: CampaignId,
    free: int,
    at: dt.datetime,
) -> Round:
    """Start as many calls as there are agents for, or finish the campaign when nobody is left to call.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        vault: opens leads, seals customers.
        campaign_id: theirs.
        free: agents of the queue who have nothing in hand and are given to this campaign.
        at: the dial instant.
    """
    campaign = plans.lock_running(session, tenant_id=tenant_id, campaign_id=campaign_id)
    if campaign is None or (campaign.held_until is not None and campaign.held_until > at):
        return Round()
    if _is_over(session, campaign):
        plans.turn(session, tenant_id=tenant_id, campaign_id=campaign_id, to=State.FINISHED, by=OPERATOR)
        return Round(is_finished=True)
    opening = queue_hours.read(session, tenant_id=tenant_id, queue_id=campaign.queue_id)
    if not opening.is_open(at):
        # looked at again in a minute, because the hours may be changed meanwhile
        until = min(opening.opens_at(at) or at + _HELD, at + _HELD)
        plans.hold(session, tenant_id=tenant_id, campaign_id=campaign_id, reason=QUEUE_CLOSED, until=until)
        return Round(has_turned=campaign.held_reason != QUEUE_CLOSED)
    has_turned = campaign.held_reason == QUEUE_CLOSED
    if has_turned:
        plans.go_on(session, tenant_id=tenant_id, campaign_id=campaign_id)
    if free == 0:
        return Round(has_turned=has_turned)
    settings = campaign.settings
    handed_over = attempts.handed_over(
        session, tenant_id=tenant_id, campaign_id=campaign_id, since=at - HANDOVER
    )
    wanted = pacing.lines(free=free, in_flight=handed_over, per_second=settings.max_per_second, left=free)
    if wanted == 0:
        return Round(has_turned=has_turned)
    zones = rules.open_zones(campaign.zones, settings.window, at)
    dialled = refused = 0
    for claim in attempts.claim(
        session,
        tenant_id=tenant_id,
        vault=vault,
        campaign_id=campaign_id,
        zones=zones,
        most=wanted,
        at=at,
    ):
        if _call(session, vault, campaign, claim, at):
            dialled += 1
        else:
            refused += 1
    if dialled and campaign.held_reason and not has_turned:
        plans.go_on(session, tenant_id=tenant_id, campaign_id=campaign_id)
    return Round(dialled, refused, has_turned=has_turned)


def _is_over(session: Session, campaign: Campaign) -> bool:
    return not (
        leads.are_left(session, tenant_id=campaign.tenant_id, campaign_id=campaign.campaign_id)
        or imports.are_running(session, tenant_id=campaign.tenant_id, campaign_id=campaign.campaign_id)
    )


def _call(session: Session, vault: Vault, campaign: Campaign, claim: Claim, at: dt.datetime) -> bool:
    """Have one lead called; return False when the gate forbids it."""
    tenant_id, lead, settings = campaign.tenant_id, claim.lead, campaign.settings
    customer_id = _customer(session, vault, tenant_id, claim)
    request = DialRequest(
        tenant_id=tenant_id,
        attempt_id=claim.attempt_id,
        to=lead.person.phone,
        caller_number_id=campaign.number_id,
        queue_id=campaign.queue_id,
        customer_id=customer_id,
        campaign_id=campaign.campaign_id,
        zone=lead.zone,
        window=settings.window,
        ring_s=settings.ring_s,
        detects_machines=settings.detects_machines,
        needs_consent=settings.needs_consent,
        max_per_second=settings.max_per_second,
    )
    answer = clear(session, request=request, vault=vault, at=at)
    if not isinstance(answer, Refusal):
        dialling.dial(session, clearance=answer, vault=vault)
        return True
    retry_at = answer.retry_at
    if answer.reason in _OF_THE_COMPANY:
        retry_at = at + _HELD
        plans.hold(
            session,
            tenant_id=tenant_id,
            campaign_id=campaign.campaign_id,
            reason=answer.reason.value,
            until=retry_at,
        )
    attempts.refuse(
        session,
        tenant_id=tenant_id,
        attempt_id=claim.attempt_id,
        reason=answer.reason.value,
        at=at,
        retry_at=retry_at,
    )
    return False


def _customer(session: Session, vault: Vault, tenant_id: TenantId, claim: Claim) -> CustomerId | None:
    """Return the customer a lead is, made of the lead when the company does not know them yet.

    The agent's screen shows customers; who is called should stand on it before they answer.
    """
    if claim.lead.customer_id is not None:
        return claim.lead.customer_id
    person = claim.lead.person
    found = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=person.phone)
    if found is None:
        notes = "\n".join(f"{name}: {text}" for name, text in person.fields.items())[:_LONGEST_NOTES]
        details = CustomerDetails(
            name=(person.name or international(person.phone))[:_LONGEST_NAME],
            phone=person.phone,
            notes=notes or None,
        )
        try:
            found = records.add(session, tenant_id=tenant_id, vault=vault, details=details)
        except CustomerExistsError:  # somebody was faster
            found = lookup.by_phone(session, tenant_id=tenant_id, vault=vault, phone=person.phone)
        except CustomerDetailsError:  # they are called all the same
            return None
    if found is None:
        return None
    attempts.note_customer(session, tenant_id=tenant_id, lead_id=claim.lead.lead_id, customer_id=found.id)
    return found.id
