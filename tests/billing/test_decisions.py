"""Somebody decides about contradicting reports and rejected rows: once, with a reason; the bill follows."""

import concurrent.futures
from uuid import UUID

import pytest
from sqlalchemy import func, select

from billing import decisions, explorer, invoices, periods, staging, usage
from billing.decisions import Decision, Verdict
from billing.errors import (
    DecisionReasonError,
    DraftStaleError,
    UsageBilledError,
    UsageConflictNotFoundError,
    UsageDecidedError,
)
from billing.models import RatedChargeRow
from billing.usage import Receipt
from core import clock
from core.errors import SeatlineError
from core.ids import TenantId, new_id
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.factories.waiting import until_one_waits
from wiring.prepare import DatabaseUrls

BY = new_id()
OCTOBER = periods.month(2026, 10, zone="Europe/London")
A_MINUTE, TWO_MINUTES = 72_500_000, 145_000_000  # nano-pounds at 0.0725 a minute


def report(gate: Gate, tenant_id: TenantId, seconds: int) -> usage.Recorded:
    with gate.open(Scope.system(tenant_id)) as session:
        return usage.record(session, tenant_id=tenant_id, usage=stock.usage(seconds=seconds))


def waiting(gate: Gate, tenant_id: TenantId) -> list[UUID]:
    with gate.open(Scope.system(tenant_id)) as session:
        return [one.id for one in explorer.kept(session, tenant_id=tenant_id)[0]]


def contradicted(gate: Gate, tenant_id: TenantId) -> UUID:
    """Report one minute, then two under the same key; return the conflict's id."""
    report(gate, tenant_id, 60)
    assert report(gate, tenant_id, 120).outcome is Receipt.CONFLICT
    (conflict,) = waiting(gate, tenant_id)
    return conflict


def decide(
    gate: Gate, tenant_id: TenantId, conflict: UUID, verdict: Verdict, reason: str = "The switch says so"
) -> Decision:
    with gate.open(Scope.system(tenant_id)) as session:
        return decisions.decide(
            session, tenant_id=tenant_id, conflict_id=conflict, verdict=verdict, reason=reason, by=BY
        )


def billed(gate: Gate, tenant_id: TenantId) -> int:
    """Return the exact sum of October's charges."""
    with gate.open(Scope.system(tenant_id)) as session:
        bill = invoices.preview(session, tenant_id=tenant_id, period=OCTOBER)
    return sum(line.amount_nano for line in bill.lines)


def standing(gate: Gate, tenant_id: TenantId) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        query = select(func.count()).select_from(RatedChargeRow)
        return session.scalar(query.where(RatedChargeRow.superseded_by.is_(None))) or 0


def test_both_reports_are_compared_with_what_each_costs(gate: Gate, alice: TenantId) -> None:
    conflict = contradicted(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        seen = decisions.compare(session, tenant_id=alice, conflict_id=conflict)
    assert (seen.old.quantity_ms, seen.new.quantity_ms) == (60_000, 120_000)
    assert (seen.old.amount_nano, seen.new.amount_nano) == (A_MINUTE, TWO_MINUTES)
    assert seen.difference_nano == A_MINUTE
    assert (seen.invoice_state, seen.decision) == ("", None)


def test_the_new_report_replaces_the_old_on_the_bill_and_nothing_is_billed_twice(
    gate: Gate, alice: TenantId
) -> None:
    conflict = contradicted(gate, alice)
    assert billed(gate, alice) == A_MINUTE
    made = decide(gate, alice, conflict, Verdict.TAKE_NEW)
    assert (made.verdict, made.reason, made.decided_by) == (Verdict.TAKE_NEW, "The switch says so", BY)
    assert billed(gate, alice) == TWO_MINUTES
    assert standing(gate, alice) == 1
    assert waiting(gate, alice) == []
    # whoever reports again changes nothing, whichever of the two it says
    assert report(gate, alice, 60).outcome is Receipt.DUPLICATE
    assert report(gate, alice, 120).outcome is Receipt.CONFLICT
    assert (billed(gate, alice), waiting(gate, alice)) == (TWO_MINUTES, [])
    with gate.open(Scope.system(alice)) as session:
        seen = decisions.compare(session, tenant_id=alice, conflict_id=conflict)
        assert decisions.decided(session, tenant_id=alice) == [made]
    assert (seen.old.amount_nano, seen.new.amount_nano, seen.decision) == (A_MINUTE, TWO_MINUTES, made)


def test_to_keep_the_old_report_leaves_the_bill_alone(gate: Gate, alice: TenantId) -> None:
    conflict = contradicted(gate, alice)
    decide(gate, alice, conflict, Verdict.KEEP_OLD)
    assert billed(gate, alice) == A_MINUTE
    assert waiting(gate, alice) == []
    with gate.open(Scope.system(alice)) as session:
        assert explorer.counts(session, tenant_id=alice).conflicts == 0


def test_a_third_report_replaces_the_one_that_was_taken_over(gate: Gate, alice: TenantId) -> None:
    decide(gate, alice, contradicted(gate, alice), Verdict.TAKE_NEW)
    report(gate, alice, 30)
    (third,) = waiting(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        assert decisions.compare(session, tenant_id=alice, conflict_id=third).old.amount_nano == TWO_MINUTES
    decide(gate, alice, third, Verdict.TAKE_NEW)
    assert (billed(gate, alice), standing(gate, alice)) == (A_MINUTE // 2, 1)


def test_a_draft_is_stale_after_it_and_right_when_made_anew(gate: Gate, alice: TenantId) -> None:
    conflict = contradicted(gate, alice)
    with clock.hold(OCTOBER.end), gate.open(Scope.system(alice)) as session:
        draft = invoices.draft(session, tenant_id=alice, period=OCTOBER)
    decide(gate, alice, conflict, Verdict.TAKE_NEW)
    with (
        clock.hold(OCTOBER.end),
        pytest.raises(DraftStaleError),
        gate.open(Scope.system(alice)) as session,
    ):
        invoices.finalise(session, tenant_id=alice, invoice_id=draft.invoice_id)
    with clock.hold(OCTOBER.end), gate.open(Scope.system(alice)) as session:
        anew = invoices.draft(session, tenant_id=alice, period=OCTOBER)
        final = invoices.finalise(session, tenant_id=alice, invoice_id=anew.invoice_id)
    assert [line.amount_nano for line in final.bill.lines] == [TWO_MINUTES]


def test_what_is_on_a_finalised_invoice_is_kept(gate: Gate, alice: TenantId) -> None:
    conflict = contradicted(gate, alice)
    with clock.hold(OCTOBER.end), gate.open(Scope.system(alice)) as session:
        draft = invoices.draft(session, tenant_id=alice, period=OCTOBER)
        final = invoices.finalise(session, tenant_id=alice, invoice_id=draft.invoice_id)
    with pytest.raises(UsageBilledError) as refused:
        decide(gate, alice, conflict, Verdict.TAKE_NEW)
    assert refused.value.details["number"] == final.number
    assert waiting(gate, alice) == [conflict]
    decide(gate, alice, conflict, Verdict.KEEP_OLD)
    assert waiting(gate, alice) == []


def test_of_two_who_decide_at_the_same_moment_one_does(gate: Gate, alice: TenantId) -> None:
    conflict = contradicted(gate, alice)

    def attempt(verdict: Verdict) -> str:
        try:
            return decide(gate, alice, conflict, verdict).verdict
        except SeatlineError as error:
            return error.code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(attempt, [Verdict.TAKE_NEW, Verdict.KEEP_OLD] * 2))
    assert sorted(done)[-3:] == ["usage-decided"] * 3
    taken = Verdict.TAKE_NEW in done
    assert (billed(gate, alice), standing(gate, alice)) == (TWO_MINUTES if taken else A_MINUTE, 1)


def test_who_decides_while_the_month_is_being_finalised_waits_and_is_told(
    gate: Gate, alice: TenantId
) -> None:
    """Else the report on the paper is replaced by one that no paper will ever have."""
    conflict = contradicted(gate, alice)

    def take_over() -> str:
        try:
            return decide(gate, alice, conflict, Verdict.TAKE_NEW).verdict
        except SeatlineError as error:
            return error.code

    with clock.hold(OCTOBER.end), concurrent.futures.ThreadPoolExecutor(1) as threads:
        with gate.open(Scope.system(alice)) as session:
            draft = invoices.draft(session, tenant_id=alice, period=OCTOBER)
        with gate.open(Scope.system(alice)) as session:
            invoices.finalise(session, tenant_id=alice, invoice_id=draft.invoice_id)
            second = threads.submit(take_over)
            until_one_waits(gate)
        assert second.result(10) == "usage-billed"
    assert standing(gate, alice) == 1


@pytest.mark.parametrize("reason", ["", "  ", "x" * 401, "a\x00b"])
def test_a_decision_needs_a_reason(gate: Gate, alice: TenantId, reason: str) -> None:
    conflict = contradicted(gate, alice)
    with pytest.raises(DecisionReasonError):
        decide(gate, alice, conflict, Verdict.KEEP_OLD, reason)
    assert waiting(gate, alice) == [conflict]


def test_another_companys_conflict_is_not_there(gate: Gate, alice: TenantId, charlie: TenantId) -> None:
    conflict = contradicted(gate, alice)
    with pytest.raises(UsageConflictNotFoundError):
        decide(gate, charlie, conflict, Verdict.TAKE_NEW)


def test_a_rejected_row_is_thrown_away_once_and_stays_on_record(
    gate: Gate, alice: TenantId, database: DatabaseUrls
) -> None:
    batch = staging.stage(database.bill, tenant_id=alice, usages=[stock.usage("bad", quantity_ms=-1)])
    with gate.open(Scope.system(alice)) as session:
        staging.take_in(session, tenant_id=alice, batch_id=batch)
    with gate.open(Scope.system(alice)) as session:
        (rejected,) = explorer.kept(session, tenant_id=alice)[1]
        made = decisions.throw_away(
            session, tenant_id=alice, reject_id=rejected.id, reason="A test of the sender’s", by=BY
        )
    assert (made.verdict, made.event_id) == (Verdict.THROW_AWAY, "bad")
    with gate.open(Scope.system(alice)) as session:
        assert explorer.kept(session, tenant_id=alice) == ([], [])
        assert explorer.counts(session, tenant_id=alice).rejects == 0
        with pytest.raises(UsageDecidedError):
            decisions.throw_away(session, tenant_id=alice, reject_id=rejected.id, reason="Again", by=BY)


def test_a_conflict_of_a_bulk_report_can_be_taken_over_too(
    gate: Gate, alice: TenantId, database: DatabaseUrls
) -> None:
    report(gate, alice, 60)
    batch = staging.stage(database.bill, tenant_id=alice, usages=[stock.usage(seconds=120)])
    with gate.open(Scope.system(alice)) as session:
        staging.take_in(session, tenant_id=alice, batch_id=batch)
    (conflict,) = waiting(gate, alice)
    decide(gate, alice, conflict, Verdict.TAKE_NEW)
    assert (billed(gate, alice), standing(gate, alice)) == (TWO_MINUTES, 1)


def test_a_decision_stands_in_the_evidence_log_without_its_reason(gate: Gate, alice: TenantId) -> None:
    conflict = contradicted(gate, alice)
    decide(gate, alice, conflict, Verdict.KEEP_OLD, "Said on the telephone")
    with gate.open(Scope.system(alice)) as session:
        (entry, *_older) = evidence.page(session, tenant_id=alice, limit=5).entries
    assert entry.fact.action == "usage.kept"
    assert "telephone" not in str(entry)
