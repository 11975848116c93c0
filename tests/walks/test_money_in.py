"""Money in, on real parts: a card saved, the demo's open invoice charged to it, told by webhook, paid."""

import contextlib
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from billing import invoices, ledger
from billing.payments import news
from core import ids
from core.ids import OPERATOR
from launch.files import read_json
from security.gate import Scope
from tenants import companies
from tests.factories import payments
from tests.factories.payments import card, visit
from tests.walks.conftest import Running, started, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Running]:
    with started({"SWITCH_URL": "simulator:"}, is_simulated=True) as running:
        yield running


@dataclass
class Person:
    """Somebody with a browser, as far as HTTP goes."""

    running: Running
    email: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        settings = self.running.stand.house.settings
        self.http = httpx.Client(base_url=settings.public_url, timeout=20, trust_env=False)
        people = read_json(self.running.place.sign_ins)["people"]
        password = next(one["password"] for one in people if one["email"] == self.email)
        assert self.post("/sign-in", "/sign-in", email=self.email, password=password).status_code == 303

    def close(self) -> None:
        self.http.close()

    def page(self, path: str) -> str:
        answer = self.http.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def post(self, on: str, path: str, /, **form: str) -> httpx.Response:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page(on))
        assert token
        return self.http.post(path, data={"csrf_token": token[1], **form})

    def follow(self, address: str) -> None:
        """Go where a page of the provider's leads back to."""
        assert self.http.get(urllib.parse.urlsplit(address).path).status_code == 303


def test_a_finalised_invoice_is_paid_and_the_portal_says_so(simulated: Running) -> None:
    house = simulated.stand.house
    with house.gate.open(Scope.system(OPERATOR)) as session:
        pelican = next(one for one in companies.clients(session) if one.name == "Pelican Parcel")
    with house.gate.open(Scope.system(pelican.tenant_id)) as session:
        (open_one,) = invoices.every(session, tenant_id=pelican.tenant_id)
    with contextlib.closing(Person(simulated, "alice@pelican.example")) as alice:
        pay(simulated, alice, f"/portal/invoices/{ids.public('inv', open_one.invoice_id)}")
    with house.gate.open(Scope.system(pelican.tenant_id)) as session:
        balances = {
            one.account: one.balance_minor
            for one in ledger.trial_balance(session, tenant_id=pelican.tenant_id)
        }
    assert balances["receivable"] == 0
    assert balances["clearing"] > 0
    assert sum(balances.values()) == 0


def pay(simulated: Running, alice: Person, invoice: str) -> None:
    house = simulated.stand.house
    leads = alice.post("/portal/payment-methods", "/portal/payment-methods")
    alice.follow(visit(leads.headers["Location"], card(payments.PAID)).location)
    assert "•••• 4242" in alice.page("/portal/payment-methods")

    # the news is held back, then told twice and in reverse
    control(simulated, "hold")
    assert "Nothing is due." not in alice.page(invoice)
    saved = re.search(r'name="method"[^>]*value="(pm_[^"]+)"', alice.page(invoice))
    assert saved
    assert alice.post(invoice, f"{invoice}/pay", method=saved[1]).status_code == 303
    wait_for(lambda: "Nothing is due." in alice.page(invoice), what="the card is charged", patience_s=40)
    control(simulated, "release", order="reversed", times="2")

    def told() -> bool:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            pieces = news.every(session, limit=200)
        paid = [one for one in pieces if one.kind == "payment_intent.succeeded"]
        return bool(paid) and all(one.times == 2 and one.state == "done" for one in paid)

    wait_for(told, what="the webhooks come twice and are looked into", patience_s=40)
    assert ">Paid<" in re.sub(r"<svg.*?</svg>", "", alice.page(invoice))
    # the provider's copy came first, and is told of the payment: nobody can pay there
    wait_for(lambda: "See it there" in alice.page(invoice), what="the copy is paid as well", patience_s=40)
    there = re.search(r'href="([^"]+/invoice/in_[^"/]+)"', alice.page(invoice))
    assert there
    assert "It is paid" in visit(there[1]).text


def control(running: Running, what: str, **form: str) -> None:
    settings = running.stand.house.settings
    key = {"Authorization": f"Bearer {settings.stripe_api_key}"}
    answer = httpx.post(
        f"{settings.stripe_base_url}/_standin/{what}", data=form, headers=key, trust_env=False
    )
    assert answer.status_code == 200
