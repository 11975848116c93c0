"""How often an agent may look behind a mask: so many fields an hour, and more by a supervisor's word.

Counted in the database, in the transaction that looks, by the looks themselves: nothing that is lost with a
cache gives a budget back. Two looks at once stand in line.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, new_id, public
from customers.errors import LookBudgetError, LooksUsedUpError
from customers.models import LookBudgetRow, LookGrantRow, RevealRow
from security import evidence

USUAL_PER_HOUR = 20
MOST_PER_HOUR = 1000
MOST_EXTRA = 100
HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one person looked at in the last hour, and what they may look at altogether."""

    principal_id: UUID
    used: int
    allowed: int

    @property
    def is_used_up(self) -> bool:
        """Whether the next look is refused."""
        return self.used >= self.allowed


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a company lets its agents see and hear.

    Attributes:
        per_hour: how many fields an agent may open in an hour, 0 to 1000.
        hears_messages: they hear what callers have left for their queues, each time saying what for.
        hides_numbers: they see calling code and dots in place of a number, and may open none.
    """

    per_hour: int = USUAL_PER_HOUR
    hears_messages: bool = False
    hides_numbers: bool = False


def allowed(session: Session, *, tenant_id: TenantId) -> Allowed:
    """Return what the company lets its agents see and hear."""
    row = session.execute(
        select(LookBudgetRow.per_hour, LookBudgetRow.hears_messages, LookBudgetRow.hides_numbers).where(
            LookBudgetRow.tenant_id == tenant_id
        )
    ).one_or_none()
    return Allowed(*row) if row else Allowed()


def per_hour(session: Session, *, tenant_id: TenantId) -> int:
    """Return how many looks an hour the company allows an agent."""
    return allowed(session, tenant_id=tenant_id).per_hour


def allow(session: Session, *, tenant_id: TenantId, wanted: Allowed) -> None:
    """Say what the company lets its agents see and hear; 0 looks lets nobody look.

    Raises:
        LookBudgetError: not 0 to 1000 looks.
    """
    if not 0 <= wanted.per_hour <= MOST_PER_HOUR:
        raise LookBudgetError(field="per_hour")
    values = {
        "per_hour": wanted.per_hour,
        "hears_messages": wanted.hears_messages,
        "hides_numbers": wanted.hides_numbers,
        "changed_at": clock.now(),
    }
    session.execute(
        insert(LookBudgetRow)
        .values(tenant_id=tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
    evidence.record(
        session,
        "customer.budget-set",
        per_hour=wanted.per_hour,
        hears_messages=wanted.hears_messages,
        hides_numbers=wanted.hides_numbers,
    )


def grant(session: Session, *, tenant_id: TenantId, principal_id: UUID, extra: int, by: UUID) -> None:
    """Allow one person more looks, for an hour from now on.

    Raises:
        LookBudgetError: not 1 to 100.
    """
    if not 1 <= extra <= MOST_EXTRA:
        raise LookBudgetError(field="extra")
    now = clock.now()
    session.add(
        LookGrantRow(
            tenant_id=tenant_id,
            id=new_id(),
            principal_id=principal_id,
            extra=extra,
            granted_by=by,
            at=now,
            until=now + HOUR,
        )
    )
    session.flush()
    evidence.record(session, "customer.looks-granted", extra=extra, agent=public("usr", principal_id))


def spend(session: Session, *, tenant_id: TenantId, principal_id: UUID) -> None:
    """Let a person look once more, or not. Whoever looks at the same time waits for this transaction.

    Raises:
        LooksUsedUpError: the hour's looks are used; a supervisor may grant more.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:who, 0))"),
        {"who": f"looks {tenant_id} {principal_id}"},
    )
    if spent(session, tenant_id=tenant_id, principal_id=principal_id).is_used_up:
        raise LooksUsedUpError


def spent(session: Session, *, tenant_id: TenantId, principal_id: UUID) -> Spent:
    """Return what a person has looked at in the last hour and may look at."""
    now = clock.now()
    used = session.scalar(
        select(func.count())
        .select_from(RevealRow)
        .where(
            RevealRow.tenant_id == tenant_id,
            RevealRow.principal_id == principal_id,
            RevealRow.at > now - HOUR,
        )
    )
    extra = session.scalar(
        select(func.coalesce(func.sum(LookGrantRow.extra), 0)).where(
            LookGrantRow.tenant_id == tenant_id,
            LookGrantRow.principal_id == principal_id,
            LookGrantRow.until > now,
        )
    )
    return Spent(principal_id, used or 0, per_hour(session, tenant_id=tenant_id) + int(extra or 0))
