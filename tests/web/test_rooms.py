"""Conference rooms on pages and in the API: made, changed, closed; who is in one, and whose nobody sees."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import OPERATOR, CallId, RoomId, TenantId
from core.realtime import Realtime
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, conference, orders
from telephony.conductor import pulse
from telephony.conference import Wanted
from telephony.flows.model import Admitted
from telephony.orders import OrderKind
from tests.factories import telephony
from tests.factories.telephony import ARRIVED, Line
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs
from tests.web.test_payments import well_made

PIN, LEADERS = "407195", "864203"
GIVEN = {"name": "Monday", "most": "3", "announces": "yes", "pin": PIN}


@pytest.fixture(autouse=True)
def an_hour_later() -> Iterator[None]:
    with clock.hold(ARRIVED.replace(hour=12)):
        yield


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def line(gate: Gate, tenant_id: TenantId) -> Line:
    return telephony.line(gate, tenant_id)


def made_by(alice: Browser, **more: str) -> str:
    """Make a room in the portal; return its address."""
    answer = alice.post("/portal/rooms", GIVEN | more)
    assert answer.status_code == 303, answer.text
    assert answer.location
    return answer.location


def id_of(path: str) -> RoomId:
    return RoomId(ids.parse("room", path.rpartition("/")[2]))


def puts_in(gate: Gate, vault: Vault, line: Line, room_id: RoomId, *, leads: bool = False) -> CallId:
    """Let somebody be in a room."""
    call_id = telephony.call(gate, vault, line, is_over=False)
    with gate.open(Scope.system(line.tenant_id)) as session:
        conference.enter(session, tenant_id=line.tenant_id, call_id=call_id, room_id=room_id, leads=leads)
    return call_id


def became(gate: Gate, vault: Vault, tenant_id: TenantId, room_id: RoomId, digits: str) -> Admitted:
    with gate.open(Scope.system(tenant_id)) as session:
        answer, _ = conference.admit(
            session, tenant_id=tenant_id, vault=vault, room_id=room_id, digits=digits
        )
        return answer


def orders_left(gate: Gate, kind: OrderKind = OrderKind.SEND_OUT) -> list[dict[str, object]]:
    with gate.open(Scope.system(OPERATOR)) as session:
        return [one.details for one in orders.waiting(session) if one.kind is kind]


def beats(
    realtime: Realtime, room_id: RoomId, tenant_id: TenantId, people: dict[CallId, str], **how: bool
) -> None:
    """Let the switchboard say how people are in a room: "", "self" (muted by themselves) or "muted"."""
    said = {
        ids.public("call", call_id): {"self": is_so == "self", "muted": is_so == "muted"}
        for call_id, is_so in people.items()
    }
    live = {"talks": True, "locked": False} | how | {"people": said}
    snapshot = {"at": clock.now().isoformat(), "queues": {}, "agents": {}, "rooms": {str(room_id): live}}
    pulse.Pulse(None, realtime)._publish(tenant_id, snapshot)  # type: ignore[arg-type]


def test_a_room_is_made_changed_and_closed(
    alice: Browser, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    empty = alice.get("/portal/rooms").text
    well_made(empty)
    assert "No conference rooms yet" in empty
    well_made(alice.get("/portal/rooms/new").text)
    path = made_by(alice)
    page = alice.get(path).text
    well_made(page)
    assert "Nobody." in page
    assert "Rooms are not recorded" in page
    assert PIN not in page
    assert became(gate, vault, tenant_id, id_of(path), PIN) is Admitted.MEMBER
    well_made(alice.get(f"{path}/edit").text)
    saved = alice.post(path, {"name": "Tuesday", "most": "20", "revision": "1"})
    assert saved.status_code == 303
    page = alice.get(path).text
    assert "Tuesday" in page
    assert "0 of 20" in page
    assert became(gate, vault, tenant_id, id_of(path), PIN) is Admitted.MEMBER, "its PIN stays"
    conflict = alice.post(path, {"name": "Mine", "most": "20", "revision": "1"})
    assert conflict.status_code == 409
    assert "Tuesday" in conflict.text
    assert alice.post(f"{path}/close", {}).location == "/portal/rooms"
    assert alice.get(path).status_code == 404
    made_by(alice, name="Tuesday")  # its name is free again
    log = alice.get("/portal/evidence").text
    for words in ("Made a conference room", "Changed a conference room", "Closed a conference room"):
        assert words in log, words


def test_what_cannot_be_a_room_is_said_at_its_field(alice: Browser) -> None:
    made_by(alice)
    for given, words in (
        ({"name": " "}, "A name has 1 to 80 signs."),
        ({"name": "Monday"}, "Another room has this name."),
        ({"name": "Other", "most": "1"}, "From 2 to 20 people."),
        ({"name": "Other", "most": "21"}, "From 2 to 20 people."),
        ({"name": "Other", "most": "many"}, "From 2 to 20 people."),
        ({"name": "Other", "pin": "123"}, "A PIN is four to eight digits"),
        ({"name": "Other", "pin": ""}, "A PIN is four to eight digits"),
        ({"name": "Other", "leader_pin": "1111"}, "A PIN is four to eight digits"),
        ({"name": "Other", "leader_pin": PIN}, "Leaders need another PIN than members."),
    ):
        answer = alice.post("/portal/rooms", GIVEN | given)
        assert answer.status_code == 422, given
        well_made(answer.text)
        assert words in answer.text, given
    assert alice.get("/portal/rooms").text.count('href="/portal/rooms/room_') == 1


def test_pins_are_set_anew_and_never_shown(
    alice: Browser, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    path = made_by(alice)
    room_id = id_of(path)
    assert alice.post(f"{path}/pins", {"leader_pin": LEADERS}).status_code == 303
    assert became(gate, vault, tenant_id, room_id, LEADERS) is Admitted.LEADER
    assert became(gate, vault, tenant_id, room_id, PIN) is Admitted.MEMBER
    for alike in ({"pin": LEADERS}, {"leader_pin": PIN}, {"pin": "8080", "leader_pin": "8080"}):
        answer = alice.post(f"{path}/pins", alike)
        assert answer.status_code == 422
        assert "Leaders need another PIN than members." in answer.text
    assert alice.post(f"{path}/pins", {"pin": "9038"}).status_code == 303
    assert became(gate, vault, tenant_id, room_id, PIN) is Admitted.REFUSED
    assert became(gate, vault, tenant_id, room_id, LEADERS) is Admitted.LEADER
    assert alice.post(f"{path}/pins", {"away": "1"}).status_code == 303
    assert became(gate, vault, tenant_id, room_id, LEADERS) is Admitted.REFUSED
    assert became(gate, vault, tenant_id, room_id, "9038") is Admitted.MEMBER
    for _ in range(conference.IN_A_ROW):
        became(gate, vault, tenant_id, room_id, "5555")
    assert "Too many wrong PINs" in alice.get(path).text
    alice.post(f"{path}/pins", {"pin": "9037"})
    assert "Too many wrong PINs" not in alice.get(path).text
    with gate.open(Scope.system(tenant_id)) as session:
        (row,) = session.execute(text("SELECT * FROM app.conference_rooms"))
    assert not any(digits in repr(row) for digits in (PIN, LEADERS, "9037", "argon2"))


def test_who_is_in_a_room_is_masked_and_sent_out_by_an_order(
    alice: Browser, gate: Gate, vault: Vault, line: Line, ours: Program
) -> None:
    path = made_by(alice)
    room_id = id_of(path)
    first = puts_in(gate, vault, line, room_id, leads=True)
    second = puts_in(gate, vault, line, room_id)
    page = alice.get(path).text
    well_made(page)
    assert "2 of 3" in page
    assert page.count(">leader<") == 1
    with gate.open(Scope.system(line.tenant_id)) as session:
        caller = calls.get(session, tenant_id=line.tenant_id, call_id=first, vault=vault).caller
    assert caller
    assert caller not in page.replace(" ", "")
    assert "2 people in it" in alice.get("/portal/rooms").text
    assert alice.post(f"{path}/close", {}).location == path, "nobody is shut out of a talk"
    shown = ours.get(f"/rooms/{path.rpartition('/')[2]}").get_json()
    assert [(one["call"], one["leads"]) for one in shown["inside"]] == [
        (ids.public("call", first), True),
        (ids.public("call", second), False),
    ]
    assert alice.post(f"{path}/send-out", {"call": ids.public("call", second)}).status_code == 303
    (order,) = orders_left(gate)
    assert order == {
        "tenant_id": str(line.tenant_id),
        "room_id": str(room_id),
        "call_id": str(second),
    }
    assert "Sent somebody out of a conference room" in alice.get("/portal/evidence").text
    found = ours.get(f"/calls/{ids.public('call', first)}").get_json()
    assert found["room"] == path.rpartition("/")[2]
    assert "Conference room" not in alice.get("/portal/calls").text  # they are in progress


def test_a_call_that_is_not_in_the_room_is_not_sent_out_of_it(
    alice: Browser, gate: Gate, vault: Vault, line: Line, ours: Program
) -> None:
    path, other = made_by(alice), made_by(alice, name="Friday")
    elsewhere = puts_in(gate, vault, line, id_of(other))
    in_none = telephony.call(gate, vault, line, is_over=False)
    for call_id in (elsewhere, in_none):
        alice.post(f"{path}/send-out", {"call": ids.public("call", call_id)})
        answer = ours.post(
            f"/rooms/{path.rpartition('/')[2]}/send-out", {"call": ids.public("call", call_id)}
        )
        assert (answer.status_code, answer.get_json()["code"]) == (409, "not-in-room")
    assert orders_left(gate) == []


def test_the_page_says_who_is_muted_who_waits_and_that_it_is_locked_and_is_silent_with_the_switchboard(
    alice: Browser, gate: Gate, vault: Vault, line: Line, ours: Program, realtime: Realtime
) -> None:
    path = made_by(alice)
    room_id, room = id_of(path), path.rpartition("/")[2]
    people = [puts_in(gate, vault, line, room_id, leads=leads) for leads in (True, False, False)]
    silent = alice.get(path).text
    well_made(silent)
    assert "no live figures" in silent
    for word in ("Lock the room", "Mute<", ">muted"):
        assert word not in silent, "nothing is made up"
    shown = ours.get(f"/rooms/{room}").get_json()
    assert (shown["as_of"], shown["is_locked"]) == (None, None)
    assert {one["is_muted"] for one in shown["inside"]} == {None}

    states = dict(zip(people, ("", "self", "muted"), strict=True))
    beats(realtime, room_id, line.tenant_id, states, locked=True)
    for page in (alice.get(path).text, alice.get(f"/portal/live/rooms/{room}").text):
        assert f'data-src="/portal/live/rooms/{room}" data-every="2"' in page
        assert "As of" in page
        assert "no live figures" not in page
        found = [page.count(f">{words}<") for words in ("locked", "muted by themselves", "muted")]
        assert found == [1, 1, 1]
        assert page.count(">Mute<") == 2
        assert page.count(">Let them be heard<") == 1
        assert "Open it again" in page
        assert "hears music" not in page
    shown = ours.get(f"/rooms/{room}").get_json()
    assert shown["is_locked"]
    assert shown["as_of"]
    assert [(one["waits"], one["mutes_self"], one["is_muted"]) for one in shown["inside"]] == [
        (False, False, False),
        (False, True, False),
        (False, False, True),
    ]
    beats(realtime, room_id, line.tenant_id, states, talks=False)
    page = alice.get(f"/portal/live/rooms/{room}").text
    assert page.count("hears music") == 3
    assert "Lock the room" in page


def test_muting_and_locking_are_orders_and_stand_in_the_log(
    alice: Browser, gate: Gate, vault: Vault, line: Line, ours: Program
) -> None:
    path = made_by(alice)
    room_id, room = id_of(path), path.rpartition("/")[2]
    for deed in ("yes", "no"):
        alice.post(f"{path}/lock", {"on": deed})
    refused = ours.post(f"/rooms/{room}/lead", {"deed": "lock"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "room-empty")
    assert orders_left(gate, OrderKind.LOCK_ROOM) == []
    call_id = puts_in(gate, vault, line, room_id)
    call = ids.public("call", call_id)
    mine: dict[str, object] = {"tenant_id": str(line.tenant_id), "room_id": str(room_id)}
    alice.post(f"{path}/mute", {"call": call, "on": "yes"})
    alice.post(f"{path}/mute", {"call": call, "on": "no"})
    assert ours.post(f"/rooms/{room}/lead", {"deed": "mute", "call": call}).status_code == 204
    nobody = ours.post(f"/rooms/{room}/lead", {"deed": "mute"})
    assert (nobody.status_code, nobody.get_json()["code"]) == (422, "room-setting")
    assert orders_left(gate, OrderKind.MUTE_IN_ROOM) == [
        mine | {"call_id": str(call_id), "on": on} for on in (True, False, True)
    ]
    alice.post(f"{path}/lock", {"on": "yes"})
    assert ours.post(f"/rooms/{room}/lead", {"deed": "unlock"}).status_code == 204
    assert orders_left(gate, OrderKind.LOCK_ROOM) == [mine | {"on": on} for on in (True, False)]
    log = alice.get("/portal/evidence").text
    for words in (
        "Muted somebody in a conference room",
        "Let somebody be heard again in a conference room",
        "Locked a conference room",
        "Opened a locked conference room again",
    ):
        assert words in log, words


def test_a_call_that_is_not_in_the_room_is_not_muted_in_it(
    alice: Browser, gate: Gate, vault: Vault, line: Line, ours: Program
) -> None:
    path, other = made_by(alice), made_by(alice, name="Friday")
    elsewhere = ids.public("call", puts_in(gate, vault, line, id_of(other)))
    alice.post(f"{path}/mute", {"call": elsewhere, "on": "yes"})
    about = {"deed": "mute", "call": elsewhere}
    answer = ours.post(f"/rooms/{path.rpartition('/')[2]}/lead", about)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "not-in-room")
    assert orders_left(gate, OrderKind.MUTE_IN_ROOM) == []


def test_a_program_does_the_same(
    ours: Program, gate: Gate, vault: Vault, tenant_id: TenantId, line: Line
) -> None:
    made = ours.post("/rooms", {"name": "Monday", "pin": PIN, "most": 2})
    assert made.status_code == 201
    room = made.get_json()
    assert PIN not in made.text
    assert (room["most"], room["has_leaders"], room["people"], room["inside"]) == (2, False, 0, [])
    at, tag = f"/rooms/{room['id']}", made.headers["ETag"]
    changed = ours.call("PUT", at, json={"name": "Monday", "leader_pin": LEADERS}, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.get_json()["has_leaders"]
    stale = ours.call("PUT", at, json={"name": "Late"}, headers={"If-Match": tag})
    assert stale.status_code == 412
    tag = changed.headers["ETag"]
    away = ours.call("PUT", at, json={"name": "Monday", "leader_pin": ""}, headers={"If-Match": tag})
    assert not away.get_json()["has_leaders"]
    assert became(gate, vault, tenant_id, RoomId(ids.parse("room", room["id"])), PIN) is Admitted.MEMBER
    for body, code in (
        ({"name": "Monday", "pin": PIN}, "room-name-taken"),
        ({"name": "Other"}, "pin"),
        ({"name": "Other", "pin": "1234"}, "pin"),
        ({"name": "Other", "pin": PIN, "leader_pin": PIN}, "room-setting"),
    ):
        assert ours.post("/rooms", body).get_json()["code"] == code, body
    flow = {
        "nodes": {
            "start": {
                "kind": "room",
                "room": room["id"],
                "prompt": {"text": "Your PIN, then hash."},
                "refused": "bye",
                "full": "bye",
            },
            "bye": {"kind": "hang-up"},
        }
    }
    kept = ours.post("/flows", {"name": "Meetings", "flow": flow}).get_json()
    assert kept["findings"] == []
    in_use = ours.post(f"{at}/close", {})
    assert (in_use.status_code, in_use.get_json()["code"]) == (409, "room-in-use")
    tried: dict[str, dict[str, object]] = {
        "in": {"keys": ["407195#"], "pin": True},
        "full": {"keys": ["407195#"], "pin": True, "room_full": True},
        "refused": {"keys": ["1#", "2#", "3#"]},
    }
    ends = {}
    for name, trial in tried.items():
        answer = ours.post(f"/flows/{kept['id']}/try", trial).get_json()
        ends[name] = (answer["end"], answer["detail"], [one["way"] for one in answer["passages"]])
    assert ends == {
        "in": ("room", room["id"], [""]),
        "full": ("served", "", ["", "full"]),
        "refused": ("served", "", ["", "refused"]),
    }
    flow["nodes"]["start"]["room"] = ids.public("room", RoomId(ids.new_id()))
    with_stranger = ours.post("/flows", {"name": "Wrong", "flow": flow}).get_json()
    assert [one["fault"] for one in with_stranger["findings"]] == ["no-room"]


def test_another_company_sees_changes_and_names_no_room_of_ours(
    alice: Browser, browser: Browsers, cast: Cast, program: Programs
) -> None:
    path = made_by(alice)
    room = path.rpartition("/")[2]
    charlie, theirs = browser(), program(cast.b)
    assert charlie.sign_in(cast.charlie.email).status_code == 303
    assert charlie.get(path).status_code == 404
    assert theirs.get(f"/rooms/{room}").status_code == 404
    assert theirs.get("/rooms").get_json() == {"data": []}
    assert charlie.get(f"/portal/live/rooms/{room}").status_code == 404
    for deed in ("", "/pins", "/mute", "/lock", "/send-out", "/close"):
        assert charlie.post(f"{path}{deed}", GIVEN | {"revision": "1"}).status_code == 404, deed
    call = ids.public("call", CallId(ids.new_id()))
    for deed in ("mute", "unmute", "lock", "unlock"):
        assert theirs.post(f"/rooms/{room}/lead", {"deed": deed, "call": call}).status_code == 404, deed
    flow = {"nodes": {"start": {"kind": "room", "room": room, "refused": "start", "full": "start"}}}
    kept = theirs.post("/flows", {"name": "Theirs", "flow": flow}).get_json()
    assert "no-room" in [one["fault"] for one in kept["findings"]]


def test_a_step_of_a_flow_names_a_room_in_outline_drawing_and_trial(alice: Browser, ours: Program) -> None:
    path = made_by(alice)
    room = path.rpartition("/")[2]
    flow = ours.post(
        "/flows", {"name": "Meetings", "flow": {"nodes": {"start": {"kind": "room"}}}}
    ).get_json()
    at = f"/portal/flows/{flow['id']}"
    page = alice.get(f"{at}?node=start").text
    well_made(page)
    assert "Choose a conference room that is there." in page
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    kept = alice.post(
        f"{at}/node",
        {"node": "start", "seen": seen, "room": room, "text": "Your PIN.", "timeout_s": "8", "tries": "3"},
    )
    assert kept.status_code == 303
    page = alice.get(f"{at}?node=start").text
    assert f'<option value="{room}" selected>Monday</option>' in page
    assert "Choose a conference room that is there." not in page
    assert json.loads(alice.get(f"{at}/drawn").text)["nodes"][0]["says"] == "Monday"
    tried = alice.get(f"{at}/try?pin=yes&typed=407195%23").text
    well_made(tried)
    assert "The caller is in Monday." in tried


def test_the_story_of_a_call_says_when_it_was_in_which_room(
    alice: Browser, gate: Gate, vault: Vault, line: Line
) -> None:
    path = made_by(alice)
    call_id = puts_in(gate, vault, line, id_of(path))
    told: tuple[tuple[str, dict[str, object]], ...] = (
        ("room-joined", {"name": "Monday", "leader": False}),
        ("muted-in-room", {"on": True, "own": True}),
        ("muted-in-room", {"on": False, "own": True}),
        ("muted-in-room", {"on": True, "own": False}),
        ("muted-in-room", {"on": False, "own": False}),
        ("room-locked", {"on": True}),
        ("room-locked", {"on": False}),
        ("room-was-locked", {"name": "Friday"}),
        ("sent-out-of-room", {}),
        ("room-left", {"name": "Monday"}),
    )
    with gate.open(Scope.system(line.tenant_id)) as session:
        for position, (kind, details) in enumerate(told, start=20):
            calls.note(
                session,
                tenant_id=line.tenant_id,
                call_id=call_id,
                position=position,
                at=clock.now(),
                kind=kind,
                details=details,
            )
        ending = calls.Ending(line.tenant_id, call_id, clock.now(), "sent-out-of-room", "boot-1")
        calls.finish(session, ending=ending)
    page = alice.get(f"/portal/calls/{ids.public('call', call_id)}").text
    well_made(page)
    for words in (
        "In Monday",
        "Mutes themselves in the room",
        "Is heard in the room again",
        "Somebody of the company mutes them in the room",
        "Somebody of the company lets the room hear them again",
        "The room is locked: only leaders get in",
        "The room is open again",
        "Friday is locked: not let in",
        "sends them out of the room",
        "Out of Monday",
    ):
        assert words in page, words
    assert "Conference room" in alice.get("/portal/calls").text


def test_a_room_is_full_of_nobody_when_calls_have_ended(gate: Gate, vault: Vault, line: Line) -> None:
    tenant_id = line.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        made = conference.make(session, tenant_id=tenant_id, vault=vault, wanted=Wanted("Monday", pin=PIN))
    call_id = puts_in(gate, vault, line, made.room_id)
    with gate.open(Scope.system(tenant_id)) as session:
        assert conference.counts(session, tenant_id=tenant_id) == {made.room_id: 1}
        calls.finish(session, ending=calls.Ending(tenant_id, call_id, clock.now(), "left-room", "boot-1"))
        assert conference.counts(session, tenant_id=tenant_id) == {}
