"""What was agreed beyond single prices, put on a bill: models, included minutes, discounts, commitments.

Pure, and the one place where it is done: running bill, draft, what-if and the verifier of a proof all call
`complete` with the same values and get the same lines. It is applied in this order: a meter with a charge
model is priced from all that the month has of it; agents' hours that cost more get a line for what they cost
more; included minutes take calls over, in the order in which they were made, at the price they had; discounts
come off what is left, as they are listed; a commitment is made up for at the end of its months; a service
that fell short gives a share of what is left back, which no commitment takes away again. Each line says in
its `arithmetic` how it came about.

What is late belongs to an invoice that never changes. So a late quantity costs the difference of two prices
of its own month, with it and without (`rating.units.late`), and a late call uses what is left of the minutes
that were included in its own month. Late hours of an agent come after all that was billed of the same day
and week. What goes from one invoice to the next is the `State`.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from billing import periods
from billing.bill import Group, Kind
from billing.periods import Period
from billing.rating import agreements, allowances, labour
from billing.rating.allowances import Grant, Use
from billing.rating.labour import Days, Rules, Worked
from billing.rating.rentals import HOUR_S
from billing.rating.tariff import Tariff
from billing.rating.terms import Allowance, Terms
from core.money import NANO, exponent, nano_to_minor, round_half_up

# late calls are not looked for longer than this after their minutes lapsed
_KEPT = dt.timedelta(days=400)
# a week that a month ends in, and the days in which hours are still looked for
_DAYS_KEPT = dt.timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Pool:
    """Included seconds of one month, and what is left of them; as they were agreed in that month."""

    code: str
    meters: tuple[str, ...]
    destinations: tuple[str, ...]
    starts_at: dt.datetime
    ends_at: dt.datetime
    given_s: int
    left_s: int

    @property
    def pool_id(self) -> str:
        """Its permanent name."""
        return f"{self.code}/{self.starts_at.astimezone(dt.UTC).isoformat()}"


@dataclass(frozen=True, slots=True)
class State:
    """What goes from one invoice to the next.

    Attributes:
        pools: included minutes that may still be used.
        spent: what was paid so far of each commitment whose months are not over; minor units before tax.
        worked: milliseconds of each agent by local day (ISO), of the last days: what of a day or a week was
            billed already.
    """

    pools: tuple[Pool, ...] = ()
    spent: Mapping[str, int] = field(default_factory=dict)
    worked: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A rated call that minutes may take over; `group` is the key of the line it stands on."""

    key: str
    group: tuple[object, ...]
    meter: str
    destination: str
    occurred_at: dt.datetime
    billed_s: int
    amount_nano: int


@dataclass(frozen=True, slots=True)
class Time:
    """An agent's charged time, for what it may cost more; `group` is the key of the line it stands on."""

    group: tuple[object, ...]
    key: str
    worked: Worked


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted of a promised service in a month: how much was offered, how much of it in time."""

    code: str
    queue: str
    offered: int
    in_time: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """The terms of a month, with the tariff they stand in."""

    tariff_id: UUID
    tariff: Tariff

    @property
    def terms(self) -> Terms:
        """What is agreed."""
        return self.tariff.terms


_STATE = TypeAdapter(State)
_COUNTS = TypeAdapter(tuple[Count, ...])


def to_json(state: State) -> dict[str, Any]:
    """Return a state as JSON values."""
    found: dict[str, Any] = _STATE.dump_python(state, mode="json")
    if not state.worked:  # what was written before there was any says nothing of it
        del found["worked"]
    return found


def from_json(raw: Mapping[str, Any]) -> State:
    """Return the state that `to_json` wrote."""
    return _STATE.validate_python(dict(raw))


def counts_to_json(counts: Iterable[Count]) -> list[dict[str, Any]]:
    """Return counts as JSON values, by what was promised and queue."""
    ordered = tuple(sorted(counts, key=lambda one: (one.code, one.queue)))
    found: list[dict[str, Any]] = _COUNTS.dump_python(ordered, mode="json")
    return found


def counts_from_json(raw: object) -> tuple[Count, ...]:
    """Return the counts that `counts_to_json` wrote."""
    return _COUNTS.validate_python(raw)


def opened(state: State, terms: Terms, *, month: Period, zone: str) -> State:
    """Return the state at the beginning of a month: with its minutes, without what lapsed long ago."""
    there = {pool.pool_id for pool in state.pools}
    given = [_pool(one, month, zone) for one in terms.allowances]
    return replace(
        state,
        pools=(
            *(pool for pool in state.pools if pool.ends_at > month.start - _KEPT),
            *(pool for pool in given if pool.pool_id not in there),
        ),
    )


def complete(
    groups: Sequence[Group],
    *,
    agreement: Agreement | None,
    models: Mapping[UUID, Tariff],
    calls: Iterable[Call],
    before: State,
    period: Period,
    zone: str,
    currency: str,
    times: Iterable[Time] = (),
    counts: Sequence[Count] = (),
    is_running: bool = False,
) -> tuple[tuple[Group, ...], State]:
    """Return the groups of a bill with what was agreed, and what goes on to the next invoice.

    Args:
        groups: metered, in the order of their lines.
        agreement: the terms of the month, or None: there are none.
        models: the tariffs of the groups, for their charge models.
        calls: those that the minutes in `before` may take over; more do no harm.
        before: from the last invoice, opened for this month (`opened`).
        period: of the bill.
        zone: of the account.
        currency: of the bill.
        times: what agents worked, of the groups whose tariff says that it may cost more; more do no harm.
        counts: of the service that was promised, for the month.
        is_running: the month goes on: what is missing of a commitment is an estimate.
    """
    priced = [by_model(one, models) for one in groups]
    covered, pools = _covered(priced, calls, before.pools, agreement, models)
    dearer, worked = _dearer(priced, times, before, models, period)
    lines = [*priced, *dearer, *covered]
    if agreement is None:
        return tuple(lines), State(pools, {}, worked)
    discounted, left = _discounted(lines, agreement, currency)
    made_up, spent = _made_up(sum(left.values()), before, agreement, period, zone, currency)
    given_back = _given_back(left, agreement, counts, currency)
    if is_running:
        made_up = [replace(one, is_estimate=True) for one in made_up]
        given_back = [replace(one, is_estimate=True) for one in given_back]
    return (*lines, *discounted, *made_up, *given_back), State(pools, spent, worked)


def by_model(group: Group, tariffs: Mapping[UUID, Tariff]) -> Group:
    """Return a group of a meter with a charge model at its price: what it adds to each month."""
    model = tariffs[group.tariff_id].model(group.meter)
    if model is None:
        return group
    base = tariffs[group.tariff_id].rental_price(group.meter)
    unit_nano = base.unit_nano if base else 0
    exact = Fraction(0)
    for one in group.quantities:
        with_it, without = (
            model.price(Fraction(units, NANO), events=events, unit_nano=unit_nano)
            if units or events
            else Fraction(0)
            for units, events in (
                (one.before_nano + one.units_nano, one.before_events + one.events),
                (one.before_nano, one.before_events),
            )
        )
        exact += with_it - without
    return replace(
        group,
        amount_nano=round_half_up(exact),
        arithmetic={
            "model": model.model.value,
            "months": [
                {
                    "month": instant(one.month_start),
                    "units_nano": one.units_nano,
                    "events": one.events,
                    "before_nano": one.before_nano,
                    "before_events": one.before_events,
                }
                for one in group.quantities
            ],
        },
    )


def instant(at: dt.datetime) -> str:
    """Return an instant as arithmetic writes it."""
    return at.astimezone(dt.UTC).isoformat()


def _pool(allowance: Allowance, month: Period, zone: str) -> Pool:
    end = month.end
    for _ in range(allowance.rollover):
        end = periods.month_of(end, zone=zone).end
    return Pool(
        allowance.code,
        allowance.meters,
        allowance.destinations,
        month.start,
        end,
        allowance.seconds,
        allowance.seconds,
    )


def _covered(
    groups: Sequence[Group],
    calls: Iterable[Call],
    pools: tuple[Pool, ...],
    agreement: Agreement | None,
    models: Mapping[UUID, Tariff],
) -> tuple[list[Group], tuple[Pool, ...]]:
    """Return a line for each line that minutes take calls of, and what is left of the minutes."""
    grants = [
        Grant(
            pool.pool_id,
            frozenset(pool.meters),
            pool.left_s,
            pool.starts_at,
            pool.ends_at,
            frozenset(pool.destinations),
        )
        for pool in pools
        if pool.left_s
    ]
    if not grants:
        return [], pools
    by_key = {one.key: one for one in calls if one.billed_s}
    shares = allowances.allot(
        grants,
        (Use(one.key, one.meter, one.occurred_at, one.billed_s, one.destination) for one in by_key.values()),
    )
    codes = {pool.pool_id: pool.code for pool in pools}
    used: dict[str, int] = {}
    worth: dict[tuple[str, tuple[object, ...]], list[tuple[Call, int]]] = {}
    for share in shares:
        used[share.grant_id] = used.get(share.grant_id, 0) + share.seconds
        call = by_key[share.key]
        worth.setdefault((codes[share.grant_id], call.group), []).append((call, share.seconds))
    left = tuple(replace(pool, left_s=pool.left_s - used.get(pool.pool_id, 0)) for pool in pools)
    places = {group.key: number for number, group in enumerate(groups, 1)}
    made = []
    for (code, key), taken in sorted(worth.items(), key=lambda one: (places[one[0][1]], one[0][0])):
        group = groups[places[key] - 1]
        by = agreement or Agreement(group.tariff_id, models[group.tariff_id])
        exact = sum(
            (Fraction(call.amount_nano * seconds, call.billed_s) for call, seconds in taken), Fraction(0)
        )
        seconds = sum(seconds for _, seconds in taken)
        made.append(
            replace(
                group,
                kind=Kind.ALLOWANCE,
                destination=code,
                tariff_id=by.tariff_id,
                price_list=by.tariff.price_list,
                version=by.tariff.version,
                names=by.tariff.destinations.get(code, {}),
                unit_nano=None,
                events=0,
                billed_seconds=seconds,
                amount_nano=-round_half_up(exact),
                quantities=(),
                arithmetic={
                    "of_line": places[key],
                    "calls": len({call.key for call, _ in taken}),
                    "seconds": seconds,
                    "given_s": sum(pool.left_s for pool in pools if pool.code == code),
                    "left_s": sum(pool.left_s for pool in left if pool.code == code),
                },
            )
        )
    return made, left


def _dearer(
    groups: Sequence[Group],
    times: Iterable[Time],
    before: State,
    models: Mapping[UUID, Tariff],
    period: Period,
) -> tuple[list[Group], dict[str, dict[str, int]]]:
    """Return a line for each kind of time that costs more, and what agents worked in the last days.

    All of an agent's time is looked at in its order, whichever line it stands on: a day and a week count it.
    """
    days: Days = {
        (agent, dt.date.fromisoformat(day)): ms
        for agent, of_agent in before.worked.items()
        for day, ms in of_agent.items()
    }
    by_key = {group.key: group for group in groups}
    spent: dict[tuple[tuple[object, ...], labour.Kind], int] = {}
    since: dt.date | None = None
    for one in sorted(times, key=lambda one: (one.worked.agent, one.worked.start, one.key)):
        group = by_key.get(one.group)
        if group is None or not models[group.tariff_id].terms.labour:
            continue
        tariff = models[group.tariff_id]
        holidays = tariff.holidays.dates if tariff.holidays else ()
        rules = Rules(tariff.terms.labour, tariff.zone, holidays)
        since = (period.end - _DAYS_KEPT).astimezone(zoneinfo.ZoneInfo(tariff.zone)).date()
        for kind, ms in labour.kinds(one.worked, rules, days).items():
            if tariff.terms.labour.ppm(kind) > labour.ONCE_PPM:
                spent[one.group, kind] = spent.get((one.group, kind), 0) + ms
    made = []
    for number, group in enumerate(groups, 1):
        for kind in labour.Kind:
            found_ms = spent.get((group.key, kind))
            if found_ms:
                made.append(_surcharge(group, number, kind, found_ms, models[group.tariff_id]))
    if since is None:
        since = (period.end - _DAYS_KEPT).date()
    return made, labour.kept(days, since=since)


def _surcharge(group: Group, number: int, kind: labour.Kind, ms: int, tariff: Tariff) -> Group:
    price = tariff.rental_price(group.meter)
    unit_nano = price.unit_nano if price else 0
    hours = Fraction(ms, HOUR_S * 1000)
    ppm = tariff.terms.labour.ppm(kind)
    more = hours * unit_nano * Fraction(ppm - labour.ONCE_PPM, labour.ONCE_PPM)
    return replace(
        group,
        kind=Kind.SURCHARGE,
        unit_nano=None,
        events=0,
        billed_seconds=-(-ms // 1000),
        units_nano=round_half_up(hours * NANO),
        amount_nano=round_half_up(more),
        quantities=(),
        arithmetic={"of_line": number, "time": kind.value, "ms": ms, "ppm": ppm, "unit_nano": unit_nano},
    )


def _given_back(
    left: Mapping[str, int], agreement: Agreement, counts: Sequence[Count], currency: str
) -> list[Group]:
    """Return a line for each promise of service that the month fell short of."""
    minor = NANO // 10 ** exponent(currency)
    made, left_of_all = [], dict(left)
    for promise in agreement.terms.service:
        of_it = [one for one in counts if one.code == promise.code]
        offered, in_time = sum(one.offered for one in of_it), sum(one.in_time for one in of_it)
        steps = [
            step
            for step in promise.steps
            if offered and Fraction(in_time, offered) < Fraction(step.below_ppm, agreements.WHOLE_PPM)
        ]
        there = {
            meter: max(0, amount)
            for meter, amount in sorted(left_of_all.items())
            if not promise.meters or meter in promise.meters
        }
        base = sum(there.values())
        if not steps or not base:
            continue
        back_ppm = max(step.back_ppm for step in steps)
        most = None if promise.most_nano is None else promise.most_nano // minor
        back = min(base, round_half_up(Fraction(base * back_ppm, agreements.WHOLE_PPM)))
        back = back if most is None else min(back, most)
        if not back:
            continue
        for meter, part in zip(there, agreements.share_out(back, tuple(there.values())), strict=True):
            left_of_all[meter] -= part
        made.append(
            _once(
                Kind.CREDIT,
                promise.code,
                -back * minor,
                agreement,
                {
                    "offered": offered,
                    "in_time": in_time,
                    "promised_ppm": promise.steps[0].below_ppm,
                    "back_ppm": back_ppm,
                    "base_minor": base,
                    "most_minor": most,
                    "meters": list(promise.meters),
                },
            )
        )
    return made


def _discounted(
    lines: Sequence[Group], agreement: Agreement, currency: str
) -> tuple[list[Group], dict[str, int]]:
    """Return a line for each discount that takes something off, and what is left of each meter then.

    What comes off all is taken off each meter in its part (largest remainder), so that a later discount on
    some meters finds what is left of those.
    """
    left: dict[str, int] = {}
    for line in lines:
        left[line.meter] = left.get(line.meter, 0) + nano_to_minor(line.amount_nano, currency=currency)
    minor = NANO // 10 ** exponent(currency)
    made = []
    for discount in agreement.terms.discounts:
        there = {
            meter: max(0, amount)
            for meter, amount in sorted(left.items())
            if not discount.meters or meter in discount.meters
        }
        base = sum(there.values())
        (off,) = agreements.discounts(
            base, (agreements.Discount(discount.code, discount.off_ppm, discount.off_nano // minor),)
        )
        if not off:
            continue
        parts = agreements.share_out(off, tuple(there.values()))
        for meter, part in zip(there, parts, strict=True):
            left[meter] -= part
        made.append(
            _once(
                Kind.DISCOUNT,
                discount.code,
                -off * minor,
                agreement,
                {
                    "base_minor": base,
                    "off_ppm": discount.off_ppm,
                    "off_minor": discount.off_nano // minor,
                    "meters": list(discount.meters),
                },
            )
        )
    return made, left


def _made_up(
    net_minor: int, before: State, agreement: Agreement, period: Period, zone: str, currency: str
) -> tuple[list[Group], dict[str, int]]:
    """Return a line for each commitment not met at the end of its months, and what is spent so far."""
    minor = NANO // 10 ** exponent(currency)
    made, spent = [], {}
    for commitment in agreement.terms.commitments:
        begins, ends = _block(period, commitment.months, zone)
        earlier = before.spent.get(commitment.code, 0) if begins < period.start else 0
        is_last = period.end >= ends
        missing = agreements.true_up(
            earlier + net_minor, committed=commitment.amount_nano // minor, is_last=is_last
        )
        if not is_last:
            spent[commitment.code] = earlier + net_minor
        if missing:
            made.append(
                _once(
                    Kind.COMMITMENT,
                    commitment.code,
                    missing * minor,
                    agreement,
                    {
                        "committed_minor": commitment.amount_nano // minor,
                        "months": commitment.months,
                        "spent_minor": net_minor,
                        "spent_before_minor": earlier,
                    },
                )
            )
    return made, spent


def _block(period: Period, months: int, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the quarter, half or year of the calendar that the last month of a period lies in."""
    day = (period.end - dt.timedelta(microseconds=1)).astimezone(zoneinfo.ZoneInfo(zone)).date()
    first = (day.month - 1) // months * months + 1
    begins = periods.month(day.year, first, zone=zone).start
    return begins, periods.month(day.year, first + months - 1, zone=zone).end


def _once(
    kind: Kind, code: str, amount_nano: int, agreement: Agreement, arithmetic: Mapping[str, Any]
) -> Group:
    return Group(
        kind=kind,
        meter=kind.value,
        destination=code,
        tariff_id=agreement.tariff_id,
        price_list=agreement.tariff.price_list,
        version=agreement.tariff.version,
        names=agreement.tariff.destinations.get(code, {}),
        unit_nano=None,
        is_late=False,
        events=0,
        billed_seconds=0,
        units_nano=NANO,
        amount_nano=amount_nano,
        arithmetic=arithmetic,
    )
