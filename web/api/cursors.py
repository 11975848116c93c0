"""Cursors: opaque, signed, good for one company and one list.

A page of a list ends at an id; the next begins after it (keyset pagination), so rows that arrive meanwhile
neither repeat nor hide others. The signature keeps clients from building cursors of their own.
"""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer

from core.errors import Invalid
from web import identity, scope

T = TypeVar("T")
_SALT = "seatline/cursor/v1"


class MalformedCursorError(Invalid):
    """The cursor was changed, or belongs to another list or another company."""

    code = "malformed-cursor"


def decode(text: str | None, *, of: str) -> UUID | None:
    """Return the id a page begins after.

    Args:
        text: what the client sent as `starting_after`.
        of: the list, e.g. `api-keys`; filters that change the order belong in it.

    Raises:
        MalformedCursorError: not a cursor of this list.
    """
    if text is None:
        return None
    try:
        tenant, name, last = _signer().loads(text)
        found = UUID(hex=last)
    except (BadSignature, ValueError, TypeError) as error:
        raise MalformedCursorError(field="starting_after") from error
    if (tenant, name) != (identity.current().tenant_id.hex, of):
        raise MalformedCursorError(field="starting_after")
    return found


def encode(last: UUID, *, of: str) -> str:
    """Return the cursor of the page that follows `last`."""
    return str(_signer().dumps([identity.current().tenant_id.hex, of, last.hex]))


def cut(rows: Sequence[T], *, limit: int) -> tuple[Sequence[T], bool]:
    """Return a page of rows read with `limit + 1`, and whether more follow."""
    return rows[:limit], len(rows) > limit


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(scope.services().settings.secret_key, salt=_SALT)
