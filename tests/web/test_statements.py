"""The statement and the aged receivables, as the company and the operator see them."""

import csv
import io
from collections.abc import Iterator

import pytest

from billing import ledger
from core import clock, ids
from core.ids import OPERATOR
from security.gate import Gate, Scope
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, Scene
from wiring import figures


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def booked(gate: Gate, cast: Cast, day: Scene) -> Scene:
    for company, invoice in ((cast.a, day.invoice), (cast.b, day.their_invoice)):
        with gate.open(Scope.system(company.tenant_id)) as session:
            ledger.post_invoice(session, tenant_id=company.tenant_id, invoice=invoice)
        figures.take(gate, tenant_id=company.tenant_id)
    return day


@pytest.fixture
def dana(people: People, booked: Scene, browser: Browsers) -> Browser:
    made = browser()
    user = scene.staff(people, "operator_billing")
    assert made.sign_in(user.email).status_code == 303
    return made


def test_a_company_reads_and_saves_its_statement(browser: Browsers, cast: Cast, booked: Scene) -> None:
    alice = browser()
    alice.sign_in(cast.alice.email)
    assert 'href="/portal/statement"' in alice.get("/portal/invoices").text
    page = alice.get("/portal/statement?from=2026-11-01&to=2026-11-30").text
    assert booked.number in page
    assert "£0.10" in page
    pdf = alice.get("/portal/statement/pdf?from=2026-11-01&to=2026-11-30&language=zh")
    assert pdf.data.startswith(b"%PDF")
    assert "statement-2026-11-01-2026-11-30-zh.pdf" in pdf.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(alice.get("/portal/statement/csv?from=2026-11-01").text)))
    assert rows[-1]["balance"] == "0.10"


@pytest.mark.parametrize("days", ["from=x&to=y", "from=2026-11-30&to=2026-11-01", ""])
def test_days_that_cannot_be_give_a_statement_all_the_same(
    browser: Browsers, cast: Cast, booked: Scene, days: str
) -> None:
    alice = browser()
    alice.sign_in(cast.alice.email)
    assert alice.get(f"/portal/statement?{days}").status_code == 200


def test_a_program_reads_it_to_the_minor_unit(program: Programs, cast: Cast, booked: Scene) -> None:
    key = program(cast.a)
    days = "first_on=2026-11-01&last_on=2026-11-30"
    found = key.get(f"/statement?{days}").get_json()
    assert [(one["kind"], one["charged"]["minor"]) for one in found["entries"]] == [("invoice", 10)]
    assert found["closing"] == {"minor": 10, "currency": "GBP"}
    refused = key.get("/statement?first_on=2026-11-30&last_on=2026-11-01")
    assert (refused.status_code, refused.get_json()["code"]) == (422, "statement-period")
    owed = key.get("/receivables").get_json()
    assert [(one["number"], one["bucket"]) for one in owed["data"]] == [(booked.number, "current")]


def test_the_operator_sees_who_owes_what_and_opens_it(dana: Browser, cast: Cast, booked: Scene) -> None:
    page = dana.get("/operator/receivables").text
    home = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}/statement"
    assert f'href="{home}"' in page
    opened = dana.get(f"{home}?from=2026-11-01&to=2026-11-30").text
    assert booked.number in opened
    assert cast.b.name not in opened
    assert dana.get(f"{home}/pdf").data.startswith(b"%PDF")
    assert booked.number in dana.get(f"{home}/csv?from=2026-11-01").text


def test_the_operator_itself_has_no_statement(dana: Browser) -> None:
    assert dana.get(f"/operator/companies/{ids.public('ten', OPERATOR)}/statement").status_code == 404
