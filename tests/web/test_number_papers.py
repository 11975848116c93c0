"""The papers of a number: stated by the operator on its page, seen by its renter on pages and by programs."""

from collections.abc import Iterator

import pytest

from core import clock, ids
from core.ids import OPERATOR, NumberId
from security.gate import Gate, Scope
from telephony import numbers, rights
from telephony.rights import Right
from tenants.companies import Company
from tests.factories import telephony
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, staff
from wiring import proving

LETTER = {
    "holder": "carrier",
    "holder_name": "Harbour Telecom Ltd",
    "paper": "letter-of-authorisation",
    "reference": "LOA 2026/114",
    "attestation": "A",
    "from_on": "2026-10-01",
    "last_on": "2027-12-01",
    "revision": "0",
}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def line(gate: Gate, cast: Cast) -> telephony.Line:
    return telephony.line(gate, cast.a.tenant_id)


@pytest.fixture
def here(line: telephony.Line) -> str:
    return f"/operator/stock/numbers/{ids.public('num', line.number_id)}"


@pytest.fixture
def omar(browser: Browsers, people: People, head: Company) -> Browser:
    made = browser()
    made.sign_in(staff(people, "operator_inventory").email)
    return made


def of_renter(gate: Gate, line: telephony.Line) -> numbers.Number:
    with gate.open(Scope.system(line.tenant_id)) as session:
        return numbers.get(session, tenant_id=line.tenant_id, number_id=line.number_id)


def newest(gate: Gate, number_id: NumberId) -> Right | None:
    with gate.open(Scope.system(OPERATOR)) as session:
        return rights.newest(session, number_id=number_id)


def test_papers_are_stated_on_the_numbers_page_and_hold_at_its_renter_at_once(
    omar: Browser, here: str, gate: Gate, line: telephony.Line
) -> None:
    assert "Nobody has stated its papers." in omar.get(here).text
    assert of_renter(gate, line).right is None
    page = omar.get(omar.post(f"{here}/papers", LETTER).location).text
    for words in (
        "Stated. It counts from the next call on.",
        "Harbour Telecom Ltd",
        "letter of authorisation",
        "LOA 2026/114",
        "may be shown",
        "1 Oct 2026 to 1 Dec 2027",
    ):
        assert words in page
    right = of_renter(gate, line).right
    assert right is not None
    # midnight in London: the last day counts whole
    assert (right.starts_at.isoformat(), right.ends_at and right.ends_at.isoformat()) == (
        "2026-09-30T23:00:00+00:00",
        "2027-12-02T00:00:00+00:00",
    )
    page = omar.get(omar.post(f"{here}/papers/withdraw", {"revision": "1"}).location).text
    assert "Withdrawn: no call shows the number from now on." in page
    assert "1 statement before" in page
    assert not of_renter(gate, line).may_be_shown(NOW)
    omar.post(f"{here}/papers", LETTER | {"revision": "2", "last_on": ""})
    assert "from 1 Oct 2026, no end" in omar.get(here).text
    assert of_renter(gate, line).may_be_shown(NOW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"holder": "nobody"}, "The papers cannot be so"),
        ({"paper": ""}, "The papers cannot be so"),
        ({"attestation": "D"}, "The papers cannot be so"),
        ({"holder_name": ""}, "The papers cannot be so"),
        ({"reference": " "}, "The papers cannot be so"),
        ({"from_on": "tomorrow"}, "The papers cannot be so"),
        ({"last_on": "2026-13-01"}, "The papers cannot be so"),
        ({"last_on": "2026-09-30"}, "The papers cannot be so"),
        ({"revision": "7"}, "Somebody else has stated the papers of this number"),
    ],
)
def test_papers_that_cannot_be_so_change_nothing(
    omar: Browser, here: str, gate: Gate, line: telephony.Line, changes: dict[str, str], said: str
) -> None:
    assert said in omar.get(omar.post(f"{here}/papers", LETTER | changes).location).text
    assert newest(gate, line.number_id) is None


def test_the_holder_of_a_rented_number_is_the_company_that_rents_it_or_none(
    omar: Browser, here: str, gate: Gate, line: telephony.Line, cast: Cast
) -> None:
    page = omar.get(here).text
    assert "Pelican Parcel</option>" in page
    assert "Harbour Hotels</option>" not in page
    theirs = LETTER | {"holder": "client", "company": ids.public("ten", cast.b.tenant_id)}
    assert "The papers cannot be so" in omar.get(omar.post(f"{here}/papers", theirs).location).text
    assert omar.post(f"{here}/papers", theirs | {"company": "ten_nobody"}).status_code == 404
    omar.post(f"{here}/papers", theirs | {"company": ids.public("ten", cast.a.tenant_id)})
    found = newest(gate, line.number_id)
    assert found is not None
    assert (found.holder_tenant_id, found.holder_name) == (cast.a.tenant_id, "")
    assert "<dd>Pelican Parcel</dd>" in omar.get(here).text


def test_papers_of_a_number_in_stock_wait_for_its_renter(omar: Browser, gate: Gate) -> None:
    number_id = telephony.stocked(gate, "+442079460134").number_id
    page = f"/operator/stock/numbers/{ids.public('num', number_id)}"
    assert omar.post(f"{page}/papers/withdraw", {"revision": "0"}).status_code == 404
    omar.post(f"{page}/papers", LETTER)
    assert "Harbour Telecom Ltd" in omar.get(page).text
    nobodys = ids.public("num", NumberId(ids.new_id()))
    for act in ("papers", "papers/withdraw"):
        assert omar.post(f"/operator/stock/numbers/{nobodys}/{act}", LETTER).status_code == 404


def test_who_may_only_look_at_the_stock_states_nothing(
    browser: Browsers, people: People, head: Company, here: str, gate: Gate, line: telephony.Line
) -> None:
    dana = browser()
    dana.sign_in(staff(people, "operator_billing", name="Dana").email)
    assert "State its papers" not in dana.get(here).text
    assert dana.post(f"{here}/papers", LETTER).status_code == 403
    assert dana.post(f"{here}/papers/withdraw", {"revision": "1"}).status_code == 403
    assert newest(gate, line.number_id) is None


def test_a_company_sees_the_papers_of_its_numbers_on_its_page_and_by_its_program(
    omar: Browser, here: str, browser: Browsers, program: Programs, cast: Cast
) -> None:
    alice, key = browser(), program(cast.a)
    alice.sign_in(cast.alice.email)
    assert key.get("/numbers").get_json()["data"][0]["papers"] is None
    assert "Holder of record" not in alice.get("/portal/numbers").text
    omar.post(f"{here}/papers", LETTER | {"last_on": "2026-12-01"})
    page = alice.get("/portal/numbers").text
    for words in ("run out soon", "Harbour Telecom Ltd", "LOA 2026/114", "1 Dec 2026"):
        assert words in page
    assert key.get("/numbers").get_json()["data"][0]["papers"] == {
        "may_be_shown": True,
        "holder": "carrier",
        "holder_name": "Harbour Telecom Ltd",
        "paper": "letter-of-authorisation",
        "reference": "LOA 2026/114",
        "attestation": "A",
        "starts_at": "2026-09-30T23:00:00.000Z",
        "ends_at": "2026-12-02T00:00:00.000Z",
        "withdrawn_at": None,
    }
    omar.post(f"{here}/papers/withdraw", {"revision": "1"})
    assert "withdrawn" in alice.get("/portal/numbers").text
    assert key.get("/numbers").get_json()["data"][0]["papers"]["may_be_shown"] is False
    charlie = program(cast.b)
    assert charlie.get("/numbers").get_json()["data"] == []


def test_an_alarm_of_papers_leads_to_the_number(
    omar: Browser, browser: Browsers, here: str, cast: Cast, gate: Gate, line: telephony.Line
) -> None:
    alice = browser()
    alice.sign_in(cast.alice.email)
    omar.post(f"{here}/papers", LETTER | {"last_on": "2026-12-01"})
    assert proving.tell(gate, tenant_id=cast.a.tenant_id, at=NOW) == 1
    page = alice.get("/portal/alarms").text
    assert "The papers of a number run out" in page
    anchor = ids.public("num", line.number_id)
    assert f"/portal/numbers#{anchor}" in page
    assert f'id="{anchor}"' in alice.get("/portal/numbers").text


def test_a_campaign_chooses_among_numbers_whose_papers_stand(
    omar: Browser, browser: Browsers, program: Programs, here: str, cast: Cast, gate: Gate
) -> None:
    telephony.line(gate, cast.a.tenant_id, digits="+442079460134", queue="Returns")
    omar.post(f"{here}/papers", LETTER | {"last_on": "2026-11-18"})
    alice = browser()
    alice.sign_in(cast.alice.email)
    page = alice.get("/portal/campaigns/new").text
    assert '<option value="+448081570142" disabled>+44 808 157 0142: papers have run out</option>' in page
    assert '<option value="+442079460134">+44 20 7946 0134</option>' in page


def test_the_stock_says_which_numbers_may_not_be_shown(
    omar: Browser, here: str, gate: Gate, line: telephony.Line, cast: Cast
) -> None:
    telephony.line(gate, cast.a.tenant_id, digits="+442079460134", queue="Returns")
    telephony.stocked(gate, "+442079460190")  # nobody rents it: it is not counted
    code = telephony.stocked(gate, "1252")  # never shown, whatever its papers say
    with gate.open(Scope.system(OPERATOR)) as session:
        numbers.let(session, number_id=code.number_id, renter=cast.a.tenant_id)
    page = omar.get("/operator/stock/numbers").text
    assert "2 rented numbers have no papers." in page
    assert "may not be shown." not in page
    omar.post(f"{here}/papers", LETTER | {"last_on": "2026-11-18"})
    page = omar.get("/operator/stock/numbers").text
    for words in (
        "1 rented number has no papers.",
        "1 rented number may not be shown.",
        "Harbour Telecom Ltd",
    ):
        assert words in page
    ended, missing = ">+44 808 157 0142</a>", ">+44 20 7946 0134</a>"
    for asked, there, not_there in (
        ("barred", ended, missing),
        ("missing", missing, ended),
        ("soon", "No number matches", ended),
        ("stand", "No number matches", missing),
    ):
        page = omar.get(f"/operator/stock/numbers?held=rented&papers={asked}").text
        assert there in page, asked
        assert not_there not in page, asked
    file = omar.get("/operator/stock/numbers?papers=barred&as=csv").text
    assert "Harbour Telecom Ltd,have run out," in file
    assert len(file.splitlines()) == 2
    omar.post(f"{here}/papers", LETTER | {"revision": "1", "last_on": "2026-12-01"})
    assert ended in omar.get("/operator/stock/numbers?papers=soon").text
    omar.post(f"{here}/papers", LETTER | {"revision": "2", "from_on": "2027-01-01"})
    assert ended in omar.get("/operator/stock/numbers?papers=barred").text
    omar.post(f"{here}/papers", LETTER | {"revision": "3"})
    assert ended in omar.get("/operator/stock/numbers?papers=stand").text
