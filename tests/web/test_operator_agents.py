"""Agents are hired, assigned and let go on the operator's pages: a new company gets who takes its calls."""

import pytest

from core import ids
from core.ids import OPERATOR, UserId
from seats import desk, roster
from seats.roster import Posting
from security.gate import Gate, Scope
from telephony import orders
from telephony.orders import OrderKind
from tenants import users
from tenants.companies import Company
from tests.factories.agreements import signed
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import HOST, Browser, Browsers, Cast, found
from tests.web.test_portal_queues import GIVEN as QUEUE

HERE = "/operator/agents"
NEW = {"name": "Mara Lindqvist", "email": "mara@seatline.example", "number": "1042", "languages": "en"}
CHOSEN = "four quiet words in a row"


@pytest.fixture
def omar(browser: Browsers, people: People, head: Company) -> Browser:
    """Who keeps the operator's roster, and may do nothing that agents do."""
    made = browser()
    assert made.sign_in(scene.staff(people, "operator_inventory").email).status_code == 303
    return made


def company(one: Company) -> str:
    return ids.public("ten", one.tenant_id)


def posted(gate: Gate, number: int = 1042) -> Posting:
    with gate.open(Scope.system(OPERATOR)) as session:
        return roster.posting(session, number=number)


def hire(omar: Browser, *clients: Company) -> str:
    answer = omar.post(HERE, NEW | {"companies": [company(one) for one in clients]})
    assert answer.status_code == 201
    return found(r"<code>([^<]+)</code>", answer.text).removeprefix(HOST)


def test_who_is_hired_chooses_a_password_and_comes_to_the_console(
    omar: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    link = hire(omar, cast.a)
    mara = browser()
    assert mara.post(link, {"password": CHOSEN, "again": CHOSEN}).status_code == 303
    assert mara.sign_in(NEW["email"], CHOSEN).location == "/console/"
    one = posted(gate)
    assert one.clients == frozenset({cast.a.tenant_id})
    assert one.agent.languages == ("en",)
    with gate.open(Scope.system(OPERATOR)) as session:
        [serving] = [each for each in desk.serving(session) if each.agent.number == 1042]
        assert serving.unsigned == {cast.a.tenant_id}  # until they sign
    signed(gate, UserId(one.agent.user_id), cast.a.tenant_id)
    with gate.open(Scope.system(OPERATOR)) as session:
        [serving] = [each for each in desk.serving(session) if each.agent.number == 1042]
        assert serving.clients == {cast.a.tenant_id}
    page = omar.get(HERE).text
    assert "Mara Lindqvist" in page
    assert cast.a.name in page


def test_a_company_finds_its_new_agent_on_the_page_of_a_queue(
    omar: Browser, alice: Browser, cast: Cast
) -> None:
    assert "Agent 1042" not in alice.get("/portal/queues/new").text
    hire(omar, cast.a)
    assert "Agent 1042" in alice.get("/portal/queues/new").text


def test_an_agent_is_moved_from_one_company_to_another(omar: Browser, cast: Cast, gate: Gate) -> None:
    hire(omar, cast.a)
    answer = omar.post(f"{HERE}/1042/companies", {"companies": company(cast.b)})
    assert answer.status_code == 303
    assert posted(gate).clients == {cast.b.tenant_id}
    with gate.open(Scope.system(OPERATOR)) as session:
        asked = [one for one in orders.waiting(session) if one.kind is OrderKind.SERVES]
    assert len(asked) == 2  # the switchboard is told of both
    log = omar.get("/operator/evidence").text
    assert "Let an agent work for a company" in log
    assert "Took an agent from a company" in log


def test_who_is_let_go_gets_in_no_more_and_may_come_back(
    omar: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    link = hire(omar, cast.a)
    mara = browser()
    mara.post(link, {"password": CHOSEN, "again": CHOSEN})
    mara.sign_in(NEW["email"], CHOSEN)
    assert mara.get("/console/").status_code == 200
    assert omar.post(f"{HERE}/1042/leave", {}).status_code == 303
    assert mara.get("/console/").status_code != 200
    assert not posted(gate).agent.is_active
    assert omar.post(f"{HERE}/1042/come-back", {}).status_code == 303
    assert mara.sign_in(NEW["email"], CHOSEN).location == "/console/"
    assert posted(gate).clients == {cast.a.tenant_id}  # for whom they worked


def test_a_first_link_can_be_made_again_and_the_one_before_still_works_once(
    omar: Browser, browser: Browsers, cast: Cast
) -> None:
    first = hire(omar)
    answer = omar.post(f"{HERE}/1042/link", {})
    assert answer.status_code == 201
    second = found(r"<code>([^<]+)</code>", answer.text).removeprefix(HOST)
    assert browser().post(second, {"password": CHOSEN, "again": CHOSEN}).status_code == 303
    assert browser().post(first, {"password": CHOSEN, "again": CHOSEN}).status_code in {403, 409, 410}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("number", "12b", "That is no number of an agent"),
        ("number", "0", "That is no number of an agent"),
        ("number", "9999999", "That is no number of an agent"),
        ("languages", "", "An agent speaks one language at least"),
        ("email", "mara", "address"),
        ("email", "alice@pelicanparcel.example", "address"),
        ("name", "", "name"),
    ],
)
def test_what_does_not_fit_hires_nobody_and_keeps_what_was_typed(
    omar: Browser, alice: Browser, gate: Gate, field: str, value: str, words: str
) -> None:
    answer = omar.post(HERE, NEW | {field: value})
    assert answer.status_code == 422
    assert words in answer.text
    assert "lindqvist" in answer.text.casefold() or field == "name"
    with gate.open(Scope.system(OPERATOR)) as session:
        assert not roster.postings(session)


def test_two_agents_have_two_numbers(omar: Browser, gate: Gate) -> None:
    hire(omar)
    answer = omar.post(HERE, NEW | {"email": "other@seatline.example"})
    assert answer.status_code == 422
    assert "Another agent has this number" in answer.text
    assert 'value="1043"' in omar.get(f"{HERE}/new").text  # the next one is proposed


def test_only_who_keeps_the_roster_hires_and_gives_no_other_role(
    omar: Browser, browser: Browsers, people: People, cast: Cast, gate: Gate
) -> None:
    hire(omar)
    dana = browser()
    dana.sign_in(scene.staff(people, "operator_billing", "operator_support", name="Dora").email)
    assert dana.get(f"{HERE}/1042").status_code == 200
    for path in (HERE, f"{HERE}/1042/companies", f"{HERE}/1042/link", f"{HERE}/1042/leave"):
        assert dana.post(path, NEW).status_code == 403
    assert "Hire an agent" not in dana.get(HERE).text
    assert omar.get("/console/").status_code == 403  # they may give what they have not
    other = NEW | {"role": "operator_support", "number": "7", "email": "x@y.example"}
    assert omar.post(HERE, other).status_code == 201
    with gate.open(Scope.system(OPERATOR)) as session:
        user_id = roster.posting(session, number=7).agent.user_id
        assert list(users.roles_of(session, tenant_id=OPERATOR, user_id=user_id)) == ["agent"]
    assert omar.get(f"{HERE}/7").status_code == 200
    assert omar.get(f"{HERE}/8").status_code == 404


def test_a_first_day_says_what_is_missing_before_a_call(
    omar: Browser, browser: Browsers, people: People, gate: Gate, cast: Cast
) -> None:
    otters = people.company("Otter Optics")
    otto = browser()
    otto.sign_in(people.user(otters.tenant_id, "Otto", email="otto@otter.example").email)
    page = otto.get("/portal/").text
    assert "Before your first call" in page
    assert page.count(">to do<") == 4
    assert "The operator assigns agents to your company" in page
    assert 'href="/portal/seats/rent"' in page  # one step to what the button says
    hire(omar, otters)
    page = otto.get("/portal/").text
    assert "Choose who serves the queue" in page
    answer = otto.post("/portal/queues", QUEUE | {"agent-1042": "1"})
    assert answer.status_code == 303
    page = otto.get("/portal/").text
    assert page.count(">to do<") == 2  # a number, and the second step
    assert 'href="/portal/queues/new"' not in page
