"""Erasing a person and holding them, on the pages and over the API."""

import re
from typing import Any

import sqlalchemy as sa

from core import ids
from customers import erasures
from customers.events import PersonErasureAsked
from security.gate import Gate, Scope
from security.keystore import Keystore
from tests.customers import factory as customers
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from wiring import erasing


class House:
    """The test's parts as a worker has them."""

    def __init__(self, services: TestServices, keystore: Keystore) -> None:
        self.gate, self.storage, self.settings = services.gate, services.storage, services.settings
        self.signer, self.keystore, self.vault = services.signer, keystore, services.vault


def carry_out(gate: Gate, cast: Cast, services: TestServices, keystore: Keystore) -> str:
    """Do the newest erasure; return its public id."""
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (found, *_) = erasures.newest(session, tenant_id=cast.a.tenant_id, limit=1)
    event = PersonErasureAsked(tenant_id=cast.a.tenant_id, erasure_id=found.erasure_id)
    assert erasing.run(House(services, keystore), event) is None
    return ids.public("era", found.erasure_id)


def test_a_customer_is_erased_from_their_page_and_the_certificate_is_there(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices, keystore: Keystore
) -> None:
    card = customers.stored(gate, services.vault, cast.a.tenant_id)
    path = f"/portal/customers/{ids.public('cus', card.id)}"
    page = alice.get(path).text
    assert "Nobody can take this back" in page
    assert "Stays: the do-not-call list" in page
    assert alice.post(f"{path}/erase").location == "/portal/erasures"
    assert "under way" in alice.get("/portal/erasures").text
    erasure_id = carry_out(gate, cast, services, keystore)
    assert alice.get(path).status_code == 404
    page = alice.get("/portal/erasures").text
    assert "1 records" in page
    file = alice.get(f"/portal/erasures/{erasure_id}/certificate")
    assert "attachment" in file.headers["Content-Disposition"]
    assert '"records": 1' in file.text
    assert "Ines" not in file.text
    assert "A person was erased" in alice.get("/portal/evidence").text


def test_a_number_is_erased_and_what_is_none_is_refused(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices, keystore: Keystore
) -> None:
    customers.stored(gate, services.vault, cast.a.tenant_id)
    answer = alice.post("/portal/erasures", {"phone": "nobody"})
    assert answer.status_code == 422
    assert "This is no whole number" in answer.text
    assert alice.post("/portal/erasures", {"phone": customers.INES}).status_code == 303
    carry_out(gate, cast, services, keystore)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert session.execute(sa.text("SELECT count(*) FROM app.customers")).scalar_one() == 0


def test_who_is_held_is_not_erased_until_the_hold_is_lifted(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices
) -> None:
    card = customers.stored(gate, services.vault, cast.a.tenant_id)
    customer = ids.public("cus", card.id)
    assert customer in alice.get(f"/portal/holds?subject={customer}").text
    given = {"kind": "customer", "subject": customer, "reason": "Case 117"}
    assert alice.post("/portal/holds", given | {"reason": " "}).status_code == 422
    assert alice.post("/portal/holds", given | {"subject": "cus_nobody"}).status_code == 422
    assert alice.post("/portal/holds", given).location == "/portal/holds"
    refused = alice.post(f"/portal/customers/{customer}/erase")
    assert "A legal hold covers this person" in alice.get(refused.location).text
    answer = alice.post("/portal/erasures", {"phone": card.phone})
    assert answer.status_code == 409
    page = alice.get("/portal/holds").text
    (lift,) = re.findall(r'action="(/portal/holds/hold_\w+/lift)"', page)
    alice.post(lift)
    assert "lifted" in alice.get("/portal/holds").text
    assert alice.post(f"/portal/customers/{customer}/erase").location == "/portal/erasures"


def test_a_supervisor_sees_neither_the_button_nor_the_pages(
    browser: Browsers, gate: Gate, cast: Cast, services: TestServices
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    card = customers.stored(gate, services.vault, cast.a.tenant_id)
    path = f"/portal/customers/{ids.public('cus', card.id)}"
    assert "Erase this person" not in sue.get(path).text
    assert sue.post(f"{path}/erase").status_code == 403
    assert sue.get("/portal/erasures").status_code == 403
    assert sue.get("/portal/holds").status_code == 403


def test_programs_erase_and_hold_their_own_companys(
    gate: Gate, cast: Cast, program: Programs, services: TestServices, keystore: Keystore
) -> None:
    card = customers.stored(gate, services.vault, cast.a.tenant_id)
    customer, mine, other = ids.public("cus", card.id), program(cast.a), program(cast.b)
    assert other.post(f"/customers/{customer}/erasure").status_code == 404
    hold: dict[str, Any] = mine.post("/holds", {"kind": "company", "reason": "Case 117"}).get_json()
    assert mine.post("/holds", {"kind": "company", "subject": customer, "reason": "x"}).status_code == 422
    assert other.post("/holds", {"kind": "customer", "subject": customer, "reason": "x"}).status_code == 404
    answer = mine.post(f"/customers/{customer}/erasure")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "legal-hold")
    assert other.post(f"/holds/{hold['id']}/lift").status_code == 404
    assert mine.post(f"/holds/{hold['id']}/lift").status_code == 204
    assert mine.get("/holds").get_json()["data"][0]["lifted_at"]
    asked = mine.post(f"/customers/{customer}/erasure")
    assert asked.status_code == 202
    erasure_id = carry_out(gate, cast, services, keystore)
    assert asked.get_json()["id"] == erasure_id
    found = mine.get(f"/erasures/{erasure_id}").get_json()
    assert found["removed"]["records"] == 1
    assert found["certificate"]
    assert other.get(f"/erasures/{erasure_id}").status_code == 404
    assert mine.post("/erasures", {"phone": customers.CHEN}).status_code == 202
    assert len(mine.get("/erasures").get_json()["data"]) == 2
