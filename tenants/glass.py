"""Break-glass: one of the operator's people looks into a company, let in by a second, for an hour at most.

Every rule that counts stands in the database (`sec.ask_glass` to `sec.review_glass`): somebody else approves,
once, within the hour; the context of the look is read-only, and is entered only when the company's evidence
log has said so within the last half minute. The company is told at once, by an alarm. Reasons are codes and
tickets references, because they are shown to the company and stand in logs for ever.
"""

import datetime as dt
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, TenantId, UserId, new_id, public
from security import evidence
from tenants import alarms, staff
from tenants.errors import GlassAskedWronglyError, GlassRefusedError

REASONS = ("incident", "support", "dispute", "law")
MOST_MINUTES = 60
ALARM = "glass-broken"
REVIEW_WITHIN = dt.timedelta(days=2)
_TICKET = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Glass:
    """One request and what became of it; `until` is None while nobody has approved it."""

    id: UUID
    tenant_id: TenantId
    requester: UserId
    reason: str
    ticket: str
    minutes: int
    asked_at: dt.datetime
    approver: UserId | None
    until: dt.datetime | None
    reviewed_at: dt.datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it can be looked through now."""
        return self.until is not None and clock.now() < self.until

    @property
    def wants_review(self) -> bool:
        """Whether it is over and nobody has reviewed it."""
        return self.until is not None and not self.is_open and self.reviewed_at is None


def ask(session: Session, *, tenant_id: TenantId, by: UserId, reason: str, ticket: str, minutes: int) -> UUID:
    """Ask to look into a company. The asker's own session in the operator's context.

    Raises:
        GlassAskedWronglyError: no such reason, no ticket, not 1 to 60 minutes, or no such company.
        GlassRefusedError: the asker has no second step.
    """
    if reason not in REASONS or not _TICKET.fullmatch(ticket) or not 1 <= minutes <= MOST_MINUTES:
        raise GlassAskedWronglyError
    _insist_on_second_step(session, by)
    glass_id = new_id()
    try:
        with session.begin_nested():
            session.execute(
                text("SELECT sec.ask_glass(:id, :tenant, :reason, :ticket, :minutes)"),
                {"id": glass_id, "tenant": tenant_id, "reason": reason, "ticket": ticket, "minutes": minutes},
            )
    except (DataError, IntegrityError) as error:
        raise GlassAskedWronglyError from error
    evidence.record(
        session, "glass.asked", "ten", tenant_id, reason, glass=str(glass_id), ticket=ticket, minutes=minutes
    )
    return glass_id


def approve(session: Session, *, glass: Glass, by: UserId) -> dt.datetime:
    """Let a colleague look; return until when. The approver's own session in the operator's context.

    Raises:
        GlassRefusedError: one's own request, approved or over already, or the approver has no second step.
    """
    _insist_on_second_step(session, by)
    until = _may(session, "SELECT sec.approve_glass(:id)", glass.id)
    evidence.record(session, "glass.approved", "ten", glass.tenant_id, glass.reason, glass=str(glass.id))
    return until


def tell(session: Session, *, glass: Glass, approver: UserId, until: dt.datetime) -> None:
    """Tell the company, in its own context: its log, its front page, its webhooks."""
    details = {
        "reason": glass.reason,
        "ticket": glass.ticket,
        "until": until.isoformat(timespec="minutes"),
        "by": public("usr", glass.requester),
        "approved_by": public("usr", approver),
    }
    evidence.record(session, "glass.granted", "ten", glass.tenant_id, glass.reason, ticket=glass.ticket)
    alarms.raise_alarm(session, ALARM, tenant_id=glass.tenant_id, subject=f"glass {glass.id}", **details)


def note(session: Session, *, glass: Glass, what: str) -> None:
    """Write a look into the company's log before it is taken; without this no look is possible.

    Raises:
        GlassRefusedError: the time is over, or it is somebody else's.
    """
    _may(session, "SELECT sec.note_glass(:id)", glass.id)
    evidence.record(session, "glass.looked", purpose=glass.reason, ticket=glass.ticket, what=what)


def end(session: Session, *, glass: Glass) -> None:
    """End a look before its time; any of the operator's people, in the operator's context.

    Raises:
        GlassRefusedError: it is not open.
    """
    _may(session, "SELECT sec.end_glass(:id)", glass.id)
    evidence.record(session, "glass.ended", "ten", glass.tenant_id, glass=str(glass.id), ticket=glass.ticket)


def review(session: Session, *, glass: Glass) -> None:
    """Review a look that is over; not by who took it.

    Raises:
        GlassRefusedError: not over, reviewed already, or one's own.
    """
    _may(session, "SELECT sec.review_glass(:id)", glass.id)
    evidence.record(session, "glass.reviewed", "ten", glass.tenant_id, glass=str(glass.id))


def every(session: Session) -> list[Glass]:
    """Return the last two hundred, newest first; in the operator's context."""
    return [
        Glass(
            id=row.id,
            tenant_id=TenantId(row.tenant_id),
            requester=UserId(row.requester),
            reason=row.reason,
            ticket=row.ticket,
            minutes=row.minutes,
            asked_at=row.asked_at,
            approver=UserId(row.approver) if row.approver else None,
            until=row.until,
            reviewed_at=row.reviewed_at,
        )
        for row in session.execute(text("SELECT * FROM sec.glasses()"))
    ]


def _insist_on_second_step(session: Session, user_id: UserId) -> None:
    if not staff.has_second_step(session, tenant_id=OPERATOR, user_id=user_id):
        raise GlassRefusedError


def _may(session: Session, statement: str, glass_id: UUID) -> dt.datetime:
    try:
        with session.begin_nested():
            found: dt.datetime = session.execute(text(statement), {"id": glass_id}).scalar_one()
    except ProgrammingError as error:
        raise GlassRefusedError from error
    return found
