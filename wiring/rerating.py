"""Rating a stretch again by jobs: a difference piece by piece, and, approved, new ratings piece by piece.

Each piece is one transaction in its company's walls. Looking goes on where it was after a kill; applying a
piece a second time finds nothing left to change.
"""

import datetime as dt
import time
from typing import Protocol
from uuid import UUID

from billing import rerating, rerating_runs, tariffs
from billing.errors import RatingChangedError
from billing.events import RerunApproved, RerunAsked
from billing.rerating import Part
from billing.rerating_runs import Rerun
from core import long_jobs
from core.ids import OPERATOR, TenantId
from core.long_jobs import JobState
from security.gate import Gate, Scope
from tenants import companies
from wiring.closing import Progress

LOOKING, APPLYING = "usage.look-again", "usage.apply-again"
SHARE_S = 120  # then others get their turn


class Means(Protocol):
    """What these jobs need of a process."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...


def look(means: Means, event: RerunAsked) -> dt.timedelta | None:
    """Look at a run's events; return None when all are seen, or how long from now to go on."""
    until = time.monotonic() + SHARE_S
    with means.gate.open(Scope.system(OPERATOR)) as session:
        run = rerating_runs.find(session, rerun_id=event.rerun_id)
        before = long_jobs.find(session, job_id=run.rerun_id)
        every = [run.company_id] if run.company_id else sorted(c.tenant_id for c in companies.served(session))
    total = before.total if before is not None else None
    if total is None:
        total = sum(_count(means, run, company_id) for company_id in every)
    progress = Progress(
        means.gate, run.rerun_id, LOOKING, company_id=run.company_id, done=run.looked, total=total
    )
    progress.made = run.changes
    progress.write(JobState.RUNNING)
    here = run.cursor.get("company")
    for company_id in every[next((at for at, one in enumerate(every) if str(one) == here), 0) :]:
        while run.state == "looking":
            is_more = _look_at_piece(means, run, company_id, progress)
            with means.gate.open(Scope.system(OPERATOR)) as session:
                run = rerating_runs.find(session, rerun_id=run.rerun_id)
            if is_more is None and run.state == "looking":
                return None  # another worker is at it, and goes on
            if not is_more:
                break
            if time.monotonic() > until:
                progress.write(JobState.RUNNING)
                return dt.timedelta(seconds=1)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        rerating_runs.looked(session, rerun_id=run.rerun_id)
    progress.write(JobState.FAILED if run.state == "gone" else JobState.DONE)
    return None


def apply(means: Means, event: RerunApproved) -> None:
    """Write the new ratings of one piece, if they are still what was looked at; else leave it and say so."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        run = rerating_runs.find(session, rerun_id=event.rerun_id)
    piece, is_stale = run.pieces[event.number], False
    try:
        with means.gate.open(Scope.system(piece.company_id)) as session:
            rerating.approve(
                session,
                tenant_id=piece.company_id,
                start=run.start,
                end=run.end,
                tariff_id=piece.tariff_id,
                sha256=piece.sha256,
                part=piece.part,
            )
    except RatingChangedError:
        is_stale = True
    with means.gate.open(Scope.system(OPERATOR)) as session:
        run = rerating_runs.settle(session, rerun_id=run.rerun_id, number=piece.number, is_stale=is_stale)
    progress = Progress(means.gate, run.apply_id, APPLYING, company_id=run.company_id, total=run.changes)
    progress.done = progress.made = run.applied
    progress.failed = run.stale
    progress.write(JobState.DONE if run.state == "done" else JobState.RUNNING)


def _look_at_piece(means: Means, run: Rerun, company_id: TenantId, progress: Progress) -> bool | None:
    """Look at one piece; return whether there may be more in this company, None: somebody else has it."""
    after = run.after(company_id)
    with means.gate.open(Scope.system(company_id)) as session:
        steps = tariffs.timeline(session, tenant_id=company_id).own
        tariff_id = _tariff(run, steps)
        if not steps or (run.price_list and tariff_id is None):
            return False  # it was never on that list
        found = rerating.difference(
            session,
            tenant_id=company_id,
            start=run.start,
            end=run.end,
            tariff_id=tariff_id,
            part=Part(after=after, most=rerating_runs.PIECE),
        )
    with means.gate.open(Scope.system(OPERATOR)) as session:
        is_noted = rerating_runs.note(
            session,
            rerun_id=run.rerun_id,
            company_id=company_id,
            tariff_id=tariff_id,
            after=after,
            found=found,
        )
    if not is_noted:
        return None
    progress.moved(done=found.looked, made=len(found.changes))
    return found.looked == rerating_runs.PIECE


def _tariff(run: Rerun, steps: dict[UUID, tariffs.InForce]) -> UUID | None:
    """Return the company's own copy of the version all is to be rated by."""
    wanted = (run.price_list, run.version)
    return next(
        (key for key, one in steps.items() if (one.tariff.price_list, one.tariff.version) == wanted), None
    )


def _count(means: Means, run: Rerun, company_id: TenantId) -> int:
    with means.gate.open(Scope.system(company_id)) as session:
        return rerating.count(session, tenant_id=company_id, start=run.start, end=run.end)
