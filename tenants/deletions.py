"""Deleting a company for good: asked for by one of our staff, confirmed by another, done after a wait.

The rows are the operator's and stay: who wanted it, what was said of the money, and the certificate. Until
its day a deletion can be called off. What deleting means: `wiring.deleting`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, TenantId, new_id
from security import evidence
from tenants import companies
from tenants.errors import DeletionNotFoundError, DeletionRefusedError, OwnDeletionError
from tenants.models import CompanyDeletionRow

WAIT = dt.timedelta(days=7)
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Deletion:
    """One deletion; `money` says how the invoices were settled, `certificate` is signed text."""

    deletion_id: UUID
    company_id: TenantId
    money: str
    asked_by: UUID
    asked_at: dt.datetime
    confirmed_by: UUID | None
    due_at: dt.datetime | None
    called_off_at: dt.datetime | None
    done_at: dt.datetime | None
    certificate: str | None

    @property
    def is_open(self) -> bool:
        """Whether it may still be confirmed or called off."""
        return self.called_off_at is None and self.done_at is None


def ask(session: Session, *, company_id: TenantId, money: str, by: UUID) -> UUID:
    """Close a suspended company and ask for its deletion; in the operator's context. Return its id.

    Raises:
        DeletionRefusedError: it is not suspended, is the operator, or nothing is said of its invoices.
        CompanyMissingError: there is no such company.
    """
    if company_id == OPERATOR or companies.read(session, tenant_id=company_id).status != "suspended":
        message = "only a suspended company can be deleted"
        raise DeletionRefusedError(message)
    if not 0 < len(money.strip()) <= LONGEST_REASON:
        message = "say how its invoices were settled or written off"
        raise DeletionRefusedError(message)
    companies.close(session, tenant_id=company_id)
    deletion_id = new_id()
    session.add(
        CompanyDeletionRow(
            tenant_id=OPERATOR,
            id=deletion_id,
            company_id=company_id,
            money=money.strip(),
            asked_by=by,
            asked_at=clock.now(),
        )
    )
    session.flush()
    evidence.record(session, "deletion.asked", "ten", company_id)
    return deletion_id


def confirm(session: Session, *, deletion_id: UUID, by: UUID) -> Deletion:
    """Confirm a deletion; from here on it takes `WAIT`. Confirmed already, it stays as it was.

    Raises:
        DeletionNotFoundError: no such deletion.
        OwnDeletionError: who asked for it confirms it.
        DeletionRefusedError: it was called off, or is done.
    """
    row = _row(session, deletion_id)
    if row.called_off_at is not None or row.done_at is not None:
        message = "it was called off, or is done"
        raise DeletionRefusedError(message)
    if row.confirmed_by is None:
        if row.asked_by == by:
            raise OwnDeletionError
        row.confirmed_by, row.due_at = by, clock.now() + WAIT
        session.flush()
        evidence.record(session, "deletion.confirmed", "ten", row.company_id)
    return _deletion(row)


def call_off(session: Session, *, deletion_id: UUID, by: UUID) -> Deletion:
    """Call a deletion off; the company is suspended as before.

    Raises:
        DeletionNotFoundError: no such deletion.
        DeletionRefusedError: it is done.
    """
    row = _row(session, deletion_id)
    if row.done_at is not None or row.begun_at is not None:
        message = "its keys are destroyed: nobody can take that back"
        raise DeletionRefusedError(message)
    if row.called_off_at is None:
        row.called_off_at, row.called_off_by = clock.now(), by
        companies.suspend(session, tenant_id=TenantId(row.company_id))
        session.flush()
        evidence.record(session, "deletion.called-off", "ten", row.company_id)
    return _deletion(row)


def due(session: Session) -> Sequence[Deletion]:
    """Return what was confirmed and waited for long enough."""
    rows = session.scalars(
        select(CompanyDeletionRow).where(
            CompanyDeletionRow.tenant_id == OPERATOR,
            CompanyDeletionRow.due_at <= clock.now(),
            CompanyDeletionRow.called_off_at.is_(None),
            CompanyDeletionRow.done_at.is_(None),
        )
    )
    return [_deletion(row) for row in rows]


def begin(session: Session, *, deletion_id: UUID) -> bool:
    """Mark that keys are being destroyed: from here on it cannot be called off. False when it was."""
    row = _row(session, deletion_id)
    if row.called_off_at is not None:
        return False
    row.begun_at = row.begun_at or clock.now()
    session.flush()
    return True


def finish(session: Session, *, deletion_id: UUID, certificate: str, at: dt.datetime) -> None:
    """Close a deletion with its certificate."""
    row = _row(session, deletion_id)
    if row.done_at is None:
        row.done_at, row.certificate = at, certificate
        session.flush()
        evidence.record(session, "deletion.done", "ten", row.company_id)


def find(session: Session, *, deletion_id: UUID) -> Deletion:
    """Return a deletion.

    Raises:
        DeletionNotFoundError: no such deletion.
    """
    return _deletion(_row(session, deletion_id))


def every(session: Session, *, limit: int = 100) -> Sequence[Deletion]:
    """Return deletions, newest first."""
    rows = session.scalars(
        select(CompanyDeletionRow)
        .where(CompanyDeletionRow.tenant_id == OPERATOR)
        .order_by(CompanyDeletionRow.id.desc())
        .limit(limit)
    )
    return [_deletion(row) for row in rows]


def _row(session: Session, deletion_id: UUID) -> CompanyDeletionRow:
    row = session.get(
        CompanyDeletionRow, (OPERATOR, deletion_id), with_for_update=True, populate_existing=True
    )
    if row is None:
        raise DeletionNotFoundError
    return row


def _deletion(row: CompanyDeletionRow) -> Deletion:
    return Deletion(
        row.id,
        TenantId(row.company_id),
        row.money,
        row.asked_by,
        row.asked_at,
        row.confirmed_by,
        row.due_at,
        row.called_off_at,
        row.done_at,
        row.certificate,
    )
