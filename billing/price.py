"""A tariff anyone can check: one JSON request in, one JSON answer out; no database, no network.

Behind `seatline price`. Kinds: `call`, `billed`, `units`, `proration`, `tax`; decimals travel as strings
and come back plain, without trailing zeros; every amount is exact until its one rounding. Calls are
priced by the same rules as real ones (`billing.rating.rules`), in a unit fine enough for the request's
own decimals.
"""

import datetime as dt
import functools
import json
import re
import zoneinfo
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NoReturn

from billing.rating import units
from billing.rating.rules import ALL_DAYS, Band, Rate, Slot, billed_seconds, charge
from billing.rating.units import Tier, TiersError
from core.errors import Invalid
from core.money import round_half_up

_DECIMAL = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?", re.ASCII)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?", re.ASCII)
_LONGEST_S = 100 * 366 * 86_400
_MOST_DECIMALS = 40
_MONTH_DAYS = 30

_Request = Mapping[str, Any]


class PriceRequestError(Invalid):
    """A request that cannot be priced; the message says which field and why."""

    code = "field-invalid"


class JsonInvalidError(Invalid):
    """The line is not a JSON object."""

    code = "json-invalid"


class KindUnknownError(Invalid):
    """The request's kind is none of ours."""

    code = "kind-unknown"


def answer(line: str) -> str:
    """Return the answer to one request, both one line of JSON.

    A bad request is answered `{"error":{"code","message"}}`; nothing is raised. Worked: billed 30/6 of
    32 s -> `{"billed_s":36}`.
    """
    try:
        reply = _priced(line)
    except Invalid as error:
        reply = {"error": {"code": error.code, "message": str(error)}}
    return json.dumps(reply, separators=(",", ":"))


def is_error(reply: str) -> bool:
    """Return whether an answer is an error, for the exit status."""
    return reply.startswith('{"error":')


def _priced(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise JsonInvalidError("the line is not valid JSON") from error
    if not isinstance(request, dict):
        raise JsonInvalidError("the line is not a JSON object")
    kind = request.get("kind")
    price = _KINDS.get(kind) if isinstance(kind, str) else None
    if price is None:
        raise KindUnknownError(f"kind must be one of {', '.join(_KINDS)}")
    return price(request)


# ---- call and billed ------------------------------------------------------------


def _call(request: _Request) -> dict[str, Any]:
    zone = _zone(request)
    bands = _objects(request, "bands")
    max_cost = request.get("max_cost")
    # all prices in one integer unit, fine enough for the finest of them
    amounts = [_decimal(band, "connect_fee", default="0") for band in bands]
    amounts += [_decimal(slot, "rate") for band in bands for slot in _objects(band, "slots")]
    amounts += [] if max_cost is None else [_decimal(request, "max_cost")]
    unit = max((amount.denominator for amount in map(_as_tenths, amounts)), default=1)
    is_first = request.get("first_segment", True)
    if not isinstance(is_first, bool):
        _fail("first_segment", "must be true or false")
    rate = Rate(
        bands=tuple(_band(band, unit=unit, has_fee=is_first) for band in bands),
        initial_s=_integer(request, "initial_s", default=0),
        maximum=None if max_cost is None else int(_decimal(request, "max_cost") * unit),
    )
    exact = charge(
        rate,
        duration_s=_integer(request, "duration_s", most=_LONGEST_S),
        answered_at=_start(request, zone),
        zone=zone,
    )
    rounding = request.get("rounding")
    if rounding is None:
        rounding = {}
    if not isinstance(rounding, dict):
        _fail("rounding", "must be an object")
    mode = rounding.get("mode", "half_up")
    if not isinstance(mode, str) or mode not in _ROUNDINGS:
        _fail("rounding.mode", f"must be one of {', '.join(_ROUNDINGS)}")
    amount = Fraction(exact.numerator, exact.denominator * unit)
    decimals = _integer(rounding, "decimals", default=9, most=_MOST_DECIMALS)
    return {"amount": _plain(_rounded(amount, decimals, mode)), "billed_s": exact.billed_s}


def _billed(request: _Request) -> dict[str, Any]:
    seconds = billed_seconds(
        _integer(request, "duration_s", most=_LONGEST_S),
        initial_s=_integer(request, "initial_s", default=0),
        increment_s=_integer(request, "increment_s", least=1),
    )
    return {"billed_s": seconds}


def _band(raw: _Request, *, unit: int, has_fee: bool) -> Band:
    days = raw.get("days_iso")
    if not isinstance(days, list) or not all(type(day) is int and day in ALL_DAYS for day in days):
        _fail("days_iso", "must be a list of integers from 1 (Monday) to 7 (Sunday)")
    time = raw.get("from_time")
    found = _TIME.fullmatch(time) if isinstance(time, str) else None
    if found is None:
        _fail("from_time", "must be a time of day, HH:MM:SS")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return Band(
        days_iso=tuple(sorted(set(days))),
        from_s=hours * 3600 + minutes * 60 + seconds,
        connect=int(_decimal(raw, "connect_fee", default="0") * unit) if has_fee else 0,
        slots=tuple(
            Slot(
                from_s=_integer(slot, "from_s"),
                rate=int(_decimal(slot, "rate") * unit),
                per_s=_integer(slot, "per_s", least=1),
                increment_s=_integer(slot, "increment_s", least=1),
            )
            for slot in _objects(raw, "slots")
        ),
    )


def _start(request: _Request, zone: dt.tzinfo) -> dt.datetime | None:
    raw = request.get("start")
    if raw is None:
        return None
    try:
        start = dt.datetime.fromisoformat(raw)
    except (TypeError, ValueError):
        _fail("start", "must be a local date-time, YYYY-MM-DDTHH:MM:SS")
    if start.tzinfo is not None:
        _fail("start", "is local to zone and carries no offset")
    try:
        at = start.replace(tzinfo=zone).astimezone(dt.UTC)
        # the whole call must lie in the calendar, with room for the last band's end
        _ = at + dt.timedelta(seconds=_integer(request, "duration_s", most=_LONGEST_S), days=366)
    except OverflowError:
        _fail("start", "lies outside the calendar")
    return at


# ---- units ------------------------------------------------------------


def _units(request: _Request) -> dict[str, Any]:
    model = request.get("model")
    price = _MODELS.get(model) if isinstance(model, str) else None
    if price is None:
        _fail("model", f"must be one of {', '.join(_MODELS)}")
    return {"amount": _plain(price(request))}


def _standard(request: _Request) -> Fraction:
    return units.standard(_decimal(request, "units"), _decimal(request, "unit_price"))


def _graduated(request: _Request) -> Fraction:
    return units.graduated(_decimal(request, "units"), _tiers(request))


def _volume(request: _Request) -> Fraction:
    return units.volume(_decimal(request, "units"), _tiers(request))


def _package(request: _Request) -> Fraction:
    return units.package(
        _decimal(request, "units"),
        free=_decimal(request, "free_units", default="0"),
        size=_integer(request, "package_size", least=1),
        price=_decimal(request, "package_price"),
    )


def _percentage(request: _Request) -> Fraction:
    rate = _decimal(request, "rate_pct") / 100
    transactions = request.get("transactions")
    if transactions is None:
        return units.percentage(
            _decimal(request, "units"),
            rate=rate,
            free_amount=_decimal(request, "free_amount", default="0"),
            events=_decimal(request, "events", default="0"),
            free_events=_decimal(request, "free_events", default="0"),
            fixed_per_event=_decimal(request, "fixed_per_event", default="0"),
        )
    if not isinstance(transactions, list):
        _fail("transactions", "must be a list of decimal strings")
    least = _optional(request, "min_per_tx")
    most = _optional(request, "max_per_tx")
    if least is not None and most is not None and most < least:
        _fail("max_per_tx", "lies below min_per_tx")
    return units.per_transaction(
        (_parsed(one, "transactions") for one in transactions), rate=rate, least=least, most=most
    )


def _tiers(request: _Request) -> list[Tier]:
    tiers = [
        Tier(
            _optional(tier, "up_to"), _decimal(tier, "unit_price"), _optional(tier, "flat_fee") or Fraction(0)
        )
        for tier in _objects(request, "tiers")
    ]
    try:
        units.check(tiers)
    except TiersError as error:
        _fail("tiers", str(error))
    return tiers


# ---- proration and tax ------------------------------------------------------------


def _proration(request: _Request) -> dict[str, Any]:
    amount = _decimal(request, "amount", may_be_negative=True)
    start, end = _date(request, "start"), _date(request, "end")
    if end < start:
        _fail("end", "lies before start")
    method = request.get("method")
    share = _SHARES.get(method) if isinstance(method, str) else None
    if share is None:
        _fail("method", f"must be one of {', '.join(_SHARES)}")
    decimals = _integer(request, "decimals", default=2, most=_MOST_DECIMALS)
    return {"amount": _plain(_rounded(amount * share(request, start, end), decimals))}


def _share_of_30(_request: _Request, start: dt.date, end: dt.date) -> Fraction:
    months = (end.year - start.year) * 12 + end.month - start.month
    return Fraction(months * _MONTH_DAYS + end.day - start.day, _MONTH_DAYS)


def _share_of_days(request: _Request, start: dt.date, end: dt.date) -> Fraction:
    first, last = _around(request, start, end)
    return Fraction((end - start).days, (last - first).days)


def _share_of_seconds(request: _Request, start: dt.date, end: dt.date) -> Fraction:
    zone = _zone(request)
    first, last = _around(request, start, end)

    def elapsed(since: dt.date, until: dt.date) -> int:
        midnights = (dt.datetime.combine(day, dt.time(), tzinfo=zone) for day in (since, until))
        begins, ends = (midnight.astimezone(dt.UTC) for midnight in midnights)
        return (ends - begins) // dt.timedelta(seconds=1)

    try:
        return Fraction(elapsed(start, end), elapsed(first, last))
    except (OverflowError, ZeroDivisionError):
        _fail("period_start", "lies outside the calendar")


def _around(request: _Request, start: dt.date, end: dt.date) -> tuple[dt.date, dt.date]:
    first, last = _date(request, "period_start"), _date(request, "period_end")
    if last <= first:
        _fail("period_end", "must lie after period_start")
    if start < first or end > last:
        _fail("period_start", "the period must hold start and end")
    return first, last


def _tax(request: _Request) -> dict[str, Any]:
    decimals = _integer(request, "decimals", default=2, most=_MOST_DECIMALS)
    sums: dict[tuple[str, Fraction], Fraction] = {}
    for line in _objects(request, "lines"):
        category = line.get("category")
        if not isinstance(category, str):
            _fail("category", "must be a string")
        key = (category, _decimal(line, "rate_pct"))
        sums[key] = sums.get(key, Fraction(0)) + _decimal(line, "amount", may_be_negative=True)
    net = tax = Fraction(0)
    breakdown = []
    for (category, rate), exact in sums.items():
        group_net = _rounded(exact, decimals)
        group_tax = _rounded(exact * rate / 100, decimals)
        net, tax = net + group_net, tax + group_tax
        breakdown.append(
            {
                "category": category,
                "rate_pct": _plain(rate),
                "net": _plain(group_net),
                "tax": _plain(group_tax),
            }
        )
    return {"net": _plain(net), "tax": _plain(tax), "total": _plain(net + tax), "breakdown": breakdown}


# ---- fields ------------------------------------------------------------


def _fail(field: str, reason: str) -> NoReturn:
    raise PriceRequestError(f"{field}: {reason}")


def _refuse_constant(_name: str) -> NoReturn:
    raise JsonInvalidError("NaN and Infinity are not JSON")


def _objects(raw: _Request, field: str) -> list[dict[str, Any]]:
    found = raw.get(field)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        _fail(field, "must be a list of objects")
    return found


def _integer(
    raw: _Request, field: str, *, default: int | None = None, least: int = 0, most: int = 10**12
) -> int:
    found = raw.get(field)
    if found is None:
        found = default
    if type(found) is not int:  # a bool is no number of seconds
        _fail(field, "must be an integer")
    if not least <= found <= most:
        _fail(field, f"must be from {least} to {most}")
    return found


def _decimal(
    raw: _Request, field: str, *, default: str | None = None, may_be_negative: bool = False
) -> Fraction:
    found = raw.get(field)
    return _parsed(default if found is None else found, field, may_be_negative=may_be_negative)


def _optional(raw: _Request, field: str) -> Fraction | None:
    return None if raw.get(field) is None else _decimal(raw, field)


def _parsed(found: object, field: str, *, may_be_negative: bool = False) -> Fraction:
    if type(found) is int:  # exact as it stands, unlike a JSON number with a point
        found = str(found)
    if not isinstance(found, str):
        _fail(field, "must be a decimal string")
    value = _read_decimal(found)
    if value is None:
        _fail(field, "must be a decimal string")
    if value < 0 and not may_be_negative:
        _fail(field, "must not be negative")
    return value


@functools.lru_cache(4096)
def _read_decimal(text: str) -> Fraction | None:
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    sign, whole, part = found.groups(default="")
    return Fraction(int(f"{sign}{whole}{part}"), 10 ** len(part))


def _date(raw: _Request, field: str) -> dt.date:
    found = raw.get(field)
    try:
        if not isinstance(found, str) or len(found) != len("2026-11-21"):
            raise ValueError  # noqa: TRY301 - a week date or a date-time is no date here
        return dt.date.fromisoformat(found)
    except ValueError:
        _fail(field, "must be a date, YYYY-MM-DD")


def _zone(raw: _Request) -> dt.tzinfo:
    found = "UTC" if raw.get("zone") is None else raw["zone"]
    zone = _find_zone(found) if isinstance(found, str) else None
    if zone is None:
        _fail("zone", "must be an IANA time zone")
    return zone


@functools.lru_cache(1024)
def _find_zone(name: str) -> dt.tzinfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


# ---- figures ------------------------------------------------------------


def _as_tenths(amount: Fraction) -> Fraction:
    """Return 1 / 10^n with the fewest n decimals that hold the amount."""
    return Fraction(1, 10 ** _places(amount))


def _places(amount: Fraction) -> int:
    places, denominator = 0, amount.denominator
    while (10**places) % denominator:
        places += 1
    return places


def _rounded(amount: Fraction, decimals: int, mode: str = "half_up") -> Fraction:
    scale = 10**decimals
    return Fraction(_ROUNDINGS[mode](amount * scale), scale)


def _plain(amount: Fraction) -> str:
    """Return an exact decimal: 83/2 -> `41.5`, never with trailing zeros or an exponent."""
    places = _places(amount)
    digits = str(abs(amount.numerator) * (10**places // amount.denominator)).rjust(places + 1, "0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[: len(digits) - places]}{'.' if places else ''}{digits[len(digits) - places :]}"


_ROUNDINGS: Mapping[str, Callable[[Fraction], int]] = {
    "half_up": round_half_up,
    "half_even": round,
    "up": lambda value: -(-value // 1),  # amounts of calls are never negative
    "down": lambda value: value // 1,
}
_MODELS: Mapping[str, Callable[[_Request], Fraction]] = {
    "standard": _standard,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
    "percentage": _percentage,
}
_SHARES: Mapping[str, Callable[[_Request, dt.date, dt.date], Fraction]] = {
    "fixed_30": _share_of_30,
    "actual_days": _share_of_days,
    "per_second": _share_of_seconds,
}
_KINDS: Mapping[str, Callable[[_Request], dict[str, Any]]] = {
    "call": _call,
    "billed": _billed,
    "units": _units,
    "proration": _proration,
    "tax": _tax,
}
