"""Trying the traffic models on a company's own past: asked on a page or by a program, worked out by a job."""

import datetime as dt
import re

import pytest

from core import clock
from core.events import Event
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.errors import NoRoutingTrialError
from telephony.events import RoutingTrialAsked
from telephony.routing import example, trials
from telephony.routing.simulator import ARMS
from telephony.routing.trials import Asked, Trial
from tests.factories import telephony
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs, TestServices
from tests.web.test_api import code_of
from wiring import trying

MINE = {"act": "own", "days": "7", "people": "2", "more": "3"}


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def busy(gate: Gate, vault: Vault, tenant_id: TenantId) -> None:
    """A day of a hundred callers, one every half minute: every fifth gives up."""
    line = telephony.line(gate, tenant_id)
    began = clock.now() - dt.timedelta(days=2)
    for number in range(trials.LEAST):
        telephony.call(
            gate,
            vault,
            line,
            arrived_at=began + dt.timedelta(seconds=30 * number),
            talk_s=None if number % 5 == 0 else 65,
        )


def latest(gate: Gate, tenant_id: TenantId) -> Trial:
    with gate.open(Scope.system(tenant_id)) as session:
        return trials.read(session, tenant_id=tenant_id)


def work(services: TestServices, tenant_id: TenantId) -> Trial:
    """Do what the worker does with the event of the latest trial."""
    asked = latest(services.gate, tenant_id)
    trying.run(services, RoutingTrialAsked(tenant_id=tenant_id, trial_id=asked.trial_id))
    return latest(services.gate, tenant_id)


@pytest.mark.usefixtures("busy")
def test_a_companys_own_calls_are_tried_with_its_people_and_with_three_more(
    alice: Browser, services: TestServices, tenant_id: TenantId
) -> None:
    assert 'href="/portal/routing/trial"' in alice.get("/portal/routing").text
    assert "Nothing tried yet" in alice.get("/portal/routing/trial").text
    assert alice.post("/portal/routing/trial", MINE).status_code == 303
    waiting = alice.get("/portal/routing/trial").text
    assert 'role="progressbar"' in waiting
    assert 'hx-get="/portal/routing/trial"' in waiting

    found = work(services, tenant_id)
    assert found.calls == trials.LEAST
    assert [(one.arm, one.people) for one in found.arms] == [(arm, n) for n in (2, 5) for arm in ARMS]
    by_two, by_five = found.arms[0], found.arms[len(ARMS)]
    assert by_two.abandonment > by_five.abandonment
    assert by_two.utilisation > by_five.utilisation
    assert by_two.wait_95_s >= by_two.wait_s

    page = alice.get("/portal/routing/trial").text
    assert "hx-get" not in page[page.index('id="trial"') :].split(">")[0]
    assert page.count('<svg class="chart" viewBox="0 0 6') == 4
    rows = re.findall(r'<tr><th scope="row">([^<]+)', page)
    assert len(rows) == 2 * len(ARMS)
    assert f"{100 * by_two.service_level:.1f} %" in page
    assert "Deliveries" in page
    assert 'value="2" required' in page


@pytest.mark.usefixtures("busy")
def test_how_much_longer_calls_take_away_from_home_is_asked_and_said(
    alice: Browser, services: TestServices, tenant_id: TenantId
) -> None:
    assert alice.post("/portal/routing/trial", MINE | {"slower": "40"}).status_code == 303
    assert work(services, tenant_id).asked == Asked(7, 2, 3, slower_percent=40)
    page = alice.get("/portal/routing/trial").text
    assert "took 40 % longer" in page
    assert 'value="40"' in page


def test_what_takes_longer_away_from_home_costs_the_models_that_send_callers_there() -> None:
    calls = example.calls(20)
    plain, slower = (
        {
            one.arm: one
            for one in trials.work_out(
                calls, example.POLICY, Asked(1, 20, is_example=True, slower_percent=percent)
            )
        }
        for percent in (0, 60)
    )
    for arm in ("brand", "brand-region-fixed"):
        assert slower[arm].abandonment == plain[arm].abandonment
    assert slower["brand-region-progressive"].abandonment > plain["brand-region-progressive"].abandonment


def test_too_little_history_is_refused_with_a_way_on(
    alice: Browser, ours: Program, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    line = telephony.line(gate, tenant_id)
    telephony.call(gate, vault, line, arrived_at=clock.now() - dt.timedelta(days=1))
    answer = alice.post("/portal/routing/trial", MINE)
    assert answer.status_code == 422
    assert "1 call came to wait in these days; 100 are needed" in answer.text
    assert 'value="example"' in answer.text
    assert code_of(ours.post("/routing/trial", {"people": 3})) == (409, "too-little-history")
    assert code_of(ours.get("/routing/trial")) == (404, "not-found")


def test_the_worked_example_needs_no_history(
    alice: Browser, ours: Program, services: TestServices, tenant_id: TenantId
) -> None:
    assert alice.post("/portal/routing/trial", {"act": "example"}).status_code == 303
    found = work(services, tenant_id)
    gave_up = {one.arm: one.abandonment for one in found.arms[: len(ARMS)]}
    assert gave_up["pooled"] < gave_up["brand-region-progressive"] < gave_up["brand-region-fixed"]
    page = alice.get("/portal/routing/trial").text
    assert "Worked example" in page
    assert "Young, North" in page or "Young, South" in page or "VIP" in page
    told = ours.get("/routing/trial").get_json()
    assert told["example"] is True
    assert {one["model"] for one in told["models"]} == set(ARMS)
    assert {one["worst_queue"] for one in told["models"]} == {None}
    wasted = {one["model"]: one["idle_beside_waiting"] for one in told["models"]}
    assert wasted["pooled"] == 0 < wasted["brand-region-progressive"] < wasted["brand-region-fixed"]
    assert "Free while others’ callers waited" in page


@pytest.mark.usefixtures("busy")
def test_a_program_asks_and_reads_the_answer(
    ours: Program, services: TestServices, tenant_id: TenantId
) -> None:
    asked = ours.post("/routing/trial", {"people": 4, "days": 30, "slower_percent": 15})
    assert asked.status_code == 202
    assert asked.get_json()["slower_percent"] == 15
    assert asked.get_json()["ended_at"] is None
    work(services, tenant_id)
    told = ours.get("/routing/trial").get_json()
    assert (told["percent"], told["calls"], len(told["models"])) == (100, trials.LEAST, len(ARMS))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("days", "93"),
        ("people", "0"),
        ("people", "x"),
        ("more", "-2"),
        ("more", "501"),
        ("slower", "201"),
        ("slower", "x"),
    ],
)
def test_what_cannot_be_is_said(alice: Browser, field: str, value: str) -> None:
    answer = alice.post("/portal/routing/trial", MINE | {field: value})
    assert answer.status_code == 422
    assert 'class="callout bad"' in answer.text


@pytest.mark.usefixtures("busy")
def test_asking_again_takes_the_place_of_the_trial_before(
    services: TestServices, tenant_id: TenantId
) -> None:
    gate, asked = services.gate, Asked(7, 3)
    ours: list[Event] = []
    for _ in range(2):
        with gate.open(Scope.system(tenant_id)) as session:
            trial_id = trials.ask(session, tenant_id=tenant_id, asked=asked)
        ours.append(RoutingTrialAsked(tenant_id=tenant_id, trial_id=trial_id))
    first, second = ours
    assert isinstance(first, RoutingTrialAsked)
    assert isinstance(second, RoutingTrialAsked)
    trying.run(services, first)
    assert latest(gate, tenant_id).ended_at is None
    with gate.open(Scope.system(tenant_id)) as session:
        assert not trials.moved(session, tenant_id=tenant_id, trial_id=first.trial_id, percent=9)
        assert trials.moved(session, tenant_id=tenant_id, trial_id=second.trial_id, percent=9)
    assert latest(gate, tenant_id).percent == 9
    trying.run(services, second)
    ended = latest(gate, tenant_id)
    assert ended.ended_at is not None
    trying.run(services, second)  # a job that is given out twice changes nothing
    assert latest(gate, tenant_id) == ended


def test_a_trial_that_never_ended_says_so_and_can_be_asked_again(
    alice: Browser, gate: Gate, tenant_id: TenantId
) -> None:
    with (
        clock.hold(clock.now() - trials.STALLED - dt.timedelta(seconds=1)),
        gate.open(Scope.system(tenant_id)) as session,
    ):
        trials.ask(session, tenant_id=tenant_id, asked=Asked(1, 3, is_example=True))
    page = alice.get("/portal/routing/trial").text
    assert "It did not come to an end" in page
    assert "hx-trigger" not in page[page.index('id="trial"') :].split(">")[0]


def test_a_trial_is_its_companys_alone(gate: Gate, tenant_id: TenantId, cast: Cast) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        trials.ask(session, tenant_id=tenant_id, asked=Asked(1, 3, is_example=True))
    for other in (cast.b.tenant_id, OPERATOR):
        with gate.open(Scope.system(other)) as session, pytest.raises(NoRoutingTrialError):
            trials.read(session, tenant_id=tenant_id)
