"""Top-ups the staff gives back: once, never what is reserved, and into the wallet again when refused."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text

from billing import wallets
from billing.errors import (
    PaymentNotFoundError,
    ProviderAwayError,
    ProviderRefusesError,
    RefundAskedError,
    RefundDecidedError,
    RefundReasonError,
    RefundTooLargeError,
    SecondPersonError,
    TopUpNotFoundError,
    WalletShortError,
)
from billing.payments import refunds, top_ups
from billing.payments.port import RemotePayment
from billing.payments.refunds import Refund, Standing
from billing.payments.stripe import StripeProvider
from billing.wallets import Stopped
from core import clock
from core.ids import PaymentId, TenantId, new_id
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from standin.server import Server
from tests.billing import stock
from tests.factories import payments
from tests.factories.payments import Means, card, visit
from tests.wiring.test_collecting import balances, hear_everything, opened, save
from tests.wiring.test_reconciling import compare
from tests.wiring.test_topping_up import FEE, available, on_page, put_in, rule, spend, switch_on
from wiring import refunding

ASKS, DECIDES = new_id(), new_id()
PENNY = 10_000_000


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(gate: Gate, vault: Vault, standin: Server) -> Means:
    return Means(gate, vault, payments.provider(standin))


@pytest.fixture
def company(gate: Gate, means: Means, standin: Server) -> TenantId:
    tenant_id = opened(gate, "Pelican Parcel")
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
        wallets.open_wallet(session, tenant_id=tenant_id)
    save(means, standin, tenant_id)
    return tenant_id


def top_up(means: Means, company: TenantId, minor: int = 5000) -> PaymentId:
    return put_in(means, company, minor=minor).top_up.top_up_id


def ask(
    means: Means,
    company: TenantId,
    of: UUID,
    minor: int,
    *,
    form: UUID | None = None,
    reason: str = "Wrong card",
) -> Refund:
    return refunding.ask(
        means,
        tenant_id=company,
        top_up_id=of,
        refund_id=form or new_id(),
        amount_minor=minor,
        reason=reason,
        by=ASKS,
    )


def every(means: Means, company: TenantId) -> tuple[Refund, ...]:
    with means.gate.open(Scope.system(company)) as session:
        return refunds.every(session, tenant_id=company)


def made_there(standin: Server) -> list[int]:
    return [one.amount for one in payments.client(standin).v1.refunds.list().data]


def settled(means: Means, company: TenantId) -> None:
    """What stands in the wallet, in the ledger and in the provider's books is the same."""
    with means.gate.open(Scope.system(company)) as session:
        wallet = wallets.find(session, tenant_id=company)
        used = session.scalar(
            text("SELECT coalesce(sum(amount_nano), 0) FROM app.wallet_entries WHERE kind = 'used'")
        )
    assert wallet is not None
    stands = balances(means, company)
    assert wallet.balance_nano - int(used or 0) == -stands.get("wallet", 0) * PENNY
    assert stands.get("going-back", 0) == 0
    assert compare(means).found == 0


def test_what_is_given_back_leaves_the_wallet_and_the_provider_once(
    means: Means, standin: Server, company: TenantId
) -> None:
    of, form = top_up(means, company), new_id()
    for _ in range(2):
        assert ask(means, company, of, 1200, form=form).standing is Standing.MADE
    for _ in range(2):
        hear_everything(means)
    assert made_there(standin) == [1200]
    assert available(means, company) == 3800
    assert balances(means, company) == {
        "wallet": -3800,
        "clearing": 3800 - FEE,
        "provider-fees": FEE,
        "going-back": 0,
    }
    settled(means, company)
    with pytest.raises(RefundAskedError):
        ask(means, company, of, 1201, form=form)
    with pytest.raises(PaymentNotFoundError):  # a form of another top-up
        ask(means, company, top_up(means, company), 1200, form=form)


def test_what_is_reserved_or_spent_cannot_be_given_back(
    means: Means, standin: Server, company: TenantId
) -> None:
    of = top_up(means, company)
    spend(means, company, 1000)
    with means.gate.open(Scope.system(company)) as session:
        wallets.reserve(
            session,
            tenant_id=company,
            use_id=new_id(),
            amount_nano=2000 * PENNY + 1,  # and a part of a penny more
            until=clock.now() + dt.timedelta(hours=1),
        )
        wallets.open_wallet(session, tenant_id=company, credit_minor=9000)  # credit is not money
    with pytest.raises(WalletShortError):
        ask(means, company, of, 2000)
    assert made_there(standin) == []
    assert every(means, company) == ()
    ask(means, company, of, 1999)
    assert made_there(standin) == [1999]
    settled(means, company)


def test_never_more_than_the_top_up_whatever_else_lies_in_the_wallet(
    means: Means, standin: Server, company: TenantId
) -> None:
    of = top_up(means, company)
    top_up(means, company)
    charge = str(payments.client(standin).v1.balance_transactions.list().data[-1].source)
    payments.client(standin).v1.refunds.create({"charge": charge, "amount": 500})  # by somebody there
    hear_everything(means)
    ask(means, company, of, 4000)
    for wrong in (501, 0, -1):
        with pytest.raises(RefundTooLargeError):
            ask(means, company, of, wrong)
    with pytest.raises(RefundReasonError):
        ask(means, company, of, 500, reason=" ")
    with pytest.raises(TopUpNotFoundError):
        ask(means, company, new_id(), 500)
    assert ask(means, company, of, 500).standing is Standing.MADE
    assert available(means, company) == 5000
    settled(means, company)


def test_one_of_another_company_is_not_found(means: Means, gate: Gate, company: TenantId) -> None:
    of = top_up(means, company)
    with pytest.raises(TopUpNotFoundError):
        ask(means, opened(gate, "Quayside Clinics"), of, 100)


def test_above_the_limit_somebody_else_decides_and_looks_into_the_wallet_again(
    means: Means, standin: Server, company: TenantId
) -> None:
    of = top_up(means, company, 90000)
    waits = ask(means, company, of, 60000)
    assert waits.standing is Standing.WAITING
    assert available(means, company) == 90000
    with pytest.raises(RefundTooLargeError):  # what waits is kept from others
        ask(means, company, of, 30001)
    with pytest.raises(SecondPersonError):
        refunding.approve(means, tenant_id=company, refund_id=waits.refund_id, by=ASKS)
    spend(means, company, 30001)
    with pytest.raises(WalletShortError):
        refunding.approve(means, tenant_id=company, refund_id=waits.refund_id, by=DECIDES)
    assert every(means, company)[0].standing is Standing.WAITING
    top_up(means, company, 100)
    for _ in range(2):
        done = refunding.approve(means, tenant_id=company, refund_id=waits.refund_id, by=DECIDES)
        assert done.standing is Standing.MADE
    assert made_there(standin) == [60000]
    assert available(means, company) == 99
    settled(means, company)
    with means.gate.open(Scope.system(company)) as session, pytest.raises(RefundDecidedError):
        refunds.refuse(session, tenant_id=company, refund_id=waits.refund_id, by=ASKS)


def test_one_that_was_refused_by_people_moves_nothing(
    means: Means, standin: Server, company: TenantId
) -> None:
    of = top_up(means, company, 90000)
    waits = ask(means, company, of, 60000)
    with means.gate.open(Scope.system(company)) as session:
        refunds.refuse(session, tenant_id=company, refund_id=waits.refund_id, by=DECIDES)
    with pytest.raises(RefundDecidedError):
        refunding.approve(means, tenant_id=company, refund_id=waits.refund_id, by=DECIDES)
    assert (available(means, company), made_there(standin)) == (90000, [])
    settled(means, company)


class Trouble(StripeProvider):
    """A provider that refuses refunds, or whose answers are lost."""

    kind = "refuses"

    def refund(
        self, remote_id: str, *, payment_id: PaymentId, amount_minor: int, refund_id: UUID
    ) -> RemotePayment:
        if self.kind == "refuses":
            raise ProviderRefusesError(why="test")
        if self.kind == "lost-answer":
            super().refund(remote_id, payment_id=payment_id, amount_minor=amount_minor, refund_id=refund_id)
        raise ProviderAwayError(why="test")


def troubled(means: Means, standin: Server, kind: str) -> Means:
    provider = Trouble(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    provider.kind = kind
    return Means(means.gate, means.vault, provider)


def test_where_the_provider_refuses_it_is_in_the_wallet_again(
    means: Means, standin: Server, company: TenantId
) -> None:
    of = top_up(means, company)
    form = new_id()
    for _ in range(2):
        done = ask(troubled(means, standin, "refuses"), company, of, 1200, form=form)
        assert done.standing is Standing.CAME_BACK
    hear_everything(means)
    assert available(means, company) == 5000
    settled(means, company)
    assert ask(means, company, of, 5000).standing is Standing.MADE  # asked for again, all of it
    settled(means, company)


def test_one_that_was_made_after_all_goes_out_again(means: Means, standin: Server, company: TenantId) -> None:
    of, form = top_up(means, company), new_id()
    with pytest.raises(ProviderAwayError):
        ask(troubled(means, standin, "lost-answer"), company, of, 1200, form=form)
    with means.gate.open(Scope.system(company)) as session:
        refunds.bounced(session, tenant_id=company, refund_id=form)
    assert available(means, company) == 5000
    for _ in range(2):
        hear_everything(means)
    assert available(means, company) == 3800
    settled(means, company)


@pytest.mark.parametrize("kind", ["lost-question", "lost-answer"])
def test_one_that_was_cut_off_is_kept_and_made_once_by_itself(
    means: Means, standin: Server, company: TenantId, kind: str
) -> None:
    of = top_up(means, company)
    with pytest.raises(ProviderAwayError):
        ask(troubled(means, standin, kind), company, of, 1200)
    assert available(means, company) == 3800, "nobody spends it meanwhile"
    assert balances(means, company)["going-back"] == -1200
    standin.control("forget", {})
    with clock.hold(clock.now() + dt.timedelta(minutes=11)):
        for _ in range(2):
            refunding.sweep(means)
    assert made_there(standin) == [1200]
    assert every(means, company)[0].standing is Standing.MADE
    settled(means, company)


def test_one_that_nobody_took_comes_back_into_the_wallet_once(
    means: Means, standin: Server, company: TenantId
) -> None:
    begun = on_page(means, company)
    visit(begun.url, card(payments.REFUND_FAILS))
    hear_everything(means)
    of = begun.top_up.top_up_id
    ask(means, company, of, 1200)
    assert available(means, company) == 3800
    standin.control("settle", {})
    for _ in range(2):
        hear_everything(means)
    assert every(means, company)[0].standing is Standing.CAME_BACK
    assert available(means, company) == 5000
    settled(means, company)


def test_a_wallet_that_tops_itself_up_does_not_fetch_again_what_was_given_back(
    means: Means, standin: Server, company: TenantId
) -> None:
    of = top_up(means, company)
    switch_on(means, company)
    ask(means, company, of, 5000)
    assert rule(means, company).stopped is Stopped.GIVEN_BACK
    with means.gate.open(Scope.system(company)) as session:
        assert len(top_ups.every(session, tenant_id=company)) == 1
        asked = session.scalar(text("SELECT count(*) FROM app.outbox WHERE name = 'TopUpWanted'"))
        told = session.scalar(text("SELECT count(*) FROM app.outbox WHERE name = 'TopUpFailed'"))
    assert (asked, told) == (0, 1)


def test_every_step_is_in_evidence_with_who_took_it(means: Means, gate: Gate, company: TenantId) -> None:
    of = top_up(means, company, 90000)
    waits = ask(means, company, of, 60000)
    refunding.approve(means, tenant_id=company, refund_id=waits.refund_id, by=DECIDES)
    with gate.open(Scope.system(company)) as session:
        found = evidence.page(session, tenant_id=company, limit=9, action="top-up.").entries
    assert [(one.fact.action, one.actor_id) for one in found] == [
        ("top-up.refund-asked", DECIDES),
        ("top-up.refund-waits", ASKS),
    ]
