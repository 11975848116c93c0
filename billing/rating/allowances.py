"""Included minutes: grants of seconds, by themselves or shared, used up in the order of use; whole seconds.

A grant is for a period and, with rollover, for some periods after; the one that ends first is used first, so
that nothing lapses that could have been used. What is shared is a grant that takes more than one meter.
Everything is a function of all uses at once: when one is taken back or comes late, all are allotted anew,
and no second is lost or given twice on the way (`allot` of the same uses in any order is the same).
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from billing.periods import Period


@dataclass(frozen=True, slots=True)
class Grant:
    """So many seconds of some meters, for what is used in [starts_at, ends_at)."""

    grant_id: UUID
    meters: frozenset[str]
    seconds: int
    starts_at: dt.datetime
    ends_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Use:
    """Billed seconds of one usage event."""

    usage_id: UUID
    meter: str
    occurred_at: dt.datetime
    billed_s: int


@dataclass(frozen=True, slots=True)
class Share:
    """Seconds of a use that a grant takes over."""

    usage_id: UUID
    grant_id: UUID
    seconds: int


def grants_of(
    periods: Iterable[Period],
    *,
    grant_ids: Iterable[UUID],
    meters: frozenset[str],
    seconds: int,
    rollover: int,
) -> tuple[Grant, ...]:
    """Return a grant for each period; what is left of one is good for `rollover` further periods.

    Args:
        periods: contiguous, in their order.
        grant_ids: one for each.
        meters: what may be used up; several for a shared pool.
        seconds: of each grant.
        rollover: periods after its own in which a grant may still be used.
    """
    all_periods = tuple(periods)
    last = len(all_periods) - 1
    return tuple(
        Grant(grant_id, meters, seconds, one.start, all_periods[min(at + rollover, last)].end)
        for at, (one, grant_id) in enumerate(zip(all_periods, grant_ids, strict=True))
    )


def allot(grants: Iterable[Grant], uses: Iterable[Use]) -> tuple[Share, ...]:
    """Return which grant takes how many seconds of which use.

    Uses come in the order (occurred at, usage id), whatever the order they are given in; of the grants that
    are good for one, that which ends first comes first.
    """
    left = {
        one: one.seconds for one in sorted(grants, key=lambda one: (one.ends_at, one.starts_at, one.grant_id))
    }
    shares = []
    for use in sorted(uses, key=lambda one: (one.occurred_at, one.usage_id)):
        wanted = use.billed_s
        for grant, rest in left.items():
            if not wanted:
                break
            if rest and use.meter in grant.meters and grant.starts_at <= use.occurred_at < grant.ends_at:
                taken = min(rest, wanted)
                shares.append(Share(use.usage_id, grant.grant_id, taken))
                left[grant] = rest - taken
                wanted -= taken
    return tuple(shares)
