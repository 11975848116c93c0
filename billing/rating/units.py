"""What a number of units costs: standard, graduated, volume, package, percentage, capped; exact fractions.

Source of the models: the trade's usual charge models (Stripe's and Lago's words). Nothing is rounded here: a
price is a ratio, and is rounded once by who puts it on a line. A price is a function of the *cumulative*
quantity of a period, so usage that comes late costs the difference of two prices, whatever the model:
`late`. Where totals may fall as usage rises (volume tiers, packages never), that difference may be negative.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from core.errors import Invalid

Price: TypeAlias = Callable[[Fraction], Fraction]


class TiersError(Invalid):
    """Tiers that do not rise, or of which the last is not open."""

    code = "tiers-invalid"


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and with `up_to` (None: all further ones) cost `unit_price` each, and `flat_fee` once."""

    up_to: Fraction | None
    unit_price: Fraction
    flat_fee: Fraction = Fraction(0)


def check(tiers: Sequence[Tier]) -> None:
    """Refuse tiers that leave a quantity without a price.

    Raises:
        TiersError: with the reason.
    """
    if not tiers or tiers[-1].up_to is not None:
        raise TiersError("the last tier must be open: up_to null")
    below = Fraction(0)
    for tier in tiers[:-1]:
        if tier.up_to is None or tier.up_to <= below:
            raise TiersError("up_to must rise from tier to tier")
        below = tier.up_to


def standard(units: Fraction, unit_price: Fraction) -> Fraction:
    """Return the price of units that cost the same each."""
    return units * unit_price


def graduated(units: Fraction, tiers: Sequence[Tier]) -> Fraction:
    """Return the price when each unit costs what its own tier says.

    A tier's flat fee is due once it is reached; the first is reached at 0 units. Worked: 5 at 7, then 6.5 to
    10, then 6: 6 units cost 41.5.
    """
    total, below = Fraction(0), Fraction(0)
    for number, tier in enumerate(tiers):
        if number and units <= below:
            break
        upper = units if tier.up_to is None else min(units, tier.up_to)
        total += tier.flat_fee + (upper - below) * tier.unit_price
        below = upper if tier.up_to is None else tier.up_to
    return total


def volume(units: Fraction, tiers: Sequence[Tier]) -> Fraction:
    """Return the price when all units cost what the tier says that their number reaches."""
    tier = next(one for one in tiers if one.up_to is None or units <= one.up_to)
    return tier.flat_fee + units * tier.unit_price


def package(units: Fraction, *, size: int, price: Fraction, free: Fraction = Fraction(0)) -> Fraction:
    """Return the price of begun packages: 121 units in tens at 100 cost 1300."""
    return -(-max(Fraction(0), units - free) // size) * price


def percentage(
    amount: Fraction,
    *,
    rate: Fraction,
    free_amount: Fraction = Fraction(0),
    events: Fraction = Fraction(0),
    free_events: Fraction = Fraction(0),
    fixed_per_event: Fraction = Fraction(0),
) -> Fraction:
    """Return a share of an amount and a fixed price of each event; the free ones first."""
    zero = Fraction(0)
    return max(zero, amount - free_amount) * rate + max(zero, events - free_events) * fixed_per_event


def per_transaction(
    transactions: Iterable[Fraction], *, rate: Fraction, least: Fraction | None, most: Fraction | None
) -> Fraction:
    """Return a share of each transaction, each bounded: 2.99 % of 10, 80 and 10 000 is 301.691."""
    total = Fraction(0)
    for transaction in transactions:
        fee = transaction * rate
        fee = fee if least is None else max(fee, least)
        total += fee if most is None else min(fee, most)
    return total


def capped(price: Fraction, *, least: Fraction = Fraction(0), most: Fraction | None = None) -> Fraction:
    """Return a price of a whole period between its least and its most."""
    price = max(price, least)
    return price if most is None else min(price, most)


def late(price: Price, *, before: Fraction, more: Fraction) -> Fraction:
    """Return what `more` units of a period cost that come after `before` of them were billed.

    The period is priced anew with all its units and what was billed is taken off: however a period is cut,
    the parts add up to the price of the whole. Worked: volume, 10 a unit to 10 units and 2 beyond: the
    eleventh costs 22 - 100 = -78.
    """
    return price(before + more) - price(before)
