"""Dunning: who is late and at which step, putting somebody off, leaving a step out, a company's own steps."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import redirect, render_template, request
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, credit, dunning, figures, periods
from billing.credit import Cause
from billing.dunning import Case, Deed, Pause, Step
from core import clock, ids
from core.errors import SeatlineError
from core.ids import InvoiceId
from core.money import Money
from tenants.companies import Company
from web import identity, said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_PAGE = 25
_MOST_STEPS = 8
_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})
DEEDS: Mapping[Deed, LazyString] = {
    Deed.REMIND: _l("Remind"),
    Deed.WARN: _l("Remind for the last time"),
    Deed.SUSPEND: _l("Suspend calls out and renting"),
}
_PAST: Mapping[Deed, LazyString] = {
    Deed.REMIND: _l("Reminded"),
    Deed.WARN: _l("Reminded for the last time"),
    Deed.SUSPEND: _l("Suspended"),
}


@dataclass(frozen=True, slots=True)
class TakenRow:
    """A step that was taken or left out."""

    on: dt.date
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """An invoice that is late; see templates/operator/dunning.html."""

    id: str
    company: str
    company_url: str
    number: str
    invoice_url: str
    days_late: str
    due: Money
    asked: Money
    is_under_way: bool
    paused: str
    taken: Sequence[TakenRow]
    next_word: str
    next_on: dt.date | None


@dataclass(frozen=True, slots=True)
class PauseRow:
    """A pause that holds."""

    id: str
    of: str
    reason: str
    until_on: dt.date | None


@pages.get("/dunning")
@permission("billing.read")
def dunning_list() -> str:
    """Show who is late and at which step: of the companies that are late by their figures of this minute."""
    names = {one.tenant_id: one for one in rounds.clients()}
    late = sorted(
        (one for one in figures.every(scope.session()) if one.overdue and one.company_id in names),
        key=lambda one: names[one.company_id].name,
    )
    start = int(request.args.get("from", "0")) if request.args.get("from", "").isdecimal() else 0
    shown = [names[one.company_id] for one in late[start : start + _PAGE]]

    def look(session: Session, company: Company) -> list[CaseRow]:
        return [_row(one, company, session) for one in dunning.cases(session, tenant_id=company.tenant_id)]

    here = "/operator/dunning?from="
    return render_template(
        "operator/dunning.html",
        cases=[row for _company, rows in rounds.go(shown, look) for row in rows],
        newer=f"{here}{max(0, start - _PAGE)}" if start else None,
        older=f"{here}{start + _PAGE}" if start + _PAGE < len(late) else None,
    )


@pages.get("/companies/<company_id>/dunning")
@permission("billing.read")
def company_dunning(company_id: str) -> str:
    """Show a company's late invoices, what is put off, and its steps."""
    company = rounds.one(company_id)

    def look(session: Session) -> dict[str, object]:
        tenant_id = company.tenant_id
        today = periods.day_of(clock.now(), zone=accounts.find(session, tenant_id=tenant_id).zone)
        cases = dunning.cases(session, tenant_id=tenant_id)
        numbers = {one.invoice_id: one.number for one in cases}
        held = credit.held(session, tenant_id=tenant_id)
        chosen = dunning.settings(session, tenant_id=tenant_id)
        return {
            "cases": [_row(one, company, session) for one in cases],
            "pauses": [
                _pause(one, numbers) for one in dunning.paused(session, tenant_id=tenant_id, on=today)
            ],
            "is_suspended": held is not None and held.cause is Cause.DUNNING,
            "steps": chosen.steps,
            "is_own": chosen.is_own,
            "rows": [
                *((str(one.days), one.deed.value) for one in chosen.steps),
                *(("", "") for _ in range(_MOST_STEPS - len(chosen.steps))),
            ],
        }

    return render_template(
        "operator/dunning_company.html",
        company_=company,
        home=f"/operator/companies/{company_id}",
        base=f"/operator/companies/{company_id}/dunning",
        deeds=[(one.value, str(word)) for one, word in DEEDS.items()],
        may_write="billing.write" in identity.current().permissions,
        **rounds.visit(company, look),
    )


@pages.post("/companies/<company_id>/dunning/steps")
@permission("billing.write")
def set_dunning_steps(company_id: str) -> BaseResponse:
    """Set a company's own steps, or give it everybody's again."""
    company = rounds.one(company_id)
    typed = zip(request.form.getlist("days"), request.form.getlist("deed"), strict=False)
    given = [
        Step(int(days) if days.isdecimal() else -1, Deed(deed))
        for days, deed in typed
        if days.strip() and deed in set(Deed)
    ]
    return _do(
        company,
        lambda session: dunning.set_steps(
            session, tenant_id=company.tenant_id, steps=None if "usual" in request.form else given
        ),
        gettext("The steps are set."),
    )


@pages.post("/companies/<company_id>/dunning/pause")
@permission("billing.write")
def pause_dunning(company_id: str) -> BaseResponse:
    """Leave a company alone, or one invoice of it, with a reason."""
    company, by = rounds.one(company_id), identity.current().principal_id
    invoice = request.form.get("invoice", "")
    invoice_id = ids.parse("inv", invoice) if invoice else None
    return _do(
        company,
        lambda session: dunning.pause(
            session,
            tenant_id=company.tenant_id,
            invoice_id=invoice_id,
            until_on=tables.day_of(request.form.get("until", "")),
            reason=request.form.get("reason", ""),
            by=by,
        ),
        gettext("It is put off."),
    )


@pages.post("/companies/<company_id>/dunning/go-on")
@permission("billing.write")
def end_dunning_pause(company_id: str) -> BaseResponse:
    """End a pause."""
    company, by = rounds.one(company_id), identity.current().principal_id
    pause_id = ids.parse("dpa", request.form.get("pause", ""))
    return _do(
        company,
        lambda session: dunning.go_on(session, tenant_id=company.tenant_id, pause_id=pause_id, by=by),
        gettext("Dunning goes on with the next night."),
    )


@pages.post("/companies/<company_id>/dunning/skip")
@permission("billing.write")
def skip_dunning_step(company_id: str) -> BaseResponse:
    """Leave out an invoice's next step, with a reason."""
    company, by = rounds.one(company_id), identity.current().principal_id
    invoice_id = ids.parse("inv", request.form.get("invoice", ""))
    return _do(
        company,
        lambda session: dunning.skip(
            session,
            tenant_id=company.tenant_id,
            invoice_id=invoice_id,
            reason=request.form.get("reason", ""),
            by=by,
        ),
        gettext("The step is left out."),
    )


def _do(company: Company, deed: Callable[[Session], object], done: str) -> BaseResponse:
    try:
        rounds.visit(company, deed)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(done)
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}/dunning", 303)


def _row(one: Case, company: Company, session: Session) -> CaseRow:
    home = f"/operator/companies/{ids.public('ten', company.tenant_id)}"
    invoice = ids.public("inv", one.invoice_id)
    steps = dunning.settings(session, tenant_id=company.tenant_id).steps
    return CaseRow(
        id=invoice,
        company=company.name,
        company_url=f"{home}/dunning",
        number=one.number,
        invoice_url=f"{home}/invoices/{invoice}",
        days_late=ngettext("%(num)s day late", "%(num)s days late", one.days_late),
        due=Money(one.due_minor, one.currency),
        asked=Money(one.asked_minor, one.currency),
        is_under_way=one.is_under_way,
        paused=one.pause.reason if one.pause else "",
        taken=[
            TakenRow(
                each.taken_on,
                gettext("Left out") if each.is_skipped else str(_PAST[each.deed]),
                each.reason,
            )
            for each in one.taken
        ],
        next_word="" if one.next_n is None else str(DEEDS[steps[one.next_n].deed]),
        next_on=one.next_on,
    )


def _pause(one: Pause, numbers: Mapping[InvoiceId, str]) -> PauseRow:
    of = numbers.get(one.invoice_id, "") if one.invoice_id else gettext("The whole company")
    return PauseRow(ids.public("dpa", one.pause_id), of, one.reason, one.until_on)
