"""How far each single long job is: what was started, by whom, how much of it is done, how fast it goes.

A duty is done or it is not (`core.duties`); a job that takes longer than a person likes to wait says
meanwhile how far it has come. The rows are the operator's own, for the page of jobs, and for whoever started
the job where they started it: ids, counts and codes, nothing personal. They prove nothing: a job that cannot
write its progress down does its work all the same.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, Uuid, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import clock
from core.db import Base, Instant, OptionalInstant, TenantOwned
from core.ids import OPERATOR

KEPT = dt.timedelta(days=30)
QUIET = dt.timedelta(minutes=5)
"""After that long without a word a running job is shown as quiet."""


class JobState(StrEnum):
    """Where a long job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class LongJobRow(TenantOwned, Base):
    """One long job; its id is that of what it works on, where there is one, so that it is noted once."""

    __tablename__ = "long_jobs"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
        CheckConstraint("done >= 0 AND made >= 0 AND failed >= 0", name="counts"),
        Index("ix_long_jobs_started", "tenant_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    company_id: Mapped[UUID | None] = mapped_column(Uuid)
    about: Mapped[str] = mapped_column(Text)
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int | None] = mapped_column(BigInteger)
    made: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    started_by: Mapped[UUID | None] = mapped_column(Uuid)
    started_at: Mapped[Instant]
    moved_at: Mapped[Instant]
    ended_at: Mapped[OptionalInstant]


@dataclass(frozen=True, slots=True)
class LongJob:
    """One long job.

    Attributes:
        kind: what it does, a code that pages have words for.
        company_id: whose data it works on; None: of several companies, or the operator's own.
        about: a month or a price list; never a person.
        done: how many of `total` have been looked at; `total` None while it is not known.
        made: how many of them came to something.
        failed: how many did not.
        moved_at: when it last said something.
    """

    id: UUID
    kind: str
    state: JobState
    company_id: UUID | None
    about: str
    done: int
    total: int | None
    made: int
    failed: int
    started_by: UUID | None
    started_at: dt.datetime
    moved_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {JobState.DONE, JobState.FAILED}

    @property
    def is_quiet(self) -> bool:
        """Whether it runs and has not said anything for a while."""
        return not self.is_over and clock.now() - self.moved_at > QUIET

    @property
    def per_s(self) -> float | None:
        """How many a second it has done; None before a second has gone."""
        seconds = (self.moved_at - self.started_at).total_seconds()
        return self.done / seconds if self.done and seconds >= 1 else None

    @property
    def left_s(self) -> float | None:
        """How many seconds are left at that rate; None when nobody can say."""
        if self.is_over or self.total is None or not self.per_s:
            return None
        return max(0, self.total - self.done) / self.per_s


def note(
    session: Session,
    *,
    job_id: UUID,
    kind: str,
    state: JobState = JobState.RUNNING,
    done: int = 0,
    total: int | None = None,
    made: int = 0,
    failed: int = 0,
    company_id: UUID | None = None,
    about: str = "",
    started_by: UUID | None = None,
) -> None:
    """Write down how far a job is; the first time is its start. In the operator's own transaction.

    A job never goes back: one that runs a second time after a kill is shown where it had been, until it is
    further, and what is over stays over.
    """
    now = clock.now()
    row = insert(LongJobRow).values(
        tenant_id=OPERATOR,
        id=job_id,
        kind=kind,
        state=state.value,
        company_id=company_id,
        about=about,
        done=done,
        total=total,
        made=made,
        failed=failed,
        started_by=started_by,
        started_at=now,
        moved_at=now,
        ended_at=now if state in {JobState.DONE, JobState.FAILED} else None,
    )
    said = row.excluded
    session.execute(
        row.on_conflict_do_update(
            index_elements=["tenant_id", "id"],
            set_={
                "state": said.state,
                "done": func.greatest(LongJobRow.done, said.done),
                "total": func.coalesce(said.total, LongJobRow.total),
                "made": func.greatest(LongJobRow.made, said.made),
                "failed": func.greatest(LongJobRow.failed, said.failed),
                "moved_at": said.moved_at,
                "ended_at": said.ended_at,
            },
            where=LongJobRow.ended_at.is_(None),
        )
    )


def find(session: Session, *, job_id: UUID) -> LongJob | None:
    """Return one job, or None."""
    row = session.get(LongJobRow, (OPERATOR, job_id), populate_existing=True)
    return _job(row) if row else None


def latest(session: Session, *, limit: int = 20) -> Sequence[LongJob]:
    """Return the latest jobs, those that are not over first."""
    rows = session.scalars(
        select(LongJobRow)
        .where(LongJobRow.tenant_id == OPERATOR)
        .order_by(LongJobRow.ended_at.is_not(None), LongJobRow.started_at.desc(), LongJobRow.id)
        .limit(limit)
    )
    return [_job(row) for row in rows]


def latest_of(session: Session, *, kind: str, company_id: UUID | None = None) -> LongJob | None:
    """Return the latest job of a kind, of one company where it has one."""
    row = session.scalars(
        select(LongJobRow)
        .where(
            LongJobRow.tenant_id == OPERATOR,
            LongJobRow.kind == kind,
            LongJobRow.company_id.is_not_distinct_from(company_id),
        )
        .order_by(LongJobRow.started_at.desc(), LongJobRow.id.desc())
        .limit(1)
    ).one_or_none()
    return _job(row) if row else None


def forget(session: Session) -> None:
    """Remove what ended a month ago."""
    session.execute(
        delete(LongJobRow).where(LongJobRow.tenant_id == OPERATOR, LongJobRow.ended_at < clock.now() - KEPT)
    )


def _job(row: LongJobRow) -> LongJob:
    return LongJob(
        row.id,
        row.kind,
        JobState(row.state),
        row.company_id,
        row.about,
        row.done,
        row.total,
        row.made,
        row.failed,
        row.started_by,
        row.started_at,
        row.moved_at,
        row.ended_at,
    )
