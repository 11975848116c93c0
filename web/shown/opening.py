"""A queue's opening hours as pages and programs write and see them."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import clock
from telephony import opening
from telephony.opening import Hours, OpeningHoursError, OwnDay, Span
from telephony.queue_hours import MOST_DAYS, Opening
from web import i18n

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_SHOWN = 7


@dataclass(frozen=True, slots=True)
class DayShown:
    """One local day of the plot; `note` says which holiday or day of one's own it is."""

    on: dt.date
    spans: tuple[Span, ...]
    words: str
    note: str
    is_today: bool


@dataclass(frozen=True, slots=True)
class WeekShown:
    """Seven days from today on; `minute` is now, `changes_at` when it opens or closes next."""

    days: Sequence[DayShown]
    minute: int
    zone: str
    is_open: bool
    changes_at: dt.datetime | None


def week(hours: Hours) -> WeekShown:
    """Return the coming seven days, by the clock of the queue."""
    at = clock.now()
    local = at.astimezone(zoneinfo.ZoneInfo(hours.zone))
    language = "zh" if i18n.locale().language == "zh" else "en"
    days = []
    for ahead in range(_DAYS_SHOWN):
        day = local.date() + dt.timedelta(days=ahead)
        spans, own = hours.on(day), hours.own.get(day)
        name = own.name if own else opening.holiday(hours.region, day, language=language)
        days.append(DayShown(day, spans, opening.write_spans(spans), name, is_today=ahead == 0))
    minute = local.hour * 60 + local.minute
    return WeekShown(days, minute, hours.zone, hours.is_open(at), hours.next_change(at))


def read(given: Mapping[str, str]) -> Hours | None:
    """Return the hours a form says; None: always open.

    Raises:
        OpeningHoursError: `field` names what cannot be read.
    """
    if given["when"] == "always":
        return None
    days = [_spans(given[day], day) for day in WEEK]
    country, part = given["country"], given["part"].upper()
    region = f"{country}-{part}" if country and part else country
    if not opening.is_region(region):
        raise OpeningHoursError(field="part")
    return Hours(given["zone"], tuple(days), region, _own(given["own"]))


def typed(kept: Opening, *, zone: str, country: str) -> dict[str, str]:
    """Return what stands in the form; before anybody has decided, working days in the company's zone."""
    usual = (opening.read_spans("09:00-17:00"),) * 5 + ((), ())
    hours = kept.hours or Hours(zone, usual, country if country in opening.regions() else "")
    chosen, _, part = hours.region.partition("-")
    return {
        "when": "hours" if kept.hours else "always",
        **{day: opening.write_spans(spans) for day, spans in zip(WEEK, hours.week, strict=True)},
        "zone": hours.zone,
        "country": chosen,
        "part": part,
        "own": "\n".join(
            " ".join(filter(None, (day.isoformat(), _compact(one.spans) or "closed", one.name)))
            for day, one in sorted(hours.own.items())
        ),
        "message": kept.message,
        "language": kept.language,
    }


def _compact(spans: Sequence[Span]) -> str:
    return opening.write_spans(spans).replace(", ", ",")


def _own(text: str) -> dict[dt.date, OwnDay]:
    """Read one day a line: `2026-12-24 09:00-12:00 Christmas Eve`, `2026-12-31 closed Stocktaking`."""
    found: dict[dt.date, OwnDay] = {}
    lines = [line.split(maxsplit=2) for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_DAYS:
        raise OpeningHoursError(field="own")
    for day, *rest in lines:
        try:
            on = dt.date.fromisoformat(day)
        except ValueError as error:
            raise OpeningHoursError(field="own") from error
        if not rest or on in found:
            raise OpeningHoursError(field="own")
        spans = () if rest[0].lower() in {"closed", "休息"} else _spans(rest[0], "own")
        found[on] = OwnDay(spans, rest[1] if len(rest) > 1 else "")
    return found


def _spans(text: str, field: str) -> tuple[Span, ...]:
    try:
        return opening.read_spans(text)
    except OpeningHoursError as error:
        raise OpeningHoursError(field=field) from error
