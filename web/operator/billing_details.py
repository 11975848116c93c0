"""A company's billing details and the terms it is billed by, as the operator keeps them."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import accounts, details, heads, sellers
from billing.accounts import PPM, TAX_CATEGORIES, Account, Seller
from billing.errors import BillingAccountInvalidError, BillingDetailsChangedError, BuyerNumberError
from core import ids
from core.money import typed
from tenants.companies import Company
from web import amounts, edits, identity, said
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.plain import whole
from web.shown import billing_details as shown
from web.shown import heads as shown_heads
from web.shown import wording

_PERCENT = PPM // 100
_LONGEST_DAYS = 3
_NO_DAYS = -1


@pages.get("/companies/<company_id>/billing")
@permission("billing.read")
def billing_details(company_id: str) -> str:
    """Show who a company's invoices are made out to, and by which terms."""
    return _page(rounds.one(company_id))


@pages.post("/companies/<company_id>/billing")
@permission("billing.write")
def save_billing_details(company_id: str) -> BaseResponse:
    """Keep the head and the order reference; they stand on the next document."""
    company = rounds.one(company_id)
    fields = shown.fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)

    def do(session: Session) -> Account:
        return details.change_buyer(
            session,
            tenant_id=company.tenant_id,
            revision=revision,
            buyer=shown_heads.party(given),
            order_reference=given["order_reference"],
            country=company.country,
        )

    return _kept(company, fields, given, revision, do, is_terms=False)


@pages.post("/companies/<company_id>/billing/terms")
@permission("billing.write")
def save_billing_terms(company_id: str) -> BaseResponse:
    """Keep the days to pay and the tax; drafts are made anew under them."""
    company = rounds.one(company_id)
    fields = _terms_fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    days = whole(given["terms_days"], longest=_LONGEST_DAYS)

    def do(session: Session) -> Account:
        return details.change_terms(
            session,
            tenant_id=company.tenant_id,
            revision=revision,
            terms_days=_NO_DAYS if days is None else days,
            tax_category=given["tax_category"],
            tax_rate_ppm=_ppm(given["tax_rate"]),
            tax_reason=given["tax_reason"],
            country=company.country,
        )

    return _kept(company, fields, given, revision, do, is_terms=True)


def _kept(
    company: Company,
    fields: list[edits.Field],
    given: dict[str, str],
    revision: int,
    do: Callable[[Session], Account],
    *,
    is_terms: bool,
) -> BaseResponse:
    """Do it and lead back; or say which field cannot be, or that somebody saved first."""
    here = _here(company)
    try:
        rounds.visit(company, do)
    except BillingDetailsChangedError:
        now, _seller = _look(company)
        return edits.conflicting(  # noqa: S604 - `shell` is a template here
            gettext("Terms") if is_terms else gettext("Billing details"),
            edits.differences(
                fields, yours=given, theirs=_typed_terms(now) if is_terms else shown.typed(now)
            ),
            action=f"{here}/terms" if is_terms else here,
            revision=now.revision,
            back=here,
            shell="shell/operator.html",
            nav="companies",
        )
    except (BillingAccountInvalidError, BuyerNumberError) as error:
        now, _seller = _look(company)
        errors = shown.wrong(error, category=given["tax_category"] if is_terms else now.tax_category)
        if is_terms and "tax_rate" in errors:
            errors["tax_rate"] = amounts.two_ways(given["tax_rate"]) or errors["tax_rate"]
        if is_terms and isinstance(error, BuyerNumberError):
            errors = {"tax_category": errors["tax_id"]}
        return make_response(_page(company, given, errors, revision=revision), 422)
    said.done(gettext("Saved. It holds from the next document on."))
    return redirect(here, 303)


def _look(company: Company) -> tuple[Account, Seller]:
    def look(session: Session) -> tuple[Account, Seller]:
        account = accounts.find(session, tenant_id=company.tenant_id)
        return account, sellers.of(session, account)

    return rounds.visit(company, look)


def _page(
    company: Company,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    revision: int = 0,
) -> str:
    account, seller = _look(company)
    lacks = heads.lacking(seller, account.buyer, category=account.tax_category, buyer_country=company.country)
    return render_template(
        "operator/billing_details.html",
        company_=company,
        here=_here(company),
        given={**shown.typed(account), **_typed_terms(account), **(given or {})},
        errors=errors or {},
        revision=revision or account.revision,
        countries=shown_heads.countries(),
        schemes=shown_heads.schemes(),
        categories=[(one, f"{wording.tax(one)} · {one}") for one in TAX_CATEGORIES],
        lacks=shown_heads.lacks(lacks),
        is_ours=any(one.value.startswith("seller") for one in lacks),
        most_days=details.MOST_DAYS,
        may_write="billing.write" in identity.current().permissions,
    )


def _terms_fields() -> list[edits.Field]:
    return [
        edits.Field("terms_days", gettext("Days to pay")),
        edits.Field("tax_category", gettext("Kind of tax")),
        edits.Field("tax_rate", gettext("Tax, percent")),
        edits.Field("tax_reason", gettext("Why no tax is charged")),
    ]


def _typed_terms(account: Account) -> dict[str, str]:
    return {
        "terms_days": str(account.terms_days),
        "tax_category": account.tax_category,
        "tax_rate": f"{(Decimal(account.tax_rate_ppm) / _PERCENT).normalize():f}",
        "tax_reason": account.tax_reason,
    }


def _ppm(text: str) -> int:
    """Return percent as parts per million: `17.5` -> 175000; -1 for what has more places, or is none."""
    percent = typed(text or "0")
    ppm = None if percent is None else percent * _PERCENT
    return -1 if ppm is None or ppm != ppm.to_integral_value() else int(ppm)


def _here(company: Company) -> str:
    return f"/operator/companies/{ids.public('ten', company.tenant_id)}/billing"
