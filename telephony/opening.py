"""When a queue is open: weekly hours on the walls' clock, public holidays, days of one's own. Pure.

A span is half-open and counted in minutes of the local day: 09:00 to 17:00 is open at 09:00:00 and closed at
17:00:00. What counts is what the clock on the wall says there: in the night in which an hour comes twice, a
span in it is open twice; one that the clocks jump over is not open at all. A day of one's own comes before a
public holiday, and that before the weekday.

Public holidays are those of the `holidays` library (https://holidays.readthedocs.io), by ISO 3166-1 country
and ISO 3166-2 subdivision (`GB`, `GB-SCT`).
"""

import datetime as dt
import functools
import itertools
import re
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import holidays

from core.errors import Invalid

DAY = 1440  # minutes
MOST_SPANS = 6
_AHEAD = 21  # days within which the next change is looked for
_SPAN = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–—]\s*([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)


class OpeningHoursError(Invalid):
    """Hours that cannot be; `details["field"]` says which."""

    code = "opening-hours"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `opens` to just before `closes`, minutes of a local day, 0 to 1440."""

    opens: int
    closes: int

    def __post_init__(self) -> None:
        """Refuse a span that can never be."""
        if not 0 <= self.opens < self.closes <= DAY:
            raise OpeningHoursError


@dataclass(frozen=True, slots=True)
class OwnDay:
    """A date on which other hours hold; no spans: closed."""

    spans: tuple[Span, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """When a queue is open.

    Attributes:
        zone: IANA name of the zone whose clock counts.
        week: seven days from Monday on, each with its spans in order.
        region: whose public holidays are closed, `GB` or `GB-SCT`; empty: none.
        own: dates with hours of their own.
    """

    zone: str
    week: tuple[tuple[Span, ...], ...]
    region: str = ""
    own: Mapping[dt.date, OwnDay] = field(default_factory=dict)

    def on(self, day: dt.date) -> tuple[Span, ...]:
        """Return the spans of a local day."""
        if day in self.own:
            return self.own[day].spans
        return () if holiday(self.region, day) else self.week[day.weekday()]

    def is_open(self, at: dt.datetime) -> bool:
        """Return whether it is open at an (aware) instant."""
        local = at.astimezone(zoneinfo.ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        return any(span.opens <= minute < span.closes for span in self.on(local.date()))

    def next_change(self, at: dt.datetime) -> dt.datetime | None:
        """Return the first instant after `at` at which it is open and was closed, or the other way, in UTC.

        None when nothing changes within three weeks.
        """
        now = self.is_open(at)
        for edge in sorted(set(self._edges(at))):
            if edge > at and self.is_open(edge) is not now:
                return edge
        return None

    def _edges(self, at: dt.datetime) -> Iterator[dt.datetime]:
        """Yield every instant at which something may change: ends of spans, midnights, clocks put on."""
        zone = zoneinfo.ZoneInfo(self.zone)
        first = at.astimezone(zone).date() - dt.timedelta(days=1)
        for ahead in range(_AHEAD + 2):
            day = first + dt.timedelta(days=ahead)
            midnight = dt.datetime.combine(day, dt.time(), zone)
            for minute in {0} | {edge for span in self.on(day) for edge in (span.opens, span.closes)}:
                local = midnight + dt.timedelta(minutes=minute)  # on the wall: a zone's own arithmetic
                yield from (local.replace(fold=fold).astimezone(dt.UTC) for fold in (0, 1))
            yield from _transitions(midnight, zone)


def read_spans(text: str) -> tuple[Span, ...]:
    """Return the spans somebody wrote: `09:00-12:30, 13:30-17:00`; empty: none, closed.

    Raises:
        OpeningHoursError: not times, an end before its beginning, spans that overlap, or too many of them.
    """
    parts = [part.strip() for part in re.split(r"[,;，；]", text) if part.strip()]
    spans = []
    for part in parts:
        match = _SPAN.fullmatch(part)
        if match is None:
            raise OpeningHoursError
        hour, minute, until_hour, until_minute = map(int, match.groups())
        spans.append(Span(hour * 60 + minute, until_hour * 60 + until_minute))
    return in_order(spans)


def in_order(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return spans by their beginning.

    Raises:
        OpeningHoursError: two overlap, or there are too many.
    """
    found = tuple(sorted(spans))
    if len(found) > MOST_SPANS or any(
        later.opens < earlier.closes for earlier, later in itertools.pairwise(found)
    ):
        raise OpeningHoursError
    return found


def write_spans(spans: Sequence[Span]) -> str:
    """Return spans as `read_spans` reads them."""
    return ", ".join(f"{clock_of(span.opens)}-{clock_of(span.closes)}" for span in spans)


def clock_of(minute: int) -> str:
    """Return a minute of the day as a clock shows it: 1020 -> 17:00; the day's end is 24:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def holiday(region: str, day: dt.date, *, language: str = "en") -> str:
    """Return the name of a public holiday in a region, or nothing."""
    return _holidays(region, day.year, language).get(day, "") if region else ""


@functools.cache
def regions() -> Mapping[str, tuple[str, ...]]:
    """Return the countries whose holidays are known, with their subdivisions."""
    known = holidays.list_supported_countries(include_aliases=False)
    return {country: tuple(sorted(known[country])) for country in sorted(known)}


def is_region(text: str) -> bool:
    """Return whether holidays of a region are known: `GB`, `GB-SCT`, or none at all."""
    country, dash, part = text.partition("-")
    return not text or (country in regions() and (part in regions()[country] if dash else True))


@functools.lru_cache(maxsize=1000)
def _holidays(region: str, year: int, language: str) -> Mapping[dt.date, str]:
    country, _, part = region.partition("-")
    wanted = {"zh": ("zh_CN", "zh_TW", "zh_HK", "en_US"), "en": ("en_GB", "en_US", "en_" + country)}[language]
    spoken = holidays.country_holidays(country, subdiv=part or None).supported_languages
    chosen = next((one for one in wanted if one in spoken), None)
    return dict(holidays.country_holidays(country, subdiv=part or None, years=year, language=chosen))


def _transitions(midnight: dt.datetime, zone: zoneinfo.ZoneInfo) -> Iterator[dt.datetime]:
    """Yield the instants of a local day at which the zone's clocks are put on or back, to the minute."""
    start = midnight.astimezone(dt.UTC)
    hours = [start + dt.timedelta(hours=hour) for hour in range(26)]
    for early, late in itertools.pairwise(hours):
        before = early.astimezone(zone).utcoffset()
        if before == late.astimezone(zone).utcoffset():
            continue
        steps = (early + dt.timedelta(minutes=minute) for minute in range(1, 61))
        yield next(one for one in steps if one.astimezone(zone).utcoffset() != before)
