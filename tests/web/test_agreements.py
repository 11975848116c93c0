"""T74 over HTTP: an agent without a signature sees no customer; signing, grace, revocation."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest

from core import clock
from core.ids import OPERATOR, AgentId, CallId, TenantId, UserId, new_id, public
from core.realtime import Realtime
from seats import desk as seating
from seats import presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.orders import OrderKind
from tenants import agreements
from tenants.events import SignerSettled
from tests.factories import agreements as papers
from tests.factories import telephony as factory
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.test_console_desk import Bob
from wiring.subscriptions import named

SECRETS = "I keep secret what I learn."


@dataclass(frozen=True)
class House:
    gate: Gate
    realtime: Realtime


@dataclass(frozen=True)
class Hired:
    bob: Bob
    user_id: UserId

    @property
    def id(self) -> str:
        return public("usr", self.user_id)


@pytest.fixture
def hired(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault) -> Hired:
    """Bob, assigned to alice's company, on a shift; nothing is signed."""
    user = people.user(people.operator().tenant_id, "Bob", "agent", name="Bob Osei")
    with gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(session, vault=vault, user_id=user.id, number=1001, name="Bob")
        roster.assign(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, starts_at=clock.now())
        presence.sign_in(session, agent_id=agent.id, at=clock.now())
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return Hired(Bob(made, gate, AgentId(agent.id)), user.id)


@pytest.fixture
def call_id(gate: Gate, vault: Vault, cast: Cast, hired: Hired) -> CallId:
    made = factory.call(gate, vault, factory.line(gate, cast.a.tenant_id), is_over=False)
    hired.bob.talks(made, cast.a.tenant_id)
    return made


def clients(gate: Gate, agent_id: AgentId) -> frozenset[TenantId]:
    with gate.open(Scope.system(OPERATOR)) as session:
        return seating.serving_one(session, agent_id=agent_id).clients


def test_first_day_from_nothing_signed_to_the_customer_on_the_screen(
    hired: Hired, cast: Cast, gate: Gate, alice: Browser, browser: Browsers, people: People, call_id: CallId
) -> None:
    """The walk: both publish, Bob reads and signs both, and only then the record opens."""
    bob, a = hired.bob, cast.a.tenant_id
    record = f"/console/offers/{public('off', bob.offer_id)}"
    dana = browser()
    dana.sign_in(scene.staff(people, "operator_support").email)
    assert "It has published no agreement" in bob.browser.get("/console/").text
    assert bob.browser.get(record).status_code == 403
    for who, path in ((dana, "/operator/agreements"), (alice, "/portal/agreement")):
        assert "Nothing is published yet" in who.get(path).text
        assert who.post(path, {"body": SECRETS, "grace_days": "7"}).location == path
        assert SECRETS in who.get(path).text
    assert "You take no calls for Pelican Parcel yet" in bob.browser.get("/console/").text
    for company in (OPERATOR, a):
        assert bob.browser.get(record).status_code == 403
        assert clients(gate, bob.agent_id) == set()
        page = f"/console/agreements/{public('ten', company)}"
        assert SECRETS in bob.browser.get(page).text
        for wrong in ({"name": "Bob Osei"}, {"read": "yes"}, {"read": "yes", "name": "Bob"}):
            assert bob.browser.post(page, {"version": "1", **wrong}).status_code == 422
        signed = {"version": "1", "read": "yes", "name": "bob  osei"}
        assert bob.browser.post(page, signed).location == "/console/agreements"
    assert bob.browser.get(record).status_code == 200
    assert clients(gate, bob.agent_id) == {a}
    assert "You take no calls" not in bob.browser.get("/console/idle").text
    assert "Signed the agreement on secrecy" in alice.get("/portal/evidence").text
    assert "1001" in alice.get("/portal/agreement").text
    assert "Bob" not in alice.get("/portal/agreement").text


def test_new_version_is_said_in_time_and_shuts_after_it(
    hired: Hired, cast: Cast, gate: Gate, alice: Browser
) -> None:
    papers.signed(gate, hired.user_id, cast.a.tenant_id)
    alice.post("/portal/agreement", {"body": f"{SECRETS} More.", "grace_days": "3"})
    assert "Pelican Parcel has a new agreement on secrecy" in hired.bob.browser.get("/console/").text
    assert "Older version" in alice.get("/portal/agreement").text
    assert clients(gate, hired.bob.agent_id) == {cast.a.tenant_id}
    alice.post("/portal/agreement", {"body": f"{SECRETS} At once.", "grace_days": "0"})
    assert clients(gate, hired.bob.agent_id) == set()
    assert "You take no calls for Pelican Parcel yet" in hired.bob.browser.get("/console/").text


def test_revoked_in_a_call_sees_nothing_more_and_the_call_goes_on(
    hired: Hired, cast: Cast, gate: Gate, alice: Browser, call_id: CallId, realtime: Realtime
) -> None:
    papers.signed(gate, hired.user_id, cast.a.tenant_id)
    bob, record = hired.bob, f"offers/{public('off', hired.bob.offer_id)}"
    assert bob.browser.get(f"/console/{record}").status_code == 200
    assert alice.post(f"/portal/agreement/signers/{hired.id}/shut-out").status_code == 303
    for path in (record, f"calls/{public('call', call_id)}/draft"):
        assert bob.browser.get(f"/console/{path}").status_code == 403
    assert bob.posts(f"{record}/reveal/phone", {}).status_code == 403
    state = bob.browser.get("/console/state").get_json()
    assert state["activity"] == "on-call"
    assert bob.posts(f"calls/{public('call', call_id)}/hang-up", {}).status_code == 202
    # the follow-up: the floor hears of it; the session stays while they talk, and ends with the call
    event = SignerSettled(tenant_id=cast.a.tenant_id, user_id=hired.user_id, act="revoked")
    follows: Any = named("agreements.signer")
    with gate.open(Scope.system(OPERATOR)) as session:
        follows.handle(House(gate, realtime), session, event)
    assert OrderKind.SERVES in bob.orders()
    shuts: Any = named("agreements.shut-out")
    assert shuts.handle(House(gate, realtime), event) <= dt.timedelta(seconds=2)
    assert bob.browser.get("/console/state").status_code == 200
    bob.closed(bob.offer_id)
    assert shuts.handle(House(gate, realtime), event) is None
    assert bob.browser.get("/console/state").status_code == 401


def test_shut_out_signs_only_after_being_let_in(hired: Hired, cast: Cast, gate: Gate, alice: Browser) -> None:
    papers.signed(gate, hired.user_id, cast.a.tenant_id)
    alice.post(f"/portal/agreement/signers/{hired.id}/shut-out")
    page = f"/console/agreements/{public('ten', cast.a.tenant_id)}"
    assert "has shut you out" in hired.bob.browser.get(page).text
    signs = {"version": "1", "read": "yes", "name": "Bob Osei"}
    assert hired.bob.browser.post(page, signs).status_code == 403
    alice.post(f"/portal/agreement/signers/{hired.id}/let-in")
    assert clients(gate, hired.bob.agent_id) == set()
    assert hired.bob.browser.post(page, signs).status_code == 303
    assert clients(gate, hired.bob.agent_id) == {cast.a.tenant_id}


def test_agent_reads_no_agreement_of_another_company(hired: Hired, cast: Cast, gate: Gate) -> None:
    papers.published(gate, cast.b.tenant_id)
    theirs = public("ten", cast.b.tenant_id)
    unknown = public("ten", new_id())
    for company in (theirs, unknown):
        assert hired.bob.browser.get(f"/console/agreements/{company}").status_code == 404
        assert hired.bob.browser.post(f"/console/agreements/{company}", {}).status_code == 404


def test_operator_gives_companies_without_one_the_standard_text(
    cast: Cast, browser: Browsers, people: People, gate: Gate
) -> None:
    people.operator()
    dana = browser()
    dana.sign_in(scene.staff(people, "operator_support").email)
    assert "2 companies have published no agreement" in dana.get("/operator/agreements").text
    dana.post("/operator/agreements/standard")
    dana.post("/operator/agreements/standard")
    assert "published no agreement" not in dana.get("/operator/agreements").text
    for company in (cast.a, cast.b):
        with gate.open(Scope.system(company.tenant_id)) as session:
            (only,) = agreements.versions(session, tenant_id=company.tenant_id)
        assert company.name in only.body


def test_programs_publish_list_and_shut_out(hired: Hired, cast: Cast, gate: Gate, program: Programs) -> None:
    mine, other = program(cast.a), program(cast.b)
    assert mine.get("/agreement").status_code == 404
    made = mine.post("/agreement", {"body": SECRETS}).get_json()
    assert (made["version"], len(made["sha256"])) == (1, 64)
    papers.signed(gate, hired.user_id, cast.a.tenant_id)
    (one,) = mine.get("/agreement/signers").get_json()["data"]
    assert (one["id"], one["number"], one["state"]) == (hired.id, 1001, "signed")
    assert other.get("/agreement/signers").get_json()["data"] == []
    assert other.post(f"/agreement/signers/{hired.id}/shut-out").status_code == 404
    assert mine.post(f"/agreement/signers/{hired.id}/shut-out").status_code == 204
    assert mine.get("/agreement/signers").get_json()["data"][0]["state"] == "revoked"
    assert mine.post("/agreement", {"body": "x", "grace_days": 91}).status_code == 422
