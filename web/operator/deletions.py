"""Deleting companies for good: one of the staff asks, another confirms, a week later keys are destroyed."""

import datetime as dt
from dataclasses import dataclass

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import NotFound
from core.ids import OPERATOR
from tenants import deletions, users
from tenants.deletions import Deletion
from tenants.errors import DeletionRefusedError, OwnDeletionError
from web import identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import downloads


@dataclass(frozen=True, slots=True)
class DeletionRow:
    """One deletion; see templates/operator/deletions.html. `mine`: the reader asked for it."""

    id: str
    company: str
    state: str
    mine: bool
    by: str
    asked_at: dt.datetime
    confirmed_by: str
    due_at: dt.datetime | None
    money: str


@pages.get("/deletions")
@permission("vault.read")
def deletion_list() -> str:
    """Show deletions: asked for, waiting, called off, done."""
    return _page()


@pages.post("/deletions")
@permission("vault.write")
def ask_deletion() -> BaseResponse:
    """Close a suspended company and ask for its deletion."""
    company = rounds.one(request.form.get("company", ""))
    try:
        deletions.ask(
            scope.session(),
            company_id=company.tenant_id,
            money=request.form.get("money", ""),
            by=identity.current().principal_id,
        )
    except DeletionRefusedError:
        problem = gettext("Only a suspended company, and only when you say what became of its invoices.")
        return make_response(_page(problem=problem), 409)
    said.done(gettext("Somebody else has to confirm it now."))
    return redirect("/operator/deletions", 303)


@pages.post("/deletions/<deletion_id>/confirm")
@permission("vault.write")
def confirm_deletion(deletion_id: str) -> BaseResponse:
    """Confirm what somebody else has asked for."""
    try:
        deletions.confirm(
            scope.session(), deletion_id=ids.parse("del", deletion_id), by=identity.current().principal_id
        )
    except OwnDeletionError as error:
        said.why(error)
        return redirect("/operator/deletions", 303)
    except DeletionRefusedError:
        said.refused(gettext("It was called off, or is done: there is nothing to confirm."))
        return redirect("/operator/deletions", 303)
    said.done(gettext("Its keys are destroyed in a week. Until then it can be called off."))
    return redirect("/operator/deletions", 303)


@pages.post("/deletions/<deletion_id>/call-off")
@permission("vault.write")
def call_deletion_off(deletion_id: str) -> BaseResponse:
    """Call a deletion off; the company is suspended as before."""
    try:
        deletions.call_off(
            scope.session(), deletion_id=ids.parse("del", deletion_id), by=identity.current().principal_id
        )
    except DeletionRefusedError:
        said.refused(gettext("Its keys are destroyed already: nobody can take that back."))
        return redirect("/operator/deletions", 303)
    said.done(gettext("It is called off; the company is suspended as before."))
    return redirect("/operator/deletions", 303)


@pages.get("/deletions/<deletion_id>/certificate")
@permission("vault.read")
def deletion_certificate(deletion_id: str) -> Response:
    """Download the signed certificate of a deletion."""
    found = deletions.find(scope.session(), deletion_id=ids.parse("del", deletion_id))
    if found.certificate is None:
        raise NotFound
    return downloads.attachment(
        found.certificate.encode(), name=f"{deletion_id}.json", content_type="application/json"
    )


def _page(problem: str = "") -> str:
    session, who = scope.session(), identity.current()
    clients = rounds.clients()
    found = deletions.every(session)
    people = {one.asked_by for one in found} | {one.confirmed_by for one in found if one.confirmed_by}
    names = users.names(session, tenant_id=OPERATOR, vault=scope.services().vault, user_ids=people)
    companies = {one.tenant_id: one.name for one in clients}
    return render_template(
        "operator/deletions.html",
        deletions=[
            DeletionRow(
                id=ids.public("del", one.deletion_id),
                company=companies.get(one.company_id, ids.public("ten", one.company_id)),
                state=_state(one),
                mine=one.asked_by == who.principal_id,
                by=names.get(one.asked_by, ""),
                asked_at=one.asked_at,
                confirmed_by=names.get(one.confirmed_by, "") if one.confirmed_by else "",
                due_at=one.due_at,
                money=one.money,
            )
            for one in found
        ],
        companies=[
            (ids.public("ten", one.tenant_id), one.name) for one in clients if one.status == "suspended"
        ],
        may_write="vault.write" in who.permissions,
        problem=problem,
    )


def _state(one: Deletion) -> str:
    if one.done_at:
        return "done"
    if one.called_off_at:
        return "called-off"
    return "confirmed" if one.confirmed_by else "asked"
