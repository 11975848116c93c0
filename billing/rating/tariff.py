"""A tariff: everything a version of a price list says, as a value with a hash.

The content is canonical JSON (sorted keys, no blanks, integers only, ASCII), so that the same prices have
the same SHA-256 wherever they are stored. Compiled tariffs are kept in the process by that hash: many
tenants share one, and a hash that was checked on the way in cannot bring another's prices.
"""

import datetime as dt
import hashlib
import itertools
import json
import threading
import zoneinfo
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import phonenumbers

from billing.errors import PriceListError
from billing.rating import rentals, shares, terms
from billing.rating.rentals import AGENTS, HOUR_S, METERS, Proration, RentalPrice, Unit
from billing.rating.rules import (
    NO_HOLIDAYS,
    Band,
    Ceiling,
    Outcome,
    PrefixIndex,
    Rate,
    Slot,
    charge,
    half_up,
    is_above,
)
from billing.rating.shares import Split
from billing.rating.terms import NOTHING, ChargeModel, Model, Terms
from core.money import NANO
from core.phone import is_short_code

# 1: calls only. 2: rental prices too. 3: holidays, grace, a maximum that refuses. 4: terms. 5: what agents'
# hours cost more, and promises of service. 6: two payers. What a tariff does not use is not written, so that
# what was published before says the same text, and has the same hash, for ever.
_CALLS_ONLY, _RENTALS_TOO, _BOUNDS_TOO, _TERMS_TOO, _HOURS_TOO, FORMAT = 1, 2, 3, 4, 5, 6
# What a number keeps to itself (design.md, invariant 2); E.164 gives it fifteen digits at most.
HIDDEN_DIGITS = 4
LONGEST_NUMBER = 15
EMPTY = "a price list needs a rate"
"""What is said of a tariff without prices; a draft may be without."""
DEAREST_NANO = 1_000_000 * NANO
_KEPT = 64
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class DatedRate:
    """One row of a price list: what a meter costs to numbers that begin with `prefix`."""

    meter: str
    prefix: str
    destination: str
    rate: Rate
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Holidays:
    """The public holidays that were in a version when it was published: they never change afterwards.

    `calendar` is where they come from (`billing.rating.calendars`); outside of `from_year` to `to_year` it is
    not known which days are holidays, and rates that ask stay without a price.
    """

    calendar: str
    from_year: int
    to_year: int
    dates: frozenset[dt.date]

    def knows(self, on: dt.date) -> bool:
        """Return whether it is known if a date is a holiday."""
        return self.from_year <= on.year <= self.to_year


@dataclass(frozen=True)
class Tariff:
    """The content of one published version, ready to rate with."""

    price_list: str
    version: int
    currency: str
    zone: str
    destinations: dict[str, dict[str, str]]
    rates: tuple[DatedRate, ...]
    rentals: tuple[RentalPrice, ...] = ()
    holidays: Holidays | None = None
    terms: Terms = NOTHING
    split: Split | None = None

    @cached_property
    def _by_meter(self) -> dict[str, PrefixIndex[DatedRate]]:
        rows: dict[str, dict[str, DatedRate]] = {}
        for row in self.rates:
            rows.setdefault(row.meter, {})[row.prefix] = row
        return {meter: PrefixIndex(of_meter) for meter, of_meter in rows.items()}

    @cached_property
    def _zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.zone)

    def rate(self, *, meter: str, prefix: str, duration_s: int, answered_at: dt.datetime) -> "Rating":
        """Rate one usage event.

        Args:
            meter: what was used, e.g. "voice.outbound".
            prefix: digits of the number that decides the price, without its last four.
            duration_s: whole seconds, part seconds rounded up.
            answered_at: aware instant the usage began.

        Returns:
            A Rating: rated, unrated with its reason (never free), or refused.
        """
        index = self._by_meter.get(meter)
        if index is None:
            return Rating(Outcome.UNRATED, reason="meter-not-priced")
        if self.split is not None and self.split.is_other:
            # the first side's match: which row it is was decided there, with more of the number
            row = self._by_row.get((meter, prefix))
            if row is None:
                return Rating(Outcome.UNRATED, reason="prefix-not-priced")
            return self.rate_by(row, duration_s=duration_s, answered_at=answered_at)
        if index.is_undecided(prefix):
            return Rating(Outcome.UNRATED, reason="needs-hidden-digits")
        match = index.find(prefix)
        if match is None:
            return Rating(Outcome.UNRATED, reason="prefix-not-priced")
        return self.rate_by(match.value, duration_s=duration_s, answered_at=answered_at)

    def rate_by(self, row: DatedRate, *, duration_s: int, answered_at: dt.datetime) -> "Rating":
        """Rate one usage event by the row that decides its price."""
        if row.is_blocked:
            return Rating(
                Outcome.REFUSED, reason="prefix-blocked", prefix=row.prefix, destination=row.destination
            )
        if row.rate.has_holidays and not self._knows_holidays(answered_at, duration_s):
            return Rating(Outcome.UNRATED, reason="holidays-unknown")
        exact = charge(
            row.rate,
            duration_s=duration_s,
            answered_at=answered_at,
            zone=self._zone,
            holidays=self.holidays.dates if self.holidays else NO_HOLIDAYS,
        )
        if is_above(row.rate, exact):
            return Rating(
                Outcome.REFUSED, reason="above-maximum", prefix=row.prefix, destination=row.destination
            )
        return Rating(
            Outcome.RATED,
            prefix=row.prefix,
            destination=row.destination,
            billed_seconds=exact.billed_s,
            amount_nano=self._own(row, exact.rounded()),
        )

    def shares_calls(self, meter: str) -> bool:
        """Return whether another company pays a part of some calls of a meter, or we of theirs."""
        return self.split is not None and any(one.meter == meter for one in self.split.shares)

    def shared(self, *, meter: str, destination: str) -> dict[str, Any] | None:
        """Return whose share a line of such calls is, as it stands with the line; None: the whole price."""
        return self.split.said(meter, destination) if self.split is not None else None

    def _own(self, row: DatedRate, whole: int) -> int:
        if self.split is None:
            return whole
        return self.split.own(whole, meter=row.meter, destination=row.destination)

    @cached_property
    def _by_row(self) -> dict[tuple[str, str], DatedRate]:
        return {(row.meter, row.prefix): row for row in self.rates}

    def _knows_holidays(self, answered_at: dt.datetime, duration_s: int) -> bool:
        ends_at = answered_at + dt.timedelta(seconds=duration_s)
        days = (instant.astimezone(self._zone).date() for instant in (answered_at, ends_at))
        return self.holidays is not None and all(self.holidays.knows(day) for day in days)

    def rate_rental(
        self, *, meter: str, start: dt.datetime, end: dt.datetime, quantity_ms: int, zone: str
    ) -> "Rating":
        """Rate a stretch of time in which something was rented; rounded once, half-up, in nano-units.

        What has a charge model costs nothing by itself: all of a month is priced together, on its line.

        Args:
            meter: one of `rentals.METERS`.
            start: aware instant it began.
            end: aware instant just after.
            quantity_ms: milliseconds to be charged, for what goes by the hour; thousandths of pieces.
            zone: of the account, whose months and days they are.
        """
        price = self.rental_price(meter)
        if price is None:
            return Rating(Outcome.UNRATED, reason="meter-not-priced")
        exact = rentals.units(price, start=start, end=end, quantity_ms=quantity_ms, zone=zone)
        billed_ms = int(exact * HOUR_S * 1000) if price.unit is Unit.HOUR else quantity_ms
        if price.unit in {Unit.PIECE, Unit.GB_DAY}:
            billed_ms = 0
        return Rating(
            Outcome.RATED,
            prefix="",
            destination=price.destination,
            billed_seconds=-(-billed_ms // 1000),
            amount_nano=0
            if self.model(meter)
            else half_up(exact.numerator * price.unit_nano, exact.denominator),
            units_nano=half_up(exact.numerator * NANO, exact.denominator),
        )

    def rental_price(self, meter: str) -> RentalPrice | None:
        """Return what a unit of something rented costs, or None: it has no price."""
        return self._by_rental.get(meter)

    def model(self, meter: str) -> ChargeModel | None:
        """Return how all that a month has of a meter is priced together, or None: each use has its price."""
        return self._by_model.get(meter)

    @cached_property
    def _by_model(self) -> dict[str, ChargeModel]:
        return {one.meter: one for one in self.terms.models}

    @cached_property
    def _by_rental(self) -> dict[str, RentalPrice]:
        return {price.meter: price for price in self.rentals}

    def unit_nano(self, *, meter: str, destination: str) -> int | None:
        """Return the one price of a minute, or of a rental's unit, or None when there is no single one."""
        price, model = self.rental_price(meter), self.model(meter)
        if model is not None and model.model is not Model.STANDARD:
            return None
        if price is not None:
            return price.unit_nano
        if self.shared(meter=meter, destination=destination) is not None:
            return None  # a part of it is not the price of a minute
        prices = self._per_minute.get((meter, destination), set())
        return next(iter(prices)) if len(prices) == 1 else None

    @cached_property
    def _per_minute(self) -> dict[tuple[str, str], set[int | None]]:
        prices: dict[tuple[str, str], set[int | None]] = {}
        for row in self.rates:
            if not row.is_blocked:
                prices.setdefault((row.meter, row.destination), set()).add(_plain_minute(row.rate))
        return prices


@dataclass(frozen=True, slots=True)
class Rating:
    """What became of one usage event; amounts are there only when it is rated."""

    outcome: Outcome
    reason: str = ""
    prefix: str | None = None
    destination: str | None = None
    billed_seconds: int | None = None
    amount_nano: int | None = None
    # thousand-millionths of a month, day or hour; None for calls, which are counted in seconds
    units_nano: int | None = None


def encode(tariff: Tariff) -> str:
    """Return the canonical JSON of a tariff; equal tariffs give equal text whatever their order."""
    rented = {
        "rentals": [
            {
                "meter": price.meter,
                "destination": price.destination,
                "unit_nano": price.unit_nano,
                "proration": price.proration.value,
                "step_s": price.step_s,
            }
            for price in sorted(tariff.rentals, key=lambda price: price.meter)
        ]
    }
    dated = {"holidays": _encode_holidays(tariff.holidays)} if tariff.holidays else {}
    rates = [
        {
            "meter": row.meter,
            "prefix": row.prefix,
            "destination": row.destination,
            "blocked": row.is_blocked,
            "initial_s": row.rate.initial_s,
            "minimum_nano": row.rate.minimum,
            "maximum_nano": row.rate.maximum,
            **({"grace_s": row.rate.grace_s} if row.rate.grace_s else {}),
            **({"ceiling": row.rate.ceiling.value} if row.rate.ceiling is not Ceiling.CAP else {}),
            "bands": encode_bands(row.rate.bands),
        }
        for row in sorted(tariff.rates, key=lambda row: (row.meter, row.prefix))
    ]
    agreed = {"terms": terms.encode(tariff.terms)} if tariff.terms else {}
    two = {"split": shares.encode(tariff.split)} if tariff.split is not None else {}
    is_bounded = tariff.holidays or any("grace_s" in row or "ceiling" in row for row in rates)
    used = {
        _RENTALS_TOO: tariff.rentals,
        _BOUNDS_TOO: is_bounded,
        _TERMS_TOO: tariff.terms,
        _HOURS_TOO: tariff.terms.is_of_hours_or_service,
        FORMAT: two,
    }
    return json.dumps(
        {
            **(rented if tariff.rentals else {}),
            **dated,
            **agreed,
            **two,
            "format": max((form for form, says in used.items() if says), default=_CALLS_ONLY),
            "price_list": tariff.price_list,
            "version": tariff.version,
            "currency": tariff.currency,
            "zone": tariff.zone,
            "destinations": tariff.destinations,
            "rates": rates,
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def decode(content: str) -> Tariff:
    """Return the tariff a canonical JSON says.

    Raises:
        PriceListError: another format, or rates that contradict themselves.
    """
    raw = json.loads(content)
    if raw.get("format") not in range(_CALLS_ONLY, FORMAT + 1):
        raise PriceListError(format=raw.get("format"))
    return Tariff(
        price_list=raw["price_list"],
        version=raw["version"],
        currency=raw["currency"],
        zone=raw["zone"],
        destinations=raw["destinations"],
        rates=tuple(
            DatedRate(
                meter=row["meter"],
                prefix=row["prefix"],
                destination=row["destination"],
                is_blocked=row["blocked"],
                rate=Rate(
                    bands=decode_bands(row["bands"]),
                    initial_s=row["initial_s"],
                    minimum=row["minimum_nano"],
                    maximum=row["maximum_nano"],
                    grace_s=row.get("grace_s", 0),
                    ceiling=Ceiling(row.get("ceiling", Ceiling.CAP)),
                ),
            )
            for row in raw["rates"]
        ),
        holidays=_decode_holidays(raw["holidays"]) if "holidays" in raw else None,
        terms=terms.decode(raw.get("terms", {})),
        split=shares.decode(raw["split"]) if "split" in raw else None,
        rentals=tuple(
            RentalPrice(
                meter=row["meter"],
                destination=row["destination"],
                unit_nano=row["unit_nano"],
                proration=Proration(row["proration"]),
                step_s=row["step_s"],
            )
            for row in raw.get("rentals", ())
        ),
    )


def encode_bands(bands: Iterable[Band]) -> list[dict[str, Any]]:
    """Return bands as JSON values: instants as seconds of the local day, prices in nano-units."""
    return [
        {
            "days_iso": list(band.days_iso),
            "from_s": band.from_s,
            "connect_nano": band.connect,
            "slots": [
                {
                    "from_s": slot.from_s,
                    "rate_nano": slot.rate,
                    "per_s": slot.per_s,
                    "increment_s": slot.increment_s,
                }
                for slot in band.slots
            ],
        }
        for band in bands
    ]


def decode_bands(raw: Iterable[dict[str, Any]]) -> tuple[Band, ...]:
    """Return the bands that `encode_bands` wrote."""
    return tuple(
        Band(
            days_iso=tuple(band["days_iso"]),
            from_s=band["from_s"],
            connect=band["connect_nano"],
            slots=tuple(
                Slot(
                    from_s=slot["from_s"],
                    rate=slot["rate_nano"],
                    per_s=slot["per_s"],
                    increment_s=slot["increment_s"],
                )
                for slot in band["slots"]
            ),
        )
        for band in raw
    )


def _encode_holidays(holidays: Holidays) -> dict[str, Any]:
    return {
        "calendar": holidays.calendar,
        "from_year": holidays.from_year,
        "to_year": holidays.to_year,
        "dates": sorted(day.isoformat() for day in holidays.dates),
    }


def _decode_holidays(raw: dict[str, Any]) -> Holidays:
    dates = frozenset(dt.date.fromisoformat(day) for day in raw["dates"])
    return Holidays(raw["calendar"], raw["from_year"], raw["to_year"], dates)


def digest(content: str) -> bytes:
    """Return the SHA-256 of a tariff's canonical JSON."""
    return hashlib.sha256(content.encode("ascii")).digest()


def problems(tariff: Tariff) -> list[str]:
    """Return why a tariff cannot be published, one sentence per fault; empty when it can."""
    return list(_problems(tariff))


def faults_of_draft(tariff: Tariff) -> list[str]:
    """Return what cannot stand even in a draft: one may be empty, and be filled price by price."""
    return [one for one in _problems(tariff) if one != EMPTY]


class Cache(Generic[K, V]):
    """What this process has compiled, by content hash; the least used leave first."""

    def __init__(self, size: int = _KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return what was made of the content with this hash, when the process has it."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: K, made: V) -> None:
        """Keep what was made of a content that was found to have this hash."""
        with self._lock:
            self._kept[key] = made
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def longest_prefix(digits: str) -> int:
    """Return how many digits a prefix of this number range may have and still leave four unknown.

    Taken from the numbering plan of the country code (the longest number it has); a code the plan does
    not know gets E.164's fifteen. `44770` -> 8: British numbers have up to 12 digits.
    """
    for length in (1, 2, 3):
        code = digits[:length]
        region = phonenumbers.region_code_for_country_code(int(code)) if code else "ZZ"
        if len(code) < length or region == "ZZ":
            continue
        plan = (
            phonenumbers.PhoneMetadata.metadata_for_nongeo_region(int(code))
            if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
            else phonenumbers.PhoneMetadata.metadata_for_region(region)
        )
        if plan is not None and plan.general_desc is not None:
            national = max(plan.general_desc.possible_length)
            return int(length + national - HIDDEN_DIGITS)
    return LONGEST_NUMBER - HIDDEN_DIGITS


def _problems(tariff: Tariff) -> Iterator[str]:
    try:
        zoneinfo.ZoneInfo(tariff.zone)
    except (KeyError, ValueError):
        yield f"no such time zone: {tariff.zone}"
    if not tariff.rates and not tariff.rentals:
        yield EMPTY
    seen: set[tuple[str, str]] = set()
    for row in tariff.rates:
        where = f"{row.meter} {row.prefix or '(all)'}"
        if (row.meter, row.prefix) in seen:
            yield f"{where}: stands there twice"
        seen.add((row.meter, row.prefix))
        if not row.meter:
            yield f"{where}: names no meter"
        if row.prefix and not (row.prefix.isascii() and row.prefix.isdigit()):
            yield f"{where}: a prefix has digits only"
        elif not is_short_code(row.prefix) and len(row.prefix) > longest_prefix(row.prefix):
            yield f"{where}: needs the last four digits of a number, which billing does not know"
        if row.destination not in tariff.destinations:
            yield f"{where}: its destination {row.destination!r} has no name"
        if row.rate.has_holidays and tariff.holidays is None:
            yield f"{where}: has a band for holidays, and the price list names no calendar of them"
        if row.rate.ceiling is Ceiling.REFUSE and row.rate.maximum is None:
            yield f"{where}: refuses above a maximum it does not have"
        yield from (f"{where}: {fault}" for fault in _slot_faults(row.rate))
    yield from _rental_problems(tariff)
    yield from terms.problems(
        tariff.terms,
        currency=tariff.currency,
        destinations=tariff.destinations,
        priced=[price.meter for price in tariff.rentals],
        has_holidays=tariff.holidays is not None,
    )


def _rental_problems(tariff: Tariff) -> Iterator[str]:
    seen: set[str] = set()
    for price in tariff.rentals:
        if price.meter not in METERS:
            yield f"{price.meter or '(no meter)'}: nothing is rented by this meter"
        if price.meter in seen:
            yield f"{price.meter}: stands there twice"
        seen.add(price.meter)
        if price.destination not in tariff.destinations:
            yield f"{price.meter}: its destination {price.destination!r} has no name"
        if not 0 <= price.unit_nano <= DEAREST_NANO:
            yield f"{price.meter}: a price lies between nothing and a million"
        if price.meter in AGENTS and price.step_s:
            yield f"{price.meter}: agents' time is charged to the millisecond"
        if price.step_s and (price.step_s < 0 or HOUR_S % price.step_s):
            yield f"{price.meter}: its steps must fit into an hour"


def _slot_faults(rate: Rate) -> Iterator[str]:
    """A slot begins on the edge of an increment of the slot before, else a second has two prices."""
    for band in rate.bands:
        edge = rate.initial_s
        for before, slot in itertools.pairwise(band.slots):
            if slot.from_s < edge or (slot.from_s - edge) % before.increment_s:
                yield f"the slot from second {slot.from_s} begins inside an increment"
            edge = slot.from_s


def _plain_minute(rate: Rate) -> int | None:
    if not rate.is_even or len(rate.bands[0].slots) != 1 or rate.bands[0].connect or rate.minimum:
        return None
    slot = rate.bands[0].slots[0]
    nano, rest = divmod(slot.rate * 60, slot.per_s)
    return None if rest or rate.maximum is not None else nano
