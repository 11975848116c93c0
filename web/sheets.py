"""Tables as files: CSV for programs, XLSX for people. No cell runs as a formula, no number loses its plus.

A spreadsheet takes a CSV cell for a formula when it begins with one of `= + - @` or a control sign (OWASP,
CSV Injection). Such a text gets an apostrophe in front, except what is only digits, blanks and bullets behind
a plus: a telephone number, which no spreadsheet can run, and which programs want back as it was. In XLSX a
text is written as a text, so nothing has to be changed.
"""

import csv
import datetime as dt
import io
import re
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

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
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_LONGEST_SHEET_NAME = 31
_WIDEST = 40

Cell = str | int | float | Decimal | bool | dt.datetime | dt.date | None


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A head and what stands under it."""

    head: str
    value: Callable[[R], object]


def answer(kind: str, name: str, columns: Sequence[Column[R]], rows: Sequence[R]) -> Response:
    """Return a download of `kind` (one of `KINDS`) called after the table and the day."""
    grid = list(_grid(columns, rows))
    zone = zoneinfo.ZoneInfo(i18n.zone())
    body = as_csv(grid, zone=zone) if kind == "csv" else as_xlsx(grid, zone=zone, title=name)
    response = Response(body, content_type=_TYPES[kind])
    day = clock.now().astimezone(zone).date().isoformat()
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{day}.{kind}"'
    return response


def plain(value: object) -> Cell | tuple[Decimal, str]:
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


def as_csv(grid: Sequence[Sequence[Cell]], *, zone: dt.tzinfo) -> bytes:
    """Return rows as RFC 4180, in UTF-8 with the mark Excel needs; instants in `zone` with their offset."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in grid:
        writer.writerow([_text(cell, zone) for cell in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_xlsx(grid: Sequence[Sequence[Cell]], *, zone: dt.tzinfo, title: str) -> bytes:
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


def _grid(columns: Sequence[Column[R]], rows: Sequence[R]) -> Iterator[list[Cell]]:
    cells = [[plain(column.value(row)) for column in columns] for row in rows]
    # a column of amounts takes two: the number, then its currency
    paired = [any(isinstance(row[place], tuple) for row in cells) for place in range(len(columns))]
    head: list[Cell] = []
    for column, is_pair in zip(columns, paired, strict=True):
        head.append(column.head)
        if is_pair:
            head.append(gettext("Currency"))
    yield head
    for row in cells:
        line: list[Cell] = []
        for cell, is_pair in zip(row, paired, strict=True):
            if isinstance(cell, tuple):
                line += cell
            else:
                line.append(cell)
                if is_pair:
                    line.append(None)
        yield line


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
