"""An invoice is collected through the real library and the stand-in, whatever is cut off or told twice."""

import datetime as dt
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import ledger, price_lists
from billing.documents.document import InvoiceDocument
from billing.errors import (
    NewsRefusedError,
    NothingDueError,
    PaymentMismatchError,
    PaymentUnderWayError,
    ProviderAwayError,
    ProviderRefusesError,
    RefundAskedError,
    RefundTooLargeError,
)
from billing.payments import attempts, methods, news
from billing.payments.attempts import Payment
from billing.payments.port import Reason, RemotePayment, State, Way
from billing.payments.standing import Paid, Standing
from billing.payments.stripe import StripeProvider
from billing.payments.unconnected import Unconnected
from core import clock, ids, long_jobs
from core.ids import OPERATOR, TenantId, UserId, new_id
from core.long_jobs import JobState
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from standin.news import sign
from standin.server import Server
from tenants import companies
from tests.billing import stock
from tests.factories import payments
from tests.factories.payments import Means, card, visit
from tests.factories.waiting import until_one_waits
from wiring import collecting
from wiring.collecting import Came

ALICE = UserId(new_id())
DANA = new_id()  # of the operator's staff
WAY = Way("http://127.0.0.1/done", "http://127.0.0.1/back", "en")


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(gate: Gate, vault: Vault, standin: Server) -> Means:
    return Means(gate, vault, payments.provider(standin))


def opened(gate: Gate, name: str) -> TenantId:
    with gate.open(Scope.system(OPERATOR)) as session:
        made = companies.open_company(
            session,
            name=name,
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )
    return made.tenant_id


@pytest.fixture
def company(gate: Gate) -> TenantId:
    return opened(gate, "Pelican Parcel")


@pytest.fixture
def invoice(gate: Gate, company: TenantId) -> InvoiceDocument:
    return payments.owing(gate, company)


def save(means: Means, standin: Server, tenant_id: TenantId, number: str = payments.PAID) -> None:
    payments.saved(standin, collecting.know_payer(means, tenant_id=tenant_id), number)
    collecting.refresh_methods(means, tenant_id=tenant_id)


def stands(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> Standing:
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = attempts.standing_of(session, tenant_id=tenant_id, invoice=invoice)
    assert found is not None
    return found


def all_of(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> tuple[Payment, ...]:
    with means.gate.open(Scope.system(tenant_id)) as session:
        return attempts.of_invoice(session, tenant_id=tenant_id, invoice_id=invoice.invoice_id)


def balances(means: Means, tenant_id: TenantId) -> dict[str, int]:
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = ledger.trial_balance(session, tenant_id=tenant_id)
    assert sum(one.balance_minor for one in found) == 0
    return {one.account: one.balance_minor for one in found}


def hear_everything(means: Means) -> None:
    """Fetch all news and look into it, as sweep and duty do."""
    collecting.sweep(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        waiting = news.every(session, states=[news.WAITING], limit=200)
    for piece in reversed(waiting):
        collecting.hear(means, news_id=piece.news_id)


def collect(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> Came:
    return collecting.collect(means, tenant_id=tenant_id, invoice_id=invoice.invoice_id)


def on_page(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> collecting.Next:
    return collecting.pay_on_page(
        means, tenant_id=tenant_id, invoice_id=invoice.invoice_id, by_user=ALICE, way=lambda _: WAY
    )


def with_saved(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> collecting.Next:
    return collecting.pay_with_saved(
        means,
        tenant_id=tenant_id,
        invoice_id=invoice.invoice_id,
        method_id=None,
        by_user=ALICE,
        return_to=lambda _: "http://127.0.0.1/seen",
    )


def test_a_saved_card_is_charged_by_itself_and_booked_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    assert collect(means, company, invoice) is Came.CHARGED
    assert stands(means, company, invoice).state is Paid.PAID
    hear_everything(means)
    hear_everything(means)
    assert collect(means, company, invoice) is Came.NOTHING_DUE
    assert balances(means, company) == {
        "receivable": 0,
        "revenue:voice.outbound": -14500,
        "tax-payable": -2900,
        "clearing": 17400 - 281,
        "provider-fees": 281,
    }
    assert [one.state for one in all_of(means, company, invoice)] == [State.SUCCEEDED]
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1


def test_without_a_saved_method_the_invoice_waits_for_a_person(
    means: Means, company: TenantId, invoice: InvoiceDocument
) -> None:
    assert collect(means, company, invoice) is Came.NO_METHOD
    assert stands(means, company, invoice).can_be_paid
    assert all_of(means, company, invoice) == ()


def test_without_a_provider_nothing_is_tried(
    gate: Gate, vault: Vault, company: TenantId, invoice: InvoiceDocument
) -> None:
    unconnected = Means(gate, vault, Unconnected())
    assert (
        collecting.collect(unconnected, tenant_id=company, invoice_id=invoice.invoice_id)
        is Came.NOT_CONNECTED
    )
    assert collecting.sweep(unconnected) == collecting.retry(unconnected) == 0


@pytest.mark.parametrize("heard", ["unheard", "heard"])
def test_a_declined_charge_is_said_and_tried_again_later(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument, heard: str
) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    collect(means, company, invoice)
    if heard == "heard":
        hear_everything(means)
    found = stands(means, company, invoice)
    assert (found.state, found.reason, found.due_minor) == (Paid.FAILED, Reason.DECLINED, 17400)
    assert collecting.retry(means) == 0
    with clock.hold(clock.now() + dt.timedelta(days=3, minutes=1)):
        assert collecting.retry(means) == 1
    states = [(one.attempt, one.state, one.initiator) for one in all_of(means, company, invoice)]
    assert states == [(2, State.FAILED, "retry"), (1, State.FAILED, "automatic")]
    assert balances(means, company)["receivable"] == 17400


def test_it_stops_trying_by_itself_after_three_more_times(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    collect(means, company, invoice)
    at = clock.now()
    for _ in range(6):
        at += dt.timedelta(days=8)
        with clock.hold(at):
            collecting.retry(means)
    assert len(all_of(means, company, invoice)) == 4


def test_after_a_decline_another_card_pays(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    collect(means, company, invoice)
    page = on_page(means, company, invoice)
    assert visit(page.url, card(payments.SHORT)).status == 200
    collecting.look_again(means, tenant_id=company, payment_id=page.payment.payment_id, source="return")
    first = all_of(means, company, invoice)[0]
    assert (first.state, first.reason) == (State.STARTED, Reason.INSUFFICIENT_FUNDS)
    assert on_page(means, company, invoice).url == page.url  # the page that is open already
    assert visit(page.url, card(payments.PAID)).location == WAY.done_url
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PAID
    with means.gate.open(Scope.system(company)) as session:
        kept = methods.every(session, tenant_id=company, account=means.payments.account, vault=means.vault)
    assert {one.shown.last4 for one in kept} == {"0341", "4242"}


def test_a_page_that_was_left_is_closed_and_another_may_be_opened(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    page = on_page(means, company, invoice)
    means.payments.close_page(page.payment.page_id or all_of(means, company, invoice)[0].page_id)
    hear_everything(means)
    assert all_of(means, company, invoice)[0].state is State.CANCELLED
    assert stands(means, company, invoice).state is not Paid.PROCESSING
    assert on_page(means, company, invoice).url != page.url


def test_a_page_that_nobody_comes_back_from_ends_by_itself(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    api = payments.client(standin)
    before = int(clock.now().timestamp())
    page = on_page(means, company, invoice)
    session = api.v1.checkout.sessions.retrieve(all_of(means, company, invoice)[0].page_id)
    assert 30 * 60 <= session.expires_at - before <= 61 * 60
    assert collect(means, company, invoice) is Came.UNDER_WAY
    stored = standin.api.store.get(session.id)
    assert stored
    standin.api.store.put("checkout.session", stored | {"expires_at": before - 1})
    standin.api.tick()
    hear_everything(means)
    assert visit(page.url).status == 410
    assert all_of(means, company, invoice)[0].state is State.CANCELLED
    with clock.hold(clock.now() + dt.timedelta(hours=2)):  # what was held up by the page is tried after it
        assert collecting.retry(means) == 1
    assert stands(means, company, invoice).state is Paid.PAID


def test_a_saved_card_closes_the_open_page_and_pays_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    page = on_page(means, company, invoice)
    paid = with_saved(means, company, invoice)
    assert (paid.url, paid.payment.state) == ("", State.SUCCEEDED)
    assert visit(page.url, card(payments.PAID)).status == 410
    hear_everything(means)
    assert [one.state for one in all_of(means, company, invoice)] == [State.SUCCEEDED, State.CANCELLED]
    assert balances(means, company)["receivable"] == 0


def test_a_saved_card_is_not_charged_when_the_page_was_paid_meanwhile(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    page = on_page(means, company, invoice)
    assert visit(page.url, card(payments.PAID)).location == WAY.done_url
    paid = with_saved(means, company, invoice)
    assert (paid.url, paid.payment.payment_id) == ("", page.payment.payment_id)
    assert paid.payment.state is State.SUCCEEDED
    intents = payments.client(standin).v1.payment_intents.list().data
    assert [one.status for one in intents] == ["succeeded"]


def test_a_saved_card_takes_over_from_a_page_where_the_bank_was_asked(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    asks = visit(on_page(means, company, invoice).url, card(payments.ASKS_ALWAYS)).location
    assert with_saved(means, company, invoice).payment.state is State.SUCCEEDED
    assert visit(asks, {"outcome": "complete"}).status == 410
    hear_everything(means)
    assert balances(means, company)["clearing"] == 17400 - 281


def test_who_comes_back_from_the_page_after_a_decline_sees_it_and_may_pay_otherwise(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    page = on_page(means, company, invoice)
    assert visit(page.url, card(payments.SHORT)).status == 200
    back = collecting.look_again(
        means, tenant_id=company, payment_id=page.payment.payment_id, source="return", leaves_page=True
    )
    assert (back.state, back.reason) == (State.FAILED, Reason.INSUFFICIENT_FUNDS)
    assert visit(page.url).status == 410
    hear_everything(means)
    found = stands(means, company, invoice)
    assert (found.state, found.reason) == (Paid.FAILED, Reason.INSUFFICIENT_FUNDS)
    assert on_page(means, company, invoice).url != page.url


def test_two_tabs_that_pay_a_fresh_invoice_at_once_make_one_charge(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    together = Barrier(2)

    def press(_: int) -> str:
        together.wait(10)
        try:
            return with_saved(means, company, invoice).payment.state
        except (PaymentUnderWayError, NothingDueError) as error:
            return error.code

    for _ in range(3):
        with ThreadPoolExecutor(2) as threads:
            came = set(threads.map(press, range(2)))
        assert came <= {"succeeded", "payment-under-way", "nothing-due"}
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1
    assert [one.state for one in all_of(means, company, invoice)] == [State.SUCCEEDED]


def test_who_begins_while_another_has_just_begun_waits_and_is_told(
    means: Means, company: TenantId, invoice: InvoiceDocument
) -> None:
    def begin() -> str:
        with means.gate.open(Scope.system(company)) as session:
            try:
                attempts.begin(
                    session,
                    tenant_id=company,
                    invoice_id=invoice.invoice_id,
                    account="acct_1",
                    initiator=attempts.PERSON,
                )
            except PaymentUnderWayError as error:
                return error.code
        return "begun"

    with ThreadPoolExecutor(1) as threads:
        with means.gate.open(Scope.system(company)) as session:
            attempts.begin(
                session,
                tenant_id=company,
                invoice_id=invoice.invoice_id,
                account="acct_1",
                initiator=attempts.PERSON,
            )
            second = threads.submit(begin)
            until_one_waits(means.gate)
        assert second.result(10) == "payment-under-way"


def test_two_payments_of_one_invoice_told_of_at_once_leave_the_second_on_account(
    means: Means, company: TenantId, invoice: InvoiceDocument
) -> None:
    def begun() -> Payment:
        with means.gate.open(Scope.system(company)) as session:
            made = attempts.begin(
                session,
                tenant_id=company,
                invoice_id=invoice.invoice_id,
                account="acct_1",
                initiator=attempts.PERSON,
            )
            attempts.cancel(session, tenant_id=company, payment_id=made.payment.payment_id, source="return")
        return made.payment

    def told(session: Session, payment: Payment) -> None:
        succeeded = RemotePayment(
            remote_id=f"pi_{payment.attempt}",
            state=State.SUCCEEDED,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
        )
        attempts.record(
            session,
            tenant_id=company,
            payment_id=payment.payment_id,
            remote=succeeded,
            source="webhook",
        )

    def second() -> None:
        with means.gate.open(Scope.system(company)) as session:
            told(session, payments_of_it[1])

    payments_of_it = [begun(), begun()]
    with ThreadPoolExecutor(1) as threads:
        with means.gate.open(Scope.system(company)) as session:
            told(session, payments_of_it[0])
            waits = threads.submit(second)
            until_one_waits(means.gate)
        waits.result(10)
    assert balances(means, company)["receivable"] == 0
    assert balances(means, company)["on-account"] == -invoice.bill.total_minor


def test_a_person_who_leaves_the_page_does_not_end_the_retries(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    collect(means, company, invoice)
    on_page(means, company, invoice)
    means.payments.close_page(all_of(means, company, invoice)[0].page_id)
    hear_everything(means)
    with clock.hold(clock.now() + dt.timedelta(days=3, minutes=1)):
        assert collecting.retry(means) == 1
    assert [one.initiator for one in all_of(means, company, invoice)] == ["retry", "person", "automatic"]


def test_paying_ends_the_retries(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.FAILS_LATER)
    collect(means, company, invoice)
    visit(on_page(means, company, invoice).url, card(payments.PAID))
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PAID
    with clock.hold(clock.now() + dt.timedelta(days=3, minutes=1)):
        assert collecting.retry(means) == 0


def test_a_bank_that_wants_to_see_the_payer_is_asked_when_the_payer_is_there(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.ASKS_ALWAYS)
    collect(means, company, invoice)
    found = stands(means, company, invoice)
    assert (found.state, found.reason) == (Paid.REQUIRES_ACTION, Reason.NEEDS_CONFIRMING)
    gone_on = with_saved(means, company, invoice)
    assert gone_on.payment.state is State.REQUIRES_ACTION
    assert visit(gone_on.url, {"outcome": "fail"}).status == 303
    failed = collecting.look_again(
        means, tenant_id=company, payment_id=gone_on.payment.payment_id, source="return"
    )
    assert (failed.state, failed.reason) == (State.FAILED, Reason.NOT_CONFIRMED)
    gone_on = with_saved(means, company, invoice)
    assert visit(gone_on.url, {"outcome": "complete"}).location.startswith("http://127.0.0.1/seen?")
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PAID


def debit(means: Means, tenant_id: TenantId, invoice: InvoiceDocument, number: str) -> None:
    page = on_page(means, tenant_id, invoice)
    assert visit(page.url, {"account": number, "routing": "108800"}).location == WAY.done_url


@pytest.mark.parametrize(
    ("number", "state", "reason"),
    [
        ("00012345", Paid.PAID, None),
        ("11111113", Paid.FAILED, Reason.ACCOUNT_CLOSED),
        ("22222227", Paid.FAILED, Reason.INSUFFICIENT_FUNDS),
        ("33333335", Paid.FAILED, Reason.DEBIT_REFUSED),
    ],
)
def test_a_bank_debit_is_on_its_way_and_comes_out_as_its_account_does(
    means: Means,
    standin: Server,
    company: TenantId,
    invoice: InvoiceDocument,
    number: str,
    state: Paid,
    reason: Reason | None,
) -> None:
    debit(means, company, invoice, number)
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PROCESSING
    with pytest.raises(PaymentUnderWayError):
        on_page(means, company, invoice)
    standin.api.tick(everything=True)
    hear_everything(means)
    found = stands(means, company, invoice)
    assert (found.state, found.reason) == (state, reason)


@pytest.mark.parametrize("later", ["at once", "after a day"])
def test_a_charge_that_was_cut_off_is_made_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument, later: str
) -> None:
    save(means, standin, company)

    class CutOff(StripeProvider):
        def charge(self, *args, **kwargs):  # type: ignore[no-untyped-def] # as the driver's
            super().charge(*args, **kwargs)
            raise ProviderAwayError(why="the answer was lost")

    broken = Means(
        means.gate,
        means.vault,
        CutOff(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base),
    )
    with pytest.raises(ProviderAwayError):
        collect(broken, company, invoice)
    assert all_of(means, company, invoice)[0].state is State.STARTED
    if later == "after a day":
        standin.api.forget()
    assert collect(means, company, invoice) is Came.CHARGED
    assert stands(means, company, invoice).state is Paid.PAID
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1
    assert len(all_of(means, company, invoice)) == 1


def test_a_charge_that_is_being_made_is_not_made_a_second_time_by_a_person(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    begun: list[object] = []

    class Slow(StripeProvider):
        def charge(self, *args, **kwargs):  # type: ignore[no-untyped-def] # as the driver's
            for pay in (on_page, with_saved):
                with pytest.raises(PaymentUnderWayError):
                    begun.append(pay(means, company, invoice))
            return super().charge(*args, **kwargs)

    slow = Slow(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    assert collect(Means(means.gate, means.vault, slow), company, invoice) is Came.CHARGED
    assert begun == []
    assert len(payments.client(standin).v1.payment_intents.list().data) == 1


def test_a_charge_that_was_cut_off_goes_on_with_the_method_it_began_with(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)

    class CutOff(StripeProvider):
        def charge(self, *args, **kwargs):  # type: ignore[no-untyped-def] # as the driver's
            raise ProviderAwayError(why="no answer")

    cut = CutOff(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    with pytest.raises(ProviderAwayError):
        collect(Means(means.gate, means.vault, cut), company, invoice)
    save(means, standin, company, payments.FAILS_LATER)
    with means.gate.open(Scope.system(company)) as session:
        account = means.payments.account
        found = methods.every(session, tenant_id=company, account=account, vault=means.vault)
        methods.make_default(session, tenant_id=company, method_id=found[1].method_id)
    assert collect(means, company, invoice) is Came.CHARGED
    assert stands(means, company, invoice).state is Paid.PAID


def test_a_provider_that_is_away_leaves_an_attempt_that_goes_on(
    gate: Gate, vault: Vault, company: TenantId, invoice: InvoiceDocument, standin: Server
) -> None:
    means = Means(gate, vault, payments.provider(standin))
    save(means, standin, company)
    assert means.payments.account
    port = int(standin.base.rpartition(":")[2])
    standin.close()
    with pytest.raises(ProviderAwayError):
        collect(means, company, invoice)
    assert [one.state for one in all_of(means, company, invoice)] == [State.STARTED]
    assert port


def test_the_account_is_asked_for_once_by_many_at_a_time(standin: Server) -> None:
    provider = payments.provider(standin)
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: provider.account, range(16)))) == 1


def test_a_provider_that_is_away_is_not_waited_for_on_every_page(standin: Server) -> None:
    provider = payments.provider(standin)
    standin.close()
    for why in ("APIConnectionError", "rests"):
        with pytest.raises(ProviderAwayError) as caught:
            _ = provider.account
        assert caught.value.details["why"] == why


def test_a_key_that_is_not_taken_says_so(gate: Gate, vault: Vault, standin: Server) -> None:
    wrong = StripeProvider(key="sk_test_other", webhook_secret="", base_url=standin.base)
    with pytest.raises(ProviderRefusesError):
        _ = wrong.account


def test_an_amount_too_small_is_said_and_keeps_nobody_from_paying(
    means: Means, standin: Server, gate: Gate, company: TenantId
) -> None:
    invoice = payments.owing(gate, company, minutes=1)
    save(means, standin, company)
    collect(means, company, invoice)
    found = stands(means, company, invoice)
    assert (found.state, found.reason) == (Paid.FAILED, Reason.TOO_SMALL)
    with pytest.raises(ProviderRefusesError):
        on_page(means, company, invoice)
    assert all_of(means, company, invoice)[0].state is State.CANCELLED


def test_a_method_that_is_gone_at_the_provider_is_said(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    api = payments.client(standin)
    payer = collecting.know_payer(means, tenant_id=company)
    api.v1.payment_methods.detach(api.v1.customers.payment_methods.list(payer).data[0].id)
    collect(means, company, invoice)
    assert stands(means, company, invoice).reason is Reason.METHOD_GONE
    hear_everything(means)
    with means.gate.open(Scope.system(company)) as session:
        account = means.payments.account
        assert methods.every(session, tenant_id=company, account=account, vault=means.vault) == ()


def give_back(
    means: Means, tenant_id: TenantId, payment: Payment, minor: int, refund_id: UUID | None = None
) -> None:
    collecting.refund(
        means,
        tenant_id=tenant_id,
        payment_id=payment.payment_id,
        amount_minor=minor,
        refund_id=refund_id or new_id(),
        by=DANA,
    )


def test_money_goes_back_and_the_invoice_says_so(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    collect(means, company, invoice)
    payment = all_of(means, company, invoice)[0]
    give_back(means, company, payment, 400)
    assert stands(means, company, invoice).refunded_minor == 400
    assert stands(means, company, invoice).state is Paid.PAID
    for too_much in (17001, 0, -1):
        with pytest.raises(RefundTooLargeError):
            give_back(means, company, payment, too_much)
    give_back(means, company, payment, 17000)
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.REFUNDED
    assert balances(means, company)["refunds"] == 17400


def test_who_gave_money_back_is_in_the_companys_log_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    collect(means, company, invoice)
    payment, form = all_of(means, company, invoice)[0], new_id()
    for _ in range(2):
        give_back(means, company, payment, 400, form)
    with pytest.raises(RefundTooLargeError):
        give_back(means, company, payment, 17_400)
    with means.gate.open(Scope.system(company)) as session:
        (entry,) = evidence.page(session, tenant_id=company, limit=9, action="payment.").entries
    assert (entry.actor_id, entry.fact.subject) == (DANA, ids.public("pay", payment.payment_id))
    assert entry.fact.details == {
        "amount_minor": 400,
        "currency": "GBP",
        "refund": ids.public("ref", form),
    }


def test_a_refund_asked_for_twice_by_one_form_is_made_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    collect(means, company, invoice)
    payment, form = all_of(means, company, invoice)[0], new_id()
    for _ in range(2):
        give_back(means, company, payment, 400, form)
    with pytest.raises(RefundAskedError):
        give_back(means, company, payment, 500, form)
    assert stands(means, company, invoice).refunded_minor == 400
    give_back(means, company, payment, 400)  # another form: meant
    assert stands(means, company, invoice).refunded_minor == 800
    assert len(payments.client(standin).v1.refunds.list().data) == 2


def test_a_whole_refund_pressed_twice_at_once_is_made_once_and_both_are_told_well(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    collect(means, company, invoice)
    payment, form, together = all_of(means, company, invoice)[0], new_id(), Barrier(2)

    def press(_: int) -> None:
        together.wait(10)
        give_back(means, company, payment, 17400, form)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(press, range(2)))
    assert [one.amount for one in payments.client(standin).v1.refunds.list().data] == [17400]
    assert balances(means, company)["refunds"] == 17400


def test_a_refund_that_was_cut_off_goes_on_when_its_form_is_sent_again(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    collect(means, company, invoice)
    payment, form = all_of(means, company, invoice)[0], new_id()

    class CutOff(StripeProvider):
        def refund(self, *_args, **_kwargs):  # type: ignore[no-untyped-def] # as the driver's
            raise ProviderAwayError(why="no answer")

    cut = CutOff(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    with pytest.raises(ProviderAwayError):
        give_back(Means(means.gate, means.vault, cut), company, payment, 400, form)
    give_back(means, company, payment, 400, form)
    assert stands(means, company, invoice).refunded_minor == 400


def test_a_refund_that_fails_later_is_booked_back_and_told(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.REFUND_FAILS)
    collect(means, company, invoice)
    payment = all_of(means, company, invoice)[0]
    give_back(means, company, payment, 400)
    hear_everything(means)
    assert balances(means, company)["refunds"] == 400
    standin.api.tick(everything=True)
    for _ in range(2):  # refund.updated and refund.failed, and both again
        hear_everything(means)
    assert balances(means, company)["refunds"] == 0
    assert stands(means, company, invoice).refunded_minor == 0
    with means.gate.open(Scope.system(company)) as session:
        told = attempts.steps(session, tenant_id=company, payment_id=payment.payment_id)
        assert [one.kind for one in told][-2:] == ["refund", "refund-failed"]
        assert attempts.came_back(session, tenant_id=company) == {payment.payment_id: 400}
        assert attempts.left_of(session, tenant_id=company, payment_id=payment.payment_id) == 17400
    give_back(means, company, payment, 400)  # the operator tries once more: nothing comes back so far
    with means.gate.open(Scope.system(company)) as session:
        assert attempts.came_back(session, tenant_id=company) == {}


def test_a_refund_that_takes_its_time_is_booked_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.REFUNDS_LATER)
    collect(means, company, invoice)
    payment = all_of(means, company, invoice)[0]
    give_back(means, company, payment, 17000)
    with pytest.raises(RefundTooLargeError):  # what is on its way is not there any more
        give_back(means, company, payment, 401)
    standin.api.tick(everything=True)
    hear_everything(means)
    assert balances(means, company)["refunds"] == 17000


def won_and_paid_again(means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument) -> Payment:
    """A payment is taken back, the invoice paid again, and then the bank decides for us: paid twice."""
    save(means, standin, company, payments.DISPUTED)
    collect(means, company, invoice)
    hear_everything(means)
    visit(on_page(means, company, invoice).url, card(payments.PAID))
    hear_everything(means)
    first = all_of(means, company, invoice)[-1]
    for one in payments.client(standin).v1.disputes.list().data:
        standin.api.win(one.id)
    hear_everything(means)
    return first


def test_what_is_paid_beyond_an_invoice_is_on_account_and_shown(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    first = won_and_paid_again(means, standin, company, invoice)
    found = stands(means, company, invoice)
    assert (found.state, found.due_minor, found.surplus_minor) == (Paid.PAID, 0, 17400)
    after = balances(means, company)
    assert (after["receivable"], after["on-account"]) == (0, -17400)
    give_back(means, company, first, 17400)
    found = stands(means, company, invoice)
    assert (found.state, found.surplus_minor, found.refunded_minor) == (Paid.PAID, 0, 0)
    assert balances(means, company)["on-account"] == 0


def test_money_on_account_pays_the_next_invoice_before_a_card_does(
    means: Means, standin: Server, company: TenantId
) -> None:
    won_and_paid_again(means, standin, company, payments.owing(means.gate, company, month=9))
    larger = payments.another(means.gate, company, minutes=3000, month=10)
    save(means, standin, company)
    collect(means, company, larger)
    found = stands(means, company, larger)
    assert (found.state, found.surplus_minor) == (Paid.PAID, -17400)
    assert all_of(means, company, larger)[0].amount_minor == larger.bill.total_minor - 17400
    assert balances(means, company)["on-account"] == 0
    assert balances(means, company)["receivable"] == 0


def test_a_payment_that_failed_troubles_nobody_once_money_on_account_has_paid(
    means: Means, standin: Server, company: TenantId
) -> None:
    def troubled() -> tuple[State, ...]:
        with means.gate.open(Scope.system(company)) as session:
            return tuple(one.state for one in attempts.troubled(session, tenant_id=company))

    invoice = payments.owing(means.gate, company, month=9)
    save(means, standin, company, payments.FAILS_LATER)
    collect(means, company, invoice)
    assert troubled() == (State.FAILED,)
    with means.gate.open(Scope.system(company)) as session:
        failing = methods.default(session, tenant_id=company, account=means.payments.account)
    assert failing is not None
    collecting.remove_method(means, tenant_id=company, method_id=failing[0])
    won_and_paid_again(means, standin, company, payments.another(means.gate, company, month=10))
    assert collect(means, company, invoice) is Came.NOTHING_DUE
    assert stands(means, company, invoice).state is Paid.PAID
    assert troubled() == ()


def test_money_on_account_is_taken_back_when_its_payment_is(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    won_and_paid_again(means, standin, company, invoice)
    second = all_of(means, company, invoice)[0]
    charge = payments.client(standin).v1.payment_intents.retrieve(second.remote_id).latest_charge
    standin.api.dispute(str(charge))
    hear_everything(means)
    found = stands(means, company, invoice)
    assert (found.state, found.due_minor, found.surplus_minor) == (Paid.PAID, 0, 0)
    assert balances(means, company)["on-account"] == 0


def test_a_page_that_is_paid_after_the_invoice_was_paid_is_kept_on_account(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    page = on_page(means, company, invoice)
    with means.gate.open(Scope.system(company)) as session:  # as if the page's end had been told, and was not
        attempts.cancel(session, tenant_id=company, payment_id=page.payment.payment_id, source="sweep")
    assert collect(means, company, invoice) is Came.CHARGED
    assert visit(page.url, card(payments.PAID)).location == WAY.done_url
    hear_everything(means)
    assert stands(means, company, invoice).surplus_minor == 17400
    assert balances(means, company)["on-account"] == -17400


@pytest.mark.parametrize("is_long", [True, False])
def test_a_long_sweep_shows_how_far_it_is_and_a_short_one_leaves_no_trace(
    means: Means, company: TenantId, monkeypatch: pytest.MonkeyPatch, *, is_long: bool
) -> None:
    monkeypatch.setattr(collecting, "SHOWN_AFTER_S", -1.0 if is_long else 60.0)
    collecting.sweep(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        found = [one for one in long_jobs.latest(session, limit=5) if one.kind == collecting.SWEEP]
    assert [(one.state, one.total == one.done > 0) for one in found] == [(JobState.DONE, True)] * is_long


def test_a_payment_its_holder_takes_back_is_owed_again(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company, payments.DISPUTED)
    collect(means, company, invoice)
    hear_everything(means)
    found = stands(means, company, invoice)
    assert (found.state, found.reason, found.due_minor) == (Paid.FAILED, Reason.CHARGED_BACK, 17400)
    with means.gate.open(Scope.system(company)) as session:  # the company's front page says so
        (trouble,) = attempts.troubled(session, tenant_id=company)
    assert trouble.reason is Reason.CHARGED_BACK
    assert balances(means, company)["receivable"] == 17400
    save(means, standin, company)
    page = on_page(means, company, invoice)
    visit(page.url, card(payments.PAID))
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PAID


def test_invoices_from_before_the_ledger_are_booked_once(
    means: Means, standin: Server, company: TenantId
) -> None:
    old = payments.owing(means.gate, company, is_booked=False)
    assert balances(means, company) == {}
    assert [collecting.book(means), collecting.book(means)] == [1, 0]
    assert balances(means, company) == {
        "receivable": 17400,
        "revenue:voice.outbound": -14500,
        "tax-payable": -2900,
    }
    with means.gate.open(Scope.system(company)) as session:
        (booked,) = ledger.journals_of(session, tenant_id=company, invoice_id=old.invoice_id)
    assert booked.effective_at == old.finalised_at


def test_a_draft_and_a_paid_invoice_cannot_be_paid(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    collect(means, company, invoice)
    with pytest.raises(NothingDueError):
        on_page(means, company, invoice)


def test_a_payment_made_elsewhere_is_kept_and_matched_to_nobody(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    api = payments.client(standin)
    payer = collecting.know_payer(means, tenant_id=company)
    api.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "gbp",
            "customer": payer,
            "payment_method": payments.saved(standin, payer),
            "confirm": True,
            "off_session": True,
        }
    )
    hear_everything(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        unmatched = news.every(session, states=[news.UNMATCHED])
    assert {one.kind for one in unmatched} >= {"payment_intent.succeeded"}
    assert balances(means, company)["receivable"] == invoice.bill.total_minor


def test_a_payment_of_another_amount_is_booked_nowhere(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    page = on_page(means, company, invoice)
    api = payments.client(standin)
    payer = collecting.know_payer(means, tenant_id=company)
    forged = api.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "gbp",
            "customer": payer,
            "payment_method": payments.saved(standin, payer),
            "confirm": True,
            "off_session": True,
            "metadata": {
                "seatline_tenant": str(company),
                "seatline_payment": str(page.payment.payment_id),
            },
        }
    )
    hear_everything(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        failed = news.every(session, states=[news.FAILED])
    assert {one.subject for one in failed if one.kind == "payment_intent.succeeded"} == {forged.id}
    assert balances(means, company)["receivable"] == 17400


def test_one_payments_trouble_holds_up_no_other_companys(
    means: Means, standin: Server, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    other = opened(gate, "Zephyr Freight")  # comes after Pelican Parcel
    with gate.open(Scope.system(OPERATOR)) as session:
        (version,) = price_lists.published(session, tenant_id=OPERATOR, code="uk-standard")
    with gate.open(Scope.system(other)) as session:
        stock.customer(session, tenant_id=other, version=version)
    theirs = payments.another(gate, other)
    bad = on_page(means, company, invoice)
    good = on_page(means, other, theirs)
    assert visit(good.url, card(payments.PAID)).location == WAY.done_url
    with gate.open(Scope.system(company)) as session:
        attempts.opened(
            session, tenant_id=company, payment_id=bad.payment.payment_id, page_id="cs_test_nowhere"
        )
    with clock.hold(clock.now() + dt.timedelta(minutes=11)), pytest.raises(ProviderRefusesError):
        collecting.sweep(means)
    assert stands(means, other, theirs).state is Paid.PAID
    assert stands(means, company, invoice).due_minor == 17400


def test_methods_are_sealed_and_one_is_the_default(means: Means, standin: Server, company: TenantId) -> None:
    payments.owing(means.gate, company)
    save(means, standin, company)
    save(means, standin, company, payments.FAILS_LATER)
    with means.gate.open(Scope.system(company)) as session:
        account = means.payments.account
        found = methods.every(session, tenant_id=company, account=account, vault=means.vault)
        assert [(one.shown.last4, one.is_default) for one in found] == [("4242", True), ("0341", False)]
        assert found[0].shown.expires == "12/2034"
        raw = session.execute(text("SELECT shown_ct FROM app.payment_methods")).scalars()
        assert not any(b"4242" in bytes(one) or b"visa" in bytes(one) for one in raw)
        methods.make_default(session, tenant_id=company, method_id=found[1].method_id)
    collecting.remove_method(means, tenant_id=company, method_id=found[1].method_id)
    with means.gate.open(Scope.system(company)) as session:
        left = methods.every(session, tenant_id=company, account=account, vault=means.vault)
    assert [(one.shown.last4, one.is_default) for one in left] == [("4242", True)]


def signed(body: dict[str, object], *, at: dt.datetime, secret: str = payments.SECRET) -> tuple[bytes, str]:
    raw = json.dumps(body).encode()
    return raw, sign(raw, secret, at=at.timestamp())


def test_news_is_believed_only_when_it_is_signed_now_for_us(means: Means) -> None:
    now = clock.now()
    event: dict[str, object] = {
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "created": int(now.timestamp()),
        "livemode": False,
        "data": {"object": {"id": "pi_1"}},
    }
    body, signature = signed(event, at=now)
    read = means.payments.read_news(body, signature=signature, now=now)
    assert (read.event_id, read.subject) == ("evt_1", "pi_1")
    means.payments.read_news(body, signature=f"{signature},v1={'0' * 64}", now=now)  # rotated secrets
    old = signed(event, at=now - dt.timedelta(minutes=6))
    refused = {
        "signature": [
            (body, ""),
            (body, f"{signature},t={int(now.timestamp())}"),
            (body, "t=1"),
            (body, "nonsense"),
            (body.replace(b"evt_1", b"evt_2"), signature),
            signed(event, at=now, secret="whsec_other"),
            (b"\xff\xfe", signature),
        ],
        "too-old": [old, (old[0], f"x=1, t={int(now.timestamp())},{old[1]}")],
        "from-the-future": [signed(event, at=now + dt.timedelta(minutes=6))],
        "other-mode": [signed({**event, "livemode": True}, at=now)],
        "other-account": [signed({**event, "account": "acct_other"}, at=now)],
        "no-event": [
            signed({"hello": 1}, at=now),
            signed({**event, "data": []}, at=now),
            signed({**event, "created": "then"}, at=now),
        ],
    }
    for why, pairs in refused.items():
        for raw, header in pairs:
            with pytest.raises(NewsRefusedError) as caught:
                means.payments.read_news(raw, signature=header, now=now)
            assert caught.value.details["why"] == why


def test_without_a_secret_no_news_is_believed(standin: Server) -> None:
    deaf = StripeProvider(key=payments.KEY, webhook_secret="", base_url=standin.base)
    with pytest.raises(NewsRefusedError) as caught:
        deaf.read_news(b"{}", signature="t=1,v1=00", now=clock.now())
    assert caught.value.details["why"] == "no-secret"


@pytest.mark.parametrize("app", ["alipay", "wechat_pay"])
@pytest.mark.parametrize("completes", [True, False])
def test_an_invoice_is_paid_in_an_app_where_the_currency_allows(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument, app: str, *, completes: bool
) -> None:
    page = on_page(means, company, invoice)
    asked = visit(page.url, {"app": app})
    payment_id = page.payment.payment_id
    under_way = collecting.look_again(means, tenant_id=company, payment_id=payment_id, source="sweep")
    assert under_way.state is State.REQUIRES_ACTION
    visit(visit(asked.location, {"outcome": "complete" if completes else "fail"}).location)
    hear_everything(means)
    found = stands(means, company, invoice)
    assert (found.state is Paid.PAID) is completes
    if not completes:
        assert visit(page.url, {"app": app}).status == 303  # the page is open still
    assert methods_of(means, company) == ()


def test_no_app_is_offered_where_its_currency_is_not(means: Means, standin: Server, gate: Gate) -> None:
    tenant_id = opened(gate, "Quayside Clinics")
    version = stock.publish(gate, code="dollars", currency="USD")
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, price_list="dollars", currency="USD")
    dollars = payments.another(gate, tenant_id)
    page = on_page(means, tenant_id, dollars)
    seen = visit(page.url)
    assert "Alipay" not in seen.text
    assert "Wechat" not in seen.text
    assert "not offered here" in visit(page.url, {"app": "wechat_pay"}).text
    assert stands(means, tenant_id, dollars).state is not Paid.PAID


def test_a_card_typed_beside_them_is_saved_as_before(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    visit(on_page(means, company, invoice).url, card(payments.PAID))
    hear_everything(means)
    assert [one.shown.last4 for one in methods_of(means, company)] == ["4242"]


def methods_of(means: Means, tenant_id: TenantId) -> tuple[methods.Method, ...]:
    with means.gate.open(Scope.system(tenant_id)) as session:
        return methods.every(session, tenant_id=tenant_id, account=means.payments.account, vault=means.vault)


def test_what_is_asked_of_the_provider_is_the_invoice_to_the_minor_unit_in_one_line(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    """Nothing of our lines goes there: what is collected is the total of our invoice, or it is not booked."""
    page = on_page(means, company, invoice)
    session = payments.client(standin).v1.checkout.sessions.retrieve(
        all_of(means, company, invoice)[0].page_id
    )
    assert session.amount_total == invoice.bill.total_minor == 17400
    wrong = RemotePayment(
        remote_id="pi_1", state=State.SUCCEEDED, amount_minor=17401, currency="GBP",
        payment_id=page.payment.payment_id,
    )  # fmt: skip
    with pytest.raises(PaymentMismatchError), means.gate.open(Scope.system(company)) as walls:
        attempts.record(
            walls, tenant_id=company, payment_id=page.payment.payment_id, remote=wrong, source="webhook"
        )
    assert stands(means, company, invoice).due_minor == 17400
