"""Rows on the way out, as CSV that a spreadsheet may open.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection); a
telephone number keeps its plus sign, because it is nothing else to anybody.
"""

import csv
import io
import re
from collections.abc import Sequence

_PLAIN_NUMBER = re.compile(r"[+-]?[0-9][0-9 ().-]*", re.ASCII)


def line(cells: Sequence[str]) -> str:
    """Return one line of CSV with its end, every cell harmless."""
    out = io.StringIO()
    csv.writer(out).writerow([guarded(cell) for cell in cells])
    return out.getvalue()


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet evaluates: `=1+1` becomes `'=1+1`, `+447700900123` stays."""
    if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
