"""`ETag` and `If-Match`: who changes something says which version of it was read (RFC 9110, 13.1.1).

Without the header nothing is changed (428): the last writer would win, and nobody would know. With an old
version nothing is changed either (412). Versions are small numbers that the rooms keep.
"""

import re

from flask import request

from core.errors import SeatlineError

HEADER = "If-Match"
_TAG = re.compile(r'"([1-9][0-9]{0,8})"', re.ASCII)


class UnconditionalError(SeatlineError):
    """The header `If-Match` is missing."""

    code = "precondition-required"
    kind = "unconditional"


class StaleError(SeatlineError):
    """It is no longer at the version the header `If-Match` names."""

    code = "precondition-failed"
    kind = "stale"


def tag(version: int) -> dict[str, str]:
    """Return the header that tells a version."""
    return {"ETag": f'"{version}"'}


def insist(version: int) -> int:
    """Return the present version when it is the one the request names.

    Raises:
        UnconditionalError: it names none.
        StaleError: it names another, or what is no version of ours.
    """
    if HEADER not in request.headers:
        raise UnconditionalError
    match = _TAG.fullmatch(request.headers[HEADER].strip())
    if match is None or int(match[1]) != version:
        raise StaleError
    return version
