"""Campaigns for programs: made, filled from a file, started; once for each key, never over a newer change."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from campaigns.plans import Campaign
from core import clock, ids
from core.ids import LeadImportId
from core.storage import DiskStorage
from security.gate import Gate
from security.vault import Vault
from tests.campaigns import factory
from tests.web.conftest import Cast, Program, Programs
from tests.web.scene import NOW, Scene

LEADS = factory.csv_bytes(("phone", "name"), ("+442079460101", "Ines Carvalho"), ("nobody", "x"))


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def campaign(gate: Gate, cast: Cast, day: Scene) -> Campaign:
    return factory.campaign(gate, cast.a.tenant_id, line=day.line)


@pytest.fixture
def path(campaign: Campaign) -> str:
    return f"/campaigns/{ids.public('cmp', campaign.campaign_id)}"


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def settings(day: Scene, **differs: object) -> dict[str, object]:
    queue = ids.public("que", day.line.queue_id)
    return {"name": "Winter slot changes", "queue": queue, "number": day.line.digits, **differs}


def upload(who: Program, path: str, content: bytes, *, key: str = "", media: str = "text/csv") -> Any:
    headers: Mapping[str, str] = {"Idempotency-Key": key} if key else {}
    return who.call("POST", f"{path}/lead-files", data=content, content_type=media, headers=headers)


def test_a_campaign_is_made_and_read_back(ours: Program, day: Scene) -> None:
    made = ours.post("/campaigns", settings(day, waits_min={"busy": 7}, weekdays=[1, 6]))
    assert made.status_code == 201, made.text
    found = ours.get(made.headers["Location"].removeprefix("/api/v1")).json
    assert found is not None
    assert (found["state"], found["waits_min"]["busy"], found["weekdays"]) == ("draft", 7, [1, 6])
    assert found["progress"]["leads"] == 0
    listed = ours.get("/campaigns?limit=1").json
    assert listed is not None
    assert [one["id"] for one in listed["data"]] == [found["id"]]


@pytest.mark.parametrize(
    "differs",
    [
        {"name": ""},
        {"opens": "07:00"},
        {"opens": "20:00", "closes": "09:00"},
        {"weekdays": [8]},
        {"weekdays": []},
        {"ring_s": 14},
        {"waits_min": {"busy": 0}},
        {"waits_min": {"connected": 5}},
        {"number": "+448000000000"},
        {"queue": "que_nonsense"},
        {"surprise": 1},
    ],
)
def test_what_cannot_stand_is_refused(ours: Program, day: Scene, differs: dict[str, object]) -> None:
    answer = ours.post("/campaigns", settings(day, **differs))
    assert answer.status_code == 422
    assert ours.get("/campaigns").json == {"data": [], "has_more": False, "next": None}


def test_a_change_needs_the_version_that_was_read(ours: Program, day: Scene, path: str) -> None:
    tag = ours.get(path).headers["ETag"]
    body = settings(day, name="First")

    def put(**headers: str) -> int:
        return ours.call("PUT", path, json=body, headers=headers).status_code

    assert put() == 428
    assert put(**{"If-Match": tag}) == 200
    assert put(**{"If-Match": tag}) == 412


def test_leads_are_uploaded_imported_and_the_campaign_started(
    ours: Program, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    made = upload(ours, path, LEADS)
    assert made.status_code == 201, made.text
    where = made.headers["Location"].removeprefix("/api/v1")
    assert made.json["columns"] == {"phone": 0, "name": 1, "zone": None, "others": []}
    assert ours.post(f"{path}/start", {}).status_code == 403  # nobody to call yet
    assert ours.post(f"{where}/start", {}).status_code == 200
    assert ours.post(f"{where}/start", {}).status_code == 403
    factory.read(gate, vault, storage, campaign.tenant_id, LeadImportId(ids.parse("limp", made.json["id"])))
    done = ours.get(where).json
    assert done is not None
    assert (done["state"], done["accepted"], done["bad"], done["reasons"]) == (
        "done",
        1,
        1,
        {"bad-number": 1},
    )
    assert "nobody,x,3,bad-number" in ours.get(f"{where}/bad-rows").text
    started = ours.post(f"{path}/start", {})
    assert (started.status_code, started.json and started.json["state"]) == (200, "running")
    assert ours.post(f"{path}/pause", {}).status_code == 200
    assert ours.post(f"{path}/stop", {}).status_code == 200
    assert ours.post(f"{path}/start", {}).status_code == 403
    assert ours.get(f"{path}/attempts").json == {"data": [], "has_more": False, "next": None}


def test_an_upload_sent_twice_under_one_key_is_one_file(ours: Program, path: str) -> None:
    first, again = (upload(ours, path, LEADS, key="k-1") for _ in range(2))
    assert first.json["id"] == again.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = upload(ours, path, LEADS + b"+442079460102,y\n", key="k-1")
    assert (other.status_code, other.json["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("content", "media", "status", "code"),
    [
        (LEADS, "application/json", 415, "unsupported-media-type"),
        (b"", "text/csv", 422, "lead-file-empty"),
        (b"\0\1\2\3", "text/csv", 422, "lead-file"),
        (b"PK\3\4", "text/csv", 422, "lead-file"),
    ],
)
def test_a_wrong_file_is_refused(
    ours: Program, path: str, content: bytes, media: str, status: int, code: str
) -> None:
    answer = upload(ours, path, content, media=media)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_file_beyond_the_usual_limit_needs_the_scope(
    program: Programs, cast: Cast, ours: Program, path: str
) -> None:
    rows = [
        ("phone", "name"),
        *((f"+44207946{at % 10000:04d}", "Ines Carvalho " * 8) for at in range(25_000)),
    ]
    content = factory.csv_bytes(*rows)
    assert upload(ours, path, content).status_code == 201
    reader = program(cast.a, "campaigns.read")
    assert upload(reader, path, content).status_code in {403, 413}


def test_another_companys_campaign_is_not_there(program: Programs, cast: Cast, path: str) -> None:
    theirs = program(cast.b)
    for way in ("", "/attempts"):
        assert theirs.get(f"{path}{way}").status_code == 404
    assert theirs.post(f"{path}/stop", {}).status_code == 404
    assert upload(theirs, path, LEADS).status_code == 404


def test_a_lead_file_is_previewed_listed_and_thrown_away(
    ours: Program, path: str, program: Programs, cast: Cast
) -> None:
    made = upload(ours, path, LEADS).json
    second = upload(ours, path, LEADS).json
    where = f"{path}/lead-files/{made['id']}"
    seen = ours.get(f"{where}/preview").get_json()
    assert (seen["names"], seen["rows"][0][1], seen["problem"]) == (["phone", "name"], "Ines Carvalho", None)
    assert len(ours.get(f"{where}/preview?has_header=false").get_json()["rows"]) == 3
    assert ours.get(f"{where}/preview?encoding=klingon").status_code == 422
    assert program(cast.a, "campaigns.read").get(f"{where}/preview").status_code == 403
    first = ours.get(f"{path}/lead-files?limit=1").get_json()
    rest = ours.get(f"{path}/lead-files?limit=1&starting_after={first['next']}").get_json()
    assert [one["id"] for one in first["data"] + rest["data"]] == [second["id"], made["id"]]
    assert ours.call("DELETE", where).status_code == 204
    assert ours.call("DELETE", where).status_code == 403
    assert [one["id"] for one in ours.get(f"{path}/lead-files").get_json()["data"]] == [second["id"]]


def test_leads_are_listed_masked_and_found_by_their_number(
    ours: Program, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    numbers = [f"+4420794601{at:02d}" for at in range(1, 4)]
    content = factory.csv_bytes(("phone", "name"), *((one, "Ines Carvalho") for one in numbers))
    made = upload(ours, path, content).json
    ours.post(f"{path}/lead-files/{made['id']}/start", {})
    factory.read(gate, vault, storage, campaign.tenant_id, LeadImportId(ids.parse("limp", made["id"])))
    seen, cursor = list[dict[str, Any]](), ""
    while True:
        page = ours.get(f"{path}/leads?limit=2{cursor}").get_json()
        seen += page["data"]
        if not page["has_more"]:
            break
        cursor = f"&starting_after={page['next']}"
    assert len({one["id"] for one in seen}) == 3
    assert {one["name"] for one in seen} == {"I. C."}
    assert not any(one in str(seen) for one in numbers)
    assert ours.get(f"{path}/leads?state=reached").get_json()["data"] == []
    found = ours.post(f"{path}/leads/search", {"phone": numbers[1]}).get_json()["data"]
    assert found == [seen[1]]
    assert ours.post(f"{path}/leads/search", {"phone": "+442079460999"}).get_json()["data"] == []
    assert ours.get(path).get_json()["agents"] == {"assigned": 0, "present": 0, "free": 0, "states": {}}
    assert ours.get(f"{path}/attempts?in_progress=true").get_json()["data"] == []


def test_a_lead_file_may_be_a_part_of_a_form(ours: Program, path: str) -> None:
    def send(boundary: str, name: str = "file", key: str = "form-1") -> Any:
        form = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="winter.csv"\r\n'
                f"Content-Type: text/csv\r\n\r\n"
            ).encode()
            + LEADS
            + f"\r\n--{boundary}--\r\n".encode()
        )
        media = f"multipart/form-data; boundary={boundary}"
        return upload(ours, path, form, key=key, media=media)

    made, again = send("one"), send("two")  # programs choose a new boundary for each try
    assert (made.status_code, made.json["columns"]["phone"]) == (201, 0)
    assert again.json["id"] == made.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    refused = send("one", name="leads", key="form-2")
    assert (refused.status_code, refused.json["code"]) == (422, "file-missing")
    assert refused.json["errors"][0]["pointer"] == "/file"


def test_where_nothing_has_to_be_said_the_body_may_be_left_out(ours: Program, path: str) -> None:
    made = upload(ours, path, LEADS).json
    where = f"{path}/lead-files/{made['id']}/start"
    assert ours.call("POST", where, data=b"{}", content_type="text/plain").status_code == 415
    assert ours.call("POST", where, data=b"", content_type="application/json").status_code == 400
    assert ours.call("POST", where).get_json()["state"] == "queued"


def test_a_campaign_says_when_nobody_may_be_called_at_this_hour(
    ours: Program, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    made = upload(ours, path, LEADS).json
    assert ours.get(path).get_json()["outside_hours"] is False  # nobody is in it yet
    ours.post(f"{path}/lead-files/{made['id']}/start")
    factory.read(gate, vault, storage, campaign.tenant_id, LeadImportId(ids.parse("limp", made["id"])))
    assert ours.get(path).get_json()["outside_hours"] is False
    with clock.hold(NOW.replace(hour=23)):
        assert ours.get(path).get_json()["outside_hours"] is True
