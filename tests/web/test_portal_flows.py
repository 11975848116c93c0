"""A flow in the portal: written step by step without scripts, tried, published; two who change it at once."""

import io
import re

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from core import ids
from core.ids import QueueId
from security.gate import Gate, Scope
from telephony import queues
from tenants import alarms, tampering
from tests.telephony.flows.factory import tone
from tests.web.conftest import Browser, Cast, Program, Programs
from tests.web.scene import Scene


@pytest.fixture
def queue_id(gate: Gate, cast: Cast) -> QueueId:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Parcels").queue_id


@pytest.fixture
def path(alice: Browser) -> str:
    answer = alice.post("/portal/flows", {"name": "Main menu", "language": "en"})
    assert answer.status_code == 303
    return str(answer.location)


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def charlie(program: Programs, cast: Cast) -> Program:
    return program(cast.b)


def step(alice: Browser, path: str, node: str, **fields: str) -> TestResponse:
    """Open the form of a step, change fields and send it."""
    page = alice.get(f"{path}?node={node}").text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen, page
    return alice.post(f"{path}/node", {"node": node, "seen": seen[1], **fields})


def add(alice: Browser, path: str, kind: str, after: str) -> str:
    answer = alice.post(f"{path}/add", {"kind": kind, "after": after})
    assert answer.status_code == 303
    found = re.search(r"node=([a-z0-9-]+)", str(answer.location))
    assert found
    return found[1]


def said(alice: Browser, answer: TestResponse) -> TestResponse:
    """Return the page a form leads to."""
    assert answer.status_code == 303, answer.text
    return alice.get(str(answer.location))


def draft(ours: Program, path: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = ours.get(f"/flows/{path.rpartition('/')[2]}").get_json()["flow"][
        "nodes"
    ]
    return found


def test_a_flow_is_written_step_by_step_tried_published_and_led_into(
    alice: Browser, path: str, ours: Program, queue_id: QueueId, day: Scene
) -> None:
    queue = ids.public("que", queue_id)
    assert step(alice, path, "start", title="Welcome", text="Welcome to Pelican.").status_code == 303
    menu = add(alice, path, "menu", "start next")
    first = add(alice, path, "queue", f"{menu} otherwise")
    assert step(alice, path, first, queue=queue).status_code == 303
    last = add(alice, path, "hang-up", f"{menu} key-2")
    fields = {
        "text": "Press 1 for parcels, 2 to end.",
        "timeout_s": "5",
        "tries": "2",
        "key-1-to": first,
        "key-1-label": "Parcels",
        "key-2-to": last,
        "otherwise": first,
    }
    assert step(alice, path, menu, **fields).status_code == 303
    page = alice.get(path).text
    assert "stands in the way" not in page
    assert "Welcome to Pelican." not in page, "the form of a step opens when it is chosen"
    tried = alice.get(f"{path}/try?typed=1").text
    assert "Welcome to Pelican." in tried
    assert "The caller waits in Parcels." in tried
    assert "The flow waits for a key." in alice.get(f"{path}/try").text
    assert "nobody was needed" in alice.get(f"{path}/try?typed=2").text
    revision = found_revision(page)
    assert "is published" in said(alice, alice.post(f"{path}/publish", {"revision": revision})).text
    number = ids.public("num", day.line.number_id)
    at = ours.get("/numbers").get_json()["data"][0]["revision"]
    led = said(alice, alice.post(f"{path}/number", {"number": number, "revision": str(at), "led": "in"}))
    assert "leads here" in led.text
    assert "leads into" not in alice.get("/portal/flows").text
    refused = said(alice, alice.post(f"{path}/remove", {"revision": found_revision(led.text)}))
    assert "Lead their callers elsewhere first" in refused.text


def found_revision(page: str) -> str:
    found = re.search(r'name="revision" value="(\d+)"', page)
    assert found
    return found[1]


def test_what_stands_in_the_way_is_said_and_nothing_published(
    alice: Browser, path: str, ours: Program
) -> None:
    page = alice.get(path).text
    assert "2 things stand in the way" in page
    assert "Nothing is said here." in page
    told = said(alice, alice.post(f"{path}/publish", {"revision": found_revision(page)})).text
    assert "callers would get stuck" in told
    assert ours.get(f"/flows/{path.rpartition('/')[2]}").get_json()["version"] == 0


def test_two_who_change_different_steps_both_keep_theirs(alice: Browser, path: str, ours: Program) -> None:
    menu = add(alice, path, "menu", "start next")
    page = alice.get(f"{path}?node=start").text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen
    assert step(alice, path, menu, text="Theirs.", timeout_s="5", tries="2").status_code == 303
    mine = alice.post(f"{path}/node", {"node": "start", "seen": seen[1], "text": "Mine.", "next": menu})
    assert mine.status_code == 303
    nodes = draft(ours, path)
    assert (nodes["start"]["prompt"]["text"], nodes[menu]["prompt"]["text"]) == ("Mine.", "Theirs.")  # type: ignore[index] # JSON


def test_two_who_change_the_same_step_are_told(alice: Browser, path: str, ours: Program) -> None:
    page = alice.get(f"{path}?node=start").text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen
    assert step(alice, path, "start", text="Theirs.").status_code == 303
    late = alice.post(f"{path}/node", {"node": "start", "seen": seen[1], "text": "Mine."})
    assert late.status_code == 409
    assert "Mine." in late.text, "what was typed is not lost"
    assert draft(ours, path)["start"]["prompt"]["text"] == "Theirs."  # type: ignore[index] # JSON


@pytest.mark.parametrize(
    ("kind", "fields", "marked"),
    [
        ("menu", {"timeout_s": "99", "tries": "2"}, "timeout_s"),
        (
            "collect",
            {"into": "Not A Name", "least": "1", "most": "4", "timeout_s": "5", "tries": "1"},
            "into",
        ),
        ("webhook", {"url": "ftp://x"}, "url"),
    ],
)
def test_what_cannot_be_is_said_where_it_stands(
    alice: Browser, path: str, kind: str, fields: dict[str, str], marked: str
) -> None:
    node = add(alice, path, kind, "start next")
    answer = step(alice, path, node, **fields)
    assert answer.status_code == 422
    assert "Not saved" in answer.text
    assert fields[marked] in answer.text


def test_a_step_taken_out_leaves_the_way_whole(alice: Browser, path: str, ours: Program) -> None:
    middle = add(alice, path, "say", "start next")
    last = add(alice, path, "hang-up", f"{middle} next")
    assert alice.post(f"{path}/take", {"node": middle}).status_code == 303
    nodes = draft(ours, path)
    assert set(nodes) == {"start", last}
    assert nodes["start"]["next"] == last


def test_a_step_put_between_two_leads_on_to_the_second(alice: Browser, path: str, ours: Program) -> None:
    last = add(alice, path, "hang-up", "start next")
    middle = add(alice, path, "say", "start next")
    nodes = draft(ours, path)
    assert (nodes["start"]["next"], nodes[middle]["next"]) == (middle, last)


def test_an_earlier_version_is_brought_back(alice: Browser, path: str, ours: Program) -> None:
    flow = path.rpartition("/")[2]
    last = add(alice, path, "hang-up", "start next")
    step(alice, path, "start", text="First.", next=last)
    alice.post(f"{path}/publish", {"revision": found_revision(alice.get(path).text)})
    step(alice, path, "start", text="Second.", next=last)
    alice.post(f"{path}/publish", {"revision": found_revision(alice.get(path).text)})
    revision = found_revision(alice.get(path).text)
    back = said(alice, alice.post(f"{path}/back", {"revision": revision, "version": "1"}))
    assert "Version 3 is published" in back.text
    assert ours.get(f"/flows/{flow}").get_json()["flow"]["nodes"]["start"]["prompt"]["text"] == "First."


def test_a_flow_that_is_not_there_is_not_there(alice: Browser) -> None:
    assert alice.post("/portal/flows/flow_1/publish", {}).status_code == 404


def test_a_sound_is_uploaded_heard_played_by_a_step_and_kept_while_it_is(
    alice: Browser, path: str, ours: Program
) -> None:
    refused = said(alice, upload(alice, b"%PDF-1.7 no sound"))
    assert "That file is not a sound we can play." in refused.text
    assert "A sound is between" in said(alice, upload(alice, tone(0.1))).text
    page = said(alice, upload(alice, tone())).text
    assert "Welcome is uploaded." in page
    (sound,) = ours.get("/sounds").get_json()["data"]
    assert (sound["name"], sound["length_ms"]) == ("Welcome", 1000)
    heard = alice.get(f"/portal/sounds/{sound['id']}/audio")
    assert (heard.mimetype, heard.data[:4]) == ("audio/wav", b"RIFF")
    assert ours.get(f"/sounds/{sound['id']}/audio").data == heard.data
    node = add(alice, path, "play", "start next")
    step(alice, path, node, sound=sound["id"])
    assert draft(ours, path)[node]["sound"] == sound["id"]
    assert "♪ Welcome" in alice.get(f"{path}/try").text
    remove = f"/portal/sounds/{sound['id']}/remove"
    assert "A flow plays this sound." in said(alice, alice.post(remove)).text
    assert ours.delete(f"/sounds/{sound['id']}").status_code == 409
    alice.post(f"{path}/take", {"node": node})
    assert "The sound is removed." in said(alice, alice.post(remove)).text
    assert ours.get("/sounds").get_json()["data"] == []


def test_programs_upload_sounds_as_a_body_and_never_hear_anothers(ours: Program, charlie: Program) -> None:
    made = ours.call("POST", "/sounds?name=Night", data=tone(), content_type="audio/wav")
    assert made.status_code == 201
    no_sound = ours.call("POST", "/sounds", data=b"no", content_type="audio/mpeg")
    assert (no_sound.status_code, no_sound.get_json()["code"]) == (422, "not-a-sound")
    where = f"/sounds/{made.get_json()['id']}"
    assert charlie.get(f"{where}/audio").status_code == 404
    assert charlie.delete(where).status_code == 404
    assert ours.delete(where).status_code == 204


def upload(alice: Browser, data: bytes) -> TestResponse:
    return alice.post(
        "/portal/sounds",
        {"name": "Welcome", "file": (io.BytesIO(data), "welcome.wav")},
        content_type="multipart/form-data",
    )


def test_a_number_outside_is_written_in_its_form(
    alice: Browser, path: str, queue_id: QueueId, gate: Gate, cast: Cast
) -> None:
    alice.post(f"{path}/add", {"kind": "outside", "after": "start next"})
    page = alice.get(f"{path}?node=outside-1").text
    assert "Call a number outside" in page
    assert "Write the number to call." in page
    wrong = step(alice, path, "outside-1", phone="020 7946", ring_s="30")
    assert wrong.status_code == 422
    assert "with its country code, like" in wrong.text
    assert step(alice, path, "outside-1", phone="+44 (0)7700 900120", ring_s="45").status_code == 303
    page = alice.get(f"{path}?node=outside-1").text
    assert 'value="+44 7700 900120"' in page
    assert 'value="45"' in page
    assert "no answer" in page
    tried = alice.get(f"{path}/try").text
    assert "The number outside takes the caller." in tried
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        flipped = "UPDATE app.flows SET phones_ct = set_byte(phones_ct, 20, get_byte(phones_ct, 20) # 1)"
        session.execute(sa.text(flipped))
    damaged = alice.get(f"{path}?node=outside-1")
    assert damaged.status_code == 200
    assert "Write the number to call." in damaged.text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        rung = alarms.page(session, tenant_id=cast.a.tenant_id, limit=10)
        assert [one.kind for one in rung] == [tampering.SEAL]


def test_keys_of_a_queue_are_written_drawn_and_tried(
    alice: Browser, path: str, ours: Program, queue_id: QueueId
) -> None:
    queue = ids.public("que", queue_id)
    step(alice, path, "start", title="Welcome", text="Welcome.")
    wait = add(alice, path, "queue", "start next")
    bye = add(alice, path, "hang-up", f"{wait} key-1")
    fields = {
        "queue": queue,
        "text": "Press 1 to end.",
        "announces": "true",
        "every_s": "45",
        "key-1-to": bye,
        "key-1-label": "The end",
    }
    assert step(alice, path, wait, **fields).status_code == 303
    kept = draft(ours, path)[wait]
    assert (kept["announces"], kept["every_s"], kept["prompt"]) == (
        True,
        45,
        {"text": "Press 1 to end.", "language": None},
    )
    assert kept["keys"] == {"1": {"to": bye, "label": "The end"}}
    page = alice.get(f"{path}?node={wait}").text
    assert 'name="announces" value="true" checked' in page
    assert "stands in the way" not in page
    drawn = next(one for one in alice.get(f"{path}/drawn").get_json()["nodes"] if one["key"] == wait)
    assert [one["way"] for one in drawn["ways"]] == ["key-1", "key-2"], "and the next free key"
    assert drawn["says"] == "Parcels"
    waiting = alice.get(f"{path}/try").text
    assert "The caller waits in Parcels." in waiting
    assert "The end" in waiting
    assert "nobody was needed" in alice.get(f"{path}/try?typed=1").text
    assert step(alice, path, wait, **(fields | {"announces": "false"})).status_code == 303
    assert draft(ours, path)[wait]["announces"] is False
    refused = step(alice, path, wait, **(fields | {"every_s": "5"}))
    assert refused.status_code == 422
