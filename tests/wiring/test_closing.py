"""Long jobs that somebody started: done once, one company's trouble for itself, and their progress told."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from billing import explorer, figures, invoices, periods, usage
from billing.events import MonthAsked, RatingAsked
from core import clock, long_jobs
from core.ids import OPERATOR, TenantId, new_id
from core.long_jobs import JobState, LongJob
from security.gate import Gate, Scope
from security.vault import Vault
from tests.billing import stock
from tests.tenants.people import People
from wiring import closing
from wiring import figures as gathering

OCTOBER = periods.month(2026, 10, zone="Europe/London")


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


def month(gate: Gate, *, is_final: bool) -> LongJob:
    with gate.open(Scope.system(OPERATOR)) as session:
        job_id = closing.ask_for_month(session, year=2026, month=10, is_final=is_final, by=new_id())
    assert job(gate, job_id).state is JobState.WAITING
    event = MonthAsked(tenant_id=OPERATOR, job_id=job_id, year=2026, month=10, is_final=is_final)
    assert closing.month(Means(gate), event) is None
    return job(gate, job_id)


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


def test_one_companys_trouble_is_counted_and_its_draft_stays(gate: Gate, used: TenantId) -> None:
    without_a_price(gate, used, 1)
    with clock.hold(OCTOBER.end):
        month(gate, is_final=False)
        done = month(gate, is_final=True)
    assert (done.state, done.done, done.made, done.failed) == (JobState.DONE, 2, 0, 1)
    with gate.open(Scope.system(used)) as session:
        (paper,) = invoices.every(session, tenant_id=used)
    assert paper.state == "draft"


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
