"""Included minutes: grants of seconds, by themselves or shared, used up in the order of use; whole seconds.

A grant is for a period and, with rollover, for some periods after; the one that ends first is used first, so
that nothing lapses that could have been used. What is shared is a grant that takes more than one meter.
Everything is a function of all uses at once: when one is taken back or comes late, all are allotted anew,
and no second is lost or given twice on the way (`allot` of the same uses in any order is the same).
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """So many seconds of some meters, for what is used in [starts_at, ends_at); no `destinations`: to all."""

    grant_id: str
    meters: frozenset[str]
    seconds: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    destinations: frozenset[str] = frozenset()

    def covers(self, use: "Use") -> bool:
        """Return whether a use may take from it."""
        is_there = not self.destinations or use.destination in self.destinations
        return use.meter in self.meters and is_there and self.starts_at <= use.occurred_at < self.ends_at


@dataclass(frozen=True, slots=True)
class Use:
    """Billed seconds of one usage event; its key is the permanent one, which everybody can see."""

    key: str
    meter: str
    occurred_at: dt.datetime
    billed_s: int
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """Seconds of a use that a grant takes over."""

    key: str
    grant_id: str
    seconds: int


def allot(grants: Iterable[Grant], uses: Iterable[Use]) -> tuple[Share, ...]:
    """Return which grant takes how many seconds of which use.

    Uses come in the order (occurred at, key), whatever the order they are given in; of the grants that
    are good for one, that which ends first comes first.
    """
    left = {
        one: one.seconds for one in sorted(grants, key=lambda one: (one.ends_at, one.starts_at, one.grant_id))
    }
    shares = []
    for use in sorted(uses, key=lambda one: (one.occurred_at, one.key)):
        wanted = use.billed_s
        for grant, rest in left.items():
            if not wanted:
                break
            if rest and grant.covers(use):
                taken = min(rest, wanted)
                shares.append(Share(use.key, grant.grant_id, taken))
                left[grant] = rest - taken
                wanted -= taken
    return tuple(shares)
