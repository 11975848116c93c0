"""Tables as files: CSV for programs, XLSX for people. No cell runs as a formula, no number loses its plus.

A spreadsheet takes a CSV cell for a formula when it begins with one of `= + - @` or a control sign (OWASP,
CSV Injection). Such a text gets an apostrophe in front, except what is only digits, blanks and bullets behind
a plus: a telephone number, which no spreadsheet can run, and which programs want back as it was. In XLSX a
text is written as a text, so nothing has to be changed.
"""

import csv
import datetime as dt
import io
import json
import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

import xlsxwriter
from flask import Response
from flask_babel import gettext

from core import clock
from core.money import Money, exponent
from web import i18n

R = TypeVar("R")
KINDS = ("csv", "xlsx")
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"\+[0-9][0-9 •*]*")
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_LONGEST_SHEET_NAME = 31
_WIDEST = 40
_PIECE = 64 * 1024

Cell = str | int | float | Decimal | bool | dt.datetime | dt.date | None
Amount = tuple[Decimal, str]  # and its currency


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A head and what stands under it."""

    head: str
    value: Callable[[R], object]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file looks: what does not change from row to row.

    Attributes:
        name: of the table.
        file: the file's name without its ending.
        paired: which columns hold amounts and take two.
        currency: the head of the second.
        zone: IANA name of the zone whose times stand in it.
    """

    name: str
    file: str
    heads: Sequence[str]
    paired: Sequence[bool]
    currency: str
    zone: str


def answer(kind: str, name: str, columns: Sequence[Column[R]], rows: Sequence[R]) -> Response:
    """Return a download of `kind` (one of `KINDS`) called after the table and the day."""
    cells = [cells_of(columns, row) for row in rows]
    sheet = layout(columns, paired(len(columns), cells), name=name)
    response = Response(b"".join(content(kind, sheet, cells)), content_type=TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="{sheet.file}.{kind}"'
    return response


def layout(columns: Sequence[Column[R]], is_paired: Sequence[bool], *, name: str) -> Layout:
    """Return how a file of these columns looks, in the reader's language and zone, of today."""
    zone = i18n.zone()
    day = clock.now().astimezone(zoneinfo.ZoneInfo(zone)).date().isoformat()
    heads = tuple(column.head for column in columns)
    return Layout(name, f"{name}-{day}", heads, tuple(is_paired), gettext("Currency"), zone)


def cells_of(columns: Sequence[Column[R]], row: R) -> list[Cell | Amount]:
    """Return a row's cells; an amount is one, with its currency."""
    return [plain(column.value(row)) for column in columns]


def paired(width: int, rows: Iterable[Sequence[Cell | Amount]]) -> list[bool]:
    """Return which columns hold amounts: each takes two, the number, then its currency."""
    found = [False] * width
    for row in rows:
        found = [known or isinstance(cell, tuple) for known, cell in zip(found, row, strict=True)]
    return found


def content(kind: str, sheet: Layout, rows: Iterable[Sequence[Cell | Amount]]) -> Iterator[bytes]:
    """Yield a file of `kind` with these rows under their heads."""
    grid, zone = _grid(sheet, rows), zoneinfo.ZoneInfo(sheet.zone)
    if kind == "csv":
        yield from csv_of(grid, zone=zone)
    else:
        yield as_xlsx(grid, zone=zone, title=sheet.name)


def packed(rows: Iterable[Sequence[Cell | Amount]]) -> bytes:
    """Return rows as JSON lines that `unpacked` reads back with the same types."""
    return b"".join(
        json.dumps([_packed(cell) for cell in row], ensure_ascii=False).encode() + b"\n" for row in rows
    )


def unpacked(pieces: Iterable[bytes]) -> Iterator[list[Cell | Amount]]:
    """Yield the rows of what `packed` returned, cut anywhere."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield [_unpacked(cell) for cell in json.loads(line)]


def plain(value: object) -> Cell | Amount:
    """Return a value as a cell; an amount as a number and its currency."""
    if isinstance(value, Money):
        return Decimal(value.minor).scaleb(-exponent(value.currency)), value.currency
    if isinstance(value, tuple):
        amount, currency = value
        return Decimal(amount), str(currency)
    if value is None or isinstance(value, str | int | float | Decimal | dt.date):
        return value
    return str(value)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    if not text.startswith(_FORMULA_SIGNS) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def csv_of(grid: Iterable[Sequence[Cell]], *, zone: dt.tzinfo) -> Iterator[bytes]:
    """Yield rows as RFC 4180, in UTF-8 with the mark Excel needs; instants in `zone` with their offset."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    yield b"\xef\xbb\xbf"
    for row in grid:
        writer.writerow([_text(cell, zone) for cell in row])
        if out.tell() >= _PIECE:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def as_xlsx(grid: Iterable[Sequence[Cell]], *, zone: dt.tzinfo, title: str) -> bytes:
    """Return rows as one sheet: the head stays in sight, instants are local times of `zone`."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    sheet = book.add_worksheet(title[:_LONGEST_SHEET_NAME])
    bold = book.add_format({"bold": True})
    at = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    on = book.add_format({"num_format": "yyyy-mm-dd"})
    widths: dict[int, int] = {}
    for index, row in enumerate(grid):
        for place, cell in enumerate(row):
            widths[place] = min(max(widths.get(place, 8), len(str(cell or ""))), _WIDEST)
            if isinstance(cell, dt.datetime):
                sheet.write_datetime(index, place, cell.astimezone(zone).replace(tzinfo=None), at)
            elif isinstance(cell, dt.date):
                sheet.write_datetime(index, place, dt.datetime(cell.year, cell.month, cell.day), on)  # noqa: DTZ001 - a day has no zone
            elif isinstance(cell, bool):
                sheet.write_boolean(index, place, cell)
            elif isinstance(cell, int | float | Decimal):
                sheet.write_number(index, place, float(cell))
            elif cell is not None:
                sheet.write_string(index, place, cell, bold if index == 0 else None)
    for place, width in widths.items():
        sheet.set_column(place, place, width + 1)
    sheet.freeze_panes(1, 0)
    book.close()
    return out.getvalue()


def _grid(sheet: Layout, rows: Iterable[Sequence[Cell | Amount]]) -> Iterator[list[Cell]]:
    head: list[Cell] = []
    for text, is_pair in zip(sheet.heads, sheet.paired, strict=True):
        head.append(text)
        if is_pair:
            head.append(sheet.currency)
    yield head
    for row in rows:
        line: list[Cell] = []
        for cell, is_pair in zip(row, sheet.paired, strict=True):
            if isinstance(cell, tuple):
                line += cell
            else:
                line.append(cell)
                if is_pair:
                    line.append(None)
        yield line


def _packed(cell: Cell | Amount) -> object:
    match cell:
        case dt.datetime():
            return {"at": cell.isoformat()}
        case dt.date():
            return {"on": cell.isoformat()}
        case Decimal():
            return {"number": str(cell)}
        case (amount, currency):
            return {"amount": str(amount), "currency": currency}
    return cell


def _unpacked(cell: Any) -> Cell | Amount:  # noqa: ANN401 - JSON
    match cell:
        case {"at": text}:
            return dt.datetime.fromisoformat(text)
        case {"on": text}:
            return dt.date.fromisoformat(text)
        case {"number": text}:
            return Decimal(text)
        case {"amount": text, "currency": currency}:
            return Decimal(text), str(currency)
    plain_cell: Cell = cell
    return plain_cell


def _text(cell: Cell, zone: dt.tzinfo) -> str:
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime):
        return cell.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return harmless(cell) if isinstance(cell, str) else str(cell)
