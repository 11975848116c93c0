"""For how long a company keeps what: rules within bounds, and the nights that carried them out.

A rule counts in whole days of the company's zone: with 30, a night keeps that day and the 30 before, and
removes what began before the first of them, `[.., midnight)`. What has no rule is kept. A rule that is new
or changed waits for a day, so that a slip of the finger removes nothing before somebody has seen what it
would. Invoices, payments, usage, call detail records, the do-not-call list, consents and the evidence log
have no kind here: they stay, whatever anybody sets. What is removed, and how: `wiring.retaining`.

Bounds: records of calls to sell in the United States are kept for five years (16 CFR 310.5, 2024); call
centres in China keep recordings for thirty days at least (MIIT). For all others a week, so that a complaint
finds something.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from security import evidence
from tenants.errors import RetentionBoundsError
from tenants.models import RetentionRuleRow, RetentionRunRow

WAITS = dt.timedelta(days=1)
"""How long a rule waits after it was set."""
LONGEST = 3650
_HOUR = 2  # of the company's night
_LEAST = 7
_FIVE_YEARS = 1826


class KeptKind(StrEnum):
    """What is removed by age."""

    RECORDINGS = "recordings"
    NOTES = "notes"
    CONTACTS = "contacts"
    CALLERS = "callers"
    LEADS = "leads"
    WEBHOOKS = "webhooks"


_BY_LAW: Mapping[tuple[str, KeptKind], int] = {
    ("CN", KeptKind.RECORDINGS): 30,
    ("US", KeptKind.CONTACTS): _FIVE_YEARS,
    ("US", KeptKind.CALLERS): _FIVE_YEARS,
    ("US", KeptKind.LEADS): _FIVE_YEARS,
}
_BY_US: Mapping[KeptKind, tuple[int, int]] = {
    KeptKind.WEBHOOKS: (1, 30)
}  # the rest goes after a month in any case


@dataclass(frozen=True, slots=True)
class Rule:
    """For how many days one kind is kept; `days` None: for as long as the company is here."""

    kind: KeptKind
    days: int | None
    changed_at: dt.datetime | None

    def is_in_force(self, at: dt.datetime) -> bool:
        """Whether a night that begins then carries it out."""
        return self.days is not None and self.changed_at is not None and self.changed_at + WAITS <= at


@dataclass(frozen=True, slots=True)
class Run:
    """One night: what it removed by kind, and whether a hold on the company let it remove nothing."""

    on_day: dt.date
    started_at: dt.datetime
    ended_at: dt.datetime | None
    is_held: bool
    counts: Mapping[str, int]


def bounds(kind: KeptKind, *, country: str) -> tuple[int, int]:
    """Return the fewest and the most days a company of a country may set."""
    least, most = _BY_US.get(kind, (_LEAST, LONGEST))
    return max(least, _BY_LAW.get((country, kind), least)), most


def rules(session: Session, *, tenant_id: TenantId) -> list[Rule]:
    """Return a rule for each kind, set or not."""
    rows = {
        row.kind: row
        for row in session.scalars(select(RetentionRuleRow).where(RetentionRuleRow.tenant_id == tenant_id))
    }
    return [
        Rule(kind, row.days, row.changed_at) if (row := rows.get(kind.value)) else Rule(kind, None, None)
        for kind in KeptKind
    ]


def put(
    session: Session, *, tenant_id: TenantId, kind: KeptKind, days: int | None, country: str, by: UUID
) -> None:
    """Set for how many days a kind is kept, or with None that it is kept. The same again changes nothing.

    Raises:
        RetentionBoundsError: outside the bounds of the country.
    """
    least, most = bounds(kind, country=country)
    if days is not None and not least <= days <= most:
        raise RetentionBoundsError(least=least, most=most)
    # the first time there is no row to be locked: two who set one go one after the other
    whose = f"retention {tenant_id} {kind.value}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(whose, 0))))
    row = session.get(RetentionRuleRow, (tenant_id, kind.value), with_for_update=True, populate_existing=True)
    was = row.days if row else None
    if was == days:
        return
    if row is not None and days is None:
        session.delete(row)
    elif row is not None and days is not None:
        row.days, row.changed_at, row.changed_by = days, clock.now(), by
    elif days is not None:
        session.add(
            RetentionRuleRow(
                tenant_id=tenant_id, kind=kind.value, days=days, changed_at=clock.now(), changed_by=by
            )
        )
    session.flush()
    evidence.record(session, "retention.changed", "", None, of=kind.value, days=days, was=was)


def noted(session: Session, *, tenant_id: TenantId) -> list[dict[str, Any]]:
    """Return the rules as they are noted beside the keys; `put_back` takes them."""
    rows = session.scalars(
        select(RetentionRuleRow)
        .where(RetentionRuleRow.tenant_id == tenant_id)
        .order_by(RetentionRuleRow.kind)
    )
    return [
        {
            "kind": row.kind,
            "days": row.days,
            "changed_at": row.changed_at.isoformat(),
            "changed_by": str(row.changed_by),
        }
        for row in rows
    ]


def put_back(
    session: Session,
    *,
    tenant_id: TenantId,
    rules: Sequence[Mapping[str, Any]],
    noted_at: dt.datetime,
    made_at: dt.datetime,
) -> int:
    """Bring the rules of a restored database up to what was noted; return how many changed.

    Args:
        session: in the company's context.
        tenant_id: whose.
        rules: as `noted` returned them.
        noted_at: when; what was changed in the backup since stays.
        made_at: when the backup was made; what had gone in it by then stays gone.
    """
    there = {
        row.kind: row
        for row in session.scalars(select(RetentionRuleRow).where(RetentionRuleRow.tenant_id == tenant_id))
    }
    changed = list[tuple[str, int | None]]()
    for one in rules:
        kind, days, at = one["kind"], one["days"], dt.datetime.fromisoformat(one["changed_at"])
        row = there.pop(kind, None)
        if row is None and at >= made_at:
            row = RetentionRuleRow(tenant_id=tenant_id, kind=kind)
            session.add(row)
        elif row is None or row.changed_at >= at:
            continue
        row.days, row.changed_at, row.changed_by = days, at, UUID(one["changed_by"])
        changed.append((kind, days))
    for kind, row in there.items():
        if row.changed_at < noted_at:
            session.delete(row)
            changed.append((kind, None))
    session.flush()
    for kind, days in changed:
        evidence.record(session, "retention.changed", "", None, of=kind, days=days)
    return len(changed)


def cut(zone: str, *, on_day: dt.date, days: int) -> dt.datetime:
    """Return the instant before which a night removes: the midnight that begins the first day kept.

    A night of 22 November with 30 days in Europe/London: 2026-10-22T23:00Z, midnight of the 23rd there.
    """
    first = dt.datetime.combine(on_day - dt.timedelta(days=days), dt.time(), ZoneInfo(zone))
    return first.astimezone(dt.UTC)


def night(zone: str, *, at: dt.datetime) -> dt.date | None:
    """Return the day whose night has come at an instant: from two o'clock on; None before."""
    local = at.astimezone(ZoneInfo(zone))
    return local.date() if local.hour >= _HOUR else None


def last_night(zone: str, *, at: dt.datetime) -> dt.date:
    """Return the day of the newest night that has come by an instant."""
    return night(zone, at=at) or at.astimezone(ZoneInfo(zone)).date() - dt.timedelta(days=1)


def next_night(zone: str, *, after: dt.datetime) -> tuple[dt.date, dt.datetime]:
    """Return the day and the instant of the next night to come."""
    local = after.astimezone(ZoneInfo(zone))
    on_day = local.date() if local.hour < _HOUR else local.date() + dt.timedelta(days=1)
    begins = dt.datetime.combine(on_day, dt.time(_HOUR), ZoneInfo(zone))
    return on_day, begins.astimezone(dt.UTC)


def begin(session: Session, *, tenant_id: TenantId, on_day: dt.date) -> Run | None:
    """Begin a night, or go on with one; return None when it is through."""
    row = session.get(RetentionRunRow, (tenant_id, on_day), with_for_update=True, populate_existing=True)
    if row is None:
        row = RetentionRunRow(
            tenant_id=tenant_id, on_day=on_day, started_at=clock.now(), is_held=False, counts={}
        )
        session.add(row)
        session.flush()
    return _run(row) if row.ended_at is None else None


def count(session: Session, *, tenant_id: TenantId, on_day: dt.date, kind: KeptKind, more: int) -> None:
    """Add to what a night removed; in the transaction that did."""
    row = session.get_one(RetentionRunRow, (tenant_id, on_day), with_for_update=True, populate_existing=True)
    row.counts = {**row.counts, kind.value: row.counts.get(kind.value, 0) + more}
    session.flush()


def finish(session: Session, *, tenant_id: TenantId, on_day: dt.date, is_held: bool) -> None:
    """Close a night; what it removed, or that a hold kept all, stands in the evidence log."""
    row = session.get_one(RetentionRunRow, (tenant_id, on_day), with_for_update=True, populate_existing=True)
    if row.ended_at is not None:
        return
    row.ended_at, row.is_held = clock.now(), is_held
    session.flush()
    if row.counts or is_held:
        evidence.record(
            session, "retention.ran", "", None, "held" if is_held else "", day=str(on_day), **row.counts
        )


def runs(session: Session, *, tenant_id: TenantId, limit: int = 30) -> Sequence[Run]:
    """Return nights, the last first."""
    rows = session.scalars(
        select(RetentionRunRow)
        .where(RetentionRunRow.tenant_id == tenant_id)
        .order_by(RetentionRunRow.on_day.desc())
        .limit(limit)
    )
    return [_run(row) for row in rows]


def _run(row: RetentionRunRow) -> Run:
    return Run(row.on_day, row.started_at, row.ended_at, row.is_held, dict(row.counts))
