"""The operator's margin: a deck from a file like any price list, losses marked, none of it a company's."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from billing import usage
from core import clock
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_margin import deck
from tests.web.conftest import Browsers, Cast
from tests.web.scene import NOW, Scene
from tests.web.test_operator_pages import Enter, enter

__all__ = ["enter"]  # a fixture


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def test_a_cost_deck_is_made_and_asks_for_its_file(enter: Enter, cast: Cast, day: Scene) -> None:
    dana = enter()
    assert 'href="/operator/margin"' in dana.get("/operator/prices").text
    page = dana.get("/operator/margin").text
    assert "Nothing to compare yet" in page
    like = re.findall(r'<option value="(pl_[0-9a-z]+)">', page)[0]
    answer = dana.post("/operator/margin/decks", data={"carrier": "Northern", "like": like})
    assert answer.status_code == 303
    assert "Costs of Northern" in dana.get(answer.headers["Location"]).text
    assert "Northern" in dana.get("/operator/margin").text
    # one deck a carrier, and no company can be given it
    dana.post("/operator/margin/decks", data={"carrier": "Northern", "like": like})
    assert "has a cost deck already" in dana.get("/operator/margin").text
    assert "Costs of Northern" not in dana.get("/operator/companies/new").text
    dana.post("/operator/margin/decks", data={"carrier": " ", "like": like})
    assert "Say which carrier it is" in dana.get("/operator/margin").text


def test_calls_out_are_shown_with_what_they_leave(enter: Enter, cast: Cast, day: Scene, gate: Gate) -> None:
    deck(gate, mobile=900_000_000)  # 90 pence a minute
    at = NOW - dt.timedelta(days=1)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        usage.record(session, tenant_id=cast.a.tenant_id, usage=stock.usage("out", seconds=60, at=at))
    page = enter().get("/operator/margin?from=2026-11").text
    assert "Northern Telecom" in page
    assert "UK mobiles" in page
    assert ">loss<" in page or "loss</span>" in page
    assert "£0.90" in page


def test_who_may_not_see_money_sees_no_margin(enter: Enter, cast: Cast) -> None:
    assert enter("operator_inventory").get("/operator/margin").status_code == 403


def test_nothing_of_it_is_a_companys(cast: Cast, day: Scene, browser: Browsers, gate: Gate) -> None:
    deck(gate)
    alice = browser()
    assert alice.sign_in(cast.alice.email).status_code == 303
    assert alice.get("/operator/margin").status_code in {403, 404}
    assert alice.get("/operator/revenue").status_code in {403, 404}
    for address in ("/portal/spend", "/portal/what-if", "/portal/invoices"):
        assert "Northern" not in alice.get(address).text
