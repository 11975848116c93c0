"""What walls refuse is counted by kind and company, shown by the hour, and one alarm when it is too much."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask

from core import clock, ids
from core.ids import OPERATOR, TenantId, new_id
from core.realtime import Realtime
from security import refusals as counting
from security.gate import Gate, Scope
from security.refusals import HOUR, KINDS, NOBODY, Refusals, bound
from tenants import alarms, apikeys, refusals
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


# --- each wall counts its own ---


@dataclass(frozen=True)
class Ground:
    """Who tries."""

    alice: Browser
    browser: Browsers
    program: Programs
    cast: Cast
    gate: Gate
    people: People


@pytest.fixture
def ground(
    alice: Browser, browser: Browsers, program: Programs, cast: Cast, gate: Gate, people: People
) -> Ground:
    return Ground(alice, browser, program, cast, gate, people)


def wrong_password(ground: Ground) -> int:
    return ground.browser().sign_in(ground.cast.alice.email, "not the password").status_code


def nobodys_password(ground: Ground) -> int:
    return ground.browser().sign_in("nobody@nowhere.example", "not the password").status_code


def late_code(ground: Ground) -> int:
    return ground.browser().post("/sign-in/code", {"token": "made-up", "code": "123456"}).status_code


def made_up_passkey(ground: Ground) -> int:
    return ground.browser().post("/sign-in/passkey", {"answer": "{}"}).status_code


def dead_link(ground: Ground) -> int:
    return ground.browser().get("/reset/made-up").status_code


def nobody(ground: Ground) -> int:
    return ground.browser().get("/portal/").status_code


def foreign_id(ground: Ground) -> int:
    return ground.alice.get(f"/portal/customers/{ids.public('cus', new_id())}").status_code


def no_page(ground: Ground) -> int:
    return ground.browser().get("/wp-login.php").status_code


def no_permission(ground: Ground) -> int:
    return ground.alice.get("/operator/").status_code


def no_token(ground: Ground) -> int:
    return ground.alice.post("/portal/company", {"csrf_token": "made-up"}).status_code


def other_site(ground: Ground) -> int:
    headers = {"Origin": "https://elsewhere.example"}
    return ground.alice.post("/portal/company", headers=headers).status_code


def no_key(ground: Ground) -> int:
    made = ground.program(ground.cast.a)
    made.token = "sk_made_up"
    return made.get("/me").status_code


def revoked_key(ground: Ground) -> int:
    made = ground.program(ground.cast.a)
    digest = apikeys.digest(made.token)
    entry = ground.gate.resolve("api-key", digest or b"")
    assert entry is not None
    with ground.gate.open(Scope.system(ground.cast.a.tenant_id)) as session:
        row = apikeys.read(session, tenant_id=ground.cast.a.tenant_id, key_id=ids.KeyId(entry.ref_id))
        apikeys._row(session, ground.cast.a.tenant_id, row.id).expires_at = clock.now() - HOUR
    return made.get("/me").status_code


def key_in_address(ground: Ground) -> int:
    made = ground.program(ground.cast.a)
    return made.get(f"/me?api_key={made.token}").status_code


def no_scope(ground: Ground) -> int:
    return ground.program(ground.cast.a, "calls.read").get("/alarms").status_code


def no_json(ground: Ground) -> int:
    return (
        ground.program(ground.cast.a)
        .call("POST", "/webhooks", data=b"{", content_type="application/json")
        .status_code
    )


def too_large(ground: Ground) -> int:
    return ground.alice.post("/portal/company", {"name": "x" * (3 << 20)}).status_code


def foreign_host(ground: Ground) -> int:
    return ground.browser().client.get("/sign-in", base_url="http://elsewhere.example").status_code


def too_often(ground: Ground) -> int:
    someone = ground.browser(address="127.0.9.9")
    for _ in range(10):
        someone.sign_in(ground.cast.alice.email, "not the password")
    return someone.sign_in(ground.cast.alice.email, "not the password").status_code


# what is done, what is answered, what is counted, and whether the company is known
TRIES: list[tuple[Callable[[Ground], int], int, str, bool]] = [
    (wrong_password, 401, "sign-in", True),
    (nobodys_password, 401, "sign-in", False),
    (late_code, 401, "second-step", False),
    (made_up_passkey, 401, "passkey", False),
    (dead_link, 403, "dead-link", False),
    (nobody, 401, "no-session", False),
    (foreign_id, 404, "not-there", True),
    (no_page, 404, "not-there", False),
    (no_permission, 403, "not-permitted", True),
    (no_token, 403, "cross-site", False),
    (other_site, 403, "cross-site", False),
    (no_key, 401, "api-key", False),
    (revoked_key, 401, "api-key", True),
    (key_in_address, 400, "api-key-exposed", True),
    (no_scope, 403, "not-permitted", True),
    (no_json, 400, "malformed", True),
    (too_large, 413, "too-large", False),
    (foreign_host, 400, "foreign-host", False),
    (too_often, 429, "rate", False),
]


@pytest.mark.parametrize(
    ("try_it", "status", "kind", "is_known"), TRIES, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_refusal_is_counted_once_for_whose_it_is(
    ground: Ground,
    realtime: Realtime,
    try_it: Callable[[Ground], int],
    status: int,
    kind: str,
    is_known: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    whose = ground.cast.a.tenant_id if is_known else NOBODY
    before = tried(realtime)
    assert try_it(ground) == status
    after = tried(realtime)
    new = {one: times - before.get(one, 0) for one, times in after.items() if times > before.get(one, 0)}
    if kind == "rate":  # ten wrong ones came before
        assert new.pop(("sign-in", ground.cast.a.tenant_id)) == 10
    assert new == {(kind, whose): 1}


def test_what_goes_well_counts_nothing(
    alice: Browser, program: Programs, cast: Cast, realtime: Realtime
) -> None:
    before = tried(realtime)
    assert alice.get("/portal/").status_code == 200
    assert program(cast.a).get("/me").status_code == 200
    assert alice.post("/portal/company", {"name": ""}).status_code != 500  # people's day
    assert tried(realtime) == before


@pytest.mark.parametrize("try_it", [foreign_id, no_permission, no_token, nobody, no_page])
def test_without_redis_a_refusal_is_what_it_was(
    ground: Ground, app: Flask, realtime: Realtime, try_it: Callable[[Ground], int]
) -> None:
    expected = {one: status for one, status, _, _ in TRIES}[try_it]
    away = redis.Redis(port=1, socket_connect_timeout=0.2)
    app.extensions["seatline-refusals"] = Refusals(away)
    for _ in range(3):
        assert try_it(ground) == expected
    assert tried(realtime) == {}


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
