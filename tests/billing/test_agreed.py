"""What is agreed beyond single prices stands on the invoice, exact and explained; the proof carries it."""

import datetime as dt
import json

import pytest

from billing import invoices, periods, usage
from billing.bill import Kind, Line
from billing.documents import en16931, pdf, ubl
from billing.documents.arithmetic import explained
from billing.documents.document import InvoiceDocument
from billing.errors import DraftStaleError, PriceListError, ProofBrokenError
from billing.rating.rentals import RentalPrice
from billing.rating.tariff import Tariff, decode, encode
from billing.rating.terms import (
    NOTHING,
    Allowance,
    ChargeModel,
    Commitment,
    Discount,
    Model,
    Step,
    Terms,
)
from core import clock
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_invoices import AFTER, LATER, NOVEMBER, OCTOBER, drafted, finalised, use
from tests.billing.test_proof import proven, written

NAMES = {
    "ten-minutes": {"en": "Ten minutes a month", "zh": "每月含十分钟"},
    "loyalty": {"en": "Loyalty", "zh": "老客户优惠"},
    "least": {"en": "Minimum spend", "zh": "最低消费"},
    "sms": {"en": "Text messages", "zh": "短信"},
    "setup": {"en": "Set-up", "zh": "开通费"},
}
ITEMS = (
    RentalPrice("item.setup", "setup", 250 * NANO),
    RentalPrice("message.sms", "sms", NANO // 10),
)
TEN_MINUTES = Allowance("ten-minutes", ("voice.inbound", "voice.outbound"), seconds=600)


def company(gate: Gate, tenant_id: TenantId, terms: Terms) -> TenantId:
    """A company whose prices say these terms."""
    version = stock.publish(gate, rentals=ITEMS, terms=terms, names=NAMES)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
    return tenant_id


def inbound(event_id: str, seconds: int, at: dt.datetime = stock.NOON) -> usage.Usage:
    return stock.usage(event_id, meter="voice.inbound", prefix="44113496", seconds=seconds, at=at)


def counted(event_id: str, number: int, *, meter: str, at: dt.datetime = stock.NOON) -> usage.Usage:
    """So many pieces of something."""
    return stock.usage(event_id, meter=meter, prefix="", seconds=0, at=at, quantity_ms=number * 1000)


def said(document: InvoiceDocument) -> list[tuple[str, str, int]]:
    return [(line.kind.value, line.destination, line.amount_minor) for line in document.bill.lines]


def agreed_lines(document: InvoiceDocument) -> list[Line]:
    return [line for line in document.bill.lines if line.kind is not Kind.METERED]


def test_a_set_up_fee_stands_beside_calls_that_the_included_minutes_take_over(
    gate: Gate, tenant_a: TenantId
) -> None:
    alice = company(gate, tenant_a, Terms(allowances=(TEN_MINUTES,)))
    use(gate, alice, inbound("first", 480), inbound("second", 240, stock.NOON + dt.timedelta(hours=1)))
    use(gate, alice, counted("setup", 1, meter="item.setup"))
    with gate.open(Scope.system(alice)) as session:
        running = invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
    draft = drafted(gate, alice)
    # 12 minutes at 0.05 are 0.60, ten of which are included: eight of the first call and two of the second
    assert said(draft) == [
        ("metered", "setup", 25000),
        ("metered", "gb-local", 60),
        ("allowance", "ten-minutes", -50),
    ]
    assert running.bill == draft.bill
    included = agreed_lines(draft)[0]
    assert included.arithmetic == {
        "of_line": 2,
        "calls": 2,
        "seconds": 600,
        "given_s": 600,
        "left_s": 0,
    }
    assert (included.meter, included.events, included.billed_seconds) == ("voice.inbound", 0, 600)
    assert draft.bill.net_minor == 25010
    invoice = finalised(gate, alice, draft)
    assert proven(written(gate, alice, invoice)).total_minor == invoice.bill.total_minor


def test_what_is_left_of_the_minutes_rolls_over_once(gate: Gate, tenant_a: TenantId) -> None:
    rolling = Allowance("ten-minutes", ("voice.inbound",), seconds=600, rollover=1)
    alice = company(gate, tenant_a, Terms(allowances=(rolling,)))
    use(gate, alice, inbound("october", 60))
    october = finalised(gate, alice, drafted(gate, alice))
    assert agreed_lines(october)[0].arithmetic == {
        "of_line": 1,
        "calls": 1,
        "seconds": 60,
        "given_s": 600,
        "left_s": 540,
    }
    use(gate, alice, inbound("november", 1500, dt.datetime(2026, 11, 5, tzinfo=dt.UTC)))
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    assert agreed_lines(november)[0].billed_seconds == 540 + 600
    assert proven(written(gate, alice, november)).number == november.number


def test_a_late_call_uses_what_was_left_of_its_own_month(gate: Gate, tenant_a: TenantId) -> None:
    alice = company(gate, tenant_a, Terms(allowances=(TEN_MINUTES,)))
    use(gate, alice, inbound("october", 540))
    finalised(gate, alice, drafted(gate, alice))
    use(gate, alice, inbound("late", 120), inbound("new", 60, dt.datetime(2026, 11, 5, tzinfo=dt.UTC)))
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    assert [(line.is_late, line.billed_seconds) for line in agreed_lines(november)] == [
        (False, 60),
        (True, 60),
    ]
    proven(written(gate, alice, november))


VOLUME = ChargeModel("message.sms", Model.VOLUME, steps=(Step(NANO, up_to_milli=10_000), Step(NANO // 5)))


def test_a_late_message_costs_the_difference_of_the_month_with_it_and_without(
    gate: Gate, tenant_a: TenantId
) -> None:
    """Ten at 1.00 are 10.00; eleven at 0.20 are 2.20: the eleventh gives 7.80 back."""
    alice = company(gate, tenant_a, Terms(models=(VOLUME,)))
    use(gate, alice, counted("ten", 10, meter="message.sms"))
    october = finalised(gate, alice, drafted(gate, alice))
    assert said(october) == [("metered", "sms", 1000)]
    proven(written(gate, alice, october))
    use(gate, alice, counted("late", 1, meter="message.sms"))
    use(gate, alice, inbound("calls", 24_000, dt.datetime(2026, 11, 5, tzinfo=dt.UTC)))
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    assert said(november) == [("metered", "gb-local", 2000), ("metered", "sms", -780)]
    proven(written(gate, alice, november))


def test_discounts_come_off_in_their_order_and_a_commitment_is_made_up_for(
    gate: Gate, tenant_a: TenantId
) -> None:
    terms = Terms(
        discounts=(Discount("loyalty", off_ppm=100_000, off_nano=NANO),),
        commitments=(Commitment("least", 20 * NANO),),
    )
    alice = company(gate, tenant_a, terms)
    use(gate, alice, inbound("call", 12_000))  # 200 minutes at 0.05
    draft = drafted(gate, alice)
    assert said(draft) == [
        ("metered", "gb-local", 1000),
        ("discount", "loyalty", -200),
        ("commitment", "least", 1200),
    ]
    assert draft.bill.net_minor == 2000
    assert agreed_lines(draft)[1].arithmetic == {
        "committed_minor": 2000,
        "months": 1,
        "spent_minor": 800,
        "spent_before_minor": 0,
    }
    proven(written(gate, alice, finalised(gate, alice, draft)))


def test_a_quarters_commitment_counts_what_was_paid_in_its_first_months(
    gate: Gate, tenant_a: TenantId
) -> None:
    alice = company(gate, tenant_a, Terms(commitments=(Commitment("least", 20 * NANO, months=3),)))
    use(gate, alice, inbound("october", 12_000))
    october = finalised(gate, alice, drafted(gate, alice))
    assert said(october) == [("metered", "gb-local", 1000)]
    finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    december = periods.month(2026, 12, zone="Europe/London")
    last = finalised(gate, alice, drafted(gate, alice, december), dt.datetime(2027, 1, 2, tzinfo=dt.UTC))
    assert said(last) == [("commitment", "least", 1000)]
    proven(written(gate, alice, last))


def test_a_draft_made_before_the_month_before_was_closed_is_made_anew(gate: Gate, tenant_a: TenantId) -> None:
    rolling = Allowance("ten-minutes", ("voice.inbound",), seconds=600, rollover=1)
    alice = company(gate, tenant_a, Terms(allowances=(rolling,)))
    use(gate, alice, inbound("october", 60), inbound("new", 900, dt.datetime(2026, 11, 5, tzinfo=dt.UTC)))
    october, november = drafted(gate, alice), drafted(gate, alice, NOVEMBER)
    finalised(gate, alice, october)
    with pytest.raises(DraftStaleError):
        finalised(gate, alice, november, LATER)


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("line", "amount_nano", ()),
        ("line", "left_s", ("arithmetic",)),
        ("line", "seconds", ("arithmetic",)),
        ("terms", "given_s", ("before", "pools", 0)),
    ],
)
def test_arithmetic_that_was_changed_is_found(
    gate: Gate, tenant_a: TenantId, kind: str, name: str, path: tuple[str | int, ...]
) -> None:
    alice = company(gate, tenant_a, Terms(allowances=(TEN_MINUTES,)))
    use(gate, alice, inbound("first", 480))
    lines = written(gate, alice, finalised(gate, alice, drafted(gate, alice)))
    spoilt = []
    for line in lines:
        record = json.loads(line)
        if record["kind"] == kind and (kind == "terms" or "arithmetic" in record):
            at = record
            for step in path:
                at = at[step]
            at[name] -= 1
        spoilt.append(json.dumps(record) + "\n")
    with pytest.raises(ProofBrokenError) as refusal:
        proven(spoilt)
    assert f", {kind}" in str(refusal.value)


def test_a_proof_without_what_was_agreed_is_none(gate: Gate, tenant_a: TenantId) -> None:
    alice = company(gate, tenant_a, Terms(allowances=(TEN_MINUTES,)))
    use(gate, alice, inbound("first", 480))
    lines = written(gate, alice, finalised(gate, alice, drafted(gate, alice)))
    with pytest.raises(ProofBrokenError, match="agreed is missing"):
        proven([line for line in lines if json.loads(line)["kind"] != "terms"])


def test_terms_are_part_of_what_is_hashed_and_what_has_none_stays_as_it_was(gate: Gate) -> None:
    plain = Tariff("uk", 1, "GBP", "Europe/London", stock.NAMES, stock.rates())
    assert "terms" not in json.loads(encode(plain))
    assert decode(encode(plain)).terms == NOTHING
    terms = Terms(models=(VOLUME,), allowances=(TEN_MINUTES,), commitments=(Commitment("least", NANO),))
    with_terms = Tariff("uk", 1, "GBP", "Europe/London", stock.NAMES, stock.rates(), terms=terms)
    assert json.loads(encode(with_terms))["format"] == 4
    assert decode(encode(with_terms)).terms == terms


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Terms(allowances=(Allowance("nameless", ("voice.inbound",), 60),)), "no name"),
        (Terms(allowances=(TEN_MINUTES, Allowance("loyalty", ("voice.inbound",), 60))), "same calls"),
        (Terms(allowances=(Allowance("loyalty", ("seat.month",), 60),)), "minutes of calls"),
        (Terms(allowances=(Allowance("loyalty", ("voice.inbound",), 60, rollover=13),)), "twelve months"),
        (Terms(discounts=(Discount("loyalty"),)), "takes nothing off"),
        (Terms(discounts=(Discount("loyalty", off_nano=1),)), "whole amounts"),
        (Terms(commitments=(Commitment("least", NANO, months=5),)), "1, 3, 6 or 12"),
        (Terms(models=(ChargeModel("message.sms", Model.VOLUME, steps=(Step(1, up_to_milli=5),)),)), "open"),
        (Terms(models=(ChargeModel("message.sms", Model.PACKAGE),)), "at least one unit"),
        (Terms(models=(ChargeModel("seat.month", Model.STANDARD),)), "no charge model"),
        (Terms(models=(ChargeModel("agent.hour", Model.STANDARD),)), "what it is called"),
    ],
)
def test_terms_that_contradict_themselves_are_not_published(gate: Gate, terms: Terms, says: str) -> None:
    with pytest.raises(PriceListError) as refusal:
        stock.publish(gate, rentals=ITEMS, terms=terms, names=NAMES)
    assert says in str(refusal.value)


def test_a_running_bill_says_that_the_missing_of_a_commitment_is_an_estimate(
    gate: Gate, tenant_a: TenantId
) -> None:
    alice = company(gate, tenant_a, Terms(commitments=(Commitment("least", 20 * NANO),)))
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        found = invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
    assert [(line.kind, line.is_estimate) for line in found.bill.lines] == [(Kind.COMMITMENT, True)]
    assert found.period == OCTOBER


def test_papers_say_in_plain_words_how_each_line_came_about(gate: Gate, tenant_a: TenantId) -> None:
    terms = Terms(
        models=(VOLUME,),
        allowances=(TEN_MINUTES,),
        discounts=(Discount("loyalty", off_ppm=100_000, off_nano=NANO),),
        commitments=(Commitment("least", 20 * NANO),),
    )
    alice = company(gate, tenant_a, terms)
    use(gate, alice, inbound("call", 1200), counted("twenty", 20, meter="message.sms"))
    invoice = finalised(gate, alice, drafted(gate, alice))
    sentences = [explained(line, currency="GBP", language="en") for line in invoice.bill.lines]
    assert sentences == [
        "all 20 of the month at the price of the tier they reach",
        "",
        "10 min of line 2 are included: 0 of 10 min are left",
        "10% and £1.00 off £4.50",
        "£20.00 agreed, £3.05 spent: the difference",
    ]
    for language in ("en", "zh"):
        printed = pdf.shown(invoice, language=language)["lines"]
        assert all(
            explained(line, currency="GBP", language=language) in row["detail"]
            for line, row in zip(invoice.bill.lines, printed, strict=True)
        )
    # what comes off is so many units back: no price of an e-invoice is negative (BR-27)
    assert en16931.problems(ubl.invoice(invoice, buyer_country="GB")) == ()
