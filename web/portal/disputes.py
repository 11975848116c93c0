"""Disputing an invoice: lines of it, or what the company counted itself."""

import io

from flask import redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import disputes, invoices, matching
from billing.documents.document import InvoiceDocument
from billing.errors import ClaimsInvalidError
from billing.matching import Claim
from core import ids
from core.errors import SeatlineError
from core.money import Money
from web import identity, said, scope, uploads
from web.guards import permission
from web.portal.views import pages
from web.shown import disputes as shown
from web.shown.credit_notes import LineLeft
from web.shown.invoices import line_name

_LARGEST = 30_000_000
_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@pages.get("/invoices/<invoice_id>/dispute")
@permission("invoices.pay")
def dispute_form(invoice_id: str) -> str:
    """Show an invoice's lines to be marked."""
    document = _invoice(invoice_id)
    currency = document.bill.currency
    return render_template(
        "portal/dispute_new.html",
        number=document.number,
        base=url_for("portal.one_invoice", invoice_id=invoice_id),
        lines=[
            LineLeft(one.line_no, line_name(one), amount := Money(one.amount_minor, currency), amount)
            for one in document.bill.lines
            if one.amount_minor > 0
        ],
    )


@pages.post("/invoices/<invoice_id>/dispute")
@uploads.takes_file(_LARGEST)
@permission("invoices.pay")
def open_dispute(invoice_id: str) -> BaseResponse:
    """Open a dispute over what was marked and what differs."""
    document, who = _invoice(invoice_id), identity.current()
    try:
        made = disputes.open_dispute(
            scope.session(),
            tenant_id=who.tenant_id,
            invoice_id=document.invoice_id,
            reason=request.form.get("reason", ""),
            by=who.user_id,
            line_nos={int(one) for one in request.form.getlist("line") if one.isdecimal()},
            claims=_claims(document),
        )
    except ClaimsInvalidError as error:
        row = error.details.get("row")
        said.refused(
            gettext("Row %(row)s of the file cannot be read.", row=row)
            if row
            else gettext("The file needs the columns started_at and duration_s.")
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(gettext("We look into it. The answer will stand here."))
        return redirect(f"/portal/disputes/{ids.public('dsp', made.dispute_id)}", 303)
    return redirect(f"/portal/invoices/{invoice_id}/dispute", 303)


@pages.get("/disputes/<dispute_id>")
@permission("invoices.read")
def one_dispute(dispute_id: str) -> str:
    """Show a dispute and what became of it."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = disputes.find(session, tenant_id=tenant_id, dispute_id=ids.parse("dsp", dispute_id))
    document = invoices.find(session, tenant_id=tenant_id, invoice_id=found.invoice_id)
    base = url_for("portal.one_invoice", invoice_id=ids.public("inv", found.invoice_id))
    return render_template("portal/dispute.html", dispute=shown.dispute(found, document, href=""), base=base)


def _claims(document: InvoiceDocument) -> list[Claim] | None:
    """Return the calls of the file that came with the form; None when none did."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return None
    try:
        return matching.read(io.TextIOWrapper(file.stream, "utf-8-sig", newline=""), zone=document.zone)
    except UnicodeDecodeError as error:
        raise ClaimsInvalidError(row=1) from error


def _invoice(invoice_id: str) -> InvoiceDocument:
    return invoices.find(
        scope.session(), tenant_id=identity.current().tenant_id, invoice_id=ids.parse("inv", invoice_id)
    )
