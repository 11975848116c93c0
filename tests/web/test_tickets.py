"""Tickets at each door: the agent's console, the customer's page in the portal, the programs' API."""

import datetime as dt

import pytest

from core import clock
from core.ids import CallId, OfferId, TicketId, new_id, parse, public
from customers import pins, tickets
from customers.records import CustomerCard
from customers.tickets import Details, Ticket, TicketKind, TicketState
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.queues import WrapUp
from telephony.routing import settings as routing
from telephony.routing.settings import RoutingSettings, TierSettings
from tests.customers import factory as customers
from tests.factories import telephony
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs
from tests.web.test_api import code_of
from tests.web.test_console_desk import Bob, bob

__all__ = ["bob"]

LATE = {"kind": "complaint", "subject": "Parcel is late", "text": "Waited at gate B."}


@pytest.fixture
def ines(gate: Gate, vault: Vault, cast: Cast) -> CustomerCard:
    return customers.stored(gate, vault, cast.a.tenant_id)


@pytest.fixture
def call_id(gate: Gate, vault: Vault, cast: Cast, ines: CustomerCard) -> CallId:
    line = telephony.line(gate, cast.a.tenant_id)
    return telephony.call(gate, vault, line, is_over=False, customer_id=ines.id)


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


def every(gate: Gate, vault: Vault, cast: Cast) -> list[Ticket]:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return tickets.page(session, tenant_id=cast.a.tenant_id, vault=vault)


def stored(gate: Gate, vault: Vault, cast: Cast, card: CustomerCard) -> Ticket:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return tickets.open_ticket(
            session,
            tenant_id=cast.a.tenant_id,
            vault=vault,
            customer_id=card.id,
            details=Details(TicketKind.COMPLAINT, "Parcel is late", "Waited at gate B."),
            by=cast.alice.id,
        )


def at(offer_id: OfferId) -> str:
    return f"offers/{public('off', offer_id)}/tickets"


def test_an_agent_opens_a_ticket_in_the_call_and_it_pops_with_the_next(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast, ines: CustomerCard
) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    due = (clock.now() + dt.timedelta(days=1)).isoformat()
    answer = bob.posts(at(bob.offer_id), LATE | {"due_at": due})
    assert answer.status_code == 201
    (made,) = every(gate, vault, cast)
    assert parse("tkt", answer.get_json()["id"]) == made.ticket_id
    assert (made.customer_id, made.opened_in, made.state) == (ines.id, call_id, TicketState.OPEN)
    bob.closed(bob.offer_id)
    bob.talks(call_id, cast.a.tenant_id)
    pop = bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").get_data(as_text=True)
    assert "Parcel is late" in pop
    assert "Waited at gate B." in pop
    bob.wraps_up()
    path = f"{at(bob.offer_id)}/{public('tkt', made.ticket_id)}"
    assert bob.posts(path, {"state": "closed"}).status_code == 204
    (closed,) = every(gate, vault, cast)
    assert closed.state is TicketState.CLOSED
    pop = bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").get_data(as_text=True)
    assert "Parcel is late" not in pop


def test_a_ticket_is_out_of_reach_before_the_call_and_after_the_wrap_up(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast, ines: CustomerCard
) -> None:
    there = stored(gate, vault, cast, ines)
    offer_id = bob.offered(cast.a.tenant_id, call_id)
    ways = ((at(offer_id), LATE), (f"{at(offer_id)}/{public('tkt', there.ticket_id)}", {"state": "closed"}))
    for path, form in ways:  # it only rings
        assert bob.posts(path, form).status_code == 404
    bob.closed(offer_id)
    bob.talks(call_id, cast.a.tenant_id)
    long_ago = clock.now() - dt.timedelta(minutes=5)
    bob.wraps_up(began_at=long_ago)  # its time is up, and the switchboard is away
    for path, form in (
        (at(bob.offer_id), LATE),
        (f"{at(bob.offer_id)}/{public('tkt', there.ticket_id)}", {"state": "closed"}),
    ):
        assert bob.posts(path, form).status_code == 404
    assert bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").status_code == 404
    (still,) = every(gate, vault, cast)
    assert still.state is TicketState.OPEN


def test_another_customers_ticket_is_out_of_reach(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast
) -> None:
    chen = customers.stored(gate, vault, cast.a.tenant_id, phone=customers.CHEN)
    theirs = stored(gate, vault, cast, chen)
    bob.talks(call_id, cast.a.tenant_id)
    for which in (theirs.ticket_id, TicketId(new_id())):
        path = f"{at(bob.offer_id)}/{public('tkt', which)}"
        answer = bob.posts(path, {"state": "closed"})
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not-found")
    (still,) = every(gate, vault, cast)
    assert still.state is TicketState.OPEN


def test_an_unknown_caller_has_no_ticket(bob: Bob, gate: Gate, vault: Vault, cast: Cast) -> None:
    line = telephony.line(gate, cast.a.tenant_id)
    bob.talks(telephony.call(gate, vault, line, is_over=False), cast.a.tenant_id)
    answer = bob.posts(at(bob.offer_id), LATE)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "ticket-without-customer")


@pytest.mark.parametrize(
    "differs",
    [
        {"kind": "wish"},
        {"kind": None},
        {"subject": ""},
        {"subject": 7},
        {"text": ["x"]},
        {"text": "4111 1111 1111 1111"},
        {"due_at": "soon"},
        {"due_at": "2020-01-01T10:00:00+00:00"},
        {"due_at": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_ticket_that_is_none_is_refused(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast, differs: dict[str, object]
) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    assert bob.posts(at(bob.offer_id), LATE | differs).status_code == 422
    assert every(gate, vault, cast) == []


def test_the_company_opens_and_closes_one_on_the_customers_page(
    alice: Browser, gate: Gate, vault: Vault, cast: Cast, ines: CustomerCard
) -> None:
    path = f"/portal/customers/{public('cus', ines.id)}"
    assert alice.post(f"{path}/tickets", LATE | {"due": "2020-01-01T10:00"}).status_code == 303
    assert "The ticket cannot be kept so" in alice.get(path).text
    assert alice.post(f"{path}/tickets", LATE | {"due": ""}).status_code == 303
    (made,) = every(gate, vault, cast)
    page = alice.get(path).text
    assert "Parcel is late" in page
    assert cast.alice.name in page
    moved = f"{path}/tickets/{public('tkt', made.ticket_id)}"
    assert alice.post(moved, {"state": "closed"}).status_code == 303
    assert every(gate, vault, cast)[0].state is TicketState.CLOSED
    assert alice.post(moved, {"state": "lost"}).status_code == 404
    chen = customers.stored(gate, vault, cast.a.tenant_id, phone=customers.CHEN)
    strange = f"/portal/customers/{public('cus', chen.id)}/tickets/{public('tkt', made.ticket_id)}"
    assert alice.post(strange, {"state": "open"}).status_code == 404


@pytest.fixture
def in_gold(gate: Gate, cast: Cast, ines: CustomerCard) -> None:
    """Ines is in a tier whose work orders are done within eight hours."""
    tiers = (TierSettings("vip", "VIP", work_order_h=8), TierSettings("vip-gold", "Gold", above="vip"))
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        routing.write(session, tenant_id=cast.a.tenant_id, settings=RoutingSettings(tiers=tiers))
        routing.put_in_tier(session, tenant_id=cast.a.tenant_id, customer_id=ines.id, tier="vip-gold")


@pytest.mark.usefixtures("in_gold")
def test_a_ticket_is_due_when_the_customers_tier_says_at_every_door(
    alice: Browser,
    ours: Program,
    bob: Bob,
    call_id: CallId,
    gate: Gate,
    vault: Vault,
    cast: Cast,
    ines: CustomerCard,
) -> None:
    customer, noon = public("cus", ines.id), clock.now()
    with clock.hold(noon):
        bob.talks(call_id, cast.a.tenant_id)
        assert bob.posts(at(bob.offer_id), LATE).status_code == 201
        assert alice.post(f"/portal/customers/{customer}/tickets", LATE).status_code == 303
        by_tier = ours.post("/tickets", LATE | {"customer": customer}).get_json()
        never = ours.post("/tickets", LATE | {"customer": customer, "due_at": None}).get_json()
    assert never["due_at"] is None
    assert by_tier["due_at"] is not None
    dues = [one.details.due_at for one in every(gate, vault, cast)]
    assert dues == [None, *[noon + dt.timedelta(hours=8)] * 3]


@pytest.mark.usefixtures("in_gold")
def test_what_is_overdue_stands_above_and_can_be_asked_for(
    alice: Browser, ours: Program, gate: Gate, vault: Vault, cast: Cast, ines: CustomerCard
) -> None:
    then = clock.now() - dt.timedelta(hours=9)
    with clock.hold(then):
        late = ours.post("/tickets", LATE | {"customer": public("cus", ines.id)}).get_json()["id"]
    fresh = {"customer": public("cus", ines.id), "subject": "Asks for an invoice"}
    ours.post("/tickets", LATE | fresh)
    assert [one["id"] for one in ours.get("/tickets?overdue=true").get_json()["data"]] == [late]
    page = alice.get("/portal/tickets").text
    overdue, waiting = page.split('id="waiting"')
    assert "Parcel is late" in overdue.partition('id="late"')[2]
    assert "Asks for an invoice" in waiting
    assert "Parcel is late" not in waiting
    assert "Ines" not in page  # masked
    tickets_closed = every(gate, vault, cast)[-1]
    path = f"/portal/customers/{public('cus', ines.id)}/tickets/{public('tkt', tickets_closed.ticket_id)}"
    alice.post(path, {"state": "closed"})
    assert ours.get("/tickets?overdue=true").get_json()["data"] == []


@pytest.mark.usefixtures("in_gold")
def test_a_customer_is_put_in_a_tier_on_their_page(
    alice: Browser, gate: Gate, cast: Cast, ines: CustomerCard
) -> None:
    path = f"/portal/customers/{public('cus', ines.id)}"

    def tier() -> str:
        with gate.open(Scope.system(cast.a.tenant_id)) as session:
            return routing.tier_of(session, tenant_id=cast.a.tenant_id, customer_id=ines.id)

    assert '<option value="vip-gold" selected>Gold' in alice.get(path).text
    for wanted in ("vip", ""):
        alice.post(f"{path}/tier", {"tier": wanted})
        assert tier() == wanted
    alice.post(f"{path}/tier", {"tier": "nobody"})
    assert "There is no such tier any more." in alice.get(path).text
    assert tier() == ""


def test_a_pin_is_set_on_the_customers_page_and_never_shown(
    alice: Browser, ours: Program, gate: Gate, cast: Cast, ines: CustomerCard
) -> None:
    path = f"/portal/customers/{public('cus', ines.id)}"

    def has_pin() -> bool:
        with gate.open(Scope.system(cast.a.tenant_id)) as session:
            return pins.of(session, tenant_id=cast.a.tenant_id, customer_id=ines.id) is not None

    alice.post(f"{path}/pin", {"pin": "1234"})
    assert "A PIN is four to eight digits" in alice.get(path).text
    assert not has_pin()
    alice.post(f"{path}/pin", {"pin": "40719"})
    page = alice.get(path).text
    assert "The PIN is set." in page
    assert "40719" not in page
    assert has_pin()
    alice.post(f"{path}/pin", {"away": "1"})
    assert not has_pin()
    api = f"/customers/{public('cus', ines.id)}/pin"
    assert ours.call("PUT", api, json={"pin": "9038"}).get_json() == {"is_set": True}
    assert has_pin()
    assert ours.call("PUT", api, json={"pin": "9999"}).status_code == 422
    assert ours.call("PUT", api, json={"pin": None}).get_json() == {"is_set": False}
    assert not has_pin()


def test_who_sees_no_customers_sees_no_tickets(
    browser: Browsers, people: People, cast: Cast, ines: CustomerCard
) -> None:
    ana = browser()
    ana.sign_in(people.user(cast.a.tenant_id, "Ana", "tenant_analyst").email)
    assert ana.post(f"/portal/customers/{public('cus', ines.id)}/tickets", LATE).status_code == 403


def test_programs_open_list_and_change_tickets(
    ours: Program, program: Programs, cast: Cast, ines: CustomerCard
) -> None:
    customer = public("cus", ines.id)
    opened = ours.post("/tickets", LATE | {"customer": customer})
    assert opened.status_code == 201
    made = opened.get_json()
    path = f"/tickets/{made['id']}"
    assert opened.headers["Location"].endswith(path)
    assert (made["state"], made["call"], made["opened_by"][:4]) == ("open", None, "key_")
    read = ours.get(path)
    assert read.get_json() == made
    tag = read.headers["ETag"]
    changed = ours.call("PATCH", path, json={"state": "closed"}, headers={"If-Match": tag})
    assert changed.get_json()["state"] == "closed"
    assert changed.get_json()["closed_at"] is not None
    stale = ours.call("PATCH", path, json={"state": "open"}, headers={"If-Match": tag})
    assert code_of(stale)[0] == 412
    ours.post("/tickets", LATE | {"customer": customer, "kind": "request"})
    assert [one["kind"] for one in ours.get("/tickets?state=open").get_json()["data"]] == ["request"]
    assert ours.get("/tickets?customer=cus_nobody").status_code == 404  # as the document says
    first = ours.get(f"/tickets?customer={customer}&limit=1").get_json()
    assert first["has_more"]
    rest = ours.get(f"/tickets?customer={customer}&limit=1&starting_after={first['next']}").get_json()
    assert [one["id"] for one in rest["data"]] == [made["id"]]
    for wrong in ({"kind": "wish"}, {"subject": "x" * 121}, {"text": "4111111111111111"}):
        assert ours.post("/tickets", LATE | {"customer": customer} | wrong).status_code == 422
    theirs = program(cast.b)
    assert theirs.get(path).status_code == 404
    assert theirs.get("/tickets").get_json()["data"] == []
    assert theirs.post("/tickets", LATE | {"customer": customer}).status_code == 404
    assert (
        program(cast.a, "customers.read").post("/tickets", LATE | {"customer": customer}).status_code == 403
    )


def test_a_forgotten_wrap_up_opens_none(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast
) -> None:
    bob.talks(call_id, cast.a.tenant_id)
    bob.wraps_up(for_s=None, mode=WrapUp.MANDATORY, began_at=clock.now() - dt.timedelta(minutes=61))
    assert bob.posts(at(bob.offer_id), LATE).status_code == 404
    assert every(gate, vault, cast) == []
