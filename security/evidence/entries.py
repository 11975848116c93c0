"""Writing down what was done, in the transaction that does it: no entry, no act.

Who did it is not the caller's to say: it is read from the context the database checked (`sec.principal`).
Entries are written as the last statements of their transaction, whatever the order in which acts were
recorded: the row that numbers them without a gap is then locked for an instant only, and never while
another lock is waited for. What is recorded inside a savepoint that is rolled back is forgotten with it.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import event, select, text
from sqlalchemy.orm import Session, SessionTransaction

from core import clock, ids
from core.ids import TenantId
from security.evidence import merkle
from security.evidence.models import EntryRow, HeadRow

VERSION = 1
_PENDING = "seatline_evidence"
_Detail = str | int | bool | None

# one row per tenant: counts, locks, and says who is acting
_NUMBER = text(
    "INSERT INTO app.evidence_heads (tenant_id, size) VALUES (sec.tenant(), 1)"
    " ON CONFLICT (tenant_id) DO UPDATE SET size = evidence_heads.size + 1"
    " RETURNING tenant_id, size - 1 AS seq, sec.principal() AS actor_id, sec.kind() AS actor_kind"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """What was done: `record` says what stands where. `subject` is a public id, or empty."""

    action: str
    subject: str = ""
    purpose: str = ""
    details: Mapping[str, _Detail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log; `seq` counts from 0 without a gap, per tenant."""

    seq: int
    at: dt.datetime
    actor_id: UUID
    actor_kind: str
    fact: Fact


def record(
    session: Session,
    action: str,
    kind: str = "",
    ref: UUID | None = None,
    purpose: str = "",
    **details: _Detail,
) -> None:
    """Write down what the running transaction does; it stands in the log once that is committed.

    Args:
        session: of the acting tenant; who acts is read from it.
        action: `<noun>.<past participle>`, such as `invoice.finalised`.
        kind: the prefix of the public id of what it is done to, such as `inv`.
        ref: its id.
        purpose: why, where a reason has to be given.
        details: what changed, in ids, amounts and codes; never personal data, which could not be erased.
    """
    fact = Fact(action, ids.public(kind, ref) if ref else "", purpose, details)
    pending: list[tuple[SessionTransaction | None, Fact]] = session.info.setdefault(_PENDING, [])
    pending.append((session.get_nested_transaction(), fact))


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first; whether there are older and newer ones that match."""

    entries: tuple[Entry, ...]
    has_older: bool
    has_newer: bool


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    limit: int,
    below: int | None = None,
    above: int | None = None,
    action: str = "",
    actor_id: UUID | None = None,
    subject: str = "",
    without: str = "",
) -> Page:
    """Return a tenant's entries, newest first.

    Args:
        session: in the tenant's context.
        tenant_id: whose log.
        limit: at most so many.
        below: only entries with a lower number: the last one of the page before.
        above: those next above this number, to go back.
        action: only this one, or all of a noun: `invoice.` with its point.
        actor_id: only what this user, agent or key did.
        subject: only what was done to this public id.
        without: all but this action.
    """
    chosen = select(EntryRow.seq, EntryRow.body).where(EntryRow.tenant_id == tenant_id)
    if action.endswith("."):
        chosen = chosen.where(EntryRow.action.startswith(action, autoescape=True))
    elif action:
        chosen = chosen.where(EntryRow.action == action)
    if actor_id is not None:
        chosen = chosen.where(EntryRow.actor_id == actor_id)
    if without:
        chosen = chosen.where(EntryRow.action != without)
    if subject:
        chosen = chosen.where(EntryRow.subject == subject)
    if above is not None:
        upwards = chosen.where(EntryRow.seq > above).order_by(EntryRow.seq)
        rows = session.execute(upwards.limit(limit + 1)).all()
        kept = rows[:limit][::-1]
        return Page(tuple(entry_of(row.body) for row in kept), has_older=True, has_newer=len(rows) > limit)
    if below is not None:
        chosen = chosen.where(EntryRow.seq < below)
    rows = session.execute(chosen.order_by(EntryRow.seq.desc()).limit(limit + 1)).all()
    return Page(
        tuple(entry_of(row.body) for row in rows[:limit]),
        has_older=len(rows) > limit,
        has_newer=below is not None,
    )


def size(session: Session, *, tenant_id: TenantId) -> int:
    """Return how many entries a tenant's log has."""
    return session.scalar(select(HeadRow.size).where(HeadRow.tenant_id == tenant_id)) or 0


def entry_of(body: str) -> Entry:
    """Return the entry a body holds.

    Raises:
        ValueError: it is not a body of ours.
    """
    raw = json.loads(body)
    try:
        return Entry(
            raw["seq"],
            dt.datetime.fromisoformat(raw["at"]),
            UUID(raw["actor"]),
            raw["kind"],
            Fact(raw["action"], raw["subject"], raw["purpose"], raw["details"]),
        )
    except (KeyError, TypeError) as error:
        message = "this is no entry of an evidence log"
        raise ValueError(message) from error


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if session.in_nested_transaction() or not (pending := session.info.pop(_PENDING, None)):
        return
    session.flush()
    for _, fact in pending:
        numbered = session.execute(_NUMBER).one()
        at = clock.now()
        body = _body(numbered.tenant_id, numbered.seq, at, numbered.actor_id, numbered.actor_kind, fact)
        session.add(
            EntryRow(
                tenant_id=numbered.tenant_id,
                seq=numbered.seq,
                at=at,
                actor_id=numbered.actor_id,
                actor_kind=numbered.actor_kind,
                action=fact.action,
                subject=fact.subject,
                body=body,
                leaf=merkle.leaf(body.encode()),
            )
        )


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, rolled_back: SessionTransaction) -> None:
    if pending := session.info.get(_PENDING):
        session.info[_PENDING] = [one for one in pending if not _is_within(one[0], rolled_back)]


def _is_within(inner: SessionTransaction | None, outer: SessionTransaction) -> bool:
    if not outer.nested:  # the whole transaction is gone, and all that it did
        return True
    while inner is not None:
        if inner is outer:
            return True
        inner = inner.parent
    return False


def _body(tenant_id: UUID, seq: int, at: dt.datetime, actor_id: UUID, kind: str, fact: Fact) -> str:
    return json.dumps(
        {
            "v": VERSION,
            "tenant": ids.public("ten", tenant_id),
            "seq": seq,
            "at": at.isoformat(),
            "actor": str(actor_id),
            "kind": kind,
            "action": fact.action,
            "subject": fact.subject,
            "purpose": fact.purpose,
            "details": dict(fact.details),
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
