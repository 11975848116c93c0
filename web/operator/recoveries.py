"""Lost second steps of owners and of staff: one of us asks, another confirms, a day later it is taken."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import OPERATOR, TenantId, UserId
from tenants import logins, recoveries, users
from tenants.errors import MalformedEmailError, RecoveryRefusedError
from tenants.recoveries import Recovery
from web import identity, invitations, refusals, said, scope, words
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_HERE = "/operator/recoveries"


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """One request; see templates/operator/recoveries.html. `mine`: the reader asked for it."""

    id: UUID
    company: str
    person: str
    ticket: str
    state: str
    mine: bool
    by: str
    asked_at: dt.datetime
    due_at: dt.datetime | None


@pages.get("/recoveries")
@permission("recoveries.write")
def recovery_list() -> str:
    """Show what was asked for, waits, and was done."""
    return _page()


@pages.post("/recoveries")
@permission("recoveries.write")
def ask_recovery() -> BaseResponse:
    """Ask for an owner's, or a colleague's, second step to be taken.

    Raises:
        NoMailError: the person could not be told.
    """
    invitations.insist_is_mailed()
    email, who = request.form.get("email", ""), identity.current()
    try:
        company_id, user_id = _find(email)
        with scope.within(company_id, principal_id=who.principal_id) as walls:
            recoveries.insist_entitled(walls, tenant_id=company_id, user_id=user_id)
        recoveries.ask(
            scope.session(),
            company_id=company_id,
            user_id=user_id,
            ticket=request.form.get("ticket", "").strip(),
            by=who.user_id,
        )
    except (RecoveryRefusedError, MalformedEmailError):
        refusals.count("recovery")
        error = words.problem(RecoveryRefusedError.code, RecoveryRefusedError.kind)
        return make_response(_page(problem=str(error.advice), email=email[:254]), 422)
    said.done(gettext("Asked. A colleague has to confirm it; then it takes a day."))
    return redirect(_HERE, 303)


@pages.post("/recoveries/<uuid:recovery_id>/confirm")
@permission("recoveries.write")
def confirm_recovery(recovery_id: UUID) -> BaseResponse:
    """Confirm what a colleague has asked for; the person is told in the same breath."""
    who = identity.current()

    def act() -> None:
        one = recoveries.confirm(scope.session(), recovery_id=recovery_id, by=who.user_id)
        # told before the word is durable: told in vain is better than not told
        with scope.within(one.company_id, principal_id=who.principal_id) as walls:
            recoveries.tell(walls, vault=scope.services().vault, recovery=one)

    return _acted(act, gettext("It is taken in a day. The person has been told, and their company."))


@pages.post("/recoveries/<uuid:recovery_id>/call-off")
@permission("recoveries.write")
def call_recovery_off(recovery_id: UUID) -> BaseResponse:
    """Let everything stay as it is."""
    return _acted(
        lambda: recoveries.call_off(scope.session(), recovery_id=recovery_id),
        gettext("Called off; nothing is taken."),
    )


def _acted(act: Callable[[], object], text: str) -> BaseResponse:
    try:
        act()
    except RecoveryRefusedError as error:
        refusals.count("recovery")
        said.refused(str(words.problem(error.code, error.kind).advice))
    else:
        said.done(text)
    return redirect(_HERE, 303)


def _find(email: str) -> tuple[TenantId, UserId]:
    """Return who signs in with an address; staff see no list of a company's people."""
    services = scope.services()
    entry = logins.find(services.gate, vault=services.vault, email=users.canonical_email(email))
    if entry is None:
        raise RecoveryRefusedError
    return entry.tenant_id, UserId(entry.ref_id)


def _page(*, problem: str = "", email: str = "") -> str:
    session, who = scope.session(), identity.current()
    found = recoveries.every(session)
    people = {one.asked_by for one in found} | {one.user_id for one in found if one.company_id == OPERATOR}
    names = users.names(session, tenant_id=OPERATOR, vault=scope.services().vault, user_ids=people)
    companies = {one.tenant_id: one.name for one in rounds.clients()}
    return render_template(
        "operator/recoveries.html",
        recoveries=[
            RecoveryRow(
                id=one.id,
                company=companies.get(one.company_id, gettext("Our own staff")),
                person=names.get(one.user_id, ids.public("usr", one.user_id)),
                ticket=one.ticket,
                state=_state(one),
                mine=one.asked_by == who.principal_id,
                by=names.get(one.asked_by, ""),
                asked_at=one.asked_at,
                due_at=one.due_at,
            )
            for one in found
        ],
        is_mailed=invitations.is_mailed(),
        problem=problem,
        email=email,
    )


def _state(one: Recovery) -> str:
    if one.outcome:
        return one.outcome.value
    return "confirmed" if one.confirmed_by else "asked"
