from io import BytesIO

import pytest

from tests.tenants.people import People
from tests.web.conftest import HOST, Browser, Browsers, Cast


@pytest.mark.parametrize(
    "path",
    [
        "/portal/calls?outcome=%00",
        "/portal/calls?outcome=answered&outcome=%00",
        "/sign-in?next=%00",
        "/?%00=1",
    ],
)
def test_an_address_with_a_sign_that_is_no_text_is_refused(alice: Browser, path: str) -> None:
    assert alice.get(path).status_code == 400


def test_a_form_with_a_sign_that_is_no_text_is_refused(alice: Browser) -> None:
    assert alice.post("/portal/developers/keys", {"name": "a\0b", "scopes": "calls.read"}).status_code == 400
    assert alice.post("/portal/developers/keys", {"name": "a b", "scopes": "calls.read"}).status_code == 200


def test_a_form_without_a_length_is_refused_and_not_cut(alice: Browser) -> None:
    """Its beginning would have been taken for the whole at the limit of two megabytes."""
    form = f"csrf_token={alice.token()}&caller=%2B447700900123&rest=".encode() + b"x" * 3_000_000
    answer = alice.client.post(
        "/portal/calls/find",
        base_url=HOST,
        input_stream=BytesIO(form),
        content_type="application/x-www-form-urlencoded",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 411


@pytest.mark.parametrize(
    "body",
    [
        "[" * 50_000,
        '{"status":' * 50_000,
        r'{"status":"\ud800"}',
        r'{"status":{"deep":["\u0000"]}}',
        "{",
        "[]",
    ],
    ids=["deep-list", "deep-object", "surrogate", "nul", "cut", "list"],
)
def test_the_console_refuses_json_that_is_none(
    browser: Browsers, people: People, cast: Cast, body: str
) -> None:
    agent = people.user(cast.a.tenant_id, "Bob", "agent")
    bob = browser()
    assert bob.sign_in(agent.email).status_code == 303
    answer = bob.client.post(
        "/console/status",
        base_url=HOST,
        data=body,
        content_type="application/json",
        headers={"X-CSRF-Token": bob.token()},
    )
    assert answer.status_code == 422
