"""The demo's past: one month of made-up use of all four kinds, closed by the clerks who close every month.

Nothing is written behind the rules: calls come in through the intake of usage, seats and numbers through
their rentals, agents' hours through the partition of their time; the invoice is drafted, counted again and
finalised as any other. Calls carry the source `demo`: nobody made them, so there is no call to look at
behind them, only what was used. What is drawn is the same for a company and a month, whoever draws it.
"""

import datetime as dt
import random
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from billing import periods
from billing.periods import Period
from billing.usage import Usage
from core.ids import OPERATOR, AgentId, SeatId, TenantId
from seats import hours, presence
from security.gate import Gate, Scope
from wiring import closing, intake

SOURCE = "demo"
# agents' time is charged by the full hour, two hours later (`wiring.rentals`): a month is closed after that
CLOSES_AFTER = dt.timedelta(hours=4)
# when the desk is open, by the company's own clock; short, so that a start stays quick
_DAYS = (1,)  # Tuesdays
_OPENS, _MEAL, _BACK, _CLOSES = dt.time(9), dt.time(11), dt.time(11, 30), dt.time(13)
_LONGEST_S = 540
_BEFORE = dt.timedelta(seconds=_LONGEST_S)  # no call is begun that may last into a meal or past the day
_GAPS_S = (60, 1500)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls of one kind on every day the desk is open.

    Attributes:
        meter: `voice.inbound` or `voice.outbound`.
        prefix: the number that decides the price, without its last four digits.
        a_day: how many at most.
        number: place of the company's number that was used; None: a call out.
    """

    meter: str
    prefix: str
    a_day: int
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Whose past it is, and what it has for it."""

    tenant_id: TenantId
    zone: str
    numbers: Sequence[UUID]
    traffic: Sequence[Traffic]
    staff: Mapping[AgentId, SeatId]


def month_to_close(now: dt.datetime, *, zone: str) -> Period:
    """Return the newest local month that can have been closed by `now`.

    It is last month, but in the first hours of a month the one before that.
    """
    this = periods.month_of(now - CLOSES_AFTER, zone=zone)
    return periods.month_of(this.start - dt.timedelta(microseconds=1), zone=zone)


def live(gate: Gate, bill_url: str, *, company: Company, month: Period) -> None:
    """Let a company have used a month, and close it.

    Args:
        gate: the way into walls.
        bill_url: the billing role's address.
        company: it rents its seats and numbers, and has prices, since the month began or before.
        month: see `month_to_close`.
    """
    days = [day for day in periods.days(month, zone=company.zone) if day.weekday() in _DAYS]
    with gate.open(Scope.system(OPERATOR)) as session:
        for agent_id, seat_id in company.staff.items():
            for day in days:
                opens, meal, back, closes = _hours(day, company.zone)
                presence.sign_in(session, agent_id=agent_id, at=opens, seat_id=seat_id)
                for state, at in (("available", opens), ("away:meal", meal), ("available", back)):
                    payer = company.tenant_id if state == "available" else None
                    presence.enter(session, agent_id=agent_id, state=state, at=at, payer_tenant_id=payer)
                presence.sign_out(session, agent_id=agent_id, at=closes)
        spent = hours.paid(session, start=month.start, end=month.end).get(company.tenant_id, [])
    with gate.open(Scope.system(company.tenant_id)) as session:
        hours.publish(session, tenant_id=company.tenant_id, hours=spent)
    intake.take_in(gate, bill_url, tenant_id=company.tenant_id, usages=_calls(company, days))
    first = periods.day_of(month.start, zone=company.zone)
    closing.draft(gate, tenant_id=company.tenant_id, year=first.year, month=first.month)
    usual = closing.usual_bounds(gate)
    closing.finalise(
        gate,
        tenant_id=company.tenant_id,
        year=first.year,
        month=first.month,
        usual=usual,
        by=OPERATOR,
    )


def _calls(company: Company, days: Sequence[dt.date]) -> Iterator[Usage]:
    """Yield made-up calls: each agent takes one after the other, none at a meal."""
    drawn = random.Random(f"{company.zone} {days[0]}")  # noqa: S311 - made-up calls, the same every time
    for day in days:
        opens, meal, back, closes = _hours(day, company.zone)
        asked = [kind for kind in company.traffic for _ in range(kind.a_day)]
        drawn.shuffle(asked)
        free_at = dict.fromkeys(sorted(company.staff), opens)
        for n, kind in enumerate(asked):
            agent_id = min(free_at, key=lambda one: (free_at[one], one))
            begun = free_at[agent_id] + dt.timedelta(seconds=drawn.randint(*_GAPS_S))
            if meal - _BEFORE < begun < back:
                begun = back
            if begun > closes - _BEFORE:
                break
            length = dt.timedelta(
                milliseconds=min(_LONGEST_S * 1000, round(drawn.lognormvariate(5, 0.6) * 1000))
            )
            free_at[agent_id] = begun + length
            key = f"{day}/{n}"
            yield Usage(
                source=SOURCE,
                event_id=key,
                meter=kind.meter,
                subject_ref=uuid5(NAMESPACE_URL, f"{SOURCE}/{company.tenant_id}/{key}"),
                occurred_at=begun,
                ended_at=begun + length,
                quantity_ms=length // dt.timedelta(milliseconds=1),
                prefix=kind.prefix,
                number_id=company.numbers[kind.number] if kind.number is not None else None,
                agent_ref=agent_id,
            )


def _hours(day: dt.date, zone: str) -> tuple[dt.datetime, dt.datetime, dt.datetime, dt.datetime]:
    """Return when the desk opens, breaks for a meal, goes on and closes."""
    local = zoneinfo.ZoneInfo(zone)
    opens, meal, back, closes = (
        dt.datetime.combine(day, time, tzinfo=local).astimezone(dt.UTC)
        for time in (_OPENS, _MEAL, _BACK, _CLOSES)
    )
    return opens, meal, back, closes
