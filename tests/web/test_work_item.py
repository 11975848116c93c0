"""T70 to T73 and T75: one customer at a time, the one of the call in hand, for a purpose, and no decoy."""

import datetime as dt
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from core import clock
from core.ids import OPERATOR, AgentId, CallId, CustomerId, OfferId, TenantId, UserId, new_id, public
from customers import budgets, decoys, reveals
from customers.budgets import Allowed
from customers.records import CustomerCard
from seats import desk, presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import alarms
from tests.customers.factory import stored
from tests.factories import agreements as papers
from tests.factories import telephony as factory
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.test_console_desk import Bob
from web.console import desk as desk_of_console

Hire = Callable[[str, int], Bob]


@pytest.fixture
def hire(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault) -> Hire:
    """Hires agents who serve both companies and have signed everything."""
    people.operator()

    def make(name: str, number: int) -> Bob:
        user = people.user(OPERATOR, name, "agent")
        with gate.open(Scope.system(OPERATOR)) as session:
            agent = roster.hire(session, vault=vault, user_id=user.id, number=number, name=name)
            for company in (cast.a, cast.b):
                roster.assign(
                    session, agent_id=agent.id, client_tenant_id=company.tenant_id, starts_at=clock.now()
                )
            presence.sign_in(session, agent_id=agent.id, at=clock.now())
        papers.signed(gate, UserId(user.id), cast.a.tenant_id, cast.b.tenant_id)
        made = browser()
        assert made.sign_in(user.email).status_code == 303
        return Bob(made, gate, AgentId(agent.id))

    return make


@pytest.fixture
def bob(hire: Hire) -> Bob:
    return hire("Bob", 1001)


@pytest.fixture
def ines(gate: Gate, vault: Vault, cast: Cast) -> CustomerCard:
    return stored(gate, vault, cast.a.tenant_id)


def a_call(gate: Gate, vault: Vault, tenant_id: TenantId, customer_id: CustomerId, digits: str) -> CallId:
    line = factory.line(gate, tenant_id, digits=digits)
    return factory.call(gate, vault, line, customer_id=customer_id, is_over=False)


@pytest.fixture
def call_id(gate: Gate, vault: Vault, cast: Cast, ines: CustomerCard) -> CallId:
    return a_call(gate, vault, cast.a.tenant_id, ines.id, factory.DIALLED)


def ways(bob: Bob, offer_id: OfferId, call_id: CallId) -> dict[str, TestResponse]:
    """Try every way there is from an agent to the customer of a call."""
    offer, call = f"offers/{public('off', offer_id)}", f"calls/{public('call', call_id)}"
    return {
        "pop": bob.browser.get(f"/console/{offer}"),
        "painted": bob.posts(f"{offer}/painted", {}),
        **{
            f"reveal {field}": bob.posts(f"{offer}/reveal/{field}", {"purpose": "contact"})
            for field in reveals.FIELDS
        },
        "read draft": bob.browser.get(f"/console/{call}/draft"),
        "draft": bob.posts(f"{call}/draft", {"notes": "x"}),
        "wrap up": bob.posts(f"{call}/wrap-up", {"disposition": "resolved", "notes": ""}),
        "recording": bob.posts(f"{call}/recording", {"paused": True}),
        "hold": bob.posts(f"{call}/hold", {"on": True}),
    }


def refused(tried: dict[str, TestResponse]) -> list[str]:
    """Return the ways that were not refused as if there were no such thing."""
    return [way for way, answer in tried.items() if answer.status_code != 404]


def test_without_a_call_no_way_leads_to_a_customer(bob: Bob, call_id: CallId) -> None:
    assert refused(ways(bob, OfferId(new_id()), call_id)) == []


def test_another_agents_call_is_not_there(bob: Bob, hire: Hire, cast: Cast, call_id: CallId) -> None:
    eve = hire("Eve", 1002)
    bob.talks(call_id, cast.a.tenant_id)
    assert refused(ways(eve, bob.offer_id, call_id)) == []
    assert ways(bob, bob.offer_id, call_id)["pop"].status_code == 200


def test_after_the_wrap_up_and_its_deadline_it_is_gone(bob: Bob, cast: Cast, call_id: CallId) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    bob.wraps_up(for_s=60)
    pop = f"/console/offers/{public('off', bob.offer_id)}"
    assert bob.browser.get(pop).status_code == 200
    with clock.hold(clock.now() + dt.timedelta(seconds=66)):
        # nobody has closed it: a switchboard that is away opens nothing
        tried = ways(bob, bob.offer_id, call_id)
        assert (
            refused({way: tried[way] for way in tried if way.startswith(("pop", "painted", "reveal"))}) == []
        )
    bob.closed(bob.offer_id)
    assert refused(ways(bob, bob.offer_id, call_id)) == []


def test_offer_that_ran_out_shows_nothing(bob: Bob, cast: Cast, call_id: CallId) -> None:
    offer_id = bob.offered(cast.a.tenant_id, call_id)
    pop = f"/console/offers/{public('off', offer_id)}"
    assert bob.browser.get(pop).status_code == 200
    with clock.hold(clock.now() + dt.timedelta(seconds=26)):
        assert bob.browser.get(pop).status_code == 404


def test_looks_need_a_purpose_and_end_with_the_budget_until_a_supervisor_grants_more(
    bob: Bob, cast: Cast, gate: Gate, call_id: CallId, browser: Browsers, ines: CustomerCard
) -> None:
    """T71, as both live it."""
    bob.talks(call_id, cast.a.tenant_id)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        budgets.allow(session, tenant_id=cast.a.tenant_id, wanted=Allowed(per_hour=1))
    look = f"offers/{public('off', bob.offer_id)}/reveal/phone"
    assert bob.posts(look, {}).get_json()["code"] == "look-purpose"
    assert bob.posts(look, {"purpose": "contact"}).get_json()["value"] == ines.phone
    over = bob.posts(look, {"purpose": "contact"})
    assert (over.status_code, over.get_json()["code"]) == (403, "looks-used-up")
    sue = browser()
    sue.sign_in(cast.sue.email)
    page = sue.get("/portal/looks").text
    assert "used up" in page
    with gate.open(Scope.system(OPERATOR)) as session:
        user_id = desk.serving_one(session, agent_id=bob.agent_id).agent.user_id
    sue.post(f"/portal/looks/{public('usr', user_id)}/grant", {"extra": "5"})
    assert bob.posts(look, {"purpose": "asked"}).status_code == 200


def test_a_company_may_hide_numbers_from_agents_who_call_by_button_all_the_same(
    bob: Bob, cast: Cast, gate: Gate, call_id: CallId, browser: Browsers, ines: CustomerCard
) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    pop = f"/console/offers/{public('off', bob.offer_id)}"
    look = f"offers/{public('off', bob.offer_id)}/reveal"
    assert "+44 7700 900•••" in bob.browser.get(pop).text
    alice = browser()
    alice.sign_in(cast.alice.email)
    form = {"per_hour": "20", "hides_numbers": "yes"}
    assert alice.post("/portal/looks/budget", form).status_code == 303
    page = alice.get("/portal/looks").text
    assert 'name="hides_numbers" value="yes" checked' in page
    assert 'name="hears_messages" value="yes" checked' not in page
    desk_of_console._clients.clear()  # known to a process for a minute
    shown = bob.browser.get(pop).text
    assert "+44 •••••" in shown
    assert "7700" not in shown
    assert f"/console/{look}/phone" not in shown
    assert f"/console/{look}/email" in shown
    refused = bob.posts(f"{look}/phone", {"purpose": "contact"})
    assert (refused.status_code, refused.get_json()["code"]) == (403, "numbers-hidden")
    assert bob.posts(f"{look}/email", {"purpose": "contact"}).status_code == 200
    bob.closed(bob.offer_id)
    idle = bob.browser.get("/console/idle").text
    assert "+44 •••••" in idle
    assert "7700" not in idle
    assert f"/console/calls/{public('call', call_id)}/dial" in idle
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert "Numbers are hidden from agents." in sue.get("/portal/looks").text


def test_programs_say_what_agents_see_and_hear(cast: Cast, program: Programs) -> None:
    ours = program(cast.a)
    assert ours.call("PUT", "/looks", json={"per_hour": 7, "hears_messages": True}).status_code == 200
    ours.call("PUT", "/looks", json={"per_hour": 8, "hides_numbers": True})
    now = ours.get("/looks").get_json()
    assert (now["per_hour"], now["hears_messages"], now["hides_numbers"]) == (8, True, True)
    theirs = program(cast.b).get("/looks").get_json()
    assert (theirs["per_hour"], theirs["hears_messages"], theirs["hides_numbers"]) == (20, False, False)


def test_record_bears_the_mark_of_who_reads_it(bob: Bob, cast: Cast, call_id: CallId) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    page = bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").text
    assert "Bob · Pelican Parcel" in page
    assert '<svg class="watermark" aria-hidden="true"' in page


def test_a_call_of_another_company_closes_the_first_ones_record(
    bob: Bob, cast: Cast, gate: Gate, vault: Vault, call_id: CallId
) -> None:
    """T72 and T73: B's customer only in B's item, A's gone; nothing is kept by the browser."""
    theirs = stored(gate, vault, cast.b.tenant_id, name="Walter Quist")
    other = a_call(gate, vault, cast.b.tenant_id, theirs.id, "+448081570143")
    bob.talks(call_id, cast.a.tenant_id)
    first = bob.offer_id
    shown = bob.browser.get(f"/console/offers/{public('off', first)}")
    assert "Ines Carvalho" in shown.text
    assert "no-store" in shown.headers["Cache-Control"]
    bob.talks(other, cast.b.tenant_id)
    second = bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").text
    assert "Walter Quist" in second
    assert "Ines Carvalho" not in second
    assert refused(ways(bob, first, call_id)) == []
    bob.closed(bob.offer_id)
    assert bob.browser.get("/console/idle").headers["Clear-Site-Data"] == '"cache"'
    assert bob.browser.post("/sign-out").headers["Clear-Site-Data"] == '"cache"'


def open_alarms(gate: Gate, tenant_id: TenantId) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        return [one.kind for one in alarms.page(session, tenant_id=tenant_id, limit=9, is_open=True)]


def test_agent_who_opens_a_decoy_raises_an_alarm_and_is_out(
    bob: Bob, cast: Cast, gate: Gate, call_id: CallId, ines: CustomerCard, alice: Browser
) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        decoys.mark(session, tenant_id=cast.a.tenant_id, customer_id=ines.id)
    answer = bob.posts(f"offers/{public('off', bob.offer_id)}/reveal/phone", {"purpose": "contact"})
    assert answer.status_code == 401
    assert ines.phone not in answer.text
    assert open_alarms(gate, cast.a.tenant_id) == ["decoy-opened"]
    assert bob.browser.get("/console/state").status_code == 401
    assert "Somebody opened a decoy customer" in alice.get("/portal/").text


def test_everybody_who_opens_one_is_out_the_owner_too(
    cast: Cast, gate: Gate, vault: Vault, browser: Browsers, alice: Browser, program: Programs
) -> None:
    """T75: page, reveal, form, API; nothing of it is shown, and the list still shows it like any other."""
    alice.post("/portal/decoys")
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (made,) = decoys.every(session, tenant_id=cast.a.tenant_id, vault=vault)
        decoy = public("cus", made.customer_id)
    here = f"/portal/customers/{decoy}"
    for method, path in (("get", here), ("post", f"{here}/reveal/name"), ("post", f"{here}/edit")):
        sue = browser()
        sue.sign_in(cast.sue.email)
        assert decoy in sue.get("/portal/customers").text
        assert getattr(sue, method)(path).status_code == 401
        assert sue.get("/portal/").status_code == 401
    key = program(cast.a)
    assert decoy in key.get("/customers").text
    assert key.get(f"/customers/{decoy}").status_code == 401
    assert key.get("/customers").status_code == 401
    assert open_alarms(gate, cast.a.tenant_id) == ["decoy-opened"]
    assert alice.get("/portal/decoys").status_code == 200
    assert alice.get(here).status_code == 401
    assert alice.get("/portal/decoys").status_code == 401


def test_only_owners_know_of_decoys(cast: Cast, people: People, browser: Browsers, alice: Browser) -> None:
    people.user(cast.a.tenant_id, "Adam", "tenant_admin")
    adam = browser()
    adam.sign_in("adam@pelicanparcel.example")
    assert adam.get("/portal/decoys").status_code == 403
    assert adam.post("/portal/decoys").status_code == 403
    assert "No decoys yet" in alice.get("/portal/decoys").text


def test_decoy_is_marked_from_its_page_and_made_ordinary_again(
    alice: Browser, ines: CustomerCard, gate: Gate, cast: Cast
) -> None:
    here = f"/portal/customers/{public('cus', ines.id)}"
    assert alice.post(f"{here}/decoy").location == "/portal/decoys"
    assert "Ines Carvalho" in alice.get("/portal/decoys").text
    alice.post(f"/portal/decoys/{public('cus', ines.id)}/remove")
    assert alice.get(here).status_code == 200
    assert open_alarms(gate, cast.a.tenant_id) == []
