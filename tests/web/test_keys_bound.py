"""API keys bound to networks, and keys that stood in an address (T46)."""

import dataclasses

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from security.gate import Gate, Scope
from tenants import alarms, apikeys, networks
from tenants.errors import MalformedKeyError
from tests.web.conftest import HOST, Browser, Cast, Program, Programs, TestServices, found
from web import create_app

NEW = {"name": "stock system", "scopes": ["keys.read", "keys.write"]}


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def asked(app: Flask, token: str, address: str, **headers: str) -> TestResponse:
    return app.test_client().get(
        "/api/v1/me",
        base_url=HOST,
        headers={"Authorization": f"Bearer {token}", **headers},
        environ_overrides={"REMOTE_ADDR": address},
    )


def bound(ours: Program, *within: str) -> str:
    made = ours.post("/api-keys", NEW | {"networks": list(within)})
    assert made.status_code == 201, made.get_json()
    return str(made.get_json()["secret"])


def test_a_key_works_from_its_networks_only(app: Flask, program: Programs, cast: Cast) -> None:
    token = bound(program(cast.a), "192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32")
    for address in ("192.0.2.1", "192.0.2.255", "2001:db8::1", "198.51.100.7", "::ffff:192.0.2.9"):
        assert asked(app, token, address).status_code == 200
    for address in (
        "192.0.3.1",
        "198.51.100.8",
        "2001:db9::1",
        "::ffff:198.51.100.8",
        "::192.0.2.1",
        "",
        "x",
    ):
        assert code_of(asked(app, token, address)) == (403, "key-elsewhere")


def test_no_header_moves_a_program_into_the_network(app: Flask, program: Programs, cast: Cast) -> None:
    token = bound(program(cast.a), "192.0.2.0/24")
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "Client-IP"):
        assert asked(app, token, "203.0.113.5", **{name: "192.0.2.1"}).status_code == 403


@pytest.mark.parametrize(
    ("proxies", "said", "status"),
    [
        (1, "192.0.2.1", 200),
        (1, "192.0.2.1, 203.0.113.5", 403),  # what a stranger wrote stands before what our proxy appended
        (1, "203.0.113.5, 192.0.2.1", 200),
        (2, "192.0.2.1, 203.0.113.9", 200),
        (2, "192.0.2.1, 203.0.113.5, 203.0.113.9", 403),
    ],
)
def test_of_forwarded_addresses_as_many_are_believed_as_there_are_proxies(
    services: TestServices, program: Programs, cast: Cast, proxies: int, said: str, status: int
) -> None:
    token = bound(program(cast.a), "192.0.2.0/24")
    behind = services.settings.model_copy(update={"trusted_proxies": proxies})
    app = create_app(dataclasses.replace(services, settings=behind))
    assert asked(app, token, "127.0.0.1", **{"X-Forwarded-For": said}).status_code == status


def test_a_bound_key_makes_no_freer_one(app: Flask, program: Programs, cast: Cast) -> None:
    maker = Program(app, bound(program(cast.a), "127.0.0.0/24"))
    inherited = maker.post("/api-keys", NEW)
    assert inherited.get_json()["networks"] == ["127.0.0.0/24"]
    assert maker.post("/api-keys", NEW | {"networks": ["127.0.0.8/29"]}).status_code == 201
    for wider in ("127.0.0.0/16", "192.0.2.0/24", "2001:db8::/32"):
        answer = maker.post("/api-keys", NEW | {"networks": ["127.0.0.8/29", wider]})
        assert code_of(answer) == (403, "scope-not-yours")


@pytest.mark.parametrize(
    "wrong",
    ["::/0", "192.0.2.1/24", "192.0.2", "192.0.2.0/33", "a", "", "192.0.2.0/24/8", "٣.0.0.0/8"],
)
def test_what_is_no_network_is_refused(program: Programs, cast: Cast, wrong: str) -> None:
    assert program(cast.a).post("/api-keys", NEW | {"networks": [wrong]}).status_code == 422
    with pytest.raises(MalformedKeyError):
        networks.parsed([wrong])


def test_networks_are_kept_in_one_spelling_and_are_not_too_many(program: Programs, cast: Cast) -> None:
    ours = program(cast.a)
    given = ["2001:DB8:0::/32", "192.0.2.0/24", "192.0.2.0/24", "192.0.2.7"]
    made = ours.post("/api-keys", NEW | {"networks": given})
    assert made.get_json()["networks"] == ["192.0.2.0/24", "192.0.2.7/32", "2001:db8::/32"]
    many = [f"192.0.{number}.0/24" for number in range(networks.MOST + 1)]
    assert ours.post("/api-keys", NEW | {"networks": many}).status_code == 422


def test_the_portal_binds_a_key_and_shows_it(alice: Browser, app: Flask) -> None:
    where = "/portal/developers/keys"
    wrong = {"name": "x", "scopes": ["calls.read"], "networks": "192.0.2.1/24"}
    answer = alice.post(where, wrong)
    assert (answer.status_code, "192.0.2.1/24</textarea>" in answer.text) == (422, True)
    right = wrong | {"networks": "192.0.2.0/24\r\n2001:db8::/32, 198.51.100.0/24"}
    token = found(r'id="secret">(seatline_live_[^<]+)<', alice.post(where, right).text)
    assert "only from 192.0.2.0/24, 198.51.100.0/24, 2001:db8::/32" in alice.get("/portal/developers").text
    assert (asked(app, token, "198.51.100.1").status_code, asked(app, token, "127.0.0.1").status_code) == (
        200,
        403,
    )


@pytest.mark.parametrize("query", ["?key={token}", "?a=1&a={token}", "?limit=3&q=%20{token}%20"])
def test_a_key_that_stood_in_an_address_is_revoked(
    app: Flask, program: Programs, cast: Cast, gate: Gate, query: str
) -> None:
    """T46: logs and histories keep addresses; whoever reads one has the key."""
    ours, other = program(cast.a), program(cast.a)
    assert code_of(other.get(f"/me{query.format(token=ours.token)}")) == (400, "key-in-address")
    assert code_of(ours.get("/me")) == (401, "bad-api-key")
    assert other.get("/me").status_code == 200, "the key of the header is not the one that was shown"
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (alarm,) = alarms.page(session, tenant_id=cast.a.tenant_id, limit=10)
        deeds = session.scalars(text("SELECT action FROM app.evidence ORDER BY seq")).all()
        keys = apikeys.page(session, tenant_id=cast.a.tenant_id, limit=10)
    assert alarm.kind == "key-in-address"
    assert "access.key-revoked" in deeds
    assert [bool(key.revoked_at) for key in keys] == [False, True]


def test_what_only_looks_like_a_key_revokes_none(program: Programs, cast: Cast) -> None:
    ours = program(cast.a)
    crooked = ours.token[:-1] + ("0" if ours.token[-1] != "0" else "1")
    for shown in (crooked, "seatline_live_", ours.token[:60]):
        assert code_of(ours.get(f"/me?key={shown}")) == (400, "key-in-address")
    assert ours.get("/me").status_code == 200
