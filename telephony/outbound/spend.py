"""What a company's calls out have cost today, and what those under way may still cost.

The rule, written down once: a call is cleared only if everything rated of today's calls, plus the most that
every call under way may cost, plus the most this one may, stays within the day's limit. The most a call may
cost is its price for the longest time it may last; near the limit it is cleared for a shorter time, at least
ten minutes, and the switch ends it then. The reservation is taken back in the transaction that rates the
call, so that nothing is counted twice or not at all. A day is the company's own, in its account's zone, and a
call belongs to the day on which it was picked up. (ASVS 5.0, 2.3.4: lock, reserve, then spend.)
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import accounts, charges, credit
from core.ids import CallId, TenantId
from core.money import NANO, exponent
from telephony.models import CallingDayRow, OutboundDialRow
from telephony.outbound import limits
from telephony.outbound.limits import Most, Rules
from tenants import alarms

SHORTEST = dt.timedelta(minutes=10)
GRACE = dt.timedelta(minutes=1)  # by so much the end of a call may come late
# who pays beforehand: a call keeps so much of the wallet at a time, and is lengthened while it goes on
AT_A_TIME = dt.timedelta(minutes=5)
SHORTEST_PAID = dt.timedelta(minutes=1)
LENGTHENED_BEFORE = dt.timedelta(seconds=90)  # so long before its end more is asked for
NEARLY = 80  # per cent of the day's limit: from there on it is told
_STEP_S = 60


@dataclass(frozen=True, slots=True)
class Today:
    """A company's calls out so far today, in thousand-millionths of its currency's unit.

    Attributes:
        day: which, in the company's zone.
        currency: ISO 4217.
        spent_nano: rated of calls that are over.
        reserved_nano: the most that calls under way may cost.
        under_way: how many calls are placed or being placed.
        ends_at: when the next day begins.
    """

    day: dt.date
    currency: str
    spent_nano: int
    reserved_nano: int
    under_way: int
    ends_at: dt.datetime


def today(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> Today:
    """Return how the day stands; inside the gate's lock when something is decided from it.

    Raises:
        BillingAccountNotFoundError: there is no account, so nothing can be spent.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    zone = ZoneInfo(account.zone)
    day = at.astimezone(zone).date()
    # first the reservations, then what was spent: a call that ends in between counts twice, never not at all
    reserved, under_way = session.execute(
        select(func.coalesce(func.sum(OutboundDialRow.reserved_nano), 0), func.count()).where(
            OutboundDialRow.tenant_id == tenant_id, OutboundDialRow.outcome.is_(None)
        )
    ).one()
    spent = session.execute(
        select(CallingDayRow.spent_nano).where(CallingDayRow.tenant_id == tenant_id, CallingDayRow.day == day)
    ).scalar()
    ends_at = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone).astimezone(dt.UTC)
    return Today(day, account.currency, spent or 0, int(reserved), under_way, ends_at)


def limit(session: Session, *, tenant_id: TenantId, currency: str, at: dt.datetime) -> int:
    """Return what a company may spend a day, in nano-units: the smaller of the operator's and its own."""
    bounds = limits.of(session, tenant_id=tenant_id, at=at)
    return smaller(bounds.most, bounds.rules, currency=currency)


def smaller(most: Most, rules: Rules, *, currency: str) -> int:
    """Return a day's limit in nano-units: the smaller of the operator's and the company's own."""
    own = rules.a_day_minor
    minor = most.a_day_minor if own is None else min(most.a_day_minor, own)
    return limit_nano(minor, currency=currency)


def limit_nano(a_day_minor: int, *, currency: str) -> int:
    """Return a limit in minor units as thousand-millionths of the unit: 1000 pence -> 10_000_000_000."""
    in_a_unit: int = 10 ** exponent(currency)
    return a_day_minor * NANO // in_a_unit


@dataclass(frozen=True, slots=True)
class Reservation:
    """For how long a call may last, and what that costs at most."""

    longest: dt.timedelta
    nano: int


def reserve(
    session: Session,
    *,
    tenant_id: TenantId,
    meter: str,
    prefix: str,
    longest: dt.timedelta,
    left_nano: int,
    at: dt.datetime,
    shortest: dt.timedelta = SHORTEST,
) -> Reservation | None:
    """Return the longest a call may last for what is left; None: not even the shortest.

    Args:
        session: in the company's walls, inside the gate's lock.
        tenant_id: who would pay.
        meter: what is used.
        prefix: digits of the number called, without its last four.
        longest: the longest it may last anyhow.
        left_nano: what may still be spent.
        at: the dial instant; decides the tariff.
        shortest: less than this is not worth a call.
    """

    def cost(seconds: int) -> int | None:
        return credit.price(
            session,
            tenant_id=tenant_id,
            meter=meter,
            prefix=prefix,
            duration_s=seconds + int(GRACE.total_seconds()),
            at=at,
        )

    most_s, least_s = int(longest.total_seconds()), int(min(longest, shortest).total_seconds())
    nano = cost(most_s)
    if nano is not None and nano <= left_nano:
        return Reservation(longest, nano)
    nano = cost(least_s)
    if nano is None or nano > left_nano:
        return None
    # whole minutes beyond the least: so many can be paid, and so many cannot
    low, high = 0, (most_s - least_s) // _STEP_S
    while high - low > 1:
        middle = (low + high) // 2
        found = cost(least_s + middle * _STEP_S)
        if found is not None and found <= left_nano:
            low, nano = middle, found
        else:
            high = middle
    return Reservation(dt.timedelta(seconds=least_s + low * _STEP_S), nano)


def settle(
    session: Session, *, tenant_id: TenantId, call_id: CallId, began_at: dt.datetime, is_answered: bool
) -> None:
    """Add a call that was placed, and what it was rated at, to its day.

    In the transaction that takes its reservation back. Who comes near the day's limit is told.
    """
    cost = charges.of_subjects(session, tenant_id=tenant_id, subject_refs=[call_id]).get(call_id)
    nano = cost.amount_nano if cost else 0
    account = accounts.find(session, tenant_id=tenant_id)
    day = began_at.astimezone(ZoneInfo(account.zone)).date()
    spent = session.execute(
        insert(CallingDayRow)
        .values(
            tenant_id=tenant_id,
            day=day,
            spent_nano=nano,
            calls=1,
            answered=int(is_answered),
            is_told=False,
        )
        .on_conflict_do_update(
            index_elements=["tenant_id", "day"],
            set_={
                "spent_nano": CallingDayRow.spent_nano + nano,
                "calls": CallingDayRow.calls + 1,
                "answered": CallingDayRow.answered + int(is_answered),
            },
        )
        .returning(CallingDayRow.spent_nano)
    ).scalar_one()
    near = limit(session, tenant_id=tenant_id, currency=account.currency, at=began_at) * NEARLY // 100
    if spent - nano < near <= spent:
        alarms.raise_alarm(
            session, "calls-out-near-limit", tenant_id=tenant_id, subject=day.isoformat(), percent=NEARLY
        )


def used_up(session: Session, *, tenant_id: TenantId, today: Today) -> None:
    """Tell, once a day, that a call was refused because the day's money is used up."""
    told = session.execute(
        insert(CallingDayRow)
        .values(tenant_id=tenant_id, day=today.day, spent_nano=0, calls=0, answered=0, is_told=True)
        .on_conflict_do_update(
            index_elements=["tenant_id", "day"],
            set_={"is_told": True},
            where=CallingDayRow.is_told.is_(False),
        )
        .returning(CallingDayRow.day)
    ).scalar()
    if told is not None:
        alarms.raise_alarm(
            session, "calls-out-limit", tenant_id=tenant_id, subject=today.day.isoformat(), percent=100
        )
