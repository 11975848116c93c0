"""Amounts as people type them."""

from decimal import Decimal, InvalidOperation

from flask_babel import gettext

from core.money import exponent, is_two_ways

_MOST = 10**15


def minor(text: str, currency: str) -> int | None:
    """Return an amount typed in major units as minor units; None when it is none, or has too many decimals.

    `12.50` and `12,50` of GBP are 1250; `1,250` may be meant two ways and is none.
    """
    if is_two_ways(text):
        return None
    try:
        exact = Decimal(text.strip().replace(",", ".")) * 10 ** exponent(currency)
    except InvalidOperation:
        return None
    if not exact.is_finite() or abs(exact) > _MOST or exact != exact.to_integral_value():
        return None
    return int(exact)


def no_amount(text: str, *, like: str) -> str:
    """Return why what was typed is no amount, in the reader's words; `like` is one that is."""
    shown = text.strip()[:20]
    if is_two_ways(text):
        said = gettext(
            "“%(text)s” may be meant two ways. Write %(thousand)s or %(one)s.",
            text=shown,
            thousand=shown.replace(",", ""),
            one=shown.replace(",", "."),
        )
    else:
        said = gettext("“%(text)s” is no amount. Write it like %(like)s.", text=shown, like=like)
    return str(said)
