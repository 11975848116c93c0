"""The wallet as the company, its programs and the operator see it."""

import dataclasses
import re
from collections.abc import Iterator

import pytest

from billing import wallets
from billing.wallets import Stopped
from core import clock, ids
from core.ids import new_id
from security.gate import Gate, Scope
from standin.server import Server
from standin.till import Till
from tests.factories import payments
from tests.factories.payments import card, visit
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from tests.web.scene import NOW, Scene
from tests.web.test_payments import local, well_made
from wiring import collecting


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
    dana.post(
        f"{home(cast)}/move",
        {"key": ids.public("tup", new_id()), "way": "back", "amount": "100.01", "reason": "Left"},
    )
    assert "There is not so much in the wallet" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/move", {"key": ids.public("tup", new_id()), "way": "back", "amount": "90"})
    assert "say why" in dana.get(home(cast)).text.lower()
    dana.post(
        f"{home(cast)}/move",
        {"key": ids.public("tup", new_id()), "way": "back", "amount": "90", "reason": "Left"},
    )
    assert "It is booked; the bank has to be told to send it." in dana.get(home(cast)).text
    assert "Little left" in dana.get(home(cast)).text
    for way, amount, said in (
        ("in", "x", "This number cannot be read"),
        ("in", "1,250", "may be meant two ways"),
        ("back", "1,250", "may be meant two ways"),
        ("in", "0", "This amount cannot be"),
    ):
        dana.post(
            f"{home(cast)}/move",
            {"key": ids.public("tup", new_id()), "way": way, "amount": amount, "reason": "Left"},
        )
        assert said in dana.get(home(cast)).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        found = wallets.find(session, tenant_id=cast.a.tenant_id)
    assert found is not None
    assert found.available_nano == 15 * 10**9


def test_a_transfer_back_above_the_limit_is_kept_aside_until_a_second_person_decides(
    dana: Browser, otto: Browser, browser: Browsers, people: People, program: Programs, cast: Cast
) -> None:
    dana.post(f"{home(cast)}/terms", {"credit": "0", "low": ""})
    dana.post(f"{home(cast)}/move", {"key": ids.public("tup", new_id()), "way": "in", "amount": "2000.00"})
    page = dana.get(home(cast)).text
    well_made(page)
    assert "Above £500.00 a second person decides; until then nobody spends it." in page
    forms = [
        {"key": ids.public("tup", new_id()), "way": "back", "amount": amount, "reason": "They leave us"}
        for amount in ("600.00", "700.00")
    ]
    for form in (forms[0], *forms):  # the first is sent twice
        dana.post(f"{home(cast)}/move", form)
        assert "Somebody else has to decide about it now." in dana.get(home(cast)).text
    page = dana.get(home(cast)).text
    well_made(page)
    assert page.count("They leave us") == 2
    assert "£700.00" in page  # may be spent
    assert program(cast.a).get("/wallet").get_json()["available"]["minor"] == 70000
    assert program(cast.a).get("/refunds").get_json()["data"] == []
    page = dana.get("/operator/refunds").text
    well_made(page)
    assert page.count("by transfer") == 2
    assert f'href="{home(cast)}"' in page
    made, refused = (
        f"{home(cast).rpartition('/')[0]}/refunds/{ids.public('ref', ids.parse('tup', form['key']))}"
        for form in forms
    )
    assert f"{made}/approve" not in page
    dana.post(f"{made}/approve")
    assert "somebody else" in dana.get("/operator/refunds").text.lower()
    rita = browser()
    rita.sign_in(scene.staff(people, "operator_billing", name="Rita").email)
    assert f'action="{made}/approve"' in rita.get("/operator/refunds").text
    rita.post(f"{made}/approve")
    assert "the bank has to be told to send it" in rita.get("/operator/refunds").text
    rita.post(f"{refused}/refuse")
    page = rita.get("/operator/refunds").text
    well_made(page)
    assert "Nothing goes back." in page
    assert program(cast.a).get("/wallet").get_json()["available"]["minor"] == 140000
    assert "They leave us" not in dana.get(home(cast)).text
    (told,) = program(cast.a).get("/refunds").get_json()["data"]
    assert (told["payment"], told["top_up"], told["state"]) == (None, None, "made")
    page = otto.get("/portal/refunds").text
    well_made(page)
    assert page.count("See the wallet") == 1


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


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # its pages last by its own clock, which stands with ours here
    monkeypatch.setattr(Till, "now", lambda *_: int(NOW.timestamp()))
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def services(services: TestServices, standin: Server) -> TestServices:
    settings = services.settings.model_copy(
        update={"stripe_api_key": payments.KEY, "stripe_base_url": standin.base}
    )
    return dataclasses.replace(services, settings=settings, payments=payments.provider(standin))


@pytest.fixture
def otto(browser: Browsers, cast: Cast, day: Scene, gate: Gate, people: People) -> Browser:
    """Who may pay for the company, which has a wallet."""
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=cast.a.tenant_id)
    made = browser()
    made.sign_in(cast.alice.email)
    return made


def form_of(page: str) -> dict[str, str]:
    key = re.search(r'name="key" value="(top_[0-9a-z]+)"', page)
    assert key
    return {"key": key[1], "amount": "50.00", "method": ""}


def test_a_company_tops_up_on_the_providers_page_then_with_the_saved_card_and_sees_its_receipt(
    otto: Browser,
) -> None:
    page = otto.get("/portal/wallet").text
    well_made(page)
    assert "Stripe" not in page
    form = form_of(page)
    leads = otto.post("/portal/wallet/top-ups", form)
    assert otto.post("/portal/wallet/top-ups", form).location == leads.location
    assert visit(leads.location, card(payments.DECLINED)).status == 200
    back = visit(leads.location, card(payments.ASKS_ALWAYS)).location
    back = visit(visit(back, {"outcome": "complete"}).location).location
    assert otto.get(local(back)).location == "/portal/wallet"
    page = otto.get("/portal/wallet").text
    well_made(page)
    assert "Topped up. Thank you." in page
    assert page.count("£50.00") >= 3
    receipt = re.search(r'href="(/portal/wallet/top-ups/top_[0-9a-z]+/receipt)"', page)
    assert receipt
    assert "GBP 50.00" in visit(otto.get(receipt[1]).location).text
    otto.get("/portal/payment-methods/saved")
    method = re.search(r'<option value="(pm_[0-9a-z]+)"', otto.get("/portal/wallet").text)
    assert method
    form = form_of(otto.get("/portal/wallet").text) | {"method": method[1]}
    asked = otto.post("/portal/wallet/top-ups", form)
    assert "/authenticate/" in asked.location
    back = visit(asked.location, {"outcome": "fail"}).location
    assert otto.get(local(back)).location == "/portal/wallet"
    page = otto.get("/portal/wallet").text
    assert "It was not confirmed to the bank" in page
    otto.post("/language", {"language": "zh_Hans_CN", "next": "/portal/wallet"})
    page = otto.get("/portal/wallet").text
    well_made(page)
    assert "充值" in page


def test_amounts_that_cannot_be_are_said_and_nothing_is_begun(otto: Browser) -> None:
    for amount in ("", "x", "0", "-5", "1.005", "1,250", "1e400", "1000000.00"):
        form = form_of(otto.get("/portal/wallet").text) | {"amount": amount}
        assert otto.post("/portal/wallet/top-ups", form).location == "/portal/wallet"
        page = otto.get("/portal/wallet").text
        is_read = amount in {"0", "-5", "1000000.00"}
        assert ("This amount cannot be" if is_read else "This number cannot be read") in page, amount
        assert 'id="wt"' not in page
    assert otto.post("/portal/wallet/top-ups", {"key": "x", "amount": "5"}).status_code == 404


def test_the_rule_is_set_shown_refused_and_switched_off(otto: Browser, cast: Cast, gate: Gate) -> None:
    asked = {"act": "on", "below": "10", "amount": "50", "cap": "40"}
    otto.post("/portal/wallet/automatic", asked)
    assert "This amount cannot be" in otto.get("/portal/wallet").text
    for field in ("below", "amount", "cap"):
        otto.post("/portal/wallet/automatic", asked | {"cap": "200", field: "1,250"})
        assert "1,250 may be meant two ways" in otto.get("/portal/wallet").text
    otto.post("/portal/wallet/automatic", asked | {"cap": "200"})
    page = otto.get("/portal/wallet").text
    well_made(page)
    assert "It tops itself up from now on." in page
    assert 'value="200.00"' in page
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        wallets.stop_automatic(session, tenant_id=cast.a.tenant_id, why=Stopped.DECLINED)
    page = otto.get("/portal/wallet").text
    assert "Your wallet does not top itself up." in page
    assert "The last payment did not go through." in page
    otto.post("/portal/wallet/automatic", {"act": "off"})
    assert "Stands still" not in otto.get("/portal/wallet").text


def test_programs_top_up_list_and_set_the_rule(
    otto: Browser, program: Programs, cast: Cast, standin: Server, services: TestServices
) -> None:
    key = program(cast.a)
    payments.saved(standin, collecting.know_payer(services, tenant_id=cast.a.tenant_id))
    collecting.refresh_methods(services, tenant_id=cast.a.tenant_id)
    once = {"Idempotency-Key": "a-top-up-1"}
    answers = [key.post("/wallet/top-ups", {"amount_minor": 5000}, headers=once) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].get_json() == answers[1].get_json()
    assert answers[0].get_json()["top_up"]["state"] == "succeeded"
    (listed,) = key.get("/wallet/top-ups").get_json()["data"]
    assert listed == answers[0].get_json()["top_up"]
    wrong = {"below_minor": 1000, "amount_minor": 5000, "cap_minor": 10}
    assert key.call("PUT", "/wallet/automatic", json=wrong).get_json()["code"] == "wallet-amount"
    assert key.call("PUT", "/wallet/automatic", json=wrong | {"cap_minor": 20000}).status_code == 204
    stands = key.get("/wallet").get_json()
    assert stands["available"]["minor"] == 5000
    assert (stands["automatic"]["cap"]["minor"], stands["automatic"]["stopped"]) == (20000, None)
    assert key.delete("/wallet/automatic").status_code == 204
    assert key.get("/wallet").get_json()["automatic"] is None
    others = program(cast.b)
    assert others.post("/wallet/top-ups", {"amount_minor": 5000}).status_code == 404
    assert others.get("/wallet/top-ups").get_json()["data"] == []


def test_the_staff_gives_a_top_up_back_two_people_above_the_limit_and_the_company_sees_it(
    otto: Browser, dana: Browser, browser: Browsers, people: People, program: Programs, cast: Cast,
    standin: Server, services: TestServices,
) -> None:  # fmt: skip
    payments.saved(standin, collecting.know_payer(services, tenant_id=cast.a.tenant_id))
    collecting.refresh_methods(services, tenant_id=cast.a.tenant_id)
    for minor in (5000, 60100):
        program(cast.a).post("/wallet/top-ups", {"amount_minor": minor})
    page = dana.get(home(cast)).text
    well_made(page)
    large, small = re.findall(r'href="(/operator/companies/ten_\w+/wallet/top-ups/top_\w+)"', page)
    page = dana.get(small).text
    well_made(page)
    assert "At most £50.00. Above £500.00 somebody else has to agree." in page
    token = re.search(r'name="refund" value="(ref_[0-9a-z]+)"', page)
    assert token
    form = {"refund": token[1], "amount": "12.00", "reason": "Wrong card"}
    for _ in range(2):
        dana.post(f"{small}/refund", form)
    page = dana.get(small).text
    assert "The money goes back the way it came." in page
    assert "Wrong card" in page
    assert "Taken out of wallets, on its way back" in page  # in the ledger
    dana.post(f"{small}/refund", form | {"refund": ids.public("ref", new_id()), "amount": "38.01"})
    assert "So much cannot be given back" in dana.get(small).text
    for wrong in ("x", "1,250"):
        dana.post(f"{small}/refund", form | {"refund": ids.public("ref", new_id()), "amount": wrong})
        assert "This number cannot be read" in dana.get(small).text
    waits = form | {"refund": ids.public("ref", new_id()), "amount": "600.00"}
    dana.post(f"{large}/refund", waits)
    assert "Somebody else has to decide about it now." in dana.get(large).text
    page = dana.get("/operator/refunds").text
    well_made(page)
    assert page.count("of a top-up") == 2
    assert f'href="{small}"' in page
    (told,) = program(cast.a).get("/refunds").get_json()["data"]  # what waits is the staff's own affair
    assert (told["top_up"], told["payment"]) == (small.rpartition("/")[2], None)
    assert told["state"] == "made"
    rita = browser()
    rita.sign_in(scene.staff(people, "operator_billing", name="Rita").email)
    deed = f"{home(cast).rpartition('/')[0]}/refunds/{waits['refund']}/approve"
    assert f'action="{deed}"' in rita.get("/operator/refunds").text
    rita.post(deed)
    assert "The money goes back the way it came." in rita.get("/operator/refunds").text
    assert [one.amount for one in payments.client(standin).v1.refunds.list().data] == [60000, 1200]
    assert program(cast.a).get("/wallet").get_json()["available"]["minor"] == 3900
    page = otto.get("/portal/refunds").text
    well_made(page)
    assert page.count("See the wallet") == 2
    assert otto.get(small).status_code == 403
    assert dana.post(f"{small}/refund", {"amount": "4.00"}).status_code == 404  # no form of ours


def test_a_top_up_that_is_spent_says_that_nothing_of_it_can_go_back(
    otto: Browser,
    dana: Browser,
    program: Programs,
    cast: Cast,
    standin: Server,
    services: TestServices,
    gate: Gate,
) -> None:
    payments.saved(standin, collecting.know_payer(services, tenant_id=cast.a.tenant_id))
    collecting.refresh_methods(services, tenant_id=cast.a.tenant_id)
    program(cast.a).post("/wallet/top-ups", {"amount_minor": 5000})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        wallets.reserve(
            session, tenant_id=cast.a.tenant_id, use_id=new_id(), amount_nano=50 * 10**9, until=NOW
        )
    found = re.search(
        r'href="(/operator/companies/ten_\w+/wallet/top-ups/top_\w+)"', dana.get(home(cast)).text
    )
    assert found
    page = dana.get(found[1]).text
    well_made(page)
    assert "Nothing of it can be given back" in page
    assert 'id="refund"' not in page
    dana.post(
        f"{found[1]}/refund", {"refund": ids.public("ref", new_id()), "amount": "1", "reason": "Wrong card"}
    )
    assert "There is not so much in the wallet" in dana.get(found[1]).text


def test_a_provider_that_refuses_is_said_and_the_wallet_has_it_again(
    otto: Browser, dana: Browser, program: Programs, cast: Cast, standin: Server, services: TestServices
) -> None:
    payments.saved(standin, collecting.know_payer(services, tenant_id=cast.a.tenant_id))
    collecting.refresh_methods(services, tenant_id=cast.a.tenant_id)
    program(cast.a).post("/wallet/top-ups", {"amount_minor": 5000})
    found = re.search(
        r'href="(/operator/companies/ten_\w+/wallet/top-ups/top_\w+)"', dana.get(home(cast)).text
    )
    assert found
    charge = str(payments.client(standin).v1.balance_transactions.list().data[0].source)
    payments.client(standin).v1.refunds.create({"charge": charge, "amount": 4000})  # we have not heard of it
    dana.post(
        f"{found[1]}/refund", {"refund": ids.public("ref", new_id()), "amount": "50", "reason": "Wrong card"}
    )
    page = dana.get(found[1]).text
    assert "The payment provider would not give it back. It is in the wallet again." in page
    assert "Came back to us" in page
