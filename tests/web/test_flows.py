"""Flows over HTTP: written, published, brought back, tried, led into by a number; what stands in the way."""

import pytest
from werkzeug.test import TestResponse

from core import ids
from security.gate import Gate, Scope
from telephony import queues
from tests.factories import telephony
from tests.web.conftest import Cast, Program, Programs, told
from tests.web.scene import Scene


@pytest.fixture
def alices(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def queue(gate: Gate, cast: Cast) -> str:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        made = queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Parcels")
        return ids.public("que", made.queue_id)


def nodes(queue: str) -> dict[str, object]:
    return {
        "start": {"kind": "say", "prompt": {"text": "Welcome."}, "next": "menu"},
        "menu": {
            "kind": "menu",
            "prompt": {"text": "1 for deliveries, 2 to end."},
            "keys": {"1": {"to": "queue", "label": "Deliveries"}, "2": {"to": "bye"}},
            "otherwise": "queue",
        },
        "queue": {"kind": "queue", "queue": queue},
        "bye": {"kind": "hang-up", "prompt": {"text": "Goodbye."}},
    }


def made(alices: Program, queue: str) -> str:
    answer = alices.post("/flows", {"name": "Main", "flow": {"nodes": nodes(queue)}})
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["id"])


def publish(alices: Program, flow: str, revision: int) -> TestResponse:
    return alices.call("POST", f"/flows/{flow}/publish", headers={"If-Match": f'"{revision}"'})


def test_a_flow_is_written_published_changed_and_brought_back(alices: Program, queue: str) -> None:
    flow = made(alices, queue)
    shown = alices.get(f"/flows/{flow}").get_json()
    assert (shown["version"], shown["findings"]) == (0, [])
    assert publish(alices, flow, 1).get_json()["version"] == 1
    other = {"name": "Main", "flow": {"nodes": {"start": {"kind": "queue", "queue": queue}}}}
    changed = alices.call("PUT", f"/flows/{flow}", json=other, headers={"If-Match": '"2"'})
    assert changed.get_json()["version"] == 1, "callers notice nothing of a draft"
    assert publish(alices, flow, 3).get_json()["version"] == 2
    back = alices.call("POST", f"/flows/{flow}/versions/1/publish", headers={"If-Match": '"4"'}).get_json()
    assert back["version"] == 3
    assert set(back["flow"]["nodes"]) == {"start", "menu", "queue", "bye"}
    listed = alices.get(f"/flows/{flow}/versions").get_json()["data"]
    assert [(one["version"], one["brought_back"]) for one in listed] == [(3, 1), (2, None), (1, None)]
    assert [one["name"] for one in alices.get("/flows").get_json()["data"]] == ["Main"]


def test_who_saves_second_is_told(alices: Program, queue: str) -> None:
    flow = made(alices, queue)
    body = {"name": "Mine", "flow": {"nodes": nodes(queue)}}
    assert alices.call("PUT", f"/flows/{flow}", json=body, headers={"If-Match": '"1"'}).status_code == 200
    assert alices.call("PUT", f"/flows/{flow}", json=body, headers={"If-Match": '"1"'}).status_code == 412


def test_a_flow_in_which_callers_get_stuck_is_not_published(alices: Program, queue: str) -> None:
    wrong = nodes(queue) | {"menu": {"kind": "menu"}}
    flow = alices.post("/flows", {"name": "Main", "flow": {"nodes": wrong}}).get_json()
    assert {(one["fault"], one["node"]) for one in flow["findings"] if one["forbids"]} == {
        ("no-prompt", "menu"),
        ("no-keys", "menu"),
        ("dead-end", "menu"),
    }
    refused = publish(alices, flow["id"], 1)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "flow-faulty")
    assert alices.get(f"/flows/{flow['id']}").get_json()["version"] == 0


def test_a_queue_of_another_company_is_not_there(program: Programs, cast: Cast, queue: str) -> None:
    charlies = program(cast.b)
    flow = charlies.post("/flows", {"name": "Main", "flow": {"nodes": nodes(queue)}}).get_json()
    assert ("no-queue", "queue") in {(one["fault"], one["node"]) for one in flow["findings"]}
    assert publish(charlies, flow["id"], 1).get_json()["code"] == "flow-faulty"


@pytest.mark.parametrize(
    "flow",
    [
        {"nodes": {"start": {"kind": "teleport"}}},
        {"nodes": {"Start!": {"kind": "hang-up"}}},
        {"nodes": {"start": {"kind": "hang-up", "extra": 1}}},
        {"nodes": {"start": {"kind": "menu", "keys": {"A": {"to": "x"}}}}},
        {"nodes": {"start": {"kind": "say", "prompt": {"text": "x" * 1001}}}},
        {"nodes": {"start": {"kind": "queue", "queue": "que_1"}}},
        {"format": 2, "nodes": {}},
        {"nodes": {f"n{n}": {"kind": "hang-up"} for n in range(201)}},
    ],
)
def test_what_is_no_flow_is_refused(alices: Program, flow: dict[str, object]) -> None:
    assert alices.post("/flows", {"name": "Main", "flow": flow}).status_code == 422


@pytest.mark.parametrize(
    ("keys", "end", "last"),
    [
        ([], "waits", "menu"),
        (["1"], "queue", "queue"),
        (["2"], "served", "bye"),
        (["7", "1"], "queue", "queue"),
        (["", "", ""], "queue", "queue"),
    ],
)
def test_a_flow_is_tried_without_a_telephone(
    alices: Program, queue: str, keys: list[str], end: str, last: str
) -> None:
    flow = made(alices, queue)
    tried = alices.post(f"/flows/{flow}/try", {"keys": keys}).get_json()
    assert (tried["end"], tried["passages"][-1]["node"]) == (end, last)
    assert tried["passages"][0]["heard"] == ["Welcome."]
    if end == "queue":
        assert tried["detail"] == queue


def test_a_number_leads_into_a_flow_that_is_published(
    alices: Program, queue: str, cast: Cast, day: Scene
) -> None:
    number = ids.public("num", day.line.number_id)
    flow, revision = made(alices, queue), alices.get("/numbers").get_json()["data"][0]["revision"]

    def lead(to: str | None, at: int = revision) -> TestResponse:
        return alices.call("PUT", f"/numbers/{number}/flow", json={"flow": to, "revision": at})

    assert lead(flow).get_json()["code"] == "flow-not-published"
    publish(alices, flow, 1)
    assert lead(flow).get_json()["flow"] == flow
    assert lead(None).status_code == 409, "somebody else has changed the number"
    assert alices.get("/numbers").get_json()["data"][0]["flow"] == flow
    gone = alices.call("DELETE", f"/flows/{flow}", headers={"If-Match": '"2"'})
    assert gone.get_json()["code"] == "flow-in-use"
    assert lead(None, revision + 1).get_json()["flow"] is None
    assert alices.call("DELETE", f"/flows/{flow}", headers={"If-Match": '"2"'}).status_code == 200
    assert told(alices.get(f"/flows/{flow}")) == told(
        alices.get(f"/flows/{ids.public('flow', cast.a.tenant_id)}")
    )


def outside(queue: str, phone: str) -> dict[str, object]:
    ways = {"no_answer": "queue", "busy": "queue", "otherwise": "queue"}
    return {
        "nodes": {
            "start": {"kind": "outside", "phone": phone, **ways},
            "queue": {"kind": "queue", "queue": queue},
        }
    }


def test_a_number_outside_is_kept_tried_and_hidden_from_who_may_only_read(
    alices: Program, program: Programs, cast: Cast, queue: str
) -> None:
    given = {"name": "Branch office", "flow": outside(queue, "+44 7700 900120")}
    made = alices.post("/flows", given).get_json()
    assert made["findings"] == []
    assert made["flow"]["nodes"]["start"]["phone"] == "+447700900120"
    flow = made["id"]
    for way, end in (("", "outside"), ("busy", "queue")):
        assert alices.post(f"/flows/{flow}/try", {"keys": [], "outside": way}).get_json()["end"] == end
    assert publish(alices, flow, 1).status_code == 200
    (version,) = alices.get(f"/flows/{flow}/versions").get_json()["data"]
    assert version["flow"]["nodes"]["start"]["phone"] == "+447700900120"
    reader = program(cast.a, "queues.read")
    for path in (f"/flows/{flow}", f"/flows/{flow}/versions"):
        seen = reader.get(path)
        assert seen.status_code == 200
        assert "+44 7700 900•••" in str(seen.get_json())
        assert "900120" not in seen.text


def test_a_number_of_ones_own_is_not_called_by_a_flow(
    alices: Program, gate: Gate, cast: Cast, queue: str
) -> None:
    line = telephony.line(gate, cast.a.tenant_id, digits="+448081570190", queue="Returns")
    made = alices.post("/flows", {"name": "Loop", "flow": outside(queue, line.digits)}).get_json()
    assert [one["fault"] for one in made["findings"]] == ["wrong-phone"]
    refused = publish(alices, made["id"], 1)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "flow-faulty")
    malformed = alices.post("/flows", {"name": "x", "flow": outside(queue, "12")})
    assert malformed.status_code == 422
