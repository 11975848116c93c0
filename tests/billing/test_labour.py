"""What agents' hours cost more: every second is of one kind in every zone, and the bill shows it."""

import datetime as dt
import json
import zoneinfo
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import invoices, rentals, what_if
from billing.bill import Kind as LineKind
from billing.documents.arithmetic import explained
from billing.documents.document import InvoiceDocument
from billing.errors import PriceListError, ProofBrokenError
from billing.rating import labour
from billing.rating.labour import Days, Kind, Labour, Rules, Worked
from billing.rating.rentals import RentalPrice
from billing.rating.tariff import decode, encode
from billing.rating.terms import ChargeModel, Discount, Model, Terms
from billing.rentals import PaidHour
from billing.what_if import Supposed
from core import clock
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_invoices import AFTER, LATER, NOVEMBER, OCTOBER, drafted, finalised
from tests.billing.test_proof import proven, written

HOUR = dt.timedelta(hours=1)
HOUR_MS = 3_600_000
QUARTERS = (HOUR_MS // 4,) * 4
ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
NIGHT = Labour(night_ppm=1_250_000, night_from_s=22 * 3600, night_to_s=6 * 3600)
FULL = Labour(
    overtime_ppm=1_500_000,
    daily_s=8 * 3600,
    weekly_s=40 * 3600,
    night_ppm=1_250_000,
    night_from_s=22 * 3600,
    night_to_s=6 * 3600,
    holiday_ppm=2_000_000,
)
AGENT = stock.new_id_of("bob")
HOURS = (
    RentalPrice("agent.hour", "agents", 20 * NANO, step_s=0),
    RentalPrice("agent.training", "training", 8 * NANO, step_s=0),
)
NAMES = {
    "agents": {"en": "Agents", "zh": "客服"},
    "training": {"en": "Training", "zh": "培训"},
    "loyalty": {"en": "Loyalty", "zh": "老客户优惠"},
}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def hours_from(start: dt.datetime, number: int) -> list[Worked]:
    return [Worked("bob", start + n * HOUR, start + (n + 1) * HOUR, HOUR_MS) for n in range(number)]


def found(times: list[Worked], rules: Rules, days: Days | None = None) -> dict[Kind, Fraction]:
    """Hours by kind."""
    whole: dict[Kind, Fraction] = {}
    days = {} if days is None else days
    for one in times:
        for kind, ms in labour.kinds(one, rules, days).items():
            whole[kind] = whole.get(kind, Fraction(0)) + Fraction(ms, HOUR_MS)
    return whole


@given(
    zone=st.sampled_from(ZONES),
    start=st.datetimes(dt.datetime(2015, 1, 1), dt.datetime(2037, 12, 1)),  # noqa: DTZ001 - becomes UTC
    stretches=st.lists(st.tuples(st.integers(1, 90_000), st.integers(0, 1000)), min_size=1, max_size=12),
    holiday=st.integers(0, 3),
)
def test_parts_of_a_stretch_are_the_stretch_in_every_zone(
    zone: str, start: dt.datetime, stretches: list[tuple[int, int]], holiday: int
) -> None:
    """Sum of parts = whole, to the millisecond, and what the days count is what was worked."""
    begun = start.replace(tzinfo=dt.UTC)
    day = begun.astimezone(zoneinfo.ZoneInfo(zone)).date() + dt.timedelta(days=holiday)
    rules, days, whole = Rules(FULL, zone, {day}), Days(), 0
    for seconds, share in stretches:
        end = begun + dt.timedelta(seconds=seconds)
        ms = seconds * share
        parts = labour.kinds(Worked("bob", begun, end, ms), rules, days)
        assert sum(parts.values()) == ms
        assert all(part > 0 for part in parts.values())
        whole, begun = whole + ms, end
    assert sum(days.values()) == whole


@given(zone=st.sampled_from(ZONES), year=st.integers(2016, 2036), day=st.integers(0, 364))
def test_a_night_is_as_long_as_it_was_in_every_zone(zone: str, year: int, day: int) -> None:
    """Every minute's own wall clock says whether it is night."""
    here = zoneinfo.ZoneInfo(zone)
    noon = dt.datetime(year, 1, 1, 12, tzinfo=dt.UTC) + dt.timedelta(days=day)
    parts = found(hours_from(noon, 48), Rules(NIGHT, zone))
    minutes = [(noon + dt.timedelta(minutes=n)).astimezone(here) for n in range(48 * 60)]
    at_night = sum(one.hour >= 22 or one.hour < 6 for one in minutes)
    assert parts.get(Kind.NIGHT, 0) == Fraction(at_night, 60)


def test_the_night_that_a_clock_change_lengthens_costs_nine_hours() -> None:
    autumn = hours_from(at("2026-10-24T12:00"), 24)  # London: 25 October, 02:00 twice
    assert found(autumn, Rules(NIGHT, "Europe/London"))[Kind.NIGHT] == 9
    spring = hours_from(at("2026-03-28T12:00"), 24)
    assert found(spring, Rules(NIGHT, "Europe/London"))[Kind.NIGHT] == 7


def test_where_several_fit_the_dearest_has_it_and_nothing_is_multiplied_twice() -> None:
    # a holiday: overtime and night cost less
    day = {dt.date(2026, 12, 25)}
    shift = hours_from(at("2026-12-25T14:00"), 10)
    assert found(shift, Rules(FULL, "Europe/London", day)) == {Kind.HOLIDAY: 10}
    # no holiday: eight hours, then one beyond them, and another that is at night as well
    shift = hours_from(at("2026-12-01T13:00"), 10)
    assert found(shift, Rules(FULL, "Europe/London")) == {Kind.PLAIN: 8, Kind.OVERTIME: 2}


def test_overtime_begins_in_the_middle_of_a_quarter_and_by_the_week() -> None:
    days: Days = {("bob", dt.date(2026, 12, 1)): 7 * HOUR_MS + 3_000_000}
    parts = found(hours_from(at("2026-12-01T12:00"), 1), Rules(FULL, "UTC"), days)
    assert parts == {Kind.PLAIN: Fraction(600_000, HOUR_MS), Kind.OVERTIME: Fraction(3_000_000, HOUR_MS)}
    week: Days = {("bob", dt.date(2026, 11, 30) + dt.timedelta(days=n)): 8 * HOUR_MS for n in range(5)}
    saturday = found(hours_from(at("2026-12-05T09:00"), 2), Rules(FULL, "UTC"), week)
    assert saturday == {Kind.OVERTIME: 2}
    monday = found(hours_from(at("2026-12-07T09:00"), 2), Rules(FULL, "UTC"), week)
    assert monday == {Kind.PLAIN: 2}


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Terms(labour=Labour(overtime_ppm=1_500_000)), "beyond which it begins"),
        (Terms(labour=Labour(overtime_ppm=1_500_000, daily_s=90_000)), "within a day"),
        (Terms(labour=Labour(night_ppm=1_250_000, night_from_s=79_260, night_to_s=0)), "quarter of an hour"),
        (Terms(labour=Labour(night_ppm=1_250_000)), "another end"),
        (Terms(labour=Labour(night_ppm=900_000, night_to_s=3600)), "once and ten times"),
        (Terms(labour=Labour(holiday_ppm=2_000_000)), "names no calendar"),
        (
            Terms(labour=NIGHT, models=(ChargeModel("agent.hour", Model.STANDARD, least_nano=NANO),)),
            "no charge model",
        ),
    ],
)
def test_hours_that_contradict_themselves_are_not_published(gate: Gate, terms: Terms, says: str) -> None:
    with pytest.raises(PriceListError) as refusal:
        stock.publish(gate, rentals=HOURS, terms=terms, names=NAMES)
    assert says in str(refusal.value)


def company(gate: Gate, tenant_id: TenantId, terms: Terms) -> TenantId:
    version = stock.publish(gate, rentals=HOURS, terms=terms, names=NAMES)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
    return tenant_id


def works(gate: Gate, tenant_id: TenantId, *hours: PaidHour) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        return rentals.charge_agents(session, tenant_id=tenant_id, hours=hours)


def shift(start: str, number: int) -> list[PaidHour]:
    return [PaidHour(AGENT, at(start) + n * HOUR, HOUR_MS, QUARTERS) for n in range(number)]


def said(document: InvoiceDocument) -> list[tuple[str, str, int, int]]:
    return [
        (line.kind.value, (line.arithmetic or {}).get("time", ""), int(line.quantity), line.amount_minor)
        for line in document.bill.lines
    ]


LONG_DAY = Labour(
    overtime_ppm=1_500_000,
    daily_s=8 * 3600,
    night_ppm=1_250_000,
    night_from_s=22 * 3600,
    night_to_s=6 * 3600,
)


def test_a_long_shift_stands_on_the_invoice_with_what_it_costs_more(gate: Gate, tenant_a: TenantId) -> None:
    """From 15:00 to 01:00 in London: seven hours, one at night, one beyond eight, and one of the next day."""
    alice = company(
        gate,
        tenant_a,
        Terms(labour=LONG_DAY, discounts=(Discount("loyalty", ("agent.hour",), off_ppm=100_000),)),
    )
    assert works(gate, alice, *shift("2026-10-14T14:00", 10)) == 40
    assert works(gate, alice, *shift("2026-10-14T14:00", 10)) == 0
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        running = invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
        asked = what_if.ask(session, tenant_id=alice, period=OCTOBER, supposed=Supposed())
    draft = drafted(gate, alice)
    assert running.bill == draft.bill == asked.supposed
    assert said(draft) == [
        ("metered", "", 10, 20000),
        ("surcharge", "night", 2, 1000),
        ("surcharge", "overtime", 1, 1000),
        ("discount", "", 1, -2200),
    ]
    assert running.meters[0].quantity == 10  # hours that cost more are not more hours
    invoice = finalised(gate, alice, draft)
    assert [explained(line, currency="GBP", language="en") for line in invoice.bill.lines[1:3]] == [
        "Night: 2 h of line 1 at 125% of £20.00; what that is more",
        "Overtime: 1 h of line 1 at 150% of £20.00; what that is more",
    ]
    assert explained(invoice.bill.lines[1], currency="GBP", language="zh").startswith("夜间：第 1 项")
    lines = written(gate, alice, invoice)
    assert proven(lines).total_minor == invoice.bill.total_minor
    forged = [line.replace('"ppm": 1500000', '"ppm": 1400000') for line in lines]
    assert forged != lines
    with pytest.raises(ProofBrokenError, match="arithmetic"):
        proven(forged)


def test_other_prices_say_what_a_month_of_nights_would_have_cost(gate: Gate, tenant_a: TenantId) -> None:
    alice = company(gate, tenant_a, Terms())
    works(gate, alice, *shift("2026-10-14T14:00", 10))
    dearer = stock.publish(gate, code="nights", rentals=HOURS, terms=Terms(labour=LONG_DAY), names=NAMES)
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        supposed = Supposed(prices=decode(dearer.content))
        found = what_if.ask(session, tenant_id=alice, period=OCTOBER, supposed=supposed)
    assert (found.actual.net_minor, found.supposed.net_minor) == (20000, 22000)


def test_a_week_that_a_month_ends_in_goes_on_in_the_next_invoice(gate: Gate, tenant_a: TenantId) -> None:
    weekly = Labour(overtime_ppm=2_000_000, weekly_s=10 * 3600)
    alice = company(gate, tenant_a, Terms(labour=weekly))
    works(gate, alice, *shift("2026-10-28T09:00", 9))  # Wednesday
    works(gate, alice, *shift("2026-11-01T09:00", 3))  # Sunday of the same week
    october = finalised(gate, alice, drafted(gate, alice))
    assert said(october) == [("metered", "", 9, 18000)]
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    assert said(november) == [("metered", "", 3, 6000), ("surcharge", "overtime", 2, 4000)]
    lines = written(gate, alice, november)
    assert proven(lines).number == november.number
    terms = next(json.loads(line) for line in lines if '"kind": "terms"' in line)
    assert terms["before"]["worked"] == {str(AGENT): {"2026-10-28": 9 * HOUR_MS}}


def test_hours_reported_late_come_after_what_was_billed_of_their_day(gate: Gate, tenant_a: TenantId) -> None:
    alice = company(gate, tenant_a, Terms(labour=LONG_DAY))
    works(gate, alice, *shift("2026-10-31T10:00", 8))
    finalised(gate, alice, drafted(gate, alice))
    works(gate, alice, *shift("2026-10-31T08:00", 1))
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    assert [(line.is_late, line.amount_minor) for line in november.bill.lines] == [(True, 2000), (True, 1000)]
    proven(written(gate, alice, november))


def test_an_hour_that_was_charged_whole_is_not_charged_again_by_its_quarters(
    gate: Gate, tenant_a: TenantId
) -> None:
    alice = company(gate, tenant_a, Terms(labour=LONG_DAY))
    hour = at("2026-10-14T09:00")
    assert works(gate, alice, PaidHour(AGENT, hour, 2_700_000)) == 1
    # a sign-in that is reported late adds a minute, wherever it lies
    later = PaidHour(AGENT, hour, 2_760_000, (60_000, 900_000, 900_000, 900_000))
    assert works(gate, alice, later) == 1
    assert works(gate, alice, later) == 0
    assert drafted(gate, alice).bill.lines[0].billed_seconds == 2760


def test_training_costs_its_own_price_and_nothing_where_it_has_none(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    alice = company(gate, tenant_a, Terms(labour=LONG_DAY))
    learned = PaidHour(AGENT, at("2026-10-14T23:00"), HOUR_MS, QUARTERS, rentals.TRAINING)
    assert works(gate, alice, *shift("2026-10-14T09:00", 8), learned) == 36
    assert said(drafted(gate, alice)) == [("metered", "", 8, 16000), ("metered", "", 1, 800)]
    version = stock.publish(gate, code="none", rentals=HOURS[:1], names=NAMES)
    with gate.open(Scope.system(tenant_b)) as session:
        stock.customer(session, tenant_id=tenant_b, version=version)
    assert works(gate, tenant_b, learned) == 0


def test_prices_without_dearer_hours_keep_their_text_and_those_with_them_come_back(gate: Gate) -> None:
    plain = stock.publish(gate, rentals=HOURS, names=NAMES)
    assert json.loads(plain.content)["format"] == 2
    full = stock.publish(gate, code="full", rentals=HOURS, terms=Terms(labour=LONG_DAY), names=NAMES)
    tariff = decode(full.content)
    assert tariff.terms.labour == LONG_DAY
    assert encode(tariff) == full.content
    assert LineKind.SURCHARGE.value == "surcharge"
