"""What use brought: the operator's page, the company's own, and the program's answer are one sum."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from billing import usage
from core import clock, ids
from core.ids import OPERATOR, UserId, new_id
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import glass, second_step
from tests.billing import stock
from tests.campaigns import factory
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, Scene
from tests.web.test_operator_pages import Enter, enter

__all__ = ["enter"]  # a fixture

OCTOBER = "from=2026-10&to=2026-10"


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def alice(day: Scene, cast: Cast, browser: Browsers) -> Browser:
    made = browser()
    assert made.sign_in(cast.alice.email).status_code == 303
    return made


def amounts(answer: str) -> list[float]:
    """The amounts of a file, without its currency."""
    rows = list(csv.DictReader(io.StringIO(answer.removeprefix("\ufeff"))))
    return [float(row["Before tax"]) for row in rows]


@pytest.mark.parametrize("by", ["campaign", "agent", "number"])
def test_a_company_sees_what_its_use_cost_and_the_file_and_the_api_say_the_same(
    alice: Browser, program: Programs, cast: Cast, by: str
) -> None:
    page = alice.get(f"/portal/spend?by={by}&{OCTOBER}").text
    # one call of October: 8 pence before tax, on the invoice
    assert "£0.08" in page
    rows = amounts(alice.get(f"/portal/spend?by={by}&{OCTOBER}&as=csv").text)
    answer = program(cast.a).get(f"/spend?by={by}&first=2026-10").get_json()
    assert sum(rows) == pytest.approx(0.08)
    assert answer["total"] == answer["on_invoices"] == {"minor": 8, "currency": "GBP"}
    assert sum(one["amount"]["minor"] for one in answer["parts"]) == 8


def test_the_page_stands_under_the_invoices(alice: Browser) -> None:
    assert 'href="/portal/spend"' in alice.get("/portal/invoices").text


def test_a_part_of_it_is_the_number_it_was_used_on(alice: Browser, program: Programs, cast: Cast) -> None:
    parts = program(cast.a).get("/spend?by=number&first=2026-10&last=2026-11").get_json()["parts"]
    numbers = {one["id"] for one in program(cast.a).get("/numbers").get_json()["data"]}
    assert {one["id"] for one in parts if one["id"]} <= numbers
    assert any(one["id"] for one in parts)


def test_a_last_month_before_the_first_is_told(program: Programs, cast: Cast, day: Scene) -> None:
    assert program(cast.a).get("/spend?first=2026-10&last=2026-09").status_code == 422
    assert program(cast.a).get("/spend?first=soon").status_code == 422


def test_another_company_sees_nothing_of_it(program: Programs, cast: Cast, day: Scene) -> None:
    ours, theirs = (
        {one["id"] for one in program(company).get("/spend?by=number&first=2026-10").get_json()["parts"]}
        for company in (cast.a, cast.b)
    )
    assert ours - {None}
    assert not (ours & theirs) - {None}


@pytest.mark.parametrize("by", ["company", "campaign", "agent", "number"])
def test_the_operator_sees_the_same_sum_and_comes_to_the_events(
    enter: Enter, cast: Cast, day: Scene, by: str
) -> None:
    dana, company_id = enter(), ids.public("ten", cast.a.tenant_id)
    where = f"/operator/revenue?by={by}&company={company_id}&{OCTOBER}"
    page = dana.get(where).text
    assert "£0.08" in page
    assert sum(amounts(dana.get(f"{where}&as=csv").text)) == pytest.approx(0.08)
    events = re.findall(r'<a href="(/operator/usage\?[^"]+)"', page)
    for href in events:
        found = dana.get(href.replace("&amp;", "&")).text
        assert day.number in found  # the line that the call is on
    assert bool(events) is (by != "campaign")  # it was for no campaign


def test_the_operator_sees_all_companies_together(enter: Enter, cast: Cast, day: Scene) -> None:
    dana = enter()
    page = dana.get(f"/operator/revenue?{OCTOBER}").text
    assert cast.a.name in page
    assert 'href="/operator/revenue"' in dana.get("/operator/ledger").text


def test_what_a_company_calls_its_campaigns_is_seen_through_an_open_look_alone(
    browser: Browsers, people: People, cast: Cast, day: Scene, gate: Gate, vault: Vault
) -> None:
    made = factory.campaign(gate, cast.a.tenant_id, name="Autumn of Mr Voss")
    unknown = new_id()
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        for campaign_id in (made.campaign_id, unknown):
            usage.record(
                session,
                tenant_id=cast.a.tenant_id,
                usage=stock.usage(f"for {campaign_id}", campaign_ref=campaign_id, at=NOW),
            )
    dana, user_id = browser(), scene.staff(people, "operator_billing", "operator_support", name="Dana")
    assert dana.sign_in(user_id.email).status_code == 303
    where = "/operator/revenue?by=campaign"
    page = dana.get(where).text
    assert "Autumn of Mr Voss" not in page
    assert "Campaign made on 19 Nov 2026, " in page
    assert "A campaign that is not here" in page
    assert ids.public("cmp", made.campaign_id) in page
    assert "Campaign made on" in dana.get(f"{where}&as=csv").text
    opened(dana, user_id.id, browser, people, gate, vault, cast)
    assert "Autumn of Mr Voss" in dana.get(where).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        entries = evidence.page(session, tenant_id=cast.a.tenant_id, limit=9, action="glass.looked").entries
    assert [(one.actor_id, one.fact.details["what"]) for one in entries] == [(user_id.id, "campaigns")]
    rita = browser()  # a colleague sees through nobody else's look
    rita.sign_in(scene.staff(people, "operator_billing", "operator_support", name="Rita").email)
    assert "Autumn of Mr Voss" not in rita.get(where).text


def opened(
    dana: Browser, user_id: UserId, browser: Browsers, people: People, gate: Gate, vault: Vault, cast: Cast
) -> None:
    """Let somebody look into the company, as a colleague agrees to."""
    omar, omars = browser(), scene.staff(people, "operator_support", name="Omar")
    omar.sign_in(omars.email)
    with gate.open(Scope.system(OPERATOR)) as session:
        for who in (user_id, omars.id):
            second_step.begin(session, tenant_id=OPERATOR, vault=vault, user_id=who, name="x")
        session.execute(text("UPDATE app.second_steps SET confirmed_at = begun_at"))
    company = ids.public("ten", cast.a.tenant_id)
    dana.post(
        "/operator/glass", {"company": company, "reason": "incident", "ticket": "INC-4711", "minutes": "30"}
    )
    with gate.open(Scope.system(OPERATOR)) as session:
        (asked,) = glass.every(session)
    assert omar.post(f"/operator/glass/{asked.id}/approve").status_code == 303


def test_who_may_not_see_money_sees_no_revenue(enter: Enter, cast: Cast) -> None:
    assert enter("operator_inventory").get("/operator/revenue").status_code == 403
