"""What a person decides about usage that could not be taken as it came, and why.

A report that contradicts an earlier one under the same key waits as a conflict: somebody takes the new one
over or keeps the old. A row that cannot be usage is thrown away, or corrected and billed. No such row is
ever changed or removed; the decision is a row of its own, made once, with who made it.

To take a report over is new usage under a key of its own, because what was recorded first never changes. Its
charge supersedes the one that stood, in the same transaction: at every instant exactly one of them is billed.
What is on a finalised invoice cannot be superseded; a part of a shared call that is on one is settled beside
it (`billing.settling`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import accounts, tariffs
from billing.errors import (
    DecisionReasonError,
    UsageBilledError,
    UsageConflictNotFoundError,
    UsageDecidedError,
)
from billing.models import (
    LINE_CHARGES,
    CreditNoteRow,
    InvoiceRow,
    RatedChargeRow,
    UsageConflictRow,
    UsageDecisionRow,
    UsageEventRow,
    UsageRejectRow,
)
from billing.rating.rules import Outcome
from billing.usage import (
    SERVICE_RUN,
    SHARED_RUN,
    Usage,
    charge_values,
    closed_until,
    record,
    tell_payers,
)
from core import clock
from core.ids import TenantId, new_id
from security import evidence

SOURCE = "decided"
"""The source of usage that a person has taken over: sums over what telephony, rentals and agents reported
themselves do not count it a second time."""
_LONGEST_REASON = 400


class Verdict(StrEnum):
    """What was decided."""

    TAKE_NEW = "take-new"
    KEEP_OLD = "keep-old"
    THROW_AWAY = "throw-away"
    CORRECT = "correct"
    SETTLE = "settle"


_EVIDENCE = {
    Verdict.TAKE_NEW: ("con", "taken-over"),
    Verdict.KEEP_OLD: ("con", "kept"),
    Verdict.THROW_AWAY: ("rej", "thrown-away"),
    Verdict.CORRECT: ("rej", "corrected"),
    Verdict.SETTLE: ("con", "settled"),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided what about a conflict or a rejected row, and why."""

    about_id: UUID
    source: str
    event_id: str
    verdict: Verdict
    reason: str
    decided_by: UUID
    decided_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Report:
    """One of two contradicting reports, and what rating makes of it; amounts in nano-units."""

    meter: str
    subject_ref: UUID
    occurred_at: dt.datetime
    ended_at: dt.datetime
    quantity_ms: int
    prefix: str
    outcome: str
    reason: str
    amount_nano: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A conflict: what stands, what came later, and where the standing charge is.

    Attributes:
        conflict_id: of the later report.
        source: who reported both.
        event_id: the key they share at the source.
        received_at: when the later one came.
        old: what is billed until somebody decides; afterwards what was billed then or is billed still.
        new: what came later, at the prices of its day.
        invoice_id: the invoice on which the standing charge is, or None.
        invoice_state: `draft`, `finalised`, or empty.
        decision: None while nobody has decided.
        credit_state: of the credit note that it was settled by: `issued`, `waiting`, `refused`, or empty.
    """

    conflict_id: UUID
    source: str
    event_id: str
    received_at: dt.datetime
    old: Report
    new: Report
    invoice_id: UUID | None
    invoice_state: str
    decision: Decision | None
    credit_state: str

    @property
    def difference_nano(self) -> int | None:
        """What the new report adds to the bill, or takes off it; None when either has no price."""
        if self.old.amount_nano is None or self.new.amount_nano is None:
            return None
        return self.new.amount_nano - self.old.amount_nano


def compare(session: Session, *, tenant_id: TenantId, conflict_id: UUID) -> Comparison:
    """Return both reports of a conflict, side by side.

    Raises:
        UsageConflictNotFoundError: no such conflict of this company.
    """
    conflict = _conflict(session, tenant_id, conflict_id)
    found = session.get(UsageDecisionRow, (tenant_id, conflict_id))
    if found is not None and found.superseded_charge_id is not None:
        charge = session.get_one(RatedChargeRow, (tenant_id, found.superseded_charge_id))
    else:
        charge = _standing(session, tenant_id, conflict)
    event = session.get_one(UsageEventRow, (tenant_id, charge.usage_id))
    invoice = _invoice_of(session, charge)
    return Comparison(
        conflict_id=conflict_id,
        source=conflict.source,
        event_id=conflict.event_id,
        received_at=conflict.received_at,
        old=Report(
            meter=event.meter,
            subject_ref=event.subject_ref,
            occurred_at=event.occurred_at,
            ended_at=event.ended_at,
            quantity_ms=event.quantity_ms,
            prefix=event.prefix,
            outcome=charge.outcome,
            reason=charge.reason,
            amount_nano=charge.amount_nano,
            currency=charge.currency,
        ),
        new=_report(session, tenant_id, conflict),
        invoice_id=invoice.id if invoice else None,
        invoice_state=invoice.state if invoice else "",
        decision=_decision(found) if found else None,
        credit_state=_credit_state(session, found),
    )


def decide(
    session: Session, *, tenant_id: TenantId, conflict_id: UUID, verdict: Verdict, reason: str, by: UUID
) -> Decision:
    """Take the later report over, or keep the one that stands.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        conflict_id: of the later report.
        verdict: `TAKE_NEW` or `KEEP_OLD`.
        reason: 1 to 400 signs, without anything personal.
        by: who decides.

    Raises:
        UsageConflictNotFoundError: no such conflict of this company.
        UsageDecidedError: somebody has decided already.
        UsageBilledError: the standing report is on a finalised invoice, so the new one cannot replace it.
        DecisionReasonError: no reason, or too long a one.
    """
    account = accounts.lock(session, tenant_id=tenant_id)  # nobody finalises an invoice meanwhile
    conflict = _conflict(session, tenant_id, conflict_id)
    row = UsageDecisionRow(
        tenant_id=tenant_id,
        id=conflict_id,
        source=conflict.source,
        event_id=conflict.event_id,
        verdict=verdict.value,
        reason=checked(reason),
        decided_by=by,
        decided_at=clock.now(),
    )
    if session.get(UsageDecisionRow, (tenant_id, conflict_id)) is not None:
        raise UsageDecidedError
    if verdict is Verdict.TAKE_NEW:
        standing = _standing(session, tenant_id, conflict)
        invoice = _invoice_of(session, standing)
        if invoice is not None and invoice.state != "draft":
            raise UsageBilledError(number=invoice.number)
        row.superseded_charge_id = standing.id
        row.usage_id = _take_over(session, tenant_id, conflict, standing, zone=account.zone)
    _write(session, row)
    return _decision(row)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a rejected row should have said; `prefix` is the number without its last four digits."""

    meter: str
    occurred_at: dt.datetime
    quantity_ms: int
    prefix: str = ""


def correct(
    session: Session, *, tenant_id: TenantId, reject_id: UUID, correction: Correction, reason: str, by: UUID
) -> Decision:
    """Record what a rejected row should have said as usage, rated at the prices of its day.

    It is usage of our own source under the row's key: a second correction of it, or the source's own report
    at last, bills nothing twice without somebody seeing both.

    Raises:
        UsageConflictNotFoundError: no such row of this company.
        UsageDecidedError: somebody has decided already.
        UsageInvalidError: what is said now cannot be usage either.
        DecisionReasonError: no reason, or too long a one.
    """
    accounts.lock(session, tenant_id=tenant_id)  # nobody finalises an invoice meanwhile
    rejected = _rejected(session, tenant_id, reject_id)
    if session.get(UsageDecisionRow, (tenant_id, reject_id)) is not None:
        raise UsageDecidedError
    why = checked(reason)
    used = Usage(
        source=SOURCE,
        event_id=f"{rejected.source}/{rejected.event_id}/{rejected.id}",
        meter=correction.meter,
        subject_ref=rejected.id,
        occurred_at=correction.occurred_at,
        ended_at=correction.occurred_at + dt.timedelta(milliseconds=max(0, correction.quantity_ms)),
        quantity_ms=correction.quantity_ms,
        prefix=correction.prefix,
    )
    recorded = record(session, tenant_id=tenant_id, usage=used)
    row = _row_of(rejected, Verdict.CORRECT, why, by)
    row.usage_id = recorded.usage_id
    _write(session, row)
    return _decision(row)


def throw_away(session: Session, *, tenant_id: TenantId, reject_id: UUID, reason: str, by: UUID) -> Decision:
    """Note that a row which cannot be usage needs nobody any more.

    Raises:
        UsageConflictNotFoundError: no such row of this company.
        UsageDecidedError: somebody has decided already.
        DecisionReasonError: no reason, or too long a one.
    """
    rejected = _rejected(session, tenant_id, reject_id)
    row = _row_of(rejected, Verdict.THROW_AWAY, checked(reason), by)
    _write(session, row)
    return _decision(row)


def checked(text: str) -> str:
    """Return a reason as it is kept.

    Raises:
        DecisionReasonError: none, or too long a one.
    """
    reason = text.strip()
    if not 0 < len(reason) <= _LONGEST_REASON or not reason.isprintable():
        raise DecisionReasonError
    return reason


def settled(
    session: Session,
    *,
    conflict: UsageConflictRow,
    reason: str,
    by: UUID,
    credit_note_id: UUID | None,
    usage_id: UUID | None,
) -> Decision:
    """Note that a contradicting part was put right beside the invoice it is on (`billing.settling`).

    Raises:
        DecisionReasonError: no reason, or too long a one.
        UsageDecidedError: somebody has decided already.
    """
    row = UsageDecisionRow(
        tenant_id=conflict.tenant_id,
        id=conflict.id,
        source=conflict.source,
        event_id=conflict.event_id,
        verdict=Verdict.SETTLE.value,
        reason=checked(reason),
        decided_by=by,
        decided_at=clock.now(),
        credit_note_id=credit_note_id,
        usage_id=usage_id,
    )
    _write(session, row)
    return _decision(row)


def decided(session: Session, *, tenant_id: TenantId, limit: int = 20) -> Sequence[Decision]:
    """Return the latest decisions."""
    rows = session.scalars(
        select(UsageDecisionRow)
        .where(UsageDecisionRow.tenant_id == tenant_id)
        .order_by(UsageDecisionRow.decided_at.desc(), UsageDecisionRow.id.desc())
        .limit(limit)
    )
    return [_decision(row) for row in rows]


def _take_over(
    session: Session, tenant_id: TenantId, conflict: UsageConflictRow, standing: RatedChargeRow, *, zone: str
) -> UUID:
    """Record the later report as usage, rated, in place of the charge that stands; return its id."""
    said, usage_id, charge_id = _said(conflict.payload), new_id(), new_id()
    session.execute(
        insert(UsageEventRow).values(
            tenant_id=tenant_id,
            id=usage_id,
            source=SOURCE,
            event_id=f"{conflict.source}/{conflict.event_id}/{conflict.id}",
            **said,
            payload_sha256=conflict.payload_sha256,
            received_at=clock.now(),
        )
    )
    session.execute(
        update(RatedChargeRow)
        .where(RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.id == standing.id)
        .values(superseded_by=charge_id)
    )
    fresh = _rated(session, tenant_id, said, charge_id=charge_id, usage_id=usage_id, zone=zone)
    session.execute(insert(RatedChargeRow).values(tenant_id=tenant_id, rated_at=clock.now(), **fresh))
    if tariffs.timeline(session, tenant_id=tenant_id).shares_calls:
        tell_payers(session, tenant_id=tenant_id, charge_ids=[charge_id])
    return usage_id


def _report(session: Session, tenant_id: TenantId, conflict: UsageConflictRow) -> Report:
    said = _said(conflict.payload)
    if conflict.payload.get("amount_nano") is not None:
        # a part of another company's call, by prices of its own
        return Report(
            meter=said["meter"],
            subject_ref=said["subject_ref"],
            occurred_at=said["occurred_at"],
            ended_at=said["ended_at"],
            quantity_ms=said["quantity_ms"],
            prefix=said["prefix"],
            outcome=Outcome.RATED.value,
            reason="",
            amount_nano=conflict.payload["amount_nano"],
            currency=accounts.find(session, tenant_id=tenant_id).currency,
        )
    zone = accounts.find(session, tenant_id=tenant_id).zone
    rated = _rated(session, tenant_id, said, charge_id=new_id(), usage_id=new_id(), zone=zone)
    return Report(
        meter=said["meter"],
        subject_ref=said["subject_ref"],
        occurred_at=said["occurred_at"],
        ended_at=said["ended_at"],
        quantity_ms=said["quantity_ms"],
        prefix=said["prefix"],
        outcome=rated["outcome"],
        reason=rated["reason"],
        amount_nano=rated["amount_nano"],
        currency=rated["currency"],
    )


def _rated(
    session: Session,
    tenant_id: TenantId,
    said: Mapping[str, Any],
    *,
    charge_id: UUID,
    usage_id: UUID,
    zone: str,
) -> dict[str, Any]:
    return charge_values(
        tariffs.in_force(session, tenant_id=tenant_id, at=said["occurred_at"]),
        charge_id=charge_id,
        usage_id=usage_id,
        meter=said["meter"],
        prefix=said["prefix"],
        quantity_ms=said["quantity_ms"],
        occurred_at=said["occurred_at"],
        ended_at=said["ended_at"],
        zone=zone,
        closed_until=closed_until(session, tenant_id=tenant_id),
    )


def _said(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kept report as columns; kept singly it names nobody by an empty text, in bulk by null."""
    return {
        "meter": payload["meter"],
        "subject_ref": UUID(payload["subject_ref"]),
        "occurred_at": dt.datetime.fromisoformat(payload["occurred_at"]),
        "ended_at": dt.datetime.fromisoformat(payload["ended_at"]),
        "quantity_ms": payload["quantity_ms"],
        "prefix": payload["prefix"],
        "number_id": UUID(payload["number_id"]) if payload["number_id"] else None,
        "agent_ref": UUID(payload["agent_ref"]) if payload["agent_ref"] else None,
        "campaign_ref": UUID(payload["campaign_ref"]) if payload.get("campaign_ref") else None,
    }


def _standing(session: Session, tenant_id: TenantId, conflict: UsageConflictRow) -> RatedChargeRow:
    """Return the charge that stands for a key: of the first report, or of the one taken over last."""
    taken = select(UsageDecisionRow.usage_id).where(
        UsageDecisionRow.tenant_id == tenant_id,
        UsageDecisionRow.source == conflict.source,
        UsageDecisionRow.event_id == conflict.event_id,
        UsageDecisionRow.usage_id.is_not(None),
        UsageDecisionRow.verdict != Verdict.SETTLE.value,  # that one is charged besides, not in its place
    )
    return session.scalars(
        select(RatedChargeRow)
        .join(
            UsageEventRow,
            (UsageEventRow.tenant_id == RatedChargeRow.tenant_id)
            & (UsageEventRow.id == RatedChargeRow.usage_id),
        )
        .where(
            RatedChargeRow.tenant_id == tenant_id,
            RatedChargeRow.charge_run.in_((SERVICE_RUN, SHARED_RUN)),
            RatedChargeRow.superseded_by.is_(None),
            or_(
                (UsageEventRow.source == conflict.source) & (UsageEventRow.event_id == conflict.event_id),
                UsageEventRow.id.in_(taken),
            ),
        )
        .execution_options(populate_existing=True)
    ).one()


def _credit_state(session: Session, found: UsageDecisionRow | None) -> str:
    if found is None or found.credit_note_id is None:
        return ""
    return session.get_one(CreditNoteRow, (found.tenant_id, found.credit_note_id)).state


def _invoice_of(session: Session, charge: RatedChargeRow) -> InvoiceRow | None:
    return session.scalars(
        select(InvoiceRow)
        .join(
            LINE_CHARGES,
            (LINE_CHARGES.c.tenant_id == InvoiceRow.tenant_id) & (LINE_CHARGES.c.invoice_id == InvoiceRow.id),
        )
        .where(
            LINE_CHARGES.c.tenant_id == charge.tenant_id,
            LINE_CHARGES.c.rated_charge_id == charge.id,
        )
    ).one_or_none()


def _conflict(session: Session, tenant_id: TenantId, conflict_id: UUID) -> UsageConflictRow:
    found = session.get(UsageConflictRow, (tenant_id, conflict_id))
    if found is None:
        raise UsageConflictNotFoundError
    return found


def _rejected(session: Session, tenant_id: TenantId, reject_id: UUID) -> UsageRejectRow:
    found = session.get(UsageRejectRow, (tenant_id, reject_id))
    if found is None:
        raise UsageConflictNotFoundError
    return found


def _row_of(rejected: UsageRejectRow, verdict: Verdict, reason: str, by: UUID) -> UsageDecisionRow:
    return UsageDecisionRow(
        tenant_id=rejected.tenant_id,
        id=rejected.id,
        source=rejected.source,
        event_id=rejected.event_id,
        verdict=verdict.value,
        reason=reason,
        decided_by=by,
        decided_at=clock.now(),
    )


def _write(session: Session, row: UsageDecisionRow) -> None:
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise UsageDecidedError from error
    kind, done = _EVIDENCE[Verdict(row.verdict)]
    evidence.record(session, f"usage.{done}", kind, row.id)


def _decision(row: UsageDecisionRow) -> Decision:
    return Decision(
        row.id, row.source, row.event_id, Verdict(row.verdict), row.reason, row.decided_by, row.decided_at
    )
