"""Disputes: what companies say is wrong about an invoice, settled by a credit note or refused."""

from flask import redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import disputes, invoices
from billing.disputes import REFUSED, SETTLED, Dispute
from billing.documents.document import InvoiceDocument
from core import ids
from core.errors import SeatlineError
from tenants.companies import Company
from web import identity, said
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import disputes as shown
from web.shown.disputes import DisputeRow

_BUSINESS = frozenset({"refused", "conflict", "invalid"})


@pages.get("/disputes")
@permission("billing.read")
def dispute_list() -> str:
    """Show what is not settled, of the companies of this page."""
    page = rounds.page()

    def look(session: Session, company: Company) -> list[DisputeRow]:
        found = disputes.every(session, tenant_id=company.tenant_id)
        return [
            shown.dispute(
                one,
                invoices.find(session, tenant_id=company.tenant_id, invoice_id=one.invoice_id),
                href=_base(company, one),
                company=company.name,
            )
            for one in found
            if one.state not in {SETTLED, REFUSED}
        ]

    rows = [row for _company, found in rounds.go(page.companies, look) for row in found]
    here = "/operator/disputes?after="
    return render_template(
        "operator/disputes.html",
        disputes=rows,
        newer=None if page.newer is None else here + page.newer,
        older=None if page.older is None else here + page.older,
    )


@pages.get("/companies/<company_id>/disputes/<dispute_id>")
@permission("billing.read")
def one_dispute(company_id: str, dispute_id: str) -> str:
    """Show a dispute, each difference with both sides."""
    company = rounds.one(company_id)
    key = ids.parse("dsp", dispute_id)

    def look(session: Session) -> tuple[Dispute, InvoiceDocument]:
        found = disputes.find(session, tenant_id=company.tenant_id, dispute_id=key)
        return found, invoices.find(session, tenant_id=company.tenant_id, invoice_id=found.invoice_id)

    found, document = rounds.visit(company, look)
    return render_template(
        "operator/dispute.html",
        dispute=shown.dispute(found, document, href=""),
        company_=company,
        invoice_url=f"/operator/companies/{company_id}/invoices/{ids.public('inv', found.invoice_id)}",
        base=_base(company, found),
        may_write="billing.write" in identity.current().permissions,
    )


@pages.post("/companies/<company_id>/disputes/<dispute_id>/refuse")
@permission("billing.write")
def refuse_dispute(company_id: str, dispute_id: str) -> BaseResponse:
    """Refuse a dispute and say why."""
    company = rounds.one(company_id)
    key = ids.parse("dsp", dispute_id)

    def act(session: Session) -> Dispute:
        answer = request.form.get("answer", "")
        return disputes.refuse(session, tenant_id=company.tenant_id, dispute_id=key, answer=answer)

    try:
        rounds.visit(company, act)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        said.why(error)
    else:
        said.done(gettext("The company reads your answer."))
    return redirect(f"/operator/companies/{company_id}/disputes/{dispute_id}", 303)


def _base(company: Company, found: Dispute) -> str:
    return (
        f"/operator/companies/{ids.public('ten', company.tenant_id)}"
        f"/disputes/{ids.public('dsp', found.dispute_id)}"
    )
