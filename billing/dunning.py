"""Dunning: reminders of invoices that are late, then no more spending; ended in the moment they are paid.

Steps are days after an invoice was due. Each is taken once for an invoice, in order, and never closer to the
one before than the settings put them: after nights without a run nobody is reminded and suspended at once.
What is in dispute is not asked for, nor what is on its way. Suspending is a credit hold of our own: calls out
and renting stop, calls under way and calls in go on. A person may put a company or an invoice off, or skip a
step, with a reason. Who is written to, and what, is decided above (`wiring.dunning`).
"""

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import accounts, credit, disputes, invoices, periods
from billing.credit import Cause
from billing.errors import DunningPauseNotFoundError, DunningReasonError, DunningStepsError
from billing.models import DunningPauseRow, DunningSettingsRow, DunningStepRow
from billing.payments import attempts
from billing.payments.standing import Paid
from core import clock
from core.ids import OPERATOR, InvoiceId, TenantId, new_id
from security import evidence

_LONGEST_REASON = 200
_MOST_STEPS, _MOST_DAYS = 8, 365


class Deed(StrEnum):
    """What a step does."""

    REMIND = "remind"
    WARN = "warn"  # the last reminder: says when calls out will stop
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done so many days after an invoice was due."""

    days: int
    deed: Deed


DEFAULT = (Step(3, Deed.REMIND), Step(10, Deed.REMIND), Step(17, Deed.WARN), Step(24, Deed.SUSPEND))


@dataclass(frozen=True, slots=True)
class Settings:
    """A company's steps; `is_own`: set for it, else everybody's."""

    steps: tuple[Step, ...]
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A step that was taken of an invoice, or skipped: `reason` and `by` say why and by whom."""

    invoice_id: InvoiceId
    n: int
    deed: Deed
    taken_on: dt.date
    due_minor: int
    is_skipped: bool
    reason: str
    by: UUID | None


@dataclass(frozen=True, slots=True)
class Pause:
    """A company, or one invoice of it, that is left alone until a day, that day included, or until lifted."""

    pause_id: UUID
    invoice_id: InvoiceId | None
    reason: str
    until_on: dt.date | None
    placed_by: UUID
    placed_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An invoice that is late.

    Attributes:
        due_minor: what is open on it.
        asked_minor: what of that is asked for: without what is disputed.
        is_under_way: a payment of it is on its way.
        taken: the steps so far.
        pause: why it is left alone, if it is.
        next_n: the place of the step that comes next, None when all were taken.
        next_on: the first day on which that may be.
    """

    invoice_id: InvoiceId
    number: str
    due_on: dt.date
    days_late: int
    currency: str
    due_minor: int
    asked_minor: int
    is_under_way: bool
    taken: tuple[Taken, ...]
    pause: Pause | None
    next_n: int | None
    next_on: dt.date | None

    @property
    def is_asked_for(self) -> bool:
        """Whether anything of it may be asked for today."""
        return self.asked_minor > 0 and not self.is_under_way and self.pause is None

    @property
    def is_suspending(self) -> bool:
        """Whether it is a reason to keep the company from spending."""
        is_taken = any(one.deed is Deed.SUSPEND and not one.is_skipped for one in self.taken)
        return is_taken and self.asked_minor > 0 and self.pause is None


def settings(session: Session, *, tenant_id: TenantId) -> Settings:
    """Return a company's steps."""
    row = session.get(DunningSettingsRow, (tenant_id,), populate_existing=True)
    if row is None:
        return Settings(DEFAULT, is_own=False)
    return Settings(tuple(Step(one["days"], Deed(one["deed"])) for one in row.steps), is_own=True)


def set_steps(session: Session, *, tenant_id: TenantId, steps: Sequence[Step] | None) -> Settings:
    """Set a company's steps: none of them: it is never dunned; None: everybody's again.

    Raises:
        DunningStepsError: days that do not rise, more than eight steps, or something after suspending.
    """
    before = session.get(DunningSettingsRow, (tenant_id,), with_for_update=True, populate_existing=True)
    if steps is None:
        if before is not None:
            session.delete(before)
            session.flush()
    else:
        _check(steps)
        value = [{"days": one.days, "deed": one.deed.value} for one in steps]
        row = insert(DunningSettingsRow).values(tenant_id=tenant_id, steps=value, changed_at=clock.now())
        session.execute(
            row.on_conflict_do_update(
                index_elements=["tenant_id"], set_={"steps": value, "changed_at": clock.now()}
            )
        )
    now = "" if steps is None else " ".join(f"{one.days}:{one.deed.value}" for one in steps)
    evidence.record(session, "dunning.steps-set", "ten", tenant_id, now=now)
    return settings(session, tenant_id=tenant_id)


def cases(session: Session, *, tenant_id: TenantId) -> tuple[Case, ...]:
    """Return the invoices of a company that are late, the latest first.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    today = periods.day_of(clock.now(), zone=account.zone)
    steps = settings(session, tenant_id=tenant_id).steps
    every = invoices.every(session, tenant_id=tenant_id)
    stands = attempts.standings(session, tenant_id=tenant_id, these=every, zone=account.zone)
    late = [one for one in every if one.invoice_id in stands and stands[one.invoice_id].is_overdue]
    if not late:
        return ()
    taken = _taken(session, tenant_id)
    disputed = _disputed(session, tenant_id)
    pauses = paused(session, tenant_id=tenant_id, on=today)
    found = []
    for one in late:
        assert one.due_on is not None  # noqa: S101 - only what has a day can be late
        stand, before = stands[one.invoice_id], taken.get(one.invoice_id, ())
        next_n = next((n for n in range(len(steps)) if n not in {each.n for each in before}), None)
        found.append(
            Case(
                invoice_id=one.invoice_id,
                number=one.number or "",
                due_on=one.due_on,
                days_late=(today - one.due_on).days,
                currency=one.currency,
                due_minor=stand.due_minor,
                asked_minor=max(0, stand.due_minor - disputed.get(one.invoice_id, 0)),
                is_under_way=stand.state is Paid.PROCESSING,
                taken=before,
                pause=next((each for each in pauses if each.invoice_id in {None, one.invoice_id}), None),
                next_n=next_n,
                next_on=None if next_n is None else _next_on(steps, next_n, one.due_on, before),
            )
        )
    return tuple(sorted(found, key=lambda one: one.due_on))


def due(session: Session, *, tenant_id: TenantId) -> tuple[tuple[Case, Step], ...]:
    """Return the steps that are to be taken today, one for an invoice at most."""
    steps = settings(session, tenant_id=tenant_id).steps
    every = cases(session, tenant_id=tenant_id)
    today = periods.day_of(clock.now(), zone=accounts.find(session, tenant_id=tenant_id).zone)
    return tuple(
        (one, steps[one.next_n])
        for one in every
        if one.is_asked_for and one.next_n is not None and one.next_on is not None and one.next_on <= today
    )


def take(session: Session, *, tenant_id: TenantId, case: Case, step: Step) -> bool:
    """Take the next step of an invoice, once; return False when another run was faster.

    What it means beyond us, the letter, is to be done in the same transaction.
    """
    if not _write(session, tenant_id, case, step.deed, reason="", by=None):
        return False
    evidence.record(
        session, f"dunning.{_PAST[step.deed]}", "inv", case.invoice_id, number=case.number,
        total_minor=case.asked_minor,
    )  # fmt: skip
    if step.deed is Deed.SUSPEND:
        reason = f"{case.number}: {case.days_late}"
        credit.hold(session, tenant_id=tenant_id, reason=reason, by=OPERATOR, cause=Cause.DUNNING)
    return True


def skip(session: Session, *, tenant_id: TenantId, invoice_id: UUID, reason: str, by: UUID) -> bool:
    """Leave out the next step of an invoice; return False when there is none.

    Raises:
        DunningReasonError: no reason, or one over 200 signs.
    """
    reason = _said(reason)
    case = next((one for one in cases(session, tenant_id=tenant_id) if one.invoice_id == invoice_id), None)
    if case is None or case.next_n is None:
        return False
    deed = settings(session, tenant_id=tenant_id).steps[case.next_n].deed
    if not _write(session, tenant_id, case, deed, reason=reason, by=by):
        return False
    evidence.record(session, "dunning.skipped", "inv", case.invoice_id, number=case.number)
    return True


def pause(
    session: Session,
    *,
    tenant_id: TenantId,
    reason: str,
    by: UUID,
    invoice_id: UUID | None = None,
    until_on: dt.date | None = None,
) -> Pause:
    """Leave a company alone, or one invoice of it; a suspension that rested on it ends.

    Raises:
        InvoiceNotFoundError: no such invoice.
        DunningReasonError: no reason, or one over 200 signs.
    """
    if invoice_id is not None:
        invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    row = DunningPauseRow(
        tenant_id=tenant_id,
        id=new_id(),
        invoice_id=invoice_id,
        reason=_said(reason),
        until_on=until_on,
        placed_by=by,
        placed_at=clock.now(),
    )
    session.add(row)
    session.flush()
    evidence.record(session, "dunning.paused", *_about(tenant_id, invoice_id))
    resume(session, tenant_id=tenant_id)
    return _pause(row)


def go_on(session: Session, *, tenant_id: TenantId, pause_id: UUID, by: UUID) -> None:
    """End a pause.

    Raises:
        DunningPauseNotFoundError: there is none, or it is over.
    """
    row = session.get(DunningPauseRow, (tenant_id, pause_id), with_for_update=True, populate_existing=True)
    if row is None or row.lifted_at is not None:
        raise DunningPauseNotFoundError
    row.lifted_at, row.lifted_by = clock.now(), by
    session.flush()
    evidence.record(session, "dunning.went-on", *_about(tenant_id, row.invoice_id))


def paused(session: Session, *, tenant_id: TenantId, on: dt.date) -> tuple[Pause, ...]:
    """Return the pauses that hold on a day, those of single invoices first."""
    rows = session.scalars(
        select(DunningPauseRow)
        .where(
            DunningPauseRow.tenant_id == tenant_id,
            DunningPauseRow.lifted_at.is_(None),
            or_(DunningPauseRow.until_on.is_(None), DunningPauseRow.until_on >= on),
        )
        .order_by(DunningPauseRow.invoice_id.nulls_last(), DunningPauseRow.id)
    )
    return tuple(_pause(row) for row in rows)


def resume(session: Session, *, tenant_id: TenantId) -> bool:
    """End our own suspension when no invoice is a reason for it any more; return whether one ended.

    A hold that a person placed stays.
    """
    held = credit.held(session, tenant_id=tenant_id)
    if held is None or held.cause is not Cause.DUNNING:
        return False
    if any(one.is_suspending for one in cases(session, tenant_id=tenant_id)):
        return False
    return credit.release(session, tenant_id=tenant_id, by=OPERATOR)


_PAST = {Deed.REMIND: "reminded", Deed.WARN: "warned", Deed.SUSPEND: "suspended"}


def _next_on(steps: Sequence[Step], n: int, due_on: dt.date, before: Sequence[Taken]) -> dt.date:
    """Return the first day for a step: its own, and as long after the last one as the settings have it."""
    on = due_on + dt.timedelta(days=steps[n].days)
    if n and before:
        apart = dt.timedelta(days=steps[n].days - steps[n - 1].days)
        on = max(on, max(one.taken_on for one in before) + apart)
    return on


def _write(
    session: Session, tenant_id: TenantId, case: Case, deed: Deed, *, reason: str, by: UUID | None
) -> bool:
    zone = accounts.find(session, tenant_id=tenant_id).zone
    made = session.execute(
        insert(DunningStepRow)
        .values(
            tenant_id=tenant_id,
            invoice_id=case.invoice_id,
            n=case.next_n,
            deed=deed.value,
            taken_on=periods.day_of(clock.now(), zone=zone),
            taken_at=clock.now(),
            due_minor=case.asked_minor,
            is_skipped=by is not None,
            reason=reason,
            by=by,
        )
        .on_conflict_do_nothing()
        .returning(DunningStepRow.n)
    ).scalar()
    return made is not None


def _taken(session: Session, tenant_id: TenantId) -> Mapping[InvoiceId, tuple[Taken, ...]]:
    rows = session.scalars(
        select(DunningStepRow)
        .where(DunningStepRow.tenant_id == tenant_id)
        .order_by(DunningStepRow.invoice_id, DunningStepRow.n)
    )
    found: dict[InvoiceId, tuple[Taken, ...]] = {}
    for row in rows:
        invoice_id = InvoiceId(row.invoice_id)
        step = Taken(
            invoice_id=invoice_id,
            n=row.n,
            deed=Deed(row.deed),
            taken_on=row.taken_on,
            due_minor=row.due_minor,
            is_skipped=row.is_skipped,
            reason=row.reason,
            by=row.by,
        )
        found[invoice_id] = (*found.get(invoice_id, ()), step)
    return found


def _disputed(session: Session, tenant_id: TenantId) -> dict[InvoiceId, int]:
    """Return what is in question of each invoice with its share of tax, rounded up; it is not asked for."""
    found: dict[InvoiceId, int] = {}
    for one in disputes.every(session, tenant_id=tenant_id):
        if one.state in {disputes.SETTLED, disputes.REFUSED}:
            continue
        bill = invoices.find(session, tenant_id=tenant_id, invoice_id=one.invoice_id).bill
        net = bill.net_minor or 1
        with_tax = -(-one.in_question_minor * bill.total_minor // net)
        invoice_id = InvoiceId(one.invoice_id)
        found[invoice_id] = found.get(invoice_id, 0) + with_tax
    return found


def _check(steps: Sequence[Step]) -> None:
    days = [one.days for one in steps]
    is_rising = all(before < after for before, after in itertools.pairwise(days))
    ends = [n for n, one in enumerate(steps) if one.deed is Deed.SUSPEND]
    if (
        len(steps) > _MOST_STEPS
        or not is_rising
        or not all(1 <= one <= _MOST_DAYS for one in days)
        or (ends and ends != [len(steps) - 1])
    ):
        raise DunningStepsError


def _said(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= _LONGEST_REASON:
        raise DunningReasonError
    return reason


def _about(tenant_id: TenantId, invoice_id: UUID | None) -> tuple[str, UUID]:
    return ("inv", invoice_id) if invoice_id else ("ten", tenant_id)


def _pause(row: DunningPauseRow) -> Pause:
    return Pause(
        row.id,
        InvoiceId(row.invoice_id) if row.invoice_id else None,
        row.reason,
        row.until_on,
        row.placed_by,
        row.placed_at,
    )
