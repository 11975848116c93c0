"""Our details, a company's billing details, its terms: by people and programs, up to a whole invoice."""

import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping

import pytest
from pypdf import PdfReader

from billing import accounts, sellers, usage
from billing.accounts import Account, Party
from billing.documents import en16931
from core import clock, ids
from core.ids import OPERATOR, TenantId
from security import evidence
from security.gate import Gate, Scope
from tenants import companies
from tenants.companies import Company
from tests.billing import stock
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, Scene
from tests.web.test_operator_pages import NEW

OURS = "/operator/details"
MINE = "/portal/billing-details"
HEAD = {
    "name": "Quayside Calls Ltd",
    "address": "2 Quay\r\nFloor 3",
    "postcode": "HU1 1AA",
    "city": "Hull",
    "country": "GB",
    "tax_id": "gb 123 4567 89",
    "register_id": "01234567",
    "email": "books@quayside.example",
    "scheme": "",
    "endpoint": "",
}
OWN = {
    **HEAD,
    "revision": "0",
    "bank": "",
    "account": "",
    "iban": "GB82 WEST 1234 5698 7654 32",
    "bic": "DEMOGB2L",
    "footer": "Quayside Calls Ltd, registered in England",
    "series": "qc",
}
DETAILS = {**HEAD, "name": "Pelican Parcels plc", "order_reference": "PO-9", "revision": "1"}
TERMS = {"revision": "1", "terms_days": "14", "tax_category": "S", "tax_rate": "17.5", "tax_reason": ""}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def dana(browser: Browsers, people: People, head: Company) -> Browser:
    made = browser()
    assert made.sign_in(scene.staff(people, "operator_billing", "operator_support").email).status_code == 303
    return made


def path(company: Company) -> str:
    return f"/operator/companies/{ids.public('ten', company.tenant_id)}/billing"


def account_of(gate: Gate, tenant_id: TenantId) -> Account:
    with gate.open(Scope.system(tenant_id)) as session:
        return accounts.find(session, tenant_id=tenant_id)


def own(gate: Gate) -> sellers.Own | None:
    with gate.open(Scope.system(OPERATOR)) as session:
        return sellers.find(session)


def text_of(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_before_anything_is_typed_the_page_says_what_is_lacking(dana: Browser) -> None:
    page = dana.get(OURS).text
    assert "An e-invoice still lacks:" in page
    assert "the country of our head" in page
    assert 'value="Seatline"' in page
    assert "SL-2026-000001" in page


def test_our_details_are_kept_and_shown_on_a_sample(dana: Browser, gate: Gate) -> None:
    assert dana.post(OURS, OWN).status_code == 303
    kept = own(gate)
    assert kept is not None
    assert kept.seller.party == Party(
        "Quayside Calls Ltd",
        ("2 Quay", "Floor 3"),
        "GB 123 4567 89",
        postcode="HU1 1AA",
        city="Hull",
        country="GB",
        register_id="01234567",
        email="books@quayside.example",
    )
    page = dana.get(OURS).text
    assert "still lacks" not in page
    assert "QC-2026-000001" in page
    sample = text_of(dana.get(f"{OURS}/sample/pdf?language=en").data)
    for part in ("Quayside Calls Ltd", "Hull HU1 1AA", "United Kingdom", "GB82 WEST", "01234567", "sample"):
        assert part in sample
    assert "公司注册号" in text_of(dana.get(f"{OURS}/sample/pdf?language=zh").data)
    with gate.open(Scope.system(OPERATOR)) as session:
        said = [one.fact.action for one in evidence.page(session, tenant_id=OPERATOR, limit=3).entries]
    assert "seller.changed" in said
    assert "Changed our details on invoices" in dana.get("/operator/evidence").text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "1 to 200"),
        ("country", "XX", "Choose a country"),
        ("tax_id", "ZZ 1", "begins with its country"),
        ("email", "books", "no e-mail address"),
        ("scheme", "0088", "both the kind and the address"),
        ("iban", "GB00 1234", "check digits"),
        ("bic", "12", "8 or 11"),
        ("series", "Q-C", "capital letters"),
        ("footer", "f" * 201, "too long"),
    ],
)
def test_a_field_of_ours_that_cannot_be_is_marked_and_all_that_was_typed_stays(
    dana: Browser, gate: Gate, field: str, value: str, words: str
) -> None:
    answer = dana.post(OURS, OWN | {field: value})
    assert answer.status_code == 422
    assert words in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "Floor 3" in answer.text
    assert own(gate) is None


def test_two_of_the_staff_who_change_it_at_once_are_told(dana: Browser, gate: Gate) -> None:
    dana.post(OURS, OWN)
    answer = dana.post(OURS, OWN | {"city": "York"})
    assert answer.status_code == 409
    assert "York" in answer.text
    kept = own(gate)
    assert kept is not None
    assert kept.seller.party.city == "Hull"


def test_a_used_series_is_left_only_when_that_is_ticked(dana: Browser, cast: Cast, day: Scene) -> None:
    answer = dana.post(OURS, OWN)
    assert answer.status_code == 422
    assert "up to SL-2026-00000" in answer.text
    assert 'name="begins"' in answer.text
    assert dana.post(OURS, OWN | {"begins": "1"}).status_code == 303
    assert "QC-2026-000001" in dana.get(OURS).text


def test_only_who_bills_changes_our_details(browser: Browsers, people: People, head: Company) -> None:
    omar = browser()
    omar.sign_in(scene.staff(people, "operator_inventory", name="Omar").email)
    assert omar.get(OURS).status_code == 403
    assert omar.post(OURS, OWN).status_code == 403
    priya = browser()
    priya.sign_in(scene.staff(people, "operator_support", name="Priya").email)
    page = priya.get(OURS).text
    assert "disabled" in page
    assert ">Save<" not in page
    assert priya.post(OURS, OWN).status_code == 403


def test_the_operator_keeps_a_companys_details(dana: Browser, gate: Gate, cast: Cast, day: Scene) -> None:
    here = path(cast.a)
    assert here in dana.get(here.removesuffix("/billing")).text
    assert dana.post(here, DETAILS).status_code == 303
    account = account_of(gate, cast.a.tenant_id)
    assert (account.buyer.name, account.buyer.tax_id) == ("Pelican Parcels plc", "GB 123 4567 89")
    assert account.order_reference == "PO-9"
    again = dana.post(here, DETAILS | {"city": "York"})
    assert again.status_code == 409
    assert "York" in again.text
    wrong = dana.post(here, DETAILS | {"revision": "2", "email": "x"})
    assert wrong.status_code == 422
    assert "no e-mail address" in wrong.text
    assert "Pelican Parcel Ltd" in dana.get(f"{here.removesuffix('billing')}invoices/{of(day)}").text


def of(day: Scene) -> str:
    return ids.public("inv", day.invoice.invoice_id)


def test_the_terms_are_the_operators_and_each_field_is_looked_at(
    dana: Browser, gate: Gate, cast: Cast, day: Scene
) -> None:
    here = f"{path(cast.a)}/terms"
    assert dana.post(here, TERMS).status_code == 303
    account = account_of(gate, cast.a.tenant_id)
    assert (account.terms_days, account.tax_category, account.tax_rate_ppm) == (14, "S", 175_000)
    for change, words in (
        ({"terms_days": "121"}, "from 0 to 120"),
        ({"terms_days": "x"}, "from 0 to 120"),
        ({"tax_rate": "0"}, "Above 0 and below 100"),
        ({"tax_rate": "much"}, "Above 0 and below 100"),
        ({"tax_rate": "1e99"}, "Above 0 and below 100"),
        ({"tax_rate": "17.00001"}, "Above 0 and below 100"),
        ({"tax_rate": "1,250"}, "“1,250” may be meant two ways. Write 1250 or 1.250."),
        ({"tax_category": "B"}, "Choose one of the list"),
        ({"tax_category": "E", "tax_rate": "0"}, "Say why no tax is charged"),
    ):
        answer = dana.post(here, {**TERMS, "revision": "2", **change})
        assert answer.status_code == 422
        assert words in answer.text
    late = dana.post(here, TERMS | {"terms_days": "7"})
    assert late.status_code == 409
    assert account_of(gate, cast.a.tenant_id).terms_days == 14


def test_a_tax_that_needs_the_buyers_number_is_not_agreed_without_one(
    dana: Browser, alice: Browser, gate: Gate, cast: Cast, day: Scene
) -> None:
    nobody = DETAILS | {"tax_id": "", "register_id": ""}
    assert dana.post(path(cast.a), nobody).status_code == 303
    reverse = TERMS | {"revision": "2", "tax_category": "AE", "tax_rate": "0"}
    refused = dana.post(f"{path(cast.a)}/terms", reverse)
    assert refused.status_code == 422
    assert "must name this number" in refused.text
    assert dana.post(path(cast.a), DETAILS | {"revision": "2"}).status_code == 303
    assert dana.post(f"{path(cast.a)}/terms", reverse | {"revision": "3"}).status_code == 303
    answer = alice.post(MINE, nobody | {"revision": "4"})
    assert answer.status_code == 422
    assert "must name this number" in answer.text
    assert "Reverse charge" in alice.get(MINE).text


def test_who_only_reads_bills_changes_neither(
    browser: Browsers, people: People, cast: Cast, day: Scene
) -> None:
    priya = browser()
    priya.sign_in(scene.staff(people, "operator_support", name="Priya").email)
    assert "disabled" in priya.get(path(cast.a)).text
    assert priya.post(path(cast.a), DETAILS).status_code == 403
    assert priya.post(f"{path(cast.a)}/terms", TERMS).status_code == 403


def test_the_owner_changes_the_companys_details_and_reads_the_terms(
    alice: Browser, gate: Gate, cast: Cast, day: Scene
) -> None:
    page = alice.get(MINE).text
    assert "Pelican Parcel Ltd" in page
    assert "VAT, 20" in page
    assert MINE in alice.get("/portal/invoices").text
    assert alice.post(MINE, DETAILS).status_code == 303
    assert account_of(gate, cast.a.tenant_id).buyer.name == "Pelican Parcels plc"
    assert "Changed the billing details" in alice.get("/portal/evidence").text
    assert alice.post(MINE, DETAILS | {"city": "York"}).status_code == 409
    wrong = alice.post(MINE, DETAILS | {"revision": "2", "country": "XX", "city": "Selby"})
    assert wrong.status_code == 422
    assert "Choose a country" in wrong.text
    assert "Selby" in wrong.text


def test_an_administrator_reads_them_and_an_analyst_does_not(
    browser: Browsers, people: People, cast: Cast, day: Scene
) -> None:
    for role, expected in (("tenant_admin", 200), ("tenant_analyst", 403)):
        who = browser()
        user = people.user(cast.a.tenant_id, "Una", role, email=f"{role}@pelicanparcel.example")
        who.sign_in(user.email)
        page = who.get(MINE)
        assert page.status_code == expected
        assert who.post(MINE, DETAILS).status_code == 403
        if expected == 200:
            assert "Owners change these details" in page.text


def test_programs_read_and_change_what_they_have_read(
    program: Programs, gate: Gate, cast: Cast, day: Scene
) -> None:
    ours = program(cast.a)
    first = ours.get("/billing-details")
    shown = first.get_json()
    assert shown["terms"] == {
        "days_to_pay": 28,
        "tax_category": "S",
        "tax_rate_ppm": 200_000,
        "tax_reason": "",
    }
    wanted = {
        "name": "Pelican Parcels plc",
        "address": ["1 Quay"],
        "country": "GB",
        "order_reference": "PO-9",
    }
    etag = {"If-Match": first.headers["ETag"]}
    changed = ours.call("PATCH", "/billing-details", json=wanted, headers=etag)
    assert changed.status_code == 200, changed.text
    told = changed.get_json()
    assert {name: told[name] for name in wanted} == wanted
    assert told["tax_id"] == shown["tax_id"]
    account = account_of(gate, cast.a.tenant_id)
    assert (account.buyer.address, account.order_reference) == (("1 Quay",), "PO-9")
    assert ours.call("PATCH", "/billing-details", json=wanted, headers=etag).status_code == 412
    assert ours.call("PATCH", "/billing-details", json=wanted).status_code == 428
    etag = {"If-Match": changed.headers["ETag"]}
    refused = ours.call("PATCH", "/billing-details", json={"country": "XX"}, headers=etag)
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["pointer"].endswith("country")
    reader = program(cast.a, "invoices.read")
    assert reader.get("/billing-details").status_code == 200
    assert reader.call("PATCH", "/billing-details", json=wanted, headers=etag).status_code == 403


def test_from_our_details_to_a_whole_invoice_without_the_demo(
    browser: Browsers, people: People, head: Company, gate: Gate
) -> None:
    stock.publish(gate)
    staff = scene.staff(people, "operator_billing", "operator_support")

    def dana() -> Browser:
        made = browser()
        assert made.sign_in(staff.email).status_code == 303
        return made

    first = dana()
    assert first.post("/operator/companies", NEW).status_code == 201
    with gate.open(Scope.system(OPERATOR)) as session:
        company = next(one for one in companies.clients(session) if one.name == "Tern Travel")
    page = first.get(path(company)).text
    assert "the country of our head" in page
    assert f'href="{OURS}"' in page
    assert first.post(OURS, OWN).status_code == 303, "after the company was opened: its account follows"
    assert "still lacks" not in first.get(path(company)).text
    given: Mapping[str, str] = {**DETAILS, "name": "Tern Travel Ltd", "country": "IE", "tax_id": "IE1234567T"}
    assert first.post(path(company), given).status_code == 303
    reverse = {**TERMS, "revision": "2", "tax_category": "AE", "tax_rate": "0", "tax_reason": "Article 196"}
    assert first.post(f"{path(company)}/terms", reverse).status_code == 303
    with gate.open(Scope.system(company.tenant_id)) as session:
        used = stock.usage(seconds=600, at=NOW + dt.timedelta(hours=1))
        usage.record(session, tenant_id=company.tenant_id, usage=used)
    with clock.hold(dt.datetime(2026, 12, 2, 9, tzinfo=dt.UTC)):
        later = dana()
        public = ids.public("ten", company.tenant_id)
        made = later.post("/operator/invoices/draft", {"month": "2026-11", "company": public})
        assert made.status_code == 303
        invoice = str(made.location)
        assert later.post(f"{invoice}/finalise").status_code == 303
        assert "QC-2026-000001" in later.get(invoice).text
        paper = text_of(later.get(f"{invoice}/pdf?language=en").data)
        xml = later.get(f"{invoice}/xml")
    for part in (
        "Quayside Calls Ltd",
        "Tern Travel Ltd",
        "Reverse charge: Article 196",
        "PO-9",
        "December 16, 2026",
    ):
        assert part in re.sub(r"\s+", " ", paper).replace("16 December 2026", "December 16, 2026")
    assert xml.status_code == 200
    assert en16931.problems(xml.data) == ()
    for piece in (b"QC-2026-000001", b"VATEX-EU-AE", b"Article 196", b"IE1234567T", b"GB123456789", b">IE<"):
        assert piece in xml.data


def test_the_form_of_a_new_company_refuses_a_head_that_no_invoice_can_have(dana: Browser, gate: Gate) -> None:
    stock.publish(gate)
    answer = dana.post("/operator/companies", NEW | {"tax_id": "ZZ1"})
    assert answer.status_code == 422
    with gate.open(Scope.system(OPERATOR)) as session:
        assert companies.clients(session) == []
