"""Charging what is rented: seats, numbers and agents' time, as usage with permanent keys.

Others say what is rented (`Span`) and how long agents worked (`PaidHour`); billing cuts it where a local
month ends or a price changes, and records each part that is over through the one door, `billing.usage`.
How far a rental is charged is read from that usage itself, in the same transaction: however often it is
done, by however many, after whatever crash, no part is charged twice and none is left out.

A part that is not over yet is accrued: shown on the running bill as an estimate, never written.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import accounts, periods, tariffs, usage
from billing.models import UsageEventRow
from billing.periods import Period
from billing.rating import rentals
from billing.rating.labour import QUARTER
from billing.rating.rentals import METERS, Span, Unit
from billing.rating.rules import Outcome
from billing.rating.tariff import Rating
from billing.rating.terms import AGENT_HOUR
from billing.tariffs import InForce, Timeline
from billing.usage import Receipt, Usage
from core.ids import TenantId

RENTALS, AGENTS = "rentals", "agents"
TRAINING = "agent.training"
BURSTS, BURST, BURST_DAY = "burst", "seat.burst", "seat.burst_day"
_FEE = "fee."
_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)
_MS = dt.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class PaidHour:
    """How long a client paid for an agent in one clock hour (UTC), and in each quarter of it.

    Without `quarters_ms` the hour is one stretch, whatever the prices say.
    """

    agent_ref: UUID
    hour_starts_at: dt.datetime
    paid_ms: int
    quarters_ms: tuple[int, ...] = ()
    meter: str = AGENT_HOUR


@dataclass(frozen=True, slots=True)
class BurstQuarter:
    """Seats at work above those booked, in a quarter of an hour: seat-time, and the most at once."""

    starts_at: dt.datetime
    above_ms: int
    peak: int


@dataclass(frozen=True, slots=True)
class Accrual:
    """What is being used and not charged yet; `count` equal ones. An estimate.

    `quantity_ms` is given for what is counted piece by piece (agents' time) and does not grow by the clock.
    """

    meter: str
    price: InForce | None
    zone: str
    start: dt.datetime
    end: dt.datetime
    count: int = 1
    quantity_ms: int | None = None

    def until(self, instant: dt.datetime) -> Rating:
        """Return what it comes to up to an instant; unrated when it has no price."""
        if self.price is None:
            return Rating(Outcome.UNRATED, reason="no-tariff")
        end = max(self.start, min(self.end, instant))
        quantity_ms = self.quantity_ms
        if quantity_ms is None or instant <= self.start:
            quantity_ms = (end - self.start) // _MS if self.quantity_ms is None else 0
        one = self.price.tariff.rate_rental(
            meter=self.meter, start=self.start, end=end, quantity_ms=quantity_ms, zone=self.zone
        )
        if one.outcome is not Outcome.RATED:
            return one
        return replace(
            one,
            billed_seconds=(one.billed_seconds or 0) * self.count,
            units_nano=(one.units_nano or 0) * self.count,
            amount_nano=(one.amount_nano or 0) * self.count,
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """What renting would cost; before tax, in nano-units.

    `now_nano` is what it adds to the present month (or the whole span of what goes by day or hour),
    `unit_nano` the price of one unit of one.
    """

    currency: str
    unit: Unit
    unit_nano: int
    count: int
    now_nano: int
    units_nano: int
    price_list: str
    version: int


def charge(session: Session, *, tenant_id: TenantId, spans: Iterable[Span], until: dt.datetime) -> int:
    """Record what of the spans is over at `until` and not charged yet; return how many parts that was.

    Args:
        session: in the tenant's context.
        tenant_id: who rents.
        spans: what is rented, with ends that can no longer change where they lie before `until`.
        until: aware instant; what ends later is left for the next time.

    Raises:
        BillingAccountNotFoundError: nobody to bill; nothing is lost, it is charged once there is.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    every = tuple(spans)
    charged = charged_until(session, tenant_id=tenant_id, rental_ids=[span.rental_id for span in every])
    changes = tariffs.timeline(session, tenant_id=tenant_id).starts
    recorded = 0
    for span in every:
        start = _goes_on(span, charged, account.rentals_from)
        for piece in rentals.pieces(span, start=start, until=until, zone=account.zone, changes=changes):
            done = usage.record(
                session,
                tenant_id=tenant_id,
                usage=Usage(
                    source=RENTALS,
                    event_id=f"{span.rental_id}/{piece.start.astimezone(dt.UTC).isoformat()}",
                    meter=span.meter,
                    subject_ref=span.rental_id,
                    occurred_at=piece.start,
                    ended_at=piece.end,
                    quantity_ms=-(-(piece.end - piece.start) // _MS),
                    prefix="",
                    number_id=span.number_id,
                ),
            )
            recorded += done.outcome is Receipt.ACCEPTED
    return recorded


def fees(session: Session, *, tenant_id: TenantId) -> list[Span]:
    """Return the monthly fees of a company's price lists: each goes on while a version prices it.

    A fee is rented by nobody's order: it begins with the version, and its id follows from both.
    """
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    if not timeline.starts:  # its list has no version in force yet
        return []
    ends = (*timeline.starts[1:], None)
    return [
        Span(rental_id=uuid5(step.tariff_id, meter), meter=meter, starts_at=start, ends_at=end)
        for start, end in zip(timeline.starts, ends, strict=True)
        for step in [timeline.at(start)]
        for meter in METERS
        if meter.startswith(_FEE) and step is not None and step.tariff.rental_price(meter) is not None
    ]


def charge_agents(session: Session, *, tenant_id: TenantId, hours: Iterable[PaidHour]) -> int:
    """Record agents' paid time that is not charged yet; return how many parts that was.

    Time that is reported late only ever adds to an hour (closed time is never edited): what comes on top of
    what was charged is a part of its own, and its key says how much there was before. Where the prices say
    that time may cost more, an hour is charged by its quarters, so that a night or a day can begin in it.
    Training is charged only where it has a price.
    """
    accounts.lock(session, tenant_id=tenant_id)
    every = tuple(hours)
    charged = _charged_ms(session, tenant_id, every)
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    recorded = 0
    for hour in every:
        price = timeline.at(hour.hour_starts_at)
        if hour.meter == TRAINING and not (price and price.tariff.rental_price(TRAINING)):
            continue
        is_split = bool(hour.quarters_ms and price and price.tariff.terms.labour)
        parts = hour.quarters_ms if is_split else (hour.paid_ms,)
        length = QUARTER if is_split else _HOUR
        starts = [hour.hour_starts_at + n * length for n in range(len(parts))]
        key = (hour.agent_ref, hour.meter)
        # never more than the hour has, however it was cut before
        quarters = (hour.hour_starts_at + n * QUARTER for n in range(_HOUR // QUARTER))
        left = hour.paid_ms - sum(charged.get((*key, start), 0) for start in quarters)
        for start, paid_ms in zip(starts, parts, strict=True):
            before = charged.get((*key, start), 0)
            more = min(left, paid_ms - before)
            if more <= 0:
                continue
            left -= more
            said = "%Y-%m-%dT%H:%MZ" if is_split else "%Y-%m-%dT%HZ"
            kind = "" if hour.meter == AGENT_HOUR else "/training"
            usage.record(
                session,
                tenant_id=tenant_id,
                usage=Usage(
                    source=AGENTS,
                    event_id=f"{hour.agent_ref}/{start.astimezone(dt.UTC):{said}}/{before}{kind}",
                    meter=hour.meter,
                    subject_ref=hour.agent_ref,
                    occurred_at=start,
                    ended_at=start + length,
                    quantity_ms=more,
                    prefix="",
                    agent_ref=hour.agent_ref,
                ),
            )
            recorded += 1
    return recorded


def charge_burst(
    session: Session, *, tenant_id: TenantId, quarters: Iterable[BurstQuarter], until: dt.datetime
) -> int:
    """Record seats above those booked that are not charged yet; return how many parts that was.

    By the hour: the seat-time of a clock hour, all seats together. By the day: as many days of a seat as were
    at work above those booked at once. Each only where the price list has a price for it.

    Args:
        session: in the tenant's context.
        tenant_id: who pays.
        quarters: of whole hours; those without are left out.
        until: up to when everybody's time is closed; a local day that ends later waits.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    subject = uuid5(tenant_id, BURST)
    hours: Counter[dt.datetime] = Counter()
    days: dict[dt.date, int] = {}
    for one in quarters:
        hours[one.starts_at.replace(minute=0)] += one.above_ms
        day = periods.day_of(one.starts_at, zone=account.zone)
        days[day] = max(days.get(day, 0), one.peak)
    charged = _charged_ms(session, tenant_id, [PaidHour(subject, hour, 0) for hour in hours], source=BURSTS)
    found = []
    for hour, above_ms in sorted(hours.items()):
        before = charged.get((subject, BURST, hour), 0)
        if above_ms > before and _has_price(timeline, BURST, hour) and hour >= account.rentals_from:
            key = f"{hour.astimezone(dt.UTC):%Y-%m-%dT%HZ}/{before}"
            found.append((BURST, key, hour, hour + _HOUR, above_ms - before))
    for day, peak in sorted(days.items()):
        start, end = (periods.day_start(one, zone=account.zone) for one in (day, day + _DAY))
        if end <= until and start >= account.rentals_from and _has_price(timeline, BURST_DAY, start):
            length_ms = (end - start) // _MS
            found += [
                (BURST_DAY, f"{day.isoformat()}/{n}", start, end, length_ms) for n in range(1, peak + 1)
            ]
    recorded = 0
    for meter, key, start, end, quantity_ms in found:
        done = usage.record(
            session,
            tenant_id=tenant_id,
            usage=Usage(
                source=BURSTS,
                event_id=key,
                meter=meter,
                subject_ref=subject,
                occurred_at=start,
                ended_at=end,
                quantity_ms=quantity_ms,
                prefix="",
            ),
        )
        recorded += done.outcome is Receipt.ACCEPTED
    return recorded


def accruing(
    session: Session, *, tenant_id: TenantId, spans: Iterable[Span], now: dt.datetime
) -> list[Accrual]:
    """Return what the spans have come to since they were charged last, as it would stand at `now`.

    Writes nothing. Equal rentals (same meter, beginning and end) are counted together.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    every = [span for span in spans if span.starts_at < now]
    charged = charged_until(session, tenant_id=tenant_id, rental_ids=[span.rental_id for span in every])
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    found: Counter[tuple[str, dt.datetime, dt.datetime]] = Counter()
    for span in every:
        start = _goes_on(span, charged, account.rentals_from)
        end = now if span.ends_at is None else min(now, span.ends_at)
        if end <= start:
            continue
        so_far = replace(span, ends_at=end)
        for piece in rentals.pieces(
            so_far, start=start, until=end, zone=account.zone, changes=timeline.starts
        ):
            found[span.meter, piece.start, piece.end] += 1
    return [
        Accrual(meter, timeline.at(start), account.zone, start, end, count)
        for (meter, start, end), count in sorted(found.items())
    ]


def accruing_agents(
    session: Session, *, tenant_id: TenantId, worked: Sequence[tuple[dt.datetime, int]], period: Period
) -> list[Accrual]:
    """Return agents' time of a period that is not charged yet: one estimate for each local day.

    Args:
        session: in the tenant's context.
        tenant_id: who pays.
        worked: clock hours of the period and the milliseconds paid in them.
        period: the month.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    rows = session.execute(
        select(UsageEventRow.occurred_at, func.sum(UsageEventRow.quantity_ms))
        .where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.source == AGENTS,
            UsageEventRow.meter == AGENT_HOUR,
            UsageEventRow.occurred_at >= period.start,
            UsageEventRow.occurred_at < period.end,
        )
        .group_by(UsageEventRow.occurred_at)
    )
    waiting: Counter[dt.datetime] = Counter()
    for hour, paid_ms in worked:
        waiting[hour] += paid_ms
    for start, charged_ms in rows:
        waiting[start.replace(minute=0)] -= int(charged_ms)
    by_day: Counter[dt.datetime] = Counter()
    for hour, left_ms in waiting.items():
        if left_ms > 0:
            by_day[max(period.start, _midnight_before(hour, account.zone))] += left_ms
    return [
        Accrual(AGENT_HOUR, timeline.at(day), account.zone, day, day + _HOUR, quantity_ms=ms)
        for day, ms in sorted(by_day.items())
    ]


def quote(
    session: Session,
    *,
    tenant_id: TenantId,
    meter: str,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None = None,
    count: int = 1,
) -> Quote | None:
    """Return what renting `count` of something would cost, or None: it has no price.

    What has no end is priced to the end of the month in which it begins. The same arithmetic charges it.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    in_force = timeline.at(starts_at)
    price = in_force.tariff.rental_price(meter) if in_force else None
    if in_force is None or price is None:
        return None
    end = ends_at or periods.month_of(starts_at, zone=account.zone).end
    span = Span(rental_id=UUID(int=0), meter=meter, starts_at=starts_at, ends_at=end)
    now_nano = units_nano = 0
    for piece in rentals.pieces(span, start=starts_at, until=end, zone=account.zone, changes=timeline.starts):
        accrual = Accrual(meter, timeline.at(piece.start), account.zone, piece.start, piece.end, count)
        rating = accrual.until(piece.end)
        if rating.amount_nano is None:
            return None
        now_nano += rating.amount_nano
        units_nano += rating.units_nano or 0
    return Quote(
        currency=in_force.tariff.currency,
        unit=METERS[meter],
        unit_nano=price.unit_nano,
        count=count,
        now_nano=now_nano,
        units_nano=units_nano,
        price_list=in_force.tariff.price_list,
        version=in_force.tariff.version,
    )


def charged_until(
    session: Session, *, tenant_id: TenantId, rental_ids: Collection[UUID]
) -> dict[UUID, dt.datetime]:
    """Return up to when each rental is charged; those that are not yet are left out."""
    if not rental_ids:
        return {}
    rows = session.execute(
        select(UsageEventRow.subject_ref, func.max(UsageEventRow.ended_at))
        .where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.source == RENTALS,
            UsageEventRow.subject_ref.in_(list(rental_ids)),
        )
        .group_by(UsageEventRow.subject_ref)
    )
    return {rental_id: until for rental_id, until in rows}  # noqa: C416 - dict(rows) has no type


def _goes_on(span: Span, charged: dict[UUID, dt.datetime], rentals_from: dt.datetime) -> dt.datetime:
    return max(span.starts_at, rentals_from, charged.get(span.rental_id, span.starts_at))


def _charged_ms(
    session: Session, tenant_id: TenantId, hours: Sequence[PaidHour], source: str = AGENTS
) -> dict[tuple[UUID, str, dt.datetime], int]:
    if not hours:
        return {}
    which = (UsageEventRow.subject_ref, UsageEventRow.meter, UsageEventRow.occurred_at)
    rows = session.execute(
        select(*which, func.sum(UsageEventRow.quantity_ms))
        .where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.source == source,
            UsageEventRow.subject_ref.in_({hour.agent_ref for hour in hours}),
            UsageEventRow.occurred_at >= min(hour.hour_starts_at for hour in hours),
        )
        .group_by(*which)
    )
    return {(agent, meter, start): int(charged) for agent, meter, start, charged in rows}


def _has_price(timeline: Timeline, meter: str, at: dt.datetime) -> bool:
    found = timeline.at(at)
    return found is not None and found.tariff.rental_price(meter) is not None


def _midnight_before(instant: dt.datetime, zone: str) -> dt.datetime:
    return periods.day_start(periods.day_of(instant, zone=zone), zone=zone)
