"""Rating a stretch again by jobs: seen first, approved by two when it is much, applied once, whoever dies."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from billing import periods, rerating_runs, safety, tariffs, usage
from billing.errors import RatingChangedError, SecondPersonError
from billing.events import RerunApproved, RerunAsked
from billing.models import RatedChargeRow
from billing.rerating_runs import Rerun
from billing.safety import USUAL, Safety
from core import clock, long_jobs
from core.events import OutboxRow
from core.ids import OPERATOR, TenantId, new_id
from core.long_jobs import JobState
from security.gate import Gate, Scope
from security.vault import Vault
from tests.billing import stock
from tests.tenants.people import People
from wiring import rerating
from wiring.closing import Progress

OCTOBER = periods.month(2026, 10, zone="Europe/London")
DANA, OMAR = new_id(), new_id()


@dataclass(frozen=True)
class Means:
    gate: Gate


class KilledError(BaseException):
    """The worker dies."""


@pytest.fixture
def used(gate: Gate, vault: Vault) -> TenantId:
    """A company with seven calls of October, and a later version by which mobiles cost twice as much."""
    people = People(gate, vault)
    people.operator()
    people.company("Quiet Ltd")
    tenant_id = people.company("Pelican Parcel").tenant_id
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
        for number in range(7):
            prefix = "44770" if number % 2 else "44207"
            usage.record(session, tenant_id=tenant_id, usage=stock.usage(f"call-{number}", prefix=prefix))
    with clock.hold(dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)):
        dearer = stock.publish(
            gate,
            effective_from=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
            of=stock.rates(mobile=145_000_000, inbound=100_000_000),
        )
        with gate.open(Scope.system(tenant_id)) as session:
            tariffs.take(session, tenant_id=tenant_id, version=dearer)
    return tenant_id


def ask(gate: Gate, company_id: TenantId | None = None) -> UUID:
    with gate.open(Scope.system(OPERATOR)) as session:
        return rerating_runs.ask(
            session,
            start=OCTOBER.start,
            end=OCTOBER.end,
            by=DANA,
            company_id=company_id,
            price_list="uk-standard",
            version=2,
        )


def find(gate: Gate, rerun_id: UUID) -> Rerun:
    with gate.open(Scope.system(OPERATOR)) as session:
        return rerating_runs.find(session, rerun_id=rerun_id)


def look(gate: Gate, rerun_id: UUID) -> Rerun:
    assert rerating.look(Means(gate), RerunAsked(tenant_id=OPERATOR, rerun_id=rerun_id)) is None
    return find(gate, rerun_id)


def approve(gate: Gate, rerun_id: UUID, by: UUID = DANA) -> Rerun:
    with gate.open(Scope.system(OPERATOR)) as session:
        return rerating_runs.approve(session, rerun_id=rerun_id, by=by)


def apply(gate: Gate, run: Rerun) -> Rerun:
    for piece in run.pieces:
        event = RerunApproved(tenant_id=piece.company_id, rerun_id=run.rerun_id, number=piece.number)
        rerating.apply(Means(gate), event)
    return find(gate, run.rerun_id)


def ratings(gate: Gate, tenant_id: TenantId) -> tuple[int, int]:
    """Return how many ratings there are, and what those that stand come to."""
    with gate.open(Scope.system(tenant_id)) as session:
        every = session.scalars(select(func.count()).where(RatedChargeRow.tenant_id == tenant_id)).one()
        standing = session.scalars(
            select(func.sum(RatedChargeRow.amount_nano)).where(
                RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.superseded_by.is_(None)
            )
        ).one()
    return every, int(standing or 0)


def killed_at(monkeypatch: pytest.MonkeyPatch, target: str, times: int) -> Callable[[], None]:
    """Let the worker die when something is called the n-th time, before it does anything."""
    real, seen = getattr(rerating_runs, target), 0

    def dying(*args: Any, **known: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == times:
            raise KilledError
        return real(*args, **known)

    monkeypatch.setattr(rerating_runs, target, dying)
    return lambda: monkeypatch.setattr(rerating_runs, target, real)


def test_a_stretch_is_looked_at_and_applied_in_pieces_through_kills(
    gate: Gate, used: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerating_runs, "PIECE", 3)
    rerun_id, before = ask(gate), ratings(gate, used)
    revive = killed_at(monkeypatch, "note", 2)
    with pytest.raises(KilledError):
        look(gate, rerun_id)
    revive()
    assert find(gate, rerun_id).looked == 3
    run = look(gate, rerun_id)
    assert (run.state, run.looked, run.changes, len(run.pieces)) == ("looked", 7, 7, 3)
    assert ratings(gate, used) == before
    with gate.open(Scope.system(OPERATOR)) as session:
        job = long_jobs.find(session, job_id=rerun_id)
    assert job is not None
    assert (job.state, job.done, job.total, job.made) == (JobState.DONE, 7, 7, 7)
    (mobile, *_) = run.moves
    assert (mobile.events, mobile.currency, mobile.down_nano) == (3, "GBP", 0)
    assert mobile.up_nano > 0
    approved = approve(gate, rerun_id)
    with gate.open(Scope.system(OPERATOR)) as session:
        told = session.scalars(
            select(func.count()).select_from(OutboxRow).where(OutboxRow.name == RerunApproved.name)
        ).one()
    assert told == 3
    revive = killed_at(monkeypatch, "settle", 2)  # the piece is rated, and nobody knows it yet
    with pytest.raises(KilledError):
        apply(gate, approved)
    revive()
    done = apply(gate, approved)
    assert (done.state, done.applied, done.stale) == ("done", 7, 0)
    every, standing = ratings(gate, used)
    assert every == before[0] + 7
    assert standing == before[1] + sum(one.up_nano - one.down_nano for one in run.moves)
    apply(gate, approved)
    assert ratings(gate, used) == (every, standing)
    assert approve(gate, rerun_id).state == "done"
    assert look(gate, ask(gate, used)).changes == 0


def test_what_changed_since_it_was_looked_at_is_left(gate: Gate, used: TenantId) -> None:
    first, second = look(gate, ask(gate)), look(gate, ask(gate))
    with gate.open(Scope.system(used)) as session:
        usage.record(session, tenant_id=used, usage=stock.usage("late", prefix="44770"))
    late = apply(gate, approve(gate, first.rerun_id))
    assert (late.state, late.applied) == ("done", 7)  # the late one is behind what was looked at
    before = ratings(gate, used)
    with pytest.raises(RatingChangedError):
        approve(gate, ask(gate))
    again = apply(gate, approve(gate, second.rerun_id))
    assert (again.state, ratings(gate, used)) == ("done", before)


def test_above_the_limit_somebody_else_approves(gate: Gate, used: TenantId) -> None:
    before = ratings(gate, used)
    with gate.open(Scope.system(OPERATOR)) as session:
        strict = Safety(second_above=0)
        safety.change(session, tenant_id=OPERATOR, safety=strict, by=OMAR)
    run = look(gate, ask(gate))
    assert run.needs_second(strict)
    assert not run.needs_second(USUAL)
    with pytest.raises(SecondPersonError):
        approve(gate, run.rerun_id)
    assert approve(gate, run.rerun_id, by=OMAR).state == "applying"
    assert ratings(gate, used) == before  # nothing moves before the job


def test_a_run_given_up_changes_nothing(gate: Gate, used: TenantId) -> None:
    before, run = ratings(gate, used), look(gate, ask(gate))
    with gate.open(Scope.system(OPERATOR)) as session:
        assert rerating_runs.give_up(session, rerun_id=run.rerun_id)
    with pytest.raises(RatingChangedError):
        approve(gate, run.rerun_id)
    assert look(gate, run.rerun_id).state == "gone"
    assert ratings(gate, used) == before


class Between:
    """A gate through which somebody else goes first, at the second door to a company."""

    def __init__(self, gate: Gate, company: TenantId, act: Callable[[], object]) -> None:
        self._gate, self._company, self._act, self._doors = gate, company, act, 0

    def open(self, scope: Scope) -> Any:
        if scope.tenant_id == self._company:
            self._doors += 1
            if self._doors == 2:
                self._act()
        return self._gate.open(scope)


def test_two_workers_at_one_run_leave_nothing_out(
    gate: Gate, used: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other one has noted is the other one's to go on with; neither says that all is seen."""
    monkeypatch.setattr(rerating_runs, "PIECE", 3)
    rerun_id = ask(gate)
    run = find(gate, rerun_id)

    def first() -> None:
        progress = Progress(gate, rerun_id, rerating.LOOKING, total=7)
        assert rerating._look_at_piece(Means(gate), run, used, progress)

    second = Means(Between(gate, used, first))  # type: ignore[arg-type]  # a gate all the same
    assert rerating.look(second, RerunAsked(tenant_id=OPERATOR, rerun_id=rerun_id)) is None
    halfway = find(gate, rerun_id)
    assert (halfway.state, halfway.looked) == ("looking", 3)
    whole = look(gate, rerun_id)
    assert (whole.state, whole.looked) == ("looked", 7)
