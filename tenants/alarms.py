"""Alarms: what a company, and the operator, have to be told at once, and who has taken note of it.

An alarm stands in the company's own rows; the event tells its webhooks and gives the operator a copy (a
transaction has one tenant). It names ids, codes and amounts, never personal data. The same thing again,
before somebody has acknowledged it, is counted and not told anew: an alarm that rings without end is
switched off by people. Every raise stands in the evidence log.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import OPERATOR, AlarmId, TenantId, new_id, public
from security import evidence
from tenants.errors import AlarmNotFoundError
from tenants.events import AlarmRaised
from tenants.models import AlarmRow

Detail = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that happened to a company.

    Attributes:
        kind: a code with words in `web.words.ALARMS`, such as `decoy-opened`.
        subject: the public id of what it is about, or empty.
        times: how often it was raised until somebody acknowledged it; `last_at` is the last time.
        acknowledged_by: whoever took note, in the log this copy stands in; None: nobody yet.
    """

    id: AlarmId
    company_id: TenantId
    kind: str
    subject: str
    raised_at: dt.datetime
    last_at: dt.datetime
    times: int
    acknowledged_at: dt.datetime | None
    acknowledged_by: UUID | None
    details: Mapping[str, Detail] = field(default_factory=dict)


def raise_alarm(
    session: Session, kind: str, *, tenant_id: TenantId, subject: str = "", **details: Detail
) -> AlarmId:
    """Raise an alarm in the transaction in which its cause happened.

    Args:
        session: in the company's context.
        kind: a code with words in `web.words.ALARMS`.
        tenant_id: the company it happened to; the operator itself is one.
        subject: the public id of what it is about; with the kind it says what "the same again" is.
        details: ids, codes and amounts; never personal data.

    Returns:
        The alarm's id; of the one that stands already when nobody has acknowledged it.
    """
    now = clock.now()
    put = insert(AlarmRow).values(
        tenant_id=tenant_id,
        id=new_id(),
        company_id=tenant_id,
        kind=kind,
        subject=subject,
        details=details,
        raised_at=now,
        last_at=now,
        times=1,
    )
    alarm_id, times = session.execute(
        put.on_conflict_do_update(
            index_elements=["tenant_id", "company_id", "kind", "subject"],
            index_where=text("acknowledged_at IS NULL"),
            set_={"times": AlarmRow.times + 1, "last_at": now, "details": put.excluded.details},
        ).returning(AlarmRow.id, AlarmRow.times)
    ).one()
    evidence.record(session, "alarm.raised", "alm", alarm_id, "", what=kind, about=subject, **details)
    if times == 1:
        announce(session, AlarmRaised(tenant_id=tenant_id, alarm_id=AlarmId(alarm_id)))
    return AlarmId(alarm_id)


def rang(session: Session, kind: str, *, tenant_id: TenantId, subject: str, since: dt.datetime) -> bool:
    """Return whether this alarm was raised since then and nobody has acknowledged it."""
    query = select(AlarmRow.id).where(
        AlarmRow.tenant_id == tenant_id,
        AlarmRow.company_id == tenant_id,
        AlarmRow.kind == kind,
        AlarmRow.subject == subject,
        AlarmRow.acknowledged_at.is_(None),
        AlarmRow.last_at >= since,
    )
    return session.scalar(query) is not None


def read(session: Session, *, tenant_id: TenantId, alarm_id: AlarmId) -> Alarm:
    """Return one alarm.

    Raises:
        AlarmNotFoundError: not this company's, or none.
    """
    return _alarm(_row(session, tenant_id, alarm_id))


def page(
    session: Session, *, tenant_id: TenantId, limit: int, after: AlarmId | None = None, is_open: bool = False
) -> list[Alarm]:
    """Return alarms, newest first; `is_open`: only those nobody has acknowledged."""
    query = select(AlarmRow).where(AlarmRow.tenant_id == tenant_id)
    if is_open:
        query = query.where(AlarmRow.acknowledged_at.is_(None))
    if after is not None:
        query = query.where(AlarmRow.id < after)
    return [_alarm(row) for row in session.scalars(query.order_by(AlarmRow.id.desc()).limit(limit))]


def last_raised(session: Session, *, tenant_id: TenantId, kind: str) -> dt.datetime | None:
    """Return when an alarm of a kind was raised last, acknowledged or not; None: never."""
    return session.scalars(
        select(func.max(AlarmRow.last_at)).where(AlarmRow.tenant_id == tenant_id, AlarmRow.kind == kind)
    ).one()


def acknowledge(session: Session, *, tenant_id: TenantId, alarm_id: AlarmId, by: UUID) -> Alarm:
    """Take note of an alarm; who did it first stays. The operator's copy has its own.

    Raises:
        AlarmNotFoundError: not this company's, or none.
    """
    taken = session.execute(
        update(AlarmRow)
        .where(AlarmRow.tenant_id == tenant_id, AlarmRow.id == alarm_id, AlarmRow.acknowledged_at.is_(None))
        .values(acknowledged_at=clock.now(), acknowledged_by=by)
        .returning(AlarmRow.id)
    ).scalar()
    if taken is not None:
        evidence.record(session, "alarm.acknowledged", "alm", alarm_id)
    row = _row(session, tenant_id, alarm_id)
    session.refresh(row)
    return _alarm(row)


def copy_to_operator(session: Session, alarm: Alarm) -> None:
    """Give the operator its copy of a company's alarm; twice changes nothing. Operator's transaction."""
    session.execute(
        insert(AlarmRow)
        .values(
            tenant_id=OPERATOR,
            id=alarm.id,
            company_id=alarm.company_id,
            kind=alarm.kind,
            subject=alarm.subject,
            details=dict(alarm.details),
            raised_at=alarm.raised_at,
            last_at=alarm.last_at,
            times=alarm.times,
        )
        .on_conflict_do_nothing()
    )
    evidence.record(
        session,
        "alarm.heard",
        "alm",
        alarm.id,
        what=alarm.kind,
        company=public("ten", alarm.company_id),
    )


def _row(session: Session, tenant_id: TenantId, alarm_id: AlarmId) -> AlarmRow:
    row = session.get(AlarmRow, (tenant_id, alarm_id))
    if row is None:
        raise AlarmNotFoundError
    return row


def _alarm(row: AlarmRow) -> Alarm:
    return Alarm(
        id=AlarmId(row.id),
        company_id=TenantId(row.company_id),
        kind=row.kind,
        subject=row.subject,
        raised_at=row.raised_at,
        last_at=row.last_at,
        times=row.times,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        details=dict(row.details),
    )
