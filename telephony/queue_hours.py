"""A queue's opening hours: kept, changed against others who change them, and asked by the switchboard.

Outside them a caller hears a message, then the call ends or goes to another queue that is open. A queue
without hours of its own is always open.
"""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import clock
from core.ids import QueueId, TenantId
from security import evidence
from telephony import opening, queues
from telephony.errors import QueueChangedError, QueueNotFoundError
from telephony.models import QueueHoursRow
from telephony.opening import Hours, OpeningHoursError, OwnDay, Span
from telephony.queues import LANGUAGES, LONGEST_MESSAGE

MOST_DAYS = 200
LONGEST_NOTE = 60


@dataclass(frozen=True, slots=True)
class Opening:
    """When a queue is open, and what happens outside.

    Attributes:
        hours: None: always open.
        message: what a caller hears outside; empty: a sentence of ours.
        language: in which it is spoken.
        leads_to: the queue they go to then, if that is open; None: the call ends.
        revision: 0 before anybody has decided it.
    """

    hours: Hours | None = None
    message: str = ""
    language: str = "en"
    leads_to: QueueId | None = None
    revision: int = 0

    def is_open(self, at: dt.datetime) -> bool:
        """Return whether the queue is open at an (aware) instant."""
        return self.hours is None or self.hours.is_open(at)

    def opens_at(self, at: dt.datetime) -> dt.datetime | None:
        """Return when a queue opens that is closed at an instant, in UTC; None: open, or not for weeks."""
        return None if self.hours is None or self.is_open(at) else self.hours.next_change(at)


ALWAYS = Opening()


def every(session: Session, *, tenant_id: TenantId) -> Mapping[QueueId, Opening]:
    """Return when each queue is open for which somebody has decided it; the others always are."""
    rows = session.scalars(
        sa.select(QueueHoursRow)
        .where(QueueHoursRow.tenant_id == tenant_id)
        .execution_options(populate_existing=True)
    )
    return {QueueId(row.queue_id): _opening(row) for row in rows}


def read(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Opening:
    """Return when a queue is open."""
    row = session.get(QueueHoursRow, (tenant_id, queue_id), populate_existing=True)
    return Opening() if row is None else _opening(row)


def change(session: Session, *, tenant_id: TenantId, queue_id: QueueId, wanted: Opening) -> Opening:
    """Keep when a queue is open, if nobody has changed it since `wanted.revision`.

    Raises:
        QueueNotFoundError: not the company's, or closed.
        QueueChangedError: somebody has changed it since; nothing was written.
        OpeningHoursError: `field` names what cannot stand.
    """
    queues.hold(session, tenant_id=tenant_id, queue_id=queue_id)
    before = read(session, tenant_id=tenant_id, queue_id=queue_id)
    if before.revision != wanted.revision:
        raise QueueChangedError(revision=before.revision)
    _check(session, tenant_id, queue_id, wanted)
    row = session.get(QueueHoursRow, (tenant_id, queue_id))
    if row is None:
        row = QueueHoursRow(tenant_id=tenant_id, queue_id=queue_id)
        session.add(row)
    hours = wanted.hours
    row.revision, row.changed_at = before.revision + 1, clock.now()
    row.zone = hours.zone if hours else ""
    row.week = [_pairs(spans) for spans in hours.week] if hours else []
    row.region = hours.region if hours else ""
    row.own = (
        {day.isoformat(): {"spans": _pairs(one.spans), "name": one.name} for day, one in hours.own.items()}
        if hours
        else {}
    )
    row.message, row.language, row.leads_to = wanted.message.strip(), wanted.language, wanted.leads_to
    session.flush()
    evidence.record(session, "queue.hours-changed", "que", queue_id, revision=row.revision)
    return _opening(row)


def _check(session: Session, tenant_id: TenantId, queue_id: QueueId, wanted: Opening) -> None:
    hours = wanted.hours
    stands = {
        "message": len(wanted.message) <= LONGEST_MESSAGE and wanted.message.isprintable(),
        "language": wanted.language in LANGUAGES,
        "leads_to": wanted.leads_to != queue_id,
    }
    if hours:
        stands |= {
            "zone": hours.zone in zoneinfo.available_timezones(),
            "region": opening.is_region(hours.region),
            "own": len(hours.own) <= MOST_DAYS and all(_is_day(one) for one in hours.own.values()),
            "week": len(hours.week) == 7 and any(hours.week),  # noqa: PLR2004 - a week has seven days
        }
    for field, is_right in stands.items():
        if not is_right:
            raise OpeningHoursError(field=field)
    if wanted.leads_to:
        try:
            queues.insist_open(session, tenant_id=tenant_id, queue_id=wanted.leads_to)
        except QueueNotFoundError as error:
            raise OpeningHoursError(field="leads_to") from error


def _is_day(one: OwnDay) -> bool:
    return len(one.name) <= LONGEST_NOTE and one.name.isprintable()


def _pairs(spans: Sequence[Span]) -> list[list[int]]:
    return [[one.opens, one.closes] for one in spans]


def _spans(pairs: Sequence[Sequence[int]]) -> tuple[Span, ...]:
    return tuple(Span(opens, closes) for opens, closes in pairs)


def _opening(row: QueueHoursRow) -> Opening:
    own: Mapping[str, Any] = row.own
    hours = (
        Hours(
            row.zone,
            tuple(_spans(pairs) for pairs in row.week),
            row.region,
            {
                dt.date.fromisoformat(day): OwnDay(_spans(one["spans"]), one["name"])
                for day, one in own.items()
            },
        )
        if row.zone
        else None
    )
    leads_to = QueueId(row.leads_to) if row.leads_to else None
    return Opening(hours, row.message, row.language, leads_to, row.revision)
