"""Calls out: where, when and for how much the company calls, what was refused, and the kill switch."""

import dataclasses
import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from core import ids
from core.ids import CampaignId
from telephony.outbound import limits, refused, stops
from telephony.outbound.hours import Window
from telephony.outbound.limits import Rules
from telephony.outbound.refused import Refused
from telephony.outbound.stops import Side
from web import identity, scope, words
from web.api import cursors, preconditions
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Moment, Outward, PageQuery
from web.guards import permission
from web.shown import calls_out as shown

_LIST = "refused-calls"
Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
Prefix = Annotated[str, StringConstraints(pattern="^[1-9][0-9]{1,14}$")]
TimeOfDay = Annotated[str, StringConstraints(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Annotated[int, Field(ge=1, le=7)]


class CallingHours(Outward):
    """When calls go out, in the company's own zone."""

    opens: str = Field(examples=["07:00"])
    closes: str = Field(examples=["22:00"])
    days: list[int] = Field(description="ISO weekdays, 1 is Monday.", examples=[[1, 2, 3, 4, 5]])


class StopShown(Outward):
    """Calls out are stopped."""

    side: str = Field(description="Who stopped them: `company` or `operator`.", examples=["company"])
    since: Instant


class MostShown(Outward):
    """How much may be called; the operator sets it."""

    at_once: int
    per_second: int
    a_day_minor: int = Field(description="In minor units, before tax.")
    channels: int = Field(description="Calls at the same time over all trunks, in and out together.")
    in_at_once: int = Field(description="Callers at the same time; more are told that all lines are busy.")
    in_per_second: int = Field(description="Callers who are let in within one second.")
    longest_in_s: int
    longest_out_s: int
    is_new: bool = Field(description="The narrower limits of a company's first days hold.")


class DayShown(Outward):
    """Today, in minor units of the company's currency, before tax."""

    currency: str
    spent_minor: int
    reserved_minor: int = Field(description="What calls under way may cost at most.")
    limit_minor: int
    under_way: int


class CallsOut(Outward):
    """Where, when and for how much the company calls."""

    countries: list[str] = Field(description="ISO 3166-1.", examples=[["GB", "IE"]])
    prefixes: list[str] = Field(description="Further numbers, by first digits.", examples=[["1809555"]])
    hours: CallingHours | None = Field(description="Null: at any hour.")
    own_a_day_minor: int | None = Field(description="The company's own limit; the smaller one holds.")
    may_type: bool = Field(description="Agents may type a number, to call it or to bring it into a call.")
    most: MostShown
    today: DayShown | None = Field(description="Null: there is no billing account yet.")
    stops: list[StopShown] = Field(description="While one stands, no call goes out.")
    all_stopped: bool = Field(description="The operator has stopped the calls out of all companies.")


class HoursWanted(Inward):
    """When calls may go out, in the company's own zone."""

    opens: TimeOfDay = Field(examples=["07:00"])
    closes: TimeOfDay = Field(examples=["22:00"])
    days: list[Weekday] = Field(min_length=1, max_length=7, examples=[[1, 2, 3, 4, 5]])


class CallsOutChange(Inward):
    """What to change; what is left out stays."""

    countries: list[Country] | None = Field(default=None, max_length=300, examples=[["GB", "IE"]])
    prefixes: list[Prefix] | None = Field(default=None, max_length=200, examples=[["1809555"]])
    hours: HoursWanted | None = Field(default=None, description="Null: at any hour; left out, it stays.")
    own_a_day_minor: int | None = Field(
        default=None, ge=1, le=limits.MOST_A_DAY_MINOR, description="Null takes it away; left out, it stays."
    )
    may_type: bool | None = Field(default=None, description="Whether agents may type a number.")


class StopWanted(Inward):
    """How to stop."""

    end_running: bool = Field(default=False, description="End calls under way too.")


class RefusedShown(Outward):
    """A call that was not placed."""

    at: Instant
    reason: str = Field(description="More will be added.", examples=["country"])
    title: str
    advice: str
    prefix: str = Field(description="The number without its last four digits.", examples=["49309018"])
    campaign: str | None = Field(examples=["cmp_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    retry_at: Moment | None = Field(description="When it may be tried again; null: not by waiting.")


class RefusedCalls(Listed):
    """A page of calls that were not placed, newest first."""

    data: list[RefusedShown]


@pages.get("/calls-out")
@permission("settings.read")
@operation(tag="Calls out", answers={200: CallsOut}, operation_id="getCallsOut")
def calls_out() -> tuple[CallsOut, int, dict[str, str]]:
    """Look at where, when and for how much the company calls, and how its day stands."""
    return _answer()


@pages.patch("/calls-out")
@permission("settings.write")
@operation(
    tag="Calls out", answers={200: CallsOut}, errors=(409,), operation_id="changeCallsOut", conditional=True
)
def change_calls_out(json: CallsOutChange) -> tuple[CallsOut, int, dict[str, str]]:
    """Change where, when and for how much the company calls. It holds from the next call on."""
    company, session = identity.current().company, scope.session()
    now = limits.rules(session, tenant_id=company.tenant_id, home=company.country)
    preconditions.insist(_version(now))
    given = json.model_fields_set
    wanted = dataclasses.replace(
        now,
        countries=now.countries if json.countries is None else frozenset(json.countries),
        prefixes=now.prefixes if json.prefixes is None else frozenset(json.prefixes),
        hours=_window(json.hours) if "hours" in given else now.hours,
        a_day_minor=json.own_a_day_minor if "own_a_day_minor" in given else now.a_day_minor,
        may_type=now.may_type if json.may_type is None else json.may_type,
    )
    limits.change_rules(session, tenant_id=company.tenant_id, rules=wanted)
    return _answer()


@pages.post("/calls-out/stop")
@permission("settings.write")
@operation(tag="Calls out", answers={200: CallsOut}, errors=(409,), operation_id="stopCallsOut")
def stop_calls_out(json: StopWanted) -> tuple[CallsOut, int, dict[str, str]]:
    """Let no call go out from this second on. Calls in go on."""
    who = identity.current()
    stops.stop(scope.session(), tenant_id=who.tenant_id, side=Side.COMPANY, by=who.principal_id)
    if json.end_running:
        shown.end_running(who.tenant_id)
    return _answer()


@pages.post("/calls-out/resume")
@permission("settings.write")
@operation(tag="Calls out", answers={200: CallsOut}, errors=(409,), operation_id="resumeCallsOut")
def resume_calls_out() -> tuple[CallsOut, int, dict[str, str]]:
    """Let calls go out again. What the operator has stopped stays stopped."""
    stops.resume(scope.session(), tenant_id=identity.current().tenant_id, side=Side.COMPANY)
    return _answer()


@pages.get("/calls-out/refused")
@permission("settings.read")
@operation(tag="Calls out", answers={200: RefusedCalls}, operation_id="listRefusedCalls")
def list_refused_calls(query: PageQuery) -> RefusedCalls:
    """List the calls that were not placed, with the reason and what to do."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = refused.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        limit=query.limit + 1,
        after=UUID(hex=after[0]) if after else None,
    )
    rows, has_more = cursors.cut(found, limit=query.limit)
    return RefusedCalls(
        data=[_refused(one) for one in rows],
        has_more=has_more,
        next=cursors.encode(rows[-1].decision_id.hex, of=_LIST) if has_more else None,
    )


def _window(wanted: HoursWanted | None) -> Window | None:
    if wanted is None:
        return None
    opens, closes = (dt.time.fromisoformat(one) for one in (wanted.opens, wanted.closes))
    return Window(opens, closes, frozenset(wanted.days))


def _version(rules: Rules) -> str:
    return preconditions.digest("calls-out", str(rules.revision))


def _answer() -> tuple[CallsOut, int, dict[str, str]]:
    company = identity.current().company
    now = shown.standing(scope.session(), company=company)
    rules, most, day = now.rules, now.most, now.day
    answer = CallsOut(
        countries=sorted(rules.countries),
        prefixes=sorted(rules.prefixes),
        hours=CallingHours(
            opens=f"{rules.hours.opens:%H:%M}",
            closes=f"{rules.hours.closes:%H:%M}",
            days=sorted(rules.hours.days),
        )
        if rules.hours
        else None,
        own_a_day_minor=rules.a_day_minor,
        may_type=rules.may_type,
        most=MostShown(
            at_once=most.at_once,
            per_second=most.per_second,
            a_day_minor=most.a_day_minor,
            channels=most.channels,
            in_at_once=most.in_at_once,
            in_per_second=most.in_per_second,
            longest_in_s=int(most.longest_in.total_seconds()),
            longest_out_s=int(most.longest_out.total_seconds()),
            is_new=now.is_new,
        ),
        today=DayShown(
            currency=day.limit.currency,
            spent_minor=day.spent.minor,
            reserved_minor=day.reserved.minor,
            limit_minor=day.limit.minor,
            under_way=day.under_way,
        )
        if day
        else None,
        stops=[StopShown(side=one.side.value, since=one.stopped_at) for one in now.stops],
        all_stopped=now.is_all_stopped,
    )
    return answer, 200, preconditions.tag(_version(rules))


def _refused(one: Refused) -> RefusedShown:
    said = words.PROBLEMS[f"dial-{one.reason}"]
    return RefusedShown(
        at=one.at,
        reason=one.reason.value,
        title=str(said.title),
        advice=str(said.advice),
        prefix=one.prefix,
        campaign=ids.public("cmp", CampaignId(one.campaign_id)) if one.campaign_id else None,
        retry_at=one.retry_at,
    )
