"""Caller numbers held elsewhere: asked for with their papers, proven, withdrawn."""

from flask import Response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import SeatlineError
from core.ids import QueueId
from core.phone import parse_e164
from telephony import caller_numbers, queues
from telephony.caller_numbers import PAPERS, Asked, CallerNumberError, Proof
from telephony.rights import Paper
from web import identity, said, scope, tables, uploads
from web.guards import permission
from web.portal.views import pages
from web.shown import caller_numbers as shown
from web.shown import rights

_HERE = "/portal/caller-numbers"
_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@pages.get("/caller-numbers")
@permission("numbers.read")
def caller_number_list() -> str:
    """Show the numbers the company holds elsewhere and wants to show."""
    session, who = scope.session(), identity.current()
    names = {one.queue_id: one.name for one in queues.ever(session, tenant_id=who.tenant_id)}
    found = caller_numbers.all_of(session, tenant_id=who.tenant_id)
    return render_template(
        "portal/caller_numbers.html",
        numbers=[shown.row(one, queue=names.get(one.asked.queue_id, "")) for one in found],
        queues=[
            (ids.public("que", one.queue_id), one.name)
            for one in queues.all_of(session, tenant_id=who.tenant_id)
        ],
        papers=[(one.value, rights.PAPERS[one]) for one in PAPERS],
        largest_mb=caller_numbers.LARGEST >> 20,
        longest=caller_numbers.LONGEST,
        may_write="numbers.rent" in who.permissions,
    )


@pages.post("/caller-numbers")
@permission("numbers.rent")
@uploads.takes_file(caller_numbers.LARGEST)
def ask_for_caller_number() -> BaseResponse:
    """Ask to show a number held elsewhere, with its paper."""
    who, file = identity.current(), request.files.get("file")
    if file is None or not file.filename:
        said.refused(gettext("Choose the paper first: PDF, PNG or JPEG."))
        return redirect(_HERE, 303)
    try:
        caller_numbers.ask(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            wanted=_asked(),
            file_name=file.filename,
            data=file.stream.read(caller_numbers.LARGEST + 1),
            by=who.principal_id,
        )
    except SeatlineError as error:
        return _refused(error)
    said.done(gettext("Asked. The operator looks at the paper and calls the number with a code."))
    return redirect(_HERE, 303)


@pages.get("/caller-numbers/<caller_number_id>/paper")
@permission("numbers.read")
def caller_number_paper(caller_number_id: str) -> Response:
    """Return the paper the company has uploaded."""
    return shown.file(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        caller_number_id=caller_number_id,
    )


@pages.post("/caller-numbers/<caller_number_id>/code")
@permission("numbers.rent")
def prove_caller_number(caller_number_id: str) -> BaseResponse:
    """Type in the code that was told at the number."""
    try:
        proof = caller_numbers.prove(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            vault=scope.services().vault,
            caller_number_id=shown.key(caller_number_id),
            code=request.form.get("code", "")[:20],
        )
    except SeatlineError as error:
        return _refused(error)
    if proof is Proof.PROVEN:
        said.done(gettext("Proven. The operator decides next."))
    elif proof is Proof.WRONG:
        said.refused(gettext("That is not the code. Try it once more as it was told."))
    else:
        said.refused(gettext("No code counts now. Ask the operator to call the number again."))
    return redirect(_HERE, 303)


@pages.post("/caller-numbers/<caller_number_id>/withdraw")
@permission("numbers.rent")
def withdraw_caller_number(caller_number_id: str) -> BaseResponse:
    """End a request, or the right to show a number, at once."""
    who = identity.current()
    try:
        caller_numbers.withdraw(
            scope.session(),
            tenant_id=who.tenant_id,
            caller_number_id=shown.key(caller_number_id),
            by=who.principal_id,
        )
    except SeatlineError as error:
        return _refused(error)
    said.done(gettext("Withdrawn: no call shows the number from now on."))
    return redirect(_HERE, 303)


def _asked() -> Asked:
    form, session, tenant_id = request.form, scope.session(), identity.current().tenant_id
    first_on, last_on = tables.day_of(form.get("from_on", "")), tables.day_of(form.get("last_on", ""))
    if first_on is None:
        raise CallerNumberError(field="from_on")
    if last_on is None:
        raise CallerNumberError(field="ends_on")
    try:
        paper = Paper(form.get("paper", ""))
    except ValueError as error:
        raise CallerNumberError(field="paper") from error
    return Asked(
        digits=parse_e164(form.get("number", "").strip()[:40]),
        holder_name=form.get("holder_name", ""),
        paper=paper,
        reference=form.get("reference", ""),
        starts_at=shown.midnight(session, tenant_id=tenant_id, on=first_on),
        ends_at=shown.midnight(session, tenant_id=tenant_id, on=last_on, after=1),
        queue_id=QueueId(ids.parse("que", form.get("queue", ""))),
    )


def _refused(error: SeatlineError) -> BaseResponse:
    """Say what stands in the way, back on the page; what is no business of the form goes on as an error."""
    if error.kind not in _BUSINESS:
        raise error
    scope.rollback()
    said.why(error)
    return redirect(_HERE, 303)
