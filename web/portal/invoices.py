"""Invoices, the bill as it would be now, and the calls behind a line."""

from urllib.parse import urlencode

from flask import Response, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, charges, credit_notes, disputes, explorer, periods, sellers
from billing import invoices as billing
from billing.charges import Behind
from billing.documents.document import CreditNote, InvoiceDocument
from billing.errors import InvoiceNotFoundError
from billing.explorer import Wanted
from billing.payments import attempts, copies
from core import clock, ids
from core.ids import CallId
from security import evidence
from telephony import calls as telephony
from telephony.errors import CallNotFoundError
from web import files, identity, scope, tables
from web.account.passkeys import SignInAgainError
from web.guards import permission
from web.portal import calls, payments
from web.portal.views import pages
from web.shown import copies as shown_copies
from web.shown import credit_notes as shown_credit
from web.shown import disputes as shown_disputes
from web.shown import downloads, invoices, usage
from web.shown import payments as shown
from web.shown.calls import CallRow
from web.shown.invoices import InvoiceRow
from web.shown.numbers_in_full import other_parties
from wiring import estimates

_USES = 50


def _states() -> tables.Words:
    return [
        ("open", gettext("Open")),
        ("overdue", gettext("Overdue")),
        ("failed", gettext("Declined")),
        ("requires-action", gettext("Wants confirming")),
        ("processing", gettext("On its way")),
        ("paid", gettext("Paid")),
        ("refunded", gettext("Refunded")),
        ("credited", gettext("Credited")),
        ("draft", gettext("Draft")),
    ]


INVOICES: tables.Table[InvoiceRow] = tables.Table(
    "invoices",
    (
        tables.Column("number", _l("Invoice"), lambda row: row.number or "", sorts=True),
        tables.Column("period", _l("Period"), lambda row: row.first_on, sorts=True),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("issued", _l("Issued"), lambda row: row.issued_on, sorts=True),
        tables.Column("due", _l("Due"), lambda row: row.due_on, sorts=True),
        tables.Column("total", _l("Total"), lambda row: row.total, sorts=True, cls="r"),
        tables.Column("pay", _l("Action"), hidden=True),
    ),
    filters=(
        tables.Search("find", _l("Find an invoice"), _l("Invoice number")),
        tables.Choice("state", _l("State"), _states),
    ),
    order="-period",
)


@pages.get("/invoices")
@permission("invoices.read")
def invoice_list() -> str | BaseResponse:
    """Show the company's invoices, newest first."""
    who = identity.current()

    def fetch(asked: tables.Asked) -> tables.Slice[InvoiceRow]:
        base, state = url_for("portal.invoice_list"), asked.get("state")
        found = billing.every(scope.session(), tenant_id=who.tenant_id)
        zone = who.company.zone
        stands = attempts.standings(scope.session(), tenant_id=who.tenant_id, these=found, zone=zone)
        rows = [
            invoices.listed(one, zone=zone, base=base, standing=stands.get(one.invoice_id)) for one in found
        ]
        kept = [row for row in rows if not state or row.state == state]
        return tables.of_list(INVOICES, asked, kept, text=lambda row: row.number or "")

    may_pay = "invoices.pay" in who.permissions and scope.services().payments.is_connected
    return tables.show(INVOICES, "portal/invoices.html", fetch, may_pay=may_pay)


@pages.get("/invoices/preview")
@permission("invoices.read")
def bill_preview() -> str:
    """Show the invoice this month would give if it ended now."""
    who, session = identity.current(), scope.session()
    account = accounts.find(session, tenant_id=who.tenant_id)
    period = periods.month_of(clock.now(), zone=account.zone)
    accruals = estimates.accruals(session, tenant_id=who.tenant_id, now=clock.now())
    bill = billing.preview(session, tenant_id=who.tenant_id, period=period, accruals=accruals)
    return render_template(
        "portal/invoice.html",
        invoice=invoices.preview(bill, account=account, seller=sellers.of(session, account), period=period),
        history=[],
        base="",
        stand=None,
        payments=[],
        methods=[],
        may_pay=False,
        is_connected=False,
        bank=(),
        copy=None,
        credit_notes=[],
        disputes=[],
    )


@pages.get("/invoices/<invoice_id>")
@permission("invoices.read")
def one_invoice(invoice_id: str) -> str:
    """Show one invoice; each line leads to its calls."""
    document = _find(invoice_id)
    who, session = identity.current(), scope.session()
    base = url_for("portal.one_invoice", invoice_id=ids.public("inv", document.invoice_id))
    stands = attempts.standing_of(session, tenant_id=who.tenant_id, invoice=document)
    tried = attempts.of_invoice(session, tenant_id=who.tenant_id, invoice_id=document.invoice_id)
    back = attempts.came_back(session, tenant_id=who.tenant_id)
    came_back = sum(back.get(one.payment_id, 0) for one in tried)
    copy = copies.find(session, tenant_id=who.tenant_id, invoice_id=document.invoice_id)
    may_pay = bool(stands and stands.can_be_paid) and "invoices.pay" in who.permissions
    return render_template(
        "portal/invoice.html",
        invoice=invoices.paper(document, lines_url=f"{base}/lines/", standing=stands),
        history=invoices.history(
            document,
            paid_at=attempts.paid_at(session, tenant_id=who.tenant_id, invoice_id=document.invoice_id),
        ),
        base=base,
        stand=shown.stand(stands, currency=document.bill.currency, came_back_minor=came_back),
        payments=payments.shown_of(tried),
        methods=payments.ways_to_pay(who.tenant_id) if may_pay else [],
        may_pay=may_pay,
        is_connected=scope.services().payments.is_connected,
        bank=document.seller.payment,
        copy=shown_copies.seen(copy, stands),
        credit_notes=shown_credit.rows(_credits(document), base="/portal/credit-notes", has_xml=True),
        disputes=_disputes(document),
    )


@pages.get("/invoices/<invoice_id>/pdf")
@permission("invoices.read")
def invoice_pdf(invoice_id: str) -> Response:
    """Return the invoice as PDF, in the language asked for."""
    return downloads.pdf(_find(invoice_id), language=request.args.get("language", ""))


@pages.get("/invoices/<invoice_id>/csv")
@permission("invoices.read")
def invoice_csv(invoice_id: str) -> BaseResponse:
    """Return every event behind the invoice as CSV."""
    return downloads.csv(scope.session(), tenant_id=identity.current().tenant_id, document=_find(invoice_id))


@pages.get("/invoices/<invoice_id>/csv-in-full")
@permission("company.export")
def invoice_csv_in_full(invoice_id: str) -> BaseResponse:
    """Return the same with the other parties' numbers in full; who took it stands in the log.

    Raises:
        SignInAgainError: the sign-in is too long ago.
    """
    document, who = _find(invoice_id), identity.current()
    if files.pen() is None and not who.is_fresh:
        raise SignInAgainError
    evidence.record(scope.session(), "invoice.numbers-fetched", "inv", document.invoice_id)
    return downloads.csv(
        scope.session(),
        tenant_id=who.tenant_id,
        document=document,
        numbers=other_parties(scope.session(), tenant_id=who.tenant_id),
    )


@pages.get("/invoices/<invoice_id>/xml")
@permission("invoices.read")
def invoice_xml(invoice_id: str) -> Response:
    """Return the e-invoice, which programs read."""
    return downloads.e_invoice(_find(invoice_id), country=identity.current().company.country)


@pages.get("/invoices/<invoice_id>/proof")
@permission("invoices.read")
def invoice_proof(invoice_id: str) -> Response:
    """Return the file by which anybody works the invoice out again, without us."""
    return downloads.proof(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        document=_find(invoice_id),
        signer=scope.services().signer,
    )


@pages.get("/credit-notes/<note_id>/pdf")
@permission("invoices.read")
def credit_pdf(note_id: str) -> Response:
    """Return a credit note as PDF, in the language asked for."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    note = credit_notes.find(session, tenant_id=tenant_id, credit_note_id=ids.parse("crn", note_id))
    document = billing.find(session, tenant_id=tenant_id, invoice_id=note.invoice_id)
    return downloads.credit_pdf(note, document, language=request.args.get("language", ""))


@pages.get("/credit-notes/<note_id>/xml")
@permission("invoices.read")
def credit_xml(note_id: str) -> Response:
    """Return a credit note as an e-invoice."""
    who, session = identity.current(), scope.session()
    note = credit_notes.find(session, tenant_id=who.tenant_id, credit_note_id=ids.parse("crn", note_id))
    document = billing.find(session, tenant_id=who.tenant_id, invoice_id=note.invoice_id)
    return downloads.credit_e_invoice(note, document, country=who.company.country)


@pages.get("/invoices/<invoice_id>/lines/<int:line_no>")
@permission("invoices.read")
def calls_of_line(invoice_id: str, line_no: int) -> str | BaseResponse:
    """Show the calls behind an invoice line, newest first.

    Behind what was rented there are none, nor behind usage that others metered, a part of another company's
    calls, or calls that are no longer kept: there, what was used is shown.

    Raises:
        InvoiceNotFoundError: no such invoice or line.
    """
    who, session = identity.current(), scope.session()
    document = _find(invoice_id)
    line = next((one for one in document.bill.lines if one.line_no == line_no), None)
    if line is None:
        raise InvoiceNotFoundError
    head = {
        "name": invoices.line_name(line),
        "invoice_url": url_for("portal.one_invoice", invoice_id=invoice_id),
        "invoice_number": document.number or gettext("Draft"),
    }
    if line.units_nano is not None or not _has_calls(document, line_no):
        return _uses_of_line(document, line_no, head)

    def fetch(asked: tables.Asked) -> tables.Slice[CallRow]:
        found = charges.behind_line(
            session,
            tenant_id=who.tenant_id,
            invoice_id=document.invoice_id,
            line_no=line_no,
            after=_after(document, line_no, asked.after),
            limit=asked.size + 1,
        )
        page = found[: asked.size]
        behind = telephony.these(
            session,
            tenant_id=who.tenant_id,
            call_ids=[CallId(one.subject_ref) for one in page],
            vault=scope.services().vault,
        )
        more = {"after": ids.public("call", page[-1].subject_ref)} if len(found) > asked.size else None
        return tables.Slice(
            calls.rows(behind), following=more, preceding={} if asked.after else None, total=line.events
        )

    return tables.show(
        calls.BEHIND,
        "portal/calls.html",
        fetch,
        line=head,
    )


def _has_calls(document: InvoiceDocument, line_no: int) -> bool:
    """Return whether there is a call to look at among the newest behind a line."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    newest = charges.behind_line(
        session, tenant_id=tenant_id, invoice_id=document.invoice_id, line_no=line_no, limit=_USES
    )
    refs = [CallId(one.subject_ref) for one in newest]
    return bool(telephony.these(session, tenant_id=tenant_id, call_ids=refs, vault=scope.services().vault))


def _uses_of_line(document: InvoiceDocument, line_no: int, head: dict[str, str]) -> str:
    """Show what was used or rented behind a line: from when to when, how much, the exact amount."""
    before = usage.before(request.args.get("before", ""))
    found = explorer.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        wanted=Wanted(reference=document.invoice_id, line_no=line_no),
        before=before,
        limit=_USES + 1,
    )
    shown = found[:_USES]
    more = len(found) > _USES
    return render_template(
        "portal/line.html",
        line=head,
        entries=[usage.entry(one) for one in shown],
        newer=request.path if before else None,
        older=f"{request.path}?{urlencode({'before': usage.mark(shown[-1])})}" if more else None,
    )


def _after(document: InvoiceDocument, line_no: int, text: str) -> Behind | None:
    """Return where the page goes on.

    Raises:
        CallNotFoundError: what it names does not stand behind the line.
    """
    if not text:
        return None
    found = charges.place_of(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        invoice_id=document.invoice_id,
        line_no=line_no,
        subject_ref=ids.parse("call", text),
    )
    if found is None:
        raise CallNotFoundError
    return found


def _disputes(document: InvoiceDocument) -> list[shown_disputes.DisputeRow]:
    found = disputes.every(
        scope.session(), tenant_id=identity.current().tenant_id, invoice_id=document.invoice_id
    )
    base = "/portal/disputes/"
    return [
        shown_disputes.dispute(one, document, href=base + ids.public("dsp", one.dispute_id)) for one in found
    ]


def _credits(document: InvoiceDocument) -> list[CreditNote]:
    """Return what was issued on it; what waits or was refused is the operator's own affair."""
    found = credit_notes.of_invoice(
        scope.session(), tenant_id=identity.current().tenant_id, invoice_id=document.invoice_id
    )
    return [one for one in found if one.number]


def _find(invoice_id: str) -> InvoiceDocument:
    return billing.find(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        invoice_id=ids.parse("inv", invoice_id),
    )
