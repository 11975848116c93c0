"""Giving a call on at the console's doorway: who is listed, what is refused, what is shown."""

from collections.abc import Callable

import pytest

from core import clock
from core.ids import OPERATOR, AgentId, CallId, OfferId, QueueId, TenantId, new_id, public
from customers import dispositions, interactions
from customers.dispositions import Disposition
from seats import presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, drafts, orders, queue_hours, queues
from telephony.calls import Left, Leg, Stage
from telephony.opening import Hours, Span
from telephony.orders import OrderKind
from telephony.queue_hours import Opening
from tests.factories import agreements
from tests.factories import telephony as factory
from tests.tenants.people import People
from tests.web.conftest import Browsers, Cast
from tests.web.test_console_desk import Bob

VAULT: list[Vault] = []  # of the test that runs
Hire = Callable[..., AgentId]


@pytest.fixture(autouse=True)
def known(vault: Vault) -> None:
    VAULT[:] = [vault]


@pytest.fixture
def line(gate: Gate, cast: Cast) -> factory.Line:
    return factory.line(gate, cast.a.tenant_id)


@pytest.fixture
def hire(gate: Gate, vault: Vault, people: People, line: factory.Line, bob: Bob) -> Hire:
    """Hire a colleague of Bob's who serves a company, and put them into a state."""
    del bob  # who has opened the operator's company

    def made(number: int, name: str, tenant_id: TenantId, state: str = "available") -> AgentId:
        user = people.user(OPERATOR, name.split(maxsplit=1)[0], "agent")
        with gate.open(Scope.system(OPERATOR)) as session:
            agent = roster.hire(session, vault=vault, user_id=user.id, number=number, name=name)
            roster.assign(session, agent_id=agent.id, client_tenant_id=tenant_id, starts_at=clock.now())
            if tenant_id == line.tenant_id:
                roster.teach(session, agent_id=agent.id, client_tenant_id=tenant_id, queue_id=line.queue_id)
            presence.sign_in(session, agent_id=agent.id, at=clock.now())
        agreements.signed(gate, user.id, tenant_id)
        with gate.open(Scope.system(OPERATOR)) as session:
            presence.enter(session, agent_id=AgentId(agent.id), state=state, at=clock.now())
        return AgentId(agent.id)

    return made


@pytest.fixture
def bob(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault) -> Bob:
    user = people.user(people.operator().tenant_id, "Bob", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(session, vault=vault, user_id=user.id, number=1001, name="Bob")
        roster.assign(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, starts_at=clock.now())
        presence.sign_in(session, agent_id=agent.id, at=clock.now())
    agreements.signed(gate, user.id, cast.a.tenant_id)
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return Bob(made, gate, AgentId(agent.id))


@pytest.fixture
def path(gate: Gate, vault: Vault, line: factory.Line, bob: Bob) -> str:
    """The address of a call Bob talks in."""
    made = factory.call(gate, vault, line, is_over=False)
    with gate.open(Scope.system(line.tenant_id)) as session:
        resolved = Disposition("resolved", "Resolved", "已解决")
        dispositions.define(session, tenant_id=line.tenant_id, disposition=resolved)
    bob.talks(made, line.tenant_id)
    return f"calls/{public('call', made)}"


def leg(bob: Bob, line: factory.Line, *, stage: Stage, how: Left | None = None, leg_id: OfferId) -> Leg:
    now = clock.now()
    left_at = now if how else None
    return Leg(leg_id, line.queue_id, bob.agent_id, 1001, None, "A-1", now, stage, left_at, how)


def asks(gate: Gate, bob: Bob, line: factory.Line, stage: Stage, *, is_asked: bool = False) -> None:
    """Write that somebody is asked about the call in Bob's hands, by him or of him."""
    own, other = bob.offer_id, OfferId(new_id())
    with gate.open(Scope.system(line.tenant_id)) as session:
        (call,) = calls.live(session, tenant_id=line.tenant_id, vault=VAULT[0])
        first, second = (other, own) if is_asked else (own, other)
        calls.keep_legs(
            session,
            tenant_id=line.tenant_id,
            call_id=call.call_id,
            legs=[
                leg(bob, line, stage=Stage.TALKING, leg_id=first),
                leg(bob, line, stage=stage, leg_id=second),
            ],
        )


def last(gate: Gate) -> tuple[OrderKind, dict[str, str]]:
    with gate.open(Scope.system(OPERATOR)) as session:
        order = orders.waiting(session)[-1]
    return order.kind, order.details


def test_the_list_names_colleagues_by_initials_and_queues_of_this_company_only(
    bob: Bob, path: str, hire: Hire, cast: Cast, gate: Gate, line: factory.Line
) -> None:
    hire(1002, "Mara Lindqvist", line.tenant_id)
    hire(1003, "Tom Okafor", line.tenant_id, "away:meal")
    hire(2001, "Strange Person", cast.b.tenant_id)
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        queues.open_queue(session, tenant_id=cast.b.tenant_id, name="Theirs")
    found = bob.browser.get(f"/console/{path}/targets").get_json()
    assert found["agents"] == [
        {"number": 1002, "name": "M. L.", "doing": "free"},
        {"number": 1003, "name": "T. O.", "doing": "away"},
    ]
    (queue,) = found["queues"]
    assert (queue["id"], queue["free"], queue["is_own"]) == (str(line.queue_id), 1, True)


def test_a_queue_of_another_company_is_the_same_as_none(bob: Bob, path: str, cast: Cast, gate: Gate) -> None:
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        theirs = queues.open_queue(session, tenant_id=cast.b.tenant_id, name="Theirs")
    answers = [
        bob.posts(f"{path}/transfer", {"queue": str(wanted)})
        for wanted in (theirs.queue_id, QueueId(new_id()), "no id at all")
    ]
    assert {answer.status_code for answer in answers} == {404}
    bodies = [{**answer.get_json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "not-found"
    assert bob.orders() == []


def test_a_closed_queue_is_refused_with_the_hour_it_opens_and_the_open_ones_come_first(
    bob: Bob, path: str, gate: Gate, line: factory.Line
) -> None:
    now = clock.now()
    minute = now.hour * 60 + now.minute
    opens = (minute + 120) % 1440
    shut = Hours("UTC", ((Span(opens, min(opens + 60, 1440)),),) * 7)
    with gate.open(Scope.system(line.tenant_id)) as session:
        billing = queues.open_queue(session, tenant_id=line.tenant_id, name="A billing desk")
        wanted = Opening(shut, leads_to=line.queue_id)
        queue_hours.change(session, tenant_id=line.tenant_id, queue_id=billing.queue_id, wanted=wanted)
    listed = bob.browser.get(f"/console/{path}/targets").get_json()
    first, last_one = listed["queues"]
    assert (first["id"], first["is_open"], first["opens"]) == (str(line.queue_id), True, "")
    assert (last_one["name"], last_one["is_open"]) == ("A billing desk", False)
    hour = f"{opens // 60:02}:{opens % 60:02}"
    assert hour in last_one["opens"]
    assert [one["is_open"] for one in listed["entries"]] == [True]

    refused = bob.posts(f"{path}/transfer", {"queue": str(billing.queue_id)})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "transfer-queue-closed")
    assert hour in refused.get_json()["detail"]
    assert bob.orders() == []


def test_an_entry_whose_queue_is_closed_says_so_unless_its_callers_go_on_to_an_open_one(
    bob: Bob, path: str, gate: Gate, line: factory.Line
) -> None:
    now = clock.now()
    opens = (now.hour * 60 + now.minute + 120) % 1440
    shut = Hours("UTC", ((Span(opens, min(opens + 60, 1440)),),) * 7)
    with gate.open(Scope.system(line.tenant_id)) as session:
        queue_hours.change(session, tenant_id=line.tenant_id, queue_id=line.queue_id, wanted=Opening(shut))
    (entry,) = bob.browser.get(f"/console/{path}/targets").get_json()["entries"]
    assert entry["is_open"] is False
    with gate.open(Scope.system(line.tenant_id)) as session:
        night = queues.open_queue(session, tenant_id=line.tenant_id, name="Night")
        wanted = Opening(shut, leads_to=night.queue_id, revision=1)
        queue_hours.change(session, tenant_id=line.tenant_id, queue_id=line.queue_id, wanted=wanted)
    (entry,) = bob.browser.get(f"/console/{path}/targets").get_json()["entries"]
    assert entry["is_open"] is True


def test_an_agent_of_another_company_is_the_same_as_none(bob: Bob, path: str, hire: Hire, cast: Cast) -> None:
    hire(2001, "Strange Person", cast.b.tenant_id)
    for what in ("transfer", "consult"):
        answers = [bob.posts(f"{path}/{what}", {"agent": number}) for number in (2001, 9999)]
        assert {answer.status_code for answer in answers} == {404}
        bodies = [{**answer.get_json(), "request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1]
    assert bob.orders() == []


def test_a_call_is_given_to_a_queue_or_an_agent_by_an_order(
    bob: Bob, path: str, hire: Hire, gate: Gate, line: factory.Line
) -> None:
    mara = hire(1002, "Mara Lindqvist", line.tenant_id)
    assert bob.posts(f"{path}/transfer", {"queue": str(line.queue_id)}).status_code == 202
    kind, details = last(gate)
    assert (kind, details["queue_id"]) == (OrderKind.TRANSFER, str(line.queue_id))
    assert bob.posts(f"{path}/transfer", {"agent": 1002}).status_code == 202
    assert last(gate)[1]["to_agent_id"] == str(mara)
    assert bob.posts(f"{path}/consult", {"agent": 1002}).status_code == 202
    assert last(gate)[0] is OrderKind.CONSULT
    assert bob.posts(f"{path}/transfer", {"agent": "1002"}).status_code == 422


@pytest.mark.parametrize("what", ["transfer", "consult"])
def test_nobody_gives_a_call_to_themselves_or_to_who_is_not_free(
    bob: Bob, path: str, hire: Hire, line: factory.Line, what: str
) -> None:
    hire(1003, "Tom Okafor", line.tenant_id, "away:meal")
    for number, code in ((1001, "transfer-self"), (1003, "transfer-busy")):
        answer = bob.posts(f"{path}/{what}", {"agent": number})
        assert (answer.status_code, answer.get_json()["code"]) == (409, code)
    assert bob.orders() == []


def test_in_wrap_up_or_with_the_recording_paused_a_call_is_not_given_on(
    bob: Bob, path: str, gate: Gate, line: factory.Line
) -> None:
    with gate.open(Scope.system(line.tenant_id)) as session:
        (call,) = calls.live(session, tenant_id=line.tenant_id, vault=VAULT[0])
        calls.note(
            session,
            tenant_id=line.tenant_id,
            call_id=call.call_id,
            position=900,
            at=clock.now(),
            kind="recording-paused",
            details={"on": True},
        )
    refused = bob.posts(f"{path}/transfer", {"queue": str(line.queue_id)})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "transfer-paused")
    bob.wraps_up()
    refused = bob.posts(f"{path}/transfer", {"queue": str(line.queue_id)})
    assert refused.get_json()["code"] == "transfer-not-talking"
    other = f"calls/{public('call', CallId(new_id()))}"
    assert bob.posts(f"{other}/transfer", {"queue": str(line.queue_id)}).status_code == 404


def test_the_state_tells_how_far_asking_has_come_and_what_may_be_done(
    bob: Bob, path: str, gate: Gate, line: factory.Line
) -> None:
    assert bob.posts(f"{path}/conference", {"deed": "swap"}).get_json()["code"] == "transfer-not-asking"
    asks(gate, bob, line, Stage.RINGING)
    assert bob.posts(f"{path}/conference", {"deed": "merge"}).get_json()["code"] == "transfer-not-asking"
    assert bob.posts(f"{path}/conference", {"deed": "drop"}).status_code == 202
    asks(gate, bob, line, Stage.PRIVATE)
    shown = bob.browser.get("/console/state").get_json()["call"]["consult"]
    assert (shown["is_asked"], shown["agent"]) == (False, 1001)
    assert bob.posts(f"{path}/transfer", {"queue": str(line.queue_id)}).get_json()["code"] == (
        "transfer-not-talking"
    )
    assert bob.posts(f"{path}/conference", {"deed": "sing"}).status_code == 422


def test_who_is_asked_writes_no_notes_and_gives_nothing_on(
    bob: Bob, path: str, gate: Gate, line: factory.Line
) -> None:
    asks(gate, bob, line, Stage.PRIVATE, is_asked=True)
    shown = bob.browser.get("/console/state").get_json()["call"]["consult"]
    assert (shown["stage"], shown["is_asked"]) == ("private", True)
    assert bob.posts(f"{path}/draft", {"notes": "not mine"}).status_code == 404
    assert bob.posts(f"{path}/conference", {"deed": "drop"}).get_json()["code"] == "transfer-not-asking"


def test_who_gave_a_call_away_saves_their_wrap_up_while_it_goes_on(
    bob: Bob, path: str, gate: Gate, vault: Vault, line: factory.Line
) -> None:
    bob.posts(f"{path}/draft", {"notes": "Gate B"})
    with gate.open(Scope.system(line.tenant_id)) as session:
        (call,) = calls.live(session, tenant_id=line.tenant_id, vault=vault)
        given = leg(bob, line, stage=Stage.OVER, how=Left.TRANSFERRED, leg_id=bob.offer_id)
        calls.keep_legs(session, tenant_id=line.tenant_id, call_id=call.call_id, legs=[given])
        drafts.hand_on(
            session, tenant_id=line.tenant_id, call_id=call.call_id, leg_id=bob.offer_id, vault=vault
        )
    bob.wraps_up()
    assert bob.browser.get(f"/console/{path}/draft").get_json()["notes"] == "Gate B"
    written = {"disposition": "resolved", "notes": "Gate B, and blue"}
    assert bob.posts(f"{path}/wrap-up", written).status_code == 204
    with gate.open(Scope.system(line.tenant_id)) as session:
        line_of = interactions.of_subject(
            session,
            tenant_id=line.tenant_id,
            vault=vault,
            subject_ref=bob.offer_id,
            kind=calls.HANDED_OVER,
        )
        (part,) = calls.legs(session, tenant_id=line.tenant_id, call_id=call.call_id)
        (still,) = calls.live(session, tenant_id=line.tenant_id, vault=vault)
    assert line_of is not None
    assert (line_of.note, part.disposition, still.disposition) == ("Gate B, and blue", "resolved", None)
    bob.closed(bob.offer_id)
    assert "Resolved" in bob.browser.get("/console/idle").get_data(as_text=True)
