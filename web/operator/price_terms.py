"""What a version of a price list agrees beyond single prices, as a form: rows in, terms out, faults in words.

A row whose name (or, of a charge model, whose meter) is empty is left out: so a row is removed.
Tiers are written as people say them, `1000: 0.10; 5000: 0.08; 0.05`: up to so many at that price each, then
the next; the last has no end. A fixed fee of a tier follows a plus: `1000: 0.10 + 5`. A promise of service
is written the same way, `80: 5; 70: 10`: below 80 % in time 5 % of the month come back, below 70 % 10 %.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing.rating.labour import Labour
from billing.rating.rentals import HOUR_S, METERS, MODELLED
from billing.rating.terms import (
    COMMITTED_MONTHS,
    MILLI,
    PPM,
    Allowance,
    ChargeModel,
    Commitment,
    Credit,
    Discount,
    Model,
    ServiceLevel,
    Step,
    Terms,
)
from core import money
from web.amounts import no_amount, two_ways
from web.plain import whole
from web.shown import wording
from wiring.price_sheet import amount, nano

_MOST_ROWS = 40
T = TypeVar("T")
_LONGEST = 120
_PER_CENT = PPM // 100
_DEAREST = 100 * PPM
_WEEK_S = 7 * 24 * HOUR_S
CALLS = ("voice.inbound", "voice.outbound")

# What a discount can be on: nothing (all), or the meters whose first part it names.
AREAS: Mapping[str, LazyString] = {
    "": _l("everything"),
    "voice": _l("calls"),
    "seat": _l("seats"),
    "number": _l("numbers"),
    "agent": _l("agents"),
    "message": _l("text messages"),
    "recording": _l("storage of recordings"),
    "fee": _l("monthly fees"),
    "item": _l("one-off charges"),
}
INCLUDED: Mapping[str, LazyString] = {
    "both": _l("calls in and out, shared"),
    "voice.inbound": _l("calls in"),
    "voice.outbound": _l("calls out"),
}
MODELS: Mapping[Model, LazyString] = {
    Model.STANDARD: _l("one price, between a least and a most"),
    Model.GRADUATED: _l("tiers, each unit at its own tier’s price"),
    Model.VOLUME: _l("tiers, all units at the price of the tier reached"),
    Model.PACKAGE: _l("packages begun"),
    Model.PERCENTAGE: _l("a share of the amount"),
}


@dataclass(slots=True)
class Typed:
    """What a form says: the terms, the names they have on invoices, and what does not fit, by field."""

    terms: Terms = field(default_factory=Terms)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def typed(form: Mapping[str, str], *, taken: Mapping[str, Mapping[str, str]]) -> Typed:
    """Return what was typed into the form.

    Args:
        form: fields `<kind>.<row>.<name>`.
        taken: codes that have a name already; a new row gets one of its own.
    """
    result, reader = Typed(), _Reader(form, dict(taken))
    result.terms = Terms(
        models=tuple(reader.rows("model", "meter", _model)),
        allowances=tuple(reader.rows("allowance", "name_en", _allowance)),
        discounts=tuple(reader.rows("discount", "name_en", _discount)),
        commitments=tuple(reader.rows("commitment", "name_en", _commitment)),
        labour=next(reader.rows("labour", "row", _labour), Labour()),
        service=tuple(reader.rows("service", "name_en", _service)),
    )
    result.names, result.errors = reader.names, reader.errors
    return result


def shown(terms: Terms, *, names: Mapping[str, Mapping[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the form, by kind, as text."""

    def named(code: str) -> dict[str, str]:
        of_code = names.get(code, {})
        return {"code": code, "name_en": of_code.get("en", code), "name_zh": of_code.get("zh", "")}

    return {
        "allowance": [
            {
                **named(one.code),
                "calls": one.meters[0] if len(one.meters) == 1 else "both",
                "minutes": str(-(-one.seconds // 60)),
                "keep": str(one.rollover),
                "to": ", ".join(one.destinations),
            }
            for one in terms.allowances
        ],
        "discount": [
            {
                **named(one.code),
                "percent": _percent(one.off_ppm) if one.off_ppm else "",
                "amount": _short(one.off_nano) if one.off_nano else "",
                "area": one.meters[0].partition(".")[0] if one.meters else "",
            }
            for one in terms.discounts
        ],
        "commitment": [
            {**named(one.code), "amount": _short(one.amount_nano), "months": str(one.months)}
            for one in terms.commitments
        ],
        "labour": [
            {
                "overtime": _percent(terms.labour.overtime_ppm) if terms.labour.overtime_ppm else "",
                "daily": _hours(terms.labour.daily_s),
                "weekly": _hours(terms.labour.weekly_s),
                "night": _percent(terms.labour.night_ppm) if terms.labour.night_ppm else "",
                "from": _clock(terms.labour.night_from_s) if terms.labour.night_ppm else "",
                "to": _clock(terms.labour.night_to_s) if terms.labour.night_ppm else "",
                "holiday": _percent(terms.labour.holiday_ppm) if terms.labour.holiday_ppm else "",
            }
        ],
        "service": [
            {
                **named(one.code),
                "steps": "; ".join(
                    f"{_percent(step.below_ppm)}: {_percent(step.back_ppm)}" for step in one.steps
                ),
                "area": one.meters[0].partition(".")[0] if one.meters else "",
                "most": "" if one.most_nano is None else _short(one.most_nano),
            }
            for one in terms.service
        ],
        "model": [
            {
                "meter": one.meter,
                "model": one.model.value,
                "tiers": _tiers_text(one.steps),
                "size": str(one.package_size or ""),
                "price": _short(one.package_nano) if one.package_size else "",
                "free": _units(one.free_milli) if one.free_milli else "",
                "percent": _percent(one.rate_ppm) if one.rate_ppm else "",
                "each": _short(one.fixed_nano) if one.fixed_nano else "",
                "least": _short(one.least_nano) if one.least_nano else "",
                "most": "" if one.most_nano is None else _short(one.most_nano),
            }
            for one in terms.models
        ],
    }


def modelled() -> list[tuple[str, str]]:
    """Return the meters that can have a charge model, with their names."""
    return [(meter, wording.meter(meter)) for meter in METERS if meter in MODELLED]


class _FieldError(Exception):
    def __init__(self, name: str, said: str) -> None:
        super().__init__(said)
        self.name, self.said = name, said


class _Row:
    """One row of the form; reads its fields or says which does not fit."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return self._values.get(name, "").strip()[:_LONGEST]

    def number(self, name: str, *, default: int | None = None) -> int:
        found = whole(self.text(name), longest=9) if self.text(name) else default
        if found is None:
            raise _FieldError(name, gettext("“%(text)s” is no whole number.", text=self.text(name)[:20]))
        return found

    def money(self, name: str) -> int:
        found = nano(self.text(name) or "0")
        if found is None:
            said = no_amount(self.text(name), like="96.00")
            raise _FieldError(name, said)
        return found

    def percent(self, name: str) -> int:
        share = _decimal(self.text(name) or "0")
        ppm = None if share is None else share * _PER_CENT
        if ppm is None or not 0 <= ppm <= PPM or ppm != ppm.to_integral_value():
            said = gettext("“%(text)s” is no percentage from 0 to 100.", text=self.text(name)[:20])
            raise _FieldError(name, two_ways(self.text(name).removesuffix("%")) or said)
        return int(ppm)

    def multiplier(self, name: str) -> int:
        share = _decimal(self.text(name) or "0")
        ppm = None if share is None else share * _PER_CENT
        if ppm is None or ppm < 0 or ppm > _DEAREST or ppm != ppm.to_integral_value():
            said = gettext("“%(text)s” is no multiplier. Write it like 150 %%.", text=self.text(name)[:20])
            raise _FieldError(name, two_ways(self.text(name).removesuffix("%")) or said)
        return int(ppm)

    def hours(self, name: str) -> int:
        found = _decimal(self.text(name) or "0")
        seconds = None if found is None else found * HOUR_S
        if seconds is None or not 0 <= seconds < _WEEK_S or seconds != seconds.to_integral_value():
            said = gettext("“%(text)s” is no number of hours.", text=self.text(name)[:20])
            raise _FieldError(name, two_ways(self.text(name).removesuffix("%")) or said)
        return int(seconds)

    def clock(self, name: str) -> int:
        try:
            at = dt.time.fromisoformat(self.text(name) or "00:00")
        except ValueError as error:
            said = gettext("“%(text)s” is no time of day. Write it like 22:00.", text=self.text(name)[:20])
            raise _FieldError(name, said) from error
        return (at.hour * 60 + at.minute) * 60

    def units(self, name: str) -> int:
        found = _milli(self.text(name) or "0")
        if found is None:
            raise _FieldError(name, gettext("“%(text)s” is no quantity.", text=self.text(name)[:20]))
        return found


class _Reader:
    def __init__(self, form: Mapping[str, str], taken: dict[str, Mapping[str, str]]) -> None:
        self._form, self._taken = form, taken
        self.names: dict[str, dict[str, str]] = {}
        self.errors: dict[str, str] = {}

    def rows(self, kind: str, key: str, make: Callable[[str, _Row], T]) -> Iterator[T]:
        """Yield what each filled row makes; a row that does not fit leaves an error."""
        for number in range(_MOST_ROWS):
            prefix = f"{kind}.{number}."
            values = {
                name.removeprefix(prefix): value
                for name, value in self._form.items()
                if name.startswith(prefix)
            }
            row = _Row(values)
            if not row.text(key):
                continue
            try:
                yield make(self._code(kind, row), row)
            except _FieldError as error:
                self.errors[f"{prefix}{error.name}"] = error.said

    def _code(self, kind: str, row: _Row) -> str:
        """Return the code of a row, its own or a new one, and note the names it goes by."""
        if kind in {"model", "labour"}:
            return ""
        code = row.text("code")
        if code not in self._taken:
            code = next(f"{kind}-{n}" for n in range(1, 10 * _MOST_ROWS) if f"{kind}-{n}" not in self._taken)
        names = {"en": row.text("name_en"), "zh": row.text("name_zh")}
        self.names[code] = {language: name for language, name in names.items() if name}
        self._taken[code] = self.names[code]
        return code


def _allowance(code: str, row: _Row) -> Allowance:
    calls = row.text("calls")
    return Allowance(
        code,
        (calls,) if calls in CALLS else CALLS,
        seconds=row.number("minutes") * 60,
        destinations=tuple(filter(None, (one.strip() for one in row.text("to").split(",")))),
        rollover=row.number("keep", default=0),
    )


def _discount(code: str, row: _Row) -> Discount:
    area = row.text("area")
    meters = (*METERS, *CALLS)
    return Discount(
        code,
        meters=tuple(meter for meter in meters if area and meter.partition(".")[0] == area),
        off_ppm=row.percent("percent"),
        off_nano=row.money("amount"),
    )


def _commitment(code: str, row: _Row) -> Commitment:
    months = row.number("months", default=1)
    if months not in COMMITTED_MONTHS:
        raise _FieldError("months", gettext("It is for 1, 3, 6 or 12 months."))
    return Commitment(code, row.money("amount"), months)


def _labour(_code: str, row: _Row) -> Labour:
    night = row.multiplier("night")
    return Labour(
        overtime_ppm=row.multiplier("overtime"),
        daily_s=row.hours("daily"),
        weekly_s=row.hours("weekly"),
        night_ppm=night,
        night_from_s=row.clock("from") if night else 0,
        night_to_s=row.clock("to") if night else 0,
        holiday_ppm=row.multiplier("holiday"),
    )


def _service(code: str, row: _Row) -> ServiceLevel:
    area = row.text("area")
    return ServiceLevel(
        code,
        steps=tuple(_credits(row)),
        meters=tuple(meter for meter in (*METERS, *CALLS) if area and meter.partition(".")[0] == area),
        most_nano=row.money("most") if row.text("most") else None,
    )


def _credits(row: _Row) -> Iterator[Credit]:
    for part in filter(None, (one.strip() for one in row.text("steps").split(";"))):
        below, _colon, back = (one.strip() for one in part.partition(":"))
        shares = [_decimal(one) for one in (below, back)]
        ppm = [None if share is None else share * _PER_CENT for share in shares]
        if any(one is None or not 0 < one <= PPM or one != one.to_integral_value() for one in ppm):
            raise _FieldError("steps", gettext("Write what is promised like “80: 5; 70: 10”."))
        yield Credit(*(int(one) for one in ppm if one is not None))


def _model(_code: str, row: _Row) -> ChargeModel:
    try:
        model = Model(row.text("model") or Model.STANDARD)
    except ValueError as error:
        raise _FieldError("model", gettext("There is no such charge model.")) from error
    is_tiered = model in {Model.GRADUATED, Model.VOLUME}
    return ChargeModel(
        row.text("meter"),
        model,
        steps=tuple(_steps(row)) if is_tiered else (),
        package_size=row.number("size", default=0) if model is Model.PACKAGE else 0,
        package_nano=row.money("price") if model is Model.PACKAGE else 0,
        free_milli=0 if is_tiered else row.units("free"),
        rate_ppm=row.percent("percent") if model is Model.PERCENTAGE else 0,
        fixed_nano=row.money("each") if model is Model.PERCENTAGE else 0,
        least_nano=row.money("least"),
        most_nano=row.money("most") if row.text("most") else None,
    )


def _steps(row: _Row) -> Iterator[Step]:
    wrong = _FieldError("tiers", gettext("Write tiers like “1000: 0.10; 5000: 0.08; 0.05”."))
    for part in filter(None, (one.strip() for one in row.text("tiers").split(";"))):
        bound, colon, price = part.rpartition(":")
        each, _plus, flat = price.partition("+")
        unit_nano, flat_nano = nano(each.strip()), nano(flat.strip() or "0")
        up_to = _milli(bound.strip()) if colon else None
        if unit_nano is None or flat_nano is None or (colon and up_to is None):
            raise wrong
        yield Step(unit_nano, up_to_milli=up_to, flat_nano=flat_nano)


def _tiers_text(steps: tuple[Step, ...]) -> str:
    def one(step: Step) -> str:
        flat = f" + {_short(step.flat_nano)}" if step.flat_nano else ""
        bound = "" if step.up_to_milli is None else f"{_units(step.up_to_milli)}: "
        return f"{bound}{_short(step.unit_nano)}{flat}"

    return "; ".join(map(one, steps))


def _decimal(text: str) -> Decimal | None:
    return money.typed(text.strip().removesuffix("%"))


def _milli(text: str) -> int | None:
    value = _decimal(text)
    scaled = None if value is None else value * MILLI
    if scaled is None or not 0 <= scaled < 10**15 or scaled != scaled.to_integral_value():
        return None
    return int(scaled)


def _percent(ppm: int) -> str:
    return f"{Decimal(ppm) / _PER_CENT:f}"


def _units(milli: int) -> str:
    return f"{Decimal(milli) / MILLI:f}"


def _hours(seconds: int) -> str:
    return f"{Decimal(seconds) / HOUR_S:f}" if seconds else ""


def _clock(second: int) -> str:
    return f"{second // HOUR_S:02}:{second // 60 % 60:02}"


def _short(value: int) -> str:
    """Return an amount with two decimals, more where it has them."""
    text = amount(value)
    return text.removesuffix("00")
