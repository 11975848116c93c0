"""An agent at their own telephone: what the desk's doorways and the operator's page do for it."""

import pytest

from core import clock, ids
from core.ids import OPERATOR, AgentId, CallId, new_id
from core.phone import E164
from seats import presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import orders, telephones
from telephony.orders import OrderKind
from tenants.companies import Company
from tests.factories import agreements
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.test_console_desk import Bob

MINE = E164("+447700900123")
_DESK = Scope.system(OPERATOR)
HERE = "/operator/agents/1001/telephone"


@pytest.fixture
def bob(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault) -> Bob:
    user = people.user(people.operator().tenant_id, "Bob", "agent")
    with gate.open(_DESK) as session:
        agent = roster.hire(session, vault=vault, user_id=user.id, number=1001, name="Bob")
        roster.assign(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, starts_at=clock.now())
        presence.sign_in(session, agent_id=agent.id, at=clock.now())
    agreements.signed(gate, user.id, cast.a.tenant_id)
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return Bob(made, gate, AgentId(agent.id))


def give(gate: Gate, vault: Vault, one: Bob, client: Company, *, is_chosen: bool = False) -> str:
    """Enter a telephone for an agent; return the code that is to be pressed there."""
    with gate.open(_DESK) as session:
        telephones.set_up(
            session,
            agent_id=one.agent_id,
            agent_number=1001,
            number=MINE,
            clients=[client.tenant_id],
            vault=vault,
        )
        telephones.choose(session, agent_id=one.agent_id, is_chosen=is_chosen)
        found = telephones.of_agent(session, agent_id=one.agent_id, vault=vault)
    assert found
    return found.code


def test_the_desk_shows_a_telephone_without_its_number_and_the_code_until_it_is_checked(
    bob: Bob,
    cast: Cast,
    gate: Gate,
    vault: Vault,
) -> None:
    assert bob.browser.get("/console/state").get_json()["telephone"] is None
    code = give(gate, vault, bob, cast.a)
    shown = bob.browser.get("/console/state").get_json()["telephone"]
    assert (shown["code"], shown["is_chosen"]) == (code, False)
    assert shown["number"] == "•••123"
    with gate.open(_DESK) as session:
        telephones.checked(session, agent_id=bob.agent_id, version=1)
    assert bob.browser.get("/console/state").get_json()["telephone"]["code"] is None


def test_where_calls_ring_is_ordered_from_the_switchboard(
    bob: Bob,
    cast: Cast,
    gate: Gate,
    vault: Vault,
) -> None:
    give(gate, vault, bob, cast.a)
    assert bob.posts("rings-at", {"telephone": True}).status_code == 202
    with gate.open(_DESK) as session:
        (order,) = orders.waiting(session)
    assert (order.kind, order.details["telephone"]) == (OrderKind.RINGS_AT, True)


def test_who_has_no_telephone_cannot_choose_it(bob: Bob) -> None:
    answer = bob.posts("rings-at", {"telephone": True})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "no-telephone")


def test_a_call_in_hand_stays_where_it_is(bob: Bob, cast: Cast, gate: Gate, vault: Vault) -> None:
    give(gate, vault, bob, cast.a)
    bob.talks(CallId(new_id()), cast.a.tenant_id)
    answer = bob.posts("rings-at", {"telephone": True})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "rings-at-busy")


@pytest.mark.parametrize("body", [{}, {"telephone": "yes"}, {"telephone": 1}])
def test_what_is_no_choice_is_refused(bob: Bob, body: dict[str, object]) -> None:
    assert bob.posts("rings-at", body).status_code == 422


def test_nothing_is_dialled_at_a_telephone(bob: Bob, cast: Cast, gate: Gate, vault: Vault) -> None:
    give(gate, vault, bob, cast.a, is_chosen=True)
    answer = bob.posts("dial", {"number": "+447700900150", "queue": str(new_id())})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "at-telephone")


@pytest.fixture
def omar(browser: Browsers, people: People) -> Browser:
    made = browser()
    assert made.sign_in(scene.staff(people, "operator_inventory").email).status_code == 303
    return made


def test_the_operator_enters_a_telephone_and_whose_contract_allows_it(
    omar: Browser,
    bob: Bob,
    cast: Cast,
    gate: Gate,
    vault: Vault,
) -> None:
    theirs = ids.public("ten", cast.a.tenant_id)
    other = ids.public("ten", cast.b.tenant_id)  # for whom bob does not work
    answer = omar.post(HERE, {"number": "+44 7700 900123", "companies": [theirs, other]})
    assert answer.status_code == 303
    with gate.open(_DESK) as session:
        found = telephones.of_agent(session, agent_id=bob.agent_id, vault=vault)
        assert [one.kind for one in orders.waiting(session)] == [OrderKind.SERVES]
    assert found
    assert (found.number, found.clients) == (MINE, frozenset({cast.a.tenant_id}))
    shown = omar.get("/operator/agents/1001").text
    assert "to be checked" in shown
    assert MINE not in shown.replace(" ", "")
    # left empty, the number stays; nobody's contract allows it any more
    assert omar.post(HERE, {"number": ""}).status_code == 303
    with gate.open(_DESK) as session:
        kept = telephones.of_agent(session, agent_id=bob.agent_id, vault=vault)
    assert kept
    assert (kept.number, kept.clients, kept.code) == (MINE, frozenset(), found.code)
    assert omar.post(f"{HERE}/remove").status_code == 303
    assert bob.browser.get("/console/state").get_json()["telephone"] is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("seven", "not a telephone number"),
        ("+449098790000", "Calls cannot ring at that number"),
        ("", "number"),
    ],
)
def test_a_number_that_is_none_is_refused_in_words(omar: Browser, bob: Bob, typed: str, said: str) -> None:
    answer = omar.post(HERE, {"number": typed})
    assert answer.status_code == 422
    assert said in answer.text
    assert bob.browser.get("/console/state").get_json()["telephone"] is None


def test_an_agent_who_is_let_go_takes_their_telephone_along(
    omar: Browser,
    bob: Bob,
    cast: Cast,
    gate: Gate,
    vault: Vault,
) -> None:
    give(gate, vault, bob, cast.a)
    assert omar.post("/operator/agents/1001/leave").status_code == 303
    with gate.open(_DESK) as session:
        assert telephones.of_agent(session, agent_id=bob.agent_id, vault=vault) is None
