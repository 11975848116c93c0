"""A trial of other ways of routing as people see it: a chart for each measure, and the table of all."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from core.ids import QueueId, TenantId
from telephony import queues
from telephony.errors import NoRoutingTrialError
from telephony.routing import example, trials
from telephony.routing.simulator import POOLED, WITHIN_MS
from telephony.routing.strategy import Model
from telephony.routing.trials import Arm, Trial
from web.shown import routing

ARMS: Mapping[str, LazyString] = {
    Model.BRAND.value: _l("By queue"),
    Model.FIXED.value: _l("By queue and region, fixed"),
    Model.PROGRESSIVE.value: _l("By queue and region, wider by waiting"),
    Model.VALUE.value: _l("By value"),
    POOLED: _l("Everybody serves everything"),
}
_REGIONS: Mapping[str, LazyString] = {"north": _l("North"), "south": _l("South")}
_MEASURES: Sequence[tuple[LazyString, Callable[[Arm], float], bool]] = (
    (_l("Answered in time"), lambda one: one.service_level, True),
    (_l("The group that fared worst, in time"), lambda one: one.worst, True),
    (_l("Gave up"), lambda one: one.abandonment, False),
    (_l("People’s time on calls"), lambda one: one.utilisation, True),
)
DAYS = (7, 14, 30, 92)
BARS_FROM, BAR, ROW = 250, 290, 42
"""Of a chart, in its own units: where bars begin, how long the longest is, how high one way of routing."""
WIDTH = BARS_FROM + BAR + 60


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `more` when it is that of the other number of people."""

    label: str
    y: int
    width: int
    percent: float
    is_more: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """One measure of every way of routing."""

    title: str
    bars: Sequence[Bar]
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `worst_name` is the group that fared worst."""

    name: str
    figures: Arm
    worst_name: str
    is_more: bool
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The page; see templates/portal/routing_trial.html."""

    trial: Trial
    state: str
    charts: Sequence[Chart]
    rows: Sequence[Row]
    people: tuple[int, int]
    within_s: int


def latest(session: Session, *, tenant_id: TenantId, model: Model) -> Shown | None:
    """Return the company's latest trial as the page shows it; None: nothing was tried yet."""
    try:
        found = trials.read(session, tenant_id=tenant_id)
    except NoRoutingTrialError:
        return None
    names = dict(example.NAMES) if found.asked.is_example else _names(session, tenant_id)
    half = len(found.arms) // 2 if found.asked.more else len(found.arms)
    state = "done" if found.ended_at else "failed" if found.is_stalled else "running"
    return Shown(
        found,
        state,
        _charts(found.arms, half),
        [
            Row(
                str(ARMS[one.arm]),
                one,
                _group(one, names),
                at >= half,
                one.arm == model.value and not found.asked.is_example,
            )
            for at, one in enumerate(found.arms)
        ],
        (found.arms[0].people, found.arms[-1].people) if found.arms else (0, 0),
        WITHIN_MS // 1000,
    )


def people(*, tenant_id: TenantId) -> int:
    """Return how many people work for the company, to begin a form with."""
    return max(1, len(routing.stations(tenant_id=tenant_id)))


def chart(title: str, values: Sequence[tuple[str, float, float | None]], *, most: float) -> Chart:
    """Return a chart of shares: a name, its share, and that with the other number of people; None: no such.

    A bar of `most` is as long as there are.
    """
    bars = []
    for at, (name, now, with_more) in enumerate(values):
        for is_more, share in ((False, now), (True, with_more)):
            if share is None:
                continue
            bars.append(
                Bar(
                    "" if is_more else name,
                    ROW * at + (18 if is_more else 0),
                    round(BAR * min(1.0, share / most)),
                    100 * share,
                    is_more,
                )
            )
    return Chart(title, bars, ROW * len(values))


def _charts(arms: Sequence[Arm], half: int) -> list[Chart]:
    found = []
    for title, of, is_of_all in _MEASURES:
        values = [
            (str(ARMS[now.arm]), of(now), of(with_more) if with_more else None)
            for now, with_more in itertools.zip_longest(arms[:half], arms[half:])
        ]
        # beside a whole of 1 who gave up would be a hair; beside the most it can be compared
        most = 1.0 if is_of_all else max(map(of, arms), default=0.0) or 1.0
        found.append(chart(str(title), values, most=most))
    return found


def _names(session: Session, tenant_id: TenantId) -> dict[QueueId, str]:
    return {one.queue_id: one.name for one in queues.ever(session, tenant_id=tenant_id)}


def _group(one: Arm, names: Mapping[QueueId, str]) -> str:
    if one.worst_queue is None:
        return ""
    name = names.get(one.worst_queue, "")
    if not one.worst_region:
        return name
    region = str(_REGIONS.get(one.worst_region, one.worst_region))
    return str(gettext("%(queue)s, %(region)s", queue=name, region=region))
