"""What walls refuse is counted by kind and company, shown by the hour, and one alarm when it is too much."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sql

from core import clock, ids
from core.ids import OPERATOR, TenantId, new_id
from core.realtime import Realtime
from security import refusals as counting
from security.gate import Gate, Scope
from security.refusals import HOUR, KINDS, NOBODY, bound
from tenants import alarms, refusals
from tenants.events import AlarmRaised
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW
from wiring import refusing
from wiring.subscriptions import named


@dataclass(frozen=True)
class House:
    """As much of a process as carrying needs."""

    gate: Gate
    realtime: Realtime


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def house(gate: Gate, realtime: Realtime) -> House:
    return House(gate, realtime)


def carry(house: House) -> None:
    refusing.carry(house)  # type: ignore[arg-type] # as much of one as it needs


def kept(gate: Gate, tenant_id: TenantId) -> dict[tuple[str, UUID], int]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = refusals.page(session, tenant_id=tenant_id, since=clock.now() - dt.timedelta(days=31))
    return {(one.kind, one.company_id): one.times for one in found}


def rung(gate: Gate, tenant_id: TenantId) -> list[tuple[str, int]]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = alarms.page(session, tenant_id=tenant_id, limit=50)
        return [(str(one.details["refusal"]), one.times) for one in found if one.kind == refusals.ALARM]


def tried(realtime: Realtime) -> dict[tuple[str, UUID], int]:
    hour = counting.hour_of(clock.now())
    return {(one.kind, one.company_id): one.times for one in counting.counted(realtime.redis, hour=hour)}


# --- carried and rung ---


def many(realtime: Realtime, kind: str, times: int, company_id: UUID | None = None) -> None:
    key = counting._key(counting.hour_of(clock.now()))
    realtime.redis.hincrby(key, counting._field(kind, company_id or NOBODY), times)


def test_carried_twice_is_kept_once_and_within_its_own_walls(house: House, cast: Cast) -> None:
    a, b = cast.a.tenant_id, cast.b.tenant_id
    many(house.realtime, "not-there", 7, a)
    many(house.realtime, "sign-in", 3)
    for _ in range(3):
        carry(house)
    assert kept(house.gate, a) == {("not-there", a): 7}
    assert kept(house.gate, b) == {}
    assert kept(house.gate, OPERATOR) == {("not-there", a): 7, ("sign-in", NOBODY): 3}
    many(house.realtime, "not-there", 2, a)
    carry(house)
    assert kept(house.gate, a) == {("not-there", a): 9}
    house.realtime.redis.flushdb()  # a Redis started anew
    many(house.realtime, "not-there", 1, a)
    carry(house)
    assert kept(house.gate, a) == {("not-there", a): 9}


def test_the_last_hour_is_carried_to_its_end(house: House, cast: Cast) -> None:
    many(house.realtime, "looks", 4, cast.a.tenant_id)
    clock.advance(HOUR)
    carry(house)
    assert kept(house.gate, cast.a.tenant_id) == {("looks", cast.a.tenant_id): 4}


def test_what_names_no_company_of_ours_is_not_kept(house: House) -> None:
    many(house.realtime, "looks", 4, new_id())
    carry(house)
    assert kept(house.gate, OPERATOR) == {}


RINGING = sorted(kind for kind, one in KINDS.items() if one.company and not one.rings)


@pytest.mark.parametrize("kind", RINGING)
def test_below_the_bound_nobody_is_told_and_from_it_on_once(house: House, cast: Cast, kind: str) -> None:
    a = cast.a.tenant_id
    most = bound(kind, a)
    assert most is not None
    many(house.realtime, kind, most - 1, a)
    carry(house)
    assert rung(house.gate, a) == []
    for _ in range(3):
        many(house.realtime, kind, 1, a)
        carry(house)
    assert rung(house.gate, a) == [(kind, 1)]
    assert rung(house.gate, cast.b.tenant_id) == []
    assert rung(house.gate, OPERATOR) == []  # whose copy comes with the event


def test_the_next_hour_is_the_same_alarm_and_after_it_was_noted_another(house: House, cast: Cast) -> None:
    a = cast.a.tenant_id
    for _ in range(3):
        many(house.realtime, "looks", 100, a)
        carry(house)
        clock.advance(HOUR)
    assert rung(house.gate, a) == [("looks", 3)]
    with house.gate.open(Scope.system(a)) as session:
        (one,) = alarms.page(session, tenant_id=a, limit=5)
        alarms.acknowledge(session, tenant_id=a, alarm_id=one.id, by=cast.alice.id)
    carry(house)
    assert rung(house.gate, a) == [("looks", 3)]  # nothing new
    many(house.realtime, "looks", 100, a)
    carry(house)
    assert rung(house.gate, a) == [("looks", 1), ("looks", 3)]


def test_strangers_ring_for_the_operator_at_their_own_bound(house: House) -> None:
    many(house.realtime, "sign-in", (bound("sign-in", NOBODY) or 0) - 1)
    many(house.realtime, "looks", 10_000)  # of nobody there are none: no bound
    carry(house)
    assert rung(house.gate, OPERATOR) == []
    many(house.realtime, "sign-in", 1)
    carry(house)
    carry(house)
    assert rung(house.gate, OPERATOR) == [("sign-in", 1)]


def test_what_rings_by_itself_rings_no_second_time(house: House, cast: Cast) -> None:
    many(house.realtime, "seal", 50, cast.a.tenant_id)
    carry(house)
    assert rung(house.gate, cast.a.tenant_id) == []


def test_calls_out_that_are_stopped_are_counted_from_what_the_gate_decided(house: House, cast: Cast) -> None:
    a = cast.a.tenant_id
    most = bound("call-out", a)
    assert most is not None
    stopped = sql.text(
        "INSERT INTO app.dial_decisions (tenant_id, id, attempt_id, decided_at, is_cleared, reason, to_index,"
        " prefix, number_id, queue_id, zone) SELECT :a, gen_random_uuid(), gen_random_uuid(), :at, false,"
        " :reason, decode(repeat('00', 16), 'hex'), '+4490987', gen_random_uuid(), gen_random_uuid(), 'UTC'"
        " FROM generate_series(1, :times)"
    )

    def stop(times: int, reason: str = "premium") -> None:
        with house.gate.open(Scope.system(a)) as session:
            session.execute(stopped, {"a": a, "at": clock.now(), "reason": reason, "times": times})
        refusing.of_calls(house)  # type: ignore[arg-type] # as much of one as it needs

    stop(most - 1)
    stop(50, "do-not-call")  # people's day
    assert kept(house.gate, a) == kept(house.gate, OPERATOR) == {("call-out", a): most - 1}
    assert rung(house.gate, a) == []
    for _ in range(3):
        stop(1)
    assert rung(house.gate, a) == [("call-out", 1)]
    assert kept(house.gate, cast.b.tenant_id) == {}


def test_a_month_later_it_is_gone(house: House, cast: Cast) -> None:
    many(house.realtime, "looks", 1, cast.a.tenant_id)
    carry(house)
    clock.advance(dt.timedelta(days=30, hours=2))
    refusing.of_calls(house)  # type: ignore[arg-type] # as much of one as it needs
    with house.gate.open(Scope.system(cast.a.tenant_id)) as session:
        since = NOW - dt.timedelta(days=40)
        assert refusals.page(session, tenant_id=cast.a.tenant_id, since=since) == []


# --- shown ---


@pytest.fixture
def dana(browser: Browsers, people: People, head: object) -> Browser:
    made = browser()
    made.sign_in(scene.staff(people, "operator_support").email)
    return made


def test_the_operator_sees_when_what_and_whose_and_goes_down_to_one_kind(
    dana: Browser, house: House, cast: Cast
) -> None:
    assert "Nothing was refused" in dana.get("/operator/refusals").text
    many(house.realtime, "looks", 40, cast.a.tenant_id)
    many(house.realtime, "foreign-host", 12)
    carry(house)
    page = dana.get("/operator/refusals").text
    assert "Looks beyond the hour’s budget" in page
    assert cast.a.name in page
    assert "Nobody we know" in page
    assert "52 refused" in page
    assert '<rect class="q5"' in page  # an hour that rang
    down = dana.get("/operator/refusals?kind=looks").text
    assert "Of one company, 30 in an hour are an alarm." in down
    assert "40 refused" in down
    one = ids.public("ten", cast.a.tenant_id)
    assert "40 refused" in dana.get(f"/operator/refusals?company={one}").text
    assert "12 refused" in dana.get("/operator/refusals?company=nobody").text
    assert "0 refused" in dana.get("/operator/refusals?company=operator").text
    assert "52 refused" in dana.get("/operator/refusals?span=week").text
    assert "52 refused" in dana.get("/operator/refusals?span=month").text
    rows = dana.get("/operator/refusals?as=csv").text.splitlines()
    assert len(rows) == 3
    assert "52 refused" in dana.get("/operator/refusals?kind=made-up").text


def test_the_operators_alarm_leads_to_its_kind(dana: Browser, house: House, cast: Cast) -> None:
    a = cast.a.tenant_id
    many(house.realtime, "looks", 40, a)
    carry(house)
    with house.gate.open(Scope.system(a)) as session:
        (one,) = alarms.page(session, tenant_id=a, limit=5)
    hears: Any = named("alarms.operator")
    hears.handle(house, AlarmRaised(tenant_id=a, alarm_id=one.id))
    page = dana.get("/operator/alarms").text
    assert "/operator/refusals?kind=looks" in page
    assert "Looks beyond the hour’s budget" in page
    assert "alarm from 30" in page


def test_a_company_sees_its_own_on_the_page_and_over_the_api(
    alice: Browser, browser: Browsers, program: Programs, house: House, cast: Cast
) -> None:
    assert "What was refused" not in alice.get("/portal/alarms").text
    many(house.realtime, "looks", 5, cast.a.tenant_id)
    many(house.realtime, "looks", 900, cast.b.tenant_id)
    carry(house)
    page = alice.get("/portal/alarms").text
    assert "What was refused, 7 days" in page
    assert "5 refused" in page
    assert "900" not in page
    found = program(cast.a).get("/refusals").get_json()["data"]
    assert [(one["kind"], one["times"], one["rings_from"]) for one in found] == [("looks", 5, 30)]
    clock.advance(dt.timedelta(hours=30))
    assert program(cast.a).get("/refusals").get_json()["data"] == []
    assert len(program(cast.a).get("/refusals?hours=48").get_json()["data"]) == 1


def test_who_may_not_see_alarms_sees_no_refusals(browser: Browsers, cast: Cast, program: Programs) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.get("/operator/refusals").status_code == 403
    assert program(cast.a, "calls.read").get("/refusals").status_code == 403
