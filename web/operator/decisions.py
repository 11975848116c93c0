"""What a person of the staff decides about contradicting reports and rejected rows of usage, and why."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from billing import decisions, safety, settling
from billing.decisions import Comparison, Correction, Decision, Report, Verdict
from billing.errors import UsageInvalidError
from billing.settling import Proposal, Settled
from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR
from core.money import Money
from tenants import users
from tenants.companies import Company
from web import identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.plain import whole
from web.shown import usage, wording

_LONGEST_LENGTH = 7  # digits of seconds
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
VERDICTS = {
    Verdict.TAKE_NEW: _l("took the later report over"),
    Verdict.KEEP_OLD: _l("kept the first report"),
    Verdict.THROW_AWAY: _l("threw the row away"),
    Verdict.CORRECT: _l("corrected the row, and billed it"),
    Verdict.SETTLE: _l("put the difference right"),
}


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision as pages show it; see templates/operator/usage.html."""

    id: str
    event_id: str
    verdict: str
    reason: str
    who: str
    at: dt.datetime
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One report; see templates/operator/usage_conflict.html."""

    meter: str
    from_at: dt.datetime
    to_at: dt.datetime
    seconds: float
    prefix: str
    outcome: str
    amount_nano: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What settling would do, before tax; see templates/operator/usage_conflict.html."""

    key: str
    number: str
    parts: int
    credit: Money | None
    charge: Money | None
    needs_second: bool


@pages.get("/usage/<company_id>/conflicts/<conflict_id>")
@permission("billing.read")
def one_conflict(company_id: str, conflict_id: str) -> str:
    """Show both reports side by side, what each costs, and what deciding would do."""
    company, which = rounds.one(company_id), ids.parse("con", conflict_id)

    def look(session: Session) -> tuple[Comparison, Proposal | None]:
        return (
            decisions.compare(session, tenant_id=company.tenant_id, conflict_id=which),
            settling.propose(session, tenant_id=company.tenant_id, conflict_id=which),
        )

    found, proposal = rounds.visit(company, look)
    return render_template(
        "operator/usage_conflict.html",
        company_=company,
        company_id=company_id,
        here=request.path,
        one=found,
        old=_side(found.old),
        new=_side(found.new),
        subject=usage.subject(found.source, found.event_id, found.old.subject_ref),
        is_billed=found.invoice_state == "finalised",
        invoice_url=_invoice(company, found),
        difference=found.difference_nano,
        settlement=_settlement(proposal),
        decision=rows([found.decision])[0] if found.decision else None,
        may_write="billing.write" in identity.current().permissions,
    )


@pages.post("/usage/<company_id>/conflicts/<conflict_id>")
@permission("billing.write")
def decide_conflict(company_id: str, conflict_id: str) -> Response:
    """Take the later report over, keep the first, or settle what contradicts an invoice beside it."""
    company, which = rounds.one(company_id), ids.parse("con", conflict_id)
    if request.form.get("verdict") == Verdict.SETTLE.value:
        return _settle(company, which)
    verdict = Verdict.TAKE_NEW if request.form.get("verdict") == "take-new" else Verdict.KEEP_OLD

    def act(session: Session) -> Decision:
        return decisions.decide(
            session,
            tenant_id=company.tenant_id,
            conflict_id=which,
            verdict=verdict,
            reason=request.form.get("reason", ""),
            by=identity.current().principal_id,
        )

    try:
        rounds.visit(company, act)
    except SeatlineError as error:
        _refuse(error)
        return redirect(request.path, 303)
    said.done(
        gettext("The later report stands; the bill follows it.")
        if verdict is Verdict.TAKE_NEW
        else gettext("The first report stands; the bill is as it was.")
    )
    return redirect(f"/operator/usage?company={company_id}", 303)


@pages.post("/usage/<company_id>/rejects/<reject_id>")
@permission("billing.write")
def throw_away(company_id: str, reject_id: str) -> Response:
    """Throw a row away that cannot be usage."""
    company, which = rounds.one(company_id), ids.parse("rej", reject_id)

    def act(session: Session) -> Decision:
        return decisions.throw_away(
            session,
            tenant_id=company.tenant_id,
            reject_id=which,
            reason=request.form.get("reason", ""),
            by=identity.current().principal_id,
        )

    try:
        rounds.visit(company, act)
    except SeatlineError as error:
        _refuse(error)
    else:
        said.done(gettext("The row is thrown away; it stays on record with your reason."))
    return redirect(f"/operator/usage?company={company_id}", 303)


@pages.post("/usage/<company_id>/rejects/<reject_id>/correct")
@permission("billing.write")
def correct_row(company_id: str, reject_id: str) -> Response:
    """Bill what a rejected row should have said."""
    company, which, form = rounds.one(company_id), ids.parse("rej", reject_id), request.form

    def act(session: Session) -> Decision:
        return decisions.correct(
            session,
            tenant_id=company.tenant_id,
            reject_id=which,
            correction=_correction(company, form),
            reason=form.get("reason", ""),
            by=identity.current().principal_id,
        )

    try:
        rounds.visit(company, act)
    except SeatlineError as error:
        _refuse(error)
    else:
        said.done(gettext("The row is corrected; it is on the bill at the prices of its day."))
    return redirect(f"/operator/usage?company={company_id}", 303)


def _settle(company: Company, which: UUID) -> Response:
    rules = safety.usual(scope.session())

    def act(session: Session) -> Settled:
        return settling.settle(
            session,
            tenant_id=company.tenant_id,
            conflict_id=which,
            key=request.form.get("key", ""),
            reason=request.form.get("reason", ""),
            by=identity.current().user_id,
            safety=rules,
        )

    try:
        done = rounds.visit(company, act)
    except SeatlineError as error:
        _refuse(error)
        return redirect(request.path, 303)
    if done.note is None:
        said.done(gettext("It is put right."))
    elif done.note.number:
        said.done(gettext("Credit note %(number)s is issued.", number=done.note.number))
    else:
        said.done(gettext("Somebody else has to decide about the credit note now."))
    return redirect(request.path, 303)


def _settlement(one: Proposal | None) -> Settlement | None:
    if one is None:
        return None
    limit = safety.usual(scope.session())
    by = identity.current().user_id
    return Settlement(
        key=one.key,
        number=one.number,
        parts=one.parts,
        credit=Money(one.credit_minor, one.currency) if one.credit_minor else None,
        charge=Money(one.charge_minor, one.currency) if one.charge_minor else None,
        needs_second=limit.needs_second(one.credit_minor, currency=one.currency, by=by),
    )


def _correction(company: Company, form: Mapping[str, str]) -> Correction:
    """Return what the form says; the time is the company's.

    Raises:
        UsageInvalidError: a time or a length that is none.
    """
    seconds = whole(form.get("seconds", ""), longest=_LONGEST_LENGTH)
    try:
        local = dt.datetime.fromisoformat(form.get("at", ""))
        at = local.replace(tzinfo=zoneinfo.ZoneInfo(company.zone)).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise UsageInvalidError(reason="instant-without-zone") from error
    if seconds is None or at > clock.now() or form.get("meter", "") not in wording.METERS:
        raise UsageInvalidError(reason="quantity-negative")
    return Correction(form.get("meter", ""), at, seconds * 1000, form.get("prefix", "").lstrip("+"))


def rows(found: Sequence[Decision]) -> list[DecisionRow]:
    """Return decisions with the names of who made them."""
    named = users.names(
        scope.session(),
        tenant_id=OPERATOR,
        vault=scope.services().vault,
        user_ids={one.decided_by for one in found},
    )
    return [
        DecisionRow(
            id=ids.public("con", one.about_id),
            event_id=one.event_id,
            verdict=str(VERDICTS[one.verdict]),
            reason=one.reason,
            who=named.get(one.decided_by, gettext("somebody who has left")),
            at=one.decided_at,
            is_conflict=one.verdict in {Verdict.TAKE_NEW, Verdict.KEEP_OLD, Verdict.SETTLE},
        )
        for one in found
    ]


def _side(one: Report) -> Side:
    return Side(
        meter=wording.meter(one.meter),
        from_at=one.occurred_at,
        to_at=one.ended_at,
        seconds=one.quantity_ms / 1000,
        prefix=one.prefix,
        outcome=one.outcome,
        amount_nano=one.amount_nano,
        currency=one.currency or "",
    )


def _invoice(company: Company, found: Comparison) -> str:
    if found.invoice_id is None:
        return ""
    company_id, invoice_id = ids.public("ten", company.tenant_id), ids.public("inv", found.invoice_id)
    return f"/operator/companies/{company_id}/invoices/{invoice_id}"


def _refuse(error: SeatlineError) -> None:
    if error.kind not in _BUSINESS:
        raise error
    said.why(error)
