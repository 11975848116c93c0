"""What a month would have cost: under other prices, other seats, or paid in one way alone; writes nothing.

The uses are those of the month's invoice, or, before there is one, those that it would have. They are rated
by the code that rates them (`billing.bulk`), put on lines by the code that does (`billing.agreed`,
`billing.bill`): with the prices of the day the answer is the invoice, to the minor unit.

What another price list has no price for is counted, never taken for free. Minutes left from earlier months
count with the prices of the day alone: under other prices each month begins with its own.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from billing import accounts, agreed, bulk, invoices, promises, tariffs
from billing.accounts import Account
from billing.agreed import Agreement, Call, State, Time
from billing.bill import Bill, Group, Kind, Line, Quantity, compose
from billing.bulk import Uses
from billing.periods import Period, month_of
from billing.rating.labour import Worked
from billing.rating.rentals import METERS, RentalPrice, Unit
from billing.rating.rules import Outcome
from billing.rating.shares import SUFFIX
from billing.rating.tariff import Tariff, digest, encode
from billing.rating.terms import AGENT_HOUR
from billing.tariffs import InForce
from core.ids import TenantId
from core.money import nano_to_minor

SEAT = "seat."
# how seats can be charged; what is metered above those booked stays
SEAT_UNITS = (Unit.MONTH, Unit.DAY, Unit.HOUR)
_SUPPOSED = UUID(int=1)
_HELD = text("""
    SELECT u.id, u.source, u.event_id, u.meter, u.prefix, u.quantity_ms, u.occurred_at, u.ended_at,
      c.tariff_id
    FROM app.rated_charges c
    JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id
    WHERE c.tenant_id = :tenant AND c.outcome = 'rated' AND c.superseded_by IS NULL
      AND c.bill_at < :period_end AND c.bill_at >= :holds_from""")


class Way(StrEnum):
    """The four ways to pay for the same work; numbers, storage and what was ordered stand beside each."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    SEATS = "seats"
    AGENTS = "agents"


_WAYS = {
    "voice.inbound": Way.INBOUND,
    "voice.outbound": Way.OUTBOUND,
    SEAT: Way.SEATS,
    "agent.": Way.AGENTS,
}


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is supposed: other prices (None: those of the day), seats by another unit (None: as rented).

    `way`: paid in this way alone (None: in all in which it was).
    """

    prices: Tariff | None = None
    seats: Unit | None = None
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A month as it was, or stands, and as it would have been; `unpriced` counts uses by meter."""

    period: Period
    zone: str
    actual: Bill
    supposed: Bill
    number: str | None = None
    unpriced: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """So many seats by the month and the rest by the hour; before tax, in minor units."""

    by_month: int
    cost_minor: int


def ask(session: Session, *, tenant_id: TenantId, period: Period, supposed: Supposed) -> Answer:
    """Return what a month would have cost.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        period: a month of the account's zone.
        supposed: what is other than it was; nothing gives the invoice.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    there = next((one for one in invoices.every(session, tenant_id=tenant_id) if one.period == period), None)
    is_final = there is not None and there.number is not None
    if there is not None and is_final:
        document = invoices.find(session, tenant_id=tenant_id, invoice_id=there.invoice_id)
        actual = document.bill
        held = invoices.range_of(session, tenant_id, there.invoice_id)
    else:
        actual = invoices.preview(session, tenant_id=tenant_id, period=period)
        held = invoices.preview_range(session, tenant_id, period)
    rows = session.execute(_HELD, held).all()
    bill, unpriced = _worked_out(session, account, rows, period, supposed, actual)
    return Answer(period, account.zone, actual, bill, there.number if there else None, unpriced)


def mixes(
    worked: Mapping[dt.datetime, int], *, month: RentalPrice, hour: RentalPrice, currency: str
) -> list[Mix]:
    """Return what a month costs with no seat by the month, with one, and so on up to the busiest hour.

    Args:
        worked: agents at work in each clock hour.
        month: the price of a seat for the month.
        hour: the price of a seat for an hour; begun hours.
        currency: of both.

    Worked: 30 a month and 1 an hour; one agent in 40 hours and a second in 10 of them: 50, 40, 60. The first
    seat is worth its month from the thirtieth hour on, the second is not.
    """
    busiest = max(worked.values(), default=0)
    agents = Counter(worked.values())
    made = []
    for by_month in range(busiest + 1):
        above = sum((count - by_month) * hours for count, hours in agents.items() if count > by_month)
        nano = by_month * month.unit_nano + above * hour.unit_nano
        made.append(Mix(by_month, nano_to_minor(nano, currency=currency)))
    return made


def cheapest(found: Sequence[Mix]) -> Mix | None:
    """Return the mix that costs least; of equal ones that with fewer seats by the month."""
    return min(found, key=lambda one: (one.cost_minor, one.by_month), default=None)


def _worked_out(
    session: Session,
    account: Account,
    rows: Sequence[Row[Any]],
    period: Period,
    supposed: Supposed,
    actual: Bill,
) -> tuple[Bill, Mapping[str, int]]:
    if supposed.way is not None:
        rows = [row for row in rows if _way(row.meter) in {None, supposed.way}]
    timeline = tariffs.timeline(session, tenant_id=account.tenant_id)
    by = None
    if supposed.prices is not None:
        # by its hash the prices are found compiled: it must be their own
        there = timeline.at(period.end - dt.timedelta(microseconds=1))
        prices = replace(supposed.prices, split=there.tariff.split if there else None)
        by = InForce(_SUPPOSED, period.start, digest(encode(prices)), prices)
    uses = Uses.of(
        (
            *(row.id, _meter(row.meter, supposed.seats), row.prefix),
            *(row.quantity_ms, row.occurred_at, row.ended_at),
        )
        for row in rows
    )
    # a part of another company's calls costs what it costs, whatever this one's own prices are
    steps_by_row = [
        timeline.by_id[row.tariff_id] if by is None or row.meter.endswith(SUFFIX) else by for row in rows
    ]
    charges = bulk.rate(uses, steps_by_row, zone=account.zone, closed_until=None)
    keys = {row.id: f"{row.source}/{row.event_id}" for row in rows}
    steps = {**timeline.by_id, by.tariff_id: by} if by else timeline.by_id
    groups, calls, unpriced = _grouped(charges, keys, steps, account, period)
    times = _times(charges, rows, steps, period)
    before, agreement = invoices.terms_of(session, account=account, period=period)
    if by is not None:
        agreement = Agreement(by.tariff_id, by.tariff)
        month = month_of(period.start, zone=account.zone)
        before = agreed.opened(State(), by.tariff.terms, month=month, zone=account.zone)
    late = {line.meter: line for line in actual.lines if line.is_late and line.kind is Kind.METERED}
    models = {tariff_id: step.tariff for tariff_id, step in steps.items()}
    lines, _after = agreed.complete(
        [_with_before(one, late.get(one.meter) if one.is_late else None) for one in groups],
        agreement=agreement,
        models=models,
        calls=calls,
        times=times,
        counts=promises.of_period(session, tenant_id=account.tenant_id, period=period, zone=account.zone),
        before=before,
        period=period,
        zone=account.zone,
        currency=account.currency,
    )
    tax = next(iter(actual.taxes), None)
    bill = compose(
        lines,
        currency=account.currency,
        tax_category=tax.category if tax else account.tax_category,
        tax_rate_ppm=tax.rate_ppm if tax else account.tax_rate_ppm,
    )
    return bill, unpriced


@dataclass(slots=True)
class _Sum:
    """What the charges of one line come to."""

    events: int = 0
    billed_seconds: int = 0
    units_nano: int | None = None
    amount_nano: int = 0
    months: dict[dt.datetime, tuple[int, int]] = field(default_factory=dict)


def _way(meter: str) -> Way | None:
    """Return in which way a meter is paid, or None: beside each of them."""
    return next((way for begins, way in _WAYS.items() if meter.startswith(begins)), None)


def _meter(meter: str, seats: Unit | None) -> str:
    """Return the meter a use is rated by: a seat perhaps by another unit."""
    if seats is not None and meter in {f"{SEAT}{unit.value}" for unit in SEAT_UNITS}:
        return f"{SEAT}{seats.value}"
    return meter


def _grouped(
    charges: Mapping[str, Sequence[Any]],
    keys: Mapping[UUID, str],
    steps: Mapping[UUID, InForce],
    account: Account,
    period: Period,
) -> tuple[list[Group], list[Call], Mapping[str, int]]:
    """Return the groups of rated uses in the order of their lines, the calls, and what has no price."""
    sums: dict[tuple[bool, str, str, UUID], _Sum] = {}
    calls: list[Call] = []
    unpriced: Counter[str] = Counter()
    wanted = ("outcome", "tariff_id", "meter", "destination", "occurred_at", "usage_id")
    amounts = ("billed_seconds", "units_nano", "amount_nano")
    for values in zip(*(charges[name] for name in (*wanted, *amounts)), strict=True):
        outcome, tariff_id, meter, destination, at, usage_id, seconds, units, nano = values
        if outcome != Outcome.RATED.value:
            unpriced[meter] += 1
            continue
        key = (at < period.start, meter, destination, tariff_id)
        one = sums.setdefault(key, _Sum())
        one.events += 1
        one.billed_seconds += seconds
        one.amount_nano += nano
        if units is not None:
            one.units_nano = (one.units_nano or 0) + units
        if steps[tariff_id].tariff.model(meter) is not None:
            month = month_of(at, zone=account.zone).start
            before, events = one.months.get(month, (0, 0))
            one.months[month] = (before + (units or 0), events + 1)
        elif meter not in METERS:
            calls.append(Call(keys[usage_id], (*key, False), meter, destination, at, seconds, nano))
    groups = [_group(key, sums[key], steps[key[3]].tariff) for key in sorted(sums)]
    return groups, calls, dict(unpriced)


def _times(
    charges: Mapping[str, Sequence[Any]],
    rows: Sequence[Row[Any]],
    steps: Mapping[UUID, InForce],
    period: Period,
) -> list[Time]:
    """Return agents' time that may cost more by these prices."""
    uses = {row.id: row for row in rows if row.meter == AGENT_HOUR}
    wanted = (charges[name] for name in ("outcome", "tariff_id", "destination", "usage_id"))
    found = []
    for outcome, tariff_id, destination, usage_id in zip(*wanted, strict=True):
        row = uses.get(usage_id)
        if row is None or outcome != Outcome.RATED.value or not steps[tariff_id].tariff.terms.labour:
            continue
        agent = row.event_id.partition("/")[0]
        found.append(
            Time(
                (row.occurred_at < period.start, row.meter, destination, tariff_id, False),
                f"{row.source}/{row.event_id}",
                Worked(agent, row.occurred_at, row.ended_at, row.quantity_ms),
            )
        )
    return found


def _group(key: tuple[bool, str, str, UUID], one: _Sum, tariff: Tariff) -> Group:
    is_late, meter, destination, tariff_id = key
    return Group(
        meter=meter,
        destination=destination,
        tariff_id=tariff_id,
        price_list=tariff.price_list,
        version=tariff.version,
        names=tariff.destinations.get(destination, {}),
        unit_nano=tariff.unit_nano(meter=meter, destination=destination),
        is_late=is_late,
        events=one.events,
        billed_seconds=one.billed_seconds,
        units_nano=one.units_nano,
        amount_nano=one.amount_nano,
        arithmetic=tariff.shared(meter=meter, destination=destination),
        quantities=tuple(Quantity(month, *counted) for month, counted in sorted(one.months.items())),
    )


def _with_before(group: Group, line: Line | None) -> Group:
    """Return a late group with what the invoice says earlier ones had of each month."""
    if line is None or line.arithmetic is None:
        return group
    said = {one["month"]: one for one in line.arithmetic.get("months", ())}
    return replace(
        group,
        quantities=tuple(
            replace(one, before_nano=there["before_nano"], before_events=there["before_events"])
            if (there := said.get(agreed.instant(one.month_start)))
            else one
            for one in group.quantities
        ),
    )
