"""Dated versions of the API: a key is pinned to one, the header `Api-Version` names another for one request.

What changes for consumers gets a new date in `tenants.apikeys.VERSIONS`, and an operation asks `named()`
where the two differ; additions need none. What goes away is announced on the operation
(`kit.operation(ends=…)`): `Deprecation` (RFC 9745) says since when, `Sunset` (RFC 8594) when it is gone.
"""

import datetime as dt
from dataclasses import dataclass

from flask import Response, request
from werkzeug.http import http_date

from core.errors import SeatlineError
from tenants.apikeys import VERSIONS
from web import identity

HEADER = "Api-Version"
CURRENT = VERSIONS[-1]


class UnknownVersionError(SeatlineError):
    """The header `Api-Version` names no version there is."""

    code = "unknown-api-version"
    kind = "malformed"


@dataclass(frozen=True, slots=True)
class Ends:
    """That an operation goes away.

    Attributes:
        since: from this day on nobody should begin to use it.
        gone: from this day on it is not there; at least half a year later.
        instead: the operation that does the same.
    """

    since: dt.date
    gone: dt.date
    instead: str

    def headers(self) -> dict[str, str]:
        """Return the headers that announce it."""
        return {
            "Deprecation": f"@{int(_midnight(self.since).timestamp())}",
            "Sunset": http_date(_midnight(self.gone)),
            "Link": f'</api/docs#{self.instead}>; rel="successor-version"',
        }


def insist() -> None:
    """Refuse a version that does not exist, before anything is done.

    Raises:
        UnknownVersionError: the header names none of `VERSIONS`.
    """
    if request.headers.get(HEADER, CURRENT) not in VERSIONS:
        raise UnknownVersionError


def named() -> str:
    """Return the version this request speaks: the header's, else the key's."""
    who = identity.known()
    given = request.headers.get(HEADER)
    if given in VERSIONS:
        return given
    return who.api_version if who and who.api_version else CURRENT


def tell(response: Response) -> Response:
    """Say in a header which version was spoken."""
    response.headers[HEADER] = named()
    return response


def _midnight(on: dt.date) -> dt.datetime:
    return dt.datetime.combine(on, dt.time(), tzinfo=dt.UTC)
