"""Numbers that companies hold elsewhere and ask to show: the paper, the call with a code, the decision.

What another company shows or asked for is compared with nothing here, and stands in no answer. Only whether
the number is in our own stock is asked: such a number is rented, and shown by its own papers.
"""

from dataclasses import dataclass

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import Conflict, SeatlineError
from telephony import caller_numbers, numbers, queues
from telephony.caller_numbers import CallerNumber, CallerNumberError, CallerNumberState
from telephony.rights import Attestation
from tenants.companies import Company
from web import edits, identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import caller_numbers as shown
from web.shown import rights
from web.shown.caller_numbers import CallerNumberShown

_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_HERE = "/operator/caller-numbers"


class CallerNumberStockedError(Conflict):
    """The number is in our own stock: it is rented, and shown by its own papers."""

    code = "caller-number-stocked"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the list, and whose it is."""

    company: str
    href: str
    asked: CallerNumberShown


@pages.get("/caller-numbers")
@permission("stock.read")
def caller_number_requests() -> str:
    """Show what the companies of this page ask for, and what they show."""
    page = rounds.page()

    def look(session: Session, company: Company) -> list[Waiting]:
        found = caller_numbers.all_of(session, tenant_id=company.tenant_id)
        base = f"/operator/companies/{ids.public('ten', company.tenant_id)}/caller-numbers"
        return [
            Waiting(company.name, f"{base}/{one.ref}", shown.row(one, queue=""))
            for one in found
            if one.state in {CallerNumberState.ASKED, CallerNumberState.ALLOWED}
        ]

    found = [row for _company, rows in rounds.go(page.companies, look) for row in rows]
    return render_template(
        "operator/caller_numbers.html",
        waiting=[row for row in found if row.asked.is_open],
        allowed=[row for row in found if not row.asked.is_open],
        newer=None if page.newer is None else f"{_HERE}?after={page.newer}",
        older=None if page.older is None else f"{_HERE}?after={page.older}",
    )


@pages.get("/companies/<company_id>/caller-numbers/<caller_number_id>")
@permission("stock.read")
def caller_number_request(company_id: str, caller_number_id: str) -> str:
    """Show one request with its papers."""
    return _page(rounds.one(company_id), caller_number_id)


@pages.get("/companies/<company_id>/caller-numbers/<caller_number_id>/paper")
@permission("stock.read")
def caller_number_request_paper(company_id: str, caller_number_id: str) -> Response:
    """Return the paper a company has uploaded."""
    company = rounds.one(company_id)
    return rounds.visit(
        company,
        lambda session: shown.file(
            session,
            tenant_id=company.tenant_id,
            vault=scope.services().vault,
            caller_number_id=caller_number_id,
        ),
    )


@pages.post("/companies/<company_id>/caller-numbers/<caller_number_id>/check")
@permission("stock.write")
def check_caller_number(company_id: str, caller_number_id: str) -> BaseResponse:
    """Make a code to be told to whoever answers at the number; it is shown this once."""
    company, by = rounds.one(company_id), identity.current().principal_id
    try:
        _insist_not_stocked(company, caller_number_id)
        code = rounds.visit(
            company,
            lambda session: caller_numbers.begin_check(
                session,
                tenant_id=company.tenant_id,
                vault=scope.services().vault,
                caller_number_id=shown.key(caller_number_id),
                by=by,
            ),
        )
    except SeatlineError as error:
        return _refused(error, company_id, caller_number_id)
    return make_response(_page(company, caller_number_id, code=code), 201)


@pages.post("/companies/<company_id>/caller-numbers/<caller_number_id>/allow")
@permission("stock.write")
def allow_caller_number(company_id: str, caller_number_id: str) -> BaseResponse:
    """Let the company show the number from the next call on."""
    company, by = rounds.one(company_id), identity.current().principal_id
    revision = edits.revision(request.form)
    try:
        _insist_not_stocked(company, caller_number_id)
        attestation = _attestation()
        rounds.visit(
            company,
            lambda session: caller_numbers.allow(
                session,
                tenant_id=company.tenant_id,
                caller_number_id=shown.key(caller_number_id),
                attestation=attestation,
                revision=revision,
                by=by,
            ),
        )
    except SeatlineError as error:
        return _refused(error, company_id, caller_number_id)
    said.done(gettext("Allowed. The company’s calls may show it from now on, until its paper ends."))
    return redirect(_path(company_id, caller_number_id), 303)


@pages.post("/companies/<company_id>/caller-numbers/<caller_number_id>/refuse")
@permission("stock.write")
def refuse_caller_number(company_id: str, caller_number_id: str) -> BaseResponse:
    """Refuse a request and say why."""
    company, by = rounds.one(company_id), identity.current().principal_id
    reason, revision = request.form.get("reason", ""), edits.revision(request.form)
    try:
        rounds.visit(
            company,
            lambda session: caller_numbers.refuse(
                session,
                tenant_id=company.tenant_id,
                caller_number_id=shown.key(caller_number_id),
                reason=reason,
                revision=revision,
                by=by,
            ),
        )
    except SeatlineError as error:
        return _refused(error, company_id, caller_number_id)
    said.done(gettext("Refused. The company reads your reason."))
    return redirect(_path(company_id, caller_number_id), 303)


@pages.post("/companies/<company_id>/caller-numbers/<caller_number_id>/withdraw")
@permission("stock.write")
def take_caller_number_away(company_id: str, caller_number_id: str) -> BaseResponse:
    """Let no call of the company show the number any more, and say why."""
    company, by = rounds.one(company_id), identity.current().principal_id
    reason = request.form.get("reason", "")
    try:
        rounds.visit(
            company,
            lambda session: caller_numbers.withdraw(
                session,
                tenant_id=company.tenant_id,
                caller_number_id=shown.key(caller_number_id),
                by=by,
                reason=reason,
                is_operators=True,
            ),
        )
    except SeatlineError as error:
        return _refused(error, company_id, caller_number_id)
    said.done(gettext("Withdrawn: no call shows the number from now on."))
    return redirect(_path(company_id, caller_number_id), 303)


def _page(company: Company, caller_number_id: str, *, code: str = "") -> str:
    def look(session: Session) -> CallerNumberShown:
        found = _find(session, company, caller_number_id)
        names = {one.queue_id: one.name for one in queues.ever(session, tenant_id=company.tenant_id)}
        return shown.row(found, queue=names.get(found.asked.queue_id, ""))

    found = rounds.visit(company, look)
    company_id = ids.public("ten", company.tenant_id)
    return render_template(
        "operator/caller_number.html",
        asked=found,
        company_=company,
        company_id=company_id,
        base=_path(company_id, caller_number_id),
        code=code,
        is_stocked=bool(numbers.stocked(scope.session(), digits=[found.number])),
        attestations=[(one.value, word) for one, word in rights.ATTESTATIONS.items()],
        longest=caller_numbers.LONGEST_REASON,
        may_write="stock.write" in identity.current().permissions,
    )


def _find(session: Session, company: Company, caller_number_id: str) -> CallerNumber:
    return caller_numbers.find(
        session, tenant_id=company.tenant_id, caller_number_id=shown.key(caller_number_id)
    )


def _insist_not_stocked(company: Company, caller_number_id: str) -> None:
    found = rounds.visit(company, lambda session: _find(session, company, caller_number_id))
    if numbers.stocked(scope.session(), digits=[found.asked.digits]):
        raise CallerNumberStockedError


def _attestation() -> Attestation:
    try:
        return Attestation(request.form.get("attestation", ""))
    except ValueError as error:
        raise CallerNumberError(field="attestation") from error


def _path(company_id: str, caller_number_id: str) -> str:
    return f"/operator/companies/{company_id}/caller-numbers/{caller_number_id}"


def _refused(error: SeatlineError, company_id: str, caller_number_id: str) -> BaseResponse:
    """Say what stands in the way, back on the page; what is no business of the form goes on as an error."""
    if error.kind not in _BUSINESS:
        raise error
    scope.rollback()
    said.why(error)
    return redirect(_path(company_id, caller_number_id), 303)
