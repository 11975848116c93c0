"""What was agreed beyond single prices, put on a bill: models, included minutes, discounts, commitments.

Pure, and the one place where it is done: running bill, draft, what-if and the verifier of a proof all call
`complete` with the same values and get the same lines. It is applied in this order: a meter with a charge
model is priced from all that the month has of it; included minutes take calls over, in the order in which
they were made, at the price they had; discounts come off what is left, as they are listed; a commitment is
made up for at the end of its months. Each line says in its `arithmetic` how it came about.

What is late belongs to an invoice that never changes. So a late quantity costs the difference of two prices
of its own month, with it and without (`rating.units.late`), and a late call uses what is left of the minutes
that were included in its own month. What goes from one invoice to the next is the `State`.
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
from billing.rating import agreements, allowances
from billing.rating.allowances import Grant, Use
from billing.rating.tariff import Tariff
from billing.rating.terms import Allowance, Terms
from core.money import NANO, exponent, nano_to_minor, round_half_up

# late calls are not looked for longer than this after their minutes lapsed
_KEPT = dt.timedelta(days=400)


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
    """

    pools: tuple[Pool, ...] = ()
    spent: Mapping[str, int] = field(default_factory=dict)


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
class Agreement:
    """The terms of a month, with the tariff they stand in."""

    tariff_id: UUID
    tariff: Tariff

    @property
    def terms(self) -> Terms:
        """What is agreed."""
        return self.tariff.terms


_STATE = TypeAdapter(State)


def to_json(state: State) -> dict[str, Any]:
    """Return a state as JSON values."""
    found: dict[str, Any] = _STATE.dump_python(state, mode="json")
    return found


def from_json(raw: Mapping[str, Any]) -> State:
    """Return the state that `to_json` wrote."""
    return _STATE.validate_python(dict(raw))


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
        is_running: the month goes on: what is missing of a commitment is an estimate.
    """
    priced = [by_model(one, models) for one in groups]
    covered, pools = _covered(priced, calls, before.pools, agreement, models)
    lines = [*priced, *covered]
    if agreement is None:
        return tuple(lines), State(pools, {})
    discounted, left = _discounted(lines, agreement, currency)
    made_up, spent = _made_up(sum(left.values()), before, agreement, period, zone, currency)
    if is_running:
        made_up = [replace(one, is_estimate=True) for one in made_up]
    return (*lines, *discounted, *made_up), State(pools, spent)


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
