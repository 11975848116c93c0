"""Numbers outside and entries at the console: read as typed, cleared by the gate, refused in a sentence."""

import datetime as dt

import pytest
from sqlalchemy import text

from billing import credit
from core import clock
from core.ids import OPERATOR, CallId, NumberId, OfferId, new_id, parse, public
from core.phone import E164
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, orders
from telephony.calls import Arrival, Ending, Left, Leg, Stage
from telephony.orders import Order, OrderKind
from telephony.outbound import limits, stops
from telephony.outbound.hours import Window
from telephony.outbound.limits import Caps, Rules
from telephony.outbound.stops import Side
from tests.factories import telephony as factory
from tests.web.conftest import Cast
from tests.web.test_console_desk import Bob
from tests.web.test_console_dial import bob, line, noon

__all__ = ["bob", "line", "noon"]

PARTNER = "+447700900150"


@pytest.fixture
def path(gate: Gate, vault: Vault, line: factory.Line, bob: Bob) -> str:
    """The address of a call Bob talks in."""
    made = factory.call(gate, vault, line, is_over=False)
    bob.talks(made, line.tenant_id)
    return f"calls/{public('call', made)}"


def ordered(gate: Gate) -> list[Order]:
    with gate.open(Scope.system(OPERATOR)) as session:
        return orders.waiting(session)


def dialled(gate: Gate, line: factory.Line) -> list[tuple[str, bool, bool, str]]:
    with gate.open(Scope.system(line.tenant_id)) as session:
        rows = session.execute(
            text("SELECT caller, is_given, by_agent_id IS NOT NULL, part_of FROM app.outbound_dials")
        )
        return [(row[0], row[1], row[2], str(row[3])) for row in rows]


@pytest.mark.parametrize("what", ["transfer", "consult"])
def test_a_number_outside_passes_the_gate_and_is_ordered(
    bob: Bob, path: str, line: factory.Line, gate: Gate, what: str
) -> None:
    answer = bob.posts(f"{path}/{what}", {"number": "07700 900150"})
    assert answer.status_code == 202, answer.get_json()
    assert answer.get_json() == {"number": "+44 7700 900150"}
    call_id = str(parse("call", path.removeprefix("calls/")))
    assert dialled(gate, line) == [(line.digits, what == "transfer", True, call_id)]
    (order,) = ordered(gate)
    assert order.kind is OrderKind.DIAL


def test_two_calls_may_be_given_to_the_same_number_at_once(
    bob: Bob, path: str, line: factory.Line, gate: Gate
) -> None:
    """A partner's line is asked by many; a person called by a campaign is not called twice."""
    for _ in range(2):
        assert bob.posts(f"{path}/consult", {"number": PARTNER}).status_code == 202
        clock.advance(dt.timedelta(seconds=2))
    assert len(dialled(gate, line)) == 2
    assert bob.posts("dial", {"number": PARTNER, "queue": str(line.queue_id)}).status_code == 409


def forbid(gate: Gate, vault: Vault, line: factory.Line, what: str) -> None:
    """Let something stand that forbids the call."""
    tenant_id = line.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        now = limits.rules(session, tenant_id=tenant_id, home="GB")
        match what:
            case "stopped" | "stopped-by-operator":
                side = Side.COMPANY if what == "stopped" else Side.OPERATOR
                stops.stop(session, tenant_id=tenant_id, side=side, by=new_id())
            case "on-hold":
                credit.hold(session, tenant_id=tenant_id, reason="unpaid", by=new_id())
            case "do-not-call":
                phone = E164(PARTNER)
                do_not_call.add(
                    session, tenant_id=tenant_id, vault=vault, phone=phone, source="asked", by=new_id()
                )
            case "typed":
                wanted = Rules(countries=frozenset({"GB"}), may_type=False, revision=now.revision)
                limits.change_rules(session, tenant_id=tenant_id, rules=wanted)
            case "off-hours":
                night = Window(dt.time(1), dt.time(2), frozenset({1}))
                wanted = Rules(countries=frozenset({"GB"}), hours=night, revision=now.revision)
                limits.change_rules(session, tenant_id=tenant_id, rules=wanted)
            case "day-spent":
                limits.change_caps(session, tenant_id=tenant_id, caps=Caps(a_day_minor=1))
            case "too-many":
                limits.change_caps(session, tenant_id=tenant_id, caps=Caps(at_once=1))
            case "too-fast":
                limits.change_caps(session, tenant_id=tenant_id, caps=Caps(per_second=1))
            case _:
                pass


TO = {
    "country": "+4930901820",
    "premium": "+449098790000",
    "emergency": "999",
    "short-code": "116123",
    "own-number": factory.DIALLED,
    "on-the-line": factory.INES,
}


@pytest.mark.parametrize(
    "what",
    [
        "stopped",
        "stopped-by-operator",
        "on-hold",
        "do-not-call",
        "typed",
        "off-hours",
        "day-spent",
        "too-many",
        "too-fast",
        *TO,
    ],
)
def test_what_the_gate_refuses_is_a_sentence_and_nothing_is_dialled(
    bob: Bob, path: str, line: factory.Line, gate: Gate, vault: Vault, what: str
) -> None:
    forbid(gate, vault, line, what)
    if what in {"too-many", "too-fast"}:  # the one that may be
        assert bob.posts(f"{path}/consult", {"number": PARTNER}).status_code == 202
    before = len(ordered(gate))
    for how in ("transfer", "consult"):
        answer = bob.posts(f"{path}/{how}", {"number": TO.get(what, PARTNER)})
        said = answer.get_json()
        assert (answer.status_code, said["code"]) == (403, f"dial-{what}")
        assert said["title"]
        assert said["detail"]
    assert len(ordered(gate)) == before


@pytest.mark.parametrize("typed", ["", "hello", "+44 1x9", 77001, None, ["+447700900150"]])
def test_what_is_no_number_is_said_and_not_repeated(bob: Bob, path: str, gate: Gate, typed: object) -> None:
    for how in ("transfer", "consult", "number"):
        answer = bob.posts(f"{path}/{how}", {"number": typed})
        assert answer.status_code == 422
        if typed:
            assert str(typed) not in answer.get_data(as_text=True)
    assert ordered(gate) == []


def test_a_number_is_shown_as_it_was_understood(bob: Bob, path: str) -> None:
    assert bob.posts(f"{path}/number", {"number": "(07700) 900-150"}).get_json() == {
        "number": "+44 7700 900150"
    }
    assert bob.posts(f"{path}/number", {"number": "+49 30 901820"}).get_json() == {"number": "+49 30 901820"}


def test_the_list_shows_the_entries_and_whether_numbers_may_be_typed(
    bob: Bob, path: str, line: factory.Line, gate: Gate, vault: Vault
) -> None:
    found = bob.browser.get(f"/console/{path}/targets").get_json()
    (entry,) = found["entries"]
    assert (entry["id"], entry["queue"]) == (public("num", line.number_id), "Deliveries")
    assert found["may_type"] is True
    forbid(gate, vault, line, "typed")
    assert bob.browser.get(f"/console/{path}/targets").get_json()["may_type"] is False
    refused = bob.posts("dial", {"number": PARTNER, "queue": str(line.queue_id)})
    bob.wraps_up()
    bob.closed(bob.offer_id)
    refused = bob.posts("dial", {"number": PARTNER, "queue": str(line.queue_id)})
    assert refused.get_json()["code"] == "dial-typed"


def test_a_caller_goes_back_to_an_entry_of_this_company_only(
    bob: Bob, path: str, line: factory.Line, cast: Cast, gate: Gate
) -> None:
    theirs = factory.line(gate, cast.b.tenant_id, digits="+448081570199")
    answers = [
        bob.posts(f"{path}/transfer", {"entry": entry})
        for entry in (public("num", theirs.number_id), public("num", NumberId(new_id())), "no id")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert ordered(gate) == []
    assert bob.posts(f"{path}/transfer", {"entry": public("num", line.number_id)}).status_code == 202
    (order,) = ordered(gate)
    assert (order.kind, order.details["number_id"]) == (OrderKind.TRANSFER, str(line.number_id))


def test_the_state_says_which_number_outside_is_asked(
    bob: Bob, path: str, line: factory.Line, gate: Gate, vault: Vault
) -> None:
    call_id, now = CallId(parse("call", path.removeprefix("calls/"))), clock.now()
    outside = CallId(new_id())
    legs = [
        Leg(bob.offer_id, line.queue_id, bob.agent_id, 1001, None, "A-1", now, Stage.TALKING),
        Leg(OfferId(outside), line.queue_id, None, None, None, "", now, Stage.PRIVATE),
    ]
    arrival = Arrival(
        line.tenant_id,
        outside,
        line.number_id,
        line.digits,
        line.queue_id,
        PARTNER,
        now,
        calls.OUTBOUND,
        call_id,
    )
    with gate.open(Scope.system(line.tenant_id)) as session:
        calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
        calls.keep_legs(session, tenant_id=line.tenant_id, call_id=call_id, legs=legs)
    shown = bob.browser.get("/console/state").get_json()["call"]["consult"]
    assert (shown["stage"], shown["agent"], shown["outside"]) == ("private", None, "+44 7700 900150")
    assert bob.posts(f"{path}/conference", {"deed": "merge"}).status_code == 202
    assert bob.posts(f"{path}/consult", {"number": PARTNER}).get_json()["code"] == "transfer-not-talking"


@pytest.mark.parametrize(
    ("became", "told"),
    [
        ([("offer-lost", {"why": "no-answer"})], "colleague-no-answer"),
        ([("agent-ringing", {}), ("offer-lost", {"why": "declined"})], "colleague-declined"),
        ([("agent-answered", {}), ("offer-lost", {"why": "no-answer"})], None),
        ([("caller-gone", {"cause": 16})], None),
        ([], None),
    ],
)
def test_who_gave_a_call_to_a_colleague_sees_in_their_wrap_up_that_it_came_back(
    bob: Bob,
    path: str,
    line: factory.Line,
    gate: Gate,
    became: list[tuple[str, dict[str, object]]],
    told: str | None,
) -> None:
    call_id, now = CallId(parse("call", path.removeprefix("calls/"))), clock.now()
    mine = Leg(
        bob.offer_id,
        line.queue_id,
        bob.agent_id,
        1001,
        None,
        "A-1",
        now,
        Stage.OVER,
        now,
        Left.TRANSFERRED,
    )
    steps: list[tuple[str, dict[str, object]]] = [
        ("transferred", {"queue": "Deliveries", "agent": 1002}),
        *became,
    ]
    with gate.open(Scope.system(line.tenant_id)) as session:
        calls.keep_legs(session, tenant_id=line.tenant_id, call_id=call_id, legs=[mine])
        for position, (kind, details) in enumerate(steps, start=100):
            calls.note(
                session,
                tenant_id=line.tenant_id,
                call_id=call_id,
                position=position,
                at=now,
                kind=kind,
                details=details,
            )
    bob.wraps_up()
    assert bob.browser.get("/console/state").get_json()["wrap"]["came_back"] == told


@pytest.mark.parametrize(("cause", "how"), [("busy", Left.NOT_THERE), (None, Left.ENDED)])
def test_who_gave_a_call_outside_sees_in_their_wrap_up_that_it_came_back(
    bob: Bob, path: str, line: factory.Line, gate: Gate, vault: Vault, cause: str | None, how: Left
) -> None:
    call_id, now = CallId(parse("call", path.removeprefix("calls/"))), clock.now()
    outside = CallId(new_id())
    legs = [
        Leg(
            bob.offer_id,
            line.queue_id,
            bob.agent_id,
            1001,
            None,
            "A-1",
            now,
            Stage.OVER,
            now,
            Left.TRANSFERRED,
        ),
        Leg(OfferId(outside), line.queue_id, None, None, None, "", now, Stage.OVER, now, how),
    ]
    arrival = Arrival(
        line.tenant_id,
        outside,
        line.number_id,
        line.digits,
        line.queue_id,
        PARTNER,
        now,
        calls.OUTBOUND,
        call_id,
    )
    with gate.open(Scope.system(line.tenant_id)) as session:
        calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
        calls.keep_legs(session, tenant_id=line.tenant_id, call_id=call_id, legs=legs)
        if cause:
            calls.finish(session, ending=Ending(line.tenant_id, outside, now, cause, ""))
    bob.wraps_up()
    assert bob.browser.get("/console/state").get_json()["wrap"]["came_back"] == cause
