"""Any id, and any number of a paper, leads the operator to its page."""

from collections.abc import Iterator
from urllib.parse import urlencode
from uuid import UUID

import pytest

from billing import price_lists, safety, wallets
from billing.ledger import BANK
from billing.payments import refunds, top_ups
from core import clock, ids
from core.ids import OPERATOR
from security.gate import Gate, Scope
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import NOW, Scene
from wiring import closing

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


def test_our_own_and_what_moves_in_wallets_is_found_too(
    dana: Browser, cast: Cast, day: Scene, gate: Gate
) -> None:
    tenant_id = cast.a.tenant_id
    home = f"/operator/companies/{ids.public('ten', tenant_id)}"
    with gate.open(Scope.system(OPERATOR)) as session:
        prices = price_lists.every(session, tenant_id=OPERATOR)[0].price_list_id
        job = closing.ask_for_month(session, year=2026, month=10, is_final=False, by=cast.alice.id)
    with gate.open(Scope.system(tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=tenant_id)
        wallets.top_up(session, tenant_id=tenant_id, key="transfer:1", amount_minor=9000, source=BANK, at=NOW)
        top_up, _ = top_ups.begin(
            session,
            tenant_id=tenant_id,
            account="acct_test",
            top_up_id=ids.new_id(),
            amount_minor=5000,
            by_user=cast.alice.id,
        )
        back = refunds.ask_transfer(
            session,
            tenant_id=tenant_id,
            refund_id=ids.new_id(),
            amount_minor=100,
            reason="Too much",
            by=cast.alice.id,
            safety=safety.USUAL,
        )
    top_up_id = ids.public("top", top_up.top_up_id)
    for text, where in (
        (ids.public("pl", prices), f"/operator/prices/{ids.public('pl', prices)}"),
        (ids.public("job", job), f"/operator/jobs/{ids.public('job', job)}"),
        (top_up_id, f"{home}/wallet/top-ups/{top_up_id}"),
        (ids.public("ref", back.refund_id), f"{home}/wallet"),
    ):
        found = dana.get(f"/operator/find?{urlencode({'q': text})}")
        assert (found.status_code, found.headers.get("Location")) == (303, where), text
        assert dana.get(where).status_code in {200, 302}


def test_nobody_is_led_to_a_page_that_is_closed_to_them(
    people: People, browser: Browsers, day: Scene, gate: Gate
) -> None:
    sam = browser()
    sam.sign_in(scene.staff(people, "operator_support").email)
    with gate.open(Scope.system(OPERATOR)) as session:
        prices = price_lists.every(session, tenant_id=OPERATOR)[0].price_list_id
    found = sam.get(f"/operator/find?{urlencode({'q': ids.public('pl', prices)})}")
    assert found.status_code == 200
    assert "Nothing is called that." in found.text


@pytest.mark.parametrize(
    "text",
    [
        *("nothing", "inv_", "SL-1", "evt_nobody"),
        *(ids.public(one, NOBODY) for one in ("inv", "ten", "pl", "job", "rrt", "dif", "news", "top", "ref")),
        *(ids.public(one, NOBODY) for one in ("con", "use", "crn", "dsp", "pay")),
    ],
)
def test_what_nothing_is_called_says_so(dana: Browser, text: str) -> None:
    found = dana.get(f"/operator/find?{urlencode({'q': text})}")
    assert found.status_code == 200
    assert "Nothing is called that." in found.text


def test_the_front_page_has_the_box_too(dana: Browser) -> None:
    assert 'action="/operator/find"' in dana.get("/operator/").text
