"""Invariant 26: a bill that leaves its account's bounds is held until somebody looked at it."""

import datetime as dt
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import invoices, periods, safety
from billing.documents.document import InvoiceDocument
from billing.errors import (
    BillHeldError,
    BillNotHeldError,
    CreditReasonError,
    SafetyInvalidError,
    SecondPersonError,
)
from billing.periods import Period
from billing.rating.tariff import DatedRate
from billing.safety import USUAL, Outside, Reason, Safety
from core import clock
from core.ids import OPERATOR, TenantId, UserId
from core.money import NANO, exponent
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_agreed import inbound
from tests.billing.test_invoices import drafted, use
from wiring import closing

DANA, PRIYA = UserId(stock.new_id_of("dana")), UserId(stock.new_id_of("priya"))
LATER = dt.datetime(2027, 2, 20, tzinfo=dt.UTC)
STRICT = Safety(second_above=0, times_milli=3000)


def month(number: int) -> Period:
    return periods.month(2026, number, zone="Europe/London")


def billed(gate: Gate, tenant_id: TenantId, number: int, minutes: int) -> InvoiceDocument:
    """The draft of a month in which calls of so many minutes were made, at 0.05."""
    at = month(number).start + dt.timedelta(days=3)
    use(gate, tenant_id, inbound(f"call-{number}-{minutes}", 60 * minutes, at))
    return drafted(gate, tenant_id, month(number))


def close(gate: Gate, tenant_id: TenantId, draft: InvoiceDocument, usual: Safety = STRICT) -> InvoiceDocument:
    with clock.hold(LATER), gate.open(Scope.system(tenant_id)) as session:
        return invoices.finalise(session, tenant_id=tenant_id, invoice_id=draft.invoice_id, usual=usual)


def held(gate: Gate, tenant_id: TenantId, draft: InvoiceDocument, usual: Safety = STRICT) -> Outside | None:
    """How a draft leaves its bounds; it is held when it does, as by the doorway that closes months."""
    with clock.hold(LATER), gate.open(Scope.system(tenant_id)) as session:
        found = invoices.leaves_bounds(session, tenant_id=tenant_id, invoice_id=draft.invoice_id, usual=usual)
        if found is not None:
            safety.hold(session, tenant_id=tenant_id, invoice_id=draft.invoice_id, outside=found)
    return found


def released(
    gate: Gate,
    tenant_id: TenantId,
    draft: InvoiceDocument,
    *,
    by: UserId = DANA,
    why: str = "Christmas",
    usual: Safety = STRICT,
) -> bool:
    with clock.hold(LATER), gate.open(Scope.system(tenant_id)) as session:
        return safety.release(
            session, tenant_id=tenant_id, invoice_id=draft.invoice_id, why=why, by=by, safety=usual
        )


@pytest.fixture
def three(gate: Gate, alice: TenantId) -> TenantId:
    """A company with three bills of 12.00."""
    for number in (5, 6, 7):
        close(gate, alice, billed(gate, alice, number, 200))
    return alice


@pytest.mark.parametrize(
    ("minutes", "outside"),
    [
        (600, None),  # three times the mean, to the cent
        (601, Outside(Reason.ABOVE_MEAN, 3606, 3600)),
    ],
)
def test_a_bill_far_above_those_before_it_is_held(
    gate: Gate, three: TenantId, minutes: int, outside: Outside | None
) -> None:
    draft = billed(gate, three, 8, minutes)
    assert held(gate, three, draft) == outside
    if outside is None:
        assert close(gate, three, draft).number
        return
    with pytest.raises(BillHeldError):
        close(gate, three, draft)
    with gate.open(Scope.system(three)) as session:
        (one,) = safety.held(session, tenant_id=three)
    assert (one.invoice_id, one.outside, one.asked_by) == (draft.invoice_id, outside, None)


def test_neither_the_first_bills_nor_small_ones_are_above_the_mean(gate: Gate, alice: TenantId) -> None:
    for number, minutes in ((5, 1), (6, 1000), (7, 1)):
        draft = billed(gate, alice, number, minutes)
        assert held(gate, alice, draft) is None
        close(gate, alice, draft)
    fourth = billed(gate, alice, 8, 3000)
    assert held(gate, alice, fourth, Safety(times_milli=1000)) is None  # 180.00, one person may decide that
    assert held(gate, alice, fourth, Safety(second_above=100, times_milli=1000)) is not None


def test_a_company_has_bounds_of_its_own_under_everybodys_limit(gate: Gate, alice: TenantId) -> None:
    draft = billed(gate, alice, 5, 200)
    with gate.open(Scope.system(alice)) as session:
        safety.change(session, tenant_id=alice, safety=Safety(10**9, 2000, 11), by=DANA)
        found = safety.find(session, tenant_id=alice, usual=STRICT)
    assert (found.second_above, found.times_milli, found.most) == (0, 2000, 11)
    assert held(gate, alice, draft) == Outside(Reason.ABOVE_MOST, 1200, 1100)


@given(
    total=st.integers(-(10**6), 10**9),
    near=st.one_of(st.none(), st.integers(-2, 2)),
    earlier=st.lists(st.integers(0, 10**8), max_size=6),
    times_milli=st.integers(1000, 20_000),
    most=st.one_of(st.none(), st.integers(1, 10**6)),
    lines=st.tuples(st.integers(1, 40), st.integers(28, 31), st.integers(-400, 2)),
    second_above=st.integers(0, 1000),
    currency=st.sampled_from(["GBP", "JPY", "KWD"]),
)
def test_every_bill_is_within_its_bounds_or_held(
    total: int,
    near: int | None,
    earlier: list[int],
    times_milli: int,
    most: int | None,
    lines: tuple[int, int, int],
    second_above: int,
    currency: str,
) -> None:
    """Invariant 26: nothing gets past a bound, and nothing within all of them is held."""
    lines_a_day, days, beside = lines
    count = max(0, lines_a_day * days + beside)  # at the bound itself, one more or less, or far below
    by = Safety(second_above, times_milli, most, lines_a_day=lines_a_day)
    unit = 10 ** exponent(currency)
    mean = Fraction(sum(earlier), len(earlier)) if len(earlier) >= 3 else None
    if near is not None:  # at the bound itself, a coin more or less
        total = int((mean or 0) * times_milli / 1000) + near
    is_far = mean is not None and total > mean * times_milli / 1000 and total > second_above * unit
    is_long = count > lines_a_day * days
    found = safety.weigh(total, earlier, currency=currency, lines=count, days=days, by=by)
    is_above = most is not None and total > most * unit
    assert (found is not None) == (total < 0 or is_long or is_above or is_far)
    if found is None:
        return
    assert (total < 0) == (found.reason is Reason.NEGATIVE)
    assert found.total_minor == total
    if found.reason is Reason.TOO_MANY_LINES:
        assert (found.lines, found.most_lines) == (count, lines_a_day * days)
        assert is_long
        return
    assert (found.lines, found.most_lines) == (None, None)
    assert found.bound_minor < total or total < 0
    if total >= 0:
        more = safety.weigh(total + 1, earlier, currency=currency, lines=count, days=days, by=by)
        assert more is not None
        assert more.reason is found.reason or more.reason is Reason.ABOVE_MOST


@pytest.fixture
def wide(gate: Gate, tenant_a: TenantId) -> TenantId:
    """A company whose calls out may come to sixty lines: a destination each."""
    version = stock.publish(
        gate,
        of=tuple(
            DatedRate("voice.outbound", f"33{number}", f"fr-{number}", stock.per_minute(NANO))
            for number in range(10, 70)
        ),
        names={f"fr-{number}": {"en": f"France {number}"} for number in range(10, 70)},
    )
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    return tenant_a


def spread(gate: Gate, tenant_id: TenantId, lines: int) -> InvoiceDocument:
    """The draft of a February whose calls come to so many lines."""
    at = month(2).start + dt.timedelta(days=3)
    calls = (stock.usage(f"call-{n}", prefix=f"33{n}000", at=at) for n in range(10, 10 + lines))
    use(gate, tenant_id, *calls)
    made = drafted(gate, tenant_id, month(2))
    assert len(made.bill.lines) == lines
    return made


def test_a_bill_of_more_lines_a_day_than_was_set_is_held_and_released_as_it_stands(
    gate: Gate, wide: TenantId
) -> None:
    with gate.open(Scope.system(wide)) as session:
        safety.change(session, tenant_id=wide, safety=Safety(lines_a_day=2), by=DANA)
    draft = spread(gate, wide, 57)  # one more than twice the days of that February
    for _twice in range(2):
        with clock.hold(LATER), pytest.raises(BillHeldError) as caught:
            closing.finalise_one(gate, tenant_id=wide, invoice_id=draft.invoice_id, by=OPERATOR)
        assert caught.value.details["reason"] == "too-many-lines"
    outside = Outside(Reason.TOO_MANY_LINES, draft.bill.total_minor, 0, 57, 56)
    with gate.open(Scope.system(wide)) as session:
        (one,) = safety.held(session, tenant_id=wide)
        log = evidence.page(session, tenant_id=wide, limit=9).entries
    assert one.outside == outside
    (told,) = [entry.fact.details for entry in log if entry.fact.action == "bill.held"]
    assert (told["lines"], told["most_lines"]) == (57, 56)
    assert released(gate, wide, draft, usual=USUAL)
    with gate.open(Scope.system(wide)) as session, pytest.raises(BillHeldError):  # it has grown since
        grown = replace(outside, lines=58)
        safety.insist(session, tenant_id=wide, invoice_id=draft.invoice_id, outside=grown)
    assert close(gate, wide, draft, USUAL).number


def test_a_bill_of_as_many_lines_as_may_be_is_not_held(gate: Gate, wide: TenantId) -> None:
    draft = spread(gate, wide, 56)
    assert held(gate, wide, draft, Safety(lines_a_day=1)) is not None  # everybody's bound, for who has none
    assert held(gate, wide, draft, Safety(lines_a_day=2)) is None
    assert held(gate, wide, draft) is None  # fifteen a day
    assert close(gate, wide, draft, Safety(lines_a_day=2)).number


def test_a_bill_of_less_than_nothing_is_held(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        found = safety.judge(
            session,
            tenant_id=alice,
            total_minor=-1,
            currency="GBP",
            lines=0,
            days=30,
            before=LATER,
            by=USUAL,
        )
    assert found == Outside(Reason.NEGATIVE, -1, 0)


def test_two_people_release_it_and_it_is_finalised_as_it_stands(gate: Gate, three: TenantId) -> None:
    draft = billed(gate, three, 8, 601)
    with pytest.raises(BillNotHeldError):
        released(gate, three, draft)
    held(gate, three, draft)
    with pytest.raises(CreditReasonError):
        released(gate, three, draft, why=" ")
    assert not released(gate, three, draft)
    with pytest.raises(SecondPersonError):
        released(gate, three, draft)
    with pytest.raises(BillHeldError):
        close(gate, three, draft)
    assert released(gate, three, draft, by=PRIYA)
    with pytest.raises(BillNotHeldError):
        released(gate, three, draft, by=PRIYA)
    assert close(gate, three, draft).bill.total_minor == 3606


def test_one_person_releases_what_one_person_may_decide(gate: Gate, three: TenantId) -> None:
    draft = billed(gate, three, 8, 601)
    held(gate, three, draft)
    assert released(gate, three, draft, usual=USUAL)
    assert close(gate, three, draft).number


def test_who_raised_the_limit_gains_nothing_by_it(gate: Gate) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        safety.change(session, tenant_id=OPERATOR, safety=Safety(second_above=1_000_000), by=DANA)
        found = safety.usual(session)
    assert found.needs_second(60_000, currency="GBP", by=DANA)
    assert not found.needs_second(60_000, currency="GBP", by=PRIYA)


def test_what_was_released_is_this_bill_and_no_other(gate: Gate, three: TenantId) -> None:
    draft = billed(gate, three, 8, 601)
    held(gate, three, draft)
    released(gate, three, draft)
    released(gate, three, draft, by=PRIYA)
    anew = billed(gate, three, 8, 1)
    assert anew.invoice_id != draft.invoice_id
    with pytest.raises(BillHeldError):
        close(gate, three, anew)
    with gate.open(Scope.system(three)) as session:
        assert safety.held(session, tenant_id=three) == ()  # what is gone is held no more


def test_the_database_wants_two_people_and_keeps_what_they_did(gate: Gate, three: TenantId) -> None:
    draft = billed(gate, three, 8, 601)
    held(gate, three, draft)
    released(gate, three, draft)
    for change in ("released_at = now(), released_by = asked_by", "released_at = now()"):
        with pytest.raises(DBAPIError), gate.open(Scope.system(three)) as session:
            session.execute(text(f"UPDATE app.bill_holds SET {change}"))
    released(gate, three, draft, by=PRIYA)
    with pytest.raises(DBAPIError), gate.open(Scope.system(three)) as session:
        session.execute(text("UPDATE app.bill_holds SET why = 'nothing'"))


@pytest.mark.parametrize(
    "rules",
    [
        *(Safety(times_milli=999), Safety(second_above=-1), Safety(most=0), Safety(times_milli=10**7)),
        *(Safety(lines_a_day=0), Safety(lines_a_day=1001)),
    ],
)
def test_bounds_that_cannot_be_are_refused(gate: Gate, alice: TenantId, rules: Safety) -> None:
    with pytest.raises(SafetyInvalidError), gate.open(Scope.system(alice)) as session:
        safety.change(session, tenant_id=alice, safety=rules, by=DANA)


def test_the_job_that_closes_months_holds_the_bill_and_says_so_in_the_log(
    gate: Gate, three: TenantId
) -> None:
    draft = billed(gate, three, 8, 60_100)
    with gate.open(Scope.system(OPERATOR)) as session:
        safety.change(session, tenant_id=OPERATOR, safety=Safety(times_milli=2000), by=DANA)
    for _twice in range(2):
        with clock.hold(LATER), pytest.raises(BillHeldError):
            closing.finalise_one(gate, tenant_id=three, invoice_id=draft.invoice_id, by=OPERATOR)
    with gate.open(Scope.system(three)) as session:
        (one,) = safety.held(session, tenant_id=three)
        acts = session.execute(text("SELECT count(*) FROM app.evidence WHERE action = 'bill.held'"))
        assert acts.scalar_one() == 1
    assert one.outside == Outside(Reason.ABOVE_MEAN, 360_600, 2400)
