"""Bulk intake: many usage events at once, through the staging table.

PostgreSQL refuses COPY on fenced tables, so rows are copied by the billing role, which may insert there
and do nothing else, into an unlogged platform table without personal data; then the tenant's own
transaction takes its rows out, through a function that gives it no others (docs/adr/0004-money.md). A
batch is taken in once: its id is the key of its counts, and a repeat returns them.

After a crash of the server the staging table is empty (it is unlogged): a batch without counts is sent
again, and the permanent usage keys sort out what had already arrived.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import accounts, bulk, tariffs
from billing.models import UsageBatchRow
from billing.usage import Usage, closed_until, fault_in, payload_sha256
from core import clock, columns
from core.ids import TenantId, new_id, new_ids

_COPY = """
    COPY app.usage_staging (batch_id, tenant_id, row_no, usage_id, subject_ref, occurred_at, ended_at,
      quantity_ms, payload_sha256, source, event_id, meter, prefix, number_id, agent_ref,
      campaign_ref, reject_reason)
    FROM STDIN (FORMAT BINARY)
"""
_COLUMNS = 17
# a row up to its hash, each value with its length before it
_WHOLE = struct.Struct(">hi16si16siii16si16siqiqiqi32s")
_REJECTED = struct.Struct(">hi16si16siii16siiiii")
_CHUNK = 1 << 20

_TAKE_IN = """
    INSERT INTO app.usage_events (tenant_id, id, source, event_id, meter, subject_ref, occurred_at, ended_at,
      quantity_ms, prefix, number_id, agent_ref, campaign_ref, payload_sha256, received_at, batch_id,
      batch_row)
    SELECT tenant_id, usage_id, source, event_id, meter, subject_ref, occurred_at, ended_at,
      quantity_ms, prefix, number_id, agent_ref, campaign_ref, payload_sha256, %(now)s, batch_id, row_no
    FROM app.staged_usage(%(batch)s) WHERE reject_reason IS NULL ORDER BY row_no
    ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING id, meter, prefix, quantity_ms, occurred_at, ended_at
"""

_CONFLICTS = text("""
    INSERT INTO app.usage_conflicts (tenant_id, id, source, event_id, payload_sha256, payload, received_at,
      batch_id)
    SELECT s.tenant_id, s.usage_id, s.source, s.event_id, s.payload_sha256, jsonb_build_object(
        'meter', s.meter, 'subject_ref', s.subject_ref, 'occurred_at', s.occurred_at, 'ended_at', s.ended_at,
        'quantity_ms', s.quantity_ms, 'prefix', s.prefix, 'number_id', s.number_id, 'agent_ref', s.agent_ref,
        'campaign_ref', s.campaign_ref),
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

_RECEIVED = text("SELECT count(*) FROM app.staged_usage(:batch)")

_CLEAR = text("SELECT app.clear_staged_usage(:batch)")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a batch; received = accepted + duplicate + conflict + rejected, always."""

    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int


@bulk.uncollected()
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
        copy.write(columns.COPY_HEAD)
        for written in _written(batch, tenant_id, list(usages)):
            copy.write(written)
        copy.write(columns.COPY_TAIL)
    return batch


@bulk.uncollected()
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
    received = session.execute(_RECEIVED, {"batch": batch_id}).scalar_one()
    with columns.cursor(session) as cursor:
        fresh = bulk.Uses.of(cursor.execute(_TAKE_IN, what).fetchall())
    if fresh.ids:
        timeline = tariffs.timeline(session, tenant_id=tenant_id)
        charges = bulk.rate(
            fresh,
            timeline.at_each(fresh.occurred_at),
            zone=accounts.find(session, tenant_id=tenant_id).zone if fresh.are_rented else "",
            closed_until=closed_until(session, tenant_id=tenant_id),
        )
        bulk.write(session, tenant_id=tenant_id, charges=charges)
        if timeline.shares_calls:
            bulk.tell_payers(session, tenant_id=tenant_id, charges=charges)
    counts = Counts(received, len(fresh.ids), 0, 0, 0)
    if counts.accepted != received:
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


def _written(batch: UUID, tenant_id: TenantId, usages: Sequence[Usage]) -> Iterator[bytes]:
    """Return the rows of a COPY in pieces of about a megabyte."""
    texts: dict[str | None, bytes] = {}

    def text_of(value: str | None) -> bytes:  # sources, meters and prefixes come again and again
        found = texts.get(value)
        if found is None:
            found = texts[value] = columns.text(value)
        return found

    rows: list[bytes] = []
    size = 0
    for row_no, (usage, usage_id) in enumerate(zip(usages, new_ids(len(usages)), strict=True)):
        head = (_COLUMNS, 16, batch.bytes, 16, tenant_id.bytes, 4, row_no, 16, usage_id)
        key = text_of(usage.source) + columns.text(usage.event_id)
        fault = fault_in(usage)
        if fault:
            row = _REJECTED.pack(*head, -1, -1, -1, -1, -1) + key + 5 * columns.NULL + text_of(fault)
        else:
            extent = (8, columns.instant(usage.occurred_at), 8, columns.instant(usage.ended_at))
            payload = (16, usage.subject_ref.bytes, *extent, 8, usage.quantity_ms, 32, payload_sha256(usage))
            row = b"".join(
                (
                    *(_WHOLE.pack(*head, *payload), key, text_of(usage.meter), text_of(usage.prefix)),
                    *(columns.uuid(usage.number_id), columns.uuid(usage.agent_ref)),
                    *(columns.uuid(usage.campaign_ref), columns.NULL),
                )
            )
        rows.append(row)
        size += len(row)
        if size > _CHUNK:
            yield b"".join(rows)
            rows, size = [], 0
    yield b"".join(rows)
