"""The button that puts parts of shared calls right after the other payer's invoice; and who presses it."""

import re
from collections.abc import Iterator

import pytest

from billing import credit_notes, explorer, safety
from billing.safety import Safety
from core import clock, ids
from core.ids import OPERATOR, TenantId, new_id
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_settling import repriced
from tests.billing.test_sharing import AFTER, agree, billed, hear, rate_again, record
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast

CODE = "sharing"


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    with clock.hold(AFTER):
        yield


@pytest.fixture
def payer(gate: Gate, cast: Cast) -> TenantId:
    """Charlie's company pays 40 % of Alice's calls; October is closed."""
    version = stock.publish(gate, code=CODE)
    for company in (cast.a, cast.b):
        with gate.open(Scope.system(company.tenant_id)) as session:
            stock.customer(session, tenant_id=company.tenant_id, version=version, price_list=CODE)
    agree(gate, cast.a.tenant_id, cast.b.tenant_id)
    record(gate, cast.a.tenant_id, *(stock.usage(f"c{n}", seconds=60) for n in range(3)))
    hear(gate, cast.a.tenant_id)
    billed(gate, cast.b.tenant_id)
    return cast.b.tenant_id


def reprice(gate: Gate, cast: Cast, nano: int) -> str:
    """Rate Alice's calls again; return the address of what contradicts Charlie's invoice."""
    rate_again(gate, cast.a.tenant_id, repriced(gate, cast.a.tenant_id, nano, step=0, code=CODE))
    hear(gate, cast.a.tenant_id)
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        first = explorer.kept(session, tenant_id=cast.b.tenant_id)[0][0]
    return f"/operator/usage/{ids.public('ten', cast.b.tenant_id)}/conflicts/{ids.public('con', first.id)}"


@pytest.fixture
def dana(browser: Browsers, people: People, cast: Cast) -> Browser:
    people.operator()
    made = browser()
    made.sign_in(scene.staff(people, "operator_billing").email)
    return made


def press(page: Browser, where: str, reason: str = "The carrier had it wrong") -> str:
    """Settle as the dialog would; return the page that comes after."""
    (key,) = re.findall(r'name="key" value="([^"]*)"', page.get(where).text)
    done = page.post(where, {"verdict": "settle", "key": key, "reason": reason})
    return page.get(done.location).text


def test_too_much_is_given_back_by_a_credit_note(
    dana: Browser, browser: Browsers, gate: Gate, cast: Cast, payer: TenantId
) -> None:
    where = reprice(gate, cast, 50_000_000)
    page = dana.get(where).text
    for words in (
        "Give back £0.03",
        "3 parts of shared calls on this invoice were rated again.",
        "£0.03 before tax",
    ):
        assert words in page
    assert "Take the later report over?" not in page
    assert "A decision needs a reason" in press(dana, where, " ")
    after = press(dana, where)
    assert re.search(r"Credit note SL-CN-2026-\d{6} is issued", after)
    assert "put the difference right" in after
    assert "Give back" not in dana.get(where).text
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    (paper,) = set(re.findall(r"/portal/invoices/inv_[0-9a-z]+", charlie.get("/portal/invoices").text))
    text = charlie.get(paper).text
    assert "SL-CN-2026-" in text
    # behind a line of somebody else's calls there is no call to look at: what was used is shown
    assert "rounded sum of these exact amounts" in charlie.get(f"{paper}/lines/1").text


def test_too_little_is_charged_on_the_next_invoice(
    dana: Browser, browser: Browsers, gate: Gate, cast: Cast, payer: TenantId
) -> None:
    where = reprice(gate, cast, 100_000_000)
    assert "Charge £0.03 more" in dana.get(where).text
    assert "It is put right." in press(dana, where)
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    assert "rated again since SL-2026-" in charlie.get("/portal/invoices/preview").text


def test_what_changed_meanwhile_is_looked_at_again(
    dana: Browser, gate: Gate, cast: Cast, payer: TenantId
) -> None:
    where = reprice(gate, cast, 100_000_000)
    done = dana.post(where, {"verdict": "settle", "key": "1:99:3", "reason": "As seen"})
    assert "It would come to something else by now" in dana.get(done.location).text
    press(dana, where)
    again = dana.post(where, {"verdict": "settle", "key": "1:3:3", "reason": "Twice"})
    assert "Somebody has decided about it already" in dana.get(again.location).text


def test_above_the_limit_it_waits_for_somebody_else_and_says_what_became_of_it(
    dana: Browser, gate: Gate, cast: Cast, payer: TenantId
) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        safety.change(session, tenant_id=OPERATOR, safety=Safety(second_above=0), by=new_id())
    where = reprice(gate, cast, 50_000_000)
    assert "Above your limit" in dana.get(where).text
    after = press(dana, where)
    assert "Somebody else has to decide about the credit note now." in after
    assert "The credit note waits for a second person." in after
    with gate.open(Scope.system(payer)) as session:
        (note,) = credit_notes.waiting(session, tenant_id=payer)
        credit_notes.refuse(session, tenant_id=payer, credit_note_id=note.credit_note_id, by=cast.alice.id)
    assert "nothing was given back" in dana.get(where).text


def test_less_than_a_penny_moves_nothing_and_says_so(
    dana: Browser, gate: Gate, cast: Cast, payer: TenantId
) -> None:
    where = reprice(gate, cast, 72_600_000)
    assert "less than the smallest coin" in dana.get(where).text
    assert "It is put right." in press(dana, where)


def test_support_sees_it_and_presses_nothing(
    browser: Browsers, people: People, gate: Gate, cast: Cast, payer: TenantId
) -> None:
    people.operator()
    omar = browser()
    omar.sign_in(scene.staff(people, "operator_support").email)
    where = reprice(gate, cast, 50_000_000)
    assert "Give back" not in omar.get(where).text
    assert omar.post(where, {"verdict": "settle", "key": "1:-3:3", "reason": "x"}).status_code == 403
