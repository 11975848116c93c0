"""Paying as people see it: our pages over HTTP, the provider's at the stand-in, in both languages."""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from html import unescape
from uuid import UUID

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from billing.documents.document import InvoiceDocument
from billing.errors import ProviderAwayError
from billing.payments import attempts, news
from billing.payments.port import RemotePayment
from billing.payments.stripe import StripeProvider
from core import clock, ids
from core.ids import OPERATOR, PaymentId, TenantId, new_id
from security.gate import Gate, Scope
from standin.server import Server
from tests.billing import stock
from tests.factories import payments
from tests.factories.payments import card, visit
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from tests.web.test_refused_often import tried as counted
from tests.web.test_templates import Reader
from web import create_app
from wiring import collecting, refunding


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(services: TestServices, standin: Server) -> TestServices:
    settings = services.settings.model_copy(
        update={"stripe_api_key": payments.KEY, "stripe_base_url": standin.base}
    )
    return dataclasses.replace(services, settings=settings, payments=payments.provider(standin))


@pytest.fixture
def app(means: TestServices, compiled_pages: FileSystemBytecodeCache) -> Flask:
    app = create_app(means)
    app.jinja_env.bytecode_cache = compiled_pages
    return app


@pytest.fixture
def invoice(gate: Gate, cast: Cast) -> InvoiceDocument:
    return payments.owing(gate, cast.a.tenant_id)


@pytest.fixture
def dana(people: People, browser: Browsers) -> Browser:
    people.operator()
    made = browser()
    assert made.sign_in(scene.staff(people, "operator_billing").email).status_code == 303
    return made


def path(invoice: InvoiceDocument) -> str:
    return payments.path_of(invoice)


def local(address: str) -> str:
    """The path of an address of ours that somebody else's page leads back to."""
    return re.sub(r"^http://127\.0\.0\.1:8600", "", address)


def hear_everything(means: TestServices) -> None:
    collecting.sweep(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        waiting = news.every(session, states=[news.WAITING], limit=200)
    for piece in reversed(waiting):
        collecting.hear(means, news_id=piece.news_id)


def well_made(text: str) -> None:
    reader = Reader()
    reader.feed(text)
    assert reader.faults == []
    assert sorted(reader.ids) == sorted(set(reader.ids))
    assert set(reader.refers) - set(reader.ids) == set()
    assert reader.tokens >= len(reader.posts)


def save(browser: Browser, number: str) -> None:
    """Save a card as a person does."""
    leads = browser.post("/portal/payment-methods")
    assert leads.status_code == 303
    seen = visit(leads.location, card(number))
    if "/authenticate/" in seen.location:
        seen = visit(visit(seen.location, {"outcome": "complete"}).location)
    assert browser.get(local(seen.location)).location == "/portal/payment-methods"


def test_an_invoice_is_paid_on_the_providers_page_and_says_paid(
    alice: Browser, means: TestServices, invoice: InvoiceDocument
) -> None:
    page = alice.get(path(invoice)).text
    well_made(page)
    assert "Pay £174.00" in page
    leads = alice.post(f"{path(invoice)}/pay")
    assert leads.location.startswith("http://127.0.0.1:")
    assert "/pay/cs_test_" in leads.location
    back = visit(leads.location, card(payments.PAID)).location
    assert alice.get(local(back)).location == path(invoice)
    page = alice.get(path(invoice)).text
    assert "Paid. Thank you." in page
    assert "Nothing is due." in page
    assert ">due " not in page
    assert "Pay £174.00" not in page
    receipt = re.search(r'href="(/portal/payments/pay_[0-9a-z]+/receipt)"', page)
    assert receipt
    assert "GBP 174.00" in visit(alice.get(receipt[1]).location).text
    assert ">Paid<" in re.sub(r"<svg.*?</svg>", "", alice.get("/portal/invoices").text)


def test_card_data_has_no_place_on_our_pages(alice: Browser, invoice: InvoiceDocument) -> None:
    for where in (path(invoice), "/portal/payment-methods", "/portal/invoices"):
        text = alice.get(where).text
        assert "cc-number" not in text
        assert not re.search(r'<input[^>]*name="(number|cvc|expiry|account)"', text)


@pytest.mark.parametrize(
    ("number", "words", "chinese"),
    [
        (payments.DECLINED, "The bank declined it", "银行拒绝了付款"),
        (payments.SHORT, "There was not enough money", "余额不足"),
        (payments.EXPIRED, "The card has expired", "银行卡已过期"),
        (payments.WRONG_CODE, "security code was wrong", "安全码错误"),
    ],
)
def test_a_declined_card_is_said_in_both_languages_with_what_to_do(
    alice: Browser, invoice: InvoiceDocument, number: str, words: str, chinese: str
) -> None:
    leads = alice.post(f"{path(invoice)}/pay")
    assert visit(leads.location, card(number)).status == 200
    cancelled = re.search(r"href='([^']+)'", visit(leads.location).text)
    assert cancelled
    assert alice.get(local(cancelled[1])).location == path(invoice)
    page = alice.get(path(invoice)).text
    assert words in page
    assert "Pay £174.00" in page
    alice.post("/language", {"language": "zh_Hans_CN", "next": path(invoice)})
    assert chinese in alice.get(path(invoice)).text


def test_a_saved_card_pays_at_once_and_by_itself(
    alice: Browser, means: TestServices, gate: Gate, cast: Cast
) -> None:
    invoice = payments.owing(gate, cast.a.tenant_id, month=9)
    save(alice, payments.PAID)
    page = alice.get("/portal/payment-methods").text
    well_made(page)
    assert "Saved. Invoices are paid with it" in page
    assert "•••• 4242" in page
    assert "12/2034" in page
    method = re.search(r'name="method" value="(pm_[0-9a-z]+)"', alice.get(path(invoice)).text)
    assert method
    assert alice.post(f"{path(invoice)}/pay", {"method": method[1]}).location == path(invoice)
    assert "Paid. Thank you." in alice.get(path(invoice)).text
    october = payments.another(gate, cast.a.tenant_id, month=10)
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=october.invoice_id)
    assert "Nothing is due." in alice.get(path(october)).text


def test_the_bank_is_asked_when_it_wants_to_be(alice: Browser, invoice: InvoiceDocument) -> None:
    save(alice, payments.ASKS_ALWAYS)
    method = re.search(r'name="method" value="(pm_[0-9a-z]+)"', alice.get(path(invoice)).text)
    assert method
    asks = alice.post(f"{path(invoice)}/pay", {"method": method[1]})
    assert "/authenticate/" in asks.location
    back = visit(asks.location, {"outcome": "fail"}).location
    alice.get(local(back))
    assert "It was not confirmed to the bank" in alice.get(path(invoice)).text
    asks = alice.post(f"{path(invoice)}/pay", {"method": method[1]})
    alice.get(local(visit(asks.location, {"outcome": "complete"}).location))
    assert "Nothing is due." in alice.get(path(invoice)).text


def test_a_charge_declined_by_itself_is_told_with_when_it_is_tried_again(
    alice: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    save(alice, payments.FAILS_LATER)
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    page = alice.get(path(invoice)).text
    assert "The bank declined it" in page
    assert "We try again on" in page
    assert "The bank declined it" in alice.get("/portal/invoices").text
    assert "invoice is not paid" in alice.get("/portal/").text


def test_a_debit_of_a_closed_account_is_told(
    alice: Browser, means: TestServices, standin: Server, invoice: InvoiceDocument
) -> None:
    leads = alice.post(f"{path(invoice)}/pay")
    back = visit(leads.location, {"account": "11111113", "routing": "108800"}).location
    alice.get(local(back))
    page = alice.get(path(invoice)).text
    assert "A direct debit takes some days." in page
    assert "Pay £174.00" not in page
    standin.api.tick(everything=True)
    hear_everything(means)
    page = alice.get(path(invoice)).text
    assert "The bank account is closed" in page
    assert "Pay £174.00" in page


def test_methods_are_chosen_and_removed_with_a_question(alice: Browser, invoice: InvoiceDocument) -> None:
    save(alice, payments.PAID)
    save(alice, payments.FAILS_LATER)
    page = alice.get("/portal/payment-methods").text
    well_made(page)
    assert "Remove this way to pay?" in page
    other = re.search(r"/portal/payment-methods/(pm_[0-9a-z]+)/default", page)
    assert other
    alice.post(f"/portal/payment-methods/{other[1]}/default")
    page = alice.get("/portal/payment-methods").text
    assert page.index("0341") < page.index("4242")
    alice.post(f"/portal/payment-methods/{other[1]}/remove")
    page = alice.get("/portal/payment-methods").text
    assert "0341" not in page
    assert alice.post(f"/portal/payment-methods/{other[1]}/remove").status_code == 404


def test_another_companys_invoice_payment_and_method_are_not_there(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate, invoice: InvoiceDocument
) -> None:
    save(alice, payments.PAID)
    method = re.search(r'name="method" value="(pm_[0-9a-z]+)"', alice.get(path(invoice)).text)
    assert method
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        begun = attempts.begin(
            session,
            tenant_id=cast.a.tenant_id,
            invoice_id=invoice.invoice_id,
            account="acct_1",
            initiator=attempts.PERSON,
        )
    pay = ids.public("pay", begun.payment.payment_id)
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    assert charlie.post(f"{path(invoice)}/pay").status_code == 404
    assert charlie.post(f"/portal/payment-methods/{method[1]}/remove").status_code == 404
    for one in ("back", "receipt"):
        assert charlie.get(f"/portal/payments/{pay}/{one}").status_code == 404


def test_who_may_not_pay_sees_how_it_stands(
    browser: Browsers, people: People, cast: Cast, invoice: InvoiceDocument
) -> None:
    admin = people.user(cast.a.tenant_id, "Ada", "tenant_admin")
    page = browser()
    page.sign_in(admin.email)
    text = page.get(path(invoice)).text
    assert "Still due" in text
    assert "Pay £174.00" not in text
    assert page.post(f"{path(invoice)}/pay").status_code == 403
    assert page.post("/portal/payment-methods").status_code == 403


def test_without_a_provider_the_pages_say_how_to_pay(
    services: TestServices, cast: Cast, gate: Gate, invoice: InvoiceDocument
) -> None:
    alice = Browser(create_app(services).test_client())
    alice.sign_in(cast.alice.email)
    assert "pay invoices by bank transfer" in alice.get("/portal/payment-methods").text
    page = alice.get(path(invoice)).text
    assert "GB00 EXMP 0000 0012 3456 78" in page
    assert "Pay £174.00" not in page
    alice.post(f"{path(invoice)}/pay")
    assert "No payment provider is connected" in alice.get(path(invoice)).text


def test_when_the_provider_is_away_the_page_says_so_and_nothing_is_lost(
    alice: Browser, standin: Server, invoice: InvoiceDocument
) -> None:
    alice.get("/portal/payment-methods")
    standin.close()
    assert alice.post(f"{path(invoice)}/pay").location == path(invoice)
    page = alice.get(path(invoice)).text
    assert "The payment provider does not answer" in page
    assert "Still due" in page


def test_the_policy_lets_a_form_lead_to_the_providers_page_alone(alice: Browser, standin: Server) -> None:
    policy = alice.get("/portal/payment-methods").headers["Content-Security-Policy"]
    assert f"form-action 'self' {standin.base};" in policy


def test_the_operator_sees_each_payments_story_and_gives_money_back(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    save(alice, payments.FAILS_LATER)
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    declined = dana.get("/operator/payments?state=failed").text
    well_made(declined)
    assert "The bank declined it" in declined
    leads = alice.post(f"{path(invoice)}/pay")
    alice.get(local(visit(leads.location, card(payments.PAID)).location))
    hear_everything(means)
    paid = dana.get("/operator/payments?state=succeeded").text
    assert (invoice.number or "no number") in paid
    company = dana.get(f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}").text
    assert ">Paid<" in re.sub(r"<svg.*?</svg>", "", company)
    href = re.search(r'href="(/operator/companies/ten_[0-9a-z]+/payments/pay_[0-9a-z]+)"', paid)
    assert href
    story = dana.get(href[1]).text
    well_made(story)
    for words in (
        "payment_intent.succeeded",
        "Held by the payment provider",
        "Fees of the payment provider",
        "Other attempts",
        "£174.00",
        "£2.81",
    ):
        assert words in story
    for wrong in ("174.01", "0", "-1"):
        give_back(dana, href[1], wrong)
        assert "So much cannot be given back" in dana.get(href[1]).text
    for wrong in ("many", "0.001", "1,250", "1e400"):
        give_back(dana, href[1], wrong)
        assert "This number cannot be read" in dana.get(href[1]).text
    give_back(dana, href[1], "174.00")
    assert "Money given back" in dana.get(href[1]).text
    assert "Refunded" in alice.get(path(invoice)).text
    assert dana.post(f"{href[1]}/look").location == href[1]


def give_back(dana: Browser, where: str, amount: str) -> dict[str, str]:
    """Fill in the form of a payment's page and send it; return what was sent."""
    token = re.search(r'name="refund" value="(ref_[0-9a-z]+)"', dana.get(where).text)
    form = {"amount": amount, "refund": token[1] if token else "", "reason": "Paid twice"}
    dana.post(f"{where}/refund", form)
    return form


def paid_story(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> str:
    """Let the company's saved card pay; return the address of the payment's story at the operator."""
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    found = re.search(
        r'href="(/operator/companies/ten_[0-9a-z]+/payments/pay_[0-9a-z]+)"',
        dana.get("/operator/payments").text,
    )
    assert found
    return found[1]


def test_a_refund_form_sent_twice_gives_back_once(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument, standin: Server
) -> None:
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, invoice)
    form = give_back(dana, story, "4.00")
    dana.post(f"{story}/refund", form)
    page = dana.get(story).text
    assert "The money goes back the way it came." in page
    assert "At most £170.00. Above £500.00 somebody else has to agree." in page
    assert [one.amount for one in payments.client(standin).v1.refunds.list().data] == [400]
    dana.post(f"{story}/refund", {**form, "amount": "5.00"})
    assert "asked for already, over another amount" in dana.get(story).text
    assert dana.post(f"{story}/refund", {"amount": "4.00"}).status_code == 404  # no form of ours


def test_a_company_lists_what_was_given_back_and_so_do_its_programs(
    alice: Browser,
    dana: Browser,
    program: Programs,
    means: TestServices,
    cast: Cast,
    invoice: InvoiceDocument,
) -> None:
    page = alice.get("/portal/refunds").text
    well_made(page)
    assert "Nothing was given back" in page
    assert 'href="/portal/refunds"' in alice.get("/portal/payment-methods").text
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, invoice)
    forms = [give_back(dana, story, amount) for amount in ("4.00", "1.50")]
    page = alice.get("/portal/refunds").text
    well_made(page)
    assert page.index("£1.50") < page.index("£4.00")  # newest first
    assert page.count("given back<") == 2
    assert "Paid twice" not in page  # the staff's own words
    ours = program(cast.a)
    first = ours.get("/refunds?limit=1").get_json()
    second = ours.get(f"/refunds?limit=1&starting_after={first['next']}").get_json()
    told = [*first["data"], *second["data"]]
    assert [one["id"] for one in told] == [form["refund"] for form in reversed(forms)]
    assert [(one["state"], one["amount"]["minor"]) for one in told] == [("made", 150), ("made", 400)]
    assert second["has_more"] is False
    assert program(cast.b).get("/refunds").get_json()["data"] == []


def test_what_waits_for_a_second_person_or_was_refused_is_not_told(
    alice: Browser, dana: Browser, program: Programs, means: TestServices, cast: Cast, gate: Gate
) -> None:
    dear = payments.owing(gate, cast.a.tenant_id, minutes=8000)
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, dear)
    form = give_back(dana, story, "600.00")
    assert "Somebody else has to decide about it now." in dana.get(story).text
    for _ in range(2):
        assert "Nothing was given back" in alice.get("/portal/refunds").text
        assert program(cast.a).get("/refunds").get_json()["data"] == []
        dana.post(f"{story.rpartition('/payments')[0]}/refunds/{form['refund']}/refuse")


def test_above_the_limit_another_person_gives_it_back_and_nobody_else_meanwhile(
    alice: Browser, dana: Browser, browser: Browsers, people: People, means: TestServices, cast: Cast,
    gate: Gate, standin: Server,
) -> None:  # fmt: skip
    dear = payments.owing(gate, cast.a.tenant_id, minutes=8000)  # £696.00
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, dear)
    form = give_back(dana, story, "500.01")
    page = dana.get(story).text
    assert "Somebody else has to decide about it now." in page
    assert "At most £195.99." in page  # what waits is kept
    dana.post(f"{story}/refund", form)  # sent again: it waits as before
    give_back(dana, story, "196.00")
    assert "So much cannot be given back" in dana.get(story).text
    assert payments.client(standin).v1.refunds.list().data == []
    assert "somebody wants to give £500.01 back" in dana.get("/operator/payments").text
    page = dana.get("/operator/refunds").text
    well_made(page)
    assert "/approve" not in page
    deed = f"{story.rpartition('/payments')[0]}/refunds/{form['refund']}"
    dana.post(f"{deed}/approve")
    assert "Somebody else has to decide" in dana.get("/operator/refunds").text
    assert counted(means.realtime) == {("second-person", OPERATOR): 1}
    assert payments.client(standin).v1.refunds.list().data == []
    rita = browser()
    rita.sign_in(scene.staff(people, "operator_billing", name="Rita").email)
    assert f'action="{deed}/approve"' in rita.get("/operator/refunds").text
    for _ in range(2):
        rita.post(f"{deed}/approve")
    assert [one.amount for one in payments.client(standin).v1.refunds.list().data] == [50001]
    page = rita.get("/operator/refunds").text
    assert "/approve" not in page
    assert "Given back" in page
    rita.post(f"{deed}/refuse")
    assert "It is decided already" in rita.get("/operator/refunds").text
    assert "£500.01" in alice.get(path(dear)).text


def test_a_refund_that_is_refused_is_left_to_be_given_back_again(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, gate: Gate, standin: Server
) -> None:
    dear = payments.owing(gate, cast.a.tenant_id, minutes=8000)
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, dear)
    form = give_back(dana, story, "696.00")
    assert "Give money back?" not in dana.get(story).text  # nothing is left
    deed = f"{story.rpartition('/payments')[0]}/refunds/{form['refund']}"
    dana.post(f"{deed}/refuse")
    page = dana.get("/operator/refunds").text
    well_made(page)
    assert "Refused" in page
    assert "At most £696.00." in dana.get(story).text
    dana.post(f"{deed}/approve")
    assert payments.client(standin).v1.refunds.list().data == []


def test_a_refund_says_why(alice: Browser, dana: Browser, means: TestServices, cast: Cast,
                           invoice: InvoiceDocument, standin: Server) -> None:  # fmt: skip
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, invoice)
    token = re.search(r'name="refund" value="(ref_[0-9a-z]+)"', dana.get(story).text)
    assert token
    for reason in ("", " ", "x" * 401):
        dana.post(f"{story}/refund", {"amount": "4", "refund": token[1], "reason": reason})
        assert "Say why" in dana.get(story).text
    assert payments.client(standin).v1.refunds.list().data == []


class Away(StripeProvider):
    """A provider that takes no refund just now."""

    def refund(
        self, remote_id: str, *, payment_id: PaymentId, amount_minor: int, refund_id: UUID
    ) -> RemotePayment:
        raise ProviderAwayError(why="test")


def test_a_refund_that_was_cut_off_is_made_later_by_itself(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument, standin: Server
) -> None:
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, invoice)
    away = Away(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    cut = dataclasses.replace(means, payments=away)
    with pytest.raises(ProviderAwayError):
        refunding.ask(
            cut,
            tenant_id=cast.a.tenant_id,
            payment_id=ids.parse("pay", story.rpartition("/")[2]),
            refund_id=new_id(),
            amount_minor=400,
            reason="Paid twice",
            by=cast.alice.id,
        )
    assert "On its way" in dana.get("/operator/refunds").text
    refunding.sweep(means)
    assert payments.client(standin).v1.refunds.list().data == []  # it may be at it still
    with clock.hold(clock.now() + dt.timedelta(minutes=11)):
        refunding.sweep(means)
        refunding.sweep(means)
    assert [one.amount for one in payments.client(standin).v1.refunds.list().data] == [400]
    assert "Given back" in dana.get("/operator/refunds").text


def test_a_refund_that_nobody_took_is_told_to_operator_and_company(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument, standin: Server
) -> None:
    save(alice, payments.REFUND_FAILS)
    story = paid_story(alice, dana, means, cast, invoice)
    give_back(dana, story, "4.00")
    assert "£4.00" in alice.get(path(invoice)).text
    standin.api.tick(everything=True)
    hear_everything(means)
    for where in (
        story,
        "/operator/payments",
        path(invoice).replace("/portal", f"{story.rpartition('/payments')[0]}"),
    ):
        page = dana.get(where).text
        well_made(page)
        assert "A refund of £4.00 came back." in page, where
    assert "The refund came back: nobody took it" in dana.get(story).text
    assert "Refund that came back" in dana.get(story).text  # in the ledger
    assert "At most £174.00. Above" in dana.get(story).text
    page = alice.get(path(invoice)).text
    well_made(page)
    assert "A refund of £4.00 came back to us." in page
    assert "Given back" not in page


def test_money_paid_twice_is_shown_to_company_and_operator(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument, standin: Server
) -> None:
    save(alice, payments.PAID)
    left = alice.post(f"{path(invoice)}/pay").location
    with means.gate.open(Scope.system(cast.a.tenant_id)) as session:  # its end was told, and was none
        page_of = attempts.under_way(session, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
        assert page_of
        attempts.cancel(session, tenant_id=cast.a.tenant_id, payment_id=page_of.payment_id, source="sweep")
    story = paid_story(alice, dana, means, cast, invoice)
    visit(left, card(payments.PAID))
    hear_everything(means)
    page = alice.get(path(invoice)).text
    well_made(page)
    assert "Paid beyond it, on account" in page
    assert "stays on your account" in page
    assert "£174.00" in alice.get("/portal/payment-methods").text
    listed = dana.get("/operator/payments").text
    well_made(listed)
    assert "Pelican Parcel has £174.00 on account." in listed
    company = story.rpartition("/payments")[0]
    assert "On account" in dana.get(company).text
    assert (
        "On account for companies" in dana.get(f"/operator/ledger?company={company.rpartition('/')[2]}").text
    )
    assert "Nothing is due." in page


def test_the_history_of_an_invoice_says_when_it_was_paid(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    def history(page: str) -> list[str]:
        found = re.search(r'<h2 id="past">.*?</section>', page, re.DOTALL)
        return re.findall(r"<b>([^<]+)</b>", found[0]) if found else []

    assert history(alice.get(path(invoice)).text) == ["Draft made", "Finalised"]
    save(alice, payments.PAID)
    story = paid_story(alice, dana, means, cast, invoice)
    assert history(alice.get(path(invoice)).text) == ["Draft made", "Finalised", "Paid"]
    theirs = path(invoice).replace("/portal", story.rpartition("/payments")[0])
    assert history(dana.get(theirs).text) == ["Draft made", "Finalised", "Paid"]


def test_who_comes_back_from_the_page_without_paying_may_pay_with_a_saved_card(
    alice: Browser, means: TestServices, invoice: InvoiceDocument
) -> None:
    save(alice, payments.PAID)
    leads = alice.post(f"{path(invoice)}/pay").location
    back = re.search(r"href='([^']+)'", visit(leads).text)
    assert back
    alice.get(local(back[1]))
    page = alice.get(path(invoice)).text
    assert "Nothing was paid." in page
    assert visit(leads).status == 410  # nobody pays there later
    method = re.search(r'name="method" value="(pm_[0-9a-z]+)"', page)
    assert method
    alice.post(f"{path(invoice)}/pay", {"method": method[1]})
    assert "Paid. Thank you." in alice.get(path(invoice)).text


def test_a_saved_card_pays_while_a_page_is_open_in_another_tab(
    alice: Browser, means: TestServices, invoice: InvoiceDocument, standin: Server
) -> None:
    save(alice, payments.PAID)
    leads = alice.post(f"{path(invoice)}/pay").location
    method = re.search(r'name="method" value="(pm_[0-9a-z]+)"', alice.get(path(invoice)).text)
    assert method
    assert alice.post(f"{path(invoice)}/pay", {"method": method[1]}).location == path(invoice)
    assert "Paid. Thank you." in alice.get(path(invoice)).text
    assert visit(leads, card(payments.PAID)).status == 410
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1


def test_an_owner_on_hold_is_told_before_they_try_to_spend(
    alice: Browser, dana: Browser, cast: Cast, invoice: InvoiceDocument
) -> None:
    company = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}"
    pages = ("/portal/", "/portal/seats/rent")
    assert "on hold" not in "".join(alice.get(one).text for one in pages)
    dana.post(f"{company}/credit-hold", {"reason": "Two invoices unpaid"})
    assert "“Two invoices unpaid”" in dana.get(company).text
    for one in pages:
        page = alice.get(one).text
        well_made(page)
        assert "Your account is on hold." in page
        assert "Two invoices unpaid" not in page  # the operator's own words
    dana.post(f"{company}/credit-hold", {"lift": "1"})
    assert "The hold is lifted." in dana.get(company).text
    assert "on hold" not in "".join(alice.get(one).text for one in pages)


def test_the_operators_ledger_balances(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    assert "Balances" in dana.get("/operator/ledger").text
    save(alice, payments.PAID)
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    page = dana.get(f"/operator/ledger?company={ids.public('ten', cast.a.tenant_id)}").text
    well_made(page)
    for words in ("Earned: Calls out", "Owed by companies", "Tax owed", "£350.81", "Balances"):
        assert words in page
    other = dana.get(f"/operator/ledger?company={ids.public('ten', cast.b.tenant_id)}").text
    assert "Nothing has moved yet" in other


def test_the_operator_sees_the_news_and_has_it_looked_into_again(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, gate: Gate, invoice: InvoiceDocument
) -> None:
    save(alice, payments.PAID)
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    hear_everything(means)
    page = dana.get("/operator/news").text
    well_made(page)
    assert "payment_intent.succeeded" in page
    assert "Pelican Parcel" in page
    one = re.search(r'action="(/operator/news/news_[0-9a-z]+/replay)"', page)
    assert one
    assert dana.post(one[1]).location == "/operator/news"
    assert "Waiting" in dana.get("/operator/news?state=waiting").text
    hear_everything(means)
    with gate.open(Scope.system(OPERATOR)) as session:
        assert news.every(session, states=[news.WAITING]) == ()


def test_programs_read_payments_and_how_an_invoice_stands(
    alice: Browser, program: Programs, cast: Cast, means: TestServices, invoice: InvoiceDocument
) -> None:
    save(alice, payments.FAILS_LATER)
    collecting.collect(means, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    ours = program(cast.a)
    found = ours.get("/payments").json
    assert found is not None
    assert [(one["state"], one["reason"], one["amount"]["minor"]) for one in found["data"]] == [
        ("failed", "declined", 17400)
    ]
    pay = found["data"][0]["id"]
    assert ours.get(f"/payments/{pay}").json == found["data"][0]
    stands = ours.get(f"/invoices/{ids.public('inv', invoice.invoice_id)}/payment").json
    assert stands is not None
    assert (stands["state"], stands["due"]["minor"]) == ("failed", 17400)
    assert stands["on_account"]["minor"] == 0
    assert [one["id"] for one in stands["payments"]] == [pay]
    theirs = program(cast.b)
    assert theirs.get(f"/payments/{pay}").status_code == 404
    assert theirs.get("/payments").json == {"data": [], "has_more": False, "next": None}
    assert program(cast.a, "calls.read").get("/payments").status_code == 403


def test_a_program_pays_once_with_what_a_person_saved(
    alice: Browser, program: Programs, cast: Cast, invoice: InvoiceDocument
) -> None:
    save(alice, payments.PAID)
    ours, path = program(cast.a), f"/invoices/{ids.public('inv', invoice.invoice_id)}"
    (method,) = ours.get("/payment-methods").get_json()["data"]
    assert (method["brand"], method["last4"], method["is_default"]) == ("visa", "4242", True)
    once = {"Idempotency-Key": "pay-october"}
    made = [ours.post(f"{path}/pay", {"method": method["id"]}, headers=once) for _ in range(2)]
    assert [one.status_code for one in made] == [200, 200]
    assert made[0].get_json() == made[1].get_json()
    payment = made[0].get_json()["payment"]
    assert (payment["state"], made[0].get_json()["url"]) == ("succeeded", None)
    assert ours.get(f"{path}/payment").get_json()["state"] == "paid"
    assert ours.post(f"{path}/pay", {}).status_code in {403, 409}  # nothing is due
    receipt = ours.get(f"/payments/{payment['id']}/receipt").get_json()["url"]
    assert "GBP 174.00" in visit(receipt).text
    assert program(cast.b).post(f"{path}/pay", {}).status_code == 404
    assert program(cast.a, "invoices.read").post(f"{path}/pay", {}).status_code == 403


def test_a_program_chooses_and_removes_saved_ways_to_pay(
    alice: Browser, program: Programs, cast: Cast, invoice: InvoiceDocument
) -> None:
    save(alice, payments.PAID)
    save(alice, "5555555555554444")
    ours = program(cast.a)
    first, second = ours.get("/payment-methods").get_json()["data"]
    assert program(cast.b).post(f"/payment-methods/{second['id']}/default").status_code == 404
    assert ours.post(f"/payment-methods/{second['id']}/default").status_code == 204
    assert ours.get("/payment-methods").get_json()["data"][0]["id"] == second["id"]
    assert program(cast.b).call("DELETE", f"/payment-methods/{first['id']}").status_code == 404
    assert ours.call("DELETE", f"/payment-methods/{first['id']}").status_code == 204
    assert [one["id"] for one in ours.get("/payment-methods").get_json()["data"]] == [second["id"]]


def tried(means: TestServices, tenant_id: TenantId, invoice: InvoiceDocument) -> str:
    """Let an attempt at an invoice begin and be given up; return its id."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        begun = attempts.begin(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice.invoice_id,
            account="acct",
            initiator=attempts.PERSON,
        )
        payment_id = begun.payment.payment_id
        attempts.cancel(session, tenant_id=tenant_id, payment_id=payment_id, source="sweep")
    return ids.public("pay", payment_id)


def test_payments_of_all_companies_are_paged_newest_first(
    dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    version = stock.publish(means.gate, code="hotels")
    with means.gate.open(Scope.system(cast.b.tenant_id)) as session:
        stock.customer(session, tenant_id=cast.b.tenant_id, version=version, price_list="hotels")
    theirs = payments.another(means.gate, cast.b.tenant_id)
    a, b = cast.a.tenant_id, cast.b.tenant_id
    made = [tried(means, *((b, theirs) if at % 3 else (a, invoice))) for at in range(60)]

    def listed(address: str) -> tuple[list[str], dict[str, str]]:
        page = dana.get(address).text
        well_made(page)
        leads = re.findall(r'href="([^"]+)" rel="(prev|next)"', page)
        return re.findall(r"/payments/(pay_[0-9a-z]+)", page), {rel: unescape(to) for to, rel in leads}

    first, leads = listed("/operator/payments")
    second, further = listed(leads["next"])
    last, ends = listed(further["next"])
    assert first + second + last == made[::-1]
    assert "prev" not in leads
    assert "next" not in ends
    assert listed(ends["prev"])[0] == second
    assert listed(listed(ends["prev"])[1]["prev"])[0] == first
    company = ids.public("ten", cast.a.tenant_id)
    assert listed(f"/operator/payments?company={company}")[0] == made[::3][::-1]
    file = dana.get("/operator/payments?as=csv").text
    assert len(file.splitlines()) == 61
