import datetime as dt
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import xlsxwriter
from pypdf import PdfReader
from sqlalchemy import select, text

from billing import accounts, credit, invoices, price_lists, rate_decks, tariffs
from billing.documents.document import InvoiceDocument
from billing.events import MonthAsked, RateDeckAsked
from billing.price_lists import PriceList
from billing.rate_decks import RateDeck
from billing.rating.rules import Ceiling
from billing.rating.tariff import decode
from core import clock, ids, long_jobs
from core.events import OutboxRow
from core.ids import OPERATOR, new_id
from core.money import NANO
from core.realtime import Realtime
from seats import inventory
from security import evidence
from security.gate import Gate, Scope
from telephony import numbers, orders
from tenants import agreements, companies
from tenants.companies import Company
from tests.factories import billing, telephony
from tests.seats import factory as floor
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import HOST, Browser, Browsers, Cast, Form, TestServices, found
from tests.web.scene import NOW, Scene
from wiring import closing, decks


class Enter(Protocol):
    """Signs somebody of the staff in, with these roles (all when none is named)."""

    def __call__(self, *roles: str) -> Browser: ...


ROLES = ("operator_billing", "operator_inventory", "operator_support")


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def enter(browser: Browsers, people: People, head: Company) -> Enter:
    def make(*roles: str) -> Browser:
        made = browser()
        user = scene.staff(people, *(roles or ROLES))
        assert made.sign_in(user.email).status_code == 303
        return made

    return make


LINK = r'<div class="secret"><code>([^<]+)<'
CHOSEN = "four quiet words in a row"


def path(company: Company) -> str:
    return f"/operator/companies/{ids.public('ten', company.tenant_id)}"


def invoice_path(company: Company, document: InvoiceDocument) -> str:
    return f"{path(company)}/invoices/{ids.public('inv', document.invoice_id)}"


def test_companies_are_listed_with_what_they_rent_and_owe(enter: Enter, cast: Cast, day: Scene) -> None:
    page = enter().get("/operator/companies").text
    assert page.index("Harbour Hotels") < page.index("Pelican Parcel")
    assert "£0.11" in page
    assert "uk-standard" in page
    assert "Seatline" not in re.findall(r'<span class="clip">([^<]+)</span>', page)


def test_a_company_is_found_by_a_part_of_its_name_or_its_id(enter: Enter, cast: Cast, day: Scene) -> None:
    dana = enter()
    for asked in ("parcel", ids.public("ten", cast.a.tenant_id)):
        page = dana.get(f"/operator/companies?q={asked}").text
        assert "Pelican Parcel" in page
        assert "Harbour Hotels" not in page
    assert "No company matches" in dana.get("/operator/companies?q=nobody").text


def test_companies_come_a_page_at_a_time(
    enter: Enter, cast: Cast, day: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.tables.SIZE", 1)
    dana = enter()
    first = dana.get("/operator/companies").text
    assert "Harbour Hotels" in first
    assert "Pelican Parcel" not in first
    older = found(r'href="([^"]+)" rel="next"', first)
    second = dana.get(older).text
    assert "Pelican Parcel" in second
    newer = found(r'href="([^"]+)" rel="prev"', second)
    assert "Harbour Hotels" in dana.get(newer).text


def test_one_company_shows_no_customer_of_it(enter: Enter, cast: Cast, day: Scene) -> None:
    page = enter().get(path(cast.a)).text
    for words in ("Pelican Parcel Ltd", "+44 808 157 0142", "Deliveries", day.number, "£0<small>.11"):
        assert words in page
    for secret in ("Ines", "I. C.", "7700"):
        assert secret not in page


def test_roles_open_their_own_pages_only(
    enter: Enter, browser: Browsers, people: People, cast: Cast, day: Scene
) -> None:
    inventory_ = enter("operator_inventory")
    assert inventory_.get("/operator/companies").status_code == 200
    assert "£" not in inventory_.get("/operator/companies").text
    assert day.number not in inventory_.get(path(cast.a)).text
    for closed in ("/operator/invoices", "/operator/companies/new", invoice_path(cast.a, day.invoice)):
        assert inventory_.get(closed).status_code == 403
    assert inventory_.get("/operator/prices").status_code == 200
    assert inventory_.get("/operator/stock").status_code == 200
    alice = browser()
    alice.sign_in(cast.alice.email)
    for closed in (
        "/operator/companies",
        "/operator/prices",
        "/operator/invoices",
        "/operator/stock",
        path(cast.a),
    ):
        assert alice.get(closed).status_code == 403


def test_a_company_that_is_not_there_is_not_found(enter: Enter, cast: Cast, day: Scene) -> None:
    dana = enter()
    missing = ids.public("ten", new_id())
    answers = [
        dana.get(f"/operator/companies/{missing}"),
        dana.get(f"/operator/companies/{ids.public('ten', OPERATOR)}"),
        dana.get("/operator/companies/ten_1"),
        dana.get(f"/operator/companies/{missing}/invoices/{ids.public('inv', day.invoice.invoice_id)}"),
        dana.get(f"{path(cast.b)}/invoices/{ids.public('inv', day.invoice.invoice_id)}"),
        dana.get(f"/operator/prices/{ids.public('pl', new_id())}"),
        dana.get(f"/operator/prices/{ids.public('pl', new_id())}/versions/1"),
    ]
    assert [one.status_code for one in answers] == [404] * len(answers)
    assert len({one.data for one in answers}) == 1


def test_a_suspended_company_is_still_billed(enter: Enter, cast: Cast, day: Scene, gate: Gate) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=cast.a.tenant_id)
    dana = enter()
    assert "Suspended" in dana.get("/operator/companies").text
    page = dana.get(path(cast.a)).text
    assert "Its people and programs get in no more" in page
    assert day.number in page


NEW = {
    "name": "Tern Travel",
    "initials": "",
    "country": "IE",
    "zone": "Europe/Dublin",
    "language": "en",
    "price_list": "uk-standard",
    "legal_name": "Tern Travel Ltd",
    "address": "1 Quay\r\nDublin",
    "tax_id": "IE 0",
    "tax_percent": "23",
    "owner_name": "Olive",
    "owner_email": "olive@tern.example",
}


def test_a_company_is_let_in_and_its_owner_signs_in(
    enter: Enter, browser: Browsers, gate: Gate, day: Scene
) -> None:
    answer = enter().post("/operator/companies", NEW)
    assert answer.status_code == 201
    link = found(LINK, answer.text).removeprefix(HOST)
    owner = browser()
    assert owner.post(link, {"password": CHOSEN, "again": CHOSEN}).status_code == 303
    assert owner.sign_in("olive@tern.example", CHOSEN).location == "/portal/"
    assert "Running bill" in owner.get("/portal/").text
    with gate.open(Scope.system(OPERATOR)) as session:
        opened = next(one for one in companies.clients(session) if one.name == "Tern Travel")
    with gate.open(Scope.system(opened.tenant_id)) as session:
        account = accounts.find(session, tenant_id=opened.tenant_id)
        in_force = tariffs.in_force(session, tenant_id=opened.tenant_id, at=NOW)
    assert (account.tax_rate_ppm, account.buyer.address) == (230_000, ("1 Quay", "Dublin"))
    assert account.seller.party.name == "Seatline"
    assert in_force
    assert in_force.tariff.version == 1
    # agents may sign for it from the first day, and its square bears the initials its name has
    with gate.open(Scope.system(opened.tenant_id)) as session:
        assert agreements.versions(session, tenant_id=opened.tenant_id)
    assert opened.initials == "TT"


def test_an_owner_who_lost_the_link_gets_another_until_they_have_come_in(
    enter: Enter, browser: Browsers, services: TestServices, day: Scene
) -> None:
    dana, owner = enter(), browser()
    opened = dana.post("/operator/companies", NEW)
    here = found(r'data-here="(/operator/companies/ten_[0-9a-z]+)"', opened.text)
    assert "has not chosen a password yet" in dana.get(here).text
    again = dana.post(f"{here}/owner-link")
    assert again.status_code == 201
    link = found(LINK, again.text).removeprefix(HOST)
    assert owner.post(link, {"password": CHOSEN, "again": CHOSEN}).status_code == 303
    assert "This link is over" in owner.post(link, {"password": CHOSEN, "again": CHOSEN}).text
    assert "has not chosen a password yet" not in dana.get(here).text, "from here on it is the owner's own"
    assert owner.sign_in("olive@tern.example", CHOSEN).location == "/portal/"
    refused = dana.post(f"{here}/owner-link")
    assert refused.status_code == 403
    assert "The company’s owner has a password" in refused.text
    history = owner.get("/portal/people/history").text
    assert history.count("Made a link that sets another password") == 2


def test_only_who_opens_companies_makes_the_first_owners_link(enter: Enter, cast: Cast, day: Scene) -> None:
    here = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}"
    assert enter("operator_inventory").post(f"{here}/owner-link").status_code == 403


def test_no_price_list_is_chosen_for_a_new_company(enter: Enter, day: Scene) -> None:
    answer = enter().post("/operator/companies", NEW | {"price_list": ""})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("country", "ZZZ"),
        ("zone", "Mars/Olympus"),
        ("price_list", "nobody"),
        ("tax_percent", "much"),
        ("tax_percent", "-1"),
        ("tax_percent", "100"),
        ("tax_percent", "1e400"),
        ("tax_percent", "17.50001"),
        ("owner_name", ""),
        ("owner_name", "O" * 121),
        ("address", "1 Quay\x1b"),  # NUL meets web.plain before
        ("owner_email", "olive"),
        ("owner_email", "alice@pelicanparcel.example"),
    ],
)
def test_a_form_that_does_not_fit_opens_nothing(
    enter: Enter, gate: Gate, day: Scene, field: str, value: str
) -> None:
    answer = enter().post("/operator/companies", NEW | {field: value})
    assert answer.status_code == 422
    assert "Nothing was opened." in answer.text
    assert "1 Quay" in answer.text  # what was typed stays
    with gate.open(Scope.system(OPERATOR)) as session:
        assert len(companies.clients(session)) == 2


def test_invoices_of_a_month_are_summed_by_state(enter: Enter, cast: Cast, day: Scene) -> None:
    dana = enter()
    page = dana.get("/operator/invoices?month=2026-10").text
    assert day.number in page
    assert str(day.their_invoice.number) in page
    assert "October 2026" in page
    assert "No invoice matches" in dana.get("/operator/invoices?month=2026-10&state=draft").text
    assert day.number not in dana.get("/operator/invoices?month=2026-09").text
    assert "October 2026" in dana.get("/operator/invoices?month=nonsense").text


def worked_off(gate: Gate, services: TestServices) -> None:
    """Do what the jobs would do of what was asked for."""
    with gate.outside() as connection:
        asked = connection.execute(
            select(OutboxRow.payload).where(OutboxRow.name == "MonthAsked").order_by(OutboxRow.id)
        ).scalars()
        events = [MonthAsked.from_payload(one) for one in asked]
    closing.month(services, events[-1])


def test_drafts_are_made_once_and_only_where_something_was_used(
    enter: Enter, cast: Cast, day: Scene, gate: Gate, people: People, services: TestServices
) -> None:
    dana = enter()
    people.company("Quiet Ltd")
    answer = dana.post("/operator/invoices/draft", {"month": "2026-11"})
    assert "It begins as soon as a worker is free." in dana.get(answer.location).text
    worked_off(gate, services)
    page = dana.get(answer.location).text
    assert "1 draft made" in page
    assert "£0.13" in page
    assert "none yet" in page.partition("Quiet Ltd")[2].partition("</tr>")[0]
    again = dana.post("/operator/invoices/draft", {"month": "2026-11"})
    worked_off(gate, services)
    assert "0 drafts made" in dana.get(again.location).text


def test_drafts_of_a_month_are_finalised_together(
    enter: Enter, cast: Cast, day: Scene, gate: Gate, services: TestServices
) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:  # its number costs nothing extra
        session.execute(text("UPDATE app.number_rentals SET is_settled = true"))
    november = billing.drafted(gate, cast.a.tenant_id, 2026, 11)
    dana = enter()
    early = dana.post("/operator/invoices/finalise", {"month": "2026-11"})
    assert "The month is not over yet." in dana.get(early.location).text
    clock._held[-1] = NOW.replace(month=12)
    dana.sign_in("dana@seatline.example")  # the session lay idle
    page = dana.get("/operator/invoices?month=2026-11").text
    assert "Finalise every draft of November 2026?" in page
    done = dana.post("/operator/invoices/finalise", {"month": "2026-11"})
    worked_off(gate, services)
    page = dana.get(done.location).text
    assert "1 invoice finalised" in page
    assert "Finalise every draft" not in page
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert invoices.find(session, tenant_id=cast.a.tenant_id, invoice_id=november.invoice_id).number


def test_invoices_of_all_companies_sort_filter_and_come_as_a_file(
    enter: Enter, cast: Cast, day: Scene, gate: Gate, people: People
) -> None:
    people.company("Quiet Ltd")
    dana = enter()
    month = "/operator/invoices?month=2026-10"
    by_total = dana.get(f"{month}&sort=-total").text
    assert by_total.index("Pelican Parcel</span>") < by_total.index("Quiet Ltd</span>")
    none = dana.get(f"{month}&state=none").text
    assert "Quiet Ltd</span>" in none
    assert "Pelican Parcel</span>" not in none
    assert "Pelican Parcel</span>" in dana.get(f"{month}&q={day.number}").text
    file = dana.get(f"{month}&as=csv")
    assert file.mimetype == "text/csv"
    assert day.number in file.text
    assert "Quiet Ltd" in file.text


def test_a_draft_is_finalised_when_its_month_is_over(
    enter: Enter, cast: Cast, day: Scene, gate: Gate
) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:  # its number costs nothing extra
        session.execute(text("UPDATE app.number_rentals SET is_settled = true"))
    november = billing.drafted(gate, cast.a.tenant_id, 2026, 11)
    dana = enter()
    here = invoice_path(cast.a, november)
    page = dana.get(here).text
    assert "The month goes on" in page
    assert f"{here}/finalise" not in page.partition("<main")[2].partition("</main>")[0]
    refused = dana.post(f"{here}/finalise")
    assert "The month is not over yet" in dana.get(refused.location).text
    clock._held[-1] = NOW.replace(month=12)
    dana.sign_in("dana@seatline.example")  # the session lay idle
    done = dana.post(f"{here}/finalise")
    page = dana.get(done.location).text
    assert "Finalised as SL-2026-00000" in page
    assert "Frozen" in page
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert invoices.find(session, tenant_id=cast.a.tenant_id, invoice_id=november.invoice_id).number
    twice = dana.post(f"{here}/finalise")
    assert "A finalised invoice never changes" in dana.get(twice.location).text


def test_a_draft_is_approved_by_one_and_finalised_by_another(
    enter: Enter, browser: Browsers, people: People, cast: Cast, day: Scene, gate: Gate
) -> None:
    dana = enter("operator_billing")
    draft = billing.drafted(gate, cast.a.tenant_id, 2026, 11)
    here = invoice_path(cast.a, draft)
    assert f'action="{here}/approve"' in dana.get(here).text
    assert dana.post(f"{here}/approve").location == here
    page = dana.get(here).text
    assert "The draft is approved." in page
    assert f'action="{here}/approve"' not in page
    assert "Approved" in page[page.index('id="past"') :]
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        found = invoices.find(session, tenant_id=cast.a.tenant_id, invoice_id=draft.invoice_id)
        log = evidence.page(session, tenant_id=cast.a.tenant_id, limit=5).entries
    (approved,) = [one for one in log if one.fact.action == "invoice.approved"]
    assert found.approved_by == approved.actor_id
    final = invoice_path(cast.a, day.invoice)
    assert "A finalised invoice never changes" in dana.get(dana.post(f"{final}/approve").location).text


def test_an_invoices_files_are_the_clients_own(
    enter: Enter, browser: Browsers, cast: Cast, day: Scene
) -> None:
    dana, alice = enter(), browser()
    alice.sign_in(cast.alice.email)
    here = invoice_path(cast.a, day.invoice)
    for file in ("pdf?language=en", "csv"):
        assert dana.get(f"{here}/{file}").data == alice.get(f"{day.invoice_path}/{file}").data


def test_a_credit_note_is_given_and_reaches_the_company(
    enter: Enter, browser: Browsers, cast: Cast, day: Scene
) -> None:
    dana, alice = enter(), browser()
    alice.sign_in(cast.alice.email)
    here = invoice_path(cast.a, day.invoice)
    form = dana.get(f"{here}/credit").text
    assert "£0.08 left to credit, before tax" in form
    for wrong, words in [
        ({"line-1": "0.09", "reason": "x"}, "only 0.08 GBP left"),
        ({"line-1": "much", "reason": "x"}, "“much” is no amount. Write it like 12.50."),
        ({"line-1": "-0.01", "reason": "x"}, "Write amounts like"),
        ({"free": "1,250", "reason": "x"}, "“1,250” may be meant two ways. Write 1250 or 1.250."),
        ({"line-1": "0.01", "reason": " "}, "A reason is missing"),
        ({"reason": "x"}, "left to credit there"),
    ]:
        answer = dana.post(f"{here}/credit", wrong)
        assert answer.headers["Location"].endswith("/credit")
        assert words in dana.get(f"{here}/credit").text
    assert (
        dana.post(f"{here}/credit", {"line-1": "0.05", "free": "0.02", "reason": "Twice"}).status_code == 303
    )
    page = dana.get(here).text
    assert "Credit note SL-CN-2026-000001 is issued." in page
    seen = alice.get(day.invoice_path).text
    assert "SL-CN-2026-000001" in seen
    paper = found(r'href="(/portal/credit-notes/crn_[0-9a-z]+/pdf)"', seen)
    text = "".join(one.extract_text() for one in PdfReader(io.BytesIO(alice.get(paper).data)).pages)
    for part in ("Credit note", "SL-CN-2026-000001", day.number, "Reason: Twice", "£0.07"):
        assert part in text
    assert dana.get(paper.replace("/portal", path(cast.a))).data[:5] == b"%PDF-"
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    assert charlie.get(paper).status_code == 404


def test_above_the_limit_somebody_else_decides_about_a_credit_note(
    enter: Enter, browser: Browsers, people: People, cast: Cast, day: Scene
) -> None:
    dana, priya = enter(), browser()
    assert dana.post("/operator/safety", {"second": "0", "times": "10", "most": ""}).status_code == 303
    assert priya.sign_in(scene.staff(people, "operator_billing", name="Priya").email).status_code == 303
    here = invoice_path(cast.a, day.invoice)
    dana.post(f"{here}/credit", {"free": "0.05", "reason": "Twice"})
    page = dana.get(here).text
    assert "wants a second person" in page
    issue = found(r'action="([^"]+/refuse)"', page).replace("/refuse", "/issue")
    assert issue not in page
    dana.post(issue)
    assert "Somebody else has to decide" in dana.get(here).text
    assert issue in priya.get(here).text
    priya.post(issue)
    assert "SL-CN-2026-000001" in priya.get(here).text
    priya.post(issue)
    assert "It is decided already" in priya.get(here).text


def test_a_dispute_is_opened_with_a_file_and_settled(
    enter: Enter, browser: Browsers, cast: Cast, day: Scene
) -> None:
    dana, alice = enter(), browser()
    alice.sign_in(cast.alice.email)
    here = day.invoice_path
    assert "Dispute a line" in alice.get(here).text
    wrong: list[tuple[Form, str]] = [
        ({"reason": "x"}, "There is nothing to dispute"),
        ({"reason": "x", "file": (io.BytesIO(b"a,b\n1,2\n"), "calls.csv")}, "needs the columns started_at"),
        ({"reason": "", "line": "1"}, "A reason is missing"),
    ]
    for data, words in wrong:
        alice.post(f"{here}/dispute", data)
        assert words in alice.get(f"{here}/dispute").text
    file = io.BytesIO(b"started_at,duration_s,number\n2026-10-03 10:00:00,17,+442079460999\n")
    answer = alice.post(f"{here}/dispute", {"reason": "We counted one", "file": (file, "calls.csv")})
    dispute = answer.headers["Location"]
    seen = alice.get(dispute).text
    assert "Only on the invoice" in seen
    assert "Not on the invoice" in seen
    assert "442079460999" not in seen
    assert "We counted one" in dana.get("/operator/disputes").text
    there = dispute.replace("/portal", path(cast.a))
    give = found(r'href="([^"]+/credit\?dispute=dsp_[0-9a-z]+)"', dana.get(there).text)
    form = dana.get(give).text
    assert 'name="line-1" value="0.08"' in form
    key = found(r'name="dispute" value="(dsp_[0-9a-z]+)"', form)
    dana.post(give.partition("?")[0], {"line-1": "0.08", "reason": "You are right", "dispute": key})
    assert "settled" in alice.get(dispute).text
    assert "SL-CN-2026-000001" in alice.get(here).text
    assert "We counted one" not in dana.get("/operator/disputes").text
    dana.post(f"{there}/refuse", {"answer": "No"})
    assert "The dispute is decided" in dana.get(there).text


def test_a_percentage_that_may_be_meant_two_ways_is_said_to_be(enter: Enter, day: Scene) -> None:
    dana = enter()
    answer = dana.post("/operator/companies", NEW | {"tax_percent": "1,250"})
    assert (answer.status_code, "“1,250” may be meant two ways" in answer.text) == (422, True)
    assert "Write a percentage like" in dana.post("/operator/companies", NEW | {"tax_percent": "much"}).text


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("1,250", "may be meant two ways"),
        ("many", "This number cannot be read"),
        ("1e400", "This number cannot be read"),
        ("1.0001", "These bounds cannot be"),
        ("0.5", "These bounds cannot be"),
    ],
)
def test_bounds_that_cannot_be_read_are_refused_and_nothing_is_set(
    enter: Enter, cast: Cast, day: Scene, times: str, said: str
) -> None:
    dana = enter("operator_billing")
    for address, page in (
        ("/operator/safety", "/operator/safety"),
        (f"{path(cast.a)}/closing/bounds", f"{path(cast.a)}/closing"),
    ):
        assert dana.post(address, {"second": "500", "times": times, "most": ""}).status_code == 303
        shown = dana.get(page).text
        assert said in shown
        assert 'name="times" inputmode="decimal" maxlength="8" value="10"' in shown


def test_support_reads_invoices_and_finalises_none(enter: Enter, cast: Cast, day: Scene) -> None:
    sam = enter("operator_support")
    here = invoice_path(cast.a, day.invoice)
    assert sam.get(here).status_code == 200
    assert sam.post(f"{here}/finalise").status_code == 403
    assert sam.post(f"{here}/approve").status_code == 403
    assert sam.post("/operator/invoices/draft", {"month": "2026-11"}).status_code == 403


def test_stock_shows_who_rents_what_and_lends_a_number(
    enter: Enter, cast: Cast, day: Scene, gate: Gate, realtime: Realtime
) -> None:
    free = telephony.stocked(gate, "+448081570177")
    dana = enter()
    page = dana.get("/operator/stock/numbers").text
    assert "+44 808 157 0177" in page
    assert "Pelican Parcel" in page
    asked = {
        "company": ids.public("ten", cast.a.tenant_id),
        "queue": "deliveries",
        "greeting": "Hello",
        "language": "en",
    }
    here = f"/operator/stock/numbers/{ids.public('num', free.number_id)}/rent"
    answer = dana.post(here, asked)
    assert "rings at Pelican Parcel now" in dana.get(answer.location).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        mine = numbers.get(session, tenant_id=cast.a.tenant_id, number_id=free.number_id)
    assert mine.queue_id == day.line.queue_id  # the queue it has, by name
    entry = gate.resolve(numbers.DIRECTORY, numbers.directory_key(free.digits))
    assert entry
    assert entry.tenant_id == cast.a.tenant_id
    with gate.open(Scope.system(OPERATOR)) as session:
        assert [one.kind.value for one in orders.waiting(session)] == ["reload"]
    again = dana.post(here, asked | {"company": ids.public("ten", cast.b.tenant_id)})
    assert "The number is rented already" in dana.get(again.location).text


def test_a_number_that_cannot_be_lent_stays_free(enter: Enter, cast: Cast, day: Scene, gate: Gate) -> None:
    free = telephony.stocked(gate, "+448081570177")
    dana = enter()
    answer = dana.post(
        f"/operator/stock/numbers/{ids.public('num', free.number_id)}/rent",
        {"company": ids.public("ten", cast.a.tenant_id), "queue": "", "language": "en"},
    )
    assert answer.status_code == 303
    with gate.open(Scope.system(OPERATOR)) as session:
        assert [
            one.renter_tenant_id for one in numbers.in_stock(session) if one.number_id == free.number_id
        ] == [None]
        assert orders.waiting(session) == []


def test_numbers_and_seats_are_taken_into_stock(enter: Enter, head: Company, gate: Gate) -> None:
    dana = enter()
    dana.post("/operator/stock/numbers", {"number": "+44 808 157 0155", "kind": "tollfree", "region": "GB"})
    dana.post("/operator/stock/seats", {"label": "A-900"})
    assert "+44 808 157 0155" in dana.get("/operator/stock/numbers").text
    assert "A-900" in dana.get("/operator/stock").text
    for data in (
        {"number": "12", "kind": "tollfree"},
        {"number": "+448081570155", "kind": "tollfree"},
        {"number": "+448081570156", "kind": "x"},
    ):
        answer = dana.post("/operator/stock/numbers", data)
        assert answer.status_code == 303
        assert 'class="toast bad"' in dana.get(answer.location).text
    with gate.open(Scope.system(OPERATOR)) as session:
        assert len(numbers.in_stock(session)) == 1


def test_a_seat_is_rented_and_released(enter: Enter, cast: Cast, day: Scene, gate: Gate) -> None:
    seat = floor.stocked(gate, label="A-014")
    dana = enter()
    answer = dana.post(
        f"/operator/stock/seats/{ids.public('seat', seat.id)}/rent",
        {"company": ids.public("ten", cast.a.tenant_id), "kind": "hour"},
    )
    assert "Pelican Parcel rents the seat" in dana.get(answer.location).text
    with gate.open(Scope.system(OPERATOR)) as session:
        rental = inventory.places(session, at=NOW)[0].rental
    assert rental
    assert (rental.renter_tenant_id, rental.kind.value) == (cast.a.tenant_id, "hour")
    taken = dana.post(
        f"/operator/stock/seats/{ids.public('seat', seat.id)}/rent",
        {"company": ids.public("ten", cast.b.tenant_id), "kind": "hour"},
    )
    assert 'class="toast bad"' in dana.get(taken.location).text
    answer = dana.post(f"/operator/stock/rentals/{rental.id}/release")
    assert "The seat is free again" in dana.get(answer.location).text


def test_billing_staff_cannot_touch_the_stock(enter: Enter, head: Company, gate: Gate) -> None:
    dana = enter("operator_billing")
    assert "new-seat" not in dana.get("/operator/stock").text
    assert dana.post("/operator/stock/seats", {"label": "A-1"}).status_code == 403


def prices_path(session_list: PriceList) -> str:
    return f"/operator/prices/{ids.public('pl', session_list.price_list_id)}"


@pytest.fixture
def uk(day: Scene, gate: Gate) -> PriceList:
    with gate.open(Scope.system(OPERATOR)) as session:
        return price_lists.every(session, tenant_id=OPERATOR)[0]


def test_price_lists_lead_to_the_version_in_force(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    page = dana.get("/operator/prices").text
    assert prices_path(uk) in page
    there = dana.get(prices_path(uk))
    assert there.location == f"{prices_path(uk)}/versions/1"
    page = dana.get(f"{there.location}?kind=voice.outbound").text
    assert "0.0725" in page
    assert "UK mobiles" in page
    assert "blocked" in page
    found = dana.get(f"{there.location}?kind=voice.outbound&q=mobil").text
    assert "UK mobiles" in found
    assert "UK landlines" not in found


def test_a_version_that_is_not_there_is_not_found(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    for number in ("0", "2", str(2**31), "9" * 30):
        assert dana.get(f"{prices_path(uk)}/versions/{number}").status_code == 404


def test_a_version_is_copied_changed_and_published(
    enter: Enter, uk: PriceList, cast: Cast, gate: Gate
) -> None:
    dana = enter()
    made = dana.post(f"{prices_path(uk)}/versions")
    here = f"{prices_path(uk)}/versions/2"
    assert made.location == here
    # a second press leads to the same draft
    assert dana.post(f"{prices_path(uk)}/versions").location == here
    bad = dana.post(here, {"kind": "voice.outbound", "rate.voice.outbound.447.all": "cheap"})
    assert bad.status_code == 422
    assert "“cheap” is no amount" in bad.text
    assert "0.0725" in bad.text
    saved = dana.post(here, {"kind": "voice.outbound", "rate.voice.outbound.447.all": "0.0745"})
    page = dana.get(saved.location).text
    assert 'value="0.0745"' in page
    assert '<span class="was">0.0725</span>' in page
    past = dana.post(f"{here}/publish", {"from_on": "2026-11-01"})
    assert past.status_code == 422
    assert "Choose a later day" in past.text
    done = dana.post(f"{here}/publish", {"from_on": "2026-12-01"})
    page = dana.get(done.location).text
    assert "Version 2 is published" in page
    assert "Coming" in page
    with gate.open(Scope.system(OPERATOR)) as session:
        versions = price_lists.published(session, tenant_id=OPERATOR, code=uk.code)
    assert [(one.version, one.effective_from.isoformat()) for one in versions][1] == (
        2,
        "2026-12-01T00:00:00+00:00",
    )
    frozen = dana.post(here, {"rate.voice.outbound.447.all": "0.0700"})
    assert "A published version never changes" in dana.get(frozen.location).text


RENTS = (
    "seat.month,,seats,Seats,坐席,96,,,,,,,,fixed_30\r\n"
    "seat.hour,,seats,,,4.2,,,900,,,,,\r\n"
    "agent.hour,,agents,Agents,客服,14.5,,,,,,,,\r\n"
)


def test_rental_prices_come_in_a_csv_and_are_changed_on_the_page(
    enter: Enter, uk: PriceList, gate: Gate
) -> None:
    dana = enter()
    text = RENT_HEAD + "voice.inbound,44,gb-local,UK landlines,英国固话,0.05,,,,,,,,\r\n" + RENTS
    dana.post(f"{prices_path(uk)}/versions", upload(text), content_type="multipart/form-data")
    here = f"{prices_path(uk)}/versions/2"
    page = dana.get(f"{here}?kind=rental").text
    for words in (
        "Seats by the month",
        "parts by thirty days a month",
        "in steps of 900 s",
        "to the millisecond",
    ):
        assert words in page
    back = dana.get(f"{here}/csv").data.decode("utf-8-sig")
    dana.post(f"{prices_path(uk)}/versions", upload(back), content_type="multipart/form-data")
    assert dana.get(f"{here}/csv").data.decode("utf-8-sig") == back
    revision = found(r'name="revision" value="(\d+)"', dana.get(f"{here}?kind=rental").text)
    form = {
        "kind": "rental",
        "revision": revision,
        "rental.seat.month": "98",
        "rental.seat.hour": "",
        "rental.number.tollfree": "12.5",
    }
    wrong = dana.post(here, {**form, "rental.seat.month": "cheap"})
    assert wrong.status_code == 422
    assert "“cheap” is no amount" in wrong.text
    saved = dana.post(here, form)
    page = dana.get(saved.location).text
    assert 'name="rental.seat.month" value="98.0000"' in page
    assert 'name="rental.seat.hour" value=""' in page
    assert "Numbers" in page
    done = dana.post(f"{here}/publish", {"from_on": "2026-12-01"})
    assert "Version 2 is published" in dana.get(done.location).text
    with gate.open(Scope.system(OPERATOR)) as session:
        newest = price_lists.published(session, tenant_id=OPERATOR, code=uk.code)[-1]
    prices = {one.meter: (one.unit_nano, one.proration.value) for one in decode(newest.content).rentals}
    assert prices == {
        "seat.month": (98_000_000_000, "fixed_30"),
        "number.tollfree": (12_500_000_000, "actual_days"),
        "agent.hour": (14_500_000_000, "actual_days"),
    }


def test_every_rental_row_at_fault_is_named(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    text = RENT_HEAD + (
        "seat.week,,seats,Seats,,96,,,,,,,,\r\n"
        "seat.month,,seats,Seats,,96,,,,,,,,by_moon\r\n"
        "seat.hour,,seats,Seats,,4,,,7,,,,,\r\n"
        "seat.day,,seats,Seats,,4,,,,,,,,\r\n"
        "seat.day,,seats,Seats,,5,,,,,,,,\r\n"
    )
    answer = dana.post(f"{prices_path(uk)}/versions", upload(text), content_type="multipart/form-data")
    assert answer.status_code == 422
    for words in ("Row 2, meter", "Row 3, proration", "Row 4, step_s", "Row 6, meter"):
        assert words in answer.text


def test_two_who_edit_a_draft_see_each_other_and_lose_nothing(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    dana.post(f"{prices_path(uk)}/versions")
    here = f"{prices_path(uk)}/versions/2"
    page = dana.get(here + "?kind=rental").text
    seen = found(r'name="revision" value="(\d+)"', page)
    first = dana.post(here, {"kind": "rental", "revision": seen, "rental.seat.month": "98"})
    assert first.status_code == 303
    mine = {"kind": "rental", "revision": seen, "rental.seat.month": "97", "rental.seat.hour": "4.5"}
    clash = dana.post(here, mine)
    assert clash.status_code == 409
    for words in ("Draft v2", "98.0000", 'value="97"', 'value="4.5"'):
        assert words in clash.text
    assert 'value="98.0000"' in dana.get(here + "?kind=rental").text  # nothing was written over
    now = found(r'name="revision" value="(\d+)"', clash.text)
    names = ("rental.seat.month", "rental.seat.hour")
    chosen = {
        f"{name}-{side}": found(rf'name="{name}-{side}" value="([^"]*)"', clash.text)
        for name in names
        for side in ("yours", "theirs")
    }
    sides = {f"{name}-side": "yours" for name in names}
    again = dana.post(here, {"kind": "rental", "revision": now, **chosen, **sides})
    page = dana.get(again.location).text
    assert 'name="rental.seat.month" value="97.0000"' in page
    assert 'name="rental.seat.hour" value="4.5000"' in page


def upload(text: str, name: str = "prices.csv") -> Form:
    return {"file": (io.BytesIO(text.encode()), name), "from_on": "2026-12-01"}


HEAD = "meter,prefix,destination,name_en,name_zh,rate,connect,initial_s,step_s,minimum,blocked,days,from\r\n"
RENT_HEAD = HEAD.replace("\r\n", ",proration\r\n")


def test_a_csv_becomes_a_draft_and_comes_back_as_it_was(enter: Enter, uk: PriceList, gate: Gate) -> None:
    dana = enter()
    text = HEAD + (
        "voice.inbound,44,gb-local,UK landlines,英国固话,0.05,0.01,30,6,0,,1-5,08:00\r\n"
        "voice.inbound,44,gb-local,,,0.02,0.01,30,6,0,,1-5,18:00\r\n"
        'voice.inbound,44,gb-local,,,0.02,0.01,30,6,0,,"6,7",\r\n'
        "voice.outbound,449,premium,Premium,高费率,0,0,0,1,0,yes,,\r\n"
    )
    answer = dana.post(f"{prices_path(uk)}/versions", upload(text), content_type="multipart/form-data")
    here = f"{prices_path(uk)}/versions/2"
    assert answer.location == here
    page = dana.get(here).text
    for words in ("Mon–Fri 08:00", "Mon–Fri 18:00", "30/6"):
        assert words in page
    back = dana.get(f"{here}/csv").data.decode("utf-8-sig")
    again = dana.post(f"{prices_path(uk)}/versions", upload(back), content_type="multipart/form-data")
    assert again.location == here  # the draft was replaced
    assert dana.get(f"{here}/csv").data.decode("utf-8-sig") == back
    gone = dana.post(f"{here}/discard")
    assert gone.location == prices_path(uk)
    assert dana.get(here).status_code == 404


def workbook_of(rows: list[list[object]]) -> Form:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made)
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return {"file": (io.BytesIO(made.getvalue()), "deck.xlsx"), "from_on": "2026-12-01"}


SLOT = "meter,prefix,destination,rate,second\r\nvoice.inbound,44,gb,0.05,30\r\n"
DECK: list[list[object]] = [
    [
        "meter",
        "prefix",
        "destination",
        "name_en",
        "rate",
        "step_s",
        "days",
        "second",
        "maximum",
        "above",
        "grace_s",
    ],
    ["voice.outbound", 447, "gb-mobile", "UK mobiles", 0.1, 60, "1-7", "", 5, "refuse", 3],
    ["voice.outbound", 447, "gb-mobile", "UK mobiles", 0.05, 6, "1-7", 60, "", "", ""],
    ["voice.outbound", 447, "gb-mobile", "UK mobiles", 0.02, 60, "H", "", "", "", ""],
]


def test_a_workbook_with_slots_holidays_and_bounds_becomes_a_draft(
    enter: Enter, uk: PriceList, gate: Gate
) -> None:
    dana = enter()
    form = {**workbook_of(DECK), "calendar": "gb-eng"}
    answer = dana.post(f"{prices_path(uk)}/versions", form, content_type="multipart/form-data")
    here = f"{prices_path(uk)}/versions/2"
    assert answer.location == here
    assert "holidays of GB-ENG" in dana.get(here).text
    back = dana.get(f"{here}/csv").data.decode("utf-8-sig")
    again = dana.post(f"{prices_path(uk)}/versions", upload(back), content_type="multipart/form-data")
    assert again.location == here
    assert dana.get(f"{here}/csv").data.decode("utf-8-sig") == back
    dana.post(f"{here}/publish", {"from_on": "2027-01-01"})
    with gate.open(Scope.system(OPERATOR)) as session:
        content = price_lists.published(session, tenant_id=OPERATOR, code=uk.code)[-1].content
    tariff = decode(content)
    (row,) = tariff.rates
    assert [slot.from_s for slot in row.rate.bands[0].slots] == [0, 60]
    assert (row.rate.maximum, row.rate.ceiling, row.rate.grace_s) == (5 * NANO, Ceiling.REFUSE, 3)
    assert tariff.holidays is not None
    assert dt.date(2027, 12, 25) in tariff.holidays.dates


def test_a_deck_with_holidays_of_nowhere_is_refused(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    for calendar, words in (("", "names no calendar"), ("XX", "no calendar of holidays for XX")):
        form = {**workbook_of(DECK), "calendar": calendar}
        answer = dana.post(f"{prices_path(uk)}/versions", form, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert words in answer.text


def test_a_file_that_is_no_price_list_is_refused_as_a_lead_file_is(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    formula = workbook_of([DECK[0], ["voice.outbound", "=1+1", "gb-mobile", "UK", 1]])
    files: list[tuple[Form, str]] = [
        (formula, "Row 2, prefix: is a formula"),
        ({"file": (io.BytesIO(b"PK\x03\x04 no archive"), "a.xlsx")}, "neither a CSV file nor an XLSX"),
        ({"file": (io.BytesIO(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "a.xls")}, "has a password"),
        ({"file": (io.BytesIO(b"meter\x00\x01"), "a.csv")}, "neither a CSV file nor an XLSX"),
        ({"file": (io.BytesIO(b""), "a.csv")}, "the file is empty"),
        (upload(SLOT), "Row 2, second: there is no row before it"),
    ]
    for form, words in files:
        answer = dana.post(f"{prices_path(uk)}/versions", form, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert words in answer.text


def test_what_a_draft_changes_is_shown_against_the_version_in_force(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    text = HEAD + (
        "voice.outbound,44,gb-local,UK,,0.045,,,,,,,\r\n"
        "voice.outbound,447,gb-mobile,UK mobiles,,0.0725,,,,,,,\r\n"
        "voice.outbound,4479,gb-mobile,UK mobiles,,0.08,,,,,,,\r\n"
    )
    dana.post(f"{prices_path(uk)}/versions", upload(text), content_type="multipart/form-data")
    page = dana.get(f"{prices_path(uk)}/versions/2/changes").text
    shown = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"Dearer\s+1\b", shown)
    assert re.search(r"New\s+1\b", shown)
    assert "0.0450" in page
    assert "0.0225" in page
    assert "Against version 1" in page


def test_every_row_at_fault_is_named(enter: Enter, uk: PriceList, gate: Gate) -> None:
    dana = enter()
    text = HEAD + (
        "voice.inbound,4x4,gb,UK,,0.05,,,,,,,\r\n"
        "voice.inbound,44,gb,UK,,cheap,,,,,,,\r\n"
        "voice.inbound,45,gb,UK,,0.05,,,0,,,,\r\n"
        "voice.inbound,46,gb,UK,,0.05,,,,,,8,\r\n"
        ",47,gb,UK,,0.05,,,,,,,\r\n"
        "voice.inbound,48,gb,UK,,0.05,,,,,,,²:00\r\n"
        "voice.inbound,49,gb,UK,,0.05,,,,,,,24:00\r\n"
    )
    answer = dana.post(f"{prices_path(uk)}/versions", upload(text), content_type="multipart/form-data")
    assert answer.status_code == 422
    for words in (
        *("Row 2, prefix", "Row 3, rate", "Row 4, step_s", "Row 5, days", "Row 6, meter"),
        *("Row 7, from", "Row 8, from"),
    ):
        assert words in answer.text
    with gate.open(Scope.system(OPERATOR)) as session:
        assert len(price_lists.versions(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id)) == 1


class KilledError(BaseException):
    """The worker dies."""


def deck_of(gate: Gate, uk: PriceList) -> RateDeck:
    with gate.open(Scope.system(OPERATOR)) as session:
        found = rate_decks.newest(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id)
    assert found is not None
    return found


def read_deck(services: TestServices, deck: RateDeck) -> None:
    decks.run(services, RateDeckAsked(tenant_id=OPERATOR, deck_id=deck.deck_id))


@pytest.fixture
def long_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decks, "AT_ONCE", 100)


@pytest.mark.usefixtures("long_is_short")
def test_a_long_deck_is_read_by_a_job_that_may_be_killed(
    enter: Enter,
    uk: PriceList,
    gate: Gate,
    services: TestServices,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dana, base = enter(), prices_path(uk)
    text = HEAD + "".join(
        f"voice.outbound,4{n},gb-{n % 7},Place {n % 7},,0.0{n % 9 + 1},,,,,,,\r\n" for n in range(1000, 4000)
    )
    answer = dana.post(f"{base}/versions", upload(text), content_type="multipart/form-data")
    assert answer.location == f"{base}/file"
    page = dana.get(answer.location).text
    assert "Reading a file of rates" in page
    assert 'hx-trigger="every 2s"' in page
    (lying,) = (tmp_path / "storage" / "deck").glob("*")
    assert b"voice.outbound" not in lying.read_bytes()
    deck, real = deck_of(gate, uk), rate_decks.make

    def killed(*args: object, **known: object) -> None:
        real(*args, **known)  # type: ignore[arg-type] # handed on as it came
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(rate_decks, "make", killed)
        with pytest.raises(KilledError):
            read_deck(services, deck)
    with gate.open(Scope.system(OPERATOR)) as session:
        assert len(price_lists.versions(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id)) == 1
        job = long_jobs.find(session, job_id=deck.deck_id)
    assert job is not None
    assert (job.total, job.done > 0, job.is_over) == (3001, True, False)
    for _ in range(2):  # a second time changes nothing
        read_deck(services, deck)
    assert deck_of(gate, uk).version == 2
    assert not lying.exists()
    page = dana.get(answer.location).text
    assert f"{base}/versions/2/changes" in page
    assert len(dana.get(f"{base}/versions/2/csv").text.splitlines()) == 3001


@pytest.mark.usefixtures("long_is_short")
def test_what_is_wrong_with_a_long_deck_is_named_row_by_row(
    enter: Enter, uk: PriceList, gate: Gate, services: TestServices
) -> None:
    dana, base = enter(), prices_path(uk)
    text = HEAD + "voice.inbound,4x4,gb,UK,,0.05,,,,,,,\r\nvoice.inbound,44,gb,UK,,cheap,,,,,,,\r\n"
    dana.post(f"{base}/versions", upload(text), content_type="multipart/form-data")
    read_deck(services, deck_of(gate, uk))
    page = dana.get(f"{base}/file").text
    assert "Row 2, prefix" in page
    assert "Row 3, rate" in page
    assert "Nothing was saved" in page
    text = HEAD + "voice.inbound,447700900123,gb,UK landlines and everything,,0.05,,,,,,,\r\n"
    dana.post(f"{base}/versions", upload(text), content_type="multipart/form-data")
    read_deck(services, deck_of(gate, uk))
    assert "last four digits" in dana.get(f"{base}/file").text


@pytest.mark.usefixtures("long_is_short")
def test_a_second_deck_takes_the_place_of_the_first_and_one_can_be_given_up(
    enter: Enter, uk: PriceList, gate: Gate, services: TestServices, tmp_path: Path
) -> None:
    dana, base = enter(), prices_path(uk)

    def give(price: str) -> RateDeck:
        text = HEAD + f"voice.inbound,44,gb-local,UK landlines and islands,英国,{price},,,,,,,\r\n"
        dana.post(f"{base}/versions", upload(text), content_type="multipart/form-data")
        return deck_of(gate, uk)

    first, second = give("0.01"), give("0.02")
    read_deck(services, second)
    read_deck(services, first)
    assert ",0.0200," in dana.get(f"{base}/versions/2/csv").text
    third = give("0.03")
    assert dana.post(f"{base}/file/cancel").location == base
    read_deck(services, third)
    assert ",0.0200," in dana.get(f"{base}/versions/2/csv").text
    assert list((tmp_path / "storage" / "deck").glob("*")) == []
    give("0.04")
    with clock.hold(clock.now() + rate_decks.KEPT):
        decks.sweep(services)
    assert list((tmp_path / "storage" / "deck").glob("*")) == []


def test_what_billing_objects_to_is_said_on_the_page(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    text = HEAD + "voice.inbound,447700900123,gb,UK,,0.05,,,,,,,\r\n"
    answer = dana.post(f"{prices_path(uk)}/versions", upload(text), content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "last four digits" in answer.text
    wrong = dana.post(f"{prices_path(uk)}/versions", upload("a,b\n1,2\n"), content_type="multipart/form-data")
    assert "the column is missing" in wrong.text


def test_who_may_not_write_prices_sees_no_button(enter: Enter, uk: PriceList) -> None:
    ivy = enter("operator_inventory")
    page = ivy.get(f"{prices_path(uk)}/versions/1").text
    assert "New version" not in page
    assert ivy.post(f"{prices_path(uk)}/versions").status_code == 403


def test_an_account_is_put_on_hold_with_a_reason_and_let_go(
    enter: Enter, cast: Cast, day: Scene, gate: Gate
) -> None:
    def held() -> bool:
        with gate.open(Scope.system(cast.a.tenant_id)) as session:
            return credit.held(session, tenant_id=cast.a.tenant_id) is not None

    dana, where = enter(), f"{path(cast.a)}/credit-hold"
    assert "Put on hold" in dana.get(path(cast.a)).text
    assert dana.post(where, data={"reason": " "}).status_code == 422
    assert not held()
    assert dana.post(where, data={"reason": "Unpaid for 60 days"}).status_code == 303
    assert held()
    page = dana.get(path(cast.a)).text
    assert "Unpaid for 60 days" in page
    assert "No call of its goes out" in page
    assert dana.post(where, data={"lift": "1"}).status_code == 303
    assert not held()


def test_who_does_not_do_the_billing_puts_nobody_on_hold(enter: Enter, cast: Cast, day: Scene) -> None:
    omar = enter("operator_inventory")
    assert omar.post(f"{path(cast.a)}/credit-hold", data={"reason": "x"}).status_code == 403
    assert "Put on hold" not in omar.get(path(cast.a)).text


def test_the_stock_stands_on_pages_that_can_be_searched(
    enter: Enter, cast: Cast, day: Scene, gate: Gate
) -> None:
    made = [floor.stocked(gate, label=f"A-{at:03}") for at in range(30)]
    for at in range(30):
        telephony.stocked(gate, f"+4480815702{at:02}")
    dana = enter()
    dana.post(
        f"/operator/stock/seats/{ids.public('seat', made[7].id)}/rent",
        {"company": ids.public("ten", cast.a.tenant_id), "kind": "hour"},
    )
    first, second = (dana.get(f"/operator/stock?page={at}").text for at in (1, 2))
    assert ("A-024" in first, "A-029" in first) == (True, False)
    assert ("A-024" in second, "A-029" in second) == (False, True)
    assert "Rent out seat A-029" not in first  # its question stands where its row does
    rented = dana.get("/operator/stock?held=rented").text
    assert ("A-007" in rented, "A-008" in rented) == (True, False)
    assert "A-007" in dana.get("/operator/stock?q=pelican").text
    numbers_ = dana.get("/operator/stock/numbers?q=0229").text
    assert ("+44 808 157 0229" in numbers_, "+44 808 157 0228" in numbers_) == (True, False)
    assert len(dana.get("/operator/stock/numbers?as=csv").text.splitlines()) > 30
