"""From groups of rated charges to lines, tax and total: two of the three roundings, each once.

What is agreed beyond single prices (`billing.agreed`) stands on lines of its own, without charges; each says
in its `arithmetic` how it came about.

Source: design.md, invariant 4, and the arithmetic of EN 16931: a line is rounded from the exact sum of
its charges, tax once per category and rate from the sum of rounded lines, sums are not rounded again.
Pure: no database.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from billing import periods
from billing.periods import Period
from billing.rating.rentals import METERS, Unit
from core.money import NANO, nano_to_minor, round_half_up

_PPM = 1_000_000
# units are kept to thousand-millionths
_NEARLY = Fraction(1, 1_000_000)


class Kind(StrEnum):
    """What a line is: the sum of its charges, or something that was agreed."""

    METERED = "metered"
    ALLOWANCE = "allowance"
    DISCOUNT = "discount"
    COMMITMENT = "commitment"
    SURCHARGE = "surcharge"
    CREDIT = "credit"


# what stands on an invoice once, whatever was used
_ONCE = frozenset({Kind.DISCOUNT, Kind.COMMITMENT, Kind.CREDIT})
# what counts again, or takes over, what another line counts already
COUNTED_BEFORE = frozenset({Kind.ALLOWANCE, Kind.SURCHARGE})


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one month has of a meter on this line, after what earlier invoices had of the same month."""

    month_start: dt.datetime
    units_nano: int
    events: int
    before_nano: int = 0
    before_events: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Charges that make one line: same meter, destination and tariff, late or not.

    `quantities` is given for a meter with a charge model, month by month.
    """

    meter: str
    destination: str
    tariff_id: UUID
    price_list: str
    version: int
    names: Mapping[str, str]
    unit_nano: int | None
    is_late: bool
    events: int
    billed_seconds: int
    amount_nano: int
    units_nano: int | None = None
    is_estimate: bool = False
    kind: Kind = Kind.METERED
    arithmetic: Mapping[str, Any] | None = None
    quantities: tuple[Quantity, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from the other metered groups of a bill."""
        return (self.is_late, self.meter, self.destination, self.tariff_id, self.is_estimate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a bill.

    `names` is the destination in each language; `unit_nano` the price of a minute, or of a rental's unit,
    when there is a single one; `units_nano` how many units were rented, in thousand-millionths; `is_late`
    says that the use was in an earlier period, `is_estimate` that it goes on and is not charged yet.
    """

    line_no: int
    meter: str
    destination: str
    tariff_id: UUID
    price_list: str
    version: int
    names: Mapping[str, str]
    unit_nano: int | None
    is_late: bool
    events: int
    billed_seconds: int
    amount_nano: int
    amount_minor: int
    tax_category: str
    tax_rate_ppm: int
    units_nano: int | None = None
    is_estimate: bool = False
    kind: Kind = Kind.METERED
    arithmetic: Mapping[str, Any] | None = None

    @property
    def unit(self) -> str:
        """What the line is counted in: "minute" for calls, "month", "day" or "hour" for what is rented."""
        unit = Unit.PIECE if self.kind in _ONCE else METERS.get(self.meter)
        return "minute" if unit is None else unit.value

    @property
    def quantity(self) -> Fraction:
        """How many units."""
        if self.units_nano is None:
            return Fraction(self.billed_seconds, 60)
        return Fraction(self.units_nano, NANO)

    @property
    def is_prorated(self) -> bool:
        """Whether a part of a month stands on it."""
        return self.unit == Unit.MONTH and self.quantity.denominator != 1

    def days_of(self, period: Period, *, zone: str) -> tuple[int, int] | None:
        """Return the part of a month as whole days and the month's, e.g. (10, 31), where it is that plain.

        That is one rental in the period itself, charged by actual days from midnight to midnight.
        """
        whole = len(periods.days(period, zone=zone))
        exact = self.quantity * whole
        days = round(exact)
        is_plain = self.events == 1 and not self.is_late and abs(exact - days) < _NEARLY
        return (days, whole) if is_plain else None


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax of one category and rate (parts per million)."""

    category: str
    rate_ppm: int
    taxable_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines, tax and total in minor units of one currency."""

    currency: str
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    net_minor: int
    tax_minor: int
    total_minor: int


def compose(groups: Iterable[Group], *, currency: str, tax_category: str, tax_rate_ppm: int) -> Bill:
    """Return the bill of groups of charges, numbered in the order they come."""
    lines = tuple(
        Line(
            line_no=line_no,
            meter=group.meter,
            destination=group.destination,
            tariff_id=group.tariff_id,
            price_list=group.price_list,
            version=group.version,
            names=group.names,
            unit_nano=group.unit_nano,
            is_late=group.is_late,
            events=group.events,
            billed_seconds=group.billed_seconds,
            units_nano=group.units_nano,
            is_estimate=group.is_estimate,
            kind=group.kind,
            arithmetic=group.arithmetic,
            amount_nano=group.amount_nano,
            amount_minor=nano_to_minor(group.amount_nano, currency=currency),
            tax_category=tax_category,
            tax_rate_ppm=tax_rate_ppm,
        )
        for line_no, group in enumerate(groups, start=1)
    )
    taxes = tax(lines)
    net_minor = sum(line.amount_minor for line in lines)
    tax_minor = sum(one.tax_minor for one in taxes)
    return Bill(currency, lines, taxes, net_minor, tax_minor, net_minor + tax_minor)


def tax(lines: Iterable[Line]) -> tuple[Tax, ...]:
    """Return one tax per category and rate, each rounded once from the sum of its lines.

    Worked: eight lines that sum to 4 at 40 % -> 1.6 -> 2.
    """
    taxable: dict[tuple[str, int], int] = {}
    for line in lines:
        key = (line.tax_category, line.tax_rate_ppm)
        taxable[key] = taxable.get(key, 0) + line.amount_minor
    return tuple(
        Tax(category, rate_ppm, amount, round_half_up(Fraction(amount * rate_ppm, _PPM)))
        for (category, rate_ppm), amount in sorted(taxable.items())
    )
