"""Parts of shared calls that were rated again after the other payer's invoice was final: put right at once.

The invoice never changes. What its lines would come to less is given back by a credit note, by the path every
credit note takes; what they would come to more is charged on the next invoice, as a line of its own. Both are
exactly what the line would round to now, less what it rounded to before: what is settled piece by piece comes
to what settling all at once does, and fractions of a minor unit are carried on, never lost.

A decision whose credit note was refused by the second person settled nothing; what contradicts the invoice
after it is laid beside what stood before.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import and_, insert, select
from sqlalchemy.orm import Session

from billing import accounts, credit_notes, decisions, invoices, sharing, tariffs
from billing.bill import Line
from billing.credit_notes import Part
from billing.decisions import Decision, Verdict
from billing.documents.document import CreditNote, InvoiceDocument
from billing.documents.words import WORDS
from billing.errors import SettlementChangedError, UsageDecidedError
from billing.models import (
    LINE_CHARGES,
    CreditNoteRow,
    RatedChargeRow,
    UsageConflictRow,
    UsageDecisionRow,
    UsageEventRow,
)
from billing.rating.rules import Band, Rate, Slot
from billing.rating.tariff import DatedRate, Tariff, encode
from billing.safety import USUAL, Safety
from billing.usage import SHARED_RUN, Usage, charge_values, closed_until, record_event
from core import clock
from core.ids import TenantId, UserId, new_id
from core.money import NANO, exponent, nano_to_minor

_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Move:
    """What is put right of one line: minor units before tax, negative ones are given back."""

    line_no: int
    minor: int
    parts: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """What settling all that contradicts an invoice would do, line by line."""

    invoice_id: UUID
    number: str
    currency: str
    moves: tuple[Move, ...]

    @property
    def parts(self) -> int:
        """How many parts are settled."""
        return sum(one.parts for one in self.moves)

    @property
    def credit_minor(self) -> int:
        """What is given back, before tax."""
        return -sum(min(one.minor, 0) for one in self.moves)

    @property
    def charge_minor(self) -> int:
        """What is charged on the next invoice, before tax."""
        return sum(max(one.minor, 0) for one in self.moves)

    @property
    def key(self) -> str:
        """What somebody agreed to who saw it: another one has another key."""
        return "/".join(f"{one.line_no}:{one.minor}:{one.parts}" for one in self.moves)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done: the credit note, if anything was given back, and how much is charged anew."""

    note: CreditNote | None
    charge_minor: int
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What waits of one part: where it stands, what it comes to by now, and what was settled before."""

    line_no: int
    settled_nano: int
    differs_nano: int
    reports: Sequence[UsageConflictRow]


def propose(session: Session, *, tenant_id: TenantId, conflict_id: UUID) -> Proposal | None:
    """Return what would settle the invoice that a contradicting part is on; None: there is nothing to settle.

    Raises:
        UsageConflictNotFoundError: no such conflict of this company.
    """
    found = decisions.compare(session, tenant_id=tenant_id, conflict_id=conflict_id)
    if found.source != sharing.SOURCE or found.decision or found.invoice_state != "finalised":
        return None
    assert found.invoice_id is not None  # noqa: S101 - it has a state
    invoice = invoices.find(session, tenant_id=tenant_id, invoice_id=found.invoice_id)
    waiting = list(_waiting(session, tenant_id, found.invoice_id))
    if not any(conflict_id == report.id for one in waiting for report in one.reports):
        return None  # it says no amount: kept before such reports said one
    return _proposal(invoice, waiting)


def settle(
    session: Session,
    *,
    tenant_id: TenantId,
    conflict_id: UUID,
    key: str,
    reason: str,
    by: UserId,
    safety: Safety = USUAL,
) -> Settled:
    """Put right all that contradicts the invoice a part is on.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        conflict_id: one of the contradicting parts.
        key: of the proposal that was seen.
        reason: 1 to 400 signs; it stands with the decisions and on the credit note.
        by: who decides.
        safety: says above what somebody else has to decide about the credit note.

    Raises:
        UsageConflictNotFoundError: no such conflict of this company.
        UsageDecidedError: somebody has decided already, or there is nothing to settle.
        SettlementChangedError: it would do something else by now.
        DecisionReasonError: no reason, or too long a one.
        CreditTooLargeError: so much was given back of a line by hand that it does not leave this.
    """
    reason = decisions.checked(reason)
    account = accounts.lock(session, tenant_id=tenant_id)  # nobody finalises or rates meanwhile
    proposal = propose(session, tenant_id=tenant_id, conflict_id=conflict_id)
    if proposal is None:
        raise UsageDecidedError
    if proposal.key != key:
        raise SettlementChangedError
    invoice = invoices.find(session, tenant_id=tenant_id, invoice_id=proposal.invoice_id)
    waiting = list(_waiting(session, tenant_id, proposal.invoice_id))
    back = [Part(one.line_no, -one.minor) for one in proposal.moves if one.minor < 0]
    note = None
    if back:
        note = credit_notes.ask(
            session,
            tenant_id=tenant_id,
            invoice_id=proposal.invoice_id,
            parts=back,
            reason=reason,
            by=by,
            safety=safety,
        )
    charged = {
        one.line_no: _charge(
            session,
            tenant_id,
            invoice,
            one,
            [report for part in waiting if part.line_no == one.line_no for report in part.reports],
            zone=account.zone,
        )
        for one in proposal.moves
        if one.minor > 0
    }
    credited = {part.line_no for part in back}
    made = tuple(
        decisions.settled(
            session,
            conflict=report,
            reason=reason,
            by=by,
            credit_note_id=note.credit_note_id if note and part.line_no in credited else None,
            usage_id=charged.get(part.line_no),
        )
        for part in waiting
        for report in part.reports
    )
    return Settled(note, proposal.charge_minor, made)


def _proposal(invoice: InvoiceDocument, waiting: Sequence[_Waiting]) -> Proposal | None:
    settled: defaultdict[int, int] = defaultdict(int)
    differs: defaultdict[int, int] = defaultdict(int)
    parts: defaultdict[int, int] = defaultdict(int)
    for one in waiting:
        settled[one.line_no] += one.settled_nano
        differs[one.line_no] += one.differs_nano
        parts[one.line_no] += bool(one.reports)
    currency = invoice.bill.currency
    moves = []
    for line in invoice.bill.lines:
        if not parts[line.line_no]:
            continue
        before = line.amount_nano + settled[line.line_no]
        minor = nano_to_minor(before + differs[line.line_no], currency=currency) - nano_to_minor(
            before, currency=currency
        )
        moves.append(Move(line.line_no, minor, parts[line.line_no]))
    return Proposal(invoice.invoice_id, invoice.number or "", currency, tuple(moves)) if moves else None


def _waiting(session: Session, tenant_id: TenantId, invoice_id: UUID) -> Iterator[_Waiting]:
    """Yield each part on an invoice that was contradicted, with the reports nobody has decided about."""
    rows = session.execute(
        select(
            UsageConflictRow,
            RatedChargeRow.amount_nano,
            LINE_CHARGES.c.line_no,
            UsageDecisionRow.verdict,
            CreditNoteRow.state,
        )
        .join(
            UsageEventRow,
            and_(
                UsageEventRow.tenant_id == UsageConflictRow.tenant_id,
                UsageEventRow.source == UsageConflictRow.source,
                UsageEventRow.event_id == UsageConflictRow.event_id,
            ),
        )
        .join(
            RatedChargeRow,
            and_(
                RatedChargeRow.tenant_id == UsageEventRow.tenant_id,
                RatedChargeRow.usage_id == UsageEventRow.id,
                RatedChargeRow.charge_run == SHARED_RUN,
                RatedChargeRow.superseded_by.is_(None),
            ),
        )
        .join(
            LINE_CHARGES,
            and_(
                LINE_CHARGES.c.tenant_id == RatedChargeRow.tenant_id,
                LINE_CHARGES.c.rated_charge_id == RatedChargeRow.id,
            ),
        )
        .outerjoin(
            UsageDecisionRow,
            and_(
                UsageDecisionRow.tenant_id == UsageConflictRow.tenant_id,
                UsageDecisionRow.id == UsageConflictRow.id,
            ),
        )
        .outerjoin(
            CreditNoteRow,
            and_(
                CreditNoteRow.tenant_id == UsageDecisionRow.tenant_id,
                CreditNoteRow.id == UsageDecisionRow.credit_note_id,
            ),
        )
        .where(
            UsageConflictRow.tenant_id == tenant_id,
            UsageConflictRow.source == sharing.SOURCE,
            LINE_CHARGES.c.invoice_id == invoice_id,
        )
        .order_by(UsageConflictRow.event_id, UsageConflictRow.received_at, UsageConflictRow.id)
    )
    of_event: dict[str, list[tuple[UsageConflictRow, int, int, str | None, str | None]]] = {}
    for conflict, amount, line_no, verdict, state in rows:
        if sharing.said_nano(conflict) is not None:
            of_event.setdefault(conflict.event_id, []).append((conflict, amount, line_no, verdict, state))
    for reports in of_event.values():
        billed, line_no = reports[0][1], reports[0][2]
        now = billed
        for conflict, _, _, verdict, state in reports:
            if verdict == Verdict.SETTLE and state != "refused":
                now = sharing.said_nano(conflict) or 0
        left = [conflict for conflict, _, _, verdict, _ in reports if verdict is None]
        latest = (sharing.said_nano(left[-1]) or 0) if left else now
        yield _Waiting(line_no, now - billed, latest - now, left)


def _charge(
    session: Session,
    tenant_id: TenantId,
    invoice: InvoiceDocument,
    move: Move,
    reports: Sequence[UsageConflictRow],
    *,
    zone: str,
) -> UUID:
    """Charge what a line grew by, on the next invoice; return the usage it stands in."""
    line = next(one for one in invoice.bill.lines if one.line_no == move.line_no)
    last = reports[-1]
    began = dt.datetime.fromisoformat(last.payload["occurred_at"])
    use = Usage(
        source=decisions.SOURCE,
        event_id=f"{sharing.SOURCE}/{invoice.invoice_id}/{move.line_no}/{last.id}",
        meter=line.meter,
        subject_ref=UUID(last.payload["subject_ref"]),
        occurred_at=began,
        ended_at=began + _SECOND,
        quantity_ms=1000,
        prefix=last.payload["prefix"],
    )
    nano = move.minor * NANO // 10 ** exponent(invoice.bill.currency)
    whose = tariffs.timeline(session, tenant_id=tenant_id).by_id[line.tariff_id].tariff.split
    assert whose is not None  # noqa: S101 - it is a line of a part
    content = encode(
        replace(
            _prices(line, invoice, prefix=use.prefix, nano=nano, zone=zone),
            split=replace(whose, shares=()),  # another company's calls, and nothing of this left to share
        )
    )
    by = tariffs.keep_extract(session, tenant_id=tenant_id, content=content, start=began)
    usage_id = new_id()
    row = charge_values(
        by,
        charge_id=new_id(),
        usage_id=usage_id,
        meter=use.meter,
        prefix=use.prefix,
        quantity_ms=use.quantity_ms,
        occurred_at=began,
        ended_at=use.ended_at,
        zone="",
        closed_until=closed_until(session, tenant_id=tenant_id),
    )
    record_event(session, tenant_id=tenant_id, usage=use, usage_id=usage_id)
    row["charge_run"] = SHARED_RUN  # it is not rated again with the company's own calls
    session.execute(insert(RatedChargeRow).values(tenant_id=tenant_id, rated_at=clock.now(), **row))
    return usage_id


def _prices(line: Line, invoice: InvoiceDocument, *, prefix: str, nano: int, zone: str) -> Tariff:
    """Return the price of exactly the difference; its name says of which invoice, on every paper."""
    names = {
        language: words["rated_again"].format(
            name=line.names.get(language) or line.names.get("en") or line.destination, number=invoice.number
        )
        for language, words in WORDS.items()
    }
    return Tariff(
        price_list=line.price_list,
        version=line.version,
        currency=invoice.bill.currency,
        zone=zone,
        destinations={line.destination: names},
        rates=(DatedRate(line.meter, prefix, line.destination, Rate((Band((Slot(0, 0),), connect=nano),))),),
    )
