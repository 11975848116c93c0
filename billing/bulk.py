"""Rating many usage events at once, and writing their charges: what bulk intake and re-rating share.

Calls are rated in columns (`rating.fast`), what is rented one by one; one INSERT takes all charges.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, DateTime, Integer, Text, TypeEngine, Uuid

from billing.rating import fast
from billing.rating.rentals import METERS
from billing.rating.rules import Outcome
from billing.rating.tariff import Cache
from billing.tariffs import InForce
from billing.usage import charge_values
from core import clock
from core.ids import TenantId, new_id


class Event(Protocol):
    """A usage event's row, as far as rating needs it."""

    @property
    def id(self) -> UUID: ...  # noqa: D102 - the columns of usage_events
    @property
    def meter(self) -> str: ...  # noqa: D102
    @property
    def prefix(self) -> str: ...  # noqa: D102
    @property
    def quantity_ms(self) -> int: ...  # noqa: D102
    @property
    def occurred_at(self) -> dt.datetime: ...  # noqa: D102
    @property
    def ended_at(self) -> dt.datetime: ...  # noqa: D102


_CHARGE_COLUMNS: dict[str, TypeEngine[Any]] = {
    "id": Uuid(),
    "usage_id": Uuid(),
    "rating_seq": Integer(),
    "outcome": Text(),
    "reason": Text(),
    "tariff_id": Uuid(),
    "meter": Text(),
    "occurred_at": DateTime(timezone=True),
    "bill_at": DateTime(timezone=True),
    "prefix": Text(),
    "destination": Text(),
    "billed_seconds": Integer(),
    "units_nano": BigInteger(),
    "amount_nano": BigInteger(),
    "currency": Text(),
}
_CHARGES = text(f"""
    INSERT INTO app.rated_charges (tenant_id, charge_run, rated_at, {", ".join(_CHARGE_COLUMNS)})
    SELECT :tenant, 'service', :now, * FROM unnest({", ".join(f":{name}s" for name in _CHARGE_COLUMNS)})
""").bindparams(*(bindparam(f"{name}s", type_=ARRAY(kind)) for name, kind in _CHARGE_COLUMNS.items()))  # noqa: S608

# compiled for rating in columns, by content and meter; about 20 MB for 100,000 prefixes
_of_process: Cache[tuple[bytes, str], fast.Compiled] = Cache(8)


def rate(
    events: Iterable[tuple[InForce | None, Event]], *, zone: str, closed_until: dt.datetime | None
) -> dict[str, list[Any]]:
    """Rate events, each by its tariff, and return their charges as columns of `rated_charges`.

    The order of the rows is not that of the events; `usage_id` says whose each is. Without a tariff an event
    is unrated. `zone` is the account's; only what is rented needs it. All are first ratings.
    """
    calls: dict[tuple[UUID | None, str], tuple[InForce | None, list[Event]]] = {}
    rented: list[tuple[InForce | None, Event]] = []
    for in_force, row in events:
        if row.meter in METERS:
            rented.append((in_force, row))
        else:
            key = (in_force.tariff_id if in_force else None, row.meter)
            calls.setdefault(key, (in_force, []))[1].append(row)
    columns: dict[str, list[Any]] = {name: [] for name in _CHARGE_COLUMNS}
    for (_, meter), (in_force, rows) in calls.items():
        for name, values in _rated(in_force, meter, rows, closed_until).items():
            columns[name] += values
    for in_force, row in rented:
        charge = charge_values(
            in_force,
            charge_id=new_id(),
            usage_id=row.id,
            meter=row.meter,
            prefix=row.prefix,
            quantity_ms=row.quantity_ms,
            occurred_at=row.occurred_at,
            ended_at=row.ended_at,
            zone=zone,
            closed_until=closed_until,
        )
        for name in _CHARGE_COLUMNS:
            columns[name].append(charge[name])
    return columns


def is_rented(events: Iterable[Event]) -> bool:
    """Return whether some of the events are of what is rented."""
    return any(row.meter in METERS for row in events)


def write(session: Session, *, tenant_id: TenantId, charges: dict[str, list[Any]]) -> None:
    """Insert charges that `rate` returned."""
    columns = {f"{name}s": values for name, values in charges.items()}
    session.execute(_CHARGES, {"tenant": tenant_id, "now": clock.now(), **columns})


def _rated(
    in_force: InForce | None, meter: str, rows: Sequence[Event], closed: dt.datetime | None
) -> dict[str, list[Any]]:
    """Return the charges of one meter's calls under one tariff as columns."""
    count = len(rows)
    nothing: list[Any] = [None] * count
    began = [row.occurred_at for row in rows]
    same: dict[str, list[Any]] = {
        "id": [new_id() for _ in rows],
        "usage_id": [row.id for row in rows],
        "rating_seq": [1] * count,
        "meter": [meter] * count,
        "occurred_at": began,
        "bill_at": began if closed is None else [max(at, closed) for at in began],
        "units_nano": nothing,
    }
    if in_force is None:
        blank = dict.fromkeys(
            ("tariff_id", "prefix", "destination", "billed_seconds", "amount_nano", "currency"), nothing
        )
        outcome = [Outcome.UNRATED.value] * count
        return {**same, **blank, "outcome": outcome, "reason": ["no-tariff"] * count}
    compiled = _compiled(in_force, meter)
    ratings = compiled.rate(
        fast.columns([row.prefix for row in rows], [-(-row.quantity_ms // 1000) for row in rows], began)
    )
    is_rated = (ratings.outcomes == fast.RATED).tolist()
    # the last of each stands for "no row"
    prefixes = np.array([*(one.prefix for one in compiled.rates), None], dtype=object)
    destinations = np.array([*(one.destination for one in compiled.rates), None], dtype=object)
    return {
        **same,
        "outcome": np.array([one.value for one in fast.OUTCOMES], dtype=object)[ratings.outcomes].tolist(),
        "reason": np.array(fast.REASONS, dtype=object)[ratings.reasons].tolist(),
        "tariff_id": [in_force.tariff_id] * count,
        "prefix": prefixes[ratings.rows].tolist(),
        "destination": destinations[ratings.rows].tolist(),
        "billed_seconds": _or_none(is_rated, ratings.billed_s.tolist()),
        "amount_nano": _or_none(is_rated, ratings.amounts.tolist()),
        "currency": _or_none(is_rated, [in_force.tariff.currency] * count),
    }


def _or_none(are_there: list[bool], values: list[Any]) -> list[Any]:
    return [value if is_there else None for is_there, value in zip(are_there, values, strict=True)]


def _compiled(in_force: InForce, meter: str) -> fast.Compiled:
    key = (in_force.sha256, meter)
    found = _of_process.get(key)
    if found is None:
        found = fast.Compiled(in_force.tariff, meter)
        _of_process.put(key, found)
    return found
