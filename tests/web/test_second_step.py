"""The second step in the browser: set up, asked for, never gone round."""

import datetime as dt
import re
from collections.abc import Iterator

import pyotp
import pytest
from flask import Flask

from core import clock
from security.gate import Gate, Scope
from tenants import staff
from tests.tenants.people import PASSWORD
from tests.web.conftest import HOST, Browser, Browsers, Cast, found
from web import invitations
from web.invitations import Invitation

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
STEP = dt.timedelta(seconds=30)


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def turned_on(alice: Browser) -> tuple[pyotp.TOTP, list[str]]:
    """Set the second step up as a person would; return the phone and the recovery codes."""
    page = alice.get("/settings/second-step").text
    phone = pyotp.TOTP(found(r'<code class="num">([A-Z2-7 ]+)</code>', page).replace(" ", ""))
    assert "<svg" in page
    answer = alice.post("/settings/second-step", {"code": phone.at(NOW)})
    assert answer.status_code == 200
    return phone, re.findall(r'<code class="num">([a-z2-7-]+)</code>', answer.text)


def half_way(other: Browser, email: str) -> str:
    """Give the right password; return the token of the page that asks for a code."""
    answer = other.sign_in(email, next="/portal/calls")
    assert answer.status_code == 200
    assert "Second step" in answer.text
    return found(r'name="token" value="([^"]+)"', answer.text)


def test_password_alone_no_longer_lets_in(alice: Browser, browser: Browsers, cast: Cast) -> None:
    phone, codes = turned_on(alice)
    assert len(codes) == 10
    other = browser()
    token = half_way(other, cast.alice.email)
    assert other.get("/portal/").status_code == 401
    wrong = other.post("/sign-in/code", {"token": token, "code": "12345", "next": "/portal/calls"})
    assert (wrong.status_code, "This code does not fit" in wrong.text) == (401, True)
    with clock.hold(NOW + 4 * STEP):
        right = {"token": token, "code": phone.at(NOW + 4 * STEP), "next": "/portal/calls"}
        assert other.post("/sign-in/code", right).location == "/portal/calls"
        assert other.get("/portal/").status_code == 200
        again = browser()
        again.token()
        assert again.post("/sign-in/code", right).status_code == 401, "a code counts once"


def test_a_recovery_code_lets_in_once(alice: Browser, browser: Browsers, cast: Cast) -> None:
    _, codes = turned_on(alice)
    for tries, status in ((codes[0], 303), (codes[0], 401), (codes[1], 303)):
        other = browser()
        answer = other.post("/sign-in/code", {"token": half_way(other, cast.alice.email), "code": tries})
        assert answer.status_code == status
    assert "8 recovery codes are left" in alice.get("/settings/second-step").text


@pytest.mark.parametrize("token", ["", "x", "W10.x.y", "é"])
def test_a_made_up_token_is_nobody_half_way(browser: Browsers, token: str) -> None:
    assert browser().post("/sign-in/code", {"token": token, "code": "123456"}).status_code == 401


def test_half_way_lasts_five_minutes(
    alice: Browser, browser: Browsers, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, _ = turned_on(alice)
    other = browser()
    token = half_way(other, cast.alice.email)
    monkeypatch.setattr("web.account.signing._HALF_WAY_S", -1)
    with clock.hold(NOW + 4 * STEP):
        answer = other.post("/sign-in/code", {"token": token, "code": phone.at(NOW + 4 * STEP)})
    assert answer.status_code == 401


def test_guessing_codes_is_slowed_down(alice: Browser, browser: Browsers, cast: Cast) -> None:
    phone, _ = turned_on(alice)
    other = browser()
    token = half_way(other, cast.alice.email)
    with clock.hold(NOW + 4 * STEP):
        now = phone.at(NOW + 4 * STEP)
        guesses = [f"{number:06}" for number in range(12) if f"{number:06}" != now]
        answers = [other.post("/sign-in/code", {"token": token, "code": one}) for one in guesses]
        assert answers[-1].status_code == 429
        assert "Retry-After" in answers[-1].headers
        assert other.post("/sign-in/code", {"token": token, "code": now}).status_code == 429


def test_a_link_for_a_new_password_does_not_go_round_it(
    app: Flask, alice: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    """T38: who lost the password gets a link, and is still asked for the code."""
    turned_on(alice)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        proven = staff.proof(
            session, tenant_id=cast.a.tenant_id, user_id=cast.alice.id, made_by=cast.alice.id
        )
    with app.test_request_context(base_url=HOST):
        link = invitations.link(Invitation(cast.a.tenant_id, cast.alice.id, cast.alice.id, proven))
    other = browser()
    chosen = "five wholly new words here"
    path = link.removeprefix(HOST)
    assert other.post(path, {"password": chosen, "again": chosen}).location == "/sign-in"
    answer = other.sign_in(cast.alice.email, chosen)
    assert "Second step" in answer.text
    assert other.get("/portal/").status_code == 401


def test_who_was_given_a_new_password_meanwhile_begins_anew(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    phone, _ = turned_on(alice)
    other = browser()
    token = half_way(other, cast.alice.email)
    new = "five wholly new words here"
    changed = alice.post("/settings/password", {"present": PASSWORD, "password": new, "again": new})
    assert changed.status_code == 303
    with clock.hold(NOW + 4 * STEP):
        answer = other.post("/sign-in/code", {"token": token, "code": phone.at(NOW + 4 * STEP)})
    assert answer.status_code == 401


def test_it_is_turned_off_by_a_code_only(alice: Browser, browser: Browsers, cast: Cast) -> None:
    phone, _ = turned_on(alice)
    assert alice.post("/settings/second-step/off", {"code": "000"}).status_code == 422
    with clock.hold(NOW + 4 * STEP):
        off = alice.post("/settings/second-step/off", {"code": phone.at(NOW + 4 * STEP)})
    assert off.status_code == 303
    assert browser().sign_in(cast.alice.email).status_code == 303
    page = alice.get("/portal/evidence?what=second-step.").text
    assert "Turned the second step on" in page
    assert "Turned the second step off" in page


def test_a_wrong_first_code_turns_nothing_on(alice: Browser, browser: Browsers, cast: Cast) -> None:
    page = alice.get("/settings/second-step").text
    answer = alice.post("/settings/second-step", {"code": "nothing"})
    assert answer.status_code == 422
    secret = r'<code class="num">([A-Z2-7 ]+)</code>'
    assert found(secret, answer.text) == found(secret, page), "the picture in the phone stays good"
    assert browser().sign_in(cast.alice.email).status_code == 303
