"""Long jobs that somebody started: done once, one company's trouble for itself, and their progress told."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, update

from billing import explorer, figures, invoices, periods, tariffs, usage
from billing.errors import InvoiceFinalError, InvoiceNotApprovedError, InvoiceNotFoundError
from billing.events import MonthAsked, RatingAsked
from billing.models import BillingAccountRow
from billing.rating.tariff import DatedRate
from billing.safety import USUAL
from core import clock, long_jobs
from core.ids import OPERATOR, TenantId, new_id
from core.long_jobs import JobState, LongJob
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from tests.billing import stock
from tests.tenants.people import People
from wiring import closing
from wiring import figures as gathering

OCTOBER = periods.month(2026, 10, zone="Europe/London")


BY = new_id()  # who closes the month


@dataclass(frozen=True)
class Means:
    gate: Gate


@pytest.fixture
def people(gate: Gate, vault: Vault) -> People:
    return People(gate, vault)


@pytest.fixture
def used(gate: Gate, people: People) -> TenantId:
    """A company with a call of October and usage without a price; another one without an account."""
    people.operator()
    people.company("Quiet Ltd")
    tenant_id = people.company("Pelican Parcel").tenant_id
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
        usage.record(session, tenant_id=tenant_id, usage=stock.usage("call-1"))
    return tenant_id


def without_a_price(gate: Gate, tenant_id: TenantId, count: int) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        for at in range(count):
            what = stock.usage(f"france-{at}", prefix="3312345")
            usage.record(session, tenant_id=tenant_id, usage=what)


def job(gate: Gate, job_id: UUID) -> LongJob:
    with gate.open(Scope.system(OPERATOR)) as session:
        found = long_jobs.find(session, job_id=job_id)
    assert found
    return found


def asked(gate: Gate, *, is_final: bool) -> UUID:
    with gate.open(Scope.system(OPERATOR)) as session:
        return closing.ask_for_month(session, year=2026, month=10, is_final=is_final, by=new_id())


def october(job_id: UUID, *, is_final: bool) -> MonthAsked:
    return MonthAsked(tenant_id=OPERATOR, job_id=job_id, year=2026, month=10, is_final=is_final, by=BY)


def month(gate: Gate, *, is_final: bool) -> LongJob:
    job_id = asked(gate, is_final=is_final)
    assert job(gate, job_id).state is JobState.WAITING
    assert closing.month(Means(gate), october(job_id, is_final=is_final)) is None
    return job(gate, job_id)


@contextlib.contextmanager
def listened(name: str, hear: Callable[..., None]) -> Iterator[None]:
    event.listen(Engine, name, hear)
    try:
        yield
    finally:
        event.remove(Engine, name, hear)


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    """Yield what is sent to the database meanwhile."""
    sent: list[str] = []
    with listened("before_cursor_execute", lambda _one, _cursor, statement, *_rest: sent.append(statement)):
        yield sent


def test_a_month_is_drafted_once_and_finalised_once_by_everybody_together(gate: Gate, used: TenantId) -> None:
    with clock.hold(OCTOBER.end):
        first, again = month(gate, is_final=False), month(gate, is_final=False)
        assert (first.state, first.done, first.total, first.made, first.failed) == (JobState.DONE, 2, 2, 1, 0)
        assert again.made == 0
        assert month(gate, is_final=True).made == 1
        assert month(gate, is_final=True).made == 0
    with gate.open(Scope.system(used)) as session:
        (paper,) = invoices.every(session, tenant_id=used)
    assert paper.state == "finalised"


def test_a_month_is_closed_in_two_transactions_of_few_statements(gate: Gate, used: TenantId) -> None:
    """It took seven transactions and eighty statements, whatever was used."""
    committed: list[object] = []
    with statements() as drafting, clock.hold(OCTOBER.end), listened("commit", committed.append):
        assert closing.draft(gate, tenant_id=used, year=2026, month=10) == 1
    with statements() as finalising, clock.hold(OCTOBER.end), listened("commit", committed.append):
        assert closing.finalise(gate, tenant_id=used, year=2026, month=10, usual=USUAL, by=BY) == 1
    assert len(committed) == 2
    assert len(drafting) <= 13, drafting
    assert len(finalising) <= 21, finalising


def test_a_month_with_rentals_not_charged_yet_is_charged_first(gate: Gate, used: TenantId) -> None:
    with gate.open(Scope.system(used)) as session:
        session.execute(update(BillingAccountRow).values(charged_until=None))
    with clock.hold(OCTOBER.end):
        assert month(gate, is_final=False).made == 1
    with gate.open(Scope.system(used)) as session:
        session.execute(update(BillingAccountRow).values(charged_until=None))
    with clock.hold(OCTOBER.end + dt.timedelta(hours=3)):
        assert month(gate, is_final=True).made == 1


def test_one_companys_trouble_is_counted_and_its_draft_stays(gate: Gate, used: TenantId) -> None:
    without_a_price(gate, used, 1)
    with clock.hold(OCTOBER.end):
        month(gate, is_final=False)
        done = month(gate, is_final=True)
    assert (done.state, done.done, done.made, done.failed) == (JobState.DONE, 2, 0, 1)
    with gate.open(Scope.system(used)) as session:
        (paper,) = invoices.every(session, tenant_id=used)
    assert paper.state == "draft"


def test_a_month_that_takes_several_turns_goes_on_where_it_was(
    gate: Gate, used: TenantId, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "SHARE_S", -1)  # so that each turn has one company
    with clock.hold(OCTOBER.end):
        job_id = asked(gate, is_final=False)
        seen = []
        while closing.month(Means(gate), october(job_id, is_final=False)):
            seen.append(job(gate, job_id))
            people.company(f"Aardvark {len(seen)}")  # the first by name, and opened last
            assert len(seen) < 9, "it never ends"
            monkeypatch.setattr(closing, "SHARE_S", -1 if len(seen) < 2 else 60)
    assert [(one.done, one.made) for one in seen] == [(1, 0), (2, 1)]
    done = job(gate, job_id)
    assert (done.state, done.done, done.total, done.made, done.failed) == (JobState.DONE, 4, 4, 1, 0)


def test_rating_again_in_several_turns_counts_all_of_them(
    gate: Gate, used: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "AT_ONCE", 2)
    monkeypatch.setattr(closing, "SHARE_S", -1)
    without_a_price(gate, used, 5)
    france = DatedRate("voice.outbound", "33", "gb-local", stock.per_minute(60_000_000))
    with clock.hold(stock.NOON):
        version = stock.publish(gate, effective_from=OCTOBER.end, of=(*stock.rates(), france))
    with gate.open(Scope.system(used)) as session:
        tariffs.take(session, tenant_id=used, version=version)
    with gate.open(Scope.system(OPERATOR)) as session:
        job_id = closing.ask_for_rating(session, tenant_id=used, by=new_id())
    turns = 1
    while closing.rate_again(Means(gate), RatingAsked(tenant_id=used, job_id=job_id)):
        turns += 1
        assert turns < 9, "it never ends"
    done = job(gate, job_id)
    assert turns == 3
    assert (done.state, done.total, done.done, done.made, done.failed) == (JobState.DONE, 5, 5, 5, 0)


def test_rating_again_goes_through_all_of_it_piece_by_piece(
    gate: Gate, used: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What still has no price does not hold up what comes after it."""
    monkeypatch.setattr(explorer, "AT_ONCE", 2)
    without_a_price(gate, used, 5)
    with gate.open(Scope.system(OPERATOR)) as session:
        job_id = closing.ask_for_rating(session, tenant_id=used, by=new_id())
    assert closing.rate_again(Means(gate), RatingAsked(tenant_id=used, job_id=job_id)) is None
    done = job(gate, job_id)
    assert (done.state, done.total, done.done, done.made, done.failed) == (JobState.DONE, 5, 5, 0, 5)


def test_a_job_never_goes_back_and_what_is_over_stays_over(gate: Gate) -> None:
    job_id = new_id()

    def note(state: JobState, done: int) -> LongJob:
        with gate.open(Scope.system(OPERATOR)) as session:
            long_jobs.note(session, job_id=job_id, kind="leads.read", state=state, done=done, total=10)
        return job(gate, job_id)

    assert note(JobState.RUNNING, 6).done == 6
    assert note(JobState.RUNNING, 2).done == 6
    assert note(JobState.DONE, 10).is_over
    late = note(JobState.RUNNING, 10)
    assert (late.state, late.left_s) == (JobState.DONE, None)


def test_every_companys_figures_are_laid_beside_each_other(gate: Gate, used: TenantId) -> None:
    without_a_price(gate, used, 2)
    with clock.hold(stock.NOON):
        gathering.refresh(Means(gate))
        with gate.open(Scope.system(OPERATOR)) as session:
            (found,) = figures.every(session)
    assert (found.company_id, found.currency, found.unrated) == (used, "GBP", 2)
    assert (found.running_minor, found.days_minor[-1], len(found.days_minor)) == (7, 7, 14)
    assert (found.drafts, found.failed, found.overdue, found.is_held) == (0, 0, 0, False)


def test_a_month_is_approved_by_who_closes_it_and_the_log_names_them(gate: Gate, used: TenantId) -> None:
    means = Means(gate)
    closing.month(means, october(asked(gate, is_final=False), is_final=False))
    closing.month(means, october(asked(gate, is_final=True), is_final=True))
    with gate.open(Scope.system(used)) as session:
        (listed,) = invoices.every(session, tenant_id=used)
        found = invoices.find(session, tenant_id=used, invoice_id=listed.invoice_id)
        log = evidence.page(session, tenant_id=used, limit=9).entries
    assert (found.state, found.approved_by) == ("finalised", BY)
    assert found.approved_at is not None
    assert {one.fact.action: one.actor_id for one in log}["invoice.finalised"] == BY


def test_what_nobody_has_approved_stays_a_draft_and_who_approved_first_stands(
    gate: Gate, used: TenantId
) -> None:
    first = new_id()
    assert closing.draft(gate, tenant_id=used, year=2026, month=10) == 1
    with pytest.raises(InvoiceNotApprovedError):
        closing.finalise(gate, tenant_id=used, year=2026, month=10, usual=USUAL, by=None)
    with gate.open(Scope.system(used)) as session:
        (drafted,) = invoices.every(session, tenant_id=used)
        for by in (first, BY):
            invoices.approve(session, tenant_id=used, invoice_id=drafted.invoice_id, by=by)
    assert closing.finalise(gate, tenant_id=used, year=2026, month=10, usual=USUAL, by=None) == 1
    with gate.open(Scope.system(used)) as session:
        done = invoices.find(session, tenant_id=used, invoice_id=drafted.invoice_id)
        assert done.approved_by == first
        with pytest.raises(InvoiceFinalError):
            invoices.approve(session, tenant_id=used, invoice_id=drafted.invoice_id, by=BY)
        with pytest.raises(InvoiceNotFoundError):
            invoices.approve(session, tenant_id=used, invoice_id=new_id(), by=BY)


def test_a_draft_that_is_made_anew_is_approved_anew(gate: Gate, used: TenantId) -> None:
    closing.draft(gate, tenant_id=used, year=2026, month=10)
    with gate.open(Scope.system(used)) as session:
        (drafted,) = invoices.every(session, tenant_id=used)
        invoices.approve(session, tenant_id=used, invoice_id=drafted.invoice_id, by=BY)
    closing.draft(gate, tenant_id=used, year=2026, month=10, anew=True)
    with pytest.raises(InvoiceNotApprovedError):
        closing.finalise(gate, tenant_id=used, year=2026, month=10, usual=USUAL, by=None)
