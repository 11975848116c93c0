"""Credit notes: one of the staff gives one on an invoice; above a limit another decides about it."""

from flask import Response, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import credit_notes, disputes, invoices, safety
from billing.credit_notes import Left, Part
from billing.documents.document import CreditNote, InvoiceDocument
from billing.errors import CreditTooLargeError
from core import ids
from core.errors import SeatlineError
from core.money import Money, exponent
from tenants.companies import Company
from web import amounts, identity, said, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import credit_notes as shown
from web.shown import disputes as in_dispute
from web.shown import downloads

_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@pages.get("/companies/<company_id>/invoices/<invoice_id>/credit")
@permission("billing.write")
def credit_form(company_id: str, invoice_id: str) -> str:
    """Show an invoice's lines with what can be credited of each."""
    company = rounds.one(company_id)
    document, left = _invoice(company, invoice_id)
    currency = document.bill.currency
    return render_template(
        "operator/credit.html",
        number=document.number,
        company_=company,
        base=_base(company_id, invoice_id),
        lines=shown.lines_left(document, left),
        dispute=request.args.get("dispute", ""),
        proposed=_proposed(company, request.args.get("dispute", "")),
        left=Money(left.net_minor, currency),
        currency=currency,
        above=Money(
            safety.usual(scope.session()).limit(identity.current().user_id) * 10 ** exponent(currency),
            currency,
        ),
    )


@pages.post("/companies/<company_id>/invoices/<invoice_id>/credit")
@permission("billing.write")
def give_credit(company_id: str, invoice_id: str) -> BaseResponse:
    """Make a credit note of the amounts that were typed."""
    company = rounds.one(company_id)
    document, _left = _invoice(company, invoice_id)
    currency = document.bill.currency
    parts = _parts(currency)
    here = _base(company_id, invoice_id)
    disputed = request.form.get("dispute", "")
    form = f"{here}/credit?dispute={disputed}" if disputed else f"{here}/credit"
    if isinstance(parts, str):
        said.refused(parts)
        return redirect(form, 303)

    rules = safety.usual(scope.session())

    def act(session: Session) -> CreditNote:
        reason, by = request.form.get("reason", ""), identity.current().user_id
        if disputed:
            return disputes.settle(
                session,
                tenant_id=company.tenant_id,
                dispute_id=ids.parse("dsp", disputed),
                parts=parts,
                reason=reason,
                by=by,
                safety=rules,
            )
        return credit_notes.ask(
            session,
            tenant_id=company.tenant_id,
            invoice_id=document.invoice_id,
            parts=parts,
            reason=reason,
            by=by,
            safety=rules,
        )

    try:
        note = rounds.visit(company, act)
    except CreditTooLargeError as error:
        said.refused(shown.too_large(error.details.get("left_minor"), currency))
        return redirect(form, 303)
    except SeatlineError as error:
        _refuse(error)
        return redirect(form, 303)
    if note.number:
        said.done(gettext("Credit note %(number)s is issued.", number=note.number))
    else:
        said.done(gettext("Somebody else has to decide about it now."))
    return redirect(here, 303)


@pages.post("/companies/<company_id>/credit-notes/<note_id>/issue")
@permission("billing.write")
def issue_credit(company_id: str, note_id: str) -> BaseResponse:
    """Issue what somebody else has asked for."""
    return _decide(company_id, note_id, is_issued=True)


@pages.post("/companies/<company_id>/credit-notes/<note_id>/refuse")
@permission("billing.write")
def refuse_credit(company_id: str, note_id: str) -> BaseResponse:
    """Refuse what somebody asked for, or take one's own back."""
    return _decide(company_id, note_id, is_issued=False)


@pages.get("/companies/<company_id>/credit-notes/<note_id>/pdf")
@permission("billing.read")
def credit_pdf(company_id: str, note_id: str) -> Response:
    """Return an issued credit note as PDF."""
    company = rounds.one(company_id)

    def look(session: Session) -> tuple[CreditNote, InvoiceDocument]:
        note = credit_notes.find(
            session, tenant_id=company.tenant_id, credit_note_id=ids.parse("crn", note_id)
        )
        return note, invoices.find(session, tenant_id=company.tenant_id, invoice_id=note.invoice_id)

    note, document = rounds.visit(company, look)
    return downloads.credit_pdf(note, document, language=request.args.get("language", ""))


def _decide(company_id: str, note_id: str, *, is_issued: bool) -> BaseResponse:
    company, by = rounds.one(company_id), identity.current().user_id
    note_key = ids.parse("crn", note_id)

    def look(session: Session) -> CreditNote:
        return credit_notes.find(session, tenant_id=company.tenant_id, credit_note_id=note_key)

    def act(session: Session) -> CreditNote:
        decide = credit_notes.issue if is_issued else credit_notes.refuse
        return decide(session, tenant_id=company.tenant_id, credit_note_id=note_key, by=by)

    invoice_id = ids.public("inv", rounds.visit(company, look).invoice_id)
    try:
        note = rounds.visit(company, act)
    except SeatlineError as error:
        _refuse(error)
    else:
        said.done(
            gettext("Credit note %(number)s is issued.", number=note.number)
            if note.number
            else gettext("The credit note is refused.")
        )
    return redirect(_base(company_id, invoice_id), 303)


def _proposed(company: Company, disputed: str) -> dict[int, str]:
    """Return what a dispute puts in question of each line; nothing where there is none."""
    if not disputed:
        return {}
    key = ids.parse("dsp", disputed)

    def look(session: Session) -> dict[int, str]:
        return in_dispute.proposed(disputes.find(session, tenant_id=company.tenant_id, dispute_id=key))

    return rounds.visit(company, look)


def _parts(currency: str) -> list[Part] | str:
    """Return what was typed into the form; or why not, in words, when an amount is none."""
    parts = []
    for field, text in request.form.items():
        if not text.strip() or not (field == "free" or field.startswith("line-")):
            continue
        minor = amounts.minor(text, currency)
        number = field.removeprefix("line-")
        if minor is None:
            return amounts.no_amount(text, like="12.50")
        if minor <= 0 or not (field == "free" or number.isdecimal()):
            return str(gettext("Write amounts like 12.50, without a sign."))
        parts.append(Part(None if field == "free" else int(number), minor))
    return parts


def _invoice(company: Company, invoice_id: str) -> tuple[InvoiceDocument, Left]:
    def look(session: Session) -> tuple[InvoiceDocument, Left]:
        document = invoices.find(
            session, tenant_id=company.tenant_id, invoice_id=ids.parse("inv", invoice_id)
        )
        return document, credit_notes.left(session, tenant_id=company.tenant_id, invoice=document)

    return rounds.visit(company, look)


def _refuse(error: SeatlineError) -> None:
    if error.kind not in _BUSINESS:
        raise error
    said.why(error)


def _base(company_id: str, invoice_id: str) -> str:
    return f"/operator/companies/{company_id}/invoices/{invoice_id}"
