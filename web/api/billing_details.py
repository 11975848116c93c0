"""Who the company's invoices are made out to."""

import dataclasses
from typing import Literal

from pydantic import Field

from billing import accounts, details
from billing.accounts import Account
from web import identity, scope
from web.api import preconditions
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Inward, Outward, Text, shown_as
from web.guards import permission

_TAG = "Invoices"
_COUNTRY = "ISO 3166-1; empty: the letters of the tax number, else the company's country."
_SCHEME = "Of the EAS list of EN 16931, such as `0088` (GLN) or `EM` (e-mail); empty: the e-mail address."
_REFERENCE = "Your own number for what you buy; it stands on every invoice."


class BillingTerms(Outward):
    """By which terms you are billed; they are agreed with the operator."""

    days_to_pay: int = Field(examples=[30])
    tax_category: Literal["S", "Z", "E", "AE", "K", "G", "O"] = Field(
        description="UNCL 5305: standard, zero, exempt, reverse charge, intra-community, export, outside."
    )
    tax_rate_ppm: int = Field(description="Parts per million: 200000 is 20 %.", examples=[200_000])
    tax_reason: str = Field(description="Why no tax is charged, where it is said in words.")


class BillingDetails(Outward):
    """Who your invoices are made out to, from the next document on."""

    name: str = Field(examples=["Pelican Parcel Ltd"])
    address: list[str] = Field(description="Lines of the street.", examples=[["Unit 6, Mill Lane"]])
    postcode: str = Field(examples=["LS1 4AP"])
    city: str = Field(examples=["Leeds"])
    country: str = Field(description=_COUNTRY, examples=["GB"])
    tax_id: str = Field(examples=["GB 000 0000 01"])
    register_id: str = Field(description="The number in the register of companies.")
    email: str = Field(examples=["invoices@pelicanparcel.example"])
    scheme: str = Field(description=_SCHEME)
    endpoint: str = Field(description="The address e-invoices go to, of that scheme.")
    order_reference: str = Field(description=_REFERENCE)
    terms: BillingTerms


class BillingDetailsChange(Inward):
    """What to change; what is left out stays."""

    model_config = shown_as(order_reference="PO-7713")

    name: Text | None = Field(default=None, min_length=1, max_length=200)
    address: list[Text] | None = Field(default=None, max_length=4, examples=[["Unit 6, Mill Lane"]])
    postcode: Text | None = Field(default=None, max_length=20)
    city: Text | None = Field(default=None, max_length=80)
    country: Text | None = Field(default=None, max_length=2, description=_COUNTRY, examples=["GB"])
    tax_id: Text | None = Field(default=None, max_length=40)
    register_id: Text | None = Field(default=None, max_length=60)
    email: Text | None = Field(default=None, max_length=254)
    scheme: Text | None = Field(default=None, max_length=4, description=_SCHEME)
    endpoint: Text | None = Field(default=None, max_length=254)
    order_reference: Text | None = Field(default=None, max_length=60, description=_REFERENCE)


@pages.get("/billing-details")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: BillingDetails}, errors=(404,), operation_id="getBillingDetails")
def billing_details() -> tuple[BillingDetails, int, dict[str, str]]:
    """Look at who your invoices are made out to, and by which terms."""
    found = accounts.find(scope.session(), tenant_id=identity.current().tenant_id)
    return _shown(found), 200, preconditions.tag(found.revision)


@pages.patch("/billing-details")
@permission("invoices.pay")
@operation(
    tag=_TAG,
    answers={200: BillingDetails},
    errors=(404, 409),
    operation_id="changeBillingDetails",
    conditional=True,
)
def change_billing_details(json: BillingDetailsChange) -> tuple[BillingDetails, int, dict[str, str]]:
    """Change who your invoices are made out to; what is finalised stays as it is."""
    who = identity.current()
    found = accounts.find(scope.session(), tenant_id=who.tenant_id)
    preconditions.insist(found.revision)
    given = {name: value for name, value in json if value is not None}
    reference = str(given.pop("order_reference", found.order_reference))
    if "address" in given:
        given["address"] = tuple(given["address"])
    changed = details.change_buyer(
        scope.session(),
        tenant_id=who.tenant_id,
        revision=found.revision,
        buyer=dataclasses.replace(found.buyer, **given),
        order_reference=reference,
        country=who.company.country,
    )
    return _shown(changed), 200, preconditions.tag(changed.revision)


def _shown(found: Account) -> BillingDetails:
    return BillingDetails.model_validate(
        {
            **accounts.party_to_json(found.buyer),
            "order_reference": found.order_reference,
            "terms": {
                "days_to_pay": found.terms_days,
                "tax_category": found.tax_category,
                "tax_rate_ppm": found.tax_rate_ppm,
                "tax_reason": found.tax_reason,
            },
        }
    )
