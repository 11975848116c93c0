"""Amounts as people type them."""

from flask_babel import gettext

from core.errors import Invalid
from core.money import exponent, is_two_ways, typed

_MOST = 10**15


class AmountTypedError(Invalid):
    """What was typed is no amount of the currency, or may be meant two ways."""

    code = "amount-typed"


def minor(text: str, currency: str) -> int | None:
    """Return an amount typed in major units as minor units; None when it is none, or has too many decimals.

    `12.50` and `12,50` of GBP are 1250; `1,250` may be meant two ways and is none.
    """
    value = typed(text)
    exact = None if value is None else value * 10 ** exponent(currency)
    if exact is None or abs(exact) > _MOST or exact != exact.to_integral_value():
        return None
    return int(exact)


def insist(text: str, currency: str) -> int:
    """Return an amount typed in major units as minor units.

    Raises:
        AmountTypedError: it is none (`minor`).
    """
    found = minor(text, currency)
    if found is None:
        raise AmountTypedError
    return found


def no_amount(text: str, *, like: str) -> str:
    """Return why what was typed is no amount, in the reader's words; `like` is one that is."""
    shown = text.strip()[:20]
    return two_ways(text) or str(
        gettext("“%(text)s” is no amount. Write it like %(like)s.", text=shown, like=like)
    )


def two_ways(text: str) -> str:
    """Return that a number may be meant two ways, in the reader's words; empty when it may not."""
    if not is_two_ways(text):
        return ""
    shown = text.strip()[:20]
    return str(
        gettext(
            "“%(text)s” may be meant two ways. Write %(thousand)s or %(one)s.",
            text=shown,
            thousand=shown.replace(",", ""),
            one=shown.replace(",", "."),
        )
    )
