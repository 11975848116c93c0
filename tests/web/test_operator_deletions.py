"""Deleting a company on the operator's pages: two of the staff, and a way back until the day."""

import re

from core import ids
from core.ids import OPERATOR
from security.gate import Gate, Scope
from tenants import companies
from tenants.companies import Company
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browsers, Cast


def test_two_of_the_staff_delete_a_company_and_one_calls_it_off(
    browser: Browsers, people: People, head: Company, gate: Gate, cast: Cast
) -> None:
    dana, omar = browser(), browser()
    dana.sign_in(scene.staff(people, "operator_support").email)
    omar.sign_in(scene.staff(people, "operator_support", name="Omar").email)
    company = ids.public("ten", cast.a.tenant_id)
    given = {"company": company, "money": "Paid on 3 November"}
    assert dana.post("/operator/deletions", given).status_code == 409
    with gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=cast.a.tenant_id)
    assert dana.post("/operator/deletions", given).location == "/operator/deletions"
    page = dana.get("/operator/deletions").text
    assert "wants confirming" in page
    assert "/confirm" not in page
    (path,) = re.findall(r'action="(/operator/deletions/del_\w+)/call-off"', page)
    assert "has to confirm it" in dana.get(dana.post(f"{path}/confirm").location).text
    assert dana.post(f"/operator/companies/{company}/resume").status_code == 403
    omar.post(f"{path}/confirm")
    assert "wants confirming" not in omar.get("/operator/deletions").text
    assert omar.get(f"{path}/certificate").status_code == 404
    dana.post(f"{path}/call-off")
    assert "called off" in dana.get("/operator/deletions").text
    assert dana.post(f"/operator/companies/{company}/resume").status_code == 303
    assert "Called the deletion of a company off" in dana.get("/operator/evidence").text
