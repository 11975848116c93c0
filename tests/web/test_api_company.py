"""People, the company's settings, queues, the floor and agents' hours, for programs."""

import datetime as dt

import pytest

from core import clock, ids
from seats import hours
from seats.hours import AgentHour
from security.gate import Gate, Scope
from telephony import queues
from tests.web.conftest import HOST, Browsers, Cast, Program, Programs
from tests.web.scene import NOW, Scene
from tests.web.test_api import code_of
from tests.web.test_api_customers import patch

NORA = {"name": "Nora Quist", "email": "nora@pelican.example", "role": "tenant_supervisor"}


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def test_somebody_invited_by_a_program_comes_in_by_the_link(ours: Program, browser: Browsers) -> None:
    made = ours.post("/people", NORA)
    assert made.status_code == 201
    link = made.get_json()["link"]
    assert link.startswith(f"{HOST}/welcome/")
    assert made.get_json()["state"] == "invited"
    nora, password = browser(), "four quiet words in a row"
    nora.post(link.removeprefix(HOST), {"password": password, "again": password})
    assert nora.sign_in(NORA["email"], password).status_code == 303
    path = f"/people/{made.get_json()['id']}"
    assert "link" not in ours.get(path).get_json()
    assert ours.get(path).get_json()["state"] == "active"
    assert NORA["email"] in [one["email"] for one in ours.get("/people").get_json()["data"]]


def test_an_address_that_signs_in_already_is_refused(ours: Program) -> None:
    ours.post("/people", NORA)
    assert code_of(ours.post("/people", NORA)) == (409, "email-taken")
    assert code_of(ours.post("/people", NORA | {"email": "nobody"})) == (422, "malformed-email")
    assert code_of(ours.post("/people", NORA | {"role": "tenant_owner"})) == (422, "invalid-request")


def test_a_key_gives_no_more_than_it_has(program: Programs, cast: Cast) -> None:
    narrow = program(cast.a, "users.read", "users.write", "calls.read")
    assert code_of(narrow.post("/people", NORA)) == (403, "role-not-yours")


def test_an_owner_is_nobodys_to_change_by_key(ours: Program, cast: Cast) -> None:
    path = f"/people/{ids.public('usr', cast.alice.id)}"
    tag = ours.get(path).headers["ETag"]
    assert code_of(patch(ours, path, {"state": "disabled"}, tag)) == (403, "role-not-yours")
    assert code_of(patch(ours, path, {"role": "tenant_analyst"}, tag)) == (403, "role-not-yours")


def test_a_role_is_changed_once_and_shutting_out_ends_sessions(
    ours: Program, browser: Browsers, cast: Cast
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    path = f"/people/{ids.public('usr', cast.sue.id)}"
    tag = ours.get(path).headers["ETag"]
    changed = patch(ours, path, {"role": "tenant_analyst"}, tag)
    assert changed.get_json()["roles"] == ["tenant_analyst"]
    assert sue.get("/portal/calls").status_code == 401
    assert code_of(patch(ours, path, {"state": "disabled"}, tag)) == (412, "precondition-failed")
    gone = patch(ours, path, {"state": "disabled"}, changed.headers["ETag"])
    assert gone.get_json()["state"] == "disabled"
    assert browser().sign_in(cast.sue.email).status_code == 401
    back = patch(ours, path, {"state": "active"}, gone.headers["ETag"])
    assert back.get_json()["state"] != "disabled"
    assert browser().sign_in(cast.sue.email).status_code == 303


def test_settings_are_changed_by_who_read_them(ours: Program) -> None:
    read = ours.get("/company")
    changed = patch(
        ours, "/company", {"zone": "Asia/Shanghai", "language": "zh_Hans_CN"}, read.headers["ETag"]
    )
    assert changed.get_json() == read.get_json() | {"zone": "Asia/Shanghai", "language": "zh_Hans_CN"}
    assert code_of(patch(ours, "/company", {"name": "X"}, read.headers["ETag"])) == (
        412,
        "precondition-failed",
    )
    assert code_of(patch(ours, "/company", {"name": "X"}, None)) == (428, "precondition-required")
    odd = patch(ours, "/company", {"zone": "Europe/Atlantis"}, changed.headers["ETag"])
    assert code_of(odd) == (422, "malformed-setting")


def test_queues_and_the_floor_carry_the_same_ids(ours: Program, gate: Gate, cast: Cast) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        made = queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Deliveries")
    public = ids.public("que", made.queue_id)
    (listed,) = ours.get("/queues").get_json()["data"]
    assert ours.get(f"/queues/{public}").get_json() == listed | {"members": []}
    floor = ours.get("/live").get_json()
    assert [one["id"] for one in floor["queues"]] == [public]
    assert (floor["queues"][0]["waiting"], floor["is_fresh"]) == (0, False)
    assert floor["seats"]["rented"] == 0


def test_agents_hours_are_paged_and_bounded(ours: Program, gate: Gate, cast: Cast) -> None:
    first = clock.now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=3)
    spent = [
        AgentHour(number, first + dt.timedelta(hours=hour), 0, 0, 60_000, 0, 0)
        for hour in range(2)
        for number in (1001, 1002)
    ]
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        hours.publish(session, tenant_id=cast.a.tenant_id, hours=spent)
    seen, cursor = [], ""
    while True:
        page = ours.get(f"/agent-hours?limit=3{cursor}").get_json()
        seen += [(one["hour"], one["agent"]) for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&starting_after={page['next']}"
    assert len(seen) == len(set(seen)) == 4
    assert seen == sorted(seen)
    for odd in ("since=2026-01-01T00:00:00Z&until=2026-12-01T00:00:00Z", "since=2030-01-01T00:00:00Z"):
        assert code_of(ours.get(f"/agent-hours?{odd}")) == (422, "range-too-long")


def test_the_operators_own_people_are_not_shown(program: Programs, cast: Cast) -> None:
    shown = program(cast.b).get("/people").get_json()["data"]
    assert [one["name"] for one in shown] == ["Charlie"]


def test_somebody_gets_a_new_link_from_a_program_of_a_higher_rank(
    ours: Program, program: Programs, cast: Cast
) -> None:
    path = f"/people/{ids.public('usr', cast.sue.id)}"
    made = ours.post(f"{path}/link")
    assert (made.status_code, made.get_json()["name"]) == (201, "Sue")
    assert made.get_json()["link"].startswith(f"{HOST}/welcome/")
    narrow = program(cast.a, "users.read", "users.write")
    assert code_of(narrow.post(f"{path}/link")) == (403, "role-not-yours")
    assert code_of(ours.post(f"/people/{ids.public('usr', cast.alice.id)}/link")) == (403, "role-not-yours")


def test_who_let_whom_in_is_listed_in_pages(ours: Program, program: Programs, cast: Cast) -> None:
    made = ours.post("/people", NORA).get_json()
    ours.post(f"/people/{made['id']}/link")
    first = ours.get("/access-log?limit=1").get_json()
    rest = ours.get(f"/access-log?starting_after={first['next']}").get_json()
    newest, invited = first["data"][0], rest["data"][0]
    assert (newest["deed"], invited["deed"]) == ("link-made", "invited")
    assert newest["person"] == invited["person"] == made["id"]
    assert newest["by"] == ours.get("/me").get_json()["key"]
    assert made["id"] not in program(cast.b).get("/access-log").text


def test_the_day_so_far_adds_up_by_queue(ours: Program, day: Scene) -> None:
    with clock.hold(NOW):
        today = ours.get("/live/today").get_json()
    (queue,) = today["queues"]
    assert (queue["offered"], queue["answered"], queue["abandoned"]) == (3, 2, 1)
    assert queue["service_level"] == queue["answered_in_target"] / 3
    assert len(queue["last_hour"]) == 12
    assert sum(queue["last_hour"]) == 1
    assert today["since"] == "2026-11-19T00:00:00.000Z"
