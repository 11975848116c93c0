"""Call records in the evidence log: one digest for each minute in which some were written.

An entry for each call would make its hang-up wait for the row that numbers a company's entries, and who did
what would be a list of calls. A minute is written down once no transaction can still add to it: when every
one that was open at its end is over. Why: docs/adr/0030-evidence-of-money.md; reference: security, T52.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.ids import TenantId
from security import evidence
from security.evidence import digests
from telephony.models import CdrRow

NOTED = "call.noted"
MINUTE = dt.timedelta(minutes=1)
_VERSION = "a"
_FORM = "%Y-%m-%dT%H:%MZ"
_AT_ONCE = 60  # minutes in one transaction
_SKEW = dt.timedelta(seconds=5)  # between the clocks of processes and the database's
_PATIENCE = dt.timedelta(minutes=10)  # with a transaction that does not end
_FIRST = dt.timedelta(hours=1)  # so far back the first look goes
_COLUMNS: Sequence[InstrumentedAttribute[Any]] = (
    CdrRow.call_id,
    CdrRow.direction,
    CdrRow.dialled,
    CdrRow.number_id,
    CdrRow.queue_id,
    CdrRow.agent_id,
    CdrRow.agent_number,
    CdrRow.called_prefix,
    CdrRow.arrived_at,
    CdrRow.picked_up_at,
    CdrRow.bridged_at,
    CdrRow.ended_at,
    CdrRow.wait_ms,
    CdrRow.talk_ms,
    CdrRow.cause,
    CdrRow.switch_boot,
    CdrRow.written_at,
    CdrRow.part_of,
)


def note(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> int:
    """Write down the minutes that are over and were not written down yet; return how many.

    Entries and what they are about are of one transaction, in which nobody else does the same: what stands
    in the log says where to go on.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('noted-calls' || :tenant, 0))"),
        {"tenant": str(tenant_id)},
    )
    last = evidence.page(session, tenant_id=tenant_id, limit=1, action=NOTED).entries
    until = _settled(session, at)
    since = minute_of(str(last[0].fact.details["minute"])) + MINUTE if last else until - _FIRST
    found = minutes(session, tenant_id=tenant_id, since=since, until=until)[:_AT_ONCE]
    for minute in found:
        count, digest = of_minute(session, tenant_id=tenant_id, minute=minute)
        evidence.record(session, NOTED, minute=minute.strftime(_FORM), calls=count, digest=digest)
    return len(found)


def minutes(
    session: Session, *, tenant_id: TenantId, since: dt.datetime, until: dt.datetime
) -> Sequence[dt.datetime]:
    """Return the minutes of `[since, until)` in which call records were written, in order."""
    minute = func.date_trunc("minute", CdrRow.written_at, "UTC")
    return list(
        session.scalars(
            select(minute)
            .where(CdrRow.tenant_id == tenant_id, CdrRow.written_at >= since, CdrRow.written_at < until)
            .distinct()
            .order_by(minute)
        )
    )


def of_minute(session: Session, *, tenant_id: TenantId, minute: dt.datetime) -> tuple[int, str]:
    """Return how many call records were written in a minute, and their digest."""
    written = (
        CdrRow.tenant_id == tenant_id,
        CdrRow.written_at >= minute,
        CdrRow.written_at < minute + MINUTE,
    )
    count = session.scalars(select(func.count()).select_from(CdrRow).where(*written)).one()
    rows = select(*_COLUMNS).where(*written).order_by(CdrRow.written_at, CdrRow.call_id)
    return count, _VERSION + digests.of_rows(session, rows)


def minute_of(said: str) -> dt.datetime:
    """Return the minute an entry names."""
    return dt.datetime.strptime(said, _FORM).replace(tzinfo=dt.UTC)


def _settled(session: Session, at: dt.datetime) -> dt.datetime:
    """Return up to where nothing can be written any more: a record is as old as its transaction, at most."""
    oldest = session.scalar(
        text(
            "SELECT min(xact_start) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    settled = max(min(oldest or at, at), at - _PATIENCE) - _SKEW
    return settled.replace(second=0, microsecond=0)
