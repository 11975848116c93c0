"""Bulk intake: many usage events at once, through the staging table.

PostgreSQL refuses COPY on fenced tables, so rows are copied by the billing role, which may insert there
and do nothing else, into an unlogged platform table without personal data; then the tenant's own
transaction takes its rows out, through a function that gives it no others (docs/adr/0004-money.md). A
batch is taken in once: its id is the key of its counts, and a repeat returns them.

After a crash of the server the staging table is empty (it is unlogged): a batch without counts is sent
again, and the permanent usage keys sort out what had already arrived.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import accounts, bulk, tariffs
from billing.models import UsageBatchRow
from billing.usage import Usage, closed_until, fault_in, payload_sha256
from core import clock
from core.ids import TenantId, new_id

_COPY = """
    COPY app.usage_staging (batch_id, row_no, tenant_id, usage_id, source, event_id, meter, subject_ref,
      occurred_at, ended_at, quantity_ms, prefix, number_id, agent_ref, payload_sha256, reject_reason)
    FROM STDIN (FORMAT BINARY)
"""
_COPY_TYPES = (
    *("uuid", "int4", "uuid", "uuid", "text", "text", "text", "uuid", "timestamptz", "timestamptz"),
    *("int8", "text", "uuid", "uuid", "bytea", "text"),
)

_NOTHING: tuple[object, ...] = (None,) * 9

_TAKE_IN = text("""
    INSERT INTO app.usage_events (tenant_id, id, source, event_id, meter, subject_ref, occurred_at, ended_at,
      quantity_ms, prefix, number_id, agent_ref, payload_sha256, received_at, batch_id, batch_row)
    SELECT tenant_id, usage_id, source, event_id, meter, subject_ref, occurred_at, ended_at,
      quantity_ms, prefix, number_id, agent_ref, payload_sha256, :now, batch_id, row_no
    FROM app.staged_usage(:batch) WHERE reject_reason IS NULL ORDER BY row_no
    ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING id, meter, prefix, quantity_ms, occurred_at, ended_at
""")

_CONFLICTS = text("""
    INSERT INTO app.usage_conflicts (tenant_id, id, source, event_id, payload_sha256, payload, received_at,
      batch_id)
    SELECT s.tenant_id, s.usage_id, s.source, s.event_id, s.payload_sha256, jsonb_build_object(
        'meter', s.meter, 'subject_ref', s.subject_ref, 'occurred_at', s.occurred_at, 'ended_at', s.ended_at,
        'quantity_ms', s.quantity_ms, 'prefix', s.prefix, 'number_id', s.number_id, 'agent_ref', s.agent_ref),
      :now, s.batch_id
    FROM app.staged_usage(:batch) s
    JOIN app.usage_events u USING (tenant_id, source, event_id)
    WHERE s.reject_reason IS NULL AND u.payload_sha256 <> s.payload_sha256
    ON CONFLICT (tenant_id, source, event_id, payload_sha256) DO NOTHING
""")

_REJECTS = text("""
    INSERT INTO app.usage_rejects (tenant_id, id, source, event_id, reason, received_at, batch_id, batch_row)
    SELECT tenant_id, usage_id, source, event_id, reject_reason, :now, batch_id, row_no
    FROM app.staged_usage(:batch) WHERE reject_reason IS NOT NULL
""")

_COUNTS = text("""
    SELECT count(*) AS received,
      count(*) FILTER (WHERE s.reject_reason IS NOT NULL) AS rejected,
      count(*) FILTER (WHERE u.batch_id = s.batch_id AND u.batch_row = s.row_no) AS accepted,
      count(*) FILTER (WHERE (u.batch_id, u.batch_row) IS DISTINCT FROM (s.batch_id, s.row_no)
                         AND u.payload_sha256 = s.payload_sha256) AS duplicate,
      count(*) FILTER (WHERE u.payload_sha256 <> s.payload_sha256) AS conflict
    FROM app.staged_usage(:batch) s
    LEFT JOIN app.usage_events u ON s.reject_reason IS NULL AND u.tenant_id = s.tenant_id
      AND u.source = s.source AND u.event_id = s.event_id
""")

_CLEAR = text("SELECT app.clear_staged_usage(:batch)")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a batch; received = accepted + duplicate + conflict + rejected, always."""

    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int


def stage(
    bill_url: str, *, tenant_id: TenantId, usages: Iterable[Usage], batch_id: UUID | None = None
) -> UUID:
    """Copy usage of one tenant into staging and return the batch's id.

    Rows that cannot be usage are staged with their reason, so that they are counted and kept.

    Args:
        bill_url: the billing role's own address; it can do nothing but this.
        tenant_id: whose usage it is; only this tenant's transactions will see it.
        usages: the events; sealed numbers are not carried in bulk.
        batch_id: given by a sender that may repeat the batch.
    """
    batch = batch_id or new_id()
    with (
        psycopg.connect(bill_url, connect_timeout=5) as connection,
        connection.cursor() as cursor,
        cursor.copy(_COPY) as copy,
    ):
        copy.set_types(_COPY_TYPES)
        for row_no, usage in enumerate(usages):
            head = (batch, row_no, tenant_id, new_id(), usage.source, usage.event_id)
            fault = fault_in(usage)
            copy.write_row((*head, *(_NOTHING if fault else _payload(usage)), fault or None))
    return batch


def take_in(session: Session, *, tenant_id: TenantId, batch_id: UUID) -> Counts:
    """Take a staged batch into the tenant's usage, rate what is new, and count everything.

    One transaction; a second time it returns the first time's counts and changes nothing.
    """
    done = session.scalars(
        select(UsageBatchRow).where(UsageBatchRow.tenant_id == tenant_id, UsageBatchRow.id == batch_id)
    ).one_or_none()
    if done is not None:
        session.execute(_CLEAR, {"batch": batch_id})
        return Counts(done.received, done.accepted, done.duplicate, done.conflict, done.rejected)
    now = clock.now()
    what = {"batch": batch_id, "now": now}
    fresh = session.execute(_TAKE_IN, what).all()
    if fresh:
        timeline = tariffs.timeline(session, tenant_id=tenant_id)
        zone = accounts.find(session, tenant_id=tenant_id).zone if bulk.is_rented(fresh) else ""
        charges = bulk.rate(
            [(timeline.at(row.occurred_at), row) for row in fresh],
            zone=zone,
            closed_until=closed_until(session, tenant_id=tenant_id),
        )
        bulk.write(session, tenant_id=tenant_id, charges=charges)
    session.execute(_CONFLICTS, what)
    session.execute(_REJECTS, what)
    counts = Counts(**session.execute(_COUNTS, {"batch": batch_id}).one()._asdict())
    session.add(
        UsageBatchRow(
            tenant_id=tenant_id,
            id=batch_id,
            received=counts.received,
            accepted=counts.accepted,
            duplicate=counts.duplicate,
            conflict=counts.conflict,
            rejected=counts.rejected,
            taken_at=now,
        )
    )
    session.execute(_CLEAR, {"batch": batch_id})
    session.flush()
    return counts


def _payload(usage: Usage) -> tuple[object, ...]:
    return (
        usage.meter,
        usage.subject_ref,
        usage.occurred_at,
        usage.ended_at,
        usage.quantity_ms,
        usage.prefix,
        usage.number_id,
        usage.agent_ref,
        payload_sha256(usage),
    )
