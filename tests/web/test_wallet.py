"""The wallet as the company, its programs and the operator see it."""

from collections.abc import Iterator

import pytest

from billing import wallets
from core import clock, ids
from core.ids import new_id
from security.gate import Gate, Scope
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, Scene


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def dana(people: People, browser: Browsers, day: Scene) -> Browser:
    made = browser()
    made.sign_in(scene.staff(people, "operator_billing").email)
    return made


def home(cast: Cast) -> str:
    return f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}/wallet"


def test_the_operator_gives_a_wallet_books_a_transfer_once_and_gives_back(
    dana: Browser, cast: Cast, gate: Gate
) -> None:
    assert "It pays by invoice" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/terms", {"credit": "5", "low": "20.00"})
    key = ids.public("tup", new_id())
    for _ in range(2):
        dana.post(f"{home(cast)}/move", {"key": key, "way": "in", "amount": "100.00"})
    assert "£105.00" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/move", {"key": ids.public("tup", new_id()), "way": "back", "amount": "100.01"})
    assert "There is not so much in the wallet" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/move", {"key": ids.public("tup", new_id()), "way": "back", "amount": "90"})
    assert "Little left" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/move", {"key": ids.public("tup", new_id()), "way": "in", "amount": "x"})
    assert "This amount cannot be" in dana.get(home(cast)).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        found = wallets.find(session, tenant_id=cast.a.tenant_id)
    assert found is not None
    assert found.available_nano == 15 * 10**9


def test_the_company_and_its_programs_see_what_is_left(
    browser: Browsers, program: Programs, cast: Cast, day: Scene, gate: Gate
) -> None:
    alice, key = browser(), program(cast.a)
    alice.sign_in(cast.alice.email)
    assert "Your company pays by invoice" in alice.get("/portal/wallet").text
    refused = key.get("/wallet")
    assert (refused.status_code, refused.get_json()["code"]) == (404, "not-found")
    assert key.get("/wallet/entries").status_code == 404
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=cast.a.tenant_id, credit_minor=500)
        wallets.settle(session, tenant_id=cast.a.tenant_id, use_id=day.known, cost_nano=10**9)
        wallets.reserve(
            session, tenant_id=cast.a.tenant_id, use_id=new_id(), amount_nano=2 * 10**9 + 1, until=NOW
        )
    page = alice.get("/portal/wallet").text
    assert "£1.99" in page
    assert f'href="{day.path(day.known)}"' in page
    stands = key.get("/wallet").get_json()
    assert {name: stands[name]["minor"] for name in ("available", "balance", "reserved", "credit")} == {
        "available": 199,
        "balance": -100,
        "reserved": 201,
        "credit": 500,
    }
    (entry,) = key.get("/wallet/entries").get_json()["data"]
    assert (entry["kind"], entry["nano"], entry["call"]) == ("used", -(10**9), day.id_of(day.known))
