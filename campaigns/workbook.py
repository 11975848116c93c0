"""Lead files as workbooks (XLSX, ECMA-376): the first sheet's rows, one by one, in bounded memory.

A reader of our own, because a workbook from outside is an archive of XML: each member's size is judged
before it is opened and counted while it is read, entities are refused (defusedxml), nothing but four
members is ever opened, and a formula is neither evaluated nor replaced by the value somebody cached for it.
Shared strings are read only as far as the rows refer to them, and kept as bytes. Who waits for an answer, as
a web request does for its preview, gives an `Effort` that ends the reading whatever the file holds.
"""

import array
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import IO, BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from campaigns.errors import LeadFileError, LeadFileUnsafeError
from campaigns.text_file import Row

FORMULA = "\0"
"""What the text of a formula's cell begins with; no other cell can hold this sign."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_LARGEST_SHEET = 2 << 30
_LARGEST_STRINGS = 192 << 20
_LARGEST_SMALL = 4 << 20
_LARGEST_ITEM = 4 << 20  # a row, or a string: 16 384 cells of 250 signs each
_STEEPEST = 400  # unpacked over packed; a sheet of a million rows comes to about 10, a bomb to 1000
_MOST_MEMBERS = 2000
_LARGEST_READ = 1 << 20  # at once, of the archive itself: the list of 2000 members takes less
_DEEPEST = 32  # elements within each other; a sheet has 8
_MOST_IN_ITEM = 200_000  # elements of one row or string: 16 384 cells of a value, a text, runs
_ARCHIVE = re.compile(r"\.(zip|xls[xmb]|doc[xm]|ppt[xm]|jar|7z|rar|gz|bz2|xz|tar)$", re.IGNORECASE)
_OLD_OR_LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # a compound file: XLS, or a workbook with a password
_ZIP = b"PK\x03\x04"
_LETTERS = re.compile(r"[A-Z]{1,3}")
_MOST_COLUMNS = 16_384
_MOST_ROWS = 1_048_576
_LONGEST_NUMBER = 10  # digits of a row's number or a string's; longer ones are none
_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ParseError, DefusedXmlException, EOFError, KeyError)


@dataclass(slots=True)
class Effort:
    """How much work a reading may still take; what goes beyond it is refused, as `too-much-work`.

    Only the clock depends on the machine, so it comes last: a file that is refused for its bytes, elements,
    strings or rows is refused everywhere.

    Attributes:
        unpacked: bytes out of the archive.
        elements: of XML, in all members together.
        strings: shared strings.
        rows: of the sheet, blank ones too.
        seconds: on the clock.
    """

    unpacked: int = 64 << 20
    elements: int = 1_000_000
    strings: int = 250_000
    rows: int = 20_000
    seconds: float = 10.0
    _until: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._until = time.monotonic() + self.seconds

    def spend(self, *, unpacked: int = 0, elements: int = 0, strings: int = 0, rows: int = 0) -> None:
        """Take work off what is left.

        Raises:
            LeadFileUnsafeError: nothing is left.
        """
        self.unpacked -= unpacked
        self.elements -= elements
        self.strings -= strings
        self.rows -= rows
        is_spent = min(self.unpacked, self.elements, self.strings, self.rows) < 0
        if is_spent or (unpacked and time.monotonic() > self._until):
            raise LeadFileUnsafeError(reason="too-much-work")


def is_workbook(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a workbook rather than text.

    Raises:
        LeadFileUnsafeError: `locked`: an old XLS, or a workbook with a password.
    """
    if head.startswith(_OLD_OR_LOCKED):
        raise LeadFileUnsafeError(reason="locked")
    return head.startswith(_ZIP)


def rows(source: BinaryIO, *, effort: Effort | None = None) -> Iterator[Row]:
    """Yield the rows of the first sheet that are not blank.

    Args:
        source: the file, seekable.
        effort: what the reading may take; None when nobody waits for it.

    Raises:
        LeadFileError: `not-a-table`: no workbook, or a damaged one.
        LeadFileUnsafeError: `bomb`, `nested`, `locked` or `too-much-work`.
    """
    source.seek(0)
    try:
        with zipfile.ZipFile(_Sips(source)) as archive:
            _insist_on_safety(archive)
            sheet = _first_sheet(archive, effort)
            strings = _Strings(archive, effort)
            try:
                yield from _sheet_rows(archive, sheet, strings, effort)
            finally:
                strings.close()
    except _UNREADABLE as error:
        raise LeadFileError(reason="not-a-table") from error
    except RuntimeError as error:  # zipfile's word for a member with a password
        raise LeadFileUnsafeError(reason="locked") from error


def _insist_on_safety(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise LeadFileUnsafeError(reason="bomb")
    for one in members:
        if one.flag_bits & 0x1:
            raise LeadFileUnsafeError(reason="locked")
        if _ARCHIVE.search(one.filename):
            raise LeadFileUnsafeError(reason="nested")
        if one.file_size > _LARGEST_SHEET or one.file_size > _STEEPEST * max(one.compress_size, 1024):
            raise LeadFileUnsafeError(reason="bomb")


class _Sips:
    """The archive, never much of it at once: zipfile would take a list of members of any length."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.seek, self.tell, self.seekable = source.seek, source.tell, source.seekable

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(_LARGEST_READ + 1 if size < 0 else min(size, _LARGEST_READ + 1))
        if len(piece) > _LARGEST_READ:
            raise LeadFileUnsafeError(reason="bomb")
        return piece


class _Counted:
    """A member of the archive that may not give more than it said, nor more than we take at once."""

    def __init__(self, archive: zipfile.ZipFile, name: str, most: int, effort: Effort | None) -> None:
        info = archive.getinfo(name)
        if info.file_size > most:
            raise LeadFileUnsafeError(reason="bomb")
        self._file: IO[bytes] = archive.open(info)
        self._left = info.file_size
        self.held = 0  # bytes that stand in memory as elements
        self.effort = effort

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._left -= len(piece)
        self.held += len(piece)
        if self.effort:
            self.effort.spend(unpacked=len(piece))
        if self._left < 0 or self.held > _LARGEST_ITEM:
            raise LeadFileUnsafeError(reason="bomb")
        return piece

    def close(self) -> None:
        self._file.close()


def _elements(member: _Counted, name: str, *, until: str = "") -> Iterator[Element]:
    """Yield the named elements as they end; each is emptied afterwards, and its parent of it.

    What stands behind the end of `until` (merged cells, links) is not read.
    """
    way: list[Element] = []
    since = 0  # elements since the last named one: of a row without end there is no end
    for event, element in iterparse(member, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            way.append(element)
            since += 1
            if len(way) > _DEEPEST or since > _MOST_IN_ITEM:
                raise LeadFileUnsafeError(reason="bomb")
            if member.effort:
                member.effort.spend(elements=1)
            continue
        way.pop()
        if element.tag == name:
            yield element
            element.clear()
            if way:
                way[-1].clear()
            member.held = since = 0
        elif element.tag == until:
            return


def _first_sheet(archive: zipfile.ZipFile, effort: Effort | None) -> str:
    book = _Counted(archive, "xl/workbook.xml", _LARGEST_SMALL, effort)
    sheet = next(_elements(book, f"{_MAIN}sheet"), None)
    if sheet is None:
        raise LeadFileError(reason="not-a-table")
    wanted = sheet.get(_RELATION)
    book.close()
    relations = _Counted(archive, "xl/_rels/workbook.xml.rels", _LARGEST_SMALL, effort)
    tag = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
    for relation in _elements(relations, tag):
        if relation.get("Id") == wanted:
            target = relation.get("Target", "")
            return target[1:] if target.startswith("/") else f"xl/{target}"
    raise LeadFileError(reason="not-a-table")


class _Strings:
    """The shared strings, as far as they were needed, in one block of bytes."""

    def __init__(self, archive: zipfile.ZipFile, effort: Effort | None) -> None:
        self._effort = effort
        self._bytes = bytearray()
        self._ends = array.array("Q")
        self._member: _Counted | None = None
        self._items: Iterator[Element] = iter(())
        if "xl/sharedStrings.xml" in archive.namelist():
            self._member = _Counted(archive, "xl/sharedStrings.xml", _LARGEST_STRINGS, effort)
            self._items = _elements(self._member, f"{_MAIN}si")

    def at(self, index: int) -> str:
        while len(self._ends) <= index:
            item = next(self._items, None)
            if item is None:
                raise LeadFileError(reason="not-a-table")
            if self._effort:
                self._effort.spend(strings=1)
            self._bytes += _text(item).encode()
            self._ends.append(len(self._bytes))
        start = self._ends[index - 1] if index else 0
        return self._bytes[start : self._ends[index]].decode()

    def close(self) -> None:
        if self._member:
            self._member.close()


def _text(item: Element) -> str:
    """Return a string item's text: its runs joined, pronunciation marks (rPh) left out."""
    parts = [one.text or "" for one in item if one.tag == f"{_MAIN}t"]
    parts += [
        one.text or "" for run in item if run.tag == f"{_MAIN}r" for one in run if one.tag == f"{_MAIN}t"
    ]
    return "".join(parts)


def _sheet_rows(
    archive: zipfile.ZipFile, sheet: str, strings: _Strings, effort: Effort | None
) -> Iterator[Row]:
    member = _Counted(archive, sheet, _LARGEST_SHEET, effort)
    number = 0
    try:
        for row in _elements(member, f"{_MAIN}row", until=f"{_MAIN}sheetData"):
            number = _row_number(row.get("r"), number)
            if effort:
                effort.spend(rows=1)
            cells: list[str] = []
            for cell in row:
                column = _column(cell.get("r"), len(cells))
                cells += [""] * (column - len(cells))
                cells.append(_cell(cell, strings))
            if any(cell and not cell.isspace() for cell in cells):
                yield number, cells
    finally:
        member.close()


def _row_number(given: str | None, before: int) -> int:
    """Return a row's number; rows stand in their order, each once, and no sheet has more than 2^20."""
    number = before + 1
    if given and given.isascii() and given.isdigit():
        number = int(given[:_LONGEST_NUMBER])
    if not before < number <= _MOST_ROWS:
        raise LeadFileError(reason="not-a-table")
    return number


def _column(reference: str | None, following: int) -> int:
    """Return a cell's column from 0; most files name it, others count on the order."""
    letters = _LETTERS.match(reference or "")
    if letters is None:
        return following
    column = 0
    for letter in letters[0]:
        column = column * 26 + ord(letter) - 64
    if not following < column <= _MOST_COLUMNS:
        raise LeadFileError(reason="not-a-table")
    return column - 1


def _cell(cell: Element, strings: _Strings) -> str:
    kind = cell.get("t", "n")
    value = ""
    for part in cell:
        if part.tag == f"{_MAIN}f":
            return f"{FORMULA}={part.text or ''}"
        if part.tag == f"{_MAIN}v":
            value = part.text or ""
        elif part.tag == f"{_MAIN}is":
            value = _text(part)
    if kind == "s":
        return strings.at(int(value[:_LONGEST_NUMBER])) if value.isascii() and value.isdigit() else ""
    return _number(value) if kind == "n" else value


def _number(value: str) -> str:
    """Return a number as people write it: `4.47700900123E+11` is `447700900123`."""
    if "E" not in value and "." not in value:
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    whole = number.to_integral_value() if number.is_finite() and abs(number.adjusted()) < 20 else None  # noqa: PLR2004 - longer than any number
    return f"{whole:f}" if whole is not None and whole == number else value
