"""Rating many usage events at once, and writing their charges: what bulk intake and re-rating share.

Calls are rated in columns (`rating.fast`), what is rented or has two payers one by one; one INSERT takes all
charges, as binary columns (`core.columns`).
"""

import contextlib
import datetime as dt
import gc
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from billing import usage
from billing.rating import fast
from billing.rating.rentals import METERS
from billing.rating.rules import Outcome
from billing.rating.tariff import Cache
from billing.tariffs import InForce
from billing.usage import charge_values
from core import clock, columns
from core.ids import TenantId, new_id, new_ids


@dataclass(frozen=True, slots=True)
class Uses:
    """Usage events in columns, as far as rating needs them; all columns have the same length."""

    ids: Sequence[UUID]
    meters: Sequence[str]
    prefixes: Sequence[str]
    quantities_ms: Sequence[int]
    occurred_at: Sequence[dt.datetime]
    ended_at: Sequence[dt.datetime]

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]]) -> Self:
        """Return rows (id, meter, prefix, milliseconds, began, ended) as columns."""
        found = tuple(zip(*rows, strict=True))
        return cls(*found) if found else cls((), (), (), (), (), ())

    @property
    def are_rented(self) -> bool:
        """Whether some of them are of what is rented."""
        return not METERS.keys().isdisjoint(self.meters)

    def some(self, places: Sequence[int]) -> "Uses":
        """Return the events at some places."""
        if len(places) == len(self.ids):
            return self
        return Uses(*(_at(places, getattr(self, name)) for name in self.__slots__))


_ARRAYS: Mapping[str, tuple[str, Callable[[Any], bytes]]] = {
    "id": ("uuid", columns.uuids),
    "usage_id": ("uuid", columns.uuids),
    "rating_seq": ("int4", columns.int4s),
    "outcome": ("text", columns.texts),
    "reason": ("text", columns.texts),
    "tariff_id": ("uuid", columns.uuids),
    "meter": ("text", columns.texts),
    "occurred_at": ("timestamptz", columns.instants),
    "bill_at": ("timestamptz", columns.instants),
    "prefix": ("text", columns.texts),
    "destination": ("text", columns.texts),
    "billed_seconds": ("int4", columns.int4s),
    "units_nano": ("int8", columns.int8s),
    "amount_nano": ("int8", columns.int8s),
    "currency": ("text", columns.texts),
}

# of one batch these are mostly the same, and travel once then
_MAYBE_SAME = (
    *("rating_seq", "outcome", "reason", "tariff_id", "meter", "destination"),
    *("billed_seconds", "units_nano", "currency"),
)

# compiled for rating in columns, by content and meter; about 20 MB for 100,000 prefixes
_of_process: Cache[tuple[bytes, str], fast.Compiled] = Cache(8)


class _Batches:
    """How many there are in this process at once; the collector rests until the last of them is through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there = 0
        self._was_on = False

    def begin(self) -> None:
        with self._lock:
            if not self._there:
                self._was_on = gc.isenabled()
                gc.disable()
            self._there += 1

    def end(self) -> None:
        with self._lock:
            self._there -= 1
            if not self._there and self._was_on:
                gc.enable()


_batches = _Batches()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector out of a batch's way.

    Fifty thousand rows that live and die together make it walk all of them time and again: two thirds of
    rating again was that (bench.rerating). They hold no cycles, so nothing waits for it.
    """
    _batches.begin()
    try:
        yield
    finally:
        _batches.end()


def rate(
    uses: Uses, by: Sequence[InForce | None], *, zone: str, closed_until: dt.datetime | None
) -> dict[str, list[Any]]:
    """Rate events and return their charges as columns of `rated_charges`; all are first ratings.

    The order of the rows is not that of the events; `usage_id` says whose each is. `id` holds bytes.

    Args:
        uses: the events.
        by: the tariff of each; without one an event is unrated.
        zone: the account's; only what is rented needs it.
        closed_until: aware instant at which the last finalised period ended.
    """
    charges: dict[str, list[Any]] = {name: [] for name in _ARRAYS}
    for (in_force, meter), places in _groups(uses, by):
        part = uses.some(places)
        rated = _one_by_one if meter in METERS or _is_shared(in_force, meter) else _in_columns
        for name, values in rated(in_force, meter, part, zone, closed_until).items():
            charges[name] += values
    return charges


def write(session: Session, *, tenant_id: TenantId, charges: Mapping[str, Sequence[Any]]) -> None:
    """Insert charges that `rate` returned."""
    count = len(charges["id"])
    if not count:
        return
    same = {name for name in _MAYBE_SAME if charges[name].count(charges[name][0]) == count}
    travels = [name for name in _ARRAYS if name not in same]
    taken = [f"c.{name}" if name not in same else f"%({name})s::{of}" for name, (of, _) in _ARRAYS.items()]
    with columns.cursor(session) as cursor:
        cursor.execute(
            f"INSERT INTO app.rated_charges (tenant_id, charge_run, rated_at, {', '.join(_ARRAYS)})"  # noqa: S608 - names of ours
            f" SELECT %(tenant)s, 'service', %(now)s, {', '.join(taken)}"
            f" FROM unnest({', '.join(f'%({name})s' for name in travels)}) AS c ({', '.join(travels)})",
            {
                "tenant": tenant_id,
                "now": clock.now(),
                **{
                    name: make(charges[name]) if name not in same else charges[name][0]
                    for name, (_, make) in _ARRAYS.items()
                },
            },
        )


def tell_payers(session: Session, *, tenant_id: TenantId, charges: Mapping[str, Sequence[Any]]) -> None:
    """Announce charges that `write` wrote, for whoever else pays a part of them."""
    usage.tell_payers(session, tenant_id=tenant_id, charge_ids=[UUID(bytes=one) for one in charges["id"]])


def _groups(
    uses: Uses, by: Sequence[InForce | None]
) -> Iterable[tuple[tuple[InForce | None, str], Sequence[int]]]:
    """Return the places of the events of each tariff and meter."""
    steps = {id(one): one for one in by}
    if len(steps) == 1 and len(set(uses.meters)) == 1:
        yield (by[0], uses.meters[0]), range(len(uses.ids))
        return
    groups: dict[tuple[int, str], list[int]] = {}
    for place, key in enumerate(zip(map(id, by), uses.meters, strict=True)):
        groups.setdefault(key, []).append(place)
    for (step, meter), places in groups.items():
        yield (steps[step], meter), places


def _is_shared(in_force: InForce | None, meter: str) -> bool:
    return in_force is not None and in_force.tariff.shares_calls(meter)


def _one_by_one(
    in_force: InForce | None, meter: str, uses: Uses, zone: str, closed_until: dt.datetime | None
) -> dict[str, list[Any]]:
    """Return the charges of what is rented, or of calls with two payers: columns know of one."""
    rows = [
        charge_values(
            in_force,
            charge_id=new_id(),
            usage_id=usage_id,
            meter=meter,
            prefix=prefix,
            quantity_ms=quantity_ms,
            occurred_at=occurred_at,
            ended_at=ended_at,
            zone=zone,
            closed_until=closed_until,
        )
        for usage_id, prefix, quantity_ms, occurred_at, ended_at in zip(
            *(uses.ids, uses.prefixes, uses.quantities_ms, uses.occurred_at, uses.ended_at), strict=True
        )
    ]
    found = {name: [row[name] for row in rows] for name in _ARRAYS}
    return {**found, "id": [one.bytes for one in found["id"]]}


def _in_columns(
    in_force: InForce | None, meter: str, uses: Uses, _zone: str, closed_until: dt.datetime | None
) -> dict[str, list[Any]]:
    """Return the charges of one meter's calls under one tariff."""
    count = len(uses.ids)
    nothing: list[Any] = [None] * count
    began = list(uses.occurred_at)
    is_late = closed_until is not None and min(began) < closed_until
    same: dict[str, list[Any]] = {
        "id": new_ids(count),
        "usage_id": list(uses.ids),
        "rating_seq": [1] * count,
        "meter": [meter] * count,
        "occurred_at": began,
        "bill_at": [max(at, closed_until) for at in began] if is_late and closed_until else began,
        "units_nano": nothing,
    }
    if in_force is None:
        blank = dict.fromkeys(
            ("tariff_id", "prefix", "destination", "billed_seconds", "amount_nano", "currency"), nothing
        )
        outcome = [Outcome.UNRATED.value] * count
        return {**same, **blank, "outcome": outcome, "reason": ["no-tariff"] * count}
    compiled = _compiled(in_force, meter)
    seconds = -(-np.array(uses.quantities_ms, dtype=np.int64) // 1000)
    ratings = compiled.rate(fast.columns(uses.prefixes, seconds, began))
    is_rated = ratings.outcomes == fast.RATED
    # the last of each stands for "no row"
    prefixes = [*(one.prefix for one in compiled.rates), None]
    destinations = [*(one.destination for one in compiled.rates), None]
    rows = ratings.rows.tolist()
    return {
        **same,
        "outcome": _named([one.value for one in fast.OUTCOMES], ratings.outcomes),
        "reason": _named(fast.REASONS, ratings.reasons),
        "tariff_id": [in_force.tariff_id] * count,
        "prefix": _at(rows, prefixes),
        "destination": _at(rows, destinations),
        "billed_seconds": _or_none(is_rated, ratings.billed_s.tolist()),
        "amount_nano": _or_none(is_rated, ratings.amounts.tolist()),
        "currency": _or_none(is_rated, [in_force.tariff.currency] * count),
    }


def _at(places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    return list(itemgetter(*places)(values)) if len(places) > 1 else [values[place] for place in places]


def _named(names: Sequence[str], numbers: fast.Ints) -> list[str]:
    return _at(numbers.tolist(), names) if numbers.any() else [names[0]] * len(numbers)


def _or_none(are_there: fast.Flags, values: list[Any]) -> list[Any]:
    if are_there.all():
        return values
    return [value if is_there else None for is_there, value in zip(are_there.tolist(), values, strict=True)]


def _compiled(in_force: InForce, meter: str) -> fast.Compiled:
    key = (in_force.sha256, meter)
    found = _of_process.get(key)
    if found is None:
        found = fast.Compiled(in_force.tariff, meter)
        _of_process.put(key, found)
    return found
