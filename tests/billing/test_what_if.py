"""What a month would have cost, by the code that bills it."""

import datetime as dt
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import what_if
from billing.bill import Kind
from billing.documents.document import InvoiceDocument
from billing.periods import Period
from billing.rating.rentals import RentalPrice, Unit
from billing.rating.tariff import DatedRate, Tariff
from billing.rating.terms import Allowance, Commitment, Discount, Terms
from billing.what_if import Answer, Mix, Supposed, Way
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_agreed import NAMES, VOLUME, counted, inbound
from tests.billing.test_invoices import LATER, NOVEMBER, OCTOBER, drafted, finalised, some_calls, use

SEATS = (
    RentalPrice("seat.month", "seats", 96 * NANO),
    RentalPrice("seat.day", "seats", 8 * NANO),
    RentalPrice("message.sms", "sms", NANO // 10),
)
EVERYTHING = Terms(
    models=(VOLUME,),
    allowances=(Allowance("ten-minutes", ("voice.inbound",), seconds=600, rollover=1),),
    discounts=(Discount("loyalty", off_ppm=77_000),),
    commitments=(Commitment("least", 200 * NANO),),
)


@pytest.fixture
def alice(gate: Gate, tenant_a: TenantId) -> TenantId:
    """A company with every kind of agreement, two months of calls, a seat and late news."""
    version = stock.publish(gate, rentals=SEATS, terms=EVERYTHING, names={**NAMES, **stock.SEATS})
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    use(gate, tenant_a, *some_calls(), counted("october", 8, meter="message.sms"))
    rented = stock.usage(
        "seat/2026-10",
        meter="seat.month",
        prefix="",
        at=OCTOBER.start,
        ended_at=OCTOBER.start + dt.timedelta(days=10),
        quantity_ms=864_000_000,
    )
    use(gate, tenant_a, rented)
    return tenant_a


def asked(gate: Gate, tenant_id: TenantId, period: Period, supposed: Supposed = Supposed()) -> Answer:  # noqa: B008
    with gate.open(Scope.system(tenant_id)) as session:
        return what_if.ask(session, tenant_id=tenant_id, period=period, supposed=supposed)


def both_months(gate: Gate, tenant_id: TenantId) -> tuple[InvoiceDocument, InvoiceDocument]:
    october = finalised(gate, tenant_id, drafted(gate, tenant_id))
    use(gate, tenant_id, counted("late", 5, meter="message.sms"), inbound("late-call", 700))
    use(gate, tenant_id, *some_calls(dt.datetime(2026, 11, 5, tzinfo=dt.UTC), "-november"))
    return october, finalised(gate, tenant_id, drafted(gate, tenant_id, NOVEMBER), LATER)


def test_with_the_prices_of_the_day_it_is_the_invoice_to_the_cent(gate: Gate, alice: TenantId) -> None:
    open_month = asked(gate, alice, OCTOBER)
    assert open_month.supposed == open_month.actual
    assert open_month.number is None
    for period, invoice in zip((OCTOBER, NOVEMBER), both_months(gate, alice), strict=True):
        found = asked(gate, alice, period)
        assert found.number == invoice.number
        assert found.supposed == found.actual == invoice.bill
        assert not found.unpriced


def test_other_prices_are_worked_out_and_what_they_lack_is_counted(gate: Gate, alice: TenantId) -> None:
    finalised(gate, alice, drafted(gate, alice))
    dearer = Tariff(
        "other",
        1,
        "GBP",
        "Europe/London",
        stock.NAMES,
        (DatedRate("voice.inbound", "44", "gb-local", stock.per_minute(NANO)),),
    )
    found = asked(gate, alice, OCTOBER, Supposed(prices=dearer))
    # 298 seconds at 1.00 a minute; calls out, seats and messages have no price there
    assert [(line.meter, line.amount_minor) for line in found.supposed.lines] == [("voice.inbound", 497)]
    assert found.unpriced == {"voice.outbound": 3, "seat.month": 1, "message.sms": 1}
    # prices that were asked for before are not taken for those asked for now
    cheaper = DatedRate("voice.inbound", "44", "gb-local", stock.per_minute(NANO // 10))
    again = asked(gate, alice, OCTOBER, Supposed(prices=replace(dearer, rates=(cheaper,))))
    assert again.supposed.net_minor == 50


def test_paid_in_one_way_alone_the_others_are_left_out_and_what_is_beside_them_stays(
    gate: Gate, alice: TenantId
) -> None:
    document = finalised(gate, alice, drafted(gate, alice, OCTOBER))
    meters = {line.meter for line in document.bill.lines if line.kind is Kind.METERED}
    assert {"voice.inbound", "voice.outbound", "seat.month", "message.sms"} <= meters
    for way, kept in (
        (Way.INBOUND, {"voice.inbound", "message.sms"}),
        (Way.OUTBOUND, {"voice.outbound", "message.sms"}),
        (Way.SEATS, {"seat.month", "message.sms"}),
        (Way.AGENTS, {"message.sms"}),
    ):
        answer = asked(gate, alice, OCTOBER, Supposed(way=way))
        there = [line for line in answer.supposed.lines if line.kind is Kind.METERED]
        assert {line.meter for line in there} == kept
        was = {
            (one.meter, one.destination): one.amount_minor
            for one in document.bill.lines
            if one.kind is Kind.METERED
        }
        assert all(line.amount_minor == was[line.meter, line.destination] for line in there)
        assert answer.actual == document.bill
        assert not answer.unpriced


def test_seats_are_charged_by_another_unit(gate: Gate, alice: TenantId) -> None:
    by_day = asked(gate, alice, OCTOBER, Supposed(seats=Unit.DAY)).supposed
    assert [line.amount_minor for line in by_day.lines if line.meter == "seat.day"] == [8000]
    by_hour = asked(gate, alice, OCTOBER, Supposed(seats=Unit.HOUR))
    assert by_hour.unpriced == {"seat.hour": 1}


@given(
    worked=st.dictionaries(st.integers(0, 700), st.integers(0, 9), max_size=60),
    month=st.integers(0, 200),
    hour=st.integers(0, 9),
)
def test_each_seat_by_the_month_pays_when_it_is_used_for_more_hours_than_it_costs(
    worked: dict[int, int], month: int, hour: int
) -> None:
    start = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    found = what_if.mixes(
        {start + dt.timedelta(hours=at): count for at, count in worked.items()},
        month=RentalPrice("seat.month", "seats", month * NANO),
        hour=RentalPrice("seat.hour", "seats", hour * NANO),
        currency="GBP",
    )
    assert [one.by_month for one in found] == list(range(max(worked.values(), default=0) + 1))
    for before, one in itertools.pairwise(found):
        used = sum(count >= one.by_month for count in worked.values())
        assert one.cost_minor - before.cost_minor == (month - used * hour) * 100
    best = what_if.cheapest(found)
    assert best
    assert all(best.cost_minor <= one.cost_minor for one in found)


def test_the_worked_example_of_seats() -> None:
    start = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    worked = {start + dt.timedelta(hours=at): 2 if at < 10 else 1 for at in range(40)}
    found = what_if.mixes(
        worked,
        month=RentalPrice("seat.month", "seats", 30 * NANO),
        hour=RentalPrice("seat.hour", "seats", NANO),
        currency="GBP",
    )
    assert found == [Mix(0, 5000), Mix(1, 4000), Mix(2, 6000)]
