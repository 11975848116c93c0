"""Bulk intake: many usage events at once, through the staging table.

PostgreSQL refuses COPY on fenced tables, so rows are copied by the billing role, which may insert there
and do nothing else, into an unlogged platform table without personal data; then the tenant's own
transaction takes its rows out, through a function that gives it no others (docs/adr/0004-money.md). A
batch is taken in once: its id is the key of its counts, and a repeat returns them.

After a crash of the server the staging table is empty (it is unlogged): a batch without counts is sent
again, and the permanent usage keys sort out what had already arrived.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, DateTime, Integer, Text, TypeEngine, Uuid

from billing import accounts, tariffs
from billing.models import UsageBatchRow
from billing.rating import fast
from billing.rating.rentals import METERS
from billing.rating.rules import Outcome
from billing.rating.tariff import Cache
from billing.tariffs import InForce
from billing.usage import Usage, charge_values, closed_until, fault_in, payload_sha256
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

_CHARGE_COLUMNS: dict[str, TypeEngine[Any]] = {
    "id": Uuid(),
    "usage_id": Uuid(),
    "outcome": Text(),
    "reason": Text(),
    "tariff_id": Uuid(),
    "meter": Text(),
    "occurred_at": DateTime(timezone=True),
    "bill_at": DateTime(timezone=True),
    "prefix": Text(),
    "destination": Text(),
    "billed_seconds": Integer(),
    "units_nano": BigInteger(),
    "amount_nano": BigInteger(),
    "currency": Text(),
}
_CHARGES = text(f"""
    INSERT INTO app.rated_charges (tenant_id, charge_run, rating_seq, rated_at, {", ".join(_CHARGE_COLUMNS)})
    SELECT :tenant, 'service', 1, :now, * FROM unnest({", ".join(f":{name}s" for name in _CHARGE_COLUMNS)})
""").bindparams(*(bindparam(f"{name}s", type_=ARRAY(kind)) for name, kind in _CHARGE_COLUMNS.items()))  # noqa: S608

# compiled for rating in columns, by content and meter; about 20 MB for 100,000 prefixes
_of_process: Cache[tuple[bytes, str], fast.Compiled] = Cache(8)


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
        charges = _charges(session, tenant_id, fresh)
        session.execute(_CHARGES, {"tenant": tenant_id, "now": now, **charges})
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


def _charges(session: Session, tenant_id: TenantId, fresh: Sequence[Row[Any]]) -> dict[str, list[Any]]:
    """Rate fresh events and return their charges as columns: calls all at once, what is rented one by one."""
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    closed = closed_until(session, tenant_id=tenant_id)
    calls: dict[tuple[UUID | None, str], tuple[InForce | None, list[Row[Any]]]] = {}
    rented: list[Row[Any]] = []
    for row in fresh:
        if row.meter in METERS:
            rented.append(row)
        else:
            in_force = timeline.at(row.occurred_at)
            key = (in_force.tariff_id if in_force else None, row.meter)
            calls.setdefault(key, (in_force, []))[1].append(row)
    columns: dict[str, list[Any]] = {f"{name}s": [] for name in _CHARGE_COLUMNS}
    for (_, meter), (in_force, rows) in calls.items():
        for name, values in _rated(in_force, meter, rows, closed).items():
            columns[f"{name}s"] += values
    zone = accounts.find(session, tenant_id=tenant_id).zone if rented else ""
    for row in rented:
        charge = charge_values(
            timeline.at(row.occurred_at),
            charge_id=new_id(),
            usage_id=row.id,
            meter=row.meter,
            prefix=row.prefix,
            quantity_ms=row.quantity_ms,
            occurred_at=row.occurred_at,
            ended_at=row.ended_at,
            zone=zone,
            closed_until=closed,
        )
        for name in _CHARGE_COLUMNS:
            columns[f"{name}s"].append(charge[name])
    return columns


def _rated(
    in_force: InForce | None, meter: str, rows: Sequence[Row[Any]], closed: dt.datetime | None
) -> dict[str, list[Any]]:
    """Return the charges of one meter's calls under one tariff as columns."""
    count = len(rows)
    nothing: list[Any] = [None] * count
    began = [row.occurred_at for row in rows]
    same = {
        "id": [new_id() for _ in rows],
        "usage_id": [row.id for row in rows],
        "meter": [meter] * count,
        "occurred_at": began,
        "bill_at": began if closed is None else [max(at, closed) for at in began],
        "units_nano": nothing,
    }
    if in_force is None:
        blank = dict.fromkeys(
            ("tariff_id", "prefix", "destination", "billed_seconds", "amount_nano", "currency"), nothing
        )
        outcome = [Outcome.UNRATED.value] * count
        return {**same, **blank, "outcome": outcome, "reason": ["no-tariff"] * count}
    compiled = _compiled(in_force, meter)
    ratings = compiled.rate(
        fast.columns([row.prefix for row in rows], [-(-row.quantity_ms // 1000) for row in rows], began)
    )
    is_rated = (ratings.outcomes == fast.RATED).tolist()
    # the last of each stands for "no row"
    prefixes = np.array([*(one.prefix for one in compiled.rates), None], dtype=object)
    destinations = np.array([*(one.destination for one in compiled.rates), None], dtype=object)
    return {
        **same,
        "outcome": np.array([one.value for one in fast.OUTCOMES], dtype=object)[ratings.outcomes].tolist(),
        "reason": np.array(fast.REASONS, dtype=object)[ratings.reasons].tolist(),
        "tariff_id": [in_force.tariff_id] * count,
        "prefix": prefixes[ratings.rows].tolist(),
        "destination": destinations[ratings.rows].tolist(),
        "billed_seconds": _or_none(is_rated, ratings.billed_s.tolist()),
        "amount_nano": _or_none(is_rated, ratings.amounts.tolist()),
        "currency": _or_none(is_rated, [in_force.tariff.currency] * count),
    }


def _or_none(are_there: list[bool], values: list[Any]) -> list[Any]:
    return [value if is_there else None for is_there, value in zip(are_there, values, strict=True)]


def _compiled(in_force: InForce, meter: str) -> fast.Compiled:
    key = (in_force.sha256, meter)
    found = _of_process.get(key)
    if found is None:
        found = fast.Compiled(in_force.tariff, meter)
        _of_process.put(key, found)
    return found


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
