"""Agents' time that costs more: beyond so many hours of a day or a week, at night, on a public holiday.

A second is of one kind: where several would fit, the one with the highest multiplier has it, they are never
multiplied with each other. Days, weeks (from Monday) and nights are local ones of the price list's zone, and
an hour that a clock change repeats or leaves out counts by what really passed.

Time comes in stretches of clock time in which so many milliseconds were worked. It is looked at by quarters
of an hour: all clocks of today stand at one when a day begins anywhere, and so does every night here. A
stretch that lies across an edge is taken to be worked evenly; what rounding leaves over is given out by the
largest remainder, so that the parts of a stretch are the stretch to the millisecond.
"""

import datetime as dt
import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from billing.rating.agreements import share_out

ONCE_PPM = 1_000_000
DEAREST_PPM = 10 * ONCE_PPM
QUARTER = dt.timedelta(minutes=15)
QUARTER_S = 900
_DAY_S, _WEEK_S = 86_400, 7 * 86_400
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Kind(StrEnum):
    """What a second of work is; of equal multipliers the first here has it."""

    HOLIDAY = "holiday"
    NIGHT = "night"
    OVERTIME = "overtime"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Labour:
    """What agents' hours cost more, as multipliers in millionths (1 500 000: half again); 0: not agreed.

    The night is from `night_from_s` to `night_to_s`, seconds of the local day; overtime what is beyond
    `daily_s` of a day or `weekly_s` of a week, where that is not 0.
    """

    overtime_ppm: int = 0
    daily_s: int = 0
    weekly_s: int = 0
    night_ppm: int = 0
    night_from_s: int = 0
    night_to_s: int = 0
    holiday_ppm: int = 0

    def __bool__(self) -> bool:
        return bool(self.overtime_ppm or self.night_ppm or self.holiday_ppm)

    def ppm(self, kind: Kind) -> int:
        """Return what a kind of time costs, as a multiplier in millionths."""
        agreed = {
            Kind.HOLIDAY: self.holiday_ppm,
            Kind.NIGHT: self.night_ppm,
            Kind.OVERTIME: self.overtime_ppm,
        }
        return agreed.get(kind, 0) or ONCE_PPM

    def dearest(self, kinds: Iterable[Kind]) -> Kind:
        """Return which of several kinds a second is."""
        order = list(Kind)
        return max(kinds, key=lambda one: (self.ppm(one), -order.index(one)))


@dataclass(frozen=True, slots=True)
class Worked:
    """So many milliseconds that an agent worked between two instants."""

    agent: str
    start: dt.datetime
    end: dt.datetime
    ms: int


@dataclass(frozen=True, slots=True)
class Rules:
    """By what a stretch is told apart: what is agreed, where, and on which days people have off."""

    labour: Labour
    zone: str
    holidays: Collection[dt.date] = ()


Days = dict[tuple[str, dt.date], int]


def kinds(worked: Worked, rules: Rules, days: Days) -> dict[Kind, int]:
    """Return the milliseconds of each kind in a stretch, and count it to its agent's days.

    Args:
        worked: comes after all that is in `days`: what is reported later is beyond what was there.
        rules: what is agreed.
        days: what each agent has worked, by local day; of this week at least. Is added to.

    Worked: eight hours a day agreed, the night from 22:00; from 13:00 to 23:00 are eight hours as they are,
    one of overtime, and one that is overtime and night and costs what is dearer of the two.
    """
    found: dict[Kind, int] = {}
    zone, labour = zoneinfo.ZoneInfo(rules.zone), rules.labour
    for start, ms in _quarters(worked):
        local = start.astimezone(zone)
        day, second = local.date(), (local.hour * 60 + local.minute) * 60
        fitting = [Kind.PLAIN]
        if labour.night_ppm and _is_night(second, labour):
            fitting.append(Kind.NIGHT)
        if labour.holiday_ppm and day in rules.holidays:
            fitting.append(Kind.HOLIDAY)
        over = min(ms, max(0, ms - _left(worked.agent, day, labour, days)))
        for part, among in ((ms - over, fitting), (over, [*fitting, Kind.OVERTIME])):
            if part:
                kind = labour.dearest(among)
                found[kind] = found.get(kind, 0) + part
        days[worked.agent, day] = days.get((worked.agent, day), 0) + ms
    return found


def problems(labour: Labour, *, has_holidays: bool) -> Iterator[str]:
    """Yield why what agents' hours cost more cannot be published, one sentence per fault."""
    multipliers = (labour.overtime_ppm, labour.night_ppm, labour.holiday_ppm)
    if any(ppm and not ONCE_PPM <= ppm <= DEAREST_PPM for ppm in multipliers):
        yield "agent.hour: a multiplier lies between once and ten times"
    if labour.overtime_ppm and not (labour.daily_s or labour.weekly_s):
        yield "agent.hour: overtime needs the hours of a day or a week beyond which it begins"
    if not 0 <= labour.daily_s < _DAY_S or not 0 <= labour.weekly_s < _WEEK_S:
        yield "agent.hour: overtime begins within a day, or within a week"
    edges = (labour.night_from_s, labour.night_to_s)
    if any(not 0 <= edge < _DAY_S or edge % QUARTER_S for edge in edges):
        yield "agent.hour: the night begins and ends on a quarter of an hour"
    if labour.night_ppm and labour.night_from_s == labour.night_to_s:
        yield "agent.hour: the night has a beginning and another end"
    if labour.holiday_ppm and not has_holidays:
        yield "agent.hour: has a multiplier for holidays, and the price list names no calendar of them"


def kept(days: Mapping[tuple[str, dt.date], int], *, since: dt.date) -> dict[str, dict[str, int]]:
    """Return what agents have worked by day, from a day on, as values that go on to the next invoice."""
    found: dict[str, dict[str, int]] = {}
    for (agent, day), ms in sorted(days.items()):
        if day >= since:
            found.setdefault(agent, {})[day.isoformat()] = ms
    return found


def _quarters(worked: Worked) -> Iterator[tuple[dt.datetime, int]]:
    """Yield the quarters of an hour that a stretch touches, with what of it was worked in each."""
    starts, lengths, at = [], [], worked.start
    while at < worked.end:
        edge = min(worked.end, at + QUARTER - (at - _EPOCH) % QUARTER)
        starts.append(at)
        lengths.append((edge - at) // _MICROSECOND)
        at = edge
    if not starts:
        starts, lengths = [worked.start], [1]
    yield from zip(starts, share_out(worked.ms, lengths), strict=True)


def _is_night(second: int, labour: Labour) -> bool:
    if labour.night_from_s < labour.night_to_s:
        return labour.night_from_s <= second < labour.night_to_s
    return second >= labour.night_from_s or second < labour.night_to_s


def _left(agent: str, day: dt.date, labour: Labour, days: Days) -> int:
    """Return how many milliseconds an agent may still work on a day before it is overtime."""
    if not labour.overtime_ppm:
        return _WEEK_S * 1000
    monday = day - dt.timedelta(days=day.weekday())
    week = sum(days.get((agent, monday + dt.timedelta(days=n)), 0) for n in range(7))
    of_day = (labour.daily_s or _DAY_S * 2) * 1000 - days.get((agent, day), 0)
    of_week = (labour.weekly_s or _WEEK_S * 2) * 1000 - week
    return max(0, min(of_day, of_week))
