"""The operator's page of the switch's load: what is left undone since when, and how many calls it takes."""

import datetime as dt

import pytest

from core import clock
from core.ids import OPERATOR
from security.gate import Gate, Scope
from telephony import loads
from telephony.admission import BOX, Bounds, follow
from telephony.admission import NOTHING as CALM
from telephony.loads import Minute
from tenants.companies import Company
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers

HERE = "/operator/load"


@pytest.fixture
def dana(browser: Browsers, people: People, head: Company) -> Browser:
    made = browser()
    made.sign_in(scene.staff(people, "operator_support").email)
    return made


def tell(gate: Gate, *, percent: int) -> None:
    """Let the switchboard say how full it is, on a machine that takes a hundred calls."""
    now = clock.now()
    with gate.open(Scope.system(OPERATOR)) as session:
        loads.tell(
            session,
            usual=Bounds(at_once=100, per_second=40),
            standing=follow(CALM, percent, now, BOX),
            calls=percent,
            begun=3,
            trunks={"trunk-1": 4},
            at=now,
        )


def test_page_says_what_is_left_undone_and_since_when(dana: Browser, gate: Gate) -> None:
    tell(gate, percent=85)
    page = dana.get(HERE).text
    assert page.count(">on<") == 2
    assert page.count(">off<") == 2
    assert "Who waits or is held hears no music" in page
    front = dana.get("/operator/").text
    assert "85 of 100 calls, 3 of 40 a second" in front
    assert "Who waits or is held hears no music" in front


def test_with_room_nothing_is_left_undone(dana: Browser, gate: Gate) -> None:
    tell(gate, percent=10)
    assert "Nothing is left undone" in dana.get("/operator/").text
    assert dana.get(HERE).text.count(">on<") == 0


def test_a_switchboard_that_is_silent_is_said_to_be(dana: Browser, gate: Gate) -> None:
    assert "no live figures" in dana.get(HERE).text
    tell(gate, percent=101)
    assert "no live figures" not in dana.get(HERE).text
    with clock.hold(clock.now() + dt.timedelta(minutes=1)):
        page = dana.get(HERE).text
    assert "no live figures" in page
    assert page.count(">on<") == 0  # what it said a minute ago is not so now


def test_minutes_in_which_callers_missed_something_are_listed(dana: Browser, gate: Gate) -> None:
    tell(gate, percent=10)
    minute = clock.now().replace(second=0, microsecond=0)
    with gate.open(Scope.system(OPERATOR)) as session:
        loads.keep(session, Minute(minute, most_calls=61, refused_by_company=7))
        loads.keep(session, Minute(minute - dt.timedelta(minutes=1), most_calls=12))
    page = dana.get(HERE).text
    assert '<td class="r num">7</td>' in page
    assert '<td class="r num">12</td>' not in page  # everybody got everything


def test_operator_sets_what_the_switch_takes_and_takes_it_back(dana: Browser, gate: Gate) -> None:
    tell(gate, percent=10)
    assert dana.post(HERE, {"revision": "0", "at_once": "250", "per_second": ""}).location == HERE
    with gate.open(Scope.system(OPERATOR)) as session:
        found = loads.read(session)
    assert found is not None
    assert found.bounds == Bounds(250, 40)
    assert dana.post(HERE, {"revision": "0", "at_once": "300", "per_second": ""}).status_code == 409
    assert dana.post(HERE, {"revision": "1", "at_once": "", "per_second": ""}).location == HERE
    with gate.open(Scope.system(OPERATOR)) as session:
        found = loads.read(session)
    assert found is not None
    assert found.bounds == Bounds(100, 40)


@pytest.mark.parametrize(("field", "value"), [("at_once", "0"), ("at_once", "many"), ("per_second", "99999")])
def test_bounds_that_cannot_be_are_said_beside_the_field(dana: Browser, field: str, value: str) -> None:
    given = {"revision": "0", "at_once": "", "per_second": ""} | {field: value}
    answer = dana.post(HERE, given)
    assert answer.status_code == 422
    assert "This cannot be." in answer.text


def test_operator_sets_the_channels_of_a_trunk_and_takes_the_bound_away(dana: Browser, gate: Gate) -> None:
    tell(gate, percent=10)
    page = dana.get(HERE).text
    assert "4 taken, no bound" in page
    assert ">carrier<" in page
    trunks = f"{HERE}/trunks"
    assert dana.post(trunks, {"trunk": "trunk-1", "channels": "30"}).location == HERE
    assert "4 of 30 taken" in dana.get(HERE).text
    assert dana.post(trunks, {"trunk": "trunk-1", "channels": ""}).location == HERE
    assert "4 taken, no bound" in dana.get(HERE).text
    for wrong in (
        {"trunk": "", "channels": "3"},
        {"trunk": "trunk-1", "channels": "0"},
        {"trunk": "[x]", "channels": "3"},
    ):
        assert dana.post(trunks, wrong).status_code == 422
