"""Dialling by hand at the console's doorway: it passes the gate, and a refusal is a sentence."""

import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from billing import credit
from core import clock
from core.ids import OPERATOR, AgentId, CallId, OfferId, TenantId, new_id, parse, public
from core.phone import E164
from customers import callbacks, dispositions, do_not_call
from customers.dispositions import Disposition
from seats import presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, orders, work
from telephony.orders import OrderKind
from telephony.outbound.gate import RefusalReason
from tests.billing import stock as prices
from tests.factories import agreements
from tests.factories import telephony as factory
from tests.tenants.people import People
from tests.web.conftest import Browsers, Cast
from tests.web.test_console_desk import Bob
from web import words
from web.shown import campaigns

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
INES = E164("+447700900123")


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOON):
        yield


@pytest.fixture
def line(gate: Gate, cast: Cast) -> factory.Line:
    """What the company needs to call out: prices, a queue, a number to show."""
    version = prices.publish(gate)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        prices.customer(session, tenant_id=cast.a.tenant_id, version=version)
    return factory.line(gate, cast.a.tenant_id)


@pytest.fixture
def bob(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault, line: factory.Line) -> Bob:
    user = people.user(people.operator().tenant_id, "Bob", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(session, vault=vault, user_id=user.id, number=1001, name="Bob")
        roster.assign(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, starts_at=clock.now())
        roster.teach(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, queue_id=line.queue_id)
        presence.sign_in(session, agent_id=agent.id, at=clock.now())
    agreements.signed(gate, user.id, cast.a.tenant_id)
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return Bob(made, gate, AgentId(agent.id))


def decisions(gate: Gate, tenant_id: TenantId) -> list[tuple[bool, str | None, bool]]:
    with gate.open(Scope.system(tenant_id)) as session:
        rows = session.execute(
            text("SELECT is_cleared, reason, by_agent_id IS NOT NULL FROM app.dial_decisions ORDER BY id")
        )
        return [(row[0], row[1], row[2]) for row in rows]


def test_a_number_dialled_passes_the_gate_and_is_ordered_once(
    bob: Bob, line: factory.Line, gate: Gate
) -> None:
    answer = bob.posts("dial", {"number": "07700 900123", "queue": str(line.queue_id)})
    assert answer.status_code == 202, answer.get_json()
    assert decisions(gate, line.tenant_id) == [(True, None, True)]
    with gate.open(Scope.system(OPERATOR)) as session:
        (order,) = orders.waiting(session)
    assert order.kind is OrderKind.DIAL
    assert str(parse("call", answer.get_json()["call_id"])) == order.details["attempt_id"]
    again = bob.posts("dial", {"number": INES, "queue": str(line.queue_id)})
    assert again.get_json()["code"] == "dial-under-way"


def test_what_the_gate_refuses_is_a_sentence_and_stays_decided(
    bob: Bob, line: factory.Line, gate: Gate, vault: Vault
) -> None:
    with gate.open(Scope.system(line.tenant_id)) as session:
        do_not_call.add(
            session,
            tenant_id=line.tenant_id,
            vault=vault,
            phone=INES,
            source="asked-in-call",
            by=new_id(),
        )
    answer = bob.posts("dial", {"number": INES, "queue": str(line.queue_id)})
    assert answer.status_code == 403
    said = answer.get_json()
    assert said["title"] == "This number is on the company’s do-not-call list"
    assert said["detail"] == "The person has asked not to be called. Write to them instead."
    assert decisions(gate, line.tenant_id) == [(False, "do-not-call", True)]
    assert bob.orders() == []


def test_a_company_on_hold_and_the_hour_of_the_night_are_said(
    bob: Bob, line: factory.Line, gate: Gate
) -> None:
    body = {"number": INES, "queue": str(line.queue_id)}
    clock.advance(dt.timedelta(hours=11))
    night = bob.posts("dial", body).get_json()
    assert (night["code"], night["title"]) == ("dial-outside-hours", "It is too early or too late there")
    assert night["detail"].startswith("It is 23:00 where this number rings.")
    with gate.open(Scope.system(line.tenant_id)) as session:
        credit.hold(session, tenant_id=line.tenant_id, reason="unpaid", by=new_id())
    assert bob.posts("dial", body).get_json()["title"] == "The company’s calls out are on hold"


@pytest.mark.parametrize("number", ["", "hello", "+44", "1" * 50])
def test_what_is_no_number_is_said_and_nothing_is_asked(
    bob: Bob, line: factory.Line, gate: Gate, number: str
) -> None:
    answer = bob.posts("dial", {"number": number, "queue": str(line.queue_id)})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "dial-number")
    assert decisions(gate, line.tenant_id) == []


@pytest.mark.parametrize(
    ("code", "reason"), [("999", "emergency"), ("112", "emergency"), ("118 118", "short-code")]
)
def test_emergency_and_short_numbers_are_told_apart_from_nonsense(
    bob: Bob, line: factory.Line, gate: Gate, code: str, reason: str
) -> None:
    answer = bob.posts("dial", {"number": code, "queue": str(line.queue_id)})
    assert (answer.status_code, answer.get_json()["code"]) == (403, f"dial-{reason}")
    assert decisions(gate, line.tenant_id) == [(False, reason, True)]
    assert bob.orders() == []


def test_every_refusal_of_the_gate_has_words() -> None:
    for one in RefusalReason:
        assert f"dial-{one}" in words.PROBLEMS
        assert one.value in campaigns.REFUSALS


def test_a_queue_the_agent_does_not_serve_is_refused(bob: Bob, gate: Gate, cast: Cast) -> None:
    other = factory.line(gate, cast.b.tenant_id, digits="+442079460134", queue="Returns")
    answer = bob.posts("dial", {"number": INES, "queue": str(other.queue_id)})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "dial-not-served")
    assert decisions(gate, cast.b.tenant_id) == []


def test_who_has_a_call_in_hand_does_not_dial(bob: Bob, line: factory.Line, gate: Gate) -> None:
    bob.offered(line.tenant_id)
    answer = bob.posts("dial", {"number": INES, "queue": str(line.queue_id)})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "dial-not-free")
    assert decisions(gate, line.tenant_id) == []


@pytest.fixture
def promise(bob: Bob, gate: Gate, vault: Vault, line: factory.Line) -> str:
    """Somebody who called at night has been promised a call at 23:10; return the address of it."""
    call_id = factory.call(gate, vault, line, caller=INES)
    with gate.open(Scope.system(line.tenant_id)) as session:
        callbacks.promise(
            session,
            tenant_id=line.tenant_id,
            subject_ref=call_id,
            customer_id=None,
            agent_id=bob.agent_id,
            due_at=NOON + dt.timedelta(hours=11, minutes=10),
        )
        (one,) = callbacks.open_of_agent(session, tenant_id=line.tenant_id, agent_id=bob.agent_id)
    return f"callbacks/{public('ten', line.tenant_id)}/{public('cb', one.callback_id)}/dial"


def test_who_was_promised_a_call_at_night_is_called_at_night(
    bob: Bob, gate: Gate, line: factory.Line, promise: str
) -> None:
    clock.advance(dt.timedelta(hours=11))
    assert bob.posts(promise, {}).status_code == 202
    assert decisions(gate, line.tenant_id) == [(True, None, True)]
    with gate.open(Scope.system(line.tenant_id)) as session:
        (to,) = session.execute(text("SELECT caller FROM app.outbound_dials")).scalars()
    assert to == line.digits


def test_another_agents_promise_is_not_there(bob: Bob, gate: Gate, line: factory.Line, promise: str) -> None:
    with gate.open(Scope.system(line.tenant_id)) as session:
        session.execute(text("UPDATE app.callbacks SET agent_id = :other"), {"other": new_id()})
    assert bob.posts(promise, {}).status_code == 404


def test_who_serves_the_company_no_more_finds_no_promise_of_theirs(
    bob: Bob, gate: Gate, line: factory.Line, promise: str
) -> None:
    """Not even that the company is there: its walls are not entered."""
    with gate.open(Scope.system(OPERATOR)) as session:
        roster.unassign(session, agent_id=bob.agent_id, client_tenant_id=line.tenant_id, at=clock.now())
    assert bob.posts(promise, {}).status_code == 404


def test_who_was_just_spoken_to_is_called_again_and_their_number_stays_masked(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line
) -> None:
    call_id = factory.call(gate, vault, line, caller=INES, is_over=False)
    bob.talks(call_id, line.tenant_id)
    bob.closed(bob.offer_id)
    address = f"calls/{public('call', call_id)}/dial"
    page = bob.browser.get("/console/idle").get_data(as_text=True)
    assert f"/console/{address}" in page
    assert "900123" not in page.replace(" ", "")
    assert bob.posts(address, {}).status_code == 202
    with gate.open(Scope.system(line.tenant_id)) as session:
        known = calls.these(session, tenant_id=line.tenant_id, call_ids=[call_id], vault=vault)
    assert known[0].caller == INES


def test_who_calls_says_who_they_are_and_asks_whom_they_have(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line
) -> None:
    offer_id = bob.offered(line.tenant_id, factory.call_out(gate, vault, line, to=INES))
    shown = bob.browser.get(f"/console/offers/{public('off', offer_id)}").get_data(as_text=True)
    assert "Good day, this is Bob of " in shown
    assert "How can I help" not in shown
    assert "You call for" in shown


def test_what_is_dialled_is_in_hand_and_told_with_its_state(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line
) -> None:
    call_id, offer_id = factory.call_out(gate, vault, line, to=INES), OfferId(new_id())
    known = {"offer_id": offer_id, "agent_id": bob.agent_id, "tenant_id": line.tenant_id, "call_id": call_id}
    for state, is_ringing in (("dialling", False), ("alerting", True)):
        with gate.open(Scope.system(OPERATOR)) as session:
            if state == "dialling":
                work.offer(session, **known, offered_at=NOON, expires_at=NOON, state=state)  # type: ignore[arg-type] # one each
            else:
                work.advance(session, offer_id=offer_id, state=state, at=NOON)
        told = bob.browser.get("/console/state").get_json()
        assert told["activity"] == "dialling"
        assert told["dial"] == {
            "call_id": public("call", call_id),
            "offer_id": public("off", offer_id),
            "is_ringing": is_ringing,
            "since": NOON.isoformat(),
        }
    assert bob.posts(f"calls/{public('call', call_id)}/hang-up", {}).status_code == 202
    assert bob.orders() == [OrderKind.HANG_UP]


def test_a_promise_is_kept_by_the_call_itself_once_it_is_wrapped_up(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, promise: str
) -> None:
    with gate.open(Scope.system(line.tenant_id)) as session:
        resolved = Disposition("resolved", "Resolved", "已解决")
        dispositions.define(session, tenant_id=line.tenant_id, disposition=resolved)

    def wraps_up_a_call_to(to: str) -> None:
        made = factory.call_out(gate, vault, line, to=to)
        bob.talks(made, line.tenant_id)
        bob.wraps_up()
        saved = bob.posts(f"calls/{public('call', made)}/wrap-up", {"disposition": "resolved", "notes": ""})
        assert saved.status_code == 204
        bob.closed(bob.offer_id)

    page = "/console/idle"
    wraps_up_a_call_to(INES)
    assert promise in bob.browser.get(page).get_data(as_text=True)  # it is for tonight
    clock.advance(dt.timedelta(hours=11))
    wraps_up_a_call_to("+447700900124")
    assert promise in bob.browser.get(page).get_data(as_text=True)
    wraps_up_a_call_to(INES)
    assert promise not in bob.browser.get(page).get_data(as_text=True)


def test_who_dials_while_away_sees_that_they_will_be_away_again(
    bob: Bob, gate: Gate, line: factory.Line
) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        presence.enter(session, agent_id=bob.agent_id, state="away:meal", at=NOON, event_id=new_id())
    made = bob.posts("dial", {"number": INES, "queue": str(line.queue_id)}).get_json()["call_id"]
    bob.offered(line.tenant_id, CallId(parse("call", made)))
    assert bob.next_status() == "away:meal"
    bob.wants({"status": None})
    assert bob.next_status() is None


def given_to_another(gate: Gate, vault: Vault, people: People, line: factory.Line) -> AgentId:
    """Make the promise that of Mara, who serves the company and is on no shift."""
    user = people.user(OPERATOR, "Mara", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        mara = roster.hire(session, vault=vault, user_id=user.id, number=1002, name="Mara")
        roster.assign(session, agent_id=mara.id, client_tenant_id=line.tenant_id, starts_at=clock.now())
    agreements.signed(gate, user.id, line.tenant_id)
    with gate.open(Scope.system(line.tenant_id)) as session:
        session.execute(text("UPDATE app.callbacks SET agent_id = :mara"), {"mara": mara.id})
    return mara.id


@pytest.mark.parametrize("deed", ["dial", "kept"])
def test_a_promise_that_is_due_falls_to_the_queue_when_its_agent_is_not_there(
    bob: Bob, gate: Gate, vault: Vault, people: People, line: factory.Line, promise: str, deed: str
) -> None:
    mara = given_to_another(gate, vault, people, line)
    path = promise.removesuffix("dial") + deed
    assert promise not in bob.browser.get("/console/idle").get_data(as_text=True)
    assert bob.posts(path, {}).status_code == 404  # not due yet
    clock.advance(dt.timedelta(hours=11, minutes=10))
    with gate.open(Scope.system(OPERATOR)) as session:
        presence.sign_in(session, agent_id=mara, at=clock.now())
    assert promise not in bob.browser.get("/console/idle").get_data(as_text=True)
    assert bob.posts(path, {}).status_code == 404  # she is there
    with gate.open(Scope.system(OPERATOR)) as session:
        presence.sign_out(session, agent_id=mara, at=clock.now())
    page = bob.browser.get("/console/idle").get_data(as_text=True)
    assert promise in page
    assert "of your queue" in page
    assert bob.posts(path, {}).status_code in {202, 204}
    with gate.open(Scope.system(line.tenant_id)) as session:
        theirs = callbacks.open_of_agent(session, tenant_id=line.tenant_id, agent_id=mara)
        mine = callbacks.open_of_agent(session, tenant_id=line.tenant_id, agent_id=bob.agent_id)
    assert theirs == []
    assert len(mine) == (deed == "dial")


def test_a_promise_of_another_queue_is_not_there(
    bob: Bob, gate: Gate, vault: Vault, people: People, line: factory.Line, promise: str
) -> None:
    given_to_another(gate, vault, people, line)
    with gate.open(Scope.system(OPERATOR)) as session:
        roster.unteach(session, agent_id=bob.agent_id, queue_id=line.queue_id)
    clock.advance(dt.timedelta(hours=11, minutes=10))
    assert bob.posts(promise, {}).status_code == 404
    assert promise not in bob.browser.get("/console/idle").get_data(as_text=True)
