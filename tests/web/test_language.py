from werkzeug.test import TestResponse

from security.gate import Gate, Scope
from security.vault import Vault
from tenants import users
from tests.web.conftest import Browser, Browsers, Cast


def lang(answer: TestResponse) -> str:
    text = answer.get_data(as_text=True)
    return text.split('<html lang="')[1].split('"')[0]


def test_the_browser_decides_before_anybody_has_chosen(browser: Browsers) -> None:
    page = browser()
    assert lang(page.get("/sign-in")) == "en-GB"
    assert lang(page.get("/sign-in", headers={"Accept-Language": "zh-CN,zh;q=0.9"})) == "zh-CN"
    assert lang(page.get("/sign-in", headers={"Accept-Language": "tlh"})) == "en-GB"


def test_the_choice_on_this_device_goes_before_the_browser(browser: Browsers) -> None:
    page = browser()
    answer = page.post("/language", {"language": "zh_Hans_CN", "next": "/sign-in"})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert lang(page.get("/sign-in", headers={"Accept-Language": "en"})) == "zh-CN"


def test_the_choice_of_a_user_is_kept_with_the_user(
    alice: Browser, cast: Cast, gate: Gate, vault: Vault
) -> None:
    alice.post("/language", {"language": "zh_Hans_CN"})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        user = users.read(session, tenant_id=cast.a.tenant_id, vault=vault, user_id=cast.alice.id)
    assert user.language == "zh_Hans_CN"


def test_an_unknown_language_changes_nothing(browser: Browsers) -> None:
    page = browser()
    answer = page.post("/language", {"language": "tlh", "next": "//evil.example"})
    assert (answer.status_code, answer.location) == (303, "/")
    assert lang(page.get("/sign-in")) == "en-GB"
