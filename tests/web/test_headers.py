import base64
from dataclasses import replace

import pytest
from flask import Flask

from core import ids
from tests.web.conftest import Browser, Browsers, Cast, TestServices
from web import create_app

HOST = "http://127.0.0.1:8600"


def test_every_page_carries_a_strict_policy(alice: Browser, browser: Browsers) -> None:
    for answer in (browser().get("/sign-in"), alice.get("/settings"), alice.get("/nothing")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "connect-src 'self' http://127.0.0.1:8601 ws://127.0.0.1:8620;" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Cookie" in answer.headers["Vary"]


def test_no_page_needs_an_inline_script_or_style(alice: Browser, browser: Browsers) -> None:
    for answer in (browser().get("/sign-in"), alice.get("/settings"), alice.get("/portal/developers")):
        page = answer.get_data(as_text=True)
        assert answer.status_code == 200
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert "<script>" not in page


def test_the_microphone_is_for_the_console_only(alice: Browser) -> None:
    assert "microphone=()" in alice.get("/settings").headers["Permissions-Policy"]


def test_a_foreign_host_is_refused(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/sign-in", base_url="http://evil.example")
    assert answer.status_code == 400
    assert "Open it by the address you were given." in answer.text


@pytest.mark.parametrize("header", ["X-Tenant-ID", "X-Forwarded-User", "X-Forwarded-Host", "X-User-Id"])
def test_no_header_makes_somebody_else_of_anybody(alice: Browser, cast: Cast, header: str) -> None:
    """T06: whose page it is is the session's to say."""
    theirs = ids.public("ten", cast.b.tenant_id)
    for value in (theirs, str(cast.b.tenant_id), cast.charlie.email, "evil.example"):
        answer = alice.client.get("/portal/", base_url=HOST, headers={header: value})
        assert answer.status_code == 200
        assert cast.a.name in answer.text
        assert cast.b.name not in answer.text


def test_over_https_the_cookie_is_bound_to_the_host_and_secure(services: TestServices) -> None:
    secure = services.settings.model_copy(update={"public_url": "https://seatline.example"})
    app = create_app(replace(services, settings=secure))
    answer = app.test_client().get("/sign-in", base_url="https://seatline.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-seatline=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"


def test_hashed_files_are_kept_for_ever_and_others_are_not(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/sign-in", base_url=HOST).get_data(as_text=True)
    path = page.split('<script src="')[1].split('"')[0]
    answer = client.get(path, base_url=HOST)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    manifest = client.get("/static/dist/manifest.json", base_url=HOST)
    assert "immutable" not in manifest.headers["Cache-Control"]
    for file in (answer, manifest):
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert file.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in file.headers
    answer.close()
    manifest.close()


@pytest.mark.parametrize("path", ["/static/../config.py", "/static/%2e%2e/config.py", "/static//etc/passwd"])
def test_static_files_do_not_lead_out_of_their_folder(app: Flask, path: str) -> None:
    assert app.test_client().get(path, base_url=HOST).status_code == 404


# ------------------------------------------------------------------ cross-site


def test_a_form_without_its_token_changes_nothing(alice: Browser) -> None:
    for data in ({}, {"csrf_token": "nonsense"}):
        answer = alice.client.post("/sign-out", base_url=HOST, data=data)
        assert answer.status_code == 403
    assert alice.get("/").location == "/portal/"


def test_the_token_of_a_form_does_not_tell_the_sessions_secret(alice: Browser) -> None:
    """A page that was printed, saved or read by a script must not be enough to take the session over."""
    token, secret = alice.token(), alice.cookie()
    assert secret
    carried, *_ = token.partition(".")
    assert secret.encode() not in base64.urlsafe_b64decode(carried + "=" * (-len(carried) % 4))
    assert secret not in alice.get("/portal/").get_data(as_text=True)


def test_another_sessions_token_does_not_fit(alice: Browser, browser: Browsers, cast: Cast) -> None:
    other = browser()
    other.sign_in(cast.sue.email)
    answer = alice.client.post("/sign-out", base_url=HOST, data={"csrf_token": other.token()})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8601"},
    ],
)
def test_a_request_from_another_site_is_refused_with_the_right_token(
    alice: Browser, headers: dict[str, str]
) -> None:
    assert alice.post("/sign-out", headers=headers).status_code == 403
    assert alice.get("/").location == "/portal/"


def test_ones_own_page_may_post(alice: Browser) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": HOST}
    assert alice.post("/language", {"language": "en"}, headers=headers).status_code == 303


def test_a_method_override_is_not_read(alice: Browser) -> None:
    answer = alice.get("/sign-out", headers={"X-HTTP-Method-Override": "POST"})
    assert answer.status_code == 405
