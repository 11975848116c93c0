"""Words for codes that stand in rows: meters, tax categories, kinds of numbers and rentals.

The rooms keep codes; documents have words of their own (`billing.documents.words`), because a paper's
language is the account's and a page's is the reader's.
"""

from collections.abc import Mapping

from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

METERS: Mapping[str, LazyString] = {
    "voice.inbound": _l("Calls in"),
    "voice.outbound": _l("Calls out"),
    "voice.inbound.shared": _l("Share of another company’s calls in"),
    "voice.outbound.shared": _l("Share of another company’s calls out"),
    "seat.month": _l("Seats by the month"),
    "seat.day": _l("Seats by the day"),
    "seat.hour": _l("Seats by the hour"),
    "number.local": _l("Local numbers"),
    "number.national": _l("National numbers"),
    "number.mobile": _l("Mobile numbers"),
    "number.tollfree": _l("Freephone numbers"),
    "number.short": _l("Short codes"),
    "agent.hour": _l("Agents by the hour"),
    "agent.training": _l("Training of agents by the hour"),
    "seat.burst": _l("Seats above those booked"),
    "seat.burst_day": _l("Seats above those booked, by the day"),
    "recording.gb_day": _l("Storage of recordings"),
    "message.sms": _l("Text messages"),
    "fee.platform": _l("Platform fee"),
    "fee.support": _l("Support fee"),
    "item.setup": _l("Set-up"),
    "item.training": _l("Training"),
    "item.integration": _l("Integration"),
    "item.other": _l("Other one-off charge"),
}
# What stands on an invoice without a meter of its own (`billing.bill.Kind`).
AGREED: Mapping[str, LazyString] = {
    "discount": _l("Discount"),
    "commitment": _l("Minimum spend"),
    "credit": _l("Service credit"),
}
UNIT_PRICES: Mapping[str, LazyString] = {
    "minute": _l("a minute"),
    "month": _l("a month"),
    "day": _l("a day"),
    "hour": _l("an hour"),
    "piece": _l("each"),
    "gb_day": _l("a gigabyte and day"),
}
TAXES: Mapping[str, LazyString] = {
    "S": _l("VAT"),
    "Z": _l("VAT, zero rate"),
    "E": _l("VAT exempt"),
    "AE": _l("Reverse charge"),
    "K": _l("Intra-community supply"),
    "G": _l("Export"),
    "O": _l("Not subject to VAT"),
}
NUMBER_KINDS: Mapping[str, LazyString] = {
    "local": _l("local"),
    "national": _l("national"),
    "mobile": _l("mobile"),
    "tollfree": _l("freephone"),
    "short": _l("short code"),
}
RENTAL_KINDS: Mapping[str, LazyString] = {
    "month": _l("by the month"),
    "day": _l("by the day"),
    "hour": _l("by the hour"),
}


def unit_price(unit: str) -> str:
    """Return what a price is for, as it follows the price: `a minute`, `a month`."""
    return str(UNIT_PRICES.get(unit, unit))


def meter(code: str) -> str:
    """Return the word for a meter; one we have no word for stands for itself."""
    return str(METERS.get(code, AGREED.get(code, code)))


def tax(category: str) -> str:
    """Return the word for a tax category (UNCL 5305)."""
    return str(TAXES.get(category, category))


def number_kind(code: str) -> str:
    """Return the word for a kind of number."""
    return str(NUMBER_KINDS.get(code, code))


def rental_kind(code: str) -> str:
    """Return the word for how a seat's rental is charged."""
    return str(RENTAL_KINDS.get(code, code))


def language() -> str:
    """Return in which of the languages of documents the reader reads."""
    return "zh" if str(get_locale() or "en").startswith("zh") else "en"


def named(names: Mapping[str, str], code: str) -> str:
    """Return a destination's name in the reader's language, else in English, else its code."""
    return names.get(language()) or names.get("en") or code
