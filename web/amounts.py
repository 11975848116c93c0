"""Amounts as people type them."""

from decimal import Decimal, InvalidOperation

from core.money import exponent

_MOST = 10**15


def minor(text: str, currency: str) -> int | None:
    """Return an amount typed in major units as minor units; None when it is none, or has too many decimals.

    `12.50` and `12,50` of GBP are 1250.
    """
    try:
        exact = Decimal(text.strip().replace(",", ".")) * 10 ** exponent(currency)
    except InvalidOperation:
        return None
    if not exact.is_finite() or abs(exact) > _MOST or exact != exact.to_integral_value():
        return None
    return int(exact)
