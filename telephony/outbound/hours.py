"""When somebody may be called: hours of the day where the called person is. Pure.

Sources: 16 CFR 310.4(c) (8 a.m. to 9 p.m. at the called person's location), 47 CFR 64.1200(c)(1); the hours
are the campaign's to choose within what its law allows. Weekdays are ISO: 1 is Monday, 7 Sunday.
"""

import datetime as dt
import functools
import zoneinfo
from dataclasses import dataclass

from core.errors import Invalid

_DAYS_AHEAD = 8  # a week and a day: the same weekday again, later


class WindowInvalidError(Invalid):
    """Hours that can never be: closing is not after opening, no weekday, or no such weekday."""

    code = "calling-window-invalid"


@dataclass(frozen=True, slots=True)
class Window:
    """Local hours, half-open: from `opens` to just before `closes`, on `days` (ISO, 1 Monday to 7 Sunday)."""

    opens: dt.time
    closes: dt.time
    days: frozenset[int]

    def __post_init__(self) -> None:
        """Refuse hours that can never be."""
        if not self.opens < self.closes or not self.days or not self.days <= set(range(1, 8)):
            raise WindowInvalidError

    def is_open(self, at: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
        """Return whether a person in `zone` may be called at an (aware) instant."""
        local = at.astimezone(zone)
        return local.isoweekday() in self.days and self.opens <= local.time() < self.closes

    def next_opening(self, at: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
        """Return the first instant from `at` on at which it is open, in UTC.

        09:00 to 17:00 on Mondays, asked on a Monday at 17:00, is next Monday at 09:00. An opening that the
        clocks jump over (a spring night) is the instant after the jump.
        """
        if self.is_open(at, zone):
            return at.astimezone(dt.UTC)
        today = at.astimezone(zone).date()
        for ahead in range(_DAYS_AHEAD):
            day = today + dt.timedelta(days=ahead)
            opening = dt.datetime.combine(day, self.opens, zone).astimezone(dt.UTC)
            if opening > at and self.is_open(opening, zone):
                return opening
        raise WindowInvalidError  # not reached: some day of a week is open


@functools.cache
def zone_of(name: str) -> zoneinfo.ZoneInfo | None:
    """Return a time zone by its IANA name, or None when there is no such zone."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
