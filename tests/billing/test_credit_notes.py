"""What was billed too much comes back by a paper of its own, never more than there was."""

import concurrent.futures
import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import credit_notes, ledger
from billing.bill import Tax
from billing.credit_notes import Part
from billing.documents.document import CreditLine, CreditNote, InvoiceDocument
from billing.errors import (
    CreditNoteDecidedError,
    CreditNoteNotFoundError,
    CreditReasonError,
    CreditTooLargeError,
    InvoiceNotFinalError,
    SecondPersonError,
)
from billing.payments import attempts
from billing.payments.standing import Paid
from core import clock
from core.ids import CreditNoteId, InvoiceId, TenantId, UserId, new_id
from core.money import round_half_up
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_invoices import AFTER, drafted, finalised, some_calls, use

TOM, PRIYA = UserId(new_id()), UserId(new_id())


@pytest.fixture
def october(gate: Gate, alice: TenantId) -> InvoiceDocument:
    """Three lines: 25, 23 and 10 pence; with tax 70."""
    use(gate, alice, *some_calls())
    return finalised(gate, alice, drafted(gate, alice))


@pytest.fixture
def large(gate: Gate, alice: TenantId) -> InvoiceDocument:
    """One line of 1,000 pounds."""
    use(gate, alice, stock.usage("long", meter="voice.inbound", prefix="44113496", seconds=1_200_000))
    return finalised(gate, alice, drafted(gate, alice))


def asked(
    gate: Gate,
    tenant_id: TenantId,
    invoice: InvoiceDocument,
    *parts: tuple[int | None, int],
    by: UserId = TOM,
    reason: str = "Billed twice",
) -> CreditNote:
    with clock.hold(AFTER), gate.open(Scope.system(tenant_id)) as session:
        return credit_notes.ask(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice.invoice_id,
            parts=[Part(*one) for one in parts],
            reason=reason,
            by=by,
        )


def balances(gate: Gate, tenant_id: TenantId) -> dict[str, int]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = ledger.trial_balance(session, tenant_id=tenant_id)
    assert sum(one.balance_minor for one in found) == 0
    return {one.account: one.balance_minor for one in found if one.balance_minor}


def test_a_line_is_lessened_numbered_and_booked(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    note = asked(gate, alice, october, (1, 20), (None, 5))
    assert (note.state, note.number) == ("issued", "SL-CN-2026-000001")
    assert (note.net_minor, note.tax_minor, note.issued_on) == (25, 5, dt.date(2026, 11, 2))
    assert balances(gate, alice) == {
        "receivable": 70 - 30,
        "revenue:voice.inbound": -(25 - 20),
        "revenue:voice.outbound": -33,
        "revenue:credit": 5,
        "tax-payable": -(12 - 5),
    }
    with gate.open(Scope.system(alice)) as session:
        stands = attempts.standing_of(session, tenant_id=alice, invoice=october)
        assert stands is not None
        assert (stands.due_minor, stands.credited_minor) == (40, 30)
        left = credit_notes.left(session, tenant_id=alice, invoice=october)
    assert left.lines == {1: 5, 2: 23, 3: 10}
    assert left.net_minor == 33


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        ([(1, 26)], 25),
        ([(1, 20), (1, 6)], 25),
        ([(None, 59)], 58),
        ([(None, 40), (1, 19)], 25),
        ([(1, 0)], 25),
        ([(1, -1)], 25),
        ([(9, 1)], 0),
        ([], 58),
    ],
)
def test_never_more_than_the_invoice_leaves(
    gate: Gate,
    alice: TenantId,
    october: InvoiceDocument,
    parts: Sequence[tuple[int | None, int]],
    left: int,
) -> None:
    with pytest.raises(CreditTooLargeError) as refusal:
        asked(gate, alice, october, *parts)
    assert refusal.value.details["left_minor"] == left
    assert "receivable" not in balances(gate, alice)


def test_what_earlier_notes_took_is_not_there_for_later_ones(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    asked(gate, alice, october, (None, 50))
    with pytest.raises(CreditTooLargeError) as refusal:  # the line has 25, the invoice only 8
        asked(gate, alice, october, (1, 9))
    assert refusal.value.details["left_minor"] == 8
    asked(gate, alice, october, (1, 8))
    with pytest.raises(CreditTooLargeError):
        asked(gate, alice, october, (None, 1))
    with gate.open(Scope.system(alice)) as session:
        stands = attempts.standing_of(session, tenant_id=alice, invoice=october)
    assert stands is not None
    assert (stands.state, stands.due_minor) == (Paid.CREDITED, 0)
    assert balances(gate, alice).get("tax-payable") is None  # 20 % of each, together the invoice's 12


@given(
    lines=st.lists(st.integers(1, 10_000), min_size=1, max_size=12),
    rate=st.sampled_from([0, 55_000, 70_000, 190_000, 200_000, 333_333]),
    cuts=st.integers(1, 6),
)
def test_all_partial_credits_together_come_to_the_invoice_with_tax(
    lines: list[int], rate: int, cuts: int
) -> None:
    """Invariant 16 (lg-cn4): the taxes of the parts sum to the tax of the whole."""
    before: list[CreditNote] = []
    parts = [CreditLine(n, minor, "S", rate) for n, minor in enumerate(lines, 1)]
    for start in range(0, len(parts), cuts):
        taxes = credit_notes._taxes(parts[start : start + cuts], before)
        before.append(note_of(parts[start : start + cuts], taxes))
    whole = sum(lines)
    given_back = sum(tax.tax_minor for note in before for tax in note.taxes)
    assert given_back == round_half_up(Fraction(whole * rate, 1_000_000))
    assert all(tax.tax_minor >= 0 for note in before for tax in note.taxes)


def test_above_the_limit_a_second_person_decides(gate: Gate, alice: TenantId, large: InvoiceDocument) -> None:
    note = asked(gate, alice, large, (1, 50_001))
    assert (note.state, note.number) == ("waiting", None)
    assert "receivable" not in balances(gate, alice)
    with gate.open(Scope.system(alice)) as session, pytest.raises(SecondPersonError):
        credit_notes.issue(session, tenant_id=alice, credit_note_id=note.credit_note_id, by=TOM)
    with pytest.raises(CreditTooLargeError):  # what waits is spoken for
        asked(gate, alice, large, (1, 50_000))
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        done = credit_notes.issue(session, tenant_id=alice, credit_note_id=note.credit_note_id, by=PRIYA)
    assert (done.state, done.number, done.decided_by) == ("issued", "SL-CN-2026-000001", PRIYA)
    with gate.open(Scope.system(alice)) as session, pytest.raises(CreditNoteDecidedError):
        credit_notes.issue(session, tenant_id=alice, credit_note_id=note.credit_note_id, by=PRIYA)


def test_a_refused_note_takes_no_number_and_leaves_what_it_would_have_used(
    gate: Gate, alice: TenantId, large: InvoiceDocument
) -> None:
    note = asked(gate, alice, large, (1, 100_000))
    with gate.open(Scope.system(alice)) as session:
        credit_notes.refuse(session, tenant_id=alice, credit_note_id=note.credit_note_id, by=PRIYA)
    assert asked(gate, alice, large, (1, 50_000)).number == "SL-CN-2026-000001"
    with gate.open(Scope.system(alice)) as session, pytest.raises(CreditNoteDecidedError):
        credit_notes.refuse(session, tenant_id=alice, credit_note_id=note.credit_note_id, by=TOM)


def test_the_database_itself_wants_two_people_and_never_changes_what_was_issued(
    gate: Gate, alice: TenantId, large: InvoiceDocument
) -> None:
    note = asked(gate, alice, large, (1, 50_001))
    alone = (
        "UPDATE app.credit_notes SET state = 'issued', number = 'X', issued_on = now(),"
        " decided_by = asked_by, decided_at = now() WHERE id = :id"
    )
    with pytest.raises(DBAPIError, match="two"), gate.open(Scope.system(alice)) as session:
        session.execute(text(alone), {"id": note.credit_note_id})
    issued = asked(gate, alice, large, (None, 10))
    for statement in (
        "UPDATE app.credit_notes SET net_minor = 1 WHERE id = :id",
        "UPDATE app.credit_note_lines SET amount_minor = 1 WHERE credit_note_id = :id",
        "DELETE FROM app.credit_note_taxes WHERE credit_note_id = :id",
    ):
        with pytest.raises(DBAPIError) as refusal, gate.open(Scope.system(alice)) as session:
            session.execute(text(statement), {"id": issued.credit_note_id})
        assert isinstance(refusal.value.orig, psycopg.Error)


def test_numbers_run_without_gap_when_many_are_issued_at_once(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    """Invariants 16 and 21: two at a time, one of them too many, no number lost."""

    def one(_n: int) -> str:
        try:
            return asked(gate, alice, october, (2, 5)).number or ""
        except CreditTooLargeError:
            return "refused"

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        said = sorted(pool.map(one, range(6)))
    assert said == [*(f"SL-CN-2026-{n:06d}" for n in range(1, 5)), "refused", "refused"]


def test_what_was_paid_already_goes_on_account(gate: Gate, alice: TenantId, october: InvoiceDocument) -> None:
    with gate.open(Scope.system(alice)) as session:
        ledger.post_invoice(session, tenant_id=alice, invoice=october)
        ledger.post(
            session,
            tenant_id=alice,
            key="payment:x",
            kind="payment",
            effective_at=AFTER,
            invoice_id=october.invoice_id,
            postings=[ledger.Posting("clearing", 70, "GBP"), ledger.Posting("receivable", -70, "GBP")],
        )
    asked(gate, alice, october, (1, 20))
    assert balances(gate, alice)["on-account"] == -24
    assert "receivable" not in balances(gate, alice)


def test_a_draft_and_another_companys_invoice_cannot_be_credited(
    gate: Gate, alice: TenantId, charlie: TenantId, october: InvoiceDocument
) -> None:
    note = asked(gate, alice, october, (1, 1))
    with gate.open(Scope.system(charlie)) as session, pytest.raises(CreditNoteNotFoundError):
        credit_notes.find(session, tenant_id=charlie, credit_note_id=note.credit_note_id)
    with pytest.raises(InvoiceNotFinalError):
        asked(gate, charlie, drafted(gate, charlie), (1, 1))


@pytest.mark.parametrize("reason", ["", "  ", "x" * 401])
def test_a_credit_note_needs_a_reason(
    gate: Gate, alice: TenantId, october: InvoiceDocument, reason: str
) -> None:
    with pytest.raises(CreditReasonError):
        asked(gate, alice, october, (1, 1), reason=reason)


def note_of(lines: Sequence[CreditLine], taxes: tuple[Tax, ...]) -> CreditNote:
    return CreditNote(
        credit_note_id=CreditNoteId(new_id()),
        invoice_id=InvoiceId(new_id()),
        state="issued",
        number="SL-CN-2026-000001",
        currency="GBP",
        net_minor=sum(one.amount_minor for one in lines),
        tax_minor=sum(one.tax_minor for one in taxes),
        reason="Billed twice",
        needs_second=False,
        asked_by=TOM,
        asked_at=AFTER,
        decided_by=TOM,
        decided_at=AFTER,
        issued_on=AFTER.date(),
        lines=tuple(lines),
        taxes=taxes,
    )
