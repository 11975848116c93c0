"""From charges to a frozen document: once, in order, to the minor unit."""

import concurrent.futures
import datetime as dt
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from billing import accounts, digests, invoices, periods, tariffs, usage
from billing.bill import Group, compose
from billing.documents.document import InvoiceDocument
from billing.errors import (
    DraftStaleError,
    InvoiceFinalError,
    InvoiceNotFoundError,
    PeriodClosedError,
    PeriodInvalidError,
    PeriodNotOverError,
    UnratedUsageError,
)
from billing.models import LINE_CHARGES, InvoiceRow, RatedChargeRow
from billing.price_lists import Published
from billing.rating.rules import Outcome
from core import clock
from core.events import OutboxRow
from core.ids import TenantId, new_id
from core.money import nano_to_minor, round_half_up
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.conftest import admitted
from wiring.prepare import DatabaseUrls

OCTOBER = periods.month(2026, 10, zone="Europe/London")
NOVEMBER = periods.month(2026, 11, zone="Europe/London")
AFTER = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 12, 2, 9, tzinfo=dt.UTC)


def use(gate: Gate, tenant_id: TenantId, *what: usage.Usage) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        for one in what:
            usage.record(session, tenant_id=tenant_id, usage=one)


def drafted(gate: Gate, tenant_id: TenantId, period: periods.Period = OCTOBER) -> InvoiceDocument:
    with gate.open(Scope.system(tenant_id)) as session:
        return invoices.draft(session, tenant_id=tenant_id, period=period)


def finalised(
    gate: Gate, tenant_id: TenantId, draft: InvoiceDocument, at: dt.datetime = AFTER
) -> InvoiceDocument:
    with clock.hold(at), gate.open(Scope.system(tenant_id)) as session:
        return invoices.finalise(session, tenant_id=tenant_id, invoice_id=draft.invoice_id)


def some_calls(at: dt.datetime = stock.NOON, mark: str = "") -> list[usage.Usage]:
    return [
        stock.usage(f"in-1{mark}", meter="voice.inbound", prefix="44113496", seconds=230, at=at),
        stock.usage(f"in-2{mark}", meter="voice.inbound", prefix="44113496", seconds=68, at=at),
        stock.usage(f"out-1{mark}", seconds=85, at=at),
        stock.usage(f"out-2{mark}", seconds=1, at=at),
        stock.usage(f"out-3{mark}", prefix="44113496", seconds=600, at=at),
    ]


def test_lines_gather_what_has_one_meter_destination_and_price(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    bill = drafted(gate, alice).bill
    assert [(line.meter, line.destination, line.events, line.billed_seconds) for line in bill.lines] == [
        ("voice.inbound", "gb-local", 2, 298),
        ("voice.outbound", "gb-local", 1, 600),
        ("voice.outbound", "gb-mobile", 2, 86),
    ]
    assert [line.amount_minor for line in bill.lines] == [25, 23, 10]  # 24.83, 22.5, 10.39
    assert [line.unit_nano for line in bill.lines] == [50_000_000, 22_500_000, 72_500_000]
    assert bill.lines[2].names["zh"] == "英国手机"
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (58, 12, 70)  # 20 % of 58 is 11.6


def test_every_charge_of_the_period_sits_on_exactly_one_line(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    draft = drafted(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        for line in draft.bill.lines:
            members = session.execute(
                select(func.count(), func.sum(RatedChargeRow.amount_nano))
                .join(
                    LINE_CHARGES,
                    (LINE_CHARGES.c.tenant_id == RatedChargeRow.tenant_id)
                    & (LINE_CHARGES.c.rated_charge_id == RatedChargeRow.id),
                )
                .where(LINE_CHARGES.c.line_no == line.line_no)
            ).one()
            assert tuple(members) == (line.events, line.amount_nano)
            assert nano_to_minor(line.amount_nano, currency="GBP") == line.amount_minor
        assert session.scalar(select(func.count()).select_from(LINE_CHARGES)) == 5


def test_what_the_log_proves_is_the_invoice_as_it_stands_in_the_tables(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        draft = invoices.draft(session, tenant_id=alice, period=OCTOBER)
        done = invoices.finalise(session, tenant_id=alice, invoice_id=draft.invoice_id)
    with gate.open(Scope.system(alice)) as session:
        (entry,) = evidence.page(session, tenant_id=alice, limit=1, action="invoice.finalised").entries
        stands = digests.of_invoice(session, tenant_id=alice, invoice_id=done.invoice_id)
        assert entry.fact.details["digest"] == stands
        assert invoices.find(session, tenant_id=alice, invoice_id=done.invoice_id) == done


def test_the_running_bill_is_what_the_draft_will_say(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    with gate.open(Scope.system(alice)) as session:
        before = invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
    draft = drafted(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        after = invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
    assert before.bill == draft.bill == after.bill
    assert [(one.meter, one.events, one.amount_minor) for one in before.meters] == [
        ("voice.inbound", 2, 25),
        ("voice.outbound", 3, 33),
    ]
    assert before.waiting == 0


def test_the_running_bill_rises_day_by_day_to_today(gate: Gate, alice: TenantId) -> None:
    second = dt.datetime(2026, 10, 2, 12, tzinfo=dt.UTC)
    # half past eleven in the evening of 3 October in London, still 3 October
    third = dt.datetime(2026, 10, 3, 22, 30, tzinfo=dt.UTC)
    use(gate, alice, stock.usage("a", at=second, seconds=600), stock.usage("b", at=third, seconds=60))
    with gate.open(Scope.system(alice)) as session:
        bill = invoices.running_bill(session, tenant_id=alice, now=dt.datetime(2026, 10, 4, 1, tzinfo=dt.UTC))
    assert [(point.day.day, point.cumulative_minor) for point in bill.days] == [
        (1, 0),
        (2, 73),
        (3, 80),
        (4, 80),
    ]
    assert bill.period == OCTOBER


def test_previewing_writes_nothing(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    with gate.open(Scope.system(alice)) as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        invoices.running_bill(session, tenant_id=alice, now=stock.NOON)
        invoices.preview(session, tenant_id=alice, period=OCTOBER)


def test_a_call_belongs_to_the_local_month_in_which_it_was_answered(gate: Gate, alice: TenantId) -> None:
    edge = OCTOBER.end
    use(
        gate,
        alice,
        stock.usage("before", at=edge - dt.timedelta(microseconds=1)),
        stock.usage("at", at=edge),
        stock.usage("first", at=OCTOBER.start),
    )
    assert sum(line.events for line in drafted(gate, alice).bill.lines) == 2
    assert sum(line.events for line in drafted(gate, alice, NOVEMBER).bill.lines) == 1


def test_a_draft_made_anew_takes_in_what_came_since(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("a"))
    first = drafted(gate, alice)
    use(gate, alice, stock.usage("b"))
    second = drafted(gate, alice)
    assert sum(line.events for line in second.bill.lines) == 2
    with pytest.raises(InvoiceNotFoundError), gate.open(Scope.system(alice)) as session:
        invoices.find(session, tenant_id=alice, invoice_id=first.invoice_id)


def test_a_finalised_invoice_has_number_dates_and_an_announcement(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    done = finalised(gate, alice, drafted(gate, alice))
    assert (done.state, done.number) == ("finalised", "SL-2026-000001")
    assert (done.issued_on, done.due_on) == (dt.date(2026, 11, 2), dt.date(2026, 11, 30))
    with gate.open(Scope.system(alice)) as session:
        assert invoices.find(session, tenant_id=alice, invoice_id=done.invoice_id) == done
        announced = session.scalars(select(OutboxRow).where(OutboxRow.name == "InvoiceFinalised")).one()
    assert "SL-2026-000001" in announced.payload


CHANGES_OF_AN_INVOICE = [
    "UPDATE app.invoices SET total_minor = 0, net_minor = 0, tax_minor = 0",
    "UPDATE app.invoices SET state = 'draft', number = NULL",
    "DELETE FROM app.invoices",
    "UPDATE app.invoice_lines SET amount_minor = 0",
    "DELETE FROM app.invoice_lines",
    "UPDATE app.invoice_taxes SET tax_minor = 0",
    "DELETE FROM app.invoice_taxes",
    "UPDATE app.invoices SET holds_from = period_start",
    "UPDATE app.rated_charges SET superseded_by = id",
    """INSERT INTO app.rated_charges SELECT (c).* FROM (SELECT jsonb_populate_record(c, jsonb_build_object(
       'id', gen_random_uuid(), 'charge_run', 'again')) AS c FROM app.rated_charges c) c""",
]


def test_nothing_of_a_finalised_invoice_can_be_changed(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    done = finalised(gate, alice, drafted(gate, alice))
    for statement in CHANGES_OF_AN_INVOICE:
        with pytest.raises(DBAPIError, match="frozen"), gate.open(Scope.system(alice)) as session:
            session.execute(text(statement))
    with gate.open(Scope.system(alice)) as session:
        assert invoices.find(session, tenant_id=alice, invoice_id=done.invoice_id) == done


def test_invoices_that_hold_a_stretch_twice_or_leave_one_out_are_not_finalised(
    gate: Gate, alice: TenantId
) -> None:
    use(gate, alice, stock.usage())
    finalised(gate, alice, drafted(gate, alice))
    drafted(gate, alice, NOVEMBER)
    for wrong in (OCTOBER.start, NOVEMBER.start - dt.timedelta(seconds=1)):
        with (
            pytest.raises(IntegrityError, match="begins where the last one ended"),
            gate.open(Scope.system(alice)) as session,
        ):
            row = session.scalars(select(InvoiceRow).where(InvoiceRow.state == "draft")).one()
            row.holds_from, row.state, row.number = wrong, "finalised", "SL-2026-000002"
            row.issued_on = row.due_on = LATER.date()
            row.finalised_at = LATER


def test_a_line_holds_no_charge_of_another_month_meter_destination_or_price(
    gate: Gate, alice: TenantId
) -> None:
    """Each charge by both ways, through three months with late ones: the same line, and one only."""
    december = periods.month(2026, 12, zone="Europe/London")
    for number, period in enumerate((OCTOBER, NOVEMBER, december)):
        at = period.start + dt.timedelta(days=3)
        use(gate, alice, *some_calls(at, mark=f"-{number}"), *some_calls(stock.NOON, mark=f"-late-{number}"))
        finalised(gate, alice, drafted(gate, alice, period), at=period.end + dt.timedelta(days=1))
    with gate.open(Scope.system(alice)) as session:
        there = {
            (invoice.invoice_id, line.line_no): line
            for one in invoices.every(session, tenant_id=alice)
            for invoice in [invoices.find(session, tenant_id=alice, invoice_id=one.invoice_id)]
            for line in invoice.bill.lines
        }
        held = session.execute(select(LINE_CHARGES)).all()
        charges = {one.id: one for one in session.scalars(select(RatedChargeRow))}
    assert sorted(one.rated_charge_id for one in held) == sorted(charges)
    for key, line in there.items():
        behind = [charges[one.rated_charge_id] for one in held if (one.invoice_id, one.line_no) == key]
        assert len(behind) == line.events
        assert sum(one.amount_nano or 0 for one in behind) == line.amount_nano
        assert {(one.meter, one.destination, one.tariff_id) for one in behind} == {
            (line.meter, line.destination, line.tariff_id)
        }


def test_no_line_can_be_slipped_under_a_finalised_invoice(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *some_calls())
    finalised(gate, alice, drafted(gate, alice))
    columns = (
        "meter, destination, names, tariff_id, price_list, version, is_late, events, billed_seconds,"
        " unit_nano, amount_nano, amount_minor, tax_category, tax_rate_ppm"
    )
    with pytest.raises(DBAPIError, match="frozen"), gate.open(Scope.system(alice)) as session:
        session.execute(
            text(
                f"INSERT INTO app.invoice_lines (tenant_id, invoice_id, line_no, {columns})"
                f" SELECT tenant_id, invoice_id, 99, {columns.replace('is_late', 'NOT is_late')}"
                " FROM app.invoice_lines LIMIT 1"
            )
        )


def test_an_invoice_is_finalised_once(gate: Gate, alice: TenantId) -> None:
    draft = drafted(gate, alice)
    finalised(gate, alice, draft)
    with pytest.raises(InvoiceFinalError):
        finalised(gate, alice, draft)
    with pytest.raises(PeriodClosedError):
        drafted(gate, alice)


def test_an_invoice_waits_for_the_end_of_its_period(gate: Gate, alice: TenantId) -> None:
    draft = drafted(gate, alice)
    with pytest.raises(PeriodNotOverError):
        finalised(gate, alice, draft, at=OCTOBER.end - dt.timedelta(seconds=1))


@pytest.mark.parametrize("prefix", ["3312345", "4498"])
def test_usage_without_a_price_blocks_closing(gate: Gate, alice: TenantId, prefix: str) -> None:
    use(gate, alice, stock.usage("a"), stock.usage("b", prefix=prefix))
    draft = drafted(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        assert invoices.running_bill(session, tenant_id=alice, now=stock.NOON).waiting == 1
    with pytest.raises(UnratedUsageError):
        finalised(gate, alice, draft)


def test_a_draft_that_lacks_a_charge_is_not_finalised(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("a"))
    draft = drafted(gate, alice)
    use(gate, alice, stock.usage("b"))
    with pytest.raises(DraftStaleError):
        finalised(gate, alice, draft)


def test_a_charge_rated_again_makes_the_draft_stale(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("a"))
    draft = drafted(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        rate_again(session, amount_nano=5)
    with pytest.raises(DraftStaleError):
        finalised(gate, alice, draft)
    assert drafted(gate, alice).bill.lines[0].amount_nano == 5


def rate_again(session: Session, *, amount_nano: int) -> None:
    """What re-rating will do: a new charge takes the old one's place, and the old one stays."""
    old = session.scalars(select(RatedChargeRow).where(RatedChargeRow.superseded_by.is_(None))).one()
    values = {column.key: getattr(old, column.key) for column in RatedChargeRow.__table__.columns}
    new = RatedChargeRow(
        **{**values, "id": new_id(), "rating_seq": old.rating_seq + 1, "amount_nano": amount_nano}
    )
    old.superseded_by = new.id
    session.flush()
    session.add(new)
    session.flush()


def test_a_superseded_charge_stays_superseded(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("a"))
    with gate.open(Scope.system(alice)) as session:
        rate_again(session, amount_nano=5)
    with pytest.raises(DBAPIError), gate.open(Scope.system(alice)) as session:
        session.execute(text("UPDATE app.rated_charges SET superseded_by = NULL"))


def test_late_usage_goes_to_the_next_open_period_and_says_so(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("on-time"))
    finalised(gate, alice, drafted(gate, alice))
    use(gate, alice, stock.usage("late"), stock.usage("new", at=NOVEMBER.start))
    bill = drafted(gate, alice, NOVEMBER).bill
    assert [(line.is_late, line.events) for line in bill.lines] == [(False, 1), (True, 1)]
    with gate.open(Scope.system(alice)) as session:
        running = invoices.running_bill(session, tenant_id=alice, now=AFTER)
    assert running.days[0].cumulative_minor == 15  # 7.25 late and 7.25 new


def test_a_month_that_is_still_to_be_billed_stands_on_no_later_running_bill(
    gate: Gate, alice: TenantId
) -> None:
    use(gate, alice, stock.usage("october"), stock.usage("new", at=NOVEMBER.start))

    def running() -> list[tuple[bool, int]]:
        with gate.open(Scope.system(alice)) as session:
            found = invoices.running_bill(session, tenant_id=alice, now=AFTER).bill
            assert invoices.preview(session, tenant_id=alice, period=NOVEMBER) == found
        return [(line.is_late, line.events) for line in found.lines]

    assert running() == [(False, 1)]  # nobody has made October's draft yet
    draft = drafted(gate, alice)
    assert running() == [(False, 1)]
    finalised(gate, alice, draft)
    use(gate, alice, stock.usage("late"))
    assert running() == [(False, 1), (True, 1)]


def test_what_an_earlier_month_waits_for_is_not_forgotten_on_the_running_bill(
    gate: Gate, alice: TenantId
) -> None:
    use(gate, alice, stock.usage("october"), stock.usage("dear", prefix="3312345"))
    use(gate, alice, stock.usage("new", at=NOVEMBER.start))
    drafted(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        running = invoices.running_bill(session, tenant_id=alice, now=AFTER)
    assert [line.events for line in running.bill.lines] == [1]
    assert running.waiting == 1  # October cannot be closed before it has a price


WAITING = text(
    "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
)


def insist_it_waits(gate: Gate, tenant_id: TenantId, one: "concurrent.futures.Future[Any]") -> None:
    """Return once somebody waits to close, or to add to, what is being closed."""
    with gate.open(Scope.system(tenant_id)) as session:
        while not session.execute(WAITING).scalar_one():
            assert not one.done()
    assert not one.done()


def test_finalising_waits_for_a_hang_up_under_way(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("first"))
    draft = drafted(gate, alice)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with gate.open(Scope.system(alice)) as session:
            usage.record(session, tenant_id=alice, usage=stock.usage("in-flight"))
            closing = pool.submit(finalised, gate, alice, draft)
            insist_it_waits(gate, alice, closing)
        with pytest.raises(DraftStaleError):
            closing.result()
    done = finalised(gate, alice, drafted(gate, alice))
    assert [(line.is_late, line.events) for line in done.bill.lines] == [(False, 2)]


def test_a_hang_up_during_finalising_is_due_in_the_next_month(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("first"))
    draft = drafted(gate, alice)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, clock.hold(AFTER):
        with gate.open(Scope.system(alice)) as session:
            invoices.finalise(session, tenant_id=alice, invoice_id=draft.invoice_id)
            recorded = pool.submit(use, gate, alice, stock.usage("in-flight"))
            insist_it_waits(gate, alice, recorded)
        recorded.result()
    bill = drafted(gate, alice, NOVEMBER).bill
    assert [(line.is_late, line.events) for line in bill.lines] == [(True, 1)]


def test_a_month_drafted_after_a_later_one_has_its_own_charges(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("a"), stock.usage("b", at=NOVEMBER.start))
    assert [line.is_late for line in drafted(gate, alice, NOVEMBER).bill.lines] == [False, True]
    assert [line.is_late for line in drafted(gate, alice).bill.lines] == [False]
    with gate.open(Scope.system(alice)) as session:  # November's held October's, and is to be made anew
        assert [one.period for one in invoices.every(session, tenant_id=alice)] == [OCTOBER]
    assert [line.is_late for line in drafted(gate, alice, NOVEMBER).bill.lines] == [False]


def test_months_are_finalised_in_order(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("a"), stock.usage("b", at=NOVEMBER.start))
    october = drafted(gate, alice)
    november = drafted(gate, alice, NOVEMBER)
    with pytest.raises(PeriodClosedError):
        finalised(gate, alice, november, at=LATER)
    finalised(gate, alice, october)
    assert finalised(gate, alice, november, at=LATER).number == "SL-2026-000002"


def test_a_draft_covers_local_months_only(gate: Gate, alice: TenantId) -> None:
    for wrong in (
        periods.Period(OCTOBER.start, OCTOBER.start),
        periods.Period(OCTOBER.start, OCTOBER.end - dt.timedelta(hours=1)),
        periods.month(2026, 10, zone="Asia/Shanghai"),
    ):
        with pytest.raises(PeriodInvalidError):
            drafted(gate, alice, wrong)


def test_numbers_run_without_gap_through_concurrent_and_failed_finalising(
    gate: Gate, tenant_a: TenantId, version: Published
) -> None:
    tenants = [admitted(gate) for _ in range(8)]
    drafts = {}
    for tenant_id in tenants:
        with gate.open(Scope.system(tenant_id)) as session:
            stock.customer(session, tenant_id=tenant_id, version=version)
        drafts[tenant_id] = drafted(gate, tenant_id)

    def close(tenant_id: TenantId) -> str | None:
        with clock.hold(AFTER), gate.open(Scope.system(tenant_id)) as session:
            done = invoices.finalise(session, tenant_id=tenant_id, invoice_id=drafts[tenant_id].invoice_id)
            if tenants.index(tenant_id) % 3 == 0:
                session.rollback()
                return None
        return done.number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        numbers = [number for number in pool.map(close, tenants) if number]
    assert sorted(numbers) == [f"SL-2026-{n:06d}" for n in range(1, len(numbers) + 1)]
    assert len(numbers) == 5


def test_the_series_is_the_issuers_own_and_starts_anew_each_year(
    gate: Gate, alice: TenantId, charlie: TenantId
) -> None:
    with gate.open(Scope.system(charlie)) as session:
        other = accounts.find(session, tenant_id=charlie)
        seller = accounts.Seller(
            issuer_id=new_id(), party=other.seller.party, zone="Asia/Shanghai", series="CN"
        )
        accounts.open_account(session, account=stock.account(charlie, seller=seller))
    # the last evening of the year in London is the first morning of the next in Shanghai
    new_year = dt.datetime(2026, 12, 31, 20, tzinfo=dt.UTC)
    assert finalised(gate, alice, drafted(gate, alice), at=new_year).number == "SL-2026-000001"
    assert finalised(gate, charlie, drafted(gate, charlie), at=new_year).number == "CN-2027-000001"


def test_a_number_cannot_be_taken_without_a_tenants_context(database: DatabaseUrls) -> None:
    with psycopg.connect(database.app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT app.take_invoice_number(gen_random_uuid(), 'SL', 2026)")


def test_a_calls_way_can_be_traced_to_its_line(gate: Gate, alice: TenantId) -> None:
    call = new_id()
    use(gate, alice, stock.usage("other"), stock.usage("mine", seconds=85, subject_ref=call))

    def traced() -> invoices.Trace:
        with gate.open(Scope.system(alice)) as session:
            (only,) = invoices.trace(session, tenant_id=alice, subject_ref=call)
        return only

    before = traced()
    assert (before.event_id, before.price_list, before.version) == ("mine", "uk-standard", 1)
    assert (before.outcome, before.amount_nano) == (Outcome.RATED, 102_708_333)
    assert before.line is not None
    assert (before.line.state, before.line.line.events, before.line.line.amount_minor) == ("preview", 2, 18)
    draft = drafted(gate, alice)
    on_draft = traced().line
    assert on_draft is not None
    assert (on_draft.state, on_draft.invoice_id) == ("draft", draft.invoice_id)
    done = finalised(gate, alice, draft)
    final = traced().line
    assert final is not None
    assert (final.state, final.number, final.line) == ("finalised", done.number, done.bill.lines[0])


def test_unrated_usage_can_be_traced_and_has_no_line(gate: Gate, alice: TenantId) -> None:
    call = new_id()
    use(gate, alice, stock.usage("x", prefix="3312345", subject_ref=call))
    with gate.open(Scope.system(alice)) as session:
        (only,) = invoices.trace(session, tenant_id=alice, subject_ref=call)
    assert (only.outcome, only.line) == (Outcome.UNRATED, None)


def test_nobody_sees_anothers_invoice(gate: Gate, alice: TenantId, charlie: TenantId) -> None:
    use(gate, alice, *some_calls())
    draft = drafted(gate, alice)
    with gate.open(Scope.system(charlie)) as session:
        with pytest.raises(InvoiceNotFoundError):
            invoices.find(session, tenant_id=charlie, invoice_id=draft.invoice_id)
        with pytest.raises(InvoiceNotFoundError):
            invoices.events(session, tenant_id=charlie, invoice_id=draft.invoice_id)
        with pytest.raises(InvoiceNotFoundError):
            invoices.finalise(session, tenant_id=charlie, invoice_id=draft.invoice_id)
        assert invoices.every(session, tenant_id=charlie) == ()
        assert invoices.running_bill(session, tenant_id=charlie, now=stock.NOON).bill.lines == ()


def test_a_new_version_prices_what_is_answered_from_its_date_on(gate: Gate, alice: TenantId) -> None:
    change = dt.datetime(2026, 10, 15, tzinfo=dt.UTC)
    with clock.hold(stock.NOON):
        second = stock.publish(gate, effective_from=change, of=stock.rates(mobile=100_000_000))
    with gate.open(Scope.system(alice)) as session:
        tariffs.take(session, tenant_id=alice, version=second)
    use(
        gate,
        alice,
        stock.usage("before", at=change - dt.timedelta(microseconds=1)),
        stock.usage("after", at=change),
    )
    lines = drafted(gate, alice).bill.lines
    assert [(line.version, line.amount_nano) for line in lines] == [(1, 72_500_000), (2, 100_000_000)]


groups = st.builds(
    Group,
    meter=st.just("m"),
    destination=st.just("d"),
    tariff_id=st.uuids(),
    price_list=st.just("p"),
    version=st.just(1),
    names=st.just({}),
    unit_nano=st.none(),
    is_late=st.booleans(),
    events=st.integers(1, 10),
    billed_seconds=st.integers(0, 1000),
    amount_nano=st.integers(0, 10**14),
)


@given(st.lists(groups, max_size=20), st.integers(0, 10**6), st.sampled_from(["GBP", "JPY", "KWD", "CNY"]))
def test_lines_and_tax_add_up_to_the_total_exactly(of: list[Group], tax_rate_ppm: int, currency: str) -> None:
    bill = compose(of, currency=currency, tax_category="S", tax_rate_ppm=tax_rate_ppm)
    assert sum(line.amount_minor for line in bill.lines) == bill.net_minor
    assert bill.net_minor + sum(one.tax_minor for one in bill.taxes) == bill.total_minor
    assert bill.tax_minor == round_half_up(Fraction(bill.net_minor * tax_rate_ppm, 10**6))
    for line, group in zip(bill.lines, of, strict=True):
        assert line.amount_minor == nano_to_minor(group.amount_nano, currency=currency)
