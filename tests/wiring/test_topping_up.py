"""A wallet is topped up by card, by people and by itself, through the real library and the stand-in."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text

from billing import wallets
from billing.errors import (
    PaymentMethodNotFoundError,
    PaymentMismatchError,
    ProviderAwayError,
    TopUpNotFoundError,
    WalletAmountError,
    WalletNotFoundError,
)
from billing.events import TopUpWanted
from billing.payments import news, top_ups
from billing.payments.port import Order, Reason, RemotePayment, State
from billing.payments.stripe import StripeProvider
from billing.payments.top_ups import TopUp
from billing.wallets import Automatic, Stopped
from core import clock
from core.ids import OPERATOR, PaymentId, TenantId, UserId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from standin.server import Server
from tests.billing import stock
from tests.factories import payments
from tests.factories.payments import Means, card, visit
from tests.wiring.test_collecting import WAY, balances, hear_everything, opened, save
from tests.wiring.test_reconciling import compare
from wiring import topping_up
from wiring.topping_up import Next

ALICE = UserId(new_id())
FEE = 95  # of £50.00


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(gate: Gate, vault: Vault, standin: Server) -> Means:
    return Means(gate, vault, payments.provider(standin))


@pytest.fixture
def company(gate: Gate) -> TenantId:
    tenant_id = opened(gate, "Pelican Parcel")
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
        wallets.open_wallet(session, tenant_id=tenant_id)
    return tenant_id


def put_in(means: Means, company: TenantId, *, minor: int = 5000, top_up_id: UUID | None = None) -> Next:
    return topping_up.with_saved(
        means,
        tenant_id=company,
        top_up_id=top_up_id or new_id(),
        amount_minor=minor,
        method_id=None,
        by_user=ALICE,
        return_to=lambda _: "http://127.0.0.1/seen",
    )


def on_page(means: Means, company: TenantId, *, top_up_id: UUID | None = None) -> Next:
    return topping_up.on_page(
        means,
        tenant_id=company,
        top_up_id=top_up_id or new_id(),
        amount_minor=5000,
        by_user=ALICE,
        way=lambda _: WAY,
    )


def available(means: Means, company: TenantId) -> int:
    with means.gate.open(Scope.system(company)) as session:
        found = wallets.find(session, tenant_id=company)
    assert found is not None
    return found.available_nano // 10_000_000


def all_of(means: Means, company: TenantId) -> tuple[TopUp, ...]:
    with means.gate.open(Scope.system(company)) as session:
        return top_ups.every(session, tenant_id=company)


def rule(means: Means, company: TenantId) -> Automatic:
    with means.gate.open(Scope.system(company)) as session:
        found = wallets.automatic(session, tenant_id=company)
    assert found is not None
    return found


def switch_on(means: Means, company: TenantId, *, below: int = 1000, cap: int = 20000) -> None:
    with means.gate.open(Scope.system(company)) as session:
        wallets.set_automatic(session, tenant_id=company, below_minor=below, amount_minor=5000, cap_minor=cap)


def spend(means: Means, company: TenantId, minor: int) -> None:
    with means.gate.open(Scope.system(company)) as session:
        wallets.settle(session, tenant_id=company, use_id=new_id(), cost_nano=minor * 10_000_000)


def wished(means: Means, company: TenantId) -> int:
    """How often the wallet has asked to be topped up."""
    with means.gate.open(Scope.system(company)) as session:
        found = session.scalar(text("SELECT count(*) FROM app.outbox WHERE name = 'TopUpWanted'"))
    return int(found or 0)


def told(means: Means, company: TenantId) -> int:
    """How often its people were told that it stands still."""
    with means.gate.open(Scope.system(company)) as session:
        found = session.scalar(text("SELECT count(*) FROM app.outbox WHERE name = 'TopUpFailed'"))
    return int(found or 0)


def carry_out(means: Means, company: TenantId) -> None:
    topping_up.by_itself(means, TopUpWanted(tenant_id=company))


def test_a_saved_card_tops_up_once_whatever_is_heard(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company)
    done = put_in(means, company)
    assert (done.url, done.top_up.state) == ("", State.SUCCEEDED)
    for _ in range(2):
        hear_everything(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        for piece in news.every(session, limit=200):  # newest first: out of order, and all of it again
            news.replay(session, news_id=piece.news_id)
    hear_everything(means)
    assert available(means, company) == 5000
    assert balances(means, company) == {"wallet": -5000, "clearing": 5000 - FEE, "provider-fees": FEE}
    with means.gate.open(Scope.system(company)) as session:
        assert len(wallets.entries(session, tenant_id=company)) == 1
    assert compare(means).found == 0


def test_news_that_comes_before_our_own_answer_puts_it_in_and_the_answer_nothing_more(
    means: Means, standin: Server, company: TenantId
) -> None:
    begun = on_page(means, company)
    visit(begun.url, card(payments.PAID))
    hear_everything(means)
    assert available(means, company) == 5000
    after = topping_up.look_again(
        means, tenant_id=company, top_up_id=begun.top_up.top_up_id, leaves_page=True
    )
    assert after.state is State.SUCCEEDED
    assert available(means, company) == 5000


def test_a_form_that_is_sent_twice_charges_once(means: Means, standin: Server, company: TenantId) -> None:
    save(means, standin, company)
    form = new_id()
    for _ in range(2):
        assert put_in(means, company, top_up_id=form).top_up.state is State.SUCCEEDED
    page = new_id()
    assert on_page(means, company, top_up_id=page).url == on_page(means, company, top_up_id=page).url
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1
    assert available(means, company) == 5000


def test_a_bank_that_asks_is_answered_before_anything_is_put_in(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company, payments.ASKS_ALWAYS)
    asked = put_in(means, company)
    assert asked.top_up.state is State.REQUIRES_ACTION
    assert available(means, company) == 0
    visit(asked.url, {"outcome": "complete"})
    hear_everything(means)
    assert available(means, company) == 5000
    refused = put_in(means, company)
    visit(refused.url, {"outcome": "fail"})
    hear_everything(means)
    assert all_of(means, company)[0].reason is Reason.NOT_CONFIRMED
    assert available(means, company) == 5000


def test_a_decline_puts_nothing_in_and_says_why(means: Means, standin: Server, company: TenantId) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    done = put_in(means, company)
    assert (done.top_up.state, done.top_up.reason) == (State.FAILED, Reason.DECLINED)
    hear_everything(means)
    assert balances(means, company) == {}


def test_a_page_that_was_left_ends_the_top_up(means: Means, standin: Server, company: TenantId) -> None:
    begun = on_page(means, company)
    after = topping_up.look_again(
        means, tenant_id=company, top_up_id=begun.top_up.top_up_id, leaves_page=True
    )
    assert after.state is State.CANCELLED
    other = on_page(means, company)
    page = all_of(means, company)[0].page_id
    means.payments.close_page(page)
    hear_everything(means)
    assert all_of(means, company)[0].state is State.CANCELLED
    assert visit(other.url).status == 410


def test_amounts_and_companies_that_cannot_be_are_refused(
    means: Means, standin: Server, company: TenantId, gate: Gate
) -> None:
    save(means, standin, company)
    for minor in (0, -1, 100_000_000):
        with pytest.raises(WalletAmountError):
            put_in(means, company, minor=minor)
    other = opened(gate, "Quayside Clinics")
    with pytest.raises(PaymentMethodNotFoundError):
        put_in(means, other)
    with pytest.raises(TopUpNotFoundError):
        topping_up.look_again(means, tenant_id=company, top_up_id=new_id())
    version = stock.publish(gate, code="other")
    with gate.open(Scope.system(other)) as session:
        stock.customer(session, tenant_id=other, version=version, price_list="other")
    save(means, standin, other)
    with pytest.raises(WalletNotFoundError):
        put_in(means, other)
    assert all_of(means, company) == all_of(means, other) == ()


def test_another_payment_or_amount_is_refused_and_nothing_is_put_in(means: Means, company: TenantId) -> None:
    begun = on_page(means, company).top_up
    right = {
        "remote_id": "pi_1",
        "state": State.SUCCEEDED,
        "amount_minor": 5000,
        "currency": "GBP",
        "payment_id": begun.top_up_id,
    }
    for wrong in (
        {"amount_minor": 5001},
        {"currency": "EUR"},
        {"payment_id": PaymentId(new_id())},
        {"invoice_id": new_id()},
    ):
        with pytest.raises(PaymentMismatchError), means.gate.open(Scope.system(company)) as session:
            top_ups.record(
                session,
                tenant_id=company,
                top_up_id=begun.top_up_id,
                remote=RemotePayment(**{**right, **wrong}),  # type: ignore[arg-type] # any field
            )
    assert available(means, company) == 0


def test_a_wallet_tops_itself_up_when_little_is_left_until_it_has_enough(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company)
    put_in(means, company, minor=1500)
    switch_on(means, company)
    carry_out(means, company)  # nothing is wanted yet
    assert wished(means, company) == 0
    spend(means, company, 1000)
    assert wished(means, company) == 1
    spend(means, company, 1)
    assert wished(means, company) == 1  # told once
    carry_out(means, company)
    carry_out(means, company)
    assert available(means, company) == 5499
    assert [one.initiator for one in all_of(means, company)] == ["automatic", "person"]


def test_one_that_brings_too_little_is_followed_by_another(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company)
    switch_on(means, company, below=8000)
    assert wished(means, company) == 1
    carry_out(means, company)
    assert wished(means, company) == 2
    carry_out(means, company)
    assert available(means, company) == 10000
    assert wished(means, company) == 2


def test_the_months_amount_is_never_passed_and_the_next_month_goes_on(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company)
    with clock.hold(dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)):
        switch_on(means, company, cap=9999)
        carry_out(means, company)
        spend(means, company, 4999)
        carry_out(means, company)
        assert available(means, company) == 1
        assert rule(means, company).stopped is Stopped.CAP
        for _ in range(2):
            topping_up.sweep(means)
        assert rule(means, company).stopped is Stopped.CAP
        assert told(means, company) == 1, "its people heard of it once"
    with clock.hold(dt.datetime(2026, 12, 1, 0, 1, tzinfo=dt.UTC)):
        topping_up.sweep(means)
    assert available(means, company) == 5001
    assert rule(means, company).stopped is None


def test_after_a_decline_it_stands_still_until_somebody_switches_it_on(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    switch_on(means, company)
    carry_out(means, company)
    assert rule(means, company).stopped is Stopped.DECLINED
    for _ in range(2):
        carry_out(means, company)
        topping_up.sweep(means)
    asked = wished(means, company)
    with means.gate.open(Scope.system(company)) as session:
        wallets.top_up(
            session, tenant_id=company, key="bank:1", amount_minor=500, source="bank", at=clock.now()
        )
    assert wished(means, company) == asked, "too little came, and it stands still"
    assert len(all_of(means, company)) == 1
    intent = payments.client(standin).v1.payment_intents.list().data[0]
    assert intent.status == "canceled"
    switch_on(means, company)
    assert rule(means, company).stopped is None
    carry_out(means, company)
    assert len(all_of(means, company)) == 2


def test_without_a_saved_card_it_stops_and_says_so(means: Means, company: TenantId) -> None:
    switch_on(means, company)
    carry_out(means, company)
    assert rule(means, company).stopped is Stopped.NO_METHOD


class Cut(StripeProvider):
    """A provider whose answers are lost on the way back."""

    def charge(self, order: Order, *, method: str, return_url: str | None) -> RemotePayment:
        super().charge(order, method=method, return_url=return_url)
        raise ProviderAwayError(why="test")


def test_one_that_was_cut_off_is_found_and_not_charged_again(
    means: Means, standin: Server, company: TenantId, gate: Gate, vault: Vault
) -> None:
    save(means, standin, company)
    switch_on(means, company)
    cut = Means(gate, vault, Cut(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base))
    with pytest.raises(ProviderAwayError):
        carry_out(cut, company)
    standin.control("forget", {})
    carry_out(means, company)
    carry_out(means, company)
    assert available(means, company) == 5000
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1


def test_one_a_person_was_cut_off_from_is_asked_after(
    means: Means, standin: Server, company: TenantId, gate: Gate, vault: Vault
) -> None:
    save(means, standin, company)
    cut = Means(gate, vault, Cut(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base))
    with pytest.raises(ProviderAwayError):
        put_in(cut, company)
    with clock.hold(clock.now() + dt.timedelta(minutes=11)):
        topping_up.sweep(means)
    assert available(means, company) == 5000


def test_what_the_bank_takes_back_goes_out_as_far_as_it_is_there_and_comes_again(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company)
    done = put_in(means, company)
    switch_on(means, company)
    spend(means, company, 2000)
    charge = str(payments.client(standin).v1.balance_transactions.list().data[0].source)
    dispute = str(standin.control("dispute", {"charge": charge})["done"])
    for _ in range(2):
        hear_everything(means)
    assert available(means, company) == 0
    assert rule(means, company).stopped is Stopped.TAKEN_BACK
    assert balances(means, company) == {
        "wallet": -2000,
        "taken-back": 2000,
        "clearing": -FEE,
        "provider-fees": FEE,
    }
    assert compare(means).found == 0
    standin.control("win", {"dispute": dispute})
    for _ in range(2):
        topping_up.look_again(means, tenant_id=company, top_up_id=done.top_up.top_up_id)
    assert available(means, company) == 3000
    assert balances(means, company)["taken-back"] == 0
    assert compare(means).found == 0


def test_a_refund_made_at_the_provider_goes_out_of_the_wallet_once(
    means: Means, standin: Server, company: TenantId
) -> None:
    save(means, standin, company)
    put_in(means, company)
    charge = str(payments.client(standin).v1.balance_transactions.list().data[0].source)
    payments.client(standin).v1.refunds.create({"charge": charge, "amount": 1200})
    for _ in range(2):
        hear_everything(means)
    assert available(means, company) == 3800
    assert compare(means).found == 0


def test_an_automatic_rule_that_cannot_be_is_refused(means: Means, company: TenantId) -> None:
    for below, amount, cap in ((-1, 100, 100), (100, 0, 100), (100, 200, 199), (100, 1, 10**12)):
        with pytest.raises(WalletAmountError), means.gate.open(Scope.system(company)) as session:
            wallets.set_automatic(
                session, tenant_id=company, below_minor=below, amount_minor=amount, cap_minor=cap
            )
    switch_on(means, company)
    with means.gate.open(Scope.system(company)) as session:
        wallets.set_automatic(session, tenant_id=company, below_minor=None)
        assert wallets.automatic(session, tenant_id=company) is None
