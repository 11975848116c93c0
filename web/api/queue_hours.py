"""When a queue is open, for programs."""

import datetime as dt
from typing import Literal

from pydantic import Field

from core import clock, ids
from core.ids import QueueId
from telephony import opening, queue_hours, queues
from telephony.opening import Hours, OpeningHoursError, OwnDay, Span
from telephony.queue_hours import Opening
from telephony.queues import Queue
from web import identity, renting, scope
from web.api import preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Inward, Outward, Text
from web.guards import permission

_TAG = "Queues"
_CLOCK = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class OpenSpan(Inward):
    """From one time to just before another, by the clock on the wall."""

    opens: str = Field(pattern=_CLOCK, examples=["09:00"])
    closes: str = Field(pattern=_CLOCK, description="24:00 is the day's end.", examples=["17:00"])


class OwnDayGiven(Inward):
    """A date on which other hours hold."""

    on: dt.date = Field(examples=["2026-12-24"])
    spans: list[OpenSpan] = Field(default=[], max_length=opening.MOST_SPANS, description="None: closed.")
    name: Text = Field(default="", max_length=queue_hours.LONGEST_NOTE, examples=["Christmas Eve"])


class HoursGiven(Inward):
    """Weekly hours."""

    zone: str = Field(max_length=60, description="IANA.", examples=["Europe/London"])
    week: list[list[OpenSpan]] = Field(
        min_length=7,
        max_length=7,
        description="From Monday on.",
        examples=[[[{"opens": "09:00", "closes": "17:00"}]] * 5 + [[], []]],
    )
    holidays: str = Field(
        default="",
        max_length=12,
        description="Closed on the public holidays of a country or region (ISO 3166). Empty: of none.",
        examples=["GB-SCT"],
    )
    own_days: list[OwnDayGiven] = Field(default=[], max_length=queue_hours.MOST_DAYS)


class OpeningGiven(Inward):
    """When a queue is open, and what happens outside."""

    hours: HoursGiven | None = Field(default=None, description="Null: always open.")
    message: Text = Field(default="", max_length=500, description="Said outside. Empty: a sentence of ours.")
    language: Literal["en", "zh"] = "en"
    leads_to: str | None = Field(
        default=None,
        max_length=60,
        description="The queue callers go to outside (`que_…`), while that is open. Null: the call ends.",
    )


class OpeningShown(Outward):
    """When a queue is open, and what happens outside."""

    hours: HoursGiven | None = Field(description="Null: always open.")
    message: str
    language: str = Field(examples=["en"])
    leads_to: str | None
    is_open: bool = Field(description="Now.")


@pages.get("/queues/<queue_id>/hours")
@permission("queues.read")
@operation(tag=_TAG, answers={200: OpeningShown}, errors=(404,), operation_id="getQueueHours")
def get_queue_hours(queue_id: str) -> tuple[OpeningShown, int, dict[str, str]]:
    """Look at when a queue is open."""
    queue = _find(queue_id)
    kept = queue_hours.read(scope.session(), tenant_id=queue.tenant_id, queue_id=queue.queue_id)
    return _shown(kept), 200, preconditions.tag(kept.revision)


@pages.put("/queues/<queue_id>/hours")
@permission("queues.write")
@operation(
    tag=_TAG, answers={200: OpeningShown}, errors=(404,), operation_id="changeQueueHours", conditional=True
)
def change_queue_hours(queue_id: str, json: OpeningGiven) -> tuple[OpeningShown, int, dict[str, str]]:
    """Replace when a queue is open, unless somebody has changed it since it was read."""
    queue = _find(queue_id)
    kept = queue_hours.read(scope.session(), tenant_id=queue.tenant_id, queue_id=queue.queue_id)
    preconditions.insist(kept.revision)
    wanted = Opening(
        _hours(json.hours) if json.hours else None,
        json.message,
        json.language,
        _leads_to(json.leads_to),
        kept.revision,
    )
    saved = queue_hours.change(
        scope.session(), tenant_id=queue.tenant_id, queue_id=queue.queue_id, wanted=wanted
    )
    renting.tell_switchboard()
    return _shown(saved), 200, preconditions.tag(saved.revision)


def _find(queue_id: str) -> Queue:
    return queues.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        queue_id=QueueId(id_in_path("que", queue_id)),
    )


def _hours(given: HoursGiven) -> Hours:
    own = {one.on: OwnDay(_spans(one.spans, "own"), one.name) for one in given.own_days}
    if len(own) != len(given.own_days):
        raise OpeningHoursError(field="own")
    return Hours(given.zone, tuple(_spans(day, "week") for day in given.week), given.holidays, own)


def _spans(given: list[OpenSpan], field: str) -> tuple[Span, ...]:
    try:
        return opening.in_order([Span(_minute(one.opens), _minute(one.closes)) for one in given])
    except OpeningHoursError as error:
        raise OpeningHoursError(field=field) from error


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _leads_to(text: str | None) -> QueueId | None:
    try:
        return QueueId(ids.parse("que", text)) if text else None
    except ids.UnknownIdError as error:
        raise OpeningHoursError(field="leads_to") from error


def _shown(kept: Opening) -> OpeningShown:
    hours = kept.hours
    return OpeningShown(
        hours=HoursGiven(
            zone=hours.zone,
            week=[_clocks(spans) for spans in hours.week],
            holidays=hours.region,
            own_days=[
                OwnDayGiven(on=day, spans=_clocks(one.spans), name=one.name)
                for day, one in sorted(hours.own.items())
            ],
        )
        if hours
        else None,
        message=kept.message,
        language=kept.language,
        leads_to=ids.public("que", kept.leads_to) if kept.leads_to else None,
        is_open=kept.is_open(clock.now()),
    )


def _clocks(spans: tuple[Span, ...]) -> list[OpenSpan]:
    return [OpenSpan(opens=opening.clock_of(one.opens), closes=opening.clock_of(one.closes)) for one in spans]
