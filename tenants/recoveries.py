"""A lost second step that nobody in a company may take: an owner's, or one of the operator's staff's.

One of the staff asks, another confirms, both with a second step; the person is told by mail and their
company by an alarm; a day later codes and passkeys are taken. Whoever has used theirs meanwhile has not lost
them, and nothing is taken. The password stays the person's own, so that nobody comes in by this alone. The
rows are the operator's and stay. ASVS 5.0, 6.4.4 and 6.4.6.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, SessionId, TenantId, UserId, new_id, public
from security import evidence
from security.vault import Vault
from tenants import access_log, alarms, letters, passkeys, second_step, sessions, staff, users
from tenants.access_log import Deed
from tenants.errors import RecoveryMissingError, RecoveryRefusedError
from tenants.models import StepRecoveryRow
from tenants.roles import OWNER, Door, door_of

WAIT = dt.timedelta(hours=24)  # from the second one's word on
ALARM = "step-recovery"
LONGEST_TICKET = 40


class Outcome(StrEnum):
    """What became of a request."""

    CALLED_OFF = "called-off"
    NOT_LOST = "not-lost"  # the person has used theirs since
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Recovery:
    """One request; `due_at` is None while nobody has confirmed it, `outcome` while it is open."""

    id: UUID
    company_id: TenantId
    user_id: UserId
    ticket: str
    asked_by: UserId
    asked_at: dt.datetime
    confirmed_by: UserId | None
    due_at: dt.datetime | None
    outcome: Outcome | None
    ended_at: dt.datetime | None


def insist_entitled(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Refuse where somebody of the company can help; in the person's company.

    Raises:
        RecoveryRefusedError: the person is neither an owner nor of the operator's staff, or has lost nothing.
    """
    roles = users.roles_of(session, tenant_id=tenant_id, user_id=user_id)
    is_ours = tenant_id == OPERATOR and door_of(roles) is Door.OPERATOR
    if not (is_ours or OWNER in roles):
        raise RecoveryRefusedError
    if not staff.has_second_step(session, tenant_id=tenant_id, user_id=user_id):
        raise RecoveryRefusedError


def ask(session: Session, *, company_id: TenantId, user_id: UserId, ticket: str, by: UserId) -> UUID:
    """Ask for a second step to be taken; in the operator's context, after `insist_entitled`.

    Args:
        session: in the operator's context.
        company_id: the person's company, or the operator.
        user_id: the person.
        ticket: where it stands how they were recognised; a reference, no words about anybody.
        by: the asking one.

    Raises:
        RecoveryRefusedError: one's own, without a second step, no ticket, or asked for already.
    """
    _insist(session, by=by, user_id=user_id)
    is_reference = ticket.isascii() and ticket.replace("-", "").isalnum() and len(ticket) <= LONGEST_TICKET
    if not is_reference or _is_asked(session, company_id, user_id):
        raise RecoveryRefusedError
    recovery_id = new_id()
    session.add(
        StepRecoveryRow(
            tenant_id=OPERATOR,
            id=recovery_id,
            company_id=company_id,
            user_id=user_id,
            ticket=ticket,
            asked_by=by,
            asked_at=clock.now(),
        )
    )
    session.flush()
    evidence.record(session, "recovery.asked", "usr", user_id, ticket=ticket)
    return recovery_id


def confirm(session: Session, *, recovery_id: UUID, by: UserId) -> Recovery:
    """Confirm what a colleague has asked for; from here on it takes `WAIT`.

    Raises:
        RecoveryMissingError: no such request.
        RecoveryRefusedError: one's own, about oneself, without a second step, confirmed or ended already.
    """
    row = _row(session, recovery_id)
    _insist(session, by=by, user_id=UserId(row.user_id))
    if row.asked_by == by or row.confirmed_by is not None or row.ended_at is not None:
        raise RecoveryRefusedError
    row.confirmed_by, row.due_at = by, clock.now() + WAIT
    session.flush()
    evidence.record(session, "recovery.confirmed", "usr", row.user_id, ticket=row.ticket)
    return _recovery(row)


def tell(session: Session, *, vault: Vault, recovery: Recovery) -> None:
    """Tell the person by mail and their company by an alarm, in the company's context."""
    due_at = recovery.due_at or clock.now()
    evidence.record(session, "recovery.confirmed", "usr", recovery.user_id, ticket=recovery.ticket)
    alarms.raise_alarm(
        session,
        ALARM,
        tenant_id=recovery.company_id,
        subject=public("usr", recovery.user_id),
        ticket=recovery.ticket,
        due_at=due_at.isoformat(timespec="minutes"),
    )
    letters.tell(
        session,
        letters.Kind.STEP_RECOVERY,
        tenant_id=recovery.company_id,
        vault=vault,
        user_id=recovery.user_id,
        when=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def call_off(session: Session, *, recovery_id: UUID) -> Recovery:
    """Let everything stay as it is.

    Raises:
        RecoveryMissingError: no such request.
        RecoveryRefusedError: it has ended already.
    """
    row = _row(session, recovery_id)
    if row.ended_at is not None:
        raise RecoveryRefusedError
    return _end(session, row, Outcome.CALLED_OFF)


def due(session: Session) -> Sequence[Recovery]:
    """Return what was confirmed and waited for long enough."""
    rows = session.scalars(
        select(StepRecoveryRow).where(
            StepRecoveryRow.tenant_id == OPERATOR,
            StepRecoveryRow.due_at <= clock.now(),
            StepRecoveryRow.ended_at.is_(None),
        )
    )
    return [_recovery(row) for row in rows]


def carry_out(session: Session, *, vault: Vault, recovery: Recovery) -> list[SessionId] | None:
    """Take the second step, in the company's context; return the sessions that ended.

    Returns:
        None when nothing is taken: the person has used it since it was asked for, or is not there any more.
    """
    tenant_id, user_id = recovery.company_id, recovery.user_id
    if second_step.is_used_since(
        session, tenant_id=tenant_id, user_id=user_id, since=recovery.asked_at
    ) or passkeys.is_used_since(session, tenant_id=tenant_id, user_id=user_id, since=recovery.asked_at):
        evidence.record(session, "recovery.not-lost", "usr", user_id, ticket=recovery.ticket)
        return None
    second_step.remove(session, tenant_id=tenant_id, user_id=user_id)
    passkeys.remove_all(session, tenant_id=tenant_id, user_id=user_id)
    by = recovery.confirmed_by or recovery.asked_by
    access_log.write(session, by=by, deed=Deed.STEP_TAKEN, user_id=user_id)
    letters.tell(session, letters.Kind.STEP_RECOVERED, tenant_id=tenant_id, vault=vault, user_id=user_id)
    return sessions.end_all(session, tenant_id=tenant_id, user_id=user_id)


def hold(session: Session, *, recovery_id: UUID) -> bool:
    """Return whether it is still open, and keep it so until the end of the transaction."""
    return _row(session, recovery_id).ended_at is None


def finish(session: Session, *, recovery_id: UUID, outcome: Outcome) -> None:
    """Note in the operator's rows what became of it; after `hold`."""
    _end(session, _row(session, recovery_id), outcome)


def every(session: Session, *, limit: int = 100) -> Sequence[Recovery]:
    """Return requests, newest first."""
    rows = session.scalars(
        select(StepRecoveryRow)
        .where(StepRecoveryRow.tenant_id == OPERATOR)
        .order_by(StepRecoveryRow.id.desc())
        .limit(limit)
    )
    return [_recovery(row) for row in rows]


def _insist(session: Session, *, by: UserId, user_id: UserId) -> None:
    if by == user_id or not staff.has_second_step(session, tenant_id=OPERATOR, user_id=by):
        raise RecoveryRefusedError


def _is_asked(session: Session, company_id: TenantId, user_id: UserId) -> bool:
    found = session.scalars(
        select(StepRecoveryRow.id).where(
            StepRecoveryRow.tenant_id == OPERATOR,
            StepRecoveryRow.company_id == company_id,
            StepRecoveryRow.user_id == user_id,
            StepRecoveryRow.ended_at.is_(None),
        )
    )
    return found.first() is not None


def _end(session: Session, row: StepRecoveryRow, outcome: Outcome) -> Recovery:
    row.outcome, row.ended_at = outcome.value, clock.now()
    session.flush()
    evidence.record(session, f"recovery.{outcome}", "usr", row.user_id, ticket=row.ticket)
    return _recovery(row)


def _row(session: Session, recovery_id: UUID) -> StepRecoveryRow:
    row = session.get(StepRecoveryRow, (OPERATOR, recovery_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise RecoveryMissingError
    return row


def _recovery(row: StepRecoveryRow) -> Recovery:
    return Recovery(
        row.id,
        TenantId(row.company_id),
        UserId(row.user_id),
        row.ticket,
        UserId(row.asked_by),
        row.asked_at,
        UserId(row.confirmed_by) if row.confirmed_by else None,
        row.due_at,
        Outcome(row.outcome) if row.outcome else None,
        row.ended_at,
    )
