"""A company says what is wrong; it gets credit or a reason."""

import pytest

from billing import credit_notes, disputes
from billing.credit_notes import Part
from billing.disputes import Dispute
from billing.documents.document import InvoiceDocument
from billing.errors import (
    CreditTooLargeError,
    DisputeClosedError,
    DisputeEmptyError,
    DisputeNotFoundError,
    DisputeReasonError,
    InvoiceNotFinalError,
)
from billing.matching import Claim
from billing.safety import Safety
from core import clock
from core.ids import TenantId, UserId, new_id
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_invoices import AFTER, drafted, finalised, some_calls, use

ALICE, TOM, PRIYA = (UserId(new_id()) for _ in range(3))


@pytest.fixture
def october(gate: Gate, alice: TenantId) -> InvoiceDocument:
    use(gate, alice, *some_calls())
    return finalised(gate, alice, drafted(gate, alice))


def opened(
    gate: Gate,
    tenant_id: TenantId,
    invoice: InvoiceDocument,
    *,
    lines: tuple[int, ...] = (),
    claims: list[Claim] | None = None,
    reason: str = "Billed twice",
) -> Dispute:
    with gate.open(Scope.system(tenant_id)) as session:
        return disputes.open_dispute(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice.invoice_id,
            reason=reason,
            by=ALICE,
            line_nos=lines,
            claims=claims,
        )


def settled(
    gate: Gate, tenant_id: TenantId, dispute: Dispute, *parts: Part, by: UserId = TOM, limit: int = 500
) -> Dispute:
    with clock.hold(AFTER), gate.open(Scope.system(tenant_id)) as session:
        disputes.settle(
            session,
            tenant_id=tenant_id,
            dispute_id=dispute.dispute_id,
            parts=parts,
            reason="You are right",
            by=by,
            safety=Safety(second_above=limit),
        )
        return disputes.find(session, tenant_id=tenant_id, dispute_id=dispute.dispute_id)


def test_a_marked_line_is_settled_by_a_credit_note(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    dispute = opened(gate, alice, october, lines=(1,))
    assert (dispute.state, dispute.in_question_minor) == ("open", 25)
    done = settled(gate, alice, dispute, Part(1, 25))
    assert done.state == "settled"
    with gate.open(Scope.system(alice)) as session:
        (note,) = credit_notes.of_invoice(session, tenant_id=alice, invoice_id=october.invoice_id)
    assert note.credit_note_id == done.credit_note_id
    with pytest.raises(DisputeClosedError):
        settled(gate, alice, dispute, Part(1, 1))


def test_what_the_company_counted_itself_is_classed(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    theirs = [
        Claim(stock.NOON, 115_000, event_id="in-1"),  # ours: 230 s
        Claim(stock.NOON, 68_000, event_id="in-2"),
        Claim(stock.NOON, 85_000, event_id="out-1", amount_nano=0),
        Claim(stock.NOON, 1_000, event_id="out-2"),
        Claim(stock.NOON, 9_000, digits="33140000000"),
    ]
    dispute = opened(gate, alice, october, claims=theirs)
    assert {(one.kind, one.event_id, one.line_no) for one in dispute.items} == {
        ("duration", "in-1", 1),
        ("price", "out-1", 3),
        ("extra", "out-3", 2),
        ("missing", "", None),
    }
    # half of 19.17, 10.27 whole, 22.5 whole
    assert dispute.in_question_minor == 42


def test_above_the_limit_it_waits_and_is_open_again_when_that_is_refused(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    dispute = opened(gate, alice, october, lines=(1,))
    waiting = settled(gate, alice, dispute, Part(1, 25), limit=0)
    assert waiting.state == "waiting"
    with pytest.raises(DisputeClosedError):
        settled(gate, alice, dispute, Part(1, 1), by=PRIYA)
    assert waiting.credit_note_id
    with gate.open(Scope.system(alice)) as session:
        credit_notes.refuse(session, tenant_id=alice, credit_note_id=waiting.credit_note_id, by=PRIYA)
        assert disputes.find(session, tenant_id=alice, dispute_id=dispute.dispute_id).state == "open"
    again = settled(gate, alice, dispute, Part(1, 20), limit=0)
    assert again.credit_note_id
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        credit_notes.issue(session, tenant_id=alice, credit_note_id=again.credit_note_id, by=PRIYA)
        assert disputes.find(session, tenant_id=alice, dispute_id=dispute.dispute_id).state == "settled"


def test_a_refusal_gives_its_reason_and_stands(gate: Gate, alice: TenantId, october: InvoiceDocument) -> None:
    dispute = opened(gate, alice, october, lines=(2,))
    with gate.open(Scope.system(alice)) as session, pytest.raises(DisputeReasonError):
        disputes.refuse(session, tenant_id=alice, dispute_id=dispute.dispute_id, answer=" ")
    with gate.open(Scope.system(alice)) as session:
        done = disputes.refuse(session, tenant_id=alice, dispute_id=dispute.dispute_id, answer="Two calls")
    assert (done.state, done.answer) == ("refused", "Two calls")
    with pytest.raises(DisputeClosedError):
        settled(gate, alice, dispute, Part(2, 1))


def test_a_settlement_that_is_too_large_leaves_the_dispute_open(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    dispute = opened(gate, alice, october, lines=(1,))
    with pytest.raises(CreditTooLargeError):
        settled(gate, alice, dispute, Part(1, 26))
    with gate.open(Scope.system(alice)) as session:
        assert disputes.find(session, tenant_id=alice, dispute_id=dispute.dispute_id).state == "open"


def test_what_cannot_be_disputed_is_refused(
    gate: Gate, alice: TenantId, charlie: TenantId, october: InvoiceDocument
) -> None:
    with pytest.raises(DisputeEmptyError):
        opened(gate, alice, october, lines=(9,))
    with pytest.raises(DisputeReasonError):
        opened(gate, alice, october, lines=(1,), reason="")
    with pytest.raises(InvoiceNotFinalError):
        opened(gate, charlie, drafted(gate, charlie), lines=(1,))
    dispute = opened(gate, alice, october, lines=(1,))
    with gate.open(Scope.system(charlie)) as session, pytest.raises(DisputeNotFoundError):
        disputes.find(session, tenant_id=charlie, dispute_id=dispute.dispute_id)
