"""A passkey in a real Chromium, whose authenticator is a virtual one: made, offered, and a way in."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect, sync_playwright

from core.config import Settings
from launch import choices, layout
from launch.parts import chromium
from tests.tenants.people import PASSWORD
from tests.web.conftest import Cast
from tests.web.test_console_page import served
from tests.web.test_live_process import free_port

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    own = f"http://localhost:{port}"
    return settings.model_copy(update={"public_url": own, "live_url": own})


class Key:
    """The virtual authenticator of one page."""

    def __init__(self, page: Page) -> None:
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable")
        made = self.cdp.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self.id = made["authenticatorId"]

    def send(self, what: str, **more: Any) -> Any:
        return self.cdp.send(f"WebAuthn.{what}", {"authenticatorId": self.id, **more})

    @property
    def credentials(self) -> list[dict[str, Any]]:
        return list(self.send("getCredentials")["credentials"])


@pytest.fixture
def page(app: Flask, port: int) -> Iterator[Page]:
    program = chromium.find(layout.find(choices.read()).parts)
    assert program, "Chromium is missing: make setup fetches it"
    with served(app, port=port), sync_playwright() as play:
        started = play.chromium.launch(executable_path=str(program), args=["--no-sandbox", "--disable-gpu"])
        page = started.new_context(base_url=f"http://localhost:{port}").new_page()
        yield page
        started.close()


def by_password(page: Page, email: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Work e-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


def added(page: Page, name: str) -> None:
    page.goto("/settings/passkeys")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Add a passkey").click()


def test_a_passkey_is_made_and_lets_in(page: Page, cast: Cast) -> None:
    key = Key(page)
    # no presence while the sign-in page only offers: the password is typed first
    key.send("setAutomaticPresenceSimulation", enabled=False)
    by_password(page, cast.alice.email)
    expect(page).to_have_url("/portal/")
    key.send("setAutomaticPresenceSimulation", enabled=True)
    added(page, "Laptop")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    (credential,) = key.credentials
    assert (credential["isResidentCredential"], credential["rpId"]) == (True, "localhost")

    key.send("setAutomaticPresenceSimulation", enabled=False)
    sign_out(page)
    page.goto("/sign-in?next=/settings/passkeys")
    button = page.get_by_role("button", name="Sign in with a passkey")
    expect(button).to_be_visible()
    key.send("setAutomaticPresenceSimulation", enabled=True)
    pressed_until(page, page.get_by_role("heading", name="Passkeys").is_visible)
    expect(page.get_by_text("last used")).to_be_visible()

    # the password is right and no longer enough
    key.send("setAutomaticPresenceSimulation", enabled=False)
    sign_out(page)
    by_password(page, cast.alice.email)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    key.send("setAutomaticPresenceSimulation", enabled=True)
    pressed_until(page, lambda: page.url.endswith("/portal/"))


def pressed_until(page: Page, is_done: Callable[[], bool]) -> None:
    """Press the button until the device's answer has arrived.

    With a finger at hand the offer beside the field may answer first, and take the button away.
    """
    deadline = time.monotonic() + 20
    while not is_done():
        assert time.monotonic() < deadline, page.url
        with contextlib.suppress(PlaywrightError):
            page.get_by_role("button", name="Sign in with a passkey").click(timeout=1000)
        page.wait_for_timeout(300)


def test_a_passkey_is_offered_while_the_address_is_typed(page: Page, cast: Cast) -> None:
    key = Key(page)
    key.send("setAutomaticPresenceSimulation", enabled=False)
    by_password(page, cast.alice.email)
    expect(page).to_have_url("/portal/")
    key.send("setAutomaticPresenceSimulation", enabled=True)
    added(page, "Laptop")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(page)
    page.goto("/sign-in")  # nothing is pressed: the virtual device answers the offer by itself
    expect(page).to_have_url("/portal/")


def test_who_gives_no_finger_is_told_and_may_sign_in_another_way(page: Page, cast: Cast) -> None:
    key = Key(page)
    key.send("setUserVerified", isUserVerified=False)
    by_password(page, cast.alice.email)
    expect(page).to_have_url("/portal/")
    added(page, "Laptop")
    expect(page.get_by_role("alert")).to_contain_text("Your device made no passkey")
    assert key.credentials == []
