"""Service that falls short of what was promised gives money back, by the counts that were given."""

import datetime as dt
import json

import pytest

from billing import invoices, promises, what_if
from billing.agreed import Count
from billing.bill import Kind
from billing.documents import en16931, pdf, ubl
from billing.documents.arithmetic import explained
from billing.documents.document import InvoiceDocument
from billing.errors import (
    DraftStaleError,
    PeriodClosedError,
    PriceListError,
    ProofBrokenError,
    ServiceCountError,
    ServiceNotCountedError,
    ServiceNotPromisedError,
)
from billing.rating.terms import Commitment, Credit, Discount, ServiceLevel, Terms
from billing.what_if import Supposed
from core import clock
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_agreed import inbound
from tests.billing.test_invoices import AFTER, OCTOBER, drafted, finalised, use
from tests.billing.test_proof import proven, written

MONTH = dt.date(2026, 10, 1)
BY = stock.new_id_of("dana")
NAMES = {
    "quick": {"en": "80 % within 20 seconds", "zh": "20 秒内接听 80%"},
    "loyalty": {"en": "Loyalty", "zh": "老客户优惠"},
    "least": {"en": "Minimum spend", "zh": "最低消费"},
}
QUICK = ServiceLevel("quick", (Credit(800_000, 50_000), Credit(700_000, 100_000)))


def company(gate: Gate, tenant_id: TenantId, terms: Terms) -> TenantId:
    version = stock.publish(gate, terms=terms, names=NAMES)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
    return tenant_id


def counted(
    gate: Gate, tenant_id: TenantId, offered: int, in_time: int, *, queue: str = "Sales", code: str = "quick"
) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        count = Count(code, queue, offered, in_time)
        promises.give(session, tenant_id=tenant_id, month_on=MONTH, count=count, by=BY)


def back(document: InvoiceDocument) -> list[int]:
    return [line.amount_minor for line in document.bill.lines if line.kind is Kind.CREDIT]


@pytest.mark.parametrize(
    ("in_time", "given_back"),
    [(800, []), (799, [-50]), (700, [-50]), (699, [-100]), (0, [-100])],
)
def test_the_step_that_a_month_falls_below_says_what_comes_back(
    gate: Gate, tenant_a: TenantId, in_time: int, given_back: list[int]
) -> None:
    alice = company(gate, tenant_a, Terms(service=(QUICK,)))
    use(gate, alice, inbound("call", 12_000))  # 200 minutes at 0.05
    counted(gate, alice, 400, min(in_time, 400))
    counted(gate, alice, 600, max(0, in_time - 400), queue="Support")
    assert back(drafted(gate, alice)) == given_back


def test_what_comes_back_is_off_what_discounts_leave_and_no_commitment_takes_it_again(
    gate: Gate, tenant_a: TenantId
) -> None:
    terms = Terms(
        discounts=(Discount("loyalty", off_ppm=100_000),),
        commitments=(Commitment("least", 9 * NANO),),
        service=(QUICK,),
    )
    alice = company(gate, tenant_a, terms)
    use(gate, alice, inbound("call", 12_000))
    counted(gate, alice, 1000, 600)
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        running = invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
        asked = what_if.ask(session, tenant_id=alice, period=OCTOBER, supposed=Supposed())
    draft = drafted(gate, alice)
    assert [(line.kind.value, line.amount_minor) for line in draft.bill.lines] == [
        ("metered", 1000),
        ("discount", -100),
        ("credit", -90),
    ]
    assert asked.supposed == draft.bill
    assert [(line.amount_minor, line.is_estimate) for line in running.bill.lines][-1] == (-90, True)
    invoice = finalised(gate, alice, draft)
    line = invoice.bill.lines[-1]
    assert explained(line, currency="GBP", language="en") == (
        "600 of 1,000 in time (60%), 80% promised: 10% of £9.00 back"
    )
    assert explained(line, currency="GBP", language="zh").startswith("1,000 次中 600 次达标")
    for language in ("en", "zh"):
        assert (
            explained(line, currency="GBP", language=language)
            in (pdf.shown(invoice, language=language)["lines"][-1]["detail"])
        )
    assert en16931.problems(ubl.invoice(invoice, buyer_country="GB")) == ()
    lines = written(gate, alice, invoice)
    assert proven(lines).total_minor == invoice.bill.total_minor
    forged = [one.replace('"in_time": 600', '"in_time": 500') for one in lines]
    assert forged != lines
    with pytest.raises(ProofBrokenError):
        proven(forged)


def test_no_more_comes_back_than_was_agreed_at_most(gate: Gate, tenant_a: TenantId) -> None:
    bounded = ServiceLevel("quick", QUICK.steps, ("voice.inbound",), most_nano=NANO // 2)
    alice = company(gate, tenant_a, Terms(service=(bounded,)))
    use(gate, alice, inbound("call", 12_000))
    counted(gate, alice, 10, 1)
    draft = drafted(gate, alice)
    assert back(draft) == [-50]
    assert explained(draft.bill.lines[-1], currency="GBP", language="en").endswith("back, £0.50 at most")


def test_a_month_is_not_closed_before_somebody_said_how_the_service_was(
    gate: Gate, tenant_a: TenantId
) -> None:
    alice = company(gate, tenant_a, Terms(service=(QUICK,)))
    use(gate, alice, inbound("call", 12_000))
    with pytest.raises(ServiceNotCountedError):
        finalised(gate, alice, drafted(gate, alice))
    draft = drafted(gate, alice)
    counted(gate, alice, 10, 1)
    with pytest.raises(DraftStaleError):
        finalised(gate, alice, draft)
    counted(gate, alice, 10, 9)  # said anew
    invoice = finalised(gate, alice, drafted(gate, alice))
    assert back(invoice) == []
    terms = next(json.loads(line) for line in written(gate, alice, invoice) if '"kind": "terms"' in line)
    assert terms["counts"] == [{"code": "quick", "queue": "Sales", "offered": 10, "in_time": 9}]
    with pytest.raises(PeriodClosedError):
        counted(gate, alice, 10, 1)
    with pytest.raises(PeriodClosedError), gate.open(Scope.system(alice)) as session:
        promises.take_back(session, tenant_id=alice, month_on=MONTH, code="quick", queue="Sales")


def test_counts_that_cannot_be_are_refused(gate: Gate, tenant_a: TenantId) -> None:
    alice = company(gate, tenant_a, Terms(service=(QUICK,)))
    for offered, in_time, queue in ((1, 2, "Sales"), (1, -1, "Sales"), (1, 1, " "), (1, 1, "s" * 61)):
        with pytest.raises(ServiceCountError):
            counted(gate, alice, offered, in_time, queue=queue)
    with pytest.raises(ServiceNotPromisedError):
        counted(gate, alice, 1, 1, code="slow")


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (ServiceLevel("quick", ()), "less and less"),
        (ServiceLevel("quick", (Credit(700_000, 1), Credit(800_000, 2))), "less and less"),
        (ServiceLevel("quick", (Credit(800_000, 1_000_001),)), "100 %"),
        (ServiceLevel("quick", QUICK.steps, most_nano=1), "whole amount"),
        (ServiceLevel("nameless", QUICK.steps), "no name"),
    ],
)
def test_promises_that_contradict_themselves_are_not_published(
    gate: Gate, level: ServiceLevel, says: str
) -> None:
    with pytest.raises(PriceListError) as refusal:
        stock.publish(gate, terms=Terms(service=(level,)), names=NAMES)
    assert says in str(refusal.value)
