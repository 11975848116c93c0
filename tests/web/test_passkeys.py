"""Passkeys over HTTP: made, used, named, removed; and every answer that must not let anybody in (T40)."""

import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from sqlalchemy import text

from core import clock, ids
from core.config import Settings
from security.gate import Gate, Scope
from security.throttle import Limit
from security.vault import Vault
from tenants import alarms, passkeys, second_step, staff
from tenants.errors import RoleNotYoursError
from tests.factories.authenticator import Device
from tests.tenants.people import PASSWORD
from tests.web.conftest import Browser, Browsers, Cast, TestServices, found
from web import create_app

ORIGIN = "http://localhost:8600"
DOMAIN = "localhost"
NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
HERE = "/settings/passkeys"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": ORIGIN, "live_url": "http://localhost:8601"})


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def device() -> Device:
    return Device(ORIGIN, DOMAIN)


def options(browser: Browser, path: str = "/sign-in/passkey/options", **fields: str) -> dict[str, Any]:
    answer = browser.post(path, fields)
    assert answer.status_code == 200, answer.text
    asked: dict[str, Any] = answer.get_json()
    return asked


def added(browser: Browser, name: str = "Laptop", one: Device | None = None) -> Device:
    """Add a passkey as a person would."""
    one = one or device()
    made = one.make(options(browser, f"{HERE}/options"))
    answer = browser.post(HERE, {"answer": made, "name": name})
    assert answer.status_code in {200, 303}, answer.text
    return one


def test_a_passkey_is_the_second_step_a_company_requires(alice: Browser, cast: Cast, gate: Gate) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        session.execute(text("UPDATE app.tenants SET requires_second_step = true"))
    assert alice.get("/portal/").location == "/settings/second-step"
    assert 'href="/settings/passkeys"' in alice.get("/settings/second-step").text
    added(alice)
    assert alice.get("/portal/").status_code == 200


def shown(browser: Browser, one: Device, *, fields: dict[str, str] | None = None, **lies: Any) -> int:
    """Sign in by a passkey; return the status."""
    answer = one.show(options(browser), **lies)
    return browser.post("/sign-in/passkey", {"answer": answer, **(fields or {})}).status_code


def test_a_passkey_alone_lets_in(alice: Browser, browser: Browsers) -> None:
    one, other = added(alice), browser()
    page = other.get("/sign-in").text
    assert 'data-passkey="/sign-in/passkey/options"' in page
    assert 'autocomplete="username webauthn"' in page
    asked = options(other)
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == (DOMAIN, "required", [])
    before = other.cookie()
    answer = other.post("/sign-in/passkey", {"answer": one.show(asked), "next": "/portal/calls"})
    assert (answer.status_code, answer.location) == (303, "/portal/calls")
    assert other.cookie() != before
    assert other.get("/portal/").status_code == 200


def test_the_first_passkey_brings_recovery_codes_and_ends_other_sessions(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    other = browser()
    assert other.sign_in(cast.alice.email).status_code == 303
    before, one = alice.cookie(), device()
    answer = alice.post(HERE, {"answer": one.make(options(alice, f"{HERE}/options")), "name": "Laptop"})
    assert answer.status_code == 200
    assert answer.text.count('<code class="num">') == 10
    assert alice.cookie() != before, "a change of privilege renews the session"
    assert (alice.get("/portal/").status_code, other.get("/portal/").status_code) == (200, 401)
    two = alice.post(HERE, {"answer": device().make(options(alice, f"{HERE}/options")), "name": "Phone"})
    assert (two.status_code, two.location) == (303, HERE)
    page = alice.get(HERE).text
    assert ("Laptop" in page, "Phone" in page, "not used yet" in page) == (True, True, True)


def test_a_password_alone_lets_nobody_in_any_more(alice: Browser, browser: Browsers, cast: Cast) -> None:
    """T34, T38: whoever learns, or resets, the password still needs the passkey."""
    one, other = added(alice), browser()
    answer = other.sign_in(cast.alice.email, next="/portal/calls")
    assert "Second step" in answer.text
    assert other.get("/portal/").status_code == 401
    token = found(r'name="token" value="([^"]+)"', answer.text)
    asked = options(other, token=token)
    assert [found["type"] for found in asked["allowCredentials"]] == ["public-key"]
    fields = {"answer": one.show(asked, user_handle=b""), "token": token, "next": "/portal/calls"}
    assert other.post("/sign-in/passkey", fields).location == "/portal/calls"


def test_for_the_second_step_another_persons_passkey_will_not_do(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    """T40: another user's credential."""
    added(alice)
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    theirs, other = added(charlie), browser()
    token = found(r'name="token" value="([^"]+)"', other.sign_in(cast.alice.email).text)
    for lies in ({}, {"user_handle": passkeys.handle(cast.alice.id)}, {"user_handle": b""}):
        answer = theirs.show(options(other, token=token), **lies)
        assert other.post("/sign-in/passkey", {"answer": answer, "token": token}).status_code == 401
    assert other.get("/portal/").status_code == 401


def test_whose_passkey_it_is_decides_the_directory_not_the_answer(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    """T40: a credential under another person's handle, or none."""
    one = added(alice)
    for handle in (passkeys.handle(cast.charlie.id), b"", b"x" * 16):
        assert shown(browser(), one, user_handle=handle) == 401
    assert shown(browser(), one) == 303


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8601", "https://localhost:8600", "http://evil.localhost:8600",
        "http://127.0.0.1:8600", "null", "",
    ],
)  # fmt: skip
def test_another_origin_is_refused(alice: Browser, browser: Browsers, origin: str) -> None:
    """T40: the page of a phisher, who passes our challenge on."""
    one = added(alice)
    one.origin = origin
    assert shown(browser(), one) == 401
    fresh = Device(origin, DOMAIN)
    asked = options(alice, f"{HERE}/options")
    assert alice.post(HERE, {"answer": fresh.make(asked), "name": "x"}).status_code == 422


@pytest.mark.parametrize("domain", ["evil.example", "127.0.0.1", "LOCALHOST", ""])
def test_another_domain_is_refused(alice: Browser, browser: Browsers, domain: str) -> None:
    one = added(alice)
    one.domain = domain
    assert shown(browser(), one) == 401
    asked = options(alice, f"{HERE}/options")
    assert alice.post(HERE, {"answer": Device(ORIGIN, domain).make(asked), "name": "x"}).status_code == 422


def test_a_device_that_did_not_verify_its_person_is_refused(alice: Browser, browser: Browsers) -> None:
    """T40: UV=0 would be one factor, and a passkey counts as two."""
    one = added(alice)
    one.is_verified = False
    assert shown(browser(), one) == 401
    asked = options(alice, f"{HERE}/options")
    unseen = Device(ORIGIN, DOMAIN, is_verified=False)
    assert alice.post(HERE, {"answer": unseen.make(asked), "name": "x"}).status_code == 422


def test_an_answer_counts_once(alice: Browser, browser: Browsers) -> None:
    """T40: a replayed answer, whose counter does not count either."""
    one, other = added(alice, one=Device(ORIGIN, DOMAIN, counts=False)), browser()
    answer = one.show(options(other))
    assert other.post("/sign-in/passkey", {"answer": answer}).status_code == 303
    other.post("/sign-out")
    assert other.post("/sign-in/passkey", {"answer": answer}).status_code == 401


def test_a_challenge_is_of_one_browser_one_purpose_and_five_minutes(
    alice: Browser, browser: Browsers, services: TestServices
) -> None:
    one, first, second = added(alice), browser(), browser()
    asked = options(first)
    assert second.post("/sign-in/passkey", {"answer": one.show(asked)}).status_code == 401
    assert first.post("/sign-in/passkey", {"answer": one.show(asked)}).status_code == 303
    for_adding = options(alice, f"{HERE}/options")
    assert alice.post("/sign-in/passkey", {"answer": one.show(for_adding)}).status_code == 401
    for_signing = options(alice)
    for_signing["user"] = {"id": "AAAA"}
    assert alice.post(HERE, {"answer": device().make(for_signing), "name": "x"}).status_code == 422
    late = options(second)
    held = services.realtime.redis
    lives = [held.ttl(name) for name in held.scan_iter("*challenge*")]
    assert lives
    assert all(0 < left <= 300 for left in lives)
    held.flushdb()  # as after five minutes
    assert second.post("/sign-in/passkey", {"answer": one.show(late)}).status_code == 401


def test_a_challenge_nobody_made_is_refused(alice: Browser, browser: Browsers) -> None:
    one = added(alice)
    assert shown(browser(), one, challenge="AAAA") == 401
    assert shown(browser(), one, challenge="") == 401


def test_an_answer_to_another_question_is_refused(alice: Browser, browser: Browsers) -> None:
    one = added(alice)
    assert shown(browser(), one, type="webauthn.create") == 401
    assert shown(browser(), one, type="payment.get") == 401


def test_another_key_under_a_known_id_is_refused(alice: Browser, browser: Browsers) -> None:
    one = added(alice)
    forged = device()
    forged.credential_id, forged.user_handle = one.credential_id, one.user_handle
    assert shown(browser(), forged) == 401


def test_a_counter_that_went_back_is_refused_and_raises_an_alarm(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    """T40: a copy of the key exists."""
    one = added(alice)
    for _ in range(3):
        assert shown(browser(), one) == 303
    for count in (1, 2, -1):
        one.count = count
        assert shown(browser(), one) == 401
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (alarm,) = alarms.page(session, tenant_id=cast.a.tenant_id, limit=10)
        kinds = session.scalars(text("SELECT kind FROM app.letters ORDER BY id")).all()
    assert (alarm.kind, alarm.times) == ("passkey-copied", 3)
    assert kinds == ["passkey-added", *["passkey-copied"] * 3]
    assert "counter went back" in alice.get("/portal/alarms").text
    one.count = 3
    assert shown(browser(), one) == 303


def test_a_forged_answer_raises_no_alarm(alice: Browser, browser: Browsers, cast: Cast, gate: Gate) -> None:
    one = added(alice)
    assert shown(browser(), one) == 303
    forged = Device(ORIGIN, DOMAIN, credential_id=one.credential_id, user_handle=one.user_handle)
    forged.count = -1
    assert shown(browser(), forged) == 401
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert alarms.page(session, tenant_id=cast.a.tenant_id, limit=10) == []


def test_of_many_with_one_answer_one_comes_in(alice: Browser, browser: Browsers, app: Any) -> None:
    one, first = added(alice), browser()
    answer = one.show(options(first))
    token, cookie = first.token(), first.cookie()
    statuses: list[int] = []

    def send() -> None:
        client = app.test_client()
        client.set_cookie("seatline", cookie or "", domain="localhost")
        data = {"csrf_token": token, "answer": answer}
        statuses.append(client.post("/sign-in/passkey", data=data, base_url=ORIGIN).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [401] * 7


@pytest.mark.parametrize(
    "answer",
    [
        "", "x", "{}", "[]", "null", '{"id":1}', "{" * 2000, "é" * 20000,
        '{"id":"A","rawId":"A","type":"public-key","response":{}}',
        '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"","attestationObject":""}}',
        '{"id":"*","rawId":"*","type":"public-key","response":{"clientDataJSON":"e30","signature":"*"}}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(alice: Browser, browser: Browsers, answer: str) -> None:
    assert browser().post("/sign-in/passkey", {"answer": answer}).status_code == 401
    assert alice.post(HERE, {"answer": answer, "name": "x"}).status_code == 422


def test_who_was_shut_out_does_not_come_in_by_a_passkey(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    one = added(alice)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        session.execute(
            text("UPDATE app.users SET status = 'disabled' WHERE id = :id"), {"id": cast.alice.id}
        )
    assert shown(browser(), one) == 401


def test_one_device_is_no_passkey_of_two(alice: Browser, browser: Browsers, cast: Cast) -> None:
    one = added(alice)
    other = browser()
    other.sign_in(cast.charlie.email)
    answer = other.post(HERE, {"answer": one.make(options(other, f"{HERE}/options")), "name": "mine now"})
    assert (answer.status_code, "kept already" in answer.text) == (422, True)
    assert shown(browser(), one, user_handle=passkeys.handle(cast.charlie.id)) == 401


def test_a_screen_left_unlocked_gives_nobody_a_passkey(alice: Browser, browser: Browsers, cast: Cast) -> None:
    added(alice)
    asked = options(alice, f"{HERE}/options")
    with clock.hold(NOW + dt.timedelta(minutes=15)):
        page = alice.get(HERE).text
        assert "Sign in again" in page
        assert "data-passkey-make" not in page
        for path, data in (
            (f"{HERE}/options", {}),
            (HERE, {"answer": device().make(asked), "name": "x"}),
            (f"{HERE}/{found(rf'{HERE}/(pky_[a-z0-9]+)/name', page)}/remove", {}),
        ):
            assert alice.post(path, data).status_code == 403
        again = alice.get(f"/sign-in?again=1&next={HERE}").text
        assert 'name="password"' in again


def test_passkeys_are_named_and_removed_by_their_owner_alone(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    one = added(alice)
    where = f"{HERE}/{found(rf'{HERE}/(pky_[a-z0-9]+)/name', alice.get(HERE).text)}"
    sue = browser()
    sue.sign_in(cast.sue.email)
    for path, data in ((f"{where}/name", {"name": "mine"}), (f"{where}/remove", {})):
        assert sue.post(path, data).status_code == 404
    assert alice.post(f"{where}/name", {"name": "Blue key"}).location == HERE
    assert "Blue key" in alice.get(HERE).text
    for name in ("", " ", "x" * 61, "a\u0000b"):
        assert alice.post(f"{where}/name", {"name": name}).status_code in {400, 422}
    before = alice.cookie()
    assert alice.post(f"{where}/remove").location == HERE
    assert alice.cookie() != before
    assert shown(browser(), one) == 401
    other = browser()
    assert other.sign_in(cast.alice.email).status_code == 303, "the password stays a way in"
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert second_step.codes_left(session, tenant_id=cast.a.tenant_id, user_id=cast.alice.id) == 0
        sealed = session.execute(text("SELECT action FROM app.evidence ORDER BY seq")).scalars().all()
    assert {"passkey.added", "passkey.removed"} <= set(sealed)


def test_a_recovery_code_lets_in_whose_passkey_is_lost(alice: Browser, browser: Browsers, cast: Cast) -> None:
    one = device()
    answer = alice.post(HERE, {"answer": one.make(options(alice, f"{HERE}/options")), "name": "Laptop"})
    code = found(r'<code class="num">([a-z2-7-]+)</code>', answer.text)
    for status in (303, 401):
        other = browser()
        token = found(r'name="token" value="([^"]+)"', other.sign_in(cast.alice.email).text)
        assert other.post("/sign-in/code", {"token": token, "code": code}).status_code == status


def test_turning_the_phone_off_leaves_the_passkey_asked_for(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    page = alice.get("/settings/second-step").text
    phone = pyotp.TOTP(found(r'<code class="num">([A-Z2-7 ]+)</code>', page).replace(" ", ""))
    alice.post("/settings/second-step", {"code": phone.at(NOW)})
    added(alice)
    with clock.hold(NOW + dt.timedelta(minutes=2)):
        code = phone.at(NOW + dt.timedelta(minutes=2))
        assert alice.post("/settings/second-step/off", {"code": code}).status_code == 303
    assert "Second step" in browser().sign_in(cast.alice.email, PASSWORD).text


def test_names_of_passkeys_are_sealed_and_challenges_say_nothing(
    alice: Browser, services: TestServices, gate: Gate, cast: Cast
) -> None:
    added(alice, name="Alice's iPhone")
    asked = options(alice)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (name,) = session.scalars(text("SELECT name FROM app.passkeys")).all()
    assert b"iPhone" not in name
    held = services.realtime.redis
    everything = b" ".join(one + (held.dump(one) or b"") for one in held.scan_iter())
    assert asked["challenge"].encode() not in everything


def test_strangers_tries_at_an_account_keep_no_passkey_out(
    alice: Browser, browser: Browsers, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T32: limits by account are for passwords, which can be guessed."""
    one = added(alice)
    monkeypatch.setattr("web.account.signing.ACCOUNT", Limit("sign-in-account", 0, 900))
    assert browser().sign_in(cast.alice.email).status_code == 429
    assert shown(browser(), one) == 303


def test_an_owner_takes_a_lost_second_step_away_and_comes_in_by_nothing(
    services: TestServices, cast: Cast, gate: Gate
) -> None:
    """T38: the password stays the person's own, they are told by mail, and it stands on record."""
    mailing = services.settings.model_copy(update={"mail_url": "smtp://127.0.0.3:25"})
    app = create_app(dataclasses.replace(services, settings=mailing))

    def enter(email: str) -> Browser:
        made = Browser(app.test_client(), host=ORIGIN)
        assert made.sign_in(email).status_code == 303
        return made

    sue, alice = enter(cast.sue.email), enter(cast.alice.email)
    one = added(sue)
    person = f"/portal/people/{ids.public('usr', cast.sue.id)}"
    assert "Second step lost" in alice.get(person).text
    with clock.hold(NOW + dt.timedelta(minutes=15)):
        assert alice.post(f"{person}/second-step").status_code == 403
    assert alice.post(f"{person}/second-step").location == person
    assert sue.get("/portal/").status_code == 401
    assert shown(enter(cast.charlie.email), one) == 401
    assert "Took a lost second step away" in alice.get(person).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert session.scalars(text("SELECT kind FROM app.letters ORDER BY id")).all()[-1] == (
            "second-step-taken"
        )
    sue = enter(cast.sue.email)
    assert sue.post(f"/portal/people/{ids.public('usr', cast.alice.id)}/second-step").status_code == 403


def test_nobody_takes_an_owners_second_step(
    services: TestServices, cast: Cast, gate: Gate, vault: Vault
) -> None:
    for by, of in ((cast.sue, cast.alice), (cast.alice, cast.alice), (cast.sue, cast.sue)):
        with gate.open(Scope.system(cast.a.tenant_id)) as session, pytest.raises(RoleNotYoursError):
            staff.take_second_step(
                session, tenant_id=cast.a.tenant_id, vault=vault, user_id=of.id, principal_id=by.id
            )


def test_where_no_mail_is_sent_no_second_step_is_taken(alice: Browser, cast: Cast) -> None:
    """Else an owner could make a link, take the step, and come in as somebody."""
    person = f"/portal/people/{ids.public('usr', cast.sue.id)}"
    assert alice.post(f"{person}/second-step").status_code == 403


def test_asking_and_answering_is_slowed_down(browser: Browsers) -> None:
    other = browser(address="127.0.9.1")
    other.get("/sign-in")
    statuses = {other.post("/sign-in/passkey", {"answer": "{}"}).status_code for _ in range(61)}
    assert statuses == {401, 429}
    for _ in range(120):
        other.post("/sign-in/passkey/options")
    assert other.post("/sign-in/passkey/options").status_code == 429


def test_at_a_bare_address_there_are_no_passkeys(services: TestServices, cast: Cast) -> None:
    """Browsers make passkeys for names only; the pages do not offer what cannot work."""
    bare = "http://127.0.0.1:8600"
    kept = services.settings.model_copy(update={"public_url": bare})
    other = Browser(create_app(dataclasses.replace(services, settings=kept)).test_client(), host=bare)
    assert "data-passkey" not in other.get("/sign-in").text
    assert other.post("/sign-in/passkey/options").status_code == 403
    assert other.sign_in(cast.alice.email).status_code == 303
    assert "browsers make passkeys for names only" in other.get(HERE).text


def test_options_are_for_this_person_and_say_nothing_of_them_to_others(alice: Browser, cast: Cast) -> None:
    asked = options(alice, f"{HERE}/options")
    chosen = asked["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert (asked["rp"]["id"], asked["user"]["name"]) == (DOMAIN, cast.alice.email)
    assert cast.alice.email not in json.dumps(asked["user"]["id"])
    one = added(alice)
    again = options(alice, f"{HERE}/options")
    assert len(again["excludeCredentials"]) == 1
    assert one.credential_id
