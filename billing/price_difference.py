"""What a version of a price list changes: pure, rates in, counts and the largest changes out.

Prices are compared by what a minute of a call costs in each rate's first band; a rate that differs in
something else (bands, steps, bounds, being blocked) and not in that is *different*.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from billing.rating.rules import ALL_DAYS, Rate, charge
from billing.rating.tariff import DatedRate

_MINUTE_S = 60


class Kind(StrEnum):
    """How a rate stands to that of the same meter and prefix before."""

    ADDED = "added"
    GONE = "gone"
    DEARER = "dearer"
    CHEAPER = "cheaper"
    DIFFERENT = "different"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Change:
    """One rate that is not the same; a minute's price in nano-units, None where there is no such rate."""

    kind: Kind
    meter: str
    prefix: str
    destination: str
    before_nano: int | None
    after_nano: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """How many rates stand how, and those that change most."""

    counts: dict[Kind, int]
    largest: tuple[Change, ...]


def compare(before: Iterable[DatedRate], after: Iterable[DatedRate], *, most: int = 50) -> Difference:
    """Return what comes, goes and changes from one version to another, by meter and prefix.

    Args:
        before: rates of one meter and prefix each.
        after: the same of the other version.
        most: how many changes to name: blocked or gone first, then by the share a minute changes by.
    """
    old = {(row.meter, row.prefix): row for row in before}
    new = {(row.meter, row.prefix): row for row in after}
    changes = [_change(old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys())]
    counts = Counter(one.kind for one in changes if one)
    counts[Kind.SAME] = sum(1 for one in changes if one is None)
    named = sorted((one for one in changes if one), key=_weight)
    return Difference({kind: counts[kind] for kind in Kind}, tuple(named[:most]))


def _change(old: DatedRate | None, new: DatedRate | None) -> Change | None:
    if old == new:
        return None
    there = new or old
    assert there is not None  # noqa: S101 - one of them is
    was, becomes = (None if one is None else _minute(one.rate) for one in (old, new))
    kind = Kind.DIFFERENT
    if was is None or becomes is None:
        kind = Kind.ADDED if was is None else Kind.GONE
    elif was != becomes:
        kind = Kind.DEARER if becomes > was else Kind.CHEAPER
    return Change(kind, there.meter, there.prefix, there.destination, was, becomes)


def _minute(rate: Rate) -> int:
    first = replace(rate.bands[0], days_iso=ALL_DAYS, from_s=0)
    return charge(replace(rate, bands=(first,)), duration_s=_MINUTE_S).rounded()


def _weight(change: Change) -> tuple[bool, float, str, str]:
    """Order: what goes, then the largest share, new ones last; shares only order, they are no money."""
    share = 0.0
    if change.before_nano is not None and change.after_nano is not None:
        share = abs(change.after_nano - change.before_nano) / max(change.before_nano, 1)
    return change.kind is not Kind.GONE, -share, change.meter, change.prefix
