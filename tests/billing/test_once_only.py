"""Invariants 9, 10, 12, 14 and 15 of what a metered bill has to hold: once, through crashes, in any order."""

import datetime as dt
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Self

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from billing import agreed, invoices, periods, staging, usage
from billing.bill import Group, Quantity
from billing.errors import DraftStaleError
from billing.rating import agreements
from billing.rating.rentals import RentalPrice
from billing.rating.tariff import Tariff
from billing.rating.terms import Allowance, ChargeModel, Discount, Model, Step, Terms
from billing.safety import Safety
from billing.usage import Receipt, Usage
from core import clock
from core.ids import TenantId, new_id
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_agreed import NAMES, VOLUME, counted, inbound
from tests.billing.test_invoices import AFTER, OCTOBER, some_calls
from wiring.prepare import DatabaseUrls

TERMS = Terms(
    models=(VOLUME,),
    allowances=(Allowance("ten-minutes", ("voice.inbound",), seconds=200, rollover=1),),
    discounts=(Discount("loyalty", off_ppm=77_000),),
)
FAR_ABOVE_OTHERS = Safety(second_above=10**9)  # a month among small ones is not held
SMS = (RentalPrice("message.sms", "sms", NANO // 10),)


@pytest.fixture
def alice(gate: Gate, tenant_a: TenantId) -> TenantId:
    """A company with included minutes, a discount and tiers, so that every statement of a bill is there."""
    version = stock.publish(gate, rentals=SMS, terms=TERMS, names=NAMES)
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    return tenant_a


class KilledError(BaseException):
    """The process is gone: nothing may catch it."""


class _Counting(psycopg.Cursor[Any]):
    """Counts what is sent over a connection, and kills at the n-th statement."""

    sent, last = 0, 0

    def execute(self, *args: Any, **kwargs: Any) -> Self:
        type(self).sent += 1
        if type(self).sent == type(self).last:
            raise KilledError
        return super().execute(*args, **kwargs)


@contextmanager
def cut_at(session: Session, number: int) -> Iterator[None]:
    """Kill what runs at its n-th statement, those beside SQLAlchemy as well (`core.columns`)."""
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    before = connection.cursor_factory
    _Counting.sent, _Counting.last = 0, number
    connection.cursor_factory = _Counting
    try:
        yield
    finally:
        connection.cursor_factory = before


@contextmanager
def killed_at(session: Session, number: int) -> Iterator[list[str]]:
    """Kill what runs at its n-th statement; yield the statements that were sent."""
    sent: list[str] = []
    connection = session.connection()

    def count(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)
        if len(sent) == number:
            raise KilledError

    event.listen(connection, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(connection, "before_cursor_execute", count)


# all that a bill is made of, without the ids that differ from run to run
FACTS = (
    "SELECT source, event_id, meter, occurred_at, quantity_ms FROM app.usage_events ORDER BY 1, 2",
    """SELECT u.event_id, c.outcome, c.amount_nano, c.billed_seconds, c.units_nano, c.bill_at,
         c.superseded_by IS NULL, i.state, i.number, m.line_no
       FROM app.rated_charges c JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id
       LEFT JOIN app.invoice_line_charges m ON m.tenant_id = c.tenant_id AND m.rated_charge_id = c.id
       LEFT JOIN app.invoices i ON i.tenant_id = m.tenant_id AND i.id = m.invoice_id ORDER BY 1, 7""",
    "SELECT state, number, period_start, net_minor, tax_minor, agreed->>'after' FROM app.invoices ORDER BY 3",
    """SELECT i.period_start, l.line_no, l.kind, l.meter, l.destination, l.amount_nano, l.amount_minor,
         l.arithmetic::text
       FROM app.invoice_lines l JOIN app.invoices i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id
       ORDER BY 1, 2""",
)


def facts(gate: Gate, tenant_id: TenantId) -> list[list[tuple[Any, ...]]]:
    with gate.open(Scope.system(tenant_id)) as session:
        return [[tuple(row) for row in session.execute(text(sql))] for sql in FACTS]


def test_bulk_intake_killed_at_any_statement_leaves_nothing_half_done(
    gate: Gate, alice: TenantId, database: DatabaseUrls
) -> None:
    """Invariant 10, in bulk: taking a staged batch in is one transaction, whatever ends it."""
    uses = [
        *some_calls(),
        some_calls()[0],  # once more
        stock.usage("out-1", seconds=99),  # says something else
        stock.usage("bad", quantity_ms=-1),
    ]
    batch = staging.stage(database.bill, tenant_id=alice, usages=uses)
    before, number = facts(gate, alice), 1
    counts: staging.Counts | None = None
    while counts is None:
        try:
            with gate.open(Scope.system(alice)) as session, cut_at(session, number):
                counts = staging.take_in(session, tenant_id=alice, batch_id=batch)
        except KilledError:
            assert facts(gate, alice) == before, f"statement {number}"
            number += 1
    assert number > 8
    assert counts == staging.Counts(received=8, accepted=5, duplicate=1, conflict=1, rejected=1)
    after = facts(gate, alice)
    with gate.open(Scope.system(alice)) as session:  # and sent again it is the same batch
        assert staging.take_in(session, tenant_id=alice, batch_id=batch) == counts
    assert facts(gate, alice) == after
    assert len(after[0]) == len(after[1]) == 5


def test_a_copy_that_dies_has_staged_nothing_and_is_sent_again(
    gate: Gate, alice: TenantId, database: DatabaseUrls
) -> None:
    uses = [stock.usage(f"call-{n}", seconds=1 + n % 60) for n in range(8000)]  # more than is sent at once
    batch = new_id()
    with pytest.raises(AttributeError):
        staging.stage(
            database.bill,
            tenant_id=alice,
            usages=[*uses, stock.usage("dies", number_id="no id")],
            batch_id=batch,
        )
    with gate.open(Scope.system(alice)) as session:
        assert (
            session.execute(
                text("SELECT count(*) FROM app.staged_usage(:batch)"), {"batch": batch}
            ).scalar_one()
            == 0
        )
    staging.stage(database.bill, tenant_id=alice, usages=uses, batch_id=batch)
    with gate.open(Scope.system(alice)) as session:
        assert staging.take_in(session, tenant_id=alice, batch_id=batch).accepted == 8000


def test_a_worker_killed_at_any_statement_leaves_nothing_half_done(gate: Gate, alice: TenantId) -> None:
    """Invariant 10: every fail-point of intake, draft and finalising, one after the other."""
    uses = [*some_calls(), counted("sms", 12, meter="message.sms")]

    def intake(session: Session) -> None:
        for one in uses:
            usage.record(session, tenant_id=alice, usage=one)

    def draft(session: Session) -> None:
        invoices.draft(session, tenant_id=alice, period=OCTOBER)

    def finalise(session: Session) -> None:
        (there,) = invoices.every(session, tenant_id=alice)
        invoices.finalise(session, tenant_id=alice, invoice_id=there.invoice_id)

    killed = 0
    steps: tuple[Callable[[Session], None], ...] = (intake, draft, draft, finalise)
    for step in steps:
        before, number = facts(gate, alice), 1
        while True:
            try:
                with (
                    clock.hold(AFTER),
                    gate.open(Scope.system(alice)) as session,
                    killed_at(session, number),
                ):
                    step(session)
                break
            except KilledError:
                killed += 1
                assert facts(gate, alice) == before, f"{step.__name__}, statement {number}"
                number += 1
    assert killed > 60
    (invoice,) = facts(gate, alice)[2]
    assert invoice[1] == "SL-2026-000001"  # and no number was burnt
    # 4.97 minutes in, 10.00 minutes and 86 s out, 12 messages at 0.20; less 200 s, less 7.7 %
    assert [line[2] for line in facts(gate, alice)[3]] == [
        *["metered"] * 4,
        "allowance",
        "discount",
    ]


class Intake(RuleBasedStateMachine):
    """Reports come once, twice, changed, out of order and from workers that die; months are closed."""

    gate: Gate
    tenant_id: TenantId
    zone = "Europe/London"

    def __init__(self) -> None:
        super().__init__()
        self.mark = new_id().hex
        self.known: dict[str, Usage] = {}
        self.received = dict.fromkeys(Receipt, 0)
        self.closed: list[tuple[Any, ...]] = []

    def _month(self) -> periods.Period:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            until = usage.closed_until(session, tenant_id=self.tenant_id) or OCTOBER.start
        return periods.month_of(until, zone=self.zone)

    def _record(self, one: Usage) -> None:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            self.received[usage.record(session, tenant_id=self.tenant_id, usage=one).outcome] += 1

    @rule(seconds=st.integers(0, 400), days=st.integers(-40, 27), is_message=st.booleans())
    def report(self, seconds: int, days: int, *, is_message: bool) -> None:
        at = self._month().start + dt.timedelta(days=days, hours=5)
        name = f"{self.mark}/{len(self.known)}"
        make = (
            counted(name, seconds, meter="message.sms", at=at) if is_message else inbound(name, seconds, at)
        )
        self.known[name] = make
        self._record(make)

    @rule(choice=st.randoms())
    def report_again(self, choice: random.Random) -> None:
        if self.known:
            self._record(self.known[choice.choice(sorted(self.known))])

    @rule(choice=st.randoms(), number=st.integers(1, 7))
    def die_while_reporting(self, choice: random.Random, number: int) -> None:
        name = f"{self.mark}/lost-{choice.random()}"
        with pytest.raises(KilledError), self.gate.open(Scope.system(self.tenant_id)) as session:
            with killed_at(session, number):
                usage.record(session, tenant_id=self.tenant_id, usage=inbound(name, 60))
            raise KilledError  # or it dies just before the commit

    @rule()
    def close_the_month(self) -> None:
        month = self._month()
        with (
            clock.hold(month.end + dt.timedelta(days=1)),
            self.gate.open(Scope.system(self.tenant_id)) as session,
        ):
            made = invoices.draft(session, tenant_id=self.tenant_id, period=month)
            invoices.finalise(
                session, tenant_id=self.tenant_id, invoice_id=made.invoice_id, usual=FAR_ABOVE_OTHERS
            )

    @invariant()
    def each_use_has_one_current_charge_and_at_most_one_line(self) -> None:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            rows = session.execute(
                text("""
                SELECT u.event_id, count(c.id) FILTER (WHERE c.superseded_by IS NULL) AS current,
                  count(m.rated_charge_id) AS lines
                FROM app.usage_events u
                LEFT JOIN app.rated_charges c ON c.tenant_id = u.tenant_id AND c.usage_id = u.id
                LEFT JOIN app.invoice_line_charges m ON m.tenant_id = c.tenant_id AND m.rated_charge_id = c.id
                WHERE u.event_id LIKE :mark GROUP BY u.event_id"""),
                {"mark": f"{self.mark}/%"},
            ).all()
            finalised = [
                tuple(row)
                for row in session.execute(
                    text("""SELECT i.number, i.net_minor, l.line_no, l.amount_minor FROM app.invoices i
                    LEFT JOIN app.invoice_lines l ON l.tenant_id = i.tenant_id AND l.invoice_id = i.id
                    WHERE i.state = 'finalised' ORDER BY i.period_start, l.line_no""")
                )
            ]
        assert {row.event_id for row in rows} == set(self.known)
        assert all(row.current == 1 and row.lines <= 1 for row in rows)
        assert self.received[Receipt.ACCEPTED] == len(self.known)
        assert not self.received[Receipt.CONFLICT]
        assert finalised[: len(self.closed)] == self.closed
        self.closed = finalised


def test_each_use_is_billed_once_whatever_is_repeated_late_or_killed(gate: Gate, alice: TenantId) -> None:
    """Invariant 9, as a state machine."""
    Intake.gate, Intake.tenant_id = gate, alice
    run_state_machine_as_test(
        Intake,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_order_of_reports_changes_no_line(gate: Gate, alice: TenantId) -> None:
    """Invariant 12, with included minutes, tiers and a discount, which all look at the whole month."""
    uses = [
        *some_calls(),
        *(inbound(f"more-{n}", 37 * n, stock.NOON + dt.timedelta(minutes=n % 3)) for n in range(6)),
        *(counted(f"sms-{n}", n, meter="message.sms") for n in range(6)),
    ]
    seen = set()
    for seed in range(5):
        random.Random(seed).shuffle(uses)  # noqa: S311 - a shuffle of a test
        with gate.open(Scope.system(alice)) as session:
            attempt = session.begin_nested()
            for one in uses:
                usage.record(session, tenant_id=alice, usage=one)
            bill = invoices.draft(session, tenant_id=alice, period=OCTOBER).bill
            seen.add(repr([(one.line_no, one.kind, one.amount_nano, one.arithmetic) for one in bill.lines]))
            attempt.rollback()
    assert len(seen) == 1


@given(amount=st.integers(0, 10**12), weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_parts_by_weight_add_up_and_none_is_off_by_more_than_one(amount: int, weights: list[int]) -> None:
    """Invariant 14: how a discount is taken off several meters."""
    if not sum(weights):
        weights[0] = 1
    parts = agreements.share_out(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1


TIERS = (Step(7 * NANO, up_to_milli=5_000, flat_nano=3), Step(2 * NANO, up_to_milli=9_000), Step(NANO // 3))


@pytest.mark.parametrize(
    "model",
    [
        ChargeModel("message.sms", Model.STANDARD, least_nano=3 * NANO, most_nano=40 * NANO),
        ChargeModel("message.sms", Model.GRADUATED, steps=TIERS),
        ChargeModel("message.sms", Model.VOLUME, steps=TIERS),
        ChargeModel("message.sms", Model.PACKAGE, package_size=7, package_nano=NANO, free_milli=2500),
        ChargeModel("message.sms", Model.PERCENTAGE, rate_ppm=29_900, fixed_nano=5, free_events=1),
    ],
)
@given(cuts=st.lists(st.integers(1, 40 * NANO), min_size=1, max_size=6))
def test_a_month_billed_in_parts_costs_what_it_costs_at_once(model: ChargeModel, cuts: list[int]) -> None:
    """Invariant 15: late parts are the differences of two prices, so they add up, but for their rounding."""
    tariff = Tariff("t", 1, "GBP", "UTC", NAMES, (), rentals=SMS, terms=Terms(models=(model,)))
    tariff_id = new_id()

    def price(*quantities: Quantity) -> int:
        group = Group(
            meter="message.sms",
            destination="sms",
            tariff_id=tariff_id,
            price_list="t",
            version=1,
            names={},
            unit_nano=None,
            is_late=False,
            events=0,
            billed_seconds=0,
            amount_nano=0,
            quantities=quantities,
        )
        return agreed.by_model(group, {tariff_id: tariff}).amount_nano

    at, before, parts = OCTOBER.start, 0, 0
    for number, units in enumerate(cuts):
        parts += price(Quantity(at, units, 1, before, number))
        before += units
    whole = price(Quantity(at, before, len(cuts)))
    assert abs(parts - whole) * 2 <= len(cuts) + 1


def test_a_draft_is_refused_when_a_use_came_after_it(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        usage.record(session, tenant_id=alice, usage=inbound("first", 60))
        made = invoices.draft(session, tenant_id=alice, period=OCTOBER)
        usage.record(session, tenant_id=alice, usage=inbound("second", 60))
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session, pytest.raises(DraftStaleError):
        invoices.finalise(session, tenant_id=alice, invoice_id=made.invoice_id)
