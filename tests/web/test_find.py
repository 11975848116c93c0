"""Any id, and any number of a paper, leads the operator to its page."""

from collections.abc import Iterator
from urllib.parse import urlencode
from uuid import UUID

import pytest

from core import clock, ids
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import NOW, Scene

NOBODY = UUID("01930000-0000-7000-8000-000000000000")


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def dana(people: People, browser: Browsers, day: Scene) -> Browser:
    made = browser()
    made.sign_in(scene.staff(people, "operator_billing", "operator_support").email)
    return made


def test_an_id_or_a_number_leads_to_its_page(dana: Browser, cast: Cast, day: Scene) -> None:
    theirs = ids.public("ten", cast.b.tenant_id)
    invoice = ids.public("inv", day.their_invoice.invoice_id)
    call = day.id_of(day.theirs)
    for text, where in (
        (theirs, f"/operator/companies/{theirs}"),
        (f"  {invoice} ", f"/operator/companies/{theirs}/invoices/{invoice}"),
        (day.their_invoice.number or "", f"/operator/companies/{theirs}/invoices/{invoice}"),
        (call, f"/operator/usage?company={theirs}&id={call}"),
    ):
        found = dana.get(f"/operator/find?{urlencode({'q': text})}")
        assert (found.status_code, found.headers.get("Location")) == (303, where), text
        assert dana.get(where).status_code == 200


@pytest.mark.parametrize(
    "text", ["nothing", "inv_", ids.public("inv", NOBODY), ids.public("ten", NOBODY), "SL-1"]
)
def test_what_nothing_is_called_says_so(dana: Browser, text: str) -> None:
    found = dana.get(f"/operator/find?{urlencode({'q': text})}")
    assert found.status_code == 200
    assert "Nothing is called that." in found.text


def test_the_front_page_has_the_box_too(dana: Browser) -> None:
    assert 'action="/operator/find"' in dana.get("/operator/").text
