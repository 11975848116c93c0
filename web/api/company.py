"""The company itself: its settings, its floor as it is now, and agents' hours."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from billing import periods
from core import clock, ids
from core.errors import Invalid
from seats import hours
from seats.hours import AgentHour
from telephony import figures, queues
from telephony.figures import QueueFigures
from telephony.queues import Queue
from tenants import companies
from tenants.companies import COLOURS, Company, Formats
from web import identity, scope
from web.account import signing
from web.api import cursors, preconditions
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Moment, Outward, PageQuery, Text, shown_as
from web.guards import permission
from web.shown import floors

_HOURS = "agent-hours"
_LONGEST = dt.timedelta(days=62)
_FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # nobody worked before
_STEP, _STEPS = dt.timedelta(minutes=5), 12  # the last hour


class RangeTooLongError(Invalid):
    """The time asked for is longer than one list covers, or ends before it begins."""

    code = "range-too-long"


class CompanyShown(Outward):
    """The company, as its people and its invoices know it."""

    id: str = Field(examples=["ten_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    country: str = Field(description="ISO 3166-1. It stands on invoices and stays.", examples=["GB"])
    currency: str = Field(description="ISO 4217. It stands on invoices and stays.", examples=["GBP"])
    zone: str = Field(description="IANA; the company's days are counted in it.", examples=["Europe/London"])
    language: str = Field(examples=["en"])
    initials: str
    colour: int = Field(description="Of the brand square, 0 to 7.")
    number_format: str = Field(description="How pages write numbers; `auto`: as the reader's language does.")
    date_format: str = Field(description="How pages write days.")
    clock_format: str = Field(description="How pages write hours.")
    budget_minor: int | None = Field(description="What a month may cost before pages warn, in minor units.")
    requires_second_step: bool = Field(
        description="Whether people set up a passkey or a phone's code before any other page."
    )


class CompanyChange(Inward):
    """What to change; what is left out stays."""

    model_config = shown_as(language="en")

    name: Text | None = Field(default=None, min_length=1, max_length=120)
    zone: Text | None = Field(default=None, max_length=60, examples=["Europe/London"])
    language: Literal["en", "zh_Hans_CN"] | None = None
    initials: Text | None = Field(default=None, min_length=1, max_length=2)
    colour: int | None = Field(default=None, ge=0, lt=COLOURS)
    number_format: Literal["auto", "comma-point", "point-comma", "space-comma", "apostrophe-point"] | None = (
        None
    )
    date_format: Literal["auto", "day-month", "month-day", "iso"] | None = None
    clock_format: Literal["auto", "24", "12"] | None = None
    budget_minor: int | None = Field(
        default=None, ge=1, le=10**13, description="Null takes the budget away; left out, it stays."
    )
    requires_second_step: bool | None = None


class QueueNow(Outward):
    """A queue at this moment."""

    id: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    waiting: int
    longest_wait_s: float | None
    talking: int


class AgentNow(Outward):
    """One agent at this moment."""

    agent: int = Field(description="The number that is announced to callers.", examples=[1002])
    state: str = Field(description="`on-call`, `hold`, `wrap-up`, `ready` or `away`.", examples=["ready"])
    for_s: float = Field(description="For how long.", examples=[42.0])
    is_overdue: bool = Field(description="Their wrap-up should be over, and waits for the outcome.")


class SeatsNow(Outward):
    """People by state, against what is rented."""

    rented: int
    present: int
    in_use: int
    states: dict[str, int] = Field(examples=[{"on-call": 2, "ready": 1}])


class FloorNow(Outward):
    """The floor at this moment."""

    at: Instant
    is_fresh: bool = Field(description="False: the switchboard has not spoken for some seconds.")
    queues: list[QueueNow]
    seats: SeatsNow
    agents: list[AgentNow]


class QueueToday(Outward):
    """One queue since the company's midnight."""

    id: str = Field(examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    offered: int = Field(description="Answered and abandoned; who gave up at once is not counted.")
    answered: int
    abandoned: int
    short: int = Field(description="Who gave up within `short_abandon_s`.")
    answered_in_target: int
    target_s: int = Field(description="The answer time of its service level.")
    service_level: float | None = Field(
        description="`answered_in_target` of `offered`, 0 to 1; null before there was a call.",
        examples=[0.86],
    )
    mean_answer_s: float | None
    mean_talk_s: float | None
    last_hour: list[int] = Field(
        description="Calls that came in each five minutes of the last hour.",
        examples=[[0, 2, 1, 0, 0, 3, 1, 0, 0, 0, 1, 2]],
    )


class Today(Outward):
    """The day so far, by queue."""

    at: Instant
    since: Instant = Field(description="Midnight in the company's zone.")
    zone: str
    short_abandon_s: int
    queues: list[QueueToday]


class AgentHourShown(Outward):
    """What was paid of one agent's hour, in milliseconds."""

    agent: int = Field(description="The number that is announced to callers.", examples=[1002])
    hour: Instant
    available_ms: int
    ringing_ms: int
    talking_ms: int
    holding_ms: int
    wrap_up_ms: int


class AgentHours(Listed):
    """A page of agents' hours, oldest first."""

    data: list[AgentHourShown]


class HoursQuery(PageQuery):
    """Which hours: up to 62 days, the last seven when left out."""

    since: Moment | None = Field(default=None, description="Hours that begin at or after.")
    until: Moment | None = Field(default=None, description="Hours that begin before.")


@pages.get("/company")
@permission("settings.read")
@operation(tag="Company", answers={200: CompanyShown}, operation_id="getCompany")
def company() -> tuple[CompanyShown, int, dict[str, str]]:
    """Look at the company's settings."""
    found = identity.current().company
    return _company(found), 200, preconditions.tag(_version(found))


@pages.patch("/company")
@permission("settings.write")
@operation(
    tag="Company",
    answers={200: CompanyShown},
    operation_id="changeCompany",
    conditional=True,
)
def change_company(json: CompanyChange) -> tuple[CompanyShown, int, dict[str, str]]:
    """Change the company's settings."""
    found = companies.read(scope.session(), tenant_id=identity.current().tenant_id)
    preconditions.insist(_version(found))
    changed = companies.change(
        scope.session(),
        tenant_id=found.tenant_id,
        revision=found.revision,
        name=json.name or found.name,
        zone=json.zone or found.zone,
        language=json.language or found.language,
        initials=json.initials or found.initials,
        colour=found.colour if json.colour is None else json.colour,
        formats=Formats(
            json.number_format or found.formats.numbers,
            json.date_format or found.formats.days,
            json.clock_format or found.formats.clock,
        ),
        budget_minor=json.budget_minor if "budget_minor" in json.model_fields_set else found.budget_minor,
        requires_second_step=(
            found.requires_second_step if json.requires_second_step is None else json.requires_second_step
        ),
    )
    if changed.requires_second_step and not found.requires_second_step:
        services = scope.services()
        scope.after_commit(lambda: signing.ask_again(services, tenant_id=found.tenant_id))
    return _company(changed), 200, preconditions.tag(_version(changed))


@pages.get("/live")
@permission("live.read")
@operation(tag="Live", answers={200: FloorNow}, operation_id="getLive")
def live() -> FloorNow:
    """See queues and people as they are at this moment.

    For a wallboard, ask every few seconds; for what happened, listen by webhook.
    """
    floor = floors.now(
        scope.session(), tenant_id=identity.current().tenant_id, realtime=scope.services().realtime
    )
    values: dict[str, Any] = {
        "at": floor.at,
        "is_fresh": floor.is_fresh,
        "queues": [
            {
                "id": ids.public("que", one.queue_id),
                "name": one.name,
                "waiting": one.waiting,
                "longest_wait_s": one.longest_s,
                "talking": one.talking,
            }
            for one in floor.queues
        ],
        "seats": {
            "rented": floor.seat_use.rented,
            "present": floor.seat_use.present,
            "in_use": floor.seat_use.used,
            "states": dict(floor.seat_use.states),
        },
        "agents": [
            {"agent": one.number, "state": one.state, "for_s": one.for_s, "is_overdue": one.is_overdue}
            for one in floor.agents
        ],
    }
    return FloorNow.model_validate(values)


@pages.get("/live/today")
@permission("live.read")
@operation(tag="Live", answers={200: Today}, operation_id="getToday")
def today() -> Today:
    """See how the day went so far: calls, answers and service level of each queue."""
    who, session, at = identity.current(), scope.session(), clock.now()
    midnight = periods.day_start(at.astimezone(ZoneInfo(who.company.zone)).date(), zone=who.company.zone)
    counted = figures.by_queue(session, tenant_id=who.tenant_id, since=midnight)
    came = figures.arrivals(
        session,
        tenant_id=who.tenant_id,
        since=at - _STEP * _STEPS,
        step_s=int(_STEP.total_seconds()),
        steps=_STEPS,
    )
    return Today(
        at=at,
        since=midnight,
        zone=who.company.zone,
        short_abandon_s=figures.SHORT_ABANDON_S,
        queues=[
            _queue_today(one, counted.get(one.queue_id, figures.NONE), came.get(one.queue_id, [0] * _STEPS))
            for one in queues.all_of(session, tenant_id=who.tenant_id)
        ],
    )


@pages.get("/agent-hours")
@permission("agents.read")
@operation(tag="Agents", answers={200: AgentHours}, operation_id="listAgentHours")
def list_agent_hours(query: HoursQuery) -> AgentHours:
    """List what you paid of agents' hours. The running hour is complete some minutes after its end."""
    until = query.until or clock.now()
    if until < _FIRST:
        raise RangeTooLongError(field="until")
    since = query.since or until - dt.timedelta(days=7)
    if not dt.timedelta(0) <= until - since <= _LONGEST:
        raise RangeTooLongError(field="since")
    after = cursors.decode(query.starting_after, of=_HOURS)
    rows = hours.seen(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        start=since,
        end=until,
        after=(dt.datetime.fromisoformat(after[0]), int(after[1])) if after else None,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(rows, limit=query.limit)
    last = shown[-1] if shown and has_more else None
    return AgentHours(
        data=[_hour(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(last.hour_starts_at.isoformat(), str(last.agent_number), of=_HOURS)
        if last
        else None,
    )


def _company(found: Company) -> CompanyShown:
    return CompanyShown(
        id=ids.public("ten", found.tenant_id),
        name=found.name,
        country=found.country,
        currency=found.currency,
        zone=found.zone,
        language=found.language,
        initials=found.initials,
        colour=found.colour,
        number_format=found.formats.numbers,
        date_format=found.formats.days,
        clock_format=found.formats.clock,
        budget_minor=found.budget_minor,
        requires_second_step=found.requires_second_step,
    )


def _version(found: Company) -> str:
    return preconditions.digest(str(found.revision))


def _queue_today(one: Queue, day: QueueFigures, last_hour: Sequence[int]) -> QueueToday:
    return QueueToday(
        id=ids.public("que", one.queue_id),
        name=one.name,
        offered=day.offered,
        answered=day.answered,
        abandoned=day.abandoned,
        short=day.short,
        answered_in_target=day.within,
        target_s=one.target_s,
        service_level=day.service_level,
        mean_answer_s=day.answer_s,
        mean_talk_s=day.talk_s,
        last_hour=list(last_hour),
    )


def _hour(one: AgentHour) -> AgentHourShown:
    return AgentHourShown(
        agent=one.agent_number,
        hour=one.hour_starts_at,
        available_ms=one.available_ms,
        ringing_ms=one.ringing_ms,
        talking_ms=one.talking_ms,
        holding_ms=one.holding_ms,
        wrap_up_ms=one.wrap_up_ms,
    )
