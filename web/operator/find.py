"""The box that finds any id: of a company, a paper, a payment, a dispute, a use, what was used; and our own.

Companies are entered one after the other until one knows it, so it takes as long as there are many of them.
"""

from functools import partial
from uuid import UUID

from flask import redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import finding
from billing.finding import Named
from core import ids, long_jobs
from core.ids import UnknownIdError
from tenants.companies import Company
from tenants.errors import CompanyMissingError
from web import identity, scope
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages

_LONGEST = 80


@pages.get("/find")
@permission("billing.read")
def find() -> str | BaseResponse:
    """Lead to what an id, or a number of a paper, names; say so when nothing is called that."""
    text = request.args.get("q", "").strip()[:_LONGEST]
    where = (_company(text) or _ours(text)) if text else None
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


def _ours(text: str) -> str | None:
    """Return where a thing of the operator's own is: prices, a run, a job, news, what differs."""
    session = scope.session()
    if (job := _job(session, text)) is not None:
        return job
    found = finding.ours(session, text=text)
    if found is None:
        return None
    outside = ids.public(found.prefix, found.row_id)
    if found.tenant_id is not None and found.payment_id is not None:
        owner, payment = ids.public("ten", found.tenant_id), ids.public("pay", found.payment_id)
        return f"/operator/companies/{owner}/payments/{payment}"
    match found.prefix:
        case "pl":
            return f"/operator/prices/{outside}" if _may("prices.read") else None
        case "rrt":
            return f"/operator/rerating?run={outside}"
        case "news":  # the list is of what came before an id
            return f"/operator/news?before={ids.public('news', UUID(int=found.row_id.int + 1))}"
        case _:
            return "/operator/reconciliation"


def _job(session: Session, text: str) -> str | None:
    try:
        found = long_jobs.find(session, job_id=ids.parse("job", text))
    except UnknownIdError:
        return None
    return f"/operator/jobs/{text}" if found is not None and _may("jobs.read") else None


def _may(permission: str) -> bool:
    return permission in identity.current().permissions


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
        case "top":
            return f"{home}/wallet/top-ups/{outside}"
        case "ref":
            return f"{home}/wallet"
        case "con":
            return f"/operator/usage/{owner}/conflicts/{outside}"
        case "use":
            return f"/operator/usage/{owner}/{outside}"
        case _:
            return f"/operator/usage?company={owner}&id={outside}"
