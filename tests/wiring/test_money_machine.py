"""Payments and top-ups against the provider, in any order: lost questions and answers, 409, 429, 500, news
twice, reversed and out of turn, pages left, banks asked, money given back, taken back, given again.

When all is quiet again, our books and the provider's are the same line by line, and what each payment says is
what the provider says of it. Source: reference: billing, section 2, number 25.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from stripe import _http_client

from billing import ledger, wallets
from billing.documents.document import InvoiceDocument
from billing.payments import attempts, news, top_ups
from billing.payments.port import News, State
from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from standin.server import Server
from tests.billing import stock
from tests.factories import payments
from tests.factories.payments import Means, card, visit
from tests.wiring.test_collecting import ALICE, WAY, opened
from tests.wiring.test_reconciling import compare
from wiring import collecting, refunding, topping_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CARDS = (payments.PAID, payments.FAILS_LATER, payments.ASKS_ALWAYS, payments.REFUNDS_LATER)
TYPED = (payments.PAID, payments.DECLINED, payments.ASKS_ALWAYS, payments.DISPUTED, payments.REFUND_FAILS)
TROUBLE = ("409", "429", "500", "lost-question", "lost-answer")


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(_http_client.HTTPClient, "INITIAL_DELAY", 0.0)
    monkeypatch.setattr(_http_client.HTTPClient, "MAX_DELAY", 0.0)
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


class Money(RuleBasedStateMachine):
    """One company with an invoice and a wallet, each time another one; the provider is the model."""

    means: Means
    standin: Server
    tariff: Any
    number = 0
    since: dt.datetime
    company: TenantId
    invoice: InvoiceDocument

    @initialize(number=st.sampled_from(CARDS))
    def a_company_with_a_saved_card(self, number: str) -> None:
        type(self).number += 1
        self.standin.control("well", {})
        self.company = opened(self.means.gate, f"Company {type(self).number}")
        with self.means.gate.open(Scope.system(self.company)) as session:
            stock.customer(session, tenant_id=self.company, version=self.tariff)
        self.invoice = payments.another(self.means.gate, self.company)
        with self.means.gate.open(Scope.system(self.company)) as session:
            wallets.open_wallet(session, tenant_id=self.company)
        payments.saved(self.standin, collecting.know_payer(self.means, tenant_id=self.company), number)
        collecting.refresh_methods(self.means, tenant_id=self.company)

    @rule(kinds=st.lists(st.sampled_from(TROUBLE), min_size=1, max_size=4))
    def there_will_be_trouble(self, kinds: list[str]) -> None:
        self.standin.control("fault", {"kinds": ",".join(kinds)})

    @rule()
    def it_is_collected_by_itself(self) -> None:
        self._try(
            lambda: collecting.collect(self.means, tenant_id=self.company, invoice_id=self.invoice.invoice_id)
        )

    @rule(completes=st.booleans())
    def a_person_pays_with_the_saved_card(self, *, completes: bool) -> None:
        gone_on = self._try(
            lambda: collecting.pay_with_saved(
                self.means,
                tenant_id=self.company,
                invoice_id=self.invoice.invoice_id,
                method_id=None,
                by_user=ALICE,
                return_to=lambda _: WAY.done_url,
            )
        )
        if gone_on and "/authenticate/" in gone_on.url:
            visit(gone_on.url, {"outcome": "complete" if completes else "fail"})

    @rule(number=st.sampled_from(("", *TYPED)), completes=st.booleans())
    def a_person_goes_to_the_page(self, number: str, *, completes: bool) -> None:
        gone_on = self._try(
            lambda: collecting.pay_on_page(
                self.means,
                tenant_id=self.company,
                invoice_id=self.invoice.invoice_id,
                by_user=ALICE,
                way=lambda _: WAY,
            )
        )
        self._type(gone_on.url if gone_on else "", number, completes=completes)

    @rule(
        minor=st.integers(100, 9000), number=st.sampled_from(("", "saved", *TYPED)), completes=st.booleans()
    )
    def a_wallet_is_topped_up(self, minor: int, number: str, *, completes: bool) -> None:
        whose: dict[str, Any] = {
            "tenant_id": self.company,
            "top_up_id": new_id(),
            "amount_minor": minor,
            "by_user": ALICE,
        }
        if number == "saved":
            self._try(
                lambda: topping_up.with_saved(
                    self.means, method_id=None, return_to=lambda _: WAY.done_url, **whose
                )
            )
            return
        gone_on = self._try(lambda: topping_up.on_page(self.means, way=lambda _: WAY, **whose))
        self._type(gone_on.url if gone_on else "", number, completes=completes)

    @rule(minor=st.integers(1, 9000), part=st.integers(1, 9000))
    def the_staff_gives_a_top_up_back(self, minor: int, part: int) -> None:
        with self.means.gate.open(Scope.system(self.company)) as session:
            paid = top_ups.every(session, tenant_id=self.company, states=(State.SUCCEEDED,))
        if not paid:
            return
        self._try(
            lambda: refunding.ask(
                self.means,
                tenant_id=self.company,
                top_up_id=paid[0].top_up_id,
                refund_id=new_id(),
                amount_minor=min(minor, part),
                reason="Asked for",
                by=ALICE,
            )
        )

    @rule(back=st.integers(1, 9000), way=st.sampled_from(["refund", "dispute", "win", "settle"]))
    def money_goes_back_or_comes_again(self, back: int, way: str) -> None:
        charges = [
            one
            for one in self.standin.api.store.every("charge")
            if one["paid"] and one["metadata"].get("seatline_tenant") == str(self.company)
        ]
        disputes = [one for one in self.standin.api.store.every("dispute") if one["status"] != "won"]
        if way == "settle":
            self.standin.control("settle", {})
        elif way == "win":
            for one in disputes[:1]:
                self.standin.control("win", {"dispute": one["id"]})
        elif way == "dispute":
            for one in [one for one in charges if not one["disputed"] and not one["amount_refunded"]][:1]:
                self.standin.control("dispute", {"charge": one["id"]})
        else:
            whole = [one for one in charges if not one["disputed"]]
            for one in [one for one in whole if one["amount"] - one["amount_refunded"] >= back][:1]:
                with self.standin.api.lock, self.standin.api.store.transaction():
                    self.standin.api.till.refund(one, {"amount": back})

    # drawn without looking at how much there is: news of the examples before is there as well
    @rule(chosen=st.lists(st.integers(0, 999), max_size=6))
    def news_comes_in_some_order_some_of_it_twice(self, chosen: list[int]) -> None:
        told = self._try(lambda: self.means.payments.news_since(self.since)) or ()
        if told:
            for at in chosen:
                self._hear(told[at % len(told)])

    @rule()
    def the_sweep_goes_round(self) -> None:
        self._try(lambda: collecting.sweep(self.means))

    def teardown(self) -> None:
        """Let all be quiet; then the two books say the same."""
        if not hasattr(self, "company"):
            return
        self.standin.control("well", {})
        self.standin.control("settle", {})
        for _ in range(2):
            self._come_to_rest()
        with self.means.gate.open(Scope.system(self.company)) as session:
            paid = attempts.of_invoice(session, tenant_id=self.company, invoice_id=self.invoice.invoice_id)
            put_in = top_ups.every(session, tenant_id=self.company, limit=100)
            balances = ledger.trial_balance(session, tenant_id=self.company)
            wallet = wallets.find(session, tenant_id=self.company)
        named = [(one.remote_id, one.state) for one in paid if one.remote_id]
        named += [(one.remote_id, one.state) for one in put_in if one.remote_id]
        ours = dict(named)
        assert len(ours) == len(named)  # no two of ours are one of theirs
        theirs = {
            one["id"]: one["status"]
            for one in self.standin.api.store.every("payment_intent")
            if one["metadata"].get("seatline_tenant") == str(self.company)
        }
        for remote_id, status in theirs.items():
            is_paid = status == "succeeded"
            assert (ours.get(remote_id) is State.SUCCEEDED) == is_paid, (remote_id, status, ours)
        there = sum(
            line["net"]
            for line in self.standin.api.store.every("balance_transaction")
            if self._whose(line["source"]) == str(self.company)
        )
        assert sum(one.balance_minor for one in balances if one.account == "clearing") == there
        assert sum(one.balance_minor for one in balances) == 0
        assert sum(one.balance_minor for one in balances if one.account == "going-back") == 0
        assert wallet is not None
        assert wallet.balance_nano == -10_000_000 * sum(
            one.balance_minor for one in balances if one.account == "wallet"
        )
        assert compare(self.means).found == 0

    def _come_to_rest(self) -> None:
        self.standin.control("forget", {})
        for one in self.means.payments.news_since(self.since):
            self._hear(one)
        with self.means.gate.open(Scope.system(self.company)) as session:
            paying = attempts.of_invoice(session, tenant_id=self.company, invoice_id=self.invoice.invoice_id)
            putting = top_ups.every(session, tenant_id=self.company, limit=100)
        for pay in paying:
            collecting.look_again(
                self.means, tenant_id=self.company, payment_id=pay.payment_id, source="sweep"
            )
        with clock.hold(clock.now() + dt.timedelta(minutes=11)):
            refunding.sweep(self.means)  # refunds that were cut off
        for put in putting:
            topping_up.look_again(self.means, tenant_id=self.company, top_up_id=put.top_up_id)

    def _hear(self, one: News) -> None:
        account = self.means.payments.account
        with self.means.gate.open(Scope.system(OPERATOR)) as session:
            news.take(session, account=account, news=one, source=news.WEBHOOK)
            (piece,) = [
                found for found in news.every(session, limit=10_000) if found.event_id == one.event_id
            ]
        self._try(lambda: collecting.hear(self.means, news_id=piece.news_id))

    def _type(self, url: str, number: str, *, completes: bool) -> None:
        """Type a card on the provider's page, and answer the bank; with none the page is left open."""
        if not url or not number:
            return
        seen = visit(url, card(number))
        if "/authenticate/" in seen.location:
            visit(seen.location, {"outcome": "complete" if completes else "fail"})
            visit(f"{url}/done")

    def _try(self, deed: Callable[[], Any]) -> Any:
        """Do something that trouble, or how things stand, may refuse."""
        with contextlib.suppress(SeatlineError):
            return deed()
        return None

    def _whose(self, source: str) -> str:
        found = self.standin.api.store.get(source) or {}
        if found.get("object") in {"refund", "dispute"}:
            found = self.standin.api.store.get(found["charge"]) or {}
        return str((found.get("metadata") or {}).get("seatline_tenant"))


def test_our_books_come_to_what_the_provider_says_through_any_trouble(
    gate: Gate, vault: Vault, standin: Server
) -> None:
    class Machine(Money):
        pass

    Machine.means, Machine.standin = Means(gate, vault, payments.provider(standin)), standin
    Machine.tariff, Machine.since = stock.publish(gate), clock.now() - dt.timedelta(minutes=1)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=6,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
