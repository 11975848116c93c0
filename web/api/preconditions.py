"""`ETag` and `If-Match`: who changes something says which version of it was read (RFC 9110, 13.1.1).

Without the header nothing is changed (428): the last writer would win, and nobody would know. With an old
version nothing is changed either (412). A version is a number that a room keeps, or a digest of what is
shown where a room keeps none.
"""

import hashlib
import re

from flask import request

from core.errors import SeatlineError

HEADER = "If-Match"
PATTERN = '^"[0-9a-z]{1,32}"$'
_TAG = re.compile(r'"([0-9a-z]{1,32})"', re.ASCII)


class UnconditionalError(SeatlineError):
    """The header `If-Match` is missing."""

    code = "precondition-required"
    kind = "unconditional"


class StaleError(SeatlineError):
    """It is no longer at the version the header `If-Match` names."""

    code = "precondition-failed"
    kind = "stale"


class MalformedTagError(SeatlineError):
    """The header `If-Match` holds no `ETag` of ours: one, strong, in quotes."""

    code = "malformed-precondition"
    kind = "malformed"


def tag(version: int | str) -> dict[str, str]:
    """Return the header that tells a version."""
    return {"ETag": f'"{version}"'}


def digest(*shown: str) -> str:
    """Return a version for what has none: it changes when anything shown does."""
    return hashlib.sha256("\x1f".join(shown).encode()).hexdigest()[:24]


def insist(version: int | str) -> None:
    """Go on only when the request names the present version.

    Raises:
        UnconditionalError: it names none.
        MalformedTagError: it names none as we write them.
        StaleError: it names another.
    """
    if HEADER not in request.headers:
        raise UnconditionalError
    match = _TAG.fullmatch(request.headers[HEADER].strip())
    if match is None:
        raise MalformedTagError
    if match[1] != str(version):
        raise StaleError
