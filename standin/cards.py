"""The numbers Stripe publishes for testing, and what each does (docs.stripe.com/testing). No other is taken.

A number goes no further than this module: what is kept of it is the brand, the last four digits and the
name of what it does.
"""

from dataclasses import dataclass
from typing import Literal

Asks = Literal["never", "until-set-up", "always"]
Refunds = Literal["at-once", "later", "fails-later"]


@dataclass(frozen=True, slots=True)
class Doing:
    """What a test number does.

    Attributes:
        refuses_saving: the decline that meets an attempt to save it; None: it can be saved.
        declines: the decline that meets a charge; None: it is paid.
        asks: when its bank wants the holder to confirm (3-D Secure).
        is_disputed: the payment succeeds and is charged back at once.
        refunds: how money given back comes out: done, done later, or done and failing later.
    """

    name: str
    refuses_saving: str | None = None
    declines: str | None = None
    asks: Asks = "never"
    is_disputed: bool = False
    refunds: Refunds = "at-once"


def _declined(code: str) -> Doing:
    return Doing(code, refuses_saving=code, declines=code)


_CARDS = {
    "4242424242424242": ("visa", Doing("paid")),
    "5555555555554444": ("mastercard", Doing("paid")),
    "378282246310005": ("amex", Doing("paid")),
    "6200000000000005": ("unionpay", Doing("paid")),
    "4000000000000002": ("visa", _declined("generic_decline")),
    "4000000000009995": ("visa", _declined("insufficient_funds")),
    "4000000000009987": ("visa", _declined("lost_card")),
    "4000000000009979": ("visa", _declined("stolen_card")),
    "4000000000000069": ("visa", _declined("expired_card")),
    "4000000000000127": ("visa", _declined("incorrect_cvc")),
    "4000000000000119": ("visa", _declined("processing_error")),
    "4000000000000341": ("visa", Doing("fails_when_charged", declines="generic_decline")),
    "4000002500003155": ("visa", Doing("asks_until_set_up", asks="until-set-up")),
    "4000002760003184": ("visa", Doing("asks_always", asks="always")),
    "4000000000003220": ("visa", Doing("asks_always", asks="always")),
    "4000008260003178": (
        "visa",
        Doing("asks_then_insufficient_funds", declines="insufficient_funds", asks="always"),
    ),
    "4000000000000259": ("visa", Doing("disputed", is_disputed=True)),
    "4000000000007726": ("visa", Doing("refunds_later", refunds="later")),
    "4000000000005126": ("visa", Doing("refund_fails_later", refunds="fails-later")),
}
# what Stripe lets programs name instead of a number
NAMED = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_createDispute": "4000000000000259",
}

# bank debits: accepted at once, settled days later; account number -> failure of the settlement, or None
BANKS: dict[str, dict[str, str | None]] = {
    "bacs_debit": {
        "00012345": None,
        "22222227": "insufficient_funds",
        "33333335": "debit_not_authorized",
        "11111113": "account_closed",
    },
    "us_bank_account": {
        "000123456789": None,
        "000222222227": "insufficient_funds",
        "000333333335": "debit_not_authorized",
        "000111111113": "account_closed",
    },
}
BANK_OF = {"gbp": "bacs_debit", "usd": "us_bank_account"}  # by currency

# Paid in an app that the payer is led to, by currency, at an account in Britain; the app asks always.
# Sources: docs.stripe.com/payments/alipay, docs.stripe.com/payments/wechat-pay.
APPS = {"alipay": frozenset({"gbp", "cny"}), "wechat_pay": frozenset({"gbp", "cny"})}
IN_THE_APP = "asks_always"

_DOINGS = {doing.name: doing for _, doing in _CARDS.values()}
_WORDS = {
    "generic_decline": ("card_declined", "Your card was declined."),
    "insufficient_funds": ("card_declined", "Your card has insufficient funds."),
    "lost_card": ("card_declined", "Your card was declined."),
    "stolen_card": ("card_declined", "Your card was declined."),
    "expired_card": ("expired_card", "Your card has expired."),
    "incorrect_cvc": ("incorrect_cvc", "Your card's security code is incorrect."),
    "processing_error": ("processing_error", "An error occurred while processing your card. Try again."),
    "authentication_required": (
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
    ),
}


@dataclass(frozen=True, slots=True)
class Card:
    """What is kept of a card."""

    brand: str
    last4: str
    doing: Doing


def card(number: str) -> Card | None:
    """Return the test card of that number, or None: no real card may be typed here."""
    digits = "".join(sign for sign in number if sign.isdigit())
    found = _CARDS.get(digits)
    return Card(found[0], digits[-4:], found[1]) if found else None


def doing(name: str) -> Doing:
    """Return what `Doing.name` stands for."""
    return _DOINGS[name]


def decline(code: str) -> tuple[str, str]:
    """Return Stripe's error code and sentence for a decline code."""
    return _WORDS[code]
