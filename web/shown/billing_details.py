"""A company's billing details as a form, for the company itself and for the operator."""

from flask_babel import gettext

from billing.accounts import Account
from billing.errors import BillingAccountInvalidError, BuyerNumberError
from web import edits
from web.shown import heads, wording


def fields() -> list[edits.Field]:
    """Return the fields: those of a head, and the reference its invoices are to carry."""
    return [*heads.fields(), edits.Field("order_reference", gettext("Your order reference"))]


def typed(account: Account) -> dict[str, str]:
    """Return an account's details as the fields of a form."""
    return {**heads.typed(account.buyer), "order_reference": account.order_reference}


def wrong(error: BillingAccountInvalidError | BuyerNumberError, *, category: str) -> dict[str, str]:
    """Return what is wrong with which field, in words."""
    if isinstance(error, BuyerNumberError):
        return {"tax_id": number_wanted(category)}
    return heads.wrong(error)


def number_wanted(category: str) -> str:
    """Return why a number cannot be left out."""
    said: str = gettext(
        "Invoices under “%(kind)s” must name this number, with the letters of its country.",
        kind=wording.tax(category),
    )
    return said
