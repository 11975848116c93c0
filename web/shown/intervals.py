"""Days by the half hour, and who came to the right person the first time, as pages and programs see them."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from billing import periods
from core import clock
from core.ids import QueueId, TenantId
from telephony import figures, first_time
from telephony.figures import QueueFigures
from telephony.first_time import FirstTime

STEP: Final = dt.timedelta(minutes=30)
OLDEST_ON: Final = dt.date(2020, 1, 1)
NEWEST_ON: Final = dt.date(2100, 1, 1)
"""No call is older, and none newer."""
SPANS: Final = (7, 30, 90)
USUAL: Final = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """The calls that came in one half hour, `[begins_at, ends_at)`; a day's last may be shorter."""

    begins_at: dt.datetime
    ends_at: dt.datetime
    figures: QueueFigures


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the company's by the half hour, from that of its first call to that of its last."""

    on: dt.date
    intervals: Sequence[Interval]
    whole: QueueFigures


def today(*, zone: str) -> dt.date:
    """Return which day it is where the company is."""
    return clock.now().astimezone(zoneinfo.ZoneInfo(zone)).date()


def day_of(asked: str, *, zone: str) -> dt.date:
    """Return the day a field says, if there can be calls in it; today otherwise."""
    now = today(zone=zone)
    try:
        found = dt.date.fromisoformat(asked)
    except ValueError:
        return now
    return found if OLDEST_ON <= found <= now else now


def of(session: Session, *, tenant_id: TenantId, on: dt.date, zone: str, queue_id: QueueId | None) -> Day:
    """Return a day by the half hour from the company's midnight, of one queue or of all."""
    begins_at = periods.day_start(on, zone=zone)
    ends_at = periods.day_start(on + dt.timedelta(days=1), zone=zone)
    found = figures.by_interval(
        session,
        tenant_id=tenant_id,
        since=begins_at,
        until=ends_at,
        step_s=int(STEP.total_seconds()),
        queue_id=queue_id,
    )
    return Day(on, _rows(found, begins_at, ends_at), figures.whole(found.values()))


def first_times(session: Session, *, tenant_id: TenantId, days: int) -> Sequence[FirstTime]:
    """Return who came to the right person the first time, of the calls of so many days until now."""
    now = clock.now()
    return first_time.by_queue(session, tenant_id=tenant_id, since=now - dt.timedelta(days=days), until=now)


def days_of(asked: str) -> int:
    """Return the days a field says, if they are some to choose from; the usual ones otherwise."""
    return next((days for days in SPANS if str(days) == asked), USUAL)


def _rows(
    found: Mapping[int, QueueFigures], begins_at: dt.datetime, ends_at: dt.datetime
) -> Sequence[Interval]:
    if not found:
        return []
    return [
        Interval(
            begins_at + number * STEP,
            min(begins_at + (number + 1) * STEP, ends_at),
            found.get(number, figures.NONE),
        )
        for number in range(min(found), max(found) + 1)
    ]
