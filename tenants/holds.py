"""Legal holds: nothing of a company, a customer or a call is removed while one stands.

For a dispute or an order of a court (GDPR 17(3)(e)): what removes asks here first. A hold is set and
lifted with a reason, both stand in the evidence log, and its row stays.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, new_id
from security import evidence
from tenants.errors import HeldError, HoldNotFoundError, HoldReasonError
from tenants.models import LegalHoldRow

LONGEST_REASON = 200
RESTORED = "Set after the backup that was restored; whoever set it knows why"


class HoldKind(StrEnum):
    """What a hold covers."""

    COMPANY = "company"
    CUSTOMER = "customer"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold, standing or lifted; `subject_id` None: the whole company."""

    hold_id: UUID
    kind: HoldKind
    subject_id: UUID | None
    reason: str
    set_by: UUID
    set_at: dt.datetime
    lifted_by: UUID | None
    lifted_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """What may not be removed: everything, or these customers and calls."""

    is_all: bool
    customers: frozenset[UUID]
    calls: frozenset[UUID]

    def covers(self, call_id: UUID, customer_id: UUID | None) -> bool:
        """Return whether a call, and its recording, may not be removed."""
        return self.is_all or call_id in self.calls or customer_id in self.customers


def put(
    session: Session, *, tenant_id: TenantId, kind: HoldKind, subject_id: UUID | None, reason: str, by: UUID
) -> UUID:
    """Set a hold; return its id.

    Raises:
        HoldReasonError: no reason, or one over 200 signs.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise HoldReasonError
    hold_id = new_id()
    session.add(
        LegalHoldRow(
            tenant_id=tenant_id,
            id=hold_id,
            kind=kind.value,
            subject_id=subject_id,
            reason=reason.strip(),
            set_by=by,
            set_at=clock.now(),
        )
    )
    session.flush()
    evidence.record(session, "hold.set", "hold", hold_id, over=kind.value, of=str(subject_id or tenant_id))
    return hold_id


def lift(session: Session, *, tenant_id: TenantId, hold_id: UUID, by: UUID) -> None:
    """Lift a hold; one that is lifted stays as it was.

    Raises:
        HoldNotFoundError: no such hold.
    """
    row = session.get(LegalHoldRow, (tenant_id, hold_id))
    if row is None:
        raise HoldNotFoundError
    lifted = session.execute(
        update(LegalHoldRow)
        .where(
            LegalHoldRow.tenant_id == tenant_id,
            LegalHoldRow.id == hold_id,
            LegalHoldRow.lifted_at.is_(None),
        )
        .values(lifted_by=by, lifted_at=clock.now())
        .returning(LegalHoldRow.id)
    ).scalar()
    if lifted is not None:
        evidence.record(session, "hold.lifted", "hold", hold_id)


def every(session: Session, *, tenant_id: TenantId, limit: int = 200) -> Sequence[Hold]:
    """Return holds, those that stand first, newest first."""
    rows = session.scalars(
        select(LegalHoldRow)
        .where(LegalHoldRow.tenant_id == tenant_id)
        .order_by(LegalHoldRow.lifted_at.is_not(None), LegalHoldRow.set_at.desc(), LegalHoldRow.id)
        .limit(limit)
    )
    return [_hold(row) for row in rows]


def noted(session: Session, *, tenant_id: TenantId) -> list[dict[str, str | None]]:
    """Return all holds as they are noted beside the keys, without their reasons; `put_back` takes them."""
    rows = session.scalars(
        select(LegalHoldRow).where(LegalHoldRow.tenant_id == tenant_id).order_by(LegalHoldRow.id)
    )
    return [
        {
            "id": str(row.id),
            "kind": row.kind,
            "subject_id": str(row.subject_id) if row.subject_id else None,
            "set_by": str(row.set_by),
            "set_at": row.set_at.isoformat(),
            "lifted_by": str(row.lifted_by) if row.lifted_by else None,
            "lifted_at": row.lifted_at.isoformat() if row.lifted_at else None,
        }
        for row in rows
    ]


def put_back(session: Session, *, tenant_id: TenantId, holds: Sequence[Mapping[str, str | None]]) -> int:
    """Set in a restored database the holds it lacks, and lift those that were; return how many."""
    there = {
        row.id: row
        for row in session.scalars(select(LegalHoldRow).where(LegalHoldRow.tenant_id == tenant_id))
    }
    changed = 0
    for one in holds:
        hold_id, subject = UUID(one["id"]), one["subject_id"]
        lifted_by, lifted_at = one["lifted_by"], one["lifted_at"]
        row = there.get(hold_id)
        if row is None:
            row = LegalHoldRow(
                tenant_id=tenant_id,
                id=hold_id,
                kind=one["kind"],
                subject_id=UUID(subject) if subject else None,
                reason=RESTORED,
                set_by=UUID(one["set_by"]),
                set_at=dt.datetime.fromisoformat(one["set_at"] or ""),
            )
            session.add(row)
            session.flush()
            evidence.record(
                session, "hold.set", "hold", hold_id, over=one["kind"], of=subject or str(tenant_id)
            )
            changed += 1
        if lifted_by and lifted_at and row.lifted_at is None:
            row.lifted_by, row.lifted_at = UUID(lifted_by), dt.datetime.fromisoformat(lifted_at)
            session.flush()
            evidence.record(session, "hold.lifted", "hold", hold_id)
            changed += 1
    return changed


def standing(session: Session, *, tenant_id: TenantId, kind: HoldKind) -> set[UUID]:
    """Return which customers, or which calls, are held by themselves."""
    found = session.scalars(
        select(LegalHoldRow.subject_id).where(
            LegalHoldRow.tenant_id == tenant_id,
            LegalHoldRow.kind == kind.value,
            LegalHoldRow.lifted_at.is_(None),
        )
    )
    return {one for one in found if one is not None}


def held(session: Session, *, tenant_id: TenantId) -> Held:
    """Return everything that standing holds cover."""
    return Held(
        is_company_held(session, tenant_id=tenant_id),
        frozenset(standing(session, tenant_id=tenant_id, kind=HoldKind.CUSTOMER)),
        frozenset(standing(session, tenant_id=tenant_id, kind=HoldKind.CALL)),
    )


def is_company_held(session: Session, *, tenant_id: TenantId) -> bool:
    """Return whether nothing of the company may be removed."""
    found = session.scalars(
        select(LegalHoldRow.id)
        .where(
            LegalHoldRow.tenant_id == tenant_id,
            LegalHoldRow.kind == HoldKind.COMPANY.value,
            LegalHoldRow.lifted_at.is_(None),
        )
        .limit(1)
    ).first()
    return found is not None


def insist_free(
    session: Session, *, tenant_id: TenantId, customer_id: UUID | None = None, calls: Collection[UUID] = ()
) -> None:
    """Refuse when a hold covers what is to be removed.

    Raises:
        HeldError: it does.
    """
    if (
        is_company_held(session, tenant_id=tenant_id)
        or customer_id in standing(session, tenant_id=tenant_id, kind=HoldKind.CUSTOMER)
        or standing(session, tenant_id=tenant_id, kind=HoldKind.CALL).intersection(calls)
    ):
        raise HeldError


def insist_none(session: Session, *, tenant_id: TenantId) -> None:
    """Refuse when any hold stands, whatever it covers.

    Raises:
        HeldError: one does.
    """
    if any(one.lifted_at is None for one in every(session, tenant_id=tenant_id, limit=1)):
        raise HeldError


def _hold(row: LegalHoldRow) -> Hold:
    return Hold(
        row.id,
        HoldKind(row.kind),
        row.subject_id,
        row.reason,
        row.set_by,
        row.set_at,
        row.lifted_by,
        row.lifted_at,
    )
