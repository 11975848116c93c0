import datetime as dt
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest
from flask import Blueprint, Flask
from openapi_spec_validator import validate
from pydantic import BaseModel
from werkzeug.test import TestResponse

from core import ids
from core.errors import SeatlineError
from core.ids import OPERATOR, new_id
from security.gate import Gate, Scope
from security.throttle import Limit
from tenants import apikeys, companies, roles
from tests.web.conftest import HOST, Browser, Cast, Program, Programs, TestServices, told
from web import factory
from web.api import limits, versions
from web.api.document import completed, document, rule_path
from web.api.kit import ENDS, operation
from web.api.schema import Inward, Outward
from web.errors import PROBLEM_JSON, STATUS
from web.guards import public

OWNER = roles.permitted(["tenant_owner"])
COMMITTED = Path(__file__).parents[2] / "docs/api/openapi.json"


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def code_of(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == PROBLEM_JSON
    return answer.status_code, answer.get_json(force=True)["code"]


NEW = {"name": "nightly export", "scopes": ["calls.read"]}


def test_a_key_tells_whose_it_is(ours: Program, cast: Cast) -> None:
    me = ours.get("/me").get_json()
    assert me["company"] == ids.public("ten", cast.a.tenant_id)
    assert me["company_name"] == "Pelican Parcel"
    assert me["scopes"] == sorted(roles.SCOPES)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer nonsense",
        "Basic YTpi",
        "Bearer seatline_live_00000000000000000000000000_" + "A" * 43 + "_00000000",
    ],
)
def test_without_a_live_key_nothing_is_answered(ours: Program, header: str) -> None:
    answer = ours.call("GET", "/me", headers={"Authorization": header})
    assert code_of(answer) == (401, "bad-api-key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_signed_in_browser_is_nobody_to_the_api(alice: Browser) -> None:
    assert code_of(alice.get("/api/v1/me")) == (401, "bad-api-key")


def test_a_key_in_the_address_is_refused(ours: Program) -> None:
    assert code_of(ours.get(f"/me?key={ours.token}")) == (400, "key-in-address")


def test_a_suspended_companys_key_opens_nothing(ours: Program, cast: Cast, gate: Gate) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=cast.a.tenant_id)
    assert code_of(ours.get("/me")) == (401, "bad-api-key")


def test_a_key_made_by_a_key_works_until_it_is_revoked(ours: Program, app: Flask) -> None:
    made = ours.post("/api-keys", NEW)
    assert made.status_code == 201
    body = made.get_json()
    assert made.headers["Location"] == f"/api/v1/api-keys/{body['id']}"
    other = Program(app, body["secret"])
    assert other.get("/me").get_json()["scopes"] == ["calls.read"]
    assert "secret" not in ours.get(f"/api-keys/{body['id']}").get_json()
    assert ours.delete(f"/api-keys/{body['id']}").get_json()["revoked_at"]
    assert other.get("/me").status_code == 401


def test_a_key_says_who_made_it_and_what_it_opens(ours: Program, cast: Cast) -> None:
    first = ours.get("/api-keys").get_json()["data"][0]
    made = ours.post("/api-keys", NEW).get_json()
    assert first["made_by"] == ids.public("usr", cast.alice.id)
    assert (made["made_by"], made["opens"]) == (first["id"], ["calls.read"])
    ours.delete(f"/api-keys/{made['id']}")
    assert ours.get(f"/api-keys/{made['id']}").get_json()["opens"] == []


def test_a_key_without_the_scope_is_refused(program: Programs, cast: Cast) -> None:
    reader = program(cast.a, "keys.read")
    refused = reader.post("/api-keys", NEW)
    assert code_of(refused) == (403, "not-permitted")
    body = refused.get_json()
    assert body["title"] == "The key does not allow this"  # a program has no role
    assert body["errors"] == [{"pointer": "/scopes", "message": "The key has not the scope keys.write."}]


def test_a_key_cannot_give_what_it_does_not_have(program: Programs, cast: Cast) -> None:
    narrow = program(cast.a, "keys.write")
    assert code_of(narrow.post("/api-keys", NEW)) == (403, "scope-not-yours")


def test_another_companys_id_and_a_random_id_are_the_same_bytes(program: Programs, cast: Cast) -> None:
    mine, theirs = program(cast.a), program(cast.b)
    foreign = theirs.post("/api-keys", NEW).get_json()["id"]
    random = ids.public("key", new_id())
    for method in ("GET", "DELETE"):
        answers = [mine.call(method, f"/api-keys/{each}") for each in (foreign, random, "key_x", "1", "%00")]
        assert {code_of(answer) for answer in answers} == {(404, "not-found")}
        assert len({told(answer) for answer in answers}) == 1
    assert theirs.get(f"/api-keys/{foreign}").get_json()["revoked_at"] is None


# ------------------------------------------------------------------ malformed input


MALFORMED = [
    (b"", (400, "malformed-json")),
    (b"{", (400, "malformed-json")),
    (b'{"name": "a"} x', (400, "malformed-json")),
    (b'{"name": NaN}', (400, "malformed-json")),
    (b"\xff\xfe{}", (400, "malformed-json")),
    (b"[" * 100_000, (400, "malformed-json")),
    (b"[]", (422, "invalid-request")),
    (b"null", (422, "invalid-request")),
    (b'"name"', (422, "invalid-request")),
    (b"{}", (422, "invalid-request")),
    (b'{"name": "\\u0000", "scopes": ["calls.read"]}', (422, "invalid-request")),
    (b'{"name": "\\ud800", "scopes": ["calls.read"]}', (422, "invalid-request")),
    (b'{"name": "a\\nb", "scopes": ["calls.read"]}', (422, "invalid-request")),
    (b'{"name": 1, "scopes": ["calls.read"]}', (422, "invalid-request")),
    (b'{"name": "a", "scopes": "calls.read"}', (422, "invalid-request")),
    (b'{"name": "a", "scopes": []}', (422, "invalid-request")),
    (b'{"name": "a", "scopes": ["company.close"]}', (422, "invalid-request")),
    (b'{"name": "a", "scopes": ["calls.read"], "tenant_id": "ten_1"}', (422, "invalid-request")),
    (
        b'{"name": "a", "scopes": ["calls.read"], "expires_at": "2020-01-01T00:00:00Z"}',
        (422, "malformed-key"),
    ),
    (
        b'{"name": "a", "scopes": ["calls.read"], "expires_at": "2099-01-01T00:00:00"}',
        (422, "invalid-request"),
    ),
]


def test_a_malformed_body_is_refused_and_makes_nothing(ours: Program) -> None:
    for body, expected in MALFORMED:
        answer = ours.call("POST", "/api-keys", data=body, content_type="application/json")
        assert code_of(answer) == expected, body[:80]
    assert len(ours.get("/api-keys").get_json()["data"]) == 1


def test_what_does_not_fit_is_named_by_pointer(ours: Program) -> None:
    answer = ours.post("/api-keys", {"name": "", "scopes": ["calls.read"], "role": "owner"})
    pointers = {fault["pointer"] for fault in answer.get_json(force=True)["errors"]}
    assert pointers == {"/name", "/role"}


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
def test_an_instant_beyond_the_calendar_is_refused(ours: Program, instant: str) -> None:
    answer = ours.post("/api-keys", NEW | {"expires_at": instant})
    assert code_of(answer) == (422, "invalid-request")
    assert answer.get_json()["errors"][0]["pointer"] == "/expires_at"


def test_a_body_however_deep_is_refused(ours: Program) -> None:
    for depth in (300, 900, 100_000):
        deep = '{"name":' + "[" * depth + "]" * depth + "}"
        answer = ours.http.post(
            "/api/v1/api-keys",
            base_url="http://127.0.0.1:8600",
            data=deep,
            content_type="application/json",
            headers={"Authorization": f"Bearer {ours.token}"},
        )
        assert answer.status_code in {400, 422}


def test_another_content_type_is_refused(ours: Program) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/xml"):
        answer = ours.call("POST", "/api-keys", data=json.dumps(NEW), content_type=kind)
        assert code_of(answer) == (415, "unsupported-media-type"), kind


def test_a_body_too_large_is_refused(ours: Program) -> None:
    answer = ours.post("/api-keys", NEW | {"name": "x" * 300_000})
    assert code_of(answer) == (413, "too-large")


def test_an_unknown_address_and_a_wrong_method_are_problems_too(ours: Program) -> None:
    assert code_of(ours.get("/nothing-here")) == (404, "not-found")
    answer = ours.call("PUT", "/me")
    assert code_of(answer) == (405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2&x=1", "tenant_id=1", "sort=name"]
)
def test_an_unknown_or_malformed_query_is_refused(ours: Program, query: str) -> None:
    assert code_of(ours.get(f"/api-keys?{query}")) == (422, "invalid-request")


# ------------------------------------------------------------------ pages


def test_pages_follow_one_another_to_the_end(ours: Program) -> None:
    made = [ours.post("/api-keys", NEW | {"name": f"key {number}"}).get_json()["id"] for number in range(4)]
    seen, cursor = [], None
    while True:
        page = ours.get("/api-keys?limit=2" + (f"&starting_after={cursor}" if cursor else "")).get_json()
        seen += [key["id"] for key in page["data"]]
        cursor = page["next"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert set(made) <= set(seen)


def test_a_cursor_is_good_for_its_own_company_only(ours: Program, program: Programs, cast: Cast) -> None:
    for _ in range(2):
        ours.post("/api-keys", NEW)
    cursor = ours.get("/api-keys?limit=1").get_json()["next"]
    theirs = program(cast.b)
    for who, text in ((theirs, cursor), (ours, cursor[:-1]), (ours, "key_1"), (ours, "x" * 401)):
        status, code = code_of(who.get(f"/api-keys?starting_after={text}"))
        assert (status, code) in {(422, "malformed-cursor"), (422, "invalid-request")}


# ------------------------------------------------------------------ idempotency


def test_a_repeated_request_gets_the_first_answer(ours: Program) -> None:
    first = ours.post("/api-keys", NEW, headers={"Idempotency-Key": "k1"})
    again = ours.post("/api-keys", NEW, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.get_data()) == (201, first.get_data())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Location"] == first.headers["Location"]
    assert len(ours.get("/api-keys").get_json()["data"]) == 2


def test_the_same_key_for_another_request_is_refused(ours: Program) -> None:
    ours.post("/api-keys", NEW, headers={"Idempotency-Key": "k1"})
    answer = ours.post("/api-keys", NEW | {"name": "other"}, headers={"Idempotency-Key": "k1"})
    assert code_of(answer) == (422, "idempotency-key-reused")


def test_a_failed_request_leaves_its_key_free(ours: Program) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert ours.post("/api-keys", {"name": ""}, headers=headers).status_code == 422
    assert ours.post("/api-keys", NEW, headers=headers).status_code == 201


def test_parallel_repeats_act_once(ours: Program, app: Flask) -> None:
    def send(_: int) -> TestResponse:
        return Program(app, ours.token).post("/api-keys", NEW, headers={"Idempotency-Key": "k1"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.get_data() for answer in answers if answer.status_code == 201}) == 1
    assert len(ours.get("/api-keys").get_json()["data"]) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel"])
def test_a_malformed_idempotency_key_is_refused(ours: Program, key: str) -> None:
    answer = ours.post("/api-keys", NEW, headers={"Idempotency-Key": key})
    assert code_of(answer) == (422, "malformed-idempotency-key")


def test_the_secret_of_a_repeated_answer_is_sealed(ours: Program, gate: Gate, cast: Cast) -> None:
    ours.post("/api-keys", NEW, headers={"Idempotency-Key": "k1"})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        stored = session.connection().exec_driver_sql("SELECT answer FROM app.repeats").scalar_one()
    assert b"seatline_live" not in stored


# ------------------------------------------------------------------ versions


def test_a_key_is_pinned_to_a_version_and_a_header_overrides_it(
    ours: Program, gate: Gate, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = apikeys.VERSIONS[-1]
    assert ours.get("/me").get_json()["api_version"] == newest
    monkeypatch.setattr(versions, "VERSIONS", (*apikeys.VERSIONS, "2027-05-01"))
    monkeypatch.setattr(versions, "CURRENT", "2027-05-01")
    answer = ours.get("/me")  # made before there was another, it goes on speaking its own
    assert (answer.headers["Api-Version"], answer.get_json()["api_version"]) == (newest, newest)
    answer = ours.call("GET", "/me", headers={"Api-Version": "2027-05-01"})
    assert (answer.headers["Api-Version"], answer.get_json()["api_version"]) == ("2027-05-01", "2027-05-01")
    assert ours.get("/openapi.json").headers["Api-Version"] == "2027-05-01"
    (key,) = ours.get("/api-keys").get_json()["data"]
    assert key["api_version"] == newest


@pytest.mark.parametrize("version", ["", "1", "2026-11-23", "9999-99-99"])
def test_a_version_that_does_not_exist_is_refused_before_anything_is_done(
    ours: Program, version: str
) -> None:
    answer = ours.post("/api-keys", NEW, headers={"Api-Version": version})
    assert code_of(answer) == (400, "unknown-api-version")
    assert len(ours.get("/api-keys").get_json()["data"]) == 1


def test_what_goes_away_says_so_on_every_answer_and_in_the_document(services: TestServices) -> None:
    ends = versions.Ends(dt.date(2027, 1, 1), dt.date(2027, 7, 1), "getMe")

    @public("a trial")
    @operation(tag="Trial", answers={200: None}, operation_id="trial", ends=ends)
    def trial() -> str:
        return "{}"

    app = factory.bare_app(services)
    pages = Blueprint("trial", __name__)
    pages.get("/trial")(trial)
    app.register_blueprint(pages)
    try:
        answer = app.test_client().get("/trial", base_url=HOST)
        assert answer.status_code == 200
        assert answer.headers["Deprecation"] == "@1798761600"
        assert answer.headers["Sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
        assert answer.headers["Link"] == '</api/docs#getMe>; rel="successor-version"'
        described = completed({"operationId": "trial", "responses": {}, "description": ""}, "get", None)
        assert described["deprecated"]
        assert "2027-07-01: use `getMe`" in described["description"]
    finally:
        ENDS.pop("trial")


# ------------------------------------------------------------------ limits and headers


def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    ours: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_KEY", Limit("api", 2, 3600))
    assert ours.get("/me").headers["RateLimit-Remaining"] == "1"
    assert ours.get("/me").status_code == 200
    answer = ours.get("/me")
    assert code_of(answer) == (429, "too-many-requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["RateLimit-Limit"] == "2"


def test_one_companys_limit_is_not_anothers(
    ours: Program, program: Programs, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_KEY", Limit("api", 1, 3600))
    ours.get("/me")
    assert ours.get("/me").status_code == 429
    assert program(cast.b).get("/me").status_code == 200


def test_every_answer_carries_a_request_id_and_is_not_stored(ours: Program) -> None:
    for answer in (ours.get("/me"), ours.get("/nothing"), ours.call("PUT", "/me")):
        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


# ------------------------------------------------------------------ the document


@pytest.fixture
def openapi(app: Flask) -> dict[str, Any]:
    with app.test_request_context(base_url=HOST):
        return document(app)


def test_the_document_is_valid_openapi(openapi: dict[str, Any]) -> None:
    validate(openapi)


def test_the_committed_document_is_the_generated_one(openapi: dict[str, Any]) -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == openapi, (
        "run: python -m web.cli openapi > docs/api/openapi.json"
    )


def test_a_problem_names_its_request_and_leads_to_the_words_for_its_code(ours: Program) -> None:
    answer = ours.get("/nothing-here")
    problem = answer.get_json(force=True)
    assert problem["request_id"] == answer.headers["Request-Id"]
    page, _, code = problem["type"].removeprefix(HOST).partition("#")
    assert f'<tr id="{code}">' in ours.http.get(page, base_url=HOST).text


def test_every_code_a_program_may_meet_is_explained(ours: Program) -> None:
    page = ours.http.get("/api/docs", base_url=HOST).text
    codes: set[str] = set()
    pending: list[type[SeatlineError]] = [SeatlineError]
    while pending:
        found = pending.pop().__subclasses__()
        pending += found
        codes |= {one.code for one in found if one.kind in STATUS}
    assert {code for code in codes if f'<tr id="{code}">' not in page} == set()


def test_what_webhooks_send_has_an_example_of_its_schema(openapi: dict[str, Any]) -> None:
    for event, item in openapi["webhooks"].items():
        content = item["post"]["requestBody"]["content"]["application/json"]
        jsonschema.validate(content["example"], content["schema"])
        assert content["example"]["type"] == event


def test_no_two_models_share_a_name() -> None:
    """The document has one place for schemas: of two models of one name it would show one for both."""
    names: dict[str, set[str]] = {}
    pending: list[type[BaseModel]] = [Inward, Outward]
    while pending:
        for each in pending.pop().__subclasses__():
            pending.append(each)
            names.setdefault(each.__name__, set()).add(each.__module__)
    assert {name: places for name, places in names.items() if len(places) > 1} == {}


def test_every_operation_documents_its_problems_as_problem_json(openapi: dict[str, Any]) -> None:
    for path, item in openapi["paths"].items():
        for method, one in item.items():
            for status in ("401", "403", "422", "429", "503"):
                content = one["responses"][status]["content"]
                assert list(content) == [PROBLEM_JSON], (path, method, status)


def test_every_route_of_the_api_is_documented_or_public(app: Flask, openapi: dict[str, Any]) -> None:
    public = {"/api/v1/openapi.json", "/api/v1/problems"}
    routes = {rule_path(str(rule)) for rule in app.url_map.iter_rules() if str(rule).startswith("/api/v1")}
    assert routes - public == set(openapi["paths"])


def test_the_api_speaks_english_whatever_the_browser_asks(ours: Program) -> None:
    answer = ours.get("/nothing", headers={"Accept-Language": "zh-CN"})
    assert answer.get_json(force=True)["title"] == "Not found"


def test_the_large_public_documents_are_sent_compressed(ours: Program) -> None:
    for path in ("/api/docs", "/api/v1/openapi.json", "/api/v1/problems"):
        plain = ours.http.get(path, base_url=HOST)
        packed = ours.http.get(path, base_url=HOST, headers={"Accept-Encoding": "br, gzip"})
        assert "Content-Encoding" not in plain.headers
        assert (packed.headers["Content-Encoding"], "Accept-Encoding" in packed.vary) == ("gzip", True)
        assert len(gzip.decompress(packed.data)) == pytest.approx(len(plain.data), abs=100)  # tokens differ
        assert len(packed.data) < 100_000, path
        asked = ours.http.get(f"{path}?a=1", base_url=HOST, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in asked.headers  # what a request brings is never packed with the rest


def classes(hint: object) -> Iterator[type]:
    """Return what a type is made of: models, enums, and what stands in their brackets."""
    if isinstance(hint, type) and not get_args(hint):
        yield hint
    for part in get_args(hint):
        yield from classes(part)


def test_no_two_models_of_the_document_have_one_name() -> None:
    """The document knows them by name: of two `Fault`s one was described as the other."""
    told: dict[str, set[type]] = {}
    models: list[type[BaseModel]] = [Inward, Outward]
    for model in models:
        models += [one for one in model.__subclasses__() if one not in models]
        told.setdefault(model.__name__, set()).add(model)
        for field in model.model_fields.values():
            for one in classes(field.annotation):
                if issubclass(one, StrEnum):
                    told.setdefault(one.__name__, set()).add(one)
    assert len(told) > 100
    assert {name: found for name, found in told.items() if len(found) > 1} == {}
