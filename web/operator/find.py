"""The box that finds any id: of a company, a paper, a payment, a dispute, a use, or what was used.

Companies are entered one after the other until one knows it, so it takes as long as there are many of them.
"""

from functools import partial

from flask import redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import finding
from billing.finding import Named
from core import ids
from core.ids import UnknownIdError
from tenants.companies import Company
from tenants.errors import CompanyMissingError
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_LONGEST = 80


@pages.get("/find")
@permission("billing.read")
def find() -> str | BaseResponse:
    """Lead to what an id, or a number of a paper, names; say so when nothing is called that."""
    text = request.args.get("q", "").strip()[:_LONGEST]
    where = _company(text) if text else None
    if text and where is None:
        for company in rounds.clients():
            found = rounds.visit(company, partial(_look, company=company, text=text))
            if found is not None:
                where = _page(company, found)
                break
    if where is not None:
        return redirect(where, 303)
    return render_template("operator/find.html", text=text)


def _company(text: str) -> str | None:
    try:
        return f"/operator/companies/{ids.public('ten', rounds.one(text).tenant_id)}"
    except (UnknownIdError, CompanyMissingError):
        return None


def _look(session: Session, *, company: Company, text: str) -> Named | None:
    return finding.named(session, tenant_id=company.tenant_id, text=text)


def _page(company: Company, found: Named) -> str:
    owner, outside = ids.public("ten", company.tenant_id), ids.public(found.prefix, found.row_id)
    home = f"/operator/companies/{owner}"
    match found.prefix:
        case "inv":
            return f"{home}/invoices/{outside}"
        case "crn":
            return f"{home}/invoices/{ids.public('inv', found.invoice_id or found.row_id)}"
        case "pay":
            return f"{home}/payments/{outside}"
        case "dsp":
            return f"{home}/disputes/{outside}"
        case "use":
            return f"/operator/usage/{owner}/{outside}"
        case _:
            return f"/operator/usage?company={owner}&id={outside}"
