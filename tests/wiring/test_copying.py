"""The provider's copy of an invoice: made once, compared to the minor unit, paid once, wherever cut off."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import _http_client

from billing import credit_notes
from billing.bill import Bill, Group, Kind, compose
from billing.credit_notes import Part
from billing.documents.document import InvoiceDocument
from billing.errors import CopyNotStoppedError, ProviderAwayError
from billing.payments import copies, differences
from billing.payments.books import Differs
from billing.payments.copies import MOST_LINES, Copy, CopyState
from billing.payments.differences import Difference
from billing.payments.differences import Standing as Stands
from billing.payments.port import Moved, State
from billing.payments.standing import Paid
from core import clock, ids
from core.ids import OPERATOR, TenantId, UserId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from standin.server import Server
from tests.factories import payments
from tests.factories.payments import Means, card, visit
from tests.wiring.test_collecting import (
    all_of,
    balances,
    collect,
    hear_everything,
    on_page,
    opened,
    save,
    stands,
)
from wiring import collecting, copying, reconciling
from wiring.collecting import Came

BY = UserId(new_id())


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(_http_client.HTTPClient, "INITIAL_DELAY", 0.0)
    monkeypatch.setattr(_http_client.HTTPClient, "MAX_DELAY", 0.0)
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(gate: Gate, vault: Vault, standin: Server) -> Means:
    return Means(gate, vault, payments.provider(standin, keeps_copies=True))


@pytest.fixture
def company(gate: Gate) -> TenantId:
    return opened(gate, "Pelican Parcel")


@pytest.fixture
def invoice(gate: Gate, company: TenantId) -> InvoiceDocument:
    return payments.owing(gate, company)


def carry(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> CopyState | None:
    return copying.carry(means, tenant_id=tenant_id, invoice_id=invoice.invoice_id)


def copy_of(means: Means, tenant_id: TenantId, invoice: InvoiceDocument) -> Copy:
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = copies.find(session, tenant_id=tenant_id, invoice_id=invoice.invoice_id)
    assert found is not None
    return found


def there(standin: Server) -> list[Any]:
    return list(payments.client(standin).v1.invoices.list({"limit": 100}).data)


def differing(means: Means, *standings: Stands) -> list[Difference]:
    with means.gate.open(Scope.system(OPERATOR)) as session:
        return list(differences.every(session, standings=standings or (Stands.OPEN,)))


def test_a_copy_has_our_lines_tax_total_number_and_day(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    assert carry(means, company, invoice) is CopyState.OPEN
    (found,) = there(standin)
    assert (found.status, found.number, found.total, found.subtotal) == ("open", invoice.number, 17400, 14500)
    assert [one.amount for one in found.total_taxes] == [2900]
    assert [(one.amount, one.description) for one in found.lines.data] == [(14500, "Calls out – UK mobiles")]
    assert not found.auto_advance
    copy = copy_of(means, company, invoice)
    assert (copy.page_url, copy.pdf_url) == (found.hosted_invoice_url, found.invoice_pdf)
    assert (copy.lines, copy.remaining_minor) == (1, 17400)
    assert differing(means) == []


def test_carried_again_it_is_the_same_one(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    before = there(standin)
    standin.api.forget()
    assert carry(means, company, invoice) is CopyState.OPEN
    assert [one.to_dict() for one in there(standin)] == [one.to_dict() for one in before]


def test_without_the_choice_the_provider_gets_no_copy(
    gate: Gate, vault: Vault, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    means = Means(gate, vault, payments.provider(standin))
    assert carry(means, company, invoice) is None
    assert copying.sweep(means) == 0
    with pytest.raises(CopyNotStoppedError):
        copying.again(means, tenant_id=company, invoice_id=invoice.invoice_id, by=BY)
    assert there(standin) == []


class CutError(Exception):
    """We die here."""


class Mortal:
    """A provider's driver that dies before or after its n-th call."""

    def __init__(self, real: Any, at: int, *, after: bool) -> None:
        self._real, self._left, self._after = real, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found):
            return found

        def call(*args: object, **more: object) -> object:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise CutError
            answer = found(*args, **more)
            if self._left == 0:
                raise CutError
            return answer

        return call


@pytest.mark.parametrize("forgets", ["same-day", "keys-forgotten"])
@pytest.mark.parametrize("after", ["before", "after"])
def test_cut_off_at_any_call_it_goes_on_and_is_made_and_paid_once(
    means: Means, standin: Server, company: TenantId, after: str, forgets: str
) -> None:
    cut = 0
    for month, at in enumerate(range(1, 11), start=1):
        made = payments.another if month > 1 else payments.owing
        invoice = made(means.gate, company, month=month)
        dying = replace(means, payments=Mortal(means.payments, at, after=after == "after"))
        if month == 1:
            save(means, standin, company)
        try:
            carry(dying, company, invoice)
        except CutError:
            cut += 1
            if forgets == "keys-forgotten":
                standin.api.forget()
        assert carry(means, company, invoice) is CopyState.OPEN
        assert collect(means, company, invoice) is Came.CHARGED
        dying = replace(means, payments=Mortal(means.payments, at, after=after == "after"))
        try:
            carry(dying, company, invoice)
        except CutError:
            if forgets == "keys-forgotten":
                standin.api.forget()
        assert carry(means, company, invoice) is CopyState.PAID
        mine = [one for one in there(standin) if one.number == invoice.number]
        assert [(one.status, one.amount_paid, len(one.lines.data)) for one in mine] == [("paid", 17400, 1)]
    assert cut >= 5, "it has at least: make, add, look, finalise, look"
    paid = payments.client(standin).v1.payment_intents.list({"limit": 100}).data
    assert sum(one.status == "succeeded" for one in paid) == 10
    assert sum(one.status == "canceled" for one in paid) == 10, "nobody can pay on their pages any more"


@pytest.mark.parametrize("trouble", ["409", "429", "500", "lost-question", "lost-answer"])
def test_with_trouble_over_there_it_is_made_once(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument, trouble: str
) -> None:
    assert means.payments.account
    for place in range(12):
        standin.faults.clear()
        standin.faults.extend([""] * place + [trouble] * 3)
        try:
            carry(means, company, invoice)
        except ProviderAwayError:
            standin.api.forget()
    standin.faults.clear()
    if copy_of(means, company, invoice).state is CopyState.REFUSED:  # a 409 is a refusal
        copying.again(means, tenant_id=company, invoice_id=invoice.invoice_id, by=BY)
    assert carry(means, company, invoice) is CopyState.OPEN
    (found,) = there(standin)
    assert (found.total, len(found.lines.data)) == (17400, 1)


def test_one_minor_unit_of_difference_stops_it_and_nothing_is_charged(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    standin.control("misreckon", {"minor": "1"})
    assert carry(means, company, invoice) is CopyState.DIFFERS
    assert collect(means, company, invoice) is Came.STOPPED
    assert [one.status for one in there(standin)] == ["draft"]
    assert payments.client(standin).v1.payment_intents.list().data == []
    assert balances(means, company)["receivable"] == 17400
    found = differing(means)
    assert [
        (one.found.moved, one.found.differs, one.found.ours_minor, one.found.theirs_minor) for one in found
    ] == [
        (Moved.INVOICE, Differs.TAX, 2900, 2901),
        (Moved.INVOICE, Differs.AMOUNT, 17400, 17401),
    ]
    assert {one.found.remote_id for one in found} == {ids.public("inv", invoice.invoice_id)}
    assert carry(means, company, invoice) is CopyState.DIFFERS, "only a person lets it go on"
    reconciling.begin(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        (run,) = differences.runs(session)
    event = type("Asked", (), {"run_id": run.run_id})()
    reconciling.go_on(means, event)
    assert len(differing(means)) == 2, "the night's comparing does not make it agree"


def test_made_anew_it_agrees_and_is_charged(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    standin.control("misreckon", {"minor": "-1"})
    carry(means, company, invoice)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        one = differences.every(session)[0]
        differences.give(session, difference_id=one.difference_id, owner=BY)
    standin.control("misreckon", {"minor": "0"})
    again = copying.again(means, tenant_id=company, invoice_id=invoice.invoice_id, by=BY)
    assert again is CopyState.OPEN
    assert [(one.status, one.number) for one in there(standin)] == [("open", invoice.number)]
    assert differing(means) == []
    assert [one.owner for one in differing(means, Stands.AGREES)].count(BY) == 1
    assert collect(means, company, invoice) is Came.CHARGED
    with pytest.raises(CopyNotStoppedError):
        copying.again(means, tenant_id=company, invoice_id=invoice.invoice_id, by=BY)


def test_a_line_too_many_over_there_is_a_difference(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    class Meddled(Mortal):
        def add_to_copy(self, order: Any, remote_id: str, *, lines: Any) -> None:
            self._real.add_to_copy(order, remote_id, lines=lines)
            gift: Any = {"lines": [{"description": "A gift", "amount": 0}]}
            payments.client(standin).v1.invoices.add_lines(remote_id, gift)

    meddled = replace(means, payments=Meddled(means.payments, 0, after=False))
    assert carry(meddled, company, invoice) is CopyState.DIFFERS
    (found,) = differing(means)
    assert (found.found.differs, found.found.ours, found.found.theirs) == (Differs.LINES, "1", "2")


def test_paid_on_the_copys_page_it_is_booked_once_however_often_it_is_told(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    hear_everything(means)
    assert all_of(means, company, invoice) == (), "what nobody has paid yet is no payment of ours"
    page = copy_of(means, company, invoice).page_url
    assert visit(page, card(payments.DECLINED)).status == 200
    hear_everything(means)
    assert all_of(means, company, invoice) == ()
    assert visit(page, card(payments.PAID)).status == 303
    hear_everything(means)
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PAID
    (paid,) = all_of(means, company, invoice)
    assert (paid.state, paid.amount_minor) == (State.SUCCEEDED, 17400)
    assert balances(means, company)["clearing"] == 17400 - 281
    assert carry(means, company, invoice) is CopyState.PAID
    save(means, standin, company)
    assert collect(means, company, invoice) is Came.NOTHING_DUE


def test_taken_back_after_it_was_paid_on_the_copys_page_it_is_owed_again(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    visit(copy_of(means, company, invoice).page_url, card(payments.DISPUTED))
    hear_everything(means)
    assert stands(means, company, invoice).due_minor == 17400
    assert balances(means, company)["clearing"] == -281


def test_given_back_after_it_was_paid_on_the_copys_page(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    visit(copy_of(means, company, invoice).page_url, card(payments.PAID))
    hear_everything(means)
    (paid,) = all_of(means, company, invoice)
    collecting.refund(
        means, tenant_id=company, payment_id=paid.payment_id, amount_minor=400, refund_id=new_id(), by=BY
    )
    hear_everything(means)
    assert stands(means, company, invoice).refunded_minor == 400


def test_paid_on_both_pages_the_second_goes_on_account(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    ours = on_page(means, company, invoice)
    visit(copy_of(means, company, invoice).page_url, card(payments.PAID))
    visit(ours.url, card(payments.PAID))
    hear_everything(means)
    found = balances(means, company)
    assert (found["receivable"], found["on-account"]) == (0, -17400)
    assert sorted(one.state for one in all_of(means, company, invoice)) == [State.SUCCEEDED] * 2


def test_paid_our_way_nobody_can_pay_it_on_the_copys_page(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    visit(on_page(means, company, invoice).url, card(payments.PAID))
    hear_everything(means)
    assert carry(means, company, invoice) is CopyState.PAID
    (found,) = there(standin)
    assert (found.amount_paid, found.amount_overpaid, found.amount_remaining) == (17400, 0, 0)
    assert "It is paid" in visit(copy_of(means, company, invoice).page_url).text
    hear_everything(means)
    assert balances(means, company)["receivable"] == 0


def credit(means: Means, tenant_id: TenantId, invoice: InvoiceDocument, minor: int) -> None:
    with means.gate.open(Scope.system(tenant_id)) as session:
        credit_notes.ask(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice.invoice_id,
            parts=[Part(invoice.bill.lines[0].line_no, minor)],
            reason="A line was down.",
            by=BY,
        )


def test_a_credit_note_lessens_the_copy_before_and_after_it_is_paid(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    credit(means, company, invoice, 1000)
    assert copying.sweep(means) == 1
    (found,) = there(standin)
    assert (found.amount_remaining, found.pre_payment_credit_notes_amount) == (16200, 1200)
    visit(copy_of(means, company, invoice).page_url, card(payments.PAID))
    hear_everything(means)
    assert stands(means, company, invoice).state is Paid.PAID
    assert carry(means, company, invoice) is CopyState.PAID
    credit(means, company, invoice, 2000)
    assert copying.sweep(means) == 1
    (found,) = there(standin)
    assert (found.status, found.post_payment_credit_notes_amount) == ("paid", 2400)
    assert copying.sweep(means) == 0
    notes = payments.client(standin).v1.credit_notes.list({"invoice": found.id}).data
    assert sorted(one.amount for one in notes) == [1200, 2400]
    assert balances(means, company)["on-account"] == -2400


def test_credited_whole_it_is_closed_without_money(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    credit(means, company, invoice, 14500)
    copying.sweep(means)
    (found,) = there(standin)
    assert (found.status, found.amount_paid) == ("paid", 0)
    assert copy_of(means, company, invoice).state is CopyState.PAID


def test_what_money_on_account_has_paid_is_closed_over_there(
    means: Means, standin: Server, company: TenantId
) -> None:
    invoice = payments.owing(means.gate, company, month=9)
    carry(means, company, invoice)
    visit(copy_of(means, company, invoice).page_url, card(payments.PAID))
    visit(on_page(means, company, invoice).url, card(payments.PAID))
    hear_everything(means)
    second = payments.another(means.gate, company, month=10)
    carry(means, company, second)
    assert collect(means, company, second) in {Came.NOTHING_DUE, Came.NO_METHOD}
    assert stands(means, company, second).due_minor == 0
    assert copying.sweep(means) >= 1
    mine = next(one for one in there(standin) if one.number == second.number)
    assert (mine.status, mine.amount_paid_off_stripe) == ("paid", 17400)


def test_taken_back_over_there_by_hand_it_is_said(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    carry(means, company, invoice)
    standin.control("void", {"invoice": copy_of(means, company, invoice).remote_id})
    assert copying.sweep(means) == 0
    with clock.hold(clock.now() + copies.ASK_AFTER + dt.timedelta(minutes=1)):
        assert copying.sweep(means) == 1
    assert copy_of(means, company, invoice).state is CopyState.VOID
    assert stands(means, company, invoice).due_minor == 17400, "our invoice is the record"


def test_a_draft_thrown_away_by_hand_is_refused_and_made_anew_by_a_person(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    dying = replace(means, payments=Mortal(means.payments, 2, after=True))
    with pytest.raises(CutError):
        carry(dying, company, invoice)
    (draft,) = there(standin)
    payments.client(standin).v1.invoices.delete(draft.id)
    assert carry(means, company, invoice) is CopyState.REFUSED
    assert copying.again(means, tenant_id=company, invoice_id=invoice.invoice_id, by=BY) is CopyState.OPEN
    assert [one.status for one in there(standin)] == ["open"]


def test_a_draft_of_ours_has_no_copy(means: Means, standin: Server, company: TenantId) -> None:
    invoice = payments.owing(means.gate, company, minutes=0)
    assert invoice.bill.total_minor == 0
    assert carry(means, company, invoice) is None
    assert there(standin) == []


def test_a_payment_of_somebody_elses_invoice_over_there_is_none_of_ours(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    api = payments.client(standin)
    payer = collecting.know_payer(means, tenant_id=company)
    made = api.v1.invoices.create(
        {"customer": payer, "collection_method": "send_invoice", "days_until_due": 1, "currency": "gbp"}
    )
    api.v1.invoices.add_lines(made.id, {"lines": [{"amount": 900, "description": "By hand"}]})
    page = str(api.v1.invoices.finalize_invoice(made.id).hosted_invoice_url)
    visit(page, card(payments.PAID))
    hear_everything(means)
    assert "clearing" not in balances(means, company)
    assert stands(means, company, invoice).due_minor == 17400


def lines_of(amounts: list[int], *, meters: int = 3, rate_ppm: int = 200_000) -> Bill:
    tariff = new_id()
    groups = [
        Group(
            meter=f"voice.m{place % meters}",
            destination=f"d{place}",
            tariff_id=tariff,
            price_list="uk",
            version=1,
            names={"en": f"Destination {place}"},
            unit_nano=1,
            is_late=False,
            events=1,
            billed_seconds=60,
            amount_nano=amount * 10**7,
            kind=Kind.METERED if amount >= 0 else Kind.DISCOUNT,
        )
        for place, amount in enumerate(amounts)
    ]
    return compose(groups, currency="GBP", tax_category="S", tax_rate_ppm=rate_ppm)


@given(
    amounts=st.lists(st.integers(-10_000, 1_000_000), min_size=1, max_size=40),
    times=st.sampled_from([1, 7, 16]),
    rate_ppm=st.sampled_from([0, 50_000, 77_000, 200_000, 333_333]),
    meters=st.sampled_from([1, 7, 400]),
)
def test_a_copy_has_250_lines_at_most_and_sums_to_the_invoice(
    amounts: list[int], times: int, rate_ppm: int, meters: int
) -> None:
    amounts *= times
    bill = lines_of(amounts, meters=meters, rate_ppm=rate_ppm)
    found = copies.aggregate(bill, language="en")
    assert 0 < len(found) <= MOST_LINES
    assert sum(one.amount_minor for one in found) == bill.net_minor
    assert sum(one.tax_minor for one in found) == bill.tax_minor
    assert len({one.key for one in found}) == len(found)
    if len(amounts) <= MOST_LINES:
        assert [one.amount_minor for one in found] == [one.amount_minor for one in bill.lines]


def test_lines_that_are_too_many_say_how_many_they_are() -> None:
    found = copies.aggregate(lines_of([100] * 300, meters=2), language="en")
    assert [one.text for one in found] == [
        "voice.m0 – 150 lines of the invoice",
        "voice.m1 – 150 lines of the invoice",
    ]


def test_tax_is_shared_line_by_line() -> None:
    found = copies.aggregate(lines_of([33, 33, 34], rate_ppm=200_000), language="en")
    assert [one.tax_minor for one in found] == [6, 7, 7]
