"""Files that may be longer than a request: short ones are answered at once, of long ones a job is asked for.

The job comes back to the same address with a `Pen` (`web.drawing`): the view runs as for a browser, by the
rights of who asked, and what it would have answered goes into the pen. So a page and its file cannot differ.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from flask import Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from security.gate import Kind
from tenants import downloads
from tenants.errors import DownloadTooLongError
from tenants.roles import Door
from web import identity, scope, uploads
from wiring.downloading import Drawn

AT_ONCE = 10_000
"""Rows of a file that is answered within the request."""
IN_A_WORKBOOK = 100_000
"""Rows of an XLSX file at most: it is put together in memory, about 2 KB a row."""
PAGE = "/downloads"
_CSV_TYPE = "text/csv; charset=utf-8"


@dataclass(slots=True)
class Pen:
    """Draws one piece of a file in place of an answer.

    Attributes:
        after: where it begins.
        most: rows of one piece, about.
        done: rows that were drawn before.
        paired: which columns held amounts so far.
        moved: hears of rows while they are drawn.
        drawn: what came of it.
    """

    after: str
    most: int
    done: int
    paired: list[bool]
    moved: Callable[[int], None]
    drawn: Drawn | None = None


def pen() -> Pen | None:
    """Return the pen of the job this runs in; None: somebody waits for the answer."""
    found: Pen | None = g.get("seatline_pen")
    return found


def take(held: Pen) -> None:
    """Have everything this request answers drawn by a pen."""
    g.seatline_pen = held


def ask(subject: str, kind: str, *, total: int | None) -> BaseResponse:
    """Have the file of this very address made by a job, and send the reader where it will lie.

    Raises:
        DownloadTooLongError: a workbook of so many rows is not made.
        DownloadsUnderWayError: so many are being made for this reader already.
    """
    insist_on_length(kind, total)
    who = identity.current()
    downloads.ask(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        by=who.principal_id,
        by_kind=Kind.USER,
        subject=subject,
        kind=kind,
        address=request.full_path.rstrip("?"),
        total=total,
    )
    return redirect(PAGE, 303)


def insist_on_length(kind: str, rows: int | None) -> None:
    """Refuse a workbook that would not fit into memory.

    Raises:
        DownloadTooLongError: with how many rows fit.
    """
    if kind == "xlsx" and rows is not None and rows > IN_A_WORKBOOK:
        raise DownloadTooLongError(most=IN_A_WORKBOOK)


def lines(
    subject: str, found: Iterable[str], *, name: str, total: int, content_type: str = _CSV_TYPE
) -> BaseResponse:
    """Return a file of `total` lines: at once, or from a job when they are many and a person waits.

    Programs are answered at once whatever the length: they wait as long as they like.
    """
    held = pen()
    if held is None:
        is_person = request.blueprint != "api" and identity.current().door in {Door.PORTAL, Door.OPERATOR}
        if total > AT_ONCE and is_person:
            return ask(subject, name.rpartition(".")[2], total=total)
        return uploads.spooled(found, name=name, content_type=content_type)
    count = 0

    def counted() -> Iterator[str]:
        nonlocal count
        for line in found:
            yield line
            count += 1
            if count % held.most == 0:
                held.moved(held.most)

    response = uploads.spooled(counted(), name=name, content_type=content_type)
    held.drawn = Drawn(response.iter_encoded(), total, None, {}, total=total, whole=(name, content_type))
    return Response()
