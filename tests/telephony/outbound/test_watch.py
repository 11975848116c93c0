"""Alarms about calls out: each is raised by what it is for, once, and by nothing else."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text

from billing import explorer
from billing.explorer import Wanted
from core import clock
from core.ids import OPERATOR, CallId, CampaignId, TenantId, new_id
from core.phone import E164
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls
from telephony.calls import OUTBOUND, Arrival, Ending
from telephony.events import DialEnded, DialOutcome
from telephony.outbound import dialling, limits, watch
from telephony.outbound.gate import Clearance, clear
from tenants import alarms, companies
from tests.telephony.outbound.desk import MONDAY_NOON, Caller, caller
from tests.telephony.outbound.test_limits import mobile

# countries of their own, at the prices of +44
JERSEY, GUERNSEY = E164("+447797712345"), E164("+447911123456")
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def desk(gate: Gate, vault: Vault, tenant_a: TenantId) -> Caller:
    with gate.open(Scope.system(OPERATOR)) as session, clock.hold(MONDAY_NOON - 2 * limits.FIRST_DAYS):
        companies.open_company(
            session,
            tenant_id=tenant_a,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )
    made = caller(gate, vault, tenant_a)
    made.cap(at_once=1000, per_second=100, a_day_minor=10_000_000)
    return made


def raised(desk: Caller) -> list[tuple[str, str]]:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = alarms.page(session, tenant_id=desk.tenant_id, limit=100)
        return sorted((one.kind, one.subject) for one in found)


def call(
    desk: Caller,
    to: E164,
    *,
    at: dt.datetime = MONDAY_NOON,
    lasts: dt.timedelta = 30 * SECOND,
    outcome: DialOutcome = DialOutcome.CONNECTED,
    **changes: Any,
) -> CallId:
    """Place a call and close its books, as the switchboard does, and let the watch look."""
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, clock.hold(at):
        found = clear(session, request=desk.request(to=to, **changes), vault=desk.vault, at=at)
        assert isinstance(found, Clearance), found
        dialling.dial(session, clearance=found, vault=desk.vault)
        call_id = CallId(found.attempt_id)
        arrival = Arrival(
            desk.tenant_id, call_id, desk.number_id, found.caller, desk.queue_id, to, at, OUTBOUND
        )
        calls.begin(session, arrival=arrival, customer_id=None, vault=desk.vault)
        is_answered = outcome is DialOutcome.CONNECTED
        known: dict[str, Any] = {"tenant_id": desk.tenant_id, "call_id": call_id}
        if is_answered:
            calls.mark(session, **known, instants={"picked_up_at": at, "bridged_at": at})
        calls.finish(session, ending=Ending(desk.tenant_id, call_id, at + lasts, "test", "boot"))
        end: dict[str, Any] = {
            "attempt_id": found.attempt_id,
            "started_at": at,
            "answered_at": at if is_answered else None,
            "ended_at": at + lasts,
        }
        dialling.close(session, **known, **end, outcome=outcome)
        event = DialEnded(**known, **end, outcome=outcome, agent_id=None)
        watch.ended(session, event=event)
        return call_id


def test_what_a_call_cost_stands_with_its_campaign(desk: Caller) -> None:
    campaign_id = CampaignId(new_id())
    of_campaign, by_itself = call(desk, mobile(1), campaign_id=campaign_id), call(desk, mobile(2))
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = explorer.find(session, tenant_id=desk.tenant_id, wanted=Wanted(reference=campaign_id))
        every = explorer.find(session, tenant_id=desk.tenant_id, wanted=Wanted())
    assert [one.subject_ref for one in found] == [of_campaign]
    assert {one.subject_ref for one in every} == {of_campaign, by_itself}


def test_the_first_call_to_a_country_is_told_and_no_other(desk: Caller) -> None:
    desk.allow("JE", "GG")
    for to in (mobile(1), JERSEY, JERSEY, GUERNSEY):
        call(desk, to)
    assert raised(desk) == [("calls-out-new-country", "GG"), ("calls-out-new-country", "JE")]


def test_four_fifths_of_the_days_money_and_its_end_are_told_once_each(desk: Caller) -> None:
    hour = dt.timedelta(hours=1)
    desk.cap(longest_out=hour, a_day_minor=1_000)
    call(desk, mobile(1), lasts=hour)  # 4.35 of 10.00
    assert raised(desk) == []
    call(desk, mobile(2), lasts=hour - 10 * SECOND * 60)  # 3.625: 7.975
    assert raised(desk) == []
    call(desk, mobile(3), lasts=60 * SECOND)  # 8.0475
    near = ("calls-out-near-limit", "2026-11-02")
    assert raised(desk) == [near]
    call(desk, mobile(4), lasts=10 * 60 * SECOND)  # 8.7725
    call(desk, mobile(5), lasts=5 * 60 * SECOND)  # 9.135
    for number in (6, 7):
        desk.place(to=mobile(number), at=MONDAY_NOON + SECOND)
    for number in (8, 9, 10):
        desk.place(to=mobile(number), at=MONDAY_NOON + 2 * SECOND)
    assert raised(desk) == [("calls-out-limit", "2026-11-02"), near]
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        (limit,) = [
            one for one in alarms.page(session, tenant_id=desk.tenant_id, limit=9) if "limit" in one.kind
        ][:1]
    assert limit.times == 1


def test_ten_short_calls_to_one_range_within_ten_minutes_are_told(desk: Caller) -> None:
    for number in range(9):
        call(desk, E164(f"+44770090{number:04d}"), lasts=3 * SECOND)
    # another range, a longer call, one nobody answered
    call(desk, E164("+447700910000"), lasts=3 * SECOND)
    call(desk, E164("+447700909001"), lasts=11 * SECOND)
    call(desk, E164("+447700909002"), lasts=3 * SECOND, outcome=DialOutcome.NO_ANSWER)
    assert raised(desk) == []
    call(desk, E164("+447700909003"), lasts=3 * SECOND)
    assert raised(desk) == [("calls-out-short", "+44770090")]


def test_short_calls_spread_over_the_day_are_none(desk: Caller) -> None:
    for number in range(12):
        at = MONDAY_NOON + number * dt.timedelta(minutes=2)
        call(desk, E164(f"+44770090{number:04d}"), lasts=3 * SECOND, at=at)
    assert raised(desk) == []


@pytest.mark.parametrize(("answered", "is_told"), [(10, True), (40, False)])
def test_far_fewer_answers_than_usual_are_told(desk: Caller, *, answered: int, is_told: bool) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        session.execute(
            text(
                "INSERT INTO app.calling_days (tenant_id, day, spent_nano, calls, answered, is_told)"
                " VALUES (:tenant, '2026-10-31', 0, 1000, 800, false)"
            ),
            {"tenant": desk.tenant_id},
        )
    for number in range(50):
        outcome = DialOutcome.CONNECTED if number < answered else DialOutcome.NO_ANSWER
        at = MONDAY_NOON + number * dt.timedelta(seconds=10)
        call(desk, mobile(number), outcome=outcome, at=at)
    assert raised(desk) == ([("calls-out-unanswered", "2026-11-02")] if is_told else [])
