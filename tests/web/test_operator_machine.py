"""The operator's machine room, and a company's door: shut with its consequences, opened again."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import insert

from core import clock, ids, upkeep
from core.duties import DutyRow
from core.ids import OPERATOR, new_id
from security.gate import Gate, Scope
from tenants.companies import Company
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import NOW

PAGE = "/operator/jobs"


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def house(people: People) -> Company:
    return people.operator()


def enter(browser: Browsers, people: People, role: str) -> Browser:
    made = browser()
    assert made.sign_in(scene.staff(people, role, name=role.title()).email).status_code == 303
    return made


def owe(gate: Gate, handler: str, *, attempts: int = 0, error: str | None = None) -> UUID:
    subject = new_id()
    with gate.open(Scope.system(OPERATOR)) as session:
        session.execute(
            insert(DutyRow).values(
                subject_id=subject, handler=handler, due_at=NOW, attempts=attempts, error=error,
                given_up_at=NOW if error else None,
            )
        )  # fmt: skip
    return subject


def test_what_was_given_up_is_shown_by_its_code_and_tried_again_once(
    gate: Gate, browser: Browsers, people: People, house: Company
) -> None:
    subject = owe(gate, "webhooks.deliver", attempts=8, error="host-away")
    owe(gate, "invoices.archive")
    omar = enter(browser, people, "operator_support")
    page = omar.get(PAGE).text
    for words in ("webhooks.deliver", "host-away", "invoices.archive", "Given up"):
        assert words in page
    given = {"handler": "webhooks.deliver", "subject": str(subject)}
    assert "1 job is tried again." in omar.get(omar.post(f"{PAGE}/again", given).location).text
    assert "nothing to try again" in omar.get(omar.post(f"{PAGE}/again", given).location).text
    with gate.open(Scope.system(OPERATOR)) as session:
        assert upkeep.given_up(session) == []
        states = {one.handler: one for one in upkeep.by_handler(session)}
    assert states["webhooks.deliver"].waiting == 1


@pytest.mark.parametrize("subject", ["not-an-id", "' OR 1=1"])
def test_a_made_up_subject_changes_nothing(
    gate: Gate, browser: Browsers, people: People, house: Company, subject: str
) -> None:
    owe(gate, "webhooks.deliver", attempts=8, error="host-away")
    omar = enter(browser, people, "operator_support")
    omar.post(f"{PAGE}/again", {"handler": "webhooks.deliver", "subject": subject})
    with gate.open(Scope.system(OPERATOR)) as session:
        assert len(upkeep.given_up(session)) == 1


def test_who_may_not_write_sees_no_button(
    gate: Gate, browser: Browsers, people: People, house: Company
) -> None:
    owe(gate, "webhooks.deliver", attempts=8, error="host-away")
    dana = enter(browser, people, "operator_billing")
    assert "/operator/jobs/again" not in dana.get(PAGE).text
    assert dana.post(f"{PAGE}/again", {"handler": "webhooks.deliver"}).status_code == 403


def test_a_suspended_company_is_out_until_resumed(
    alice: Browser, browser: Browsers, people: People, cast: Cast, house: Company
) -> None:
    omar = enter(browser, people, "operator_support")
    where = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}"
    assert "Suspend Pelican Parcel?" in omar.get(where).text
    page = omar.get(omar.post(f"{where}/suspend").location).text
    assert "Pelican Parcel is suspended." in page
    assert "Undo" in page
    assert alice.get("/portal/").status_code == 401
    omar.post(f"{where}/resume")
    assert alice.get("/portal/").status_code == 200
    dana = enter(browser, people, "operator_billing")
    assert dana.post(f"{where}/suspend").status_code == 403
