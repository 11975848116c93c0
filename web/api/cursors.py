"""Cursors: opaque, signed, good for one company and one list.

A page of a list ends at a row; the next begins after it (keyset pagination), so rows that arrive meanwhile
neither repeat nor hide others. The signature keeps clients from building cursors of their own.
"""

from collections.abc import Sequence
from typing import TypeVar

from itsdangerous import BadSignature, URLSafeSerializer

from core.errors import Invalid
from web import identity, scope

T = TypeVar("T")
_SALT = "seatline/cursor/v1"


class MalformedCursorError(Invalid):
    """The cursor was changed, or belongs to another list or another company."""

    code = "malformed-cursor"


def decode(text: str | None, *, of: str) -> list[str] | None:
    """Return what a page begins after, as it was encoded.

    Args:
        text: what the client sent as `starting_after`.
        of: the list, e.g. `api-keys`.

    Raises:
        MalformedCursorError: not a cursor of this list and this company.
    """
    if text is None:
        return None
    try:
        tenant, name, *last = _signer().loads(text)
    except (BadSignature, ValueError, TypeError) as error:
        raise MalformedCursorError(field="starting_after") from error
    if (tenant, name) != (identity.current().tenant_id.hex, of):
        raise MalformedCursorError(field="starting_after")
    return [str(part) for part in last]


def encode(*last: str, of: str) -> str:
    """Return the cursor of the page that follows the row `last` names (its sort key, its id)."""
    return str(_signer().dumps([identity.current().tenant_id.hex, of, *last]))


def cut(rows: Sequence[T], *, limit: int) -> tuple[Sequence[T], bool]:
    """Return a page of rows read with `limit + 1`, and whether more follow."""
    return rows[:limit], len(rows) > limit


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(scope.services().settings.secret_key, salt=_SALT)
