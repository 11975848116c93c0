"""Charges by what they are for: a list of calls shows what each has cost, a line shows its calls.

Billing does not know calls; it knows the `subject_ref` its usage came with.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Subquery, and_, func, or_, select, text
from sqlalchemy.orm import Session

from billing.errors import InvoiceNotFoundError
from billing.models import InvoiceLineRow, RatedChargeRow, UsageEventRow
from billing.rating.rules import Outcome
from core.ids import TenantId


@dataclass(frozen=True, slots=True)
class Charged:
    """What one subject has cost so far, exactly; `waiting` counts usage without a price."""

    amount_nano: int
    currency: str
    waiting: int


@dataclass(frozen=True, slots=True)
class Behind:
    """One subject behind an invoice line, and when its usage began: where the next page goes on."""

    subject_ref: UUID
    occurred_at: dt.datetime


def of_subjects(
    session: Session, *, tenant_id: TenantId, subject_refs: Collection[UUID]
) -> dict[UUID, Charged]:
    """Return what some subjects have cost, in one statement; those that used nothing are left out."""
    if not subject_refs:
        return {}
    is_rated = RatedChargeRow.outcome == Outcome.RATED.value
    rows = session.execute(
        select(
            UsageEventRow.subject_ref,
            func.coalesce(func.sum(RatedChargeRow.amount_nano).filter(is_rated), 0),
            func.coalesce(func.max(RatedChargeRow.currency), ""),
            func.count().filter(RatedChargeRow.outcome == Outcome.UNRATED.value),
        )
        .join(
            RatedChargeRow,
            and_(
                RatedChargeRow.tenant_id == UsageEventRow.tenant_id,
                RatedChargeRow.usage_id == UsageEventRow.id,
                RatedChargeRow.superseded_by.is_(None),
            ),
        )
        .where(UsageEventRow.tenant_id == tenant_id, UsageEventRow.subject_ref.in_(list(subject_refs)))
        .group_by(UsageEventRow.subject_ref)
    )
    return {
        subject: Charged(int(amount or 0), currency or "", waiting)
        for subject, amount, currency, waiting in rows
    }


_BEHIND = """
    SELECT u.subject_ref, max(u.occurred_at) AS occurred_at
    FROM app.invoice_line_charges m
    JOIN app.rated_charges c ON c.tenant_id = m.tenant_id AND c.id = m.rated_charge_id
    JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id
    WHERE m.tenant_id = :tenant AND m.invoice_id = :invoice AND m.line_no = :line
    GROUP BY u.subject_ref
"""


def behind_line(
    session: Session,
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    line_no: int,
    after: Behind | None = None,
    limit: int = 50,
) -> tuple[Behind, ...]:
    """Return what stands behind an invoice line, newest first, at most `limit`, going on after one.

    Raises:
        InvoiceNotFoundError: no such invoice or line.
    """
    if session.get(InvoiceLineRow, (tenant_id, invoice_id, line_no)) is None:
        raise InvoiceNotFoundError
    behind = _behind()
    query = select(behind.c.subject_ref, behind.c.occurred_at)
    if after is not None:
        query = query.where(
            or_(
                behind.c.occurred_at < after.occurred_at,
                and_(behind.c.occurred_at == after.occurred_at, behind.c.subject_ref < after.subject_ref),
            )
        )
    rows = session.execute(
        query.order_by(behind.c.occurred_at.desc(), behind.c.subject_ref.desc()).limit(limit),
        {"tenant": tenant_id, "invoice": invoice_id, "line": line_no},
    )
    return tuple(Behind(row.subject_ref, row.occurred_at) for row in rows)


def place_of(
    session: Session, *, tenant_id: TenantId, invoice_id: UUID, line_no: int, subject_ref: UUID
) -> Behind | None:
    """Return where a subject stands behind an invoice line, or None: it does not."""
    behind = _behind()
    row = session.execute(
        select(behind.c.subject_ref, behind.c.occurred_at).where(behind.c.subject_ref == subject_ref),
        {"tenant": tenant_id, "invoice": invoice_id, "line": line_no},
    ).first()
    return Behind(row.subject_ref, row.occurred_at) if row else None


def _behind() -> Subquery:
    return text(_BEHIND).columns(UsageEventRow.subject_ref, UsageEventRow.occurred_at).subquery()
