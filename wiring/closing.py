"""Work on many companies, or on much of one, that somebody started and watches: drafts, finalising, rating.

Each company is worked on in transactions of its own, one's trouble does not hold up the others, and what is
done already is left alone, so a job that is killed is simply done again. How far it is stands in
`core.long_jobs`, written down between the pieces.
"""

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from billing import accounts, explorer, invoiced, invoices, periods, safety
from billing.documents.document import InvoiceDocument
from billing.errors import (
    BillHeldError,
    BillingAccountNotFoundError,
    PeriodClosedError,
    RentalsOpenError,
)
from billing.events import MonthAsked, RatingAsked
from billing.periods import Period
from billing.safety import Safety
from core import log, long_jobs
from core.errors import SeatlineError
from core.events import announce
from core.ids import OPERATOR, TenantId, new_id
from core.long_jobs import JobState
from security.gate import Gate, Kind, Scope
from tenants import companies
from wiring import rentals

DRAFTS, FINALISING, RATING = "invoices.draft", "invoices.finalise", "usage.rate-again"
_NOTED_EVERY_S = 0.5
SHARE_S = 240  # then the rest is put off to the next turn: other jobs wait as well
_log = log.get(__name__)


class Means(Protocol):
    """What these jobs need of a process."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...


@dataclass(slots=True)
class Progress:
    """Writes down how far one job is, at most twice a second."""

    gate: Gate
    job_id: UUID
    kind: str
    company_id: UUID | None = None
    about: str = ""
    done: int = 0
    total: int | None = None
    made: int = 0
    failed: int = 0
    noted_at: float = 0.0

    def moved(self, *, done: int = 1, made: int = 0, failed: int = 0) -> None:
        """Count, and write it down if that was a while ago."""
        self.done += done
        self.made += made
        self.failed += failed
        if time.monotonic() - self.noted_at >= _NOTED_EVERY_S:
            self.write(JobState.RUNNING)

    def write(self, state: JobState) -> None:
        """Write it down now."""
        self.noted_at = time.monotonic()
        with self.gate.open(Scope.system(OPERATOR)) as session:
            long_jobs.note(
                session,
                job_id=self.job_id,
                kind=self.kind,
                state=state,
                done=self.done,
                total=self.total,
                made=self.made,
                failed=self.failed,
                company_id=self.company_id,
                about=self.about,
            )


def ask_for_month(session: Session, *, year: int, month: int, is_final: bool, by: UUID) -> UUID:
    """Start drafting, or finalising, a month of every company; return the job's id.

    In the operator's own transaction: the job begins after its commit.
    """
    job_id = new_id()
    long_jobs.note(
        session,
        job_id=job_id,
        kind=FINALISING if is_final else DRAFTS,
        state=JobState.WAITING,
        about=f"{year:04}-{month:02}",
        started_by=by,
    )
    announce(
        session,
        MonthAsked(tenant_id=OPERATOR, job_id=job_id, year=year, month=month, is_final=is_final, by=by),
    )
    return job_id


def ask_for_rating(session: Session, *, tenant_id: TenantId, by: UUID) -> UUID:
    """Start rating a company's usage without a price; return the job's id. In the operator's transaction."""
    job_id = new_id()
    long_jobs.note(
        session,
        job_id=job_id,
        kind=RATING,
        state=JobState.WAITING,
        company_id=tenant_id,
        started_by=by,
    )
    announce(session, RatingAsked(tenant_id=tenant_id, job_id=job_id))
    return job_id


def month(means: Means, event: MonthAsked) -> dt.timedelta | None:
    """Draft or finalise a month of every company; what one turn has no time for, the next goes on with."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        # in the order they were opened: whoever is opened or renamed meanwhile moves nobody's place
        every = sorted(one.tenant_id for one in companies.served(session))
        before = long_jobs.find(session, job_id=event.job_id)
    kind = FINALISING if event.is_final else DRAFTS
    about = f"{event.year:04}-{event.month:02}"
    progress = Progress(means.gate, event.job_id, kind, about=about, total=len(every))
    if before is not None:
        progress.done, progress.made, progress.failed = before.done, before.made, before.failed
    progress.write(JobState.RUNNING)
    usual = usual_bounds(means.gate)
    until = time.monotonic() + SHARE_S
    for tenant_id in every[progress.done :]:
        try:
            if event.is_final:
                made = finalise(
                    means.gate,
                    tenant_id=tenant_id,
                    year=event.year,
                    month=event.month,
                    usual=usual,
                    by=event.by,
                )
            else:
                made = draft(means.gate, tenant_id=tenant_id, year=event.year, month=event.month)
        except SeatlineError as error:
            _log.warning("month-trouble", tenant=str(tenant_id), job=kind, month=about, error=error.code)
            progress.moved(failed=1)
        else:
            progress.moved(made=made)
        if time.monotonic() > until:
            progress.write(JobState.RUNNING)
            return dt.timedelta(seconds=1)
    progress.write(JobState.DONE)
    return None


def rate_again(means: Means, event: RatingAsked) -> dt.timedelta | None:
    """Rate a company's usage without a price, a thousand events in each transaction."""
    tenant_id, scope = event.tenant_id, Scope.system(event.tenant_id)
    with means.gate.open(scope) as session:
        waiting = explorer.waiting(session, tenant_id=tenant_id)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        before = long_jobs.find(session, job_id=event.job_id)
    made = before.made if before is not None else 0  # in earlier turns; what has a price waits no more
    progress = Progress(
        means.gate,
        event.job_id,
        RATING,
        company_id=tenant_id,
        done=made,
        made=made,
        total=made + waiting,
    )
    progress.write(JobState.RUNNING)
    after, until = None, time.monotonic() + SHARE_S
    while True:
        with means.gate.open(scope) as session:
            piece = explorer.rate_again(session, tenant_id=tenant_id, after=after)
        after = piece.after
        progress.moved(done=piece.rated + piece.waiting, made=piece.rated, failed=piece.waiting)
        if after is None:
            break
        if time.monotonic() > until:
            progress.write(JobState.RUNNING)
            return dt.timedelta(seconds=1)
    progress.write(JobState.DONE)
    return None


def draft(gate: Gate, *, tenant_id: TenantId, year: int, month: int, anew: bool = False) -> int:
    """Make one company's draft of a month; return how many were made: none when it is closed or empty.

    What is there already stays, unless it is to be made `anew`.
    """
    with gate.open(Scope.system(tenant_id)) as session:
        try:
            account = accounts.find(session, tenant_id=tenant_id)
        except BillingAccountNotFoundError:
            return 0
        period = periods.month(year, month, zone=account.zone)
        if not anew and account.is_charged(until=period.end):
            return _draft(session, tenant_id, period, anew=False)
    rentals.charge(gate, tenant_id=tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        return _draft(session, tenant_id, period, anew=anew)


def _draft(session: Session, tenant_id: TenantId, period: Period, *, anew: bool) -> int:
    if not anew and invoiced.read(session, tenant_id=tenant_id).of(period):
        return 0
    try:
        made = invoices.draft(session, tenant_id=tenant_id, period=period)
    except PeriodClosedError:
        return 0
    if not anew and not made.bill.lines:
        session.rollback()
        return 0
    return 1


def finalise(
    gate: Gate, *, tenant_id: TenantId, year: int, month: int, usual: Safety, by: UUID | None
) -> int:
    """Finalise one company's draft of a month; return how many were: none when there is no draft.

    Args:
        gate: the way into walls.
        tenant_id: the client company.
        year: of the month.
        month: of the account's zone.
        usual: what holds for everybody's bills.
        by: who approves the draft with it, where nobody has yet; None: nobody does.

    Raises:
        SeatlineError: what stands in the way, see `billing.invoices.finalise`; or nobody has approved it.
    """
    try:
        return _finalise(gate, tenant_id, year, month, usual, by)
    except RentalsOpenError:
        rentals.charge(gate, tenant_id=tenant_id)
    return _finalise(gate, tenant_id, year, month, usual, by)


def _finalise(gate: Gate, tenant_id: TenantId, year: int, month: int, usual: Safety, by: UUID | None) -> int:
    with _holding(gate, tenant_id, usual), gate.open(_scope(tenant_id, by)) as session:
        try:
            account = accounts.find(session, tenant_id=tenant_id)
        except BillingAccountNotFoundError:
            return 0
        period = periods.month(year, month, zone=account.zone)
        there = invoiced.read(session, tenant_id=tenant_id).of(period)
        if there is None or there.state != "draft":
            return 0
        _approved_and_final(session, tenant_id, there.invoice_id, usual, by)
    return 1


def finalise_one(gate: Gate, *, tenant_id: TenantId, invoice_id: UUID, by: UUID | None) -> InvoiceDocument:
    """Finalise one draft; a bill that leaves its account's bounds is held instead (`billing.safety`).

    Args:
        gate: the way into walls.
        tenant_id: the client company.
        invoice_id: its draft.
        by: who approves it with that, where nobody has yet; None: nobody does.

    Raises:
        SeatlineError: what stands in the way, see `billing.invoices.finalise`; or nobody has approved it.
    """
    usual = usual_bounds(gate)
    with _holding(gate, tenant_id, usual), gate.open(_scope(tenant_id, by)) as session:
        return _approved_and_final(session, tenant_id, invoice_id, usual, by)


def _approved_and_final(
    session: Session, tenant_id: TenantId, invoice_id: UUID, usual: Safety, by: UUID | None
) -> InvoiceDocument:
    if by is None:
        invoices.insist_approved(session, tenant_id=tenant_id, invoice_id=invoice_id)
    return invoices.finalise(session, tenant_id=tenant_id, invoice_id=invoice_id, usual=usual, approver=by)


def _scope(tenant_id: TenantId, by: UUID | None) -> Scope:
    """Return the scope in which the evidence names the person who closes a month."""
    return Scope.system(tenant_id) if by is None else Scope(tenant_id, by, Kind.SYSTEM)


def usual_bounds(gate: Gate) -> Safety:
    """Return what holds for everybody's bills."""
    with gate.open(Scope.system(OPERATOR)) as session:
        return safety.usual(session)


@contextlib.contextmanager
def _holding(gate: Gate, tenant_id: TenantId, usual: Safety) -> Iterator[None]:
    """Hold a bill that was not finalised because it leaves its account's bounds."""
    try:
        yield
    except BillHeldError as error:
        one = error.invoice_id
        with gate.open(Scope.system(tenant_id)) as session:
            outside = invoices.leaves_bounds(session, tenant_id=tenant_id, invoice_id=one, usual=usual)
            if outside is not None:
                safety.hold(session, tenant_id=tenant_id, invoice_id=one, outside=outside)
        raise
