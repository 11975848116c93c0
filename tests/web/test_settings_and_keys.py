from collections.abc import Sequence

from flask import Flask

from core import ids
from core.ids import new_id
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import apikeys, users
from tenants.apikeys import ApiKey
from tenants.companies import Company
from tests.web.conftest import Browser, Browsers, Cast, found
from web.api.document import rule_path


def keys_of(gate: Gate, company: Company) -> Sequence[ApiKey]:
    with gate.open(Scope.system(company.tenant_id)) as session:
        return apikeys.page(session, tenant_id=company.tenant_id, limit=10)


def test_settings_are_kept_and_the_page_says_so_once(
    alice: Browser, cast: Cast, gate: Gate, vault: Vault
) -> None:
    answer = alice.post("/settings", {"language": "zh_Hans_CN", "zone": "Asia/Shanghai", "theme": "dark"})
    assert (answer.status_code, answer.location) == (303, "/settings")
    page = alice.get("/settings").get_data(as_text=True)
    assert 'lang="zh-CN"' in page
    assert 'data-zone="Asia/Shanghai"' in page
    assert 'data-bs-theme="dark"' in page
    assert page.count("data-toast>") == 2  # the note, and the template for later ones
    assert alice.get("/settings").get_data(as_text=True).count("data-toast>") == 1
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        user = users.read(session, tenant_id=cast.a.tenant_id, vault=vault, user_id=cast.alice.id)
    assert (user.language, user.zone) == ("zh_Hans_CN", "Asia/Shanghai")


def test_a_setting_that_is_not_on_the_list_changes_nothing(
    alice: Browser, cast: Cast, gate: Gate, vault: Vault
) -> None:
    for wrong in ({"language": "tlh"}, {"zone": "Europe/Atlantis"}, {"theme": "pink"}):
        values = {"language": "en", "zone": "Europe/London", "theme": ""} | wrong
        assert alice.post("/settings", values).status_code == 422
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        user = users.read(session, tenant_id=cast.a.tenant_id, vault=vault, user_id=cast.alice.id)
    assert (user.language, user.zone) == ("en", "Europe/London")


def test_a_key_is_shown_once_and_works(alice: Browser, app: Flask) -> None:
    answer = alice.post(
        "/portal/developers/keys", {"name": "stock system", "scopes": ["calls.read", "usage.read"]}
    )
    assert answer.status_code == 200
    secret = found(r'id="secret">(seatline_live_[^<]+)<', answer.get_data(as_text=True))
    assert secret not in alice.get("/portal/developers").get_data(as_text=True)
    me = app.test_client().get(
        "/api/v1/me", base_url="http://127.0.0.1:8600", headers={"Authorization": f"Bearer {secret}"}
    )
    assert me.get_json()["scopes"] == ["calls.read", "usage.read"]


def test_a_key_without_a_name_or_a_scope_is_not_made(alice: Browser, cast: Cast, gate: Gate) -> None:
    for wrong in (
        {"name": "", "scopes": ["calls.read"]},
        {"name": "x"},
        {"name": "x", "scopes": ["company.close"]},
    ):
        answer = alice.post("/portal/developers/keys", wrong)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.get_data(as_text=True)
    assert not keys_of(gate, cast.a)


def test_a_revoked_key_opens_nothing(alice: Browser, cast: Cast, gate: Gate) -> None:
    alice.post("/portal/developers/keys", {"name": "x", "scopes": ["calls.read"]})
    (key,) = keys_of(gate, cast.a)
    answer = alice.post(f"/portal/developers/keys/{ids.public('key', key.id)}/revoke")
    assert answer.status_code == 303
    assert not keys_of(gate, cast.a)[0].opens


def test_anothers_key_and_no_key_are_the_same_bytes(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    other = browser()
    other.sign_in(cast.charlie.email)
    other.post("/portal/developers/keys", {"name": "x", "scopes": ["calls.read"]})
    (key,) = keys_of(gate, cast.b)
    answers = [
        alice.post(f"/portal/developers/keys/{each}/revoke")
        for each in (ids.public("key", key.id), ids.public("key", new_id()), "nonsense")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.get_data() for answer in answers}) == 1
    assert keys_of(gate, cast.b)[0].opens


def test_the_owner_sees_that_a_key_stopped_with_its_maker(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    who = f"/portal/people/{ids.public('usr', cast.sue.id)}"
    alice.post(f"{who}/role", {"was": "tenant_supervisor", "role": "tenant_admin"})
    sue = browser()
    sue.sign_in(cast.sue.email)
    sue.post("/portal/developers/keys", {"name": "stock system", "scopes": ["calls.read", "keys.read"]})
    assert "stock system" in alice.get(who).text  # before anything is done: what it would end
    assert "stock system" not in alice.get("/portal/").text
    alice.post(f"{who}/role", {"was": "tenant_admin", "role": "tenant_analyst"})
    page = alice.get("/portal/developers").text
    assert "opens less than it was made for" in page
    assert '<s class="tag faint"><span class="sr">not any more: </span>keys.read</s>' in page
    alice.post(f"{who}/shut-out")
    assert "The key “stock system” has stopped." in alice.get("/portal/developers").text
    assert "stock system" in alice.get("/portal/").text
    (key,) = keys_of(gate, cast.a)
    alice.post(f"/portal/developers/keys/{ids.public('key', key.id)}/revoke")
    alice.get("/portal/developers")  # says once that it is revoked
    assert "stock system" not in alice.get("/portal/").text


def test_a_supervisor_has_no_business_with_keys(browser: Browsers, cast: Cast) -> None:
    page = browser()
    page.sign_in(cast.sue.email)
    assert page.get("/portal/developers").status_code == 403
    assert "/portal/developers" not in page.get("/settings").get_data(as_text=True)


def test_the_reference_shows_every_operation_to_everybody(browser: Browsers, app: Flask) -> None:
    page = browser().get("/api/docs")
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    for rule in app.url_map.iter_rules():
        path = rule_path(str(rule))
        if path.startswith("/api/v1") and path not in {"/api/v1/openapi.json", "/api/v1/problems"}:
            assert f">{path}</code>" in text, path
