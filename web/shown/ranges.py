"""Files over HTTP of which any range may be asked for (RFC 9110, 14)."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response, request
from werkzeug.datastructures import ContentRange
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from security.gate import Gate
from security.refusals import Refusals
from security.vault import SealError
from tenants import tampering
from web import refusals, scope


@dataclass(frozen=True, slots=True)
class Asked:
    """Which bytes of a file are asked for: `[start, stop)` of `size`."""

    start: int
    stop: int
    size: int
    is_part: bool


def asked(size: int) -> Asked:
    """Return what the request asks for.

    Raises:
        RequestedRangeNotSatisfiable: the range lies outside.
    """
    span = request.range.range_for_length(size) if request.range else None
    if request.range and span is None:
        raise RequestedRangeNotSatisfiable(size)
    start, stop = span or (0, size)
    return Asked(start, stop, size, is_part=span is not None)


def answer(
    pieces: Iterator[bytes], of: Asked, *, content_type: str, name: str, is_download: bool
) -> Response:
    """Return the bytes that were asked for; `name` is ASCII.

    Raises:
        SealError: the first piece was tampered with; of a later one the answer breaks off, and the alarm is
            raised here.
    """
    first = next(pieces, b"")
    told = _noticed(first, pieces, gate=scope.gate(), counter=refusals.counter())
    response = Response(told, content_type=content_type)
    response.content_length = of.stop - of.start
    response.accept_ranges = "bytes"
    if of.is_part:
        response.status_code = 206
        response.content_range = ContentRange("bytes", of.start, of.stop, of.size)
    kept = "attachment" if is_download else "inline"
    response.headers["Content-Disposition"] = f'{kept}; filename="{name}"'
    return response


def _noticed(first: bytes, rest: Iterator[bytes], *, gate: Gate, counter: Refusals) -> Iterator[bytes]:
    yield first
    try:
        yield from rest
    except SealError as error:  # the head is out, so no page can say it
        tampering.sealed(gate, error, counter=counter)
        raise
