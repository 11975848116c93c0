"""A second step that is wanted, of staff in production or by a company: no page before it."""

import datetime as dt
import json
from collections.abc import Iterator

import pyotp
import pytest

from core import clock
from core.config import Settings
from security import evidence
from security.gate import Gate, Scope
from tenants import companies
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs, found

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
STEP = "/settings/second-step"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"staff_second_step": True})


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def phone_of(browser: Browser) -> pyotp.TOTP:
    return pyotp.TOTP(
        found(r'<code class="num">([A-Z2-7 ]+)</code>', browser.get(STEP).text).replace(" ", "")
    )


@pytest.fixture
def dana(people: People, browser: Browsers) -> Browser:
    people.operator()
    made = browser()
    assert made.sign_in(scene.staff(people, "operator_billing").email).location == "/operator/"
    return made


def test_staff_see_no_page_before_their_second_step(dana: Browser) -> None:
    for page in ("/operator/", "/operator/companies", "/settings", "/settings/password"):
        answer = dana.get(page)
        assert (answer.status_code, answer.location) == (303, STEP), page
    first = dana.get(STEP)
    assert "Before you go on" in first.text
    assert "/operator/companies" not in first.text, "the rail leads nowhere yet"
    done = dana.post(STEP, {"code": phone_of(dana).at(NOW)})
    assert 'class="btn primary" href="/"' in done.text
    assert dana.get("/operator/").status_code == 200
    assert dana.get("/operator/companies").status_code == 200


def test_what_is_no_page_is_refused_in_clear_words(dana: Browser) -> None:
    sent = dana.post("/settings", {"language": "en", "zone": "UTC", "theme": ""})
    assert (sent.status_code, "Set up a second step first" in sent.text) == (403, True)
    asked = dana.get("/operator/companies", headers={"Accept": "application/json"})
    assert (asked.status_code, json.loads(asked.text)["code"]) == (403, "second-step-first")


def test_who_turns_it_off_sets_up_another_before_any_page(dana: Browser) -> None:
    phone = phone_of(dana)
    dana.post(STEP, {"code": phone.at(NOW)})
    later = NOW + dt.timedelta(minutes=2)
    with clock.hold(later):
        assert dana.post(f"{STEP}/off", {"code": phone.at(later)}).status_code == 303
    assert dana.get("/operator/").location == STEP
    assert "Set up another one now" in dana.get(STEP).text


def test_a_company_requires_it_of_its_people_at_once(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate, program: Programs
) -> None:
    sue, charlie = browser(), browser()
    sue.sign_in(cast.sue.email)
    charlie.sign_in(cast.charlie.email)
    assert sue.get("/portal/").status_code == 200
    page = alice.get("/portal/company").text
    wanted = {
        "revision": found(r'name="revision" value="(\d+)"', page), "name": cast.a.name, "initials": "Pp",
        "zone": "Europe/London", "language": "en", "number_format": "auto", "date_format": "auto",
        "clock_format": "auto", "budget": "", "second_step": "required",
    }  # fmt: skip
    assert alice.post("/portal/company", wanted).status_code == 303
    assert alice.get("/portal/").location == STEP, "who asks for it begins with themselves"
    assert sue.get("/portal/").location == STEP
    assert charlie.get("/portal/").status_code == 200, "another company's people choose by themselves"
    assert program(cast.a).get("/company").get_json()["requires_second_step"] is True
    sue.post(STEP, {"code": phone_of(sue).at(NOW)})
    assert sue.get("/portal/").status_code == 200
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (entry,) = evidence.page(
            session, tenant_id=cast.a.tenant_id, limit=9, action="company.step-required"
        ).entries
    assert entry.actor_id == cast.alice.id


def test_a_program_turns_it_on_and_leaves_it_when_it_says_nothing(
    cast: Cast, gate: Gate, program: Programs
) -> None:
    ours = program(cast.a)
    for body, stands in (
        ({"requires_second_step": True}, True),
        ({"name": "Pelican"}, True),
        ({"requires_second_step": False}, False),
    ):
        tag = ours.get("/company").headers["ETag"]
        answer = ours.call("PATCH", "/company", json=body, headers={"If-Match": tag})
        assert (answer.status_code, answer.get_json()["requires_second_step"]) == (200, stands)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert not companies.read(session, tenant_id=cast.a.tenant_id).requires_second_step


@pytest.mark.parametrize(
    ("environment", "is_chosen", "must"),
    [
        ("production", False, True),
        ("production", True, True),
        ("development", False, False),
        ("development", True, True),
        ("test", False, False),
    ],
)
def test_in_production_nobody_can_leave_it_out(
    settings: Settings, environment: str, is_chosen: object, must: object
) -> None:
    chosen = settings.model_copy(update={"environment": environment, "staff_second_step": is_chosen})
    assert chosen.must_staff_have_second_step is must
