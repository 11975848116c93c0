"""A day by the half hour, and how many callers came to the right person the first time."""

import datetime as dt

from pydantic import Field

from core import ids
from core.ids import QueueId
from telephony import queues
from telephony.errors import QueueNotFoundError
from telephony.figures import SHORT_ABANDON_S, QueueFigures
from telephony.first_time import AGAIN_WITHIN
from web import identity, scope
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward
from web.guards import permission
from web.shown import intervals as shown


class IntervalsQuery(Inward):
    """Which day, and whose calls."""

    on: dt.date | None = Field(
        default=None,
        ge=shown.OLDEST_ON,
        le=shown.NEWEST_ON,
        description="A day where the company is; today if left out.",
        examples=["2026-11-19"],
    )
    queue: str | None = Field(
        default=None,
        max_length=64,
        description="The calls of this queue alone.",
        examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )


class CallFigures(Outward):
    """What became of some calls."""

    offered: int = Field(description="Answered and abandoned; who gave up at once is not counted.")
    answered: int
    abandoned: int
    short: int = Field(description="Who gave up within `short_abandon_s`.")
    answered_in_target: int
    service_level: float | None = Field(
        description="`answered_in_target` of `offered`, 0 to 1; null where there was no call.",
        examples=[0.86],
    )
    mean_answer_s: float | None
    mean_talk_s: float | None


class IntervalShown(Outward):
    """The calls that came in one half hour."""

    begins_at: Instant
    ends_at: Instant
    figures: CallFigures


class DayByIntervals(Outward):
    """A day by the half hour, from that of its first call to that of its last."""

    on: dt.date = Field(examples=["2026-11-19"])
    zone: str = Field(examples=["Europe/London"])
    short_abandon_s: int
    whole: CallFigures = Field(description="All intervals together.")
    intervals: list[IntervalShown]


class FirstContactsQuery(Inward):
    """Of which calls."""

    days: int = Field(default=30, ge=1, le=366, description="Those that came in so many days until now.")


class FirstContactsOfQueue(Outward):
    """The answered calls of one queue, by whether their callers came to the right person the first time."""

    queue: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str = Field(examples=["Deliveries"])
    answered: int
    given_on: int = Field(description="The agent gave the call to somebody else.")
    called_again: int = Field(
        description=f"The same number called again within {AGAIN_WITHIN.days} days, at whatever queue."
    )
    first_contact: int = Field(description="Neither.")


class FirstContacts(Outward):
    """By the name of the queue whose agent had the call first."""

    data: list[FirstContactsOfQueue]


@pages.get("/live/intervals")
@permission("live.read")
@operation(tag="Live", answers={200: DayByIntervals}, errors=(404,), operation_id="getIntervals")
def get_intervals(query: IntervalsQuery) -> DayByIntervals:
    """See a day by the half hour. The intervals add up to the day, as `getToday` counts it."""
    who, session = identity.current(), scope.session()
    zone, queue_id = who.company.zone, None
    if query.queue is not None:
        queue_id = QueueId(id_in_path("que", query.queue))
        if queue_id not in {one.queue_id for one in queues.ever(session, tenant_id=who.tenant_id)}:
            raise QueueNotFoundError
    on = query.on or shown.today(zone=zone)
    day = shown.of(session, tenant_id=who.tenant_id, on=on, zone=zone, queue_id=queue_id)
    return DayByIntervals(
        on=day.on,
        zone=zone,
        short_abandon_s=SHORT_ABANDON_S,
        whole=_figures(day.whole),
        intervals=[
            IntervalShown(begins_at=one.begins_at, ends_at=one.ends_at, figures=_figures(one.figures))
            for one in day.intervals
        ],
    )


@pages.get("/live/first-contacts")
@permission("live.read")
@operation(tag="Live", answers={200: FirstContacts}, operation_id="listFirstContacts")
def list_first_contacts(query: FirstContactsQuery) -> FirstContacts:
    """Count which callers came to the right person the first time, and which called again."""
    found = shown.first_times(scope.session(), tenant_id=identity.current().tenant_id, days=query.days)
    return FirstContacts(
        data=[
            FirstContactsOfQueue(
                queue=ids.public("que", one.queue_id),
                name=one.queue_name,
                answered=one.answered,
                given_on=one.given_on,
                called_again=one.again,
                first_contact=one.settled,
            )
            for one in found
        ]
    )


def _figures(one: QueueFigures) -> CallFigures:
    return CallFigures(
        offered=one.offered,
        answered=one.answered,
        abandoned=one.abandoned,
        short=one.short,
        answered_in_target=one.within,
        service_level=one.service_level,
        mean_answer_s=one.answer_s,
        mean_talk_s=one.talk_s,
    )
