import datetime as dt

import pytest
from werkzeug.test import TestResponse

from core import clock
from core.ids import OPERATOR, AgentId, CallId, OfferId, TenantId, new_id
from seats import presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import work
from tests.tenants.people import People
from tests.web.conftest import HOST, Browser, Browsers, Cast


class Bob:
    """An agent of the operator at their console, on a shift."""

    def __init__(self, browser: Browser, gate: Gate, agent_id: AgentId) -> None:
        self.browser, self.gate, self.agent_id = browser, gate, agent_id

    def offered(self, tenant_id: TenantId) -> OfferId:
        offer_id, now = OfferId(new_id()), clock.now()
        with self.gate.open(Scope.system(OPERATOR)) as session:
            work.offer(
                session,
                offer_id=offer_id,
                agent_id=self.agent_id,
                tenant_id=tenant_id,
                call_id=CallId(new_id()),
                offered_at=now,
                expires_at=now + dt.timedelta(seconds=20),
            )
        return offer_id

    def closed(self, offer_id: OfferId) -> None:
        with self.gate.open(Scope.system(OPERATOR)) as session:
            work.advance(session, offer_id=offer_id, state="closed", at=clock.now())

    def wants(self, body: object) -> TestResponse:
        return self.browser.client.post(
            "/console/status",
            base_url=HOST,
            json=body,
            headers={"X-CSRF-Token": self.browser.token()},
        )

    def next_status(self) -> object:
        return self.browser.get("/console/state").get_json()["next_status"]


@pytest.fixture
def bob(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault) -> Bob:
    user = people.user(people.operator().tenant_id, "Bob", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(session, vault=vault, user_id=user.id, number=1001, name="Bob")
        roster.assign(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, starts_at=clock.now())
        presence.sign_in(session, agent_id=agent.id, at=clock.now())
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return Bob(made, gate, AgentId(agent.id))


@pytest.mark.parametrize("body", [{"status": "away", "reason": "meal"}, {"status": "away:meal"}])
def test_what_an_agent_wants_to_be_next_is_forgotten_with_the_call(
    bob: Bob, cast: Cast, body: dict[str, str]
) -> None:
    first = bob.offered(cast.a.tenant_id)
    assert bob.next_status() is None
    assert bob.wants(body).status_code == 202
    assert bob.next_status() == "away:meal"
    bob.closed(first)
    bob.offered(cast.a.tenant_id)
    assert bob.next_status() is None


def test_a_wish_taken_back_leaves_none(bob: Bob, cast: Cast) -> None:
    bob.offered(cast.a.tenant_id)
    bob.wants({"status": "away", "reason": "meal"})
    assert bob.wants({"status": None}).status_code == 202
    assert bob.next_status() is None


@pytest.mark.parametrize("status", ["away", "talking", "away:", "away:meal:now", ["available"], {}])
def test_a_status_that_is_not_on_the_list_is_refused(bob: Bob, status: object) -> None:
    assert bob.wants({"status": status}).status_code == 422
