"""Refusals in tables: how often each wall said no to a company in an hour; and the alarm.

A company's own stand within its walls, the operator's copy of all companies' within the operator's. What is
kept is what `security.refusals` has counted so far, so keeping it twice changes nothing. In an hour each kind
rings once, and until somebody takes note it is one alarm that counts up.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from security.refusals import KINDS, NOBODY, Count, bound
from tenants import alarms
from tenants.models import RefusalRow

ALARM = "refused-often"
KEPT = dt.timedelta(days=30)


def keep(session: Session, *, tenant_id: TenantId, counts: Iterable[Count]) -> None:
    """Keep what has been counted so far, and raise the alarm of what has passed its bound.

    Rings for the tenant's own alone, and in the operator's walls for strangers: a company's alarm reaches the
    operator from the company's.
    """
    for one in counts:
        put = insert(RefusalRow).values(
            tenant_id=tenant_id, hour=one.hour, kind=one.kind, company_id=one.company_id, times=one.times
        )
        times = session.execute(
            put.on_conflict_do_update(
                index_elements=["tenant_id", "hour", "kind", "company_id"],
                # a Redis that was started anew counts from one
                set_={"times": func.greatest(RefusalRow.times, put.excluded.times)},
            ).returning(RefusalRow.times)
        ).scalar_one()
        if one.company_id in {tenant_id, NOBODY}:
            _ring(session, tenant_id, one, times)


def page(session: Session, *, tenant_id: TenantId, since: dt.datetime) -> Sequence[Count]:
    """Return what was refused in the hours from `since` on, latest first."""
    rows = session.scalars(
        select(RefusalRow)
        .where(RefusalRow.tenant_id == tenant_id, RefusalRow.hour >= since)
        .order_by(RefusalRow.hour.desc(), RefusalRow.kind, RefusalRow.company_id)
    )
    # a kind that is declared no more has no words
    return [Count(row.hour, row.kind, row.company_id, row.times) for row in rows if row.kind in KINDS]


def sweep(session: Session, *, tenant_id: TenantId) -> None:
    """Remove what is a month old."""
    session.execute(
        delete(RefusalRow).where(RefusalRow.tenant_id == tenant_id, RefusalRow.hour < clock.now() - KEPT)
    )


def _ring(session: Session, tenant_id: TenantId, one: Count, times: int) -> None:
    most = bound(one.kind, one.company_id)
    if KINDS[one.kind].rings or most is None or times < most:
        return
    is_first = session.execute(
        update(RefusalRow)
        .where(
            RefusalRow.tenant_id == tenant_id,
            RefusalRow.hour == one.hour,
            RefusalRow.kind == one.kind,
            RefusalRow.company_id == one.company_id,
            RefusalRow.told_at.is_(None),
        )
        .values(told_at=clock.now())
        .returning(RefusalRow.kind)
    ).scalar()
    if is_first:
        subject = one.kind if one.company_id == tenant_id else f"{one.kind} strangers"
        alarms.raise_alarm(
            session,
            ALARM,
            tenant_id=tenant_id,
            subject=subject,
            refusal=one.kind,
            refusals=times,
            bound=most,
            hour=one.hour.isoformat(),
        )
