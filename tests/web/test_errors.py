from dataclasses import replace
from typing import NoReturn

import pytest
import redis
from flask import Blueprint, Flask, request
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from core import ids
from core.config import Settings
from core.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from core.ids import new_id
from seats.errors import RentalLimitError
from security.gate import Gate, Scope
from tenants import companies
from tests.web.conftest import Browser, Browsers, Cast, TestServices, found
from web import account, errors, factory, scope
from web.errors import PROBLEM_JSON
from web.guards import permission, public

HOST = "http://127.0.0.1:8600"


@pytest.fixture
def trial(services: TestServices) -> Flask:
    """An application whose only pages raise what they are told."""
    app = factory.bare_app(services)
    pages = Blueprint("trial", __name__)
    raised = {
        "missing": NotFound(),
        "invalid": Invalid(field="name"),
        "refused": Refused(),
        "conflict": Conflict(),
        "limit": RentalLimitError(most=5, held=3, label="Table 4"),
        "away": Unavailable(retry_after_s=7),
        "redis": redis.ConnectionError("secret address"),
        "bug": ZeroDivisionError("alice@pelicanparcel.example"),
    }

    @pages.get("/raise/<what>")
    @public("a page of this test")
    def fail(what: str) -> NoReturn:
        raise raised[what]

    @pages.post("/write")
    @permission("self.write")
    def write() -> tuple[str, int]:
        scope.session().execute(text("UPDATE app.tenants SET name = 'Changed'"))
        what = request.form["what"]
        if what == "raise":
            raise Refused
        return ("", int(what))

    @pages.get("/long")
    @permission("self.write")
    def long() -> str:
        scope.session().execute(text("SET LOCAL statement_timeout = '50ms'"))
        scope.session().execute(text("SELECT pg_sleep(20)"))
        return "served"

    app.register_blueprint(pages)
    app.register_blueprint(account.pages)
    app.extensions[errors.SIGN_IN] = account.please_sign_in
    return app


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("missing", 404, "not-found"),
        ("invalid", 422, "invalid"),
        ("refused", 403, "refused"),
        ("conflict", 409, "conflict"),
        ("away", 503, "unavailable"),
        ("redis", 503, "unavailable"),
        ("bug", 500, "internal"),
    ],
)
def test_each_kind_has_its_status_in_all_three_shapes(
    trial: Flask, what: str, status: int, code: str
) -> None:
    client = trial.test_client()
    page = client.get(f"/raise/{what}", base_url=HOST, headers={"Accept": "text/html"})
    part = client.get(f"/raise/{what}", base_url=HOST, headers={"HX-Request": "true", "Accept": "*/*"})
    data = client.get(f"/raise/{what}", base_url=HOST, headers={"Accept": "application/json"})
    assert [page.status_code, part.status_code, data.status_code] == [status] * 3
    assert page.get_data(as_text=True).startswith("<!doctype html>")
    assert "<html" not in part.get_data(as_text=True)
    assert data.content_type == PROBLEM_JSON
    assert data.get_json(force=True)["code"] == code
    for answer in (page, part, data):
        seen = answer.get_data(as_text=True)
        assert "Traceback" not in seen
        assert "alice@" not in seen
        assert "secret address" not in seen


def test_what_is_away_says_when_to_come_back(trial: Flask) -> None:
    client = trial.test_client()
    assert client.get("/raise/away", base_url=HOST).headers["Retry-After"] == "7"
    assert client.get("/raise/redis", base_url=HOST).headers["Retry-After"] == "5"


def test_our_own_fault_names_the_request_and_nothing_else_does(trial: Flask) -> None:
    client = trial.test_client()
    bug = client.get("/raise/bug", base_url=HOST)
    assert bug.headers["Request-Id"] in bug.get_data(as_text=True)
    missing = client.get("/raise/missing", base_url=HOST)
    assert missing.headers["Request-Id"] not in missing.get_data(as_text=True)


def test_what_is_not_there_is_the_same_bytes_whatever_its_id(alice: Browser) -> None:
    paths = [
        f"/portal/calls/{each}" for each in (ids.public("call", new_id()), "call_1", "1", "%00", "x" * 100)
    ]
    answers = [alice.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.get_data() for answer in answers}) == 1


def test_postgresql_away_is_a_503_page_in_words(
    services: TestServices, settings: Settings, cast: Cast
) -> None:
    gone = settings.database_url.rsplit("@", 1)[0] + "@127.0.0.1:9/nothing"
    dead = Gate(gone, context_key=b"0" * 32)
    app = factory.create_app(replace(services, settings=settings, gate=dead))
    client = app.test_client()
    client.set_cookie("seatline", "A" * 43, domain="127.0.0.1")
    for path in ("/", "/settings"):
        answer = client.get(path, base_url=HOST)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "away for a moment" in answer.get_data(as_text=True)
    bearer = {"Authorization": "Bearer seatline_live_x"}
    assert client.get("/api/v1/me", base_url=HOST, headers=bearer).status_code == 401


def test_valkey_away_closes_sign_in_with_a_503_page(
    services: TestServices, settings: Settings, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.realtime, "redis", redis.Redis(port=9, socket_connect_timeout=0.2))
    client = factory.create_app(services).test_client()
    page = client.get("/sign-in", base_url=HOST).get_data(as_text=True)
    token = found(r'name="csrf-token" content="([^"]+)"', page)
    answer = client.post(
        "/sign-in", base_url=HOST, data={"csrf_token": token, "email": cast.alice.email, "password": "x"}
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_question_that_takes_too_long_is_given_up_and_the_next_is_answered(
    trial: Flask, cast: Cast, browser: Browsers, gate: Gate
) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert session.execute(text("SHOW statement_timeout")).scalar_one() == "15s"
    page = browser()
    page.client = trial.test_client()
    page.sign_in(cast.alice.email)
    answer = page.get("/long")
    assert answer.status_code == 503
    assert "served" not in answer.text
    assert page.post("/write", {"what": "200"}).status_code == 200


@pytest.mark.parametrize(
    ("what", "kept"), [("200", True), ("303", True), ("400", False), ("422", False), ("raise", False)]
)
def test_only_what_succeeded_is_committed(
    trial: Flask, cast: Cast, browser: Browsers, gate: Gate, what: str, *, kept: bool
) -> None:
    page = browser()
    page.client = trial.test_client()
    page.sign_in(cast.alice.email)
    page.post("/write", {"what": what})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert (companies.read(session, tenant_id=cast.a.tenant_id).name == "Changed") is kept


def test_no_request_leaves_a_connection_behind(alice: Browser, gate: Gate) -> None:
    for path in ("/", "/settings", "/nothing", "/portal/developers", "/portal/developers/keys/x/revoke"):
        alice.get(path)
    pool = gate._engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0


def test_a_program_is_told_amounts_and_limits_by_name_and_nothing_else(trial: Flask) -> None:
    client = trial.test_client()
    told = client.get("/raise/limit", base_url=HOST, headers={"Accept": "application/json"}).get_json()
    assert (told["code"], told["most"], told["held"]) == ("rental-limit", 5, 3)
    assert "Table 4" not in str(told)
    assert "Table 4" not in client.get("/raise/limit", base_url=HOST, headers={"Accept": "text/html"}).text
