"""Parts of shared calls rated again after the other payer's invoice: put right beside it, to the penny."""

import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import func, select

from billing import credit_notes, decisions, explorer, invoices, periods, settling, tariffs, what_if
from billing.decisions import Verdict
from billing.documents.document import InvoiceDocument
from billing.errors import CreditTooLargeError, SettlementChangedError, UsageDecidedError
from billing.models import UsageEventRow
from billing.safety import Safety
from billing.settling import Proposal, Settled
from billing.sharing import Agreed
from billing.verify import verify
from core import clock
from core.ids import TenantId, UserId, new_id
from core.money import nano_to_minor
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_sharing import (
    AFTER,
    SIGNER,
    agree,
    amounts,
    billed,
    first_tariffs,
    hear,
    rate_again,
    record,
    written,
)

NOVEMBER = periods.month(2026, 11, zone="Europe/London")
DANA, OMAR = UserId(new_id()), UserId(new_id())
Reprice = Callable[[int], None]


@pytest.fixture
def shared(gate: Gate, alice: TenantId, charlie: TenantId) -> Agreed:
    return agree(gate, alice, charlie)


def repriced(gate: Gate, tenant_id: TenantId, nano: int, *, step: int, code: str = "uk-standard") -> UUID:
    """Publish another price of a minute to a mobile, and have the company take it; return its tariff."""
    at = dt.datetime(2026, 11, 20, tzinfo=dt.UTC) + dt.timedelta(hours=step)
    with clock.hold(AFTER):
        version = stock.publish(gate, code=code, effective_from=at, of=stock.rates(mobile=nano))
        with gate.open(Scope.system(tenant_id)) as session:
            return tariffs.take(session, tenant_id=tenant_id, version=version).tariff_id


@pytest.fixture
def reprice(gate: Gate, alice: TenantId, shared: Agreed) -> Reprice:
    """Rate Alice's October again by a price of a minute to a mobile, and let Charlie's side hear of it."""
    known: dict[int, UUID] = {}

    def to(nano: int) -> None:
        if nano not in known:
            known[nano] = repriced(gate, alice, nano, step=len(known))
        rate_again(gate, alice, known[nano])
        hear(gate, alice)

    return to


def waiting(gate: Gate, tenant_id: TenantId) -> list[UUID]:
    with gate.open(Scope.system(tenant_id)) as session:
        return [one.id for one in explorer.kept(session, tenant_id=tenant_id)[0]]


def look(gate: Gate, tenant_id: TenantId) -> Proposal:
    with gate.open(Scope.system(tenant_id)) as session:
        found = settling.propose(session, tenant_id=tenant_id, conflict_id=waiting(gate, tenant_id)[0])
    assert found is not None
    return found


def settle(gate: Gate, tenant_id: TenantId, safety: Safety | None = None) -> Settled:
    seen, which = look(gate, tenant_id), waiting(gate, tenant_id)[0]
    with clock.hold(AFTER + dt.timedelta(days=1)), gate.open(Scope.system(tenant_id)) as session:
        return settling.settle(
            session,
            tenant_id=tenant_id,
            conflict_id=which,
            key=seen.key,
            reason="Prices of the carrier were wrong",
            by=DANA,
            safety=safety or Safety(),
        )


def next_line(gate: Gate, tenant_id: TenantId) -> tuple[int, str]:
    with gate.open(Scope.system(tenant_id)) as session:
        (line,) = invoices.preview(session, tenant_id=tenant_id, period=NOVEMBER).lines
    assert line.is_late
    return line.amount_minor, line.names["en"]


@pytest.fixture
def final(gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed) -> InvoiceDocument:
    """Charlie's October: 40 % of three calls of Alice's of a minute at 7.25 pence."""
    record(gate, alice, *(stock.usage(f"c{n}", seconds=60) for n in range(3)))
    hear(gate, alice)
    return billed(gate, charlie)


def test_what_came_to_less_is_given_back_by_one_credit_note(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(50_000_000)
    seen = look(gate, charlie)
    # 3 x 2.9 pence were 9; 3 x 2 pence are 6
    assert (final.bill.net_minor, seen.credit_minor, seen.charge_minor, seen.parts) == (9, 3, 0, 3)
    done = settle(gate, charlie)
    assert done.note is not None
    assert (done.note.state, done.note.net_minor, done.note.invoice_id) == ("issued", 3, final.invoice_id)
    assert waiting(gate, charlie) == []
    assert amounts(gate, charlie) == [29_000_000] * 3  # the invoice stays as it is
    with gate.open(Scope.system(charlie)) as session:
        facts = [one.fact.action for one in evidence.page(session, tenant_id=charlie, limit=50).entries]
    assert facts.count("usage.settled") == 3
    assert facts.count("credit-note.issued") == 1


def test_what_came_to_more_stands_on_the_next_invoice_and_its_file_proves_it(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(100_000_000)
    seen = look(gate, charlie)
    assert (seen.credit_minor, seen.charge_minor) == (0, 3)  # 9 pence were billed, 12 it is
    done = settle(gate, charlie)
    assert (done.note, done.charge_minor) == (None, 3)
    assert next_line(gate, charlie) == (3, f"UK mobiles, rated again since {final.number}")
    with clock.hold(NOVEMBER.end), gate.open(Scope.system(charlie)) as session:
        draft = invoices.draft(session, tenant_id=charlie, period=NOVEMBER)
        paper = invoices.finalise(session, tenant_id=charlie, invoice_id=draft.invoice_id)
    assert paper.bill.lines[0].unit_nano is None
    assert verify(written(gate, charlie, paper), public_key=SIGNER.public_key).total_minor == 4  # with tax
    with gate.open(Scope.system(charlie)) as session:
        again = what_if.ask(session, tenant_id=charlie, period=NOVEMBER, supposed=what_if.Supposed())
    assert (again.supposed.total_minor, again.unpriced) == (4, {})


def test_pressed_twice_it_is_done_once(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(100_000_000)
    seen, which = look(gate, charlie), waiting(gate, charlie)[0]
    settle(gate, charlie)
    with gate.open(Scope.system(charlie)) as session, pytest.raises(UsageDecidedError):
        settling.settle(session, tenant_id=charlie, conflict_id=which, key=seen.key, reason="Again", by=DANA)
    hear_all = waiting(gate, charlie)
    assert hear_all == []
    assert next_line(gate, charlie)[0] == 3


def test_told_again_after_it_was_settled_nothing_waits(
    gate: Gate, alice: TenantId, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(50_000_000)
    hear(gate, alice, times=2, backwards=True)
    assert len(waiting(gate, charlie)) == 3
    settle(gate, charlie)
    hear(gate, alice, times=2, backwards=True)
    assert waiting(gate, charlie) == []


def test_there_and_back_again_comes_to_nothing(
    gate: Gate, alice: TenantId, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    """Down, settled; then back to the very prices that were billed: what was given back is charged again."""
    reprice(50_000_000)
    settle(gate, charlie)
    rate_again(gate, alice, first_tariffs(gate, alice)[0])
    hear(gate, alice)
    seen = look(gate, charlie)
    assert (seen.credit_minor, seen.charge_minor) == (0, 3)
    settle(gate, charlie)
    reprice(50_000_000)  # and down once more
    assert look(gate, charlie).credit_minor == 3


def test_only_the_last_of_several_ratings_counts(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(50_000_000)
    reprice(100_000_000)
    assert len(waiting(gate, charlie)) == 6
    seen = look(gate, charlie)
    assert (seen.credit_minor, seen.charge_minor, seen.parts) == (0, 3, 3)
    settle(gate, charlie)
    assert waiting(gate, charlie) == []


@pytest.mark.parametrize("steps", [(73_000_000, 73_900_000, 75_000_000), (71_500_000, 70_000_000)])
def test_settled_step_by_step_it_comes_to_what_it_is(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice, steps: tuple[int, ...]
) -> None:
    """Steps of less than a penny are carried on: in the end it is what the last prices round to."""
    moved = 0
    for nano in steps:
        reprice(nano)
        done = settle(gate, charlie)
        moved += done.charge_minor - (done.note.net_minor if done.note else 0)
    whole = nano_to_minor(3 * steps[-1] * 4 // 10, currency="GBP")
    assert final.bill.net_minor + moved == whole


def test_above_the_limit_a_second_person_decides_and_may_refuse(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(50_000_000)
    done = settle(gate, charlie, Safety(second_above=0))
    assert done.note is not None
    assert done.note.state == "waiting"
    assert waiting(gate, charlie) == []
    which = done.decisions[0].about_id
    with gate.open(Scope.system(charlie)) as session:
        assert decisions.compare(session, tenant_id=charlie, conflict_id=which).credit_state == "waiting"
        credit_notes.refuse(session, tenant_id=charlie, credit_note_id=done.note.credit_note_id, by=OMAR)
        assert decisions.compare(session, tenant_id=charlie, conflict_id=which).credit_state == "refused"
    reprice(40_000_000)  # nothing was given back: it is laid beside what was billed
    assert look(gate, charlie).credit_minor == 9 - 5


def test_what_was_agreed_to_is_what_is_done(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    reprice(50_000_000)
    seen = look(gate, charlie)
    reprice(40_000_000)
    with gate.open(Scope.system(charlie)) as session, pytest.raises(SettlementChangedError):
        settling.settle(
            session,
            tenant_id=charlie,
            conflict_id=waiting(gate, charlie)[0],
            key=seen.key,
            reason="As seen",
            by=DANA,
        )


def test_what_was_given_back_by_hand_is_not_given_back_twice(
    gate: Gate, charlie: TenantId, final: InvoiceDocument, reprice: Reprice
) -> None:
    with gate.open(Scope.system(charlie)) as session:
        credit_notes.ask(
            session,
            tenant_id=charlie,
            invoice_id=final.invoice_id,
            parts=[credit_notes.Part(1, 8)],
            reason="By hand",
            by=DANA,
        )
    reprice(50_000_000)
    with pytest.raises(CreditTooLargeError):
        settle(gate, charlie)
    assert len(waiting(gate, charlie)) == 3
    with gate.open(Scope.system(charlie)) as session:  # the way out: it was put right before
        decisions.decide(
            session,
            tenant_id=charlie,
            conflict_id=waiting(gate, charlie)[0],
            verdict=Verdict.KEEP_OLD,
            reason="Credited by hand",
            by=DANA,
        )
    assert look(gate, charlie).parts == 2


def test_an_ordinary_contradiction_has_nothing_to_settle(gate: Gate, alice: TenantId) -> None:
    record(gate, alice, stock.usage(seconds=60), stock.usage(seconds=120))
    billed(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        (conflict,) = explorer.kept(session, tenant_id=alice)[0]
        assert settling.propose(session, tenant_id=alice, conflict_id=conflict.id) is None
        with pytest.raises(UsageDecidedError):
            settling.settle(session, tenant_id=alice, conflict_id=conflict.id, key="", reason="No", by=DANA)
        assert session.scalar(select(func.count()).select_from(UsageEventRow)) == 1
