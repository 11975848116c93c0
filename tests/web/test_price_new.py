"""A price list from nothing: made, filled from a file or by hand, published; and what each step refuses."""

import io
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from billing import price_drafts, price_lists
from billing.errors import PriceListError
from billing.price_lists import PriceList
from billing.rating.rules import Band, Rate, Slot
from billing.rating.tariff import DatedRate
from core import clock
from core.ids import OPERATOR
from core.money import NANO
from security import evidence
from security.gate import Gate, Scope
from tenants.companies import Company
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Form
from tests.web.scene import NOW
from tests.web.test_operator_pages import Enter, enter, prices_path, uk

__all__ = ["enter", "uk"]  # fixtures

WISH = {
    "purpose": "companies",
    "name": "UK standard",
    "code": "uk-plain",
    "carrier": "",
    "currency": "GBP",
    "zone": "Europe/London",
}
RATE = {
    "meter": "voice.outbound",
    "prefix": "+44 7",
    "destination": "gb-mobile",
    "name_en": "UK mobiles",
    "name_zh": "英国手机",
    "row.0.rate": "0.05",
    "row.0.step_s": "6",
    "initial_s": "30",
}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def lists(gate: Gate) -> dict[str, PriceList]:
    with gate.open(Scope.system(OPERATOR)) as session:
        found = price_lists.every(session, tenant_id=OPERATOR)
        found += price_lists.decks(session, tenant_id=OPERATOR)
    return {one.code: one for one in found}


def rates(gate: Gate, where: str) -> tuple[DatedRate, ...]:
    (one,) = lists(gate).values()
    assert prices_path(one) in where
    with gate.open(Scope.system(OPERATOR)) as session:
        found = price_drafts.contents(session, tenant_id=OPERATOR, price_list_id=one.price_list_id, number=1)
    return found.rates


@pytest.fixture
def dana(enter: Enter) -> Browser:
    return enter()


@pytest.fixture
def empty(dana: Browser, head: Company) -> str:
    """Where a price list without prices is."""
    return dana.post("/operator/prices", WISH).location


def test_a_list_is_made_and_asks_for_its_prices(dana: Browser, head: Company, gate: Gate) -> None:
    page = dana.get("/operator/prices").text
    assert "No price lists" in page
    assert 'href="/operator/prices/new"' in page
    form = dana.get("/operator/prices/new").text
    assert '<option value="GBP" selected>GBP · British Pound' in form
    assert "DEM" not in form, "nobody sets prices in what is no money any more"
    made = dana.post("/operator/prices", WISH)
    assert made.status_code == 303
    there = dana.get(made.location).text
    for words in ("The price list is made.", "No prices yet", "Upload a file", "Type prices"):
        assert words in there
    (one,) = lists(gate).values()
    assert (one.code, one.name, one.currency, one.zone, one.carrier) == (
        "uk-plain",
        "UK standard",
        "GBP",
        "Europe/London",
        "",
    )
    with gate.open(Scope.system(OPERATOR)) as session:
        page_ = evidence.page(session, tenant_id=OPERATOR, limit=10, action="price-list.created")
    assert [entry.fact.details["code"] for entry in page_.entries] == ["uk-plain"]
    page = dana.get("/operator/prices").text
    assert 'href="/operator/prices/new"' in page
    assert "UK standard" in page


def test_the_code_is_made_of_the_name(dana: Browser, head: Company, gate: Gate) -> None:
    dana.post("/operator/prices", WISH | {"code": "", "name": "UK  Standard (2027)"})
    assert list(lists(gate)) == ["uk-standard-2027"]


def test_what_a_carrier_charges_is_a_list_no_company_can_have(
    dana: Browser, head: Company, gate: Gate
) -> None:
    assert "/operator/prices/new?for=carrier" in dana.get("/operator/margin").text
    assert re.search(r'value="carrier" required checked', dana.get("/operator/prices/new?for=carrier").text)
    wish = WISH | {"purpose": "carrier", "carrier": "Northern", "name": "", "code": ""}
    made = dana.post("/operator/prices", wish)
    assert "Costs of Northern" in dana.get(made.location).text
    assert "Northern" in dana.get("/operator/margin").text
    assert "Costs of Northern" not in dana.get("/operator/companies/new").text
    again = dana.post("/operator/prices", wish | {"name": "Other"})
    assert again.status_code == 422
    assert "This carrier has a cost deck already" in again.text
    assert [one.carrier for one in lists(gate).values()] == ["Northern"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"purpose": ""}, "Say what the list is for"),
        ({"purpose": "nobody"}, "Say what the list is for"),
        ({"purpose": "carrier"}, "Say which carrier it is"),
        ({"purpose": "carrier", "carrier": "N" * 61}, "Say which carrier it is"),
        ({"name": ""}, "Give it a name"),
        ({"name": "N" * 81}, "Give it a name"),
        ({"name": "UK\x1b"}, "Give it a name"),
        ({"code": "UK Plain"}, "Small letters a to z"),
        ({"code": "-uk"}, "Small letters a to z"),
        ({"code": "u" * 41}, "Small letters a to z"),
        ({"code": "cost:northern"}, "Small letters a to z"),
        ({"code": "", "name": "英国标准"}, "Small letters a to z"),
        ({"currency": ""}, "Choose a currency"),
        ({"currency": "POUND"}, "Choose a currency"),
        ({"zone": ""}, "Choose a time zone"),
        ({"zone": "Mars/Olympus"}, "Choose a time zone"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_what_was_typed_stays(
    dana: Browser, head: Company, gate: Gate, wrong: dict[str, str], says: str
) -> None:
    typed = WISH | {"code": "uk-typed"} | wrong
    answer = dana.post("/operator/prices", typed)
    assert answer.status_code == 422
    assert "Nothing was made." in answer.text
    assert re.search(rf'class="error"[^>]*>.*{says}', answer.text)
    for field in ("code", "carrier"):
        assert f'value="{typed[field]}"' in answer.text
    assert lists(gate) == {}


def test_a_code_that_is_taken_is_said_at_its_field(dana: Browser, empty: str, gate: Gate) -> None:
    answer = dana.post("/operator/prices", WISH | {"name": "Another"})
    assert answer.status_code == 422
    assert re.search(r'class="error"[^>]*>.*Another price list has this code', answer.text)
    assert 'value="Another"' in answer.text
    assert len(lists(gate)) == 1


def test_who_sets_no_prices_makes_no_list(browser: Browsers, people: People, empty: str) -> None:
    ivy = browser()
    ivy.sign_in(scene.staff(people, "operator_inventory", name="Ivy").email)
    assert ivy.get("/operator/prices/new").status_code == 403
    assert ivy.post("/operator/prices", WISH).status_code == 403
    assert "/operator/prices/new" not in ivy.get("/operator/prices").text
    page = ivy.get(empty).text
    assert "No prices yet" in page
    assert "Type prices" not in page
    assert "Somebody who sets prices uploads or types them" in page
    for path in ("rates", "rate/remove"):
        assert ivy.post(f"{empty}/versions/1/{path}", RATE).status_code == 403
    assert ivy.get(f"{empty}/versions/1/rates/new").status_code == 403


def test_prices_are_typed_one_by_one_and_published_from_today(dana: Browser, empty: str, gate: Gate) -> None:
    made = dana.post(f"{empty}/versions")
    here = f"{empty}/versions/1"
    assert made.location == here
    page = dana.get(here).text
    assert "No rate yet" in page
    assert f'href="{here}/rates/new?meter=voice.inbound"' in page
    early = dana.post(f"{here}/publish", {"from_on": "2026-11-19"})
    assert early.status_code == 422
    assert "It has no price yet" in early.text
    form = dana.get(f"{here}/rates/new?meter=voice.outbound").text
    assert re.search(r'value="voice.outbound" required checked', form)
    added = dana.post(f"{here}/rates", RATE)
    assert parse_qs(urlsplit(added.location).query)["kind"] == ["voice.outbound"]
    page = dana.get(added.location).text
    assert "The rate is added to the draft." in page
    assert "UK mobiles" in page
    assert 'value="0.0500"' in page
    rest = {"meter": "voice.outbound", "prefix": "", "destination": "rest", "row.0.rate": "0.2", "again": "1"}
    another = dana.post(f"{here}/rates", rest)
    assert another.location == f"{here}/rates/new?meter=voice.outbound"
    assert '<option value="gb-mobile">UK mobiles</option>' in dana.get(another.location).text
    # a destination that has a name keeps it
    dana.post(f"{here}/rates", {**RATE, "prefix": "4479", "name_en": "", "name_zh": ""})
    assert rates(gate, here) == (
        DatedRate("voice.outbound", "", "rest", Rate((Band((Slot(0, NANO // 5, 60, 1),)),))),
        DatedRate("voice.outbound", "447", "gb-mobile", Rate((Band((Slot(0, NANO // 20, 60, 6),)),), 30)),
        DatedRate("voice.outbound", "4479", "gb-mobile", Rate((Band((Slot(0, NANO // 20, 60, 6),)),), 30)),
    )
    # seats are typed on their own tab, in the same draft
    dana.post(here, {"kind": "rental", "rental.seat.month": "96"})
    page = dana.get(f"{here}?kind=voice.outbound").text
    assert page.count("UK mobiles") >= 2
    assert 'value="2026-11-19"' in page, "its first version may hold from today"
    done = dana.post(f"{here}/publish", {"from_on": "2026-11-19"})
    assert "Version 1 is published" in dana.get(done.location).text
    with gate.open(Scope.system(OPERATOR)) as session:
        (out,) = price_lists.published(session, tenant_id=OPERATOR, code="uk-plain")
    assert out.effective_from.isoformat() == "2026-11-19T00:00:00+00:00"
    # and a second one from tomorrow on
    again = dana.post(f"{empty}/versions")
    assert 'value="2026-11-20"' in dana.get(again.location).text


def test_a_file_is_the_first_version_too(dana: Browser, empty: str, gate: Gate) -> None:
    text = b"meter,prefix,destination,rate\r\nvoice.inbound,,in,0.05\r\n"
    form: Form = {"file": (io.BytesIO(text), "first.csv")}
    made = dana.post(f"{empty}/versions", form, content_type="multipart/form-data")
    assert made.location == f"{empty}/versions/1"
    assert [one.meter for one in rates(gate, empty)] == ["voice.inbound"]
    assert "No prices yet" not in dana.get(made.location).text


def test_a_rate_is_taken_out_of_a_draft_again(dana: Browser, empty: str, gate: Gate) -> None:
    dana.post(f"{empty}/versions")
    here = f"{empty}/versions/1"
    dana.post(f"{here}/rates", RATE)
    page = dana.get(f"{here}/rate?id=voice.outbound.447").text
    assert "Remove the rate of 447?" in page
    gone = dana.post(f"{here}/rate/remove", {"id": "voice.outbound.447"})
    assert "The rate is taken out of the draft." in dana.get(gone.location).text
    assert rates(gate, here) == ()
    assert dana.post(f"{here}/rate/remove", {"id": "voice.outbound.447"}).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"meter": "seat.month"}, "Choose calls in or calls out"),
        ({"prefix": "4x4"}, "Digits only, like 447"),
        ({"prefix": "447700900123"}, "last four digits"),
        ({"destination": ""}, "Give it a code, like gb-mobile"),
        ({"row.0.rate": "cheap"}, "is an amount like 0.0225"),
        ({"row.0.rate": "1,250"}, "may be meant two ways"),
        ({"row.0.rate": ""}, "is an amount like 0.0225"),
        ({"prefix": "353"}, "There is a rate for this prefix already"),
        ({"calendar": "XX"}, "no calendar of holidays for XX"),
        ({"revision": "1"}, "Somebody else has changed this draft"),
    ],
)
def test_a_rate_that_does_not_fit_is_not_added_and_what_was_typed_stays(
    dana: Browser, empty: str, gate: Gate, wrong: dict[str, str], says: str
) -> None:
    dana.post(f"{empty}/versions")
    here = f"{empty}/versions/1"
    dana.post(f"{here}/rates", RATE | {"prefix": "353", "destination": "ie", "name_en": "Ireland"})
    answer = dana.post(f"{here}/rates", RATE | wrong)
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="UK mobiles"' in answer.text
    assert 'value="30"' in answer.text
    assert [one.prefix for one in rates(gate, here)] == ["353"]


def test_nothing_is_added_to_what_is_published(dana: Browser, uk: PriceList) -> None:
    here = f"{prices_path(uk)}/versions/1"
    assert dana.get(f"{here}/rates/new").location == here
    answer = dana.post(f"{here}/rates", RATE | {"prefix": "353"})
    assert answer.status_code == 422
    assert "A published version never changes" in answer.text
    gone = dana.post(f"{here}/rate/remove", {"id": "voice.outbound.447"})
    assert "A published version never changes" in dana.get(gone.location).text
    assert "Add a rate" not in dana.get(f"{here}?kind=voice.outbound").text


def test_a_new_company_without_a_price_list_leads_to_where_one_is_made(
    enter: Enter, head: Company, dana: Browser
) -> None:
    page = dana.get("/operator/companies/new").text
    assert "No price list is published yet" in page
    assert 'href="/operator/prices/new"' in page
    where = dana.post("/operator/prices", WISH).location
    page = dana.get("/operator/companies/new").text
    assert 'href="/operator/prices">Publish a price list' in page
    assert 'value="uk-plain"' not in page, "nobody can be billed by a list without prices"
    dana.post(f"{where}/versions")
    dana.post(f"{where}/versions/1/rates", RATE)
    dana.post(f"{where}/versions/1/publish", {"from_on": "2026-11-19"})
    page = dana.get("/operator/companies/new").text
    assert "No price list is published yet" not in page
    assert 'value="uk-plain"' in page


def test_currencies_are_those_we_count_as_their_countries_do(gate: Gate) -> None:
    assert all(map(price_lists.is_counted, ("GBP", "EUR", "USD", "CNY", "JPY", "KWD")))
    with pytest.raises(PriceListError), gate.open(Scope.system(OPERATOR)) as session:
        price_lists.create(  # it has no decimals, and we would count two
            session, tenant_id=OPERATOR, code="is", name="Iceland", currency="ISK", zone="Europe/London"
        )
