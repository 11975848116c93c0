"""Money: integers with a currency, and three roundings, each once and half-up.

An event is rated in nano-units (10^-9 of the major unit), an invoice line in minor units from the exact
sum of its events, tax in minor units once per category and rate (design, invariant 4). Half-up means
away from zero at the half, as finance departments round.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from core.errors import Invalid

NANO = 1_000_000_000
_TWO_WAYS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
# digits that arithmetic keeps exactly, with room for a factor (the context has 28)
_MOST_DIGITS = 20
# ISO 4217 exponents that are not 2 among the currencies we can bill in.
_EXPONENTS = {
    "JPY": 0,
    "KRW": 0,
    "VND": 0,
    "CLP": 0,
    "KWD": 3,
    "BHD": 3,
    "JOD": 3,
    "OMR": 3,
    "TND": 3,
}


class CurrencyMismatchError(Invalid):
    """Amounts of two currencies met in one sum."""

    code = "currency-mismatch"


def exponent(currency: str) -> int:
    """Return how many decimals the currency's minor unit has (GBP 2, JPY 0, KWD 3)."""
    return _EXPONENTS.get(currency, 2)


def is_two_ways(text: str) -> bool:
    """Return whether a number as people type it may be meant two ways, a thousandfold apart.

    `1,250` is above a thousand to some, and a quarter above one to others. `1,25` and `0,125` are not: no
    thousands are written like that.
    """
    return _TWO_WAYS.fullmatch(text.strip()) is not None


def typed(text: str) -> Decimal | None:
    """Return a number as people type it, with a point or a comma; None when it is none, or may be two.

    `12.50`, `12,50` and ` 12.5 ` are 12.5; `1,250` (`is_two_ways`), `1,250,000`, `1e99` and what has more
    digits than any sum are none.
    """
    if is_two_ways(text):
        return None
    try:
        value = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    is_short = len(value.as_tuple().digits) <= _MOST_DIGITS and abs(value.adjusted()) <= _MOST_DIGITS
    return value if is_short else None


def round_half_up(value: Fraction) -> int:
    """Round an exact value to an integer, halves away from zero: 2.5 -> 3, -2.5 -> -3."""
    sign = -1 if value < 0 else 1
    magnitude = abs(value)
    return sign * ((2 * magnitude.numerator + magnitude.denominator) // (2 * magnitude.denominator))


def nano_to_minor(nano: int, *, currency: str) -> int:
    """Round an exact sum of nano-units to minor units, once.

    Worked: 641_666_667 nano GBP = 0.641666667 -> 64 pence.
    """
    return round_half_up(Fraction(nano * 10 ** exponent(currency), NANO))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of one currency."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatchError(left=self.currency, right=other.currency)
        return Money(self.minor + other.minor, self.currency)

    def plain(self) -> str:
        """Return the amount as a plain decimal string: 123456 GBP -> `1234.56`."""
        digits = exponent(self.currency)
        if not digits:
            return str(self.minor)
        sign = "-" if self.minor < 0 else ""
        whole, part = divmod(abs(self.minor), 10**digits)
        return f"{sign}{whole}.{part:0{digits}d}"
