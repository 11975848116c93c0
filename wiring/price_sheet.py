"""Price lists as a table, CSV or XLSX: one row per meter, prefix, time band and slot, made in a spreadsheet.

    meter,prefix,destination,name_en,name_zh,rate,connect,initial_s,step_s,minimum,blocked,days,from
    voice.inbound,44,gb-local,UK landlines,英国固话,0.05,0,0,1,0,,,

Amounts are decimals of the list's currency, `rate` is a minute's; `1,250`, which is a thousandfold more to
some, is a fault. Rows of the same meter and prefix are bands of one rate: `days` is 1 (Monday) to 7 and H
(public holidays), like `1-5` or `6,7,H`, and `from` the local time it begins. What is of the whole rate
(destination, blocked, first block, bounds) they say alike, or a row after the first leaves it empty (but of
`blocked`, where empty is no); else the row is a fault. A row with a `second` says what that band costs from
that second of the call on. A destination has one name in each language, given in one of its rows or alike in
several.
`maximum` bounds a charge, and `above` says how: `cap`, or `refuse` (not billed before somebody has looked);
a call of at most `grace_s` seconds costs nothing.

    seat.month,,seats,Seats,坐席,96,,,,,,,,actual_days

What is rented has one row per meter (`billing.rating.rentals.METERS`): `rate` is the price of a month, a day
or an hour, `proration` says how parts of a month are measured, `step_s` in which steps hours are charged.
Files are read as lead files are: the encoding is found, a formula is a fault, an archive that is none is
refused. No database; rows in, rates out, and every fault with the row it stands on.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import zip_longest
from typing import BinaryIO

from billing.documents.event_csv import harmless
from billing.rating.rentals import AGENTS, HOUR_S, METERS, Proration, RentalPrice, Unit
from billing.rating.rules import ALL_DAYS, HOLIDAY, Band, Ceiling, Rate, RateError, Slot
from billing.rating.tariff import DatedRate
from campaigns import text_file, workbook
from campaigns.errors import LeadFileEncodingError, LeadFileError
from campaigns.text_file import Row
from campaigns.workbook import Effort
from core.money import NANO, is_two_ways, typed

COLUMNS = (
    *("meter", "prefix", "destination", "name_en", "name_zh", "rate", "connect"),
    *("initial_s", "step_s", "minimum", "blocked", "days", "from", "proration"),
    *("second", "maximum", "above", "grace_s"),
)
REQUIRED = frozenset({"meter", "prefix", "destination", "rate"})
LARGEST = 100_000
_MINUTE_S = 60
_MOST_DECIMALS = 9
_LARGEST_AMOUNT = 1_000_000
_MOST_FAULTS = 50
_TOLD_EVERY = 1000
_PIECE = 256 * 1024
_TWO_DIGITS = re.compile(r"[0-9]{1,2}")
_BAND = ("second", "rate", "step_s", "connect", "days", "from")
_OF_RATE = ("initial_s", "minimum", "maximum", "above", "grace_s")
_LONGEST = 120
_RENTED = frozenset(meter.partition(".")[0] for meter in METERS)
_DAY_SIGNS = {**{day: str(day) for day in ALL_DAYS}, HOLIDAY: "H"}
FILE_FAULTS = frozenset(
    {"not-a-table", "quotes", "encoding", "bomb", "nested", "locked", "too-much-work", "lead-file-empty"}
)
_YES = frozenset({"1", "yes", "true", "x", "是"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong on a row; the head is row 1. `code` is one of those in `web.operator.prices.FAULTS`.

    `other` is the row that says otherwise, or 0.
    """

    row: int
    column: str
    code: str
    other: int = 0


@dataclass(slots=True)
class Sheet:
    """What a CSV says, and what is wrong with it; to be used only when nothing is.

    `named_at` is the row that gave a destination, by its code, its name in a language.
    """

    destinations: dict[str, dict[str, str]] = field(default_factory=dict)
    named_at: dict[tuple[str, str], int] = field(default_factory=dict)
    rates: list[DatedRate] = field(default_factory=list)
    rentals: list[RentalPrice] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class _Rows:
    """The rows of one rate; `begun_at` has the row that each band began with."""

    number: int
    first: Mapping[str, str]
    bands: list[Band] = field(default_factory=list)
    begun_at: list[int] = field(default_factory=list)


class _CellError(Exception):
    def __init__(self, column: str, code: str, *, other: int = 0) -> None:
        super().__init__(code)
        self.column, self.code, self.other = column, code, other


def read(source: BinaryIO, *, moved: Callable[[int], None] = lambda _: None) -> Sheet:
    """Return the rates of a file, CSV or XLSX, with every fault by its row (at most fifty).

    `moved` hears of every thousand rows.
    """
    sheet = Sheet()
    groups: dict[tuple[str, str], _Rows] = {}
    try:
        _read_rows(sheet, groups, _rows(source), moved)
    except LeadFileError as error:
        reason, row = error.details.get("reason", error.code), error.details.get("row", 1)
        code = reason if isinstance(reason, str) and reason in FILE_FAULTS else "not-a-table"
        sheet.faults.append(Fault(row if isinstance(row, int) else 1, "", code))
        return sheet
    known: dict[tuple[object, ...], Rate] = {}
    for (meter, prefix), rows in groups.items():
        try:
            sheet.rates.append(_rate(meter, prefix, rows, known))
        except _CellError as error:
            sheet.faults.append(Fault(rows.number, error.column, error.code))
        except RateError:
            sheet.faults.append(Fault(rows.number, "", "rate-contradicts"))
        if len(sheet.faults) >= _MOST_FAULTS:
            break
    if not groups and not sheet.rentals and not sheet.faults:
        sheet.faults.append(Fault(1, "", "empty"))
    return sheet


def length(source: BinaryIO) -> int | None:
    """Return about how many rows a file has; None for a workbook, which does not say before it is read."""
    source.seek(0)
    if workbook.is_workbook(source.read(8)):
        return None
    source.seek(0)
    return sum(piece.count(b"\n") for piece in iter(lambda: source.read(_PIECE), b""))


def _rows(source: BinaryIO) -> Iterator[Row]:
    source.seek(0)
    if workbook.is_workbook(source.read(8)):
        return workbook.rows(source, effort=_effort())
    encoding = text_file.detect_encoding(source)
    if encoding is None:
        raise LeadFileEncodingError(reason="encoding")
    delimiter = text_file.detect_delimiter(source, encoding)
    return text_file.rows(source, encoding=encoding, delimiter=delimiter)


def _effort() -> Effort:
    """Return what a workbook may take: one of 100,000 rows and all columns takes about half of it."""
    return Effort(unpacked=256 << 20, elements=12_000_000, strings=2_000_000, rows=LARGEST + 2, seconds=60.0)


def _read_rows(
    sheet: Sheet,
    groups: dict[tuple[str, str], _Rows],
    rows: Iterator[Row],
    moved: Callable[[int], None],
) -> None:
    bands: dict[tuple[str, ...], Band] = {}
    number, cells = next(rows, (1, []))
    names = [cell.strip().casefold() for cell in cells]
    for missing in sorted(REQUIRED - set(names)):
        sheet.faults.append(Fault(number, missing, "column-missing"))
    if sheet.faults:
        return
    for count, (number, cells) in enumerate(rows, start=1):
        if count > LARGEST:
            sheet.faults.append(Fault(number, "", "too-many-rows"))
            return
        if count % _TOLD_EVERY == 0:
            moved(_TOLD_EVERY)
        kept = cells[: len(names)]
        row = {name: cell.strip() for name, cell in zip_longest(names, kept, fillvalue="") if name}
        try:
            _take(sheet, groups, bands, number, row)
        except _CellError as error:
            sheet.faults.append(Fault(number, error.column, error.code, error.other))
        if len(sheet.faults) >= _MOST_FAULTS:
            return


def write(
    rates: Iterable[DatedRate],
    *,
    destinations: Mapping[str, Mapping[str, str]],
    rentals: Iterable[RentalPrice] = (),
) -> str:
    """Return rates as the CSV that `read` understands."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in rates:
        names = destinations.get(one.destination, {})
        for band, slot in ((of, slot) for of in one.rate.bands for slot in of.slots):
            rate = one.rate
            writer.writerow(
                (
                    harmless(one.meter),
                    one.prefix,
                    harmless(one.destination),
                    harmless(names.get("en", "")),
                    harmless(names.get("zh", "")),
                    amount(slot.rate * _MINUTE_S // slot.per_s),
                    amount(band.connect),
                    rate.initial_s,
                    slot.increment_s,
                    amount(rate.minimum),
                    "yes" if one.is_blocked else "",
                    "" if band.days_iso == ALL_DAYS else ",".join(_DAY_SIGNS[day] for day in band.days_iso),
                    f"{band.from_s // 3600:02d}:{band.from_s // 60 % 60:02d}" if band.from_s else "",
                    "",
                    slot.from_s or "",
                    "" if rate.maximum is None else amount(rate.maximum),
                    "" if rate.ceiling is Ceiling.CAP else rate.ceiling.value,
                    rate.grace_s or "",
                )
            )
    for price in rentals:
        names = destinations.get(price.destination, {})
        is_month, is_hour = price.unit is Unit.MONTH, price.unit is Unit.HOUR
        writer.writerow(
            (
                *(price.meter, "", harmless(price.destination)),
                *(harmless(names.get("en", "")), harmless(names.get("zh", "")), amount(price.unit_nano)),
                *("", "", price.step_s if is_hour else "", "", "", "", ""),
                price.proration.value if is_month else "",
                *("", "", "", ""),
            )
        )
    return buffer.getvalue()


def amount(nano: int) -> str:
    """Return nano-units as a decimal: 22500000 -> `0.0225`; at least four places."""
    text = f"{Decimal(nano) / NANO:.9f}"
    while text.endswith("0") and len(text.partition(".")[2]) > 4:  # noqa: PLR2004 - places that stay
        text = text[:-1]
    return text


def nano(text: str) -> int | None:
    """Return a decimal amount in nano-units, or None when it is none: `0.0225` -> 22500000.

    `0,0225` is the same; `1,250` may be meant two ways and is none.
    """
    value = typed(text)
    if value is None or not 0 <= value < _LARGEST_AMOUNT:
        return None
    scaled = value * NANO
    return int(scaled) if scaled == scaled.to_integral_value() else None


def _take(
    sheet: Sheet,
    groups: dict[tuple[str, str], _Rows],
    known: dict[tuple[str, ...], Band],
    number: int,
    row: Mapping[str, str],
) -> None:
    formula = next((name for name, cell in row.items() if cell.startswith(workbook.FORMULA)), "")
    if formula:
        raise _CellError(formula, "formula")
    meter, prefix = row["meter"], row["prefix"].lstrip("+").replace(" ", "")
    if not meter or len(meter) > _LONGEST:
        raise _CellError("meter", "empty-cell")
    if prefix and not (prefix.isascii() and prefix.isdigit()):
        raise _CellError("prefix", "not-digits")
    _take_names(sheet, number, row)
    if meter.partition(".")[0] in _RENTED:
        sheet.rentals.append(_rental(sheet, meter, row))
        return
    # a deck has some hundred prices for its hundred thousand prefixes
    cells = tuple(row.get(column, "") for column in _BAND)
    band = known.get(cells)
    if band is None:
        band = known[cells] = _band(row)
    slot, second = band.slots[0], band.slots[0].from_s
    rows = groups.setdefault((meter, prefix), _Rows(number, row))
    if rows.first is not row:
        _insist_same(rows, row)
    same = next(
        (
            at
            for at, one in enumerate(rows.bands)
            if (one.days_iso, one.from_s) == (band.days_iso, band.from_s)
        ),
        None,
    )
    if not second and same is not None:
        raise _CellError("", "row-twice", other=rows.begun_at[same])
    if not second:
        rows.bands.append(band)
        rows.begun_at.append(number)
    elif same is not None:
        one = rows.bands[same]
        rows.bands[same] = replace(one, slots=(*one.slots, slot))
    else:
        raise _CellError("second", "slot-without-band")


def _insist_same(rows: _Rows, row: Mapping[str, str]) -> None:
    """Go on only when a further row of a rate says the same of all its calls as the first, or nothing."""
    for column in ("destination", "blocked", *_OF_RATE):
        there, here = rows.first.get(column, ""), row.get(column, "")
        if there == here or (not here and column != "blocked"):
            continue
        try:
            means = _meant(column, rows.first)
        except _CellError:  # named when the rate is made
            continue
        if _meant(column, row) != means:
            raise _CellError(column, "row-contradicts", other=rows.number)


def _meant(column: str, row: Mapping[str, str]) -> object:
    """Return what a cell that is of the whole rate comes to."""
    text = row.get(column, "")
    match column:
        case "blocked":
            return text.casefold() in _YES
        case "above":
            return _ceiling(text)
        case "minimum":
            return _amount(row, column)
        case "maximum":
            return _amount(row, column) if text else None
        case "initial_s" | "grace_s":
            return _seconds(row, column, least=0, default=0)
        case _:
            return text


def _band(row: Mapping[str, str]) -> Band:
    second = _seconds(row, "second", least=0, default=0)
    slot = Slot(second, _amount(row, "rate"), _MINUTE_S, _seconds(row, "step_s", least=1, default=1))
    return Band(
        slots=(slot,),
        connect=_amount(row, "connect"),
        days_iso=tuple(_days(row.get("days", ""))),
        from_s=_time(row.get("from", "")),
    )


def _take_names(sheet: Sheet, number: int, row: Mapping[str, str]) -> None:
    """Take the names of a row's destination, which are the same in every row that has any."""
    code = row["destination"]
    if not code or len(code) > _LONGEST:
        raise _CellError("destination", "empty-cell")
    names = sheet.destinations.setdefault(code, {})
    for language in ("en", "zh"):
        name = row.get(f"name_{language}", "")[:_LONGEST]
        if not name:
            continue
        first = sheet.named_at.setdefault((code, language), number)
        if first == number:
            names[language] = name
        elif names[language] != name:
            raise _CellError(f"name_{language}", "name-contradicts", other=first)
    if not names:
        names["en"] = code


def _rental(sheet: Sheet, meter: str, row: Mapping[str, str]) -> RentalPrice:
    if meter not in METERS:
        raise _CellError("meter", "unknown-rental")
    if any(one.meter == meter for one in sheet.rentals):
        raise _CellError("meter", "rental-twice")
    try:
        proration = Proration(row.get("proration", "") or Proration.ACTUAL_DAYS)
    except ValueError as error:
        raise _CellError("proration", "not-a-proration") from error
    step_s = _seconds(row, "step_s", least=0, default=default_step(meter))
    if step_s and HOUR_S % step_s:
        raise _CellError("step_s", "step-not-in-hour")
    return RentalPrice(meter, row["destination"], _amount(row, "rate"), proration, step_s)


def default_step(meter: str) -> int:
    """Return in which steps time is charged when nothing is said: begun hours, agents' time exactly."""
    return 0 if meter in AGENTS else HOUR_S


def _rate(meter: str, prefix: str, rows: _Rows, known: dict[tuple[object, ...], Rate]) -> DatedRate:
    key = (*rows.bands, *(rows.first.get(column, "") for column in _OF_RATE))
    rate = known.get(key)
    if rate is None:
        rate = known[key] = _price(rows)
    is_blocked = _meant("blocked", rows.first) is True
    return DatedRate(meter, prefix, rows.first["destination"], rate, is_blocked=is_blocked)


def _price(rows: _Rows) -> Rate:
    return Rate(
        bands=tuple(rows.bands),
        initial_s=_seconds(rows.first, "initial_s", least=0, default=0),
        minimum=_amount(rows.first, "minimum"),
        maximum=_amount(rows.first, "maximum") if rows.first.get("maximum") else None,
        ceiling=_ceiling(rows.first.get("above", "")),
        grace_s=_seconds(rows.first, "grace_s", least=0, default=0),
    )


def _ceiling(text: str) -> Ceiling:
    try:
        return Ceiling(text.casefold() or Ceiling.CAP)
    except ValueError as error:
        raise _CellError("above", "not-a-ceiling") from error


def _amount(row: Mapping[str, str], column: str) -> int:
    text = row.get(column, "")
    if not text and column != "rate":
        return 0
    found = nano(text)
    if found is None:
        raise _CellError(column, "two-ways" if is_two_ways(text) else "not-an-amount")
    return found


def _seconds(row: Mapping[str, str], column: str, *, least: int, default: int) -> int:
    text = row.get(column, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DECIMALS and int(text) >= least):
        raise _CellError(column, "not-seconds")
    return int(text)


def _days(text: str) -> Iterator[int]:
    if not text:
        yield from ALL_DAYS
        return
    for part in text.replace(";", ",").replace(" ", "").split(","):
        if part.upper() == _DAY_SIGNS[HOLIDAY]:
            yield HOLIDAY
            continue
        first, _, last = part.partition("-")
        if not (
            first in set("1234567") and (not last or last in set("1234567")) and first <= (last or first)
        ):
            raise _CellError("days", "not-days")
        yield from range(int(first), int(last or first) + 1)


def _time(text: str) -> int:
    if not text:
        return 0
    hour, colon, minute = text.partition(":")
    is_time = colon and all(_TWO_DIGITS.fullmatch(one) for one in (hour, minute))
    if not is_time or int(hour) > 23 or int(minute) > 59:  # noqa: PLR2004
        raise _CellError("from", "not-a-time")
    return int(hour) * 3600 + int(minute) * 60
