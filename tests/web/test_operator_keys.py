"""The page of keys: what each seals, replacing one with a confirmation, and no key anywhere."""

import re

import pytest

from core import ids, long_jobs
from core.ids import OPERATOR
from security import key_states
from security.gate import Gate, Scope
from security.keystore import Keystore
from tenants.companies import Company
from tests.tenants.people import People
from tests.web.conftest import Browsers, Cast
from tests.web.test_operator_machine import enter

PAGE = "/operator/keys"


@pytest.fixture
def house(people: People) -> Company:
    return people.operator()


def test_a_companys_keys_are_shown_and_one_is_replaced(
    gate: Gate, keystore: Keystore, browser: Browsers, people: People, cast: Cast, house: Company
) -> None:
    omar = enter(browser, people, "operator_support")
    company = ids.public("ten", cast.a.tenant_id)
    where = f"{PAGE}?company={company}"
    page = omar.get(where).text
    assert "Names, numbers, addresses" in page
    assert "Replace the key for “Names, numbers, addresses”?" in page
    assert re.search(r"\d+ values are sealed with it now", page)
    key = keystore.active(cast.a.tenant_id, "pii").key
    assert key.hex() not in page
    page = omar.get(omar.post(f"{PAGE}/rotate", {"company": company, "purpose": "pii"}).location).text
    assert "nothing stands still meanwhile" in page
    assert "Replacing a key: Pelican Parcel" in page
    assert "Replace the key for" not in page  # one at a time
    with gate.open(Scope.system(OPERATOR)) as session:
        found = long_jobs.latest_of(session, kind="keys.rotate", company_id=cast.a.tenant_id)
    assert found
    assert found.about == "pii"
    assert "Started replacing a company’s key" in omar.get("/operator/evidence").text


def test_a_key_that_only_opens_stands_beside_the_one_that_seals(
    keystore: Keystore, browser: Browsers, people: People, cast: Cast, house: Company
) -> None:
    tenant_id = cast.a.tenant_id
    key_states.promote(
        keystore,
        tenant_id=tenant_id,
        purpose="pii",
        version=key_states.prepare(keystore, tenant_id=tenant_id, purpose="pii").version,
        settles_s=0,
    )
    omar = enter(browser, people, "operator_support")
    answer = omar.get(f"{PAGE}?company={ids.public('ten', tenant_id)}")
    assert answer.status_code == 200
    assert "Opens only" in answer.text


@pytest.mark.parametrize("purpose", ["index", "tk", "document", "nonsense", ""])
def test_what_cannot_be_replaced_is_refused_in_words(
    browser: Browsers, people: People, cast: Cast, house: Company, purpose: str
) -> None:
    omar = enter(browser, people, "operator_support")
    sent = {"company": ids.public("ten", cast.a.tenant_id), "purpose": purpose}
    page = omar.get(omar.post(f"{PAGE}/rotate", sent).location).text
    assert "There is no key of that kind to replace." in page


def test_who_looks_after_invoices_has_no_keys(browser: Browsers, people: People, house: Company) -> None:
    dana = enter(browser, people, "operator_billing")
    assert dana.get(PAGE).status_code == 403
    assert dana.post(f"{PAGE}/rotate", {"purpose": "pii"}).status_code == 403
    assert PAGE not in dana.get("/operator/").text
