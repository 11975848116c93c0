"""Finding anything by the id or number that somebody read out: an invoice, a payment, a call, a company.

An id says what it is of and not whose, so the companies are asked one after the other, each within its own
walls, until one has it. Names and telephone numbers of people are not looked for.
"""

from urllib.parse import urlencode

from flask import redirect, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from billing import credit_notes, disputes, explorer, invoices
from billing.explorer import Wanted
from billing.payments import attempts
from core import ids
from core.errors import NotFound
from tenants.companies import Company
from web import said
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_LONGEST = 80


@pages.get("/find")
@permission("billing.read")
def find_anything() -> Response:
    """Lead to what an id or a number names, or say that nothing has it."""
    wanted = request.args.get("q", "").strip()[:_LONGEST]
    if not wanted:
        return redirect("/operator/", 303)
    for company in rounds.clients():
        found = _at(company, wanted)
        if found:
            return redirect(found, 303)
    said.refused(
        gettext("Nothing has the id or number “%(wanted)s”. Compare it letter by letter.", wanted=wanted)
    )
    return redirect("/operator/", 303)


def _at(company: Company, wanted: str) -> str:
    """Return the page of what it names, if a company has it or is it; else nothing."""
    company_id = ids.public("ten", company.tenant_id)
    here = f"/operator/companies/{company_id}"
    if wanted == company_id:
        return here
    found = rounds.visit(company, lambda session: _place(session, company, wanted))
    return found if not found or found.startswith("/") else f"{here}/{found}"


def _place(session: Session, company: Company, wanted: str) -> str:
    """Return where a company has it: a path below the company's, or a whole one; empty when it has not."""
    tenant_id, prefix = company.tenant_id, wanted.partition("_")[0]
    try:
        key = ids.parse(prefix, wanted)
    except NotFound:
        return _numbered(session, company, wanted)
    try:
        match prefix:
            case "inv":
                invoices.find(session, tenant_id=tenant_id, invoice_id=key)
                return f"invoices/{wanted}"
            case "crn":
                note = credit_notes.find(session, tenant_id=tenant_id, credit_note_id=key)
                return f"invoices/{ids.public('inv', note.invoice_id)}"
            case "pay":
                attempts.find(session, tenant_id=tenant_id, payment_id=key)
                return f"payments/{wanted}"
            case "dsp":
                disputes.find(session, tenant_id=tenant_id, dispute_id=key)
                return f"disputes/{wanted}"
    except NotFound:
        return ""
    used = explorer.find(session, tenant_id=tenant_id, wanted=Wanted(reference=key), limit=1)
    return _usage(company, wanted) if used else ""


def _numbered(session: Session, company: Company, wanted: str) -> str:
    """Return where a company has the paper of that number, or the usage somebody reported under that name."""
    tenant_id, number = company.tenant_id, wanted.upper()
    for invoice in invoices.every(session, tenant_id=tenant_id):
        if invoice.number == number:
            return f"invoices/{ids.public('inv', invoice.invoice_id)}"
    note = credit_notes.numbered(session, tenant_id=tenant_id, number=number)
    if note:
        return f"invoices/{ids.public('inv', note.invoice_id)}"
    used = explorer.find(session, tenant_id=tenant_id, wanted=Wanted(event_id=wanted), limit=1)
    return _usage(company, wanted) if used else ""


def _usage(company: Company, wanted: str) -> str:
    return f"/operator/usage?{urlencode({'company': ids.public('ten', company.tenant_id), 'id': wanted})}"
