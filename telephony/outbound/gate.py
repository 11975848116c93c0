"""The gate of outgoing calls: no call is placed that the law, the list or the balance forbids.

One function decides, at the dial instant, for campaigns and for hands alike; what it decided is stored. It
asks, in this order: standing of the company, the kill switch, room on the switch, caller number and its
papers, the destination (emergency and short codes, numbers nobody may call, countries the company allows),
credit (account, hold, a price for the destination), do-not-call and consent, local hours of the called
person, the company's own hours; then, one at a time for the company: whether this attempt was cleared before,
whether it is calling this very number already, calls per second, calls at once, and the day's money. A
refusal is normal business and a value; a clearance lasts ten seconds.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, select, text
from sqlalchemy.orm import Session

from billing import accounts, credit
from billing.credit import NoCredit
from core import clock
from core.errors import Invalid
from core.ids import AgentId, CallId, CustomerId, NumberId, QueueId, TenantId, new_id
from core.phone import (
    E164,
    Kind,
    ShortCode,
    country_of,
    is_emergency,
    is_short_code,
    kind_of,
    rating_prefix,
)
from customers import consent, decoys, do_not_call
from security.vault import Field, Mark, Vault
from telephony import loads, numbers, queues
from telephony.admission import Degree
from telephony.errors import NumberNotFoundError
from telephony.models import DialDecisionRow, OutboundDialRow
from telephony.numbers import Number
from telephony.outbound import limits, spend, stops, watch
from telephony.outbound.hours import Window, zone_of
from telephony.outbound.limits import Limits
from telephony.outbound.spend import Reservation
from telephony.outbound.stops import Why
from telephony.switch.clearance import LIFETIME, Clearance, ClearanceExpiredError
from telephony.switch.mint import MARK
from tenants import companies

__all__ = [
    "Clearance",
    "DialRequest",
    "ForbiddenSinceError",
    "Refusal",
    "RefusalReason",
    "Window",
    "clear",
    "redeem",
]

METER = "voice.outbound"
INDEX = "dial_decisions.to"
SHORTEST_RING_S = 15  # 16 CFR 310.4(b)(4)(ii) and Ofcom: at least 15 seconds (or four rings)
_A_SECOND = dt.timedelta(seconds=1)
_UNDER_WAY_FOR = dt.timedelta(minutes=1)  # a telephone is busy about as long; then it is asked for again


class DialRequestError(Invalid):
    """A request that can never be cleared; `field` in the details says why."""

    code = "dial-request-invalid"


class RefusalReason(StrEnum):
    """Why a call may not be placed."""

    SUSPENDED = "suspended"
    STOPPED = "stopped"  # by the company itself
    STOPPED_BY_OPERATOR = "stopped-by-operator"
    EMERGENCY = "emergency"
    SHORT_CODE = "short-code"
    PREMIUM = "premium"
    SHARED_COST = "shared-cost"
    PERSONAL = "personal"
    PAGER = "pager"
    SATELLITE = "satellite"
    BARRED = "barred"  # on the operator's list for another reason
    COUNTRY = "country"
    NO_ACCOUNT = "no-account"
    ON_HOLD = "on-hold"
    NOT_PRICED = "not-priced"
    DESTINATION_BLOCKED = "destination-blocked"
    DO_NOT_CALL = "do-not-call"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    CONSENT_MISSING = "consent-missing"
    ZONE_UNKNOWN = "zone-unknown"
    OUTSIDE_HOURS = "outside-hours"
    OFF_HOURS = "off-hours"  # the company's own
    CALLER_NOT_OURS = "caller-not-ours"
    CALLER_UNPROVEN = "caller-unproven"  # its papers have ended, or were withdrawn
    TYPED = "typed"  # by an agent, where the company does not want that
    OWN_NUMBER = "own-number"  # from here on: of a number to be brought into a call
    ON_THE_LINE = "on-the-line"
    REPEATED = "repeated"
    UNDER_WAY = "under-way"
    TOO_FAST = "too-fast"
    TOO_MANY = "too-many"  # at once
    DAY_SPENT = "day-spent"
    NO_BALANCE = "no-balance"  # of who pays beforehand
    NO_ROOM = "no-room"  # the switch is full: for campaigns first


class ForbiddenSinceError(ClearanceExpiredError):
    """Something has forbidden the call since it was cleared, some seconds ago; `reason` says what."""

    code = "forbidden-since"

    def __init__(self, reason: RefusalReason, *, attempt_id: UUID) -> None:
        super().__init__(attempt_id=str(attempt_id), reason=reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    """A call somebody wants to place.

    Attributes:
        attempt_id: chosen by the asker (a uuid7), the idempotency key: one attempt is dialled at most once,
            ever. Another try is another attempt.
        to: the number to call; a short code is refused. Never in `repr`.
        caller_number_id: the rented number that is shown.
        queue_id: whose agents talk.
        by_agent_id: the agent who dials by hand, and talks; None: whoever of the queue is free.
        zone: IANA zone of the called person; an unknown one is refused.
        window: their local hours.
        ring_s: for how long it rings at most, 15 to 120 seconds.
        detects_machines: whether the switch listens for answering machines.
        max_per_second: so many calls of this company may begin in any second, at least 1.
        is_asked_for: the person has asked to be called at this time, so the company's own hours do not bind.
        needs_consent: refuse a number whose holder has given no consent (one who withdrew is always refused).
        is_typed: an agent has typed the number; else it stood in a lead, a promise or a call.
        part_of: the call in hand into which an agent brings this number. It may be in other calls of the
            company at the same time: a partner's line is asked by many.
        is_given: that call is given to it; else it is asked about the call.
        is_an_agents: it is an agent's own telephone, whose number the company must not learn: nothing the
            company decides tells two such numbers apart that differ in their last four digits.
    """

    tenant_id: TenantId
    attempt_id: UUID
    to: E164 | ShortCode = field(repr=False)
    caller_number_id: NumberId
    queue_id: QueueId
    customer_id: CustomerId | None
    campaign_id: UUID | None
    zone: str
    window: Window
    ring_s: int
    detects_machines: bool
    max_per_second: int
    by_agent_id: AgentId | None = None
    is_asked_for: bool = False
    needs_consent: bool = False
    is_typed: bool = False
    part_of: CallId | None = None
    is_given: bool = False
    is_an_agents: bool = False

    def __post_init__(self) -> None:
        """Refuse what could never be right."""
        if not SHORTEST_RING_S <= self.ring_s <= 120:  # noqa: PLR2004 - two minutes
            raise DialRequestError(field="ring_s")
        if self.max_per_second < 1:
            raise DialRequestError(field="max_per_second")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call may not be placed; `retry_at` says when it may be tried again, None: not by waiting."""

    reason: RefusalReason
    retry_at: dt.datetime | None = None


_OF_CREDIT = {
    NoCredit.NO_ACCOUNT: RefusalReason.NO_ACCOUNT,
    NoCredit.ON_HOLD: RefusalReason.ON_HOLD,
    NoCredit.NOT_PRICED: RefusalReason.NOT_PRICED,
    NoCredit.BLOCKED: RefusalReason.DESTINATION_BLOCKED,
    NoCredit.NO_BALANCE: RefusalReason.NO_BALANCE,
}


_OF_KIND = {
    Kind.PREMIUM: RefusalReason.PREMIUM,
    Kind.SHARED_COST: RefusalReason.SHARED_COST,
    Kind.PERSONAL: RefusalReason.PERSONAL,
    Kind.PAGER: RefusalReason.PAGER,
    Kind.SATELLITE: RefusalReason.SATELLITE,
}
_OF_LIST = {
    Why.EVERYTHING: RefusalReason.STOPPED_BY_OPERATOR,
    Why.PREMIUM: RefusalReason.PREMIUM,
    Why.SHARED_COST: RefusalReason.SHARED_COST,
    Why.SATELLITE: RefusalReason.SATELLITE,
}
_SOON = dt.timedelta(seconds=10)
_FORGOTTEN = dt.timedelta(hours=12)  # so long after its end nobody reports a call any more
_LATER = dt.timedelta(minutes=1)  # a call that ends gives back what it did not use


def clear(session: Session, *, request: DialRequest, vault: Vault, at: dt.datetime) -> Clearance | Refusal:
    """Decide whether a call may be placed now, and store what was decided.

    Takes a lock per tenant that is kept until the transaction ends, so that calls per second are exact
    however many workers ask; commit soon, and wait for nothing in between.

    Args:
        session: in the tenant's own context.
        request: the call.
        vault: for keyed hashes.
        at: the dial instant, aware.

    Raises:
        QueueNotFoundError: not this tenant's queue: a bug of the asker.
    """
    queues.get(session, tenant_id=request.tenant_id, queue_id=request.queue_id)
    # by the mark of its number a company would find an agent's telephone: by erasing, or by calling, a guess
    whom = f"agent:{request.by_agent_id}" if request.is_an_agents else request.to
    to_mark = vault.mark(request.tenant_id, INDEX, whom)
    bounds = limits.of(session, tenant_id=request.tenant_id, at=at)
    answer = (
        _refusal(session, request, vault, bounds, at)
        or _in_line(session, request, to_mark, bounds, at)
        or _reserved(session, request, bounds, at)
    )
    found = answer if isinstance(answer, Refusal) else None
    decision = DialDecisionRow(
        tenant_id=request.tenant_id,
        id=new_id(),
        attempt_id=request.attempt_id,
        decided_at=at,
        is_cleared=found is None,
        reason=found.reason.value if found else None,
        retry_at=found.retry_at if found else None,
        expires_at=None if found else at + LIFETIME,
        to_index=to_mark.value,
        index_version=to_mark.version,
        prefix=rating_prefix(request.to),
        number_id=request.caller_number_id,
        queue_id=request.queue_id,
        campaign_id=request.campaign_id,
        by_agent_id=request.by_agent_id,
        zone=request.zone,
    )
    session.add(decision)
    session.flush()
    if isinstance(answer, Refusal):
        return answer
    number = numbers.get(session, tenant_id=request.tenant_id, number_id=request.caller_number_id)
    return Clearance(
        tenant_id=request.tenant_id,
        attempt_id=request.attempt_id,
        to=E164(request.to),  # a short code was refused
        caller=number.digits,
        caller_number_id=request.caller_number_id,
        queue_id=request.queue_id,
        customer_id=request.customer_id,
        campaign_id=request.campaign_id,
        by_agent_id=request.by_agent_id,
        ring_s=request.ring_s,
        longest=answer.longest,
        reserved_nano=answer.nano,
        detects_machines=request.detects_machines,
        expires_at=at + LIFETIME,
        part_of=request.part_of,
        is_given=request.is_given,
        mark=MARK,
    )


def redeem(session: Session, *, tenant_id: TenantId, attempt_id: UUID, vault: Vault) -> Clearance | None:
    """Return the clearance of a dial that was handed on, as it was given; None when its books are closed.

    For the switchboard, which carries the dial out in another process; an expired one comes back expired.

    Raises:
        ForbiddenSinceError: the called has asked not to be called since, calls out were stopped, or the
            papers of the number shown were withdrawn.
    """
    row = session.get(OutboundDialRow, (tenant_id, attempt_id))
    if row is None or row.outcome is not None or row.to_ct is None:
        return None
    to = E164(vault.open(sealed_number(tenant_id, attempt_id), row.to_ct))
    forbidden = (
        _stopped(session, tenant_id, to) or _forbids(session, tenant_id, vault, to) or _unproven(session, row)
    )
    if forbidden:
        raise ForbiddenSinceError(forbidden, attempt_id=attempt_id)
    return Clearance(
        tenant_id=tenant_id,
        attempt_id=attempt_id,
        to=to,
        caller=row.caller,
        caller_number_id=NumberId(row.number_id),
        queue_id=QueueId(row.queue_id),
        customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        campaign_id=row.campaign_id,
        by_agent_id=AgentId(row.by_agent_id) if row.by_agent_id else None,
        ring_s=row.ring_s,
        longest=dt.timedelta(seconds=row.longest_s),
        reserved_nano=row.reserved_nano,
        detects_machines=row.detects_machines,
        expires_at=row.expires_at,
        part_of=CallId(row.part_of) if row.part_of else None,
        is_given=row.is_given,
        mark=MARK,
    )


def sealed_number(tenant_id: TenantId, attempt_id: UUID) -> Field:
    """Return what the number of a dial is sealed for."""
    return Field(tenant_id, "outbound_dials", "to", attempt_id, 1)


def _refusal(
    session: Session, request: DialRequest, vault: Vault, bounds: Limits, at: dt.datetime
) -> Refusal | None:
    tenant_id = request.tenant_id
    if not companies.is_open(session, tenant_id=tenant_id):
        return Refusal(RefusalReason.SUSPENDED)
    stopped = _stopped(session, tenant_id, request.to)
    if stopped:
        return Refusal(stopped)
    if _is_full(session, request, at):
        return Refusal(RefusalReason.NO_ROOM, at + _SOON)
    shown = _shown(session, request, at)
    if isinstance(shown, RefusalReason):
        return Refusal(shown)
    if request.is_typed and not bounds.rules.may_type:
        return Refusal(RefusalReason.TYPED)
    elsewhere = _destination(request, shown, bounds)
    if elsewhere:
        return Refusal(elsewhere)
    to = E164(request.to)  # and no short code
    no_credit = credit.refusal(
        session, tenant_id=tenant_id, meter=METER, prefix=rating_prefix(request.to), at=at
    )
    if no_credit:
        return Refusal(_OF_CREDIT[no_credit])
    forbidden = None if request.is_an_agents else _forbids(session, tenant_id, vault, to)
    if forbidden:
        return Refusal(forbidden)
    if request.needs_consent and not consent.standing(session, tenant_id=tenant_id, vault=vault, phone=to):
        return Refusal(RefusalReason.CONSENT_MISSING)
    zone = zone_of(request.zone)
    if zone is None:
        return Refusal(RefusalReason.ZONE_UNKNOWN)
    if not request.window.is_open(at, zone):
        return Refusal(RefusalReason.OUTSIDE_HOURS, request.window.next_opening(at, zone))
    own_hours = bounds.rules.hours
    at_home = ZoneInfo(accounts.find(session, tenant_id=tenant_id).zone)
    if own_hours and not request.is_asked_for and not own_hours.is_open(at, at_home):
        return Refusal(RefusalReason.OFF_HOURS, own_hours.next_opening(at, at_home))
    return None


def _is_full(session: Session, request: DialRequest, at: dt.datetime) -> bool:
    """Whether the switch has no room for such a call; who asked to be called is called while there is any."""
    degree = loads.degree(session, at=at)
    by_campaign = request.campaign_id is not None and not request.is_asked_for
    return degree is Degree.BUSY or (by_campaign and degree >= Degree.CAMPAIGNS)


def _stopped(session: Session, tenant_id: TenantId, to: str) -> RefusalReason | None:
    """Return why nobody of the company may call (such numbers) from this very moment on, if that is so."""
    stopped = stops.standing(session, tenant_id=tenant_id)
    if stopped:
        by_operator = any(one.side is stops.Side.OPERATOR for one in stopped)
        return RefusalReason.STOPPED_BY_OPERATOR if by_operator else RefusalReason.STOPPED
    why = stops.barring(session, number=to)
    return _OF_LIST.get(why, RefusalReason.BARRED) if why else None


def _destination(request: DialRequest, shown: E164, bounds: Limits) -> RefusalReason | None:
    """Return why the company does not call such numbers, if that is so."""
    home = bounds.home or country_of(shown)
    if is_short_code(request.to):
        is_help = is_emergency(ShortCode(request.to), region=home)
        return RefusalReason.EMERGENCY if is_help else RefusalReason.SHORT_CODE
    to = E164(request.to)
    kind = kind_of(to)
    if kind in _OF_KIND:
        return _OF_KIND[kind]
    chosen = bounds.rules
    countries = chosen.countries if chosen.revision else {home}
    digits = rating_prefix(to) if request.is_an_agents else to[1:]
    is_allowed = country_of(to) in countries or digits.startswith(tuple(chosen.prefixes))
    return None if is_allowed else RefusalReason.COUNTRY


def _forbids(session: Session, tenant_id: TenantId, vault: Vault, phone: E164) -> RefusalReason | None:
    """Return why the holder of a number does not want this call, if that is known."""
    # a decoy is dialled by nobody, and nobody learns that it is one
    if do_not_call.is_listed(session, tenant_id=tenant_id, vault=vault, phone=phone) or decoys.is_decoys(
        session, tenant_id=tenant_id, vault=vault, phone=phone
    ):
        return RefusalReason.DO_NOT_CALL
    word = consent.standing(session, tenant_id=tenant_id, vault=vault, phone=phone)
    return RefusalReason.CONSENT_WITHDRAWN if word and not word.is_given else None


def _shown(session: Session, request: DialRequest, at: dt.datetime) -> E164 | RefusalReason:
    """Return the number to show, or why it may not be.

    The tenant rents it now, it could be called back (a short code: no), and its papers stand; or it is held
    elsewhere by papers that stand, and nobody rents it here.
    """
    try:
        number = numbers.get(session, tenant_id=request.tenant_id, number_id=request.caller_number_id)
    except NumberNotFoundError:
        return RefusalReason.CALLER_NOT_OURS
    if is_short_code(number.digits):
        return RefusalReason.CALLER_NOT_OURS
    return E164(number.digits) if _may_show(session, number, at) else RefusalReason.CALLER_UNPROVEN


def _may_show(session: Session, number: Number, at: dt.datetime) -> bool:
    """Whether calls may show a number; one held elsewhere ends when somebody comes to rent it here."""
    if not number.may_be_shown(at):
        return False
    return not (number.is_elsewhere and numbers.is_let(session, digits=number.digits))


def _unproven(session: Session, row: OutboundDialRow) -> RefusalReason | None:
    """Return why a number that was cleared may not be shown any more, if that is so."""
    try:
        shown = numbers.get(session, tenant_id=TenantId(row.tenant_id), number_id=NumberId(row.number_id))
    except NumberNotFoundError:  # given back within these seconds: it rests, and is nobody else's
        return None
    return None if _may_show(session, shown, clock.now()) else RefusalReason.CALLER_UNPROVEN


def _in_line(
    session: Session, request: DialRequest, to_mark: Mark, bounds: Limits, at: dt.datetime
) -> Refusal | None:
    """Compare with what was cleared before, alone: whoever asks for this tenant now waits in line."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(request.tenant_id)})
    cleared = select(DialDecisionRow).where(
        DialDecisionRow.tenant_id == request.tenant_id, DialDecisionRow.is_cleared
    )
    repeated = cleared.where(DialDecisionRow.attempt_id == request.attempt_id)
    if session.scalars(repeated.limit(1)).first():
        return Refusal(RefusalReason.REPEATED)
    if request.part_of is None and _is_under_way(session, request.tenant_id, to_mark):
        return Refusal(RefusalReason.UNDER_WAY, at + _UNDER_WAY_FOR)
    most = min(request.max_per_second, bounds.most.per_second)
    # every window of a second ends with the decision made in it last, so none holds more than allowed,
    # even when workers got the lock in another order than they looked at the clock
    latest = session.scalars(
        select(DialDecisionRow.decided_at)
        .where(
            DialDecisionRow.tenant_id == request.tenant_id,
            DialDecisionRow.is_cleared,
            DialDecisionRow.decided_at > at - _A_SECOND,
        )
        .order_by(DialDecisionRow.decided_at.desc())
        .limit(most)
    ).all()
    if len(latest) < most:
        return None
    return Refusal(RefusalReason.TOO_FAST, latest[-1] + _A_SECOND)


def _reserved(
    session: Session, request: DialRequest, bounds: Limits, at: dt.datetime
) -> Refusal | Reservation:
    """Reserve what the call may cost, still alone in the line; see `spend` for the rule."""
    tenant_id = request.tenant_id
    most = bounds.most
    today = spend.today(session, tenant_id=tenant_id, at=at)
    if today.under_way >= most.at_once:
        return Refusal(RefusalReason.TOO_MANY, at + _SOON)
    a_day = spend.smaller(most, bounds.rules, currency=today.currency)
    left = a_day - today.spent_nano - today.reserved_nano
    purse = credit.left(session, tenant_id=tenant_id)
    # a number brought into a call is not lengthened later: it keeps what it may need at once
    in_parts = purse is not None and request.part_of is None
    found = spend.reserve(
        session,
        tenant_id=tenant_id,
        meter=METER,
        prefix=rating_prefix(request.to),
        longest=min(most.longest_out, spend.AT_A_TIME) if in_parts else most.longest_out,
        left_nano=left if purse is None else min(left, purse),
        at=at,
        shortest=spend.SHORTEST if purse is None else spend.SHORTEST_PAID,
    )
    if purse is not None and (
        (found is None and purse < left)
        or (
            found is not None
            and not credit.keep(
                session,
                tenant_id=tenant_id,
                use_id=request.attempt_id,
                net_nano=found.nano,
                until=at + most.longest_out + _FORGOTTEN,
            )
        )
    ):
        return Refusal(RefusalReason.NO_BALANCE, at + _LATER if today.under_way else None)
    if found is None:
        spend.used_up(session, tenant_id=tenant_id, today=today)
        return Refusal(RefusalReason.DAY_SPENT, today.ends_at if today.under_way == 0 else at + _LATER)
    watch.called(session, tenant_id=tenant_id, number=E164(request.to), at=at)
    return found


def _is_under_way(session: Session, tenant_id: TenantId, to_mark: Mark) -> bool:
    """Whether the company calls this number now: two campaigns, or a hand, may want the same person."""
    handed_on = (
        select(OutboundDialRow.attempt_id)
        .join(
            DialDecisionRow,
            and_(
                DialDecisionRow.tenant_id == OutboundDialRow.tenant_id,
                DialDecisionRow.attempt_id == OutboundDialRow.attempt_id,
            ),
        )
        .where(
            DialDecisionRow.tenant_id == tenant_id,
            DialDecisionRow.to_index.in_(to_mark.levels),
            DialDecisionRow.is_cleared,
            OutboundDialRow.outcome.is_(None),
        )
    )
    return session.scalars(handed_on.limit(1)).first() is not None


def lock_key(tenant_id: TenantId) -> int:
    """Return the lock of a company's line at the gate: locks have one namespace for all of the database."""
    digest = hashlib.sha256(b"dial-pace:" + tenant_id.bytes).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
