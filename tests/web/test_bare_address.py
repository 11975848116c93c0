"""`make up` serves a name, because passkeys want one; the bare address leads there."""

import pytest
from flask import Flask

from core.config import Settings

NAVIGATES = {"Sec-Fetch-Mode": "navigate"}
BARE, NAME = "http://127.0.0.1:8600", "http://localhost:8600"


@pytest.fixture
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": getattr(request, "param", NAME), "live_url": NAME})


def test_a_browser_at_the_bare_address_is_led_to_the_name(app: Flask) -> None:
    http = app.test_client()
    led = http.get("/sign-in?next=/portal/", base_url=BARE, headers=NAVIGATES)
    assert (led.status_code, led.location) == (307, f"{NAME}/sign-in?next=/portal/")
    odd = http.get("//evil.example/x", base_url=BARE, headers=NAVIGATES)
    assert odd.headers.get("Location", NAME).startswith(NAME)
    page = http.get("/sign-in", base_url=NAME, headers=NAVIGATES)
    assert page.status_code == 200
    assert "data-passkey" in page.text, "passkeys work here"


def test_a_program_is_answered_by_the_number_and_a_strange_host_by_nobody(app: Flask) -> None:
    http = app.test_client()
    assert http.get("/api/v1/company", base_url=BARE).status_code == 401
    assert http.get("/sign-in", base_url="http://evil.example:8600", headers=NAVIGATES).status_code == 400


@pytest.mark.parametrize("settings", ["https://calls.example"], indirect=True)
def test_elsewhere_the_bare_address_is_a_strange_host(app: Flask) -> None:
    assert app.test_client().get("/sign-in", base_url=BARE, headers=NAVIGATES).status_code == 400
