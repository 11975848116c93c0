"""Late invoices are reminded of step by step, suspend spending, and free it in the moment they are paid."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from billing import credit, disputes, dunning, invoices, ledger
from billing.credit import Cause, NoCredit
from billing.documents.document import InvoiceDocument
from billing.dunning import Case, Deed, Step
from billing.errors import DunningPauseNotFoundError, DunningReasonError, DunningStepsError
from billing.events import InvoicePaid
from billing.ledger import CLEARING, RECEIVABLE, Posting
from core import clock
from core.ids import OPERATOR, TenantId, UserId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import letters
from tests.factories import payments
from tests.tenants.people import People
from wiring import dunning as nights
from wiring.subscriptions import heard

DUE = dt.date(2026, 11, 11)
DANA = new_id()


@dataclass(frozen=True)
class Site:
    public_url: str = "http://localhost:9700"


@dataclass(frozen=True)
class House:
    """As much of a process as a night needs."""

    gate: Gate
    vault: Vault
    settings: Site


@pytest.fixture
def house(gate: Gate, vault: Vault) -> House:
    return House(gate, vault, Site())


@pytest.fixture
def people(gate: Gate, vault: Vault) -> People:
    return People(gate, vault)


@pytest.fixture
def company(gate: Gate, people: People) -> TenantId:
    made = people.company("Pelican Parcel").tenant_id
    people.user(made, "Alice")
    people.user(made, "Ann", "tenant_analyst")
    with clock.hold(dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC)):
        payments.owing(gate, made, terms_days=10)
    return made


@pytest.fixture
def invoice(gate: Gate, company: TenantId) -> InvoiceDocument:
    with gate.open(Scope.system(company)) as session:
        found = session.execute(text("SELECT id FROM app.invoices")).scalar_one()
        return invoices.find(session, tenant_id=company, invoice_id=found)


def night(house: House, company: TenantId, days: int) -> int:
    """Let a night pass so many days after the invoice was due."""
    at = dt.datetime.combine(DUE + dt.timedelta(days=days), dt.time(3), tzinfo=dt.UTC)
    with clock.hold(at):
        return nights.of_company(house, tenant_id=company)


def letters_of(gate: Gate, company: TenantId) -> list[str]:
    with gate.open(Scope.system(company)) as session:
        rows: Sequence[str] = (
            session.execute(text("SELECT kind FROM app.letters ORDER BY id")).scalars().all()
        )
        return list(rows)


def may_call(gate: Gate, company: TenantId) -> NoCredit | None:
    with gate.open(Scope.system(company)) as session:
        return credit.refusal(
            session, tenant_id=company, meter="voice.outbound", prefix="4477", at=clock.now()
        )


def late(gate: Gate, company: TenantId, days: int) -> Case:
    at = dt.datetime.combine(DUE + dt.timedelta(days=days), dt.time(3), tzinfo=dt.UTC)
    with clock.hold(at), gate.open(Scope.system(company)) as session:
        return dunning.cases(session, tenant_id=company)[0]


def pay(gate: Gate, company: TenantId, invoice: InvoiceDocument, minor: int) -> None:
    with gate.open(Scope.system(company)) as session:
        ledger.post(
            session,
            tenant_id=company,
            key=f"payment:{new_id()}",
            kind="payment",
            invoice_id=invoice.invoice_id,
            effective_at=clock.now(),
            postings=[Posting(CLEARING, minor, "GBP"), Posting(RECEIVABLE, -minor, "GBP")],
        )


def test_each_step_is_taken_once_on_its_day(house: House, gate: Gate, company: TenantId) -> None:
    taken = {days: night(house, company, days) for days in range(1, 40)}
    assert [days for days, count in taken.items() if count] == [3, 10, 17, 24]
    assert set(taken.values()) == {0, 1}
    # Alice, who may pay, and nobody else
    assert letters_of(gate, company) == ["invoice-late", "invoice-late", "invoice-last", "calls-suspended"]


def test_a_night_that_is_repeated_writes_nothing_twice(house: House, gate: Gate, company: TenantId) -> None:
    assert [night(house, company, 3), night(house, company, 3)] == [1, 0]
    assert letters_of(gate, company) == ["invoice-late"]


def test_after_nights_without_a_run_nobody_is_reminded_and_suspended_at_once(
    house: House, gate: Gate, company: TenantId
) -> None:
    taken = [days for days in range(100, 140) if night(house, company, days)]
    assert taken == [100, 107, 114, 121]  # as far apart as the steps are
    assert may_call(gate, company) is NoCredit.ON_HOLD


def test_a_night_cut_off_before_its_letter_takes_the_step_the_next_time(
    house: House, gate: Gate, company: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(letters, "put", crash)
        night(house, company, 3)
    assert letters_of(gate, company) == []
    assert night(house, company, 3) == 1
    assert letters_of(gate, company) == ["invoice-late"]


def test_suspension_stops_spending_and_payment_frees_it_at_once(
    house: House, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    for days in (3, 10, 17):
        night(house, company, days)
        assert may_call(gate, company) is None
    night(house, company, 24)
    assert may_call(gate, company) is NoCredit.ON_HOLD
    with gate.open(Scope.system(company)) as session:
        held = credit.held(session, tenant_id=company)
    assert held is not None
    assert held.cause is Cause.DUNNING
    pay(gate, company, invoice, 17400)
    hears = {one.name: one for one in heard(InvoicePaid.name)}["dunning.resume"]
    event = InvoicePaid(tenant_id=company, invoice_id=invoice.invoice_id, payment_id=None)
    with gate.open(Scope.system(company)) as session:
        hears.handle(house, session, event)  # type: ignore[call-arg, arg-type]
    assert may_call(gate, company) is None
    assert letters_of(gate, company)[-1] == "calls-resumed"


def test_a_part_that_is_paid_does_not_end_it(
    house: House, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    for days in (3, 10, 17, 24):
        night(house, company, days)
    pay(gate, company, invoice, 17399)
    night(house, company, 25)
    assert may_call(gate, company) is NoCredit.ON_HOLD


def test_a_hold_that_a_person_placed_is_not_lifted_by_payment(
    house: House, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    with gate.open(Scope.system(company)) as session:
        credit.hold(session, tenant_id=company, reason="asked by the police", by=DANA)
    for days in (3, 10, 17, 24):
        night(house, company, days)
    pay(gate, company, invoice, 17400)
    night(house, company, 25)
    assert may_call(gate, company) is NoCredit.ON_HOLD


def test_what_is_disputed_is_not_asked_for(
    house: House, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    with gate.open(Scope.system(company)) as session:
        found = disputes.open_dispute(
            session,
            tenant_id=company,
            invoice_id=invoice.invoice_id,
            reason="twice",
            by=UserId(DANA),
            line_nos={1},
        )
    assert late(gate, company, 3).asked_minor == 0
    assert night(house, company, 3) == 0
    with gate.open(Scope.system(company)) as session:
        disputes.refuse(session, tenant_id=company, dispute_id=found.dispute_id, answer="it is right")
    assert night(house, company, 4) == 1


def test_who_is_put_off_is_left_alone_and_freed(house: House, gate: Gate, company: TenantId) -> None:
    for days in (3, 10, 17, 24):
        night(house, company, days)
    at = dt.datetime.combine(DUE + dt.timedelta(days=25), dt.time(9), tzinfo=dt.UTC)
    with clock.hold(at), gate.open(Scope.system(company)) as session:
        made = dunning.pause(session, tenant_id=company, reason="pays in parts", by=DANA)
    assert may_call(gate, company) is None
    with clock.hold(at), gate.open(Scope.system(company)) as session:
        dunning.go_on(session, tenant_id=company, pause_id=made.pause_id, by=DANA)
        with pytest.raises(DunningPauseNotFoundError):
            dunning.go_on(session, tenant_id=company, pause_id=made.pause_id, by=DANA)


def test_a_pause_ends_by_itself_after_its_last_day(
    house: House, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    with gate.open(Scope.system(company)) as session:
        dunning.pause(
            session,
            tenant_id=company,
            invoice_id=invoice.invoice_id,
            reason="on holiday",
            by=DANA,
            until_on=DUE + dt.timedelta(days=5),
        )
    assert [night(house, company, days) for days in (3, 5, 6)] == [0, 0, 1]


def test_a_skipped_step_is_not_taken_and_the_next_keeps_its_distance(
    house: House, gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    at = dt.datetime.combine(DUE + dt.timedelta(days=3), dt.time(1), tzinfo=dt.UTC)
    with clock.hold(at), gate.open(Scope.system(company)) as session:
        assert dunning.skip(
            session, tenant_id=company, invoice_id=invoice.invoice_id, reason="rang them", by=DANA
        )
    assert [night(house, company, days) for days in (3, 9, 10)] == [0, 0, 1]
    assert [(one.n, one.is_skipped, one.reason) for one in late(gate, company, 10).taken] == [
        (0, True, "rang them"),
        (1, False, ""),
    ]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_without_a_reason_nothing_is_put_off(gate: Gate, company: TenantId, reason: str) -> None:
    with gate.open(Scope.system(company)) as session, pytest.raises(DunningReasonError):
        dunning.pause(session, tenant_id=company, reason=reason, by=DANA)


@pytest.mark.parametrize(
    "steps",
    [
        (Step(3, Deed.REMIND), Step(3, Deed.WARN)),
        (Step(0, Deed.REMIND),),
        (Step(366, Deed.REMIND),),
        (Step(3, Deed.SUSPEND), Step(4, Deed.REMIND)),
        tuple(Step(day, Deed.REMIND) for day in range(1, 10)),
    ],
)
def test_steps_that_cannot_be_are_refused(gate: Gate, company: TenantId, steps: tuple[Step, ...]) -> None:
    with gate.open(Scope.system(company)) as session, pytest.raises(DunningStepsError):
        dunning.set_steps(session, tenant_id=company, steps=steps)


def test_a_company_has_its_own_steps_or_none(house: House, gate: Gate, company: TenantId) -> None:
    with gate.open(Scope.system(company)) as session:
        dunning.set_steps(session, tenant_id=company, steps=[Step(1, Deed.SUSPEND)])
    assert night(house, company, 1) == 1
    assert may_call(gate, company) is NoCredit.ON_HOLD
    with gate.open(Scope.system(company)) as session:
        assert dunning.set_steps(session, tenant_id=company, steps=None).steps == dunning.DEFAULT
        credit.release(session, tenant_id=company, by=OPERATOR)
        dunning.set_steps(session, tenant_id=company, steps=[])
    assert [night(house, company, days) for days in (2, 50)] == [0, 0]


def test_a_round_passes_over_companies_without_an_account(house: House, people: People) -> None:
    people.company("Nobody Billed")
    nights.run(house)
