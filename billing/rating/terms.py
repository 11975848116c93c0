"""Terms: what a price list agrees beyond the price of each single use; part of a tariff and of its hash.

Charge models price what a month's uses of a meter come to together, included minutes take calls over,
discounts come off in the order they are written, a commitment is the least a company pays in so many months,
agents' hours cost more at certain times, and a service that falls short of what was promised gives money
back. The arithmetic is in `units`, `labour`, `allowances` and `agreements`; what is agreed for one document
is worked out by `billing.agreed`. Integers only: nano-units of money, thousandths of a unit, millionths of a
share.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from pydantic import TypeAdapter

from billing.rating import labour, units
from billing.rating.labour import Labour
from billing.rating.rentals import METERS, MODELLED
from billing.rating.units import Tier, TiersError
from core.money import NANO, exponent

PPM = 1_000_000
MILLI = 1000
LONGEST_ROLLOVER = 12
# a commitment is for a month, a quarter, half a year or a year of the calendar
COMMITTED_MONTHS = (1, 3, 6, 12)
AGENT_HOUR = "agent.hour"
_LARGEST = 1_000_000_000 * NANO
_LONGEST_CODE = 60


class Model(StrEnum):
    """How a month's quantity is priced (`billing.rating.units`)."""

    STANDARD = "standard"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"
    PERCENTAGE = "percentage"


@dataclass(frozen=True, slots=True)
class Step:
    """A tier: up to and with so many thousandths of a unit (None: all further ones)."""

    unit_nano: int
    up_to_milli: int | None = None
    flat_nano: int = 0


@dataclass(frozen=True, slots=True)
class ChargeModel:
    """The price of all that a month has of a meter, instead of a price of each use.

    STANDARD takes the meter's price of a unit, and is there to be bounded by `least_nano` and `most_nano`.
    PERCENTAGE takes the quantity for an amount of money (`rate_ppm` of it) and `fixed_nano` of each event.
    """

    meter: str
    model: Model
    steps: tuple[Step, ...] = ()
    package_size: int = 0
    package_nano: int = 0
    free_milli: int = 0
    rate_ppm: int = 0
    fixed_nano: int = 0
    free_events: int = 0
    least_nano: int = 0
    most_nano: int | None = None

    def price(self, quantity: Fraction, *, events: int, unit_nano: int) -> Fraction:
        """Return the exact price of a month's quantity in nano-units.

        Args:
            quantity: units, cumulative from the month's beginning.
            events: how many uses that is.
            unit_nano: the meter's price of a unit.
        """
        free, exact = Fraction(self.free_milli, MILLI), Fraction(0)
        tiers = [
            Tier(
                None if one.up_to_milli is None else Fraction(one.up_to_milli, MILLI),
                Fraction(one.unit_nano),
                Fraction(one.flat_nano),
            )
            for one in self.steps
        ]
        match self.model:
            case Model.STANDARD:
                exact = units.standard(max(Fraction(0), quantity - free), Fraction(unit_nano))
            case Model.GRADUATED:
                exact = units.graduated(quantity, tiers)
            case Model.VOLUME:
                exact = units.volume(quantity, tiers)
            case Model.PACKAGE:
                exact = units.package(
                    quantity, size=self.package_size, price=Fraction(self.package_nano), free=free
                )
            case Model.PERCENTAGE:
                exact = units.percentage(
                    quantity * NANO,
                    rate=Fraction(self.rate_ppm, PPM),
                    free_amount=free * NANO,
                    events=Fraction(events),
                    free_events=Fraction(self.free_events),
                    fixed_per_event=Fraction(self.fixed_nano),
                )
        most = None if self.most_nano is None else Fraction(self.most_nano)
        return units.capped(exact, least=Fraction(self.least_nano), most=most)


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many seconds of calls a month that cost nothing more; several meters share them.

    `destinations` narrows it to some (empty: all). What is left is good for `rollover` further months.
    """

    code: str
    meters: tuple[str, ...]
    seconds: int
    destinations: tuple[str, ...] = ()
    rollover: int = 0


@dataclass(frozen=True, slots=True)
class Discount:
    """Off what some meters (empty: all) still come to at its turn: a share, and then a fixed amount."""

    code: str
    meters: tuple[str, ...] = ()
    off_ppm: int = 0
    off_nano: int = 0


@dataclass(frozen=True, slots=True)
class Commitment:
    """The least that is paid in so many months of the calendar; the last invoice makes up for the rest."""

    code: str
    amount_nano: int
    months: int = 1


@dataclass(frozen=True, slots=True)
class Credit:
    """A step of a promised service: below so much of what was counted, so much of the month comes back."""

    below_ppm: int
    back_ppm: int


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What share of what was offered is promised to be answered in time, and what comes back when it is not.

    Of the steps that a month falls below the one that gives most back holds; it is a share of what some
    meters (empty: all) come to after discounts, and `most_nano` at most.
    """

    code: str
    steps: tuple[Credit, ...]
    meters: tuple[str, ...] = ()
    most_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """All that is agreed, in the order in which it is applied."""

    models: tuple[ChargeModel, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    discounts: tuple[Discount, ...] = ()
    commitments: tuple[Commitment, ...] = field(default=())
    labour: Labour = Labour()  # noqa: RUF009 - frozen
    service: tuple[ServiceLevel, ...] = ()

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def codes(self) -> tuple[str, ...]:
        """What has a name of its own on an invoice."""
        return (
            *(one.code for one in self.allowances),
            *(one.code for one in self.discounts),
            *(one.code for one in self.commitments),
            *(one.code for one in self.service),
        )

    @property
    def is_of_hours_or_service(self) -> bool:
        """Whether it says what could not be said before format 5."""
        return bool(self.labour or self.service)


NOTHING = Terms()
_FORM = TypeAdapter(Terms)


def encode(terms: Terms) -> dict[str, Any]:
    """Return terms as JSON values, without what is not used: the text stays when more can be said."""
    found: dict[str, Any] = _FORM.dump_python(terms, mode="json", exclude_defaults=True)
    return found


def decode(raw: Mapping[str, Any]) -> Terms:
    """Return the terms that JSON values say.

    Raises:
        pydantic.ValidationError: a ValueError; they say none.
    """
    return _FORM.validate_python(dict(raw))


def problems(
    terms: Terms,
    *,
    currency: str,
    destinations: Iterable[str],
    priced: Iterable[str],
    has_holidays: bool = False,
) -> Iterator[str]:
    """Yield why terms cannot be published, one sentence per fault.

    Args:
        terms: what is agreed.
        currency: of the price list.
        destinations: codes that have a name.
        priced: meters that have a price of their own.
        has_holidays: whether the price list names a calendar of them.
    """
    named, with_price = set(destinations), set(priced)
    yield from _model_problems(terms.models, with_price)
    if terms.labour:
        yield from labour.problems(terms.labour, has_holidays=has_holidays)
        if AGENT_HOUR not in with_price or any(one.meter == AGENT_HOUR for one in terms.models):
            yield f"{AGENT_HOUR}: what costs more at times needs a price of its own, and no charge model"
    yield from _service_problems(terms.service, minor=NANO // 10 ** exponent(currency))
    for code in terms.codes:
        if code not in named:
            yield f"{code or '(no name)'}: has no name for invoices"
        if terms.codes.count(code) > 1 or len(code) > _LONGEST_CODE:
            yield f"{code}: stands there twice, or its name is too long"
    minor = NANO // 10 ** exponent(currency)
    for number, allowance in enumerate(terms.allowances):
        if allowance.seconds <= 0 or not 0 <= allowance.rollover <= LONGEST_ROLLOVER:
            yield f"{allowance.code}: includes some minutes, and keeps them for up to twelve months"
        if not allowance.meters or any(meter in METERS for meter in allowance.meters):
            yield f"{allowance.code}: includes minutes of calls"
        if any(_meet(allowance, other) for other in terms.allowances[:number]):
            yield f"{allowance.code}: another one includes the same calls"
    for discount in terms.discounts:
        if (
            not 0 <= discount.off_ppm <= PPM
            or not 0 <= discount.off_nano <= _LARGEST
            or discount.off_nano % minor
        ):
            yield f"{discount.code}: takes off up to 100 %, and whole amounts of the currency"
        if not discount.off_ppm and not discount.off_nano:
            yield f"{discount.code}: takes nothing off"
    for commitment in terms.commitments:
        if not 0 < commitment.amount_nano <= _LARGEST or commitment.amount_nano % minor:
            yield f"{commitment.code}: commits to a whole amount of the currency"
        if commitment.months not in COMMITTED_MONTHS:
            yield f"{commitment.code}: is for 1, 3, 6 or 12 months"


def _service_problems(service: tuple[ServiceLevel, ...], *, minor: int) -> Iterator[str]:
    for one in service:
        belows = [step.below_ppm for step in one.steps]
        if not belows or sorted(belows, reverse=True) != belows or len(set(belows)) < len(belows):
            yield f"{one.code}: promises a share, and less and less below it"
        if any(not 0 < step.below_ppm <= PPM or not 0 < step.back_ppm <= PPM for step in one.steps):
            yield f"{one.code}: its shares lie between nothing and 100 %"
        if one.most_nano is not None and (not 0 < one.most_nano <= _LARGEST or one.most_nano % minor):
            yield f"{one.code}: gives back a whole amount of the currency at most"


def _meet(one: Allowance, other: Allowance) -> bool:
    is_anywhere = not one.destinations or not other.destinations
    return bool(
        set(one.meters) & set(other.meters)
        and (is_anywhere or set(one.destinations) & set(other.destinations))
    )


def _model_problems(models: tuple[ChargeModel, ...], priced: set[str]) -> Iterator[str]:
    seen: set[str] = set()
    for one in models:
        if one.meter not in MODELLED:
            yield f"{one.meter}: has a price of each use, and no charge model"
        if one.meter in seen:
            yield f"{one.meter}: has two charge models"
        seen.add(one.meter)
        if one.meter not in priced:
            yield f"{one.meter}: has a charge model, and no price that says what it is called"
        tiers = [
            Tier(
                None if step.up_to_milli is None else Fraction(step.up_to_milli, MILLI),
                Fraction(step.unit_nano),
                Fraction(step.flat_nano),
            )
            for step in one.steps
        ]
        if one.model in {Model.GRADUATED, Model.VOLUME}:
            try:
                units.check(tiers)
            except TiersError as error:
                yield f"{one.meter}: {error}"
        if one.model is Model.PACKAGE and one.package_size <= 0:
            yield f"{one.meter}: a package holds at least one unit"
        amounts = [
            *(one.package_nano, one.fixed_nano, one.least_nano, one.most_nano or 0),
            *(amount for step in one.steps for amount in (step.unit_nano, step.flat_nano)),
        ]
        if any(not 0 <= amount <= _LARGEST for amount in amounts) or not 0 <= one.rate_ppm <= PPM:
            yield f"{one.meter}: a price lies between nothing and a thousand million"
        if min(one.free_milli, one.free_events) < 0:
            yield f"{one.meter}: what is free is not negative"
        if one.most_nano is not None and one.most_nano < one.least_nano:
            yield f"{one.meter}: its most is less than its least"
