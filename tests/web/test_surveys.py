"""What callers rated whose agent had hung up: asked by a queue, on the call's page, counted, by API."""

import datetime as dt
from collections.abc import Iterator

import pytest

from core import clock
from core.clock import elapsed_ms
from core.ids import CallId, QueueId, TenantId, new_id, public
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, surveys
from telephony.calls import Ending
from telephony.surveys import Ratings
from tests.factories import telephony
from tests.factories.telephony import ARRIVED, Line
from tests.web.conftest import Browser, Cast, Program, Programs
from tests.web.test_payments import well_made
from tests.web.test_portal_queues import GIVEN, id_of

SINCE = ARRIVED - dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def an_hour_later() -> Iterator[None]:
    with clock.hold(ARRIVED + dt.timedelta(hours=1)):
        yield


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def line(gate: Gate, tenant_id: TenantId) -> Line:
    return telephony.line(gate, tenant_id)


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def asked(
    gate: Gate,
    vault: Vault,
    line: Line,
    rating: int | None,
    *,
    most: int = 5,
    is_over: bool = True,
    arrived_at: dt.datetime = ARRIVED,
) -> CallId:
    """Write a call of 65 seconds whose caller was asked for a rating, and stayed 20 seconds for it."""
    call_id = telephony.call(gate, vault, line, is_over=False, arrived_at=arrived_at)
    hung_up_at = arrived_at + dt.timedelta(seconds=12 + 65)
    with gate.open(Scope.system(line.tenant_id)) as session:
        tenant_id = line.tenant_id
        calls.end_talk(session, tenant_id=tenant_id, call_id=call_id, at=hung_up_at, survey_most=most)
        said: list[tuple[str, dict[str, object]]] = [("agent-gone", {"cause": 16, "survey": most})]
        if rating:
            calls.rate(session, tenant_id=tenant_id, call_id=call_id, rating=rating)
            said.append(("survey-answered", {"rating": rating}))
        if is_over:
            said.append(("survey-ended", {"why": "answered" if rating else "silent"}))
            ended_at = hung_up_at + dt.timedelta(seconds=20)
            ending = Ending(tenant_id, call_id, ended_at, "agent-hung-up", "boot-1")
            calls.finish(session, ending=ending)
        for position, (kind, details) in enumerate(said, start=10):
            calls.note(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                position=position,
                at=hung_up_at + dt.timedelta(seconds=position - 10),
                kind=kind,
                details=details,
            )
    return call_id


def test_a_call_says_what_its_caller_rated_and_talks_no_longer_than_its_agent(
    gate: Gate, vault: Vault, line: Line, alice: Browser, ours: Program
) -> None:
    call_id = asked(gate, vault, line, 4)
    page = alice.get(f"/portal/calls/{public('call', call_id)}").text
    well_made(page)
    assert "4 of 5" in page
    for said in ("asked for a rating from 1 to 5", "The caller rates: 4", "The caller is thanked"):
        assert said in page, said
    found = ours.get(f"/calls/{public('call', call_id)}").get_json()
    hung_up_at = ARRIVED + dt.timedelta(seconds=77)
    assert found["survey"] == {
        "asked_at": hung_up_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "best": 5,
        "rating": 4,
    }
    assert (found["talk_ms"], found["cause"]) == (65_000, "agent-hung-up")


def test_a_caller_who_gave_none_and_one_who_was_not_asked_are_told_apart(
    gate: Gate, vault: Vault, line: Line, alice: Browser, ours: Program
) -> None:
    silent, other = asked(gate, vault, line, None), telephony.call(gate, vault, line)
    page = alice.get(f"/portal/calls/{public('call', silent)}").text
    assert "asked, and none given" in page
    assert "has pressed nothing" in page
    assert "Rating by the caller" not in alice.get(f"/portal/calls/{public('call', other)}").text
    assert ours.get(f"/calls/{public('call', silent)}").get_json()["survey"]["rating"] is None
    assert ours.get(f"/calls/{public('call', other)}").get_json()["survey"] is None


def test_while_the_caller_is_asked_the_talk_grows_no_more(
    gate: Gate, vault: Vault, line: Line, alice: Browser
) -> None:
    call_id = asked(gate, vault, line, None, is_over=False)
    page = alice.get(f"/portal/calls/{public('call', call_id)}").text
    assert "1:05" in page or "65" in page or "1 min" in page
    with gate.open(Scope.system(line.tenant_id)) as session:
        found = calls.get(session, tenant_id=line.tenant_id, call_id=call_id, vault=vault)
    assert found.bridged_at
    assert found.talk_ended_at
    assert elapsed_ms(found.bridged_at, found.talk_ended_at) == 65_000


def test_the_figures_are_the_queues_by_scale_and_nobody_elses(
    gate: Gate, vault: Vault, line: Line, alice: Browser, ours: Program, program: Programs, cast: Cast
) -> None:
    for rating in (5, 5, 4, 1, None):
        asked(gate, vault, line, rating)
    asked(gate, vault, line, 9, most=9)
    asked(gate, vault, line, 1, arrived_at=ARRIVED - dt.timedelta(days=40))
    telephony.call(gate, vault, line)
    with gate.open(Scope.system(line.tenant_id)) as session:
        five, nine = surveys.by_queue(session, tenant_id=line.tenant_id, since=SINCE)
    assert (five.most, five.asked, five.given, str(five.mean)) == (5, 5, 4, "3.8")
    assert five.counts == {1: 1, 2: 0, 3: 0, 4: 1, 5: 2}
    assert (nine.most, nine.asked, str(nine.mean)) == (9, 1, "9.0")
    page = alice.get("/portal/surveys").text
    well_made(page)
    assert "3.8 of 5 on average" in page
    assert "4 of 5</div>" in page.replace("\n", "")  # who rated, of those asked
    first, second = ours.get("/surveys").get_json()["data"]
    assert first == {
        "queue": public("que", line.queue_id),
        "name": "Deliveries",
        "best": 5,
        "asked": 5,
        "given": 4,
        "ratings": {"1": 1, "2": 0, "3": 0, "4": 1, "5": 2},
        "mean_rating": "3.8",
    }
    assert second["best"] == 9
    assert ours.get("/surveys?days=60").get_json()["data"][0]["given"] == 5
    assert "3.2 of 5" in alice.get("/portal/surveys?days=90").text
    assert program(cast.b).get("/surveys").get_json() == {"data": []}


def test_agents_are_rated_by_their_callers_and_few_ratings_are_said_to_be_few(
    gate: Gate, vault: Vault, line: Line, alice: Browser, ours: Program, program: Programs, cast: Cast
) -> None:
    for rating in (5, 4, 4, 5, 5, 1, 5, 4, 3, None):
        asked(gate, vault, line, rating)
    asked(gate, vault, line, 2, most=3)
    asked(gate, vault, line, 1, arrived_at=ARRIVED - dt.timedelta(days=40))
    telephony.call(gate, vault, line)  # nobody was asked
    with gate.open(Scope.system(line.tenant_id)) as session:
        three, five = surveys.by_agent(session, tenant_id=line.tenant_id, since=SINCE)
    assert (three.agent_number, three.most, three.asked, three.given, three.are_few) == (1001, 3, 1, 1, True)
    assert (five.asked, five.given, str(five.mean), five.are_few) == (10, 9, "4.0", True)
    page = alice.get("/portal/surveys").text
    well_made(page)
    assert page.count(">few<") == 2
    asked(gate, vault, line, 4)
    page = alice.get("/portal/surveys").text
    assert "<b>4.0 of 5</b>" in page
    assert page.count(">few<") == 1
    first, second = ours.get("/surveys/agents").get_json()["data"]
    assert first["best"] == 3
    assert second == {
        "agent": 1001,
        "best": 5,
        "asked": 11,
        "given": 10,
        "ratings": {"1": 1, "2": 0, "3": 1, "4": 4, "5": 4},
        "mean_rating": "4.0",
        "are_few": False,
    }
    assert ours.get("/surveys/agents?days=60").get_json()["data"][1]["given"] == 11
    assert program(cast.b).get("/surveys/agents").get_json() == {"data": []}


@pytest.mark.parametrize("days", ["0", "8", "x", "-7", "7 "])
def test_days_nobody_offers_are_the_usual_ones(alice: Browser, days: str) -> None:
    page = alice.get(f"/portal/surveys?days={days}").text
    assert "Nobody has been asked in these days" in page
    assert '<option value="30" selected>' in page


def test_the_mean_of_nothing_is_none() -> None:
    nobody = Ratings(QueueId(new_id()), "Deliveries", 3, 2, {1: 0, 2: 0, 3: 0})
    assert (nobody.given, nobody.mean) == (0, None)


def test_a_queue_says_whom_it_asks_and_what_by_form_and_by_program(alice: Browser, ours: Program) -> None:
    wanted = {"survey": "40", "survey_most": "3", "survey_prompt": "Happy? 1 is no, 3 is yes."}
    answer = alice.post("/portal/queues", GIVEN | wanted)
    assert answer.status_code == 303, answer.text
    queue = public("que", id_of(str(answer.location)))
    page = alice.get(f"/portal/queues/{queue}").text
    well_made(page)
    for said in ("40 of a hundred", "from 1 to 3", "Happy? 1 is no, 3 is yes."):
        assert said in page, said
    assert 'value="40"' in alice.get(f"/portal/queues/{queue}/edit").text
    read = ours.get(f"/queues/{queue}")
    found = read.get_json()
    assert (found["survey_percent"], found["survey_most"], found["survey_prompt"]) == (
        40,
        3,
        "Happy? 1 is no, 3 is yes.",
    )
    changed = ours.call(
        "PUT", f"/queues/{queue}", json={"name": "Deliveries"}, headers={"If-Match": read.headers["ETag"]}
    )
    assert (changed.status_code, changed.get_json()["survey_percent"]) == (200, 0)
    assert "Callers are asked for a rating</dt><dd>no" in alice.get(f"/portal/queues/{queue}").text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("survey", "101", "From 0 to 100 of a hundred callers."),
        ("survey", "", "From 0 to 100 of a hundred callers."),
        ("survey_most", "1", "From 2 to 9."),
        ("survey_most", "10", "From 2 to 9."),
        ("survey_prompt", "a\tb", "Up to 500 signs on one line."),
        ("survey_prompt", "a" * 501, "Up to 500 signs on one line."),
    ],
)
def test_what_cannot_be_asked_is_refused_beside_its_field(
    alice: Browser, ours: Program, field: str, value: str, said: str
) -> None:
    answer = alice.post("/portal/queues", GIVEN | {field: value})
    assert answer.status_code == 422
    assert said in answer.text
    name = {"survey": "survey_percent"}.get(field, field)
    given = int(value) if value.isdigit() else value
    assert ours.post("/queues", {"name": "Another", name: given}).status_code == 422
