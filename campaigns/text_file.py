"""Lead files as text: which encoding, which delimiter, and the rows one by one.

The order of decoders is byte order mark, strict UTF-8, strict GB18030, and then the person is asked: guessers
take short Chinese files for Korean or Western ones. Source of the quoting: RFC 4180.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from campaigns.errors import LeadFileEmptyError, LeadFileEncodingError, LeadFileError

ENCODINGS = (
    "utf-8-sig",
    "gb18030",
    "big5",
    "windows-1252",
    "windows-1251",
    "shift_jis",
    "euc-kr",
    "utf-16",
)
DELIMITERS = (",", ";", "\t", "|")
Row = tuple[int, list[str]]  # its number as a spreadsheet shows it, its cells

_PIECE = 1 << 20
_SAMPLE = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# a text has line ends and tabs; other control signs mean a picture, a program, a document
_ODD = frozenset(chr(code) for code in range(32)) - set("\t\n\r\f")


def detect_encoding(source: BinaryIO) -> str | None:
    """Return the encoding of the whole of a text, or None when the person must say.

    Raises:
        LeadFileError: `not-a-table`: this is no text at all.
    """
    source.seek(0)
    head = source.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for encoding in ("utf-8-sig", "gb18030"):
        if _decodes(source, encoding):
            return encoding
    return None


def detect_delimiter(source: BinaryIO, encoding: str) -> str:
    """Return the delimiter that cuts the first lines into the same number of columns, else a comma."""
    text = _start(source, encoding)
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row)
        except csv.Error:
            continue
        if not widths:
            continue
        ((width, often),) = widths.most_common(1)
        if width > 1 and width * often > most:
            best, most = delimiter, width * often
    return best


def rows(source: BinaryIO, *, encoding: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows that are not blank, decoded strictly.

    Raises:
        LeadFileEncodingError: the text is not in that encoding; it ends to be shortly after `row`.
        LeadFileError: `quotes`: a quotation mark is opened and never closed.
    """
    source.seek(0)
    text = io.TextIOWrapper(
        io.BufferedReader(_Borrowed(source), _PIECE), encoding=encoding, errors="strict", newline=""
    )
    reader = csv.reader(text, delimiter=delimiter)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cell and not cell.isspace() for cell in cells):
                yield number, cells
    except UnicodeError as error:
        raise LeadFileEncodingError(row=number + 1, reason="encoding") from error
    except csv.Error as error:
        raise LeadFileError(row=number + 1, reason="quotes") from error
    finally:
        text.detach()


def _decodes(source: BinaryIO, encoding: str) -> bool:
    source.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        while piece := source.read(_PIECE):
            if not _ODD.isdisjoint(decoder.decode(piece)):
                raise LeadFileError(reason="not-a-table")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _start(source: BinaryIO, encoding: str) -> str:
    source.seek(0)
    piece = source.read(_SAMPLE)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(piece, final=False)
    if not text.strip():
        raise LeadFileEmptyError
    # the last line may be cut in the middle
    return text if len(piece) < _SAMPLE else text[: text.rfind("\n") + 1] or text


class _Borrowed(io.RawIOBase):
    """A stream that is read here and closed by whoever lent it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def readable(self) -> bool:
        """Reading is all it can."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed wants any buffer
        """Fill the buffer from the lender."""
        piece = self._source.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
