"""The floor now and today: queues, agents, how the day went. Figures carry their age; nothing pretends."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template

from billing import periods
from core import clock
from telephony import figures, queues
from telephony.figures import NONE, SHORT_ABANDON_S, QueueFigures
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import floors

_STEP_S, _STEPS = 300, 12  # the last hour in five minutes each


@dataclass(frozen=True, slots=True)
class QueueDay:
    """One queue's day; see templates/portal/_today.html."""

    name: str
    target_s: int
    figures: QueueFigures
    arrivals: Sequence[int]


@pages.get("/live")
@permission("live.read")
def live() -> str:
    """Show the company's queues and agents as they are."""
    return render_template("portal/live.html", **_now(), **_today())


@pages.get("/live/floor")
@permission("live.read")
def live_floor() -> str:
    """Return the cards of queues and agents anew."""
    return render_template("portal/_floor.html", **_now())


@pages.get("/live/today")
@permission("live.read")
def live_today() -> str:
    """Return the day's card anew."""
    return render_template("portal/_today.html", **_today())


def _now() -> dict[str, Any]:
    floor = floors.now(
        scope.session(), tenant_id=identity.current().tenant_id, realtime=scope.services().realtime
    )
    return {
        "queues": floor.queues,
        "queues_at": floor.at,
        "is_fresh": floor.is_fresh,
        "seat_use": floor.seat_use,
        "agents": floor.agents,
    }


def _today() -> dict[str, Any]:
    who, session, at = identity.current(), scope.session(), clock.now()
    # the day begins at the company's midnight, whoever looks from wherever
    today = at.astimezone(zoneinfo.ZoneInfo(who.company.zone)).date()
    midnight = periods.day_start(today, zone=who.company.zone)
    counted = figures.by_queue(session, tenant_id=who.tenant_id, since=midnight)
    came = figures.arrivals(
        session,
        tenant_id=who.tenant_id,
        since=at - dt.timedelta(seconds=_STEP_S * _STEPS),
        step_s=_STEP_S,
        steps=_STEPS,
    )
    return {
        "days": [
            QueueDay(
                one.name,
                one.target_s,
                counted.get(one.queue_id, NONE),
                came.get(one.queue_id, [0] * _STEPS),
            )
            for one in queues.all_of(session, tenant_id=who.tenant_id)
        ],
        "today_at": at,
        "zone": who.company.zone,
        "short_s": SHORT_ABANDON_S,
    }
