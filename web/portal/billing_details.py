"""Who the company's invoices are made out to."""

from collections.abc import Mapping

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, details
from billing.accounts import Account
from billing.errors import BillingAccountInvalidError, BillingDetailsChangedError, BuyerNumberError
from web import edits, identity, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import billing_details as shown
from web.shown import heads, wording


@pages.get("/billing-details")
@permission("invoices.read")
def billing_details() -> str:
    """Show who the invoices are made out to, and by which terms."""
    found = _account()
    return _page(found, shown.typed(found), revision=found.revision)


@pages.post("/billing-details")
@permission("invoices.pay")
def save_billing_details() -> BaseResponse:
    """Keep the details; when somebody saved first, show both versions instead."""
    who, fields = identity.current(), shown.fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    before = _account()
    try:
        details.change_buyer(
            scope.session(),
            tenant_id=who.tenant_id,
            revision=revision,
            buyer=heads.party(given),
            order_reference=given["order_reference"],
            country=who.company.country,
        )
    except BillingDetailsChangedError:
        return edits.conflicting(
            gettext("Billing details"),
            edits.differences(fields, yours=given, theirs=shown.typed(before)),
            action=url_for("portal.save_billing_details"),
            revision=before.revision,
            back=url_for("portal.billing_details"),
            nav="invoices",
        )
    except (BillingAccountInvalidError, BuyerNumberError) as error:
        errors = shown.wrong(error, category=before.tax_category)
        return make_response(_page(before, given, revision=revision, errors=errors), 422)
    said.done(gettext("Saved. It holds from the next document on."))
    return redirect(url_for("portal.billing_details"), 303)


def _account() -> Account:
    return accounts.find(scope.session(), tenant_id=identity.current().tenant_id)


def _page(
    found: Account,
    given: Mapping[str, str],
    *,
    revision: int,
    errors: Mapping[str, str] | None = None,
) -> str:
    return render_template(
        "portal/billing_details.html",
        given=given,
        errors=errors or {},
        revision=revision,
        countries=heads.countries(),
        schemes=heads.schemes(),
        terms_days=found.terms_days,
        tax=wording.tax(found.tax_category),
        tax_percent=found.tax_rate_ppm / 10_000,
        tax_reason=found.tax_reason,
        may_write="invoices.pay" in identity.current().permissions,
    )
