"""How full a switch is, what it leaves undone first, and when it lets nobody in: the order of degradation.

A switch that is overloaded says so too late: on two cores, 150 recorded calls at once left gaps in a tenth of
what was said, and every call was still counted as good (SIPp; `docs/overload.md`). So calls are counted
before they are let in, and what a caller misses least is left undone first:

    recordings (those that are optional)  at 70 % of what the switch holds
    music on hold and while waiting       at 80 %
    new calls of campaigns                at 90 %
    further calls                         when one more would be beyond 100 %

A degree is on at once, together with all below it; it is off when the load has stayed 5 points below where it
began for two seconds, one degree at a time. Nothing here asks a clock, a switch or a database: the same loads
at the same instants give the same degrees.
"""

import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final


class Degree(IntEnum):
    """What is left undone; a higher one includes all below it."""

    FULL = 0  # nothing: everybody gets everything
    RECORDINGS = 1
    MUSIC = 2
    CAMPAIGNS = 3
    BUSY = 4


Ladder = Mapping[Degree, int]
"""From which load on, in percent, each degree is on; in rising order."""
BOX: Final[Ladder] = {Degree.RECORDINGS: 70, Degree.MUSIC: 80, Degree.CAMPAIGNS: 90, Degree.BUSY: 101}
# a company's own lines: nothing but further calls takes them up
COMPANY: Final[Ladder] = {Degree.BUSY: 101}
MARGIN: Final = 5  # points
CALM: Final = dt.timedelta(seconds=2)
A_SECOND: Final = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many calls there may be at once, and how many may begin within one second; both at least 1."""

    at_once: int
    per_second: int

    def percent(self, *, at_once: int, in_a_second: int) -> int:
        """Return the load in percent, rounded up: 101 is the first that is too much.

        With 100 at once and 40 a second, 60 calls of which 30 have just begun are a load of 75.
        """
        return max(-(-100 * at_once // self.at_once), -(-100 * in_a_second // self.per_second))


@dataclass(frozen=True, slots=True)
class Standing:
    """Which degrees are on, since when; `calm_since`: since when the load has been below the highest."""

    since: tuple[tuple[Degree, dt.datetime], ...] = ()
    calm_since: dt.datetime | None = None

    @property
    def degree(self) -> Degree:
        """Return the highest degree that is on."""
        return self.since[-1][0] if self.since else Degree.FULL


NOTHING: Final = Standing()


def follow(standing: Standing, percent: int, at: dt.datetime, ladder: Ladder) -> Standing:
    """Return which degrees are on, now that the load is this.

    Args:
        standing: which were on before.
        percent: the load, see `Bounds.percent`.
        at: now; never before the last time.
        ladder: where each degree begins.
    """
    risen = tuple(
        (degree, at) for degree, begins in ladder.items() if degree > standing.degree and percent >= begins
    )
    if risen:
        return Standing(standing.since + risen)
    if not standing.since:
        return standing
    if percent > ladder[standing.degree] - MARGIN:
        return Standing(standing.since)
    if standing.calm_since is None:
        return Standing(standing.since, at)
    if at - standing.calm_since < CALM:
        return standing
    left = standing.since[:-1]
    is_calm = bool(left) and percent <= ladder[left[-1][0]] - MARGIN
    return Standing(left, at if is_calm else None)


@dataclass(slots=True)
class Gauge:
    """The load of a switch, or of a company's lines on it, as it goes on."""

    ladder: Ladder
    bounds: Bounds
    standing: Standing = NOTHING
    begun: deque[dt.datetime] = field(default_factory=deque)  # within the last second

    def rate(self, at: dt.datetime) -> int:
        """Return how many calls have begun within the second that ends now."""
        while self.begun and self.begun[0] <= at - A_SECOND:
            self.begun.popleft()
        return len(self.begun)

    def look(self, at: dt.datetime, *, at_once: int, coming: int = 0) -> Standing:
        """Return which degrees are on with so many calls in progress, and one more that is `coming`."""
        percent = self.bounds.percent(at_once=at_once + coming, in_a_second=self.rate(at) + coming)
        self.standing = follow(self.standing, percent, at, self.ladder)
        return self.standing

    def has_room(self, at: dt.datetime, *, at_once: int) -> bool:
        """Return whether one more call may come; if not, every lower degree is on."""
        return self.look(at, at_once=at_once, coming=1).degree is not Degree.BUSY

    def begins(self, at: dt.datetime) -> None:
        """Count a call that begins now."""
        self.begun.append(at)


def has_channel(*, in_use: int, channels: int, is_by_campaign: bool) -> bool:
    """Return whether a pool of channels has one for a further call; campaigns leave a tenth of it alone.

    Of 30 channels a campaign is given the 27th and no further one, everybody else the 30th.
    """
    return (in_use + 1) * 100 <= channels * (BOX[Degree.CAMPAIGNS] if is_by_campaign else 100)
